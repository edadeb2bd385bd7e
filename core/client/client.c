/* Invariants: an id is outstanding from client_send until its reply leaves client_receive; a reply
 * for any other id breaks the protocol. Once `fd` is -1 the connection is over, but replies that
 * arrived before are still handed out. */
#include "client/client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/error.h"
#include "client/inbox.h"
#include "kontor/limits.h"

#define FAILURE_SIZE 512
/* The request's own array and the array of params around the map. */
#define PARAMS_DEPTH (KT_LIMIT_MESSAGE_DEPTH - 2)

struct client {
    int fd;
    struct client_options options;
    struct inbox inbox;
    msgpack_sbuffer output;
    uint32_t last_id;
    uint32_t *outstanding; /* In no order. */
    size_t outstanding_count;
    size_t outstanding_capacity;
    struct client_error error;
    char code[32];
    char message[FAILURE_SIZE];
    char message_zh[FAILURE_SIZE];
};

static enum client_status fail(struct client *client, enum client_status status,
                               const char *english, const char *chinese)
{
    static const char *const codes[] = {
        [CLIENT_OK] = "ok",           [CLIENT_REFUSED] = "refused", [CLIENT_LOST] = "lost",
        [CLIENT_TIMEOUT] = "timeout", [CLIENT_INVALID] = "invalid", [CLIENT_NO_MEMORY] = "memory",
    };
    snprintf(client->code, sizeof client->code, "%s", codes[status]);
    snprintf(client->message, sizeof client->message, "%s", english);
    snprintf(client->message_zh, sizeof client->message_zh, "%s", chinese);
    client->error.details = NULL;
    return status;
}

static void hang_up(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

struct client *client_new(const struct client_options *options)
{
    struct client *client = calloc(1, sizeof *client);
    if (!client)
        return NULL;
    client->fd = -1;
    client->options = *options;
    if (client->options.connect_timeout_ms == 0)
        client->options.connect_timeout_ms = CLIENT_CONNECT_TIMEOUT_MS;
    if (client->options.timeout_ms == 0)
        client->options.timeout_ms = CLIENT_TIMEOUT_MS;
    if (client->options.reply_limit == 0)
        client->options.reply_limit = CLIENT_REPLY_LIMIT;
    inbox_init(&client->inbox, client->options.reply_limit);
    msgpack_sbuffer_init(&client->output);
    client->error = (struct client_error){.code = client->code,
                                          .message = client->message,
                                          .message_zh = client->message_zh,
                                          .entity = "",
                                          .field = "",
                                          .rule = ""};
    return client;
}

enum client_status client_connect(struct client *client)
{
    const struct client_options *options = &client->options;
    char reason[FAILURE_SIZE - 64] = "no address given";
    hang_up(client);
    int64_t deadline = wire_deadline(options->connect_timeout_ms);
    if (options->socket_path)
        client->fd = wire_dial_unix(options->socket_path, deadline, reason, sizeof reason);
    else if (options->address)
        client->fd = wire_dial_address(options->address, deadline, reason, sizeof reason);
    if (client->fd >= 0)
        return CLIENT_OK;
    fail(client, CLIENT_LOST, "", "");
    snprintf(client->message, sizeof client->message, "cannot connect to %s", reason);
    snprintf(client->message_zh, sizeof client->message_zh, "无法连接 %s", reason);
    return CLIENT_LOST;
}

void client_adopt(struct client *client, int fd)
{
    hang_up(client);
    client->fd = fd;
    if (wire_prepare(fd) != 0)
        hang_up(client);
}

void client_free(struct client *client)
{
    if (!client)
        return;
    hang_up(client);
    inbox_deinit(&client->inbox);
    msgpack_sbuffer_destroy(&client->output);
    free(client->outstanding);
    free(client);
}

const struct client_error *client_error(const struct client *client)
{
    return &client->error;
}

size_t client_in_flight(const struct client *client)
{
    return client->outstanding_count;
}

static bool find_outstanding(const struct client *client, uint32_t id, size_t *index)
{
    for (size_t i = 0; i < client->outstanding_count; i++) {
        if (client->outstanding[i] == id) {
            *index = i;
            return true;
        }
    }
    return false;
}

static bool add_outstanding(struct client *client, uint32_t *id)
{
    if (client->outstanding_count == client->outstanding_capacity) {
        size_t capacity = client->outstanding_capacity ? client->outstanding_capacity * 2 : 64;
        uint32_t *grown = realloc(client->outstanding, capacity * sizeof *grown);
        if (!grown)
            return false;
        client->outstanding = grown;
        client->outstanding_capacity = capacity;
    }
    size_t ignored;
    do {
        client->last_id++;
    } while (client->last_id == 0 || find_outstanding(client, client->last_id, &ignored));
    *id = client->last_id;
    client->outstanding[client->outstanding_count++] = *id;
    return true;
}

static bool fits_depth(const msgpack_object *value, int levels)
{
    bool map = value->type == MSGPACK_OBJECT_MAP;
    if (!map && value->type != MSGPACK_OBJECT_ARRAY)
        return true;
    if (levels == 0)
        return false;
    uint32_t count = map ? value->via.map.size : value->via.array.size;
    for (uint32_t i = 0; i < count; i++) {
        if (!fits_depth(map ? &value->via.map.ptr[i].val : &value->via.array.ptr[i], levels - 1))
            return false;
    }
    return true;
}

static enum client_status pack_request(struct client *client, uint32_t id, const char *method,
                                       const msgpack_object *params)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, &client->output, msgpack_sbuffer_write);
    size_t length = strlen(method);
    int trouble = msgpack_pack_array(&packer, 4);
    trouble |= msgpack_pack_int(&packer, 0);
    trouble |= msgpack_pack_uint32(&packer, id);
    trouble |= msgpack_pack_str(&packer, length);
    trouble |= msgpack_pack_str_body(&packer, method, length);
    trouble |= msgpack_pack_array(&packer, 1);
    trouble |= params ? msgpack_pack_object(&packer, *params) : msgpack_pack_map(&packer, 0);
    return trouble == 0 ? CLIENT_OK : fail(client, CLIENT_NO_MEMORY, "out of memory", "内存不足");
}

static enum client_status read_more(struct client *client)
{
    const char *why[2] = {"", ""};
    enum client_status status = inbox_read(&client->inbox, client->fd, why);
    const struct inbox_message *farewell = client->inbox.farewell;
    if (status == CLIENT_OK && !farewell)
        return CLIENT_OK;
    hang_up(client);
    if (!farewell)
        return fail(client, status, why[0], why[1]);
    struct client_error error;
    error_read(&farewell->unpacked.data.via.array.ptr[2], farewell->unpacked.zone, &error);
    fail(client, CLIENT_LOST, error.message, error.message_zh);
    snprintf(client->code, sizeof client->code, "%s", error.code);
    return CLIENT_LOST;
}

/* Waits until the socket can do one of `events` (CLIENT_OK), the deadline, or a failure. */
static enum client_status wait_for(struct client *client, short events, int64_t deadline,
                                   short *ready)
{
    struct pollfd wait = {.fd = client->fd, .events = events};
    int count;
    do {
        count = poll(&wait, 1, wire_left_ms(deadline));
    } while (count < 0 && errno == EINTR);
    if (count == 0)
        return fail(client, CLIENT_TIMEOUT, "the server did not answer in time",
                    "服务器未在规定时间内应答");
    if (count < 0) {
        hang_up(client);
        return fail(client, CLIENT_LOST, "the connection broke", "连接中断");
    }
    *ready = wait.revents;
    return CLIENT_OK;
}

static enum client_status write_output(struct client *client)
{
    int64_t deadline = wire_deadline(client->options.timeout_ms);
    size_t sent = 0;
    while (sent < client->output.size) {
        ssize_t count = send(client->fd, client->output.data + sent, client->output.size - sent,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count >= 0) {
            sent += (size_t)count;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            /* What the server said before it closed ("too many connections") explains more. */
            if (read_more(client) != CLIENT_OK)
                return CLIENT_LOST;
            hang_up(client);
            return fail(client, CLIENT_LOST, "the connection broke", "连接中断");
        }
        bool may_read = client->inbox.replies.size_bytes < client->options.reply_limit;
        short ready = 0;
        enum client_status status =
            wait_for(client, (short)(may_read ? POLLOUT | POLLIN : POLLOUT), deadline, &ready);
        if (status == CLIENT_OK && (ready & POLLIN))
            status = read_more(client);
        if (status != CLIENT_OK) {
            /* Half a request is on its way: nothing more can be said on this connection. */
            hang_up(client);
            return status;
        }
    }
    return CLIENT_OK;
}

enum client_status client_send(struct client *client, const char *method,
                               const msgpack_object *params, uint32_t *id)
{
    if (params && params->type != MSGPACK_OBJECT_MAP)
        return fail(client, CLIENT_INVALID, "params must be a map", "参数必须是映射");
    if (params && !fits_depth(params, PARAMS_DEPTH))
        return fail(client, CLIENT_INVALID, "the params are nested too deeply", "参数嵌套过深");
    if (client->fd < 0)
        return fail(client, CLIENT_LOST, "not connected", "未连接");
    if (!add_outstanding(client, id))
        return fail(client, CLIENT_NO_MEMORY, "out of memory", "内存不足");
    enum client_status status = pack_request(client, *id, method, params);
    if (status == CLIENT_OK)
        status = write_output(client);
    /* Passwords travel in requests: leave none behind. */
    if (client->output.size > 0)
        explicit_bzero(client->output.data, client->output.size);
    msgpack_sbuffer_clear(&client->output);
    size_t index;
    if (status != CLIENT_OK && find_outstanding(client, *id, &index))
        client->outstanding[index] = client->outstanding[--client->outstanding_count];
    return status;
}

static enum client_status hand_out(struct client *client, struct inbox_message *message,
                                   struct client_reply *reply)
{
    size_t index;
    if (!find_outstanding(client, message->id, &index)) {
        inbox_message_free(message);
        hang_up(client);
        return fail(client, CLIENT_LOST, "the server answered a request that was not made",
                    "服务器应答了并未发出的请求");
    }
    client->outstanding[index] = client->outstanding[--client->outstanding_count];

    reply->id = message->id;
    reply->bytes = message->bytes;
    reply->owner = message->unpacked;
    message->bytes = NULL;
    message->unpacked.zone = NULL;
    inbox_message_free(message);

    const msgpack_object *part = reply->owner.data.via.array.ptr;
    if (part[2].type == MSGPACK_OBJECT_NIL) {
        reply->result = part[3];
        return CLIENT_OK;
    }
    /* A reply without any array or map in it would have no zone; this one is an array. */
    struct client_error *error = msgpack_zone_malloc(reply->owner.zone, sizeof *error);
    if (!error)
        return fail(client, CLIENT_NO_MEMORY, "out of memory", "内存不足");
    error_read(&part[2], reply->owner.zone, error);
    reply->error = error;
    return CLIENT_REFUSED;
}

/* Until a message of the queue is here (id 0: any), the deadline, or the end of the connection. */
static enum client_status await(struct client *client, struct inbox_queue *queue, uint32_t id,
                                int timeout_ms, struct inbox_message **out)
{
    int64_t deadline = wire_deadline(timeout_ms);
    while ((*out = inbox_take(queue, id)) == NULL) {
        if (client->fd < 0)
            return CLIENT_LOST;
        short ready = 0;
        enum client_status status = wait_for(client, POLLIN, deadline, &ready);
        if (status != CLIENT_OK)
            return status;
        status = read_more(client);
        /* What came before the end is still good. */
        if (status != CLIENT_OK && (*out = inbox_take(queue, id)) == NULL)
            return status;
        if (*out)
            break;
    }
    return CLIENT_OK;
}

enum client_status client_receive(struct client *client, uint32_t id, struct client_reply *reply)
{
    *reply = (struct client_reply){.result = {.type = MSGPACK_OBJECT_NIL}};
    size_t ignored;
    if (client->outstanding_count == 0 || (id != 0 && !find_outstanding(client, id, &ignored)))
        return fail(client, CLIENT_INVALID, "no such request is waiting for a reply",
                    "没有等待应答的该请求");
    struct inbox_message *message = NULL;
    enum client_status status =
        await(client, &client->inbox.replies, id, client->options.timeout_ms, &message);
    return status == CLIENT_OK ? hand_out(client, message, reply) : status;
}

enum client_status client_poll(struct client *client, struct client_reply *reply, bool *here)
{
    *reply = (struct client_reply){.result = {.type = MSGPACK_OBJECT_NIL}};
    struct inbox_message *message = inbox_take(&client->inbox.replies, 0);
    struct pollfd look = {.fd = client->fd, .events = POLLIN};
    enum client_status status = CLIENT_OK;
    if (!message && client->fd < 0)
        status = CLIENT_LOST;
    else if (!message && poll(&look, 1, 0) > 0)
        status = read_more(client);
    if (!message)
        message = inbox_take(&client->inbox.replies, 0);
    *here = message != NULL;
    return message ? hand_out(client, message, reply) : status;
}

int client_fd(const struct client *client)
{
    return client->fd;
}

enum client_status client_call(struct client *client, const char *method,
                               const msgpack_object *params, struct client_reply *reply)
{
    *reply = (struct client_reply){.result = {.type = MSGPACK_OBJECT_NIL}};
    uint32_t id;
    enum client_status status = client_send(client, method, params, &id);
    if (status == CLIENT_OK)
        status = client_receive(client, id, reply);
    if (status == CLIENT_TIMEOUT)
        hang_up(client);
    return status;
}

static msgpack_object text_object(const char *text)
{
    return (msgpack_object){
        .type = MSGPACK_OBJECT_STR,
        .via = {.str = {.ptr = text, .size = (uint32_t)strnlen(text, UINT32_MAX)}},
    };
}

static enum client_status call_with_texts(struct client *client, const char *method,
                                          const char *const texts[], uint32_t pairs,
                                          struct client_reply *reply)
{
    msgpack_object_kv fields[2];
    for (size_t i = 0; i < pairs; i++)
        fields[i] = (msgpack_object_kv){.key = text_object(texts[2 * i]),
                                        .val = text_object(texts[2 * i + 1])};
    msgpack_object params = {.type = MSGPACK_OBJECT_MAP,
                             .via = {.map = {.size = pairs, .ptr = fields}}};
    return client_call(client, method, &params, reply);
}

enum client_status client_login(struct client *client, const char *user, const char *password,
                                struct client_reply *reply)
{
    const char *const texts[] = {"user", user, "password", password};
    return call_with_texts(client, "auth.login", texts, 2, reply);
}

enum client_status client_login_token(struct client *client, const char *token,
                                      struct client_reply *reply)
{
    const char *const texts[] = {"token", token};
    return call_with_texts(client, "auth.token", texts, 1, reply);
}

void client_reply_free(struct client_reply *reply)
{
    msgpack_unpacked_destroy(&reply->owner);
    free(reply->bytes);
    *reply = (struct client_reply){.result = {.type = MSGPACK_OBJECT_NIL}};
}

enum client_status client_next_event(struct client *client, int timeout_ms,
                                     struct client_event *event)
{
    *event = (struct client_event){.params = {.type = MSGPACK_OBJECT_NIL}};
    struct inbox_message *message = NULL;
    enum client_status status = await(client, &client->inbox.events, 0, timeout_ms, &message);
    if (status != CLIENT_OK)
        return status;
    const msgpack_object *part = message->unpacked.data.via.array.ptr;
    size_t length = part[1].via.str.size;
    char *method = msgpack_zone_malloc(message->unpacked.zone, length + 1);
    if (!method) {
        inbox_message_free(message);
        return fail(client, CLIENT_NO_MEMORY, "out of memory", "内存不足");
    }
    memcpy(method, part[1].via.str.ptr, length);
    method[length] = '\0';
    event->method = method;
    if (part[2].via.array.size > 0)
        event->params = part[2].via.array.ptr[0];
    event->bytes = message->bytes;
    event->owner = message->unpacked;
    message->bytes = NULL;
    message->unpacked.zone = NULL;
    inbox_message_free(message);
    return CLIENT_OK;
}

void client_event_free(struct client_event *event)
{
    msgpack_unpacked_destroy(&event->owner);
    free(event->bytes);
    *event = (struct client_event){.params = {.type = MSGPACK_OBJECT_NIL}};
}
