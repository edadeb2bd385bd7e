/** Private to core/cli: JSON text to msgpack values and back.
 *
 *  What JSON cannot say is written so: an instant as ISO 8601 text, bytes as {"base64": text}, any
 *  other extension as {"ext": type, "base64": text}, a float that is no number as null, a map key
 * that is no text as its own JSON in a text. */
#pragma once

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/text.h"

/** Nesting that is read; with the request around it, it is what the server takes. */
#define JSON_READ_DEPTH 30
/** Nesting that is written: more than the client lets in. */
#define JSON_WRITE_DEPTH 64

/** Everything that is built lives in `zone`. False with a sentence in `why` for text that is not
 *  JSON, repeats a key, nests too deeply, or holds an integer beyond 64 bits (with sign): a number
 *  is never rounded silently. A number with a fraction or exponent becomes a float. */
bool json_read(const char *bytes, size_t length, msgpack_zone *zone, msgpack_object *out, char *why,
               size_t why_size);

/** `pretty`: two spaces a level; otherwise on one line. Characters that are unsafe on a terminal
 *  are written as \uXXXX, which means the same. */
void json_write(struct text *out, const msgpack_object *value, bool pretty);

/** "2026-11-23T17:20:00.123456Z" when `value` is an instant of the years 1 to 9999. */
bool json_instant(const msgpack_object *value, char *out, size_t out_size);
