#include "engine/figures.h"

#include "base/clock.h"
#include "engine/process.h"

#define COUNTER .is_counter = true

const struct figure_text figure_texts[FIGURES] = {
    [FIGURE_UPTIME] = {"uptime_s", "kontor_uptime_seconds", .help = "Since the server started"},
    [FIGURE_LAST_EVENT] = {"last_event", "kontor_events_total",
                           .help = "Events ever written to the log: the number of the last one",
                           COUNTER},
    [FIGURE_READS] = {"reads"},
    [FIGURE_WRITES] = {"writes"},
    [FIGURE_REFUSED] = {"refused"},
    [FIGURE_UNHEARD] = {"unheard", "kontor_requests_unheard_total",
                        .help = "Requests refused before they had a method: malformed ones, and "
                                "those beyond the memory of all that wait",
                        COUNTER},
    [FIGURE_COMMITS] = {"commits"},
    [FIGURE_COMMITS_FAILED] = {"commits_failed", "kontor_commits_failed_total",
                               .help = "Commits that did not reach the disk", COUNTER},
    [FIGURE_JOBS] = {"jobs", "kontor_jobs_total", .help = "Runs of scheduled jobs", COUNTER},
    [FIGURE_JOBS_FAILED] = {"jobs_failed", "kontor_jobs_failed_total",
                            .help = "Runs of jobs that failed", COUNTER},
    [FIGURE_QUEUED_READS] = {"queued_reads", "kontor_queue_depth", "queue=\"reads\"",
                             "Requests that wait to be run"},
    [FIGURE_QUEUED_WRITES] = {"queued_writes", "kontor_queue_depth", "queue=\"writes\""},
    [FIGURE_QUEUED_LOGINS] = {"queued_logins", "kontor_queue_depth", "queue=\"logins\""},
    [FIGURE_QUEUE_LIMIT] = {"queue_limit", "kontor_queue_limit",
                            .help = "Requests that one queue holds before it refuses more"},
    [FIGURE_READERS] = {"readers", "kontor_readers", .help = "Threads that serve reads"},
    [FIGURE_READERS_BUSY] = {"readers_busy", "kontor_readers_busy",
                             .help = "Threads that are serving a read"},
    [FIGURE_RULES] = {"rules", "kontor_rules_total", .help = "Business rules run", COUNTER},
    [FIGURE_RULES_FAILED] = {"rules_failed", "kontor_rules_failed_total",
                             .help = "Business rules that broke or ran out of budget", COUNTER},
    [FIGURE_RULE_STEPS] = {"rule_steps", "kontor_rule_steps_total",
                           .help = "Lua steps of business rules", COUNTER},
    [FIGURE_RULE_TIME] = {"rule_us", "kontor_rule_seconds_total", .help = "Time in business rules",
                          COUNTER, .is_us = true},
    [FIGURE_RULES_DISABLED] = {"rules_disabled", "kontor_rules_disabled_total",
                               .help = "Business rules disabled as they failed too often", COUNTER},
    [FIGURE_CONNECTIONS] = {"connections", "kontor_connections", .help = "Connections now"},
    [FIGURE_CONNECTIONS_ACCEPTED] = {"connections_accepted", "kontor_connections_accepted_total",
                                     .help = "Connections that were let in", COUNTER},
    [FIGURE_CONNECTIONS_REFUSED] = {"connections_refused", "kontor_connections_refused_total",
                                    .help = "Connections turned away at once", COUNTER},
    [FIGURE_CONNECTIONS_DROPPED] = {"connections_dropped", "kontor_connections_dropped_total",
                                    .help = "Connections that the server cut off", COUNTER},
    [FIGURE_RECEIVED_BYTES] = {"received_bytes", "kontor_received_bytes_total",
                               .help = "Bytes of requests", COUNTER},
    [FIGURE_SENT_BYTES] = {"sent_bytes", "kontor_sent_bytes_total", .help = "Bytes of replies",
                           COUNTER},
    [FIGURE_BUFFERED_BYTES] = {"buffered_bytes", "kontor_buffered_bytes",
                               .help = "Bytes that wait in connections, received or to be sent"},
    [FIGURE_WORKING_BYTES] = {"working_bytes", "kontor_working_bytes",
                              .help = "Bytes of the requests that wait or are worked on"},
    [FIGURE_STORE_ENTRIES] = {"store_entries", "kontor_store_entries",
                              .help = "Entries of the database"},
    [FIGURE_STORE_USED_BYTES] = {"store_used_bytes", "kontor_store_used_bytes",
                                 .help = "Bytes of the database that hold data"},
    [FIGURE_STORE_FILE_BYTES] = {"store_file_bytes", "kontor_store_file_bytes",
                                 .help = "Bytes of the database's file"},
    [FIGURE_STORE_MAP_BYTES] = {"store_map_bytes", "kontor_store_map_bytes",
                                .help = "Bytes that the file can have before its map grows"},
    [FIGURE_STORE_LIMIT_BYTES] = {"store_limit_bytes", "kontor_store_limit_bytes",
                                  .help = "Bytes that the file may have at most"},
    [FIGURE_STORE_DISK_FREE_BYTES] = {"store_disk_free_bytes", "kontor_store_disk_free_bytes",
                                      .help = "Bytes that are free on its disk"},
    [FIGURE_STORE_PUTS] = {"store_puts", "kontor_store_puts_total",
                           .help = "Entries written since the start, also in vain", COUNTER},
    [FIGURE_STORE_PUT_KEY_BYTES] = {"store_put_key_bytes", "kontor_store_put_key_bytes_total",
                                    .help = "Bytes of their keys", COUNTER},
    [FIGURE_STORE_PUT_VALUE_BYTES] = {"store_put_value_bytes", "kontor_store_put_value_bytes_total",
                                      .help = "Bytes of their values", COUNTER},
    [FIGURE_MEMORY] = {"memory_bytes", "process_resident_memory_bytes",
                       .help = "Memory of the process, with the pages of the database it has read"},
    [FIGURE_CPU] = {"cpu_us", "process_cpu_seconds_total", .help = "Processor time of the process",
                    COUNTER, .is_us = true},
    [FIGURE_THREADS] = {"threads", "process_threads", .help = "Threads of the process"},
    [FIGURE_OPEN_FILES] = {"open_files", "process_open_fds", .help = "Descriptors in use"},
    [FIGURE_MOST_FILES] = {"most_files", "process_max_fds", .help = "Descriptors it may use"},
};

const char *const figure_queues[QUEUES] = {
    [QUEUE_READS] = "reads", [QUEUE_WRITES] = "writes", [QUEUE_LOGINS] = "logins"};

static void take_requests(struct figures *figures, struct engine *engine)
{
    figures->method_count = stats_methods(&engine->stats, figures->methods);
    for (size_t i = 0; i < figures->method_count; i++)
        for (unsigned place = 0; place < STATS_PLACES; place++) {
            const struct stats_calls *calls =
                atomic_load_explicit(&figures->methods[i]->calls[place], memory_order_acquire);
            for (unsigned outcome = 0; calls && outcome < STATS_OUTCOMES; outcome++) {
                uint64_t count = counter_look(&calls->outcomes[outcome]);
                if (place == STATS_WRITER)
                    figures->at[FIGURE_WRITES] += count;
                else if (place != STATS_FRONT)
                    figures->at[FIGURE_READS] += count;
                if (outcome != KT_OK)
                    figures->at[FIGURE_REFUSED] += count;
            }
        }
}

static void take_threads(struct figures *figures, struct engine *engine)
{
    struct stats *stats = &engine->stats;
    figures->at[FIGURE_READERS] = engine->reader_count;
    histogram_look(&figures->waited_us[QUEUE_LOGINS], &stats->threads[STATS_DOOR].waited_us);
    histogram_look(&figures->waited_us[QUEUE_WRITES], &stats->threads[STATS_WRITER].waited_us);
    for (unsigned place = STATS_READER; place < STATS_PLACES; place++) {
        const struct stats_thread *thread = &stats->threads[place];
        histogram_look(&figures->waited_us[QUEUE_READS], &thread->waited_us);
        figures->at[FIGURE_READERS_BUSY] +=
            atomic_load_explicit(&thread->is_busy, memory_order_relaxed);
    }
    figures->at[FIGURE_QUEUED_READS] = queue_length(&engine->reads);
    figures->at[FIGURE_QUEUED_WRITES] = queue_length(&engine->writes);
    figures->at[FIGURE_QUEUED_LOGINS] = queue_length(&engine->logins);
    figures->at[FIGURE_QUEUE_LIMIT] = engine->limits.queue;
}

static void take_work(struct figures *figures, const struct stats *stats)
{
    histogram_look(&figures->commit_us, &stats->commit_us);
    histogram_look(&figures->commit_requests, &stats->commit_requests);
    figures->at[FIGURE_COMMITS] = figures->commit_us.count;
    figures->at[FIGURE_COMMITS_FAILED] = counter_look(&stats->commits_failed);
    figures->at[FIGURE_JOBS] = counter_look(&stats->jobs);
    figures->at[FIGURE_JOBS_FAILED] = counter_look(&stats->jobs_failed);
    figures->at[FIGURE_RULES] = counter_look(&stats->rules);
    figures->at[FIGURE_RULES_FAILED] = counter_look(&stats->rules_failed);
    figures->at[FIGURE_RULE_STEPS] = counter_look(&stats->rule_steps);
    figures->at[FIGURE_RULE_TIME] = counter_look(&stats->rule_us);
    figures->at[FIGURE_RULES_DISABLED] = counter_look(&stats->rules_disabled);
}

static void take_traffic(struct figures *figures, const struct engine_traffic *traffic)
{
    figures->at[FIGURE_CONNECTIONS] = counter_look(&traffic->open);
    figures->at[FIGURE_CONNECTIONS_ACCEPTED] = counter_look(&traffic->accepted);
    figures->at[FIGURE_CONNECTIONS_REFUSED] = counter_look(&traffic->refused);
    figures->at[FIGURE_CONNECTIONS_DROPPED] = counter_look(&traffic->dropped);
    figures->at[FIGURE_UNHEARD] = counter_look(&traffic->unheard);
    figures->at[FIGURE_RECEIVED_BYTES] = counter_look(&traffic->received_bytes);
    figures->at[FIGURE_SENT_BYTES] = counter_look(&traffic->sent_bytes);
    figures->at[FIGURE_BUFFERED_BYTES] = counter_look(&traffic->buffered_bytes);
    figures->at[FIGURE_WORKING_BYTES] = counter_look(&traffic->working_bytes);
}

static void take_process(struct figures *figures, const struct stats *stats)
{
    struct process_use use = process_look();
    figures->at[FIGURE_UPTIME] = (uint64_t)(clock_monotonic_us() - stats->started_us) / 1000000;
    figures->at[FIGURE_MEMORY] = use.resident_bytes;
    figures->at[FIGURE_CPU] = use.cpu_us;
    figures->at[FIGURE_THREADS] = use.threads;
    figures->at[FIGURE_OPEN_FILES] = use.open_files;
    figures->at[FIGURE_MOST_FILES] = use.most_files;
}

static enum kt_status take_store(struct figures *figures, struct kt_ctx *ctx)
{
    struct store_stat store;
    if (ctx->txn->store->driver->stat(ctx->txn, &store) != KT_OK)
        return kt_fail(ctx, KT_INTERNAL, NULL, "the store failed", "存储失败");
    figures->at[FIGURE_STORE_ENTRIES] = store.entries;
    figures->at[FIGURE_STORE_USED_BYTES] = store.used_bytes;
    figures->at[FIGURE_STORE_FILE_BYTES] = store.file_bytes;
    figures->at[FIGURE_STORE_MAP_BYTES] = store.map_bytes;
    figures->at[FIGURE_STORE_LIMIT_BYTES] = store.limit_bytes;
    figures->at[FIGURE_STORE_DISK_FREE_BYTES] = store.disk_free_bytes;
    figures->at[FIGURE_STORE_PUTS] = store.puts;
    figures->at[FIGURE_STORE_PUT_KEY_BYTES] = store.put_key_bytes;
    figures->at[FIGURE_STORE_PUT_VALUE_BYTES] = store.put_value_bytes;
    return record_last_event(ctx, &figures->at[FIGURE_LAST_EVENT]);
}

enum kt_status figures_take(struct kt_ctx *ctx, struct engine *engine, struct figures **out)
{
    struct figures *figures = kt_alloc(ctx, sizeof(*figures));
    *figures = (struct figures){.method_count = 0};
    KT_TRY(take_store(figures, ctx));
    take_requests(figures, engine);
    take_threads(figures, engine);
    take_work(figures, &engine->stats);
    take_traffic(figures, &engine->traffic);
    take_process(figures, &engine->stats);
    *out = figures;
    return KT_OK;
}

void figures_of(const struct stats_method *method, struct figures_calls *out)
{
    *out = (struct figures_calls){.count = 0};
    for (unsigned place = 0; place < STATS_PLACES; place++) {
        const struct stats_calls *calls =
            atomic_load_explicit(&method->calls[place], memory_order_acquire);
        if (!calls)
            continue;
        for (unsigned outcome = 0; outcome < STATS_OUTCOMES; outcome++) {
            uint64_t count = counter_look(&calls->outcomes[outcome]);
            out->outcomes[outcome] += count;
            out->count += count;
        }
        histogram_look(&out->latency_us, &calls->latency_us);
        histogram_look(&out->run_us, &calls->run_us);
    }
}
