/* The life of an order: draft, quoted, confirmed, delivered, invoiced, done; or cancelled on the
 * way.
 *
 * From confirmed on it is locked: what was promised changes only through deliveries and invoices.
 */
#include "sales.h"

const struct kt_state sales_order_states[SALES_ORDER_STATES] = {
    {.name = "draft", .label = {"Draft", "草稿"}},
    {.name = "quoted", .label = {"Quoted", "已报价"}},
    {.name = "confirmed", .flags = KT_LOCKED | KT_POSTED, .label = {"Confirmed", "已确认"}},
    {.name = "delivered", .flags = KT_LOCKED | KT_POSTED, .label = {"Delivered", "已发货"}},
    {.name = "invoiced", .flags = KT_LOCKED | KT_POSTED, .label = {"Invoiced", "已开票"}},
    {.name = "done", .flags = KT_LOCKED | KT_POSTED, .label = {"Done", "已完成"}},
    {.name = "cancelled", .flags = KT_LOCKED, .label = {"Cancelled", "已取消"}},
};

static enum kt_status need_lines(struct kt_ctx *ctx, const struct kt_map *order)
{
    if (kt_count(&order->object, "lines") == 0)
        return kt_fail(ctx, KT_INVALID, "lines", "the order has no lines: add at least one",
                       "订单没有明细，请至少添加一行");
    return KT_OK;
}

static enum kt_status order_quote(struct kt_ctx *ctx, struct kt_map *order,
                                  const msgpack_object *params)
{
    (void)params;
    return need_lines(ctx, order);
}

static enum kt_status order_approve(struct kt_ctx *ctx, struct kt_map *order,
                                    const msgpack_object *params)
{
    (void)params;
    KT_TRY(need_lines(ctx, order));
    kt_map_set_id(order, "approved_by", kt_user_id(ctx));
    kt_map_set(order, "approved_at", kt_instant_value(ctx, kt_now(ctx)));
    return KT_OK;
}

static enum kt_status order_confirm(struct kt_ctx *ctx, struct kt_map *order,
                                    const msgpack_object *params)
{
    (void)params;
    KT_TRY(need_lines(ctx, order));
    const msgpack_object *customer;
    KT_TRY(
        kt_record_get(ctx, "customers.customer", kt_get_id(&order->object, "customer"), &customer));
    if (kt_get_bool(customer, "blocked"))
        return kt_fail(ctx, KT_CONFLICT, "customer",
                       "customer %s is blocked: unblock it before confirming",
                       "客户 %s 已冻结，解冻后才能确认订单", kt_get_text(ctx, customer, "name"));
    return KT_OK;
}

static enum kt_status order_cancel(struct kt_ctx *ctx, struct kt_map *order,
                                   const msgpack_object *params)
{
    (void)params;
    for (size_t i = 0; i < kt_count(&order->object, "lines"); i++)
        if (!kt_decimal_is_zero(kt_get_decimal(kt_at(&order->object, "lines", i), "delivered")))
            return kt_fail(ctx, KT_CONFLICT, kt_format(ctx, "lines[%zu].delivered", i),
                           "part of the order is delivered: it can no longer be cancelled",
                           "订单已部分发货，不能取消");
    return KT_OK;
}

/* By hand only when no payment will ever complete the order: finance is off, was off when it was
 * invoiced, or had nothing to bill. */
static enum kt_status order_complete(struct kt_ctx *ctx, struct kt_map *order,
                                     const msgpack_object *params)
{
    (void)params;
    if (!kt_module_enabled(ctx, "finance"))
        return KT_OK;
    const struct kt_condition where[] = {
        {.field = "source_entity", .op = "=", .value = kt_text("sales.order")},
        {.field = "source_id", .op = "=", .value = kt_id(kt_get_id(&order->object, "id"))},
        {.field = "state", .op = "=", .value = kt_text("posted")},
    };
    const struct kt_query query = {
        .entity = "finance.invoice", .where = where, .where_count = KT_COUNT(where), .limit = 1};
    const msgpack_object **invoices;
    size_t count;
    KT_TRY(kt_record_search(ctx, &query, &invoices, &count));
    if (count > 0)
        return kt_fail(ctx, KT_CONFLICT, "state",
                       "the payment of invoice %s completes the order: post the payment",
                       "发票 %s 付清后订单自动完成，请登记收款",
                       kt_get_text(ctx, invoices[0], "number"));
    return KT_OK;
}

const struct kt_transition sales_order_transitions[SALES_ORDER_TRANSITIONS] = {
    {.from = "draft",
     .to = "quoted",
     .verb = "quote",
     .event = "quoted",
     .run = order_quote,
     .label = {"Send quote", "发出报价"}},
    {.from = "quoted",
     .to = "draft",
     .verb = "revise",
     .event = "revised",
     .label = {"Revise", "修改报价"}},
    {.from = "draft",
     .to = "draft",
     .verb = "approve",
     .event = "approved",
     .run = order_approve,
     .label = {"Approve", "审批"}},
    {.from = "quoted",
     .to = "quoted",
     .verb = "approve",
     .event = "approved",
     .run = order_approve,
     .label = {"Approve", "审批"}},
    {.from = "draft",
     .to = "confirmed",
     .verb = "confirm",
     .event = "confirmed",
     .run = order_confirm,
     .label = {"Confirm", "确认"}},
    {.from = "quoted",
     .to = "confirmed",
     .verb = "confirm",
     .event = "confirmed",
     .run = order_confirm,
     .label = {"Confirm", "确认"}},
    {.from = "confirmed",
     .to = "delivered",
     .verb = "complete_delivery",
     .event = "delivered",
     .flags = KT_BY_SERVER,
     .label = {"All delivered", "全部发货"}},
    {.from = "delivered",
     .to = "invoiced",
     .verb = "invoice",
     .event = "invoiced",
     .label = {"Invoice", "开票"}},
    {.from = "invoiced",
     .to = "done",
     .verb = "settle",
     .event = "done",
     .flags = KT_BY_SERVER,
     .label = {"Settle", "结清"}},
    {.from = "invoiced",
     .to = "done",
     .verb = "complete",
     .event = "done",
     .run = order_complete,
     .label = {"Complete", "完成"}},
    {.from = "done",
     .to = "invoiced",
     .verb = "unsettle",
     .event = "unsettled",
     .flags = KT_BY_SERVER,
     .label = {"Payment withdrawn", "收款已撤销"}},
    {.from = "invoiced",
     .to = "delivered",
     .verb = "withdraw_invoice",
     .event = "invoice_withdrawn",
     .flags = KT_BY_SERVER,
     .label = {"Invoice withdrawn", "发票已作废"}},
    {.from = "draft",
     .to = "cancelled",
     .verb = "cancel",
     .event = "cancelled",
     .run = order_cancel,
     .label = {"Cancel", "取消"}},
    {.from = "quoted",
     .to = "cancelled",
     .verb = "cancel",
     .event = "cancelled",
     .run = order_cancel,
     .label = {"Cancel", "取消"}},
    {.from = "confirmed",
     .to = "cancelled",
     .verb = "cancel",
     .event = "cancelled",
     .run = order_cancel,
     .label = {"Cancel", "取消"}},
};

/* An invoice may name an order that is gone or was closed otherwise: that is no reason to refuse
 * what happens to the invoice, so the order is searched, which finds or finds not, not fetched. */
static enum kt_status follow_invoice(struct kt_ctx *ctx, const struct kt_event *event,
                                     const char *state, const char *verb)
{
    uint64_t id = kt_get_id(event->record, "source_id");
    if (id == 0 || !kt_is(event->record, "source_entity", "sales.order"))
        return KT_OK;
    const struct kt_condition where[] = {
        {.field = "id", .op = "=", .value = kt_id(id)},
        {.field = "state", .op = "=", .value = kt_text(state)},
    };
    const struct kt_query query = {
        .entity = "sales.order", .where = where, .where_count = KT_COUNT(where), .limit = 1};
    const msgpack_object **orders;
    size_t count;
    KT_TRY(kt_record_search(ctx, &query, &orders, &count));
    return count == 0 ? KT_OK : kt_record_transition(ctx, "sales.order", id, verb, NULL);
}

enum kt_status sales_on_invoice_paid(struct kt_ctx *ctx, const struct kt_event *event)
{
    return follow_invoice(ctx, event, "invoiced", "settle");
}

/* Its payment was cancelled. */
enum kt_status sales_on_invoice_reopened(struct kt_ctx *ctx, const struct kt_event *event)
{
    return follow_invoice(ctx, event, "done", "unsettle");
}

/* The order can be invoiced again, rightly this time. */
enum kt_status sales_on_invoice_cancelled(struct kt_ctx *ctx, const struct kt_event *event)
{
    return follow_invoice(ctx, event, "invoiced", "withdraw_invoice");
}
