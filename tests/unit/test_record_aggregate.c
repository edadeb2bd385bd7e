/* Goal: an aggregate counts, adds and averages exactly what matches, by fields, along references,
 * by lines and by spans of time, and refuses what has no answer.
 * Method: five orders of two customers, each number worked out by hand. */
#include "query_fixture.h"

/*  order  customer  date        lines (product quantity price)   total
 *    1    Ada       2025-12-31  bolt 3 x 1.00, nut 10 x 0.10      4.00
 *    2    Bob       2026-01-01  bolt 1 x 1.00                     1.00
 *    3    Ada       2026-01-04  nut 5 x 0.50                      2.50
 *    4    Ada       2026-01-05  (none)                            0.00
 *    5    Bob       2026-04-01  pin 2 x 0.05, bolt 2 x 2.00       4.10
 *  2026-01-04 is a Sunday; 2025-12-31 to 2026-01-04 are one ISO week, of Monday 2025-12-29. */
static int open_books(void **state)
{
    static const char *const orders[] = {
        "'customer': 1, 'date': '2025-12-31', 'lines': [{'product': 'bolt', 'quantity': '3',"
        " 'price': '1'}, {'product': 'nut', 'quantity': '10', 'price': '0.10'}]",
        "'customer': 2, 'date': '2026-01-01', 'lines': [{'product': 'bolt', 'quantity': '1',"
        " 'price': '1'}]",
        "'customer': 1, 'date': '2026-01-04', 'lines': [{'product': 'nut', 'quantity': '5',"
        " 'price': '0.5'}]",
        "'customer': 1, 'date': '2026-01-05'",
        "'customer': 2, 'date': '2026-04-01', 'lines': [{'product': 'pin', 'quantity': '2',"
        " 'price': '0.05'}, {'product': 'bolt', 'quantity': '2', 'price': '2'}]",
    };
    if (set_up(state) != 0)
        return -1;
    struct fixture *f = *state;
    create(f, "shop.party",
           json(f, "{'code': 'A', 'name': 'Ada', 'region': 'North', 'rating': 3}"));
    create(f, "shop.party", json(f, "{'code': 'B', 'name': 'Bob', 'rating': 4}"));
    for (size_t i = 0; i < KT_COUNT(orders); i++)
        create(f, "shop.order", json(f, "{%s}", orders[i]));
    return f->status == KT_OK ? 0 : -1;
}

#define BOOKS(function) cmocka_unit_test_setup_teardown(function, open_books, tear_down)

static void expect(struct fixture *f, const char *entity, const char *params, const char *groups)
{
    enum kt_status status =
        record_reply_aggregate(&f->ctx, entity_of(f, entity), json(f, "%s", params));
    if (status != KT_OK)
        fail_msg("%s: %s", params, f->ctx.error.message);
    assert_value(f, kt_get(answer(f), "groups"), json(f, "%s", groups));
}

static void sums_are_exact_and_keep_their_digits(void **state)
{
    struct fixture *f = *state;
    expect(f, "shop.order", "{'by': ['customer'], 'sum': ['total'], 'max': 'total'}",
           "[{'by': [1], 'count': 3, 'sum': {'total': '6.50'}, 'max': {'total': '4.00'}},"
           " {'by': [2], 'count': 2, 'sum': {'total': '5.10'}, 'max': {'total': '4.10'}}]");
    /* 11.60 / 5 = 2.32; the dates are texts that compare as days. */
    expect(f, "shop.order", "{'avg': ['total'], 'min': ['date', 'total'], 'max': ['date']}",
           "[{'by': [], 'count': 5, 'avg': {'total': '2.32'},"
           " 'min': {'date': '2025-12-31', 'total': '0.00'}, 'max': {'date': '2026-04-01'}}]");
    /* 6.50 / 3 = 2.16666..., rounded half away from zero at two digits more than money has. */
    expect(f, "shop.order", "{'where': [['customer', '=', 1]], 'avg': ['total']}",
           "[{'by': [], 'count': 3, 'avg': {'total': '2.1667'}}]");
    expect(f, "shop.party", "{'sum': ['rating', 'credit'], 'avg': ['rating', 'credit']}",
           "[{'by': [], 'count': 2, 'sum': {'rating': '7', 'credit': '0.00'},"
           " 'avg': {'rating': '3.5', 'credit': null}}]");
}

static void dates_are_cut_to_the_first_day(void **state)
{
    struct fixture *f = *state;
    expect(f, "shop.order", "{'by': ['date:week'], 'sum': ['total']}",
           "[{'by': ['2025-12-29'], 'count': 3, 'sum': {'total': '7.50'}},"
           " {'by': ['2026-01-05'], 'count': 1, 'sum': {'total': '0.00'}},"
           " {'by': ['2026-03-30'], 'count': 1, 'sum': {'total': '4.10'}}]");
    expect(f, "shop.order", "{'by': ['date:quarter']}",
           "[{'by': ['2025-10-01'], 'count': 1}, {'by': ['2026-01-01'], 'count': 3},"
           " {'by': ['2026-04-01'], 'count': 1}]");
    expect(f, "shop.order", "{'by': ['date:year', 'customer'], 'order': ['-date:year']}",
           "[{'by': ['2026-01-01', 1], 'count': 2}, {'by': ['2026-01-01', 2], 'count': 2},"
           " {'by': ['2025-01-01', 1], 'count': 1}]");
    expect(f, "shop.order", "{'by': 'date:month', 'where': [['date', '<', '2026-02-01']]}",
           "[{'by': ['2025-12-01'], 'count': 1}, {'by': ['2026-01-01'], 'count': 3}]");
    expect(f, "shop.party", "{'by': ['seen:day']}", "[{'by': ['2026-11-23'], 'count': 2}]");
}

static void lines_and_references_are_grouped(void **state)
{
    struct fixture *f = *state;
    expect(f, "shop.order", "{'by': ['lines.product'], 'sum': ['lines.quantity', 'lines.amount']}",
           "[{'by': ['bolt'], 'count': 3, 'sum': {'lines.quantity': '6', 'lines.amount': '8.00'}},"
           " {'by': ['nut'], 'count': 2, 'sum': {'lines.quantity': '15', 'lines.amount': '3.50'}},"
           " {'by': ['pin'], 'count': 1, 'sum': {'lines.quantity': '2', 'lines.amount': '0.10'}}]");
    expect(f, "shop.order", "{'by': ['customer.region', 'customer.name'], 'sum': 'total'}",
           "[{'by': [null, 'Bob'], 'count': 2, 'sum': {'total': '5.10'}},"
           " {'by': ['North', 'Ada'], 'count': 3, 'sum': {'total': '6.50'}}]");
    expect(f, "shop.order",
           "{'by': ['lines.product'], 'where': [['customer.name', '=', 'Bob']], 'order': '-count',"
           " 'limit': 1}",
           "[{'by': ['bolt'], 'count': 2}]");
}

static void groups_are_chosen_and_ordered_by_what_was_found(void **state)
{
    struct fixture *f = *state;
    expect(f, "shop.order",
           "{'by': ['lines.product'], 'sum': ['lines.amount'], 'order': ['-sum.lines.amount']}",
           "[{'by': ['bolt'], 'count': 3, 'sum': {'lines.amount': '8.00'}},"
           " {'by': ['nut'], 'count': 2, 'sum': {'lines.amount': '3.50'}},"
           " {'by': ['pin'], 'count': 1, 'sum': {'lines.amount': '0.10'}}]");
    expect(f, "shop.order",
           "{'by': ['lines.product'], 'sum': ['lines.amount'],"
           " 'having': [['sum.lines.amount', '<', 8], ['count', '>', 1]]}",
           "[{'by': ['nut'], 'count': 2, 'sum': {'lines.amount': '3.50'}}]");
    expect(f, "shop.order",
           "{'by': ['customer'], 'max': ['date'], 'having': [['max.date', '>=', '2026-02-01']]}",
           "[{'by': [2], 'count': 2, 'max': {'date': '2026-04-01'}}]");
    expect(f, "shop.order", "{'by': ['customer'], 'where': [['id', '>', 99]]}", "[]");
    expect(f, "shop.order", "{'where': [['id', '>', 99]], 'sum': 'total', 'min': 'total'}",
           "[{'by': [], 'count': 0, 'sum': {'total': '0.00'}, 'min': {'total': null}}]");
}

static void what_has_no_answer_is_refused(void **state)
{
    static const struct {
        const char *params, *field;
    } cases[] = {
        {"{'by': ['colour']}", "colour"},
        {"{'by': [5]}", "by"},
        {"{'by': ['lines']}", "lines"},
        {"{'by': ['number:month']}", "number:month"},
        {"{'by': ['date:decade']}", "date:decade"},
        {"{'sum': ['date']}", "date"},
        {"{'sum': ['number']}", "number"},
        {"{'avg': ['lines']}", "lines"},
        {"{'by': ['lines.product'], 'sum': ['total']}", "total"},
        {"{'by': ['customer'], 'order': ['total']}", "order"},
        {"{'sum': ['total'], 'having': [['sum.colour', '>', 1]]}", "having"},
        {"{'sum': ['total'], 'having': [['sum.total', 'like', 'x']]}", "having"},
        {"{'sum': ['total'], 'having': [['sum.total', '>', 'x']]}", "having"},
        {"{'sum': ['total'], 'having': ['x']}", "having"},
        {"{'where': [['colour', '=', 1]]}", "colour"},
        {"{'limit': 0}", "limit"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < KT_COUNT(cases); i++) {
        enum kt_status status = record_reply_aggregate(&f->ctx, entity_of(f, "shop.order"),
                                                       json(f, "%s", cases[i].params));
        if (status != KT_INVALID)
            print_error("%s\n", cases[i].params);
        assert_int_equal(status, KT_INVALID);
        assert_string_equal(f->ctx.error.field, cases[i].field);
        context_forgive(&f->ctx);
    }
}

/* Texts that are alike for 120 bytes, as far as keys go, are still two groups, in order. */
static void long_texts_are_groups_of_their_own(void **state)
{
    struct fixture *f = *state;
    char same[131];
    memset(same, 'x', 130);
    same[130] = '\0';
    create(f, "shop.party", json(f, "{'code': 'C', 'name': '%sb'}", same));
    create(f, "shop.party", json(f, "{'code': 'D', 'name': '%sa'}", same));
    create(f, "shop.party", json(f, "{'code': 'E', 'name': '%sb'}", same));
    assert_int_equal(record_reply_aggregate(&f->ctx, entity_of(f, "shop.party"),
                                            json(f, "{'by': ['name'], 'where': [['id', '>', 2]]}")),
                     KT_OK);
    assert_int_equal(kt_count(answer(f), "groups"), 2);
    assert_int_equal(kt_get_int(kt_at(answer(f), "groups", 0), "count"), 1);
    assert_int_equal(kt_get_int(kt_at(answer(f), "groups", 1), "count"), 2);
}

/* A total cuts as an aggregate does; of an instant, the day in UTC. */
static const char *const by_spans[] = {"date:week", "date:quarter", "number"};
static const char *const by_days[] = {"seen:day", "seen:week", "kind"};
static const struct kt_measure no_measures[] = {{.name = "rating", .field = "rating"}};
static const struct kt_measure totals_measured[] = {{.name = "total", .field = "total"}};
static const struct kt_leg span_legs[] = {{.by = KT_LIST(by_spans), .measures = totals_measured}};
static const struct kt_leg day_legs[] = {{.by = KT_LIST(by_days), .measures = no_measures}};
static const struct kt_total cut_totals[] = {
    {.name = "shop.spans",
     .entity = "shop.order",
     .measure_count = 1,
     .legs = span_legs,
     .leg_count = 1},
    {.name = "shop.days",
     .entity = "shop.party",
     .measure_count = 1,
     .legs = day_legs,
     .leg_count = 1},
};

static void totals_are_cut_alike(void **state)
{
    struct fixture *f = *state;
    struct kt_plugin plugin = shop_plugin;
    struct schema_module module = {.plugin = &plugin, .enabled = true};
    struct schema *schema;
    struct kt_total_row row;
    char why[512] = "";
    plugin.totals = (struct kt_totals)KT_LIST(cut_totals);
    assert_int_equal(schema_build(&module, 1, "EUR", f->txn, &schema, why, sizeof(why)), KT_OK);
    schema_free(f->schema);
    f->schema = schema;
    f->ctx.schema = schema;
    uint64_t id = create(f, "shop.order",
                         json(f, "{'customer': 1, 'date': '2026-01-04', 'lines': [{'product': 'x',"
                                 " 'quantity': '1', 'price': '7'}]}"));
    const msgpack_object spans[] = {kt_text("2025-12-29"), kt_text("2026-01-01"),
                                    *kt_get(load(f, "shop.order", id), "number")};
    assert_int_equal(kt_total_get(&f->ctx, "shop.spans", spans, 3, &row), KT_OK);
    assert_int_equal(row.count, 1);
    assert_int_equal(kt_decimal_compare(row.measures[0], kt_decimal_from_int(7)), 0);
    /* The fixture's now is 2026-11-23T00:00:00Z, a Monday. */
    create(f, "shop.party", json(f, "{'code': 'Z', 'rating': 5}"));
    const msgpack_object days[] = {kt_text("2026-11-23"), kt_text("2026-11-23"),
                                   kt_text("company")};
    assert_int_equal(kt_total_get(&f->ctx, "shop.days", days, 3, &row), KT_OK);
    assert_int_equal(row.count, 1);
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        BOOKS(sums_are_exact_and_keep_their_digits),
        BOOKS(dates_are_cut_to_the_first_day),
        BOOKS(lines_and_references_are_grouped),
        BOOKS(groups_are_chosen_and_ordered_by_what_was_found),
        BOOKS(what_has_no_answer_is_refused),
        BOOKS(long_texts_are_groups_of_their_own),
        BOOKS(totals_are_cut_alike),
    };
    return cmocka_run_group_tests(stories, NULL, NULL);
}
