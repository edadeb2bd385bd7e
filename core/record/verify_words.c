/* The full-text index against the records: each word a record has is looked up, and the rows are
 * counted. More rows than words means strays, which only then are searched for. */
#include <string.h>

#include "record/verify.h"
#include "record/word_index.h"

struct expectation {
    const struct schema_entity *entity;
    uint64_t rows;    /* Those that are right. */
    uint64_t records; /* Those that have words. */
};

static enum kt_status check_record(struct verify *verify, void *argument, uint64_t id,
                                   const msgpack_object *record)
{
    struct expectation *expected = argument;
    struct words_of_record words;
    words_of_record(verify->ctx, expected->entity, record, &words);
    expected->records += words.count > 0;
    for (size_t i = 0; i < words.count; i++) {
        const struct word *word = &words.at[i].word;
        struct key key;
        struct store_slice value;
        uint16_t times, length;
        word_key(&key, expected->entity, word, id);
        if (store_get(verify->ctx->txn, key_slice(&key), &value) != KT_OK) {
            verify_problem(verify, VERIFY_WORDS, expected->entity, id,
                           "the full-text index lacks '%.*s' of record %llu",
                           "全文索引缺少“%.*s”（记录 %llu）", (int)word->size, word->text,
                           (unsigned long long)id);
            continue;
        }
        expected->rows++;
        if (!word_row_read(value, &times, &length) || times != words.at[i].times ||
            length != words.length)
            verify_problem(verify, VERIFY_WORDS, expected->entity, id,
                           "the full-text index weighs '%.*s' of record %llu wrongly",
                           "全文索引中“%.*s”（记录 %llu）的权重有误", (int)word->size, word->text,
                           (unsigned long long)id);
    }
    return KT_OK;
}

static bool is_wanted(struct verify *verify, const struct schema_entity *entity,
                      const struct word *word, uint64_t id)
{
    struct kt_ctx *ctx = verify->ctx;
    const msgpack_object *record;
    struct words_of_record words = {0};
    size_t used = ctx->arena_used;
    bool wanted = false;
    ctx->arena = verify->scratch;
    if (record_load(ctx, entity, id, &record) == KT_OK)
        words_of_record(ctx, entity, record, &words);
    else
        context_forgive(ctx);
    for (size_t i = 0; i < words.count && !wanted; i++)
        wanted = words.at[i].word.size == word->size &&
                 memcmp(words.at[i].word.text, word->text, word->size) == 0;
    ctx->arena = verify->arena;
    ctx->arena_used = used;
    msgpack_zone_clear(verify->scratch);
    return wanted;
}

/* Counts the row, or looks whether its record wants it. */
static void visit_row(struct verify *verify, const struct schema_entity *entity,
                      struct store_slice key, bool look, uint64_t *count)
{
    struct key_reader reader = key_read(key);
    struct word word = {.size = 0};
    char text[KEY_TEXT_MAX];
    uint32_t number;
    uint64_t id;
    bool cut;
    if (!key_read_u32(&reader, &number) || key_peek(&reader) != KEY_TEXT ||
        !key_read_text(&reader, text, &word.size, &cut) || !key_read_u64(&reader, &id))
        return; /* The row that counts the records. */
    ++*count;
    word.size = word.size < WORD_BYTES_MAX ? word.size : WORD_BYTES_MAX;
    memcpy(word.text, text, word.size);
    if (look && !is_wanted(verify, entity, &word, id))
        verify_problem(verify, VERIFY_WORDS, entity, id,
                       "the full-text index has '%.*s' for record %llu, which lacks it",
                       "全文索引中有“%.*s”，但记录 %llu 不含此词", (int)word.size, word.text,
                       (unsigned long long)id);
}

static enum kt_status walk_rows(struct verify *verify, const struct schema_entity *entity,
                                bool look, uint64_t *count)
{
    struct key prefix;
    struct store_cursor *cursor;
    struct store_slice found;
    word_key_entity(&prefix, entity);
    if (store_cursor_open(verify->ctx->txn, &cursor) != KT_OK)
        return record_store_failed(verify->ctx, KT_INTERNAL);
    enum kt_status moved = store_seek(cursor, key_slice(&prefix), &found, NULL);
    for (; moved == KT_OK && key_has_prefix(found, key_slice(&prefix));
         moved = store_next(cursor, &found, NULL))
        visit_row(verify, entity, found, look, count);
    store_cursor_close(cursor);
    return moved == KT_OK || moved == KT_NOT_FOUND ? KT_OK
                                                   : record_store_failed(verify->ctx, moved);
}

static enum kt_status check_entity(struct verify *verify, const struct schema_entity *entity)
{
    struct expectation expected = {.entity = entity};
    uint64_t rows = 0, again = 0, counted = 0;
    KT_TRY(verify_records(verify, entity, check_record, &expected));
    KT_TRY(walk_rows(verify, entity, false, &rows));
    KT_TRY(word_record_count(verify->ctx, entity, &counted));
    verify->words += rows;
    if (counted != expected.records)
        verify_problem(verify, VERIFY_WORDS, entity, 0,
                       "the full-text index counts %llu records, there are %llu",
                       "全文索引计数为 %llu 条记录，实有 %llu 条", (unsigned long long)counted,
                       (unsigned long long)expected.records);
    return rows == expected.rows ? KT_OK : walk_rows(verify, entity, true, &again);
}

enum kt_status verify_words(struct verify *verify)
{
    const struct schema *schema = verify->ctx->schema;
    for (size_t i = 0; i < schema->entity_count; i++)
        if (schema->entities[i].searchable)
            KT_TRY(check_entity(verify, &schema->entities[i]));
    return KT_OK;
}
