#include "rpc/input.h"

#include <stdlib.h>
#include <string.h>

#define SMALLEST_ROOM   16384u
#define LARGEST_AT_REST 65536u /* A connection that once sent a large message does not keep it. */

const char *input_bytes(const struct input *input)
{
    return input->block ? input->block + input->begin : "";
}

/* Each byte moves seldom: to the front only once per message, and up only when the block doubles.
 */
char *input_room(struct input *input, size_t *room)
{
    if (input->begin > 0 && input->capacity - input->begin - input->size < SMALLEST_ROOM) {
        memmove(input->block, input->block + input->begin, input->size);
        input->begin = 0;
    }
    if (input->capacity - input->begin - input->size < SMALLEST_ROOM) {
        size_t capacity = input->capacity ? input->capacity * 2 : SMALLEST_ROOM;
        char *block = realloc(input->block, capacity);
        if (!block)
            return NULL;
        input->block = block;
        input->capacity = capacity;
    }
    *room = input->capacity - input->begin - input->size;
    return input->block + input->begin + input->size;
}

void input_add(struct input *input, size_t size)
{
    input->size += size;
}

void input_take(struct input *input, size_t size)
{
    input->begin += size;
    input->size -= size;
    if (input->size > 0)
        return;
    input->begin = 0;
    if (input->capacity > LARGEST_AT_REST)
        input_deinit(input);
}

void input_deinit(struct input *input)
{
    free(input->block);
    *input = (struct input){0};
}
