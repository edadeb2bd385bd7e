/* record.import: rows of text become records.
 *
 * A column is a field or "lines.field". Rows whose other cells are empty or equal those of the row
 * before belong to the same document. A reference may be given by any unique text of its target (a
 * code, a number) or by "#id". One call is one transaction: a bad row refuses its whole chunk. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "kontor/limits.h"
#include "record/record_internal.h"

struct import {
    struct kt_ctx *ctx;
    const struct schema_entity *entity;
    struct schema_path *columns;
    size_t column_count;
    const msgpack_object *rows;
    const char *key;
    uint64_t created, updated;
};

static enum kt_status read_columns(struct import *import, const msgpack_object *params)
{
    struct kt_ctx *ctx = import->ctx;
    const struct schema_field *lines = NULL;
    import->column_count = kt_count(params, "columns");
    import->columns = kt_alloc(ctx, sizeof(*import->columns) * (import->column_count + 1));
    if (import->column_count == 0)
        return kt_fail(ctx, KT_INVALID, "columns", "columns is a list of field names",
                       "columns 应为字段名列表");
    for (size_t i = 0; i < import->column_count; i++) {
        const msgpack_object *given = kt_at(params, "columns", i);
        const char *name =
            given->type == MSGPACK_OBJECT_STR
                ? kt_format(ctx, "%.*s", (int)given->via.str.size, given->via.str.ptr)
                : "";
        if (!schema_path(import->entity, name, &import->columns[i]) ||
            (import->columns[i].field->decl->type == KT_LINES && !import->columns[i].line))
            return kt_fail(ctx, KT_INVALID, name, "%s has no field %s to import into",
                           "%s 没有可导入的字段 %s", import->entity->name, name);
        if (import->columns[i].line && lines && lines != import->columns[i].field)
            return kt_fail(ctx, KT_INVALID, name, "%s: one import fills one list of lines",
                           "%s：一次导入只能填充一个行列表", name);
        if (import->columns[i].line)
            lines = import->columns[i].field;
    }
    return KT_OK;
}

static enum kt_status find_target(struct kt_ctx *ctx, const struct schema_field *field,
                                  const char *path, const msgpack_object *cell, msgpack_object *out)
{
    const struct schema_entity *target = field->target;
    const char *text = kt_format(ctx, "%.*s", (int)cell->via.str.size, cell->via.str.ptr);
    if (!target || !target->enabled)
        return kt_fail(ctx, KT_INVALID, path, "%s refers to %s, whose module is not enabled",
                       "%s 引用 %s，但其模块未启用", path, field->decl->to);
    if (*text == '#') {
        *out = kt_id(strtoull(text + 1, NULL, 10));
        return KT_OK;
    }
    for (size_t i = 0; i < target->field_count; i++) {
        const struct kt_field *decl = target->fields[i].decl;
        const msgpack_object *found;
        if (decl->type != KT_TEXT || !(decl->flags & KT_UNIQUE) ||
            ((decl->flags & KT_SENSITIVE) && record_masks(ctx, target)))
            continue;
        KT_TRY(kt_record_find(ctx, target->name, decl->name, *cell, &found));
        if (found) {
            *out = kt_id(kt_get_id(found, "id"));
            return KT_OK;
        }
    }
    return kt_fail(ctx, KT_INVALID, path, "%s: there is no %s called %s", "%s：%s 中没有 %s", path,
                   target->name, text);
}

/* "red; blue" */
static struct kt_list *split(struct kt_ctx *ctx, const msgpack_object *cell)
{
    struct kt_list *parts = kt_list_new(ctx);
    const char *at = cell->via.str.ptr, *end = at + cell->via.str.size;
    while (at < end) {
        const char *stop = memchr(at, ';', (size_t)(end - at));
        stop = stop ? stop : end;
        while (at < stop && *at == ' ')
            at++;
        const char *last = stop;
        while (last > at && last[-1] == ' ')
            last--;
        if (last > at)
            kt_list_add(parts, kt_text_of(at, (size_t)(last - at)));
        at = stop + 1;
    }
    return parts;
}

static enum kt_status find_targets(struct kt_ctx *ctx, const struct schema_field *field,
                                   const char *path, const msgpack_object *cell,
                                   msgpack_object *out)
{
    struct kt_list *parts = split(ctx, cell);
    struct kt_list *ids = kt_list_new(ctx);
    for (uint32_t i = 0; i < parts->object.via.array.size; i++) {
        msgpack_object id;
        KT_TRY(find_target(ctx, field, kt_format(ctx, "%s[%u]", path, i),
                           &parts->object.via.array.ptr[i], &id));
        kt_list_add(ids, id);
    }
    *out = ids->object;
    return KT_OK;
}

static bool is_any(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return false;
}

static enum kt_status convert(struct kt_ctx *ctx, const struct schema_field *field,
                              const char *path, const msgpack_object *cell, msgpack_object *out)
{
    static const char *const yes[] = {"true", "yes", "1"}, *const no[] = {"false", "no", "0"};
    *out = *cell;
    if (cell->type != MSGPACK_OBJECT_STR)
        return KT_OK;
    if (cell->via.str.size == 0) {
        *out = kt_nil();
        return KT_OK;
    }
    const char *text = kt_format(ctx, "%.*s", (int)cell->via.str.size, cell->via.str.ptr);
    char *end = NULL;
    kt_date date;
    switch (field->decl->type) {
    case KT_INT:
        errno = 0;
        *out = kt_int(strtoll(text, &end, 10));
        return *end || errno ? kt_fail(ctx, KT_INVALID, path, "%s must be a whole number",
                                       "%s 必须是整数", path)
                             : KT_OK;
    case KT_BOOL:
        if (!is_any(text, yes, 3) && !is_any(text, no, 3))
            return kt_fail(ctx, KT_INVALID, path, "%s must be true or false", "%s 必须为真或假",
                           path);
        *out = kt_bool(is_any(text, yes, 3));
        return KT_OK;
    case KT_INSTANT:
        if (!kt_date_parse(text, strlen(text), &date))
            return kt_fail(ctx, KT_INVALID, path, "%s must be a date YYYY-MM-DD",
                           "%s 必须是 YYYY-MM-DD 格式的日期", path);
        *out = kt_instant_value(ctx, (kt_instant_us)date * 86400 * 1000000);
        return KT_OK;
    case KT_TAGS:
        *out = split(ctx, cell)->object;
        return KT_OK;
    case KT_REFS:
        return find_targets(ctx, field, path, cell, out);
    case KT_REF:
        return find_target(ctx, field, path, cell, out);
    default:
        return KT_OK;
    }
}

static const msgpack_object *cell_at(const struct import *import, size_t row, size_t column)
{
    const msgpack_object *cells = &import->rows->via.array.ptr[row];
    return column < cells->via.array.size ? &cells->via.array.ptr[column] : NULL;
}

static bool is_blank(const msgpack_object *cell)
{
    return !cell || cell->type == MSGPACK_OBJECT_NIL ||
           (cell->type == MSGPACK_OBJECT_STR && cell->via.str.size == 0);
}

static bool continues(const struct import *import, size_t first, size_t row)
{
    bool lines = false, same = true, blank = true;
    for (size_t c = 0; c < import->column_count; c++) {
        if (import->columns[c].line) {
            lines = true;
            continue;
        }
        const msgpack_object *cell = cell_at(import, row, c);
        const msgpack_object *before = cell_at(import, first, c);
        blank = blank && is_blank(cell);
        same = same &&
               ((is_blank(cell) && is_blank(before)) || (cell && before && kt_equal(cell, before)));
    }
    return lines && (same || blank);
}

static enum kt_status add_header(struct import *import, size_t row, struct kt_map *values)
{
    for (size_t c = 0; c < import->column_count; c++) {
        const struct schema_path *column = &import->columns[c];
        const msgpack_object *cell = cell_at(import, row, c);
        msgpack_object value;
        if (column->line || is_blank(cell))
            continue;
        KT_TRY(convert(import->ctx, column->field, column->field->decl->name, cell, &value));
        kt_map_set(values, column->field->decl->name, value);
    }
    return KT_OK;
}

static enum kt_status add_line(struct import *import, size_t row, struct kt_list *lines,
                               const char **field)
{
    struct kt_map *line = kt_map_new(import->ctx);
    for (size_t c = 0; c < import->column_count; c++) {
        const struct schema_path *column = &import->columns[c];
        const msgpack_object *cell = cell_at(import, row, c);
        msgpack_object value;
        if (!column->line)
            continue;
        *field = column->field->decl->name;
        if (is_blank(cell))
            continue;
        const char *path = kt_format(import->ctx, "%s[%u].%s", *field, lines->object.via.array.size,
                                     column->line->decl->name);
        KT_TRY(convert(import->ctx, column->line, path, cell, &value));
        kt_map_set(line, column->line->decl->name, value);
    }
    if (line->object.via.map.size)
        kt_list_add(lines, line->object);
    return KT_OK;
}

static enum kt_status save_document(struct import *import, const struct kt_map *values)
{
    const msgpack_object *there = NULL;
    if (import->key) {
        const msgpack_object *value = kt_get(&values->object, import->key);
        if (!value)
            return kt_fail(import->ctx, KT_INVALID, import->key, "%s is the key and must be given",
                           "%s 为键字段，必须提供", import->key);
        KT_TRY(kt_record_find(import->ctx, import->entity->name, import->key, *value, &there));
    }
    if (!there) {
        import->created++;
        return record_create(import->ctx, import->entity, &values->object, RECORD_BY_IMPORT, NULL);
    }
    struct kt_map *changes = kt_map_copy(import->ctx, &values->object);
    const struct schema_field *key = schema_field(import->entity, import->key, strlen(import->key));
    kt_map_remove(changes, key->decl->name);
    import->updated++;
    return record_update(import->ctx, import->entity, kt_get_id(there, "id"), 0, &changes->object,
                         RECORD_BY_IMPORT);
}

static enum kt_status import_document(struct import *import, size_t first, size_t *next)
{
    struct kt_map *values = kt_map_new(import->ctx);
    struct kt_list *lines = kt_list_new(import->ctx);
    const char *field = NULL;
    size_t row = first;
    KT_TRY(add_header(import, first, values));
    do {
        *next = row;
        KT_TRY(add_line(import, row, lines, &field));
        row++;
    } while (row < import->rows->via.array.size && continues(import, first, row));
    *next = first;
    if (field)
        kt_map_set(values, field, lines->object);
    KT_TRY(save_document(import, values));
    *next = row;
    return KT_OK;
}

static enum kt_status import_rows(struct import *import)
{
    struct kt_ctx *ctx = import->ctx;
    for (size_t row = 0; row < import->rows->via.array.size;) {
        size_t next = row;
        enum kt_status status = import_document(import, row, &next);
        if (status != KT_OK) {
            struct kt_map *details = kt_map_copy(ctx, &ctx->error.details);
            kt_map_set_int(details, "row", (int64_t)next);
            context_error_details(ctx, details->object);
            return status;
        }
        row = next;
    }
    return KT_OK;
}

/* Whether a record is found by a key tells what is in it. */
static enum kt_status check_key(const struct import *import)
{
    const struct schema_field *field =
        import->key ? schema_field(import->entity, import->key, strlen(import->key)) : NULL;
    return record_mask_refuse(import->ctx, import->entity, field, import->key);
}

enum kt_status record_import(struct kt_ctx *ctx, const struct schema_entity *entity,
                             const msgpack_object *params)
{
    struct import import = {.ctx = ctx, .entity = entity, .rows = kt_get(params, "rows")};
    if (!import.rows || import.rows->type != MSGPACK_OBJECT_ARRAY ||
        import.rows->via.array.size > KT_LIMIT_IMPORT_ROWS)
        return kt_fail(ctx, KT_INVALID, "rows", "rows is a list of at most %u rows",
                       "rows 应为最多 %u 行的列表", KT_LIMIT_IMPORT_ROWS);
    for (uint32_t i = 0; i < import.rows->via.array.size; i++)
        if (import.rows->via.array.ptr[i].type != MSGPACK_OBJECT_ARRAY)
            return kt_fail(ctx, KT_INVALID, "rows", "row %u is not a list of cells",
                           "第 %u 行不是单元格列表", i);
    if (kt_has(params, "key"))
        import.key = kt_get_text(ctx, params, "key");
    KT_TRY(read_columns(&import, params));
    KT_TRY(check_key(&import));
    KT_TRY(import_rows(&import));
    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set_int(answer, "rows", import.rows->via.array.size);
    kt_map_set_int(answer, "created", (int64_t)import.created);
    kt_map_set_int(answer, "updated", (int64_t)import.updated);
    kt_reply_map(ctx, answer);
    return KT_OK;
}
