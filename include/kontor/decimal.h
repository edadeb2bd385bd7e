/** Exact decimal numbers for money, quantities and rates.
 *
 *  A decimal is `coefficient * 10^-scale`. Addition and multiplication are exact up to 38 digits;
 *  where a result must be cut the caller says to how many digits, and it is rounded half away from
 *  zero (the commercial rule; "roundHalfAwayFromZero"/roundTiesToAway of IEEE 754-2008 4.3.1).
 *  Overflow, division by zero and use of an invalid operand give the invalid value, which is sticky
 *  like a NaN but never equal to anything and refused wherever it would be stored.
 *  Every function is pure and may be called from any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kontor/export.h"

__extension__ typedef __int128 kt_int128;

/** Most digits a decimal may have, and most digits after the point. */
#define KT_DECIMAL_DIGITS    38
#define KT_DECIMAL_SCALE_MAX 18
/** Most digits of a decimal that is stored in a record: sums of many still fit. */
#define KT_DECIMAL_STORED_DIGITS 28
/** A buffer of this size holds any decimal as text with its NUL. */
#define KT_DECIMAL_TEXT_SIZE 48

struct kt_decimal {
    kt_int128 coefficient;
    int32_t
        scale; /**< 0 .. KT_DECIMAL_SCALE_MAX digits after the point; -1 marks the invalid value. */
};

#define KT_DECIMAL_ZERO ((struct kt_decimal){0, 0})

/** Make / test. */
KT_EXPORT struct kt_decimal kt_decimal_from_int(int64_t value);
KT_EXPORT struct kt_decimal kt_decimal_invalid(void);
KT_EXPORT bool kt_decimal_is_valid(struct kt_decimal value);
KT_EXPORT bool kt_decimal_is_zero(struct kt_decimal value);
/** -1, 0 or 1; 0 for the invalid value. */
KT_EXPORT int kt_decimal_sign(struct kt_decimal value);

/** Read plain notation: optional '-', digits, optional '.' and digits; no exponent, no spaces, no
 *  leading '+', at least one digit before and after a point. False (out untouched) otherwise or
 *  when it has more than 38 significant digits or more than 18 after the point. */
KT_EXPORT bool kt_decimal_parse(const char *text, size_t length, struct kt_decimal *out);

/** Write plain notation with exactly the value's own scale as digits after the point, e.g. 12.50;
 * "-0" is never written; the invalid value gives "invalid". Returns the length without NUL. */
KT_EXPORT size_t kt_decimal_format(struct kt_decimal value, char out[KT_DECIMAL_TEXT_SIZE]);

/** Exact. The result's scale is the larger of the two, or less where only zeros would be lost to
 *  keep within 38 digits. */
KT_EXPORT struct kt_decimal kt_decimal_add(struct kt_decimal a, struct kt_decimal b);
KT_EXPORT struct kt_decimal kt_decimal_sub(struct kt_decimal a, struct kt_decimal b);
KT_EXPORT struct kt_decimal kt_decimal_neg(struct kt_decimal a);
KT_EXPORT struct kt_decimal kt_decimal_abs(struct kt_decimal a);

/** Exact product or quotient (256-bit intermediate), then rounded once to `scale` digits. */
KT_EXPORT struct kt_decimal kt_decimal_mul(struct kt_decimal a, struct kt_decimal b, int scale);
KT_EXPORT struct kt_decimal kt_decimal_div(struct kt_decimal a, struct kt_decimal b, int scale);

/** `a * b / c` with one rounding at the end: percentages, unit costs. */
KT_EXPORT struct kt_decimal kt_decimal_mul_div(struct kt_decimal a, struct kt_decimal b,
                                               struct kt_decimal c, int scale);

/** To `scale` digits: rounds when there are more, pads with zeros when there are fewer. */
KT_EXPORT struct kt_decimal kt_decimal_round(struct kt_decimal value, int scale);

/** Other ways to round than half away from zero, for laws and contracts that ask for one. In
 *  brackets the name in IEEE 754-2019 or Python's decimal. */
enum kt_rounding {
    KT_ROUND_HALF_AWAY, /**< To the nearest, halves away from zero (TiesToAway). */
    KT_ROUND_HALF_EVEN, /**< Halves to the even digit, "banker's rounding" (TiesToEven). */
    KT_ROUND_HALF_DOWN, /**< Halves towards zero (ROUND_HALF_DOWN). */
    KT_ROUND_UP,        /**< Away from zero (ROUND_UP). */
    KT_ROUND_DOWN,      /**< Cut off, towards zero (TowardZero). */
    KT_ROUND_CEILING,   /**< To the larger number (TowardPositive). */
    KT_ROUND_FLOOR,     /**< To the smaller number (TowardNegative). */
};
KT_EXPORT struct kt_decimal kt_decimal_round_by(struct kt_decimal value, int scale,
                                                enum kt_rounding rounding);
/** `a * b / c`, exact until the one rounding; a product has c = 1, a quotient b = 1. */
KT_EXPORT struct kt_decimal kt_decimal_mul_div_by(struct kt_decimal a, struct kt_decimal b,
                                                  struct kt_decimal c, int scale,
                                                  enum kt_rounding rounding);

/** Drop trailing zeros after the point, but keep at least `min_scale` digits; never adds any. */
KT_EXPORT struct kt_decimal kt_decimal_trim(struct kt_decimal value, int min_scale);

/** -1, 0, 1 by value (2.0 equals 2). An invalid operand sorts below everything. */
KT_EXPORT int kt_decimal_compare(struct kt_decimal a, struct kt_decimal b);
/** The smaller; the invalid value when either is. */
KT_EXPORT struct kt_decimal kt_decimal_min(struct kt_decimal a, struct kt_decimal b);

/** Split `total` in proportion to `weights` (none negative, not all zero) into `count` parts of
 *  `scale` digits that add up to exactly `total` rounded to `scale`: largest remainder method
 *  (Hamilton), earlier parts first on ties. False, `out` untouched, when it cannot be done. */
KT_EXPORT bool kt_decimal_allocate(struct kt_decimal total, const struct kt_decimal *weights,
                                   size_t count, int scale, struct kt_decimal *out);
