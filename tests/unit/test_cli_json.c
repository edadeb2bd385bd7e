/* JSON of the command: what goes in comes out, exactly, or is refused with a reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"

struct fixture {
    msgpack_zone *zone;
    struct text out;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    text_use_utf8();
    f->zone = msgpack_zone_new(MSGPACK_ZONE_CHUNK_SIZE);
    *state = f;
    return f->zone ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    msgpack_zone_free(f->zone);
    text_free(&f->out);
    free(f);
    return 0;
}

static const char *written(struct fixture *f, const msgpack_object *value, bool pretty)
{
    f->out.length = 0;
    json_write(&f->out, value, pretty);
    return f->out.at;
}

static void assert_round_trip(struct fixture *f, const char *json)
{
    msgpack_object value;
    char why[256] = "";
    if (!json_read(json, strlen(json), f->zone, &value, why, sizeof why))
        fail_msg("%s: %s", json, why);
    assert_string_equal(json, written(f, &value, false));
}

static void test_exact_both_ways(void **state)
{
    static const char *const texts[] = {
        "null",
        "true",
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "0.1",
        "-2.5",
        "\"12.50\"",
        "\"订单 😀\"",
        "\"a\\\"b\\\\c\\nd\\te\"",
        "[]",
        "{}",
        "[1, [2, [3, []]], {\"a\": null}]",
        "{\"entity\": \"sales.order\", \"lines\": [{\"quantity\": \"0.000001\"}]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_round_trip(*state, texts[i]);
}

static void test_members_keep_their_order(void **state)
{
    assert_round_trip(*state, "{\"z\": 1, \"a\": 2, \"m\": 3}");
}

static void test_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *json;
        const char *why;
    } cases[] = {
        {"", "line 1"},
        {"{", "line 1"},
        {"{\"a\":\n1,}", "line 2"},
        {"{\"a\": 1, \"a\": 2}", "duplicate"},
        {"{'a': 1}", "line 1"},
        {"1 2", "line 1"},
        {"NaN", "line 1"},
        {"9223372036854775808", "too big integer"},
        {"-9223372036854775809", "too big negative integer"},
        {"1e400", "overflow"},
        {"\"\xff\"", "unable to decode"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        msgpack_object value;
        char why[256] = "";
        assert_false(
            json_read(cases[i].json, strlen(cases[i].json), f->zone, &value, why, sizeof why));
        if (!strstr(why, cases[i].why))
            fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].json, why, cases[i].why);
    }
}

static void test_depth(void **state)
{
    struct fixture *f = *state;
    char json[2 * (JSON_READ_DEPTH + 1) + 1];
    for (size_t depth = JSON_READ_DEPTH; depth <= JSON_READ_DEPTH + 1; depth++) {
        msgpack_object value;
        char why[256] = "";
        memset(json, '[', depth);
        memset(json + depth, ']', depth);
        assert_int_equal(depth == JSON_READ_DEPTH,
                         json_read(json, 2 * depth, f->zone, &value, why, sizeof why));
        if (depth > JSON_READ_DEPTH)
            assert_non_null(strstr(why, "deep"));
    }
}

static void assert_written(struct fixture *f, const char *expected, msgpack_object value)
{
    assert_string_equal(expected, written(f, &value, false));
}

static msgpack_object unsigned_of(uint64_t value)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via = {.u64 = value}};
}

static msgpack_object float_of(double value)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_FLOAT64, .via = {.f64 = value}};
}

static void test_numbers_are_not_rounded(void **state)
{
    assert_written(*state, "18446744073709551615", unsigned_of(UINT64_MAX));
    assert_written(*state, "9007199254740993", unsigned_of(9007199254740993));
    assert_written(*state, "0.30000000000000004", float_of(0.1 + 0.2));
    assert_written(*state, "2.0", float_of(2));
    assert_written(*state, "1e+300", float_of(1e300));
    assert_written(*state, "null", float_of((double)INFINITY));
}

static msgpack_object bytes_of(const char *bytes, uint32_t size)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_BIN, .via = {.bin = {size, bytes}}};
}

/* RFC 4648, section 10. */
static void test_bytes_are_base64(void **state)
{
    assert_written(*state, "{\"base64\": \"\"}", bytes_of("", 0));
    assert_written(*state, "{\"base64\": \"Zg==\"}", bytes_of("f", 1));
    assert_written(*state, "{\"base64\": \"Zm8=\"}", bytes_of("fo", 2));
    assert_written(*state, "{\"base64\": \"Zm9v\"}", bytes_of("foo", 3));
    assert_written(*state, "{\"base64\": \"Zm9vYmFy\"}", bytes_of("foobar", 6));
    assert_written(*state, "{\"base64\": \"AP/+\"}", bytes_of("\x00\xff\xfe", 3));
}

static msgpack_object extension_of(int8_t type, const char *bytes, uint32_t size)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_EXT,
                            .via = {.ext = {.type = type, .size = size, .ptr = bytes}}};
}

static void test_instants(void **state)
{
    /* timestamp 32: 2026-11-23T17:20:00Z is 1795454400 = 0x6b0475c0 seconds. */
    assert_written(*state, "\"2026-11-23T17:20:00.000000Z\"",
                   extension_of(-1, "\x6b\x04\x75\xc0", 4));
    /* timestamp 64: nanoseconds in the upper 30 bits: 500000000 << 2 = 0x77359400. */
    assert_written(*state, "\"2026-11-23T17:20:00.500000Z\"",
                   extension_of(-1, "\x77\x35\x94\x00\x6b\x04\x75\xc0", 8));
    /* timestamp 96 may name a year that has no ISO form. */
    assert_written(*state, "{\"ext\": -1, \"base64\": \"AAAAAH//////////\"}",
                   extension_of(-1, "\0\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12));
    assert_written(*state, "{\"ext\": 5, \"base64\": \"YWI=\"}", extension_of(5, "ab", 2));
}

static void test_nothing_reaches_the_terminal_unescaped(void **state)
{
    assert_written(*state, "\"\\u001b[2J\"", build_text("\x1b[2J"));
    assert_written(*state, "\"\\u007f\\u0085\"", build_text("\x7f\xc2\x85"));
    assert_written(*state, "\"a\\u202eb\"",
                   build_text("a\xe2\x80\xae"
                              "b"));
    assert_written(*state, "\"\\udb40\\udc41\"", build_text("\xf3\xa0\x81\x81"));
    assert_written(*state, "\"\\ufffd(\"", build_text("\xc3("));
    assert_written(*state, "\"a\\u0000b\"", build_text_of("a\0b", 3));
}

static void test_odd_keys_become_text(void **state)
{
    struct fixture *f = *state;
    struct build_map map = build_map(f->zone);
    build_set_of(&map, build_int(7), build_text("seven"));
    build_set_of(&map, build_nil(), build_bool(false));
    assert_written(f, "{\"7\": \"seven\", \"null\": false}", map.object);
}

static void test_pretty(void **state)
{
    struct fixture *f = *state;
    static const char json[] = "{\"a\": [1, {}], \"b\": {\"c\": null}}";
    msgpack_object value;
    char why[256];
    assert_true(json_read(json, strlen(json), f->zone, &value, why, sizeof why));
    assert_string_equal("{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {\n    \"c\": null\n  }\n}",
                        written(f, &value, true));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_exact_both_ways),
        TEST(test_members_keep_their_order),
        TEST(test_refused),
        TEST(test_depth),
        TEST(test_numbers_are_not_rounded),
        TEST(test_bytes_are_base64),
        TEST(test_instants),
        TEST(test_nothing_reaches_the_terminal_unescaped),
        TEST(test_odd_keys_become_text),
        TEST(test_pretty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
