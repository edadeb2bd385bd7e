/* Life of the engine: opening the data, starting and stopping its threads, sorting requests to
 * them. */
#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/attempts.h"
#include "engine/engine_internal.h"

#define PASSWORD_FILE   "admin-password"
#define CLOCK_BEHIND_US (INT64_C(86400) * 1000000)
#define START_SHARE     1024 /* Of the store's limit: 1 GiB of the usual one, */
#define START_LEAST     ((uint64_t)1 << 20)

void engine_context_init(struct engine *engine, struct kt_ctx *ctx)
{
    const struct limits *limits = &engine->limits;
    context_init(ctx);
    ctx->limits = (struct context_limits){.reply_bytes = limits->reply_bytes,
                                          .rule_steps = limits->rule_steps,
                                          .rule_bytes = limits->rule_bytes};
}

/* --- Opening --- */

static enum kt_status say(char *why, size_t why_size, const char *text)
{
    snprintf(why, why_size, "%s", text);
    return KT_INTERNAL;
}

/* Durable before the user that it belongs to is. */
static enum kt_status write_password(const char *folder, const char *password, char *why,
                                     size_t why_size)
{
    char path[4096];
    size_t length = strlen(password);
    snprintf(path, sizeof(path), "%s/" PASSWORD_FILE, folder);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool written = file >= 0 && fchmod(file, 0600) == 0 &&
                   write(file, password, length) == (ssize_t)length && write(file, "\n", 1) == 1 &&
                   fsync(file) == 0;
    int error = errno;
    if (file >= 0)
        close(file);
    if (written)
        return KT_OK;
    snprintf(why, why_size, "cannot write %s: %s", path, strerror(error));
    return KT_INTERNAL;
}

static enum kt_status first_start(struct kt_ctx *ctx, const char *folder, char *why,
                                  size_t why_size)
{
    const char *password;
    KT_TRY(access_first_start(ctx, &password));
    if (!password)
        return KT_OK;
    KT_TRY(write_password(folder, password, why, why_size));
    log_info("first start: user admin has password=%s (kept in %s/" PASSWORD_FILE ")", password,
             folder);
    return KT_OK;
}

/* Not before what was written last: see the writer. */
static enum kt_status begin_now(struct kt_ctx *ctx)
{
    kt_instant_us last;
    KT_TRY(record_last_event_at(ctx, &last));
    if (last > ctx->now + CLOCK_BEHIND_US)
        log_error("the clock is more than a day behind the data: set it; until it has caught up, "
                  "the time of the last change stands for the present");
    if (last > ctx->now)
        ctx->now = last;
    return KT_OK;
}

static enum kt_status write_data(struct engine *engine, struct kt_ctx *ctx, const char *folder,
                                 char *why, size_t why_size)
{
    enum kt_status status = begin_now(ctx);
    if (status == KT_OK)
        status = registry_open(ctx, engine->catalog, &engine->force.registry);
    if (status == KT_OK)
        status = first_start(ctx, folder, why, why_size);
    if (status == KT_OK)
        status = force_begin(&engine->force, ctx->txn);
    if (status != KT_OK) {
        store_abort(ctx->txn);
        if (!*why)
            say(why, why_size, ctx->error.message ? ctx->error.message : "the data is not usable");
        return status;
    }
    return store_commit(ctx->txn);
}

/* Everything the data needs before the first request: registry, migrations, administrator. Again
 * when the store had to grow for it. */
static enum kt_status prepare_data(struct engine *engine, const char *folder, char *why,
                                   size_t why_size)
{
    enum kt_status status;
    enum store_fault fault;
    do {
        struct kt_ctx ctx = {.writable = true, .now = clock_now()};
        *why = '\0';
        engine_context_init(engine, &ctx);
        access_become_server(&ctx);
        status = store_begin(engine->store, NULL, STORE_WRITE, &ctx.txn);
        if (status == KT_OK)
            status = write_data(engine, &ctx, folder, why, why_size);
        fault = store_take_fault(engine->store);
        if (status != KT_OK && (fault != STORE_FAULT_NONE || !*why))
            say(why, why_size, fault_error(fault)->message);
        context_deinit(&ctx);
        if (status != KT_OK) {
            registry_release(engine->force.registry);
            engine->force.registry = NULL;
        }
    } while (status != KT_OK && fault == STORE_FAULT_ROOM);
    return status;
}

static enum kt_status open_parts(struct engine *engine, const struct engine_options *options,
                                 char *why, size_t why_size)
{
    static const struct kt_plugin *const builtins[] = {&access_system, &engine_builtin,
                                                       &engine_rules, &custom_module};
    uint64_t start = engine->limits.store_bytes / START_SHARE;
    struct store_options store = {.folder = options->folder,
                                  .limit_bytes = engine->limits.store_bytes,
                                  .start_bytes = start > START_LEAST ? start : START_LEAST,
                                  .unsafe_no_sync = options->unsafe_no_sync};
    if (sodium_init() < 0)
        return say(why, why_size, "libsodium does not start");
    engine->attempts = attempts_new(engine->limits.login_attempts);
    if (!engine->attempts)
        return say(why, why_size, "out of memory");
    KT_TRY(store_lmdb.open(&store, &engine->store, why, why_size));
    KT_TRY(plugin_catalog_load(options->plugins, builtins, KT_COUNT(builtins), &engine->catalog,
                               why, why_size));
    return prepare_data(engine, options->folder, why, why_size);
}

static unsigned reader_count(unsigned wanted)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = wanted ? wanted : processors > 0 ? (unsigned)processors : 1;
    return count > ENGINE_READERS_MAX ? ENGINE_READERS_MAX : count;
}

enum kt_status engine_open(const struct engine_options *options, struct engine **out, char *why,
                           size_t why_size)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    if (!engine)
        return say(why, why_size, "out of memory");
    engine->limits = *options->limits;
    engine->reader_count = reader_count(options->readers);
    stats_init(&engine->stats);
    force_init(&engine->force);
    queue_init(&engine->reads, engine->limits.queue);
    queue_init(&engine->writes, engine->limits.queue);
    queue_init(&engine->logins, engine->limits.queue);
    enum kt_status status = open_parts(engine, options, why, why_size);
    if (status != KT_OK) {
        engine_close(engine);
        return status;
    }
    *out = engine;
    return KT_OK;
}

void engine_close(struct engine *engine)
{
    registry_release(engine->force.registry);
    plugin_catalog_release(engine->catalog);
    if (engine->store)
        engine->store->driver->close(engine->store);
    queue_deinit(&engine->reads);
    queue_deinit(&engine->writes);
    queue_deinit(&engine->logins);
    attempts_free(engine->attempts);
    force_deinit(&engine->force);
    stats_deinit(&engine->stats);
    free(engine);
}

/* --- Threads --- */

enum kt_status engine_start(struct engine *engine)
{
    engine->writer_started = pthread_create(&engine->writer, NULL, writer_main, engine) == 0;
    engine->door_started = pthread_create(&engine->door, NULL, door_main, engine) == 0;
    while (engine->readers_started < engine->reader_count &&
           pthread_create(&engine->readers[engine->readers_started], NULL, reader_main, engine) ==
               0)
        engine->readers_started++;
    if (engine->writer_started && engine->door_started &&
        engine->readers_started == engine->reader_count)
        return KT_OK;
    engine_stop(engine);
    return KT_INTERNAL;
}

/* Readers first: what they find to be a write goes to the writer, who must still be there. */
void engine_stop(struct engine *engine)
{
    queue_close(&engine->reads);
    queue_close(&engine->logins);
    for (unsigned i = 0; i < engine->readers_started; i++)
        pthread_join(engine->readers[i], NULL);
    if (engine->door_started)
        pthread_join(engine->door, NULL);
    queue_close(&engine->writes);
    if (engine->writer_started)
        pthread_join(engine->writer, NULL);
    engine->readers_started = 0;
    engine->door_started = engine->writer_started = false;
}

struct engine_traffic *engine_traffic(struct engine *engine)
{
    return &engine->traffic;
}

static bool starts_with(const char *text, size_t length, const char *prefix)
{
    return length >= strlen(prefix) && memcmp(text, prefix, strlen(prefix)) == 0;
}

bool engine_method_is_exclusive(const char *method, size_t length)
{
    return starts_with(method, length, "auth.");
}

static struct engine_queue *queue_for(struct engine *engine, const struct registry *registry,
                                      struct engine_request *request)
{
    const struct registry_method *method =
        registry_method(registry, request->method, request->method_length);
    request->measure.method =
        stats_method(&engine->stats, request->method, request->method_length, method != NULL);
    if (method && method->writes)
        return &engine->writes;
    bool is_login = method && method->decl && method->decl->run == auth_login;
    return is_login ? &engine->logins : &engine->reads;
}

void engine_release(struct engine *engine, unsigned place, struct engine_request *request,
                    int64_t now_us)
{
    stats_count(&engine->stats, place, &request->measure, now_us);
    request->done(request);
}

static void refuse(struct engine *engine, struct engine_request *requests)
{
    struct context_error error = {.status = KT_BUSY,
                                  .message = "the server is busy or stopping; try again",
                                  .message_zh = "服务器繁忙或正在停止，请稍后重试"};
    while (requests) {
        struct engine_request *next = requests->next;
        answer_error(requests, &error);
        engine_release(engine, STATS_FRONT, requests, clock_monotonic_us());
        requests = next;
    }
}

/* What follows one another to the same queue goes there together, under one lock. */
void engine_enqueue(struct engine *engine, struct engine_request *requests)
{
    struct registry *registry = engine_registry(engine);
    struct engine_queue *queue = requests ? queue_for(engine, registry, requests) : NULL;
    while (requests) {
        struct engine_request *first = requests, *last = requests;
        struct engine_queue *next = NULL;
        while (last->next && (next = queue_for(engine, registry, last->next)) == queue)
            last = last->next;
        requests = last->next;
        last->next = NULL;
        refuse(engine, queue_add(queue, first));
        queue = next;
    }
    registry_release(registry);
}

void engine_submit(struct engine *engine, struct engine_request *requests)
{
    int64_t now = clock_monotonic_us();
    for (struct engine_request *request = requests; request; request = request->next)
        request->measure = (struct engine_measure){.submitted_us = now};
    engine_enqueue(engine, requests);
}
