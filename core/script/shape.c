#include "script/shape.h"

#include <string.h>

#include "record/vocabulary.h"
#include "script/declared.h"

/* How every counted list of the model begins. */
struct list {
    const void *at;
    size_t count;
};
static_assert(sizeof(struct list) == sizeof(struct kt_fields), "a list is a pointer and a count");
static_assert(sizeof(struct list) == sizeof(struct kt_names), "a list is a pointer and a count");

static void *memory(lua_State *lua, size_t size)
{
    return script_declared_memory(script_of(lua)->declared, size);
}

static const char *take_text(lua_State *lua, int index, const char *where, const char *key)
{
    size_t length;
    if (lua_type(lua, index) != LUA_TSTRING)
        luaL_error(lua, "%s: %s is a text, not a %s", where, key, luaL_typename(lua, index));
    const char *text = lua_tolstring(lua, index, &length);
    if (length == 0 || length > KT_LIMIT_TEXT)
        luaL_error(lua, "%s: %s has 1 to %d bytes", where, key, (int)KT_LIMIT_TEXT);
    if (strcmp(script_clean(script_of(lua)->building, text, length, length), text) != 0)
        luaL_error(lua, "%s: %s is not plain UTF-8 text", where, key);
    return memcpy(memory(lua, length + 1), text, length + 1);
}

static const char *take_value(lua_State *lua, int index, const char *where, const char *key)
{
    struct kt_decimal number;
    if (lua_type(lua, index) == LUA_TBOOLEAN)
        return lua_toboolean(lua, index) ? "true" : "false";
    if (lua_isinteger(lua, index) || script_is_decimal(lua, index, &number))
        script_to_text(lua, index, NULL);
    else
        lua_pushvalue(lua, index);
    const char *text = take_text(lua, lua_gettop(lua), where, key);
    lua_pop(lua, 1);
    return text;
}

static lua_Integer take_number(lua_State *lua, int index, const char *where, const char *key)
{
    int exact;
    lua_Integer number = lua_tointegerx(lua, index, &exact);
    if (lua_type(lua, index) != LUA_TNUMBER || !exact || number < 0 || number > KT_LIMIT_TEXT_MAX)
        luaL_error(lua, "%s: %s is a whole number from 0 to %d", where, key,
                   (int)KT_LIMIT_TEXT_MAX);
    return number;
}

static bool take_bool(lua_State *lua, int index, const char *where, const char *key)
{
    if (lua_type(lua, index) != LUA_TBOOLEAN)
        luaL_error(lua, "%s: %s is true or false", where, key);
    return lua_toboolean(lua, index);
}

static enum kt_type take_type(lua_State *lua, int index, const char *where)
{
    enum kt_type type;
    const char *word = lua_type(lua, index) == LUA_TSTRING ? lua_tostring(lua, index) : "";
    if (record_type_of_word(word, &type))
        return type;
    struct script_guess guess = {.wanted = word};
    for (int one = KT_TEXT; one <= KT_FILE; one++)
        script_guess_try(&guess, record_type_word((enum kt_type)one));
    luaL_error(lua, "%s: there is no type '%s'%s", where, word, script_guess_push(lua, &guess));
    return KT_TEXT;
}

static size_t check_list(lua_State *lua, int index, const char *where, const char *key)
{
    size_t count = lua_type(lua, index) == LUA_TTABLE ? lua_rawlen(lua, index) : 0;
    if (count == 0 || count > KT_LIMIT_CUSTOM_LIST)
        luaL_error(lua, "%s: %s is a list of 1 to %d", where, key, (int)KT_LIMIT_CUSTOM_LIST);
    return count;
}

static struct kt_label take_label(lua_State *lua, int index, const char *where, const char *key)
{
    struct kt_label label;
    if (lua_type(lua, index) == LUA_TSTRING) {
        label.en = take_text(lua, index, where, key);
        label.zh = label.en;
        return label;
    }
    if (lua_type(lua, index) != LUA_TTABLE || lua_rawlen(lua, index) != 2)
        luaL_error(lua, "%s: %s is {\"English\", \"中文\"} or one text for both", where, key);
    lua_rawgeti(lua, index, 1);
    lua_rawgeti(lua, index, 2);
    label.en = take_text(lua, lua_gettop(lua) - 1, where, key);
    label.zh = take_text(lua, lua_gettop(lua), where, key);
    lua_pop(lua, 2);
    return label;
}

static struct kt_names take_names(lua_State *lua, int index, const char *where, const char *key)
{
    size_t count = check_list(lua, index, where, key);
    const char **names = memory(lua, sizeof(*names) * count);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(lua, index, (lua_Integer)i + 1);
        names[i] = take_text(lua, lua_gettop(lua), where, key);
        lua_pop(lua, 1);
    }
    return (struct kt_names){names, count};
}

/* "custom.vehicle, field trips": the element by its name, or by its number. */
static const char *push_element(lua_State *lua, int index, const struct shape *shape,
                                const char *where, size_t number)
{
    if (lua_type(lua, index) == LUA_TTABLE) {
        lua_pushliteral(lua, "name");
        if (lua_rawget(lua, index) == LUA_TSTRING)
            return lua_pushfstring(lua, "%s, %s %s", where, shape->what, lua_tostring(lua, -1));
    }
    return lua_pushfstring(lua, "%s, %s %d", where, shape->what, (int)number);
}

static struct list take_list(lua_State *lua, int index, const struct slot *slot, const char *where)
{
    const struct shape *shape = slot->of;
    size_t count = check_list(lua, index, where, slot->key);
    char *items = memory(lua, shape->size * count);
    for (size_t i = 0; i < count; i++) {
        int top = lua_gettop(lua);
        if (lua_rawgeti(lua, index, (lua_Integer)i + 1) == LUA_TSTRING && shape->bare) {
            lua_createtable(lua, 0, 1);
            lua_pushvalue(lua, top + 1);
            lua_setfield(lua, top + 2, "name");
            lua_replace(lua, top + 1);
        }
        const char *element = push_element(lua, top + 1, shape, where, i + 1);
        shape_read(lua, top + 1, shape, items + i * shape->size, element);
        lua_settop(lua, top);
    }
    return (struct list){items, count};
}

static void fill_slot(lua_State *lua, int index, const struct slot *slot, void *at,
                      const char *where)
{
    switch (slot->kind) {
    case SLOT_TEXT:
        *(const char **)at = take_text(lua, index, where, slot->key);
        return;
    case SLOT_VALUE:
        *(const char **)at = take_value(lua, index, where, slot->key);
        return;
    case SLOT_LABEL:
        *(struct kt_label *)at = take_label(lua, index, where, slot->key);
        return;
    case SLOT_NAMES:
        *(struct kt_names *)at = take_names(lua, index, where, slot->key);
        return;
    case SLOT_FLAG:
        *(unsigned *)at |= take_bool(lua, index, where, slot->key) ? slot->flag : 0;
        return;
    case SLOT_BOOL:
        *(bool *)at = take_bool(lua, index, where, slot->key);
        return;
    case SLOT_DIGITS:
        *(int *)at = (int)take_number(lua, index, where, slot->key);
        return;
    case SLOT_LENGTH:
        *(uint32_t *)at = (uint32_t)take_number(lua, index, where, slot->key);
        return;
    case SLOT_TYPE:
        *(enum kt_type *)at = take_type(lua, index, where);
        return;
    case SLOT_FUNCTION:
        if (lua_type(lua, index) != LUA_TFUNCTION)
            luaL_error(lua, "%s: %s is a function", where, slot->key);
        if (slot->flag)
            *(unsigned *)at |= slot->flag;
        return;
    case SLOT_IGNORED:
        return;
    case SLOT_LIST: {
        struct list list = take_list(lua, index, slot, where);
        memcpy(at, &list, sizeof(list));
        return;
    }
    }
}

static void check_keys(lua_State *lua, int index, const struct shape *shape, const char *where)
{
    lua_pushnil(lua);
    while (lua_next(lua, index) != 0) {
        const char *key = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "[1]";
        struct script_guess guess = {.wanted = key};
        bool known = false;
        for (size_t i = 0; i < shape->slot_count; i++) {
            known = known || strcmp(key, shape->slots[i].key) == 0;
            script_guess_try(&guess, shape->slots[i].key);
        }
        if (!known)
            luaL_error(lua, "%s: a %s has no '%s'%s", where, shape->what, key,
                       script_guess_push(lua, &guess));
        lua_pop(lua, 1);
    }
}

void shape_read(lua_State *lua, int index, const struct shape *shape, void *out, const char *where)
{
    luaL_checkstack(lua, 20, where);
    if (lua_type(lua, index) != LUA_TTABLE)
        luaL_error(lua, "%s: a %s is a table such as { name = ... }", where, shape->what);
    check_keys(lua, index, shape, where);
    for (size_t i = 0; i < shape->slot_count; i++) {
        const struct slot *slot = &shape->slots[i];
        lua_pushstring(lua, slot->key);
        if (lua_rawget(lua, index) != LUA_TNIL)
            fill_slot(lua, lua_gettop(lua), slot, (char *)out + slot->offset, where);
        lua_pop(lua, 1);
    }
}
