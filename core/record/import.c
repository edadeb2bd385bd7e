/* record.import: rows of text become records.
 *
 * Rows whose other cells are empty or equal those of the row before belong to the same document.
 * Each document is a transaction within the request's, so that a bad one neither hides nor harms
 * the next; unless skip_bad was asked for, one bad document refuses them all. What a dry run cannot
 * know of a file that comes in many requests, it leaves marks for (import_mark): the unique values
 * that the rows would have made, and the references that such a value may satisfy. */
#include "record/import.h"

#include <stdlib.h>
#include <string.h>

#include "kontor/limits.h"

static const char *const outcome_words[IMPORT_OUTCOMES] = {"created", "updated", "unchanged"};

/* --- Rows of one document --- */

static const msgpack_object *cell_at(const struct import *import, size_t row, size_t column)
{
    const msgpack_object *cells = &import->rows->via.array.ptr[row];
    return column < cells->via.array.size ? &cells->via.array.ptr[column] : NULL;
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
        bool is_blank = import_cell_is_blank(cell);
        blank = blank && is_blank;
        same = same && ((is_blank && import_cell_is_blank(before)) ||
                        (cell && before && kt_equal(cell, before)));
    }
    return lines && (same || blank);
}

static size_t document_end(const struct import *import, size_t first)
{
    size_t row = first + 1;
    while (row < import->rows->via.array.size && continues(import, first, row))
        row++;
    return row;
}

/* --- Cells --- */

static enum kt_status read_cell(const struct import *import, struct import_document *document,
                                size_t row, size_t column, const char *path, msgpack_object *out)
{
    enum kt_status status = import_cell_read(&document->cells, &import->columns[column], path,
                                             cell_at(import, row, column), out);
    if (status == KT_OK || status == KT_DENIED || !context_may_go_on(import->ctx, status))
        return status;
    *out = kt_nil();
    import_note(import, document);
    return KT_OK;
}

static enum kt_status read_head(const struct import *import, struct import_document *document)
{
    for (size_t c = 0; c < import->column_count; c++) {
        const struct import_column *column = &import->columns[c];
        msgpack_object value;
        if (!column->field || column->line ||
            import_cell_is_blank(cell_at(import, document->first, c)))
            continue;
        const char *name = column->field->decl->name;
        KT_TRY(read_cell(import, document, document->first, c, name, &value));
        if (value.type != MSGPACK_OBJECT_NIL)
            kt_map_set(document->values, name, value);
    }
    return KT_OK;
}

static bool has_line(const struct import *import, size_t row)
{
    for (size_t c = 0; c < import->column_count; c++)
        if (import->columns[c].line && !import_cell_is_blank(cell_at(import, row, c)))
            return true;
    return false;
}

/* The line is there before its cells are read: what is wrong with them is told of its row. */
static enum kt_status read_line(const struct import *import, struct import_document *document,
                                size_t row)
{
    struct kt_ctx *ctx = import->ctx;
    struct kt_map *line = kt_map_new(ctx);
    msgpack_object_array *lines = &document->lines->object.via.array;
    uint32_t number = lines->size;
    if (!has_line(import, row))
        return KT_OK;
    document->line_rows[number] = row;
    kt_list_add(document->lines, line->object);
    for (size_t c = 0; c < import->column_count; c++) {
        const struct import_column *column = &import->columns[c];
        msgpack_object value;
        if (!column->line || import_cell_is_blank(cell_at(import, row, c)))
            continue;
        const char *path = kt_format(ctx, "%s[%u].%s", column->field->decl->name, number,
                                     column->line->decl->name);
        KT_TRY(read_cell(import, document, row, c, path, &value));
        if (value.type != MSGPACK_OBJECT_NIL)
            kt_map_set(line, column->line->decl->name, value);
    }
    lines->ptr[number] = line->object;
    return KT_OK;
}

static enum kt_status read_document(const struct import *import, struct import_document *document)
{
    struct kt_ctx *ctx = import->ctx;
    size_t rows = document->end - document->first;
    document->values = kt_map_new(ctx);
    document->lines = kt_list_new(ctx);
    document->line_rows = kt_alloc(ctx, sizeof(*document->line_rows) * rows);
    document->told = kt_alloc(ctx, sizeof(*document->told) * rows * import->column_count);
    document->cells = (struct import_cells){
        .ctx = ctx,
        .entity = import->entity,
        .pending = import->dry_run ? document->pending : NULL,
    };
    for (size_t c = 0; c < import->column_count; c++)
        if (import->columns[c].line)
            document->lines_field = import->columns[c].field;
    KT_TRY(read_head(import, document));
    for (size_t row = document->first; row < document->end; row++)
        KT_TRY(read_line(import, document, row));
    if (document->lines_field)
        kt_map_set(document->values, document->lines_field->decl->name, document->lines->object);
    return KT_OK;
}

/* --- What a dry run leaves for the requests after it --- */

static void add_mark(struct import *import, const struct import_document *document,
                     const char *field, const struct key *key)
{
    struct kt_list *mark = kt_list_new(import->ctx);
    kt_list_add(mark, kt_int((int64_t)document->first));
    kt_list_add(mark, field ? kt_text(field) : kt_nil());
    kt_list_add(mark, kt_id(import_mark(key)));
    kt_list_add(import->made, mark->object);
}

/* [row, fields that must be unique, or nil for a mere name, mark]. What is wrong itself leaves
 * none, but may have more that is wrong: a value that an earlier request would have taken. */
static void leave_marks(struct import *import, const struct import_document *document)
{
    struct kt_ctx *ctx = import->ctx;
    const struct schema_entity *entity = import->entity;
    const msgpack_object *values = &document->values->object;
    for (size_t i = 0; i < entity->index_count; i++) {
        const struct schema_index *index = &entity->indexes[i];
        struct record_keys keys;
        if (!index->unique)
            continue;
        record_index_keys(ctx, index, 0, values, &keys);
        const char *fields = record_index_fields(index);
        const char *name = index == import->key.index ? import->key.name : fields;
        if (keys.count && !keys.at[0].overflow && !import_is_told(import, document, fields))
            add_mark(import, document, name, &keys.at[0]);
    }
    const msgpack_object *title = entity->title ? kt_get(values, entity->title->decl->name) : NULL;
    const struct schema_index *names = title ? import_index(entity, entity->title, true) : NULL;
    if (!names || names->unique || document->wrong_count)
        return;
    struct key key;
    record_index_begin(&key, names);
    record_key_add(&key, entity->title, title);
    add_mark(import, document, NULL, &key);
}

static void leave_unresolved(struct import *import, const struct import_document *document)
{
    for (size_t i = 0; i < document->cells.pending_count; i++) {
        const struct import_pending *pending = &document->pending[i];
        struct kt_map *map = kt_map_copy(import->ctx, &pending->error);
        kt_map_set_int(map, "row", (int64_t)import_row_of(document, pending->path));
        kt_map_set(map, "marks", pending->keys);
        if (!document->wrong_count)
            kt_map_set_text(map, "as", outcome_words[document->outcome]);
        kt_list_add(import->unresolved, map->object);
    }
}

bool import_is_pending(const struct import_document *document, const char *field)
{
    for (size_t i = 0; field && i < document->cells.pending_count; i++)
        if (strcmp(document->pending[i].path, field) == 0)
            return true;
    return false;
}

/* --- One document --- */

/* What it lacks only because that is pending is no mistake. */
static enum kt_status try_save(struct import *import, struct import_document *document)
{
    struct kt_ctx *ctx = import->ctx;
    struct context_try attempt;
    KT_TRY(context_try_begin(ctx, &attempt));
    enum kt_status status =
        context_try_end(ctx, &attempt,
                        import_save(ctx, import->entity, &import->key, &document->values->object,
                                    &document->outcome));
    if (status == KT_OK || !context_may_go_on(ctx, status))
        return status;
    if (import_is_pending(document, ctx->error.field))
        context_forgive(ctx);
    else
        import_note(import, document);
    return import_check_all(import, document);
}

static enum kt_status import_document(struct import *import, size_t first, size_t *next)
{
    struct import_document document = {.first = first, .end = document_end(import, first)};
    unsigned events = import->ctx->event_count;
    *next = document.end;
    KT_TRY(read_document(import, &document));
    KT_TRY(document.wrong_count ? import_check_all(import, &document)
                                : try_save(import, &document));
    /* A document's events count like those of a request of its own. */
    import->ctx->event_count = events;
    if (document.wrong_count)
        import->failed += document.end - document.first;
    else
        import->outcomes[document.outcome]++;
    import_tell(import, &document);
    if (import->dry_run) {
        if (document.wrong_count ? document.is_new : document.outcome == IMPORT_CREATED)
            leave_marks(import, &document);
        leave_unresolved(import, &document);
    }
    return context_check_memory(import->ctx);
}

/* --- The request --- */

static enum kt_status read_request(struct import *import, const msgpack_object *params)
{
    struct kt_ctx *ctx = import->ctx;
    const msgpack_object *rows = kt_get(params, "rows");
    if (!rows || rows->type != MSGPACK_OBJECT_ARRAY || rows->via.array.size > KT_LIMIT_IMPORT_ROWS)
        return kt_fail(ctx, KT_INVALID, "rows", "rows is a list of at most %u rows",
                       "rows 应为最多 %u 行的列表", KT_LIMIT_IMPORT_ROWS);
    for (uint32_t i = 0; i < rows->via.array.size; i++)
        if (rows->via.array.ptr[i].type != MSGPACK_OBJECT_ARRAY)
            return kt_fail(ctx, KT_INVALID, "rows", "row %u is not a list of cells",
                           "第 %u 行不是单元格列表", i);
    import->rows = rows;
    KT_TRY(import_columns_read(ctx, import->entity, kt_get(params, "columns"), &import->columns,
                               &import->column_count));
    for (size_t c = 0; c < import->column_count; c++)
        KT_TRY(import_column_check(ctx, import->entity, &import->columns[c]));
    if (!kt_has(params, "key"))
        return KT_OK;
    return import_key_read(ctx, import->entity, kt_get_text(ctx, params, "key"), import->columns,
                           import->column_count, &import->key);
}

/* The failure of the first bad row, with all of them in its details. */
static enum kt_status refuse(struct import *import)
{
    struct kt_ctx *ctx = import->ctx;
    const msgpack_object *first = &import->errors->object.via.array.ptr[0];
    struct kt_map *details = kt_map_copy(ctx, &import->first_error.details);
    kt_map_set(details, "row", *kt_get(first, "row"));
    kt_map_set_int(details, "failed", (int64_t)import->failed);
    kt_map_set(details, "errors", import->errors->object);
    ctx->error = import->first_error;
    context_error_details(ctx, details->object);
    return ctx->error.status;
}

static msgpack_object describe_columns(const struct import *import)
{
    struct kt_list *list = kt_list_new(import->ctx);
    for (size_t c = 0; c < import->column_count; c++) {
        struct kt_map *column = kt_map_new(import->ctx);
        kt_map_set_text(column, "name", import_column_name(import->ctx, &import->columns[c]));
        kt_map_set_bool(column, "line", import->columns[c].line != NULL);
        kt_list_add(list, column->object);
    }
    return list->object;
}

static void reply(const struct import *import)
{
    struct kt_map *answer = kt_map_new(import->ctx);
    kt_map_set_int(answer, "rows", import->rows->via.array.size);
    for (size_t i = 0; i < IMPORT_OUTCOMES; i++)
        kt_map_set_int(answer, outcome_words[i], (int64_t)import->outcomes[i]);
    kt_map_set_int(answer, "failed", (int64_t)import->failed);
    kt_map_set(answer, "errors", import->errors->object);
    if (import->rows->via.array.size == 0)
        kt_map_set(answer, "columns", describe_columns(import));
    if (import->dry_run) {
        kt_map_set(answer, "made", import->made->object);
        kt_map_set(answer, "unresolved", import->unresolved->object);
    }
    kt_reply_map(import->ctx, answer);
}

enum kt_status record_import(struct kt_ctx *ctx, const struct schema_entity *entity,
                             const msgpack_object *params)
{
    struct import import = {.ctx = ctx,
                            .entity = entity,
                            .dry_run = kt_get_bool(params, "dry_run"),
                            .skip_bad = kt_get_bool(params, "skip_bad"),
                            .errors = kt_list_new(ctx),
                            .made = kt_list_new(ctx),
                            .unresolved = kt_list_new(ctx)};
    /* A preview of a thousand documents would be of use to nobody; the report takes its place. */
    struct context_journal *journal = ctx->journal;
    ctx->journal = NULL;
    enum kt_status status = read_request(&import, params);
    for (size_t row = 0; status == KT_OK && row < import.rows->via.array.size;)
        status = import_document(&import, row, &row);
    ctx->journal = journal;
    if (status != KT_OK && status != KT_INTERNAL && context_is_late(ctx)) {
        context_forgive(ctx); /* What was wrong with the last row is not why all are refused. */
        return context_check_time(ctx);
    }
    KT_TRY(status);
    if (import.failed && !import.skip_bad && !import.dry_run)
        return refuse(&import);
    reply(&import);
    return KT_OK;
}
