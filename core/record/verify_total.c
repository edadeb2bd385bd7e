/* Totals against the records: each total is summed up anew into a table in memory, as large as the
 * total itself, and the stored rows are held against it. */
#include <stdio.h>
#include <string.h>

#include "record/verify.h"

static enum kt_status add_record(struct verify *verify, void *argument, uint64_t id,
                                 const msgpack_object *record)
{
    struct total_table *table = argument;
    (void)id;
    record_total_shares(verify->ctx, table->total, record, 1, total_table_add, table);
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

static void compare(struct verify *verify, const struct total_table *table,
                    const struct kt_total_row *stored, const struct total_sum *summed)
{
    const struct schema_total *total = table->total;
    const struct kt_total_row zero = {0};
    const struct kt_decimal *measures = summed ? summed->measures : zero.measures;
    int64_t count = summed ? summed->count : 0;
    char by[256], is[KT_DECIMAL_TEXT_SIZE], should[KT_DECIMAL_TEXT_SIZE];
    describe(total, stored, by, sizeof(by));
    if (stored->count != count)
        verify_problem(verify, VERIFY_TOTAL, total->entity, 0,
                       "row [%s] of %s counts %lld, the records make %lld",
                       "[%s] 行（汇总 %s）计数为 %lld，按记录应为 %lld", by, total->decl->name,
                       (long long)stored->count, (long long)count);
    for (size_t i = 0; i < total->decl->measure_count; i++) {
        if (kt_decimal_compare(stored->measures[i], measures[i]) == 0)
            continue;
        kt_decimal_format(stored->measures[i], is);
        kt_decimal_format(measures[i], should);
        verify_problem(verify, VERIFY_TOTAL, total->entity, 0,
                       "row [%s] of %s: %s is %s, the records add up to %s",
                       "[%s] 行（汇总 %s）：%s 为 %s，按记录应为 %s", by, total->decl->name,
                       total->decl->legs[0].measures[i].name, is, should);
    }
}

static void check_row(struct verify *verify, struct total_table *table, struct store_slice key,
                      struct store_slice bytes)
{
    struct kt_ctx *ctx = verify->ctx;
    struct kt_total_row stored;
    size_t used = ctx->arena_used;
    struct total_sum *summed = total_table_find(table, key.at, key.size);
    if (summed)
        summed->seen = true;
    ctx->arena = verify->scratch;
    verify->total_rows++;
    if (record_total_row(ctx, table->total, key, bytes, &stored) == KT_OK) {
        compare(verify, table, &stored, summed);
    } else {
        context_forgive(ctx);
        verify_problem(verify, VERIFY_TOTAL, table->total->entity, 0, "a row of %s cannot be read",
                       "无法读取汇总 %s 的一行", table->total->decl->name);
    }
    ctx->arena = verify->arena;
    ctx->arena_used = used;
    msgpack_zone_clear(verify->scratch);
}

/* Rows that the records ask for and the store does not have. */
static void check_missing(struct verify *verify, const struct total_table *table)
{
    for (size_t i = 0; i < table->places; i++) {
        const struct total_sum *row = &table->rows[i];
        struct record_share share = {.count = row->count};
        memcpy(share.measures, row->measures, sizeof(share.measures));
        if (!row->key || row->seen || record_share_is_empty(table->total, &share))
            continue;
        struct kt_total_row missing = {.count = 0};
        struct store_slice key = {row->key, row->size};
        char by[256] = "?";
        if (record_total_group(verify->ctx, table->total, key, &missing) == KT_OK)
            describe(table->total, &missing, by, sizeof(by));
        else
            context_forgive(verify->ctx);
        verify_problem(verify, VERIFY_TOTAL, table->total->entity, 0,
                       "row [%s] of %s is not there, the records make %lld entries",
                       "[%s] 行（汇总 %s）不存在，按记录应有 %lld 项", by, table->total->decl->name,
                       (long long)row->count);
    }
}

static enum kt_status walk_rows(struct verify *verify, struct total_table *table)
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
        struct total_table table = {.total = &schema->totals[i]};
        enum kt_status status = verify_records(verify, table.total->entity, add_record, &table);
        if (status == KT_OK)
            status = walk_rows(verify, &table);
        total_table_free(&table);
        KT_TRY(status);
    }
    return KT_OK;
}
