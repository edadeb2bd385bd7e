/** What the files of the model share; nobody else asks them. */
#pragma once

#include "property.h"

/* model.c */
void refuse(struct refusals *refusals, enum kt_status status, const char *field);
struct record *find_record(struct world *world, size_t entity, uint64_t id);

/* model_input.c */
/** Do the flags of fields bind the one who operates? */
bool binds(const struct operation *operation);
void take_given(struct world *world, const struct operation *operation, struct record *record,
                struct refusals *refusals);
void fill_defaults(struct world *world, const struct operation *operation,
                   const struct value **fields);
const struct value *find_line(const struct value *lines, int64_t id);
/** One list of lines replaced by another. */
void set_lines(struct world *world, struct record *record, size_t field, const struct value *lines);

/* model_check.c */
bool is_in_state(const struct kt_entity *entity, const struct record *record, unsigned flag);
bool is_frozen(const struct kt_entity *entity, const struct record *record,
               const struct kt_field *field);
void check_may_change(const struct world *world, size_t entity, enum record_by by,
                      const struct record *old, struct refusals *refusals);
void check_frozen(struct world *world, size_t entity, const struct record *old,
                  const struct record *record, struct refusals *refusals);
/** What must hold of every record; then it is in its table. `old` NULL: a new one. */
void model_save(struct world *world, size_t entity, struct record *old, struct record *record,
                struct refusals *refusals);

/* model_targets.c */
/** A deletion under way, and those it is part of. */
struct deletion {
    size_t entity;
    uint64_t id;
    const struct deletion *up;
};
/** What goes along goes, what is emptied is. A refused one leaves the model half changed. */
void model_delete(struct world *world, size_t entity, uint64_t id, enum record_by by,
                  const struct deletion *up, struct refusals *refusals);
/** New references to archived records are refused. */
void check_targets(struct world *world, size_t entity, const struct record *old,
                   const struct record *record, struct refusals *refusals);
