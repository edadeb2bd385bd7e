/** What the files of engine/ share. */
#pragma once

#include <pthread.h>

#include "engine/engine.h"
#include "engine/force.h"
#include "engine/queue.h"
#include "engine/stats.h"
#include "plugin/registry.h"
#include "record/record.h"

/** One commit serves at most so many requests, of so many bytes, and no more after so long. They
 *  are taken from the queue a few at a time. */
#define ENGINE_BATCH_MAX     1024
#define ENGINE_BATCH_BYTES   (32u << 20)
#define ENGINE_BATCH_TIME_US 100000
#define ENGINE_BATCH_TAKE    64

struct engine {
    struct limits limits;
    struct store *store;
    struct plugin_catalog *catalog; /**< As at start; the registry has the one in force. */
    struct force force;

    struct engine_queue reads;
    struct engine_queue writes;
    struct engine_queue logins; /**< Password hashing is slow on purpose and must delay nobody. */
    struct attempts *attempts;  /**< The door's. */
    pthread_t readers[ENGINE_READERS_MAX];
    unsigned reader_count, readers_started;
    pthread_t writer, door;
    bool writer_started, door_started;

    atomic_ullong last_request;
    struct stats stats;
    atomic_uint readers_begun;
    struct engine_traffic traffic;
};

/** The context of engine threads: what methods of engine/ need beyond the public one. */
struct engine_ctx {
    struct kt_ctx base; /**< First, so that a method can find the rest. */
    struct engine *engine;
    struct engine_session *session; /**< NULL for jobs. */
    unsigned place;                 /**< Where its thread counts. */
    struct registry *next_registry; /**< What this request puts in force once it is committed. */
};

/** engine.c */
/** A context for the thread's requests, with the limits that the server was given. */
void engine_context_init(struct engine *engine, struct kt_ctx *ctx);
/** Queues a request anew, to the thread that it belongs to now. */
void engine_enqueue(struct engine *engine, struct engine_request *requests);
/** Counts a request that has its answer, and gives it back. */
void engine_release(struct engine *engine, unsigned place, struct engine_request *request,
                    int64_t now_us);
/** writer.c, reader.c: thread bodies; the argument is the engine. */
void *writer_main(void *argument);
void *reader_main(void *argument);
void *door_main(void *argument);

#define DISPATCH_HASH_BYTES 16

/** dispatch.c: one request, from its bytes to ctx->base.reply. */
struct dispatch {
    const struct registry_method *method;
    const msgpack_object *params;     /**< A checked map. */
    const msgpack_object *request_id; /**< Text; NULL without. */
    bool dry_run;
    unsigned char hash[DISPATCH_HASH_BYTES]; /**< Of method and parameters; replay_find sets it. */
};
/** Names that answer without a login. */
bool dispatch_is_open(const char *method, size_t length);
/** Fresh context: arena, moment, user, registry. `registry` must outlive the request. */
void dispatch_begin(struct engine_ctx *ctx, const struct registry *registry);
/** Who asks, what, may they: fills `out`. Needs ctx->base.txn. */
enum kt_status dispatch_prepare(struct engine_ctx *ctx, const struct engine_request *request,
                                struct dispatch *out);
/** May it be asked as of a past moment? */
bool dispatch_takes_as_of(const struct registry_method *method);
/** The part about the method alone: is it there, may the user, are the parameters right? */
enum kt_status dispatch_check(struct kt_ctx *ctx, const char *method, size_t method_length,
                              const msgpack_object *given, struct dispatch *out);
enum kt_status dispatch_run(struct engine_ctx *ctx, const struct dispatch *dispatch);

/** answer.c: the response message into request->reply. */
void answer_result(struct engine_request *request, const msgpack_sbuffer *result);
void answer_error(struct engine_request *request, const struct context_error *error);

/** fault.c: what clients are told of it. */
const struct context_error *fault_error(enum store_fault fault);
extern const struct context_error fault_read_ended;

/** replay.c: request_id makes a write exactly-once for at least 24 hours. */
/** True with *status and ctx->base.reply filled when this request was answered before. */
bool replay_find(struct engine_ctx *ctx, struct dispatch *dispatch, enum kt_status *status);
enum kt_status replay_keep(struct engine_ctx *ctx, const struct dispatch *dispatch);
enum kt_status replay_forget_old(struct kt_ctx *ctx);

/** builtin.c, rules.c: the methods of the server itself, as modules. */
extern const struct kt_plugin engine_builtin, engine_rules;
/** auth.c, modules.c, records.c, batch.c, describe.c, report.c: their bodies. */
enum kt_status auth_login(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status auth_token(struct kt_ctx *ctx, const msgpack_object *params);
/** The entity that the parameters name, when the user has that right to it. */
enum kt_status records_find_entity(struct kt_ctx *ctx, const msgpack_object *params,
                                   const char *right, const struct schema_entity **out);
enum kt_status records_create(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status records_get(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status records_update(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status records_delete(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status records_archive(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status records_restore(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status records_search(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status records_count(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status records_aggregate(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status records_history(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status records_totals(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status records_import(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status records_export(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status records_batch(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status modules_list(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status modules_info(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status modules_enable(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status modules_disable(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status modules_upgrade(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status files_begin(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status files_append(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status files_finish(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status files_read(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status files_sweep(struct kt_ctx *ctx);
enum kt_status system_describe(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status system_stats(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status system_metrics(struct kt_ctx *ctx, const msgpack_object *params);
