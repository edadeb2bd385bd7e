/* The first `limit` of many matches: a heap whose top is the worst of those kept, so that memory is
 * that of one page however many match. */
#include <stdlib.h>
#include <string.h>

#include "record/query.h"

struct kept {
    uint64_t id;
    uint8_t *rank;
    uint16_t size;
    uint16_t room;
};

struct query_best {
    struct kt_ctx *ctx;
    struct kept *at;
    size_t count;
    size_t capacity;
    uint32_t limit;
};

struct query_best *query_best_new(struct kt_ctx *ctx, uint32_t limit)
{
    struct query_best *best = kt_alloc(ctx, sizeof(*best));
    best->ctx = ctx;
    best->limit = limit;
    return best;
}

static int compare(const void *a, const void *b)
{
    const struct kept *left = a, *right = b;
    uint16_t shorter = left->size < right->size ? left->size : right->size;
    return memcmp(left->rank, right->rank, shorter);
}

static void fill(struct query_best *best, struct kept *slot, uint64_t id,
                 const struct query_rank *rank)
{
    if (slot->room < rank->size) {
        /* Rounded up, so that a slot that is filled again and again seldom grows. */
        slot->room = (uint16_t)((rank->size + 63) & ~(size_t)63);
        slot->rank = kt_alloc(best->ctx, slot->room);
    }
    memcpy(slot->rank, rank->bytes, rank->size);
    slot->size = (uint16_t)rank->size;
    slot->id = id;
}

static void swap(struct kept *a, struct kept *b)
{
    struct kept other = *a;
    *a = *b;
    *b = other;
}

static void sift_up(struct query_best *best, size_t child)
{
    for (size_t parent; child > 0; child = parent) {
        parent = (child - 1) / 2;
        if (compare(&best->at[child], &best->at[parent]) <= 0)
            return;
        swap(&best->at[child], &best->at[parent]);
    }
}

static void sift_down(struct query_best *best)
{
    for (size_t parent = 0, child; (child = 2 * parent + 1) < best->count; parent = child) {
        if (child + 1 < best->count && compare(&best->at[child + 1], &best->at[child]) > 0)
            child++;
        if (compare(&best->at[child], &best->at[parent]) <= 0)
            return;
        swap(&best->at[child], &best->at[parent]);
    }
}

static void grow(struct query_best *best)
{
    size_t grown = best->capacity ? best->capacity * 2 : 64;
    struct kept *wider = kt_alloc(best->ctx, sizeof(*wider) * grown);
    if (best->count)
        memcpy(wider, best->at, sizeof(*wider) * best->count);
    best->at = wider;
    best->capacity = grown;
}

void query_best_offer(struct query_best *best, uint64_t id, const struct query_rank *rank)
{
    if (best->count < best->limit) {
        if (best->count == best->capacity)
            grow(best);
        fill(best, &best->at[best->count], id, rank);
        sift_up(best, best->count++);
        return;
    }
    uint16_t shorter = best->at[0].size < rank->size ? best->at[0].size : (uint16_t)rank->size;
    if (memcmp(rank->bytes, best->at[0].rank, shorter) >= 0)
        return;
    fill(best, &best->at[0], id, rank);
    sift_down(best);
}

size_t query_best_ids(struct query_best *best, const uint64_t **out)
{
    uint64_t *ids = kt_alloc(best->ctx, sizeof(*ids) * (best->count + 1));
    if (best->count)
        qsort(best->at, best->count, sizeof(*best->at), compare);
    for (size_t i = 0; i < best->count; i++)
        ids[i] = best->at[i].id;
    *out = ids;
    return best->count;
}
