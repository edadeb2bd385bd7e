/* Goal: rows of text become records: columns by name, lines gathered into documents, references by
 * code, known keys updated; a bad row is named and refuses its whole chunk.
 * Method: small tables with the records they must make. */
#include "record_fixture.h"

static enum kt_status import(struct fixture *f, const char *entity, const char *params)
{
    begin_step(f);
    enum kt_status status = record_import(&f->ctx, entity_of(f, entity), json(f, "%s", params));
    msgpack_object details = f->ctx.error.details;
    end_step(f, status);
    f->ctx.error.details = details; /* For whoever asks for the row. */
    return status;
}

static void cells_become_typed_values(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        import(
            f, "shop.party",
            "{'columns': ['code', 'rating', 'active', 'credit', 'since', 'seen', 'tags', 'name'],"
            " 'rows': [['A', '-5', 'No', '12.5', '2024-02-29', '2026-01-02', 'red; big;;', ''],"
            "          ['B', '', '', '', '', '', '', 'Bob'], ['C', 7, true, 3]]}"),
        KT_OK);
    assert_value(f, answer(f), json(f, "{'rows': 3, 'created': 3, 'updated': 0}"));
    const msgpack_object *a = load(f, "shop.party", 1);
    kt_instant_us seen = 0;
    assert_int_equal(kt_get_int(a, "rating"), -5);
    assert_false(kt_get_bool(a, "active"));
    assert_true(kt_has(a, "active"));
    assert_true(kt_is(a, "credit", "12.50"));
    assert_true(kt_is(a, "since", "2024-02-29"));
    assert_true(kt_get_instant(a, "seen", &seen));
    assert_int_equal(kt_date_of_instant(seen), 20455); /* 2026-01-02 */
    assert_value(f, kt_get(a, "tags"), json(f, "['red', 'big']"));
    const msgpack_object *b = load(f, "shop.party", 2);
    assert_true(kt_get_bool(b, "active")); /* Empty cells take defaults. */
    assert_true(kt_is(b, "since", "2026-11-23"));
    assert_int_equal(kt_get_int(load(f, "shop.party", 3), "rating"), 7);
}

static void rows_of_one_document_are_gathered(void **state)
{
    struct fixture *f = *state;
    import(f, "shop.party", "{'columns': ['code'], 'rows': [['A'], ['B']]}");
    assert_int_equal(
        import(f, "shop.order",
               "{'columns': ['number', 'customer', 'lines.product', 'lines.quantity',"
               "             'lines.price', 'lines.maker'],"
               " 'rows': [['N1', 'A', 'bolt', '1', '10', 'B'],"
               "          ['', '', 'nut', '2', '0.5', '']," /* Blank: the document goes on. */
               "          ['N2', '#2', 'pin', '3', '1', '#1'],"
               "          ['N2', '#2', 'bolt', '4', '2', '']," /* Equal: it goes on, too. */
               "          ['N3', 'A']]}"),
        KT_OK);
    assert_value(f, answer(f), json(f, "{'rows': 5, 'created': 3, 'updated': 0}"));
    const msgpack_object *first = load(f, "shop.order", 1), *second = load(f, "shop.order", 2);
    assert_true(kt_is(first, "total", "11.00"));
    assert_int_equal(kt_count(first, "lines"), 2);
    assert_int_equal(kt_get_id(kt_at(first, "lines", 0), "maker"), 2);
    assert_int_equal(kt_get_id(second, "customer"), 2);
    assert_true(kt_is(second, "total", "11.00"));
    assert_true(kt_is(second, "number", "N2"));
    assert_int_equal(kt_count(load(f, "shop.order", 3), "lines"), 0);
}

static void a_key_updates_what_is_there(void **state)
{
    struct fixture *f = *state;
    import(f, "shop.party", "{'columns': ['code', 'name'], 'rows': [['A', 'Ada'], ['B', 'Bob']]}");
    assert_int_equal(import(f, "shop.party",
                            "{'key': 'code', 'columns': ['code', 'name', 'rating'],"
                            " 'rows': [['B', '', '4'], ['C', 'Cyd', '5']]}"),
                     KT_OK);
    assert_value(f, answer(f), json(f, "{'rows': 2, 'created': 1, 'updated': 1}"));
    const msgpack_object *b = load(f, "shop.party", 2);
    assert_true(kt_is(b, "name", "Bob")); /* An empty cell says nothing. */
    assert_int_equal(kt_get_int(b, "rating"), 4);
    assert_int_equal(kt_get_id(b, "version"), 2);
}

static void a_bad_row_is_named_and_nothing_stays(void **state)
{
    static const struct {
        const char *entity, *params, *field;
        int row; /* -1: before any row. */
    } cases[] = {
        {"shop.party", "{'columns': ['code', 'rating'], 'rows': [['Z', '1'], ['Y', 'x']]}",
         "rating", 1},
        {"shop.party", "{'columns': ['code', 'rating'], 'rows': [['Z', '99999999999999999999']]}",
         "rating", 0},
        {"shop.party", "{'columns': ['code', 'active'], 'rows': [['Z', 'perhaps']]}", "active", 0},
        {"shop.party", "{'columns': ['code', 'seen'], 'rows': [['Z', 'now']]}", "seen", 0},
        {"shop.party", "{'columns': ['code', 'parent'], 'rows': [['Z', 'Q']]}", "parent", 0},
        {"shop.party", "{'columns': ['code', 'parent'], 'rows': [['Z', '#77']]}", "parent", 0},
        {"shop.party", "{'columns': ['code'], 'rows': [['Z'], ['A']]}", "code", 1},
        {"shop.party", "{'columns': ['name'], 'rows': [['Z']]}", "code", 0},
        {"shop.party", "{'key': 'code', 'columns': ['code', 'name'], 'rows': [['', 'Z']]}", "code",
         0},
        {"shop.party", "{'key': 'name', 'columns': ['code', 'name'], 'rows': [['Z', 'Z']]}", "name",
         0},
        {"shop.party", "{'columns': ['colour'], 'rows': [['red']]}", "colour", -1},
        {"shop.party", "{'columns': [], 'rows': [['red']]}", "columns", -1},
        {"shop.party", "{'columns': ['code'], 'rows': ['Z']}", "rows", -1},
        {"shop.party", "{'columns': ['code']}", "rows", -1},
        {"shop.order", "{'columns': ['lines'], 'rows': [['x']]}", "lines", -1},
        {"shop.order",
         "{'columns': ['customer', 'lines.product', 'lines.quantity', 'lines.price'],"
         " 'rows': [['A', 'x', '1', '1'], ['', 'y', 'many', '1']]}",
         "lines[1].quantity", 0},
        {"shop.order",
         "{'columns': ['customer', 'lines.product', 'lines.maker'],"
         " 'rows': [['A', 'x', ''], ['', 'y', 'Q']]}",
         "lines[1].maker", 1},
        {"shop.order", "{'columns': ['customer', 'state'], 'rows': [['A', 'done']]}", "state", 0},
    };
    struct fixture *f = *state;
    import(f, "shop.party", "{'columns': ['code'], 'rows': [['A']]}");
    for (size_t i = 0; i < KT_COUNT(cases); i++) {
        import(f, cases[i].entity, cases[i].params);
        if (strcmp(f->field, cases[i].field) != 0)
            print_error("%s\n%s\n", cases[i].params, f->message);
        assert_string_equal(f->field, cases[i].field);
        assert_int_not_equal(f->status, KT_OK);
        if (cases[i].row < 0)
            assert_int_equal(f->ctx.error.details.type, MSGPACK_OBJECT_NIL);
        else
            assert_value(f, &f->ctx.error.details, json(f, "{'row': %d}", cases[i].row));
    }
    assert_false(record_exists(&f->ctx, entity_of(f, "shop.party"), 2));
    assert_false(record_exists(&f->ctx, entity_of(f, "shop.order"), 1));
}

static void a_thousand_rows_fit_and_no_more(void **state)
{
    struct fixture *f = *state;
    struct kt_list *rows = kt_list_new(&f->ctx);
    struct kt_map *params = kt_map_new(&f->ctx);
    for (unsigned i = 0; i < KT_LIMIT_IMPORT_ROWS; i++)
        kt_list_add(rows, *json(f, "['P%u']", i));
    kt_map_set(params, "columns", *json(f, "['code']"));
    kt_map_set(params, "rows", rows->object);
    begin_step(f);
    assert_int_equal(
        end_step(f, record_import(&f->ctx, entity_of(f, "shop.party"), &params->object)), KT_OK);
    kt_list_add(rows, *json(f, "['Q']"));
    kt_map_set(params, "rows", rows->object);
    begin_step(f);
    end_step(f, record_import(&f->ctx, entity_of(f, "shop.party"), &params->object));
    assert_refused(f, KT_INVALID, "rows");
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        STORY(cells_become_typed_values),       STORY(rows_of_one_document_are_gathered),
        STORY(a_key_updates_what_is_there),     STORY(a_bad_row_is_named_and_nothing_stays),
        STORY(a_thousand_rows_fit_and_no_more),
    };
    return cmocka_run_group_tests(stories, NULL, NULL);
}
