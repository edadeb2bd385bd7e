/* A search for words: the records that the full-text index finds, the best first, as far as they
 * match the conditions too. The cursor is [points, id] of the last one given. The index knows
 * records as they are now: as of a moment, those that changed since are rebuilt and weighed by
 * themselves. */
#include <stdlib.h>

#include "kontor/limits.h"
#include "record/query.h"
#include "record/word_search.h"

static enum kt_status read_cursor(struct kt_ctx *ctx, const msgpack_object *after,
                                  struct word_hit *out)
{
    const msgpack_object *parts = after->via.array.ptr;
    if (after->type != MSGPACK_OBJECT_ARRAY || after->via.array.size != 2 ||
        parts[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER || parts[0].via.u64 > UINT32_MAX ||
        parts[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return kt_fail(ctx, KT_INVALID, "after", "after must be the `next` of the page before",
                       "after 必须是上一页返回的 next");
    *out = (struct word_hit){parts[1].via.u64, (uint32_t)parts[0].via.u64};
    return KT_OK;
}

static bool comes_behind(const struct word_hit *hit, const struct word_hit *edge)
{
    return hit->points < edge->points || (hit->points == edge->points && hit->id < edge->id);
}

/* In memory that is emptied after each record. */
static enum kt_status look_at(struct kt_ctx *ctx, struct record_query *query, uint64_t id,
                              msgpack_zone *scratch, struct store_slice *bytes, bool *matches)
{
    msgpack_object record;
    *matches = false;
    KT_TRY(record_bytes(ctx, query->entity, id, bytes));
    query->looked++;
    if (!query_sees(query, *bytes))
        return KT_OK;
    struct context_aside aside = context_aside_begin(ctx, scratch);
    enum kt_status status = context_unpack(ctx, bytes->at, bytes->size, false, &record);
    if (status == KT_OK)
        status = query_matches(ctx, &query->root, &record, matches);
    return context_aside_end(ctx, &aside, status);
}

/* --- As of a moment --- */

static enum kt_status weigh_past(struct kt_ctx *ctx, const struct word_query *words, uint64_t id,
                                 uint32_t *points)
{
    struct store_slice bytes;
    msgpack_object record;
    *points = 0;
    enum kt_status status = record_find_past(ctx, words->entity, id, &bytes);
    if (status == KT_NOT_FOUND)
        return KT_OK;
    KT_TRY(status);
    KT_TRY(context_unpack(ctx, bytes.at, bytes.size, ctx->writable, &record));
    *points = word_query_points(ctx, words, &record);
    return KT_OK;
}

static enum kt_status add_past(struct kt_ctx *ctx, const struct word_query *words,
                               const struct record_ids *changed, msgpack_zone *scratch,
                               struct word_hits *hits)
{
    for (size_t i = 0; i < changed->count; i++) {
        msgpack_zone *arena = ctx->arena;
        size_t used = ctx->arena_used;
        uint32_t points;
        ctx->arena = scratch;
        enum kt_status status = weigh_past(ctx, words, changed->at[i], &points);
        ctx->arena = arena;
        ctx->arena_used = used;
        if (status != KT_OK)
            context_error_keep(ctx);
        msgpack_zone_clear(scratch);
        KT_TRY(status);
        if (points)
            hits->at[hits->count++] = (struct word_hit){changed->at[i], points};
    }
    word_hits_sort(hits);
    return KT_OK;
}

static enum kt_status put_in_past(struct kt_ctx *ctx, const struct word_query *words,
                                  msgpack_zone *scratch, struct word_hits *hits)
{
    const struct record_ids *changed;
    KT_TRY(record_changed_since(ctx, words->entity, &changed));
    struct word_hits then = {0};
    then.at = kt_alloc(ctx, sizeof(*then.at) * (hits->count + changed->count + 1));
    for (size_t i = 0; i < hits->count; i++)
        if (!record_ids_have(changed, hits->at[i].id))
            then.at[then.count++] = hits->at[i];
    *hits = then;
    return add_past(ctx, words, changed, scratch, hits);
}

static enum kt_status find_hits(struct kt_ctx *ctx, struct word_query *words, msgpack_zone *scratch,
                                struct word_hits *hits)
{
    uint64_t as_of = ctx->as_of;
    ctx->as_of = 0;
    enum kt_status status = word_query_run(ctx, words, hits);
    ctx->as_of = as_of;
    return status == KT_OK && as_of ? put_in_past(ctx, words, scratch, hits) : status;
}

/* --- Giving --- */

static msgpack_object cursor_of(struct kt_ctx *ctx, const struct word_hit *hit)
{
    struct kt_list *pair = kt_list_new(ctx);
    kt_list_add(pair, kt_id(hit->points));
    kt_list_add(pair, kt_id(hit->id));
    return pair->object;
}

static enum kt_status give(struct kt_ctx *ctx, struct record_query *query,
                           const struct word_hits *hits, const struct word_hit *edge,
                           msgpack_zone *scratch, record_each each, void *argument,
                           msgpack_object *next)
{
    for (size_t i = 0; i < hits->count; i++) {
        const struct word_hit *hit = &hits->at[i];
        struct store_slice bytes;
        bool matches;
        if (edge && !comes_behind(hit, edge))
            continue;
        KT_TRY(look_at(ctx, query, hit->id, scratch, &bytes, &matches));
        if (!matches)
            continue;
        query->matched++;
        KT_TRY(each(ctx, argument, hit->id, bytes));
        if (query->limit && query->matched == query->limit) {
            *next = cursor_of(ctx, hit);
            break;
        }
    }
    return KT_OK;
}

enum kt_status record_query_run_text(struct kt_ctx *ctx, struct record_query *query,
                                     const msgpack_object *text, const msgpack_object *after,
                                     record_each each, void *argument, msgpack_object *next)
{
    struct word_query *words;
    struct word_hits hits;
    struct word_hit edge;
    *next = kt_nil();
    KT_TRY(word_query_compile(ctx, query->entity, text, &words));
    if (after)
        KT_TRY(read_cursor(ctx, after, &edge));
    msgpack_zone *scratch = msgpack_zone_new(16384);
    if (!scratch)
        abort();
    enum kt_status status = find_hits(ctx, words, scratch, &hits);
    if (status == KT_OK)
        status = give(ctx, query, &hits, after ? &edge : NULL, scratch, each, argument, next);
    msgpack_zone_free(scratch);
    return status;
}
