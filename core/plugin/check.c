/* Declarations of one plugin, checked before anything of it is used: each refusal names the item.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kontor/limits.h"
#include "plugin/catalog.h"
#include "plugin/check.h"

enum kt_status check_refuse(struct checker *checker, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(checker->why, checker->why_size, format, arguments);
    va_end(arguments);
    return KT_INVALID;
}

bool check_is_word(const char *text)
{
    if (!text || !islower((unsigned char)*text) || strlen(text) > KT_LIMIT_NAME)
        return false;
    for (; *text; text++)
        if (!islower((unsigned char)*text) && !isdigit((unsigned char)*text) && *text != '_')
            return false;
    return true;
}

/* Words with dots between them, `least` to `most` of them; the first is the plugin's name. */
static bool is_own_name(const struct checker *checker, const char *name, unsigned least,
                        unsigned most)
{
    char word[KT_LIMIT_NAME + 1];
    unsigned words = 0;
    if (!name || strlen(name) > KT_LIMIT_NAME)
        return false;
    for (const char *at = name, *dot; at; at = dot ? dot + 1 : NULL) {
        dot = strchr(at, '.');
        snprintf(word, sizeof(word), "%.*s", (int)(dot ? dot - at : (ptrdiff_t)strlen(at)), at);
        if (!check_is_word(word) ||
            (words++ == 0 && !checker->builtin && strcmp(word, checker->plugin->name) != 0))
            return false;
    }
    return words >= least && words <= most;
}

/* Records that never change cannot follow what they refer to. */
static enum kt_status check_append_only(struct checker *checker, const struct kt_entity *entity)
{
    for (size_t i = 0; (entity->flags & KT_APPEND_ONLY) && i < entity->fields.count; i++) {
        const struct kt_field *field = &entity->fields.at[i];
        unsigned flags = field->flags;
        for (size_t j = 0; j < field->lines.count; j++)
            flags |= field->lines.at[j].flags;
        if (flags & (KT_SET_NULL | KT_CASCADE))
            return check_refuse(checker,
                                "%s.%s: an `append_only` record is neither emptied nor deleted",
                                entity->name, field->name);
    }
    return KT_OK;
}

bool check_has_state(const struct kt_entity *entity, const char *name)
{
    for (size_t i = 0; name && i < entity->states.count; i++)
        if (strcmp(entity->states.at[i].name, name) == 0)
            return true;
    return false;
}

static enum kt_status check_entity(struct checker *checker, const struct kt_entity *entity)
{
    /* Moments of rules and permissions have these names. */
    static const char *const taken[] = {"create", "read",    "update",  "save",
                                        "delete", "archive", "restore", "sensitive"};
    size_t states = 0;
    if (!entity || !is_own_name(checker, entity->name, 2, 2))
        return check_refuse(checker, "entity '%s' must be named %s.noun: a-z, 0-9 and _",
                            entity && entity->name ? entity->name : "", checker->plugin->name);
    KT_TRY(check_fields(checker, entity->name, entity, entity->fields, IN_RECORD));
    KT_TRY(check_append_only(checker, entity));
    for (size_t i = 0; i < entity->fields.count; i++)
        states += entity->fields.at[i].type == KT_STATE;
    if (states > 1 || (states == 1) != (entity->states.count > 0))
        return check_refuse(checker, "%s: states need exactly one field of type state",
                            entity->name);
    for (size_t i = 0; i < entity->transitions.count; i++) {
        const struct kt_transition *transition = &entity->transitions.at[i];
        if (!check_is_word(transition->verb) || !check_is_word(transition->event))
            return check_refuse(checker, "%s: transition %zu needs a verb and an event",
                                entity->name, i + 1);
        for (size_t v = 0; v < KT_COUNT(taken); v++)
            if (strcmp(transition->verb, taken[v]) == 0)
                return check_refuse(checker, "%s: a transition cannot be called %s", entity->name,
                                    transition->verb);
        if (!check_has_state(entity, transition->from) || !check_has_state(entity, transition->to))
            return check_refuse(checker, "%s: transition %s names an unknown state", entity->name,
                                transition->verb);
        KT_TRY(check_fields(checker, transition->verb, NULL, transition->params, IN_RECORD));
    }
    return KT_OK;
}

/* What the server itself takes beside the parameters of a method. */
enum kt_status check_extras(struct checker *checker, const struct kt_method *method)
{
    static const char *const extras[] = {"as_of", "request_id", "dry_run"};
    for (size_t i = 0; i < method->params.count; i++)
        for (size_t e = 0; e < KT_COUNT(extras); e++)
            if (strcmp(method->params.at[i].name, extras[e]) == 0)
                return check_refuse(checker, "%s: %s is a parameter of the server's own",
                                    method->name, extras[e]);
    return KT_OK;
}

static enum kt_status check_names(struct checker *checker)
{
    const struct kt_plugin *plugin = checker->plugin;
    for (size_t i = 0; i < plugin->methods.count; i++) {
        const struct kt_method *method = &plugin->methods.at[i];
        if (!is_own_name(checker, method->name, 2, 3) || !method->run)
            return check_refuse(checker, "method '%s' needs a name in %s. and a function",
                                method->name ? method->name : "", plugin->name);
        KT_TRY(check_fields(checker, method->name, NULL, method->params, IN_METHOD));
        KT_TRY(check_extras(checker, method));
    }
    for (size_t i = 0; i < plugin->totals.count; i++)
        if (!is_own_name(checker, plugin->totals.at[i].name, 2, 2))
            return check_refuse(checker, "total %zu is not named %s.something", i, plugin->name);
    for (size_t i = 0; i < plugin->events.count; i++)
        if (!is_own_name(checker, plugin->events.at[i].name, 2, 3))
            return check_refuse(checker, "event %zu is not named %s.something", i, plugin->name);
    for (size_t i = 0; i < plugin->roles.count; i++)
        if (!is_own_name(checker, plugin->roles.at[i].name, 2, 2))
            return check_refuse(checker, "role %zu is not named %s.something", i, plugin->name);
    for (size_t i = 0; i < plugin->handlers.count; i++)
        if (!plugin->handlers.at[i].topic || !plugin->handlers.at[i].run)
            return check_refuse(checker, "handler %zu has no topic or no function", i);
    for (size_t i = 0; i < plugin->jobs.count; i++)
        if (!is_own_name(checker, plugin->jobs.at[i].name, 2, 2) || !plugin->jobs.at[i].run ||
            plugin->jobs.at[i].every_seconds == 0)
            return check_refuse(checker, "job %zu needs a name, an interval and a function", i);
    return KT_OK;
}

static enum kt_status check_migrations(struct checker *checker)
{
    const struct kt_plugin *plugin = checker->plugin;
    for (unsigned from = 1; from < plugin->schema; from++) {
        size_t there = 0;
        for (size_t i = 0; i < plugin->migrations.count; i++)
            there += plugin->migrations.at[i].from == from;
        if (there != 1)
            return check_refuse(checker, "%s migration from schema %u",
                                there ? "more than one" : "no", from);
    }
    for (size_t i = 0; i < plugin->migrations.count; i++) {
        const struct kt_migration *step = &plugin->migrations.at[i];
        if (step->from == 0 || step->from >= plugin->schema)
            return check_refuse(checker, "a migration from schema %u, but the schema is %u",
                                step->from, plugin->schema);
        if (!step->run || !step->label.en || !step->label.zh)
            return check_refuse(checker,
                                "migration from schema %u needs a function and a label in both "
                                "languages",
                                step->from);
    }
    return KT_OK;
}

/* Versions are compared: "2", "1.4.0". */
static bool is_version(const char *text)
{
    size_t digits = 0;
    for (; text && *text; text++) {
        if (*text == '.' && digits == 0)
            return false;
        digits = *text == '.' ? 0 : digits + 1;
        if ((*text != '.' && !isdigit((unsigned char)*text)) || digits > 9)
            return false;
    }
    return text && digits > 0;
}

enum kt_status plugin_check(const struct kt_plugin *plugin, bool builtin, char *why,
                            size_t why_size)
{
    struct checker checker = {plugin, builtin, why, why_size};
    if (plugin->abi != KT_ABI || plugin->size != sizeof(struct kt_plugin))
        return check_refuse(&checker,
                            "built for plugin interface %u of %zu bytes, this server has %d of %zu",
                            plugin->abi, plugin->size, KT_ABI, sizeof(struct kt_plugin));
    if (!check_is_word(plugin->name) || !plugin->version || plugin->schema == 0)
        return check_refuse(&checker, "name, version and schema are required");
    if (!is_version(plugin->version))
        return check_refuse(&checker, "version '%s' must be numbers and dots, such as 1.4.0",
                            plugin->version);
    for (size_t i = 0; i < plugin->entities.count; i++)
        KT_TRY(check_entity(&checker, plugin->entities.at[i]));
    KT_TRY(check_names(&checker));
    return check_migrations(&checker);
}

enum kt_status plugin_check_entity(const struct kt_plugin *plugin, const struct kt_entity *entity,
                                   char *why, size_t why_size)
{
    struct checker checker = {plugin, false, why, why_size};
    return check_entity(&checker, entity);
}

enum kt_status plugin_check_fields(const struct kt_entity *entity, char *why, size_t why_size)
{
    struct checker checker = {NULL, false, why, why_size};
    return check_fields(&checker, entity->name, entity, entity->fields, IN_RECORD);
}
