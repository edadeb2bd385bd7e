/** The full check of stored data: what its two halves share. Private to record/. */
#pragma once

#include "record/record_internal.h"

#define VERIFY_PROBLEMS 100

/** Kinds of problems; what is derived from the records can be rebuilt (rebuild.c). */
enum verify_what {
    VERIFY_RECORD,
    VERIFY_REFERENCE,
    VERIFY_HISTORY,
    VERIFY_FILE,
    VERIFY_INDEX,
    VERIFY_UNIQUE,
    VERIFY_TOTAL,
    VERIFY_WORDS,
    VERIFY_COUNT,
    VERIFY_CHANGED,
    VERIFY_WHATS,
};
#define VERIFY_FIRST_DERIVED VERIFY_INDEX
const char *verify_word(enum verify_what what);

struct verify {
    struct kt_ctx *ctx;
    msgpack_zone *arena;   /**< The request's own: what is found lives there. */
    msgpack_zone *scratch; /**< One record at a time. */
    struct kt_list *problems;
    uint64_t problem_count; /**< Also those beyond VERIFY_PROBLEMS. */
    unsigned *wrong;        /**< Of each entity of the schema: bits 1 << verify_what. */
    uint64_t records, index_entries, total_rows, references, words, changes, files;
};

/** The full check into `verify`, which holds it until the request ends. verify.c */
enum kt_status verify_run(struct kt_ctx *ctx, struct verify *verify);

/** Note a problem; `entity` may be NULL and `id` 0. Both formats take the same arguments. */
void verify_problem(struct verify *verify, enum verify_what what,
                    const struct schema_entity *entity, uint64_t id, const char *english,
                    const char *chinese, ...) __attribute__((format(printf, 5, 7)))
__attribute__((format(printf, 6, 7)));

/** Every record of the entity, unpacked into memory that is gone after `each`; NULL for one that
 *  cannot be read. */
typedef enum kt_status (*verify_each)(struct verify *verify, void *argument, uint64_t id,
                                      const msgpack_object *record);
enum kt_status verify_records(struct verify *verify, const struct schema_entity *entity,
                              verify_each each, void *argument);

/** verify_total.c: every row of every total against the sum of the records. */
enum kt_status verify_totals(struct verify *verify);
/** verify_history.c: the history of every record of the entity, there or deleted. */
enum kt_status verify_history(struct verify *verify, const struct schema_entity *entity);
/** verify_words.c: every row of the full-text indexes against the words of the records. */
enum kt_status verify_words(struct verify *verify);
/** verify_files.c: every content against its hash, and every reference to one. */
enum kt_status verify_files(struct verify *verify);
