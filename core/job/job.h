/** Jobs: what modules and rule files do by themselves, at intervals or at a time of the day.
 *
 *  A job is a short write request of the user "system". When each last ran is kept in the data, so
 *  that a restart neither forgets nor repeats one; after downtime a job that was missed runs once.
 *  The engine asks what is due, runs it in a transaction of its own, and notes that it ran. */
#pragma once

#include "record/context.h"

struct job {
    const char *name;
    unsigned every_seconds;    /**< 0: daily. */
    int daily_minute;          /**< Of the day, UTC. */
    const struct kt_job *decl; /**< NULL: a schedule{} of a rule file. */
};

/** The first job that is due, or NULL; `next` is then when to ask again. One that runs at intervals
 *  and never ran is due at once; a daily one waits for its time. */
enum kt_status job_find_due(struct kt_ctx *ctx, const struct job *jobs, size_t count,
                            const struct job **out, kt_instant_us *next);
/** Note that the job ran (or failed) at this moment; it is due again after its interval. */
enum kt_status job_note(struct kt_ctx *ctx, const struct job *job);
