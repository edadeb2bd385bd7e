/* Each event does its own work and then calls advance(), the one place that decides what the
 * connection does and waits for next, and the one place that frees it.
 *
 * Invariants: in_flight counts the calls that point at the connection, so it is freed only at 0,
 * long after its socket perhaps. An exclusive method is in flight alone. A readable event is
 * pending only if every whole message before has been given to the engine. Of the output, a
 * writable event is pending exactly while some of it waits for the client to read. */
#include "rpc/connection.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "rpc/input.h"

#define OUTPUT_PAUSE_BYTES (4u << 20)  /* More unsent than this: no new requests. */
#define COPY_BYTES         4096u       /* Replies up to this are copied together. */
#define LINGER_S           2           /* For a client to hang up after its last reply. */
#define DISCARD_BYTES      (16u << 20) /* Of a client that was cut off and goes on sending. */

enum connection_state {
    CONNECTION_OPEN,
    CONNECTION_ENDING,    /* Answers what it has, then shuts down. */
    CONNECTION_LINGERING, /* Everything is sent; waits for the client to hang up. */
    CONNECTION_GONE,      /* Closed; the engine may still hold calls of it. */
};

struct connection {
    struct connections *all;
    struct connection *next;
    struct connection *previous;
    struct connection *next_ready;
    bool is_ready;
    enum connection_state state;
    evutil_socket_t fd;
    struct event *readable;
    struct event *writable; /* Its timeout: the client reads nothing. */
    struct event *timer;    /* A frame begun while open, then the linger time. */
    struct engine_session session;
    struct input input;
    struct frame_scan scan; /* Of the first message in the input. */
    struct evbuffer *output;
    unsigned in_flight;
    bool is_alone;   /* An exclusive method is in flight. */
    bool is_cut_off; /* Whatever it still sends is thrown away. */
    bool hung_up;    /* It will send no more. */
    size_t discarded_bytes;
    char peer[CONNECTION_PEER_SIZE];
};

static void on_readable(evutil_socket_t fd, short events, void *argument);
static void on_writable(evutil_socket_t fd, short events, void *argument);
static void on_timer(evutil_socket_t fd, short events, void *argument);
static void on_returned(evutil_socket_t fd, short events, void *argument);
static void advance(struct connection *c);
static void hang_up(struct connection *c);
static void unlink_and_free(struct connection *c);

bool connections_init(struct connections *all)
{
    if (!rpc_returns_init(&all->returns))
        return false;
    all->returned =
        event_new(all->base, all->returns.wake_fd, EV_READ | EV_PERSIST, on_returned, all);
    if (all->returned && event_add(all->returned, NULL) == 0)
        return true;
    if (all->returned)
        event_free(all->returned);
    rpc_returns_deinit(&all->returns);
    return false;
}

void connections_deinit(struct connections *all)
{
    struct rpc_call *next;
    for (struct rpc_call *call = rpc_returns_take(&all->returns); call; call = next) {
        next = call->next;
        rpc_call_free(call);
    }
    struct connection *after;
    for (struct connection *c = all->first; c; c = after) {
        after = c->next;
        hang_up(c);
        free(c);
    }
    event_free(all->returned);
    rpc_returns_deinit(&all->returns);
}

void connection_open(struct connections *all, evutil_socket_t fd, const char *peer)
{
    struct connection *c = calloc(1, sizeof *c);
    if (!c) {
        report_connection(&all->report, "refused", peer, "out of memory");
        traffic_add(&all->traffic->refused, 1);
        evutil_closesocket(fd);
        return;
    }
    c->all = all;
    c->scan.most = all->limits.message_bytes;
    c->fd = fd;
    snprintf(c->peer, sizeof c->peer, "%s", peer);
    c->next = all->first;
    if (c->next)
        c->next->previous = c;
    all->first = c;
    all->count++;
    traffic_add(&all->traffic->accepted, 1);
    atomic_store_explicit(&all->traffic->open, all->count, memory_order_relaxed);
    c->readable = event_new(all->base, fd, EV_READ | EV_PERSIST, on_readable, c);
    c->writable = event_new(all->base, fd, EV_WRITE, on_writable, c);
    c->timer = evtimer_new(all->base, on_timer, c);
    c->output = evbuffer_new();
    if (!c->readable || !c->writable || !c->timer || !c->output) {
        report_connection(&all->report, "refused", peer, "out of memory");
        hang_up(c);
    }
    advance(c);
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
           evbuffer_get_length(c->output) == 0 && ioctl(c->fd, FIONREAD, &unread) == 0 &&
           unread == 0;
}

void connections_end(struct connections *all)
{
    struct connection *next;
    all->is_ending = true;
    for (struct connection *c = all->first; c; c = next) {
        next = c->next;
        if (is_idle(c))
            hang_up(c);
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
        hang_up(c);
        advance(c);
    }
}

static void free_event(struct event **event)
{
    if (*event)
        event_free(*event);
    *event = NULL;
}

/* Lets go of everything but the calls. */
static void hang_up(struct connection *c)
{
    if (c->state == CONNECTION_GONE)
        return;
    c->state = CONNECTION_GONE;
    free_event(&c->readable);
    free_event(&c->writable);
    free_event(&c->timer);
    if (c->output)
        evbuffer_free(c->output);
    c->output = NULL;
    input_deinit(&c->input);
    evutil_closesocket(c->fd);
}

static void drop(struct connection *c, const char *reason)
{
    if (c->state == CONNECTION_GONE)
        return;
    report_connection(&c->all->report, "dropped", c->peer, reason);
    traffic_add(&c->all->traffic->dropped, 1);
    hang_up(c);
}

/* Output */

static void free_bytes(const void *bytes, size_t size, void *argument)
{
    (void)bytes;
    (void)size;
    free(argument);
}

/* Takes the reply's bytes. */
static void send_reply(struct connection *c, msgpack_sbuffer *reply)
{
    bool is_copied = reply->size <= COPY_BYTES;
    int failed;
    if (is_copied) {
        failed = evbuffer_add(c->output, reply->data, reply->size);
    } else {
        failed =
            evbuffer_add_reference(c->output, reply->data, reply->size, free_bytes, reply->data);
        if (!failed)
            msgpack_sbuffer_init(reply); /* The output frees them. */
    }
    if (failed)
        drop(c, "out of memory");
}

static void send_error(struct connection *c, uint32_t msgid, enum kt_status status,
                       const char *message, const char *message_zh)
{
    msgpack_sbuffer reply;
    msgpack_sbuffer_init(&reply);
    engine_pack_error(&reply, msgid, status, NULL, message, message_zh);
    send_reply(c, &reply);
    msgpack_sbuffer_destroy(&reply);
}

/* Sends what the client takes at once, and waits for it to read before sending more. */
static void flush(struct connection *c)
{
    if (evbuffer_get_length(c->output) == 0 || event_pending(c->writable, EV_WRITE, NULL))
        return;
    int sent = evbuffer_write(c->output, c->fd);
    if (sent > 0)
        traffic_add(&c->all->traffic->sent_bytes, (unsigned)sent);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        hang_up(c); /* The client left without waiting for its replies. */
        return;
    }
    size_t unsent = evbuffer_get_length(c->output);
    struct timeval timeout = {.tv_sec = (time_t)c->all->limits.unread_seconds};
    if (unsent > c->all->limits.unread_bytes)
        drop(c, "too many unread replies");
    else if (unsent > 0 && event_add(c->writable, &timeout) != 0)
        drop(c, "out of memory");
}

/* Input */

static void forget_message(struct connection *c)
{
    input_take(&c->input, c->scan.size);
    c->scan = (struct frame_scan){.most = c->all->limits.message_bytes};
    evtimer_del(c->timer);
}

/* Says why, answers what was asked before, and closes. */
static void cut_off(struct connection *c, enum kt_status status, const char *message,
                    const char *message_zh)
{
    report_connection(&c->all->report, "dropped", c->peer, message);
    traffic_add(&c->all->traffic->dropped, 1);
    send_error(c, frame_msgid(input_bytes(&c->input), c->input.size), status, message, message_zh);
    if (c->state == CONNECTION_GONE)
        return;
    c->state = CONNECTION_ENDING;
    c->is_cut_off = true;
    c->scan.size = c->input.size;
    forget_message(c);
}

static_assert(KT_LIMIT_MESSAGE_DEPTH == 32 && KT_LIMIT_MESSAGE_ELEMENTS == 400000u,
              "the messages below name the limits");

static const struct refusal {
    enum kt_status status;
    const char *message;
    const char *message_zh;
} refusals[] = {
    [FRAME_MALFORMED] = {KT_INVALID, "the bytes are not msgpack: send msgpack-RPC messages",
                         "收到的字节不是 msgpack：请发送 msgpack-RPC 消息"},
    [FRAME_TOO_DEEP] = {KT_TOO_LARGE, "the message nests deeper than 32 levels: flatten it",
                        "消息嵌套超过 32 层：请减少层数"},
    [FRAME_TOO_MANY] = {KT_TOO_LARGE, "the message has more than 400000 values: split it",
                        "消息超过 400000 个值：请拆分"},
};

static void refuse_message(struct connection *c, enum frame_state state)
{
    char message[64];
    char message_zh[64];
    size_t most = c->all->limits.message_bytes;
    if (state != FRAME_TOO_LARGE) {
        cut_off(c, refusals[state].status, refusals[state].message, refusals[state].message_zh);
        return;
    }
    snprintf(message, sizeof message, "the message is larger than %zu bytes: split it", most);
    snprintf(message_zh, sizeof message_zh, "消息超过 %zu 字节：请拆分", most);
    cut_off(c, KT_TOO_LARGE, message, message_zh);
}

static bool submit(struct connection *c, const struct frame_parts *parts)
{
    struct rpc_call *call = rpc_call_new(input_bytes(&c->input), c->scan.size, parts);
    if (!call)
        return false;
    call->connection = c;
    call->returns = &c->all->returns;
    call->request.session = &c->session;
    c->in_flight++;
    engine_submit(c->all->engine, &call->request);
    return true;
}

/* The first message of the input is whole. False when it has to wait for those before it. */
static bool handle_message(struct connection *c)
{
    struct frame_parts parts;
    bool is_good = frame_split(input_bytes(&c->input), c->scan.size, &parts);
    if (parts.kind == FRAME_NEITHER) {
        cut_off(c, KT_INVALID, "the message is no request: send [0, msgid, method, [params]]",
                "该消息不是请求：请发送 [0, msgid, method, [params]]");
        return true;
    }
    if (parts.kind == FRAME_REQUEST && is_good) {
        bool is_exclusive = engine_method_is_exclusive(parts.method, parts.method_length);
        if (is_exclusive && c->in_flight > 0)
            return false;
        c->is_alone = is_exclusive;
        if (!submit(c, &parts))
            drop(c, "out of memory");
    } else if (parts.kind == FRAME_REQUEST) {
        send_error(c, parts.msgid, KT_INVALID,
                   "the request is malformed: send [0, msgid, method, [params]] with the method's "
                   "name as text",
                   "请求格式错误：请发送 [0, msgid, method, [params]]，方法名须为文本");
    }
    /* A notification asks for nothing and gets nothing. */
    if (c->state != CONNECTION_GONE)
        forget_message(c);
    return true;
}

static bool may_submit(const struct connection *c)
{
    return (c->state == CONNECTION_OPEN || c->state == CONNECTION_ENDING) && !c->is_alone &&
           c->in_flight < c->all->limits.in_flight &&
           evbuffer_get_length(c->output) < OUTPUT_PAUSE_BYTES;
}

/* True when every whole message has been given away, so that reading more makes sense. */
static bool submit_messages(struct connection *c)
{
    while (may_submit(c)) {
        enum frame_state state = frame_scan(&c->scan, input_bytes(&c->input), c->input.size);
        if (state == FRAME_MORE)
            return true;
        if (state != FRAME_WHOLE)
            refuse_message(c, state);
        else if (!handle_message(c))
            return false;
    }
    return false;
}

/* For an open connection: one portion per event, so that no client has the thread for itself. */
static void receive(struct connection *c)
{
    size_t room;
    char *into = input_room(&c->input, &room);
    if (!into) {
        drop(c, "out of memory");
        return;
    }
    ssize_t got = recv(c->fd, into, room, 0);
    if (got > 0) {
        traffic_add(&c->all->traffic->received_bytes, (size_t)got);
        input_add(&c->input, (size_t)got);
    } else if (got == 0) {
        c->hung_up = true; /* Perhaps only this way: it may still want its replies. */
        c->state = CONNECTION_ENDING;
    } else if (errno != EAGAIN && errno != EINTR) {
        hang_up(c);
    }
}

/* A socket closed with unread bytes resets the line, and the client might lose its last reply. */
static void discard(struct connection *c)
{
    char nowhere[16384];
    ssize_t got = recv(c->fd, nowhere, sizeof nowhere, 0);
    if (got > 0)
        c->discarded_bytes += (size_t)got;
    else if (got == 0)
        c->hung_up = true;
    else if (errno != EAGAIN && errno != EINTR)
        hang_up(c);
}

/* Life */

static void shut_down(struct connection *c)
{
    struct timeval timeout = {.tv_sec = LINGER_S};
    if (c->hung_up || shutdown(c->fd, SHUT_WR) != 0 || evtimer_add(c->timer, &timeout) != 0)
        hang_up(c);
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
        drop(c, "out of memory");
}

static void advance(struct connection *c)
{
    bool is_hungry = false;
    if (c->state != CONNECTION_GONE)
        flush(c);
    if (c->state != CONNECTION_GONE)
        is_hungry = submit_messages(c);
    if (c->state != CONNECTION_GONE)
        flush(c); /* Errors that submit_messages answered itself. */
    if (c->state == CONNECTION_ENDING && is_hungry && c->in_flight == 0 &&
        evbuffer_get_length(c->output) == 0)
        shut_down(c);
    if (c->state == CONNECTION_LINGERING && (c->hung_up || c->discarded_bytes >= DISCARD_BYTES))
        hang_up(c);
    if (c->state != CONNECTION_GONE)
        watch(c, is_hungry);
    if (c->state == CONNECTION_GONE && c->in_flight == 0 && !c->is_ready)
        unlink_and_free(c);
}

static void on_readable(evutil_socket_t fd, short events, void *argument)
{
    struct connection *c = argument;
    (void)fd;
    (void)events;
    if (c->state == CONNECTION_OPEN)
        receive(c);
    else
        discard(c);
    advance(c);
}

static void on_writable(evutil_socket_t fd, short events, void *argument)
{
    struct connection *c = argument;
    (void)fd;
    if (!(events & EV_WRITE))
        drop(c, "the client reads no replies");
    advance(c);
}

static void on_timer(evutil_socket_t fd, short events, void *argument)
{
    struct connection *c = argument;
    (void)fd;
    (void)events;
    if (c->state == CONNECTION_LINGERING)
        hang_up(c);
    else
        cut_off(c, KT_INVALID, "the message was not complete in time: send it in one go",
                "消息未在规定时间内发完：请一次发送完整消息");
    advance(c);
}

/* Gives one finished call back to its connection, which may have gone meanwhile. */
static void deliver(struct rpc_call *call)
{
    struct connection *c = call->connection;
    c->in_flight--;
    c->is_alone = false;
    if (c->state != CONNECTION_GONE)
        send_reply(c, &call->request.reply);
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
}
