/** What the engine counts about itself while it works: requests by method and outcome, how long
 *  they waited and took, commits, rules. Private to engine/; report.h tells it.
 *
 *  Every thread counts in a place of its own, so that counting costs no waiting; whoever wants to
 *  know adds the places up. A method's numbers go with its name and survive new registries. A name
 *  that no method has is counted as "unknown": strangers make nothing grow. */
#pragma once

#include <pthread.h>

#include "base/histogram.h"
#include "engine/engine.h"
#include "record/context.h"

#define STATS_METHODS  1024u /**< Names that are told apart; further ones count as unknown. */
#define STATS_SLOTS    ((size_t)2 * STATS_METHODS)
#define STATS_OUTCOMES (KT_INTERNAL + 1u)

/** Where a thread counts. */
enum stats_place {
    STATS_FRONT, /**< Whoever submits: requests that were never run. The only shared place. */
    STATS_DOOR,
    STATS_WRITER,
    STATS_READER, /**< The first of them. */
    STATS_PLACES = STATS_READER + ENGINE_READERS_MAX,
};

/** One method in one place. */
struct stats_calls {
    atomic_ullong outcomes[STATS_OUTCOMES]; /**< By enum kt_status. */
    struct histogram latency_us;            /**< From submission to the answer. */
    struct histogram run_us;                /**< Of that, running; not of what was never run. */
};

struct stats_method {
    const char *name;
    size_t length;
    _Atomic(struct stats_calls *) calls[STATS_PLACES]; /**< NULL before the first. */
};

struct stats_thread {
    struct histogram waited_us; /**< Requests, before they were run. */
    atomic_bool is_busy;
};

struct stats {
    int64_t started_us; /**< Monotonic. */
    struct stats_thread threads[STATS_PLACES];
    struct stats_method unknown;
    /** An open table by hash, twice as large as its content; entries are added and never change. */
    _Atomic(struct stats_method *) methods[STATS_SLOTS];
    unsigned method_count;
    pthread_mutex_t lock; /**< Of adding methods, and of counting in front. */

    /** The writer's alone. */
    struct histogram commit_us;       /**< Of those that succeeded, of requests or jobs. */
    struct histogram commit_requests; /**< Of commits that had any. */
    atomic_ullong commits_failed;
    atomic_ullong jobs, jobs_failed;

    /** Of all threads: see stats_count_rules. */
    atomic_ullong rules, rules_failed, rule_steps, rule_us, rules_disabled;
};

void stats_init(struct stats *stats);
void stats_deinit(struct stats *stats);

/** Where the method of that name is counted. `is_known`: there is such a method. */
struct stats_method *stats_method(struct stats *stats, const char *name, size_t length,
                                  bool is_known);
/** Every method that has been called, by name, then `unknown`; returns how many. */
size_t stats_methods(struct stats *stats, struct stats_method *out[STATS_METHODS + 1]);

/** What a request's rules did. Any thread. */
void stats_count_rules(struct stats *stats, const struct context_rules *rules);
/** A request that ends now, counted where its thread counts. */
void stats_count(struct stats *stats, unsigned place, const struct engine_measure *measure,
                 int64_t now_us);
