/* Totals against the records: each total is summed up anew into a table in memory, as large as the
 * total itself, and the stored rows are held against it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/verify.h"

struct row {
    uint8_t *key; /**< NULL: a free place. */
    uint16_t size;
    bool stored; /**< A stored row was held against it. */
    struct kt_decimal measures[KT_MEASURES];
    int64_t count;
};

/* Open addressing; the number of places is a power of two and never more than half taken. */
struct table {
    const struct schema_total *total;
    struct row *rows;
    size_t places;
    size_t taken;
};

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* FNV-1a, 64 bits. */
static uint64_t hash(const uint8_t *bytes, size_t size)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++)
        value = (value ^ bytes[i]) * UINT64_C(0x100000001b3);
    return value;
}

/* The row of the key, or the free place for it. */
static struct row *find_row(const struct table *table, const uint8_t *key, size_t size)
{
    size_t place = (size_t)hash(key, size) & (table->places - 1);
    while (table->rows[place].key &&
           (table->rows[place].size != size || memcmp(table->rows[place].key, key, size) != 0))
        place = (place + 1) & (table->places - 1);
    return &table->rows[place];
}

static void grow(struct table *table)
{
    struct table wider = {.total = table->total, .taken = table->taken};
    wider.places = table->places ? table->places * 2 : 256;
    wider.rows = must(calloc(wider.places, sizeof(*wider.rows)));
    for (size_t i = 0; i < table->places; i++)
        if (table->rows[i].key)
            *find_row(&wider, table->rows[i].key, table->rows[i].size) = table->rows[i];
    free(table->rows);
    *table = wider;
}

static void table_free(struct table *table)
{
    for (size_t i = 0; i < table->places; i++)
        free(table->rows[i].key);
    free(table->rows);
}

static void add_share(struct kt_ctx *ctx, void *argument, const struct record_share *share)
{
    struct table *table = argument;
    (void)ctx;
    if ((table->taken + 1) * 2 > table->places)
        grow(table);
    struct row *row = find_row(table, share->key.bytes, share->key.size);
    if (!row->key) {
        row->key = must(malloc(share->key.size ? share->key.size : 1u));
        memcpy(row->key, share->key.bytes, share->key.size);
        row->size = share->key.size;
        table->taken++;
    }
    row->count += share->count;
    for (size_t i = 0; i < KT_MEASURES; i++)
        row->measures[i] = kt_decimal_add(row->measures[i], share->measures[i]);
}

static enum kt_status add_record(struct verify *verify, void *argument, uint64_t id,
                                 const msgpack_object *record)
{
    struct table *table = argument;
    (void)id;
    record_total_shares(verify->ctx, table->total, record, 1, add_share, table);
    return KT_OK;
}

/* "bolt, 2026-11-01" */
static void describe(const struct schema_total *total, const struct kt_total_row *row, char *out,
                     size_t size)
{
    size_t used = 0;
    *out = '\0';
    for (size_t i = 0; i < total->by_count && used + 1 < size; i++) {
        const msgpack_object *value = &row->by[i];
        int more;
        if (value->type == MSGPACK_OBJECT_STR)
            more = snprintf(out + used, size - used, "%s%.*s", i ? ", " : "",
                            (int)value->via.str.size, value->via.str.ptr);
        else if (value->type == MSGPACK_OBJECT_BOOLEAN)
            more = snprintf(out + used, size - used, "%s%s", i ? ", " : "",
                            value->via.boolean ? "true" : "false");
        else if (value->type == MSGPACK_OBJECT_NIL)
            more = snprintf(out + used, size - used, "%snothing", i ? ", " : "");
        else
            more = snprintf(out + used, size - used, "%s%lld", i ? ", " : "",
                            (long long)value->via.i64);
        used += more > 0 ? (size_t)more : 0;
    }
}

static void compare(struct verify *verify, const struct table *table,
                    const struct kt_total_row *stored, const struct row *summed)
{
    const struct schema_total *total = table->total;
    const struct kt_total_row zero = {0};
    const struct kt_decimal *measures = summed ? summed->measures : zero.measures;
    int64_t count = summed ? summed->count : 0;
    char by[256], is[KT_DECIMAL_TEXT_SIZE], should[KT_DECIMAL_TEXT_SIZE];
    describe(total, stored, by, sizeof(by));
    if (stored->count != count)
        verify_problem(verify, "total", total->entity->name, 0,
                       "row [%s] of %s counts %lld, the records make %lld", by, total->decl->name,
                       (long long)stored->count, (long long)count);
    for (size_t i = 0; i < total->decl->measure_count; i++) {
        if (kt_decimal_compare(stored->measures[i], measures[i]) == 0)
            continue;
        kt_decimal_format(stored->measures[i], is);
        kt_decimal_format(measures[i], should);
        verify_problem(verify, "total", total->entity->name, 0,
                       "row [%s] of %s: %s is %s, the records add up to %s", by, total->decl->name,
                       total->decl->legs[0].measures[i].name, is, should);
    }
}

static void check_row(struct verify *verify, struct table *table, struct store_slice key,
                      struct store_slice bytes)
{
    struct kt_ctx *ctx = verify->ctx;
    struct kt_total_row stored;
    size_t used = ctx->arena_used;
    struct row *summed = table->places ? find_row(table, key.at, key.size) : NULL;
    if (summed && summed->key)
        summed->stored = true;
    ctx->arena = verify->scratch;
    verify->total_rows++;
    if (record_total_row(ctx, table->total, key, bytes, &stored) == KT_OK) {
        compare(verify, table, &stored, summed && summed->key ? summed : NULL);
    } else {
        context_forgive(ctx);
        verify_problem(verify, "total", table->total->entity->name, 0, "a row of %s cannot be read",
                       table->total->decl->name);
    }
    ctx->arena = verify->arena;
    ctx->arena_used = used;
    msgpack_zone_clear(verify->scratch);
}

/* Rows that the records ask for and the store does not have. */
static void check_missing(struct verify *verify, const struct table *table)
{
    for (size_t i = 0; i < table->places; i++) {
        const struct row *row = &table->rows[i];
        struct record_share share = {.count = row->count};
        memcpy(share.measures, row->measures, sizeof(share.measures));
        if (!row->key || row->stored || record_share_is_empty(table->total, &share))
            continue;
        struct kt_total_row missing = {.count = 0};
        struct store_slice key = {row->key, row->size};
        char by[256] = "?";
        if (record_total_group(verify->ctx, table->total, key, &missing) == KT_OK)
            describe(table->total, &missing, by, sizeof(by));
        else
            context_forgive(verify->ctx);
        verify_problem(verify, "total", table->total->entity->name, 0,
                       "row [%s] of %s is not there, the records make %lld entries", by,
                       table->total->decl->name, (long long)row->count);
    }
}

static enum kt_status walk_rows(struct verify *verify, struct table *table)
{
    struct kt_ctx *ctx = verify->ctx;
    struct key prefix;
    struct store_cursor *cursor;
    struct store_slice found, bytes;
    record_total_begin(&prefix, table->total);
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    enum kt_status moved = store_seek(cursor, key_slice(&prefix), &found, &bytes);
    while (moved == KT_OK && key_has_prefix(found, key_slice(&prefix))) {
        check_row(verify, table, found, bytes);
        moved = store_next(cursor, &found, &bytes);
    }
    store_cursor_close(cursor);
    check_missing(verify, table);
    return moved == KT_OK || moved == KT_NOT_FOUND ? KT_OK : record_store_failed(ctx, moved);
}

enum kt_status verify_totals(struct verify *verify)
{
    const struct schema *schema = verify->ctx->schema;
    for (size_t i = 0; i < schema->total_count; i++) {
        struct table table = {.total = &schema->totals[i]};
        enum kt_status status = verify_records(verify, table.total->entity, add_record, &table);
        if (status == KT_OK)
            status = walk_rows(verify, &table);
        table_free(&table);
        KT_TRY(status);
    }
    return KT_OK;
}
