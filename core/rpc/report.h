/** What goes wrong with connections, in the log, but not as often as a stranger would like. */
#pragma once

#include <stdint.h>

/** All zero before the first line. */
struct report {
    int64_t window_us;  /**< When this second began. */
    unsigned lines;     /**< Logged in it. */
    unsigned held_back; /**< Not logged since the last line. */
};

/** "connection WHAT peer=PEER reason=REASON". */
void report_connection(struct report *report, const char *what, const char *peer,
                       const char *reason);
