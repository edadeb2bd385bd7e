/* From what a caller gives to the whole record that will be saved. */
#include <stdlib.h>
#include <string.h>

#include "kontor/limits.h"
#include "record/record_internal.h"

static enum kt_status refuse_field(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const struct schema_field *field, enum record_by by,
                                   bool creating)
{
    const struct kt_field *decl = field->decl;
    const char *path = decl->name;
    if (by == RECORD_BY_SERVER)
        return KT_OK;
    KT_TRY(record_mask_refuse(ctx, entity, field, path));
    if (by == RECORD_BY_IMPORT && creating && decl->sequence)
        return KT_OK;
    if (decl->type == KT_STATE)
        return kt_fail(ctx, KT_INVALID, path, "%s changes only by transitions",
                       "%s 只能通过状态转换更改", path);
    if (decl->flags & KT_READONLY)
        return kt_fail(ctx, KT_INVALID, path, "%s is read-only", "%s 为只读", path);
    if ((decl->flags & KT_IMMUTABLE) && !creating)
        return kt_fail(ctx, KT_INVALID, path, "%s cannot be changed after creation",
                       "%s 创建后不可更改", path);
    return KT_OK;
}

static enum kt_status refuse_sleeping(struct kt_ctx *ctx, const struct schema_field *field,
                                      const char *path)
{
    return kt_fail(ctx, KT_INVALID, path, "%s refers to %s, whose module is not enabled",
                   "%s 引用 %s，但其模块未启用", path, field->decl->to);
}

/* --- Lines as clients send them back --- */

/* The mask in a line that is there already says nothing; any other value of a sensitive field is
 * refused to who may not see it. */
static enum kt_status unmask_line(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const struct schema_field *field, uint32_t number,
                                  struct kt_map *line)
{
    msgpack_object_map *map = &line->object.via.map;
    bool has_id = kt_has(&line->object, "id");
    uint32_t kept = 0;
    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object *key = &map->ptr[i].key;
        const struct schema_field *part =
            key->type == MSGPACK_OBJECT_STR
                ? schema_line_field(field, key->via.str.ptr, key->via.str.size)
                : NULL;
        bool sensitive = part && (part->decl->flags & KT_SENSITIVE);
        const msgpack_object mask = kt_text(KT_MASK);
        if (sensitive && has_id && kt_equal(&map->ptr[i].val, &mask))
            continue;
        if (sensitive)
            KT_TRY(record_mask_refuse(
                ctx, entity, part,
                kt_format(ctx, "%s[%u].%s", field->decl->name, number, part->decl->name)));
        map->ptr[kept++] = map->ptr[i];
    }
    map->size = kept;
    return KT_OK;
}

static enum kt_status unmask_lines(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const struct schema_field *field, const msgpack_object *given,
                                   msgpack_object *out)
{
    *out = *given;
    if (field->decl->type != KT_LINES || given->type != MSGPACK_OBJECT_ARRAY ||
        !record_masks(ctx, entity))
        return KT_OK;
    struct kt_list *lines = kt_list_new(ctx);
    for (uint32_t i = 0; i < given->via.array.size; i++) {
        const msgpack_object *item = &given->via.array.ptr[i];
        struct kt_map *line = kt_map_copy(ctx, item->type == MSGPACK_OBJECT_MAP ? item : NULL);
        KT_TRY(unmask_line(ctx, entity, field, i, line));
        kt_list_add(lines, item->type == MSGPACK_OBJECT_MAP ? line->object : *item);
    }
    *out = lines->object;
    return KT_OK;
}

/* Clients may send back lines as they read them, so read-only parts of a line are dropped rather
 * than refused: they are computed again anyway. So are references of sleeping modules in a line
 * that is there already; a new line with one is refused. */
static enum kt_status drop_readonly_parts(struct kt_ctx *ctx, const struct schema_field *field,
                                          msgpack_object *value)
{
    struct kt_list *lines = kt_list_new(ctx);
    for (uint32_t i = 0; i < value->via.array.size; i++) {
        struct kt_map *line = kt_map_copy(ctx, &value->via.array.ptr[i]);
        for (size_t f = 0; f < field->line_count; f++) {
            const struct schema_field *part = &field->lines[f];
            const char *name = part->decl->name;
            bool sleeps = schema_field_sleeps(part) && kt_has(&line->object, name);
            if (sleeps && !kt_has(&line->object, "id"))
                return refuse_sleeping(ctx, part,
                                       kt_format(ctx, "%s[%u].%s", field->decl->name, i, name));
            if (sleeps || (part->decl->flags & KT_READONLY))
                kt_map_remove(line, name);
        }
        kt_list_add(lines, line->object);
    }
    *value = lines->object;
    return KT_OK;
}

enum kt_status record_input_check(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const msgpack_object *values, enum record_by by, bool creating,
                                  struct kt_map **out)
{
    struct kt_map *checked = kt_map_new(ctx);
    if (!values || values->type != MSGPACK_OBJECT_MAP)
        return kt_fail(ctx, KT_INVALID, "values", "values must be a map of fields",
                       "values 必须是字段映射");
    for (uint32_t i = 0; i < values->via.map.size; i++) {
        const msgpack_object_kv *pair = &values->via.map.ptr[i];
        if (pair->key.type != MSGPACK_OBJECT_STR)
            return kt_fail(ctx, KT_INVALID, "values", "field names must be text",
                           "字段名必须是文本");
        const struct schema_field *field =
            schema_field(entity, pair->key.via.str.ptr, pair->key.via.str.size);
        if (!field) {
            const char *name =
                kt_format(ctx, "%.*s", (int)pair->key.via.str.size, pair->key.via.str.ptr);
            return kt_fail(ctx, KT_INVALID, name, "%s has no field %s", "%s 没有字段 %s",
                           entity->name, name);
        }
        const char *name = field->decl->name;
        if (kt_get(&checked->object, name))
            return kt_fail(ctx, KT_INVALID, name, "%s is given twice", "%s 重复", name);
        KT_TRY(refuse_field(ctx, entity, field, by, creating));
        if (by != RECORD_BY_SERVER && schema_field_sleeps(field) &&
            pair->val.type != MSGPACK_OBJECT_NIL)
            return refuse_sleeping(ctx, field, name);
        msgpack_object given = pair->val, value;
        if (by != RECORD_BY_SERVER)
            KT_TRY(unmask_lines(ctx, entity, field, &pair->val, &given));
        KT_TRY(record_check_value(ctx, field, name, &given, &value));
        if (field->decl->type == KT_LINES && by != RECORD_BY_SERVER &&
            value.type == MSGPACK_OBJECT_ARRAY)
            KT_TRY(drop_readonly_parts(ctx, field, &value));
        kt_map_set(checked, name, value);
    }
    *out = checked;
    return context_check_memory(ctx);
}

/* --- Defaults --- */

static msgpack_object initial_value(struct kt_ctx *ctx, const struct schema_field *field)
{
    const struct kt_field *decl = field->decl;
    const char *text = decl->initial;
    switch (decl->type) {
    case KT_DATE:
        return strcmp(text, "today") == 0 ? kt_date_value(ctx, kt_today(ctx)) : kt_text(text);
    case KT_INSTANT:
        return kt_instant_value(ctx, ctx->now);
    case KT_BOOL:
        return kt_bool(strcmp(text, "true") == 0);
    case KT_INT:
        return kt_int((int64_t)strtoll(text, NULL, 10));
    case KT_REF:
        return strcmp(text, "user") == 0 && ctx->user_id ? kt_id(ctx->user_id) : kt_nil();
    case KT_TEXT:
        return strcmp(text, "user") == 0 ? kt_text(kt_user_name(ctx)) : kt_text(text);
    default:
        return kt_text(text);
    }
}

/* New lines only: what was emptied in an older line stays empty. */
static void default_lines(struct kt_ctx *ctx, const struct schema_field *field,
                          struct kt_map *record)
{
    const char *name = field->decl->name;
    size_t count = kt_count(&record->object, name);
    if (count == 0)
        return;
    struct kt_list *lines = kt_list_new(ctx);
    for (size_t i = 0; i < count; i++) {
        struct kt_map *line = kt_map_copy(ctx, kt_at(&record->object, name, i));
        bool is_new = !kt_has(&line->object, "id");
        for (size_t f = 0; f < field->line_count; f++) {
            const struct kt_field *part = field->lines[f].decl;
            if (part->initial && !kt_has(&line->object, part->name) && is_new)
                kt_map_set(line, part->name, initial_value(ctx, &field->lines[f]));
        }
        kt_list_add(lines, line->object);
    }
    kt_map_set(record, name, lines->object);
}

enum kt_status record_input_defaults(struct kt_ctx *ctx, const struct schema_entity *entity,
                                     struct kt_map *record)
{
    for (size_t i = 0; i < entity->field_count; i++) {
        const struct schema_field *field = &entity->fields[i];
        const char *name = field->decl->name;
        if (field->decl->type == KT_STATE && !kt_has(&record->object, name) &&
            entity->decl->states.count)
            kt_map_set_text(record, name, entity->decl->states.at[0].name);
        else if (field->decl->initial && !kt_has(&record->object, name))
            kt_map_set(record, name, initial_value(ctx, field));
        if (field->decl->sequence && !kt_has(&record->object, name)) {
            msgpack_object number;
            KT_TRY(record_next_number(ctx, entity, field->decl, &number));
            kt_map_set(record, name, number);
        }
        if (field->decl->type == KT_LINES)
            default_lines(ctx, field, record);
    }
    return KT_OK;
}

/* --- Merge --- */

static msgpack_object merge_lines(struct kt_ctx *ctx, const struct schema_field *field,
                                  const msgpack_object *old, const msgpack_object *lines)
{
    struct kt_list *merged = kt_list_new(ctx);
    for (uint32_t i = 0; i < lines->via.array.size; i++) {
        const msgpack_object *given = &lines->via.array.ptr[i];
        uint64_t id = kt_get_id(given, "id");
        const msgpack_object *before = id ? kt_line(old, field->decl->name, id) : NULL;
        struct kt_map *line = kt_map_copy(ctx, before);
        for (uint32_t f = 0; f < given->via.map.size; f++) {
            const msgpack_object_kv *pair = &given->via.map.ptr[f];
            const struct schema_field *part =
                schema_line_field(field, pair->key.via.str.ptr, pair->key.via.str.size);
            kt_map_set(line, part ? part->decl->name : "id", pair->val);
        }
        kt_list_add(merged, line->object);
    }
    return merged->object;
}

enum kt_status record_input_merge(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const msgpack_object *old, const struct kt_map *changes,
                                  struct kt_map **out)
{
    struct kt_map *record = kt_map_copy(ctx, old);
    for (uint32_t i = 0; i < changes->object.via.map.size; i++) {
        const msgpack_object_kv *pair = &changes->object.via.map.ptr[i];
        const struct schema_field *field =
            schema_field(entity, pair->key.via.str.ptr, pair->key.via.str.size);
        if (field->decl->type == KT_LINES && pair->val.type == MSGPACK_OBJECT_ARRAY)
            kt_map_set(record, field->decl->name, merge_lines(ctx, field, old, &pair->val));
        else
            kt_map_set(record, field->decl->name, pair->val);
    }
    for (size_t i = 0; i < entity->field_count; i++)
        if (entity->fields[i].decl->type == KT_LINES)
            default_lines(ctx, &entity->fields[i], record);
    *out = record;
    return context_check_memory(ctx);
}

/* --- Archived targets --- */

static enum kt_status check_target(struct kt_ctx *ctx, const struct schema_field *field,
                                   const char *path, uint64_t id)
{
    struct key key;
    struct store_slice bytes;
    if (!id || !field->target)
        return KT_OK;
    record_key(&key, field->target, id);
    if (store_get(ctx->txn, key_slice(&key), &bytes) != KT_OK || !record_is_archived(bytes))
        return KT_OK;
    return kt_fail(ctx, KT_INVALID, path, "%s: %s %llu is archived; restore it or choose another",
                   "%s：%s %llu 已归档，请恢复或另选", path, field->decl->to,
                   (unsigned long long)id);
}

static bool holds_id(const msgpack_object *list, uint64_t id)
{
    for (uint32_t i = 0; list && i < list->via.array.size; i++)
        if (list->via.array.ptr[i].via.u64 == id)
            return true;
    return false;
}

/* One field of a record or of a line; `old` is what it was in, or NULL. */
static enum kt_status check_targets(struct kt_ctx *ctx, const struct schema_field *field,
                                    const char *path, const msgpack_object *old,
                                    const msgpack_object *holder)
{
    const char *name = field->decl->name;
    if (field->decl->type == KT_REF && kt_get_id(holder, name) != kt_get_id(old, name))
        return check_target(ctx, field, path, kt_get_id(holder, name));
    if (field->decl->type != KT_REFS)
        return KT_OK;
    for (size_t i = 0; i < kt_count(holder, name); i++) {
        uint64_t id = kt_at(holder, name, i)->via.u64;
        if (!holds_id(kt_get(old, name), id))
            KT_TRY(check_target(ctx, field, kt_format(ctx, "%s[%zu]", path, i), id));
    }
    return KT_OK;
}

static enum kt_status check_line_targets(struct kt_ctx *ctx, const struct schema_field *field,
                                         const msgpack_object *old, const msgpack_object *record)
{
    const char *name = field->decl->name;
    for (size_t i = 0; i < kt_count(record, name); i++) {
        const msgpack_object *line = kt_at(record, name, i);
        uint64_t id = kt_get_id(line, "id");
        const msgpack_object *before = id && old ? kt_line(old, name, id) : NULL;
        for (size_t f = 0; f < field->line_count; f++) {
            const struct schema_field *part = &field->lines[f];
            if (part->decl->type == KT_REF)
                KT_TRY(check_targets(ctx, part,
                                     kt_format(ctx, "%s[%zu].%s", name, i, part->decl->name),
                                     before, line));
        }
    }
    return KT_OK;
}

enum kt_status record_input_targets(struct kt_ctx *ctx, const struct schema_entity *entity,
                                    const msgpack_object *old, const struct kt_map *record,
                                    enum record_by by)
{
    for (size_t i = 0; by != RECORD_BY_SERVER && i < entity->field_count; i++) {
        const struct schema_field *field = &entity->fields[i];
        KT_TRY(field->decl->type == KT_LINES
                   ? check_line_targets(ctx, field, old, &record->object)
                   : check_targets(ctx, field, field->decl->name, old, &record->object));
    }
    return context_check_memory(ctx);
}

/* --- Final check --- */

static uint64_t largest_line_id(const msgpack_object *record, const char *name)
{
    uint64_t largest = 0;
    for (size_t i = 0; i < kt_count(record, name); i++) {
        uint64_t id = kt_get_id(kt_at(record, name, i), "id");
        if (id > largest)
            largest = id;
    }
    return largest;
}

/* A removed line's id is given out again only when it was the largest: references from other
 * documents to a line go with documents whose lines are locked by then. */
static enum kt_status number_lines(struct kt_ctx *ctx, const struct schema_field *field,
                                   const msgpack_object *old, struct kt_map *record)
{
    const char *name = field->decl->name;
    size_t count = kt_count(&record->object, name);
    if (count == 0)
        return KT_OK;
    uint64_t last = largest_line_id(old, name);
    uint8_t *seen = kt_alloc(ctx, last + 1);
    struct kt_list *lines = kt_list_new(ctx);
    for (size_t i = 0; i < count; i++) {
        struct kt_map *line = kt_map_copy(ctx, kt_at(&record->object, name, i));
        uint64_t id = kt_get_id(&line->object, "id");
        const char *path = kt_format(ctx, "%s[%zu].id", name, i);
        if (id > last || (id && !kt_line(old, name, id)))
            return kt_fail(ctx, KT_INVALID, path, "%s: there is no line %llu", "%s：没有第 %llu 行",
                           path, (unsigned long long)id);
        if (id && seen[id])
            return kt_fail(ctx, KT_INVALID, path, "%s is given twice", "%s 重复", path);
        if (id)
            seen[id] = 1;
        kt_list_add(lines, line->object);
    }
    for (size_t i = 0; i < count; i++) {
        struct kt_map *line = kt_map_copy(ctx, &lines->object.via.array.ptr[i]);
        if (!kt_get_id(&line->object, "id"))
            kt_map_set(line, "id", kt_id(++last));
        lines->object.via.array.ptr[i] = line->object;
    }
    kt_map_set(record, name, lines->object);
    return KT_OK;
}

static bool unchanged(const msgpack_object *old, const msgpack_object *record, const char *name)
{
    return old && kt_equal(kt_get(old, name), kt_get(record, name));
}

static bool is_empty(const msgpack_object *value)
{
    return !value || (value->type == MSGPACK_OBJECT_ARRAY && value->via.array.size == 0);
}

/* A hook that misspells a field would lose what it computed without a word. */
static enum kt_status refuse_unknown(struct kt_ctx *ctx, const struct schema_entity *entity,
                                     const msgpack_object *record)
{
    for (uint32_t i = 0; i < record->via.map.size; i++) {
        const char *name = record->via.map.ptr[i].key.via.str.ptr;
        int length = (int)record->via.map.ptr[i].key.via.str.size;
        if (!schema_own_field(name, (size_t)length) && !schema_field(entity, name, (size_t)length))
            return kt_fail(ctx, KT_INTERNAL, kt_format(ctx, "%.*s", length, name),
                           "%s was given %.*s, a field it does not have",
                           "%s 被赋予不存在的字段 %.*s", entity->name, length, name);
    }
    return KT_OK;
}

enum kt_status record_final_check(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const msgpack_object *old, struct kt_map *record)
{
    KT_TRY(refuse_unknown(ctx, entity, &record->object));
    for (size_t i = 0; i < entity->field_count; i++) {
        const struct schema_field *field = &entity->fields[i];
        const char *name = field->decl->name;
        const msgpack_object *value = kt_get(&record->object, name);
        if (is_empty(value) && (field->decl->flags & KT_REQUIRED) && !schema_field_sleeps(field))
            return kt_fail(ctx, KT_INVALID, name, "%s is required", "%s 为必填项", name);
        /* What was stored was checked then; a module that sleeps now must not spoil it. */
        if (!value || unchanged(old, &record->object, name))
            continue;
        msgpack_object checked;
        KT_TRY(record_check_value(ctx, field, name, value, &checked));
        kt_map_set(record, name, checked);
        KT_TRY(record_check_lines_complete(ctx, field, name, &checked));
    }
    return context_check_memory(ctx);
}

enum kt_status record_finish(struct kt_ctx *ctx, const struct schema_entity *entity,
                             const msgpack_object *old, struct kt_map *record)
{
    for (size_t i = 0; i < entity->field_count; i++) {
        const struct schema_field *field = &entity->fields[i];
        if (field->decl->type == KT_LINES && !unchanged(old, &record->object, field->decl->name))
            KT_TRY(number_lines(ctx, field, old, record));
    }
    msgpack_object_map *map = &record->object.via.map;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < map->size; i++)
        if (map->ptr[i].val.type != MSGPACK_OBJECT_NIL)
            map->ptr[kept++] = map->ptr[i];
    map->size = kept;
    return context_check_memory(ctx);
}
