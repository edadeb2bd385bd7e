/** Private to core/client: the bytes that arrived, and the messages cut from them. */
#pragma once

#include "client/client.h"
#include "client/wire.h"

enum inbox_kind { INBOX_REPLY, INBOX_EVENT, INBOX_FAREWELL };

struct inbox_message {
    struct inbox_message *next;
    enum inbox_kind kind;
    uint32_t id; /**< Of a reply. */
    size_t size;
    char *bytes;
    msgpack_unpacked unpacked; /**< Points into `bytes`. */
};

struct inbox_queue {
    struct inbox_message *first;
    struct inbox_message **last; /**< Where the next one is hung. */
    size_t count;
    size_t size_bytes;
};

struct inbox {
    char *buffer;
    size_t start; /**< First byte of the message being received. */
    size_t end;
    size_t capacity;
    struct wire_scan scan;
    size_t limit_bytes;
    struct inbox_queue replies;
    struct inbox_queue events;
    struct inbox_message *farewell; /**< An error reply to request 0, which nobody makes: the
                                         server says why it is about to close. */
};

void inbox_init(struct inbox *inbox, size_t limit_bytes);
void inbox_deinit(struct inbox *inbox);

/** One recv(2) and everything that follows from it. CLIENT_OK also when nothing was there;
 *  otherwise why[2] are static texts in English and Chinese. */
enum client_status inbox_read(struct inbox *inbox, int fd, const char *why[2]);

/** The first message, or with `id` the reply of that request; NULL when it is not here. */
struct inbox_message *inbox_take(struct inbox_queue *queue, uint32_t id);
/** Frees what was not moved out of it (bytes and unpacked.zone NULL are fine). NULL is fine. */
void inbox_message_free(struct inbox_message *message);
