/** Private to core/cli: values laid out for people.
 *
 *  An array of maps becomes a table, a map becomes "name: value" lines with its lists of maps as
 *  indented tables, anything else one line. A column "summary_zh" next to "summary" is not shown:
 *  the one of the user's language is. Columns of numbers are aligned right. */
#pragma once

#include <msgpack.h>
#include <stdbool.h>

#include "cli/text.h"

struct table_style {
    bool chinese;
    size_t cell_width; /**< Wider cells are cut with an ellipsis; 0 never cuts. */
};

void table_write(struct text *out, const msgpack_object *value, const struct table_style *style);
