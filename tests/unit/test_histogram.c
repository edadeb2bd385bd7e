/* Goal: histograms tell counts, sums and quantiles as they can be worked out by hand.
 * Method: small lists of values, every bucket's bound, and a look while another thread adds. */
#include "base/histogram.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct histogram_view look_at(const struct histogram *histogram)
{
    struct histogram_view view = {.count = 0};
    histogram_look(&view, histogram);
    return view;
}

static void test_empty_one_has_nothing(void **state)
{
    static const struct histogram empty;
    struct histogram_view view = look_at(&empty);
    (void)state;
    assert_int_equal(0, view.count);
    assert_int_equal(0, histogram_quantile(&view, 500));
    assert_int_equal(0, histogram_at_most(&view, HISTOGRAM_POWERS));
}

/* 1 .. 16 have buckets of their own, so their quantiles are exact: of 10 values the median is the
 * fifth, p90 the ninth, p99 the tenth. */
static void test_small_values_are_exact(void **state)
{
    struct histogram histogram = {.sum = 0};
    (void)state;
    for (uint64_t value = 1; value <= 10; value++)
        histogram_add(&histogram, value);
    struct histogram_view view = look_at(&histogram);
    assert_int_equal(10, view.count);
    assert_int_equal(55, view.sum);
    assert_int_equal(10, view.largest);
    assert_int_equal(5, histogram_quantile(&view, 500));
    assert_int_equal(9, histogram_quantile(&view, 900));
    assert_int_equal(10, histogram_quantile(&view, 990));
    assert_int_equal(10, histogram_quantile(&view, 1000));
}

/* 1000 lies between 512 and 1024, whose eighths are 64: its bucket is 961 .. 1024. */
static void test_quantile_is_the_bound_of_a_bucket(void **state)
{
    struct histogram histogram = {.sum = 0};
    (void)state;
    for (int i = 0; i < 999; i++)
        histogram_add(&histogram, 1000);
    histogram_add(&histogram, 5000);
    struct histogram_view view = look_at(&histogram);
    assert_int_equal(1024, histogram_quantile(&view, 500));
    assert_int_equal(1024, histogram_quantile(&view, 999));
    /* Its bucket ends at 5120, but nothing was as large. */
    assert_int_equal(5000, histogram_quantile(&view, 1000));
    assert_int_equal(999 * 1000 + 5000, view.sum);
}

/* A bucket ends with its bound: 64 is at most 2^6, 65 is not. */
static void test_powers_of_two_are_bounds(void **state)
{
    (void)state;
    for (unsigned power = 0; power <= HISTOGRAM_POWERS; power++) {
        struct histogram histogram = {.sum = 0};
        histogram_add(&histogram, UINT64_C(1) << power);
        histogram_add(&histogram, (UINT64_C(1) << power) + 1);
        struct histogram_view view = look_at(&histogram);
        assert_int_equal(1, histogram_at_most(&view, power));
        if (power < HISTOGRAM_POWERS)
            assert_int_equal(2, histogram_at_most(&view, power + 1));
    }
}

/* However large a value is, what is told of it is at most an eighth more. */
static void test_no_bucket_is_wider_than_an_eighth(void **state)
{
    (void)state;
    for (uint64_t value = 1; value <= UINT64_C(1) << HISTOGRAM_POWERS; value += value / 97 + 1) {
        struct histogram histogram = {.sum = 0};
        histogram_add(&histogram, value);
        histogram_add(&histogram, UINT64_MAX / 2); /* So that the largest cuts nothing. */
        struct histogram_view view = look_at(&histogram);
        uint64_t told = histogram_quantile(&view, 500);
        assert_true(told >= value && told - value <= value / 8);
    }
}

static void test_zero_and_beyond_the_end(void **state)
{
    struct histogram histogram = {.sum = 0};
    (void)state;
    histogram_add(&histogram, 0);
    histogram_add(&histogram, UINT64_C(1) << 40);
    struct histogram_view view = look_at(&histogram);
    assert_int_equal(2, view.count);
    assert_int_equal(1, histogram_at_most(&view, 0));
    assert_int_equal(1, histogram_at_most(&view, HISTOGRAM_POWERS));
    assert_int_equal(1, histogram_quantile(&view, 500));
    assert_int_equal(UINT64_C(1) << 40, histogram_quantile(&view, 990));
}

static void test_several_are_one(void **state)
{
    struct histogram some = {.sum = 0}, others = {.sum = 0};
    struct histogram_view view = {.count = 0};
    (void)state;
    histogram_add(&some, 3);
    histogram_add(&others, 7);
    histogram_add(&others, 2);
    histogram_look(&view, &some);
    histogram_look(&view, &others);
    assert_int_equal(3, view.count);
    assert_int_equal(12, view.sum);
    assert_int_equal(7, view.largest);
    assert_int_equal(3, histogram_quantile(&view, 500));
}

#define ADDED 50000u

static void *add_many(void *argument)
{
    for (unsigned i = 1; i <= ADDED; i++)
        histogram_add(argument, i);
    return NULL;
}

/* A thread adds 1 .. n: whoever looks meanwhile sees ever more, and all of it in the end. */
static void test_others_may_look(void **state)
{
    static struct histogram histogram;
    pthread_t thread;
    uint64_t seen = 0;
    (void)state;
    assert_int_equal(0, pthread_create(&thread, NULL, add_many, &histogram));
    for (int i = 0; i < 100; i++) {
        uint64_t count = look_at(&histogram).count;
        assert_true(count >= seen && count <= ADDED);
        seen = count;
    }
    pthread_join(thread, NULL);
    struct histogram_view view = look_at(&histogram);
    assert_int_equal(ADDED, view.count);
    assert_int_equal(UINT64_C(1) * ADDED * (ADDED + 1) / 2, view.sum);
    assert_int_equal(ADDED, view.largest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_one_has_nothing),
        cmocka_unit_test(test_small_values_are_exact),
        cmocka_unit_test(test_quantile_is_the_bound_of_a_bucket),
        cmocka_unit_test(test_powers_of_two_are_bounds),
        cmocka_unit_test(test_no_bucket_is_wider_than_an_eighth),
        cmocka_unit_test(test_zero_and_beyond_the_end),
        cmocka_unit_test(test_several_are_one),
        cmocka_unit_test(test_others_may_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
