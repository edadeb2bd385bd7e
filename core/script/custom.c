/* field{...}, entity{...}, total{...} and role{...}: read in the first run over the files, passed
 * over in the second, when the rules are kept. */
#include <stdlib.h>
#include <string.h>

#include "script/declared.h"
#include "script/shape.h"

/* --- What each declaration takes --- */

static const struct slot choice_slots[] = {
    {.key = "name", .kind = SLOT_TEXT, .offset = offsetof(struct kt_choice, name)},
    {.key = "label", .kind = SLOT_LABEL, .offset = offsetof(struct kt_choice, label)},
};
static const struct shape choice_shape = SHAPE("choice", struct kt_choice, choice_slots, true);

#define FLAG(word, bit)                                                                            \
    {                                                                                              \
        .key = (word), .kind = SLOT_FLAG, .offset = offsetof(struct kt_field, flags),              \
        .flag = (bit)                                                                              \
    }
#define FIELD_SLOTS                                                                                \
    {.key = "name", .kind = SLOT_TEXT, .offset = offsetof(struct kt_field, name)},                 \
        {.key = "type", .kind = SLOT_TYPE, .offset = offsetof(struct kt_field, type)},             \
        {.key = "label", .kind = SLOT_LABEL, .offset = offsetof(struct kt_field, label)},          \
        {.key = "help", .kind = SLOT_LABEL, .offset = offsetof(struct kt_field, help)},            \
        {.key = "to", .kind = SLOT_TEXT, .offset = offsetof(struct kt_field, to)},                 \
        {.key = "choices",                                                                         \
         .kind = SLOT_LIST,                                                                        \
         .offset = offsetof(struct kt_field, choices),                                             \
         .of = &choice_shape},                                                                     \
        {.key = "sequence", .kind = SLOT_TEXT, .offset = offsetof(struct kt_field, sequence)},     \
        {.key = "initial", .kind = SLOT_VALUE, .offset = offsetof(struct kt_field, initial)},      \
        {.key = "currency", .kind = SLOT_TEXT, .offset = offsetof(struct kt_field, currency)},     \
        {.key = "unit", .kind = SLOT_TEXT, .offset = offsetof(struct kt_field, unit)},             \
        {.key = "frozen", .kind = SLOT_NAMES, .offset = offsetof(struct kt_field, frozen)},        \
        {.key = "digits", .kind = SLOT_DIGITS, .offset = offsetof(struct kt_field, digits)},       \
        {.key = "max_length",                                                                      \
         .kind = SLOT_LENGTH,                                                                      \
         .offset = offsetof(struct kt_field, max_length)},                                         \
        FLAG("required", KT_REQUIRED), FLAG("unique", KT_UNIQUE), FLAG("indexed", KT_INDEXED),     \
        FLAG("readonly", KT_READONLY), FLAG("positive", KT_POSITIVE),                              \
        FLAG("nonnegative", KT_NONNEGATIVE), FLAG("immutable", KT_IMMUTABLE),                      \
        FLAG("multiline", KT_MULTILINE), FLAG("searchable", KT_SEARCHABLE),                        \
        FLAG("sensitive", KT_SENSITIVE), FLAG("set_null", KT_SET_NULL),                            \
        FLAG("cascade", KT_CASCADE), {.key = "default", .kind = SLOT_FUNCTION},                    \
    {                                                                                              \
        .key = "compute", .kind = SLOT_FUNCTION, .offset = offsetof(struct kt_field, flags),       \
        .flag = KT_READONLY                                                                        \
    }

static const struct slot line_field_slots[] = {FIELD_SLOTS};
static const struct shape line_field_shape =
    SHAPE("field", struct kt_field, line_field_slots, false);

#define LINES_SLOT(place)                                                                          \
    {                                                                                              \
        .key = "lines", .kind = SLOT_LIST, .offset = (place), .of = &line_field_shape              \
    }
static const struct slot field_slots[] = {FIELD_SLOTS,
                                          LINES_SLOT(offsetof(struct kt_field, lines))};
const struct shape shape_field = SHAPE("field", struct kt_field, field_slots, false);

static const struct slot state_slots[] = {
    {.key = "name", .kind = SLOT_TEXT, .offset = offsetof(struct kt_state, name)},
    {.key = "label", .kind = SLOT_LABEL, .offset = offsetof(struct kt_state, label)},
    {.key = "locked",
     .kind = SLOT_FLAG,
     .offset = offsetof(struct kt_state, flags),
     .flag = KT_LOCKED},
    {.key = "posted",
     .kind = SLOT_FLAG,
     .offset = offsetof(struct kt_state, flags),
     .flag = KT_POSTED},
};
static const struct shape state_shape = SHAPE("state", struct kt_state, state_slots, true);

static const struct slot transition_slots[] = {
    {.key = "verb", .kind = SLOT_TEXT, .offset = offsetof(struct kt_transition, verb)},
    {.key = "from", .kind = SLOT_TEXT, .offset = offsetof(struct kt_transition, from)},
    {.key = "to", .kind = SLOT_TEXT, .offset = offsetof(struct kt_transition, to)},
    {.key = "event", .kind = SLOT_TEXT, .offset = offsetof(struct kt_transition, event)},
    {.key = "label", .kind = SLOT_LABEL, .offset = offsetof(struct kt_transition, label)},
    {.key = "params",
     .kind = SLOT_LIST,
     .offset = offsetof(struct kt_transition, params),
     .of = &shape_field},
};
static const struct shape transition_shape =
    SHAPE("transition", struct kt_transition, transition_slots, false);

static const struct slot index_slots[] = {
    {.key = "name", .kind = SLOT_TEXT, .offset = offsetof(struct kt_index, name)},
    {.key = "fields", .kind = SLOT_NAMES, .offset = offsetof(struct kt_index, fields)},
    {.key = "unique", .kind = SLOT_BOOL, .offset = offsetof(struct kt_index, unique)},
    {.key = "sparse", .kind = SLOT_BOOL, .offset = offsetof(struct kt_index, sparse)},
};
static const struct shape index_shape = SHAPE("index", struct kt_index, index_slots, false);

static const struct slot entity_slots[] = {
    {.key = "name", .kind = SLOT_TEXT, .offset = offsetof(struct kt_entity, name)},
    {.key = "label", .kind = SLOT_LABEL, .offset = offsetof(struct kt_entity, label)},
    {.key = "help", .kind = SLOT_LABEL, .offset = offsetof(struct kt_entity, help)},
    {.key = "title", .kind = SLOT_TEXT, .offset = offsetof(struct kt_entity, title)},
    {.key = "append_only",
     .kind = SLOT_FLAG,
     .offset = offsetof(struct kt_entity, flags),
     .flag = KT_APPEND_ONLY},
    {.key = "no_history",
     .kind = SLOT_FLAG,
     .offset = offsetof(struct kt_entity, flags),
     .flag = KT_NO_HISTORY},
    {.key = "fields",
     .kind = SLOT_LIST,
     .offset = offsetof(struct kt_entity, fields),
     .of = &shape_field},
    {.key = "states",
     .kind = SLOT_LIST,
     .offset = offsetof(struct kt_entity, states),
     .of = &state_shape},
    {.key = "transitions",
     .kind = SLOT_LIST,
     .offset = offsetof(struct kt_entity, transitions),
     .of = &transition_shape},
    {.key = "indexes",
     .kind = SLOT_LIST,
     .offset = offsetof(struct kt_entity, indexes),
     .of = &index_shape},
};
static const struct shape entity_shape = SHAPE("entity", struct kt_entity, entity_slots, false);

static const struct slot measure_slots[] = {
    {.key = "name", .kind = SLOT_TEXT, .offset = offsetof(struct kt_measure, name)},
    {.key = "field", .kind = SLOT_TEXT, .offset = offsetof(struct kt_measure, field)},
    {.key = "minus", .kind = SLOT_BOOL, .offset = offsetof(struct kt_measure, minus)},
};
static const struct shape measure_shape = SHAPE("sum", struct kt_measure, measure_slots, true);

/* A total with one leg. */
struct plain_total {
    const char *name;
    const char *entity;
    struct kt_label label;
    struct kt_names by;
    struct {
        const struct kt_measure *at;
        size_t count;
    } sums;
    const char *when;
    struct kt_names is;
};
static const struct slot total_slots[] = {
    {.key = "name", .kind = SLOT_TEXT, .offset = offsetof(struct plain_total, name)},
    {.key = "entity", .kind = SLOT_TEXT, .offset = offsetof(struct plain_total, entity)},
    {.key = "label", .kind = SLOT_LABEL, .offset = offsetof(struct plain_total, label)},
    {.key = "by", .kind = SLOT_NAMES, .offset = offsetof(struct plain_total, by)},
    {.key = "sum",
     .kind = SLOT_LIST,
     .offset = offsetof(struct plain_total, sums),
     .of = &measure_shape},
    {.key = "when", .kind = SLOT_TEXT, .offset = offsetof(struct plain_total, when)},
    {.key = "is", .kind = SLOT_NAMES, .offset = offsetof(struct plain_total, is)},
};
static const struct shape total_shape = SHAPE("total", struct plain_total, total_slots, false);

static const struct slot role_slots[] = {
    {.key = "name", .kind = SLOT_TEXT, .offset = offsetof(struct kt_role, name)},
    {.key = "label", .kind = SLOT_LABEL, .offset = offsetof(struct kt_role, label)},
    {.key = "grants", .kind = SLOT_NAMES, .offset = offsetof(struct kt_role, grants)},
};
static const struct shape role_shape = SHAPE("role", struct kt_role, role_slots, false);

/* A field beside which stands where it goes: `lines` is a name then, so it has no lines itself. */
struct placed_field {
    struct kt_field decl;
    const char *entity;
    const char *lines;
};
static const struct slot placed_slots[] = {
    FIELD_SLOTS,
    {.key = "entity", .kind = SLOT_TEXT, .offset = offsetof(struct placed_field, entity)},
    {.key = "lines", .kind = SLOT_TEXT, .offset = offsetof(struct placed_field, lines)},
};
static const struct shape placed_shape = SHAPE("field", struct placed_field, placed_slots, false);

/* --- What all of them begin with --- */

static const char *keep_text(struct script_declared *declared, const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(script_declared_memory(declared, size), text, size);
}

struct script_place declaration_place(lua_State *lua)
{
    const struct script_set *set = script_of(lua);
    return (struct script_place){.file = keep_text(set->declared, set->file->name),
                                 .source = keep_text(set->declared, set->file->source),
                                 .line = script_line_of_call(lua)};
}

static bool has_name(const struct shape *shape)
{
    return strcmp(shape->slots[0].key, "name") == 0;
}

bool declaration_begin(lua_State *lua, const struct shape *shape, const char **where)
{
    const struct script_set *set = script_of(lua);
    if (!set->file)
        luaL_error(lua, "%s{} stands at the top of a rule file, not inside a check", shape->what);
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_settop(lua, 1);
    if (!set->declared)
        return false;
    lua_pushliteral(lua, "name");
    if (lua_rawget(lua, 1) != LUA_TSTRING && has_name(shape))
        luaL_error(lua, "%s{} needs a name", shape->what);
    const char *name = has_name(shape) ? lua_tostring(lua, -1) : "";
    lua_pushliteral(lua, "entity");
    const char *entity = lua_rawget(lua, 1) == LUA_TSTRING ? lua_tostring(lua, -1) : NULL;
    *where = lua_pushfstring(lua, "%s%s%s%s%s", shape->what, *name ? " " : "", name,
                             entity ? " of " : "", entity ? entity : "");
    return true;
}

/* Lists double, beginning with one. */
static void *grow(void *items, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0)
        return items;
    return script_must(realloc(items, size * (count ? count * 2 : 1)));
}

void *declaration_grow(lua_State *lua, void *items, size_t count, size_t size)
{
    if (count == KT_LIMIT_CUSTOM_ENTITIES)
        luaL_error(lua, "there are more than %d declarations of this kind",
                   (int)KT_LIMIT_CUSTOM_ENTITIES);
    return grow(items, count, size);
}

static void *grow_fields(lua_State *lua, struct script_declared *declared)
{
    const size_t most = (size_t)KT_LIMIT_CUSTOM_FIELDS * KT_LIMIT_CUSTOM_ENTITIES;
    if (declared->field_count == most)
        luaL_error(lua, "there are more than %d custom fields", (int)most);
    return grow(declared->fields, declared->field_count, sizeof(*declared->fields));
}

/* --- Their functions: the second run --- */

static const char *get_text(lua_State *lua, int index, const char *key)
{
    return lua_getfield(lua, index, key) == LUA_TSTRING ? lua_tostring(lua, -1) : NULL;
}

static void keep_field(lua_State *lua)
{
    const char *entity = get_text(lua, 1, "entity"), *lines = get_text(lua, 1, "lines");
    script_keep_field(lua, 1, entity, lines);
}

/* Of the list at the top, which it takes away. */
static void keep_list(lua_State *lua, const char *entity, const char *lines)
{
    int list = lua_gettop(lua);
    lua_Integer count = lua_istable(lua, list) ? (lua_Integer)lua_rawlen(lua, list) : 0;
    luaL_checkstack(lua, 10, "fields");
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(lua, list, i);
        int field = lua_gettop(lua);
        script_keep_field(lua, field, entity, lines);
        const char *name = get_text(lua, field, "name");
        if (!lines && lua_getfield(lua, field, "lines") == LUA_TTABLE)
            keep_list(lua, entity, name);
        lua_settop(lua, list);
    }
    lua_settop(lua, list - 1);
}

static void keep_entity_fields(lua_State *lua)
{
    const char *entity = get_text(lua, 1, "name");
    lua_getfield(lua, 1, "fields");
    keep_list(lua, entity, NULL);
}

/* --- Reading them --- */

static int declare_field(lua_State *lua)
{
    struct script_declared *declared = script_of(lua)->declared;
    struct placed_field field = {0};
    const char *where;
    if (!declaration_begin(lua, &placed_shape, &where)) {
        keep_field(lua);
        return 0;
    }
    shape_read(lua, 1, &placed_shape, &field, where);
    if (!field.entity)
        luaL_error(lua, "%s needs an entity such as entity = \"sales.order\"", where);
    struct script_place place = declaration_place(lua);
    declared->fields = grow_fields(lua, declared);
    declared->fields[declared->field_count++] = (struct script_field){
        .entity = field.entity, .lines = field.lines, .decl = field.decl, .place = place};
    return 0;
}

/* States live in a field `state`, which needs no word of its own. */
static void add_state_field(struct script_declared *declared, struct kt_entity *entity)
{
    for (size_t i = 0; i < entity->fields.count; i++)
        if (entity->fields.at[i].type == KT_STATE)
            return;
    size_t count = entity->fields.count;
    struct kt_field *fields = script_declared_memory(declared, sizeof(*fields) * (count + 1));
    if (count)
        memcpy(fields, entity->fields.at, sizeof(*fields) * count);
    fields[count] =
        (struct kt_field){.name = "state", .type = KT_STATE, .label = {"State", "状态"}};
    entity->fields = (struct kt_fields){fields, count + 1};
}

static int declare_entity(lua_State *lua)
{
    struct script_declared *declared = script_of(lua)->declared;
    struct kt_entity entity = {0};
    const char *where;
    if (!declaration_begin(lua, &entity_shape, &where)) {
        keep_entity_fields(lua);
        return 0;
    }
    shape_read(lua, 1, &entity_shape, &entity, where);
    if (entity.states.count)
        add_state_field(declared, &entity);
    struct script_place place = declaration_place(lua);
    declared->entities = declaration_grow(lua, declared->entities, declared->entity_count,
                                          sizeof(*declared->entities));
    declared->entities[declared->entity_count++] =
        (struct script_entity){.decl = entity, .place = place};
    return 0;
}

static int declare_total(lua_State *lua)
{
    struct script_declared *declared = script_of(lua)->declared;
    struct plain_total plain = {0};
    const char *where;
    if (!declaration_begin(lua, &total_shape, &where))
        return 0;
    shape_read(lua, 1, &total_shape, &plain, where);
    if (!plain.entity || plain.by.count == 0 || plain.by.count > KT_GROUP_FIELDS ||
        plain.sums.count > KT_MEASURES)
        luaL_error(lua, "%s needs an entity, by = 1 to %d fields, and a sum of at most %d", where,
                   KT_GROUP_FIELDS, KT_MEASURES);
    if (!plain.when != !plain.is.count)
        luaL_error(lua, "%s: when = \"state\" goes with is = {\"posted\"}", where);
    struct kt_measure *measures =
        script_declared_memory(declared, sizeof(*measures) * plain.sums.count);
    for (size_t i = 0; i < plain.sums.count; i++) {
        measures[i] = plain.sums.at[i];
        if (!measures[i].name)
            luaL_error(lua, "%s: each sum has a name", where);
        if (!measures[i].field)
            measures[i].field = measures[i].name;
    }
    struct kt_leg *leg = script_declared_memory(declared, sizeof(*leg));
    *leg = (struct kt_leg){.by = plain.by, .measures = measures};
    struct script_place place = declaration_place(lua);
    declared->totals =
        declaration_grow(lua, declared->totals, declared->total_count, sizeof(*declared->totals));
    declared->totals[declared->total_count++] =
        (struct script_total){.decl = {.name = plain.name,
                                       .entity = plain.entity,
                                       .label = plain.label,
                                       .when = plain.when,
                                       .is = plain.is,
                                       .measure_count = plain.sums.count,
                                       .legs = leg,
                                       .leg_count = 1},
                              .place = place};
    return 0;
}

static int declare_role(lua_State *lua)
{
    struct script_declared *declared = script_of(lua)->declared;
    struct kt_role role = {0};
    const char *where;
    if (!declaration_begin(lua, &role_shape, &where))
        return 0;
    shape_read(lua, 1, &role_shape, &role, where);
    if (role.grants.count == 0)
        luaL_error(lua, "%s needs grants such as grants = {\"custom.vehicle.*\"}", where);
    struct script_place place = declaration_place(lua);
    declared->roles =
        declaration_grow(lua, declared->roles, declared->role_count, sizeof(*declared->roles));
    declared->roles[declared->role_count++] = (struct script_role){.decl = role, .place = place};
    return 0;
}

void script_add_model_declarations(lua_State *lua)
{
    static const luaL_Reg functions[] = {{"field", declare_field},
                                         {"entity", declare_entity},
                                         {"total", declare_total},
                                         {"role", declare_role},
                                         {NULL, NULL}};
    luaL_setfuncs(lua, functions, 0);
}

/* --- Their life --- */

void *script_declared_memory(struct script_declared *declared, size_t size)
{
    void *memory = script_must(msgpack_zone_malloc(declared->memory, size ? size : 1));
    return memset(memory, 0, size);
}

struct script_declared *script_declared_new(void)
{
    struct script_declared *declared = script_must(calloc(1, sizeof(*declared)));
    declared->memory = script_must(msgpack_zone_new(4096));
    return declared;
}

void script_declared_free(struct script_declared *declared)
{
    if (!declared)
        return;
    msgpack_zone_free(declared->memory);
    free(declared->fields);
    free(declared->entities);
    free(declared->totals);
    free(declared->roles);
    free(declared->methods);
    free(declared->schedules);
    free(declared->topics);
    free(declared->numberings);
    free(declared);
}
