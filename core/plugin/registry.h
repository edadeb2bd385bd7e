/** The registry: everything that is in force, as one immutable snapshot.
 *
 *  Built inside a write transaction from the catalogue, the modules' states and the rules in the
 *  data; published after that transaction committed; freed when the last request that used it has
 *  ended. Enabling a module or pushing rules makes a new one. */
#pragma once

#include <stdatomic.h>

#include "access/access.h"
#include "bus/bus.h"
#include "job/job.h"
#include "kontor/limits.h"
#include "plugin/catalog.h"
#include "script/declared.h"
#include "script/life.h"

enum registry_kind {
    REGISTRY_PLAIN,
    REGISTRY_TRANSITION,
    REGISTRY_SCRIPT, /**< A method{} of a rule file. */
};

struct registry_method {
    const char *name;
    const char *permission; /**< "" when the method checks for itself. */
    enum registry_kind kind;
    bool writes;
    const struct kt_method *decl;           /**< But for REGISTRY_TRANSITION. */
    const struct schema_entity *entity;     /**< REGISTRY_TRANSITION. */
    const struct kt_transition *transition; /**< First row of that verb. */
    struct kt_label label;
};

/** The files in force: pushed ones, and the defaults of enabled modules. */
struct registry_files {
    struct script_file at[KT_LIMIT_RULE_FILES];
    size_t count;
};

struct registry {
    atomic_uint references;
    struct plugin_catalog *catalog; /**< A reference of its own. */
    struct schema_module *modules;  /**< As many as the catalogue has, in its order; with the custom
                                         fields and entities in their tables. */
    struct script_declared *declared; /**< What rule files declare besides rules. */
    struct schema *schema;
    struct bus_table handlers;
    struct access_table access;
    struct registry_method *methods; /**< Sorted by name. */
    size_t method_count;
    struct script_set *rules;    /**< Used by the writer only. */
    struct rules_lender *lender; /**< Of rules for those who read. */
    struct script_life *life; /**< What rules did, over all registries; a reference of its own. */
    struct job *jobs;
    size_t job_count;
};

/** Build from what the transaction of `ctx` holds, and bring the data of older plugins up to date:
 *  `reports` gets one map for each upgraded module (core/rpc/README.md, module.upgrade). On success
 *  ctx->registry and ctx->schema are the new ones; the caller owns the one reference. On failure
 *  ctx is as it was, with an error, and the transaction must be aborted. */
enum kt_status registry_build(struct kt_ctx *ctx, struct plugin_catalog *catalog,
                              struct kt_list *reports, struct registry **out);
/** At start: as registry_build, but refuses when an enabled module's plugin is missing. open.c */
enum kt_status registry_open(struct kt_ctx *ctx, struct plugin_catalog *catalog,
                             struct registry **out);
/** Compile its rules anew: what they keep in their locals is as at first. */
enum kt_status registry_renew_rules(struct kt_ctx *ctx, struct registry *registry);
/** It comes into force: from now on what its rules do is counted. */
void registry_count_rules(struct registry *registry);
void registry_hold(struct registry *registry);
void registry_release(struct registry *registry); /**< NULL is fine. */
/** Make `ctx` work under this registry. */
void registry_use(struct kt_ctx *ctx, const struct registry *registry);

const struct registry_method *registry_method(const struct registry *registry, const char *name,
                                              size_t length);
bool registry_module_enabled(const struct registry *registry, const char *name);

/** --- call.c: a method, once who asks is settled --- */
/** All its parameters, but for those that every request may have. */
struct kt_fields registry_params(struct kt_ctx *ctx, const struct registry_method *method);
/** With checked parameters; answers into ctx->reply. */
enum kt_status registry_run(struct kt_ctx *ctx, const struct registry_method *method,
                            const msgpack_object *params);
/** For rules: look it up, check the right and the parameters, run it, and read its answer. Methods
 *  about the server itself are refused (KT_INVALID). */
enum kt_status registry_call(struct kt_ctx *ctx, const char *name, const msgpack_object *params,
                             const msgpack_object **answer);

/** --- lender.c: compiled rules for readers, who have no writer's --- */
struct rules_lender *rules_lender_new(const struct registry_files *files);
void rules_lender_free(struct rules_lender *lender); /**< NULL is fine. */
/** One set for each reader at a time, built when there are not enough, to be given back. */
enum kt_status rules_lender_take(struct rules_lender *lender, struct kt_ctx *ctx,
                                 struct script_set **out);
/** The budget anew, for any set of these rules; one that rules have filled up begins anew. */
void rules_lender_rearm(const struct rules_lender *lender, struct kt_ctx *ctx,
                        struct script_set *set);
void rules_lender_give_back(struct rules_lender *lender, struct script_set *set);

/** Change a module's state in the data, and build the registry that follows. The errors name what
 * is required or what still needs it. First enabling runs `install`. state.c, as the next four */
enum kt_status registry_enable(struct kt_ctx *ctx, const char *module, struct kt_list *reports,
                               struct registry **out);
enum kt_status registry_disable(struct kt_ctx *ctx, const char *module, struct registry **out);
/** With the plugin that lies in the plugin folder now; NULL: with all that lie there. */
enum kt_status registry_upgrade(struct kt_ctx *ctx, const char *module, struct kt_list *reports,
                                struct registry **out);
/** Answer module.list, module.info. */
enum kt_status registry_reply_modules(struct kt_ctx *ctx);
enum kt_status registry_reply_module(struct kt_ctx *ctx, const char *module);

/** Rules in the data: files a consultant pushed. Each change is a revision; it builds the registry
 *  that has them, and answers what rules.list does, with `changed`. rules.c, as the next ones */
struct rules_push {
    const msgpack_object *files; /**< Name to text. */
    bool replace;
    const char *note; /**< NULL: none. */
    bool skip_tests;
};
enum kt_status registry_rules_push(struct kt_ctx *ctx, const struct rules_push *push,
                                   struct registry **out);
enum kt_status registry_rules_remove(struct kt_ctx *ctx, const char *name, const char *note,
                                     struct registry **out);
/** `to` is a number, or NULL: the revision before the present one. */
enum kt_status registry_rules_rollback(struct kt_ctx *ctx, const msgpack_object *to,
                                       const char *note, struct registry **out);
enum kt_status registry_rules_collect(struct kt_ctx *ctx, const struct registry *registry,
                                      struct registry_files *out);
/** `counts`: with what each did so far. */
enum kt_status registry_reply_rules(struct kt_ctx *ctx, bool counts);
/** One pushed file as {name, text, user, at, revision}, or as that revision had it. */
enum kt_status registry_reply_rule_file(struct kt_ctx *ctx, const char *name,
                                        const msgpack_object *revision);
/** Answer rules.log: newest first. rules_revision.c */
struct rules_log {
    const char *file; /**< Only what touched it; NULL: all. */
    uint64_t after;   /**< Only those before that one; 0: all. */
    uint64_t limit;
};
enum kt_status registry_reply_rules_log(struct kt_ctx *ctx, const struct rules_log *asked);
/** Disable, in the data, the rules that failed too often in a row. rules_off.c */
enum kt_status registry_rules_disable_due(struct kt_ctx *ctx, size_t *count, struct registry **out);
enum kt_status registry_rules_enable(struct kt_ctx *ctx, const char *rule, struct registry **out);
/** Answer rules.explain: what runs in a transition, another change of an entity, a method of a rule
 *  file or on a topic, in its order. rules_explain.c */
enum kt_status registry_reply_rules_explain(struct kt_ctx *ctx, const char *what);
/** Answer rules.try: what would become of the record in each change that the files' rules are
 * about. All is undone. rules_try.c */
struct rules_try {
    const msgpack_object *files; /**< NULL: what is in force. */
    const char *entity;
    uint64_t id;
    const char *moment;           /**< NULL: all that the rules hang at. */
    const msgpack_object *params; /**< Of a transition; may be NULL. */
};
enum kt_status registry_reply_rules_try(struct kt_ctx *ctx, const struct rules_try *asked);
/** Answer rules.test: the stored tests and those in `files` (NULL: none), under what a push of them
 *  would put in force. All is undone. rules_test.c */
enum kt_status registry_reply_rules_test(struct kt_ctx *ctx, const msgpack_object *files);
/** Answer rules.diff: two revisions, or what is in force and what `files` would make of it.
 *  rules_diff.c */
struct rules_diff {
    const msgpack_object *from, *to; /**< Numbers, or NULL. */
    const msgpack_object *files;     /**< NULL: revisions. */
    bool replace;
};
enum kt_status registry_reply_rules_diff(struct kt_ctx *ctx, const struct rules_diff *asked);

/** The module of what rule files declare, for the catalogue's built-in ones. custom.c */
extern const struct kt_plugin custom_module;
