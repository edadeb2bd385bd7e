/* The life of a request: its steps are decided one after the other, by whoever has the step's role,
 * or acts for such a person, or, once its time is over, has the role it escalates to. */
#include "approvals.h"

#include <string.h>

#define HOUR_US      (3600 * INT64_C(1000000))
#define ESCALATE_MAX 100 /* Of one run of the job; the rest follows in the next. */

/* Locked throughout: what was asked for never changes, so what was approved is what was asked. */
const struct kt_state approvals_states[APPROVALS_STATES] = {
    {.name = "pending", .flags = KT_LOCKED | KT_POSTED, .label = {"Pending", "审批中"}},
    {.name = "approved", .flags = KT_LOCKED | KT_POSTED, .label = {"Approved", "已同意"}},
    {.name = "rejected", .flags = KT_LOCKED | KT_POSTED, .label = {"Rejected", "已驳回"}},
    {.name = "withdrawn", .flags = KT_LOCKED | KT_POSTED, .label = {"Withdrawn", "已撤回"}},
    {.name = "used", .flags = KT_LOCKED | KT_POSTED, .label = {"Used", "已使用"}},
};

msgpack_object approvals_due(struct kt_ctx *ctx, const msgpack_object *step)
{
    if (!kt_has(step, "hours"))
        return kt_nil();
    return kt_instant_value(ctx, kt_now(ctx) + kt_get_int(step, "hours") * HOUR_US);
}

/* --- Changes of the step that waits, and of the one behind it. --- */

static void replace_steps(struct kt_ctx *ctx, struct kt_map *request, struct kt_map *decided,
                          bool next_waits)
{
    struct kt_list *steps = kt_list_new(ctx);
    uint64_t id = kt_get_id(&decided->object, "id");
    for (size_t i = 0; i < kt_count(&request->object, "steps"); i++) {
        const msgpack_object *step = kt_at(&request->object, "steps", i);
        if (kt_get_id(step, "id") == id) {
            kt_list_add(steps, decided->object);
            continue;
        }
        bool next = next_waits && kt_is(step, "state", "waiting");
        if (!next) {
            kt_list_add(steps, *step);
            continue;
        }
        struct kt_map *waiting = kt_map_copy(ctx, step);
        msgpack_object due = approvals_due(ctx, step);
        kt_map_set(waiting, "due", due);
        kt_map_set(request, "due", due);
        kt_list_add(steps, waiting->object);
        next_waits = false;
    }
    kt_map_set(request, "steps", steps->object);
}

static void decide(struct kt_ctx *ctx, struct kt_map *request, const msgpack_object *params,
                   const char *state)
{
    struct kt_map *step = kt_map_copy(ctx, approvals_next_step(&request->object));
    kt_map_set_text(step, "state", state);
    if (kt_user_id(ctx) != 0)
        kt_map_set_id(step, "decided_by", kt_user_id(ctx));
    if (kt_has(params, "acting_for"))
        kt_map_set(step, "acting_for", *kt_get(params, "acting_for"));
    kt_map_set(step, "decided_at", kt_instant_value(ctx, kt_now(ctx)));
    if (kt_has(params, "note"))
        kt_map_set(step, "note", *kt_get(params, "note"));
    kt_map_set(request, "due", kt_nil());
    replace_steps(ctx, request, step, strcmp(state, "approved") == 0);
}

static enum kt_status run_approve(struct kt_ctx *ctx, struct kt_map *request,
                                  const msgpack_object *params)
{
    decide(ctx, request, params, "approved");
    return KT_OK;
}

static enum kt_status run_reject(struct kt_ctx *ctx, struct kt_map *request,
                                 const msgpack_object *params)
{
    decide(ctx, request, params, "rejected");
    return KT_OK;
}

static enum kt_status run_escalate(struct kt_ctx *ctx, struct kt_map *request,
                                   const msgpack_object *params)
{
    (void)params;
    struct kt_map *step = kt_map_copy(ctx, approvals_next_step(&request->object));
    kt_map_set_bool(step, "escalated", true);
    kt_map_set(request, "due", kt_nil());
    replace_steps(ctx, request, step, false);
    return KT_OK;
}

static enum kt_status run_withdraw(struct kt_ctx *ctx, struct kt_map *request,
                                   const msgpack_object *params)
{
    (void)params;
    uint64_t asker = kt_get_id(&request->object, "asked_by");
    if (asker != kt_user_id(ctx) && !kt_user_may(ctx, APPROVALS_MANAGE))
        return kt_fail(ctx, KT_DENIED, "asked_by", "only who asked withdraws a request",
                       "只有申请人可以撤回审批申请");
    kt_map_set(request, "due", kt_nil());
    return KT_OK;
}

static const struct kt_field decision_params[] = {
    {.name = "note", .type = KT_TEXT, .flags = KT_MULTILINE, .max_length = 2000},
    {.name = "acting_for", .type = KT_REF, .to = "system.user"},
};

const struct kt_transition approvals_transitions[APPROVALS_TRANSITIONS] = {
    {.from = "pending",
     .to = "pending",
     .verb = "approve_step",
     .event = "step_approved",
     .flags = KT_BY_SERVER,
     .run = run_approve,
     .params = KT_LIST(decision_params),
     .label = {"Approve a step", "同意一步"}},
    {.from = "pending",
     .to = "approved",
     .verb = "approve_last",
     .event = "approved",
     .flags = KT_BY_SERVER,
     .run = run_approve,
     .params = KT_LIST(decision_params),
     .label = {"Approve", "同意"}},
    {.from = "pending",
     .to = "rejected",
     .verb = "reject_step",
     .event = "rejected",
     .flags = KT_BY_SERVER,
     .run = run_reject,
     .params = KT_LIST(decision_params),
     .label = {"Reject", "驳回"}},
    {.from = "pending",
     .to = "pending",
     .verb = "escalate",
     .event = "escalated",
     .flags = KT_BY_SERVER,
     .run = run_escalate,
     .label = {"Escalate", "上报"}},
    {.from = "pending",
     .to = "withdrawn",
     .verb = "withdraw",
     .event = "withdrawn",
     .run = run_withdraw,
     .label = {"Withdraw", "撤回"}},
    {.from = "approved",
     .to = "withdrawn",
     .verb = "withdraw",
     .event = "withdrawn",
     .run = run_withdraw,
     .label = {"Withdraw", "撤回"}},
    {.from = "approved",
     .to = "used",
     .verb = "use",
     .event = "used",
     .flags = KT_BY_SERVER,
     .label = {"Use", "使用"}},
};

/* --- Who may decide --- */

/* *acting_for is 0 for who decides in his own right. */
static enum kt_status check_authority(struct kt_ctx *ctx, const msgpack_object *request,
                                      uint64_t *acting_for)
{
    const msgpack_object *step = approvals_next_step(request);
    const char *roles[] = {kt_get_text(ctx, step, "role"),
                           kt_get_bool(step, "escalated") ? kt_get_text(ctx, step, "escalates_to")
                                                          : ""};
    uint64_t asker = kt_get_id(request, "asked_by");
    *acting_for = 0;
    if (asker != 0 && asker == kt_user_id(ctx) &&
        strcmp(kt_setting(ctx, "approvals.own", "no"), "yes") != 0)
        return kt_fail(ctx, KT_DENIED, "asked_by",
                       "you asked for this yourself: somebody else has to decide",
                       "这是您本人提出的申请，须由他人审批");
    for (size_t i = 0; i < KT_COUNT(roles); i++)
        if (*roles[i] && kt_user_has_role(ctx, roles[i]))
            return KT_OK;
    for (size_t i = 0; i < KT_COUNT(roles) && *acting_for == 0; i++)
        if (*roles[i])
            KT_TRY(approvals_find_principal(ctx, roles[i], asker, acting_for));
    if (*acting_for != 0)
        return KT_OK;
    return kt_fail(ctx, KT_DENIED, "steps", "this step waits for the role %s%s%s",
                   "该步骤等待角色 %s%s%s 审批", roles[0], *roles[1] ? ", " : "", roles[1]);
}

static enum kt_status check_pending(struct kt_ctx *ctx, const msgpack_object *request,
                                    const msgpack_object *params)
{
    if (!kt_is(request, "state", "pending"))
        return kt_fail(ctx, KT_CONFLICT, "state", "%s is not pending any more: it is %s",
                       "%s 已不在审批中，状态为 %s", kt_get_text(ctx, request, "number"),
                       kt_get_text(ctx, request, "state"));
    if (kt_has(params, "version") &&
        kt_get_int(params, "version") != kt_get_int(request, "version"))
        return kt_fail(ctx, KT_CONFLICT, "version",
                       "somebody decided on %s meanwhile: look at it again",
                       "%s 已被他人处理，请重新查看", kt_get_text(ctx, request, "number"));
    return KT_OK;
}

static bool is_last_step(const msgpack_object *request)
{
    size_t waiting = 0;
    for (size_t i = 0; i < kt_count(request, "steps"); i++)
        waiting += kt_is(kt_at(request, "steps", i), "state", "waiting") ? 1 : 0;
    return waiting == 1;
}

static enum kt_status decide_next(struct kt_ctx *ctx, const msgpack_object *params, bool approve)
{
    uint64_t id = kt_get_id(params, "id"), acting_for;
    const msgpack_object *request;
    KT_TRY(kt_record_get(ctx, "approvals.request", id, &request));
    KT_TRY(check_pending(ctx, request, params));
    KT_TRY(check_authority(ctx, request, &acting_for));
    struct kt_map *decision = kt_map_new(ctx);
    if (kt_has(params, "note"))
        kt_map_set(decision, "note", *kt_get(params, "note"));
    if (acting_for != 0)
        kt_map_set_id(decision, "acting_for", acting_for);
    const char *approved = is_last_step(request) ? "approve_last" : "approve_step";
    KT_TRY(kt_record_transition(ctx, "approvals.request", id, approve ? approved : "reject_step",
                                decision));
    KT_TRY(kt_record_get(ctx, "approvals.request", id, &request));
    kt_reply(ctx, request);
    return KT_OK;
}

#define ID_PARAM                                                                                   \
    {                                                                                              \
        .name = "id", .type = KT_INT, .flags = KT_REQUIRED | KT_POSITIVE, .label = {               \
            "Request",                                                                             \
            "审批申请"                                                                         \
        }                                                                                          \
    }
#define VERSION_PARAM                                                                              \
    {                                                                                              \
        .name = "version", .type = KT_INT, .flags = KT_POSITIVE, .label = {"Version", "版本"},     \
        .help = {                                                                                  \
            "As it was seen: refused when somebody decided meanwhile.",                            \
            "所见版本，若已被他人处理则拒绝"                                        \
        }                                                                                          \
    }

const struct kt_field approvals_approve_params[APPROVALS_DECIDE_PARAMS] = {
    ID_PARAM,
    VERSION_PARAM,
    {.name = "note",
     .type = KT_TEXT,
     .flags = KT_MULTILINE,
     .max_length = 2000,
     .label = {"Note", "审批意见"}},
};
const struct kt_field approvals_reject_params[APPROVALS_DECIDE_PARAMS] = {
    ID_PARAM,
    VERSION_PARAM,
    {.name = "note",
     .type = KT_TEXT,
     .flags = KT_MULTILINE | KT_REQUIRED,
     .max_length = 2000,
     .label = {"Reason", "驳回原因"}},
};

enum kt_status approvals_approve(struct kt_ctx *ctx, const msgpack_object *params)
{
    return decide_next(ctx, params, true);
}

enum kt_status approvals_reject(struct kt_ctx *ctx, const msgpack_object *params)
{
    return decide_next(ctx, params, false);
}

static enum kt_status escalate(struct kt_ctx *ctx, void *id)
{
    return kt_record_transition(ctx, "approvals.request", *(uint64_t *)id, "escalate", NULL);
}

/* Those behind `last`; one that a rule refuses does not hold up the others. */
static enum kt_status escalate_page(struct kt_ctx *ctx, uint64_t *last, size_t *escalated,
                                    bool *more)
{
    const struct kt_condition where[] = {
        {.field = "state", .op = "=", .value = kt_text("pending")},
        {.field = "due", .op = "<=", .value = kt_instant_value(ctx, kt_now(ctx))},
        {.field = "id", .op = ">", .value = kt_id(*last)},
    };
    const struct kt_query query = {.entity = "approvals.request",
                                   .where = where,
                                   .where_count = KT_COUNT(where),
                                   .order = "id",
                                   .limit = ESCALATE_MAX};
    const msgpack_object **overdue;
    size_t count;
    KT_TRY(kt_record_search(ctx, &query, &overdue, &count));
    for (size_t i = 0; i < count && *escalated < ESCALATE_MAX; i++) {
        const char *why;
        *last = kt_get_id(overdue[i], "id");
        KT_TRY(kt_apart(ctx, escalate, last, &why));
        if (why)
            kt_log(ctx, "%s was not escalated: %s", kt_get_text(ctx, overdue[i], "number"), why);
        else
            ++*escalated;
    }
    *more = count == ESCALATE_MAX && *escalated < ESCALATE_MAX;
    return KT_OK;
}

enum kt_status approvals_escalate(struct kt_ctx *ctx)
{
    uint64_t last = 0;
    size_t escalated = 0;
    bool more = true;
    while (more)
        KT_TRY(escalate_page(ctx, &last, &escalated, &more));
    return KT_OK;
}
