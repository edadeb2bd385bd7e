#include "store/gate.h"

#include <errno.h>

#include "base/clock.h"

void gate_init(struct gate *gate)
{
    *gate = (struct gate){0};
    pthread_mutex_init(&gate->lock, NULL);
    clock_cond_init(&gate->changed);
}

void gate_deinit(struct gate *gate)
{
    pthread_cond_destroy(&gate->changed);
    pthread_mutex_destroy(&gate->lock);
}

void gate_enter(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    while (gate->is_shut)
        pthread_cond_wait(&gate->changed, &gate->lock);
    gate->inside++;
    pthread_mutex_unlock(&gate->lock);
}

void gate_leave(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->inside--;
    if (gate->is_shut && gate->inside == 0)
        pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static bool wait_until_empty(struct gate *gate, int64_t patience_us)
{
    struct timespec until = clock_after(patience_us);
    int error = 0;
    while (gate->inside > 0 && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&gate->changed, &gate->lock, &until);
    return gate->inside == 0;
}

bool gate_shut(struct gate *gate, int64_t patience_us)
{
    pthread_mutex_lock(&gate->lock);
    while (gate->is_shut)
        pthread_cond_wait(&gate->changed, &gate->lock);
    gate->is_shut = true;
    bool is_empty = wait_until_empty(gate, patience_us);
    if (!is_empty) {
        atomic_store(&gate->hurry, true);
        is_empty = wait_until_empty(gate, patience_us);
        atomic_store(&gate->hurry, false);
    }
    if (!is_empty) {
        gate->is_shut = false;
        pthread_cond_broadcast(&gate->changed);
    }
    pthread_mutex_unlock(&gate->lock);
    return is_empty;
}

void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->is_shut = false;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}
