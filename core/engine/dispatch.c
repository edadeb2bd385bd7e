/* From a request's bytes to a method call: who asks, what for, may they, with which parameters. */
#include <string.h>

#include "base/clock.h"
#include "engine/engine_internal.h"
#include "kontor/limits.h"

/* No login is needed to be told that one is needed. */
static const char *const open_methods[] = {"system.ping", "auth.login", "auth.token"};

static const char *const write_extras[] = {"request_id", "dry_run"};
static const char *const read_extras[] = {"as_of"};

bool dispatch_is_open(const char *method, size_t length)
{
    for (size_t i = 0; i < KT_COUNT(open_methods); i++)
        if (strlen(open_methods[i]) == length && memcmp(open_methods[i], method, length) == 0)
            return true;
    return false;
}

void dispatch_begin(struct engine_ctx *ctx, const struct registry *registry)
{
    context_reset(&ctx->base);
    ctx->base.now = clock_now();
    ctx->base.until_us = clock_coarse_us() + (int64_t)ctx->engine->limits.request_ms * 1000;
    ctx->base.request_number = atomic_fetch_add(&ctx->engine->last_request, 1) + 1;
    ctx->next_registry = NULL;
    ctx->session = NULL;
    registry_use(&ctx->base, registry);
}

static enum kt_status identify(struct engine_ctx *ctx, const struct engine_request *request)
{
    ctx->session = request->session;
    if (dispatch_is_open(request->method, request->method_length)) {
        access_become_nobody(&ctx->base);
        return KT_OK;
    }
    if (request->session->user_id == 0)
        return kt_fail(&ctx->base, KT_UNAUTHENTICATED, NULL, "log in first: auth.login",
                       "请先登录：auth.login");
    return access_become(&ctx->base, request->session->user_id);
}

/* `params` is a list holding one map; an empty list stands for an empty map. */
static enum kt_status unpack_params(struct kt_ctx *ctx, const struct engine_request *request,
                                    const msgpack_object **out)
{
    msgpack_object *given = kt_alloc(ctx, sizeof(*given));
    size_t offset = 0;
    ctx->arena_used += request->params_size * 4; /* Objects are larger than their packed form. */
    if (msgpack_unpack(request->params, request->params_size, &offset, ctx->arena, given) !=
            MSGPACK_UNPACK_SUCCESS ||
        given->type != MSGPACK_OBJECT_ARRAY || given->via.array.size > 1 ||
        (given->via.array.size == 1 && given->via.array.ptr[0].type != MSGPACK_OBJECT_MAP))
        return kt_fail(ctx, KT_INVALID, "params", "params must be a list holding one map",
                       "params 必须是仅含一个映射的列表");
    *out = given->via.array.size ? &given->via.array.ptr[0] : &kt_map_new(ctx)->object;
    return KT_OK;
}

static enum kt_status note_extras(struct kt_ctx *ctx, struct dispatch *dispatch)
{
    const msgpack_object *id = kt_get(dispatch->params, "request_id");
    const msgpack_object *dry_run = kt_get(dispatch->params, "dry_run");
    if (id && (id->type != MSGPACK_OBJECT_STR || id->via.str.size == 0 ||
               id->via.str.size > KT_LIMIT_NAME))
        return kt_fail(ctx, KT_INVALID, "request_id", "request_id is a text of 1 to %d bytes",
                       "request_id 应为 1 到 %d 字节的文本", KT_LIMIT_NAME);
    if (dry_run && dry_run->type != MSGPACK_OBJECT_BOOLEAN)
        return kt_fail(ctx, KT_INVALID, "dry_run", "dry_run must be true or false",
                       "dry_run 必须为真或假");
    dispatch->request_id = id;
    dispatch->dry_run = dry_run && dry_run->via.boolean;
    return KT_OK;
}

bool dispatch_takes_as_of(const struct registry_method *method)
{
    return !method->writes && !(method->decl->flags & KT_PRESENT);
}

/* Before the parameters are checked: what they refer to need not be there any more. Who asks, and
 * what they may, is a matter of today and settled by now. */
static enum kt_status set_as_of(struct kt_ctx *ctx, const struct registry_method *method,
                                const msgpack_object *given)
{
    const msgpack_object *as_of = kt_get(given, "as_of");
    if (!as_of)
        return KT_OK;
    if (!dispatch_takes_as_of(method))
        return kt_fail(ctx, KT_INVALID, "as_of",
                       method->writes ? "%s changes data: it cannot be asked as of a moment"
                                      : "%s tells of the server as it is: it takes no as_of",
                       method->writes ? "%s 更改数据：不能指定 as_of"
                                      : "%s 反映服务器的当前状况：不接受 as_of",
                       method->name);
    return record_set_as_of(ctx, as_of);
}

static struct kt_names extras_of(const struct registry_method *method)
{
    if (method->writes)
        return (struct kt_names){write_extras, KT_COUNT(write_extras)};
    return (struct kt_names){read_extras, dispatch_takes_as_of(method) ? KT_COUNT(read_extras) : 0};
}

enum kt_status dispatch_check(struct kt_ctx *ctx, const char *method, size_t method_length,
                              const msgpack_object *given, struct dispatch *out)
{
    *out = (struct dispatch){.method = registry_method(ctx->registry, method, method_length)};
    if (!out->method)
        return kt_fail(ctx, KT_NOT_FOUND, "method", "there is no method %s", "没有方法 %s",
                       context_quote(ctx, method, method_length));
    if (*out->method->permission)
        KT_TRY(access_require(ctx, out->method->permission));
    KT_TRY(set_as_of(ctx, out->method, given));
    KT_TRY(record_check_params(ctx, registry_params(ctx, out->method), given,
                               extras_of(out->method), &out->params));
    return note_extras(ctx, out);
}

enum kt_status dispatch_prepare(struct engine_ctx *ctx, const struct engine_request *request,
                                struct dispatch *out)
{
    const msgpack_object *given = NULL;
    KT_TRY(identify(ctx, request));
    KT_TRY(unpack_params(&ctx->base, request, &given));
    KT_TRY(dispatch_check(&ctx->base, request->method, request->method_length, given, out));
    if (out->method->decl && (out->method->decl->flags & KT_LONG))
        ctx->base.until_us = 0;
    return KT_OK;
}

enum kt_status dispatch_run(struct engine_ctx *ctx, const struct dispatch *dispatch)
{
    struct kt_ctx *base = &ctx->base;
    enum kt_status status = registry_run(base, dispatch->method, dispatch->params);
    /* A failure that a module swallowed must not commit half of what was asked. */
    if (status == KT_OK)
        status = base->error.status;
    KT_TRY(status);
    KT_TRY(context_check_memory(base));
    return context_check_reply(base);
}
