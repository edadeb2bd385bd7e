/** The request context as the core sees it; opaque to plugins (include/kontor/context.h).
 *
 *  Layers above record/ lend it their services through `host`, a table of functions: the way the
 *  record engine reaches rules, bus and access without calling upwards. */
#pragma once

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "kontor/context.h"
#include "kontor/event.h"
#include "kontor/value.h"
#include "record/schema.h"
#include "store/store.h"

struct context_error {
    enum kt_status status;
    const char *entity; /**< What was being worked on; NULL or text in the arena, like all here. */
    const char *field;
    const char *message;
    const char *message_zh;
    const char *rule;
    msgpack_object details; /**< A map, or nil. */
};

/** What has happened, for rules to attach to. */
enum record_moment {
    RECORD_CREATE,
    RECORD_UPDATE,
    RECORD_DELETE,
    RECORD_ARCHIVE,
    RECORD_RESTORE,
    RECORD_TRANSITION
};

/** One step of a record's life as rules and handlers see it. */
struct record_step {
    const struct schema_entity *entity;
    enum record_moment moment;
    const char *verb;             /**< Transitions only. */
    const msgpack_object *old;    /**< NULL at creation. */
    const msgpack_object *params; /**< Transitions only; may be NULL. */
};

/** Services of the layers above. None may be NULL. */
struct context_host {
    /** Run the rules before a change. They may edit `record` (NULL for deletions: then `step->old`
     *  is the subject); `changed` tells whether they did. */
    enum kt_status (*rules_before)(struct kt_ctx *ctx, const struct record_step *step,
                                   struct kt_map *record, bool *changed);
    enum kt_status (*rules_after)(struct kt_ctx *ctx, const struct record_step *step,
                                  const msgpack_object *record);
    /** Call handlers and write the event log. */
    enum kt_status (*announce)(struct kt_ctx *ctx, const struct kt_event *event);
    bool (*has_role)(const struct kt_ctx *ctx, const char *role);
    bool (*may)(const struct kt_ctx *ctx, const char *permission);
    bool (*topic_declared)(const struct kt_ctx *ctx, const char *topic);
    /** Of any module that is there, enabled or not. A topic may be that of a record's change. */
    bool (*topic_known)(const struct kt_ctx *ctx, const char *topic);
    bool (*role_known)(const struct kt_ctx *ctx, const char *role);
    /** A method that clients call, in the same transaction and with the present rights. `answer`
     *  lies in the arena. */
    enum kt_status (*call)(struct kt_ctx *ctx, const char *method, const msgpack_object *params,
                           const msgpack_object **answer);
};

/** What whoever runs the server may set; as usual after context_init. */
struct context_limits {
    size_t reply_bytes;
    size_t rule_steps; /**< Of one request's rules. */
    size_t rule_bytes; /**< Of all rules together. */
};

/** What the rules of a request have cost so far. */
struct context_rules {
    uint64_t ran;
    uint64_t failed; /**< Of those broken or out of budget. */
    uint64_t steps;  /**< To a few hundred: they are looked at that often. */
    uint64_t us;
};

struct registry;
struct script_set;
struct context_journal;
struct record_past;
struct record_deletion;
struct record_saving;
struct record_migration;

struct kt_ctx {
    msgpack_zone *arena;
    size_t arena_used;
    bool arena_full; /**< Sticky: the request passed KT_LIMIT_ARENA_BYTES. */
    struct store_txn *txn;
    bool writable;
    const struct schema *schema;
    const struct registry *registry; /**< For the layers above record/. */
    struct script_set *borrowed;     /**< By a reader whose rules run; else NULL. */
    const struct context_host *host;
    struct context_error error;

    uint64_t request_number; /**< In log lines. */
    kt_instant_us now;
    uint64_t user_id;
    const char *user_name;
    const struct kt_names *roles; /**< The user's role names. */
    bool is_server;               /**< The server itself: every permission. */
    /** Roles whose rights count at present instead of the user's (a rule's `as`); NULL: his own. */
    const struct kt_names *acting;

    /** Reads answer as the data stood right after the event of this number; 0: as it stands. */
    uint64_t as_of;
    struct record_past *past; /**< What it worked out for that; NULL: nothing yet. */
    /** Notes all that the request does, for a preview; NULL: nobody asks. */
    struct context_journal *journal;

    struct context_rules rules;

    bool computing; /**< A `compute` function runs: nothing may be written. */
    unsigned event_depth;
    unsigned event_count;
    unsigned save_depth;                    /**< Saves within saves. */
    const struct record_deletion *deleting; /**< The innermost deletion under way, or NULL. */
    const struct record_saving *saving; /**< The innermost save that is not stored yet, or NULL. */
    struct record_migration *migrating; /**< The step under way, or NULL. */
    uint64_t last_event; /**< Number of the newest event this request wrote; 0 is none. */

    msgpack_sbuffer reply; /**< Packed answer; empty is nil. */
    struct context_limits limits;
    int64_t until_us; /**< Monotonic: when the request must be done; 0: it has time. */
};

/** `ctx` must be zeroed memory. The arena is the context's own until context_deinit. */
void context_init(struct kt_ctx *ctx);
void context_deinit(struct kt_ctx *ctx);
/** Empty arena, error and answer for the next request of the same thread. */
void context_reset(struct kt_ctx *ctx);
/** KT_TOO_LARGE (with error) when the arena limit was passed, else KT_OK. */
enum kt_status context_check_memory(struct kt_ctx *ctx);
/** The same when the answer has too many bytes. */
enum kt_status context_check_reply(struct kt_ctx *ctx);
/** Has it taken longer than it may? Cheap: every loop over what may be many asks. */
static inline bool context_is_late(const struct kt_ctx *ctx)
{
    return ctx->until_us && clock_coarse_us() > ctx->until_us;
}
/** KT_TOO_LARGE (with error) when it has. */
enum kt_status context_check_time(struct kt_ctx *ctx);
/** Let go of what was worked out for as_of: the moment or the data are others now. asof.c */
void record_past_free(struct kt_ctx *ctx);
/** Forget the present failure: the caller goes on another way. */
void context_forgive(struct kt_ctx *ctx);
/** Copy the error's texts and details into the present arena: those made in another one are about
 * to go. */
void context_error_keep(struct kt_ctx *ctx);

/** Work on one record of many, in memory that is emptied after it: begin, work, end. */
struct context_aside {
    msgpack_zone *arena;
    msgpack_zone *scratch;
    size_t used;
};
static inline struct context_aside context_aside_begin(struct kt_ctx *ctx, msgpack_zone *scratch)
{
    struct context_aside aside = {ctx->arena, scratch, ctx->arena_used};
    ctx->arena = scratch;
    return aside;
}
/** Gives `status` back; the error of a failure is kept. */
static inline enum kt_status
context_aside_end(struct kt_ctx *ctx, const struct context_aside *aside, enum kt_status status)
{
    ctx->arena = aside->arena;
    if (status == KT_OK)
        ctx->arena_used = aside->used;
    else
        context_error_keep(ctx);
    msgpack_zone_clear(aside->scratch);
    return status;
}
/** A part of a request that may fail without the rest: a transaction within the request's. What
 *  context_try_end is told decides whether it stays; what a failed part counted is taken back, its
 *  error stays for the caller to read (and to forgive). */
struct context_try {
    struct store_txn *outer;
    unsigned event_depth, event_count, save_depth;
    uint64_t last_event;
};
enum kt_status context_try_begin(struct kt_ctx *ctx, struct context_try *attempt);
enum kt_status context_try_end(struct kt_ctx *ctx, const struct context_try *attempt,
                               enum kt_status status);
/** Does this failure concern only what failed? Else no other part of the request will fare better:
 * no memory or no time is left, or the store is at fault. */
bool context_may_go_on(const struct kt_ctx *ctx, enum kt_status status);
/** A text that a client gave, to be quoted in a message: cut to CONTEXT_QUOTE_BYTES. (kt_fail
 * bounds every message as a whole, but what it cuts off its end would have told how to mend it.) */
#define CONTEXT_QUOTE_BYTES 64u
const char *context_quote(struct kt_ctx *ctx, const char *text, size_t length);
/** Like kt_fail with a details map and a rule name. */
void context_error_details(struct kt_ctx *ctx, msgpack_object details);
/** Unpack `bytes` (trusted, from the store) into the arena; `copy` when the bytes will not stay. */
enum kt_status context_unpack(struct kt_ctx *ctx, const void *bytes, size_t size, bool copy,
                              msgpack_object *out);
void *context_copy(struct kt_ctx *ctx, const void *bytes, size_t size);
/** An instant as the msgpack timestamp extension reads back; false for anything else. */
bool context_instant_of(const msgpack_object *value, kt_instant_us *out);
