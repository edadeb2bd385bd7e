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

const char *verify_word(enum verify_what what)
{
    static const char *const words[VERIFY_WHATS] = {"record", "reference", "history", "file",
                                                    "index",  "unique",    "total",   "words",
                                                    "count",  "changed"};
    return words[what];
}

void verify_problem(struct verify *verify, enum verify_what what,
                    const struct schema_entity *entity, uint64_t id, const char *english,
                    const char *chinese, ...)
{
    struct kt_ctx *ctx = verify->ctx;
    msgpack_zone *present = ctx->arena;
    char text[512], text_zh[512];
    va_list arguments, again;
    if (entity)
        verify->wrong[entity - ctx->schema->entities] |= 1u << what;
    if (verify->problem_count++ >= VERIFY_PROBLEMS)
        return;
    va_start(arguments, chinese);
    va_copy(again, arguments);
    vsnprintf(text, sizeof(text), english, arguments);
    vsnprintf(text_zh, sizeof(text_zh), chinese, again);
    va_end(again);
    va_end(arguments);
    ctx->arena = verify->arena;
    struct kt_map *problem = kt_map_new(ctx);
    kt_map_set_text(problem, "what", verify_word(what));
    if (entity)
        kt_map_set_text(problem, "entity", entity->name);
    if (id)
        kt_map_set_id(problem, "id", id);
    kt_map_set_text(problem, "text", kt_format(ctx, "%s", text));
    kt_map_set_text(problem, "text_zh", kt_format(ctx, "%s", text_zh));
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
    bool whole = record_unpack_whole(ctx, id, bytes, false, &record) == KT_OK;
    if (!whole)
        context_forgive(ctx);
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

static enum verify_what kind(const struct schema_index *index)
{
    return index->unique ? VERIFY_UNIQUE : VERIFY_INDEX;
}

static void check_key(struct verify *verify, const struct schema_index *index, uint64_t id,
                      const struct key *key, uint64_t *entries)
{
    struct store_slice value;
    uint64_t owner = 0;
    if (key->overflow)
        return;
    if (store_get(verify->ctx->txn, key_slice(key), &value) != KT_OK) {
        verify_problem(verify, kind(index), index->entity, id, "%s lacks record %llu",
                       "%s 缺少记录 %llu", index->name, (unsigned long long)id);
        return;
    }
    if (index->unique && value.size == sizeof(owner))
        memcpy(&owner, value.at, sizeof(owner));
    if (!index->unique || owner == id)
        ++*entries;
    else
        verify_problem(verify, VERIFY_UNIQUE, index->entity, id,
                       "%s gives the value of record %llu to record %llu",
                       "%s 将记录 %llu 的值归于记录 %llu", index->name, (unsigned long long)id,
                       (unsigned long long)owner);
}

static void check_reference(struct verify *verify, const struct schema_entity *entity, uint64_t id,
                            const struct schema_field *field, uint64_t target)
{
    if (!target || !field->target)
        return;
    verify->references++;
    if (!record_exists(verify->ctx, field->target, target))
        verify_problem(verify, VERIFY_REFERENCE, entity, id,
                       "%s of record %llu refers to %s %llu, which is not there",
                       "%s（记录 %llu）引用的 %s %llu 不存在", field->decl->name,
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
        verify_problem(verify, VERIFY_RECORD, entity, id, "record %llu cannot be read",
                       "无法读取记录 %llu", (unsigned long long)id);
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
        verify_problem(verify, kind(index), index->entity, id,
                       "%s has an entry for record %llu that does not belong there",
                       "%s 中有一个不该有的条目，指向记录 %llu", index->name,
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

static void check_counts(struct verify *verify, const struct schema_entity *entity,
                         const struct record_counts *found)
{
    struct record_counts kept;
    if (record_counts_read(verify->ctx, entity, &kept) != KT_OK) {
        context_forgive(verify->ctx);
        verify_problem(verify, VERIFY_COUNT, entity, 0, "the count of records cannot be read",
                       "无法读取记录计数");
    } else if (kept.all != found->all || kept.archived != found->archived) {
        verify_problem(verify, VERIFY_COUNT, entity, 0,
                       "%llu records (%llu archived) are counted, %llu (%llu) are there",
                       "计数为 %llu 条记录（%llu 条已归档），实有 %llu 条（%llu 条）",
                       (unsigned long long)kept.all, (unsigned long long)kept.archived,
                       (unsigned long long)found->all, (unsigned long long)found->archived);
    }
}

/* A counter that lags would give a new record the id of one that is there. */
static enum kt_status check_last_id(struct verify *verify, const struct schema_entity *entity)
{
    uint64_t given, used;
    KT_TRY(record_last_used_id(verify->ctx, entity, &used));
    if (record_last_id(verify->ctx, entity, &given) != KT_OK) {
        context_forgive(verify->ctx);
        verify_problem(verify, VERIFY_COUNT, entity, 0, "the last id given out cannot be read",
                       "无法读取最后分配的编号");
    } else if (given < used) {
        verify_problem(verify, VERIFY_COUNT, entity, used,
                       "the last id given out is %llu, yet record %llu is or was there",
                       "最后分配的编号为 %llu，但已有记录 %llu", (unsigned long long)given,
                       (unsigned long long)used);
    }
    return KT_OK;
}

static enum kt_status check_entity(struct verify *verify, const struct schema_entity *entity)
{
    struct expectation expected = {.entity = entity};
    expected.entries = kt_alloc(verify->ctx, sizeof(*expected.entries) * entity->index_count);
    KT_TRY(verify_records(verify, entity, check_record, &expected));
    check_counts(verify, entity, &expected.counts);
    KT_TRY(check_last_id(verify, entity));
    for (size_t i = 0; i < entity->index_count; i++) {
        uint64_t rows = 0, again = 0;
        KT_TRY(walk_index(verify, &entity->indexes[i], false, &rows));
        verify->index_entries += rows;
        if (rows != expected.entries[i])
            KT_TRY(walk_index(verify, &entity->indexes[i], true, &again));
    }
    return verify_history(verify, entity);
}

static enum kt_status run_parts(struct verify *verify)
{
    const struct schema *schema = verify->ctx->schema;
    for (size_t i = 0; i < schema->entity_count; i++)
        KT_TRY(check_entity(verify, &schema->entities[i]));
    KT_TRY(verify_totals(verify));
    KT_TRY(verify_words(verify));
    return verify_files(verify);
}

enum kt_status verify_run(struct kt_ctx *ctx, struct verify *verify)
{
    *verify = (struct verify){.ctx = ctx, .arena = ctx->arena, .problems = kt_list_new(ctx)};
    verify->wrong = kt_alloc(ctx, sizeof(*verify->wrong) * (ctx->schema->entity_count + 1));
    verify->scratch = msgpack_zone_new(16384);
    if (!verify->scratch)
        abort();
    enum kt_status status = run_parts(verify);
    msgpack_zone_free(verify->scratch);
    verify->scratch = NULL;
    return status == KT_OK ? context_check_memory(ctx) : status;
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
    struct verify verify;
    KT_TRY(verify_run(ctx, &verify));
    reply(&verify);
    return context_check_memory(ctx);
}
