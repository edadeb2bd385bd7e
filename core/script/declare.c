/* rule{...}: what a rule file says of itself, checked while it is loaded. A rule is kept only when
 * everything about it is right. */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "script/script_internal.h"

#define PRIORITY_DEFAULT 50
#define PRIORITY_MOST    1000000
#define POINTS_MOST      32

static const char *const moment_names[] = {"create", "update", "delete", "archive", "restore"};

/* One text of `on`, taken apart. */
struct point {
    const struct schema_entity *entity;
    bool after;
    const char *moment; /* "create", ..., "save", or a verb. */
};

static const struct schema *schema_of(lua_State *lua)
{
    return script_of(lua)->building->schema;
}

static void check_keys(lua_State *lua)
{
    static const char *const keys[] = {"on", "name", "priority", "check"};
    lua_pushnil(lua);
    while (lua_next(lua, 1) != 0) {
        bool known = false;
        const char *key = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "";
        for (size_t i = 0; i < KT_COUNT(keys); i++)
            known = known || strcmp(key, keys[i]) == 0;
        if (!known)
            luaL_error(lua, "rule{} has no '%s': it takes on, name, priority and check", key);
        lua_pop(lua, 1);
    }
}

static const char *check_name(lua_State *lua)
{
    const struct script_set *set = script_of(lua);
    size_t length = 0;
    if (lua_getfield(lua, 1, "name") != LUA_TSTRING)
        luaL_error(lua, "rule{} needs a name such as name = \"sales.credit_limit\"");
    const char *name = lua_tolstring(lua, -1, &length);
    bool plain = length > 0 && length <= KT_LIMIT_NAME;
    for (size_t i = 0; i < length; i++)
        plain = plain &&
                (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                        "_-.",
                        name[i]) != NULL) &&
                name[i];
    if (!plain)
        luaL_error(lua, "'%s' is not a rule's name: letters, digits, '.', '_' and '-', at most %d",
                   name, KT_LIMIT_NAME);
    for (size_t i = 0; i < set->rule_count; i++)
        if (strcmp(set->rules[i].name, name) == 0)
            luaL_error(lua, "there is a rule '%s' already, at %s:%d", name, set->rules[i].file,
                       set->rules[i].line);
    return name;
}

static int check_priority(lua_State *lua)
{
    int exact;
    if (lua_getfield(lua, 1, "priority") == LUA_TNIL)
        return PRIORITY_DEFAULT;
    lua_Integer priority = lua_tointegerx(lua, -1, &exact);
    if (lua_type(lua, -1) != LUA_TNUMBER || !exact || priority < -PRIORITY_MOST ||
        priority > PRIORITY_MOST)
        luaL_error(lua, "priority is a whole number; lower runs first, %d is usual",
                   PRIORITY_DEFAULT);
    return (int)priority;
}

static bool has_verb(const struct schema_entity *entity, const char *verb)
{
    const struct kt_transitions *transitions = &entity->decl->transitions;
    for (size_t i = 0; i < transitions->count; i++)
        if (strcmp(transitions->at[i].verb, verb) == 0)
            return true;
    return false;
}

static void check_moment(lua_State *lua, const struct point *point)
{
    static const char *const general[] = {"create", "update",  "save",
                                          "delete", "archive", "restore"};
    const struct kt_transitions *transitions = &point->entity->decl->transitions;
    struct script_guess guess = {.wanted = point->moment};
    for (size_t i = 0; i < KT_COUNT(general); i++) {
        if (strcmp(point->moment, general[i]) == 0)
            return;
        script_guess_try(&guess, general[i]);
    }
    if (has_verb(point->entity, point->moment))
        return;
    for (size_t i = 0; i < transitions->count; i++)
        script_guess_try(&guess, transitions->at[i].verb);
    luaL_error(lua,
               "%s has no moment '%s'%s: there are create, update, save, delete, archive, restore "
               "and its transitions",
               point->entity->name, point->moment, script_guess_push(lua, &guess));
}

static const struct schema_entity *check_entity(lua_State *lua, const char *name, size_t length)
{
    const struct schema *schema = schema_of(lua);
    const struct schema_entity *entity = schema_entity(schema, name, length);
    if (entity)
        return entity;
    struct script_guess guess = {.wanted = lua_pushlstring(lua, name, length)};
    for (size_t i = 0; i < schema->entity_count; i++)
        script_guess_try(&guess, schema->entities[i].name);
    luaL_error(lua, "no module declares '%s'%s", guess.wanted, script_guess_push(lua, &guess));
    return NULL;
}

/* "sales.order.before_confirm"; the text stays on the stack while the point is used. */
static struct point check_point(lua_State *lua, int index)
{
    struct point point = {0};
    const char *text = lua_type(lua, index) == LUA_TSTRING ? lua_tostring(lua, index) : NULL;
    const char *last = text ? strrchr(text, '.') : NULL;
    if (last && strncmp(last, ".before_", 8) == 0) {
        point.moment = last + 8;
    } else if (last && strncmp(last, ".after_", 7) == 0) {
        point.moment = last + 7;
        point.after = true;
    } else {
        luaL_error(lua, "on is ENTITY.before_MOMENT or ENTITY.after_MOMENT, such as "
                        "\"sales.order.before_confirm\", or a list of such texts");
        return point;
    }
    point.entity = check_entity(lua, text, (size_t)(last - text));
    check_moment(lua, &point);
    return point;
}

/* --- Keeping --- */

static void *grow(void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity ? *capacity * 2 : 16;
    return script_must(realloc(items, *capacity * size));
}

/* The same rule at the same point counts once, also when "save" and "create" are both named. */
static void add_bind(struct script_set *set, struct script_bind bind)
{
    for (size_t i = set->bind_count; i-- > 0 && set->binds[i].rule == bind.rule;) {
        const struct script_bind *there = &set->binds[i];
        bool same_verb =
            bind.verb ? there->verb && strcmp(there->verb, bind.verb) == 0 : !there->verb;
        if (there->entity == bind.entity && there->after == bind.after &&
            there->moment == bind.moment && same_verb)
            return;
    }
    set->binds = grow(set->binds, set->bind_count, &set->bind_capacity, sizeof(*set->binds));
    set->binds[set->bind_count++] = bind;
}

static const char *verb_of(const struct point *point)
{
    const struct kt_transitions *transitions = &point->entity->decl->transitions;
    for (size_t i = 0; i < transitions->count; i++)
        if (strcmp(transitions->at[i].verb, point->moment) == 0)
            return transitions->at[i].verb;
    return NULL;
}

static void add_point(struct script_set *set, const struct point *point, uint32_t rule)
{
    struct script_bind bind = {.entity = point->entity->name, .after = point->after, .rule = rule};
    bool save = strcmp(point->moment, "save") == 0, plain = save;
    for (size_t i = 0; i < KT_COUNT(moment_names); i++) {
        bool named = strcmp(point->moment, moment_names[i]) == 0;
        plain = plain || named;
        bind.moment = (enum record_moment)i;
        if (named || (save && bind.moment < RECORD_DELETE))
            add_bind(set, bind);
    }
    if (plain)
        return;
    bind.moment = RECORD_TRANSITION;
    bind.verb = verb_of(point);
    add_bind(set, bind);
}

static char *join(char *text, const char *more)
{
    size_t size = (text ? strlen(text) + 2 : 0) + strlen(more) + 1;
    char *joined = script_must(malloc(size));
    snprintf(joined, size, "%s%s%s", text ? text : "", text ? ", " : "", more);
    free(text);
    return joined;
}

/* Called last: nothing in here can raise. Returns the rule's number. */
static uint32_t keep(struct script_set *set, const char *name, int priority, int check, int line)
{
    set->rules = grow(set->rules, set->rule_count, &set->rule_capacity, sizeof(*set->rules));
    set->rules[set->rule_count] =
        (struct script_rule){.name = script_must(strdup(name)),
                             .file = script_must(strdup(set->file->name)),
                             .source = script_must(strdup(set->file->source)),
                             .line = line,
                             .priority = priority,
                             .check = check};
    return (uint32_t)set->rule_count++;
}

int script_line_of_call(lua_State *lua)
{
    lua_Debug place;
    if (!lua_getstack(lua, 1, &place) || !lua_getinfo(lua, "l", &place))
        return 0;
    return place.currentline > 0 ? place.currentline : 0;
}

/* Pushes the texts of `on` and checks each; returns how many. They begin at `first`. */
static int push_points(lua_State *lua, struct point points[POINTS_MOST], int *first)
{
    int type = lua_getfield(lua, 1, "on");
    int on = lua_gettop(lua);
    *first = on;
    if (type != LUA_TTABLE) {
        points[0] = check_point(lua, on);
        return 1;
    }
    lua_Integer count = (lua_Integer)lua_rawlen(lua, on);
    if (count < 1 || count > POINTS_MOST)
        luaL_error(lua, "on names 1 to %d moments", POINTS_MOST);
    luaL_checkstack(lua, (int)count + 20, "on");
    *first = on + 1;
    for (lua_Integer i = 1; i <= count; i++)
        lua_rawgeti(lua, on, i);
    for (int i = 0; i < (int)count; i++)
        points[i] = check_point(lua, *first + i);
    return (int)count;
}

int script_declare(lua_State *lua)
{
    struct script_set *set = script_of(lua);
    struct point points[POINTS_MOST];
    int first;
    if (!set->file)
        luaL_error(lua, "rule{} stands at the top of a rule file, not inside a check");
    if (set->declared)
        return 0;
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_settop(lua, 1);
    check_keys(lua);
    const char *name = check_name(lua);
    int priority = check_priority(lua);
    int count = push_points(lua, points, &first);
    if (lua_getfield(lua, 1, "check") != LUA_TFUNCTION)
        luaL_error(lua, "rule{} needs check = function(record, step) ... end");
    if (set->rule_count == SCRIPT_RULES)
        luaL_error(lua, "there are more than %d rules", SCRIPT_RULES);
    int check = luaL_ref(lua, LUA_REGISTRYINDEX);
    uint32_t rule = keep(set, name, priority, check, script_line_of_call(lua));
    for (int i = 0; i < count; i++) {
        add_point(set, &points[i], rule);
        set->rules[rule].on = join(set->rules[rule].on, lua_tostring(lua, first + i));
    }
    return 0;
}
