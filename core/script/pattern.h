/** Lua's patterns, matched by our own matcher: it pays steps for its work, so that a pattern that
 *  tries everything ends with the budget instead of holding up the server. Private to script/. */
#pragma once

#include <stddef.h>

#include <lua.h>

#define PATTERN_CAPTURES 32

struct pattern_capture {
    const char *at;
    ptrdiff_t length; /**< Or one of the marks in pattern.c. */
};

struct pattern {
    lua_State *lua;
    const char *subject;
    const char *subject_end;
    const char *text;
    const char *text_end;
    size_t work;
    unsigned depth;
    unsigned capture_count;
    struct pattern_capture captures[PATTERN_CAPTURES];
};

/** Where the match that begins at `at` ends, or NULL. Raises for a malformed pattern. */
const char *pattern_match(struct pattern *m, const char *at);
/** Captures pushed, or the whole match when the pattern has none; NULL for `start` pushes none. */
int pattern_push_captures(struct pattern *m, const char *start, const char *end);
/** Capture `index` from 0 (0 is the whole match when there are none). */
void pattern_push_capture(struct pattern *m, unsigned index, const char *start, const char *end);
