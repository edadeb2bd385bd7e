/* Customer invoices.
 *
 * Amounts are computed while the invoice is a draft and frozen when it is posted; from then on only
 * `paid` moves. Posting books receivable, revenue and tax in one entry. */
#include "finance.h"

/* quantity has at most 6 digits after the point and price 4: their product is exact at 10. */
#define EXACT_DIGITS      10
#define MOST_PAYMENT_DAYS 3650

static const struct kt_field line_fields[] = {
    {.name = "product",
     .type = KT_REF,
     .to = "products.product",
     .flags = KT_SOFT,
     .label = {"Product", "产品"}},
    {.name = "text",
     .type = KT_TEXT,
     .flags = KT_MULTILINE | KT_SEARCHABLE,
     .max_length = 2000,
     .label = {"Text", "说明"}},
    {.name = "quantity",
     .type = KT_QUANTITY,
     .flags = KT_REQUIRED | KT_POSITIVE,
     .label = {"Quantity", "数量"}},
    {.name = "price",
     .type = KT_MONEY,
     .currency = "currency",
     .flags = KT_REQUIRED,
     .digits = 4,
     .label = {"Price", "单价"},
     .help = {"Of one unit, without tax", "不含税单价"}},
    {.name = "discount",
     .type = KT_DECIMAL,
     .flags = KT_NONNEGATIVE,
     .label = {"Discount %", "折扣 %"}},
    {.name = "tax_rate", .type = KT_DECIMAL, .flags = KT_NONNEGATIVE, .label = {"Tax %", "税率 %"}},
    {.name = "account",
     .type = KT_REF,
     .to = "finance.account",
     .label = {"Account", "科目"},
     .help = {"Revenue account; the one with that usage when empty",
              "收入科目，默认为用途为收入的科目"}},
    {.name = "net",
     .type = KT_MONEY,
     .currency = "currency",
     .flags = KT_READONLY,
     .label = {"Net", "不含税金额"}},
    {.name = "tax",
     .type = KT_MONEY,
     .currency = "currency",
     .flags = KT_READONLY,
     .label = {"Tax", "税额"}},
};

static const struct kt_field invoice_fields[] = {
    {.name = "number",
     .type = KT_TEXT,
     .flags = KT_UNIQUE | KT_READONLY | KT_SEARCHABLE,
     .sequence = "INV{year}-{5}",
     .label = {"Number", "发票号"}},
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
    {.name = "payment_days",
     .type = KT_INT,
     .flags = KT_NONNEGATIVE,
     .initial = "30",
     .label = {"Payment days", "付款天数"}},
    {.name = "due_date",
     .type = KT_DATE,
     .flags = KT_INDEXED,
     .label = {"Due date", "到期日"},
     .help = {"Date plus payment days when empty", "默认为日期加付款天数"}},
    {.name = "reference",
     .type = KT_TEXT,
     .flags = KT_INDEXED | KT_SEARCHABLE,
     .label = {"Reference", "参考号"}},
    {.name = "source_entity",
     .type = KT_TEXT,
     .flags = KT_READONLY,
     .label = {"Source document type", "来源单据类型"}},
    {.name = "source_id",
     .type = KT_INT,
     .flags = KT_READONLY,
     .label = {"Source document", "来源单据"}},
    {.name = "currency", .type = KT_TEXT, .max_length = 3, .label = {"Currency", "币种"}},
    {.name = "state", .type = KT_STATE, .label = {"State", "状态"}},
    {.name = "lines", .type = KT_LINES, .lines = KT_LIST(line_fields), .label = {"Lines", "明细"}},
    {.name = "net",
     .type = KT_MONEY,
     .currency = "currency",
     .flags = KT_READONLY,
     .label = {"Net", "不含税金额"}},
    {.name = "tax",
     .type = KT_MONEY,
     .currency = "currency",
     .flags = KT_READONLY,
     .label = {"Tax", "税额"}},
    {.name = "total",
     .type = KT_MONEY,
     .currency = "currency",
     .flags = KT_READONLY,
     .label = {"Total", "价税合计"}},
    {.name = "paid",
     .type = KT_MONEY,
     .currency = "currency",
     .flags = KT_READONLY,
     .label = {"Paid", "已付"}},
    {.name = "open",
     .type = KT_MONEY,
     .currency = "currency",
     .flags = KT_READONLY,
     .label = {"Open", "未付"}},
    {.name = "entry",
     .type = KT_REF,
     .to = "finance.entry",
     .flags = KT_READONLY,
     .label = {"Journal entry", "日记账分录"}},
};

static const char *const by_source[] = {"source_entity", "source_id"};
static const char *const by_due[] = {"state", "due_date"};
static const char *const by_party_due[] = {"party", "state", "due_date"};
static const struct kt_index indexes[] = {
    {.name = "source", .fields = KT_LIST(by_source)},
    {.name = "due", .fields = KT_LIST(by_due)},
    {.name = "party_due", .fields = KT_LIST(by_party_due)},
};

static const struct kt_state states[] = {
    {"draft", 0, {"Draft", "草稿"}},
    {"posted", KT_LOCKED | KT_POSTED, {"Posted", "已过账"}},
    {"paid", KT_LOCKED | KT_POSTED, {"Paid", "已付清"}},
    {"cancelled", KT_LOCKED | KT_POSTED, {"Cancelled", "已作废"}},
};

static const char *path(struct kt_ctx *ctx, size_t index, const char *field)
{
    return kt_format(ctx, "lines[%zu].%s", index, field);
}

/* ---- Amounts ---- */

struct sums {
    struct kt_decimal net, tax;
};

static enum kt_status compute_line(struct kt_ctx *ctx, struct kt_map *line, size_t index,
                                   struct sums *sums)
{
    const struct kt_decimal hundred = kt_decimal_from_int(100);
    int digits = kt_currency_digits(ctx);
    struct kt_decimal discount = kt_get_decimal(&line->object, "discount");
    struct kt_decimal tax_rate = kt_get_decimal(&line->object, "tax_rate");
    if (kt_decimal_compare(discount, hundred) > 0)
        return kt_fail(ctx, KT_INVALID, path(ctx, index, "discount"),
                       "a discount is at most 100 percent", "折扣最多为 100%%");
    if (kt_decimal_compare(tax_rate, hundred) > 0)
        return kt_fail(ctx, KT_INVALID, path(ctx, index, "tax_rate"),
                       "a tax rate is at most 100 percent", "税率最多为 100%%");
    struct kt_decimal gross = kt_decimal_mul(kt_get_decimal(&line->object, "quantity"),
                                             kt_get_decimal(&line->object, "price"), EXACT_DIGITS);
    struct kt_decimal net =
        kt_decimal_mul_div(gross, kt_decimal_sub(hundred, discount), hundred, digits);
    struct kt_decimal tax = kt_decimal_mul_div(net, tax_rate, hundred, digits);
    sums->net = kt_decimal_add(sums->net, net);
    sums->tax = kt_decimal_add(sums->tax, tax);
    if (!kt_decimal_is_valid(sums->net) || !kt_decimal_is_valid(sums->tax))
        return kt_fail(ctx, KT_INVALID, path(ctx, index, "price"), "the amount is too large",
                       "金额过大");
    if (!kt_has(&line->object, "account")) {
        uint64_t revenue;
        KT_TRY(finance_account_for(ctx, "revenue", &revenue));
        kt_map_set_id(line, "account", revenue);
    }
    kt_map_set_decimal(line, "net", net);
    kt_map_set_decimal(line, "tax", tax);
    return KT_OK;
}

static enum kt_status compute_amounts(struct kt_ctx *ctx, struct kt_map *invoice)
{
    struct sums sums = {.net = kt_decimal_round(KT_DECIMAL_ZERO, kt_currency_digits(ctx))};
    sums.tax = sums.net;
    struct kt_list *lines = kt_list_new(ctx);
    for (size_t i = 0; i < kt_count(&invoice->object, "lines"); i++) {
        struct kt_map *line = kt_map_copy(ctx, kt_at(&invoice->object, "lines", i));
        KT_TRY(compute_line(ctx, line, i, &sums));
        kt_list_add(lines, line->object);
    }
    kt_map_set(invoice, "lines", lines->object);
    kt_map_set_decimal(invoice, "net", sums.net);
    kt_map_set_decimal(invoice, "tax", sums.tax);
    kt_map_set_decimal(invoice, "total", kt_decimal_add(sums.net, sums.tax));
    return KT_OK;
}

/* Amounts are stored in company currency, so a document that claims another one would lie. */
static enum kt_status check_currency(struct kt_ctx *ctx, struct kt_map *invoice)
{
    const char *company = kt_currency(ctx);
    if (!kt_has(&invoice->object, "currency"))
        kt_map_set_text(invoice, "currency", company);
    if (!kt_is(&invoice->object, "currency", company))
        return kt_fail(ctx, KT_INVALID, "currency", "invoices are in company currency, %s",
                       "发票只能使用公司币种 %s", company);
    return KT_OK;
}

/* The due date follows date and payment days until somebody sets another one. */
static enum kt_status set_due_date(struct kt_ctx *ctx, const msgpack_object *old,
                                   struct kt_map *invoice)
{
    int64_t days = kt_get_int(&invoice->object, "payment_days");
    kt_date date, due, old_date, old_due;
    if (days > MOST_PAYMENT_DAYS)
        return kt_fail(ctx, KT_INVALID, "payment_days", "payment days are at most %d",
                       "付款天数最多为 %d", MOST_PAYMENT_DAYS);
    if (!kt_get_date(&invoice->object, "date", &date))
        return KT_OK;
    bool followed = kt_get_date(old, "date", &old_date) && kt_get_date(old, "due_date", &old_due) &&
                    old_due == old_date + (kt_date)kt_get_int(old, "payment_days");
    bool has_due = kt_get_date(&invoice->object, "due_date", &due);
    if (!has_due || (followed && due == old_due)) {
        due = date + (kt_date)days;
        kt_map_set_date(invoice, "due_date", due);
    }
    if (due < date)
        return kt_fail(ctx, KT_INVALID, "due_date", "an invoice is not due before its date",
                       "到期日不得早于发票日期");
    return KT_OK;
}

static enum kt_status invoice_before_save(struct kt_ctx *ctx, const msgpack_object *old,
                                          struct kt_map *record)
{
    if (old == NULL || kt_is(old, "state", "draft")) {
        KT_TRY(check_currency(ctx, record));
        KT_TRY(set_due_date(ctx, old, record));
        KT_TRY(compute_amounts(ctx, record));
    }
    const msgpack_object *invoice = &record->object;
    bool is_owed = kt_is(invoice, "state", "posted") || kt_is(invoice, "state", "paid");
    struct kt_decimal zero = kt_decimal_round(KT_DECIMAL_ZERO, kt_currency_digits(ctx));
    struct kt_decimal paid = kt_decimal_add(kt_get_decimal(invoice, "paid"), zero);
    struct kt_decimal open = kt_decimal_sub(kt_get_decimal(invoice, "total"), paid);
    if (is_owed && kt_decimal_sign(open) < 0)
        return kt_fail(ctx, KT_CONFLICT, "paid", "more would be paid than the invoice's %s",
                       "付款超过发票金额 %s", finance_text(ctx, kt_get_decimal(invoice, "total")));
    kt_map_set_decimal(record, "paid", paid);
    kt_map_set_decimal(record, "open", is_owed ? open : zero);
    return KT_OK;
}

/* ---- Posting, paying, cancelling ---- */

/* Credit every revenue account with the net of its lines, in the order of first use. */
static void book_revenue(struct kt_ctx *ctx, struct finance_posting *posting,
                         const msgpack_object *invoice)
{
    size_t count = kt_count(invoice, "lines");
    for (size_t i = 0; i < count; i++) {
        struct finance_target target = {.account =
                                            kt_get_id(kt_at(invoice, "lines", i), "account")};
        struct kt_decimal net = KT_DECIMAL_ZERO;
        size_t first = 0;
        while (kt_get_id(kt_at(invoice, "lines", first), "account") != target.account)
            first++;
        if (first < i)
            continue;
        for (size_t k = i; k < count; k++) {
            const msgpack_object *line = kt_at(invoice, "lines", k);
            if (kt_get_id(line, "account") == target.account)
                net = kt_decimal_add(net, kt_get_decimal(line, "net"));
        }
        finance_book(ctx, posting, target, kt_decimal_neg(net));
    }
}

static struct kt_decimal rate_of(const msgpack_object *invoice, size_t index)
{
    return kt_get_decimal(kt_at(invoice, "lines", index), "tax_rate");
}

static const char *rate_text(struct kt_ctx *ctx, struct kt_decimal rate)
{
    char text[KT_DECIMAL_TEXT_SIZE];
    kt_decimal_format(kt_decimal_trim(rate, 0), text);
    return kt_format(ctx, "%s %%", text);
}

/* Credit the tax account once per rate, in the order of first use: a tax return asks per rate. */
static enum kt_status book_tax(struct kt_ctx *ctx, struct finance_posting *posting,
                               const msgpack_object *invoice)
{
    size_t count = kt_count(invoice, "lines");
    struct finance_target target = {0};
    for (size_t i = 0; i < count; i++) {
        struct kt_decimal rate = rate_of(invoice, i);
        struct kt_decimal tax = KT_DECIMAL_ZERO;
        size_t first = 0;
        while (kt_decimal_compare(rate_of(invoice, first), rate) != 0)
            first++;
        if (first < i)
            continue;
        for (size_t k = i; k < count; k++) {
            if (kt_decimal_compare(rate_of(invoice, k), rate) == 0)
                tax = kt_decimal_add(tax, kt_get_decimal(kt_at(invoice, "lines", k), "tax"));
        }
        if (kt_decimal_is_zero(tax))
            continue;
        KT_TRY(finance_account_for(ctx, "tax_payable", &target.account));
        target.text = rate_text(ctx, rate);
        finance_book(ctx, posting, target, kt_decimal_neg(tax));
    }
    return KT_OK;
}

static enum kt_status invoice_post(struct kt_ctx *ctx, struct kt_map *record,
                                   const msgpack_object *params)
{
    (void)params;
    const msgpack_object *invoice = &record->object;
    struct finance_target debtor = {.party = kt_get_id(invoice, "party")};
    uint64_t entry;
    if (kt_count(invoice, "lines") == 0)
        return kt_fail(ctx, KT_INVALID, "lines", "an invoice needs at least one line",
                       "发票至少需要一行");
    if (kt_decimal_sign(kt_get_decimal(invoice, "total")) <= 0)
        return kt_fail(ctx, KT_INVALID, "total", "the total of an invoice must be above 0",
                       "发票合计必须大于 0");
    struct finance_posting posting = {.journal_kind = "sale",
                                      .reference = kt_get_text(ctx, invoice, "number"),
                                      .source_entity = "finance.invoice",
                                      .source_id = kt_get_id(invoice, "id")};
    kt_get_date(invoice, "date", &posting.date);
    KT_TRY(finance_account_for(ctx, "receivable", &debtor.account));
    finance_book(ctx, &posting, debtor, kt_get_decimal(invoice, "total"));
    book_revenue(ctx, &posting, invoice);
    KT_TRY(book_tax(ctx, &posting, invoice));
    KT_TRY(finance_post(ctx, &posting, &entry));
    kt_map_set_id(record, "entry", entry);
    return KT_OK;
}

static enum kt_status invoice_pay(struct kt_ctx *ctx, struct kt_map *record,
                                  const msgpack_object *params)
{
    (void)ctx;
    (void)params;
    kt_map_set_decimal(record, "paid", kt_get_decimal(&record->object, "total"));
    return KT_OK;
}

/* The payment that paid it is cancelled. */
static enum kt_status invoice_reopen(struct kt_ctx *ctx, struct kt_map *record,
                                     const msgpack_object *params)
{
    (void)ctx;
    kt_map_set_decimal(
        record, "paid",
        kt_decimal_sub(kt_get_decimal(&record->object, "paid"), kt_get_decimal(params, "amount")));
    return KT_OK;
}

/* A cancelled posted invoice keeps its number and both entries: nothing disappears. */
static enum kt_status invoice_cancel_posted(struct kt_ctx *ctx, struct kt_map *record,
                                            const msgpack_object *params)
{
    (void)params;
    const msgpack_object *invoice = &record->object;
    kt_date date = 0;
    uint64_t reversal;
    if (!kt_decimal_is_zero(kt_get_decimal(invoice, "paid")))
        return kt_fail(ctx, KT_CONFLICT, "paid", "%s of the invoice is paid: it stays",
                       "发票已付 %s，不能作废", finance_text(ctx, kt_get_decimal(invoice, "paid")));
    kt_get_date(invoice, "date", &date);
    return finance_reverse(ctx, kt_get_id(invoice, "entry"),
                           date > kt_today(ctx) ? date : kt_today(ctx), "cancelled", &reversal);
}

static enum kt_status invoice_after_save(struct kt_ctx *ctx, const msgpack_object *old,
                                         const msgpack_object *record)
{
    if (old != NULL && kt_is(old, "state", "draft") && kt_is(record, "state", "posted"))
        return finance_check_booked(ctx, record, "total");
    return KT_OK;
}

static const struct kt_transition transitions[] = {
    {.from = "draft",
     .to = "posted",
     .verb = "post",
     .event = "posted",
     .run = invoice_post,
     .label = {"Post", "过账"}},
    {.from = "posted",
     .to = "paid",
     .verb = "pay",
     .event = "paid",
     .flags = KT_BY_SERVER,
     .run = invoice_pay,
     .label = {"Pay", "付清"}},
    {.from = "paid",
     .to = "posted",
     .verb = "reopen",
     .event = "reopened",
     .flags = KT_BY_SERVER,
     .run = invoice_reopen,
     .label = {"Reopen", "重新打开"}},
    {.from = "draft",
     .to = "cancelled",
     .verb = "cancel",
     .event = "cancelled",
     .label = {"Cancel", "作废"}},
    {.from = "posted",
     .to = "cancelled",
     .verb = "cancel",
     .event = "cancelled",
     .run = invoice_cancel_posted,
     .label = {"Cancel", "作废"}},
};

const struct kt_entity finance_invoice = {
    .name = "finance.invoice",
    .label = {"Invoice", "发票"},
    .fields = KT_LIST(invoice_fields),
    .states = KT_LIST(states),
    .transitions = KT_LIST(transitions),
    .indexes = KT_LIST(indexes),
    .before_save = invoice_before_save,
    .after_save = invoice_after_save,
};
