/* The past, rebuilt. A record as it stood at ctx->as_of is what it is now with the changes since
 * taken back, newest first; one that did not change since is read as it is. So the past costs what
 * happened since, however long the history before. */
#include <stdlib.h>
#include <string.h>

#include "kontor/limits.h"
#include "record/record_internal.h"

/* --- One record --- */

struct rebuilt {
    struct kt_map *record;
    bool exists;
    unsigned changes; /**< How many were taken back. */
};

static void take_back(const struct schema_entity *entity, const struct record_change *change,
                      struct kt_map *record)
{
    for (uint32_t i = 0; i < change->changes.via.map.size; i++) {
        const msgpack_object_kv *pair = &change->changes.via.map.ptr[i];
        const msgpack_object_str *key = &pair->key.via.str;
        const struct schema_field *field = schema_field(entity, key->ptr, key->size);
        msgpack_object before = pair->val.via.array.ptr[0];
        if (field)
            before = record_in_form(record->ctx, field, &before);
        else if (!record_is_own(key->ptr, key->size))
            continue; /* It belonged to a field that is declared no more. */
        const char *name =
            field ? field->decl->name : kt_format(record->ctx, "%.*s", (int)key->size, key->ptr);
        if (before.type == MSGPACK_OBJECT_NIL)
            kt_map_remove(record, name);
        else
            kt_map_set(record, name, before);
    }
    kt_map_set_id(record, "version", change->version - 1);
}

/* `cursor` stands on the newest change. */
static enum kt_status take_back_since(struct kt_ctx *ctx, const struct schema_entity *entity,
                                      struct store_cursor *cursor, const struct key *prefix,
                                      struct store_slice found, struct store_slice bytes,
                                      struct rebuilt *out)
{
    struct record_change change;
    enum kt_status moved = KT_OK;
    while (moved == KT_OK && key_has_prefix(found, key_slice(prefix))) {
        if (!record_history_read_key(found, &change))
            return record_store_failed(ctx, KT_INTERNAL);
        if (change.stamp <= ctx->as_of)
            return KT_OK;
        out->exists = change.version > 1;
        if (!out->exists)
            return KT_OK;
        KT_TRY(record_history_read(ctx, bytes, &change));
        take_back(entity, &change, out->record);
        out->changes++;
        KT_TRY(context_check_memory(ctx));
        moved = store_prev(cursor, &found, &bytes);
    }
    return moved == KT_OK || moved == KT_NOT_FOUND ? KT_OK : record_store_failed(ctx, moved);
}

static enum kt_status pack(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                           const struct rebuilt *rebuilt, struct store_slice *out)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    if (!rebuilt->exists)
        return KT_NOT_FOUND;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    record_pack(&packer, entity, id, &rebuilt->record->object);
    *out = (struct store_slice){context_copy(ctx, buffer.data, buffer.size), buffer.size};
    msgpack_sbuffer_destroy(&buffer);
    return context_check_memory(ctx);
}

/* --- Records that took long to rebuild are kept: many others may refer to them --- */

#define WORTH_KEEPING  8u /* Changes. */
#define KEPT_BYTES_MAX (16u << 20)

struct known_record {
    const struct schema_entity *entity;
    uint64_t id;
    bool exists;
    size_t size;
    struct known_record *next;
    char bytes[];
};

static struct known_record **slot_of(struct record_past *past, const struct schema_entity *entity,
                                     uint64_t id)
{
    return &past->records[(id * 31 + entity->number) % PAST_SLOTS];
}

static const struct known_record *find_known(struct kt_ctx *ctx, const struct schema_entity *entity,
                                             uint64_t id)
{
    struct known_record *known = *slot_of(record_past(ctx), entity, id);
    while (known && (known->id != id || known->entity != entity))
        known = known->next;
    return known;
}

static void keep_known(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                       const struct store_slice *bytes)
{
    struct record_past *past = record_past(ctx);
    size_t size = bytes ? bytes->size : 0;
    if (past->record_bytes + size > KEPT_BYTES_MAX)
        return;
    struct known_record *known = malloc(sizeof(*known) + size);
    struct known_record **slot = slot_of(past, entity, id);
    if (!known)
        abort();
    *known = (struct known_record){
        .entity = entity, .id = id, .exists = bytes != NULL, .size = size, .next = *slot};
    if (size)
        memcpy(known->bytes, bytes->at, size);
    *slot = known;
    past->record_bytes += sizeof(*known) + size;
}

static enum kt_status rebuild(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                              struct store_cursor *cursor, struct store_slice *out)
{
    struct key prefix, end;
    struct store_slice found, bytes;
    struct record_change newest;
    struct rebuilt rebuilt = {0};
    record_history_begin(&prefix, entity, id);
    end = prefix;
    key_successor(&end);
    enum kt_status moved = store_seek_before(cursor, key_slice(&end), &found, &bytes);
    if (moved != KT_OK && moved != KT_NOT_FOUND)
        return record_store_failed(ctx, moved);
    enum kt_status present = record_find_present(ctx, entity, id, out);
    if (present != KT_OK && present != KT_NOT_FOUND)
        return present;
    if (moved == KT_NOT_FOUND || !key_has_prefix(found, key_slice(&prefix)))
        return present;
    if (!record_history_read_key(found, &newest))
        return record_store_failed(ctx, KT_INTERNAL);
    if (newest.stamp <= ctx->as_of)
        return present;
    const struct known_record *known = find_known(ctx, entity, id);
    if (known) {
        *out = (struct store_slice){known->bytes, known->size};
        return known->exists ? KT_OK : KT_NOT_FOUND;
    }
    rebuilt.record = kt_map_new(ctx);
    if (present == KT_OK) {
        msgpack_object record;
        KT_TRY(context_unpack(ctx, out->at, out->size, ctx->writable, &record));
        rebuilt.record = kt_map_copy(ctx, &record);
    }
    KT_TRY(take_back_since(ctx, entity, cursor, &prefix, found, bytes, &rebuilt));
    enum kt_status status = pack(ctx, entity, id, &rebuilt, out);
    if (rebuilt.changes >= WORTH_KEEPING && (status == KT_OK || status == KT_NOT_FOUND))
        keep_known(ctx, entity, id, status == KT_OK ? out : NULL);
    return status;
}

enum kt_status record_find_past(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                                struct store_slice *out)
{
    struct store_cursor *cursor;
    KT_TRY(record_history_require(ctx, entity, "as_of"));
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    enum kt_status status = rebuild(ctx, entity, id, cursor, out);
    store_cursor_close(cursor);
    return status;
}

/* --- What changed since --- */

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void sort_once(struct record_ids *ids)
{
    size_t kept = 0;
    if (ids->count)
        qsort(ids->at, ids->count, sizeof(*ids->at), compare_ids);
    for (size_t i = 0; i < ids->count; i++)
        if (kept == 0 || ids->at[i] != ids->at[kept - 1])
            ids->at[kept++] = ids->at[i];
    ids->count = kept;
}

static enum kt_status add_id(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                             size_t *capacity, struct record_ids *ids)
{
    if (ids->count == KT_LIMIT_SCAN)
        return kt_fail(ctx, KT_TOO_LARGE, "as_of",
                       "%s changed more than %u times since: ask for a later moment",
                       "%s 自该时刻起的更改超过 %u 次：请选择更晚的时刻", entity->name,
                       KT_LIMIT_SCAN);
    KT_TRY(context_check_time(ctx));
    if (ids->count == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 64;
        uint64_t *wider = realloc(ids->at, *capacity * sizeof(*wider));
        if (!wider)
            abort();
        ids->at = wider;
    }
    ids->at[ids->count++] = id;
    return KT_OK;
}

static enum kt_status walk_changed(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   struct record_ids *ids)
{
    struct key prefix, start;
    struct store_cursor *cursor;
    struct store_slice found;
    size_t capacity = 0;
    key_begin(&prefix, SPACE_CHANGED);
    key_add_u32(&prefix, entity->number);
    start = prefix;
    key_add_u64(&start, ctx->as_of + 1);
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    enum kt_status status = KT_OK;
    enum kt_status moved = store_seek(cursor, key_slice(&start), &found, NULL);
    while (moved == KT_OK && status == KT_OK && key_has_prefix(found, key_slice(&prefix))) {
        status = add_id(ctx, entity, record_key_id(found), &capacity, ids);
        moved = store_next(cursor, &found, NULL);
    }
    store_cursor_close(cursor);
    if (status == KT_OK && moved != KT_OK && moved != KT_NOT_FOUND)
        return record_store_failed(ctx, moved);
    return status;
}

/* --- What a request learned of the past; totals_asof.c keeps sums here, too --- */

struct known_ids {
    const struct schema_entity *entity;
    struct record_ids ids;
    struct known_ids *next;
};

struct record_past *record_past(struct kt_ctx *ctx)
{
    if (ctx->past)
        return ctx->past;
    ctx->past = calloc(1, sizeof(*ctx->past));
    if (!ctx->past)
        abort();
    return ctx->past;
}

void record_past_free(struct kt_ctx *ctx)
{
    struct record_past *past = ctx->past;
    ctx->past = NULL;
    if (!past)
        return;
    while (past->ids) {
        struct known_ids *known = past->ids;
        past->ids = known->next;
        free(known->ids.at);
        free(known);
    }
    for (size_t i = 0; i < PAST_SLOTS; i++)
        while (past->records[i]) {
            struct known_record *known = past->records[i];
            past->records[i] = known->next;
            free(known);
        }
    record_past_sums_free(past->sums);
    free(past);
}

enum kt_status record_changed_since(struct kt_ctx *ctx, const struct schema_entity *entity,
                                    const struct record_ids **out)
{
    struct record_past *past = record_past(ctx);
    KT_TRY(record_history_require(ctx, entity, "as_of"));
    for (struct known_ids *known = past->ids; known; known = known->next)
        if (known->entity == entity) {
            *out = &known->ids;
            return KT_OK;
        }
    struct known_ids *known = calloc(1, sizeof(*known));
    if (!known)
        abort();
    known->entity = entity;
    enum kt_status status = walk_changed(ctx, entity, &known->ids);
    if (status != KT_OK) {
        free(known->ids.at);
        free(known);
        return status;
    }
    sort_once(&known->ids);
    known->next = past->ids;
    past->ids = known;
    *out = &known->ids;
    return KT_OK;
}

bool record_ids_have(const struct record_ids *ids, uint64_t id)
{
    return ids->count && bsearch(&id, ids->at, ids->count, sizeof(id), compare_ids);
}
