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
/** Fields not in `values` stay; nil empties; a list of lines replaces the lines, those with a known
 *  "id" being merged with what was there. */
KT_EXPORT KT_NODISCARD enum kt_status kt_record_update(struct kt_ctx *ctx, const char *entity,
                                                       uint64_t id, const struct kt_map *values);
KT_EXPORT KT_NODISCARD enum kt_status kt_record_delete(struct kt_ctx *ctx, const char *entity,
                                                       uint64_t id);
/** Make a transition, KT_BY_SERVER ones too. `params` may be NULL. */
KT_EXPORT KT_NODISCARD enum kt_status kt_record_transition(struct kt_ctx *ctx, const char *entity,
                                                           uint64_t id, const char *verb,
                                                           const struct kt_map *params);

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
