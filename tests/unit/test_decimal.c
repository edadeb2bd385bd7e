/* Goal: decimals do what kontor/decimal.h says, at the cases a bookkeeper knows and at the edges.
 * Method: hand-worked stories; decimal_property.py has the million random ones, but cannot reach
 * the rarest branches of the long division, which have a test of their own here. */
#include "base/decimal_wide.h"
#include "kontor/decimal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NINES "99999999999999999999999999999999999999" /* 38 digits, the largest coefficient */

static struct kt_decimal number(const char *text)
{
    struct kt_decimal value;
    if (strcmp(text, "invalid") == 0)
        return kt_decimal_invalid();
    assert_true(kt_decimal_parse(text, strlen(text), &value));
    return value;
}

static void expect(const char *text, struct kt_decimal value)
{
    char got[KT_DECIMAL_TEXT_SIZE];
    size_t length = kt_decimal_format(value, got);
    assert_string_equal(text, got);
    assert_int_equal(strlen(got), length);
}

static void text_comes_back_as_it_was(void **state)
{
    (void)state;
    static const char *const texts[] = {"0",   "0.00",   "12.50",       "-12.50",
                                        "100", "-0.001", "1234567.890", "0.000000000000000001",
                                        NINES, "-" NINES};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        expect(texts[i], number(texts[i]));
    expect("99999999999999999999.999999999999999999",
           number("99999999999999999999.999999999999999999"));
}

static void reading_forgives_only_zeros_and_a_negative_nothing(void **state)
{
    (void)state;
    expect("7.50", number("0000000000000000000000000000000000000000000007.50"));
    expect("0", number("-0"));
    expect("0.00", number("-0.00"));
}

static void what_is_no_plain_number_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "-",
                                        ".",
                                        "-.",
                                        ".5",
                                        "5.",
                                        "-.5",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "1e3",
                                        "1,5",
                                        "1.2.3",
                                        "--1",
                                        "1-",
                                        "0x10",
                                        "NaN",
                                        "invalid",
                                        "1_000",
                                        "\xc2\xb2",
                                        "1" NINES,
                                        NINES ".0",
                                        "0.0000000000000000001", /* 19 digits after the point */
                                        "0.0000000000000000000"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct kt_decimal out = kt_decimal_from_int(77);
        assert_false(kt_decimal_parse(wrong[i], strlen(wrong[i]), &out));
        expect("77", out);
    }
    struct kt_decimal out = kt_decimal_from_int(77);
    assert_false(kt_decimal_parse("1\0002", 3, &out));
    /* The length counts, not a NUL. */
    assert_true(kt_decimal_parse("12.345", 4, &out));
    expect("12.3", out);
}

static void integers_of_64_bits_fit(void **state)
{
    (void)state;
    expect("9223372036854775807", kt_decimal_from_int(INT64_MAX));
    expect("-9223372036854775808", kt_decimal_from_int(INT64_MIN));
    expect("9223372036854775808", kt_decimal_neg(kt_decimal_from_int(INT64_MIN)));
    expect("9223372036854775808", kt_decimal_abs(kt_decimal_from_int(INT64_MIN)));
}

static void sums_are_exact_at_the_larger_scale(void **state)
{
    (void)state;
    expect("0.30", kt_decimal_add(number("0.1"), number("0.20")));
    expect("-0.995", kt_decimal_sub(number("0.005"), number("1")));
    expect("0.00", kt_decimal_sub(number("5"), number("5.00")));
}

static void a_sum_is_valid_if_38_digits_can_hold_it(void **state)
{
    (void)state;
    /* 10^37 has 38 digits, its scale 1 would need 39; the sum has 38 again. */
    expect("9999999999999999999999999999999999999.9",
           kt_decimal_sub(number("10000000000000000000000000000000000000"), number("0.1")));
    /* At scale 18 this needs 56 digits, 18 of them zeros that need not be written. */
    expect(NINES, kt_decimal_add(number(NINES), number("0.000000000000000000")));
    expect("-" NINES, kt_decimal_sub(number("0.00"), number(NINES)));
    /* (10^38 - 1) - (10^20 - 1) */
    expect("99999999999999999900000000000000000000",
           kt_decimal_sub(number(NINES), number("99999999999999999999.000000000000000000")));
    expect("invalid", kt_decimal_add(number(NINES), number("1")));
    expect("invalid", kt_decimal_sub(number("-" NINES), number("1")));
    expect("invalid", kt_decimal_add(number(NINES), number("0.000000000000000001")));
    expect("invalid", kt_decimal_add(number(NINES), number(NINES)));
}

/* 2.5, -2.5, 3.5, 2.4 and 2.6 to whole numbers, as Python's decimal documents its modes. */
static void other_roundings(void **state)
{
    static const char *const values[] = {"2.5", "-2.5", "3.5", "2.4", "-2.6", "2.0"};
    static const char *const right[][6] = {
        [KT_ROUND_HALF_AWAY] = {"3", "-3", "4", "2", "-3", "2"},
        [KT_ROUND_HALF_EVEN] = {"2", "-2", "4", "2", "-3", "2"},
        [KT_ROUND_HALF_DOWN] = {"2", "-2", "3", "2", "-3", "2"},
        [KT_ROUND_UP] = {"3", "-3", "4", "3", "-3", "2"},
        [KT_ROUND_DOWN] = {"2", "-2", "3", "2", "-2", "2"},
        [KT_ROUND_CEILING] = {"3", "-2", "4", "3", "-2", "2"},
        [KT_ROUND_FLOOR] = {"2", "-3", "3", "2", "-3", "2"},
    };
    (void)state;
    for (int mode = KT_ROUND_HALF_AWAY; mode <= KT_ROUND_FLOOR; mode++)
        for (size_t i = 0; i < 6; i++)
            expect(right[mode][i],
                   kt_decimal_round_by(number(values[i]), 0, (enum kt_rounding)mode));
    /* 10 / 3 and 20 / 3 at two digits; the sign of the quotient counts, not of its parts. */
    struct kt_decimal one = number("1"), three = number("3"), minus = number("-3");
    expect("3.34", kt_decimal_mul_div_by(number("10"), one, three, 2, KT_ROUND_CEILING));
    expect("-3.34", kt_decimal_mul_div_by(number("10"), one, minus, 2, KT_ROUND_FLOOR));
    expect("-3.33", kt_decimal_mul_div_by(number("10"), one, minus, 2, KT_ROUND_CEILING));
    expect("6.66", kt_decimal_mul_div_by(number("20"), one, three, 2, KT_ROUND_DOWN));
    expect("invalid", kt_decimal_mul_div_by(one, one, number("0"), 2, KT_ROUND_DOWN));
}

static void rounding_is_half_away_from_zero(void **state)
{
    (void)state;
    expect("1.01", kt_decimal_round(number("1.005"), 2));
    expect("-1.01", kt_decimal_round(number("-1.005"), 2));
    expect("1.00", kt_decimal_round(number("1.004999999999999999"), 2));
    expect("3", kt_decimal_round(number("2.5"), 0)); /* To even would give 2. */
    expect("-3", kt_decimal_round(number("-2.5"), 0));
    expect("0.00", kt_decimal_round(number("-0.004"), 2)); /* Never -0.00. */
    expect("12.50", kt_decimal_round(number("12.5"), 2));
    expect("invalid", kt_decimal_round(number(NINES), 1));
    expect("10000000000000000000000000000000000000",
           kt_decimal_round(number("9999999999999999999999999999999999999.5"), 0));
    expect("invalid", kt_decimal_round(number("1"), -1));
    expect("invalid", kt_decimal_round(number("1"), KT_DECIMAL_SCALE_MAX + 1));
}

static void trimming_keeps_what_is_asked_for(void **state)
{
    (void)state;
    expect("12.5", kt_decimal_trim(number("12.500"), 0));
    expect("12.50", kt_decimal_trim(number("12.500"), 2));
    expect("100", kt_decimal_trim(number("100.00"), 0)); /* Only zeros after the point. */
    expect("7", kt_decimal_trim(number("7"), 2));        /* Nothing is added. */
    expect("0", kt_decimal_trim(number("0.000"), -5));
    expect("-0.5", kt_decimal_trim(number("-0.50"), 0));
}

static void products_round_once(void **state)
{
    (void)state;
    /* 3 pieces at 19.99 less 7.5 %: 3 * 19.99 = 59.97; 59.97 * 0.925 = 55.47225. */
    expect("55.47", kt_decimal_mul(number("59.97"), number("0.925"), 2));
    expect("3.38", kt_decimal_mul(number("1.5"), number("2.25"), 2)); /* 3.375 */
    expect("-3.38", kt_decimal_mul(number("1.5"), number("-2.25"), 2));
    expect("3.37500", kt_decimal_mul(number("1.5"), number("2.25"), 5));
    /* (10^38 - 1) * 10^-18 times 1000 is (10^38 - 1) * 10^-15; the coefficients' product has 59
     * digits on the way. */
    expect("99999999999999999999999.999999999999999",
           kt_decimal_mul(number("99999999999999999999.999999999999999999"),
                          number("1000.000000000000000000"), 15));
    expect("100000000000000000000000.00",
           kt_decimal_mul(number("99999999999999999999.999999999999999999"),
                          number("1000.000000000000000000"), 2));
    expect("invalid", kt_decimal_mul(number(NINES), number("2"), 0));
    expect("invalid", kt_decimal_mul(number(NINES), number(NINES), 0));
}

static void quotients_round_once(void **state)
{
    (void)state;
    expect("3.33", kt_decimal_div(number("10"), number("3"), 2));
    expect("6.67", kt_decimal_div(number("20"), number("3"), 2));
    expect("-0.13", kt_decimal_div(number("-1"), number("8"), 2)); /* 0.125 */
    expect("0.5",
           kt_decimal_div(number("-0.000000000000000001"), number("-0.000000000000000002"), 1));
    expect("1", kt_decimal_div(number(NINES), number(NINES), 0));
    expect("0.000000000000000000", kt_decimal_div(number("1"), number(NINES), 18));
    expect("invalid", kt_decimal_div(number("1"), number("0.00"), 2));
    expect("invalid", kt_decimal_div(number("0"), number("0"), 2));
    expect("invalid", kt_decimal_div(number(NINES), number("0.1"), 0));
}

static void percentages_round_only_at_the_end(void **state)
{
    (void)state;
    /* 19 % tax on 12.97: 12.97 * 19 / 100 = 2.4643. */
    expect("2.46", kt_decimal_mul_div(number("12.97"), number("19"), number("100"), 2));
    /* A third of a third: 1/3 first to 2 digits would give 0.33 * 3 = 0.99. */
    expect("1.00", kt_decimal_mul_div(number("1"), number("3"), number("3"), 2));
    /* The product alone has 76 digits; the scale takes 36 more: 373 bits. */
    expect(NINES, kt_decimal_mul_div(number(NINES), number(NINES), number(NINES), 0));
    expect("99999999999999999999.999999999999999999",
           kt_decimal_mul_div(number("99999999999999999999.999999999999999999"), number(NINES),
                              number(NINES), 18));
    expect("99999999999999999999.999999999999999999",
           kt_decimal_mul_div(number(NINES), number("99999999999999999999.999999999999999999"),
                              number(NINES), 18));
    expect("invalid",
           kt_decimal_mul_div(number(NINES), number(NINES), number("0.000000000000000001"), 18));
    expect("invalid", kt_decimal_mul_div(number("1"), number("1"), number("0"), 2));
    expect("invalid", kt_decimal_mul_div(number("1"), number("1"), number("1"), 19));
}

static void values_compare_whatever_their_scale(void **state)
{
    (void)state;
    assert_int_equal(0, kt_decimal_compare(number("2.0"), number("2")));
    assert_int_equal(-1, kt_decimal_compare(number("-2"), number("1.99")));
    assert_int_equal(1, kt_decimal_compare(number("2.01"), number("2")));
    /* At one scale these need 56 digits. */
    assert_int_equal(1, kt_decimal_compare(number(NINES), number("1.000000000000000000")));
    assert_int_equal(-1, kt_decimal_compare(number("-" NINES), number("1.000000000000000000")));
    assert_int_equal(-1, kt_decimal_compare(number("-" NINES), number("-1.000000000000000000")));
    expect("-1", kt_decimal_min(number("-1"), number("2")));
    expect("2.0", kt_decimal_min(number("2.0"), number("2")));
    assert_int_equal(-1, kt_decimal_sign(number("-0.01")));
    assert_int_equal(0, kt_decimal_sign(number("0.00")));
    assert_true(kt_decimal_is_zero(number("-0.00")));
}

static void the_invalid_value_sticks_and_equals_nothing(void **state)
{
    (void)state;
    const struct kt_decimal bad = kt_decimal_invalid();
    const struct kt_decimal one = number("1");
    const struct kt_decimal results[] = {kt_decimal_add(bad, one),
                                         kt_decimal_add(one, bad),
                                         kt_decimal_sub(bad, one),
                                         kt_decimal_sub(one, bad),
                                         kt_decimal_neg(bad),
                                         kt_decimal_abs(bad),
                                         kt_decimal_mul(bad, one, 2),
                                         kt_decimal_mul(one, bad, 2),
                                         kt_decimal_div(bad, one, 2),
                                         kt_decimal_div(one, bad, 2),
                                         kt_decimal_round(bad, 2),
                                         kt_decimal_trim(bad, 2),
                                         kt_decimal_min(bad, one),
                                         kt_decimal_min(one, bad),
                                         kt_decimal_mul_div(bad, one, one, 2),
                                         kt_decimal_mul_div(one, one, bad, 2)};
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
        assert_false(kt_decimal_is_valid(results[i]));
    expect("invalid", bad);
    assert_int_equal(-1, kt_decimal_compare(bad, number("-" NINES)));
    assert_int_equal(1, kt_decimal_compare(number("-" NINES), bad));
    assert_int_not_equal(0, kt_decimal_compare(bad, bad));
    assert_int_equal(0, kt_decimal_sign(bad));
    assert_false(kt_decimal_is_zero(bad));
}

static void a_struct_that_no_operation_makes_is_invalid(void **state)
{
    (void)state;
    struct kt_decimal too_long = number(NINES);
    too_long.coefficient++;
    assert_false(kt_decimal_is_valid(too_long));
    assert_false(kt_decimal_is_valid((struct kt_decimal){1, KT_DECIMAL_SCALE_MAX + 1}));
    expect("invalid", kt_decimal_add(too_long, KT_DECIMAL_ZERO));
    expect("invalid", (struct kt_decimal){1, INT32_MAX});
    expect("invalid", kt_decimal_neg((struct kt_decimal){1, INT32_MIN}));
}

static void expect_shares(const char *total, const char *weights, int scale, const char *shares)
{
    struct kt_decimal parts[8];
    size_t count = 0;
    for (const char *at = weights; *at != '\0'; count++) {
        size_t length = strcspn(at, " ");
        assert_true(kt_decimal_parse(at, length, &parts[count]));
        at += length + (at[length] == ' ');
    }
    char got[8 * KT_DECIMAL_TEXT_SIZE] = "";
    size_t size = 0;
    assert_true(kt_decimal_allocate(number(total), parts, count, scale, parts));
    for (size_t i = 0; i < count; i++) {
        size += kt_decimal_format(parts[i], got + size);
        got[size++] = ' ';
    }
    got[size - 1] = '\0';
    assert_string_equal(shares, got);
}

static void parts_add_up_to_the_total(void **state)
{
    (void)state;
    expect_shares("100.00", "1 1 1", 2, "33.34 33.33 33.33");
    expect_shares("-100.00", "1 1 1", 2, "-33.34 -33.33 -33.33");
    /* 10.00 by 1.5 : 2.5 : 0 : 3 of 7: 2.142857, 3.571428, 0, 4.285714; 0.01 is left over and the
     * largest remainder, 0.8 of a cent, is the third's: 4.285714 - 4.28 = 0.005714, against
     * 0.002857 and 0.001428. */
    expect_shares("10", "1.5 2.50 0 3", 2, "2.14 3.57 0.00 4.29");
    /* Freight of 0.02 over five equal lines: the first two carry it. */
    expect_shares("0.02", "7 7 7 7 7", 2, "0.01 0.01 0.00 0.00 0.00");
    expect_shares("0.00", "1 2", 2, "0.00 0.00");
    /* The total itself is rounded first: 0.125 to 0.13. */
    expect_shares("0.125", "1 1", 2, "0.07 0.06");
    expect_shares(NINES, NINES " " NINES, 0,
                  "50000000000000000000000000000000000000 49999999999999999999999999999999999999");
}

static void what_cannot_be_allocated_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *total;
        const char *first;
        const char *second;
        int scale;
    } wrong[] = {
        {"1", "0", "0.00", 2},    {"1", "1", "-0.01", 2}, {"1", "1", "invalid", 2},
        {"invalid", "1", "1", 2}, {"1", "1", "1", -1},    {"1", "1", "1", 19},
        {NINES, "1", "1", 1},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const struct kt_decimal weights[] = {number(wrong[i].first), number(wrong[i].second)};
        struct kt_decimal out[] = {kt_decimal_from_int(77), kt_decimal_from_int(77)};
        assert_false(kt_decimal_allocate(number(wrong[i].total), weights, 2, wrong[i].scale, out));
        expect("77", out[0]);
        expect("77", out[1]);
    }
    assert_false(kt_decimal_allocate(number("1"), NULL, 0, 2, NULL));
}

/** quotient * by + remainder == value and remainder < by say that a division was right. */
static void divide_and_prove(const struct wide *value, const struct wide *by)
{
    struct wide quotient;
    struct wide remainder;
    wide_divide(value, by, &quotient, &remainder);
    assert_int_equal(-1, wide_compare(&remainder, by));
    /* The product limb by limb: every partial product fits, as the whole does. */
    struct wide back = remainder;
    for (int i = 0; i < WIDE_LIMBS; i++) {
        struct wide part = *by;
        assert_true(wide_multiply(&part, quotient.limbs[i]));
        for (int j = 0; j < i && quotient.limbs[i] != 0; j++)
            assert_true(wide_multiply(&part, (wide_half)1 << 64));
        assert_true(wide_add(&back, &part));
    }
    assert_int_equal(0, wide_compare(&back, value));
}

static void long_division_corrects_its_guesses(void **state)
{
    (void)state;
    /* Limbs at and beside 0, 2^61, 2^63 and 2^64 in every combination of four over three: among
     * them are those where the guessed digit is 2^64 or more, and where it must be added back. */
    static const uint64_t limbs[] = {0,
                                     1,
                                     3,
                                     UINT64_C(1) << 61,
                                     (UINT64_C(1) << 63) - 1,
                                     UINT64_C(1) << 63,
                                     UINT64_MAX - 1,
                                     UINT64_MAX};
    const unsigned kinds = sizeof limbs / sizeof limbs[0];
    for (unsigned long n = 0; n < 1UL << 21; n += 1) { /* 8^7 */
        struct wide value = {{0}};
        struct wide by = {{0}};
        unsigned long rest = n;
        for (int i = 0; i < 4; i++, rest /= kinds)
            value.limbs[i] = limbs[rest % kinds];
        for (int i = 0; i < 3; i++, rest /= kinds)
            by.limbs[i] = limbs[rest % kinds];
        const struct wide zero = {{0}};
        if (wide_compare(&by, &zero) != 0)
            divide_and_prove(&value, &by);
    }
}

static void wide_numbers_report_what_does_not_fit(void **state)
{
    (void)state;
    struct wide most;
    memset(&most, 0xFF, sizeof most);
    struct wide value = most;
    const struct wide one = wide_from(1);
    assert_false(wide_add(&value, &one));
    value = most;
    assert_false(wide_multiply(&value, 2));
    value = most;
    assert_false(wide_multiply(&value, (wide_half)1 << 64));
    wide_half half;
    assert_false(wide_to(&most, &half));
    divide_and_prove(&most, &one);
    divide_and_prove(&most, &most);
    divide_and_prove(&one, &most);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_comes_back_as_it_was),
        cmocka_unit_test(reading_forgives_only_zeros_and_a_negative_nothing),
        cmocka_unit_test(what_is_no_plain_number_is_refused),
        cmocka_unit_test(integers_of_64_bits_fit),
        cmocka_unit_test(sums_are_exact_at_the_larger_scale),
        cmocka_unit_test(a_sum_is_valid_if_38_digits_can_hold_it),
        cmocka_unit_test(rounding_is_half_away_from_zero),
        cmocka_unit_test(other_roundings),
        cmocka_unit_test(trimming_keeps_what_is_asked_for),
        cmocka_unit_test(products_round_once),
        cmocka_unit_test(quotients_round_once),
        cmocka_unit_test(percentages_round_only_at_the_end),
        cmocka_unit_test(values_compare_whatever_their_scale),
        cmocka_unit_test(the_invalid_value_sticks_and_equals_nothing),
        cmocka_unit_test(a_struct_that_no_operation_makes_is_invalid),
        cmocka_unit_test(parts_add_up_to_the_total),
        cmocka_unit_test(what_cannot_be_allocated_is_refused),
        cmocka_unit_test(long_division_corrects_its_guesses),
        cmocka_unit_test(wide_numbers_report_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
