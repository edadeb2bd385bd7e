/* record.export: records become rows of text that record.import reads back.
 *
 * A record is a row; one with lines a row for each of them, with the record's own cells repeated.
 * Each is unpacked and written in memory that is emptied after it. A page ends when it has `limit`
 * records or so many bytes, whichever comes first; its `next` is [records so far, cursor of the
 * search], so that the column "#" counts on. */
#include "record/export.h"

#include <stdlib.h>

#include "kontor/limits.h"

struct export
{
    const struct schema_entity *entity;
    struct export_columns columns;
    struct export_cells cells;
    struct record_query *query;
    msgpack_zone *scratch; /**< For one record. */
    uint32_t records;
    uint32_t rows;
};

/* --- One record --- */

/* Cells of the record's own come from `row`, where they were written once for all its rows. */
static enum kt_status write_row(struct kt_ctx *ctx, struct export *export,
                                const msgpack_object *record, const msgpack_object *line,
                                msgpack_object *row)
{
    msgpack_packer packer;
    for (size_t i = 0; i < export->columns.count; i++)
        if (export->columns.at[i].line)
            KT_TRY(export_cell(&export->cells, &export->columns.at[i], record, line, &row[i]));
    if (ctx->reply.size > ctx->limits.reply_bytes)
        return kt_fail(ctx, KT_TOO_LARGE, "fields",
                       "the rows of record %llu are too much for one answer: name fewer fields",
                       "记录 %llu 的行超出一次应答的限度：请减少字段",
                       (unsigned long long)kt_get_id(record, "id"));
    msgpack_packer_init(&packer, &ctx->reply, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, export->columns.count);
    for (size_t i = 0; i < export->columns.count; i++)
        msgpack_pack_object(&packer, row[i]);
    export->rows++;
    return context_check_memory(ctx);
}

static enum kt_status write_record(struct kt_ctx *ctx, struct export *export,
                                   struct store_slice bytes)
{
    const struct schema_field *lines = export->columns.lines;
    msgpack_object record;
    KT_TRY(context_unpack(ctx, bytes.at, bytes.size, false, &record));
    msgpack_object *row = kt_alloc(ctx, sizeof(*row) * export->columns.count);
    for (size_t i = 0; i < export->columns.count; i++)
        if (!export->columns.at[i].line)
            KT_TRY(export_cell(&export->cells, &export->columns.at[i], &record, NULL, &row[i]));
    size_t count = lines ? kt_count(&record, lines->decl->name) : 0;
    if (count == 0)
        return write_row(ctx, export, &record, NULL, row);
    for (size_t i = 0; i < count; i++)
        KT_TRY(write_row(ctx, export, &record, kt_at(&record, lines->decl->name, i), row));
    return KT_OK;
}

static enum kt_status add_record(struct kt_ctx *ctx, void *argument, uint64_t id,
                                 struct store_slice bytes)
{
    struct export *export = argument;
    (void)id;
    export->records++;
    export->cells.number++;
    struct context_aside aside = context_aside_begin(ctx, export->scratch);
    enum kt_status status = context_aside_end(ctx, &aside, write_record(ctx, export, bytes));
    export->query->enough = ctx->reply.size >= KT_LIMIT_EXPORT_BYTES;
    return status;
}

/* --- The page --- */

static enum kt_status read_after(struct kt_ctx *ctx, const msgpack_object *given,
                                 struct export *export, struct record_question *asked)
{
    if (!given)
        return KT_OK;
    if (given->type != MSGPACK_OBJECT_ARRAY || given->via.array.size != 2 ||
        given->via.array.ptr[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return kt_fail(ctx, KT_INVALID, "after", "after must be the `next` of the page before",
                       "after 必须是上一页返回的 next");
    export->cells.number = given->via.array.ptr[0].via.u64;
    asked->after = &given->via.array.ptr[1];
    return KT_OK;
}

static msgpack_object next_of(struct kt_ctx *ctx, const struct export *export,
                              msgpack_object cursor)
{
    struct kt_list *next = kt_list_new(ctx);
    if (cursor.type == MSGPACK_OBJECT_NIL)
        return cursor;
    kt_list_add(next, kt_id(export->cells.number));
    kt_list_add(next, cursor);
    return next->object;
}

static enum kt_status write_page(struct kt_ctx *ctx, struct export *export)
{
    msgpack_packer packer;
    msgpack_object cursor;
    msgpack_sbuffer_clear(&ctx->reply);
    msgpack_packer_init(&packer, &ctx->reply, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 4);
    msgpack_pack_str_with_body(&packer, "columns", 7);
    msgpack_pack_array(&packer, export->columns.count);
    for (size_t i = 0; i < export->columns.count; i++)
        msgpack_pack_object(&packer, kt_text(export->columns.at[i].name));
    msgpack_pack_str_with_body(&packer, "rows", 4);
    size_t list = record_list_begin(ctx);
    KT_TRY(record_query_run(ctx, export->query, add_record, export, &cursor));
    record_list_end(ctx, list, export->rows);
    msgpack_pack_str_with_body(&packer, "records", 7);
    msgpack_pack_uint32(&packer, export->records);
    msgpack_pack_str_with_body(&packer, "next", 4);
    msgpack_pack_object(&packer, next_of(ctx, export, cursor));
    return context_check_memory(ctx);
}

enum kt_status record_reply_export(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const msgpack_object *params)
{
    struct export export = {.entity = entity, .cells = {.ctx = ctx}};
    struct record_question asked = {.entity = entity,
                                    .where = kt_get(params, "where"),
                                    .order = kt_get(params, "order"),
                                    .archived = kt_get(params, "archived"),
                                    .paged = true,
                                    .for_client = true};
    KT_TRY(record_page_limit(ctx, params, &asked.limit));
    KT_TRY(read_after(ctx, kt_get(params, "after"), &export, &asked));
    KT_TRY(export_columns_read(ctx, entity, kt_get(params, "fields"), kt_get(params, "lines"),
                               &export.columns));
    KT_TRY(record_query_compile(ctx, &asked, &export.query));
    export.cells.names = export_names_new(ctx);
    export.scratch = msgpack_zone_new(16384);
    if (!export.scratch)
        abort();
    enum kt_status status = write_page(ctx, &export);
    msgpack_zone_free(export.scratch);
    return status;
}
