/* One thread, many connections. Closed loop: each answer lets the next request go. Open loop:
 * requests are due at a fixed rate, and latency counts from when one was due, so that a server that
 * stalls does not slow down the clock (Tene's "coordinated omission"). */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <time.h>

#include "load.h"

#define READY_MAX 256

struct pending {
    uint32_t id;
    uint64_t due;
};

struct line {
    struct client *client;
    struct pending *pending;
    unsigned in_flight;
};

struct loop {
    const struct load_options *options;
    const struct load_requests *requests;
    struct line *lines;
    struct load_result *result;
    int poll;
    uint64_t sent;
    uint64_t began, until, next_due;
    unsigned turn; /* Whose turn it is in the open loop. */
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool complain(const struct client *client)
{
    fprintf(stderr, "load: %s\n", client_error(client)->message);
    return false;
}

static bool send_next(struct loop *loop, struct line *line, uint64_t due)
{
    const struct load_request *request = &loop->requests->at[loop->sent++ % loop->requests->count];
    uint32_t id;
    if (client_send(line->client, request->method, &request->params, &id) != CLIENT_OK)
        return complain(line->client);
    line->pending[line->in_flight++] = (struct pending){id, due};
    return true;
}

static void note(struct loop *loop, struct line *line, const struct client_reply *reply)
{
    struct load_result *result = loop->result;
    unsigned i = 0;
    while (line->pending[i].id != reply->id)
        i++;
    uint64_t due = line->pending[i].due, now = now_ns();
    line->pending[i] = line->pending[--line->in_flight];
    histogram_add(&result->latency, now > due ? now - due : 0);
    result->answered++;
    if (reply->error && result->refused++ == 0)
        snprintf(result->why, sizeof(result->why), "%s", reply->error->message);
}

/* Takes what has come; in the closed loop each answer is a request's leave to go. */
static bool serve(struct loop *loop, struct line *line)
{
    for (;;) {
        struct client_reply reply;
        bool here;
        enum client_status status = client_poll(line->client, &reply, &here);
        if (status != CLIENT_OK && status != CLIENT_REFUSED)
            return complain(line->client);
        if (!here)
            return true;
        note(loop, line, &reply);
        client_reply_free(&reply);
        uint64_t now = now_ns();
        if (loop->options->rate == 0 && now < loop->until && !send_next(loop, line, now))
            return false;
    }
}

/* Whatever is due and finds a free place. The rest stays due and goes late. */
static bool send_due(struct loop *loop)
{
    const struct load_options *options = loop->options;
    uint64_t step = (uint64_t)(1e9 / options->rate), now = now_ns();
    for (unsigned full = 0;
         full < options->connections && loop->next_due <= now && loop->next_due < loop->until;) {
        struct line *line = &loop->lines[loop->turn++ % options->connections];
        if (line->in_flight >= options->depth) {
            full++;
            continue;
        }
        if (!send_next(loop, line, loop->next_due))
            return false;
        loop->next_due += step;
        full = 0;
    }
    return true;
}

static uint64_t in_flight(const struct loop *loop)
{
    return loop->sent - loop->result->answered;
}

/* Until the next request is due, or the end. */
static struct timespec time_to_wait(const struct loop *loop)
{
    uint64_t now = now_ns(), next = now < loop->until ? loop->until : now + 1000000000;
    if (loop->options->rate > 0 && loop->next_due < loop->until)
        next = loop->next_due;
    uint64_t wait = next > now ? next - now : 0;
    return (struct timespec){.tv_sec = (time_t)(wait / 1000000000),
                             .tv_nsec = (long)(wait % 1000000000)};
}

static bool turn(struct loop *loop)
{
    struct epoll_event ready[READY_MAX];
    struct timespec wait = time_to_wait(loop);
    int count = epoll_pwait2(loop->poll, ready, READY_MAX, &wait, NULL);
    for (int i = 0; i < count; i++)
        if (!serve(loop, ready[i].data.ptr))
            return false;
    return loop->options->rate == 0 || send_due(loop);
}

static bool open_lines(struct loop *loop, load_dial dial, void *argument)
{
    for (unsigned i = 0; i < loop->options->connections; i++) {
        struct line *line = &loop->lines[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = line};
        line->pending = calloc(loop->options->depth, sizeof(*line->pending));
        line->client = dial(argument);
        if (!line->client || !line->pending ||
            epoll_ctl(loop->poll, EPOLL_CTL_ADD, client_fd(line->client), &event) != 0)
            return false;
    }
    return true;
}

static bool run(struct loop *loop)
{
    const struct load_options *options = loop->options;
    loop->began = loop->next_due = now_ns();
    loop->until = loop->began + (uint64_t)(options->seconds * 1e9);
    for (unsigned i = 0; options->rate == 0 && i < options->connections; i++)
        for (unsigned d = 0; d < options->depth; d++)
            if (!send_next(loop, &loop->lines[i], now_ns()))
                return false;
    while (now_ns() < loop->until || in_flight(loop) > 0)
        if (!turn(loop))
            return false;
    loop->result->seconds = (double)(now_ns() - loop->began) / 1e9;
    return true;
}

bool load_run(const struct load_options *options, const struct load_requests *requests,
              load_dial dial, void *argument, struct load_result *out)
{
    struct loop loop = {.options = options, .requests = requests, .result = out};
    *out = (struct load_result){.seconds = 0};
    loop.lines = calloc(options->connections, sizeof(*loop.lines));
    loop.poll = epoll_create1(EPOLL_CLOEXEC);
    bool done = loop.lines && loop.poll >= 0 && open_lines(&loop, dial, argument) && run(&loop);
    for (unsigned i = 0; loop.lines && i < options->connections; i++) {
        client_free(loop.lines[i].client);
        free(loop.lines[i].pending);
    }
    free(loop.lines);
    close(loop.poll);
    return done;
}
