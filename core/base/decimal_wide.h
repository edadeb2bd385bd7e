/** Unsigned integers of 384 bits, for the inside of decimal.c: the product of two coefficients and
 * a power of ten for the scale is below 10^38 * 10^38 * 10^36 = 10^112 < 2^373, and the sum of any
 *  number of weights times a total is smaller still. Whatever would not fit is reported, not cut.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

__extension__ typedef unsigned __int128 wide_half;

#define WIDE_LIMBS 6

struct wide {
    uint64_t limbs[WIDE_LIMBS]; /* lowest first */
};

struct wide wide_from(wide_half value);
/** False when it does not fit in 128 bits. */
bool wide_to(const struct wide *value, wide_half *out);

/** -1, 0, 1. */
int wide_compare(const struct wide *a, const struct wide *b);

/** False, `value` then meaningless, when the result does not fit. */
bool wide_add(struct wide *value, const struct wide *more);
bool wide_multiply(struct wide *value, wide_half by);
/** `less` must not be greater than `value`. */
void wide_subtract(struct wide *value, const struct wide *less);

/** Quotient and remainder; `by` must not be zero. Outputs may be the same objects as inputs. */
void wide_divide(const struct wide *value, const struct wide *by, struct wide *quotient,
                 struct wide *remainder);
