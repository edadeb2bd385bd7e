/* Rule files: the modules' defaults and what a consultant pushed into the data. A pushed file that
 * bears the name of a module's default file takes its place. */
#include "plugin/rules.h"

#include <string.h>

#include "plugin/custom.h"
#include "record/record.h"

#define TEST_ENDING "_test.lua"

static bool ends_with(const char *name, const char *ending)
{
    size_t length = strlen(name), size = strlen(ending);
    return length >= size && strcmp(name + length - size, ending) == 0;
}

bool rules_is_test(const char *name)
{
    return ends_with(name, TEST_ENDING);
}

/* --- What is in force --- */

static enum kt_status add_file(struct kt_ctx *ctx, struct registry_files *files,
                               struct script_file file)
{
    if (files->count == KT_LIMIT_RULE_FILES)
        return kt_fail(ctx, KT_TOO_LARGE, "files", "more than %u rule files", "规则文件超过 %u 个",
                       KT_LIMIT_RULE_FILES);
    files->at[files->count++] = file;
    return KT_OK;
}

static enum kt_status add_pushed(struct kt_ctx *ctx, const struct rules_file *file,
                                 struct registry_files *files)
{
    struct store_slice text;
    KT_TRY(rules_text(ctx, file, &text));
    return add_file(
        ctx, files,
        (struct script_file){
            .name = file->name, .source = "pushed", .text = text.at, .size = text.size});
}

static enum kt_status add_default(struct kt_ctx *ctx, const struct plugin_entry *entry,
                                  const struct plugin_rule_file *rule, struct registry_files *files)
{
    return add_file(ctx, files,
                    (struct script_file){.name = rule->name,
                                         .source = kt_format(ctx, "module:%s", entry->plugin->name),
                                         .text = rule->text,
                                         .size = rule->size});
}

enum kt_status registry_rules_collect(struct kt_ctx *ctx, const struct registry *registry,
                                      struct registry_files *out)
{
    struct rules_tree *pushed = rules_tree_new(ctx);
    KT_TRY(rules_tree_present(ctx, pushed));
    for (size_t i = 0; i < pushed->count; i++)
        if (!rules_is_test(pushed->at[i].name))
            KT_TRY(add_pushed(ctx, &pushed->at[i], out));
    for (size_t m = 0; m < registry->catalog->count; m++) {
        const struct plugin_entry *entry = &registry->catalog->entries[m];
        for (size_t i = 0; registry->modules[m].enabled && i < entry->rule_count; i++)
            if (!rules_tree_find(pushed, entry->rules[i].name) &&
                !rules_is_test(entry->rules[i].name))
                KT_TRY(add_default(ctx, entry, &entry->rules[i], out));
    }
    return KT_OK;
}

/* --- What a client gives --- */

static enum kt_status check_name(struct kt_ctx *ctx, const char *name)
{
    size_t length = strlen(name);
    bool plain = length > 4 && length <= KT_LIMIT_NAME && ends_with(name, ".lua");
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

static enum kt_status give_file(struct kt_ctx *ctx, const msgpack_object_kv *pair,
                                struct rules_tree *tree)
{
    if (pair->key.type != MSGPACK_OBJECT_STR || pair->val.type != MSGPACK_OBJECT_STR)
        return kt_fail(ctx, KT_INVALID, "files", "files maps names to texts",
                       "files 应为文件名到文本的映射");
    const msgpack_object_str *text = &pair->val.via.str;
    const char *name = kt_format(ctx, "%.*s", (int)pair->key.via.str.size, pair->key.via.str.ptr);
    KT_TRY(check_name(ctx, name));
    if (text->size > KT_LIMIT_RULE_FILE_BYTES)
        return kt_fail(ctx, KT_TOO_LARGE, "files", "%s is larger than %u bytes", "%s 超过 %u 字节",
                       name, KT_LIMIT_RULE_FILE_BYTES);
    struct rules_file file = rules_file_of(name, text->ptr, text->size);
    return rules_tree_put(ctx, tree, &file);
}

enum kt_status rules_given(struct kt_ctx *ctx, const msgpack_object *files, bool replace,
                           struct rules_tree *tree)
{
    if (!files || files->type != MSGPACK_OBJECT_MAP || files->via.map.size == 0)
        return kt_fail(ctx, KT_INVALID, "files", "files maps names to texts",
                       "files 应为文件名到文本的映射");
    if (replace)
        tree->count = 0;
    for (uint32_t i = 0; i < files->via.map.size; i++)
        KT_TRY(give_file(ctx, &files->via.map.ptr[i], tree));
    return KT_OK;
}

/* --- Telling --- */

static enum kt_status list_files(struct kt_ctx *ctx, struct kt_list *list)
{
    struct rules_tree *pushed = rules_tree_new(ctx);
    KT_TRY(rules_tree_present(ctx, pushed));
    for (size_t i = 0; i < pushed->count; i++) {
        struct kt_map *row = kt_map_new(ctx);
        struct store_slice text;
        KT_TRY(rules_text_borrow(ctx, &pushed->at[i], &text));
        kt_map_set_text(row, "name", pushed->at[i].name);
        kt_map_set_int(row, "bytes", (int64_t)text.size);
        kt_list_add(list, row->object);
    }
    return KT_OK;
}

static enum kt_status list_all(struct kt_ctx *ctx, bool counts, struct kt_map *answer)
{
    struct kt_list *rules = kt_list_new(ctx), *files = kt_list_new(ctx);
    struct kt_list *disabled = kt_list_new(ctx);
    uint64_t revision;
    if (ctx->registry->rules)
        script_set_list(ctx->registry->rules, counts, rules);
    KT_TRY(list_files(ctx, files));
    KT_TRY(rules_off_list(ctx, disabled));
    KT_TRY(rules_revision_last(ctx, &revision));
    kt_map_set(answer, "rules", rules->object);
    kt_map_set(answer, "files", files->object);
    kt_map_set(answer, "disabled", disabled->object);
    custom_list(ctx, ctx->registry, answer);
    kt_map_set_int(answer, "revision", (int64_t)revision);
    return KT_OK;
}

enum kt_status registry_reply_rules(struct kt_ctx *ctx, bool counts)
{
    struct kt_map *answer = kt_map_new(ctx);
    KT_TRY(list_all(ctx, counts, answer));
    kt_reply_map(ctx, answer);
    return KT_OK;
}

enum kt_status registry_reply_rule_file(struct kt_ctx *ctx, const char *name,
                                        const msgpack_object *revision)
{
    struct rules_tree *tree = rules_tree_new(ctx);
    struct kt_map *answer;
    struct store_slice text;
    if (!revision) {
        KT_TRY(rules_file_row(ctx, name, &answer));
        KT_TRY(rules_tree_present(ctx, tree));
    } else {
        KT_TRY(rules_tree_at(ctx, revision->via.u64, tree));
        answer = kt_map_new(ctx);
        kt_map_set_text(answer, "name", name);
        kt_map_set(answer, "revision", *revision);
    }
    const struct rules_file *file = rules_tree_find(tree, name);
    if (!file)
        return kt_fail(ctx, KT_NOT_FOUND, "name", "revision %llu has no file %s",
                       "版本 %llu 中没有文件 %s",
                       revision ? (unsigned long long)revision->via.u64 : 0,
                       context_quote(ctx, name, strlen(name)));
    KT_TRY(rules_text(ctx, file, &text));
    kt_map_set(answer, "text", kt_text_of(text.at, text.size));
    kt_reply_map(ctx, answer);
    return KT_OK;
}

/* --- Changing --- */

/* What rules.list tells, what was changed, and how many tests passed. */
static enum kt_status reply_change(struct kt_ctx *ctx, const struct rules_changes *changes,
                                   size_t tests)
{
    struct kt_map *answer = kt_map_new(ctx);
    struct kt_list *changed = kt_list_new(ctx);
    KT_TRY(list_all(ctx, false, answer));
    for (size_t i = 0; i < changes->count; i++) {
        struct kt_map *row = kt_map_new(ctx);
        kt_map_set_text(row, "name", rules_change_name(&changes->at[i]));
        kt_map_set_text(row, "what", rules_change_what(&changes->at[i]));
        kt_list_add(changed, row->object);
    }
    kt_map_set(answer, "changed", changed->object);
    kt_map_set_int(answer, "tests", (int64_t)tests);
    kt_reply_map(ctx, answer);
    return KT_OK;
}

static enum kt_status change(struct kt_ctx *ctx, const struct rules_tree *after,
                             const struct rules_note *note, bool with_tests, struct registry **out)
{
    struct rules_changes *changes = kt_alloc(ctx, sizeof(*changes));
    struct script_test_report report = {.count = 0};
    KT_TRY(rules_apply(ctx, after, note, changes));
    if (changes->count == 0)
        return reply_change(ctx, changes, 0);
    KT_TRY(rules_off_forget(ctx, changes));
    KT_TRY(registry_build(ctx, ctx->registry->catalog, kt_list_new(ctx), out));
    if (with_tests) {
        KT_TRY(rules_run_tests(ctx, &report));
        KT_TRY(rules_require_tests(ctx, &report));
    }
    if (report.count)
        KT_TRY(registry_renew_rules(ctx, *out));
    rules_off_pardon(ctx, changes);
    return reply_change(ctx, changes, report.count);
}

enum kt_status registry_rules_push(struct kt_ctx *ctx, const struct rules_push *push,
                                   struct registry **out)
{
    struct rules_tree *tree = rules_tree_new(ctx);
    struct rules_note note = {.text = push->note, .tests_skipped = push->skip_tests};
    KT_TRY(rules_tree_present(ctx, tree));
    KT_TRY(rules_given(ctx, push->files, push->replace, tree));
    return change(ctx, tree, &note, !push->skip_tests, out);
}

/* Tests without the rules they test would only fail: they go with them. */
enum kt_status registry_rules_remove(struct kt_ctx *ctx, const char *name, const char *note_text,
                                     struct registry **out)
{
    struct rules_tree *tree = rules_tree_new(ctx);
    struct rules_note note = {.text = note_text};
    KT_TRY(rules_tree_present(ctx, tree));
    if (!rules_tree_remove(tree, name))
        return kt_fail(ctx, KT_NOT_FOUND, "name", "no rule file %s was pushed",
                       "没有已推送的规则文件 %s", context_quote(ctx, name, strlen(name)));
    (void)rules_tree_remove(
        tree, kt_format(ctx, "%.*s" TEST_ENDING, (int)strlen(name) - (int)strlen(".lua"), name));
    return change(ctx, tree, &note, false, out);
}

enum kt_status registry_rules_rollback(struct kt_ctx *ctx, const msgpack_object *to,
                                       const char *note_text, struct registry **out)
{
    struct rules_tree *tree = rules_tree_new(ctx);
    struct rules_note note = {.text = note_text, .is_rollback = true};
    uint64_t last;
    KT_TRY(rules_revision_last(ctx, &last));
    if (last == 0)
        return kt_fail(ctx, KT_CONFLICT, "to", "nothing was ever pushed: there is no way back",
                       "从未推送过规则，无法回退");
    note.to = to ? to->via.u64 : last - 1;
    KT_TRY(rules_tree_at(ctx, note.to, tree));
    return change(ctx, tree, &note, false, out);
}
