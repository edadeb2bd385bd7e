/* A method is run: a client's, one of a batch, or one that a rule calls. */
#include <string.h>

#include "plugin/registry.h"
#include "record/record.h"

/* A transition's own parameters come after those that all of them have. */
static struct kt_fields transition_params(struct kt_ctx *ctx, const struct kt_transition *verb)
{
    static const struct kt_field id = {
        .name = "id", .type = KT_INT, .flags = KT_REQUIRED | KT_POSITIVE};
    static const struct kt_field version = {
        .name = "version", .type = KT_INT, .flags = KT_POSITIVE};
    struct kt_field *fields = kt_alloc(ctx, sizeof(*fields) * (verb->params.count + 2));
    fields[0] = id;
    fields[1] = version;
    for (size_t i = 0; i < verb->params.count; i++)
        fields[i + 2] = verb->params.at[i];
    return (struct kt_fields){fields, verb->params.count + 2};
}

struct kt_fields registry_params(struct kt_ctx *ctx, const struct registry_method *method)
{
    return method->kind == REGISTRY_TRANSITION ? transition_params(ctx, method->transition)
                                               : method->decl->params;
}

static enum kt_status run_transition(struct kt_ctx *ctx, const struct registry_method *method,
                                     const msgpack_object *params)
{
    uint64_t id = kt_get_id(params, "id");
    struct kt_map *own = kt_map_copy(ctx, params);
    kt_map_remove(own, "id");
    kt_map_remove(own, "version");
    kt_map_remove(own, "request_id");
    kt_map_remove(own, "dry_run");
    KT_TRY(record_transition(ctx, method->entity, id, kt_get_id(params, "version"),
                             method->transition->verb, &own->object, RECORD_BY_CLIENT));
    return record_reply_get(ctx, method->entity, id, NULL);
}

/* A reader borrows what the writer has; within one request it stays with the same. */
static enum kt_status run_script(struct kt_ctx *ctx, const struct registry_method *method,
                                 const msgpack_object *params)
{
    const struct registry *registry = ctx->registry;
    if (ctx->writable || ctx->borrowed)
        return script_run_method(ctx->writable ? registry->rules : ctx->borrowed, ctx, method->name,
                                 method->decl->params, params);
    KT_TRY(rules_lender_take(registry->lender, ctx, &ctx->borrowed));
    enum kt_status status =
        script_run_method(ctx->borrowed, ctx, method->name, method->decl->params, params);
    rules_lender_give_back(registry->lender, ctx->borrowed);
    ctx->borrowed = NULL;
    return status;
}

enum kt_status registry_run(struct kt_ctx *ctx, const struct registry_method *method,
                            const msgpack_object *params)
{
    switch (method->kind) {
    case REGISTRY_TRANSITION:
        return run_transition(ctx, method, params);
    case REGISTRY_SCRIPT:
        return run_script(ctx, method, params);
    case REGISTRY_PLAIN:
        break;
    }
    return method->decl->run(ctx, params);
}

/* --- Calls by rules --- */

/* What cannot be undone with the transaction, takes long, or is the administrator's alone. */
static const char *const unfit[] = {"auth.",         "module.",       "rules.",
                                    "file.",         "system.",       "record.batch",
                                    "record.import", "record.export", "event."};

static enum kt_status check_fit(struct kt_ctx *ctx, const struct registry_method *method)
{
    bool fit = !method->writes || ctx->writable;
    for (size_t i = 0; i < KT_COUNT(unfit); i++)
        fit = fit && strncmp(method->name, unfit[i], strlen(unfit[i])) != 0;
    if (fit)
        return KT_OK;
    return kt_fail(ctx, KT_INVALID, "method", "a rule cannot call %s here", "规则不能在此调用 %s",
                   method->name);
}

static enum kt_status read_answer(struct kt_ctx *ctx, const msgpack_object **out)
{
    msgpack_object *answer = kt_alloc(ctx, sizeof(*answer));
    *answer = kt_nil();
    *out = answer;
    if (ctx->reply.size == 0)
        return KT_OK;
    return context_unpack(ctx, ctx->reply.data, ctx->reply.size, true, answer);
}

static enum kt_status call(struct kt_ctx *ctx, const struct registry_method *method,
                           const msgpack_object *given, const msgpack_object **answer)
{
    const msgpack_object *params;
    KT_TRY(record_check_params(ctx, registry_params(ctx, method), given, (struct kt_names){0},
                               &params));
    KT_TRY(registry_run(ctx, method, params));
    if (ctx->error.status != KT_OK)
        return ctx->error.status;
    KT_TRY(context_check_memory(ctx));
    return read_answer(ctx, answer);
}

enum kt_status registry_call(struct kt_ctx *ctx, const char *name, const msgpack_object *params,
                             const msgpack_object **answer)
{
    const struct registry_method *method = registry_method(ctx->registry, name, strlen(name));
    if (!method)
        return kt_fail(ctx, KT_NOT_FOUND, "method", "there is no method %s", "没有方法 %s",
                       context_quote(ctx, name, strlen(name)));
    KT_TRY(check_fit(ctx, method));
    if (*method->permission)
        KT_TRY(access_require(ctx, method->permission));
    /* The caller's own answer is not begun or lies here. */
    msgpack_sbuffer outer = ctx->reply;
    msgpack_sbuffer_init(&ctx->reply);
    enum kt_status status = call(ctx, method, params, answer);
    msgpack_sbuffer_destroy(&ctx->reply);
    ctx->reply = outer;
    return status;
}
