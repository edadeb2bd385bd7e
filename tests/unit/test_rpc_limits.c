/* Goal: whoever meets a limit that the server's operator set is told so, or held up, or cut off,
 * and the others are served meanwhile.
 * Method: as in test_rpc.c; each story starts a server with its own limits. */
#include "rpc_fixture.h"

static void send_request_of(struct client *client, uint32_t msgid, size_t size)
{
    msgpack_sbuffer bytes;
    char *text = calloc(1, size);
    msgpack_sbuffer_init(&bytes);
    pack_request(&bytes, msgid, "echo", text, size);
    assert_true(send_bytes(client, bytes.data, bytes.size));
    msgpack_sbuffer_destroy(&bytes);
    free(text);
}

static void assert_served(struct fixture *f)
{
    struct client client = open_client(f);
    request(&client, 1, "echo");
    assert_reply(&client, 1, KT_OK);
    close_client(&client);
}

static void assert_turned_away(struct client client)
{
    assert_reply(&client, 0, KT_BUSY);
    assert_end(&client);
    close_client(&client);
}

/* --- Connections --- */

static void connections_have_a_limit_and_a_place_is_free_again(void **state)
{
    enum { CONNECTIONS = 50 };
    struct fixture *f = *state;
    struct client clients[CONNECTIONS];
    f->limits.connections = CONNECTIONS;
    start(f);
    for (size_t i = 0; i < CONNECTIONS; i++)
        clients[i] = open_client(f);
    assert_turned_away(open_client(f));

    struct client *last = &clients[CONNECTIONS - 1];
    close_client(&clients[0]);
    wait_turn(last);
    clients[0] = open_client(f);
    request(&clients[0], 3, "echo");
    assert_reply(&clients[0], 3, KT_OK);
    for (size_t i = 0; i < CONNECTIONS; i++)
        close_client(&clients[i]);
}

static void one_address_has_a_limit_of_its_own(void **state)
{
    struct fixture *f = *state;
    struct client clients[3];
    f->limits.connections_local = 3;
    start(f);
    for (size_t i = 0; i < 3; i++)
        clients[i] = open_client_from(f, "127.0.0.5");
    assert_turned_away(open_client_from(f, "127.0.0.5"));
    /* Others are let in: another address, and the Unix socket. */
    struct client other = open_client_from(f, "127.0.0.6");
    request(&other, 1, "echo");
    assert_reply(&other, 1, KT_OK);
    assert_served(f);

    close_client(&clients[0]);
    wait_turn(&other);
    clients[0] = open_client_from(f, "127.0.0.5");
    request(&clients[0], 2, "echo");
    assert_reply(&clients[0], 2, KT_OK);
    close_client(&other);
    for (size_t i = 0; i < 3; i++)
        close_client(&clients[i]);
}

/* --- Memory --- */

/* 3 replies of 3 MiB of one, 1 of the other: 12 MiB, less what the kernel takes, where 8 are
 * allowed. */
static void slow_readers_together_have_a_limit_and_the_slowest_goes(void **state)
{
    struct fixture *f = *state;
    f->limits.buffer_bytes = 8u << 20;
    start(f);
    struct client slower = open_client(f);
    struct client slow = open_client(f);
    request(&slow, 1, "big");
    wait_submitted(&f->engine, 1);
    for (uint32_t i = 0; i < 3; i++)
        request(&slower, i, "big");
    wait_submitted(&f->engine, 4);
    struct pollfd line = {.fd = slower.fd, .events = POLLRDHUP};
    assert_int_equal(poll(&line, 1, PATIENCE_S * 1000), 1);
    assert_served(f);
    assert_reply(&slow, 1, KT_OK);
    close_client(&slow);
    close_client(&slower);
}

/* Of a message of 4 MiB that is not refused in itself. */
static void messages_begun_count_too(void **state)
{
    enum { PART = 64 << 10 };
    struct fixture *f = *state;
    f->limits.buffer_bytes = 1u << 20;
    start(f);
    struct client client = open_client(f);
    char *part = calloc(1, PART);
    SEND(&client, "\x94\x00\x01\xa4"
                  "echo\x91\xc6\x00\x3f\x00\x00");
    int parts = 0;
    while (parts < 60 && send_bytes(&client, part, PART))
        parts++;
    assert_in_range(parts, 8, 59);
    assert_served(f);
    free(part);
    close_client(&client);
}

/* Where 4 KiB unread hold a client up, it sends thousands of requests that are refused at once,
 * each with 9 bytes, and reads: it is held up again and again, and each time goes on. */
static void one_who_is_held_up_and_reads_goes_on(void **state)
{
    enum { COUNT = 5000 };
    struct fixture *f = *state;
    f->limits.unread_bytes = 64u << 10;
    start(f);
    struct client client = open_client(f);
    msgpack_sbuffer bytes;
    msgpack_sbuffer_init(&bytes);
    for (unsigned i = 0; i < COUNT; i++)
        msgpack_sbuffer_write(&bytes, "\x94\x00\xce\x7f\x00\x00\x00\xc0\xc0", 9);
    assert_true(send_bytes(&client, bytes.data, bytes.size));
    msgpack_sbuffer_destroy(&bytes);
    for (unsigned i = 0; i < COUNT; i++)
        assert_reply(&client, 0x7f000000, KT_INVALID);
    request(&client, 1, "echo");
    assert_reply(&client, 1, KT_OK);
    close_client(&client);
}

/* --- Requests in flight --- */

static void large_requests_of_one_connection_wait_in_its_socket(void **state)
{
    enum { COUNT = 6 };
    struct fixture *f = *state;
    f->limits.message_bytes = 64u << 10;
    start(f);
    struct client client = open_client(f);
    struct client other = open_client(f);
    hold(&f->engine, true);
    for (uint32_t i = 0; i < COUNT; i++)
        send_request_of(&client, i, 60u << 10);
    /* 5 are the first that have 4 times 64 KiB or more; one waits. */
    wait_submitted(&f->engine, 5);
    request(&other, 1, "now");
    assert_reply(&other, 1, KT_OK);
    assert_int_equal(submitted(&f->engine), 5 + 1);
    hold(&f->engine, false);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_reply(&client, i, KT_OK);
    close_client(&other);
    close_client(&client);
}

static void requests_of_all_together_have_a_limit_and_more_are_busy(void **state)
{
    struct fixture *f = *state;
    f->limits.queue_bytes = 1u << 20;
    start(f);
    struct client client = open_client(f);
    struct client other = open_client(f);
    hold(&f->engine, true);
    send_request_of(&client, 1, 600u << 10);
    wait_submitted(&f->engine, 1);
    send_request_of(&other, 2, 600u << 10);
    assert_reply(&other, 2, KT_BUSY);
    /* A small one still has its place. */
    request(&other, 3, "now");
    assert_reply(&other, 3, KT_OK);
    hold(&f->engine, false);
    assert_reply(&client, 1, KT_OK);
    send_request_of(&other, 4, 600u << 10);
    assert_reply(&other, 4, KT_OK);
    close_client(&other);
    close_client(&client);
}

static void a_smaller_message_limit_holds(void **state)
{
    struct fixture *f = *state;
    f->limits.message_bytes = 4096;
    start(f);
    struct client client = open_client(f);
    send_request_of(&client, 1, 3000);
    assert_reply(&client, 1, KT_OK);
    send_request_of(&client, 2, 4096);
    assert_reply(&client, 2, KT_TOO_LARGE);
    assert_end(&client);
    assert_served(f);
    close_client(&client);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, make_folder, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(connections_have_a_limit_and_a_place_is_free_again),
        STORY(one_address_has_a_limit_of_its_own),
        STORY(slow_readers_together_have_a_limit_and_the_slowest_goes),
        STORY(messages_begun_count_too),
        STORY(one_who_is_held_up_and_reads_goes_on),
        STORY(large_requests_of_one_connection_wait_in_its_socket),
        STORY(requests_of_all_together_have_a_limit_and_more_are_busy),
        STORY(a_smaller_message_limit_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
