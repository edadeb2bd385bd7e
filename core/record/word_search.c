/* Who has these words? The rows of each word are gathered by record; words that stand in very many
 * records are only asked of those that the rarer words left. */
#include "record/word_search.h"

#include <stdlib.h>
#include <string.h>

#include "kontor/limits.h"

/* Rows of one word that are gathered; a word with more is common. */
#define WORD_ROWS_RARE 20000
#define USUAL_LENGTH   16

/* --- Compile --- */

struct asking {
    struct word_query *query;
    bool too_many;
};

static bool ask(void *argument, const struct word *word)
{
    struct asking *asking = argument;
    struct word_query *query = asking->query;
    for (size_t i = 0; i < query->count; i++)
        if (query->words[i].size == word->size &&
            memcmp(query->words[i].text, word->text, word->size) == 0)
            return true;
    asking->too_many = query->count == WORD_ASKED_MAX;
    if (!asking->too_many)
        query->words[query->count++] = *word;
    return !asking->too_many;
}

enum kt_status word_query_compile(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const msgpack_object *text, struct word_query **out)
{
    struct word_query *query = kt_alloc(ctx, sizeof(*query));
    struct asking asking = {.query = query};
    query->entity = entity;
    if (!entity->searchable)
        return kt_fail(ctx, KT_INVALID, "text", "%s has no text to search",
                       "%s 没有可全文搜索的字段", entity->name);
    if (text->type != MSGPACK_OBJECT_STR || text->via.str.size > KT_LIMIT_TEXT * 4)
        return kt_fail(ctx, KT_INVALID, "text", "text is the words to search for",
                       "text 应为要搜索的词语");
    words_split(text->via.str.ptr, text->via.str.size, WORDS_TO_FIND, ask, &asking);
    if (asking.too_many)
        return kt_fail(ctx, KT_TOO_LARGE, "text", "text has more than %d words",
                       "text 超过 %d 个词语", WORD_ASKED_MAX);
    if (query->count == 0)
        return kt_fail(ctx, KT_INVALID, "text", "text has no letter or digit to search for",
                       "text 中没有可搜索的字母或数字");
    *out = query;
    return KT_OK;
}

/* --- Points --- */

static unsigned rarity(uint64_t records, uint64_t with_word)
{
    uint64_t ratio = with_word ? records / with_word : 1;
    unsigned bits = 1;
    for (; ratio > 1; ratio /= 2)
        bits++;
    return bits;
}

/* tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / usual)), in hundredths. */
static uint32_t density(uint16_t times, uint16_t length)
{
    uint64_t below = (uint64_t)times * 1000 + 300 + 900u * (uint64_t)length / USUAL_LENGTH;
    return (uint32_t)((uint64_t)times * 2200 * 100 / below);
}

static uint32_t row_points(uint16_t times, uint16_t length, bool whole)
{
    return density(times, length) * (whole ? 2 : 1);
}

/* --- Rows of one word --- */

struct rows {
    struct word_hit *at;
    size_t count, capacity;
    bool common; /* There were more than are worth gathering. */
};

static void add_row(struct kt_ctx *ctx, struct rows *rows, uint64_t id, uint32_t points)
{
    if (rows->count == rows->capacity) {
        size_t grown = rows->capacity ? rows->capacity * 2 : 64;
        struct word_hit *wider = kt_alloc(ctx, sizeof(*wider) * grown);
        if (rows->count)
            memcpy(wider, rows->at, sizeof(*wider) * rows->count);
        rows->at = wider;
        rows->capacity = grown;
    }
    rows->at[rows->count++] = (struct word_hit){id, points};
}

static int by_id(const void *a, const void *b)
{
    const struct word_hit *left = a, *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

/* One hit for each record: its best. Rows of several words that begin alike come word by word. */
static void settle(struct rows *rows)
{
    size_t kept = 0;
    if (rows->count)
        qsort(rows->at, rows->count, sizeof(*rows->at), by_id);
    for (size_t i = 0; i < rows->count; i++) {
        if (kept && rows->at[kept - 1].id == rows->at[i].id) {
            if (rows->at[kept - 1].points < rows->at[i].points)
                rows->at[kept - 1].points = rows->at[i].points;
        } else {
            rows->at[kept++] = rows->at[i];
        }
    }
    rows->count = kept;
}

static bool only_whole(const struct word *word)
{
    return word->size == 1;
}

static void begin_word(struct key *prefix, const struct schema_entity *entity,
                       const struct word *word)
{
    if (only_whole(word)) {
        word_key_entity(prefix, entity);
        key_add_text(prefix, word->text, word->size);
    } else {
        word_key_prefix(prefix, entity, word);
    }
}

static enum kt_status gather(struct kt_ctx *ctx, const struct schema_entity *entity,
                             const struct word *word, size_t most, struct rows *rows)
{
    struct key prefix, whole;
    struct store_cursor *cursor;
    struct store_slice found, value;
    begin_word(&prefix, entity, word);
    word_key(&whole, entity, word, 0);
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    rows->count = 0;
    enum kt_status moved = store_seek(cursor, key_slice(&prefix), &found, &value);
    while (moved == KT_OK && key_has_prefix(found, key_slice(&prefix)) && rows->count < most &&
           !context_is_late(ctx)) {
        uint16_t times, length;
        if (word_row_read(value, &times, &length))
            add_row(ctx, rows, record_key_id(found),
                    row_points(times, length, found.size == whole.size));
        moved = store_next(cursor, &found, &value);
    }
    rows->common = rows->count == most;
    store_cursor_close(cursor);
    if (moved != KT_OK && moved != KT_NOT_FOUND)
        return record_store_failed(ctx, moved);
    settle(rows);
    KT_TRY(context_check_time(ctx));
    return context_check_memory(ctx);
}

/* --- All words --- */

static bool begins_with(const struct word *word, const struct word *start)
{
    return word->size >= start->size && memcmp(word->text, start->text, start->size) == 0;
}

static uint32_t best_of_record(const struct words_of_record *words, const struct word *asked)
{
    uint32_t best = 0;
    for (size_t i = 0; i < words->count; i++) {
        const struct word_of_record *there = &words->at[i];
        bool whole = there->word.size == asked->size;
        if (!begins_with(&there->word, asked) || (!whole && only_whole(asked)))
            continue;
        uint32_t points = row_points(there->times, words->length, whole);
        best = points > best ? points : best;
    }
    return best;
}

uint32_t word_query_points(struct kt_ctx *ctx, const struct word_query *query,
                           const msgpack_object *record)
{
    struct words_of_record words;
    uint32_t sum = 0;
    words_of_record(ctx, query->entity, record, &words);
    for (size_t i = 0; i < query->count; i++) {
        uint32_t points = best_of_record(&words, &query->words[i]);
        if (points == 0)
            return 0;
        sum += points * query->rarity[i];
    }
    return sum;
}

static void intersect(struct word_hits *hits, const struct rows *rows, unsigned weight)
{
    size_t kept = 0, j = 0;
    for (size_t i = 0; i < hits->count; i++) {
        while (j < rows->count && rows->at[j].id < hits->at[i].id)
            j++;
        if (j == rows->count || rows->at[j].id != hits->at[i].id)
            continue;
        hits->at[kept] = hits->at[i];
        hits->at[kept++].points += rows->at[j].points * weight;
    }
    hits->count = kept;
}

/* The records that the rarer words left are read for a common one. */
static enum kt_status keep_those_with(struct kt_ctx *ctx, const struct word_query *query,
                                      size_t number, struct word_hits *hits)
{
    size_t kept = 0;
    msgpack_zone *scratch = msgpack_zone_new(16384);
    enum kt_status status = KT_OK;
    if (!scratch)
        abort();
    for (size_t i = 0; i < hits->count && status == KT_OK; i++) {
        const msgpack_object *record;
        struct words_of_record words;
        struct context_aside aside = context_aside_begin(ctx, scratch);
        status = record_load(ctx, query->entity, hits->at[i].id, &record);
        if (status == KT_OK) {
            words_of_record(ctx, query->entity, record, &words);
            uint32_t points = best_of_record(&words, &query->words[number]);
            hits->at[kept] = hits->at[i];
            hits->at[kept].points += points * query->rarity[number];
            kept += points > 0;
        }
        status = context_aside_end(ctx, &aside, status);
    }
    msgpack_zone_free(scratch);
    hits->count = kept;
    return status;
}

static int by_points(const void *a, const void *b)
{
    const struct word_hit *left = a, *right = b;
    if (left->points != right->points)
        return left->points < right->points ? 1 : -1;
    return (left->id < right->id) - (left->id > right->id);
}

void word_hits_sort(struct word_hits *hits)
{
    if (hits->count)
        qsort(hits->at, hits->count, sizeof(*hits->at), by_points);
}

static enum kt_status gather_all(struct kt_ctx *ctx, struct word_query *query, struct rows *rows)
{
    uint64_t records;
    size_t rare = 0;
    KT_TRY(word_record_count(ctx, query->entity, &records));
    for (size_t i = 0; i < query->count; i++) {
        KT_TRY(gather(ctx, query->entity, &query->words[i], WORD_ROWS_RARE, &rows[i]));
        rare += !rows[i].common;
    }
    /* Nothing but common words: one of them is gathered as far as a search may look. */
    for (size_t i = 0; i < query->count && rare == 0; i++) {
        KT_TRY(gather(ctx, query->entity, &query->words[i], KT_LIMIT_SCAN, &rows[i]));
        rare += !rows[i].common;
    }
    if (rare == 0)
        return kt_fail(ctx, KT_TOO_LARGE, "text",
                       "more than %u records have these words: add a rarer one",
                       "超过 %u 条记录含有这些词语：请增加更具体的词语", KT_LIMIT_SCAN);
    for (size_t i = 0; i < query->count; i++)
        query->rarity[i] = rarity(records, rows[i].count);
    return KT_OK;
}

enum kt_status word_query_run(struct kt_ctx *ctx, struct word_query *query, struct word_hits *out)
{
    struct rows rows[WORD_ASKED_MAX] = {{0}};
    size_t first = query->count;
    KT_TRY(gather_all(ctx, query, rows));
    for (size_t i = 0; i < query->count; i++)
        if (!rows[i].common && (first == query->count || rows[i].count < rows[first].count))
            first = i;
    *out = (struct word_hits){rows[first].at, rows[first].count};
    for (size_t i = 0; i < out->count; i++)
        out->at[i].points *= query->rarity[first];
    for (size_t i = 0; i < query->count; i++)
        if (i != first && !rows[i].common)
            intersect(out, &rows[i], query->rarity[i]);
    for (size_t i = 0; i < query->count; i++)
        if (rows[i].common)
            KT_TRY(keep_those_with(ctx, query, i, out));
    word_hits_sort(out);
    return context_check_memory(ctx);
}
