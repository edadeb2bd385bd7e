/* Goal: clients of every temper are served, held back or cut off as core/rpc/README.md says.
 * Method: real sockets, a server on a loop in its own thread, an engine that can be held. */
#include "rpc_fixture.h"

/* --- Requests and replies --- */

static void requests_are_answered_on_both_kinds_of_socket(void **state)
{
    struct fixture *f = *state;
    struct client clients[] = {open_client(f), open_tcp_client(f)};
    for (size_t i = 0; i < 2; i++) {
        request(&clients[i], 42, "echo");
        struct reply reply = receive(&clients[i]);
        assert_int_equal(reply.msgid, 42);
        assert_int_equal(reply.result.via.array.size, 1);
        assert_memory_equal(reply.result.via.array.ptr[0].via.str.ptr, "hello", 5);
        close_client(&clients[i]);
    }
}

static void a_thousand_requests_in_one_breath_are_all_answered(void **state)
{
    enum { COUNT = 1000 };
    struct fixture *f = *state;
    struct client client = open_client(f);
    msgpack_sbuffer bytes;
    msgpack_sbuffer_init(&bytes);
    for (uint32_t i = 0; i < COUNT; i++)
        pack_request(&bytes, i, i % 3 ? "echo" : "now", "hello", 5);
    assert_true(send_bytes(&client, bytes.data, bytes.size));
    msgpack_sbuffer_destroy(&bytes);
    bool seen[COUNT] = {false};
    for (uint32_t i = 0; i < COUNT; i++) {
        struct reply reply = receive(&client);
        assert_false(reply.is_end);
        assert_in_range(reply.msgid, 0, COUNT - 1);
        assert_false(seen[reply.msgid]);
        seen[reply.msgid] = true;
    }
    assert_in_range(f->engine.most_waiting, 1, IN_FLIGHT);
    close_client(&client);
}

static void more_than_the_limit_in_flight_wait_without_being_refused(void **state)
{
    struct fixture *f = *state;
    struct client client = open_client(f);
    struct client other = open_client(f);
    hold(&f->engine, true);
    for (uint32_t i = 0; i < IN_FLIGHT + 10; i++)
        request(&client, i, "echo");
    wait_submitted(&f->engine, IN_FLIGHT);
    wait_turn(&other);
    assert_int_equal(f->engine.most_waiting, IN_FLIGHT);
    hold(&f->engine, false);
    for (uint32_t i = 0; i < IN_FLIGHT + 10; i++)
        assert_reply(&client, i, KT_OK);
    close_client(&other);
    close_client(&client);
}

static void a_request_may_come_byte_by_byte(void **state)
{
    static const char bytes[] = "\x94\x00\x05\xa4"
                                "echo\x91\xa5hello";
    struct fixture *f = *state;
    struct client client = open_tcp_client(f);
    struct client other = open_client(f);
    for (size_t i = 0; i < sizeof bytes - 1; i++) {
        assert_true(send_bytes(&client, bytes + i, 1));
        wait_turn(&other);
    }
    assert_reply(&client, 5, KT_OK);
    close_client(&other);
    close_client(&client);
}

static void large_messages_go_through_whole(void **state)
{
    enum { SIZE = 4000000 };
    struct fixture *f = *state;
    struct client client = open_client(f);
    char *text = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        text[i] = (char)('a' + i * 7 % 26);
    for (uint32_t turn = 0; turn < 3; turn++) {
        msgpack_sbuffer bytes;
        msgpack_sbuffer_init(&bytes);
        pack_request(&bytes, turn, "echo", "hello", 5);
        pack_request(&bytes, 10 + turn, "echo", text, SIZE);
        assert_true(send_bytes(&client, bytes.data, bytes.size));
        msgpack_sbuffer_destroy(&bytes);
        assert_reply(&client, turn, KT_OK);
        struct reply reply = receive(&client);
        assert_int_equal(reply.msgid, 10 + turn);
        assert_int_equal(reply.result.via.array.ptr[0].via.str.size, SIZE);
        assert_memory_equal(reply.result.via.array.ptr[0].via.str.ptr, text, SIZE);
    }
    free(text);
    close_client(&client);
}

static void an_exclusive_method_runs_alone_on_its_connection(void **state)
{
    struct fixture *f = *state;
    struct client client = open_client(f);
    struct client other = open_client(f);
    hold(&f->engine, true);
    /* Two before and two behind a login, sent at once. */
    SEND(&client, "\x94\x00\x01\xa4"
                  "echo\x90\x94\x00\x02\xa4"
                  "echo\x90\x94\x00\x03\xaa"
                  "auth.login\x90\x94\x00\x04\xa4"
                  "echo\x90\x94\x00\x05\xa4"
                  "echo\x90");
    wait_submitted(&f->engine, 2);
    wait_turn(&other); /* Two requests of its own. */
    assert_int_equal(submitted(&f->engine), 4);
    hold(&f->engine, false);
    for (uint32_t i = 1; i <= 5; i++)
        assert_reply(&client, i, KT_OK);
    assert_int_equal(f->engine.crowded, 0);

    hold(&f->engine, true);
    request(&client, 6, "auth.token");
    request(&client, 7, "echo");
    wait_submitted(&f->engine, 8);
    wait_turn(&other);
    assert_int_equal(submitted(&f->engine), 10);
    hold(&f->engine, false);
    assert_reply(&client, 6, KT_OK);
    assert_reply(&client, 7, KT_OK);
    assert_int_equal(f->engine.crowded, 0);
    close_client(&other);
    close_client(&client);
}

static void notifications_are_not_answered(void **state)
{
    struct fixture *f = *state;
    struct client client = open_client(f);
    SEND(&client, "\x93\x02\xa4"
                  "echo\x90"
                  "\x93\x02\xc4\x04"
                  "echo\x90");
    request(&client, 9, "echo");
    assert_reply(&client, 9, KT_OK);
    assert_int_equal(submitted(&f->engine), 1);
    close_client(&client);
}

static void a_malformed_request_is_answered_and_the_next_one_served(void **state)
{
    struct fixture *f = *state;
    struct client client = open_client(f);
    SEND(&client, "\x94\x00\x07\x02\x90"); /* A number for a method. */
    SEND(&client, "\x94\x00\x08\xa4"
                  "echo\x80"); /* A map for params. */
    request(&client, 9, "echo");
    assert_reply(&client, 7, KT_INVALID);
    assert_reply(&client, 8, KT_INVALID);
    assert_reply(&client, 9, KT_OK);
    close_client(&client);
}

/* --- Cut off --- */

static void garbage_is_told_so_and_cut_off(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {"\xc1", 1},         {"GET / HTTP/1.1\r\n\r\n", 18},
        {"\x90", 1},         {"\x94\x01\x01\xc0\xc0", 5},
        {"\xff\xfe\xfd", 3},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct client client = i % 2 ? open_tcp_client(f) : open_client(f);
        assert_true(send_bytes(&client, cases[i].bytes, cases[i].size));
        assert_reply(&client, 0, KT_INVALID);
        assert_end(&client);
        close_client(&client);
    }
}

static void what_was_asked_before_the_garbage_is_answered(void **state)
{
    struct fixture *f = *state;
    struct client client = open_client(f);
    hold(&f->engine, true);
    request(&client, 1, "echo");
    request(&client, 2, "echo");
    SEND(&client, "\x94\x00\x05\xc1");
    request(&client, 3, "echo");
    assert_reply(&client, 5, KT_INVALID);
    hold(&f->engine, false);
    assert_reply(&client, 1, KT_OK);
    assert_reply(&client, 2, KT_OK);
    assert_end(&client);
    assert_int_equal(submitted(&f->engine), 2);
    close_client(&client);
}

static void messages_past_a_limit_are_refused_while_they_come(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } openings[] = {
        {"\x94\x00\x05\xa4"
         "echo\x91\xdb\x00\x50\x00\x00",
         14}, /* 5 MiB of text */
        {"\x94\x00\x05\xa4"
         "echo\xdd\xff\xff\xff\xff",
         13}, /* four billion values */
        {"\x94\x00\x05\xa4"
         "echo\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"
         "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91",
         40}, /* 33 levels */
    };
    enum { MORE = 5 << 20 };
    struct fixture *f = *state;
    char *more = calloc(1, MORE);
    for (size_t i = 0; i < sizeof openings / sizeof openings[0]; i++) {
        for (int tcp = 0; tcp < 2; tcp++) {
            struct client client = tcp ? open_tcp_client(f) : open_client(f);
            assert_true(send_bytes(&client, openings[i].bytes, openings[i].size));
            /* It goes on sending and reads nothing meanwhile: the answer must survive that. */
            assert_true(send_bytes(&client, more, MORE));
            assert_reply(&client, 5, KT_TOO_LARGE);
            assert_end(&client);
            close_client(&client);
        }
    }
    free(more);
}

static void one_who_sends_for_ever_is_not_listened_to_for_ever(void **state)
{
    enum { PART = 1 << 20 };
    struct fixture *f = *state;
    struct client client = open_client(f);
    char *part = calloc(1, PART);
    SEND(&client, "\xc1");
    int parts = 0;
    while (parts < 100 && send_bytes(&client, part, PART))
        parts++;
    assert_in_range(parts, 0, 20);
    free(part);
    close_client(&client);
}

static void a_message_begun_must_be_ended_in_time(void **state)
{
    struct fixture *f = *state;
    f->limits.message_seconds = 1;
    start(f);
    struct client idle = open_client(f);
    struct client slow = open_client(f);
    SEND(&slow, "\x94\x00\x05\xa4"
                "ec");
    assert_reply(&slow, 5, KT_INVALID);
    assert_end(&slow);
    /* Time alone ends no connection on which nothing was begun. */
    request(&idle, 1, "echo");
    assert_reply(&idle, 1, KT_OK);
    close_client(&slow);
    close_client(&idle);
}

/* --- Clients that do not read --- */

/* Each reply is BIG_BYTES: no kernel buffer holds them all. */
static void replies_that_nobody_reads_hold_back_requests(void **state)
{
    struct fixture *f = *state;
    struct client client = open_client(f);
    struct client other = open_client(f);
    for (uint32_t i = 0; i < 4; i++)
        request(&client, i, "big");
    wait_submitted(&f->engine, 4);
    /* Until its output has come back, which `echo` behind it on the same queue tells. */
    request(&other, 1, "echo");
    assert_reply(&other, 1, KT_OK);
    request(&client, 4, "echo");
    wait_turn(&other);
    assert_int_equal(submitted(&f->engine), 4 + 1 + 2);
    for (uint32_t i = 0; i < 4; i++)
        assert_reply(&client, i, KT_OK);
    assert_reply(&client, 4, KT_OK);
    close_client(&other);
    close_client(&client);
}

/* 64 replies of 3 MiB are 192 MiB, three times what a connection may owe. */
static void ask_for_too_much_at_once(struct fixture *f, struct client *client)
{
    hold(&f->engine, true);
    for (uint32_t i = 0; i < IN_FLIGHT; i++)
        request(client, i, "big");
    wait_submitted(&f->engine, IN_FLIGHT);
    hold(&f->engine, false);
}

/* The replies are all there before the client can read the first. */
static void one_who_reads_what_she_asked_gets_it_however_much(void **state)
{
    struct fixture *f = *state;
    struct client client = open_client(f);
    struct client other = open_client(f);
    ask_for_too_much_at_once(f, &client);
    request(&other, 1, "echo");
    assert_reply(&other, 1, KT_OK);
    close_client(&other);
    for (uint32_t i = 0; i < IN_FLIGHT; i++)
        assert_reply(&client, i, KT_OK);
    request(&client, IN_FLIGHT, "echo");
    assert_reply(&client, IN_FLIGHT, KT_OK);
    close_client(&client);
}

/* One who takes 64 KiB in 10 ms never stops reading, but has too much for 20 s: 2 are allowed. */
static void one_who_reads_too_slowly_is_dropped(void **state)
{
    struct fixture *f = *state;
    f->limits.unread_seconds = 2;
    start(f);
    struct client client = open_client(f);
    ask_for_too_much_at_once(f, &client);
    char *part = malloc(64u << 10);
    size_t bytes = 0;
    ssize_t got = 1;
    for (int i = 0; got > 0 && i < PATIENCE_S * 100; i++) {
        struct pollfd line = {.fd = client.fd, .events = POLLRDHUP};
        poll(&line, 1, 10);
        got = recv(client.fd, part, 64u << 10, 0);
        bytes += got > 0 ? (size_t)got : 0;
    }
    assert_true(got <= 0);
    assert_in_range(bytes, 1u << 20, 128u << 20);
    free(part);
    close_client(&client);
}

static void one_who_never_reads_is_dropped_in_time(void **state)
{
    struct fixture *f = *state;
    f->limits.unread_seconds = 1;
    start(f);
    struct client client = open_client(f);
    request(&client, 1, "big");
    /* Poll, without reading: the server hangs up by itself. */
    struct pollfd line = {.fd = client.fd, .events = POLLRDHUP};
    assert_int_equal(poll(&line, 1, PATIENCE_S * 1000), 1);
    assert_true(receive(&client).is_end);
    close_client(&client);
}

/* --- Coming and going --- */

static void a_client_that_sends_no_more_still_gets_its_replies(void **state)
{
    struct fixture *f = *state;
    struct client client = open_tcp_client(f);
    for (uint32_t i = 0; i < 200; i++)
        request(&client, i, "echo");
    SEND(&client, "\x94\x00"); /* And a part of a message, which is dropped. */
    shutdown(client.fd, SHUT_WR);
    for (uint32_t i = 0; i < 200; i++)
        assert_reply(&client, i, KT_OK);
    assert_end(&client);
    close_client(&client);
}

static void a_client_may_leave_with_requests_in_flight(void **state)
{
    struct fixture *f = *state;
    struct client other = open_client(f);
    for (int tcp = 0; tcp < 2; tcp++) {
        struct client client = tcp ? open_tcp_client(f) : open_client(f);
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        hold(&f->engine, true);
        unsigned before = submitted(&f->engine);
        for (uint32_t i = 0; i < 20; i++)
            request(&client, i, "big");
        wait_submitted(&f->engine, before + 20);
        setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close_client(&client);
        wait_turn(&other);
        hold(&f->engine, false);
        request(&other, 1, "echo");
        assert_reply(&other, 1, KT_OK);
    }
    close_client(&other);
}

/* --- Going down --- */

static void draining_answers_what_was_read_and_ends(void **state)
{
    struct fixture *f = *state;
    struct client idle = open_client(f);
    struct client client = open_tcp_client(f);
    struct client half = open_client(f);
    enum { COUNT = IN_FLIGHT + 20 }; /* So that some wait in the buffer. */
    msgpack_sbuffer bytes;
    msgpack_sbuffer_init(&bytes);
    for (uint32_t i = 0; i < COUNT; i++)
        pack_request(&bytes, i, "echo", "hello", 5);
    wait_turn(&idle); /* 2 requests. */
    hold(&f->engine, true);
    request(&half, 1, "echo");
    SEND(&half, "\x94\x00\x02");
    assert_true(send_bytes(&client, bytes.data, bytes.size));
    msgpack_sbuffer_destroy(&bytes);
    wait_submitted(&f->engine, 2 + 1 + IN_FLIGHT);
    f->drain_timeout_s = PATIENCE_S;
    order(f, 'd');
    assert_end(&idle); /* At once: nothing is owed to it. */
    assert_int_equal(connect_unix(f->path), -1);
    assert_int_not_equal(access(f->path, F_OK), 0);

    hold(&f->engine, false);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_reply(&client, i, KT_OK);
    assert_end(&client);
    assert_reply(&half, 1, KT_OK);
    assert_end(&half);
    close_client(&half);
    close_client(&client);
    close_client(&idle);
    stop(f, 0);
    assert_true(f->is_drained);
}

static void draining_an_empty_server_ends_at_once(void **state)
{
    struct fixture *f = *state;
    f->drain_timeout_s = 10 * PATIENCE_S;
    stop(f, 'd');
    assert_true(f->is_drained);
}

static void draining_gives_up_in_time(void **state)
{
    struct fixture *f = *state;
    struct client client = open_client(f);
    hold(&f->engine, true);
    request(&client, 1, "echo");
    wait_submitted(&f->engine, 1);
    f->drain_timeout_s = 1;
    order(f, 'd');
    assert_end(&client);
    stop(f, 0);
    assert_true(f->is_drained);
    close_client(&client);
}

static void stopping_without_draining_leaks_nothing(void **state)
{
    struct fixture *f = *state;
    struct client client = open_client(f);
    hold(&f->engine, true);
    for (uint32_t i = 0; i < 100; i++)
        request(&client, i, "big");
    wait_submitted(&f->engine, IN_FLIGHT);
    stop(f, 's');
    assert_end(&client);
    close_client(&client);
}

/* --- Where it listens --- */

static enum kt_status try_server(struct fixture *f, const struct rpc_options *options)
{
    struct rpc_server *server = NULL;
    struct event_base *base = event_base_new();
    f->why[0] = '\0';
    enum kt_status status =
        rpc_server_new(base, &f->engine, options, &server, f->why, sizeof f->why);
    if (status == KT_OK)
        rpc_server_free(server);
    event_base_free(base);
    return status;
}

static void the_socket_file_is_private_and_goes_with_its_server(void **state)
{
    struct fixture *f = *state;
    struct stat found;
    assert_int_equal(lstat(f->path, &found), 0);
    assert_true(S_ISSOCK(found.st_mode));
    assert_int_equal(found.st_mode & 0777, 0600);
    stop(f, 's');
    assert_int_not_equal(lstat(f->path, &found), 0);
}

static void a_strangers_file_in_its_place_is_left(void **state)
{
    struct fixture *f = *state;
    unlink(f->path);
    int file = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(file);
    stop(f, 's');
    assert_int_equal(access(f->path, F_OK), 0);
}

static void a_live_socket_is_refused_and_lives_on(void **state)
{
    struct fixture *f = *state;
    struct rpc_options options = {.socket = f->path, .limits = &f->limits};
    assert_int_equal(try_server(f, &options), KT_BUSY);
    assert_non_null(strstr(f->why, f->path));
    struct client client = open_client(f);
    request(&client, 1, "echo");
    assert_reply(&client, 1, KT_OK);
    close_client(&client);
}

static void a_stale_socket_is_replaced_and_another_file_is_not(void **state)
{
    struct fixture *f = *state;
    struct rpc_options options = {.socket = f->path, .limits = &f->limits};
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, f->path, strlen(f->path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    close(fd); /* As a killed server leaves it. */
    assert_int_equal(access(f->path, F_OK), 0);
    assert_int_equal(try_server(f, &options), KT_OK);

    close(open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(try_server(f, &options), KT_INVALID);
    assert_int_equal(access(f->path, F_OK), 0);
}

static void impossible_places_are_refused_with_their_name(void **state)
{
    struct fixture *f = *state;
    char longest[200];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    longest[0] = '/';
    struct rpc_options too_long = {.socket = longest, .limits = &f->limits};
    assert_int_equal(try_server(f, &too_long), KT_INVALID);
    assert_non_null(strstr(f->why, "107"));
    struct rpc_options nowhere = {.socket = "/nonexistent/kontor.sock", .limits = &f->limits};
    assert_int_equal(try_server(f, &nowhere), KT_INVALID);
    assert_non_null(strstr(f->why, "/nonexistent/kontor.sock"));

    /* A port that another has; and then the Unix socket, bound after it, is not left behind. */
    struct rpc_options taken = {
        .listen = rpc_server_address(f->server), .socket = longest, .limits = &f->limits};
    assert_int_equal(try_server(f, &taken), KT_BUSY);
    assert_non_null(strstr(f->why, taken.listen));
}

static void only_addresses_are_addresses(void **state)
{
    static const struct {
        const char *address;
        enum kt_status here;
        enum kt_status anywhere;
    } cases[] = {
        {"127.0.0.1:7450", KT_OK, KT_OK},
        {"127.1.2.3:0", KT_OK, KT_OK},
        {"localhost:65535", KT_OK, KT_OK},
        {"[::1]:7450", KT_OK, KT_OK},
        {"0.0.0.0:7450", KT_DENIED, KT_OK},
        {"192.168.1.5:7450", KT_DENIED, KT_OK},
        {"[::]:7450", KT_DENIED, KT_OK},
        {"[::ffff:127.0.0.1]:7450", KT_DENIED, KT_OK},
        {"127.0.0.1", KT_INVALID, KT_INVALID},
        {"127.0.0.1:", KT_INVALID, KT_INVALID},
        {"127.0.0.1:65536", KT_INVALID, KT_INVALID},
        {"127.0.0.1:-1", KT_INVALID, KT_INVALID},
        {"127.0.0.1: 1", KT_INVALID, KT_INVALID},
        {"127.0.0.1:http", KT_INVALID, KT_INVALID},
        {":7450", KT_INVALID, KT_INVALID},
        {"::1:7450", KT_INVALID, KT_INVALID},
        {"[::1]", KT_INVALID, KT_INVALID},
        {"[::1]7450", KT_INVALID, KT_INVALID},
        {"[localhost]:7450", KT_INVALID, KT_INVALID},
        {"example.com:7450", KT_INVALID, KT_INVALID},
        {"", KT_INVALID, KT_INVALID},
    };
    char why[512];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        why[0] = '\0';
        assert_int_equal(rpc_address_check(cases[i].address, false, why, sizeof why),
                         cases[i].here);
        assert_int_equal(why[0] != '\0', cases[i].here != KT_OK);
        assert_int_equal(rpc_address_check(cases[i].address, true, why, sizeof why),
                         cases[i].anywhere);
    }
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
/* It starts its server itself, if it needs one. */
#define OWN_STORY(name) cmocka_unit_test_setup_teardown(name, make_folder, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(requests_are_answered_on_both_kinds_of_socket),
        STORY(a_thousand_requests_in_one_breath_are_all_answered),
        STORY(more_than_the_limit_in_flight_wait_without_being_refused),
        STORY(a_request_may_come_byte_by_byte),
        STORY(large_messages_go_through_whole),
        STORY(an_exclusive_method_runs_alone_on_its_connection),
        STORY(notifications_are_not_answered),
        STORY(a_malformed_request_is_answered_and_the_next_one_served),
        STORY(garbage_is_told_so_and_cut_off),
        STORY(what_was_asked_before_the_garbage_is_answered),
        STORY(messages_past_a_limit_are_refused_while_they_come),
        STORY(one_who_sends_for_ever_is_not_listened_to_for_ever),
        OWN_STORY(a_message_begun_must_be_ended_in_time),
        STORY(replies_that_nobody_reads_hold_back_requests),
        STORY(one_who_reads_what_she_asked_gets_it_however_much),
        cmocka_unit_test_setup_teardown(one_who_reads_too_slowly_is_dropped, make_folder,
                                        tear_down),
        OWN_STORY(one_who_never_reads_is_dropped_in_time),
        STORY(a_client_that_sends_no_more_still_gets_its_replies),
        STORY(a_client_may_leave_with_requests_in_flight),
        STORY(draining_answers_what_was_read_and_ends),
        STORY(draining_an_empty_server_ends_at_once),
        STORY(draining_gives_up_in_time),
        STORY(stopping_without_draining_leaks_nothing),
        STORY(the_socket_file_is_private_and_goes_with_its_server),
        STORY(a_strangers_file_in_its_place_is_left),
        STORY(a_live_socket_is_refused_and_lives_on),
        OWN_STORY(a_stale_socket_is_replaced_and_another_file_is_not),
        STORY(impossible_places_are_refused_with_their_name),
        OWN_STORY(only_addresses_are_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
