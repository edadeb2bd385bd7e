/* The built-in module `system`: users and company settings as ordinary records. */
#include <string.h>

#include "access/access.h"
#include "kontor/record.h"
#include "record/space.h"

static const struct kt_field user_fields[] = {
    {.name = "name",
     .type = KT_TEXT,
     .flags = KT_REQUIRED | KT_UNIQUE | KT_IMMUTABLE,
     .max_length = 100,
     .label = {"Login name", "登录名"}},
    {.name = "full_name", .type = KT_TEXT, .label = {"Full name", "姓名"}},
    {.name = "email", .type = KT_TEXT, .label = {"E-mail", "电子邮件"}},
    {.name = "language", .type = KT_TEXT, .max_length = 10, .label = {"Language", "语言"}},
    {.name = "roles", .type = KT_TAGS, .label = {"Roles", "角色"}},
    {.name = "active",
     .type = KT_BOOL,
     .initial = "true",
     .label = {"Active", "启用"},
     .help = {"An inactive user cannot log in; nothing of what they did is lost.",
              "停用的用户无法登录，其历史操作均保留。"}},
};

static const struct kt_field setting_fields[] = {
    {.name = "name",
     .type = KT_TEXT,
     .flags = KT_REQUIRED | KT_UNIQUE | KT_IMMUTABLE,
     .max_length = 100,
     .label = {"Setting", "设置"}},
    {.name = "value",
     .type = KT_TEXT,
     .flags = KT_MULTILINE,
     .max_length = 2000,
     .label = {"Value", "值"}},
};

/* Has any module ever been enabled on this data? */
static bool was_used(struct kt_ctx *ctx)
{
    struct key prefix;
    struct store_cursor *cursor;
    struct store_slice found;
    key_begin(&prefix, SPACE_MODULE);
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return true;
    bool used = store_seek(cursor, key_slice(&prefix), &found, NULL) == KT_OK &&
                key_has_prefix(found, key_slice(&prefix));
    store_cursor_close(cursor);
    return used;
}

/* The company currency decides how many digits every stored amount has, so it is fixed once there
 * may be something stored in it. */
static enum kt_status check_setting(struct kt_ctx *ctx, const msgpack_object *old,
                                    struct kt_map *record)
{
    if (!kt_is(&record->object, "name", "company.currency"))
        return KT_OK;
    if (kt_currency_minor_units(kt_get_text(ctx, &record->object, "value")) < 0)
        return kt_fail(ctx, KT_INVALID, "value", "value must be an ISO 4217 currency code",
                       "值必须是 ISO 4217 货币代码");
    if ((!old || !kt_equal(kt_get(old, "value"), kt_get(&record->object, "value"))) &&
        was_used(ctx))
        return kt_fail(ctx, KT_CONFLICT, "value",
                       "the company currency is fixed once a module has been enabled",
                       "启用过任一模块后，公司货币不可更改");
    return KT_OK;
}

static enum kt_status check_setting_delete(struct kt_ctx *ctx, const msgpack_object *record)
{
    if (!kt_is(record, "name", "company.currency") || !was_used(ctx))
        return KT_OK;
    return kt_fail(ctx, KT_CONFLICT, NULL,
                   "the company currency is fixed once a module has been enabled",
                   "启用过任一模块后，公司货币不可更改");
}

static const struct kt_entity user_entity = {
    .name = "system.user",
    .label = {"User", "用户"},
    .fields = KT_LIST(user_fields),
};
static const struct kt_entity setting_entity = {
    .name = "system.setting",
    .label = {"Setting", "设置"},
    .fields = KT_LIST(setting_fields),
    .before_save = check_setting,
    .before_delete = check_setting_delete,
};
static const struct kt_entity *const entities[] = {&user_entity, &setting_entity};

static const struct kt_field add_params[] = {
    {.name = "name", .type = KT_TEXT, .flags = KT_REQUIRED, .max_length = 100},
    {.name = "full_name", .type = KT_TEXT},
    {.name = "email", .type = KT_TEXT},
    {.name = "roles", .type = KT_TAGS},
    {.name = "password", .type = KT_TEXT, .flags = KT_REQUIRED, .max_length = 200},
};

static enum kt_status add_user(struct kt_ctx *ctx, const msgpack_object *params)
{
    struct kt_map *values = kt_map_copy(ctx, params);
    uint64_t id;
    const msgpack_object *user;
    kt_map_remove(values, "password");
    kt_map_remove(values, "request_id");
    kt_map_remove(values, "dry_run");
    KT_TRY(kt_record_create(ctx, "system.user", values, &id));
    KT_TRY(access_password_set(ctx, id, kt_get_text(ctx, params, "password")));
    KT_TRY(kt_record_get(ctx, "system.user", id, &user));
    kt_reply(ctx, user);
    return KT_OK;
}

static const struct kt_field password_params[] = {
    {.name = "user", .type = KT_TEXT, .max_length = 100, .label = {"Login name", "登录名"}},
    {.name = "password", .type = KT_TEXT, .flags = KT_REQUIRED, .max_length = 200},
};

static enum kt_status set_password(struct kt_ctx *ctx, const msgpack_object *params)
{
    const char *name =
        kt_has(params, "user") ? kt_get_text(ctx, params, "user") : kt_user_name(ctx);
    const msgpack_object *user;
    if (strcmp(name, kt_user_name(ctx)) != 0)
        KT_TRY(access_require(ctx, "system.user.password"));
    KT_TRY(kt_record_find(ctx, "system.user", "name", kt_text(name), &user));
    if (!user)
        return kt_fail(ctx, KT_NOT_FOUND, "user", "there is no user %s", "没有用户 %s", name);
    return access_password_set(ctx, kt_get_id(user, "id"), kt_get_text(ctx, params, "password"));
}

static const struct kt_method methods[] = {
    {.name = "system.user.add",
     .flags = KT_WRITE,
     .permission = "system.user.create",
     .params = KT_LIST(add_params),
     .run = add_user,
     .label = {"Add a user with a password", "添加用户并设置密码"}},
    {.name = "auth.set_password",
     .flags = KT_WRITE,
     .permission = "",
     .params = KT_LIST(password_params),
     .run = set_password,
     .label = {"Set a password: one's own, or another's with permission", "设置密码"}},
};

static const char *const admin_grants[] = {"*"};
static const struct kt_role roles[] = {
    {.name = "system.admin", .grants = KT_LIST(admin_grants), .label = {"Administrator", "管理员"}},
};

const struct kt_plugin access_system = {
    .abi = KT_ABI,
    .size = sizeof(struct kt_plugin),
    .name = "system",
    .version = "1.0.0",
    .schema = 1,
    .label = {"System", "系统"},
    .summary = {"Users and company settings", "用户与公司设置"},
    .entities = KT_LIST(entities),
    .methods = KT_LIST(methods),
    .roles = KT_LIST(roles),
};
