/* record.batch: several writes as one, all or nothing.
 *
 * Each operation goes the way of a request of its own: the method is looked up, the user's right
 * and the parameters are checked, then it runs, in memory that is emptied after it. What it
 * answered can be used by the operations behind it (reference.h). */
#include <stdlib.h>
#include <string.h>

#include "engine/engine_internal.h"
#include "engine/reference.h"
#include "kontor/limits.h"

/* Short names of the generic methods. */
static const char *const generic[] = {"create", "update", "delete", "archive", "restore"};
/* What cannot be undone with the transaction, takes long (a password's hash), or would be a batch
 * in a batch. */
static const char *const unfit[] = {"auth.",        "module.",        "rules.",
                                    "system.user.", "system.rebuild", "record.batch"};

struct outcome {
    const msgpack_object *as;     /**< The operation's own name, a text; NULL without. */
    size_t at, size;              /**< Where its answer is in `packed`. */
    const msgpack_object *answer; /**< Unpacked when it is first referred to. */
};

struct batch {
    struct kt_ctx *ctx;
    msgpack_zone *memory;  /**< The request's own. */
    msgpack_zone *scratch; /**< Of one operation. */
    msgpack_sbuffer packed;
    struct outcome *outcomes;
    size_t done;
    size_t arena_used; /**< Beside what the operation under way uses. */
};

/* --- Earlier answers --- */

static struct outcome *find_outcome(struct batch *batch, const char *name, size_t length)
{
    size_t index;
    if (reference_index(name, length, &index))
        return index < batch->done ? &batch->outcomes[index] : NULL;
    for (size_t i = 0; i < batch->done; i++) {
        const msgpack_object *as = batch->outcomes[i].as;
        if (as && as->via.str.size == length && memcmp(as->via.str.ptr, name, length) == 0)
            return &batch->outcomes[i];
    }
    return NULL;
}

static enum kt_status find_answer(struct kt_ctx *ctx, void *argument, const char *name,
                                  size_t length, const msgpack_object **out)
{
    struct batch *batch = argument;
    struct outcome *outcome = find_outcome(batch, name, length);
    *out = NULL;
    if (!outcome)
        return KT_OK;
    if (!outcome->answer) {
        msgpack_zone *present = ctx->arena;
        size_t used = ctx->arena_used;
        ctx->arena = batch->memory;
        msgpack_object *answer = kt_alloc(ctx, sizeof(*answer));
        enum kt_status status =
            context_unpack(ctx, batch->packed.data + outcome->at, outcome->size, true, answer);
        ctx->arena = present;
        batch->arena_used += ctx->arena_used - used;
        KT_TRY(status);
        outcome->answer = answer;
    }
    *out = outcome->answer;
    return KT_OK;
}

/* --- One operation --- */

static enum kt_status read_as(struct batch *batch, const msgpack_object *op,
                              const msgpack_object **out)
{
    const msgpack_object *as = kt_get(op, "as");
    size_t index;
    *out = as;
    if (!as)
        return KT_OK;
    if (as->type != MSGPACK_OBJECT_STR || as->via.str.size == 0 ||
        as->via.str.size > KT_LIMIT_NAME || memchr(as->via.str.ptr, '.', as->via.str.size) ||
        reference_index(as->via.str.ptr, as->via.str.size, &index) ||
        find_outcome(batch, as->via.str.ptr, as->via.str.size))
        return kt_fail(batch->ctx, KT_INVALID, kt_format(batch->ctx, "ops[%zu].as", batch->done),
                       "as is a name of its own for the operation, without dots and no number",
                       "as 应为该操作独有的名称，不含点，也不是数字");
    return KT_OK;
}

static enum kt_status check_fit(struct batch *batch, const char *method)
{
    struct kt_ctx *ctx = batch->ctx;
    const struct registry_method *found = registry_method(ctx->registry, method, strlen(method));
    bool fit = !found || found->writes;
    for (size_t i = 0; i < KT_COUNT(unfit); i++)
        fit = fit && strncmp(method, unfit[i], strlen(unfit[i])) != 0;
    if (fit)
        return KT_OK;
    return kt_fail(ctx, KT_INVALID, kt_format(ctx, "ops[%zu].op", batch->done),
                   "%s cannot be part of a batch: it takes methods that change records",
                   "%s 不能放入批处理：仅接受更改记录的方法", method);
}

static enum kt_status read_params(struct batch *batch, const msgpack_object *op,
                                  struct kt_map **out)
{
    struct kt_ctx *ctx = batch->ctx;
    struct reference_scope scope = {.find = find_answer, .argument = batch};
    msgpack_object resolved;
    struct kt_map *own = kt_map_copy(ctx, op);
    const char *place = kt_format(ctx, "ops[%zu]", batch->done);
    if (kt_has(op, "request_id") || kt_has(op, "dry_run"))
        return kt_fail(ctx, KT_INVALID, place,
                       "request_id and dry_run belong to the whole batch, not to an operation",
                       "request_id 和 dry_run 属于整个批处理，而非单个操作");
    kt_map_remove(own, "op");
    kt_map_remove(own, "as");
    KT_TRY(reference_resolve(ctx, &scope, place, &own->object, &resolved));
    *out = kt_map_copy(ctx, &resolved);
    return context_check_memory(ctx);
}

static enum kt_status keep_answer(struct batch *batch, const msgpack_object *as)
{
    static const char nil = (char)0xc0;
    struct kt_ctx *ctx = batch->ctx;
    struct outcome *outcome = &batch->outcomes[batch->done];
    bool empty = ctx->reply.size == 0;
    *outcome =
        (struct outcome){.as = as, .at = batch->packed.size, .size = empty ? 1 : ctx->reply.size};
    if (batch->packed.size + outcome->size > KT_LIMIT_MESSAGE_BYTES)
        return kt_fail(ctx, KT_TOO_LARGE, "ops",
                       "the batch answers more than %u bytes; make smaller ones",
                       "批处理的应答超过 %u 字节，请分成较小的批次", KT_LIMIT_MESSAGE_BYTES);
    msgpack_sbuffer_write(&batch->packed, empty ? &nil : ctx->reply.data, outcome->size);
    return KT_OK;
}

static enum kt_status run_op(struct batch *batch, const msgpack_object *op, const char **method)
{
    struct kt_ctx *ctx = batch->ctx;
    const msgpack_object *as;
    struct kt_map *params = NULL;
    struct dispatch dispatch;
    *method = kt_get_text(ctx, op, "op");
    if (!**method || strlen(*method) > KT_LIMIT_NAME)
        return kt_fail(ctx, KT_INVALID, kt_format(ctx, "ops[%zu].op", batch->done),
                       "an operation is a map whose op names a method, such as \"create\"",
                       "操作应为映射，其 op 为方法名，例如 \"create\"");
    for (size_t i = 0; i < KT_COUNT(generic); i++)
        if (strcmp(*method, generic[i]) == 0) {
            *method = kt_format(ctx, "record.%s", generic[i]);
            break;
        }
    KT_TRY(read_as(batch, op, &as));
    KT_TRY(check_fit(batch, *method));
    KT_TRY(read_params(batch, op, &params));
    KT_TRY(dispatch_check(ctx, *method, strlen(*method), &params->object, &dispatch));
    msgpack_sbuffer_clear(&ctx->reply);
    KT_TRY(dispatch_run((struct engine_ctx *)ctx, &dispatch));
    return keep_answer(batch, as);
}

/* --- All of them --- */

/* The error as the single call would have it, and which operation it is about. */
static void tell_which(struct batch *batch, const char *method)
{
    struct kt_ctx *ctx = batch->ctx;
    struct context_error *error = &ctx->error;
    context_error_keep(ctx);
    struct kt_map *details = kt_map_copy(ctx, &error->details);
    kt_map_set_int(details, "op", (int64_t)batch->done);
    kt_map_set_text(details, "method", kt_format(ctx, "%s", method));
    context_error_details(ctx, details->object);
    error->message = kt_format(ctx, "ops[%zu] %s: %s", batch->done, method,
                               error->message ? error->message : "");
    error->message_zh = kt_format(ctx, "ops[%zu] %s：%s", batch->done, method,
                                  error->message_zh ? error->message_zh : "");
}

static enum kt_status run_ops(struct batch *batch, const msgpack_object *ops)
{
    struct kt_ctx *ctx = batch->ctx;
    enum kt_status status = KT_OK;
    for (uint32_t i = 0; status == KT_OK && i < ops->via.array.size; i++) {
        const char *method = "";
        ctx->arena = batch->scratch;
        status = run_op(batch, &ops->via.array.ptr[i], &method);
        ctx->arena = batch->memory;
        if (status == KT_OK) {
            batch->done++;
            ctx->arena_used = batch->arena_used;
        } else {
            tell_which(batch, method);
        }
        msgpack_zone_clear(batch->scratch);
    }
    return status;
}

static void reply_results(struct batch *batch)
{
    msgpack_packer packer;
    msgpack_sbuffer_clear(&batch->ctx->reply);
    msgpack_packer_init(&packer, &batch->ctx->reply, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 1);
    msgpack_pack_str_with_body(&packer, "results", 7);
    msgpack_pack_array(&packer, batch->done);
    msgpack_sbuffer_write(&batch->ctx->reply, batch->packed.data, batch->packed.size);
}

enum kt_status records_batch(struct kt_ctx *ctx, const msgpack_object *params)
{
    const msgpack_object *ops = kt_get(params, "ops");
    if (ops->type != MSGPACK_OBJECT_ARRAY || ops->via.array.size == 0 ||
        ops->via.array.size > KT_LIMIT_BATCH)
        return kt_fail(ctx, KT_INVALID, "ops", "ops is a list of 1 to %u operations",
                       "ops 应为 1 到 %u 个操作的列表", KT_LIMIT_BATCH);
    struct batch batch = {.ctx = ctx, .memory = ctx->arena, .scratch = msgpack_zone_new(65536)};
    if (!batch.scratch)
        return kt_fail(ctx, KT_INTERNAL, NULL, "out of memory", "内存不足");
    batch.outcomes = kt_alloc(ctx, sizeof(*batch.outcomes) * ops->via.array.size);
    batch.arena_used = ctx->arena_used;
    msgpack_sbuffer_init(&batch.packed);
    enum kt_status status = run_ops(&batch, ops);
    if (status == KT_OK)
        reply_results(&batch);
    msgpack_sbuffer_destroy(&batch.packed);
    msgpack_zone_free(batch.scratch);
    return status;
}
