/* Random schemas: every type of field with the flags it may have, indexes over
 * several fields, states, and totals. What is drawn is declared as a module
 * would declare it. */
#include <string.h>

#include "property.h"

/* --- What there is to choose from --- */

struct kind {
    enum kt_type type;
    unsigned weight;
    unsigned flags; /**< That it may have. */
    const char *const *initials;
};

static const char *const text_initials[] = {"Ann", "user", NULL};
static const char *const int_initials[] = {"7", "3", NULL};
static const char *const decimal_initials[] = {"1.5", "2", NULL};
static const char *const money_initials[] = {"2", NULL}; /* Some currencies have no cents. */
static const char *const bool_initials[] = {"true", "false", NULL};
static const char *const date_initials[] = {"today", "2026-02-28", NULL};
static const char *const instant_initials[] = {"now", NULL};
static const char *const enum_initials[] = {"red", NULL};

#define PLAIN (KT_REQUIRED | KT_INDEXED | KT_READONLY | KT_IMMUTABLE)
#define SIGNS (KT_POSITIVE | KT_NONNEGATIVE)

static const struct kind kinds[] = {
    {KT_TEXT, 6, PLAIN | KT_UNIQUE | KT_MULTILINE, text_initials},
    {KT_INT, 3, PLAIN | KT_UNIQUE | SIGNS, int_initials},
    {KT_DECIMAL, 2, PLAIN | KT_UNIQUE | SIGNS, decimal_initials},
    {KT_MONEY, 3, PLAIN | SIGNS, money_initials},
    {KT_QUANTITY, 2, PLAIN | SIGNS, decimal_initials},
    {KT_BOOL, 1, PLAIN, bool_initials},
    {KT_DATE, 3, PLAIN | KT_UNIQUE, date_initials},
    {KT_INSTANT, 1, PLAIN | KT_UNIQUE, instant_initials},
    {KT_ENUM, 2, PLAIN, enum_initials},
    {KT_REF, 5, PLAIN | KT_UNIQUE | KT_SET_NULL | KT_CASCADE, NULL},
    {KT_REFS, 2, KT_REQUIRED | KT_READONLY | KT_IMMUTABLE | KT_SET_NULL | KT_CASCADE, NULL},
    {KT_TAGS, 2, PLAIN | KT_UNIQUE, NULL},
    {KT_JSON, 1, KT_REQUIRED | KT_READONLY | KT_IMMUTABLE, NULL},
};

static const struct kt_choice colours[] = {{.name = "red"}, {.name = "green"}, {.name = "blue"}};

static const struct kt_state states[] = {
    {.name = "draft"},
    {.name = "open"},
    {.name = "done", .flags = KT_LOCKED},
    {.name = "off", .flags = KT_LOCKED},
};
static const struct kt_state posted_states[] = {
    {.name = "draft"},
    {.name = "open"},
    {.name = "done", .flags = KT_LOCKED | KT_POSTED},
    {.name = "off"},
};
static const char *const frozen_states[] = {"open", "off"};
static const struct kt_transition transitions[] = {
    {.from = "draft", .to = "open", .verb = "start", .event = "started"},
    {.from = "open", .to = "done", .verb = "finish", .event = "finished"},
    {.from = "done", .to = "open", .verb = "reopen", .event = "reopened", .flags = KT_BY_SERVER},
    {.from = "draft", .to = "off", .verb = "drop", .event = "dropped"},
    {.from = "open", .to = "off", .verb = "drop", .event = "dropped"},
    {.from = "off", .to = "draft", .verb = "start", .event = "revived"},
};

bool is_decimal(enum kt_type type)
{
    return type == KT_DECIMAL || type == KT_MONEY || type == KT_QUANTITY;
}

int least_digits(const struct world *world, const struct kt_field *field)
{
    return field->type == KT_MONEY ? world->currency_digits : 0;
}

int most_digits(const struct world *world, const struct kt_field *field)
{
    if (field->type != KT_MONEY)
        return field->digits ? field->digits : 6;
    return field->digits > world->currency_digits ? field->digits : world->currency_digits;
}

/* --- Fields --- */

static const struct kind *draw_kind(struct world *world)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < KT_COUNT(kinds); i++)
        sum += kinds[i].weight;
    uint64_t at = draw(world, sum);
    size_t i = 0;
    while (at >= kinds[i].weight)
        at -= kinds[i++].weight;
    return &kinds[i];
}

static unsigned draw_flags(struct world *world, unsigned possible)
{
    static const struct {
        unsigned flag, percent;
    } odds[] = {{KT_REQUIRED, 20}, {KT_UNIQUE, 12},   {KT_INDEXED, 40},     {KT_READONLY, 8},
                {KT_POSITIVE, 10}, {KT_IMMUTABLE, 8}, {KT_NONNEGATIVE, 15}, {KT_MULTILINE, 20},
                {KT_SET_NULL, 25}, {KT_CASCADE, 15}};
    unsigned flags = 0;
    for (size_t i = 0; i < KT_COUNT(odds); i++)
        if ((possible & odds[i].flag) && chance(world, odds[i].percent))
            flags |= odds[i].flag;
    if (flags & KT_CASCADE)
        flags &= ~(unsigned)KT_SET_NULL;
    if (flags & (KT_READONLY | KT_SET_NULL)) /* Clients could not create one; it could not go. */
        flags &= ~(unsigned)KT_REQUIRED;
    return flags;
}

static struct kt_field draw_field(struct world *world, const char *name, bool in_lines)
{
    static const uint32_t lengths[] = {0, 5, 40, 200, 200};
    const struct kind *kind = draw_kind(world);
    struct kt_field field = {.name = name, .type = kind->type};
    unsigned possible = kind->flags;
    if (in_lines)
        possible &= ~(unsigned)(KT_UNIQUE | KT_IMMUTABLE);
    field.flags = draw_flags(world, possible);
    if (kind->initials && !(field.flags & KT_UNIQUE) && chance(world, 20)) {
        size_t count = 0;
        while (kind->initials[count])
            count++;
        field.initial = kind->initials[draw(world, count)];
    }
    if (kind->type == KT_TEXT)
        field.max_length = lengths[draw(world, KT_COUNT(lengths))];
    if (kind->type == KT_TAGS)
        field.max_length = chance(world, 50) ? 3 : 0;
    if (kind->type == KT_ENUM)
        field.choices = (struct kt_choices)KT_LIST(colours);
    if (kind->type == KT_REF || kind->type == KT_REFS)
        field.to = words(world, "t.e%d", (int)draw(world, world->entity_count));
    if (is_decimal(kind->type))
        field.digits = chance(world, 40) ? 0 : (int)draw_between(world, 2, 9);
    return field;
}

bool is_list(const struct kt_field *field)
{
    return field->type == KT_TAGS || field->type == KT_REFS;
}

static bool fits_lines(const struct kt_field *field)
{
    return !is_list(field) && field->type != KT_JSON;
}

static struct kt_field draw_lines(struct world *world, const char *name)
{
    size_t count = 1 + draw(world, 5);
    struct kt_field *parts = take(world, sizeof *parts * count);
    for (size_t i = 0; i < count; i++)
        do
            parts[i] = draw_field(world, words(world, "p%zu", i), true);
        while (!fits_lines(&parts[i]));
    return (struct kt_field){.name = name,
                             .type = KT_LINES,
                             .flags = chance(world, 15) ? KT_REQUIRED : 0,
                             .max_length = chance(world, 30) ? 4 : 0,
                             .lines = {parts, count}};
}

static enum kt_status count_lines(struct kt_ctx *ctx, const msgpack_object *record,
                                  msgpack_object *out)
{
    (void)ctx;
    *out = kt_int((int64_t)kt_count(record, "lines"));
    return KT_OK;
}

static void freeze(struct world *world, struct kt_field *field)
{
    if (chance(world, 12))
        field->frozen = (struct kt_names){frozen_states, 1 + draw(world, 2)};
    struct kt_field *parts = (struct kt_field *)(uintptr_t)field->lines.at;
    for (size_t p = 0; p < field->lines.count; p++)
        freeze(world, &parts[p]);
}

/* Room for what grows later. */
static void draw_fields(struct world *world, struct kt_entity *entity)
{
    static const char *const sequences[] = {"N{5}", "X{year}-{4}", "{year}/{1}"};
    struct kt_field *fields = take(world, sizeof *fields * FIELDS_MOST);
    size_t count = 0;
    for (size_t wanted = 2 + draw(world, 7); count < wanted; count++)
        fields[count] = draw_field(world, words(world, "f%zu", count), false);
    if (chance(world, 30))
        fields[count++] = (struct kt_field){.name = "number",
                                            .type = KT_TEXT,
                                            .flags = KT_UNIQUE | KT_READONLY,
                                            .sequence = sequences[draw(world, 3)]};
    if (chance(world, 60))
        fields[count++] = draw_lines(world, "lines");
    if (chance(world, 15))
        fields[count++] = draw_lines(world, "rows");
    if (chance(world, 25))
        fields[count++] = (struct kt_field){.name = "size",
                                            .type = KT_INT,
                                            .flags = chance(world, 50) ? KT_INDEXED : 0,
                                            .compute = count_lines};
    if (chance(world, 45)) {
        for (size_t i = 0; i < count; i++)
            freeze(world, &fields[i]);
        fields[count++] = (struct kt_field){.name = "state", .type = KT_STATE};
        entity->states = chance(world, 50) ? (struct kt_states)KT_LIST(states)
                                           : (struct kt_states)KT_LIST(posted_states);
        entity->transitions = (struct kt_transitions)KT_LIST(transitions);
    }
    entity->fields = (struct kt_fields){fields, count};
}

/* --- Paths --- */

size_t field_index(const struct kt_entity *entity, const char *name)
{
    for (size_t i = 0; i < entity->fields.count; i++)
        if (strcmp(entity->fields.at[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

size_t entity_index(const struct world *world, const char *name)
{
    for (size_t i = 0; i < world->entity_count; i++)
        if (strcmp(world->entities[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

bool find_path(const struct kt_entity *entity, const char *name, struct path *out)
{
    for (size_t f = 0; f < entity->fields.count; f++) {
        const struct kt_field *field = &entity->fields.at[f];
        size_t length = strlen(field->name);
        *out = (struct path){.field = f, .decl = field};
        if (strcmp(field->name, name) == 0)
            return true;
        for (size_t p = 0; p < field->lines.count; p++)
            if (strncmp(field->name, name, length) == 0 && name[length] == '.' &&
                strcmp(field->lines.at[p].name, name + length + 1) == 0) {
                *out = (struct path){f, p, &field->lines.at[p], true};
                return true;
            }
    }
    return false;
}

const char *draw_path(struct world *world, const struct kt_entity *entity)
{
    const struct kt_field *field = &entity->fields.at[draw(world, entity->fields.count)];
    if (field->type != KT_LINES)
        return field->name;
    return words(world, "%s.%s", field->name,
                 field->lines.at[draw(world, field->lines.count)].name);
}

/* --- Indexes --- */

/* May the path join the ones before? They run over one list at most, and name
 * each field once. */
static bool joins(const struct kt_entity *entity, const char *const *names, size_t count,
                  const char *name)
{
    struct path path, other;
    if (!find_path(entity, name, &path) || path.decl->type == KT_JSON)
        return false;
    bool many = path.in_lines || is_list(path.decl);
    for (size_t i = 0; i < count; i++) {
        find_path(entity, names[i], &other);
        bool other_many = other.in_lines || is_list(other.decl);
        if (strcmp(names[i], name) == 0 || (many && other_many && path.field != other.field))
            return false;
    }
    return true;
}

static bool same_names(const struct kt_names *a, const struct kt_names *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->at[i], b->at[i]) != 0)
            return false;
    return true;
}

/* Four texts are as much as a key holds. */
static void add_index(struct world *world, struct kt_entity *entity, bool unique)
{
    const char **names = take(world, sizeof(const char *) * 4);
    size_t count = 0, wanted = 2 + draw(world, 3);
    for (size_t tries = 0; tries < 20 && count < wanted; tries++) {
        const char *name = draw_path(world, entity);
        if (joins(entity, names, count, name))
            names[count++] = name;
    }
    struct kt_index index = {.name = "compound", .fields = {names, count}, .unique = unique};
    for (size_t i = 0; i < entity->indexes.count; i++)
        if (same_names(&entity->indexes.at[i].fields, &index.fields))
            return;
    if (count < 2)
        return;
    struct kt_index *more = take(world, sizeof *more * (entity->indexes.count + 1));
    if (entity->indexes.count)
        memcpy(more, entity->indexes.at, sizeof *more * entity->indexes.count);
    more[entity->indexes.count] = index;
    entity->indexes = (struct kt_indexes){more, entity->indexes.count + 1};
}

/* --- The whole --- */

static void declare(struct world *world)
{
    const struct kt_entity **entities = take(world, sizeof(*entities) * world->entity_count);
    for (size_t i = 0; i < world->entity_count; i++)
        entities[i] = &world->entities[i];
    world->plugin = (struct kt_plugin){KT_PLUGIN_HEAD,
                                       .name = "t",
                                       .version = "1.0.0",
                                       .schema = 1,
                                       .entities = {entities, world->entity_count},
                                       .totals = {world->totals, world->total_count}};
}

void draw_schema(struct world *world)
{
    static const struct {
        const char *code;
        int digits;
    } currencies[] = {{"EUR", 2}, {"JPY", 0}, {"BHD", 3}};
    size_t currency = draw(world, KT_COUNT(currencies));
    world->currency = currencies[currency].code;
    world->currency_digits = currencies[currency].digits;
    world->entity_count = 1 + draw(world, ENTITIES_MOST);
    for (size_t i = 0; i < world->entity_count; i++) {
        struct kt_entity *entity = &world->entities[i];
        *entity = (struct kt_entity){.name = words(world, "t.e%zu", i)};
        if (i > 0 && chance(world, 8))
            entity->flags = chance(world, 50) ? KT_APPEND_ONLY : KT_SERVER_ONLY;
        draw_fields(world, entity);
        for (size_t n = draw(world, 4); n > 0; n--)
            add_index(world, entity, chance(world, 30));
    }
    for (size_t i = 0; i < world->entity_count; i++)
        for (size_t n = draw(world, 4); n > 0; n--)
            add_total(world, i);
    declare(world);
}

static void widen(struct world *world, struct table *table, size_t count)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct value **wider = take(world, sizeof(const struct value *) * (count + 1));
        memcpy(wider, table->at[i].fields, sizeof(const struct value *) * count);
        wider[count] = &empty_value;
        table->at[i].fields = wider;
    }
}

static void add_field(struct world *world, size_t entity)
{
    struct kt_entity *decl = &world->entities[entity];
    struct kt_field *fields = take(world, sizeof *fields * FIELDS_MOST);
    size_t count = decl->fields.count;
    if (count == FIELDS_MOST)
        return;
    memcpy(fields, decl->fields.at, sizeof *fields * count);
    fields[count] = draw_field(world, words(world, "f%zu", count), false);
    if (fields[count].type == KT_TEXT && chance(world, 50)) /* Which older records lack. */
        fields[count].flags = KT_REQUIRED | KT_UNIQUE;
    decl->fields = (struct kt_fields){fields, count + 1};
    widen(world, &world->model.tables[entity], count);
    for (size_t i = 0; i < world->past_count; i++)
        widen(world, &world->past[i].tables[entity], count);
}

void draw_growth(struct world *world)
{
    size_t entity = draw(world, world->entity_count);
    switch (draw(world, 3)) {
    case 0:
        add_field(world, entity);
        break;
    case 1:
        add_index(world, &world->entities[entity], false);
        break;
    default:
        add_total(world, entity);
    }
    declare(world);
}
