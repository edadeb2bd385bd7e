#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"

#define DRAW_EVERY_US 100000
#define WIDTH_DEFAULT 80
#define BAR_MIN       8
#define BAR_MAX       40
#define NAME_MAX      30
/* Before that a rate is noise. */
#define RATE_AFTER_US 500000

static bool can_draw(void)
{
    const char *terminal = getenv("TERM");
    return isatty(STDERR_FILENO) && terminal && terminal[0] && strcmp(terminal, "dumb") != 0;
}

void progress_begin(struct progress *progress)
{
    progress->wanted = can_draw();
    progress->visible = false;
    progress->began_us = clock_monotonic_us();
    progress->drawn_us = progress->began_us - DRAW_EVERY_US;
}

static size_t terminal_width(void)
{
    struct winsize size;
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : WIDTH_DEFAULT;
}

void progress_update(struct progress *progress)
{
    int64_t now = clock_monotonic_us();
    if (!progress->wanted || now - progress->drawn_us < DRAW_EVERY_US)
        return;
    struct text line = {.at = NULL};
    progress->state.elapsed_us = now - progress->began_us;
    progress->drawn_us = now;
    progress->visible = true;
    text_add_word(&line, "\r");
    progress_line(&line, &progress->state, terminal_width());
    text_add_word(&line, "\033[K");
    fwrite(line.at, 1, line.length, stderr);
    fflush(stderr);
    text_free(&line);
}

void progress_hide(struct progress *progress)
{
    if (progress->visible)
        fputs("\r\033[K", stderr);
    progress->visible = false;
}

static unsigned percent_of(const struct progress_state *state)
{
    if (state->done >= state->total)
        return 100;
    return (unsigned)((double)state->done * 100 / (double)state->total);
}

static void add_rows(struct text *out, const struct progress_state *state)
{
    if (state->total > 0)
        text_add_format(out, "%3u%%  ", percent_of(state));
    text_add_format(out, state->chinese ? "%" PRIu64 " 行" : "%" PRIu64 " rows", state->rows);
    if (state->failed > 0)
        text_add_format(out, state->chinese ? "，%" PRIu64 " 行失败" : ", %" PRIu64 " failed",
                        state->failed);
}

static void add_rate(struct text *out, const struct progress_state *state)
{
    if (state->elapsed_us < RATE_AFTER_US)
        return;
    double seconds = (double)state->elapsed_us / 1e6;
    text_add_format(out, state->chinese ? "  %.0f/秒" : "  %.0f/s", (double)state->rows / seconds);
    if (state->done == 0 || state->done >= state->total)
        return;
    double left = seconds * (double)(state->total - state->done) / (double)state->done;
    /* Nobody waits for a longer one. */
    unsigned long whole = left < 359999 ? (unsigned long)(left + 0.5) : 359999;
    text_add_word(out, state->chinese ? "  剩余 " : "  ETA ");
    if (whole >= 3600)
        text_add_format(out, "%lu:%02lu:%02lu", whole / 3600, whole / 60 % 60, whole % 60);
    else
        text_add_format(out, "%lu:%02lu", whole / 60, whole % 60);
}

static void add_name(struct text *out, const char *name)
{
    struct text safe = {.at = NULL};
    text_add_safe(&safe, name, strlen(name));
    if (text_width(safe.at, safe.length) > NAME_MAX) {
        text_add(out, safe.at, text_fit(safe.at, safe.length, NAME_MAX - 1));
        text_add_word(out, "…");
    } else {
        text_add(out, safe.at, safe.length);
    }
    text_add_word(out, "  ");
    text_free(&safe);
}

static void add_bar(struct text *out, const struct progress_state *state, size_t room)
{
    size_t width = room - 4 < BAR_MAX ? room - 4 : BAR_MAX;
    size_t full = width * percent_of(state) / 100;
    text_add_word(out, "[");
    for (size_t i = 0; i < width; i++)
        text_add_word(out, i < full ? "#" : "-");
    text_add_word(out, "]  ");
}

void progress_line(struct text *out, const struct progress_state *state, size_t width)
{
    struct text name = {.at = NULL}, rows = {.at = NULL}, rate = {.at = NULL};
    add_name(&name, state->name);
    add_rows(&rows, state);
    add_rate(&rate, state);
    size_t name_width = text_width(name.at, name.length);
    size_t rows_width = text_width(rows.at, rows.length);
    size_t rate_width = text_width(rate.at, rate.length);
    size_t room = width > 0 ? width - 1 : 0;

    bool with_rate = rows_width + rate_width <= room;
    size_t used = rows_width + (with_rate ? rate_width : 0);
    bool with_name = used + name_width <= room;
    used += with_name ? name_width : 0;
    if (with_name)
        text_add(out, name.at, name.length);
    if (state->total > 0 && used + BAR_MIN + 4 <= room)
        add_bar(out, state, room - used);
    text_add(out, rows.at, text_fit(rows.at, rows.length, room));
    if (with_rate)
        text_add(out, rate.at, rate.length);
    text_free(&name);
    text_free(&rows);
    text_free(&rate);
}
