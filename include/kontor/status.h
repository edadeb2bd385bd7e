/** What a call can end with. The same words travel on the wire as error codes. */
#pragma once

#include "kontor/export.h"

enum kt_status {
    KT_OK = 0,
    KT_NOT_FOUND, /**< No such record, method, module. */
    KT_INVALID,   /**< The input breaks a declared constraint; the error names the field. */
    KT_CONFLICT,  /**< Duplicate unique value, stale version, illegal transition, still referenced.
                   */
    KT_DENIED,    /**< The user's roles do not grant this. */
    KT_UNAUTHENTICATED, /**< Log in first, or the login failed. */
    KT_BUSY,            /**< Too much in flight or shutting down; try again. */
    KT_TOO_LARGE,       /**< A limit on size, depth or count was passed. */
    KT_RULE_DENIED,     /**< A business rule refused; the error names the rule. */
    KT_RULE_FAILED, /**< A business rule broke or ran out of budget; the error names the rule. */
    KT_INTERNAL,    /**< The server's own fault: storage failure or a bug. */
};

/** The stable code of a status as sent on the wire: "ok", "not_found", ... Static storage. */
KT_EXPORT const char *kt_status_code(enum kt_status status);

/** Return early with the status of `expr` unless it is KT_OK. The only control-flow macro. */
#define KT_TRY(expr)                                                                               \
    do {                                                                                           \
        enum kt_status kt_try_status_ = (expr);                                                    \
        if (kt_try_status_ != KT_OK)                                                               \
            return kt_try_status_;                                                                 \
    } while (0)
