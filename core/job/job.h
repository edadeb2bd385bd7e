/** Jobs: what modules do by themselves, at intervals.
 *
 *  A job is a short write request of the user "system". When each last ran is kept in the data, so
 *  that a restart neither forgets nor repeats one; after downtime a job that was missed runs once.
 *  The engine asks what is due, runs it in a transaction of its own, and notes that it ran. */
#pragma once

#include "record/context.h"

/** The first job of the enabled modules that is due, or NULL; `next` is then when to ask again. */
enum kt_status job_find_due(struct kt_ctx *ctx, const struct schema_module *modules,
                            size_t module_count, const struct kt_job **out, kt_instant_us *next);
/** Note that the job ran (or failed) at this moment; it is due again after its interval. */
enum kt_status job_note(struct kt_ctx *ctx, const struct kt_job *job);
