/* Exact decimals in rules: userdata with operators.
 *
 * + - are exact; * is exact up to 18 digits after the point; / gives 12 digits (more when an
 * operand has more), rounded half away from zero, without zeros at the end beyond the operands'
 * own. Where Lua would let a float in, an error says what to write instead. */
#include <lauxlib.h>
#include <string.h>

#include "script/script_internal.h"

#define DECIMAL         "decimal"
#define DIVISION_DIGITS 12

/* Lua aligns userdata to 8 bytes, a 128-bit integer wants 16: so values go in and out by memcpy. */
void script_push_decimal(lua_State *lua, struct kt_decimal value)
{
    if (!kt_decimal_is_valid(value))
        luaL_error(lua, "the result has more than %d digits or is a division by zero",
                   KT_DECIMAL_DIGITS);
    memcpy(lua_newuserdatauv(lua, sizeof(value), 0), &value, sizeof(value));
    luaL_setmetatable(lua, DECIMAL);
}

bool script_is_decimal(lua_State *lua, int index, struct kt_decimal *out)
{
    const void *there = luaL_testudata(lua, index, DECIMAL);
    if (!there)
        return false;
    memcpy(out, there, sizeof(*out));
    return true;
}

struct kt_decimal script_check_decimal(lua_State *lua, int index, bool allow_text)
{
    struct kt_decimal value = KT_DECIMAL_ZERO;
    if (script_is_decimal(lua, index, &value))
        return value;
    if (lua_isinteger(lua, index))
        return kt_decimal_from_int(lua_tointeger(lua, index));
    if (lua_type(lua, index) == LUA_TNUMBER)
        luaL_error(lua,
                   "%f is a float, which is inexact: write a decimal such as "
                   "kontor.decimal(\"0.1\")",
                   lua_tonumber(lua, index));
    if (lua_type(lua, index) == LUA_TSTRING) {
        size_t length;
        const char *text = lua_tolstring(lua, index, &length);
        if (!allow_text)
            luaL_error(lua, "a decimal cannot be compared with text: write kontor.decimal(...)");
        if (!kt_decimal_parse(text, length, &value))
            luaL_error(lua, "'%s' is not a decimal such as \"12.50\"", text);
        return value;
    }
    luaL_error(lua, "a decimal is expected here, not %s%s", luaL_typename(lua, index),
               lua_isnoneornil(lua, index) ? " (an empty field?)" : "");
    return value;
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static int add(lua_State *lua)
{
    struct kt_decimal a = script_check_decimal(lua, 1, true);
    struct kt_decimal b = script_check_decimal(lua, 2, true);
    script_push_decimal(lua, kt_decimal_add(a, b));
    return 1;
}

static int subtract(lua_State *lua)
{
    struct kt_decimal a = script_check_decimal(lua, 1, true);
    struct kt_decimal b = script_check_decimal(lua, 2, true);
    script_push_decimal(lua, kt_decimal_sub(a, b));
    return 1;
}

static int multiply(lua_State *lua)
{
    struct kt_decimal a = script_check_decimal(lua, 1, true);
    struct kt_decimal b = script_check_decimal(lua, 2, true);
    int scale = smaller(a.scale + b.scale, KT_DECIMAL_SCALE_MAX);
    script_push_decimal(lua, kt_decimal_mul(a, b, scale));
    return 1;
}

static int divide(lua_State *lua)
{
    struct kt_decimal a = script_check_decimal(lua, 1, true);
    struct kt_decimal b = script_check_decimal(lua, 2, true);
    if (kt_decimal_is_zero(b))
        luaL_error(lua, "division by zero");
    int own = larger(a.scale, b.scale);
    struct kt_decimal quotient = kt_decimal_div(a, b, larger(own, DIVISION_DIGITS));
    script_push_decimal(lua, kt_decimal_trim(quotient, own));
    return 1;
}

static int negate(lua_State *lua)
{
    script_push_decimal(lua, kt_decimal_neg(script_check_decimal(lua, 1, false)));
    return 1;
}

static int compare(lua_State *lua)
{
    struct kt_decimal a = script_check_decimal(lua, 1, false);
    struct kt_decimal b = script_check_decimal(lua, 2, false);
    return kt_decimal_compare(a, b);
}

static int is_less(lua_State *lua)
{
    lua_pushboolean(lua, compare(lua) < 0);
    return 1;
}

static int is_at_most(lua_State *lua)
{
    lua_pushboolean(lua, compare(lua) <= 0);
    return 1;
}

/* Lua asks only when both are userdata. */
static int is_equal(lua_State *lua)
{
    struct kt_decimal a, b;
    lua_pushboolean(lua, script_is_decimal(lua, 1, &a) && script_is_decimal(lua, 2, &b) &&
                             kt_decimal_compare(a, b) == 0);
    return 1;
}

static struct kt_decimal self(lua_State *lua)
{
    struct kt_decimal value;
    memcpy(&value, luaL_checkudata(lua, 1, DECIMAL), sizeof(value));
    return value;
}

static int to_text(lua_State *lua)
{
    char text[KT_DECIMAL_TEXT_SIZE];
    lua_pushlstring(lua, text, kt_decimal_format(self(lua), text));
    return 1;
}

static int round_to(lua_State *lua)
{
    static const char *const modes[] = {"half_away", "half_even", "half_down", "up",
                                        "down",      "ceiling",   "floor",     NULL};
    lua_Integer digits = luaL_optinteger(lua, 2, 0);
    luaL_argcheck(lua, digits >= 0 && digits <= KT_DECIMAL_SCALE_MAX, 2,
                  "0 to 18 digits after the point");
    int mode = luaL_checkoption(lua, 3, modes[KT_ROUND_HALF_AWAY], modes);
    script_push_decimal(lua, kt_decimal_round_by(self(lua), (int)digits, (enum kt_rounding)mode));
    return 1;
}

static int absolute(lua_State *lua)
{
    script_push_decimal(lua, kt_decimal_abs(self(lua)));
    return 1;
}

static int is_zero(lua_State *lua)
{
    lua_pushboolean(lua, kt_decimal_is_zero(self(lua)));
    return 1;
}

static int sign(lua_State *lua)
{
    lua_pushinteger(lua, kt_decimal_sign(self(lua)));
    return 1;
}

/* No __concat: Lua 5.4.4 keeps a stale pointer when one makes the stack grow (fixed in 5.4.5), so
 * a decimal is joined to text with tostring(). */
void script_open_decimal(lua_State *lua)
{
    static const luaL_Reg operators[] = {
        {"__add", add},          {"__sub", subtract}, {"__mul", multiply},  {"__div", divide},
        {"__unm", negate},       {"__lt", is_less},   {"__le", is_at_most}, {"__eq", is_equal},
        {"__tostring", to_text}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"round", round_to}, {"abs", absolute}, {"is_zero", is_zero}, {"sign", sign}, {NULL, NULL}};
    script_open_kind(lua, DECIMAL, operators);
    luaL_getmetatable(lua, DECIMAL);
    luaL_newlib(lua, methods);
    script_make_strict(lua, "a decimal");
    lua_setfield(lua, -2, "__index");
    lua_pop(lua, 1);
}
