/* Orders, and cursors: places in an order.
 *
 * An order always ends with the id, in the direction of the field before it, so that no two records
 * share a place and a cursor stays good whatever is inserted or deleted around it. A place is made
 * of the same bytes as index keys, so walking an index and sorting give one order (long texts go by
 * their first KEY_TEXT_MAX bytes). A cursor is the list of the order's values and the id. */
#include <string.h>

#include "record/query.h"

static enum kt_status add_order(struct kt_ctx *ctx, const struct record_question *asked,
                                const char *text, struct record_query *query)
{
    struct query_order *order = &query->order[query->order_count];
    bool descending = *text == '-';
    const char *name = text + descending;
    if (query->order_count == KT_LIMIT_ORDER_FIELDS)
        return kt_fail(ctx, KT_TOO_LARGE, "order", "at most %u fields to order by",
                       "最多按 %u 个字段排序", KT_LIMIT_ORDER_FIELDS);
    KT_TRY(query_compile_path(ctx, asked, name, &order->path));
    const struct schema_field *field = order->path.field;
    if (order->path.line ||
        (field && (field->decl->type == KT_LINES || schema_field_is_list(field) ||
                   field->decl->type == KT_JSON || field->decl->type == KT_FILE ||
                   (field->decl->flags & KT_ON_READ))))
        return kt_fail(ctx, KT_INVALID, "order", "cannot order by %s", "不能按 %s 排序", name);
    order->descending = descending;
    query->order_count++;
    return KT_OK;
}

/* "a,-b": what C code gives. */
static enum kt_status add_orders(struct kt_ctx *ctx, const struct record_question *asked,
                                 const msgpack_object *text, struct record_query *query)
{
    if (text->type != MSGPACK_OBJECT_STR)
        return kt_fail(ctx, KT_INVALID, "order", "order is \"field\", \"-field\" or a list of such",
                       "order 应为 \"字段\"、\"-字段\" 或其列表");
    const char *at = text->via.str.ptr, *end = at + text->via.str.size;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma ? comma : end;
        KT_TRY(add_order(ctx, asked, kt_format(ctx, "%.*s", (int)(stop - at), at), query));
        at = comma ? comma + 1 : end;
    }
    return KT_OK;
}

enum kt_status query_compile_order(struct kt_ctx *ctx, const struct record_question *asked,
                                   struct record_query *query)
{
    const msgpack_object *order = asked->order;
    bool list = order && order->type == MSGPACK_OBJECT_ARRAY;
    for (uint32_t i = 0; list && i < order->via.array.size; i++)
        KT_TRY(add_orders(ctx, asked, &order->via.array.ptr[i], query));
    if (order && !list)
        KT_TRY(add_orders(ctx, asked, order, query));
    /* What comes behind the id decides nothing. */
    for (size_t i = 0; i < query->order_count; i++)
        if (query_path_is_id(&query->order[i].path))
            query->order_count = i + 1;
    size_t count = query->order_count;
    if (count && query_path_is_id(&query->order[count - 1].path))
        return KT_OK;
    query->order[count].path = (struct query_path){.own = "id"};
    query->order[count].descending = count && query->order[count - 1].descending;
    query->order_count++;
    return KT_OK;
}

enum kt_status query_check_after(struct kt_ctx *ctx, const struct record_question *asked,
                                 struct record_query *query)
{
    const msgpack_object *after = asked->after;
    if (!after)
        return KT_OK;
    bool fits = after->type == MSGPACK_OBJECT_ARRAY && after->via.array.size == query->order_count;
    for (size_t i = 0; fits && i < query->order_count; i++) {
        const msgpack_object *value = &after->via.array.ptr[i];
        msgpack_object stored;
        bool id = query_path_is_id(&query->order[i].path);
        fits =
            id ? value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64 <= INT64_MAX
               : query_compile_value(ctx, &query->order[i].path, "after", value, &stored) == KT_OK;
    }
    if (!fits) {
        context_forgive(ctx);
        return kt_fail(ctx, KT_INVALID, "after",
                       "after must be the `next` of the page before, asked with the same order",
                       "after 必须是以相同排序查询上一页时返回的 next");
    }
    query->after = after;
    return KT_OK;
}

/* --- Places --- */

static void rank_add(struct query_rank *rank, const struct query_order *order,
                     const msgpack_object *value)
{
    struct key key;
    uint8_t invert = order->descending ? 0xFF : 0;
    key_begin(&key, 0);
    record_key_add(&key, query_path_field(&order->path), value);
    for (uint16_t i = 1; i < key.size && rank->size < QUERY_RANK_MAX; i++)
        rank->bytes[rank->size++] = key.bytes[i] ^ invert;
}

enum kt_status query_rank(struct kt_ctx *ctx, const struct record_query *query,
                          const msgpack_object *record, struct query_rank *out)
{
    out->size = 0;
    for (size_t i = 0; i < query->order_count; i++) {
        const msgpack_object *value;
        KT_TRY(query_value(ctx, &query->order[i].path, record, &value));
        rank_add(out, &query->order[i], value);
    }
    return KT_OK;
}

void query_rank_after(const struct record_query *query, struct query_rank *out)
{
    out->size = 0;
    for (size_t i = 0; i < query->order_count; i++)
        rank_add(out, &query->order[i], &query->after->via.array.ptr[i]);
}

int query_rank_compare(const struct query_rank *a, const struct query_rank *b)
{
    /* Parts are self-delimiting: no place is the beginning of another. */
    return memcmp(a->bytes, b->bytes, a->size < b->size ? a->size : b->size);
}

/* A cursor need not carry more of a text than its place is made of: whole characters, one byte more
 * than keys keep, so that the cut is the same. */
static msgpack_object cursor_value(struct kt_ctx *ctx, const msgpack_object *value)
{
    if (!value)
        return kt_nil();
    if (value->type != MSGPACK_OBJECT_STR)
        return *value;
    uint32_t size = value->via.str.size;
    if (size > KEY_TEXT_MAX + 1)
        for (size = KEY_TEXT_MAX + 1;
             size < value->via.str.size && (value->via.str.ptr[size] & 0xC0) == 0x80;)
            size++;
    return kt_text_of(context_copy(ctx, value->via.str.ptr, size), size);
}

enum kt_status query_cursor(struct kt_ctx *ctx, const struct record_query *query,
                            const msgpack_object *record, msgpack_object *out)
{
    struct kt_list *list = kt_list_new(ctx);
    for (size_t i = 0; i < query->order_count; i++) {
        const msgpack_object *value;
        KT_TRY(query_value(ctx, &query->order[i].path, record, &value));
        kt_list_add(list, cursor_value(ctx, value));
    }
    *out = list->object;
    return KT_OK;
}
