/* Declarations of one plugin, checked before anything of it is used: each refusal names the item.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kontor/limits.h"
#include "plugin/catalog.h"

struct checker {
    const struct kt_plugin *plugin;
    bool builtin;
    char *why;
    size_t why_size;
};

static enum kt_status refuse(struct checker *checker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static enum kt_status refuse(struct checker *checker, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(checker->why, checker->why_size, format, arguments);
    va_end(arguments);
    return KT_INVALID;
}

static bool is_word(const char *text)
{
    if (!text || !islower((unsigned char)*text) || strlen(text) > KT_LIMIT_NAME)
        return false;
    for (; *text; text++)
        if (!islower((unsigned char)*text) && !isdigit((unsigned char)*text) && *text != '_')
            return false;
    return true;
}

static bool is_own_name(const struct checker *checker, const char *name)
{
    size_t length = strlen(checker->plugin->name);
    return name && strlen(name) <= KT_LIMIT_NAME &&
           (checker->builtin ||
            (strncmp(name, checker->plugin->name, length) == 0 && name[length] == '.'));
}

/* Where a field is declared; a method's parameter may well be called `id`. */
enum place { IN_RECORD, IN_LINE, IN_METHOD };

/* What happens to the field when its target goes, and who sees it. */
static enum kt_status check_flags(struct checker *checker, const char *owner,
                                  const struct kt_field *field, enum place place)
{
    unsigned released = field->flags & (KT_SET_NULL | KT_CASCADE);
    if (released && (place == IN_METHOD || (field->type != KT_REF && field->type != KT_REFS)))
        return refuse(checker, "%s.%s: KT_SET_NULL and KT_CASCADE are for references of records",
                      owner, field->name);
    if (released == (KT_SET_NULL | KT_CASCADE))
        return refuse(checker, "%s.%s: KT_SET_NULL or KT_CASCADE, not both", owner, field->name);
    if ((released & KT_SET_NULL) && (field->flags & KT_REQUIRED) && field->type == KT_REF)
        return refuse(checker, "%s.%s: a required reference cannot be KT_SET_NULL", owner,
                      field->name);
    if ((field->flags & KT_SENSITIVE) && (place == IN_METHOD || field->type == KT_STATE))
        return refuse(checker, "%s.%s: KT_SENSITIVE is for fields of records, but for the state",
                      owner, field->name);
    return KT_OK;
}

static enum kt_status check_field(struct checker *checker, const char *owner,
                                  const struct kt_field *field, enum place place)
{
    bool in_line = place == IN_LINE;
    if (!is_word(field->name))
        return refuse(checker, "%s: bad field name '%s'", owner, field->name ? field->name : "");
    if (place != IN_METHOD &&
        (strcmp(field->name, "id") == 0 || strcmp(field->name, "version") == 0 ||
         strcmp(field->name, "archived") == 0))
        return refuse(checker, "%s.%s is the server's own field", owner, field->name);
    if (field->type < KT_TEXT || field->type > KT_FILE)
        return refuse(checker, "%s.%s has no type", owner, field->name);
    if (field->type == KT_REF && !field->to)
        return refuse(checker, "%s.%s: a reference needs `to`", owner, field->name);
    if (field->type == KT_ENUM && field->choices.count == 0)
        return refuse(checker, "%s.%s: an enum needs `choices`", owner, field->name);
    if (field->type == KT_LINES && (in_line || field->lines.count == 0))
        return refuse(checker, "%s.%s: lines need `lines`, and not within lines", owner,
                      field->name);
    if (field->sequence && (field->type != KT_TEXT || in_line || !strchr(field->sequence, '{')))
        return refuse(checker, "%s.%s: a sequence is for text and has a {digits} part", owner,
                      field->name);
    if (field->digits < 0 || field->digits > KT_DECIMAL_SCALE_MAX)
        return refuse(checker, "%s.%s: digits must be 0 to %d", owner, field->name,
                      KT_DECIMAL_SCALE_MAX);
    if ((field->flags & KT_SEARCHABLE) && field->type != KT_TEXT && field->type != KT_TAGS)
        return refuse(checker, "%s.%s: only text and tags are searchable", owner, field->name);
    if ((field->flags & KT_SEARCHABLE) && (field->flags & KT_SENSITIVE))
        return refuse(checker, "%s.%s: a search would tell what is masked", owner, field->name);
    if (in_line && (field->flags & KT_UNIQUE))
        return refuse(checker, "%s.%s: a line field cannot be unique", owner, field->name);
    return check_flags(checker, owner, field, place);
}

static enum kt_status check_fields(struct checker *checker, const char *owner,
                                   struct kt_fields fields, enum place place)
{
    for (size_t i = 0; i < fields.count; i++) {
        KT_TRY(check_field(checker, owner, &fields.at[i], place));
        for (size_t j = 0; j < i; j++)
            if (strcmp(fields.at[i].name, fields.at[j].name) == 0)
                return refuse(checker, "%s.%s is declared twice", owner, fields.at[i].name);
        if (fields.at[i].type == KT_LINES)
            for (size_t j = 0; j < fields.at[i].lines.count; j++)
                KT_TRY(check_field(checker, owner, &fields.at[i].lines.at[j], IN_LINE));
    }
    return KT_OK;
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
            return refuse(checker, "%s.%s: a KT_APPEND_ONLY record is neither emptied nor deleted",
                          entity->name, field->name);
    }
    return KT_OK;
}

static bool has_state(const struct kt_entity *entity, const char *name)
{
    for (size_t i = 0; name && i < entity->states.count; i++)
        if (strcmp(entity->states.at[i].name, name) == 0)
            return true;
    return false;
}

static enum kt_status check_entity(struct checker *checker, const struct kt_entity *entity)
{
    size_t states = 0;
    if (!entity || !is_own_name(checker, entity->name))
        return refuse(checker, "entity '%s' must be named %s.noun",
                      entity && entity->name ? entity->name : "", checker->plugin->name);
    KT_TRY(check_fields(checker, entity->name, entity->fields, IN_RECORD));
    KT_TRY(check_append_only(checker, entity));
    for (size_t i = 0; i < entity->fields.count; i++)
        states += entity->fields.at[i].type == KT_STATE;
    if (states > 1 || (states == 1) != (entity->states.count > 0))
        return refuse(checker, "%s: states need exactly one KT_STATE field", entity->name);
    for (size_t i = 0; i < entity->transitions.count; i++) {
        const struct kt_transition *transition = &entity->transitions.at[i];
        if (!is_word(transition->verb) || !is_word(transition->event))
            return refuse(checker, "%s: transition %zu needs a verb and an event", entity->name, i);
        if (!has_state(entity, transition->from) || !has_state(entity, transition->to))
            return refuse(checker, "%s: transition %s names an unknown state", entity->name,
                          transition->verb);
        KT_TRY(check_fields(checker, transition->verb, transition->params, IN_RECORD));
    }
    return KT_OK;
}

/* What the server itself takes beside the parameters of a method. */
static enum kt_status check_extras(struct checker *checker, const struct kt_method *method)
{
    static const char *const extras[] = {"as_of", "request_id", "dry_run"};
    for (size_t i = 0; i < method->params.count; i++)
        for (size_t e = 0; e < KT_COUNT(extras); e++)
            if (strcmp(method->params.at[i].name, extras[e]) == 0)
                return refuse(checker, "%s: %s is a parameter of the server's own", method->name,
                              extras[e]);
    return KT_OK;
}

static enum kt_status check_names(struct checker *checker)
{
    const struct kt_plugin *plugin = checker->plugin;
    for (size_t i = 0; i < plugin->methods.count; i++) {
        const struct kt_method *method = &plugin->methods.at[i];
        if (!is_own_name(checker, method->name) || !method->run)
            return refuse(checker, "method '%s' needs a name in %s. and a function",
                          method->name ? method->name : "", plugin->name);
        KT_TRY(check_fields(checker, method->name, method->params, IN_METHOD));
        KT_TRY(check_extras(checker, method));
    }
    for (size_t i = 0; i < plugin->totals.count; i++)
        if (!is_own_name(checker, plugin->totals.at[i].name))
            return refuse(checker, "total %zu is not named %s.something", i, plugin->name);
    for (size_t i = 0; i < plugin->events.count; i++)
        if (!is_own_name(checker, plugin->events.at[i].name))
            return refuse(checker, "event %zu is not named %s.something", i, plugin->name);
    for (size_t i = 0; i < plugin->roles.count; i++)
        if (!is_own_name(checker, plugin->roles.at[i].name))
            return refuse(checker, "role %zu is not named %s.something", i, plugin->name);
    for (size_t i = 0; i < plugin->handlers.count; i++)
        if (!plugin->handlers.at[i].topic || !plugin->handlers.at[i].run)
            return refuse(checker, "handler %zu has no topic or no function", i);
    for (size_t i = 0; i < plugin->jobs.count; i++)
        if (!is_own_name(checker, plugin->jobs.at[i].name) || !plugin->jobs.at[i].run ||
            plugin->jobs.at[i].every_seconds == 0)
            return refuse(checker, "job %zu needs a name, an interval and a function", i);
    return KT_OK;
}

static enum kt_status check_migrations(struct checker *checker)
{
    const struct kt_plugin *plugin = checker->plugin;
    for (unsigned from = 1; from < plugin->schema; from++) {
        bool there = false;
        for (size_t i = 0; i < plugin->migrations.count; i++)
            there = there || plugin->migrations.at[i].from == from;
        if (!there)
            return refuse(checker, "no migration from schema %u", from);
    }
    return KT_OK;
}

enum kt_status plugin_check(const struct kt_plugin *plugin, bool builtin, char *why,
                            size_t why_size)
{
    struct checker checker = {plugin, builtin, why, why_size};
    if (plugin->abi != KT_ABI || plugin->size != sizeof(struct kt_plugin))
        return refuse(&checker,
                      "built for plugin interface %u of %zu bytes, this server has %d of %zu",
                      plugin->abi, plugin->size, KT_ABI, sizeof(struct kt_plugin));
    if (!is_word(plugin->name) || !plugin->version || plugin->schema == 0)
        return refuse(&checker, "name, version and schema are required");
    for (size_t i = 0; i < plugin->entities.count; i++)
        KT_TRY(check_entity(&checker, plugin->entities.at[i]));
    KT_TRY(check_names(&checker));
    return check_migrations(&checker);
}
