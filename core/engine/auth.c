/* Logging in: who a connection acts for. rpc/ runs these alone on their connection. */
#include "base/log.h"
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

enum kt_status auth_login(struct kt_ctx *ctx, const msgpack_object *params)
{
    const char *user = kt_get_text(ctx, params, "user");
    uint64_t user_id = 0;
    leave(ctx);
    enum kt_status status = access_login(ctx, user, kt_get_text(ctx, params, "password"), &user_id);
    if (status == KT_UNAUTHENTICATED)
        log_warn("login refused user=%s", user);
    KT_TRY(status);
    return admit(ctx, user_id, true);
}

enum kt_status auth_token(struct kt_ctx *ctx, const msgpack_object *params)
{
    uint64_t user_id = 0;
    leave(ctx);
    KT_TRY(access_token_check(ctx, kt_get_text(ctx, params, "token"), &user_id));
    return admit(ctx, user_id, false);
}
