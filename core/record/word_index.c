/* Keeping the full-text index: a save compares the words the record had with those it has. */
#include "record/word_index.h"

#include <stdlib.h>
#include <string.h>

#define TIMES_MAX UINT16_MAX

/* --- Words of a record --- */

bool word_field_is_searchable(const struct schema_field *field)
{
    return (field->decl->flags & KT_SEARCHABLE) != 0;
}

struct gathering {
    struct kt_ctx *ctx;
    struct word_of_record *at;
    size_t count, capacity;
    uint16_t times; /* Of each word of the present text. */
};

static bool gather(void *argument, const struct word *word)
{
    struct gathering *words = argument;
    if (words->count == words->capacity) {
        size_t grown = words->capacity ? words->capacity * 2 : 32;
        struct word_of_record *wider = kt_alloc(words->ctx, sizeof(*wider) * grown);
        if (words->count)
            memcpy(wider, words->at, sizeof(*wider) * words->count);
        words->at = wider;
        words->capacity = grown;
    }
    words->at[words->count++] = (struct word_of_record){.word = *word, .times = words->times};
    return words->count < WORD_RECORD_MAX;
}

static void gather_value(struct gathering *words, const msgpack_object *value)
{
    if (!value)
        return;
    if (value->type == MSGPACK_OBJECT_STR)
        words_split(value->via.str.ptr, value->via.str.size, WORDS_TO_STORE, gather, words);
    for (uint32_t i = 0; value->type == MSGPACK_OBJECT_ARRAY && i < value->via.array.size; i++)
        gather_value(words, &value->via.array.ptr[i]);
}

static void gather_field(struct gathering *words, const struct schema_field *field,
                         const msgpack_object *record)
{
    const char *name = field->decl->name;
    if (word_field_is_searchable(field))
        gather_value(words, kt_get(record, name));
    for (size_t p = 0; p < field->line_count; p++) {
        const struct schema_field *part = &field->lines[p];
        for (size_t l = 0; word_field_is_searchable(part) && l < kt_count(record, name); l++)
            gather_value(words, kt_get(kt_at(record, name, l), part->decl->name));
    }
}

static int compare_words(const void *a, const void *b)
{
    const struct word *left = &((const struct word_of_record *)a)->word;
    const struct word *right = &((const struct word_of_record *)b)->word;
    size_t shorter = left->size < right->size ? left->size : right->size;
    int order = memcmp(left->text, right->text, shorter);
    return order ? order : (left->size > right->size) - (left->size < right->size);
}

static uint16_t add_times(uint16_t a, uint16_t b)
{
    return (uint32_t)a + b > TIMES_MAX ? TIMES_MAX : (uint16_t)(a + b);
}

void words_of_record(struct kt_ctx *ctx, const struct schema_entity *entity,
                     const msgpack_object *record, struct words_of_record *out)
{
    struct gathering words = {.ctx = ctx};
    *out = (struct words_of_record){0};
    for (size_t i = 0; record && i < entity->field_count; i++) {
        words.times = &entity->fields[i] == entity->title ? WORD_TITLE_TIMES : 1;
        gather_field(&words, &entity->fields[i], record);
    }
    if (words.count == 0)
        return;
    qsort(words.at, words.count, sizeof(*words.at), compare_words);
    size_t kept = 0;
    for (size_t i = 0; i < words.count; i++) {
        out->length = add_times(out->length, words.at[i].times);
        if (kept && compare_words(&words.at[kept - 1], &words.at[i]) == 0)
            words.at[kept - 1].times = add_times(words.at[kept - 1].times, words.at[i].times);
        else
            words.at[kept++] = words.at[i];
    }
    out->at = words.at;
    out->count = kept;
}

/* --- Rows --- */

void word_key_entity(struct key *key, const struct schema_entity *entity)
{
    key_begin(key, SPACE_WORD);
    key_add_u32(key, entity->number);
}

void word_key(struct key *key, const struct schema_entity *entity, const struct word *word,
              uint64_t id)
{
    word_key_entity(key, entity);
    key_add_text(key, word->text, word->size);
    key_add_u64(key, id);
}

void word_key_prefix(struct key *key, const struct schema_entity *entity, const struct word *word)
{
    word_key_entity(key, entity);
    key_add_text_start(key, word->text, word->size);
}

bool word_row_read(struct store_slice value, uint16_t *times, uint16_t *length)
{
    uint16_t row[2];
    if (value.size != sizeof(row))
        return false;
    memcpy(row, value.at, sizeof(row));
    *times = row[0];
    *length = row[1];
    return true;
}

static enum kt_status put_word(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                               const struct word_of_record *word, uint16_t length)
{
    struct key key;
    const uint16_t row[2] = {word->times, length};
    word_key(&key, entity, &word->word, id);
    enum kt_status status =
        store_put(ctx->txn, key_slice(&key), (struct store_slice){row, sizeof(row)});
    return status == KT_OK ? KT_OK : record_store_failed(ctx, status);
}

static enum kt_status delete_word(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  uint64_t id, const struct word_of_record *word)
{
    struct key key;
    word_key(&key, entity, &word->word, id);
    enum kt_status status = store_del(ctx->txn, key_slice(&key));
    return status == KT_OK ? KT_OK : record_store_failed(ctx, KT_INTERNAL);
}

/* --- The count of records that have words --- */

static void count_key(struct key *key, const struct schema_entity *entity)
{
    word_key_entity(key, entity);
    key_add_nil(key);
}

enum kt_status word_record_count(struct kt_ctx *ctx, const struct schema_entity *entity,
                                 uint64_t *out)
{
    struct key key;
    struct store_slice bytes;
    *out = 0;
    count_key(&key, entity);
    enum kt_status status = store_get(ctx->txn, key_slice(&key), &bytes);
    if (status == KT_OK && bytes.size == sizeof(*out))
        memcpy(out, bytes.at, sizeof(*out));
    return status == KT_OK || status == KT_NOT_FOUND ? KT_OK : record_store_failed(ctx, status);
}

static enum kt_status count_change(struct kt_ctx *ctx, const struct schema_entity *entity, bool had,
                                   bool has)
{
    struct key key;
    uint64_t count;
    if (had == has)
        return KT_OK;
    KT_TRY(word_record_count(ctx, entity, &count));
    count = has ? count + 1 : count - 1;
    count_key(&key, entity);
    enum kt_status status =
        store_put(ctx->txn, key_slice(&key), (struct store_slice){&count, sizeof(count)});
    return status == KT_OK ? KT_OK : record_store_failed(ctx, status);
}

/* --- Change --- */

static enum kt_status write_difference(struct kt_ctx *ctx, const struct schema_entity *entity,
                                       uint64_t id, const struct words_of_record *before,
                                       const struct words_of_record *after)
{
    size_t i = 0, j = 0;
    while (i < before->count || j < after->count) {
        int order = i == before->count  ? 1
                    : j == after->count ? -1
                                        : compare_words(&before->at[i], &after->at[j]);
        if (order < 0) {
            KT_TRY(delete_word(ctx, entity, id, &before->at[i++]));
            continue;
        }
        if (order > 0 || before->length != after->length ||
            before->at[i].times != after->at[j].times)
            KT_TRY(put_word(ctx, entity, id, &after->at[j], after->length));
        i += order == 0;
        j++;
    }
    return KT_OK;
}

static bool touched(const struct schema_entity *entity, const msgpack_object *old,
                    const msgpack_object *record)
{
    if (!old || !record)
        return true;
    for (size_t i = 0; i < entity->field_count; i++) {
        const struct schema_field *field = &entity->fields[i];
        bool searchable = word_field_is_searchable(field);
        for (size_t p = 0; p < field->line_count; p++)
            searchable = searchable || word_field_is_searchable(&field->lines[p]);
        if (searchable &&
            !kt_equal(kt_get(old, field->decl->name), kt_get(record, field->decl->name)))
            return true;
    }
    return false;
}

enum kt_status record_words_change(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   uint64_t id, const msgpack_object *old,
                                   const msgpack_object *record)
{
    struct words_of_record before, after;
    if (!entity->searchable || !touched(entity, old, record))
        return KT_OK;
    words_of_record(ctx, entity, old, &before);
    words_of_record(ctx, entity, record, &after);
    KT_TRY(context_check_memory(ctx));
    KT_TRY(count_change(ctx, entity, before.count > 0, after.count > 0));
    return write_difference(ctx, entity, id, &before, &after);
}
