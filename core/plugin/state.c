/* What the data says about modules, and changing it: a new registry follows from it. */
#include "plugin/state.h"

#include <string.h>

#include "plugin/registry.h"
#include "record/space.h"

static void state_key(struct key *key, const char *module)
{
    key_begin(key, SPACE_MODULE);
    key_add_text(key, module, strlen(module));
}

enum kt_status module_state_load(struct kt_ctx *ctx, const char *module, struct module_state *out)
{
    struct key key;
    struct store_slice bytes;
    msgpack_object state;
    *out = (struct module_state){.version = "", .upgrades = kt_nil()};
    state_key(&key, module);
    enum kt_status status = store_get(ctx->txn, key_slice(&key), &bytes);
    if (status == KT_NOT_FOUND)
        return KT_OK;
    if (status != KT_OK)
        return kt_fail(ctx, KT_INTERNAL, NULL, "the store failed", "存储失败");
    KT_TRY(context_unpack(ctx, bytes.at, bytes.size, true, &state));
    const msgpack_object *upgrades = kt_get(&state, "upgrades");
    out->enabled = kt_get_bool(&state, "enabled");
    out->installed = kt_get_bool(&state, "installed");
    out->schema = (unsigned)kt_get_int(&state, "schema");
    out->version = kt_get_text(ctx, &state, "version");
    out->upgrades = upgrades ? *upgrades : kt_nil();
    return KT_OK;
}

enum kt_status module_state_save(struct kt_ctx *ctx, const char *module,
                                 const struct module_state *state)
{
    struct key key;
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    struct kt_map *map = kt_map_new(ctx);
    kt_map_set_bool(map, "enabled", state->enabled);
    kt_map_set_bool(map, "installed", state->installed);
    kt_map_set_int(map, "schema", (int64_t)state->schema);
    kt_map_set_text(map, "version", state->version);
    kt_map_set(map, "upgrades", state->upgrades);
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_object(&packer, map->object);
    state_key(&key, module);
    enum kt_status status =
        store_put(ctx->txn, key_slice(&key), (struct store_slice){buffer.data, buffer.size});
    msgpack_sbuffer_destroy(&buffer);
    return status == KT_OK ? KT_OK
                           : kt_fail(ctx, KT_INTERNAL, NULL, "the store failed", "存储失败");
}

/* --- Enable, disable, upgrade --- */

static enum kt_status find_module(struct kt_ctx *ctx, const char *module,
                                  const struct plugin_entry **out)
{
    *out = plugin_find(ctx->registry->catalog, module);
    if (!*out)
        return kt_fail(ctx, KT_NOT_FOUND, "name", "there is no module %s", "没有模块 %s", module);
    if ((*out)->builtin)
        return kt_fail(ctx, KT_CONFLICT, "name", "module %s is part of the server",
                       "模块 %s 是服务器的一部分", module);
    return KT_OK;
}

enum kt_status registry_enable(struct kt_ctx *ctx, const char *module, struct kt_list *reports,
                               struct registry **out)
{
    const struct registry *before = ctx->registry;
    const struct plugin_entry *entry;
    struct module_state state;
    KT_TRY(find_module(ctx, module, &entry));
    const struct kt_plugin *plugin = entry->plugin;
    for (size_t i = 0; i < plugin->requires.count; i++)
        if (!registry_module_enabled(before, plugin->requires.at[i]))
            return kt_fail(ctx, KT_CONFLICT, "name", "module %s requires %s: enable that first",
                           "模块 %s 依赖 %s，请先启用", module, plugin->requires.at[i]);
    KT_TRY(module_state_load(ctx, module, &state));
    state.enabled = true;
    KT_TRY(module_state_save(ctx, module, &state));
    return registry_build(ctx, before->catalog, reports, out);
}

enum kt_status registry_disable(struct kt_ctx *ctx, const char *module, struct registry **out)
{
    const struct registry *before = ctx->registry;
    const struct plugin_entry *entry;
    struct module_state state;
    KT_TRY(find_module(ctx, module, &entry));
    for (size_t m = 0; m < before->catalog->count; m++) {
        const struct kt_plugin *other = before->modules[m].plugin;
        for (size_t i = 0; before->modules[m].enabled && i < other->requires.count; i++)
            if (strcmp(other->requires.at[i], module) == 0)
                return kt_fail(ctx, KT_CONFLICT, "name",
                               "module %s is required by %s: disable that first",
                               "模块 %s 被 %s 依赖，请先停用后者", module, other->name);
    }
    KT_TRY(module_state_load(ctx, module, &state));
    state.enabled = false;
    KT_TRY(module_state_save(ctx, module, &state));
    return registry_build(ctx, before->catalog, kt_list_new(ctx), out);
}

enum kt_status registry_upgrade(struct kt_ctx *ctx, const char *module, struct kt_list *reports,
                                struct registry **out)
{
    const struct plugin_entry *entry;
    struct plugin_catalog *catalog;
    char why[512];
    if (module)
        KT_TRY(find_module(ctx, module, &entry));
    if (plugin_catalog_reload(ctx->registry->catalog, module, &catalog, why, sizeof(why)) != KT_OK)
        return kt_fail(ctx, KT_CONFLICT, "name", "plugin %s", "插件 %s", why);
    enum kt_status status = registry_build(ctx, catalog, reports, out);
    plugin_catalog_release(catalog);
    return status;
}

/* --- Telling --- */

static void tell_plugin(const struct registry *registry, size_t m, struct kt_map *row)
{
    const struct kt_plugin *plugin = registry->modules[m].plugin;
    struct kt_list *needs = kt_list_new(row->ctx);
    for (size_t i = 0; i < plugin->requires.count; i++)
        kt_list_add(needs, kt_text(plugin->requires.at[i]));
    kt_map_set_text(row, "name", plugin->name);
    kt_map_set_text(row, "version", plugin->version);
    kt_map_set_bool(row, "enabled", registry->modules[m].enabled);
    kt_map_set_bool(row, "builtin", registry->catalog->entries[m].builtin);
    kt_map_set_int(row, "schema", plugin->schema);
    kt_map_set(row, "requires", needs->object);
    kt_map_set_text(row, "summary", plugin->summary.en ? plugin->summary.en : "");
    kt_map_set_text(row, "summary_zh", plugin->summary.zh ? plugin->summary.zh : "");
}

static void tell_last_upgrade(const struct module_state *state, struct kt_map *row)
{
    static const char *const from[] = {"at", "user"}, *const to[] = {"upgraded_at", "upgraded_by"};
    const msgpack_object_array *upgrades = &state->upgrades.via.array;
    bool any = state->upgrades.type == MSGPACK_OBJECT_ARRAY && upgrades->size;
    for (size_t i = 0; i < KT_COUNT(from); i++) {
        const msgpack_object *value =
            any ? kt_get(&upgrades->ptr[upgrades->size - 1], from[i]) : NULL;
        kt_map_set(row, to[i], value ? *value : kt_nil());
    }
}

enum kt_status registry_reply_modules(struct kt_ctx *ctx)
{
    const struct registry *registry = ctx->registry;
    struct kt_list *list = kt_list_new(ctx);
    for (size_t m = 0; m < registry->catalog->count; m++) {
        struct kt_map *row = kt_map_new(ctx);
        struct module_state state;
        KT_TRY(module_state_load(ctx, registry->modules[m].plugin->name, &state));
        tell_plugin(registry, m, row);
        tell_last_upgrade(&state, row);
        kt_list_add(list, row->object);
    }
    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set(answer, "modules", list->object);
    kt_reply_map(ctx, answer);
    return KT_OK;
}

enum kt_status registry_reply_module(struct kt_ctx *ctx, const char *module)
{
    const struct registry *registry = ctx->registry;
    const struct plugin_entry *entry = plugin_find(registry->catalog, module);
    struct kt_map *answer = kt_map_new(ctx);
    struct module_state state;
    if (!entry)
        return kt_fail(ctx, KT_NOT_FOUND, "name", "there is no module %s", "没有模块 %s", module);
    KT_TRY(module_state_load(ctx, module, &state));
    tell_plugin(registry, (size_t)(entry - registry->catalog->entries), answer);
    kt_map_set_bool(answer, "installed", state.installed);
    kt_map_set(answer, "upgrades",
               state.upgrades.type == MSGPACK_OBJECT_ARRAY ? state.upgrades
                                                           : kt_list_new(ctx)->object);
    kt_reply_map(ctx, answer);
    return KT_OK;
}
