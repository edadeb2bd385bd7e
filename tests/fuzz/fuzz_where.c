/* Goal: whatever is asked is refused in words or answered rightly, by any plan and in any pages.
 * Method: the bytes are the parameters of record.search. A `where` that is accepted is asked again
 * in a form that no index serves, in the order asked for, and in pages of three. */
#include <stdlib.h>
#include <string.h>

#include "shop.h"

#define FOUND_MOST 64
#define PAGE       3

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct found {
    uint64_t ids[FOUND_MOST];
    size_t count;
};

/* Adds what is found; *next is NULL after the last page. */
static enum kt_status search(struct kt_ctx *ctx, const struct schema_entity *entity,
                             const struct kt_map *params, struct found *found,
                             const msgpack_object **next)
{
    msgpack_object *answer = kt_alloc(ctx, sizeof *answer);
    enum kt_status status = record_reply_search(ctx, entity, &params->object);
    shop_require_error(ctx, status);
    context_forgive(ctx);
    *next = NULL;
    if (status != KT_OK)
        return status;
    require(context_unpack(ctx, ctx->reply.data, ctx->reply.size, true, answer) == KT_OK);
    for (size_t i = 0; i < kt_count(answer, "records"); i++) {
        require(found->count < FOUND_MOST);
        found->ids[found->count++] = kt_get_id(kt_at(answer, "records", i), "id");
    }
    *next = kt_get(answer, "next");
    return KT_OK;
}

static int by_id(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void require_same(const struct found *a, const struct found *b)
{
    require(a->count == b->count && memcmp(a->ids, b->ids, sizeof a->ids[0] * a->count) == 0);
}

/* [["or", ["and", ...]]]: the planner looks at conditions that always hold only. */
static msgpack_object without_plan(struct kt_ctx *ctx, const msgpack_object *where)
{
    struct kt_list *all = kt_list_new(ctx), *either = kt_list_new(ctx), *list = kt_list_new(ctx);
    kt_list_add(all, kt_text("and"));
    for (uint32_t i = 0; i < where->via.array.size; i++)
        kt_list_add(all, where->via.array.ptr[i]);
    kt_list_add(either, kt_text("or"));
    kt_list_add(either, all->object);
    kt_list_add(list, either->object);
    return list->object;
}

static void compare(struct kt_ctx *ctx, const struct schema_entity *entity,
                    const msgpack_object *where, const msgpack_object *order)
{
    struct found planned = {.count = 0}, scanned = {.count = 0}, paged = {.count = 0};
    const msgpack_object *next;
    struct kt_map *params = kt_map_new(ctx);
    kt_map_set(params, "limit", kt_int(1000));
    kt_map_set(params, "where", *where);
    if (order)
        kt_map_set(params, "order", *order);
    if (search(ctx, entity, params, &planned, &next) != KT_OK)
        return;
    kt_map_set(params, "limit", kt_int(PAGE));
    do {
        size_t before = paged.count;
        require(search(ctx, entity, params, &paged, &next) == KT_OK);
        require(!next || paged.count == before + PAGE);
        if (next)
            kt_map_set(params, "after", *next);
    } while (next);
    require_same(&planned, &paged);
    params = kt_map_new(ctx);
    kt_map_set(params, "limit", kt_int(1000));
    kt_map_set(params, "where", without_plan(ctx, where));
    enum kt_status status = search(ctx, entity, params, &scanned, &next);
    require(status == KT_OK || status == KT_TOO_LARGE); /* It nests deeper. */
    qsort(planned.ids, planned.count, sizeof planned.ids[0], by_id);
    if (status == KT_OK)
        require_same(&planned, &scanned);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct kt_ctx *ctx = shop();
    msgpack_object params;
    struct found found = {.count = 0};
    const msgpack_object *next;
    if (size < 2)
        return 0;
    const struct schema_entity *entity = shop_entity(ctx, bytes[0] & 1);
    if (shop_unpack(ctx, bytes + 1, size - 1, &params)) {
        search(ctx, entity, kt_map_copy(ctx, &params), &found, &next);
        const msgpack_object *where = kt_get(&params, "where");
        if (where && where->type == MSGPACK_OBJECT_ARRAY)
            compare(ctx, entity, where, kt_get(&params, "order"));
    }
    shop_end(ctx);
    return 0;
}
