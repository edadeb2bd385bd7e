/* Goal: whatever was answered at a moment is answered again, byte for byte, when it is asked as of
 * that moment; what has no past refuses; history tells each change once, in pages.
 * Method: random changes, with the answers after each kept; then the same questions of the past. */
#include "bus/bus_log.h"

#include "record_fixture.h"

#define IDS   24
#define STEPS 120

/* --- The company at work --- */

/* A confirmed order raises its customer's rating: a change within a change. */
static enum kt_status write_down(struct kt_ctx *ctx, const struct kt_event *event)
{
    KT_TRY(bus_log_append(ctx, event));
    if (strcmp(event->topic, "shop.order.confirmed") != 0)
        return KT_OK;
    uint64_t customer = kt_get_id(event->record, "customer");
    const msgpack_object *party;
    struct kt_map *changes = kt_map_new(ctx);
    KT_TRY(kt_record_get(ctx, "shop.party", customer, &party));
    kt_map_set_int(changes, "rating", kt_get_int(party, "rating") + 1);
    return kt_record_update(ctx, "shop.party", customer, changes);
}

static int open_company(void **state)
{
    if (set_up(state) != 0)
        return -1;
    ((struct fixture *)*state)->handler = write_down;
    return 0;
}

#define PAST(function) cmocka_unit_test_setup_teardown(function, open_company, tear_down)

static uint32_t dice; /* One program, one thread; set by each story. */

static unsigned roll(unsigned sides)
{
    dice ^= dice << 13;
    dice ^= dice >> 17;
    dice ^= dice << 5;
    return dice % sides;
}

static const char *const regions[] = {"north", "south", "west"};
static const char *const products[] = {"bolt", "nut", "cog"};

static void archive(struct fixture *f, uint64_t id, bool archived)
{
    begin_step(f);
    end_step(f, (archived ? record_archive : record_restore)(&f->ctx, entity_of(f, "shop.party"),
                                                             id, 0, RECORD_BY_CLIENT));
}

static void change_party(struct fixture *f)
{
    uint64_t id = roll(IDS) + 1;
    switch (roll(6)) {
    case 0:
    case 1:
        create(f, "shop.party",
               json(f, "{'code':'P%u','name':'%s %u','region':'%s','rating':%u,'credit':'%u.50'}",
                    roll(40), regions[roll(3)], roll(9), regions[roll(3)], roll(5), roll(900)));
        break;
    case 2:
        update(f, "shop.party", id, json(f, "{'code':'P%u','tags':['t%u']}", roll(40), roll(3)));
        break;
    case 3:
        update(f, "shop.party", id,
               json(f, "{'region':'%s','rating':%u,'email':null}", regions[roll(3)], roll(5)));
        break;
    case 4:
        archive(f, id, roll(3) > 0);
        break;
    default:
        erase(f, "shop.party", id);
    }
}

static void change_order(struct fixture *f)
{
    uint64_t id = roll(IDS) + 1;
    switch (roll(6)) {
    case 0:
    case 1:
        create(f, "shop.order",
               json(f,
                    "{'customer':%u,'date':'2026-%02u-03','lines':["
                    "{'product':'%s','quantity':'%u','price':'2.25'},"
                    "{'product':'%s','quantity':'%u','price':'10'}]}",
                    roll(IDS) + 1, roll(12) + 1, products[roll(3)], roll(9) + 1, products[roll(3)],
                    roll(9) + 1));
        break;
    case 2:
        update(f, "shop.order", id,
               json(f, "{'lines':[{'product':'%s','quantity':'%u','price':'1'}]}",
                    products[roll(3)], roll(9) + 1));
        break;
    case 3:
        transition(f, id, "confirm");
        break;
    case 4:
        transition(f, id, roll(2) ? "cancel" : "confirm");
        break;
    default:
        erase(f, "shop.order", id);
    }
}

static void change_something(struct fixture *f)
{
    f->ctx.now += (kt_instant_us)roll(3) * 1800 * 1000000; /* At times, nothing passes. */
    switch (roll(5)) {
    case 0:
    case 1:
        change_party(f);
        break;
    case 2:
        create(f, "shop.move",
               json(f, "{'lines':[{'product':'%s','from':'dock','to':'%s','quantity':'%u'}]}",
                    products[roll(3)], regions[roll(3)], roll(20) + 1));
        break;
    default:
        change_order(f);
    }
}

/* --- Questions --- */

struct answers {
    char *at;
    size_t size;
};

static void note(struct answers *answers, const void *bytes, size_t size)
{
    answers->at = realloc(answers->at, answers->size + size + 1);
    assert_non_null(answers->at);
    if (size)
        memcpy(answers->at + answers->size, bytes, size);
    answers->size += size;
}

static void note_reply(struct fixture *f, enum kt_status status, struct answers *answers)
{
    char word[32];
    snprintf(word, sizeof(word), "\n%s ", kt_status_code(status));
    note(answers, word, strlen(word));
    if (status == KT_OK)
        note(answers, f->ctx.reply.data, f->ctx.reply.size);
    context_forgive(&f->ctx);
}

static const char *const totals[] = {"shop.sold", "shop.ordered", "shop.stock"};

/* Every record, by id, and every row of every total. */
static void ask_all(struct fixture *f, struct answers *answers)
{
    static const char *const names[] = {"shop.party", "shop.order", "shop.move"};
    for (size_t e = 0; e < KT_COUNT(names); e++)
        for (uint64_t id = 1; id <= IDS; id++)
            note_reply(f, record_reply_get(&f->ctx, entity_of(f, names[e]), id, NULL), answers);
    for (size_t t = 0; t < KT_COUNT(totals); t++)
        note_reply(f, record_reply_totals(&f->ctx, json(f, "{'total':'%s'}", totals[t])), answers);
    note_reply(f, record_reply_totals(&f->ctx, json(f, "{'total':'shop.stock','by':['cog']}")),
               answers);
}

/* By a unique field; one row and a sum, as modules ask. */
static void ask_as_modules(struct fixture *f, struct answers *answers)
{
    for (unsigned i = 0; i < 40; i++) {
        const msgpack_object *found;
        msgpack_object code = kt_text(kt_format(&f->ctx, "P%u", i));
        assert_int_equal(kt_record_find(&f->ctx, "shop.party", "code", code, &found), KT_OK);
        uint64_t id = kt_get_id(found, "id");
        note(answers, &id, sizeof(id));
    }
    for (size_t p = 0; p < KT_COUNT(products); p++) {
        struct kt_total_row row;
        const msgpack_object by[] = {kt_text(products[p]), kt_text("dock")};
        char text[KT_DECIMAL_TEXT_SIZE];
        assert_int_equal(kt_total_get(&f->ctx, "shop.stock", by, 2, &row), KT_OK);
        note(answers, text, kt_decimal_format(row.measures[0], text));
        assert_int_equal(kt_total_sum(&f->ctx, "shop.stock", by, 1, &row), KT_OK);
        note(answers, text, kt_decimal_format(row.measures[0], text));
    }
}

/* By id and along indexes, forwards and backwards, from several ranges, sorted; by references. */
static const struct question {
    const char *entity, *where, *order;
    unsigned limit;
} questions[] = {
    {"shop.party", "[]", "'id'", 4},
    {"shop.party", "[]", "'-id'", 5},
    {"shop.party", "[]", "'name'", 3},
    {"shop.party", "[]", "'-name'", 3},
    {"shop.party", "[]", "['region','-rating']", 4},
    {"shop.party", "[['id','in',[1,3,5,7,9,11]]]", "'id'", 2},
    {"shop.party", "[['id','=',2]]", "'id'", 2},
    {"shop.party", "[['region','=','north']]", "'name'", 2},
    {"shop.party", "[['rating','>=',2]]", "'rating'", 3},
    {"shop.party", "[['rating','in',[1,3]]]", "'-rating'", 2},
    {"shop.party", "[['rating','in',[0,2,4]]]", "'name'", 2},
    {"shop.party", "[['tags','in',['t1','t2']]]", "'-credit'", 2},
    {"shop.party", "[['code','like','P1']]", "'code'", 2},
    {"shop.party", "[['or',['rating','=',1],['region','=','west']]]", "'credit'", 3},
    {"shop.party", "[['archived','=',true]]", "'name'", 2},
    {"shop.order", "[['customer.archived','=',true]]", "'id'", 2},
    {"shop.order", "[['customer.region','=','north']]", "'-date'", 2},
    {"shop.order", "[['lines.product','=','bolt']]", "'date'", 3},
    {"shop.order", "[['customer.rating','>',1],['state','=','confirmed']]", "'customer.name'", 2},
    {"shop.order", "[['not',['state','=','cancelled']]]", "['-total','date']", 3},
    {"shop.move", "[]", "'-id'", 6},
};

static void ask_in_pages(struct fixture *f, const struct question *question,
                         struct answers *answers)
{
    const struct schema_entity *entity = entity_of(f, question->entity);
    struct kt_map *params =
        kt_map_copy(&f->ctx, json(f, "{'where':%s,'order':%s,'limit':%u}", question->where,
                                  question->order, question->limit));
    for (unsigned page = 0; page < IDS; page++) {
        enum kt_status status = record_reply_search(&f->ctx, entity, &params->object);
        assert_int_equal(status, KT_OK);
        note_reply(f, status, answers);
        const msgpack_object *next = kt_get(answer(f), "next");
        if (!next)
            break;
        kt_map_set(params, "after", *next);
    }
    note_reply(f, record_reply_count(&f->ctx, entity, &params->object), answers);
}

static struct answers ask_everything(struct fixture *f)
{
    struct answers answers = {0};
    ask_all(f, &answers);
    ask_as_modules(f, &answers);
    for (size_t i = 0; i < KT_COUNT(questions); i++)
        ask_in_pages(f, &questions[i], &answers);
    forget(f);
    return answers;
}

struct moment {
    uint64_t event;
    kt_instant_us at;
    struct answers answers;
};

static void assert_answered_again(struct fixture *f, const struct moment *moment)
{
    f->ctx.as_of = moment->event;
    record_past_free(&f->ctx);
    struct answers again = ask_everything(f);
    if (again.size != moment->answers.size ||
        memcmp(again.at, moment->answers.at, again.size) != 0) {
        size_t i = 0;
        while (i < again.size && i < moment->answers.size && again.at[i] == moment->answers.at[i])
            i++;
        fail_msg("as of event %llu the answers differ from byte %zu on: ...%.200s",
                 (unsigned long long)moment->event, i, again.at + (i > 100 ? i - 100 : 0));
    }
    free(again.at);
    f->ctx.as_of = 0;
    record_past_free(&f->ctx);
}

/* The event of an instant is the last one not after it. */
static void assert_instant_finds(struct fixture *f, const struct moment *moments, size_t count)
{
    kt_instant_us now = f->ctx.now;
    for (size_t i = 0; i < count; i++) {
        size_t last = i;
        while (last + 1 < count && moments[last + 1].at == moments[i].at)
            last++;
        msgpack_object instant = kt_instant_value(&f->ctx, moments[i].at + (roll(2) ? 1 : 0));
        assert_int_equal(record_set_as_of(&f->ctx, &instant), KT_OK);
        assert_int_equal(f->ctx.as_of, moments[last].event);
        f->ctx.as_of = 0;
        f->ctx.now = now;
    }
}

static void assert_sound(struct fixture *f)
{
    assert_int_equal(record_check_all(&f->ctx), KT_OK);
    if (kt_get_int(answer(f), "count"))
        assert_value(f, kt_get(answer(f), "problems"), json(f, "[]"));
    assert_true(kt_get_int(kt_get(answer(f), "checked"), "changes") > 0);
}

static void random_company(struct fixture *f, uint32_t seed)
{
    struct moment moments[STEPS];
    size_t count = 0;
    dice = seed;
    for (unsigned i = 0; i < STEPS * 2 && count < STEPS; i++) {
        uint64_t last;
        change_something(f);
        assert_int_equal(record_last_event(&f->ctx, &last), KT_OK);
        if (last == 0 || f->status != KT_OK)
            continue;
        moments[count++] = (struct moment){last, f->ctx.now, ask_everything(f)};
        if (roll(4) == 0)
            assert_answered_again(f, &moments[roll((unsigned)count)]);
    }
    assert_true(count > STEPS / 2);
    for (size_t i = 0; i < count; i++)
        assert_answered_again(f, &moments[i]);
    f->ctx.now += 1;
    assert_instant_finds(f, moments, count);
    assert_sound(f);
    for (size_t i = 0; i < count; i++)
        free(moments[i].answers.at);
}

static void what_was_answered_is_answered_again(void **state)
{
    random_company(*state, 2026);
}

static void what_was_answered_is_answered_again_with_other_dice(void **state)
{
    random_company(*state, 31337);
}

/* --- Moments --- */

static enum kt_status set_as_of(struct fixture *f, const char *given)
{
    begin_step(f);
    enum kt_status status = record_set_as_of(&f->ctx, json(f, "%s", given));
    return end_step(f, status);
}

/* Long pasts are worked out once a request: each answer is the same again. */
static void a_record_that_changed_often_is_asked_for_often(void **state)
{
    struct fixture *f = *state;
    create(f, "shop.party", json(f, "{'code':'A','region':'north'}"));
    create(f, "shop.party", json(f, "{'code':'B','region':'north'}"));
    uint64_t then;
    assert_int_equal(record_last_event(&f->ctx, &then), KT_OK);
    for (unsigned i = 0; i < 20; i++)
        update(f, "shop.party", 1, json(f, "{'region':'south','rating':%u}", i));
    create(f, "shop.party", json(f, "{'code':'C','region':'north'}"));
    for (unsigned i = 0; i < 20; i++)
        update(f, "shop.party", 3, json(f, "{'rating':%u}", i));
    f->ctx.as_of = then;
    for (unsigned i = 0; i < 3; i++) {
        struct store_slice bytes;
        msgpack_object record;
        begin_step(f);
        assert_int_equal(record_find_past(&f->ctx, entity_of(f, "shop.party"), 1, &bytes), KT_OK);
        assert_int_equal(context_unpack(&f->ctx, bytes.at, bytes.size, false, &record), KT_OK);
        assert_string_equal(kt_get_text(&f->ctx, &record, "region"), "north");
        assert_false(kt_has(&record, "rating"));
        assert_int_equal(kt_get_id(&record, "version"), 1);
        assert_int_equal(record_find_past(&f->ctx, entity_of(f, "shop.party"), 3, &bytes),
                         KT_NOT_FOUND);
        end_step(f, KT_OK);
    }
    f->ctx.as_of = 0;
}

/* Event 1 at 2026-11-23 00:00, event 2 three days later, at noon. */
static void two_events(struct fixture *f)
{
    create(f, "shop.party", json(f, "{'code':'A'}"));
    f->ctx.now += INT64_C(84) * 3600 * 1000000;
    create(f, "shop.party", json(f, "{'code':'B'}"));
}

static void a_moment_is_a_number_a_day_or_an_instant(void **state)
{
    static const struct {
        const char *given;
        uint64_t event;
        const char *now; /* What the request takes for now. */
    } good[] = {{"1", 1, "2026-11-23T00:00:00Z"},
                {"2", 2, "2026-11-26T12:00:00Z"},
                {"'2026-11-23'", 1, "2026-11-23T23:59:59.999999Z"},
                {"'2026-11-25'", 1, "2026-11-25T23:59:59.999999Z"},
                {"'2026-11-26'", 2, "2026-11-26T12:00:00Z"}, /* Today, so far. */
                {"'2026-11-23T00:00:00Z'", 1, "2026-11-23T00:00:00Z"},
                {"'2026-11-26T11:59:59.999999Z'", 1, "2026-11-26T11:59:59.999999Z"},
                {"'2026-11-26T12:00:00Z'", 2, "2026-11-26T12:00:00Z"}};
    struct fixture *f = *state;
    two_events(f);
    kt_instant_us now = f->ctx.now, then;
    for (size_t i = 0; i < KT_COUNT(good); i++) {
        assert_int_equal(set_as_of(f, good[i].given), KT_OK);
        assert_int_equal(f->ctx.as_of, good[i].event);
        assert_true(kt_instant_parse(good[i].now, strlen(good[i].now), &then));
        assert_true(kt_now(&f->ctx) == then);
        f->ctx.as_of = 0;
        f->ctx.now = now;
    }
}

static void what_is_no_moment_of_the_data_is_refused(void **state)
{
    static const char *const bad[] = {"0",
                                      "3",
                                      "-1",
                                      "true",
                                      "'soon'",
                                      "'2026-11-31'",
                                      "'2026-11-22'",
                                      "'2026-11-27'",
                                      "'2026-11-22T23:59:59Z'",
                                      "'2026-11-26T12:00:01Z'",
                                      "'2026-11-26T12Z'"};
    struct fixture *f = *state;
    two_events(f);
    for (size_t i = 0; i < KT_COUNT(bad); i++) {
        set_as_of(f, bad[i]);
        assert_refused(f, KT_INVALID, "as_of");
        assert_int_equal(f->ctx.as_of, 0);
    }
}

static void an_empty_store_has_no_past(void **state)
{
    struct fixture *f = *state;
    set_as_of(f, "1");
    assert_refused(f, KT_INVALID, "as_of");
    set_as_of(f, "'2026-11-23'");
    assert_refused(f, KT_INVALID, "as_of");
}

/* --- What keeps no history --- */

static void what_keeps_no_history_has_no_past(void **state)
{
    struct fixture *f = *state;
    uint64_t id = create(f, "shop.cache", json(f, "{'text':'warm'}"));
    update(f, "shop.cache", id, json(f, "{'text':'hot'}"));
    begin_step(f);
    f->ctx.as_of = 1;
    end_step(f, record_reply_get(&f->ctx, entity_of(f, "shop.cache"), id, NULL));
    f->ctx.as_of = 0;
    assert_refused(f, KT_INVALID, "as_of");
    begin_step(f);
    end_step(f, record_reply_history(&f->ctx, entity_of(f, "shop.cache"), json(f, "{'id':1}")));
    assert_refused(f, KT_INVALID, "entity");
}

/* --- History --- */

/* Three changes and the deletion: versions 1 to 4, in pages of three. */
static void history_comes_in_pages_and_outlives_its_record(void **state)
{
    struct fixture *f = *state;
    const struct schema_entity *party = entity_of(f, "shop.party");
    uint64_t id = create(f, "shop.party", json(f, "{'code':'A','name':'Ann'}"));
    update(f, "shop.party", id, json(f, "{'name':'Anna'}"));
    update(f, "shop.party", id, json(f, "{'name':null,'rating':3}"));
    erase(f, "shop.party", id);

    assert_int_equal(record_reply_history(&f->ctx, party, json(f, "{'id':1,'limit':3}")), KT_OK);
    const msgpack_object *page = answer(f), *third = kt_at(page, "entries", 2);
    assert_int_equal(kt_count(page, "entries"), 3);
    assert_int_equal(kt_get_id(page, "next"), 3);
    assert_int_equal(kt_get_id(third, "version"), 3);
    assert_int_equal(kt_get_id(third, "event"), 3);
    assert_true(kt_is(third, "user", "ann"));
    assert_true(kt_is(third, "what", "update"));
    assert_value(f, kt_get(third, "changes"), json(f, "{'name':['Anna',null],'rating':[null,3]}"));

    assert_int_equal(record_reply_history(&f->ctx, party, json(f, "{'id':1,'limit':3,'after':3}")),
                     KT_OK);
    page = answer(f);
    assert_int_equal(kt_count(page, "entries"), 1);
    assert_false(kt_has(page, "next"));
    assert_true(kt_is(kt_at(page, "entries", 0), "what", "delete"));

    f->ctx.as_of = 2;
    assert_int_equal(record_reply_history(&f->ctx, party, json(f, "{'id':1}")), KT_OK);
    f->ctx.as_of = 0;
    assert_int_equal(kt_count(answer(f), "entries"), 2);
}

/* --- The check of history --- */

/* Ann is created and renamed: events 1 and 2. */
static uint64_t ann(struct fixture *f)
{
    uint64_t id = create(f, "shop.party", json(f, "{'code':'A','name':'Ann'}"));
    update(f, "shop.party", id, json(f, "{'name':'Anna','weight':'2'}"));
    assert_sound(f);
    return id;
}

static void assert_problem(struct fixture *f, const char *what, const char *text)
{
    assert_int_equal(record_check_all(&f->ctx), KT_OK);
    const msgpack_object *told = answer(f), *first = kt_at(told, "problems", 0);
    assert_int_equal(kt_get_int(told, "count"), 1);
    assert_true(kt_is(first, "what", what));
    assert_string_equal(kt_get_text(&f->ctx, first, "text"), text);
}

static void a_change_that_is_not_listed_is_named(void **state)
{
    struct fixture *f = *state;
    struct key key;
    record_changed_key(&key, entity_of(f, "shop.party"), 2, ann(f));
    assert_int_equal(store_del(f->txn, key_slice(&key)), KT_OK);
    assert_problem(f, "changed",
                   "version 2 of record 1 is missing in the list of what changed when");
}

static void a_listed_change_that_was_none_is_named(void **state)
{
    struct fixture *f = *state;
    struct key key;
    record_changed_key(&key, entity_of(f, "shop.party"), 5, ann(f));
    assert_int_equal(store_put(f->txn, key_slice(&key), (struct store_slice){"", 0}), KT_OK);
    assert_problem(f, "changed",
                   "record 1 is listed as changed at 5, its history has no such change");
}

static void a_record_that_changed_behind_its_history_is_named(void **state)
{
    struct fixture *f = *state;
    struct kt_map *record;
    const struct schema_entity *party = entity_of(f, "shop.party");
    uint64_t id = ann(f);
    record = kt_map_copy(&f->ctx, load(f, "shop.party", id));
    kt_map_set_id(record, "version", 3);
    assert_int_equal(record_put(&f->ctx, party, id, &record->object), KT_OK);
    assert_problem(f, "history", "record 1 is at version 3, its history ends with 2");
    kt_map_set_id(record, "version", 2);
    kt_map_set_text(record, "weight", "3");
    assert_int_equal(record_put(&f->ctx, party, id, &record->object), KT_OK);
    assert_problem(f, "history", "weight of record 1 is not what its last change made it");
}

static void a_lost_change_is_named(void **state)
{
    struct fixture *f = *state;
    struct key key;
    const struct schema_entity *party = entity_of(f, "shop.party");
    uint64_t id = ann(f);
    update(f, "shop.party", id, json(f, "{'name':'Annabel'}"));
    record_history_begin(&key, party, id);
    key_add_u64(&key, 2);
    key_add_u64(&key, 2);
    assert_int_equal(store_del(f->txn, key_slice(&key)), KT_OK);
    record_changed_key(&key, party, 2, id);
    assert_int_equal(store_del(f->txn, key_slice(&key)), KT_OK);
    assert_problem(f, "history", "version 3 of record 1: it does not follow the version before");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAST(what_was_answered_is_answered_again),
        PAST(what_was_answered_is_answered_again_with_other_dice),
        PAST(a_moment_is_a_number_a_day_or_an_instant),
        PAST(a_record_that_changed_often_is_asked_for_often),
        PAST(what_is_no_moment_of_the_data_is_refused),
        PAST(an_empty_store_has_no_past),
        PAST(what_keeps_no_history_has_no_past),
        PAST(history_comes_in_pages_and_outlives_its_record),
        PAST(a_change_that_is_not_listed_is_named),
        PAST(a_listed_change_that_was_none_is_named),
        PAST(a_record_that_changed_behind_its_history_is_named),
        PAST(a_lost_change_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
