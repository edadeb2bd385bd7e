/* record_check_all: everything that is kept in step with the records, compared with the records.
 *
 * Of an index, each key that a record should have is looked up, and the rows are counted: more rows
 * than keys means strays, which only then are searched for. Totals are in verify_total.c. Memory
 * does not grow with the number of records. Nothing is written. */
#include "record/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void verify_problem(struct verify *verify, const char *what, const char *entity, uint64_t id,
                    const char *format, ...)
{
    struct kt_ctx *ctx = verify->ctx;
    msgpack_zone *present = ctx->arena;
    char text[512];
    va_list arguments;
    if (verify->problem_count++ >= VERIFY_PROBLEMS)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    ctx->arena = verify->arena;
    struct kt_map *problem = kt_map_new(ctx);
    kt_map_set_text(problem, "what", what);
    if (entity)
        kt_map_set_text(problem, "entity", entity);
    if (id)
        kt_map_set_id(problem, "id", id);
    kt_map_set_text(problem, "text", kt_format(ctx, "%s", text));
    kt_list_add(verify->problems, problem->object);
    ctx->arena = present;
}

/* --- Records --- */

static enum kt_status visit(struct verify *verify, const struct schema_entity *entity, uint64_t id,
                            struct store_slice bytes, verify_each each, void *argument)
{
    struct kt_ctx *ctx = verify->ctx;
    msgpack_object record;
    size_t used = ctx->arena_used;
    enum kt_status status = KT_OK;
    ctx->arena = verify->scratch;
    if (context_unpack(ctx, bytes.at, bytes.size, false, &record) != KT_OK)
        context_forgive(ctx);
    else if (record.type == MSGPACK_OBJECT_MAP && kt_get_id(&record, "id") == id)
        status = each(verify, argument, id, &record);
    ctx->arena = verify->arena;
    ctx->arena_used = used;
    msgpack_zone_clear(verify->scratch);
    (void)entity;
    return status;
}

enum kt_status verify_records(struct verify *verify, const struct schema_entity *entity,
                              verify_each each, void *argument)
{
    struct kt_ctx *ctx = verify->ctx;
    struct key prefix;
    struct store_cursor *cursor;
    struct store_slice found, bytes;
    key_begin(&prefix, SPACE_RECORD);
    key_add_u32(&prefix, entity->number);
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    enum kt_status status = KT_OK;
    enum kt_status moved = store_seek(cursor, key_slice(&prefix), &found, &bytes);
    while (moved == KT_OK && status == KT_OK && key_has_prefix(found, key_slice(&prefix))) {
        status = visit(verify, entity, record_key_id(found), bytes, each, argument);
        moved = store_next(cursor, &found, &bytes);
    }
    store_cursor_close(cursor);
    if (status == KT_OK && moved != KT_OK && moved != KT_NOT_FOUND)
        return record_store_failed(ctx, moved);
    return status;
}
