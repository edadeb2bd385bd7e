/* rule{...}, handler{...} and the functions of method{...}, schedule{...} and field{...}: what
 * runs, checked while its file is loaded. A rule is kept only when everything about it is right. */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "script/script_internal.h"

#define PRIORITY_DEFAULT 50
#define PRIORITY_MOST    1000000
#define POINTS_MOST      32
#define FAILURES_MOST    1000000

static const char *const moment_names[] = {"create", "update", "delete", "archive", "restore"};

/* What a declaration says beside where it hangs. */
struct heading {
    const char *name;
    const char *as;
    int priority;
    unsigned disable_after;
    int run;
    int line;
};

/* One text of `on`, taken apart. */
struct point {
    const struct schema_entity *entity; /* NULL for topics. */
    const char *topic;
    bool after;
    const char *moment; /* "create", ..., "save", or a verb. */
};

static const struct schema *schema_of(lua_State *lua)
{
    return script_of(lua)->building->schema;
}

/* --- What a declaration says --- */

static void check_keys(lua_State *lua, const char *what, const char *function)
{
    const char *const keys[] = {"on", "name", "priority", "as", "disable_after", function};
    lua_pushnil(lua);
    while (lua_next(lua, 1) != 0) {
        bool known = false;
        const char *key = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "";
        for (size_t i = 0; i < KT_COUNT(keys); i++)
            known = known || strcmp(key, keys[i]) == 0;
        if (!known)
            luaL_error(lua,
                       "%s{} has no '%s': it takes on, name, priority, as, disable_after and %s",
                       what, key, function);
        lua_pop(lua, 1);
    }
}

static bool is_plain_name(const char *name, size_t length)
{
    bool plain = length > 0 && length <= KT_LIMIT_NAME;
    for (size_t i = 0; i < length; i++)
        plain = plain && name[i] &&
                strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.",
                       name[i]) != NULL;
    return plain;
}

/* Methods and schedules have namesakes among rules; each kind is looked for by itself. */
static void check_unused(lua_State *lua, const char *name, bool is_found_by_name)
{
    const struct script_set *set = script_of(lua);
    for (size_t i = 0; i < set->rule_count; i++) {
        const struct script_rule *rule = &set->rules[i];
        bool other = rule->kind == SCRIPT_METHOD || rule->kind == SCRIPT_SCHEDULE;
        if (other == is_found_by_name && strcmp(rule->name, name) == 0)
            luaL_error(lua, "there is a rule '%s' already, at %s:%d", name, rule->file, rule->line);
    }
}

static const char *check_name(lua_State *lua, const char *what)
{
    size_t length = 0;
    if (lua_getfield(lua, 1, "name") != LUA_TSTRING)
        luaL_error(lua, "%s{} needs a name such as name = \"sales.credit_limit\"", what);
    const char *name = lua_tolstring(lua, -1, &length);
    if (!is_plain_name(name, length))
        luaL_error(lua, "'%s' is not a rule's name: letters, digits, '.', '_' and '-', at most %d",
                   name, KT_LIMIT_NAME);
    check_unused(lua, name, false);
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

static const char *check_as(lua_State *lua)
{
    const struct kt_ctx *ctx = script_of(lua)->building;
    if (lua_getfield(lua, 1, "as") == LUA_TNIL)
        return NULL;
    if (lua_type(lua, -1) != LUA_TSTRING)
        luaL_error(lua, "as names a role such as as = \"sales.manager\"");
    const char *as = lua_tostring(lua, -1);
    if (!ctx->host->role_known(ctx, as))
        luaL_error(lua, "no module declares a role '%s'", as);
    return as;
}

static unsigned check_disable_after(lua_State *lua)
{
    int exact;
    if (lua_getfield(lua, 1, "disable_after") == LUA_TNIL)
        return 0;
    lua_Integer most = lua_tointegerx(lua, -1, &exact);
    if (lua_type(lua, -1) != LUA_TNUMBER || !exact || most < 1 || most > FAILURES_MOST)
        luaL_error(lua, "disable_after is how many failures in a row, 1 to %d", FAILURES_MOST);
    return (unsigned)most;
}

/* What it leaves on the stack keeps the texts alive. */
static void read_heading(lua_State *lua, struct heading *heading, const char *what,
                         const char *function, const char *example)
{
    struct script_set *set = script_of(lua);
    heading->priority = check_priority(lua);
    heading->as = check_as(lua);
    heading->disable_after = check_disable_after(lua);
    if (lua_getfield(lua, 1, function) != LUA_TFUNCTION)
        luaL_error(lua, "%s{} needs %s = %s ... end", what, function, example);
    if (set->rule_count == SCRIPT_RULES)
        luaL_error(lua, "there are more than %d rules", SCRIPT_RULES);
    heading->line = script_line_of_call(lua);
    heading->run = luaL_ref(lua, LUA_REGISTRYINDEX);
}

/* --- Where it hangs --- */

/* NULL when the moment is none of its transitions. */
static const char *verb_of(const struct point *point)
{
    const struct kt_transitions *transitions = &point->entity->decl->transitions;
    for (size_t i = 0; i < transitions->count; i++)
        if (strcmp(transitions->at[i].verb, point->moment) == 0)
            return transitions->at[i].verb;
    return NULL;
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
    if (verb_of(point))
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
                        "\"sales.order.before_confirm\", or a list of such texts (what happened, "
                        "such as \"sales.order.confirmed\", is for handler{})");
        return point;
    }
    point.entity = check_entity(lua, text, (size_t)(last - text));
    check_moment(lua, &point);
    return point;
}

/* "sales.order.confirmed" */
static struct point check_topic(lua_State *lua, int index)
{
    const struct kt_ctx *ctx = script_of(lua)->building;
    const char *text = lua_type(lua, index) == LUA_TSTRING ? lua_tostring(lua, index) : NULL;
    const char *last = text ? strrchr(text, '.') : NULL;
    if (last && (strncmp(last, ".before_", 8) == 0 || strncmp(last, ".after_", 7) == 0))
        luaL_error(lua, "'%s' is a moment: that is for rule{}", text);
    if (!text || !ctx->host->topic_known(ctx, text))
        luaL_error(lua,
                   "%s%s%s: on names what was announced, such as \"sales.order.confirmed\", "
                   "or a list of such",
                   text ? "nobody announces '" : "", text ? text : "on is a text", text ? "'" : "");
    return (struct point){.topic = text};
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
        if (strcmp(there->subject, bind.subject) == 0 && there->when == bind.when &&
            there->moment == bind.moment && same_verb)
            return;
    }
    set->binds = grow(set->binds, set->bind_count, &set->bind_capacity, sizeof(*set->binds));
    set->binds[set->bind_count++] = bind;
}

static void add_moment(struct script_set *set, const struct point *point, uint32_t rule)
{
    struct script_bind bind = {.subject = point->entity->name,
                               .when = point->after ? SCRIPT_AFTER : SCRIPT_BEFORE,
                               .rule = rule};
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

/* A topic's text belongs to the rule: its `on` may name several. */
static void add_topic(struct script_set *set, const struct point *point, uint32_t rule)
{
    char *topic = script_must(strdup(point->topic));
    set->topics = grow(set->topics, set->topic_count, &set->topic_capacity, sizeof(*set->topics));
    set->topics[set->topic_count++] = topic;
    add_bind(set, (struct script_bind){.subject = topic, .when = SCRIPT_ON_EVENT, .rule = rule});
}

static char *join(char *text, const char *more)
{
    bool first = text[0] == '\0';
    size_t size = strlen(text) + strlen(more) + 3;
    char *joined = script_must(malloc(size));
    snprintf(joined, size, "%s%s%s", text, first ? "" : ", ", more);
    free(text);
    return joined;
}

/* Called last: nothing in here can raise. Returns the rule's number. */
static uint32_t keep(struct script_set *set, enum script_kind kind, const struct heading *heading)
{
    set->rules = grow(set->rules, set->rule_count, &set->rule_capacity, sizeof(*set->rules));
    set->rules[set->rule_count] =
        (struct script_rule){.kind = kind,
                             .name = script_must(strdup(heading->name)),
                             .on = script_must(strdup("")),
                             .file = script_must(strdup(set->file->name)),
                             .source = script_must(strdup(set->file->source)),
                             .as = heading->as ? script_must(strdup(heading->as)) : NULL,
                             .line = heading->line,
                             .priority = heading->priority,
                             .disable_after = heading->disable_after,
                             .run = heading->run};
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
static int push_points(lua_State *lua, struct point points[POINTS_MOST], int *first,
                       struct point (*check)(lua_State *, int))
{
    int type = lua_getfield(lua, 1, "on");
    int on = lua_gettop(lua);
    *first = on;
    if (type != LUA_TTABLE) {
        points[0] = check(lua, on);
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
        points[i] = check(lua, *first + i);
    return (int)count;
}

static int declare(lua_State *lua, enum script_kind kind)
{
    struct script_set *set = script_of(lua);
    bool handles = kind == SCRIPT_HANDLER;
    const char *what = handles ? "handler" : "rule", *function = handles ? "run" : "check";
    struct point points[POINTS_MOST];
    struct heading heading = {0};
    int first;
    if (!set->file)
        luaL_error(lua, "%s{} stands at the top of a rule file, not inside a check", what);
    if (set->declared)
        return 0;
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_settop(lua, 1);
    check_keys(lua, what, function);
    heading.name = check_name(lua, what);
    int count = push_points(lua, points, &first, handles ? check_topic : check_point);
    read_heading(lua, &heading, what, function,
                 handles ? "function(event)" : "function(record, step)");
    uint32_t rule = keep(set, kind, &heading);
    for (int i = 0; i < count; i++) {
        if (handles)
            add_topic(set, &points[i], rule);
        else
            add_moment(set, &points[i], rule);
        set->rules[rule].on = join(set->rules[rule].on, lua_tostring(lua, first + i));
    }
    return 0;
}

int script_declare_rule(lua_State *lua)
{
    return declare(lua, SCRIPT_RULE);
}

int script_declare_handler(lua_State *lua)
{
    return declare(lua, SCRIPT_HANDLER);
}

/* --- Of declarations that were read in the first run --- */

static void keep_named(lua_State *lua, enum script_kind kind, const char *what, const char *example)
{
    struct heading heading = {0};
    lua_settop(lua, 1);
    if (lua_getfield(lua, 1, "name") != LUA_TSTRING)
        luaL_error(lua, "%s{} needs a name such as name = \"custom.overdue\"", what);
    heading.name = lua_tostring(lua, -1);
    check_unused(lua, heading.name, true);
    read_heading(lua, &heading, what, "run", example);
    keep(script_of(lua), kind, &heading);
}

void script_keep_method(lua_State *lua)
{
    keep_named(lua, SCRIPT_METHOD, "method", "function(params)");
}

void script_keep_schedule(lua_State *lua)
{
    keep_named(lua, SCRIPT_SCHEDULE, "schedule", "function()");
}

/* Computed whenever the record is saved, defaults at creation. */
static void add_field_binds(struct script_set *set, const struct schema_entity *entity,
                            uint32_t rule)
{
    const struct kt_transitions *transitions = &entity->decl->transitions;
    bool computes = set->rules[rule].kind == SCRIPT_COMPUTE;
    struct script_bind bind = {.subject = entity->name, .when = SCRIPT_BEFORE, .rule = rule};
    bind.moment = RECORD_CREATE;
    add_bind(set, bind);
    if (!computes)
        return;
    bind.moment = RECORD_UPDATE;
    add_bind(set, bind);
    bind.moment = RECORD_TRANSITION;
    for (size_t i = 0; i < transitions->count; i++) {
        bind.verb = transitions->at[i].verb;
        add_bind(set, bind);
    }
}

static const char *field_name(const struct kt_fields *fields, const char *name)
{
    for (size_t i = 0; i < fields->count; i++)
        if (strcmp(fields->at[i].name, name) == 0)
            return fields->at[i].name;
    return NULL;
}

static void keep_function(lua_State *lua, int index, enum script_kind kind,
                          const struct schema_entity *entity, const char *lines)
{
    struct script_set *set = script_of(lua);
    const char *word = kind == SCRIPT_COMPUTE ? "compute" : "default";
    struct heading heading = {.line = script_line_of_call(lua)};
    if (lua_getfield(lua, index, word) != LUA_TFUNCTION) {
        lua_pop(lua, 1);
        return;
    }
    const struct kt_fields *fields = &entity->decl->fields;
    for (size_t i = 0; lines && i < entity->decl->fields.count; i++)
        if (strcmp(entity->decl->fields.at[i].name, lines) == 0)
            fields = &entity->decl->fields.at[i].lines;
    (void)lua_getfield(lua, index, "name");
    const char *field = field_name(fields, lua_tostring(lua, -1));
    if (!field)
        luaL_error(lua, "%s has no field '%s'", entity->name, lua_tostring(lua, -1));
    if (set->rule_count == SCRIPT_RULES)
        luaL_error(lua, "there are more than %d rules", SCRIPT_RULES);
    heading.name = lua_pushfstring(lua, "%s%s%s.%s:%s", entity->name, lines ? "." : "",
                                   lines ? lines : "", field, word);
    lua_pushvalue(lua, -3);
    heading.run = luaL_ref(lua, LUA_REGISTRYINDEX);
    uint32_t rule = keep(set, kind, &heading);
    set->rules[rule].field = field;
    set->rules[rule].lines = lines ? field_name(&entity->decl->fields, lines) : NULL;
    set->rules[rule].on = join(set->rules[rule].on, entity->name);
    add_field_binds(set, entity, rule);
    lua_pop(lua, 3);
}

void script_keep_field(lua_State *lua, int index, const char *entity, const char *lines)
{
    bool any = lua_getfield(lua, index, "default") == LUA_TFUNCTION;
    any = lua_getfield(lua, index, "compute") == LUA_TFUNCTION || any;
    lua_pop(lua, 2);
    if (!any || !entity)
        return;
    const struct schema_entity *found = check_entity(lua, entity, strlen(entity));
    keep_function(lua, index, SCRIPT_DEFAULT, found, lines);
    keep_function(lua, index, SCRIPT_COMPUTE, found, lines);
}
