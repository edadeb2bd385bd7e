/** The C client of Kontor: connect, log in, call methods, follow events.
 *
 *  Kontor speaks msgpack-RPC over a Unix socket or TCP. A `struct client` is one connection; it is
 *  blocking, bounded by timeouts, and belongs to one thread at a time. The simple way is
 *  client_call. The fast way is to client_send many requests and then client_receive the replies,
 *  in any order: the library keeps those that come early.
 *
 *  A call ends in one of two kinds of failure. CLIENT_REFUSED is the server's answer: the reply
 *  carries its error. Every other status is about the connection: client_error says why. */
#pragma once

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_DEFAULT_PORT       "7450"
#define CLIENT_CONNECT_TIMEOUT_MS 5000
#define CLIENT_TIMEOUT_MS         60000
#define CLIENT_REPLY_LIMIT        ((size_t)256 << 20)
/** Values in one reply. Each costs 24 bytes of memory however small it is on the wire. */
#define CLIENT_REPLY_ELEMENTS ((uint64_t)16 << 20)
/** Events that may wait unread; one more ends the connection rather than lose one silently. */
#define CLIENT_EVENT_LIMIT 100000u

enum client_status {
    CLIENT_OK = 0,
    CLIENT_REFUSED, /**< The server answered with an error. The connection is fine. */
    CLIENT_LOST,    /**< Cannot connect, or the connection ended or broke the protocol. */
    CLIENT_TIMEOUT, /**< No reply in time. It may still come: receive it again, or close. */
    CLIENT_INVALID, /**< The caller's mistake: params not a map, an unknown id, too deep. */
    CLIENT_NO_MEMORY,
};

/** What went wrong, for a program (code) and for people in two languages. Never NULL texts. */
struct client_error {
    const char *code; /**< "invalid", "denied", ... from the server; "lost", "timeout" from here. */
    const char *message;
    const char *message_zh;        /**< The same as message when the server sent none. */
    const char *entity;            /**< "sales.order": what was being worked on, or "". */
    const char *field;             /**< "lines[0].price", or "". */
    const char *rule;              /**< Name of the business rule that refused, or "". */
    const msgpack_object *details; /**< NULL when there are none. */
};

/** One answer. It owns everything it points to; free it with client_reply_free. */
struct client_reply {
    uint32_t id;                      /**< Of the request. */
    msgpack_object result;            /**< nil when the server refused. */
    const struct client_error *error; /**< NULL when it did not. */
    msgpack_unpacked owner;           /**< Private. */
    char *bytes;                      /**< Private: texts in `result` point into it. */
};

/** One notification, for those who follow events. Free it with client_event_free. */
struct client_event {
    const char *method;
    msgpack_object params; /**< The map; nil when the server sent none. */
    msgpack_unpacked owner;
    char *bytes;
};

struct client_options {
    const char *socket_path; /**< Unix socket. Either this ... */
    const char *address;     /**< ... or "host", "host:port", "[v6]:port". */
    int connect_timeout_ms;  /**< 0 is CLIENT_CONNECT_TIMEOUT_MS, negative waits for ever. */
    int timeout_ms;          /**< Of one call; 0 is CLIENT_TIMEOUT_MS, negative waits for ever. */
    size_t reply_limit;      /**< Bytes of one message; 0 is CLIENT_REPLY_LIMIT. */
};

struct client;

/** --- Connect. --- */
/** NULL only without memory. Not yet connected. Copies nothing of the texts: they must outlive
 *  client_connect, not the client. */
struct client *client_new(const struct client_options *options);
/** Once: after a loss make a new client. */
enum client_status client_connect(struct client *client);
/** Use a connected stream socket instead; the client closes it. */
void client_adopt(struct client *client, int fd);
/** Closes and frees. NULL is fine. Replies and events already handed out stay valid. */
void client_free(struct client *client);

/** --- One call at a time. `params` is a map, or NULL for none. --- */
/** `reply` is written in every case, so that client_reply_free is always right. After
 *  CLIENT_TIMEOUT the connection is closed: the late reply belongs to nobody. */
enum client_status client_call(struct client *client, const char *method,
                               const msgpack_object *params, struct client_reply *reply);
/** auth.login; the result holds user, roles, token. */
enum client_status client_login(struct client *client, const char *user, const char *password,
                                struct client_reply *reply);
enum client_status client_login_token(struct client *client, const char *token,
                                      struct client_reply *reply);
void client_reply_free(struct client_reply *reply);

/** --- Many calls in flight. --- */
/** Sends one request; *id names it from then on. Reads early replies while the server makes it
 *  wait, so that two full pipes cannot block each other. */
enum client_status client_send(struct client *client, const char *method,
                               const msgpack_object *params, uint32_t *id);
/** The reply of request `id`, or with id 0 the first that comes. CLIENT_INVALID when there is
 *  nothing to wait for. */
enum client_status client_receive(struct client *client, uint32_t id, struct client_reply *reply);
/** Any reply that is here already; without one *here is false and `reply` is empty. Never waits:
 *  with client_fd one thread serves many clients. */
enum client_status client_poll(struct client *client, struct client_reply *reply, bool *here);
/** The socket, to wait for until it can be read; -1 when there is none. It stays the client's. */
int client_fd(const struct client *client);
/** Requests sent whose replies were not received. */
size_t client_in_flight(const struct client *client);

/** --- Events. --- */
/** The next notification; waits at most `timeout_ms` (negative for ever, 0 only looks). */
enum client_status client_next_event(struct client *client, int timeout_ms,
                                     struct client_event *event);
void client_event_free(struct client_event *event);

/** Why the last function of this client that did not return CLIENT_OK or CLIENT_REFUSED failed.
 *  Valid until the next call on the client. */
const struct client_error *client_error(const struct client *client);
