/* One document of an import is saved: as a new record, or over the one that its key names. */
#include <string.h>

#include "record/import.h"

/* "code", or "country+code" for a unique index over both. */
enum kt_status import_key_read(struct kt_ctx *ctx, const struct schema_entity *entity,
                               const char *name, const struct import_column *columns,
                               size_t column_count, struct import_key *out)
{
    const struct schema_field *parts[KT_GROUP_FIELDS];
    size_t count = 0;
    for (const char *at = name; at && count < KT_GROUP_FIELDS; count++) {
        const char *plus = strchr(at, '+');
        parts[count] = import_field(entity, at, plus ? (size_t)(plus - at) : strlen(at));
        at = plus ? plus + 1 : NULL;
    }
    for (size_t i = 0; i < entity->index_count && !out->index; i++) {
        const struct schema_index *index = &entity->indexes[i];
        bool fits = index->unique && index->path_count == count;
        for (size_t p = 0; fits && p < count; p++) {
            bool found = false;
            for (size_t k = 0; k < count; k++)
                found = found || index->paths[p].field == parts[k];
            fits = found;
        }
        out->index = fits ? index : NULL;
    }
    out->name = name;
    if (!out->index)
        return kt_fail(ctx, KT_INVALID, name, "%s has no unique key %s", "%s 没有唯一键 %s",
                       entity->name, name);
    for (size_t k = 0; k < count; k++) {
        bool given = false;
        /* Whether a record is found by a key tells what is in it. */
        KT_TRY(record_mask_refuse(ctx, entity, parts[k], name));
        for (size_t c = 0; c < column_count; c++)
            given = given || (columns[c].field == parts[k] && !columns[c].line);
        if (!given)
            return kt_fail(ctx, KT_INVALID, name, "there is no column %s to be the key",
                           "没有可作为键的列 %s", parts[k]->decl->name);
    }
    return KT_OK;
}

enum kt_status import_find_record(struct kt_ctx *ctx, const struct import_key *key,
                                  const msgpack_object *values, uint64_t *out)
{
    struct record_keys keys;
    struct store_slice found;
    *out = 0;
    if (!key->index)
        return KT_OK;
    record_index_keys(ctx, key->index, 0, values, &keys);
    if (keys.count == 0)
        return kt_fail(ctx, KT_INVALID, key->name, "%s is the key and must be given",
                       "%s 为键字段，必须提供", key->name);
    if (keys.at[0].overflow || store_get(ctx->txn, key_slice(&keys.at[0]), &found) != KT_OK)
        return KT_OK;
    memcpy(out, found.at, sizeof(*out));
    const msgpack_object *there;
    KT_TRY(record_load(ctx, key->index->entity, *out, &there));
    for (size_t i = 0; keys.at[0].cut && i < key->index->path_count; i++) {
        const char *name = key->index->paths[i].field->decl->name;
        if (!kt_equal(kt_get(there, name), kt_get(values, name)))
            *out = 0; /* Long texts that only begin alike. */
    }
    return KT_OK;
}

/* "5" and "5.00" are one amount, whatever digits its currency gives it when it is stored. */
static bool is_same(const struct schema_field *field, const msgpack_object *given,
                    const msgpack_object *there)
{
    struct kt_decimal a, b;
    bool numeric = field->decl->type == KT_DECIMAL || field->decl->type == KT_MONEY ||
                   field->decl->type == KT_QUANTITY;
    if (!there)
        return given->type == MSGPACK_OBJECT_NIL;
    if (numeric && given->type == MSGPACK_OBJECT_STR && there->type == MSGPACK_OBJECT_STR &&
        kt_decimal_parse(given->via.str.ptr, given->via.str.size, &a) &&
        kt_decimal_parse(there->via.str.ptr, there->via.str.size, &b))
        return kt_decimal_compare(a, b) == 0;
    return kt_equal(given, there);
}

static bool says_the_same(const struct schema_field *lines, const msgpack_object *given,
                          const msgpack_object *there)
{
    for (uint32_t i = 0; i < given->via.map.size; i++) {
        const msgpack_object_kv *pair = &given->via.map.ptr[i];
        const struct schema_field *field =
            schema_line_field(lines, pair->key.via.str.ptr, pair->key.via.str.size);
        if (!field || !is_same(field, &pair->val, kt_get(there, field->decl->name)))
            return false;
    }
    return true;
}

bool import_line_is_there(const struct schema_field *lines, const msgpack_object *line,
                          const msgpack_object *record)
{
    for (size_t i = 0; i < kt_count(record, lines->decl->name); i++)
        if (says_the_same(lines, line, kt_at(record, lines->decl->name, i)))
            return true;
    return false;
}

/* Lines that say what a line of the record says already are that line, with its id and all that the
 * file does not tell; false when that makes no difference at all. */
static bool match_lines(struct kt_ctx *ctx, const struct schema_field *field, msgpack_object *lines,
                        const msgpack_object *old)
{
    const char *name = field->decl->name;
    size_t count = lines->via.array.size, there = kt_count(old, name);
    bool *taken = kt_alloc(ctx, sizeof(*taken) * there);
    struct kt_list *matched = kt_list_new(ctx);
    bool differs = count != there;
    for (size_t i = 0; i < count; i++) {
        struct kt_map *line = kt_map_copy(ctx, &lines->via.array.ptr[i]);
        size_t at = 0;
        while (at < there &&
               (taken[at] || !says_the_same(field, &line->object, kt_at(old, name, at))))
            at++;
        if (at < there) {
            taken[at] = true;
            kt_map_set(line, "id", *kt_get(kt_at(old, name, at), "id"));
        }
        differs = differs || at != i;
        kt_list_add(matched, line->object);
    }
    *lines = matched->object;
    return differs;
}

/* Only what differs is written; nothing, if nothing does. */
static enum kt_status change(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                             const msgpack_object *given, enum import_outcome *outcome)
{
    const msgpack_object_map *values = &given->via.map;
    const msgpack_object *old;
    struct kt_map *changes = kt_map_new(ctx);
    KT_TRY(record_load(ctx, entity, id, &old));
    for (uint32_t i = 0; i < values->size; i++) {
        const struct schema_field *field =
            schema_field(entity, values->ptr[i].key.via.str.ptr, values->ptr[i].key.via.str.size);
        const char *name = field->decl->name;
        const msgpack_object *there = kt_get(old, name);
        msgpack_object value;
        KT_TRY(record_check_value(ctx, field, name, &values->ptr[i].val, &value));
        bool differs = field->decl->type == KT_LINES ? match_lines(ctx, field, &value, old)
                                                     : !is_same(field, &value, there);
        if (differs)
            kt_map_set(changes, name, value);
    }
    *outcome = changes->object.via.map.size ? IMPORT_UPDATED : IMPORT_UNCHANGED;
    if (*outcome == IMPORT_UNCHANGED)
        return KT_OK;
    return record_update(ctx, entity, id, 0, &changes->object, RECORD_BY_IMPORT);
}

enum kt_status import_save(struct kt_ctx *ctx, const struct schema_entity *entity,
                           const struct import_key *key, const msgpack_object *values,
                           enum import_outcome *outcome)
{
    uint64_t id;
    KT_TRY(import_find_record(ctx, key, values, &id));
    if (id)
        return change(ctx, entity, id, values, outcome);
    *outcome = IMPORT_CREATED;
    return record_create(ctx, entity, values, RECORD_BY_IMPORT, NULL);
}
