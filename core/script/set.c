/* A set of rules: built from files, listed, freed. */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "script/declared.h"
#include "script/script_internal.h"

/* Every entry to Lua is protected, so this is never called. */
static int on_panic(lua_State *lua)
{
    const char *text = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : "?";
    log_error("the rule host failed outside of protection: %s", text);
    abort();
}

/* --- Build --- */

static int open_state(lua_State *lua)
{
    script_open_decimal(lua);
    script_open_date(lua);
    script_open_label(lua);
    script_open_value(lua);
    script_open_record(lua);
    script_open_step(lua);
    script_open_library(lua);
    lua_pop(lua, 1);
    return 0;
}

/* With one upvalue, _ENV, every chunk gets its file's own environment. */
static int load_file(lua_State *lua)
{
    const struct script_file *file = lua_touserdata(lua, 1);
    const char *text = file->text;
    size_t size = file->size;
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        size -= 3;
    }
    lua_pushfstring(lua, "@%s", file->name);
    if (luaL_loadbufferx(lua, text, size, lua_tostring(lua, -1), "t") != LUA_OK)
        lua_error(lua);
    script_new_environment(lua);
    lua_setupvalue(lua, -2, 1);
    lua_call(lua, 0, 0);
    return 0;
}

static enum kt_status refuse_file(struct kt_ctx *ctx, const struct script_file *file,
                                  const char *text, size_t length)
{
    const char *why = script_clean(ctx, text, length, SCRIPT_ERROR_BYTES);
    bool placed = strncmp(why, file->name, strlen(file->name)) == 0;
    enum kt_status status =
        kt_fail(ctx, KT_INVALID, NULL, "rule file %s%s%s", "规则文件有误 %s%s%s",
                placed ? "" : file->name, placed ? "" : ": ", why);
    ctx->error.rule = kt_format(ctx, "%s", file->name);
    return status;
}

static enum kt_status add_file(struct script_set *set, struct kt_ctx *ctx,
                               const struct script_file *file)
{
    lua_State *lua = set->lua;
    if (file->size > KT_LIMIT_RULE_FILE_BYTES)
        return kt_fail(ctx, KT_TOO_LARGE, NULL, "rule file %s is larger than %u bytes",
                       "规则文件 %s 超过 %u 字节", file->name, KT_LIMIT_RULE_FILE_BYTES);
    set->file = file;
    lua_pushcfunction(lua, load_file);
    lua_pushlightuserdata(lua, (void *)(uintptr_t)file);
    int failed = lua_pcall(lua, 1, 0, 0);
    set->file = NULL;
    enum kt_status status = KT_OK;
    if (failed || set->spent) {
        const char *text = failed == LUA_ERRMEM ? "the rules need more memory than is allowed"
                           : set->spent         ? set->spent->en
                                                : "loading failed";
        size_t length = strlen(text);
        if (failed && failed != LUA_ERRMEM && lua_type(lua, -1) == LUA_TSTRING)
            text = lua_tolstring(lua, -1, &length);
        status = refuse_file(ctx, file, text, length);
    }
    lua_settop(lua, 0);
    return status;
}

static int compare_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "");
}

static int compare_binds(const void *left, const void *right, void *argument)
{
    const struct script_bind *a = left, *b = right;
    const struct script_set *set = argument;
    const struct script_rule *first = &set->rules[a->rule], *second = &set->rules[b->rule];
    int order = strcmp(a->subject, b->subject);
    if (order == 0)
        order = (int)a->when - (int)b->when;
    if (order == 0)
        order = (int)a->moment - (int)b->moment;
    if (order == 0)
        order = compare_text(a->verb, b->verb);
    if (order == 0)
        order = (int)first->kind - (int)second->kind;
    /* One computed field may build on another that was declared before it. */
    if (order == 0 && first->kind < SCRIPT_RULE)
        return a->rule < b->rule ? -1 : 1;
    if (order == 0)
        order = (first->priority > second->priority) - (first->priority < second->priority);
    return order ? order : strcmp(first->name, second->name);
}

static enum kt_status fill(struct script_set *set, struct kt_ctx *ctx,
                           const struct script_file *files, size_t count)
{
    set->lua = lua_newstate(script_allocate, set);
    if (!set->lua)
        return kt_fail(ctx, KT_INTERNAL, NULL, "the rule host cannot start", "规则引擎无法启动");
    *(struct script_set **)lua_getextraspace(set->lua) = set;
    lua_atpanic(set->lua, on_panic);
    script_refill(set);
    lua_pushcfunction(set->lua, open_state);
    if (lua_pcall(set->lua, 0, 0, 0) != LUA_OK)
        return kt_fail(ctx, KT_INTERNAL, NULL, "the rule host cannot start", "规则引擎无法启动");
    for (size_t i = 0; i < count; i++)
        KT_TRY(add_file(set, ctx, &files[i]));
    if (set->bind_count)
        qsort_r(set->binds, set->bind_count, sizeof(*set->binds), compare_binds, set);
    lua_gc(set->lua, LUA_GCCOLLECT);
    set->bytes_loaded = set->bytes_live;
    script_refill(set);
    return KT_OK;
}

/* What files are loaded for; with neither, for their rules. */
struct purpose {
    struct script_declared *declared;
    struct script_suite *suite;
};

static enum kt_status load(struct kt_ctx *ctx, const struct script_file *files, size_t count,
                           struct purpose purpose, struct script_set **out)
{
    struct script_set *set = script_must(calloc(1, sizeof(*set)));
    set->building = ctx;
    set->declared = purpose.declared;
    set->suite = purpose.suite;
    set->bytes_most = ctx->limits.rule_bytes;
    /* Lua spends steps while it starts. */
    set->steps_left = set->steps_most = (int64_t)ctx->limits.rule_steps;
    enum kt_status status = fill(set, ctx, files, count);
    set->building = NULL;
    if (status != KT_OK) {
        script_set_free(set);
        return status;
    }
    *out = set;
    return KT_OK;
}

enum kt_status script_set_build(struct kt_ctx *ctx, const struct script_file *files, size_t count,
                                struct script_set **out)
{
    return load(ctx, files, count, (struct purpose){.declared = NULL}, out);
}

enum kt_status script_set_load_tests(struct kt_ctx *ctx, const struct script_file *files,
                                     size_t count, struct script_suite *suite,
                                     struct script_set **out)
{
    return load(ctx, files, count, (struct purpose){.suite = suite}, out);
}

enum kt_status script_declared_load(struct kt_ctx *ctx, const struct script_file *files,
                                    size_t count, struct script_declared **out)
{
    struct script_declared *declared = script_declared_new();
    struct script_set *set = NULL;
    enum kt_status status = load(ctx, files, count, (struct purpose){.declared = declared}, &set);
    script_set_free(set);
    if (status != KT_OK) {
        script_declared_free(declared);
        return status;
    }
    *out = declared;
    return KT_OK;
}

void script_set_free(struct script_set *set)
{
    if (!set)
        return;
    if (set->lua)
        lua_close(set->lua);
    for (size_t i = 0; i < set->rule_count; i++) {
        free(set->rules[i].name);
        free(set->rules[i].on);
        free(set->rules[i].file);
        free(set->rules[i].source);
        free(set->rules[i].as);
    }
    for (size_t i = 0; i < set->topic_count; i++)
        free(set->topics[i]);
    free(set->topics);
    free(set->rules);
    free(set->binds);
    free(set);
}

/* --- In force --- */

/* The state belongs to this set now. */
static void move_state(struct script_set *set)
{
    lua_setallocf(set->lua, script_allocate, set);
    *(struct script_set **)lua_getextraspace(set->lua) = set;
}

void script_set_rearm(struct script_set *set)
{
    if (!set)
        return;
    script_refill(set);
    set->random.seeded = false;
    /* What one request dropped must not press on the next. */
    if (set->bytes_live > set->bytes_most / 2)
        lua_gc(set->lua, LUA_GCCOLLECT);
}

bool script_set_is_worn(const struct script_set *set)
{
    return set && set->bytes_live > set->bytes_most / 2 && set->bytes_live > 2 * set->bytes_loaded;
}

/* Only the Lua state is taken over: others may be reading the list of rules. */
void script_set_renew(struct script_set *set, struct kt_ctx *ctx, const struct script_file *files,
                      size_t count)
{
    struct script_set *fresh = NULL;
    bool same = script_set_build(ctx, files, count, &fresh) == KT_OK &&
                fresh->rule_count == set->rule_count;
    for (size_t i = 0; same && i < set->rule_count; i++)
        same = strcmp(fresh->rules[i].name, set->rules[i].name) == 0;
    if (!same) {
        context_forgive(ctx);
        script_set_free(fresh);
        return;
    }
    log_warn("rules kept too much memory between requests: their files were loaded anew");
    for (size_t i = 0; i < set->rule_count; i++)
        set->rules[i].run = fresh->rules[i].run;
    lua_State *worn = set->lua;
    set->lua = fresh->lua;
    fresh->lua = worn;
    size_t bytes_worn = set->bytes_live;
    set->bytes_live = fresh->bytes_live;
    fresh->bytes_live = bytes_worn;
    set->bytes_loaded = fresh->bytes_loaded;
    move_state(fresh);
    move_state(set);
    script_set_free(fresh);
    set->tight = false;
    script_refill(set);
}

static const char *const kind_words[] = {"default", "compute", "rule",
                                         "handler", "method",  "schedule"};

void script_set_fix_random(struct script_set *set)
{
    set->random.fixed = true;
}

struct kt_map *script_rule_row(struct kt_ctx *ctx, const struct script_set *set,
                               const struct script_rule *rule, bool counts)
{
    struct kt_map *row = kt_map_new(ctx);
    kt_map_set_text(row, "name", kt_format(ctx, "%s", rule->name));
    kt_map_set_text(row, "kind", kind_words[rule->kind]);
    kt_map_set_text(row, "on", kt_format(ctx, "%s", rule->on));
    kt_map_set_int(row, "priority", rule->priority);
    if (rule->as)
        kt_map_set_text(row, "as", kt_format(ctx, "%s", rule->as));
    kt_map_set_text(row, "file", kt_format(ctx, "%s", rule->file));
    kt_map_set_int(row, "line", rule->line);
    kt_map_set_text(row, "source", kt_format(ctx, "%s", rule->source));
    kt_map_set_text(row, "state", rule->disabled ? "disabled" : "on");
    if (rule->disable_after)
        kt_map_set_int(row, "disable_after", rule->disable_after);
    if (counts)
        script_life_tell(set, rule, row);
    return row;
}

void script_set_list(const struct script_set *set, bool counts, struct kt_list *list)
{
    for (size_t i = 0; i < set->rule_count; i++)
        kt_list_add(list, script_rule_row(list->ctx, set, &set->rules[i], counts)->object);
}

const char *script_set_file_of(const struct script_set *set, const char *rule)
{
    for (size_t i = 0; set && i < set->rule_count; i++)
        if (strcmp(set->rules[i].name, rule) == 0)
            return set->rules[i].file;
    return NULL;
}
