/* rules.try: what rules would do to a record, under what a push of their files would put in force.
 * Each change goes the way of a client's, as a dry run of its own; everything is undone. */
#include <string.h>

#include "plugin/rules.h"
#include "record/journal.h"
#include "record/record.h"

#define MOMENTS_MOST 32

struct trial {
    struct kt_ctx *ctx;
    const struct rules_try *asked;
    const char *entity;
    struct kt_list *outcomes;
};

/* --- One change --- */

/* The method that a client would call for it; transitions are methods by themselves. */
static const char *method_of(const struct trial *trial, const struct script_moment *moment)
{
    static const char *const methods[] = {"record.create", "record.update", "record.delete",
                                          "record.archive", "record.restore"};
    return moment->verb ? kt_format(trial->ctx, "%s.%s", trial->entity, moment->verb)
                        : methods[moment->moment];
}

static const struct kt_map *params_of(const struct trial *trial, const struct script_moment *moment)
{
    struct kt_map *params =
        moment->verb ? kt_map_copy(trial->ctx, trial->asked->params) : kt_map_new(trial->ctx);
    if (!moment->verb)
        kt_map_set_text(params, "entity", trial->entity);
    if (moment->moment == RECORD_UPDATE)
        kt_map_set(params, "values", kt_map_new(trial->ctx)->object);
    kt_map_set_id(params, "id", trial->asked->id);
    return params;
}

static enum kt_status read_reply(struct kt_ctx *ctx, msgpack_object *out)
{
    enum kt_status status = context_unpack(ctx, ctx->reply.data, ctx->reply.size, true, out);
    msgpack_sbuffer_clear(&ctx->reply);
    return status;
}

static void tell_refusal(struct kt_ctx *ctx, struct kt_map *row)
{
    const struct context_error *error = &ctx->error;
    struct kt_map *told = kt_map_new(ctx);
    kt_map_set_text(told, "code", kt_status_code(error->status));
    kt_map_set_text(told, "message", error->message ? error->message : "");
    kt_map_set_text(told, "message_zh", error->message_zh ? error->message_zh : "");
    if (error->entity)
        kt_map_set_text(told, "entity", kt_format(ctx, "%s", error->entity));
    if (error->field)
        kt_map_set_text(told, "field", error->field);
    if (error->rule)
        kt_map_set_text(told, "rule", error->rule);
    kt_map_set(told, "details", error->details);
    kt_map_set(row, "error", told->object);
}

static enum kt_status run_dry(struct trial *trial, const struct script_moment *moment,
                              struct kt_map *row)
{
    struct kt_ctx *ctx = trial->ctx;
    const msgpack_object *answer;
    msgpack_object preview;
    script_set_rearm(ctx->registry->rules);
    enum kt_status status =
        ctx->host->call(ctx, method_of(trial, moment), &params_of(trial, moment)->object, &answer);
    kt_map_set_bool(row, "ok", status == KT_OK);
    if (status != KT_OK) {
        journal_explain(ctx);
        tell_refusal(ctx, row);
        context_forgive(ctx);
        return KT_OK;
    }
    KT_TRY(journal_reply(ctx));
    KT_TRY(read_reply(ctx, &preview));
    kt_map_set(row, "preview", preview);
    return context_check_memory(ctx);
}

static enum kt_status try_moment(struct trial *trial, const struct script_moment *moment)
{
    struct kt_ctx *ctx = trial->ctx;
    struct context_try attempt;
    struct kt_map *row = kt_map_new(ctx);
    const struct record_step step = {.moment = moment->moment, .verb = moment->verb};
    kt_map_set_text(row, "moment", kt_format(ctx, "%s", record_step_word(&step)));
    KT_TRY(context_try_begin(ctx, &attempt));
    ctx->journal = journal_open();
    enum kt_status status = run_dry(trial, moment, row);
    journal_close(ctx->journal);
    ctx->journal = NULL;
    (void)context_try_end(ctx, &attempt, KT_CONFLICT);
    kt_list_add(trial->outcomes, row->object);
    return status;
}

/* --- Which changes --- */

static enum kt_status refuse_moment(struct kt_ctx *ctx, const char *entity, const char *word)
{
    return kt_fail(ctx, KT_INVALID, "moment",
                   "%s of %s cannot be tried on a record: moments are update, delete, archive, "
                   "restore and its transitions; for create, use dry_run of record.create",
                   "%s（%s）无法在记录上试运行：时机为 update、delete、archive、restore 及其流转；"
                   "create 请用 record.create 的 dry_run",
                   context_quote(ctx, word, strlen(word)), entity);
}

static enum kt_status named_moment(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const char *word, struct script_moment *out)
{
    static const char *const words[] = {"create", "update", "delete", "archive", "restore"};
    if (strcmp(word, "save") == 0)
        word = "update";
    for (size_t i = RECORD_UPDATE; i < KT_COUNT(words); i++)
        if (strcmp(words[i], word) == 0) {
            *out = (struct script_moment){.moment = (enum record_moment)i};
            return KT_OK;
        }
    for (size_t i = 0; i < entity->decl->transitions.count; i++)
        if (strcmp(entity->decl->transitions.at[i].verb, word) == 0) {
            *out = (struct script_moment){.moment = RECORD_TRANSITION,
                                          .verb = entity->decl->transitions.at[i].verb};
            return KT_OK;
        }
    return refuse_moment(ctx, entity->name, word);
}

/* Those of the rules in the files; without files, of all. */
static enum kt_status find_moments(struct trial *trial, struct script_moment *out, size_t *count)
{
    struct kt_ctx *ctx = trial->ctx;
    const msgpack_object *files = trial->asked->files;
    uint32_t file_count = files ? files->via.map.size : 0;
    const char **names = kt_alloc(ctx, sizeof(*names) * (file_count + 1));
    for (uint32_t i = 0; i < file_count; i++)
        names[i] = kt_format(ctx, "%.*s", (int)files->via.map.ptr[i].key.via.str.size,
                             files->via.map.ptr[i].key.via.str.ptr);
    const struct script_moments_query query = {
        .entity = trial->entity, .files = {names, file_count}, .most = MOMENTS_MOST};
    *count = script_set_moments(ctx->registry->rules, &query, out);
    if (*count > 0)
        return KT_OK;
    return kt_fail(ctx, KT_INVALID, "entity",
                   "no rule of these files hangs at a change of %s that can be tried on a record",
                   "这些文件中没有规则作用于 %s 可在记录上试运行的更改", trial->entity);
}

static enum kt_status try_all(struct trial *trial)
{
    struct kt_ctx *ctx = trial->ctx;
    const struct rules_try *asked = trial->asked;
    const struct schema_entity *entity;
    struct script_moment moments[MOMENTS_MOST];
    size_t count = 1;
    KT_TRY(record_entity(ctx, asked->entity, strlen(asked->entity), &entity));
    trial->entity = entity->name;
    KT_TRY(asked->moment ? named_moment(ctx, entity, asked->moment, &moments[0])
                         : find_moments(trial, moments, &count));
    for (size_t i = 0; i < count; i++)
        KT_TRY(try_moment(trial, &moments[i]));
    return KT_OK;
}

/* --- Under the new rules --- */

static enum kt_status try_under_new(struct trial *trial, struct registry **registry)
{
    static const struct rules_note note = {.text = NULL};
    struct kt_ctx *ctx = trial->ctx;
    struct rules_tree *tree = rules_tree_new(ctx);
    struct rules_changes *changes = kt_alloc(ctx, sizeof(*changes));
    KT_TRY(rules_tree_present(ctx, tree));
    if (trial->asked->files)
        KT_TRY(rules_given(ctx, trial->asked->files, false, tree));
    KT_TRY(rules_apply(ctx, tree, &note, changes));
    KT_TRY(rules_off_forget(ctx, changes));
    KT_TRY(registry_build(ctx, ctx->registry->catalog, kt_list_new(ctx), registry));
    return try_all(trial);
}

enum kt_status registry_reply_rules_try(struct kt_ctx *ctx, const struct rules_try *asked)
{
    const struct registry *before = ctx->registry;
    struct registry *registry = NULL;
    struct trial trial = {.ctx = ctx, .asked = asked, .outcomes = kt_list_new(ctx)};
    struct context_try attempt;
    struct context_journal *journal = ctx->journal;
    KT_TRY(context_try_begin(ctx, &attempt));
    ctx->journal = NULL; /* It would remember what goes with the registry. */
    enum kt_status status = try_under_new(&trial, &registry);
    ctx->journal = journal;
    (void)context_try_end(ctx, &attempt, KT_CONFLICT);
    context_error_keep(ctx);
    registry_use(ctx, before);
    registry_release(registry);
    KT_TRY(status);
    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set(answer, "outcomes", trial.outcomes->object);
    kt_reply_map(ctx, answer);
    return KT_OK;
}
