/** Private to core/client: reaching the server, and cutting its bytes into messages. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/** msgpack-c's decoder has a fixed stack of this many open arrays and maps. */
#define WIRE_DEPTH 32

/** Milliseconds; -1 is never. */
int64_t wire_deadline(int timeout_ms);
/** What is left for poll(2): 0 when the deadline has passed, -1 for never. */
int wire_left_ms(int64_t deadline);

/** A connected, non-blocking socket, or -1 with a sentence in `why`. */
int wire_dial_unix(const char *path, int64_t deadline, char *why, size_t why_size);
int wire_dial_address(const char *address, int64_t deadline, char *why, size_t why_size);
/** Non-blocking and close-on-exec. */
int wire_prepare(int fd);

/** Where the scan of an incomplete message stands; all zero at its first byte. */
struct wire_scan {
    size_t offset; /**< Bytes of the message seen whole. */
    uint64_t elements;
    uint32_t depth;
    uint64_t left[WIRE_DEPTH]; /**< Values still to come at each open level. */
};

enum wire_state {
    WIRE_MORE,      /**< Needs more bytes. */
    WIRE_WHOLE,     /**< `scan->offset` is its size. */
    WIRE_BROKEN,    /**< Not msgpack, or too deep. */
    WIRE_TOO_LARGE, /**< Passes, or promises to pass, a limit. */
};

/** Goes on where it stopped: each byte of a message is looked at once however it is cut. Nothing is
 *  allocated, so a length that promises gigabytes is refused before it costs anything. */
enum wire_state wire_scan(struct wire_scan *scan, const unsigned char *bytes, size_t size,
                          size_t limit_bytes, uint64_t limit_elements);
