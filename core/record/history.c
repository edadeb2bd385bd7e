/* History: who changed what, when. One row per version of a record, holding the fields that changed
 * as they were before and after; lines are compared as a whole. Never rewritten: with it any record
 * can be rebuilt as it stood (asof.c). */
#include <string.h>

#include "kontor/limits.h"
#include "record/migrate.h"
#include "record/record_internal.h"

/* --- Writing --- */

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}

/* Of a record's own members these can be told by no other means than the history. */
static const char *const own[] = {"archived", "last_line"};

/* The fields, what sleeps (it goes with its record, and may be asked for when it wakes), own. */
static size_t member_count(const struct schema_entity *entity)
{
    return entity->field_count + entity->asleep.count + KT_COUNT(own);
}

static const char *member_name(const struct schema_entity *entity, size_t index)
{
    if (index < entity->field_count)
        return entity->fields[index].decl->name;
    index -= entity->field_count;
    return index < entity->asleep.count ? entity->asleep.at[index]
                                        : own[index - entity->asleep.count];
}

/* A member that is declared no more: it goes with the next save, or a migration works with it. */
static bool is_gone(const struct schema_entity *entity, const msgpack_object_str *name)
{
    for (size_t i = 0; i < KT_COUNT(own); i++)
        if (schema_compare_name(own[i], name->ptr, name->size) == 0)
            return false;
    return !schema_field(entity, name->ptr, name->size) &&
           !schema_own_field(name->ptr, name->size) &&
           !record_asleep(entity->asleep, name->ptr, name->size);
}

static const msgpack_object *member(const msgpack_object *record, const msgpack_object *key)
{
    for (uint32_t i = 0; record && i < record->via.map.size; i++)
        if (kt_equal(&record->via.map.ptr[i].key, key))
            return &record->via.map.ptr[i].val;
    return NULL;
}

/* `old` is packed as it lies in the store: the change before has it in just that form. */
static void pack_as_is(msgpack_packer *packer, const msgpack_object *value)
{
    if (value)
        msgpack_pack_object(packer, *value);
    else
        msgpack_pack_nil(packer);
}

struct change_list {
    msgpack_packer *packer; /* NULL: only count. */
    const struct schema_entity *entity;
    bool as_is; /* The new values are stored as they are, too. */
    size_t count;
};

static void add_declared(struct change_list *list, size_t index, const msgpack_object *old,
                         const msgpack_object *record)
{
    const char *name = member_name(list->entity, index);
    const msgpack_object *value = kt_get(record, name);
    list->count++;
    if (!list->packer)
        return;
    pack_text(list->packer, name);
    msgpack_pack_array(list->packer, 2);
    pack_as_is(list->packer, kt_get(old, name));
    if (value && !list->as_is && index < list->entity->field_count)
        record_pack_value(list->packer, &list->entity->fields[index], value);
    else
        pack_as_is(list->packer, value);
}

static void add_gone(struct change_list *list, const msgpack_object *key, const msgpack_object *old,
                     const msgpack_object *record)
{
    list->count++;
    if (!list->packer)
        return;
    msgpack_pack_object(list->packer, *key);
    msgpack_pack_array(list->packer, 2);
    pack_as_is(list->packer, old);
    pack_as_is(list->packer, record);
}

static void list_gone(struct change_list *list, const msgpack_object *old,
                      const msgpack_object *record)
{
    for (uint32_t i = 0; i < old->via.map.size; i++) {
        const msgpack_object_kv *pair = &old->via.map.ptr[i];
        const msgpack_object *now = list->as_is ? member(record, &pair->key) : NULL;
        if (is_gone(list->entity, &pair->key.via.str) && !kt_equal(&pair->val, now))
            add_gone(list, &pair->key, &pair->val, now);
    }
    for (uint32_t i = 0; list->as_is && i < record->via.map.size; i++) {
        const msgpack_object_kv *pair = &record->via.map.ptr[i];
        if (is_gone(list->entity, &pair->key.via.str) && !member(old, &pair->key) &&
            pair->val.type != MSGPACK_OBJECT_NIL)
            add_gone(list, &pair->key, NULL, &pair->val);
    }
}

static void list_changes(struct change_list *list, const msgpack_object *old,
                         const msgpack_object *record)
{
    size_t known = 2; /* id and version */
    for (size_t i = 0; i < member_count(list->entity); i++) {
        const char *name = member_name(list->entity, i);
        known += kt_has(old, name);
        if (!kt_equal(kt_get(old, name), kt_get(record, name)))
            add_declared(list, i, old, record);
    }
    if (list->as_is || old->via.map.size > known)
        list_gone(list, old, record);
}

static void pack_changes(struct kt_ctx *ctx, msgpack_packer *packer,
                         const struct schema_entity *entity, const msgpack_object *old,
                         const msgpack_object *record)
{
    struct change_list list = {.entity = entity,
                               .as_is = ctx->migrating && ctx->migrating->each == entity &&
                                        ctx->migrating->pass == RECORD_PASS_LOOSE};
    list_changes(&list, old, record);
    msgpack_pack_map(packer, list.count);
    list.packer = packer;
    list_changes(&list, old, record);
}

void record_history_begin(struct key *key, const struct schema_entity *entity, uint64_t id)
{
    key_begin(key, SPACE_HISTORY);
    key_add_u32(key, entity->number);
    if (id)
        key_add_u64(key, id);
}

void record_changed_begin(struct key *key, const struct schema_entity *entity)
{
    key_begin(key, SPACE_CHANGED);
    key_add_u32(key, entity->number);
}

void record_changed_key(struct key *key, const struct schema_entity *entity, uint64_t stamp,
                        uint64_t id)
{
    record_changed_begin(key, entity);
    key_add_u64(key, stamp);
    key_add_u64(key, id);
}

enum kt_status record_history_add(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  uint64_t id, const char *what, const msgpack_object *old,
                                  const msgpack_object *record)
{
    struct key key, changed_key;
    uint64_t stamp;
    uint64_t version = kt_get_id(record ? record : old, "version") + (record ? 0 : 1);
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    if (entity->decl->flags & KT_NO_HISTORY)
        return KT_OK;
    KT_TRY(record_last_event(ctx, &stamp));
    stamp++;
    record_history_begin(&key, entity, id);
    key_add_u64(&key, version);
    key_add_u64(&key, stamp);
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 4);
    msgpack_pack_object(&packer, kt_instant_value(ctx, ctx->now));
    pack_text(&packer, kt_user_name(ctx));
    pack_text(&packer, what);
    /* A creation is fully told by the record and the later changes; storing it twice is waste. */
    if (old)
        pack_changes(ctx, &packer, entity, old, record);
    else
        msgpack_pack_map(&packer, 0);
    enum kt_status status =
        store_put(ctx->txn, key_slice(&key), (struct store_slice){buffer.data, buffer.size});
    msgpack_sbuffer_destroy(&buffer);
    record_changed_key(&changed_key, entity, stamp, id);
    if (status == KT_OK)
        status = store_put(ctx->txn, key_slice(&changed_key), (struct store_slice){"", 0});
    return status == KT_OK ? KT_OK : record_store_failed(ctx, status);
}

/* --- Reading --- */

enum kt_status record_history_require(struct kt_ctx *ctx, const struct schema_entity *entity,
                                      const char *field)
{
    if (entity->decl->flags & KT_NO_HISTORY)
        return kt_fail(ctx, KT_INVALID, field,
                       "%s keeps no history: it can only be read as it stands",
                       "%s 不保留历史，只能读取当前数据", entity->name);
    return KT_OK;
}

bool record_history_read_key(struct store_slice key, struct record_change *out)
{
    uint32_t entity;
    struct key_reader reader = key_read(key);
    return key_read_u32(&reader, &entity) && key_read_u64(&reader, &out->id) &&
           key_read_u64(&reader, &out->version) && key_read_u64(&reader, &out->stamp) &&
           reader.at == reader.end;
}

enum kt_status record_history_read(struct kt_ctx *ctx, struct store_slice bytes,
                                   struct record_change *out)
{
    msgpack_object row;
    KT_TRY(context_unpack(ctx, bytes.at, bytes.size, ctx->writable, &row));
    const msgpack_object *parts = row.via.array.ptr;
    if (row.type != MSGPACK_OBJECT_ARRAY || row.via.array.size != 4 ||
        parts[3].type != MSGPACK_OBJECT_MAP)
        return record_store_failed(ctx, KT_INTERNAL);
    out->at = parts[0];
    out->user = parts[1];
    out->what = parts[2];
    out->changes = parts[3];
    return KT_OK;
}

bool record_history_find(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                         uint64_t version, struct record_change *out)
{
    struct key key;
    struct store_cursor *cursor;
    struct store_slice found, bytes;
    record_history_begin(&key, entity, id);
    key_add_u64(&key, version);
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return false;
    bool there = store_seek(cursor, key_slice(&key), &found, &bytes) == KT_OK &&
                 key_has_prefix(found, key_slice(&key)) &&
                 record_history_read(ctx, bytes, out) == KT_OK;
    store_cursor_close(cursor);
    return there;
}

struct history_page {
    const struct schema_entity *entity;
    uint64_t id;
    uint64_t after; /**< The version the page before ended with. */
    uint32_t limit;
    struct kt_list *entries;
    uint64_t next; /**< 0: this was the last page. */
};

static enum kt_status add_entry(struct kt_ctx *ctx, struct history_page *page,
                                struct record_change *change, struct store_slice bytes)
{
    struct kt_map *entry = kt_map_new(ctx);
    KT_TRY(record_history_read(ctx, bytes, change));
    kt_map_set_id(entry, "version", change->version);
    kt_map_set_id(entry, "event", change->stamp);
    kt_map_set(entry, "at", change->at);
    kt_map_set(entry, "user", change->user);
    kt_map_set(entry, "what", change->what);
    kt_map_set(entry, "changes", record_mask_changes(ctx, page->entity, &change->changes));
    kt_list_add(page->entries, entry->object);
    if (page->entries->object.via.array.size == page->limit)
        page->next = change->version;
    return context_check_memory(ctx);
}

/* Oldest first, and of a past moment only what was known then. */
static enum kt_status walk_history(struct kt_ctx *ctx, struct history_page *page)
{
    struct key prefix, start;
    struct store_cursor *cursor;
    struct store_slice found, bytes;
    record_history_begin(&prefix, page->entity, page->id);
    start = prefix;
    key_add_u64(&start, page->after + 1);
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    enum kt_status result = KT_OK;
    enum kt_status moved = store_seek(cursor, key_slice(&start), &found, &bytes);
    while (moved == KT_OK && result == KT_OK && !page->next &&
           key_has_prefix(found, key_slice(&prefix))) {
        struct record_change change;
        if (!record_history_read_key(found, &change))
            result = record_store_failed(ctx, KT_INTERNAL);
        else if (ctx->as_of && change.stamp > ctx->as_of)
            break;
        else
            result = add_entry(ctx, page, &change, bytes);
        moved = store_next(cursor, &found, &bytes);
    }
    store_cursor_close(cursor);
    if (result == KT_OK && moved != KT_OK && moved != KT_NOT_FOUND)
        return record_store_failed(ctx, moved);
    return result;
}

enum kt_status record_reply_history(struct kt_ctx *ctx, const struct schema_entity *entity,
                                    const msgpack_object *params)
{
    struct history_page page = {.entity = entity, .id = kt_get_id(params, "id")};
    KT_TRY(record_history_require(ctx, entity, "entity"));
    KT_TRY(record_page_limit(ctx, params, &page.limit));
    page.after = kt_get_id(params, "after");
    page.entries = kt_list_new(ctx);
    KT_TRY(walk_history(ctx, &page));
    if (page.entries->object.via.array.size == 0 && !page.after) {
        struct store_slice record;
        KT_TRY(record_bytes(ctx, entity, page.id, &record));
    }
    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set(answer, "entries", page.entries->object);
    kt_map_set(answer, "next", page.next ? kt_id(page.next) : kt_nil());
    kt_reply_map(ctx, answer);
    return context_check_memory(ctx);
}
