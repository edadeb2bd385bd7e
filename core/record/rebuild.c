/* system.rebuild: what the check finds wrong is built anew, as far as it follows from records and
 * histories; what does not (a broken record, a reference to nothing, a damaged file, one value that
 * two records claim) stays a named problem. */
#include <stdlib.h>

#include "base/log.h"
#include "record/build.h"
#include "record/verify.h"
#include "record/word_index.h"

#define BIT(what) (1u << (what))

struct rebuild {
    struct kt_ctx *ctx;
    struct kt_list *rebuilt;
    msgpack_zone *scratch;
    bool dry; /**< It will be undone: nothing for the log. */
};

/* --- How many rows there are now --- */

static enum kt_status count_rows(struct kt_ctx *ctx, const struct key *prefix, uint64_t *count)
{
    struct store_cursor *cursor;
    struct store_slice found;
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    enum kt_status moved = store_seek(cursor, key_slice(prefix), &found, NULL);
    for (; moved == KT_OK && key_has_prefix(found, key_slice(prefix));
         moved = store_next(cursor, &found, NULL))
        ++*count;
    store_cursor_close(cursor);
    return moved == KT_OK || moved == KT_NOT_FOUND ? KT_OK : record_store_failed(ctx, moved);
}

static enum kt_status count_of(struct kt_ctx *ctx, const struct schema_entity *entity,
                               enum verify_what what, uint64_t *count)
{
    struct key prefix;
    *count = 0;
    for (size_t i = 0; i < entity->index_count; i++) {
        record_index_begin(&prefix, &entity->indexes[i]);
        if (what == (entity->indexes[i].unique ? VERIFY_UNIQUE : VERIFY_INDEX))
            KT_TRY(count_rows(ctx, &prefix, count));
    }
    for (size_t i = 0; what == VERIFY_TOTAL && i < entity->total_count; i++) {
        record_total_begin(&prefix, entity->totals[i]);
        KT_TRY(count_rows(ctx, &prefix, count));
    }
    if (what == VERIFY_WORDS) {
        word_key_prefix(&prefix, entity, &(struct word){.size = 0});
        KT_TRY(count_rows(ctx, &prefix, count));
    }
    if (what == VERIFY_CHANGED) {
        record_changed_begin(&prefix, entity);
        KT_TRY(count_rows(ctx, &prefix, count));
    }
    if (what == VERIFY_COUNT)
        *count = 1;
    return KT_OK;
}

/* --- The list of what changed when, from the histories --- */

static enum kt_status note_change(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  struct store_slice history_key)
{
    struct record_change change;
    struct key key;
    if (!record_history_read_key(history_key, &change))
        return KT_OK; /* The check names it. */
    record_changed_key(&key, entity, change.stamp, change.id);
    enum kt_status status = store_put(ctx->txn, key_slice(&key), (struct store_slice){"", 0});
    return status == KT_OK ? KT_OK : record_store_failed(ctx, status);
}

static enum kt_status rebuild_changed(struct kt_ctx *ctx, const struct schema_entity *entity)
{
    struct key prefix, next;
    struct store_cursor *cursor;
    struct store_slice found;
    record_changed_begin(&prefix, entity);
    KT_TRY(build_wipe(ctx, &prefix));
    record_history_begin(&prefix, entity, 0);
    next = prefix;
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    enum kt_status status = KT_OK;
    while (status == KT_OK && store_seek(cursor, key_slice(&next), &found, NULL) == KT_OK &&
           key_has_prefix(found, key_slice(&prefix))) {
        build_key_after(&next, found);
        status = note_change(ctx, entity, found);
    }
    store_cursor_close(cursor);
    return status;
}

/* --- One entity --- */

static unsigned derived_of(const struct schema_entity *entity)
{
    unsigned kinds = BIT(VERIFY_COUNT);
    for (size_t i = 0; i < entity->index_count; i++)
        kinds |= BIT(entity->indexes[i].unique ? VERIFY_UNIQUE : VERIFY_INDEX);
    if (entity->total_count)
        kinds |= BIT(VERIFY_TOTAL);
    if (entity->searchable)
        kinds |= BIT(VERIFY_WORDS);
    if (!(entity->decl->flags & KT_NO_HISTORY))
        kinds |= BIT(VERIFY_CHANGED);
    return kinds;
}

static enum kt_status rebuild_from_records(struct rebuild *rebuild,
                                           const struct schema_entity *entity, unsigned kinds)
{
    struct build build;
    build_begin(&build, rebuild->ctx, entity, rebuild->scratch);
    build.lenient = true;
    for (size_t i = 0; i < entity->index_count; i++)
        if (kinds & BIT(entity->indexes[i].unique ? VERIFY_UNIQUE : VERIFY_INDEX))
            build.indexes[build.index_count++] = &entity->indexes[i];
    for (size_t i = 0; (kinds & BIT(VERIFY_TOTAL)) && i < entity->total_count; i++)
        build.totals[build.total_count++] = entity->totals[i];
    build.words = kinds & BIT(VERIFY_WORDS);
    build.counts = kinds & BIT(VERIFY_COUNT);
    return build_run(&build);
}

static enum kt_status tell(struct rebuild *rebuild, const struct schema_entity *entity,
                           enum verify_what what)
{
    struct kt_ctx *ctx = rebuild->ctx;
    uint64_t rows;
    KT_TRY(count_of(ctx, entity, what, &rows));
    struct kt_map *row = kt_map_new(ctx);
    kt_map_set_text(row, "entity", entity->name);
    kt_map_set_text(row, "what", verify_word(what));
    kt_map_set_int(row, "rows", (int64_t)rows);
    kt_list_add(rebuild->rebuilt, row->object);
    if (!rebuild->dry)
        log_warn("rebuilt entity=%s what=%s rows=%llu user=%s", entity->name, verify_word(what),
                 (unsigned long long)rows, kt_user_name(ctx));
    return KT_OK;
}

static enum kt_status rebuild_entity(struct rebuild *rebuild, const struct schema_entity *entity,
                                     unsigned kinds)
{
    if (kinds & ~BIT(VERIFY_CHANGED))
        KT_TRY(rebuild_from_records(rebuild, entity, kinds));
    if (kinds & BIT(VERIFY_CHANGED))
        KT_TRY(rebuild_changed(rebuild->ctx, entity));
    for (int what = VERIFY_FIRST_DERIVED; what < VERIFY_WHATS; what++)
        if (kinds & BIT(what))
            KT_TRY(tell(rebuild, entity, (enum verify_what)what));
    return KT_OK;
}

static enum kt_status rebuild_wrong(struct rebuild *rebuild, const unsigned *wrong, bool all)
{
    const struct schema *schema = rebuild->ctx->schema;
    for (size_t i = 0; i < schema->entity_count; i++) {
        const struct schema_entity *entity = &schema->entities[i];
        unsigned kinds = derived_of(entity) & (all ? ~0u : wrong[i]);
        if (kinds)
            KT_TRY(rebuild_entity(rebuild, entity, kinds));
    }
    return KT_OK;
}

enum kt_status record_rebuild(struct kt_ctx *ctx, bool all)
{
    struct verify before, after;
    struct context_journal *journal = ctx->journal;
    struct rebuild rebuild = {.ctx = ctx, .rebuilt = kt_list_new(ctx), .dry = journal != NULL};
    KT_TRY(verify_run(ctx, &before));
    rebuild.scratch = msgpack_zone_new(16384);
    if (!rebuild.scratch)
        abort();
    /* The journal of a dry run would tell of each total that it came from nothing. */
    ctx->journal = NULL;
    enum kt_status status = rebuild_wrong(&rebuild, before.wrong, all);
    ctx->journal = journal;
    msgpack_zone_free(rebuild.scratch);
    KT_TRY(status);
    KT_TRY(verify_run(ctx, &after));
    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set(answer, "rebuilt", rebuild.rebuilt->object);
    kt_map_set_int(answer, "count", (int64_t)after.problem_count);
    kt_map_set(answer, "problems_left", after.problems->object);
    kt_reply_map(ctx, answer);
    return context_check_memory(ctx);
}
