/* Journal entries: the double-entry ledger.
 *
 * A draft may be anything; a posted entry balances to the cent, lies in an open period and never
 * changes again. It is corrected by its mirror. The invariant is checked where a person posts and
 * once more as the entry is stored, because rules may have touched it in between. */
#include "finance.h"

#include <string.h>

static const struct kt_field line_fields[] = {
    {.name = "account",
     .type = KT_REF,
     .to = "finance.account",
     .flags = KT_REQUIRED | KT_INDEXED,
     .label = {"Account", "科目"}},
    {.name = "party",
     .type = KT_REF,
     .to = "parties.party",
     .flags = KT_INDEXED,
     .label = {"Party", "往来方"}},
    {.name = "text", .type = KT_TEXT, .label = {"Text", "摘要"}},
    {.name = "debit", .type = KT_MONEY, .flags = KT_NONNEGATIVE, .label = {"Debit", "借方"}},
    {.name = "credit", .type = KT_MONEY, .flags = KT_NONNEGATIVE, .label = {"Credit", "贷方"}},
    {.name = "receivable",
     .type = KT_MONEY,
     .flags = KT_READONLY,
     .label = {"Receivable", "应收"},
     .help = {"Debit less credit when the account is the receivables account",
              "科目为应收账款时，借方减贷方"}},
};

static const struct kt_field entry_fields[] = {
    {.name = "number",
     .type = KT_TEXT,
     .flags = KT_UNIQUE | KT_READONLY | KT_SEARCHABLE,
     .sequence = "JE{year}-{6}",
     .label = {"Number", "编号"}},
    {.name = "journal",
     .type = KT_REF,
     .to = "finance.journal",
     .flags = KT_REQUIRED | KT_INDEXED,
     .label = {"Journal", "日记账"}},
    {.name = "date",
     .type = KT_DATE,
     .flags = KT_REQUIRED | KT_INDEXED,
     .initial = "today",
     .label = {"Date", "日期"}},
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
    {.name = "state", .type = KT_STATE, .flags = KT_INDEXED, .label = {"State", "状态"}},
    {.name = "lines", .type = KT_LINES, .lines = KT_LIST(line_fields), .label = {"Lines", "明细"}},
    {.name = "total",
     .type = KT_MONEY,
     .flags = KT_READONLY,
     .label = {"Total", "合计"},
     .help = {"Sum of the debits", "借方合计"}},
    {.name = "reverses",
     .type = KT_REF,
     .to = "finance.entry",
     .flags = KT_READONLY,
     .label = {"Reverses", "冲销对象"}},
    {.name = "reversed_by",
     .type = KT_REF,
     .to = "finance.entry",
     .flags = KT_READONLY,
     .label = {"Reversed by", "被冲销于"}},
};

static const char *const by_source[] = {"source_entity", "source_id"};
static const struct kt_index indexes[] = {{.name = "source", .fields = KT_LIST(by_source)}};

static const struct kt_state states[] = {
    {"draft", 0, {"Draft", "草稿"}},
    {"posted", KT_LOCKED | KT_POSTED, {"Posted", "已过账"}},
};

const char *finance_text(struct kt_ctx *ctx, struct kt_decimal amount)
{
    char text[KT_DECIMAL_TEXT_SIZE];
    kt_decimal_format(kt_decimal_trim(amount, kt_currency_digits(ctx)), text);
    return kt_format(ctx, "%s", text);
}

static const char *path(struct kt_ctx *ctx, size_t index, const char *field)
{
    return kt_format(ctx, "lines[%zu].%s", index, field);
}

/* ---- Saving ---- */

struct sums {
    struct kt_decimal debit, credit;
};

/* The account whose lines are receivables; 0 while the chart has none. */
static enum kt_status receivable_account(struct kt_ctx *ctx, uint64_t *out)
{
    const msgpack_object *account;
    KT_TRY(kt_record_find(ctx, "finance.account", "usage", kt_text("receivable"), &account));
    *out = kt_get_id(account, "id");
    return KT_OK;
}

static enum kt_status compute_lines(struct kt_ctx *ctx, struct kt_map *entry)
{
    struct kt_list *lines = kt_list_new(ctx);
    struct kt_decimal total = KT_DECIMAL_ZERO;
    uint64_t receivable;
    KT_TRY(receivable_account(ctx, &receivable));
    for (size_t i = 0; i < kt_count(&entry->object, "lines"); i++) {
        struct kt_map *line = kt_map_copy(ctx, kt_at(&entry->object, "lines", i));
        struct kt_decimal debit = kt_get_decimal(&line->object, "debit");
        struct kt_decimal credit = kt_get_decimal(&line->object, "credit");
        if (kt_decimal_is_zero(debit) == kt_decimal_is_zero(credit))
            return kt_fail(ctx, KT_INVALID, path(ctx, i, "debit"),
                           "a line has either a debit or a credit above 0",
                           "每行只能填借方或贷方之一，且大于 0");
        bool is_receivable = receivable != 0 && kt_get_id(&line->object, "account") == receivable;
        kt_map_set(line, "receivable",
                   is_receivable ? kt_decimal_value(ctx, kt_decimal_sub(debit, credit)) : kt_nil());
        kt_list_add(lines, line->object);
        total = kt_decimal_add(total, debit);
    }
    kt_map_set(entry, "lines", lines->object);
    kt_map_set_decimal(entry, "total", total);
    return KT_OK;
}

static enum kt_status check_period(struct kt_ctx *ctx, const msgpack_object *entry)
{
    const char *setting = kt_setting(ctx, "finance.locked_until", "");
    kt_date date, locked_until;
    if (setting[0] == '\0')
        return KT_OK;
    if (!kt_date_parse(setting, strlen(setting), &locked_until))
        return kt_fail(ctx, KT_CONFLICT, NULL,
                       "the setting finance.locked_until is not a date (YYYY-MM-DD): %s",
                       "设置 finance.locked_until 不是日期（YYYY-MM-DD）：%s", setting);
    if (!kt_get_date(entry, "date", &date) || date <= locked_until)
        return kt_fail(ctx, KT_CONFLICT, "date",
                       "the books are closed until %s: choose a later date",
                       "账务已结账至 %s：请选择之后的日期", setting);
    return KT_OK;
}

static enum kt_status check_line(struct kt_ctx *ctx, const msgpack_object *line, size_t index)
{
    const msgpack_object *account;
    KT_TRY(kt_record_get(ctx, "finance.account", kt_get_id(line, "account"), &account));
    if (!kt_get_bool(account, "active"))
        return kt_fail(ctx, KT_INVALID, path(ctx, index, "account"), "account %s is not active",
                       "科目 %s 已停用", kt_get_text(ctx, account, "code"));
    if (kt_is(account, "usage", "receivable") && !kt_has(line, "party"))
        return kt_fail(ctx, KT_INVALID, path(ctx, index, "party"),
                       "a receivable needs the party who owes it", "应收账款必须填写往来方");
    return KT_OK;
}

static enum kt_status check_postable(struct kt_ctx *ctx, const msgpack_object *entry)
{
    struct sums sums = {0};
    size_t count = kt_count(entry, "lines");
    if (count < 2)
        return kt_fail(ctx, KT_INVALID, "lines", "an entry needs at least two lines",
                       "分录至少需要两行");
    KT_TRY(check_period(ctx, entry));
    for (size_t i = 0; i < count; i++) {
        const msgpack_object *line = kt_at(entry, "lines", i);
        KT_TRY(check_line(ctx, line, i));
        sums.debit = kt_decimal_add(sums.debit, kt_get_decimal(line, "debit"));
        sums.credit = kt_decimal_add(sums.credit, kt_get_decimal(line, "credit"));
    }
    if (!kt_decimal_is_valid(sums.debit) || kt_decimal_compare(sums.debit, sums.credit) != 0)
        return kt_fail(ctx, KT_INVALID, "lines",
                       "the entry does not balance: debits are %s, credits are %s",
                       "分录不平衡：借方合计 %s，贷方合计 %s", finance_text(ctx, sums.debit),
                       finance_text(ctx, sums.credit));
    return KT_OK;
}

static enum kt_status entry_post(struct kt_ctx *ctx, struct kt_map *record,
                                 const msgpack_object *params)
{
    (void)params;
    return check_postable(ctx, &record->object);
}

static bool same(const msgpack_object *a, const msgpack_object *b, const char *field)
{
    const msgpack_object *left = kt_get(a, field);
    const msgpack_object *right = kt_get(b, field);
    return left == NULL || right == NULL ? left == right : kt_equal(left, right);
}

/* What was posted stays as it was computed then, even if the chart has changed since. */
static enum kt_status entry_before_save(struct kt_ctx *ctx, const msgpack_object *old,
                                        struct kt_map *record)
{
    if (old != NULL && kt_is(old, "state", "posted")) {
        if (!same(old, &record->object, "lines") || !same(old, &record->object, "date"))
            return kt_fail(ctx, KT_INTERNAL, "lines",
                           "a posted entry never changes: reverse it instead",
                           "已过账分录不可更改：请冲销");
        return KT_OK;
    }
    KT_TRY(compute_lines(ctx, record));
    if (kt_is(&record->object, "state", "posted"))
        return check_postable(ctx, &record->object);
    return KT_OK;
}

static const struct kt_transition transitions[] = {
    {.from = "draft",
     .to = "posted",
     .verb = "post",
     .event = "posted",
     .run = entry_post,
     .label = {"Post", "过账"}},
};

const struct kt_entity finance_entry = {
    .name = "finance.entry",
    .label = {"Journal entry", "日记账分录"},
    .fields = KT_LIST(entry_fields),
    .states = KT_LIST(states),
    .transitions = KT_LIST(transitions),
    .indexes = KT_LIST(indexes),
    .before_save = entry_before_save,
};

/* ---- Booking ---- */

void finance_book(struct kt_ctx *ctx, struct finance_posting *posting, struct finance_target target,
                  struct kt_decimal amount)
{
    if (posting->lines == NULL)
        posting->lines = kt_list_new(ctx);
    if (kt_decimal_is_zero(amount))
        return;
    struct kt_map *line = kt_map_new(ctx);
    bool is_debit = kt_decimal_sign(amount) > 0;
    kt_map_set_id(line, "account", target.account);
    if (target.party != 0)
        kt_map_set_id(line, "party", target.party);
    if (target.text != NULL)
        kt_map_set_text(line, "text", target.text);
    kt_map_set_decimal(line, is_debit ? "debit" : "credit", kt_decimal_abs(amount));
    kt_list_add(posting->lines, line->object);
}

static enum kt_status create_posted(struct kt_ctx *ctx, const struct kt_map *values, uint64_t *out)
{
    KT_TRY(kt_record_create(ctx, "finance.entry", values, out));
    return kt_record_transition(ctx, "finance.entry", *out, "post", NULL);
}

enum kt_status finance_post(struct kt_ctx *ctx, const struct finance_posting *posting,
                            uint64_t *out_id)
{
    uint64_t journal, id;
    KT_TRY(finance_journal_for(ctx, posting->journal_kind, &journal));
    struct kt_map *entry = kt_map_new(ctx);
    kt_map_set_id(entry, "journal", journal);
    kt_map_set_date(entry, "date", posting->date);
    kt_map_set_text(entry, "reference", posting->reference);
    kt_map_set_text(entry, "source_entity", posting->source_entity);
    kt_map_set_id(entry, "source_id", posting->source_id);
    kt_map_set(entry, "lines", posting->lines->object);
    KT_TRY(create_posted(ctx, entry, &id));
    if (out_id != NULL)
        *out_id = id;
    return KT_OK;
}

enum kt_status finance_check_booked(struct kt_ctx *ctx, const msgpack_object *document,
                                    const char *amount_field)
{
    const msgpack_object *entry;
    KT_TRY(kt_record_get(ctx, "finance.entry", kt_get_id(document, "entry"), &entry));
    struct kt_decimal booked = kt_get_decimal(kt_at(entry, "lines", 0), "debit");
    struct kt_decimal amount = kt_get_decimal(document, amount_field);
    if (kt_decimal_compare(booked, amount) != 0)
        return kt_fail(ctx, KT_CONFLICT, amount_field,
                       "booked %s, but now the document says %s: a rule must not change amounts "
                       "while posting",
                       "已记账 %s，但单据现为 %s：规则不得在过账时更改金额",
                       finance_text(ctx, booked), finance_text(ctx, amount));
    return KT_OK;
}

/* ---- Reversal ---- */

static struct kt_list *mirror(struct kt_ctx *ctx, const msgpack_object *entry)
{
    static const char *const swapped[][2] = {
        {"account", "account"}, {"party", "party"},  {"text", "text"},
        {"debit", "credit"},    {"credit", "debit"},
    };
    struct kt_list *lines = kt_list_new(ctx);
    for (size_t i = 0; i < kt_count(entry, "lines"); i++) {
        struct kt_map *line = kt_map_new(ctx);
        for (size_t k = 0; k < KT_COUNT(swapped); k++) {
            const msgpack_object *value = kt_get(kt_at(entry, "lines", i), swapped[k][0]);
            if (value != NULL)
                kt_map_set(line, swapped[k][1], *value);
        }
        kt_list_add(lines, line->object);
    }
    return lines;
}

static enum kt_status check_reversible(struct kt_ctx *ctx, const msgpack_object *entry,
                                       kt_date date)
{
    const char *number = kt_get_text(ctx, entry, "number");
    kt_date posted_on;
    if (!kt_is(entry, "state", "posted"))
        return kt_fail(ctx, KT_CONFLICT, "id", "entry %s is not posted", "分录 %s 未过账", number);
    if (kt_has(entry, "reversed_by"))
        return kt_fail(ctx, KT_CONFLICT, "id", "entry %s is reversed already", "分录 %s 已被冲销",
                       number);
    if (kt_get_date(entry, "date", &posted_on) && date < posted_on)
        return kt_fail(ctx, KT_INVALID, "date", "entry %s cannot be reversed before its own date",
                       "冲销日期不得早于分录 %s 的日期", number);
    return KT_OK;
}

enum kt_status finance_reverse(struct kt_ctx *ctx, uint64_t entry, kt_date date, const char *reason,
                               uint64_t *out_id)
{
    static const char *const copied[] = {"journal", "source_entity", "source_id"};
    const msgpack_object *original;
    KT_TRY(kt_record_get(ctx, "finance.entry", entry, &original));
    KT_TRY(check_reversible(ctx, original, date));

    const char *number = kt_get_text(ctx, original, "number");
    struct kt_map *reversal = kt_map_new(ctx);
    for (size_t i = 0; i < KT_COUNT(copied); i++) {
        const msgpack_object *value = kt_get(original, copied[i]);
        if (value != NULL)
            kt_map_set(reversal, copied[i], *value);
    }
    kt_map_set_date(reversal, "date", date);
    kt_map_set_text(reversal, "reference",
                    reason[0] == '\0' ? number : kt_format(ctx, "%s: %.400s", number, reason));
    kt_map_set_id(reversal, "reverses", entry);
    kt_map_set(reversal, "lines", mirror(ctx, original)->object);
    KT_TRY(create_posted(ctx, reversal, out_id));

    struct kt_map *changes = kt_map_new(ctx);
    kt_map_set_id(changes, "reversed_by", *out_id);
    return kt_record_update(ctx, "finance.entry", entry, changes);
}

enum kt_status finance_entry_reverse(struct kt_ctx *ctx, const msgpack_object *params)
{
    uint64_t id = kt_get_id(params, "id");
    uint64_t reversal;
    const msgpack_object *entry;
    kt_date date;
    KT_TRY(kt_record_get(ctx, "finance.entry", id, &entry));
    /* Alone, the reversal would leave the document saying one thing and the ledger another. */
    if (kt_has(entry, "source_entity"))
        return kt_fail(ctx, KT_CONFLICT, "id",
                       "entry %s was booked by a document (%s): cancel or return that instead",
                       "分录 %s 由单据（%s）生成：请取消或退回该单据",
                       kt_get_text(ctx, entry, "number"), kt_get_text(ctx, entry, "source_entity"));
    if (!kt_get_date(params, "date", &date))
        date = kt_today(ctx);
    KT_TRY(finance_reverse(ctx, id, date, kt_get_text(ctx, params, "reason"), &reversal));
    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set_id(answer, "id", reversal);
    kt_reply_map(ctx, answer);
    return KT_OK;
}
