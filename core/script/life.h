/** What is known of the rules at work: how often each ran and failed, what it changed, and, while
 *  somebody watches, a trace of each turn.
 *
 *  It outlives the sets: whatever is pushed, a rule of the same name goes on counting. All sets of
 * a server note here, readers' too; any thread may ask. What dry runs and tests do is not noted. */
#pragma once

#include "script/script.h"

struct script_life;

struct script_life *script_life_new(void);
void script_life_hold(struct script_life *life);
void script_life_release(struct script_life *life); /**< NULL is fine. */

/** From now on the set's rules are counted. */
void script_set_watch(struct script_set *set, struct script_life *life);
/** A set of the same files: watched as `like` is, and what is disabled there is so here. */
void script_set_follow(struct script_set *set, const struct script_set *like);

/** --- Rules that failed too often in a row (`disable_after`) --- */
struct script_due {
    const char *rule, *file, *error; /**< In the arena. */
    unsigned failures;
};
/** Cheap: asked after every request. */
bool script_life_has_due(const struct script_life *life);
/** The next one that is to be disabled; false when there is none. */
bool script_life_take_due(struct script_life *life, struct kt_ctx *ctx, struct script_due *out);
/** It begins anew: none of its failures counts. */
void script_life_pardon(struct script_life *life, const char *rule);
/** So do all rules of the set that stand in the file. */
void script_life_pardon_file(struct script_life *life, const struct script_set *set,
                             const char *file);
/** Is there a rule of that name? */
bool script_set_has(const struct script_set *set, const char *rule);
/** From now on the rule does not run. False: there is none of that name. Before the set runs. */
bool script_set_disable(struct script_set *set, const char *rule);
/** All of them run: for tests, which are about what the rules say. */
void script_set_enable_all(struct script_set *set);

/** --- life_trace.c: what happens now --- */
#define SCRIPT_TRACE_TURNS 1024 /* Those before are forgotten. */

struct script_trace_query {
    const msgpack_object *after; /**< The number of a turn; NULL: from now on. */
    uint64_t limit;
    const char *rule, *entity; /**< Only these; NULL: all. */
};
/** Turns since then into `answer`: {turns: [...], next, missed}. Turns are noted while it is asked
 *  at least every ten seconds. */
void script_life_trace(struct script_life *life, const struct script_trace_query *query,
                       struct kt_map *answer);
