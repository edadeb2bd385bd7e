/** Conditions of a search: drawn at random, and asked of one record after the other. */
#pragma once

#include "property.h"

#define HOPS_MOST 3

enum node_kind { AND, OR, NOT, TERM };

struct column {
    const struct kt_field *hops[HOPS_MOST];
    size_t hop_count;
    size_t entity; /**< That the last field is of. */
    struct path path;
    const char *own;  /**< "id" or "version" instead. */
    const char *name; /**< As it is written. */
};

struct node {
    enum node_kind kind;
    struct node *children;
    size_t child_count;
    struct column column;
    const char *op;
    const struct value *value; /**< A list for "in". */
};

/** False when none was found. */
bool draw_column(struct world *world, size_t entity, bool for_order, struct column *out);
/** Conditions that always hold are the children of `out`; likely about `about`, which may be NULL.
 */
void draw_where(struct world *world, size_t entity, const struct record *about, struct node *out);
bool fits(struct world *world, size_t entity, const struct node *node, const struct record *record);
/** Is the flag `archived` of the record itself asked about? Then archived records are seen. */
bool names_archived(const struct node *node);
/** As it goes into a request. */
const msgpack_object *where_object(struct world *world, const struct node *where);
/** Value of the record where the column's references lead. */
struct value column_value(const struct world *world, size_t entity, const struct column *column,
                          const struct record *record);
/** The record's own flag of being archived? */
bool is_flag(const struct column *column);
const struct kt_field *column_field(const struct column *column);
