/* Goal: the journal of a dry run tells each record and each row of a total once, as it was before
 * the first change and as it is after the last, and nothing that was undone meanwhile. Method:
 * stories on the small company, with figures worked out by hand; the rules speak for themselves. */
#include "record/journal.h"
#include "record_fixture.h"

static const msgpack_object *preview(struct fixture *f)
{
    msgpack_sbuffer_clear(&f->ctx.reply);
    assert_int_equal(journal_reply(&f->ctx), KT_OK);
    return answer(f);
}

static void start_journal(struct fixture *f)
{
    f->ctx.journal = journal_open();
}

static void end_journal(struct fixture *f)
{
    journal_close(f->ctx.journal);
    f->ctx.journal = NULL;
}

static const msgpack_object *change(const msgpack_object *preview, size_t index)
{
    return kt_at(preview, "changes", index);
}

static uint64_t party(struct fixture *f, const char *code)
{
    uint64_t id = create(f, "shop.party", json(f, "{'code': '%s'}", code));
    assert_int_equal(f->status, KT_OK);
    return id;
}

/* 3 x 9.99 = 29.97 */
static uint64_t order(struct fixture *f)
{
    uint64_t id = create(f, "shop.order",
                         json(f, "{'customer': 1, 'date': '2026-11-05', 'lines': ["
                                 "{'product': 'bolt', 'quantity': '3', 'price': '9.99'}]}"));
    assert_int_equal(f->status, KT_OK);
    return id;
}

static void first_before_and_last_after(void **state)
{
    struct fixture *f = *state;
    uint64_t id = party(f, "A");
    start_journal(f);
    update(f, "shop.party", id, json(f, "{'name': 'First', 'rating': 3}"));
    party(f, "B");
    update(f, "shop.party", id, json(f, "{'name': 'Second', 'rating': null}"));
    const msgpack_object *told = preview(f);
    assert_int_equal(kt_count(told, "changes"), 2);
    assert_true(kt_get_bool(told, "dry_run"));
    const msgpack_object *first = change(told, 0);
    assert_true(kt_is(first, "entity", "shop.party") && kt_is(first, "what", "update"));
    assert_int_equal(kt_get_id(first, "id"), id);
    assert_false(kt_has(kt_get(first, "before"), "name"));
    assert_int_equal(kt_get_id(kt_get(first, "before"), "version"), 1);
    assert_true(kt_is(kt_get(first, "after"), "name", "Second"));
    assert_int_equal(kt_get_id(kt_get(first, "after"), "version"), 3);
    /* The rating came and went. */
    assert_value(f, kt_get(first, "fields"), json(f, "['name']"));
    assert_true(kt_is(change(told, 1), "what", "create"));
    assert_false(kt_has(change(told, 1), "before"));
    end_journal(f);
}

static void a_verb_tells_more_than_an_update(void **state)
{
    struct fixture *f = *state;
    party(f, "A");
    uint64_t id = order(f);
    start_journal(f);
    update(f, "shop.order", id, json(f, "{'date': '2026-11-06'}"));
    transition(f, id, "confirm");
    const msgpack_object *told = preview(f);
    assert_int_equal(kt_count(told, "changes"), 1);
    assert_true(kt_is(change(told, 0), "what", "confirm"));
    assert_value(f, kt_get(change(told, 0), "fields"), json(f, "['date', 'state']"));
    end_journal(f);
}

static void totals_before_and_after_with_their_digits(void **state)
{
    struct fixture *f = *state;
    party(f, "A");
    transition(f, order(f), "confirm");
    uint64_t second = order(f);
    start_journal(f);
    transition(f, second, "confirm");
    const msgpack_object *told = preview(f);
    /* shop.ordered counts orders in any state: it does not change, so it is not told. */
    assert_value(f, kt_get(told, "totals"),
                 json(f, "[{'total': 'shop.sold', 'by': ['bolt', '2026-11-01'], 'measures':"
                         " {'quantity': {'before': '3', 'after': '6'},"
                         "  'amount': {'before': '29.97', 'after': '59.94'}},"
                         " 'count': {'before': 1, 'after': 2}}]"));
    end_journal(f);
}

static void what_came_and_went_is_not_told(void **state)
{
    struct fixture *f = *state;
    party(f, "A");
    start_journal(f);
    uint64_t id = order(f);
    assert_int_equal(erase(f, "shop.order", id), KT_OK);
    const msgpack_object *told = preview(f);
    assert_int_equal(kt_count(told, "changes"), 0);
    assert_int_equal(kt_count(told, "totals"), 0);
    end_journal(f);
}

static void what_a_nested_transaction_undid_is_not_told(void **state)
{
    struct fixture *f = *state;
    uint64_t id = party(f, "A");
    start_journal(f);
    begin_step(f);
    assert_int_equal(record_update(&f->ctx, entity_of(f, "shop.party"), id, 0,
                                   json(f, "{'name': 'Undone'}"), RECORD_BY_CLIENT),
                     KT_OK);
    assert_int_equal(record_create(&f->ctx, entity_of(f, "shop.party"), json(f, "{'code': 'B'}"),
                                   RECORD_BY_CLIENT, NULL),
                     KT_OK);
    store_abort(f->ctx.txn);
    f->ctx.txn = f->txn;
    update(f, "shop.party", id, json(f, "{'rating': 3}"));
    const msgpack_object *told = preview(f);
    assert_int_equal(kt_count(told, "changes"), 1);
    assert_value(f, kt_get(change(told, 0), "fields"), json(f, "['rating']"));
    end_journal(f);
}

static bool not_orders(const struct kt_ctx *ctx, const char *permission)
{
    (void)ctx;
    return strcmp(permission, "shop.order.read") != 0 && strcmp(permission, "shop.sold.read") != 0;
}

static void what_the_user_may_not_read_is_only_named(void **state)
{
    struct fixture *f = *state;
    struct context_host host = fixture_host;
    host.may = not_orders;
    party(f, "A");
    uint64_t id = order(f);
    start_journal(f);
    transition(f, id, "confirm");
    f->ctx.host = &host;
    const msgpack_object *told = preview(f);
    f->ctx.host = &fixture_host;
    assert_value(f, kt_get(told, "changes"),
                 json(f, "[{'entity': 'shop.order', 'id': 1, 'what': 'confirm'}]"));
    assert_int_equal(kt_count(told, "totals"), 0);
    end_journal(f);
}

static void long_lists_are_cut(void **state)
{
    struct fixture *f = *state;
    start_journal(f);
    for (unsigned i = 0; i < KT_LIMIT_PREVIEW + 1; i++) {
        char code[16];
        snprintf(code, sizeof(code), "P%u", i);
        party(f, code);
        forget(f);
    }
    const msgpack_object *told = preview(f);
    assert_int_equal(kt_count(told, "changes"), KT_LIMIT_PREVIEW);
    assert_value(f, kt_get(told, "more"), json(f, "['changes']"));
    end_journal(f);
}

static void large_records_are_cut_by_their_bytes(void **state)
{
    struct fixture *f = *state;
    enum { LARGE = 100000, RECORDS = 60 };
    char *text = kt_alloc(&f->ctx, LARGE + 64);
    memset(text, 'x', LARGE);
    uint64_t ids[RECORDS];
    for (size_t i = 0; i < RECORDS; i++) {
        struct kt_map *values = kt_map_new(&f->ctx);
        kt_map_set_text(values, "code", kt_format(&f->ctx, "P%zu", i));
        kt_map_set_text(values, "note", text);
        ids[i] = create(f, "shop.party", &values->object);
        assert_int_equal(f->status, KT_OK);
    }
    start_journal(f);
    for (size_t i = 0; i < RECORDS; i++)
        update(f, "shop.party", ids[i], json(f, "{'rating': 1}"));
    forget(f);
    const msgpack_object *told = preview(f);
    /* 4 MiB / 2 x 100,000 bytes, before and after, is 21; 60 would be 12 MB. */
    assert_in_range(kt_count(told, "changes"), 20, 22);
    assert_true(f->ctx.reply.size < KT_LIMIT_PREVIEW_BYTES + 300000);
    assert_value(f, kt_get(told, "more"), json(f, "['changes']"));
    end_journal(f);
}

static void rules_are_told_with_what_they_changed(void **state)
{
    struct fixture *f = *state;
    const struct schema_entity *orders = entity_of(f, "shop.order");
    const struct journal_rule rule = {.rule = "house.note",
                                      .file = "house.lua",
                                      .entity = "shop.order",
                                      .moment = "before_create"};
    struct kt_map *record = kt_map_copy(
        &f->ctx, json(f, "{'reason': 'a', 'lines': [{'product': 'bolt', 'quantity': '1'}]}"));
    struct journal_turn turn = {0};
    start_journal(f);
    /* In place, as rules edit lines: the journal must have kept a copy. */
    journal_rule_begin(&f->ctx, &turn, &rule, &record->object);
    msgpack_object *line = &kt_get(&record->object, "lines")->via.array.ptr[0];
    line->via.map.ptr[1].val = kt_text("2");
    journal_rule_passed(&f->ctx, &turn, orders, &record->object);
    journal_rule_begin(&f->ctx, &turn, &rule, &record->object);
    journal_rule_passed(&f->ctx, &turn, orders, &record->object);
    journal_rule_begin(&f->ctx, &turn, &rule, &record->object);
    journal_rule_denied(&f->ctx, &turn);
    journal_rule_begin(&f->ctx, &turn, &rule, NULL);
    journal_turn_end(&turn);
    (void)kt_fail(&f->ctx, KT_CONFLICT, NULL, "so it is", "如此");
    context_error_details(&f->ctx, *json(f, "{'reason': 7}"));
    journal_explain(&f->ctx);
    const char *same = "'rule': 'house.note', 'file': 'house.lua', 'entity': 'shop.order', 'id': "
                       "null, 'moment': 'before_create'";
    assert_value(f, &f->ctx.error.details,
                 json(f,
                      "{'reason': 7, 'preview': {'events': [], 'handlers': [], 'rules': ["
                      "{%s, 'outcome': 'changed', 'fields': ['lines']}, {%s, 'outcome': 'passed'},"
                      "{%s, 'outcome': 'denied'}, {%s, 'outcome': 'failed'}]}}",
                      same, same, same, same));
    end_journal(f);
}

static void events_and_handlers(void **state)
{
    struct fixture *f = *state;
    const struct kt_event named = {.topic = "shop.order.confirmed",
                                   .entity = "shop.order",
                                   .id = 7,
                                   .record = json(f, "{'id': 7}"),
                                   .payload = json(f, "{'reason': 'late'}")};
    const struct kt_event bare = {.topic = "shop.closed"};
    start_journal(f);
    journal_note_event(&f->ctx, &named);
    journal_note_handler(&f->ctx, "shop.order.confirmed", "stock");
    journal_note_handler(&f->ctx, "shop.order.confirmed", "stock");
    journal_note_event(&f->ctx, &bare);
    const msgpack_object *told = preview(f);
    assert_value(f, kt_get(told, "events"),
                 json(f, "[{'topic': 'shop.order.confirmed', 'entity': 'shop.order', 'id': 7,"
                         "  'payload': {'reason': 'late'}}, {'topic': 'shop.closed'}]"));
    assert_value(f, kt_get(told, "handlers"),
                 json(f, "[{'topic': 'shop.order.confirmed', 'module': 'stock'}]"));
    end_journal(f);
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        STORY(first_before_and_last_after),
        STORY(a_verb_tells_more_than_an_update),
        STORY(totals_before_and_after_with_their_digits),
        STORY(what_came_and_went_is_not_told),
        STORY(what_a_nested_transaction_undid_is_not_told),
        STORY(what_the_user_may_not_read_is_only_named),
        STORY(long_lists_are_cut),
        STORY(large_records_are_cut_by_their_bytes),
        STORY(rules_are_told_with_what_they_changed),
        STORY(events_and_handlers),
    };
    return cmocka_run_group_tests(stories, NULL, NULL);
}
