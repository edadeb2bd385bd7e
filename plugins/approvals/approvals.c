/* The approvals module: bands, steps, delegation and escalation for any document. See README.md. */
#include "approvals.h"

static const struct kt_entity *const entities[] = {&approvals_request, &approvals_delegation};

static const struct kt_method methods[] = {
    {.name = "approvals.request.approve",
     .flags = KT_WRITE,
     .params = {approvals_approve_params, APPROVALS_DECIDE_PARAMS},
     .run = approvals_approve,
     .label = {"Approve", "同意"}},
    {.name = "approvals.request.reject",
     .flags = KT_WRITE,
     .params = {approvals_reject_params, APPROVALS_DECIDE_PARAMS},
     .run = approvals_reject,
     .label = {"Reject", "驳回"}},
    /* Its permission is that of the action it guards: whoever may do that may meet its gate. */
    {.name = "approvals.gate",
     .flags = KT_WRITE,
     .permission = "",
     .params = {approvals_gate_params, APPROVALS_GATE_PARAMS},
     .run = approvals_gate,
     .label = {"Pass if approved", "审批关口"}},
};

static const struct kt_topic events[] = {
    {.name = "approvals.request.asked", .label = {"Approval asked for", "已申请审批"}},
};

static const struct kt_job jobs[] = {
    {.name = "approvals.escalate", .every_seconds = 60, .run = approvals_escalate},
};

static const char *const user_grants[] = {
    "approvals.request.read",   "approvals.request.create",   "approvals.request.approve",
    "approvals.request.reject", "approvals.request.withdraw", "approvals.delegation.*",
};
static const char *const admin_grants[] = {"approvals.*"};
static const struct kt_role roles[] = {
    {.name = "approvals.user",
     .grants = KT_LIST(user_grants),
     .label = {"Asks and approves", "审批参与人"}},
    {.name = "approvals.admin",
     .grants = KT_LIST(admin_grants),
     .label = {"Approvals administrator", "审批管理员"}},
};

KT_PLUGIN = {
    KT_PLUGIN_HEAD,
    .name = "approvals",
    .version = "1.0.0",
    .schema = 1,
    .label = {"Approvals", "审批"},
    .summary = {"Approval steps by amount, for every document.", "适用于任何单据的分级审批"},
    .entities = KT_LIST(entities),
    .methods = KT_LIST(methods),
    .events = KT_LIST(events),
    .roles = KT_LIST(roles),
    .jobs = KT_LIST(jobs),
};
