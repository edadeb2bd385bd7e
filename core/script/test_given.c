/* given.*: the world in which a test happens, made by the server. when.*: what a client would do,
 * with the rights of the user who acts, each in a transaction that is undone when it fails. */
#include <lauxlib.h>
#include <string.h>

#include "record/record.h"
#include "script/test_internal.h"

/* --- given --- */

static const struct schema_entity *check_entity(lua_State *lua, struct script_call *call, int index)
{
    const struct schema_entity *entity;
    size_t length;
    const char *name = luaL_checklstring(lua, index, &length);
    script_check_call(lua, record_entity(call->ctx, name, length, &entity));
    return entity;
}

/* A record by the one field that names it, or NULL. */
static const msgpack_object *find_named(lua_State *lua, struct script_call *call,
                                        const char *entity, const char *name)
{
    const msgpack_object *found = NULL;
    script_check_call(lua, kt_record_find(call->ctx, entity, "name",
                                          kt_text(kt_format(call->ctx, "%s", name)), &found));
    return found;
}

/* Creates the named record with the value, or gives it the value. */
static uint64_t put_named(lua_State *lua, struct script_call *call, const char *entity_name,
                          const char *field, msgpack_object value)
{
    struct kt_ctx *ctx = call->ctx;
    const struct schema_entity *entity;
    const char *name = kt_format(ctx, "%s", luaL_checkstring(lua, 1));
    struct kt_map *values = kt_map_new(ctx);
    script_check_call(lua, record_entity(ctx, entity_name, strlen(entity_name), &entity));
    const msgpack_object *found = find_named(lua, call, entity_name, name);
    uint64_t id = kt_get_id(found, "id");
    kt_map_set(values, field, value);
    if (found) {
        script_check_call(lua,
                          record_update(ctx, entity, id, 0, &values->object, RECORD_BY_SERVER));
        return id;
    }
    kt_map_set_text(values, "name", name);
    script_check_call(lua, record_create(ctx, entity, &values->object, RECORD_BY_SERVER, &id));
    return id;
}

/* A misspelt role would only show as a right that is missing. */
static msgpack_object take_roles(lua_State *lua, struct script_call *call)
{
    luaL_checktype(lua, 2, LUA_TTABLE);
    msgpack_object roles = script_take_value(lua, 2, false);
    for (uint32_t i = 0; roles.type == MSGPACK_OBJECT_ARRAY && i < roles.via.array.size; i++) {
        const msgpack_object *role = &roles.via.array.ptr[i];
        if (role->type != MSGPACK_OBJECT_STR)
            luaL_error(lua, "roles are a list of texts such as {\"sales.user\"}");
        const char *name = kt_format(call->ctx, "%.*s", (int)role->via.str.size, role->via.str.ptr);
        if (!call->ctx->host->role_known(call->ctx, name))
            luaL_error(lua, "no module has the role '%s'", name);
    }
    return roles;
}

static int given_user(lua_State *lua)
{
    struct script_call *call = script_begin_call(lua);
    struct script_suite *suite = script_suite_of(lua);
    const char *name = luaL_checkstring(lua, 1);
    script_set_rearm(suite->asked->rules);
    if (!lua_isnoneornil(lua, 2)) {
        suite->user_id = put_named(lua, call, "system.user", "roles", take_roles(lua, call));
        return 0;
    }
    const msgpack_object *found = find_named(lua, call, "system.user", name);
    if (!found)
        luaL_error(lua, "there is no user '%s' yet: given.user(name, {roles}) makes one", name);
    suite->user_id = kt_get_id(found, "id");
    return 0;
}

static int given_server(lua_State *lua)
{
    script_suite_of(lua)->user_id = 0;
    return 0;
}

static int given_clock(lua_State *lua)
{
    script_begin_call(lua)->ctx->now = script_check_instant(lua, 1);
    return 0;
}

static int given_setting(lua_State *lua)
{
    struct script_call *call = script_begin_call(lua);
    luaL_checkany(lua, 2);
    script_set_rearm(script_suite_of(lua)->asked->rules);
    put_named(lua, call, "system.setting", "value", kt_text(script_to_text(lua, 2, NULL)));
    return 0;
}

static int given_record(lua_State *lua)
{
    struct script_call *call = script_begin_call(lua);
    const struct schema_entity *entity = check_entity(lua, call, 1);
    const struct kt_map *values = script_take_map(lua, call->ctx, 2);
    uint64_t id = 0;
    script_set_rearm(script_suite_of(lua)->asked->rules);
    script_check_call(lua,
                      record_create(call->ctx, entity, &values->object, RECORD_BY_SERVER, &id));
    lua_pushinteger(lua, (lua_Integer)id);
    return 1;
}

/* --- when --- */

struct deed {
    const char *method; /* NULL: a schedule. */
    const msgpack_object *params;
    const char *schedule;
    bool creates;
};

static enum kt_status try_it(struct kt_ctx *ctx, const struct script_suite *suite,
                             const struct deed *deed, const msgpack_object **answer)
{
    struct context_try attempt;
    KT_TRY(context_try_begin(ctx, &attempt));
    enum kt_status status = deed->schedule
                                ? script_run_schedule(suite->asked->rules, ctx, deed->schedule)
                                : ctx->host->call(ctx, deed->method, deed->params, answer);
    return context_try_end(ctx, &attempt, status);
}

static void set_text(lua_State *lua, const char *name, const char *text)
{
    if (!text)
        return;
    lua_pushstring(lua, text);
    lua_setfield(lua, -2, name);
}

static void push_failure(lua_State *lua, const struct context_error *error)
{
    set_text(lua, "code", kt_status_code(error->status));
    set_text(lua, "message", error->message);
    set_text(lua, "message_zh", error->message_zh);
    set_text(lua, "entity", error->entity);
    set_text(lua, "field", error->field);
    set_text(lua, "rule", error->rule);
    if (error->details.type == MSGPACK_OBJECT_NIL)
        return;
    script_push_value(lua, context_copy(script_call_of(script_of(lua))->ctx, &error->details,
                                        sizeof(error->details)));
    lua_setfield(lua, -2, "details");
}

/* Does it and leaves the outcome on the stack. */
static int act(lua_State *lua, struct script_call *call, const struct deed *deed)
{
    struct kt_ctx *ctx = call->ctx;
    const struct script_suite *suite = script_suite_of(lua);
    const msgpack_object *answer = NULL;
    script_set_rearm(suite->asked->rules);
    script_check_call(lua, suite->asked->become(ctx, deed->schedule ? 0 : suite->user_id));
    enum kt_status status = try_it(ctx, suite, deed, &answer);
    struct context_error error = ctx->error;
    context_forgive(ctx);
    script_check_call(lua, suite->asked->become(ctx, 0));
    lua_createtable(lua, 0, 8);
    lua_pushboolean(lua, status == KT_OK);
    lua_setfield(lua, -2, "ok");
    if (status != KT_OK) {
        push_failure(lua, &error);
        return 1;
    }
    if (answer) {
        script_push_value(lua, answer);
        lua_setfield(lua, -2, "answer");
    }
    if (deed->creates) {
        lua_pushinteger(lua, (lua_Integer)kt_get_id(answer, "id"));
        lua_setfield(lua, -2, "id");
    }
    return 1;
}

static int when_call(lua_State *lua)
{
    struct script_call *call = script_begin_call(lua);
    struct deed deed = {.method = luaL_checkstring(lua, 1),
                        .params = &script_take_map(lua, call->ctx, 2)->object};
    return act(lua, call, &deed);
}

static struct kt_map *record_params(lua_State *lua, struct script_call *call, bool with_id)
{
    struct kt_map *params = kt_map_new(call->ctx);
    luaL_checktype(lua, 1, LUA_TSTRING);
    kt_map_set(params, "entity", script_take_value(lua, 1, false));
    if (with_id) {
        luaL_checkinteger(lua, 2);
        kt_map_set(params, "id", script_take_value(lua, 2, false));
    }
    return params;
}

static int when_create(lua_State *lua)
{
    struct script_call *call = script_begin_call(lua);
    struct kt_map *params = record_params(lua, call, false);
    kt_map_set(params, "values", script_take_map(lua, call->ctx, 2)->object);
    return act(
        lua, call,
        &(struct deed){.method = "record.create", .params = &params->object, .creates = true});
}

static int when_update(lua_State *lua)
{
    struct script_call *call = script_begin_call(lua);
    struct kt_map *params = record_params(lua, call, true);
    kt_map_set(params, "values", script_take_map(lua, call->ctx, 3)->object);
    return act(lua, call, &(struct deed){.method = "record.update", .params = &params->object});
}

static int when_delete(lua_State *lua)
{
    struct script_call *call = script_begin_call(lua);
    const struct kt_map *params = record_params(lua, call, true);
    return act(lua, call, &(struct deed){.method = "record.delete", .params = &params->object});
}

static int when_schedule(lua_State *lua)
{
    struct script_call *call = script_begin_call(lua);
    return act(lua, call, &(struct deed){.schedule = luaL_checkstring(lua, 1)});
}

/* --- The tables --- */

static void add_table(lua_State *lua, const char *name, const luaL_Reg *functions)
{
    lua_newtable(lua);
    luaL_setfuncs(lua, functions, 0);
    script_make_strict(lua, name);
    script_make_readonly(lua, name);
    lua_setfield(lua, -2, name);
}

void script_add_given(lua_State *lua)
{
    static const luaL_Reg given[] = {{"user", given_user},     {"server", given_server},
                                     {"clock", given_clock},   {"setting", given_setting},
                                     {"record", given_record}, {NULL, NULL}};
    static const luaL_Reg when[] = {{"call", when_call},         {"create", when_create},
                                    {"update", when_update},     {"delete", when_delete},
                                    {"schedule", when_schedule}, {NULL, NULL}};
    add_table(lua, "given", given);
    add_table(lua, "when", when);
}
