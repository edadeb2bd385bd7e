#include "plugin/upgrade.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "record/migrate.h"

int upgrade_compare_versions(const char *a, const char *b)
{
    while (*a || *b) {
        char *a_end, *b_end;
        unsigned long left = strtoul(a, &a_end, 10), right = strtoul(b, &b_end, 10);
        if (left != right)
            return left < right ? -1 : 1;
        a = *a_end == '.' ? a_end + 1 : "";
        b = *b_end == '.' ? b_end + 1 : "";
    }
    return 0;
}

/* --- What is to be done --- */

/* A plugin that does not know all that the data say would drop what it does not know. The server's
 * own modules are held to their schema only: its version may go back while the data stay. */
static enum kt_status refuse_older(struct kt_ctx *ctx, const struct plugin_entry *entry,
                                   const struct module_state *state)
{
    const struct kt_plugin *plugin = entry->plugin;
    bool older = !entry->builtin && state->schema == plugin->schema &&
                 upgrade_compare_versions(plugin->version, state->version) < 0;
    if (!state->installed || !(older || state->schema > plugin->schema))
        return KT_OK;
    return kt_fail(ctx, KT_CONFLICT, "name",
                   "the data of module %s are of version %s, schema %u, and this plugin is of "
                   "version %s, schema %u: put the newer plugin back",
                   "模块 %s 的数据属于版本 %s（架构 %u），而此插件为版本 %s（架构 %u）："
                   "请恢复较新的插件",
                   plugin->name, *state->version ? state->version : "?", state->schema,
                   plugin->version, plugin->schema);
}

static size_t place_of(const struct plugin_catalog *catalog, const char *name)
{
    return (size_t)(plugin_find(catalog, name) - catalog->entries);
}

/* A new version may require a module that was not required before. */
static enum kt_status enable_required(struct kt_ctx *ctx, const struct plugin_catalog *catalog,
                                      const struct kt_plugin *plugin, struct upgrade *upgrade)
{
    for (size_t i = 0; i < plugin->requires.count; i++) {
        const char *name = plugin->requires.at[i];
        struct module_state *state = &upgrade->before[place_of(catalog, name)];
        if (state->enabled)
            continue;
        state->enabled = true;
        log_info("enabled module=%s required_by=%s", name, plugin->name);
        KT_TRY(module_state_save(ctx, name, state));
    }
    return KT_OK;
}

enum kt_status upgrade_plan(struct kt_ctx *ctx, const struct plugin_catalog *catalog,
                            struct upgrade *out)
{
    *out = (struct upgrade){0};
    out->before = kt_alloc(ctx, sizeof(*out->before) * catalog->count);
    for (size_t i = 0; i < catalog->count; i++) {
        const struct plugin_entry *entry = &catalog->entries[i];
        struct module_state *state = &out->before[i];
        KT_TRY(module_state_load(ctx, entry->plugin->name, state));
        KT_TRY(refuse_older(ctx, entry, state));
        state->enabled = state->enabled || entry->builtin;
        out->migrates =
            out->migrates || (state->installed && state->schema < entry->plugin->schema);
    }
    for (size_t i = catalog->count; i-- > 0;) /* What is required stands before. */
        if (out->before[i].enabled)
            KT_TRY(enable_required(ctx, catalog, catalog->entries[i].plugin, out));
    return KT_OK;
}

/* --- One step --- */

static const struct kt_migration *find_step(const struct kt_plugin *plugin, unsigned from)
{
    for (size_t i = 0; i < plugin->migrations.count; i++)
        if (plugin->migrations.at[i].from == from)
            return &plugin->migrations.at[i];
    abort(); /* plugin_check has seen that there is one for each. */
}

static enum kt_status say_failed(struct kt_ctx *ctx, const struct kt_plugin *plugin,
                                 const struct kt_migration *step, enum kt_status status)
{
    const struct context_error error = ctx->error;
    context_forgive(ctx);
    status = kt_fail(ctx, status, error.field,
                     "module %s, migration %u to %u, %s%.0s: %s%.0s; nothing was changed",
                     "模块 %s，迁移 %u 至 %u，%.0s%s：%.0s%s；未做任何更改", plugin->name,
                     step->from, step->from + 1, step->label.en, step->label.zh,
                     error.message ? error.message : "it failed without a reason",
                     error.message_zh ? error.message_zh : "失败，原因不明");
    context_error_details(ctx, error.details);
    ctx->error.entity = error.entity;
    ctx->error.rule = error.rule;
    return status;
}

/* What the last step left to do is told as its own. */
static enum kt_status run_step(struct kt_ctx *ctx, const struct kt_plugin *plugin, unsigned from,
                               struct kt_list *report)
{
    const struct kt_migration *step = find_step(plugin, from);
    struct record_migration *migration = ctx->migrating;
    int64_t began = clock_monotonic_us();
    migration->looked = migration->changed = 0;
    migration->last = from + 1 == plugin->schema;
    enum kt_status status = step->run(ctx);
    if (status == KT_OK)
        status = ctx->error.status; /* A failure that it swallowed. */
    if (status == KT_OK && migration->last)
        status = record_migration_end(ctx);
    if (status != KT_OK)
        return say_failed(ctx, plugin, step, status);
    int64_t took_ms = (clock_monotonic_us() - began) / 1000;
    struct kt_map *row = kt_map_new(ctx);
    kt_map_set_int(row, "from", from);
    kt_map_set_int(row, "to", (int64_t)from + 1);
    kt_map_set_text(row, "label", step->label.en);
    kt_map_set_text(row, "label_zh", step->label.zh);
    kt_map_set_int(row, "looked", (int64_t)migration->looked);
    kt_map_set_int(row, "changed", (int64_t)migration->changed);
    kt_map_set_int(row, "ms", took_ms);
    kt_list_add(report, row->object);
    log_info("migrated module=%s from=%u label=\"%s\" looked=%llu changed=%llu ms=%lld",
             plugin->name, from, step->label.en, (unsigned long long)migration->looked,
             (unsigned long long)migration->changed, (long long)took_ms);
    return context_check_memory(ctx);
}

/* --- One module --- */

static void keep_report(struct kt_ctx *ctx, struct module_state *state, msgpack_object report)
{
    struct kt_list *kept = kt_list_new(ctx);
    const msgpack_object_array *before = &state->upgrades.via.array;
    uint32_t count = state->upgrades.type == MSGPACK_OBJECT_ARRAY ? before->size : 0;
    for (uint32_t i = count < MODULE_UPGRADES ? 0 : count - MODULE_UPGRADES + 1; i < count; i++)
        kt_list_add(kept, before->ptr[i]);
    kt_list_add(kept, report);
    state->upgrades = kept->object;
}

/* The event also is what the history of the migrated records points to. */
static enum kt_status announce(struct kt_ctx *ctx, const msgpack_object *report)
{
    const struct kt_event event = {.topic = "module.upgraded", .payload = report};
    return ctx->host->announce(ctx, &event);
}

static enum kt_status migrate(struct kt_ctx *ctx, const struct kt_plugin *plugin,
                              struct module_state *state, struct kt_list *reports)
{
    struct kt_list *steps = kt_list_new(ctx);
    struct kt_map *report = kt_map_new(ctx);
    int64_t began = clock_monotonic_us();
    enum kt_status status = KT_OK;
    ctx->migrating = record_migration_begin(ctx, plugin->name);
    for (unsigned from = state->schema; from < plugin->schema && status == KT_OK; from++)
        status = run_step(ctx, plugin, from, steps);
    ctx->migrating = NULL;
    KT_TRY(status);
    kt_map_set_text(report, "module", plugin->name);
    kt_map_set_int(report, "from", state->schema);
    kt_map_set_int(report, "to", plugin->schema);
    kt_map_set_text(report, "version_from", state->version);
    kt_map_set_text(report, "version", plugin->version);
    kt_map_set(report, "at", kt_instant_value(ctx, kt_now(ctx)));
    kt_map_set_text(report, "user", kt_user_name(ctx));
    kt_map_set_int(report, "ms", (clock_monotonic_us() - began) / 1000);
    kt_map_set(report, "steps", steps->object);
    log_info("upgraded module=%s version_from=%s version=%s from=%u to=%u user=%s", plugin->name,
             state->version, plugin->version, state->schema, plugin->schema, kt_user_name(ctx));
    kt_list_add(reports, report->object);
    keep_report(ctx, state, report->object);
    state->schema = plugin->schema;
    state->version = plugin->version;
    KT_TRY(module_state_save(ctx, plugin->name, state));
    return announce(ctx, &report->object);
}

static enum kt_status install(struct kt_ctx *ctx, const struct kt_plugin *plugin,
                              struct module_state *state)
{
    if (plugin->install)
        KT_TRY(plugin->install(ctx));
    state->installed = true;
    state->schema = plugin->schema;
    state->version = plugin->version;
    return module_state_save(ctx, plugin->name, state);
}

static enum kt_status bring_up(struct kt_ctx *ctx, const struct kt_plugin *plugin,
                               struct module_state *state, struct kt_list *reports)
{
    bool is_current = state->schema == plugin->schema &&
                      upgrade_compare_versions(plugin->version, state->version) == 0;
    if (!state->installed)
        return state->enabled ? install(ctx, plugin, state) : KT_OK;
    return is_current ? KT_OK : migrate(ctx, plugin, state, reports);
}

/* For the server, whoever asked for it. A preview would have to hold every record: the report tells
 * instead. */
enum kt_status upgrade_run(struct kt_ctx *ctx, const struct upgrade *upgrade,
                           struct kt_list *reports)
{
    const struct registry *registry = ctx->registry;
    struct context_journal *journal = ctx->journal;
    bool was_server = ctx->is_server;
    enum kt_status status = KT_OK;
    ctx->is_server = true;
    ctx->journal = upgrade->migrates ? NULL : journal;
    for (size_t i = 0; i < registry->catalog->count && status == KT_OK; i++)
        status = bring_up(ctx, registry->catalog->entries[i].plugin, &upgrade->before[i], reports);
    ctx->journal = journal;
    ctx->is_server = was_server;
    return status;
}
