/* What plugins call (include/kontor/record.h, event.h, plugin.h): the record engine on behalf of
 * the server's own code. */
#include <string.h>

#include "record/record_internal.h"

static enum kt_status find_entity(struct kt_ctx *ctx, const char *name,
                                  const struct schema_entity **out)
{
    return record_entity(ctx, name, strlen(name), out);
}

enum kt_status kt_record_get(struct kt_ctx *ctx, const char *name, uint64_t id,
                             const msgpack_object **out)
{
    const struct schema_entity *entity;
    KT_TRY(find_entity(ctx, name, &entity));
    return record_failed(ctx, entity, record_load(ctx, entity, id, out));
}

/* Who had the value then, of those who were changed since. */
static enum kt_status find_changed(struct kt_ctx *ctx, const struct schema_index *index,
                                   const msgpack_object *value, const msgpack_object **out)
{
    const struct record_ids *ids;
    KT_TRY(record_changed_since(ctx, index->entity, &ids));
    for (size_t i = 0; i < ids->count && !*out; i++) {
        const msgpack_object *record;
        if (!record_exists(ctx, index->entity, ids->at[i]))
            continue;
        KT_TRY(record_load(ctx, index->entity, ids->at[i], &record));
        if (kt_equal(kt_get(record, index->paths[0].field->decl->name), value))
            *out = record;
    }
    return KT_OK;
}

static enum kt_status find_unique(struct kt_ctx *ctx, const struct schema_index *index,
                                  msgpack_object value, const msgpack_object **out)
{
    struct key key;
    struct store_slice found;
    record_index_begin(&key, index);
    record_key_add(&key, index->paths[0].field, &value);
    if (key.overflow || value.type == MSGPACK_OBJECT_NIL)
        return KT_OK;
    if (store_get(ctx->txn, key_slice(&key), &found) == KT_OK) {
        uint64_t id;
        memcpy(&id, found.at, sizeof(id));
        if (!ctx->as_of || record_exists(ctx, index->entity, id))
            KT_TRY(record_load(ctx, index->entity, id, out));
        /* Long text is cut in keys, and a record may have had another value then. */
        if ((key.cut || ctx->as_of) &&
            !kt_equal(kt_get(*out, index->paths[0].field->decl->name), &value))
            *out = NULL;
    }
    return *out || !ctx->as_of ? KT_OK : find_changed(ctx, index, &value, out);
}

enum kt_status kt_record_find(struct kt_ctx *ctx, const char *name, const char *field,
                              msgpack_object value, const msgpack_object **out)
{
    const struct schema_entity *entity;
    *out = NULL;
    KT_TRY(find_entity(ctx, name, &entity));
    for (size_t i = 0; i < entity->index_count; i++) {
        const struct schema_index *index = &entity->indexes[i];
        if (!index->unique || index->path_count != 1 || index->paths[0].line ||
            strcmp(index->paths[0].field->decl->name, field) != 0)
            continue;
        return find_unique(ctx, index, value, out);
    }
    return kt_fail(ctx, KT_INVALID, field, "%s of %s is not a unique field", "%s（%s）不是唯一字段",
                   field, name);
}

enum kt_status kt_record_create(struct kt_ctx *ctx, const char *name, const struct kt_map *values,
                                uint64_t *out_id)
{
    const struct schema_entity *entity;
    KT_TRY(find_entity(ctx, name, &entity));
    return record_create(ctx, entity, &values->object, RECORD_BY_SERVER, out_id);
}

enum kt_status kt_record_update(struct kt_ctx *ctx, const char *name, uint64_t id,
                                const struct kt_map *values)
{
    const struct schema_entity *entity;
    KT_TRY(find_entity(ctx, name, &entity));
    return record_update(ctx, entity, id, 0, &values->object, RECORD_BY_SERVER);
}

enum kt_status kt_record_delete(struct kt_ctx *ctx, const char *name, uint64_t id)
{
    const struct schema_entity *entity;
    KT_TRY(find_entity(ctx, name, &entity));
    return record_delete(ctx, entity, id, 0, RECORD_BY_SERVER);
}

enum kt_status kt_record_transition(struct kt_ctx *ctx, const char *name, uint64_t id,
                                    const char *verb, const struct kt_map *params)
{
    const struct schema_entity *entity;
    KT_TRY(find_entity(ctx, name, &entity));
    return record_transition(ctx, entity, id, 0, verb, params ? &params->object : NULL,
                             RECORD_BY_SERVER);
}

struct found {
    struct store_slice *at;
    size_t count;
    size_t capacity;
};

struct store_slice record_keep_bytes(struct kt_ctx *ctx, struct store_slice bytes)
{
    if (ctx->writable)
        bytes.at = context_copy(ctx, bytes.at, bytes.size);
    return bytes;
}

static enum kt_status keep(struct kt_ctx *ctx, void *argument, uint64_t id,
                           struct store_slice bytes)
{
    struct found *found = argument;
    (void)id;
    if (found->count == KT_QUERY_MAX)
        return kt_fail(ctx, KT_TOO_LARGE, NULL,
                       "more than %d records match; go through them in pages",
                       "匹配记录超过 %d 条，请分页处理", KT_QUERY_MAX);
    if (found->count == found->capacity) {
        size_t grown = found->capacity ? found->capacity * 2 : 16;
        struct store_slice *wider = kt_alloc(ctx, sizeof(*wider) * grown);
        if (found->count)
            memcpy(wider, found->at, sizeof(*wider) * found->count);
        found->at = wider;
        found->capacity = grown;
    }
    found->at[found->count++] = record_keep_bytes(ctx, bytes);
    return context_check_memory(ctx);
}

static enum kt_status compile(struct kt_ctx *ctx, const struct kt_query *query, bool for_client,
                              const struct schema_entity *entity, struct record_query **out)
{
    struct kt_list *where = kt_list_new(ctx);
    for (size_t i = 0; i < query->where_count; i++) {
        struct kt_list *term = kt_list_new(ctx);
        kt_list_add(term, kt_text(query->where[i].field));
        kt_list_add(term, kt_text(query->where[i].op));
        kt_list_add(term, query->where[i].value);
        kt_list_add(where, term->object);
    }
    const msgpack_object order = query->order ? kt_text(query->order) : kt_nil();
    const struct record_question asked = {.entity = entity,
                                          .where = &where->object,
                                          .order = query->order ? &order : NULL,
                                          .limit = query->limit ? query->limit : KT_QUERY_MAX + 1,
                                          .for_client = for_client};
    return record_query_compile(ctx, &asked, out);
}

enum kt_status record_search(struct kt_ctx *ctx, const struct kt_query *query, bool for_client,
                             const struct store_slice **out, size_t *out_count)
{
    const struct schema_entity *entity;
    struct record_query *compiled;
    struct found found = {0};
    KT_TRY(find_entity(ctx, query->entity, &entity));
    enum kt_status status = compile(ctx, query, for_client, entity, &compiled);
    if (status == KT_OK)
        status = record_query_run(ctx, compiled, keep, &found, NULL);
    KT_TRY(record_failed(ctx, entity, status));
    *out = found.at;
    *out_count = found.count;
    return KT_OK;
}

enum kt_status kt_record_search(struct kt_ctx *ctx, const struct kt_query *query,
                                const msgpack_object ***out, size_t *out_count)
{
    const struct store_slice *found;
    KT_TRY(record_search(ctx, query, false, &found, out_count));
    msgpack_object *records = kt_alloc(ctx, sizeof(*records) * *out_count);
    const msgpack_object **list = kt_alloc(ctx, sizeof(*list) * *out_count);
    for (size_t i = 0; i < *out_count; i++) {
        KT_TRY(context_unpack(ctx, found[i].at, found[i].size, false, &records[i]));
        list[i] = &records[i];
    }
    *out = list;
    return context_check_memory(ctx);
}

enum kt_status kt_emit(struct kt_ctx *ctx, const char *topic, const char *entity, uint64_t id,
                       const struct kt_map *payload)
{
    if (ctx->computing)
        return kt_fail(ctx, KT_INTERNAL, NULL, "computing a field tried to announce %s",
                       "计算字段时试图发布 %s", topic);
    if (!ctx->host->topic_declared(ctx, topic))
        return kt_fail(ctx, KT_INTERNAL, NULL, "topic %s is not declared by its module",
                       "模块未声明主题 %s", topic);
    struct kt_event event = {
        .topic = topic, .entity = entity, .id = id, .payload = payload ? &payload->object : NULL};
    return ctx->host->announce(ctx, &event);
}

void kt_reply(struct kt_ctx *ctx, const msgpack_object *value)
{
    msgpack_packer packer;
    msgpack_sbuffer_clear(&ctx->reply);
    msgpack_packer_init(&packer, &ctx->reply, msgpack_sbuffer_write);
    msgpack_pack_object(&packer, *value);
}

void kt_reply_map(struct kt_ctx *ctx, const struct kt_map *map)
{
    kt_reply(ctx, &map->object);
}
