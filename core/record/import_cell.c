/* One cell of text becomes a value: what people write of numbers, moments, lists and references. */
#include "record/import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool import_cell_is_blank(const msgpack_object *cell)
{
    return !cell || cell->type == MSGPACK_OBJECT_NIL ||
           (cell->type == MSGPACK_OBJECT_STR && cell->via.str.size == 0);
}

/* FNV-1a, 64 bits. */
uint64_t import_mark(const struct key *key)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < key->size; i++)
        value = (value ^ key->bytes[i]) * UINT64_C(0x100000001b3);
    return value;
}

msgpack_object import_error(struct kt_ctx *ctx, const struct context_error *error, size_t row)
{
    struct kt_map *map = kt_map_new(ctx);
    kt_map_set_int(map, "row", (int64_t)row);
    kt_map_set_text(map, "code", kt_status_code(error->status));
    kt_map_set_text(map, "message", error->message);
    kt_map_set_text(map, "message_zh", error->message_zh);
    if (error->entity)
        kt_map_set_text(map, "entity", error->entity);
    if (error->field)
        kt_map_set_text(map, "field", error->field);
    if (error->rule)
        kt_map_set_text(map, "rule", error->rule);
    if (error->details.type == MSGPACK_OBJECT_MAP)
        kt_map_set(map, "details", error->details);
    return map->object;
}

/* --- References --- */

static void begin_key(struct key *key, const struct schema_index *index,
                      const msgpack_object *value)
{
    record_index_begin(key, index);
    record_key_add(key, index->paths[0].field, value);
}

/* A key with a cut text only begins like the value. */
static enum kt_status is_it(struct kt_ctx *ctx, const struct schema_index *index,
                            const struct key *key, uint64_t id, const msgpack_object *value,
                            bool *out)
{
    const msgpack_object *record;
    *out = true;
    if (!key->cut)
        return KT_OK;
    KT_TRY(record_load(ctx, index->entity, id, &record));
    *out = kt_equal(kt_get(record, index->paths[0].field->decl->name), value);
    return KT_OK;
}

/* How many records have the value (2 means several), and the id of the first. */
static enum kt_status look_up(struct kt_ctx *ctx, const struct schema_index *index,
                              const msgpack_object *value, uint64_t *id, unsigned *count)
{
    struct key key;
    struct store_cursor *cursor;
    struct store_slice found, bytes;
    begin_key(&key, index, value);
    *count = 0;
    if (key.overflow)
        return KT_OK;
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    enum kt_status status = KT_OK;
    enum kt_status moved = store_seek(cursor, key_slice(&key), &found, &bytes);
    while (status == KT_OK && moved == KT_OK && *count < 2 &&
           key_has_prefix(found, key_slice(&key))) {
        uint64_t here = record_key_id(found);
        bool same = false;
        if (index->unique)
            memcpy(&here, bytes.at, sizeof(here));
        status = is_it(ctx, index, &key, here, value, &same);
        if (same && ++*count == 1)
            *id = here;
        moved = store_next(cursor, &found, &bytes);
    }
    store_cursor_close(cursor);
    return status;
}

const struct schema_index *import_name(struct kt_ctx *ctx, const struct schema_entity *target,
                                       const struct schema_field *field)
{
    if (field->decl->type != KT_TEXT ||
        ((field->decl->flags & KT_SENSITIVE) && record_masks(ctx, target)))
        return NULL;
    return import_index(target, field, field == target->title);
}

static bool names_target(struct kt_ctx *ctx, const struct schema_entity *target, size_t field,
                         const struct schema_field *by, const struct schema_index **index)
{
    const struct schema_field *candidate = &target->fields[field];
    *index = by && by != candidate ? NULL : import_name(ctx, target, candidate);
    return *index != NULL;
}

enum kt_status import_find(struct kt_ctx *ctx, const struct schema_entity *target,
                           const struct schema_field *by, const msgpack_object *text, uint64_t *id,
                           unsigned *count)
{
    const struct schema_index *index;
    *count = 0;
    for (size_t i = 0; i < target->field_count && *count == 0; i++)
        if (names_target(ctx, target, i, by, &index))
            KT_TRY(look_up(ctx, index, text, id, count));
    return KT_OK;
}

static const char *text_of(struct kt_ctx *ctx, const msgpack_object *cell)
{
    return kt_format(ctx, "%.*s", (int)cell->via.str.size, cell->via.str.ptr);
}

static const char *quote(struct kt_ctx *ctx, const msgpack_object *cell)
{
    return context_quote(ctx, cell->via.str.ptr, cell->via.str.size);
}

static enum kt_status not_found(struct import_cells *cells, const struct schema_entity *target,
                                const struct import_column *column, const char *path,
                                const msgpack_object *cell)
{
    struct kt_ctx *ctx = cells->ctx;
    enum kt_status status = kt_fail(ctx, KT_INVALID, path, "%s: there is no %s called %s",
                                    "%s：%s 中没有 %s", path, target->name, quote(ctx, cell));
    if (!cells->pending || target != cells->entity || cells->pending_count == IMPORT_PENDING_MAX)
        return status;
    struct kt_list *keys = kt_list_new(ctx);
    const struct schema_index *index;
    for (size_t i = 0; i < target->field_count; i++) {
        struct key key;
        if (!names_target(ctx, target, i, column->by, &index))
            continue;
        begin_key(&key, index, cell);
        kt_list_add(keys, kt_id(import_mark(&key)));
    }
    cells->pending[cells->pending_count++] = (struct import_pending){
        .path = path, .keys = keys->object, .error = import_error(ctx, &ctx->error, 0)};
    context_forgive(ctx);
    return KT_OK;
}

bool import_is_id(const char *text, size_t length)
{
    size_t digits = 1;
    while (digits < length && text[digits] >= '0' && text[digits] <= '9')
        digits++;
    return length > 1 && text[0] == '#' && digits == length;
}

/* "#17" is an id; any other text is looked for in the fields that name the target, in their order.
 */
static enum kt_status find_target(struct import_cells *cells, const struct import_column *column,
                                  const char *path, const msgpack_object *cell, msgpack_object *out)
{
    struct kt_ctx *ctx = cells->ctx;
    const struct schema_field *field = column->line ? column->line : column->field;
    const struct schema_entity *target = field->target;
    uint64_t id = 0;
    unsigned count;
    *out = kt_nil();
    if (!target || !target->enabled)
        return kt_fail(ctx, KT_INVALID, path, "%s refers to %s, whose module is not enabled",
                       "%s 引用 %s，但其模块未启用", path, field->decl->to);
    if (import_is_id(cell->via.str.ptr, cell->via.str.size)) {
        *out = kt_id(strtoull(text_of(ctx, cell) + 1, NULL, 10));
        return KT_OK;
    }
    KT_TRY(import_check_target(ctx, column));
    KT_TRY(import_find(ctx, target, column->by, cell, &id, &count));
    if (count > 1)
        return kt_fail(
            ctx, KT_INVALID, path, "%s: several %s are called %s: give its number or #id",
            "%s：多个 %s 名为 %s：请给出编号或 #id", path, target->name, quote(ctx, cell));
    if (count == 0)
        return not_found(cells, target, column, path, cell);
    *out = kt_id(id);
    return KT_OK;
}

/* --- Lists: "red; dark blue"; a backslash takes the next character as it is. --- */

static msgpack_object next_item(struct kt_ctx *ctx, const char **at, const char *end)
{
    char *text = kt_alloc(ctx, (size_t)(end - *at) + 1);
    size_t length = 0, kept = 0; /* `kept`: up to the last character that is not a blank. */
    while (*at < end && **at == ' ')
        ++*at;
    for (; *at < end && **at != ';'; ++*at) {
        bool escaped = **at == '\\' && *at + 1 < end;
        *at += escaped;
        text[length++] = **at;
        if (escaped || **at != ' ')
            kept = length;
    }
    ++*at;
    return kt_text_of(text, kept);
}

static enum kt_status read_list(struct import_cells *cells, const struct import_column *column,
                                const char *path, const msgpack_object *cell, msgpack_object *out)
{
    struct kt_ctx *ctx = cells->ctx;
    const struct schema_field *field = column->line ? column->line : column->field;
    const char *at = cell->via.str.ptr, *end = at + cell->via.str.size;
    struct kt_list *list = kt_list_new(ctx);
    while (at < end) {
        msgpack_object item = next_item(ctx, &at, end);
        if (item.via.str.size == 0)
            continue;
        if (field->decl->type == KT_REFS) {
            msgpack_object id;
            const char *place = kt_format(ctx, "%s[%u]", path, list->object.via.array.size);
            KT_TRY(find_target(cells, column, place, &item, &id));
            item = id;
        }
        if (item.type != MSGPACK_OBJECT_NIL)
            kt_list_add(list, item);
    }
    *out = list->object;
    return KT_OK;
}

/* --- Single values --- */

static bool is_any(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return false;
}

static enum kt_status read_bool(struct kt_ctx *ctx, const char *path, const char *text,
                                msgpack_object *out)
{
    static const char *const yes[] = {"true", "yes", "1", "是", "真"};
    static const char *const no[] = {"false", "no", "0", "否", "假"};
    bool is_yes = is_any(text, yes, KT_COUNT(yes));
    *out = kt_bool(is_yes);
    if (is_yes || is_any(text, no, KT_COUNT(no)))
        return KT_OK;
    return kt_fail(ctx, KT_INVALID, path, "%s must be true or false", "%s 必须为真或假", path);
}

static enum kt_status read_int(struct kt_ctx *ctx, const char *path, const char *text,
                               msgpack_object *out)
{
    char *end;
    errno = 0;
    *out = kt_int(strtoll(text, &end, 10));
    if (*end || end == text || errno)
        return kt_fail(ctx, KT_INVALID, path, "%s must be a whole number", "%s 必须是整数", path);
    return KT_OK;
}

/* "12,5" is 12.5 to some and 125 to others: nobody's guess is taken. */
static enum kt_status check_point(struct kt_ctx *ctx, const char *path, const char *text)
{
    if (!strchr(text, ','))
        return KT_OK;
    return kt_fail(ctx, KT_INVALID, path,
                   "%s: write %s with a point and without thousands, such as 1234.50",
                   "%s：%s 应使用小数点且不带千位分隔符，例如 1234.50", path,
                   context_quote(ctx, text, strlen(text)));
}

static enum kt_status read_instant(struct kt_ctx *ctx, const char *path, const char *text,
                                   msgpack_object *out)
{
    kt_instant_us at;
    if (!kt_instant_parse(text, strlen(text), &at))
        return kt_fail(ctx, KT_INVALID, path,
                       "%s must be a moment such as 2026-11-23T17:20:00Z, or a date",
                       "%s 必须是时刻（例如 2026-11-23T17:20:00Z）或日期", path);
    *out = kt_instant_value(ctx, at);
    return KT_OK;
}

enum kt_status import_cell_read(struct import_cells *cells, const struct import_column *column,
                                const char *path, const msgpack_object *cell, msgpack_object *out)
{
    struct kt_ctx *ctx = cells->ctx;
    const struct kt_field *decl = (column->line ? column->line : column->field)->decl;
    *out = *cell;
    if (cell->type != MSGPACK_OBJECT_STR)
        return KT_OK;
    switch (decl->type) {
    case KT_INT:
        return read_int(ctx, path, text_of(ctx, cell), out);
    case KT_BOOL:
        return read_bool(ctx, path, text_of(ctx, cell), out);
    case KT_INSTANT:
        return read_instant(ctx, path, text_of(ctx, cell), out);
    case KT_DECIMAL:
    case KT_MONEY:
    case KT_QUANTITY:
        return check_point(ctx, path, text_of(ctx, cell));
    case KT_TAGS:
    case KT_REFS:
        return read_list(cells, column, path, cell, out);
    case KT_REF:
        return find_target(cells, column, path, cell, out);
    default:
        return KT_OK;
    }
}
