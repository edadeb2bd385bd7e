/* What should come of an operation, told by plain arrays: refused for which reasons, or the record
 * as it is then. Nothing here asks the code under test. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "property.h"

static void refuse(struct refusals *refusals, enum kt_status status, const char *field)
{
    for (size_t i = 0; i < refusals->count; i++)
        if (refusals->at[i].status == status && refusals->at[i].field == field)
            return;
    if (refusals->count == REFUSALS_MOST)
        abort();
    refusals->at[refusals->count].status = status;
    refusals->at[refusals->count++].field = field;
}

/* --- Records --- */

static struct record *find(struct table *table, uint64_t id)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (table->at[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < table->count && table->at[low].id == id ? &table->at[low] : NULL;
}

const struct record *model_find(const struct world *world, size_t entity, uint64_t id)
{
    struct table table = world->model.tables[entity];
    return find(&table, id);
}

struct model model_copy(const struct model *model)
{
    struct model copy = *model;
    for (size_t e = 0; e < ENTITIES_MOST; e++) {
        struct table *table = &copy.tables[e];
        size_t size = sizeof *table->at * table->count;
        table->at = malloc(sizeof *table->at * (RECORDS_MOST + 1));
        if (!table->at)
            abort();
        if (size)
            memcpy(table->at, model->tables[e].at, size);
    }
    return copy;
}

void model_free(struct model *model)
{
    for (size_t e = 0; e < ENTITIES_MOST; e++)
        free(model->tables[e].at);
    *model = (struct model){0};
}

size_t path_count(const struct record *record, const struct path *path)
{
    const struct value *value = record->fields[path->field];
    if (!path->in_lines && path->decl->type != KT_TAGS)
        return 1;
    return value->kind == LIST ? value->count : 0;
}

const struct value *path_value(const struct record *record, const struct path *path, size_t at)
{
    const struct value *value = record->fields[path->field];
    if (!path->in_lines && path->decl->type != KT_TAGS)
        return value;
    value = value->items[at];
    if (path->in_lines)
        value = value->items[path->part];
    return value ? value : &empty_value;
}

/* --- What may be given --- */

static bool binds(const struct operation *operation)
{
    return operation->by != RECORD_BY_SERVER;
}

static bool may_write(const struct operation *operation, const struct kt_field *field)
{
    bool creating = operation->kind == CREATE;
    if (!binds(operation) || (operation->by == RECORD_BY_IMPORT && creating && field->sequence))
        return true;
    return field->type != KT_STATE && !(field->flags & KT_READONLY) &&
           (creating || !(field->flags & KT_IMMUTABLE));
}

static const struct value *find_line(const struct value *lines, int64_t id)
{
    for (size_t i = 0; id && lines->kind == LIST && i < lines->count; i++)
        if (lines->items[i]->number == id)
            return lines->items[i];
    return NULL;
}

static const struct value *first_value(struct world *world, const struct kt_field *field)
{
    const char *text = field->initial;
    char day[KT_DATE_TEXT_SIZE];
    struct value *value = take(world, sizeof *value);
    switch (field->type) {
    case KT_DATE:
        kt_date_format(kt_date_of_instant(world->ctx.now), day);
        return text_value(world, strcmp(text, "today") == 0 ? words(world, "%s", day) : text);
    case KT_TEXT:
        return text_value(world, strcmp(text, "user") == 0 ? "ann" : text);
    case KT_INSTANT:
        *value = (struct value){.kind = INSTANT, .number = world->ctx.now};
        return value;
    case KT_BOOL:
        *value = (struct value){.kind = BOOL, .number = strcmp(text, "true") == 0};
        return value;
    case KT_INT:
        return int_value(world, strtoll(text, NULL, 10));
    default:
        if (!is_decimal(field->type))
            return text_value(world, text);
        value->kind = DECIMAL;
        if (!kt_decimal_parse(text, strlen(text), &value->decimal))
            abort();
        if (value->decimal.scale < least_digits(world, field))
            value->decimal = kt_decimal_round(value->decimal, least_digits(world, field));
        return value;
    }
}

/* The line as it is there, overlaid with what was given; a new one starts with its defaults. */
static struct value *merge_line(struct world *world, const struct operation *operation,
                                const struct kt_field *field, const struct value *before,
                                const struct value *given)
{
    struct value *line = take(world, sizeof *line);
    const struct value **items = take(world, sizeof(const struct value *) * field->lines.count);
    for (size_t p = 0; p < field->lines.count; p++) {
        const struct kt_field *part = &field->lines.at[p];
        bool dropped = binds(operation) && (part->flags & KT_READONLY);
        items[p] = before ? before->items[p] : &empty_value;
        if (given->items[p] && !dropped)
            items[p] = given->items[p];
        if (!given->number && part->initial && is_empty(items[p]))
            items[p] = first_value(world, part);
    }
    *line = (struct value){
        .kind = LINE, .number = given->number, .items = items, .count = field->lines.count};
    return line;
}

static int64_t largest_line(const struct value *lines)
{
    int64_t last = 0;
    for (size_t i = 0; lines->kind == LIST && i < lines->count; i++)
        last = lines->items[i]->number > last ? lines->items[i]->number : last;
    return last;
}

/* `last` is the largest id that was ever given. */
static const struct value *merge_lines(struct world *world, const struct operation *operation,
                                       const struct kt_field *field, const struct value *old,
                                       const struct value *given, int64_t last,
                                       struct refusals *refusals)
{
    struct value *lines = take(world, sizeof *lines);
    const struct value **items = take(world, sizeof(const struct value *) * (given->count + 1));
    for (size_t i = 0; i < given->count; i++) {
        int64_t id = given->items[i]->number;
        const struct value *before = find_line(old, id);
        bool twice = false;
        for (size_t j = 0; j < i && id; j++)
            twice = twice || given->items[j]->number == id;
        if (twice || (id && !before))
            refuse(refusals, KT_INVALID, words(world, "%s[%zu].id", field->name, i));
        struct value *line = merge_line(world, operation, field, before, given->items[i]);
        if (!id)
            line->number = ++last;
        items[i] = line;
    }
    *lines = (struct value){.kind = LIST, .number = 1, .items = items, .count = given->count};
    return lines;
}

static void take_lines(struct world *world, const struct operation *operation, size_t f,
                       const struct value *given, struct record *record, struct refusals *refusals)
{
    const struct kt_field *field = &world->entities[operation->entity].fields.at[f];
    const struct value *old = record->fields[f], *lines = given;
    int64_t *last_lines = take(world, sizeof(int64_t) * FIELDS_MOST);
    int64_t last = largest_line(old);
    if (record->last_lines) {
        memcpy(last_lines, record->last_lines, sizeof(int64_t) * FIELDS_MOST);
        last = last_lines[f] > last ? last_lines[f] : last;
    }
    if (given->kind == LIST)
        lines = merge_lines(world, operation, field, old, given, last, refusals);
    last_lines[f] = largest_line(lines) < last ? last : 0;
    record->fields[f] = lines;
    record->last_lines = last_lines;
}

static void take_given(struct world *world, const struct operation *operation,
                       struct record *record, struct refusals *refusals)
{
    const struct kt_entity *entity = &world->entities[operation->entity];
    for (size_t i = 0; i < operation->given_count; i++) {
        const struct given *given = &operation->given[i];
        if (given->unknown) {
            refuse(refusals, KT_INVALID, given->unknown);
            continue;
        }
        const struct kt_field *field = &entity->fields.at[given->field];
        if (!may_write(operation, field))
            refuse(refusals, KT_INVALID, field->name);
        if (given->flaw)
            refuse(refusals, given->flaw, given->path);
        else if (field->type == KT_LINES)
            take_lines(world, operation, given->field, given->means, record, refusals);
        else
            record->fields[given->field] = given->means;
    }
}

static int this_year(const struct world *world)
{
    int year, month, day;
    kt_date_to_civil(kt_date_of_instant(world->ctx.now), &year, &month, &day);
    return year;
}

/* Patterns are "N{5}", "X{year}-{4}" and "{year}/{1}". */
static const char *next_number(struct world *world, struct table *table, const char *pattern)
{
    bool yearly = strstr(pattern, "{year}") != NULL;
    int year = this_year(world);
    if (yearly && table->number_year != year)
        table->last_number = 0;
    table->number_year = year;
    unsigned long long number = ++table->last_number;
    switch (pattern[0]) {
    case 'N':
        return words(world, "N%05llu", number);
    case 'X':
        return words(world, "X%04d-%04llu", year, number);
    default:
        return words(world, "%04d/%llu", year, number);
    }
}

static void fill_defaults(struct world *world, const struct operation *operation,
                          const struct value **fields)
{
    const struct kt_entity *entity = &world->entities[operation->entity];
    for (size_t f = 0; f < entity->fields.count; f++) {
        const struct kt_field *field = &entity->fields.at[f];
        if (!is_empty(fields[f]))
            continue;
        if (field->type == KT_STATE)
            fields[f] = text_value(world, entity->states.at[0].name);
        else if (field->initial)
            fields[f] = first_value(world, field);
        else if (field->sequence)
            fields[f] =
                text_value(world, next_number(world, &world->model.tables[operation->entity],
                                              field->sequence));
    }
}

/* --- What must hold --- */

static bool is_blank(const struct value *value)
{
    return is_empty(value) || (value->kind == LIST && value->count == 0) ||
           (value->kind == JSON && value->size == 1 && value->text[0] == (char)0x90);
}

static void check_complete(struct world *world, const struct kt_entity *entity,
                           const struct value *const *fields, struct refusals *refusals)
{
    for (size_t f = 0; f < entity->fields.count; f++) {
        const struct kt_field *field = &entity->fields.at[f];
        if ((field->flags & KT_REQUIRED) && is_blank(fields[f]))
            refuse(refusals, KT_INVALID, field->name);
        for (size_t l = 0; field->lines.count && !is_empty(fields[f]) && l < fields[f]->count; l++)
            for (size_t p = 0; p < field->lines.count; p++)
                if ((field->lines.at[p].flags & KT_REQUIRED) &&
                    is_empty(fields[f]->items[l]->items[p]) && refusals->count < 40)
                    refuse(refusals, KT_INVALID,
                           words(world, "%s[%zu].%s", field->name, l, field->lines.at[p].name));
    }
}

/* Do two records share a value of the (compound) unique key, empty ones aside? */
static bool share_key(const struct record *a, const struct record *b, const struct path *paths,
                      size_t count)
{
    size_t most_a = 1, most_b = 1;
    for (size_t i = 0; i < count; i++)
        if (paths[i].in_lines || paths[i].decl->type == KT_TAGS) {
            most_a = path_count(a, &paths[i]);
            most_b = path_count(b, &paths[i]);
        }
    for (size_t l = 0; l < most_a; l++)
        for (size_t m = 0; m < most_b; m++) {
            bool same = true;
            for (size_t i = 0; i < count && same; i++) {
                const struct value *left = path_value(a, &paths[i], l);
                const struct value *right = path_value(b, &paths[i], m);
                same = !is_empty(left) && compare_keys(left, right) == 0;
            }
            if (same)
                return true;
        }
    return false;
}

static void check_unique(struct world *world, size_t entity, const struct record *record,
                         const char *const *names, size_t count, struct refusals *refusals)
{
    const struct table *table = &world->model.tables[entity];
    struct path paths[KT_GROUP_FIELDS];
    const char *name = names[0];
    for (size_t i = 0; i < count; i++)
        find_path(&world->entities[entity], names[i], &paths[i]);
    for (size_t i = 0; i < table->count; i++) {
        if (table->at[i].id == record->id || !share_key(record, &table->at[i], paths, count))
            continue;
        for (size_t n = 1; n < count; n++)
            name = words(world, "%s+%s", name, names[n]);
        refuse(refusals, KT_CONFLICT, name);
        return;
    }
}

static void check_uniques(struct world *world, size_t entity, const struct record *record,
                          struct refusals *refusals)
{
    const struct kt_entity *decl = &world->entities[entity];
    for (size_t f = 0; f < decl->fields.count; f++)
        if (decl->fields.at[f].flags & KT_UNIQUE)
            check_unique(world, entity, record, &decl->fields.at[f].name, 1, refusals);
    for (size_t i = 0; i < decl->indexes.count; i++)
        if (decl->indexes.at[i].unique)
            check_unique(world, entity, record, decl->indexes.at[i].fields.at,
                         decl->indexes.at[i].fields.count, refusals);
}

/* Is the record referred to by another? */
static bool is_used_by(const struct kt_entity *entity, const struct record *record,
                       const char *target, uint64_t id)
{
    for (size_t f = 0; f < entity->fields.count; f++) {
        const struct kt_field *field = &entity->fields.at[f];
        if (field->type == KT_REF && strcmp(field->to, target) == 0 &&
            record->fields[f]->number == (int64_t)id)
            return true;
        for (size_t p = 0; p < field->lines.count; p++) {
            struct path path = {f, p, &field->lines.at[p], true};
            if (path.decl->type != KT_REF || strcmp(path.decl->to, target) != 0)
                continue;
            for (size_t l = 0; l < path_count(record, &path); l++)
                if (path_value(record, &path, l)->number == (int64_t)id)
                    return true;
        }
    }
    return false;
}

static bool is_used(const struct world *world, size_t target, uint64_t id)
{
    for (size_t e = 0; e < world->entity_count; e++)
        for (size_t i = 0; i < world->model.tables[e].count; i++) {
            const struct record *record = &world->model.tables[e].at[i];
            if ((e != target || record->id != id) &&
                is_used_by(&world->entities[e], record, world->entities[target].name, id))
                return true;
        }
    return false;
}

/* --- Operations --- */

static void check_may_change(const struct world *world, const struct operation *operation,
                             const struct record *old, struct refusals *refusals)
{
    const struct kt_entity *entity = &world->entities[operation->entity];
    if (old && (entity->flags & KT_APPEND_ONLY))
        refuse(refusals, KT_CONFLICT, NULL);
    if (!binds(operation))
        return;
    if (entity->flags & KT_SERVER_ONLY)
        refuse(refusals, KT_DENIED, NULL);
    for (size_t i = 0; old && i < entity->states.count; i++)
        if ((entity->states.at[i].flags & KT_LOCKED) &&
            strcmp(old->fields[field_index(entity, "state")]->text, entity->states.at[i].name) == 0)
            refuse(refusals, KT_CONFLICT, "state");
}

static void save(struct world *world, const struct operation *operation, struct record *record,
                 struct refusals *refusals)
{
    check_complete(world, &world->entities[operation->entity], record->fields, refusals);
    check_uniques(world, operation->entity, record, refusals);
}

static void create(struct world *world, const struct operation *operation,
                   struct refusals *refusals)
{
    struct table *table = &world->model.tables[operation->entity], before = *table;
    size_t count = world->entities[operation->entity].fields.count;
    struct record record = {.id = table->last_id + 1, .version = 1};
    record.fields = take(world, sizeof(const struct value *) * count);
    for (size_t f = 0; f < count; f++)
        record.fields[f] = &empty_value;
    check_may_change(world, operation, NULL, refusals);
    take_given(world, operation, &record, refusals);
    fill_defaults(world, operation, record.fields);
    save(world, operation, &record, refusals);
    if (refusals->count) {
        *table = before;
        return;
    }
    table->last_id++;
    table->at[table->count++] = record;
}

static void update(struct world *world, const struct operation *operation, struct record *old,
                   struct refusals *refusals)
{
    const struct kt_entity *entity = &world->entities[operation->entity];
    struct record record = *old;
    record.version++;
    record.fields = take(world, sizeof(const struct value *) * entity->fields.count);
    memcpy(record.fields, old->fields, sizeof(const struct value *) * entity->fields.count);
    check_may_change(world, operation, old, refusals);
    take_given(world, operation, &record, refusals);
    save(world, operation, &record, refusals);
    if (!refusals->count)
        *old = record;
}

static void erase(struct world *world, const struct operation *operation, struct record *old,
                  struct refusals *refusals)
{
    struct table *table = &world->model.tables[operation->entity];
    check_may_change(world, operation, old, refusals);
    if (is_used(world, operation->entity, old->id))
        refuse(refusals, KT_CONFLICT, "id");
    if (refusals->count)
        return;
    size_t at = (size_t)(old - table->at);
    memmove(old, old + 1, sizeof *old * (--table->count - at));
}

static void make_transition(struct world *world, const struct operation *operation,
                            struct record *old, struct refusals *refusals)
{
    const struct kt_entity *entity = &world->entities[operation->entity];
    size_t state = field_index(entity, "state");
    const struct kt_transition *found = NULL;
    for (size_t i = 0; i < entity->transitions.count; i++) {
        const struct kt_transition *one = &entity->transitions.at[i];
        bool open = !(one->flags & KT_BY_SERVER) || !binds(operation);
        if (open && strcmp(one->verb, operation->verb) == 0 &&
            strcmp(one->from, old->fields[state]->text) == 0)
            found = one;
    }
    if (!found) {
        refuse(refusals, KT_CONFLICT, "state");
        return;
    }
    struct record record = *old;
    record.version++;
    record.fields = take(world, sizeof(const struct value *) * entity->fields.count);
    memcpy(record.fields, old->fields, sizeof(const struct value *) * entity->fields.count);
    record.fields[state] = text_value(world, found->to);
    save(world, operation, &record, refusals);
    if (!refusals->count)
        *old = record;
}

void model_apply(struct world *world, const struct operation *operation, struct refusals *refusals)
{
    struct record *old = find(&world->model.tables[operation->entity], operation->id);
    if (operation->kind == CREATE) {
        create(world, operation, refusals);
        return;
    }
    if (!old) {
        refuse(refusals, KT_NOT_FOUND, "id");
        return;
    }
    if (operation->version && operation->version != old->version)
        refuse(refusals, KT_CONFLICT, "version");
    else if (operation->kind == UPDATE)
        update(world, operation, old, refusals);
    else if (operation->kind == DELETE)
        erase(world, operation, old, refusals);
    else
        make_transition(world, operation, old, refusals);
}
