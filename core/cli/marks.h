/** Private to core/cli: a set of 64-bit marks, each with the line it was first seen on. A mark
 * takes 16 bytes, and the table is at most two thirds empty. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct mark;
/** All zero is empty. */
struct marks {
    struct mark *at;
    size_t places;
    size_t taken;
};
void marks_free(struct marks *marks);
/** The line of the mark; 0 when it is not there. */
uint64_t marks_find(const struct marks *marks, uint64_t mark);
/** Keeps the first line of a mark that is there already. */
void marks_add(struct marks *marks, uint64_t mark, uint64_t line);
