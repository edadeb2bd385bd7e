/* Goal: a request whose time is over stops with one clear error, or ends its page early; what it
 * did is undone.
 * Method: the time is over before it begins, or while the first records are given. */
#include "query_fixture.h"

#define LONG_AGO 1

static enum kt_status answer_in_time(struct fixture *f, const struct record_question *asked,
                                     record_each each, char *ids, msgpack_object *next)
{
    struct record_query *query;
    context_forgive(&f->ctx);
    KT_TRY(record_query_compile(&f->ctx, asked, &query));
    return record_query_run(&f->ctx, query, each, ids, next);
}

static void what_looks_at_many_stops(void **state)
{
    static const struct {
        const char *where, *order;
    } questions[] = {
        {"[]", NULL},                       /* All records, */
        {"[]", "email"},                    /* an index, */
        {"[]", "region"},                   /* sorted; */
        {"[['kind', '=', 'person']]", NULL} /* and only keys. */
    };
    struct fixture *f = *state;
    char ids[FOUND_MAX] = "";
    f->ctx.until_us = LONG_AGO;
    for (size_t i = 0; i < KT_COUNT(questions); i++) {
        struct record_question asked =
            question(f, "shop.party", questions[i].where, questions[i].order);
        assert_int_equal(answer_in_time(f, &asked, note_id, ids, NULL), KT_TOO_LARGE);
        assert_non_null(strstr(f->ctx.error.message, "takes longer"));
        assert_null(f->ctx.error.field);
    }
    assert_string_equal(ids, "");
    f->ctx.until_us = 0;
    struct record_question asked = question(f, "shop.party", "[]", NULL);
    assert_int_equal(answer_in_time(f, &asked, note_id, ids, NULL), KT_OK);
    assert_string_equal(ids, "1 2 3 4 5 6 7 8");
}

static enum kt_status note_and_be_late(struct kt_ctx *ctx, void *argument, uint64_t id,
                                       struct store_slice bytes)
{
    if (id == 3)
        ctx->until_us = LONG_AGO;
    return note_id(ctx, argument, id, bytes);
}

/* Three records; the next page goes on with the fourth. */
static void a_page_ends_early_and_the_next_goes_on(void **state)
{
    struct fixture *f = *state;
    char ids[FOUND_MAX] = "";
    msgpack_object next = kt_nil();
    struct record_question asked = question(f, "shop.party", "[]", NULL);
    asked.limit = 7;
    asked.paged = true;
    assert_int_equal(answer_in_time(f, &asked, note_and_be_late, ids, &next), KT_OK);
    assert_string_equal(ids, "1 2 3");
    assert_int_not_equal(next.type, MSGPACK_OBJECT_NIL);
    f->ctx.until_us = 0;
    asked.after = &next;
    ids[0] = '\0';
    assert_int_equal(answer_in_time(f, &asked, note_id, ids, NULL), KT_OK);
    assert_string_equal(ids, "4 5 6 7 8");
}

static void nothing_is_written_late(void **state)
{
    struct fixture *f = *state;
    f->ctx.until_us = LONG_AGO;
    assert_int_equal(create(f, "shop.party", json(f, "{'code': 'P9'}")), 0);
    assert_refused(f, KT_TOO_LARGE, "");
    update(f, "shop.party", 1, json(f, "{'rating': 1}"));
    assert_refused(f, KT_TOO_LARGE, "");
    erase(f, "shop.party", 8);
    assert_refused(f, KT_TOO_LARGE, "");
    f->ctx.until_us = 0;
    assert_string_equal(found_in(f, "shop.party", "[]", NULL), "1 2 3 4 5 6 7 8");
    assert_int_equal(kt_get_int(load(f, "shop.party", 1), "rating"), 5);
    assert_check_finds_nothing(f);
}

/* The eight parties took 8 changes since: an answer of then looks at them. */
static void the_past_takes_time_too(void **state)
{
    struct fixture *f = *state;
    char ids[FOUND_MAX] = "";
    f->ctx.as_of = 1;
    f->ctx.until_us = LONG_AGO;
    struct record_question asked = question(f, "shop.party", "[]", NULL);
    assert_int_equal(answer_in_time(f, &asked, note_id, ids, NULL), KT_TOO_LARGE);
    assert_non_null(strstr(f->ctx.error.message, "takes longer"));
}

static void an_answer_has_a_size(void **state)
{
    struct fixture *f = *state;
    f->ctx.limits.reply_bytes = 20;
    msgpack_sbuffer_clear(&f->ctx.reply);
    msgpack_sbuffer_write(&f->ctx.reply, "01234567890123456789", 20);
    assert_int_equal(context_check_reply(&f->ctx), KT_OK);
    msgpack_sbuffer_write(&f->ctx.reply, "0", 1);
    assert_int_equal(context_check_reply(&f->ctx), KT_TOO_LARGE);
    assert_non_null(strstr(f->ctx.error.message, "20 bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUESTION(what_looks_at_many_stops), QUESTION(a_page_ends_early_and_the_next_goes_on),
        QUESTION(nothing_is_written_late),  QUESTION(the_past_takes_time_too),
        QUESTION(an_answer_has_a_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
