/* Goal: requests are counted by method and outcome, each once; names of strangers make nothing
 * grow; nobody is lost when several threads count and somebody looks.
 * Method: the counters alone, without an engine; threads that count what is known in the end. */
#include "engine/stats.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/figures.h"

static int set_up(void **state)
{
    struct stats *stats = calloc(1, sizeof(*stats));
    stats_init(stats);
    *state = stats;
    return 0;
}

static int tear_down(void **state)
{
    stats_deinit(*state);
    free(*state);
    return 0;
}

static struct stats_method *method(struct stats *stats, const char *name, bool is_known)
{
    return stats_method(stats, name, strlen(name), is_known);
}

static struct figures_calls calls_of(const struct stats_method *method)
{
    struct figures_calls calls;
    figures_of(method, &calls);
    return calls;
}

/* Submitted at 1000, run from 1030 to 1035, answered after the commit at 1500. */
static void test_latency_is_waiting_running_and_committing(void **state)
{
    struct stats *stats = *state;
    struct engine_measure measure = {.method = method(stats, "record.create", true),
                                     .submitted_us = 1000,
                                     .begun_us = 1030,
                                     .ended_us = 1035,
                                     .outcome = KT_INVALID};
    stats_count(stats, STATS_WRITER, &measure, 1500);
    struct figures_calls calls = calls_of(measure.method);
    struct histogram_view waited = {.count = 0};
    histogram_look(&waited, &stats->threads[STATS_WRITER].waited_us);
    assert_int_equal(1, calls.count);
    assert_int_equal(1, calls.outcomes[KT_INVALID]);
    assert_int_equal(500, calls.latency_us.sum);
    assert_int_equal(5, calls.run_us.sum);
    assert_int_equal(30, waited.sum);
}

/* Turned away at the queue: it has an answer and a latency, but never ran. */
static void test_what_never_ran_has_no_run_time(void **state)
{
    struct stats *stats = *state;
    struct engine_measure measure = {
        .method = method(stats, "record.get", true), .submitted_us = 1000, .outcome = KT_BUSY};
    stats_count(stats, STATS_FRONT, &measure, 1002);
    struct figures_calls calls = calls_of(measure.method);
    assert_int_equal(1, calls.outcomes[KT_BUSY]);
    assert_int_equal(1, calls.latency_us.count);
    assert_int_equal(2, calls.latency_us.sum);
    assert_int_equal(0, calls.run_us.count);
}

static void test_names_are_told_apart_and_listed_in_order(void **state)
{
    struct stats *stats = *state;
    struct stats_method *listed[STATS_METHODS + 1];
    struct stats_method *search = method(stats, "record.search", true);
    struct stats_method *get = method(stats, "record.get", true);
    assert_ptr_equal(get, method(stats, "record.get", true));
    assert_ptr_not_equal(get, search);
    /* A name need not end where its bytes end. */
    assert_ptr_equal(get, stats_method(stats, "record.getting", strlen("record.get"), true));
    assert_int_equal(3, stats_methods(stats, listed));
    assert_ptr_equal(get, listed[0]);
    assert_ptr_equal(search, listed[1]);
    assert_string_equal("unknown", listed[2]->name);
}

static void test_strangers_make_nothing_grow(void **state)
{
    struct stats *stats = *state;
    struct stats_method *listed[STATS_METHODS + 1];
    char name[32];
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "made.up.%d", i);
        assert_ptr_equal(&stats->unknown, method(stats, name, false));
    }
    assert_int_equal(1, stats_methods(stats, listed));
}

/* Rules can declare methods again and again under new names. */
static void test_the_table_is_bounded(void **state)
{
    struct stats *stats = *state;
    struct stats_method *listed[STATS_METHODS + 1];
    char name[32];
    for (unsigned i = 0; i < STATS_METHODS + 100; i++) {
        snprintf(name, sizeof(name), "custom.thing%u", i);
        struct stats_method *found = method(stats, name, true);
        assert_true((i < STATS_METHODS) == (found != &stats->unknown));
    }
    assert_int_equal(STATS_METHODS + 1, stats_methods(stats, listed));
    assert_ptr_not_equal(&stats->unknown, method(stats, "custom.thing7", true));
}

#define THREADS  4u
#define REQUESTS 20000u
#define NAMES    7u

struct worker {
    struct stats *stats;
    unsigned place;
    pthread_t thread;
};

static const char *name_of(unsigned number)
{
    static const char *const names[NAMES] = {"a.b", "b.c", "c.d", "d.e", "e.f", "f.g", "g.h"};
    return names[number % NAMES];
}

static void *work(void *argument)
{
    const struct worker *worker = argument;
    for (unsigned i = 0; i < REQUESTS; i++) {
        struct engine_measure measure = {.method = method(worker->stats, name_of(i), true),
                                         .submitted_us = 10,
                                         .begun_us = 11,
                                         .ended_us = 13,
                                         .outcome = i % 2 ? KT_DENIED : KT_OK};
        stats_count(worker->stats, worker->place, &measure, 14);
    }
    return NULL;
}

/* Two of the threads share the place of those that submit. */
static void test_threads_lose_nothing(void **state)
{
    struct stats *stats = *state;
    struct stats_method *listed[STATS_METHODS + 1];
    struct worker workers[THREADS] = {{.place = STATS_FRONT},
                                      {.place = STATS_FRONT},
                                      {.place = STATS_WRITER},
                                      {.place = STATS_READER}};
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].stats = stats;
        assert_int_equal(0, pthread_create(&workers[i].thread, NULL, work, &workers[i]));
    }
    for (int i = 0; i < 100; i++)
        assert_true(stats_methods(stats, listed) <= NAMES + 1);
    uint64_t count = 0, denied = 0, latencies = 0, run_us = 0;
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    assert_int_equal(NAMES + 1, stats_methods(stats, listed));
    for (unsigned i = 0; i < NAMES; i++) {
        struct figures_calls calls = calls_of(listed[i]);
        count += calls.count;
        denied += calls.outcomes[KT_DENIED];
        latencies += calls.latency_us.count;
        run_us += calls.run_us.sum;
    }
    assert_int_equal(THREADS * REQUESTS, count);
    assert_int_equal(THREADS * REQUESTS / 2, denied);
    assert_int_equal(count, latencies);
    assert_int_equal(2 * count, run_us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_latency_is_waiting_running_and_committing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_never_ran_has_no_run_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_are_told_apart_and_listed_in_order, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_strangers_make_nothing_grow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_table_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_threads_lose_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
