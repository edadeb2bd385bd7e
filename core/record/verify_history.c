/* History against the records: versions without gaps, each change beginning where the one before it
 * ended, the last one ending with what is stored, and for each a row in the list of what changed
 * when. Of the values only hashes are kept, so memory does not grow with the history. */
#include <string.h>

#include "record/verify.h"

/* What is known of a field so far. */
struct known {
    bool known;
    uint64_t hash;
};

struct chain {
    struct verify *verify;
    const struct schema_entity *entity;
    msgpack_sbuffer packed; /**< One value at a time. */
    struct known *fields;   /**< In the order of the entity's fields. */
    uint64_t id;            /**< 0: before the first record. */
    uint64_t version;
    uint64_t stamp;
    bool deleted;
    uint64_t changed_rows; /**< That the history asks for and that are there. */
};

static uint64_t hash(struct chain *chain, const msgpack_object *value)
{
    msgpack_packer packer;
    uint64_t sum = UINT64_C(0xcbf29ce484222325); /* FNV-1a, 64 bits. */
    const msgpack_object nil = kt_nil();
    msgpack_sbuffer_clear(&chain->packed);
    msgpack_packer_init(&packer, &chain->packed, msgpack_sbuffer_write);
    msgpack_pack_object(&packer, value ? *value : nil);
    for (size_t i = 0; i < chain->packed.size; i++)
        sum = (sum ^ (uint8_t)chain->packed.data[i]) * UINT64_C(0x100000001b3);
    return sum;
}

static void complain(const struct chain *chain, const char *english, const char *chinese)
{
    verify_problem(chain->verify, VERIFY_HISTORY, chain->entity, chain->id,
                   "version %llu of record %llu: %s%.0s", "版本 %llu（记录 %llu）：%.0s%s",
                   (unsigned long long)chain->version, (unsigned long long)chain->id, english,
                   chinese);
}

/* --- The end of a record's chain --- */

static void compare_present(struct chain *chain, const msgpack_object *record)
{
    for (size_t i = 0; i < chain->entity->field_count; i++) {
        const char *name = chain->entity->fields[i].decl->name;
        if (chain->fields[i].known && chain->fields[i].hash != hash(chain, kt_get(record, name)))
            verify_problem(chain->verify, VERIFY_HISTORY, chain->entity, chain->id,
                           "%s of record %llu is not what its last change made it",
                           "%s（记录 %llu）与最后一次更改的结果不符", name,
                           (unsigned long long)chain->id);
    }
}

static void end_record(struct chain *chain)
{
    struct kt_ctx *ctx = chain->verify->ctx;
    struct store_slice bytes;
    msgpack_object record;
    if (!chain->id)
        return;
    if (record_find_present(ctx, chain->entity, chain->id, &bytes) != KT_OK) {
        if (!chain->deleted)
            complain(chain, "the last change is no deletion, and the record is not there",
                     "最后一次更改不是删除，但记录不存在");
        return;
    }
    if (context_unpack(ctx, bytes.at, bytes.size, false, &record) != KT_OK) {
        context_forgive(ctx); /* The check of the records tells of it. */
        return;
    }
    if (kt_get_id(&record, "version") != chain->version)
        verify_problem(chain->verify, VERIFY_HISTORY, chain->entity, chain->id,
                       "record %llu is at version %llu, its history ends with %llu",
                       "记录 %llu 的版本为 %llu，其历史止于 %llu", (unsigned long long)chain->id,
                       (unsigned long long)kt_get_id(&record, "version"),
                       (unsigned long long)chain->version);
    else
        compare_present(chain, &record);
}

/* --- One change --- */

static void take_field(struct chain *chain, const msgpack_object_kv *pair)
{
    const struct schema_field *field =
        schema_field(chain->entity, pair->key.via.str.ptr, pair->key.via.str.size);
    if (!field) /* The record's own, or declared no more. */
        return;
    struct known *known = &chain->fields[field - chain->entity->fields];
    if (pair->val.type != MSGPACK_OBJECT_ARRAY || pair->val.via.array.size != 2) {
        complain(chain, "a change is not [before, after]", "有一项更改不是 [原值, 新值]");
        return;
    }
    if (known->known && known->hash != hash(chain, &pair->val.via.array.ptr[0]))
        verify_problem(chain->verify, VERIFY_HISTORY, chain->entity, chain->id,
                       "version %llu of record %llu: %s was not what the change before made it",
                       "版本 %llu（记录 %llu）：%s 与前一次更改的结果不符",
                       (unsigned long long)chain->version, (unsigned long long)chain->id,
                       field->decl->name);
    *known = (struct known){true, hash(chain, &pair->val.via.array.ptr[1])};
}

static bool check_noted(struct chain *chain)
{
    struct key key;
    struct store_slice nothing;
    record_changed_key(&key, chain->entity, chain->stamp, chain->id);
    if (store_get(chain->verify->ctx->txn, key_slice(&key), &nothing) == KT_OK)
        return true;
    verify_problem(chain->verify, VERIFY_CHANGED, chain->entity, chain->id,
                   "version %llu of record %llu is missing in the list of what changed when",
                   "版本 %llu（记录 %llu）不在变更时间表中", (unsigned long long)chain->version,
                   (unsigned long long)chain->id);
    return false;
}

static void begin_record(struct chain *chain, uint64_t id)
{
    end_record(chain);
    chain->id = id;
    chain->version = chain->stamp = 0;
    chain->deleted = false;
    memset(chain->fields, 0, sizeof(*chain->fields) * chain->entity->field_count);
}

static void take_change(struct chain *chain, struct record_change *change, struct store_slice bytes)
{
    struct kt_ctx *ctx = chain->verify->ctx;
    chain->verify->changes++;
    if (change->id != chain->id)
        begin_record(chain, change->id);
    bool follows = change->version == chain->version + 1 && change->stamp >= chain->stamp;
    bool again = change->stamp == chain->stamp;
    chain->version = change->version;
    chain->stamp = change->stamp;
    if (!follows)
        complain(chain, "it does not follow the version before", "与前一版本不连续");
    if (check_noted(chain) && !again)
        chain->changed_rows++;
    if (record_history_read(ctx, bytes, change) != KT_OK) {
        context_forgive(ctx);
        complain(chain, "the change cannot be read", "无法读取此更改");
        return;
    }
    chain->deleted = change->what.type == MSGPACK_OBJECT_STR && change->what.via.str.size == 6 &&
                     memcmp(change->what.via.str.ptr, "delete", 6) == 0;
    for (uint32_t i = 0; i < change->changes.via.map.size; i++)
        take_field(chain, &change->changes.via.map.ptr[i]);
}

/* In memory that is emptied after each row. */
static void visit(struct chain *chain, struct store_slice key, struct store_slice bytes)
{
    struct kt_ctx *ctx = chain->verify->ctx;
    struct record_change change;
    size_t used = ctx->arena_used;
    ctx->arena = chain->verify->scratch;
    if (record_history_read_key(key, &change))
        take_change(chain, &change, bytes);
    else
        verify_problem(chain->verify, VERIFY_HISTORY, chain->entity, 0, "a change cannot be read",
                       "无法读取一项更改");
    ctx->arena = chain->verify->arena;
    ctx->arena_used = used;
    msgpack_zone_clear(chain->verify->scratch);
}

static enum kt_status walk_history(struct chain *chain)
{
    struct kt_ctx *ctx = chain->verify->ctx;
    struct key prefix;
    struct store_cursor *cursor;
    struct store_slice found, bytes;
    record_history_begin(&prefix, chain->entity, 0);
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    enum kt_status moved = store_seek(cursor, key_slice(&prefix), &found, &bytes);
    while (moved == KT_OK && key_has_prefix(found, key_slice(&prefix))) {
        visit(chain, found, bytes);
        moved = store_next(cursor, &found, &bytes);
    }
    store_cursor_close(cursor);
    end_record(chain);
    return moved == KT_OK || moved == KT_NOT_FOUND ? KT_OK : record_store_failed(ctx, moved);
}

/* --- Records without history, and notes without a change --- */

/* Some row of the record's history has this stamp; any row at all for stamp 0. */
static bool has_change(const struct chain *chain, uint64_t id, uint64_t stamp)
{
    struct key prefix;
    struct store_cursor *cursor;
    struct store_slice found;
    struct record_change change;
    bool has = false;
    record_history_begin(&prefix, chain->entity, id);
    if (store_cursor_open(chain->verify->ctx->txn, &cursor) != KT_OK)
        return false;
    enum kt_status moved = store_seek(cursor, key_slice(&prefix), &found, NULL);
    while (!has && moved == KT_OK && key_has_prefix(found, key_slice(&prefix))) {
        has = record_history_read_key(found, &change) && (!stamp || change.stamp == stamp);
        moved = store_next(cursor, &found, NULL);
    }
    store_cursor_close(cursor);
    return has;
}

static enum kt_status check_told(struct verify *verify, void *argument, uint64_t id,
                                 const msgpack_object *record)
{
    const struct chain *chain = argument;
    (void)record;
    if (!has_change(chain, id, 0))
        verify_problem(verify, VERIFY_HISTORY, chain->entity, id, "record %llu has no history",
                       "记录 %llu 没有历史", (unsigned long long)id);
    return KT_OK;
}

/* Counts the notes, or looks at each. */
static enum kt_status walk_changed(const struct chain *chain, bool look, uint64_t *count)
{
    struct kt_ctx *ctx = chain->verify->ctx;
    struct key prefix;
    struct store_cursor *cursor;
    struct store_slice found;
    record_changed_begin(&prefix, chain->entity);
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    enum kt_status moved = store_seek(cursor, key_slice(&prefix), &found, NULL);
    while (moved == KT_OK && key_has_prefix(found, key_slice(&prefix))) {
        struct key_reader reader = key_read(found);
        uint32_t entity;
        uint64_t stamp = 0, id = 0;
        ++*count;
        bool read = key_read_u32(&reader, &entity) && key_read_u64(&reader, &stamp) &&
                    key_read_u64(&reader, &id);
        if (look && !(read && has_change(chain, id, stamp)))
            verify_problem(chain->verify, VERIFY_CHANGED, chain->entity, id,
                           "record %llu is listed as changed at %llu, its history has no such "
                           "change",
                           "变更时间表列有记录 %llu 在 %llu 的更改，但其历史中没有",
                           (unsigned long long)id, (unsigned long long)stamp);
        moved = store_next(cursor, &found, NULL);
    }
    store_cursor_close(cursor);
    return moved == KT_OK || moved == KT_NOT_FOUND ? KT_OK : record_store_failed(ctx, moved);
}

enum kt_status verify_history(struct verify *verify, const struct schema_entity *entity)
{
    struct chain chain = {.verify = verify, .entity = entity};
    uint64_t rows = 0, again = 0;
    if (entity->decl->flags & KT_NO_HISTORY)
        return KT_OK;
    chain.fields = kt_alloc(verify->ctx, sizeof(*chain.fields) * (entity->field_count + 1));
    msgpack_sbuffer_init(&chain.packed);
    enum kt_status status = walk_history(&chain);
    msgpack_sbuffer_destroy(&chain.packed);
    KT_TRY(status);
    KT_TRY(verify_records(verify, entity, check_told, &chain));
    KT_TRY(walk_changed(&chain, false, &rows));
    return rows != chain.changed_rows ? walk_changed(&chain, true, &again) : KT_OK;
}
