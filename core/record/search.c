/* Answers of the generic read methods. */
#include <string.h>

#include "kontor/limits.h"
#include "record/query.h"

enum kt_status record_reply_get(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                                const msgpack_object *fields)
{
    struct store_slice bytes;
    KT_TRY(record_show_check(ctx, entity, fields));
    KT_TRY(record_bytes(ctx, entity, id, &bytes));
    msgpack_sbuffer_clear(&ctx->reply);
    return record_show(ctx, entity, bytes, fields);
}

struct page {
    const struct schema_entity *entity;
    const msgpack_object *fields;
    uint32_t count;
};

static enum kt_status add_to_page(struct kt_ctx *ctx, void *argument, uint64_t id,
                                  struct store_slice bytes)
{
    struct page *page = argument;
    (void)id;
    page->count++;
    if (ctx->reply.size > ctx->limits.reply_bytes)
        return kt_fail(ctx, KT_TOO_LARGE, "limit", "the answer is too large; ask for fewer records",
                       "结果过大，请减少记录数");
    return record_show(ctx, page->entity, bytes, page->fields);
}

size_t record_list_begin(struct kt_ctx *ctx)
{
    msgpack_sbuffer_write(&ctx->reply, "\xdd\0\0\0\0", 5);
    return ctx->reply.size - 4;
}

void record_list_end(struct kt_ctx *ctx, size_t list, uint32_t count)
{
    for (int i = 0; i < 4; i++)
        ctx->reply.data[list + (size_t)i] = (char)(uint8_t)(count >> (24 - 8 * i));
}

enum kt_status record_page_limit(struct kt_ctx *ctx, const msgpack_object *params, uint32_t *out)
{
    const msgpack_object *given = kt_get(params, "limit");
    *out = 100;
    if (!given)
        return KT_OK;
    if (given->type != MSGPACK_OBJECT_POSITIVE_INTEGER || given->via.u64 == 0 ||
        given->via.u64 > KT_LIMIT_PAGE)
        return kt_fail(ctx, KT_INVALID, "limit", "limit must be 1 to %u", "limit 必须为 1 到 %u",
                       KT_LIMIT_PAGE);
    *out = (uint32_t)given->via.u64;
    return KT_OK;
}

enum kt_status record_reply_search(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const msgpack_object *params)
{
    const msgpack_object *text = kt_get(params, "text");
    struct record_question asked = {.entity = entity,
                                    .where = kt_get(params, "where"),
                                    .order = kt_get(params, "order"),
                                    .after = text ? NULL : kt_get(params, "after"),
                                    .archived = kt_get(params, "archived"),
                                    .for_client = true};
    struct record_query *query;
    struct page page = {.entity = entity, .fields = kt_get(params, "fields")};
    msgpack_object next;
    msgpack_packer packer;
    asked.paged = asked.after || kt_has(params, "limit");
    if (text && asked.order)
        return kt_fail(ctx, KT_INVALID, "order",
                       "a search for words is ordered by how well they fit",
                       "全文搜索按匹配程度排序");
    KT_TRY(record_page_limit(ctx, params, &asked.limit));
    KT_TRY(record_show_check(ctx, entity, page.fields));
    KT_TRY(record_query_compile(ctx, &asked, &query));
    msgpack_sbuffer_clear(&ctx->reply);
    msgpack_packer_init(&packer, &ctx->reply, msgpack_sbuffer_write);
    bool explain = kt_get_bool(params, "explain");
    msgpack_pack_map(&packer, explain ? 3 : 2);
    msgpack_pack_str_with_body(&packer, "records", 7);
    size_t list = record_list_begin(ctx);
    KT_TRY(text ? record_query_run_text(ctx, query, text, kt_get(params, "after"), add_to_page,
                                        &page, &next)
                : record_query_run(ctx, query, add_to_page, &page, &next));
    record_list_end(ctx, list, page.count);
    msgpack_pack_str_with_body(&packer, "next", 4);
    msgpack_pack_object(&packer, next);
    if (explain) {
        msgpack_pack_str_with_body(&packer, "plan", 4);
        msgpack_pack_object(
            &packer,
            (text ? record_query_explain_words : record_query_explain)(ctx, query)->object);
    }
    return context_check_memory(ctx);
}

static enum kt_status count_one(struct kt_ctx *ctx, void *argument, uint64_t id,
                                struct store_slice bytes)
{
    (void)ctx;
    (void)argument;
    (void)id;
    (void)bytes;
    return KT_OK;
}

enum kt_status record_reply_count(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const msgpack_object *params)
{
    const struct record_question asked = {.entity = entity,
                                          .where = kt_get(params, "where"),
                                          .archived = kt_get(params, "archived"),
                                          .unordered = true,
                                          .only_counts = true,
                                          .for_client = true};
    struct record_query *query;
    struct record_counts counts = {0};
    struct kt_map *answer = kt_map_new(ctx);
    KT_TRY(record_query_compile(ctx, &asked, &query));
    KT_TRY(record_counts_read(ctx, entity, &counts));
    const msgpack_object *text = kt_get(params, "text");
    msgpack_object next;
    bool kept = query->root.child_count == 0 && !ctx->as_of && !text;
    uint64_t count = query->archived == QUERY_ALL        ? counts.all
                     : query->archived == QUERY_ARCHIVED ? counts.archived
                                                         : counts.all - counts.archived;
    if (!kept) {
        KT_TRY(text ? record_query_run_text(ctx, query, text, NULL, count_one, NULL, &next)
                    : record_query_run(ctx, query, count_one, NULL, NULL));
        count = query->matched;
    }
    kt_map_set_int(answer, "count", (int64_t)count);
    if (kt_get_bool(params, "explain"))
        kt_map_set(answer, "plan",
                   (text ? record_query_explain_words : record_query_explain)(ctx, query)->object);
    kt_reply_map(ctx, answer);
    return context_check_memory(ctx);
}
