/** A compiled search: conditions as a tree, the index that serves it, the order. Private to
 * record/. */
#pragma once

#include "record/record_internal.h"

#define QUERY_HOPS 4

enum query_op { QUERY_EQ, QUERY_NE, QUERY_LT, QUERY_LE, QUERY_GT, QUERY_GE, QUERY_IN, QUERY_LIKE };

/** "customer.party.name": references to follow, then the field. */
struct query_path {
    const struct schema_field *hops[QUERY_HOPS];
    size_t hop_count;
    const struct schema_field *field; /**< NULL for the record's own "id" or "version". */
    const struct schema_field *line;  /**< A field of each line of `field`. */
    const char *own;                  /**< "id" or "version". */
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

struct record_query {
    const struct schema_entity *entity;
    struct query_node root; /**< QUERY_AND. */
    struct query_path order;
    bool ordered; /**< An order other than by id was asked for. */
    bool descending;

    const struct schema_index *index; /**< NULL: the records themselves, by id. */
    struct key prefix;                /**< Keys to walk start with it. */
    struct key floor;                 /**< First key worth looking at (>= prefix). */
    struct key ceiling;               /**< First key beyond the end; size 0: end of prefix. */
    bool sorts;       /**< The walk does not give the asked order: sort afterwards. */
    uint64_t only_id; /**< "id = N": one lookup. */
};

/** query_match.c */
enum kt_status query_matches(struct kt_ctx *ctx, const struct query_node *node,
                             const msgpack_object *record, bool *out);
/** Value of the path in the record, following references; NULL when empty. Not for line paths. */
enum kt_status query_value(struct kt_ctx *ctx, const struct query_path *path,
                           const msgpack_object *record, const msgpack_object **out);
/** query_plan.c */
void query_plan(struct record_query *query);
