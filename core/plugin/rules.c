/* Rule files: the modules' defaults and what a consultant pushed into the data. A pushed file that
 * bears the name of a module's default file takes its place. */
#include <string.h>

#include "kontor/limits.h"
#include "plugin/custom.h"
#include "record/record.h"
#include "record/space.h"

static enum kt_status store_failed(struct kt_ctx *ctx)
{
    return kt_fail(ctx, KT_INTERNAL, NULL, "the store failed", "存储失败");
}

static void rule_key(struct key *key, const char *name)
{
    key_begin(key, SPACE_RULE);
    if (name)
        key_add_text(key, name, strlen(name));
}

static enum kt_status add_file(struct kt_ctx *ctx, struct registry_files *files,
                               struct script_file file)
{
    if (files->count == KT_LIMIT_RULE_FILES)
        return kt_fail(ctx, KT_TOO_LARGE, "files", "more than %u rule files", "规则文件超过 %u 个",
                       KT_LIMIT_RULE_FILES);
    files->at[files->count++] = file;
    return KT_OK;
}

static enum kt_status collect_pushed(struct kt_ctx *ctx, struct registry_files *files)
{
    struct key prefix;
    struct store_cursor *cursor;
    struct store_slice found, bytes;
    rule_key(&prefix, NULL);
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return store_failed(ctx);
    enum kt_status moved = store_seek(cursor, key_slice(&prefix), &found, &bytes);
    enum kt_status status = KT_OK;
    while (moved == KT_OK && status == KT_OK && key_has_prefix(found, key_slice(&prefix))) {
        msgpack_object row;
        status = context_unpack(ctx, bytes.at, bytes.size, true, &row);
        const msgpack_object *text = status == KT_OK ? kt_get(&row, "text") : NULL;
        if (status == KT_OK && text)
            status = add_file(ctx, files,
                              (struct script_file){.name = kt_get_text(ctx, &row, "name"),
                                                   .source = "pushed",
                                                   .text = text->via.str.ptr,
                                                   .size = text->via.str.size});
        moved = store_next(cursor, &found, &bytes);
    }
    store_cursor_close(cursor);
    return status;
}

static bool has_file(const struct registry_files *files, const char *name)
{
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->at[i].name, name) == 0)
            return true;
    return false;
}

enum kt_status registry_rules_collect(struct kt_ctx *ctx, const struct registry *registry,
                                      struct registry_files *out)
{
    KT_TRY(collect_pushed(ctx, out));
    for (size_t m = 0; m < registry->catalog->count; m++) {
        const struct plugin_entry *entry = &registry->catalog->entries[m];
        for (size_t i = 0; registry->modules[m].enabled && i < entry->rule_count; i++) {
            const struct plugin_rule_file *rule = &entry->rules[i];
            if (has_file(out, rule->name))
                continue;
            KT_TRY(add_file(
                ctx, out,
                (struct script_file){.name = rule->name,
                                     .source = kt_format(ctx, "module:%s", entry->plugin->name),
                                     .text = rule->text,
                                     .size = rule->size}));
        }
    }
    return KT_OK;
}

static enum kt_status check_name(struct kt_ctx *ctx, const char *name)
{
    size_t length = strlen(name);
    bool plain = length > 4 && length <= KT_LIMIT_NAME && strcmp(name + length - 4, ".lua") == 0;
    for (const char *at = name; *at; at++)
        plain =
            plain && (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./",
                             *at) != NULL);
    if (plain && !strstr(name, "..") && *name != '/')
        return KT_OK;
    return kt_fail(
        ctx, KT_INVALID, "files", "'%s' is not a rule file name such as sales_discount.lua",
        "“%s”不是有效的规则文件名（例如 sales_discount.lua）", context_quote(ctx, name, length));
}

static enum kt_status put_file(struct kt_ctx *ctx, const msgpack_object_kv *pair)
{
    struct key key;
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    if (pair->key.type != MSGPACK_OBJECT_STR || pair->val.type != MSGPACK_OBJECT_STR)
        return kt_fail(ctx, KT_INVALID, "files", "files maps names to texts",
                       "files 应为文件名到文本的映射");
    const char *name = kt_format(ctx, "%.*s", (int)pair->key.via.str.size, pair->key.via.str.ptr);
    KT_TRY(check_name(ctx, name));
    if (pair->val.via.str.size > KT_LIMIT_RULE_FILE_BYTES)
        return kt_fail(ctx, KT_TOO_LARGE, "files", "%s is larger than %u bytes", "%s 超过 %u 字节",
                       name, KT_LIMIT_RULE_FILE_BYTES);
    struct kt_map *row = kt_map_new(ctx);
    kt_map_set_text(row, "name", name);
    kt_map_set(row, "text", pair->val);
    kt_map_set_text(row, "user", kt_user_name(ctx));
    kt_map_set(row, "at", kt_instant_value(ctx, kt_now(ctx)));
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_object(&packer, row->object);
    rule_key(&key, name);
    enum kt_status status =
        store_put(ctx->txn, key_slice(&key), (struct store_slice){buffer.data, buffer.size});
    msgpack_sbuffer_destroy(&buffer);
    return status == KT_OK ? KT_OK : store_failed(ctx);
}

static enum kt_status remove_all(struct kt_ctx *ctx)
{
    struct registry_files *files = kt_alloc(ctx, sizeof(*files));
    KT_TRY(collect_pushed(ctx, files));
    for (size_t i = 0; i < files->count; i++) {
        struct key key;
        rule_key(&key, files->at[i].name);
        if (store_del(ctx->txn, key_slice(&key)) != KT_OK)
            return store_failed(ctx);
    }
    return KT_OK;
}

enum kt_status registry_rules_push(struct kt_ctx *ctx, const msgpack_object *files, bool replace,
                                   struct registry **out)
{
    if (!files || files->type != MSGPACK_OBJECT_MAP || files->via.map.size == 0)
        return kt_fail(ctx, KT_INVALID, "files", "files maps names to texts",
                       "files 应为文件名到文本的映射");
    if (replace)
        KT_TRY(remove_all(ctx));
    for (uint32_t i = 0; i < files->via.map.size; i++)
        KT_TRY(put_file(ctx, &files->via.map.ptr[i]));
    return registry_build(ctx, ctx->registry->catalog, kt_list_new(ctx), out);
}

enum kt_status registry_rules_remove(struct kt_ctx *ctx, const char *file, struct registry **out)
{
    struct key key;
    rule_key(&key, file);
    enum kt_status status = store_del(ctx->txn, key_slice(&key));
    if (status == KT_NOT_FOUND)
        return kt_fail(ctx, KT_NOT_FOUND, "name", "no rule file %s was pushed",
                       "没有已推送的规则文件 %s", file);
    if (status != KT_OK)
        return store_failed(ctx);
    return registry_build(ctx, ctx->registry->catalog, kt_list_new(ctx), out);
}

static enum kt_status list_files(struct kt_ctx *ctx, struct kt_list *list)
{
    struct registry_files *files = kt_alloc(ctx, sizeof(*files));
    KT_TRY(collect_pushed(ctx, files));
    for (size_t i = 0; i < files->count; i++) {
        struct kt_map *row = kt_map_new(ctx);
        kt_map_set_text(row, "name", files->at[i].name);
        kt_map_set_int(row, "bytes", (int64_t)files->at[i].size);
        kt_list_add(list, row->object);
    }
    return KT_OK;
}

enum kt_status registry_reply_rules(struct kt_ctx *ctx)
{
    struct kt_list *rules = kt_list_new(ctx), *files = kt_list_new(ctx);
    struct kt_map *answer = kt_map_new(ctx);
    if (ctx->registry->rules)
        script_set_list(ctx->registry->rules, rules);
    KT_TRY(list_files(ctx, files));
    kt_map_set(answer, "rules", rules->object);
    kt_map_set(answer, "files", files->object);
    custom_list(ctx, ctx->registry, answer);
    kt_reply_map(ctx, answer);
    return KT_OK;
}

enum kt_status registry_reply_rule_file(struct kt_ctx *ctx, const char *name)
{
    struct key key;
    struct store_slice bytes;
    msgpack_object row;
    rule_key(&key, name);
    enum kt_status status = store_get(ctx->txn, key_slice(&key), &bytes);
    if (status == KT_NOT_FOUND)
        return kt_fail(ctx, KT_NOT_FOUND, "name", "no rule file %s was pushed",
                       "没有已推送的规则文件 %s", name);
    if (status != KT_OK)
        return store_failed(ctx);
    KT_TRY(context_unpack(ctx, bytes.at, bytes.size, true, &row));
    kt_reply(ctx, &row);
    return KT_OK;
}
