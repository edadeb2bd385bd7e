/** An aggregate: what to group by and what to add up, and the groups so far. Private to record/.
 *  aggregate.c reads the question and answers, group.c keeps the groups. */
#pragma once

#include "record/query.h"

/** Most sums, least, most and average values of one aggregate. */
#define AGGREGATE_MEASURES 16

struct aggregate_by {
    const char *name; /**< As asked: "date:month". */
    struct query_path path;
    enum schema_cut cut;
};

enum aggregate_kind { AGGREGATE_SUM, AGGREGATE_MIN, AGGREGATE_MAX, AGGREGATE_AVG };

struct aggregate_measure {
    enum aggregate_kind kind;
    const char *name; /**< The field, as asked. */
    struct query_path path;
};

/** A value that outlives the record it was seen in; its text is kept in `room`. */
struct aggregate_held {
    msgpack_object value;
    char *room;
    size_t room_size;
};

struct aggregate_group {
    const uint8_t *key; /**< Bytes that order groups as their values compare. */
    size_t key_size;
    msgpack_object by[KT_GROUP_FIELDS];
    int64_t count;               /**< Records or lines. */
    const msgpack_object *order; /**< What they are sorted by. */
    struct kt_decimal *sums;     /**< For each measure, */
    int64_t *counts;             /**< how many values there were, */
    struct aggregate_held *held; /**< and the least or most of them. */
};

struct aggregate {
    struct kt_ctx *ctx;
    const struct schema_entity *entity;
    struct aggregate_by by[KT_GROUP_FIELDS];
    size_t by_count;
    struct aggregate_measure measures[AGGREGATE_MEASURES];
    size_t measure_count;
    const struct schema_field *lines; /**< Not NULL: each line of it counts, not each record. */

    struct aggregate_group *groups;
    size_t group_count;
    uint32_t *slots;       /**< Hash table of group numbers, from 1. */
    msgpack_zone *scratch; /**< For the record that is looked at. */
    size_t kept;           /**< Bytes that it left in the request's memory. */
    msgpack_sbuffer key;   /**< Of the group that is looked for. */
};

/** group.c: adds one matching record. */
enum kt_status aggregate_add(struct aggregate *aggregate, struct store_slice bytes);
/** The one group of an aggregate without `by`, which is there even when nothing matches. */
enum kt_status aggregate_add_none(struct aggregate *aggregate);
void aggregate_begin(struct aggregate *aggregate);
void aggregate_end(struct aggregate *aggregate);
