/** A queue of requests between threads. Private to engine/. Bounded. */
#pragma once

#include <pthread.h>

#include "engine/engine.h"

struct engine_queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct engine_request *first;
    struct engine_request **last;
    unsigned count;
    size_t most;
    unsigned waiting; /**< Threads that wait. */
    bool closed;      /**< Nothing more comes; who waits is sent home. */
};

void queue_init(struct engine_queue *queue, size_t most);
void queue_deinit(struct engine_queue *queue);
/** Adds requests that are linked by `next`; returns those for which there is no room, or all when
 *  the queue is closed. */
struct engine_request *queue_add(struct engine_queue *queue, struct engine_request *requests);
void queue_close(struct engine_queue *queue);
unsigned queue_length(struct engine_queue *queue);
/** Waits at most `wait_us` for a request; takes at most `most`, in order, linked by next. NULL:
 *  none came. `closed` tells that none is left and none will come. */
struct engine_request *queue_take(struct engine_queue *queue, unsigned most, int64_t wait_us,
                                  bool *closed);
