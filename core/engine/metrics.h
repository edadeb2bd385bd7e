/** The text form of the figures that Prometheus collects, version 0.0.4
 *  (prometheus.io/docs/instrumenting/exposition_formats). Private to engine/. */
#pragma once

#include "engine/figures.h"

/** Adds to `out`, which is not terminated. */
void metrics_write(msgpack_sbuffer *out, const struct figures *figures);
