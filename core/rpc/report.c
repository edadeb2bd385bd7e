#include "rpc/report.h"

#include "base/clock.h"
#include "base/log.h"

#define LINES_PER_SECOND 20u

void report_connection(struct report *report, const char *what, const char *peer,
                       const char *reason)
{
    int64_t now_us = clock_monotonic_us();
    if (report->window_us == 0 || now_us - report->window_us >= 1000000) {
        report->window_us = now_us;
        report->lines = 0;
    }
    if (report->lines == LINES_PER_SECOND) {
        report->held_back++;
        return;
    }
    report->lines++;
    log_warn("connection %s peer=%s reason=\"%s\" held_back=%u", what, peer, reason,
             report->held_back);
    report->held_back = 0;
}
