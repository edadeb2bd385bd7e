/* Goal: fields keep the rules they declare: several lines, digits of currency and unit, lists of
 * references, computed values, frozen states; and line ids are given once.
 * Method: an own small module put in force in the fixture's store, stories of a few saves each. */
#include "record_fixture.h"

/* --- The module --- */

static const struct kt_field unit_fields[] = {
    {.name = "code", .type = KT_TEXT, .flags = KT_UNIQUE},
    {.name = "digits", .type = KT_INT, .initial = "0"},
};
static const struct kt_entity unit_entity = {.name = "lab.unit", .fields = KT_LIST(unit_fields)};

static const struct kt_field item_fields[] = {
    {.name = "code", .type = KT_TEXT, .flags = KT_UNIQUE},
    {.name = "note", .type = KT_TEXT, .flags = KT_MULTILINE},
    {.name = "tags", .type = KT_TAGS},
    {.name = "likes", .type = KT_REFS, .to = "lab.item", .max_length = 50},
    {.name = "afar", .type = KT_REFS, .flags = KT_SOFT, .to = "other.thing"},
};
static const struct kt_entity item_entity = {.name = "lab.item", .fields = KT_LIST(item_fields)};

/* fee + fee, so that it has the digits of the fee. */
static enum kt_status compute_twice(struct kt_ctx *ctx, const msgpack_object *record,
                                    msgpack_object *out)
{
    struct kt_decimal fee = kt_get_decimal(record, "fee");
    if (kt_has(record, "fee"))
        *out = kt_decimal_value(ctx, kt_decimal_add(fee, fee));
    return KT_OK;
}

static enum kt_status compute_shown(struct kt_ctx *ctx, const msgpack_object *record,
                                    msgpack_object *out)
{
    if (kt_is(record, "terms", "break"))
        return kt_fail(ctx, KT_CONFLICT, "shown", "it breaks", "出错");
    if (kt_is(record, "terms", "write"))
        return kt_record_delete(ctx, "lab.item", 1);
    *out = kt_text(
        kt_format(ctx, "%s/%zu", kt_get_text(ctx, record, "state"), kt_count(record, "lines")));
    return KT_OK;
}

static enum kt_status compute_double_fee(struct kt_ctx *ctx, const msgpack_object *record,
                                         msgpack_object *out)
{
    return compute_twice(ctx, record, out);
}

static const char *const when_sent[] = {"sent"};
static const struct kt_field line_fields[] = {
    {.name = "price", .type = KT_MONEY, .currency = "currency", .digits = 3},
    {.name = "quantity", .type = KT_QUANTITY, .unit = "unit"},
    {.name = "unit", .type = KT_REF, .to = "lab.unit"},
    {.name = "text", .type = KT_TEXT, .frozen = KT_LIST(when_sent)},
    {.name = "serial", .type = KT_TEXT, .flags = KT_IMMUTABLE},
};
static const struct kt_field doc_fields[] = {
    {.name = "state", .type = KT_STATE},
    {.name = "currency", .type = KT_TEXT, .flags = KT_INDEXED},
    {.name = "fee", .type = KT_MONEY, .currency = "currency"},
    {.name = "terms", .type = KT_TEXT, .frozen = KT_LIST(when_sent)},
    {.name = "twice", .type = KT_MONEY, .currency = "currency", .compute = compute_twice},
    {.name = "shown", .type = KT_TEXT, .flags = KT_ON_READ, .compute = compute_shown},
    {.name = "due",
     .type = KT_MONEY,
     .currency = "currency",
     .flags = KT_ON_READ,
     .compute = compute_double_fee},
    {.name = "lines", .type = KT_LINES, .lines = KT_LIST(line_fields)},
};
static const struct kt_state doc_states[] = {{.name = "draft"}, {.name = "sent"}};
static const struct kt_transition doc_transitions[] = {
    {.from = "draft", .to = "sent", .verb = "send", .event = "sent"},
};
static const struct kt_entity doc_entity = {.name = "lab.doc",
                                            .fields = KT_LIST(doc_fields),
                                            .states = KT_LIST(doc_states),
                                            .transitions = KT_LIST(doc_transitions)};

static const struct kt_entity *const lab_entities[] = {&unit_entity, &item_entity, &doc_entity};

static const char *const by_currency[] = {"currency"};
static const char *const by_state[] = {"state"};
static const struct kt_measure fee[] = {{.name = "fee", .field = "fee"}};
static const struct kt_leg currency_legs[] = {{.by = KT_LIST(by_currency), .measures = fee}};
static const struct kt_leg state_legs[] = {{.by = KT_LIST(by_state), .measures = fee}};
static const struct kt_total lab_totals[] = {
    {.name = "lab.by_currency",
     .entity = "lab.doc",
     .measure_count = 1,
     .legs = currency_legs,
     .leg_count = 1},
    {.name = "lab.by_state",
     .entity = "lab.doc",
     .measure_count = 1,
     .legs = state_legs,
     .leg_count = 1},
};
static const struct kt_plugin lab_plugin = {KT_PLUGIN_HEAD,
                                            .name = "lab",
                                            .version = "1.0.0",
                                            .schema = 1,
                                            .entities = KT_LIST(lab_entities),
                                            .totals = KT_LIST(lab_totals)};

static int set_up_lab(void **state)
{
    struct schema_module module = {.plugin = &lab_plugin, .enabled = true};
    char why[512] = "";
    if (set_up(state) != 0)
        return -1;
    struct fixture *f = *state;
    schema_free(f->schema);
    f->schema = NULL;
    if (schema_build(&module, 1, "EUR", f->txn, &f->schema, why, sizeof(why)) != KT_OK) {
        print_error("%s\n", why);
        return -1;
    }
    f->ctx.schema = f->schema;
    return 0;
}

#define LAB(function) cmocka_unit_test_setup_teardown(function, set_up_lab, tear_down)

static void assert_sound(struct fixture *f)
{
    assert_int_equal(record_check_all(&f->ctx), KT_OK);
    assert_value(f, kt_get(answer(f), "problems"), json(f, "[]"));
}

static const msgpack_object *shown(struct fixture *f, uint64_t id, const char *fields)
{
    assert_int_equal(record_reply_get(&f->ctx, entity_of(f, "lab.doc"), id,
                                      fields ? json(f, "%s", fields) : NULL),
                     KT_OK);
    return answer(f);
}

static enum kt_status send_out(struct fixture *f, uint64_t id)
{
    begin_step(f);
    return end_step(f, record_transition(&f->ctx, entity_of(f, "lab.doc"), id, 0, "send", NULL,
                                         RECORD_BY_CLIENT));
}

/* --- Text --- */

static void only_some_text_has_several_lines(void **state)
{
    struct fixture *f = *state;
    uint64_t id = create(f, "lab.item", json(f, "{'code': 'A', 'note': 'one\\ntwo\\r\\nthree'}"));
    assert_int_equal(id, 1);
    assert_true(kt_is(load(f, "lab.item", id), "note", "one\ntwo\r\nthree"));
    create(f, "lab.item", json(f, "{'code': 'one\\ntwo'}"));
    assert_refused(f, KT_INVALID, "code");
    assert_string_equal(f->message, "code must be a single line of text");
    create(f, "lab.item", json(f, "{'code': 'one\\rtwo'}"));
    assert_refused(f, KT_INVALID, "code");
    create(f, "lab.item", json(f, "{'tags': ['fine', 'not\\nfine']}"));
    assert_refused(f, KT_INVALID, "tags[1]");
}

/* --- Money --- */

static void money_has_the_digits_of_its_currency(void **state)
{
    struct fixture *f = *state;
    uint64_t euro = create(f, "lab.doc", json(f, "{'fee': '12.5', 'lines': [{'price': '1.125'}]}"));
    assert_true(kt_is(load(f, "lab.doc", euro), "fee", "12.50"));
    assert_true(kt_is(kt_at(load(f, "lab.doc", euro), "lines", 0), "price", "1.125"));
    uint64_t yen = create(f, "lab.doc", json(f, "{'currency': 'JPY', 'fee': 12}"));
    assert_true(kt_is(load(f, "lab.doc", yen), "fee", "12"));
    uint64_t dinar = create(f, "lab.doc",
                            json(f, "{'currency': 'KWD', 'fee': '0.1',"
                                    " 'lines': [{'price': '7'}, {'price': '7.25'}]}"));
    const msgpack_object *record = load(f, "lab.doc", dinar);
    assert_true(kt_is(record, "fee", "0.100"));
    assert_true(kt_is(kt_at(record, "lines", 0), "price", "7.000"));
    assert_true(kt_is(kt_at(record, "lines", 1), "price", "7.250"));

    create(f, "lab.doc", json(f, "{'currency': 'JPY', 'fee': '12.5'}"));
    assert_refused(f, KT_INVALID, "fee");
    create(f, "lab.doc", json(f, "{'currency': 'XXQ', 'fee': '12.5'}"));
    assert_refused(f, KT_INVALID, "currency");
    create(f, "lab.doc", json(f, "{'currency': 'eur'}"));
    assert_refused(f, KT_INVALID, "currency");
    create(f, "lab.doc", json(f, "{'fee': '1.12345'}"));
    assert_refused(f, KT_INVALID, "fee");
    /* `digits` allow more than the yen has, for a price. */
    assert_true(
        create(f, "lab.doc", json(f, "{'currency': 'JPY', 'lines': [{'price': '0.125'}]}")) != 0);
}

static void another_currency_checks_what_is_there(void **state)
{
    struct fixture *f = *state;
    uint64_t id = create(f, "lab.doc", json(f, "{'fee': '12.50', 'lines': [{'price': '3'}]}"));
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'currency': 'JPY'}")), KT_INVALID);
    assert_refused(f, KT_INVALID, "fee");
    assert_true(kt_is(load(f, "lab.doc", id), "fee", "12.50"));
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'currency': 'KWD'}")), KT_OK);
    assert_true(kt_is(load(f, "lab.doc", id), "fee", "12.500"));
    assert_true(kt_is(kt_at(load(f, "lab.doc", id), "lines", 0), "price", "3.000"));
    assert_true(kt_is(load(f, "lab.doc", id), "twice", "25.000"));
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'currency': 'JPY', 'fee': '12'}")), KT_OK);
    assert_true(kt_is(kt_at(load(f, "lab.doc", id), "lines", 0), "price", "3"));
}

static void totals_show_the_digits_of_their_currency(void **state)
{
    struct fixture *f = *state;
    struct kt_total_row row;
    char text[KT_DECIMAL_TEXT_SIZE];
    create(f, "lab.doc", json(f, "{'currency': 'KWD', 'fee': '1.5'}"));
    create(f, "lab.doc", json(f, "{'currency': 'KWD', 'fee': '2.5'}"));
    create(f, "lab.doc", json(f, "{'currency': 'JPY', 'fee': '100'}"));
    static const char *const codes[] = {"KWD", "JPY", "CHF"};
    static const char *const sums[] = {"4.000", "100", "0.00"};
    for (size_t i = 0; i < KT_COUNT(codes); i++) {
        msgpack_object code = kt_text(codes[i]);
        assert_int_equal(kt_total_get(&f->ctx, "lab.by_currency", &code, 1, &row), KT_OK);
        kt_decimal_format(row.measures[0], text);
        assert_string_equal(text, sums[i]);
    }
    /* Dinars and yen together mean nothing; they have the company's digits. */
    msgpack_object draft = kt_text("draft");
    assert_int_equal(kt_total_get(&f->ctx, "lab.by_state", &draft, 1, &row), KT_OK);
    kt_decimal_format(row.measures[0], text);
    assert_string_equal(text, "104.00");
    assert_sound(f);
}

/* --- Quantities --- */

static void a_quantity_has_at_most_its_units_digits(void **state)
{
    struct fixture *f = *state;
    uint64_t piece = create(f, "lab.unit", json(f, "{'code': 'pcs'}"));
    uint64_t gram = create(f, "lab.unit", json(f, "{'code': 'g', 'digits': 2}"));
    uint64_t id = create(f, "lab.doc",
                         json(f,
                              "{'lines': [{'quantity': '2', 'unit': %d},"
                              " {'quantity': '0.25', 'unit': %d}, {'quantity': '0.123'}]}",
                              (int)piece, (int)gram));
    assert_true(id != 0);
    create(f, "lab.doc", json(f, "{'lines': [{}, {'quantity': '2.5', 'unit': %d}]}", (int)piece));
    assert_refused(f, KT_INVALID, "lines[1].quantity");
    create(f, "lab.doc", json(f, "{'lines': [{'quantity': '2.125', 'unit': %d}]}", (int)gram));
    assert_refused(f, KT_INVALID, "lines[0].quantity");

    /* Another unit of the same quantity is checked, too. */
    assert_int_equal(
        update(f, "lab.doc", id, json(f, "{'lines': [{'id': 2, 'unit': %d}]}", (int)piece)),
        KT_INVALID);
    assert_refused(f, KT_INVALID, "lines[0].quantity");

    /* A unit that becomes coarser does not spoil what is stored, only what is new. */
    assert_int_equal(update(f, "lab.unit", gram, json(f, "{'digits': 0}")), KT_OK);
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'lines': [{'id': 2, 'price': '1'}]}")),
                     KT_OK);
    assert_true(kt_is(kt_at(load(f, "lab.doc", id), "lines", 0), "quantity", "0.25"));
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'lines': [{'id': 2, 'quantity': '0.5'}]}")),
                     KT_INVALID);
}

/* --- Lists of references --- */

static int64_t count(struct fixture *f, const char *where)
{
    assert_int_equal(
        record_reply_count(&f->ctx, entity_of(f, "lab.item"), json(f, "{'where': %s}", where)),
        KT_OK);
    return kt_get_int(answer(f), "count");
}

static void assert_where_refused(struct fixture *f, const char *entity, const char *params,
                                 const char *field)
{
    begin_step(f);
    end_step(f, record_reply_search(&f->ctx, entity_of(f, entity), json(f, "%s", params)));
    assert_refused(f, KT_INVALID, field);
}

static void lists_of_references_are_searched(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++)
        create(f, "lab.item", json(f, "{'code': 'I%d'}", i + 1));
    create(f, "lab.item", json(f, "{'code': 'I4', 'likes': [3, 1]}"));
    create(f, "lab.item", json(f, "{'code': 'I5', 'likes': [1]}"));
    assert_value(f, kt_get(load(f, "lab.item", 4), "likes"), json(f, "[3, 1]"));
    assert_int_equal(count(f, "[['likes', '=', 1]]"), 2);
    assert_int_equal(count(f, "[['likes', '=', 3]]"), 1);
    assert_int_equal(count(f, "[['likes', '=', 2]]"), 0);
    assert_int_equal(count(f, "[['likes', 'in', [2, 3]]]"), 1);
    assert_int_equal(count(f, "[['likes', '!=', 1]]"), 4); /* 4 likes 3; 1, 2, 3 like nobody. */
    assert_int_equal(count(f, "[['likes', '=', null]]"), 3);
    assert_where_refused(f, "lab.item", "{'where': [['likes', '<', 3]]}", "likes");
    assert_where_refused(f, "lab.item", "{'where': [['likes.code', '=', 'I1']]}", "likes.code");
    assert_where_refused(f, "lab.item", "{'order': 'likes'}", "order");
    assert_sound(f);
}

static void lists_of_references_are_checked(void **state)
{
    struct fixture *f = *state;
    create(f, "lab.item", json(f, "{'code': 'I1'}"));
    create(f, "lab.item", json(f, "{'code': 'I2'}"));
    create(f, "lab.item", json(f, "{'likes': [1, 9]}"));
    assert_refused(f, KT_INVALID, "likes[1]");
    create(f, "lab.item", json(f, "{'likes': [2, 1, 2]}"));
    assert_refused(f, KT_INVALID, "likes[2]");
    create(f, "lab.item", json(f, "{'likes': 1}"));
    assert_refused(f, KT_INVALID, "likes");
    create(f, "lab.item", json(f, "{'likes': ['1']}"));
    assert_refused(f, KT_INVALID, "likes[0]");
    create(f, "lab.item", json(f, "{'tags': ['b', 'a', 'b']}"));
    assert_refused(f, KT_INVALID, "tags[2]");
    create(f, "lab.item", json(f, "{'afar': [1]}"));
    assert_refused(f, KT_INVALID, "afar"); /* Its module is not there. */

    uint64_t id = create(f, "lab.item", json(f, "{'code': 'I3', 'likes': [1, 2]}"));
    assert_int_equal(erase(f, "lab.item", 2), KT_CONFLICT);
    assert_int_equal(update(f, "lab.item", id, json(f, "{'likes': [1]}")), KT_OK);
    assert_int_equal(erase(f, "lab.item", 2), KT_OK);
    assert_int_equal(erase(f, "lab.item", 1), KT_CONFLICT);
    assert_int_equal(update(f, "lab.item", id, json(f, "{'likes': []}")), KT_OK);
    assert_int_equal(erase(f, "lab.item", 1), KT_OK);
    assert_sound(f);
}

static void lists_of_references_are_verified(void **state)
{
    struct fixture *f = *state;
    struct key key;
    create(f, "lab.item", json(f, "{'code': 'I1'}"));
    create(f, "lab.item", json(f, "{'code': 'I2', 'likes': [1]}"));
    assert_int_equal(record_check_all(&f->ctx), KT_OK);
    assert_int_equal(kt_get_int(kt_get(answer(f), "checked"), "references"), 1);
    record_key(&key, entity_of(f, "lab.item"), 1);
    assert_int_equal(store_del(f->txn, key_slice(&key)), KT_OK);
    assert_int_equal(record_check_all(&f->ctx), KT_OK);
    const msgpack_object *problems = kt_get(answer(f), "problems");
    bool told = false;
    for (uint32_t i = 0; i < problems->via.array.size; i++)
        told = told || kt_is(&problems->via.array.ptr[i], "what", "reference");
    assert_true(told);
}

static void lists_of_references_are_imported_by_natural_keys(void **state)
{
    struct fixture *f = *state;
    create(f, "lab.item", json(f, "{'code': 'I1'}"));
    create(f, "lab.item", json(f, "{'code': 'I2'}"));
    begin_step(f);
    end_step(f, record_import(&f->ctx, entity_of(f, "lab.item"),
                              json(f, "{'columns': ['code', 'likes'],"
                                      " 'rows': [['I3', 'I2 ; #1'], ['I4', '']]}")));
    assert_int_equal(f->status, KT_OK);
    assert_value(f, kt_get(load(f, "lab.item", 3), "likes"), json(f, "[2, 1]"));
    begin_step(f);
    end_step(f, record_import(&f->ctx, entity_of(f, "lab.item"),
                              json(f, "{'columns': ['code', 'likes'],"
                                      " 'rows': [['I5', 'I1;nobody']]}")));
    assert_refused(f, KT_INVALID, "likes[1]");
}

/* --- Computed fields --- */

static enum kt_status raise_fee(struct kt_ctx *ctx, const struct record_step *step,
                                struct kt_map *record, bool *changed)
{
    (void)ctx;
    (void)step;
    kt_map_set_text(record, "fee", "50");
    *changed = true;
    return KT_OK;
}

static void stored_ones_follow_the_record(void **state)
{
    struct fixture *f = *state;
    uint64_t id = create(f, "lab.doc", json(f, "{'fee': '1.25'}"));
    assert_true(kt_is(load(f, "lab.doc", id), "twice", "2.50"));
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'fee': null}")), KT_OK);
    assert_false(kt_has(load(f, "lab.doc", id), "twice"));
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'twice': '9'}")), KT_INVALID);
    assert_refused(f, KT_INVALID, "twice");
    assert_string_equal(f->message, "twice is read-only");
    f->rule = raise_fee;
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'terms': 'x'}")), KT_OK);
    assert_true(kt_is(load(f, "lab.doc", id), "twice", "100.00"));
}

static void others_are_computed_when_read(void **state)
{
    struct fixture *f = *state;
    uint64_t id = create(f, "lab.doc", json(f, "{'fee': 2, 'lines': [{}, {}]}"));
    assert_false(kt_has(load(f, "lab.doc", id), "shown")); /* Not stored. */
    assert_true(kt_is(shown(f, id, NULL), "shown", "draft/2"));
    assert_true(kt_is(shown(f, id, NULL), "due", "4.00"));
    assert_value(f, shown(f, id, "['due']"), json(f, "{'id': 1, 'due': '4.00'}"));
    assert_value(f, shown(f, id, "['fee']"), json(f, "{'id': 1, 'fee': '2.00'}"));
    assert_int_equal(
        record_reply_search(&f->ctx, entity_of(f, "lab.doc"), json(f, "{'fields': ['shown']}")),
        KT_OK);
    assert_value(f, kt_get(answer(f), "records"), json(f, "[{'id': 1, 'shown': 'draft/2'}]"));

    assert_int_equal(update(f, "lab.doc", id, json(f, "{'shown': 'mine'}")), KT_INVALID);
    assert_refused(f, KT_INVALID, "shown");
    assert_where_refused(f, "lab.doc", "{'where': [['shown', '=', 'x']]}", "shown");
    assert_where_refused(f, "lab.doc", "{'order': '-shown'}", "order");
}

static enum kt_status store_shown(struct kt_ctx *ctx, const struct record_step *step,
                                  struct kt_map *record, bool *changed)
{
    (void)ctx;
    (void)step;
    kt_map_set_text(record, "shown", "mine");
    *changed = true;
    return KT_OK;
}

static void computing_neither_writes_nor_is_stored(void **state)
{
    struct fixture *f = *state;
    create(f, "lab.item", json(f, "{'code': 'I1'}"));
    uint64_t broken = create(f, "lab.doc", json(f, "{'terms': 'break'}"));
    uint64_t writing = create(f, "lab.doc", json(f, "{'terms': 'write'}"));
    begin_step(f);
    end_step(f, record_reply_get(&f->ctx, entity_of(f, "lab.doc"), broken, NULL));
    assert_refused(f, KT_CONFLICT, "shown");
    begin_step(f);
    end_step(f, record_reply_get(&f->ctx, entity_of(f, "lab.doc"), writing, NULL));
    assert_int_equal(f->status, KT_INTERNAL);
    assert_string_equal(f->message, "computing a field tried to change lab.item");
    load(f, "lab.item", 1);
    f->rule = store_shown;
    create(f, "lab.doc", json(f, "{}"));
    assert_refused(f, KT_INTERNAL, "shown");
}

/* --- Frozen fields --- */

static void frozen_fields_stay(void **state)
{
    struct fixture *f = *state;
    uint64_t id = create(f, "lab.doc", json(f, "{'terms': 'net', 'lines': [{'text': 'a'}, {}]}"));
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'terms': 'cash'}")), KT_OK);
    assert_int_equal(send_out(f, id), KT_OK);
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'terms': 'net'}")), KT_CONFLICT);
    assert_refused(f, KT_CONFLICT, "terms");
    assert_string_equal(f->message, "terms cannot be changed: this lab.doc is sent");
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'terms': null}")), KT_CONFLICT);
    /* As it is, it may come back, and other fields may change. */
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'terms': 'cash', 'fee': 3}")), KT_OK);

    assert_int_equal(
        update(f, "lab.doc", id, json(f, "{'lines': [{'id': 1, 'text': 'b'}, {'id': 2}]}")),
        KT_CONFLICT);
    assert_refused(f, KT_CONFLICT, "lines[0].text");
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'lines': [{'id': 2}]}")), KT_CONFLICT);
    assert_refused(f, KT_CONFLICT, "lines.text");
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'lines': [{'id': 1}, {'text': 'new'}]}")),
                     KT_CONFLICT);
    assert_refused(f, KT_CONFLICT, "lines[1].text");
    assert_int_equal(
        update(f, "lab.doc", id, json(f, "{'lines': [{'price': 1}, {'id': 1, 'text': 'a'}]}")),
        KT_OK);
    begin_step(f); /* The module itself may. */
    end_step(f, record_update(&f->ctx, entity_of(f, "lab.doc"), id, 0, json(f, "{'terms': 'net'}"),
                              RECORD_BY_SERVER));
    assert_int_equal(f->status, KT_OK);
}

/* --- Lines --- */

static uint64_t line_id(struct fixture *f, uint64_t id, size_t at)
{
    return kt_get_id(kt_at(load(f, "lab.doc", id), "lines", at), "id");
}

/* What a line was made with stays; the line may go, and others may come. */
static void a_lines_immutable_fields_stay(void **state)
{
    struct fixture *f = *state;
    uint64_t id = create(f, "lab.doc", json(f, "{'lines': [{'serial': 'A'}, {'text': 'b'}]}"));
    update(f, "lab.doc", id, json(f, "{'lines': [{'id': 1, 'serial': 'X'}, {'id': 2}]}"));
    assert_refused(f, KT_INVALID, "lines[0].serial");
    update(f, "lab.doc", id,
           json(f, "{'lines': [{'id': 1, 'text': 'a'},"
                   " {'id': 2, 'serial': 'B'}]}"));
    assert_refused(f, KT_INVALID, "lines[1].serial");
    assert_int_equal(
        update(f, "lab.doc", id, json(f, "{'lines': [{'serial': 'C'}, {'id': 1, 'text': 'a'}]}")),
        KT_OK);
    assert_value(f, kt_get(load(f, "lab.doc", id), "lines"),
                 json(f, "[{'id': 3, 'serial': 'C'}, {'id': 1, 'text': 'a', 'serial': 'A'}]"));
}

static void a_line_id_is_given_once(void **state)
{
    struct fixture *f = *state;
    uint64_t id = create(f, "lab.doc", json(f, "{'lines': [{}, {}, {}]}"));
    assert_int_equal(line_id(f, id, 2), 3);
    assert_false(kt_has(load(f, "lab.doc", id), "last_line"));

    /* The largest goes: the record remembers. */
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'lines': [{'id': 2}, {'id': 1}]}")), KT_OK);
    assert_value(f, kt_get(load(f, "lab.doc", id), "last_line"), json(f, "{'lines': 3}"));
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'fee': 1}")), KT_OK);
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'lines': [{'id': 2}, {}]}")), KT_OK);
    assert_int_equal(line_id(f, id, 1), 4);
    assert_false(kt_has(load(f, "lab.doc", id), "last_line"));

    assert_int_equal(update(f, "lab.doc", id, json(f, "{'lines': []}")), KT_OK);
    assert_int_equal(send_out(f, id), KT_OK);
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'lines': [{}]}")), KT_OK);
    assert_int_equal(line_id(f, id, 0), 5);
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'lines': null}")), KT_OK);
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'lines': [{}]}")), KT_OK);
    assert_int_equal(line_id(f, id, 0), 6);
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'lines': [{'id': 3}]}")), KT_INVALID);
    assert_refused(f, KT_INVALID, "lines[0].id");
    assert_int_equal(update(f, "lab.doc", id, json(f, "{'last_line': {'lines': 1}}")), KT_INVALID);
}

/* 5000 lines, all different, given backwards: each is found again by its id. Were it done line by
 * line against all others, this alone would take a while. */
static void long_documents_merge_by_id(void **state)
{
    struct fixture *f = *state;
    const uint32_t most = KT_LIMIT_LINES;
    struct kt_list *lines = kt_list_new(&f->ctx), *back = kt_list_new(&f->ctx);
    for (uint32_t i = 0; i < most; i++) {
        struct kt_map *line = kt_map_new(&f->ctx), *again = kt_map_new(&f->ctx);
        kt_map_set_text(line, "text", kt_format(&f->ctx, "T%u", i + 1));
        kt_list_add(lines, line->object);
        kt_map_set_id(again, "id", most - i);
        kt_list_add(back, again->object);
    }
    struct kt_map *values = kt_map_new(&f->ctx);
    kt_map_set(values, "lines", lines->object);
    uint64_t id = create(f, "lab.doc", &values->object);
    assert_int_equal(id, 1);
    kt_map_set(values, "lines", back->object);
    assert_int_equal(update(f, "lab.doc", id, &values->object), KT_OK);
    const msgpack_object *record = load(f, "lab.doc", id);
    assert_int_equal(kt_count(record, "lines"), most);
    for (uint32_t i = 0; i < most; i++) {
        const msgpack_object *line = kt_at(record, "lines", i);
        assert_int_equal(kt_get_id(line, "id"), most - i);
        assert_string_equal(kt_get_text(&f->ctx, line, "text"),
                            kt_format(&f->ctx, "T%u", most - i));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB(only_some_text_has_several_lines),
        LAB(money_has_the_digits_of_its_currency),
        LAB(another_currency_checks_what_is_there),
        LAB(totals_show_the_digits_of_their_currency),
        LAB(a_quantity_has_at_most_its_units_digits),
        LAB(lists_of_references_are_searched),
        LAB(lists_of_references_are_checked),
        LAB(lists_of_references_are_verified),
        LAB(lists_of_references_are_imported_by_natural_keys),
        LAB(stored_ones_follow_the_record),
        LAB(others_are_computed_when_read),
        LAB(computing_neither_writes_nor_is_stored),
        LAB(frozen_fields_stay),
        LAB(a_lines_immutable_fields_stay),
        LAB(a_line_id_is_given_once),
        LAB(long_documents_merge_by_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
