/* Goal: totals always equal what the records add up to, and the full check sees when anything that
 * is kept in step is not.
 * Method: figures worked out by hand; then a thousand random changes against a plain rescan; then
 * damage done past the record engine, each to be named. */
#include "record_fixture.h"

static uint64_t order_on(struct fixture *f, const char *date, const char *lines)
{
    uint64_t id = create(f, "shop.order",
                         json(f, "{'customer': 1, 'date': '%s', 'lines': [%s]}", date, lines));
    assert_int_equal(f->status, KT_OK);
    return id;
}

static void party(struct fixture *f)
{
    create(f, "shop.party", json(f, "{'code': 'A'}"));
}

static void assert_row(struct fixture *f, const char *total, const char *by, const char *measures,
                       int64_t count)
{
    const msgpack_object *values = json(f, "%s", by), *numbers = json(f, "%s", measures);
    struct kt_total_row row;
    assert_int_equal(
        kt_total_get(&f->ctx, total, values->via.array.ptr, values->via.array.size, &row), KT_OK);
    assert_int_equal(row.count, count);
    for (uint32_t i = 0; i < numbers->via.array.size; i++) {
        msgpack_object is = kt_decimal_value(&f->ctx, row.measures[i]);
        assert_value(f, &is, &numbers->via.array.ptr[i]);
    }
}

static size_t row_count(struct fixture *f, const char *total)
{
    struct kt_total_row *rows;
    size_t count;
    assert_int_equal(kt_total_rows(&f->ctx, total, NULL, 0, &rows, &count), KT_OK);
    return count;
}

static void lines_enter_by_product_and_month_when_confirmed(void **state)
{
    struct fixture *f = *state;
    party(f);
    uint64_t id = order_on(f, "2026-11-05",
                           "{'product': 'bolt', 'quantity': '3', 'price': '9.99'},"
                           "{'product': 'bolt', 'quantity': '2', 'price': '10'},"
                           "{'product': 'nut', 'quantity': '1', 'price': '0.5'}");
    assert_int_equal(row_count(f, "shop.sold"), 0); /* A draft sells nothing. */
    transition(f, id, "confirm");
    /* 3 x 9.99 + 2 x 10 = 49.97 in two lines. */
    assert_row(f, "shop.sold", "['bolt', '2026-11-01']", "['5', '49.97']", 2);
    assert_row(f, "shop.sold", "['nut', '2026-11-01']", "['1', '0.50']", 1);
    uint64_t other =
        order_on(f, "2026-11-30", "{'product': 'bolt', 'quantity': '1', 'price': '1'}");
    uint64_t later =
        order_on(f, "2026-12-01", "{'product': 'bolt', 'quantity': '7', 'price': '1'}");
    transition(f, other, "confirm");
    transition(f, later, "confirm");
    transition_by(f, RECORD_BY_SERVER, later, "finish", NULL); /* Still counted. */
    assert_row(f, "shop.sold", "['bolt', '2026-11-01']", "['6', '50.97']", 3);
    assert_row(f, "shop.sold", "['bolt', '2026-12-01']", "['7', '7.00']", 1);
    transition(f, other, "cancel"); /* No longer. */
    assert_row(f, "shop.sold", "['bolt', '2026-11-01']", "['5', '49.97']", 2);
    assert_row(f, "shop.ordered", "[1, '2026-01-01']", "['58.47']", 3);
}

static void rows_that_say_nothing_are_gone(void **state)
{
    struct fixture *f = *state;
    party(f);
    uint64_t id = order_on(f, "2026-11-05", "{'product': 'x', 'quantity': '3', 'price': '1'}");
    transition(f, id, "confirm");
    assert_int_equal(row_count(f, "shop.sold"), 1);
    transition(f, id, "cancel");
    assert_int_equal(row_count(f, "shop.sold"), 0);
    assert_int_equal(row_count(f, "shop.ordered"), 1);
    erase(f, "shop.order", id);
    assert_int_equal(row_count(f, "shop.ordered"), 0);
    assert_row(f, "shop.sold", "['x', '2026-11-01']", "['0', '0.00']", 0);
}

static void a_change_moves_between_rows(void **state)
{
    struct fixture *f = *state;
    party(f);
    uint64_t id = order_on(f, "2026-11-05", "{'product': 'x', 'quantity': '3', 'price': '1'}");
    assert_int_equal(update(f, "shop.order", id, json(f, "{'date': '2027-01-01'}")), KT_OK);
    assert_row(f, "shop.ordered", "[1, '2026-01-01']", "['0.00']", 0);
    assert_row(f, "shop.ordered", "[1, '2027-01-01']", "['3.00']", 1);
}

static void two_legs_keep_double_entry(void **state)
{
    struct fixture *f = *state;
    create(f, "shop.move",
           json(f, "{'lines': [{'product': 'x', 'to': 'main', 'quantity': '10'},"
                   " {'product': 'x', 'from': 'main', 'to': 'shop', 'quantity': '4.5'}]}"));
    assert_row(f, "shop.stock", "['x', 'main']", "['5.5']", 2);
    assert_row(f, "shop.stock", "['x', 'shop']", "['4.5']", 1);
    assert_row(f, "shop.stock", "['x', null]", "['-10']", 1);
    struct kt_total_row sum;
    msgpack_object product = kt_text("x");
    assert_int_equal(kt_total_sum(&f->ctx, "shop.stock", &product, 1, &sum), KT_OK);
    assert_true(kt_decimal_is_zero(sum.measures[0]));
    assert_int_equal(sum.count, 4);
}

static void rows_come_by_prefix_and_in_order(void **state)
{
    struct fixture *f = *state;
    create(f, "shop.move",
           json(f, "{'lines': [{'product': 'b', 'to': 'z', 'quantity': '1'},"
                   " {'product': 'bb', 'to': 'a', 'quantity': '2'},"
                   " {'product': 'b', 'to': 'a', 'quantity': '3'}]}"));
    assert_int_equal(record_reply_totals(&f->ctx, json(f, "{'total': 'shop.stock', 'by': ['b']}")),
                     KT_OK);
    assert_value(f, answer(f),
                 json(f, "{'rows': [{'by': ['b', null], 'quantity': '-4', 'count': 2},"
                         " {'by': ['b', 'a'], 'quantity': '3', 'count': 1},"
                         " {'by': ['b', 'z'], 'quantity': '1', 'count': 1}]}"));
    assert_int_equal(record_reply_totals(&f->ctx, json(f, "{'total': 'shop.none'}")), KT_NOT_FOUND);
    context_forgive(&f->ctx);
    assert_int_equal(record_reply_totals(&f->ctx, json(f, "{'total': 'shop.stock', 'by': 'b'}")),
                     KT_INVALID);
    context_forgive(&f->ctx);
    msgpack_object values[3] = {kt_text("b"), kt_text("a"), kt_text("c")};
    struct kt_total_row row;
    assert_int_equal(kt_total_get(&f->ctx, "shop.stock", values, 1, &row), KT_INVALID);
    context_forgive(&f->ctx);
    assert_int_equal(kt_total_get(&f->ctx, "shop.stock", values, 3, &row), KT_INVALID);
    context_forgive(&f->ctx);
}

/* --- The check --- */

static const msgpack_object *check(struct fixture *f)
{
    assert_int_equal(record_check_all(&f->ctx), KT_OK);
    return answer(f);
}

static void assert_sound(struct fixture *f)
{
    const msgpack_object *told = check(f);
    if (kt_get_int(told, "count"))
        assert_value(f, kt_get(told, "problems"), json(f, "[]"));
}

/* Exactly one problem, of that kind, whose text says so. */
static void assert_problem(struct fixture *f, const char *what, const char *entity, uint64_t id,
                           const char *text)
{
    const msgpack_object *told = check(f), *first = kt_at(told, "problems", 0);
    if (kt_get_int(told, "count") != 1 || !kt_is(first, "what", what))
        msgpack_object_print(stderr, *told);
    assert_int_equal(kt_get_int(told, "count"), 1);
    assert_true(kt_is(first, "what", what));
    assert_true(kt_is(first, "entity", entity));
    assert_int_equal(kt_get_id(first, "id"), id);
    const char *is = kt_get_text(&f->ctx, first, "text");
    if (!strstr(is, text))
        assert_string_equal(is, text);
}

static void fill(struct fixture *f)
{
    party(f);
    create(f, "shop.party", json(f, "{'code': 'B', 'parent': 1, 'tags': ['x', 'y']}"));
    uint64_t id =
        order_on(f, "2026-11-05", "{'product': 'bolt', 'quantity': '3', 'price': '1', 'maker': 2}");
    transition(f, id, "confirm");
    assert_sound(f);
}

static const struct schema_index *index_of(struct fixture *f, const char *entity, const char *name)
{
    const struct schema_entity *there = entity_of(f, entity);
    for (size_t i = 0; i < there->index_count; i++)
        if (strcmp(strchr(there->indexes[i].name, '#') + 1, name) == 0)
            return &there->indexes[i];
    fail_msg("no index %s", name);
    return NULL;
}

static void the_check_counts_what_it_saw(void **state)
{
    struct fixture *f = *state;
    fill(f);
    /* Each party: code, name, credit, rating, parent, kind+name; B also two tags: 6 + 8.
     * The order: number, customer, date, state, lines.product, lines.maker, customer+product,
     * product+maker, reason+product: 9. Rows: sold 1, ordered 1. References: parent, customer,
     * maker. Changes: three creations, a confirmation. */
    assert_value(f, kt_get(check(f), "checked"),
                 json(f, "{'records': 3, 'index_entries': 22, 'total_rows': 2, 'references': 3, "
                         "'words': 0, 'changes': 4, 'files': 0}"));
}

static void a_lost_index_entry_is_named(void **state)
{
    struct fixture *f = *state;
    struct key key;
    fill(f);
    record_index_begin(&key, index_of(f, "shop.party", "tags"));
    key_add_text(&key, "y", 1);
    key_add_u64(&key, 2);
    assert_int_equal(store_del(f->txn, key_slice(&key)), KT_OK);
    assert_problem(f, "index", "shop.party", 2, "shop.party#tags lacks record 2");
}

static void a_stray_index_entry_is_named(void **state)
{
    struct fixture *f = *state;
    struct key key;
    fill(f);
    record_index_begin(&key, index_of(f, "shop.party", "rating"));
    key_add_int(&key, 5);
    key_add_u64(&key, 2);
    assert_int_equal(store_put(f->txn, key_slice(&key), (struct store_slice){NULL, 0}), KT_OK);
    assert_problem(f, "index", "shop.party", 2, "does not belong there");
}

static void a_unique_key_of_another_is_named(void **state)
{
    struct fixture *f = *state;
    struct key key;
    uint64_t wrong = 1;
    fill(f);
    record_index_begin(&key, index_of(f, "shop.party", "code"));
    key_add_text(&key, "B", 1);
    assert_int_equal(
        store_put(f->txn, key_slice(&key), (struct store_slice){&wrong, sizeof(wrong)}), KT_OK);
    /* Seen from both sides: record 2 has lost its key, and record 1 has one too many. */
    const msgpack_object *told = check(f);
    assert_int_equal(kt_get_int(told, "count"), 2);
    assert_value(f, kt_get(kt_at(told, "problems", 0), "text"),
                 json(f, "'shop.party#code gives the value of record 2 to record 1'"));
    assert_value(f, kt_get(kt_at(told, "problems", 1), "text"),
                 json(f, "'shop.party#code has an entry for record 1 that does not belong there'"));
}

static void a_unique_key_of_nobody_is_named(void **state)
{
    struct fixture *f = *state;
    struct key key;
    uint64_t nobody = 99;
    fill(f);
    record_index_begin(&key, index_of(f, "shop.party", "code"));
    key_add_text(&key, "Z", 1);
    assert_int_equal(
        store_put(f->txn, key_slice(&key), (struct store_slice){&nobody, sizeof(nobody)}), KT_OK);
    assert_problem(f, "unique", "shop.party", 99, "does not belong there");
}

static void a_dangling_reference_is_named(void **state)
{
    struct fixture *f = *state;
    struct key key;
    fill(f);
    /* Party 2 goes without a word to its indexes; its order and its own entries stay behind. */
    record_key(&key, entity_of(f, "shop.party"), 2);
    assert_int_equal(store_del(f->txn, key_slice(&key)), KT_OK);
    const msgpack_object *told = check(f);
    bool named = false;
    for (size_t i = 0; i < kt_count(told, "problems"); i++)
        named = named || kt_is(kt_at(told, "problems", i), "text",
                               "maker of record 1 refers to shop.party 2, which is not there");
    assert_true(named);
    /* And its eight strays, a history without an end, and one party less than counted. */
    assert_int_equal(kt_get_int(told, "count"), 1 + 8 + 1 + 1);
}

static void a_wrong_total_is_named(void **state)
{
    struct fixture *f = *state;
    struct key key;
    fill(f);
    record_total_begin(&key, schema_total(f->schema, "shop.sold"));
    key_add_text(&key, "bolt", 4);
    key_add_text(&key, "2026-11-01", 10);
    struct store_slice row;
    assert_int_equal(store_get(f->txn, key_slice(&key), &row), KT_OK);
    /* [1, "3", "3"]: the quantity becomes 4. */
    char bytes[16];
    assert_true(row.size < sizeof(bytes));
    memcpy(bytes, row.at, row.size);
    bytes[3] = '4';
    assert_int_equal(store_put(f->txn, key_slice(&key), (struct store_slice){bytes, row.size}),
                     KT_OK);
    assert_problem(f, "total", "shop.order", 0,
                   "row [bolt, 2026-11-01] of shop.sold: quantity is 4, the records add up to 3");
    assert_int_equal(store_del(f->txn, key_slice(&key)), KT_OK);
    assert_problem(f, "total", "shop.order", 0, "row [bolt, 2026-11-01] of shop.sold is not there");
    assert_int_equal(store_put(f->txn, key_slice(&key), (struct store_slice){"\xc0", 1}), KT_OK);
    assert_problem(f, "total", "shop.order", 0, "cannot be read");
}

static void a_total_of_nothing_is_named(void **state)
{
    struct fixture *f = *state;
    struct key key;
    fill(f);
    record_total_begin(&key, schema_total(f->schema, "shop.stock"));
    key_add_text(&key, "x", 1);
    key_add_nil(&key);
    assert_int_equal(store_put(f->txn, key_slice(&key),
                               (struct store_slice){"\x92\x00\xa1"
                                                    "7",
                                                    4}),
                     KT_OK);
    assert_problem(f, "total", "shop.move", 0,
                   "row [x, nothing] of shop.stock: quantity is 7, the records add up to 0");
}

static void a_broken_record_is_named(void **state)
{
    struct fixture *f = *state;
    struct key key;
    fill(f);
    create(f, "shop.move", json(f, "{'lines': [{'product': 'x', 'quantity': '0'}]}"));
    record_key(&key, entity_of(f, "shop.move"), 1);
    assert_int_equal(store_put(f->txn, key_slice(&key), (struct store_slice){"\xc1", 1}), KT_OK);
    const msgpack_object *told = check(f);
    assert_true(kt_is(kt_at(told, "problems", 0), "what", "record"));
    assert_true(kt_is(kt_at(told, "problems", 0), "text", "record 1 cannot be read"));
    assert_int_equal(kt_get_int(told, "count"), 2); /* And its row of two zero legs, counted 2. */
}

static void of_many_problems_a_hundred_are_told(void **state)
{
    struct fixture *f = *state;
    fill(f);
    for (uint64_t id = 100; id < 250; id++) {
        struct key key;
        record_index_begin(&key, index_of(f, "shop.party", "rating"));
        key_add_nil(&key);
        key_add_u64(&key, id);
        assert_int_equal(store_put(f->txn, key_slice(&key), (struct store_slice){NULL, 0}), KT_OK);
    }
    const msgpack_object *told = check(f);
    assert_int_equal(kt_count(told, "problems"), 100);
    assert_int_equal(kt_get_int(told, "count"), 150);
}

/* --- A thousand changes --- */

static const char *some_lines(struct fixture *f)
{
    static const char *const products[] = {"bolt", "nut", "washer", "pin"};
    const char *lines = "";
    for (int i = rand() % 4; i > 0; i--)
        lines = kt_format(&f->ctx, "%s%s{'product': '%s', 'quantity': '%d.%d', 'price': '%d.%02d'}",
                          lines, *lines ? "," : "", products[rand() % 4], 1 + rand() % 9,
                          rand() % 10, rand() % 100, rand() % 100);
    return lines;
}

/* The whole of a total by looking at every order, the slow way. */
static void assert_sold(struct fixture *f, const char *product, const char *month)
{
    const struct kt_query all = {.entity = "shop.order"};
    const msgpack_object **orders;
    size_t count;
    struct kt_decimal quantity = KT_DECIMAL_ZERO, amount = KT_DECIMAL_ZERO;
    int64_t lines = 0;
    assert_int_equal(kt_record_search(&f->ctx, &all, &orders, &count), KT_OK);
    for (size_t i = 0; i < count; i++) {
        if (strncmp(kt_get_text(&f->ctx, orders[i], "date"), month, 7) != 0 ||
            (!kt_is(orders[i], "state", "confirmed") && !kt_is(orders[i], "state", "done")))
            continue;
        for (size_t l = 0; l < kt_count(orders[i], "lines"); l++) {
            const msgpack_object *line = kt_at(orders[i], "lines", l);
            if (!kt_is(line, "product", product))
                continue;
            quantity = kt_decimal_add(quantity, kt_get_decimal(line, "quantity"));
            amount = kt_decimal_add(amount, kt_get_decimal(line, "amount"));
            lines++;
        }
    }
    struct kt_total_row row;
    const msgpack_object by[] = {kt_text(product), kt_text(month)};
    assert_int_equal(kt_total_get(&f->ctx, "shop.sold", by, 2, &row), KT_OK);
    assert_int_equal(row.count, lines);
    assert_int_equal(kt_decimal_compare(row.measures[0], quantity), 0);
    assert_int_equal(kt_decimal_compare(row.measures[1], amount), 0);
}

static void a_thousand_changes_leave_everything_in_step(void **state)
{
    static const char *const verbs[] = {"confirm", "cancel", "finish"};
    struct fixture *f = *state;
    srand(2);
    for (int i = 0; i < 4; i++)
        create(f, "shop.party", json(f, "{'code': 'P%d', 'rating': %d}", i, i));
    for (int round = 0; round < 1000; round++) {
        uint64_t id = (uint64_t)(1 + rand() % 60);
        int maker = 1 + rand() % 4;
        switch (rand() % 8) {
        case 0:
        case 1:
            create(f, "shop.order",
                   json(f, "{'customer': %d, 'date': '2026-%02d-15', 'lines': [%s]}", maker,
                        10 + rand() % 3, some_lines(f)));
            break;
        case 2:
            update(f, "shop.order", id, json(f, "{'lines': [%s]}", some_lines(f)));
            break;
        case 3:
            update(f, "shop.order", id,
                   json(f, "{'customer': %d, 'date': '2026-%02d-20'}", maker, 10 + rand() % 3));
            break;
        case 4:
            erase(f, "shop.order", id);
            break;
        case 5:
            update(f, "shop.party", (uint64_t)maker,
                   json(f, "{'tags': ['t%d', 'u%d'], 'email': 'm%d@x', 'parent': %d}", rand() % 5,
                        rand() % 5, rand() % 6, 1 + rand() % 4));
            break;
        default:
            transition_by(f, RECORD_BY_SERVER, id, verbs[rand() % 3], NULL);
        }
        forget(f);
    }
    assert_sound(f);
    static const char *const products[] = {"bolt", "nut", "washer", "pin"};
    for (size_t i = 0; i < 4; i++) {
        assert_sold(f, products[i], "2026-10-01");
        assert_sold(f, products[i], "2026-11-01");
        assert_sold(f, products[i], "2026-12-01");
    }
    assert_true(row_count(f, "shop.sold") > 3);
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        STORY(lines_enter_by_product_and_month_when_confirmed),
        STORY(rows_that_say_nothing_are_gone),
        STORY(a_change_moves_between_rows),
        STORY(two_legs_keep_double_entry),
        STORY(rows_come_by_prefix_and_in_order),
        STORY(the_check_counts_what_it_saw),
        STORY(a_lost_index_entry_is_named),
        STORY(a_stray_index_entry_is_named),
        STORY(a_unique_key_of_another_is_named),
        STORY(a_unique_key_of_nobody_is_named),
        STORY(a_dangling_reference_is_named),
        STORY(a_wrong_total_is_named),
        STORY(a_total_of_nothing_is_named),
        STORY(a_broken_record_is_named),
        STORY(of_many_problems_a_hundred_are_told),
        STORY(a_thousand_changes_leave_everything_in_step),
    };
    return cmocka_run_group_tests(stories, NULL, NULL);
}
