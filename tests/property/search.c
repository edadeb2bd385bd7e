/* Searches by brute force: every record is asked, what fits is sorted, and the engine's pages must
 * give the same, one after the other. */
#include <stdlib.h>
#include <string.h>

#include "where.h"

#define ORDERS_MOST 3

/* Which records clients see. */
enum archived { LIVE, ALL, ARCHIVED };

struct order {
    struct column column;
    bool descending;
};

struct search {
    size_t entity;
    struct node where;
    struct order orders[ORDERS_MOST];
    size_t order_count;
    uint32_t limit;
    enum archived archived;
    const char *asked_archived; /**< As it is written; NULL: not. */
    struct hit *hits;
    size_t count;
};

struct hit {
    const struct search *search;
    const struct record *record;
    struct value values[ORDERS_MOST];
};

/* Where all are equal the ids decide, in the direction of the last. */
static int compare_hits(const void *a, const void *b)
{
    const struct hit *left = a, *right = b;
    const struct search *search = left->search;
    bool descending = false;
    for (size_t i = 0; i < search->order_count; i++) {
        int order = compare_keys(&left->values[i], &right->values[i]);
        descending = search->orders[i].descending;
        if (order)
            return descending ? -order : order;
    }
    int order = (left->record->id > right->record->id) - (left->record->id < right->record->id);
    return descending ? -order : order;
}

static void draw_archived(struct world *world, struct search *search)
{
    static const char *const asked[] = {"exclude", "include", "only"};
    search->archived = names_archived(&search->where) ? ALL : LIVE;
    if (!chance(world, 30))
        return;
    search->archived = (enum archived)draw(world, KT_COUNT(asked));
    search->asked_archived = asked[search->archived];
}

static void find_hits(struct world *world, struct search *search)
{
    const struct table *table = &world->model.tables[search->entity];
    search->hits = take(world, sizeof *search->hits * (table->count + 1));
    for (size_t i = 0; i < table->count; i++) {
        const struct record *record = &table->at[i];
        struct hit *hit = &search->hits[search->count];
        bool seen = search->archived == ALL || record->archived == (search->archived == ARCHIVED);
        if (!seen || !fits(world, search->entity, &search->where, record))
            continue;
        *hit = (struct hit){.search = search, .record = record};
        for (size_t o = 0; o < search->order_count; o++)
            hit->values[o] = column_value(world, search->entity, &search->orders[o].column, record);
        search->count++;
    }
    if (search->count)
        qsort(search->hits, search->count, sizeof *search->hits, compare_hits);
}

/* --- What is asked --- */

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}

/* "a", or ["a", "-b"], or "a,-b". */
static void pack_order(struct world *world, msgpack_packer *packer, const struct search *search)
{
    bool list = search->order_count > 1 && search->limit % 2;
    const char *text = "";
    pack_text(packer, "order");
    if (list)
        msgpack_pack_array(packer, search->order_count);
    for (size_t i = 0; i < search->order_count; i++) {
        const struct order *order = &search->orders[i];
        const char *one = words(world, "%s%s", order->descending ? "-" : "", order->column.name);
        if (list)
            pack_text(packer, one);
        text = words(world, "%s%s%s", text, i ? "," : "", one);
    }
    if (!list)
        pack_text(packer, text);
}

static const msgpack_object *pack_search(struct world *world, const struct search *search,
                                         const msgpack_object *after)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_object *params = kt_alloc(&world->ctx, sizeof *params);
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 2u + (search->order_count > 0) + (search->asked_archived != NULL) +
                                  (after != NULL));
    if (search->asked_archived) {
        pack_text(&packer, "archived");
        pack_text(&packer, search->asked_archived);
    }
    pack_text(&packer, "where");
    msgpack_pack_object(&packer, *where_object(world, &search->where));
    pack_text(&packer, "limit");
    msgpack_pack_uint32(&packer, search->limit);
    if (search->order_count)
        pack_order(world, &packer, search);
    if (after) {
        pack_text(&packer, "after");
        msgpack_pack_object(&packer, *after);
    }
    if (context_unpack(&world->ctx, buffer.data, buffer.size, true, params) != KT_OK)
        fail(world, "a search of the test cannot be unpacked");
    msgpack_sbuffer_destroy(&buffer);
    return params;
}

static _Noreturn void fail_search(const struct world *world, const msgpack_object *params,
                                  const char *what, size_t at, const struct search *search)
{
    char text[4096];
    msgpack_object_print_buffer(text, sizeof text, *params);
    fail(world, "%s (at %zu of %zu)\n  in %s: %s", what, at, search->count,
         world->entities[search->entity].name, text);
}

/* One page; false after the last. */
static bool compare_page(struct world *world, const struct search *search, size_t *at,
                         const msgpack_object **after)
{
    struct kt_ctx *ctx = &world->ctx;
    const struct kt_entity *decl = &world->entities[search->entity];
    const struct schema_entity *entity =
        schema_entity(world->schema, decl->name, strlen(decl->name));
    const msgpack_object *params = pack_search(world, search, *after);
    msgpack_object *answer = kt_alloc(ctx, sizeof *answer);
    if (record_reply_search(ctx, entity, params) != KT_OK)
        fail_search(world, params, ctx->error.message, *at, search);
    if (context_unpack(ctx, ctx->reply.data, ctx->reply.size, true, answer) != KT_OK)
        fail_search(world, params, "the answer cannot be unpacked", *at, search);
    size_t count = kt_count(answer, "records");
    size_t left = search->count - *at, limit = search->limit;
    if (count != (left < limit ? left : limit))
        fail_search(world, params, words(world, "a page has %zu records", count), *at, search);
    for (size_t i = 0; i < count; i++, ++*at)
        if (kt_get_id(kt_at(answer, "records", i), "id") != search->hits[*at].record->id)
            fail_search(world, params, "a page has another record", *at, search);
    *after = kt_get(answer, "next");
    if (*after && count < limit)
        fail_search(world, params, "a page that is not full has a next one", *at, search);
    return *after != NULL;
}

static void compare_count(struct world *world, const struct search *search)
{
    struct kt_ctx *ctx = &world->ctx;
    const struct kt_entity *decl = &world->entities[search->entity];
    msgpack_object answer;
    const msgpack_object *params = pack_search(world, search, NULL);
    if (record_reply_count(ctx, schema_entity(world->schema, decl->name, strlen(decl->name)),
                           params) != KT_OK ||
        context_unpack(ctx, ctx->reply.data, ctx->reply.size, true, &answer) != KT_OK ||
        kt_get_int(&answer, "count") != (int64_t)search->count)
        fail_search(world, params, "they are counted wrong", 0, search);
}

void compare_search(struct world *world, size_t entity, const struct record *about)
{
    struct search search = {.entity = entity};
    search.limit = (uint32_t)(chance(world, 30) ? 1000 : 1 + draw(world, 40));
    const msgpack_object *after = NULL;
    size_t at = 0;
    draw_where(world, entity, about, &search.where);
    for (size_t n = chance(world, 60) ? 1 + draw(world, ORDERS_MOST) : 0; n > 0; n--) {
        struct order *order = &search.orders[search.order_count];
        order->descending = chance(world, 40);
        search.order_count += draw_column(world, entity, true, &order->column);
    }
    draw_archived(world, &search);
    find_hits(world, &search);
    while (compare_page(world, &search, &at, &after))
        continue;
    if (at != search.count)
        fail(world, "the pages of a search end after %zu of %zu records", at, search.count);
    world->hits += at;
    if (chance(world, 20))
        compare_count(world, &search);
}
