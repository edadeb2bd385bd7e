#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define US_PER_SECOND INT64_C(1000000)
#define US_PER_DAY    (INT64_C(86400) * US_PER_SECOND)

static int64_t read_clock_us(clockid_t clock)
{
    struct timespec at;
    /* None of the clocks can fail on Linux: their ids are known and the address is ours. */
    clock_gettime(clock, &at);
    return at.tv_sec * US_PER_SECOND + at.tv_nsec / 1000;
}

kt_instant_us clock_now(void)
{
    int64_t now = read_clock_us(CLOCK_REALTIME);
    const char *fixed = getenv("KONTOR_TEST_NOW");
    kt_date day;
    if (fixed == NULL || !kt_date_parse(fixed, strlen(fixed), &day))
        return now;
    /* The time of day goes on, so that instants within a test still differ and mostly ascend. */
    return day * US_PER_DAY + (now - kt_date_of_instant(now) * US_PER_DAY);
}

int64_t clock_monotonic_us(void)
{
    return read_clock_us(CLOCK_MONOTONIC);
}

int64_t clock_coarse_us(void)
{
    return read_clock_us(CLOCK_MONOTONIC_COARSE);
}

int64_t clock_thread_us(void)
{
    return read_clock_us(CLOCK_THREAD_CPUTIME_ID);
}

void clock_cond_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

struct timespec clock_after(int64_t us)
{
    int64_t at = clock_monotonic_us() + us;
    return (struct timespec){.tv_sec = (time_t)(at / 1000000),
                             .tv_nsec = (long)(at % 1000000) * 1000};
}
