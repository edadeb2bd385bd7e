/* E. W. Myers, "An O(ND) difference algorithm and its variations" (1986): the shortest way from one
 * list of lines to the other, found by going furthest with 0, 1, 2 ... edits on each diagonal. */
#include "base/diff.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT ((size_t)3)

struct line {
    const char *at;
    size_t size; /* With its newline. */
};

struct side {
    struct line *lines;
    bool *edited; /* Of each line: it is in one text only. */
    size_t count;
};

struct work {
    struct side from, to;
    size_t head;     /* Lines that are the same at the front, */
    size_t old, new; /* and how many lie between those and the same ones at the end. */
    int32_t **trace; /* For each number of edits, how far each diagonal went. */
    size_t trace_count;
    char *out;
    size_t size, capacity;
    bool failed;
};

/* --- Lines --- */

static bool split(struct diff_text text, struct side *side)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += text.at[i] == '\n';
    side->lines = calloc(count + 2, sizeof(*side->lines));
    side->edited = calloc(count + 2, sizeof(*side->edited));
    if (!side->lines || !side->edited)
        return false;
    for (size_t at = 0; at < text.size;) {
        const char *end = memchr(text.at + at, '\n', text.size - at);
        size_t size = end ? (size_t)(end - (text.at + at)) + 1 : text.size - at;
        side->lines[side->count++] = (struct line){text.at + at, size};
        at += size;
    }
    return true;
}

static bool same(const struct work *work, size_t old, size_t new)
{
    const struct line *a = &work->from.lines[old], *b = &work->to.lines[new];
    return a->size == b->size && memcmp(a->at, b->at, a->size) == 0;
}

static void trim(struct work *work)
{
    size_t old = work->from.count, new = work->to.count;
    while (work->head < old && work->head < new &&same(work, work->head, work->head))
        work->head++;
    while (old > work->head && new > work->head && same(work, old - 1, new - 1)) {
        old--;
        new --;
    }
    work->old = old - work->head;
    work->new = new - work->head;
}

/* --- The shortest way --- */

/* Where diagonal `k` begins with one edit more than `far` has; `edits` is that number. */
static bool goes_down(const int32_t *far, int32_t k, int32_t edits)
{
    return k == -edits || (k != edits && far[k - 1] < far[k + 1]);
}

/* Keeps what is reached with `edits`; false without memory. */
static bool keep_trace(struct work *work, const int32_t *far, int32_t edits)
{
    size_t size = (2 * (size_t)edits + 1) * sizeof(*far);
    int32_t *copy = malloc(size);
    if (!copy)
        return false;
    memcpy(copy, far - edits, size);
    work->trace[work->trace_count++] = copy;
    return true;
}

/* One round over the diagonals. True when the end is reached. */
static bool advance(const struct work *work, int32_t *far, int32_t edits)
{
    int32_t old = (int32_t)work->old, new = (int32_t)work->new;
    for (int32_t k = -edits; k <= edits; k += 2) {
        int32_t x = edits == 0 ? 0 : goes_down(far, k, edits) ? far[k + 1] : far[k - 1] + 1;
        int32_t y = x - k;
        while (x < old && y < new &&same(work, work->head + (size_t)x, work->head + (size_t)y)) {
            x++;
            y++;
        }
        far[k] = x;
        if (k == old - new &&x >= old)
            return true;
    }
    return false;
}

/* How many edits it takes; -1: too many, or no memory. */
static int32_t search(struct work *work)
{
    int32_t *room = calloc(2 * DIFF_EDITS + 3, sizeof(*room)), *far = room + DIFF_EDITS + 1;
    int32_t found = -1;
    work->trace = calloc(DIFF_EDITS + 1, sizeof(*work->trace));
    bool has_memory = room && work->trace;
    for (int32_t edits = 0; has_memory && found < 0 && edits <= DIFF_EDITS; edits++) {
        if (advance(work, far, edits))
            found = edits;
        else
            has_memory = keep_trace(work, far, edits);
    }
    free(room);
    return found;
}

static void mark(struct work *work, int32_t edits)
{
    int32_t x = (int32_t)work->old, y = (int32_t)work->new;
    for (; edits > 0; edits--) {
        const int32_t *far = work->trace[edits - 1] + (edits - 1);
        int32_t k = x - y;
        bool down = goes_down(far, k, edits);
        int32_t before = down ? k + 1 : k - 1;
        x = far[before];
        y = x - before;
        if (down)
            work->to.edited[work->head + (size_t)y] = true;
        else
            work->from.edited[work->head + (size_t)x] = true;
    }
}

static void find_edits(struct work *work)
{
    int32_t edits = search(work);
    if (edits >= 0) {
        mark(work, edits);
        return;
    }
    for (size_t i = 0; i < work->old; i++)
        work->from.edited[work->head + i] = true;
    for (size_t i = 0; i < work->new; i++)
        work->to.edited[work->head + i] = true;
}

/* --- Telling --- */

static void add(struct work *work, const char *bytes, size_t size)
{
    if (!work->out || work->size + size + 1 > work->capacity) {
        size_t capacity = (work->size + size + 1) * 2;
        char *grown = realloc(work->out, capacity);
        if (!grown) {
            work->failed = true;
            return;
        }
        work->out = grown;
        work->capacity = capacity;
    }
    memcpy(work->out + work->size, bytes, size);
    work->size += size;
    work->out[work->size] = '\0';
}

static void add_line(struct work *work, char mark, const struct line *line)
{
    static const char no_newline[] = "\n\\ No newline at end of file\n";
    add(work, &mark, 1);
    add(work, line->at, line->size);
    if (line->size == 0 || line->at[line->size - 1] != '\n')
        add(work, no_newline, sizeof(no_newline) - 1);
}

static bool is_edited(const struct side *side, size_t at)
{
    return at < side->count && side->edited[at];
}

struct hunk {
    size_t old, new;         /* First lines. */
    size_t old_end, new_end; /* Behind the last. */
};

/* From the first edit on, until more lines follow it unchanged than two changes' surroundings. */
static void grow(const struct work *work, struct hunk *hunk)
{
    size_t old = hunk->old_end, new = hunk->new_end, calm = 0;
    while (old < work->from.count || new < work->to.count) {
        bool edited = true;
        if (is_edited(&work->from, old)) {
            old++;
        } else if (is_edited(&work->to, new)) {
            new ++;
        } else {
            old++;
            new ++;
            edited = false;
        }
        calm = edited ? 0 : calm + 1;
        if (calm > 2 * CONTEXT)
            break;
        if (edited) {
            hunk->old_end = old;
            hunk->new_end = new;
        }
    }
    for (size_t i = 0;
         i < CONTEXT && hunk->old_end < work->from.count && hunk->new_end < work->to.count; i++) {
        hunk->old_end++;
        hunk->new_end++;
    }
}

/* An empty side is named by the line before it. */
static void add_head(struct work *work, const struct hunk *hunk)
{
    char head[100];
    size_t old = hunk->old_end - hunk->old, new = hunk->new_end - hunk->new;
    int size = snprintf(head, sizeof(head), "@@ -%zu,%zu +%zu,%zu @@\n", hunk->old + (old > 0), old,
                        hunk->new + (new > 0), new);
    add(work, head, (size_t)size);
}

static void add_hunk(struct work *work, const struct hunk *hunk)
{
    size_t old = hunk->old, new = hunk->new;
    add_head(work, hunk);
    while (old < hunk->old_end || new < hunk->new_end) {
        if (is_edited(&work->from, old)) {
            add_line(work, '-', &work->from.lines[old++]);
        } else if (is_edited(&work->to, new)) {
            add_line(work, '+', &work->to.lines[new ++]);
        } else {
            add_line(work, ' ', &work->from.lines[old++]);
            new ++;
        }
    }
}

static void tell(struct work *work)
{
    size_t old = 0, new = 0;
    add(work, "", 0);
    while (old < work->from.count || new < work->to.count) {
        if (!is_edited(&work->from, old) && !is_edited(&work->to, new)) {
            old++;
            new ++;
            continue;
        }
        size_t before = old < CONTEXT ? old : CONTEXT;
        before = new < before ? new : before;
        struct hunk hunk = {old - before, new - before, old, new};
        grow(work, &hunk);
        add_hunk(work, &hunk);
        old = hunk.old_end;
        new = hunk.new_end;
    }
}

char *diff_unified(struct diff_text from, struct diff_text to)
{
    struct work work = {.failed = false};
    if (split(from, &work.from) && split(to, &work.to)) {
        trim(&work);
        find_edits(&work);
        tell(&work);
    } else {
        work.failed = true;
    }
    for (size_t i = 0; i < work.trace_count; i++)
        free(work.trace[i]);
    free(work.trace);
    free(work.from.lines);
    free(work.from.edited);
    free(work.to.lines);
    free(work.to.edited);
    if (!work.failed)
        return work.out;
    free(work.out);
    return NULL;
}
