/* Running totals: each record enters rows with numbers and a count; a change takes out what the old
 * record added and adds the new, in the same transaction. A row is stored as a msgpack array
 * [count, measure texts...] and removed when it says nothing any more. */
#include <stdlib.h>
#include <string.h>

#include "record/record_internal.h"

struct deltas {
    struct record_share *at;
    size_t count;
    size_t capacity;
};

static struct record_share *find_delta(struct kt_ctx *ctx, struct deltas *deltas,
                                       const struct key *key)
{
    for (size_t i = deltas->count; i-- > 0;)
        if (deltas->at[i].key.size == key->size &&
            memcmp(deltas->at[i].key.bytes, key->bytes, key->size) == 0)
            return &deltas->at[i];
    if (deltas->count == deltas->capacity) {
        size_t grown = deltas->capacity ? deltas->capacity * 2 : 4;
        struct record_share *wider = kt_alloc(ctx, sizeof(*wider) * grown);
        if (deltas->count)
            memcpy(wider, deltas->at, sizeof(*wider) * deltas->count);
        deltas->at = wider;
        deltas->capacity = grown;
    }
    struct record_share *delta = &deltas->at[deltas->count++];
    delta->key = *key;
    return delta;
}

static void add_group(struct key *key, const struct schema_path *path, enum schema_cut cut,
                      const msgpack_object *value)
{
    const struct schema_field *field = path->line ? path->line : path->field;
    char text[KT_DATE_TEXT_SIZE];
    if (cut == SCHEMA_WHOLE || !value || value->type != MSGPACK_OBJECT_STR ||
        value->via.str.size != 10) {
        record_key_add(key, field, value);
        return;
    }
    memcpy(text, value->via.str.ptr, 10);
    memcpy(cut == SCHEMA_MONTH ? text + 8 : text + 5, cut == SCHEMA_MONTH ? "01" : "01-01",
           cut == SCHEMA_MONTH ? 2 : 5);
    key_add_text(key, text, 10);
}

void record_total_begin(struct key *key, const struct schema_total *total)
{
    key_begin(key, SPACE_TOTAL);
    key_add_u32(key, total->number);
}

static void make_share(const struct schema_total *total, const struct schema_leg *leg,
                       const msgpack_object *record, const msgpack_object *line, int sign,
                       struct record_share *out)
{
    record_total_begin(&out->key, total);
    for (size_t i = 0; i < total->by_count; i++)
        add_group(&out->key, &leg->by[i], leg->cut[i],
                  record_path_value(&leg->by[i], record, line));
    out->count = sign;
    for (size_t i = 0; i < total->decl->measure_count; i++) {
        const struct schema_path *path = &leg->measures[i];
        out->measures[i] = KT_DECIMAL_ZERO;
        if (!path->field)
            continue;
        const char *name = path->line ? path->line->decl->name : path->field->decl->name;
        struct kt_decimal number = kt_get_decimal(path->line ? line : record, name);
        out->measures[i] = leg->minus[i] != (sign < 0) ? kt_decimal_neg(number) : number;
    }
}

static bool takes_part(const struct schema_total *total, const msgpack_object *record)
{
    if (!total->when)
        return true;
    for (size_t i = 0; i < total->decl->is.count; i++)
        if (kt_is(record, total->when->decl->name, total->decl->is.at[i]))
            return true;
    return false;
}

void record_total_shares(struct kt_ctx *ctx, const struct schema_total *total,
                         const msgpack_object *record, int sign, record_share_each each,
                         void *argument)
{
    struct record_share share = {.count = 0};
    if (!record || !takes_part(total, record))
        return;
    for (size_t l = 0; l < total->decl->leg_count; l++) {
        const struct schema_leg *leg = &total->legs[l];
        if (!leg->over_lines) {
            make_share(total, leg, record, NULL, sign, &share);
            each(ctx, argument, &share);
            continue;
        }
        const char *lines = leg->lines->decl->name;
        size_t count = kt_count(record, lines);
        for (size_t i = 0; i < count; i++) {
            make_share(total, leg, record, kt_at(record, lines, i), sign, &share);
            each(ctx, argument, &share);
        }
    }
}

static void add_share(struct kt_ctx *ctx, void *argument, const struct record_share *share)
{
    struct record_share *delta = find_delta(ctx, argument, &share->key);
    delta->count += share->count;
    for (size_t i = 0; i < KT_MEASURES; i++)
        delta->measures[i] = kt_decimal_add(delta->measures[i], share->measures[i]);
}

static enum kt_status read_row(struct kt_ctx *ctx, const struct schema_total *total,
                               struct store_slice bytes, struct kt_total_row *row)
{
    msgpack_object stored;
    KT_TRY(context_unpack(ctx, bytes.at, bytes.size, true, &stored));
    if (stored.type != MSGPACK_OBJECT_ARRAY || stored.via.array.size == 0)
        return record_store_failed(ctx, KT_INTERNAL);
    row->count = stored.via.array.ptr[0].via.i64;
    for (size_t i = 0; i < total->decl->measure_count && i + 1 < stored.via.array.size; i++) {
        const msgpack_object *text = &stored.via.array.ptr[i + 1];
        if (text->type != MSGPACK_OBJECT_STR ||
            !kt_decimal_parse(text->via.str.ptr, text->via.str.size, &row->measures[i]))
            return record_store_failed(ctx, KT_INTERNAL);
    }
    return KT_OK;
}

static enum kt_status write_row(struct kt_ctx *ctx, const struct schema_total *total,
                                const struct key *key, const struct kt_total_row *row)
{
    bool empty = row->count == 0;
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, total->decl->measure_count + 1);
    msgpack_pack_int64(&packer, row->count);
    bool broken = false;
    for (size_t i = 0; i < total->decl->measure_count; i++) {
        char text[KT_DECIMAL_TEXT_SIZE];
        size_t length = kt_decimal_format(kt_decimal_trim(row->measures[i], 0), text);
        msgpack_pack_str_with_body(&packer, text, length);
        empty = empty && kt_decimal_is_zero(row->measures[i]);
        broken = broken || !kt_decimal_is_valid(row->measures[i]);
    }
    enum kt_status status;
    if (broken)
        status = kt_fail(ctx, KT_INVALID, NULL, "the total %s would have more than 38 digits",
                         "汇总 %s 将超过 38 位数字", total->decl->name);
    else if (empty)
        status = store_del(ctx->txn, key_slice(key));
    else
        status =
            store_put(ctx->txn, key_slice(key), (struct store_slice){buffer.data, buffer.size});
    msgpack_sbuffer_destroy(&buffer);
    if (status == KT_NOT_FOUND || status == KT_OK || broken)
        return broken ? status : KT_OK;
    return record_store_failed(ctx, status);
}

bool record_share_is_empty(const struct schema_total *total, const struct record_share *share)
{
    bool nothing = share->count == 0;
    for (size_t i = 0; i < total->decl->measure_count; i++)
        nothing = nothing && kt_decimal_is_valid(share->measures[i]) &&
                  kt_decimal_is_zero(share->measures[i]);
    return nothing;
}

static enum kt_status apply(struct kt_ctx *ctx, const struct schema_total *total,
                            const struct record_share *delta)
{
    struct kt_total_row row = {0};
    struct store_slice bytes;
    if (record_share_is_empty(total, delta))
        return KT_OK;
    if (delta->key.overflow)
        return kt_fail(ctx, KT_INVALID, NULL, "the group values of total %s are too long",
                       "汇总 %s 的分组值过长", total->decl->name);
    enum kt_status status = store_get(ctx->txn, key_slice(&delta->key), &bytes);
    if (status == KT_OK)
        KT_TRY(read_row(ctx, total, bytes, &row));
    else if (status != KT_NOT_FOUND)
        return record_store_failed(ctx, status);
    row.count += delta->count;
    for (size_t i = 0; i < total->decl->measure_count; i++)
        row.measures[i] = kt_decimal_add(row.measures[i], delta->measures[i]);
    return write_row(ctx, total, &delta->key, &row);
}

static enum kt_status change_one(struct kt_ctx *ctx, const struct schema_total *total,
                                 const msgpack_object *old, const msgpack_object *record)
{
    struct deltas deltas = {0};
    record_total_shares(ctx, total, old, -1, add_share, &deltas);
    record_total_shares(ctx, total, record, 1, add_share, &deltas);
    KT_TRY(context_check_memory(ctx));
    for (size_t i = 0; i < deltas.count; i++)
        KT_TRY(apply(ctx, total, &deltas.at[i]));
    return KT_OK;
}

enum kt_status record_total_change(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const msgpack_object *old, const msgpack_object *record)
{
    for (size_t t = 0; t < entity->total_count; t++)
        KT_TRY(change_one(ctx, entity->totals[t], old, record));
    return KT_OK;
}

enum kt_status record_total_add(struct kt_ctx *ctx, const struct schema_total *total,
                                const msgpack_object *record)
{
    return change_one(ctx, total, NULL, record);
}

/* --- Reading --- */

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
    return read_row(ctx, total, bytes, out);
}

/* Stored without trailing zeros; shown with the digits of what was added up: money as 330.00. */
static void show_digits(const struct schema_total *total, struct kt_total_row *row)
{
    for (size_t m = 0; m < total->decl->measure_count; m++) {
        int digits = 0;
        for (size_t l = 0; l < total->decl->leg_count; l++) {
            const struct schema_path *path = &total->legs[l].measures[m];
            const struct schema_field *field = path->line ? path->line : path->field;
            if (field && field->min_digits > digits)
                digits = field->min_digits;
        }
        if (row->measures[m].scale < digits)
            row->measures[m] = kt_decimal_round(row->measures[m], digits);
    }
}

enum kt_status kt_total_get(struct kt_ctx *ctx, const char *name, const msgpack_object *by,
                            size_t by_count, struct kt_total_row *out)
{
    const struct schema_total *total;
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
        KT_TRY(read_row(ctx, total, bytes, out));
    else if (status != KT_NOT_FOUND)
        return record_store_failed(ctx, status);
    show_digits(total, out);
    return KT_OK;
}

typedef enum kt_status (*row_each)(struct kt_ctx *ctx, void *argument,
                                   const struct kt_total_row *row);

static enum kt_status each_row(struct kt_ctx *ctx, const struct schema_total *total,
                               const struct key *prefix, row_each each, void *argument)
{
    struct store_cursor *cursor;
    struct store_slice found, bytes;
    enum kt_status status = store_cursor_open(ctx->txn, &cursor);
    if (status != KT_OK)
        return record_store_failed(ctx, status);
    enum kt_status result = KT_OK;
    status = store_seek(cursor, key_slice(prefix), &found, &bytes);
    while (status == KT_OK && result == KT_OK && key_has_prefix(found, key_slice(prefix))) {
        struct kt_total_row row;
        result = record_total_row(ctx, total, found, bytes, &row);
        show_digits(total, &row);
        if (result == KT_OK)
            result = each(ctx, argument, &row);
        if (result == KT_OK)
            result = context_check_memory(ctx);
        status = store_next(cursor, &found, &bytes);
    }
    store_cursor_close(cursor);
    if (result == KT_OK && status != KT_OK && status != KT_NOT_FOUND)
        return record_store_failed(ctx, status);
    return result;
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
    return KT_OK;
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
    show_digits(total, out);
    return KT_OK;
}

enum kt_status record_reply_totals(struct kt_ctx *ctx, const msgpack_object *params)
{
    const struct schema_total *total;
    struct key key;
    struct gathered rows = {0};
    size_t prefix_count = kt_count(params, "by");
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
