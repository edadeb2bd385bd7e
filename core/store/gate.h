/** A gate before the database: many go in and out, and now and then somebody shuts it and waits
 *  until nobody is inside, to change what all of them stand on. For drivers.
 *
 *  Not a read-write lock: who went in may come out on another thread, shutting gives up after a
 *  while, and those inside can be asked to hurry. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned inside;
    bool is_shut;
    atomic_bool hurry; /**< Who is inside long should give up: somebody waits for them. */
};

void gate_init(struct gate *gate);
void gate_deinit(struct gate *gate);

/** Waits while the gate is shut. */
void gate_enter(struct gate *gate);
void gate_leave(struct gate *gate);

/** Lets nobody in and waits until all are out: for `patience_us`, then as long again with `hurry`
 *  set. False when somebody is still inside; the gate is open again then. */
bool gate_shut(struct gate *gate, int64_t patience_us);
void gate_open(struct gate *gate);
