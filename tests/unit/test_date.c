/* Goal: days, months and instants follow the proleptic Gregorian calendar; the test clock fixes the
 * day alone. Method: known days, and a walk over all 3 652 059 days of the years 1 to 9999 beside a
 * calendar that only counts. */
#include "base/clock.h"
#include "kontor/date.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define US_PER_DAY INT64_C(86400000000)

static kt_date day(const char *text)
{
    kt_date date = 0;
    assert_true(kt_date_parse(text, strlen(text), &date));
    return date;
}

static void expect_day(const char *text, kt_date date)
{
    char got[KT_DATE_TEXT_SIZE];
    assert_int_equal(strlen(text), kt_date_format(date, got));
    assert_string_equal(text, got);
}

static void known_days_have_their_numbers(void **state)
{
    (void)state;
    assert_int_equal(0, day("1970-01-01"));
    assert_int_equal(-1, day("1969-12-31"));
    assert_int_equal(11016, day("2000-02-29"));
    assert_int_equal(20780, day("2026-11-23"));
    assert_int_equal(-719162, day("0001-01-01"));
    assert_int_equal(2932896, day("9999-12-31"));
}

static void every_day_follows_the_one_before(void **state)
{
    (void)state;
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int weekday = 1; /* 0001-01-01 was a Monday. */
    kt_date expected = -719162;
    for (int year = 1; year <= 9999; year++) {
        bool leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);
        for (int month = 1; month <= 12; month++) {
            int length = lengths[month - 1] + (leap && month == 2);
            for (int of_month = 1; of_month <= length; of_month++, expected++) {
                kt_date date = INT_MIN;
                int back[3];
                assert_true(kt_date_from_civil(year, month, of_month, &date));
                kt_date_to_civil(date, &back[0], &back[1], &back[2]);
                /* One check for all, as four for each of so many days are slow. */
                if (date != expected || back[0] != year || back[1] != month ||
                    back[2] != of_month || kt_date_weekday(date) != weekday)
                    fail_msg("%04d-%02d-%02d is wrong", year, month, of_month);
                weekday = weekday % 7 + 1;
            }
            kt_date none = 77;
            assert_false(kt_date_from_civil(year, month, length + 1, &none));
            assert_int_equal(77, none);
        }
    }
    assert_int_equal(2932896 + 1, expected);
}

static void only_the_iso_form_of_a_real_day_is_read(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",           "2026-11-2",  "2026-11-233", "2026-1-23",  "26-11-23",   "2026/11/23",
        "20261123",   "2026-13-01", "2026-00-10",  "2026-02-29", "2026-04-31", "2026-01-00",
        "0000-01-01", "+026-01-01", "-001-01-01",  "2026-1 -01", " 2026-1-01", "2026-01-0x",
        "2026-0a-01", "202:-01-01", "2026-01-01Z", "1900-02-29", "2026-01-32"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        kt_date out = 77;
        assert_false(kt_date_parse(wrong[i], strlen(wrong[i]), &out));
        assert_int_equal(77, out);
    }
    expect_day("2024-02-29", day("2024-02-29"));
    expect_day("0001-01-01", day("0001-01-01"));
}

static void days_outside_the_calendar_are_written_whole(void **state)
{
    (void)state;
    expect_day("0000-12-31", day("0001-01-01") - 1);
    expect_day("10000-01-01", day("9999-12-31") + 1);
    expect_day("-5877641-06-23", INT32_MIN);
    expect_day("5881580-07-11", INT32_MAX);
}

static void months_end_where_the_day_is_missing(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        int months;
        const char *to;
    } cases[] = {
        {"2026-11-23", 1, "2026-12-23"},       {"2026-11-23", 2, "2027-01-23"},
        {"2026-01-31", 1, "2026-02-28"},       {"2024-01-31", 1, "2024-02-29"},
        {"2024-02-29", 12, "2025-02-28"},      {"2024-02-29", 48, "2028-02-29"},
        {"2026-03-31", -1, "2026-02-28"},      {"2026-01-15", -1, "2025-12-15"},
        {"2026-01-15", -13, "2024-12-15"},     {"2026-05-31", 0, "2026-05-31"},
        {"2026-05-31", 1, "2026-06-30"},       {"9999-12-31", 1, "9999-12-31"},
        {"0001-01-31", -1, "0001-01-01"},      {"2026-05-31", INT_MAX, "9999-12-31"},
        {"2026-05-31", INT_MIN, "0001-01-01"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_day(cases[i].to, kt_date_add_months(day(cases[i].from), cases[i].months));
}

static void weekdays_count_from_monday(void **state)
{
    (void)state;
    assert_int_equal(4, kt_date_weekday(day("1970-01-01")));
    assert_int_equal(1, kt_date_weekday(day("2026-11-23")));
    assert_int_equal(7, kt_date_weekday(day("2026-11-22")));
    assert_in_range(kt_date_weekday(INT32_MIN), 1, 7);
    assert_in_range(kt_date_weekday(INT32_MAX), 1, 7);
}

static void expect_instant(const char *text, kt_instant_us at)
{
    char got[KT_INSTANT_TEXT_SIZE];
    assert_int_equal(strlen(text), kt_instant_format(at, got));
    assert_string_equal(text, got);
}

static void instants_are_written_in_utc(void **state)
{
    (void)state;
    expect_instant("1970-01-01T00:00:00.000000Z", 0);
    expect_instant("1969-12-31T23:59:59.999999Z", -1);
    /* 20780 days, 17 h 20 min 0.123456 s. */
    expect_instant("2026-11-23T17:20:00.123456Z", 20780 * US_PER_DAY + INT64_C(62400123456));
    expect_instant("-290308-12-21T19:59:05.224192Z", INT64_MIN);
    expect_instant("294247-01-10T04:00:54.775807Z", INT64_MAX);
    assert_int_equal(0, kt_date_of_instant(US_PER_DAY - 1));
    assert_int_equal(1, kt_date_of_instant(US_PER_DAY));
    assert_int_equal(-1, kt_date_of_instant(-1));
    assert_int_equal(-1, kt_date_of_instant(-US_PER_DAY));
    assert_int_equal(-2, kt_date_of_instant(-US_PER_DAY - 1));
}

static int64_t real_now_us(void)
{
    struct timespec now;
    assert_int_equal(0, clock_gettime(CLOCK_REALTIME, &now));
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static void the_clock_tells_the_time(void **state)
{
    (void)state;
    assert_int_equal(0, unsetenv("KONTOR_TEST_NOW"));
    int64_t before = real_now_us();
    kt_instant_us now = clock_now();
    int64_t after = real_now_us();
    assert_true(before <= now && now <= after);
    int64_t earlier = clock_monotonic_us();
    assert_true(clock_monotonic_us() >= earlier);
}

static void a_test_day_stands_while_its_time_goes_on(void **state)
{
    (void)state;
    static const char *const days[] = {"2026-11-23", "1969-07-20", "0001-01-01", "9999-12-31"};
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
        assert_int_equal(0, setenv("KONTOR_TEST_NOW", days[i], 1));
        int64_t before = real_now_us();
        kt_instant_us now = clock_now();
        int64_t after = real_now_us();
        expect_day(days[i], kt_date_of_instant(now));
        int64_t of_day = now - kt_date_of_instant(now) * US_PER_DAY;
        /* At midnight the time of day begins again. */
        if (kt_date_of_instant(before) == kt_date_of_instant(after))
            assert_true(before % US_PER_DAY <= of_day && of_day <= after % US_PER_DAY);
    }
    assert_int_equal(0, unsetenv("KONTOR_TEST_NOW"));
}

static void a_test_day_that_is_none_is_ignored(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "today", "2026-02-30", "2026-11-23T00:00:00Z"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(0, setenv("KONTOR_TEST_NOW", wrong[i], 1));
        int64_t before = real_now_us();
        assert_true(clock_now() >= before);
    }
    assert_int_equal(0, unsetenv("KONTOR_TEST_NOW"));
}

static void instants_are_read_as_iso_8601(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        kt_instant_us us; /* After 2026-11-23T00:00Z, day 20780. */
    } good[] = {
        {"2026-11-23", 0},
        {"2026-11-23T17:20", INT64_C(62400) * 1000000},
        {"2026-11-23 17:20:01", INT64_C(62401) * 1000000},
        {"2026-11-23T17:20:00.123456Z", INT64_C(62400123456)},
        {"2026-11-23T17:20:00.5Z", INT64_C(62400500000)},
        {"2026-11-24T01:20+08:00", INT64_C(62400) * 1000000},
        {"2026-11-23T11:50:00-05:30", INT64_C(62400) * 1000000},
    };
    static const char *const bad[] = {
        "",
        "2026-02-30",
        "2026-11-23T",
        "2026-11-23T24:00",
        "2026-11-23T17",
        "2026-11-23T17:60",
        "2026-11-23T17:20:60",
        "2026-11-23T17:20:00.",
        "2026-11-23T17:20z",
        "2026-11-23T17:20+08",
        "2026-11-23T17:20+0800",
        "2026-11-23x17:20",
        "2026-11-23T17:20:0",
        "23.11.2026 17:20",
        "2026-11-23T17:20:00.1234567Z",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        kt_instant_us at = 0;
        assert_true(kt_instant_parse(good[i].text, strlen(good[i].text), &at));
        assert_int_equal(at, 20780 * US_PER_DAY + good[i].us);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        kt_instant_us at = 7;
        assert_false(kt_instant_parse(bad[i], strlen(bad[i]), &at));
        assert_int_equal(at, 7);
    }
}

/* 2026-01-01 is a Thursday; 2024 has a 29 February; before 1970 days count backwards. */
static void spans_begin_on_their_first_day(void **state)
{
    (void)state;
    static const char *const days[][5] = {
        /* day, Monday, month, quarter, year */
        {"2026-01-01", "2025-12-29", "2026-01-01", "2026-01-01", "2026-01-01"},
        {"2026-01-04", "2025-12-29", "2026-01-01", "2026-01-01", "2026-01-01"},
        {"2026-01-05", "2026-01-05", "2026-01-01", "2026-01-01", "2026-01-01"},
        {"2024-02-29", "2024-02-26", "2024-02-01", "2024-01-01", "2024-01-01"},
        {"2026-03-31", "2026-03-30", "2026-03-01", "2026-01-01", "2026-01-01"},
        {"2026-04-01", "2026-03-30", "2026-04-01", "2026-04-01", "2026-01-01"},
        {"2026-12-31", "2026-12-28", "2026-12-01", "2026-10-01", "2026-01-01"},
        {"1969-07-20", "1969-07-14", "1969-07-01", "1969-07-01", "1969-01-01"},
        {"0001-01-01", "0001-01-01", "0001-01-01", "0001-01-01", "0001-01-01"},
        {"9999-12-31", "9999-12-27", "9999-12-01", "9999-10-01", "9999-01-01"},
    };
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
        kt_date date;
        assert_true(kt_date_parse(days[i][0], 10, &date));
        expect_day(days[i][1], kt_date_week_start(date));
        expect_day(days[i][2], kt_date_month_start(date));
        expect_day(days[i][3], kt_date_quarter_start(date));
        expect_day(days[i][4], kt_date_year_start(date));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instants_are_read_as_iso_8601),
        cmocka_unit_test(known_days_have_their_numbers),
        cmocka_unit_test(every_day_follows_the_one_before),
        cmocka_unit_test(only_the_iso_form_of_a_real_day_is_read),
        cmocka_unit_test(days_outside_the_calendar_are_written_whole),
        cmocka_unit_test(months_end_where_the_day_is_missing),
        cmocka_unit_test(weekdays_count_from_monday),
        cmocka_unit_test(spans_begin_on_their_first_day),
        cmocka_unit_test(instants_are_written_in_utc),
        cmocka_unit_test(the_clock_tells_the_time),
        cmocka_unit_test(a_test_day_stands_while_its_time_goes_on),
        cmocka_unit_test(a_test_day_that_is_none_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
