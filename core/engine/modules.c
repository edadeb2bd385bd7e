/* module.*: which modules are in force, and in which version. */
#include "engine/engine_internal.h"

enum kt_status modules_list(struct kt_ctx *ctx, const msgpack_object *params)
{
    (void)params;
    return registry_reply_modules(ctx);
}

enum kt_status modules_info(struct kt_ctx *ctx, const msgpack_object *params)
{
    return registry_reply_module(ctx, kt_get_text(ctx, params, "name"));
}

static void reply_module(struct kt_ctx *ctx, const char *name, const struct kt_list *upgrades)
{
    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set_text(answer, "name", name);
    kt_map_set_bool(answer, "enabled", kt_module_enabled(ctx, name));
    if (upgrades)
        kt_map_set(answer, "upgrades", upgrades->object);
    kt_reply_map(ctx, answer);
}

enum kt_status modules_enable(struct kt_ctx *ctx, const msgpack_object *params)
{
    const char *name = kt_get_text(ctx, params, "name");
    struct kt_list *upgrades = kt_list_new(ctx);
    KT_TRY(registry_enable(ctx, name, upgrades, &((struct engine_ctx *)ctx)->next_registry));
    reply_module(ctx, name, upgrades);
    return KT_OK;
}

enum kt_status modules_disable(struct kt_ctx *ctx, const msgpack_object *params)
{
    const char *name = kt_get_text(ctx, params, "name");
    KT_TRY(registry_disable(ctx, name, &((struct engine_ctx *)ctx)->next_registry));
    reply_module(ctx, name, NULL);
    return KT_OK;
}

enum kt_status modules_upgrade(struct kt_ctx *ctx, const msgpack_object *params)
{
    const char *name = kt_has(params, "name") ? kt_get_text(ctx, params, "name") : NULL;
    struct kt_list *upgrades = kt_list_new(ctx);
    struct kt_map *answer = kt_map_new(ctx);
    KT_TRY(registry_upgrade(ctx, name, upgrades, &((struct engine_ctx *)ctx)->next_registry));
    kt_map_set(answer, "upgrades", upgrades->object);
    kt_reply_map(ctx, answer);
    return KT_OK;
}
