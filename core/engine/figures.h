/** What there is to tell of the server, as numbers: one table, from which system.stats and the text
 *  for Prometheus are made. Private to engine/. */
#pragma once

#include "engine/engine_internal.h"

enum figure {
    FIGURE_UPTIME,
    FIGURE_LAST_EVENT,
    FIGURE_READS,
    FIGURE_WRITES,
    FIGURE_REFUSED,
    FIGURE_UNHEARD,
    FIGURE_COMMITS,
    FIGURE_COMMITS_FAILED,
    FIGURE_JOBS,
    FIGURE_JOBS_FAILED,
    FIGURE_QUEUED_READS,
    FIGURE_QUEUED_WRITES,
    FIGURE_QUEUED_LOGINS,
    FIGURE_QUEUE_LIMIT,
    FIGURE_READERS,
    FIGURE_READERS_BUSY,
    FIGURE_RULES,
    FIGURE_RULES_FAILED,
    FIGURE_RULE_STEPS,
    FIGURE_RULE_TIME,
    FIGURE_RULES_DISABLED,
    FIGURE_CONNECTIONS,
    FIGURE_CONNECTIONS_ACCEPTED,
    FIGURE_CONNECTIONS_REFUSED,
    FIGURE_CONNECTIONS_DROPPED,
    FIGURE_RECEIVED_BYTES,
    FIGURE_SENT_BYTES,
    FIGURE_BUFFERED_BYTES,
    FIGURE_WORKING_BYTES,
    FIGURE_STORE_ENTRIES,
    FIGURE_STORE_USED_BYTES,
    FIGURE_STORE_FILE_BYTES,
    FIGURE_STORE_MAP_BYTES,
    FIGURE_STORE_LIMIT_BYTES,
    FIGURE_STORE_DISK_FREE_BYTES,
    FIGURE_STORE_PUTS,
    FIGURE_STORE_PUT_KEY_BYTES,
    FIGURE_STORE_PUT_VALUE_BYTES,
    FIGURE_MEMORY,
    FIGURE_CPU,
    FIGURE_THREADS,
    FIGURE_OPEN_FILES,
    FIGURE_MOST_FILES,
    FIGURES,
};

struct figure_text {
    const char *key;    /**< In the answer of system.stats. */
    const char *metric; /**< Prometheus' name; NULL: its other metrics tell it. */
    const char *label;  /**< In braces, or NULL. */
    const char *help;
    bool is_counter; /**< It only grows. */
    bool is_us;      /**< Microseconds here, seconds in the text. */
};
extern const struct figure_text figure_texts[FIGURES];

enum figure_queue { QUEUE_READS, QUEUE_WRITES, QUEUE_LOGINS, QUEUES };
extern const char *const figure_queues[QUEUES];

struct figures {
    uint64_t at[FIGURES];
    struct histogram_view commit_us;
    struct histogram_view commit_requests;
    struct histogram_view waited_us[QUEUES];
    struct stats_method *methods[STATS_METHODS + 1];
    size_t method_count;
};
/** `ctx` has a transaction and memory. */
enum kt_status figures_take(struct kt_ctx *ctx, struct engine *engine, struct figures **out);

/** One method, in all threads. */
struct figures_calls {
    uint64_t count;
    uint64_t outcomes[STATS_OUTCOMES];
    struct histogram_view latency_us;
    struct histogram_view run_us;
};
void figures_of(const struct stats_method *method, struct figures_calls *out);
