/** What the data says about each module. Private to plugin/. */
#pragma once

#include "record/context.h"

struct module_state {
    bool enabled;
    bool installed;  /**< Was enabled at some time: its first data is there. */
    unsigned schema; /**< Version of its stored data. */
};

/** All zero when the module was never enabled. */
enum kt_status module_state_load(struct kt_ctx *ctx, const char *module, struct module_state *out);
enum kt_status module_state_save(struct kt_ctx *ctx, const char *module,
                                 const struct module_state *state);
