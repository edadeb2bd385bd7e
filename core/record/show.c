/* How a stored record is shown to who asked. It goes from the store to the reply as it is; only
 * when the answer differs from what is stored (single fields were asked for, something is masked)
 * is it taken apart. */
#include <string.h>

#include "record/record_internal.h"

static bool wanted(const msgpack_object *fields, const msgpack_object *key)
{
    for (uint32_t i = 0; i < fields->via.array.size; i++)
        if (kt_equal(&fields->via.array.ptr[i], key))
            return true;
    return key->via.str.size == 2 && memcmp(key->via.str.ptr, "id", 2) == 0;
}

enum kt_status record_show_check(struct kt_ctx *ctx, const struct schema_entity *entity,
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
        if (!schema_own_field(text, length) && !schema_field(entity, text, length))
            return kt_fail(ctx, KT_INVALID, "fields", "%s has no field %.*s", "%s 没有字段 %.*s",
                           entity->name, (int)length, text);
    }
    return KT_OK;
}

static msgpack_object choose(struct kt_ctx *ctx, const msgpack_object *record,
                             const msgpack_object *fields)
{
    struct kt_map *some = kt_map_new(ctx);
    for (uint32_t i = 0; i < record->via.map.size; i++)
        if (wanted(fields, &record->via.map.ptr[i].key))
            kt_map_set(some,
                       kt_format(ctx, "%.*s", (int)record->via.map.ptr[i].key.via.str.size,
                                 record->via.map.ptr[i].key.via.str.ptr),
                       record->via.map.ptr[i].val);
    return some->object;
}

enum kt_status record_show(struct kt_ctx *ctx, const struct schema_entity *entity,
                           struct store_slice bytes, const msgpack_object *fields)
{
    msgpack_object record;
    msgpack_packer packer;
    if (!fields && !record_masks(ctx, entity)) {
        msgpack_sbuffer_write(&ctx->reply, bytes.at, bytes.size);
        return KT_OK;
    }
    KT_TRY(context_unpack(ctx, bytes.at, bytes.size, false, &record));
    if (fields)
        record = choose(ctx, &record, fields);
    record = record_mask(ctx, entity, &record);
    msgpack_packer_init(&packer, &ctx->reply, msgpack_sbuffer_write);
    msgpack_pack_object(&packer, record);
    return context_check_memory(ctx);
}
