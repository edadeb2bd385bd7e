/** What the files of one connection share. */
#pragma once

#include "rpc/connection.h"
#include "rpc/input.h"

enum connection_state {
    CONNECTION_OPEN,
    CONNECTION_ENDING,    /**< Answers what it has, then shuts down. */
    CONNECTION_LINGERING, /**< Everything is sent; waits for the client to hang up. */
    CONNECTION_GONE,      /**< Closed; the engine may still hold calls of it. */
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
    struct event *writable; /**< Its timeout: the client reads nothing. */
    struct event *timer;    /**< A frame begun while open, then the linger time. */
    struct engine_session session;
    struct peer *peer;
    struct input input;
    struct frame_scan scan; /**< Of the first message in the input. */
    struct evbuffer *output;
    int64_t over_since_us; /**< When more than `unread-bytes` waited; 0: it does not. */
    size_t buffered_bytes; /**< Its part of the sum of all. */
    size_t in_flight;
    size_t in_flight_bytes; /**< Of their messages. */
    bool is_alone;          /**< An exclusive method is in flight. */
    bool is_cut_off;        /**< Whatever it still sends is thrown away. */
    bool hung_up;           /**< It will send no more. */
    size_t discarded_bytes;
    char name[CONNECTION_NAME_SIZE];
};

/** connection.c */
/** Submits at the end of this turn of the loop what all connections asked in it: one lock and one
 *  waking for many. */
void connections_call(struct connections *all, struct engine_request *request);
/** Lets go of everything but the calls. */
void connection_hang_up(struct connection *c);
/** The same, with a line in the log. */
void connection_drop(struct connection *c, const char *reason);

/** inbound.c: bytes in, calls out. */
/** For an open connection: one portion per event, so that no client has the thread for itself. */
void inbound_receive(struct connection *c);
/** For one that was cut off or lingers. */
void inbound_discard(struct connection *c);
/** True when every whole message has been given away, so that reading more makes sense. */
bool inbound_submit(struct connection *c);
/** Says why, answers what was asked before, and closes. */
void inbound_cut_off(struct connection *c, enum kt_status status, const char *message,
                     const char *message_zh);

/** outbound.c: replies out. */
size_t outbound_waiting(const struct connection *c);
/** So much waits that the client must read before it is served on. */
bool outbound_is_slow(const struct connection *c);
/** Takes the reply's bytes. */
void outbound_reply(struct connection *c, msgpack_sbuffer *reply);
void outbound_error(struct connection *c, uint32_t msgid, enum kt_status status,
                    const char *message, const char *message_zh);
/** Sends what the client takes at once, and waits for it to read before sending more. Nothing for
 *  one that is gone. */
void outbound_flush(struct connection *c);
