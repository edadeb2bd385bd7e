/* request_id: a write that was answered is answered the same when it is sent again.
 *
 * The answer is stored in the transaction of the write, under the user and the id, so it survives a
 * restart exactly when the write does. With it goes a hash of what was asked: the same id with
 * other parameters is a mistake of the client and is refused. Only successes are kept: a refused
 * write changed nothing and may be tried again, and a dry run is no write. A second row, ordered by
 * time, tells what to forget; whoever keeps an answer forgets two that are too old, so that no rate
 * of writing lets them pile up. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine_internal.h"
#include "kontor/limits.h"
#include "record/space.h"

#define KEEP_US      ((kt_instant_us)24 * 3600 * 1000000)
#define FORGET_BATCH 10000
#define FORGET_ALONG 2

static enum kt_status store_failed(struct kt_ctx *ctx)
{
    return kt_fail(ctx, KT_INTERNAL, NULL, "the store failed", "存储失败");
}

static void add_request(struct key *key, const struct kt_ctx *ctx, const msgpack_object *id)
{
    key_add_u64(key, ctx->user_id);
    key_add_text(key, id->via.str.ptr, id->via.str.size);
}

static void replay_key(struct key *key, const struct kt_ctx *ctx, const msgpack_object *id)
{
    key_begin(key, SPACE_REQUEST);
    add_request(key, ctx, id);
}

static void age_key(struct key *key, const struct kt_ctx *ctx, const msgpack_object *id)
{
    key_begin(key, SPACE_REQUEST_AGE);
    key_add_int(key, ctx->now);
    add_request(key, ctx, id);
}

/* --- What was asked, as a hash --- */

static int hash_write(void *state, const char *bytes, size_t size)
{
    return crypto_generichash_update(state, (const unsigned char *)bytes, size);
}

static int by_key(const void *a, const void *b)
{
    const msgpack_object_str *left = &(*(const msgpack_object_kv *const *)a)->key.via.str;
    const msgpack_object_str *right = &(*(const msgpack_object_kv *const *)b)->key.via.str;
    uint32_t shorter = left->size < right->size ? left->size : right->size;
    int order = shorter ? memcmp(left->ptr, right->ptr, shorter) : 0;
    return order ? order : (left->size > right->size) - (left->size < right->size);
}

/* Clients need not send a map's keys in the same order twice. Depth is bounded by the message's. */
static void pack_sorted(struct kt_ctx *ctx, msgpack_packer *packer, const msgpack_object *value)
{
    if (value->type == MSGPACK_OBJECT_ARRAY) {
        msgpack_pack_array(packer, value->via.array.size);
        for (uint32_t i = 0; i < value->via.array.size; i++)
            pack_sorted(ctx, packer, &value->via.array.ptr[i]);
        return;
    }
    bool sortable = value->type == MSGPACK_OBJECT_MAP;
    for (uint32_t i = 0; sortable && i < value->via.map.size; i++)
        sortable = value->via.map.ptr[i].key.type == MSGPACK_OBJECT_STR;
    if (!sortable) {
        msgpack_pack_object(packer, *value);
        return;
    }
    uint32_t count = value->via.map.size;
    const msgpack_object_kv **pairs = kt_alloc(ctx, sizeof(*pairs) * (count + 1));
    for (uint32_t i = 0; i < count; i++)
        pairs[i] = &value->via.map.ptr[i];
    qsort(pairs, count, sizeof(*pairs), by_key);
    msgpack_pack_map(packer, count);
    for (uint32_t i = 0; i < count; i++) {
        msgpack_pack_object(packer, pairs[i]->key);
        pack_sorted(ctx, packer, &pairs[i]->val);
    }
}

/* Before the method runs: rules and hooks may edit parts of the parameters in place. */
static void hash_request(struct kt_ctx *ctx, struct dispatch *dispatch)
{
    crypto_generichash_state state;
    msgpack_packer packer;
    struct kt_map *own = kt_map_copy(ctx, dispatch->params);
    kt_map_remove(own, "request_id");
    kt_map_remove(own, "dry_run");
    crypto_generichash_init(&state, NULL, 0, DISPATCH_HASH_BYTES);
    msgpack_packer_init(&packer, &state, hash_write);
    pack_sorted(ctx, &packer, &own->object);
    crypto_generichash_final(&state, dispatch->hash, DISPATCH_HASH_BYTES);
}

/* --- Finding and keeping --- */

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
    const msgpack_object *asked = kt_get(&row, "hash");
    if (asked && asked->type == MSGPACK_OBJECT_BIN &&
        (asked->via.bin.size != DISPATCH_HASH_BYTES ||
         memcmp(asked->via.bin.ptr, dispatch->hash, DISPATCH_HASH_BYTES) != 0))
        return kt_fail(base, KT_CONFLICT, "request_id",
                       "this request_id was used for %s with other parameters; use a new one",
                       "此 request_id 已用于参数不同的 %s，请换用新的", dispatch->method->name);
    const msgpack_object *reply = kt_get(&row, "reply");
    msgpack_sbuffer_clear(&base->reply);
    if (reply && reply->type == MSGPACK_OBJECT_BIN)
        msgpack_sbuffer_write(&base->reply, reply->via.bin.ptr, reply->via.bin.size);
    return KT_OK;
}

bool replay_find(struct engine_ctx *ctx, struct dispatch *dispatch, enum kt_status *status)
{
    struct key key;
    struct store_slice bytes;
    if (!dispatch->request_id)
        return false;
    hash_request(&ctx->base, dispatch);
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

static enum kt_status put_row(struct kt_ctx *ctx, const struct dispatch *dispatch)
{
    struct key key;
    msgpack_sbuffer row;
    msgpack_packer packer;
    msgpack_sbuffer_init(&row);
    msgpack_packer_init(&packer, &row, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 3);
    pack_text(&packer, "method");
    pack_text(&packer, dispatch->method->name);
    pack_text(&packer, "hash");
    msgpack_pack_bin_with_body(&packer, dispatch->hash, DISPATCH_HASH_BYTES);
    pack_text(&packer, "reply");
    msgpack_pack_bin_with_body(&packer, ctx->reply.data, ctx->reply.size);
    replay_key(&key, ctx, dispatch->request_id);
    enum kt_status status =
        store_put(ctx->txn, key_slice(&key), (struct store_slice){row.data, row.size});
    msgpack_sbuffer_destroy(&row);
    age_key(&key, ctx, dispatch->request_id);
    if (status == KT_OK)
        status = store_put(ctx->txn, key_slice(&key), (struct store_slice){"", 0});
    return status == KT_OK ? KT_OK : store_failed(ctx);
}

static enum kt_status forget(struct kt_ctx *ctx, int most);

enum kt_status replay_keep(struct engine_ctx *ctx, const struct dispatch *dispatch)
{
    struct kt_ctx *base = &ctx->base;
    if (!dispatch->request_id)
        return KT_OK;
    if (base->reply.size > KT_LIMIT_KEPT_REPLY_BYTES)
        return kt_fail(base, KT_TOO_LARGE, "request_id",
                       "the answer has more than %u bytes and cannot be kept under a request_id: "
                       "ask for less at a time",
                       "应答超过 %u 字节，无法按 request_id 保存；请分次请求",
                       KT_LIMIT_KEPT_REPLY_BYTES);
    KT_TRY(put_row(base, dispatch));
    return forget(base, FORGET_ALONG);
}

/* --- Forgetting --- */

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

static enum kt_status forget(struct kt_ctx *ctx, int most)
{
    struct key age, request;
    for (int i = 0; i < most && oldest(ctx, &age, &request); i++) {
        if (store_del(ctx->txn, (struct store_slice){age.bytes, age.size}) != KT_OK)
            return store_failed(ctx);
        enum kt_status status =
            store_del(ctx->txn, (struct store_slice){request.bytes, request.size});
        if (status != KT_OK && status != KT_NOT_FOUND)
            return store_failed(ctx);
    }
    return KT_OK;
}

enum kt_status replay_forget_old(struct kt_ctx *ctx)
{
    return forget(ctx, FORGET_BATCH);
}
