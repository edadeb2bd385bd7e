/* request_id: a write that was answered is answered the same when it is sent again.
 *
 * The answer is stored in the transaction of the write, under the user and the id, so it survives a
 * restart exactly when the write does. Only successes are kept: a refused write changed nothing and
 * may be tried again. A second row, ordered by time, tells what to forget. */
#include <string.h>

#include "engine/engine_internal.h"
#include "record/space.h"

#define KEEP_US      ((kt_instant_us)24 * 3600 * 1000000)
#define FORGET_BATCH 10000

static enum kt_status store_failed(struct kt_ctx *ctx)
{
    return kt_fail(ctx, KT_INTERNAL, NULL, "the store failed", "存储失败");
}

static void replay_key(struct key *key, const struct kt_ctx *ctx, const char *request_id)
{
    key_begin(key, SPACE_REQUEST);
    key_add_u64(key, ctx->user_id);
    key_add_text(key, request_id, strlen(request_id));
}

static void age_key(struct key *key, const struct kt_ctx *ctx, const char *request_id)
{
    key_begin(key, SPACE_REQUEST_AGE);
    key_add_int(key, ctx->now);
    key_add_u64(key, ctx->user_id);
    key_add_text(key, request_id, strlen(request_id));
}

static enum kt_status replay(struct engine_ctx *ctx, const struct dispatch *dispatch,
                             struct store_slice bytes)
{
    struct kt_ctx *base = &ctx->base;
    msgpack_object row;
    KT_TRY(context_unpack(base, bytes.at, bytes.size, false, &row));
    if (!kt_is(&row, "method", dispatch->method->name))
        return kt_fail(base, KT_CONFLICT, "request_id",
                       "this request_id was used for %s; use a new one",
                       "此 request_id 已用于 %s，请换用新的", kt_get_text(base, &row, "method"));
    const msgpack_object *reply = kt_get(&row, "reply");
    msgpack_sbuffer_clear(&base->reply);
    if (reply && reply->type == MSGPACK_OBJECT_BIN)
        msgpack_sbuffer_write(&base->reply, reply->via.bin.ptr, reply->via.bin.size);
    return KT_OK;
}

bool replay_find(struct engine_ctx *ctx, const struct dispatch *dispatch, enum kt_status *status)
{
    struct key key;
    struct store_slice bytes;
    if (!dispatch->request_id)
        return false;
    replay_key(&key, &ctx->base, dispatch->request_id);
    enum kt_status found = store_get(ctx->base.txn, key_slice(&key), &bytes);
    if (found == KT_NOT_FOUND)
        return false;
    *status = found == KT_OK ? replay(ctx, dispatch, bytes) : store_failed(&ctx->base);
    return true;
}

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}

enum kt_status replay_keep(struct engine_ctx *ctx, const struct dispatch *dispatch)
{
    struct kt_ctx *base = &ctx->base;
    struct key key;
    msgpack_sbuffer row;
    msgpack_packer packer;
    if (!dispatch->request_id)
        return KT_OK;
    msgpack_sbuffer_init(&row);
    msgpack_packer_init(&packer, &row, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 2);
    pack_text(&packer, "method");
    pack_text(&packer, dispatch->method->name);
    pack_text(&packer, "reply");
    msgpack_pack_bin_with_body(&packer, base->reply.data, base->reply.size);
    replay_key(&key, base, dispatch->request_id);
    enum kt_status status =
        store_put(base->txn, key_slice(&key), (struct store_slice){row.data, row.size});
    msgpack_sbuffer_destroy(&row);
    age_key(&key, base, dispatch->request_id);
    if (status == KT_OK)
        status = store_put(base->txn, key_slice(&key), (struct store_slice){"", 0});
    return status == KT_OK ? KT_OK : store_failed(base);
}

/* The first row of the age table, if it is old enough: its own key, and that of what it tells of.
 */
static bool oldest(struct kt_ctx *ctx, struct key *age, struct key *request)
{
    struct key prefix;
    struct store_cursor *cursor;
    struct store_slice found;
    int64_t at = 0;
    key_begin(&prefix, SPACE_REQUEST_AGE);
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return false;
    bool there = store_seek(cursor, key_slice(&prefix), &found, NULL) == KT_OK &&
                 key_has_prefix(found, key_slice(&prefix));
    if (there) {
        struct key_reader reader = key_read(found);
        there = key_read_int(&reader, &at) && at < kt_now(ctx) - KEEP_US;
        /* What follows the moment is the request's key without its space byte. */
        size_t rest = (size_t)(reader.end - reader.at);
        memcpy(age->bytes, found.at, found.size);
        age->size = (uint16_t)found.size;
        key_begin(request, SPACE_REQUEST);
        memcpy(request->bytes + request->size, reader.at, rest);
        request->size = (uint16_t)(request->size + rest);
    }
    store_cursor_close(cursor);
    return there;
}

enum kt_status replay_forget_old(struct kt_ctx *ctx)
{
    struct key age, request;
    for (int i = 0; i < FORGET_BATCH && oldest(ctx, &age, &request); i++) {
        if (store_del(ctx->txn, (struct store_slice){age.bytes, age.size}) != KT_OK)
            return store_failed(ctx);
        enum kt_status status =
            store_del(ctx->txn, (struct store_slice){request.bytes, request.size});
        if (status != KT_OK && status != KT_NOT_FOUND)
            return store_failed(ctx);
    }
    return KT_OK;
}
