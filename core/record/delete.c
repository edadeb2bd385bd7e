/* Deletion, and what becomes of the records that refer to the one that goes.
 *
 * A reference protects its target unless its field says otherwise: then the referring record goes
 * along (KT_CASCADE) or is emptied of it (KT_SET_NULL), each by the way every deletion and every
 * save goes, and with the power to refuse. What protects is looked at first, so that a refused
 * deletion has not begun. */
#include <string.h>

#include "kontor/limits.h"
#include "record/journal.h"
#include "record/record_internal.h"

#define REFERENCES_NAMED   20
#define REFERENCES_COUNTED 1000
/** Records that one deletion may empty or take along by one field. */
#define REFERRERS_MOST 10000
#define CASCADE_DEPTH  12

/** A deletion under way and those it is part of: none of them refers to anything any more. */
struct record_deletion {
    const struct schema_entity *entity;
    uint64_t id;
    const struct record_deletion *up;
};

static bool is_going(const struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id)
{
    for (const struct record_deletion *at = ctx->deleting; at; at = at->up)
        if (at->entity == entity && at->id == id)
            return true;
    return false;
}

static const struct kt_field *reference_of(const struct schema_index *index)
{
    const struct schema_path *path = &index->paths[0];
    return path->line ? path->line->decl : path->field->decl;
}

static const char *reference_path(struct kt_ctx *ctx, const struct schema_index *index)
{
    const struct schema_path *path = &index->paths[0];
    return path->line ? kt_format(ctx, "%s.%s", path->field->decl->name, path->line->decl->name)
                      : path->field->decl->name;
}

enum effect { PROTECTS, GOES_ALONG, IS_EMPTIED };

/* The code of a sleeping module is asked nothing, so its records only protect. */
static enum effect effect_of(const struct schema_index *index)
{
    unsigned flags = index->entity->enabled ? reference_of(index)->flags : 0;
    return flags & KT_CASCADE ? GOES_ALONG : flags & KT_SET_NULL ? IS_EMPTIED : PROTECTS;
}

/* --- Who refers to it --- */

struct referrers {
    uint64_t *ids;
    size_t count;
    size_t capacity;
};

static void add_referrer(struct kt_ctx *ctx, struct referrers *all, uint64_t id)
{
    if (all->count == all->capacity) {
        size_t grown = all->capacity ? all->capacity * 2 : 16;
        uint64_t *wider = kt_alloc(ctx, sizeof(*wider) * grown);
        if (all->count)
            memcpy(wider, all->ids, sizeof(*wider) * all->count);
        all->ids = wider;
        all->capacity = grown;
    }
    all->ids[all->count++] = id;
}

/* The records that stay and refer to `id` by the index, at most `most` of them. */
static enum kt_status find_referrers(struct kt_ctx *ctx, const struct schema_index *index,
                                     uint64_t id, size_t most, struct referrers *out)
{
    struct key key;
    struct store_cursor *cursor;
    struct store_slice found, value;
    *out = (struct referrers){0};
    record_index_begin(&key, index);
    key_add_int(&key, (int64_t)id);
    enum kt_status status = store_cursor_open(ctx->txn, &cursor);
    if (status != KT_OK)
        return record_store_failed(ctx, status);
    status = store_seek(cursor, key_slice(&key), &found, &value);
    while (status == KT_OK && out->count < most && key_has_prefix(found, key_slice(&key))) {
        uint64_t source = 0;
        if (index->unique)
            memcpy(&source, value.at, sizeof(source));
        else
            source = record_key_id(found);
        if (!is_going(ctx, index->entity, source))
            add_referrer(ctx, out, source);
        status = store_next(cursor, &found, &value);
    }
    store_cursor_close(cursor);
    if (status != KT_OK && status != KT_NOT_FOUND)
        return record_store_failed(ctx, status);
    return context_check_memory(ctx);
}

/* --- What protects it --- */

struct protection {
    struct kt_list *named;
    size_t count;
    bool more;
};

static enum kt_status name_reference(struct kt_ctx *ctx, const struct schema_index *index,
                                     uint64_t source, struct kt_list *named)
{
    const msgpack_object *record;
    const struct schema_field *title = index->entity->title;
    struct kt_map *reference = kt_map_new(ctx);
    KT_TRY(record_load(ctx, index->entity, source, &record));
    kt_map_set_text(reference, "entity", index->entity->name);
    kt_map_set_id(reference, "id", source);
    kt_map_set_text(reference, "field", reference_path(ctx, index));
    msgpack_object shown = record_mask(ctx, index->entity, record);
    if (title && kt_has(&shown, title->decl->name))
        kt_map_set(reference, "title", *kt_get(&shown, title->decl->name));
    kt_list_add(named, reference->object);
    return context_check_memory(ctx);
}

/* May the user know that this record refers to another by the index? */
static bool may_name(struct kt_ctx *ctx, const struct schema_index *index)
{
    return ctx->host->may(ctx, kt_format(ctx, "%s.read", index->entity->name)) &&
           !record_mask_hides(ctx, index);
}

static enum kt_status add_protection(struct kt_ctx *ctx, const struct schema_index *index,
                                     uint64_t id, struct protection *out)
{
    struct referrers sources;
    size_t room = REFERENCES_COUNTED - out->count;
    KT_TRY(find_referrers(ctx, index, id, room + 1, &sources));
    bool may = may_name(ctx, index);
    for (size_t i = 0; i < sources.count && i < room; i++)
        if (may && out->named->object.via.array.size < REFERENCES_NAMED)
            KT_TRY(name_reference(ctx, index, sources.ids[i], out->named));
    out->more = out->more || sources.count > room;
    out->count += sources.count < room ? sources.count : room;
    return KT_OK;
}

static enum kt_status say_protected(struct kt_ctx *ctx, const struct schema_entity *entity,
                                    uint64_t id, const struct protection *by)
{
    const unsigned long long number = id;
    const char *plus = by->more ? "+" : "";
    struct kt_map *details = kt_map_new(ctx);
    enum kt_status status;
    if (by->named->object.via.array.size == 0) {
        status = kt_fail(
            ctx, KT_CONFLICT, "id", "%s %llu is still used by %zu%s records that you may not see",
            "%s %llu 仍被 %zu%s 条您无权查看的记录引用", entity->name, number, by->count, plus);
    } else {
        const msgpack_object *first = by->named->object.via.array.ptr;
        const char *other = kt_get_text(ctx, first, "entity");
        const char *field = kt_get_text(ctx, first, "field");
        const unsigned long long source = kt_get_id(first, "id");
        if (by->count == 1)
            status = kt_fail(ctx, KT_CONFLICT, "id", "%s %llu is still used by %s %llu (%s)",
                             "%s %llu 仍被 %s %llu 引用（%s）", entity->name, number, other, source,
                             field);
        else
            status = kt_fail(ctx, KT_CONFLICT, "id",
                             "%s %llu is still used by %s %llu (%s) and %zu%s more",
                             "%s %llu 仍被 %s %llu（%s）及另外 %zu%s 处引用", entity->name, number,
                             other, source, field, by->count - 1, plus);
    }
    kt_map_set(details, "references", by->named->object);
    kt_map_set_int(details, "count", (int64_t)by->count);
    if (by->more)
        kt_map_set_bool(details, "more", true);
    context_error_details(ctx, details->object);
    return status;
}

static enum kt_status check_unprotected(struct kt_ctx *ctx, const struct schema_entity *entity,
                                        uint64_t id)
{
    struct protection protection = {.named = kt_list_new(ctx)};
    for (size_t i = 0; i < entity->incoming_count; i++)
        if (effect_of(entity->incoming[i]) == PROTECTS)
            KT_TRY(add_protection(ctx, entity->incoming[i], id, &protection));
    return protection.count ? say_protected(ctx, entity, id, &protection) : KT_OK;
}

/* --- What goes along or is emptied --- */

static bool is_named(struct kt_names names, const char *name)
{
    for (size_t i = 0; i < names.count; i++)
        if (strcmp(names.at[i], name) == 0)
            return true;
    return false;
}

/* What clients can no longer change is not changed behind their backs either. */
static enum kt_status check_open(struct kt_ctx *ctx, const struct schema_index *index,
                                 const msgpack_object *record)
{
    const struct kt_state *state = schema_state(index->entity, record);
    const char *field = reference_path(ctx, index);
    if (!state || (!(state->flags & (KT_LOCKED | KT_POSTED)) &&
                   !is_named(index->paths[0].field->decl->frozen, state->name) &&
                   !is_named(reference_of(index)->frozen, state->name)))
        return KT_OK;
    return kt_fail(ctx, KT_CONFLICT, field, "%s cannot be emptied: its %s is %s",
                   "%s 不可清空：其 %s 处于状态 %s", field, index->entity->name, state->name);
}

/* The list without the id. */
static msgpack_object without_id(struct kt_ctx *ctx, const msgpack_object *list, uint64_t id)
{
    struct kt_list *rest = kt_list_new(ctx);
    for (uint32_t i = 0; list && i < list->via.array.size; i++)
        if (list->via.array.ptr[i].via.u64 != id)
            kt_list_add(rest, list->via.array.ptr[i]);
    return rest->object;
}

/* The lines without those that refer to the id, or with that reference emptied. Lines that stay as
 * they are need no more than their id. */
static msgpack_object without_lines(struct kt_ctx *ctx, const struct schema_index *index,
                                    const msgpack_object *record, uint64_t id)
{
    struct kt_list *lines = kt_list_new(ctx);
    const char *name = index->paths[0].field->decl->name;
    const char *part = reference_of(index)->name;
    for (size_t i = 0; i < kt_count(record, name); i++) {
        const msgpack_object *old = kt_at(record, name, i);
        struct kt_map *line = kt_map_new(ctx);
        kt_map_set_id(line, "id", kt_get_id(old, "id"));
        if (kt_get_id(old, part) == id) {
            if (effect_of(index) == GOES_ALONG)
                continue;
            kt_map_set(line, part, kt_nil());
        }
        kt_list_add(lines, line->object);
    }
    return lines->object;
}

static enum kt_status empty_reference(struct kt_ctx *ctx, const struct schema_index *index,
                                      uint64_t source, uint64_t id)
{
    const msgpack_object *record;
    struct kt_map *changes = kt_map_new(ctx);
    const struct schema_path *path = &index->paths[0];
    const char *name = path->field->decl->name;
    KT_TRY(record_load(ctx, index->entity, source, &record));
    KT_TRY(record_failed(ctx, index->entity, check_open(ctx, index, record)));
    if (path->line)
        kt_map_set(changes, name, without_lines(ctx, index, record, id));
    else if (path->field->decl->type == KT_REFS)
        kt_map_set(changes, name, without_id(ctx, kt_get(record, name), id));
    else
        kt_map_set(changes, name, kt_nil());
    return record_update(ctx, index->entity, source, 0, &changes->object, RECORD_BY_SERVER);
}

/* Rows that only the server writes go with what they belong to, whoever deletes that. */
static enum kt_status delete_along(struct kt_ctx *ctx, const struct schema_index *index,
                                   uint64_t source, enum record_by by)
{
    bool own = index->entity->decl->flags & KT_SERVER_ONLY;
    return record_delete(ctx, index->entity, source, 0, own ? RECORD_BY_SERVER : by);
}

/* Nobody asked for this record to go or to change: the refusal says which it is, unless one further
 * in did. */
static void name_refuser(struct kt_ctx *ctx, const struct schema_index *index, uint64_t source)
{
    struct context_error *error = &ctx->error;
    const unsigned long long id = source;
    const char *entity = index->entity->name;
    struct kt_map *details = kt_map_new(ctx);
    if (error->details.type != MSGPACK_OBJECT_NIL || !error->entity || !error->message ||
        strcmp(error->entity, entity) != 0 || !may_name(ctx, index))
        return;
    kt_map_set_text(details, "entity", entity);
    kt_map_set_id(details, "id", source);
    error->details = details->object;
    error->message = kt_format(ctx, "%s %llu: %s", entity, id, error->message);
    error->message_zh = kt_format(ctx, "%s %llu：%s", entity, id, error->message_zh);
}

static enum kt_status release(struct kt_ctx *ctx, const struct schema_index *index, uint64_t id,
                              enum record_by by)
{
    struct referrers sources;
    bool whole = effect_of(index) == GOES_ALONG && !index->paths[0].line;
    KT_TRY(find_referrers(ctx, index, id, REFERRERS_MOST + 1, &sources));
    if (sources.count > REFERRERS_MOST)
        return kt_fail(ctx, KT_TOO_LARGE, "id", "more than %d records of %s refer to it by %s",
                       "超过 %d 条 %s 记录通过 %s 引用它", REFERRERS_MOST, index->entity->name,
                       reference_path(ctx, index));
    for (size_t i = 0; i < sources.count; i++) {
        /* What went along with an earlier one is no longer there. */
        if (!record_exists(ctx, index->entity, sources.ids[i]))
            continue;
        enum kt_status status = whole ? delete_along(ctx, index, sources.ids[i], by)
                                      : empty_reference(ctx, index, sources.ids[i], id);
        if (status != KT_OK)
            name_refuser(ctx, index, sources.ids[i]);
        KT_TRY(status);
    }
    return KT_OK;
}

static enum kt_status release_all(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  uint64_t id, enum record_by by)
{
    for (enum effect effect = GOES_ALONG; effect <= IS_EMPTIED; effect++)
        for (size_t i = 0; i < entity->incoming_count; i++)
            if (effect_of(entity->incoming[i]) == effect)
                KT_TRY(release(ctx, entity->incoming[i], id, by));
    return KT_OK;
}

/* --- The deletion itself --- */

static enum kt_status check_may_go(struct kt_ctx *ctx, const struct schema_entity *entity,
                                   const msgpack_object *record)
{
    const struct kt_state *state = schema_state(entity, record);
    if (!state || !(state->flags & KT_POSTED))
        return KT_OK;
    return kt_fail(ctx, KT_CONFLICT, entity->state->decl->name,
                   "a %s that is %s is never deleted: cancel it or make a counter-record",
                   "%s 处于状态 %s，永不可删除：请撤销或新建冲销记录", entity->name, state->name);
}

static enum kt_status erase(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                            uint64_t version, enum record_by by)
{
    struct record_step step = {.entity = entity, .moment = RECORD_DELETE};
    struct key key;
    bool changed = false;
    KT_TRY(record_load_version(ctx, entity, id, version, &step.old));
    KT_TRY(check_may_go(ctx, entity, step.old));
    KT_TRY(record_check_may_change(ctx, entity, step.old, by));
    if (entity->decl->before_delete)
        KT_TRY(entity->decl->before_delete(ctx, step.old));
    KT_TRY(ctx->host->rules_before(ctx, &step, NULL, &changed));
    KT_TRY(check_unprotected(ctx, entity, id));
    KT_TRY(release_all(ctx, entity, id, by));
    /* Those who were told of the others' end may have changed this record. */
    KT_TRY(record_load(ctx, entity, id, &step.old));
    if (ctx->journal)
        journal_note_record(ctx, entity, id, "delete");
    KT_TRY(record_index_change(ctx, entity, id, step.old, NULL));
    KT_TRY(record_total_change(ctx, entity, step.old, NULL));
    KT_TRY(record_history_add(ctx, entity, id, "delete", step.old, NULL));
    record_key(&key, entity, id);
    if (store_del(ctx->txn, key_slice(&key)) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    KT_TRY(record_announce(ctx, &step, "deleted", id, step.old));
    return ctx->host->rules_after(ctx, &step, step.old);
}

static enum kt_status check_depth(struct kt_ctx *ctx, const struct schema_entity *entity)
{
    int depth = 0;
    for (const struct record_deletion *at = ctx->deleting; at; at = at->up)
        depth++;
    if (depth < CASCADE_DEPTH)
        return KT_OK;
    return kt_fail(ctx, KT_TOO_LARGE, "id",
                   "the deletion takes %s along more than %d levels deep: begin further down",
                   "级联删除 %s 超过 %d 层：请从更下层开始删除", entity->name, CASCADE_DEPTH);
}

enum kt_status record_delete(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                             uint64_t version, enum record_by by)
{
    KT_TRY(record_enter(ctx, entity));
    struct record_deletion own = {entity, id, ctx->deleting};
    enum kt_status status = check_depth(ctx, entity);
    ctx->deleting = &own;
    if (status == KT_OK)
        status = erase(ctx, entity, id, version, by);
    ctx->deleting = own.up;
    return record_leave(ctx, entity, status);
}
