/* Values between Lua and the record engine.
 *
 * Into the engine everything is copied to the request's arena, since Lua may drop its own at any
 * time; out of it, single values are copied and lists and maps are shown through proxies. */
#include <lauxlib.h>
#include <string.h>

#include "record/context.h"
#include "script/script_internal.h"

void script_check_arena(lua_State *lua)
{
    const struct script_call *call = script_call_of(script_of(lua));
    if (call && context_check_memory(call->ctx) != KT_OK)
        script_stop(lua);
}

void script_check_call(lua_State *lua, enum kt_status status)
{
    struct kt_ctx *ctx = script_call_of(script_of(lua))->ctx;
    script_time_is_the_engines(script_of(lua));
    script_hook_adjust(script_of(lua));
    if (status != KT_OK) {
        if (ctx->error.status == KT_OK)
            (void)kt_fail(ctx, status, NULL, "the rule's call failed", "规则调用失败");
        script_stop(lua);
    }
    if (ctx->error.status != KT_OK)
        context_forgive(ctx);
    script_check_arena(lua);
}

void script_check_alive(lua_State *lua, unsigned depth, uint64_t serial)
{
    const struct script_set *set = script_of(lua);
    if (depth >= set->depth || set->calls[depth]->serial != serial)
        luaL_error(lua,
                   "a record was kept from an earlier run: a rule must read it anew each time");
}

/* --- From Lua --- */

static struct kt_ctx *ctx_of(lua_State *lua)
{
    const struct script_call *call = script_call_of(script_of(lua));
    if (!call)
        luaL_error(lua, "records can be used only inside a rule's check");
    return call->ctx;
}

static msgpack_object take_text(lua_State *lua, int index, bool clean)
{
    struct kt_ctx *ctx = ctx_of(lua);
    size_t length;
    const char *text = lua_tolstring(lua, index, &length);
    if (clean)
        return kt_text(script_clean(ctx, text, length, SCRIPT_TEXT_BYTES));
    msgpack_object copy = kt_text_of(context_copy(ctx, text, length), length);
    script_check_arena(lua);
    return copy;
}

static msgpack_object take(lua_State *lua, int index, bool clean, int depth);

static msgpack_object take_list(lua_State *lua, int index, bool clean, int depth)
{
    struct kt_list *list = kt_list_new(ctx_of(lua));
    lua_Integer count = (lua_Integer)lua_rawlen(lua, index);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(lua, index, i);
        kt_list_add(list, take(lua, lua_gettop(lua), clean, depth + 1));
        lua_pop(lua, 1);
        script_charge(lua, 1);
    }
    script_check_arena(lua);
    return list->object;
}

/* A table is a list when it has a first element or nothing at all. */
static msgpack_object take_table(lua_State *lua, int index, bool clean, int depth)
{
    lua_pushnil(lua);
    if (lua_next(lua, index) == 0)
        return kt_list_new(ctx_of(lua))->object;
    lua_pop(lua, 2);
    if (lua_rawlen(lua, index) > 0)
        return take_list(lua, index, clean, depth);
    struct kt_map *map = kt_map_new(ctx_of(lua));
    lua_pushnil(lua);
    while (lua_next(lua, index) != 0) {
        if (lua_type(lua, -2) != LUA_TSTRING)
            luaL_error(lua, "a table given to kontor has text keys or is a list, not both");
        const char *name = take_text(lua, lua_gettop(lua) - 1, true).via.str.ptr;
        kt_map_set(map, name, take(lua, lua_gettop(lua), clean, depth + 1));
        lua_pop(lua, 1);
        script_charge(lua, 1 + map->object.via.map.size / 16);
    }
    script_check_arena(lua);
    return map->object;
}

static msgpack_object take_number(lua_State *lua, int index)
{
    if (lua_isinteger(lua, index))
        return kt_int(lua_tointeger(lua, index));
    return (msgpack_object){.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = lua_tonumber(lua, index)};
}

static msgpack_object take(lua_State *lua, int index, bool clean, int depth)
{
    struct kt_decimal decimal;
    kt_date date;
    kt_instant_us at;
    const msgpack_object *behind;
    if (depth > SCRIPT_VALUE_DEPTH)
        luaL_error(lua, "a table is nested deeper than %d", SCRIPT_VALUE_DEPTH);
    luaL_checkstack(lua, 6, "a table is nested too deeply");
    switch (lua_type(lua, index)) {
    case LUA_TNONE:
    case LUA_TNIL:
    case LUA_TLIGHTUSERDATA: /* kontor.none */
        return kt_nil();
    case LUA_TBOOLEAN:
        return kt_bool(lua_toboolean(lua, index));
    case LUA_TNUMBER:
        return take_number(lua, index);
    case LUA_TSTRING:
        return take_text(lua, index, clean);
    case LUA_TTABLE:
        return take_table(lua, index, clean, depth);
    default:
        if (script_is_decimal(lua, index, &decimal))
            return kt_decimal_value(ctx_of(lua), decimal);
        if (script_is_date(lua, index, &date))
            return kt_date_value(ctx_of(lua), date);
        if (script_is_instant(lua, index, &at))
            return kt_instant_value(ctx_of(lua), at);
        behind = script_value_behind(lua, index);
        if (behind)
            return *behind;
        luaL_error(lua, "a value given to kontor cannot be a %s; of a record give its id",
                   luaL_typename(lua, index));
        return kt_nil();
    }
}

msgpack_object script_take_value(lua_State *lua, int index, bool clean)
{
    return take(lua, lua_absindex(lua, index), clean, 0);
}

static _Noreturn void wrong(lua_State *lua, int index, const char *path, const char *expected)
{
    luaL_error(lua, "%s must be %s, not %s", path, expected,
               lua_type(lua, index) == LUA_TSTRING ? lua_tostring(lua, index)
                                                   : luaL_typename(lua, index));
    for (;;)
        continue;
}

static msgpack_object take_decimal(lua_State *lua, int index, const char *path)
{
    struct kt_decimal value;
    int type = lua_type(lua, index);
    if (!script_is_decimal(lua, index, &value)) {
        if (type == LUA_TNUMBER && !lua_isinteger(lua, index))
            luaL_error(lua,
                       "%s cannot be the float %f, which is inexact: write a decimal such as "
                       "kontor.decimal(\"0.1\")",
                       path, lua_tonumber(lua, index));
        if (type != LUA_TNUMBER && type != LUA_TSTRING)
            wrong(lua, index, path, "a decimal");
        value = script_check_decimal(lua, index, true);
    }
    return kt_decimal_value(ctx_of(lua), value);
}

static msgpack_object take_date(lua_State *lua, int index, const char *path)
{
    size_t length;
    kt_date date;
    const char *text =
        lua_type(lua, index) == LUA_TSTRING ? lua_tolstring(lua, index, &length) : NULL;
    if (!script_is_date(lua, index, &date) && !(text && kt_date_parse(text, length, &date)))
        wrong(lua, index, path, "a date such as \"2026-11-23\"");
    return kt_date_value(ctx_of(lua), date);
}

static msgpack_object take_instant(lua_State *lua, int index, const char *path)
{
    size_t length;
    kt_instant_us at;
    const char *text =
        lua_type(lua, index) == LUA_TSTRING ? lua_tolstring(lua, index, &length) : NULL;
    if (!script_is_instant(lua, index, &at) && !(text && kt_instant_parse(text, length, &at)))
        wrong(lua, index, path, "an instant such as \"2026-11-23T09:30:00Z\"");
    return kt_instant_value(ctx_of(lua), at);
}

static msgpack_object take_tags(lua_State *lua, int index, const char *path)
{
    msgpack_object value = script_take_value(lua, index, false);
    bool texts = value.type == MSGPACK_OBJECT_ARRAY;
    for (uint32_t i = 0; texts && i < value.via.array.size; i++)
        texts = value.via.array.ptr[i].type == MSGPACK_OBJECT_STR;
    if (!texts)
        wrong(lua, index, path, "a list of texts");
    return value;
}

static msgpack_object take_ids(lua_State *lua, int index, const char *path)
{
    msgpack_object value = script_take_value(lua, index, false);
    bool ids = value.type == MSGPACK_OBJECT_ARRAY;
    for (uint32_t i = 0; ids && i < value.via.array.size; i++)
        ids = value.via.array.ptr[i].type == MSGPACK_OBJECT_POSITIVE_INTEGER;
    if (!ids)
        wrong(lua, index, path, "a list of ids");
    return value;
}

static msgpack_object take_whole(lua_State *lua, int index, const struct kt_field *field,
                                 const char *path)
{
    int exact;
    lua_Integer number = lua_tointegerx(lua, index, &exact);
    if (lua_type(lua, index) != LUA_TNUMBER || !exact)
        wrong(lua, index, path, field->type == KT_REF ? "the id of a record" : "a whole number");
    return kt_int(number);
}

msgpack_object script_take_field(lua_State *lua, int index, const struct kt_field *field,
                                 const char *path)
{
    index = lua_absindex(lua, index);
    if (lua_isnil(lua, index) || lua_islightuserdata(lua, index))
        return kt_nil();
    switch (field->type) {
    case KT_TEXT:
    case KT_ENUM:
    case KT_STATE:
        if (lua_type(lua, index) != LUA_TSTRING)
            wrong(lua, index, path, "text");
        return take_text(lua, index, false);
    case KT_INT:
    case KT_REF:
        return take_whole(lua, index, field, path);
    case KT_DECIMAL:
    case KT_MONEY:
    case KT_QUANTITY:
        return take_decimal(lua, index, path);
    case KT_BOOL:
        if (!lua_isboolean(lua, index))
            wrong(lua, index, path, "true or false");
        return kt_bool(lua_toboolean(lua, index));
    case KT_DATE:
        return take_date(lua, index, path);
    case KT_TAGS:
        return take_tags(lua, index, path);
    case KT_REFS:
        return take_ids(lua, index, path);
    case KT_JSON:
        return script_take_value(lua, index, false);
    case KT_INSTANT:
        return take_instant(lua, index, path);
    case KT_FILE:
    case KT_LINES:
        break;
    }
    luaL_error(lua, "%s cannot be assigned by a rule", path);
    return kt_nil();
}

/* --- To Lua --- */

static void push_decimal_field(lua_State *lua, const struct kt_field *field,
                               const msgpack_object *value)
{
    struct kt_decimal decimal;
    if (value->type == MSGPACK_OBJECT_STR) {
        if (!kt_decimal_parse(value->via.str.ptr, value->via.str.size, &decimal))
            luaL_error(lua, "%s does not hold a decimal", field->name);
    } else if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64 <= INT64_MAX) {
        decimal = kt_decimal_from_int((int64_t)value->via.u64);
    } else if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        decimal = kt_decimal_from_int(value->via.i64);
    } else {
        luaL_error(lua, "%s does not hold a decimal", field->name);
        return;
    }
    script_push_decimal(lua, decimal);
}

static void push_date_field(lua_State *lua, const struct kt_field *field,
                            const msgpack_object *value)
{
    kt_date date;
    if (value->type != MSGPACK_OBJECT_STR ||
        !kt_date_parse(value->via.str.ptr, value->via.str.size, &date))
        luaL_error(lua, "%s does not hold a date", field->name);
    script_push_date(lua, date);
}

void script_push_field(lua_State *lua, const struct kt_field *field, const msgpack_object *value)
{
    static const msgpack_object empty_list = {.type = MSGPACK_OBJECT_ARRAY};
    bool empty = !value || value->type == MSGPACK_OBJECT_NIL;
    if (empty && (field->type == KT_TAGS || field->type == KT_REFS))
        script_push_value(lua, &empty_list);
    else if (empty)
        lua_pushnil(lua);
    else if (field->type == KT_DECIMAL || field->type == KT_MONEY || field->type == KT_QUANTITY)
        push_decimal_field(lua, field, value);
    else if (field->type == KT_DATE)
        push_date_field(lua, field, value);
    else
        script_push_value(lua, value);
}
