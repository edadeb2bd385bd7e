/* What is wrong with a document: every cell of it, each told once, so that one reading of the
 * report mends the file.
 *
 * A save says only what it met first. So cells are looked at one by one, and what only a save can
 * tell (a module's hook, a rule, what the record was) is learnt by saving again without the cells
 * that are known to be wrong, until it finds no other; nothing of that stays. */
#include <stdlib.h>
#include <string.h>

#include "kontor/limits.h"
#include "record/import.h"

/** Rows that a request saves only to learn what else is wrong: rules that run in them have their
 *  share of the request's steps and time. */
#define PROBED_ROWS_MOST ((size_t)8 * KT_LIMIT_IMPORT_ROWS)

struct import_wrong {
    size_t row, column; /**< The column after the last one: none. */
    size_t number;
    struct context_error error;
};

/* --- The cell that an error is about --- */

struct place {
    size_t row, column;
    const struct schema_field *field;
    const struct schema_field *line; /**< A part of the line `number`, or NULL. */
    size_t number;
};

/* The line of "lines[2].price"; false when it is about no line that the rows gave. */
static bool find_line(const struct import_document *document, const char *path, size_t *out)
{
    const char *lines = document->lines_field ? document->lines_field->decl->name : "";
    size_t length = strlen(lines);
    if (!path || !length || strncmp(path, lines, length) != 0 || path[length] != '[')
        return false;
    *out = strtoul(path + length + 1, NULL, 10);
    return *out < document->lines->object.via.array.size;
}

size_t import_row_of(const struct import_document *document, const char *field)
{
    size_t line;
    return find_line(document, field, &line) ? document->line_rows[line] : document->first;
}

static const struct schema_field *part_of(const struct schema_field *lines, const char *path)
{
    const char *dot = strchr(path, '.');
    return dot ? schema_line_field(lines, dot + 1, strcspn(dot + 1, ".[")) : NULL;
}

/* "price", "tags[1]", "lines[2].price"; false when no column fills it. */
static bool find_place(const struct import *import, const struct import_document *document,
                       const char *path, struct place *out)
{
    size_t length = path ? strcspn(path, ".[") : 0;
    const struct schema_field *field = length ? schema_field(import->entity, path, length) : NULL;
    *out = (struct place){.row = document->first, .column = import->column_count, .field = field};
    if (!field || (field->decl->type != KT_LINES && path[length] == '.'))
        return false;
    if (find_line(document, path, &out->number)) {
        out->row = document->line_rows[out->number];
        out->line = part_of(field, path);
    }
    for (size_t c = 0; c < import->column_count; c++) {
        const struct import_column *column = &import->columns[c];
        bool is_it = column->field == field && column->line == out->line;
        if (is_it && (out->line || field->decl->type != KT_LINES))
            out->column = c;
    }
    return out->column < import->column_count;
}

/* The map that the cell's value is in. */
static msgpack_object *holder_of(const struct import_document *document, const struct place *place)
{
    return place->line ? &document->lines->object.via.array.ptr[place->number]
                       : &document->values->object;
}

static bool *told_at(const struct import *import, const struct import_document *document,
                     const struct place *place)
{
    return &document->told[(place->row - document->first) * import->column_count + place->column];
}

/* --- Errors --- */

bool import_is_told(const struct import *import, const struct import_document *document,
                    const char *path)
{
    struct place place;
    if (find_place(import, document, path, &place))
        return *told_at(import, document, &place);
    for (size_t i = 0; path && i < document->wrong_count; i++) {
        const struct import_wrong *wrong = &document->wrong[i];
        if (wrong->column == import->column_count && wrong->error.field &&
            strcmp(wrong->error.field, path) == 0)
            return true;
    }
    return false;
}

static void add_wrong(struct kt_ctx *ctx, struct import_document *document, size_t row,
                      size_t column)
{
    size_t number = document->wrong_count++;
    if (number == document->wrong_capacity) {
        size_t grown = number ? number * 2 : 4;
        struct import_wrong *wider = kt_alloc(ctx, sizeof(*wider) * grown);
        if (number)
            memcpy(wider, document->wrong, sizeof(*wider) * number);
        document->wrong = wider;
        document->wrong_capacity = grown;
    }
    document->wrong[number] = (struct import_wrong){row, column, number, ctx->error};
}

static void drop(msgpack_object *map, const char *name)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object *key = &map->via.map.ptr[i].key;
        if (key->via.str.size != strlen(name) || memcmp(key->via.str.ptr, name, strlen(name)) != 0)
            map->via.map.ptr[kept++] = map->via.map.ptr[i];
    }
    map->via.map.size = kept;
}

static void let_go(const struct import_document *document, const struct place *place)
{
    drop(holder_of(document, place), (place->line ? place->line : place->field)->decl->name);
}

void import_note(const struct import *import, struct import_document *document)
{
    struct kt_ctx *ctx = import->ctx;
    struct place place;
    (void)record_failed(ctx, import->entity, ctx->error.status);
    const char *path = ctx->error.field;
    bool is_own = strcmp(ctx->error.entity, import->entity->name) == 0;
    if (is_own && find_place(import, document, path, &place)) {
        bool *told = told_at(import, document, &place);
        if (!*told)
            add_wrong(ctx, document, place.row, place.column);
        *told = true;
        let_go(document, &place);
    } else if (!is_own || !import_is_told(import, document, path)) {
        add_wrong(ctx, document, import_row_of(document, is_own ? path : NULL),
                  import->column_count);
    }
    context_forgive(ctx);
}

static int compare_wrong(const void *a, const void *b)
{
    const struct import_wrong *left = a, *right = b;
    if (left->row != right->row)
        return left->row < right->row ? -1 : 1;
    if (left->column != right->column)
        return left->column < right->column ? -1 : 1;
    return (left->number > right->number) - (left->number < right->number);
}

void import_tell(struct import *import, struct import_document *document)
{
    if (document->wrong_count)
        qsort(document->wrong, document->wrong_count, sizeof(*document->wrong), compare_wrong);
    for (size_t i = 0; i < document->wrong_count && !import->ctx->arena_full; i++) {
        const struct import_wrong *wrong = &document->wrong[i];
        if (import->first_error.status == KT_OK)
            import->first_error = wrong->error;
        kt_list_add(import->errors, import_error(import->ctx, &wrong->error, wrong->row));
    }
}

/* --- One cell by itself --- */

/* `holder` is the document's values or one of its lines. */
static enum kt_status check_value(const struct import *import, struct import_document *document,
                                  const struct schema_field *field, const char *path,
                                  const msgpack_object *holder)
{
    msgpack_object checked;
    const msgpack_object *value = kt_get(holder, field->decl->name);
    if (!value)
        return KT_OK;
    enum kt_status status = record_check_value(import->ctx, field, path, value, &checked);
    if (status == KT_OK || !context_may_go_on(import->ctx, status))
        return status;
    import_note(import, document);
    return KT_OK;
}

static enum kt_status check_values(const struct import *import, struct import_document *document)
{
    struct kt_ctx *ctx = import->ctx;
    msgpack_object_array *lines = &document->lines->object.via.array;
    for (size_t c = 0; c < import->column_count; c++) {
        const struct import_column *column = &import->columns[c];
        const char *name = column->field ? column->field->decl->name : NULL;
        if (name && !column->line)
            KT_TRY(check_value(import, document, column->field, name, &document->values->object));
        for (uint32_t i = 0; column->line && i < lines->size; i++)
            KT_TRY(check_value(import, document, column->line,
                               kt_format(ctx, "%s[%u].%s", name, i, column->line->decl->name),
                               &lines->ptr[i]));
    }
    return context_check_memory(ctx);
}

/* --- What is missing --- */

/* Nothing but a cell fills the field, as far as the core knows. */
static bool must_be_given(const struct schema_field *field)
{
    const struct kt_field *decl = field->decl;
    return (decl->flags & KT_REQUIRED) && import_can_write(field) && !decl->initial &&
           !decl->sequence && !schema_field_sleeps(field);
}

static void check_given(const struct import *import, struct import_document *document,
                        const struct schema_field *field, const char *path,
                        const msgpack_object *holder)
{
    if (kt_has(holder, field->decl->name) || import_is_pending(document, path))
        return;
    (void)kt_fail(import->ctx, KT_INVALID, path, "%s is required", "%s 为必填项", path);
    import_note(import, document);
}

/* `old` is the record that the document would change, or NULL. */
static enum kt_status check_complete(const struct import *import, struct import_document *document,
                                     const msgpack_object *old)
{
    struct kt_ctx *ctx = import->ctx;
    const struct schema_field *lines = document->lines_field;
    const msgpack_object_array *list = &document->lines->object.via.array;
    for (size_t f = 0; f < import->entity->field_count; f++) {
        const struct schema_field *field = &import->entity->fields[f];
        if (must_be_given(field) && !kt_has(old, field->decl->name))
            check_given(import, document, field, field->decl->name, &document->values->object);
    }
    for (uint32_t i = 0; lines && i < list->size; i++) {
        if (import_line_is_there(lines, &list->ptr[i], old))
            continue;
        for (size_t f = 0; f < lines->line_count; f++)
            if (must_be_given(&lines->lines[f]))
                check_given(
                    import, document, &lines->lines[f],
                    kt_format(ctx, "%s[%u].%s", lines->decl->name, i, lines->lines[f].decl->name),
                    &list->ptr[i]);
    }
    return context_check_memory(ctx);
}

/* --- What is taken --- */

static enum kt_status check_unique(const struct import *import, struct import_document *document,
                                   uint64_t id, const msgpack_object *old)
{
    struct kt_ctx *ctx = import->ctx;
    struct kt_map *record = kt_map_copy(ctx, old);
    const msgpack_object_map *values = &document->values->object.via.map;
    for (uint32_t i = 0; i < values->size; i++)
        kt_map_set(record,
                   kt_format(ctx, "%.*s", (int)values->ptr[i].key.via.str.size,
                             values->ptr[i].key.via.str.ptr),
                   values->ptr[i].val);
    for (size_t i = 0; i < import->entity->index_count; i++) {
        const struct schema_index *index = &import->entity->indexes[i];
        if (index->unique && record_index_check(ctx, index, id, &record->object) != KT_OK)
            import_note(import, document);
    }
    return context_check_memory(ctx);
}

/* --- What only a save tells --- */

static enum kt_status save_and_undo(const struct import *import,
                                    const struct import_document *document)
{
    struct kt_ctx *ctx = import->ctx;
    struct context_try attempt;
    enum import_outcome outcome;
    KT_TRY(context_try_begin(ctx, &attempt));
    enum kt_status status =
        import_save(ctx, import->entity, &import->key, &document->values->object, &outcome);
    if (status == KT_OK)
        status = ctx->error.status; /* A failure that a module swallowed. */
    (void)context_try_end(ctx, &attempt, status == KT_OK ? KT_INVALID : status);
    return status;
}

/* In memory of its own, so that looking closely does not use up the request's. */
static enum kt_status probe(const struct import *import, const struct import_document *document)
{
    struct kt_ctx *ctx = import->ctx;
    msgpack_zone *arena = ctx->arena;
    size_t used = ctx->arena_used;
    bool full = ctx->arena_full;
    ctx->arena = msgpack_zone_new(16384);
    if (!ctx->arena)
        abort();
    enum kt_status status = save_and_undo(import, document);
    msgpack_zone *scratch = ctx->arena;
    ctx->arena = arena;
    ctx->arena_used = used;
    ctx->arena_full = full;
    if (status != KT_OK)
        context_error_keep(ctx);
    msgpack_zone_free(scratch);
    return status;
}

/* A cell that was given is told and let go; what else a save misses may follow from that. */
static bool blame_cell(const struct import *import, struct import_document *document)
{
    struct kt_ctx *ctx = import->ctx;
    struct place place;
    const struct context_error *error = &ctx->error;
    bool is_own = error->entity && strcmp(error->entity, import->entity->name) == 0;
    if (!is_own || !find_place(import, document, error->field, &place))
        return false;
    const struct schema_field *field = place.line ? place.line : place.field;
    if (!kt_has(holder_of(document, &place), field->decl->name))
        return false;
    import_note(import, document);
    return true;
}

static enum kt_status check_by_saving(struct import *import, struct import_document *document)
{
    struct kt_ctx *ctx = import->ctx;
    while (import->probed < PROBED_ROWS_MOST) {
        import->probed += document->end - document->first;
        enum kt_status status = probe(import, document);
        if (status == KT_OK || !context_may_go_on(ctx, status))
            return status;
        if (!blame_cell(import, document))
            break;
    }
    context_forgive(ctx);
    return KT_OK;
}

/* --- All of it --- */

/* Without a key it cannot be known which record the document is about. */
static enum kt_status find_old(const struct import *import, struct import_document *document,
                               uint64_t *id, const msgpack_object **old, bool *known)
{
    struct kt_ctx *ctx = import->ctx;
    bool is_told_already = false;
    *old = NULL;
    *known = true;
    for (size_t p = 0; import->key.index && p < import->key.index->path_count; p++)
        is_told_already =
            is_told_already ||
            import_is_told(import, document, import->key.index->paths[p].field->decl->name);
    enum kt_status status = import_find_record(ctx, &import->key, &document->values->object, id);
    if (status == KT_OK)
        return *id ? record_load(ctx, import->entity, *id, old) : KT_OK;
    *known = false;
    if (!context_may_go_on(ctx, status))
        return status;
    if (is_told_already)
        context_forgive(ctx);
    else
        import_note(import, document);
    return KT_OK;
}

enum kt_status import_check_all(struct import *import, struct import_document *document)
{
    const msgpack_object *old;
    uint64_t id;
    bool known;
    KT_TRY(check_values(import, document));
    KT_TRY(find_old(import, document, &id, &old, &known));
    if (!known)
        return KT_OK;
    document->is_new = !id;
    KT_TRY(check_unique(import, document, id, old));
    KT_TRY(check_by_saving(import, document));
    return check_complete(import, document, old);
}
