/** Bytes that have come and are not used up, in one piece, since a message must lie in one.
 *
 *  Most of what comes is used up at once, so bytes are borrowed from whoever received them and only
 *  copied when some must stay. An input without bytes holds no memory. All zero is empty. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct input {
    char *bytes;
    size_t size;
    char *block; /**< Its own memory, in which `bytes` points; NULL: none, or they are borrowed. */
    size_t capacity;
};

/** More has come. The bytes stay the caller's, who must let them be until input_keep or until all
 *  is taken. False without memory. */
bool input_add(struct input *input, char *bytes, size_t size);
/** The first `size` bytes are used up. */
void input_take(struct input *input, size_t size);
/** From here on nothing is borrowed. False without memory. */
bool input_keep(struct input *input);
void input_deinit(struct input *input);
