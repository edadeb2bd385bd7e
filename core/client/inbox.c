/* A message is found whole by wire_scan before msgpack-c sees it, so the decoder meets neither cut
 * messages nor absurd lengths. Its texts point into the message's own copy of the bytes. */
#include "client/inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define READ_BYTES ((size_t)64 << 10)

static void queue_init(struct inbox_queue *queue)
{
    *queue = (struct inbox_queue){.first = NULL};
    queue->last = &queue->first;
}

static void queue_add(struct inbox_queue *queue, struct inbox_message *message)
{
    *queue->last = message;
    queue->last = &message->next;
    queue->count++;
    queue->size_bytes += message->size;
}

static void queue_deinit(struct inbox_queue *queue)
{
    struct inbox_message *message;
    while ((message = inbox_take(queue, 0)) != NULL)
        inbox_message_free(message);
}

void inbox_init(struct inbox *inbox, size_t limit_bytes)
{
    *inbox = (struct inbox){.limit_bytes = limit_bytes};
    queue_init(&inbox->replies);
    queue_init(&inbox->events);
}

void inbox_deinit(struct inbox *inbox)
{
    queue_deinit(&inbox->replies);
    queue_deinit(&inbox->events);
    inbox_message_free(inbox->farewell);
    free(inbox->buffer);
    *inbox = (struct inbox){.buffer = NULL};
}

struct inbox_message *inbox_take(struct inbox_queue *queue, uint32_t id)
{
    struct inbox_message **at = &queue->first;
    while (*at && id != 0 && (*at)->id != id)
        at = &(*at)->next;
    struct inbox_message *message = *at;
    if (!message)
        return NULL;
    *at = message->next;
    if (queue->last == &message->next)
        queue->last = at;
    message->next = NULL;
    queue->count--;
    queue->size_bytes -= message->size;
    return message;
}

void inbox_message_free(struct inbox_message *message)
{
    if (!message)
        return;
    msgpack_unpacked_destroy(&message->unpacked);
    free(message->bytes);
    free(message);
}

static enum client_status fail(enum client_status status, const char *why[2], const char *english,
                               const char *chinese)
{
    why[0] = english;
    why[1] = chinese;
    return status;
}

static enum client_status no_memory(const char *why[2])
{
    return fail(CLIENT_NO_MEMORY, why, "out of memory", "内存不足");
}

static enum client_status not_the_protocol(const char *why[2])
{
    return fail(CLIENT_LOST, why, "the server sent something that is not msgpack-RPC",
                "服务器发来的内容不是 msgpack-RPC");
}

/* [1, id, error, result] or [2, method, [params]]. */
static bool classify(struct inbox_message *message)
{
    const msgpack_object *whole = &message->unpacked.data;
    if (whole->type != MSGPACK_OBJECT_ARRAY || whole->via.array.size < 3)
        return false;
    const msgpack_object *part = whole->via.array.ptr;
    if (part[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return false;
    if (part[0].via.u64 == 1) {
        if (whole->via.array.size != 4 || part[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
            part[1].via.u64 > UINT32_MAX)
            return false;
        message->id = (uint32_t)part[1].via.u64;
        message->kind = message->id == 0 ? INBOX_FAREWELL : INBOX_REPLY;
        return true;
    }
    message->kind = INBOX_EVENT;
    return part[0].via.u64 == 2 && whole->via.array.size == 3 &&
           part[1].type == MSGPACK_OBJECT_STR && part[2].type == MSGPACK_OBJECT_ARRAY;
}

/* Moves the whole message at the start of the buffer to a message of its own. */
static enum client_status cut_message(struct inbox *inbox, const char *why[2])
{
    size_t size = inbox->scan.offset;
    struct inbox_message *message = calloc(1, sizeof *message);
    if (!message)
        return no_memory(why);
    message->size = size;
    if (inbox->start == 0 && inbox->end == size && size > inbox->capacity / 2) {
        /* A large reply fills the buffer alone: hand the buffer over instead of copying it. */
        message->bytes = inbox->buffer;
        inbox->buffer = NULL;
        inbox->capacity = inbox->end = 0;
    } else {
        message->bytes = malloc(size);
        if (!message->bytes) {
            free(message);
            return no_memory(why);
        }
        memcpy(message->bytes, inbox->buffer + inbox->start, size);
        inbox->start += size;
    }
    inbox->scan = (struct wire_scan){.offset = 0};

    size_t offset = 0;
    msgpack_unpacked_init(&message->unpacked);
    msgpack_unpack_return got =
        msgpack_unpack_next(&message->unpacked, message->bytes, size, &offset);
    if (got == MSGPACK_UNPACK_NOMEM_ERROR) {
        inbox_message_free(message);
        return no_memory(why);
    }
    if (got != MSGPACK_UNPACK_SUCCESS || offset != size || !classify(message)) {
        inbox_message_free(message);
        return not_the_protocol(why);
    }
    if (message->kind == INBOX_FAREWELL) {
        inbox_message_free(inbox->farewell);
        inbox->farewell = message;
        return CLIENT_OK;
    }
    queue_add(message->kind == INBOX_REPLY ? &inbox->replies : &inbox->events, message);
    return CLIENT_OK;
}

static enum client_status cut_messages(struct inbox *inbox, const char *why[2])
{
    while (inbox->start < inbox->end) {
        enum wire_state state =
            wire_scan(&inbox->scan, (const unsigned char *)inbox->buffer + inbox->start,
                      inbox->end - inbox->start, inbox->limit_bytes, CLIENT_REPLY_ELEMENTS);
        if (state == WIRE_MORE)
            break;
        if (state == WIRE_TOO_LARGE)
            return fail(CLIENT_LOST, why, "the reply is too large", "应答过大");
        if (state == WIRE_BROKEN)
            return not_the_protocol(why);
        enum client_status status = cut_message(inbox, why);
        if (status != CLIENT_OK)
            return status;
    }
    if (inbox->events.count > CLIENT_EVENT_LIMIT)
        return fail(CLIENT_LOST, why, "too many events were left unread", "未读取的事件过多");
    return CLIENT_OK;
}

/* Room for at least READ_BYTES more after `end`. */
static bool make_room(struct inbox *inbox)
{
    if (inbox->capacity - inbox->end >= READ_BYTES)
        return true;
    size_t held = inbox->end - inbox->start;
    if (inbox->start > 0 && held > 0)
        memmove(inbox->buffer, inbox->buffer + inbox->start, held);
    inbox->start = 0;
    inbox->end = held;
    if (inbox->capacity - held >= READ_BYTES)
        return true;
    size_t capacity = inbox->capacity == 0 ? READ_BYTES : inbox->capacity * 2;
    while (capacity - held < READ_BYTES)
        capacity *= 2;
    char *grown = realloc(inbox->buffer, capacity);
    if (!grown)
        return false;
    inbox->buffer = grown;
    inbox->capacity = capacity;
    return true;
}

enum client_status inbox_read(struct inbox *inbox, int fd, const char *why[2])
{
    if (!make_room(inbox))
        return no_memory(why);
    ssize_t got;
    do {
        got = recv(fd, inbox->buffer + inbox->end, inbox->capacity - inbox->end, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return CLIENT_OK;
        return fail(CLIENT_LOST, why, "the connection broke", "连接中断");
    }
    if (got == 0)
        return inbox->start < inbox->end
                   ? fail(CLIENT_LOST, why, "the server closed the connection inside a reply",
                          "服务器在应答途中关闭了连接")
                   : fail(CLIENT_LOST, why, "the server closed the connection", "服务器关闭了连接");
    inbox->end += (size_t)got;
    return cut_messages(inbox, why);
}
