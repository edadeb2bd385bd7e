/* Goal: what was pushed before revisions were kept stays usable, and becomes the first revision.
 * Method: rows as older servers wrote them, then a change on top. */
#include "plugin/rules.h"
#include "record/space.h"

#include "store_fixture.h"

static void begin_ctx(struct fixture *f, struct kt_ctx *ctx)
{
    *ctx = (struct kt_ctx){.writable = true, .user_name = "anna"};
    context_init(ctx);
    assert_int_equal(KT_OK, store_begin(f->store, NULL, STORE_WRITE, &ctx->txn));
}

static void end_ctx(struct kt_ctx *ctx)
{
    store_abort(ctx->txn);
    context_deinit(ctx);
}

/* As it was: the text in the row itself. */
static void put_old(struct kt_ctx *ctx, const char *name, const char *text)
{
    struct key key;
    struct kt_map *row = kt_map_new(ctx);
    kt_map_set_text(row, "name", name);
    kt_map_set_text(row, "text", text);
    kt_map_set_text(row, "user", "otto");
    key_begin(&key, SPACE_RULE);
    key_add_text(&key, name, strlen(name));
    assert_int_equal(KT_OK, rules_put_map(ctx, &key, row));
}

static void expect_text(struct kt_ctx *ctx, const struct rules_tree *tree, const char *name,
                        const char *expected)
{
    struct store_slice text;
    const struct rules_file *file = rules_tree_find(tree, name);
    assert_non_null(file);
    assert_int_equal(KT_OK, rules_text(ctx, file, &text));
    assert_int_equal(strlen(expected), text.size);
    assert_memory_equal(expected, text.at, text.size);
}

static void test_old_files_are_read(void **state)
{
    struct kt_ctx ctx;
    begin_ctx(*state, &ctx);
    struct rules_tree *tree = rules_tree_new(&ctx);
    put_old(&ctx, "b.lua", "-- b");
    put_old(&ctx, "a.lua", "-- a");
    assert_int_equal(KT_OK, rules_tree_present(&ctx, tree));
    assert_int_equal(2, tree->count);
    expect_text(&ctx, tree, "a.lua", "-- a");
    expect_text(&ctx, tree, "b.lua", "-- b");
    end_ctx(&ctx);
}

static void test_old_files_become_the_first_revision(void **state)
{
    struct kt_ctx ctx;
    static const struct rules_note note = {.text = "second"};
    uint64_t last;
    begin_ctx(*state, &ctx);
    struct rules_tree *tree = rules_tree_new(&ctx);
    struct rules_changes *changes = kt_alloc(&ctx, sizeof(*changes));
    /* Given two old files, when one is changed and one goes, */
    put_old(&ctx, "a.lua", "-- a");
    put_old(&ctx, "b.lua", "-- b");
    assert_int_equal(KT_OK, rules_tree_present(&ctx, tree));
    struct rules_file changed = rules_file_of("a.lua", "-- new", 6);
    assert_int_equal(KT_OK, rules_tree_put(&ctx, tree, &changed));
    assert_true(rules_tree_remove(tree, "b.lua"));
    assert_int_equal(KT_OK, rules_apply(&ctx, tree, &note, changes));
    /* then that is the second revision, */
    assert_int_equal(KT_OK, rules_revision_last(&ctx, &last));
    assert_int_equal(2, last);
    assert_int_equal(2, changes->count);
    assert_string_equal("changed", rules_change_what(&changes->at[0]));
    assert_string_equal("removed", rules_change_what(&changes->at[1]));
    assert_int_equal(KT_OK, rules_tree_present(&ctx, tree));
    assert_int_equal(1, tree->count);
    expect_text(&ctx, tree, "a.lua", "-- new");
    /* and the first has both as they were. */
    assert_int_equal(KT_OK, rules_tree_at(&ctx, 1, tree));
    assert_int_equal(2, tree->count);
    expect_text(&ctx, tree, "a.lua", "-- a");
    expect_text(&ctx, tree, "b.lua", "-- b");
    end_ctx(&ctx);
}

static void test_a_text_is_kept_once(void **state)
{
    struct kt_ctx ctx;
    static const struct rules_note note = {.text = NULL};
    struct store_stat before, after;
    begin_ctx(*state, &ctx);
    struct rules_tree *tree = rules_tree_new(&ctx);
    struct rules_changes *changes = kt_alloc(&ctx, sizeof(*changes));
    /* Two files of one text: two rows, one text, one revision. */
    struct rules_file a = rules_file_of("a.lua", "-- same", 7);
    struct rules_file b = rules_file_of("b.lua", "-- same", 7);
    assert_int_equal(KT_OK, rules_tree_put(&ctx, tree, &a));
    assert_int_equal(KT_OK, rules_tree_put(&ctx, tree, &b));
    assert_int_equal(KT_OK, store_lmdb.stat(ctx.txn, &before));
    assert_int_equal(KT_OK, rules_apply(&ctx, tree, &note, changes));
    assert_int_equal(KT_OK, store_lmdb.stat(ctx.txn, &after));
    assert_int_equal(4, after.entries - before.entries);
    /* The same again changes nothing. */
    assert_int_equal(KT_OK, rules_apply(&ctx, tree, &note, changes));
    assert_int_equal(0, changes->count);
    end_ctx(&ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_old_files_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_old_files_become_the_first_revision, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_text_is_kept_once, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
