/* Totals, linked to the fields they read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kontor/limits.h"
#include "record/schema_build.h"

static enum kt_status leg_path(struct builder *builder, const struct schema_total *total,
                               struct schema_leg *leg, const char *name, struct schema_path *out)
{
    if (!schema_path(total->entity, name, out))
        return schema_refuse(builder, "total %s: %s has no field %s", total->decl->name,
                             total->entity->name, name);
    if (out->field->decl->flags & KT_ON_READ)
        return schema_refuse(builder, "total %s: %s is computed when read and cannot be summed",
                             total->decl->name, name);
    if (out->line) {
        if (leg->lines && leg->lines != out->field)
            return schema_refuse(builder, "total %s: one leg reads two lists of lines",
                                 total->decl->name);
        leg->lines = out->field;
        leg->over_lines = true;
    }
    return KT_OK;
}

static enum kt_type path_type(const struct schema_path *path)
{
    return path->line ? path->line->decl->type : path->field->decl->type;
}

static enum kt_status fill_leg(struct builder *builder, const struct schema_total *total,
                               const struct kt_leg *decl, struct schema_leg *leg)
{
    for (size_t i = 0; i < decl->by.count; i++) {
        char name[KT_LIMIT_NAME * 2];
        snprintf(name, sizeof(name), "%s", decl->by.at[i]);
        char *cut = strchr(name, ':');
        if (cut) {
            *cut++ = '\0';
            if (!schema_cut(cut, &leg->cut[i]))
                return schema_refuse(builder, "total %s: cannot cut a date by %s",
                                     total->decl->name, cut);
        }
        KT_TRY(leg_path(builder, total, leg, name, &leg->by[i]));
        enum kt_type type = path_type(&leg->by[i]);
        if (type == KT_LINES || type == KT_TAGS || type == KT_REFS || type == KT_JSON ||
            type == KT_FILE || (cut && type != KT_DATE && type != KT_INSTANT))
            return schema_refuse(builder, "total %s: cannot group by %s", total->decl->name,
                                 decl->by.at[i]);
    }
    for (size_t i = 0; i < total->decl->measure_count; i++) {
        leg->minus[i] = decl->measures[i].minus;
        if (decl->measures[i].field)
            KT_TRY(leg_path(builder, total, leg, decl->measures[i].field, &leg->measures[i]));
        enum kt_type type = decl->measures[i].field ? path_type(&leg->measures[i]) : KT_INT;
        if (type != KT_INT && type != KT_DECIMAL && type != KT_MONEY && type != KT_QUANTITY)
            return schema_refuse(builder, "total %s: %s is not a number", total->decl->name,
                                 decl->measures[i].field);
    }
    return KT_OK;
}

static enum kt_status fill_total(struct builder *builder, const struct kt_total *decl)
{
    struct schema *schema = builder->schema;
    struct schema_total *total = &schema->totals[schema->total_count++];
    *total = (struct schema_total){.decl = decl};
    total->entity = schema_entity(schema, decl->entity, strlen(decl->entity));
    if (!total->entity)
        return schema_refuse(builder, "total %s: unknown entity %s", decl->name, decl->entity);
    if (decl->measure_count > KT_MEASURES || decl->leg_count == 0 ||
        decl->legs[0].by.count > KT_GROUP_FIELDS)
        return schema_refuse(builder, "total %s has too many measures or fields, or no leg",
                             decl->name);
    total->by_count = decl->legs[0].by.count;
    if (decl->when) {
        total->when = schema_field(total->entity, decl->when, strlen(decl->when));
        if (!total->when || (total->when->decl->flags & KT_ON_READ))
            return schema_refuse(builder, "total %s: unknown field %s", decl->name, decl->when);
    }
    if (catalog_number(builder->txn, schema_join(builder, "total:", decl->name, ""),
                       &total->number) != KT_OK)
        return schema_refuse(builder, "cannot number total %s", decl->name);
    total->legs = schema_take(builder, sizeof(*total->legs) * decl->leg_count);
    for (size_t i = 0; i < decl->leg_count; i++) {
        if (decl->legs[i].by.count != total->by_count)
            return schema_refuse(builder, "total %s: legs group by different numbers of fields",
                                 decl->name);
        KT_TRY(fill_leg(builder, total, &decl->legs[i], &total->legs[i]));
    }
    return KT_OK;
}

static void attach_totals(struct builder *builder, struct schema_entity *entity)
{
    struct schema *schema = builder->schema;
    entity->totals = schema_take(builder, sizeof(*entity->totals) * schema->total_count);
    for (size_t i = 0; i < schema->total_count; i++)
        if (schema->totals[i].entity == entity)
            entity->totals[entity->total_count++] = &schema->totals[i];
}

static int total_by_name(const void *a, const void *b)
{
    return strcmp(((const struct schema_total *)a)->decl->name,
                  ((const struct schema_total *)b)->decl->name);
}

enum kt_status schema_fill_totals(struct builder *builder, const struct schema_module *modules,
                                  size_t module_count)
{
    struct schema *schema = builder->schema;
    size_t count = 0;
    for (size_t m = 0; m < module_count; m++)
        count += modules[m].plugin->totals.count;
    schema->totals = schema_take(builder, sizeof(*schema->totals) * count);
    for (size_t m = 0; m < module_count; m++)
        for (size_t i = 0; i < modules[m].plugin->totals.count; i++)
            KT_TRY(fill_total(builder, &modules[m].plugin->totals.at[i]));
    qsort(schema->totals, schema->total_count, sizeof(*schema->totals), total_by_name);
    for (size_t i = 0; i < schema->entity_count; i++)
        attach_totals(builder, &schema->entities[i]);
    return KT_OK;
}
