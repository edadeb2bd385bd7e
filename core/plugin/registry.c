#include "plugin/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/custom.h"
#include "plugin/rules.h"
#include "plugin/upgrade.h"
#include "record/record.h"

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* --- What the record engine needs from above --- */

static enum kt_status rules_before(struct kt_ctx *ctx, const struct record_step *step,
                                   struct kt_map *record, bool *changed)
{
    *changed = false;
    return script_run_before(ctx->registry->rules, ctx, step, record, changed);
}

static enum kt_status rules_after(struct kt_ctx *ctx, const struct record_step *step,
                                  const msgpack_object *record)
{
    return script_run_after(ctx->registry->rules, ctx, step, record);
}

static enum kt_status announce(struct kt_ctx *ctx, const struct kt_event *event)
{
    return bus_announce(ctx, &ctx->registry->handlers, event);
}

static enum kt_status handlers_of_rules(struct kt_ctx *ctx, const struct kt_event *event)
{
    return script_run_event(ctx->registry->rules, ctx, event);
}

static bool may(const struct kt_ctx *ctx, const char *permission)
{
    return access_may(ctx, &ctx->registry->access, permission);
}

static bool topic_declared(const struct kt_ctx *ctx, const char *topic)
{
    const struct registry *registry = ctx->registry;
    for (size_t m = 0; m < registry->catalog->count; m++) {
        const struct kt_plugin *plugin = registry->modules[m].plugin;
        for (size_t i = 0; registry->modules[m].enabled && i < plugin->events.count; i++)
            if (strcmp(plugin->events.at[i].name, topic) == 0)
                return true;
    }
    return false;
}

/* What record changes announce: "sales.order.created", "sales.order.confirmed". */
static bool is_record_topic(const struct schema *schema, const char *topic)
{
    static const char *const general[] = {"created", "updated", "deleted", "archived", "restored"};
    const char *last = strrchr(topic, '.');
    const struct schema_entity *entity =
        last ? schema_entity(schema, topic, (size_t)(last - topic)) : NULL;
    if (!entity)
        return false;
    for (size_t i = 0; i < KT_COUNT(general); i++)
        if (strcmp(last + 1, general[i]) == 0)
            return true;
    for (size_t i = 0; i < entity->decl->transitions.count; i++)
        if (strcmp(last + 1, entity->decl->transitions.at[i].event) == 0)
            return true;
    return false;
}

static bool topic_known(const struct kt_ctx *ctx, const char *topic)
{
    const struct registry *registry = ctx->registry;
    for (size_t m = 0; m < registry->catalog->count; m++) {
        const struct kt_plugin *plugin = registry->modules[m].plugin;
        for (size_t i = 0; i < plugin->events.count; i++)
            if (strcmp(plugin->events.at[i].name, topic) == 0)
                return true;
    }
    return is_record_topic(registry->schema, topic);
}

static bool role_known(const struct kt_ctx *ctx, const char *role)
{
    const struct registry *registry = ctx->registry;
    for (size_t m = 0; m < registry->catalog->count; m++) {
        const struct kt_plugin *plugin = registry->modules[m].plugin;
        for (size_t i = 0; i < plugin->roles.count; i++)
            if (strcmp(plugin->roles.at[i].name, role) == 0)
                return true;
    }
    return false;
}

static const struct context_host host = {.rules_before = rules_before,
                                         .rules_after = rules_after,
                                         .announce = announce,
                                         .has_role = access_has_role,
                                         .may = may,
                                         .topic_declared = topic_declared,
                                         .topic_known = topic_known,
                                         .role_known = role_known,
                                         .call = registry_call};

void registry_use(struct kt_ctx *ctx, const struct registry *registry)
{
    ctx->registry = registry;
    ctx->schema = registry ? registry->schema : NULL;
    ctx->host = &host;
}

/* --- Methods --- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct registry_method *)a)->name,
                  ((const struct registry_method *)b)->name);
}

static bool has_method(const struct registry *registry, const char *name)
{
    for (size_t i = 0; i < registry->method_count; i++)
        if (strcmp(registry->methods[i].name, name) == 0)
            return true;
    return false;
}

static size_t count_methods(const struct registry *registry)
{
    size_t count = 0;
    for (size_t m = 0; m < registry->catalog->count; m++) {
        const struct kt_plugin *plugin = registry->modules[m].plugin;
        count += plugin->methods.count;
        for (size_t e = 0; e < plugin->entities.count; e++)
            count += plugin->entities.at[e]->transitions.count;
    }
    return count;
}

static void add_transitions(struct registry *registry, const struct schema_entity *entity)
{
    for (size_t i = 0; i < entity->decl->transitions.count; i++) {
        const struct kt_transition *transition = &entity->decl->transitions.at[i];
        size_t size = strlen(entity->name) + strlen(transition->verb) + 2;
        char *name = must(msgpack_zone_malloc(registry->schema->memory, size));
        snprintf(name, size, "%s.%s", entity->name, transition->verb);
        if ((transition->flags & KT_BY_SERVER) || has_method(registry, name))
            continue;
        registry->methods[registry->method_count++] =
            (struct registry_method){.name = name,
                                     .permission = name,
                                     .kind = REGISTRY_TRANSITION,
                                     .writes = true,
                                     .entity = entity,
                                     .transition = transition,
                                     .label = transition->label};
    }
}

static void fill_methods(struct registry *registry)
{
    registry->methods = must(calloc(count_methods(registry) + 1, sizeof(*registry->methods)));
    for (size_t m = 0; m < registry->catalog->count; m++) {
        const struct kt_plugin *plugin = registry->modules[m].plugin;
        for (size_t i = 0; registry->modules[m].enabled && i < plugin->methods.count; i++) {
            const struct kt_method *decl = &plugin->methods.at[i];
            registry->methods[registry->method_count++] = (struct registry_method){
                .name = decl->name,
                .permission = decl->permission ? decl->permission : decl->name,
                .kind = decl->run ? REGISTRY_PLAIN : REGISTRY_SCRIPT,
                .writes = decl->flags & KT_WRITE,
                .decl = decl,
                .label = decl->label};
        }
    }
    for (size_t i = 0; i < registry->schema->entity_count; i++)
        if (registry->schema->entities[i].enabled)
            add_transitions(registry, &registry->schema->entities[i]);
    qsort(registry->methods, registry->method_count, sizeof(*registry->methods), by_name);
}

const struct registry_method *registry_method(const struct registry *registry, const char *name,
                                              size_t length)
{
    size_t low = 0, high = registry->method_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = schema_compare_name(registry->methods[middle].name, name, length);
        if (order == 0)
            return &registry->methods[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool registry_module_enabled(const struct registry *registry, const char *name)
{
    for (size_t m = 0; m < registry->catalog->count; m++)
        if (strcmp(registry->modules[m].plugin->name, name) == 0)
            return registry->modules[m].enabled;
    return false;
}

bool kt_module_enabled(const struct kt_ctx *ctx, const char *module)
{
    return registry_module_enabled(ctx->registry, module);
}

/* --- Jobs --- */

static void fill_jobs(struct registry *registry)
{
    const struct script_declared *declared = registry->declared;
    size_t count = declared->schedule_count;
    for (size_t m = 0; m < registry->catalog->count; m++)
        count += registry->modules[m].plugin->jobs.count;
    registry->jobs = must(calloc(count + 1, sizeof(*registry->jobs)));
    for (size_t m = 0; m < registry->catalog->count; m++) {
        const struct kt_jobs *jobs = &registry->modules[m].plugin->jobs;
        for (size_t i = 0; registry->modules[m].enabled && i < jobs->count; i++)
            registry->jobs[registry->job_count++] =
                (struct job){.name = jobs->at[i].name,
                             .every_seconds = jobs->at[i].every_seconds,
                             .decl = &jobs->at[i]};
    }
    for (size_t i = 0; i < declared->schedule_count; i++) {
        const struct script_schedule *schedule = &declared->schedules[i];
        registry->jobs[registry->job_count++] =
            (struct job){.name = schedule->name,
                         .every_seconds = schedule->every_seconds,
                         .daily_minute = schedule->daily_minute};
    }
}

/* --- Life --- */

static void registry_free(struct registry *registry)
{
    script_set_free(registry->rules);
    script_life_release(registry->life);
    rules_lender_free(registry->lender);
    bus_table_free(&registry->handlers);
    access_table_free(&registry->access);
    schema_free(registry->schema);
    script_declared_free(registry->declared);
    free(registry->methods);
    free(registry->jobs);
    free(registry->modules);
    plugin_catalog_release(registry->catalog);
    free(registry);
}

void registry_hold(struct registry *registry)
{
    atomic_fetch_add_explicit(&registry->references, 1, memory_order_relaxed);
}

void registry_release(struct registry *registry)
{
    if (registry && atomic_fetch_sub_explicit(&registry->references, 1, memory_order_acq_rel) == 1)
        registry_free(registry);
}

static enum kt_status build_schema(struct kt_ctx *ctx, struct registry *registry,
                                   const char *currency)
{
    char why[512];
    if (schema_build(registry->modules, registry->catalog->count, currency, ctx->txn,
                     &registry->schema, why, sizeof(why)) == KT_OK)
        return KT_OK;
    const struct script_place *place = custom_place_of(ctx, registry, why);
    if (place)
        return kt_fail(ctx, KT_INVALID, NULL, "rule file %s:%d: %s", "规则文件有误 %s:%d: %s",
                       place->file, place->line, why);
    return kt_fail(ctx, KT_INVALID, NULL, "the modules do not fit together: %s", "模块不兼容：%s",
                   why);
}

/* The currency is a setting, and reading a setting takes a schema: build, look, and build again in
 * the rare case that it is not the default. */
static enum kt_status build_schema_for_currency(struct kt_ctx *ctx, struct registry *registry)
{
    KT_TRY(build_schema(ctx, registry, "EUR"));
    registry_use(ctx, registry);
    const char *currency = kt_setting(ctx, "company.currency", "EUR");
    if (strcmp(currency, "EUR") == 0)
        return KT_OK;
    struct schema *first = registry->schema;
    enum kt_status status = build_schema(ctx, registry, currency);
    schema_free(first);
    if (status != KT_OK)
        registry->schema = NULL;
    return status;
}

static enum kt_status build_parts(struct kt_ctx *ctx, struct registry *registry,
                                  struct kt_list *reports)
{
    size_t count = registry->catalog->count;
    struct upgrade upgrade;
    KT_TRY(upgrade_plan(ctx, registry->catalog, &upgrade));
    registry->modules = must(calloc(count + 1, sizeof(*registry->modules)));
    for (size_t i = 0; i < count; i++)
        registry->modules[i] =
            (struct schema_module){registry->catalog->entries[i].plugin, upgrade.before[i].enabled};
    struct registry_files *files = kt_alloc(ctx, sizeof(*files));
    KT_TRY(registry_rules_collect(ctx, registry, files));
    KT_TRY(script_declared_load(ctx, files->at, files->count, &registry->declared));
    KT_TRY(custom_apply(ctx, registry));
    KT_TRY(build_schema_for_currency(ctx, registry));
    bus_table_build(&registry->handlers, registry->modules, count);
    registry->handlers.rules = handlers_of_rules;
    access_table_build(&registry->access, registry->modules, count);
    fill_methods(registry);
    fill_jobs(registry);
    registry_use(ctx, registry);
    KT_TRY(custom_check_initials(ctx, registry));
    KT_TRY(record_custom_refresh(ctx, registry->schema));
    KT_TRY(record_refresh(ctx, upgrade.migrates));
    if (files->count) {
        KT_TRY(script_set_build(ctx, files->at, files->count, &registry->rules));
        registry->lender = rules_lender_new(files);
    }
    KT_TRY(rules_off_apply(ctx, registry->rules));
    KT_TRY(upgrade_run(ctx, &upgrade, reports));
    if (upgrade.migrates)
        KT_TRY(record_refresh(ctx, false));
    return record_leftovers(ctx, registry->schema);
}

enum kt_status registry_build(struct kt_ctx *ctx, struct plugin_catalog *catalog,
                              struct kt_list *reports, struct registry **out)
{
    const struct registry *before = ctx->registry;
    struct registry *registry = must(calloc(1, sizeof(*registry)));
    atomic_init(&registry->references, 1);
    registry->catalog = plugin_catalog_hold(catalog);
    registry->life = before ? before->life : script_life_new();
    if (before)
        script_life_hold(registry->life);
    enum kt_status status = build_parts(ctx, registry, reports);
    if (status != KT_OK) {
        if (ctx->error.entity) /* It goes with the schema. */
            ctx->error.entity = kt_format(ctx, "%s", ctx->error.entity);
        registry_free(registry);
        registry_use(ctx, before);
        return status;
    }
    registry_use(ctx, registry);
    *out = registry;
    return KT_OK;
}

enum kt_status registry_renew_rules(struct kt_ctx *ctx, struct registry *registry)
{
    struct registry_files *files = kt_alloc(ctx, sizeof(*files));
    struct script_set *fresh = NULL;
    KT_TRY(registry_rules_collect(ctx, registry, files));
    if (files->count)
        KT_TRY(script_set_build(ctx, files->at, files->count, &fresh));
    script_set_free(registry->rules);
    registry->rules = fresh;
    return rules_off_apply(ctx, registry->rules);
}

void registry_count_rules(struct registry *registry)
{
    script_set_watch(registry->rules, registry->life);
}
