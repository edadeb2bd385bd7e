#include "kontor/status.h"

#include <stddef.h>

/* These words are on the wire: add, never change. */
static const char *const codes[] = {
    [KT_OK] = "ok",
    [KT_NOT_FOUND] = "not_found",
    [KT_INVALID] = "invalid",
    [KT_CONFLICT] = "conflict",
    [KT_DENIED] = "denied",
    [KT_UNAUTHENTICATED] = "unauthenticated",
    [KT_BUSY] = "busy",
    [KT_TOO_LARGE] = "too_large",
    [KT_RULE_DENIED] = "rule_denied",
    [KT_RULE_FAILED] = "rule_failed",
    [KT_INTERNAL] = "internal",
};

const char *kt_status_code(enum kt_status status)
{
    /* A number that is no status can only come from a bug, which is what "internal" says. */
    if ((size_t)status >= sizeof codes / sizeof codes[0])
        return codes[KT_INTERNAL];
    return codes[status];
}
