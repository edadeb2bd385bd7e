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

static enum kt_status visit(struct verify *verify, uint64_t id, struct store_slice bytes,
                            verify_each each, void *argument)
{
    struct kt_ctx *ctx = verify->ctx;
    msgpack_object record;
    size_t used = ctx->arena_used;
    ctx->arena = verify->scratch;
    bool whole = context_unpack(ctx, bytes.at, bytes.size, false, &record) == KT_OK;
    if (!whole)
        context_forgive(ctx);
    whole = whole && record.type == MSGPACK_OBJECT_MAP && kt_get_id(&record, "id") == id;
    enum kt_status status = each(verify, argument, id, whole ? &record : NULL);
    ctx->arena = verify->arena;
    if (status == KT_OK)
        ctx->arena_used = used;
    else
        context_error_keep(ctx);
    msgpack_zone_clear(verify->scratch);
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
        status = visit(verify, record_key_id(found), bytes, each, argument);
        moved = store_next(cursor, &found, &bytes);
    }
    store_cursor_close(cursor);
    if (status == KT_OK && moved != KT_OK && moved != KT_NOT_FOUND)
        return record_store_failed(ctx, moved);
    return status;
}

/* --- Indexes and references --- */

struct expectation {
    const struct schema_entity *entity;
    struct record_counts counts;
    uint64_t *entries; /**< For each index: how many of the keys it should have it has. */
};

static const char *label(const struct schema_index *index)
{
    return index->unique ? "unique" : "index";
}

static void check_key(struct verify *verify, const struct schema_index *index, uint64_t id,
                      const struct key *key, uint64_t *entries)
{
    struct store_slice value;
    uint64_t owner = 0;
    if (key->overflow)
        return;
    if (store_get(verify->ctx->txn, key_slice(key), &value) != KT_OK) {
        verify_problem(verify, label(index), index->entity->name, id, "%s lacks record %llu",
                       index->name, (unsigned long long)id);
        return;
    }
    ++*entries;
    if (!index->unique)
        return;
    if (value.size == sizeof(owner))
        memcpy(&owner, value.at, sizeof(owner));
    if (owner != id)
        verify_problem(verify, "unique", index->entity->name, id,
                       "%s gives the value of record %llu to record %llu", index->name,
                       (unsigned long long)id, (unsigned long long)owner);
}

static void check_reference(struct verify *verify, const struct schema_entity *entity, uint64_t id,
                            const struct schema_field *field, uint64_t target)
{
    if (!target || !field->target)
        return;
    verify->references++;
    if (!record_exists(verify->ctx, field->target, target))
        verify_problem(verify, "reference", entity->name, id,
                       "%s of record %llu refers to %s %llu, which is not there", field->decl->name,
                       (unsigned long long)id, field->decl->to, (unsigned long long)target);
}

static void check_references(struct verify *verify, const struct schema_entity *entity, uint64_t id,
                             const msgpack_object *record)
{
    for (size_t i = 0; i < entity->field_count; i++) {
        const struct schema_field *field = &entity->fields[i];
        const char *name = field->decl->name;
        if (field->decl->type == KT_REF)
            check_reference(verify, entity, id, field, kt_get_id(record, name));
        for (size_t r = 0; field->decl->type == KT_REFS && r < kt_count(record, name); r++)
            check_reference(verify, entity, id, field, kt_at(record, name, r)->via.u64);
        for (size_t l = 0; field->line_count && l < kt_count(record, name); l++)
            for (size_t p = 0; p < field->line_count; p++)
                if (field->lines[p].decl->type == KT_REF)
                    check_reference(verify, entity, id, &field->lines[p],
                                    kt_get_id(kt_at(record, name, l), field->lines[p].decl->name));
    }
}

static enum kt_status check_record(struct verify *verify, void *argument, uint64_t id,
                                   const msgpack_object *record)
{
    struct expectation *expected = argument;
    const struct schema_entity *entity = expected->entity;
    verify->records++;
    if (!record) {
        expected->counts.all++;
        verify_problem(verify, "record", entity->name, id, "record %llu cannot be read",
                       (unsigned long long)id);
        return KT_OK;
    }
    record_counts_add(&expected->counts, record);
    for (size_t i = 0; i < entity->index_count; i++) {
        struct record_keys keys;
        record_index_keys(verify->ctx, &entity->indexes[i], id, record, &keys);
        for (size_t k = 0; k < keys.count; k++)
            check_key(verify, &entity->indexes[i], id, &keys.at[k], &expected->entries[i]);
    }
    check_references(verify, entity, id, record);
    return KT_OK;
}

/* --- Strays: rows of an index that no record asks for --- */

static bool is_wanted(struct verify *verify, const struct schema_index *index,
                      struct store_slice key, uint64_t id)
{
    struct kt_ctx *ctx = verify->ctx;
    struct record_keys keys;
    const msgpack_object *record = NULL;
    size_t used = ctx->arena_used;
    bool wanted = false;
    ctx->arena = verify->scratch;
    if (record_load(ctx, index->entity, id, &record) == KT_OK) {
        record_index_keys(ctx, index, id, record, &keys);
        for (size_t i = 0; i < keys.count && !wanted; i++)
            wanted = keys.at[i].size == key.size && memcmp(keys.at[i].bytes, key.at, key.size) == 0;
    } else {
        context_forgive(ctx);
    }
    ctx->arena = verify->arena;
    ctx->arena_used = used;
    msgpack_zone_clear(verify->scratch);
    return wanted;
}

static void look_at_row(struct verify *verify, const struct schema_index *index,
                        struct store_slice key, struct store_slice value)
{
    uint64_t id = 0;
    if (index->unique && value.size == sizeof(id))
        memcpy(&id, value.at, sizeof(id));
    else if (!index->unique && key.size >= sizeof(id))
        id = record_key_id(key);
    if (!is_wanted(verify, index, key, id))
        verify_problem(verify, label(index), index->entity->name, id,
                       "%s has an entry for record %llu that does not belong there", index->name,
                       (unsigned long long)id);
}

/* Counts the rows, or looks at each. */
static enum kt_status walk_index(struct verify *verify, const struct schema_index *index, bool look,
                                 uint64_t *count)
{
    struct kt_ctx *ctx = verify->ctx;
    struct key prefix;
    struct store_cursor *cursor;
    struct store_slice found, value;
    record_index_begin(&prefix, index);
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    enum kt_status moved = store_seek(cursor, key_slice(&prefix), &found, &value);
    while (moved == KT_OK && key_has_prefix(found, key_slice(&prefix))) {
        ++*count;
        if (look)
            look_at_row(verify, index, found, value);
        moved = store_next(cursor, &found, &value);
    }
    store_cursor_close(cursor);
    return moved == KT_OK || moved == KT_NOT_FOUND ? KT_OK : record_store_failed(ctx, moved);
}

static enum kt_status check_counts(struct verify *verify, const struct schema_entity *entity,
                                   const struct record_counts *found)
{
    struct record_counts kept;
    KT_TRY(record_counts_read(verify->ctx, entity, &kept));
    if (kept.all != found->all || kept.archived != found->archived)
        verify_problem(verify, "count", entity->name, 0,
                       "%llu records (%llu archived) are counted, %llu (%llu) are there",
                       (unsigned long long)kept.all, (unsigned long long)kept.archived,
                       (unsigned long long)found->all, (unsigned long long)found->archived);
    return KT_OK;
}

static enum kt_status check_entity(struct verify *verify, const struct schema_entity *entity)
{
    struct expectation expected = {.entity = entity};
    expected.entries = kt_alloc(verify->ctx, sizeof(*expected.entries) * entity->index_count);
    KT_TRY(verify_records(verify, entity, check_record, &expected));
    KT_TRY(check_counts(verify, entity, &expected.counts));
    for (size_t i = 0; i < entity->index_count; i++) {
        uint64_t rows = 0, again = 0;
        KT_TRY(walk_index(verify, &entity->indexes[i], false, &rows));
        verify->index_entries += rows;
        if (rows != expected.entries[i])
            KT_TRY(walk_index(verify, &entity->indexes[i], true, &again));
    }
    return verify_history(verify, entity);
}

static void reply(struct verify *verify)
{
    struct kt_ctx *ctx = verify->ctx;
    struct kt_map *checked = kt_map_new(ctx);
    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set_int(checked, "records", (int64_t)verify->records);
    kt_map_set_int(checked, "index_entries", (int64_t)verify->index_entries);
    kt_map_set_int(checked, "total_rows", (int64_t)verify->total_rows);
    kt_map_set_int(checked, "references", (int64_t)verify->references);
    kt_map_set_int(checked, "words", (int64_t)verify->words);
    kt_map_set_int(checked, "changes", (int64_t)verify->changes);
    kt_map_set_int(checked, "files", (int64_t)verify->files);
    kt_map_set(answer, "checked", checked->object);
    kt_map_set(answer, "problems", verify->problems->object);
    kt_map_set_int(answer, "count", (int64_t)verify->problem_count);
    kt_reply_map(ctx, answer);
}

enum kt_status record_check_all(struct kt_ctx *ctx)
{
    struct verify verify = {.ctx = ctx, .arena = ctx->arena, .problems = kt_list_new(ctx)};
    enum kt_status status = KT_OK;
    verify.scratch = msgpack_zone_new(16384);
    if (!verify.scratch)
        abort();
    for (size_t i = 0; i < ctx->schema->entity_count && status == KT_OK; i++)
        status = check_entity(&verify, &ctx->schema->entities[i]);
    if (status == KT_OK)
        status = verify_totals(&verify);
    if (status == KT_OK)
        status = verify_words(&verify);
    if (status == KT_OK)
        status = verify_files(&verify);
    msgpack_zone_free(verify.scratch);
    KT_TRY(status);
    reply(&verify);
    return context_check_memory(ctx);
}
