/* Goal: a search takes the way that looks at least, says which, ends its page rather than look at
 * too much, counts without looking where it can, and tells nothing of what the user may not read.
 * Method: three hundred parties in a hundred regions' ranks and nine hundred orders; plans as
 * explained; a scan limit that is lowered for the story. */
#include "query_fixture.h"
#include "record/verify.h"

/* Party n (1..300): rating n % 100, kind person when n % 2; name P<n>. Orders 1..900: of party
 * n % 300 + 1, on day n % 28 + 1 of January, confirmed when n % 90 == 0. */
static int open_market(void **state)
{
    if (set_up(state) != 0)
        return -1;
    struct fixture *f = *state;
    f->filling = true;
    for (int n = 1; n <= 300; n++) {
        create(f, "shop.party",
               json(f,
                    "{'code': 'C%d', 'name': 'P%d', 'rating': %d, 'kind': '%s', 'region': 'R%d'}",
                    n, n, n % 100, n % 2 ? "person" : "company", n % 7));
        forget(f);
    }
    for (int n = 1; n <= 900; n++) {
        uint64_t id =
            create(f, "shop.order",
                   json(f, "{'customer': %d, 'date': '2026-01-%02d'}", n % 300 + 1, n % 28 + 1));
        if (n % 90 == 0)
            transition(f, id, "confirm");
        forget(f);
    }
    f->filling = false;
    return 0;
}

#define MARKET(function) cmocka_unit_test_setup_teardown(function, open_market, tear_down)

static const msgpack_object *plan_of(struct fixture *f, const char *entity, const char *params)
{
    assert_int_equal(record_reply_search(&f->ctx, entity_of(f, entity), json(f, "%s", params)),
                     KT_OK);
    return kt_get(answer(f), "plan");
}

static void expect_plan(const msgpack_object *plan, const char *index, const char *order,
                        int64_t most, int64_t matched)
{
    if (!kt_is(plan, "index", index) || !kt_is(plan, "order", order) ||
        kt_get_int(plan, "looked") > most || kt_get_int(plan, "matched") != matched)
        msgpack_object_print(stderr, *plan);
    assert_true(kt_is(plan, "index", index));
    assert_true(kt_is(plan, "order", order));
    assert_true(kt_get_int(plan, "looked") <= most);
    assert_int_equal(kt_get_int(plan, "matched"), matched);
}

static void the_way_that_looks_at_least_is_taken(void **state)
{
    struct fixture *f = *state;
    /* Three parties have rating 42: better than twenty in the order of names. */
    expect_plan(plan_of(f, "shop.party",
                        "{'where': [['rating', '=', 42], ['kind', '=', 'company']],"
                        " 'order': 'name', 'limit': 20, 'explain': true}"),
                "rating", "sort", 3, 3);
    /* Half of all are persons: the compound index gives them by name. */
    expect_plan(plan_of(f, "shop.party",
                        "{'where': [['kind', '=', 'person']], 'order': '-name', 'limit': 5,"
                        " 'explain': true}"),
                "kind+name", "index", 5, 5);
    /* Both kinds, side by side, still by name. */
    expect_plan(plan_of(f, "shop.party",
                        "{'where': [['kind', 'in', ['person', 'company']]], 'order': 'name',"
                        " 'limit': 5, 'explain': true}"),
                "kind+name", "index", 5, 5);
    expect_plan(plan_of(f, "shop.party", "{'where': [['id', 'in', [7, 5]]], 'explain': true}"),
                "records", "id", 2, 2);
    /* Few customers have the rating: they are found first, then their orders by reference. */
    const msgpack_object *plan = plan_of(
        f, "shop.order", "{'where': [['customer.rating', '=', 42]], 'limit': 50, 'explain': true}");
    expect_plan(plan, "customer", "index", 9, 9);
    assert_value(f, kt_get(plan, "joins"), json(f, "[{'reference': 'customer', 'records': 3}]"));
    assert_value(f, kt_get(plan, "equal"), json(f, "['customer']"));
    assert_true(*kt_get_text(&f->ctx, plan, "text") && *kt_get_text(&f->ctx, plan, "text_zh"));
    /* Each branch by its own index: 3 of rating 42, 1 of the name, together at most 4. */
    plan = plan_of(f, "shop.party",
                   "{'where': [['or', ['rating', '=', 42], ['name', '=', 'P7']]], 'order': '-id',"
                   " 'explain': true}");
    assert_int_equal(kt_count(plan, "branches"), 2);
    assert_int_equal(kt_get_int(plan, "looked"), 4);
}

/* The pages of a question whose walk may look at `most` records at a time. */
static const char *short_pages(struct fixture *f, struct record_question asked, uint64_t most,
                               int *pages)
{
    char *ids = kt_alloc(&f->ctx, FOUND_MAX);
    msgpack_object next = kt_nil(), after;
    *pages = 0;
    asked.paged = true;
    asked.limit = 10;
    do {
        struct record_query *query;
        after = next;
        asked.after = *pages ? &after : NULL;
        assert_int_equal(record_query_compile(&f->ctx, &asked, &query), KT_OK);
        query->most = most;
        assert_int_equal(record_query_run(&f->ctx, query, note_id, ids, &next), KT_OK);
        assert_true(++*pages < 1000);
    } while (next.type != MSGPACK_OBJECT_NIL);
    return ids;
}

static void a_page_ends_early_rather_than_look_at_too_much(void **state)
{
    struct fixture *f = *state;
    static const char *const orders[] = {NULL, "-id", "date", "-date"};
    int pages;
    for (size_t i = 0; i < KT_COUNT(orders); i++) {
        struct record_question asked =
            question(f, "shop.order", "[['number', 'like', '17']]", orders[i]);
        const char *whole = answer_ids(f, &asked, NULL);
        assert_string_equal(short_pages(f, asked, 40, &pages), whole);
        assert_true(pages >= 900 / 40);
    }
}

static void a_search_that_must_look_at_too_much_says_so(void **state)
{
    struct fixture *f = *state;
    struct record_query *query;
    char ids[FOUND_MAX] = "";
    msgpack_object next;
    struct record_question asked = question(f, "shop.order", "[['number', 'like', '17']]", "total");
    asked.limit = 10;
    asked.paged = true; /* But a sort cannot end early. */
    assert_int_equal(record_query_compile(&f->ctx, &asked, &query), KT_OK);
    query->most = 899;
    assert_int_equal(record_query_run(&f->ctx, query, note_id, ids, &next), KT_TOO_LARGE);
    assert_string_equal(f->ctx.error.field, "where");
    context_forgive(&f->ctx);
    asked.order = NULL;
    asked.paged = false;
    assert_int_equal(record_query_compile(&f->ctx, &asked, &query), KT_OK);
    query->most = 40;
    assert_int_equal(record_query_run(&f->ctx, query, note_id, ids, &next), KT_TOO_LARGE);
    context_forgive(&f->ctx);
}

static void expect_count(struct fixture *f, const char *where, int64_t count, int64_t looked)
{
    assert_int_equal(record_reply_count(&f->ctx, entity_of(f, "shop.party"),
                                        json(f, "{'where': %s, 'explain': true}", where)),
                     KT_OK);
    assert_int_equal(kt_get_int(answer(f), "count"), count);
    assert_int_equal(kt_get_int(kt_get(answer(f), "plan"), "looked"), looked);
}

static void counting_looks_at_keys_or_at_nothing(void **state)
{
    struct fixture *f = *state;
    expect_count(f, "[]", 300, 0);
    expect_count(f, "[['rating', '>=', 98]]", 6, 6);
    expect_count(f, "[['kind', '=', 'person'], ['name', '<', 'P2']]", 56, 56);
    /* Keys are enough, so the records need not be there: their absence goes unnoticed. */
    struct key key;
    record_key(&key, entity_of(f, "shop.party"), 42);
    assert_int_equal(store_del(f->ctx.txn, key_slice(&key)), KT_OK);
    expect_count(f, "[['rating', '=', 42]]", 3, 3);
}

static int64_t problems(struct fixture *f, const char *what)
{
    int64_t count = 0;
    assert_int_equal(record_check_all(&f->ctx), KT_OK);
    const msgpack_object *all = answer(f);
    for (size_t i = 0; i < kt_count(all, "problems"); i++)
        count += kt_is(kt_at(all, "problems", i), "what", what);
    return count;
}

static void the_number_of_records_is_kept_checked_and_built(void **state)
{
    struct fixture *f = *state;
    const struct schema_entity *entity = entity_of(f, "shop.party");
    struct record_counts counts;
    uint64_t id = create(f, "shop.party", json(f, "{'code': 'new'}"));
    assert_int_equal(record_counts_read(&f->ctx, entity, &counts), KT_OK);
    assert_int_equal(counts.all, 301);
    update(f, "shop.party", id, json(f, "{'rating': 1}"));
    erase(f, "shop.party", id);
    assert_int_equal(record_counts_read(&f->ctx, entity, &counts), KT_OK);
    assert_int_equal(counts.all, 300);
    assert_int_equal(problems(f, "count"), 0);
    counts.all = 299;
    assert_int_equal(record_counts_write(&f->ctx, entity, &counts), KT_OK);
    assert_int_equal(problems(f, "count"), 1);
    /* Data of an older server has no such list of what it keeps, and no number. */
    struct key kept;
    key_begin(&kept, SPACE_KEPT);
    key_add_u32(&kept, entity->number);
    if (store_del(f->ctx.txn, key_slice(&kept)) != KT_OK)
        context_forgive(&f->ctx);
    assert_int_equal(record_refresh(&f->ctx, false), KT_OK);
    assert_int_equal(problems(f, "count"), 0);
}

static bool not_parties(const struct kt_ctx *ctx, const char *permission)
{
    (void)ctx;
    return strcmp(permission, "shop.party.read") != 0;
}

static void references_are_followed_only_to_what_the_user_may_read(void **state)
{
    static const char *const params[] = {
        "{'where': [['customer.rating', '=', 42]]}",
        "{'where': [['or', ['id', '=', 1], ['not', ['customer.parent.name', '=', 'x']]]]}",
        "{'order': ['date', '-customer.name']}",
        "{'fields': ['date', 'customer.name']}",
    };
    struct fixture *f = *state;
    struct context_host host = *f->ctx.host;
    const struct schema_entity *orders = entity_of(f, "shop.order");
    host.may = not_parties;
    f->ctx.host = &host;
    for (size_t i = 0; i < KT_COUNT(params); i++) {
        assert_int_equal(record_reply_search(&f->ctx, orders, json(f, "%s", params[i])), KT_DENIED);
        assert_true(strncmp(f->ctx.error.field, "customer", 8) == 0);
        context_forgive(&f->ctx);
    }
    assert_int_equal(
        record_reply_aggregate(&f->ctx, orders, json(f, "{'by': ['customer.region']}")), KT_DENIED);
    context_forgive(&f->ctx);
    assert_int_equal(record_reply_aggregate(&f->ctx, orders, json(f, "{'by': ['customer']}")),
                     KT_OK);
    f->ctx.host = &fixture_host;
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        MARKET(the_way_that_looks_at_least_is_taken),
        MARKET(a_page_ends_early_rather_than_look_at_too_much),
        MARKET(a_search_that_must_look_at_too_much_says_so),
        MARKET(counting_looks_at_keys_or_at_nothing),
        MARKET(the_number_of_records_is_kept_checked_and_built),
        MARKET(references_are_followed_only_to_what_the_user_may_read),
    };
    return cmocka_run_group_tests(stories, NULL, NULL);
}
