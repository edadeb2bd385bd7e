/* Running totals: each record enters rows with numbers and a count; a change takes out what the old
 * record added and adds the new, in the same transaction. A row is stored as a msgpack array
 * [count, measure texts...] and removed when it says nothing any more. */
#include <stdlib.h>
#include <string.h>

#include "record/journal.h"
#include "record/record_internal.h"

static void add_group(struct key *key, const struct schema_path *path, enum schema_cut cut,
                      const msgpack_object *value)
{
    const struct schema_field *field = path->line ? path->line : path->field;
    char day[KT_DATE_TEXT_SIZE];
    if (record_bucket(cut, value, day))
        key_add_text(key, day, strlen(day));
    else
        record_key_add(key, field, value);
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

enum kt_status record_total_numbers(struct kt_ctx *ctx, const struct schema_total *total,
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
                                struct store_slice key, const struct kt_total_row *row)
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
        status = store_del(ctx->txn, key);
    else
        status = store_put(ctx->txn, key, (struct store_slice){buffer.data, buffer.size});
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
                            const struct total_sum *delta)
{
    struct kt_total_row row = {0};
    struct store_slice key = {delta->key, delta->size}, bytes;
    struct record_share share = {.count = delta->count};
    memcpy(share.measures, delta->measures, sizeof(share.measures));
    if (record_share_is_empty(total, &share))
        return KT_OK;
    enum kt_status status = store_get(ctx->txn, key, &bytes);
    if (status == KT_OK)
        KT_TRY(record_total_numbers(ctx, total, bytes, &row));
    else if (status != KT_NOT_FOUND)
        return record_store_failed(ctx, status);
    if (ctx->journal)
        journal_note_total(ctx, total, key, status == KT_OK ? bytes : (struct store_slice){0});
    row.count += delta->count;
    for (size_t i = 0; i < total->decl->measure_count; i++)
        row.measures[i] = kt_decimal_add(row.measures[i], delta->measures[i]);
    return write_row(ctx, total, key, &row);
}

struct change {
    struct total_table sums;
    bool overflow; /**< Some group values make no key. */
};

static void add_share(struct kt_ctx *ctx, void *argument, const struct record_share *share)
{
    struct change *change = argument;
    change->overflow = change->overflow || share->key.overflow;
    total_table_add(ctx, &change->sums, share);
}

static enum kt_status apply_all(struct kt_ctx *ctx, const struct schema_total *total,
                                const struct change *change)
{
    if (change->overflow)
        return kt_fail(ctx, KT_INVALID, NULL, "the group values of total %s are too long",
                       "汇总 %s 的分组值过长", total->decl->name);
    for (size_t i = 0; i < change->sums.places; i++)
        if (change->sums.rows[i].key)
            KT_TRY(apply(ctx, total, &change->sums.rows[i]));
    return KT_OK;
}

static enum kt_status change_one(struct kt_ctx *ctx, const struct schema_total *total,
                                 const msgpack_object *old, const msgpack_object *record)
{
    struct change change = {.sums = {.total = total}};
    record_total_shares(ctx, total, old, -1, add_share, &change);
    record_total_shares(ctx, total, record, 1, add_share, &change);
    enum kt_status status = apply_all(ctx, total, &change);
    total_table_free(&change.sums);
    return status;
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
