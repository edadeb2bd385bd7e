/* Totals by adding up all records anew. */
#include <stdlib.h>
#include <string.h>

#include "property.h"

/* What a record, or one of its lines, adds to a row. */
struct share {
    struct value by[KT_GROUP_FIELDS];
    struct kt_decimal measures[KT_MEASURES];
    int64_t count;
};

struct shares {
    struct share *at;
    size_t count;
    size_t capacity;
};

/* The path of a group, and ":month" or what else its date is cut by. */
static const char *group_path(struct world *world, const struct kt_entity *entity,
                              const char *group, struct path *out)
{
    size_t length = strcspn(group, ":");
    find_path(entity, words(world, "%.*s", (int)length, group), out);
    return group + length;
}

static struct share *new_share(struct shares *shares)
{
    if (shares->count == shares->capacity) {
        shares->capacity = shares->capacity ? shares->capacity * 2 : 64;
        shares->at = realloc(shares->at, sizeof *shares->at * shares->capacity);
        if (!shares->at)
            abort();
    }
    struct share *share = &shares->at[shares->count++];
    *share = (struct share){.count = 1};
    return share;
}

static struct kt_decimal number_of(const struct value *value, bool minus)
{
    struct kt_decimal number = value->kind == DECIMAL ? value->decimal
                               : value->kind == INT   ? kt_decimal_from_int(value->number)
                                                      : KT_DECIMAL_ZERO;
    return minus ? kt_decimal_neg(number) : number;
}

static void add_leg(struct world *world, const struct kt_entity *entity,
                    const struct kt_total *total, const struct kt_leg *leg,
                    const struct record *record, struct shares *shares)
{
    struct path by[KT_GROUP_FIELDS], measures[KT_MEASURES];
    const char *cuts[KT_GROUP_FIELDS];
    size_t count = 1;
    for (size_t i = 0; i < leg->by.count; i++) {
        cuts[i] = group_path(world, entity, leg->by.at[i], &by[i]);
        count = by[i].in_lines ? path_count(record, &by[i]) : count;
    }
    for (size_t m = 0; m < total->measure_count; m++) {
        if (!leg->measures[m].field)
            continue;
        find_path(entity, leg->measures[m].field, &measures[m]);
        count = measures[m].in_lines ? path_count(record, &measures[m]) : count;
    }
    for (size_t l = 0; l < count; l++) {
        struct share *share = new_share(shares);
        for (size_t i = 0; i < leg->by.count; i++)
            share->by[i] = *cut_date(world, path_value(record, &by[i], l), cuts[i]);
        for (size_t m = 0; m < total->measure_count; m++)
            if (leg->measures[m].field)
                share->measures[m] =
                    number_of(path_value(record, &measures[m], l), leg->measures[m].minus);
    }
}

static void add_record(struct world *world, const struct kt_total *total,
                       const struct record *record, struct shares *shares)
{
    const struct kt_entity *entity = &world->entities[entity_index(world, total->entity)];
    bool fits = !total->when;
    for (size_t i = 0; total->when && i < total->is.count; i++) {
        const struct value *value = record->fields[field_index(entity, total->when)];
        fits = fits || (!is_empty(value) && strcmp(value->text, total->is.at[i]) == 0);
    }
    for (size_t l = 0; fits && l < total->leg_count; l++)
        add_leg(world, entity, total, &total->legs[l], record, shares);
}

static void add_all(struct world *world, const struct kt_total *total, struct shares *shares)
{
    const struct table *table = &world->model.tables[entity_index(world, total->entity)];
    for (size_t i = 0; i < table->count; i++)
        add_record(world, total, &table->at[i], shares);
}

static int compare_groups(const void *a, const void *b)
{
    const struct share *left = a, *right = b;
    int order = 0;
    for (size_t i = 0; i < KT_GROUP_FIELDS && order == 0; i++)
        order = compare_keys(&left->by[i], &right->by[i]);
    return order;
}

static void add_up(struct share *row, const struct share *share)
{
    row->count += share->count;
    for (size_t m = 0; m < KT_MEASURES; m++)
        row->measures[m] = kt_decimal_add(row->measures[m], share->measures[m]);
}

/* Sorted, one for each row. */
static void join_rows(struct shares *shares)
{
    size_t rows = 0;
    if (shares->count)
        qsort(shares->at, shares->count, sizeof *shares->at, compare_groups);
    for (size_t i = 0; i < shares->count; i++) {
        if (rows && compare_groups(&shares->at[rows - 1], &shares->at[i]) == 0)
            add_up(&shares->at[rows - 1], &shares->at[i]);
        else
            shares->at[rows++] = shares->at[i];
    }
    shares->count = rows;
}

/* --- Against the engine's --- */

static void compare_numbers(const struct world *world, const struct kt_total *total,
                            const struct share *expected, const struct kt_total_row *row)
{
    char is[KT_DECIMAL_TEXT_SIZE], should[KT_DECIMAL_TEXT_SIZE];
    if (row->count != expected->count)
        fail(world, "total %s: a row counts %lld, not %lld", total->name, (long long)row->count,
             (long long)expected->count);
    for (size_t m = 0; m < total->measure_count; m++) {
        if (kt_decimal_compare(row->measures[m], expected->measures[m]) == 0)
            continue;
        kt_decimal_format(row->measures[m], is);
        kt_decimal_format(expected->measures[m], should);
        fail(world, "total %s: measure %zu is %s, not %s", total->name, m, is, should);
    }
}

static const struct kt_field *group_field(struct world *world, const struct kt_total *total,
                                          size_t at)
{
    const struct kt_entity *entity = &world->entities[entity_index(world, total->entity)];
    struct path path;
    group_path(world, entity, total->legs[0].by.at[at], &path);
    return path.decl;
}

/* Rows show a text that was cut as it was cut. */
static bool shows(struct world *world, const struct kt_total *total, size_t at,
                  const struct value *expected, const msgpack_object *shown)
{
    struct value value = *expected;
    if (value.kind == TEXT && value.size > 120)
        value.size = 120;
    if (is_empty(&value))
        return shown->type == MSGPACK_OBJECT_NIL;
    if (value.kind == DECIMAL)
        value.decimal = kt_decimal_trim(value.decimal, 0);
    return kt_equal(as_object(world, group_field(world, total, at), &value), shown);
}

void compare_total(struct world *world, const struct kt_total *total)
{
    struct shares expected = {0};
    struct kt_total_row *rows;
    size_t count;
    size_t by_count = total->legs[0].by.count;
    add_all(world, total, &expected);
    join_rows(&expected);
    if (kt_total_rows(&world->ctx, total->name, NULL, 0, &rows, &count) != KT_OK)
        fail(world, "total %s cannot be read: %s", total->name, world->ctx.error.message);
    if (count != expected.count)
        fail(world, "total %s has %zu rows, not %zu", total->name, count, expected.count);
    for (size_t i = 0; i < count; i++) {
        for (size_t b = 0; b < by_count; b++)
            if (!shows(world, total, b, &expected.at[i].by[b], &rows[i].by[b]))
                fail(world, "total %s: row %zu is of another group", total->name, i);
        compare_numbers(world, total, &expected.at[i], &rows[i]);
    }
    free(expected.at);
}

static void compare_row(struct world *world, const struct kt_total *total, const struct shares *all,
                        const struct share *touched)
{
    struct share expected = {.count = 0};
    struct kt_total_row row;
    msgpack_object by[KT_GROUP_FIELDS];
    size_t by_count = total->legs[0].by.count;
    for (size_t i = 0; i < all->count; i++)
        if (compare_groups(&all->at[i], touched) == 0)
            add_up(&expected, &all->at[i]);
    for (size_t b = 0; b < by_count; b++)
        by[b] = *as_object(world, group_field(world, total, b), &touched->by[b]);
    if (kt_total_get(&world->ctx, total->name, by, by_count, &row) != KT_OK)
        fail(world, "total %s cannot be read: %s", total->name, world->ctx.error.message);
    compare_numbers(world, total, &expected, &row);
}

/* The rows that a record left or entered. */
void compare_totals_of(struct world *world, size_t entity, const struct record *before,
                       const struct record *after)
{
    for (size_t t = 0; t < world->total_count; t++) {
        struct shares touched = {0}, all = {0};
        const struct kt_total *total = &world->totals[t];
        if (strcmp(total->entity, world->entities[entity].name) != 0)
            continue;
        if (before)
            add_record(world, total, before, &touched);
        if (after)
            add_record(world, total, after, &touched);
        add_all(world, total, &all);
        join_rows(&touched);
        for (size_t i = 0; i < touched.count; i++)
            compare_row(world, total, &all, &touched.at[i]);
        free(touched.at);
        free(all.at);
    }
}
