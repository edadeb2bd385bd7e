#include "bus/bus_log.h"

#include <string.h>

#include "kontor/limits.h"
#include "record/record.h"
#include "record/space.h"

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}

static void pack_event(struct kt_ctx *ctx, msgpack_packer *packer, uint64_t seq,
                       const struct kt_event *event)
{
    const msgpack_object *payload = event->record ? event->record : event->payload;
    msgpack_pack_map(packer, 4u + (event->entity ? 2u : 0u) + (payload ? 1u : 0u));
    pack_text(packer, "seq");
    msgpack_pack_uint64(packer, seq);
    pack_text(packer, "at");
    msgpack_pack_object(packer, kt_instant_value(ctx, kt_now(ctx)));
    pack_text(packer, "topic");
    pack_text(packer, event->topic);
    pack_text(packer, "user");
    pack_text(packer, kt_user_name(ctx));
    if (event->entity) {
        pack_text(packer, "entity");
        pack_text(packer, event->entity);
        pack_text(packer, "id");
        msgpack_pack_uint64(packer, event->id);
    }
    if (payload) {
        pack_text(packer, "payload");
        msgpack_pack_object(packer, *payload);
    }
}

enum kt_status bus_log_append(struct kt_ctx *ctx, const struct kt_event *event)
{
    uint64_t seq;
    struct key key;
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    KT_TRY(record_last_event(ctx, &seq));
    seq++;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    pack_event(ctx, &packer, seq, event);
    key_begin(&key, SPACE_EVENT);
    key_add_u64(&key, seq);
    enum kt_status status =
        store_put(ctx->txn, key_slice(&key), (struct store_slice){buffer.data, buffer.size});
    msgpack_sbuffer_destroy(&buffer);
    if (status != KT_OK)
        return kt_fail(ctx, status, NULL, "the event log cannot be written", "无法写入事件日志");
    ctx->last_event = seq;
    return KT_OK;
}

/* "sales.order.*" matches by prefix, "*" everything. */
static bool wanted(const msgpack_object *params, const msgpack_object *event)
{
    size_t count = kt_count(params, "topics");
    const msgpack_object *topic = kt_get(event, "topic");
    for (size_t i = 0; i < count; i++) {
        const msgpack_object *pattern = kt_at(params, "topics", i);
        if (pattern->type != MSGPACK_OBJECT_STR || !topic)
            continue;
        size_t size = pattern->via.str.size;
        bool open = size && pattern->via.str.ptr[size - 1] == '*';
        size_t length = open ? size - 1 : size;
        if ((open ? topic->via.str.size >= length : topic->via.str.size == length) &&
            memcmp(topic->via.str.ptr, pattern->via.str.ptr, length) == 0)
            return true;
    }
    return count == 0;
}

/* Events carry records, so reading one needs the right to read its entity. */
static bool may_read(struct kt_ctx *ctx, const msgpack_object *event)
{
    const char *entity = kt_get_text(ctx, event, "entity");
    const char *topic = kt_get_text(ctx, event, "topic");
    return kt_user_may(ctx, kt_format(ctx, "%s.read", *entity ? entity : topic));
}

/* The payload is a record, or names values as its entity does. */
static msgpack_object show(struct kt_ctx *ctx, const msgpack_object *event)
{
    const msgpack_object *name = kt_get(event, "entity"), *payload = kt_get(event, "payload");
    const struct schema_entity *entity =
        name ? schema_entity(ctx->schema, name->via.str.ptr, name->via.str.size) : NULL;
    if (!payload || !entity)
        return *event;
    struct kt_map *shown = kt_map_copy(ctx, event);
    kt_map_set(shown, "payload", record_mask(ctx, entity, payload));
    return shown->object;
}

enum kt_status bus_reply_read(struct kt_ctx *ctx, const msgpack_object *params)
{
    uint64_t from = kt_has(params, "from") ? kt_get_id(params, "from") : 1;
    int64_t limit = kt_has(params, "limit") ? kt_get_int(params, "limit") : 100;
    struct key key, prefix;
    struct store_cursor *cursor;
    struct store_slice found, bytes;
    if (limit < 1 || limit > (int64_t)KT_LIMIT_PAGE)
        return kt_fail(ctx, KT_INVALID, "limit", "limit must be 1 to %u", "limit 必须为 1 到 %u",
                       KT_LIMIT_PAGE);
    key_begin(&prefix, SPACE_EVENT);
    key_begin(&key, SPACE_EVENT);
    key_add_u64(&key, from);
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return kt_fail(ctx, KT_INTERNAL, NULL, "the store failed", "存储失败");
    struct kt_list *events = kt_list_new(ctx);
    enum kt_status moved = store_seek(cursor, key_slice(&key), &found, &bytes);
    enum kt_status status = KT_OK;
    uint64_t next = from;
    for (uint64_t looked = 0; moved == KT_OK && status == KT_OK && looked < KT_LIMIT_SCAN / 4 &&
                              key_has_prefix(found, key_slice(&prefix)) &&
                              events->object.via.array.size < (uint64_t)limit;
         looked++) {
        msgpack_object event;
        status = context_unpack(ctx, bytes.at, bytes.size, ctx->writable, &event);
        if (status != KT_OK)
            break;
        next = kt_get_id(&event, "seq") + 1;
        if (wanted(params, &event) && may_read(ctx, &event))
            kt_list_add(events, show(ctx, &event));
        status = context_check_memory(ctx);
        moved = store_next(cursor, &found, &bytes);
    }
    store_cursor_close(cursor);
    KT_TRY(status);
    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set(answer, "events", events->object);
    kt_map_set(answer, "next", kt_id(next));
    kt_reply_map(ctx, answer);
    return KT_OK;
}
