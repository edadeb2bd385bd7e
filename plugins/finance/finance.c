/* Finance: the general ledger, customer invoices and payments.
 *
 * Every amount reaches the ledger as a balanced, posted finance.entry that nobody alters
 * afterwards. Documents of finance and of other modules book through the same door; balances and
 * open receivables are totals kept with the entries. */
#include "finance.h"

/* ---- Totals: see README.md for what each answers. ---- */

static const char *const posted[] = {"posted"};
static const char *const posted_or_paid[] = {"posted", "paid"};

static const char *const by_account_month[] = {"lines.account", "date:month"};
static const struct kt_measure debit_credit[] = {
    {.name = "debit", .field = "lines.debit"},
    {.name = "credit", .field = "lines.credit"},
};
static const struct kt_leg balance_legs[] = {
    {.by = KT_LIST(by_account_month), .measures = debit_credit},
};

static const char *const by_line_party[] = {"lines.party"};
static const struct kt_measure open[] = {{.name = "open", .field = "lines.receivable"}};
static const struct kt_leg receivable_legs[] = {
    {.by = KT_LIST(by_line_party), .measures = open},
};

static const char *const by_party_month[] = {"party", "date:month"};
static const struct kt_measure invoiced[] = {
    {.name = "net", .field = "net"},
    {.name = "tax", .field = "tax"},
    {.name = "total", .field = "total"},
};
static const struct kt_leg turnover_legs[] = {
    {.by = KT_LIST(by_party_month), .measures = invoiced},
};

static const struct kt_total totals[] = {
    {.name = "finance.balances",
     .entity = "finance.entry",
     .label = {"Account balances by month", "科目月度余额"},
     .when = "state",
     .is = KT_LIST(posted),
     .measure_count = KT_COUNT(debit_credit),
     .legs = balance_legs,
     .leg_count = KT_COUNT(balance_legs)},
    {.name = "finance.open_receivables",
     .entity = "finance.entry",
     .label = {"Open receivables by party", "往来方应收余额"},
     .when = "state",
     .is = KT_LIST(posted),
     .measure_count = KT_COUNT(open),
     .legs = receivable_legs,
     .leg_count = KT_COUNT(receivable_legs)},
    {.name = "finance.turnover",
     .entity = "finance.invoice",
     .label = {"Turnover by party and month", "往来方月度销售额"},
     .when = "state",
     .is = KT_LIST(posted_or_paid),
     .measure_count = KT_COUNT(invoiced),
     .legs = turnover_legs,
     .leg_count = KT_COUNT(turnover_legs)},
};

/* ---- Methods ---- */

static const struct kt_field reverse_params[] = {
    {.name = "id",
     .type = KT_REF,
     .to = "finance.entry",
     .flags = KT_REQUIRED,
     .label = {"Journal entry", "日记账分录"}},
    {.name = "date",
     .type = KT_DATE,
     .label = {"Date", "日期"},
     .help = {"Of the reversal; today when empty", "冲销日期，默认今天"}},
    {.name = "reason", .type = KT_TEXT, .label = {"Reason", "原因"}},
};
static const struct kt_field allocate_params[] = {
    {.name = "id",
     .type = KT_REF,
     .to = "finance.payment",
     .flags = KT_REQUIRED,
     .label = {"Payment", "收款"}},
    {.name = "invoice",
     .type = KT_REF,
     .to = "finance.invoice",
     .label = {"Invoice", "发票"},
     .help = {"When empty: the oldest open invoices of the party", "默认为该往来方最早的未结发票"}},
    {.name = "amount",
     .type = KT_MONEY,
     .flags = KT_POSITIVE,
     .label = {"Amount", "金额"},
     .help = {"When empty: as much as is open and left", "默认为可分配的最大金额"}},
};
static const struct kt_field trial_balance_params[] = {
    {.name = "from",
     .type = KT_DATE,
     .label = {"From", "起始"},
     .help = {"From the beginning of this month", "从该月月初起"}},
    {.name = "until",
     .type = KT_DATE,
     .label = {"Until", "截止"},
     .help = {"Until the end of this month", "至该月月末止"}},
};
static const struct kt_field open_items_params[] = {
    {.name = "party", .type = KT_REF, .to = "parties.party", .label = {"Party", "往来方"}},
};
static const struct kt_field balance_params[] = {
    {.name = "account",
     .type = KT_REF,
     .to = "finance.account",
     .flags = KT_REQUIRED,
     .label = {"Account", "科目"}},
    {.name = "until",
     .type = KT_DATE,
     .label = {"Until", "截止"},
     .help = {"Until the end of this month", "至该月月末止"}},
};

static const struct kt_method methods[] = {
    {.name = "finance.entry.reverse",
     .flags = KT_WRITE,
     .params = KT_LIST(reverse_params),
     .run = finance_entry_reverse,
     .label = {"Reverse", "冲销"}},
    {.name = "finance.payment.allocate",
     .flags = KT_WRITE,
     .params = KT_LIST(allocate_params),
     .run = finance_payment_allocate,
     .label = {"Allocate", "分配"}},
    {.name = "finance.report.trial_balance",
     .params = KT_LIST(trial_balance_params),
     .run = finance_report_trial_balance,
     .label = {"Trial balance", "试算平衡表"}},
    {.name = "finance.report.open_items",
     .params = KT_LIST(open_items_params),
     .run = finance_report_open_items,
     .label = {"Open items", "未结项目"}},
    {.name = "finance.account.balance",
     .params = KT_LIST(balance_params),
     .run = finance_account_balance,
     .label = {"Account balance", "科目余额"}},
};

static const struct kt_handler handlers[] = {
    {.topic = "sales.order.invoiced", .run = finance_on_order_invoiced},
    {.topic = "inventory.move.posted", .run = finance_on_move_posted},
};

/* ---- Roles: a clerk prepares, a manager makes final. ---- */

static const char *const user_grants[] = {
    "finance.account.read",   "finance.account.balance", "finance.journal.read",
    "finance.entry.read",     "finance.entry.create",    "finance.entry.update",
    "finance.entry.delete",   "finance.invoice.read",    "finance.invoice.create",
    "finance.invoice.update", "finance.invoice.delete",  "finance.payment.read",
    "finance.payment.create", "finance.payment.update",  "finance.payment.delete",
    "finance.report.*",       "finance.balances.read",   "finance.open_receivables.read",
    "finance.turnover.read",  "parties.party.read",
};
static const char *const manager_grants[] = {"finance.*", "parties.party.read",
                                             "parties.party.sensitive"};
static const struct kt_role roles[] = {
    {.name = "finance.user",
     .grants = KT_LIST(user_grants),
     .label = {"Accounting clerk", "会计员"}},
    {.name = "finance.manager",
     .grants = KT_LIST(manager_grants),
     .label = {"Accounting manager", "会计主管"}},
};

static const struct kt_entity *const entities[] = {
    &finance_account, &finance_journal, &finance_entry, &finance_invoice, &finance_payment};
static const char *const requires[] = {"parties"};

KT_PLUGIN = {
    KT_PLUGIN_HEAD,
    .name = "finance",
    .version = "1.0.0",
    .schema = 1,
    .label = {"Finance", "财务"},
    .summary = {"General ledger, customer invoices, payments, trial balance",
                "总账、客户发票、收款、试算平衡表"},
    .requires = KT_LIST(requires),
    .entities = KT_LIST(entities),
    .totals = KT_LIST(totals),
    .methods = KT_LIST(methods),
    .handlers = KT_LIST(handlers),
    .roles = KT_LIST(roles),
    .install = finance_install,
};
