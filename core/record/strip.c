/* Stored records can have members that were declared once and are no more: by an older version of
 * their module. They stay in the store until the record is saved, and go then, into its history. */
#include <string.h>

#include "record/record_internal.h"

static bool is_stored(const struct schema_field *field)
{
    return field && !(field->decl->flags & KT_ON_READ);
}

static bool is_known(const struct schema_entity *entity, const msgpack_object_str *name)
{
    return is_stored(schema_field(entity, name->ptr, name->size)) ||
           schema_own_field(name->ptr, name->size) ||
           schema_compare_name("last_line", name->ptr, name->size) == 0 ||
           record_asleep(entity->asleep, name->ptr, name->size);
}

static bool is_known_part(const struct schema_field *field, const msgpack_object_str *name)
{
    return is_stored(schema_line_field(field, name->ptr, name->size)) ||
           schema_compare_name("id", name->ptr, name->size) == 0 ||
           record_asleep(field->asleep, name->ptr, name->size);
}

static bool is_pure(const struct schema_field *field, const msgpack_object *lines)
{
    for (uint32_t i = 0; i < lines->via.array.size; i++) {
        const msgpack_object_map *line = &lines->via.array.ptr[i].via.map;
        for (uint32_t m = 0; m < line->size; m++)
            if (!is_known_part(field, &line->ptr[m].key.via.str))
                return false;
    }
    return true;
}

static msgpack_object strip_lines(struct kt_ctx *ctx, const struct schema_field *field,
                                  const msgpack_object *lines, bool *dropped)
{
    if (lines->type != MSGPACK_OBJECT_ARRAY || is_pure(field, lines))
        return *lines;
    struct kt_list *kept = kt_list_new(ctx);
    for (uint32_t i = 0; i < lines->via.array.size; i++) {
        struct kt_map *line = kt_map_copy(ctx, &lines->via.array.ptr[i]);
        msgpack_object_map *map = &line->object.via.map;
        uint32_t count = 0;
        for (uint32_t m = 0; m < map->size; m++)
            if (is_known_part(field, &map->ptr[m].key.via.str))
                map->ptr[count++] = map->ptr[m];
        map->size = count;
        kt_list_add(kept, line->object);
    }
    *dropped = true;
    return kept->object;
}

struct kt_map *record_strip(struct kt_ctx *ctx, const struct schema_entity *entity,
                            const msgpack_object *old, bool *dropped)
{
    struct kt_map *record = kt_map_copy(ctx, old);
    msgpack_object_map *map = &record->object.via.map;
    uint32_t count = 0;
    *dropped = false;
    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object_str *name = &map->ptr[i].key.via.str;
        const struct schema_field *field = schema_field(entity, name->ptr, name->size);
        if (!is_known(entity, name))
            continue;
        map->ptr[count] = map->ptr[i];
        if (field && field->decl->type == KT_LINES)
            map->ptr[count].val = strip_lines(ctx, field, &map->ptr[i].val, dropped);
        count++;
    }
    *dropped = *dropped || count < map->size;
    map->size = count;
    return record;
}
