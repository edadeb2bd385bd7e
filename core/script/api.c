/* kontor.*: what rules may ask and do. Everything goes through include/kontor, so that validation,
 * rules, events and history apply; the rules act for the server, not for the user.
 *
 * A call that fails in the engine has filled ctx->error. It then stops the rule for good
 * (script_stop): a pcall around it does not turn a failed change into a success. */
#include <lauxlib.h>
#include <string.h>

#include "record/context.h"
#include "script/script_internal.h"

static const char *const fixed_read = "a record that was read cannot be changed: use kontor.update";

/* The call that this belongs to; raises outside of one, and when nothing may run on. */
static struct script_call *begin(lua_State *lua)
{
    struct script_call *call = script_call_of(script_of(lua));
    if (!call)
        luaL_error(lua, "this can be asked only inside a rule's check");
    script_charge(lua, SCRIPT_CALL_STEPS);
    return call;
}

static void push_found(lua_State *lua, struct script_call *call, const char *name,
                       const msgpack_object *value)
{
    const struct schema_entity *entity = schema_entity(call->ctx->schema, name, strlen(name));
    script_push_record(lua, script_record_fixed(call->ctx, entity->name, entity,
                                                entity->decl->fields, value, fixed_read));
}

static uint64_t check_id(lua_State *lua, int index)
{
    if (lua_isnoneornil(lua, index))
        luaL_error(lua, "the id is nil (an empty field?)");
    lua_Integer id = luaL_checkinteger(lua, index);
    luaL_argcheck(lua, id > 0, index, "an id is above 0");
    return (uint64_t)id;
}

/* --- Reading records --- */

static int get(lua_State *lua)
{
    struct script_call *call = begin(lua);
    const char *entity = luaL_checkstring(lua, 1);
    uint64_t id = check_id(lua, 2);
    const msgpack_object *found = NULL;
    script_check_call(lua, kt_record_get(call->ctx, entity, id, &found));
    push_found(lua, call, entity, found);
    return 1;
}

/* An empty value finds nothing: the field it came from was empty. */
static int find(lua_State *lua)
{
    struct script_call *call = begin(lua);
    const char *entity = luaL_checkstring(lua, 1);
    const char *field = luaL_checkstring(lua, 2);
    const msgpack_object *found = NULL;
    luaL_argcheck(lua, lua_gettop(lua) >= 3, 3, "the value is missing");
    script_check_call(
        lua, kt_record_find(call->ctx, entity, field, script_take_value(lua, 3, false), &found));
    if (found && !lua_isnil(lua, 3))
        push_found(lua, call, entity, found);
    else
        lua_pushnil(lua);
    return 1;
}

/* {"field", "op", value}; the texts stay alive in the table. */
static struct kt_condition take_condition(lua_State *lua)
{
    struct kt_condition condition = {0};
    int at = lua_gettop(lua);
    bool right = lua_istable(lua, at);
    right = right && lua_rawgeti(lua, at, 1) == LUA_TSTRING;
    right = right && lua_rawgeti(lua, at, 2) == LUA_TSTRING;
    if (!right)
        luaL_error(lua, "a condition is {\"field\", \"op\", value}");
    condition.field = lua_tostring(lua, at + 1);
    condition.op = lua_tostring(lua, at + 2);
    lua_rawgeti(lua, at, 3);
    condition.value = script_take_value(lua, at + 3, false);
    lua_settop(lua, at - 1);
    return condition;
}

static void take_where(lua_State *lua, struct kt_ctx *ctx, struct kt_query *query)
{
    if (lua_isnoneornil(lua, 2))
        return;
    luaL_checktype(lua, 2, LUA_TTABLE);
    query->where_count = lua_rawlen(lua, 2);
    luaL_argcheck(lua, query->where_count <= KT_LIMIT_WHERE_TERMS, 2, "too many conditions");
    struct kt_condition *where = kt_alloc(ctx, sizeof(*where) * query->where_count);
    for (size_t i = 0; i < query->where_count; i++) {
        lua_rawgeti(lua, 2, (lua_Integer)i + 1);
        where[i] = take_condition(lua);
    }
    query->where = where;
}

static void take_search_options(lua_State *lua, struct kt_query *query)
{
    if (lua_isnoneornil(lua, 3))
        return;
    luaL_checktype(lua, 3, LUA_TTABLE);
    lua_pushnil(lua);
    while (lua_next(lua, 3) != 0) {
        const char *key = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "";
        int exact = 1;
        lua_Integer number = lua_tointegerx(lua, -1, &exact);
        if (strcmp(key, "order") == 0 && lua_type(lua, -1) == LUA_TSTRING)
            query->order = lua_tostring(lua, -1);
        else if (strcmp(key, "limit") == 0 && exact && number >= 1 && number <= KT_QUERY_MAX)
            query->limit = (uint32_t)number;
        else
            luaL_error(lua, "search options are order (a text) and limit (1 to %d)", KT_QUERY_MAX);
        lua_pop(lua, 1);
    }
}

static int search(lua_State *lua)
{
    struct script_call *call = begin(lua);
    struct kt_query query = {.entity = luaL_checkstring(lua, 1)};
    const msgpack_object **found = NULL;
    size_t count = 0;
    lua_settop(lua, 3);
    take_where(lua, call->ctx, &query);
    take_search_options(lua, &query);
    script_check_call(lua, kt_record_search(call->ctx, &query, &found, &count));
    lua_createtable(lua, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        push_found(lua, call, query.entity, found[i]);
        lua_rawseti(lua, -2, (lua_Integer)i + 1);
    }
    script_charge(lua, (int64_t)count);
    return 1;
}

static int total(lua_State *lua)
{
    struct script_call *call = begin(lua);
    struct kt_ctx *ctx = call->ctx;
    const char *name = luaL_checkstring(lua, 1);
    int by_count = lua_gettop(lua) - 1;
    msgpack_object by[KT_GROUP_FIELDS];
    struct kt_total_row row = {0};
    luaL_argcheck(lua, by_count <= KT_GROUP_FIELDS, 2, "too many group values");
    for (int i = 0; i < by_count; i++)
        by[i] = script_take_value(lua, i + 2, false);
    const struct schema_total *declared = schema_total(ctx->schema, name);
    if (declared && (size_t)by_count == declared->by_count)
        script_check_call(lua, kt_total_get(ctx, name, by, (size_t)by_count, &row));
    else
        script_check_call(lua, kt_total_sum(ctx, name, by, (size_t)by_count, &row));
    if (!declared)
        luaL_error(lua, "there is no total %s", name);
    const char *what = lua_pushfstring(lua, "total %s", name);
    lua_createtable(lua, 0, (int)declared->decl->measure_count + 1);
    for (size_t i = 0; i < declared->decl->measure_count; i++) {
        script_push_decimal(lua, row.measures[i]);
        lua_setfield(lua, -2, declared->decl->legs[0].measures[i].name);
    }
    lua_pushinteger(lua, row.count);
    lua_setfield(lua, -2, "count");
    script_make_strict(lua, what);
    return 1;
}

/* --- Changing records --- */

static struct kt_map *take_values(lua_State *lua, struct kt_ctx *ctx, int index)
{
    luaL_checktype(lua, index, LUA_TTABLE);
    msgpack_object values = script_take_value(lua, index, false);
    if (values.type == MSGPACK_OBJECT_ARRAY && values.via.array.size > 0)
        luaL_error(lua, "values are a table of fields such as {name = \"...\"}");
    return kt_map_copy(ctx, &values);
}

static int create(lua_State *lua)
{
    struct script_call *call = begin(lua);
    const char *entity = luaL_checkstring(lua, 1);
    uint64_t id = 0;
    struct kt_map *values = take_values(lua, call->ctx, 2);
    script_check_call(lua, kt_record_create(call->ctx, entity, values, &id));
    lua_pushinteger(lua, (lua_Integer)id);
    return 1;
}

/* The save under way would write over what the update stored. */
static void check_not_being_saved(lua_State *lua, const char *entity, uint64_t id)
{
    const struct script_set *set = script_of(lua);
    for (unsigned i = 0; i < set->depth; i++) {
        const struct script_call *call = set->calls[i];
        if (!call->after && call->step->old && kt_get_id(call->step->old, "id") == id &&
            strcmp(call->step->entity->name, entity) == 0)
            luaL_error(lua, "%s %I is being saved: assign to the fields of the record instead",
                       entity, (LUAI_UACINT)id);
    }
}

static int update(lua_State *lua)
{
    struct script_call *call = begin(lua);
    const char *entity = luaL_checkstring(lua, 1);
    uint64_t id = check_id(lua, 2);
    check_not_being_saved(lua, entity, id);
    struct kt_map *values = take_values(lua, call->ctx, 3);
    script_check_call(lua, kt_record_update(call->ctx, entity, id, values));
    return 0;
}

/* --- The request --- */

/* From the schema, the same for everyone: a module is enabled when its entities are. */
static int enabled(lua_State *lua)
{
    const struct schema *schema = begin(lua)->ctx->schema;
    const char *module = luaL_checkstring(lua, 1);
    bool found = false;
    for (size_t i = 0; i < schema->entity_count && !found; i++)
        found =
            schema->entities[i].enabled && strcmp(schema->entities[i].plugin->name, module) == 0;
    lua_pushboolean(lua, found);
    return 1;
}

static int has_role(lua_State *lua)
{
    const struct script_call *call = begin(lua);
    lua_pushboolean(lua, kt_user_has_role(call->ctx, luaL_checkstring(lua, 1)));
    return 1;
}

static int user(lua_State *lua)
{
    lua_pushstring(lua, kt_user_name(begin(lua)->ctx));
    return 1;
}

static int user_id(lua_State *lua)
{
    lua_pushinteger(lua, (lua_Integer)kt_user_id(begin(lua)->ctx));
    return 1;
}

static int today(lua_State *lua)
{
    char text[KT_DATE_TEXT_SIZE];
    lua_pushlstring(lua, text, kt_date_format(kt_today(begin(lua)->ctx), text));
    return 1;
}

static int setting(lua_State *lua)
{
    struct script_call *call = begin(lua);
    lua_settop(lua, 2);
    const char *value = kt_setting(call->ctx, luaL_checkstring(lua, 1), NULL);
    script_check_call(lua, KT_OK);
    if (value)
        lua_pushstring(lua, value);
    return 1;
}

static int decimal(lua_State *lua)
{
    script_push_decimal(lua, script_check_decimal(lua, 1, true));
    return 1;
}

/* --- Speaking --- */

/* An optional text of the options at index 2, cleaned; NULL when absent. */
static const char *text_option(lua_State *lua, struct kt_ctx *ctx, const char *name)
{
    if (!lua_istable(lua, 2) || lua_getfield(lua, 2, name) == LUA_TNIL)
        return NULL;
    size_t length;
    if (lua_type(lua, -1) != LUA_TSTRING)
        luaL_error(lua, "%s of kontor.deny is a text", name);
    const char *text = lua_tolstring(lua, -1, &length);
    return script_clean(ctx, text, length, SCRIPT_ERROR_BYTES);
}

static void check_deny_options(lua_State *lua)
{
    static const char *const known[] = {"field", "message_zh", "code", "details"};
    if (lua_isnoneornil(lua, 2))
        return;
    luaL_checktype(lua, 2, LUA_TTABLE);
    lua_pushnil(lua);
    while (lua_next(lua, 2) != 0) {
        const char *key = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "";
        bool found = false;
        for (size_t i = 0; i < KT_COUNT(known); i++)
            found = found || strcmp(key, known[i]) == 0;
        if (!found)
            luaL_error(lua,
                       "kontor.deny has no option '%s': it takes field, message_zh, code and "
                       "details",
                       key);
        lua_pop(lua, 1);
    }
}

static msgpack_object take_details(lua_State *lua, struct kt_ctx *ctx)
{
    const char *code = text_option(lua, ctx, "code");
    msgpack_object details = kt_nil();
    if (lua_istable(lua, 2) && lua_getfield(lua, 2, "details") != LUA_TNIL) {
        luaL_argcheck(lua, lua_istable(lua, -1), 2, "details is a table");
        details = script_take_value(lua, -1, true);
    }
    if (!code && details.type == MSGPACK_OBJECT_NIL)
        return details;
    struct kt_map *map = kt_map_copy(ctx, &details);
    if (details.type == MSGPACK_OBJECT_ARRAY && details.via.array.size > 0)
        kt_map_set(map, "list", details);
    if (code)
        kt_map_set_text(map, "code", code);
    return map->object;
}

static int deny(lua_State *lua)
{
    struct script_call *call = begin(lua);
    struct kt_ctx *ctx = call->ctx;
    size_t length;
    const char *text = luaL_checklstring(lua, 1, &length);
    check_deny_options(lua);
    const char *message = script_clean(ctx, text, length, SCRIPT_ERROR_BYTES);
    const char *message_zh = text_option(lua, ctx, "message_zh");
    const char *field = text_option(lua, ctx, "field");
    msgpack_object details = take_details(lua, ctx);
    if (!message_zh)
        message_zh = kt_format(ctx, "规则拒绝：%s", message);
    (void)kt_fail(ctx, KT_RULE_DENIED, field, "%s%.0s", "%.0s%s", message, message_zh);
    if (ctx->error.status == KT_RULE_DENIED) {
        ctx->error.rule = kt_format(ctx, "%s", call->rule->name);
        context_error_details(ctx, details);
    }
    script_stop(lua);
}

/* Dear, so that a loop does not fill the disk. */
int script_log(lua_State *lua)
{
    const struct script_set *set = script_of(lua);
    const struct script_call *call = script_call_of(set);
    luaL_Buffer line;
    int count = lua_gettop(lua);
    script_charge(lua, INT64_C(20) * SCRIPT_CALL_STEPS);
    luaL_buffinit(lua, &line);
    for (int i = 1; i <= count; i++) {
        if (i > 1)
            luaL_addchar(&line, ' ');
        script_to_text(lua, i, NULL);
        luaL_addvalue(&line);
    }
    luaL_pushresult(&line);
    if (call)
        kt_log(call->ctx, "rule %s: %s", call->rule->name, lua_tostring(lua, -1));
    else if (set->building)
        kt_log(set->building, "rule file %s: %s", set->file->name, lua_tostring(lua, -1));
    return 0;
}

void script_open_api(lua_State *lua)
{
    static const luaL_Reg functions[] = {
        {"get", get},         {"find", find},       {"search", search},   {"total", total},
        {"create", create},   {"update", update},   {"enabled", enabled}, {"has_role", has_role},
        {"user", user},       {"user_id", user_id}, {"today", today},     {"setting", setting},
        {"decimal", decimal}, {"deny", deny},       {"log", script_log},  {NULL, NULL}};
    luaL_newlib(lua, functions);
    lua_pushlightuserdata(lua, NULL);
    lua_setfield(lua, -2, "none");
    script_make_strict(lua, "kontor");
    script_make_readonly(lua, "kontor");
}
