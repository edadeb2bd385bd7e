/* Running the rules of one step, and saying what went wrong. */
#include <lauxlib.h>
#include <string.h>

#include "base/clock.h"
#include "script/script_internal.h"

/* --- Which rules --- */

struct place {
    const char *subject;
    enum script_when when;
    enum record_moment moment;
    const char *verb;
};

static int compare(const struct script_bind *bind, const struct place *place)
{
    int order = strcmp(bind->subject, place->subject);
    if (order == 0)
        order = (int)bind->when - (int)place->when;
    if (order == 0)
        order = (int)bind->moment - (int)place->moment;
    if (order == 0 && bind->verb && place->verb)
        order = strcmp(bind->verb, place->verb);
    return order;
}

static bool find(const struct script_set *set, const struct place *place, struct script_call *call)
{
    size_t low = 0, high = set->bind_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare(&set->binds[middle], place) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    size_t end = low;
    while (end < set->bind_count && compare(&set->binds[end], place) == 0)
        end++;
    call->binds = &set->binds[low];
    call->bind_count = end - low;
    return call->bind_count > 0;
}

static bool find_step(const struct script_set *set, const struct record_step *step,
                      struct script_call *call)
{
    struct place place = {.subject = step->entity->name,
                          .when = call->when,
                          .moment = step->moment,
                          .verb = step->moment == RECORD_TRANSITION ? step->verb : NULL};
    return find(set, &place, call);
}

/* --- A rule's turn --- */

const char *script_moment_of(const struct script_call *call)
{
    if (call->step)
        return kt_format(call->ctx, "%s_%s", call->when == SCRIPT_AFTER ? "after" : "before",
                         record_step_word(call->step));
    if (call->event)
        return kt_format(call->ctx, "on %s", call->event->topic);
    return call->params ? "method" : "schedule";
}

const char *script_entity_of(const struct script_call *call)
{
    if (call->step)
        return call->step->entity->name;
    return call->event && call->event->entity ? call->event->entity : "";
}

static void begin_turn(struct script_call *call, const struct script_rule *rule)
{
    call->ctx->rules.ran++;
    call->rule = rule;
    call->acting = (struct kt_names){(const char *const *)&rule->as, 1};
    call->ctx->acting = rule->as ? &call->acting : call->caller;
    script_life_begin(call);
    if (!call->ctx->journal)
        return;
    const struct journal_rule noted = {.rule = rule->name,
                                       .file = rule->file,
                                       .entity = script_entity_of(call),
                                       .moment = script_moment_of(call),
                                       .id = call->id};
    journal_rule_begin(call->ctx, &call->turn, &noted, call->record ? &call->record->object : NULL);
}

static void end_turn(struct script_call *call)
{
    script_life_passed(call);
    if (call->ctx->journal)
        journal_rule_passed(call->ctx, &call->turn, call->step ? call->step->entity : NULL,
                            call->record ? &call->record->object : NULL);
}

/* The function of the rule and its arguments are at the top. */
static void run_turn(lua_State *lua, struct script_call *call, const struct script_rule *rule,
                     int arguments, int results)
{
    begin_turn(call, rule);
    lua_call(lua, arguments, results);
    script_check_running(lua);
    end_turn(call);
}

/* --- Inside Lua: records --- */

/* What a default or computed field gets; the record, or its line, is at `record`. */
static void fill_field(lua_State *lua, struct script_call *call, const struct script_rule *rule,
                       int target, int record)
{
    if (rule->kind == SCRIPT_DEFAULT && script_record_has(lua, target, rule->field))
        return;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, rule->run);
    lua_pushvalue(lua, target);
    lua_pushvalue(lua, record);
    begin_turn(call, rule);
    lua_call(lua, 2, 1);
    script_check_running(lua);
    lua_setfield(lua, target, rule->field);
    end_turn(call);
}

static void fill(lua_State *lua, struct script_call *call, const struct script_rule *rule)
{
    if (rule->disabled)
        return;
    if (!rule->lines) {
        fill_field(lua, call, rule, 2, 2);
        return;
    }
    size_t count = kt_count(&call->record->object, rule->lines);
    for (size_t i = 1; i <= count; i++) {
        script_push_line(lua, call->subject, rule->lines, (lua_Integer)i);
        fill_field(lua, call, rule, lua_gettop(lua), 2);
        lua_pop(lua, 1);
    }
}

static void compute_again(lua_State *lua, struct script_call *call)
{
    const struct script_set *set = call->set;
    for (size_t i = 0; call->stale && i < call->bind_count; i++)
        if (set->rules[call->binds[i].rule].kind == SCRIPT_COMPUTE)
            fill(lua, call, &set->rules[call->binds[i].rule]);
    call->stale = false;
}

/* At 2 the record, at 3 the step. */
static int run_step(lua_State *lua)
{
    struct script_call *call = lua_touserdata(lua, 1);
    const struct script_set *set = call->set;
    script_push_record(lua, call->subject);
    script_push_step(lua);
    for (size_t i = 0; i < call->bind_count; i++) {
        const struct script_rule *rule = &set->rules[call->binds[i].rule];
        if (rule->kind < SCRIPT_RULE) {
            fill(lua, call, rule);
            call->stale = false;
            continue;
        }
        if (rule->disabled)
            continue;
        compute_again(lua, call);
        lua_rawgeti(lua, LUA_REGISTRYINDEX, rule->run);
        lua_pushvalue(lua, 2);
        lua_pushvalue(lua, 3);
        run_turn(lua, call, rule, 2, 0);
    }
    compute_again(lua, call);
    return 0;
}

/* --- Inside Lua: the others --- */

static int run_event(lua_State *lua)
{
    struct script_call *call = lua_touserdata(lua, 1);
    const struct script_set *set = call->set;
    script_push_event(lua);
    for (size_t i = 0; i < call->bind_count; i++) {
        const struct script_rule *rule = &set->rules[call->binds[i].rule];
        if (rule->disabled)
            continue;
        lua_rawgeti(lua, LUA_REGISTRYINDEX, rule->run);
        lua_pushvalue(lua, 2);
        run_turn(lua, call, rule, 1, 0);
    }
    return 0;
}

static int run_method(lua_State *lua)
{
    struct script_call *call = lua_touserdata(lua, 1);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, call->rule->run);
    script_push_record(lua, call->subject);
    run_turn(lua, call, call->rule, 1, 1);
    call->answer = script_take_value(lua, -1, true);
    return 0;
}

static int run_schedule(lua_State *lua)
{
    struct script_call *call = lua_touserdata(lua, 1);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, call->rule->run);
    run_turn(lua, call, call->rule, 0, 0);
    return 0;
}

/* --- Errors --- */

/* Does the text begin with "FILE:LINE:"? Lua cuts the front of a long name: "...". */
static bool is_placed(const char *text, const char *file)
{
    size_t size = strlen(file);
    bool cut = strncmp(text, "...", 3) == 0;
    const char *end = cut ? strstr(text, ".lua:") : text + size;
    if (cut && end) {
        text += 3;
        end += 4;
        if ((size_t)(end - text) > size)
            return false;
        file += size - (size_t)(end - text);
    }
    if (!end || strncmp(text, file, strlen(file)) != 0)
        return false;
    size_t digits = *end == ':' ? strspn(end + 1, "0123456789") : 0;
    return digits > 0 && end[1 + digits] == ':';
}

int script_explain(lua_State *lua)
{
    lua_Debug place;
    int type = lua_type(lua, 1);
    if (type == LUA_TSTRING &&
        is_placed(lua_tostring(lua, 1), script_call_of(script_of(lua))->rule->file))
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
    ctx->rules.failed++;
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

void script_enter(struct script_set *set, struct script_call *call)
{
    script_time_is_the_engines(set);
    if (set->depth == 0) {
        set->began_us = set->looked_us;
        set->began_steps = set->steps_left;
    }
    call->serial = ++set->last_serial;
    set->calls[set->depth++] = call;
    script_hook_adjust(set);
}

void script_leave(struct script_set *set, struct context_rules *rules)
{
    set->depth--;
    if (set->depth == 0) {
        int64_t took_us = clock_monotonic_us() - set->began_us;
        set->used_us += took_us;
        rules->us += (uint64_t)took_us;
        rules->steps += (uint64_t)(set->began_steps - set->steps_left);
    }
    script_hook_adjust(set);
}

static enum kt_status run(struct script_set *set, struct script_call *call, lua_CFunction body)
{
    lua_State *lua = set->lua;
    struct kt_ctx *ctx = call->ctx;
    /* Whoever came here with an error went on another way. */
    if (ctx->error.status != KT_OK)
        context_forgive(ctx);
    call->set = set;
    call->caller = ctx->acting;
    if (!call->rule)
        call->rule = &set->rules[call->binds[0].rule];
    if (set->depth == SCRIPT_DEPTH || !lua_checkstack(lua, 8))
        return kt_fail(ctx, KT_TOO_LARGE, NULL, "rule %s is part of saves within saves without end",
                       "规则 %s 引发无休止的连锁保存", call->rule->name);
    if (set->spent)
        return fault(set, call, LUA_OK);
    int top = lua_gettop(lua);
    script_enter(set, call);
    lua_pushcfunction(lua, script_explain);
    lua_pushcfunction(lua, body);
    lua_pushlightuserdata(lua, call);
    int failed = lua_pcall(lua, 1, 0, top + 1);
    enum kt_status status = failed ? fault(set, call, failed) : KT_OK;
    if (failed)
        script_life_ended(call, status);
    ctx->acting = call->caller;
    if (ctx->journal) {
        if (status == KT_RULE_DENIED && strcmp(ctx->error.rule, call->rule->name) == 0)
            journal_rule_denied(ctx, &call->turn);
        journal_turn_end(&call->turn);
    }
    lua_settop(lua, top);
    script_leave(set, &ctx->rules);
    if (status == KT_RULE_FAILED && set->depth == 0 && set->bytes_live > set->bytes_most / 4)
        lua_gc(lua, LUA_GCCOLLECT);
    return status;
}

static const char *const fixed_before_delete = "a record that is deleted cannot be changed";
static const char *const fixed_after =
    "a rule that runs after the change cannot edit the record: use a before rule";

static struct script_record *fixed_subject(struct kt_ctx *ctx, const struct record_step *step,
                                           const msgpack_object *record, const char *why)
{
    return script_record_fixed(ctx, step->entity->name, step->entity, step->entity->decl->fields,
                               record, why);
}

enum kt_status script_run_before(struct script_set *set, struct kt_ctx *ctx,
                                 const struct record_step *step, struct kt_map *record,
                                 bool *changed)
{
    struct script_call call = {
        .ctx = ctx, .step = step, .when = SCRIPT_BEFORE, .id = kt_get_id(step->old, "id")};
    if (!set || !find_step(set, step, &call))
        return KT_OK;
    call.record = record;
    call.subject = record ? script_record_open(ctx, step->entity, record, &call)
                          : fixed_subject(ctx, step, step->old, fixed_before_delete);
    enum kt_status status = run(set, &call, run_step);
    if (call.changed)
        *changed = true;
    return status;
}

enum kt_status script_run_after(struct script_set *set, struct kt_ctx *ctx,
                                const struct record_step *step, const msgpack_object *record)
{
    struct script_call call = {
        .ctx = ctx, .step = step, .when = SCRIPT_AFTER, .id = kt_get_id(record, "id")};
    if (!set || !find_step(set, step, &call))
        return KT_OK;
    call.subject = fixed_subject(ctx, step, record, fixed_after);
    return run(set, &call, run_step);
}

enum kt_status script_run_event(struct script_set *set, struct kt_ctx *ctx,
                                const struct kt_event *event)
{
    struct script_call call = {.ctx = ctx, .event = event, .id = event->id};
    struct place place = {.subject = event->topic, .when = SCRIPT_ON_EVENT};
    if (!set || !find(set, &place, &call))
        return KT_OK;
    return run(set, &call, run_event);
}

static enum kt_status find_named(struct script_set *set, struct kt_ctx *ctx, enum script_kind kind,
                                 const char *name, struct script_call *call)
{
    for (size_t i = 0; set && i < set->rule_count; i++)
        if (set->rules[i].kind == kind && strcmp(set->rules[i].name, name) == 0) {
            call->rule = &set->rules[i];
            return KT_OK;
        }
    return kt_fail(ctx, KT_INTERNAL, NULL, "no rule file has %s", "没有规则文件包含 %s", name);
}

enum kt_status script_run_method(struct script_set *set, struct kt_ctx *ctx, const char *name,
                                 struct kt_fields fields, const msgpack_object *params)
{
    struct script_call call = {.ctx = ctx, .params = params};
    KT_TRY(find_named(set, ctx, SCRIPT_METHOD, name, &call));
    if (call.rule->disabled)
        return kt_fail(ctx, KT_CONFLICT, "method",
                       "%s is disabled, as it failed too often: see rules.list",
                       "%s 因多次出错已被停用：请查看 rules.list", name);
    call.subject = script_record_fixed(ctx, kt_format(ctx, "%s(params)", name), NULL, fields,
                                       params, "parameters cannot be changed");
    KT_TRY(run(set, &call, run_method));
    kt_reply(ctx, &call.answer);
    return KT_OK;
}

enum kt_status script_run_schedule(struct script_set *set, struct kt_ctx *ctx, const char *name)
{
    struct script_call call = {.ctx = ctx};
    KT_TRY(find_named(set, ctx, SCRIPT_SCHEDULE, name, &call));
    if (call.rule->disabled)
        return KT_OK;
    return run(set, &call, run_schedule);
}
