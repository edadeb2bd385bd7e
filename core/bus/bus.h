/** The bus: how modules hear of what happened, inside the same transaction.
 *
 *  Announcing an event writes it to the durable log and calls the handlers of its topic at once, in
 *  module order. A handler's failure is the request's failure. The log is append-only and numbered
 *  without gaps from 1; followers read it by number. */
#pragma once

#include "kontor/plugin.h"
#include "record/context.h"

struct bus_handler {
    const char *topic;
    const char *module;
    enum kt_status (*run)(struct kt_ctx *ctx, const struct kt_event *event);
};

/** Handlers of the enabled modules, sorted by topic and then in module order. Immutable. */
struct bus_table {
    struct bus_handler *handlers;
    size_t count;
    /** Those of rule files, behind the modules'; NULL: there are none. */
    enum kt_status (*rules)(struct kt_ctx *ctx, const struct kt_event *event);
};

/** Builds the table from enabled modules in load order. Free with bus_table_free. */
void bus_table_build(struct bus_table *table, const struct schema_module *modules, size_t count);
void bus_table_free(struct bus_table *table);

/** Write the event to the log, then run the handlers. */
enum kt_status bus_announce(struct kt_ctx *ctx, const struct bus_table *table,
                            const struct kt_event *event);
/** Answer event.read {from?, topics?, limit?}: {events: [...], next}. */
enum kt_status bus_reply_read(struct kt_ctx *ctx, const msgpack_object *params);
