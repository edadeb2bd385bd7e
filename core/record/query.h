/** A compiled search: conditions as a tree, the order, and the plan that serves both. Private to
 *  record/.
 *
 *  query.c compiles, query_order.c knows orders and cursors, query_access.c what an index can do,
 *  query_plan.c chooses a walk, query_join.c makes conditions along references fit for indexes,
 *  query_range.c turns a plan into ranges of keys, query_run.c walks them, query_match.c checks
 *  conditions, query_sort.c keeps the best matches, query_past.c finds those of the past. */
#pragma once

#include "kontor/limits.h"
#include "record/record_internal.h"

#define QUERY_HOPS   4
#define QUERY_ORDERS (KT_LIMIT_ORDER_FIELDS + 1)
/** Most ranges that are walked side by side, to give their records in one order. */
#define QUERY_MERGE 64
/** Bytes of a record's place in an order: texts as in keys, every byte of them escaped. */
#define QUERY_RANK_MAX (KT_LIMIT_ORDER_FIELDS * (2 * KEY_TEXT_MAX + 8) + 16)

enum query_op { QUERY_EQ, QUERY_NE, QUERY_LT, QUERY_LE, QUERY_GT, QUERY_GE, QUERY_IN, QUERY_LIKE };

/** "customer.party.name": references to follow, then the field. */
struct query_path {
    const struct schema_field *hops[QUERY_HOPS];
    size_t hop_count;
    const struct schema_field *field; /**< NULL for the record's own fields. */
    const struct schema_field *line;  /**< A field of each line of `field`. */
    const char *own;                  /**< "id", "version" or "archived". */
};

enum query_kind { QUERY_AND, QUERY_OR, QUERY_NOT, QUERY_TERM };

struct query_node {
    enum query_kind kind;
    struct query_node *children;
    size_t child_count;
    struct query_path path;
    enum query_op op;
    msgpack_object value; /**< Canonical; an array for QUERY_IN. */
};

struct query_order {
    struct query_path path;
    bool descending;
};

/** Where a record stands in an order: bytes that compare as records follow each other. */
struct query_rank {
    uint8_t bytes[QUERY_RANK_MAX];
    size_t size;
};

/** Keys of one index, or of the records themselves: those whose first parts equal given values and
 *  whose next part lies between two bounds. */
struct query_access {
    const struct schema_index *index; /**< NULL: the records, whose key is their id. */
    /** Terms that fix the first parts, the id being the part after an index's fields. */
    const struct query_node *equal[KT_GROUP_FIELDS + 1];
    size_t equal_count;
    const struct query_node *list; /**< The one of them that is an `in`: a range for each value. */
    const struct query_node *low;  /**< Bounds on the part after them; NULL: none. */
    const struct query_node *high;
    bool repeats; /**< A record may be met more than once. */
};

/** Conditions that must all hold. */
struct query_terms {
    const struct query_node **at;
    size_t count;
};

enum query_walk {
    QUERY_STREAM,       /**< One range, one key after the other. */
    QUERY_MERGE_RANGES, /**< A few ranges side by side, in one order. */
    QUERY_GATHER,       /**< All ids of all ranges first, then the records by id. */
};

struct query_plan {
    enum query_walk walk;
    const struct query_access *parts; /**< More than one only to gather. */
    size_t part_count;
    bool backwards;
    bool sorts;   /**< The walk does not give the asked order: the best matches are kept. */
    bool implied; /**< Its keys say all that the conditions say: no record is checked again. */
    bool exact;   /**< Its keys are those of the matches: no record need be looked at to count. */
    double cost;
};

enum query_archived { QUERY_ALL, QUERY_LIVE, QUERY_ARCHIVED };

struct record_query {
    const struct schema_entity *entity;
    enum query_archived archived;           /**< Which records it sees at all. */
    struct query_node root;                 /**< QUERY_AND. */
    struct query_order order[QUERY_ORDERS]; /**< Always ends with the id: no two are equal. */
    size_t order_count;
    bool unordered;   /**< Any order will do. */
    bool only_counts; /**< Nobody wants the records. */
    uint32_t limit;   /**< 0: no limit. */
    bool paged;       /**< May end early with a cursor. */
    bool enough;      /**< Set by who takes the records: the page ends behind this one. */
    const msgpack_object *after; /**< A checked cursor or NULL. */
    /** Terms that follow from conditions along references: "customer in [ids]". */
    struct query_node *joins;
    size_t join_count;
    struct query_plan plan;
    uint64_t most;    /**< Records that may be looked at: KT_LIMIT_SCAN. */
    uint64_t looked;  /**< What the walk did: records or keys that it looked at, */
    uint64_t matched; /**< and how many of them matched. */
};

/** query.c */
enum kt_status query_compile_path(struct kt_ctx *ctx, const struct record_question *asked,
                                  const char *name, struct query_path *out);
/** A searched value in the form that is stored. */
enum kt_status query_compile_value(struct kt_ctx *ctx, const struct query_path *path,
                                   const char *name, const msgpack_object *given,
                                   msgpack_object *out);
/** The field whose type the path's values have; NULL for the record's own. */
const struct schema_field *query_path_field(const struct query_path *path);
bool query_find_op(const char *text, enum query_op *out);
bool query_path_equal(const struct query_path *a, const struct query_path *b);
bool query_path_is_id(const struct query_path *path);

/** query_order.c */
enum kt_status query_compile_order(struct kt_ctx *ctx, const struct record_question *asked,
                                   struct record_query *query);
enum kt_status query_check_after(struct kt_ctx *ctx, const struct record_question *asked,
                                 struct record_query *query);
enum kt_status query_rank(struct kt_ctx *ctx, const struct record_query *query,
                          const msgpack_object *record, struct query_rank *out);
/** The place of a cursor. */
void query_rank_after(const struct record_query *query, struct query_rank *out);
int query_rank_compare(const struct query_rank *a, const struct query_rank *b);
/** The cursor that goes on behind this record. */
enum kt_status query_cursor(struct kt_ctx *ctx, const struct record_query *query,
                            const msgpack_object *record, msgpack_object *out);

/** query_match.c */
/** Archived or not: does the query look at such records at all? */
bool query_sees(const struct record_query *query, struct store_slice bytes);
enum kt_status query_matches(struct kt_ctx *ctx, const struct query_node *node,
                             const msgpack_object *record, bool *out);
/** Value of the path in the record, following references; NULL when empty. Not for line paths. */
enum kt_status query_value(struct kt_ctx *ctx, const struct query_path *path,
                           const msgpack_object *record, const msgpack_object **out);

/** Both are stored values of the field's type (NULL: whole numbers). */
int query_compare_values(const struct schema_field *field, const msgpack_object *a,
                         const msgpack_object *b);
struct kt_decimal query_decimal(const msgpack_object *value);

/** query_access.c: what an index can do for the terms; false when it does not hold all records. */
bool query_make_access(struct kt_ctx *ctx, const struct query_terms *terms,
                       const struct schema_index *index, struct query_access *out);
/** Does a walk along the access, forwards or backwards, go in the wanted order? */
bool query_gives_order(const struct record_query *query, const struct query_access *access,
                       bool *backwards);
/** Do its keys say all that the terms say? */
bool query_is_exact(const struct query_terms *terms, const struct query_access *access);
/** Is it one unique key? */
bool query_is_lookup(const struct query_access *access);

/** query_plan.c */
void query_plan(struct kt_ctx *ctx, struct record_query *query);
/** query_join.c: conditions along references as ids of the records they lead to. */
void query_join(struct kt_ctx *ctx, struct record_query *query);

/** query_range.c: the keys of an access, from `from` to before `to`. */
struct query_range {
    struct key from, to;
    size_t prefix; /**< Bytes that all its keys share; what follows gives their order. */
};
int query_compare(struct store_slice a, struct store_slice b);
size_t query_range_count(const struct query_access *access);
void query_range(const struct record_query *query, const struct query_access *access, size_t which,
                 struct query_range *out);
/** Narrows the range to what comes behind the query's cursor. */
void query_range_after(const struct record_query *query, const struct query_access *access,
                       struct query_range *range);

/** query_sort.c: the first `limit` of all the records that are offered. */
struct query_best;
struct query_best *query_best_new(struct kt_ctx *ctx, uint32_t limit);
void query_best_offer(struct query_best *best, uint64_t id, const struct query_rank *rank);
/** Their ids in order. */
size_t query_best_ids(struct query_best *best, const uint64_t **out);

/** query_past.c: the records that were changed after ctx->as_of and matched then. NULL stands for
 *  the present, of which there are none. */
struct query_past;
enum kt_status query_past_find(struct kt_ctx *ctx, const struct record_query *query,
                               struct query_past **out);
/** Was the record changed since, so that indexes do not tell what it was? */
bool query_past_changed(const struct query_past *past, uint64_t id);
bool query_past_has_more(const struct query_past *past);
/** Takes the next one, if its place is before `before` (NULL: wherever); 0 for none. */
uint64_t query_past_next(struct query_past *past, const struct query_rank *before);
/** All of them, when the matches are sorted anyway. */
void query_past_offer(const struct query_past *past, struct query_best *best);
