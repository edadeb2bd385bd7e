#include "job/job.h"

#include <string.h>

#include "record/space.h"

/* A clock that was set back must not stop a job for longer than its interval. */
#define NEVER INT64_MAX

static void job_key(struct key *key, const struct kt_job *job)
{
    key_begin(key, SPACE_JOB);
    key_add_text(key, job->name, strlen(job->name));
}

static enum kt_status due_at(struct kt_ctx *ctx, const struct kt_job *job, kt_instant_us *out)
{
    struct key key;
    struct store_slice bytes;
    kt_instant_us last;
    job_key(&key, job);
    enum kt_status status = store_get(ctx->txn, key_slice(&key), &bytes);
    *out = kt_now(ctx);
    if (status == KT_NOT_FOUND)
        return KT_OK;
    if (status != KT_OK || bytes.size != sizeof(last))
        return kt_fail(ctx, KT_INTERNAL, NULL, "the store failed", "存储失败");
    memcpy(&last, bytes.at, sizeof(last));
    if (last <= kt_now(ctx))
        *out = last + (kt_instant_us)job->every_seconds * 1000000;
    return KT_OK;
}

enum kt_status job_find_due(struct kt_ctx *ctx, const struct schema_module *modules,
                            size_t module_count, const struct kt_job **out, kt_instant_us *next)
{
    *out = NULL;
    *next = NEVER;
    for (size_t m = 0; m < module_count; m++) {
        const struct kt_jobs *jobs = &modules[m].plugin->jobs;
        for (size_t i = 0; modules[m].enabled && i < jobs->count; i++) {
            kt_instant_us at;
            KT_TRY(due_at(ctx, &jobs->at[i], &at));
            if (at <= kt_now(ctx)) {
                *out = &jobs->at[i];
                return KT_OK;
            }
            *next = at < *next ? at : *next;
        }
    }
    return KT_OK;
}

enum kt_status job_note(struct kt_ctx *ctx, const struct kt_job *job)
{
    struct key key;
    kt_instant_us now = kt_now(ctx);
    job_key(&key, job);
    if (store_put(ctx->txn, key_slice(&key), (struct store_slice){&now, sizeof(now)}) != KT_OK)
        return kt_fail(ctx, KT_INTERNAL, NULL, "the store failed", "存储失败");
    return KT_OK;
}
