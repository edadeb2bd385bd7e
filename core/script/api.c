/* kontor.*: the records that rules may read and change. Each call goes the way of a client's, with
 * the rights of whoever caused the rule or of the role it declares.
 *
 * A call that fails in the engine has filled ctx->error. It then stops the rule for good
 * (script_stop): a pcall around it does not turn a failed change into a success. */
#include <lauxlib.h>
#include <string.h>

#include "record/context.h"
#include "script/script_internal.h"

/* --- Who asks --- */

struct script_call *script_begin_call(lua_State *lua)
{
    struct script_call *call = script_call_of(script_of(lua));
    if (!call)
        luaL_error(lua, "this can be asked only inside a rule's check");
    script_charge(lua, SCRIPT_CALL_STEPS);
    return call;
}

void script_require(lua_State *lua, struct script_call *call, const char *permission)
{
    struct kt_ctx *ctx = call->ctx;
    const char *who = ctx->acting ? ctx->acting->at[0] : kt_user_name(ctx);
    if (ctx->host->may(ctx, permission))
        return;
    permission = kt_format(ctx, "%s", permission);
    (void)kt_fail(
        ctx, KT_DENIED, permission,
        "rule %s runs with the rights of %s, who may not %s: declare as = a role that may",
        "规则 %s 以 %s 的权限运行，无权 %s：请用 as 声明具有该权限的角色", call->rule->name,
        kt_format(ctx, "%s", who), permission);
    script_stop(lua);
}

/* The entity named at 1, when the present rights allow it. */
static const struct schema_entity *check_entity(lua_State *lua, struct script_call *call,
                                                const char *right)
{
    const struct schema_entity *entity;
    size_t length;
    const char *name = luaL_checklstring(lua, 1, &length);
    script_check_call(lua, record_entity(call->ctx, name, length, &entity));
    script_require(lua, call, lua_pushfstring(lua, "%s.%s", entity->name, right));
    lua_pop(lua, 1);
    return entity;
}

static const struct schema_entity *check_writes(lua_State *lua, struct script_call *call,
                                                const char *right)
{
    if (!call->ctx->writable)
        luaL_error(lua, "this method only reads: declare writes = true");
    return check_entity(lua, call, right);
}

/* What is read is the caller's to see; what the failure names is not the rule's entity. */
static void check_done(lua_State *lua, struct script_call *call, const struct schema_entity *entity,
                       enum kt_status status)
{
    script_check_call(lua, record_failed(call->ctx, entity, status));
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
    struct script_call *call = script_begin_call(lua);
    const struct schema_entity *entity = check_entity(lua, call, "read");
    uint64_t id = check_id(lua, 2);
    struct store_slice bytes;
    check_done(lua, call, entity, record_bytes(call->ctx, entity, id, &bytes));
    script_push_read(lua, entity, record_keep_bytes(call->ctx, bytes));
    return 1;
}

/* An empty value finds nothing: the field it came from was empty. */
static int find(lua_State *lua)
{
    struct script_call *call = script_begin_call(lua);
    const struct schema_entity *entity = check_entity(lua, call, "read");
    size_t length;
    const char *name = luaL_checklstring(lua, 2, &length);
    const struct schema_field *field = schema_field(entity, name, length);
    const msgpack_object *found = NULL;
    luaL_argcheck(lua, lua_gettop(lua) >= 3, 3, "the value is missing");
    if (field)
        check_done(lua, call, entity, record_mask_refuse(call->ctx, entity, field, name));
    check_done(
        lua, call, entity,
        kt_record_find(call->ctx, entity->name, name, script_take_value(lua, 3, false), &found));
    if (found && !lua_isnil(lua, 3))
        script_push_found(lua, entity, found);
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
    struct script_call *call = script_begin_call(lua);
    const struct schema_entity *entity = check_entity(lua, call, "read");
    struct kt_query query = {.entity = entity->name};
    const struct store_slice *found = NULL;
    size_t count = 0;
    lua_settop(lua, 3);
    take_where(lua, call->ctx, &query);
    take_search_options(lua, &query);
    script_check_call(lua, record_search(call->ctx, &query, true, &found, &count));
    lua_createtable(lua, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        script_push_read(lua, entity, found[i]);
        lua_rawseti(lua, -2, (lua_Integer)i + 1);
    }
    script_charge(lua, (int64_t)count);
    return 1;
}

/* By the client's own method, which knows the quick ways. */
static int count(lua_State *lua)
{
    struct script_call *call = script_begin_call(lua);
    struct kt_map *params = kt_map_new(call->ctx);
    const msgpack_object *answer;
    check_entity(lua, call, "read");
    kt_map_set(params, "entity", script_take_value(lua, 1, false));
    if (!lua_isnoneornil(lua, 2))
        kt_map_set(params, "where", script_take_value(lua, 2, false));
    script_check_call(lua,
                      call->ctx->host->call(call->ctx, "record.count", &params->object, &answer));
    lua_pushinteger(lua, kt_get_int(answer, "count"));
    return 1;
}

static int total(lua_State *lua)
{
    struct script_call *call = script_begin_call(lua);
    struct kt_ctx *ctx = call->ctx;
    const char *name = luaL_checkstring(lua, 1);
    int by_count = lua_gettop(lua) - 1;
    msgpack_object by[KT_GROUP_FIELDS];
    struct kt_total_row row = {0};
    luaL_argcheck(lua, by_count <= KT_GROUP_FIELDS, 2, "too many group values");
    for (int i = 0; i < by_count; i++)
        by[i] = script_take_value(lua, i + 2, false);
    const struct schema_total *declared = schema_total(ctx->schema, name);
    script_require(lua, call, lua_pushfstring(lua, "%s.read", name));
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
    struct script_call *call = script_begin_call(lua);
    const struct schema_entity *entity = check_writes(lua, call, "create");
    uint64_t id = 0;
    const struct kt_map *values = take_values(lua, call->ctx, 2);
    script_check_call(lua, record_create(call->ctx, entity, &values->object, RECORD_BY_RULE, &id));
    lua_pushinteger(lua, (lua_Integer)id);
    return 1;
}

static int update(lua_State *lua)
{
    struct script_call *call = script_begin_call(lua);
    const struct schema_entity *entity = check_writes(lua, call, "update");
    uint64_t id = check_id(lua, 2);
    const struct kt_map *values = take_values(lua, call->ctx, 3);
    script_check_call(lua,
                      record_update(call->ctx, entity, id, 0, &values->object, RECORD_BY_RULE));
    return 0;
}

static int delete (lua_State *lua)
{
    struct script_call *call = script_begin_call(lua);
    const struct schema_entity *entity = check_writes(lua, call, "delete");
    uint64_t id = check_id(lua, 2);
    script_check_call(lua, record_delete(call->ctx, entity, id, 0, RECORD_BY_RULE));
    return 0;
}

void script_open_api(lua_State *lua)
{
    static const luaL_Reg functions[] = {{"get", get},       {"find", find},     {"search", search},
                                         {"count", count},   {"total", total},   {"create", create},
                                         {"update", update}, {"delete", delete}, {NULL, NULL}};
    luaL_newlib(lua, functions);
    script_add_services(lua);
    lua_pushlightuserdata(lua, NULL);
    lua_setfield(lua, -2, "none");
    script_make_strict(lua, "kontor");
    script_make_readonly(lua, "kontor");
}
