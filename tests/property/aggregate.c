/* Groups by brute force, as record.aggregate answers them: counted, summed, least, most, average.
 */
#include <stdlib.h>
#include <string.h>

#include "where.h"

#define BY_MOST       3
#define MEASURES_MOST 3

enum measure_kind { SUM, LEAST, MOST, AVERAGE, MEASURE_KINDS };
static const char *const kind_words[] = {"sum", "min", "max", "avg"};

struct by {
    struct column column;
    const char *cut; /**< "" or ":month". */
};

struct measure {
    enum measure_kind kind;
    struct column column;
};

struct question {
    size_t entity;
    struct node where;
    struct by by[BY_MOST];
    size_t by_count;
    struct measure measures[MEASURES_MOST];
    size_t measure_count;
    size_t lines;      /**< The field whose lines are counted; SIZE_MAX: records are. */
    const char *order; /**< "count", "-count", or NULL: by the group's values. */
    int64_t least;     /**< Smaller groups are left out. */
    size_t most;       /**< Groups of the answer. */
};

struct group {
    const struct value *by[BY_MOST];
    int64_t count;
    int64_t order; /**< Of the groups, before their values. */
    struct kt_decimal sums[MEASURES_MOST];
    int64_t counts[MEASURES_MOST];
    const struct value *held[MEASURES_MOST];
};

/* --- Drawing --- */

static bool draw_part(struct world *world, const struct question *question, struct column *out)
{
    const struct kt_field *field = &world->entities[question->entity].fields.at[question->lines];
    size_t part = draw(world, field->lines.count);
    *out = (struct column){.entity = question->entity,
                           .path = {question->lines, part, &field->lines.at[part], true}};
    out->name = words(world, "%s.%s", field->name, field->lines.at[part].name);
    return true;
}

static bool is_dated(const struct column *column)
{
    enum kt_type type = column_field(column)->type;
    return type == KT_DATE || type == KT_INSTANT;
}

static void draw_by(struct world *world, struct question *question)
{
    static const char *const cuts[] = {"", ":day", ":week", ":month", ":quarter", ":year"};
    struct by *by = &question->by[question->by_count];
    bool found = question->lines != SIZE_MAX && chance(world, 50)
                     ? draw_part(world, question, &by->column)
                     : draw_column(world, question->entity, true, &by->column);
    by->cut = found && is_dated(&by->column) ? cuts[draw(world, KT_COUNT(cuts))] : "";
    for (size_t i = 0; i < question->by_count; i++)
        found = found && strcmp(question->by[i].column.name, by->column.name) != 0;
    question->by_count += found;
}

/* A measure of the record would count once for each line. */
static void draw_measure(struct world *world, struct question *question)
{
    struct measure *measure = &question->measures[question->measure_count];
    measure->kind = (enum measure_kind)draw(world, MEASURE_KINDS);
    bool found = question->lines != SIZE_MAX
                     ? draw_part(world, question, &measure->column)
                     : draw_column(world, question->entity, true, &measure->column);
    if (!found || measure->column.own)
        return;
    enum kt_type type = measure->column.path.decl->type;
    bool ordered = type == KT_TEXT || type == KT_DATE || type == KT_INSTANT;
    bool fits_kind = is_decimal(type) || type == KT_INT ||
                     (ordered && (measure->kind == LEAST || measure->kind == MOST));
    for (size_t i = 0; i < question->measure_count; i++)
        fits_kind =
            fits_kind && strcmp(question->measures[i].column.name, measure->column.name) != 0;
    question->measure_count += fits_kind;
}

static void draw_question(struct world *world, struct question *question)
{
    const struct kt_entity *entity = &world->entities[question->entity];
    size_t lines = field_index(entity, "lines");
    question->lines = lines != SIZE_MAX && chance(world, 40) ? lines : SIZE_MAX;
    for (size_t n = draw(world, BY_MOST + 1); n > 0; n--)
        draw_by(world, question);
    for (size_t n = draw(world, MEASURES_MOST + 1); n > 0; n--)
        draw_measure(world, question);
    bool over_lines = false;
    for (size_t i = 0; i < question->by_count; i++)
        over_lines = over_lines || question->by[i].column.path.in_lines;
    if (!over_lines && question->measure_count == 0)
        question->lines = SIZE_MAX; /* Nothing says that lines are meant. */
    static const char *const orders[] = {NULL, NULL, "count", "-count"};
    question->order = orders[draw(world, KT_COUNT(orders))];
    question->least = chance(world, 30) ? draw_between(world, 1, 4) : 0;
    question->most = chance(world, 30) ? 1 + draw(world, 8) : 1000;
    draw_where(world, question->entity, NULL, &question->where);
}

/* --- Adding up --- */

static const struct value *value_of(struct world *world, const struct question *question,
                                    const struct column *column, const struct record *record,
                                    size_t line)
{
    if (column->path.in_lines)
        return path_value(record, &column->path, line);
    struct value *value = take(world, sizeof *value);
    *value = column_value(world, question->entity, column, record);
    return value;
}

static void add_value(struct group *group, size_t m, enum measure_kind kind,
                      const struct value *value)
{
    if (is_empty(value))
        return;
    struct kt_decimal number =
        value->kind == INT ? kt_decimal_from_int(value->number) : value->decimal;
    int order = group->counts[m] ? compare_values(value, group->held[m]) : 0;
    if (!group->counts[m] || (kind == LEAST && order < 0) || (kind == MOST && order > 0))
        group->held[m] = value;
    if (kind == SUM || kind == AVERAGE)
        group->sums[m] = kt_decimal_add(group->sums[m], number);
    group->counts[m]++;
}

struct groups {
    struct group *at;
    size_t count;
    size_t by_count;
};

static struct group *find_group(struct groups *groups, const struct value *const *by)
{
    for (size_t g = 0; g < groups->count; g++) {
        bool same = true;
        for (size_t i = 0; i < groups->by_count; i++)
            same = same && compare_values(groups->at[g].by[i], by[i]) == 0;
        if (same)
            return &groups->at[g];
    }
    struct group *group = &groups->at[groups->count++];
    *group = (struct group){.count = 0};
    for (size_t i = 0; i < groups->by_count; i++)
        group->by[i] = by[i];
    return group;
}

static void add_record(struct world *world, const struct question *question,
                       const struct record *record, struct groups *groups)
{
    const struct value *by[BY_MOST];
    size_t rows = question->lines == SIZE_MAX ? 1 : record->fields[question->lines]->count;
    for (size_t l = 0; l < rows; l++) {
        for (size_t i = 0; i < question->by_count; i++)
            by[i] = cut_date(world, value_of(world, question, &question->by[i].column, record, l),
                             question->by[i].cut);
        struct group *group = find_group(groups, by);
        group->count++;
        for (size_t m = 0; m < question->measure_count; m++)
            add_value(group, m, question->measures[m].kind,
                      value_of(world, question, &question->measures[m].column, record, l));
    }
}

static int compare_groups(const void *a, const void *b)
{
    const struct group *left = a, *right = b;
    int order = (left->order > right->order) - (left->order < right->order);
    for (size_t i = 0; i < BY_MOST && order == 0 && left->by[i]; i++)
        order = compare_values(left->by[i], right->by[i]);
    return order;
}

/* Those that are large enough, and what they are ordered by. */
static void choose(const struct question *question, struct groups *groups)
{
    size_t kept = 0;
    for (size_t g = 0; g < groups->count; g++) {
        struct group *group = &groups->at[g];
        if (group->count < question->least)
            continue;
        if (question->order)
            group->order = question->order[0] == '-' ? -group->count : group->count;
        groups->at[kept++] = *group;
    }
    groups->count = kept;
}

static void find_groups(struct world *world, const struct question *question, struct groups *groups)
{
    const struct table *table = &world->model.tables[question->entity];
    size_t most = 1;
    for (size_t i = 0; i < table->count; i++)
        most += question->lines == SIZE_MAX ? 1 : table->at[i].fields[question->lines]->count;
    groups->by_count = question->by_count;
    groups->at = take(world, sizeof *groups->at * most);
    bool all = names_archived(&question->where);
    for (size_t i = 0; i < table->count; i++)
        if ((all || !table->at[i].archived) &&
            fits(world, question->entity, &question->where, &table->at[i]))
            add_record(world, question, &table->at[i], groups);
    if (groups->count == 0 && question->by_count == 0)
        groups->at[groups->count++] = (struct group){.count = 0};
    choose(question, groups);
    if (groups->count)
        qsort(groups->at, groups->count, sizeof *groups->at, compare_groups);
    if (groups->count > question->most)
        groups->count = question->most;
}

/* --- Asking --- */

static const msgpack_object *pack_question(struct world *world, const struct question *question)
{
    struct kt_ctx *ctx = &world->ctx;
    struct kt_map *params = kt_map_new(ctx);
    struct kt_list *by = kt_list_new(ctx);
    kt_map_set(params, "where", *where_object(world, &question->where));
    for (size_t i = 0; i < question->by_count; i++)
        kt_list_add(
            by, kt_text(words(world, "%s%s", question->by[i].column.name, question->by[i].cut)));
    kt_map_set(params, "by", by->object);
    for (size_t k = 0; k < MEASURE_KINDS; k++) {
        struct kt_list *list = kt_list_new(ctx);
        for (size_t m = 0; m < question->measure_count; m++)
            if (question->measures[m].kind == (enum measure_kind)k)
                kt_list_add(list, kt_text(question->measures[m].column.name));
        kt_map_set(params, kind_words[k], list->object);
    }
    if (question->order)
        kt_map_set_text(params, "order", question->order);
    if (question->least) {
        struct kt_list *having = kt_list_new(ctx), *all = kt_list_new(ctx);
        kt_list_add(having, kt_text("count"));
        kt_list_add(having, kt_text(">="));
        kt_list_add(having, kt_int(question->least));
        kt_list_add(all, having->object);
        kt_map_set(params, "having", all->object);
    }
    if (question->most < 1000)
        kt_map_set_int(params, "limit", (int64_t)question->most);
    return &params->object;
}

static bool is_number_of(const struct msgpack_object *shown, struct kt_decimal expected)
{
    struct kt_decimal number;
    return shown && shown->type == MSGPACK_OBJECT_STR &&
           kt_decimal_parse(shown->via.str.ptr, shown->via.str.size, &number) &&
           kt_decimal_compare(number, expected) == 0;
}

static bool shows_measure(struct world *world, const struct measure *measure,
                          const struct group *group, size_t m, const msgpack_object *shown)
{
    const struct kt_field *field = measure->column.path.decl;
    shown = kt_get(kt_get(shown, kind_words[measure->kind]), measure->column.name);
    if (measure->kind == SUM)
        return is_number_of(shown, group->sums[m]);
    if (group->counts[m] == 0)
        return shown == NULL;
    if (measure->kind != AVERAGE)
        return kt_equal(shown, as_object(world, field, group->held[m]));
    int digits = (field->type == KT_INT ? 0 : most_digits(world, field)) + 2;
    return is_number_of(
        shown, kt_decimal_div(group->sums[m], kt_decimal_from_int(group->counts[m]), digits));
}

static bool shows_group(struct world *world, const struct question *question,
                        const struct group *group, const msgpack_object *shown)
{
    if (kt_get_int(shown, "count") != group->count || kt_count(shown, "by") != question->by_count)
        return false;
    for (size_t i = 0; i < question->by_count; i++) {
        const struct kt_field *field = column_field(&question->by[i].column);
        if (!kt_equal(kt_at(shown, "by", i), as_object(world, field, group->by[i])))
            return false;
    }
    for (size_t m = 0; m < question->measure_count; m++)
        if (!shows_measure(world, &question->measures[m], group, m, shown))
            return false;
    return true;
}

void compare_aggregate(struct world *world, size_t entity)
{
    struct kt_ctx *ctx = &world->ctx;
    struct question question = {.entity = entity};
    struct groups groups = {0};
    msgpack_object answer;
    char text[4096];
    const char *name = world->entities[entity].name;
    draw_question(world, &question);
    find_groups(world, &question, &groups);
    const msgpack_object *params = pack_question(world, &question);
    msgpack_object_print_buffer(text, sizeof text, *params);
    if (record_reply_aggregate(ctx, schema_entity(world->schema, name, strlen(name)), params) !=
        KT_OK)
        fail(world, "an aggregate of %s is refused: %s\n  %s", name, ctx->error.message, text);
    if (context_unpack(ctx, ctx->reply.data, ctx->reply.size, true, &answer) != KT_OK ||
        kt_count(&answer, "groups") != groups.count)
        fail(world, "an aggregate of %s has %zu groups, not %zu\n  %s", name,
             kt_count(&answer, "groups"), groups.count, text);
    for (size_t g = 0; g < groups.count; g++)
        if (!shows_group(world, &question, &groups.at[g], kt_at(&answer, "groups", g)))
            fail(world, "an aggregate of %s has a wrong group %zu of %zu\n  %s", name, g,
                 groups.count, text);
}
