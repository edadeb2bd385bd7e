/* Columns of a table of text: which field each one fills. People write what they see, so a column
 * may carry the label of its field, in either language, instead of its name. */
#include <string.h>
#include <strings.h>

#include "kontor/limits.h"
#include "record/import.h"

#define NEAR_MAX       3 /* Suggestions in one message. */
#define NEAR_DISTANCE  2 /* Letters that may differ. */
#define NEAR_NAME_SIZE 64

static bool is_text(const char *text, const char *bytes, size_t length)
{
    return text && strlen(text) == length && memcmp(text, bytes, length) == 0;
}

static bool is_label(const struct kt_label *label, const char *bytes, size_t length)
{
    return (label->en && strlen(label->en) == length &&
            strncasecmp(label->en, bytes, length) == 0) ||
           is_text(label->zh, bytes, length);
}

/* Names win over labels. */
static const struct schema_field *find_field(const struct schema_field *fields, size_t count,
                                             const char *bytes, size_t length)
{
    for (size_t i = 0; i < count; i++)
        if (is_text(fields[i].decl->name, bytes, length))
            return &fields[i];
    for (size_t i = 0; i < count; i++)
        if (is_label(&fields[i].decl->label, bytes, length))
            return &fields[i];
    return NULL;
}

const struct schema_field *import_field(const struct schema_entity *entity, const char *name,
                                        size_t length)
{
    return find_field(entity->fields, entity->field_count, name, length);
}

/* --- Near matches --- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Letters to change, add or drop to make one of the other (Levenshtein), case aside. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NEAR_NAME_SIZE + 1];
    size_t a_length = strlen(a), b_length = strlen(b);
    if (a_length > NEAR_NAME_SIZE || b_length > NEAR_NAME_SIZE)
        return NEAR_NAME_SIZE;
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t above = row[j];
            size_t change = diagonal + (strncasecmp(&a[i - 1], &b[j - 1], 1) != 0);
            row[j] = smaller(change, smaller(above, row[j - 1]) + 1);
            diagonal = above;
        }
    }
    return row[b_length];
}

static bool is_near(const char *given, const char *name)
{
    size_t length = strlen(given);
    if (!name || !length)
        return false;
    return distance(given, name) <= (length > 3 ? NEAR_DISTANCE : 1) ||
           (length > 2 && (strncasecmp(name, given, length) == 0 ||
                           (strlen(name) > 2 && strncasecmp(name, given, strlen(name)) == 0)));
}

/* "price, unit_price", or "". */
static const char *near_names(struct kt_ctx *ctx, const struct schema_field *fields, size_t count,
                              const char *given)
{
    const char *list = "";
    for (size_t i = 0, found = 0; i < count && found < NEAR_MAX; i++) {
        const struct kt_field *decl = fields[i].decl;
        if (!is_near(given, decl->name) && !is_near(given, decl->label.en) &&
            !is_near(given, decl->label.zh))
            continue;
        list = kt_format(ctx, "%s%s%s", list, found ? ", " : "", decl->name);
        found++;
    }
    return list;
}

static enum kt_status refuse_unknown(struct kt_ctx *ctx, const struct schema_entity *entity,
                                     const struct schema_field *lines, const char *whole,
                                     const char *part)
{
    const char *near = lines ? near_names(ctx, lines->lines, lines->line_count, part)
                             : near_names(ctx, entity->fields, entity->field_count, part);
    const char *quoted = context_quote(ctx, whole, strlen(whole));
    if (*near)
        return kt_fail(ctx, KT_INVALID, whole, "%s has no field %s: is it %s?",
                       "%s 没有字段 %s：是否为 %s？", entity->name, quoted, near);
    return kt_fail(ctx, KT_INVALID, whole,
                   "%s has no field %s: see its description for those it has",
                   "%s 没有字段 %s：请查看其说明中的字段", entity->name, quoted);
}

/* --- One column --- */

const struct schema_index *import_index(const struct schema_entity *entity,
                                        const struct schema_field *field, bool any)
{
    for (size_t i = 0; i < entity->index_count; i++) {
        const struct schema_index *index = &entity->indexes[i];
        if (index->paths[0].field == field && !index->many &&
            ((index->unique && index->path_count == 1) ||
             (any && !index->unique && !index->sparse)))
            return index;
    }
    return NULL;
}

static bool is_readonly(const struct kt_field *decl)
{
    return ((decl->flags & KT_ON_READ) || schema_field_is_readonly(decl)) && !decl->sequence;
}

static bool is_no_text(const struct kt_field *decl)
{
    return decl->type == KT_JSON || decl->type == KT_FILE || decl->type == KT_LINES;
}

bool import_can_write(const struct schema_field *field)
{
    return field->decl->type != KT_STATE && !is_readonly(field->decl) && !is_no_text(field->decl);
}

static enum kt_status check_field(struct kt_ctx *ctx, const struct schema_field *field,
                                  const char *path)
{
    const struct kt_field *decl = field->decl;
    if (decl->type == KT_STATE)
        return kt_fail(ctx, KT_INVALID, path,
                       "%s changes only by transitions: leave the column out",
                       "%s 只能通过状态转换更改：请去掉此列", path);
    if (is_readonly(decl))
        return kt_fail(ctx, KT_INVALID, path, "%s is read-only: leave the column out",
                       "%s 为只读：请去掉此列", path);
    if (is_no_text(decl))
        return kt_fail(ctx, KT_INVALID, path, "%s cannot be written as the text of one cell",
                       "%s 无法以单元格文本表示", path);
    return KT_OK;
}

const char *import_column_name(struct kt_ctx *ctx, const struct import_column *column)
{
    if (!column->field)
        return "#";
    return kt_format(ctx, "%s%s%s%s%s", column->field->decl->name, column->line ? "." : "",
                     column->line ? column->line->decl->name : "", column->by ? "." : "",
                     column->by ? column->by->decl->name : "");
}

/* Who finds a record by what it is called learns that it is there. */
enum kt_status import_check_target(struct kt_ctx *ctx, const struct import_column *column)
{
    const struct schema_entity *target = (column->line ? column->line : column->field)->target;
    const char *name = import_column_name(ctx, column);
    if (ctx->host->may(ctx, kt_format(ctx, "%s.read", target->name)))
        return KT_OK;
    return kt_fail(ctx, KT_DENIED, name,
                   "%s names records of %s, which you may not read: give their #id",
                   "%s 按名称引用 %s，您无权读取：请使用 #编号", name, target->name);
}

/* A user who may not see what is in a field would learn it from what a value given for it does:
 * nothing, when it is there already. */
enum kt_status import_column_check(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const struct import_column *column)
{
    const char *name = import_column_name(ctx, column);
    const struct schema_field *field = column->line ? column->line : column->field;
    if (!field)
        return KT_OK;
    KT_TRY(check_field(ctx, field, name));
    KT_TRY(record_mask_refuse(ctx, entity, column->field, name));
    KT_TRY(record_mask_refuse(ctx, entity, field, name));
    if (!column->by)
        return KT_OK;
    KT_TRY(import_check_target(ctx, column));
    return record_mask_refuse(ctx, field->target, column->by, name);
}

/* What follows a reference's name: the field that names its target. */
static enum kt_status read_by(struct kt_ctx *ctx, const char *whole, const char *rest,
                              struct import_column *column)
{
    const struct schema_field *field = column->line ? column->line : column->field;
    const struct schema_entity *target = field->target;
    if ((field->decl->type != KT_REF && field->decl->type != KT_REFS) || !target)
        return kt_fail(ctx, KT_INVALID, whole, "%s: %s is no reference", "%s：%s 不是引用",
                       context_quote(ctx, whole, strlen(whole)), field->decl->name);
    column->by = find_field(target->fields, target->field_count, rest, strlen(rest));
    if (!column->by)
        return refuse_unknown(ctx, target, NULL, whole, rest);
    if (column->by->decl->type != KT_TEXT ||
        !import_index(target, column->by, column->by == target->title))
        return kt_fail(ctx, KT_INVALID, whole, "%s: %s of %s is no unique text",
                       "%s：%s（%s）不是唯一文本", whole, column->by->decl->name, target->name);
    return KT_OK;
}

static enum kt_status read_line_part(struct kt_ctx *ctx, const struct schema_entity *entity,
                                     const char *whole, const char *rest,
                                     struct import_column *column)
{
    const struct schema_field *lines = column->field;
    const char *dot = strchr(rest, '.');
    column->line = find_field(lines->lines, lines->line_count, rest, strlen(rest));
    if (column->line)
        return KT_OK;
    if (dot)
        column->line = find_field(lines->lines, lines->line_count, rest, (size_t)(dot - rest));
    return column->line ? read_by(ctx, whole, dot + 1, column)
                        : refuse_unknown(ctx, entity, lines, whole, rest);
}

static enum kt_status read_column(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const char *name, struct import_column *out)
{
    const char *dot = strchr(name, '.');
    *out = (struct import_column){.field = NULL};
    if (strcmp(name, "#") == 0)
        return KT_OK;
    out->field = import_field(entity, name, strlen(name));
    if (!out->field && dot) {
        out->field = import_field(entity, name, (size_t)(dot - name));
        if (out->field && out->field->decl->type == KT_LINES)
            return read_line_part(ctx, entity, name, dot + 1, out);
        if (out->field)
            return read_by(ctx, name, dot + 1, out);
    }
    return out->field ? KT_OK : refuse_unknown(ctx, entity, NULL, name, name);
}

static enum kt_status check_against(struct kt_ctx *ctx, const struct import_column *columns,
                                    size_t at, const char *name)
{
    for (size_t i = 0; i < at; i++) {
        if (columns[i].field == columns[at].field && columns[i].line == columns[at].line)
            return kt_fail(ctx, KT_INVALID, name, "two columns fill %s", "有两列填充 %s",
                           import_column_name(ctx, &columns[at]));
        if (columns[i].line && columns[at].line && columns[i].field != columns[at].field)
            return kt_fail(ctx, KT_INVALID, name, "%s: one table has one list of lines",
                           "%s：一个表格只能包含一个行列表", name);
    }
    return KT_OK;
}

enum kt_status import_columns_read(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const msgpack_object *names, struct import_column **out,
                                   size_t *out_count)
{
    size_t count = names && names->type == MSGPACK_OBJECT_ARRAY ? names->via.array.size : 0;
    if (count == 0 || count > KT_LIMIT_IMPORT_COLUMNS)
        return kt_fail(ctx, KT_INVALID, "columns", "columns is a list of 1 to %u field names",
                       "columns 应为 1 到 %u 个字段名的列表", KT_LIMIT_IMPORT_COLUMNS);
    *out_count = count;
    *out = kt_alloc(ctx, sizeof(**out) * count);
    for (size_t i = 0; i < count; i++) {
        const msgpack_object *given = &names->via.array.ptr[i];
        if (given->type != MSGPACK_OBJECT_STR)
            return kt_fail(ctx, KT_INVALID, "columns", "column %zu has no name",
                           "第 %zu 列没有名称", i + 1);
        const char *name = kt_format(ctx, "%.*s", (int)given->via.str.size, given->via.str.ptr);
        KT_TRY(read_column(ctx, entity, name, &(*out)[i]));
        KT_TRY(check_against(ctx, *out, i, name));
    }
    return KT_OK;
}
