/** What is derived from the records of an entity, emptied and built from them. Private to record/.
 */
#pragma once

#include "record/record_internal.h"

struct build {
    struct kt_ctx *ctx;
    const struct schema_entity *entity;
    const struct schema_index **indexes; /**< Those to build. */
    bool *lacks; /**< Of each: some record has no key in it. build_fill sets it. */
    size_t index_count;
    const struct schema_total **totals;
    size_t total_count;
    bool words;  /**< The full-text index, too. */
    bool counts; /**< How many records there are, and the last id, too. */
    /** What cannot be entered is left out: records that cannot be read, values that others have.
     *  Otherwise it is a failure that names the record. */
    bool lenient;
    bool forgave; /**< Something was left out. */
    struct record_counts counted;
    msgpack_zone *scratch; /**< One record at a time. */
    uint64_t records;
};

/** With room for everything the entity has, and nothing to build yet. */
void build_begin(struct build *build, struct kt_ctx *ctx, const struct schema_entity *entity,
                 msgpack_zone *scratch);
enum kt_status build_run(struct build *build);
/** The smallest key behind this one. Writing moves what a cursor stands on, so that a walk that
 *  writes seeks each next row by its key. */
void build_key_after(struct key *key, struct store_slice found);
/** Delete every row that begins so. */
enum kt_status build_wipe(struct kt_ctx *ctx, const struct key *prefix);
