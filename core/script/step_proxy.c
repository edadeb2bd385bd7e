/* What a rule is told beside the record: the step of the record's life, or the event. */
#include <lauxlib.h>
#include <string.h>

#include "script/script_internal.h"

#define STEP  "step"
#define EVENT "event"

struct proxy {
    uint64_t serial;
    unsigned depth;
};

static void push_proxy(lua_State *lua, const char *kind)
{
    const struct script_set *set = script_of(lua);
    struct proxy *proxy = lua_newuserdatauv(lua, sizeof(*proxy), 0);
    *proxy = (struct proxy){script_call_of(set)->serial, set->depth - 1};
    luaL_setmetatable(lua, kind);
}

static const struct script_call *check(lua_State *lua, const char *kind)
{
    const struct proxy *proxy = luaL_checkudata(lua, 1, kind);
    script_check_alive(lua, proxy->depth, proxy->serial);
    return script_of(lua)->calls[proxy->depth];
}

static void push_text(lua_State *lua, const char *text)
{
    if (text)
        lua_pushstring(lua, text);
    else
        lua_pushnil(lua);
}

/* The record, of which everything shows: it is what the rule is about. */
static void push_whole(lua_State *lua, const struct schema_entity *entity,
                       const msgpack_object *record, const char *fixed)
{
    struct kt_ctx *ctx = script_call_of(script_of(lua))->ctx;
    if (entity && record)
        script_push_record(lua, script_record_fixed(ctx, entity->name, entity, entity->decl->fields,
                                                    record, fixed));
    else
        lua_pushnil(lua);
}

/* --- The step --- */

void script_push_step(lua_State *lua)
{
    push_proxy(lua, STEP);
}

/* Rows that share a verb share its parameters: those of the first row that has some. */
static void push_params(lua_State *lua, const struct script_call *call)
{
    const struct record_step *step = call->step;
    const struct kt_transitions *transitions = &step->entity->decl->transitions;
    struct kt_fields fields = {0};
    if (!step->params || step->params->type != MSGPACK_OBJECT_MAP) {
        lua_pushnil(lua);
        return;
    }
    for (size_t i = 0; i < transitions->count && fields.count == 0; i++)
        if (strcmp(transitions->at[i].verb, step->verb) == 0)
            fields = transitions->at[i].params;
    script_push_record(
        lua, script_record_fixed(
                 call->ctx, kt_format(call->ctx, "%s.%s(params)", step->entity->name, step->verb),
                 NULL, fields, step->params, "step.params cannot be changed"));
}

static int read_step(lua_State *lua)
{
    static const char *const moments[] = {"create",  "update",  "delete",
                                          "archive", "restore", "transition"};
    const struct script_call *call = check(lua, STEP);
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "";
    if (strcmp(name, "moment") == 0)
        lua_pushstring(lua, moments[call->step->moment]);
    else if (strcmp(name, "verb") == 0)
        push_text(lua, call->step->verb);
    else if (strcmp(name, "old") == 0)
        push_whole(lua, call->step->entity, call->step->old,
                   "step.old shows what was: it cannot be changed");
    else if (strcmp(name, "params") == 0)
        push_params(lua, call);
    else
        luaL_error(lua, "step has moment, verb, old and params, no '%s'", name);
    script_check_arena(lua);
    return 1;
}

static int refuse_step(lua_State *lua)
{
    return luaL_error(lua, "step cannot be changed");
}

/* --- The event --- */

void script_push_event(lua_State *lua)
{
    push_proxy(lua, EVENT);
}

static const struct schema_entity *entity_of(const struct script_call *call)
{
    const char *name = call->event->entity;
    return name ? schema_entity(call->ctx->schema, name, strlen(name)) : NULL;
}

static int read_event(lua_State *lua)
{
    static const char *const fixed = "an event tells what was: it cannot be changed";
    const struct script_call *call = check(lua, EVENT);
    const struct kt_event *event = call->event;
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "";
    if (strcmp(name, "topic") == 0)
        push_text(lua, event->topic);
    else if (strcmp(name, "entity") == 0)
        push_text(lua, event->entity);
    else if (strcmp(name, "id") == 0 && event->id)
        lua_pushinteger(lua, (lua_Integer)event->id);
    else if (strcmp(name, "id") == 0 || (strcmp(name, "payload") == 0 && !event->payload))
        lua_pushnil(lua);
    else if (strcmp(name, "record") == 0)
        push_whole(lua, entity_of(call), event->record, fixed);
    else if (strcmp(name, "old") == 0)
        push_whole(lua, entity_of(call), event->old, fixed);
    else if (strcmp(name, "payload") == 0)
        script_push_value(lua, event->payload);
    else
        luaL_error(lua, "event has topic, entity, id, record, old and payload, no '%s'", name);
    script_check_arena(lua);
    return 1;
}

static int refuse_event(lua_State *lua)
{
    return luaL_error(lua, "event cannot be changed");
}

void script_open_step(lua_State *lua)
{
    static const luaL_Reg step[] = {
        {"__index", read_step}, {"__newindex", refuse_step}, {NULL, NULL}};
    static const luaL_Reg event[] = {
        {"__index", read_event}, {"__newindex", refuse_event}, {NULL, NULL}};
    script_open_kind(lua, STEP, step);
    script_open_kind(lua, EVENT, event);
}
