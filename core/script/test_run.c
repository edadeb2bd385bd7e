/* Collecting tests, running each, and telling what came of it. */
#include <lauxlib.h>
#include <string.h>

#include "base/clock.h"
#include "script/test_internal.h"

#define TEST_NAME_BYTES 400

/* --- Collecting --- */

static char *keep_text(struct script_suite *suite, const char *text, size_t length)
{
    char *copy = script_must(msgpack_zone_malloc(suite->memory, length + 1));
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

/* test(name, function) */
static int declare_test(lua_State *lua)
{
    const struct script_set *set = script_of(lua);
    struct script_suite *suite = set->suite;
    size_t length;
    const char *name = luaL_checklstring(lua, 1, &length);
    luaL_checktype(lua, 2, LUA_TFUNCTION);
    if (!set->file)
        luaL_error(lua, "test() stands at the top of a file, not inside a test");
    if (length == 0 || length > TEST_NAME_BYTES)
        luaL_error(lua, "a test has a name of 1 to %d bytes", TEST_NAME_BYTES);
    if (suite->count == SCRIPT_TESTS)
        luaL_error(lua, "there are more than %d tests", SCRIPT_TESTS);
    name = script_clean(set->building, name, length, length);
    lua_settop(lua, 2);
    suite->tests[suite->count++] =
        (struct script_rule){.name = keep_text(suite, name, strlen(name)),
                             .file = keep_text(suite, set->file->name, strlen(set->file->name)),
                             .line = script_line_of_call(lua),
                             .run = luaL_ref(lua, LUA_REGISTRYINDEX)};
    return 0;
}

static int refuse_declaration(lua_State *lua)
{
    return luaL_error(lua, "a test file holds tests alone: what comes into force stands in a file "
                           "whose name does not end in _test.lua");
}

void script_add_test_library(lua_State *lua)
{
    static const char *const declarations[] = {"rule",  "handler", "method", "schedule",
                                               "event", "entity",  "field",  "numbering",
                                               "total", "role"};
    for (size_t i = 0; i < KT_COUNT(declarations); i++) {
        lua_pushcfunction(lua, refuse_declaration);
        lua_setfield(lua, -2, declarations[i]);
    }
    lua_pushcfunction(lua, declare_test);
    lua_setfield(lua, -2, "test");
    script_add_given(lua);
    script_add_expect(lua);
}

/* --- One test --- */

static int run_body(lua_State *lua)
{
    const struct script_call *call = lua_touserdata(lua, 1);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, call->rule->run);
    lua_call(lua, 0, 0);
    script_check_running(lua);
    return 0;
}

/* Message handler: where in the test it happened. */
static int note_place(lua_State *lua)
{
    struct script_suite *suite = script_suite_of(lua);
    struct kt_ctx *ctx = script_call_of(script_of(lua))->ctx;
    lua_Debug place;
    for (int level = 1; lua_getstack(lua, level, &place); level++) {
        if (!lua_getinfo(lua, "Sl", &place) || place.currentline <= 0)
            continue;
        suite->place = kt_format(ctx, "%s:%d", place.short_src, place.currentline);
        break;
    }
    return script_explain(lua);
}

struct verdict {
    bool ok;
    const char *message, *message_zh; /* In the test's arena. */
};

/* A call into the engine failed that was not an attempt of `when`. */
static void tell_error(struct kt_ctx *ctx, const char *place, struct verdict *out)
{
    const struct context_error *error = &ctx->error;
    const char *more = kt_format(ctx, " (%s%s%s%s%s)", kt_status_code(error->status),
                                 error->field ? ", " : "", error->field ? error->field : "",
                                 error->rule ? ", " : "", error->rule ? error->rule : "");
    out->message = kt_format(ctx, "%s: %s%s", place, error->message ? error->message : "", more);
    out->message_zh =
        kt_format(ctx, "%s: %s%s", place, error->message_zh ? error->message_zh : "", more);
}

static void tell_text(struct kt_ctx *ctx, const struct script_suite *suite, const char *text,
                      size_t length, struct verdict *out)
{
    size_t size = suite->expected ? strlen(suite->expected) : 0;
    bool expectation =
        size > 0 && length >= size && memcmp(text + length - size, suite->expected, size) == 0;
    out->message = script_clean(ctx, text, length, SCRIPT_ERROR_BYTES);
    out->message_zh =
        expectation ? kt_format(ctx, "%s: %s", suite->place, suite->expected_zh) : out->message;
}

static void judge(struct script_set *set, const struct script_call *call, int failed,
                  struct verdict *out)
{
    const struct script_suite *suite = set->suite;
    const char *place = suite->place
                            ? suite->place
                            : kt_format(call->ctx, "%s:%d", call->rule->file, call->rule->line);
    *out = (struct verdict){.ok = !failed};
    if (!failed)
        return;
    if (call->failed) {
        tell_error(call->ctx, place, out);
    } else if (set->spent || failed == LUA_ERRMEM || lua_type(set->lua, -1) != LUA_TSTRING) {
        out->message = kt_format(call->ctx, "%s: %s", place,
                                 set->spent ? set->spent->en : "the test needs too much memory");
        out->message_zh =
            kt_format(call->ctx, "%s: %s", place, set->spent ? set->spent->zh : "测试所需内存过多");
    } else {
        size_t length;
        const char *text = lua_tolstring(set->lua, -1, &length);
        tell_text(call->ctx, suite, text, length, out);
    }
}

static void run_lua(struct script_set *set, struct kt_ctx *ctx, const struct script_rule *test,
                    struct verdict *out)
{
    lua_State *lua = set->lua;
    struct script_call call = {.ctx = ctx, .set = set, .rule = test};
    script_set_rearm(set);
    set->suite->user_id = 0;
    set->suite->place = set->suite->expected = NULL;
    script_enter(set, &call);
    lua_pushcfunction(lua, note_place);
    lua_pushcfunction(lua, run_body);
    lua_pushlightuserdata(lua, &call);
    int failed = lua_pcall(lua, 1, 0, 1);
    judge(set, &call, failed, out);
    lua_settop(lua, 0);
    script_leave(set, &ctx->rules);
}

/* In a transaction that is undone. */
static enum kt_status run_apart(struct script_set *set, struct kt_ctx *ctx,
                                const struct script_rule *test, struct verdict *out)
{
    struct context_try attempt;
    kt_instant_us now = ctx->now;
    KT_TRY(set->suite->asked->become(ctx, 0));
    KT_TRY(record_last_event(ctx, &set->suite->first_event));
    KT_TRY(context_try_begin(ctx, &attempt));
    run_lua(set, ctx, test, out);
    (void)context_try_end(ctx, &attempt, KT_INVALID);
    context_forgive(ctx);
    ctx->now = now;
    return KT_OK;
}

/* --- All of them --- */

static void report(struct kt_ctx *ctx, const struct script_rule *test,
                   const struct verdict *verdict, int64_t took_us, struct script_test_report *out)
{
    struct kt_map *row = kt_map_new(ctx);
    kt_map_set_text(row, "file", kt_format(ctx, "%s", test->file));
    kt_map_set_text(row, "name", kt_format(ctx, "%s", test->name));
    kt_map_set_int(row, "line", test->line);
    kt_map_set_bool(row, "ok", verdict->ok);
    kt_map_set_int(row, "ms", took_us / 1000);
    if (!verdict->ok) {
        kt_map_set_text(row, "message", kt_format(ctx, "%s", verdict->message));
        kt_map_set_text(row, "message_zh", kt_format(ctx, "%s", verdict->message_zh));
        out->failed++;
    }
    kt_list_add(out->rows, row->object);
    out->count++;
}

/* In memory that is emptied after each test. */
static enum kt_status run_each(struct script_set *set, struct kt_ctx *ctx, msgpack_zone *scratch,
                               struct script_test_report *out)
{
    static const struct verdict late = {.message =
                                            "not run: the tests together take longer than 30 s",
                                        .message_zh = "未运行：全部测试的总时间超过 30 秒"};
    const struct script_suite *suite = set->suite;
    int64_t until_us = clock_monotonic_us() + SCRIPT_TESTS_TIME_US;
    ctx->until_us = clock_coarse_us() + SCRIPT_TESTS_TIME_US;
    enum kt_status status = KT_OK;
    for (size_t i = 0; status == KT_OK && i < suite->count; i++) {
        msgpack_zone *arena = ctx->arena;
        size_t used = ctx->arena_used;
        struct verdict verdict = late;
        int64_t began_us = clock_monotonic_us();
        ctx->arena = scratch;
        if (began_us < until_us)
            status = run_apart(set, ctx, &suite->tests[i], &verdict);
        ctx->arena = arena;
        ctx->arena_used = used;
        ctx->arena_full = false;
        if (status == KT_OK)
            report(ctx, &suite->tests[i], &verdict, clock_monotonic_us() - began_us, out);
        else
            context_error_keep(ctx);
        msgpack_zone_clear(scratch);
    }
    return status;
}

/* Who asked, and what his rules have cost, is as before. */
static enum kt_status run_as_server(struct script_set *set, struct kt_ctx *ctx,
                                    msgpack_zone *scratch, struct script_test_report *out)
{
    const struct kt_ctx before = *ctx;
    ctx->journal = NULL;
    enum kt_status status = run_each(set, ctx, scratch, out);
    ctx->user_id = before.user_id;
    ctx->user_name = before.user_name;
    ctx->roles = before.roles;
    ctx->acting = before.acting;
    ctx->is_server = before.is_server;
    ctx->journal = before.journal;
    ctx->until_us = before.until_us;
    ctx->rules = before.rules;
    return status;
}

enum kt_status script_tests_run(struct kt_ctx *ctx, const struct script_tests *tests,
                                struct script_test_report *out)
{
    struct script_suite *suite = script_must(calloc(1, sizeof(*suite)));
    msgpack_zone *scratch = script_must(msgpack_zone_new(65536));
    struct script_set *set = NULL;
    *out = (struct script_test_report){.rows = kt_list_new(ctx)};
    suite->asked = tests;
    suite->memory = script_must(msgpack_zone_new(4096));
    enum kt_status status = script_set_load_tests(ctx, tests->files, tests->count, suite, &set);
    if (status == KT_OK) {
        script_set_fix_random(set);
        if (tests->rules)
            script_set_fix_random(tests->rules);
        status = run_as_server(set, ctx, scratch, out);
    }
    script_set_free(set);
    msgpack_zone_free(suite->memory);
    msgpack_zone_free(scratch);
    free(suite);
    return status;
}
