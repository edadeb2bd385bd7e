/** The module `custom`: what a consultant's rule files declare, made part of the modules' tables.
 *
 *  Custom fields are merged into copies of the modules' entities, custom entities become those of a
 *  module like any other, so that nothing above or below needs to know the difference. Private to
 *  plugin/. */
#pragma once

#include "plugin/registry.h"

/** Check registry->declared and put it into registry->modules. Errors name file, line, entity and
 *  field. */
enum kt_status custom_apply(struct kt_ctx *ctx, struct registry *registry);
/** custom_check.c: everything a plugin's author would learn from the compiler and the loader. */
enum kt_status custom_check(struct kt_ctx *ctx, const struct registry *registry);
/** Are the defaults values that their fields take? Needs the schema: afterwards. */
enum kt_status custom_check_initials(struct kt_ctx *ctx, const struct registry *registry);
/** custom_service.c: methods, schedules, events and numberings. */
enum kt_status custom_check_services(struct kt_ctx *ctx, const struct registry *registry);
void custom_add_services(const struct registry *registry, struct kt_plugin *module);
bool custom_is_numbered(const struct script_declared *declared, const char *entity);
/** Gives the field its other `sequence`, when it has one. */
void custom_number(const struct script_declared *declared, const char *entity,
                   struct kt_field *field);
/** KT_INVALID that names the place. */
enum kt_status custom_refuse(struct kt_ctx *ctx, const struct script_place *place, const char *why);
/** Of any module, enabled or not; NULL when there is none. */
const struct kt_entity *custom_find_entity(const struct registry *registry, const char *name);
/** An entity with the fields that were added to it. */
enum kt_status custom_check_merged(struct kt_ctx *ctx, const struct registry *registry,
                                   const struct kt_entity *entity);
/** Where that is declared whose name `why` begins with; NULL: not in a rule file. */
const struct script_place *custom_place_of(struct kt_ctx *ctx, const struct registry *registry,
                                           const char *why);
/** Adds fields, entities, totals, roles and what sleeps to the answer of rules.list. */
void custom_list(struct kt_ctx *ctx, const struct registry *registry, struct kt_map *answer);
