/* From what is given to the whole record: who may write what, lines merged, defaults, numbers. */
#include <stdlib.h>
#include <string.h>

#include "model.h"

bool binds(const struct operation *operation)
{
    return operation->by != RECORD_BY_SERVER;
}

static bool may_write(const struct operation *operation, const struct kt_field *field)
{
    bool creating = operation->kind == CREATE;
    if (!binds(operation) || (operation->by == RECORD_BY_IMPORT && creating && field->sequence))
        return true;
    return field->type != KT_STATE && !(field->flags & KT_READONLY) && !field->compute &&
           (creating || !(field->flags & KT_IMMUTABLE));
}

const struct value *find_line(const struct value *lines, int64_t id)
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

/* The line as it is there, overlaid with what was given; a new one starts with
 * its defaults. */
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

static int64_t last_line(const struct record *record, size_t field)
{
    int64_t last = largest_line(record->fields[field]);
    int64_t kept = record->last_lines ? record->last_lines[field] : 0;
    return kept > last ? kept : last;
}

/* The last id given is kept while no line has it. */
void set_lines(struct world *world, struct record *record, size_t field, const struct value *lines)
{
    int64_t *last_lines = take(world, sizeof(int64_t) * FIELDS_MOST);
    int64_t last = last_line(record, field);
    if (record->last_lines)
        memcpy(last_lines, record->last_lines, sizeof(int64_t) * FIELDS_MOST);
    last_lines[field] = largest_line(lines) < last ? last : 0;
    record->fields[field] = lines;
    record->last_lines = last_lines;
}

static void take_lines(struct world *world, const struct operation *operation, size_t f,
                       const struct value *given, struct record *record, struct refusals *refusals)
{
    const struct kt_field *field = &world->entities[operation->entity].fields.at[f];
    if (given->kind == LIST)
        given = merge_lines(world, operation, field, record->fields[f], given, last_line(record, f),
                            refusals);
    set_lines(world, record, f, given);
}

void take_given(struct world *world, const struct operation *operation, struct record *record,
                struct refusals *refusals)
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

void fill_defaults(struct world *world, const struct operation *operation,
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
