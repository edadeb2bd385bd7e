/** The record engine: every change of stored data goes through here.
 *
 *  A save runs: input check, defaults, C hook, before-rules, final check, storage with unique keys,
 *  indexes, totals and history, event with its handlers, after-rules. All in the caller's
 *  transaction; on failure the caller aborts it. Permissions are checked by the caller (engine/);
 *  `by` only says whose field flags bind. */
#pragma once

#include "kontor/record.h"
#include "record/context.h"

enum record_by {
    RECORD_BY_CLIENT, /**< KT_READONLY, KT_IMMUTABLE, KT_LOCKED, KT_BY_SERVER bind. */
    RECORD_BY_SERVER, /**< Modules' own code. */
    RECORD_BY_IMPORT, /**< A client's import: may also set sequence fields. */
    RECORD_BY_RULE,   /**< As a client, but for custom fields that are read-only: those it fills. */
};

/** The enabled entity of that name or KT_NOT_FOUND with an error naming it. */
enum kt_status record_entity(struct kt_ctx *ctx, const char *name, size_t length,
                             const struct schema_entity **out);

/** "create", "update", ..., or a transition's verb. */
const char *record_step_word(const struct record_step *step);

/** mask.c: what stands for a sensitive value, whatever its type. */
#define KT_MASK "***"
/** Does the present user see the entity's sensitive fields masked? */
bool record_masks(struct kt_ctx *ctx, const struct schema_entity *entity);
/** A record, or some of its fields by name, as the present user may see it. */
msgpack_object record_mask(struct kt_ctx *ctx, const struct schema_entity *entity,
                           const msgpack_object *record);
/** The same for {field: [before, after]}. */
msgpack_object record_mask_changes(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const msgpack_object *changes);
/** KT_DENIED when the field is masked for the present user; `path` names it. */
enum kt_status record_mask_refuse(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const struct schema_field *field, const char *path);

/** A failure is about this entity unless one further in was named; returns `status`. */
enum kt_status record_failed(struct kt_ctx *ctx, const struct schema_entity *entity,
                             enum kt_status status);

enum kt_status record_create(struct kt_ctx *ctx, const struct schema_entity *entity,
                             const msgpack_object *values, enum record_by by, uint64_t *out_id);
/** `version` 0: any. KT_CONFLICT when the stored one differs. */
enum kt_status record_update(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                             uint64_t version, const msgpack_object *values, enum record_by by);
/** What refers to the record refuses it (KT_CONFLICT with details), is emptied or goes along, as
 * the referring fields say. A KT_POSTED state refuses it to everybody. delete.c */
enum kt_status record_delete(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                             uint64_t version, enum record_by by);
/** Out of sight of clients' searches, and back; version, history and event as in any save. Refused
 *  to posted documents. */
enum kt_status record_archive(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                              uint64_t version, enum record_by by);
enum kt_status record_restore(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                              uint64_t version, enum record_by by);
enum kt_status record_transition(struct kt_ctx *ctx, const struct schema_entity *entity,
                                 uint64_t id, uint64_t version, const char *verb,
                                 const msgpack_object *params, enum record_by by);

/** Stored bytes, borrowed until the transaction ends or writes. KT_NOT_FOUND with error. */
enum kt_status record_bytes(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                            struct store_slice *out);
/** Unpacked into the arena. KT_NOT_FOUND with error. */
enum kt_status record_load(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                           const msgpack_object **out);

/** Checks `value` against a declared field and gives its canonical form: what plugin parameters and
 *  record fields share. `path` names it in errors. nil passes. */
enum kt_status record_check_value(struct kt_ctx *ctx, const struct schema_field *field,
                                  const char *path, const msgpack_object *value,
                                  msgpack_object *out);
/** Check a method's parameters against declared fields (unknown ones refused, required ones asked
 *  for). `extra` names further keys that pass unchecked, e.g. "request_id". */
enum kt_status record_check_params(struct kt_ctx *ctx, struct kt_fields fields,
                                   const msgpack_object *params, struct kt_names extra,
                                   const msgpack_object **out);

/** As kt_record_search, the records as they are stored, in the arena. `for_client` with the present
 *  rights: only along references to entities that may be read, not by what is masked, without what
 *  is archived. api.c */
enum kt_status record_search(struct kt_ctx *ctx, const struct kt_query *query, bool for_client,
                             const struct store_slice **out, size_t *out_count);
/** Bytes of a record that stay until the request ends, whatever is written. */
struct store_slice record_keep_bytes(struct kt_ctx *ctx, struct store_slice bytes);

/** Number of the newest event in the transaction; 0 when there is none. moment.c */
enum kt_status record_last_event(struct kt_ctx *ctx, uint64_t *out);
/** When it was written; INT64_MIN when there is none. */
enum kt_status record_last_event_at(struct kt_ctx *ctx, kt_instant_us *out);
/** Let what the request reads from now on be as it stood at `given`: an event number, an instant,
 *  or the text of a date (its end, UTC) or an instant. KT_INVALID when that is no moment of these
 *  data. */
enum kt_status record_set_as_of(struct kt_ctx *ctx, const msgpack_object *given);

/** The value of a field that is computed when it is read; nil for none. compute.c */
enum kt_status record_compute_read(struct kt_ctx *ctx, const struct schema_field *field,
                                   const msgpack_object *record, msgpack_object *out);

/** Answers of the generic methods, packed into ctx->reply from the parameters as they came. */
enum kt_status record_reply_get(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                                const msgpack_object *fields);
enum kt_status record_reply_search(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const msgpack_object *params);
enum kt_status record_reply_count(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const msgpack_object *params);
enum kt_status record_reply_aggregate(struct kt_ctx *ctx, const struct schema_entity *entity,
                                      const msgpack_object *params);
enum kt_status record_reply_history(struct kt_ctx *ctx, const struct schema_entity *entity,
                                    const msgpack_object *params);
enum kt_status record_reply_totals(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status record_import(struct kt_ctx *ctx, const struct schema_entity *entity,
                             const msgpack_object *params);
enum kt_status record_reply_export(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const msgpack_object *params);
/** Build the indexes and totals that the schema declares and the data does not have yet, or has
 * under another declaration. In the write transaction that puts the schema in force. KT_CONFLICT
 * when records that are there break a new unique key; `lenient`, before migrations that may mend
 * it, leaves such records out, and the next call builds anew what lacks them. refresh.c */
enum kt_status record_refresh(struct kt_ctx *ctx, bool lenient);
/** Hold the custom fields that `schema` declares against those declared before: the records there
 * are must fit (KT_CONFLICT names the first that does not), fields no longer declared fall asleep,
 * and an entity no longer declared must have no records. Before record_refresh. custom.c */
enum kt_status record_custom_refresh(struct kt_ctx *ctx, struct schema *schema);
/** Notes which names the records of each entity may hold; those that are declared no more are shown
 *  to nobody. In the write transaction that puts the schema in force. leftover.c */
enum kt_status record_leftovers(struct kt_ctx *ctx, struct schema *schema);
/** Compare every total, index, unique key and reference with a full scan; changes nothing. Answers
 *  {checked: {records, index_entries, total_rows, references, words, changes, files}, count,
 *  problems: [{what, entity?, id?, text, text_zh}]}, the first hundred problems. verify.c */
enum kt_status record_check_all(struct kt_ctx *ctx);
/** Build anew, from records and histories, what the check finds wrong of that which is derived from
 *  them, or `all` of it; then check again. Answers {rebuilt: [{entity, what, rows}], count,
 *  problems_left}. rebuild.c */
enum kt_status record_rebuild(struct kt_ctx *ctx, bool all);
