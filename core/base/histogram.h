/** How long things took, or how large they were: counts in buckets that are never wider than an
 *  eighth of what they hold, as HdrHistogram has them (hdrhistogram.org). So a quantile is right to
 *  one eighth without a list of everything, and a histogram has a fixed size.
 *
 *  A bucket holds what is above the bucket before and at most its own bound; powers of two are
 *  bounds. One thread at a time adds, so that adding takes no locked instructions; any thread may
 *  look meanwhile. */
#pragma once

#include "base/counter.h"

#define HISTOGRAM_FINE 8u /**< Buckets between a power of two and the next. */
/** What is above 2^27 (two minutes, in microseconds) shares the last bucket. */
#define HISTOGRAM_POWERS  27u
#define HISTOGRAM_BUCKETS ((HISTOGRAM_POWERS - 2) * HISTOGRAM_FINE + 1)

/** All zero is empty. */
struct histogram {
    atomic_ullong buckets[HISTOGRAM_BUCKETS];
    atomic_ullong sum;
    atomic_ullong largest;
};

void histogram_add(struct histogram *histogram, uint64_t value);

/** One or several histograms as they were when they were looked at. */
struct histogram_view {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t count, sum, largest;
};

/** Adds what `histogram` holds to the view. */
void histogram_look(struct histogram_view *view, const struct histogram *histogram);
/** The bound of the bucket that so many thousandths of all values do not exceed: 500 is the median,
 *  999 is p99.9. Never more than the largest value; 0 when empty. */
uint64_t histogram_quantile(const struct histogram_view *view, unsigned thousandths);
/** How many values are at most 2^power, for power up to HISTOGRAM_POWERS. */
uint64_t histogram_at_most(const struct histogram_view *view, unsigned power);
