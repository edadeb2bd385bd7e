/* How many records an entity has: kept in the same transaction as the records, so that counting all
 * of them is one lookup. The row is two numbers, big-endian, under the entity's catalog number,
 * which no other counter has. */
#include <string.h>

#include "record/record_internal.h"

static void counts_key(struct key *key, const struct schema_entity *entity)
{
    key_begin(key, SPACE_COUNTER);
    key_add_u32(key, entity->number);
}

static uint64_t read_number(const uint8_t *at)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | at[i];
    return number;
}

static void write_number(uint8_t *at, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(number >> (56 - 8 * i));
}

enum kt_status record_counts_read(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  struct record_counts *out)
{
    struct key key;
    struct store_slice bytes;
    *out = (struct record_counts){0};
    counts_key(&key, entity);
    enum kt_status status = store_get(ctx->txn, key_slice(&key), &bytes);
    if (status == KT_NOT_FOUND)
        return KT_OK;
    if (status != KT_OK || bytes.size != 16)
        return record_store_failed(ctx, KT_INTERNAL);
    out->all = read_number(bytes.at);
    out->archived = read_number((const uint8_t *)bytes.at + 8);
    return KT_OK;
}

enum kt_status record_counts_write(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const struct record_counts *counts)
{
    struct key key;
    uint8_t bytes[16];
    counts_key(&key, entity);
    write_number(bytes, counts->all);
    write_number(bytes + 8, counts->archived);
    enum kt_status status =
        store_put(ctx->txn, key_slice(&key), (struct store_slice){bytes, sizeof(bytes)});
    return status == KT_OK ? KT_OK : record_store_failed(ctx, status);
}

static enum kt_status last_id_of(struct kt_ctx *ctx, char space, const struct schema_entity *entity,
                                 uint64_t *out)
{
    struct key prefix, behind;
    struct store_cursor *cursor;
    struct store_slice found;
    key_begin(&prefix, space);
    key_add_u32(&prefix, entity->number);
    behind = prefix;
    *out = 0;
    if (!key_successor(&behind) || store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    if (store_seek_before(cursor, key_slice(&behind), &found, NULL) == KT_OK &&
        key_has_prefix(found, key_slice(&prefix))) {
        struct key_reader reader = key_read(found);
        uint32_t number;
        if (!key_read_u32(&reader, &number) || !key_read_u64(&reader, out))
            *out = 0;
    }
    store_cursor_close(cursor);
    return KT_OK;
}

enum kt_status record_last_used_id(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   uint64_t *out)
{
    uint64_t told;
    KT_TRY(last_id_of(ctx, SPACE_RECORD, entity, out));
    KT_TRY(last_id_of(ctx, SPACE_HISTORY, entity, &told));
    *out = *out < told ? told : *out;
    return KT_OK;
}

void record_counts_add(struct record_counts *counts, const msgpack_object *record)
{
    counts->all++;
    counts->archived += kt_get_bool(record, "archived");
}

enum kt_status record_counts_change(struct kt_ctx *ctx, const struct schema_entity *entity,
                                    const msgpack_object *old, const msgpack_object *record)
{
    struct record_counts counts, before = {0}, after = {0};
    if (old)
        record_counts_add(&before, old);
    if (record)
        record_counts_add(&after, record);
    if (before.all == after.all && before.archived == after.archived)
        return KT_OK;
    KT_TRY(record_counts_read(ctx, entity, &counts));
    counts.all += after.all - before.all;
    counts.archived += after.archived - before.archived;
    return record_counts_write(ctx, entity, &counts);
}
