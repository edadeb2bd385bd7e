#include "record/context.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "kontor/limits.h"
#include "kontor/record.h"

#define ARENA_ALIGN 16u
#undef kt_fail /* See kontor/context.h. */

/* A request that needs memory the machine does not have cannot be answered; dying keeps the disk
 * right, since nothing uncommitted was acknowledged. */
static void *must(void *memory)
{
    if (!memory) {
        log_error("out of memory");
        abort();
    }
    return memory;
}

void context_init(struct kt_ctx *ctx)
{
    ctx->arena = must(msgpack_zone_new(16384));
    msgpack_sbuffer_init(&ctx->reply);
    ctx->limits = (struct context_limits){.reply_bytes = KT_LIMIT_REPLY_BYTES,
                                          .rule_steps = KT_LIMIT_RULE_STEPS,
                                          .rule_bytes = KT_LIMIT_RULE_BYTES};
}

void context_deinit(struct kt_ctx *ctx)
{
    record_past_free(ctx);
    msgpack_zone_free(ctx->arena);
    msgpack_sbuffer_destroy(&ctx->reply);
}

void context_reset(struct kt_ctx *ctx)
{
    msgpack_zone_clear(ctx->arena);
    msgpack_sbuffer_clear(&ctx->reply);
    if (ctx->reply.alloc > (1u << 20)) {
        msgpack_sbuffer_destroy(&ctx->reply);
        msgpack_sbuffer_init(&ctx->reply);
    }
    ctx->arena_used = 0;
    ctx->arena_full = false;
    ctx->error = (struct context_error){.details = {.type = MSGPACK_OBJECT_NIL}};
    ctx->event_depth = 0;
    ctx->event_count = 0;
    ctx->save_depth = 0;
    ctx->deleting = NULL;
    ctx->saving = NULL;
    ctx->migrating = NULL;
    ctx->last_event = 0;
    ctx->as_of = 0;
    record_past_free(ctx);
    ctx->journal = NULL;
    ctx->acting = NULL;
    ctx->rules = (struct context_rules){0};
}

enum kt_status context_check_memory(struct kt_ctx *ctx)
{
    if (!ctx->arena_full)
        return KT_OK;
    return kt_fail(ctx, KT_TOO_LARGE, NULL, "the request needs more memory than is allowed",
                   "请求所需内存超出限制");
}

enum kt_status context_check_reply(struct kt_ctx *ctx)
{
    if (ctx->reply.size <= ctx->limits.reply_bytes)
        return KT_OK;
    return kt_fail(ctx, KT_TOO_LARGE, NULL, "the answer has more than %zu bytes: ask for less",
                   "应答超过 %zu 字节：请缩小请求范围", ctx->limits.reply_bytes);
}

enum kt_status context_check_time(struct kt_ctx *ctx)
{
    if (!context_is_late(ctx))
        return KT_OK;
    return kt_fail(ctx, KT_TOO_LARGE, NULL,
                   "the request takes longer than is allowed: ask for less at a time",
                   "请求耗时超出限制：请分批进行");
}

void context_forgive(struct kt_ctx *ctx)
{
    ctx->error = (struct context_error){.details = {.type = MSGPACK_OBJECT_NIL}};
}

void context_error_keep(struct kt_ctx *ctx)
{
    struct context_error *error = &ctx->error;
    const char **texts[] = {&error->entity, &error->field, &error->message, &error->message_zh,
                            &error->rule};
    for (size_t i = 0; i < KT_COUNT(texts); i++)
        if (*texts[i])
            *texts[i] = kt_format(ctx, "%s", *texts[i]);
    if (error->details.type != MSGPACK_OBJECT_MAP)
        return;
    msgpack_sbuffer packed;
    msgpack_packer packer;
    msgpack_sbuffer_init(&packed);
    msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
    msgpack_pack_object(&packer, error->details);
    msgpack_object copy = kt_nil();
    (void)context_unpack(ctx, packed.data, packed.size, true, &copy);
    error->details = copy;
    msgpack_sbuffer_destroy(&packed);
}

void context_error_details(struct kt_ctx *ctx, msgpack_object details)
{
    ctx->error.details = details;
}

void kt_error_details(struct kt_ctx *ctx, const struct kt_map *details)
{
    context_error_details(ctx, details->object);
}

enum kt_status context_try_begin(struct kt_ctx *ctx, struct context_try *attempt)
{
    *attempt = (struct context_try){.outer = ctx->txn,
                                    .event_depth = ctx->event_depth,
                                    .event_count = ctx->event_count,
                                    .save_depth = ctx->save_depth,
                                    .last_event = ctx->last_event};
    if (store_begin(ctx->txn->store, ctx->txn, STORE_WRITE, &ctx->txn) == KT_OK)
        return KT_OK;
    ctx->txn = attempt->outer;
    return kt_fail(ctx, KT_INTERNAL, NULL, "the store cannot be written", "存储无法写入");
}

enum kt_status context_try_end(struct kt_ctx *ctx, const struct context_try *attempt,
                               enum kt_status status)
{
    struct store_txn *inner = ctx->txn;
    ctx->txn = attempt->outer;
    if (status == KT_OK)
        status = ctx->error.status; /* A failure that a module swallowed. */
    if (status == KT_OK && store_commit(inner) == KT_OK)
        return KT_OK;
    if (status == KT_OK)
        return kt_fail(ctx, KT_INTERNAL, NULL, "the store cannot be written", "存储无法写入");
    store_abort(inner);
    ctx->event_depth = attempt->event_depth;
    ctx->event_count = attempt->event_count;
    ctx->save_depth = attempt->save_depth;
    ctx->last_event = attempt->last_event;
    return status;
}

bool context_may_go_on(const struct kt_ctx *ctx, enum kt_status status)
{
    return status != KT_INTERNAL && !ctx->arena_full && !context_is_late(ctx);
}

enum kt_status kt_apart(struct kt_ctx *ctx,
                        enum kt_status (*part)(struct kt_ctx *ctx, void *argument), void *argument,
                        const char **why)
{
    struct context_try attempt;
    *why = NULL;
    KT_TRY(context_try_begin(ctx, &attempt));
    enum kt_status status = context_try_end(ctx, &attempt, part(ctx, argument));
    if (status == KT_OK || !context_may_go_on(ctx, status))
        return status;
    *why = ctx->error.message ? ctx->error.message : kt_status_code(status);
    context_forgive(ctx);
    return KT_OK;
}

void *kt_alloc(struct kt_ctx *ctx, size_t size)
{
    ctx->arena_used += size;
    if (ctx->arena_used > KT_LIMIT_ARENA_BYTES)
        ctx->arena_full = true;
    /* The zone aligns to pointers; decimals are 128 bits wide. */
    uintptr_t at = (uintptr_t)must(msgpack_zone_malloc(ctx->arena, size + ARENA_ALIGN));
    void *memory = (void *)((at + ARENA_ALIGN - 1) & ~(uintptr_t)(ARENA_ALIGN - 1));
    memset(memory, 0, size);
    return memory;
}

void *context_copy(struct kt_ctx *ctx, const void *bytes, size_t size)
{
    void *copy = kt_alloc(ctx, size);
    if (size)
        memcpy(copy, bytes, size);
    return copy;
}

static const char *format_list(struct kt_ctx *ctx, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0)
        return "";
    char *text = kt_alloc(ctx, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    return text;
}

const char *kt_format(struct kt_ctx *ctx, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const char *text = format_list(ctx, format, arguments);
    va_end(arguments);
    return text;
}

/* At most so many bytes of the text, and "…" for those that went. */
static const char *cut(struct kt_ctx *ctx, const char *text, size_t length, size_t most)
{
    size_t kept = length < most ? length : most;
    while (kept < length && kept > 0 && ((unsigned char)text[kept] & 0xC0) == 0x80)
        kept--; /* Within a character. */
    return kt_format(ctx, "%.*s%s", (int)kept, text, kept < length ? "…" : "");
}

const char *context_quote(struct kt_ctx *ctx, const char *text, size_t length)
{
    return cut(ctx, text, length, CONTEXT_QUOTE_BYTES);
}

/* What a message quotes may be anything that a stranger sent, of any length. */
static const char *format_message(struct kt_ctx *ctx, const char *format, va_list arguments)
{
    char text[KT_LIMIT_ERROR_BYTES +
              2]; /* One byte more than is kept, to see that it is too long. */
    vsnprintf(text, sizeof(text), format, arguments);
    return cut(ctx, text, strlen(text), KT_LIMIT_ERROR_BYTES);
}

enum kt_status kt_fail(struct kt_ctx *ctx, enum kt_status status, const char *field,
                       const char *message_en, const char *message_zh, ...)
{
    if (ctx->error.status != KT_OK)
        return ctx->error.status;
    va_list arguments, again;
    va_start(arguments, message_zh);
    va_copy(again, arguments);
    ctx->error.status = status;
    ctx->error.field = field ? cut(ctx, field, strlen(field), KT_LIMIT_ERROR_FIELD) : NULL;
    ctx->error.message = format_message(ctx, message_en, arguments);
    ctx->error.message_zh = format_message(ctx, message_zh, again);
    va_end(again);
    va_end(arguments);
    return status;
}

enum kt_status context_unpack(struct kt_ctx *ctx, const void *bytes, size_t size, bool copy,
                              msgpack_object *out)
{
    const char *at = copy ? context_copy(ctx, bytes, size) : bytes;
    /* Objects are larger than their packed form; count them roughly. */
    ctx->arena_used += size * 4;
    size_t offset = 0;
    msgpack_unpack_return result = msgpack_unpack(at, size, &offset, ctx->arena, out);
    if (result == MSGPACK_UNPACK_SUCCESS || result == MSGPACK_UNPACK_EXTRA_BYTES)
        return KT_OK;
    return kt_fail(ctx, KT_INTERNAL, NULL, "stored bytes cannot be read", "无法读取已存储的数据");
}

kt_instant_us kt_now(const struct kt_ctx *ctx)
{
    return ctx->now;
}

kt_date kt_today(const struct kt_ctx *ctx)
{
    return kt_date_of_instant(ctx->now);
}

uint64_t kt_user_id(const struct kt_ctx *ctx)
{
    return ctx->user_id;
}

const char *kt_user_name(const struct kt_ctx *ctx)
{
    return ctx->user_name ? ctx->user_name : "system";
}

bool kt_user_has_role(const struct kt_ctx *ctx, const char *role)
{
    return ctx->host->has_role(ctx, role);
}

bool kt_user_may(const struct kt_ctx *ctx, const char *permission)
{
    return ctx->host->may(ctx, permission);
}

const char *kt_setting(struct kt_ctx *ctx, const char *name, const char *otherwise)
{
    const msgpack_object *setting = NULL;
    bool failed_before = ctx->error.status != KT_OK;
    uint64_t as_of = ctx->as_of;
    /* How the company works is what it is today, also for a look at the past. */
    ctx->as_of = 0;
    enum kt_status status = kt_record_find(ctx, "system.setting", "name", kt_text(name), &setting);
    ctx->as_of = as_of;
    if (status != KT_OK) {
        if (!failed_before)
            context_forgive(ctx);
        return otherwise;
    }
    return kt_get(setting, "value") ? kt_get_text(ctx, setting, "value") : otherwise;
}

const char *kt_currency(struct kt_ctx *ctx)
{
    return ctx->schema->currency;
}

int kt_currency_digits(struct kt_ctx *ctx)
{
    return ctx->schema->currency_digits;
}

void kt_log(const struct kt_ctx *ctx, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    log_info("%s request=%llu user=%s", line, (unsigned long long)ctx->request_number,
             kt_user_name(ctx));
}
