/** Private to core/cli: what a dry run would have changed, laid out for people. */
#pragma once

#include "cli/cli.h"
#include "cli/text.h"

/** Is it the answer of a dry run? */
bool preview_is(const msgpack_object *answer);
/** Records with what they were and would be, rows of totals, events, rules. */
void preview_write(struct text *out, const msgpack_object *preview, bool chinese);
