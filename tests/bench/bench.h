/** What benchmarks share: a clock, slices and their median.
 *
 *  The clock is the thread's processor time: what others do on the machine does not count. */
#pragma once

#include <stdint.h>
#include <stdlib.h>

#include <time.h>

#define BENCH_SLICES 9

static inline double bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/** One operation; `number` counts them. */
typedef void (*bench_each)(void *argument, uint64_t number);

static inline int bench_compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/** The median of the slices, each of `count` operations: nanoseconds for one. */
static inline double bench_measure(bench_each each, void *argument, uint64_t count)
{
    double slices[BENCH_SLICES];
    uint64_t number = 0;
    for (size_t s = 0; s < BENCH_SLICES; s++) {
        double began = bench_now_ns();
        for (uint64_t i = 0; i < count; i++)
            each(argument, number++);
        slices[s] = (bench_now_ns() - began) / (double)count;
    }
    qsort(slices, BENCH_SLICES, sizeof(slices[0]), bench_compare);
    return slices[BENCH_SLICES / 2];
}

/** The same with cold processor caches: before each operation a block larger than they are is
 * walked through. What stays warm between operations hides how much more there is to look through.
 */
#define BENCH_CACHE_BYTES (256u << 20)
static inline double bench_measure_cold(bench_each each, void *argument, uint64_t count)
{
    double slices[BENCH_SLICES];
    uint64_t number = 0;
    unsigned char *block = calloc(1, BENCH_CACHE_BYTES);
    if (!block)
        abort();
    for (size_t s = 0; s < BENCH_SLICES; s++) {
        slices[s] = 0;
        for (uint64_t i = 0; i < count; i++) {
            for (size_t at = 0; at < BENCH_CACHE_BYTES; at += 64)
                block[at]++;
            double began = bench_now_ns();
            each(argument, number++);
            slices[s] += (bench_now_ns() - began) / (double)count;
        }
    }
    free(block);
    qsort(slices, BENCH_SLICES, sizeof(slices[0]), bench_compare);
    return slices[BENCH_SLICES / 2];
}

/** The same numbers in every run. */
static inline uint64_t bench_random(uint64_t *state)
{
    /* splitmix64 (Steele, Lea, Flood 2014). */
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}
