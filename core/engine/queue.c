/* Queues between the I/O thread and the engine's threads. */
#include "engine/queue.h"
#include "base/clock.h"

void queue_init(struct engine_queue *queue, size_t most)
{
    *queue = (struct engine_queue){.last = &queue->first, .most = most};
    pthread_mutex_init(&queue->lock, NULL);
    clock_cond_init(&queue->filled);
}

void queue_deinit(struct engine_queue *queue)
{
    pthread_cond_destroy(&queue->filled);
    pthread_mutex_destroy(&queue->lock);
}

struct engine_request *queue_add(struct engine_queue *queue, struct engine_request *requests)
{
    unsigned added = 0;
    pthread_mutex_lock(&queue->lock);
    while (requests && !queue->closed && queue->count < queue->most) {
        struct engine_request *request = requests;
        requests = request->next;
        request->next = NULL;
        *queue->last = request;
        queue->last = &request->next;
        queue->count++;
        added++;
    }
    for (unsigned i = 0; i < added && i < queue->waiting; i++)
        pthread_cond_signal(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
    return requests;
}

void queue_close(struct engine_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_cond_broadcast(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}

unsigned queue_length(struct engine_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    unsigned count = queue->count;
    pthread_mutex_unlock(&queue->lock);
    return count;
}

static void wait_filled(struct engine_queue *queue, int64_t wait_us)
{
    struct timespec until = clock_after(wait_us);
    int result = 0;
    queue->waiting++;
    while (!queue->first && !queue->closed && result == 0)
        result = pthread_cond_timedwait(&queue->filled, &queue->lock, &until);
    queue->waiting--;
}

struct engine_request *queue_take(struct engine_queue *queue, unsigned most, int64_t wait_us,
                                  bool *closed)
{
    pthread_mutex_lock(&queue->lock);
    if (!queue->first && !queue->closed && wait_us > 0)
        wait_filled(queue, wait_us);
    struct engine_request *first = queue->first, **end = &first;
    for (unsigned taken = 0; *end && taken < most; taken++) {
        end = &(*end)->next;
        queue->count--;
    }
    queue->first = *end;
    if (!queue->first)
        queue->last = &queue->first;
    *end = NULL;
    *closed = queue->closed && !queue->first;
    pthread_mutex_unlock(&queue->lock);
    return first;
}
