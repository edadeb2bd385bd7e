/* Random totals over the fields of a random schema. */
#include <string.h>

#include "property.h"

static bool groups(enum kt_type type)
{
    return type != KT_LINES && type != KT_TAGS && type != KT_REFS && type != KT_JSON;
}

/* A path of `type` (0: any that groups), of the record or of `lines`; NULL:
 * none was found. */
static const char *find_group(struct world *world, const struct kt_entity *entity,
                              const char *lines, enum kt_type type)
{
    for (int tries = 0; tries < 30; tries++) {
        const char *name = draw_path(world, entity);
        struct path path;
        find_path(entity, name, &path);
        bool fits = type ? path.decl->type == type : groups(path.decl->type);
        if (fits &&
            (!path.in_lines || (lines && strcmp(entity->fields.at[path.field].name, lines) == 0)))
            return name;
    }
    return NULL;
}

static const char *find_measure(struct world *world, const struct kt_entity *entity,
                                const char *lines)
{
    static const enum kt_type numbers[] = {KT_MONEY, KT_QUANTITY, KT_DECIMAL, KT_INT};
    return find_group(world, entity, lines, numbers[draw(world, KT_COUNT(numbers))]);
}

static const char *plain_name(struct world *world, const char *group)
{
    return words(world, "%.*s", (int)strcspn(group, ":"), group);
}

static bool draw_leg(struct world *world, const struct kt_entity *entity, const char *lines,
                     const struct kt_leg *first, size_t measure_count, struct kt_leg *out)
{
    static const char *const cuts[] = {":day", ":week", ":month", ":quarter", ":year", ""};
    size_t count = first ? first->by.count : draw(world, 4);
    const char **by = take(world, sizeof(const char *) * (count + 1));
    struct kt_measure *measures = take(world, sizeof *measures * (measure_count + 1));
    for (size_t i = 0; i < count; i++) {
        struct path path;
        if (first)
            find_path(entity, plain_name(world, first->by.at[i]), &path);
        by[i] = find_group(world, entity, lines, first ? path.decl->type : 0);
        if (!by[i])
            return false;
        find_path(entity, by[i], &path);
        bool instant = path.decl->type == KT_INSTANT; /* These are always cut. */
        if (path.decl->type == KT_DATE || instant)
            by[i] = words(world, "%s%s", by[i], cuts[draw(world, KT_COUNT(cuts) - instant)]);
    }
    for (size_t i = 0; i < measure_count; i++)
        measures[i] = (struct kt_measure){.name = words(world, "m%zu", i),
                                          .field = find_measure(world, entity, lines),
                                          .minus = chance(world, 30)};
    *out = (struct kt_leg){{by, count}, measures};
    return true;
}

static void draw_condition(struct world *world, const struct kt_entity *entity,
                           struct kt_total *total)
{
    static const char *const state_names[] = {"open", "done"};
    static const char *const colour_names[] = {"red"};
    for (size_t i = 0; i < entity->fields.count; i++) {
        const struct kt_field *field = &entity->fields.at[i];
        if ((field->type != KT_STATE && field->type != KT_ENUM) || chance(world, 40))
            continue;
        total->when = field->name;
        total->is = field->type == KT_STATE ? (struct kt_names)KT_LIST(state_names)
                                            : (struct kt_names)KT_LIST(colour_names);
    }
}

void add_total(struct world *world, size_t entity)
{
    const struct kt_entity *decl = &world->entities[entity];
    const char *lists[] = {"lines", "rows", NULL};
    const char *lines = lists[draw(world, 3)];
    size_t leg_count = 1 + chance(world, 40);
    struct kt_leg *legs = take(world, sizeof *legs * 2);
    struct kt_total total = {.name = words(world, "t.sum%zu", world->total_count),
                             .entity = decl->name,
                             .measure_count = draw(world, KT_MEASURES + 1),
                             .legs = legs,
                             .leg_count = leg_count};
    if (world->total_count == TOTALS_MOST)
        return;
    for (size_t l = 0; l < leg_count; l++)
        if (!draw_leg(world, decl, lines, l ? &legs[0] : NULL, total.measure_count, &legs[l]))
            return;
    draw_condition(world, decl, &total);
    world->totals[world->total_count++] = total;
}
