/** One msgpack-RPC message in a stream of bytes: where it ends, and what it asks.
 *
 *  The scanner looks at the shape only. It allocates nothing and knows a message that is too
 *  large, too deep or too long from its first promise, so a few bytes of a stranger never cost more
 *  than those bytes. What it calls whole, msgpack-c unpacks within the limits of kontor/limits.h.
 *  Pure functions of their arguments. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kontor/limits.h"

enum frame_state {
    FRAME_MORE,      /**< Fine so far; more must come. */
    FRAME_WHOLE,     /**< `scan->size` bytes are one message. */
    FRAME_MALFORMED, /**< Holds the one byte that msgpack never uses. */
    FRAME_TOO_LARGE, /**< Passes, or is bound to pass, `scan->most`. */
    FRAME_TOO_DEEP,  /**< KT_LIMIT_MESSAGE_DEPTH. */
    FRAME_TOO_MANY,  /**< KT_LIMIT_MESSAGE_ELEMENTS. */
};

/** How far into its first message a stream has been read. All zero but `most` before its first
 * byte. */
struct frame_scan {
    size_t most; /**< Bytes of a message; 0: KT_LIMIT_MESSAGE_BYTES. */
    size_t size; /**< Bytes looked at: always fewer than the limit while more must come. */
    enum frame_state state;
    uint64_t skip;              /**< Bytes inside the current value that still have to pass. */
    uint64_t length;            /**< Of the current value, as far as its bytes have come. */
    unsigned char length_bytes; /**< Bytes of that length still to come. */
    unsigned char kind;
    unsigned char fixed;
    uint32_t begun;    /**< Values whose first byte has come. */
    uint32_t promised; /**< Values that open or closed arrays and maps announced. */
    uint32_t depth;
    uint32_t left[KT_LIMIT_MESSAGE_DEPTH]; /**< Values still to come at each open level. */
};

enum frame_kind { FRAME_NEITHER, FRAME_REQUEST, FRAME_NOTIFICATION };

/** The members of a message, pointing into it. */
struct frame_parts {
    enum frame_kind kind;
    uint32_t msgid;     /**< 0 unless it is a request. */
    const char *method; /**< At most KT_LIMIT_NAME bytes, not NUL-terminated. */
    size_t method_length;
    const char *params; /**< One packed array. */
    size_t params_size;
};

/** `message` points at the first byte of the message and holds `size` bytes so far, never fewer
 *  than at the last call. Each byte is looked at once, however many calls it takes. An answer other
 *  than FRAME_MORE is final; to go on behind a whole message start with a new scan. */
enum frame_state frame_scan(struct frame_scan *scan, const char *message, size_t size);

/** Splits a whole message. False when it is neither a request [0, msgid, method, params] nor a
 *  notification [2, method, params]; then only kind and msgid are of use: they tell a message that
 *  began as one of the two, and so whom to answer, from any other. */
bool frame_split(const char *message, size_t size, struct frame_parts *out);

/** The msgid of a request of which perhaps only the first bytes have come; 0 when it cannot be
 *  known. FRAME_MSGID_BYTES are always enough. */
uint32_t frame_msgid(const char *message, size_t size);
#define FRAME_MSGID_BYTES 23u /* An array head, a type and a msgid, each as long as can be. */
