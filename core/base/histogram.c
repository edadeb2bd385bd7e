#include "base/histogram.h"

#define LAST (HISTOGRAM_BUCKETS - 1)

static unsigned bits_of(uint64_t value)
{
    return 64u - (unsigned)__builtin_clzll(value);
}

/* Up to twice HISTOGRAM_FINE every value has a bucket of its own; from then on the leading four
 * bits of value - 1 choose one. */
static unsigned bucket_of(uint64_t value)
{
    if (value > UINT64_C(1) << HISTOGRAM_POWERS)
        return LAST;
    uint64_t below = value ? value - 1 : 0;
    if (below < HISTOGRAM_FINE)
        return (unsigned)below;
    unsigned shift = bits_of(below) - bits_of(HISTOGRAM_FINE);
    return shift * HISTOGRAM_FINE + (unsigned)(below >> shift);
}

static uint64_t bound_of(unsigned bucket)
{
    if (bucket < 2 * HISTOGRAM_FINE)
        return bucket + 1;
    unsigned shift = bucket / HISTOGRAM_FINE - 1;
    return (uint64_t)(bucket - shift * HISTOGRAM_FINE + 1) << shift;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    counter_add(&histogram->buckets[bucket_of(value)], 1);
    counter_add(&histogram->sum, value);
    if (value > counter_look(&histogram->largest))
        atomic_store_explicit(&histogram->largest, value, memory_order_relaxed);
}

void histogram_look(struct histogram_view *view, const struct histogram *histogram)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t held = counter_look(&histogram->buckets[i]);
        view->buckets[i] += held;
        view->count += held;
    }
    view->sum += counter_look(&histogram->sum);
    uint64_t largest = counter_look(&histogram->largest);
    if (largest > view->largest)
        view->largest = largest;
}

uint64_t histogram_quantile(const struct histogram_view *view, unsigned thousandths)
{
    /* The smallest rank that is at least that share of all; in two parts, lest it overflows. */
    uint64_t wanted =
        view->count / 1000 * thousandths + (view->count % 1000 * thousandths + 999) / 1000;
    uint64_t seen = 0;
    for (unsigned i = 0; i < LAST; i++) {
        seen += view->buckets[i];
        if (view->buckets[i] > 0 && seen >= wanted)
            return bound_of(i) < view->largest ? bound_of(i) : view->largest;
    }
    return view->largest;
}

uint64_t histogram_at_most(const struct histogram_view *view, unsigned power)
{
    uint64_t count = 0;
    for (unsigned i = 0; i <= bucket_of(UINT64_C(1) << power); i++)
        count += view->buckets[i];
    return count;
}
