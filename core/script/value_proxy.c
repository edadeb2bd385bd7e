/* Lists and maps without declared fields (tags, JSON), shown to rules as they lie in the arena.
 * They cannot be changed in place: a rule builds a table and assigns the whole field. */
#include <lauxlib.h>
#include <string.h>

#include "record/context.h"
#include "script/script_internal.h"

#define VALUE "list"

struct value_proxy {
    const msgpack_object *value; /* An array or a map. */
    uint64_t serial;
    unsigned depth;
};

static void push_proxy(lua_State *lua, const msgpack_object *value)
{
    const struct script_set *set = script_of(lua);
    const struct script_call *call = script_call_of(set);
    if (!call)
        luaL_error(lua, "records can be used only inside a rule's check");
    struct value_proxy *proxy = lua_newuserdatauv(lua, sizeof(*proxy), 0);
    *proxy = (struct value_proxy){value, call->serial, set->depth - 1};
    luaL_setmetatable(lua, VALUE);
}

void script_push_value(lua_State *lua, const msgpack_object *value)
{
    kt_instant_us at;
    switch (value->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        lua_pushboolean(lua, value->via.boolean);
        return;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        if (value->via.u64 > INT64_MAX)
            luaL_error(lua, "a number is too large for a rule");
        lua_pushinteger(lua, (lua_Integer)value->via.u64);
        return;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        lua_pushinteger(lua, value->via.i64);
        return;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        lua_pushnumber(lua, value->via.f64);
        return;
    case MSGPACK_OBJECT_STR:
        lua_pushlstring(lua, value->via.str.ptr, value->via.str.size);
        return;
    case MSGPACK_OBJECT_ARRAY:
    case MSGPACK_OBJECT_MAP:
        push_proxy(lua, value);
        return;
    case MSGPACK_OBJECT_EXT:
        if (context_instant_of(value, &at)) {
            script_push_instant(lua, at);
            return;
        }
        break;
    case MSGPACK_OBJECT_NIL:
    case MSGPACK_OBJECT_BIN:
        break;
    }
    lua_pushnil(lua);
}

static const msgpack_object *check(lua_State *lua, int index)
{
    const struct value_proxy *proxy = luaL_checkudata(lua, index, VALUE);
    script_check_alive(lua, proxy->depth, proxy->serial);
    return proxy->value;
}

const msgpack_object *script_value_behind(lua_State *lua, int index)
{
    return luaL_testudata(lua, index, VALUE) ? check(lua, index) : NULL;
}

static const msgpack_object *find(lua_State *lua, const msgpack_object *value)
{
    if (value->type == MSGPACK_OBJECT_ARRAY) {
        lua_Integer at = lua_isinteger(lua, 2) ? lua_tointeger(lua, 2) : 0;
        return at >= 1 && at <= (lua_Integer)value->via.array.size ? &value->via.array.ptr[at - 1]
                                                                   : NULL;
    }
    size_t length;
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tolstring(lua, 2, &length) : NULL;
    for (uint32_t i = 0; name && i < value->via.map.size; i++) {
        const msgpack_object *key = &value->via.map.ptr[i].key;
        if (key->type == MSGPACK_OBJECT_STR && key->via.str.size == length &&
            memcmp(key->via.str.ptr, name, length) == 0)
            return &value->via.map.ptr[i].val;
    }
    return NULL;
}

static int read_element(lua_State *lua)
{
    const msgpack_object *found = find(lua, check(lua, 1));
    if (found)
        script_push_value(lua, found);
    else
        lua_pushnil(lua);
    return 1;
}

static int refuse_write(lua_State *lua)
{
    return luaL_error(lua,
                      "a list read from a record cannot be changed in place: build a table and "
                      "assign the whole field");
}

static int count(lua_State *lua)
{
    const msgpack_object *value = check(lua, 1);
    lua_pushinteger(lua, value->type == MSGPACK_OBJECT_ARRAY ? value->via.array.size
                                                             : value->via.map.size);
    return 1;
}

/* Upvalue: how many were given out. */
static int next_element(lua_State *lua)
{
    const msgpack_object *value = check(lua, 1);
    bool list = value->type == MSGPACK_OBJECT_ARRAY;
    lua_Integer at = lua_tointeger(lua, lua_upvalueindex(1));
    lua_Integer size = list ? value->via.array.size : value->via.map.size;
    for (; at < size; at++) {
        if (list)
            lua_pushinteger(lua, at + 1);
        else
            script_push_value(lua, &value->via.map.ptr[at].key);
        script_push_value(lua, list ? &value->via.array.ptr[at] : &value->via.map.ptr[at].val);
        if (list || (!lua_isnil(lua, -1) && !lua_isnil(lua, -2)))
            break;
        lua_pop(lua, 2);
    }
    if (at >= size)
        return 0;
    lua_pushinteger(lua, at + 1);
    lua_replace(lua, lua_upvalueindex(1));
    return 2;
}

static int iterate(lua_State *lua)
{
    check(lua, 1);
    lua_pushinteger(lua, 0);
    lua_pushcclosure(lua, next_element, 1);
    lua_pushvalue(lua, 1);
    return 2;
}

void script_open_value(lua_State *lua)
{
    static const luaL_Reg functions[] = {{"__index", read_element},
                                         {"__newindex", refuse_write},
                                         {"__len", count},
                                         {"__pairs", iterate},
                                         {NULL, NULL}};
    script_open_kind(lua, VALUE, functions);
}
