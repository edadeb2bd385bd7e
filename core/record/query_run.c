/* Walking a plan: records come by id, along an index, or gathered and sorted. */
#include <stdlib.h>
#include <string.h>

#include "kontor/limits.h"
#include "record/query.h"

struct match {
    uint64_t id;
    struct store_slice bytes;
    const uint8_t *order; /**< Key bytes of the order value. */
    size_t order_size;
};

struct walk {
    struct kt_ctx *ctx;
    struct record_query *query;
    uint32_t limit;
    record_each each;
    void *argument;
    msgpack_object *next;
    msgpack_zone *scratch; /**< For records that are looked at and let go. */
    uint64_t looked;
    uint32_t given;
    bool full;
    struct match *matches; /**< Only when sorting. */
    size_t match_count;
    size_t match_capacity;
};

/* Conditions are checked in memory that is emptied after each record, or a scan over many records
 * would use up the request's arena. */
static enum kt_status check(struct walk *walk, struct store_slice bytes, bool *matches,
                            struct key *order, msgpack_object *order_value)
{
    struct kt_ctx *ctx = walk->ctx;
    msgpack_zone *arena = ctx->arena;
    size_t used = ctx->arena_used;
    msgpack_object record;
    *matches = true;
    if (walk->query->root.child_count == 0 && !order)
        return KT_OK;
    ctx->arena = walk->scratch;
    enum kt_status status = context_unpack(ctx, bytes.at, bytes.size, false, &record);
    if (status == KT_OK)
        status = query_matches(ctx, &walk->query->root, &record, matches);
    if (status == KT_OK && *matches && order) {
        const msgpack_object *value;
        status = query_value(ctx, &walk->query->order, &record, &value);
        if (status == KT_OK) {
            key_begin(order, 'O');
            record_key_add(order, walk->query->order.field, value);
            if (order_value)
                *order_value = value ? *value : kt_nil();
        }
    }
    ctx->arena = arena;
    if (status == KT_OK)
        ctx->arena_used = used;
    else
        context_error_keep(ctx);
    return status;
}

static enum kt_status keep_match(struct walk *walk, uint64_t id, struct store_slice bytes,
                                 const struct key *order)
{
    if (walk->match_count == walk->match_capacity) {
        size_t grown = walk->match_capacity ? walk->match_capacity * 2 : 64;
        struct match *wider = kt_alloc(walk->ctx, sizeof(*wider) * grown);
        if (walk->match_count)
            memcpy(wider, walk->matches, sizeof(*wider) * walk->match_count);
        walk->matches = wider;
        walk->match_capacity = grown;
    }
    walk->matches[walk->match_count++] =
        (struct match){id, bytes, context_copy(walk->ctx, order->bytes, order->size), order->size};
    return context_check_memory(walk->ctx);
}

static void set_next(struct walk *walk, uint64_t id, const msgpack_object *value)
{
    if (!walk->next)
        return;
    struct kt_list *pair = kt_list_new(walk->ctx);
    kt_list_add(pair, value ? *value : kt_nil());
    kt_list_add(pair, kt_id(id));
    *walk->next = walk->query->ordered ? pair->object : kt_id(id);
}

static enum kt_status next_from(struct walk *walk, uint64_t id, struct store_slice bytes)
{
    msgpack_object record;
    const msgpack_object *value = NULL;
    walk->full = true;
    if (walk->next && walk->query->ordered) {
        KT_TRY(context_unpack(walk->ctx, bytes.at, bytes.size, true, &record));
        KT_TRY(query_value(walk->ctx, &walk->query->order, &record, &value));
    }
    set_next(walk, id, value);
    return KT_OK;
}

static enum kt_status visit(struct walk *walk, uint64_t id, struct store_slice bytes)
{
    struct key order;
    bool matches;
    if (++walk->looked > KT_LIMIT_SCAN)
        return kt_fail(
            walk->ctx, KT_TOO_LARGE, "where",
            "the search looks at more than %u records: add a condition on an indexed field",
            "搜索检查的记录超过 %u 条：请增加索引字段条件", KT_LIMIT_SCAN);
    enum kt_status status = check(walk, bytes, &matches, walk->query->sorts ? &order : NULL, NULL);
    if (status == KT_OK && matches && walk->query->sorts) {
        status = keep_match(walk, id, bytes, &order);
    } else if (status == KT_OK && matches) {
        status = walk->each(walk->ctx, walk->argument, id, bytes, NULL);
        walk->given++;
        if (status == KT_OK && walk->limit && walk->given == walk->limit)
            status = next_from(walk, id, bytes);
    }
    msgpack_zone_clear(walk->scratch);
    return status;
}

static enum kt_status visit_key(struct walk *walk, struct store_slice found,
                                struct store_slice value)
{
    const struct schema_index *index = walk->query->index;
    if (!index)
        return visit(walk, record_key_id(found), value);
    uint64_t id;
    struct store_slice bytes;
    struct key key;
    if (index->unique)
        memcpy(&id, value.at, sizeof(id));
    else
        id = record_key_id(found);
    record_key(&key, walk->query->entity, id);
    enum kt_status status = store_get(walk->ctx->txn, key_slice(&key), &bytes);
    return status == KT_OK ? visit(walk, id, bytes) : record_store_failed(walk->ctx, KT_INTERNAL);
}

/* Where to start: the floor of the plan, or right behind the last record of the page before. */
static enum kt_status start_key(struct walk *walk, const msgpack_object *after, struct key *start,
                                bool *skip)
{
    struct record_query *query = walk->query;
    *start = query->floor;
    *skip = false;
    if (!after || query->sorts)
        return KT_OK;
    *start = query->prefix;
    bool pair = after->type == MSGPACK_OBJECT_ARRAY && after->via.array.size == 2 &&
                after->via.array.ptr[1].type == MSGPACK_OBJECT_POSITIVE_INTEGER;
    if (query->ordered ? !pair : after->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return kt_fail(walk->ctx, KT_INVALID, "after",
                       "after must be the `next` of the page before",
                       "after 必须是上一页返回的 next");
    if (query->ordered)
        record_key_add(start, query->order.field, &after->via.array.ptr[0]);
    key_add_u64(start, query->ordered ? after->via.array.ptr[1].via.u64 : after->via.u64);
    *skip = true;
    return KT_OK;
}

static bool beyond(const struct record_query *query, struct store_slice found)
{
    if (!key_has_prefix(found, key_slice(&query->prefix)))
        return true;
    bool backwards = query->descending && !query->sorts;
    const struct key *end = backwards ? &query->floor : &query->ceiling;
    if (!end->size)
        return false;
    size_t shorter = found.size < end->size ? found.size : end->size;
    int order = memcmp(found.at, end->bytes, shorter);
    if (order == 0)
        order = found.size >= end->size ? 0 : -1;
    return backwards ? order < 0 : order >= 0;
}

static enum kt_status seek_start(struct walk *walk, struct store_cursor *cursor,
                                 const msgpack_object *after, struct store_slice *found,
                                 struct store_slice *value, enum kt_status *moved)
{
    struct key start;
    bool skip;
    bool backwards = walk->query->descending && !walk->query->sorts;
    KT_TRY(start_key(walk, after, &start, &skip));
    if (backwards && !skip) {
        start = walk->query->ceiling.size ? walk->query->ceiling : walk->query->prefix;
        if (!walk->query->ceiling.size)
            key_successor(&start);
    }
    *moved = backwards ? store_seek_before(cursor, key_slice(&start), found, value)
                       : store_seek(cursor, key_slice(&start), found, value);
    if (*moved == KT_OK && skip && !backwards && found->size == start.size &&
        memcmp(found->at, start.bytes, start.size) == 0)
        *moved = store_next(cursor, found, value);
    return KT_OK;
}

static enum kt_status walk_keys(struct walk *walk, const msgpack_object *after)
{
    struct store_cursor *cursor;
    struct store_slice found, value;
    enum kt_status moved, status;
    bool backwards = walk->query->descending && !walk->query->sorts;
    if (store_cursor_open(walk->ctx->txn, &cursor) != KT_OK)
        return record_store_failed(walk->ctx, KT_INTERNAL);
    status = seek_start(walk, cursor, after, &found, &value, &moved);
    while (status == KT_OK && moved == KT_OK && !walk->full && !beyond(walk->query, found)) {
        status = visit_key(walk, found, value);
        moved = backwards ? store_prev(cursor, &found, &value) : store_next(cursor, &found, &value);
    }
    store_cursor_close(cursor);
    if (status == KT_OK && moved != KT_OK && moved != KT_NOT_FOUND)
        return record_store_failed(walk->ctx, moved);
    return status;
}

static int compare_matches(const void *a, const void *b)
{
    const struct match *left = a, *right = b;
    size_t shorter = left->order_size < right->order_size ? left->order_size : right->order_size;
    int order = memcmp(left->order, right->order, shorter);
    if (!order)
        order = (left->order_size > right->order_size) - (left->order_size < right->order_size);
    return order ? order : (left->id > right->id) - (left->id < right->id);
}

static enum kt_status give_sorted(struct walk *walk, const msgpack_object *after)
{
    struct record_query *query = walk->query;
    struct match edge = {0};
    struct key key;
    if (walk->match_count)
        qsort(walk->matches, walk->match_count, sizeof(*walk->matches), compare_matches);
    if (after) {
        if (after->type != MSGPACK_OBJECT_ARRAY || after->via.array.size != 2 ||
            after->via.array.ptr[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER)
            return kt_fail(walk->ctx, KT_INVALID, "after",
                           "after must be the `next` of the page before",
                           "after 必须是上一页返回的 next");
        key_begin(&key, 'O');
        record_key_add(&key, query->order.field, &after->via.array.ptr[0]);
        edge = (struct match){after->via.array.ptr[1].via.u64, {0}, key.bytes, key.size};
    }
    for (size_t i = 0; i < walk->match_count && !walk->full; i++) {
        struct match *match = &walk->matches[query->descending ? walk->match_count - 1 - i : i];
        int side = after ? compare_matches(match, &edge) : 1;
        if (after && (query->descending ? side >= 0 : side <= 0))
            continue;
        KT_TRY(walk->each(walk->ctx, walk->argument, match->id, match->bytes, NULL));
        if (walk->limit && ++walk->given == walk->limit)
            KT_TRY(next_from(walk, match->id, match->bytes));
    }
    return KT_OK;
}

static enum kt_status give_one(struct walk *walk, const msgpack_object *after)
{
    struct key key;
    struct store_slice bytes;
    record_key(&key, walk->query->entity, walk->query->only_id);
    enum kt_status status = store_get(walk->ctx->txn, key_slice(&key), &bytes);
    walk->next = NULL;
    if (status == KT_NOT_FOUND || after)
        return KT_OK;
    walk->query->sorts = false;
    return status == KT_OK ? visit(walk, walk->query->only_id, bytes)
                           : record_store_failed(walk->ctx, status);
}

enum kt_status record_query_run(struct kt_ctx *ctx, struct record_query *query, uint32_t limit,
                                const msgpack_object *after, record_each each, void *argument,
                                msgpack_object *next)
{
    struct walk walk = {.ctx = ctx, .query = query, .limit = limit};
    if (ctx->as_of)
        return kt_fail(ctx, KT_INVALID, "as_of", "%s cannot be searched as of a moment",
                       "%s 不能按过去时刻搜索", query->entity->name);
    walk.each = each;
    walk.argument = argument;
    walk.next = next;
    if (next)
        *next = kt_nil();
    walk.scratch = msgpack_zone_new(16384);
    if (!walk.scratch)
        abort();
    /* Without a better order, an index walk that is not by id is sorted by id. */
    if (query->sorts && !query->ordered)
        query->order = (struct query_path){.own = "id"};
    enum kt_status status;
    if (query->only_id) {
        status = give_one(&walk, after);
    } else {
        status = walk_keys(&walk, query->sorts ? NULL : after);
        if (status == KT_OK && query->sorts) {
            struct kt_list *pair = kt_list_new(ctx);
            if (after && !query->ordered) {
                kt_list_add(pair, *after);
                kt_list_add(pair, *after);
                after = &pair->object;
            }
            status = give_sorted(&walk, after);
        }
    }
    msgpack_zone_free(walk.scratch);
    return status;
}
