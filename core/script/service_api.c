/* kontor.*: what rules may ask of the request and the company, other methods and events, and how
 * they speak. */
#include <lauxlib.h>
#include <string.h>
#include <sys/random.h>

#include "record/context.h"
#include "script/script_internal.h"

/* --- The request --- */

/* From the schema, the same for everyone: a module is enabled when its entities are. */
static int enabled(lua_State *lua)
{
    const struct schema *schema = script_begin_call(lua)->ctx->schema;
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
    const struct script_call *call = script_begin_call(lua);
    lua_pushboolean(lua, kt_user_has_role(call->ctx, luaL_checkstring(lua, 1)));
    return 1;
}

static int user(lua_State *lua)
{
    lua_pushstring(lua, kt_user_name(script_begin_call(lua)->ctx));
    return 1;
}

static int user_id(lua_State *lua)
{
    lua_pushinteger(lua, (lua_Integer)kt_user_id(script_begin_call(lua)->ctx));
    return 1;
}

static int today(lua_State *lua)
{
    script_push_date(lua, kt_today(script_begin_call(lua)->ctx));
    return 1;
}

static int now(lua_State *lua)
{
    script_push_instant(lua, kt_now(script_begin_call(lua)->ctx));
    return 1;
}

static int setting(lua_State *lua)
{
    struct script_call *call = script_begin_call(lua);
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

/* An amount as it is stored and printed. */
static int money(lua_State *lua)
{
    struct kt_ctx *ctx = script_begin_call(lua)->ctx;
    struct kt_decimal amount = script_check_decimal(lua, 1, true);
    script_push_decimal(lua, kt_decimal_round(amount, kt_currency_digits(ctx)));
    return 1;
}

/* --- Chance --- */

/* The next of splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(struct script_set *set, const struct kt_ctx *ctx)
{
    if (!set->random.seeded) {
        set->random.state = 0;
        if (!set->random.fixed && getrandom(&set->random.state, sizeof(set->random.state), 0) < 0)
            set->random.state ^= (uint64_t)ctx->now;
        set->random.seeded = true;
    }
    uint64_t mixed = set->random.state += UINT64_C(0x9E3779B97F4A7C15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
    return mixed ^ (mixed >> 31);
}

/* Whole numbers only: random(6) is 1 to 6, random(10, 20) 10 to 20, random() any from 0. */
static int random_number(lua_State *lua)
{
    const struct script_call *call = script_begin_call(lua);
    lua_Integer low = lua_gettop(lua) >= 2 ? luaL_checkinteger(lua, 1) : 1;
    lua_Integer high = lua_gettop(lua) >= 1 ? luaL_checkinteger(lua, lua_gettop(lua) >= 2 ? 2 : 1)
                                            : LUA_MAXINTEGER;
    luaL_argcheck(lua, low <= high, 1, "the range is empty");
    uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    uint64_t drawn = next_random(script_of(lua), call->ctx);
    /* Without what is left over when the span does not divide 2^64, which would favour some. */
    while (span && drawn >= UINT64_MAX - UINT64_MAX % span)
        drawn = next_random(script_of(lua), call->ctx);
    uint64_t number = (uint64_t)low + (span ? drawn % span : drawn);
    lua_pushinteger(lua, (lua_Integer)number);
    return 1;
}

/* --- Others' work --- */

/* Of methods and events alike: fields by name, or nothing; also as they were read. */
struct kt_map *script_take_map(lua_State *lua, struct kt_ctx *ctx, int index)
{
    if (lua_isnoneornil(lua, index))
        return kt_map_new(ctx);
    if (!script_value_behind(lua, index))
        luaL_checktype(lua, index, LUA_TTABLE);
    msgpack_object values = script_take_value(lua, index, false);
    if (values.type == MSGPACK_OBJECT_ARRAY && values.via.array.size > 0)
        luaL_error(lua, "a table of fields such as {id = 7} is expected");
    return kt_map_copy(ctx, &values);
}

static int call_method(lua_State *lua)
{
    struct script_call *call = script_begin_call(lua);
    const char *method = luaL_checkstring(lua, 1);
    const struct kt_map *params = script_take_map(lua, call->ctx, 2);
    const msgpack_object *answer = NULL;
    script_check_call(lua, call->ctx->host->call(call->ctx, method, &params->object, &answer));
    script_push_value(lua, answer);
    return 1;
}

/* A rule speaks for itself: what modules announce is not its to say. */
static int emit(lua_State *lua)
{
    struct script_call *call = script_begin_call(lua);
    struct kt_ctx *ctx = call->ctx;
    const char *topic = kt_format(ctx, "%s", luaL_checkstring(lua, 1));
    struct kt_map *payload = script_take_map(lua, ctx, 2);
    const char *entity = kt_get_text(ctx, &payload->object, "entity");
    uint64_t id = kt_get_id(&payload->object, "id");
    if (!ctx->writable)
        luaL_error(lua, "this method only reads: declare writes = true");
    if (strncmp(topic, "custom.", 7) != 0 || !ctx->host->topic_declared(ctx, topic))
        luaL_error(lua, "there is no event '%s': declare it with event{ name = \"custom.NAME\" }",
                   topic);
    if (*entity && !schema_entity(ctx->schema, entity, strlen(entity)))
        luaL_error(lua, "there is no entity '%s'", entity);
    kt_map_remove(payload, "entity");
    kt_map_remove(payload, "id");
    script_check_call(lua, kt_emit(ctx, topic, *entity ? entity : NULL, id, payload));
    return 0;
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
    struct script_call *call = script_begin_call(lua);
    struct kt_ctx *ctx = call->ctx;
    const char *en, *zh;
    if (!script_is_label(lua, 1, &en, &zh))
        en = luaL_checkstring(lua, 1);
    check_deny_options(lua);
    const char *message = script_clean(ctx, en, strlen(en), SCRIPT_ERROR_BYTES);
    const char *message_zh = zh ? script_clean(ctx, zh, strlen(zh), SCRIPT_ERROR_BYTES)
                                : text_option(lua, ctx, "message_zh");
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

void script_add_services(lua_State *lua)
{
    static const luaL_Reg functions[] = {{"enabled", enabled},
                                         {"has_role", has_role},
                                         {"user", user},
                                         {"user_id", user_id},
                                         {"today", today},
                                         {"now", now},
                                         {"setting", setting},
                                         {"decimal", decimal},
                                         {"money", money},
                                         {"date", script_make_date},
                                         {"instant", script_make_instant},
                                         {"random", random_number},
                                         {"call", call_method},
                                         {"emit", emit},
                                         {"t", script_make_label},
                                         {"deny", deny},
                                         {"log", script_log},
                                         {NULL, NULL}};
    luaL_setfuncs(lua, functions, 0);
}
