/* Indexes of entities, and who refers to whom. */
#include <string.h>

#include "record/schema_build.h"

static enum kt_status add_index(struct builder *builder, struct schema_entity *entity,
                                const char *name, const struct schema_path *paths, size_t count,
                                bool unique)
{
    struct schema_index *index = &entity->indexes[entity->index_count++];
    *index = (struct schema_index){.entity = entity, .unique = unique, .path_count = count};
    index->name = schema_join(builder, entity->name, "#", name);
    const struct schema_field *list = NULL;
    for (const struct schema_index *other = entity->indexes; other < index; other++)
        if (strcmp(other->name, index->name) == 0)
            return schema_refuse(builder, "index %s is declared twice", index->name);
    for (size_t i = 0; i < count; i++) {
        index->paths[i] = paths[i];
        if (!paths[i].line && !schema_field_is_list(paths[i].field))
            continue;
        if (list && list != paths[i].field)
            return schema_refuse(builder, "index %s runs over two lists", index->name);
        list = paths[i].field;
        index->many = true;
    }
    if (catalog_number(builder->txn, index->name, &index->number) != KT_OK)
        return schema_refuse(builder, "cannot number index %s", index->name);
    return KT_OK;
}

/* A reference that nobody asked to index: it only has to tell who refers to a record. */
static bool is_plain(const struct kt_field *decl)
{
    return decl->type == KT_REF && !(decl->flags & (KT_UNIQUE | KT_INDEXED));
}

/* A key of the compound index for every record, and the field first: it tells that, too. */
static struct schema_index *find_stand_in(const struct schema_entity *entity,
                                          const struct schema_field *field)
{
    for (size_t i = 0; i < entity->index_count; i++) {
        struct schema_index *index = &entity->indexes[i];
        if (index->path_count > 1 && index->paths[0].field == field && !index->unique &&
            !index->sparse && !index->many)
            return index;
    }
    return NULL;
}

static bool wants_index(const struct kt_field *decl)
{
    return (decl->flags & (KT_UNIQUE | KT_INDEXED)) || decl->type == KT_REF ||
           decl->type == KT_REFS || decl->type == KT_STATE;
}

static enum kt_status add_own(struct builder *builder, struct schema_entity *entity,
                              const char *name, const struct schema_path *path)
{
    const struct kt_field *decl = path->line ? path->line->decl : path->field->decl;
    bool unique = !path->line && (decl->flags & KT_UNIQUE);
    KT_TRY(add_index(builder, entity, name, path, 1, unique));
    struct schema_index *index = &entity->indexes[entity->index_count - 1];
    index->refers = true;
    index->sparse = is_plain(decl);
    return KT_OK;
}

static enum kt_status index_fields(struct builder *builder, struct schema_entity *entity)
{
    for (size_t i = 0; i < entity->field_count; i++) {
        const struct schema_field *field = &entity->fields[i];
        struct schema_path path = {.field = field};
        struct schema_index *stand_in = is_plain(field->decl) ? find_stand_in(entity, field) : NULL;
        if (stand_in)
            stand_in->refers = true;
        else if (wants_index(field->decl))
            KT_TRY(add_own(builder, entity, field->decl->name, &path));
        for (size_t j = 0; j < field->line_count; j++) {
            path.line = &field->lines[j];
            const char *name = schema_join(builder, field->decl->name, ".", path.line->decl->name);
            if (wants_index(path.line->decl))
                KT_TRY(add_own(builder, entity, name, &path));
        }
    }
    return KT_OK;
}

static enum kt_status index_compounds(struct builder *builder, struct schema_entity *entity)
{
    for (size_t i = 0; i < entity->decl->indexes.count; i++) {
        const struct kt_index *decl = &entity->decl->indexes.at[i];
        struct schema_path paths[KT_GROUP_FIELDS];
        const char *name = "";
        if (decl->fields.count > KT_GROUP_FIELDS)
            return schema_refuse(builder, "%s: index %s has too many fields", entity->name,
                                 decl->name);
        for (size_t j = 0; j < decl->fields.count; j++) {
            if (!schema_path(entity, decl->fields.at[j], &paths[j]))
                return schema_refuse(builder, "%s: index over unknown field %s", entity->name,
                                     decl->fields.at[j]);
            if (paths[j].field->decl->flags & KT_ON_READ)
                return schema_refuse(builder, "%s: %s is computed when read: it has no index",
                                     entity->name, decl->fields.at[j]);
            name = schema_join(builder, name, *name ? "+" : "", decl->fields.at[j]);
        }
        KT_TRY(add_index(builder, entity, name, paths, decl->fields.count, decl->unique));
        entity->indexes[entity->index_count - 1].sparse = decl->sparse && !decl->unique;
    }
    return KT_OK;
}

enum kt_status schema_fill_indexes(struct builder *builder, struct schema_entity *entity)
{
    size_t most = entity->decl->indexes.count;
    for (size_t i = 0; i < entity->field_count; i++)
        most += 1 + entity->fields[i].line_count;
    entity->indexes = schema_take(builder, sizeof(*entity->indexes) * most);
    KT_TRY(index_compounds(builder, entity));
    return index_fields(builder, entity);
}

/* Does it tell which records refer to one of `target`? */
static bool points_at(const struct schema_index *index, const struct schema_entity *target)
{
    const struct schema_path *path = &index->paths[0];
    const struct schema_field *field = path->line ? path->line : path->field;
    return index->refers && field->target == target;
}

void schema_fill_incoming(struct builder *builder, struct schema_entity *target)
{
    struct schema *schema = builder->schema;
    for (int fill = 0; fill < 2; fill++) {
        size_t count = 0;
        for (size_t e = 0; e < schema->entity_count; e++)
            for (size_t i = 0; i < schema->entities[e].index_count; i++)
                if (points_at(&schema->entities[e].indexes[i], target)) {
                    if (fill)
                        target->incoming[count] = &schema->entities[e].indexes[i];
                    count++;
                }
        if (!fill)
            target->incoming = schema_take(builder, sizeof(*target->incoming) * count);
        target->incoming_count = count;
    }
}
