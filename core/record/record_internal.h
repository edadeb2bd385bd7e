/** What the files of record/ share. */
#pragma once

#include "record/record.h"
#include "record/space.h"

/** Deepest saves within saves: hooks and handlers that call each other in a circle stop here. */
#define RECORD_SAVE_DEPTH 24

/** save.c: what every change begins and ends with; `record_leave` also names the entity in the
 * error. */
enum kt_status record_enter(struct kt_ctx *ctx, const struct schema_entity *entity);
enum kt_status record_leave(struct kt_ctx *ctx, const struct schema_entity *entity,
                            enum kt_status status);
/** The stored record; KT_CONFLICT when its version is not the wanted one (0: any). */
enum kt_status record_load_version(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   uint64_t id, uint64_t version, const msgpack_object **out);
enum kt_status record_check_may_change(struct kt_ctx *ctx, const struct schema_entity *entity,
                                       const msgpack_object *old, enum record_by by);
enum kt_status record_announce(struct kt_ctx *ctx, const struct record_step *step, const char *past,
                               uint64_t id, const msgpack_object *record);

/** check.c */
enum kt_status record_check_lines_complete(struct kt_ctx *ctx, const struct schema_field *field,
                                           const char *path, const msgpack_object *value);

/** UTF-8 without control characters, at most `most` characters. */
enum kt_status record_text_check(struct kt_ctx *ctx, uint32_t most, const char *path,
                                 const msgpack_object *value);

/** file_field.c: {hash, name, media_type, size} of a content that is there. */
enum kt_status record_file_check(struct kt_ctx *ctx, const char *path, const msgpack_object *value,
                                 msgpack_object *out);
/** The contents that the record newly refers to stay from now on. `old` may be NULL. */
enum kt_status record_files_keep(struct kt_ctx *ctx, const struct schema_entity *entity,
                                 const msgpack_object *old, const msgpack_object *record);

/** storage.c: rows of the store. */
void record_key(struct key *key, const struct schema_entity *entity, uint64_t id);
/** The stored bytes: as they stand, or as of ctx->as_of. KT_NOT_FOUND without an error. */
enum kt_status record_find(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                           struct store_slice *out);
enum kt_status record_find_present(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   uint64_t id, struct store_slice *out);
/** Unpacks the bytes of a record and sees that they are its own. */
enum kt_status record_unpack_whole(struct kt_ctx *ctx, uint64_t id, struct store_slice bytes,
                                   bool copy, msgpack_object *out);
bool record_exists(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id);
/** Of stored bytes, without unpacking them. */
bool record_is_archived(struct store_slice bytes);
/** Next value of a named counter, from 1. */
enum kt_status record_count_up(struct kt_ctx *ctx, const char *counter, uint64_t *out);
/** Ids of an entity's records, each given out once: the next; the last one so far, 0 for none. */
enum kt_status record_next_id(struct kt_ctx *ctx, const struct schema_entity *entity,
                              uint64_t *out);
enum kt_status record_last_id(struct kt_ctx *ctx, const struct schema_entity *entity,
                              uint64_t *out);
enum kt_status record_last_id_write(struct kt_ctx *ctx, const struct schema_entity *entity,
                                    uint64_t last);
enum kt_status record_store_failed(struct kt_ctx *ctx, enum kt_status status);
/** The failure there is, its text beginning with the record it was met at. */
enum kt_status record_failed_at(struct kt_ctx *ctx, const struct schema_entity *entity,
                                uint64_t id);
/** The record in its stored form: the schema's order, no nils. */
void record_pack(msgpack_packer *packer, const struct schema_entity *entity, uint64_t id,
                 const msgpack_object *record);
void record_pack_value(msgpack_packer *packer, const struct schema_field *field,
                       const msgpack_object *value);
/** Packs and stores it. */
enum kt_status record_put(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                          const msgpack_object *record);

/** The same with all its members, in their order: between the steps of a migration. */
enum kt_status record_put_as_is(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                                const msgpack_object *record);

/** strip.c: a copy of a stored record without what is declared no more; was there any? */
struct kt_map *record_strip(struct kt_ctx *ctx, const struct schema_entity *entity,
                            const msgpack_object *old, bool *dropped);

/** leftover.c: no record of the entity holds anything else than what is declared. */
enum kt_status record_leftovers_gone(struct kt_ctx *ctx, const struct schema_entity *entity);

/** count.c: how many records an entity has, all of them and the archived ones. */
struct record_counts {
    uint64_t all;
    uint64_t archived;
};
enum kt_status record_counts_read(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  struct record_counts *out);
enum kt_status record_counts_write(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const struct record_counts *counts);
/** The largest id among the records and their histories; 0 for none. */
enum kt_status record_last_used_id(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   uint64_t *out);
/** Either record may be NULL. */
enum kt_status record_counts_change(struct kt_ctx *ctx, const struct schema_entity *entity,
                                    const msgpack_object *old, const msgpack_object *record);
void record_counts_add(struct record_counts *counts, const msgpack_object *record);

/** index.c: keep unique keys and indexes in step. Either record may be NULL. */
enum kt_status record_index_change(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   uint64_t id, const msgpack_object *old,
                                   const msgpack_object *record);
/** Append one value as a key part, in the order of its field's type. */
void record_key_add(struct key *key, const struct schema_field *field, const msgpack_object *value);
/** Fill `key` with prefix space+index. */
void record_index_begin(struct key *key, const struct schema_index *index);
/** "customer", "lines.product", "region+tax_number". */
const char *record_index_fields(const struct schema_index *index);
/** Value of a path in a record or (path.line) in one of its lines; NULL when empty. */
const msgpack_object *record_path_value(const struct schema_path *path,
                                        const msgpack_object *record, const msgpack_object *line);

/** mask.c: would the present user learn of a sensitive value by what the index says? */
bool record_mask_hides(struct kt_ctx *ctx, const struct schema_index *index);

/** The keys a record should have in an index, sorted, each once. */
struct record_keys {
    struct key *at;
    size_t count;
};
void record_index_keys(struct kt_ctx *ctx, const struct schema_index *index, uint64_t id,
                       const msgpack_object *record, struct record_keys *out);
/** Could the record have its keys in the index, or are they another one's? */
enum kt_status record_index_check(struct kt_ctx *ctx, const struct schema_index *index, uint64_t id,
                                  const msgpack_object *record);
/** Put a stored record into one more index. */
enum kt_status record_index_add(struct kt_ctx *ctx, const struct schema_index *index, uint64_t id,
                                const msgpack_object *record);
/** Had every record a key in it when it was built? Then, while all its fields are required, every
 *  record has one. refresh.c */
bool record_index_is_whole(struct kt_ctx *ctx, const struct schema_index *index);
/** The id that a key of records or of a plain index ends with. */
uint64_t record_key_id(struct store_slice key);

/** word_index.c: keep the full-text index in step. Either record may be NULL. */
enum kt_status record_words_change(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   uint64_t id, const msgpack_object *old,
                                   const msgpack_object *record);

/** bucket.c: the first day of the day, week, month ... of a date or instant, as text; false when
 *  the value is neither, or is not to be cut. */
bool record_bucket(enum schema_cut cut, const msgpack_object *value, char out[KT_DATE_TEXT_SIZE]);

/** total.c */
enum kt_status record_total_change(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const msgpack_object *old, const msgpack_object *record);
/** Put a stored record into one more total. */
enum kt_status record_total_add(struct kt_ctx *ctx, const struct schema_total *total,
                                const msgpack_object *record);
/** What a record, or several, add to one row. */
struct record_share {
    struct key key;
    struct kt_decimal measures[KT_MEASURES];
    int64_t count;
};
typedef void (*record_share_each)(struct kt_ctx *ctx, void *argument,
                                  const struct record_share *share);
/** Every share of the record in the total; `sign` -1 takes out. */
void record_total_shares(struct kt_ctx *ctx, const struct schema_total *total,
                         const msgpack_object *record, int sign, record_share_each each,
                         void *argument);
/** Is there nothing to keep a row for? */
bool record_share_is_empty(const struct schema_total *total, const struct record_share *share);
void record_total_begin(struct key *key, const struct schema_total *total);
/** Reads the group values of a row from its key; only these, or the whole row. */
enum kt_status record_total_group(struct kt_ctx *ctx, const struct schema_total *total,
                                  struct store_slice found, struct kt_total_row *row);
enum kt_status record_total_row(struct kt_ctx *ctx, const struct schema_total *total,
                                struct store_slice key, struct store_slice bytes,
                                struct kt_total_row *out);
/** Only its numbers. */
enum kt_status record_total_numbers(struct kt_ctx *ctx, const struct schema_total *total,
                                    struct store_slice bytes, struct kt_total_row *row);

/** total_table.c: shares summed up by row, in memory of its own. Zeroed but for `total` it is
 *  empty. */
struct total_sum {
    uint8_t *key; /**< NULL: a free place. */
    uint16_t size;
    bool seen; /**< For the owner of the table. */
    struct kt_decimal measures[KT_MEASURES];
    int64_t count;
};
struct total_table {
    const struct schema_total *total;
    struct total_sum *rows;
    size_t places;
    size_t taken;
};
/** A record_share_each. */
void total_table_add(struct kt_ctx *ctx, void *argument, const struct record_share *share);
/** NULL when there is no such row. */
struct total_sum *total_table_find(const struct total_table *table, const uint8_t *key,
                                   size_t size);
void total_table_free(struct total_table *table);
int total_key_compare(struct store_slice a, struct store_slice b);

/** The same with the digits that people are shown; `bytes.at` is NULL for a row that is not there.
 */
enum kt_status record_total_shown(struct kt_ctx *ctx, const struct schema_total *total,
                                  struct store_slice key, struct store_slice bytes,
                                  struct kt_total_row *out);

/** sequence.c: "SO{year}-{5}" -> "SO2026-00042". */
enum kt_status record_next_number(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const struct kt_field *field, const msgpack_object *record,
                                  msgpack_object *out);
/** Such a number waits until the module and rules have settled what the record holds. */
bool record_number_shows_fields(const struct kt_field *field);
/** input.c: the numbers that a new record lacks: those that wait, or (`settled` false) the others.
 */
enum kt_status record_input_numbers(struct kt_ctx *ctx, const struct schema_entity *entity,
                                    struct kt_map *record, bool settled, bool *changed);

/** history.c: one row for each change, under the version it led to and its stamp, the number of
 *  the event that follows it. Nothing for entities that keep no history. */
enum kt_status record_history_add(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  uint64_t id, const char *what, const msgpack_object *old,
                                  const msgpack_object *record);
struct record_change {
    uint64_t id;
    uint64_t version; /**< 1: the record's creation. */
    uint64_t stamp;
    msgpack_object at, user, what;
    msgpack_object changes; /**< Field -> [before, after]; nothing at creation. */
};
/** Prefix of the rows of an entity, or with `id` not 0 of a record. */
void record_history_begin(struct key *key, const struct schema_entity *entity, uint64_t id);
bool record_history_read_key(struct store_slice key, struct record_change *out);
enum kt_status record_history_read(struct kt_ctx *ctx, struct store_slice bytes,
                                   struct record_change *out);
/** The change that made that version; false when there is none. */
bool record_history_find(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                         uint64_t version, struct record_change *out);
/** KT_INVALID for as_of or history of an entity that keeps none. */
enum kt_status record_history_require(struct kt_ctx *ctx, const struct schema_entity *entity,
                                      const char *field);
/** Key of the row that notes a change: "what changed since" is one walk. */
void record_changed_begin(struct key *key, const struct schema_entity *entity);
void record_changed_key(struct key *key, const struct schema_entity *entity, uint64_t stamp,
                        uint64_t id);

/** form.c: the value without what the field, as it is declared now, cannot hold; nil when it holds
 *  nothing of it. */
msgpack_object record_in_form(struct kt_ctx *ctx, const struct schema_field *field,
                              const msgpack_object *value);

/** asof.c: records as they stood at ctx->as_of. Lives in the arena; KT_NOT_FOUND without an error
 *  when the record was not there then. */
enum kt_status record_find_past(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                                struct store_slice *out);
/** Sorted, each once. */
struct record_ids {
    uint64_t *at;
    size_t count;
};
/** The entity's records that were changed after ctx->as_of, those created and deleted since among
 *  them; kept until the request ends. KT_TOO_LARGE for more than KT_LIMIT_SCAN changes. */
enum kt_status record_changed_since(struct kt_ctx *ctx, const struct schema_entity *entity,
                                    const struct record_ids **out);
bool record_ids_have(const struct record_ids *ids, uint64_t id);
/** What the request has worked out of the past so far. */
#define PAST_SLOTS 256u
struct record_past {
    struct known_ids *ids;
    struct past_sums *sums;
    struct known_record *records[PAST_SLOTS];
    size_t record_bytes;
};
struct record_past *record_past(struct kt_ctx *ctx);
/** total_past.c: what the records that changed since add to a total now, less what they added then,
 *  with the sign turned: then = now + since. */
struct past_sums {
    struct total_table table;
    struct total_sum **sorted; /**< By key. */
    size_t count;
    struct past_sums *next;
};
/** *out is NULL when the present is asked for. Kept until the request ends. */
enum kt_status record_total_since(struct kt_ctx *ctx, const struct schema_total *total,
                                  const struct past_sums **out);
/** Index of the first row not before the key. */
size_t record_past_sums_seek(const struct past_sums *sums, struct store_slice key);
void record_past_sums_free(struct past_sums *sums);

/** input.c: from what was given to a whole record. */
enum kt_status record_input_check(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const msgpack_object *values, enum record_by by, bool creating,
                                  struct kt_map **out);
enum kt_status record_input_defaults(struct kt_ctx *ctx, const struct schema_entity *entity,
                                     struct kt_map *record);
/** The declared default of a field that has one. */
msgpack_object record_initial_value(struct kt_ctx *ctx, const struct schema_field *field);
/** `old` overlaid with `changes`; lines merged by id. */
enum kt_status record_input_merge(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const msgpack_object *old, const struct kt_map *changes,
                                  struct kt_map **out);
/** A client's record refers to no archived record that it did not refer to before. */
enum kt_status record_input_targets(struct kt_ctx *ctx, const struct schema_entity *entity,
                                    const msgpack_object *old, const struct kt_map *record,
                                    enum record_by by);
/** The members of a record that are no fields of its entity. */
bool record_is_own(const char *name, size_t length);
/** KT_CONFLICT when a field changed that clients may not change in the state of `old`. */
enum kt_status record_check_fixed(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const msgpack_object *old, const msgpack_object *record);
/** Check of everything, whoever wrote it. */
enum kt_status record_final_check(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const msgpack_object *old, struct kt_map *record);
/** Once, after the last check: gives new lines their ids and drops what is empty. */
enum kt_status record_finish(struct kt_ctx *ctx, const struct schema_entity *entity,
                             const msgpack_object *old, struct kt_map *record);

/** search.c: `limit` of a page. */
enum kt_status record_page_limit(struct kt_ctx *ctx, const msgpack_object *params, uint32_t *out);
/** A list in the reply whose length is known only at its end: its place, and its length. */
size_t record_list_begin(struct kt_ctx *ctx);
void record_list_end(struct kt_ctx *ctx, size_t list, uint32_t count);

/** lines.c: lines of a document, found by their ids. */
struct record_line {
    uint64_t id;
    const msgpack_object *line;
    bool taken; /**< For the caller: met already. */
};
struct record_lines {
    struct record_line *at; /**< Sorted by id. */
    size_t count;
};
void record_lines_sort(struct kt_ctx *ctx, const msgpack_object *record, const char *name,
                       struct record_lines *out);
/** NULL when there is none. */
struct record_line *record_lines_find(const struct record_lines *lines, uint64_t id);
void record_lines_default(struct kt_ctx *ctx, const struct schema_field *field,
                          struct kt_map *record);
msgpack_object record_lines_merge(struct kt_ctx *ctx, const struct schema_field *field,
                                  const msgpack_object *old, const msgpack_object *lines);
/** New lines get ids that no line of the document ever had. */
enum kt_status record_lines_number(struct kt_ctx *ctx, const struct schema_field *field,
                                   const msgpack_object *old, struct kt_map *record);

/** fit.c: amounts get the digits of their currency, quantities at most those of their unit. What
 *  is as in `old` stays. */
enum kt_status record_fit(struct kt_ctx *ctx, const struct schema_entity *entity,
                          const msgpack_object *old, struct kt_map *record);
/** A value that is not of a record yet, such as a computed one: money by its record's currency. */
enum kt_status record_fit_one(struct kt_ctx *ctx, const struct schema_field *field,
                              const msgpack_object *record, msgpack_object *value);
/** `value` becomes `number` in canonical form, with `least` to `most` digits after the point.
 *  check.c */
enum kt_status record_fit_decimal(struct kt_ctx *ctx, const char *path, struct kt_decimal number,
                                  int least, int most, msgpack_object *value);

/** compute.c: fields that the module's code computes: stored ones, set in the record. */
enum kt_status record_compute(struct kt_ctx *ctx, const struct schema_entity *entity,
                              struct kt_map *record);

/** project.c: fields asked for by dotted names. Checks one and says whether it is one. */
enum kt_status record_project_check(struct kt_ctx *ctx, const struct schema_entity *entity,
                                    const msgpack_object *name, bool *out);
/** Adds them to what is shown of the record. */
enum kt_status record_project(struct kt_ctx *ctx, const struct schema_entity *entity,
                              const msgpack_object *record, const msgpack_object *fields,
                              msgpack_object *shown);
/** show.c: a stored record appended to ctx->reply as the present user may see it; `fields` is the
 *  list of those asked for, or NULL. */
enum kt_status record_show(struct kt_ctx *ctx, const struct schema_entity *entity,
                           struct store_slice bytes, const msgpack_object *fields);
enum kt_status record_show_check(struct kt_ctx *ctx, const struct schema_entity *entity,
                                 const msgpack_object *fields);

/** custom.c: the name if it sleeps, else NULL. */
const char *record_asleep(struct kt_names asleep, const char *name, size_t length);

/** What is asked of an entity's records. */
struct record_question {
    const struct schema_entity *entity;
    const msgpack_object *where; /**< NULL: all. */
    const msgpack_object *order; /**< "field", "-field", "a,-b", or a list of such; NULL: by id. */
    bool unordered;              /**< Any order will do. */
    uint32_t limit;              /**< 0: no limit. */
    const msgpack_object *after; /**< The cursor an earlier page ended with, or NULL. */
    bool paged;       /**< Rather end early with a cursor than fail for looking at too much. */
    bool only_counts; /**< Nobody wants the records: `each` may not be called. */
    const msgpack_object *archived; /**< "include", "exclude" or "only"; NULL: as usual. */
    /** Only along references to entities that the user may read, not by what is masked for them,
     *  and archived records only when asked for. */
    bool for_client;
};
/** query.c */
struct record_query;
enum kt_status record_query_compile(struct kt_ctx *ctx, const struct record_question *asked,
                                    struct record_query **out);
/** What the search did, for people and programs. explain.c */
struct kt_map *record_query_explain(struct kt_ctx *ctx, const struct record_query *query);
/** The same of a search for words. */
struct kt_map *record_query_explain_words(struct kt_ctx *ctx, const struct record_query *query);
/** Calls `each` for matching records in order until it fails or the limit is reached. `bytes` are
 *  borrowed until the transaction writes. `next` (may be NULL) is the cursor to go on with, nil
 *  when there is nothing behind. query_run.c */
typedef enum kt_status (*record_each)(struct kt_ctx *ctx, void *argument, uint64_t id,
                                      struct store_slice bytes);
enum kt_status record_query_run(struct kt_ctx *ctx, struct record_query *query, record_each each,
                                void *argument, msgpack_object *next);
/** The same for the records that have these words, the best first; `after` (may be NULL) is the
 *  cursor of such a page, the query has none. query_text.c */
enum kt_status record_query_run_text(struct kt_ctx *ctx, struct record_query *query,
                                     const msgpack_object *text, const msgpack_object *after,
                                     record_each each, void *argument, msgpack_object *next);
