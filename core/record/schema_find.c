/* Finding in a built schema. */
#include <string.h>

#include "kontor/value.h"
#include "record/schema.h"

int schema_compare_name(const char *name, const char *wanted, size_t length)
{
    size_t own = strlen(name), shorter = own < length ? own : length;
    int order = shorter ? memcmp(name, wanted, shorter) : 0;
    return order ? order : (own > length) - (own < length);
}

const struct schema_entity *schema_entity(const struct schema *schema, const char *name,
                                          size_t length)
{
    size_t low = 0, high = schema->entity_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = schema_compare_name(schema->entities[middle].name, name, length);
        if (order == 0)
            return &schema->entities[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool is_called(const struct kt_field *decl, const char *name, size_t length)
{
    return *decl->name == *name && strlen(decl->name) == length &&
           memcmp(decl->name, name, length) == 0;
}

const struct schema_field *schema_field(const struct schema_entity *entity, const char *name,
                                        size_t length)
{
    for (size_t i = 0; length && i < entity->field_count; i++)
        if (is_called(entity->fields[i].decl, name, length))
            return &entity->fields[i];
    return NULL;
}

bool schema_own_field(const char *name, size_t length)
{
    static const char *const own[] = {"id", "version", "archived"};
    for (size_t i = 0; i < KT_COUNT(own); i++)
        if (schema_compare_name(own[i], name, length) == 0)
            return true;
    return false;
}

const struct schema_field *schema_line_field(const struct schema_field *lines, const char *name,
                                             size_t length)
{
    for (size_t i = 0; length && i < lines->line_count; i++)
        if (is_called(lines->lines[i].decl, name, length))
            return &lines->lines[i];
    return NULL;
}

const struct schema_total *schema_total(const struct schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->total_count; i++)
        if (strcmp(schema->totals[i].decl->name, name) == 0)
            return &schema->totals[i];
    return NULL;
}

bool schema_path(const struct schema_entity *entity, const char *name, struct schema_path *out)
{
    const char *dot = strchr(name, '.');
    size_t length = dot ? (size_t)(dot - name) : strlen(name);
    struct schema_path path = {.field = schema_field(entity, name, length)};
    if (!path.field)
        return false;
    if (dot) {
        if (path.field->decl->type != KT_LINES)
            return false;
        path.line = schema_line_field(path.field, dot + 1, strlen(dot + 1));
        if (!path.line)
            return false;
    }
    *out = path;
    return true;
}

bool schema_field_is_list(const struct schema_field *field)
{
    return field->decl->type == KT_TAGS || field->decl->type == KT_REFS;
}

bool schema_field_is_readonly(const struct kt_field *decl)
{
    return (decl->flags & KT_READONLY) || decl->compute;
}

bool schema_field_sleeps(const struct schema_field *field)
{
    return (field->decl->type == KT_REF || field->decl->type == KT_REFS) &&
           (field->decl->flags & KT_SOFT) && (!field->target || !field->target->enabled);
}

const struct kt_state *schema_state(const struct schema_entity *entity,
                                    const msgpack_object *record)
{
    for (size_t i = 0; entity->state && i < entity->decl->states.count; i++)
        if (kt_is(record, entity->state->decl->name, entity->decl->states.at[i].name))
            return &entity->decl->states.at[i];
    return NULL;
}
