/* The shape of msgpack without its values. Every kind of first byte says the same four things: what
 * follows, how many bytes hold its length, and what is to be added to that length. */
#include "rpc/frame.h"

#include <assert.h>

/* msgpack-c unpacks with a fixed stack of 32. */
static_assert(KT_LIMIT_MESSAGE_DEPTH <= 32, "a message that we accept could not be unpacked");
static_assert(KT_LIMIT_MESSAGE_ELEMENTS < UINT32_MAX / 2, "counts are kept in 32 bits");

enum follow { FOLLOW_BYTES, FOLLOW_VALUES, FOLLOW_PAIRS, FOLLOW_NEVER };

struct shape {
    unsigned char kind;
    unsigned char length_bytes;
    unsigned char fixed; /* Added to the length. */
};

/* Indexed by the first byte - 0xc0; below that it holds a small count, or is an integer itself. */
static const struct shape shapes[32] = {
    [0x00] = {FOLLOW_BYTES, 0, 0}, /* nil */
    [0x01] = {FOLLOW_NEVER, 0, 0}, /* never used */
    [0x02] = {FOLLOW_BYTES, 0, 0}, /* false */
    [0x03] = {FOLLOW_BYTES, 0, 0}, /* true */
    [0x04] = {FOLLOW_BYTES, 1, 0}, /* bin 8, 16, 32 */
    [0x05] = {FOLLOW_BYTES, 2, 0},
    [0x06] = {FOLLOW_BYTES, 4, 0},
    [0x07] = {FOLLOW_BYTES, 1, 1}, /* ext 8, 16, 32: its type comes on top */
    [0x08] = {FOLLOW_BYTES, 2, 1},
    [0x09] = {FOLLOW_BYTES, 4, 1},
    [0x0a] = {FOLLOW_BYTES, 0, 4}, /* float 32, 64 */
    [0x0b] = {FOLLOW_BYTES, 0, 8},
    [0x0c] = {FOLLOW_BYTES, 0, 1}, /* uint 8, 16, 32, 64 */
    [0x0d] = {FOLLOW_BYTES, 0, 2},
    [0x0e] = {FOLLOW_BYTES, 0, 4},
    [0x0f] = {FOLLOW_BYTES, 0, 8},
    [0x10] = {FOLLOW_BYTES, 0, 1}, /* int 8, 16, 32, 64 */
    [0x11] = {FOLLOW_BYTES, 0, 2},
    [0x12] = {FOLLOW_BYTES, 0, 4},
    [0x13] = {FOLLOW_BYTES, 0, 8},
    [0x14] = {FOLLOW_BYTES, 0, 2}, /* fixext 1, 2, 4, 8, 16 and the type */
    [0x15] = {FOLLOW_BYTES, 0, 3},
    [0x16] = {FOLLOW_BYTES, 0, 5},
    [0x17] = {FOLLOW_BYTES, 0, 9},
    [0x18] = {FOLLOW_BYTES, 0, 17},
    [0x19] = {FOLLOW_BYTES, 1, 0}, /* str 8, 16, 32 */
    [0x1a] = {FOLLOW_BYTES, 2, 0},
    [0x1b] = {FOLLOW_BYTES, 4, 0},
    [0x1c] = {FOLLOW_VALUES, 2, 0}, /* array 16, 32 */
    [0x1d] = {FOLLOW_VALUES, 4, 0},
    [0x1e] = {FOLLOW_PAIRS, 2, 0}, /* map 16, 32 */
    [0x1f] = {FOLLOW_PAIRS, 4, 0},
};

static struct shape shape_of(unsigned char first)
{
    if (first >= 0xc0 && first <= 0xdf)
        return shapes[first - 0xc0];
    if ((first & 0xf0) == 0x80)
        return (struct shape){FOLLOW_PAIRS, 0, first & 0x0f};
    if ((first & 0xf0) == 0x90)
        return (struct shape){FOLLOW_VALUES, 0, first & 0x0f};
    if ((first & 0xe0) == 0xa0)
        return (struct shape){FOLLOW_BYTES, 0, first & 0x1f};
    return (struct shape){FOLLOW_BYTES, 0, 0}; /* A small integer. */
}

/* The current value has ended, and with it the levels whose last value it was. */
static void end_value(struct frame_scan *scan)
{
    while (scan->depth > 0) {
        if (--scan->left[scan->depth - 1] > 0)
            return;
        scan->depth--;
    }
    scan->state = FRAME_WHOLE;
}

static void open_level(struct frame_scan *scan, uint64_t count)
{
    if (scan->depth == KT_LIMIT_MESSAGE_DEPTH)
        scan->state = FRAME_TOO_DEEP;
    else if (count > KT_LIMIT_MESSAGE_ELEMENTS - 1 - scan->promised)
        scan->state = FRAME_TOO_MANY;
    else if (count == 0)
        end_value(scan);
    else {
        scan->promised += (uint32_t)count;
        scan->left[scan->depth++] = (uint32_t)count;
    }
}

/* The length of the current value is known. */
static void enter_value(struct frame_scan *scan)
{
    uint64_t length = scan->length + scan->fixed;
    switch ((enum follow)scan->kind) {
    case FOLLOW_BYTES:
        scan->skip = length;
        if (length == 0)
            end_value(scan);
        break;
    case FOLLOW_VALUES:
        open_level(scan, length);
        break;
    case FOLLOW_PAIRS:
        open_level(scan, length * 2);
        break;
    case FOLLOW_NEVER:
        scan->state = FRAME_MALFORMED;
        break;
    }
}

static void begin_value(struct frame_scan *scan, unsigned char first)
{
    struct shape shape = shape_of(first);
    scan->begun++;
    scan->kind = shape.kind;
    scan->fixed = shape.fixed;
    scan->length = 0;
    scan->length_bytes = shape.length_bytes;
    if (scan->length_bytes == 0)
        enter_value(scan);
}

enum frame_state frame_scan(struct frame_scan *scan, const char *message, size_t size)
{
    size_t most = scan->most ? scan->most : KT_LIMIT_MESSAGE_BYTES;
    while (scan->state == FRAME_MORE && scan->size < size) {
        unsigned char byte = (unsigned char)message[scan->size];
        if (scan->skip > 0) {
            size_t here = size - scan->size;
            size_t step = scan->skip < here ? (size_t)scan->skip : here;
            scan->size += step;
            scan->skip -= step;
            if (scan->skip == 0)
                end_value(scan);
        } else if (scan->length_bytes > 0) {
            scan->size++;
            scan->length = scan->length << 8 | byte;
            if (--scan->length_bytes == 0)
                enter_value(scan);
        } else {
            scan->size++;
            begin_value(scan, byte);
        }
        /* Each value still owed takes at least its first byte. */
        uint64_t owed = (uint64_t)scan->promised + 1 - scan->begun;
        if (scan->state == FRAME_MORE && scan->size + scan->skip + scan->length_bytes + owed > most)
            scan->state = FRAME_TOO_LARGE;
    }
    return scan->state;
}

/* What is left of a message. Every step checks its bytes, so that it is at home in a part too. */
struct rest {
    const unsigned char *at;
    size_t size;
};

static bool take_number(struct rest *rest, size_t bytes, uint64_t *out)
{
    if (rest->size < bytes)
        return false;
    *out = 0;
    for (size_t i = 0; i < bytes; i++)
        *out = *out << 8 | rest->at[i];
    rest->at += bytes;
    rest->size -= bytes;
    return true;
}

/* Any of msgpack's ways to write an integer that is not negative. */
static bool take_integer(struct rest *rest, uint64_t *out)
{
    uint64_t first;
    if (!take_number(rest, 1, &first))
        return false;
    if (first <= 0x7f) {
        *out = first;
        return true;
    }
    if (first < 0xcc || first > 0xd3)
        return false;
    bool has_sign = first >= 0xd0;
    size_t bytes = (size_t)1 << (first & 3);
    bool is_negative = has_sign && rest->size > 0 && (rest->at[0] & 0x80) != 0;
    return take_number(rest, bytes, out) && !is_negative;
}

/* The head of an array or, with FOLLOW_BYTES, of a str: bin and ext are something else. */
static bool take_head(struct rest *rest, enum follow kind, uint64_t *length)
{
    uint64_t first;
    if (!take_number(rest, 1, &first))
        return false;
    struct shape shape = shape_of((unsigned char)first);
    if (shape.kind != kind)
        return false;
    if (kind == FOLLOW_BYTES && (first & 0xe0) != 0xa0 && (first < 0xd9 || first > 0xdb))
        return false;
    if (!take_number(rest, shape.length_bytes, length))
        return false;
    *length += shape.fixed;
    return true;
}

static bool take_method(struct rest *rest, struct frame_parts *out)
{
    uint64_t length;
    if (!take_head(rest, FOLLOW_BYTES, &length) || length > KT_LIMIT_NAME || length > rest->size)
        return false;
    out->method = (const char *)rest->at;
    out->method_length = (size_t)length;
    rest->at += length;
    rest->size -= (size_t)length;
    return true;
}

enum { TYPE_REQUEST = 0, TYPE_NOTIFICATION = 2 };

static bool take_opening(struct rest *rest, struct frame_parts *out)
{
    uint64_t count;
    uint64_t type;
    uint64_t msgid = 0;
    if (!take_head(rest, FOLLOW_VALUES, &count) || !take_integer(rest, &type))
        return false;
    bool is_request = count == 4 && type == TYPE_REQUEST;
    if (!is_request && (count != 3 || type != TYPE_NOTIFICATION))
        return false;
    if (is_request && (!take_integer(rest, &msgid) || msgid > UINT32_MAX))
        return false;
    out->kind = is_request ? FRAME_REQUEST : FRAME_NOTIFICATION;
    out->msgid = (uint32_t)msgid;
    return true;
}

bool frame_split(const char *message, size_t size, struct frame_parts *out)
{
    *out = (struct frame_parts){0};
    struct rest rest = {(const unsigned char *)message, size};
    if (!take_opening(&rest, out) || !take_method(&rest, out))
        return false;
    /* The last member: all that is left, because the message was whole. */
    out->params = (const char *)rest.at;
    out->params_size = rest.size;
    uint64_t count;
    return take_head(&rest, FOLLOW_VALUES, &count);
}

uint32_t frame_msgid(const char *message, size_t size)
{
    struct frame_parts parts = {0};
    struct rest rest = {(const unsigned char *)message, size};
    return take_opening(&rest, &parts) ? parts.msgid : 0;
}
