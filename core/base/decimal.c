/* Arithmetic of kt_decimal: magnitudes below 10^38 with the sign beside them.
 *
 * Invariants:
 * - Only 0 <= scale <= 18 with |coefficient| < 10^38 is valid; make() is the one way out.
 * - Nothing is rounded but in ratio(), and there once, from the exact quotient.
 * - 128 bits are tried first, as money nearly always fits; struct wide takes over when they do not.
 */
#include "kontor/decimal.h"

#include "base/decimal_wide.h"

#include <stdlib.h>
#include <string.h>

/** Digits of the largest power of ten in 64 bits. */
#define CHUNK 19

static const uint64_t powers[CHUNK + 1] = {
    UINT64_C(1),
    UINT64_C(10),
    UINT64_C(100),
    UINT64_C(1000),
    UINT64_C(10000),
    UINT64_C(100000),
    UINT64_C(1000000),
    UINT64_C(10000000),
    UINT64_C(100000000),
    UINT64_C(1000000000),
    UINT64_C(10000000000),
    UINT64_C(100000000000),
    UINT64_C(1000000000000),
    UINT64_C(10000000000000),
    UINT64_C(100000000000000),
    UINT64_C(1000000000000000),
    UINT64_C(10000000000000000),
    UINT64_C(100000000000000000),
    UINT64_C(1000000000000000000),
    UINT64_C(10000000000000000000),
};

/** 10^exponent for 0 .. 38. */
static wide_half power_of_ten(int exponent)
{
    if (exponent <= CHUNK)
        return powers[exponent];
    return (wide_half)powers[CHUNK] * powers[exponent - CHUNK];
}

static bool scale_is_possible(int scale)
{
    return scale >= 0 && scale <= KT_DECIMAL_SCALE_MAX;
}

static wide_half magnitude(struct kt_decimal value)
{
    return value.coefficient < 0 ? -(wide_half)value.coefficient : (wide_half)value.coefficient;
}

static struct kt_decimal make(bool negative, wide_half digits, int scale)
{
    if (digits >= power_of_ten(KT_DECIMAL_DIGITS))
        return kt_decimal_invalid();
    kt_int128 coefficient = (kt_int128)digits;
    return (struct kt_decimal){negative ? -coefficient : coefficient, scale};
}

struct kt_decimal kt_decimal_from_int(int64_t value)
{
    return (struct kt_decimal){value, 0};
}

struct kt_decimal kt_decimal_invalid(void)
{
    return (struct kt_decimal){0, -1};
}

bool kt_decimal_is_valid(struct kt_decimal value)
{
    return scale_is_possible(value.scale) && magnitude(value) < power_of_ten(KT_DECIMAL_DIGITS);
}

bool kt_decimal_is_zero(struct kt_decimal value)
{
    return kt_decimal_is_valid(value) && value.coefficient == 0;
}

int kt_decimal_sign(struct kt_decimal value)
{
    if (!kt_decimal_is_valid(value))
        return 0;
    return (value.coefficient > 0) - (value.coefficient < 0);
}

/* Text. */

/** Appends up to `end` decimal digits to `*digits`. False for another character or a 39th digit. */
static bool read_digits(const char *at, const char *end, wide_half *digits)
{
    for (; at < end; at++) {
        if (*at < '0' || *at > '9')
            return false;
        if (*digits >= power_of_ten(KT_DECIMAL_DIGITS - 1))
            return false;
        *digits = *digits * 10 + (unsigned)(*at - '0');
    }
    return true;
}

bool kt_decimal_parse(const char *text, size_t length, struct kt_decimal *out)
{
    if (length == 0)
        return false;
    const char *end = text + length;
    bool negative = *text == '-';
    const char *whole = text + negative;
    const char *point = memchr(whole, '.', (size_t)(end - whole));
    const char *whole_end = point != NULL ? point : end;
    const char *fraction = point != NULL ? point + 1 : end;
    if (whole == whole_end || (point != NULL && fraction == end) ||
        end - fraction > KT_DECIMAL_SCALE_MAX)
        return false;
    wide_half digits = 0;
    if (!read_digits(whole, whole_end, &digits) || !read_digits(fraction, end, &digits))
        return false;
    *out = make(negative, digits, (int)(end - fraction));
    return true;
}

size_t kt_decimal_format(struct kt_decimal value, char out[KT_DECIMAL_TEXT_SIZE])
{
    if (!kt_decimal_is_valid(value)) {
        memcpy(out, "invalid", sizeof "invalid");
        return strlen("invalid");
    }
    /* From the last digit to the first, two halves of 19 digits so that no digit costs a 128-bit
     * division. */
    char reversed[KT_DECIMAL_TEXT_SIZE];
    size_t length = 0;
    wide_half digits = magnitude(value);
    uint64_t upper = (uint64_t)(digits / powers[CHUNK]);
    uint64_t lower = (uint64_t)(digits % powers[CHUNK]);
    for (int i = 0; i <= value.scale || upper != 0 || lower != 0; i++) {
        if (i == CHUNK) {
            lower = upper;
            upper = 0;
        }
        if (i == value.scale && i > 0)
            reversed[length++] = '.';
        reversed[length++] = (char)('0' + lower % 10);
        lower /= 10;
    }
    if (value.coefficient < 0)
        reversed[length++] = '-';
    for (size_t i = 0; i < length; i++)
        out[i] = reversed[length - 1 - i];
    out[length] = '\0';
    return length;
}

/* Sums and order. */

/** |value| with its digits moved so that it counts units of 10^-scale; `scale` >= value.scale. */
static struct wide wide_at_scale(struct kt_decimal value, int scale)
{
    struct wide units = wide_from(magnitude(value));
    /* 38 digits and 18 zeros cannot overflow. */
    (void)wide_multiply(&units, power_of_ten(scale - value.scale));
    return units;
}

/** False when that leaves 38 digits. */
static bool units_at_scale(struct kt_decimal value, int scale, kt_int128 *units)
{
    kt_int128 factor = (kt_int128)power_of_ten(scale - value.scale);
    return !__builtin_mul_overflow(value.coefficient, factor, units);
}

static int larger_scale(struct kt_decimal a, struct kt_decimal b)
{
    return a.scale > b.scale ? a.scale : b.scale;
}

/** The sum when 128 bits are too few. Where the digits at `scale` are more than 38 but the last
 * ones are zeros, the result gives those up: the value counts more than the larger scale. */
static struct kt_decimal add_wide(struct kt_decimal a, struct kt_decimal b, int scale)
{
    struct wide sum = wide_at_scale(a, scale);
    struct wide other = wide_at_scale(b, scale);
    bool negative = a.coefficient < 0;
    if (negative == (b.coefficient < 0)) {
        (void)wide_add(&sum, &other);
    } else if (wide_compare(&sum, &other) >= 0) {
        wide_subtract(&sum, &other);
    } else {
        wide_subtract(&other, &sum);
        sum = other;
        negative = !negative;
    }
    const struct wide ten = wide_from(10);
    for (;; scale--) {
        wide_half digits;
        if (wide_to(&sum, &digits) && digits < power_of_ten(KT_DECIMAL_DIGITS))
            return make(negative, digits, scale);
        struct wide rest;
        wide_divide(&sum, &ten, &sum, &rest);
        if (scale == 0 || rest.limbs[0] != 0)
            return kt_decimal_invalid();
    }
}

struct kt_decimal kt_decimal_add(struct kt_decimal a, struct kt_decimal b)
{
    if (!kt_decimal_is_valid(a) || !kt_decimal_is_valid(b))
        return kt_decimal_invalid();
    struct kt_decimal sum = {.scale = larger_scale(a, b)};
    kt_int128 left;
    kt_int128 right;
    if (units_at_scale(a, sum.scale, &left) && units_at_scale(b, sum.scale, &right) &&
        !__builtin_add_overflow(left, right, &sum.coefficient) && kt_decimal_is_valid(sum))
        return sum;
    return add_wide(a, b, larger_scale(a, b));
}

struct kt_decimal kt_decimal_sub(struct kt_decimal a, struct kt_decimal b)
{
    return kt_decimal_add(a, kt_decimal_neg(b));
}

struct kt_decimal kt_decimal_neg(struct kt_decimal a)
{
    if (!kt_decimal_is_valid(a))
        return kt_decimal_invalid();
    return (struct kt_decimal){-a.coefficient, a.scale};
}

struct kt_decimal kt_decimal_abs(struct kt_decimal a)
{
    return kt_decimal_sign(a) < 0 ? kt_decimal_neg(a) : a;
}

int kt_decimal_compare(struct kt_decimal a, struct kt_decimal b)
{
    /* Two invalid values are not equal either, so that no check for equality lets them through. */
    if (!kt_decimal_is_valid(a))
        return -1;
    if (!kt_decimal_is_valid(b))
        return 1;
    int scale = larger_scale(a, b);
    kt_int128 left;
    kt_int128 right;
    if (units_at_scale(a, scale, &left) && units_at_scale(b, scale, &right))
        return (left > right) - (left < right);
    int sign = kt_decimal_sign(a);
    if (sign != kt_decimal_sign(b))
        return sign < kt_decimal_sign(b) ? -1 : 1;
    struct wide a_units = wide_at_scale(a, scale);
    struct wide b_units = wide_at_scale(b, scale);
    return sign * wide_compare(&a_units, &b_units);
}

struct kt_decimal kt_decimal_min(struct kt_decimal a, struct kt_decimal b)
{
    if (!kt_decimal_is_valid(a) || !kt_decimal_is_valid(b))
        return kt_decimal_invalid();
    return kt_decimal_compare(a, b) <= 0 ? a : b;
}

/* Products, quotients, rounding. */

/** How to round, and what of the result it depends on. */
struct rounding {
    enum kt_rounding mode;
    bool negative;
};

/** Does the magnitude grow by one? `rest` tells whether anything was cut off, `half` how that
 * compares with half a unit, `odd` whether the last digit kept is odd. */
static bool grows(struct rounding rounding, bool rest, int half, bool odd)
{
    switch (rounding.mode) {
    case KT_ROUND_HALF_AWAY:
        return half >= 0;
    case KT_ROUND_HALF_EVEN:
        return half > 0 || (half == 0 && odd);
    case KT_ROUND_HALF_DOWN:
        return half > 0;
    case KT_ROUND_UP:
        return rest;
    case KT_ROUND_DOWN:
        return false;
    case KT_ROUND_CEILING:
        return rest && !rounding.negative;
    case KT_ROUND_FLOOR:
        return rest && rounding.negative;
    }
    return false;
}

/** value / by, both magnitudes. */
static wide_half divide_rounded(wide_half value, wide_half by, struct rounding rounding)
{
    wide_half quotient = value / by;
    wide_half rest = value % by;
    wide_half to_next = by - rest; /* Compared with it, as rest * 2 may overflow. */
    int half = (rest > to_next) - (rest < to_next);
    return quotient + grows(rounding, rest != 0, half, quotient & 1);
}

/** The same from 384 bits; false when the result is no 128 bits long. */
static bool divide_rounded_wide(const struct wide *value, const struct wide *by,
                                struct rounding rounding, wide_half *out)
{
    const struct wide zero = wide_from(0);
    struct wide quotient;
    struct wide rest;
    wide_divide(value, by, &quotient, &rest);
    struct wide to_next = *by;
    wide_subtract(&to_next, &rest);
    const struct wide one = wide_from(grows(rounding, wide_compare(&rest, &zero) != 0,
                                            wide_compare(&rest, &to_next), quotient.limbs[0] & 1));
    return wide_add(&quotient, &one) && wide_to(&quotient, out);
}

struct kt_decimal kt_decimal_mul_div_by(struct kt_decimal a, struct kt_decimal b,
                                        struct kt_decimal c, int scale, enum kt_rounding mode)
{
    if (!kt_decimal_is_valid(a) || !kt_decimal_is_valid(b) || !kt_decimal_is_valid(c) ||
        c.coefficient == 0 || !scale_is_possible(scale))
        return kt_decimal_invalid();
    /* The coefficient of the result is a * b / c of the coefficients, times 10^shift. */
    int shift = scale + c.scale - a.scale - b.scale;
    struct rounding rounding = {
        .mode = mode, .negative = (a.coefficient < 0) ^ (b.coefficient < 0) ^ (c.coefficient < 0)};
    wide_half up = shift > 0 ? power_of_ten(shift) : 1;
    wide_half down = shift < 0 ? power_of_ten(-shift) : 1;
    wide_half above;
    wide_half below;
    if (!__builtin_mul_overflow(magnitude(a), magnitude(b), &above) &&
        !__builtin_mul_overflow(above, up, &above) &&
        !__builtin_mul_overflow(magnitude(c), down, &below))
        return make(rounding.negative, divide_rounded(above, below, rounding), scale);

    struct wide value = wide_from(magnitude(a));
    struct wide by = wide_from(magnitude(c));
    wide_half digits;
    if (!wide_multiply(&value, magnitude(b)) || !wide_multiply(&value, up) ||
        !wide_multiply(&by, down) || !divide_rounded_wide(&value, &by, rounding, &digits))
        return kt_decimal_invalid();
    return make(rounding.negative, digits, scale);
}

struct kt_decimal kt_decimal_mul_div(struct kt_decimal a, struct kt_decimal b, struct kt_decimal c,
                                     int scale)
{
    return kt_decimal_mul_div_by(a, b, c, scale, KT_ROUND_HALF_AWAY);
}

struct kt_decimal kt_decimal_mul(struct kt_decimal a, struct kt_decimal b, int scale)
{
    return kt_decimal_mul_div(a, b, kt_decimal_from_int(1), scale);
}

struct kt_decimal kt_decimal_div(struct kt_decimal a, struct kt_decimal b, int scale)
{
    return kt_decimal_mul_div(a, kt_decimal_from_int(1), b, scale);
}

struct kt_decimal kt_decimal_round_by(struct kt_decimal value, int scale, enum kt_rounding mode)
{
    const struct kt_decimal one = kt_decimal_from_int(1);
    return kt_decimal_mul_div_by(value, one, one, scale, mode);
}

struct kt_decimal kt_decimal_round(struct kt_decimal value, int scale)
{
    return kt_decimal_round_by(value, scale, KT_ROUND_HALF_AWAY);
}

struct kt_decimal kt_decimal_trim(struct kt_decimal value, int min_scale)
{
    if (!kt_decimal_is_valid(value))
        return kt_decimal_invalid();
    while (value.scale > 0 && value.scale > min_scale && value.coefficient % 10 == 0) {
        value.coefficient /= 10;
        value.scale--;
    }
    return value;
}

/* Allocation. */

struct share {
    wide_half units;       /* of 10^-scale, rounded down */
    struct wide remainder; /* what rounding down left out, in parts of the sum of weights */
    size_t index;
};

/** False when a weight is invalid or negative, or all are zero. */
static bool sum_weights(const struct kt_decimal *weights, size_t count, struct wide *sum)
{
    *sum = wide_from(0);
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        if (!kt_decimal_is_valid(weights[i]) || weights[i].coefficient < 0)
            return false;
        any = any || weights[i].coefficient != 0;
        struct wide weight = wide_at_scale(weights[i], KT_DECIMAL_SCALE_MAX);
        (void)wide_add(sum, &weight); /* 2^64 weights below 10^56 fit. */
    }
    return any;
}

static int larger_remainder_first(const void *left, const void *right)
{
    const struct share *a = left;
    const struct share *b = right;
    int order = wide_compare(&b->remainder, &a->remainder);
    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

/** Rounds every share down; returns how many units are then left over. */
static size_t share_down(wide_half total, const struct kt_decimal *weights, size_t count,
                         const struct wide *weight_sum, struct share *shares)
{
    wide_half left = total;
    for (size_t i = 0; i < count; i++) {
        struct wide part = wide_at_scale(weights[i], KT_DECIMAL_SCALE_MAX);
        (void)wide_multiply(&part, total); /* Below 10^56 * 10^38. */
        wide_divide(&part, weight_sum, &part, &shares[i].remainder);
        (void)wide_to(&part, &shares[i].units); /* A share is not larger than the total. */
        shares[i].index = i;
        left -= shares[i].units;
    }
    /* Fewer than `count`: each share lost less than one unit. */
    return (size_t)left;
}

bool kt_decimal_allocate(struct kt_decimal total, const struct kt_decimal *weights, size_t count,
                         int scale, struct kt_decimal *out)
{
    struct wide weight_sum;
    total = kt_decimal_round(total, scale);
    if (!kt_decimal_is_valid(total) || !sum_weights(weights, count, &weight_sum))
        return false;
    /* Apart from `out`, which may be `weights` itself. */
    struct share *shares = calloc(count, sizeof *shares);
    if (shares == NULL)
        return false;
    size_t left = share_down(magnitude(total), weights, count, &weight_sum, shares);
    qsort(shares, count, sizeof *shares, larger_remainder_first);
    for (size_t i = 0; i < count; i++)
        out[shares[i].index] = make(total.coefficient < 0, shares[i].units + (i < left), scale);
    free(shares);
    return true;
}
