/** The lists of a journal; for journal.c, which fills them, and journal_show.c. */
#pragma once

#include "kontor/limits.h"
#include "record/journal.h"

struct journal_record {
    const struct schema_entity *entity;
    uint64_t id;
    const char *what;
    struct store_slice before; /**< As stored; at NULL: there was none. */
};
struct journal_total {
    const struct schema_total *total;
    struct store_slice key;
    struct store_slice before;
};
struct journal_event {
    const char *topic;
    const char *entity; /**< NULL when the event is not about one record. */
    uint64_t id;
    struct store_slice payload; /**< Packed; at NULL: none. */
};
struct journal_handler {
    const char *topic;
    const char *module;
};
struct journal_spoken {
    struct journal_rule rule;
    const char *outcome;
    const char **fields; /**< What the rule changed. */
    size_t field_count;
};

enum journal_list {
    JOURNAL_CHANGES,
    JOURNAL_TOTALS,
    JOURNAL_EVENTS,
    JOURNAL_RULES,
    JOURNAL_HANDLERS,
    JOURNAL_LISTS
};

struct context_journal {
    msgpack_zone *memory;
    size_t kept_bytes;
    bool more[JOURNAL_LISTS]; /**< Something did not fit. */
    size_t record_count, total_count, event_count, rule_count, handler_count;
    struct journal_record records[KT_LIMIT_PREVIEW];
    struct journal_total totals[KT_LIMIT_PREVIEW];
    struct journal_event events[KT_LIMIT_PREVIEW];
    struct journal_spoken rules[KT_LIMIT_PREVIEW];
    struct journal_handler handlers[KT_LIMIT_PREVIEW];
};
