/* Sleeping references protect nothing: what they refer to may be gone when they wake. Then they are
 * emptied, as if they had been awake and declared so. */
#include "record/custom.h"

static bool is_gone(struct kt_ctx *ctx, const struct schema_field *field, const msgpack_object *id)
{
    return id->type == MSGPACK_OBJECT_POSITIVE_INTEGER && field->target &&
           !record_exists(ctx, field->target, id->via.u64);
}

/* Takes what is gone out of one value; tells whether there was any. */
static bool empty_gone(struct kt_ctx *ctx, const struct watch *watch, struct kt_map *holder,
                       const char *name)
{
    const msgpack_object *value = kt_get(&holder->object, name);
    struct kt_list *there = kt_list_new(ctx);
    if (!value || !watch->field)
        return false;
    if (watch->field->decl->type == KT_REF && is_gone(ctx, watch->field, value)) {
        kt_map_remove(holder, name);
        return true;
    }
    if (watch->field->decl->type != KT_REFS || value->type != MSGPACK_OBJECT_ARRAY)
        return false;
    for (uint32_t i = 0; i < value->via.array.size; i++)
        if (!is_gone(ctx, watch->field, &value->via.array.ptr[i]))
            kt_list_add(there, value->via.array.ptr[i]);
    if (there->object.via.array.size == value->via.array.size)
        return false;
    if (there->object.via.array.size)
        kt_map_set(holder, name, there->object);
    else
        kt_map_remove(holder, name);
    return true;
}

static bool empty_gone_in_lines(struct kt_ctx *ctx, const struct watch *watch,
                                struct kt_map *record, const char *name)
{
    bool found = false;
    struct kt_list *lines = kt_list_new(ctx);
    for (size_t i = 0; i < kt_count(&record->object, name); i++) {
        struct kt_map *line = kt_map_copy(ctx, kt_at(&record->object, name, i));
        found = empty_gone(ctx, watch, line, watch->part) || found;
        kt_list_add(lines, line->object);
    }
    if (found)
        kt_map_set(record, name, lines->object);
    return found;
}

/* Nothing is indexed by a field that sleeps, so only the record and its history tell of it. */
enum kt_status custom_wake(const struct watches *watches, uint64_t id, msgpack_object *record)
{
    struct kt_ctx *ctx = watches->ctx;
    const msgpack_object old = *record;
    struct kt_map *after = kt_map_copy(ctx, record);
    bool found = false;
    for (size_t i = 0; i < watches->count; i++) {
        const struct watch *watch = &watches->at[i];
        const char *name = kt_format(ctx, "%.*s", (int)watch->length, watch->path);
        if (watch->wakes)
            found = (watch->part ? empty_gone_in_lines(ctx, watch, after, name)
                                 : empty_gone(ctx, watch, after, name)) ||
                    found;
    }
    if (!found)
        return KT_OK;
    kt_map_set_id(after, "version", kt_get_id(&old, "version") + 1);
    *record = after->object;
    KT_TRY(record_put(ctx, watches->entity, id, record));
    return record_history_add(ctx, watches->entity, id, "update", &old, record);
}
