/** GET /metrics: the engine's figures as text for Prometheus, over HTTP and without a login.
 *
 *  It tells how much is done and how fast, by names of methods; nothing of any record or user. It
 *  has a loop on a thread of its own: whoever asks, however slowly, disturbs no client, and when
 *  everything else is stuck it still tells. Sixteen askers at a time, each with so many seconds
 *  from the first byte of a request to the last of its answer. */
#pragma once

#include "engine/engine.h"

struct metrics_server;

/** Binds and starts. KT_BUSY/KT_INVALID/KT_INTERNAL with `why`. The engine is open. */
enum kt_status metrics_server_new(struct engine *engine, const char *address, size_t seconds,
                                  struct metrics_server **out, char *why, size_t why_size);
/** As really bound. */
const char *metrics_server_address(const struct metrics_server *server);
/** Before the engine is closed. */
void metrics_server_free(struct metrics_server *server);
