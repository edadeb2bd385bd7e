/* References in the model: which targets may be chosen, and what becomes of
 * those who refer to a record that is deleted. A deletion that is refused on
 * its way leaves the model half changed; the caller puts it back. */
#include <string.h>

#include "model.h"

#define DEEPEST 12

/* --- Targets --- */

static bool is_archived(struct world *world, const struct kt_field *field, const struct value *id)
{
    const struct record *target =
        is_empty(id) ? NULL
                     : model_find(world, entity_index(world, field->to), (uint64_t)id->number);
    return target && target->archived;
}

static bool holds_id(const struct value *list, int64_t id)
{
    for (size_t i = 0; list && i < list->count; i++)
        if (list->items[i]->number == id)
            return true;
    return false;
}

static void check_lines(struct world *world, const struct kt_field *field, const struct value *old,
                        const struct value *lines, struct refusals *refusals)
{
    for (size_t l = 0; l < lines->count; l++)
        for (size_t p = 0; p < field->lines.count; p++) {
            const struct kt_field *part = &field->lines.at[p];
            const struct value *id = lines->items[l]->items[p];
            const struct value *before = old ? find_line(old, lines->items[l]->number) : NULL;
            if (part->type == KT_REF && is_archived(world, part, id) &&
                !(before && same_value(before->items[p], id)))
                refuse(refusals, KT_INVALID,
                       words(world, "%s[%zu].%s", field->name, l, part->name));
        }
}

/* What was referred to already may be archived. */
void check_targets(struct world *world, size_t entity, const struct record *old,
                   const struct record *record, struct refusals *refusals)
{
    const struct kt_entity *decl = &world->entities[entity];
    for (size_t f = 0; f < decl->fields.count; f++) {
        const struct kt_field *field = &decl->fields.at[f];
        const struct value *value = record->fields[f], *before = old ? old->fields[f] : NULL;
        if (field->type == KT_LINES)
            check_lines(world, field, before, value, refusals);
        if (field->type == KT_REF && is_archived(world, field, value) &&
            !(before && same_value(before, value)))
            refuse(refusals, KT_INVALID, field->name);
        for (size_t i = 0; field->type == KT_REFS && i < value->count; i++)
            if (is_archived(world, field, value->items[i]) &&
                !holds_id(before, value->items[i]->number))
                refuse(refusals, KT_INVALID, words(world, "%s[%zu]", field->name, i));
    }
}

/* --- Deletion --- */

enum effect { PROTECTS, GOES_ALONG, IS_EMPTIED };

/* A way by which records refer to others. */
struct referrer {
    size_t entity;
    struct path path;
};

struct task {
    struct world *world;
    size_t target;
    uint64_t id;
    enum record_by by;
    const struct deletion *going;
    struct refusals *refusals;
};

static enum effect effect_of(const struct referrer *by)
{
    unsigned flags = by->path.decl->flags;
    return flags & KT_CASCADE ? GOES_ALONG : flags & KT_SET_NULL ? IS_EMPTIED : PROTECTS;
}

static bool is_going(const struct deletion *going, size_t entity, uint64_t id)
{
    for (; going; going = going->up)
        if (going->entity == entity && going->id == id)
            return true;
    return false;
}

static bool refers(const struct record *record, const struct path *path, uint64_t id)
{
    for (size_t i = 0; i < path_count(record, path); i++)
        if (path_value(record, path, i)->number == (int64_t)id)
            return true;
    return false;
}

/* The next record behind `after` that refers to the one that goes and is not
 * going itself. */
static struct record *next_referrer(const struct task *task, const struct referrer *by,
                                    uint64_t after)
{
    struct table *table = &task->world->model.tables[by->entity];
    for (size_t i = 0; i < table->count; i++)
        if (table->at[i].id > after && refers(&table->at[i], &by->path, task->id) &&
            !is_going(task->going, by->entity, table->at[i].id))
            return &table->at[i];
    return NULL;
}

/* Calls `each` for every way by which records may refer to the target. */
static void each_way(const struct task *task,
                     void (*each)(const struct task *task, const struct referrer *by))
{
    const struct world *world = task->world;
    for (size_t e = 0; e < world->entity_count; e++)
        for (size_t f = 0; f < world->entities[e].fields.count; f++) {
            const struct kt_field *field = &world->entities[e].fields.at[f];
            struct referrer by = {e, {f, 0, field, false}};
            if (field->to && strcmp(field->to, world->entities[task->target].name) == 0)
                each(task, &by);
            for (size_t p = 0; p < field->lines.count; p++) {
                const struct kt_field *part = &field->lines.at[p];
                by.path = (struct path){f, p, part, true};
                if (part->to && strcmp(part->to, world->entities[task->target].name) == 0)
                    each(task, &by);
            }
        }
}

static const struct value *without(struct world *world, const struct referrer *by,
                                   const struct value *list, uint64_t id)
{
    struct value *rest = take(world, sizeof *rest);
    const struct value **items = take(world, sizeof(const struct value *) * (list->count + 1));
    *rest = *list;
    rest->items = items;
    rest->count = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct value *item = list->items[i];
        bool hit = (by->path.in_lines ? item->items[by->path.part] : item)->number == (int64_t)id;
        if (hit && by->path.in_lines && effect_of(by) == IS_EMPTIED) {
            struct value *line = take(world, sizeof *line);
            const struct value **parts = take(world, sizeof(const struct value *) * item->count);
            memcpy(parts, item->items, sizeof(const struct value *) * item->count);
            parts[by->path.part] = &empty_value;
            *line = *item;
            line->items = parts;
            items[rest->count++] = line;
        } else if (!hit) {
            items[rest->count++] = item;
        }
    }
    return rest;
}

static void empty(const struct task *task, const struct referrer *by, struct record *old)
{
    struct world *world = task->world;
    const struct kt_entity *entity = &world->entities[by->entity];
    const struct kt_field *field = &entity->fields.at[by->path.field];
    struct record record = *old;
    if (is_in_state(entity, old, KT_LOCKED | KT_POSTED) || is_frozen(entity, old, field) ||
        is_frozen(entity, old, by->path.decl))
        refuse(task->refusals, KT_CONFLICT,
               by->path.in_lines ? words(world, "%s.%s", field->name, by->path.decl->name)
                                 : field->name);
    check_may_change(world, by->entity, RECORD_BY_SERVER, old, task->refusals);
    record.version++;
    record.fields = take(world, sizeof(const struct value *) * entity->fields.count);
    memcpy(record.fields, old->fields, sizeof(const struct value *) * entity->fields.count);
    if (by->path.in_lines)
        set_lines(world, &record, by->path.field,
                  without(world, by, old->fields[by->path.field], task->id));
    else if (field->type == KT_REFS)
        record.fields[by->path.field] = without(world, by, old->fields[by->path.field], task->id);
    else
        record.fields[by->path.field] = &empty_value;
    model_save(world, by->entity, old, &record, task->refusals);
}

static void protect(const struct task *task, const struct referrer *by)
{
    if (effect_of(by) == PROTECTS && next_referrer(task, by, 0))
        refuse(task->refusals, KT_CONFLICT, "id");
}

/* NOLINTNEXTLINE(misc-no-recursion): DEEPEST ends it. */
static void release(const struct task *task, const struct referrer *by, enum effect effect)
{
    bool whole = effect == GOES_ALONG && !by->path.in_lines;
    bool own = task->world->entities[by->entity].flags & KT_SERVER_ONLY;
    struct record *record;
    if (effect_of(by) != effect)
        return;
    for (uint64_t id = 0; !task->refusals->count && (record = next_referrer(task, by, id));) {
        id = record->id;
        if (whole)
            model_delete(task->world, by->entity, id, own ? RECORD_BY_SERVER : task->by,
                         task->going, task->refusals);
        else
            empty(task, by, record);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion) */
static void release_along(const struct task *task, const struct referrer *by)
{
    release(task, by, GOES_ALONG);
}

/* NOLINTNEXTLINE(misc-no-recursion) */
static void release_emptied(const struct task *task, const struct referrer *by)
{
    release(task, by, IS_EMPTIED);
}

/* NOLINTNEXTLINE(misc-no-recursion): DEEPEST ends it. */
void model_delete(struct world *world, size_t entity, uint64_t id, enum record_by by,
                  const struct deletion *up, struct refusals *refusals)
{
    struct deletion own = {entity, id, up};
    struct task task = {world, entity, id, by, &own, refusals};
    struct table *table = &world->model.tables[entity];
    const struct record *record = find_record(world, entity, id);
    size_t depth = 0;
    for (; up; up = up->up)
        depth++;
    if (depth >= DEEPEST) {
        refuse(refusals, KT_TOO_LARGE, "id");
        return;
    }
    if (is_in_state(&world->entities[entity], record, KT_POSTED))
        refuse(refusals, KT_CONFLICT, "state");
    check_may_change(world, entity, by, record, refusals);
    each_way(&task, protect);
    if (refusals->count)
        return;
    each_way(&task, release_along);
    each_way(&task, release_emptied);
    if (refusals->count)
        return;
    size_t at = (size_t)(find_record(world, entity, id) - table->at);
    memmove(&table->at[at], &table->at[at + 1], sizeof *table->at * (--table->count - at));
    world->model.events++;
}
