/* Goal: what api.d.lua tells of is what rules have, no more and no less: editors, `kontor rules
 * check` and the reference believe it. Method: the names in the sandbox's own tables, against those
 * that the file declares. */
#include "cli/workbench.h"
#include "script/script_internal.h"
#include "script_fixture.h"

#include <lualib.h>

#define NAMES_MOST 300

struct names {
    char at[NAMES_MOST][64];
    size_t count;
};

static int compare(const void *one, const void *other)
{
    return strcmp(one, other);
}

static void add(struct names *names, const char *before, const char *name)
{
    assert_true(names->count < NAMES_MOST);
    snprintf(names->at[names->count++], sizeof names->at[0], "%s%s%s", before, *before ? "." : "",
             name);
}

static void assert_alike(struct names *there, struct names *told)
{
    qsort(there->at, there->count, sizeof there->at[0], compare);
    qsort(told->at, told->count, sizeof told->at[0], compare);
    for (size_t i = 0, j = 0; i < there->count || j < told->count;) {
        int order = i == there->count  ? 1
                    : j == told->count ? -1
                                       : strcmp(there->at[i], told->at[j]);
        if (order < 0)
            fail_msg("api.d.lua does not tell of %s", there->at[i]);
        if (order > 0)
            fail_msg("api.d.lua tells of %s, which is not there", told->at[j]);
        i++;
        j++;
    }
}

/* What a table shows through the __index of its metatable: [-1, +1]. */
static void look_behind(lua_State *lua)
{
    assert_true(lua_getmetatable(lua, -1));
    assert_int_equal(lua_getfield(lua, -1, "__index"), LUA_TTABLE);
    lua_remove(lua, -2);
    lua_remove(lua, -2);
}

/* The table at the top: functions, and tables of them, which may be read-only shells. Pops it. */
static void add_members(lua_State *lua, struct names *names, const char *before)
{
    for (lua_pushnil(lua); lua_next(lua, -2) != 0;) {
        const char *key = lua_tostring(lua, -2);
        if (lua_type(lua, -1) != LUA_TTABLE || *before) {
            add(names, before, key);
            lua_pop(lua, 1);
            continue;
        }
        if (luaL_getmetafield(lua, -1, "__index") != LUA_TNIL) {
            lua_pop(lua, 1);
            look_behind(lua);
        }
        add_members(lua, names, key);
    }
    lua_pop(lua, 1);
}

static const struct workbench_text *api(void)
{
    const struct workbench_text *text = workbench_texts;
    while (strcmp(text->name, "api.d.lua") != 0)
        text++;
    return text;
}

/* Runs the file in a state of its own: its globals are what it declares. */
static void add_told(struct names *names)
{
    lua_State *lua = luaL_newstate();
    assert_int_equal(luaL_loadbufferx(lua, (const char *)api()->bytes, api()->size, "=api", "t"),
                     LUA_OK);
    assert_int_equal(lua_pcall(lua, 0, 1, 0), LUA_OK);
    lua_pushnil(lua);
    while (lua_next(lua, 1) != 0) {
        const char *library = lua_tostring(lua, -2);
        for (lua_Integer i = 1; lua_rawgeti(lua, -1, i) == LUA_TSTRING; i++) {
            add(names, strcmp(library, "base") == 0 ? "" : library, lua_tostring(lua, -1));
            lua_pop(lua, 1);
        }
        lua_pop(lua, 2);
    }
    lua_pushglobaltable(lua);
    lua_pushnil(lua);
    lua_setfield(lua, -2, "_G");
    add_members(lua, names, "");
    add(names, "kontor", "none");
    lua_close(lua);
}

/* Too large for the stack. */
static struct names there, told;

static void every_function_is_told_of(void **state)
{
    struct world *w = *state;
    use_rules(w, "");
    lua_State *lua = w->rules->lua;
    script_new_environment(lua);
    look_behind(lua); /* The file's globals, */
    look_behind(lua); /* the library. */
    lua_newtable(lua);
    script_add_test_library(lua);
    for (lua_pushnil(lua); lua_next(lua, -2) != 0;) {
        lua_pushvalue(lua, -2);
        lua_insert(lua, -2);
        lua_rawset(lua, -5);
    }
    lua_pop(lua, 1);
    add_members(lua, &there, "");
    add_told(&told);
    assert_true(there.count > 100);
    assert_alike(&there, &told);
}

/* The methods of decimals, dates and instants: "function Decimal:round(". */
static void every_method_is_told_of(void **state)
{
    static const char *const kinds[][2] = {
        {"decimal", "Decimal"}, {"date", "Date"}, {"instant", "Instant"}};
    struct world *w = *state;
    use_rules(w, "");
    lua_State *lua = w->rules->lua;
    char wanted[80];
    for (size_t i = 0; i < KT_COUNT(kinds); i++) {
        size_t methods = 0, mentioned = 0;
        assert_int_equal(luaL_getmetatable(lua, kinds[i][0]), LUA_TTABLE);
        if (lua_getfield(lua, -1, "__index") == LUA_TFUNCTION)
            assert_non_null(lua_getupvalue(lua, -1, 1));
        for (lua_pushnil(lua); lua_next(lua, -2) != 0; lua_pop(lua, 1)) {
            snprintf(wanted, sizeof wanted, "\nfunction %s:%s(", kinds[i][1],
                     lua_tostring(lua, -2));
            if (!memmem(api()->bytes, api()->size, wanted, strlen(wanted)))
                fail_msg("api.d.lua does not tell of%s", wanted + 9);
            methods++;
        }
        snprintf(wanted, sizeof wanted, "\nfunction %s:", kinds[i][1]);
        const unsigned char *at = api()->bytes, *end = at + api()->size;
        while ((at = memmem(at, (size_t)(end - at), wanted, strlen(wanted))) != NULL) {
            mentioned++;
            at++;
        }
        assert_int_equal(methods, mentioned);
        lua_settop(lua, 0);
    }
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        SHOP_STORY(every_function_is_told_of),
        SHOP_STORY(every_method_is_told_of),
    };
    return cmocka_run_group_tests_name("script described", stories, NULL, NULL);
}
