/** Tests of rules: `test("...", function() ... end)` in *_test.lua.
 *
 *  Each runs in a transaction of its own that is undone, under the registry of `ctx`, in a Lua
 * state apart from the rules': `given` makes the world, `when` does what a client would, with the
 * rights of the user who acts, `expect` says what must have come of it. */
#pragma once

#include "script/script.h"

/** All tests together; the writer waits for them. */
#define SCRIPT_TESTS_TIME_US 30000000
#define SCRIPT_TESTS         2000u

struct script_tests {
    const struct script_file *files;
    size_t count;
    struct script_set *rules; /**< Under test; NULL: there are none. */
    /** Make `ctx` act for that user; 0: for the server. Lent by the layer above. */
    enum kt_status (*become)(struct kt_ctx *ctx, uint64_t user_id);
};

struct script_test_report {
    struct kt_list *rows; /**< {file, name, line, ok, ms, message?, message_zh?} */
    size_t count, failed;
};

/** Run them all; `ctx` is as before. A file that does not load is KT_INVALID. The rules have run:
 *  what they keep in their locals is not what it was. */
enum kt_status script_tests_run(struct kt_ctx *ctx, const struct script_tests *tests,
                                struct script_test_report *out);
