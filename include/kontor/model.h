/** The model: entities, fields, states and totals, declared as constant tables.
 *
 *  From these the server derives storage, validation, indexes, methods, permissions, history and
 *  the description that forms are made of. Tables are static and constant; the server keeps
 *  pointers to them for as long as it runs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kontor/status.h"
#include "kontor/value.h"

enum kt_type {
    KT_TEXT = 1, /**< UTF-8, at most max_length characters (default 500). */
    KT_INT,      /**< 64-bit. */
    KT_DECIMAL, /**< Exact; at most `digits` after the point (default 6), trailing zeros dropped. */
    KT_MONEY,   /**< Exact amount: at least the currency's minor units after the point, at most
                     `digits`. The currency is that of the field named by `currency`, else the
                     company's. */
    KT_QUANTITY, /**< Exact; like KT_DECIMAL. With `unit`: at most the unit's digits. */
    KT_BOOL,
    KT_DATE,
    KT_INSTANT,
    KT_ENUM,  /**< One of `choices`. */
    KT_STATE, /**< One of the entity's states; only transitions change it. */
    KT_REF,   /**< Id of a record of entity `to`. Deleting the target is refused while referenced,
                   unless KT_SET_NULL or KT_CASCADE says otherwise. */
    KT_LINES, /**< Array of maps with fields `lines`; each keeps an `id` unique within its document.
               */
    KT_TAGS,  /**< Array of distinct short texts. */
    KT_JSON,  /**< Any value of limited size and depth; never indexed. */
    KT_REFS,  /**< Array of distinct ids of records of entity `to`; always indexed; deletion of a
                   target as for KT_REF (KT_SET_NULL takes it out of the list). Not in lines. */
    KT_FILE,  /**< {hash, name, media_type, size}: content lives outside the record, addressed by
                   its hash, and is sent by file.* in chunks. */
};

enum kt_field_flag {
    KT_REQUIRED = 1 << 0,
    KT_UNIQUE =
        1 << 1, /**< No two records share it (empty ones aside); find by it is one lookup. */
    KT_INDEXED = 1 << 2,  /**< Searches, orders and references by it cost the size of the answer. */
    KT_READONLY = 1 << 3, /**< Only the server's own code writes it, not clients and not rules. */
    KT_POSITIVE = 1 << 4, /**< A number above 0. */
    KT_NONNEGATIVE = 1 << 5, /**< A number not below 0. */
    KT_SOFT =
        1 << 6, /**< KT_REF to a module that need not be enabled: the field sleeps meanwhile. */
    KT_IMMUTABLE = 1 << 7,   /**< Set at creation, never changed by clients. */
    KT_UNCHECKED = 1 << 8,   /**< KT_JSON parameter: taken as it came, the method checks it. */
    KT_MULTILINE = 1 << 9,   /**< Text that may hold line ends; others are refused them. */
    KT_SEARCHABLE = 1 << 10, /**< Text or tags: its words are found by the full-text search. */
    KT_SENSITIVE = 1 << 11,  /**< Masked for whoever lacks the permission "ENTITY.sensitive". */
    KT_ON_READ = 1 << 12, /**< Computed when read (needs `compute`), not stored: neither indexed nor
                               summed nor searched. Implies KT_READONLY. Not in lines. */
    KT_SET_NULL = 1 << 13, /**< Reference: emptied when its target is deleted. */
    KT_CASCADE = 1 << 14,  /**< Reference: its record is deleted with its target. */
    KT_CUSTOM = 1 << 15, /**< Declared in a rule file. Set by the server; modules do not use it. */
};

struct kt_choice {
    const char *name;
    struct kt_label label;
};
struct kt_choices {
    const struct kt_choice *at;
    size_t count;
};

struct kt_field;
struct kt_fields {
    const struct kt_field *at;
    size_t count;
};

/** Bytes of a sequence pattern. */
#define KT_SEQUENCE_MAX 60

struct kt_field {
    const char *name; /**< lower_case; "id", "version", "archived" are the server's own. */
    enum kt_type type;
    unsigned flags;
    const char *to;            /**< KT_REF: entity name. */
    struct kt_choices choices; /**< KT_ENUM. */
    struct kt_fields lines;    /**< KT_LINES: fields of one line (no KT_LINES within). */
    const char *sequence;      /**< KT_TEXT: next number when empty at creation, "SO{year}-{5}": one
                                    {digits}, and {year}, {month}, {day}, {field} of the record, for
                                    each value of which numbers count anew. */
    const char *initial;  /**< Default as text; "today" for dates, "now" for instants, "user" for a
                               reference to system.user or a text field. */
    const char *currency; /**< KT_MONEY: the KT_TEXT field of the record (also for a line) that
                             holds the ISO 4217 code; an empty one means the company's currency. */
    const char *unit;     /**< KT_QUANTITY: the field beside it that names its unit: text, or a
                               reference to an entity whose int field `digits` limits it. */
    /** The value of the field, from the record as it will be saved (or as it is read, KT_ON_READ):
     *  *out is nil to begin with. Must depend on the record alone (stored ones), or on the record
     *  and what it refers to (KT_ON_READ). Runs after before_save. Implies KT_READONLY. */
    enum kt_status (*compute)(struct kt_ctx *ctx, const msgpack_object *record,
                              msgpack_object *out);
    struct kt_names frozen; /**< States in which clients can no longer change the field. */
    int digits;             /**< Most digits after the point; 0 is the type's default. */
    uint32_t max_length;    /**< Characters of text, elements of lists; 0 is the default. */
    struct kt_label label;
    struct kt_label help;
};

enum kt_state_flag {
    KT_LOCKED = 1 << 0, /**< Clients may neither update nor delete a record in this state. */
    KT_POSTED = 1 << 1, /**< Nobody deletes a record in this state, modules' own code neither. */
};
struct kt_state {
    const char *name;
    unsigned flags;
    struct kt_label label;
};
struct kt_states {
    const struct kt_state *at; /**< The first is the initial one. */
    size_t count;
};

enum kt_transition_flag {
    KT_BY_SERVER = 1 << 0, /**< No client method: only the server's code makes it. */
};
struct kt_transition {
    const char *from;
    const char *to;
    const char
        *verb; /**< Method "module.noun.verb" and its permission. Several rows may share a verb. */
    const char *event; /**< Past tense; topic "module.noun.event" is announced after the change. */
    unsigned flags;
    /** May refuse, and may change the record before it is saved in its new state. `params` are the
     *  method's checked parameters. Optional. */
    enum kt_status (*run)(struct kt_ctx *ctx, struct kt_map *record, const msgpack_object *params);
    struct kt_fields params; /**< Beyond id and version. */
    struct kt_label label;
};
struct kt_transitions {
    const struct kt_transition *at;
    size_t count;
};

/** A compound index: equality on leading fields, range or order on the next. A reference that is
 *  not KT_INDEXED has no index of its own when one begins with it (and is neither unique nor sparse
 *  nor over lists): who refers to a record is found by that. */
struct kt_index {
    const char *name;
    struct kt_names fields;
    bool unique; /**< No two records share all the values (records with an empty one aside). */
    bool sparse; /**< Leaves out records in which one of the fields is empty or false: for the few
                    that wait for something, among the many that do not. It serves searches that ask
                      for values of all its fields. */
};
struct kt_indexes {
    const struct kt_index *at;
    size_t count;
};

enum kt_entity_flag {
    KT_APPEND_ONLY =
        1 << 8, /**< Never updated or deleted, by anyone: correct by a counter-record. */
    KT_SERVER_ONLY = 1 << 9, /**< Clients read only; the server's code creates, updates, deletes. */
    KT_NO_HISTORY = 1 << 10, /**< No history is kept, so `as_of` is refused: for rows without a past
                                  worth the room, such as caches. */
};

struct kt_entity {
    const char *name; /**< "module.noun". */
    struct kt_label label;
    struct kt_label help;
    unsigned flags;
    const char
        *title; /**< The field that names a record to people (default "name", else "number"). */
    struct kt_fields fields;
    struct kt_states states;
    struct kt_transitions transitions;
    struct kt_indexes indexes;
    /** Fill computed fields and check what spans fields; runs before rules, and again if rules
     * changed something, so it must be idempotent. `old` is NULL at creation. All hooks are
     * optional. */
    enum kt_status (*before_save)(struct kt_ctx *ctx, const msgpack_object *old,
                                  struct kt_map *record);
    /** After the record is stored with its id; same transaction. */
    enum kt_status (*after_save)(struct kt_ctx *ctx, const msgpack_object *old,
                                 const msgpack_object *record);
    enum kt_status (*before_delete)(struct kt_ctx *ctx, const msgpack_object *record);
};

/** One thing a total adds up: a number field (also "lines.field"). */
struct kt_measure {
    const char *name;  /**< As reported. */
    const char *field; /**< NULL counts as 0: this leg adds nothing to the measure. */
    bool minus;
};
/** One way a record (or each of its lines) enters a total: which row, with which numbers.
 *  Group fields: "party", "lines.account", "date:month" (first day of the month); dates are cut by
 *  day, week (its Monday, ISO 8601), month, quarter, year; instants too, by their UTC day. */
struct kt_leg {
    struct kt_names by;
    const struct kt_measure *measures; /**< As many as the total's `measure_count`. */
};
/** A running sum kept in the same transaction as the records it adds up. Reports read it; it is
 *  never recomputed except by the check, which compares it with a full scan. Rows whose numbers
 *  are all zero and whose count is zero are removed. */
struct kt_total {
    const char *name; /**< "module.what". */
    const char *entity;
    struct kt_label label;
    const char *when;     /**< A field of the record ... */
    struct kt_names is;   /**< ... that must have one of these texts; NULL: every record. */
    size_t measure_count; /**< At most KT_MEASURES. */
    const struct kt_leg *legs;
    size_t leg_count;
};

/** Most measures of one total, group-by fields of one total. */
#define KT_MEASURES     4
#define KT_GROUP_FIELDS 6
