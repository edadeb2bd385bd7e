/** Searching the full-text index. Private to record/.
 *
 *  Every word asked for must be in the record, as a word or as the beginning of one (a single
 *  letter: only as a word). Records are ranked by BM25 (Robertson and Zaragoza, "The Probabilistic
 *  Relevance Framework: BM25 and Beyond", 2009) with k1 = 1.2 and b = 0.75, in whole numbers: the
 *  weight of a word is the binary logarithm of how rare it is, rounded down, and the usual length
 *  is fixed, so that other records' comings and goings hardly ever move a page's edge. A whole word
 *  counts twice what a beginning does. */
#pragma once

#include "record/word_index.h"

/** Distinct words one search asks for. */
#define WORD_ASKED_MAX 16

struct word_query {
    const struct schema_entity *entity;
    struct word words[WORD_ASKED_MAX];
    size_t count;
    unsigned rarity[WORD_ASKED_MAX]; /**< Known after word_query_run. */
};

struct word_hit {
    uint64_t id;
    uint32_t points;
};
struct word_hits {
    struct word_hit *at;
    size_t count;
};

/** KT_INVALID (field "text") when the entity has no searchable field or the text no words. */
enum kt_status word_query_compile(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const msgpack_object *text, struct word_query **out);
/** Who has all the words, the best first, among equals the newest. KT_TOO_LARGE when each of the
 *  words is in more records than a search may look at. */
enum kt_status word_query_run(struct kt_ctx *ctx, struct word_query *query, struct word_hits *out);
/** The best first, among equals the newest. */
void word_hits_sort(struct word_hits *hits);
/** Points of one record, whatever the index says; 0: it lacks a word. After word_query_run. */
uint32_t word_query_points(struct kt_ctx *ctx, const struct word_query *query,
                           const msgpack_object *record);
