/* What rule files declare, checked: each refusal names file, line, entity and field. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/custom.h"

#define PREFIX "x_"

enum kt_status custom_refuse(struct kt_ctx *ctx, const struct script_place *place, const char *why)
{
    enum kt_status status = kt_fail(ctx, KT_INVALID, NULL, "rule file %s:%d: %s",
                                    "规则文件有误 %s:%d: %s", place->file, place->line, why);
    ctx->error.rule = kt_format(ctx, "%s", place->file);
    return status;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static const struct kt_entity *find_entity(const struct registry *registry, const char *name,
                                           const struct kt_plugin **module)
{
    for (size_t m = 0; m < registry->catalog->count; m++) {
        const struct kt_plugin *plugin = registry->modules[m].plugin;
        for (size_t i = 0; i < plugin->entities.count; i++)
            if (strcmp(plugin->entities.at[i]->name, name) == 0) {
                *module = plugin;
                return plugin->entities.at[i];
            }
    }
    return NULL;
}

const struct kt_entity *custom_find_entity(const struct registry *registry, const char *name)
{
    const struct kt_plugin *module;
    return find_entity(registry, name, &module);
}

static const struct kt_field *find_field(struct kt_fields fields, const char *name)
{
    for (size_t i = 0; i < fields.count; i++)
        if (strcmp(fields.at[i].name, name) == 0)
            return &fields.at[i];
    return NULL;
}

static enum kt_status check_choices(struct kt_ctx *ctx, const struct script_place *place,
                                    const char *owner, const struct kt_field *field)
{
    for (size_t i = 0; i < field->choices.count; i++) {
        const char *name = field->choices.at[i].name;
        if (!name || strlen(name) > KT_LIMIT_NAME)
            return custom_refuse(ctx, place,
                                 kt_format(ctx,
                                           "%s.%s: choice %zu needs a name of at most %u bytes",
                                           owner, field->name, i + 1, KT_LIMIT_NAME));
        for (size_t j = 0; j < i; j++)
            if (strcmp(field->choices.at[j].name, name) == 0)
                return custom_refuse(
                    ctx, place,
                    kt_format(ctx, "%s.%s: choice %s is given twice", owner, field->name, name));
    }
    return KT_OK;
}

/* What a plugin's author sees when compiling, and what refers to other modules. */
static enum kt_status check_field(struct kt_ctx *ctx, const struct registry *registry,
                                  const struct script_place *place, const struct kt_entity *entity,
                                  const struct kt_field *field, const char *owner)
{
    const struct kt_plugin *module;
    KT_TRY(check_choices(ctx, place, owner, field));
    if (field->to && !find_entity(registry, field->to, &module))
        return custom_refuse(ctx, place,
                             kt_format(ctx, "%s.%s refers to %s, which no module declares", owner,
                                       field->name, field->to));
    if (field->lines.count > KT_LIMIT_CUSTOM_FIELDS)
        return custom_refuse(ctx, place,
                             kt_format(ctx, "%s.%s: more than %u fields", owner, field->name,
                                       KT_LIMIT_CUSTOM_FIELDS));
    const char *inner = kt_format(ctx, "%s.%s", owner, field->name);
    for (size_t i = 0; i < field->lines.count; i++)
        KT_TRY(check_field(ctx, registry, place, entity, &field->lines.at[i], inner));
    return KT_OK;
}

static enum kt_status check_added(struct kt_ctx *ctx, const struct registry *registry,
                                  const struct script_field *field)
{
    const struct kt_plugin *module;
    const struct script_place *place = &field->place;
    const char *owner = field->lines ? kt_format(ctx, "%s.%s", field->entity, field->lines)
                                     : kt_format(ctx, "%s", field->entity);
    const struct kt_entity *entity = find_entity(registry, field->entity, &module);
    if (!entity)
        return custom_refuse(
            ctx, place,
            kt_format(ctx, "field %s: no module declares %s", field->decl.name, field->entity));
    const struct kt_field *lines = field->lines ? find_field(entity->fields, field->lines) : NULL;
    if (field->lines && (!lines || lines->type != KT_LINES))
        return custom_refuse(ctx, place,
                             kt_format(ctx, "field %s: %s has no lines called %s", field->decl.name,
                                       field->entity, field->lines));
    if (!starts_with(field->decl.name, PREFIX))
        return custom_refuse(ctx, place,
                             kt_format(ctx,
                                       "%s.%s: a field added to an entity begins with " PREFIX
                                       ", so that the module's own never have its name",
                                       owner, field->decl.name));
    if (field->decl.type == KT_STATE)
        return custom_refuse(ctx, place,
                             kt_format(ctx, "%s.%s: states belong to the entity's own module",
                                       owner, field->decl.name));
    return check_field(ctx, registry, place, entity, &field->decl, owner);
}

static enum kt_status check_added_together(struct kt_ctx *ctx,
                                           const struct script_declared *declared, size_t at)
{
    const struct script_field *field = &declared->fields[at];
    size_t beside = 0;
    for (size_t i = 0; i < at; i++) {
        const struct script_field *other = &declared->fields[i];
        if (strcmp(other->entity, field->entity) != 0 || !other->lines != !field->lines ||
            (field->lines && strcmp(other->lines, field->lines) != 0))
            continue;
        beside++;
        if (strcmp(other->decl.name, field->decl.name) == 0)
            return custom_refuse(ctx, &field->place,
                                 kt_format(ctx, "%s.%s is declared already, at %s:%d",
                                           field->entity, field->decl.name, other->place.file,
                                           other->place.line));
    }
    if (beside < KT_LIMIT_CUSTOM_FIELDS)
        return KT_OK;
    return custom_refuse(ctx, &field->place,
                         kt_format(ctx, "%s gets more than %u custom fields", field->entity,
                                   KT_LIMIT_CUSTOM_FIELDS));
}

static bool has_path(const struct kt_entity *entity, const char *path)
{
    const char *dot = strchr(path, '.');
    for (size_t i = 0; i < entity->fields.count; i++) {
        const struct kt_field *field = &entity->fields.at[i];
        if (!dot && strcmp(field->name, path) == 0)
            return true;
        if (dot && strlen(field->name) == (size_t)(dot - path) && starts_with(path, field->name))
            return find_field(field->lines, dot + 1) != NULL;
    }
    return false;
}

static enum kt_status check_shape(struct kt_ctx *ctx, const struct script_place *place,
                                  const struct kt_entity *entity)
{
    if (entity->title && !find_field(entity->fields, entity->title))
        return custom_refuse(
            ctx, place,
            kt_format(ctx, "%s: its title %s is no field of it", entity->name, entity->title));
    if (entity->fields.count > KT_LIMIT_CUSTOM_FIELDS)
        return custom_refuse(
            ctx, place,
            kt_format(ctx, "%s: more than %u fields", entity->name, KT_LIMIT_CUSTOM_FIELDS));
    for (size_t i = 0; i < entity->states.count; i++)
        if (!entity->states.at[i].name)
            return custom_refuse(ctx, place,
                                 kt_format(ctx, "%s: state %zu needs a name", entity->name, i + 1));
    for (size_t i = 0; i < entity->indexes.count; i++) {
        const struct kt_index *index = &entity->indexes.at[i];
        if (index->fields.count < 2 || index->fields.count > KT_GROUP_FIELDS)
            return custom_refuse(
                ctx, place,
                kt_format(ctx, "%s: an index has 2 to %d fields", entity->name, KT_GROUP_FIELDS));
        for (size_t f = 0; f < index->fields.count; f++)
            if (!has_path(entity, index->fields.at[f]))
                return custom_refuse(ctx, place,
                                     kt_format(ctx, "%s: an index over %s, no field of it",
                                               entity->name, index->fields.at[f]));
    }
    return KT_OK;
}

static enum kt_status check_entity(struct kt_ctx *ctx, const struct registry *registry, size_t at)
{
    const struct script_declared *declared = registry->declared;
    const struct kt_entity *entity = &declared->entities[at].decl;
    const struct script_place *place = &declared->entities[at].place;
    char why[512];
    for (size_t i = 0; i < at; i++)
        if (strcmp(declared->entities[i].decl.name, entity->name) == 0)
            return custom_refuse(ctx, place,
                                 kt_format(ctx, "%s is declared already, at %s:%d", entity->name,
                                           declared->entities[i].place.file,
                                           declared->entities[i].place.line));
    if (entity->fields.count == 0)
        return custom_refuse(ctx, place, kt_format(ctx, "%s has no fields", entity->name));
    if (plugin_check_entity(&custom_module, entity, why, sizeof(why)) != KT_OK)
        return custom_refuse(ctx, place, why);
    for (size_t i = 0; i < entity->fields.count; i++)
        KT_TRY(check_field(ctx, registry, place, entity, &entity->fields.at[i], entity->name));
    return check_shape(ctx, place, entity);
}

static enum kt_status check_names(struct kt_ctx *ctx, const struct registry *registry)
{
    const struct script_declared *declared = registry->declared;
    const struct kt_plugin *module;
    for (size_t i = 0; i < declared->total_count; i++) {
        const struct kt_total *decl = &declared->totals[i].decl;
        const struct script_place *place = &declared->totals[i].place;
        if (!starts_with(decl->name, "custom.") || strlen(decl->name) > KT_LIMIT_NAME)
            return custom_refuse(
                ctx, place, kt_format(ctx, "total %s must be named custom.something", decl->name));
        if (!find_entity(registry, decl->entity, &module))
            return custom_refuse(
                ctx, place,
                kt_format(ctx, "total %s: no module declares %s", decl->name, decl->entity));
        for (size_t j = 0; j < i; j++)
            if (strcmp(declared->totals[j].decl.name, decl->name) == 0)
                return custom_refuse(ctx, place,
                                     kt_format(ctx, "total %s is declared already, at %s:%d",
                                               decl->name, declared->totals[j].place.file,
                                               declared->totals[j].place.line));
    }
    for (size_t i = 0; i < declared->role_count; i++) {
        const struct kt_role *decl = &declared->roles[i].decl;
        bool taken = strcmp(decl->name, custom_module.roles.at[0].name) == 0;
        for (size_t j = 0; j < i; j++)
            taken = taken || strcmp(declared->roles[j].decl.name, decl->name) == 0;
        if (taken || !starts_with(decl->name, "custom.") || strlen(decl->name) > KT_LIMIT_NAME)
            return custom_refuse(
                ctx, &declared->roles[i].place,
                kt_format(ctx, "role %s must be named custom.something, once", decl->name));
    }
    return KT_OK;
}

enum kt_status custom_check(struct kt_ctx *ctx, const struct registry *registry)
{
    const struct script_declared *declared = registry->declared;
    for (size_t i = 0; i < declared->entity_count; i++)
        KT_TRY(check_entity(ctx, registry, i));
    for (size_t i = 0; i < declared->field_count; i++) {
        KT_TRY(check_added(ctx, registry, &declared->fields[i]));
        KT_TRY(check_added_together(ctx, declared, i));
    }
    KT_TRY(check_names(ctx, registry));
    return custom_check_services(ctx, registry);
}

/* --- What the checks of plugins and the schema find --- */

static bool begins_with_name(const char *text, const char *name)
{
    size_t length = strlen(name);
    return starts_with(text, name) && !isalnum((unsigned char)text[length]) && text[length] != '_';
}

const struct script_place *custom_place_of(struct kt_ctx *ctx, const struct registry *registry,
                                           const char *why)
{
    const struct script_declared *declared = registry->declared;
    if (starts_with(why, "total "))
        why += strlen("total ");
    for (size_t i = 0; i < declared->field_count; i++)
        if (begins_with_name(why, kt_format(ctx, "%s.%s", declared->fields[i].entity,
                                            declared->fields[i].decl.name)))
            return &declared->fields[i].place;
    for (size_t i = 0; i < declared->total_count; i++)
        if (begins_with_name(why, declared->totals[i].decl.name))
            return &declared->totals[i].place;
    for (size_t i = 0; i < declared->entity_count; i++)
        if (begins_with_name(why, declared->entities[i].decl.name))
            return &declared->entities[i].place;
    return NULL;
}

enum kt_status custom_check_merged(struct kt_ctx *ctx, const struct registry *registry,
                                   const struct kt_entity *entity)
{
    char why[512];
    if (plugin_check_fields(entity, why, sizeof(why)) == KT_OK)
        return KT_OK;
    const struct script_place *place = custom_place_of(ctx, registry, why);
    return place ? custom_refuse(ctx, place, why)
                 : kt_fail(ctx, KT_INVALID, NULL, "%s", "声明有误：%s", why);
}

/* --- Defaults --- */

static msgpack_object initial_value(const struct kt_field *field)
{
    const char *text = field->initial;
    char *end;
    if (field->type == KT_BOOL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
        return kt_bool(*text == 't');
    if (field->type == KT_INT) {
        long long number = strtoll(text, &end, 10);
        if (*end == '\0')
            return kt_int(number);
    }
    return kt_text(text);
}

static bool is_word_for(const struct kt_field *field)
{
    return (field->type == KT_DATE && strcmp(field->initial, "today") == 0) ||
           (field->type == KT_INSTANT && strcmp(field->initial, "now") == 0) ||
           (field->type == KT_REF && strcmp(field->initial, "user") == 0 &&
            strcmp(field->to, "system.user") == 0);
}

static enum kt_status check_initial(struct kt_ctx *ctx, const struct script_place *place,
                                    const char *owner, const struct kt_field *field)
{
    const char *inner = kt_format(ctx, "%s.%s", owner, field->name);
    const msgpack_object *checked;
    for (size_t i = 0; i < field->lines.count; i++)
        KT_TRY(check_initial(ctx, place, inner, &field->lines.at[i]));
    if (!field->initial || is_word_for(field))
        return KT_OK;
    struct kt_map *given = kt_map_new(ctx);
    kt_map_set(given, field->name, initial_value(field));
    if (record_check_params(ctx, (struct kt_fields){field, 1}, &given->object,
                            (struct kt_names){NULL, 0}, &checked) == KT_OK)
        return KT_OK;
    const char *why = ctx->error.message;
    context_forgive(ctx);
    return custom_refuse(ctx, place, kt_format(ctx, "%s: initial: %s", inner, why));
}

enum kt_status custom_check_initials(struct kt_ctx *ctx, const struct registry *registry)
{
    const struct script_declared *declared = registry->declared;
    for (size_t i = 0; i < declared->field_count; i++)
        KT_TRY(check_initial(ctx, &declared->fields[i].place, declared->fields[i].entity,
                             &declared->fields[i].decl));
    for (size_t i = 0; i < declared->entity_count; i++) {
        const struct kt_entity *entity = &declared->entities[i].decl;
        for (size_t f = 0; f < entity->fields.count; f++)
            KT_TRY(check_initial(ctx, &declared->entities[i].place, entity->name,
                                 &entity->fields.at[f]));
    }
    return KT_OK;
}
