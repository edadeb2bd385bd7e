/** Bytes that have come and are not used up: one block, since a message must lie in one piece.
 *  All zero is empty. */
#pragma once

#include <stddef.h>

struct input {
    char *block;
    size_t begin; /**< Of the bytes in the block. */
    size_t size;
    size_t capacity;
};

/** The bytes; good until the next call of another function. */
const char *input_bytes(const struct input *input);
/** Where to read more to, and how much; NULL without memory. */
char *input_room(struct input *input, size_t *room);
/** So much was read into the room. */
void input_add(struct input *input, size_t size);
/** The first `size` bytes are used up. */
void input_take(struct input *input, size_t size);
void input_deinit(struct input *input);
