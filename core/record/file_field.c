/* KT_FILE: what a record says of a file. The content lies in core/file and must be there before a
 * record refers to it; from then on it is kept. */
#include <string.h>

#include "file/file.h"
#include "record/record_internal.h"

#define NAME_MAX_BYTES  255
#define MEDIA_MAX_BYTES 127 /* RFC 6838 4.2 */

static enum kt_status refuse(struct kt_ctx *ctx, const char *path)
{
    return kt_fail(ctx, KT_INVALID, path,
                   "%s must be {hash, name, media_type} of a file sent with file.begin, "
                   "file.append and file.finish",
                   "%s 应为经 file.begin、file.append、file.finish 上传的文件 {hash, name, "
                   "media_type}",
                   path);
}

/* One line of at most `most` bytes; `required` unless absent. */
static bool is_plain(const msgpack_object *text, size_t most)
{
    if (!text)
        return true;
    if (text->type != MSGPACK_OBJECT_STR || text->via.str.size == 0 || text->via.str.size > most)
        return false;
    for (uint32_t i = 0; i < text->via.str.size; i++)
        if ((unsigned char)text->via.str.ptr[i] < 0x20 || text->via.str.ptr[i] == 0x7F)
            return false;
    return true;
}

static bool has_only_known(const msgpack_object *value)
{
    static const char *const known[] = {"hash", "name", "media_type", "size"};
    for (uint32_t i = 0; i < value->via.map.size; i++) {
        const msgpack_object *key = &value->via.map.ptr[i].key;
        bool found = false;
        for (size_t k = 0; k < KT_COUNT(known); k++)
            found = found ||
                    (key->type == MSGPACK_OBJECT_STR && key->via.str.size == strlen(known[k]) &&
                     memcmp(key->via.str.ptr, known[k], key->via.str.size) == 0);
        if (!found)
            return false;
    }
    return true;
}

enum kt_status record_file_check(struct kt_ctx *ctx, const char *path, const msgpack_object *value,
                                 msgpack_object *out)
{
    struct file_content content;
    const msgpack_object *hash = kt_get(value, "hash"), *name = kt_get(value, "name");
    const msgpack_object *media = kt_get(value, "media_type"), *size = kt_get(value, "size");
    if (value->type != MSGPACK_OBJECT_MAP || !has_only_known(value) || !hash ||
        hash->type != MSGPACK_OBJECT_STR || !name || !is_plain(name, NAME_MAX_BYTES) ||
        memchr(name->via.str.ptr, '/', name->via.str.size) || !is_plain(media, MEDIA_MAX_BYTES))
        return refuse(ctx, path);
    KT_TRY(record_text_check(ctx, NAME_MAX_BYTES, path, name));
    if (media)
        KT_TRY(record_text_check(ctx, MEDIA_MAX_BYTES, path, media));
    enum kt_status status = file_find(ctx->txn, hash->via.str.ptr, hash->via.str.size, &content);
    if (status == KT_NOT_FOUND)
        return kt_fail(ctx, KT_INVALID, path, "%s: no file with this hash was sent",
                       "%s：没有已上传的文件具有此哈希", path);
    if (status != KT_OK)
        return record_store_failed(ctx, status);
    if (size && (size->type != MSGPACK_OBJECT_POSITIVE_INTEGER || size->via.u64 != content.size))
        return kt_fail(ctx, KT_INVALID, path, "%s: the file has %llu bytes",
                       "%s：该文件为 %llu 字节", path, (unsigned long long)content.size);
    struct kt_map *map = kt_map_new(ctx);
    kt_map_set(map, "hash", *hash);
    kt_map_set(map, "name", *name);
    kt_map_set(map, "media_type", media ? *media : kt_text("application/octet-stream"));
    kt_map_set(map, "size", kt_id(content.size));
    *out = map->object;
    return KT_OK;
}

static enum kt_status keep(struct kt_ctx *ctx, const msgpack_object *value)
{
    struct file_content content;
    const msgpack_object *hash = kt_get(value, "hash");
    enum kt_status status =
        hash ? file_find(ctx->txn, hash->via.str.ptr, hash->via.str.size, &content) : KT_NOT_FOUND;
    if (status == KT_OK)
        status = file_keep(ctx->txn, &content);
    return status == KT_OK ? KT_OK : record_store_failed(ctx, status);
}

static enum kt_status keep_field(struct kt_ctx *ctx, const struct schema_field *field,
                                 const msgpack_object *record)
{
    const char *name = field->decl->name;
    if (field->decl->type == KT_FILE && kt_has(record, name))
        return keep(ctx, kt_get(record, name));
    for (size_t p = 0; p < field->line_count; p++) {
        const struct kt_field *part = field->lines[p].decl;
        for (size_t l = 0; part->type == KT_FILE && l < kt_count(record, name); l++) {
            const msgpack_object *line = kt_at(record, name, l);
            if (kt_has(line, part->name))
                KT_TRY(keep(ctx, kt_get(line, part->name)));
        }
    }
    return KT_OK;
}

enum kt_status record_files_keep(struct kt_ctx *ctx, const struct schema_entity *entity,
                                 const msgpack_object *old, const msgpack_object *record)
{
    for (size_t i = 0; entity->has_files && i < entity->field_count; i++) {
        const struct schema_field *field = &entity->fields[i];
        const char *name = field->decl->name;
        if (!old || !kt_equal(kt_get(old, name), kt_get(record, name)))
            KT_TRY(keep_field(ctx, field, record));
    }
    return KT_OK;
}
