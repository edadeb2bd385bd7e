/* The shape of msgpack, without the values: one table row per kind of first byte. */
#include "client/wire.h"

/* What follows a first byte: `length_bytes` that hold a length or count (0: it is in the first
 * byte), then `extra` bytes, then that many bytes, values or pairs of values. */
enum follow { FOLLOW_NOTHING, FOLLOW_BYTES, FOLLOW_VALUES, FOLLOW_PAIRS, FOLLOW_NEVER };
struct shape {
    unsigned char first;
    unsigned char last;
    unsigned char follow;
    unsigned char length_bytes;
    unsigned char extra;
    unsigned char mask; /* Of the first byte, when it holds the count. */
};

static const struct shape shapes[] = {
    {0x00, 0x7f, FOLLOW_NOTHING, 0, 0, 0},   {0x80, 0x8f, FOLLOW_PAIRS, 0, 0, 0x0f},
    {0x90, 0x9f, FOLLOW_VALUES, 0, 0, 0x0f}, {0xa0, 0xbf, FOLLOW_BYTES, 0, 0, 0x1f},
    {0xc0, 0xc0, FOLLOW_NOTHING, 0, 0, 0},   {0xc1, 0xc1, FOLLOW_NEVER, 0, 0, 0},
    {0xc2, 0xc3, FOLLOW_NOTHING, 0, 0, 0},   {0xc4, 0xc4, FOLLOW_BYTES, 1, 0, 0},
    {0xc5, 0xc5, FOLLOW_BYTES, 2, 0, 0},     {0xc6, 0xc6, FOLLOW_BYTES, 4, 0, 0},
    {0xc7, 0xc7, FOLLOW_BYTES, 1, 1, 0},     {0xc8, 0xc8, FOLLOW_BYTES, 2, 1, 0},
    {0xc9, 0xc9, FOLLOW_BYTES, 4, 1, 0},     {0xca, 0xca, FOLLOW_NOTHING, 0, 4, 0},
    {0xcb, 0xcb, FOLLOW_NOTHING, 0, 8, 0},   {0xcc, 0xcc, FOLLOW_NOTHING, 0, 1, 0},
    {0xcd, 0xcd, FOLLOW_NOTHING, 0, 2, 0},   {0xce, 0xce, FOLLOW_NOTHING, 0, 4, 0},
    {0xcf, 0xcf, FOLLOW_NOTHING, 0, 8, 0},   {0xd0, 0xd0, FOLLOW_NOTHING, 0, 1, 0},
    {0xd1, 0xd1, FOLLOW_NOTHING, 0, 2, 0},   {0xd2, 0xd2, FOLLOW_NOTHING, 0, 4, 0},
    {0xd3, 0xd3, FOLLOW_NOTHING, 0, 8, 0},   {0xd4, 0xd4, FOLLOW_NOTHING, 0, 2, 0},
    {0xd5, 0xd5, FOLLOW_NOTHING, 0, 3, 0},   {0xd6, 0xd6, FOLLOW_NOTHING, 0, 5, 0},
    {0xd7, 0xd7, FOLLOW_NOTHING, 0, 9, 0},   {0xd8, 0xd8, FOLLOW_NOTHING, 0, 17, 0},
    {0xd9, 0xd9, FOLLOW_BYTES, 1, 0, 0},     {0xda, 0xda, FOLLOW_BYTES, 2, 0, 0},
    {0xdb, 0xdb, FOLLOW_BYTES, 4, 0, 0},     {0xdc, 0xdc, FOLLOW_VALUES, 2, 0, 0},
    {0xdd, 0xdd, FOLLOW_VALUES, 4, 0, 0},    {0xde, 0xde, FOLLOW_PAIRS, 2, 0, 0},
    {0xdf, 0xdf, FOLLOW_PAIRS, 4, 0, 0},     {0xe0, 0xff, FOLLOW_NOTHING, 0, 0, 0},
};

static const struct shape *shape_of(unsigned char byte)
{
    size_t low = 0;
    size_t high = sizeof shapes / sizeof shapes[0] - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (shapes[middle].last < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return &shapes[low];
}

/* Closes the levels that the value just seen completed. True when it was the message itself. */
static int complete(struct wire_scan *scan)
{
    while (scan->depth > 0) {
        if (--scan->left[scan->depth - 1] > 0)
            return 0;
        scan->depth--;
    }
    return 1;
}

static enum wire_state open_level(struct wire_scan *scan, uint64_t count, size_t limit_bytes,
                                  uint64_t limit_elements)
{
    if (scan->depth == WIRE_DEPTH)
        return WIRE_BROKEN;
    /* Each value takes at least a byte: a count beyond what may still come is a lie. */
    if (count > limit_bytes - scan->offset || count > limit_elements - scan->elements)
        return WIRE_TOO_LARGE;
    if (count == 0)
        return complete(scan) ? WIRE_WHOLE : WIRE_MORE;
    scan->left[scan->depth++] = count;
    return WIRE_MORE;
}

enum wire_state wire_scan(struct wire_scan *scan, const unsigned char *bytes, size_t size,
                          size_t limit_bytes, uint64_t limit_elements)
{
    while (scan->offset < size) {
        const unsigned char *at = bytes + scan->offset;
        const struct shape *shape = shape_of(at[0]);
        if (shape->follow == FOLLOW_NEVER)
            return WIRE_BROKEN;
        if (size - scan->offset < 1u + shape->length_bytes)
            return WIRE_MORE;
        uint64_t length = at[0] & shape->mask;
        for (unsigned i = 0; i < shape->length_bytes; i++)
            length = length << 8 | at[1 + i];

        uint64_t whole = 1u + shape->length_bytes + (uint64_t)shape->extra;
        if (shape->follow == FOLLOW_BYTES)
            whole += length;
        if (whole > limit_bytes - scan->offset || scan->elements == limit_elements)
            return WIRE_TOO_LARGE;
        if (whole > size - scan->offset)
            return WIRE_MORE;
        scan->offset += (size_t)whole;
        scan->elements++;

        enum wire_state state = WIRE_MORE;
        if (shape->follow == FOLLOW_VALUES || shape->follow == FOLLOW_PAIRS)
            state = open_level(scan, shape->follow == FOLLOW_PAIRS ? length * 2 : length,
                               limit_bytes, limit_elements);
        else if (complete(scan))
            state = WIRE_WHOLE;
        if (state != WIRE_MORE)
            return state;
    }
    return WIRE_MORE;
}
