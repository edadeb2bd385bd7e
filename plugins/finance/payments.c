/* Payments from customers and what they pay.
 *
 * Posting books the whole amount against the party's receivables; allocations say which invoices it
 * settles. An allocation takes effect once: when the payment is stored as posted, for the lines
 * that were not in effect before. Nothing else changes what an invoice has been paid. */
#include "finance.h"

/* Invoices one payment settles by itself; what is left then stays unallocated. */
#define MOST_AUTOMATIC 1000

static const struct kt_field allocation_fields[] = {
    {.name = "invoice",
     .type = KT_REF,
     .to = "finance.invoice",
     .flags = KT_REQUIRED | KT_INDEXED,
     .label = {"Invoice", "发票"}},
    {.name = "amount",
     .type = KT_MONEY,
     .flags = KT_REQUIRED | KT_POSITIVE,
     .label = {"Amount", "金额"}},
};

static const struct kt_field payment_fields[] = {
    {.name = "number",
     .type = KT_TEXT,
     .flags = KT_UNIQUE | KT_READONLY,
     .sequence = "PAY{year}-{5}",
     .label = {"Number", "编号"}},
    {.name = "party",
     .type = KT_REF,
     .to = "parties.party",
     .flags = KT_REQUIRED | KT_INDEXED,
     .label = {"Party", "往来方"}},
    {.name = "date",
     .type = KT_DATE,
     .flags = KT_REQUIRED | KT_INDEXED,
     .initial = "today",
     .label = {"Date", "日期"}},
    {.name = "amount",
     .type = KT_MONEY,
     .flags = KT_REQUIRED | KT_POSITIVE,
     .label = {"Amount", "金额"}},
    {.name = "account",
     .type = KT_REF,
     .to = "finance.account",
     .label = {"Account", "科目"},
     .help = {"Where the money came in; the bank account when empty", "收款科目，默认为银行"}},
    {.name = "reference", .type = KT_TEXT, .flags = KT_INDEXED, .label = {"Reference", "参考号"}},
    {.name = "state", .type = KT_STATE, .flags = KT_INDEXED, .label = {"State", "状态"}},
    {.name = "allocations",
     .type = KT_LINES,
     .lines = KT_LIST(allocation_fields),
     .label = {"Allocations", "分配明细"},
     .help = {"When empty, posting pays the oldest invoices first",
              "为空时，过账时优先支付最早到期的发票"}},
    {.name = "unallocated",
     .type = KT_MONEY,
     .flags = KT_READONLY,
     .label = {"Unallocated", "未分配"},
     .help = {"What the party has paid ahead", "往来方预付的金额"}},
    {.name = "entry",
     .type = KT_REF,
     .to = "finance.entry",
     .flags = KT_READONLY,
     .label = {"Journal entry", "日记账分录"}},
};

static const struct kt_state states[] = {
    {"draft", 0, {"Draft", "草稿"}},
    {"posted", KT_LOCKED | KT_POSTED, {"Posted", "已过账"}},
    {"cancelled", KT_LOCKED | KT_POSTED, {"Cancelled", "已撤销"}},
};

static const char *path(struct kt_ctx *ctx, size_t index, const char *field)
{
    return kt_format(ctx, "allocations[%zu].%s", index, field);
}

static struct kt_decimal allocated(const msgpack_object *payment)
{
    struct kt_decimal sum = KT_DECIMAL_ZERO;
    for (size_t i = 0; i < kt_count(payment, "allocations"); i++)
        sum = kt_decimal_add(sum, kt_get_decimal(kt_at(payment, "allocations", i), "amount"));
    return sum;
}

static enum kt_status payment_before_save(struct kt_ctx *ctx, const msgpack_object *old,
                                          struct kt_map *record)
{
    (void)old;
    if (!kt_has(&record->object, "amount"))
        return KT_OK; /* The check of required fields says it better. */
    struct kt_decimal amount = kt_get_decimal(&record->object, "amount");
    struct kt_decimal sum = allocated(&record->object);
    struct kt_decimal left = kt_decimal_sub(amount, sum);
    if (!kt_decimal_is_valid(left) || kt_decimal_sign(left) < 0)
        return kt_fail(ctx, KT_INVALID, "allocations",
                       "%s is allocated, but the payment is only %s", "已分配 %s，但收款只有 %s",
                       finance_text(ctx, sum), finance_text(ctx, amount));
    kt_map_set_decimal(record, "unallocated",
                       kt_is(&record->object, "state", "cancelled") ? KT_DECIMAL_ZERO : left);
    if (!kt_has(&record->object, "account")) {
        uint64_t bank;
        KT_TRY(finance_account_for(ctx, "bank", &bank));
        kt_map_set_id(record, "account", bank);
    }
    return KT_OK;
}

/* ---- Which invoices ---- */

static void add_allocation(struct kt_ctx *ctx, struct kt_list *allocations, uint64_t invoice,
                           struct kt_decimal amount)
{
    struct kt_map *line = kt_map_new(ctx);
    kt_map_set_id(line, "invoice", invoice);
    kt_map_set_decimal(line, "amount", amount);
    kt_list_add(allocations, line->object);
}

/* First due, first paid: what the law says when the payer does not (e.g. BGB 366(2)), and what
 * keeps the fewest invoices overdue. */
static enum kt_status allocate_oldest(struct kt_ctx *ctx, uint64_t party, struct kt_decimal amount,
                                      struct kt_list *allocations)
{
    const struct kt_condition where[] = {
        {.field = "party", .op = "=", .value = kt_id(party)},
        {.field = "state", .op = "=", .value = kt_text("posted")},
    };
    const struct kt_query query = {.entity = "finance.invoice",
                                   .where = where,
                                   .where_count = KT_COUNT(where),
                                   .order = "due_date",
                                   .limit = MOST_AUTOMATIC};
    const msgpack_object **invoices;
    size_t count;
    KT_TRY(kt_record_search(ctx, &query, &invoices, &count));
    for (size_t i = 0; i < count && kt_decimal_sign(amount) > 0; i++) {
        struct kt_decimal part = kt_decimal_min(amount, kt_get_decimal(invoices[i], "open"));
        if (kt_decimal_sign(part) <= 0)
            continue;
        add_allocation(ctx, allocations, kt_get_id(invoices[i], "id"), part);
        amount = kt_decimal_sub(amount, part);
    }
    return KT_OK;
}

static enum kt_status settle(struct kt_ctx *ctx, const msgpack_object *payment, size_t index)
{
    const msgpack_object *line = kt_at(payment, "allocations", index);
    uint64_t id = kt_get_id(line, "invoice");
    struct kt_decimal amount = kt_get_decimal(line, "amount");
    const msgpack_object *invoice;
    /* Read anew for every line: an earlier one may have paid part of the same invoice. */
    KT_TRY(kt_record_get(ctx, "finance.invoice", id, &invoice));
    const char *number = kt_get_text(ctx, invoice, "number");
    struct kt_decimal open = kt_get_decimal(invoice, "open");
    if (kt_get_id(invoice, "party") != kt_get_id(payment, "party"))
        return kt_fail(ctx, KT_INVALID, path(ctx, index, "invoice"),
                       "invoice %s belongs to another party", "发票 %s 属于其他往来方", number);
    if (!kt_is(invoice, "state", "posted"))
        return kt_fail(ctx, KT_CONFLICT, path(ctx, index, "invoice"),
                       "invoice %s is %s: only posted invoices can be paid",
                       "发票 %s 状态为 %s：只能支付已过账发票", number,
                       kt_get_text(ctx, invoice, "state"));
    if (kt_decimal_compare(amount, open) > 0)
        return kt_fail(ctx, KT_CONFLICT, path(ctx, index, "amount"),
                       "only %s of invoice %s is open, not %s", "发票未付 %s（%s），不足 %s",
                       finance_text(ctx, open), number, finance_text(ctx, amount));
    if (kt_decimal_compare(amount, open) == 0)
        return kt_record_transition(ctx, "finance.invoice", id, "pay", NULL);
    struct kt_map *changes = kt_map_new(ctx);
    kt_map_set_decimal(changes, "paid", kt_decimal_add(kt_get_decimal(invoice, "paid"), amount));
    return kt_record_update(ctx, "finance.invoice", id, changes);
}

/* Take back what an allocation paid: a paid invoice is owed again. */
static enum kt_status unsettle(struct kt_ctx *ctx, const msgpack_object *line)
{
    uint64_t id = kt_get_id(line, "invoice");
    struct kt_decimal amount = kt_get_decimal(line, "amount");
    const msgpack_object *invoice;
    KT_TRY(kt_record_get(ctx, "finance.invoice", id, &invoice));
    struct kt_map *changes = kt_map_new(ctx);
    if (kt_is(invoice, "state", "paid")) {
        kt_map_set_decimal(changes, "amount", amount);
        return kt_record_transition(ctx, "finance.invoice", id, "reopen", changes);
    }
    kt_map_set_decimal(changes, "paid", kt_decimal_sub(kt_get_decimal(invoice, "paid"), amount));
    return kt_record_update(ctx, "finance.invoice", id, changes);
}

static enum kt_status payment_after_save(struct kt_ctx *ctx, const msgpack_object *old,
                                         const msgpack_object *record)
{
    bool was_posted = kt_is(old, "state", "posted");
    if (was_posted && kt_is(record, "state", "cancelled")) {
        for (size_t i = 0; i < kt_count(record, "allocations"); i++)
            KT_TRY(unsettle(ctx, kt_at(record, "allocations", i)));
    }
    if (!kt_is(record, "state", "posted"))
        return KT_OK;
    if (!was_posted)
        KT_TRY(finance_check_booked(ctx, record, "amount"));
    for (size_t i = 0; i < kt_count(record, "allocations"); i++) {
        uint64_t line = kt_get_id(kt_at(record, "allocations", i), "id");
        if (was_posted && kt_line(old, "allocations", line) != NULL)
            continue;
        KT_TRY(settle(ctx, record, i));
    }
    return KT_OK;
}

/* ---- Posting ---- */

static enum kt_status book(struct kt_ctx *ctx, const msgpack_object *payment, uint64_t *entry)
{
    const msgpack_object *account;
    uint64_t receivable;
    struct kt_decimal amount = kt_get_decimal(payment, "amount");
    KT_TRY(kt_record_get(ctx, "finance.account", kt_get_id(payment, "account"), &account));
    KT_TRY(finance_account_for(ctx, "receivable", &receivable));
    struct finance_posting posting = {
        .journal_kind = kt_is(account, "usage", "cash") ? "cash" : "bank",
        .reference = kt_get_text(ctx, payment, "number"),
        .source_entity = "finance.payment",
        .source_id = kt_get_id(payment, "id"),
    };
    kt_get_date(payment, "date", &posting.date);
    struct finance_target money = {.account = kt_get_id(payment, "account")};
    struct finance_target debtor = {.account = receivable, .party = kt_get_id(payment, "party")};
    finance_book(ctx, &posting, money, amount);
    finance_book(ctx, &posting, debtor, kt_decimal_neg(amount));
    return finance_post(ctx, &posting, entry);
}

static enum kt_status payment_post(struct kt_ctx *ctx, struct kt_map *record,
                                   const msgpack_object *params)
{
    (void)params;
    uint64_t entry;
    if (kt_count(&record->object, "allocations") == 0) {
        struct kt_list *allocations = kt_list_new(ctx);
        KT_TRY(allocate_oldest(ctx, kt_get_id(&record->object, "party"),
                               kt_get_decimal(&record->object, "amount"), allocations));
        kt_map_set(record, "allocations", allocations->object);
    }
    KT_TRY(book(ctx, &record->object, &entry));
    kt_map_set_id(record, "entry", entry);
    return KT_OK;
}

/* It bounced, or was never ours. The allocations stay as a note of what it had paid. */
static enum kt_status payment_cancel(struct kt_ctx *ctx, struct kt_map *record,
                                     const msgpack_object *params)
{
    (void)params;
    kt_date date = 0;
    uint64_t reversal;
    kt_get_date(&record->object, "date", &date);
    return finance_reverse(ctx, kt_get_id(&record->object, "entry"),
                           date > kt_today(ctx) ? date : kt_today(ctx), "cancelled", &reversal);
}

/* ---- Money paid ahead, allocated later ---- */

static enum kt_status choose(struct kt_ctx *ctx, const msgpack_object *params,
                             const msgpack_object *payment, struct kt_list *allocations)
{
    struct kt_decimal left = kt_get_decimal(payment, "unallocated");
    struct kt_decimal amount = kt_has(params, "amount") ? kt_get_decimal(params, "amount") : left;
    uint64_t id = kt_get_id(params, "invoice");
    const msgpack_object *invoice;
    if (kt_decimal_compare(amount, left) > 0)
        return kt_fail(ctx, KT_CONFLICT, "amount", "only %s of the payment is left",
                       "收款仅剩 %s 未分配", finance_text(ctx, left));
    if (id == 0)
        return allocate_oldest(ctx, kt_get_id(payment, "party"), amount, allocations);
    KT_TRY(kt_record_get(ctx, "finance.invoice", id, &invoice));
    if (!kt_has(params, "amount"))
        amount = kt_decimal_min(amount, kt_get_decimal(invoice, "open"));
    if (kt_decimal_sign(amount) > 0)
        add_allocation(ctx, allocations, id, amount);
    return KT_OK;
}

enum kt_status finance_payment_allocate(struct kt_ctx *ctx, const msgpack_object *params)
{
    uint64_t id = kt_get_id(params, "id");
    const msgpack_object *payment;
    KT_TRY(kt_record_get(ctx, "finance.payment", id, &payment));
    if (!kt_is(payment, "state", "posted"))
        return kt_fail(ctx, KT_CONFLICT, "id", "payment %s is not posted", "收款 %s 未过账",
                       kt_get_text(ctx, payment, "number"));
    struct kt_list *allocations = kt_list_new(ctx);
    size_t before = kt_count(payment, "allocations");
    for (size_t i = 0; i < before; i++)
        kt_list_add(allocations, *kt_at(payment, "allocations", i));
    KT_TRY(choose(ctx, params, payment, allocations));
    if (allocations->object.via.array.size > before) {
        struct kt_map *changes = kt_map_new(ctx);
        kt_map_set(changes, "allocations", allocations->object);
        KT_TRY(kt_record_update(ctx, "finance.payment", id, changes));
        KT_TRY(kt_record_get(ctx, "finance.payment", id, &payment));
    }
    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set_decimal(answer, "unallocated", kt_get_decimal(payment, "unallocated"));
    kt_reply_map(ctx, answer);
    return KT_OK;
}

static const struct kt_transition transitions[] = {
    {.from = "draft",
     .to = "posted",
     .verb = "post",
     .event = "posted",
     .run = payment_post,
     .label = {"Post", "过账"}},
    {.from = "posted",
     .to = "cancelled",
     .verb = "cancel",
     .event = "cancelled",
     .run = payment_cancel,
     .label = {"Cancel", "撤销"}},
};

const struct kt_entity finance_payment = {
    .name = "finance.payment",
    .label = {"Payment", "收款"},
    .fields = KT_LIST(payment_fields),
    .states = KT_LIST(states),
    .transitions = KT_LIST(transitions),
    .before_save = payment_before_save,
    .after_save = payment_after_save,
};
