/* Rows of CSV files: cells, and above all the line each row begins on, for that is what people are
 * told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/rows.h"
#include "cli/text.h"

/* "LINE:cell|cell/" for each row, then how it ended. */
static void describe(const char *bytes, size_t size, char delimiter, struct text *out)
{
    static const char *const ends[] = {"ok",        "end",        "malformed at ",
                                       "too large", "unreadable", "not UTF-8"};
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(size, fwrite(bytes, 1, size, file));
    rewind(file);
    struct rows *rows = rows_new(file, delimiter);
    struct row *row;
    enum rows_status status;
    uint64_t offset = 0;
    while ((status = rows_next(rows, &row)) == ROWS_OK) {
        text_add_format(out, "%" PRIu64 ":", row->line);
        for (uint32_t i = 0; i < row->count; i++) {
            if (i > 0)
                text_add_word(out, "|");
            text_add(out, row->cells[i].via.str.ptr, row->cells[i].via.str.size);
        }
        text_add_word(out, "/");
        assert_true(row->end_offset > offset && row->end_offset <= size);
        offset = row->end_offset;
        free(row);
    }
    text_add_word(out, ends[status]);
    if (status == ROWS_MALFORMED)
        text_add_format(out, "%" PRIu64, rows_line(rows));
    assert_int_equal(status, rows_next(rows, &row));
    assert_null(row);
    rows_free(rows);
    fclose(file);
}

static void assert_rows_by(char delimiter, const char *file, const char *expected)
{
    struct text out = {.at = NULL};
    describe(file, strlen(file), delimiter, &out);
    assert_string_equal(expected, out.at);
    text_free(&out);
}

static void assert_rows(const char *file, const char *expected)
{
    assert_rows_by(',', file, expected);
}

static void test_plain(void **state)
{
    (void)state;
    assert_rows("a,b\n1,2\n3,4\n", "1:a|b/2:1|2/3:3|4/end");
    assert_rows("a,b\n1,2", "1:a|b/2:1|2/end");
    assert_rows("a,b\r\n1,2\r\n", "1:a|b/2:1|2/end");
    assert_rows("a\r1\r2\n3", "1:a/2:1/3:2/4:3/end");
    assert_rows("a,,\n,,\n", "1:a||/2:||/end");
    assert_rows(" a , b c \n", "1:a|b c/end");
    assert_rows("", "end");
    assert_rows("\n\r\n", "end");
}

static void test_byte_order_mark(void **state)
{
    (void)state;
    assert_rows("\xef\xbb\xbf"
                "a,b\n1,2\n",
                "1:a|b/2:1|2/end");
    assert_rows("\xef\xbb\xbf\"a\",b\n", "1:a|b/end");
    assert_rows("\xef\xbb\xbf", "end");
    assert_rows("\xff\xfe"
                "a,b",
                "not UTF-8");
}

static void test_quotes(void **state)
{
    (void)state;
    assert_rows("\"a,b\",\"say \"\"hi\"\"\",\"\"\n", "1:a,b|say \"hi\"|/end");
    assert_rows("\" a \",b\n", "1: a |b/end");
}

static void test_lines_are_counted_through_quotes(void **state)
{
    (void)state;
    assert_rows("a\n\"1\n2\n3\"\nb\n", "1:a/2:1\n2\n3/5:b/end");
    assert_rows("a\r\n\"1\r\n2\"\r\nb\r\n", "1:a/2:1\r\n2/4:b/end");
    assert_rows("\"\n\n\n\"\nb", "1:\n\n\n/5:b/end");
    assert_rows("a,\"x\n\ny\",c\nd\n", "1:a|x\n\ny|c/4:d/end");
}

static void test_empty_lines_are_counted_and_no_rows(void **state)
{
    (void)state;
    assert_rows("\n\na\n  \n\t\nb\n\n", "3:a/6:b/end");
    assert_rows("a\r\n\r\n\r\nb\r\n", "1:a/4:b/end");
}

static void test_delimiters(void **state)
{
    (void)state;
    assert_rows_by(';', "a;b,c\n1;\"2;3\"\n", "1:a|b,c/2:1|2;3/end");
    assert_rows_by('\t', "a\tb c\n\t\n", "1:a|b c/2:|/end");
}

static void test_malformed(void **state)
{
    (void)state;
    assert_rows("a\nb\"c\nd\n", "1:a/malformed at 2");
    assert_rows("a\n\n\"b\"c\nd\n", "1:a/malformed at 3");
    /* Never closed: where it began says more than where the file ends. */
    assert_rows("a\n\"b\nc\nd\n", "1:a/malformed at 2");
}

/* Rows of all sizes around the buffer's: whatever falls onto its edge. */
static void test_over_the_edge_of_the_buffer(void **state)
{
    (void)state;
    struct text file = {.at = NULL};
    struct text expected = {.at = NULL};
    struct text out = {.at = NULL};
    uint64_t line = 1;
    for (unsigned i = 0; file.length < 400000; i++) {
        text_add_format(&expected, "%" PRIu64 ":%u|x\n\"y\r\nz|", line, i);
        text_add_format(&file, "%u,\"x\n\"\"y\r\nz\",\"", i);
        for (unsigned k = 0; k < i * 7919 % 1021; k++) {
            text_add_word(&file, "w");
            text_add_word(&expected, "w");
        }
        text_add_word(&file, "\"\r\n");
        text_add_word(&expected, "/");
        line += 3;
    }
    text_add_word(&expected, "end");
    describe(file.at, file.length, ',', &out);
    assert_string_equal(expected.at, out.at);
    text_free(&file);
    text_free(&expected);
    text_free(&out);
}

static void test_a_row_has_a_largest_size(void **state)
{
    (void)state;
    struct text file = {.at = NULL};
    struct text out = {.at = NULL};
    text_add_word(&file, "a\n\"");
    while (file.length < ROW_BYTES_MAX + 200000)
        text_add_word(&file, "0123456789\n");
    describe(file.at, file.length, ',', &out);
    assert_string_equal("1:a/too large", out.at);
    text_free(&file);
    text_free(&out);
}

static void test_unreadable(void **state)
{
    (void)state;
    FILE *folder = fopen("/tmp", "re");
    assert_non_null(folder);
    struct rows *rows = rows_new(folder, ',');
    struct row *row;
    assert_int_equal(ROWS_UNREADABLE, rows_next(rows, &row));
    rows_free(rows);
    fclose(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_byte_order_mark),
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_lines_are_counted_through_quotes),
        cmocka_unit_test(test_empty_lines_are_counted_and_no_rows),
        cmocka_unit_test(test_delimiters),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_over_the_edge_of_the_buffer),
        cmocka_unit_test(test_a_row_has_a_largest_size),
        cmocka_unit_test(test_unreadable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
