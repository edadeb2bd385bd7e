/** What the files of tests share. */
#pragma once

#include "script/script_internal.h"
#include "script/test.h"

/** One test(...): as a rule without a place to hang at. */
struct script_suite {
    const struct script_tests *asked;
    struct script_rule tests[SCRIPT_TESTS];
    size_t count;
    msgpack_zone *memory; /**< Of their names. */

    /** Of the test that runs, all in its arena. */
    uint64_t user_id;                   /**< Who acts in when.*; 0: the server. */
    uint64_t first_event;               /**< The last one before it began. */
    const char *place;                  /**< Where it failed: "credit_test.lua:12". */
    const char *expected, *expected_zh; /**< What the last failing expectation said. */
};

static inline struct script_suite *script_suite_of(lua_State *lua)
{
    return script_of(lua)->suite;
}

/** test_given.c: `given` and `when`, into the table at the top. */
void script_add_given(lua_State *lua);
/** test_expect.c */
void script_add_expect(lua_State *lua);
