/** What the data says about each module. Private to plugin/. */
#pragma once

#include "record/context.h"

/** Reports of the last upgrades that are kept of each module. */
#define MODULE_UPGRADES 32u

struct module_state {
    bool enabled;
    bool installed;          /**< Was enabled at some time: its first data is there. */
    unsigned schema;         /**< Version of its stored data. */
    const char *version;     /**< Of the plugin that used them last; "" when unknown. */
    msgpack_object upgrades; /**< List of reports, the oldest first. */
};

/** All empty when the module was never enabled. */
enum kt_status module_state_load(struct kt_ctx *ctx, const char *module, struct module_state *out);
enum kt_status module_state_save(struct kt_ctx *ctx, const char *module,
                                 const struct module_state *state);
