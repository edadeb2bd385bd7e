/* libcsv knows no line numbers. So it is fed piece by piece, each up to the next line break: then a
 * piece completes one row at most, and the breaks can be counted on the way. */
#include "cli/rows.h"

#include <csv.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/text.h"

#define READ_BYTES 65536u
/* More cells than any header may name: the rest of a longer row is dropped. */
#define CELLS_MAX 1000u

/* By so much the parser makes room for a long cell; its own 128 bytes would copy a cell of
 * megabytes some ten thousand times. */
#define BLOCK_BYTES (64u << 10)

struct rows {
    FILE *file;
    struct csv_parser parser;
    enum rows_status over; /* What to say when there is no row any more; ROWS_OK: go on. */
    struct row *ready;

    char buffer[READ_BYTES];
    size_t start; /* Of what is not yet fed. */
    size_t end;
    uint64_t offset; /* Bytes of the file that were fed. */
    uint64_t line;   /* Of the next piece. */
    bool after_cr;

    bool inside; /* A row has begun and not ended. */
    bool ended;
    uint64_t row_line;
    uint64_t row_offset;
    struct text cells; /* Of the row that is being read. */
    size_t ends[CELLS_MAX];
    uint32_t count;
};

static void *must(void *memory)
{
    if (!memory) {
        fputs("kontor: out of memory\n", stderr);
        exit(CLI_REFUSED);
    }
    return memory;
}

struct rows *rows_new(FILE *file, char delimiter)
{
    struct rows *rows = must(calloc(1, sizeof *rows));
    rows->file = file;
    rows->line = 1;
    if (csv_init(&rows->parser, CSV_STRICT | CSV_STRICT_FINI) != 0)
        must(NULL);
    csv_set_blk_size(&rows->parser, BLOCK_BYTES);
    csv_set_delim(&rows->parser, (unsigned char)delimiter);
    return rows;
}

void rows_free(struct rows *rows)
{
    if (!rows)
        return;
    csv_free(&rows->parser);
    text_free(&rows->cells);
    free(rows->ready);
    free(rows);
}

uint64_t rows_line(const struct rows *rows)
{
    return rows->inside ? rows->row_line : rows->line;
}

static void add_cell(void *bytes, size_t size, void *argument)
{
    struct rows *rows = argument;
    if (rows->count == CELLS_MAX)
        return;
    text_add(&rows->cells, bytes, size);
    rows->ends[rows->count++] = rows->cells.length;
}

static void end_row(int separator, void *argument)
{
    struct rows *rows = argument;
    (void)separator;
    size_t list_size = rows->count * sizeof(msgpack_object);
    struct row *row = must(malloc(sizeof *row + list_size + rows->cells.length + 1));
    char *bytes = (char *)row->cells + list_size;
    row->line = rows->row_line;
    row->size_bytes = rows->cells.length;
    row->count = rows->count;
    if (rows->cells.length > 0)
        memcpy(bytes, rows->cells.at, rows->cells.length);
    size_t start = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        row->cells[i] = build_text_of(bytes + start, rows->ends[i] - start);
        start = rows->ends[i];
    }
    rows->cells.length = 0;
    rows->count = 0;
    rows->ended = true;
    rows->ready = row;
}

/* False at the end of the file, with `over` set. */
static bool fill(struct rows *rows)
{
    rows->start = 0;
    rows->end = fread(rows->buffer, 1, READ_BYTES, rows->file);
    if (rows->end < READ_BYTES && ferror(rows->file)) {
        rows->over = ROWS_UNREADABLE;
        return false;
    }
    if (rows->offset == 0 && rows->end >= 2 &&
        (memcmp(rows->buffer, "\xff\xfe", 2) == 0 || memcmp(rows->buffer, "\xfe\xff", 2) == 0)) {
        rows->over = ROWS_NOT_UTF8;
        return false;
    }
    if (rows->offset == 0 && rows->end >= 3 && memcmp(rows->buffer, "\xef\xbb\xbf", 3) == 0)
        rows->offset = rows->start = 3;
    if (rows->start < rows->end)
        return true;
    rows->over = ROWS_END;
    rows->ended = false;
    if (csv_fini(&rows->parser, add_cell, end_row, rows) != 0)
        rows->over = ROWS_MALFORMED;
    if (rows->ready)
        rows->ready->end_offset = rows->offset;
    return false;
}

static bool is_blank(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\0' || !strchr(" \t\r\n", bytes[i]))
            return false;
    }
    return true;
}

/* From `start` to the next line break, it included, or to the end of the buffer. */
static void feed(struct rows *rows)
{
    const char *at = rows->buffer + rows->start;
    size_t size = 0;
    while (size < rows->end - rows->start && at[size] != '\n' && at[size] != '\r')
        size++;
    size += size < rows->end - rows->start;

    if (rows->after_cr && at[0] != '\n')
        rows->line++;
    if (!rows->inside) {
        rows->row_line = rows->line;
        rows->row_offset = rows->offset;
    }
    rows->after_cr = at[size - 1] == '\r';
    rows->ended = false;
    rows->start += size;
    rows->offset += size;
    rows->inside |= !is_blank(at, size);
    if (csv_parse(&rows->parser, at, size, add_cell, end_row, rows) != size) {
        rows->over = ROWS_MALFORMED;
        rows->row_line = rows->line;
        return;
    }
    if (rows->ended) {
        rows->inside = false;
        rows->ready->end_offset = rows->offset;
    } else if (rows->offset - rows->row_offset > ROW_BYTES_MAX) {
        rows->over = ROWS_TOO_LARGE;
        return;
    }
    rows->line += at[size - 1] == '\n';
}

enum rows_status rows_next(struct rows *rows, struct row **out)
{
    while (!rows->ready && rows->over == ROWS_OK) {
        if (rows->start < rows->end || fill(rows))
            feed(rows);
    }
    *out = rows->ready;
    rows->ready = NULL;
    return *out ? ROWS_OK : rows->over;
}
