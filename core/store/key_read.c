/* Reading tuple keys back. A key comes from disk, so nothing about its bytes is taken for granted:
 * whatever key.c would not have written is refused, and the reader then stays where it was. */
#include "store/key.h"

#include "store/key_format.h"

static size_t bytes_left(const struct key_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

static bool at_tag(const struct key_reader *reader, uint8_t tag)
{
    return bytes_left(reader) > 0 && *reader->at == tag;
}

static uint64_t big_endian(const uint8_t *at, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | at[i];
    return value;
}

struct key_reader key_read(struct store_slice key)
{
    static const uint8_t nothing[1];
    if (key.size == 0)
        return (struct key_reader){nothing, nothing};
    const uint8_t *bytes = key.at;
    return (struct key_reader){bytes + 1, bytes + key.size};
}

enum key_part key_peek(const struct key_reader *reader)
{
    if (reader->at == reader->end)
        return KEY_END;
    switch (*reader->at) {
    case TAG_NIL:
        return KEY_NIL;
    case TAG_FALSE:
    case TAG_TRUE:
        return KEY_BOOL;
    case TAG_INT:
        return KEY_INT;
    case TAG_DECIMAL:
        return KEY_DECIMAL;
    case TAG_TEXT:
        return KEY_TEXT;
    default:
        return KEY_BROKEN;
    }
}

bool key_read_u32(struct key_reader *reader, uint32_t *out)
{
    if (bytes_left(reader) < 4)
        return false;
    *out = (uint32_t)big_endian(reader->at, 4);
    reader->at += 4;
    return true;
}

bool key_read_u64(struct key_reader *reader, uint64_t *out)
{
    if (bytes_left(reader) < 8)
        return false;
    *out = big_endian(reader->at, 8);
    reader->at += 8;
    return true;
}

bool key_read_nil(struct key_reader *reader)
{
    if (!at_tag(reader, TAG_NIL))
        return false;
    reader->at++;
    return true;
}

bool key_read_bool(struct key_reader *reader, bool *out)
{
    if (!at_tag(reader, TAG_FALSE) && !at_tag(reader, TAG_TRUE))
        return false;
    *out = *reader->at == TAG_TRUE;
    reader->at++;
    return true;
}

bool key_read_int(struct key_reader *reader, int64_t *out)
{
    if (!at_tag(reader, TAG_INT) || bytes_left(reader) < 9)
        return false;
    *out = (int64_t)(big_endian(reader->at + 1, 8) ^ INT_SIGN_BIT);
    reader->at += 9;
    return true;
}

/* Collects the digit pairs up to the closing byte. False unless they are as key.c writes them:
 * at least one pair, no leading and no trailing zero. `*at` ends after the closing byte. */
static bool read_mantissa(const uint8_t **at, const uint8_t *end, uint8_t invert,
                          kt_int128 *coefficient, int *digit_count)
{
    kt_int128 value = 0;
    int count = 0;
    int last_pair = 0;
    for (; *at < end; (*at)++) {
        int byte = **at ^ invert;
        if (byte == DECIMAL_CLOSE)
            break;
        last_pair = byte - 1;
        if (last_pair > 99 || count + 2 > KT_DECIMAL_DIGITS || (count == 0 && last_pair < 10))
            return false;
        value = value * 100 + last_pair;
        count += 2;
    }
    if (*at == end || last_pair == 0)
        return false;
    (*at)++;
    if (last_pair % 10 == 0) {
        value /= 10;
        count--;
    }
    *coefficient = value;
    *digit_count = count;
    return true;
}

bool key_read_decimal(struct key_reader *reader, struct kt_decimal *out)
{
    if (!at_tag(reader, TAG_DECIMAL) || bytes_left(reader) < 2)
        return false;
    int head = reader->at[1];
    const uint8_t *at = reader->at + 2;
    if (head == DECIMAL_ZERO) {
        *out = KT_DECIMAL_ZERO;
        reader->at = at;
        return true;
    }
    bool negative = head < DECIMAL_ZERO;
    int exponent = (negative ? DECIMAL_ZERO - head : head - DECIMAL_ZERO) - DECIMAL_BIAS;
    if (exponent < DECIMAL_EXPONENT_MIN || exponent > DECIMAL_EXPONENT_MAX)
        return false;

    kt_int128 coefficient;
    int count;
    if (!read_mantissa(&at, reader->end, negative ? 0xFF : 0x00, &coefficient, &count))
        return false;
    int scale = count - exponent;
    if (scale > KT_DECIMAL_SCALE_MAX)
        return false;
    for (; scale < 0; scale++) /* At most KT_DECIMAL_DIGITS digits, as exponent is their count. */
        coefficient *= 10;
    *out = (struct kt_decimal){negative ? -coefficient : coefficient, scale};
    reader->at = at;
    return true;
}

bool key_read_text(struct key_reader *reader, char out[KEY_TEXT_MAX], size_t *length, bool *cut)
{
    if (!at_tag(reader, TAG_TEXT))
        return false;
    size_t count = 0;
    for (const uint8_t *at = reader->at + 1; at < reader->end; at++) {
        if (*at == TEXT_NUL) {
            if (++at == reader->end)
                return false;
            if (*at == TEXT_END_WHOLE || (*at == TEXT_END_CUT && count == KEY_TEXT_MAX)) {
                *length = count;
                *cut = *at == TEXT_END_CUT;
                reader->at = at + 1;
                return true;
            }
            if (*at != TEXT_NUL_ESCAPE || count == KEY_TEXT_MAX)
                return false;
            out[count++] = '\0';
        } else {
            if (count == KEY_TEXT_MAX)
                return false;
            out[count++] = (char)*at;
        }
    }
    return false;
}
