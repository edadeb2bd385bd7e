/* Reader threads: each has its own context and one read transaction that is renewed for every
 * request, so that a read sees every write whose reply was sent before it came. */
#include "base/log.h"
#include "engine/engine_internal.h"

static void answer(struct engine_ctx *ctx, struct engine_request *request)
{
    struct dispatch dispatch;
    struct engine *engine = ctx->engine;
    enum kt_status status = dispatch_prepare(ctx, request, &dispatch);
    if (status == KT_OK)
        status = dispatch_run(ctx, &dispatch);
    if (store_failure(ctx->base.txn) == KT_BUSY) {
        ctx->base.error = fault_read_ended;
        status = KT_BUSY;
    }
    atomic_fetch_add(&engine->stats.reads, 1);
    if (status == KT_OK) {
        answer_result(request, &ctx->base.reply);
        return;
    }
    atomic_fetch_add(&engine->stats.refused, 1);
    answer_error(request, &ctx->base.error);
}

/* Modules may have changed since the request was queued: what is a write now belongs to the
 * writer. */
static bool is_write(const struct registry *registry, const struct engine_request *request)
{
    const struct registry_method *method =
        registry_method(registry, request->method, request->method_length);
    return method && method->writes;
}

static void serve(struct engine_ctx *ctx, struct engine_request *request)
{
    struct engine *engine = ctx->engine;
    struct registry *registry;
    enum kt_status status = engine_begin_read(engine, ctx->base.txn, &registry);
    if (is_write(registry, request)) {
        if (status == KT_OK)
            store_reset(ctx->base.txn);
        registry_release(registry);
        engine_submit(engine, request);
        return;
    }
    dispatch_begin(ctx, registry);
    if (status == KT_OK) {
        answer(ctx, request);
        store_reset(ctx->base.txn);
    } else {
        kt_fail(&ctx->base, KT_BUSY, NULL, "the store cannot be read just now", "存储暂时无法读取");
        answer_error(request, &ctx->base.error);
    }
    registry_release(registry);
    request->done(request);
}

static void serve_queue(struct engine *engine, struct engine_queue *queue)
{
    struct engine_ctx ctx = {.engine = engine};
    bool closed = false;
    if (store_begin(engine->store, NULL, STORE_READ, &ctx.base.txn) != KT_OK) {
        log_error("a reader cannot begin: the store is not readable");
        return;
    }
    store_reset(ctx.base.txn);
    context_init(&ctx.base);
    while (!closed) {
        struct engine_request *request = queue_take(queue, 1, 3600 * 1000000LL, &closed);
        if (request)
            serve(&ctx, request);
    }
    store_abort(ctx.base.txn);
    context_deinit(&ctx.base);
}

void *reader_main(void *argument)
{
    struct engine *engine = argument;
    serve_queue(engine, &engine->reads);
    return NULL;
}

void *door_main(void *argument)
{
    struct engine *engine = argument;
    serve_queue(engine, &engine->logins);
    return NULL;
}
