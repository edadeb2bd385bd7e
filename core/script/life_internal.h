/** What life.c and life_trace.c share. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "script/life.h"
#include "script/script_internal.h"

#define LIFE_FIELDS 16u  /* Of those that one rule has changed. */
#define LIFE_TEXT   256u /* Of an error. */

/** One rule, by name. Lives as long as the whole. */
struct script_count {
    char *name;
    char *file; /**< Where it stood when it failed last. */
    uint64_t runs, denied, failed, us;
    unsigned in_row; /**< Failures since it last came through. */
    bool due;
    kt_instant_us failed_at;
    char error[LIFE_TEXT];
    char *fields[LIFE_FIELDS];
    size_t field_count;
};

struct life_turn {
    uint64_t seq, request, id;
    kt_instant_us at;
    uint64_t us;
    int line;
    const char *outcome;
    char user[KT_LIMIT_NAME + 1], rule[KT_LIMIT_NAME + 1], file[KT_LIMIT_NAME + 1];
    char entity[KT_LIMIT_NAME + 1], moment[2 * KT_LIMIT_NAME];
    char fields[LIFE_TEXT]; /* By commas. */
    char message[LIFE_TEXT];
};

struct script_life {
    atomic_uint references;
    atomic_uint due;
    atomic_llong watched_until_us; /**< Monotonic, coarse. */
    pthread_mutex_t lock;          /**< Of all below. */
    struct script_count **counts;  /**< By name. */
    size_t count, capacity;
    struct life_turn *turns; /**< A ring by seq; NULL until somebody watches. */
    uint64_t last_seq;
};

/** What is known of a turn that ends. */
struct life_note {
    const struct script_call *call;
    const char *outcome; /**< "passed", "changed", "denied", "failed". */
    const char *message; /**< NULL: none. */
    uint64_t us;
};
/** Under the lock, while somebody watches. */
void life_trace_note(struct script_life *life, const struct life_note *note);
static inline bool life_is_watched(const struct script_life *life)
{
    return clock_coarse_us() < atomic_load_explicit(&life->watched_until_us, memory_order_relaxed);
}
