/* Replies, from the engine or our own, to a client that may or may not read them. */
#include <errno.h>
#include <event2/buffer.h>
#include <stdlib.h>

#include "base/clock.h"
#include "rpc/connection_internal.h"

#define COPY_BYTES 4096u /* Replies up to this are copied together. */
#define SLOW_PART  16u   /* Of the unread bytes that end a connection, this part holds it up. */
#define SECOND_US  INT64_C(1000000)

size_t outbound_waiting(const struct connection *c)
{
    return c->output ? evbuffer_get_length(c->output) : 0;
}

bool outbound_is_slow(const struct connection *c)
{
    return outbound_waiting(c) >= c->all->limits.unread_bytes / SLOW_PART;
}

static void free_bytes(const void *bytes, size_t size, void *argument)
{
    (void)bytes;
    (void)size;
    free(argument);
}

void outbound_reply(struct connection *c, msgpack_sbuffer *reply)
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
        connection_drop(c, "out of memory");
}

void outbound_error(struct connection *c, uint32_t msgid, enum kt_status status,
                    const char *message, const char *message_zh)
{
    msgpack_sbuffer reply;
    msgpack_sbuffer_init(&reply);
    engine_pack_error(&reply, msgid, status, NULL, message, message_zh);
    outbound_reply(c, &reply);
    msgpack_sbuffer_destroy(&reply);
}

/* False when the line is broken. */
static bool send_some(struct connection *c)
{
    int sent = evbuffer_write(c->output, c->fd);
    if (sent > 0)
        counter_add(&c->all->traffic->sent_bytes, (unsigned)sent);
    return sent >= 0 || errno == EAGAIN || errno == EINTR;
}

/* What was asked at once may come back at once, and be more than a client is allowed: it has as
 * long to read it as for any reply. `buffer-bytes` bounds it meanwhile. */
static bool is_over_too_long(struct connection *c)
{
    int64_t now_us = clock_monotonic_us();
    if (outbound_waiting(c) <= c->all->limits.unread_bytes)
        c->over_since_us = 0;
    else if (c->over_since_us == 0)
        c->over_since_us = now_us;
    return c->over_since_us &&
           now_us - c->over_since_us > (int64_t)c->all->limits.unread_seconds * SECOND_US;
}

void outbound_flush(struct connection *c)
{
    struct timeval timeout = {.tv_sec = (time_t)c->all->limits.unread_seconds};
    if (outbound_waiting(c) == 0)
        return;
    bool is_waiting = event_pending(c->writable, EV_WRITE, NULL);
    if (!is_waiting && !send_some(c))
        connection_hang_up(c); /* The client left without waiting for its replies. */
    else if (is_over_too_long(c))
        connection_drop(c, "too many unread replies");
    else if (outbound_waiting(c) > 0 && !is_waiting && event_add(c->writable, &timeout) != 0)
        connection_drop(c, "out of memory");
}
