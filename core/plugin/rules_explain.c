/* rules.explain: what runs in a change, in its order, and where rules may get in each other's way.
 * The order is that of core/record/save.c and delete.c. */
#include <string.h>

#include "plugin/rules.h"
#include "record/record.h"

struct story {
    struct kt_ctx *ctx;
    const struct schema_entity *entity;
    const struct kt_transition *transition; /* NULL: another change. */
    struct kt_list *steps;
};

/* --- Steps --- */

/* `module` may be NULL. */
static void add_step(const struct story *story, const char *step, const char *name,
                     const char *module)
{
    struct kt_map *row = kt_map_new(story->ctx);
    kt_map_set_int(row, "number", (int64_t)story->steps->object.via.array.size + 1);
    kt_map_set_text(row, "step", step);
    kt_map_set_text(row, "name", kt_format(story->ctx, "%s", name));
    if (module)
        kt_map_set_text(row, "module", kt_format(story->ctx, "%s", module));
    kt_list_add(story->steps, row->object);
}

static void add_rules(const struct story *story, const char *step, const struct kt_list *rules)
{
    for (uint32_t i = 0; i < rules->object.via.array.size; i++) {
        const msgpack_object *rule = &rules->object.via.array.ptr[i];
        struct kt_map *row = kt_map_copy(story->ctx, rule);
        kt_map_set_int(row, "number", (int64_t)story->steps->object.via.array.size + 1);
        kt_map_set_text(row, "step", step);
        kt_list_add(story->steps, row->object);
    }
}

static struct kt_list *rules_at(const struct story *story, const struct record_step *step,
                                bool after)
{
    struct kt_list *rules = kt_list_new(story->ctx);
    script_set_list_step(story->ctx->registry->rules, step, after, rules);
    return rules;
}

static void add_topic(const struct story *story, const char *topic)
{
    const struct bus_table *table = &story->ctx->registry->handlers;
    struct kt_list *rules = kt_list_new(story->ctx);
    add_step(story, "event", topic, NULL);
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->handlers[i].topic, topic) == 0)
            add_step(story, "handler", topic, table->handlers[i].module);
    script_set_list_topic(story->ctx->registry->rules, topic, rules);
    add_rules(story, "handler", rules);
}

/* --- Conflicts --- */

static void add_name(struct kt_list *names, const msgpack_object *rule)
{
    kt_list_add(names, *kt_get(rule, "name"));
}

static void add_conflict(const struct story *story, struct kt_list *conflicts, const char *what,
                         msgpack_object value, const struct kt_list *rules)
{
    struct kt_map *row = kt_map_new(story->ctx);
    if (rules->object.via.array.size < 2)
        return;
    kt_map_set_text(row, "what", what);
    kt_map_set(row, what, value);
    kt_map_set(row, "rules", rules->object);
    kt_list_add(conflicts, row->object);
}

static bool is_rule(const msgpack_object *row)
{
    return kt_is(row, "kind", "rule") || kt_is(row, "kind", "handler");
}

static bool has_changed(const msgpack_object *rule, const msgpack_object *field)
{
    for (size_t i = 0; i < kt_count(rule, "changed"); i++)
        if (kt_equal(kt_at(rule, "changed", i), field))
            return true;
    return false;
}

/* Told at the first of those that share the priority. */
static void find_same_priority(const struct story *story, const msgpack_object_array *rules,
                               uint32_t first, struct kt_list *conflicts)
{
    const msgpack_object *priority = kt_get(&rules->ptr[first], "priority");
    struct kt_list *names = kt_list_new(story->ctx);
    for (uint32_t i = 0; i < first; i++)
        if (is_rule(&rules->ptr[i]) && kt_equal(kt_get(&rules->ptr[i], "priority"), priority))
            return;
    for (uint32_t i = first; i < rules->size; i++)
        if (is_rule(&rules->ptr[i]) && kt_equal(kt_get(&rules->ptr[i], "priority"), priority))
            add_name(names, &rules->ptr[i]);
    add_conflict(story, conflicts, "priority", *priority, names);
}

static void find_same_fields(const struct story *story, const msgpack_object_array *rules,
                             uint32_t first, struct kt_list *conflicts)
{
    for (size_t f = 0; f < kt_count(&rules->ptr[first], "changed"); f++) {
        const msgpack_object *field = kt_at(&rules->ptr[first], "changed", f);
        struct kt_list *names = kt_list_new(story->ctx);
        bool told = false;
        for (uint32_t i = 0; i < first; i++)
            told = told || has_changed(&rules->ptr[i], field);
        for (uint32_t i = first; !told && i < rules->size; i++)
            if (has_changed(&rules->ptr[i], field))
                add_name(names, &rules->ptr[i]);
        add_conflict(story, conflicts, "field", *field, names);
    }
}

static void find_conflicts(const struct story *story, const struct kt_list *rules,
                           struct kt_list *conflicts)
{
    const msgpack_object_array *rows = &rules->object.via.array;
    for (uint32_t i = 0; i < rows->size; i++) {
        if (is_rule(&rows->ptr[i]))
            find_same_priority(story, rows, i, conflicts);
        find_same_fields(story, rows, i, conflicts);
    }
}

/* --- Changes of an entity --- */

static const struct {
    const char *verb, *past;
    enum record_moment moment;
} changes[] = {{"create", "created", RECORD_CREATE},
               {"update", "updated", RECORD_UPDATE},
               {"delete", "deleted", RECORD_DELETE},
               {"archive", "archived", RECORD_ARCHIVE},
               {"restore", "restored", RECORD_RESTORE}};

static void tell_module_before(const struct story *story, const struct record_step *step)
{
    const struct kt_entity *decl = story->entity->decl;
    const char *module = story->entity->plugin->name;
    bool deletes = step->moment == RECORD_DELETE;
    if (story->transition && story->transition->run)
        add_step(story, "transition", step->verb, module);
    if (deletes ? decl->before_delete != NULL : decl->before_save != NULL)
        add_step(story, "hook", deletes ? "before_delete" : "before_save", module);
    for (size_t i = 0; !deletes && i < decl->fields.count; i++)
        if (decl->fields.at[i].compute && !(decl->fields.at[i].flags & KT_ON_READ))
            add_step(story, "computed", decl->fields.at[i].name, module);
}

static void tell_change(const struct story *story, const struct record_step *step, const char *past,
                        struct kt_list *conflicts)
{
    const struct kt_entity *decl = story->entity->decl;
    struct kt_list *before = rules_at(story, step, false), *after = rules_at(story, step, true);
    tell_module_before(story, step);
    add_rules(story, "before", before);
    add_step(story, "stored", story->entity->name, NULL);
    if (step->moment != RECORD_DELETE && decl->after_save)
        add_step(story, "hook", "after_save", story->entity->plugin->name);
    add_topic(story, kt_format(story->ctx, "%s.%s", story->entity->name, past));
    add_rules(story, "after", after);
    find_conflicts(story, before, conflicts);
    find_conflicts(story, after, conflicts);
}

/* "sales.order.confirm", "sales.order.create": false when it is none of these. */
static bool tell_record_change(struct story *story, const char *what, struct kt_list *conflicts)
{
    const char *last = strrchr(what, '.');
    story->entity = last ? schema_entity(story->ctx->schema, what, (size_t)(last - what)) : NULL;
    if (!story->entity)
        return false;
    struct record_step step = {.entity = story->entity, .moment = RECORD_TRANSITION};
    for (size_t i = 0; i < story->entity->decl->transitions.count; i++) {
        const struct kt_transition *transition = &story->entity->decl->transitions.at[i];
        if (strcmp(transition->verb, last + 1) != 0)
            continue;
        story->transition = transition;
        step.verb = transition->verb;
        tell_change(story, &step, transition->event, conflicts);
        return true;
    }
    for (size_t i = 0; i < KT_COUNT(changes); i++) {
        if (strcmp(changes[i].verb, last + 1) != 0)
            continue;
        step.moment = changes[i].moment;
        tell_change(story, &step, changes[i].past, conflicts);
        return true;
    }
    return false;
}

/* --- Others --- */

static bool tell_method(const struct story *story, const char *what)
{
    struct kt_list *rules = kt_list_new(story->ctx);
    script_set_list_method(story->ctx->registry->rules, what, rules);
    add_rules(story, "method", rules);
    return rules->object.via.array.size > 0;
}

enum kt_status registry_reply_rules_explain(struct kt_ctx *ctx, const char *what)
{
    struct story story = {.ctx = ctx, .steps = kt_list_new(ctx)};
    struct kt_list *conflicts = kt_list_new(ctx);
    struct kt_map *answer = kt_map_new(ctx);
    if (!tell_record_change(&story, what, conflicts) && !tell_method(&story, what)) {
        if (!ctx->host->topic_known(ctx, what))
            return kt_fail(ctx, KT_NOT_FOUND, "of",
                           "%s is no transition or change of an entity (sales.order.create), no "
                           "method of a rule file and no topic",
                           "%s 不是实体的流转或更改（如 sales.order.create），不是规则文件的方法，"
                           "也不是主题",
                           context_quote(ctx, what, strlen(what)));
        add_topic(&story, what);
    }
    kt_map_set_text(answer, "of", what);
    kt_map_set(answer, "steps", story.steps->object);
    kt_map_set(answer, "conflicts", conflicts->object);
    kt_reply_map(ctx, answer);
    return KT_OK;
}
