/** What a server stored, request by request, as spy/spy.c writes it down: for each change an
 *  operation, then its key and value. In the byte order of the machine; never kept. */
#pragma once

#include <stdint.h>

enum trace_kind {
    TRACE_BEGIN = 'B',  /**< A request's nested transaction. */
    TRACE_COMMIT = 'C', /**< Kept. */
    TRACE_ABORT = 'A',  /**< Undone. */
    TRACE_PUT = 'P',
    TRACE_DELETE = 'D',
};

struct trace_operation {
    uint8_t kind;
    uint8_t unused[1];
    uint16_t key_size;
    uint32_t value_size;
};
