/* What should come of an operation, told by plain arrays: refused for which
 * reasons, or the record as it is then. Nothing here asks the code under test.
 */
#include <stdlib.h>
#include <string.h>

#include "model.h"

void refuse(struct refusals *refusals, enum kt_status status, const char *field)
{
    for (size_t i = 0; i < refusals->count; i++)
        if (refusals->at[i].status == status && refusals->at[i].field == field)
            return;
    if (refusals->count == REFUSALS_MOST)
        abort();
    refusals->at[refusals->count].status = status;
    refusals->at[refusals->count++].field = field;
}

/* --- Records --- */

static struct record *find(struct table *table, uint64_t id)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (table->at[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < table->count && table->at[low].id == id ? &table->at[low] : NULL;
}

struct record *find_record(struct world *world, size_t entity, uint64_t id)
{
    return find(&world->model.tables[entity], id);
}

const struct record *model_find(const struct world *world, size_t entity, uint64_t id)
{
    struct table table = world->model.tables[entity];
    return find(&table, id);
}

struct model model_copy(const struct model *model)
{
    struct model copy = *model;
    for (size_t e = 0; e < ENTITIES_MOST; e++) {
        struct table *table = &copy.tables[e];
        size_t size = sizeof *table->at * table->count;
        table->at = malloc(sizeof *table->at * (RECORDS_MOST + 1));
        if (!table->at)
            abort();
        if (size)
            memcpy(table->at, model->tables[e].at, size);
    }
    return copy;
}

void model_free(struct model *model)
{
    for (size_t e = 0; e < ENTITIES_MOST; e++)
        free(model->tables[e].at);
    *model = (struct model){0};
}

size_t path_count(const struct record *record, const struct path *path)
{
    const struct value *value = record->fields[path->field];
    if (!path->in_lines && !is_list(path->decl))
        return 1;
    return value->kind == LIST ? value->count : 0;
}

const struct value *path_value(const struct record *record, const struct path *path, size_t at)
{
    const struct value *value = record->fields[path->field];
    if (!path->in_lines && !is_list(path->decl))
        return value;
    value = value->items[at];
    if (path->in_lines)
        value = value->items[path->part];
    return value ? value : &empty_value;
}

/* --- Operations --- */

static void create(struct world *world, const struct operation *operation,
                   struct refusals *refusals)
{
    struct table *table = &world->model.tables[operation->entity], before = *table;
    size_t count = world->entities[operation->entity].fields.count;
    struct record record = {.id = table->last_id + 1, .version = 1};
    record.fields = take(world, sizeof(const struct value *) * count);
    for (size_t f = 0; f < count; f++)
        record.fields[f] = &empty_value;
    check_may_change(world, operation->entity, operation->by, NULL, refusals);
    take_given(world, operation, &record, refusals);
    fill_defaults(world, operation, record.fields);
    if (binds(operation))
        check_targets(world, operation->entity, NULL, &record, refusals);
    table->last_id++;
    model_save(world, operation->entity, NULL, &record, refusals);
    if (refusals->count)
        *table = before;
}

static struct record next_version(struct world *world, size_t entity, const struct record *old)
{
    size_t count = world->entities[entity].fields.count;
    struct record record = *old;
    record.version++;
    record.fields = take(world, sizeof(const struct value *) * count);
    memcpy(record.fields, old->fields, sizeof(const struct value *) * count);
    return record;
}

static void update(struct world *world, const struct operation *operation, struct record *old,
                   struct refusals *refusals)
{
    struct record record = next_version(world, operation->entity, old);
    check_may_change(world, operation->entity, operation->by, old, refusals);
    take_given(world, operation, &record, refusals);
    if (binds(operation)) {
        if (old->archived)
            refuse(refusals, KT_CONFLICT, "archived");
        check_targets(world, operation->entity, old, &record, refusals);
        check_frozen(world, operation->entity, old, &record, refusals);
    }
    model_save(world, operation->entity, old, &record, refusals);
}

static void make_transition(struct world *world, const struct operation *operation,
                            struct record *old, struct refusals *refusals)
{
    const struct kt_entity *entity = &world->entities[operation->entity];
    size_t state = field_index(entity, "state");
    const struct kt_transition *found = NULL;
    for (size_t i = 0; i < entity->transitions.count; i++) {
        const struct kt_transition *one = &entity->transitions.at[i];
        bool open = !(one->flags & KT_BY_SERVER) || !binds(operation);
        if (open && strcmp(one->verb, operation->verb) == 0 &&
            strcmp(one->from, old->fields[state]->text) == 0)
            found = one;
    }
    if (binds(operation) && old->archived)
        refuse(refusals, KT_CONFLICT, "archived");
    if (!found) {
        refuse(refusals, KT_CONFLICT, "state");
        return;
    }
    struct record record = next_version(world, operation->entity, old);
    record.fields[state] = text_value(world, found->to);
    model_save(world, operation->entity, old, &record, refusals);
}

static void archive(struct world *world, const struct operation *operation, struct record *old,
                    struct refusals *refusals)
{
    const struct kt_entity *entity = &world->entities[operation->entity];
    bool away = operation->kind == ARCHIVE;
    struct record record = next_version(world, operation->entity, old);
    record.archived = away;
    if (entity->flags & KT_APPEND_ONLY)
        refuse(refusals, KT_CONFLICT, NULL);
    if (binds(operation) && (entity->flags & KT_SERVER_ONLY))
        refuse(refusals, KT_DENIED, NULL);
    if (is_in_state(entity, old, KT_POSTED))
        refuse(refusals, KT_CONFLICT, "state");
    if (old->archived == away)
        refuse(refusals, KT_CONFLICT, "archived");
    model_save(world, operation->entity, old, &record, refusals);
}

void model_apply(struct world *world, const struct operation *operation, struct refusals *refusals)
{
    struct record *old = find_record(world, operation->entity, operation->id);
    if (operation->kind == CREATE)
        create(world, operation, refusals);
    else if (!old)
        refuse(refusals, KT_NOT_FOUND, "id");
    else if (operation->version && operation->version != old->version)
        refuse(refusals, KT_CONFLICT, "version");
    else if (operation->kind == UPDATE)
        update(world, operation, old, refusals);
    else if (operation->kind == DELETE)
        model_delete(world, operation->entity, operation->id, operation->by, NULL, refusals);
    else if (operation->kind == TRANSITION)
        make_transition(world, operation, old, refusals);
    else
        archive(world, operation, old, refusals);
}
