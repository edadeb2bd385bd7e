/* Lua inside `kontor`. These programs are our own: they are trusted, and fail only by our mistake
 * or for want of memory. */
#include "cli/workbench.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <string.h>

/* Deeper than the client lets in. */
#define DEPTH_MOST 64

struct run {
    struct cli *cli;
    const struct workbench_text *program;
    const msgpack_object *given;
    msgpack_object answer;
};

static const struct workbench_text *find(const char *name)
{
    const struct workbench_text *text = workbench_texts;
    while (text->name && strcmp(text->name, name) != 0)
        text++;
    return text;
}

/* --- To Lua --- */

static void push(lua_State *lua, const msgpack_object *value)
{
    luaL_checkstack(lua, 4, "a value is nested too deeply");
    switch (value->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        lua_pushboolean(lua, value->via.boolean);
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        lua_pushinteger(lua, value->via.i64);
        break;
    case MSGPACK_OBJECT_STR:
        lua_pushlstring(lua, value->via.str.ptr, value->via.str.size);
        break;
    case MSGPACK_OBJECT_ARRAY:
        lua_newtable(lua);
        for (uint32_t i = 0; i < value->via.array.size; i++) {
            push(lua, &value->via.array.ptr[i]);
            lua_rawseti(lua, -2, (lua_Integer)i + 1);
        }
        break;
    case MSGPACK_OBJECT_MAP:
        lua_newtable(lua);
        for (uint32_t i = 0; i < value->via.map.size; i++) {
            if (value->via.map.ptr[i].key.type != MSGPACK_OBJECT_STR)
                continue;
            push(lua, &value->via.map.ptr[i].key);
            push(lua, &value->via.map.ptr[i].val);
            lua_rawset(lua, -3);
        }
        break;
    default:
        lua_pushnil(lua);
    }
}

/* --- From Lua: texts, whole numbers, lists and maps of them --- */

static msgpack_object take(lua_State *lua, msgpack_zone *zone, unsigned depth);

static msgpack_object take_text(lua_State *lua, msgpack_zone *zone)
{
    size_t length;
    const char *text = lua_tolstring(lua, -1, &length);
    char *copy = build_memory(zone, length + 1);
    memcpy(copy, text, length + 1);
    return build_text_of(copy, length);
}

static msgpack_object take_list(lua_State *lua, msgpack_zone *zone, unsigned depth)
{
    uint32_t count = (uint32_t)lua_rawlen(lua, -1);
    msgpack_object *items = build_memory(zone, sizeof(*items) * (count + 1));
    for (uint32_t i = 0; i < count; i++) {
        lua_rawgeti(lua, -1, (lua_Integer)i + 1);
        items[i] = take(lua, zone, depth + 1);
        lua_pop(lua, 1);
    }
    return (msgpack_object){.type = MSGPACK_OBJECT_ARRAY,
                            .via.array = {.size = count, .ptr = items}};
}

static msgpack_object take_map(lua_State *lua, msgpack_zone *zone, unsigned depth)
{
    struct build_map map = build_map(zone);
    lua_pushnil(lua);
    while (lua_next(lua, -2) != 0) {
        msgpack_object value = take(lua, zone, depth + 1);
        lua_pop(lua, 1);
        build_set(&map, take_text(lua, zone).via.str.ptr, value);
    }
    return map.object;
}

static msgpack_object take(lua_State *lua, msgpack_zone *zone, unsigned depth)
{
    luaL_checkstack(lua, 4, "a value is nested too deeply");
    if (depth == DEPTH_MOST)
        luaL_error(lua, "a value is nested too deeply");
    switch (lua_type(lua, -1)) {
    case LUA_TSTRING:
        return take_text(lua, zone);
    case LUA_TNUMBER:
        return build_int(lua_tointeger(lua, -1));
    case LUA_TTABLE:
        lua_pushnil(lua);
        if (lua_next(lua, -2) == 0)
            return take_list(lua, zone, depth);
        bool map = lua_type(lua, -2) == LUA_TSTRING;
        lua_pop(lua, 2);
        return map ? take_map(lua, zone, depth) : take_list(lua, zone, depth);
    default:
        return build_nil();
    }
}

/* --- Running --- */

/* Debian keeps luacheck, which is plain Lua, with Lua 5.1. */
static void add_paths(lua_State *lua)
{
    lua_getglobal(lua, "package");
    lua_getfield(lua, -1, "path");
    lua_pushliteral(lua, ";/usr/local/share/lua/5.1/?.lua;/usr/local/share/lua/5.1/?/init.lua;"
                         "/usr/share/lua/5.1/?.lua;/usr/share/lua/5.1/?/init.lua");
    lua_concat(lua, 2);
    lua_setfield(lua, -2, "path");
    lua_pop(lua, 1);
}

static int run(lua_State *lua)
{
    struct run *run = lua_touserdata(lua, 1);
    const struct workbench_text *text = run->program;
    luaL_openlibs(lua);
    add_paths(lua);
    lua_pushfstring(lua, "=%s", text->name);
    if (luaL_loadbufferx(lua, (const char *)text->bytes, text->size, lua_tostring(lua, -1), "t") !=
        LUA_OK)
        lua_error(lua);
    lua_call(lua, 0, 1);
    push(lua, run->given);
    lua_call(lua, 1, 1);
    run->answer = take(lua, run->cli->zone, 0);
    return 0;
}

enum cli_exit workbench_run(struct cli *cli, const char *name, struct build_map *given,
                            msgpack_object *answer)
{
    const struct workbench_text *api = find("api.d.lua");
    struct run program = {.cli = cli, .program = find(name), .given = &given->object};
    lua_State *lua = luaL_newstate();
    if (!lua)
        return cli_fail(cli, CLI_REFUSED, "out of memory", "内存不足");
    build_set(given, "api", build_text_of((const char *)api->bytes, api->size));
    lua_pushcfunction(lua, run);
    lua_pushlightuserdata(lua, &program);
    enum cli_exit code = CLI_OK;
    if (lua_pcall(lua, 1, 0, 0) != LUA_OK)
        code =
            cli_fail(cli, CLI_REFUSED, "%s failed: %s", "%s 出错：%s", name, lua_tostring(lua, -1));
    *answer = program.answer;
    lua_close(lua);
    return code;
}
