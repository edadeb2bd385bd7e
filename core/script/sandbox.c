/* What a rule file can reach: a chosen library, read only, and an environment of its own.
 *
 * Reading a global goes environment -> the file's globals -> library -> error. The environment
 * itself stays empty, so that every assignment comes to assign_global. Nothing here loads code,
 * touches the world, or gets at the tables behind the read-only ones. */
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "script/script_internal.h"

static const char library_key = 0;

/* --- Strict and read-only tables --- */

static int unknown_member(lua_State *lua)
{
    const char *what = lua_tostring(lua, lua_upvalueindex(1));
    return luaL_error(lua, "%s has no '%s'", what, script_to_text(lua, 2, NULL));
}

void script_make_strict(lua_State *lua, const char *what)
{
    lua_createtable(lua, 0, 2);
    lua_pushstring(lua, what);
    lua_pushcclosure(lua, unknown_member, 1);
    lua_setfield(lua, -2, "__index");
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable");
    lua_setmetatable(lua, -2);
}

static int refuse_assignment(lua_State *lua)
{
    return luaL_error(lua, "%s cannot be changed", lua_tostring(lua, lua_upvalueindex(1)));
}

void script_make_readonly(lua_State *lua, const char *what)
{
    lua_newtable(lua);
    lua_createtable(lua, 0, 3);
    lua_rotate(lua, -3, -1); /* shell, metatable, inside */
    lua_setfield(lua, -2, "__index");
    lua_pushstring(lua, what);
    lua_pushcclosure(lua, refuse_assignment, 1);
    lua_setfield(lua, -2, "__newindex");
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable");
    lua_setmetatable(lua, -2);
}

void script_open_kind(lua_State *lua, const char *kind, const luaL_Reg *events)
{
    luaL_newmetatable(lua, kind);
    luaL_setfuncs(lua, events, 0);
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable");
    lua_pop(lua, 1);
}

/* --- Errors --- */

/* A caught error may be the budget's: then it goes on. */
static int protected_call(lua_State *lua)
{
    luaL_checkany(lua, 1);
    int failed = lua_pcall(lua, lua_gettop(lua) - 1, LUA_MULTRET, 0);
    script_check_running(lua);
    lua_pushboolean(lua, !failed);
    lua_insert(lua, 1);
    return lua_gettop(lua);
}

/* The handler runs after unwinding: run by Lua at the place of the error it could be inside the
 * hook, where no hook counts its instructions. */
static int protected_call_with_handler(lua_State *lua)
{
    luaL_checktype(lua, 2, LUA_TFUNCTION);
    lua_pushvalue(lua, 2);
    lua_insert(lua, 1);
    lua_remove(lua, 3); /* handler, function, arguments */
    int failed = lua_pcall(lua, lua_gettop(lua) - 2, LUA_MULTRET, 0);
    script_check_running(lua);
    if (failed) {
        lua_pushvalue(lua, 1);
        lua_insert(lua, -2);
        lua_call(lua, 1, 1);
    }
    lua_pushboolean(lua, !failed);
    lua_replace(lua, 1);
    return lua_gettop(lua);
}

/* --- Values --- */

const char *script_to_text(lua_State *lua, int index, size_t *length)
{
    int type = lua_type(lua, index);
    bool has_address = type == LUA_TTABLE || type == LUA_TUSERDATA || type == LUA_TFUNCTION ||
                       type == LUA_TLIGHTUSERDATA;
    if (!has_address)
        return luaL_tolstring(lua, index, length);
    if (luaL_getmetafield(lua, index, "__tostring") != LUA_TNIL) {
        lua_pop(lua, 1);
        return luaL_tolstring(lua, index, length);
    }
    lua_pushstring(lua, type == LUA_TLIGHTUSERDATA ? "kontor.none" : lua_typename(lua, type));
    return lua_tolstring(lua, -1, length);
}

static int to_text(lua_State *lua)
{
    luaL_checkany(lua, 1);
    script_to_text(lua, 1, NULL);
    return 1;
}

static int get_metatable(lua_State *lua)
{
    luaL_checkany(lua, 1);
    if (lua_type(lua, 1) != LUA_TTABLE || !lua_getmetatable(lua, 1)) {
        lua_pushnil(lua);
        return 1;
    }
    if (luaL_getmetafield(lua, 1, "__metatable") == LUA_TNIL)
        lua_pushvalue(lua, -1);
    return 1;
}

static void refuse_events(lua_State *lua)
{
    static const char *const refused[] = {"__gc", "__close", "__mode", "__name", "__concat"};
    for (size_t i = 0; i < KT_COUNT(refused); i++) {
        lua_pushstring(lua, refused[i]);
        if (lua_rawget(lua, 2) != LUA_TNIL)
            luaL_error(lua, "a metatable in a rule cannot have %s", refused[i]);
        lua_pop(lua, 1);
    }
}

/* A metatable is copied, without what could do harm, so that changing it later changes nothing:
 * finalizers run at no known time and weak tables change at none, which would make rules differ
 * from run to run; __concat corrupts the stack of Lua 5.4.4. getmetatable still answers with the
 * original. */
static int set_metatable(lua_State *lua)
{
    static const char *const events[] = {"__index", "__newindex", "__call", "__tostring", "__eq",
                                         "__lt",    "__le",       "__add",  "__sub",      "__mul",
                                         "__div",   "__mod",      "__pow",  "__unm",      "__idiv",
                                         "__len",   "__pairs"};
    luaL_checktype(lua, 1, LUA_TTABLE);
    luaL_checktype(lua, 2, LUA_TTABLE);
    if (luaL_getmetafield(lua, 1, "__metatable") != LUA_TNIL)
        luaL_error(lua, "this table's metatable cannot be changed");
    refuse_events(lua);
    lua_createtable(lua, 0, KT_COUNT(events) + 1);
    for (size_t i = 0; i < KT_COUNT(events); i++) {
        lua_pushstring(lua, events[i]);
        lua_pushvalue(lua, -1);
        lua_rawget(lua, 2);
        lua_rawset(lua, -3);
    }
    lua_pushvalue(lua, 2);
    lua_setfield(lua, -2, "__metatable");
    lua_setmetatable(lua, 1);
    lua_settop(lua, 1);
    return 1;
}

/* --- Environment --- */

static int unknown_global(lua_State *lua)
{
    return luaL_error(lua, "there is no global '%s': write local before a new name",
                      script_to_text(lua, 2, NULL));
}

/* Upvalue: the file's globals. */
static int assign_global(lua_State *lua)
{
    if (!script_of(lua)->file)
        luaL_error(lua, "global '%s' is assigned inside a check: write local before it",
                   script_to_text(lua, 2, NULL));
    lua_settop(lua, 3);
    lua_rawset(lua, lua_upvalueindex(1));
    return 0;
}

void script_new_environment(lua_State *lua)
{
    lua_newtable(lua); /* environment */
    lua_createtable(lua, 0, 3);
    lua_newtable(lua); /* globals of the file */
    lua_createtable(lua, 0, 1);
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &library_key);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
    lua_pushvalue(lua, -1);
    lua_setfield(lua, -3, "__index");
    lua_pushcclosure(lua, assign_global, 1);
    lua_setfield(lua, -2, "__newindex");
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable");
    lua_setmetatable(lua, -2);
}

/* --- The library --- */

/* Copies named members from the table at -1 to the one at -2, and drops the source. */
static void pick(lua_State *lua, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        lua_getfield(lua, -1, names[i]);
        lua_setfield(lua, -3, names[i]);
    }
    lua_pop(lua, 1);
}

static void add_base(lua_State *lua)
{
    static const char *const kept[] = {"assert", "error",  "ipairs",   "next",
                                       "pairs",  "select", "tonumber", "type"};
    static const luaL_Reg own[] = {{"pcall", protected_call},
                                   {"xpcall", protected_call_with_handler},
                                   {"tostring", to_text},
                                   {"getmetatable", get_metatable},
                                   {"setmetatable", set_metatable},
                                   {"print", script_log},
                                   {NULL, NULL}};
    luaL_requiref(lua, LUA_GNAME, luaopen_base, 0);
    pick(lua, kept, KT_COUNT(kept));
    luaL_setfuncs(lua, own, 0);
    script_add_model_declarations(lua);
    script_add_service_declarations(lua);
}

/* The strings' own metatable leads to the chosen functions, too. */
static void add_string(lua_State *lua)
{
    static const char *const kept[] = {"byte", "char", "len", "lower", "reverse", "sub", "upper"};
    lua_newtable(lua);
    luaL_requiref(lua, LUA_STRLIBNAME, luaopen_string, 0);
    pick(lua, kept, KT_COUNT(kept));
    script_add_string_library(lua);
    script_add_search_functions(lua);
    script_make_strict(lua, "string");
    lua_pushliteral(lua, "");
    lua_getmetatable(lua, -1);
    lua_pushvalue(lua, -3);
    lua_setfield(lua, -2, "__index");
    lua_pushboolean(lua, 0);
    lua_setfield(lua, -2, "__metatable");
    lua_pop(lua, 2);
    script_make_readonly(lua, "string");
    lua_setfield(lua, -2, "string");
}

static void add_math(lua_State *lua)
{
    static const char *const kept[] = {
        "abs",        "ceil",       "exp",  "floor", "fmod", "huge",      "log",  "max", "min",
        "maxinteger", "mininteger", "modf", "pi",    "sqrt", "tointeger", "type", "ult"};
    lua_newtable(lua);
    luaL_requiref(lua, LUA_MATHLIBNAME, luaopen_math, 0);
    pick(lua, kept, KT_COUNT(kept));
    script_make_strict(lua, "math");
    script_make_readonly(lua, "math");
    lua_setfield(lua, -2, "math");
}

static void add_utf8(lua_State *lua)
{
    static const char *const kept[] = {"char",  "charpattern", "codepoint",
                                       "codes", "len",         "offset"};
    lua_newtable(lua);
    luaL_requiref(lua, LUA_UTF8LIBNAME, luaopen_utf8, 0);
    pick(lua, kept, KT_COUNT(kept));
    script_make_strict(lua, "utf8");
    script_make_readonly(lua, "utf8");
    lua_setfield(lua, -2, "utf8");
}

void script_open_library(lua_State *lua)
{
    lua_newtable(lua);
    add_base(lua);
    add_string(lua);
    lua_newtable(lua);
    script_add_table_library(lua);
    script_make_strict(lua, "table");
    script_make_readonly(lua, "table");
    lua_setfield(lua, -2, "table");
    add_math(lua);
    add_utf8(lua);
    script_open_api(lua);
    lua_setfield(lua, -2, "kontor");
    if (script_of(lua)->suite)
        script_add_test_library(lua);
    lua_createtable(lua, 0, 1);
    lua_pushcfunction(lua, unknown_global);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
    lua_pushvalue(lua, -1);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &library_key);
}
