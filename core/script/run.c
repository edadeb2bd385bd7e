/* Running the rules of one step, and saying what went wrong. */
#include <lauxlib.h>
#include <string.h>

#include "base/clock.h"
#include "script/script_internal.h"

/* --- Which rules --- */

static int compare(const struct script_bind *bind, const struct record_step *step, bool after)
{
    int order = strcmp(bind->entity, step->entity->name);
    if (order == 0)
        order = (int)bind->after - (int)after;
    if (order == 0)
        order = (int)bind->moment - (int)step->moment;
    if (order == 0 && step->moment == RECORD_TRANSITION)
        order = strcmp(bind->verb, step->verb);
    return order;
}

static const struct script_bind *find(const struct script_set *set, const struct record_step *step,
                                      bool after, size_t *count)
{
    size_t low = 0, high = set->bind_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare(&set->binds[middle], step, after) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *count = 0;
    while (low + *count < set->bind_count && compare(&set->binds[low + *count], step, after) == 0)
        ++*count;
    return &set->binds[low];
}

/* --- Inside Lua --- */

static void note_begin(struct script_call *call)
{
    const struct record_step *step = call->step;
    const struct journal_rule rule = {
        .rule = call->rule->name,
        .file = call->rule->file,
        .entity = step->entity->name,
        .moment =
            kt_format(call->ctx, "%s_%s", call->after ? "after" : "before", record_step_word(step)),
        .id = call->id};
    journal_rule_begin(call->ctx, &call->turn, &rule, call->record ? &call->record->object : NULL);
}

static void note_passed(struct script_call *call)
{
    journal_rule_passed(call->ctx, &call->turn, call->step->entity,
                        call->record ? &call->record->object : NULL);
}

static int run_rules(lua_State *lua)
{
    struct script_call *call = lua_touserdata(lua, 1);
    struct script_set *set = script_of(lua);
    script_push_record(lua, call->subject);
    script_push_step(lua);
    for (size_t i = 0; i < call->bind_count; i++) {
        set->ran++;
        call->rule = &set->rules[call->binds[i].rule];
        lua_rawgeti(lua, LUA_REGISTRYINDEX, call->rule->check);
        lua_pushvalue(lua, 2);
        lua_pushvalue(lua, 3);
        if (call->ctx->journal)
            note_begin(call);
        lua_call(lua, 2, 0);
        script_check_running(lua);
        if (call->ctx->journal)
            note_passed(call);
    }
    return 0;
}

/* Does the text begin with "FILE.lua:LINE:"? */
static bool is_placed(const char *text)
{
    const char *at = strstr(text, ".lua:");
    if (!at)
        return false;
    size_t digits = strspn(at + 5, "0123456789");
    return digits > 0 && at[5 + digits] == ':' && !memchr(text, ' ', (size_t)(at - text));
}

/* Message handler: any error value becomes a text with file and line. */
static int explain(lua_State *lua)
{
    lua_Debug place;
    int type = lua_type(lua, 1);
    if (type == LUA_TSTRING && is_placed(lua_tostring(lua, 1)))
        return 1;
    for (int level = 1; lua_getstack(lua, level, &place); level++) {
        if (!lua_getinfo(lua, "Sl", &place) || place.currentline <= 0)
            continue;
        lua_pushfstring(lua, "%s:%d: ", place.short_src, place.currentline);
        break;
    }
    if (lua_gettop(lua) == 1)
        lua_pushliteral(lua, "");
    if (type == LUA_TSTRING || type == LUA_TNUMBER)
        script_to_text(lua, 1, NULL);
    else
        lua_pushfstring(lua, "an error was raised with a %s instead of a text",
                        lua_typename(lua, type));
    lua_concat(lua, 2);
    return 1;
}

/* --- Around Lua --- */

static enum kt_status fault(struct script_set *set, const struct script_call *call, int failed)
{
    struct kt_ctx *ctx = call->ctx;
    lua_State *lua = set->lua;
    const char *name = kt_format(ctx, "%s", call->rule->name);
    if (call->failed) {
        if (!ctx->error.rule)
            ctx->error.rule = name;
        return ctx->error.status;
    }
    set->broken++;
    const char *text, *text_zh;
    if (failed == LUA_ERRMEM) {
        text = kt_format(ctx, "%s:%d: the rules need more memory than is allowed", call->rule->file,
                         call->rule->line);
        text_zh = kt_format(ctx, "%s:%d: 规则所需内存超出限制", call->rule->file, call->rule->line);
    } else if (failed && lua_type(lua, -1) == LUA_TSTRING) {
        size_t length;
        const char *given = lua_tolstring(lua, -1, &length);
        text = script_clean(ctx, given, length, SCRIPT_ERROR_BYTES);
        text_zh = set->spent ? set->spent->zh : text;
    } else {
        text = set->spent ? set->spent->en : "unknown error";
        text_zh = set->spent ? set->spent->zh : "未知错误";
    }
    enum kt_status status = kt_fail(ctx, KT_RULE_FAILED, NULL, "rule %s failed: %s%.0s",
                                    "规则 %s 出错：%.0s%s", name, text, text_zh);
    ctx->error.rule = name;
    return status;
}

static void enter(struct script_set *set, struct script_call *call)
{
    if (set->depth == 0)
        set->began_us = clock_monotonic_us();
    call->serial = ++set->last_serial;
    set->calls[set->depth++] = call;
    script_hook_adjust(set);
}

static void leave(struct script_set *set)
{
    set->depth--;
    if (set->depth == 0)
        set->used_us += clock_monotonic_us() - set->began_us;
    script_hook_adjust(set);
}

static enum kt_status run(struct script_set *set, struct script_call *call)
{
    lua_State *lua = set->lua;
    struct kt_ctx *ctx = call->ctx;
    /* Whoever came here with an error went on another way. */
    if (ctx->error.status != KT_OK)
        context_forgive(ctx);
    call->rule = &set->rules[call->binds[0].rule];
    if (set->depth == SCRIPT_DEPTH || !lua_checkstack(lua, 8))
        return kt_fail(ctx, KT_TOO_LARGE, NULL, "rule %s is part of saves within saves without end",
                       "规则 %s 引发无休止的连锁保存", call->rule->name);
    if (set->spent)
        return fault(set, call, LUA_OK);
    int top = lua_gettop(lua);
    enter(set, call);
    lua_pushcfunction(lua, explain);
    lua_pushcfunction(lua, run_rules);
    lua_pushlightuserdata(lua, call);
    int failed = lua_pcall(lua, 1, 0, top + 1);
    enum kt_status status = failed ? fault(set, call, failed) : KT_OK;
    if (ctx->journal) {
        if (status == KT_RULE_DENIED && strcmp(ctx->error.rule, call->rule->name) == 0)
            journal_rule_denied(ctx, &call->turn);
        journal_turn_end(&call->turn);
    }
    lua_settop(lua, top);
    leave(set);
    if (status == KT_RULE_FAILED && set->depth == 0 && set->bytes_live > set->bytes_most / 4)
        lua_gc(lua, LUA_GCCOLLECT);
    return status;
}

static const char *const fixed_before_delete = "a record that is deleted cannot be changed";
static const char *const fixed_after =
    "a rule that runs after the change cannot edit the record: use a before rule";

enum kt_status script_run_before(struct script_set *set, struct kt_ctx *ctx,
                                 const struct record_step *step, struct kt_map *record,
                                 bool *changed)
{
    struct script_call call = {.ctx = ctx, .step = step, .id = kt_get_id(step->old, "id")};
    if (!set)
        return KT_OK;
    call.binds = find(set, step, false, &call.bind_count);
    call.record = record;
    if (call.bind_count == 0)
        return KT_OK;
    if (record)
        call.subject = script_record_open(ctx, step->entity, record, &call.changed);
    else
        call.subject =
            script_record_fixed(ctx, step->entity->name, step->entity, step->entity->decl->fields,
                                step->old, fixed_before_delete);
    enum kt_status status = run(set, &call);
    if (call.changed)
        *changed = true;
    return status;
}

enum kt_status script_run_after(struct script_set *set, struct kt_ctx *ctx,
                                const struct record_step *step, const msgpack_object *record)
{
    struct script_call call = {
        .ctx = ctx, .step = step, .id = kt_get_id(record, "id"), .after = true};
    if (!set)
        return KT_OK;
    call.binds = find(set, step, true, &call.bind_count);
    if (call.bind_count == 0)
        return KT_OK;
    call.subject = script_record_fixed(ctx, step->entity->name, step->entity,
                                       step->entity->decl->fields, record, fixed_after);
    return run(set, &call);
}
