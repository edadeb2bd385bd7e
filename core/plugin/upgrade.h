/** Upgrades: data of older plugins brought to the schema of those that are there.
 *
 *  Part of building a registry, so in the transaction that puts it in force: at start, when a
 *  module is enabled, when a plugin is exchanged. Private to plugin/. */
#pragma once

#include "plugin/registry.h"
#include "plugin/state.h"

struct upgrade {
    struct module_state *before; /**< Of each module of the catalogue, as its data are. */
    bool migrates;               /**< Some data are older than their plugin. */
};

/** Looks what is to be done. KT_CONFLICT when data are newer than their plugin. Enables what
 * enabled modules require. */
enum kt_status upgrade_plan(struct kt_ctx *ctx, const struct plugin_catalog *catalog,
                            struct upgrade *out);
/** Does it, under the registry that `ctx` uses: first data of modules enabled for the first time,
 *  migrations of all others, the modules that others require first. Adds a report of each upgrade
 *  to `reports`. */
enum kt_status upgrade_run(struct kt_ctx *ctx, const struct upgrade *upgrade,
                           struct kt_list *reports);
/** Orders "1.10.0" behind "1.9": numbers, part by part; what is missing counts as 0. */
int upgrade_compare_versions(const char *a, const char *b);
