/** Private to core/client: the error of a reply, as a map on the wire, as a struct for callers. */
#pragma once

#include "client/client.h"

/** Reads what it finds in `map` and never fails: a server that sends an odd error still refused.
 *  Texts are copied to `zone`, NUL-terminated; details are borrowed from `map`. */
void error_read(const msgpack_object *map, msgpack_zone *zone, struct client_error *out);
