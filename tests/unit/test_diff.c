/* Goal: a unified diff says what diff -u would, in the fewest lines, and stays bounded.
 * Method: texts whose diffs are written out by hand; large ones by their counts. */
#include "base/diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *from, const char *to, const char *expected)
{
    char *told =
        diff_unified((struct diff_text){from, strlen(from)}, (struct diff_text){to, strlen(to)});
    assert_non_null(told);
    assert_string_equal(expected, told);
    free(told);
}

static void test_equal_texts_have_none(void **state)
{
    (void)state;
    expect("", "", "");
    expect("a\nb\n", "a\nb\n", "");
}

static void test_a_file_comes_and_goes(void **state)
{
    (void)state;
    expect("", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n");
    expect("a\nb\n", "", "@@ -1,2 +0,0 @@\n-a\n-b\n");
}

/* ABCABBA to CBABAC is the example of the paper: five edits. Going down first, the way is: delete A
 * and B, insert B before the second B..., and in the end C comes. */
static void test_fewest_lines(void **state)
{
    const char *from = "A\nB\nC\nA\nB\nB\nA\n", *to = "C\nB\nA\nB\nA\nC\n";
    char *told =
        diff_unified((struct diff_text){from, strlen(from)}, (struct diff_text){to, strlen(to)});
    int edits = 0;
    (void)state;
    for (const char *line = strchr(told, '\n') + 1; *line; line = strchr(line, '\n') + 1)
        edits += *line != ' ';
    assert_int_equal(5, edits);
    free(told);
}

static void test_three_lines_around_a_change(void **state)
{
    (void)state;
    expect("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
           "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
}

/* Six unchanged lines between two changes are their surroundings, seven are not. */
static void test_near_changes_share_a_hunk(void **state)
{
    (void)state;
    expect("a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n",
           "@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n");
    expect("a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
           "@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n");
}

static void test_last_line_without_newline(void **state)
{
    (void)state;
    expect("a\nb", "a\nb\n", "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n");
}

/* 1500 lines of which every other one is another: 750 go and 750 come, more than DIFF_EDITS, so
 * all from the first to the last difference is told as replaced: lines 2 to 1500. */
static void test_too_many_edits_are_told_as_replaced(void **state)
{
    size_t size = 0, other_size = 0, minus = 0, plus = 0;
    char *from = malloc(20000), *to = malloc(20000);
    (void)state;
    for (int i = 0; i < 1500; i++) {
        size += (size_t)snprintf(from + size, 20000 - size, "%d\n", i);
        other_size +=
            (size_t)snprintf(to + other_size, 20000 - other_size, i % 2 ? "x%d\n" : "%d\n", i);
    }
    char *told = diff_unified((struct diff_text){from, size}, (struct diff_text){to, other_size});
    for (const char *line = told; *line; line = strchr(line, '\n') + 1) {
        minus += *line == '-';
        plus += *line == '+';
    }
    assert_int_equal(1499, minus);
    assert_int_equal(1499, plus);
    free(told);
    free(from);
    free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_texts_have_none),
        cmocka_unit_test(test_a_file_comes_and_goes),
        cmocka_unit_test(test_fewest_lines),
        cmocka_unit_test(test_three_lines_around_a_change),
        cmocka_unit_test(test_near_changes_share_a_hunk),
        cmocka_unit_test(test_last_line_without_newline),
        cmocka_unit_test(test_too_many_edits_are_told_as_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
