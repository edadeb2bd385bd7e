/* Rows of the store: record bytes and counters. */
#include <string.h>

#include "base/log.h"
#include "kontor/limits.h"
#include "record/migrate.h"
#include "record/record_internal.h"

enum kt_status record_store_failed(struct kt_ctx *ctx, enum kt_status status)
{
    if (status == KT_TOO_LARGE)
        return kt_fail(ctx, status, NULL, "the store is full", "存储空间已满");
    return kt_fail(ctx, KT_INTERNAL, NULL, "the store failed; see the server's log",
                   "存储失败，请查看服务器日志");
}

enum kt_status record_failed_at(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id)
{
    const struct context_error error = ctx->error;
    context_forgive(ctx);
    enum kt_status status =
        kt_fail(ctx, error.status, error.field, "%s %llu: %s%.0s", "%s 的记录 %llu：%.0s%s",
                entity->name, (unsigned long long)id, error.message, error.message_zh);
    context_error_details(ctx, error.details);
    ctx->error.entity = error.entity;
    ctx->error.rule = error.rule;
    return status;
}

void record_key(struct key *key, const struct schema_entity *entity, uint64_t id)
{
    key_begin(key, SPACE_RECORD);
    key_add_u32(key, entity->number);
    key_add_u64(key, id);
}

enum kt_status record_find_present(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   uint64_t id, struct store_slice *out)
{
    struct key key;
    record_key(&key, entity, id);
    enum kt_status status = store_get(ctx->txn, key_slice(&key), out);
    return status == KT_OK || status == KT_NOT_FOUND ? status : record_store_failed(ctx, status);
}

enum kt_status record_find(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                           struct store_slice *out)
{
    return ctx->as_of ? record_find_past(ctx, entity, id, out)
                      : record_find_present(ctx, entity, id, out);
}

bool record_exists(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id)
{
    struct store_slice bytes;
    return record_find(ctx, entity, id, &bytes) == KT_OK;
}

enum kt_status record_entity(struct kt_ctx *ctx, const char *name, size_t length,
                             const struct schema_entity **out)
{
    const struct schema_entity *entity = schema_entity(ctx->schema, name, length);
    if (!entity || !(entity->enabled || record_is_migrating(ctx, entity)))
        return kt_fail(ctx, KT_NOT_FOUND, "entity",
                       entity ? "the module of %s is not enabled" : "there is no entity %s",
                       entity ? "%s 所属模块未启用" : "没有实体 %s",
                       context_quote(ctx, name, length));
    *out = entity;
    return KT_OK;
}

enum kt_status record_bytes(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                            struct store_slice *out)
{
    enum kt_status status = record_find(ctx, entity, id, out);
    if (status == KT_NOT_FOUND)
        return kt_fail(ctx, KT_NOT_FOUND, "id",
                       ctx->as_of ? "there was no %s with id %llu then"
                                  : "there is no %s with id %llu",
                       ctx->as_of ? "当时 %s 编号 %llu 不存在" : "%s 编号 %llu 不存在",
                       entity->name, (unsigned long long)id);
    return status;
}

enum kt_status record_load(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                           const msgpack_object **out)
{
    struct store_slice bytes;
    KT_TRY(record_bytes(ctx, entity, id, &bytes));
    msgpack_object *record = kt_alloc(ctx, sizeof(*record));
    KT_TRY(context_unpack(ctx, bytes.at, bytes.size, ctx->writable, record));
    *out = record;
    return context_check_memory(ctx);
}

/* --- Counters --- */

static enum kt_status read_counter(struct kt_ctx *ctx, uint32_t number, struct key *key,
                                   uint64_t *out)
{
    struct store_slice bytes;
    *out = 0;
    key_begin(key, SPACE_COUNTER);
    key_add_u32(key, number);
    enum kt_status status = store_get(ctx->txn, key_slice(key), &bytes);
    if (status == KT_OK && bytes.size == sizeof(*out))
        memcpy(out, bytes.at, sizeof(*out));
    else if (status != KT_NOT_FOUND)
        return record_store_failed(ctx, KT_INTERNAL);
    return KT_OK;
}

static enum kt_status write_counter(struct kt_ctx *ctx, const struct key *key, uint64_t value)
{
    enum kt_status status =
        store_put(ctx->txn, key_slice(key), (struct store_slice){&value, sizeof(value)});
    return status == KT_OK ? KT_OK : record_store_failed(ctx, status);
}

static enum kt_status count_up(struct kt_ctx *ctx, uint32_t number, uint64_t *out)
{
    struct key key;
    uint64_t last;
    KT_TRY(read_counter(ctx, number, &key, &last));
    *out = last + 1;
    return write_counter(ctx, &key, *out);
}

enum kt_status record_count_up(struct kt_ctx *ctx, const char *counter, uint64_t *out)
{
    uint32_t number;
    enum kt_status status = catalog_number(ctx->txn, counter, &number);
    return status == KT_OK ? count_up(ctx, number, out) : record_store_failed(ctx, status);
}

enum kt_status record_next_id(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t *out)
{
    return count_up(ctx, entity->ids, out);
}

enum kt_status record_last_id(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t *out)
{
    struct key key;
    return read_counter(ctx, entity->ids, &key, out);
}

enum kt_status record_last_id_write(struct kt_ctx *ctx, const struct schema_entity *entity,
                                    uint64_t last)
{
    struct key key;
    key_begin(&key, SPACE_COUNTER);
    key_add_u32(&key, entity->ids);
    return write_counter(ctx, &key, last);
}

/* --- Bytes --- */

/* Size of a msgpack unsigned integer by its first byte. */
static size_t integer_size(uint8_t first)
{
    return first < 0x80                     ? 1
           : first >= 0xcc && first <= 0xcf ? 1 + ((size_t)1 << (first - 0xcc))
                                            : 0;
}

/* Skips `name` and the integer behind it; NULL when they are not there. What follows in an archived
 * record has 10 bytes, so that a shorter rest is of no interest. */
static const uint8_t *skip_integer(const uint8_t *at, const uint8_t *end, const char *name)
{
    size_t length = strlen(name);
    if (!at || (size_t)(end - at) < length + 10 || *at != (0xa0 | length) ||
        memcmp(at + 1, name, length) != 0)
        return NULL;
    size_t size = integer_size(at[1 + length]);
    return size ? at + 1 + length + size : NULL;
}

bool record_is_archived(struct store_slice bytes)
{
    static const char mark[] = "\xa8"
                               "archived\xc3";
    const uint8_t *at = bytes.at, *end = at + bytes.size;
    size_t header = bytes.size == 0 ? 0 : *at == 0xde ? 3 : *at == 0xdf ? 5 : 1;
    if (bytes.size < header)
        return false;
    at = skip_integer(skip_integer(at + header, end, "id"), end, "version");
    return at && (size_t)(end - at) >= sizeof(mark) - 1 && memcmp(at, mark, sizeof(mark) - 1) == 0;
}

enum kt_status record_unpack_whole(struct kt_ctx *ctx, uint64_t id, struct store_slice bytes,
                                   bool copy, msgpack_object *out)
{
    KT_TRY(context_unpack(ctx, bytes.at, bytes.size, copy, out));
    if (out->type != MSGPACK_OBJECT_MAP || kt_get_id(out, "id") != id)
        return kt_fail(ctx, KT_INTERNAL, NULL, "stored bytes are not the record",
                       "已存储的数据不是该记录");
    return KT_OK;
}

static bool is_stored(const msgpack_object *record, const char *name)
{
    return kt_has(record, name);
}

static size_t count_asleep(struct kt_names asleep, const msgpack_object *record)
{
    size_t count = 0;
    for (size_t i = 0; i < asleep.count; i++)
        count += is_stored(record, asleep.at[i]);
    return count;
}

static void pack_asleep(msgpack_packer *packer, struct kt_names asleep,
                        const msgpack_object *record)
{
    for (size_t i = 0; i < asleep.count; i++) {
        const msgpack_object *value = kt_get(record, asleep.at[i]);
        if (!value)
            continue;
        msgpack_pack_str_with_body(packer, asleep.at[i], strlen(asleep.at[i]));
        msgpack_pack_object(packer, *value);
    }
}

static void pack_lines(msgpack_packer *packer, const struct schema_field *field,
                       const msgpack_object *lines)
{
    msgpack_pack_array(packer, lines->via.array.size);
    for (uint32_t i = 0; i < lines->via.array.size; i++) {
        const msgpack_object *line = &lines->via.array.ptr[i];
        size_t count = is_stored(line, "id") + count_asleep(field->asleep, line);
        for (size_t f = 0; f < field->line_count; f++)
            count += is_stored(line, field->lines[f].decl->name);
        msgpack_pack_map(packer, count);
        if (is_stored(line, "id")) {
            msgpack_pack_str_with_body(packer, "id", 2);
            msgpack_pack_object(packer, *kt_get(line, "id"));
        }
        for (size_t f = 0; f < field->line_count; f++) {
            const char *name = field->lines[f].decl->name;
            const msgpack_object *value = kt_get(line, name);
            if (!value)
                continue;
            msgpack_pack_str_with_body(packer, name, strlen(name));
            msgpack_pack_object(packer, *value);
        }
        pack_asleep(packer, field->asleep, line);
    }
}

void record_pack_value(msgpack_packer *packer, const struct schema_field *field,
                       const msgpack_object *value)
{
    if (field->decl->type == KT_LINES && value->type == MSGPACK_OBJECT_ARRAY)
        pack_lines(packer, field, value);
    else
        msgpack_pack_object(packer, *value);
}

/* In the order of the fields, whichever lost its line first. */
static void pack_last_line(msgpack_packer *packer, const struct schema_entity *entity,
                           const msgpack_object *last_line)
{
    size_t count = 0;
    for (size_t i = 0; i < entity->field_count; i++)
        count += is_stored(last_line, entity->fields[i].decl->name);
    msgpack_pack_map(packer, count);
    for (size_t i = 0; i < entity->field_count; i++) {
        const char *name = entity->fields[i].decl->name;
        if (!is_stored(last_line, name))
            continue;
        msgpack_pack_str_with_body(packer, name, strlen(name));
        msgpack_pack_uint64(packer, kt_get_id(last_line, name));
    }
}

void record_pack(msgpack_packer *packer, const struct schema_entity *entity, uint64_t id,
                 const msgpack_object *record)
{
    const msgpack_object *last_line = kt_get(record, "last_line");
    bool archived = kt_get_bool(record, "archived");
    size_t count = 2u + archived + (last_line != NULL) + count_asleep(entity->asleep, record);
    for (size_t i = 0; i < entity->field_count; i++)
        count += is_stored(record, entity->fields[i].decl->name);
    msgpack_pack_map(packer, count);
    msgpack_pack_str_with_body(packer, "id", 2);
    msgpack_pack_uint64(packer, id);
    msgpack_pack_str_with_body(packer, "version", 7);
    msgpack_pack_uint64(packer, kt_get_id(record, "version"));
    if (archived) { /* Third, where record_is_archived looks for it. */
        msgpack_pack_str_with_body(packer, "archived", 8);
        msgpack_pack_true(packer);
    }
    if (last_line) {
        msgpack_pack_str_with_body(packer, "last_line", 9);
        pack_last_line(packer, entity, last_line);
    }
    for (size_t i = 0; i < entity->field_count; i++) {
        const char *name = entity->fields[i].decl->name;
        const msgpack_object *value = kt_get(record, name);
        if (!value)
            continue;
        msgpack_pack_str_with_body(packer, name, strlen(name));
        record_pack_value(packer, &entity->fields[i], value);
    }
    pack_asleep(packer, entity->asleep, record);
}

static enum kt_status put_bytes(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                                const msgpack_sbuffer *buffer)
{
    struct key key;
    if (buffer->size > KT_LIMIT_RECORD_BYTES)
        return kt_fail(ctx, KT_TOO_LARGE, NULL, "a %s may have at most %u bytes", "%s 最多 %u 字节",
                       entity->name, KT_LIMIT_RECORD_BYTES);
    record_key(&key, entity, id);
    enum kt_status status =
        store_put(ctx->txn, key_slice(&key), (struct store_slice){buffer->data, buffer->size});
    return status == KT_OK ? KT_OK : record_store_failed(ctx, status);
}

enum kt_status record_put(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                          const msgpack_object *record)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    record_pack(&packer, entity, id, record);
    enum kt_status status = put_bytes(ctx, entity, id, &buffer);
    msgpack_sbuffer_destroy(&buffer);
    return status;
}

enum kt_status record_put_as_is(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                                const msgpack_object *record)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_object(&packer, *record);
    enum kt_status status = put_bytes(ctx, entity, id, &buffer);
    msgpack_sbuffer_destroy(&buffer);
    return status;
}
