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
};

/** Run each file once for its declarations alone: its rules are left for script_set_build, which
 *  needs the schema that follows from them. Errors as there. */
enum kt_status script_declared_load(struct kt_ctx *ctx, const struct script_file *files,
                                    size_t count, struct script_declared **out);
/** NULL is fine. */
void script_declared_free(struct script_declared *declared);
/** Zeroed memory that lives as long as the declarations. */
void *script_declared_memory(struct script_declared *declared, size_t size);
