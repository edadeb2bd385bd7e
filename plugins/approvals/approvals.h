/** Private to the approvals plugin: who must agree before something is done. */
#pragma once

#include "kontor/kontor.h"

/** The permission to act for others: withdraw their requests, write their delegations. */
#define APPROVALS_MANAGE "approvals.manage"
#define APPROVALS_STEPS  20

/** request.c */
extern const struct kt_entity approvals_request;
/** The step that is to be decided next: the first that waits; NULL when none does. */
const msgpack_object *approvals_next_step(const msgpack_object *request);

/** decision.c */
#define APPROVALS_STATES      5
#define APPROVALS_TRANSITIONS 7
extern const struct kt_state approvals_states[APPROVALS_STATES];
extern const struct kt_transition approvals_transitions[APPROVALS_TRANSITIONS];
#define APPROVALS_DECIDE_PARAMS 3
extern const struct kt_field approvals_approve_params[APPROVALS_DECIDE_PARAMS];
extern const struct kt_field approvals_reject_params[APPROVALS_DECIDE_PARAMS];
enum kt_status approvals_approve(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status approvals_reject(struct kt_ctx *ctx, const msgpack_object *params);
/** The job: steps that nobody decided in time go to somebody else, too. */
enum kt_status approvals_escalate(struct kt_ctx *ctx);
/** When a step that waits from now on is overdue; nil when it has all the time. */
msgpack_object approvals_due(struct kt_ctx *ctx, const msgpack_object *step);

/** delegation.c */
extern const struct kt_entity approvals_delegation;
/** For whom the user, by a delegation that is in force today, may act in `role`: *out is that
 * user's id, 0 when there is none. Nobody acts so for `asker`, who may not decide himself either.
 */
enum kt_status approvals_find_principal(struct kt_ctx *ctx, const char *role, uint64_t asker,
                                        uint64_t *out);

/** gate.c */
#define APPROVALS_GATE_PARAMS 10
extern const struct kt_field approvals_gate_params[APPROVALS_GATE_PARAMS];
enum kt_status approvals_gate(struct kt_ctx *ctx, const msgpack_object *params);
