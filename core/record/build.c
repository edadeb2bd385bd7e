/* Indexes, totals, words and counters of an entity, built from its records. */
#include "record/build.h"

#include <string.h>

void build_begin(struct build *build, struct kt_ctx *ctx, const struct schema_entity *entity,
                 msgpack_zone *scratch)
{
    *build = (struct build){.ctx = ctx, .entity = entity, .scratch = scratch};
    build->indexes = kt_alloc(ctx, sizeof(const struct schema_index *) * entity->index_count);
    build->lacks = kt_alloc(ctx, sizeof(bool) * entity->index_count);
    build->totals = kt_alloc(ctx, sizeof(const struct schema_total *) * entity->total_count);
}

/* --- Emptying --- */

enum kt_status build_wipe(struct kt_ctx *ctx, const struct key *prefix)
{
    struct store_cursor *cursor;
    struct store_slice found;
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    enum kt_status status = KT_OK;
    while (status == KT_OK && store_seek(cursor, key_slice(prefix), &found, NULL) == KT_OK &&
           key_has_prefix(found, key_slice(prefix))) {
        char copy[STORE_KEY_MAX];
        memcpy(copy, found.at, found.size);
        status = store_del(ctx->txn, (struct store_slice){copy, found.size});
    }
    store_cursor_close(cursor);
    return status == KT_OK ? KT_OK : record_store_failed(ctx, status);
}

static enum kt_status wipe(struct kt_ctx *ctx, char space, uint32_t number)
{
    struct key prefix;
    key_begin(&prefix, space);
    key_add_u32(&prefix, number);
    return build_wipe(ctx, &prefix);
}

/* An index that is unique now may have been a plain one under its name before. */
static enum kt_status wipe_all(const struct build *build)
{
    for (size_t i = 0; i < build->index_count; i++) {
        KT_TRY(wipe(build->ctx, SPACE_INDEX, build->indexes[i]->number));
        KT_TRY(wipe(build->ctx, SPACE_UNIQUE, build->indexes[i]->number));
    }
    for (size_t i = 0; i < build->total_count; i++)
        KT_TRY(wipe(build->ctx, SPACE_TOTAL, build->totals[i]->number));
    return build->words ? wipe(build->ctx, SPACE_WORD, build->entity->number) : KT_OK;
}

/* --- Filling --- */

/* Whether to go on after a failure that is the record's own, not the store's. */
static bool is_forgiven(struct build *build, enum kt_status status)
{
    if (!build->lenient || (status != KT_CONFLICT && status != KT_INVALID))
        return false;
    context_forgive(build->ctx);
    build->forgave = true;
    return true;
}

static enum kt_status enter_index(struct build *build, size_t i, uint64_t id,
                                  const msgpack_object *record)
{
    struct record_keys keys;
    record_index_keys(build->ctx, build->indexes[i], id, record, &keys);
    build->lacks[i] = build->lacks[i] || keys.count == 0;
    enum kt_status status = record_index_add(build->ctx, build->indexes[i], id, record);
    if (status == KT_OK)
        return KT_OK;
    build->lacks[i] = true;
    /* The error tells of the other record, which holds the key. */
    return is_forgiven(build, status) ? KT_OK : record_failed_at(build->ctx, build->entity, id);
}

static enum kt_status enter_whole(struct build *build, uint64_t id, const msgpack_object *record)
{
    struct kt_ctx *ctx = build->ctx;
    for (size_t i = 0; i < build->index_count; i++)
        KT_TRY(enter_index(build, i, id, record));
    for (size_t i = 0; i < build->total_count; i++) {
        enum kt_status status = record_total_add(ctx, build->totals[i], record);
        if (status != KT_OK && !is_forgiven(build, status))
            return status;
    }
    record_counts_add(&build->counted, record);
    return build->words ? record_words_change(ctx, build->entity, id, NULL, record) : KT_OK;
}

static enum kt_status enter(struct build *build, uint64_t id, struct store_slice bytes)
{
    msgpack_object record;
    if (record_unpack_whole(build->ctx, id, bytes, true, &record) == KT_OK)
        return enter_whole(build, id, &record);
    if (!build->lenient)
        return record_failed_at(build->ctx, build->entity, id);
    context_forgive(build->ctx);
    build->forgave = true;
    build->counted.all++; /* It is there, and more is not known of it. */
    for (size_t i = 0; i < build->index_count; i++)
        build->lacks[i] = true;
    return KT_OK;
}

static enum kt_status enter_in_scratch(struct build *build, uint64_t id, struct store_slice bytes)
{
    struct kt_ctx *ctx = build->ctx;
    struct context_aside aside = context_aside_begin(ctx, build->scratch);
    return context_aside_end(ctx, &aside, enter(build, id, bytes));
}

void build_key_after(struct key *key, struct store_slice found)
{
    key_begin(key, '\0');
    memcpy(key->bytes, found.at, found.size);
    key->size = (uint16_t)found.size;
    if (key->size < STORE_KEY_MAX)
        key->bytes[key->size++] = 0;
    else
        (void)key_successor(key);
}

static enum kt_status fill(struct build *build)
{
    struct kt_ctx *ctx = build->ctx;
    struct key prefix, next;
    struct store_cursor *cursor;
    struct store_slice found, bytes;
    key_begin(&prefix, SPACE_RECORD);
    key_add_u32(&prefix, build->entity->number);
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    next = prefix;
    enum kt_status status = KT_OK;
    while (status == KT_OK && store_seek(cursor, key_slice(&next), &found, &bytes) == KT_OK &&
           key_has_prefix(found, key_slice(&prefix))) {
        uint64_t id = record_key_id(found);
        build_key_after(&next, found);
        status = enter_in_scratch(build, id, bytes);
        build->records++;
    }
    store_cursor_close(cursor);
    return status;
}

/* --- Is every record in an index? --- */

static void whole_key(struct key *key, const struct schema_index *index)
{
    key_begin(key, SPACE_KEPT);
    key_add_u32(key, index->entity->number);
    key_add_u32(key, index->number);
}

bool record_index_is_whole(struct kt_ctx *ctx, const struct schema_index *index)
{
    struct key key;
    struct store_slice value;
    whole_key(&key, index);
    return store_get(ctx->txn, key_slice(&key), &value) == KT_OK;
}

/* Records can be older than the declaration that requires a value. */
static enum kt_status mark_whole(const struct build *build)
{
    for (size_t i = 0; i < build->index_count; i++) {
        struct key key;
        whole_key(&key, build->indexes[i]);
        enum kt_status status = build->lacks[i] ? store_del(build->ctx->txn, key_slice(&key))
                                                : store_put(build->ctx->txn, key_slice(&key),
                                                            (struct store_slice){"", 0});
        if (status != KT_OK && status != KT_NOT_FOUND)
            return record_store_failed(build->ctx, status);
    }
    return KT_OK;
}

/* --- All of it --- */

/* Never below what was given out: an id means one record for ever, also a deleted one. */
static enum kt_status write_counters(const struct build *build)
{
    struct kt_ctx *ctx = build->ctx;
    uint64_t used, given;
    KT_TRY(record_counts_write(ctx, build->entity, &build->counted));
    KT_TRY(record_last_used_id(ctx, build->entity, &used));
    if (record_last_id(ctx, build->entity, &given) != KT_OK) {
        context_forgive(ctx);
        given = 0;
    }
    return given < used ? record_last_id_write(ctx, build->entity, used) : KT_OK;
}

enum kt_status build_run(struct build *build)
{
    KT_TRY(wipe_all(build));
    KT_TRY(fill(build));
    if (build->counts)
        KT_TRY(write_counters(build));
    return mark_whole(build);
}
