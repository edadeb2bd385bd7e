/** Records on their way to rows of text: what export*.c share. Private to record/. */
#pragma once

#include "record/import.h"
#include "record/query.h"

/** One column. Of "lines.product.name", `field` is lines, `line` product and `path` name. */
struct export_column {
    const char *name;
    const char *own;                  /**< "id", "version", "archived", or "#"; NULL for fields. */
    const struct schema_field *field; /**< Of the record. */
    const struct schema_field *line;  /**< A field of each line of `field`, or NULL. */
    bool follows;                     /**< `path` goes on from the reference's target. */
    struct query_path path;
};

/** --- export_column.c --- */
struct export_columns {
    struct export_column *at;
    size_t count;
    const struct schema_field *lines; /**< Whose lines the rows are; NULL: a row is a record. */
};
/** `fields` names them (NULL: all that an import can write); `lines` names the list of lines among
 *  those, or is false for none (NULL: the only one). */
enum kt_status export_columns_read(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const msgpack_object *fields, const msgpack_object *lines,
                                   struct export_columns *out);

/** --- export_cell.c --- */
/** How references were written, so that a name is looked for once. */
struct export_names;
struct export_names *export_names_new(struct kt_ctx *ctx);

struct export_cells {
    struct kt_ctx *ctx;
    struct export_names *names;
    uint64_t number; /**< Of the document in the whole export, from 1: the column "#". */
};
/** The cell as text; `line` is NULL for a document without lines. */
enum kt_status export_cell(const struct export_cells *cells, const struct export_column *column,
                           const msgpack_object *record, const msgpack_object *line,
                           msgpack_object *out);
