/** Connections: bytes of a client in, calls to the engine out, replies back.
 *
 *  A connection reads while it may: a client with many unanswered requests, or with replies that it
 *  does not read, is not refused but left waiting in its own socket. It ends in order: what it sent
 *  whole is answered, what was answered is sent, and only then the line goes down.
 *  Everything here runs on the I/O thread. */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/counter.h"
#include "rpc/call.h"
#include "rpc/peers.h"
#include "rpc/report.h"

#define CONNECTION_NAME_SIZE  64
#define CONNECTION_ROOM_BYTES 65536u /* Received of one connection in one go. */

struct connection;

/** All connections of a server and what they share. */
struct connections {
    struct event_base *base;
    struct engine *engine;
    struct engine_traffic *traffic; /**< Never NULL. */
    struct limits limits;
    /** Called when the last connection has gone after connections_end. May not free anything. */
    void (*ended)(void *argument);
    void *ended_argument;
    struct engine_request *calls; /**< Made in this turn of the loop; submitted at its end. */
    struct engine_request **last_call;
    struct event *called;
    struct rpc_returns returns;
    struct event *returned;
    struct peers peers;
    char *room; /**< To receive into: what was not used up at once a connection copies. */
    struct connection *first;
    size_t count; /**< With those that are closed but whose calls the engine still holds. */
    bool is_ending;
    struct report report;
};

/** The fields above `returns` are filled already. False without memory or descriptors. */
bool connections_init(struct connections *all);
/** Needs an engine that holds no call any more. */
void connections_deinit(struct connections *all);

/** Takes the socket over. False, with the reason, when it may not be or there is no memory: then
 *  the socket stays the caller's. `name` says in the log who that is. */
bool connection_open(struct connections *all, evutil_socket_t fd, const struct sockaddr *from,
                     const char *name, const char **why);
/** Read nothing more; answer what has been read; then close, each connection for itself. */
void connections_end(struct connections *all);
/** Hang up now, with what is unsent. */
void connections_close(struct connections *all);
