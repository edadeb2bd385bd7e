/** The rule host: business rules in Lua, run before and after saves and transitions.
 *
 *  A script_set is one compiled set of rule files with its own Lua state. It is built and run on
 * the writer thread only, and is replaced as a whole when rules change, so a running request never
 *  sees half a change. Rules cannot reach anything but the request's records: no files, no clock,
 *  no other module's memory; steps and memory are bounded (kontor/limits.h). */
#pragma once

#include "record/record.h"

struct script_set;

struct script_file {
    const char *name;   /**< "sales_discount.lua" */
    const char *source; /**< "pushed" or "module:NAME" */
    const char *text;
    size_t size;
};

/** Compile and run each file once so that it registers its rules. On failure nothing is kept and
 *  the error (KT_INVALID, rule = file name, message with line) is in ctx. A rule for an entity no
 *  module declares, or a moment that does not exist, is an error; for a sleeping module it is kept.
 */
enum kt_status script_set_build(struct kt_ctx *ctx, const struct script_file *files, size_t count,
                                struct script_set **out);
/** NULL is fine. */
void script_set_free(struct script_set *set);

/** For context_host. A set of NULL has no rules. `record` is edited in place; assigning a
 *  KT_READONLY field or the state is a rule failure. Denials are KT_RULE_DENIED, faults and used-up
 *  budgets KT_RULE_FAILED, both with the rule's name; an error inside a kontor.* call that reached
 *  the engine keeps that error. */
enum kt_status script_run_before(struct script_set *set, struct kt_ctx *ctx,
                                 const struct record_step *step, struct kt_map *record,
                                 bool *changed);
enum kt_status script_run_after(struct script_set *set, struct kt_ctx *ctx,
                                const struct record_step *step, const msgpack_object *record);
/** The handlers of the event's topic. Errors as above. */
enum kt_status script_run_event(struct script_set *set, struct kt_ctx *ctx,
                                const struct kt_event *event);
/** A method{} of that name, which must be there; `params` were checked. Answers with kt_reply. */
enum kt_status script_run_method(struct script_set *set, struct kt_ctx *ctx, const char *name,
                                 struct kt_fields fields, const msgpack_object *params);
/** A schedule{} of that name, which must be there. */
enum kt_status script_run_schedule(struct script_set *set, struct kt_ctx *ctx, const char *name);
/** From now on the same random numbers in each request: for tests. */
void script_set_fix_random(struct script_set *set);
/** Each rule as rules.list tells it (core/rpc/README.md), added to `list`. */
void script_set_list(const struct script_set *set, bool counts, struct kt_list *list);
/** The same of those that run at that moment, in their order. */
void script_set_list_step(const struct script_set *set, const struct record_step *step, bool after,
                          struct kt_list *list);
void script_set_list_topic(const struct script_set *set, const char *topic, struct kt_list *list);
void script_set_list_method(const struct script_set *set, const char *method, struct kt_list *list);
/** The changes of an entity at which rules of these files hang (of all, without files), each once
 *  and without create, which needs no record. Verbs live as long as the schema. */
struct script_moment {
    enum record_moment moment;
    const char *verb; /**< NULL but for transitions. */
};
struct script_moments_query {
    const char *entity;
    struct kt_names files;
    size_t most;
};
size_t script_set_moments(const struct script_set *set, const struct script_moments_query *query,
                          struct script_moment *out);
/** The file that the rule of that name stands in; NULL: there is none, or no set. */
const char *script_set_file_of(const struct script_set *set, const char *rule);
/** Call at the start of each request: gives the step budget anew. NULL is fine. */
void script_set_rearm(struct script_set *set);
/** Do rules keep so much from earlier requests that it presses on this one? Ask after rearming. */
bool script_set_is_worn(const struct script_set *set);
/** Load the set's files anew, so that nothing of earlier requests is left. On failure it stays as
 * it is. */
void script_set_renew(struct script_set *set, struct kt_ctx *ctx, const struct script_file *files,
                      size_t count);
