/* The first registry after a start: what the data says is enabled must be there. */
#include <string.h>

#include "plugin/registry.h"
#include "plugin/state.h"
#include "record/space.h"

/* Without its plugin a module's records would be there but unprotected: nobody would know what they
 * refer to. */
static enum kt_status check_present(struct kt_ctx *ctx, const struct plugin_catalog *catalog,
                                    struct store_cursor *cursor)
{
    struct key prefix;
    struct store_slice found;
    key_begin(&prefix, SPACE_MODULE);
    enum kt_status moved = store_seek(cursor, key_slice(&prefix), &found, NULL);
    for (; moved == KT_OK && key_has_prefix(found, key_slice(&prefix));
         moved = store_next(cursor, &found, NULL)) {
        char text[KEY_TEXT_MAX];
        size_t length;
        bool cut;
        struct module_state state;
        struct key_reader reader = key_read(found);
        if (!key_read_text(&reader, text, &length, &cut))
            continue;
        const char *name = kt_format(ctx, "%.*s", (int)length, text);
        KT_TRY(module_state_load(ctx, name, &state));
        if (state.enabled && !plugin_find(catalog, name))
            return kt_fail(ctx, KT_CONFLICT, "plugins",
                           "module %s is enabled but its plugin cannot be loaded: put it back",
                           "模块 %s 已启用，但其插件无法加载，请恢复该插件", name);
    }
    return KT_OK;
}

enum kt_status registry_open(struct kt_ctx *ctx, struct plugin_catalog *catalog,
                             struct registry **out)
{
    struct store_cursor *cursor;
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return kt_fail(ctx, KT_INTERNAL, NULL, "the store failed", "存储失败");
    enum kt_status status = check_present(ctx, catalog, cursor);
    store_cursor_close(cursor);
    KT_TRY(status);
    KT_TRY(registry_build(ctx, catalog, kt_list_new(ctx), out));
    registry_count_rules(*out);
    return KT_OK;
}
