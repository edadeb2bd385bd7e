/* Goal: no bytes make the key reader read outside them, and whatever it reads is written as it was.
 * Method: the parts are read one after the other, each as what it says it is and as everything
 * else; what was read goes into a new key, which must be the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "store/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* Only the reader of that part takes it; the others stay where they are. */
static void read_wrongly(const struct key_reader *reader, enum key_part part)
{
    struct key_reader other = *reader;
    bool flag, cut;
    int64_t whole;
    struct kt_decimal decimal;
    char text[KEY_TEXT_MAX];
    size_t length;
    require(part == KEY_NIL || !key_read_nil(&other));
    require(part == KEY_BOOL || !key_read_bool(&other, &flag));
    require(part == KEY_INT || !key_read_int(&other, &whole));
    require(part == KEY_DECIMAL || !key_read_decimal(&other, &decimal));
    require(part == KEY_TEXT || !key_read_text(&other, text, &length, &cut));
    require(other.at == reader->at);
}

static bool copy_text(struct key_reader *reader, struct key *key)
{
    char text[KEY_TEXT_MAX + 1];
    size_t length;
    bool cut;
    if (!key_read_text(reader, text, &length, &cut))
        return false;
    require(length <= KEY_TEXT_MAX && (!cut || length == KEY_TEXT_MAX));
    if (cut)
        text[length++] = 'x'; /* Whatever came after the cut. */
    key_add_text(key, text, length);
    require(key->cut || !cut);
    return true;
}

static bool copy_part(struct key_reader *reader, struct key *key)
{
    bool flag;
    int64_t whole;
    struct kt_decimal decimal;
    switch (key_peek(reader)) {
    case KEY_NIL:
        key_add_nil(key);
        return key_read_nil(reader);
    case KEY_BOOL:
        require(key_read_bool(reader, &flag));
        key_add_bool(key, flag);
        return true;
    case KEY_INT:
        if (!key_read_int(reader, &whole))
            return false;
        key_add_int(key, whole);
        return true;
    case KEY_DECIMAL:
        if (!key_read_decimal(reader, &decimal))
            return false;
        require(kt_decimal_is_valid(decimal));
        key_add_decimal(key, decimal);
        return true;
    case KEY_TEXT:
        return copy_text(reader, key);
    default:
        return false;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct key_reader reader = key_read((struct store_slice){bytes, size});
    struct key copy;
    uint32_t number;
    if (size == 0 || size > STORE_KEY_MAX)
        return 0;
    key_begin(&copy, (char)bytes[0]);
    if (bytes[0] & 1 && key_read_u32(&reader, &number))
        key_add_u32(&copy, number);
    for (;;) {
        struct key_reader before = reader;
        size_t written = copy.size;
        read_wrongly(&reader, key_peek(&reader));
        if (!copy_part(&reader, &copy)) {
            require(reader.at == before.at);
            copy.size = (uint16_t)written;
            break;
        }
        require(reader.at > before.at && reader.at <= reader.end);
    }
    require(!copy.overflow && copy.size == (size_t)(reader.at - bytes));
    require(memcmp(copy.bytes, bytes, copy.size) == 0);
    return 0;
}
