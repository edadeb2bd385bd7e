/** The schema: the plugins' tables, checked, linked and indexed for fast use.
 *
 *  Built once when modules change and constant from then on, so that any thread may read it. It
 *  knows every module that was discovered; `enabled` tells which take part. Modules that sleep stay
 *  known so that their records still protect what they refer to. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kontor/plugin.h"
#include "store/store.h"

/** Most digits that ISO 4217 gives a currency. */
#define SCHEMA_CURRENCY_DIGITS 4

struct schema_entity;

struct schema_field {
    const struct kt_field *decl;
    const struct schema_entity *target; /**< KT_REF, KT_REFS; NULL when no module has it. */
    struct schema_field *lines;         /**< KT_LINES. */
    size_t line_count;
    uint32_t max_length;
    int digits; /**< Most digits after the point. */
    int min_digits;
    const struct schema_field *currency;    /**< Of the record: names the money's currency. */
    const struct schema_field *unit;        /**< Beside it: names the quantity's unit ... */
    const struct schema_field *unit_digits; /**< ... and of the unit's record: most digits. */
    struct kt_names asleep;                 /**< KT_LINES: as for an entity. */
};

/** A field, or a field of each line. */
struct schema_path {
    const struct schema_field *field;
    const struct schema_field *line; /**< NULL for a field of the record itself. */
};

struct schema_index {
    const struct schema_entity *entity;
    const char *name; /**< "entity#a+b". */
    uint32_t number;
    struct schema_path paths[KT_GROUP_FIELDS];
    size_t path_count;
    bool unique;
    bool many;   /**< Over lines, tags or KT_REFS: several keys for one record. */
    bool sparse; /**< No key for a record in which one of the fields is empty or false. */
    bool refers; /**< Who refers to a record by the first field is found here. */
};

/** How a date or instant is cut to the first day of a span. The numbers are part of how a total's
 *  declaration is remembered. */
enum schema_cut {
    SCHEMA_WHOLE,
    SCHEMA_MONTH,
    SCHEMA_YEAR,
    SCHEMA_DAY,
    SCHEMA_WEEK,
    SCHEMA_QUARTER
};
struct schema_leg {
    struct schema_path by[KT_GROUP_FIELDS];
    enum schema_cut cut[KT_GROUP_FIELDS];
    struct schema_path measures[KT_MEASURES]; /**< field NULL: counts as 0. */
    bool minus[KT_MEASURES];
    bool over_lines; /**< Of the one lines field `lines`. */
    const struct schema_field *lines;
};
struct schema_total {
    const struct kt_total *decl;
    const struct schema_entity *entity;
    uint32_t number;
    size_t by_count;
    const struct schema_field *when;
    struct schema_leg *legs;
};

struct schema_entity {
    const struct kt_entity *decl;
    const struct kt_plugin *plugin;
    bool enabled;
    bool sensitive; /**< Some field of it or of its lines is. */
    uint32_t number;
    uint32_t ids; /**< The counter of its ids. */
    const char *name;
    struct schema_field *fields;
    size_t field_count;
    struct kt_names asleep; /**< Custom fields nobody declares any more: kept but not shown. */
    bool hides; /**< Its records may hold what is not declared: such fields, or leftovers. */
    const struct schema_field *state; /**< The KT_STATE field or NULL. */
    const struct schema_field *title;
    bool has_files;  /**< Some field is KT_FILE. */
    bool searchable; /**< Some field is KT_SEARCHABLE. */
    bool fits;       /**< Some field's digits depend on another one. */
    bool computes;   /**< Some stored field is computed, */
    bool reads;      /**< some when it is read. */
    bool freezes;    /**< Some field is frozen in a state. */
    struct schema_index *indexes;
    size_t index_count;
    const struct schema_total **totals;
    size_t total_count;
    /** Indexes of any entity over a reference to this one: who would dangle. */
    const struct schema_index **incoming;
    size_t incoming_count;
};

struct schema {
    msgpack_zone *memory;
    struct schema_entity *entities; /**< Sorted by name. */
    size_t entity_count;
    struct schema_total *totals; /**< Sorted by name. */
    size_t total_count;
    char currency[4];
    int currency_digits;
};

struct schema_module {
    const struct kt_plugin *plugin;
    bool enabled;
};

/** Links the modules' tables; money has the digits of `currency`. Numbers
 *  names in the catalog through `txn` (a write transaction).
 *  KT_INVALID with a sentence in `why` when a declaration is wrong. */
enum kt_status schema_build(const struct schema_module *modules, size_t module_count,
                            const char *currency, struct store_txn *txn, struct schema **out,
                            char *why, size_t why_size);
void schema_free(struct schema *schema);

/** Orders a declared name and what a client calls, which may hold NULs and, empty, be nowhere. */
int schema_compare_name(const char *name, const char *wanted, size_t length);
/** NULL when unknown. */
const struct schema_entity *schema_entity(const struct schema *schema, const char *name,
                                          size_t length);
const struct schema_field *schema_field(const struct schema_entity *entity, const char *name,
                                        size_t length);
/** id, version, archived: every record's own. */
bool schema_own_field(const char *name, size_t length);
const struct schema_field *schema_line_field(const struct schema_field *lines, const char *name,
                                             size_t length);
const struct schema_total *schema_total(const struct schema *schema, const char *name);
/** "field" or "lines.field". */
bool schema_path(const struct schema_entity *entity, const char *name, struct schema_path *out);
/** Does it hold a list of plain values, tags or ids? Each has its own key in an index. */
bool schema_field_is_list(const struct schema_field *field);
/** Do clients only read it? */
bool schema_field_is_readonly(const struct kt_field *decl);
/** Is it a reference whose module sleeps? Then clients cannot write it. */
bool schema_field_sleeps(const struct schema_field *field);
const struct kt_state *schema_state(const struct schema_entity *entity,
                                    const msgpack_object *record);
/** "day", "week", "month", "quarter", "year"; bucket.c */
bool schema_cut(const char *word, enum schema_cut *out);
/** A stable 32-bit number for a name, given out at first use. */
enum kt_status catalog_number(struct store_txn *txn, const char *name, uint32_t *out);
/** KT_NOT_FOUND for a name that has no number yet. */
enum kt_status catalog_find(struct store_txn *txn, const char *name, uint32_t *out);
