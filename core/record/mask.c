/* Sensitive fields (KT_SENSITIVE): who may not see them is shown a mask in their place, whichever
 * way a record comes: read, found, in history, in an event or a preview. Nor can they be searched
 * by, ordered by or written by such a user, and no error tells what is in them. Fields that sleep
 * (custom.c) are shown to nobody. */
#include <string.h>

#include "record/record_internal.h"

static bool may_see(struct kt_ctx *ctx, const struct schema_entity *entity)
{
    return ctx->host->may(ctx, kt_format(ctx, "%s.sensitive", entity->name));
}

bool record_masks(struct kt_ctx *ctx, const struct schema_entity *entity)
{
    return entity->sensitive && !may_see(ctx, entity);
}

static bool is_sensitive(const struct schema_field *field)
{
    return field && (field->decl->flags & KT_SENSITIVE);
}

static msgpack_object masked(const msgpack_object *value)
{
    return value->type == MSGPACK_OBJECT_NIL ? *value : kt_text(KT_MASK);
}

static void remove_asleep(struct kt_map *map, struct kt_names asleep)
{
    for (size_t i = 0; i < asleep.count; i++)
        kt_map_remove(map, asleep.at[i]);
}

static msgpack_object mask_lines(struct kt_ctx *ctx, const struct schema_field *field,
                                 const msgpack_object *lines, bool masks)
{
    struct kt_list *shown = kt_list_new(ctx);
    if (lines->type != MSGPACK_OBJECT_ARRAY)
        return *lines;
    for (uint32_t i = 0; i < lines->via.array.size; i++) {
        struct kt_map *line = kt_map_copy(ctx, &lines->via.array.ptr[i]);
        remove_asleep(line, field->asleep);
        for (uint32_t p = 0; masks && p < line->object.via.map.size; p++) {
            msgpack_object_kv *pair = &line->object.via.map.ptr[p];
            if (is_sensitive(
                    schema_line_field(field, pair->key.via.str.ptr, pair->key.via.str.size)))
                pair->val = masked(&pair->val);
        }
        kt_list_add(shown, line->object);
    }
    return shown->object;
}

static msgpack_object mask_value(struct kt_ctx *ctx, const struct schema_field *field,
                                 const msgpack_object *value, bool masks)
{
    if (masks && is_sensitive(field))
        return masked(value);
    return field && field->decl->type == KT_LINES ? mask_lines(ctx, field, value, masks) : *value;
}

static const struct schema_field *field_of(const struct schema_entity *entity,
                                           const msgpack_object *key)
{
    return key->type == MSGPACK_OBJECT_STR
               ? schema_field(entity, key->via.str.ptr, key->via.str.size)
               : NULL;
}

msgpack_object record_mask(struct kt_ctx *ctx, const struct schema_entity *entity,
                           const msgpack_object *record)
{
    bool masks = record_masks(ctx, entity);
    if (record->type != MSGPACK_OBJECT_MAP || (!masks && !entity->hides))
        return *record;
    struct kt_map *shown = kt_map_copy(ctx, record);
    remove_asleep(shown, entity->asleep);
    for (uint32_t i = 0; i < shown->object.via.map.size; i++) {
        msgpack_object_kv *pair = &shown->object.via.map.ptr[i];
        pair->val = mask_value(ctx, field_of(entity, &pair->key), &pair->val, masks);
    }
    return shown->object;
}

/* Of a field that is declared no more nobody knows whether it was sensitive. */
static bool is_gone(const struct schema_entity *entity, const msgpack_object *key)
{
    const msgpack_object_str *name = &key->via.str;
    return !field_of(entity, key) && !record_is_own(name->ptr, name->size);
}

static bool hides_gone(struct kt_ctx *ctx, const struct schema_entity *entity,
                       const msgpack_object *changes)
{
    for (uint32_t i = 0; i < changes->via.map.size; i++)
        if (is_gone(entity, &changes->via.map.ptr[i].key))
            return !may_see(ctx, entity);
    return false;
}

static msgpack_object mask_change(struct kt_ctx *ctx, const struct schema_field *field,
                                  const msgpack_object *both, bool masks, bool whole)
{
    struct kt_list *shown = kt_list_new(ctx);
    for (uint32_t side = 0; side < both->via.array.size; side++) {
        const msgpack_object *value = &both->via.array.ptr[side];
        kt_list_add(shown, whole ? masked(value) : mask_value(ctx, field, value, masks));
    }
    return shown->object;
}

msgpack_object record_mask_changes(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const msgpack_object *changes)
{
    bool masks = record_masks(ctx, entity);
    if (changes->type != MSGPACK_OBJECT_MAP)
        return *changes;
    bool gone = hides_gone(ctx, entity, changes);
    if (!masks && !gone && !entity->hides)
        return *changes;
    struct kt_map *shown = kt_map_copy(ctx, changes);
    remove_asleep(shown, entity->asleep);
    for (uint32_t i = 0; i < shown->object.via.map.size; i++) {
        msgpack_object_kv *pair = &shown->object.via.map.ptr[i];
        if (pair->val.type == MSGPACK_OBJECT_ARRAY)
            pair->val = mask_change(ctx, field_of(entity, &pair->key), &pair->val, masks,
                                    gone && is_gone(entity, &pair->key));
    }
    return shown->object;
}

enum kt_status record_mask_refuse(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const struct schema_field *field, const char *path)
{
    if (!is_sensitive(field) || !record_masks(ctx, entity))
        return KT_OK;
    return kt_fail(ctx, KT_DENIED, path, "%s is sensitive: user %s lacks %s.sensitive",
                   "%s 为敏感字段：用户 %s 缺少权限 %s.sensitive", path, kt_user_name(ctx),
                   entity->name);
}

bool record_mask_hides(struct kt_ctx *ctx, const struct schema_index *index)
{
    for (size_t i = 0; i < index->path_count; i++)
        if (is_sensitive(index->paths[i].field) || is_sensitive(index->paths[i].line))
            return record_masks(ctx, index->entity);
    return false;
}

/* "tax_number", "accounts[2].iban" */
static bool names_sensitive(const struct schema_entity *entity, const char *path)
{
    const struct schema_field *field = schema_field(entity, path, strcspn(path, ".["));
    const char *dot = strchr(path, '.');
    if (!field || is_sensitive(field) || !dot || field->decl->type != KT_LINES)
        return is_sensitive(field);
    return is_sensitive(schema_line_field(field, dot + 1, strlen(dot + 1)));
}

/* A module's or a rule's message may quote the value. */
static void hide_message(struct kt_ctx *ctx, const struct schema_entity *entity)
{
    struct context_error *error = &ctx->error;
    if (error->status == KT_DENIED || !error->field || !names_sensitive(entity, error->field) ||
        !record_masks(ctx, entity))
        return;
    error->message = kt_format(ctx, "%s does not allow this, and you may not see it", error->field);
    error->message_zh = kt_format(ctx, "%s 不允许此操作，且您无权查看该字段", error->field);
    error->details = kt_nil();
}

enum kt_status record_failed(struct kt_ctx *ctx, const struct schema_entity *entity,
                             enum kt_status status)
{
    if (status == KT_OK || ctx->error.entity)
        return status;
    ctx->error.entity = kt_format(ctx, "%s", entity->name);
    hide_message(ctx, entity);
    return status;
}
