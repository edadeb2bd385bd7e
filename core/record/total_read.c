/* Totals read: one row, the rows under a prefix, their sum. Of a past moment, what the changes
 * since brought is taken off each row (total_past.c). */
#include <string.h>

#include "record/record_internal.h"

static enum kt_status find_total(struct kt_ctx *ctx, const char *name, size_t by_count,
                                 const struct schema_total **out)
{
    const struct schema_total *total = schema_total(ctx->schema, name);
    if (!total || !total->entity->enabled)
        return kt_fail(ctx, KT_NOT_FOUND, "total", "there is no total %s", "没有汇总 %s", name);
    if (by_count > total->by_count)
        return kt_fail(ctx, KT_INVALID, "by", "total %s groups by %zu fields",
                       "汇总 %s 按 %zu 个字段分组", name, total->by_count);
    *out = total;
    return KT_OK;
}

static void begin_prefix(const struct schema_total *total, const msgpack_object *by, size_t count,
                         struct key *key)
{
    record_total_begin(key, total);
    for (size_t i = 0; i < count; i++) {
        const struct schema_path *path = &total->legs[0].by[i];
        record_key_add(key, path->line ? path->line : path->field, &by[i]);
    }
}

enum kt_status record_total_group(struct kt_ctx *ctx, const struct schema_total *total,
                                  struct store_slice found, struct kt_total_row *row)
{
    struct key_reader reader = key_read(found);
    uint32_t number;
    bool read = key_read_u32(&reader, &number);
    for (size_t i = 0; read && i < total->by_count; i++) {
        bool flag, cut;
        int64_t whole;
        struct kt_decimal decimal;
        char text[KEY_TEXT_MAX];
        size_t length;
        switch (key_peek(&reader)) {
        case KEY_NIL:
            read = key_read_nil(&reader);
            row->by[i] = kt_nil();
            break;
        case KEY_BOOL:
            read = key_read_bool(&reader, &flag);
            row->by[i] = kt_bool(flag);
            break;
        case KEY_INT:
            read = key_read_int(&reader, &whole);
            row->by[i] = kt_int(whole);
            break;
        case KEY_DECIMAL:
            read = key_read_decimal(&reader, &decimal);
            row->by[i] = kt_decimal_value(ctx, decimal);
            break;
        case KEY_TEXT:
            read = key_read_text(&reader, text, &length, &cut);
            row->by[i] = kt_text_of(context_copy(ctx, text, length), length);
            break;
        default:
            read = false;
        }
    }
    return read ? KT_OK : record_store_failed(ctx, KT_INTERNAL);
}

enum kt_status record_total_row(struct kt_ctx *ctx, const struct schema_total *total,
                                struct store_slice key, struct store_slice bytes,
                                struct kt_total_row *out)
{
    *out = (struct kt_total_row){0};
    KT_TRY(record_total_group(ctx, total, key, out));
    return record_total_numbers(ctx, total, bytes, out);
}

/* Digits of money with a currency of its own: those of the currency that the total groups by. Of
 * sums over several currencies there is no telling; they get the company's. */
static int currency_digits(const struct kt_ctx *ctx, const struct schema_total *total,
                           const struct schema_field *currency, const struct kt_total_row *row)
{
    for (size_t i = 0; i < total->by_count; i++) {
        const msgpack_object *code = &row->by[i];
        char text[4] = "";
        if (total->legs[0].by[i].field != currency || code->type != MSGPACK_OBJECT_STR ||
            code->via.str.size != 3)
            continue;
        memcpy(text, code->via.str.ptr, 3);
        int digits = kt_currency_minor_units(text);
        if (digits >= 0)
            return digits;
    }
    return ctx->schema->currency_digits;
}

/* Stored without trailing zeros; shown with the digits of what was added up: money as 330.00. */
static void show_digits(const struct kt_ctx *ctx, const struct schema_total *total,
                        struct kt_total_row *row)
{
    for (size_t m = 0; m < total->decl->measure_count; m++) {
        int most = 0;
        for (size_t l = 0; l < total->decl->leg_count; l++) {
            const struct schema_path *path = &total->legs[l].measures[m];
            const struct schema_field *field = path->line ? path->line : path->field;
            int digits = !field            ? 0
                         : field->currency ? currency_digits(ctx, total, field->currency, row)
                                           : field->min_digits;
            most = digits > most ? digits : most;
        }
        if (row->measures[m].scale < most)
            row->measures[m] = kt_decimal_round(row->measures[m], most);
    }
}

enum kt_status record_total_shown(struct kt_ctx *ctx, const struct schema_total *total,
                                  struct store_slice key, struct store_slice bytes,
                                  struct kt_total_row *out)
{
    *out = (struct kt_total_row){0};
    KT_TRY(record_total_group(ctx, total, key, out));
    if (bytes.at)
        KT_TRY(record_total_numbers(ctx, total, bytes, out));
    show_digits(ctx, total, out);
    return KT_OK;
}

/* A row as it stood then: `since` is what it had more, or less; NULL is nothing. */
static void add_since(const struct total_sum *since, struct kt_total_row *row)
{
    if (!since)
        return;
    row->count += since->count;
    for (size_t i = 0; i < KT_MEASURES; i++)
        row->measures[i] = kt_decimal_add(row->measures[i], since->measures[i]);
}

enum kt_status kt_total_get(struct kt_ctx *ctx, const char *name, const msgpack_object *by,
                            size_t by_count, struct kt_total_row *out)
{
    const struct schema_total *total;
    const struct past_sums *since;
    struct key key;
    struct store_slice bytes;
    KT_TRY(find_total(ctx, name, by_count, &total));
    if (by_count < total->by_count)
        return kt_fail(ctx, KT_INVALID, "by", "a row of total %s is named by %zu values",
                       "汇总 %s 的行由 %zu 个值确定", name, total->by_count);
    *out = (struct kt_total_row){0};
    for (size_t i = 0; i < KT_GROUP_FIELDS; i++)
        out->by[i] = i < by_count ? by[i] : kt_nil();
    begin_prefix(total, by, by_count, &key);
    enum kt_status status = store_get(ctx->txn, key_slice(&key), &bytes);
    if (status == KT_OK)
        KT_TRY(record_total_numbers(ctx, total, bytes, out));
    else if (status != KT_NOT_FOUND)
        return record_store_failed(ctx, status);
    KT_TRY(record_total_since(ctx, total, &since));
    if (since)
        add_since(total_table_find(&since->table, key.bytes, key.size), out);
    show_digits(ctx, total, out);
    return KT_OK;
}

typedef enum kt_status (*row_each)(struct kt_ctx *ctx, void *argument,
                                   const struct kt_total_row *row);

/* Stored rows and those of `since` come in the order of their keys; what both have is one row. */
struct row_walk {
    struct kt_ctx *ctx;
    const struct schema_total *total;
    const struct key *prefix;
    row_each each;
    void *argument;
    const struct past_sums *since; /**< NULL: the present. */
    size_t next;                   /**< Of since->sorted. */
};

static bool says_nothing(const struct schema_total *total, const struct kt_total_row *row)
{
    struct record_share share = {.count = row->count};
    memcpy(share.measures, row->measures, sizeof(share.measures));
    return record_share_is_empty(total, &share);
}

static enum kt_status give_row(struct row_walk *walk, struct kt_total_row *row)
{
    if (walk->since && says_nothing(walk->total, row))
        return KT_OK;
    show_digits(walk->ctx, walk->total, row);
    KT_TRY(walk->each(walk->ctx, walk->argument, row));
    return context_check_memory(walk->ctx);
}

static struct store_slice key_of(const struct total_sum *sum)
{
    return (struct store_slice){sum->key, sum->size};
}

/* The next row of `since` under the prefix that comes before `found` (or at all); NULL for none. */
static const struct total_sum *gone_before(const struct row_walk *walk,
                                           const struct store_slice *found)
{
    if (!walk->since || walk->next == walk->since->count)
        return NULL;
    const struct total_sum *sum = walk->since->sorted[walk->next];
    if (!key_has_prefix(key_of(sum), key_slice(walk->prefix)))
        return NULL;
    return !found || total_key_compare(key_of(sum), *found) < 0 ? sum : NULL;
}

/* Rows that are no longer there but were. */
static enum kt_status give_gone(struct row_walk *walk, const struct store_slice *found)
{
    const struct total_sum *sum;
    while ((sum = gone_before(walk, found))) {
        struct kt_total_row row = {0};
        KT_TRY(record_total_group(walk->ctx, walk->total, key_of(sum), &row));
        add_since(sum, &row);
        KT_TRY(give_row(walk, &row));
        walk->next++;
    }
    return KT_OK;
}

static enum kt_status give_stored(struct row_walk *walk, struct store_slice found,
                                  struct store_slice bytes)
{
    struct kt_total_row row;
    KT_TRY(context_check_time(walk->ctx));
    KT_TRY(give_gone(walk, &found));
    KT_TRY(record_total_row(walk->ctx, walk->total, found, bytes, &row));
    if (walk->since && walk->next < walk->since->count) {
        const struct total_sum *sum = walk->since->sorted[walk->next];
        if (total_key_compare(key_of(sum), found) == 0) {
            add_since(sum, &row);
            walk->next++;
        }
    }
    return give_row(walk, &row);
}

static enum kt_status each_row(struct kt_ctx *ctx, const struct schema_total *total,
                               const struct key *prefix, row_each each, void *argument)
{
    struct row_walk walk = {
        .ctx = ctx, .total = total, .prefix = prefix, .each = each, .argument = argument};
    struct store_cursor *cursor;
    struct store_slice found, bytes;
    KT_TRY(record_total_since(ctx, total, &walk.since));
    if (walk.since)
        walk.next = record_past_sums_seek(walk.since, key_slice(prefix));
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    enum kt_status result = KT_OK;
    enum kt_status moved = store_seek(cursor, key_slice(prefix), &found, &bytes);
    while (moved == KT_OK && result == KT_OK && key_has_prefix(found, key_slice(prefix))) {
        result = give_stored(&walk, found, bytes);
        moved = store_next(cursor, &found, &bytes);
    }
    store_cursor_close(cursor);
    KT_TRY(result);
    if (moved != KT_OK && moved != KT_NOT_FOUND)
        return record_store_failed(ctx, moved);
    return give_gone(&walk, NULL);
}

struct gathered {
    struct kt_total_row *at;
    size_t count;
    size_t capacity;
};

static enum kt_status gather(struct kt_ctx *ctx, void *argument, const struct kt_total_row *row)
{
    struct gathered *rows = argument;
    if (rows->count == rows->capacity) {
        size_t grown = rows->capacity ? rows->capacity * 2 : 16;
        struct kt_total_row *wider = kt_alloc(ctx, sizeof(*wider) * grown);
        if (rows->count)
            memcpy(wider, rows->at, sizeof(*wider) * rows->count);
        rows->at = wider;
        rows->capacity = grown;
    }
    rows->at[rows->count++] = *row;
    return context_check_memory(ctx);
}

enum kt_status kt_total_rows(struct kt_ctx *ctx, const char *name, const msgpack_object *prefix,
                             size_t prefix_count, struct kt_total_row **out, size_t *out_count)
{
    const struct schema_total *total;
    struct key key;
    struct gathered rows = {0};
    KT_TRY(find_total(ctx, name, prefix_count, &total));
    begin_prefix(total, prefix, prefix_count, &key);
    KT_TRY(each_row(ctx, total, &key, gather, &rows));
    *out = rows.at;
    *out_count = rows.count;
    return KT_OK;
}

static enum kt_status sum_up(struct kt_ctx *ctx, void *argument, const struct kt_total_row *row)
{
    (void)ctx;
    struct kt_total_row *sum = argument;
    sum->count += row->count;
    for (size_t i = 0; i < KT_MEASURES; i++)
        sum->measures[i] = kt_decimal_add(sum->measures[i], row->measures[i]);
    return KT_OK;
}

enum kt_status kt_total_sum(struct kt_ctx *ctx, const char *name, const msgpack_object *prefix,
                            size_t prefix_count, struct kt_total_row *out)
{
    const struct schema_total *total;
    struct key key;
    KT_TRY(find_total(ctx, name, prefix_count, &total));
    *out = (struct kt_total_row){0};
    for (size_t i = 0; i < KT_GROUP_FIELDS; i++)
        out->by[i] = i < prefix_count ? prefix[i] : kt_nil();
    begin_prefix(total, prefix, prefix_count, &key);
    KT_TRY(each_row(ctx, total, &key, sum_up, out));
    show_digits(ctx, total, out);
    return KT_OK;
}

enum kt_status record_reply_totals(struct kt_ctx *ctx, const msgpack_object *params)
{
    const struct schema_total *total;
    struct key key;
    struct gathered rows = {0};
    size_t prefix_count = kt_count(params, "by");
    if (kt_has(params, "by") && kt_get(params, "by")->type != MSGPACK_OBJECT_ARRAY)
        return kt_fail(ctx, KT_INVALID, "by", "by is a list of the first group values",
                       "by 应为前几项分组值的列表");
    KT_TRY(find_total(ctx, kt_get_text(ctx, params, "total"), prefix_count, &total));
    msgpack_object none = kt_nil();
    begin_prefix(total, prefix_count ? kt_at(params, "by", 0) : &none, prefix_count, &key);
    KT_TRY(each_row(ctx, total, &key, gather, &rows));
    struct kt_list *list = kt_list_new(ctx);
    for (size_t i = 0; i < rows.count; i++) {
        struct kt_map *row = kt_map_new(ctx);
        struct kt_list *by = kt_list_new(ctx);
        for (size_t b = 0; b < total->by_count; b++)
            kt_list_add(by, rows.at[i].by[b]);
        kt_map_set(row, "by", by->object);
        for (size_t m = 0; m < total->decl->measure_count; m++)
            kt_map_set_decimal(row, total->decl->legs[0].measures[m].name, rows.at[i].measures[m]);
        kt_map_set_int(row, "count", rows.at[i].count);
        kt_list_add(list, row->object);
    }
    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set(answer, "rows", list->object);
    kt_reply_map(ctx, answer);
    return context_check_memory(ctx);
}
