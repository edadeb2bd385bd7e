/** Rows of text on their way to records; export*.c writes them so that they find the way back.
 *  Private to record/. */
#pragma once

#include "record/record_internal.h"

/** Fields of one document that may name records of the same entity which are not there yet. */
#define IMPORT_PENDING_MAX 16

struct import_column {
    const struct schema_field *field; /**< NULL: "#", which only says which rows belong together. */
    const struct schema_field *line;  /**< A field of each line of `field`, or NULL. */
    const struct schema_field *by;    /**< The target's field that names it; NULL: any that can. */
};

/** Columns by name or label: "price", "lines.product", "customer.code", "#". */
enum kt_status import_columns_read(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const msgpack_object *names, struct import_column **out,
                                   size_t *out_count);
/** The canonical name of the column: what import_columns_read takes. */
const char *import_column_name(struct kt_ctx *ctx, const struct import_column *column);
/** A field of the entity by name or label; NULL when there is none. */
const struct schema_field *import_field(const struct schema_entity *entity, const char *name,
                                        size_t length);
/** Can an import write this field? */
bool import_can_write(const struct schema_field *field);
/** Can the present user fill the column by an import? */
enum kt_status import_column_check(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const struct import_column *column);
/** KT_DENIED, naming the column, when the user may not read what it refers to: then only #id does,
 *  whatever the row. */
enum kt_status import_check_target(struct kt_ctx *ctx, const struct import_column *column);

/** --- import_cell.c: one cell. --- */
/** A reference of the file to a record that only an earlier row of the same file may have made. */
struct import_pending {
    const char *path;
    msgpack_object keys; /**< Marks that such a record would have left (import_mark). */
    msgpack_object error;
};
struct import_cells {
    struct kt_ctx *ctx;
    const struct schema_entity *entity;
    /** Gathers references that find nothing; NULL: each is an error. */
    struct import_pending *pending;
    size_t pending_count;
};
/** *out is nil when the cell is only pending. */
enum kt_status import_cell_read(struct import_cells *cells, const struct import_column *column,
                                const char *path, const msgpack_object *cell, msgpack_object *out);
bool import_cell_is_blank(const msgpack_object *cell);
/** 64 bits that stand for a key: what is remembered of a row beyond its request. */
uint64_t import_mark(const struct key *key);
/** The index that finds records by this one field; `any` also one that is not unique. NULL. */
const struct schema_index *import_index(const struct schema_entity *entity,
                                        const struct schema_field *field, bool any);
/** The index by which a text in this field of the target names a record of it; NULL when it does
 *  not. A field that is masked names nothing: whether it finds a record would tell its value. */
const struct schema_index *import_name(struct kt_ctx *ctx, const struct schema_entity *target,
                                       const struct schema_field *field);
/** How many records (2: several) the text names by the first field (or the field `by`) that any has
 *  it in, and the id of the first of them. In the present, whatever ctx->as_of is. */
enum kt_status import_find(struct kt_ctx *ctx, const struct schema_entity *target,
                           const struct schema_field *by, const msgpack_object *text, uint64_t *id,
                           unsigned *count);
/** "#17"? */
bool import_is_id(const char *text, size_t length);
/** An error as a map {row, code, message, message_zh, field?, rule?}. */
msgpack_object import_error(struct kt_ctx *ctx, const struct context_error *error, size_t row);

/** --- import_save.c: the document. --- */
/** What finds the record to update: the unique index over the fields of `name`. */
struct import_key {
    const struct schema_index *index; /**< NULL: all documents are new. */
    const char *name;
};
/** `name` is "code", or "country+code" for a unique index over both. */
enum kt_status import_key_read(struct kt_ctx *ctx, const struct schema_entity *entity,
                               const char *name, const struct import_column *columns,
                               size_t column_count, struct import_key *out);
enum import_outcome { IMPORT_CREATED, IMPORT_UPDATED, IMPORT_UNCHANGED, IMPORT_OUTCOMES };
/** The record that the key names among the values; 0: none, the document is new. */
enum kt_status import_find_record(struct kt_ctx *ctx, const struct import_key *key,
                                  const msgpack_object *values, uint64_t *out);
/** Does a line of the record (may be NULL) say all that this one does? */
bool import_line_is_there(const struct schema_field *lines, const msgpack_object *line,
                          const msgpack_object *record);
/** In the caller's transaction; after a failure the caller aborts it. */
enum kt_status import_save(struct kt_ctx *ctx, const struct schema_entity *entity,
                           const struct import_key *key, const msgpack_object *values,
                           enum import_outcome *outcome);

/** --- import.c: the rows of one request, and one document of them. --- */
struct import {
    struct kt_ctx *ctx;
    const struct schema_entity *entity;
    struct import_column *columns;
    size_t column_count;
    const msgpack_object *rows;
    struct import_key key;
    bool dry_run;
    bool skip_bad;
    uint64_t outcomes[IMPORT_OUTCOMES];
    uint64_t failed; /**< Rows of documents that were refused. */
    size_t probed;   /**< Rows in saves that only looked for what else is wrong. */
    struct context_error first_error;
    struct kt_list *errors;
    struct kt_list *made;       /**< Of a dry run. */
    struct kt_list *unresolved; /**< Of a dry run. */
};

struct import_document {
    size_t first, end;                      /**< Its rows. */
    struct kt_map *values;                  /**< Of the cells that are not known to be wrong. */
    const struct schema_field *lines_field; /**< Whose lines the rows are, or NULL. */
    struct kt_list *lines;
    size_t *line_rows; /**< The row that each line came from. */
    struct import_cells cells;
    struct import_pending pending[IMPORT_PENDING_MAX];
    enum import_outcome outcome;
    bool is_new; /**< Of one that is wrong: it would have made a record. */

    bool *told; /**< By row and column: the wrong cells. */
    struct import_wrong *wrong;
    size_t wrong_count, wrong_capacity;
};

bool import_is_pending(const struct import_document *document, const char *field);

/** --- import_check.c: what is wrong with a document. --- */
/** Takes the present error, unless its cell was told already: no cell is told twice. The cell is
 * let go of, so that the rest can be judged. */
void import_note(const struct import *import, struct import_document *document);
bool import_is_told(const struct import *import, const struct import_document *document,
                    const char *path);
/** The row that a field ("lines[2].price") of the document came from. */
size_t import_row_of(const struct import_document *document, const char *field);
/** What else is wrong, when something is, or the save was refused: every other cell. */
enum kt_status import_check_all(struct import *import, struct import_document *document);
/** Adds the errors of the document to those of the request, by row and column. */
void import_tell(struct import *import, struct import_document *document);
