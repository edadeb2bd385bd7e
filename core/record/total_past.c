/* Totals of a past moment: the present rows, less what the records that changed since add to them
 * now, and with what they added then. */
#include <stdlib.h>
#include <string.h>

#include "kontor/limits.h"
#include "record/record_internal.h"

static enum kt_status add_bytes(struct kt_ctx *ctx, struct total_table *table,
                                struct store_slice bytes, int sign)
{
    msgpack_object record;
    KT_TRY(context_unpack(ctx, bytes.at, bytes.size, ctx->writable, &record));
    record_total_shares(ctx, table->total, &record, sign, total_table_add, table);
    return KT_OK;
}

static enum kt_status add_change(struct kt_ctx *ctx, struct total_table *table, uint64_t id)
{
    const struct schema_entity *entity = table->total->entity;
    struct store_slice bytes;
    enum kt_status status = record_find_present(ctx, entity, id, &bytes);
    if (status == KT_OK)
        status = add_bytes(ctx, table, bytes, -1);
    if (status != KT_OK && status != KT_NOT_FOUND)
        return status;
    status = record_find_past(ctx, entity, id, &bytes);
    if (status == KT_OK)
        status = add_bytes(ctx, table, bytes, 1);
    if (status != KT_OK && status != KT_NOT_FOUND)
        return status;
    if (table->taken > KT_LIMIT_SCAN)
        return kt_fail(ctx, KT_TOO_LARGE, "as_of",
                       "%s changed in more than %u rows since: ask for a later moment",
                       "%s 自该时刻起变动的行超过 %u：请选择更晚的时刻", table->total->decl->name,
                       KT_LIMIT_SCAN);
    return KT_OK;
}

/* Each record in memory that is emptied after it: there may be many. */
static enum kt_status add_changes(struct kt_ctx *ctx, struct total_table *table,
                                  const struct record_ids *ids)
{
    msgpack_zone *arena = ctx->arena;
    size_t used = ctx->arena_used;
    enum kt_status status = KT_OK;
    msgpack_zone *scratch = msgpack_zone_new(16384);
    if (!scratch)
        abort();
    for (size_t i = 0; i < ids->count && status == KT_OK; i++) {
        ctx->arena = scratch;
        status = add_change(ctx, table, ids->at[i]);
        ctx->arena = arena;
        ctx->arena_used = used;
        if (status != KT_OK)
            context_error_keep(ctx);
        msgpack_zone_clear(scratch);
    }
    msgpack_zone_free(scratch);
    return status;
}

static int compare_sums(const void *a, const void *b)
{
    const struct total_sum *left = *(struct total_sum *const *)a;
    const struct total_sum *right = *(struct total_sum *const *)b;
    return total_key_compare((struct store_slice){left->key, left->size},
                             (struct store_slice){right->key, right->size});
}

static void sort(struct past_sums *sums)
{
    sums->sorted = calloc(sums->table.taken + 1, sizeof(*sums->sorted));
    if (!sums->sorted)
        abort();
    for (size_t i = 0; i < sums->table.places; i++)
        if (sums->table.rows[i].key)
            sums->sorted[sums->count++] = &sums->table.rows[i];
    if (sums->count)
        qsort(sums->sorted, sums->count, sizeof(struct total_sum *), compare_sums);
}

void record_past_sums_free(struct past_sums *sums)
{
    while (sums) {
        struct past_sums *next = sums->next;
        total_table_free(&sums->table);
        free(sums->sorted);
        free(sums);
        sums = next;
    }
}

enum kt_status record_total_since(struct kt_ctx *ctx, const struct schema_total *total,
                                  const struct past_sums **out)
{
    const struct record_ids *ids;
    *out = NULL;
    if (!ctx->as_of)
        return KT_OK;
    struct record_past *past = record_past(ctx);
    for (struct past_sums *known = past->sums; known && !*out; known = known->next)
        if (known->table.total == total)
            *out = known;
    if (*out)
        return KT_OK;
    KT_TRY(record_changed_since(ctx, total->entity, &ids));
    struct past_sums *sums = calloc(1, sizeof(*sums));
    if (!sums)
        abort();
    sums->table.total = total;
    enum kt_status status = add_changes(ctx, &sums->table, ids);
    if (status != KT_OK) {
        record_past_sums_free(sums);
        return status;
    }
    sort(sums);
    sums->next = past->sums;
    past->sums = sums;
    *out = sums;
    return KT_OK;
}

size_t record_past_sums_seek(const struct past_sums *sums, struct store_slice key)
{
    size_t low = 0, high = sums->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct total_sum *sum = sums->sorted[middle];
        if (total_key_compare((struct store_slice){sum->key, sum->size}, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
