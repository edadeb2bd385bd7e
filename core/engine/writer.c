/* The writer: the one thread that changes data.
 *
 * It takes what is queued, runs each request in a nested transaction, commits all of them together
 * and only then releases their replies, so that one fsync serves many and nothing is acknowledged
 * that a crash could undo. A lonely request is taken at once: there is no waiting for company. */
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/engine_internal.h"
#include "job/job.h"
#include "record/journal.h"

#define IDLE_US     60000000LL
#define STANDS_BACK 12        /* In steps of nice(2). */
#define RETRY_US    1000000LL /* For jobs, after the store refused. */

struct writer {
    struct engine_ctx ctx;
    struct registry *registry; /**< In force for the next request; a reference of its own. */
    bool changed;              /**< Not published yet. */
    kt_instant_us next_job;
    bool jobs_first;                /**< One had no room beside requests: they wait for a batch. */
    kt_instant_us last_now;         /**< The latest moment of any request that was written. */
    struct engine_request *waiting; /**< Taken from the queue, not yet run. */
};

/* --- One request --- */

/* Events are found by their time, so time never goes back, whatever the clock does. */
static void begin_request(struct writer *writer, struct store_txn *top)
{
    struct kt_ctx *ctx = &writer->ctx.base;
    dispatch_begin(&writer->ctx, writer->registry);
    ctx->txn = top;
    if (ctx->now < writer->last_now)
        ctx->now = writer->last_now;
    writer->last_now = ctx->now;
}

/* Everything is done, told, and then undone with the nested transaction. */
static enum kt_status run_dry(struct engine_ctx *ctx, const struct dispatch *dispatch)
{
    struct kt_ctx *base = &ctx->base;
    base->journal = journal_open();
    enum kt_status status = dispatch_run(ctx, dispatch);
    if (status == KT_OK)
        status = journal_reply(base);
    if (status == KT_OK)
        status = context_check_reply(base);
    else
        journal_explain(base);
    journal_close(base->journal);
    base->journal = NULL;
    return status;
}

static enum kt_status run_prepared(struct engine_ctx *ctx, struct dispatch *dispatch, bool *changes)
{
    enum kt_status status;
    if (dispatch->dry_run)
        return run_dry(ctx, dispatch);
    if (replay_find(ctx, dispatch, &status))
        return status;
    KT_TRY(dispatch_run(ctx, dispatch));
    *changes = true;
    return replay_keep(ctx, dispatch);
}

static enum kt_status run_nested(struct writer *writer, const struct engine_request *request,
                                 bool *changes)
{
    struct dispatch dispatch;
    *changes = false;
    KT_TRY(dispatch_prepare(&writer->ctx, request, &dispatch));
    rules_lender_rearm(writer->registry->lender, &writer->ctx.base, writer->registry->rules);
    enum kt_status status = run_prepared(&writer->ctx, &dispatch, changes);
    stats_count_rules(&writer->ctx.engine->stats, &writer->ctx.base.rules);
    return status;
}

/* A registry that the request built comes into force for the requests after it. */
static void adopt_registry(struct writer *writer, bool keep)
{
    struct registry *next = writer->ctx.next_registry;
    writer->ctx.next_registry = NULL;
    if (!next)
        return;
    if (!keep) {
        registry_use(&writer->ctx.base, writer->registry);
        registry_release(next);
        return;
    }
    registry_count_rules(next);
    registry_release(writer->registry);
    writer->registry = next;
    writer->changed = true;
}

static enum kt_status begin_nested(struct writer *writer, struct store_txn *top)
{
    struct kt_ctx *ctx = &writer->ctx.base;
    if (store_begin(top->store, top, STORE_WRITE, &ctx->txn) == KT_OK)
        return KT_OK;
    ctx->txn = top;
    return kt_fail(ctx, KT_INTERNAL, NULL, "the store cannot be written", "存储无法写入");
}

static enum kt_status end_nested(struct writer *writer, struct store_txn *top,
                                 enum kt_status status, bool changes)
{
    struct kt_ctx *ctx = &writer->ctx.base;
    struct store_txn *nested = ctx->txn;
    ctx->txn = top;
    if (status != KT_OK || !changes)
        store_abort(nested);
    else if (store_commit(nested) != KT_OK)
        status = kt_fail(ctx, KT_INTERNAL, NULL, "the store cannot be written", "存储无法写入");
    adopt_registry(writer, status == KT_OK && changes);
    return status;
}

static void answer_request(struct writer *writer, struct engine_request *request,
                           enum kt_status status)
{
    struct kt_ctx *ctx = &writer->ctx.base;
    if (status == KT_OK) {
        answer_result(request, &ctx->reply);
        return;
    }
    if (status == KT_INTERNAL)
        log_error("request=%llu method=%.*s failed: %s", (unsigned long long)ctx->request_number,
                  (int)request->method_length, request->method,
                  ctx->error.message ? ctx->error.message : "");
    answer_error(request, &ctx->error);
}

/* Not for want of anything but room: in another batch, perhaps after growth, there is some. */
static bool must_run_again(enum store_fault fault, bool is_first)
{
    return fault == STORE_FAULT_ROOM || (fault == STORE_FAULT_CROWDED && !is_first);
}

/* False when it is to run again, in another batch. `is_first` says that nothing ran in this one. */
static bool run_request(struct writer *writer, struct store_txn *top,
                        struct engine_request *request, bool is_first)
{
    struct kt_ctx *ctx = &writer->ctx.base;
    bool changes = false;
    enum store_fault fault = STORE_FAULT_NONE;
    begin_request(writer, top);
    enum kt_status status = begin_nested(writer, top);
    if (status == KT_OK) {
        status = run_nested(writer, request, &changes);
        /* Also when a part of the request failed and the rest went on: it is not what it seems. */
        fault = store_take_fault(top->store);
        status = end_nested(writer, top, fault == STORE_FAULT_NONE ? status : KT_BUSY, changes);
    }
    if (must_run_again(fault, is_first))
        return false;
    if (fault != STORE_FAULT_NONE) {
        ctx->error = *fault_error(fault);
        status = ctx->error.status;
    }
    answer_request(writer, request, status);
    return true;
}

/* Rules that failed too often in a row, as the request before may have seen: what it did is undone,
 * this stays. When it cannot be written it is tried again at their next failure. */
static void disable_rules(struct writer *writer, struct store_txn *top)
{
    struct kt_ctx *ctx = &writer->ctx.base;
    size_t count = 0;
    if (!script_life_has_due(writer->registry->life))
        return;
    begin_request(writer, top);
    ctx->until_us = 0;
    access_become_server(ctx);
    enum kt_status status = begin_nested(writer, top);
    if (status == KT_OK)
        status = end_nested(
            writer, top, registry_rules_disable_due(ctx, &count, &writer->ctx.next_registry), true);
    if (store_take_fault(top->store) == STORE_FAULT_NONE && status == KT_OK)
        counter_add(&writer->ctx.engine->stats.rules_disabled, count);
}

/* --- Jobs --- */

/* A job and the note that it ran stay or go together. */
static enum kt_status do_job(struct writer *writer, const struct job *job)
{
    struct kt_ctx *ctx = &writer->ctx.base;
    enum kt_status status = job->decl
                                ? job->decl->run(ctx)
                                : script_run_schedule(writer->registry->rules, ctx, job->name);
    stats_count_rules(&writer->ctx.engine->stats, &ctx->rules);
    return status == KT_OK ? job_note(ctx, job) : status;
}

/* It has had its turn. False: not even that can be noted, so it comes again, but not at once. */
static bool note_failed_job(struct writer *writer, struct store_txn *top, const struct job *job)
{
    struct kt_ctx *ctx = &writer->ctx.base;
    enum kt_status status = begin_nested(writer, top);
    if (status == KT_OK)
        status = end_nested(writer, top, job_note(ctx, job), true);
    (void)store_take_fault(top->store);
    if (status != KT_OK)
        writer->next_job = clock_now() + RETRY_US;
    return status == KT_OK;
}

/* False when no other is to run in this batch. */
static bool run_job(struct writer *writer, struct store_txn *top, const struct job *job,
                    bool is_first)
{
    struct kt_ctx *ctx = &writer->ctx.base;
    struct stats *stats = &writer->ctx.engine->stats;
    enum store_fault fault = STORE_FAULT_NONE;
    rules_lender_rearm(writer->registry->lender, &writer->ctx.base, writer->registry->rules);
    enum kt_status status = begin_nested(writer, top);
    if (status == KT_OK) {
        status = do_job(writer, job);
        fault = store_take_fault(top->store);
        status = end_nested(writer, top, fault == STORE_FAULT_NONE ? status : KT_BUSY, true);
    }
    if (must_run_again(fault, is_first)) {
        writer->jobs_first = true;
        writer->next_job = 0;
        return false;
    }
    counter_add(&stats->jobs, 1);
    if (status == KT_OK)
        return true;
    if (fault != STORE_FAULT_NONE)
        ctx->error = *fault_error(fault);
    counter_add(&stats->jobs_failed, 1);
    log_error("job %s failed: %s", job->name, ctx->error.message ? ctx->error.message : "");
    return note_failed_job(writer, top, job);
}

/* Whether any ran. `is_first` like run_request. */
static bool run_due_jobs(struct writer *writer, struct store_txn *top, bool is_first)
{
    struct kt_ctx *ctx = &writer->ctx.base;
    const struct job *job;
    bool ran = false;
    if (clock_now() < writer->next_job)
        return false;
    for (;;) {
        begin_request(writer, top);
        ctx->until_us = 0;
        access_become_server(ctx);
        if (job_find_due(ctx, writer->registry->jobs, writer->registry->job_count, &job,
                         &writer->next_job) != KT_OK) {
            writer->next_job = clock_now() + RETRY_US;
            return ran;
        }
        if (!job || !run_job(writer, top, job, is_first && !ran))
            return ran;
        disable_rules(writer, top);
        ran = true;
    }
}

/* --- One batch --- */

static void fail_all(struct engine_request *requests, enum store_fault fault)
{
    for (; requests; requests = requests->next)
        answer_error(requests, fault_error(fault));
}

static void release(struct engine *engine, struct engine_request *requests)
{
    int64_t now_us = clock_monotonic_us();
    while (requests) {
        struct engine_request *next = requests->next;
        engine_release(engine, STATS_WRITER, requests, now_us);
        requests = next;
    }
}

/* Runs requests until none waits, the batch is full or the registry changed; returns those it ran.
 * What comes meanwhile comes along: one commit is much cheaper than two. */
static struct engine_request *run_batch(struct writer *writer, struct store_txn *top)
{
    struct engine_request *ran = writer->waiting;
    struct engine_request **end = &ran;
    int64_t now_us = clock_monotonic_us(), until_us = now_us + ENGINE_BATCH_TIME_US;
    unsigned count = 0;
    size_t bytes = 0;
    bool closed;
    while (!writer->changed && count < ENGINE_BATCH_MAX && bytes < ENGINE_BATCH_BYTES &&
           (count == 0 || now_us < until_us)) {
        if (!*end)
            *end = queue_take(&writer->ctx.engine->writes, ENGINE_BATCH_TAKE, 0, &closed);
        if (!*end)
            break;
        (*end)->measure.begun_us = now_us;
        if (!run_request(writer, top, *end, count == 0))
            break;
        disable_rules(writer, top);
        now_us = clock_monotonic_us();
        (*end)->measure.ended_us = now_us;
        bytes += (*end)->params_size;
        end = &(*end)->next;
        count++;
    }
    writer->waiting = *end;
    *end = NULL;
    return ran;
}

static void go_back(struct writer *writer)
{
    registry_release(writer->registry);
    writer->registry = engine_registry(writer->ctx.engine);
    writer->changed = false;
}

/* Another process may have written meanwhile. */
static void read_last_now(struct writer *writer, struct store_txn *top)
{
    struct kt_ctx *ctx = &writer->ctx.base;
    kt_instant_us at;
    ctx->txn = top;
    ctx->last_event = 0;
    if (record_last_event_at(ctx, &at) == KT_OK && at > writer->last_now)
        writer->last_now = at;
    context_forgive(ctx);
}

/* The commit failed: what ran is undone, and refused unless it only wants to run again. */
static void undo_batch(struct writer *writer, struct engine_request **ran)
{
    enum store_fault fault = store_take_fault(writer->ctx.engine->store);
    writer->next_job = clock_now() + RETRY_US;
    if (writer->changed)
        go_back(writer);
    if (fault == STORE_FAULT_ROOM) {
        struct engine_request **end = ran;
        while (*end)
            end = &(*end)->next;
        *end = writer->waiting;
        writer->waiting = *ran;
        *ran = NULL;
    }
    fail_all(*ran, fault);
}

/* A commit that was reported as failed has happened, and it was one that changes the modules: what
 * runs here does not fit the data. A new start fits them. */
static void end_when_outdated(struct writer *writer, struct store_txn *top)
{
    if (!force_is_outdated(&writer->ctx.engine->force, top))
        return;
    log_error("the data belong to other modules or rules than those that run, as the disk failed "
              "when they changed: the server ends, start it again");
    _Exit(EXIT_FAILURE);
}

static void refuse_waiting(struct writer *writer)
{
    fail_all(writer->waiting, store_take_fault(writer->ctx.engine->store));
    release(writer->ctx.engine, writer->waiting);
    writer->waiting = NULL;
    writer->next_job = clock_now() + RETRY_US;
}

/* Of one commit; none when they are to run again. */
static void count_requests(struct engine *engine, const struct engine_request *requests)
{
    uint64_t count = 0;
    for (; requests; requests = requests->next)
        count++;
    if (count > 0)
        histogram_add(&engine->stats.commit_requests, count);
}

static void commit_batch(struct writer *writer)
{
    struct engine *engine = writer->ctx.engine;
    struct store_txn *top;
    if (store_begin(engine->store, NULL, STORE_WRITE, &top) != KT_OK) {
        refuse_waiting(writer);
        return;
    }
    end_when_outdated(writer, top);
    read_last_now(writer, top);
    struct engine_request *ran = writer->jobs_first ? NULL : run_batch(writer, top);
    writer->jobs_first = false;
    bool did_something = run_due_jobs(writer, top, !ran) || ran;
    int64_t began = clock_monotonic_us();
    enum kt_status status =
        writer->changed ? engine_commit(engine, top, writer->registry) : store_commit(top);
    int64_t took_us = clock_monotonic_us() - began;
    if (status != KT_OK) {
        counter_add(&engine->stats.commits_failed, 1);
        undo_batch(writer, &ran);
    } else {
        if (did_something)
            histogram_add(&engine->stats.commit_us, (uint64_t)took_us);
        if (writer->changed)
            writer->next_job = 0; /* Other modules, other jobs. */
        writer->changed = false;
    }
    count_requests(engine, ran);
    release(engine, ran);
}

static int64_t time_to_wait(const struct writer *writer)
{
    int64_t wait = writer->next_job - clock_now();
    return wait < 0 ? 0 : wait > IDLE_US ? IDLE_US : wait;
}

/* A read is short and somebody waits for it; a batch is long. Where both want the same processor,
 * Linux lets the thread of lower priority wait (there, each has its own). */
static void stand_back(void)
{
    id_t self = (id_t)gettid();
    (void)setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + STANDS_BACK);
}

void *writer_main(void *argument)
{
    struct engine *engine = argument;
    struct writer writer = {
        .ctx = {.engine = engine, .place = STATS_WRITER, .base = {.writable = true}},
        .registry = engine_registry(engine)};
    bool closed = false;
    stand_back();
    engine_context_init(engine, &writer.ctx.base);
    while (!closed || writer.waiting) {
        if (!writer.waiting)
            writer.waiting =
                queue_take(&engine->writes, ENGINE_BATCH_TAKE, time_to_wait(&writer), &closed);
        if (writer.waiting || (!closed && clock_now() >= writer.next_job))
            commit_batch(&writer);
    }
    context_deinit(&writer.ctx.base);
    registry_release(writer.registry);
    return NULL;
}
