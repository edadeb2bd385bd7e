/* Answers of the generic read methods. Records go from the store to the reply as they are; only
 * when single fields were asked for is a record taken apart. */
#include <string.h>

#include "kontor/limits.h"
#include "record/query.h"

static void pack_raw(struct kt_ctx *ctx, struct store_slice bytes)
{
    msgpack_sbuffer_write(&ctx->reply, bytes.at, bytes.size);
}

static bool wanted(const msgpack_object *fields, const msgpack_object *key)
{
    for (uint32_t i = 0; i < fields->via.array.size; i++)
        if (kt_equal(&fields->via.array.ptr[i], key))
            return true;
    return key->via.str.size == 2 && memcmp(key->via.str.ptr, "id", 2) == 0;
}

static enum kt_status check_fields(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const msgpack_object *fields)
{
    if (!fields)
        return KT_OK;
    if (fields->type != MSGPACK_OBJECT_ARRAY)
        return kt_fail(ctx, KT_INVALID, "fields", "fields is a list of field names",
                       "fields 应为字段名列表");
    for (uint32_t i = 0; i < fields->via.array.size; i++) {
        const msgpack_object *name = &fields->via.array.ptr[i];
        const char *text = name->type == MSGPACK_OBJECT_STR ? name->via.str.ptr : "";
        size_t length = name->type == MSGPACK_OBJECT_STR ? name->via.str.size : 0;
        bool own = (length == 2 && memcmp(text, "id", 2) == 0) ||
                   (length == 7 && memcmp(text, "version", 7) == 0);
        if (!own && !schema_field(entity, text, length))
            return kt_fail(ctx, KT_INVALID, "fields", "%s has no field %.*s", "%s 没有字段 %.*s",
                           entity->name, (int)length, text);
    }
    return KT_OK;
}

static enum kt_status pack_some(struct kt_ctx *ctx, struct store_slice bytes,
                                const msgpack_object *fields)
{
    msgpack_object record;
    struct kt_map *some = kt_map_new(ctx);
    msgpack_packer packer;
    KT_TRY(context_unpack(ctx, bytes.at, bytes.size, false, &record));
    msgpack_packer_init(&packer, &ctx->reply, msgpack_sbuffer_write);
    for (uint32_t i = 0; i < record.via.map.size; i++)
        if (wanted(fields, &record.via.map.ptr[i].key))
            kt_map_set(some,
                       kt_format(ctx, "%.*s", (int)record.via.map.ptr[i].key.via.str.size,
                                 record.via.map.ptr[i].key.via.str.ptr),
                       record.via.map.ptr[i].val);
    msgpack_pack_object(&packer, some->object);
    return context_check_memory(ctx);
}

enum kt_status record_reply_get(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                                const msgpack_object *fields)
{
    struct store_slice bytes;
    KT_TRY(check_fields(ctx, entity, fields));
    KT_TRY(record_bytes(ctx, entity, id, &bytes));
    msgpack_sbuffer_clear(&ctx->reply);
    if (fields)
        return pack_some(ctx, bytes, fields);
    pack_raw(ctx, bytes);
    return KT_OK;
}

struct page {
    const msgpack_object *fields;
    uint32_t count;
};

static enum kt_status add_to_page(struct kt_ctx *ctx, void *argument, uint64_t id,
                                  struct store_slice bytes, const msgpack_object *record)
{
    struct page *page = argument;
    (void)id;
    (void)record;
    page->count++;
    if (ctx->reply.size > KT_LIMIT_OUTPUT_BYTES / 2)
        return kt_fail(ctx, KT_TOO_LARGE, "limit", "the answer is too large; ask for fewer records",
                       "结果过大，请减少记录数");
    if (page->fields)
        return pack_some(ctx, bytes, page->fields);
    pack_raw(ctx, bytes);
    return KT_OK;
}

static void put_u32(char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(uint8_t)(value >> (24 - 8 * i));
}

static enum kt_status page_limit(struct kt_ctx *ctx, const msgpack_object *params, uint32_t *out)
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
    struct record_query *query;
    struct page page = {.fields = kt_get(params, "fields")};
    uint32_t limit;
    msgpack_object next;
    msgpack_packer packer;
    KT_TRY(page_limit(ctx, params, &limit));
    KT_TRY(check_fields(ctx, entity, page.fields));
    KT_TRY(record_query_compile(ctx, entity, kt_get(params, "where"),
                                kt_get_text(ctx, params, "order"), &query));
    /* The count is known only at the end: leave room for a 32-bit array header and fill it in. */
    msgpack_sbuffer_clear(&ctx->reply);
    msgpack_packer_init(&packer, &ctx->reply, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 2);
    msgpack_pack_str_with_body(&packer, "records", 7);
    size_t header = ctx->reply.size;
    msgpack_sbuffer_write(&ctx->reply, "\xdd\0\0\0\0", 5);
    KT_TRY(record_query_run(ctx, query, limit, kt_get(params, "after"), add_to_page, &page, &next));
    put_u32(ctx->reply.data + header + 1, page.count);
    msgpack_pack_str_with_body(&packer, "next", 4);
    msgpack_pack_object(&packer, next);
    return KT_OK;
}

static enum kt_status count_one(struct kt_ctx *ctx, void *argument, uint64_t id,
                                struct store_slice bytes, const msgpack_object *record)
{
    (void)ctx;
    (void)id;
    (void)bytes;
    (void)record;
    ++*(int64_t *)argument;
    return KT_OK;
}

enum kt_status record_reply_count(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const msgpack_object *params)
{
    struct record_query *query;
    int64_t count = 0;
    KT_TRY(record_query_compile(ctx, entity, kt_get(params, "where"), NULL, &query));
    query->sorts = false;
    KT_TRY(record_query_run(ctx, query, 0, NULL, count_one, &count, NULL));
    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set_int(answer, "count", count);
    kt_reply_map(ctx, answer);
    return KT_OK;
}
