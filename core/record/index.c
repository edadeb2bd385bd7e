/* Unique keys and indexes.
 *
 * For each index the set of keys a record should have is computed before and after the change; only
 * the difference is written. An index over lines, tags or a list of references has one key per
 * distinct value. Records whose unique fields are all or partly empty have no unique key, as in
 * SQL. */
#include <stdlib.h>
#include <string.h>

#include "record/record_internal.h"

const msgpack_object *record_path_value(const struct schema_path *path,
                                        const msgpack_object *record, const msgpack_object *line)
{
    if (path->line)
        return kt_get(line, path->line->decl->name);
    return kt_get(record, path->field->decl->name);
}

void record_key_add(struct key *key, const struct schema_field *field, const msgpack_object *value)
{
    struct kt_decimal number;
    kt_instant_us at;
    if (!value || value->type == MSGPACK_OBJECT_NIL) {
        key_add_nil(key);
        return;
    }
    switch (value->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        key_add_bool(key, value->via.boolean);
        return;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        key_add_int(key, value->via.i64);
        return;
    case MSGPACK_OBJECT_EXT:
        if (context_instant_of(value, &at))
            key_add_int(key, at);
        else
            key_add_nil(key);
        return;
    case MSGPACK_OBJECT_STR:
        if (field &&
            (field->decl->type == KT_DECIMAL || field->decl->type == KT_MONEY ||
             field->decl->type == KT_QUANTITY) &&
            kt_decimal_parse(value->via.str.ptr, value->via.str.size, &number))
            key_add_decimal(key, number);
        else
            key_add_text(key, value->via.str.ptr, value->via.str.size);
        return;
    default:
        key_add_nil(key);
    }
}

void record_index_begin(struct key *key, const struct schema_index *index)
{
    key_begin(key, index->unique ? SPACE_UNIQUE : SPACE_INDEX);
    key_add_u32(key, index->number);
}

static bool is_nothing(const msgpack_object *value)
{
    return !value || value->type == MSGPACK_OBJECT_NIL ||
           (value->type == MSGPACK_OBJECT_BOOLEAN && !value->via.boolean);
}

/* One key; false when a unique or sparse index skips the record because a value is empty. */
static bool make_key(const struct schema_index *index, uint64_t id, const msgpack_object *record,
                     const msgpack_object *line, const msgpack_object *element, struct key *key)
{
    record_index_begin(key, index);
    for (size_t i = 0; i < index->path_count; i++) {
        const struct schema_path *path = &index->paths[i];
        const struct schema_field *field = path->line ? path->line : path->field;
        const msgpack_object *value =
            schema_field_is_list(field) ? element : record_path_value(path, record, line);
        if ((!value && index->unique) || (index->sparse && is_nothing(value)))
            return false;
        record_key_add(key, field, value);
    }
    if (!index->unique)
        key_add_u64(key, id);
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    const struct key *left = a, *right = b;
    size_t shorter = left->size < right->size ? left->size : right->size;
    int order = memcmp(left->bytes, right->bytes, shorter);
    return order ? order : (left->size > right->size) - (left->size < right->size);
}

/* The list a many-index runs over: lines, tags or references. */
static const msgpack_object *index_list(const struct schema_index *index,
                                        const msgpack_object *record)
{
    for (size_t i = 0; i < index->path_count; i++)
        if (index->paths[i].line || schema_field_is_list(index->paths[i].field))
            return kt_get(record, index->paths[i].field->decl->name);
    return NULL;
}

void record_index_keys(struct kt_ctx *ctx, const struct schema_index *index, uint64_t id,
                       const msgpack_object *record, struct record_keys *out)
{
    *out = (struct record_keys){0};
    if (!record)
        return;
    if (!index->many) {
        out->at = kt_alloc(ctx, sizeof(*out->at));
        out->count = make_key(index, id, record, NULL, NULL, &out->at[0]);
        return;
    }
    const msgpack_object *list = index_list(index, record);
    if (!list || list->type != MSGPACK_OBJECT_ARRAY)
        return;
    out->at = kt_alloc(ctx, sizeof(*out->at) * list->via.array.size);
    for (uint32_t i = 0; i < list->via.array.size; i++) {
        const msgpack_object *item = &list->via.array.ptr[i];
        out->count += make_key(index, id, record, item, item, &out->at[out->count]);
    }
    qsort(out->at, out->count, sizeof(*out->at), compare_keys);
    size_t kept = 0;
    for (size_t i = 0; i < out->count; i++)
        if (i == 0 || compare_keys(&out->at[kept - 1], &out->at[i]) != 0)
            out->at[kept++] = out->at[i];
    out->count = kept;
}

const char *record_index_fields(const struct schema_index *index)
{
    return strchr(index->name, '#') + 1;
}

/* KT_CONFLICT when a unique key is that of another record than `id`. */
static enum kt_status check_key(struct kt_ctx *ctx, const struct schema_index *index, uint64_t id,
                                const struct key *key)
{
    struct store_slice there;
    uint64_t other = 0;
    const char *fields = record_index_fields(index);
    if (key->overflow)
        return kt_fail(ctx, KT_INVALID, fields, "%s is too long for its index", "%s 过长，无法索引",
                       fields);
    if (!index->unique || store_get(ctx->txn, key_slice(key), &there) != KT_OK)
        return KT_OK;
    memcpy(&other, there.at, sizeof(other));
    if (other == id)
        return KT_OK;
    if (record_mask_hides(ctx, index))
        return kt_fail(ctx, KT_CONFLICT, fields, "%s is already used", "%s 已被使用", fields);
    if (key->cut)
        return kt_fail(ctx, KT_CONFLICT, fields,
                       "%s begins like that of record %llu and is too long to tell them apart",
                       "%s 与记录 %llu 的开头相同且过长，无法区分", fields,
                       (unsigned long long)other);
    return kt_fail(ctx, KT_CONFLICT, fields, "%s is already used by %s %llu",
                   "%s 已被 %s %llu 使用", fields, index->entity->name, (unsigned long long)other);
}

enum kt_status record_index_check(struct kt_ctx *ctx, const struct schema_index *index, uint64_t id,
                                  const msgpack_object *record)
{
    struct record_keys keys;
    record_index_keys(ctx, index, id, record, &keys);
    for (size_t i = 0; i < keys.count; i++)
        KT_TRY(check_key(ctx, index, id, &keys.at[i]));
    return KT_OK;
}

static enum kt_status add_key(struct kt_ctx *ctx, const struct schema_index *index, uint64_t id,
                              const struct key *key)
{
    struct store_slice value = {index->unique ? &id : NULL, index->unique ? sizeof(id) : 0};
    KT_TRY(check_key(ctx, index, id, key));
    enum kt_status status = store_put(ctx->txn, key_slice(key), value);
    return status == KT_OK ? KT_OK : record_store_failed(ctx, status);
}

/* Before a migration has told doubles apart, all but the first lack their unique key (refresh.c).
 */
static bool may_lack(struct kt_ctx *ctx, const struct schema_index *index, uint64_t id,
                     const struct key *key)
{
    struct store_slice there;
    uint64_t owner = 0;
    if (!ctx->migrating || !index->unique)
        return false;
    if (store_get(ctx->txn, key_slice(key), &there) == KT_OK && there.size == sizeof(owner))
        memcpy(&owner, there.at, sizeof(owner));
    return owner != id;
}

static enum kt_status drop_key(struct kt_ctx *ctx, const struct schema_index *index, uint64_t id,
                               const struct key *key)
{
    if (key->overflow || may_lack(ctx, index, id, key) ||
        store_del(ctx->txn, key_slice(key)) == KT_OK)
        return KT_OK;
    return record_store_failed(ctx, KT_INTERNAL);
}

static enum kt_status change_one(struct kt_ctx *ctx, const struct schema_index *index, uint64_t id,
                                 const msgpack_object *old, const msgpack_object *record)
{
    struct record_keys before, after;
    record_index_keys(ctx, index, id, old, &before);
    record_index_keys(ctx, index, id, record, &after);
    size_t i = 0, j = 0;
    while (i < before.count || j < after.count) {
        int order = i == before.count  ? 1
                    : j == after.count ? -1
                                       : compare_keys(&before.at[i], &after.at[j]);
        if (order < 0) {
            KT_TRY(drop_key(ctx, index, id, &before.at[i++]));
        } else if (order > 0) {
            KT_TRY(add_key(ctx, index, id, &after.at[j++]));
        } else {
            i++;
            j++;
        }
    }
    return KT_OK;
}

enum kt_status record_index_add(struct kt_ctx *ctx, const struct schema_index *index, uint64_t id,
                                const msgpack_object *record)
{
    return change_one(ctx, index, id, NULL, record);
}

/* Whether any field of the index changed at all; most updates touch few fields. */
static bool touched(const struct schema_index *index, const msgpack_object *old,
                    const msgpack_object *record)
{
    if (!old || !record)
        return true;
    for (size_t i = 0; i < index->path_count; i++) {
        const char *name = index->paths[i].field->decl->name;
        if (!kt_equal(kt_get(old, name), kt_get(record, name)))
            return true;
    }
    return false;
}

enum kt_status record_index_change(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   uint64_t id, const msgpack_object *old,
                                   const msgpack_object *record)
{
    for (size_t i = 0; i < entity->index_count; i++)
        if (touched(&entity->indexes[i], old, record))
            KT_TRY(change_one(ctx, &entity->indexes[i], id, old, record));
    KT_TRY(record_counts_change(ctx, entity, old, record));
    return record_words_change(ctx, entity, id, old, record);
}

uint64_t record_key_id(struct store_slice key)
{
    uint64_t id = 0;
    for (size_t i = key.size - 8; i < key.size; i++)
        id = id << 8 | ((const uint8_t *)key.at)[i];
    return id;
}
