/* Fields that are asked for by a dotted name: along references ("customer.party.name"), or of all
 * lines ("lines.product"). In the answer they stand under that name, a field of lines as the list
 * of its values, line by line. */
#include <string.h>

#include "record/query.h"

static const char *dotted(struct kt_ctx *ctx, const msgpack_object *name)
{
    if (name->type != MSGPACK_OBJECT_STR || !memchr(name->via.str.ptr, '.', name->via.str.size))
        return NULL;
    return kt_format(ctx, "%.*s", (int)name->via.str.size, name->via.str.ptr);
}

enum kt_status record_project_check(struct kt_ctx *ctx, const struct schema_entity *entity,
                                    const msgpack_object *name, bool *out)
{
    const struct record_question asked = {.entity = entity, .for_client = true};
    const char *text = dotted(ctx, name);
    struct query_path path;
    *out = text != NULL;
    if (!text)
        return KT_OK;
    KT_TRY(query_compile_path(ctx, &asked, text, &path));
    const struct schema_field *field = query_path_field(&path);
    if (field && (field->decl->flags & KT_ON_READ))
        return kt_fail(ctx, KT_INVALID, text, "%s is computed when its record is read",
                       "%s 仅在读取其记录时计算", text);
    return KT_OK;
}

static enum kt_status project(struct kt_ctx *ctx, const struct query_path *path,
                              const msgpack_object *record, msgpack_object *out)
{
    const msgpack_object *value;
    KT_TRY(query_value(ctx, path, record, &value));
    *out = value ? *value : kt_nil();
    if (!path->line || !value || value->type != MSGPACK_OBJECT_ARRAY)
        return KT_OK;
    struct kt_list *values = kt_list_new(ctx);
    for (uint32_t i = 0; i < value->via.array.size; i++) {
        const msgpack_object *of_line = kt_get(&value->via.array.ptr[i], path->line->decl->name);
        kt_list_add(values, of_line ? *of_line : kt_nil());
    }
    *out = values->object;
    return KT_OK;
}

enum kt_status record_project(struct kt_ctx *ctx, const struct schema_entity *entity,
                              const msgpack_object *record, const msgpack_object *fields,
                              msgpack_object *shown)
{
    const struct record_question asked = {.entity = entity}; /* Rights were checked before. */
    struct kt_map *more = NULL;
    for (uint32_t i = 0; i < fields->via.array.size; i++) {
        const char *name = dotted(ctx, &fields->via.array.ptr[i]);
        struct query_path path;
        msgpack_object value;
        if (!name)
            continue;
        KT_TRY(query_compile_path(ctx, &asked, name, &path));
        KT_TRY(project(ctx, &path, record, &value));
        more = more ? more : kt_map_copy(ctx, shown);
        if (value.type != MSGPACK_OBJECT_NIL)
            kt_map_set(more, name, value);
    }
    if (more)
        *shown = more->object;
    return KT_OK;
}
