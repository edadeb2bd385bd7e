/* Fields that a new version of a module takes out without a migration: records hold them until they
 * are saved. Who knows whether they are sensitive? So nobody is shown them. Each entity remembers
 * the names that its records may hold; an entity with some that are declared no more `hides`. */
#include <string.h>

#include "record/record_internal.h"

static void names_key(struct key *key, const struct schema_entity *entity)
{
    key_begin(key, SPACE_KEPT);
    key_add_u32(key, entity->number);
    key_add_text(key, "fields", 6);
}

/* "name", or "lines.part" of each line. */
static struct kt_list *declared_names(struct kt_ctx *ctx, const struct schema_entity *entity)
{
    struct kt_list *names = kt_list_new(ctx);
    for (size_t i = 0; i < entity->field_count; i++) {
        const struct schema_field *field = &entity->fields[i];
        if (field->decl->flags & KT_ON_READ)
            continue;
        kt_list_add(names, kt_text(field->decl->name));
        for (size_t p = 0; p < field->line_count; p++)
            kt_list_add(names, kt_text(kt_format(ctx, "%s.%s", field->decl->name,
                                                 field->lines[p].decl->name)));
    }
    return names;
}

static bool has_name(const struct kt_list *names, const msgpack_object *name)
{
    for (uint32_t i = 0; i < names->object.via.array.size; i++)
        if (kt_equal(&names->object.via.array.ptr[i], name))
            return true;
    return false;
}

static enum kt_status store_names(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const struct kt_list *names)
{
    struct key key;
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    names_key(&key, entity);
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_object(&packer, names->object);
    enum kt_status status =
        store_put(ctx->txn, key_slice(&key), (struct store_slice){buffer.data, buffer.size});
    msgpack_sbuffer_destroy(&buffer);
    return status == KT_OK ? KT_OK : record_store_failed(ctx, status);
}

enum kt_status record_leftovers_gone(struct kt_ctx *ctx, const struct schema_entity *entity)
{
    return store_names(ctx, entity, declared_names(ctx, entity));
}

static enum kt_status look_at(struct kt_ctx *ctx, struct schema_entity *entity)
{
    struct key key;
    struct store_slice bytes;
    msgpack_object before = kt_nil();
    struct kt_list *names = declared_names(ctx, entity);
    uint32_t declared = names->object.via.array.size;
    names_key(&key, entity);
    enum kt_status status = store_get(ctx->txn, key_slice(&key), &bytes);
    if (status == KT_OK)
        KT_TRY(context_unpack(ctx, bytes.at, bytes.size, true, &before));
    else if (status != KT_NOT_FOUND)
        return record_store_failed(ctx, status);
    for (uint32_t i = 0; before.type == MSGPACK_OBJECT_ARRAY && i < before.via.array.size; i++)
        if (!has_name(names, &before.via.array.ptr[i]))
            kt_list_add(names, before.via.array.ptr[i]);
    entity->hides = entity->hides || names->object.via.array.size > declared;
    return kt_equal(&names->object, &before) ? KT_OK : store_names(ctx, entity, names);
}

enum kt_status record_leftovers(struct kt_ctx *ctx, struct schema *schema)
{
    for (size_t i = 0; i < schema->entity_count; i++)
        KT_TRY(look_at(ctx, &schema->entities[i]));
    return context_check_memory(ctx);
}
