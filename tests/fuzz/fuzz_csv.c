/* Goal: no file, however torn, brings down the reading of CSV or the import of its rows.
 * Method: the bytes are a file. Its rows are read and go to record.import as the command line would
 * send them, the first as the columns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/rows.h"
#include "shop.h"

#define ROWS_MOST 100

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* A row lives as long as the input does. */
static msgpack_object keep(struct kt_ctx *ctx, const struct row *row)
{
    struct kt_list *cells = kt_list_new(ctx);
    size_t bytes = 0;
    for (uint32_t i = 0; i < row->count; i++) {
        const msgpack_object_str *cell = &row->cells[i].via.str;
        require(row->cells[i].type == MSGPACK_OBJECT_STR);
        bytes += cell->size;
        kt_list_add(cells, kt_text_of(context_copy(ctx, cell->ptr, cell->size), cell->size));
    }
    require(bytes == row->size_bytes);
    return cells->object;
}

/* Lines and places only go forward, and stay within the file. */
static void read_rows(struct kt_ctx *ctx, FILE *file, size_t size, char delimiter,
                      struct kt_list *list)
{
    struct rows *rows = rows_new(file, delimiter);
    struct row *row;
    uint64_t line = 0, offset = 0;
    enum rows_status status;
    while ((status = rows_next(rows, &row)) == ROWS_OK) {
        require(row->line > line && row->end_offset >= offset && row->end_offset <= size);
        line = row->line;
        offset = row->end_offset;
        if (list->object.via.array.size < ROWS_MOST)
            kt_list_add(list, keep(ctx, row));
        free(row);
    }
    require(row == NULL && rows_line(rows) >= line);
    require(rows_next(rows, &row) == status);
    rows_free(rows);
}

static void import(struct kt_ctx *ctx, bool orders, const struct kt_list *list)
{
    struct kt_map *params = kt_map_new(ctx);
    struct kt_list *rows = kt_list_new(ctx);
    for (uint32_t i = 1; i < list->object.via.array.size; i++)
        kt_list_add(rows, list->object.via.array.ptr[i]);
    kt_map_set(params, "columns", list->object.via.array.ptr[0]);
    kt_map_set(params, "rows", rows->object);
    shop_begin(ctx);
    if (!orders)
        kt_map_set_text(params, "key", "code");
    enum kt_status status = record_import(ctx, shop_entity(ctx, orders), &params->object);
    shop_require_error(ctx, status);
    if (status == KT_OK)
        shop_require_sound(ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char delimiters[] = {',', ';', '\t', '|'};
    struct kt_ctx *ctx = shop();
    if (size < 2)
        return 0;
    FILE *file = fmemopen((void *)(uintptr_t)(bytes + 1), size - 1, "rb");
    require(file != NULL);
    struct kt_list *list = kt_list_new(ctx);
    read_rows(ctx, file, size - 1, delimiters[bytes[0] >> 1 & 3], list);
    fclose(file);
    if (list->object.via.array.size)
        import(ctx, bytes[0] & 1, list);
    shop_end(ctx);
    return 0;
}
