/* What an accountant asks: do the books balance, what is on an account, who owes what since when.
 *
 * Balances are read from totals kept by month, so the dates of these reports mean whole months. */
#include "finance.h"

#include <stdlib.h>
#include <string.h>

/* "YYYY-MM" of a date's text: months compare as text. */
#define MONTH_LENGTH 7

struct period {
    char from[KT_DATE_TEXT_SIZE], until[KT_DATE_TEXT_SIZE];
};

static enum kt_status read_period(struct kt_ctx *ctx, const msgpack_object *params,
                                  struct period *out)
{
    kt_date from, until;
    bool has_from = kt_get_date(params, "from", &from);
    bool has_until = kt_get_date(params, "until", &until);
    if (has_from && has_until && from > until)
        return kt_fail(ctx, KT_INVALID, "until", "the period ends before it begins",
                       "截止日期早于起始日期");
    *out = (struct period){.from = "0000-00", .until = "9999-99"};
    if (has_from)
        kt_date_format(from, out->from);
    if (has_until)
        kt_date_format(until, out->until);
    return KT_OK;
}

static bool is_within(const struct period *period, const msgpack_object *month)
{
    return month->type == MSGPACK_OBJECT_STR && month->via.str.size >= MONTH_LENGTH &&
           memcmp(month->via.str.ptr, period->from, MONTH_LENGTH) >= 0 &&
           memcmp(month->via.str.ptr, period->until, MONTH_LENGTH) <= 0;
}

struct balance {
    uint64_t account;
    const char *code;
    struct kt_decimal debit, credit;
};

static void set_balance(struct kt_ctx *ctx, struct kt_map *map, const struct balance *sum)
{
    int digits = kt_currency_digits(ctx);
    kt_map_set_decimal(map, "debit", kt_decimal_round(sum->debit, digits));
    kt_map_set_decimal(map, "credit", kt_decimal_round(sum->credit, digits));
    kt_map_set_decimal(map, "balance",
                       kt_decimal_round(kt_decimal_sub(sum->debit, sum->credit), digits));
}

static void add_month(struct balance *sum, const struct kt_total_row *row)
{
    sum->debit = kt_decimal_add(sum->debit, row->measures[0]);
    sum->credit = kt_decimal_add(sum->credit, row->measures[1]);
}

/* ---- Trial balance ---- */

static int compare_codes(const void *a, const void *b)
{
    return strcmp(((const struct balance *)a)->code, ((const struct balance *)b)->code);
}

/* Rows come in the order of account and month: the months of an account lie together. */
static size_t sum_months(const struct kt_total_row *months, size_t count,
                         const struct period *period, struct balance *out)
{
    size_t accounts = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t account = months[i].by[0].via.u64;
        if (!is_within(period, &months[i].by[1]))
            continue;
        if (accounts == 0 || out[accounts - 1].account != account)
            out[accounts++] = (struct balance){.account = account};
        add_month(&out[accounts - 1], &months[i]);
    }
    return accounts;
}

static enum kt_status add_account_row(struct kt_ctx *ctx, const struct balance *sum,
                                      struct kt_list *rows)
{
    const msgpack_object *account;
    KT_TRY(kt_record_get(ctx, "finance.account", sum->account, &account));
    struct kt_map *row = kt_map_new(ctx);
    kt_map_set_id(row, "account", sum->account);
    kt_map_set_text(row, "code", sum->code);
    kt_map_set_text(row, "name", kt_get_text(ctx, account, "name"));
    kt_map_set_text(row, "kind", kt_get_text(ctx, account, "kind"));
    set_balance(ctx, row, sum);
    kt_list_add(rows, row->object);
    return KT_OK;
}

enum kt_status finance_report_trial_balance(struct kt_ctx *ctx, const msgpack_object *params)
{
    struct period period;
    struct kt_total_row *months;
    size_t month_count;
    KT_TRY(read_period(ctx, params, &period));
    KT_TRY(kt_total_rows(ctx, "finance.balances", NULL, 0, &months, &month_count));
    struct balance *balances = kt_alloc(ctx, (month_count + 1) * sizeof *balances);
    size_t count = sum_months(months, month_count, &period, balances);
    for (size_t i = 0; i < count; i++) {
        const msgpack_object *account;
        KT_TRY(kt_record_get(ctx, "finance.account", balances[i].account, &account));
        balances[i].code = kt_get_text(ctx, account, "code");
    }
    if (count > 1)
        qsort(balances, count, sizeof *balances, compare_codes);

    struct balance all = {0};
    struct kt_list *rows = kt_list_new(ctx);
    for (size_t i = 0; i < count; i++) {
        KT_TRY(add_account_row(ctx, &balances[i], rows));
        all.debit = kt_decimal_add(all.debit, balances[i].debit);
        all.credit = kt_decimal_add(all.credit, balances[i].credit);
    }
    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set(answer, "rows", rows->object);
    set_balance(ctx, answer, &all);
    kt_reply_map(ctx, answer);
    return KT_OK;
}

/* ---- One account ---- */

enum kt_status finance_account_balance(struct kt_ctx *ctx, const msgpack_object *params)
{
    struct balance sum = {.account = kt_get_id(params, "account")};
    const msgpack_object prefix[] = {kt_id(sum.account)};
    const msgpack_object *account;
    struct period period;
    struct kt_total_row *months;
    size_t count;
    KT_TRY(read_period(ctx, params, &period));
    KT_TRY(kt_record_get(ctx, "finance.account", sum.account, &account));
    KT_TRY(kt_total_rows(ctx, "finance.balances", prefix, 1, &months, &count));
    for (size_t i = 0; i < count; i++) {
        if (is_within(&period, &months[i].by[1]))
            add_month(&sum, &months[i]);
    }
    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set_id(answer, "account", sum.account);
    kt_map_set_text(answer, "code", kt_get_text(ctx, account, "code"));
    kt_map_set_text(answer, "name", kt_get_text(ctx, account, "name"));
    kt_map_set_text(answer, "kind", kt_get_text(ctx, account, "kind"));
    set_balance(ctx, answer, &sum);
    kt_reply_map(ctx, answer);
    return KT_OK;
}

/* ---- Open items ---- */

static enum kt_status add_open_item(struct kt_ctx *ctx, const msgpack_object *invoice,
                                    struct kt_list *rows)
{
    static const char *const copied[] = {"number",    "party", "date", "due_date",
                                         "reference", "total", "paid", "open"};
    const msgpack_object *party;
    kt_date due;
    int64_t overdue = 0;
    KT_TRY(kt_record_get(ctx, "parties.party", kt_get_id(invoice, "party"), &party));
    if (kt_get_date(invoice, "due_date", &due) && due < kt_today(ctx))
        overdue = (int64_t)kt_today(ctx) - due;
    struct kt_map *row = kt_map_new(ctx);
    kt_map_set_id(row, "invoice", kt_get_id(invoice, "id"));
    kt_map_set_text(row, "party_name", kt_get_text(ctx, party, "name"));
    for (size_t i = 0; i < KT_COUNT(copied); i++) {
        const msgpack_object *value = kt_get(invoice, copied[i]);
        kt_map_set(row, copied[i], value == NULL ? kt_nil() : *value);
    }
    kt_map_set_int(row, "days_overdue", overdue);
    kt_list_add(rows, row->object);
    return KT_OK;
}

/* `open` adds up the rows shown; `receivable` is what the ledger says, less money paid ahead. */
enum kt_status finance_report_open_items(struct kt_ctx *ctx, const msgpack_object *params)
{
    uint64_t party = kt_get_id(params, "party");
    const struct kt_condition where[] = {
        {.field = "state", .op = "=", .value = kt_text("posted")},
        {.field = "party", .op = "=", .value = kt_id(party)},
    };
    const struct kt_query query = {.entity = "finance.invoice",
                                   .where = where,
                                   .where_count = party == 0 ? 1 : 2,
                                   .order = "due_date",
                                   .limit = KT_LIMIT_PAGE};
    const msgpack_object prefix[] = {kt_id(party)};
    const msgpack_object **invoices;
    size_t count;
    struct kt_total_row ledger;
    struct kt_decimal open = KT_DECIMAL_ZERO;
    struct kt_list *rows = kt_list_new(ctx);
    int digits = kt_currency_digits(ctx);
    KT_TRY(kt_record_search(ctx, &query, &invoices, &count));
    KT_TRY(kt_total_sum(ctx, "finance.open_receivables", prefix, party == 0 ? 0 : 1, &ledger));
    for (size_t i = 0; i < count; i++) {
        KT_TRY(add_open_item(ctx, invoices[i], rows));
        open = kt_decimal_add(open, kt_get_decimal(invoices[i], "open"));
    }
    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set(answer, "rows", rows->object);
    kt_map_set_bool(answer, "more", count == KT_LIMIT_PAGE);
    kt_map_set_decimal(answer, "open", kt_decimal_round(open, digits));
    kt_map_set_decimal(answer, "receivable", kt_decimal_round(ledger.measures[0], digits));
    kt_reply_map(ctx, answer);
    return KT_OK;
}
