/* Create, update, delete, transition: the one way data changes.
 *
 * Order of a save: input check, defaults and merge, C hook, before-rules, C hook again when rules
 * changed something, final check, then storage (unique keys and indexes, bytes, totals, history),
 * then the after-hook, the event with its handlers, and the after-rules. */
#include <string.h>

#include "record/journal.h"
#include "record/record_internal.h"

/* Each change that enters also leaves, whatever came of it: rules may catch a failure and go on. */
static enum kt_status enter(struct kt_ctx *ctx, const struct schema_entity *entity)
{
    if (!ctx->writable)
        return kt_fail(ctx, KT_INTERNAL, NULL, "a read request tried to change %s",
                       "只读请求试图更改 %s", entity->name);
    if (ctx->save_depth >= RECORD_SAVE_DEPTH)
        return kt_fail(ctx, KT_TOO_LARGE, NULL, "saving %s sets off saves without end",
                       "保存 %s 引发无休止的连锁保存", entity->name);
    KT_TRY(context_check_memory(ctx));
    ctx->save_depth++;
    return KT_OK;
}

static enum kt_status leave(struct kt_ctx *ctx, enum kt_status status)
{
    ctx->save_depth--;
    return status;
}

static enum kt_status check_client_may_change(struct kt_ctx *ctx,
                                              const struct schema_entity *entity,
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

/* C hook, rules, C hook again if rules changed something, final check. */
static enum kt_status settle(struct kt_ctx *ctx, const struct record_step *step,
                             struct kt_map *record)
{
    const struct kt_entity *decl = step->entity->decl;
    bool changed = false;
    if (decl->before_save)
        KT_TRY(decl->before_save(ctx, step->old, record));
    KT_TRY(ctx->host->rules_before(ctx, step, record, &changed));
    if (changed) {
        KT_TRY(record_final_check(ctx, step->entity, step->old, record));
        if (decl->before_save)
            KT_TRY(decl->before_save(ctx, step->old, record));
    }
    KT_TRY(record_final_check(ctx, step->entity, step->old, record));
    return record_finish(ctx, step->entity, step->old, record);
}

static enum kt_status store_change(struct kt_ctx *ctx, const struct record_step *step, uint64_t id,
                                   struct kt_map *record)
{
    const struct schema_entity *entity = step->entity;
    static const char *const words[] = {"create", "update", "delete"};
    const char *what = step->moment == RECORD_TRANSITION ? step->verb : words[step->moment];
    uint64_t version = step->old ? kt_get_id(step->old, "version") : 0;
    if (ctx->journal)
        journal_note_record(ctx, entity, id, what);
    kt_map_set(record, "id", kt_id(id));
    kt_map_set(record, "version", kt_id(version + 1));
    KT_TRY(record_index_change(ctx, entity, id, step->old, &record->object));
    KT_TRY(record_put(ctx, entity, id, &record->object));
    KT_TRY(record_total_change(ctx, entity, step->old, &record->object));
    return record_history_add(ctx, entity, id, what, step->old, &record->object);
}

static enum kt_status announce(struct kt_ctx *ctx, const struct record_step *step, const char *past,
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
    if (decl->after_save)
        KT_TRY(decl->after_save(ctx, step->old, &record->object));
    KT_TRY(announce(ctx, step, past, id, &record->object));
    return ctx->host->rules_after(ctx, step, &record->object);
}

static enum kt_status create(struct kt_ctx *ctx, const struct schema_entity *entity,
                             const msgpack_object *values, enum record_by by, uint64_t *out_id)
{
    struct record_step step = {.entity = entity, .moment = RECORD_CREATE};
    struct kt_map *record;
    uint64_t id;
    KT_TRY(check_client_may_change(ctx, entity, NULL, by));
    KT_TRY(record_input_check(ctx, entity, values, by, true, &record));
    KT_TRY(record_input_defaults(ctx, entity, record));
    KT_TRY(record_count_up(ctx, kt_format(ctx, "id:%s", entity->name), &id));
    KT_TRY(save(ctx, &step, id, record, "created"));
    if (out_id)
        *out_id = id;
    return KT_OK;
}

enum kt_status record_create(struct kt_ctx *ctx, const struct schema_entity *entity,
                             const msgpack_object *values, enum record_by by, uint64_t *out_id)
{
    KT_TRY(enter(ctx, entity));
    return leave(ctx, create(ctx, entity, values, by, out_id));
}

static enum kt_status load_version(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   uint64_t id, uint64_t version, const msgpack_object **out)
{
    KT_TRY(record_load(ctx, entity, id, out));
    uint64_t stored = kt_get_id(*out, "version");
    if (version && version != stored)
        return kt_fail(ctx, KT_CONFLICT, "version",
                       "this %s was changed by someone else: it is at version %llu, not %llu",
                       "此 %s 已被他人更改：当前版本为 %llu，而非 %llu", entity->name,
                       (unsigned long long)stored, (unsigned long long)version);
    return KT_OK;
}

static enum kt_status update(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                             uint64_t version, const msgpack_object *values, enum record_by by)
{
    struct record_step step = {.entity = entity, .moment = RECORD_UPDATE};
    struct kt_map *changes, *record;
    KT_TRY(load_version(ctx, entity, id, version, &step.old));
    KT_TRY(check_client_may_change(ctx, entity, step.old, by));
    KT_TRY(record_input_check(ctx, entity, values, by, false, &changes));
    KT_TRY(record_input_merge(ctx, entity, step.old, changes, &record));
    return save(ctx, &step, id, record, "updated");
}

enum kt_status record_update(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                             uint64_t version, const msgpack_object *values, enum record_by by)
{
    KT_TRY(enter(ctx, entity));
    return leave(ctx, update(ctx, entity, id, version, values, by));
}

static enum kt_status erase(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                            uint64_t version, enum record_by by)
{
    struct record_step step = {.entity = entity, .moment = RECORD_DELETE};
    struct key key;
    bool changed = false;
    KT_TRY(load_version(ctx, entity, id, version, &step.old));
    KT_TRY(check_client_may_change(ctx, entity, step.old, by));
    if (entity->decl->before_delete)
        KT_TRY(entity->decl->before_delete(ctx, step.old));
    KT_TRY(ctx->host->rules_before(ctx, &step, NULL, &changed));
    KT_TRY(record_check_unreferenced(ctx, entity, id));
    if (ctx->journal)
        journal_note_record(ctx, entity, id, "delete");
    KT_TRY(record_index_change(ctx, entity, id, step.old, NULL));
    KT_TRY(record_total_change(ctx, entity, step.old, NULL));
    KT_TRY(record_history_add(ctx, entity, id, "delete", step.old, NULL));
    record_key(&key, entity, id);
    if (store_del(ctx->txn, key_slice(&key)) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    KT_TRY(announce(ctx, &step, "deleted", id, step.old));
    return ctx->host->rules_after(ctx, &step, step.old);
}

enum kt_status record_delete(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                             uint64_t version, enum record_by by)
{
    KT_TRY(enter(ctx, entity));
    return leave(ctx, erase(ctx, entity, id, version, by));
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
    struct kt_map *record = kt_map_copy(ctx, step->old);
    if (transition->run)
        KT_TRY(transition->run(ctx, record, step->params));
    kt_map_set_text(record, step->entity->state->decl->name, transition->to);
    return save(ctx, step, id, record, transition->event);
}

enum kt_status record_transition(struct kt_ctx *ctx, const struct schema_entity *entity,
                                 uint64_t id, uint64_t version, const char *verb,
                                 const msgpack_object *params, enum record_by by)
{
    struct record_step step = {
        .entity = entity, .moment = RECORD_TRANSITION, .verb = verb, .params = params};
    const struct kt_transition *transition = NULL;
    KT_TRY(load_version(ctx, entity, id, version, &step.old));
    KT_TRY(find_transition(ctx, entity, step.old, verb, by, &transition));
    KT_TRY(enter(ctx, entity));
    return leave(ctx, make_transition(ctx, &step, id, transition));
}
