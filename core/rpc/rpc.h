/** The msgpack-RPC server: sockets, frames, connections and their limits.
 *
 *  Runs on one libevent loop, the I/O thread. It never touches a record: complete frames become
 *  engine requests, and finished requests become bytes to send. Replies are sent as they finish,
 *  which need not be the order of asking. The process must ignore SIGPIPE. */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/engine.h"

struct rpc_server;

struct rpc_options {
    const char *listen;             /**< "127.0.0.1:7450"; port 0 picks a free one; NULL: no TCP. */
    const char *socket;             /**< Path of the Unix socket (mode 0600); NULL: none. */
    const struct limits *limits;    /**< Copied. */
    struct engine_traffic *traffic; /**< To count in; outlives the server. NULL: not counted. */
};

/** Is it "HOST:PORT" or "[HOST]:PORT" with a numeric host or "localhost", and, unless
 *  `allow_remote`, reachable from this machine alone? KT_INVALID or KT_DENIED with `why`. */
enum kt_status rpc_address_check(const char *address, bool allow_remote, char *why,
                                 size_t why_size);
/** Bind and listen. A stale socket file is replaced, a live one refused. KT_BUSY/KT_INVALID with
 * `why`. */
enum kt_status rpc_server_new(struct event_base *base, struct engine *engine,
                              const struct rpc_options *options, struct rpc_server **out, char *why,
                              size_t why_size);
/** "127.0.0.1:34567" as really bound; "" without TCP. */
const char *rpc_server_address(const struct rpc_server *server);
/** Stop accepting connections and reading requests; what is in flight is still answered. When all
 *  replies have been sent (or `timeout_s` has passed) `drained` is called on the I/O thread. */
void rpc_server_drain(struct rpc_server *server, unsigned timeout_s,
                      void (*drained)(void *argument), void *argument);
/** After the engine stopped. Closes every connection, removes the socket file. */
void rpc_server_free(struct rpc_server *server);
