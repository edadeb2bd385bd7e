/* Goal: what rules did is counted by their names, over sets; who watches sees each turn; what fails
 * too often in a row is due to be disabled, and only that.
 * Method: rules on the small shop (script_fixture.h), with a life that outlives their sets. */
#include "script/life.h"
#include "script/test.h"

#include "script_fixture.h"

static struct script_life *watched(struct world *w, const char *text)
{
    struct script_life *life = script_life_new();
    use_rules(w, text);
    script_set_watch(w->rules, life);
    return life;
}

static const msgpack_object *row_of(struct world *w, const char *name)
{
    struct kt_list *list = kt_list_new(&w->ctx);
    script_set_list(w->rules, true, list);
    for (uint32_t i = 0; i < list->object.via.array.size; i++)
        if (kt_is(&list->object.via.array.ptr[i], "name", name))
            return &list->object.via.array.ptr[i];
    fail_msg("no rule %s", name);
    return NULL;
}

static void assert_counts(struct world *w, const char *name, int runs, int denied, int failed)
{
    const msgpack_object *row = row_of(w, name);
    assert_int_equal(runs, kt_get_int(row, "runs"));
    assert_int_equal(denied, kt_get_int(row, "denied"));
    assert_int_equal(failed, kt_get_int(row, "failed"));
}

static enum kt_status order(struct world *w, const char *note)
{
    struct kt_map *given = order_values(w);
    kt_map_set_text(given, "note", note);
    enum kt_status status = make(w, "shop.order", given, NULL);
    next_request(w);
    return status;
}

#define MOODY                                                                                      \
    "rule{ on = 'shop.order.before_create', name = 'moody', disable_after = 2, check = "           \
    "function(o)\n if o.note == 'bad' then error('no idea') end\n"                                 \
    " if o.note == 'no' then kontor.deny('not so') end\n o.discount = '1' end }"

static void turns_are_counted_over_sets(void **state)
{
    struct world *w = *state;
    struct script_life *life = watched(w, MOODY);
    assert_int_equal(KT_OK, order(w, "fine"));
    assert_int_equal(KT_RULE_DENIED, order(w, "no"));
    assert_int_equal(KT_RULE_FAILED, order(w, "bad"));
    assert_counts(w, "moody", 3, 1, 1);
    assert_int_equal(1, kt_count(row_of(w, "moody"), "changed"));
    assert_contains(kt_get_text(&w->ctx, row_of(w, "moody"), "last_error"), "test.lua:2: no idea");
    /* Another set with a rule of that name goes on, one beside it begins. */
    use_rules(w, MOODY "rule{ on = 'shop.order.after_create', name = 'new', "
                       "check = function() end }");
    script_set_watch(w->rules, life);
    assert_int_equal(KT_OK, order(w, "fine"));
    assert_counts(w, "moody", 4, 1, 1);
    assert_counts(w, "new", 1, 0, 0);
    /* Unwatched, nobody counts. */
    use_rules(w, MOODY);
    assert_int_equal(KT_OK, order(w, "fine"));
    script_set_watch(w->rules, life);
    assert_counts(w, "moody", 4, 1, 1);
    script_life_release(life);
}

static void only_failures_in_a_row_are_due(void **state)
{
    struct world *w = *state;
    struct script_due due;
    struct script_life *life = watched(w, MOODY);
    order(w, "bad");
    order(w, "no");
    order(w, "bad");
    order(w, "fine");
    order(w, "bad");
    assert_false(script_life_has_due(life));
    order(w, "bad");
    assert_true(script_life_has_due(life));
    assert_true(script_life_take_due(life, &w->ctx, &due));
    assert_string_equal("moody", due.rule);
    assert_string_equal("test.lua", due.file);
    assert_int_equal(2, due.failures);
    assert_false(script_life_has_due(life));
    /* Not written for some reason: it is due again with its next failure. */
    order(w, "bad");
    assert_true(script_life_take_due(life, &w->ctx, &due));
    assert_int_equal(3, due.failures);
    script_life_pardon(life, "moody");
    order(w, "bad");
    assert_false(script_life_has_due(life));
    /* What is mended while it is due is not due any more. */
    order(w, "bad");
    assert_true(script_life_has_due(life));
    script_life_pardon_file(life, w->rules, "other.lua");
    assert_true(script_life_has_due(life));
    script_life_pardon_file(life, w->rules, "test.lua");
    assert_false(script_life_has_due(life));
    assert_false(script_life_take_due(life, &w->ctx, &due));
    script_life_release(life);
}

/* Five million steps are all rules': who comes last is not to blame, who takes most of them is. */
static void who_used_up_the_steps_is_due(void **state)
{
    struct world *w = *state;
    struct script_life *life = watched(
        w, "rule{ on = 'shop.order.before_create', name = 'heavy', priority = 10, check = "
           "function(o) if o.note == 'much' then for i = 1, 3000000 do end end end }"
           "rule{ on = 'shop.order.before_create', name = 'last', disable_after = 1, check = "
           "function(o) while true do end end }");
    struct script_due due;
    assert_int_equal(KT_RULE_FAILED, order(w, "much"));
    assert_counts(w, "last", 1, 0, 1);
    assert_false(script_life_has_due(life));
    assert_int_equal(KT_RULE_FAILED, order(w, "little"));
    assert_true(script_life_take_due(life, &w->ctx, &due));
    assert_string_equal("last", due.rule);
    script_life_release(life);
}

/* A rule that creates what another rule breaks on has not failed by itself. */
static void who_breaks_is_told_not_who_called(void **state)
{
    struct world *w = *state;
    struct script_life *life = watched(
        w, "rule{ on = 'shop.order.before_create', name = 'caller', disable_after = 1, check = "
           "function(o) if o.note == 'outer' then kontor.create('shop.order', "
           "{ note = 'inner', lines = {} }) end end }"
           "rule{ on = 'shop.order.before_create', name = 'inner', disable_after = 1, priority = "
           "60, check = function(o) if o.note == 'inner' then error('broken') end end }");
    struct script_due due;
    assert_int_equal(KT_RULE_FAILED, order(w, "outer"));
    assert_true(script_life_take_due(life, &w->ctx, &due));
    assert_string_equal("inner", due.rule);
    assert_false(script_life_take_due(life, &w->ctx, &due));
    assert_counts(w, "inner", 1, 0, 1);
    assert_counts(w, "caller", 1, 0, 0);
    script_life_release(life);
}

static void a_disabled_rule_is_passed_over(void **state)
{
    struct world *w = *state;
    use_rules(w, MOODY);
    assert_true(script_set_disable(w->rules, "moody"));
    assert_false(script_set_disable(w->rules, "other"));
    assert_int_equal(KT_OK, order(w, "bad"));
    assert_true(kt_is(row_of(w, "moody"), "state", "disabled"));
}

static const msgpack_object *trace(struct world *w, struct script_life *life, int64_t after)
{
    msgpack_object from = kt_int(after);
    const struct script_trace_query query = {.after = after >= 0 ? &from : NULL, .limit = 2000};
    struct kt_map *answer = kt_map_new(&w->ctx);
    script_life_trace(life, &query, answer);
    return &answer->object;
}

static void turns_are_traced_while_somebody_watches(void **state)
{
    struct world *w = *state;
    struct script_life *life = watched(w, MOODY);
    order(w, "fine");
    const msgpack_object *told = trace(w, life, -1);
    assert_int_equal(0, kt_count(told, "turns"));
    int64_t next = kt_get_int(told, "next");
    order(w, "fine");
    order(w, "no");
    told = trace(w, life, next);
    assert_int_equal(2, kt_count(told, "turns"));
    const msgpack_object *first = kt_at(told, "turns", 0), *second = kt_at(told, "turns", 1);
    assert_true(kt_is(first, "outcome", "changed"));
    assert_int_equal(1, kt_count(first, "fields"));
    assert_true(kt_is(second, "outcome", "denied"));
    assert_true(kt_is(second, "message", "not so"));
    assert_true(kt_is(second, "moment", "before_create"));
    assert_true(kt_is(second, "user", "anna"));
    script_life_release(life);
}

/* 1100 turns, of which 1024 are kept: 76 are missed. */
static void the_trace_is_bounded(void **state)
{
    struct world *w = *state;
    struct script_life *life = watched(w, MOODY);
    int64_t next = kt_get_int(trace(w, life, -1), "next");
    for (int i = 0; i < 1100; i++)
        order(w, "no");
    const msgpack_object *told = trace(w, life, next);
    assert_int_equal(SCRIPT_TRACE_TURNS, kt_count(told, "turns"));
    assert_int_equal(1100 - SCRIPT_TRACE_TURNS, kt_get_int(told, "missed"));
    assert_int_equal(next + 1100, kt_get_int(told, "next"));
    script_life_release(life);
}

/* --- Tests of rules --- */

static enum kt_status become(struct kt_ctx *ctx, uint64_t user_id)
{
    ctx->is_server = user_id == 0;
    return KT_OK;
}

static enum kt_status test_rules(struct world *w, const char *text, struct script_test_report *out)
{
    struct script_file file = {
        .name = "a_test.lua", .source = "pushed", .text = text, .size = strlen(text)};
    const struct script_tests tests = {
        .files = &file, .count = 1, .rules = w->rules, .become = become};
    return script_tests_run(&w->ctx, &tests, out);
}

/* Whatever a test tries, it ends, says where, and the next one runs. */
static void tests_end_with_a_clear_message(void **state)
{
    struct world *w = *state;
    static const char *const bodies[][2] = {
        {"while true do end", "a_test.lua:1: the rules of this request have used up their steps"},
        {"while true do pcall(function() while true do end end) end", "used up their steps"},
        {"local t = {} while true do t[#t + 1] = ('x'):rep(100000) .. #t end", "a_test.lua:1: "},
        {"local function f() return 1 + f() end return f()", "a_test.lua:1: "},
        {"error({})", "a_test.lua:1: an error was raised with a table instead of a text"},
        {"expect.equal(1, 2)", "a_test.lua:1: expected 2, found 1"},
        {"expect.equal('1', 1)", "a_test.lua:1: expected 1, found \"1\""},
        {"expect.ok({})", "an outcome of when.* is expected"},
        {"given.record('shop.order', {no = 1})", "a_test.lua:1: "},
        {"given.clock('yesterday')", "a_test.lua:1: "},
        {"test('inside', function() end)", "test() stands at the top of a file"},
        {"expect.record('shop.order', 1, {nots = 1})", "a_test.lua:1: "},
        {"io.open('x')", "there is no global 'io'"},
        {"given.clock = nil", "a_test.lua:1: "},
    };
    for (size_t i = 0; i < KT_COUNT(bodies); i++) {
        struct script_test_report report;
        const char *text =
            kt_format(&w->ctx,
                      "test('one', function() %s end)\n"
                      "test('two', function() expect.equal(kontor.decimal('1.50'), '1.5') end)",
                      bodies[i][0]);
        assert_ok(w, test_rules(w, text, &report));
        assert_int_equal(2, report.count);
        const msgpack_object *rows = &report.rows->object;
        assert_contains(kt_get_text(&w->ctx, &rows->via.array.ptr[0], "message"), bodies[i][1]);
        assert_true(kt_get_bool(&rows->via.array.ptr[1], "ok"));
        assert_int_equal(1, report.failed);
        assert_int_equal(KT_OK, w->ctx.error.status);
        next_request(w);
    }
}

static void nothing_of_a_test_stays(void **state)
{
    struct world *w = *state;
    struct script_test_report report;
    kt_instant_us now = w->ctx.now;
    struct store_stat before, after;
    assert_int_equal(KT_OK, store_lmdb.stat(w->ctx.txn, &before));
    assert_ok(w,
              test_rules(w,
                         "test('makes', function() given.clock('2020-02-29T00:00:00Z')\n"
                         "  given.record('shop.order', { note = 'x', total = '1', lines = {} })\n"
                         "  expect.equal(kontor.today(), '2020-02-29')\n"
                         "end)",
                         &report));
    assert_int_equal(0, report.failed);
    assert_int_equal(KT_OK, store_lmdb.stat(w->ctx.txn, &after));
    assert_int_equal(before.entries, after.entries);
    assert_int_equal(now, w->ctx.now);
    assert_string_equal("anna", w->ctx.user_name);
    assert_false(w->ctx.is_server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHOP_STORY(turns_are_counted_over_sets),
        SHOP_STORY(only_failures_in_a_row_are_due),
        SHOP_STORY(who_used_up_the_steps_is_due),
        SHOP_STORY(who_breaks_is_told_not_who_called),
        SHOP_STORY(a_disabled_rule_is_passed_over),
        SHOP_STORY(turns_are_traced_while_somebody_watches),
        SHOP_STORY(the_trace_is_bounded),
        SHOP_STORY(tests_end_with_a_clear_message),
        SHOP_STORY(nothing_of_a_test_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
