/* Searches of the past. Indexes know records as they are now, so a walk as of a moment leaves out
 * whatever was changed since; those records are rebuilt, checked and put in order here, and the
 * walk takes each of them when its turn comes. */
#include <stdlib.h>
#include <string.h>

#include "record/query.h"

struct match {
    uint64_t id;
    const uint8_t *rank;
    size_t rank_size;
};

struct query_past {
    const struct record_ids *changed;
    struct match *matches; /**< In order. */
    size_t count;
    size_t next;
};

/* Did it match then, and where did it stand? */
static enum kt_status look(struct kt_ctx *ctx, const struct record_query *query, uint64_t id,
                           bool *matches, struct query_rank *rank)
{
    struct store_slice bytes;
    msgpack_object record;
    *matches = false;
    enum kt_status status = record_find_past(ctx, query->entity, id, &bytes);
    if (status == KT_NOT_FOUND)
        return KT_OK;
    KT_TRY(status);
    if (!query_sees(query, bytes))
        return KT_OK;
    KT_TRY(context_unpack(ctx, bytes.at, bytes.size, ctx->writable, &record));
    KT_TRY(query_matches(ctx, &query->root, &record, matches));
    return *matches ? query_rank(ctx, query, &record, rank) : KT_OK;
}

/* In memory that is emptied after each record. */
static enum kt_status look_in(struct kt_ctx *ctx, msgpack_zone *scratch,
                              const struct record_query *query, uint64_t id, bool *matches,
                              struct query_rank *rank)
{
    msgpack_zone *arena = ctx->arena;
    size_t used = ctx->arena_used;
    ctx->arena = scratch;
    enum kt_status status = look(ctx, query, id, matches, rank);
    ctx->arena = arena;
    ctx->arena_used = used;
    if (status != KT_OK)
        context_error_keep(ctx);
    msgpack_zone_clear(scratch);
    return status;
}

/* As query_rank_compare: no place is the beginning of another. */
static int compare_ranks(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
    return memcmp(a, b, a_size < b_size ? a_size : b_size);
}

static int compare_matches(const void *a, const void *b)
{
    const struct match *left = a, *right = b;
    return compare_ranks(left->rank, left->rank_size, right->rank, right->rank_size);
}

static enum kt_status find_matches(struct kt_ctx *ctx, const struct record_query *query,
                                   msgpack_zone *scratch, struct query_past *past)
{
    struct query_rank rank, behind;
    if (query->after)
        query_rank_after(query, &behind);
    for (size_t i = 0; i < past->changed->count; i++) {
        bool matches;
        KT_TRY(look_in(ctx, scratch, query, past->changed->at[i], &matches, &rank));
        if (!matches || (query->after && query_rank_compare(&rank, &behind) <= 0))
            continue;
        past->matches[past->count++] = (struct match){
            past->changed->at[i], context_copy(ctx, rank.bytes, rank.size), rank.size};
        KT_TRY(context_check_memory(ctx));
    }
    if (past->count)
        qsort(past->matches, past->count, sizeof(*past->matches), compare_matches);
    return KT_OK;
}

enum kt_status query_past_find(struct kt_ctx *ctx, const struct record_query *query,
                               struct query_past **out)
{
    struct query_past *past = kt_alloc(ctx, sizeof(*past));
    KT_TRY(record_changed_since(ctx, query->entity, &past->changed));
    past->matches = kt_alloc(ctx, sizeof(*past->matches) * (past->changed->count + 1));
    msgpack_zone *scratch = msgpack_zone_new(16384);
    if (!scratch)
        abort();
    enum kt_status status = find_matches(ctx, query, scratch, past);
    msgpack_zone_free(scratch);
    *out = past;
    return status;
}

bool query_past_changed(const struct query_past *past, uint64_t id)
{
    return past && record_ids_have(past->changed, id);
}

bool query_past_has_more(const struct query_past *past)
{
    return past && past->next < past->count;
}

uint64_t query_past_next(struct query_past *past, const struct query_rank *before)
{
    if (!query_past_has_more(past))
        return 0;
    const struct match *match = &past->matches[past->next];
    if (before && compare_ranks(match->rank, match->rank_size, before->bytes, before->size) > 0)
        return 0;
    past->next++;
    return match->id;
}

void query_past_offer(const struct query_past *past, struct query_best *best)
{
    for (size_t i = 0; past && i < past->count; i++) {
        struct query_rank rank = {.size = past->matches[i].rank_size};
        memcpy(rank.bytes, past->matches[i].rank, rank.size);
        query_best_offer(best, past->matches[i].id, &rank);
    }
}
