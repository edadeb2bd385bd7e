/* The chart of accounts and the journals.
 *
 * Postings never name an account by its code: they ask for the account with a usage ("receivable",
 * "stock"), so a company may number and rename its chart as it likes. */
#include "finance.h"

static const struct kt_choice account_kinds[] = {
    {"asset", {"Asset", "资产"}},     {"liability", {"Liability", "负债"}},
    {"equity", {"Equity", "权益"}},   {"income", {"Income", "收入"}},
    {"expense", {"Expense", "费用"}},
};
static const struct kt_choice usages[] = {
    {"receivable", {"Receivables", "应收账款"}},
    {"payable", {"Payables", "应付账款"}},
    {"bank", {"Bank", "银行"}},
    {"cash", {"Cash", "现金"}},
    {"revenue", {"Revenue", "销售收入"}},
    {"tax_payable", {"Output tax", "销项税"}},
    {"tax_receivable", {"Input tax", "进项税"}},
    {"stock", {"Inventory", "存货"}},
    {"cogs", {"Cost of goods sold", "销售成本"}},
    {"goods_received", {"Goods received, not invoiced", "暂估应付"}},
    {"opening", {"Opening balance", "期初余额"}},
    {"stock_adjustment", {"Stock adjustments", "存货盘盈盘亏"}},
    {"work_in_progress", {"Work in progress", "在制品"}},
    {"rounding", {"Rounding differences", "尾差"}},
    {"retained_earnings", {"Retained earnings", "未分配利润"}},
};

static const struct kt_field account_fields[] = {
    {.name = "code",
     .type = KT_TEXT,
     .flags = KT_REQUIRED | KT_UNIQUE,
     .max_length = 32,
     .label = {"Code", "科目编码"}},
    {.name = "name", .type = KT_TEXT, .flags = KT_REQUIRED, .label = {"Name", "名称"}},
    {.name = "kind",
     .type = KT_ENUM,
     .flags = KT_REQUIRED | KT_INDEXED,
     .choices = KT_LIST(account_kinds),
     .label = {"Kind", "类别"}},
    {.name = "usage",
     .type = KT_ENUM,
     .flags = KT_UNIQUE,
     .choices = KT_LIST(usages),
     .label = {"Usage", "用途"},
     .help = {"Tells automatic postings which account to use", "供自动记账查找科目"}},
    {.name = "active",
     .type = KT_BOOL,
     .initial = "true",
     .label = {"Active", "启用"},
     .help = {"Nothing is posted to an inactive account", "停用的科目不再记账"}},
};

static const struct kt_choice journal_kinds[] = {
    {"sale", {"Sales", "销售"}},      {"purchase", {"Purchases", "采购"}},
    {"bank", {"Bank", "银行"}},       {"cash", {"Cash", "现金"}},
    {"stock", {"Inventory", "存货"}}, {"general", {"General", "普通"}},
    {"opening", {"Opening", "期初"}},
};

static const struct kt_field journal_fields[] = {
    {.name = "code",
     .type = KT_TEXT,
     .flags = KT_REQUIRED | KT_UNIQUE,
     .max_length = 32,
     .label = {"Code", "编码"}},
    {.name = "name", .type = KT_TEXT, .flags = KT_REQUIRED, .label = {"Name", "名称"}},
    {.name = "kind",
     .type = KT_ENUM,
     .flags = KT_REQUIRED | KT_INDEXED,
     .choices = KT_LIST(journal_kinds),
     .label = {"Kind", "类型"}},
};

/* What customers owe is summed from the entries on the receivable account as they are posted. If
 * that role moved to or from an account with postings, the sum would no longer be its balance. */
static enum kt_status account_before_save(struct kt_ctx *ctx, const msgpack_object *old,
                                          struct kt_map *record)
{
    if (old == NULL)
        return KT_OK;
    bool was = kt_is(old, "usage", "receivable");
    bool is = kt_is(&record->object, "usage", "receivable");
    if (was == is)
        return KT_OK;
    const msgpack_object by[] = {kt_id(kt_get_id(old, "id"))};
    struct kt_total_row sum;
    KT_TRY(kt_total_sum(ctx, "finance.balances", by, KT_COUNT(by), &sum));
    if (sum.count > 0)
        return kt_fail(ctx, KT_CONFLICT, "usage",
                       "the account has postings: use another account for receivables, or keep "
                       "this one",
                       "该科目已有记账，不能更改其应收用途");
    return KT_OK;
}

const struct kt_entity finance_account = {
    .name = "finance.account",
    .label = {"Account", "会计科目"},
    .fields = KT_LIST(account_fields),
    .before_save = account_before_save,
};

const struct kt_entity finance_journal = {
    .name = "finance.journal",
    .label = {"Journal", "日记账"},
    .fields = KT_LIST(journal_fields),
};

enum kt_status finance_account_for(struct kt_ctx *ctx, const char *usage, uint64_t *out)
{
    const msgpack_object *account;
    KT_TRY(kt_record_find(ctx, "finance.account", "usage", kt_text(usage), &account));
    if (account == NULL)
        return kt_fail(ctx, KT_CONFLICT, NULL,
                       "no account has the usage \"%s\": set it on one of the chart of accounts",
                       "没有用途为“%s”的科目：请在会计科目表中指定", usage);
    *out = kt_get_id(account, "id");
    return KT_OK;
}

enum kt_status finance_journal_for(struct kt_ctx *ctx, const char *kind, uint64_t *out)
{
    const struct kt_condition where[] = {{.field = "kind", .op = "=", .value = kt_text(kind)}};
    const struct kt_query query = {
        .entity = "finance.journal", .where = where, .where_count = 1, .limit = 1};
    const msgpack_object **found;
    size_t count;
    KT_TRY(kt_record_search(ctx, &query, &found, &count));
    if (count == 0)
        return kt_fail(ctx, KT_CONFLICT, NULL,
                       "there is no journal of kind \"%s\": create one first",
                       "没有类型为“%s”的日记账：请先创建", kind);
    *out = kt_get_id(found[0], "id");
    return KT_OK;
}

/* Numbered like the German SKR 03 where it has the account, because many bookkeepers of the region
 * know those by heart. */
static const struct {
    const char *code, *name, *kind, *usage;
} default_accounts[] = {
    {"1000", "Cash", "asset", "cash"},
    {"1200", "Bank", "asset", "bank"},
    {"1400", "Trade receivables", "asset", "receivable"},
    {"1500", "Inventory", "asset", "stock"},
    {"1510", "Work in progress", "asset", "work_in_progress"},
    {"1576", "Input tax", "asset", "tax_receivable"},
    {"1600", "Trade payables", "liability", "payable"},
    {"1610", "Goods received, not invoiced", "liability", "goods_received"},
    {"1776", "Output tax", "liability", "tax_payable"},
    {"3000", "Equity", "equity", NULL},
    {"3500", "Retained earnings", "equity", "retained_earnings"},
    {"3900", "Opening balance", "equity", "opening"},
    {"4000", "Revenue", "income", "revenue"},
    {"4100", "Service revenue", "income", NULL},
    {"4900", "Other income", "income", NULL},
    {"5000", "Cost of goods sold", "expense", "cogs"},
    {"5100", "Stock adjustments", "expense", "stock_adjustment"},
    {"6000", "Wages and salaries", "expense", NULL},
    {"6100", "Rent", "expense", NULL},
    {"6200", "Marketing", "expense", NULL},
    {"6800", "Other operating expenses", "expense", NULL},
    {"6900", "Rounding differences", "expense", "rounding"},
};
static const struct {
    const char *code, *name, *kind;
} default_journals[] = {
    {"SALE", "Sales", "sale"},
    {"PURCH", "Purchases", "purchase"},
    {"BANK", "Bank", "bank"},
    {"CASH", "Cash", "cash"},
    {"STOCK", "Inventory", "stock"},
    {"GEN", "General", "general"},
    {"OPEN", "Opening balances", "opening"},
};

enum kt_status finance_install(struct kt_ctx *ctx)
{
    for (size_t i = 0; i < KT_COUNT(default_accounts); i++) {
        struct kt_map *account = kt_map_new(ctx);
        kt_map_set_text(account, "code", default_accounts[i].code);
        kt_map_set_text(account, "name", default_accounts[i].name);
        kt_map_set_text(account, "kind", default_accounts[i].kind);
        if (default_accounts[i].usage != NULL)
            kt_map_set_text(account, "usage", default_accounts[i].usage);
        KT_TRY(kt_record_create(ctx, "finance.account", account, NULL));
    }
    for (size_t i = 0; i < KT_COUNT(default_journals); i++) {
        struct kt_map *journal = kt_map_new(ctx);
        kt_map_set_text(journal, "code", default_journals[i].code);
        kt_map_set_text(journal, "name", default_journals[i].name);
        kt_map_set_text(journal, "kind", default_journals[i].kind);
        KT_TRY(kt_record_create(ctx, "finance.journal", journal, NULL));
    }
    return KT_OK;
}
