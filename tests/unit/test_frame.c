/* Goal: a stream is cut into messages exactly where they end, and what passes a limit is known from
 * its first promise. Method: messages written by msgpack-c and by hand, whole and byte by byte. */
#include "rpc/frame.h"

#include <msgpack.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(text) (text), sizeof(text) - 1

/* Also in every possible two pieces, which must make no difference. */
static void assert_scan(const char *message, size_t size, enum frame_state state, size_t looked_at)
{
    struct frame_scan scan = {0};
    assert_int_equal(frame_scan(&scan, message, size), state);
    assert_int_equal(scan.size, looked_at);
    for (size_t cut = 0; cut <= size && size < 4096; cut++) {
        struct frame_scan again = {0};
        if (frame_scan(&again, message, cut) == FRAME_MORE)
            frame_scan(&again, message, size);
        assert_int_equal(again.state, state);
        assert_int_equal(again.size, looked_at);
    }
}

static void assert_whole(const char *message, size_t size)
{
    assert_scan(message, size, FRAME_WHOLE, size);
    if (size > 1)
        assert_scan(message, size - 1, FRAME_MORE, size - 1);
}

static void every_kind_of_value_ends_where_it_ends(void **state)
{
    (void)state;
    assert_whole(BYTES("\x00"));
    assert_whole(BYTES("\x7f"));
    assert_whole(BYTES("\xe0"));
    assert_whole(BYTES("\xc0"));
    assert_whole(BYTES("\xc2"));
    assert_whole(BYTES("\xc3"));
    assert_whole(BYTES("\xca\x00\x00\x00\x00"));
    assert_whole(BYTES("\xcb\x00\x00\x00\x00\x00\x00\x00\x00"));
    assert_whole(BYTES("\xcc\xff"));
    assert_whole(BYTES("\xcd\xff\xff"));
    assert_whole(BYTES("\xce\xff\xff\xff\xff"));
    assert_whole(BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"));
    assert_whole(BYTES("\xd0\x80"));
    assert_whole(BYTES("\xd1\x80\x00"));
    assert_whole(BYTES("\xd2\x80\x00\x00\x00"));
    assert_whole(BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"));
    assert_whole(BYTES("\xa0"));
    assert_whole(BYTES("\xa3sea"));
    assert_whole(BYTES("\xd9\x03sea"));
    assert_whole(BYTES("\xda\x00\x03sea"));
    assert_whole(BYTES("\xdb\x00\x00\x00\x03sea"));
    assert_whole(BYTES("\xc4\x02\x01\x02"));
    assert_whole(BYTES("\xc5\x00\x02\x01\x02"));
    assert_whole(BYTES("\xc6\x00\x00\x00\x02\x01\x02"));
    assert_whole(BYTES("\xc4\x00"));
    assert_whole(BYTES("\xd4\x01x"));
    assert_whole(BYTES("\xd5\x01xx"));
    assert_whole(BYTES("\xd6\x01xxxx"));
    assert_whole(BYTES("\xd7\x01xxxxxxxx"));
    assert_whole(BYTES("\xd8\x01xxxxxxxxxxxxxxxx"));
    assert_whole(BYTES("\xc7\x02\x01xx"));
    assert_whole(BYTES("\xc7\x00\x01"));
    assert_whole(BYTES("\xc8\x00\x02\x01xx"));
    assert_whole(BYTES("\xc9\x00\x00\x00\x02\x01xx"));
    assert_whole(BYTES("\x90"));
    assert_whole(BYTES("\x80"));
    assert_whole(BYTES("\x92\x01\xa1x"));
    assert_whole(BYTES("\xdc\x00\x02\x01\x02"));
    assert_whole(BYTES("\xdd\x00\x00\x00\x02\x01\x02"));
    assert_whole(BYTES("\x81\xa1k\x91\x90"));
    assert_whole(BYTES("\xde\x00\x01\xa1k\x01"));
    assert_whole(BYTES("\xdf\x00\x00\x00\x01\xa1k\x01"));
}

static void what_follows_a_message_is_left_alone(void **state)
{
    (void)state;
    assert_scan(BYTES("\x91\xa1x\x93\x01"), FRAME_WHOLE, 3);
    assert_scan(BYTES("\x90\xc1"), FRAME_WHOLE, 1);
}

static void the_byte_that_msgpack_never_uses_is_malformed(void **state)
{
    (void)state;
    assert_scan(BYTES("\xc1"), FRAME_MALFORMED, 1);
    assert_scan(BYTES("\x94\x00\xc1\x00"), FRAME_MALFORMED, 3);
    assert_whole(BYTES("\x91\xa1\xc1")); /* Inside a text it is a byte like any other. */
}

static void nesting_ends_at_the_limit(void **state)
{
    (void)state;
    char message[KT_LIMIT_MESSAGE_DEPTH + 2];
    memset(message, '\x91', sizeof message);
    message[KT_LIMIT_MESSAGE_DEPTH] = '\xc0';
    assert_whole(message, KT_LIMIT_MESSAGE_DEPTH + 1);
    message[KT_LIMIT_MESSAGE_DEPTH] = '\x91';
    assert_scan(message, sizeof message, FRAME_TOO_DEEP, KT_LIMIT_MESSAGE_DEPTH + 1);

    /* What the scanner calls whole, msgpack-c can unpack. */
    message[KT_LIMIT_MESSAGE_DEPTH] = '\xc0';
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    assert_int_equal(msgpack_unpack_next(&unpacked, message, KT_LIMIT_MESSAGE_DEPTH + 1, NULL),
                     MSGPACK_UNPACK_SUCCESS);
    msgpack_unpacked_destroy(&unpacked);
}

static void promises_are_weighed_when_they_are_made(void **state)
{
    (void)state;
    assert_scan(BYTES("\xdd\xff\xff\xff\xff"), FRAME_TOO_MANY, 5);
    assert_scan(BYTES("\xdf\x80\x00\x00\x00"), FRAME_TOO_MANY, 5);
    assert_scan(BYTES("\xdb\x00\x40\x00\x00"), FRAME_TOO_LARGE, 5);
    assert_scan(BYTES("\xdb\x00\x3f\xff\xfb"), FRAME_MORE, 5); /* 4 MiB to the byte. */
    assert_scan(BYTES("\x92\xdb\x00\x3f\xff\xfb"), FRAME_TOO_LARGE, 6);
    /* 400 000 values with the array itself, and one more. */
    assert_scan(BYTES("\xdd\x00\x06\x1a\x7f"), FRAME_MORE, 5);
    assert_scan(BYTES("\xdd\x00\x06\x1a\x80"), FRAME_TOO_MANY, 5);
    /* Two arrays of 300 000 are too many only together. */
    assert_scan(BYTES("\x92\xdd\x00\x04\x93\xe0"), FRAME_MORE, 6);
}

static void a_message_of_exactly_the_limit_is_whole(void **state)
{
    (void)state;
    char *message = calloc(1, KT_LIMIT_MESSAGE_BYTES);
    assert_non_null(message);
    memcpy(message, "\xdb\x00\x3f\xff\xfb", 5);
    assert_scan(message, KT_LIMIT_MESSAGE_BYTES, FRAME_WHOLE, KT_LIMIT_MESSAGE_BYTES);
    free(message);
}

static void assert_split(const char *message, size_t size, const char *method, size_t params_size)
{
    struct frame_parts parts;
    assert_true(frame_split(message, size, &parts));
    assert_int_equal(parts.kind, FRAME_REQUEST);
    assert_int_equal(parts.method_length, strlen(method));
    assert_memory_equal(parts.method, method, parts.method_length);
    assert_int_equal(parts.params_size, params_size);
    assert_ptr_equal(parts.params + parts.params_size, message + size);
}

static void a_request_is_split_however_it_is_written(void **state)
{
    (void)state;
    struct frame_parts parts;
    assert_split(BYTES("\x94\x00\x05\xa4ping\x91\x80"), "ping", 2);
    assert_split(BYTES("\xdc\x00\x04\xcc\x00\xce\x00\x00\x00\x05\xd9\x04ping\x90"), "ping", 1);
    assert_split(BYTES("\xdd\x00\x00\x00\x04\xd0\x00\xd3\x00\x00\x00\x00\x00\x00\x00\x05"
                       "\xda\x00\x00\xdc\x00\x00"),
                 "", 3);
    assert_true(frame_split(BYTES("\x94\x00\xce\xff\xff\xff\xff\xa4ping\x90"), &parts));
    assert_int_equal(parts.msgid, UINT32_MAX);
    assert_true(frame_split(BYTES("\x93\x02\xa4ping\x90"), &parts));
    assert_int_equal(parts.kind, FRAME_NOTIFICATION);
    assert_int_equal(parts.msgid, 0);
}

static void what_is_no_request_is_told_apart(void **state)
{
    static const struct {
        const char *message;
        size_t size;
        enum frame_kind kind;
        uint32_t msgid;
    } cases[] = {
        {BYTES("\x90"), FRAME_NEITHER, 0},
        {BYTES("\x91\x00"), FRAME_NEITHER, 0},
        {BYTES("\x2a"), FRAME_NEITHER, 0},
        {BYTES("\x81\x01\x02"), FRAME_NEITHER, 0},
        {BYTES("\x94\x07\x01\xa4ping\x90"), FRAME_NEITHER, 0},
        {BYTES("\x94\x01\x01\xc0\xc0"), FRAME_NEITHER, 0},        /* A reply. */
        {BYTES("\x93\x00\x05\xa4ping"), FRAME_NEITHER, 0},        /* Without params. */
        {BYTES("\x94\x02\x05\xa4ping\x90"), FRAME_NEITHER, 0},    /* Neither with a msgid. */
        {BYTES("\x94\x00\xff\xa4ping\x90"), FRAME_NEITHER, 0},    /* Negative ids, */
        {BYTES("\x94\x00\xa3one\xa4ping\x90"), FRAME_NEITHER, 0}, /* no numbers, */
        {BYTES("\x94\x00\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xa4ping\x90"), FRAME_NEITHER,
         0},                                                        /* more than 32 bits. */
        {BYTES("\x94\x00\x05\x02\x90"), FRAME_REQUEST, 5},          /* The method is no text, */
        {BYTES("\x94\x00\x05\xc4\x04ping\x90"), FRAME_REQUEST, 5},  /* but bytes; */
        {BYTES("\x94\x00\x05\xa4ping\x80"), FRAME_REQUEST, 5},      /* the params no array. */
        {BYTES("\x93\x02\xc4\x04ping\x90"), FRAME_NOTIFICATION, 0}, /* As pynvim greets. */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct frame_parts parts;
        assert_whole(cases[i].message, cases[i].size);
        assert_false(frame_split(cases[i].message, cases[i].size, &parts));
        assert_int_equal(parts.kind, cases[i].kind);
        assert_int_equal(parts.msgid, cases[i].msgid);
    }
}

static void the_name_of_a_method_has_a_limit(void **state)
{
    (void)state;
    char message[KT_LIMIT_NAME + 8] = "\x94\x00\x05\xd9";
    struct frame_parts parts;
    memset(message + 5, 'm', KT_LIMIT_NAME + 1);
    message[4] = KT_LIMIT_NAME;
    message[5 + KT_LIMIT_NAME] = '\x90';
    assert_true(frame_split(message, 6 + KT_LIMIT_NAME, &parts));
    message[4] = KT_LIMIT_NAME + 1;
    message[5 + KT_LIMIT_NAME] = 'm';
    message[6 + KT_LIMIT_NAME] = '\x90';
    assert_false(frame_split(message, 7 + KT_LIMIT_NAME, &parts));
    assert_int_equal(parts.msgid, 5);
}

static void a_msgid_is_known_from_the_first_bytes(void **state)
{
    static const char longest[] = "\xdd\x00\x00\x00\x04\xd3\x00\x00\x00\x00\x00\x00\x00\x00"
                                  "\xcf\x00\x00\x00\x00\x01\x02\x03\x04";
    (void)state;
    assert_int_equal(sizeof longest - 1, FRAME_MSGID_BYTES);
    assert_int_equal(frame_msgid(BYTES(longest)), 0x01020304);
    assert_int_equal(frame_msgid(longest, FRAME_MSGID_BYTES - 1), 0);
    assert_int_equal(frame_msgid(BYTES("\x94\x00\x05")), 5);
    assert_int_equal(frame_msgid(BYTES("\x94\x00")), 0);
    assert_int_equal(frame_msgid("", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value_ends_where_it_ends),
        cmocka_unit_test(what_follows_a_message_is_left_alone),
        cmocka_unit_test(the_byte_that_msgpack_never_uses_is_malformed),
        cmocka_unit_test(nesting_ends_at_the_limit),
        cmocka_unit_test(promises_are_weighed_when_they_are_made),
        cmocka_unit_test(a_message_of_exactly_the_limit_is_whole),
        cmocka_unit_test(a_request_is_split_however_it_is_written),
        cmocka_unit_test(what_is_no_request_is_told_apart),
        cmocka_unit_test(the_name_of_a_method_has_a_limit),
        cmocka_unit_test(a_msgid_is_known_from_the_first_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
