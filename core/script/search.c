/* string.find, match, gmatch and gsub over our own matcher (pattern.c). */
#include <lauxlib.h>
#include <string.h>

#include "script/pattern.h"
#include "script/script_internal.h"

/* Subject and pattern from arguments 1 and 2; what is before the match of "^" is cut. */
static struct pattern check_pattern(lua_State *lua, bool *anchored)
{
    struct pattern pattern = {.lua = lua};
    size_t length;
    pattern.subject = luaL_checklstring(lua, 1, &length);
    pattern.subject_end = pattern.subject + length;
    pattern.text = luaL_checklstring(lua, 2, &length);
    pattern.text_end = pattern.text + length;
    *anchored = length > 0 && *pattern.text == '^';
    if (*anchored)
        pattern.text++;
    return pattern;
}

/* Where to begin, from an optional position that may count from the end; NULL when beyond it. */
static const char *begin(lua_State *lua, const struct pattern *pattern)
{
    lua_Integer size = pattern->subject_end - pattern->subject;
    lua_Integer at = luaL_optinteger(lua, 3, 1);
    if (at < 0)
        at = at < -size ? 1 : size + at + 1;
    else if (at == 0)
        at = 1;
    return at > size + 1 ? NULL : pattern->subject + at - 1;
}

/* Without special characters a pattern is a plain text. */
static bool is_plain(lua_State *lua)
{
    size_t length;
    const char *text = lua_tolstring(lua, 2, &length);
    for (size_t i = 0; i < length; i++)
        if (text[i] && strchr("^$*+?.([%-", text[i]))
            return false;
    return true;
}

static int find_plain(lua_State *lua, const struct pattern *pattern, const char *from)
{
    size_t length;
    const char *wanted = lua_tolstring(lua, 2, &length);
    script_charge(lua, (pattern->subject_end - from) / SCRIPT_STEP_BYTES);
    const char *found = memmem(from, (size_t)(pattern->subject_end - from), wanted, length);
    if (!found) {
        lua_pushnil(lua);
        return 1;
    }
    lua_pushinteger(lua, found - pattern->subject + 1);
    lua_pushinteger(lua, found - pattern->subject + (lua_Integer)length);
    return 2;
}

static int search(lua_State *lua, bool positions)
{
    bool anchored;
    struct pattern pattern = check_pattern(lua, &anchored);
    const char *from = begin(lua, &pattern);
    if (from && positions && (lua_toboolean(lua, 4) || is_plain(lua)))
        return find_plain(lua, &pattern, from);
    for (; from && from <= pattern.subject_end; from++) {
        const char *end = pattern_match(&pattern, from);
        if (end && positions) {
            lua_pushinteger(lua, from - pattern.subject + 1);
            lua_pushinteger(lua, end - pattern.subject);
            return pattern_push_captures(&pattern, NULL, NULL) + 2;
        }
        if (end)
            return pattern_push_captures(&pattern, from, end);
        if (anchored)
            break;
    }
    lua_pushnil(lua);
    return 1;
}

static int find(lua_State *lua)
{
    return search(lua, true);
}

static int match(lua_State *lua)
{
    return search(lua, false);
}

/* Upvalues: subject, pattern, next position from 0, end of the last match or -1. An empty match
 * right after a match does not count. */
static int next_match(lua_State *lua)
{
    bool anchored;
    lua_settop(lua, 0);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_pushvalue(lua, lua_upvalueindex(2));
    struct pattern pattern = check_pattern(lua, &anchored);
    if (anchored)
        pattern.text--; /* gmatch gives "^" no meaning. */
    lua_Integer last = lua_tointeger(lua, lua_upvalueindex(4));
    const char *from = pattern.subject + lua_tointeger(lua, lua_upvalueindex(3));
    for (; from <= pattern.subject_end; from++) {
        const char *end = pattern_match(&pattern, from);
        if (!end || end - pattern.subject == last)
            continue;
        lua_pushinteger(lua, end - pattern.subject);
        lua_copy(lua, -1, lua_upvalueindex(3));
        lua_replace(lua, lua_upvalueindex(4));
        return pattern_push_captures(&pattern, from, end);
    }
    return 0;
}

static int each_match(lua_State *lua)
{
    bool anchored;
    struct pattern pattern = check_pattern(lua, &anchored);
    const char *from = begin(lua, &pattern);
    lua_settop(lua, 2);
    lua_pushinteger(lua, from ? from - pattern.subject : pattern.subject_end - pattern.subject + 1);
    lua_pushinteger(lua, -1);
    lua_pushcclosure(lua, next_match, 4);
    return 1;
}

/* --- gsub --- */

static void add_template(struct pattern *pattern, luaL_Buffer *out, const char *start,
                         const char *end)
{
    lua_State *lua = pattern->lua;
    size_t length;
    const char *text = lua_tolstring(lua, 3, &length);
    for (const char *at = text, *stop = text + length; at < stop; at++) {
        if (*at != '%') {
            luaL_addchar(out, *at);
            continue;
        }
        at++;
        if (at < stop && *at == '%') {
            luaL_addchar(out, '%');
        } else if (at < stop && *at >= '0' && *at <= '9') {
            if (*at == '0')
                lua_pushlstring(lua, start, (size_t)(end - start));
            else
                pattern_push_capture(pattern, (unsigned)(*at - '1'), start, end);
            luaL_tolstring(lua, -1, NULL);
            lua_remove(lua, -2);
            luaL_addvalue(out);
        } else {
            luaL_error(lua, "invalid use of '%%' in the replacement");
        }
    }
}

/* Adds what replaces the match. */
static void add_replacement(struct pattern *pattern, luaL_Buffer *out, const char *start,
                            const char *end)
{
    lua_State *lua = pattern->lua;
    int type = lua_type(lua, 3);
    if (type == LUA_TSTRING || type == LUA_TNUMBER) {
        add_template(pattern, out, start, end);
        return;
    }
    if (type == LUA_TTABLE) {
        pattern_push_capture(pattern, 0, start, end);
        lua_gettable(lua, 3);
    } else {
        lua_pushvalue(lua, 3);
        lua_call(lua, pattern_push_captures(pattern, start, end), 1);
    }
    if (!lua_toboolean(lua, -1)) {
        lua_pop(lua, 1);
        lua_pushlstring(lua, start, (size_t)(end - start));
    } else if (!lua_isstring(lua, -1)) {
        luaL_error(lua, "a replacement must be text, not a %s", luaL_typename(lua, -1));
    }
    luaL_addvalue(out);
}

static int replace(lua_State *lua)
{
    bool anchored;
    struct pattern pattern = check_pattern(lua, &anchored);
    int type = lua_type(lua, 3);
    luaL_argexpected(lua,
                     type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TTABLE ||
                         type == LUA_TFUNCTION,
                     3, "string/function/table");
    lua_Integer size = pattern.subject_end - pattern.subject, count = 0;
    lua_Integer most = luaL_optinteger(lua, 4, size + 1);
    luaL_Buffer out;
    lua_settop(lua, 3);
    luaL_buffinit(lua, &out);
    const char *from = pattern.subject, *last = NULL;
    while (count < most) {
        const char *end = pattern_match(&pattern, from);
        if (end && end != last) {
            count++;
            script_charge(lua, 1);
            add_replacement(&pattern, &out, from, end);
            from = last = end;
        } else if (from < pattern.subject_end) {
            luaL_addchar(&out, *from++);
        } else {
            break;
        }
        if (anchored)
            break;
    }
    luaL_addlstring(&out, from, (size_t)(pattern.subject_end - from));
    luaL_pushresult(&out);
    lua_pushinteger(lua, count);
    return 2;
}

void script_add_search_functions(lua_State *lua)
{
    static const luaL_Reg functions[] = {
        {"find", find}, {"match", match}, {"gmatch", each_match}, {"gsub", replace}, {NULL, NULL}};
    luaL_setfuncs(lua, functions, 0);
}
