#include "plugin/custom.h"

#include <stdio.h>
#include <string.h>

#include "record/vocabulary.h"

static const char *const user_grants[] = {"custom.*"};
static const struct kt_role roles[] = {
    {.name = "custom.user",
     .grants = KT_LIST(user_grants),
     .label = {"Custom records", "自定义记录"}},
};

const struct kt_plugin custom_module = {
    KT_PLUGIN_HEAD,
    .name = "custom",
    .version = "1",
    .schema = 1,
    .label = {"Custom", "自定义"},
    .summary = {"What rule files declare", "规则文件声明的内容"},
    .roles = KT_LIST(roles),
};

static void *memory(const struct registry *registry, size_t size)
{
    return script_declared_memory(registry->declared, size);
}

/* --- Marking: ours, and soft towards modules that may be disabled --- */

static struct kt_fields mark(const struct registry *registry, struct kt_fields fields)
{
    struct kt_field *marked = memory(registry, sizeof(*marked) * fields.count);
    for (size_t i = 0; i < fields.count; i++) {
        marked[i] = fields.at[i];
        marked[i].flags |= KT_CUSTOM;
        if (marked[i].to && strncmp(marked[i].to, "custom.", strlen("custom.")) != 0)
            marked[i].flags |= KT_SOFT;
        if (marked[i].lines.count)
            marked[i].lines = mark(registry, marked[i].lines);
    }
    return (struct kt_fields){marked, fields.count};
}

static void mark_all(struct registry *registry)
{
    struct script_declared *declared = registry->declared;
    for (size_t i = 0; i < declared->field_count; i++) {
        struct kt_field *decl = &declared->fields[i].decl;
        *decl = *mark(registry, (struct kt_fields){decl, 1}).at;
    }
    for (size_t i = 0; i < declared->entity_count; i++) {
        struct kt_entity *decl = &declared->entities[i].decl;
        decl->fields = mark(registry, decl->fields);
    }
}

/* --- The module --- */

static void make_module(struct registry *registry)
{
    const struct script_declared *declared = registry->declared;
    const struct kt_entity **entities =
        memory(registry, sizeof(const struct kt_entity *) * declared->entity_count);
    struct kt_total *totals = memory(registry, sizeof(*totals) * declared->total_count);
    struct kt_role *all_roles = memory(registry, sizeof(*all_roles) * (declared->role_count + 1));
    struct kt_plugin *module = memory(registry, sizeof(*module));
    all_roles[0] = roles[0];
    for (size_t i = 0; i < declared->entity_count; i++)
        entities[i] = &declared->entities[i].decl;
    for (size_t i = 0; i < declared->total_count; i++)
        totals[i] = declared->totals[i].decl;
    for (size_t i = 0; i < declared->role_count; i++)
        all_roles[i + 1] = declared->roles[i].decl;
    *module = custom_module;
    module->entities.at = entities;
    module->entities.count = declared->entity_count;
    module->totals.at = totals;
    module->totals.count = declared->total_count;
    module->roles.at = all_roles;
    module->roles.count = declared->role_count + 1;
    custom_add_services(registry, module);
    for (size_t m = 0; m < registry->catalog->count; m++)
        if (registry->modules[m].plugin == &custom_module)
            registry->modules[m].plugin = module;
}

/* --- Merging --- */

static size_t count_added(const struct script_declared *declared, const char *entity,
                          const char *lines)
{
    size_t count = 0;
    for (size_t i = 0; i < declared->field_count; i++) {
        const struct script_field *field = &declared->fields[i];
        count += strcmp(field->entity, entity) == 0 && !field->lines == !lines &&
                 (!lines || strcmp(field->lines, lines) == 0);
    }
    return count;
}

/* `fields` and after them what is declared for this entity, or for these lines of it. */
static struct kt_fields merge_fields(const struct registry *registry, struct kt_fields fields,
                                     const char *entity, const char *lines)
{
    const struct script_declared *declared = registry->declared;
    size_t count = fields.count;
    struct kt_field *merged =
        memory(registry, sizeof(*merged) * (count + count_added(declared, entity, lines)));
    if (count)
        memcpy(merged, fields.at, sizeof(*merged) * count);
    for (size_t i = 0; i < declared->field_count; i++) {
        const struct script_field *field = &declared->fields[i];
        if (strcmp(field->entity, entity) == 0 && !field->lines == !lines &&
            (!lines || strcmp(field->lines, lines) == 0))
            merged[count++] = field->decl;
    }
    for (size_t i = 0; !lines && i < count; i++) {
        custom_number(declared, entity, &merged[i]);
        if (merged[i].type == KT_LINES)
            merged[i].lines = merge_fields(registry, merged[i].lines, entity, merged[i].name);
    }
    return (struct kt_fields){merged, count};
}

static bool is_changed(const struct script_declared *declared, const char *entity)
{
    if (custom_is_numbered(declared, entity))
        return true;
    for (size_t i = 0; i < declared->field_count; i++)
        if (strcmp(declared->fields[i].entity, entity) == 0)
            return true;
    return false;
}

/* The plugins' own tables stay as they are: what changes is copied. */
static enum kt_status merge_module(struct kt_ctx *ctx, const struct registry *registry,
                                   struct schema_module *module)
{
    const struct kt_plugin *plugin = module->plugin;
    struct kt_plugin *copy = NULL;
    const struct kt_entity **entities = NULL;
    for (size_t i = 0; i < plugin->entities.count; i++) {
        const struct kt_entity *entity = plugin->entities.at[i];
        if (!is_changed(registry->declared, entity->name))
            continue;
        if (!copy) {
            size_t size = sizeof(const struct kt_entity *) * plugin->entities.count;
            copy = memory(registry, sizeof(*copy));
            entities = memory(registry, size);
            memcpy(entities, plugin->entities.at, size);
            *copy = *plugin;
            copy->entities.at = entities;
            module->plugin = copy;
        }
        struct kt_entity *merged = memory(registry, sizeof(*merged));
        *merged = *entity;
        merged->fields = merge_fields(registry, entity->fields, entity->name, NULL);
        entities[i] = merged;
        KT_TRY(custom_check_merged(ctx, registry, merged));
    }
    return KT_OK;
}

enum kt_status custom_apply(struct kt_ctx *ctx, struct registry *registry)
{
    mark_all(registry);
    make_module(registry);
    KT_TRY(custom_check(ctx, registry));
    for (size_t m = 0; m < registry->catalog->count; m++)
        KT_TRY(merge_module(ctx, registry, &registry->modules[m]));
    return context_check_memory(ctx);
}

/* --- Listing --- */

static struct kt_map *row(struct kt_ctx *ctx, const char *name, const struct script_place *place)
{
    struct kt_map *map = kt_map_new(ctx);
    kt_map_set_text(map, "name", name);
    kt_map_set_text(map, "file", place->file);
    kt_map_set_int(map, "line", place->line);
    kt_map_set_text(map, "source", place->source);
    return map;
}

static msgpack_object list_asleep(struct kt_ctx *ctx, const struct schema *schema)
{
    struct kt_list *list = kt_list_new(ctx);
    for (size_t e = 0; e < schema->entity_count; e++) {
        const struct schema_entity *entity = &schema->entities[e];
        for (size_t i = 0; i < entity->asleep.count; i++)
            kt_list_add(list, kt_text(kt_format(ctx, "%s.%s", entity->name, entity->asleep.at[i])));
        for (size_t f = 0; f < entity->field_count; f++)
            for (size_t i = 0; i < entity->fields[f].asleep.count; i++)
                kt_list_add(list, kt_text(kt_format(ctx, "%s.%s.%s", entity->name,
                                                    entity->fields[f].decl->name,
                                                    entity->fields[f].asleep.at[i])));
    }
    return list->object;
}

static void list_services(struct kt_ctx *ctx, const struct script_declared *declared,
                          struct kt_map *answer)
{
    struct kt_list *methods = kt_list_new(ctx), *schedules = kt_list_new(ctx);
    struct kt_list *events = kt_list_new(ctx), *numberings = kt_list_new(ctx);
    for (size_t i = 0; i < declared->method_count; i++)
        kt_list_add(methods,
                    row(ctx, declared->methods[i].decl.name, &declared->methods[i].place)->object);
    for (size_t i = 0; i < declared->schedule_count; i++) {
        const struct script_schedule *one = &declared->schedules[i];
        struct kt_map *map = row(ctx, one->name, &one->place);
        if (one->every_seconds)
            kt_map_set_int(map, "every_seconds", one->every_seconds);
        else
            kt_map_set_text(
                map, "daily",
                kt_format(ctx, "%02d:%02d", one->daily_minute / 60, one->daily_minute % 60));
        kt_list_add(schedules, map->object);
    }
    for (size_t i = 0; i < declared->topic_count; i++)
        kt_list_add(events,
                    row(ctx, declared->topics[i].decl.name, &declared->topics[i].place)->object);
    for (size_t i = 0; i < declared->numbering_count; i++) {
        const struct script_numbering *one = &declared->numberings[i];
        struct kt_map *map =
            row(ctx, kt_format(ctx, "%s.%s", one->entity, one->field), &one->place);
        kt_map_set_text(map, "pattern", one->pattern);
        kt_list_add(numberings, map->object);
    }
    kt_map_set(answer, "methods", methods->object);
    kt_map_set(answer, "schedules", schedules->object);
    kt_map_set(answer, "events", events->object);
    kt_map_set(answer, "numberings", numberings->object);
}

void custom_list(struct kt_ctx *ctx, const struct registry *registry, struct kt_map *answer)
{
    const struct script_declared *declared = registry->declared;
    struct kt_list *fields = kt_list_new(ctx), *entities = kt_list_new(ctx);
    struct kt_list *totals = kt_list_new(ctx), *all_roles = kt_list_new(ctx);
    for (size_t i = 0; i < declared->field_count; i++) {
        const struct script_field *field = &declared->fields[i];
        struct kt_map *map = row(ctx, field->decl.name, &field->place);
        kt_map_set_text(map, "entity", field->entity);
        if (field->lines)
            kt_map_set_text(map, "lines", field->lines);
        kt_map_set_text(map, "type", record_type_word(field->decl.type));
        kt_list_add(fields, map->object);
    }
    for (size_t i = 0; i < declared->entity_count; i++)
        kt_list_add(
            entities,
            row(ctx, declared->entities[i].decl.name, &declared->entities[i].place)->object);
    for (size_t i = 0; i < declared->total_count; i++)
        kt_list_add(totals,
                    row(ctx, declared->totals[i].decl.name, &declared->totals[i].place)->object);
    for (size_t i = 0; i < declared->role_count; i++)
        kt_list_add(all_roles,
                    row(ctx, declared->roles[i].decl.name, &declared->roles[i].place)->object);
    kt_map_set(answer, "fields", fields->object);
    kt_map_set(answer, "entities", entities->object);
    kt_map_set(answer, "totals", totals->object);
    kt_map_set(answer, "roles", all_roles->object);
    list_services(ctx, declared, answer);
    kt_map_set(answer, "asleep", list_asleep(ctx, registry->schema));
}
