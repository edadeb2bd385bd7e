/** The bytes of a tuple key, shared by key.c and key_read.c only. They are on disk: never change
 * one. */
#pragma once

#include <stdint.h>

/** First byte of a part. 0x60 is kept for bytes. */
enum {
    TAG_NIL = 0x10,
    TAG_FALSE = 0x20,
    TAG_TRUE = 0x21,
    TAG_INT = 0x30,
    TAG_DECIMAL = 0x40,
    TAG_TEXT = 0x50,
};

/** Flipped in big-endian integers, so that negative ones sort first. */
#define INT_SIGN_BIT ((uint64_t)1 << 63)

/** Head of a decimal: DECIMAL_ZERO, or that plus (minus, for a negative number) exponent and bias.
 *  The exponent of 0.d1d2... * 10^exponent runs from -17 (1e-18) to 38 (38 digits, no scale). */
enum {
    DECIMAL_ZERO = 0x80,
    DECIMAL_BIAS = 18,
    DECIMAL_EXPONENT_MIN = -17,
    DECIMAL_EXPONENT_MAX = 38,
    DECIMAL_CLOSE = 0x00,
};

/** In text a NUL byte is followed by what it means. */
enum {
    TEXT_NUL = 0x00,
    TEXT_END_WHOLE = 0x00,
    TEXT_END_CUT = 0x01,
    TEXT_NUL_ESCAPE = 0xFF,
};
