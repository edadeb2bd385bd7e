/** What differs between two texts, line by line, as people know it from version control. */
#pragma once

#include <stddef.h>

/** Beyond so many lines that came or went, everything between the first and the last difference is
 *  told as replaced: the search takes memory with the square of it. */
#define DIFF_EDITS 1000

struct diff_text {
    const char *at;
    size_t size;
};

/** Hunks of a unified diff with three lines around each change, without the lines that name the
 *  files. NUL-terminated, "" when nothing differs; the caller frees it. NULL: no memory. */
char *diff_unified(struct diff_text from, struct diff_text to);
