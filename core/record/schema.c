#include "record/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kontor/limits.h"
#include "record/context.h"

struct builder {
    struct schema *schema;
    struct store_txn *txn;
    char *why;
    size_t why_size;
};

static enum kt_status refuse(struct builder *builder, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static enum kt_status refuse(struct builder *builder, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(builder->why, builder->why_size, format, arguments);
    va_end(arguments);
    return KT_INVALID;
}

static void *take(struct builder *builder, size_t size)
{
    void *memory = msgpack_zone_malloc(builder->schema->memory, size ? size : 1);
    if (!memory)
        abort();
    memset(memory, 0, size);
    return memory;
}

static const char *join(struct builder *builder, const char *a, const char *b, const char *c)
{
    size_t size = strlen(a) + strlen(b) + strlen(c) + 1;
    char *text = take(builder, size);
    snprintf(text, size, "%s%s%s", a, b, c);
    return text;
}

/* --- Lookups --- */

static int compare_name(const char *name, const char *wanted, size_t length)
{
    int order = strncmp(name, wanted, length);
    return order ? order : name[length] != '\0';
}

const struct schema_entity *schema_entity(const struct schema *schema, const char *name,
                                          size_t length)
{
    size_t low = 0, high = schema->entity_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare_name(schema->entities[middle].name, name, length);
        if (order == 0)
            return &schema->entities[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct schema_field *schema_field(const struct schema_entity *entity, const char *name,
                                        size_t length)
{
    for (size_t i = 0; i < entity->field_count; i++)
        if (compare_name(entity->fields[i].decl->name, name, length) == 0)
            return &entity->fields[i];
    return NULL;
}

bool schema_own_field(const char *name, size_t length)
{
    static const char *const own[] = {"id", "version", "archived"};
    for (size_t i = 0; i < KT_COUNT(own); i++)
        if (compare_name(own[i], name, length) == 0)
            return true;
    return false;
}

const struct schema_field *schema_line_field(const struct schema_field *lines, const char *name,
                                             size_t length)
{
    for (size_t i = 0; i < lines->line_count; i++)
        if (compare_name(lines->lines[i].decl->name, name, length) == 0)
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

bool schema_field_sleeps(const struct schema_field *field)
{
    return field->decl->type == KT_REF && (field->decl->flags & KT_SOFT) &&
           (!field->target || !field->target->enabled);
}

const struct kt_state *schema_state(const struct schema_entity *entity,
                                    const msgpack_object *record)
{
    for (size_t i = 0; entity->state && i < entity->decl->states.count; i++)
        if (kt_is(record, entity->state->decl->name, entity->decl->states.at[i].name))
            return &entity->decl->states.at[i];
    return NULL;
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
    if (decl->type == KT_MONEY) {
        field->min_digits = builder->schema->currency_digits;
        field->digits = decl->digits > field->min_digits ? decl->digits : field->min_digits;
    } else {
        field->digits = decl->digits ? decl->digits : 6;
    }
    if (decl->type == KT_LINES) {
        field->lines = take(builder, sizeof(*field->lines) * decl->lines.count);
        field->line_count = decl->lines.count;
        for (size_t i = 0; i < decl->lines.count; i++)
            fill_field(builder, &field->lines[i], &decl->lines.at[i]);
    }
}

static enum kt_status link_field(struct builder *builder, const struct schema_entity *entity,
                                 struct schema_field *field)
{
    if (field->decl->type == KT_REF) {
        const char *to = field->decl->to;
        field->target = schema_entity(builder->schema, to, strlen(to));
        bool there = field->target && field->target->enabled;
        if (entity->enabled && !there && !(field->decl->flags & KT_SOFT))
            return refuse(builder,
                          "%s.%s refers to %s, which no enabled module has: require its "
                          "module or mark the field KT_SOFT",
                          entity->name, field->decl->name, to);
    }
    for (size_t i = 0; i < field->line_count; i++)
        KT_TRY(link_field(builder, entity, &field->lines[i]));
    return KT_OK;
}

/* --- Indexes --- */

static enum kt_status add_index(struct builder *builder, struct schema_entity *entity,
                                const char *name, const struct schema_path *paths, size_t count,
                                bool unique)
{
    struct schema_index *index = &entity->indexes[entity->index_count++];
    *index = (struct schema_index){.entity = entity, .unique = unique, .path_count = count};
    index->name = join(builder, entity->name, "#", name);
    const struct schema_field *list = NULL;
    for (const struct schema_index *other = entity->indexes; other < index; other++)
        if (strcmp(other->name, index->name) == 0)
            return refuse(builder, "index %s is declared twice", index->name);
    for (size_t i = 0; i < count; i++) {
        index->paths[i] = paths[i];
        if (!paths[i].line && paths[i].field->decl->type != KT_TAGS)
            continue;
        if (list && list != paths[i].field)
            return refuse(builder, "index %s runs over two lists", index->name);
        list = paths[i].field;
        index->many = true;
    }
    if (catalog_number(builder->txn, index->name, &index->number) != KT_OK)
        return refuse(builder, "cannot number index %s", index->name);
    return KT_OK;
}

static bool wants_index(const struct kt_field *decl)
{
    return (decl->flags & (KT_UNIQUE | KT_INDEXED)) || decl->type == KT_REF ||
           decl->type == KT_STATE;
}

static enum kt_status index_fields(struct builder *builder, struct schema_entity *entity)
{
    for (size_t i = 0; i < entity->field_count; i++) {
        const struct schema_field *field = &entity->fields[i];
        struct schema_path path = {.field = field};
        if (wants_index(field->decl))
            KT_TRY(add_index(builder, entity, field->decl->name, &path, 1,
                             field->decl->flags & KT_UNIQUE));
        for (size_t j = 0; j < field->line_count; j++) {
            path.line = &field->lines[j];
            const char *name = join(builder, field->decl->name, ".", path.line->decl->name);
            if (wants_index(path.line->decl))
                KT_TRY(add_index(builder, entity, name, &path, 1, false));
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
            return refuse(builder, "%s: index %s has too many fields", entity->name, decl->name);
        for (size_t j = 0; j < decl->fields.count; j++) {
            if (!schema_path(entity, decl->fields.at[j], &paths[j]))
                return refuse(builder, "%s: index over unknown field %s", entity->name,
                              decl->fields.at[j]);
            name = join(builder, name, *name ? "+" : "", decl->fields.at[j]);
        }
        KT_TRY(add_index(builder, entity, name, paths, decl->fields.count, decl->unique));
    }
    return KT_OK;
}

static enum kt_status fill_indexes(struct builder *builder, struct schema_entity *entity)
{
    size_t most = entity->decl->indexes.count;
    for (size_t i = 0; i < entity->field_count; i++)
        most += 1 + entity->fields[i].line_count;
    entity->indexes = take(builder, sizeof(*entity->indexes) * most);
    KT_TRY(index_fields(builder, entity));
    return index_compounds(builder, entity);
}

/* An index whose last path is a reference to `target`, alone. */
static bool points_at(const struct schema_index *index, const struct schema_entity *target)
{
    const struct schema_path *path = &index->paths[0];
    const struct schema_field *field = path->line ? path->line : path->field;
    return index->path_count == 1 && field->decl->type == KT_REF && field->target == target;
}

static void fill_incoming(struct builder *builder, struct schema_entity *target)
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
            target->incoming = take(builder, sizeof(*target->incoming) * count);
        target->incoming_count = count;
    }
}

/* --- Totals --- */

static enum kt_status leg_path(struct builder *builder, const struct schema_total *total,
                               struct schema_leg *leg, const char *name, struct schema_path *out)
{
    if (!schema_path(total->entity, name, out))
        return refuse(builder, "total %s: %s has no field %s", total->decl->name,
                      total->entity->name, name);
    if (out->line) {
        if (leg->lines && leg->lines != out->field)
            return refuse(builder, "total %s: one leg reads two lists of lines", total->decl->name);
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
            leg->cut[i] = strcmp(cut, "month") == 0 ? SCHEMA_MONTH : SCHEMA_YEAR;
            if (strcmp(cut, "month") != 0 && strcmp(cut, "year") != 0)
                return refuse(builder, "total %s: cannot cut a date by %s", total->decl->name, cut);
        }
        KT_TRY(leg_path(builder, total, leg, name, &leg->by[i]));
        enum kt_type type = path_type(&leg->by[i]);
        if (type == KT_LINES || type == KT_TAGS || type == KT_JSON || (cut && type != KT_DATE))
            return refuse(builder, "total %s: cannot group by %s", total->decl->name,
                          decl->by.at[i]);
    }
    for (size_t i = 0; i < total->decl->measure_count; i++) {
        leg->minus[i] = decl->measures[i].minus;
        if (decl->measures[i].field)
            KT_TRY(leg_path(builder, total, leg, decl->measures[i].field, &leg->measures[i]));
        enum kt_type type = decl->measures[i].field ? path_type(&leg->measures[i]) : KT_INT;
        if (type != KT_INT && type != KT_DECIMAL && type != KT_MONEY && type != KT_QUANTITY)
            return refuse(builder, "total %s: %s is not a number", total->decl->name,
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
        return refuse(builder, "total %s: unknown entity %s", decl->name, decl->entity);
    if (decl->measure_count > KT_MEASURES || decl->leg_count == 0 ||
        decl->legs[0].by.count > KT_GROUP_FIELDS)
        return refuse(builder, "total %s has too many measures or fields, or no leg", decl->name);
    total->by_count = decl->legs[0].by.count;
    if (decl->when) {
        total->when = schema_field(total->entity, decl->when, strlen(decl->when));
        if (!total->when)
            return refuse(builder, "total %s: unknown field %s", decl->name, decl->when);
    }
    if (catalog_number(builder->txn, join(builder, "total:", decl->name, ""), &total->number) !=
        KT_OK)
        return refuse(builder, "cannot number total %s", decl->name);
    total->legs = take(builder, sizeof(*total->legs) * decl->leg_count);
    for (size_t i = 0; i < decl->leg_count; i++) {
        if (decl->legs[i].by.count != total->by_count)
            return refuse(builder, "total %s: legs group by different numbers of fields",
                          decl->name);
        KT_TRY(fill_leg(builder, total, &decl->legs[i], &total->legs[i]));
    }
    return KT_OK;
}

static void attach_totals(struct builder *builder, struct schema_entity *entity)
{
    struct schema *schema = builder->schema;
    entity->totals = take(builder, sizeof(*entity->totals) * schema->total_count);
    for (size_t i = 0; i < schema->total_count; i++)
        if (schema->totals[i].entity == entity)
            entity->totals[entity->total_count++] = &schema->totals[i];
}

/* --- Build --- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct schema_entity *)a)->name, ((const struct schema_entity *)b)->name);
}

static int total_by_name(const void *a, const void *b)
{
    return strcmp(((const struct schema_total *)a)->decl->name,
                  ((const struct schema_total *)b)->decl->name);
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
    entity->fields = take(builder, sizeof(*entity->fields) * decl->fields.count);
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
    if (catalog_number(builder->txn, decl->name, &entity->number) != KT_OK)
        return refuse(builder, "cannot number entity %s", decl->name);
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
    schema->entities = take(builder, sizeof(*schema->entities) * count);
    for (size_t m = 0; m < module_count; m++)
        for (size_t i = 0; i < modules[m].plugin->entities.count; i++)
            KT_TRY(fill_entity(builder, &modules[m], modules[m].plugin->entities.at[i]));
    qsort(schema->entities, schema->entity_count, sizeof(*schema->entities), by_name);
    for (size_t i = 1; i < schema->entity_count; i++)
        if (strcmp(schema->entities[i - 1].name, schema->entities[i].name) == 0)
            return refuse(builder, "entity %s is declared twice", schema->entities[i].name);
    for (size_t i = 0; i < schema->entity_count; i++)
        for (size_t f = 0; f < schema->entities[i].field_count; f++)
            KT_TRY(link_field(builder, &schema->entities[i], &schema->entities[i].fields[f]));
    for (size_t i = 0; i < schema->entity_count; i++)
        KT_TRY(fill_indexes(builder, &schema->entities[i]));
    for (size_t i = 0; i < schema->entity_count; i++) {
        fill_incoming(builder, &schema->entities[i]);
        schema->entities[i].sensitive = has_sensitive(schema->entities[i].decl->fields);
    }
    return KT_OK;
}

static enum kt_status fill_totals(struct builder *builder, const struct schema_module *modules,
                                  size_t module_count)
{
    struct schema *schema = builder->schema;
    size_t count = 0;
    for (size_t m = 0; m < module_count; m++)
        count += modules[m].plugin->totals.count;
    schema->totals = take(builder, sizeof(*schema->totals) * count);
    for (size_t m = 0; m < module_count; m++)
        for (size_t i = 0; i < modules[m].plugin->totals.count; i++)
            KT_TRY(fill_total(builder, &modules[m].plugin->totals.at[i]));
    qsort(schema->totals, schema->total_count, sizeof(*schema->totals), total_by_name);
    for (size_t i = 0; i < schema->entity_count; i++)
        attach_totals(builder, &schema->entities[i]);
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
        status = fill_totals(&builder, modules, module_count);
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
