/** The plugin: one constant table that says everything a module is.
 *
 *  A plugin is a shared object NAME/NAME.so in the plugin folder that exports one symbol:
 *  `const struct kt_plugin kt_plugin`. All names it declares start with its own name and a dot.
 *  It has no mutable state of its own: state lives in records. */
#pragma once

#include "kontor/event.h"
#include "kontor/model.h"

#define KT_ABI 2

enum kt_method_flag {
    KT_WRITE =
        1 << 0, /**< Runs on the writer, in a transaction that commits. Otherwise it only reads. */
    KT_PRESENT = 1 << 1, /**< Tells of the server as it is, so `as_of` is refused. Other methods
                            that read take it: all they read is then as it stood. */
    KT_LONG = 1 << 2,    /**< Works on all the data and takes as long as it takes. Others are
                            refused with KT_TOO_LARGE when the server's `request-ms` are over. */
};
struct kt_method {
    const char *name; /**< "module.noun.verb" or "module.verb". */
    unsigned flags;
    const char *permission;  /**< Default: the method's name. */
    struct kt_fields params; /**< Checked and converted before `run`; unknown ones are refused. */
    /** Answer with kt_reply; without it the answer is nil. */
    enum kt_status (*run)(struct kt_ctx *ctx, const msgpack_object *params);
    struct kt_label label;
};
struct kt_methods {
    const struct kt_method *at;
    size_t count;
};
/** The method's answer; the last call counts. Copied. */
KT_EXPORT void kt_reply(struct kt_ctx *ctx, const msgpack_object *value);
KT_EXPORT void kt_reply_map(struct kt_ctx *ctx, const struct kt_map *map);

struct kt_topic {
    const char *name;
    struct kt_label label;
};
struct kt_topics {
    const struct kt_topic *at;
    size_t count;
};

/** A named set of permissions. Grants are "entity.read", "entity.create", "entity.update",
 *  "entity.delete", method names, total names with ".read", or a prefix ending in "*". */
struct kt_role {
    const char *name; /**< "module.role". */
    struct kt_names grants;
    struct kt_label label;
};
struct kt_roles {
    const struct kt_role *at;
    size_t count;
};

/** Work the server does by itself, as a write request of user "system". Must be short. */
struct kt_job {
    const char *name; /**< "module.job". */
    unsigned every_seconds;
    enum kt_status (*run)(struct kt_ctx *ctx);
};
struct kt_jobs {
    const struct kt_job *at;
    size_t count;
};

/** The step of the module's data from schema `from` to `from + 1`. All steps that are due, of all
 *  modules, run in one transaction: when one fails everything is as before. See kt_record_each. */
struct kt_migration {
    unsigned from;
    enum kt_status (*run)(struct kt_ctx *ctx);
    struct kt_label label; /**< What it does to the data, for the report. */
};
struct kt_migrations {
    const struct kt_migration *at;
    size_t count;
};

struct kt_totals {
    const struct kt_total *at;
    size_t count;
};
struct kt_entities {
    const struct kt_entity *const *at;
    size_t count;
};

struct kt_plugin {
    unsigned abi; /**< KT_ABI. */
    size_t size;  /**< sizeof(struct kt_plugin). */
    const char *name;
    const char *version; /**< Numbers and dots, "1.4.0". Never goes back on the same data. */
    unsigned schema;     /**< Version of the stored data, from 1; each step up has a migration. */
    struct kt_label label;
    struct kt_label summary;
    struct kt_names requires; /**< Modules that must be enabled before this one. */
    struct kt_entities entities;
    struct kt_totals totals;
    struct kt_methods methods;
    struct kt_topics events; /**< Topics announced with kt_emit. */
    struct kt_handlers handlers;
    struct kt_roles roles;
    struct kt_jobs jobs;
    struct kt_migrations migrations;
    /** Called once, when the module is enabled for the first time on this data: default accounts,
     *  units, a first warehouse. Also called never again, so later additions go into migrations. */
    enum kt_status (*install)(struct kt_ctx *ctx);
};

/** Write this once at the end of the plugin: `KT_PLUGIN = { .name = ... };` */
#define KT_PLUGIN                                                                                  \
    extern KT_EXPORT const struct kt_plugin kt_plugin;                                             \
    const struct kt_plugin kt_plugin
/** First line inside it. */
#define KT_PLUGIN_HEAD .abi = KT_ABI, .size = sizeof(struct kt_plugin)
