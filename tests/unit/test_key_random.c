/* Goal: no tuple of values breaks the order of keys or comes back changed.
 * Method: random tuples and random bytes from fixed seeds, against a comparison that shares no code
 * with the encoding. */
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

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
    seed ^= seed << 13; /* xorshift64, Marsaglia 2003 */
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed >> 11) % below;
}

#define DIGITS_WIDE (KT_DECIMAL_DIGITS + KT_DECIMAL_SCALE_MAX)
#define TEXT_WIDE   (KEY_TEXT_MAX + 4)

struct part {
    struct kt_decimal decimal;
    int64_t integer; /* Also the bool. */
    size_t length;
    enum key_part kind;
    char text[TEXT_WIDE];
};

static struct part draw_part(void)
{
    static const char alphabet[] = {0, 1, 'a', 'b', (char)0xFF};
    struct part part = {.kind = KEY_NIL + (enum key_part)draw(5)};
    switch (part.kind) {
    case KEY_BOOL:
        part.integer = (int64_t)draw(2);
        break;
    case KEY_INT:
        part.integer = draw(2) ? (int64_t)draw(7) - 3 : (int64_t)(draw(UINT64_MAX) << 11);
        break;
    case KEY_DECIMAL: {
        int digits = draw(2) ? (int)draw(4) : (int)draw(KT_DECIMAL_DIGITS + 1);
        kt_int128 coefficient = 0;
        while (digits-- > 0)
            coefficient = coefficient * 10 + (kt_int128)(draw(3) ? draw(10) : 0);
        part.decimal.coefficient = draw(2) ? -coefficient : coefficient;
        part.decimal.scale = draw(2) ? (int)draw(4) : (int)draw(KT_DECIMAL_SCALE_MAX + 1);
        break;
    }
    case KEY_TEXT: {
        /* Long ones differ only around the cut, else they never meet. */
        bool is_long = draw(4) == 0;
        part.length = is_long ? KEY_TEXT_MAX - 3 + draw(7) : draw(5);
        for (size_t i = 0; i < part.length; i++)
            part.text[i] = is_long && i < KEY_TEXT_MAX - 2 ? 'x' : alphabet[draw(5)];
        break;
    }
    default:
        break;
    }
    return part;
}

static int compare_numbers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* All digits of |value| around a fixed point: long multiplication by hand, no exponent. */
static void spread(struct kt_decimal value, int8_t digits[DIGITS_WIDE])
{
    kt_int128 rest = value.coefficient < 0 ? -value.coefficient : value.coefficient;
    memset(digits, 0, DIGITS_WIDE);
    for (int i = DIGITS_WIDE - 1 - (KT_DECIMAL_SCALE_MAX - value.scale); rest != 0; i--) {
        digits[i] = (int8_t)(rest % 10);
        rest /= 10;
    }
}

static int compare_decimals(struct kt_decimal a, struct kt_decimal b)
{
    int sign_a = (a.coefficient > 0) - (a.coefficient < 0);
    int sign_b = (b.coefficient > 0) - (b.coefficient < 0);
    if (sign_a != sign_b)
        return sign_a < sign_b ? -1 : 1;
    int8_t left[DIGITS_WIDE];
    int8_t right[DIGITS_WIDE];
    spread(a, left);
    spread(b, right);
    int order = memcmp(left, right, DIGITS_WIDE);
    return sign_a * ((order > 0) - (order < 0));
}

static int compare_texts(const struct part *a, const struct part *b)
{
    /* What is behind the cut is one thing: "longer". */
    size_t left = a->length > KEY_TEXT_MAX ? KEY_TEXT_MAX : a->length;
    size_t right = b->length > KEY_TEXT_MAX ? KEY_TEXT_MAX : b->length;
    int order = memcmp(a->text, b->text, left < right ? left : right);
    if (order != 0)
        return order < 0 ? -1 : 1;
    if (left != right)
        return left < right ? -1 : 1;
    return (a->length > KEY_TEXT_MAX) - (b->length > KEY_TEXT_MAX);
}

static int compare_parts(const struct part *a, const struct part *b)
{
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->kind == KEY_DECIMAL)
        return compare_decimals(a->decimal, b->decimal);
    if (a->kind == KEY_TEXT)
        return compare_texts(a, b);
    return compare_numbers(a->integer, b->integer);
}

static void add_part(struct key *key, const struct part *part)
{
    if (part->kind == KEY_NIL)
        key_add_nil(key);
    else if (part->kind == KEY_BOOL)
        key_add_bool(key, part->integer != 0);
    else if (part->kind == KEY_INT)
        key_add_int(key, part->integer);
    else if (part->kind == KEY_DECIMAL)
        key_add_decimal(key, part->decimal);
    else
        key_add_text(key, part->text, part->length);
}

static void assert_part_comes_back(struct key_reader *reader, const struct part *part)
{
    struct part back = {.kind = key_peek(reader)};
    bool yes = false;
    bool cut = false;
    assert_int_equal(back.kind, part->kind);
    if (part->kind == KEY_NIL)
        assert_true(key_read_nil(reader));
    else if (part->kind == KEY_BOOL)
        assert_true(key_read_bool(reader, &yes));
    else if (part->kind == KEY_INT)
        assert_true(key_read_int(reader, &back.integer));
    else if (part->kind == KEY_DECIMAL)
        assert_true(key_read_decimal(reader, &back.decimal));
    else
        assert_true(key_read_text(reader, back.text, &back.length, &cut));
    back.integer += yes;
    back.length += cut;
    assert_int_equal(compare_parts(&back, part), 0);
    assert_true(back.decimal.scale <= part->decimal.scale);
    assert_true(back.decimal.scale == 0 || back.decimal.coefficient % 10 != 0);
}

static void random_tuples_order_as_their_parts(void **state)
{
    (void)state;
    seed = 20250101;
    int equal_tuples = 0;
    for (int round = 0; round < 100000; round++) {
        struct part a[3];
        struct part b[3];
        size_t a_count = draw(4);
        size_t b_count = draw(4);
        struct key a_key;
        struct key b_key;
        key_begin(&a_key, 't');
        key_begin(&b_key, 't');
        for (size_t i = 0; i < a_count; i++) {
            a[i] = draw_part();
            add_part(&a_key, &a[i]);
        }
        for (size_t i = 0; i < b_count; i++) {
            b[i] = i < a_count && draw(2) ? a[i] : draw_part(); /* Else tuples rarely meet. */
            add_part(&b_key, &b[i]);
        }
        assert_false(a_key.overflow || b_key.overflow);

        int expected = 0;
        for (size_t i = 0; expected == 0 && i < a_count && i < b_count; i++)
            expected = compare_parts(&a[i], &b[i]);
        if (expected == 0)
            expected = (a_count > b_count) - (a_count < b_count);
        equal_tuples += expected == 0;
        if (compare_keys(&a_key, &b_key) != expected)
            fail_msg("round %d: %d expected", round, expected);

        struct key_reader reader = key_read(key_slice(&a_key));
        for (size_t i = 0; i < a_count; i++)
            assert_part_comes_back(&reader, &a[i]);
        assert_int_equal(key_peek(&reader), KEY_END);
    }
    assert_true(equal_tuples > 1000); /* The generator does meet itself. */
}

/* Random bytes never make the reader leave the key; what it accepts it writes again the same way.
 */
static void accepted_bytes_are_canonical(void **state)
{
    (void)state;
    static const uint8_t likely[] = {0x10, 0x20, 0x30, 0x40, 0x50, 0x00, 0x01, 0x02,
                                     0x0B, 0x15, 0x7F, 0x80, 0x81, 0x93, 0xFE, 0xFF};
    seed = 7;
    int accepted = 0;
    for (int round = 0; round < 200000; round++) {
        uint8_t bytes[12] = {'t', draw(2) ? 0x40 : 0x50};
        size_t size = 2 + draw(sizeof bytes - 1);
        for (size_t i = 2; i < size; i++)
            bytes[i] = draw(4) ? likely[draw(sizeof likely)] : (uint8_t)draw(256);
        struct key_reader reader = key_read((struct store_slice){bytes, size});
        struct kt_decimal decimal;
        char text[KEY_TEXT_MAX];
        size_t length;
        bool cut;
        struct key again;
        key_begin(&again, 't');
        if (key_read_decimal(&reader, &decimal))
            key_add_decimal(&again, decimal);
        else if (key_read_text(&reader, text, &length, &cut))
            key_add_text(&again, text, length);
        else
            continue;
        accepted++;
        assert_false(again.overflow);
        assert_true(reader.at == bytes + again.size);
        assert_memory_equal(again.bytes, bytes, again.size);
    }
    assert_true(accepted > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_tuples_order_as_their_parts),
        cmocka_unit_test(accepted_bytes_are_canonical),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
