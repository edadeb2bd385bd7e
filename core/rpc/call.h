/** One request between its connection and the engine, and the way back across threads.
 *
 *  The I/O thread makes a call and gives it to the engine, an engine thread puts it into the return
 *  box, and the I/O thread, woken by the box's descriptor, takes it out and frees it. So a call has
 *  one owner at any time, and nothing else of rpc/ is touched by two threads. */
#pragma once

#include <pthread.h>

#include "engine/engine.h"
#include "rpc/frame.h"

struct connection;
struct rpc_call;

/** Where finished calls wait for the I/O thread, in the order of finishing. */
struct rpc_returns {
    pthread_mutex_t lock;
    struct rpc_call *first;
    struct rpc_call **last;
    int wake_fd; /**< An eventfd, readable when there is something to take. */
};

struct rpc_call {
    struct engine_request request;
    struct connection *connection;
    struct rpc_returns *returns;
    struct rpc_call *next;
    size_t message_size;
    char message[]; /**< The request's method and params point into it. */
};

bool rpc_returns_init(struct rpc_returns *returns);
void rpc_returns_deinit(struct rpc_returns *returns);
/** All that finished since the last time, linked by `next`; NULL when there is none. */
struct rpc_call *rpc_returns_take(struct rpc_returns *returns);

/** Copies the message. `parts` is what it splits into. NULL without memory. */
struct rpc_call *rpc_call_new(const char *message, size_t size, const struct frame_parts *parts);
void rpc_call_free(struct rpc_call *call);
