/* Goal: values are built, read and compared as value.h promises, also when they are not there.
 * Method: one story per family of functions, on a context without a store. */
#include <limits.h>

#include "record_fixture.h"

static int open_ctx(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    context_init(&f->ctx);
    *state = f;
    return 0;
}

static int close_ctx(void **state)
{
    struct fixture *f = *state;
    context_deinit(&f->ctx);
    free(f);
    return 0;
}

#define VALUES(function) cmocka_unit_test_setup_teardown(function, open_ctx, close_ctx)

static void a_map_sets_replaces_and_removes(void **state)
{
    struct fixture *f = *state;
    struct kt_map *map = kt_map_new(&f->ctx);
    kt_map_set_text(map, "a", "x");
    kt_map_set_int(map, "b", -3);
    kt_map_set_id(map, "c", 0); /* No id is no value. */
    kt_map_set_bool(map, "d", false);
    kt_map_set_text(map, "a", "y");
    assert_value(f, &map->object, json(f, "{'a': 'y', 'b': -3, 'c': null, 'd': false}"));
    kt_map_remove(map, "b");
    kt_map_remove(map, "b");
    assert_value(f, &map->object, json(f, "{'a': 'y', 'c': null, 'd': false}"));
    assert_false(kt_has(&map->object, "c"));
    kt_map_remove(map, "d");
    kt_map_remove(map, "a");
    kt_map_remove(map, "c");
    assert_int_equal(map->object.via.map.size, 0);
}

static void a_copy_is_independent(void **state)
{
    struct fixture *f = *state;
    const msgpack_object *original = json(f, "{'a': 1, 'b': [1, 2]}");
    struct kt_map *copy = kt_map_copy(&f->ctx, original);
    kt_map_set_int(copy, "a", 9);
    for (int i = 0; i < 100; i++)
        kt_map_set_int(copy, kt_format(&f->ctx, "n%d", i), i);
    assert_value(f, original, json(f, "{'a': 1, 'b': [1, 2]}"));
    assert_int_equal(kt_get_int(&copy->object, "n99"), 99);
    assert_int_equal(copy->object.via.map.size, 102);
    msgpack_object nil = kt_nil();
    assert_int_equal(kt_map_copy(&f->ctx, NULL)->object.via.map.size, 0);
    assert_int_equal(kt_map_copy(&f->ctx, &nil)->object.via.map.size, 0);
}

static void lists_grow(void **state)
{
    struct fixture *f = *state;
    struct kt_list *list = kt_list_new(&f->ctx);
    struct kt_map *map = kt_map_new(&f->ctx);
    for (int i = 0; i < 1000; i++)
        kt_list_add(list, kt_int(i));
    kt_map_set(map, "list", list->object);
    assert_int_equal(kt_count(&map->object, "list"), 1000);
    assert_int_equal(kt_at(&map->object, "list", 999)->via.u64, 999);
    assert_null(kt_at(&map->object, "list", 1000));
}

static void what_is_not_there_reads_as_nothing(void **state)
{
    struct fixture *f = *state;
    const msgpack_object *map = json(f, "{'nil': null, 'text': 'x', 'list': [{'id': 0}, {}]}");
    const msgpack_object *maps[] = {NULL, kt_get(map, "text"), map};
    kt_date date = 7;
    kt_instant_us at = 7;
    for (size_t i = 0; i < KT_COUNT(maps); i++) {
        assert_null(kt_get(maps[i], "nil"));
        assert_null(kt_get(maps[i], "absent"));
        assert_false(kt_has(maps[i], "nil"));
        assert_string_equal(kt_get_text(&f->ctx, maps[i], "nil"), "");
        assert_false(kt_is(maps[i], "nil", ""));
        assert_int_equal(kt_get_int(maps[i], "nil"), 0);
        assert_int_equal(kt_get_id(maps[i], "nil"), 0);
        assert_false(kt_get_bool(maps[i], "nil"));
        assert_true(kt_decimal_is_zero(kt_get_decimal(maps[i], "nil")));
        assert_false(kt_get_date(maps[i], "nil", &date));
        assert_false(kt_get_instant(maps[i], "nil", &at));
        assert_int_equal(kt_count(maps[i], "nil"), 0);
        assert_null(kt_at(maps[i], "nil", 0));
        assert_null(kt_line(maps[i], "list", 5));
    }
    assert_null(kt_line(map, "list", 0)); /* A line without an id is nobody's. */
    assert_int_equal(date, 7);
    assert_int_equal(at, 7);
}

static void a_wrong_type_reads_as_nothing_but_for_decimals(void **state)
{
    struct fixture *f = *state;
    const msgpack_object *map =
        json(f, "{'text': 'x', 'huge': 1, 'negative': -5, 'decimal': '12.50', 'float': 1.5,"
                " 'date': '2026-11-23', 'bad_date': '2026-11-31'}");
    kt_date date;
    assert_int_equal(kt_get_int(map, "text"), 0);
    assert_int_equal(kt_get_id(map, "negative"), 0);
    assert_int_equal(kt_get_int(map, "negative"), -5);
    assert_false(kt_get_bool(map, "text"));
    assert_string_equal(kt_get_text(&f->ctx, map, "negative"), "");
    assert_false(kt_decimal_is_valid(kt_get_decimal(map, "text")));
    assert_false(kt_decimal_is_valid(kt_get_decimal(map, "float")));
    assert_int_equal(kt_decimal_compare(kt_get_decimal(map, "negative"), kt_decimal_from_int(-5)),
                     0);
    assert_int_equal(kt_get_decimal(map, "decimal").scale, 2);
    assert_true(kt_get_date(map, "date", &date));
    assert_int_equal(date, 20780);
    assert_false(kt_get_date(map, "bad_date", &date));
    msgpack_object_kv pair = {.key = kt_text("n"), .val = kt_id(UINT64_MAX)};
    msgpack_object huge = {.type = MSGPACK_OBJECT_MAP, .via.map = {.size = 1, .ptr = &pair}};
    assert_int_equal(kt_get_int(&huge, "n"), 0);
    assert_true(kt_get_id(&huge, "n") == UINT64_MAX);
    pair.val = kt_int(INT64_MIN);
    assert_true(kt_get_int(&huge, "n") == INT64_MIN);
}

static void text_is_cut_at_its_length_and_terminated(void **state)
{
    struct fixture *f = *state;
    struct kt_map *map = kt_map_new(&f->ctx);
    kt_map_set(map, "a", kt_text_of("boltnut", 4));
    assert_string_equal(kt_get_text(&f->ctx, &map->object, "a"), "bolt");
    assert_true(kt_is(&map->object, "a", "bolt"));
    assert_false(kt_is(&map->object, "a", "bolt "));
    assert_false(kt_is(&map->object, "a", "bol"));
    assert_string_equal(kt_format(&f->ctx, "%s-%05d", "x", 42), "x-00042");
}

static void instants_come_back_to_the_microsecond(void **state)
{
    static const kt_instant_us moments[] = {0,
                                            1,
                                            -1,
                                            -1000000,
                                            999999,
                                            INT64_C(1795434000123456),
                                            INT64_C(-62135596800000000),
                                            (INT64_C(1) << 34) * 1000000,
                                            INT64_C(253402300799999999)};
    struct fixture *f = *state;
    for (size_t i = 0; i < KT_COUNT(moments); i++) {
        msgpack_object value = kt_instant_value(&f->ctx, moments[i]);
        kt_instant_us at = 5;
        assert_true(context_instant_of(&value, &at));
        assert_true(at == moments[i]);
    }
    /* The 32-bit form other clients send. */
    msgpack_object short_form = {.type = MSGPACK_OBJECT_EXT,
                                 .via.ext = {.type = -1, .size = 4, .ptr = "\x00\x00\x01\x00"}};
    kt_instant_us at = 0;
    assert_true(context_instant_of(&short_form, &at));
    assert_int_equal(at, 256000000);
    short_form.via.ext.type = 1;
    assert_false(context_instant_of(&short_form, &at));
    msgpack_object broken = {.type = MSGPACK_OBJECT_EXT,
                             .via.ext = {.type = -1, .size = 8, .ptr = "\xff\xff\xff\xff\0\0\0\0"}};
    assert_false(context_instant_of(&broken, &at)); /* More than a second of nanoseconds. */
}

static void equal_means_type_and_content(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        {"1", "1", true},
        {"1", "'1'", false},
        {"1", "-1", false},
        {"'1.0'", "'1.00'", false}, /* Text; decimals are made canonical before. */
        {"null", "null", true},
        {"null", "false", false},
        {"[1, [2]]", "[1, [2]]", true},
        {"[1, 2]", "[2, 1]", false},
        {"[1]", "[1, 1]", false},
        {"{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}", true},
        {"{'a': 1}", "{'b': 1}", false},
        {"{'a': null}", "{}", false},
        {"{'a': {'b': [{}]}}", "{'a': {'b': [{}]}}", true},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < KT_COUNT(cases); i++) {
        const msgpack_object *a = json(f, "%s", cases[i].a), *b = json(f, "%s", cases[i].b);
        assert_int_equal(kt_equal(a, b), cases[i].equal);
        assert_int_equal(kt_equal(b, a), cases[i].equal);
    }
    msgpack_object nil = kt_nil();
    assert_true(kt_equal(NULL, NULL));
    assert_false(kt_equal(&nil, NULL));
}

static void the_first_failure_is_kept_and_memory_is_bounded(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(context_check_memory(&f->ctx), KT_OK);
    assert_int_equal(kt_fail(&f->ctx, KT_DENIED, "a", "no %d", "不 %d", 5), KT_DENIED);
    assert_int_equal(kt_fail(&f->ctx, KT_INVALID, "b", "other", "其他"), KT_DENIED);
    assert_string_equal(f->ctx.error.message, "no 5");
    assert_string_equal(f->ctx.error.message_zh, "不 5");
    assert_string_equal(f->ctx.error.field, "a");
    context_forgive(&f->ctx);
    kt_alloc(&f->ctx, KT_LIMIT_ARENA_BYTES);
    assert_int_equal(context_check_memory(&f->ctx), KT_TOO_LARGE);
    context_reset(&f->ctx);
    assert_int_equal(context_check_memory(&f->ctx), KT_OK);
    assert_int_equal(f->ctx.error.status, KT_OK);
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        VALUES(a_map_sets_replaces_and_removes),
        VALUES(a_copy_is_independent),
        VALUES(lists_grow),
        VALUES(what_is_not_there_reads_as_nothing),
        VALUES(a_wrong_type_reads_as_nothing_but_for_decimals),
        VALUES(text_is_cut_at_its_length_and_terminated),
        VALUES(instants_come_back_to_the_microsecond),
        VALUES(equal_means_type_and_content),
        VALUES(the_first_failure_is_kept_and_memory_is_bounded),
    };
    return cmocka_run_group_tests(stories, NULL, NULL);
}
