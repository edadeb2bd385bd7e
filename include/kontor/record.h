/** Records: what plugin code does with stored data.
 *
 *  Everything runs inside the request's one transaction. A plugin's calls act for the server: field
 *  flags such as KT_READONLY and the user's permissions do not bind them (the method they serve was
 *  permitted); validation, rules, events and history always apply.
 *  Records returned live in the arena as they were when read. */
#pragma once

#include "kontor/model.h"

/** KT_NOT_FOUND (with an error that names entity and id) when there is none. */
KT_EXPORT KT_NODISCARD enum kt_status kt_record_get(struct kt_ctx *ctx, const char *entity,
                                                    uint64_t id, const msgpack_object **out);

/** By a KT_UNIQUE field. *out is NULL, with KT_OK, when there is none. */
KT_EXPORT KT_NODISCARD enum kt_status kt_record_find(struct kt_ctx *ctx, const char *entity,
                                                     const char *field, msgpack_object value,
                                                     const msgpack_object **out);

/** `out_id` may be NULL. */
KT_EXPORT KT_NODISCARD enum kt_status kt_record_create(struct kt_ctx *ctx, const char *entity,
                                                       const struct kt_map *values,
                                                       uint64_t *out_id);
/** KT_CONFLICT for a record whose own save is under way and not stored yet: a hook sets fields of
 *  the record it is given. So for deletion and transitions.
 *  Fields not in `values` stay; nil empties; a list of lines replaces the lines, those with a known
 *  "id" being merged with what was there. */
KT_EXPORT KT_NODISCARD enum kt_status kt_record_update(struct kt_ctx *ctx, const char *entity,
                                                       uint64_t id, const struct kt_map *values);
KT_EXPORT KT_NODISCARD enum kt_status kt_record_delete(struct kt_ctx *ctx, const char *entity,
                                                       uint64_t id);
/** Make a transition, KT_BY_SERVER ones too. `params` may be NULL. */
KT_EXPORT KT_NODISCARD enum kt_status kt_record_transition(struct kt_ctx *ctx, const char *entity,
                                                           uint64_t id, const char *verb,
                                                           const struct kt_map *params);

/** What a migration does to one record. `old` is the record as it is stored, with fields that are
 *  declared no more; set in `record` what should be otherwise, nil empties. Anything but KT_OK ends
 *  the migration. */
typedef enum kt_status (*kt_record_change)(struct kt_ctx *ctx, const msgpack_object *old,
                                           struct kt_map *record, void *argument);
/** In a migration only: calls `change` for every record of an entity of the module, in the order of
 *  their ids, however many there are: memory is emptied after each, so keep nothing of one but
 *  plain values behind `argument`.
 *  What changed is stored with its unique keys, indexes, totals and history ("migrate"). KT_LOCKED,
 *  KT_POSTED and KT_APPEND_ONLY do not bind; hooks, rules and events do not run.
 *  The last step makes the record whole: computed fields, every value checked against its
 *  declaration, whether changed or not, and what is declared no more goes; so in it go over an
 *  entity once. A step before it may leave what it likes, also in fields that only the next step
 *  knows; what it went over, and the last step does not, is made whole behind that.
 *  `change` may read anything, and write records of other entities as usual; those of this one only
 *  through `record`. */
KT_EXPORT KT_NODISCARD enum kt_status kt_record_each(struct kt_ctx *ctx, const char *entity,
                                                     kt_record_change change, void *argument);

struct kt_condition {
    const char *field; /**< Dotted to follow references: "customer.party.name". */
    const char *op;    /**< = != < <= > >= in like */
    msgpack_object value;
};
struct kt_query {
    const char *entity;
    const struct kt_condition *where; /**< Joined by and. */
    size_t where_count;
    const char *order; /**< "field", "-field" (descending) or several: "date,-total"; NULL is by id.
                            The id always decides last. */
    uint32_t limit;    /**< 0 is all, up to KT_QUERY_MAX. */
};
/** More matches than this in one call is KT_TOO_LARGE: go through them in pages by "id". */
#define KT_QUERY_MAX 10000

/** Matching records, in order, in the arena. An index is used when one fits the conditions. */
KT_EXPORT KT_NODISCARD enum kt_status kt_record_search(struct kt_ctx *ctx,
                                                       const struct kt_query *query,
                                                       const msgpack_object ***out,
                                                       size_t *out_count);

/** One row of a total; all zero when nothing was added to it. `by` has as many values as the legs
 *  have group fields (dates as "YYYY-MM-DD" text; a reference as its id; nil for an empty field).
 */
struct kt_total_row {
    msgpack_object by[KT_GROUP_FIELDS];
    struct kt_decimal measures[KT_MEASURES];
    int64_t count; /**< Records or lines that entered the row. */
};
KT_EXPORT KT_NODISCARD enum kt_status kt_total_get(struct kt_ctx *ctx, const char *total,
                                                   const msgpack_object *by, size_t by_count,
                                                   struct kt_total_row *out);
/** Every row whose first `prefix_count` group values equal `prefix`, in key order, in the arena. */
KT_EXPORT KT_NODISCARD enum kt_status kt_total_rows(struct kt_ctx *ctx, const char *total,
                                                    const msgpack_object *prefix,
                                                    size_t prefix_count, struct kt_total_row **out,
                                                    size_t *out_count);
/** The sum of those rows (their `by` stays empty beyond the prefix). */
KT_EXPORT KT_NODISCARD enum kt_status kt_total_sum(struct kt_ctx *ctx, const char *total,
                                                   const msgpack_object *prefix,
                                                   size_t prefix_count, struct kt_total_row *out);
