/* The client library against servers that are good, slow, rude or lying: a thread at the other end
 * of a socket that follows a script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/client.h"

struct server {
    int fd;
    msgpack_unpacker unpacker;
    msgpack_sbuffer output;
    msgpack_packer packer;
    msgpack_unpacked message;
    uint32_t id; /* Of the request that was read. */
    char method[64];
    msgpack_object params; /* The one map. */
};

typedef void server_script(struct server *server);

struct pair {
    struct client *client;
    pthread_t thread;
    server_script *script;
    int fd;
};

static void say(struct server *server)
{
    size_t sent = 0;
    while (sent < server->output.size) {
        ssize_t count =
            send(server->fd, server->output.data + sent, server->output.size - sent, MSG_NOSIGNAL);
        if (count <= 0)
            break;
        sent += (size_t)count;
    }
    msgpack_sbuffer_clear(&server->output);
}

static void say_bytes(struct server *server, const char *bytes, size_t size)
{
    msgpack_sbuffer_write(&server->output, bytes, size);
    say(server);
}

/* False when the client hung up. */
static int hear(struct server *server)
{
    while (msgpack_unpacker_next(&server->unpacker, &server->message) != MSGPACK_UNPACK_SUCCESS) {
        if (!msgpack_unpacker_reserve_buffer(&server->unpacker, 65536))
            abort();
        ssize_t got = recv(server->fd, msgpack_unpacker_buffer(&server->unpacker),
                           msgpack_unpacker_buffer_capacity(&server->unpacker), 0);
        if (got <= 0)
            return 0;
        msgpack_unpacker_buffer_consumed(&server->unpacker, (size_t)got);
    }
    const msgpack_object *part = server->message.data.via.array.ptr;
    if (server->message.data.via.array.size != 4 || part[0].via.u64 != 0 ||
        part[3].via.array.size != 1 || part[3].via.array.ptr[0].type != MSGPACK_OBJECT_MAP)
        abort();
    server->id = (uint32_t)part[1].via.u64;
    snprintf(server->method, sizeof server->method, "%.*s", (int)part[2].via.str.size,
             part[2].via.str.ptr);
    server->params = part[3].via.array.ptr[0];
    return 1;
}

static void pack_word(struct server *server, const char *word)
{
    msgpack_pack_str_with_body(&server->packer, word, strlen(word));
}

/* [1, id, nil, then the result comes. */
static void begin_reply(struct server *server, uint32_t id)
{
    msgpack_pack_array(&server->packer, 4);
    msgpack_pack_int(&server->packer, 1);
    msgpack_pack_uint32(&server->packer, id);
    msgpack_pack_nil(&server->packer);
}

static void reply_word(struct server *server, uint32_t id, const char *word)
{
    begin_reply(server, id);
    pack_word(server, word);
    say(server);
}

static void reply_error(struct server *server, uint32_t id, const char *const pairs[], size_t count)
{
    msgpack_pack_array(&server->packer, 4);
    msgpack_pack_int(&server->packer, 1);
    msgpack_pack_uint32(&server->packer, id);
    msgpack_pack_map(&server->packer, count);
    for (size_t i = 0; i < 2 * count; i++)
        pack_word(server, pairs[i]);
    msgpack_pack_nil(&server->packer);
    say(server);
}

static void *serve(void *argument)
{
    const struct pair *pair = argument;
    struct server server = {.fd = pair->fd};
    if (!msgpack_unpacker_init(&server.unpacker, 65536))
        abort();
    msgpack_sbuffer_init(&server.output);
    msgpack_packer_init(&server.packer, &server.output, msgpack_sbuffer_write);
    msgpack_unpacked_init(&server.message);
    pair->script(&server);
    msgpack_unpacked_destroy(&server.message);
    msgpack_sbuffer_destroy(&server.output);
    msgpack_unpacker_destroy(&server.unpacker);
    close(server.fd);
    return NULL;
}

static void start(struct pair *pair, server_script *script, const struct client_options *options)
{
    int fds[2];
    assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    pair->script = script;
    pair->fd = fds[1];
    pair->client = client_new(options ? options : &(struct client_options){.timeout_ms = 20000});
    assert_non_null(pair->client);
    client_adopt(pair->client, fds[0]);
    assert_int_equal(0, pthread_create(&pair->thread, NULL, serve, pair));
}

static void finish(struct pair *pair)
{
    client_free(pair->client);
    pthread_join(pair->thread, NULL);
}

static msgpack_object text(const char *word)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_STR,
                            .via = {.str = {(uint32_t)strlen(word), word}}};
}

static void assert_text(const char *expected, const msgpack_object *value)
{
    assert_int_equal(MSGPACK_OBJECT_STR, value->type);
    assert_int_equal(strlen(expected), value->via.str.size);
    assert_memory_equal(expected, value->via.str.ptr, value->via.str.size);
}

/* --- One call --- */

/* Answers with the method's name, for as long as it is asked. */
static void echo_method(struct server *server)
{
    while (hear(server))
        reply_word(server, server->id, server->method);
}

static void test_call(void **state)
{
    (void)state;
    struct pair pair;
    struct client_reply reply;
    start(&pair, echo_method, NULL);
    assert_int_equal(CLIENT_OK, client_call(pair.client, "record.get", NULL, &reply));
    assert_text("record.get", &reply.result);
    assert_null(reply.error);
    assert_int_equal(0, client_in_flight(pair.client));
    client_reply_free(&reply);
    finish(&pair);
}

static void test_reply_outlives_the_client(void **state)
{
    (void)state;
    struct pair pair;
    struct client_reply reply;
    start(&pair, echo_method, NULL);
    assert_int_equal(CLIENT_OK, client_call(pair.client, "system.ping", NULL, &reply));
    finish(&pair);
    assert_text("system.ping", &reply.result);
    client_reply_free(&reply);
}

static void expect_login(struct server *server)
{
    while (hear(server)) {
        const msgpack_object_map *map = &server->params.via.map;
        int good = strcmp(server->method, "auth.login") == 0 && map->size == 2 &&
                   memcmp(map->ptr[0].key.via.str.ptr, "user", 4) == 0 &&
                   memcmp(map->ptr[0].val.via.str.ptr, "anna", 4) == 0 &&
                   memcmp(map->ptr[1].key.via.str.ptr, "password", 8) == 0 &&
                   memcmp(map->ptr[1].val.via.str.ptr, "open sesame", 11) == 0;
        good |= strcmp(server->method, "auth.token") == 0 && map->size == 1 &&
                memcmp(map->ptr[0].val.via.str.ptr, "t-1", 3) == 0;
        reply_word(server, server->id, good ? "good" : "bad");
    }
}

static void test_login(void **state)
{
    (void)state;
    struct pair pair;
    struct client_reply reply;
    start(&pair, expect_login, NULL);
    assert_int_equal(CLIENT_OK, client_login(pair.client, "anna", "open sesame", &reply));
    assert_text("good", &reply.result);
    client_reply_free(&reply);
    assert_int_equal(CLIENT_OK, client_login_token(pair.client, "t-1", &reply));
    assert_text("good", &reply.result);
    client_reply_free(&reply);
    finish(&pair);
}

/* --- Refusals --- */

static void refuse_in_many_ways(struct server *server)
{
    static const char *const full[] = {"code",    "invalid",        "message",    "too low",
                                       "field",   "lines[0].price", "rule",       "floor",
                                       "details", "about the row",  "message_zh", "过低"};
    hear(server);
    reply_error(server, server->id, full, 6);
    hear(server);
    reply_error(server, server->id, full, 0);
    hear(server);
    say_bytes(server,
              "\x94\x01\x03\xa3"
              "bad\xc0",
              8);
    hear(server);
    reply_word(server, server->id, "still here");
    hear(server);
}

static void test_refusals(void **state)
{
    (void)state;
    struct pair pair;
    struct client_reply reply;
    start(&pair, refuse_in_many_ways, NULL);

    assert_int_equal(CLIENT_REFUSED, client_call(pair.client, "m", NULL, &reply));
    assert_string_equal("invalid", reply.error->code);
    assert_string_equal("too low", reply.error->message);
    assert_string_equal("过低", reply.error->message_zh);
    assert_string_equal("lines[0].price", reply.error->field);
    assert_string_equal("floor", reply.error->rule);
    assert_text("about the row", reply.error->details);
    assert_int_equal(MSGPACK_OBJECT_NIL, reply.result.type);
    client_reply_free(&reply);

    /* An error that says nothing, and one that is no map, are refusals all the same. */
    assert_int_equal(CLIENT_REFUSED, client_call(pair.client, "m", NULL, &reply));
    assert_string_equal("internal", reply.error->code);
    assert_string_equal("", reply.error->field);
    assert_null(reply.error->details);
    assert_true(strlen(reply.error->message) > 0);
    client_reply_free(&reply);
    assert_int_equal(CLIENT_REFUSED, client_call(pair.client, "m", NULL, &reply));
    assert_string_equal("bad", reply.error->message);
    client_reply_free(&reply);

    assert_int_equal(CLIENT_OK, client_call(pair.client, "m", NULL, &reply));
    assert_text("still here", &reply.result);
    client_reply_free(&reply);
    finish(&pair);
}

static void test_params_that_cannot_be_sent(void **state)
{
    (void)state;
    struct pair pair;
    struct client_reply reply;
    start(&pair, echo_method, NULL);
    msgpack_object word = text("x");
    assert_int_equal(CLIENT_INVALID, client_call(pair.client, "m", &word, &reply));
    client_reply_free(&reply);

    /* A map, in it 30 arrays in each other: one level more than the server reads. */
    msgpack_object arrays[30];
    for (int i = 0; i < 30; i++)
        arrays[i] = (msgpack_object){.type = MSGPACK_OBJECT_ARRAY,
                                     .via = {.array = {i < 29 ? 1 : 0, arrays + i + 1}}};
    msgpack_object_kv pairs[] = {{text("deep"), arrays[0]}};
    msgpack_object params = {.type = MSGPACK_OBJECT_MAP, .via = {.map = {1, pairs}}};
    assert_int_equal(CLIENT_INVALID, client_call(pair.client, "m", &params, &reply));
    client_reply_free(&reply);
    pairs[0].val = arrays[1];
    assert_int_equal(CLIENT_OK, client_call(pair.client, "m", &params, &reply));
    client_reply_free(&reply);

    /* Nothing is waited for. */
    assert_int_equal(CLIENT_INVALID, client_receive(pair.client, 0, &reply));
    assert_int_equal(CLIENT_INVALID, client_receive(pair.client, 77, &reply));
    finish(&pair);
}

/* --- Many in flight --- */

static void answer_backwards(struct server *server)
{
    char methods[3][64];
    uint32_t ids[3];
    for (int i = 0; i < 3; i++) {
        hear(server);
        ids[i] = server->id;
        memcpy(methods[i], server->method, sizeof methods[i]);
    }
    for (int i = 2; i >= 0; i--)
        reply_word(server, ids[i], methods[i]);
    hear(server);
}

static void test_pipelining(void **state)
{
    (void)state;
    struct pair pair;
    struct client_reply reply;
    uint32_t ids[3];
    static const char *const methods[] = {"a", "b", "c"};
    start(&pair, answer_backwards, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(CLIENT_OK, client_send(pair.client, methods[i], NULL, &ids[i]));
    assert_int_equal(3, client_in_flight(pair.client));

    /* By name, though it comes last; then whatever is there. */
    assert_int_equal(CLIENT_OK, client_receive(pair.client, ids[0], &reply));
    assert_text("a", &reply.result);
    assert_int_equal(ids[0], reply.id);
    client_reply_free(&reply);
    assert_int_equal(CLIENT_OK, client_receive(pair.client, 0, &reply));
    assert_text("c", &reply.result);
    client_reply_free(&reply);
    assert_int_equal(CLIENT_INVALID, client_receive(pair.client, ids[0], &reply));
    assert_int_equal(CLIENT_OK, client_receive(pair.client, 0, &reply));
    assert_text("b", &reply.result);
    client_reply_free(&reply);
    assert_int_equal(0, client_in_flight(pair.client));
    finish(&pair);
}

/* One thread looks after a connection without ever being held up by it. */
static void test_polling(void **state)
{
    (void)state;
    struct pair pair;
    struct client_reply reply;
    static const char *const methods[] = {"a", "b", "c"};
    bool here;
    start(&pair, answer_backwards, NULL);
    assert_int_equal(CLIENT_OK, client_poll(pair.client, &reply, &here));
    assert_false(here);
    for (int i = 0; i < 3; i++) {
        uint32_t id;
        assert_int_equal(CLIENT_OK, client_send(pair.client, methods[i], NULL, &id));
    }
    for (int i = 2; i >= 0;) {
        struct pollfd wait = {.fd = client_fd(pair.client), .events = POLLIN};
        assert_int_equal(CLIENT_OK, client_poll(pair.client, &reply, &here));
        if (!here) {
            assert_int_equal(1, poll(&wait, 1, 10000));
            continue;
        }
        assert_text(methods[i--], &reply.result);
        client_reply_free(&reply);
    }
    assert_int_equal(0, client_in_flight(pair.client));
    finish(&pair);
}

#define CROWD 100

/* Reads nothing more until its large answer has been taken. */
static void answer_at_length(struct server *server)
{
    static char large[100000];
    memset(large, 'x', sizeof large);
    while (hear(server)) {
        begin_reply(server, server->id);
        msgpack_pack_str_with_body(&server->packer, large, sizeof large);
        say(server);
    }
}

static void test_full_pipes_do_not_block_each_other(void **state)
{
    (void)state;
    struct pair pair;
    struct client_reply reply;
    uint32_t ids[CROWD];
    char *large = calloc(1, 50000);
    assert_non_null(large);
    memset(large, 'y', 49999);
    msgpack_object_kv pairs[] = {{text("text"), text(large)}};
    msgpack_object params = {.type = MSGPACK_OBJECT_MAP, .via = {.map = {1, pairs}}};
    start(&pair, answer_at_length, NULL);
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(CLIENT_OK, client_send(pair.client, "m", &params, &ids[i]));
    for (int i = CROWD - 1; i >= 0; i--) {
        assert_int_equal(CLIENT_OK, client_receive(pair.client, ids[i], &reply));
        assert_int_equal(100000, reply.result.via.str.size);
        client_reply_free(&reply);
    }
    free(large);
    finish(&pair);
}

static void answer_byte_by_byte(struct server *server)
{
    hear(server);
    begin_reply(server, server->id);
    pack_word(server, "in small pieces");
    begin_reply(server, server->id + 1);
    msgpack_pack_map(&server->packer, 1);
    msgpack_pack_uint64(&server->packer, UINT64_MAX);
    msgpack_pack_double(&server->packer, 0.5);
    hear(server);
    msgpack_sbuffer all = server->output;
    for (size_t i = 0; i < all.size; i++)
        send(server->fd, all.data + i, 1, MSG_NOSIGNAL);
    hear(server);
}

static void test_reply_in_pieces(void **state)
{
    (void)state;
    struct pair pair;
    struct client_reply reply;
    uint32_t ids[2];
    start(&pair, answer_byte_by_byte, NULL);
    for (int i = 0; i < 2; i++)
        assert_int_equal(CLIENT_OK, client_send(pair.client, "m", NULL, &ids[i]));
    assert_int_equal(CLIENT_OK, client_receive(pair.client, ids[0], &reply));
    assert_text("in small pieces", &reply.result);
    client_reply_free(&reply);
    assert_int_equal(CLIENT_OK, client_receive(pair.client, ids[1], &reply));
    assert_true(reply.result.via.map.ptr[0].key.via.u64 == UINT64_MAX);
    client_reply_free(&reply);
    finish(&pair);
}

/* --- Events --- */

static void announce_twice(struct server *server)
{
    hear(server);
    for (int i = 1; i <= 2; i++) {
        msgpack_pack_array(&server->packer, 3);
        msgpack_pack_int(&server->packer, 2);
        pack_word(server, "event");
        msgpack_pack_array(&server->packer, 1);
        msgpack_pack_map(&server->packer, 1);
        pack_word(server, "number");
        msgpack_pack_int(&server->packer, i);
    }
    reply_word(server, server->id, "followed");
    hear(server);
}

static void test_events_wait_while_a_reply_is_awaited(void **state)
{
    (void)state;
    struct pair pair;
    struct client_reply reply;
    struct client_event event;
    start(&pair, announce_twice, NULL);
    assert_int_equal(CLIENT_TIMEOUT, client_next_event(pair.client, 0, &event));
    assert_int_equal(CLIENT_OK, client_call(pair.client, "event.follow", NULL, &reply));
    client_reply_free(&reply);
    for (uint64_t i = 1; i <= 2; i++) {
        assert_int_equal(CLIENT_OK, client_next_event(pair.client, 1000, &event));
        assert_string_equal("event", event.method);
        assert_true(event.params.via.map.ptr[0].val.via.u64 == i);
        client_event_free(&event);
    }
    assert_int_equal(CLIENT_TIMEOUT, client_next_event(pair.client, 0, &event));
    finish(&pair);
}

/* --- Servers that fail --- */

static void assert_lost(struct pair *pair, const char *part_of_message)
{
    struct client_reply reply;
    assert_int_equal(CLIENT_LOST, client_call(pair->client, "m", NULL, &reply));
    client_reply_free(&reply);
    assert_non_null(strstr(client_error(pair->client)->message, part_of_message));
    assert_true(strlen(client_error(pair->client)->message_zh) > 0);
    assert_int_equal(CLIENT_LOST, client_call(pair->client, "m", NULL, &reply));
    assert_string_equal("not connected", client_error(pair->client)->message);
}

static void hang_up(struct server *server)
{
    hear(server);
}

static void hang_up_inside_a_reply(struct server *server)
{
    hear(server);
    say_bytes(server, "\x94\x01\x01\xc0\xa9half", 9);
}

static void say_no_msgpack(struct server *server)
{
    hear(server);
    say_bytes(server, "HTTP/1.1 400 Bad Request\r\n", 26);
    hear(server);
}

static void promise_gigabytes(struct server *server)
{
    hear(server);
    say_bytes(server, "\x94\x01\x01\xc0\xdd\xff\xff\xff\xff", 9);
    hear(server);
}

static void nest_without_end(struct server *server)
{
    char deep[100];
    memset(deep, '\x91', sizeof deep);
    hear(server);
    say_bytes(server, "\x94\x01\x01\xc0", 4);
    say_bytes(server, deep, sizeof deep);
    hear(server);
}

static void answer_something_else(struct server *server)
{
    hear(server);
    reply_word(server, server->id + 5, "unasked");
    /* The client does not take it for its own: nothing else comes. */
    reply_word(server, server->id, "late");
    hear(server);
}

static void test_failing_servers(void **state)
{
    (void)state;
    static const struct {
        server_script *script;
        const char *message;
    } cases[] = {
        {hang_up, "closed the connection"},
        {hang_up_inside_a_reply, "closed the connection inside a reply"},
        {say_no_msgpack, "not msgpack-RPC"},
        {promise_gigabytes, "too large"},
        {nest_without_end, "not msgpack-RPC"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pair pair;
        start(&pair, cases[i].script, NULL);
        assert_lost(&pair, cases[i].message);
        finish(&pair);
    }
}

static void test_answer_to_nobody(void **state)
{
    (void)state;
    struct pair pair;
    struct client_reply reply;
    uint32_t id;
    start(&pair, answer_something_else, NULL);
    assert_int_equal(CLIENT_OK, client_send(pair.client, "m", NULL, &id));
    assert_int_equal(CLIENT_LOST, client_receive(pair.client, 0, &reply));
    assert_non_null(strstr(client_error(pair.client)->message, "not made"));
    finish(&pair);
}

static void test_reply_beyond_the_limit(void **state)
{
    (void)state;
    struct pair pair;
    start(&pair, answer_at_length, &(struct client_options){.reply_limit = 50000});
    assert_lost(&pair, "too large");
    finish(&pair);
}

static void say_why_and_close(struct server *server)
{
    static const char *const error[] = {"code",       "busy",    "message", "too many connections",
                                        "message_zh", "连接过多"};
    hear(server);
    reply_error(server, 0, error, 3);
}

static void test_farewell_is_heard(void **state)
{
    (void)state;
    struct pair pair;
    struct client_reply reply;
    start(&pair, say_why_and_close, NULL);
    assert_int_equal(CLIENT_LOST, client_call(pair.client, "m", NULL, &reply));
    assert_string_equal("busy", client_error(pair.client)->code);
    assert_string_equal("too many connections", client_error(pair.client)->message);
    assert_string_equal("连接过多", client_error(pair.client)->message_zh);
    finish(&pair);
}

/* Waits until the client has given up. */
static void stay_silent(struct server *server)
{
    while (hear(server))
        ;
}

static void test_timeout_closes(void **state)
{
    (void)state;
    struct pair pair;
    struct client_reply reply;
    start(&pair, stay_silent, &(struct client_options){.timeout_ms = 50});
    assert_int_equal(CLIENT_TIMEOUT, client_call(pair.client, "m", NULL, &reply));
    assert_string_equal("timeout", client_error(pair.client)->code);
    assert_int_equal(CLIENT_LOST, client_call(pair.client, "m", NULL, &reply));
    finish(&pair);
}

/* --- Connecting --- */

static void answer_first_and_close(struct server *server)
{
    hear(server);
    reply_word(server, server->id, server->method);
}

static void assert_connects(const struct client_options *options, int listener)
{
    struct client_reply reply;
    struct pair pair = {.script = answer_first_and_close, .client = client_new(options)};
    assert_int_equal(CLIENT_OK, client_connect(pair.client));
    pair.fd = accept(listener, NULL, NULL);
    assert_true(pair.fd >= 0);
    assert_int_equal(0, pthread_create(&pair.thread, NULL, serve, &pair));
    assert_int_equal(CLIENT_OK, client_call(pair.client, "system.ping", NULL, &reply));
    assert_text("system.ping", &reply.result);
    client_reply_free(&reply);
    finish(&pair);
}

/* A path longer than a Unix socket's name may be. */
static void test_unix_socket_in_a_long_folder(void **state)
{
    (void)state;
    char folder[64] = "/tmp/kontor-client-XXXXXX";
    char deep[256];
    char path[300];
    assert_non_null(mkdtemp(folder));
    snprintf(deep, sizeof deep, "%s/%0150d", folder, 7);
    snprintf(path, sizeof path, "%s/s", deep);
    assert_int_equal(0, mkdir(deep, 0700));
    char *before = getcwd(NULL, 0);
    assert_int_equal(0, chdir(deep));
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "s"};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(0, bind(listener, (struct sockaddr *)&name, sizeof name));
    assert_int_equal(0, listen(listener, 5));
    assert_int_equal(0, chdir(before));
    assert_connects(&(struct client_options){.socket_path = path}, listener);
    close(listener);
    unlink(path);
    rmdir(deep);
    rmdir(folder);
    free(before);
}

static void test_tcp(void **state)
{
    (void)state;
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof name;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(0, bind(listener, (struct sockaddr *)&name, size));
    assert_int_equal(0, listen(listener, 5));
    assert_int_equal(0, getsockname(listener, (struct sockaddr *)&name, &size));
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)ntohs(name.sin_port));
    assert_connects(&(struct client_options){.address = address}, listener);
    close(listener);

    /* Nobody listens there any more. */
    struct client *client = client_new(&(struct client_options){.address = address});
    assert_int_equal(CLIENT_LOST, client_connect(client));
    assert_non_null(strstr(client_error(client)->message, address));
    client_free(client);
}

static void test_nowhere_to_connect(void **state)
{
    (void)state;
    static const struct client_options wrong[] = {
        {.socket_path = "/nowhere/kontor.sock"},
        {.address = ":7450"},
        {.address = "[::1"},
        {.address = "127.0.0.1:"},
        {.address = "[::1]x"},
        {.address = ""},
        {.address = NULL},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct client *client = client_new(&wrong[i]);
        assert_int_equal(CLIENT_LOST, client_connect(client));
        assert_string_equal("lost", client_error(client)->code);
        assert_non_null(strstr(client_error(client)->message, "cannot connect to"));
        client_free(client);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call),
        cmocka_unit_test(test_reply_outlives_the_client),
        cmocka_unit_test(test_login),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_params_that_cannot_be_sent),
        cmocka_unit_test(test_pipelining),
        cmocka_unit_test(test_polling),
        cmocka_unit_test(test_full_pipes_do_not_block_each_other),
        cmocka_unit_test(test_reply_in_pieces),
        cmocka_unit_test(test_events_wait_while_a_reply_is_awaited),
        cmocka_unit_test(test_failing_servers),
        cmocka_unit_test(test_answer_to_nobody),
        cmocka_unit_test(test_reply_beyond_the_limit),
        cmocka_unit_test(test_farewell_is_heard),
        cmocka_unit_test(test_timeout_closes),
        cmocka_unit_test(test_unix_socket_in_a_long_folder),
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_nowhere_to_connect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
