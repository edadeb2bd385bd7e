#include "job/job.h"

#include <string.h>

#include "base/clock.h"
#include "record/space.h"

#define NEVER INT64_MAX

#define US_PER_SECOND INT64_C(1000000)
#define US_PER_DAY    (86400 * US_PER_SECOND)

static void job_key(struct key *key, const struct job *job)
{
    key_begin(key, SPACE_JOB);
    key_add_text(key, job->name, strlen(job->name));
}

/* The latest moment not after `at` at which a daily job was to run. */
static kt_instant_us last_time_of_day(const struct job *job, kt_instant_us at)
{
    kt_instant_us today = kt_date_of_instant(at) * US_PER_DAY;
    kt_instant_us then = today + (kt_instant_us)job->daily_minute * 60 * US_PER_SECOND;
    return then <= at ? then : then - US_PER_DAY;
}

/* KT_NOT_FOUND, without an error, when it never ran. */
static enum kt_status read_last(struct kt_ctx *ctx, const struct job *job, kt_instant_us *last)
{
    struct key key;
    struct store_slice bytes;
    job_key(&key, job);
    enum kt_status status = store_get(ctx->txn, key_slice(&key), &bytes);
    if (status == KT_NOT_FOUND)
        return status;
    if (status != KT_OK || bytes.size != sizeof(*last))
        return kt_fail(ctx, KT_INTERNAL, NULL, "the store failed", "存储失败");
    memcpy(last, bytes.at, sizeof(*last));
    return KT_OK;
}

/* By the clock as it is, also when it was set back: the moment of requests stands still then. */
static enum kt_status due_at(struct kt_ctx *ctx, const struct job *job, kt_instant_us *out)
{
    kt_instant_us now = clock_now(), last;
    enum kt_status status = read_last(ctx, job, &last);
    *out = now;
    if (status == KT_NOT_FOUND && job->every_seconds)
        return KT_OK;
    if (status == KT_NOT_FOUND)
        /* It is new: its first time is the next one. */
        return job_note(ctx, job) == KT_OK ? due_at(ctx, job, out) : KT_INTERNAL;
    KT_TRY(status);
    if (last > now)
        return KT_OK;
    if (job->every_seconds)
        *out = last + job->every_seconds * US_PER_SECOND;
    else if (last_time_of_day(job, now) <= last)
        *out = last_time_of_day(job, now) + US_PER_DAY;
    return KT_OK;
}

enum kt_status job_find_due(struct kt_ctx *ctx, const struct job *jobs, size_t count,
                            const struct job **out, kt_instant_us *next)
{
    *out = NULL;
    *next = NEVER;
    for (size_t i = 0; i < count; i++) {
        kt_instant_us at;
        KT_TRY(due_at(ctx, &jobs[i], &at));
        if (at <= clock_now()) {
            *out = &jobs[i];
            return KT_OK;
        }
        *next = at < *next ? at : *next;
    }
    return KT_OK;
}

enum kt_status job_note(struct kt_ctx *ctx, const struct job *job)
{
    struct key key;
    kt_instant_us now = clock_now();
    job_key(&key, job);
    if (store_put(ctx->txn, key_slice(&key), (struct store_slice){&now, sizeof(now)}) != KT_OK)
        return kt_fail(ctx, KT_INTERNAL, NULL, "the store failed", "存储失败");
    return KT_OK;
}
