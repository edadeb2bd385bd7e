/* record.*: the generic methods over every entity. The one place where a client's right to an
 * entity is checked. */
#include <string.h>

#include "engine/engine_internal.h"

enum kt_status records_find_entity(struct kt_ctx *ctx, const msgpack_object *params,
                                   const char *right, const struct schema_entity **out)
{
    const msgpack_object *name = kt_get(params, "entity");
    KT_TRY(record_entity(ctx, name->via.str.ptr, name->via.str.size, out));
    return record_failed(ctx, *out,
                         access_require(ctx, kt_format(ctx, "%s.%s", (*out)->name, right)));
}

/* What `values` must be before record/ looks into it. */
static enum kt_status values_of(struct kt_ctx *ctx, const msgpack_object *params,
                                const msgpack_object **out)
{
    *out = kt_get(params, "values");
    if (*out && (*out)->type == MSGPACK_OBJECT_MAP)
        return KT_OK;
    return kt_fail(ctx, KT_INVALID, "values", "values must be a map of fields",
                   "values 必须是字段映射");
}

enum kt_status records_create(struct kt_ctx *ctx, const msgpack_object *params)
{
    const struct schema_entity *entity;
    const msgpack_object *values;
    uint64_t id;
    KT_TRY(records_find_entity(ctx, params, "create", &entity));
    KT_TRY(values_of(ctx, params, &values));
    KT_TRY(record_create(ctx, entity, values, RECORD_BY_CLIENT, &id));
    return record_reply_get(ctx, entity, id, NULL);
}

enum kt_status records_get(struct kt_ctx *ctx, const msgpack_object *params)
{
    const struct schema_entity *entity;
    KT_TRY(records_find_entity(ctx, params, "read", &entity));
    return record_failed(
        ctx, entity,
        record_reply_get(ctx, entity, kt_get_id(params, "id"), kt_get(params, "fields")));
}

enum kt_status records_update(struct kt_ctx *ctx, const msgpack_object *params)
{
    const struct schema_entity *entity;
    const msgpack_object *values;
    uint64_t id = kt_get_id(params, "id");
    KT_TRY(records_find_entity(ctx, params, "update", &entity));
    KT_TRY(values_of(ctx, params, &values));
    KT_TRY(record_update(ctx, entity, id, kt_get_id(params, "version"), values, RECORD_BY_CLIENT));
    return record_reply_get(ctx, entity, id, NULL);
}

enum kt_status records_delete(struct kt_ctx *ctx, const msgpack_object *params)
{
    const struct schema_entity *entity;
    struct kt_map *answer = kt_map_new(ctx);
    uint64_t id = kt_get_id(params, "id");
    KT_TRY(records_find_entity(ctx, params, "delete", &entity));
    KT_TRY(record_delete(ctx, entity, id, kt_get_id(params, "version"), RECORD_BY_CLIENT));
    kt_map_set_id(answer, "id", id);
    kt_reply_map(ctx, answer);
    return KT_OK;
}

static enum kt_status move_away(struct kt_ctx *ctx, const msgpack_object *params,
                                enum kt_status (*move)(struct kt_ctx *,
                                                       const struct schema_entity *, uint64_t,
                                                       uint64_t, enum record_by))
{
    const struct schema_entity *entity;
    uint64_t id = kt_get_id(params, "id");
    KT_TRY(records_find_entity(ctx, params, "delete", &entity));
    KT_TRY(move(ctx, entity, id, kt_get_id(params, "version"), RECORD_BY_CLIENT));
    return record_reply_get(ctx, entity, id, NULL);
}

enum kt_status records_archive(struct kt_ctx *ctx, const msgpack_object *params)
{
    return move_away(ctx, params, record_archive);
}

enum kt_status records_restore(struct kt_ctx *ctx, const msgpack_object *params)
{
    return move_away(ctx, params, record_restore);
}

enum kt_status records_search(struct kt_ctx *ctx, const msgpack_object *params)
{
    const struct schema_entity *entity;
    KT_TRY(records_find_entity(ctx, params, "read", &entity));
    return record_failed(ctx, entity, record_reply_search(ctx, entity, params));
}

enum kt_status records_count(struct kt_ctx *ctx, const msgpack_object *params)
{
    const struct schema_entity *entity;
    KT_TRY(records_find_entity(ctx, params, "read", &entity));
    return record_failed(ctx, entity, record_reply_count(ctx, entity, params));
}

enum kt_status records_aggregate(struct kt_ctx *ctx, const msgpack_object *params)
{
    const struct schema_entity *entity;
    KT_TRY(records_find_entity(ctx, params, "read", &entity));
    return record_failed(ctx, entity, record_reply_aggregate(ctx, entity, params));
}

enum kt_status records_history(struct kt_ctx *ctx, const msgpack_object *params)
{
    const struct schema_entity *entity;
    KT_TRY(records_find_entity(ctx, params, "read", &entity));
    return record_failed(ctx, entity, record_reply_history(ctx, entity, params));
}

enum kt_status records_totals(struct kt_ctx *ctx, const msgpack_object *params)
{
    KT_TRY(access_require(ctx, kt_format(ctx, "%s.read", kt_get_text(ctx, params, "total"))));
    return record_reply_totals(ctx, params);
}

enum kt_status records_import(struct kt_ctx *ctx, const msgpack_object *params)
{
    const struct schema_entity *entity;
    KT_TRY(records_find_entity(ctx, params, "create", &entity));
    if (kt_has(params, "key")) { /* What is there is compared with what is given. */
        KT_TRY(access_require(ctx, kt_format(ctx, "%s.read", entity->name)));
        KT_TRY(access_require(ctx, kt_format(ctx, "%s.update", entity->name)));
    }
    return record_failed(ctx, entity, record_import(ctx, entity, params));
}

enum kt_status records_export(struct kt_ctx *ctx, const msgpack_object *params)
{
    const struct schema_entity *entity;
    KT_TRY(records_find_entity(ctx, params, "read", &entity));
    return record_failed(ctx, entity, record_reply_export(ctx, entity, params));
}
