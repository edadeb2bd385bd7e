/* What a client sends: messages out of bytes, requests out of messages, calls to the engine. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "rpc/connection_internal.h"

#define MESSAGES_IN_FLIGHT 4u /* Of the largest size, worth of bytes, of one connection. */

static void forget_message(struct connection *c)
{
    input_take(&c->input, c->scan.size);
    c->scan = (struct frame_scan){.most = c->all->limits.message_bytes};
    evtimer_del(c->timer);
}

void inbound_cut_off(struct connection *c, enum kt_status status, const char *message,
                     const char *message_zh)
{
    report_connection(&c->all->report, "dropped", c->name, message);
    counter_add(&c->all->traffic->dropped, 1);
    outbound_error(c, frame_msgid(c->input.bytes, c->input.size), status, message, message_zh);
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
        inbound_cut_off(c, refusals[state].status, refusals[state].message,
                        refusals[state].message_zh);
        return;
    }
    snprintf(message, sizeof message, "the message is larger than %zu bytes: split it", most);
    snprintf(message_zh, sizeof message_zh, "消息超过 %zu 字节：请拆分", most);
    inbound_cut_off(c, KT_TOO_LARGE, message, message_zh);
}

static void submit(struct connection *c, const struct frame_parts *parts)
{
    struct rpc_call *call = rpc_call_new(c->input.bytes, c->scan.size, parts);
    if (!call) {
        connection_drop(c, "out of memory");
        return;
    }
    call->connection = c;
    call->returns = &c->all->returns;
    call->request.session = &c->session;
    c->in_flight++;
    c->in_flight_bytes += call->message_size;
    counter_add(&c->all->traffic->working_bytes, call->message_size);
    connections_call(c->all, &call->request);
}

/* False when it has to wait for those before it. */
static bool handle_request(struct connection *c, const struct frame_parts *parts)
{
    bool is_alone = engine_method_is_exclusive(parts->method, parts->method_length);
    if (is_alone && c->in_flight > 0)
        return false;
    if (counter_look(&c->all->traffic->working_bytes) + c->scan.size > c->all->limits.queue_bytes) {
        counter_add(&c->all->traffic->unheard, 1);
        outbound_error(c, parts->msgid, KT_BUSY, "the server is busy: try again",
                       "服务器繁忙：请重试");
        return true;
    }
    c->is_alone = is_alone;
    submit(c, parts);
    return true;
}

/* The first message of the input is whole. False when it has to wait for those before it. */
static bool handle_message(struct connection *c)
{
    struct frame_parts parts;
    bool is_good = frame_split(c->input.bytes, c->scan.size, &parts);
    if (parts.kind == FRAME_NEITHER) {
        inbound_cut_off(c, KT_INVALID,
                        "the message is no request: send [0, msgid, method, [params]]",
                        "该消息不是请求：请发送 [0, msgid, method, [params]]");
        return true;
    }
    if (parts.kind == FRAME_REQUEST && is_good) {
        if (!handle_request(c, &parts))
            return false;
    } else if (parts.kind == FRAME_REQUEST) {
        counter_add(&c->all->traffic->unheard, 1);
        outbound_error(c, parts.msgid, KT_INVALID,
                       "the request is malformed: send [0, msgid, method, [params]] with the "
                       "method's name as text",
                       "请求格式错误：请发送 [0, msgid, method, [params]]，方法名须为文本");
    }
    /* A notification asks for nothing and gets nothing. */
    if (c->state != CONNECTION_GONE)
        forget_message(c);
    return true;
}

static bool may_submit(const struct connection *c)
{
    const struct limits *limits = &c->all->limits;
    return (c->state == CONNECTION_OPEN || c->state == CONNECTION_ENDING) && !c->is_alone &&
           c->in_flight < limits->in_flight &&
           c->in_flight_bytes < MESSAGES_IN_FLIGHT * limits->message_bytes && !outbound_is_slow(c);
}

bool inbound_submit(struct connection *c)
{
    while (may_submit(c)) {
        enum frame_state state = frame_scan(&c->scan, c->input.bytes, c->input.size);
        if (state == FRAME_MORE)
            return true;
        if (state != FRAME_WHOLE)
            refuse_message(c, state);
        else if (!handle_message(c))
            return false;
    }
    return false;
}

void inbound_receive(struct connection *c)
{
    ssize_t got = recv(c->fd, c->all->room, CONNECTION_ROOM_BYTES, 0);
    if (got > 0) {
        counter_add(&c->all->traffic->received_bytes, (size_t)got);
        if (!input_add(&c->input, c->all->room, (size_t)got))
            connection_drop(c, "out of memory");
    } else if (got == 0) {
        c->hung_up = true; /* Perhaps only this way: it may still want its replies. */
        c->state = CONNECTION_ENDING;
    } else if (errno != EAGAIN && errno != EINTR) {
        connection_hang_up(c);
    }
}

/* A socket closed with unread bytes resets the line, and the client might lose its last reply. */
void inbound_discard(struct connection *c)
{
    ssize_t got = recv(c->fd, c->all->room, CONNECTION_ROOM_BYTES, 0);
    if (got > 0)
        c->discarded_bytes += (size_t)got;
    else if (got == 0)
        c->hung_up = true;
    else if (errno != EAGAIN && errno != EINTR)
        connection_hang_up(c);
}
