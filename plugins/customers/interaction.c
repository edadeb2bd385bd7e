/* Interactions: calls and visits that people write down, and the milestones of business that other
 * modules announce. What the server wrote is evidence: it can be read, not rewritten. */
#include "customers.h"

#define HISTORY_LIMIT     50
#define HISTORY_LIMIT_MAX 500

static const struct kt_choice interaction_kinds[] = {
    {.name = "call", .label = {"Call", "电话"}},
    {.name = "mail", .label = {"Mail", "邮件"}},
    {.name = "visit", .label = {"Visit", "拜访"}},
    {.name = "social", .label = {"Social network", "社交媒体"}},
    {.name = "meeting", .label = {"Meeting", "会议"}},
    {.name = "note", .label = {"Note", "备注"}},
    {.name = "order", .label = {"Order", "订单"}},
    {.name = "delivery", .label = {"Delivery", "发货"}},
    {.name = "invoice", .label = {"Invoice", "发票"}},
    {.name = "payment", .label = {"Payment", "付款"}},
};

static const struct kt_choice directions[] = {
    {.name = "in", .label = {"From the customer", "来自客户"}},
    {.name = "out", .label = {"To the customer", "发往客户"}},
};

static const struct kt_field interaction_fields[] = {
    {.name = "customer",
     .type = KT_REF,
     .flags = KT_REQUIRED | KT_INDEXED,
     .to = "customers.customer",
     .label = {"Customer", "客户"}},
    {.name = "at",
     .type = KT_INSTANT,
     .flags = KT_REQUIRED,
     .initial = "now",
     .label = {"At", "时间"}},
    {.name = "kind",
     .type = KT_ENUM,
     .flags = KT_REQUIRED,
     .choices = KT_LIST(interaction_kinds),
     .initial = "note",
     .label = {"Kind", "方式"}},
    {.name = "direction",
     .type = KT_ENUM,
     .choices = KT_LIST(directions),
     .label = {"Direction", "方向"}},
    {.name = "subject",
     .type = KT_TEXT,
     .flags = KT_REQUIRED | KT_SEARCHABLE,
     .label = {"Subject", "主题"}},
    {.name = "body",
     .type = KT_TEXT,
     .flags = KT_MULTILINE | KT_SEARCHABLE,
     .max_length = 20000,
     .label = {"Text", "内容"}},
    {.name = "user",
     .type = KT_REF,
     .to = "system.user",
     .initial = "user",
     .label = {"User", "记录人"}},
    {.name = "topic",
     .type = KT_TEXT,
     .flags = KT_READONLY,
     .label = {"Event", "事件"},
     .help = {"The event it was written for; empty when a person wrote it.",
              "触发该记录的事件；人工填写时为空"}},
    {.name = "source_entity",
     .type = KT_TEXT,
     .flags = KT_READONLY,
     .label = {"Source kind", "来源类型"}},
    {.name = "source_id", .type = KT_INT, .flags = KT_READONLY, .label = {"Source", "来源记录"}},
};

static const char *const customer_at_index[] = {"customer", "at"};
static const struct kt_index interaction_indexes[] = {
    {.name = "customer_at", .fields = KT_LIST(customer_at_index)},
};

static enum kt_status refuse_rewriting(struct kt_ctx *ctx, const char *field)
{
    return kt_fail(ctx, KT_CONFLICT, field,
                   "this entry was written by the server: add a note of your own instead",
                   "该记录由系统生成，不能修改或删除，请另写一条备注");
}

static enum kt_status interaction_before_save(struct kt_ctx *ctx, const msgpack_object *old,
                                              struct kt_map *record)
{
    static const char *const kept[] = {"customer", "at", "kind", "direction", "subject", "user"};
    if (!kt_has(old, "topic"))
        return KT_OK;
    for (size_t i = 0; i < KT_COUNT(kept); i++)
        if (!kt_equal(kt_get(old, kept[i]), kt_get(&record->object, kept[i])))
            return refuse_rewriting(ctx, kept[i]);
    return KT_OK;
}

static enum kt_status interaction_before_delete(struct kt_ctx *ctx, const msgpack_object *record)
{
    return kt_has(record, "topic") ? refuse_rewriting(ctx, NULL) : KT_OK;
}

const struct kt_entity customers_interaction = {
    .name = "customers.interaction",
    .label = {"Interaction", "客户往来"},
    .help = {"One contact with a customer: a call, a visit, an order, a payment.",
             "与客户的一次往来：电话、拜访、订单、付款等"},
    .title = "subject",
    .fields = KT_LIST(interaction_fields),
    .indexes = KT_LIST(interaction_indexes),
    .before_save = interaction_before_save,
    .before_delete = interaction_before_delete,
};

const struct kt_field customers_history_params[CUSTOMERS_HISTORY_PARAMS] = {
    {.name = "id",
     .type = KT_INT,
     .flags = KT_REQUIRED | KT_POSITIVE,
     .label = {"Customer", "客户"}},
    {.name = "limit",
     .type = KT_INT,
     .flags = KT_POSITIVE,
     .label = {"At most", "最多条数"},
     .help = {"Number of entries, 50 when empty, at most 500.", "条数，留空为 50，最多 500"}},
};

enum kt_status customers_history(struct kt_ctx *ctx, const msgpack_object *params)
{
    int64_t limit = kt_has(params, "limit") ? kt_get_int(params, "limit") : HISTORY_LIMIT;
    if (limit < 1 || limit > HISTORY_LIMIT_MAX)
        return kt_fail(ctx, KT_INVALID, "limit", "ask for 1 to %d entries", "条数应为 1 至 %d",
                       HISTORY_LIMIT_MAX);
    const msgpack_object *customer;
    uint64_t id = kt_get_id(params, "id");
    KT_TRY(kt_record_get(ctx, "customers.customer", id, &customer));

    const struct kt_condition where[] = {{.field = "customer", .op = "=", .value = kt_id(id)}};
    const struct kt_query query = {.entity = "customers.interaction",
                                   .where = where,
                                   .where_count = KT_COUNT(where),
                                   .order = "-at",
                                   .limit = (uint32_t)limit};
    const msgpack_object **entries;
    size_t count;
    KT_TRY(kt_record_search(ctx, &query, &entries, &count));

    struct kt_map *who = kt_map_new(ctx);
    kt_map_set_id(who, "id", id);
    kt_map_set_text(who, "name", kt_get_text(ctx, customer, "name"));
    struct kt_list *list = kt_list_new(ctx);
    for (size_t i = 0; i < count; i++)
        kt_list_add(list, *entries[i]);
    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set(answer, "customer", who->object);
    kt_map_set(answer, "entries", list->object);
    kt_reply_map(ctx, answer);
    return KT_OK;
}
