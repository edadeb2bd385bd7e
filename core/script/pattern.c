/* A backtracking matcher for the patterns of the Lua 5.4 manual, section 6.4.1. */
#include "script/pattern.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#include "script/script_internal.h"

#define DEPTH_MOST 200
/* A step buys this many comparisons. */
#define WORK_PER_STEP 8
#define WORK_SLICE    512

#define CAPTURE_OPEN     (-1)
#define CAPTURE_POSITION (-2)

static const char *match_here(struct pattern *m, const char *at, const char *p);

static void work(struct pattern *m, size_t comparisons)
{
    m->work += comparisons;
    if (m->work < WORK_SLICE)
        return;
    script_charge(m->lua, (int64_t)(m->work / WORK_PER_STEP));
    m->work = 0;
}

/* A set may be as long as the pattern. */
static size_t class_work(const char *p, const char *end)
{
    return 1 + (size_t)(end - p) / 4;
}

/* --- Single characters --- */

/* The end of the class that begins at `p`: one character, %x or [set]. */
static const char *class_end(struct pattern *m, const char *p)
{
    char first = *p++;
    if (first == '%') {
        if (p == m->text_end)
            luaL_error(m->lua, "malformed pattern (ends with '%%')");
        return p + 1;
    }
    if (first != '[')
        return p;
    if (p < m->text_end && *p == '^')
        p++;
    /* A ']' right at the start is a member, not the end. */
    for (bool started = false;; started = true) {
        if (p == m->text_end)
            luaL_error(m->lua, "malformed pattern (missing ']')");
        if (started && *p == ']')
            return p + 1;
        if (*p == '%' && p + 1 < m->text_end)
            p++;
        p++;
    }
}

static bool in_class(unsigned char c, unsigned char class)
{
    bool in;
    switch (tolower(class)) {
    case 'a':
        in = isalpha(c);
        break;
    case 'c':
        in = iscntrl(c);
        break;
    case 'd':
        in = isdigit(c);
        break;
    case 'g':
        in = isgraph(c);
        break;
    case 'l':
        in = islower(c);
        break;
    case 'p':
        in = ispunct(c);
        break;
    case 's':
        in = isspace(c);
        break;
    case 'u':
        in = isupper(c);
        break;
    case 'w':
        in = isalnum(c);
        break;
    case 'x':
        in = isxdigit(c);
        break;
    default:
        return c == class;
    }
    return isupper(class) ? !in : in;
}

/* `p` is at '[', `last` at the closing ']'. */
static bool in_set(unsigned char c, const char *p, const char *last)
{
    bool wanted = true;
    p++;
    if (*p == '^') {
        wanted = false;
        p++;
    }
    while (p < last) {
        if (*p == '%' && p + 1 < last) {
            if (in_class(c, (unsigned char)p[1]))
                return wanted;
            p += 2;
        } else if (p + 2 < last && p[1] == '-') {
            if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
                return wanted;
            p += 3;
        } else {
            if ((unsigned char)*p == c)
                return wanted;
            p++;
        }
    }
    return !wanted;
}

static bool matches_one(struct pattern *m, const char *at, const char *p, const char *end)
{
    work(m, class_work(p, end));
    if (at >= m->subject_end)
        return false;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a place in the subject. */
    unsigned char c = (unsigned char)*at;
    switch (*p) {
    case '.':
        return true;
    case '%':
        return in_class(c, (unsigned char)p[1]);
    case '[':
        return in_set(c, p, end - 1);
    default:
        return (unsigned char)*p == c;
    }
}

/* --- Repetition --- */

static const char *as_many(struct pattern *m, const char *at, const char *p, const char *end)
{
    ptrdiff_t count = 0;
    while (matches_one(m, at + count, p, end))
        count++;
    for (; count >= 0; count--) {
        const char *found = match_here(m, at + count, end + 1);
        if (found)
            return found;
    }
    return NULL;
}

static const char *as_few(struct pattern *m, const char *at, const char *p, const char *end)
{
    for (;; at++) {
        const char *found = match_here(m, at, end + 1);
        if (found)
            return found;
        if (!matches_one(m, at, p, end))
            return NULL;
    }
}

/* --- Captures and the special items --- */

static const char *open_capture(struct pattern *m, const char *at, const char *p, ptrdiff_t mark)
{
    if (m->capture_count == PATTERN_CAPTURES)
        luaL_error(m->lua, "too many captures");
    m->captures[m->capture_count++] = (struct pattern_capture){at, mark};
    const char *found = match_here(m, at, p);
    if (!found)
        m->capture_count--;
    return found;
}

static const char *close_capture(struct pattern *m, const char *at, const char *p)
{
    unsigned i = m->capture_count;
    while (i > 0 && m->captures[i - 1].length != CAPTURE_OPEN)
        i--;
    if (i == 0)
        luaL_error(m->lua, "invalid pattern capture");
    struct pattern_capture *capture = &m->captures[i - 1];
    capture->length = at - capture->at;
    const char *found = match_here(m, at, p);
    if (!found)
        capture->length = CAPTURE_OPEN;
    return found;
}

static const char *match_balanced(struct pattern *m, const char *at, const char *p)
{
    if (m->text_end - p < 2)
        luaL_error(m->lua, "malformed pattern (missing arguments to '%%b')");
    if (at == m->subject_end || *at != p[0])
        return NULL;
    for (int open = 1; ++at < m->subject_end;) {
        work(m, 1);
        if (*at == p[1]) {
            if (--open == 0)
                return at + 1;
        } else if (*at == p[0]) {
            open++;
        }
    }
    return NULL;
}

static const char *match_again(struct pattern *m, const char *at, char digit)
{
    unsigned index = (unsigned)(digit - '1');
    if (digit == '0' || index >= m->capture_count || m->captures[index].length == CAPTURE_OPEN)
        luaL_error(m->lua, "invalid capture index %%%c in the pattern", digit);
    const struct pattern_capture *capture = &m->captures[index];
    ptrdiff_t length = capture->length;
    if (length < 0 || m->subject_end - at < length)
        return NULL;
    script_charge(m->lua, length / SCRIPT_STEP_BYTES);
    return memcmp(capture->at, at, (size_t)length) == 0 ? at + length : NULL;
}

/* %f[set]: the change from outside the set to inside. Returns the end of the item or NULL. */
static const char *match_frontier(struct pattern *m, const char *at, const char *p)
{
    if (p == m->text_end || *p != '[')
        luaL_error(m->lua, "missing '[' after '%%f' in the pattern");
    const char *end = class_end(m, p);
    work(m, class_work(p, end));
    unsigned char before = at == m->subject ? '\0' : (unsigned char)at[-1];
    unsigned char here = at == m->subject_end ? '\0' : (unsigned char)*at;
    return !in_set(before, p, end - 1) && in_set(here, p, end - 1) ? end : NULL;
}

/* One of %b, %f, %1..%9 at `*p`. Moves both on and returns true when it matched. */
static bool match_special(struct pattern *m, const char **at, const char **p)
{
    char kind = (*p)[1];
    const char *moved;
    if (kind == 'f') {
        moved = match_frontier(m, *at, *p + 2);
        if (moved)
            *p = moved;
        return moved != NULL;
    }
    moved = kind == 'b' ? match_balanced(m, *at, *p + 2) : match_again(m, *at, kind);
    if (!moved)
        return false;
    *at = moved;
    *p += kind == 'b' ? 4 : 2;
    return true;
}

static bool is_special(const struct pattern *m, const char *p)
{
    return *p == '%' && p + 1 < m->text_end &&
           (p[1] == 'b' || p[1] == 'f' || isdigit((unsigned char)p[1]));
}

/* The items from `p` on; only repetition and captures recurse. */
static const char *match_items(struct pattern *m, const char *at, const char *p)
{
    while (p < m->text_end) {
        work(m, 1);
        if (*p == '(')
            return p + 1 < m->text_end && p[1] == ')' ? open_capture(m, at, p + 2, CAPTURE_POSITION)
                                                      : open_capture(m, at, p + 1, CAPTURE_OPEN);
        if (*p == ')')
            return close_capture(m, at, p + 1);
        if (*p == '$' && p + 1 == m->text_end)
            return at == m->subject_end ? at : NULL;
        if (is_special(m, p)) {
            if (!match_special(m, &at, &p))
                return NULL;
            continue;
        }
        const char *end = class_end(m, p);
        char repeat = end < m->text_end ? *end : '\0';
        if (repeat == '*')
            return as_many(m, at, p, end);
        if (repeat == '-')
            return as_few(m, at, p, end);
        bool one = matches_one(m, at, p, end);
        if (repeat == '+')
            return one ? as_many(m, at + 1, p, end) : NULL;
        if (repeat == '?') {
            const char *found = one ? match_here(m, at + 1, end + 1) : NULL;
            if (found)
                return found;
            p = end + 1;
            continue;
        }
        if (!one)
            return NULL;
        at++;
        p = end;
    }
    return at;
}

static const char *match_here(struct pattern *m, const char *at, const char *p)
{
    if (m->depth == DEPTH_MOST)
        luaL_error(m->lua, "the pattern is too complex");
    m->depth++;
    const char *found = match_items(m, at, p);
    m->depth--;
    return found;
}

const char *pattern_match(struct pattern *m, const char *at)
{
    m->depth = 0;
    m->capture_count = 0;
    return match_here(m, at, m->text);
}

void pattern_push_capture(struct pattern *m, unsigned index, const char *start, const char *end)
{
    if (index >= m->capture_count) {
        if (index != 0)
            luaL_error(m->lua, "invalid capture index %%%d", (int)index + 1);
        lua_pushlstring(m->lua, start, (size_t)(end - start));
        return;
    }
    const struct pattern_capture *capture = &m->captures[index];
    if (capture->length == CAPTURE_OPEN)
        luaL_error(m->lua, "unfinished capture");
    if (capture->length == CAPTURE_POSITION)
        lua_pushinteger(m->lua, capture->at - m->subject + 1);
    else
        lua_pushlstring(m->lua, capture->at, (size_t)capture->length);
}

int pattern_push_captures(struct pattern *m, const char *start, const char *end)
{
    unsigned count = m->capture_count == 0 && start ? 1 : m->capture_count;
    luaL_checkstack(m->lua, (int)count, "too many captures");
    for (unsigned i = 0; i < count; i++)
        pattern_push_capture(m, i, start, end);
    return (int)count;
}
