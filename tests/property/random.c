/* Chance, and the memory of a world. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "property.h"

#define BLOCK_BYTES ((size_t)1 << 20)

struct block {
    struct block *before;
    size_t used;
    size_t size;
    _Alignas(16) char bytes[];
};

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next(struct world *world)
{
    uint64_t z = (world->random += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t draw(struct world *world, uint64_t below)
{
    return below ? next(world) % below : 0;
}

int64_t draw_between(struct world *world, int64_t least, int64_t most)
{
    return least + (int64_t)draw(world, (uint64_t)(most - least) + 1);
}

bool chance(struct world *world, unsigned percent)
{
    return draw(world, 100) < percent;
}

void *take(struct world *world, size_t size)
{
    struct block *block = world->memory;
    size = (size + 15) & ~(size_t)15;
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        struct block *more = malloc(sizeof *more + room);
        if (!more)
            abort();
        *more = (struct block){.before = block, .size = room};
        world->memory = block = more;
    }
    void *at = block->bytes + block->used;
    block->used += size;
    memset(at, 0, size);
    return at;
}

const char *words(struct world *world, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    size_t size = (size_t)vsnprintf(NULL, 0, format, again) + 1;
    va_end(again);
    char *text = take(world, size);
    vsnprintf(text, size, format, arguments);
    va_end(arguments);
    return text;
}

void give_back(struct world *world)
{
    while (world->memory) {
        struct block *before = world->memory->before;
        free(world->memory);
        world->memory = before;
    }
}
