#include "rpc/input.h"

#include <stdlib.h>
#include <string.h>

/* To the front of a block with that much room, which doubles: each byte moves seldom. */
static bool settle(struct input *input, size_t needed)
{
    size_t capacity = input->capacity;
    char *block = input->block;
    if (!block || needed > capacity) {
        capacity = capacity * 2 > needed ? capacity * 2 : needed;
        block = malloc(capacity);
        if (!block)
            return false;
    }
    memmove(block, input->bytes, input->size);
    if (block != input->block)
        free(input->block);
    input->bytes = input->block = block;
    input->capacity = capacity;
    return true;
}

bool input_add(struct input *input, char *bytes, size_t size)
{
    if (input->size == 0) {
        input->bytes = bytes;
        input->size = size;
        return true;
    }
    size_t begin = input->block ? (size_t)(input->bytes - input->block) : 0;
    if (begin + input->size + size > input->capacity && !settle(input, input->size + size))
        return false;
    memcpy(input->bytes + input->size, bytes, size);
    input->size += size;
    return true;
}

void input_take(struct input *input, size_t size)
{
    input->bytes += size;
    input->size -= size;
    if (input->size == 0)
        input_deinit(input);
}

bool input_keep(struct input *input)
{
    return input->size == 0 || input->block || settle(input, input->size);
}

void input_deinit(struct input *input)
{
    free(input->block);
    *input = (struct input){0};
}
