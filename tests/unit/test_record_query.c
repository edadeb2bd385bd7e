/* Goal: a search gives exactly the records that satisfy its conditions, in order, page by page, by
 * an index where one fits, and refuses what it cannot understand.
 * Method: eight parties and three orders; each question with its answer as a list of ids; at the
 * end random questions against a plain look at every record. */
#include "query_fixture.h"

static const char *found(struct fixture *f, const char *where, const char *order)
{
    return found_in(f, "shop.party", where, order);
}

static void expect(struct fixture *f, const char *where, const char *ids)
{
    const char *there = found(f, where, NULL);
    if (strcmp(there, ids) != 0)
        print_error("%s\n", where);
    assert_string_equal(there, ids);
}

static void expect_orders(struct fixture *f, const char *where, const char *ids, const char *index)
{
    struct record_question asked = question(f, "shop.order", where, NULL);
    assert_string_equal(answer_ids(f, &asked, NULL), ids);
    assert_string_equal(index_of(f, &asked, NULL), index);
}

static void comparisons_go_by_type(void **state)
{
    struct fixture *f = *state;
    expect(f, "[]", "1 2 3 4 5 6 7 8");
    expect(f, "[['name', '=', 'Bob']]", "2");
    expect(f, "[['name', '<', 'Bob']]", "1");
    expect(f, "[['name', '>=', 'Eve']]", "5 6 7");
    expect(f, "[['rating', '=', 3]]", "2 3 7");
    expect(f, "[['rating', '<', 3]]", "4");
    expect(f, "[['rating', '>', 3], ['rating', '<=', 8]]", "1 5 8");
    expect(f, "[['credit', '=', '9.5']]", "2 5");
    expect(f, "[['credit', '>', '9.50']]", "1 3 7"); /* As numbers: 100 and 1000 are above 20. */
    expect(f, "[['credit', '<', 20]]", "2 5 8");
    expect(f, "[['active', '=', false]]", "5");
    expect(f, "[['since', '<=', '2026-02-01']]", "3 5");
    expect(f, "[['kind', '!=', 'company']]", "2 4 6 8");
    expect(f, "[['id', '>', 6]]", "7 8");
    expect(f, "[['id', '=', 4]]", "4");
    expect(f, "[['id', '=', 44]]", "");
    expect(f, "[['version', '=', 1], ['id', '=', 3]]", "3");
}

static void empty_is_nil_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    expect(f, "[['rating', '=', null]]", "6");
    expect(f, "[['rating', '!=', null]]", "1 2 3 4 5 7 8");
    expect(f, "[['rating', '!=', 3]]", "1 4 5 6 8");
    expect(f, "[['rating', '<', 100]]", "1 2 3 4 5 7 8");
    expect(f, "[['rating', 'in', [null, 5]]]", "1 6");
    expect(f, "[['parent', '=', null]]", "1 5 6 7 8");
}

static void conditions_nest(void **state)
{
    struct fixture *f = *state;
    expect(f, "[['or', ['rating', '=', 5], ['name', '=', 'Fay']]]", "1 6");
    expect(f, "[['kind', '=', 'person'], ['or', ['rating', '=', 3], ['rating', '=', 8]]]", "2 8");
    expect(f, "[['not', ['kind', '=', 'person']]]", "1 3 5 7");
    expect(f, "[['not', ['kind', '=', 'person'], ['rating', '=', 3]]]", "1 3 4 5 6 7 8");
    expect(f, "[['or', ['and', ['rating', '=', 3], ['kind', '=', 'person']], ['id', '=', 1]]]",
           "1 2");
    expect(f, "[['rating', 'in', [5, 8, 99]]]", "1 5 8");
    expect(f, "[['name', 'in', []]]", "");
    expect(f, "[['or']]", "");
    expect(f, "[['and']]", "1 2 3 4 5 6 7 8");
}

static void like_finds_parts_of_text(void **state)
{
    struct fixture *f = *state;
    expect(f, "[['region', 'like', 'NORTH']]", "1 6");
    expect(f, "[['region', 'like', 'ort']]", "1 6");
    expect(f, "[['region', 'like', 'north%']]", "1 6");
    expect(f, "[['region', 'like', '%th']]", "1 7");
    expect(f, "[['region', 'like', 'orth%']]", "");
    expect(f, "[['region', 'like', 'n%w%t']]", "6");
    expect(f, "[['region', 'like', 'n%w']]", "");
    expect(f, "[['region', 'like', '%']]", "1 6 7");
    expect(f, "[['tags', 'like', 'ol']]", "6");
}

static void lists_and_references_are_followed(void **state)
{
    struct fixture *f = *state;
    expect(f, "[['tags', '=', 'red']]", "1 4");
    expect(f, "[['tags', 'in', ['old', 'red']]]", "1 4 6");
    expect(f, "[['parent.name', '=', 'Ada']]", "2 3");
    expect(f, "[['parent.parent.rating', '=', 5]]", "4");
    expect(f, "[['parent.tags', '=', 'big']]", "2 3");
    expect(f, "[['parent.id', '=', 2]]", "4");
    expect_orders(f, "[['lines.product', '=', 'bolt']]", "1 2", "lines.product");
    expect_orders(f, "[['lines.quantity', '>', '6']]", "1 2", "");
    expect_orders(f, "[['lines.maker', '=', 3]]", "2", "lines.maker");
    expect_orders(f, "[['lines.maker', '=', null]]", "1 2 3", "");
    expect_orders(f, "[['customer', '=', 1], ['lines.product', '=', 'nut']]", "1",
                  "customer+lines.product");
    expect_orders(f, "[['customer.name', 'like', 'a%']]", "1 3", "");
}

/* Order 2 has bolts from maker 3 and others; order 4 has bolts from nobody and pins from maker 3.
 */
static void each_condition_may_be_met_by_another_line(void **state)
{
    struct fixture *f = *state;
    create(f, "shop.order",
           json(f, "{'customer': 1, 'lines': [{'product': 'bolt', 'quantity': '1', 'price': '1'},"
                   " {'product': 'pin', 'quantity': '1', 'price': '1', 'maker': 3}]}"));
    assert_string_equal(found_in(f, "shop.order",
                                 "[['lines.product', '=', 'bolt'], ['lines.maker', '=', 3]]", NULL),
                        "2 4");
}

static void order_goes_up_and_down_with_empty_first(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(found(f, "[]", "rating"), "6 4 2 3 7 1 5 8");
    assert_string_equal(found(f, "[]", "-rating"), "8 5 1 7 3 2 4 6");
    assert_string_equal(found(f, "[]", "credit"), "4 6 8 2 5 3 1 7");
    assert_string_equal(found(f, "[]", "-id"), "8 7 6 5 4 3 2 1");
    assert_string_equal(found(f, "[['rating', '>', 3]]", "-rating"), "8 5 1");
    assert_string_equal(found(f, "[['rating', '<', 8]]", "-rating"), "1 7 3 2 4");
    assert_string_equal(found(f, "[['kind', '=', 'person']]", "-name"), "6 4 2 8");
    assert_string_equal(found(f, "[['active', '=', true]]", "region"), "2 3 4 8 1 6 7");
    assert_string_equal(found(f, "[['rating', '=', 3]]", "-region"), "7 3 2");
    assert_string_equal(found(f, "[['parent', '!=', null]]", "-parent.name"), "4 3 2");
}

static void the_best_index_is_taken(void **state)
{
    static const struct {
        const char *where, *order, *index;
        bool sorts;
    } cases[] = {
        {"[['code', '=', 'P1']]", NULL, "code", false}, /* One record is in any order. */
        {"[['code', '=', 'P1']]", "-region", "code", false},
        {"[['rating', '=', 3]]", NULL, "rating", false},
        {"[['rating', '>', 3]]", NULL, "rating", false}, /* Gathered, then by id. */
        {"[['rating', '>', 3]]", "name", "rating", true},
        {"[['rating', '>', 3]]", "rating", "rating", false},
        {"[['kind', '=', 'person'], ['name', '=', 'Bob']]", NULL, "kind+name", false},
        {"[['kind', '=', 'person']]", "name", "kind+name", false},
        {"[]", "name", "name", false},
        {"[['region', '=', 'South']]", NULL, "", false},
        {"[['or', ['rating', '=', 3]]]", NULL, "", false},
        {"[['tags', '=', 'red']]", NULL, "tags", false},
        {"[['tags', '>', 'red']]", NULL, "tags", false},
        {"[['rating', 'in', [3, 8]]]", NULL, "rating", false},
        {"[['kind', 'in', ['person', 'company']]]", "-name", "kind+name", false},
        {"[['id', 'in', [3, 8]]]", "-id", "", false},
        {"[['id', '>', 3]]", NULL, "", false},
        {"[]", "code", "code", false},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < KT_COUNT(cases); i++) {
        struct record_question asked = question(f, "shop.party", cases[i].where, cases[i].order);
        struct query_plan plan;
        assert_string_equal(index_of(f, &asked, &plan), cases[i].index);
        assert_int_equal(plan.sorts, cases[i].sorts);
    }
}

/* All pages of three, joined. */
static const char *all_pages(struct fixture *f, const char *where, const char *order)
{
    char *ids = kt_alloc(&f->ctx, 4096);
    struct record_question asked = question(f, "shop.party", where, order);
    msgpack_object next = kt_nil(), after;
    int pages = 0;
    do {
        after = next;
        asked.limit = 3;
        asked.after = pages ? &after : NULL;
        const char *more = answer_ids(f, &asked, &next);
        size_t used = strlen(ids);
        snprintf(ids + used, 4096 - used, "%s%s", used && *more ? " " : "", more);
        assert_true(++pages < 100);
    } while (next.type != MSGPACK_OBJECT_NIL);
    return ids;
}

static void pages_join_to_the_whole(void **state)
{
    static const char *const orders[] = {NULL,
                                         "id",
                                         "-id",
                                         "rating",
                                         "-rating",
                                         "code",
                                         "credit",
                                         "-region",
                                         "-parent.name",
                                         "seen",
                                         "['kind', '-name']",
                                         "-kind,-name",
                                         "['rating', 'region']",
                                         "['-parent.name', 'rating', '-credit', 'seen']"};
    static const char *const wheres[] = {"[]",
                                         "[['rating', '>', 2]]",
                                         "[['kind', '=', 'person']]",
                                         "[['rating', '=', 3]]",
                                         "[['code', '=', 'P4']]",
                                         "[['kind', 'in', ['person', 'company']]]",
                                         "[['tags', 'in', ['red', 'big', 'red']]]",
                                         "[['tags', '<', 'red']]",
                                         "[['id', 'in', [8, 1, 4, 77]]]",
                                         "[['code', 'in', ['P5', 'P1', 'P3']]]",
                                         "[['id', '=', 4]]"};
    struct fixture *f = *state;
    for (size_t o = 0; o < KT_COUNT(orders); o++)
        for (size_t w = 0; w < KT_COUNT(wheres); w++)
            assert_string_equal(all_pages(f, wheres[w], orders[o]), found(f, wheres[w], orders[o]));
}

static void what_cannot_be_understood_is_refused(void **state)
{
    static const struct {
        const char *where, *order, *field;
        enum kt_status status;
    } cases[] = {
        {"[['colour', '=', 1]]", NULL, "colour", KT_INVALID},
        {"[['parent.colour', '=', 1]]", NULL, "parent.colour", KT_INVALID},
        {"[['name.x', '=', 1]]", NULL, "name.x", KT_INVALID},
        {"[['name', '~', 'x']]", NULL, "where", KT_INVALID},
        {"[['name', '=']]", NULL, "where", KT_INVALID},
        {"['name', '=', 'x']", NULL, "where", KT_INVALID},
        {"{'name': 'x'}", NULL, "where", KT_INVALID},
        {"[['name', '=', 5]]", NULL, "name", KT_INVALID},
        {"[['rating', '=', 'x']]", NULL, "rating", KT_INVALID},
        {"[['credit', '=', 1.5]]", NULL, "credit", KT_INVALID},
        {"[['since', '=', 'x']]", NULL, "since", KT_INVALID},
        {"[['rating', 'in', 5]]", NULL, "rating", KT_INVALID},
        {"[['name', 'like', 5]]", NULL, "name", KT_INVALID},
        {"[['rating', 'like', '3']]", NULL, "rating", KT_INVALID},
        {"[['note', '=', 5]]", NULL, "note", KT_INVALID},
        {"[]", "colour", "colour", KT_INVALID},
        {"[]", "tags", "order", KT_INVALID},
        {"[['or',['or',['or',['or',['or',['or',['or',['or',['or',['id','=',1]]]]]]]]]]]", NULL,
         "where", KT_TOO_LARGE},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < KT_COUNT(cases); i++) {
        struct record_query *query;
        struct record_question asked = question(f, "shop.party", cases[i].where, cases[i].order);
        enum kt_status status = record_query_compile(&f->ctx, &asked, &query);
        if (status != cases[i].status)
            print_error("%s\n", cases[i].where);
        assert_int_equal(status, cases[i].status);
        assert_string_equal(f->ctx.error.field, cases[i].field);
        context_forgive(&f->ctx);
    }
}

static void too_many_conditions_are_refused(void **state)
{
    struct fixture *f = *state;
    char where[4096] = "[";
    struct record_query *query;
    for (unsigned i = 0; i <= KT_LIMIT_WHERE_TERMS; i++)
        snprintf(where + strlen(where), sizeof(where) - strlen(where), "%s['id','>',1]",
                 i ? "," : "");
    snprintf(where + strlen(where), sizeof(where) - strlen(where), "]");
    struct record_question asked = question(f, "shop.party", where, NULL);
    assert_int_equal(record_query_compile(&f->ctx, &asked, &query), KT_TOO_LARGE);
    context_forgive(&f->ctx);
}

static void a_foreign_cursor_is_refused(void **state)
{
    static const char *const cursors[] = {"'x'", "3",         "[]",      "['x']",     "[1, 'x']",
                                          "{}",  "[1, 2, 3]", "[[], 1]", "[1.5, -1]", "[true, {}]"};
    static const char *const orders[] = {NULL, "rating", "region", "parent.name"};
    struct fixture *f = *state;
    for (size_t i = 0; i < KT_COUNT(cursors); i++)
        for (size_t o = 0; o < KT_COUNT(orders); o++) {
            struct record_query *query;
            struct record_question asked = question(f, "shop.party", NULL, orders[o]);
            asked.after = json(f, "%s", cursors[i]);
            assert_int_equal(record_query_compile(&f->ctx, &asked, &query), KT_INVALID);
            assert_string_equal(f->ctx.error.field, "after");
            context_forgive(&f->ctx);
        }
}

static void answers_are_the_records_as_stored(void **state)
{
    struct fixture *f = *state;
    const struct schema_entity *entity = entity_of(f, "shop.party");
    assert_int_equal(record_reply_search(&f->ctx, entity,
                                         json(f, "{'where': [['rating', '=', 3]], 'limit': 2,"
                                                 " 'fields': ['name', 'version']}")),
                     KT_OK);
    assert_value(f, answer(f),
                 json(f, "{'records': [{'id': 2, 'version': 1, 'name': 'Bob'},"
                         " {'id': 3, 'version': 1, 'name': 'Cyd'}], 'next': [3]}"));
    assert_int_equal(record_reply_search(&f->ctx, entity,
                                         json(f, "{'where': [['rating', '=', 3]], 'limit': 2,"
                                                 " 'after': [3], 'fields': ['name']}")),
                     KT_OK);
    assert_value(f, answer(f), json(f, "{'records': [{'id': 7, 'name': 'Gus'}], 'next': null}"));
    assert_int_equal(record_reply_count(&f->ctx, entity, json(f, "{'where': [['id', '>', 3]]}")),
                     KT_OK);
    assert_value(f, answer(f), json(f, "{'count': 5}"));
    assert_int_equal(record_reply_get(&f->ctx, entity, 2, NULL), KT_OK);
    assert_value(f, answer(f), load(f, "shop.party", 2));
    assert_int_equal(record_reply_get(&f->ctx, entity, 2, json(f, "['rating']")), KT_OK);
    assert_value(f, answer(f), json(f, "{'id': 2, 'rating': 3}"));
    assert_int_equal(record_reply_get(&f->ctx, entity, 2, json(f, "['colour']")), KT_INVALID);
    context_forgive(&f->ctx);
    /* Dotted fields: along references, and of all lines. */
    assert_int_equal(
        record_reply_get(&f->ctx, entity, 4, json(f, "['parent.name', 'parent.parent.rating']")),
        KT_OK);
    assert_value(f, answer(f),
                 json(f, "{'id': 4, 'parent.name': 'Bob', 'parent.parent.rating': 5}"));
    assert_int_equal(record_reply_get(&f->ctx, entity_of(f, "shop.order"), 2,
                                      json(f, "['lines.product', 'lines.maker', 'customer.name']")),
                     KT_OK);
    assert_value(f, answer(f),
                 json(f, "{'id': 2, 'lines.product': ['bolt', 'bolt'], 'lines.maker': [3, null],"
                         " 'customer.name': 'Bob'}"));
    assert_int_equal(record_reply_get(&f->ctx, entity, 2, json(f, "['parent.colour']")),
                     KT_INVALID);
    assert_string_equal(f->ctx.error.field, "parent.colour");
    context_forgive(&f->ctx);
    assert_int_equal(record_reply_search(&f->ctx, entity, json(f, "{'limit': 0}")), KT_INVALID);
    context_forgive(&f->ctx);
    assert_int_equal(record_reply_search(&f->ctx, entity, json(f, "{'limit': 1001}")), KT_INVALID);
    context_forgive(&f->ctx);
}

static void plugins_search_and_find(void **state)
{
    struct fixture *f = *state;
    const struct kt_condition where[] = {{"kind", "=", kt_text("person")},
                                         {"rating", ">", kt_int(-5)}};
    const struct kt_query query = {.entity = "shop.party",
                                   .where = where,
                                   .where_count = KT_COUNT(where),
                                   .order = "-rating",
                                   .limit = 2};
    const msgpack_object **records, *one;
    size_t count;
    assert_int_equal(kt_record_search(&f->ctx, &query, &records, &count), KT_OK);
    assert_int_equal(count, 2);
    assert_int_equal(kt_get_id(records[0], "id"), 8);
    assert_true(kt_is(records[1], "name", "Bob"));
    assert_int_equal(kt_record_find(&f->ctx, "shop.party", "code", kt_text("P5"), &one), KT_OK);
    assert_int_equal(kt_get_id(one, "id"), 5);
    assert_int_equal(kt_record_find(&f->ctx, "shop.party", "code", kt_text("P9"), &one), KT_OK);
    assert_null(one);
    assert_int_equal(kt_record_find(&f->ctx, "shop.party", "name", kt_text("Bob"), &one),
                     KT_INVALID);
    context_forgive(&f->ctx);
    assert_int_equal(kt_record_get(&f->ctx, "shop.nothing", 1, &one), KT_NOT_FOUND);
    context_forgive(&f->ctx);
}

/* Random questions: whichever index is walked, the answer is that of looking at every record. A
 * condition inside "and" is not seen by the planner, so that question walks all records by id. */
static void an_index_never_changes_the_answer(void **state)
{
    static const char *const fields[][2] = {
        {"rating", "3"},    {"rating", "-2"},     {"rating", "8"},          {"credit", "'9.5'"},
        {"credit", "'20'"}, {"kind", "'person'"}, {"name", "'Dan'"},        {"tags", "'red'"},
        {"id", "4"},        {"code", "'P3'"},     {"since", "'2026-02-01'"}};
    static const char *const ops[] = {"=", "=", "!=", "<", "<=", ">", ">="};
    static const char *const orders[] = {NULL,         "rating",       "-rating", "-name",
                                         "credit",     "-id",          "code",    "-kind,-name",
                                         "kind,-name", "rating,credit"};
    struct fixture *f = *state;
    srand(1);
    for (int round = 0; round < 3000; round++) {
        char planned[512] = "", unplanned[512] = "";
        const char *order = orders[rand() % (int)KT_COUNT(orders)];
        for (int i = rand() % 3; i >= 0; i--) {
            const char *const *field = fields[rand() % (int)KT_COUNT(fields)];
            const char *op = ops[rand() % (int)KT_COUNT(ops)];
            size_t used = strlen(planned), wide = strlen(unplanned);
            snprintf(planned + used, sizeof(planned) - used, "%s['%s', '%s', %s]", used ? "," : "",
                     field[0], op, field[1]);
            snprintf(unplanned + wide, sizeof(unplanned) - wide, "%s['and', ['%s', '%s', %s]]",
                     wide ? "," : "", field[0], op, field[1]);
        }
        assert_string_equal(found(f, kt_format(&f->ctx, "[%s]", planned), order),
                            found(f, kt_format(&f->ctx, "[%s]", unplanned), order));
        forget(f);
    }
}

/* Only reason+lines.product begins with the reason, and an order without lines has no key in it. */
static void an_index_over_a_list_leaves_out_empty_lists(void **state)
{
    struct fixture *f = *state;
    uint64_t id =
        create_by(f, RECORD_BY_SERVER, "shop.order", json(f, "{'customer': 1, 'reason': 'late'}"));
    struct record_question asked = question(f, "shop.order", "[['reason', '=', 'late']]", NULL);
    assert_string_equal(answer_ids(f, &asked, NULL), kt_format(&f->ctx, "%d", (int)id));
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        QUESTION(comparisons_go_by_type),
        QUESTION(empty_is_nil_and_nothing_else),
        QUESTION(conditions_nest),
        QUESTION(like_finds_parts_of_text),
        QUESTION(lists_and_references_are_followed),
        QUESTION(each_condition_may_be_met_by_another_line),
        QUESTION(order_goes_up_and_down_with_empty_first),
        QUESTION(the_best_index_is_taken),
        QUESTION(pages_join_to_the_whole),
        QUESTION(what_cannot_be_understood_is_refused),
        QUESTION(too_many_conditions_are_refused),
        QUESTION(a_foreign_cursor_is_refused),
        QUESTION(answers_are_the_records_as_stored),
        QUESTION(plugins_search_and_find),
        QUESTION(an_index_never_changes_the_answer),
        QUESTION(an_index_over_a_list_leaves_out_empty_lists),
    };
    return cmocka_run_group_tests(stories, NULL, NULL);
}
