/** Private to plugins/finance: what its files share.
 *
 *  chart.c knows accounts and journals, entries.c is the double-entry ledger, invoices.c and
 *  payments.c are the documents that book into it, postings.c books what other modules announce,
 *  reports.c reads. Everything reaches the ledger through a finance_posting. */
#pragma once

#include "kontor/kontor.h"

extern const struct kt_entity finance_account;
extern const struct kt_entity finance_journal;
extern const struct kt_entity finance_entry;
extern const struct kt_entity finance_invoice;
extern const struct kt_entity finance_payment;

/** --- Chart (chart.c) --- */

/** The account with this usage; KT_CONFLICT, naming the usage, when there is none. */
KT_NODISCARD enum kt_status finance_account_for(struct kt_ctx *ctx, const char *usage,
                                                uint64_t *out);
/** The first journal of this kind; KT_CONFLICT, naming the kind, when there is none. */
KT_NODISCARD enum kt_status finance_journal_for(struct kt_ctx *ctx, const char *kind,
                                                uint64_t *out);
/** First start: a chart of accounts and the journals. */
KT_NODISCARD enum kt_status finance_install(struct kt_ctx *ctx);

/** --- Ledger (entries.c) --- */

/** An entry in the making. Set the first members, then book lines, then post. */
struct finance_posting {
    const char *journal_kind;
    kt_date date;
    const char *reference;
    const char *source_entity;
    uint64_t source_id;
    struct kt_list *lines; /**< Made by finance_book. */
};
/** Where an amount goes. `party` 0 is none, `text` may be NULL. */
struct finance_target {
    uint64_t account;
    uint64_t party;
    const char *text;
};
/** Book an amount: above 0 debit, below 0 credit, 0 books nothing. */
void finance_book(struct kt_ctx *ctx, struct finance_posting *posting, struct finance_target target,
                  struct kt_decimal amount);
/** Create the entry and post it. `out_id` may be NULL. */
KT_NODISCARD enum kt_status finance_post(struct kt_ctx *ctx, const struct finance_posting *posting,
                                         uint64_t *out_id);
/** Post the mirror of a posted entry, dated `date`. */
KT_NODISCARD enum kt_status finance_reverse(struct kt_ctx *ctx, uint64_t entry, kt_date date,
                                            const char *reason, uint64_t *out_id);
/** Does the first line of the entry carry exactly `amount` (debit)? Guards a document against a
 *  rule that changed its amounts after they were booked. */
KT_NODISCARD enum kt_status finance_check_booked(struct kt_ctx *ctx, const msgpack_object *document,
                                                 const char *amount_field);

/** --- Methods and handlers of the descriptor --- */
enum kt_status finance_entry_reverse(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status finance_payment_allocate(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status finance_report_trial_balance(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status finance_report_open_items(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status finance_account_balance(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status finance_on_order_invoiced(struct kt_ctx *ctx, const struct kt_event *event);
enum kt_status finance_on_move_posted(struct kt_ctx *ctx, const struct kt_event *event);

/** An amount for a message, with the currency's digits; lives as long as the request. */
const char *finance_text(struct kt_ctx *ctx, struct kt_decimal amount);
