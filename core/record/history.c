/* History: who changed what, when. One row per version of a record, holding the fields that changed
 * as they were before; lines are compared as a whole. Never rewritten. */
#include <string.h>

#include "kontor/limits.h"
#include "record/record_internal.h"

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}

static bool changed(const struct schema_field *field, const msgpack_object *old,
                    const msgpack_object *record)
{
    return !kt_equal(kt_get(old, field->decl->name), kt_get(record, field->decl->name));
}

static void pack_value(msgpack_packer *packer, const msgpack_object *record, const char *name)
{
    const msgpack_object *value = kt_get(record, name);
    if (value)
        msgpack_pack_object(packer, *value);
    else
        msgpack_pack_nil(packer);
}

static void pack_changes(msgpack_packer *packer, const struct schema_entity *entity,
                         const msgpack_object *old, const msgpack_object *record)
{
    size_t count = 0;
    for (size_t i = 0; i < entity->field_count; i++)
        count += changed(&entity->fields[i], old, record);
    msgpack_pack_map(packer, count);
    for (size_t i = 0; i < entity->field_count; i++) {
        if (!changed(&entity->fields[i], old, record))
            continue;
        const char *name = entity->fields[i].decl->name;
        pack_text(packer, name);
        msgpack_pack_array(packer, 2);
        pack_value(packer, old, name);
        pack_value(packer, record, name);
    }
}

enum kt_status record_history_add(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  uint64_t id, const char *what, const msgpack_object *old,
                                  const msgpack_object *record)
{
    struct key key;
    uint64_t version = kt_get_id(record ? record : old, "version") + (record ? 0 : 1);
    key_begin(&key, SPACE_HISTORY);
    key_add_u32(&key, entity->number);
    key_add_u64(&key, id);
    key_add_u64(&key, version);
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 5);
    pack_text(&packer, "version");
    msgpack_pack_uint64(&packer, version);
    pack_text(&packer, "at");
    msgpack_pack_object(&packer, kt_instant_value(ctx, ctx->now));
    pack_text(&packer, "user");
    pack_text(&packer, kt_user_name(ctx));
    pack_text(&packer, "what");
    pack_text(&packer, what);
    pack_text(&packer, "changes");
    /* A creation is fully told by the record and the later changes; storing it twice is waste. */
    if (old)
        pack_changes(&packer, entity, old, record);
    else
        msgpack_pack_map(&packer, 0);
    enum kt_status status =
        store_put(ctx->txn, key_slice(&key), (struct store_slice){buffer.data, buffer.size});
    msgpack_sbuffer_destroy(&buffer);
    return status == KT_OK ? KT_OK : record_store_failed(ctx, status);
}

enum kt_status record_reply_history(struct kt_ctx *ctx, const struct schema_entity *entity,
                                    const msgpack_object *params)
{
    uint64_t id = kt_get_id(params, "id");
    struct key prefix;
    struct store_cursor *cursor;
    struct store_slice found, bytes;
    key_begin(&prefix, SPACE_HISTORY);
    key_add_u32(&prefix, entity->number);
    key_add_u64(&prefix, id);
    enum kt_status status = store_cursor_open(ctx->txn, &cursor);
    if (status != KT_OK)
        return record_store_failed(ctx, status);
    struct kt_list *entries = kt_list_new(ctx);
    status = store_seek(cursor, key_slice(&prefix), &found, &bytes);
    enum kt_status result = KT_OK;
    while (status == KT_OK && result == KT_OK && key_has_prefix(found, key_slice(&prefix)) &&
           entries->object.via.array.size < KT_LIMIT_PAGE) {
        msgpack_object entry;
        result = context_unpack(ctx, bytes.at, bytes.size, false, &entry);
        if (result == KT_OK)
            kt_list_add(entries, entry);
        status = store_next(cursor, &found, &bytes);
    }
    store_cursor_close(cursor);
    KT_TRY(result);
    if (entries->object.via.array.size == 0) {
        struct store_slice record;
        KT_TRY(record_bytes(ctx, entity, id, &record));
    }
    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set(answer, "entries", entries->object);
    kt_reply_map(ctx, answer);
    return context_check_memory(ctx);
}
