#include "engine/stats.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

void stats_init(struct stats *stats)
{
    stats->started_us = clock_monotonic_us();
    stats->unknown.name = "unknown";
    stats->unknown.length = strlen(stats->unknown.name);
    pthread_mutex_init(&stats->lock, NULL);
}

static void free_calls(struct stats_method *method)
{
    for (size_t i = 0; i < STATS_PLACES; i++)
        free(atomic_load(&method->calls[i]));
}

void stats_deinit(struct stats *stats)
{
    for (size_t i = 0; i < STATS_SLOTS; i++) {
        struct stats_method *method = atomic_load(&stats->methods[i]);
        if (method)
            free_calls(method);
        free(method);
    }
    free_calls(&stats->unknown);
    pthread_mutex_destroy(&stats->lock);
}

/* --- Methods --- */

/* FNV-1a (Fowler, Noll, Vo): a few steps for the short names that methods have. */
static size_t slot_of(const char *name, size_t length)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619u;
    return hash % STATS_SLOTS;
}

/* The entry of that name, or the free one where it belongs: the table is never full. */
static _Atomic(struct stats_method *) *find(struct stats *stats, const char *name, size_t length)
{
    size_t at = slot_of(name, length);
    for (;; at = (at + 1) % STATS_SLOTS) {
        const struct stats_method *method =
            atomic_load_explicit(&stats->methods[at], memory_order_acquire);
        if (!method || (method->length == length && memcmp(method->name, name, length) == 0))
            return &stats->methods[at];
    }
}

static struct stats_method *add(struct stats *stats, const char *name, size_t length)
{
    pthread_mutex_lock(&stats->lock);
    _Atomic(struct stats_method *) *place = find(stats, name, length);
    struct stats_method *method = atomic_load(place);
    if (!method && stats->method_count < STATS_METHODS)
        method = calloc(1, sizeof(*method) + length + 1);
    if (method && !method->name) {
        char *copy = (char *)(method + 1);
        memcpy(copy, name, length);
        method->name = copy;
        method->length = length;
        stats->method_count++;
        atomic_store_explicit(place, method, memory_order_release);
    }
    pthread_mutex_unlock(&stats->lock);
    return method ? method : &stats->unknown;
}

struct stats_method *stats_method(struct stats *stats, const char *name, size_t length,
                                  bool is_known)
{
    if (!is_known)
        return &stats->unknown;
    struct stats_method *method =
        atomic_load_explicit(find(stats, name, length), memory_order_acquire);
    return method ? method : add(stats, name, length);
}

static int compare_names(const void *one, const void *other)
{
    const struct stats_method *const *a = one, *const *b = other;
    return strcmp((*a)->name, (*b)->name);
}

size_t stats_methods(struct stats *stats, struct stats_method *out[STATS_METHODS + 1])
{
    size_t count = 0;
    for (size_t i = 0; i < STATS_SLOTS; i++) {
        struct stats_method *method =
            atomic_load_explicit(&stats->methods[i], memory_order_acquire);
        if (method)
            out[count++] = method;
    }
    qsort(out, count, sizeof(*out), compare_names);
    out[count++] = &stats->unknown;
    return count;
}

/* --- Requests --- */

/* NULL without memory: then this one call is not counted. */
static struct stats_calls *calls_of(struct stats_method *method, unsigned place)
{
    struct stats_calls *calls = atomic_load_explicit(&method->calls[place], memory_order_relaxed);
    if (!calls) {
        calls = calloc(1, sizeof(*calls));
        atomic_store_explicit(&method->calls[place], calls, memory_order_release);
    }
    return calls;
}

static uint64_t between(int64_t from_us, int64_t to_us)
{
    return to_us > from_us ? (uint64_t)(to_us - from_us) : 0;
}

static void count(struct stats *stats, unsigned place, const struct engine_measure *measure,
                  int64_t now_us)
{
    struct stats_calls *calls = calls_of(measure->method, place);
    if (!calls)
        return;
    counter_add(&calls->outcomes[measure->outcome], 1);
    histogram_add(&calls->latency_us, between(measure->submitted_us, now_us));
    if (measure->begun_us == 0)
        return;
    histogram_add(&calls->run_us, between(measure->begun_us, measure->ended_us));
    histogram_add(&stats->threads[place].waited_us,
                  between(measure->submitted_us, measure->begun_us));
}

void stats_count(struct stats *stats, unsigned place, const struct engine_measure *measure,
                 int64_t now_us)
{
    if (place == STATS_FRONT)
        pthread_mutex_lock(&stats->lock);
    count(stats, place, measure, now_us);
    if (place == STATS_FRONT)
        pthread_mutex_unlock(&stats->lock);
}

/* Readers seldom run any, so the writer does not wait for them. */
void stats_count_rules(struct stats *stats, const struct context_rules *rules)
{
    if (rules->ran == 0)
        return;
    atomic_fetch_add_explicit(&stats->rules, rules->ran, memory_order_relaxed);
    atomic_fetch_add_explicit(&stats->rules_failed, rules->failed, memory_order_relaxed);
    atomic_fetch_add_explicit(&stats->rule_steps, rules->steps, memory_order_relaxed);
    atomic_fetch_add_explicit(&stats->rule_us, rules->us, memory_order_relaxed);
}
