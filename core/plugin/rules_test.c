/* Tests of rule files: before a push comes into force, and on request. */
#include "plugin/rules.h"
#include "record/record.h"

static enum kt_status become(struct kt_ctx *ctx, uint64_t user_id)
{
    if (user_id)
        return access_become(ctx, user_id);
    access_become_server(ctx);
    return KT_OK;
}

/* Those that are stored by now. */
static enum kt_status collect(struct kt_ctx *ctx, struct registry_files *out)
{
    struct rules_tree *pushed = rules_tree_new(ctx);
    KT_TRY(rules_tree_present(ctx, pushed));
    for (size_t i = 0; i < pushed->count; i++) {
        struct store_slice text;
        if (!rules_is_test(pushed->at[i].name))
            continue;
        KT_TRY(rules_text(ctx, &pushed->at[i], &text));
        out->at[out->count++] = (struct script_file){
            .name = pushed->at[i].name, .source = "pushed", .text = text.at, .size = text.size};
    }
    return KT_OK;
}

enum kt_status rules_run_tests(struct kt_ctx *ctx, struct script_test_report *out)
{
    struct registry_files *files = kt_alloc(ctx, sizeof(*files));
    *out = (struct script_test_report){.rows = kt_list_new(ctx)};
    KT_TRY(collect(ctx, files));
    if (files->count == 0)
        return KT_OK;
    const struct script_tests tests = {
        .files = files->at, .count = files->count, .rules = ctx->registry->rules, .become = become};
    script_set_enable_all(tests.rules);
    KT_TRY(script_tests_run(ctx, &tests, out));
    return rules_off_apply(ctx, tests.rules);
}

static const msgpack_object *first_failure(const struct script_test_report *report)
{
    const msgpack_object_array *rows = &report->rows->object.via.array;
    for (uint32_t i = 0; i < rows->size; i++)
        if (!kt_get_bool(&rows->ptr[i], "ok"))
            return &rows->ptr[i];
    return NULL;
}

enum kt_status rules_require_tests(struct kt_ctx *ctx, const struct script_test_report *report)
{
    const msgpack_object *row = first_failure(report);
    struct kt_map *details = kt_map_new(ctx);
    if (!row)
        return KT_OK;
    enum kt_status status =
        kt_fail(ctx, KT_CONFLICT, "files", "%zu of %zu tests fail, so nothing was pushed",
                "%zu 项测试失败（共 %zu 项），未推送任何内容", report->failed, report->count);
    ctx->error.rule = kt_get_text(ctx, row, "file");
    kt_map_set(details, "tests", report->rows->object);
    context_error_details(ctx, details->object);
    return status;
}

static enum kt_status run_under_new(struct kt_ctx *ctx, const msgpack_object *given,
                                    struct registry **registry, struct script_test_report *out)
{
    static const struct rules_note note = {.text = NULL};
    struct rules_tree *tree = rules_tree_new(ctx);
    struct rules_changes *changes = kt_alloc(ctx, sizeof(*changes));
    KT_TRY(rules_tree_present(ctx, tree));
    if (given)
        KT_TRY(rules_given(ctx, given, false, tree));
    KT_TRY(rules_apply(ctx, tree, &note, changes));
    KT_TRY(registry_build(ctx, ctx->registry->catalog, kt_list_new(ctx), registry));
    return rules_run_tests(ctx, out);
}

enum kt_status registry_reply_rules_test(struct kt_ctx *ctx, const msgpack_object *files)
{
    const struct registry *before = ctx->registry;
    struct registry *registry = NULL;
    struct script_test_report report = {.count = 0};
    struct context_try attempt;
    struct context_journal *journal = ctx->journal;
    KT_TRY(context_try_begin(ctx, &attempt));
    ctx->journal = NULL; /* It would remember what goes with the registry. */
    enum kt_status status = run_under_new(ctx, files, &registry, &report);
    ctx->journal = journal;
    (void)context_try_end(ctx, &attempt, KT_CONFLICT);
    context_error_keep(ctx);
    registry_use(ctx, before);
    registry_release(registry);
    KT_TRY(status);
    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set(answer, "tests", report.rows->object);
    kt_map_set_int(answer, "count", (int64_t)report.count);
    kt_map_set_int(answer, "failed", (int64_t)report.failed);
    kt_reply_map(ctx, answer);
    return KT_OK;
}
