/* Which columns an export has. Those that nobody chose are what an import can write, so that what
 * was exported can be read back. */
#include <string.h>

#include "kontor/limits.h"
#include "record/export.h"

/* --- Fields that were asked for --- */

static enum kt_status refuse_unknown(struct kt_ctx *ctx, const struct schema_entity *entity,
                                     const char *name)
{
    return kt_fail(ctx, KT_INVALID, name, "%s has no field %s", "%s 没有字段 %s", entity->name,
                   context_quote(ctx, name, strlen(name)));
}

static enum kt_status check_shown(struct kt_ctx *ctx, const struct schema_field *field,
                                  const char *name)
{
    enum kt_type type = field->decl->type;
    if (type == KT_LINES)
        return kt_fail(ctx, KT_INVALID, name, "%s is a list of lines: name its fields, as in %s.%s",
                       "%s 为明细：请指定其字段，例如 %s.%s", name, name,
                       field->lines[0].decl->name);
    if (type == KT_JSON || type == KT_FILE)
        return kt_fail(ctx, KT_INVALID, name, "%s cannot be written as the text of one cell",
                       "%s 无法以单元格文本表示", name);
    return KT_OK;
}

/* What stands behind a reference: any field that it leads to. */
static enum kt_status read_path(struct kt_ctx *ctx, const struct schema_field *reference,
                                const char *rest, struct export_column *column)
{
    const struct schema_entity *target = reference->target;
    const struct record_question asked = {.entity = target, .for_client = true};
    bool leads = reference->decl->type == KT_REF || reference->decl->type == KT_REFS;
    if (!leads || !target || !target->enabled)
        return kt_fail(ctx, KT_INVALID, column->name, "%s: %s leads to no record",
                       "%s：%s 不指向任何记录", column->name, reference->decl->name);
    if (!ctx->host->may(ctx, kt_format(ctx, "%s.read", target->name)))
        return kt_fail(ctx, KT_DENIED, column->name, "%s leads to %s, which you may not read",
                       "%s 指向 %s，您无权读取", column->name, target->name);
    column->follows = true;
    enum kt_status status = query_compile_path(ctx, &asked, rest, &column->path);
    if (status != KT_OK)
        ctx->error.field = column->name;
    KT_TRY(status);
    const struct schema_field *last = query_path_field(&column->path);
    if (column->path.line)
        return kt_fail(ctx, KT_INVALID, column->name, "%s leads to the lines of another record",
                       "%s 指向其他记录的明细", column->name);
    if (last && (last->decl->flags & KT_ON_READ))
        return kt_fail(ctx, KT_INVALID, column->name, "%s is computed when its record is read",
                       "%s 仅在读取其记录时计算", column->name);
    return last ? check_shown(ctx, last, column->name) : KT_OK;
}

static enum kt_status read_column(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const char *name, struct export_column *out)
{
    *out = (struct export_column){.name = name};
    if (strcmp(name, "#") == 0 || schema_own_field(name, strlen(name))) {
        out->own = name;
        return KT_OK;
    }
    const char *dot = strchr(name, '.');
    out->field = schema_field(entity, name, dot ? (size_t)(dot - name) : strlen(name));
    if (!out->field)
        return refuse_unknown(ctx, entity, name);
    KT_TRY(record_mask_refuse(ctx, entity, out->field, name));
    const struct schema_field *field = out->field;
    if (dot && field->decl->type == KT_LINES) {
        const char *part = dot + 1;
        dot = strchr(part, '.');
        field = schema_line_field(field, part, dot ? (size_t)(dot - part) : strlen(part));
        if (!field)
            return refuse_unknown(ctx, entity, name);
        KT_TRY(record_mask_refuse(ctx, entity, field, name));
        out->line = field;
    }
    return dot ? read_path(ctx, field, dot + 1, out) : check_shown(ctx, field, name);
}

static enum kt_status read_chosen(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const msgpack_object *fields, struct export_columns *out)
{
    if (fields->type != MSGPACK_OBJECT_ARRAY || fields->via.array.size == 0 ||
        fields->via.array.size > KT_LIMIT_IMPORT_COLUMNS)
        return kt_fail(ctx, KT_INVALID, "fields", "fields is a list of 1 to %u field names",
                       "fields 应为 1 到 %u 个字段名的列表", KT_LIMIT_IMPORT_COLUMNS);
    for (uint32_t i = 0; i < fields->via.array.size; i++) {
        const msgpack_object *given = &fields->via.array.ptr[i];
        struct export_column *column = &out->at[out->count++];
        if (given->type != MSGPACK_OBJECT_STR)
            return kt_fail(ctx, KT_INVALID, "fields", "fields[%u] is no text",
                           "fields[%u] 不是文本", i);
        const char *name = kt_format(ctx, "%.*s", (int)given->via.str.size, given->via.str.ptr);
        KT_TRY(read_column(ctx, entity, name, column));
        if (!column->line)
            continue;
        if (out->lines && out->lines != column->field)
            return kt_fail(ctx, KT_INVALID, name, "%s: one table has one list of lines",
                           "%s：一个表格只能包含一个行列表", name);
        out->lines = column->field;
    }
    return KT_OK;
}

/* --- Or all that an import can write --- */

static bool is_exported(const struct schema_field *field, bool masks)
{
    bool reference = field->decl->type == KT_REF || field->decl->type == KT_REFS;
    bool reachable = !reference || (field->target && field->target->enabled);
    return import_can_write(field) && reachable && !(masks && (field->decl->flags & KT_SENSITIVE));
}

static bool has_lines_to_write(const struct schema_field *field, bool masks)
{
    return field->decl->type == KT_LINES && !schema_field_is_readonly(field->decl) &&
           !(masks && (field->decl->flags & KT_SENSITIVE));
}

static enum kt_status choose_lines(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const msgpack_object *given, bool masks,
                                   const struct schema_field **out)
{
    const char *names = NULL;
    *out = NULL;
    if (given && given->type == MSGPACK_OBJECT_BOOLEAN && !given->via.boolean)
        return KT_OK;
    for (size_t i = 0; i < entity->field_count; i++) {
        const struct schema_field *field = &entity->fields[i];
        const msgpack_object name = kt_text(field->decl->name);
        if (!has_lines_to_write(field, masks) || (given && !kt_equal(given, &name)))
            continue;
        *out = field;
        names = names ? kt_format(ctx, "%s, %s", names, field->decl->name) : field->decl->name;
    }
    if (given && !*out)
        return kt_fail(ctx, KT_INVALID, "lines",
                       "lines is the name of a list of lines of %s, or false for none",
                       "lines 为 %s 的行列表名，或 false 表示不含行", entity->name);
    if (*out && strcmp(names, (*out)->decl->name) != 0)
        return kt_fail(ctx, KT_INVALID, "lines",
                       "%s has several lists of lines: name one of %s, or give false for none",
                       "%s 有多个行列表：请指定 %s 之一，或 false 表示不含行", entity->name, names);
    return KT_OK;
}

static void add(struct kt_ctx *ctx, struct export_columns *columns,
                const struct schema_field *field, const struct schema_field *line)
{
    const char *name = field->decl->name;
    columns->at[columns->count++] = (struct export_column){
        .name = line ? kt_format(ctx, "%s.%s", name, line->decl->name) : name,
        .field = field,
        .line = line};
}

/* Never empty, and no two records have the same: then its cell tells documents apart. */
static bool tells_apart(struct kt_ctx *ctx, const struct schema_entity *entity,
                        const struct schema_field *field)
{
    const struct kt_field *decl = field->decl;
    bool numbered = decl->sequence && (decl->flags & (KT_READONLY | KT_IMMUTABLE));
    const struct schema_index *index = import_index(entity, field, false);
    return index && (numbered || (decl->flags & KT_REQUIRED)) && record_index_is_whole(ctx, index);
}

static enum kt_status choose_all(struct kt_ctx *ctx, const struct schema_entity *entity,
                                 const msgpack_object *lines, struct export_columns *out)
{
    bool masks = record_masks(ctx, entity), apart = false;
    KT_TRY(choose_lines(ctx, entity, lines, masks, &out->lines));
    size_t line_count = out->lines ? out->lines->line_count : 0;
    out->at = kt_alloc(ctx, sizeof(*out->at) * (1 + entity->field_count + line_count));
    /* "#" comes first, and goes again when nobody needs it. */
    out->at[out->count++] = (struct export_column){.name = "#", .own = "#"};
    for (size_t i = 0; i < entity->field_count; i++) {
        const struct schema_field *field = &entity->fields[i];
        if (!is_exported(field, masks))
            continue;
        add(ctx, out, field, NULL);
        apart = apart || tells_apart(ctx, entity, field);
    }
    for (size_t i = 0; i < line_count; i++)
        if (is_exported(&out->lines->lines[i], masks))
            add(ctx, out, out->lines, &out->lines->lines[i]);
    if (!out->lines || apart) {
        out->at++;
        out->count--;
    }
    if (out->count == 0 || out->count > KT_LIMIT_IMPORT_COLUMNS)
        return kt_fail(ctx, KT_INVALID, "fields",
                       "%s has %zu fields that an import could write: name 1 to %u by fields",
                       "%s 有 %zu 个可导入字段：请用 fields 指定 1 到 %u 个", entity->name,
                       out->count, KT_LIMIT_IMPORT_COLUMNS);
    return KT_OK;
}

enum kt_status export_columns_read(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const msgpack_object *fields, const msgpack_object *lines,
                                   struct export_columns *out)
{
    *out = (struct export_columns){.count = 0};
    if (!fields)
        return choose_all(ctx, entity, lines, out);
    if (lines)
        return kt_fail(ctx, KT_INVALID, "lines",
                       "fields says which lines there are: leave lines out",
                       "fields 已指定行：请去掉 lines");
    out->at = kt_alloc(ctx, sizeof(*out->at) * KT_LIMIT_IMPORT_COLUMNS);
    return read_chosen(ctx, entity, fields, out);
}
