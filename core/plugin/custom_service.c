/* What rule files declare besides records: methods, schedules, events and other numberings, checked
 * and made part of the module `custom` and of the entities they are about. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/check.h"
#include "plugin/custom.h"

static bool is_custom(const char *name)
{
    return strncmp(name, "custom.", 7) == 0 && check_is_word(name + 7) &&
           strlen(name) <= KT_LIMIT_NAME;
}

static enum kt_status refuse_name(struct kt_ctx *ctx, const struct script_place *place,
                                  const char *what, const char *name)
{
    return custom_refuse(
        ctx, place,
        kt_format(ctx, "%s %s must be named custom.something, in lower case, once", what, name));
}

static enum kt_status check_methods(struct kt_ctx *ctx, const struct script_declared *declared)
{
    char why[512];
    for (size_t i = 0; i < declared->method_count; i++) {
        const struct kt_method *decl = &declared->methods[i].decl;
        const struct script_place *place = &declared->methods[i].place;
        bool taken = false;
        for (size_t j = 0; j < i; j++)
            taken = taken || strcmp(declared->methods[j].decl.name, decl->name) == 0;
        if (taken || !is_custom(decl->name))
            return refuse_name(ctx, place, "method", decl->name);
        struct checker checker = {.plugin = &custom_module, .why = why, .why_size = sizeof(why)};
        if (check_fields(&checker, decl->name, NULL, decl->params, IN_METHOD) != KT_OK ||
            check_extras(&checker, decl) != KT_OK)
            return custom_refuse(ctx, place, why);
    }
    return KT_OK;
}

static enum kt_status check_schedules(struct kt_ctx *ctx, const struct script_declared *declared)
{
    for (size_t i = 0; i < declared->schedule_count; i++) {
        const struct script_schedule *schedule = &declared->schedules[i];
        bool taken = false;
        for (size_t j = 0; j < i; j++)
            taken = taken || strcmp(declared->schedules[j].name, schedule->name) == 0;
        if (taken || !is_custom(schedule->name))
            return refuse_name(ctx, &schedule->place, "schedule", schedule->name);
    }
    return KT_OK;
}

static enum kt_status check_topics(struct kt_ctx *ctx, const struct script_declared *declared)
{
    for (size_t i = 0; i < declared->topic_count; i++) {
        const struct script_topic *topic = &declared->topics[i];
        bool taken = false;
        for (size_t j = 0; j < i; j++)
            taken = taken || strcmp(declared->topics[j].decl.name, topic->decl.name) == 0;
        if (taken || !is_custom(topic->decl.name))
            return refuse_name(ctx, &topic->place, "event", topic->decl.name);
    }
    return KT_OK;
}

static enum kt_status check_numberings(struct kt_ctx *ctx, const struct registry *registry)
{
    const struct script_declared *declared = registry->declared;
    for (size_t i = 0; i < declared->numbering_count; i++) {
        const struct script_numbering *one = &declared->numberings[i];
        const struct kt_entity *entity = custom_find_entity(registry, one->entity);
        const struct kt_field *field = NULL;
        for (size_t f = 0; entity && f < entity->fields.count; f++)
            if (strcmp(entity->fields.at[f].name, one->field) == 0)
                field = &entity->fields.at[f];
        if (!field || !field->sequence)
            return custom_refuse(ctx, &one->place,
                                 kt_format(ctx, "numbering: %s.%s is no field with a number",
                                           one->entity, one->field));
        for (size_t j = 0; j < i; j++)
            if (strcmp(declared->numberings[j].entity, one->entity) == 0 &&
                strcmp(declared->numberings[j].field, one->field) == 0)
                return custom_refuse(ctx, &one->place,
                                     kt_format(ctx, "%s.%s is numbered already, at %s:%d",
                                               one->entity, one->field,
                                               declared->numberings[j].place.file,
                                               declared->numberings[j].place.line));
    }
    return KT_OK;
}

enum kt_status custom_check_services(struct kt_ctx *ctx, const struct registry *registry)
{
    const struct script_declared *declared = registry->declared;
    KT_TRY(check_methods(ctx, declared));
    KT_TRY(check_schedules(ctx, declared));
    KT_TRY(check_topics(ctx, declared));
    return check_numberings(ctx, registry);
}

void custom_add_services(const struct registry *registry, struct kt_plugin *module)
{
    struct script_declared *declared = registry->declared;
    struct kt_method *methods =
        script_declared_memory(declared, sizeof(*methods) * declared->method_count);
    struct kt_topic *topics =
        script_declared_memory(declared, sizeof(*topics) * declared->topic_count);
    for (size_t i = 0; i < declared->method_count; i++)
        methods[i] = declared->methods[i].decl;
    for (size_t i = 0; i < declared->topic_count; i++)
        topics[i] = declared->topics[i].decl;
    module->methods = (struct kt_methods){methods, declared->method_count};
    module->events = (struct kt_topics){topics, declared->topic_count};
}

bool custom_is_numbered(const struct script_declared *declared, const char *entity)
{
    for (size_t i = 0; i < declared->numbering_count; i++)
        if (strcmp(declared->numberings[i].entity, entity) == 0)
            return true;
    return false;
}

void custom_number(const struct script_declared *declared, const char *entity,
                   struct kt_field *field)
{
    for (size_t i = 0; i < declared->numbering_count; i++)
        if (strcmp(declared->numberings[i].entity, entity) == 0 &&
            strcmp(declared->numberings[i].field, field->name) == 0)
            field->sequence = declared->numberings[i].pattern;
}
