/* Steps, memory and time of rules.
 *
 * A count hook takes steps for instructions, the allocator for bytes, and library functions for the
 * work they do without instructions. Once the budget is used up, or the call has failed, the hook
 * fires at every instruction: whatever catches the error (pcall, __close, a comparator) is stopped
 * at its next one, until the whole call is unwound. */
#include <lauxlib.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "script/script_internal.h"

static const struct kt_label out_of_steps = {"the rules of this request have used up their steps",
                                             "本请求的规则已用尽步数"};
static const struct kt_label out_of_time = {"the rules of this request have used up their time",
                                            "本请求的规则已用尽时间"};

void *script_must(void *memory)
{
    if (!memory) {
        log_error("out of memory");
        abort();
    }
    return memory;
}

static void on_count(lua_State *lua, lua_Debug *place);

void script_hook_adjust(struct script_set *set)
{
    const struct script_call *call = script_call_of(set);
    bool tight = set->spent || (call && call->failed);
    if (tight == set->tight || !set->lua)
        return;
    set->tight = tight;
    lua_sethook(set->lua, on_count, LUA_MASKCOUNT, tight ? 1 : SCRIPT_HOOK_STEPS);
}

void script_refill(struct script_set *set)
{
    set->steps_left = set->steps_most;
    set->used_us = 0;
    set->began_us = set->looked_us = clock_monotonic_us();
    set->looked_thread_us = clock_thread_us();
    set->spent = NULL;
    if (!lua_gethook(set->lua))
        set->tight = true; /* So that the hook is set now. */
    script_hook_adjust(set);
}

/* Raises nothing: also called from the allocator, where only lua_sethook is safe. */
static void spend(struct script_set *set, int64_t steps)
{
    set->steps_left -= steps;
    if (set->steps_left > 0 || set->spent)
        return;
    set->spent = &out_of_steps;
    script_hook_adjust(set);
}

/* Comparing two long texts is one instruction, too: what takes long is paid by the time it takes,
 * but not for the time that other programs took from this one. Asking for that is dear; so it is
 * known only since it was last asked for, and counts at most as long as the clock on the wall. */
static void charge_slow(struct script_set *set, int64_t since_us)
{
    int64_t thread_us = clock_thread_us(), worked_us = thread_us - set->looked_thread_us;
    set->looked_thread_us = thread_us;
    spend(set, (worked_us < since_us ? worked_us : since_us) * SCRIPT_STEPS_PER_US);
}

static void look_at_time(struct script_set *set)
{
    int64_t now_us = clock_monotonic_us(), since_us = now_us - set->looked_us;
    set->looked_us = now_us;
    if (since_us > SCRIPT_SLOW_US)
        charge_slow(set, since_us);
    if (set->spent || set->used_us + now_us - set->began_us <= SCRIPT_TIME_LIMIT_US)
        return;
    set->spent = &out_of_time;
    script_hook_adjust(set);
}

/* `level` 0 is the running function, 1 its caller. */
static _Noreturn void raise_stopped(lua_State *lua, int level)
{
    const struct script_set *set = script_of(lua);
    luaL_where(lua, level);
    lua_pushstring(lua, set->spent ? set->spent->en : "the rule was stopped");
    lua_concat(lua, 2);
    lua_error(lua);
    abort();
}

static void on_count(lua_State *lua, lua_Debug *place)
{
    (void)place;
    struct script_set *set = script_of(lua);
    if (!set->tight) {
        spend(set, SCRIPT_HOOK_STEPS);
        look_at_time(set);
    }
    if (set->tight)
        raise_stopped(lua, 0);
}

void script_time_is_the_engines(struct script_set *set)
{
    set->looked_us = clock_monotonic_us();
}

void script_charge(lua_State *lua, int64_t steps)
{
    struct script_set *set = script_of(lua);
    spend(set, steps);
    look_at_time(set);
    script_check_running(lua);
}

void script_check_running(lua_State *lua)
{
    if (script_of(lua)->tight)
        raise_stopped(lua, 1);
}

_Noreturn void script_stop(lua_State *lua)
{
    struct script_set *set = script_of(lua);
    script_call_of(set)->failed = true;
    script_hook_adjust(set);
    raise_stopped(lua, 1);
}

/* The cap is over live bytes; churn costs steps, so that building and dropping large texts ends
 * too. A refusal makes Lua collect everything before it gives up, which is dear: hence its price.
 */
void *script_allocate(void *owner, void *block, size_t old_size, size_t new_size)
{
    struct script_set *set = owner;
    /* For a new block Lua says in old_size what it is for. */
    size_t before = block ? old_size : 0;
    if (new_size == 0) {
        free(block);
        set->bytes_live -= before;
        return NULL;
    }
    if (new_size > before) {
        bool long_text = !block && old_size == LUA_TSTRING && new_size > SCRIPT_TEXT_BYTES;
        if (long_text || new_size > set->bytes_most ||
            set->bytes_live - before + new_size > set->bytes_most) {
            spend(set, SCRIPT_REFUSAL_STEPS);
            return NULL;
        }
        spend(set, (int64_t)(new_size / SCRIPT_STEP_BYTES));
    }
    void *moved = realloc(block, new_size);
    if (!moved) {
        if (new_size > before)
            return NULL;
        moved = block; /* Lua relies on shrinking to succeed. */
    }
    set->bytes_live = set->bytes_live - before + new_size;
    return moved;
}
