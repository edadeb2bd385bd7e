/* What would run at a moment, and at which moments something would. */
#include <string.h>

#include "script/script_internal.h"

static void list_at(const struct script_set *set, const struct script_bind *place,
                    struct kt_list *list)
{
    for (size_t i = 0; set && i < set->bind_count; i++) {
        const struct script_bind *bind = &set->binds[i];
        bool same_verb = !place->verb || (bind->verb && strcmp(bind->verb, place->verb) == 0);
        if (bind->when == place->when && bind->moment == place->moment && same_verb &&
            strcmp(bind->subject, place->subject) == 0)
            kt_list_add(list,
                        script_rule_row(list->ctx, set, &set->rules[bind->rule], true)->object);
    }
}

void script_set_list_step(const struct script_set *set, const struct record_step *step, bool after,
                          struct kt_list *list)
{
    const struct script_bind place = {.subject = step->entity->name,
                                      .when = after ? SCRIPT_AFTER : SCRIPT_BEFORE,
                                      .moment = step->moment,
                                      .verb = step->verb};
    list_at(set, &place, list);
}

void script_set_list_topic(const struct script_set *set, const char *topic, struct kt_list *list)
{
    const struct script_bind place = {.subject = topic, .when = SCRIPT_ON_EVENT};
    list_at(set, &place, list);
}

void script_set_list_method(const struct script_set *set, const char *method, struct kt_list *list)
{
    for (size_t i = 0; set && i < set->rule_count; i++)
        if (set->rules[i].kind == SCRIPT_METHOD && strcmp(set->rules[i].name, method) == 0)
            kt_list_add(list, script_rule_row(list->ctx, set, &set->rules[i], true)->object);
}

static bool is_asked(const struct kt_names *files, const char *file)
{
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->at[i], file) == 0)
            return true;
    return files->count == 0;
}

static bool is_listed(const struct script_moment *moments, size_t count,
                      const struct script_bind *bind)
{
    for (size_t i = 0; i < count; i++)
        if (moments[i].moment == bind->moment &&
            (!bind->verb || strcmp(moments[i].verb, bind->verb) == 0))
            return true;
    return false;
}

size_t script_set_moments(const struct script_set *set, const struct script_moments_query *query,
                          struct script_moment *out)
{
    size_t count = 0;
    for (size_t i = 0; set && i < set->bind_count && count < query->most; i++) {
        const struct script_bind *bind = &set->binds[i];
        if (bind->when == SCRIPT_ON_EVENT || bind->moment == RECORD_CREATE ||
            strcmp(bind->subject, query->entity) != 0 ||
            !is_asked(&query->files, set->rules[bind->rule].file) || is_listed(out, count, bind))
            continue;
        out[count++] = (struct script_moment){.moment = bind->moment, .verb = bind->verb};
    }
    return count;
}
