/* kt_record_each: the records of an entity, one after the other, made fit for its declaration.
 *
 * Each record is read by its key, changed in memory that is emptied afterwards, checked as a whole
 * and stored with everything that follows from it. No cursor is trusted over a write: the next
 * record is looked up behind the last id. */
#include "record/migrate.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "kontor/limits.h"
#include "record/build.h"

#define TELL_EVERY 100000u /* Records; whoever waits for the start of a server wants to know. */

struct pass {
    struct kt_ctx *ctx;
    const struct schema_entity *entity;
    kt_record_change change;
    void *argument;
};

bool record_is_migrating(const struct kt_ctx *ctx, const struct schema_entity *entity)
{
    return ctx->migrating && strcmp(ctx->migrating->module, entity->plugin->name) == 0;
}

/* --- Does it fit? --- */

/* What belongs to the record and not to its author. */
static void restore_own(const msgpack_object *old, struct kt_map *record)
{
    static const char *const own[] = {"id", "version", "archived", "last_line"};
    for (size_t i = 0; i < KT_COUNT(own); i++) {
        const msgpack_object *value = kt_get(old, own[i]);
        if (value)
            kt_map_set(record, own[i], *value);
        else
            kt_map_remove(record, own[i]);
    }
}

static enum kt_status check_state(const struct pass *pass, const struct kt_map *record)
{
    const struct schema_field *field = pass->entity->state;
    if (!field || schema_state(pass->entity, &record->object))
        return KT_OK;
    return kt_fail(pass->ctx, KT_INVALID, field->decl->name, "%s is not a state of %s: '%s'",
                   "%s 不是 %s 的状态：“%s”", field->decl->name, pass->entity->name,
                   kt_get_text(pass->ctx, &record->object, field->decl->name));
}

/* The final check trusts what did not change; here the declaration may have. */
static enum kt_status check_whole(const struct pass *pass, const msgpack_object *old,
                                  struct kt_map *record)
{
    struct kt_ctx *ctx = pass->ctx;
    for (size_t i = 0; i < pass->entity->field_count; i++) {
        const struct schema_field *field = &pass->entity->fields[i];
        const char *name = field->decl->name;
        const msgpack_object *value = kt_get(&record->object, name);
        msgpack_object checked;
        if (!value)
            continue;
        KT_TRY(record_check_value(ctx, field, name, value, &checked));
        KT_TRY(record_check_lines_complete(ctx, field, name, &checked));
        if (!kt_equal(value, &checked))
            kt_map_set(record, name, checked);
    }
    KT_TRY(record_final_check(ctx, pass->entity, old, record));
    KT_TRY(check_state(pass, record));
    return record_finish(ctx, pass->entity, old, record);
}

/* --- One record --- */

/* Has the one something that the other has not, or otherwise? */
static bool differs(const msgpack_object *one, const msgpack_object *other)
{
    for (uint32_t i = 0; i < one->via.map.size; i++) {
        const msgpack_object_kv *pair = &one->via.map.ptr[i];
        const msgpack_object *value = NULL;
        for (uint32_t j = 0; j < other->via.map.size && !value; j++)
            if (kt_equal(&other->via.map.ptr[j].key, &pair->key))
                value = &other->via.map.ptr[j].val;
        if (!value ? pair->val.type != MSGPACK_OBJECT_NIL : !kt_equal(value, &pair->val))
            return true;
    }
    return false;
}

/* A record as a step leaves it for the next: its own members first, as ever, then whatever it has.
 */
static enum kt_status put_loose(const struct pass *pass, uint64_t id, struct kt_map *record)
{
    static const char *const own[] = {"id", "version", "archived", "last_line"};
    struct kt_ctx *ctx = pass->ctx;
    struct kt_map *ordered = kt_map_new(ctx);
    for (size_t i = 0; i < KT_COUNT(own); i++)
        if (kt_has(&record->object, own[i]))
            kt_map_set(ordered, own[i], *kt_get(&record->object, own[i]));
    for (uint32_t i = 0; i < record->object.via.map.size; i++) {
        const msgpack_object_kv *pair = &record->object.via.map.ptr[i];
        if (pair->val.type != MSGPACK_OBJECT_NIL)
            kt_map_set(ordered,
                       kt_format(ctx, "%.*s", (int)pair->key.via.str.size, pair->key.via.str.ptr),
                       pair->val);
    }
    return record_put_as_is(ctx, pass->entity, id, &ordered->object);
}

static enum kt_status store(const struct pass *pass, uint64_t id, const msgpack_object *old,
                            struct kt_map *record)
{
    struct kt_ctx *ctx = pass->ctx;
    const struct schema_entity *entity = pass->entity;
    kt_map_set(record, "version", kt_id(kt_get_id(old, "version") + 1));
    KT_TRY(record_index_change(ctx, entity, id, old, &record->object));
    KT_TRY(ctx->migrating->pass == RECORD_PASS_LOOSE
               ? put_loose(pass, id, record)
               : record_put(ctx, entity, id, &record->object));
    KT_TRY(record_files_keep(ctx, entity, old, &record->object));
    KT_TRY(record_total_change(ctx, entity, old, &record->object));
    ctx->migrating->changed++;
    return record_history_add(ctx, entity, id, "migrate", old, &record->object);
}

static enum kt_status migrate(const struct pass *pass, uint64_t id, const msgpack_object *old)
{
    struct kt_ctx *ctx = pass->ctx;
    bool loose = ctx->migrating->pass == RECORD_PASS_LOOSE, dropped = false;
    struct kt_map *record =
        loose ? kt_map_copy(ctx, old) : record_strip(ctx, pass->entity, old, &dropped);
    if (pass->change)
        KT_TRY(pass->change(ctx, old, record, pass->argument));
    KT_TRY(ctx->error.status); /* A failure that it swallowed. */
    restore_own(old, record);
    if (ctx->migrating->pass == RECORD_PASS_WHOLE) {
        KT_TRY(record_compute(ctx, pass->entity, record));
        KT_TRY(check_whole(pass, old, record));
    }
    if (dropped || differs(old, &record->object) || differs(&record->object, old))
        KT_TRY(store(pass, id, old, record));
    return context_check_memory(ctx);
}

static enum kt_status migrate_bytes(const struct pass *pass, uint64_t id, struct store_slice bytes)
{
    msgpack_object old;
    enum kt_status status = record_unpack_whole(pass->ctx, id, bytes, true, &old);
    if (status == KT_OK)
        status = migrate(pass, id, &old);
    return status == KT_OK ? KT_OK : record_failed_at(pass->ctx, pass->entity, id);
}

/* In memory of its own, and with events counted from none. */
static enum kt_status migrate_in_scratch(const struct pass *pass, msgpack_zone *scratch,
                                         uint64_t id, struct store_slice bytes)
{
    struct kt_ctx *ctx = pass->ctx;
    unsigned events = ctx->event_count;
    struct context_aside aside = context_aside_begin(ctx, scratch);
    ctx->event_count = 0;
    enum kt_status status = migrate_bytes(pass, id, bytes);
    ctx->event_count = events;
    return context_aside_end(ctx, &aside, status);
}

/* --- All of them --- */

static enum kt_status walk(const struct pass *pass, msgpack_zone *scratch)
{
    struct kt_ctx *ctx = pass->ctx;
    struct key prefix, next;
    struct store_cursor *cursor;
    struct store_slice found, bytes;
    key_begin(&prefix, SPACE_RECORD);
    key_add_u32(&prefix, pass->entity->number);
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    next = prefix;
    enum kt_status status = KT_OK, moved;
    uint64_t looked = 0;
    while ((moved = store_seek(cursor, key_slice(&next), &found, &bytes)) == KT_OK &&
           key_has_prefix(found, key_slice(&prefix))) {
        uint64_t id = record_key_id(found);
        build_key_after(&next, found);
        status = migrate_in_scratch(pass, scratch, id, bytes);
        if (status != KT_OK)
            break;
        ctx->migrating->looked++;
        if (++looked % TELL_EVERY == 0)
            log_info("migrating entity=%s records=%llu", pass->entity->name,
                     (unsigned long long)looked);
    }
    store_cursor_close(cursor);
    if (status == KT_OK && moved != KT_OK && moved != KT_NOT_FOUND)
        return record_store_failed(ctx, moved);
    return status;
}

static enum kt_status find_own(struct kt_ctx *ctx, const char *name,
                               const struct schema_entity **out)
{
    if (!ctx->migrating || ctx->migrating->each)
        return kt_fail(ctx, KT_INTERNAL, NULL,
                       "kt_record_each over %s: only in a migration, and not within another",
                       "kt_record_each（%s）只能在迁移中使用，且不能嵌套", name);
    *out = schema_entity(ctx->schema, name, strlen(name));
    if (!*out || !record_is_migrating(ctx, *out))
        return kt_fail(ctx, KT_INTERNAL, NULL, "module %s has no entity %s to migrate",
                       "模块 %s 没有可迁移的实体 %s", ctx->migrating->module, name);
    return KT_OK;
}

static enum kt_status go_over(const struct pass *pass, enum record_pass how)
{
    struct record_migration *migration = pass->ctx->migrating;
    msgpack_zone *scratch = msgpack_zone_new(16384);
    if (!scratch)
        abort();
    migration->each = pass->entity;
    migration->pass = how;
    enum kt_status status = walk(pass, scratch);
    migration->passed[pass->entity - pass->ctx->schema->entities] = how;
    migration->pass = RECORD_PASS_NONE;
    migration->each = NULL;
    msgpack_zone_free(scratch);
    return record_failed(pass->ctx, pass->entity, status);
}

enum kt_status kt_record_each(struct kt_ctx *ctx, const char *name, kt_record_change change,
                              void *argument)
{
    struct pass pass = {.ctx = ctx, .change = change, .argument = argument};
    KT_TRY(find_own(ctx, name, &pass.entity));
    return go_over(&pass, ctx->migrating->last ? RECORD_PASS_WHOLE : RECORD_PASS_LOOSE);
}

struct record_migration *record_migration_begin(struct kt_ctx *ctx, const char *module)
{
    struct record_migration *migration = kt_alloc(ctx, sizeof(*migration));
    migration->module = module;
    migration->passed = kt_alloc(ctx, sizeof(*migration->passed) * ctx->schema->entity_count);
    return migration;
}

enum kt_status record_migration_end(struct kt_ctx *ctx)
{
    for (size_t i = 0; i < ctx->schema->entity_count; i++) {
        const struct pass pass = {.ctx = ctx, .entity = &ctx->schema->entities[i]};
        enum record_pass passed = ctx->migrating->passed[i];
        if (!record_is_migrating(ctx, pass.entity))
            continue;
        if (passed != RECORD_PASS_WHOLE)
            KT_TRY(go_over(&pass,
                           passed == RECORD_PASS_LOOSE ? RECORD_PASS_WHOLE : RECORD_PASS_STRIP));
        KT_TRY(record_leftovers_gone(ctx, pass.entity));
    }
    return KT_OK;
}
