#include "engine/metrics.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define US_PER_S   UINT64_C(1000000)
#define LABEL_SIZE 1024

/* Buckets shown: 64 us to 16.8 s, and 1 to 1024 requests. */
#define FIRST_POWER_US     6u
#define LAST_POWER_US      24u
#define LAST_POWER_REQUEST 10u

static void put(msgpack_sbuffer *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put(msgpack_sbuffer *out, const char *format, ...)
{
    char piece[LABEL_SIZE + 256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(piece, sizeof(piece), format, arguments);
    va_end(arguments);
    if (length > 0)
        msgpack_sbuffer_write(out, piece,
                              (size_t)length < sizeof(piece) ? (size_t)length : sizeof(piece) - 1);
}

static void put_seconds(msgpack_sbuffer *out, uint64_t us)
{
    put(out, "%llu.%06llu", (unsigned long long)(us / US_PER_S),
        (unsigned long long)(us % US_PER_S));
}

static void put_value(msgpack_sbuffer *out, uint64_t value, bool is_us)
{
    if (is_us)
        put_seconds(out, value);
    else
        put(out, "%llu", (unsigned long long)value);
}

static void put_head(msgpack_sbuffer *out, const char *name, const char *type, const char *help)
{
    put(out, "# HELP %s %s.\n# TYPE %s %s\n", name, help, name, type);
}

/* --- Figures --- */

static void put_figures(msgpack_sbuffer *out, const struct figures *figures)
{
    const char *before = "";
    for (size_t i = 0; i < FIGURES; i++) {
        const struct figure_text *text = &figure_texts[i];
        if (!text->metric)
            continue;
        if (strcmp(text->metric, before) != 0)
            put_head(out, text->metric, text->is_counter ? "counter" : "gauge", text->help);
        before = text->metric;
        put(out, text->label ? "%s{%s} " : "%s%.0s ", text->metric, text->label ? text->label : "");
        put_value(out, figures->at[i], text->is_us);
        put(out, "\n");
    }
}

/* --- Histograms --- */

struct series {
    const char *name;
    const char *labels; /**< "" or with a comma at the end. */
    unsigned first_power, last_power;
    bool is_us;
};

static void put_histogram(msgpack_sbuffer *out, const struct series *series,
                          const struct histogram_view *view)
{
    size_t length = strlen(series->labels);
    int bare = length ? (int)length - 1 : 0;
    const char *open = bare ? "{" : "", *close = bare ? "}" : "";
    for (unsigned power = series->first_power; power <= series->last_power; power++) {
        put(out, "%s_bucket{%sle=\"", series->name, series->labels);
        put_value(out, UINT64_C(1) << power, series->is_us);
        put(out, "\"} %llu\n", (unsigned long long)histogram_at_most(view, power));
    }
    put(out, "%s_bucket{%sle=\"+Inf\"} %llu\n", series->name, series->labels,
        (unsigned long long)view->count);
    put(out, "%s_sum%s%.*s%s ", series->name, open, bare, series->labels, close);
    put_value(out, view->sum, series->is_us);
    put(out, "\n%s_count%s%.*s%s %llu\n", series->name, open, bare, series->labels, close,
        (unsigned long long)view->count);
}

static void put_commits(msgpack_sbuffer *out, const struct figures *figures)
{
    const struct series time = {"kontor_commit_seconds", "", FIRST_POWER_US, LAST_POWER_US, true};
    const struct series requests = {"kontor_commit_requests", "", 0, LAST_POWER_REQUEST, false};
    put_head(out, time.name, "histogram", "How long commits took");
    put_histogram(out, &time, &figures->commit_us);
    put_head(out, requests.name, "histogram", "Requests that one commit served");
    put_histogram(out, &requests, &figures->commit_requests);
}

static void put_waits(msgpack_sbuffer *out, const struct figures *figures)
{
    char labels[64];
    const struct series wait = {"kontor_queue_wait_seconds", labels, FIRST_POWER_US, LAST_POWER_US,
                                true};
    put_head(out, wait.name, "histogram", "How long requests waited before they were run");
    for (size_t i = 0; i < QUEUES; i++) {
        snprintf(labels, sizeof(labels), "queue=\"%s\",", figure_queues[i]);
        put_histogram(out, &wait, &figures->waited_us[i]);
    }
}

/* --- Methods --- */

/* method="NAME", with what the format wants escaped; our own names have nothing of it. */
static void write_method(char out[LABEL_SIZE], const char *name)
{
    size_t at = (size_t)snprintf(out, LABEL_SIZE, "method=\"");
    for (; *name && at < LABEL_SIZE - 5; name++) {
        if (*name == '\\' || *name == '"' || *name == '\n')
            out[at++] = '\\';
        out[at++] = *name == '\n' ? 'n' : *name;
    }
    memcpy(out + at, "\",", sizeof("\","));
}

static void put_outcomes(msgpack_sbuffer *out, const char *labels,
                         const struct figures_calls *calls)
{
    for (unsigned outcome = 0; outcome < STATS_OUTCOMES; outcome++)
        if (calls->outcomes[outcome])
            put(out, "kontor_requests_total{%soutcome=\"%s\"} %llu\n", labels,
                kt_status_code((enum kt_status)outcome),
                (unsigned long long)calls->outcomes[outcome]);
}

static void put_latency(msgpack_sbuffer *out, const char *labels, const struct figures_calls *calls)
{
    const struct series latency = {"kontor_request_seconds", labels, FIRST_POWER_US, LAST_POWER_US,
                                   true};
    put_histogram(out, &latency, &calls->latency_us);
}

/* Without the buckets: what waits is told apart by the queues' own. */
static void put_run(msgpack_sbuffer *out, const char *labels, const struct figures_calls *calls)
{
    int bare = (int)strlen(labels) - 1;
    put(out, "kontor_request_run_seconds_sum{%.*s} ", bare, labels);
    put_seconds(out, calls->run_us.sum);
    put(out, "\nkontor_request_run_seconds_count{%.*s} %llu\n", bare, labels,
        (unsigned long long)calls->run_us.count);
}

static const struct family {
    const char *name, *type, *help;
    void (*put)(msgpack_sbuffer *out, const char *labels, const struct figures_calls *calls);
} families[] = {
    {"kontor_requests_total", "counter", "Requests answered, by method and outcome", put_outcomes},
    {"kontor_request_seconds", "histogram", "From a request's arrival to its answer", put_latency},
    {"kontor_request_run_seconds", "summary", "Of that, running", put_run},
};

/* All samples of a family stand together, so each walks through the methods anew. */
static void put_methods(msgpack_sbuffer *out, const struct figures *figures)
{
    char labels[LABEL_SIZE];
    struct figures_calls calls;
    for (size_t family = 0; family < KT_COUNT(families); family++) {
        put_head(out, families[family].name, families[family].type, families[family].help);
        for (size_t i = 0; i < figures->method_count; i++) {
            figures_of(figures->methods[i], &calls);
            if (calls.count == 0)
                continue;
            write_method(labels, figures->methods[i]->name);
            families[family].put(out, labels, &calls);
        }
    }
}

void metrics_write(msgpack_sbuffer *out, const struct figures *figures)
{
    put_head(out, "kontor_info", "gauge", "The server's version");
    put(out, "kontor_info{version=\"%s\"} 1\n", KONTOR_VERSION);
    put_figures(out, figures);
    put_commits(out, figures);
    put_waits(out, figures);
    put_methods(out, figures);
}
