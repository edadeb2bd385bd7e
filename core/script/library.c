/* Functions of the string and table libraries that do much work in one instruction: wrapped, so
 * that the work is paid for before it is done. The functions themselves are Lua's. */
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "script/script_internal.h"

/* --- string: no addresses, no giants --- */

/* Upvalue: Lua's string.format. */
static int format(lua_State *lua)
{
    size_t size;
    const char *at = luaL_checklstring(lua, 1, &size);
    for (const char *end = at + size; at < end; at++) {
        if (*at != '%')
            continue;
        at += 1 + strspn(at + 1, "-+ #0123456789.");
        if (at < end && *at == 'p')
            luaL_error(lua, "string.format has no %%p in rules");
    }
    for (int i = 2; i <= lua_gettop(lua); i++) {
        int type = lua_type(lua, i);
        if (type != LUA_TTABLE && type != LUA_TUSERDATA && type != LUA_TFUNCTION &&
            type != LUA_TLIGHTUSERDATA)
            continue;
        script_to_text(lua, i, NULL);
        lua_replace(lua, i);
    }
    return lua_tocfunction(lua, lua_upvalueindex(1))(lua);
}

/* Upvalue: Lua's string.rep, which would build the text before the allocator could refuse it. */
static int repeat(lua_State *lua)
{
    size_t length, between;
    luaL_checklstring(lua, 1, &length);
    luaL_optlstring(lua, 3, "", &between);
    lua_Integer times = luaL_checkinteger(lua, 2);
    size_t each = length + between;
    if (times > 0 && each > 0 && (lua_Unsigned)times > SCRIPT_TEXT_BYTES / each)
        luaL_error(lua, "the repeated text would be longer than %d bytes", (int)SCRIPT_TEXT_BYTES);
    return lua_tocfunction(lua, lua_upvalueindex(1))(lua);
}

void script_add_string_library(lua_State *lua)
{
    luaL_requiref(lua, LUA_STRLIBNAME, luaopen_string, 0);
    lua_getfield(lua, -1, "format");
    lua_pushcclosure(lua, format, 1);
    lua_setfield(lua, -3, "format");
    lua_getfield(lua, -1, "rep");
    lua_pushcclosure(lua, repeat, 1);
    lua_setfield(lua, -3, "rep");
    lua_pop(lua, 1);
}

/* --- table --- */

/* A table with metamethods can claim any length and answer from C without end, so only plain ones
 * are taken. Lists of records are ours and may be read. */
static lua_Integer length_of(lua_State *lua, bool reads_only)
{
    if (reads_only && lua_type(lua, 1) == LUA_TUSERDATA)
        return luaL_len(lua, 1);
    luaL_checktype(lua, 1, LUA_TTABLE);
    if (lua_getmetatable(lua, 1))
        luaL_error(lua, "table functions take plain tables, without a metatable");
    return (lua_Integer)lua_rawlen(lua, 1);
}

static lua_Integer span(lua_Integer first, lua_Integer last)
{
    if (last < first)
        return 0;
    return (lua_Integer)((lua_Unsigned)last - (lua_Unsigned)first) < 0 ? LUA_MAXINTEGER
                                                                       : last - first;
}

static lua_Integer cost_of_insert(lua_State *lua)
{
    lua_Integer length = length_of(lua, false);
    return lua_gettop(lua) < 3 ? 0 : span(luaL_checkinteger(lua, 2), length);
}

static lua_Integer cost_of_remove(lua_State *lua)
{
    lua_Integer length = length_of(lua, false);
    return span(luaL_optinteger(lua, 2, length), length);
}

static lua_Integer cost_of_concat(lua_State *lua)
{
    lua_Integer length = length_of(lua, true);
    return span(luaL_optinteger(lua, 3, 1), luaL_optinteger(lua, 4, length));
}

static lua_Integer cost_of_unpack(lua_State *lua)
{
    lua_Integer length = length_of(lua, true);
    return span(luaL_optinteger(lua, 2, 1), luaL_optinteger(lua, 3, length));
}

static lua_Integer cost_of_move(lua_State *lua)
{
    length_of(lua, false);
    if (!lua_isnoneornil(lua, 5)) {
        luaL_checktype(lua, 5, LUA_TTABLE);
        if (lua_getmetatable(lua, 5))
            luaL_error(lua, "table functions take plain tables, without a metatable");
    }
    return span(luaL_checkinteger(lua, 2), luaL_checkinteger(lua, 3));
}

/* Bytes of the texts in a list. */
static lua_Integer text_bytes(lua_State *lua, lua_Integer length)
{
    lua_Integer bytes = 0;
    for (lua_Integer i = 1; i <= length; i++) {
        if (lua_rawgeti(lua, 1, i) == LUA_TSTRING)
            bytes += (lua_Integer)lua_rawlen(lua, -1);
        lua_pop(lua, 1);
    }
    return bytes;
}

/* Each halving compares every element with one other: by a function of the rule, which pays for
 * itself, or byte by byte. One of the library's could work without end between two instructions. */
static lua_Integer cost_of_sort(lua_State *lua)
{
    lua_Integer length = length_of(lua, false), each = length, cost = length;
    if (lua_iscfunction(lua, 2))
        luaL_error(lua, "table.sort compares with a function of the rule, not of the library");
    if (lua_isnoneornil(lua, 2))
        each += text_bytes(lua, length) / SCRIPT_COMPARE_BYTES;
    for (lua_Integer rest = length; rest > 1; rest /= 2)
        cost += each;
    return cost;
}

static lua_Integer cost_of_pack(lua_State *lua)
{
    return lua_gettop(lua);
}

static const struct {
    const char *name;
    lua_Integer (*cost)(lua_State *lua);
} table_functions[] = {
    {"concat", cost_of_concat}, {"insert", cost_of_insert}, {"move", cost_of_move},
    {"pack", cost_of_pack},     {"remove", cost_of_remove}, {"sort", cost_of_sort},
    {"unpack", cost_of_unpack},
};

/* Upvalues: Lua's function, which has none itself and so can run in this frame; its row above. */
static int priced(lua_State *lua)
{
    int top = lua_gettop(lua);
    lua_Integer row = lua_tointeger(lua, lua_upvalueindex(2));
    lua_Integer cost = table_functions[row].cost(lua);
    int64_t most = script_of(lua)->steps_most;
    script_charge(lua, cost > most ? most : cost);
    lua_settop(lua, top);
    return lua_tocfunction(lua, lua_upvalueindex(1))(lua);
}

void script_add_table_library(lua_State *lua)
{
    luaL_requiref(lua, LUA_TABLIBNAME, luaopen_table, 0);
    for (size_t i = 0; i < KT_COUNT(table_functions); i++) {
        lua_getfield(lua, -1, table_functions[i].name);
        lua_pushinteger(lua, (lua_Integer)i);
        lua_pushcclosure(lua, priced, 2);
        lua_setfield(lua, -3, table_functions[i].name);
    }
    lua_pop(lua, 1);
}
