/* Goal: a save checks, completes, keeps and announces what record.h promises, and a refused one
 * names the field and changes nothing.
 * Method: stories with a small module on an empty store; rules and bus only note what they hear. */
#include "record_fixture.h"

static uint64_t party(struct fixture *f, const char *code)
{
    uint64_t id = create(f, "shop.party", json(f, "{'code': '%s'}", code));
    assert_int_equal(f->status, KT_OK);
    return id;
}

/* Two lines: 3 x 9.99 = 29.97 and 0.5 x 4.05 = 2.025, rounded half away from zero to 2.03. */
static uint64_t order(struct fixture *f, uint64_t customer)
{
    uint64_t id = create(f, "shop.order",
                         json(f,
                              "{'customer': %llu, 'lines': ["
                              "{'product': 'bolt', 'quantity': '3', 'price': '9.99'},"
                              "{'product': 'nut', 'quantity': '0.5', 'price': '4.05'}]}",
                              (unsigned long long)customer));
    assert_int_equal(f->status, KT_OK);
    return id;
}

/* Creating */

static void a_new_record_has_id_version_and_defaults(void **state)
{
    struct fixture *f = *state;
    uint64_t id = create(f, "shop.party", json(f, "{'code': 'A1', 'credit': '12.5'}"));
    const msgpack_object *record = load(f, "shop.party", id);
    kt_instant_us seen = 0;
    assert_int_equal(id, 1);
    assert_int_equal(kt_get_id(record, "id"), 1);
    assert_int_equal(kt_get_id(record, "version"), 1);
    assert_true(kt_is(record, "kind", "company"));
    assert_true(kt_get_bool(record, "active"));
    assert_true(kt_is(record, "since", "2026-11-23"));
    assert_true(kt_get_instant(record, "seen", &seen));
    assert_true(seen == f->ctx.now);
    assert_true(kt_is(record, "credit", "12.50")); /* Money has the currency's digits. */
    assert_false(kt_has(record, "name"));
    assert_int_equal(party(f, "A2"), 2);
}

static void every_type_comes_back_in_its_canonical_form(void **state)
{
    struct fixture *f = *state;
    uint64_t parent = party(f, "P");
    uint64_t id = create(f, "shop.party",
                         json(f,
                              "{'code': 'A1', 'name': '', 'rate': '1.2500', 'weight': 3,"
                              " 'rating': -4, 'active': false, 'since': '2024-02-29',"
                              " 'tags': ['new', '客户'], 'parent': %llu, 'credit': 7,"
                              " 'note': {'deep': [1, null, {'x': 'y'}]}}",
                              (unsigned long long)parent));
    assert_int_equal(f->status, KT_OK);
    struct kt_map *record = kt_map_copy(&f->ctx, load(f, "shop.party", id));
    kt_map_remove(record, "seen"); /* JSON has no timestamps. */
    assert_value(f, &record->object,
                 json(f, "{'id': 2, 'version': 1, 'code': 'A1', 'kind': 'company', 'rate': '1.25',"
                         " 'weight': '3', 'rating': -4, 'active': false, 'since': '2024-02-29',"
                         " 'tags': ['new', '客户'], 'parent': 1, 'credit': '7.00',"
                         " 'note': {'deep': [1, null, {'x': 'y'}]}}"));
}

static void a_wrong_value_is_refused_by_field_and_changes_nothing(void **state)
{
    static const struct {
        const char *values, *field;
    } cases[] = {
        {"{}", "code"},
        {"{'code': ''}", "code"},
        {"{'code': 5}", "code"},
        {"{'code': 'a\\u0007b'}", "code"},
        {"{'code': 'A', 'colour': 'red'}", "colour"},
        {"{'code': 'A', 'kind': 'robot'}", "kind"},
        {"{'code': 'A', 'credit': 1.5}", "credit"},
        {"{'code': 'A', 'credit': '1.505'}", "credit"},
        {"{'code': 'A', 'credit': '-1'}", "credit"},
        {"{'code': 'A', 'credit': '1e3'}", "credit"},
        {"{'code': 'A', 'credit': '123456789012345678901234567'}", "credit"},
        {"{'code': 'A', 'weight': '0'}", "weight"},
        {"{'code': 'A', 'rate': '1.23456'}", "rate"},
        {"{'code': 'A', 'rating': '5'}", "rating"},
        {"{'code': 'A', 'active': 1}", "active"},
        {"{'code': 'A', 'since': '2026-02-30'}", "since"},
        {"{'code': 'A', 'seen': '2026-02-28'}", "seen"},
        {"{'code': 'A', 'parent': 99}", "parent"},
        {"{'code': 'A', 'parent': 'P'}", "parent"},
        {"{'code': 'A', 'tags': 'new'}", "tags"},
        {"{'code': 'A', 'tags': ['new', 'new']}", "tags[1]"},
        {"{'code': 'A', 'note': [[[[[[[[[[1]]]]]]]]]]}", "note"},
        {"[1]", "values"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < KT_COUNT(cases); i++) {
        assert_int_equal(create(f, "shop.party", json(f, "%s", cases[i].values)), 0);
        assert_refused(f, KT_INVALID, cases[i].field);
        assert_null(strstr(f->asked, "announce"));
    }
    assert_int_equal(party(f, "first"), 1);
}

static void text_is_measured_in_characters(void **state)
{
    struct fixture *f = *state;
    char text[700] = "";
    for (int i = 0; i < 200; i++)
        memcpy(text + strlen(text), "户", 4);
    create(f, "shop.party", json(f, "{'code': '%s'}", text));
    assert_int_equal(f->status, KT_OK);
    memcpy(text + strlen(text), "x", 2);
    create(f, "shop.party", json(f, "{'code': '%s'}", text));
    assert_refused(f, KT_INVALID, "code");
}

static void numbers_of_documents_have_no_gaps(void **state)
{
    struct fixture *f = *state;
    uint64_t customer = party(f, "A");
    assert_true(kt_is(load(f, "shop.order", order(f, customer)), "number", "SO2026-00001"));
    create(f, "shop.order", json(f, "{'customer': 99}"));
    assert_refused(f, KT_INVALID, "customer");
    assert_true(kt_is(load(f, "shop.order", order(f, customer)), "number", "SO2026-00002"));
    f->ctx.now += INT64_C(366) * 86400 * 1000000;
    assert_true(kt_is(load(f, "shop.order", order(f, customer)), "number", "SO2027-00001"));
}

static void an_import_may_bring_its_number(void **state)
{
    struct fixture *f = *state;
    party(f, "A");
    const msgpack_object *values = json(f, "{'customer': 1, 'number': 'OLD-7'}");
    create(f, "shop.order", values);
    assert_refused(f, KT_INVALID, "number");
    uint64_t id = create_by(f, RECORD_BY_IMPORT, "shop.order", values);
    assert_true(kt_is(load(f, "shop.order", id), "number", "OLD-7"));
}

/* Lines */

static void lines_get_ids_and_computed_parts(void **state)
{
    struct fixture *f = *state;
    const msgpack_object *record = load(f, "shop.order", order(f, party(f, "A")));
    assert_true(kt_is(record, "total", "32.00"));
    assert_value(f, kt_get(record, "lines"),
                 json(f, "[{'id': 1, 'product': 'bolt', 'quantity': '3', 'price': '9.99',"
                         "  'pieces': 1, 'amount': '29.97'},"
                         " {'id': 2, 'product': 'nut', 'quantity': '0.5', 'price': '4.05',"
                         "  'pieces': 1, 'amount': '2.03'}]"));
}

static void lines_merge_by_id_and_the_rest_is_replaced(void **state)
{
    struct fixture *f = *state;
    uint64_t id = order(f, party(f, "A"));
    update(f, "shop.order", id,
           json(f, "{'lines': [{'product': 'washer', 'quantity': '1', 'price': '1', 'id': null},"
                   "           {'id': 1, 'quantity': '4', 'pieces': null, 'amount': '99'}]}"));
    assert_int_equal(f->status, KT_OK);
    const msgpack_object *record = load(f, "shop.order", id);
    assert_value(f, kt_get(record, "lines"),
                 json(f, "[{'id': 3, 'product': 'washer', 'quantity': '1', 'price': '1.00',"
                         "  'pieces': 1, 'amount': '1.00'},"
                         " {'id': 1, 'product': 'bolt', 'quantity': '4', 'price': '9.99',"
                         "  'amount': '39.96'}]"));
    assert_true(kt_is(record, "total", "40.96"));
    update(f, "shop.order", id, json(f, "{'lines': []}"));
    assert_int_equal(kt_count(load(f, "shop.order", id), "lines"), 0);
}

static void a_wrong_line_is_refused_by_its_place(void **state)
{
    static const struct {
        const char *line, *field;
    } cases[] = {
        {"{'quantity': '1', 'price': '1'}", "lines[0].product"},
        {"{'product': 'x', 'quantity': 1.5, 'price': '1'}", "lines[0].quantity"},
        {"{'product': 'x', 'quantity': '-1', 'price': '1'}", "lines[0].quantity"},
        {"{'product': 'x', 'quantity': '1', 'price': '1', 'colour': 1}", "lines[0].colour"},
        {"{'product': 'x', 'quantity': '1', 'price': '1', 'maker': 99}", "lines[0].maker"},
        {"{'product': 'x', 'quantity': '1', 'price': '1', 'id': 77}", "lines[0].id"},
        {"{'product': 'x', 'quantity': '1', 'price': '1', 'id': 'a'}", "lines[0].id"},
        {"7", "lines[0]"},
        {"{'id': 1}, {'id': 1}", "lines[1].id"},
    };
    struct fixture *f = *state;
    uint64_t id = order(f, party(f, "A"));
    for (size_t i = 0; i < KT_COUNT(cases); i++) {
        update(f, "shop.order", id, json(f, "{'lines': [%s]}", cases[i].line));
        assert_refused(f, KT_INVALID, cases[i].field);
    }
    assert_int_equal(kt_get_id(load(f, "shop.order", id), "version"), 1);
}

static void required_lines_may_not_be_empty(void **state)
{
    struct fixture *f = *state;
    create(f, "shop.move", json(f, "{'lines': []}"));
    assert_refused(f, KT_INVALID, "lines");
}

/* Unique keys and references */

static void unique_values_are_unique_and_free_again(void **state)
{
    struct fixture *f = *state;
    uint64_t a = party(f, "A");
    uint64_t b = party(f, "B"); /* Both without e-mail: empty ones do not collide. */
    create(f, "shop.party", json(f, "{'code': 'A'}"));
    assert_refused(f, KT_CONFLICT, "code");
    update(f, "shop.party", b, json(f, "{'code': 'A'}"));
    assert_refused(f, KT_CONFLICT, "code");
    assert_int_equal(update(f, "shop.party", a, json(f, "{'code': 'C'}")), KT_OK);
    assert_int_equal(update(f, "shop.party", b, json(f, "{'code': 'A'}")), KT_OK);
    assert_int_equal(erase(f, "shop.party", b), KT_OK);
    assert_int_equal(party(f, "A"), 3); /* Ids are not given out again. */
}

static void a_compound_unique_key_binds_whole_pairs_only(void **state)
{
    struct fixture *f = *state;
    create(f, "shop.party", json(f, "{'code': 'A', 'region': 'N', 'tax_number': '1'}"));
    create(f, "shop.party", json(f, "{'code': 'B', 'region': 'S', 'tax_number': '1'}"));
    assert_int_equal(f->status, KT_OK);
    create(f, "shop.party", json(f, "{'code': 'C', 'region': 'N'}"));
    create(f, "shop.party", json(f, "{'code': 'D', 'region': 'N'}"));
    assert_int_equal(f->status, KT_OK);
    create(f, "shop.party", json(f, "{'code': 'E', 'region': 'N', 'tax_number': '1'}"));
    assert_refused(f, KT_CONFLICT, "region+tax_number");
}

static void a_long_unique_text_that_cannot_be_told_apart_is_refused(void **state)
{
    struct fixture *f = *state;
    char text[160];
    memset(text, 'x', sizeof(text));
    text[150] = '\0';
    party(f, text);
    text[149] = 'y';
    create(f, "shop.party", json(f, "{'code': '%s'}", text));
    assert_refused(f, KT_CONFLICT, "code");
    const msgpack_object *found = NULL;
    assert_int_equal(kt_record_find(&f->ctx, "shop.party", "code", kt_text(text), &found), KT_OK);
    assert_null(found);
    text[149] = 'x';
    assert_int_equal(kt_record_find(&f->ctx, "shop.party", "code", kt_text(text), &found), KT_OK);
    assert_int_equal(kt_get_id(found, "id"), 1);
}

static void what_is_referred_to_cannot_be_deleted(void **state)
{
    struct fixture *f = *state;
    uint64_t customer = party(f, "A"), maker = party(f, "M");
    uint64_t id = create(f, "shop.order",
                         json(f, "{'customer': 1, 'lines': [{'product': 'x', 'quantity': '1',"
                                 " 'price': '1', 'maker': 2}]}"));
    erase(f, "shop.party", customer);
    assert_refused(f, KT_CONFLICT, "id");
    erase(f, "shop.party", maker);
    assert_refused(f, KT_CONFLICT, "id");
    assert_int_equal(erase(f, "shop.order", id), KT_OK);
    assert_int_equal(erase(f, "shop.party", customer), KT_OK);
    assert_int_equal(erase(f, "shop.party", maker), KT_OK);
    erase(f, "shop.party", maker);
    assert_refused(f, KT_NOT_FOUND, "id");
}

static void a_reference_to_itself_protects_nobody_but_others_still_do(void **state)
{
    struct fixture *f = *state;
    uint64_t a = party(f, "A");
    assert_int_equal(update(f, "shop.party", a, json(f, "{'parent': 1}")), KT_OK);
    uint64_t b = create(f, "shop.party", json(f, "{'code': 'B', 'parent': 1}"));
    erase(f, "shop.party", a);
    assert_refused(f, KT_CONFLICT, "id");
    assert_int_equal(erase(f, "shop.party", b), KT_OK);
    assert_int_equal(erase(f, "shop.party", a), KT_OK);
}

/* Changing */

static void an_update_changes_what_it_names_and_counts_versions(void **state)
{
    struct fixture *f = *state;
    uint64_t id = create(f, "shop.party", json(f, "{'code': 'A', 'name': 'Ada', 'rating': 3}"));
    assert_int_equal(update_version(f, "shop.party", id, 1, json(f, "{'rating': null}")), KT_OK);
    const msgpack_object *record = load(f, "shop.party", id);
    assert_int_equal(kt_get_id(record, "version"), 2);
    assert_false(kt_has(record, "rating"));
    assert_true(kt_is(record, "name", "Ada"));
    update_version(f, "shop.party", id, 1, json(f, "{'rating': 5}"));
    assert_refused(f, KT_CONFLICT, "version");
    update(f, "shop.party", 77, json(f, "{'rating': 5}"));
    assert_refused(f, KT_NOT_FOUND, "id");
    update(f, "shop.party", id, json(f, "{'code': null}"));
    assert_refused(f, KT_INVALID, "code");
}

static void clients_cannot_write_what_is_not_theirs(void **state)
{
    struct fixture *f = *state;
    uint64_t id = order(f, party(f, "A"));
    update(f, "shop.order", id, json(f, "{'total': '1'}"));
    assert_refused(f, KT_INVALID, "total");
    update(f, "shop.order", id, json(f, "{'state': 'done'}"));
    assert_refused(f, KT_INVALID, "state");
    update(f, "shop.order", id, json(f, "{'id': 9}"));
    assert_refused(f, KT_INVALID, "id");
    update(f, "shop.party", 1, json(f, "{'since': '2020-01-01'}"));
    assert_refused(f, KT_INVALID, "since");
    create(f, "shop.stamp", json(f, "{'text': 'x'}"));
    assert_refused(f, KT_DENIED, "");
    uint64_t stamp = create_by(f, RECORD_BY_SERVER, "shop.stamp", json(f, "{'text': 'x'}"));
    assert_int_not_equal(stamp, 0);
    erase(f, "shop.stamp", stamp);
    assert_refused(f, KT_DENIED, "");
}

static void append_only_records_are_for_ever(void **state)
{
    struct fixture *f = *state;
    uint64_t id = create(f, "shop.move", json(f, "{'lines': [{'product': 'x', 'quantity': '1'}]}"));
    update(f, "shop.move", id, json(f, "{'lines': []}"));
    assert_refused(f, KT_CONFLICT, "");
    erase(f, "shop.move", id);
    assert_refused(f, KT_CONFLICT, "");
    begin_step(f);
    end_step(f, record_delete(&f->ctx, entity_of(f, "shop.move"), id, 0, RECORD_BY_SERVER));
    assert_refused(f, KT_CONFLICT, "");
}

static void a_read_request_cannot_write(void **state)
{
    struct fixture *f = *state;
    f->ctx.writable = false;
    create(f, "shop.party", json(f, "{'code': 'A'}"));
    assert_refused(f, KT_INTERNAL, "");
    f->ctx.writable = true;
}

/* States */

static void transitions_follow_the_table(void **state)
{
    struct fixture *f = *state;
    uint64_t id = order(f, party(f, "A"));
    assert_true(kt_is(load(f, "shop.order", id), "state", "draft"));
    transition_by(f, RECORD_BY_SERVER, id, "finish", NULL);
    assert_refused(f, KT_CONFLICT, "state");
    assert_int_equal(transition(f, id, "confirm"), KT_OK);
    assert_true(kt_is(load(f, "shop.order", id), "state", "confirmed"));
    transition(f, id, "confirm");
    assert_refused(f, KT_CONFLICT, "state");
    transition(f, id, "finish"); /* Not by clients. */
    assert_refused(f, KT_CONFLICT, "state");
    assert_int_equal(transition_by(f, RECORD_BY_SERVER, id, "finish", NULL), KT_OK);
    assert_int_equal(kt_get_id(load(f, "shop.order", id), "version"), 3);
    transition(f, id, "dance");
    assert_refused(f, KT_CONFLICT, "state");
}

static void a_locked_record_is_closed_to_clients_but_for_transitions(void **state)
{
    struct fixture *f = *state;
    uint64_t id = order(f, party(f, "A"));
    transition(f, id, "confirm");
    update(f, "shop.order", id, json(f, "{'date': '2026-01-01'}"));
    assert_refused(f, KT_CONFLICT, "state");
    erase(f, "shop.order", id);
    assert_refused(f, KT_CONFLICT, "state");
    transition_by(f, RECORD_BY_CLIENT, id, "cancel", json(f, "{'reason': 'forbidden'}"));
    assert_refused(f, KT_CONFLICT, "reason");
    transition_by(f, RECORD_BY_CLIENT, id, "cancel", json(f, "{'reason': 'late'}"));
    assert_true(kt_is(load(f, "shop.order", id), "reason", "late"));
    assert_int_equal(erase(f, "shop.order", id), KT_OK);
}

/* What others hear */

static void rules_and_bus_are_asked_in_order(void **state)
{
    struct fixture *f = *state;
    uint64_t id = order(f, party(f, "A"));
    assert_string_equal(f->asked, "before:shop.order.create announce:shop.order.created "
                                  "after:shop.order.create");
    update(f, "shop.order", id, json(f, "{'date': '2026-01-01'}"));
    assert_string_equal(f->asked, "before:shop.order.update announce:shop.order.updated "
                                  "after:shop.order.update");
    transition(f, id, "cancel");
    assert_string_equal(f->asked, "before:shop.order.cancel announce:shop.order.cancelled "
                                  "after:shop.order.cancel");
    erase(f, "shop.order", id);
    assert_string_equal(f->asked, "before:shop.order.delete announce:shop.order.deleted "
                                  "after:shop.order.delete");
}

static enum kt_status double_quantities(struct kt_ctx *ctx, const struct record_step *step,
                                        struct kt_map *record, bool *changed)
{
    (void)step;
    struct kt_map *line = kt_map_copy(ctx, kt_at(&record->object, "lines", 0));
    struct kt_list *lines = kt_list_new(ctx);
    struct kt_decimal quantity = kt_get_decimal(&line->object, "quantity");
    kt_map_set_decimal(line, "quantity", kt_decimal_add(quantity, quantity));
    kt_list_add(lines, line->object);
    kt_list_add(lines, *kt_at(&record->object, "lines", 1));
    kt_map_set(record, "lines", lines->object);
    *changed = true;
    return KT_OK;
}

static void what_a_rule_changes_is_computed_and_checked_again(void **state)
{
    struct fixture *f = *state;
    uint64_t customer = party(f, "A");
    f->rule = double_quantities;
    uint64_t id = order(f, customer); /* 6 x 9.99 + 2.03 = 61.97 */
    const msgpack_object *record = load(f, "shop.order", id);
    assert_true(kt_is(record, "total", "61.97"));
    assert_true(kt_is(kt_line(record, "lines", 2), "product", "nut"));
}

static enum kt_status empty_code(struct kt_ctx *ctx, const struct record_step *step,
                                 struct kt_map *record, bool *changed)
{
    (void)ctx;
    (void)step;
    kt_map_set(record, "code", kt_nil());
    *changed = true;
    return KT_OK;
}

static enum kt_status misspell(struct kt_ctx *ctx, const struct record_step *step,
                               struct kt_map *record, bool *changed)
{
    (void)ctx;
    (void)step;
    kt_map_set_int(record, "ratting", 5);
    *changed = true;
    return KT_OK;
}

static void nobody_writes_past_the_checks(void **state)
{
    struct fixture *f = *state;
    f->rule = empty_code;
    create(f, "shop.party", json(f, "{'code': 'A'}"));
    assert_refused(f, KT_INVALID, "code");
    f->rule = misspell;
    create(f, "shop.party", json(f, "{'code': 'A'}"));
    assert_refused(f, KT_INTERNAL, "ratting");
}

static enum kt_status look_at_event(struct kt_ctx *ctx, const struct kt_event *event)
{
    (void)ctx;
    assert_int_equal(event->id, kt_get_id(event->record, "id"));
    for (uint32_t i = 0; i < event->record->via.map.size; i++)
        assert_int_not_equal(event->record->via.map.ptr[i].val.type, MSGPACK_OBJECT_NIL);
    if (strcmp(event->topic, "shop.party.updated") == 0)
        assert_int_equal(kt_get_int(event->old, "rating"), 3);
    return KT_OK;
}

static void an_event_carries_the_record_as_stored_and_as_it_was(void **state)
{
    struct fixture *f = *state;
    f->handler = look_at_event;
    uint64_t id = create(f, "shop.party", json(f, "{'code': 'A', 'name': null, 'rating': 3}"));
    assert_int_equal(update(f, "shop.party", id, json(f, "{'rating': null}")), KT_OK);
}

static enum kt_status another_party(struct kt_ctx *ctx, const struct kt_event *event)
{
    struct kt_map *values = kt_map_new(ctx);
    kt_map_set_text(values, "code", kt_format(ctx, "%llu", (unsigned long long)event->id));
    return kt_record_create(ctx, "shop.party", values, NULL);
}

static void saves_that_set_off_saves_end_somewhere(void **state)
{
    struct fixture *f = *state;
    f->handler = another_party;
    create(f, "shop.party", json(f, "{'code': 'A'}"));
    assert_refused(f, KT_TOO_LARGE, "");
    f->handler = NULL;
    assert_int_equal(party(f, "A"), 1);
}

static enum kt_status refuse_event(struct kt_ctx *ctx, const struct kt_event *event)
{
    (void)event;
    return kt_fail(ctx, KT_CONFLICT, NULL, "no", "不");
}

static void a_failing_handler_undoes_the_save(void **state)
{
    struct fixture *f = *state;
    f->handler = refuse_event;
    create(f, "shop.party", json(f, "{'code': 'A'}"));
    assert_refused(f, KT_CONFLICT, "");
    assert_false(record_exists(&f->ctx, entity_of(f, "shop.party"), 1));
}

/* History */

static void history_tells_who_changed_what(void **state)
{
    struct fixture *f = *state;
    uint64_t id = create(f, "shop.party", json(f, "{'code': 'A', 'rating': 3}"));
    update(f, "shop.party", id, json(f, "{'rating': null, 'name': 'Ada'}"));
    erase(f, "shop.party", id);
    assert_int_equal(
        record_reply_history(&f->ctx, entity_of(f, "shop.party"), json(f, "{'id': 1}")), KT_OK);
    const msgpack_object *told = answer(f);
    assert_int_equal(kt_count(told, "entries"), 3);
    const msgpack_object *second = kt_at(told, "entries", 1), *third = kt_at(told, "entries", 2);
    assert_true(kt_is(kt_at(told, "entries", 0), "what", "create"));
    assert_true(kt_is(second, "what", "update"));
    assert_true(kt_is(second, "user", "ann"));
    assert_int_equal(kt_get_id(second, "version"), 2);
    assert_value(f, kt_get(second, "changes"),
                 json(f, "{'rating': [3, null], 'name': [null, 'Ada']}"));
    assert_true(kt_is(third, "what", "delete"));
    assert_value(f, kt_get(kt_get(third, "changes"), "code"), json(f, "['A', null]"));
    assert_int_equal(
        record_reply_history(&f->ctx, entity_of(f, "shop.party"), json(f, "{'id': 9}")),
        KT_NOT_FOUND);
}

/* A timestamp of 4 bytes and one of 12 with nanoseconds say the same moment: 1 s after 1970. */
static void a_moment_is_stored_in_one_form(void **state)
{
    struct fixture *f = *state;
    static const char short_form[] = {0, 0, 0, 1};
    static const char long_form[] = {0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0, 1};
    msgpack_object moments[] = {
        {.type = MSGPACK_OBJECT_EXT, .via.ext = {.type = -1, .size = 4, .ptr = short_form}},
        {.type = MSGPACK_OBJECT_EXT, .via.ext = {.type = -1, .size = 12, .ptr = long_form}}};
    msgpack_object expected = kt_instant_value(&f->ctx, 1000000);
    for (size_t i = 0; i < KT_COUNT(moments); i++) {
        struct kt_map *values = kt_map_new(&f->ctx);
        kt_map_set_text(values, "code", i ? "A" : "B");
        kt_map_set(values, "seen", moments[i]);
        uint64_t id = create(f, "shop.party", &values->object);
        assert_value(f, kt_get(load(f, "shop.party", id), "seen"), &expected);
    }
}

/* "code", a NUL and more is longer than the name that its beginning is. */
static void a_name_with_a_nul_is_no_name(void **state)
{
    struct fixture *f = *state;
    static const char name[] = "code\0 and more";
    msgpack_object_kv pairs[] = {{kt_text_of(name, sizeof(name) - 1), kt_text("A")},
                                 {kt_text_of(NULL, 0), kt_text("A")}};
    for (size_t i = 0; i < KT_COUNT(pairs); i++) {
        msgpack_object values = {.type = MSGPACK_OBJECT_MAP,
                                 .via.map = {.size = 1, .ptr = &pairs[i]}};
        create(f, "shop.party", &values);
        assert_refused(f, KT_INVALID, i ? "" : "code");
    }
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        STORY(a_moment_is_stored_in_one_form),
        STORY(a_name_with_a_nul_is_no_name),
        STORY(a_new_record_has_id_version_and_defaults),
        STORY(every_type_comes_back_in_its_canonical_form),
        STORY(a_wrong_value_is_refused_by_field_and_changes_nothing),
        STORY(text_is_measured_in_characters),
        STORY(numbers_of_documents_have_no_gaps),
        STORY(an_import_may_bring_its_number),
        STORY(lines_get_ids_and_computed_parts),
        STORY(lines_merge_by_id_and_the_rest_is_replaced),
        STORY(a_wrong_line_is_refused_by_its_place),
        STORY(required_lines_may_not_be_empty),
        STORY(unique_values_are_unique_and_free_again),
        STORY(a_compound_unique_key_binds_whole_pairs_only),
        STORY(a_long_unique_text_that_cannot_be_told_apart_is_refused),
        STORY(what_is_referred_to_cannot_be_deleted),
        STORY(a_reference_to_itself_protects_nobody_but_others_still_do),
        STORY(an_update_changes_what_it_names_and_counts_versions),
        STORY(clients_cannot_write_what_is_not_theirs),
        STORY(append_only_records_are_for_ever),
        STORY(a_read_request_cannot_write),
        STORY(transitions_follow_the_table),
        STORY(a_locked_record_is_closed_to_clients_but_for_transitions),
        STORY(rules_and_bus_are_asked_in_order),
        STORY(what_a_rule_changes_is_computed_and_checked_again),
        STORY(nobody_writes_past_the_checks),
        STORY(an_event_carries_the_record_as_stored_and_as_it_was),
        STORY(saves_that_set_off_saves_end_somewhere),
        STORY(a_failing_handler_undoes_the_save),
        STORY(history_tells_who_changed_what),
    };
    return cmocka_run_group_tests(stories, NULL, NULL);
}
