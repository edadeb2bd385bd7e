/** The property test of core/record: what its files share.
 *
 *  A world is a random schema in a fresh store and, beside it, the same records
 * in plain arrays. An operation is drawn, said to be right or wrong by the
 * model, made by the engine, and compared. Memory of a world is given back when
 * it ends; values never change once made, so a copy of the arrays is a
 * savepoint. Everything follows from the world's seed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kontor/kontor.h"
#include "record/record_internal.h"

#define ENTITIES_MOST 4
#define FIELDS_MOST   16
#define TOTALS_MOST   10
#define RECORDS_MOST  160
#define REFUSALS_MOST 64
#define LATEST        12
#define PAST_MOST     8

/* --- Values --- */

/** TEXT is also of dates, choices and states. */
enum value_kind { EMPTY, INT, BOOL, TEXT, DECIMAL, INSTANT, LIST, LINE, JSON, FLOAT };

struct value {
    enum value_kind kind;
    int64_t number; /**< Also of a bool, a reference, the microseconds of an
                     * instant, a line's id.
                     */
    struct kt_decimal decimal;
    const char *text;           /**< Also the packed bytes of JSON; the name of a key a line
                                 * should not have.
                                 */
    size_t size;                /**< Of the text. Of an instant: bytes of its extension, 0 for
                                   the shortest. */
    const struct value **items; /**< Of a list; of a line by part, NULL for one not given. */
    size_t count;
};

/** A field as it is given to the engine, and what it means if that is right. */
struct given {
    size_t field;
    const char *unknown; /**< The name of a field that is not there. */
    const struct value *sent;
    const struct value *means;
    enum kt_status flaw; /**< KT_OK: none. */
    const char *path;    /**< Of the flaw. */
};

/* --- The model --- */

struct record {
    uint64_t id;
    uint64_t version;
    const struct value **fields; /**< As many as the entity has; never NULL. */
    const int64_t *last_lines;   /**< For each: the last line id given, once that
                                    line is gone. */
    bool archived;
};

struct table {
    struct record *at; /**< By id. */
    size_t count;
    uint64_t last_id;
    uint64_t last_number; /**< Of the entity's sequence, */
    int number_year;      /**< in this year, if it counts by years. */
};

struct model {
    struct table tables[ENTITIES_MOST];
    uint64_t events; /**< Number of the last one. */
};

enum operation_kind { CREATE, UPDATE, DELETE, TRANSITION, ARCHIVE, RESTORE };

struct operation {
    enum operation_kind kind;
    size_t entity;
    uint64_t id;
    uint64_t version;
    enum record_by by;
    struct given *given;
    size_t given_count;
    const char *verb;
    uint64_t number;
};

/** Why the model refuses; the engine must give one of these reasons. */
struct refusals {
    struct {
        enum kt_status status;
        const char *field; /**< NULL: none is named. */
    } at[REFUSALS_MOST];
    size_t count;
};

/* --- The world --- */

struct block;
struct nested;

struct world {
    uint64_t seed;
    uint64_t random;
    struct block *memory;

    struct kt_entity entities[ENTITIES_MOST];
    size_t entity_count;
    struct kt_total totals[TOTALS_MOST];
    size_t total_count;
    struct kt_plugin plugin;
    const char *currency;
    int currency_digits;

    char root[64];
    struct store *store;
    struct nested *open; /**< The innermost transaction; NULL between batches. */
    struct schema *schema;
    struct kt_ctx ctx;
    uint64_t drawing;       /**< The record that values are drawn for, 0: a new one; */
    const char *drawing_in; /**< its entity. */
    const char *announced;  /**< Topic of the last event. */

    struct model model;
    struct model past[PAST_MOST]; /**< As it stood after some events, in their order. */
    size_t past_count;
    uint64_t operations; /**< So far in this world, */
    uint64_t refused;    /**< of which so many were refused, */
    uint64_t given_up;   /**< transactions that were given up with all they held, */
    uint64_t hits;       /**< records found by searches. */
    const struct operation *latest[LATEST];
};

/** Says what went wrong, after which operations, and how to see it again; ends
 * the program. */
_Noreturn void fail(const struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* random.c: also the memory of a world. */
uint64_t draw(struct world *world, uint64_t below);
int64_t draw_between(struct world *world, int64_t least, int64_t most);
bool chance(struct world *world, unsigned percent);
void *take(struct world *world, size_t size); /**< Zeroed. */
const char *words(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void give_back(struct world *world);

/* schema.c */
void draw_schema(struct world *world);
/** A field, an index or a total more; what is there stays. */
void draw_growth(struct world *world);
/** The name of any field, or "lines.part". */
const char *draw_path(struct world *world, const struct kt_entity *entity);
void add_total(struct world *world, size_t entity); /**< schema_total.c */
bool is_decimal(enum kt_type type);
int least_digits(const struct world *world, const struct kt_field *field);
int most_digits(const struct world *world, const struct kt_field *field);
size_t field_index(const struct kt_entity *entity, const char *name);

/** "field" or "lines.part" of an entity. */
struct path {
    size_t field;
    size_t part;
    const struct kt_field *decl; /**< Of the part, if there is one. */
    bool in_lines;
};
bool is_list(const struct kt_field *field); /**< Of tags or references. */
bool find_path(const struct kt_entity *entity, const char *name, struct path *out);
size_t entity_index(const struct world *world, const char *name);

/* value.c */
extern const struct value empty_value;
bool is_empty(const struct value *value);
const struct value *text_value(struct world *world, const char *text);
const struct value *int_value(struct world *world, int64_t number);
/** Order as in an index: empty ones first, then by type and value; text counts
 * 120 bytes. */
int compare_keys(const struct value *a, const struct value *b);
/** The same text in all its length. */
int compare_values(const struct value *a, const struct value *b);
bool same_value(const struct value *a, const struct value *b);
const struct value *cut_date(struct world *world, const struct value *value, const char *cut);
void pack_value(msgpack_packer *packer, const struct kt_field *field, const struct value *value);
const msgpack_object *as_object(struct world *world, const struct kt_field *field,
                                const struct value *value);
size_t text_of(const struct value *value, char *out, size_t size);

/* draw.c */
void draw_given(struct world *world, const struct kt_field *field, const struct value *old,
                bool flawed, struct given *out);
const struct value *draw_value(struct world *world, const struct kt_field *field);

/* model.c */
void model_apply(struct world *world, const struct operation *operation, struct refusals *refusals);
const struct record *model_find(const struct world *world, size_t entity, uint64_t id);
struct model model_copy(const struct model *model);
void model_free(struct model *model);
/** Each value of the path in the record, one by one; lines' parts of a list of
 * lines. */
size_t path_count(const struct record *record, const struct path *path);
const struct value *path_value(const struct record *record, const struct path *path, size_t at);

/* total.c */
void compare_total(struct world *world, const struct kt_total *total);
void compare_totals_of(struct world *world, size_t entity, const struct record *before,
                       const struct record *after);

/* search.c */
/** One random search through all its pages, likely about values of `about`. */
void compare_search(struct world *world, size_t entity, const struct record *about);

/* aggregate.c */
void compare_aggregate(struct world *world, size_t entity);

/* compare.c */
void compare_record(struct world *world, size_t entity, uint64_t id);
void compare_uniques(struct world *world, size_t entity, const struct record *record);
void compare_history(struct world *world, size_t entity, uint64_t id, uint64_t count);
void compare_all(struct world *world);

/* past.c: moments are kept, forgotten when they never came to be, and asked
 * for. */
void keep_moment(struct world *world);
void forget_moments_after(struct world *world, uint64_t event);
void compare_past(struct world *world);

/* operate.c: one transaction with operations, savepoints and what may become of
 * them. */
void run_batch(struct world *world, uint64_t until);
void describe(const struct world *world, const struct operation *operation);

/* store.c */
void open_store(struct world *world);
void close_store(struct world *world);
void remove_store(struct world *world);
void build_schema(struct world *world);
void begin(struct world *world, enum store_mode mode);
void end(struct world *world, bool keep);
