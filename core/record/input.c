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
    if (schema_field_is_readonly(decl) && !(by == RECORD_BY_RULE && (decl->flags & KT_CUSTOM)))
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
 * that is there already; a new line with one is refused. The lines are the check's own copy. */
static enum kt_status drop_readonly_parts(struct kt_ctx *ctx, const struct schema_field *field,
                                          msgpack_object *value)
{
    for (uint32_t i = 0; i < value->via.array.size; i++) {
        msgpack_object *line = &value->via.array.ptr[i];
        bool is_new = !kt_has(line, "id");
        uint32_t kept = 0;
        for (uint32_t p = 0; p < line->via.map.size; p++) {
            const msgpack_object_kv *pair = &line->via.map.ptr[p];
            const struct schema_field *part =
                schema_line_field(field, pair->key.via.str.ptr, pair->key.via.str.size);
            bool sleeps = part && schema_field_sleeps(part) && pair->val.type != MSGPACK_OBJECT_NIL;
            if (sleeps && is_new)
                return refuse_sleeping(
                    ctx, part, kt_format(ctx, "%s[%u].%s", field->decl->name, i, part->decl->name));
            bool asleep =
                record_asleep(field->asleep, pair->key.via.str.ptr, pair->key.via.str.size) != NULL;
            if (!sleeps && !asleep && !(part && schema_field_is_readonly(part->decl)))
                line->via.map.ptr[kept++] = *pair;
        }
        line->via.map.size = kept;
    }
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
                           entity->name, context_quote(ctx, name, strlen(name)));
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

msgpack_object record_initial_value(struct kt_ctx *ctx, const struct schema_field *field)
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

enum kt_status record_input_numbers(struct kt_ctx *ctx, const struct schema_entity *entity,
                                    struct kt_map *record, bool settled, bool *changed)
{
    for (size_t i = 0; i < entity->field_count; i++) {
        const struct kt_field *decl = entity->fields[i].decl;
        msgpack_object number;
        if (!decl->sequence || record_number_shows_fields(decl) != settled ||
            kt_has(&record->object, decl->name))
            continue;
        KT_TRY(record_next_number(ctx, entity, decl, &record->object, &number));
        kt_map_set(record, decl->name, number);
        *changed = true;
    }
    return KT_OK;
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
            kt_map_set(record, name, record_initial_value(ctx, field));
        if (field->decl->type == KT_LINES)
            record_lines_default(ctx, field, record);
    }
    bool changed;
    KT_TRY(record_input_numbers(ctx, entity, record, false, &changed));
    return record_fit(ctx, entity, NULL, record);
}

/* --- Merge --- */

static bool is_empty(const msgpack_object *value)
{
    return !value || (value->type == MSGPACK_OBJECT_ARRAY && value->via.array.size == 0);
}

/* An emptied field and one that never was are the same. */
static bool same(const msgpack_object *a, const msgpack_object *b, const char *name)
{
    const msgpack_object *left = kt_get(a, name), *right = kt_get(b, name);
    return (is_empty(left) && is_empty(right)) || kt_equal(left, right);
}

enum kt_status record_input_merge(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const msgpack_object *old, const struct kt_map *changes,
                                  struct kt_map **out)
{
    bool dropped;
    struct kt_map *record = record_strip(ctx, entity, old, &dropped);
    for (uint32_t i = 0; i < changes->object.via.map.size; i++) {
        const msgpack_object_kv *pair = &changes->object.via.map.ptr[i];
        const struct schema_field *field =
            schema_field(entity, pair->key.via.str.ptr, pair->key.via.str.size);
        if (field->decl->type == KT_LINES && pair->val.type == MSGPACK_OBJECT_ARRAY)
            kt_map_set(record, field->decl->name,
                       record_lines_merge(ctx, field, &record->object, &pair->val));
        else
            kt_map_set(record, field->decl->name, pair->val);
    }
    for (size_t i = 0; i < entity->field_count; i++)
        if (entity->fields[i].decl->type == KT_LINES)
            record_lines_default(ctx, &entity->fields[i], record);
    *out = record;
    KT_TRY(record_fit(ctx, entity, old, record));
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
    struct record_lines before;
    record_lines_sort(ctx, old, name, &before);
    for (size_t i = 0; i < kt_count(record, name); i++) {
        const msgpack_object *line = kt_at(record, name, i);
        const struct record_line *there = record_lines_find(&before, kt_get_id(line, "id"));
        for (size_t f = 0; f < field->line_count; f++) {
            const struct schema_field *part = &field->lines[f];
            const msgpack_object *was = there ? there->line : NULL;
            if (part->decl->type != KT_REF ||
                kt_get_id(line, part->decl->name) == kt_get_id(was, part->decl->name))
                continue;
            KT_TRY(check_targets(ctx, part, kt_format(ctx, "%s[%zu].%s", name, i, part->decl->name),
                                 was, line));
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

/* --- Frozen fields --- */

static enum kt_status refuse_frozen(struct kt_ctx *ctx, const struct schema_entity *entity,
                                    const char *path, const char *state)
{
    return kt_fail(ctx, KT_CONFLICT, path, "%s cannot be changed: this %s is %s",
                   "%s 不可更改：此 %s 处于状态 %s", path, entity->name, state);
}

static bool is_frozen(const struct kt_field *decl, const char *state)
{
    for (size_t i = 0; i < decl->frozen.count; i++)
        if (strcmp(decl->frozen.at[i], state) == 0)
            return true;
    return false;
}

/* What a line says in a frozen field stays, so such a line neither comes nor goes. */
static enum kt_status check_frozen_part(struct kt_ctx *ctx, const struct schema_entity *entity,
                                        const struct schema_field *field,
                                        const struct kt_field *part, const msgpack_object *both[2])
{
    const char *state = kt_get_text(ctx, both[0], entity->state->decl->name);
    const char *name = field->decl->name;
    struct record_lines before;
    record_lines_sort(ctx, both[0], name, &before);
    for (size_t i = 0; i < kt_count(both[1], name); i++) {
        const msgpack_object *line = kt_at(both[1], name, i);
        struct record_line *there = record_lines_find(&before, kt_get_id(line, "id"));
        if (!same(there ? there->line : NULL, line, part->name))
            return refuse_frozen(ctx, entity, kt_format(ctx, "%s[%zu].%s", name, i, part->name),
                                 state);
        if (there)
            there->taken = true;
    }
    for (size_t i = 0; i < before.count; i++)
        if (!before.at[i].taken && kt_has(before.at[i].line, part->name))
            return refuse_frozen(ctx, entity, kt_format(ctx, "%s.%s", name, part->name), state);
    return KT_OK;
}

/* What a line was created with in such a field stays; the line itself may go. */
static enum kt_status check_immutable_part(struct kt_ctx *ctx, const struct schema_field *field,
                                           const struct kt_field *part,
                                           const msgpack_object *both[2])
{
    const char *name = field->decl->name;
    struct record_lines before;
    record_lines_sort(ctx, both[0], name, &before);
    for (size_t i = 0; i < kt_count(both[1], name); i++) {
        const msgpack_object *line = kt_at(both[1], name, i);
        struct record_line *there = record_lines_find(&before, kt_get_id(line, "id"));
        if (!there || same(there->line, line, part->name))
            continue;
        const char *path = kt_format(ctx, "%s[%zu].%s", name, i, part->name);
        return kt_fail(ctx, KT_INVALID, path, "%s cannot be changed after creation",
                       "%s 创建后不可更改", path);
    }
    return KT_OK;
}

enum kt_status record_check_fixed(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const msgpack_object *old, const msgpack_object *record)
{
    const char *state =
        entity->freezes && entity->state ? kt_get_text(ctx, old, entity->state->decl->name) : "";
    for (size_t i = 0; i < entity->field_count; i++) {
        const struct schema_field *field = &entity->fields[i];
        const char *name = field->decl->name;
        if (same(old, record, name))
            continue;
        const msgpack_object *both[] = {old, record};
        if (is_frozen(field->decl, state))
            return refuse_frozen(ctx, entity, name, state);
        for (size_t f = 0; f < field->line_count; f++) {
            const struct kt_field *part = field->lines[f].decl;
            if (is_frozen(part, state))
                KT_TRY(check_frozen_part(ctx, entity, field, part, both));
            if (part->flags & KT_IMMUTABLE)
                KT_TRY(check_immutable_part(ctx, field, part, both));
        }
    }
    return KT_OK;
}

/* --- Final check --- */

static bool unchanged(const msgpack_object *old, const msgpack_object *record, const char *name)
{
    return old && kt_equal(kt_get(old, name), kt_get(record, name));
}

bool record_is_own(const char *name, size_t length)
{
    return schema_own_field(name, length) ||
           (length == 9 && memcmp(name, "last_line", length) == 0);
}

/* A hook that misspells a field would lose what it computed without a word. */
static enum kt_status refuse_unknown(struct kt_ctx *ctx, const struct schema_entity *entity,
                                     const msgpack_object *record)
{
    for (uint32_t i = 0; i < record->via.map.size; i++) {
        const char *name = record->via.map.ptr[i].key.via.str.ptr;
        int length = (int)record->via.map.ptr[i].key.via.str.size;
        const struct schema_field *field = schema_field(entity, name, (size_t)length);
        if (field && (field->decl->flags & KT_ON_READ))
            return kt_fail(ctx, KT_INTERNAL, field->decl->name,
                           "%s is computed when it is read, not stored", "%s 在读取时计算，不存储",
                           field->decl->name);
        if (!field && !record_is_own(name, (size_t)length) &&
            !record_asleep(entity->asleep, name, (size_t)length))
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
    KT_TRY(record_fit(ctx, entity, old, record));
    return context_check_memory(ctx);
}

enum kt_status record_finish(struct kt_ctx *ctx, const struct schema_entity *entity,
                             const msgpack_object *old, struct kt_map *record)
{
    for (size_t i = 0; i < entity->field_count; i++) {
        const struct schema_field *field = &entity->fields[i];
        if (field->decl->type == KT_LINES && !unchanged(old, &record->object, field->decl->name))
            KT_TRY(record_lines_number(ctx, field, old, record));
    }
    msgpack_object_map *map = &record->object.via.map;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < map->size; i++)
        if (map->ptr[i].val.type != MSGPACK_OBJECT_NIL)
            map->ptr[kept++] = map->ptr[i];
    map->size = kept;
    return context_check_memory(ctx);
}
