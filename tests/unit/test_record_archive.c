/* Goal: an archived record is out of sight and closed to clients, still there for what refers to it
 * and for modules, and comes back as it was; posted documents are never archived.
 * Method: stories with the shop's parties and orders, and a document of its own. */
#include "record_fixture.h"

static const struct kt_field deed_fields[] = {{.name = "state", .type = KT_STATE}};
static const struct kt_state deed_states[] = {{.name = "signed", .flags = KT_POSTED}};
static const struct kt_entity deed = {
    .name = "club.deed", .fields = KT_LIST(deed_fields), .states = KT_LIST(deed_states)};
static const struct kt_entity *const club_entities[] = {&deed};
static const struct kt_plugin club = {KT_PLUGIN_HEAD, .name = "club", .version = "1.0.0",
                                      .schema = 1, .entities = KT_LIST(club_entities)};

static uint64_t party(struct fixture *f, const char *code)
{
    uint64_t id = create(f, "shop.party", json(f, "{'code': '%s', 'name': 'N'}", code));
    assert_int_equal(f->status, KT_OK);
    return id;
}

static enum kt_status archive(struct fixture *f, const char *entity, uint64_t id)
{
    begin_step(f);
    return end_step(f, record_archive(&f->ctx, entity_of(f, entity), id, 0, RECORD_BY_CLIENT));
}

static enum kt_status restore(struct fixture *f, const char *entity, uint64_t id)
{
    begin_step(f);
    return end_step(f, record_restore(&f->ctx, entity_of(f, entity), id, 0, RECORD_BY_CLIENT));
}

static int64_t count(struct fixture *f, const char *params)
{
    begin_step(f);
    end_step(f, record_reply_count(&f->ctx, entity_of(f, "shop.party"), json(f, "%s", params)));
    return f->status == KT_OK ? kt_get_int(answer(f), "count") : -1;
}

static void archiving_is_a_change_like_any_other(void **state)
{
    struct fixture *f = *state;
    struct record_change change;
    uint64_t id = party(f, "A");
    assert_int_equal(archive(f, "shop.party", id), KT_OK);
    assert_string_equal(f->asked, "before:shop.party.archive announce:shop.party.archived "
                                  "after:shop.party.archive");
    const msgpack_object *record = load(f, "shop.party", id);
    assert_true(kt_get_bool(record, "archived"));
    assert_int_equal(kt_get_id(record, "version"), 2);
    assert_true(record_history_find(&f->ctx, entity_of(f, "shop.party"), id, 2, &change));
    assert_value(f, &change.changes, json(f, "{'archived': [null, true]}"));
    archive(f, "shop.party", id);
    assert_refused(f, KT_CONFLICT, "archived");
    assert_int_equal(restore(f, "shop.party", id), KT_OK);
    assert_non_null(strstr(f->asked, "announce:shop.party.restored"));
    record = load(f, "shop.party", id);
    assert_false(kt_has(record, "archived"));
    assert_int_equal(kt_get_id(record, "version"), 3);
    restore(f, "shop.party", id);
    assert_refused(f, KT_CONFLICT, "archived");
    assert_check_finds_nothing(f);
}

static void clients_find_archived_records_only_when_they_ask(void **state)
{
    struct fixture *f = *state;
    party(f, "A");
    party(f, "B");
    party(f, "C");
    archive(f, "shop.party", 2);
    assert_int_equal(count(f, "{}"), 2);
    assert_int_equal(count(f, "{'where': [['name', '=', 'N']]}"), 2);
    assert_int_equal(count(f, "{'where': [['id', '=', 2]]}"), 0);
    assert_int_equal(count(f, "{'archived': 'include'}"), 3);
    assert_int_equal(count(f, "{'archived': 'only'}"), 1);
    assert_int_equal(count(f, "{'archived': 'exclude'}"), 2);
    assert_int_equal(count(f, "{'where': [['archived', '=', true]]}"), 1);
    assert_int_equal(count(f, "{'where': [['archived', '=', false]]}"), 2);
    assert_int_equal(count(f, "{'where': [['or', ['archived', '=', true], ['code', '=', 'A']]]}"),
                     2);
    assert_int_equal(count(f, "{'archived': 'yes'}"), -1);
    assert_refused(f, KT_INVALID, "archived");
    assert_int_equal(count(f, "{'where': [['archived', '=', 1]]}"), -1);
    assert_refused(f, KT_INVALID, "archived");
    /* Modules see all. */
    const msgpack_object **found;
    size_t found_count;
    const struct kt_query query = {.entity = "shop.party"};
    assert_int_equal(kt_record_search(&f->ctx, &query, &found, &found_count), KT_OK);
    assert_int_equal(found_count, 3);
}

static void clients_change_an_archived_record_only_once_restored(void **state)
{
    struct fixture *f = *state;
    uint64_t customer = party(f, "A");
    uint64_t id = create(f, "shop.order", json(f, "{'customer': %d}", (int)customer));
    archive(f, "shop.order", id);
    assert_int_equal(f->status, KT_OK);
    update(f, "shop.order", id, json(f, "{'date': '2026-11-24'}"));
    assert_refused(f, KT_CONFLICT, "archived");
    transition(f, id, "confirm");
    assert_refused(f, KT_CONFLICT, "archived");
    begin_step(f);
    end_step(f, record_update(&f->ctx, entity_of(f, "shop.order"), id, 0,
                              json(f, "{'date': '2026-11-25'}"), RECORD_BY_SERVER));
    assert_int_equal(f->status, KT_OK);
    assert_true(kt_get_bool(load(f, "shop.order", id), "archived")); /* It stays so. */
    restore(f, "shop.order", id);
    assert_int_equal(transition(f, id, "confirm"), KT_OK);
    assert_check_finds_nothing(f);
}

static void nothing_new_refers_to_an_archived_record(void **state)
{
    struct fixture *f = *state;
    party(f, "A");
    party(f, "B");
    create(f, "shop.order",
           json(f, "{'customer': 2, 'lines': [{'product': 'bolt', 'maker': 2, 'quantity': '1',"
                   " 'price': '1'}]}"));
    archive(f, "shop.party", 2);
    create(f, "shop.order", json(f, "{'customer': 2}"));
    assert_refused(f, KT_INVALID, "customer");
    assert_non_null(strstr(f->message, "archived"));
    update(f, "shop.party", 1, json(f, "{'parent': 2}"));
    assert_refused(f, KT_INVALID, "parent");
    /* What refers to it already stays good, also when the rest changes. */
    update(f, "shop.order", 1,
           json(f, "{'customer': 2, 'lines': [{'id': 1, 'maker': 2, 'quantity': '7'}]}"));
    assert_int_equal(f->status, KT_OK);
    update(f, "shop.order", 1,
           json(f, "{'lines': [{'id': 1}, {'product': 'nut', 'maker': 2, 'quantity': '1',"
                   " 'price': '1'}]}"));
    assert_refused(f, KT_INVALID, "lines[1].maker");
    /* Modules know what they do. */
    create_by(f, RECORD_BY_SERVER, "shop.order", json(f, "{'customer': 2}"));
    assert_int_equal(f->status, KT_OK);
    assert_check_finds_nothing(f);
}

static void what_is_posted_or_not_theirs_is_not_archived(void **state)
{
    struct fixture *f = *state;
    create(f, "club.deed", json(f, "{}"));
    archive(f, "club.deed", 1);
    assert_refused(f, KT_CONFLICT, "state");
    create(f, "shop.move", json(f, "{'lines': [{'product': 'bolt', 'quantity': '1'}]}"));
    archive(f, "shop.move", 1);
    assert_refused(f, KT_CONFLICT, "");
    create_by(f, RECORD_BY_SERVER, "shop.stamp", json(f, "{'text': 'x'}"));
    archive(f, "shop.stamp", 1);
    assert_refused(f, KT_DENIED, "");
    begin_step(f);
    end_step(f, record_archive(&f->ctx, entity_of(f, "shop.stamp"), 1, 0, RECORD_BY_SERVER));
    assert_int_equal(f->status, KT_OK);
    begin_step(f);
    end_step(f, record_restore(&f->ctx, entity_of(f, "shop.stamp"), 1, 7, RECORD_BY_SERVER));
    assert_refused(f, KT_CONFLICT, "version");
}

/* The mark is read from the bytes, whatever the size of the map and of its numbers. */
static void the_mark_is_found_in_the_bytes(void **state)
{
    static const uint64_t numbers[] = {
        1, 127, 128, 255, 256, 65535, 65536, UINT32_MAX, (uint64_t)UINT32_MAX + 1};
    struct fixture *f = *state;
    for (size_t i = 0; i < KT_COUNT(numbers); i++)
        for (int archived = 0; archived < 2; archived++) {
            struct kt_map *record = kt_map_new(&f->ctx);
            kt_map_set_id(record, "version", numbers[i]);
            if (archived)
                kt_map_set_bool(record, "archived", true);
            struct store_slice bytes;
            const struct schema_entity *entity = entity_of(f, "shop.stamp");
            assert_int_equal(record_put(&f->ctx, entity, numbers[i], &record->object), KT_OK);
            assert_int_equal(record_bytes(&f->ctx, entity, numbers[i], &bytes), KT_OK);
            assert_int_equal(record_is_archived(bytes), archived);
            for (size_t size = 0; archived && size < bytes.size; size++)
                assert_false(record_is_archived((struct store_slice){bytes.at, size}));
        }
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        STORY(archiving_is_a_change_like_any_other),
        STORY(clients_find_archived_records_only_when_they_ask),
        STORY(clients_change_an_archived_record_only_once_restored),
        STORY(nothing_new_refers_to_an_archived_record),
        STORY(what_is_posted_or_not_theirs_is_not_archived),
        STORY(the_mark_is_found_in_the_bytes),
    };
    fixture_more = &club;
    return cmocka_run_group_tests_name("record_archive", stories, NULL, NULL);
}
