/* Opportunities: a chance to sell, from the first hint to won or lost. A lead may be somebody who
 * is not a customer yet, so who it is may be written in words until there is a customer. */
#include "sales.h"

/* What the chance is worth today: value times probability. */
static enum kt_status compute_weighted(struct kt_ctx *ctx, const msgpack_object *record,
                                       msgpack_object *out)
{
    if (kt_has(record, "expected_value") && kt_has(record, "probability"))
        *out = kt_decimal_value(ctx, kt_decimal_mul_div(kt_get_decimal(record, "expected_value"),
                                                        kt_get_decimal(record, "probability"),
                                                        kt_decimal_from_int(100),
                                                        kt_currency_digits(ctx)));
    return KT_OK;
}

static enum kt_status compute_days_left(struct kt_ctx *ctx, const msgpack_object *record,
                                        msgpack_object *out)
{
    kt_date close;
    bool open = !kt_is(record, "state", "won") && !kt_is(record, "state", "lost");
    if (open && kt_get_date(record, "close_date", &close))
        *out = kt_int((int64_t)close - kt_today(ctx));
    return KT_OK;
}

static const char *const when_over[] = {"won", "lost"};
static const struct kt_field opportunity_fields[] = {
    {.name = "number",
     .type = KT_TEXT,
     .flags = KT_UNIQUE | KT_READONLY | KT_SEARCHABLE,
     .sequence = "OP{year}-{5}",
     .label = {"Number", "商机编号"}},
    {.name = "state", .type = KT_STATE, .label = {"State", "阶段"}},
    {.name = "name",
     .type = KT_TEXT,
     .flags = KT_REQUIRED | KT_SEARCHABLE,
     .label = {"Subject", "商机名称"}},
    {.name = "customer",
     .type = KT_REF,
     .to = "customers.customer",
     .label = {"Customer", "客户"},
     .help = {"Needed to quote and to win.", "报价和赢单时必填"}},
    {.name = "company",
     .type = KT_TEXT,
     .flags = KT_SEARCHABLE,
     .label = {"Company", "公司"},
     .help = {"The customer's name when left empty.", "留空则取客户名称"}},
    {.name = "contact_name",
     .type = KT_TEXT,
     .flags = KT_SEARCHABLE,
     .label = {"Contact", "联系人"}},
    {.name = "email",
     .type = KT_TEXT,
     .flags = KT_SEARCHABLE,
     .max_length = 254,
     .label = {"Email", "邮箱"}},
    {.name = "phone",
     .type = KT_TEXT,
     .flags = KT_SEARCHABLE,
     .max_length = 50,
     .label = {"Phone", "电话"}},
    {.name = "region",
     .type = KT_TEXT,
     .flags = KT_INDEXED,
     .label = {"Region", "区域"},
     .help = {"The customer's when left empty.", "留空则取客户区域"}},
    {.name = "salesperson",
     .type = KT_REF,
     .flags = KT_INDEXED,
     .to = "system.user",
     .label = {"Salesperson", "销售员"},
     .help = {"The customer's when left empty; else a rule or somebody assigns one.",
              "留空则取客户的销售员，否则由规则或人工分配"}},
    {.name = "source",
     .type = KT_TEXT,
     .max_length = 100,
     .label = {"Source", "来源"},
     .help = {"How it came to us: fair, website, referral, ...", "线索来源：展会、网站、转介绍等"}},
    {.name = "campaign", .type = KT_TEXT, .max_length = 100, .label = {"Campaign", "营销活动"}},
    {.name = "expected_value",
     .type = KT_MONEY,
     .flags = KT_NONNEGATIVE,
     .frozen = KT_LIST(when_over),
     .label = {"Expected value", "预计金额"}},
    {.name = "probability",
     .type = KT_DECIMAL,
     .flags = KT_NONNEGATIVE,
     .digits = 2,
     .frozen = KT_LIST(when_over),
     .label = {"Probability %", "赢率 %"}},
    {.name = "weighted_value",
     .type = KT_MONEY,
     .compute = compute_weighted,
     .label = {"Weighted value", "加权金额"},
     .help = {"Expected value times probability.", "预计金额乘以赢率"}},
    {.name = "close_date", .type = KT_DATE, .label = {"Expected close", "预计成交日期"}},
    {.name = "days_left",
     .type = KT_INT,
     .flags = KT_ON_READ,
     .compute = compute_days_left,
     .label = {"Days left", "剩余天数"},
     .help = {"Until the expected close, while it is open; below 0 it is late.",
              "未结束商机距预计成交日期的天数，负数表示已逾期"}},
    {.name = "lost_reason",
     .type = KT_TEXT,
     .flags = KT_MULTILINE,
     .max_length = 1000,
     .label = {"Reason lost", "输单原因"}},
    {.name = "note",
     .type = KT_TEXT,
     .flags = KT_MULTILINE | KT_SEARCHABLE,
     .max_length = 10000,
     .label = {"Note", "备注"}},
};

static const struct kt_state opportunity_states[] = {
    {.name = "lead", .label = {"Lead", "线索"}},
    {.name = "qualified", .label = {"Qualified", "已确认意向"}},
    {.name = "quoted", .label = {"Quoted", "已报价"}},
    {.name = "won", .label = {"Won", "赢单"}},
    {.name = "lost", .label = {"Lost", "输单"}},
};

static enum kt_status need_customer(struct kt_ctx *ctx, const msgpack_object *opportunity)
{
    if (kt_get_id(opportunity, "customer") == 0)
        return kt_fail(ctx, KT_INVALID, "customer",
                       "the opportunity has no customer: choose or create one first",
                       "商机尚无客户，请先选择或新建客户");
    return KT_OK;
}

static enum kt_status opportunity_win(struct kt_ctx *ctx, struct kt_map *record,
                                      const msgpack_object *params)
{
    (void)params;
    return need_customer(ctx, &record->object);
}

static enum kt_status opportunity_lose(struct kt_ctx *ctx, struct kt_map *record,
                                       const msgpack_object *params)
{
    kt_map_set_text(record, "lost_reason", kt_get_text(ctx, params, "reason"));
    return KT_OK;
}

static enum kt_status opportunity_reopen(struct kt_ctx *ctx, struct kt_map *record,
                                         const msgpack_object *params)
{
    (void)ctx;
    (void)params;
    kt_map_set(record, "lost_reason", kt_nil());
    return KT_OK;
}

static const struct kt_field lose_params[] = {
    {.name = "reason",
     .type = KT_TEXT,
     .flags = KT_MULTILINE | KT_REQUIRED,
     .max_length = 1000,
     .label = {"Reason", "原因"}},
};

/* "mark_quoted" belongs to the server: the method sales.opportunity.quote makes the order first. */
static const struct kt_transition opportunity_transitions[] = {
    {.from = "lead",
     .to = "qualified",
     .verb = "qualify",
     .event = "qualified",
     .label = {"Qualify", "确认意向"}},
    {.from = "lead",
     .to = "quoted",
     .verb = "mark_quoted",
     .event = "quoted",
     .flags = KT_BY_SERVER,
     .label = {"Quoted", "已报价"}},
    {.from = "qualified",
     .to = "quoted",
     .verb = "mark_quoted",
     .event = "quoted",
     .flags = KT_BY_SERVER,
     .label = {"Quoted", "已报价"}},
    {.from = "lead",
     .to = "won",
     .verb = "win",
     .event = "won",
     .run = opportunity_win,
     .label = {"Win", "赢单"}},
    {.from = "qualified",
     .to = "won",
     .verb = "win",
     .event = "won",
     .run = opportunity_win,
     .label = {"Win", "赢单"}},
    {.from = "quoted",
     .to = "won",
     .verb = "win",
     .event = "won",
     .run = opportunity_win,
     .label = {"Win", "赢单"}},
    {.from = "lead",
     .to = "lost",
     .verb = "lose",
     .event = "lost",
     .run = opportunity_lose,
     .params = KT_LIST(lose_params),
     .label = {"Lose", "输单"}},
    {.from = "qualified",
     .to = "lost",
     .verb = "lose",
     .event = "lost",
     .run = opportunity_lose,
     .params = KT_LIST(lose_params),
     .label = {"Lose", "输单"}},
    {.from = "quoted",
     .to = "lost",
     .verb = "lose",
     .event = "lost",
     .run = opportunity_lose,
     .params = KT_LIST(lose_params),
     .label = {"Lose", "输单"}},
    {.from = "lost",
     .to = "lead",
     .verb = "reopen",
     .event = "reopened",
     .run = opportunity_reopen,
     .label = {"Reopen", "重新打开"}},
};

static enum kt_status opportunity_before_save(struct kt_ctx *ctx, const msgpack_object *old,
                                              struct kt_map *record)
{
    uint64_t customer_id = kt_get_id(&record->object, "customer");
    if (customer_id != 0 && customer_id != kt_get_id(old, "customer")) {
        const msgpack_object *customer;
        KT_TRY(kt_record_get(ctx, "customers.customer", customer_id, &customer));
        if (!kt_has(&record->object, "company"))
            kt_map_set_text(record, "company", kt_get_text(ctx, customer, "name"));
        if (!kt_has(&record->object, "region") && kt_has(customer, "region"))
            kt_map_set_text(record, "region", kt_get_text(ctx, customer, "region"));
        if (!kt_has(&record->object, "salesperson"))
            kt_map_set_id(record, "salesperson", kt_get_id(customer, "salesperson"));
    }
    return sales_check_percent(ctx, &record->object, "probability");
}

static const char *const state_close_index[] = {"state", "close_date"};
static const struct kt_index opportunity_indexes[] = {
    {.name = "state_close", .fields = KT_LIST(state_close_index)},
};

const struct kt_entity sales_opportunity = {
    .name = "sales.opportunity",
    .label = {"Opportunity", "商机"},
    .help = {"A chance to sell something to somebody.", "一次销售机会"},
    .title = "name",
    .fields = KT_LIST(opportunity_fields),
    .states = KT_LIST(opportunity_states),
    .transitions = KT_LIST(opportunity_transitions),
    .indexes = KT_LIST(opportunity_indexes),
    .before_save = opportunity_before_save,
};

const struct kt_field sales_quote_params[SALES_QUOTE_PARAMS] = {
    {.name = "id",
     .type = KT_INT,
     .flags = KT_REQUIRED | KT_POSITIVE,
     .label = {"Opportunity", "商机"}},
    {.name = "lines",
     .type = KT_LINES,
     .flags = KT_REQUIRED,
     .lines = {sales_order_line_fields, SALES_ORDER_LINE_INPUTS},
     .label = {"Lines", "明细"}},
    {.name = "date",
     .type = KT_DATE,
     .label = {"Date", "日期"},
     .help = {"Today when empty.", "留空为今天"}},
};

enum kt_status sales_opportunity_quote(struct kt_ctx *ctx, const msgpack_object *params)
{
    uint64_t id = kt_get_id(params, "id"), order_id;
    const msgpack_object *opportunity, *order;
    KT_TRY(kt_record_get(ctx, "sales.opportunity", id, &opportunity));
    if (kt_is(opportunity, "state", "lost"))
        return kt_fail(ctx, KT_CONFLICT, "state", "the opportunity is lost: reopen it to quote",
                       "商机已输单，重新打开后才能报价");
    KT_TRY(need_customer(ctx, opportunity));
    if (kt_count(params, "lines") == 0)
        return kt_fail(ctx, KT_INVALID, "lines", "a quote needs at least one line",
                       "报价至少需要一行明细");
    struct kt_map *values = kt_map_new(ctx);
    kt_map_set_id(values, "customer", kt_get_id(opportunity, "customer"));
    kt_map_set_id(values, "opportunity", id);
    kt_map_set(values, "lines", *kt_get(params, "lines"));
    if (kt_has(opportunity, "salesperson"))
        kt_map_set_id(values, "salesperson", kt_get_id(opportunity, "salesperson"));
    if (kt_has(params, "date"))
        kt_map_set(values, "date", *kt_get(params, "date"));
    KT_TRY(kt_record_create(ctx, "sales.order", values, &order_id));
    if (kt_is(opportunity, "state", "lead") || kt_is(opportunity, "state", "qualified"))
        KT_TRY(kt_record_transition(ctx, "sales.opportunity", id, "mark_quoted", NULL));
    KT_TRY(kt_record_get(ctx, "sales.order", order_id, &order));
    kt_reply(ctx, order);
    return KT_OK;
}

/* A confirmed order is the deal: its opportunity is won, if nobody said so before. One that was
 * called lost stays so; whether the order came from it is for people to judge. */
enum kt_status sales_on_order_confirmed(struct kt_ctx *ctx, const struct kt_event *event)
{
    uint64_t id = kt_get_id(event->record, "opportunity");
    const msgpack_object *opportunity;
    if (id == 0)
        return KT_OK;
    KT_TRY(kt_record_get(ctx, "sales.opportunity", id, &opportunity));
    if (kt_is(opportunity, "state", "won") || kt_is(opportunity, "state", "lost"))
        return KT_OK;
    if (kt_get_id(opportunity, "customer") == 0) {
        struct kt_map *values = kt_map_new(ctx);
        kt_map_set_id(values, "customer", kt_get_id(event->record, "customer"));
        KT_TRY(kt_record_update(ctx, "sales.opportunity", id, values));
    }
    return kt_record_transition(ctx, "sales.opportunity", id, "win", NULL);
}
