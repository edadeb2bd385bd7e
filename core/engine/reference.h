/** References of a batch: {"$": "0.lines.1.id"} in the parameters of an operation stands for a part
 *  of what an earlier one answered.
 *
 *  The path begins with the earlier operation's index or name and goes on with keys of maps and
 *  indexes of lists. Private to engine/. */
#pragma once

#include "record/context.h"

struct reference_scope {
    /** The answer of the earlier operation with that index or name; *out is NULL, with KT_OK, when
     *  there is none. */
    enum kt_status (*find)(struct kt_ctx *ctx, void *argument, const char *name, size_t length,
                           const msgpack_object **out);
    void *argument;
    size_t put_bytes; /**< Of all values put in so far: at most KT_LIMIT_MESSAGE_BYTES. */
};

/** A copy of `value`, in the arena, in which every reference is replaced. `place` names the value
 *  in errors: "ops[3].values". */
enum kt_status reference_resolve(struct kt_ctx *ctx, struct reference_scope *scope,
                                 const char *place, const msgpack_object *value,
                                 msgpack_object *out);
/** "0", "17": at most nine digits. */
bool reference_index(const char *text, size_t length, size_t *out);
