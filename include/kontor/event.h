/** Events: how modules meet.
 *
 *  Every record announces "ENTITY.created", "ENTITY.updated", "ENTITY.deleted" and its transitions
 *  ("sales.order.confirmed"). Modules may announce more. Handlers run at once, inside the request's
 *  transaction, in the order the modules were loaded: if one fails, everything is undone and the
 *  client sees its error. The event is also written to the durable log that clients follow. */
#pragma once

#include "kontor/model.h"

struct kt_event {
    const char *topic;
    const char *entity; /**< NULL when the event is not about one record. */
    uint64_t id;        /**< The record's id, or 0. */
    const msgpack_object
        *record; /**< Record events: as stored now (as it was, for deleted). Else NULL. */
    const msgpack_object *old; /**< Record events: before the change; NULL for created. */
    const msgpack_object
        *payload; /**< What kt_emit was given, or the transition's params; may be NULL. */
};

struct kt_handler {
    const char *topic; /**< Exactly one topic; its module need not be enabled. */
    enum kt_status (*run)(struct kt_ctx *ctx, const struct kt_event *event);
};
struct kt_handlers {
    const struct kt_handler *at;
    size_t count;
};

/** Announce something of your own. The topic must be declared in the plugin's `events`. */
KT_EXPORT KT_NODISCARD enum kt_status kt_emit(struct kt_ctx *ctx, const char *topic,
                                              const char *entity, uint64_t id,
                                              const struct kt_map *payload);
