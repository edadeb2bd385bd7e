/* system.stats and system.metrics: the engine's figures as a map, and as text for Prometheus. */
#include "base/clock.h"
#include "engine/figures.h"
#include "engine/metrics.h"

static void set_histogram(struct kt_map *map, const char *name, const struct histogram_view *view)
{
    static const struct {
        const char *name;
        unsigned thousandths;
    } quantiles[] = {{"p50", 500}, {"p90", 900}, {"p99", 990}, {"p999", 999}};
    struct kt_map *told = kt_map_new(map->ctx);
    kt_map_set_int(told, "count", (int64_t)view->count);
    kt_map_set_int(told, "sum", (int64_t)view->sum);
    for (size_t i = 0; i < KT_COUNT(quantiles); i++)
        kt_map_set_int(told, quantiles[i].name,
                       (int64_t)histogram_quantile(view, quantiles[i].thousandths));
    kt_map_set_int(told, "max", (int64_t)view->largest);
    kt_map_set(map, name, told->object);
}

/* Only those that were called: a list of everything there is would hide them. */
static msgpack_object list_methods(struct kt_ctx *ctx, const struct figures *figures)
{
    struct kt_list *list = kt_list_new(ctx);
    struct figures_calls *calls = kt_alloc(ctx, sizeof(*calls));
    for (size_t i = 0; i < figures->method_count; i++) {
        figures_of(figures->methods[i], calls);
        if (calls->count == 0)
            continue;
        struct kt_map *row = kt_map_new(ctx), *outcomes = kt_map_new(ctx);
        for (unsigned outcome = 0; outcome < STATS_OUTCOMES; outcome++)
            if (calls->outcomes[outcome])
                kt_map_set_int(outcomes, kt_status_code((enum kt_status)outcome),
                               (int64_t)calls->outcomes[outcome]);
        kt_map_set_text(row, "method", figures->methods[i]->name);
        kt_map_set_int(row, "count", (int64_t)calls->count);
        kt_map_set(row, "outcomes", outcomes->object);
        set_histogram(row, "latency_us", &calls->latency_us);
        set_histogram(row, "run_us", &calls->run_us);
        kt_list_add(list, row->object);
    }
    return list->object;
}

enum kt_status system_stats(struct kt_ctx *ctx, const msgpack_object *params)
{
    struct kt_map *answer = kt_map_new(ctx), *waited = kt_map_new(ctx);
    struct figures *figures;
    (void)params;
    KT_TRY(figures_take(ctx, ((struct engine_ctx *)ctx)->engine, &figures));
    kt_map_set_text(answer, "version", KONTOR_VERSION);
    for (size_t i = 0; i < FIGURES; i++)
        kt_map_set_int(answer, figure_texts[i].key, (int64_t)figures->at[i]);
    set_histogram(answer, "commit_us", &figures->commit_us);
    set_histogram(answer, "commit_requests", &figures->commit_requests);
    for (size_t i = 0; i < QUEUES; i++)
        set_histogram(waited, figure_queues[i], &figures->waited_us[i]);
    kt_map_set(answer, "waited_us", waited->object);
    kt_map_set(answer, "methods", list_methods(ctx, figures));
    kt_reply_map(ctx, answer);
    return KT_OK;
}

enum kt_status system_metrics(struct kt_ctx *ctx, const msgpack_object *params)
{
    struct kt_map *answer = kt_map_new(ctx);
    struct figures *figures;
    msgpack_sbuffer text;
    (void)params;
    KT_TRY(figures_take(ctx, ((struct engine_ctx *)ctx)->engine, &figures));
    msgpack_sbuffer_init(&text);
    metrics_write(&text, figures);
    kt_map_set(answer, "text", kt_text_of(text.data, text.size));
    kt_reply_map(ctx, answer);
    msgpack_sbuffer_destroy(&text);
    return KT_OK;
}

enum kt_status engine_metrics(struct engine *engine, msgpack_sbuffer *text)
{
    struct kt_ctx ctx = {.now = clock_now()};
    struct figures *figures;
    context_init(&ctx);
    enum kt_status status = store_begin(engine->store, NULL, STORE_READ, &ctx.txn);
    if (status == KT_OK) {
        status = figures_take(&ctx, engine, &figures);
        if (status == KT_OK)
            metrics_write(text, figures);
        store_abort(ctx.txn);
    }
    context_deinit(&ctx);
    return status;
}
