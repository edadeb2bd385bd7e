/** Latencies, counted in buckets no wider than 1/32 of what they hold, as HdrHistogram does
 *  (hdrhistogram.org): so p99.9 needs no list of every request. */
#pragma once

#include <stdint.h>
#include <string.h>

#define HISTOGRAM_HALF  32u /* Buckets for each power of two. */
#define HISTOGRAM_SLOTS (HISTOGRAM_HALF * 60u)

struct histogram {
    uint64_t slots[HISTOGRAM_SLOTS];
    uint64_t count;
};

static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
    unsigned shift = 0;
    while ((value >> shift) >= 2 * HISTOGRAM_HALF)
        shift++;
    histogram->slots[shift * HISTOGRAM_HALF + (value >> shift)]++;
    histogram->count++;
}

/** The upper end of the bucket below which `share` (0 to 1) of all values are; 0 when empty. */
static inline uint64_t histogram_at(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)histogram->count), seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++) {
        seen += histogram->slots[i];
        if (histogram->slots[i] == 0 || seen < wanted)
            continue;
        unsigned shift = i < 2 * HISTOGRAM_HALF ? 0 : i / HISTOGRAM_HALF - 1;
        return ((uint64_t)(i - shift * HISTOGRAM_HALF + 1) << shift) - 1;
    }
    return 0;
}
