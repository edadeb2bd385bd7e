#include "rpc/call.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool rpc_returns_init(struct rpc_returns *returns)
{
    *returns = (struct rpc_returns){.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    if (returns->wake_fd < 0)
        return false;
    returns->last = &returns->first;
    pthread_mutex_init(&returns->lock, NULL); /* Cannot fail with default attributes. */
    return true;
}

void rpc_returns_deinit(struct rpc_returns *returns)
{
    close(returns->wake_fd);
    pthread_mutex_destroy(&returns->lock);
}

struct rpc_call *rpc_returns_take(struct rpc_returns *returns)
{
    /* Before the list: a call that comes in between wakes us once more than needed, never less. */
    uint64_t wakes;
    (void)!read(returns->wake_fd, &wakes, sizeof wakes); /* Empties it in one go. */
    pthread_mutex_lock(&returns->lock);
    struct rpc_call *calls = returns->first;
    returns->first = NULL;
    returns->last = &returns->first;
    pthread_mutex_unlock(&returns->lock);
    return calls;
}

/* The engine's `done`: any engine thread, or the I/O thread itself inside engine_submit. Once the
 * lock is free the call belongs to the I/O thread and may be gone. */
static void give_back(struct engine_request *request)
{
    struct rpc_call *call = request->owner;
    struct rpc_returns *returns = call->returns;
    call->next = NULL;
    pthread_mutex_lock(&returns->lock);
    bool was_empty = returns->first == NULL;
    *returns->last = call;
    returns->last = &call->next;
    pthread_mutex_unlock(&returns->lock);
    if (was_empty) {
        uint64_t one = 1;
        while (write(returns->wake_fd, &one, sizeof one) < 0)
            continue; /* Only a signal can interrupt it: the counter has room for ever. */
    }
}

struct rpc_call *rpc_call_new(const char *message, size_t size, const struct frame_parts *parts)
{
    struct rpc_call *call = malloc(sizeof *call + size);
    if (!call)
        return NULL;
    *call = (struct rpc_call){.message_size = size};
    memcpy(call->message, message, size);
    call->request = (struct engine_request){
        .msgid = parts->msgid,
        .method = call->message + (parts->method - message),
        .method_length = parts->method_length,
        .params = call->message + (parts->params - message),
        .params_size = parts->params_size,
        .done = give_back,
        .owner = call,
    };
    msgpack_sbuffer_init(&call->request.reply);
    return call;
}

void rpc_call_free(struct rpc_call *call)
{
    msgpack_sbuffer_destroy(&call->request.reply);
    free(call);
}
