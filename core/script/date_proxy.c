/* Dates and instants in rules: userdata that know the calendar.
 *
 * A date counts days, an instant seconds (to the microsecond), both whole: a float never enters.
 * Lua asks == only between two userdata, so a date is never equal to a text: compare with
 * kontor.date("2026-11-24"); < and <= take texts, too. */
#include <lauxlib.h>
#include <string.h>

#include "script/script_internal.h"

#define DATE    "date"
#define INSTANT "instant"

#define US_PER_SECOND INT64_C(1000000)
#define US_PER_DAY    (86400 * US_PER_SECOND)
/** 0001-01-01 and 9999-12-31: what kt_date_parse reads. */
#define FIRST_DAY INT64_C(-719162)
#define LAST_DAY  INT64_C(2932896)
/** Furthest that one step goes: more than all of the calendar. */
#define DAYS_MOST    INT64_C(4000000)
#define SECONDS_MOST (DAYS_MOST * 86400)

/* --- Dates --- */

static const char *push_date_text(lua_State *lua, kt_date date)
{
    char text[KT_DATE_TEXT_SIZE];
    return lua_pushlstring(lua, text, kt_date_format(date, text));
}

void script_push_date(lua_State *lua, kt_date date)
{
    kt_date *there = lua_newuserdatauv(lua, sizeof(*there), 0);
    *there = date;
    luaL_setmetatable(lua, DATE);
}

bool script_is_date(lua_State *lua, int index, kt_date *out)
{
    const kt_date *there = luaL_testudata(lua, index, DATE);
    if (there)
        *out = *there;
    return there != NULL;
}

kt_date script_check_date(lua_State *lua, int index)
{
    kt_date date = 0;
    size_t length;
    if (script_is_date(lua, index, &date))
        return date;
    if (lua_type(lua, index) == LUA_TSTRING) {
        const char *text = lua_tolstring(lua, index, &length);
        if (!kt_date_parse(text, length, &date))
            luaL_error(lua, "'%s' is not a date such as \"2026-11-24\"", text);
        return date;
    }
    luaL_error(lua, "a date is expected here, not %s%s", luaL_typename(lua, index),
               lua_isnoneornil(lua, index) ? " (an empty field?)" : "");
    return date;
}

static int64_t check_step(lua_State *lua, int index, const char *what, int64_t most)
{
    if (!lua_isinteger(lua, index))
        luaL_error(lua, "%s are counted in whole numbers, not by a %s", what,
                   luaL_typename(lua, index));
    lua_Integer step = lua_tointeger(lua, index);
    if (step < -most || step > most)
        luaL_error(lua, "%I %s lead out of the calendar", (LUAI_UACINT)step, what);
    return step;
}

static void push_moved_date(lua_State *lua, kt_date date, int64_t days)
{
    if (date + days < FIRST_DAY || date + days > LAST_DAY)
        luaL_error(lua, "the date is out of the calendar");
    script_push_date(lua, (kt_date)(date + days));
}

/* Either order: d + 30, 30 + d. */
static int date_add(lua_State *lua)
{
    kt_date date;
    int other = script_is_date(lua, 1, &date) ? 2 : 1;
    if (other == 1)
        date = script_check_date(lua, 2);
    push_moved_date(lua, date, check_step(lua, other, "days", DAYS_MOST));
    return 1;
}

static int date_subtract(lua_State *lua)
{
    kt_date date = script_check_date(lua, 1);
    if (lua_isinteger(lua, 2))
        push_moved_date(lua, date, -check_step(lua, 2, "days", DAYS_MOST));
    else
        lua_pushinteger(lua, (lua_Integer)date - script_check_date(lua, 2));
    return 1;
}

static int date_less(lua_State *lua)
{
    lua_pushboolean(lua, script_check_date(lua, 1) < script_check_date(lua, 2));
    return 1;
}

static int date_less_equal(lua_State *lua)
{
    lua_pushboolean(lua, script_check_date(lua, 1) <= script_check_date(lua, 2));
    return 1;
}

static int date_equal(lua_State *lua)
{
    kt_date a, b;
    lua_pushboolean(lua, script_is_date(lua, 1, &a) && script_is_date(lua, 2, &b) && a == b);
    return 1;
}

static int date_text(lua_State *lua)
{
    push_date_text(lua, script_check_date(lua, 1));
    return 1;
}

static int add_months(lua_State *lua)
{
    kt_date date = script_check_date(lua, 1);
    int64_t months = check_step(lua, 2, "months", 120000);
    int year, month, day;
    kt_date_to_civil(date, &year, &month, &day);
    int64_t then = INT64_C(12) * year + month - 1 + months;
    if (then < 12 || then >= INT64_C(12) * 10000)
        luaL_error(lua, "the date is out of the calendar");
    script_push_date(lua, kt_date_add_months(date, (int)months));
    return 1;
}

static int start_of_month(lua_State *lua)
{
    script_push_date(lua, kt_date_month_start(script_check_date(lua, 1)));
    return 1;
}

static int end_of_month(lua_State *lua)
{
    int year, month, day;
    kt_date last;
    kt_date_to_civil(script_check_date(lua, 1), &year, &month, &day);
    for (day = 31; !kt_date_from_civil(year, month, day, &last);)
        day--;
    script_push_date(lua, last);
    return 1;
}

/* Midnight UTC. */
static int date_instant(lua_State *lua)
{
    script_push_instant(lua, script_check_date(lua, 1) * US_PER_DAY);
    return 1;
}

/* Upvalue: the methods. */
static int date_member(lua_State *lua)
{
    kt_date date = script_check_date(lua, 1);
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "";
    int year, month, day;
    kt_date_to_civil(date, &year, &month, &day);
    if (strcmp(name, "year") == 0)
        lua_pushinteger(lua, year);
    else if (strcmp(name, "month") == 0)
        lua_pushinteger(lua, month);
    else if (strcmp(name, "day") == 0)
        lua_pushinteger(lua, day);
    else if (strcmp(name, "weekday") == 0)
        lua_pushinteger(lua, kt_date_weekday(date));
    else if (lua_getfield(lua, lua_upvalueindex(1), name) == LUA_TNIL)
        luaL_error(lua, "a date has no '%s'", script_to_text(lua, 2, NULL));
    return 1;
}

int script_make_date(lua_State *lua)
{
    kt_date date;
    lua_settop(lua, 3);
    if (lua_isnil(lua, 2)) {
        script_push_date(lua, script_check_date(lua, 1));
        return 1;
    }
    lua_Integer year = luaL_checkinteger(lua, 1), month = luaL_checkinteger(lua, 2);
    lua_Integer day = luaL_checkinteger(lua, 3);
    bool small = year > 0 && year < 10000 && month > 0 && month < 13 && day > 0 && day < 32;
    if (!small || !kt_date_from_civil((int)year, (int)month, (int)day, &date))
        luaL_error(lua, "there is no day %I-%I-%I", (LUAI_UACINT)year, (LUAI_UACINT)month,
                   (LUAI_UACINT)day);
    script_push_date(lua, date);
    return 1;
}

/* --- Instants --- */

void script_push_instant(lua_State *lua, kt_instant_us at)
{
    kt_instant_us *there = lua_newuserdatauv(lua, sizeof(*there), 0);
    *there = at;
    luaL_setmetatable(lua, INSTANT);
}

bool script_is_instant(lua_State *lua, int index, kt_instant_us *out)
{
    const kt_instant_us *there = luaL_testudata(lua, index, INSTANT);
    if (there)
        *out = *there;
    return there != NULL;
}

kt_instant_us script_check_instant(lua_State *lua, int index)
{
    kt_instant_us at = 0;
    size_t length;
    if (script_is_instant(lua, index, &at))
        return at;
    if (lua_type(lua, index) == LUA_TSTRING) {
        const char *text = lua_tolstring(lua, index, &length);
        if (!kt_instant_parse(text, length, &at))
            luaL_error(lua, "'%s' is not an instant such as \"2026-11-24T09:30:00Z\"", text);
        return at;
    }
    luaL_error(lua, "an instant is expected here, not %s%s", luaL_typename(lua, index),
               lua_isnoneornil(lua, index) ? " (an empty field?)" : "");
    return at;
}

static void push_moved_instant(lua_State *lua, kt_instant_us at, int64_t seconds)
{
    int64_t moved = at / US_PER_SECOND + seconds;
    if (moved < FIRST_DAY * 86400 || moved >= (LAST_DAY + 1) * 86400)
        luaL_error(lua, "the instant is out of the calendar");
    script_push_instant(lua, at + seconds * US_PER_SECOND);
}

static int instant_add(lua_State *lua)
{
    kt_instant_us at;
    int other = script_is_instant(lua, 1, &at) ? 2 : 1;
    if (other == 1)
        at = script_check_instant(lua, 2);
    push_moved_instant(lua, at, check_step(lua, other, "seconds", SECONDS_MOST));
    return 1;
}

/* Whole seconds, what is left is cut off; two far instants would not fit in microseconds. */
static int64_t seconds_between(kt_instant_us from, kt_instant_us to)
{
    int64_t seconds = to / US_PER_SECOND - from / US_PER_SECOND;
    int64_t rest = to % US_PER_SECOND - from % US_PER_SECOND;
    seconds += rest / US_PER_SECOND;
    rest %= US_PER_SECOND;
    if (seconds > 0 && rest < 0)
        return seconds - 1;
    return seconds < 0 && rest > 0 ? seconds + 1 : seconds;
}

static int instant_subtract(lua_State *lua)
{
    kt_instant_us at = script_check_instant(lua, 1);
    if (lua_isinteger(lua, 2))
        push_moved_instant(lua, at, -check_step(lua, 2, "seconds", SECONDS_MOST));
    else
        lua_pushinteger(lua, seconds_between(script_check_instant(lua, 2), at));
    return 1;
}

static int instant_less(lua_State *lua)
{
    lua_pushboolean(lua, script_check_instant(lua, 1) < script_check_instant(lua, 2));
    return 1;
}

static int instant_less_equal(lua_State *lua)
{
    lua_pushboolean(lua, script_check_instant(lua, 1) <= script_check_instant(lua, 2));
    return 1;
}

static int instant_equal(lua_State *lua)
{
    kt_instant_us a, b;
    lua_pushboolean(lua, script_is_instant(lua, 1, &a) && script_is_instant(lua, 2, &b) && a == b);
    return 1;
}

static int instant_text(lua_State *lua)
{
    char text[KT_INSTANT_TEXT_SIZE];
    lua_pushlstring(lua, text, kt_instant_format(script_check_instant(lua, 1), text));
    return 1;
}

static int instant_date(lua_State *lua)
{
    script_push_date(lua, kt_date_of_instant(script_check_instant(lua, 1)));
    return 1;
}

/* Upvalue: the methods. */
static int instant_member(lua_State *lua)
{
    kt_instant_us us = script_check_instant(lua, 1) % US_PER_DAY;
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "";
    int64_t of_day = (us < 0 ? us + US_PER_DAY : us) / US_PER_SECOND;
    if (strcmp(name, "hour") == 0)
        lua_pushinteger(lua, of_day / 3600);
    else if (strcmp(name, "minute") == 0)
        lua_pushinteger(lua, of_day / 60 % 60);
    else if (strcmp(name, "second") == 0)
        lua_pushinteger(lua, of_day % 60);
    else if (lua_getfield(lua, lua_upvalueindex(1), name) == LUA_TNIL)
        luaL_error(lua, "an instant has no '%s'", script_to_text(lua, 2, NULL));
    return 1;
}

int script_make_instant(lua_State *lua)
{
    script_push_instant(lua, script_check_instant(lua, 1));
    return 1;
}

/* --- Opening --- */

static int refuse_change(lua_State *lua)
{
    return luaL_error(lua, "a date or an instant cannot be changed: calculate a new one");
}

static void add_members(lua_State *lua, const char *kind, lua_CFunction member,
                        const luaL_Reg *methods)
{
    luaL_getmetatable(lua, kind);
    lua_newtable(lua);
    luaL_setfuncs(lua, methods, 0);
    lua_pushcclosure(lua, member, 1);
    lua_setfield(lua, -2, "__index");
    lua_pop(lua, 1);
}

void script_open_date(lua_State *lua)
{
    static const luaL_Reg date_events[] = {{"__add", date_add},           {"__sub", date_subtract},
                                           {"__lt", date_less},           {"__le", date_less_equal},
                                           {"__eq", date_equal},          {"__tostring", date_text},
                                           {"__newindex", refuse_change}, {NULL, NULL}};
    static const luaL_Reg date_methods[] = {{"add_months", add_months},
                                            {"start_of_month", start_of_month},
                                            {"end_of_month", end_of_month},
                                            {"instant", date_instant},
                                            {NULL, NULL}};
    static const luaL_Reg instant_events[] = {
        {"__add", instant_add},        {"__sub", instant_subtract},
        {"__lt", instant_less},        {"__le", instant_less_equal},
        {"__eq", instant_equal},       {"__tostring", instant_text},
        {"__newindex", refuse_change}, {NULL, NULL}};
    static const luaL_Reg instant_methods[] = {{"date", instant_date}, {NULL, NULL}};
    script_open_kind(lua, DATE, date_events);
    add_members(lua, DATE, date_member, date_methods);
    script_open_kind(lua, INSTANT, instant_events);
    add_members(lua, INSTANT, instant_member, instant_methods);
}
