/* Reader threads: each has its own context and one read transaction that is renewed for every
 * request, so that a read sees every write whose reply was sent before it came. */
#include "base/clock.h"
#include "base/log.h"
#include "engine/engine_internal.h"

static void answer(struct engine_ctx *ctx, struct engine_request *request)
{
    struct dispatch dispatch;
    enum kt_status status = dispatch_prepare(ctx, request, &dispatch);
    if (status == KT_OK)
        status = dispatch_run(ctx, &dispatch);
    stats_count_rules(&ctx->engine->stats, &ctx->base.rules);
    if (store_failure(ctx->base.txn) == KT_BUSY) {
        ctx->base.error = fault_read_ended;
        status = KT_BUSY;
    }
    if (status == KT_OK)
        answer_result(request, &ctx->base.reply);
    else
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
    int64_t begun_us = clock_monotonic_us();
    enum kt_status status = engine_begin_read(engine, ctx->base.txn, &registry);
    if (is_write(registry, request)) {
        if (status == KT_OK)
            store_reset(ctx->base.txn);
        registry_release(registry);
        request->next = NULL;
        engine_enqueue(engine, request);
        return;
    }
    request->measure.begun_us = begun_us;
    dispatch_begin(ctx, registry);
    if (status == KT_OK) {
        answer(ctx, request);
        store_reset(ctx->base.txn);
    } else {
        kt_fail(&ctx->base, KT_BUSY, NULL, "the store cannot be read just now", "存储暂时无法读取");
        answer_error(request, &ctx->base.error);
    }
    registry_release(registry);
    request->measure.ended_us = clock_monotonic_us();
    engine_release(engine, ctx->place, request, request->measure.ended_us);
}

static void serve_queue(struct engine *engine, struct engine_queue *queue, unsigned place)
{
    struct engine_ctx ctx = {.engine = engine, .place = place};
    atomic_bool *is_busy = &engine->stats.threads[place].is_busy;
    bool closed = false;
    if (store_begin(engine->store, NULL, STORE_READ, &ctx.base.txn) != KT_OK) {
        log_error("a reader cannot begin: the store is not readable");
        return;
    }
    store_reset(ctx.base.txn);
    engine_context_init(engine, &ctx.base);
    while (!closed) {
        struct engine_request *request = queue_take(queue, 1, 3600 * 1000000LL, &closed);
        if (!request)
            continue;
        atomic_store_explicit(is_busy, true, memory_order_relaxed);
        serve(&ctx, request);
        atomic_store_explicit(is_busy, false, memory_order_relaxed);
    }
    store_abort(ctx.base.txn);
    context_deinit(&ctx.base);
}

void *reader_main(void *argument)
{
    struct engine *engine = argument;
    serve_queue(engine, &engine->reads, STATS_READER + atomic_fetch_add(&engine->readers_begun, 1));
    return NULL;
}

void *door_main(void *argument)
{
    struct engine *engine = argument;
    serve_queue(engine, &engine->logins, STATS_DOOR);
    return NULL;
}
