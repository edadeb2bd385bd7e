/* Goal: a deletion is refused with the list of what refers to the record, or empties those
 * references, or takes the referring records along, as their fields say; a posted record never
 * goes. Method: stories in a club whose members, badges and matches refer to each other in every
 * way. */
#include "record_fixture.h"

static const struct kt_field team_fields[] = {
    {.name = "name", .type = KT_TEXT, .flags = KT_UNIQUE}};
static const struct kt_entity team = {.name = "club.team", .fields = KT_LIST(team_fields)};

static const struct kt_field member_fields[] = {
    {.name = "name", .type = KT_TEXT},
    {.name = "team", .type = KT_REF, .to = "club.team"},
    {.name = "mentor", .type = KT_REF, .to = "club.member", .flags = KT_SET_NULL},
};
static const struct kt_entity member = {.name = "club.member", .fields = KT_LIST(member_fields)};

static const char *const in_a_box[] = {"boxed"};
static const struct kt_field badge_fields[] = {
    {.name = "member", .type = KT_REF, .to = "club.member", .flags = KT_CASCADE},
    {.name = "giver", .type = KT_REF, .to = "club.member", .flags = KT_SET_NULL},
    {.name = "finder",
     .type = KT_REF,
     .to = "club.member",
     .flags = KT_SET_NULL,
     .frozen = KT_LIST(in_a_box)},
    {.name = "state", .type = KT_STATE},
};
static const struct kt_state badge_states[] = {
    {.name = "open"},
    {.name = "boxed"},
    {.name = "worn", .flags = KT_LOCKED},
    {.name = "issued", .flags = KT_POSTED},
};
static const struct kt_transition badge_transitions[] = {
    {.from = "open", .to = "boxed", .verb = "box", .event = "boxed"},
    {.from = "open", .to = "worn", .verb = "wear", .event = "worn"},
    {.from = "open", .to = "issued", .verb = "issue", .event = "issued"},
};
static const struct kt_entity badge = {.name = "club.badge",
                                       .fields = KT_LIST(badge_fields),
                                       .states = KT_LIST(badge_states),
                                       .transitions = KT_LIST(badge_transitions)};

static const struct kt_field note_fields[] = {
    {.name = "badge", .type = KT_REF, .to = "club.badge", .flags = KT_CASCADE}};
static const struct kt_entity note = {
    .name = "club.note", .fields = KT_LIST(note_fields), .flags = KT_SERVER_ONLY};

static const struct kt_field part_fields[] = {
    {.name = "of", .type = KT_REF, .to = "club.part", .flags = KT_CASCADE}};
static const struct kt_entity part = {.name = "club.part", .fields = KT_LIST(part_fields)};

static const struct kt_field player_fields[] = {
    {.name = "member", .type = KT_REF, .to = "club.member", .flags = KT_CASCADE},
    {.name = "substitute", .type = KT_REF, .to = "club.member", .flags = KT_SET_NULL},
    {.name = "goals", .type = KT_INT, .initial = "0"},
};
static const struct kt_field match_fields[] = {
    {.name = "name", .type = KT_TEXT},
    {.name = "players", .type = KT_LINES, .lines = KT_LIST(player_fields), .flags = KT_REQUIRED},
};
static const struct kt_entity match = {.name = "club.match", .fields = KT_LIST(match_fields)};

static const char *const by_match[] = {"name"};
static const struct kt_measure goals[] = {{.name = "goals", .field = "players.goals"}};
static const struct kt_leg goal_legs[] = {{.by = KT_LIST(by_match), .measures = goals}};
static const struct kt_total club_totals[] = {{.name = "club.goals",
                                               .entity = "club.match",
                                               .measure_count = 1,
                                               .legs = goal_legs,
                                               .leg_count = 1}};
static const struct kt_entity *const club_entities[] = {&team, &member, &badge,
                                                        &note, &part,   &match};
static const struct kt_plugin club = {KT_PLUGIN_HEAD,
                                      .name = "club",
                                      .version = "1.0.0",
                                      .schema = 1,
                                      .entities = KT_LIST(club_entities),
                                      .totals = KT_LIST(club_totals)};

static uint64_t make(struct fixture *f, const char *entity, const msgpack_object *values)
{
    uint64_t id = create_by(f, RECORD_BY_SERVER, entity, values);
    assert_int_equal(f->status, KT_OK);
    return id;
}

static bool is_there(struct fixture *f, const char *entity, uint64_t id)
{
    return record_exists(&f->ctx, entity_of(f, entity), id);
}

static void move_badge(struct fixture *f, uint64_t id, const char *verb)
{
    begin_step(f);
    end_step(f, record_transition(&f->ctx, entity_of(f, "club.badge"), id, 0, verb, NULL,
                                  RECORD_BY_CLIENT));
    assert_int_equal(f->status, KT_OK);
}

static enum kt_status erase_by_server(struct fixture *f, const char *entity, uint64_t id)
{
    begin_step(f);
    return end_step(f, record_delete(&f->ctx, entity_of(f, entity), id, 0, RECORD_BY_SERVER));
}

/* Refusing */

static void a_refusal_lists_what_refers_to_the_record(void **state)
{
    struct fixture *f = *state;
    make(f, "club.team", json(f, "{'name': 'Reds'}"));
    make(f, "club.member", json(f, "{'name': 'Ann', 'team': 1}"));
    erase(f, "club.team", 1);
    assert_refused(f, KT_CONFLICT, "id");
    assert_string_equal(f->message, "club.team 1 is still used by club.member 1 (team)");
    make(f, "club.member", json(f, "{'team': 1}"));
    erase(f, "club.team", 1);
    assert_string_equal(f->message, "club.team 1 is still used by club.member 1 (team) and 1 more");
    assert_string_equal(f->entity, "club.team");
    assert_value(f, &f->details,
                 json(f, "{'references': ["
                         "{'entity': 'club.member', 'id': 1, 'field': 'team', 'title': 'Ann'},"
                         "{'entity': 'club.member', 'id': 2, 'field': 'team'}], 'count': 2}"));
}

static void what_the_user_may_not_read_is_counted_but_not_named(void **state)
{
    struct fixture *f = *state;
    make(f, "club.team", json(f, "{'name': 'Reds'}"));
    make(f, "club.member", json(f, "{'name': 'Ann', 'team': 1}"));
    f->denied = "club.member.read";
    erase(f, "club.team", 1);
    assert_refused(f, KT_CONFLICT, "id");
    assert_string_equal(f->message, "club.team 1 is still used by 1 records that you may not see");
    assert_value(f, &f->details, json(f, "{'references': [], 'count': 1}"));
}

static void twenty_are_named_and_a_thousand_counted(void **state)
{
    struct fixture *f = *state;
    make(f, "club.team", json(f, "{'name': 'Reds'}"));
    for (int i = 0; i < 1000; i++)
        make(f, "club.member", json(f, "{'team': 1}"));
    erase(f, "club.team", 1);
    assert_int_equal(kt_count(&f->details, "references"), 20);
    assert_int_equal(kt_get_int(&f->details, "count"), 1000);
    assert_false(kt_has(&f->details, "more"));
    make(f, "club.member", json(f, "{'team': 1}"));
    erase(f, "club.team", 1);
    assert_int_equal(kt_get_int(&f->details, "count"), 1000);
    assert_true(kt_get_bool(&f->details, "more"));
    assert_string_equal(f->message,
                        "club.team 1 is still used by club.member 1 (team) and 999+ more");
}

static void a_posted_record_goes_for_nobody(void **state)
{
    struct fixture *f = *state;
    make(f, "club.badge", json(f, "{}"));
    move_badge(f, 1, "issue");
    erase(f, "club.badge", 1);
    assert_refused(f, KT_CONFLICT, "state");
    erase_by_server(f, "club.badge", 1);
    assert_refused(f, KT_CONFLICT, "state");
    assert_non_null(strstr(f->message, "counter-record"));
    assert_true(is_there(f, "club.badge", 1));
}

static void a_stale_version_says_who_changed_it_when(void **state)
{
    struct fixture *f = *state;
    make(f, "club.team", json(f, "{'name': 'Reds'}"));
    update(f, "club.team", 1, json(f, "{'name': 'Blues'}"));
    update_version(f, "club.team", 1, 1, json(f, "{'name': 'Greens'}"));
    assert_refused(f, KT_CONFLICT, "version");
    assert_int_equal(kt_get_int(&f->details, "version"), 2);
    assert_true(kt_is(&f->details, "user", "ann"));
    kt_instant_us at;
    assert_true(kt_get_instant(&f->details, "at", &at) && at == f->ctx.now);
}

/* Emptying */

static void a_set_null_reference_is_emptied_by_an_ordinary_update(void **state)
{
    struct fixture *f = *state;
    make(f, "club.member", json(f, "{'name': 'Ann'}"));
    make(f, "club.member", json(f, "{'name': 'Bob', 'mentor': 1}"));
    assert_int_equal(erase(f, "club.member", 1), KT_OK);
    assert_string_equal(f->asked, "before:club.member.delete before:club.member.update "
                                  "announce:club.member.updated after:club.member.update "
                                  "announce:club.member.deleted after:club.member.delete");
    assert_value(f, load(f, "club.member", 2), json(f, "{'id': 2, 'version': 2, 'name': 'Bob'}"));
    struct record_change change;
    assert_true(record_history_find(&f->ctx, entity_of(f, "club.member"), 2, 2, &change));
    assert_value(f, &change.changes, json(f, "{'mentor': [1, null]}"));
    assert_check_finds_nothing(f);
}

static void two_that_refer_to_each_other_part(void **state)
{
    struct fixture *f = *state;
    make(f, "club.member", json(f, "{'name': 'Ann'}"));
    make(f, "club.member", json(f, "{'name': 'Bob', 'mentor': 1}"));
    update(f, "club.member", 1, json(f, "{'mentor': 2}"));
    assert_int_equal(erase(f, "club.member", 1), KT_OK);
    assert_int_equal(erase(f, "club.member", 2), KT_OK);
    assert_check_finds_nothing(f);
}

static void what_clients_cannot_change_is_not_emptied(void **state)
{
    struct fixture *f = *state;
    make(f, "club.member", json(f, "{}"));
    make(f, "club.badge", json(f, "{'giver': 1}"));
    make(f, "club.badge", json(f, "{'finder': 1}"));
    move_badge(f, 1, "wear");
    erase(f, "club.member", 1);
    assert_refused(f, KT_CONFLICT, "giver");
    assert_string_equal(f->entity, "club.badge");
    assert_string_equal(f->message,
                        "club.badge 1: giver cannot be emptied: its club.badge is worn");
    /* Nor what is frozen in the state of its record. */
    assert_int_equal(erase_by_server(f, "club.badge", 1), KT_OK);
    move_badge(f, 2, "box");
    erase(f, "club.member", 1);
    assert_refused(f, KT_CONFLICT, "finder");
}

/* The refusal in both languages, and its details; it is about a badge whatever else it says. */
static void assert_says(struct fixture *f, const char *english, const char *chinese)
{
    begin_step(f);
    enum kt_status status =
        record_delete(&f->ctx, entity_of(f, "club.member"), 1, 0, RECORD_BY_CLIENT);
    assert_int_equal(status, KT_CONFLICT);
    assert_string_equal(f->ctx.error.message, english);
    assert_string_equal(f->ctx.error.message_zh, chinese);
    end_step(f, status);
    assert_string_equal(f->entity, "club.badge");
}

static void a_record_that_refuses_to_go_along_is_named(void **state)
{
    struct fixture *f = *state;
    make(f, "club.member", json(f, "{}"));
    for (int i = 0; i < 3; i++)
        make(f, "club.badge", json(f, "{'member': 1}"));
    move_badge(f, 2, "issue");
    assert_says(f,
                "club.badge 2: a club.badge that is issued is never deleted: cancel it or make a "
                "counter-record",
                "club.badge 2：club.badge 处于状态 issued，永不可删除：请撤销或新建冲销记录");
    assert_value(f, &f->details, json(f, "{'entity': 'club.badge', 'id': 2}"));
    /* To who may not read badges it is one of them. */
    f->denied = "club.badge.read";
    assert_says(f,
                "a club.badge that is issued is never deleted: cancel it or make a counter-record",
                "club.badge 处于状态 issued，永不可删除：请撤销或新建冲销记录");
    assert_int_equal(f->details.type, MSGPACK_OBJECT_NIL);
    f->denied = NULL;
    /* A posted reference that would be emptied. */
    make(f, "club.member", json(f, "{}"));
    make(f, "club.badge", json(f, "{'giver': 2}"));
    move_badge(f, 4, "issue");
    erase(f, "club.member", 2);
    assert_string_equal(f->message,
                        "club.badge 4: giver cannot be emptied: its club.badge is issued");
    assert_value(f, &f->details, json(f, "{'entity': 'club.badge', 'id': 4}"));
}

/* Going along */

static void a_cascade_takes_records_of_records_along(void **state)
{
    struct fixture *f = *state;
    make(f, "club.member", json(f, "{}"));
    make(f, "club.badge", json(f, "{'member': 1}"));
    make(f, "club.badge", json(f, "{'member': 1, 'giver': 1}"));
    make(f, "club.note", json(f, "{'badge': 2}"));
    assert_int_equal(erase(f, "club.member", 1), KT_OK);
    assert_false(is_there(f, "club.badge", 1));
    assert_false(is_there(f, "club.badge", 2));
    assert_false(is_there(f, "club.note", 1)); /* A client could not have deleted it by itself. */
    assert_check_finds_nothing(f);
}

static void a_cascade_is_refused_by_the_one_that_cannot_go(void **state)
{
    struct fixture *f = *state;
    make(f, "club.member", json(f, "{}"));
    make(f, "club.badge", json(f, "{'member': 1}"));
    make(f, "club.badge", json(f, "{'member': 1}"));
    move_badge(f, 2, "wear");
    erase(f, "club.member", 1);
    assert_refused(f, KT_CONFLICT, "state");
    assert_string_equal(f->entity, "club.badge");
    assert_true(is_there(f, "club.badge", 1));
    assert_int_equal(erase_by_server(f, "club.member", 1), KT_OK);
    /* Posted, it stays for the server, too. */
    make(f, "club.member", json(f, "{}"));
    make(f, "club.badge", json(f, "{'member': 2}"));
    move_badge(f, 3, "issue");
    erase_by_server(f, "club.member", 2);
    assert_refused(f, KT_CONFLICT, "state");
    assert_check_finds_nothing(f);
}

static void lines_go_or_are_emptied_and_the_document_stays(void **state)
{
    struct fixture *f = *state;
    make(f, "club.member", json(f, "{'name': 'Ann'}"));
    make(f, "club.member", json(f, "{'name': 'Bob'}"));
    make(f, "club.match",
         json(f, "{'name': 'Cup', 'players': [{'member': 1, 'goals': 3},"
                 "{'member': 2, 'substitute': 1, 'goals': 4}, {'goals': 5}]}"));
    assert_int_equal(erase(f, "club.member", 1), KT_OK);
    assert_value(f, load(f, "club.match", 1),
                 json(f, "{'id': 1, 'version': 3, 'name': 'Cup', 'players': ["
                         "{'id': 2, 'member': 2, 'goals': 4}, {'id': 3, 'goals': 5}]}"));
    assert_check_finds_nothing(f); /* The total of goals is 9. */
    /* The last line does not go: a match has players. */
    make(f, "club.match", json(f, "{'players': [{'member': 2}]}"));
    erase(f, "club.member", 2);
    assert_refused(f, KT_INVALID, "players");
    assert_string_equal(f->entity, "club.match");
}

static void a_circle_goes_as_a_whole_and_depth_has_an_end(void **state)
{
    struct fixture *f = *state;
    make(f, "club.part", json(f, "{}"));
    make(f, "club.part", json(f, "{'of': 1}"));
    update(f, "club.part", 1, json(f, "{'of': 2}"));
    assert_int_equal(erase(f, "club.part", 1), KT_OK);
    assert_false(is_there(f, "club.part", 2));
    /* Thirteen, each in the one before: from the second on they are twelve. */
    make(f, "club.part", json(f, "{}"));
    for (int i = 3; i < 15; i++)
        make(f, "club.part", json(f, "{'of': %d}", i));
    erase(f, "club.part", 3);
    assert_refused(f, KT_TOO_LARGE, "id");
    assert_int_equal(erase(f, "club.part", 4), KT_OK);
    assert_true(is_there(f, "club.part", 3));
    assert_check_finds_nothing(f);
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        STORY(a_refusal_lists_what_refers_to_the_record),
        STORY(what_the_user_may_not_read_is_counted_but_not_named),
        STORY(twenty_are_named_and_a_thousand_counted),
        STORY(a_posted_record_goes_for_nobody),
        STORY(a_record_that_refuses_to_go_along_is_named),
        STORY(a_stale_version_says_who_changed_it_when),
        STORY(a_set_null_reference_is_emptied_by_an_ordinary_update),
        STORY(two_that_refer_to_each_other_part),
        STORY(what_clients_cannot_change_is_not_emptied),
        STORY(a_cascade_takes_records_of_records_along),
        STORY(a_cascade_is_refused_by_the_one_that_cannot_go),
        STORY(lines_go_or_are_emptied_and_the_document_stays),
        STORY(a_circle_goes_as_a_whole_and_depth_has_an_end),
    };
    fixture_more = &club;
    return cmocka_run_group_tests_name("record_delete", stories, NULL, NULL);
}
