/* Goal: bytes of keys order exactly as the values they are made of, and come back unchanged.
 * Method: hand-picked stories for each part; test_key_random.c has the random tuples. */
#include "store/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static int compare_keys(const struct key *a, const struct key *b)
{
    struct store_slice left = key_slice(a);
    struct store_slice right = key_slice(b);
    size_t shorter = left.size < right.size ? left.size : right.size;
    int order = memcmp(left.at, right.at, shorter);
    if (order != 0)
        return order < 0 ? -1 : 1;
    return (left.size > right.size) - (left.size < right.size);
}

static struct key text_key(const char *text, size_t length)
{
    struct key key;
    key_begin(&key, 't');
    key_add_text(&key, text, length);
    assert_false(key.overflow);
    return key;
}

static struct key decimal_key(kt_int128 coefficient, int scale)
{
    struct key key;
    key_begin(&key, 't');
    key_add_decimal(&key, (struct kt_decimal){coefficient, scale});
    assert_false(key.overflow);
    return key;
}

static struct kt_decimal decimal_back(const struct key *key)
{
    struct key_reader reader = key_read(key_slice(key));
    struct kt_decimal value = {0, 0};
    assert_int_equal(key_peek(&reader), KEY_DECIMAL);
    assert_true(key_read_decimal(&reader, &value));
    assert_int_equal(key_peek(&reader), KEY_END);
    return value;
}

static kt_int128 power_of_ten(int exponent)
{
    kt_int128 power = 1;
    while (exponent-- > 0)
        power *= 10;
    return power;
}

static void parts_come_back_in_the_order_they_were_written(void **state)
{
    (void)state;
    struct key key;
    key_begin(&key, 'r');
    key_add_u32(&key, 0xDEADBEEF);
    key_add_u64(&key, UINT64_MAX - 1);
    key_add_nil(&key);
    key_add_bool(&key, true);
    key_add_bool(&key, false);
    key_add_int(&key, INT64_MIN);
    key_add_int(&key, INT64_MAX);
    key_add_decimal(&key, (struct kt_decimal){-1250, 2});
    key_add_text(&key, "a\0b", 3);
    assert_false(key.overflow);
    assert_false(key.cut);

    struct key_reader reader = key_read(key_slice(&key));
    uint32_t catalog;
    uint64_t id;
    assert_true(key_read_u32(&reader, &catalog));
    assert_true(key_read_u64(&reader, &id));
    assert_true(catalog == 0xDEADBEEF && id == UINT64_MAX - 1);

    bool yes = false;
    bool no = true;
    assert_int_equal(key_peek(&reader), KEY_NIL);
    assert_false(key_read_bool(&reader, &yes)); /* A wrong question moves nothing. */
    assert_true(key_read_nil(&reader));
    assert_int_equal(key_peek(&reader), KEY_BOOL);
    assert_true(key_read_bool(&reader, &yes) && yes);
    assert_true(key_read_bool(&reader, &no) && !no);

    int64_t least = 0;
    int64_t most = 0;
    assert_int_equal(key_peek(&reader), KEY_INT);
    assert_true(key_read_int(&reader, &least) && key_read_int(&reader, &most));
    assert_true(least == INT64_MIN && most == INT64_MAX);

    struct kt_decimal amount = {0, 0};
    assert_int_equal(key_peek(&reader), KEY_DECIMAL);
    assert_true(key_read_decimal(&reader, &amount));
    assert_true(amount.coefficient == -125 && amount.scale == 1); /* -12.50 is -12.5 */

    char text[KEY_TEXT_MAX];
    size_t length;
    bool cut;
    assert_int_equal(key_peek(&reader), KEY_TEXT);
    assert_true(key_read_text(&reader, text, &length, &cut));
    assert_int_equal(length, 3);
    assert_memory_equal(text, "a\0b", 3);
    assert_false(cut);
    assert_int_equal(key_peek(&reader), KEY_END);
}

static void types_sort_nil_bool_int_decimal_text(void **state)
{
    (void)state;
    struct key keys[8];
    for (size_t i = 0; i < 8; i++)
        key_begin(&keys[i], 't');
    key_add_nil(&keys[1]);
    key_add_bool(&keys[2], false);
    key_add_bool(&keys[3], true);
    key_add_int(&keys[4], -1);
    key_add_int(&keys[5], INT64_MAX);
    key_add_decimal(&keys[6], (struct kt_decimal){-power_of_ten(37), 0});
    key_add_text(&keys[7], "", 0);
    for (size_t i = 1; i < 8; i++)
        assert_int_equal(compare_keys(&keys[i - 1], &keys[i]), -1);
}

static void a_decimal_key_does_not_see_the_scale(void **state)
{
    (void)state;
    struct key two = decimal_key(2, 0);
    struct key two_padded = decimal_key(2 * power_of_ten(18), 18);
    struct key zero = decimal_key(0, 0);
    struct key zero_padded = decimal_key(0, 18);
    assert_int_equal(compare_keys(&two, &two_padded), 0);
    assert_int_equal(compare_keys(&zero, &zero_padded), 0);
    assert_int_equal(decimal_back(&two_padded).scale, 0);
}

static void decimals_sort_by_value_from_the_least_to_the_greatest(void **state)
{
    (void)state;
    const kt_int128 nines = power_of_ten(37) - 1 + 9 * power_of_ten(37); /* 38 nines */
    const struct kt_decimal ascending[] = {
        {-nines, 0},
        {-power_of_ten(37), 0},
        {-1000, 0},
        {-100, 0},
        {-155, 2},
        {-15, 1},
        {-149, 2},
        {-1, 0},
        {-99, 2},
        {-1, 1},
        {-1, 18},
        {0, 0},
        {1, 18},
        {1, 17},
        {1, 1},
        {99, 2},
        {1, 0},
        {149, 2},
        {15, 1},
        {155, 2},
        {2, 0},
        {10, 0},
        {101, 1},
        {100, 0},
        {1000, 0},
        {nines, 18},
        {power_of_ten(20), 0},
        {nines, 0},
    };
    for (size_t i = 0; i < KT_COUNT(ascending); i++) {
        struct key key = decimal_key(ascending[i].coefficient, ascending[i].scale);
        struct kt_decimal back = decimal_back(&key);
        assert_true(back.coefficient == ascending[i].coefficient);
        assert_int_equal(back.scale, ascending[i].scale);
        for (size_t k = 0; k < i; k++) {
            struct key lower = decimal_key(ascending[k].coefficient, ascending[k].scale);
            assert_int_equal(compare_keys(&lower, &key), -1);
        }
    }
}

static void an_invalid_decimal_makes_the_key_unusable(void **state)
{
    (void)state;
    const struct kt_decimal bad[] = {
        {0, -1}, {1, 19}, {power_of_ten(38), 0}, {-power_of_ten(38), 2}};
    for (size_t i = 0; i < KT_COUNT(bad); i++) {
        struct key key;
        key_begin(&key, 't');
        key_add_decimal(&key, bad[i]);
        assert_true(key.overflow);
        assert_int_equal(key_slice(&key).size, 0);
    }
}

static void a_text_sorts_before_every_longer_one_that_starts_with_it(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t length;
    } ascending[] = {{"", 0},       {"\0", 1},   {"\0\0", 2},   {"\0\1", 2},
                     {"\0\xFF", 2}, {"\1", 1},   {"a", 1},      {"a\0", 2},
                     {"a\0a", 3},   {"a\1", 2},  {"aa", 2},     {"a\xFF", 2},
                     {"b", 1},      {"\xFF", 1}, {"\xFF\0", 2}, {"\xFF\xFF", 2}};
    for (size_t i = 1; i < KT_COUNT(ascending); i++) {
        struct key lower = text_key(ascending[i - 1].text, ascending[i - 1].length);
        struct key upper = text_key(ascending[i].text, ascending[i].length);
        assert_int_equal(compare_keys(&lower, &upper), -1);
        /* The part after the text has no say, whatever it is. */
        key_add_text(&lower, "\xFF\xFF\xFF", 3);
        key_add_nil(&upper);
        assert_int_equal(compare_keys(&lower, &upper), -1);
    }
}

static void long_text_is_cut_marked_and_sorts_right_after_the_whole_one(void **state)
{
    (void)state;
    char longest[KEY_TEXT_MAX + 40];
    memset(longest, 'x', sizeof longest);
    struct key whole = text_key(longest, KEY_TEXT_MAX);
    struct key longer = text_key(longest, KEY_TEXT_MAX + 1);
    struct key longest_key = text_key(longest, sizeof longest);
    assert_false(whole.cut);
    assert_true(longer.cut && longest_key.cut);
    assert_int_equal(compare_keys(&whole, &longer), -1);
    assert_int_equal(compare_keys(&longer, &longest_key), 0); /* Nobody can tell from the key. */
    longest[KEY_TEXT_MAX - 1] = 'y';
    struct key next = text_key(longest, KEY_TEXT_MAX);
    assert_int_equal(compare_keys(&longer, &next), -1);

    struct key_reader reader = key_read(key_slice(&longer));
    char text[KEY_TEXT_MAX];
    size_t length;
    bool cut = false;
    assert_true(key_read_text(&reader, text, &length, &cut));
    assert_int_equal(length, KEY_TEXT_MAX);
    assert_true(cut);
}

static void a_cut_through_a_character_keeps_the_order(void **state)
{
    (void)state;
    char accent[KEY_TEXT_MAX + 1];
    char plain[KEY_TEXT_MAX];
    memset(accent, 'x', sizeof accent);
    memset(plain, 'x', sizeof plain);
    accent[KEY_TEXT_MAX - 1] = (char)0xC3; /* e acute, C3 A9: the cut goes through it. */
    accent[KEY_TEXT_MAX] = (char)0xA9;
    plain[KEY_TEXT_MAX - 1] = 'z';
    struct key upper = text_key(accent, sizeof accent);
    struct key lower = text_key(plain, sizeof plain);
    assert_int_equal(compare_keys(&lower, &upper), -1);
}

static void a_text_of_nul_bytes_still_counts_its_source_bytes(void **state)
{
    (void)state;
    static const char nuls[KEY_TEXT_MAX + 1];
    struct key whole = text_key(nuls, KEY_TEXT_MAX);
    struct key cut = text_key(nuls, KEY_TEXT_MAX + 1);
    assert_false(whole.cut);
    assert_true(cut.cut);
    /* Space, tag, each byte twice, two closing bytes. */
    assert_int_equal(key_slice(&whole).size, 1 + 1 + 2 * KEY_TEXT_MAX + 2);

    struct key_reader reader = key_read(key_slice(&whole));
    char text[KEY_TEXT_MAX];
    size_t length;
    bool was_cut = true;
    assert_true(key_read_text(&reader, text, &length, &was_cut));
    assert_int_equal(length, KEY_TEXT_MAX);
    assert_memory_equal(text, nuls, KEY_TEXT_MAX);
    assert_false(was_cut);
}

static void a_key_that_grows_too_long_stays_unusable(void **state)
{
    (void)state;
    struct key key;
    key_begin(&key, 't');
    while (key.size + 8 <= STORE_KEY_MAX)
        key_add_u64(&key, 7);
    assert_false(key.overflow);
    key_add_u64(&key, 7);
    assert_true(key.overflow);
    key_add_nil(&key); /* Would fit, but then two different tuples would be one key. */
    assert_true(key.overflow);
    assert_int_equal(key_slice(&key).size, 0);
    assert_false(key_successor(&key));

    key_begin(&key, 't');
    assert_false(key.overflow);
    assert_int_equal(key_slice(&key).size, 1);
}

static void the_successor_ends_a_range_of_a_prefix(void **state)
{
    (void)state;
    struct key prefix;
    key_begin(&prefix, 'r');
    key_add_u32(&prefix, 0x00FFFFFF);
    struct key inside = prefix;
    key_add_u64(&inside, UINT64_MAX);
    struct key after;
    key_begin(&after, 'r');
    key_add_u32(&after, 0x01000000);

    struct key end = prefix;
    assert_true(key_successor(&end));
    assert_true(key_has_prefix(key_slice(&inside), key_slice(&prefix)));
    assert_false(key_has_prefix(key_slice(&after), key_slice(&prefix)));
    assert_false(key_has_prefix(key_slice(&prefix), key_slice(&inside)));
    assert_int_equal(compare_keys(&inside, &end), -1);
    assert_true(compare_keys(&end, &after) <= 0);

    struct key last;
    key_begin(&last, (char)0xFF);
    key_add_u32(&last, UINT32_MAX);
    struct key kept = last;
    assert_false(key_successor(&last));
    assert_int_equal(compare_keys(&last, &kept), 0);
}

static void broken_bytes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } broken[] = {
        {"t\x20", 1},                 /* nothing after the space */
        {"t\x30\x80\x00", 4},         /* integer cut short */
        {"t\x40", 2},                 /* decimal without head */
        {"t\x40\x93", 3},             /* ... without digits */
        {"t\x40\x93\x00", 4},         /* ... closed at once */
        {"t\x40\x93\x15", 4},         /* ... not closed */
        {"t\x40\x93\x02\x00", 5},     /* ... with a leading zero */
        {"t\x40\x93\x15\x01\x00", 6}, /* ... with a trailing zero pair */
        {"t\x40\x93\x66\x00", 5},     /* ... with a pair of 101 */
        {"t\x40\xFF\x15\x00", 5},     /* ... of 10^109 */
        {"t\x40\x81\x15\x16\x00", 6}, /* ... with 21 digits after the point */
        {"t\x50", 2},                 /* text not closed */
        {"t\x50 abc", 6},             /* ... */
        {"t\x50\x00", 3},             /* ... in the middle of an escape */
        {"t\x50\x00\x02", 4},         /* ... unknown escape */
        {"t\x50\x61\x00\x01", 5},     /* ... cut, though short */
        {"t\x99", 2},                 /* unknown tag */
    };
    for (size_t i = 0; i < KT_COUNT(broken); i++) {
        struct key_reader reader = key_read((struct store_slice){broken[i].bytes, broken[i].size});
        const uint8_t *before = reader.at;
        bool yes;
        int64_t integer;
        struct kt_decimal decimal;
        char text[KEY_TEXT_MAX];
        size_t length;
        bool accepted = key_read_nil(&reader) || key_read_bool(&reader, &yes) ||
                        key_read_int(&reader, &integer) || key_read_decimal(&reader, &decimal) ||
                        key_read_text(&reader, text, &length, &yes);
        if (accepted || reader.at != before)
            fail_msg("broken bytes number %zu were accepted", i);
    }
    struct key_reader unknown = key_read((struct store_slice){"t\x99", 2});
    assert_int_equal(key_peek(&unknown), KEY_BROKEN);
    struct key_reader empty = key_read((struct store_slice){NULL, 0});
    assert_int_equal(key_peek(&empty), KEY_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_come_back_in_the_order_they_were_written),
        cmocka_unit_test(types_sort_nil_bool_int_decimal_text),
        cmocka_unit_test(a_decimal_key_does_not_see_the_scale),
        cmocka_unit_test(decimals_sort_by_value_from_the_least_to_the_greatest),
        cmocka_unit_test(an_invalid_decimal_makes_the_key_unusable),
        cmocka_unit_test(a_text_sorts_before_every_longer_one_that_starts_with_it),
        cmocka_unit_test(long_text_is_cut_marked_and_sorts_right_after_the_whole_one),
        cmocka_unit_test(a_cut_through_a_character_keeps_the_order),
        cmocka_unit_test(a_text_of_nul_bytes_still_counts_its_source_bytes),
        cmocka_unit_test(a_key_that_grows_too_long_stays_unusable),
        cmocka_unit_test(the_successor_ends_a_range_of_a_prefix),
        cmocka_unit_test(broken_bytes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
