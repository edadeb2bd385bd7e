/* Goal: connections are counted by the address that they come from.
 * Method: socket addresses of every kind; what counts as one is one peer. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#include "rpc/peers.h"

static struct peer *enter_four(struct peers *peers, const char *text)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(4711)};
    assert_int_equal(inet_pton(AF_INET, text, &from.sin_addr), 1);
    return peers_enter(peers, (const struct sockaddr *)(const void *)&from);
}

static struct peer *enter_six(struct peers *peers, const char *text)
{
    struct sockaddr_in6 from = {.sin6_family = AF_INET6};
    assert_int_equal(inet_pton(AF_INET6, text, &from.sin6_addr), 1);
    return peers_enter(peers, (const struct sockaddr *)(const void *)&from);
}

static struct peer *enter_unix(struct peers *peers)
{
    struct sockaddr_un from = {.sun_family = AF_UNIX};
    return peers_enter(peers, (const struct sockaddr *)(const void *)&from);
}

/* All enter; `pairs` are then two names of one peer, and nobody else is. */
static void one_address_is_one_peer(void **state)
{
    struct peers peers;
    (void)state;
    assert_true(peers_init(&peers));
    struct peer *all[] = {
        enter_four(&peers, "192.0.2.1"),
        enter_six(&peers, "::ffff:192.0.2.1"),
        enter_four(&peers, "127.0.0.1"),
        enter_six(&peers, "::ffff:127.0.0.1"),
        enter_six(&peers, "2001:db8:0:1::1"),
        enter_six(&peers, "2001:db8:0:1:ffff::9"),
        enter_unix(&peers),
        enter_unix(&peers),
        enter_four(&peers, "192.0.2.2"),
        enter_four(&peers, "127.0.0.2"),
        enter_six(&peers, "2001:db8:0:2::1"),
        enter_six(&peers, "::1"),
    };
    enum { COUNT = sizeof all / sizeof all[0], PAIRS = 8 };
    for (size_t i = 0; i < COUNT; i++) {
        assert_non_null(all[i]);
        assert_int_equal(all[i]->connections, i < PAIRS ? 2 : 1);
        for (size_t other = 0; other < i; other++)
            assert_int_equal(all[i] == all[other], i < PAIRS && (i ^ 1) == other);
    }
    for (size_t i = 0; i < COUNT; i++)
        peers_leave(&peers, all[i]);
    peers_deinit(&peers);
}

static void this_machine_is_known(void **state)
{
    struct peers peers;
    (void)state;
    assert_true(peers_init(&peers));
    struct peer *here[] = {enter_four(&peers, "127.3.2.1"), enter_six(&peers, "::1"),
                           enter_six(&peers, "::ffff:127.0.0.1"), enter_unix(&peers)};
    struct peer *elsewhere[] = {enter_four(&peers, "10.127.0.1"), enter_six(&peers, "fe80::1"),
                                enter_six(&peers, "::"), enter_six(&peers, "::2"),
                                enter_six(&peers, "2001:db8::7f00:1")};
    for (size_t i = 0; i < sizeof here / sizeof here[0]; i++) {
        assert_true(here[i]->is_local);
        peers_leave(&peers, here[i]);
    }
    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++)
        assert_false(elsewhere[i]->is_local);
    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++)
        peers_leave(&peers, elsewhere[i]);
    peers_deinit(&peers);
}

/* More than there are buckets, so that some share one. */
static void many_come_and_go(void **state)
{
    enum { COUNT = 20000 };
    struct peers peers;
    struct peer **all = calloc(COUNT, sizeof(struct peer *));
    (void)state;
    assert_true(peers_init(&peers));
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < COUNT; i++) {
            struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {htonl(i * 3)}};
            all[i] = peers_enter(&peers, (const struct sockaddr *)(const void *)&from);
            assert_int_equal(all[i]->connections, 1);
        }
        for (uint32_t i = 0; i < COUNT; i++)
            peers_leave(&peers, all[i]);
    }
    peers_deinit(&peers);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_address_is_one_peer),
        cmocka_unit_test(this_machine_is_known),
        cmocka_unit_test(many_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
