/* kontor.t: a text in English and Chinese, with what is filled in. What shows it chooses. */
#include <lauxlib.h>
#include <string.h>

#include "script/script_internal.h"

#define LABEL "text"

/* %s is the next of what is filled in, %1 to %9 that one, %% a per cent sign. */
static void push_filled(lua_State *lua, int format, int first, int last)
{
    luaL_Buffer out;
    size_t length;
    int next = first;
    const char *at = lua_tolstring(lua, format, &length);
    const char *end = at + length;
    luaL_buffinit(lua, &out);
    while (at < end) {
        if (*at != '%' || at + 1 == end) {
            luaL_addchar(&out, *at++);
            continue;
        }
        char what = at[1];
        int index = what == 's' ? next++ : what >= '1' && what <= '9' ? first + what - '1' : 0;
        at += 2;
        if (index == 0) {
            luaL_addchar(&out, '%');
            if (what != '%')
                luaL_addchar(&out, what);
            continue;
        }
        if (index > last)
            luaL_error(lua, "the text wants more values than are given to fill it");
        script_to_text(lua, index, NULL);
        luaL_addvalue(&out);
    }
    luaL_pushresult(&out);
}

int script_make_label(lua_State *lua)
{
    int last = lua_gettop(lua);
    luaL_checktype(lua, 1, LUA_TSTRING);
    luaL_checktype(lua, 2, LUA_TSTRING);
    luaL_checkstack(lua, 10, "too many values");
    lua_newuserdatauv(lua, 1, 2);
    int label = lua_gettop(lua);
    for (int language = 1; language <= 2; language++) {
        push_filled(lua, language, 3, last);
        lua_setiuservalue(lua, label, language);
    }
    luaL_setmetatable(lua, LABEL);
    return 1;
}

bool script_is_label(lua_State *lua, int index, const char **en, const char **zh)
{
    *en = *zh = NULL;
    index = lua_absindex(lua, index);
    if (!luaL_testudata(lua, index, LABEL))
        return false;
    lua_getiuservalue(lua, index, 1);
    lua_getiuservalue(lua, index, 2);
    *en = lua_tostring(lua, -2);
    *zh = lua_tostring(lua, -1);
    lua_pop(lua, 2);
    return true;
}

static int label_text(lua_State *lua)
{
    luaL_checkudata(lua, 1, LABEL);
    lua_getiuservalue(lua, 1, 1);
    return 1;
}

static int label_member(lua_State *lua)
{
    luaL_checkudata(lua, 1, LABEL);
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "";
    if (strcmp(name, "en") != 0 && strcmp(name, "zh") != 0)
        luaL_error(lua, "a text of kontor.t has en and zh, no '%s'", script_to_text(lua, 2, NULL));
    lua_getiuservalue(lua, 1, name[0] == 'e' ? 1 : 2);
    return 1;
}

static int refuse_change(lua_State *lua)
{
    return luaL_error(lua, "a text of kontor.t cannot be changed");
}

void script_open_label(lua_State *lua)
{
    static const luaL_Reg events[] = {{"__tostring", label_text},
                                      {"__index", label_member},
                                      {"__newindex", refuse_change},
                                      {NULL, NULL}};
    script_open_kind(lua, LABEL, events);
}
