/** Time, and the only place that asks the operating system for it. Any thread. */
#pragma once

#include <pthread.h>
#include <time.h>

#include "kontor/date.h"

/** UTC microseconds. KONTOR_TEST_NOW=YYYY-MM-DD in the environment fixes the day for tests and
 * demos. */
kt_instant_us clock_now(void);
/** Microseconds that never run backwards; only differences mean anything. */
int64_t clock_monotonic_us(void);
/** The same to within a few milliseconds, in a few nanoseconds. */
int64_t clock_coarse_us(void);
/** Microseconds for which the calling thread has had a processor. */
int64_t clock_thread_us(void);

/** A condition whose timed waits go by the monotonic clock: setting the wall clock must not make
 *  anyone sleep for an hour. */
void clock_cond_init(pthread_cond_t *condition);
/** So many microseconds from now, for such a wait. */
struct timespec clock_after(int64_t us);
