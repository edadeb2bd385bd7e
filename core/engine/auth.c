/* Logging in: who a connection acts for. rpc/ runs these alone on their connection. */
#include "base/clock.h"
#include "base/log.h"
#include "engine/attempts.h"
#include "engine/engine_internal.h"

/* The session speaks for the user from now on. */
static enum kt_status admit(struct kt_ctx *ctx, uint64_t user_id, bool with_token)
{
    struct engine_session *session = ((struct engine_ctx *)ctx)->session;
    struct kt_map *answer = kt_map_new(ctx);
    struct kt_list *roles = kt_list_new(ctx);
    const char *token;
    KT_TRY(access_become(ctx, user_id));
    for (size_t i = 0; i < ctx->roles->count; i++)
        kt_list_add(roles, kt_text(ctx->roles->at[i]));
    kt_map_set_text(answer, "user", kt_user_name(ctx));
    kt_map_set(answer, "roles", roles->object);
    if (with_token) {
        KT_TRY(access_token_make(ctx, user_id, &token));
        kt_map_set_text(answer, "token", token);
    }
    kt_reply_map(ctx, answer);
    session->user_id = user_id;
    return KT_OK;
}

/* A failed login leaves nobody logged in, whoever was before. */
static void leave(struct kt_ctx *ctx)
{
    ((struct engine_ctx *)ctx)->session->user_id = 0;
}

/* Before the password is looked at, so that guessing costs the server nothing. */
static enum kt_status check_attempts(struct kt_ctx *ctx, struct attempts_who who)
{
    unsigned seconds =
        attempts_wait_s(((struct engine_ctx *)ctx)->engine->attempts, who, clock_monotonic_us());
    if (seconds == 0)
        return KT_OK;
    enum kt_status status =
        kt_fail(ctx, KT_BUSY, "password", "too many wrong passwords: try again in %u s",
                "密码错误次数过多：请在 %u 秒后重试", seconds);
    struct kt_map *details = kt_map_new(ctx);
    kt_map_set_int(details, "wait_seconds", seconds);
    context_error_details(ctx, details->object);
    return status;
}

enum kt_status auth_login(struct kt_ctx *ctx, const msgpack_object *params)
{
    struct engine_ctx *own = (struct engine_ctx *)ctx;
    const char *user = kt_get_text(ctx, params, "user");
    struct attempts_who who = {user, own->session->address, own->session->is_local};
    uint64_t user_id = 0;
    leave(ctx);
    KT_TRY(check_attempts(ctx, who));
    enum kt_status status = access_login(ctx, user, kt_get_text(ctx, params, "password"), &user_id);
    if (status == KT_UNAUTHENTICATED) {
        log_warn("login refused user=%s", user);
        attempts_failed(own->engine->attempts, who, clock_monotonic_us());
    }
    KT_TRY(status);
    attempts_succeeded(own->engine->attempts, who);
    return admit(ctx, user_id, true);
}

enum kt_status auth_token(struct kt_ctx *ctx, const msgpack_object *params)
{
    uint64_t user_id = 0;
    leave(ctx);
    KT_TRY(access_token_check(ctx, kt_get_text(ctx, params, "token"), &user_id));
    return admit(ctx, user_id, false);
}
