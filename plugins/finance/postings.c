/* What other modules announce becomes documents and entries here: an invoiced order an invoice, a
 * stock move its cost entry. It happens inside their transaction: no goods leave without their cost
 * being booked, and a closed period or a missing account stops the move as well. */
#include "finance.h"

#include <string.h>

/* ---- sales.order.invoiced ---- */

static struct kt_list *invoice_lines(struct kt_ctx *ctx, const msgpack_object *order)
{
    static const char *const copied[] = {"product", "text",     "quantity",
                                         "price",   "discount", "tax_rate"};
    struct kt_list *lines = kt_list_new(ctx);
    for (size_t i = 0; i < kt_count(order, "lines"); i++) {
        struct kt_map *line = kt_map_new(ctx);
        for (size_t k = 0; k < KT_COUNT(copied); k++) {
            const msgpack_object *value = kt_get(kt_at(order, "lines", i), copied[k]);
            if (value != NULL)
                kt_map_set(line, copied[k], *value);
        }
        kt_list_add(lines, line->object);
    }
    return lines;
}

/* Both modules compute amounts by the same formula, so a difference is a bug, and the customer must
 * never get an invoice that differs from what was agreed. */
static enum kt_status check_amounts(struct kt_ctx *ctx, const msgpack_object *order,
                                    const msgpack_object *invoice)
{
    static const char *const amounts[] = {"net", "tax", "total"};
    for (size_t i = 0; i < KT_COUNT(amounts); i++) {
        struct kt_decimal agreed = kt_get_decimal(order, amounts[i]);
        struct kt_decimal billed = kt_get_decimal(invoice, amounts[i]);
        if (kt_has(order, amounts[i]) && kt_decimal_compare(agreed, billed) != 0)
            return kt_fail(ctx, KT_INTERNAL, amounts[i],
                           "%s of the invoice would be %s, but the order says %s",
                           "发票的 %s 为 %s，与订单的 %s 不一致", amounts[i],
                           finance_text(ctx, billed), finance_text(ctx, agreed));
    }
    return KT_OK;
}

enum kt_status finance_on_order_invoiced(struct kt_ctx *ctx, const struct kt_event *event)
{
    static const char *const copied[] = {"party", "payment_days", "currency"};
    const msgpack_object *invoice;
    uint64_t id;
    struct kt_map *values = kt_map_new(ctx);
    /* A gift owes nothing, so there is nothing to bill; sales closes such an order by hand. */
    if (kt_decimal_is_zero(kt_get_decimal(event->record, "total")))
        return KT_OK;
    for (size_t i = 0; i < KT_COUNT(copied); i++) {
        const msgpack_object *value = kt_get(event->record, copied[i]);
        if (value != NULL)
            kt_map_set(values, copied[i], *value);
    }
    kt_map_set_text(values, "reference", kt_get_text(ctx, event->record, "number"));
    kt_map_set_text(values, "source_entity", "sales.order");
    kt_map_set_id(values, "source_id", event->id);
    kt_map_set(values, "lines", invoice_lines(ctx, event->record)->object);
    KT_TRY(kt_record_create(ctx, "finance.invoice", values, &id));
    KT_TRY(kt_record_transition(ctx, "finance.invoice", id, "post", NULL));
    KT_TRY(kt_record_get(ctx, "finance.invoice", id, &invoice));
    return check_amounts(ctx, event->record, invoice);
}

/* ---- inventory.move.posted ---- */

/* The account against which stock grows or shrinks, by the other side's kind of location. */
static const struct {
    const char *location_kind, *usage;
} counterparts[] = {
    {"customer", "cogs"},
    {"supplier", "goods_received"},
    {"opening", "opening"},
    {"adjustment", "stock_adjustment"},
    {"production", "work_in_progress"},
};

static enum kt_status counterpart(struct kt_ctx *ctx, const char *location_kind, uint64_t *account)
{
    for (size_t i = 0; i < KT_COUNT(counterparts); i++) {
        if (strcmp(counterparts[i].location_kind, location_kind) == 0)
            return finance_account_for(ctx, counterparts[i].usage, account);
    }
    return kt_fail(ctx, KT_INTERNAL, NULL, "no account is known for locations of kind \"%s\"",
                   "没有与“%s”类型库位对应的科目", location_kind);
}

static enum kt_status book_amount(struct kt_ctx *ctx, struct finance_posting *posting,
                                  const msgpack_object *amount)
{
    bool comes_in = kt_is(amount, "to_kind", "internal");
    bool goes_out = kt_is(amount, "from_kind", "internal");
    const char *other = kt_get_text(ctx, amount, comes_in ? "from_kind" : "to_kind");
    struct kt_decimal value = kt_get_decimal(amount, "value");
    uint64_t stock, against;
    /* Goods that move within the company, or past it, change no account. */
    if (comes_in == goes_out || kt_decimal_is_zero(value))
        return KT_OK;
    if (goes_out)
        value = kt_decimal_neg(value);
    KT_TRY(finance_account_for(ctx, "stock", &stock));
    KT_TRY(counterpart(ctx, other, &against));
    finance_book(ctx, posting, (struct finance_target){.account = stock}, value);
    finance_book(ctx, posting, (struct finance_target){.account = against}, kt_decimal_neg(value));
    return KT_OK;
}

enum kt_status finance_on_move_posted(struct kt_ctx *ctx, const struct kt_event *event)
{
    const msgpack_object *move = event->payload;
    const char *number = kt_get_text(ctx, move, "number");
    const char *reference = kt_get_text(ctx, move, "reference");
    struct finance_posting posting = {
        .journal_kind = "stock",
        .date = kt_today(ctx),
        .reference =
            reference[0] == '\0' ? number : kt_format(ctx, "%s: %.400s", number, reference),
        .source_entity = "inventory.move",
        .source_id = kt_get_id(move, "move"),
        .lines = kt_list_new(ctx),
    };
    kt_get_date(move, "date", &posting.date);
    for (size_t i = 0; i < kt_count(move, "amounts"); i++)
        KT_TRY(book_amount(ctx, &posting, kt_at(move, "amounts", i)));
    if (posting.lines->object.via.array.size == 0)
        return KT_OK;
    return finance_post(ctx, &posting, NULL);
}
