/* record.aggregate: counts, sums, least, most and average values of the records (or their lines)
 * that match, by groups. Answers {groups: [{by, count, sum?, min?, max?, avg?}]}. */
#include "record/aggregate.h"

#include <stdlib.h>
#include <string.h>

static const char *const kind_words[] = {"sum", "min", "max", "avg"};

static bool is_number(const struct query_path *path)
{
    const struct schema_field *field = query_path_field(path);
    return field && (field->decl->type == KT_INT || field->decl->type == KT_DECIMAL ||
                     field->decl->type == KT_MONEY || field->decl->type == KT_QUANTITY);
}

/* --- What is asked --- */

static enum kt_status one_list(struct aggregate *aggregate, const char *name,
                               const struct query_path *path)
{
    if (!path->line)
        return KT_OK;
    if (path->hop_count || (aggregate->lines && aggregate->lines != path->field))
        return kt_fail(aggregate->ctx, KT_INVALID, name,
                       "%s: an aggregate goes over one list of lines, of the entity itself",
                       "%s：聚合只能针对实体自身的一个明细列表", name);
    aggregate->lines = path->field;
    return KT_OK;
}

static const char *text_of(struct kt_ctx *ctx, const msgpack_object *value)
{
    return kt_format(ctx, "%.*s", (int)value->via.str.size, value->via.str.ptr);
}

static enum kt_status add_by(struct aggregate *aggregate, const struct record_question *asked,
                             const msgpack_object *given)
{
    struct kt_ctx *ctx = aggregate->ctx;
    struct aggregate_by *by = &aggregate->by[aggregate->by_count];
    if (given->type != MSGPACK_OBJECT_STR)
        return kt_fail(ctx, KT_INVALID, "by",
                       "by is a list of field names, dates as \"date:month\"",
                       "by 应为字段名列表，日期可写 \"date:month\"");
    if (aggregate->by_count == KT_GROUP_FIELDS)
        return kt_fail(ctx, KT_TOO_LARGE, "by", "at most %d fields to group by",
                       "最多按 %d 个字段分组", KT_GROUP_FIELDS);
    by->name = text_of(ctx, given);
    const char *colon = strchr(by->name, ':');
    const char *name = kt_format(ctx, "%.*s", (int)strcspn(by->name, ":"), by->name);
    KT_TRY(query_compile_path(ctx, asked, name, &by->path));
    const struct schema_field *field = query_path_field(&by->path);
    enum kt_type type = field ? field->decl->type : KT_INT;
    if (type == KT_LINES || type == KT_TAGS || type == KT_REFS || type == KT_JSON ||
        type == KT_FILE || (field && (field->decl->flags & KT_ON_READ)))
        return kt_fail(ctx, KT_INVALID, by->name, "cannot group by %s", "不能按 %s 分组", by->name);
    if (colon && (!schema_cut(colon + 1, &by->cut) || (type != KT_DATE && type != KT_INSTANT)))
        return kt_fail(ctx, KT_INVALID, by->name,
                       "%s: dates are grouped by day, week, month, quarter, year",
                       "%s：日期可按 day、week、month、quarter、year 分组", by->name);
    aggregate->by_count++;
    return one_list(aggregate, by->name, &by->path);
}

static enum kt_status add_measure(struct aggregate *aggregate, const struct record_question *asked,
                                  enum aggregate_kind kind, const msgpack_object *given)
{
    struct kt_ctx *ctx = aggregate->ctx;
    struct aggregate_measure *measure = &aggregate->measures[aggregate->measure_count];
    const char *word = kind_words[kind];
    if (given->type != MSGPACK_OBJECT_STR)
        return kt_fail(ctx, KT_INVALID, word, "%s is a list of field names", "%s 应为字段名列表",
                       word);
    if (aggregate->measure_count == AGGREGATE_MEASURES)
        return kt_fail(ctx, KT_TOO_LARGE, word, "at most %d values of a group", "每组最多 %d 个值",
                       AGGREGATE_MEASURES);
    measure->kind = kind;
    measure->name = text_of(ctx, given);
    KT_TRY(query_compile_path(ctx, asked, measure->name, &measure->path));
    const struct schema_field *field = query_path_field(&measure->path);
    bool ordered = is_number(&measure->path) ||
                   ((kind == AGGREGATE_MIN || kind == AGGREGATE_MAX) && field &&
                    (field->decl->type == KT_DATE || field->decl->type == KT_INSTANT ||
                     field->decl->type == KT_TEXT));
    if (!ordered || (field && (field->decl->flags & KT_ON_READ)))
        return kt_fail(ctx, KT_INVALID, measure->name, "%s has no %s", "%s 不能求 %s",
                       measure->name, word);
    aggregate->measure_count++;
    return one_list(aggregate, measure->name, &measure->path);
}

/* `name` may be a list of texts or one text. */
static size_t given_count(const msgpack_object *params, const char *name)
{
    const msgpack_object *given = kt_get(params, name);
    return !given ? 0 : given->type == MSGPACK_OBJECT_ARRAY ? given->via.array.size : 1;
}

static const msgpack_object *given_at(const msgpack_object *params, const char *name, size_t i)
{
    const msgpack_object *given = kt_get(params, name);
    return given->type == MSGPACK_OBJECT_ARRAY ? &given->via.array.ptr[i] : given;
}

static enum kt_status compile(struct aggregate *aggregate, const struct record_question *asked,
                              const msgpack_object *params)
{
    for (size_t i = 0; i < given_count(params, "by"); i++)
        KT_TRY(add_by(aggregate, asked, given_at(params, "by", i)));
    for (size_t k = 0; k < KT_COUNT(kind_words); k++)
        for (size_t i = 0; i < given_count(params, kind_words[k]); i++)
            KT_TRY(add_measure(aggregate, asked, (enum aggregate_kind)k,
                               given_at(params, kind_words[k], i)));
    for (size_t i = 0; i < aggregate->measure_count; i++)
        if (aggregate->lines && !aggregate->measures[i].path.line)
            return kt_fail(aggregate->ctx, KT_INVALID, aggregate->measures[i].name,
                           "%s is of the whole record and would count once for each line of %s",
                           "%s 属于整条记录，会按 %s 的每一行重复计算", aggregate->measures[i].name,
                           aggregate->lines->decl->name);
    return KT_OK;
}

/* --- Columns: what groups are ordered by and chosen by --- */

struct column {
    bool is_count;
    size_t by;      /**< Or a group field, from 1; 0: neither. */
    size_t measure; /**< Else a measure. */
    bool descending;
};

/* "count", "sum.total", or a name in `by`. */
static bool find_column(const struct aggregate *aggregate, const char *name, struct column *out)
{
    *out = (struct column){.is_count = strcmp(name, "count") == 0};
    if (out->is_count)
        return true;
    for (size_t i = 0; i < aggregate->by_count; i++)
        if (strcmp(aggregate->by[i].name, name) == 0) {
            out->by = i + 1;
            return true;
        }
    for (size_t i = 0; i < aggregate->measure_count; i++) {
        const struct aggregate_measure *measure = &aggregate->measures[i];
        size_t length = strlen(kind_words[measure->kind]);
        if (strncmp(name, kind_words[measure->kind], length) == 0 && name[length] == '.' &&
            strcmp(name + length + 1, measure->name) == 0) {
            out->measure = i;
            return true;
        }
    }
    return false;
}

static enum kt_status unknown_column(struct kt_ctx *ctx, const char *field, const char *name)
{
    return kt_fail(ctx, KT_INVALID, field,
                   "%s is not of the answer: use count, sum.FIELD or a name in by",
                   "结果中没有 %s：可用 count、sum.字段 或 by 中的名称",
                   context_quote(ctx, name, strlen(name)));
}

/* Sums have the digits of what was added; averages two more than the field may have. */
static msgpack_object measured(struct kt_ctx *ctx, const struct aggregate *aggregate,
                               const struct aggregate_group *group, size_t which)
{
    const struct aggregate_measure *measure = &aggregate->measures[which];
    const struct schema_field *field = query_path_field(&measure->path);
    bool whole = field->decl->type == KT_INT;
    int64_t count = group->counts[which];
    struct kt_decimal number = group->sums[which];
    if (measure->kind == AGGREGATE_MIN || measure->kind == AGGREGATE_MAX)
        return count ? group->held[which].value : kt_nil();
    if (measure->kind == AGGREGATE_AVG) {
        if (!count)
            return kt_nil();
        int digits = (whole ? 0 : field->digits) + 2;
        number = kt_decimal_div(number, kt_decimal_from_int(count),
                                digits > KT_DECIMAL_SCALE_MAX ? KT_DECIMAL_SCALE_MAX : digits);
    }
    int least = whole ? 0 : field->min_digits;
    /* Amounts are stored with the digits of their currency: so are their sums. */
    if (field->decl->type == KT_MONEY && group->sums[which].scale > least)
        least = group->sums[which].scale;
    number = kt_decimal_trim(number, least);
    if (number.scale < least)
        number = kt_decimal_round(number, least);
    return kt_decimal_value(ctx, number);
}

static msgpack_object column_value(struct kt_ctx *ctx, const struct aggregate *aggregate,
                                   const struct aggregate_group *group, const struct column *column)
{
    if (column->is_count)
        return kt_int(group->count);
    return column->by ? group->by[column->by - 1]
                      : measured(ctx, aggregate, group, column->measure);
}

/* The field whose type a column's values have; NULL: whole numbers. Sums and averages of whole
 * numbers are decimals, so `decimal` says how to compare. */
static const struct schema_field *column_field(const struct aggregate *aggregate,
                                               const struct column *column, bool *decimal)
{
    *decimal = false;
    if (column->is_count)
        return NULL;
    if (column->by)
        return query_path_field(&aggregate->by[column->by - 1].path);
    const struct aggregate_measure *measure = &aggregate->measures[column->measure];
    *decimal = is_number(&measure->path);
    return query_path_field(&measure->path);
}

static int compare_column(const struct aggregate *aggregate, const struct column *column,
                          const msgpack_object *a, const msgpack_object *b)
{
    bool decimal;
    const struct schema_field *field = column_field(aggregate, column, &decimal);
    bool none = a->type == MSGPACK_OBJECT_NIL, other = b->type == MSGPACK_OBJECT_NIL;
    if (none || other)
        return (int)other - (int)none;
    if (decimal)
        return kt_decimal_compare(query_decimal(a), query_decimal(b));
    return query_compare_values(field, a, b);
}

/* --- Having --- */

struct having {
    struct column column;
    enum query_op op;
    msgpack_object value;
};

static enum kt_status compile_having(struct aggregate *aggregate, const msgpack_object *given,
                                     struct having *out)
{
    struct kt_ctx *ctx = aggregate->ctx;
    const msgpack_object *parts = given->via.array.ptr;
    if (given->type != MSGPACK_OBJECT_ARRAY || given->via.array.size != 3 ||
        parts[0].type != MSGPACK_OBJECT_STR || parts[1].type != MSGPACK_OBJECT_STR)
        return kt_fail(ctx, KT_INVALID, "having",
                       "having is a list of [\"sum.field\", \"op\", value]",
                       "having 应为 [\"sum.字段\", \"运算符\", 值] 的列表");
    const char *name = text_of(ctx, &parts[0]), *op = text_of(ctx, &parts[1]);
    if (!query_find_op(op, &out->op) || out->op == QUERY_IN || out->op == QUERY_LIKE)
        return kt_fail(ctx, KT_INVALID, "having", "unknown operator %s; use = != < <= > >=",
                       "未知运算符 %s；可用 = != < <= > >=", context_quote(ctx, op, strlen(op)));
    if (!find_column(aggregate, name, &out->column) || out->column.by)
        return unknown_column(ctx, "having", name);
    bool decimal;
    const struct schema_field *field = column_field(aggregate, &out->column, &decimal);
    out->value = parts[2];
    if (out->value.type == MSGPACK_OBJECT_NIL)
        return KT_OK;
    if (!field || decimal) {
        if (kt_decimal_is_valid(query_decimal(&out->value)))
            return KT_OK;
        return kt_fail(ctx, KT_INVALID, "having", "%s is compared with numbers", "%s 须与数字比较",
                       name);
    }
    return query_compile_value(ctx, &aggregate->measures[out->column.measure].path, "having",
                               &parts[2], &out->value);
}

static bool has(const struct aggregate *aggregate, const struct aggregate_group *group,
                const struct having *having)
{
    msgpack_object value = column_value(aggregate->ctx, aggregate, group, &having->column);
    bool none = value.type == MSGPACK_OBJECT_NIL;
    bool wanted = having->value.type == MSGPACK_OBJECT_NIL;
    int order = having->column.is_count && !wanted
                    ? kt_decimal_compare(query_decimal(&value), query_decimal(&having->value))
                    : compare_column(aggregate, &having->column, &value, &having->value);
    if (none || wanted)
        return having->op == QUERY_EQ ? none && wanted : having->op == QUERY_NE && none != wanted;
    const bool results[] = {order == 0, order != 0, order<0, order <= 0, order> 0, order >= 0};
    return results[having->op];
}

static enum kt_status keep_having(struct aggregate *aggregate, const msgpack_object *params)
{
    struct having having[AGGREGATE_MEASURES];
    size_t count = given_count(params, "having"), kept = 0;
    if (count > AGGREGATE_MEASURES)
        return kt_fail(aggregate->ctx, KT_TOO_LARGE, "having", "more than %d conditions",
                       "条件超过 %d 个", AGGREGATE_MEASURES);
    for (size_t i = 0; i < count; i++)
        KT_TRY(compile_having(aggregate, given_at(params, "having", i), &having[i]));
    for (size_t g = 0; g < aggregate->group_count; g++) {
        bool all = true;
        for (size_t i = 0; i < count; i++)
            all = all && has(aggregate, &aggregate->groups[g], &having[i]);
        if (all)
            aggregate->groups[kept++] = aggregate->groups[g];
    }
    aggregate->group_count = kept;
    return context_check_memory(aggregate->ctx);
}

/* --- Order --- */

struct order {
    const struct aggregate *aggregate;
    struct column columns[KT_LIMIT_ORDER_FIELDS];
    size_t count;
};

static int compare_keys(const struct aggregate_group *a, const struct aggregate_group *b)
{
    size_t shorter = a->key_size < b->key_size ? a->key_size : b->key_size;
    int order = shorter ? memcmp(a->key, b->key, shorter) : 0;
    return order ? order : (a->key_size > b->key_size) - (a->key_size < b->key_size);
}

static int compare_groups(const void *a, const void *b, void *argument)
{
    const struct aggregate_group *left = a, *right = b;
    const struct order *order = argument;
    for (size_t i = 0; i < order->count; i++) {
        const struct column *column = &order->columns[i];
        int result = compare_column(order->aggregate, column, &left->order[i], &right->order[i]);
        if (result)
            return column->descending ? -result : result;
    }
    return compare_keys(left, right);
}

static enum kt_status sort_groups(struct aggregate *aggregate, const msgpack_object *params)
{
    struct kt_ctx *ctx = aggregate->ctx;
    struct order order = {.aggregate = aggregate};
    size_t count = given_count(params, "order");
    if (count > KT_LIMIT_ORDER_FIELDS)
        return kt_fail(ctx, KT_TOO_LARGE, "order", "at most %u fields to order by",
                       "最多按 %u 个字段排序", KT_LIMIT_ORDER_FIELDS);
    for (size_t i = 0; i < count; i++) {
        const msgpack_object *given = given_at(params, "order", i);
        const char *name = given->type == MSGPACK_OBJECT_STR ? text_of(ctx, given) : "";
        bool descending = *name == '-';
        struct column *column = &order.columns[order.count++];
        if (!find_column(aggregate, name + descending, column))
            return unknown_column(ctx, "order", name);
        column->descending = descending;
    }
    for (size_t g = 0; g < aggregate->group_count; g++) {
        struct aggregate_group *group = &aggregate->groups[g];
        msgpack_object *values = kt_alloc(ctx, sizeof(*values) * count);
        for (size_t i = 0; i < count; i++)
            values[i] = column_value(ctx, aggregate, group, &order.columns[i]);
        group->order = values;
    }
    if (aggregate->group_count)
        qsort_r(aggregate->groups, aggregate->group_count, sizeof(*aggregate->groups),
                compare_groups, &order);
    return context_check_memory(ctx);
}

/* --- The answer --- */

static struct kt_map *group_map(struct aggregate *aggregate, const struct aggregate_group *group)
{
    struct kt_ctx *ctx = aggregate->ctx;
    struct kt_map *answer = kt_map_new(ctx);
    struct kt_list *by = kt_list_new(ctx);
    for (size_t i = 0; i < aggregate->by_count; i++)
        kt_list_add(by, group->by[i]);
    kt_map_set(answer, "by", by->object);
    kt_map_set_int(answer, "count", group->count);
    for (size_t k = 0; k < KT_COUNT(kind_words); k++) {
        struct kt_map *values = NULL;
        for (size_t i = 0; i < aggregate->measure_count; i++) {
            if (aggregate->measures[i].kind != (enum aggregate_kind)k)
                continue;
            values = values ? values : kt_map_new(ctx);
            kt_map_set(values, aggregate->measures[i].name, measured(ctx, aggregate, group, i));
        }
        if (values)
            kt_map_set(answer, kind_words[k], values->object);
    }
    return answer;
}

static enum kt_status groups_limit(struct kt_ctx *ctx, const msgpack_object *params, size_t *out)
{
    int64_t given = kt_get_int(params, "limit");
    *out = KT_LIMIT_GROUPS;
    if (!kt_has(params, "limit"))
        return KT_OK;
    if (given < 1 || given > (int64_t)KT_LIMIT_GROUPS)
        return kt_fail(ctx, KT_INVALID, "limit", "limit must be 1 to %u", "limit 必须为 1 到 %u",
                       KT_LIMIT_GROUPS);
    *out = (size_t)given;
    return KT_OK;
}

static enum kt_status add_match(struct kt_ctx *ctx, void *argument, uint64_t id,
                                struct store_slice bytes)
{
    (void)ctx;
    (void)id;
    return aggregate_add(argument, bytes);
}

static enum kt_status run(struct aggregate *aggregate, const struct record_question *asked,
                          const msgpack_object *params)
{
    struct kt_ctx *ctx = aggregate->ctx;
    struct record_query *query;
    struct kt_map *answer = kt_map_new(ctx);
    struct kt_list *groups = kt_list_new(ctx);
    size_t limit;
    KT_TRY(groups_limit(ctx, params, &limit));
    KT_TRY(compile(aggregate, asked, params));
    KT_TRY(record_query_compile(ctx, asked, &query));
    KT_TRY(record_query_run(ctx, query, add_match, aggregate, NULL));
    KT_TRY(aggregate_add_none(aggregate));
    KT_TRY(keep_having(aggregate, params));
    KT_TRY(sort_groups(aggregate, params));
    for (size_t i = 0; i < aggregate->group_count && i < limit; i++)
        kt_list_add(groups, group_map(aggregate, &aggregate->groups[i])->object);
    kt_map_set(answer, "groups", groups->object);
    if (kt_get_bool(params, "explain"))
        kt_map_set(answer, "plan", record_query_explain(ctx, query)->object);
    KT_TRY(context_check_memory(ctx));
    kt_reply_map(ctx, answer);
    return KT_OK;
}

enum kt_status record_reply_aggregate(struct kt_ctx *ctx, const struct schema_entity *entity,
                                      const msgpack_object *params)
{
    const struct record_question asked = {.entity = entity,
                                          .where = kt_get(params, "where"),
                                          .archived = kt_get(params, "archived"),
                                          .unordered = true,
                                          .for_client = true};
    struct aggregate *aggregate = kt_alloc(ctx, sizeof(*aggregate));
    aggregate->ctx = ctx;
    aggregate->entity = entity;
    aggregate_begin(aggregate);
    enum kt_status status = run(aggregate, &asked, params);
    aggregate_end(aggregate);
    return status;
}
