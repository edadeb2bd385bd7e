/** Plugins on disk: finding, loading and checking them.
 *
 *  Every NAME/NAME.so of the plugin folder is opened at start and stays open. All are checked
 *  before any takes part; one that is wrong is left out with a log line that says why. A catalogue
 *  is in dependency order and never changes; a plugin that is exchanged while the server runs makes
 *  another one. Used at start and by the writer. */
#pragma once

#include <stdatomic.h>

#include "kontor/plugin.h"

struct plugin_rule_file {
    char *name; /**< "discount.lua" */
    char *text;
    size_t size;
};

struct plugin_entry {
    const struct kt_plugin *plugin;
    struct plugin_rule_file *rules; /**< The module's default rules. */
    size_t rule_count;
    bool builtin; /**< Part of the server: always enabled. */
};

struct plugin_catalog {
    atomic_uint references;
    char *folder;
    struct plugin_entry *entries;
    size_t count;
};

/** `builtins` come first. A missing folder is an empty one. KT_INVALID with `why` only for builtins
 *  or a folder that cannot be read. The caller owns the one reference. */
enum kt_status plugin_catalog_load(const char *folder, const struct kt_plugin *const *builtins,
                                   size_t builtin_count, struct plugin_catalog **out, char *why,
                                   size_t why_size);
/** As `before`, but with the plugin of that name, and its rules, as they lie in the folder now;
 *  NULL: with all that lie there. KT_INVALID with `why` when one of them is wrong. */
enum kt_status plugin_catalog_reload(const struct plugin_catalog *before, const char *name,
                                     struct plugin_catalog **out, char *why, size_t why_size);
struct plugin_catalog *plugin_catalog_hold(struct plugin_catalog *catalog);
void plugin_catalog_release(struct plugin_catalog *catalog); /**< NULL is fine. */
/** NULL when unknown. */
const struct plugin_entry *plugin_find(const struct plugin_catalog *catalog, const char *name);

/** load.c: the plugin NAME/NAME.so of the folder, checked; NULL with `why` when it is wrong, with
 * an empty `why` when there is none. */
const struct kt_plugin *plugin_open(const char *folder, const char *name, char *why,
                                    size_t why_size);

/** check.c: the declarations of one plugin: abi, names, types. */
enum kt_status plugin_check(const struct kt_plugin *plugin, bool builtin, char *why,
                            size_t why_size);
/** One entity of a plugin; or its fields alone. */
enum kt_status plugin_check_entity(const struct kt_plugin *plugin, const struct kt_entity *entity,
                                   char *why, size_t why_size);
enum kt_status plugin_check_fields(const struct kt_entity *entity, char *why, size_t why_size);
