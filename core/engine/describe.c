/* system.describe: the whole model. */
#include "engine/engine_internal.h"
#include "record/vocabulary.h"

static void set_label(struct kt_ctx *ctx, struct kt_map *map, const char *name,
                      struct kt_label label)
{
    if (!label.en)
        return;
    struct kt_map *both = kt_map_new(ctx);
    kt_map_set_text(both, "en", label.en);
    kt_map_set_text(both, "zh", label.zh ? label.zh : label.en);
    kt_map_set(map, name, both->object);
}

static msgpack_object names(struct kt_ctx *ctx, struct kt_names all)
{
    struct kt_list *list = kt_list_new(ctx);
    for (size_t i = 0; i < all.count; i++)
        kt_list_add(list, kt_text(all.at[i]));
    return list->object;
}

static msgpack_object choices(struct kt_ctx *ctx, struct kt_choices all)
{
    struct kt_list *list = kt_list_new(ctx);
    for (size_t i = 0; i < all.count; i++) {
        struct kt_map *choice = kt_map_new(ctx);
        kt_map_set_text(choice, "name", all.at[i].name);
        set_label(ctx, choice, "label", all.at[i].label);
        kt_list_add(list, choice->object);
    }
    return list->object;
}

static struct kt_map *field_alone(struct kt_ctx *ctx, const struct kt_field *field)
{
    struct kt_map *map = kt_map_new(ctx);
    kt_map_set_text(map, "name", field->name);
    kt_map_set_text(map, "type", record_type_word(field->type));
    for (size_t i = 0; i < record_flag_word_count; i++)
        if (field->flags & record_flag_words[i].flag)
            kt_map_set_bool(map, record_flag_words[i].word, true);
    if (schema_field_is_readonly(field))
        kt_map_set_bool(map, "readonly", true);
    if (field->to)
        kt_map_set_text(map, "to", field->to);
    if (field->choices.count)
        kt_map_set(map, "choices", choices(ctx, field->choices));
    if (field->sequence)
        kt_map_set_text(map, "sequence", field->sequence);
    if (field->initial)
        kt_map_set_text(map, "initial", field->initial);
    if (field->currency)
        kt_map_set_text(map, "currency", field->currency);
    if (field->unit)
        kt_map_set_text(map, "unit", field->unit);
    if (field->compute)
        kt_map_set_bool(map, "computed", true);
    if (field->frozen.count)
        kt_map_set(map, "frozen", names(ctx, field->frozen));
    if (field->digits)
        kt_map_set_int(map, "digits", field->digits);
    if (field->max_length)
        kt_map_set_int(map, "max_length", field->max_length);
    set_label(ctx, map, "label", field->label);
    set_label(ctx, map, "help", field->help);
    return map;
}

static msgpack_object fields(struct kt_ctx *ctx, struct kt_fields all)
{
    struct kt_list *list = kt_list_new(ctx);
    for (size_t i = 0; i < all.count; i++) {
        struct kt_map *map = field_alone(ctx, &all.at[i]);
        struct kt_fields lines = all.at[i].lines;
        struct kt_list *parts = kt_list_new(ctx);
        for (size_t j = 0; j < lines.count; j++)
            kt_list_add(parts, field_alone(ctx, &lines.at[j])->object);
        if (lines.count)
            kt_map_set(map, "lines", parts->object);
        kt_list_add(list, map->object);
    }
    return list->object;
}

static msgpack_object states(struct kt_ctx *ctx, struct kt_states all)
{
    struct kt_list *list = kt_list_new(ctx);
    for (size_t i = 0; i < all.count; i++) {
        struct kt_map *map = kt_map_new(ctx);
        kt_map_set_text(map, "name", all.at[i].name);
        kt_map_set_bool(map, "locked", all.at[i].flags & KT_LOCKED);
        kt_map_set_bool(map, "posted", all.at[i].flags & KT_POSTED);
        set_label(ctx, map, "label", all.at[i].label);
        kt_list_add(list, map->object);
    }
    return list->object;
}

static msgpack_object transitions(struct kt_ctx *ctx, struct kt_transitions all)
{
    struct kt_list *list = kt_list_new(ctx);
    for (size_t i = 0; i < all.count; i++) {
        const struct kt_transition *one = &all.at[i];
        struct kt_map *map = kt_map_new(ctx);
        kt_map_set_text(map, "from", one->from);
        kt_map_set_text(map, "to", one->to);
        kt_map_set_text(map, "verb", one->verb);
        kt_map_set_text(map, "event", one->event);
        kt_map_set_bool(map, "by_server", one->flags & KT_BY_SERVER);
        kt_map_set(map, "params", fields(ctx, one->params));
        set_label(ctx, map, "label", one->label);
        kt_list_add(list, map->object);
    }
    return list->object;
}

static msgpack_object entities(struct kt_ctx *ctx)
{
    const struct schema *schema = ctx->schema;
    struct kt_list *list = kt_list_new(ctx);
    for (size_t i = 0; i < schema->entity_count; i++) {
        const struct schema_entity *entity = &schema->entities[i];
        if (!entity->enabled)
            continue;
        struct kt_map *map = kt_map_new(ctx);
        kt_map_set_text(map, "name", entity->name);
        kt_map_set_text(map, "module", entity->plugin->name);
        if (entity->title)
            kt_map_set_text(map, "title", entity->title->decl->name);
        kt_map_set_bool(map, "append_only", entity->decl->flags & KT_APPEND_ONLY);
        kt_map_set_bool(map, "server_only", entity->decl->flags & KT_SERVER_ONLY);
        kt_map_set_bool(map, "history", !(entity->decl->flags & KT_NO_HISTORY));
        set_label(ctx, map, "label", entity->decl->label);
        set_label(ctx, map, "help", entity->decl->help);
        kt_map_set(map, "fields", fields(ctx, entity->decl->fields));
        if (entity->state) {
            kt_map_set(map, "states", states(ctx, entity->decl->states));
            kt_map_set(map, "transitions", transitions(ctx, entity->decl->transitions));
        }
        kt_list_add(list, map->object);
    }
    return list->object;
}

static msgpack_object methods(struct kt_ctx *ctx)
{
    const struct registry *registry = ctx->registry;
    struct kt_list *list = kt_list_new(ctx);
    for (size_t i = 0; i < registry->method_count; i++) {
        const struct registry_method *method = &registry->methods[i];
        struct kt_map *map = kt_map_new(ctx);
        kt_map_set_text(map, "name", method->name);
        kt_map_set_bool(map, "writes", method->writes);
        kt_map_set_bool(map, "as_of", dispatch_takes_as_of(method));
        if (method->kind == REGISTRY_TRANSITION)
            kt_map_set_text(map, "entity", method->entity->name);
        kt_map_set(map, "params",
                   fields(ctx, method->decl ? method->decl->params : method->transition->params));
        set_label(ctx, map, "label", method->label);
        kt_list_add(list, map->object);
    }
    return list->object;
}

static msgpack_object totals(struct kt_ctx *ctx)
{
    const struct schema *schema = ctx->schema;
    struct kt_list *list = kt_list_new(ctx);
    for (size_t i = 0; i < schema->total_count; i++) {
        const struct kt_total *total = schema->totals[i].decl;
        if (!schema->totals[i].entity->enabled)
            continue;
        struct kt_map *map = kt_map_new(ctx);
        struct kt_list *by = kt_list_new(ctx), *measures = kt_list_new(ctx);
        for (size_t j = 0; j < total->legs[0].by.count; j++)
            kt_list_add(by, kt_text(total->legs[0].by.at[j]));
        for (size_t j = 0; j < total->measure_count; j++)
            kt_list_add(measures, kt_text(total->legs[0].measures[j].name));
        kt_map_set_text(map, "name", total->name);
        kt_map_set_text(map, "entity", total->entity);
        kt_map_set(map, "by", by->object);
        kt_map_set(map, "measures", measures->object);
        set_label(ctx, map, "label", total->label);
        kt_list_add(list, map->object);
    }
    return list->object;
}

/* What each enabled module brings besides: roles and topics. */
static void add_modules(struct kt_ctx *ctx, struct kt_map *answer)
{
    const struct registry *registry = ctx->registry;
    struct kt_list *modules = kt_list_new(ctx), *roles = kt_list_new(ctx);
    struct kt_list *topics = kt_list_new(ctx);
    for (size_t m = 0; m < registry->catalog->count; m++) {
        const struct kt_plugin *plugin = registry->modules[m].plugin;
        if (!registry->modules[m].enabled)
            continue;
        struct kt_map *module = kt_map_new(ctx);
        kt_map_set_text(module, "name", plugin->name);
        kt_map_set_text(module, "version", plugin->version);
        set_label(ctx, module, "label", plugin->label);
        set_label(ctx, module, "summary", plugin->summary);
        kt_list_add(modules, module->object);
        for (size_t i = 0; i < plugin->roles.count; i++) {
            struct kt_map *role = kt_map_new(ctx);
            struct kt_list *grants = kt_list_new(ctx);
            for (size_t g = 0; g < plugin->roles.at[i].grants.count; g++)
                kt_list_add(grants, kt_text(plugin->roles.at[i].grants.at[g]));
            kt_map_set_text(role, "name", plugin->roles.at[i].name);
            kt_map_set(role, "grants", grants->object);
            set_label(ctx, role, "label", plugin->roles.at[i].label);
            kt_list_add(roles, role->object);
        }
        for (size_t i = 0; i < plugin->events.count; i++) {
            struct kt_map *topic = kt_map_new(ctx);
            kt_map_set_text(topic, "name", plugin->events.at[i].name);
            set_label(ctx, topic, "label", plugin->events.at[i].label);
            kt_list_add(topics, topic->object);
        }
    }
    kt_map_set(answer, "modules", modules->object);
    kt_map_set(answer, "roles", roles->object);
    kt_map_set(answer, "topics", topics->object);
}

enum kt_status system_describe(struct kt_ctx *ctx, const msgpack_object *params)
{
    struct kt_map *answer = kt_map_new(ctx);
    (void)params;
    kt_map_set_text(answer, "version", KONTOR_VERSION);
    kt_map_set_text(answer, "currency", kt_currency(ctx));
    add_modules(ctx, answer);
    kt_map_set(answer, "entities", entities(ctx));
    kt_map_set(answer, "methods", methods(ctx));
    kt_map_set(answer, "totals", totals(ctx));
    kt_reply_map(ctx, answer);
    return KT_OK;
}
