/* Walking a plan. Records come along one range of keys, from a few ranges side by side, or by id
 * after all keys were gathered; each is checked against the conditions, and is given at once or,
 * when the walk does not go in the asked order, offered to the best of the page. As of a moment,
 * what changed since is left out of the walk and comes in from query_past.c in its place. */
#include <stdlib.h>
#include <string.h>

#include "record/query.h"

/* So many keys cost no more than a record. */
#define KEYS_PER_RECORD 5

struct walk {
    struct kt_ctx *ctx;
    struct record_query *query;
    record_each each;
    void *argument;
    msgpack_object *next;
    msgpack_zone *scratch; /**< For records that are looked at and let go. */
    bool keys_only;        /**< Keys are counted, no record is looked at. */
    uint32_t given;
    uint64_t last;             /**< Id of the record looked at last. */
    bool full;                 /**< The page has ended. */
    struct query_best *best;   /**< Only when sorting. */
    struct query_rank *behind; /**< Only when sorting: the place of the cursor. */
    struct query_past *past;   /**< Only as of a moment. */
};

/* --- One record --- */

/* Conditions are checked in memory that is emptied after each record, or a scan over many records
 * would use up the request's arena. */
static enum kt_status check(struct walk *walk, struct store_slice bytes, bool *matches,
                            struct query_rank *rank)
{
    struct kt_ctx *ctx = walk->ctx;
    msgpack_object record;
    *matches = query_sees(walk->query, bytes);
    if (!*matches)
        return KT_OK;
    if ((walk->query->root.child_count == 0 || walk->query->plan.implied) && !rank)
        return KT_OK;
    struct context_aside aside = context_aside_begin(ctx, walk->scratch);
    enum kt_status status = context_unpack(ctx, bytes.at, bytes.size, false, &record);
    if (status == KT_OK)
        status = query_matches(ctx, &walk->query->root, &record, matches);
    if (status == KT_OK && *matches && rank)
        status = query_rank(ctx, walk->query, &record, rank);
    return context_aside_end(ctx, &aside, status);
}

static enum kt_status load(struct walk *walk, uint64_t id, struct store_slice *out)
{
    const struct schema_entity *entity = walk->query->entity;
    enum kt_status status = query_past_changed(walk->past, id)
                                ? record_find_past(walk->ctx, entity, id, out)
                                : record_find_present(walk->ctx, entity, id, out);
    return status == KT_OK ? KT_OK : record_store_failed(walk->ctx, KT_INTERNAL);
}

/* The page ends; the next one begins behind this record. */
static enum kt_status end_page(struct walk *walk, uint64_t id)
{
    struct store_slice bytes;
    msgpack_object record;
    walk->full = true;
    if (!walk->next)
        return KT_OK;
    KT_TRY(load(walk, id, &bytes));
    KT_TRY(context_unpack(walk->ctx, bytes.at, bytes.size, false, &record));
    return query_cursor(walk->ctx, walk->query, &record, walk->next);
}

static enum kt_status give(struct walk *walk, uint64_t id, struct store_slice bytes)
{
    KT_TRY(walk->each(walk->ctx, walk->argument, id, bytes));
    walk->given++;
    walk->query->matched += !walk->best; /* Those kept to be sorted are counted already. */
    bool ends = walk->query->enough || walk->given == walk->query->limit;
    return ends ? end_page(walk, id) : KT_OK;
}

/* What has to be rebuilt is let go as soon as it was given. */
static enum kt_status give_by_id(struct walk *walk, uint64_t id)
{
    struct kt_ctx *ctx = walk->ctx;
    msgpack_zone *arena = ctx->arena;
    size_t used = ctx->arena_used;
    struct store_slice bytes;
    ctx->arena = walk->scratch;
    enum kt_status status = load(walk, id, &bytes);
    ctx->arena = arena;
    ctx->arena_used = used;
    if (status == KT_OK)
        status = give(walk, id, bytes);
    else
        context_error_keep(ctx);
    msgpack_zone_clear(walk->scratch);
    return status;
}

/* Those of the past whose place is before `rank`, or all that are left. */
static enum kt_status give_past(struct walk *walk, const struct query_rank *rank)
{
    uint64_t id;
    while (!walk->full && (id = query_past_next(walk->past, rank)))
        KT_TRY(give_by_id(walk, id));
    return KT_OK;
}

/* The page ends early, behind the record looked at last. */
static enum kt_status end_early(struct walk *walk)
{
    struct store_slice bytes;
    struct query_rank rank;
    msgpack_object record;
    if (walk->past) {
        KT_TRY(load(walk, walk->last, &bytes));
        KT_TRY(context_unpack(walk->ctx, bytes.at, bytes.size, false, &record));
        KT_TRY(query_rank(walk->ctx, walk->query, &record, &rank));
        KT_TRY(give_past(walk, &rank));
    }
    return walk->full ? KT_OK : end_page(walk, walk->last);
}

static bool may_end_early(const struct walk *walk)
{
    return walk->query->paged && !walk->query->plan.sorts && walk->next && walk->last;
}

static enum kt_status looked_enough(struct walk *walk)
{
    if (may_end_early(walk))
        return end_early(walk);
    KT_TRY(context_check_time(walk->ctx));
    return kt_fail(walk->ctx, KT_TOO_LARGE, "where",
                   "the search looks at more than %u records: add a condition on an indexed field",
                   "搜索检查的记录超过 %u 条：请增加索引字段条件", KT_LIMIT_SCAN);
}

static enum kt_status visit(struct walk *walk, uint64_t id, struct store_slice bytes)
{
    struct query_rank rank;
    bool matches, ranked = walk->best || query_past_has_more(walk->past);
    if (walk->query->looked == walk->query->most || context_is_late(walk->ctx))
        return looked_enough(walk);
    walk->query->looked++;
    walk->last = id;
    KT_TRY(check(walk, bytes, &matches, ranked ? &rank : NULL));
    if (!matches)
        return KT_OK;
    if (!walk->best) {
        KT_TRY(give_past(walk, &rank));
        return walk->full ? KT_OK : give(walk, id, bytes);
    }
    walk->query->matched++;
    if (!walk->behind || query_rank_compare(&rank, walk->behind) > 0)
        query_best_offer(walk->best, id, &rank);
    return context_check_memory(walk->ctx);
}

/* --- Keys --- */

static uint64_t key_record(const struct query_access *access, struct store_slice key,
                           struct store_slice value)
{
    uint64_t id;
    if (!access->index || !access->index->unique)
        return record_key_id(key);
    memcpy(&id, value.at, sizeof(id));
    return id;
}

static enum kt_status count_key(struct walk *walk, uint64_t id)
{
    if (walk->query->looked == KEYS_PER_RECORD * walk->query->most || context_is_late(walk->ctx))
        return looked_enough(walk);
    walk->query->looked++;
    walk->query->matched++;
    walk->last = id;
    return KT_OK;
}

static enum kt_status visit_key(struct walk *walk, const struct query_access *access,
                                struct store_slice key, struct store_slice value)
{
    uint64_t id = key_record(access, key, value);
    if (query_past_changed(walk->past, id))
        return KT_OK;
    if (walk->keys_only)
        return count_key(walk, id);
    if (access->index)
        KT_TRY(load(walk, id, &value));
    return visit(walk, id, value);
}

/* One range with a cursor in it. */
struct lane {
    struct query_range range;
    struct store_cursor *cursor;
    struct store_slice key, value;
    enum kt_status moved;
};

static void settle(struct lane *lane, bool backwards)
{
    if (lane->moved != KT_OK)
        return;
    if (backwards ? query_compare(lane->key, key_slice(&lane->range.from)) < 0
                  : query_compare(lane->key, key_slice(&lane->range.to)) >= 0)
        lane->moved = KT_NOT_FOUND;
}

static void step(struct lane *lane, bool backwards)
{
    lane->moved = backwards ? store_prev(lane->cursor, &lane->key, &lane->value)
                            : store_next(lane->cursor, &lane->key, &lane->value);
    settle(lane, backwards);
}

static enum kt_status open_lane(struct kt_ctx *ctx, struct lane *lane, bool backwards)
{
    struct store_slice from = key_slice(&lane->range.from), to = key_slice(&lane->range.to);
    if (store_cursor_open(ctx->txn, &lane->cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    lane->moved = backwards ? store_seek_before(lane->cursor, to, &lane->key, &lane->value)
                            : store_seek(lane->cursor, from, &lane->key, &lane->value);
    settle(lane, backwards);
    return KT_OK;
}

static enum kt_status close_lane(struct kt_ctx *ctx, struct lane *lane, enum kt_status status)
{
    store_cursor_close(lane->cursor);
    if (status == KT_OK && lane->moved != KT_OK && lane->moved != KT_NOT_FOUND)
        return record_store_failed(ctx, lane->moved);
    return status;
}

static void make_range(struct walk *walk, const struct query_access *access, size_t which,
                       struct query_range *out)
{
    const struct record_query *query = walk->query;
    query_range(query, access, which, out);
    if (query->after && !query->plan.sorts && query->plan.walk != QUERY_GATHER)
        query_range_after(query, access, out);
}

/* --- The three walks --- */

static enum kt_status stream(struct walk *walk)
{
    const struct query_access *access = walk->query->plan.parts;
    bool backwards = walk->query->plan.backwards;
    struct lane lane;
    enum kt_status status = KT_OK;
    if (query_range_count(access) == 0)
        return KT_OK;
    make_range(walk, access, 0, &lane.range);
    KT_TRY(open_lane(walk->ctx, &lane, backwards));
    while (status == KT_OK && lane.moved == KT_OK && !walk->full) {
        status = visit_key(walk, access, lane.key, lane.value);
        step(&lane, backwards);
    }
    return close_lane(walk->ctx, &lane, status);
}

static struct store_slice rest(const struct lane *lane)
{
    return (struct store_slice){(const char *)lane->key.at + lane->range.prefix,
                                lane->key.size - lane->range.prefix};
}

/* The lane whose record comes next. */
static struct lane *first_lane(struct lane *lanes, size_t count, bool backwards)
{
    struct lane *first = NULL;
    for (size_t i = 0; i < count; i++) {
        if (lanes[i].moved != KT_OK)
            continue;
        int order = first ? query_compare(rest(&lanes[i]), rest(first)) : -1;
        if (!first || (backwards ? order > 0 : order < 0))
            first = &lanes[i];
    }
    return first;
}

static enum kt_status merge(struct walk *walk)
{
    const struct query_access *access = walk->query->plan.parts;
    bool backwards = walk->query->plan.backwards;
    size_t count = query_range_count(access), opened = 0;
    struct lane *lanes = kt_alloc(walk->ctx, sizeof(*lanes) * (count + 1));
    struct lane *lane;
    enum kt_status status = KT_OK;
    for (; opened < count && status == KT_OK; opened++) {
        make_range(walk, access, opened, &lanes[opened].range);
        status = open_lane(walk->ctx, &lanes[opened], backwards);
        if (status != KT_OK)
            break;
    }
    uint64_t last = 0;
    while (status == KT_OK && !walk->full && (lane = first_lane(lanes, count, backwards))) {
        /* A record with several of the values stands in several lanes, at the same place. */
        uint64_t id = key_record(access, lane->key, lane->value);
        if (id != last)
            status = visit_key(walk, access, lane->key, lane->value);
        last = id;
        step(lane, backwards);
    }
    while (opened-- > 0)
        status = close_lane(walk->ctx, &lanes[opened], status);
    return status;
}

struct ids {
    uint64_t *at;
    size_t count;
    size_t capacity;
};

static enum kt_status add_id(struct walk *walk, struct ids *ids, uint64_t id)
{
    if (ids->count == KEYS_PER_RECORD * walk->query->most)
        return looked_enough(walk);
    if (ids->count == ids->capacity) {
        size_t grown = ids->capacity ? ids->capacity * 2 : 256;
        uint64_t *wider = kt_alloc(walk->ctx, sizeof(*wider) * grown);
        if (ids->count)
            memcpy(wider, ids->at, sizeof(*wider) * ids->count);
        ids->at = wider;
        ids->capacity = grown;
    }
    ids->at[ids->count++] = id;
    return KT_OK;
}

static enum kt_status gather_range(struct walk *walk, const struct query_access *access,
                                   size_t which, struct ids *ids)
{
    struct lane lane;
    enum kt_status status = KT_OK;
    make_range(walk, access, which, &lane.range);
    KT_TRY(open_lane(walk->ctx, &lane, false));
    for (; status == KT_OK && lane.moved == KT_OK; step(&lane, false))
        status = add_id(walk, ids, key_record(access, lane.key, lane.value));
    return close_lane(walk->ctx, &lane, status);
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static bool is_behind(const struct record_query *query, uint64_t id)
{
    if (!query->after || query->plan.sorts)
        return true;
    uint64_t last = query->after->via.array.ptr[query->order_count - 1].via.u64;
    return query->plan.backwards ? id < last : id > last;
}

static enum kt_status gather(struct walk *walk)
{
    const struct record_query *query = walk->query;
    struct ids ids = {0};
    struct store_slice bytes;
    for (size_t p = 0; p < query->plan.part_count; p++)
        for (size_t i = 0; i < query_range_count(&query->plan.parts[p]); i++)
            KT_TRY(gather_range(walk, &query->plan.parts[p], i, &ids));
    if (ids.count)
        qsort(ids.at, ids.count, sizeof(*ids.at), compare_ids);
    for (size_t i = 0; i < ids.count && !walk->full; i++) {
        uint64_t id = ids.at[query->plan.backwards ? ids.count - 1 - i : i];
        if (id == walk->last || !is_behind(query, id) || query_past_changed(walk->past, id))
            continue;
        if (walk->keys_only) {
            KT_TRY(count_key(walk, id));
            continue;
        }
        KT_TRY(load(walk, id, &bytes));
        KT_TRY(visit(walk, id, bytes));
    }
    return KT_OK;
}

/* --- The page --- */

static enum kt_status give_best(struct walk *walk)
{
    const uint64_t *ids;
    size_t count = query_best_ids(walk->best, &ids);
    for (size_t i = 0; i < count && !walk->full; i++)
        KT_TRY(give_by_id(walk, ids[i]));
    return KT_OK;
}

enum kt_status record_query_run(struct kt_ctx *ctx, struct record_query *query, record_each each,
                                void *argument, msgpack_object *next)
{
    static enum kt_status (*const walks[])(struct walk *) = {stream, merge, gather};
    struct walk walk = {.ctx = ctx, .query = query, .each = each, .argument = argument};
    struct query_rank behind;
    if (ctx->as_of)
        KT_TRY(query_past_find(ctx, query, &walk.past));
    walk.next = next;
    walk.keys_only = query->only_counts && query->plan.exact;
    if (next)
        *next = kt_nil();
    if (query->plan.sorts) {
        walk.best = query_best_new(ctx, query->limit ? query->limit : UINT32_MAX);
        if (query->after) {
            query_rank_after(query, &behind);
            walk.behind = &behind;
        }
        query_past_offer(walk.past, walk.best);
    }
    walk.scratch = msgpack_zone_new(16384);
    if (!walk.scratch)
        abort();
    enum kt_status status = walks[query->plan.walk](&walk);
    if (status == KT_OK)
        status = walk.best ? give_best(&walk) : give_past(&walk, NULL);
    msgpack_zone_free(walk.scratch);
    return status;
}
