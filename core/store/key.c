/* Writing tuple keys; key_read.c is the way back and README.md has the format table.
 *
 * Invariants:
 * - Every part is self-delimiting, so comparing bytes never compares one part with the next.
 * - The encoding is canonical: equal values give equal bytes, whatever their scale was.
 * - Tags are in the order of their types; a change of any byte here needs a migration of all data.
 */
#include "store/key.h"

#include "store/key_format.h"

#include <string.h>

__extension__ typedef unsigned __int128 u128;

static void append(struct key *key, const void *at, size_t size)
{
    if (key->overflow || size > sizeof key->bytes - key->size) {
        key->overflow = true;
        return;
    }
    memcpy(key->bytes + key->size, at, size);
    key->size = (uint16_t)(key->size + size);
}

static void append_byte(struct key *key, uint8_t byte)
{
    append(key, &byte, 1);
}

static void append_big_endian(struct key *key, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    append(key, bytes, size);
}

void key_begin(struct key *key, char space)
{
    key->bytes[0] = (uint8_t)space;
    key->size = 1;
    key->overflow = false;
    key->cut = false;
}

void key_add_nil(struct key *key)
{
    append_byte(key, TAG_NIL);
}

void key_add_bool(struct key *key, bool value)
{
    append_byte(key, value ? TAG_TRUE : TAG_FALSE);
}

void key_add_u32(struct key *key, uint32_t value)
{
    append_big_endian(key, value, 4);
}

void key_add_u64(struct key *key, uint64_t value)
{
    append_big_endian(key, value, 8);
}

void key_add_int(struct key *key, int64_t value)
{
    append_byte(key, TAG_INT);
    append_big_endian(key, (uint64_t)value ^ INT_SIGN_BIT, 8);
}

/* Splits |coefficient| into decimal digits, most significant first, no leading zeros.
 * Returns their count, 39 for the few int128 values that no decimal may have. */
static int split_digits(kt_int128 coefficient, uint8_t digits[KT_DECIMAL_DIGITS + 1])
{
    /* Negate as unsigned: the most negative int128 has no positive twin. */
    u128 rest = coefficient < 0 ? (u128)0 - (u128)coefficient : (u128)coefficient;
    uint8_t reversed[KT_DECIMAL_DIGITS + 1];
    int count = 0;
    for (; rest != 0; rest /= 10)
        reversed[count++] = (uint8_t)(rest % 10);
    for (int i = 0; i < count; i++)
        digits[i] = reversed[count - 1 - i];
    return count;
}

/* The value is written as 0.d1d2d3... * 10^exponent with d1 and the last digit not zero, which is
 * the same for 2, 2.0 and 2.00. The head byte orders by sign and exponent; the digits follow two
 * in a byte, shifted by one so that the closing zero is below every pair. All bytes of a negative
 * number are inverted, because the larger magnitude is the smaller number. */
void key_add_decimal(struct key *key, struct kt_decimal value)
{
    uint8_t digits[KT_DECIMAL_DIGITS + 1];
    int count = split_digits(value.coefficient, digits);
    if (value.scale < 0 || value.scale > KT_DECIMAL_SCALE_MAX || count > KT_DECIMAL_DIGITS) {
        key->overflow = true; /* The invalid value has no place in any order. */
        return;
    }
    append_byte(key, TAG_DECIMAL);
    if (count == 0) {
        append_byte(key, DECIMAL_ZERO);
        return;
    }
    int exponent = count - value.scale;
    while (count > 1 && digits[count - 1] == 0)
        count--;

    uint8_t invert = value.coefficient < 0 ? 0xFF : 0x00;
    append_byte(key, (uint8_t)(DECIMAL_ZERO + (invert ? -1 : 1) * (exponent + DECIMAL_BIAS)));
    for (int i = 0; i < count; i += 2) {
        int pair = digits[i] * 10 + (i + 1 < count ? digits[i + 1] : 0);
        append_byte(key, (uint8_t)((pair + 1) ^ invert));
    }
    append_byte(key, DECIMAL_CLOSE ^ invert);
}

static void append_text(struct key *key, const char *text, size_t length)
{
    static const uint8_t nul[] = {TEXT_NUL, TEXT_NUL_ESCAPE};
    append_byte(key, TAG_TEXT);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\0')
            append(key, nul, sizeof nul);
        else
            append_byte(key, (uint8_t)text[i]);
    }
}

/* The cut counts bytes, not characters: stopping earlier at a character's start would sort
 * "...é" (cut before é) below "...z", which it follows when both are whole. */
void key_add_text(struct key *key, const char *text, size_t length)
{
    static const uint8_t end_whole[] = {TEXT_NUL, TEXT_END_WHOLE};
    static const uint8_t end_cut[] = {TEXT_NUL, TEXT_END_CUT};

    bool cut = length > KEY_TEXT_MAX;
    if (cut)
        length = KEY_TEXT_MAX;
    append_text(key, text, length);
    append(key, cut ? end_cut : end_whole, 2);
    key->cut = key->cut || cut;
}

void key_add_text_start(struct key *key, const char *text, size_t length)
{
    append_text(key, text, length < KEY_TEXT_MAX ? length : KEY_TEXT_MAX);
}

struct store_slice key_slice(const struct key *key)
{
    /* A driver refuses an empty key, so a forgotten check of `overflow` cannot hit a wrong record.
     */
    return (struct store_slice){key->bytes, key->overflow ? 0 : key->size};
}

bool key_successor(struct key *key)
{
    if (key->overflow)
        return false;
    uint16_t size = key->size;
    while (size > 0 && key->bytes[size - 1] == 0xFF)
        size--;
    if (size == 0)
        return false;
    key->bytes[size - 1]++;
    key->size = size;
    return true;
}

bool key_has_prefix(struct store_slice key, struct store_slice prefix)
{
    return key.size >= prefix.size &&
           (prefix.size == 0 || memcmp(key.at, prefix.at, prefix.size) == 0);
}
