/** A server on a loop in a thread, in front of an engine that does what the story says, and clients
 *  with real sockets. The engine's functions defined here take the place of core/engine's: a test
 *  program is one file. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <msgpack.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "kontor/limits.h"
#include "rpc/rpc.h"

#define PATIENCE_S 30 /* A healthy server needs none of it. */
#define BIG_BYTES  (3u << 20)
#define IN_FLIGHT  64u /* As usual. */

/* --- The engine --- */

/** Methods: "echo" answers its params, "big" BIG_BYTES, "now" inside engine_submit, "auth.*" like
 *  echo. While it is held it takes requests and answers none. */
struct engine {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct engine_request *first;
    struct engine_request **last;
    bool is_held;
    bool is_stopped;
    unsigned submitted;
    unsigned waiting;      /**< Submitted and not answered. */
    unsigned most_waiting; /**< Ever. */
    unsigned crowded;      /**< Exclusive requests that were not alone. */
};

static inline bool is_method(const struct engine_request *request, const char *name)
{
    return request->method_length == strlen(name) &&
           memcmp(request->method, name, strlen(name)) == 0;
}

bool engine_method_is_exclusive(const char *method, size_t length)
{
    return length > 5 && memcmp(method, "auth.", 5) == 0;
}

void engine_pack_error(msgpack_sbuffer *reply, uint32_t msgid, enum kt_status status,
                       const char *field, const char *message, const char *message_zh)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, reply, msgpack_sbuffer_write);
    assert_null(field);
    assert_true(strlen(message) > 0 && strlen(message_zh) > 0);
    msgpack_pack_array(&packer, 4);
    msgpack_pack_int(&packer, 1);
    msgpack_pack_uint32(&packer, msgid);
    msgpack_pack_int(&packer, (int)status);
    msgpack_pack_nil(&packer);
}

static inline void answer(struct engine_request *request)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, &request->reply, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 4);
    msgpack_pack_int(&packer, 1);
    msgpack_pack_uint32(&packer, request->msgid);
    msgpack_pack_nil(&packer);
    if (is_method(request, "big")) {
        char *bytes = calloc(1, BIG_BYTES);
        msgpack_pack_bin_with_body(&packer, bytes, BIG_BYTES);
        free(bytes);
    } else {
        msgpack_sbuffer_write(&request->reply, request->params, request->params_size);
    }
    request->done(request);
}

static inline void submit_one(struct engine *engine, struct engine_request *request)
{
    bool is_now = is_method(request, "now");
    pthread_mutex_lock(&engine->lock);
    if (engine_method_is_exclusive(request->method, request->method_length) && engine->waiting)
        engine->crowded++;
    engine->submitted++;
    if (!is_now) {
        engine->waiting++;
        if (engine->waiting > engine->most_waiting)
            engine->most_waiting = engine->waiting;
        request->next = NULL;
        *engine->last = request;
        engine->last = &request->next;
    }
    pthread_cond_broadcast(&engine->changed);
    pthread_mutex_unlock(&engine->lock);
    if (is_now)
        answer(request);
}

void engine_submit(struct engine *engine, struct engine_request *requests)
{
    struct engine_request *next;
    for (; requests; requests = next) {
        next = requests->next;
        submit_one(engine, requests);
    }
}

/* Answers what waits when it stops, like the real one. */
static inline void *work(void *argument)
{
    struct engine *engine = argument;
    pthread_mutex_lock(&engine->lock);
    while (!engine->is_stopped || engine->first) {
        if (!engine->first || (engine->is_held && !engine->is_stopped)) {
            pthread_cond_wait(&engine->changed, &engine->lock);
            continue;
        }
        struct engine_request *request = engine->first;
        engine->first = request->next;
        if (!engine->first)
            engine->last = &engine->first;
        engine->waiting--; /* Before the answer: its client may ask the next at once. */
        pthread_mutex_unlock(&engine->lock);
        answer(request);
        pthread_mutex_lock(&engine->lock);
    }
    pthread_mutex_unlock(&engine->lock);
    return NULL;
}

static inline void hold(struct engine *engine, bool is_held)
{
    pthread_mutex_lock(&engine->lock);
    engine->is_held = is_held;
    pthread_cond_broadcast(&engine->changed);
    pthread_mutex_unlock(&engine->lock);
}

static inline unsigned submitted(struct engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    unsigned count = engine->submitted;
    pthread_mutex_unlock(&engine->lock);
    return count;
}

static inline void wait_submitted(struct engine *engine, unsigned count)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    int late = 0;
    pthread_mutex_lock(&engine->lock);
    while (engine->submitted < count && !late)
        late = pthread_cond_timedwait(&engine->changed, &engine->lock, &until);
    pthread_mutex_unlock(&engine->lock);
    assert_int_equal(late, 0);
}

/* --- The server --- */

struct fixture {
    char folder[64];
    char path[96];
    char why[512];
    struct limits limits; /**< For start(). */
    struct engine engine;
    struct event_base *base;
    struct rpc_server *server;
    struct event *order;
    pthread_t loop;
    int orders[2]; /**< A pipe: 'd' drain, 's' stop. */
    unsigned drain_timeout_s;
    bool is_drained; /**< To be read when the loop has ended. */
    bool is_running;
};

static inline void on_drained(void *argument)
{
    struct fixture *f = argument;
    assert_false(f->is_drained);
    f->is_drained = true;
    event_base_loopbreak(f->base);
}

static inline void on_order(evutil_socket_t fd, short events, void *argument)
{
    struct fixture *f = argument;
    char order;
    (void)events;
    assert_int_equal(read(fd, &order, 1), 1);
    if (order == 'd')
        rpc_server_drain(f->server, f->drain_timeout_s, on_drained, f);
    else
        event_base_loopbreak(f->base);
}

static inline void *run_loop(void *argument)
{
    struct fixture *f = argument;
    event_base_dispatch(f->base);
    return NULL;
}

static inline void start(struct fixture *f)
{
    const struct rpc_options options = {
        .listen = "127.0.0.1:0", .socket = f->path, .limits = &f->limits};
    f->base = event_base_new();
    assert_int_equal(
        rpc_server_new(f->base, &f->engine, &options, &f->server, f->why, sizeof f->why), KT_OK);
    assert_int_equal(pipe(f->orders), 0);
    f->order = event_new(f->base, f->orders[0], EV_READ | EV_PERSIST, on_order, f);
    event_add(f->order, NULL);
    f->engine.last = &f->engine.first;
    pthread_mutex_init(&f->engine.lock, NULL);
    pthread_cond_init(&f->engine.changed, NULL);
    assert_int_equal(pthread_create(&f->engine.thread, NULL, work, &f->engine), 0);
    assert_int_equal(pthread_create(&f->loop, NULL, run_loop, f), 0);
    f->is_running = true;
}

static inline void order(struct fixture *f, char what)
{
    assert_int_equal(write(f->orders[1], &what, 1), 1);
}

/** As kontord ends: the loop, the engine, the server. `first` is the order that ends the loop; 0:
 *  it was given already. */
static inline void stop(struct fixture *f, char first)
{
    if (first)
        order(f, first);
    pthread_join(f->loop, NULL);
    pthread_mutex_lock(&f->engine.lock);
    f->engine.is_stopped = true;
    pthread_cond_broadcast(&f->engine.changed);
    pthread_mutex_unlock(&f->engine.lock);
    pthread_join(f->engine.thread, NULL);
    rpc_server_free(f->server);
    event_free(f->order);
    event_base_free(f->base);
    close(f->orders[0]);
    close(f->orders[1]);
    pthread_mutex_destroy(&f->engine.lock);
    pthread_cond_destroy(&f->engine.changed);
    f->is_running = false;
}

static inline int make_folder(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/kontor_rpc_XXXXXX");
    if (!mkdtemp(f->folder))
        return -1;
    snprintf(f->path, sizeof f->path, "%s/kontor.sock", f->folder);
    signal(SIGPIPE, SIG_IGN);
    f->limits = limits_usual();
    *state = f;
    return 0;
}

static inline int set_up(void **state)
{
    if (make_folder(state))
        return -1;
    struct fixture *f = *state;
    start(f);
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    if (f->is_running)
        stop(f, 's');
    unlink(f->path);
    rmdir(f->folder);
    free(f);
    return 0;
}

/* --- Clients --- */

struct client {
    int fd;
    msgpack_unpacker *unpacker; /**< On the heap: it points into itself. */
    msgpack_unpacked message;
};

/** What a reply says. */
struct reply {
    bool is_end; /**< The server closed the connection instead. */
    uint32_t msgid;
    enum kt_status status;
    msgpack_object result; /**< Until the client's next reply. */
};

static inline void join_client(struct client *client, int fd)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    client->fd = fd;
    client->unpacker = msgpack_unpacker_new(65536);
    assert_non_null(client->unpacker);
    msgpack_unpacked_init(&client->message);
}

static inline int connect_unix(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&name, sizeof name) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline struct client open_client(struct fixture *f)
{
    struct client client;
    int fd = connect_unix(f->path);
    assert_true(fd >= 0);
    join_client(&client, fd);
    return client;
}

/** Over TCP, from that address of this machine. */
static inline struct client open_client_from(struct fixture *f, const char *source)
{
    struct client client;
    const char *address = rpc_server_address(f->server);
    assert_memory_equal(address, "127.0.0.1:", 10);
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port = htons((in_port_t)strtoul(address + 10, NULL, 10)),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in own = {.sin_family = AF_INET};
    assert_int_equal(inet_pton(AF_INET, source, &own.sin_addr), 1);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    join_client(&client, fd);
    return client;
}

static inline struct client open_tcp_client(struct fixture *f)
{
    return open_client_from(f, "127.0.0.1");
}

static inline void close_client(struct client *client)
{
    close(client->fd);
    msgpack_unpacked_destroy(&client->message);
    msgpack_unpacker_free(client->unpacker);
}

/** False when the server has hung up. */
static inline bool send_bytes(struct client *client, const void *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(client->fd, bytes, size, MSG_NOSIGNAL);
        if (sent < 0)
            return false;
        bytes = (const char *)bytes + sent;
        size -= (size_t)sent;
    }
    return true;
}

#define SEND(client, literal) assert_true(send_bytes(client, literal, sizeof(literal) - 1))

/** [0, msgid, method, [text]] */
static inline void pack_request(msgpack_sbuffer *out, uint32_t msgid, const char *method,
                                const char *text, size_t length)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 4);
    msgpack_pack_int(&packer, 0);
    msgpack_pack_uint32(&packer, msgid);
    msgpack_pack_str_with_body(&packer, method, strlen(method));
    msgpack_pack_array(&packer, 1);
    msgpack_pack_str_with_body(&packer, text, length);
}

static inline void request(struct client *client, uint32_t msgid, const char *method)
{
    msgpack_sbuffer bytes;
    msgpack_sbuffer_init(&bytes);
    pack_request(&bytes, msgid, method, "hello", 5);
    assert_true(send_bytes(client, bytes.data, bytes.size));
    msgpack_sbuffer_destroy(&bytes);
}

static inline struct reply receive(struct client *client)
{
    msgpack_unpack_return got;
    while ((got = msgpack_unpacker_next(client->unpacker, &client->message)) ==
           MSGPACK_UNPACK_CONTINUE) {
        assert_true(msgpack_unpacker_reserve_buffer(client->unpacker, 65536));
        ssize_t size = recv(client->fd, msgpack_unpacker_buffer(client->unpacker), 65536, 0);
        if (size == 0 || (size < 0 && (errno == ECONNRESET || errno == EPIPE)))
            return (struct reply){.is_end = true};
        assert_true(size > 0);
        msgpack_unpacker_buffer_consumed(client->unpacker, (size_t)size);
    }
    assert_int_equal(got, MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(client->message.data.via.array.size, 4);
    const msgpack_object *members = client->message.data.via.array.ptr;
    assert_int_equal(members[0].via.u64, 1);
    return (struct reply){
        .msgid = (uint32_t)members[1].via.u64,
        .status =
            members[2].type == MSGPACK_OBJECT_NIL ? KT_OK : (enum kt_status)members[2].via.u64,
        .result = members[3],
    };
}

static inline void assert_reply(struct client *client, uint32_t msgid, enum kt_status status)
{
    struct reply reply = receive(client);
    assert_false(reply.is_end);
    assert_int_equal(reply.msgid, msgid);
    assert_int_equal(reply.status, status);
}

static inline void assert_end(struct client *client)
{
    assert_true(receive(client).is_end);
}

/** Has the server dealt with all that was sent before? It looks at every ready socket in each turn
 *  of its loop, and this takes two turns. */
static inline void wait_turn(struct client *other)
{
    for (uint32_t i = 0; i < 2; i++) {
        request(other, 77000 + i, "now");
        assert_reply(other, 77000 + i, KT_OK);
    }
}
