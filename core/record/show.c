/* How a stored record is shown to who asked. It goes from the store to the reply as it is; only
 * when the answer differs from what is stored (single fields were asked for, some are computed,
 * masked or asleep) is it taken apart. */
#include <string.h>

#include "kontor/limits.h"
#include "record/record_internal.h"

/* NULL asks for all. */
static bool wanted(const msgpack_object *fields, const msgpack_object *key)
{
    if (!fields)
        return true;
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
    if (fields->via.array.size > KT_LIMIT_FIELDS)
        return kt_fail(ctx, KT_TOO_LARGE, "fields", "at most %u fields", "最多 %u 个字段",
                       KT_LIMIT_FIELDS);
    for (uint32_t i = 0; i < fields->via.array.size; i++) {
        const msgpack_object *name = &fields->via.array.ptr[i];
        const char *text = name->type == MSGPACK_OBJECT_STR ? name->via.str.ptr : "";
        size_t length = name->type == MSGPACK_OBJECT_STR ? name->via.str.size : 0;
        bool follows;
        KT_TRY(record_project_check(ctx, entity, name, &follows));
        if (!follows && !schema_own_field(text, length) && !schema_field(entity, text, length))
            return kt_fail(ctx, KT_INVALID, "fields", "%s has no field %s", "%s 没有字段 %s",
                           entity->name, context_quote(ctx, text, length));
    }
    return KT_OK;
}

/* Fields that are computed when read come after those that are stored. */
static enum kt_status add_computed(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const msgpack_object *record, const msgpack_object *fields,
                                   struct kt_map *out)
{
    for (size_t i = 0; entity->reads && i < entity->field_count; i++) {
        const struct schema_field *field = &entity->fields[i];
        msgpack_object name = kt_text(field->decl->name), value;
        if (!(field->decl->flags & KT_ON_READ) || !wanted(fields, &name))
            continue;
        KT_TRY(record_compute_read(ctx, field, record, &value));
        if (value.type != MSGPACK_OBJECT_NIL)
            kt_map_set(out, field->decl->name, value);
    }
    return KT_OK;
}

static enum kt_status choose(struct kt_ctx *ctx, const struct schema_entity *entity,
                             const msgpack_object *record, const msgpack_object *fields,
                             msgpack_object *out)
{
    struct kt_map *some = kt_map_new(ctx);
    for (uint32_t i = 0; i < record->via.map.size; i++)
        if (wanted(fields, &record->via.map.ptr[i].key))
            kt_map_set(some,
                       kt_format(ctx, "%.*s", (int)record->via.map.ptr[i].key.via.str.size,
                                 record->via.map.ptr[i].key.via.str.ptr),
                       record->via.map.ptr[i].val);
    KT_TRY(add_computed(ctx, entity, record, fields, some));
    *out = some->object;
    return KT_OK;
}

enum kt_status record_show(struct kt_ctx *ctx, const struct schema_entity *entity,
                           struct store_slice bytes, const msgpack_object *fields)
{
    msgpack_object record, shown;
    msgpack_packer packer;
    bool dropped;
    if (!fields && !entity->reads && !entity->hides && !record_masks(ctx, entity)) {
        msgpack_sbuffer_write(&ctx->reply, bytes.at, bytes.size);
        return KT_OK;
    }
    KT_TRY(context_unpack(ctx, bytes.at, bytes.size, false, &record));
    if (entity->hides)
        record = record_strip(ctx, entity, &record, &dropped)->object;
    KT_TRY(choose(ctx, entity, &record, fields, &shown));
    shown = record_mask(ctx, entity, &shown);
    if (fields)
        KT_TRY(record_project(ctx, entity, &record, fields, &shown));
    msgpack_packer_init(&packer, &ctx->reply, msgpack_sbuffer_write);
    msgpack_pack_object(&packer, shown);
    return context_check_memory(ctx);
}
