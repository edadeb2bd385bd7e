/** What rule files declare besides rules: custom fields, entities, totals and roles, as tables like
 *  those of a plugin. They own everything they point to. What the tables say is checked by
 *  plugin/: here they are only well formed. */
#pragma once

#include "script/script.h"

struct script_place {
    const char *file;
    const char *source; /**< "pushed" or "module:NAME" */
    int line;
};

struct script_field {
    const char *entity;
    const char *lines; /**< The field of the entity whose lines get it; NULL: the entity itself. */
    struct kt_field decl;
    struct script_place place;
};
struct script_entity {
    struct kt_entity decl;
    struct script_place place;
};
struct script_total {
    struct kt_total decl;
    struct script_place place;
};
struct script_role {
    struct kt_role decl;
    struct script_place place;
};

/** `run` is the rule's: a kt_method without one. */
struct script_method {
    struct kt_method decl;
    struct script_place place;
};
struct script_schedule {
    const char *name;
    unsigned every_seconds; /**< 0: daily. */
    int daily_minute;       /**< Of the day, UTC; -1: every so often. */
    struct script_place place;
};
struct script_topic {
    struct kt_topic decl;
    struct script_place place;
};
/** Another `sequence` for a field that has one. */
struct script_numbering {
    const char *entity, *field, *pattern;
    struct script_place place;
};

struct script_declared {
    msgpack_zone *memory;
    struct script_field *fields;
    size_t field_count;
    struct script_entity *entities;
    size_t entity_count;
    struct script_total *totals;
    size_t total_count;
    struct script_role *roles;
    size_t role_count;
    struct script_method *methods;
    size_t method_count;
    struct script_schedule *schedules;
    size_t schedule_count;
    struct script_topic *topics;
    size_t topic_count;
    struct script_numbering *numberings;
    size_t numbering_count;
};

/** Run each file once for its declarations alone: its rules are left for script_set_build, which
 *  needs the schema that follows from them. Errors as there. */
enum kt_status script_declared_load(struct kt_ctx *ctx, const struct script_file *files,
                                    size_t count, struct script_declared **out);
/** NULL is fine. */
void script_declared_free(struct script_declared *declared);
/** Zeroed memory that lives as long as the declarations. */
void *script_declared_memory(struct script_declared *declared, size_t size);
