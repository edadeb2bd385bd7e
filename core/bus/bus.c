#include "bus/bus.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "bus/bus_log.h"
#include "kontor/limits.h"
#include "record/journal.h"
#include "record/record.h"

void bus_table_build(struct bus_table *table, const struct schema_module *modules, size_t count)
{
    size_t total = 0;
    for (size_t m = 0; m < count; m++)
        total += modules[m].enabled ? modules[m].plugin->handlers.count : 0;
    table->count = 0;
    table->rules = NULL;
    table->handlers = calloc(total ? total : 1, sizeof(*table->handlers));
    if (!table->handlers)
        abort();
    for (size_t m = 0; m < count; m++) {
        const struct kt_plugin *plugin = modules[m].plugin;
        for (size_t i = 0; modules[m].enabled && i < plugin->handlers.count; i++)
            table->handlers[table->count++] = (struct bus_handler){
                plugin->handlers.at[i].topic, plugin->name, plugin->handlers.at[i].run};
    }
    /* Insertion sort: stable, and tables have some dozens of rows. */
    for (size_t i = 1; i < table->count; i++) {
        struct bus_handler moving = table->handlers[i];
        size_t j = i;
        for (; j > 0 && strcmp(table->handlers[j - 1].topic, moving.topic) > 0; j--)
            table->handlers[j] = table->handlers[j - 1];
        table->handlers[j] = moving;
    }
}

void bus_table_free(struct bus_table *table)
{
    free(table->handlers);
    *table = (struct bus_table){0};
}

static size_t first_handler(const struct bus_table *table, const char *topic)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(table->handlers[middle].topic, topic) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum kt_status bus_announce(struct kt_ctx *ctx, const struct bus_table *table,
                            const struct kt_event *event)
{
    if (ctx->event_depth >= KT_LIMIT_EVENT_DEPTH)
        return kt_fail(ctx, KT_TOO_LARGE, NULL, "%s sets off events without end",
                       "%s 引发无休止的事件", event->topic);
    if (++ctx->event_count > KT_LIMIT_EVENTS)
        return kt_fail(ctx, KT_TOO_LARGE, NULL, "the request causes more than %u events",
                       "请求引发的事件超过 %u 个", KT_LIMIT_EVENTS);
    KT_TRY(bus_log_append(ctx, event));
    if (ctx->journal)
        journal_note_event(ctx, event);
    ctx->event_depth++;
    for (size_t i = first_handler(table, event->topic);
         i < table->count && strcmp(table->handlers[i].topic, event->topic) == 0; i++) {
        if (ctx->journal)
            journal_note_handler(ctx, event->topic, table->handlers[i].module);
        enum kt_status status = table->handlers[i].run(ctx, event);
        if (status == KT_OK)
            status =
                ctx->error.status; /* A handler that swallowed a failure must not commit half. */
        if (status != KT_OK) {
            log_debug("handler of %s for %s failed: %s", table->handlers[i].module, event->topic,
                      kt_status_code(status));
            return status;
        }
        KT_TRY(context_check_memory(ctx));
    }
    if (table->rules)
        KT_TRY(table->rules(ctx, event));
    ctx->event_depth--;
    return KT_OK;
}
