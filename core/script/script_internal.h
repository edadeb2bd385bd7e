/** What the files of script/ share.
 *
 *  Anything that takes a lua_State may raise a Lua error, that is jump out; such code holds nothing
 *  that needs releasing and never stands between Lua and a frame of the record engine. */
#pragma once

#include <lauxlib.h>
#include <lua.h>

#include "kontor/limits.h"
#include "record/journal.h"
#include "script/script.h"

/** It does not return, which its own header leaves unsaid.
 *  NOLINTNEXTLINE(readability-redundant-declaration) */
int luaL_error(lua_State *lua, const char *format, ...) __attribute__((noreturn));

/** Instructions between two looks at the budget. */
#define SCRIPT_HOOK_STEPS 256
/** What a kontor.* call costs, a refused allocation costs, and bytes that cost one step: copied,
 *  compared. */
#define SCRIPT_CALL_STEPS    50
#define SCRIPT_REFUSAL_STEPS 100000
#define SCRIPT_STEP_BYTES    64
#define SCRIPT_COMPARE_BYTES 8
/** Rules' time in one request: a backstop for the few things that steps measure badly. */
#define SCRIPT_TIME_LIMIT_US 10000000
/** Between two looks at the budget, usually some microseconds apart; what is slower costs this.
 * Under the thread sanitizer everything is. */
#ifdef __SANITIZE_THREAD__
#define SCRIPT_SLOW_US 100000
#else
#define SCRIPT_SLOW_US 100
#endif
#define SCRIPT_STEPS_PER_US 5
/** Longest text a rule can build: no field holds more. */
#define SCRIPT_TEXT_BYTES (512u << 10)
/** Runs within runs; beyond the engine's own limit of saves within saves. */
#define SCRIPT_DEPTH       32
#define SCRIPT_RULES       5000u
#define SCRIPT_VALUE_DEPTH 16
#define SCRIPT_ERROR_BYTES 1000u

/** In the order in which they run at one moment: what a record begins with, what follows from it,
 *  what the company wants of it. */
enum script_kind {
    SCRIPT_DEFAULT,
    SCRIPT_COMPUTE,
    SCRIPT_RULE,
    SCRIPT_HANDLER,
    SCRIPT_METHOD,
    SCRIPT_SCHEDULE,
};

/** One rule{...}, handler{...}, method{...}, schedule{...}, or function of a field{...}. Texts are
 *  its own. */
struct script_rule {
    enum script_kind kind;
    char *name;
    char *on; /**< "" for methods and schedules. */
    char *file;
    char *source;
    char *as; /**< The role whose rights it has; NULL: its caller's. */
    int line;
    int priority;
    unsigned disable_after;     /**< Failures in a row; 0: never. */
    bool disabled;              /**< It does not run. */
    struct script_count *count; /**< What it did so far; NULL: nobody counts. */
    int run;                    /**< Reference to the function in Lua's registry. */
    const char *field, *lines;  /**< SCRIPT_DEFAULT, SCRIPT_COMPUTE: of the record or its lines. */
};

enum script_when { SCRIPT_BEFORE, SCRIPT_AFTER, SCRIPT_ON_EVENT };

/** Where a rule hangs: sorted by everything from the top, then kind, priority and name. */
struct script_bind {
    const char *subject; /**< Entity or topic. */
    enum script_when when;
    enum record_moment moment; /**< Not for topics, as the verb. */
    const char *verb;          /**< NULL but for transitions. */
    uint32_t rule;
};

/** One entry into Lua under way. Lives on the C stack. */
struct script_call {
    uint64_t serial; /**< Proxies remember it and are stale once it is over. */
    struct script_set *set;
    struct kt_ctx *ctx;
    const struct kt_names *caller; /**< Who acted before it; NULL: the user. */
    struct kt_names acting;        /**< Who acts while `rule` runs, when it says so. */
    /** What it is about: one of the three, or none for schedules. */
    const struct record_step *step;
    const struct kt_event *event;
    const msgpack_object *params;
    enum script_when when; /**< With a step. */
    uint64_t id;           /**< Of the record; 0 before it is created. */
    const struct script_bind *binds;
    size_t bind_count;
    const struct script_rule *rule; /**< Running now. */
    struct script_record *subject;
    const struct kt_map *record; /**< What the subject edits; NULL when it is fixed. */
    msgpack_object answer;       /**< Of a method. */
    struct journal_turn turn;    /**< Of `rule`, while somebody keeps a journal. */
    int64_t turn_began_us;       /**< 0: it is not noted. */
    int64_t turn_began_steps;    /**< Left then. */
    const char *touched[8];      /**< Fields that it has changed. */
    size_t touched_count;
    bool failed;  /**< ctx->error says why: nothing of this call may run on. */
    bool changed; /**< A rule assigned to the record, */
    bool stale;   /**< and what is computed from it is to be computed again. */
};

struct script_set {
    lua_State *lua;
    size_t bytes_live;
    size_t bytes_most;
    size_t bytes_loaded; /**< Live when all files were loaded. */
    int64_t steps_left, steps_most;
    int64_t used_us;
    int64_t began_us, began_steps; /**< Start of the outermost run. */
    int64_t looked_us;             /**< Last look at the time, */
    int64_t looked_thread_us;      /**< and at the thread's own. */
    const struct kt_label *spent;  /**< Why nothing may run until the budget is given anew. */
    bool tight;                    /**< The hook fires at every instruction and raises. */

    struct script_call *calls[SCRIPT_DEPTH];
    unsigned depth;
    uint64_t last_serial;

    struct {
        uint64_t state;
        bool seeded; /**< For this request. */
        bool fixed;  /**< Always alike: in tests. */
    } random;

    struct script_life *life;         /**< Where turns are noted; NULL: nowhere. */
    struct kt_ctx *building;          /**< While files are loaded. */
    struct script_declared *declared; /**< First run, for declarations; NULL when rules are kept. */
    struct script_suite *suite;       /**< Of a set of tests; else NULL. */
    const struct script_file *file;   /**< Being loaded. */
    struct script_rule *rules;
    size_t rule_count;
    size_t rule_capacity;
    struct script_bind *binds;
    size_t bind_count;
    size_t bind_capacity;
    char **topics; /**< Texts of those that handlers hang at. */
    size_t topic_count;
    size_t topic_capacity;
};

static inline struct script_set *script_of(lua_State *lua)
{
    return *(struct script_set **)lua_getextraspace(lua);
}

static inline struct script_call *script_call_of(const struct script_set *set)
{
    return set->depth ? set->calls[set->depth - 1] : NULL;
}

/** Allocation that cannot fail: dying keeps the disk right. */
void *script_must(void *memory);

/** --- budget.c --- */
void *script_allocate(void *owner, void *block, size_t old_size, size_t new_size);
void script_refill(struct script_set *set);
/** Let the hook fire as often as the present state asks for. */
void script_hook_adjust(struct script_set *set);
/** Take steps for work that is not instructions; raises when they are used up. */
void script_charge(lua_State *lua, int64_t steps);
/** The time since the last look was spent in the record engine, which has budgets of its own. */
void script_time_is_the_engines(struct script_set *set);
/** Raise again what a pcall may just have caught, when nothing may run on. */
void script_check_running(lua_State *lua);
/** The present call has failed, ctx->error says why: leave it, whatever tries to catch. */
_Noreturn void script_stop(lua_State *lua);
/** After a call into the engine: stops when it failed. Success with an error left behind means that
 *  somebody further down went another way; it is forgotten, or it would stick to whatever fails
 *  later. */
void script_check_call(lua_State *lua, enum kt_status status);

/** --- run.c: around each entry into Lua --- */
void script_enter(struct script_set *set, struct script_call *call);
void script_leave(struct script_set *set, struct context_rules *rules);
/** Message handler: any error value becomes a text with file and line. */
int script_explain(lua_State *lua);

const char *script_moment_of(const struct script_call *call);
/** "" when it is about none. */
const char *script_entity_of(const struct script_call *call);

/** --- life.c: a rule's turn is noted --- */
void script_life_begin(struct script_call *call);
void script_life_passed(struct script_call *call);
/** The turn of call->rule ended the run; ctx->error says why. */
void script_life_ended(const struct script_call *call, enum kt_status status);
/** It has changed that field. */
void script_life_touch(struct script_call *call, const char *field);
/** What it did so far. */
void script_life_tell(const struct script_set *set, const struct script_rule *rule,
                      struct kt_map *row);
/** set.c: a row of rules.list; `counts`: with what it did so far. */
struct kt_map *script_rule_row(struct kt_ctx *ctx, const struct script_set *set,
                               const struct script_rule *rule, bool counts);

/** --- test_run.c: tests of rules --- */
struct script_suite;
/** test, given, when and expect, into the table at the top. */
void script_add_test_library(lua_State *lua);
/** set.c: files that hold tests; `suite` is told of each. */
enum kt_status script_set_load_tests(struct kt_ctx *ctx, const struct script_file *files,
                                     size_t count, struct script_suite *suite,
                                     struct script_set **out);

/** --- declare.c: what runs --- */
int script_declare_rule(lua_State *lua);
int script_declare_handler(lua_State *lua);
/** The second run over method{} and schedule{}: keeps what runs. */
void script_keep_method(lua_State *lua);
void script_keep_schedule(lua_State *lua);
/** The functions `default` and `compute` of the field{} at `index`, declared for the entity, or for
 *  its `lines`. */
void script_keep_field(lua_State *lua, int index, const char *entity, const char *lines);
/** The line of the file where the running function was called. */
int script_line_of_call(lua_State *lua);

/** --- custom.c, service.c: what is declared besides --- */
/** field, entity, total and role, into the table at the top. */
void script_add_model_declarations(lua_State *lua);
/** method, schedule, event and numbering. */
void script_add_service_declarations(lua_State *lua);
struct script_declared *script_declared_new(void);

/** --- sandbox.c, library.c, search.c --- */
/** Builds the library that rules see and leaves it on the stack: [-0, +1]. */
void script_open_library(lua_State *lua);
/** A fresh environment for one file: [-0, +1]. The library is in the registry. */
void script_new_environment(lua_State *lua);
/** Fill the table at the top. */
void script_add_string_library(lua_State *lua);
void script_add_table_library(lua_State *lua);
void script_add_search_functions(lua_State *lua);
/** Reading an unknown key of the table at the top raises an error that says `what` it is of. */
void script_make_strict(lua_State *lua, const char *what);
/** Replaces the table at the top by an empty one through which it can be read only. */
void script_make_readonly(lua_State *lua, const char *what);
/** A kind of userdata with these events, whose metatable rules cannot see. [-0, +0] */
void script_open_kind(lua_State *lua, const char *kind, const luaL_Reg *events);
/** Like luaL_tolstring, but without addresses: they differ from run to run. [-0, +1] */
const char *script_to_text(lua_State *lua, int index, size_t *length);

/** --- api.c --- */
/** Leaves the table `kontor` on the stack: [-0, +1]. */
void script_open_api(lua_State *lua);
/** kontor.log and print. */
int script_log(lua_State *lua);

/** --- service_api.c: what kontor offers besides records --- */
void script_add_services(lua_State *lua);
/** Fields by name from a table, or none from nil; raises for a list. */
struct kt_map *script_take_map(lua_State *lua, struct kt_ctx *ctx, int index);
/** The call that this belongs to, paid for; raises outside of one, and when nothing may run on. */
struct script_call *script_begin_call(lua_State *lua);
/** Fails the request unless the present rights allow it. */
void script_require(lua_State *lua, struct script_call *call, const char *permission);

/** --- label.c: texts in both languages --- */
void script_open_label(lua_State *lua);
/** kontor.t(en, zh, ...) */
int script_make_label(lua_State *lua);
/** False, with both NULL, when there is none at the index. The texts live as long as it does. */
bool script_is_label(lua_State *lua, int index, const char **en, const char **zh);

/** --- date_proxy.c --- */
void script_open_date(lua_State *lua);
void script_push_date(lua_State *lua, kt_date date);
void script_push_instant(lua_State *lua, kt_instant_us at);
bool script_is_date(lua_State *lua, int index, kt_date *out);
bool script_is_instant(lua_State *lua, int index, kt_instant_us *out);
/** That, or a text that says it; raises for anything else. */
kt_date script_check_date(lua_State *lua, int index);
kt_instant_us script_check_instant(lua_State *lua, int index);
/** kontor.date and kontor.instant. */
int script_make_date(lua_State *lua);
int script_make_instant(lua_State *lua);

/** --- decimal_proxy.c --- */
void script_open_decimal(lua_State *lua);
/** Raises for the invalid value (too many digits). */
void script_push_decimal(lua_State *lua, struct kt_decimal value);
bool script_is_decimal(lua_State *lua, int index, struct kt_decimal *out);
/** A decimal, an integer, or with `allow_text` plain digits; raises for anything else. */
struct kt_decimal script_check_decimal(lua_State *lua, int index, bool allow_text);

/** --- record_proxy.c --- */
struct script_record;
void script_open_record(lua_State *lua);
/** A map of declared fields. `entity` is NULL for parameters; `fixed` says why assigning fails. */
struct script_record *script_record_fixed(struct kt_ctx *ctx, const char *name,
                                          const struct schema_entity *entity,
                                          struct kt_fields fields, const msgpack_object *value,
                                          const char *fixed);
/** One that rules may edit. */
struct script_record *script_record_open(struct kt_ctx *ctx, const struct schema_entity *entity,
                                         struct kt_map *map, struct script_call *call);
/** A record that was read with the present rights: what they do not show is an error to look at. */
void script_push_found(lua_State *lua, const struct schema_entity *entity,
                       const msgpack_object *value);
/** The same from its bytes, which must stay: unpacked when a field of it is first looked at. */
void script_push_read(lua_State *lua, const struct schema_entity *entity, struct store_slice bytes);
void script_push_record(lua_State *lua, struct script_record *record);
/** One of the lines of the field, from 1. */
void script_push_line(lua_State *lua, struct script_record *record, const char *lines,
                      lua_Integer number);
/** Has the record, or the line, at `index` a value in this field? */
bool script_record_has(lua_State *lua, int index, const char *field);

/** --- step_proxy.c --- */
void script_open_step(lua_State *lua);
/** step: moment, verb, old, params; event: topic, entity, id, record, old, payload. */
void script_push_step(lua_State *lua);
void script_push_event(lua_State *lua);

/** --- value_proxy.c: lists and maps without declared fields, read only --- */
void script_open_value(lua_State *lua);
void script_push_value(lua_State *lua, const msgpack_object *value);
/** The value behind such a proxy, or NULL. */
const msgpack_object *script_value_behind(lua_State *lua, int index);

/** --- value.c --- */
/** A Lua value as the engine takes it, in the arena. Floats stay floats, which the engine refuses
 *  by the field's name. `clean` repairs text that goes straight to a client. */
msgpack_object script_take_value(lua_State *lua, int index, bool clean);
/** For assigning to a field: raises unless the type fits. */
msgpack_object script_take_field(lua_State *lua, int index, const struct kt_field *field,
                                 const char *path);
/** Push a declared field's value, not of KT_LINES. */
void script_push_field(lua_State *lua, const struct kt_field *field, const msgpack_object *value);
/** Is the proxy of that call still good? Raises if not. */
void script_check_alive(lua_State *lua, unsigned depth, uint64_t serial);
/** Raises (and fails the request) when the arena is full. */
void script_check_arena(lua_State *lua);

/** --- text.c --- */
/** A copy in the arena that is UTF-8 without control characters, at most `most` bytes. */
const char *script_clean(struct kt_ctx *ctx, const char *text, size_t length, size_t most);
/** The name most like the wanted one, when one is near enough. */
struct script_guess {
    const char *wanted;
    const char *best;
    unsigned distance;
};
void script_guess_try(struct script_guess *guess, const char *candidate);
/** "; did you mean X" for messages, or "". Pushes the text: [-0, +1]. */
const char *script_guess_push(lua_State *lua, const struct script_guess *guess);
