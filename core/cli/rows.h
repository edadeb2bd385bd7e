/** Private to core/cli: the rows of a CSV file (RFC 4180), each with the line it begins on.
 *
 *  UTF-8 with or without a byte order mark, lines ended by LF or CR LF, quoted cells over several
 *  lines. Empty lines are no rows. Blanks around a cell that is not quoted are dropped. The file is
 *  read as a stream: what is held is one row and one read. */
#pragma once

#include <msgpack.h>
#include <stdint.h>
#include <stdio.h>

/** Bytes of one row: with anything else in the message it must pass the server. */
#define ROW_BYTES_MAX (3u << 20)

struct row {
    uint64_t line;       /**< Where it begins, from 1. */
    uint64_t end_offset; /**< Bytes of the file up to its end. */
    size_t size_bytes;
    uint32_t count;
    msgpack_object cells[]; /**< Texts, which live as long as the row. */
};

enum rows_status {
    ROWS_OK,
    ROWS_END,
    ROWS_MALFORMED, /**< A quote where none may be, or an open one at the end. */
    ROWS_TOO_LARGE, /**< A row beyond ROW_BYTES_MAX: likely a quote that never closes. */
    ROWS_UNREADABLE,
    ROWS_NOT_UTF8, /**< Begins like UTF-16. Single bad bytes are left to the caller. */
};

struct rows;

/** `file` stays the caller's. */
struct rows *rows_new(FILE *file, char delimiter);
void rows_free(struct rows *rows);
/** The next row; free it with free(). Any status but ROWS_OK is final. */
enum rows_status rows_next(struct rows *rows, struct row **out);
/** The line that is being read: where the trouble is. */
uint64_t rows_line(const struct rows *rows);
