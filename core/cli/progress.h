/** Private to core/cli: one line on stderr that says how far a long command is.
 *
 *  Drawn only when stderr is a terminal that can move its cursor. Whoever else writes to the
 *  terminal hides it first (cli_say does); the next update draws it again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cli/text.h"

/** How far the work is. */
struct progress_state {
    const char *name;
    uint64_t rows;
    uint64_t failed;
    uint64_t done;  /**< Bytes, or rows, of all. */
    uint64_t total; /**< 0 when it cannot be known. */
    int64_t elapsed_us;
    bool chinese;
};

struct progress {
    struct progress_state state; /**< The caller's, but for elapsed_us. */
    bool wanted;
    bool visible;
    int64_t began_us;
    int64_t drawn_us;
};

void progress_begin(struct progress *progress);
/** Draws the state: the first time, and then at most ten times a second. */
void progress_update(struct progress *progress);
void progress_hide(struct progress *progress);

/** The line for a terminal of `width` columns, which it never fills: a terminal would wrap it. What
 *  matters least is left out first: the bar, the rate, the name. */
void progress_line(struct text *out, const struct progress_state *state, size_t width);
