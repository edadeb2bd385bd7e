/* The gate: what a rule calls before something is done. It lets pass what needs no approval or has
 * one, and uses that up; else it says who must agree and hands over the call that asks them.
 *
 * Whoever asks writes the steps of the request himself, so the gate trusts none of them: an
 * approval counts only if its steps are those of the bands, with the same hours and escalation. */
#include "approvals.h"

#include <string.h>

/* Of one document and state, the newest: nobody shuts the gate by asking very often. */
#define REQUESTS_LOOKED_AT 200

static const struct kt_field band_fields[] = {
    {.name = "above",
     .type = KT_DECIMAL,
     .label = {"Above", "高于"},
     .help = {"Amounts above this need the role; every amount when empty.",
              "金额高于此值须审批，留空则一律须审批"}},
    {.name = "role",
     .type = KT_TEXT,
     .flags = KT_REQUIRED,
     .max_length = 100,
     .label = {"Role", "角色"}},
    {.name = "hours",
     .type = KT_INT,
     .flags = KT_POSITIVE,
     .label = {"Hours to decide", "时限（小时）"}},
    {.name = "escalate",
     .type = KT_TEXT,
     .max_length = 100,
     .label = {"Then also", "超时上报角色"}},
};

const struct kt_field approvals_gate_params[APPROVALS_GATE_PARAMS] = {
    {.name = "entity",
     .type = KT_TEXT,
     .flags = KT_REQUIRED,
     .max_length = 100,
     .label = {"Document type", "单据类型"}},
    {.name = "id",
     .type = KT_INT,
     .flags = KT_REQUIRED | KT_POSITIVE,
     .label = {"Document", "单据"}},
    {.name = "action",
     .type = KT_TEXT,
     .flags = KT_REQUIRED,
     .max_length = 100,
     .label = {"Action", "操作"},
     .help = {"A verb of the document, or update or delete.", "单据的操作，或 update、delete"}},
    {.name = "policy", .type = KT_TEXT, .max_length = 100, .label = {"Policy", "审批政策"}},
    {.name = "amount", .type = KT_DECIMAL, .label = {"Amount", "金额"}},
    {.name = "field",
     .type = KT_TEXT,
     .max_length = 100,
     .label = {"Field", "字段"},
     .help = {"Of the document: the refusal names it.", "拒绝时指明的单据字段"}},
    {.name = "reason",
     .type = KT_TEXT,
     .max_length = 200,
     .label = {"Reason", "事由"},
     .help = {"What needs the approval, such as: a discount of 15 %.", "须审批的事项，英文"}},
    {.name = "reason_zh", .type = KT_TEXT, .max_length = 200, .label = {"Reason", "事由（中文）"}},
    {.name = "unchanged",
     .type = KT_BOOL,
     .label = {"Unchanged", "未改动"},
     .help = {"The document must be as it was when the approval was asked for.",
              "单据须与申请审批时一致"}},
    {.name = "bands",
     .type = KT_LINES,
     .flags = KT_REQUIRED,
     .lines = KT_LIST(band_fields),
     .max_length = APPROVALS_STEPS,
     .label = {"Bands", "审批级别"}},
};

/* --- Which bands ask for somebody else --- */

static bool applies(const msgpack_object *band, struct kt_decimal amount)
{
    return !kt_has(band, "above") || kt_decimal_compare(amount, kt_get_decimal(band, "above")) > 0;
}

/* As the steps of a request. */
static struct kt_list *steps_needed(struct kt_ctx *ctx, const msgpack_object *params,
                                    bool self_service)
{
    static const char *const same[] = {"role", "above", "hours"};
    struct kt_decimal amount = kt_get_decimal(params, "amount");
    struct kt_list *steps = kt_list_new(ctx);
    for (size_t i = 0; i < kt_count(params, "bands"); i++) {
        const msgpack_object *band = kt_at(params, "bands", i);
        if (!applies(band, amount) ||
            (self_service && kt_user_has_role(ctx, kt_get_text(ctx, band, "role"))))
            continue;
        struct kt_map *step = kt_map_new(ctx);
        for (size_t field = 0; field < KT_COUNT(same); field++)
            if (kt_has(band, same[field]))
                kt_map_set(step, same[field], *kt_get(band, same[field]));
        if (kt_has(band, "escalate"))
            kt_map_set(step, "escalates_to", *kt_get(band, "escalate"));
        kt_list_add(steps, step->object);
    }
    return steps;
}

/* --- Requests that answer them --- */

static bool same_field(const msgpack_object *a, const msgpack_object *b, const char *field)
{
    const msgpack_object *mine = kt_get(a, field), *theirs = kt_get(b, field);
    return (!mine && !theirs) || (mine && theirs && kt_equal(mine, theirs));
}

static bool has_step(const msgpack_object *request, const msgpack_object *needed)
{
    for (size_t i = 0; i < kt_count(request, "steps"); i++) {
        const msgpack_object *step = kt_at(request, "steps", i);
        if (same_field(step, needed, "role") && same_field(step, needed, "hours") &&
            same_field(step, needed, "escalates_to"))
            return true;
    }
    return false;
}

struct gate {
    const msgpack_object *params;
    const msgpack_object *subject;
    const struct kt_list *steps;
    uint64_t doer; /* Whose own decisions do not count: 0 when they do. */
};

static bool decided_by(const msgpack_object *request, uint64_t user)
{
    for (size_t i = 0; i < kt_count(request, "steps"); i++)
        if (kt_get_id(kt_at(request, "steps", i), "decided_by") == user)
            return true;
    return false;
}

static bool answers(const struct gate *gate, const msgpack_object *request)
{
    const msgpack_object *steps = &gate->steps->object;
    if (!same_field(request, gate->params, "action") ||
        !same_field(request, gate->params, "policy") ||
        kt_decimal_compare(kt_get_decimal(request, "amount"),
                           kt_get_decimal(gate->params, "amount")) < 0 ||
        (kt_get_bool(gate->params, "unchanged") &&
         kt_get_int(request, "subject_version") != kt_get_int(gate->subject, "version")) ||
        (gate->doer != 0 && decided_by(request, gate->doer)))
        return false;
    for (uint32_t i = 0; i < steps->via.array.size; i++)
        if (!has_step(request, &steps->via.array.ptr[i]))
            return false;
    return true;
}

/* The newest in that state that answers; *out is NULL when there is none. */
static enum kt_status find_request(struct kt_ctx *ctx, const struct gate *gate, const char *state,
                                   const msgpack_object **out)
{
    const struct kt_condition where[] = {
        {.field = "subject_entity", .op = "=", .value = *kt_get(gate->params, "entity")},
        {.field = "subject_id", .op = "=", .value = *kt_get(gate->params, "id")},
        {.field = "state", .op = "=", .value = kt_text(state)},
    };
    const struct kt_query query = {.entity = "approvals.request",
                                   .where = where,
                                   .where_count = KT_COUNT(where),
                                   .order = "-id",
                                   .limit = REQUESTS_LOOKED_AT};
    const msgpack_object **requests;
    size_t count;
    *out = NULL;
    KT_TRY(kt_record_search(ctx, &query, &requests, &count));
    for (size_t i = 0; i < count && !*out; i++)
        if (answers(gate, requests[i]))
            *out = requests[i];
    return KT_OK;
}

/* --- Refusals --- */

static const char *roles_of(struct kt_ctx *ctx, const struct kt_list *steps)
{
    const char *roles = "";
    for (uint32_t i = 0; i < steps->object.via.array.size; i++)
        roles = kt_format(ctx, "%s%s%s", roles, i ? ", " : "",
                          kt_get_text(ctx, &steps->object.via.array.ptr[i], "role"));
    return roles;
}

static struct kt_map *ask_for(struct kt_ctx *ctx, const struct gate *gate)
{
    static const char *const same[] = {"action", "policy", "amount"};
    struct kt_map *values = kt_map_new(ctx);
    kt_map_set(values, "subject_entity", *kt_get(gate->params, "entity"));
    kt_map_set(values, "subject_id", *kt_get(gate->params, "id"));
    for (size_t i = 0; i < KT_COUNT(same); i++)
        if (kt_has(gate->params, same[i]))
            kt_map_set(values, same[i], *kt_get(gate->params, same[i]));
    if (kt_has(gate->subject, "currency"))
        kt_map_set(values, "currency", *kt_get(gate->subject, "currency"));
    kt_map_set(values, "steps", gate->steps->object);
    struct kt_map *params = kt_map_new(ctx);
    kt_map_set_text(params, "entity", "approvals.request");
    kt_map_set(params, "values", values->object);
    struct kt_map *ask = kt_map_new(ctx);
    kt_map_set_text(ask, "method", "record.create");
    kt_map_set(ask, "params", params->object);
    return ask;
}

static enum kt_status refuse(struct kt_ctx *ctx, const struct gate *gate,
                             const msgpack_object *pending)
{
    struct kt_map *details = kt_map_new(ctx);
    const char *field =
        kt_has(gate->params, "field") ? kt_get_text(ctx, gate->params, "field") : NULL;
    kt_map_set(details, "steps", gate->steps->object);
    if (pending) {
        kt_map_set_text(details, "code", "approval_pending");
        kt_map_set_id(details, "request", kt_get_id(pending, "id"));
        (void)kt_fail(
            ctx, KT_RULE_DENIED, NULL, "the approval is asked for, and %s waits for the role %s",
            "审批申请 %s 已提交，正在等待角色 %s 审批", kt_get_text(ctx, pending, "number"),
            kt_get_text(ctx, approvals_next_step(pending), "role"));
    } else {
        kt_map_set_text(details, "code", "approval_needed");
        kt_map_set(details, "ask", ask_for(ctx, gate)->object);
        (void)kt_fail(
            ctx, KT_RULE_DENIED, field,
            "%s%.0s needs the approval of %s: ask for it with an approvals.request",
            "%.0s%s须由 %s 审批：请提交审批申请（approvals.request）",
            kt_has(gate->params, "reason") ? kt_get_text(ctx, gate->params, "reason") : "this",
            kt_has(gate->params, "reason_zh") ? kt_get_text(ctx, gate->params, "reason_zh")
                                              : "此操作",
            roles_of(ctx, gate->steps));
    }
    kt_error_details(ctx, details);
    return KT_RULE_DENIED;
}

static void reply(struct kt_ctx *ctx, const msgpack_object *request)
{
    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set_bool(answer, "passed", true);
    kt_map_set(answer, "request", request ? *kt_get(request, "id") : kt_nil());
    kt_reply_map(ctx, answer);
}

enum kt_status approvals_gate(struct kt_ctx *ctx, const msgpack_object *params)
{
    const char *entity = kt_get_text(ctx, params, "entity");
    const char *permission = kt_format(ctx, "%s.%s", entity, kt_get_text(ctx, params, "action"));
    bool self_service = strcmp(kt_setting(ctx, "approvals.self_service", "yes"), "no") != 0;
    struct gate gate = {.params = params,
                        .steps = steps_needed(ctx, params, self_service),
                        .doer = self_service ? 0 : kt_user_id(ctx)};
    const msgpack_object *approved, *pending;
    if (gate.steps->object.via.array.size == 0) {
        reply(ctx, NULL);
        return KT_OK;
    }
    if (!kt_user_may(ctx, permission))
        return kt_fail(ctx, KT_DENIED, "action", "the gate of %s is for who may do that",
                       "%s 的审批关口仅供有权执行该操作的用户使用", permission);
    KT_TRY(kt_record_get(ctx, entity, kt_get_id(params, "id"), &gate.subject));
    KT_TRY(find_request(ctx, &gate, "approved", &approved));
    if (approved) {
        KT_TRY(
            kt_record_transition(ctx, "approvals.request", kt_get_id(approved, "id"), "use", NULL));
        reply(ctx, approved);
        return KT_OK;
    }
    KT_TRY(find_request(ctx, &gate, "pending", &pending));
    return refuse(ctx, &gate, pending);
}
