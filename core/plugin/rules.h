/** Rule files in the data, and every revision of them. Private to plugin/.
 *
 *  What is pushed is a tree: names of files, and the hashes of their texts. Each text is stored
 *  once, under its hash, and stays for good. Whoever changes the tree makes the one that follows
 *  and has rules_apply write the difference, as a numbered revision. */
#pragma once

#include "plugin/registry.h"
#include "script/test.h"
#include "store/key.h"

#define RULES_HASH_BYTES 32 /* BLAKE2b-256 */

struct rules_file {
    const char *name;
    unsigned char hash[RULES_HASH_BYTES];
    struct store_slice text; /**< NULL: it is stored under its hash. Not so texts that a client
                                  gives, and those from before there were revisions. */
};
/** Sorted by name. */
struct rules_tree {
    struct rules_file at[KT_LIMIT_RULE_FILES];
    size_t count;
};

/** One file of two trees; NULL where it is not there. */
struct rules_change {
    const struct rules_file *before, *after;
};
struct rules_changes {
    struct rules_change at[2 * KT_LIMIT_RULE_FILES];
    size_t count;
};

/** What a revision says besides what it changed. */
struct rules_note {
    const char *text; /**< NULL: none. */
    bool is_rollback;
    uint64_t to; /**< Of a rollback. */
    bool tests_skipped;
};

/** --- rules_store.c: files and texts --- */
struct rules_tree *rules_tree_new(struct kt_ctx *ctx);
enum kt_status rules_tree_present(struct kt_ctx *ctx, struct rules_tree *out);
const struct rules_file *rules_tree_find(const struct rules_tree *tree, const char *name);
/** Adds or replaces. KT_TOO_LARGE when there are too many. */
enum kt_status rules_tree_put(struct kt_ctx *ctx, struct rules_tree *tree,
                              const struct rules_file *file);
/** False when it was not there. */
bool rules_tree_remove(struct rules_tree *tree, const char *name);
/** By name; `what` is "added", "changed" or "removed". */
void rules_compare(const struct rules_tree *before, const struct rules_tree *after,
                   struct rules_changes *out);
const char *rules_change_name(const struct rules_change *change);
const char *rules_change_what(const struct rules_change *change);
struct rules_file rules_file_of(const char *name, const char *text, size_t size);
/** Valid until the transaction ends or writes. */
enum kt_status rules_text_borrow(struct kt_ctx *ctx, const struct rules_file *file,
                                 struct store_slice *out);
/** A copy in the arena. */
enum kt_status rules_text(struct kt_ctx *ctx, const struct rules_file *file,
                          struct store_slice *out);
/** With its text, unless that is there. */
enum kt_status rules_file_save(struct kt_ctx *ctx, const struct rules_file *file,
                               uint64_t revision);
enum kt_status rules_file_drop(struct kt_ctx *ctx, const char *name);
/** {name, user, at, revision?} of a file as it stands; KT_NOT_FOUND. */
enum kt_status rules_file_row(struct kt_ctx *ctx, const char *name, struct kt_map **out);
enum kt_status rules_store_failed(struct kt_ctx *ctx);
/** A map into the store. */
enum kt_status rules_put_map(struct kt_ctx *ctx, const struct key *key, const struct kt_map *map);

/** --- rules_revision.c --- */
enum kt_status rules_revision_last(struct kt_ctx *ctx, uint64_t *out);
/** The tree as that revision left it; 0: before any. KT_NOT_FOUND when there is none. */
enum kt_status rules_tree_at(struct kt_ctx *ctx, uint64_t revision, struct rules_tree *out);
/** Make `after` what is pushed, as a new revision; no change makes none. */
enum kt_status rules_apply(struct kt_ctx *ctx, const struct rules_tree *after,
                           const struct rules_note *note, struct rules_changes *changes);
/** Stored bytes of a hash in a row or a revision; false for anything else. */
bool rules_hash_of(const msgpack_object *value, unsigned char out[RULES_HASH_BYTES]);

/** --- rules.c --- */
/** `tree` with the files of a client added: names to texts. With `replace` they are all. */
enum kt_status rules_given(struct kt_ctx *ctx, const msgpack_object *files, bool replace,
                           struct rules_tree *tree);
/** NAME_test.lua: travels with the rules, and is run only to test them. */
bool rules_is_test(const char *name);

/** --- rules_test.c --- */
/** All stored tests, under ctx->registry. */
enum kt_status rules_run_tests(struct kt_ctx *ctx, struct script_test_report *out);
/** KT_CONFLICT with the report in its details unless all of them passed. */
enum kt_status rules_require_tests(struct kt_ctx *ctx, const struct script_test_report *report);

/** --- rules_off.c --- */
enum kt_status rules_off_list(struct kt_ctx *ctx, struct kt_list *out);
/** Before the set runs. */
enum kt_status rules_off_apply(struct kt_ctx *ctx, struct script_set *set);
/** What was changed may have been mended: its rules are no longer disabled, */
enum kt_status rules_off_forget(struct kt_ctx *ctx, const struct rules_changes *changes);
/** and, unless it is a dry run, the failures of those under ctx->registry count no more. */
void rules_off_pardon(struct kt_ctx *ctx, const struct rules_changes *changes);
