/** Migrations: records made fit for a module's new declarations, step by step. The steps are chosen
 *  and told of in core/plugin; this is what they do to records (kt_record_each).
 *
 *  Each step but the last was written for declarations that are gone, so what it leaves is not held
 *  against today's, and keeps members that are declared no more for the steps behind it. The last
 *  one makes records whole; record_migration_end does so with those that it did not go over. */
#pragma once

#include "record/record.h"

enum record_pass {
    RECORD_PASS_NONE,
    RECORD_PASS_LOOSE, /**< Any member, unchecked: a step before the last. */
    RECORD_PASS_WHOLE, /**< Fit for the declaration, without anything else. */
    RECORD_PASS_STRIP, /**< Without what is declared no more, otherwise as it was. */
};

/** A module's migration under way, as ctx->migrating. */
struct record_migration {
    const char *module;
    bool last;                        /**< The step under way is the last one. */
    const struct schema_entity *each; /**< What is gone over just now; NULL: nothing. */
    enum record_pass pass;            /**< In which way. */
    enum record_pass *passed;         /**< Of each entity of the schema: its last pass. */
    uint64_t looked;                  /**< Records gone over. */
    uint64_t changed;                 /**< Records changed, in whatever way. */
};

struct record_migration *record_migration_begin(struct kt_ctx *ctx, const char *module);
/** After the last step. */
enum kt_status record_migration_end(struct kt_ctx *ctx);

/** Does the step belong to the entity's module? Then a module that sleeps can be written, too. */
bool record_is_migrating(const struct kt_ctx *ctx, const struct schema_entity *entity);
