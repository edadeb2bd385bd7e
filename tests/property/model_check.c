/* What must hold of a record before it is in its table. */
#include <string.h>

#include "model.h"

static bool is_blank(const struct value *value)
{
    return is_empty(value) || (value->kind == LIST && value->count == 0) ||
           (value->kind == JSON && value->size == 1 && value->text[0] == (char)0x90);
}

static void check_complete(struct world *world, const struct kt_entity *entity,
                           const struct value *const *fields, struct refusals *refusals)
{
    for (size_t f = 0; f < entity->fields.count; f++) {
        const struct kt_field *field = &entity->fields.at[f];
        if ((field->flags & KT_REQUIRED) && is_blank(fields[f]))
            refuse(refusals, KT_INVALID, field->name);
        for (size_t l = 0; field->lines.count && !is_empty(fields[f]) && l < fields[f]->count; l++)
            for (size_t p = 0; p < field->lines.count; p++)
                if ((field->lines.at[p].flags & KT_REQUIRED) &&
                    is_empty(fields[f]->items[l]->items[p]) && refusals->count < 40)
                    refuse(refusals, KT_INVALID,
                           words(world, "%s[%zu].%s", field->name, l, field->lines.at[p].name));
    }
}

/* Do two records share a value of the (compound) unique key, empty ones aside?
 */
static bool share_key(const struct record *a, const struct record *b, const struct path *paths,
                      size_t count)
{
    size_t most_a = 1, most_b = 1;
    for (size_t i = 0; i < count; i++)
        if (paths[i].in_lines || is_list(paths[i].decl)) {
            most_a = path_count(a, &paths[i]);
            most_b = path_count(b, &paths[i]);
        }
    for (size_t l = 0; l < most_a; l++)
        for (size_t m = 0; m < most_b; m++) {
            bool same = true;
            for (size_t i = 0; i < count && same; i++) {
                const struct value *left = path_value(a, &paths[i], l);
                const struct value *right = path_value(b, &paths[i], m);
                same = !is_empty(left) && compare_keys(left, right) == 0;
            }
            if (same)
                return true;
        }
    return false;
}

static void check_unique(struct world *world, size_t entity, const struct record *record,
                         const char *const *names, size_t count, struct refusals *refusals)
{
    const struct table *table = &world->model.tables[entity];
    struct path paths[KT_GROUP_FIELDS];
    const char *name = names[0];
    for (size_t i = 0; i < count; i++)
        find_path(&world->entities[entity], names[i], &paths[i]);
    for (size_t i = 0; i < table->count; i++) {
        if (table->at[i].id == record->id || !share_key(record, &table->at[i], paths, count))
            continue;
        for (size_t n = 1; n < count; n++)
            name = words(world, "%s+%s", name, names[n]);
        refuse(refusals, KT_CONFLICT, name);
        return;
    }
}

static void check_uniques(struct world *world, size_t entity, const struct record *record,
                          struct refusals *refusals)
{
    const struct kt_entity *decl = &world->entities[entity];
    for (size_t f = 0; f < decl->fields.count; f++)
        if (decl->fields.at[f].flags & KT_UNIQUE)
            check_unique(world, entity, record, &decl->fields.at[f].name, 1, refusals);
    for (size_t i = 0; i < decl->indexes.count; i++)
        if (decl->indexes.at[i].unique)
            check_unique(world, entity, record, decl->indexes.at[i].fields.at,
                         decl->indexes.at[i].fields.count, refusals);
}

/* --- Saving --- */

bool is_in_state(const struct kt_entity *entity, const struct record *record, unsigned flag)
{
    for (size_t i = 0; i < entity->states.count; i++)
        if ((entity->states.at[i].flags & flag) &&
            strcmp(record->fields[field_index(entity, "state")]->text, entity->states.at[i].name) ==
                0)
            return true;
    return false;
}

void check_may_change(const struct world *world, size_t entity, enum record_by by,
                      const struct record *old, struct refusals *refusals)
{
    const struct kt_entity *decl = &world->entities[entity];
    if (old && (decl->flags & KT_APPEND_ONLY))
        refuse(refusals, KT_CONFLICT, NULL);
    if (by == RECORD_BY_SERVER)
        return;
    if (decl->flags & KT_SERVER_ONLY)
        refuse(refusals, KT_DENIED, NULL);
    if (old && is_in_state(decl, old, KT_LOCKED))
        refuse(refusals, KT_CONFLICT, "state");
}

/* Fields that the module computes, then what must hold; `old` NULL: a new one.
 */
void model_save(struct world *world, size_t entity, struct record *old, struct record *record,
                struct refusals *refusals)
{
    const struct kt_entity *decl = &world->entities[entity];
    struct table *table = &world->model.tables[entity];
    size_t lines = field_index(decl, "lines");
    for (size_t f = 0; f < decl->fields.count; f++)
        if (decl->fields.at[f].compute)
            record->fields[f] =
                int_value(world, lines == SIZE_MAX ? 0 : (int64_t)record->fields[lines]->count);
    check_complete(world, decl, record->fields, refusals);
    check_uniques(world, entity, record, refusals);
    if (refusals->count)
        return;
    world->model.events++;
    if (old)
        *old = *record;
    else
        table->at[table->count++] = *record;
}

/* --- Frozen fields --- */

bool is_frozen(const struct kt_entity *entity, const struct record *record,
               const struct kt_field *field)
{
    const char *state =
        entity->states.count ? record->fields[field_index(entity, "state")]->text : "";
    for (size_t i = 0; i < field->frozen.count; i++)
        if (strcmp(field->frozen.at[i], state) == 0)
            return true;
    return false;
}

static bool same_content(const struct value *a, const struct value *b)
{
    return (is_blank(a) && is_blank(b)) || same_value(a, b);
}

static void check_frozen_part(struct world *world, const struct kt_field *field, size_t part,
                              const struct value *old, const struct value *lines,
                              struct refusals *refusals)
{
    const char *name = field->lines.at[part].name;
    for (size_t i = 0; i < lines->count; i++) {
        const struct value *before = find_line(old, lines->items[i]->number);
        if (!same_content(before ? before->items[part] : &empty_value,
                          lines->items[i]->items[part]))
            refuse(refusals, KT_CONFLICT, words(world, "%s[%zu].%s", field->name, i, name));
    }
    for (size_t i = 0; i < old->count; i++)
        if (!find_line(lines, old->items[i]->number) && !is_empty(old->items[i]->items[part]))
            refuse(refusals, KT_CONFLICT, words(world, "%s.%s", field->name, name));
}

void check_frozen(struct world *world, size_t entity, const struct record *old,
                  const struct record *record, struct refusals *refusals)
{
    const struct kt_entity *decl = &world->entities[entity];
    for (size_t f = 0; f < decl->fields.count; f++) {
        const struct kt_field *field = &decl->fields.at[f];
        if (same_content(old->fields[f], record->fields[f]))
            continue;
        if (is_frozen(decl, old, field))
            refuse(refusals, KT_CONFLICT, field->name);
        for (size_t p = 0; p < field->lines.count; p++)
            if (is_frozen(decl, old, &field->lines.at[p]))
                check_frozen_part(world, field, p, old->fields[f], record->fields[f], refusals);
    }
}
