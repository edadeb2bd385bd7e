/** Private to core/cli: rows of cells sent to record.import, many at a time.
 *
 *  The server leaves bad rows out and says of each what is wrong. With columns such as
 *  "lines.product" rows that repeat the head of a document, or leave it empty, belong to it; a
 *  document is never cut in two. In a dry run nothing of an earlier request is there when the next
 *  one is judged: what that may change is decided here, by the marks that the server leaves for
 *  unique values and for references it could not resolve. */
#pragma once

#include "cli/cli.h"
#include "cli/marks.h"
#include "cli/progress.h"
#include "cli/rows.h"
#include "kontor/limits.h"

#define IMPORT_COLUMNS_MAX  KT_LIMIT_IMPORT_COLUMNS
#define IMPORT_PENDING_ROWS KT_LIMIT_IMPORT_ROWS
/** Errors that the summary repeats; stderr has them all. */
#define IMPORT_ERRORS_MAX 1000u

struct import_row {
    struct row *row;
    bool first; /**< Of its document. */
    bool bad;   /**< Reported: its document is not sent. */
};

struct import {
    struct cli *cli;
    const char *file; /**< As messages name it. */
    const char *entity;
    const char *key; /**< NULL: every document is new. */
    bool dry_run;
    size_t batch; /**< Rows of one request, when a document is not longer. */
    struct row *header;
    struct progress progress;
    struct marks marks; /**< Of a dry run: what earlier rows of the file would have made. */

    bool has_lines;
    bool is_line[IMPORT_COLUMNS_MAX];
    struct import_row *pending; /**< Not yet sent; the last document may grow. */
    size_t count;
    size_t document; /**< Where the last document begins. */
    size_t size_bytes;
    char run_id[33]; /**< With a number after it, the request_id. */
    uint64_t requests;

    uint64_t rows;
    uint64_t created;
    uint64_t updated;
    uint64_t unchanged;
    uint64_t failed;
    msgpack_object errors; /**< An array with room for IMPORT_ERRORS_MAX. */
};

/** Takes the header and checks it. All other members of the input are set by the caller. */
enum cli_exit import_begin(struct import *import, struct row *header);
/** Takes the row. What it says of rows is reported and counted; anything but CLI_OK ends the
 *  import and is reported too. */
enum cli_exit import_add(struct import *import, struct row *row);
/** Sends what is left. */
enum cli_exit import_finish(struct import *import);
/** A trouble at a line of the file that is not about one row: told as the bad rows are. */
void import_report(struct import *import, uint64_t line, const char *message,
                   const char *message_zh);
void import_deinit(struct import *import);

/** --- Between import.c and import_send.c. --- */
/** Sends the first `count` pending rows, whole documents, and judges the answers. */
enum cli_exit import_flush(struct import *import, size_t count);
/** Pending rows [from, to) as one request; what the server refused is left to the caller. */
enum cli_exit import_ask(struct import *import, size_t from, size_t to, struct client_reply *reply);
void import_report_error(struct import *import, uint64_t line, const struct client_error *error);
bool import_document_is_bad(const struct import *import, size_t from, size_t to);
