/** The durable event log. Private to bus/. */
#pragma once

#include "bus/bus.h"

/** Number and store the event: {seq, at, topic, user, entity?, id?, payload}. The payload of a
 * record event is the record as stored, so that followers need not ask back. */
enum kt_status bus_log_append(struct kt_ctx *ctx, const struct kt_event *event);
