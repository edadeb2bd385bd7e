/* The request: what is to be done, to which record, for how much, and who must agree in which
 * order. A client makes it, usually with what the gate answered; nothing of it changes afterwards
 * but its state and its steps' decisions. */
#include "approvals.h"

static const struct kt_choice step_states[] = {
    {.name = "waiting", .label = {"Waiting", "待审批"}},
    {.name = "approved", .label = {"Approved", "已同意"}},
    {.name = "rejected", .label = {"Rejected", "已驳回"}},
};

static const struct kt_field step_fields[] = {
    {.name = "role",
     .type = KT_TEXT,
     .flags = KT_REQUIRED,
     .max_length = 100,
     .label = {"Role", "角色"},
     .help = {"Who has it decides.", "由具有该角色的人审批"}},
    {.name = "above",
     .type = KT_DECIMAL,
     .label = {"Above", "高于"},
     .help = {"The band: amounts above this need the role.", "金额高于此值时需要该角色审批"}},
    {.name = "hours",
     .type = KT_INT,
     .flags = KT_POSITIVE,
     .label = {"Hours", "时限（小时）"},
     .help = {"Time to decide; unlimited when empty.", "审批时限，留空不限"}},
    {.name = "escalates_to",
     .type = KT_TEXT,
     .max_length = 100,
     .label = {"Escalates to", "超时上报角色"},
     .help = {"The role that may decide, too, once the time is over.", "超过时限后亦可审批的角色"}},
    {.name = "state",
     .type = KT_ENUM,
     .flags = KT_READONLY,
     .choices = KT_LIST(step_states),
     .label = {"State", "状态"}},
    {.name = "due", .type = KT_INSTANT, .flags = KT_READONLY, .label = {"Due", "截止时间"}},
    {.name = "escalated", .type = KT_BOOL, .flags = KT_READONLY, .label = {"Escalated", "已上报"}},
    {.name = "decided_by",
     .type = KT_REF,
     .flags = KT_READONLY,
     .to = "system.user",
     .label = {"Decided by", "审批人"}},
    {.name = "acting_for",
     .type = KT_REF,
     .flags = KT_READONLY,
     .to = "system.user",
     .label = {"Acting for", "代理"},
     .help = {"Whose delegation was used.", "所代理的授权人"}},
    {.name = "decided_at", .type = KT_INSTANT, .flags = KT_READONLY, .label = {"At", "审批时间"}},
    {.name = "note",
     .type = KT_TEXT,
     .flags = KT_READONLY | KT_MULTILINE,
     .max_length = 2000,
     .label = {"Note", "审批意见"}},
};

static const struct kt_field fields[] = {
    {.name = "number",
     .type = KT_TEXT,
     .flags = KT_UNIQUE | KT_READONLY | KT_SEARCHABLE,
     .sequence = "AP{year}-{5}",
     .label = {"Number", "审批单号"}},
    {.name = "state", .type = KT_STATE, .label = {"State", "状态"}},
    {.name = "subject_entity",
     .type = KT_TEXT,
     .flags = KT_REQUIRED,
     .max_length = 100,
     .label = {"Document type", "单据类型"}},
    {.name = "subject_id",
     .type = KT_INT,
     .flags = KT_REQUIRED | KT_POSITIVE,
     .label = {"Document", "单据"}},
    {.name = "subject_version",
     .type = KT_INT,
     .flags = KT_READONLY,
     .label = {"Version", "单据版本"},
     .help = {"Of the document when the approval was asked for.", "申请审批时的单据版本"}},
    {.name = "title",
     .type = KT_TEXT,
     .flags = KT_READONLY | KT_SEARCHABLE,
     .label = {"Title", "标题"},
     .help = {"Number or name of the document.", "单据编号或名称"}},
    {.name = "action",
     .type = KT_TEXT,
     .flags = KT_REQUIRED,
     .max_length = 100,
     .label = {"Action", "操作"},
     .help = {"What is to be done: confirm, post, update.", "待执行的操作，如确认、过账、修改"}},
    {.name = "policy",
     .type = KT_TEXT,
     .max_length = 100,
     .label = {"Policy", "审批政策"},
     .help = {"The rule that asks: an approval counts for its own policy only.",
              "提出要求的规则，审批仅对其有效"}},
    {.name = "amount",
     .type = KT_DECIMAL,
     .label = {"Amount", "金额"},
     .help = {"What the bands measure: money, percent, pieces.", "分级依据：金额、百分比或数量"}},
    {.name = "currency", .type = KT_TEXT, .max_length = 3, .label = {"Currency", "币种"}},
    {.name = "asked_by",
     .type = KT_REF,
     .flags = KT_READONLY | KT_INDEXED,
     .to = "system.user",
     .initial = "user",
     .label = {"Asked by", "申请人"}},
    {.name = "asked_at",
     .type = KT_INSTANT,
     .flags = KT_READONLY,
     .initial = "now",
     .label = {"Asked at", "申请时间"}},
    {.name = "note",
     .type = KT_TEXT,
     .flags = KT_MULTILINE | KT_SEARCHABLE,
     .max_length = 2000,
     .label = {"Note", "申请说明"}},
    {.name = "due",
     .type = KT_INSTANT,
     .flags = KT_READONLY,
     .label = {"Due", "截止时间"},
     .help = {"Of the step that waits.", "当前步骤的截止时间"}},
    {.name = "steps",
     .type = KT_LINES,
     .flags = KT_REQUIRED,
     .lines = KT_LIST(step_fields),
     .max_length = APPROVALS_STEPS,
     .label = {"Steps", "审批步骤"}},
};

static const char *const by_subject[] = {"subject_entity", "subject_id"};
static const char *const by_due[] = {"state", "due"};
static const struct kt_index indexes[] = {
    {.name = "subject", .fields = KT_LIST(by_subject)},
    {.name = "due", .fields = KT_LIST(by_due)},
};

const msgpack_object *approvals_next_step(const msgpack_object *request)
{
    for (size_t i = 0; i < kt_count(request, "steps"); i++)
        if (kt_is(kt_at(request, "steps", i), "state", "waiting"))
            return kt_at(request, "steps", i);
    return NULL;
}

/* Who decides must be able to trust the title, so the server writes it. */
static const char *title_of(struct kt_ctx *ctx, const msgpack_object *request,
                            const msgpack_object *subject)
{
    static const char *const names[] = {"number", "name", "code"};
    for (size_t i = 0; i < KT_COUNT(names); i++) {
        const msgpack_object *name = kt_get(subject, names[i]);
        if (name && name->type == MSGPACK_OBJECT_STR)
            return kt_get_text(ctx, subject, names[i]);
    }
    return kt_format(ctx, "%s %llu", kt_get_text(ctx, request, "subject_entity"),
                     (unsigned long long)kt_get_id(request, "subject_id"));
}

/* Whoever may not see a document must not learn of it by asking for its approval. */
static enum kt_status before_save(struct kt_ctx *ctx, const msgpack_object *old,
                                  struct kt_map *record)
{
    if (old)
        return KT_OK;
    const char *entity = kt_get_text(ctx, &record->object, "subject_entity");
    const msgpack_object *subject;
    if (!kt_user_may(ctx, kt_format(ctx, "%s.read", entity)))
        return kt_fail(ctx, KT_DENIED, "subject_entity", "you may not read %s", "您无权查看 %s",
                       entity);
    KT_TRY(kt_record_get(ctx, entity, kt_get_id(&record->object, "subject_id"), &subject));
    kt_map_set_text(record, "title", title_of(ctx, &record->object, subject));
    kt_map_set_int(record, "subject_version", kt_get_int(subject, "version"));

    struct kt_list *steps = kt_list_new(ctx);
    for (size_t i = 0; i < kt_count(&record->object, "steps"); i++) {
        struct kt_map *step = kt_map_copy(ctx, kt_at(&record->object, "steps", i));
        kt_map_set_text(step, "state", "waiting");
        if (i == 0) {
            kt_map_set(step, "due", approvals_due(ctx, &step->object));
            kt_map_set(record, "due", approvals_due(ctx, &step->object));
        }
        kt_list_add(steps, step->object);
    }
    kt_map_set(record, "steps", steps->object);
    return KT_OK;
}

static enum kt_status after_save(struct kt_ctx *ctx, const msgpack_object *old,
                                 const msgpack_object *record)
{
    if (old)
        return KT_OK;
    struct kt_map *payload = kt_map_new(ctx);
    kt_map_set_text(payload, "title", kt_get_text(ctx, record, "title"));
    kt_map_set_text(payload, "role", kt_get_text(ctx, approvals_next_step(record), "role"));
    return kt_emit(ctx, "approvals.request.asked", "approvals.request", kt_get_id(record, "id"),
                   payload);
}

const struct kt_entity approvals_request = {
    .name = "approvals.request",
    .label = {"Approval request", "审批申请"},
    .help = {"Who must agree before something is done to a document.",
             "对单据执行操作前所需的审批"},
    .title = "title",
    .fields = KT_LIST(fields),
    .states = {approvals_states, APPROVALS_STATES},
    .transitions = {approvals_transitions, APPROVALS_TRANSITIONS},
    .indexes = KT_LIST(indexes),
    .before_save = before_save,
    .after_save = after_save,
};
