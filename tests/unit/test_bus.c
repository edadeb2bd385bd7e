/* Goal: events are numbered without gaps, heard in module order inside the transaction, bounded in
 * depth and number, and read back by those who may.
 * Method: handlers that note what they hear, on the record fixture with the real bus. */
#include "bus/bus.h"

#include "record_fixture.h"

static void hear(struct kt_ctx *ctx, const char *who, const struct kt_event *event)
{
    ask(ctx, who, event->topic, NULL);
}

static enum kt_status first_hears(struct kt_ctx *ctx, const struct kt_event *event)
{
    hear(ctx, "first", event);
    return KT_OK;
}

static enum kt_status second_hears(struct kt_ctx *ctx, const struct kt_event *event)
{
    hear(ctx, "second", event);
    return KT_OK;
}

static enum kt_status second_fails(struct kt_ctx *ctx, const struct kt_event *event)
{
    hear(ctx, "second", event);
    return kt_fail(ctx, KT_CONFLICT, "x", "not now", "现在不行");
}

static enum kt_status second_swallows(struct kt_ctx *ctx, const struct kt_event *event)
{
    (void)second_fails(ctx, event);
    return KT_OK;
}

static enum kt_status second_repeats(struct kt_ctx *ctx, const struct kt_event *event)
{
    return kt_emit(ctx, event->topic, NULL, 0, NULL);
}

static const struct kt_handler first_handlers[] = {{"a.z", first_hears}, {"a.b", first_hears}};
static const struct kt_handler second_handlers[] = {{"a.b", second_hears},
                                                    {"a.b.c", second_hears},
                                                    {"a.fail", second_fails},
                                                    {"a.lie", second_swallows},
                                                    {"a.loop", second_repeats}};
static const struct kt_plugin first = {.name = "first", .handlers = KT_LIST(first_handlers)};
static const struct kt_plugin second = {.name = "second", .handlers = KT_LIST(second_handlers)};

/* One program, one thread: the table the fixture's host hands events to. */
static struct bus_table table;

static enum kt_status to_the_bus(struct kt_ctx *ctx, const struct kt_event *event)
{
    return bus_announce(ctx, &table, event);
}

static int open_bus(void **state)
{
    const struct schema_module modules[] = {{&first, true}, {&second, true}, {&shop_plugin, true}};
    if (set_up(state) != 0)
        return -1;
    struct fixture *f = *state;
    bus_table_build(&table, modules, KT_COUNT(modules));
    f->handler = to_the_bus;
    return 0;
}

static int close_bus(void **state)
{
    bus_table_free(&table);
    return tear_down(state);
}

#define BUS(function) cmocka_unit_test_setup_teardown(function, open_bus, close_bus)

static enum kt_status emit(struct fixture *f, const char *topic)
{
    begin_step(f);
    return end_step(f, kt_emit(&f->ctx, topic, NULL, 0, NULL));
}

static uint64_t last(struct fixture *f)
{
    uint64_t number;
    assert_int_equal(record_last_event(&f->ctx, &number), KT_OK);
    return number;
}

static const msgpack_object *read_events(struct fixture *f, const char *params)
{
    assert_int_equal(bus_reply_read(&f->ctx, json(f, "%s", params)), KT_OK);
    return answer(f);
}

static void handlers_hear_their_topic_in_module_order(void **state)
{
    struct fixture *f = *state;
    emit(f, "a.b");
    assert_string_equal(f->asked, "announce:a.b first:a.b second:a.b");
    emit(f, "a.b.c");
    assert_string_equal(f->asked, "announce:a.b.c second:a.b.c");
    emit(f, "a.z");
    assert_string_equal(f->asked, "announce:a.z first:a.z");
    emit(f, "a.nobody");
    assert_string_equal(f->asked, "announce:a.nobody");
}

static void a_disabled_module_hears_nothing(void **state)
{
    const struct schema_module modules[] = {{&first, false}, {&second, true}};
    struct fixture *f = *state;
    bus_table_free(&table);
    bus_table_build(&table, modules, KT_COUNT(modules));
    emit(f, "a.b");
    assert_string_equal(f->asked, "announce:a.b second:a.b");
}

static void events_are_numbered_without_gaps(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(last(f), 0);
    emit(f, "a.b");
    emit(f, "a.b");
    assert_int_equal(last(f), 2);
    emit(f, "a.fail");
    assert_refused(f, KT_CONFLICT, "x");
    assert_int_equal(last(f), 2);
    f->ctx.last_event = 0; /* As the engine does for every request. */
    emit(f, "a.b");
    assert_int_equal(last(f), 3);
}

static void a_failing_handler_fails_the_request(void **state)
{
    struct fixture *f = *state;
    emit(f, "a.fail");
    assert_refused(f, KT_CONFLICT, "x");
    emit(f, "a.lie"); /* A failure that a handler swallowed is one all the same. */
    assert_refused(f, KT_CONFLICT, "x");
}

static void events_that_cause_events_end_somewhere(void **state)
{
    struct fixture *f = *state;
    emit(f, "a.loop");
    assert_refused(f, KT_TOO_LARGE, "");
    begin_step(f);
    f->ctx.event_count = KT_LIMIT_EVENTS;
    end_step(f, kt_emit(&f->ctx, "a.b", NULL, 0, NULL));
    assert_refused(f, KT_TOO_LARGE, "");
}

static void a_record_event_carries_the_record(void **state)
{
    struct fixture *f = *state;
    create(f, "shop.party", json(f, "{'code': 'A', 'seen': null}"));
    const msgpack_object *event = kt_at(read_events(f, "{}"), "events", 0);
    kt_instant_us at = 0;
    assert_int_equal(kt_get_id(event, "seq"), 1);
    assert_true(kt_is(event, "topic", "shop.party.created"));
    assert_true(kt_is(event, "entity", "shop.party"));
    assert_true(kt_is(event, "user", "ann"));
    assert_int_equal(kt_get_id(event, "id"), 1);
    assert_true(kt_get_instant(event, "at", &at));
    assert_true(at == f->ctx.now);
    assert_value(f, kt_get(event, "payload"), load(f, "shop.party", 1));
}

static void events_are_read_in_pages_by_topic(void **state)
{
    struct fixture *f = *state;
    const char *const topics[] = {"a.b", "a.z", "a.b.c", "a.b", "b.b"};
    for (size_t i = 0; i < KT_COUNT(topics); i++)
        emit(f, topics[i]);
    const msgpack_object *page = read_events(f, "{'limit': 2}");
    assert_int_equal(kt_count(page, "events"), 2);
    assert_int_equal(kt_get_id(page, "next"), 3);
    page = read_events(f, "{'from': 3, 'topics': ['a.b', 'b.*']}");
    assert_int_equal(kt_count(page, "events"), 2);
    assert_int_equal(kt_get_id(kt_at(page, "events", 0), "seq"), 4);
    assert_int_equal(kt_get_id(page, "next"), 6);
    page = read_events(f, "{'from': 6}");
    assert_int_equal(kt_count(page, "events"), 0);
    assert_int_equal(kt_get_id(page, "next"), 6);
    assert_int_equal(kt_count(read_events(f, "{'topics': ['a.b*']}"), "events"), 3);
    assert_int_equal(kt_count(read_events(f, "{'topics': ['*']}"), "events"), 5);
    assert_int_equal(kt_count(read_events(f, "{'topics': ['a']}"), "events"), 0);
    assert_int_equal(bus_reply_read(&f->ctx, json(f, "{'limit': 0}")), KT_INVALID);
    context_forgive(&f->ctx);
}

static bool may_not_read_parties(const struct kt_ctx *ctx, const char *permission)
{
    (void)ctx;
    return strcmp(permission, "shop.party.read") != 0;
}

static void events_of_what_one_may_not_read_are_left_out(void **state)
{
    struct fixture *f = *state;
    create(f, "shop.party", json(f, "{'code': 'A'}"));
    emit(f, "a.b");
    struct context_host shy = fixture_host;
    shy.may = may_not_read_parties;
    f->ctx.host = &shy;
    const msgpack_object *page = read_events(f, "{}");
    assert_int_equal(kt_count(page, "events"), 1);
    assert_int_equal(kt_get_id(kt_at(page, "events", 0), "seq"), 2);
    assert_int_equal(kt_get_id(page, "next"), 3);
    f->ctx.host = &fixture_host;
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        BUS(handlers_hear_their_topic_in_module_order),
        BUS(a_disabled_module_hears_nothing),
        BUS(events_are_numbered_without_gaps),
        BUS(a_failing_handler_fails_the_request),
        BUS(events_that_cause_events_end_somewhere),
        BUS(a_record_event_carries_the_record),
        BUS(events_are_read_in_pages_by_topic),
        BUS(events_of_what_one_may_not_read_are_left_out),
    };
    return cmocka_run_group_tests(stories, NULL, NULL);
}
