/* Create, update, archive, transition: the one way data changes, but for deletion (delete.c).
 *
 * Order of a save: input check, defaults and merge, C hook and computed fields, before-rules, both
 * again when rules changed something, final check, then storage (unique keys and indexes, bytes,
 * totals, history), then the after-hook, the event with its handlers, and the after-rules. */
#include <string.h>

#include "record/journal.h"
#include "record/migrate.h"
#include "record/record_internal.h"

/** A record that was read to be changed and is not stored yet: whoever changed it meanwhile would
 * be overwritten, with its indexes and totals, so nobody may. */
struct record_saving {
    const struct schema_entity *entity;
    uint64_t id;
    const struct record_saving *up;
};

static enum kt_status check_not_being_saved(struct kt_ctx *ctx, const struct schema_entity *entity,
                                            uint64_t id)
{
    for (const struct record_saving *at = ctx->saving; at; at = at->up)
        if (at->entity == entity && at->id == id)
            return kt_fail(ctx, KT_CONFLICT, NULL,
                           "%s %llu is being saved and cannot be changed meanwhile: what runs "
                           "before it is stored sets the fields of the record itself",
                           "%s %llu 正在保存，期间不可更改：保存之前的代码应直接设置该记录的字段",
                           entity->name, (unsigned long long)id);
    return KT_OK;
}

/* Each change that enters also leaves, whatever came of it: rules may catch a failure and go on. */
enum kt_status record_enter(struct kt_ctx *ctx, const struct schema_entity *entity)
{
    if (!ctx->writable)
        return kt_fail(ctx, KT_INTERNAL, NULL, "a read request tried to change %s",
                       "只读请求试图更改 %s", entity->name);
    if (ctx->save_depth >= RECORD_SAVE_DEPTH)
        return kt_fail(ctx, KT_TOO_LARGE, NULL, "saving %s sets off saves without end",
                       "保存 %s 引发无休止的连锁保存", entity->name);
    if (ctx->computing)
        return kt_fail(ctx, KT_INTERNAL, NULL, "computing a field tried to change %s",
                       "计算字段时试图更改 %s", entity->name);
    if (ctx->migrating && ctx->migrating->each == entity)
        return kt_fail(
            ctx, KT_INTERNAL, NULL,
            "the migration goes over %s: change its records by what kt_record_each gives",
            "迁移正在遍历 %s：只能更改 kt_record_each 给出的记录", entity->name);
    KT_TRY(context_check_memory(ctx));
    KT_TRY(context_check_time(ctx));
    ctx->save_depth++;
    return KT_OK;
}

enum kt_status record_leave(struct kt_ctx *ctx, const struct schema_entity *entity,
                            enum kt_status status)
{
    ctx->save_depth--;
    if (status == KT_OK && ctx->migrating)
        ctx->migrating->changed++;
    return record_failed(ctx, entity, status);
}

static enum kt_status check_not_archived(struct kt_ctx *ctx, const struct schema_entity *entity,
                                         const msgpack_object *old, enum record_by by)
{
    if (by == RECORD_BY_SERVER || !kt_get_bool(old, "archived"))
        return KT_OK;
    return kt_fail(ctx, KT_CONFLICT, "archived", "this %s is archived: restore it first",
                   "此 %s 已归档，请先恢复", entity->name);
}

enum kt_status record_check_may_change(struct kt_ctx *ctx, const struct schema_entity *entity,
                                       const msgpack_object *old, enum record_by by)
{
    if (old && (entity->decl->flags & KT_APPEND_ONLY))
        return kt_fail(ctx, KT_CONFLICT, NULL, "a %s is never changed; make a counter-record",
                       "%s 不可更改，请新建冲销记录", entity->name);
    if (by == RECORD_BY_SERVER)
        return KT_OK;
    if (entity->decl->flags & KT_SERVER_ONLY)
        return kt_fail(ctx, KT_DENIED, NULL, "only the server writes %s", "%s 仅由服务器写入",
                       entity->name);
    const struct kt_state *state = old ? schema_state(entity, old) : NULL;
    if (state && (state->flags & KT_LOCKED))
        return kt_fail(ctx, KT_CONFLICT, "state", "this %s is %s and cannot be changed",
                       "此 %s 处于状态 %s，不可更改", entity->name, state->name);
    return KT_OK;
}

/* The module's own code: its hook, then its computed fields. */
static enum kt_status prepare(struct kt_ctx *ctx, const struct record_step *step,
                              struct kt_map *record)
{
    const struct kt_entity *decl = step->entity->decl;
    if (decl->before_save)
        KT_TRY(decl->before_save(ctx, step->old, record));
    return record_compute(ctx, step->entity, record);
}

/* The module, rules, the module again if rules changed something, final check. */
static enum kt_status settle(struct kt_ctx *ctx, const struct record_step *step,
                             struct kt_map *record)
{
    bool changed = false;
    KT_TRY(prepare(ctx, step, record));
    KT_TRY(ctx->host->rules_before(ctx, step, record, &changed));
    if (!step->old)
        KT_TRY(record_input_numbers(ctx, step->entity, record, true, &changed));
    if (changed) {
        KT_TRY(record_final_check(ctx, step->entity, step->old, record));
        KT_TRY(prepare(ctx, step, record));
    }
    KT_TRY(record_final_check(ctx, step->entity, step->old, record));
    return record_finish(ctx, step->entity, step->old, record);
}

const char *record_step_word(const struct record_step *step)
{
    static const char *const words[] = {"create", "update", "delete", "archive", "restore"};
    return step->moment == RECORD_TRANSITION ? step->verb : words[step->moment];
}

static enum kt_status store_change(struct kt_ctx *ctx, const struct record_step *step, uint64_t id,
                                   struct kt_map *record)
{
    const struct schema_entity *entity = step->entity;
    const char *what = record_step_word(step);
    uint64_t version = step->old ? kt_get_id(step->old, "version") : 0;
    if (ctx->journal)
        journal_note_record(ctx, entity, id, what);
    kt_map_set(record, "id", kt_id(id));
    kt_map_set(record, "version", kt_id(version + 1));
    KT_TRY(record_index_change(ctx, entity, id, step->old, &record->object));
    KT_TRY(record_put(ctx, entity, id, &record->object));
    KT_TRY(record_files_keep(ctx, entity, step->old, &record->object));
    KT_TRY(record_total_change(ctx, entity, step->old, &record->object));
    return record_history_add(ctx, entity, id, what, step->old, &record->object);
}

enum kt_status record_announce(struct kt_ctx *ctx, const struct record_step *step, const char *past,
                               uint64_t id, const msgpack_object *record)
{
    struct kt_event event = {.topic = kt_format(ctx, "%s.%s", step->entity->name, past),
                             .entity = step->entity->name,
                             .id = id,
                             .record = record,
                             .old = step->old,
                             .payload = step->params};
    return ctx->host->announce(ctx, &event);
}

static enum kt_status save(struct kt_ctx *ctx, const struct record_step *step, uint64_t id,
                           struct kt_map *record, const char *past)
{
    const struct kt_entity *decl = step->entity->decl;
    KT_TRY(settle(ctx, step, record));
    KT_TRY(store_change(ctx, step, id, record));
    if (step->old)
        ctx->saving = ctx->saving->up;
    if (decl->after_save)
        KT_TRY(decl->after_save(ctx, step->old, &record->object));
    KT_TRY(record_announce(ctx, step, past, id, &record->object));
    return ctx->host->rules_after(ctx, step, &record->object);
}

static enum kt_status create(struct kt_ctx *ctx, const struct schema_entity *entity,
                             const msgpack_object *values, enum record_by by, uint64_t *out_id)
{
    struct record_step step = {.entity = entity, .moment = RECORD_CREATE};
    struct kt_map *record;
    uint64_t id;
    KT_TRY(record_check_may_change(ctx, entity, NULL, by));
    KT_TRY(record_input_check(ctx, entity, values, by, true, &record));
    KT_TRY(record_input_defaults(ctx, entity, record));
    KT_TRY(record_input_targets(ctx, entity, NULL, record, by));
    KT_TRY(record_next_id(ctx, entity, &id));
    KT_TRY(save(ctx, &step, id, record, "created"));
    if (out_id)
        *out_id = id;
    return KT_OK;
}

enum kt_status record_create(struct kt_ctx *ctx, const struct schema_entity *entity,
                             const msgpack_object *values, enum record_by by, uint64_t *out_id)
{
    KT_TRY(record_enter(ctx, entity));
    return record_leave(ctx, entity, create(ctx, entity, values, by, out_id));
}

/* Names who came first, so that the client can show it. */
static enum kt_status say_stale(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                                uint64_t stored, uint64_t wanted)
{
    struct kt_map *details = kt_map_new(ctx);
    struct record_change last;
    enum kt_status status =
        kt_fail(ctx, KT_CONFLICT, "version",
                "this %s was changed by someone else: it is at version %llu, not %llu",
                "此 %s 已被他人更改：当前版本为 %llu，而非 %llu", entity->name,
                (unsigned long long)stored, (unsigned long long)wanted);
    kt_map_set_id(details, "version", stored);
    if (record_history_find(ctx, entity, id, stored, &last)) {
        kt_map_set(details, "user", last.user);
        kt_map_set(details, "at", last.at);
    }
    context_error_details(ctx, details->object);
    return status;
}

enum kt_status record_load_version(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   uint64_t id, uint64_t version, const msgpack_object **out)
{
    KT_TRY(check_not_being_saved(ctx, entity, id));
    KT_TRY(record_load(ctx, entity, id, out));
    uint64_t stored = kt_get_id(*out, "version");
    if (version && version != stored)
        return say_stale(ctx, entity, id, stored, version);
    return KT_OK;
}

/* From reading the record to storing it. */
static enum kt_status begin_change(struct kt_ctx *ctx, struct record_step *step, uint64_t id,
                                   uint64_t version, struct record_saving *own)
{
    KT_TRY(record_enter(ctx, step->entity));
    enum kt_status status = record_load_version(ctx, step->entity, id, version, &step->old);
    if (status != KT_OK)
        return record_leave(ctx, step->entity, status);
    *own = (struct record_saving){step->entity, id, ctx->saving};
    ctx->saving = own;
    return KT_OK;
}

static enum kt_status end_change(struct kt_ctx *ctx, const struct record_saving *own,
                                 enum kt_status status)
{
    ctx->saving = own->up;
    return record_leave(ctx, own->entity, status);
}

static enum kt_status update(struct kt_ctx *ctx, const struct record_step *step, uint64_t id,
                             const msgpack_object *values, enum record_by by)
{
    const struct schema_entity *entity = step->entity;
    struct kt_map *changes, *record;
    KT_TRY(check_not_archived(ctx, entity, step->old, by));
    KT_TRY(record_check_may_change(ctx, entity, step->old, by));
    KT_TRY(record_input_check(ctx, entity, values, by, false, &changes));
    KT_TRY(record_input_merge(ctx, entity, step->old, changes, &record));
    KT_TRY(record_input_targets(ctx, entity, step->old, record, by));
    if (by != RECORD_BY_SERVER)
        KT_TRY(record_check_fixed(ctx, entity, step->old, &record->object));
    return save(ctx, step, id, record, "updated");
}

enum kt_status record_update(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                             uint64_t version, const msgpack_object *values, enum record_by by)
{
    struct record_step step = {.entity = entity, .moment = RECORD_UPDATE};
    struct record_saving own = {.id = id};
    KT_TRY(begin_change(ctx, &step, id, version, &own));
    return end_change(ctx, &own, update(ctx, &step, id, values, by));
}

static enum kt_status find_transition(struct kt_ctx *ctx, const struct schema_entity *entity,
                                      const msgpack_object *record, const char *verb,
                                      enum record_by by, const struct kt_transition **out)
{
    const char *state = entity->state ? kt_get_text(ctx, record, entity->state->decl->name) : "";
    for (size_t i = 0; i < entity->decl->transitions.count; i++) {
        const struct kt_transition *transition = &entity->decl->transitions.at[i];
        if (strcmp(transition->verb, verb) != 0 || strcmp(transition->from, state) != 0)
            continue;
        if ((transition->flags & KT_BY_SERVER) && by != RECORD_BY_SERVER)
            continue;
        *out = transition;
        return KT_OK;
    }
    return kt_fail(ctx, KT_CONFLICT, "state", "a %s that is %s cannot %s",
                   "%s 处于状态 %s，不能 %s", entity->name, state, verb);
}

static enum kt_status make_transition(struct kt_ctx *ctx, const struct record_step *step,
                                      uint64_t id, const struct kt_transition *transition)
{
    bool dropped;
    struct kt_map *record = record_strip(ctx, step->entity, step->old, &dropped);
    if (transition->run)
        KT_TRY(transition->run(ctx, record, step->params));
    kt_map_set_text(record, step->entity->state->decl->name, transition->to);
    return save(ctx, step, id, record, transition->event);
}

static enum kt_status go_on(struct kt_ctx *ctx, const struct record_step *step, uint64_t id,
                            enum record_by by)
{
    const struct kt_transition *transition = NULL;
    KT_TRY(check_not_archived(ctx, step->entity, step->old, by));
    KT_TRY(find_transition(ctx, step->entity, step->old, step->verb, by, &transition));
    return make_transition(ctx, step, id, transition);
}

enum kt_status record_transition(struct kt_ctx *ctx, const struct schema_entity *entity,
                                 uint64_t id, uint64_t version, const char *verb,
                                 const msgpack_object *params, enum record_by by)
{
    struct record_step step = {
        .entity = entity, .moment = RECORD_TRANSITION, .verb = verb, .params = params};
    struct record_saving own = {.id = id};
    KT_TRY(begin_change(ctx, &step, id, version, &own));
    return end_change(ctx, &own, go_on(ctx, &step, id, by));
}

/* --- Archive: out of sight of clients' searches, and back --- */

/* A posted document stays in sight: lists of it must add up to what the books say. */
static enum kt_status check_may_archive(struct kt_ctx *ctx, const struct record_step *step,
                                        enum record_by by)
{
    const struct schema_entity *entity = step->entity;
    const struct kt_state *state = schema_state(entity, step->old);
    bool archived = kt_get_bool(step->old, "archived");
    if (entity->decl->flags & KT_APPEND_ONLY)
        return kt_fail(ctx, KT_CONFLICT, NULL, "a %s is never changed, so it cannot be archived",
                       "%s 不可更改，因此不能归档", entity->name);
    if (by != RECORD_BY_SERVER && (entity->decl->flags & KT_SERVER_ONLY))
        return kt_fail(ctx, KT_DENIED, NULL, "only the server writes %s", "%s 仅由服务器写入",
                       entity->name);
    if (state && (state->flags & KT_POSTED))
        return kt_fail(ctx, KT_CONFLICT, entity->state->decl->name,
                       "a %s that is %s is not archived: it belongs to the books",
                       "%s 处于状态 %s，属于账务记录，不能归档", entity->name, state->name);
    if (archived != (step->moment == RECORD_ARCHIVE))
        return KT_OK;
    return kt_fail(ctx, KT_CONFLICT, "archived",
                   archived ? "this %s is archived already" : "this %s is not archived",
                   archived ? "此 %s 已归档" : "此 %s 未归档", entity->name);
}

static enum kt_status archive(struct kt_ctx *ctx, const struct record_step *step, uint64_t id,
                              enum record_by by)
{
    bool away = step->moment == RECORD_ARCHIVE;
    KT_TRY(check_may_archive(ctx, step, by));
    bool dropped;
    struct kt_map *record = record_strip(ctx, step->entity, step->old, &dropped);
    kt_map_set(record, "archived", away ? kt_bool(true) : kt_nil());
    return save(ctx, step, id, record, away ? "archived" : "restored");
}

enum kt_status record_archive(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                              uint64_t version, enum record_by by)
{
    struct record_step step = {.entity = entity, .moment = RECORD_ARCHIVE};
    struct record_saving own = {.id = id};
    KT_TRY(begin_change(ctx, &step, id, version, &own));
    return end_change(ctx, &own, archive(ctx, &step, id, by));
}

enum kt_status record_restore(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                              uint64_t version, enum record_by by)
{
    struct record_step step = {.entity = entity, .moment = RECORD_RESTORE};
    struct record_saving own = {.id = id};
    KT_TRY(begin_change(ctx, &step, id, version, &own));
    return end_change(ctx, &own, archive(ctx, &step, id, by));
}
