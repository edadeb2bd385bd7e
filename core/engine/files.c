/* file.*: contents of files, sent and fetched in chunks. Whoever has logged in may send; a content
 * is fetched through the record that refers to it, by whoever may read that. */
#include <string.h>

#include "engine/engine_internal.h"
#include "file/file.h"
#include "kontor/limits.h"

#define UPLOAD_KEPT_US ((kt_instant_us)24 * 3600 * 1000000)
#define SWEEP_CHUNKS   256

static enum kt_status store_failed(struct kt_ctx *ctx)
{
    return kt_fail(ctx, KT_INTERNAL, NULL, "the store failed", "存储失败");
}

static enum kt_status no_upload(struct kt_ctx *ctx, uint64_t upload)
{
    return kt_fail(ctx, KT_NOT_FOUND, "upload", "you have no upload %llu: begin with file.begin",
                   "您没有上传 %llu：请先调用 file.begin", (unsigned long long)upload);
}

enum kt_status files_begin(struct kt_ctx *ctx, const msgpack_object *params)
{
    uint64_t upload;
    struct kt_map *answer = kt_map_new(ctx);
    (void)params;
    enum kt_status status = file_begin(ctx->txn, ctx->user_id, ctx->now, &upload);
    if (status == KT_BUSY)
        return kt_fail(
            ctx, KT_BUSY, NULL,
            "%u of your uploads wait for a record that refers to them; try again tomorrow",
            "您已有 %u 个上传尚未被记录引用，请明天再试", KT_LIMIT_UPLOADS);
    if (status != KT_OK)
        return store_failed(ctx);
    kt_map_set_id(answer, "upload", upload);
    kt_map_set_int(answer, "chunk_bytes", KT_LIMIT_FILE_CHUNK);
    kt_map_set_int(answer, "max_bytes", KT_LIMIT_FILE_BYTES);
    kt_reply_map(ctx, answer);
    return KT_OK;
}

enum kt_status files_append(struct kt_ctx *ctx, const msgpack_object *params)
{
    const msgpack_object *bytes = kt_get(params, "bytes");
    uint64_t upload = kt_get_id(params, "upload"), size;
    struct kt_map *answer = kt_map_new(ctx);
    if (bytes->type != MSGPACK_OBJECT_BIN || bytes->via.bin.size == 0)
        return kt_fail(ctx, KT_INVALID, "bytes", "bytes must be msgpack binary, not empty",
                       "bytes 必须是非空的 msgpack 二进制");
    struct store_slice chunk = {bytes->via.bin.ptr, bytes->via.bin.size};
    enum kt_status status = file_append(ctx->txn, upload, ctx->user_id,
                                        (uint64_t)kt_get_int(params, "offset"), chunk, &size);
    switch (status) {
    case KT_OK:
        kt_map_set_int(answer, "size", (int64_t)size);
        kt_reply_map(ctx, answer);
        return KT_OK;
    case KT_NOT_FOUND:
        return no_upload(ctx, upload);
    case KT_CONFLICT:
        return kt_fail(ctx, KT_CONFLICT, "offset",
                       "the next chunk begins at %llu; all chunks but the last have %u bytes",
                       "下一块应从 %llu 开始；除最后一块外每块为 %u 字节", (unsigned long long)size,
                       KT_LIMIT_FILE_CHUNK);
    case KT_TOO_LARGE:
        return kt_fail(
            ctx, KT_TOO_LARGE, "bytes", "a chunk has at most %u bytes, a file at most %u",
            "每块最多 %u 字节，文件最多 %u 字节", KT_LIMIT_FILE_CHUNK, KT_LIMIT_FILE_BYTES);
    default:
        return store_failed(ctx);
    }
}

enum kt_status files_finish(struct kt_ctx *ctx, const msgpack_object *params)
{
    uint64_t upload = kt_get_id(params, "upload");
    struct file_content content;
    char *hash = kt_alloc(ctx, FILE_HASH_LENGTH + 1);
    struct kt_map *answer = kt_map_new(ctx);
    enum kt_status status = file_finish(ctx->txn, upload, ctx->user_id, hash, &content);
    if (status == KT_NOT_FOUND)
        return no_upload(ctx, upload);
    if (status == KT_INVALID)
        return kt_fail(ctx, KT_INVALID, "upload", "the file is empty", "文件为空");
    if (status != KT_OK)
        return store_failed(ctx);
    if (kt_has(params, "hash") && !kt_is(params, "hash", hash))
        return kt_fail(ctx, KT_CONFLICT, "hash", "what arrived has the hash %s: send it again",
                       "收到的内容哈希为 %s：请重新发送", hash);
    kt_map_set_text(answer, "hash", hash);
    kt_map_set_int(answer, "size", (int64_t)content.size);
    kt_reply_map(ctx, answer);
    return KT_OK;
}

/* --- Fetching --- */

static enum kt_status find_value(struct kt_ctx *ctx, const struct schema_entity *entity,
                                 const msgpack_object *params, const msgpack_object **out)
{
    const char *name = kt_get_text(ctx, params, "field");
    uint64_t id = kt_get_id(params, "id");
    const msgpack_object *record;
    struct schema_path path;
    if (!schema_path(entity, name, &path) ||
        (path.line ? path.line : path.field)->decl->type != KT_FILE)
        return kt_fail(ctx, KT_INVALID, "field", "%s has no file called %s", "%s 没有文件字段 %s",
                       entity->name, name);
    KT_TRY(record_mask_refuse(ctx, entity, path.line ? path.line : path.field, name));
    KT_TRY(record_load(ctx, entity, id, &record));
    const char *own = path.field->decl->name;
    if (path.line) {
        record = kt_line(record, own, kt_get_id(params, "line"));
        own = path.line->decl->name;
    }
    *out = kt_get(record, own);
    if (!*out || (*out)->type != MSGPACK_OBJECT_MAP)
        return kt_fail(ctx, KT_NOT_FOUND, "field", "%s %llu has no %s", "%s %llu 没有 %s",
                       entity->name, (unsigned long long)id, name);
    return KT_OK;
}

enum kt_status files_read(struct kt_ctx *ctx, const msgpack_object *params)
{
    const struct schema_entity *entity;
    const msgpack_object *value = NULL, *hash;
    struct file_content content;
    struct store_slice bytes;
    uint64_t offset = (uint64_t)kt_get_int(params, "offset");
    KT_TRY(records_find_entity(ctx, params, "read", &entity));
    KT_TRY(find_value(ctx, entity, params, &value));
    hash = kt_get(value, "hash");
    if (!hash || file_find(ctx->txn, hash->via.str.ptr, hash->via.str.size, &content) != KT_OK ||
        file_read(ctx->txn, &content, offset, &bytes) != KT_OK)
        return store_failed(ctx);
    struct kt_map *answer = kt_map_copy(ctx, value);
    msgpack_object chunk = {.type = MSGPACK_OBJECT_BIN,
                            .via.bin = {.size = (uint32_t)bytes.size, .ptr = bytes.at}};
    uint64_t next = offset + bytes.size;
    kt_map_set_int(answer, "offset", (int64_t)offset);
    kt_map_set(answer, "bytes", chunk);
    kt_map_set(answer, "next", next < content.size ? kt_id(next) : kt_nil());
    kt_reply_map(ctx, answer);
    return KT_OK;
}

/* --- Care --- */

enum kt_status files_sweep(struct kt_ctx *ctx)
{
    bool done;
    if (file_sweep(ctx->txn, ctx->now - UPLOAD_KEPT_US, SWEEP_CHUNKS, &done) != KT_OK)
        return store_failed(ctx);
    return KT_OK;
}
