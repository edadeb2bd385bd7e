/* Goal: who lacks ENTITY.sensitive sees a mask wherever the field would be shown, cannot write it
 * or ask by it, and learns nothing of it from an error; everybody else notices nothing. Method: a
 * patient with a secret of each kind, read in every way with and without the right. */
#include "record_fixture.h"

static const struct kt_field visit_fields[] = {
    {.name = "day", .type = KT_TEXT},
    {.name = "finding", .type = KT_INT, .flags = KT_SENSITIVE},
};
static const struct kt_field patient_fields[] = {
    {.name = "name", .type = KT_TEXT},
    {.name = "insurance", .type = KT_TEXT, .flags = KT_SENSITIVE | KT_UNIQUE},
    {.name = "debt", .type = KT_MONEY, .flags = KT_SENSITIVE},
    {.name = "region", .type = KT_TEXT},
    {.name = "doctor", .type = KT_REF, .to = "shop.party", .flags = KT_SENSITIVE},
    {.name = "visits", .type = KT_LINES, .lines = KT_LIST(visit_fields)},
    {.name = "brother", .type = KT_REF, .to = "club.patient"},
};
static const char *const region_and_debt[] = {"region", "debt"};
static const struct kt_index patient_indexes[] = {
    {.name = "pair", .fields = KT_LIST(region_and_debt), .unique = true}};

/* As careless as a module can be. */
static enum kt_status gossip(struct kt_ctx *ctx, const msgpack_object *old, struct kt_map *record)
{
    (void)old;
    if (!kt_is(&record->object, "name", "gossip"))
        return KT_OK;
    return kt_fail(ctx, KT_INVALID, "insurance", "%s is bad", "%s 有误",
                   kt_get_text(ctx, &record->object, "insurance"));
}

static const struct kt_entity patient = {.name = "club.patient",
                                         .fields = KT_LIST(patient_fields),
                                         .indexes = KT_LIST(patient_indexes),
                                         .before_save = gossip};
static const struct kt_entity *const club_entities[] = {&patient};
static const struct kt_plugin club = {KT_PLUGIN_HEAD, .name = "club", .version = "1.0.0",
                                      .schema = 1, .entities = KT_LIST(club_entities)};

static void make_patient(struct fixture *f)
{
    create(f, "shop.party", json(f, "{'code': 'D'}"));
    create(f, "club.patient",
           json(f, "{'name': 'Ann', 'insurance': 'A-1', 'debt': '5.00', 'doctor': 1,"
                   " 'visits': [{'day': 'Mon', 'finding': 7}, {'day': 'Tue'}]}"));
    assert_int_equal(f->status, KT_OK);
    f->denied = "club.patient.sensitive";
}

static const char *const masked_patient =
    "{'id': 1, 'version': 1, 'name': 'Ann', 'insurance': '***', 'debt': '***', 'doctor': '***',"
    " 'visits': [{'id': 1, 'day': 'Mon', 'finding': '***'}, {'id': 2, 'day': 'Tue'}]}";

static enum kt_status call(struct fixture *f,
                           enum kt_status (*method)(struct kt_ctx *, const struct schema_entity *,
                                                    const msgpack_object *),
                           const char *params)
{
    begin_step(f);
    return end_step(f, method(&f->ctx, entity_of(f, "club.patient"), json(f, "%s", params)));
}

static void who_may_not_see_it_reads_a_mask(void **state)
{
    struct fixture *f = *state;
    make_patient(f);
    record_reply_get(&f->ctx, entity_of(f, "club.patient"), 1, NULL);
    assert_value(f, answer(f), json(f, "%s", masked_patient));
    record_reply_get(&f->ctx, entity_of(f, "club.patient"), 1, json(f, "['debt']"));
    assert_value(f, answer(f), json(f, "{'id': 1, 'debt': '***'}"));
    call(f, record_reply_search, "{}");
    assert_value(f, kt_at(answer(f), "records", 0), json(f, "%s", masked_patient));
    f->denied = NULL;
    record_reply_get(&f->ctx, entity_of(f, "club.patient"), 1, json(f, "['debt']"));
    assert_value(f, answer(f), json(f, "{'id': 1, 'debt': '5.00'}"));
}

static void history_is_masked_on_both_sides(void **state)
{
    struct fixture *f = *state;
    make_patient(f);
    f->denied = NULL;
    update(f, "club.patient", 1,
           json(f, "{'name': 'Eve', 'debt': null, 'visits': [{'id': 1, 'finding': 8}]}"));
    f->denied = "club.patient.sensitive";
    call(f, record_reply_history, "{'id': 1}");
    assert_value(f, kt_get(kt_at(answer(f), "entries", 1), "changes"),
                 json(f, "{'name': ['Ann', 'Eve'], 'debt': ['***', null], 'visits': ["
                         "[{'id': 1, 'day': 'Mon', 'finding': '***'}, {'id': 2, 'day': 'Tue'}],"
                         "[{'id': 1, 'day': 'Mon', 'finding': '***'}]],"
                         "'last_line': [null, {'visits': 2}]}"));
}

static void nobody_asks_by_what_they_may_not_see(void **state)
{
    static const char *const params[] = {
        "{'where': [['debt', '>', '1']]}",
        "{'where': [['not', ['debt', '=', null]]]}",
        "{'where': [['doctor.code', '=', 'D']]}",
        "{'where': [['visits.finding', '=', 7]]}",
        "{'where': [['brother.debt', '>', '1']]}",
        "{'order': 'debt'}",
        "{'order': 'brother.debt'}",
    };
    static const char *const fields[] = {"debt",         "debt", "doctor.code", "visits.finding",
                                         "brother.debt", "debt", "brother.debt"};
    struct fixture *f = *state;
    make_patient(f);
    for (size_t i = 0; i < KT_COUNT(params); i++) {
        call(f, record_reply_search, params[i]);
        assert_refused(f, KT_DENIED, fields[i]);
    }
    call(f, record_reply_count, params[0]);
    assert_refused(f, KT_DENIED, "debt");
    call(f, record_import,
         "{'columns': ['insurance', 'name'], 'rows': [['A-1', 'x']],"
         " 'key': 'insurance'}");
    assert_refused(f, KT_DENIED, "insurance");
    f->denied = NULL;
    for (size_t i = 0; i < KT_COUNT(params); i++)
        assert_int_equal(call(f, record_reply_search, params[i]), KT_OK);
}

static void nobody_writes_what_they_may_not_see(void **state)
{
    struct fixture *f = *state;
    make_patient(f);
    update(f, "club.patient", 1, json(f, "{'debt': '0.00'}"));
    assert_refused(f, KT_DENIED, "debt");
    update(f, "club.patient", 1, json(f, "{'debt': '***'}"));
    assert_refused(f, KT_DENIED, "debt");
    create(f, "club.patient", json(f, "{'insurance': 'A-1'}"));
    assert_refused(f, KT_DENIED, "insurance");
    update(f, "club.patient", 1, json(f, "{'visits': [{'id': 1, 'finding': 9}]}"));
    assert_refused(f, KT_DENIED, "visits[0].finding");
    update(f, "club.patient", 1, json(f, "{'visits': [{'id': 1, 'finding': null}]}"));
    assert_refused(f, KT_DENIED, "visits[0].finding");
    update(f, "club.patient", 1, json(f, "{'visits': [{'day': 'Wed', 'finding': '***'}]}"));
    assert_refused(f, KT_DENIED, "visits[0].finding");
    /* Lines sent back as they were read keep what the mask stands for. */
    update(f, "club.patient", 1,
           json(f, "{'visits': [{'id': 1, 'day': 'Thu', 'finding': '***'}, {'day': 'Fri'}]}"));
    assert_int_equal(f->status, KT_OK);
    assert_value(f, kt_get(load(f, "club.patient", 1), "visits"),
                 json(f, "[{'id': 1, 'day': 'Thu', 'finding': 7}, {'id': 3, 'day': 'Fri'}]"));
}

static void errors_tell_nothing_of_it(void **state)
{
    struct fixture *f = *state;
    make_patient(f);
    update(f, "club.patient", 1, json(f, "{'name': 'gossip'}"));
    assert_refused(f, KT_INVALID, "insurance");
    assert_null(strstr(f->message, "A-1"));
    /* The same region with the same debt: that there is another such patient cannot be hidden, but
     * which is. */
    f->denied = NULL;
    update(f, "club.patient", 1, json(f, "{'region': 'north'}"));
    create(f, "club.patient", json(f, "{'debt': '5.00', 'region': 'south'}"));
    f->denied = "club.patient.sensitive";
    update(f, "club.patient", 2, json(f, "{'region': 'north'}"));
    assert_refused(f, KT_CONFLICT, "region+debt");
    assert_string_equal(f->message, "region+debt is already used");
    /* A reference that is itself hidden does not give away who refers. */
    erase(f, "shop.party", 1);
    assert_refused(f, KT_CONFLICT, "id");
    assert_value(f, &f->details, json(f, "{'references': [], 'count': 1}"));
    f->denied = NULL;
    update(f, "club.patient", 1, json(f, "{'name': 'gossip'}"));
    assert_string_equal(f->message, "A-1 is bad");
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        STORY(who_may_not_see_it_reads_a_mask),
        STORY(history_is_masked_on_both_sides),
        STORY(nobody_asks_by_what_they_may_not_see),
        STORY(nobody_writes_what_they_may_not_see),
        STORY(errors_tell_nothing_of_it),
    };
    fixture_more = &club;
    return cmocka_run_group_tests_name("record_mask", stories, NULL, NULL);
}
