/** The request: who asks, when, and how it fails.
 *
 *  Every function of a plugin gets the context first. It carries one user, one moment, one arena,
 *  one transaction and at most one error. It must not be kept after the function returns, and is
 *  used by one thread at a time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kontor/date.h"
#include "kontor/status.h"

struct kt_ctx;
struct kt_map;

/** Say why the request fails; returns `status` so that `return kt_fail(...)` reads well.
 *  `field` is the offending field's path ("lines[2].quantity") or NULL. Both messages are printf
 *  formats for the same arguments; lower case, no full stop, say what is wrong and what to do.
 *  The first failure of a request is kept, later ones are ignored. */
KT_EXPORT enum kt_status kt_fail(struct kt_ctx *ctx, enum kt_status status, const char *field,
                                 const char *message_en, const char *message_zh, ...)
    __attribute__((format(printf, 4, 6), format(printf, 5, 6)));
#ifdef __clang_analyzer__ /* It cannot see that a failure is never KT_OK. */
#define kt_fail(ctx, status, ...) (kt_fail(ctx, status, __VA_ARGS__), (status))
#endif

/** What a program needs to go on: `details` of the error that kt_fail has just made. */
KT_EXPORT void kt_error_details(struct kt_ctx *ctx, const struct kt_map *details);

/** Do a part of a writing request that may fail without the rest: one of many records of a job.
 *  `part` runs with `argument` in a transaction within the request's. When it fails, all that it
 *  wrote and announced is undone and its error forgotten: KT_OK with *why saying what was wrong, in
 *  the arena; NULL when all went well. What would stop the next part as well (no memory or no time
 *  left, the store) remains the request's failure and is returned. Parts may have parts. */
KT_EXPORT KT_NODISCARD enum kt_status
kt_apart(struct kt_ctx *ctx, enum kt_status (*part)(struct kt_ctx *ctx, void *argument),
         void *argument, const char **why);

/** The moment of the request, or that of its `as_of`: the same for everything it does. */
KT_EXPORT kt_instant_us kt_now(const struct kt_ctx *ctx);
/** The company's day of that moment. */
KT_EXPORT kt_date kt_today(const struct kt_ctx *ctx);

/** The user's record id (entity system.user); 0 for the server itself (jobs, first start). */
KT_EXPORT uint64_t kt_user_id(const struct kt_ctx *ctx);
/** Login name; "system" for the server itself. Lives as long as the request. */
KT_EXPORT const char *kt_user_name(const struct kt_ctx *ctx);
KT_EXPORT bool kt_user_has_role(const struct kt_ctx *ctx, const char *role);
/** May the user do this? `permission` is a method name or "entity.read|create|update|delete". */
KT_EXPORT bool kt_user_may(const struct kt_ctx *ctx, const char *permission);

/** Is the module enabled, so that its entities can be read? */
KT_EXPORT bool kt_module_enabled(const struct kt_ctx *ctx, const char *module);
/** A setting of the company (entity system.setting), or `otherwise`. Lives as long as the request.
 */
KT_EXPORT const char *kt_setting(struct kt_ctx *ctx, const char *name, const char *otherwise);
/** Company currency, and its digits after the point (ISO 4217 minor units): round money to these.
 */
KT_EXPORT const char *kt_currency(struct kt_ctx *ctx);
KT_EXPORT int kt_currency_digits(struct kt_ctx *ctx);
/** ISO 4217 minor units of a currency code, e.g. 2 for EUR, 0 for JPY; -1 for an unknown one. */
KT_EXPORT int kt_currency_minor_units(const char *code);

/** One line in the server's log, with the request's id and user. */
KT_EXPORT void kt_log(const struct kt_ctx *ctx, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
