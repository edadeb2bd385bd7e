/* The plugins' tables become one schema: fields and what they refer to; then indexes
 * (schema_index.c) and totals (schema_total.c). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kontor/limits.h"
#include "record/schema_build.h"

enum kt_status schema_refuse(struct builder *builder, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(builder->why, builder->why_size, format, arguments);
    va_end(arguments);
    return KT_INVALID;
}

void *schema_take(struct builder *builder, size_t size)
{
    void *memory = msgpack_zone_malloc(builder->schema->memory, size ? size : 1);
    if (!memory)
        abort();
    memset(memory, 0, size);
    return memory;
}

const char *schema_join(struct builder *builder, const char *a, const char *b, const char *c)
{
    size_t size = strlen(a) + strlen(b) + strlen(c) + 1;
    char *text = schema_take(builder, size);
    snprintf(text, size, "%s%s%s", a, b, c);
    return text;
}

/* --- Fields --- */

static uint32_t length_limit(const struct kt_field *decl)
{
    if (decl->max_length)
        return decl->max_length;
    switch (decl->type) {
    case KT_LINES:
        return KT_LIMIT_LINES;
    case KT_TAGS:
        return KT_LIMIT_TAGS;
    case KT_REFS:
        return KT_LIMIT_REFS;
    default:
        return KT_LIMIT_TEXT;
    }
}

static void fill_field(struct builder *builder, struct schema_field *field,
                       const struct kt_field *decl)
{
    field->decl = decl;
    field->max_length = length_limit(decl);
    if (decl->type == KT_MONEY && decl->currency) {
        /* Which currency it is, only the record tells (fit.c). */
        field->digits =
            decl->digits > SCHEMA_CURRENCY_DIGITS ? decl->digits : SCHEMA_CURRENCY_DIGITS;
    } else if (decl->type == KT_MONEY) {
        field->min_digits = builder->schema->currency_digits;
        field->digits = decl->digits > field->min_digits ? decl->digits : field->min_digits;
    } else {
        field->digits = decl->digits ? decl->digits : 6;
    }
    if (decl->type == KT_LINES) {
        field->lines = schema_take(builder, sizeof(*field->lines) * decl->lines.count);
        field->line_count = decl->lines.count;
        for (size_t i = 0; i < decl->lines.count; i++)
            fill_field(builder, &field->lines[i], &decl->lines.at[i]);
    }
}

static enum kt_status link_target(struct builder *builder, const struct schema_entity *entity,
                                  struct schema_field *field)
{
    const char *to = field->decl->to;
    field->target = schema_entity(builder->schema, to, strlen(to));
    bool there = field->target && field->target->enabled;
    if (entity->enabled && !there && !(field->decl->flags & KT_SOFT))
        return schema_refuse(builder,
                             "%s.%s refers to %s, which no enabled module has: enable its "
                             "module, require it, or make the reference `soft`",
                             entity->name, field->decl->name, to);
    return KT_OK;
}

/* A unit that is a record says how many digits a quantity in it may have. */
static enum kt_status link_unit(struct builder *builder, const struct schema_entity *entity,
                                struct schema_field *field, const struct schema_field *unit)
{
    field->unit = unit;
    if (unit->decl->type != KT_REF || !unit->target)
        return KT_OK;
    field->unit_digits = schema_field(unit->target, "digits", 6);
    if (!field->unit_digits || field->unit_digits->decl->type != KT_INT)
        return schema_refuse(builder,
                             "%s.%s: its unit %s refers to %s, which has no int field "
                             "`digits`",
                             entity->name, field->decl->name, unit->decl->name, unit->target->name);
    return KT_OK;
}

/* Fields beside each other: those of a record, or of one line. References come first, as units
 * need theirs. */
static enum kt_status link_fields(struct builder *builder, struct schema_entity *entity,
                                  struct schema_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fields[i].decl->type == KT_REF || fields[i].decl->type == KT_REFS)
            KT_TRY(link_target(builder, entity, &fields[i]));
    for (size_t i = 0; i < count; i++) {
        const struct kt_field *decl = fields[i].decl;
        if (decl->currency)
            fields[i].currency = schema_field(entity, decl->currency, strlen(decl->currency));
        for (size_t j = 0; decl->unit && j < count; j++)
            if (strcmp(fields[j].decl->name, decl->unit) == 0)
                KT_TRY(link_unit(builder, entity, &fields[i], &fields[j]));
        entity->fits = entity->fits || fields[i].currency || fields[i].unit_digits;
        entity->computes = entity->computes || (decl->compute && !(decl->flags & KT_ON_READ));
        entity->reads = entity->reads || (decl->flags & KT_ON_READ);
        entity->freezes = entity->freezes || decl->frozen.count;
        KT_TRY(link_fields(builder, entity, fields[i].lines, fields[i].line_count));
    }
    return KT_OK;
}

/* --- Build --- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct schema_entity *)a)->name, ((const struct schema_entity *)b)->name);
}

static void note_field(struct schema_entity *entity, const struct schema_field *field)
{
    entity->searchable = entity->searchable || (field->decl->flags & KT_SEARCHABLE);
    entity->has_files = entity->has_files || field->decl->type == KT_FILE;
}

static enum kt_status fill_entity(struct builder *builder, const struct schema_module *module,
                                  const struct kt_entity *decl)
{
    struct schema_entity *entity = &builder->schema->entities[builder->schema->entity_count++];
    *entity = (struct schema_entity){.decl = decl, .plugin = module->plugin, .name = decl->name};
    entity->enabled = module->enabled;
    entity->field_count = decl->fields.count;
    entity->fields = schema_take(builder, sizeof(*entity->fields) * decl->fields.count);
    for (size_t i = 0; i < decl->fields.count; i++) {
        fill_field(builder, &entity->fields[i], &decl->fields.at[i]);
        note_field(entity, &entity->fields[i]);
        if (decl->fields.at[i].type == KT_STATE)
            entity->state = &entity->fields[i];
        for (size_t p = 0; p < entity->fields[i].line_count; p++)
            note_field(entity, &entity->fields[i].lines[p]);
    }
    entity->title = decl->title ? schema_field(entity, decl->title, strlen(decl->title)) : NULL;
    if (!entity->title)
        entity->title = schema_field(entity, "name", 4);
    if (!entity->title)
        entity->title = schema_field(entity, "number", 6);
    if (catalog_number(builder->txn, decl->name, &entity->number) != KT_OK ||
        catalog_number(builder->txn, schema_join(builder, "id:", decl->name, ""), &entity->ids) !=
            KT_OK)
        return schema_refuse(builder, "cannot number entity %s", decl->name);
    return KT_OK;
}

static bool has_sensitive(struct kt_fields fields)
{
    for (size_t i = 0; i < fields.count; i++) {
        if (fields.at[i].flags & KT_SENSITIVE)
            return true;
        for (size_t j = 0; j < fields.at[i].lines.count; j++)
            if (fields.at[i].lines.at[j].flags & KT_SENSITIVE)
                return true;
    }
    return false;
}

static enum kt_status fill_entities(struct builder *builder, const struct schema_module *modules,
                                    size_t module_count)
{
    struct schema *schema = builder->schema;
    size_t count = 0;
    for (size_t m = 0; m < module_count; m++)
        count += modules[m].plugin->entities.count;
    schema->entities = schema_take(builder, sizeof(*schema->entities) * count);
    for (size_t m = 0; m < module_count; m++)
        for (size_t i = 0; i < modules[m].plugin->entities.count; i++)
            KT_TRY(fill_entity(builder, &modules[m], modules[m].plugin->entities.at[i]));
    qsort(schema->entities, schema->entity_count, sizeof(*schema->entities), by_name);
    for (size_t i = 1; i < schema->entity_count; i++)
        if (strcmp(schema->entities[i - 1].name, schema->entities[i].name) == 0)
            return schema_refuse(builder, "entity %s is declared twice", schema->entities[i].name);
    for (size_t i = 0; i < schema->entity_count; i++)
        KT_TRY(link_fields(builder, &schema->entities[i], schema->entities[i].fields,
                           schema->entities[i].field_count));
    for (size_t i = 0; i < schema->entity_count; i++)
        KT_TRY(schema_fill_indexes(builder, &schema->entities[i]));
    for (size_t i = 0; i < schema->entity_count; i++) {
        schema_fill_incoming(builder, &schema->entities[i]);
        schema->entities[i].sensitive = has_sensitive(schema->entities[i].decl->fields);
    }
    return KT_OK;
}

enum kt_status schema_build(const struct schema_module *modules, size_t module_count,
                            const char *currency, struct store_txn *txn, struct schema **out,
                            char *why, size_t why_size)
{
    msgpack_zone *memory = msgpack_zone_new(65536);
    if (!memory)
        abort();
    struct schema *schema = msgpack_zone_malloc(memory, sizeof(*schema));
    if (!schema)
        abort();
    *schema = (struct schema){.memory = memory};
    snprintf(schema->currency, sizeof(schema->currency), "%s", currency);
    int digits = kt_currency_minor_units(currency);
    schema->currency_digits = digits < 0 ? 2 : digits;
    struct builder builder = {.schema = schema, .txn = txn, .why = why, .why_size = why_size};
    enum kt_status status = fill_entities(&builder, modules, module_count);
    if (status == KT_OK)
        status = schema_fill_totals(&builder, modules, module_count);
    if (status != KT_OK) {
        schema_free(schema);
        return status;
    }
    *out = schema;
    return KT_OK;
}

void schema_free(struct schema *schema)
{
    if (schema)
        msgpack_zone_free(schema->memory);
}
