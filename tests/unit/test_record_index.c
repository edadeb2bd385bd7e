/* Goal: an index that begins with a reference tells who refers to a record that is deleted; a
 * sparse index holds what waits and nothing else, and no search finds less through it. Method:
 * tasks of a person, a few of them urgent; plans as explained, keys counted. */
#include "query_fixture.h"

static const struct kt_field task_fields[] = {
    {.name = "person", .type = KT_REF, .to = "shop.party", .flags = KT_SET_NULL},
    {.name = "owner", .type = KT_REF, .to = "shop.party", .flags = KT_INDEXED},
    {.name = "helper", .type = KT_REF, .to = "shop.party"},
    {.name = "due", .type = KT_DATE},
    {.name = "urgent", .type = KT_BOOL},
    {.name = "room", .type = KT_TEXT, .flags = KT_INDEXED},
};
static const char *const person_and_due[] = {"person", "due"};
static const char *const room_and_urgent[] = {"room", "urgent"};
static const char *const owner_and_due[] = {"owner", "due"};
static const struct kt_index task_indexes[] = {
    {.name = "due", .fields = KT_LIST(person_and_due)},
    {.name = "owned", .fields = KT_LIST(owner_and_due)},
    {.name = "urgent", .fields = KT_LIST(room_and_urgent), .sparse = true},
};
static const struct kt_entity task = {
    .name = "club.task", .fields = KT_LIST(task_fields), .indexes = KT_LIST(task_indexes)};
static const struct kt_entity *const club_entities[] = {&task};
static const struct kt_plugin club = {KT_PLUGIN_HEAD, .name = "club", .version = "1.0.0",
                                      .schema = 1, .entities = KT_LIST(club_entities)};

/* Tasks 1..40 in room R0..R3, each fourth of party 2, the others of 1; 8, 16 ... are urgent. */
static int open_club(void **state)
{
    fixture_more = &club;
    if (set_up(state) != 0)
        return -1;
    struct fixture *f = *state;
    for (int n = 1; n <= 3; n++)
        create(f, "shop.party", json(f, "{'code': 'P%d'}", n));
    for (int n = 1; n <= 40; n++) {
        create(f, "club.task",
               json(f, "{'person': %d, 'due': '2026-01-%02d', 'urgent': %s, 'room': 'R%d'}",
                    n % 4 ? 1 : 2, n % 28 + 1, n % 8 ? "false" : "true", n / 10));
        forget(f);
    }
    return f->status == KT_OK ? 0 : -1;
}

#define CLUB(function) cmocka_unit_test_setup_teardown(function, open_club, tear_down)

static const struct schema_index *index_over(struct fixture *f, const char *fields)
{
    const struct schema_entity *entity = entity_of(f, "club.task");
    for (size_t i = 0; i < entity->index_count; i++)
        if (strcmp(record_index_fields(&entity->indexes[i]), fields) == 0)
            return &entity->indexes[i];
    return NULL;
}

static size_t keys_of(struct fixture *f, const char *fields)
{
    struct key prefix;
    struct store_cursor *cursor;
    struct store_slice found;
    size_t count = 0;
    record_index_begin(&prefix, index_over(f, fields));
    assert_int_equal(store_cursor_open(f->txn, &cursor), KT_OK);
    enum kt_status status = store_seek(cursor, key_slice(&prefix), &found, NULL);
    for (; status == KT_OK && key_has_prefix(found, key_slice(&prefix)); count++)
        status = store_next(cursor, &found, NULL);
    store_cursor_close(cursor);
    return count;
}

/* How many match, and by which index they were found. */
static void expect(struct fixture *f, const char *where, const char *index, int64_t matched)
{
    assert_int_equal(record_reply_search(&f->ctx, entity_of(f, "club.task"),
                                         json(f, "{'where': %s, 'explain': true}", where)),
                     KT_OK);
    const msgpack_object *plan = kt_get(answer(f), "plan");
    if (!kt_is(plan, "index", index) || kt_get_int(plan, "matched") != matched)
        msgpack_object_print(stderr, *plan);
    assert_true(kt_is(plan, "index", index));
    assert_int_equal(kt_get_int(plan, "matched"), matched);
    forget(f);
}

static void one_index_does_for_two(void **state)
{
    struct fixture *f = *state;
    assert_null(index_over(f, "person"));
    assert_int_equal(keys_of(f, "person+due"), 40);
    /* What was asked for is kept: it goes by the id. */
    assert_int_equal(keys_of(f, "owner"), 40);
    expect(f, "[['person', '=', 2]]", "person+due", 10);
    expect(f, "[['person', '=', 2], ['due', '<', '2026-01-10']]", "person+due", 5);
    update(f, "club.task", 3, json(f, "{'person': null}"));
    expect(f, "[['person', '=', null]]", "person+due", 1);
    assert_check_finds_nothing(f);
}

static void who_refers_is_found_through_it(void **state)
{
    struct fixture *f = *state;
    erase(f, "shop.party", 2);
    assert_int_equal(f->status, KT_OK);
    expect(f, "[['person', '=', null]]", "person+due", 10);
    expect(f, "[['person', '=', 2]]", "person+due", 0);
    update(f, "club.task", 7, json(f, "{'helper': 3}"));
    erase(f, "shop.party", 3);
    assert_refused(f, KT_CONFLICT, "id");
    assert_value(f, kt_at(&f->details, "references", 0),
                 json(f, "{'entity': 'club.task', 'id': 7, 'field': 'helper'}"));
    assert_check_finds_nothing(f);
}

static void a_sparse_index_holds_what_waits(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(keys_of(f, "room+urgent"), 5);
    assert_int_equal(keys_of(f, "helper"), 0);
    update(f, "club.task", 9, json(f, "{'urgent': true, 'helper': 3}"));
    update(f, "club.task", 8, json(f, "{'urgent': false}"));
    update(f, "club.task", 16, json(f, "{'room': null}"));
    assert_int_equal(keys_of(f, "room+urgent"), 4);
    assert_int_equal(keys_of(f, "helper"), 1);
    assert_check_finds_nothing(f);
}

static void no_search_finds_less_through_it(void **state)
{
    struct fixture *f = *state;
    expect(f, "[['room', '=', 'R2'], ['urgent', '=', true]]", "room+urgent", 1);
    expect(f, "[['room', '=', 'R2']]", "room", 10);
    expect(f, "[['room', '=', 'R2'], ['urgent', '=', false]]", "room", 9);
    expect(f, "[['room', '=', 'R2'], ['urgent', '<=', true]]", "room", 10);
    expect(f, "[['room', '=', 'R2'], ['urgent', 'in', [true, false]]]", "room", 10);
    expect(f, "[['room', '=', null], ['urgent', '=', true]]", "room", 0);
    expect(f, "[['helper', '=', null]]", "records", 40);
    expect(f, "[['helper', '=', 3]]", "helper", 0);
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        CLUB(one_index_does_for_two),
        CLUB(who_refers_is_found_through_it),
        CLUB(a_sparse_index_holds_what_waits),
        CLUB(no_search_finds_less_through_it),
    };
    return cmocka_run_group_tests_name("record_index", stories, NULL, NULL);
}
