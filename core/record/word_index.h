/** The full-text index: which records hold which words. Private to record/.
 *
 *  A row is `entity, word, id -> times, length`: how often the word stands in the record (words of
 *  the title field count WORD_TITLE_TIMES) and how many words the record has in all. */
#pragma once

#include "record/record_internal.h"
#include "record/words.h"

#define WORD_TITLE_TIMES 3
/** Words of one record, repeats counted; a longer text is found by its beginning. */
#define WORD_RECORD_MAX 10000

struct word_of_record {
    struct word word;
    uint16_t times;
};
/** Sorted by word, each once. */
struct words_of_record {
    struct word_of_record *at;
    size_t count;
    uint16_t length;
};

bool word_field_is_searchable(const struct schema_field *field);
/** In the arena; nothing for NULL. */
void words_of_record(struct kt_ctx *ctx, const struct schema_entity *entity,
                     const msgpack_object *record, struct words_of_record *out);

/** All rows of an entity, of one word (or of all that begin with it: leave out the id). */
void word_key_entity(struct key *key, const struct schema_entity *entity);
void word_key(struct key *key, const struct schema_entity *entity, const struct word *word,
              uint64_t id);
/** A prefix of the keys of all words that begin with `word`. */
void word_key_prefix(struct key *key, const struct schema_entity *entity, const struct word *word);
/** False when the row is not one. */
bool word_row_read(struct store_slice value, uint16_t *times, uint16_t *length);
/** Records of the entity that have words. */
enum kt_status word_record_count(struct kt_ctx *ctx, const struct schema_entity *entity,
                                 uint64_t *out);
