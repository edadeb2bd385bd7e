#include "base/decimal_wide.h"

static uint64_t low(wide_half value)
{
    return (uint64_t)value;
}

static uint64_t high(wide_half value)
{
    return (uint64_t)(value >> 64);
}

struct wide wide_from(wide_half value)
{
    return (struct wide){{low(value), high(value)}};
}

/** Limbs up to the highest that is not zero. */
static int used_limbs(const struct wide *value)
{
    int used = WIDE_LIMBS;
    while (used > 0 && value->limbs[used - 1] == 0)
        used--;
    return used;
}

bool wide_to(const struct wide *value, wide_half *out)
{
    if (used_limbs(value) > 2)
        return false;
    *out = (wide_half)value->limbs[1] << 64 | value->limbs[0];
    return true;
}

int wide_compare(const struct wide *a, const struct wide *b)
{
    for (int i = WIDE_LIMBS - 1; i >= 0; i--) {
        if (a->limbs[i] != b->limbs[i])
            return a->limbs[i] < b->limbs[i] ? -1 : 1;
    }
    return 0;
}

bool wide_add(struct wide *value, const struct wide *more)
{
    wide_half sum = 0;
    for (int i = 0; i < WIDE_LIMBS; i++) {
        sum = (wide_half)value->limbs[i] + more->limbs[i] + high(sum);
        value->limbs[i] = low(sum);
    }
    return high(sum) == 0;
}

void wide_subtract(struct wide *value, const struct wide *less)
{
    uint64_t borrow = 0;
    for (int i = 0; i < WIDE_LIMBS; i++) {
        wide_half difference = (wide_half)value->limbs[i] - less->limbs[i] - borrow;
        value->limbs[i] = low(difference);
        borrow = high(difference) != 0;
    }
}

bool wide_multiply(struct wide *value, wide_half by)
{
    const uint64_t factor[2] = {low(by), high(by)};
    uint64_t product[WIDE_LIMBS + 2] = {0};
    for (int i = 0; i < WIDE_LIMBS; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < 2; j++) {
            /* At most (2^64-1)^2 + 2 * (2^64-1) = 2^128-1. */
            wide_half part = (wide_half)value->limbs[i] * factor[j] + product[i + j] + carry;
            product[i + j] = low(part);
            carry = high(part);
        }
        product[i + 2] = carry;
    }
    for (int i = 0; i < WIDE_LIMBS; i++)
        value->limbs[i] = product[i];
    return product[WIDE_LIMBS] == 0 && product[WIDE_LIMBS + 1] == 0;
}

static uint64_t divide_by_limb(const struct wide *value, uint64_t by, struct wide *quotient)
{
    wide_half rest = 0;
    for (int i = WIDE_LIMBS - 1; i >= 0; i--) {
        rest = (wide_half)low(rest) << 64 | value->limbs[i];
        quotient->limbs[i] = low(rest / by);
        rest %= by;
    }
    return low(rest);
}

/** `out` gets one limb more than `limbs`. */
static void shift_left(const uint64_t *limbs, int count, int bits, uint64_t *out)
{
    uint64_t carry = 0;
    for (int i = 0; i < count; i++) {
        wide_half shifted = (wide_half)limbs[i] << bits;
        out[i] = low(shifted) | carry;
        carry = high(shifted);
    }
    out[count] = carry;
}

/** The next digit of the quotient, exact or one too large, from the leading digits alone. */
static uint64_t guess_digit(const uint64_t *rest, const uint64_t *by, int size)
{
    wide_half leading = (wide_half)rest[size] << 64 | rest[size - 1];
    wide_half digit = leading / by[size - 1];
    wide_half left = leading % by[size - 1];
    while (high(digit) != 0 || digit * by[size - 2] > (left << 64 | rest[size - 2])) {
        digit--;
        left += by[size - 1];
        if (high(left) != 0)
            break;
    }
    return low(digit);
}

/** rest -= digit * by. True when that went below zero. */
static bool subtract_multiple(uint64_t *rest, const uint64_t *by, int size, uint64_t digit)
{
    uint64_t carry = 0;
    uint64_t borrow = 0;
    for (int i = 0; i <= size; i++) {
        wide_half product = (wide_half)digit * (i < size ? by[i] : 0) + carry;
        carry = high(product);
        wide_half difference = (wide_half)rest[i] - low(product) - borrow;
        rest[i] = low(difference);
        borrow = high(difference) != 0;
    }
    return borrow != 0;
}

static void add_back(uint64_t *rest, const uint64_t *by, int size)
{
    wide_half sum = 0;
    for (int i = 0; i <= size; i++) {
        sum = (wide_half)rest[i] + (i < size ? by[i] : 0) + high(sum);
        rest[i] = low(sum);
    }
}

/** Knuth, The Art of Computer Programming, volume 2, section 4.3.1, algorithm D, in base 2^64.
 *  `size` >= 2 limbs of `by` are used, `used` >= size of `value`. */
static void divide_long(const struct wide *value, int used, const struct wide *by, int size,
                        struct wide *quotient, struct wide *remainder)
{
    uint64_t rest[WIDE_LIMBS + 1] = {0};
    uint64_t divisor[WIDE_LIMBS + 1];
    int bits = __builtin_clzll(by->limbs[size - 1]);
    shift_left(value->limbs, used, bits, rest);
    shift_left(by->limbs, size, bits, divisor);

    struct wide digits = {{0}};
    for (int i = used - size; i >= 0; i--) {
        uint64_t digit = guess_digit(rest + i, divisor, size);
        if (subtract_multiple(rest + i, divisor, size, digit)) {
            digit--;
            add_back(rest + i, divisor, size);
        }
        digits.limbs[i] = digit;
    }
    *quotient = digits;
    *remainder = (struct wide){{0}};
    for (int i = 0; i < size; i++) {
        wide_half both = (wide_half)rest[i + 1] << 64 | rest[i];
        remainder->limbs[i] = low(both >> bits);
    }
}

void wide_divide(const struct wide *value, const struct wide *by, struct wide *quotient,
                 struct wide *remainder)
{
    int used = used_limbs(value);
    int size = used_limbs(by);
    if (wide_compare(value, by) < 0) {
        *remainder = *value;
        *quotient = (struct wide){{0}};
    } else if (size == 1) {
        uint64_t rest = divide_by_limb(value, by->limbs[0], quotient);
        *remainder = wide_from(rest);
    } else {
        divide_long(value, used, by, size, quotient, remainder);
    }
}
