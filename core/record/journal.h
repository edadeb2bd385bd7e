/** The journal of a dry run: what it touched, so that a preview can say what would change.
 *
 *  While ctx->journal is set, whoever changes something notes it here: save.c records, total.c rows
 *  of totals, bus/ events and their handlers, script/ the rules. Of a record or a row only the
 * bytes before its first change are kept; what has become of it is read from the transaction in the
 * end, so that what was undone meanwhile tells nothing. Each list holds at most KT_LIMIT_PREVIEW
 * entries and all together KT_LIMIT_PREVIEW_BYTES; what did not fit is told by `more`. */
#pragma once

#include "record/context.h"

/** Dies with journal_close; nothing in it points into the request's arena. */
struct context_journal *journal_open(void);
void journal_close(struct context_journal *journal);

/** --- Noting. Only when ctx->journal is set. --- */
/** Before the change is stored. `what`: "create", "update", "delete", a verb. */
void journal_note_record(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                         const char *what);
/** Before the row is written; `before.at` is NULL when there is none. */
void journal_note_total(struct kt_ctx *ctx, const struct schema_total *total,
                        struct store_slice key, struct store_slice before);
void journal_note_event(struct kt_ctx *ctx, const struct kt_event *event);
/** A handler that is about to run; one that ran before for the same topic is noted once. */
void journal_note_handler(struct kt_ctx *ctx, const char *topic, const char *module);

/** A rule at work. Its texts are copied. */
struct journal_rule {
    const char *rule, *file, *entity;
    const char *moment; /**< "before_confirm" */
    uint64_t id;        /**< 0 at creation. */
};
/** A rule's turn: from journal_rule_begin to journal_turn_end, whatever comes of it. */
struct journal_turn {
    size_t entry;
    msgpack_sbuffer before; /**< The record as the rule found it. */
};
/** `record` is NULL when the rule cannot change it. */
void journal_rule_begin(struct kt_ctx *ctx, struct journal_turn *turn,
                        const struct journal_rule *rule, const msgpack_object *record);
/** The rule had nothing against it. */
void journal_rule_passed(struct kt_ctx *ctx, const struct journal_turn *turn,
                         const struct schema_entity *entity, const msgpack_object *record);
void journal_rule_denied(struct kt_ctx *ctx, const struct journal_turn *turn);
void journal_turn_end(struct journal_turn *turn);

/** --- Showing (journal_show.c), in the transaction of the dry run, before it is undone. --- */
/** Wraps the answer in ctx->reply: {dry_run, result, changes, totals, events, rules, handlers,
 *  more?}. Of what the user may not read only entity, id and what are told. */
enum kt_status journal_reply(struct kt_ctx *ctx);
/** Adds `preview` to the details of the error: rules, events and handlers until then. */
void journal_explain(struct kt_ctx *ctx);
