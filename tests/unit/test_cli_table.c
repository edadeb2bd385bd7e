/* Tables, widths and the progress line: what people see, column by column. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/progress.h"
#include "cli/table.h"

struct fixture {
    msgpack_zone *zone;
    struct text out;
    struct table_style style;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    text_use_utf8();
    f->zone = msgpack_zone_new(MSGPACK_ZONE_CHUNK_SIZE);
    *state = f;
    return f->zone ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    msgpack_zone_free(f->zone);
    text_free(&f->out);
    free(f);
    return 0;
}

static void assert_table(struct fixture *f, const char *json, const char *expected)
{
    msgpack_object value;
    char why[256];
    assert_true(json_read(json, strlen(json), f->zone, &value, why, sizeof why));
    f->out.length = 0;
    table_write(&f->out, &value, &f->style);
    assert_string_equal(expected, f->out.at);
}

/* --- Text --- */

static void test_width(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t width;
    } cases[] = {
        {"", 0},
        {"order", 5},
        {"订单", 4},
        {"é", 1},
        {"e\xcc\x81", 1},
        {"😀", 2},
        {"ﬀ", 1},
        /* A byte that is no UTF-8 takes a column, as the terminal's replacement does. */
        {"a\xff", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(cases[i].width, text_width(cases[i].text, strlen(cases[i].text)));
}

static void test_fit_cuts_between_characters(void **state)
{
    (void)state;
    const char *text = "a订单b";
    static const size_t bytes[] = {0, 1, 1, 4, 4, 7, 8, 8};
    for (size_t width = 0; width < sizeof bytes / sizeof bytes[0]; width++)
        assert_int_equal(bytes[width], text_fit(text, strlen(text), width));
}

static void test_safe_text(void **state)
{
    struct fixture *f = *state;
    static const char rude[] = "a\nb\tc\x1b[2Jd\xe2\x80\xae"
                               "e\xff\xc2\x9b";
    text_add_safe(&f->out, rude, sizeof rude - 1);
    assert_string_equal("a\\nb\\tc\\x1b[2Jd\\u202ee\\xff\\u009b", f->out.at);
}

/* --- Tables --- */

static void test_numbers_stand_right(void **state)
{
    assert_table(*state,
                 "{\"rows\": [{\"account\": \"1000\", \"name\": \"Cash\", \"balance\": \"12.50\"},"
                 "{\"account\": \"70\", \"name\": \"Sales\", \"balance\": \"-1200.00\"}]}",
                 "account  name    balance\n"
                 "-------  -----  --------\n"
                 "   1000  Cash      12.50\n"
                 "     70  Sales  -1200.00\n");
}

static void test_wide_characters_keep_the_columns(void **state)
{
    assert_table(*state,
                 "[{\"name\": \"轴承 6204\", \"qty\": 12}, {\"name\": \"Bolt 😀\", \"qty\": 3},"
                 "{\"name\": \"Café\", \"qty\": 100}]",
                 "name       qty\n"
                 "---------  ---\n"
                 "轴承 6204   12\n"
                 "Bolt 😀      3\n"
                 "Café       100\n");
}

static void test_missing_and_empty_cells(void **state)
{
    /* No blanks at a line's end; a column that first appears in a later row is there. */
    assert_table(*state, "[{\"a\": \"x\", \"b\": null}, {\"a\": null, \"c\": true}, {}]",
                 "a  b  c\n"
                 "-  -  ---\n"
                 "x\n"
                 "      yes\n"
                 "\n");
}

static void test_nothing_is_cut_without_a_terminal(void **state)
{
    struct fixture *f = *state;
    static const char json[] = "[{\"text\": \"0123456789订单0123456789\"}]";
    assert_table(f, json,
                 "text\n"
                 "------------------------\n"
                 "0123456789订单0123456789\n");
    f->style.cell_width = 12;
    assert_table(f, json,
                 "text\n"
                 "-----------\n"
                 "0123456789…\n");
}

static void test_language(void **state)
{
    struct fixture *f = *state;
    static const char json[] =
        "{\"modules\": [{\"name\": \"sales\", \"enabled\": true, \"summary\": \"Orders\","
        "\"summary_zh\": \"订单\", \"label\": {\"en\": \"Sales\", \"zh\": \"销售\"}}]}";
    assert_table(f, json,
                 "name   enabled  summary  label\n"
                 "-----  -------  -------  -----\n"
                 "sales  yes      Orders   Sales\n");
    f->style.chinese = true;
    assert_table(f, json,
                 "name   enabled  summary  label\n"
                 "-----  -------  -------  -----\n"
                 "sales  是       订单     销售\n");
}

static void test_record_with_lines(void **state)
{
    assert_table(*state,
                 "{\"id\": 7, \"number\": \"SO2026-00007\", \"lines\": ["
                 "{\"product\": 3, \"price\": \"9.90\"}, {\"product\": 12, \"price\": \"100.00\"}],"
                 "\"tags\": [\"a\", \"b\"], \"note\": null, \"deep\": {\"x\": 1}}",
                 "id:     7\n"
                 "number: SO2026-00007\n"
                 "lines:\n"
                 "  product   price\n"
                 "  -------  ------\n"
                 "        3    9.90\n"
                 "       12  100.00\n"
                 "tags:   a, b\n"
                 "note:\n"
                 "deep:\n"
                 "  x: 1\n");
}

static void test_lists_inside_cells_are_counted(void **state)
{
    assert_table(*state, "[{\"n\": 1, \"lines\": [{}, {}], \"tags\": [\"x\", \"y\"]}]",
                 "n  lines    tags\n"
                 "-  -------  ----\n"
                 "1  2 items  x, y\n");
    /* Declared things go by their names. */
    assert_table(
        *state,
        "[{\"n\": 1, \"choices\": [{\"name\": \"a\", \"label\": {\"en\": \"A\", \"zh\": \"甲\"}},"
        "{\"name\": \"b\", \"label\": {\"en\": \"B\", \"zh\": \"乙\"}}]}]",
        "n  choices\n"
        "-  -------\n"
        "1  a, b\n");
}

static void test_small_answers(void **state)
{
    assert_table(*state, "{\"records\": []}", "(none)\n");
    assert_table(*state, "{}", "(none)\n");
    assert_table(*state, "42", "42\n");
    assert_table(*state, "\"a\\u001b[2J\"", "a\\x1b[2J\n");
    assert_table(*state, "[\"a\", \"b\"]", "a\nb\n");
    assert_table(*state, "{\"count\": 3}", "count: 3\n");
}

/* --- The progress line --- */

static const char *line_of(struct fixture *f, const struct progress_state *state, size_t width)
{
    f->out.length = 0;
    progress_line(&f->out, state, width);
    assert_true(text_width(f->out.at, f->out.length) < width);
    return f->out.at;
}

/* 500 rows in 2 s are 250/s; 25 of 100 bytes took 2 s, so 75 take 6 s. */
static void test_progress(void **state)
{
    const struct progress_state quarter = {
        .name = "parts.csv", .rows = 500, .done = 25, .total = 100, .elapsed_us = 2000000};
    /* 71 columns are usable, 42 taken by the texts: 29 for the bar, 4 of them around it. */
    assert_string_equal("parts.csv  [######-------------------]   25%  500 rows  250/s  "
                        "ETA 0:06",
                        line_of(*state, &quarter, 72));
    assert_string_equal("parts.csv   25%  500 rows  250/s  ETA 0:06",
                        line_of(*state, &quarter, 50));
    assert_string_equal(" 25%  500 rows  250/s  ETA 0:06", line_of(*state, &quarter, 33));
    assert_string_equal("parts.csv   25%  500 rows", line_of(*state, &quarter, 28));
    assert_string_equal(" 25%  500 rows", line_of(*state, &quarter, 16));
    for (size_t width = 1; width < 200; width++)
        line_of(*state, &quarter, width);
}

static void test_progress_of_a_pipe(void **state)
{
    const struct progress_state pipe = {
        .name = "stdin", .rows = 10, .failed = 2, .done = 25, .elapsed_us = 100};
    assert_string_equal("stdin  10 rows, 2 failed", line_of(*state, &pipe, 80));
}

static void test_progress_in_chinese(void **state)
{
    const struct progress_state half = {.name = "一个名字很长很长很长很长很长很长的文件.csv",
                                        .rows = 7200,
                                        .failed = 1,
                                        .done = 1,
                                        .total = 2,
                                        .elapsed_us = INT64_C(3600) * 1000000,
                                        .chinese = true};
    assert_string_equal(
        "一个名字很长很长很长很长很长…   50%  7200 行，1 行失败  2/秒  剩余 1:00:00",
        line_of(*state, &half, 82));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_width),
        TEST(test_fit_cuts_between_characters),
        TEST(test_safe_text),
        TEST(test_numbers_stand_right),
        TEST(test_wide_characters_keep_the_columns),
        TEST(test_missing_and_empty_cells),
        TEST(test_nothing_is_cut_without_a_terminal),
        TEST(test_language),
        TEST(test_record_with_lines),
        TEST(test_lists_inside_cells_are_counted),
        TEST(test_small_answers),
        TEST(test_progress),
        TEST(test_progress_of_a_pipe),
        TEST(test_progress_in_chinese),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
