/* Each event does its own work and then calls advance(), the one place that decides what the
 * connection does and waits for next, and the one place that frees it.
 *
 * Invariants: in_flight counts the calls that point at the connection, so it is freed only at 0,
 * long after its socket perhaps. An exclusive method is in flight alone. A readable event is
 * pending only if every whole message before has been given to the engine. Of the output, a
 * writable event is pending exactly while some of it waits for the client to read. */
#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "rpc/connection_internal.h"

#define LINGER_S      2           /* For a client to hang up after its last reply. */
#define DISCARD_BYTES (16u << 20) /* Of a client that was cut off and goes on sending. */

static void on_readable(evutil_socket_t fd, short events, void *argument);
static void on_writable(evutil_socket_t fd, short events, void *argument);
static void on_timer(evutil_socket_t fd, short events, void *argument);
static void on_returned(evutil_socket_t fd, short events, void *argument);
static void on_called(evutil_socket_t fd, short events, void *argument);
static struct connection *make(struct connections *all, evutil_socket_t fd, struct peer *peer,
                               const char *name);
static void free_parts(struct connection *c);
static void advance(struct connection *c);

static void free_shared(struct connections *all)
{
    if (all->returned)
        event_free(all->returned);
    if (all->called)
        event_free(all->called);
    peers_deinit(&all->peers);
    free(all->room);
    rpc_returns_deinit(&all->returns);
}

bool connections_init(struct connections *all)
{
    if (!rpc_returns_init(&all->returns))
        return false;
    all->returned =
        event_new(all->base, all->returns.wake_fd, EV_READ | EV_PERSIST, on_returned, all);
    all->called = evtimer_new(all->base, on_called, all);
    all->last_call = &all->calls;
    all->room = malloc(CONNECTION_ROOM_BYTES);
    if (peers_init(&all->peers) && all->room && all->returned && all->called &&
        event_add(all->returned, NULL) == 0)
        return true;
    free_shared(all);
    return false;
}

void connections_call(struct connections *all, struct engine_request *request)
{
    request->next = NULL;
    if (!all->calls)
        event_active(all->called, EV_TIMEOUT, 0); /* Behind what is active already. */
    *all->last_call = request;
    all->last_call = &request->next;
}

static void on_called(evutil_socket_t fd, short events, void *argument)
{
    struct connections *all = argument;
    struct engine_request *calls = all->calls;
    (void)fd;
    (void)events;
    all->calls = NULL;
    all->last_call = &all->calls;
    engine_submit(all->engine, calls);
}

void connections_deinit(struct connections *all)
{
    struct rpc_call *next;
    if (all->calls)
        on_called(-1, EV_TIMEOUT, all); /* The engine has stopped: they come back as `busy`. */
    for (struct rpc_call *call = rpc_returns_take(&all->returns); call; call = next) {
        next = call->next;
        rpc_call_free(call);
    }
    struct connection *after;
    for (struct connection *c = all->first; c; c = after) {
        after = c->next;
        connection_hang_up(c);
        peers_leave(&all->peers, c->peer);
        free(c);
    }
    free_shared(all);
}

/* Why no more may come from there; NULL: one more may. */
static const char *refusal(const struct connections *all, const struct peer *peer)
{
    const struct limits *limits = &all->limits;
    if (all->count >= limits->connections)
        return "too many connections";
    if (peer->connections >
        (peer->is_local ? limits->connections_local : limits->connections_per_address))
        return "too many connections from this address";
    return NULL;
}

bool connection_open(struct connections *all, evutil_socket_t fd, const struct sockaddr *from,
                     const char *name, const char **why)
{
    struct peer *peer = peers_enter(&all->peers, from);
    *why = peer ? refusal(all, peer) : "out of memory";
    struct connection *c = *why ? NULL : make(all, fd, peer, name);
    if (c) {
        advance(c);
        return true;
    }
    if (peer)
        peers_leave(&all->peers, peer);
    if (!*why)
        *why = "out of memory";
    return false;
}

static struct connection *make(struct connections *all, evutil_socket_t fd, struct peer *peer,
                               const char *name)
{
    struct connection *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->all = all;
    c->scan.most = all->limits.message_bytes;
    c->fd = fd;
    c->peer = peer;
    c->session.is_local = peer->is_local;
    memcpy(c->session.address, peer->address, sizeof c->session.address);
    snprintf(c->name, sizeof c->name, "%s", name);
    c->readable = event_new(all->base, fd, EV_READ | EV_PERSIST, on_readable, c);
    c->writable = event_new(all->base, fd, EV_WRITE, on_writable, c);
    c->timer = evtimer_new(all->base, on_timer, c);
    c->output = evbuffer_new();
    if (!c->readable || !c->writable || !c->timer || !c->output) {
        free_parts(c);
        free(c);
        return NULL;
    }
    c->next = all->first;
    if (c->next)
        c->next->previous = c;
    all->first = c;
    all->count++;
    counter_add(&all->traffic->accepted, 1);
    atomic_store_explicit(&all->traffic->open, all->count, memory_order_relaxed);
    return c;
}

static void unlink_and_free(struct connection *c)
{
    struct connections *all = c->all;
    if (c->next)
        c->next->previous = c->previous;
    if (c->previous)
        c->previous->next = c->next;
    else
        all->first = c->next;
    all->count--;
    peers_leave(&all->peers, c->peer);
    atomic_store_explicit(&all->traffic->open, all->count, memory_order_relaxed);
    free(c);
    if (all->count == 0 && all->is_ending)
        all->ended(all->ended_argument);
}

/* Has nobody anything to say to the other, as far as we know? */
static bool is_idle(const struct connection *c)
{
    int unread = 0;
    return c->state == CONNECTION_OPEN && c->in_flight == 0 && c->input.size == 0 &&
           outbound_waiting(c) == 0 && ioctl(c->fd, FIONREAD, &unread) == 0 && unread == 0;
}

void connections_end(struct connections *all)
{
    struct connection *next;
    all->is_ending = true;
    for (struct connection *c = all->first; c; c = next) {
        next = c->next;
        if (is_idle(c))
            connection_hang_up(c);
        else if (c->state == CONNECTION_OPEN)
            c->state = CONNECTION_ENDING;
        advance(c);
    }
}

void connections_close(struct connections *all)
{
    struct connection *next;
    for (struct connection *c = all->first; c; c = next) {
        next = c->next;
        connection_hang_up(c);
        advance(c);
    }
}

static void free_event(struct event **event)
{
    if (*event)
        event_free(*event);
    *event = NULL;
}

static void free_parts(struct connection *c)
{
    free_event(&c->readable);
    free_event(&c->writable);
    free_event(&c->timer);
    if (c->output)
        evbuffer_free(c->output);
    c->output = NULL;
    input_deinit(&c->input);
}

/* Of the bytes that wait in all connections, its part. What is added may be negative: it wraps. */
static void count_buffered(struct connection *c)
{
    size_t bytes = c->input.capacity + outbound_waiting(c);
    counter_add(&c->all->traffic->buffered_bytes, (uint64_t)bytes - c->buffered_bytes);
    c->buffered_bytes = bytes;
}

void connection_hang_up(struct connection *c)
{
    if (c->state == CONNECTION_GONE)
        return;
    c->state = CONNECTION_GONE;
    free_parts(c);
    count_buffered(c);
    evutil_closesocket(c->fd);
}

void connection_drop(struct connection *c, const char *reason)
{
    if (c->state == CONNECTION_GONE)
        return;
    report_connection(&c->all->report, "dropped", c->name, reason);
    counter_add(&c->all->traffic->dropped, 1);
    connection_hang_up(c);
}

/* Life */

static void shut_down(struct connection *c)
{
    struct timeval timeout = {.tv_sec = LINGER_S};
    if (c->hung_up || shutdown(c->fd, SHUT_WR) != 0 || evtimer_add(c->timer, &timeout) != 0)
        connection_hang_up(c);
    else
        c->state = CONNECTION_LINGERING;
}

static bool may_read(const struct connection *c, bool is_hungry)
{
    if (c->state == CONNECTION_OPEN)
        return is_hungry;
    return (c->is_cut_off || c->state == CONNECTION_LINGERING) && !c->hung_up &&
           c->discarded_bytes < DISCARD_BYTES;
}

static void watch(struct connection *c, bool is_hungry)
{
    struct timeval timeout = {.tv_sec = (time_t)c->all->limits.message_seconds};
    int failed = 0;
    if (!may_read(c, is_hungry))
        event_del(c->readable);
    else if (!event_pending(c->readable, EV_READ, NULL))
        failed = event_add(c->readable, NULL);
    /* While we do not read, it is not the client who is late. */
    if (c->state != CONNECTION_LINGERING) {
        bool is_begun = c->state == CONNECTION_OPEN && is_hungry && c->scan.size > 0;
        if (!is_begun)
            evtimer_del(c->timer);
        else if (!evtimer_pending(c->timer, NULL))
            failed |= evtimer_add(c->timer, &timeout);
    }
    if (failed)
        connection_drop(c, "out of memory");
}

/* inbound_submit stops when its own errors fill the output. If the client takes them all at once,
 * no event will come to go on: this does. It ends, for each turn uses up some of the input. */
static bool submit_and_flush(struct connection *c)
{
    bool is_hungry;
    bool was_slow;
    outbound_flush(c);
    do {
        is_hungry = inbound_submit(c);
        was_slow = outbound_is_slow(c);
        outbound_flush(c);
    } while (was_slow && outbound_waiting(c) == 0);
    return is_hungry;
}

static void advance(struct connection *c)
{
    bool is_hungry = submit_and_flush(c);
    if (c->state == CONNECTION_ENDING && is_hungry && c->in_flight == 0 && outbound_waiting(c) == 0)
        shut_down(c);
    if (c->state == CONNECTION_LINGERING && (c->hung_up || c->discarded_bytes >= DISCARD_BYTES))
        connection_hang_up(c);
    if (c->state != CONNECTION_GONE)
        watch(c, is_hungry);
    if (c->state != CONNECTION_GONE && !input_keep(&c->input))
        connection_drop(c, "out of memory");
    if (c->state != CONNECTION_GONE)
        count_buffered(c);
    if (c->state == CONNECTION_GONE && c->in_flight == 0 && !c->is_ready)
        unlink_and_free(c);
}

static struct connection *heaviest(const struct connections *all)
{
    struct connection *most = NULL;
    for (struct connection *c = all->first; c; c = c->next) {
        if (!most || c->buffered_bytes > most->buffered_bytes)
            most = c;
    }
    return most;
}

static bool hold_too_much(const struct connections *all)
{
    return counter_look(&all->traffic->buffered_bytes) > all->limits.buffer_bytes;
}

/* Who holds most pays when all together hold too much. Only at the end of an event: it frees
 * connections. */
static void relieve(struct connections *all)
{
    if (!hold_too_much(all))
        return;
    struct connection *most;
    while (hold_too_much(all) && (most = heaviest(all)))
        connection_drop(most, "all connections together hold too much");
    struct connection *next;
    for (struct connection *c = all->first; c; c = next) {
        next = c->next;
        if (c->state == CONNECTION_GONE)
            advance(c);
    }
}

static void on_readable(evutil_socket_t fd, short events, void *argument)
{
    struct connection *c = argument;
    struct connections *all = c->all;
    (void)fd;
    (void)events;
    if (c->state == CONNECTION_OPEN)
        inbound_receive(c);
    else
        inbound_discard(c);
    advance(c);
    relieve(all);
}

static void on_writable(evutil_socket_t fd, short events, void *argument)
{
    struct connection *c = argument;
    (void)fd;
    if (!(events & EV_WRITE))
        connection_drop(c, "the client reads no replies");
    advance(c);
}

static void on_timer(evutil_socket_t fd, short events, void *argument)
{
    struct connection *c = argument;
    (void)fd;
    (void)events;
    if (c->state == CONNECTION_LINGERING)
        connection_hang_up(c);
    else
        inbound_cut_off(c, KT_INVALID, "the message was not complete in time: send it in one go",
                        "消息未在规定时间内发完：请一次发送完整消息");
    advance(c);
}

/* Gives one finished call back to its connection, which may have gone meanwhile. */
static void deliver(struct rpc_call *call)
{
    struct connection *c = call->connection;
    c->in_flight--;
    c->in_flight_bytes -= call->message_size;
    counter_add(&c->all->traffic->working_bytes, 0 - (uint64_t)call->message_size);
    c->is_alone = false;
    if (c->state != CONNECTION_GONE)
        outbound_reply(c, &call->request.reply);
    rpc_call_free(call);
}

/* All replies first, then one write for each connection that got any. */
static void on_returned(evutil_socket_t fd, short events, void *argument)
{
    struct connections *all = argument;
    struct connection *ready = NULL;
    struct connection **last = &ready;
    struct rpc_call *next;
    (void)fd;
    (void)events;
    for (struct rpc_call *call = rpc_returns_take(&all->returns); call; call = next) {
        struct connection *c = call->connection;
        next = call->next;
        deliver(call);
        if (!c->is_ready) {
            c->is_ready = true;
            c->next_ready = NULL;
            *last = c;
            last = &c->next_ready;
        }
    }
    while (ready) {
        struct connection *c = ready;
        ready = c->next_ready;
        c->is_ready = false;
        advance(c);
    }
    relieve(all);
}
