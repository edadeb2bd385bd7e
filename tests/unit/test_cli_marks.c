/* Goal: marks are found again with the line that first left them, whatever the table grew to.
 * Method: marks that share their low bits, and more of them than the first table has places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cli/marks.h"

/* Marks are hashes: they differ in all their bits (2^64 over the golden ratio). */
#define STEP UINT64_C(0x9E3779B97F4A7C15)

static void nothing_is_in_an_empty_set(void **state)
{
    struct marks marks = {.at = NULL};
    (void)state;
    assert_int_equal(marks_find(&marks, 0), 0);
    marks_free(&marks);
}

static void marks_keep_their_first_line(void **state)
{
    struct marks marks = {.at = NULL};
    (void)state;
    for (uint64_t i = 0; i < 100000; i++)
        marks_add(&marks, i * STEP, i + 2);
    marks_add(&marks, 7 * STEP, 1);
    for (uint64_t i = 0; i < 100000; i++)
        assert_int_equal(marks_find(&marks, i * STEP), i + 2);
    assert_int_equal(marks_find(&marks, 1), 0);
    /* 131072 places are three quarters full at 98304, so that 262144 are needed: 4 MiB. */
    assert_int_equal(marks.places, 262144);
    marks_free(&marks);
}

int main(void)
{
    const struct CMUnitTest stories[] = {cmocka_unit_test(nothing_is_in_an_empty_set),
                                         cmocka_unit_test(marks_keep_their_first_line)};
    return cmocka_run_group_tests(stories, NULL, NULL);
}
