/* Roles and the permission check. */
#include "access/access.h"

#include <stdlib.h>
#include <string.h>

#include "record/record.h"

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct kt_role *const *)a)->name,
                  (*(const struct kt_role *const *)b)->name);
}

void access_table_build(struct access_table *table, const struct schema_module *modules,
                        size_t count)
{
    size_t total = 0;
    for (size_t m = 0; m < count; m++)
        total += modules[m].enabled ? modules[m].plugin->roles.count : 0;
    table->count = 0;
    table->roles = calloc(total ? total : 1, sizeof(*table->roles));
    if (!table->roles)
        abort();
    for (size_t m = 0; m < count; m++)
        for (size_t i = 0; modules[m].enabled && i < modules[m].plugin->roles.count; i++)
            table->roles[table->count++] = &modules[m].plugin->roles.at[i];
    qsort(table->roles, table->count, sizeof(*table->roles), by_name);
}

void access_table_free(struct access_table *table)
{
    free(table->roles);
    *table = (struct access_table){0};
}

static const struct kt_role *find_role(const struct access_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->roles[i]->name, name) == 0)
            return table->roles[i];
    return NULL;
}

static bool grants(const struct kt_role *role, const char *permission)
{
    for (size_t i = 0; i < role->grants.count; i++) {
        const char *grant = role->grants.at[i];
        size_t length = strlen(grant);
        bool open = length && grant[length - 1] == '*';
        if (open ? strncmp(permission, grant, length - 1) == 0 : strcmp(permission, grant) == 0)
            return true;
    }
    return false;
}

bool access_may(const struct kt_ctx *ctx, const struct access_table *table, const char *permission)
{
    const struct kt_names *roles = ctx->acting ? ctx->acting : ctx->roles;
    if (ctx->is_server && !ctx->acting)
        return true;
    for (size_t i = 0; roles && i < roles->count; i++) {
        const struct kt_role *role = find_role(table, roles->at[i]);
        if (role && grants(role, permission))
            return true;
    }
    return false;
}

bool access_has_role(const struct kt_ctx *ctx, const char *role)
{
    if (ctx->is_server)
        return true;
    for (size_t i = 0; ctx->roles && i < ctx->roles->count; i++)
        if (strcmp(ctx->roles->at[i], role) == 0 || strcmp(ctx->roles->at[i], "system.admin") == 0)
            return true;
    return false;
}

enum kt_status access_require(struct kt_ctx *ctx, const char *permission)
{
    if (ctx->host->may(ctx, permission))
        return KT_OK;
    return kt_fail(ctx, KT_DENIED, permission, "user %s may not %s", "用户 %s 无权 %s",
                   kt_user_name(ctx), permission);
}

void access_become_server(struct kt_ctx *ctx)
{
    ctx->user_id = 0;
    ctx->user_name = "system";
    ctx->roles = NULL;
    ctx->acting = NULL;
    ctx->is_server = true;
}

void access_become_nobody(struct kt_ctx *ctx)
{
    access_become_server(ctx);
    ctx->user_name = "nobody";
    ctx->is_server = false;
}

enum kt_status access_become(struct kt_ctx *ctx, uint64_t user_id)
{
    const msgpack_object *user;
    access_become_server(ctx);
    enum kt_status status = kt_record_get(ctx, "system.user", user_id, &user);
    ctx->is_server = false;
    ctx->user_name = "nobody";
    if (status != KT_OK || !kt_get_bool(user, "active")) {
        context_forgive(ctx);
        return kt_fail(ctx, KT_UNAUTHENTICATED, NULL, "the user is gone or no longer active",
                       "用户不存在或已停用");
    }
    struct kt_names *roles = kt_alloc(ctx, sizeof(*roles));
    const char **names = kt_alloc(ctx, sizeof(*names) * kt_count(user, "roles"));
    for (size_t i = 0; i < kt_count(user, "roles"); i++) {
        const msgpack_object *role = kt_at(user, "roles", i);
        names[i] = kt_format(ctx, "%.*s", (int)role->via.str.size, role->via.str.ptr);
    }
    *roles = (struct kt_names){names, kt_count(user, "roles")};
    ctx->user_id = user_id;
    ctx->user_name = kt_get_text(ctx, user, "name");
    ctx->roles = roles;
    return KT_OK;
}
