/* Goal: an answer is kept for a day under its user and request_id, is given again only to the same
 * question, and old ones go a few at a time.
 * Method: the functions themselves, on a store of their own, with a clock that the story sets. */
#include "engine/engine_internal.h"
#include "record_fixture.h"

#define HOUR_US ((kt_instant_us)3600 * 1000000)

struct desk {
    struct fixture *f;
    struct engine_ctx engine;
    struct registry_method method;
};

static void open_desk(struct desk *desk, struct fixture *f)
{
    *desk = (struct desk){.f = f, .method = {.name = "record.create"}};
    context_init(&desk->engine.base);
    desk->engine.base.txn = f->txn;
    desk->engine.base.writable = true;
    desk->engine.base.user_id = 7;
    desk->engine.base.now = f->ctx.now;
}

static struct dispatch ask_for(struct desk *desk, const char *id, const char *params)
{
    return (struct dispatch){.method = &desk->method,
                             .params = json(desk->f, "%s", params),
                             .request_id = id ? json(desk->f, "'%s'", id) : NULL};
}

/* Does it as the writer does: true when it was answered before. */
static bool do_once(struct desk *desk, const char *id, const char *params, const char *answer,
                    enum kt_status *status)
{
    struct dispatch dispatch = ask_for(desk, id, params);
    context_forgive(&desk->engine.base);
    msgpack_sbuffer_clear(&desk->engine.base.reply);
    if (replay_find(&desk->engine, &dispatch, status))
        return true;
    msgpack_sbuffer_write(&desk->engine.base.reply, answer, strlen(answer));
    *status = replay_keep(&desk->engine, &dispatch);
    return false;
}

static void assert_answer(const struct desk *desk, const char *answer)
{
    assert_int_equal(desk->engine.base.reply.size, strlen(answer));
    assert_memory_equal(desk->engine.base.reply.data, answer, strlen(answer));
}

static void the_same_question_gets_the_first_answer(void **state)
{
    struct desk desk;
    enum kt_status status;
    open_desk(&desk, *state);
    assert_false(do_once(&desk, "r-1", "{'a': 1, 'b': {'x': [1], 'y': 2}}", "first", &status));
    assert_int_equal(status, KT_OK);
    /* Whatever the order of its keys. */
    assert_true(do_once(&desk, "r-1", "{'b': {'y': 2, 'x': [1]}, 'a': 1}", "second", &status));
    assert_int_equal(status, KT_OK);
    assert_answer(&desk, "first");
    /* dry_run and the id itself are no part of the question. */
    assert_true(do_once(&desk, "r-1", "{'b': {'y': 2, 'x': [1]}, 'a': 1, 'request_id': 'r-1'}",
                        "third", &status));
    assert_int_equal(status, KT_OK);
    context_deinit(&desk.engine.base);
}

static void another_question_is_refused(void **state)
{
    static const char *const others[] = {
        "{'a': 2}", "{'a': '1'}", "{'b': 1}", "{'a': 1, 'b': null}", "{'a': [1]}", "{}"};
    struct desk desk;
    enum kt_status status;
    open_desk(&desk, *state);
    do_once(&desk, "r-1", "{'a': 1}", "first", &status);
    for (size_t i = 0; i < KT_COUNT(others); i++) {
        assert_true(do_once(&desk, "r-1", others[i], "second", &status));
        assert_int_equal(status, KT_CONFLICT);
        assert_string_equal(desk.engine.base.error.field, "request_id");
    }
    desk.method.name = "record.update";
    assert_true(do_once(&desk, "r-1", "{'a': 1}", "second", &status));
    assert_int_equal(status, KT_CONFLICT);
    context_deinit(&desk.engine.base);
}

static void users_and_ids_do_not_meet(void **state)
{
    struct desk desk;
    enum kt_status status;
    open_desk(&desk, *state);
    do_once(&desk, "r-1", "{}", "first", &status);
    assert_false(do_once(&desk, "r-2", "{}", "second", &status));
    assert_false(do_once(&desk, NULL, "{}", "third", &status));
    desk.engine.base.user_id = 8;
    assert_false(do_once(&desk, "r-1", "{}", "fourth", &status));
    assert_int_equal(status, KT_OK);
    /* Ids that only begin alike, up to a NUL. */
    struct dispatch dispatch = ask_for(&desk, "r", "{}");
    msgpack_object with_nul = kt_text_of("r\0a", 3), other_nul = kt_text_of("r\0b", 3);
    dispatch.request_id = &with_nul;
    assert_false(replay_find(&desk.engine, &dispatch, &status));
    assert_int_equal(replay_keep(&desk.engine, &dispatch), KT_OK);
    dispatch.request_id = &other_nul;
    assert_false(replay_find(&desk.engine, &dispatch, &status));
    context_deinit(&desk.engine.base);
}

static void an_answer_too_large_to_keep_is_refused(void **state)
{
    struct desk desk;
    struct dispatch dispatch;
    enum kt_status status;
    open_desk(&desk, *state);
    char *large = calloc(1, KT_LIMIT_KEPT_REPLY_BYTES + 1);
    dispatch = ask_for(&desk, "r-1", "{}");
    assert_false(replay_find(&desk.engine, &dispatch, &status));
    msgpack_sbuffer_write(&desk.engine.base.reply, large, KT_LIMIT_KEPT_REPLY_BYTES + 1);
    assert_int_equal(replay_keep(&desk.engine, &dispatch), KT_TOO_LARGE);
    /* Without an id nothing need be kept. */
    dispatch.request_id = NULL;
    assert_int_equal(replay_keep(&desk.engine, &dispatch), KT_OK);
    free(large);
    context_deinit(&desk.engine.base);
}

static uint64_t rows(const struct desk *desk)
{
    struct store_stat stat;
    assert_int_equal(store_lmdb.stat(desk->engine.base.txn, &stat), KT_OK);
    return stat.entries;
}

static void old_answers_are_forgotten_along_the_way(void **state)
{
    struct desk desk;
    enum kt_status status;
    open_desk(&desk, *state);
    uint64_t empty = rows(&desk);
    for (unsigned i = 0; i < 10; i++)
        do_once(&desk, kt_format(&desk.f->ctx, "old-%u", i), "{}", "old", &status);
    assert_int_equal(rows(&desk), empty + 20); /* Two rows each. */
    /* A day later to the microsecond all are there still. */
    desk.engine.base.now += 24 * HOUR_US;
    assert_int_equal(replay_forget_old(&desk.engine.base), KT_OK);
    assert_true(do_once(&desk, "old-0", "{}", "new", &status));
    assert_answer(&desk, "old");
    /* Then two go with every one that comes: the table does not grow. */
    desk.engine.base.now++;
    do_once(&desk, "new-0", "{}", "new", &status);
    assert_int_equal(rows(&desk), empty + 18);
    assert_false(do_once(&desk, "old-0", "{}", "new", &status));
    assert_int_equal(rows(&desk), empty + 16);
    /* The job takes what is left of the old. */
    assert_int_equal(replay_forget_old(&desk.engine.base), KT_OK);
    assert_int_equal(rows(&desk), empty + 4);
    assert_true(do_once(&desk, "new-0", "{}", "newer", &status));
    context_deinit(&desk.engine.base);
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        STORY(the_same_question_gets_the_first_answer),
        STORY(another_question_is_refused),
        STORY(users_and_ids_do_not_meet),
        STORY(an_answer_too_large_to_keep_is_refused),
        STORY(old_answers_are_forgotten_along_the_way),
    };
    return cmocka_run_group_tests(stories, NULL, NULL);
}
