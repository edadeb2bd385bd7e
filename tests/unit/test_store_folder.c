/* Goal: the folder of a store has one owner, survives its death, can be copied, and its limit
 * harms nothing.
 * Method: stories on the LMDB driver; other processes are forked and answer over pipes, so nothing
 * waits by the clock. */
#include "store_fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* Folder */

static void a_second_open_in_the_same_process_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store_options options = {.folder = f->folder};
    struct store *second = NULL;
    char why[256];
    char expected[256];
    assert_int_equal(store_lmdb.open(&options, &second, why, sizeof why), KT_BUSY);
    snprintf(expected, sizeof expected, "another kontord (pid %d) is using %s", (int)getpid(),
             f->folder);
    assert_string_equal(why, expected);
    save(f, "still", "usable");

    store_lmdb.close(f->store);
    f->store = NULL;
    assert_int_equal(store_lmdb.open(&options, &f->store, why, sizeof why), KT_OK);
}

static void a_second_process_is_refused_at_once(void **state)
{
    struct fixture *f = *state;
    int answers[2];
    assert_int_equal(pipe(answers), 0);
    pid_t child = fork();
    if (child == 0) {
        struct store_options options = {.folder = f->folder};
        struct store *second = NULL;
        char why[256] = "";
        enum kt_status status = store_lmdb.open(&options, &second, why, sizeof why);
        ssize_t sent = write(answers[1], why, sizeof why);
        _exit(sent == (ssize_t)sizeof why ? (int)status : 99);
    }
    int result;
    char why[256] = "";
    char pid[32];
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(read(answers[0], why, sizeof why), sizeof why);
    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), KT_BUSY);
    snprintf(pid, sizeof pid, "(pid %d)", (int)getpid());
    assert_non_null(strstr(why, pid));
    assert_non_null(strstr(why, f->folder));
    close(answers[0]);
    close(answers[1]);
}

static void the_folder_of_a_killed_server_opens_without_its_unfinished_write(void **state)
{
    struct fixture *f = *state;
    store_lmdb.close(f->store);
    f->store = NULL;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct store_txn *reader = NULL;
        struct store_txn *writer = NULL;
        if (open_sized(f, 64 * MIB) != KT_OK ||
            store_begin(f->store, NULL, STORE_WRITE, &writer) != KT_OK ||
            store_put(writer, bytes("done"), bytes("1")) != KT_OK ||
            store_commit(writer) != KT_OK ||
            store_begin(f->store, NULL, STORE_READ, &reader) != KT_OK ||
            store_begin(f->store, NULL, STORE_WRITE, &writer) != KT_OK ||
            store_put(writer, bytes("half"), bytes("1")) != KT_OK || write(ready[1], "!", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    char mark;
    assert_int_equal(read(ready[0], &mark, 1), 1);
    assert_int_equal(open_sized(f, 64 * MIB), KT_BUSY);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ready[0]);

    assert_int_equal(open_sized(f, 64 * MIB), KT_OK);
    struct store_txn *txn = begin(f, NULL, STORE_WRITE);
    assert_has(txn, "done", "1");
    assert_lacks(txn, "half");
    store_abort(txn);
}

static void an_impossible_folder_is_explained(void **state)
{
    struct fixture *f = *state;
    struct store_options options = {.folder = "/nonexistent/deep/folder"};
    struct store *none = NULL;
    char why[256] = "";
    assert_int_equal(store_lmdb.open(&options, &none, why, sizeof why), KT_INTERNAL);
    assert_non_null(strstr(why, "/nonexistent/deep/folder"));
    assert_null(none);

    char file[128];
    snprintf(file, sizeof file, "%s/lock", f->folder);
    options.folder = file;
    assert_int_equal(store_lmdb.open(&options, &none, why, sizeof why), KT_INTERNAL);
    assert_non_null(strstr(why, "is not a folder"));
}

static void the_folder_and_its_files_are_for_the_owner_only(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"", "/data.mdb", "/lock.mdb", "/lock"};
    for (size_t i = 0; i < KT_COUNT(names); i++) {
        char path[128];
        struct stat status;
        snprintf(path, sizeof path, "%s%s", f->folder, names[i]);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0077, 0);
    }
}

/* Copy */

static void a_copy_opens_with_the_committed_data(void **state)
{
    struct fixture *f = *state;
    struct fixture copy = {0};
    snprintf(copy.folder, sizeof copy.folder, "%s/copy", f->root);
    save(f, "invoice", "1");
    struct store_txn *writer = begin(f, NULL, STORE_WRITE); /* The copy does not wait for it. */
    put(writer, "invoice", "2");
    assert_int_equal(store_lmdb.copy(f->store, copy.folder), KT_OK);
    assert_int_equal(store_commit(writer), KT_OK);

    assert_int_equal(open_sized(&copy, 64 * MIB), KT_OK); /* It has a lock of its own. */
    struct store_txn *reader = begin(&copy, NULL, STORE_READ);
    assert_has(reader, "invoice", "1");
    store_abort(reader);
    store_lmdb.close(copy.store);

    /* A second copy does not overwrite the first. */
    assert_int_equal(store_lmdb.copy(f->store, copy.folder), KT_INTERNAL);
    assert_int_equal(open_sized(&copy, 64 * MIB), KT_OK);
    store_lmdb.close(copy.store);
}

static void an_empty_store_can_be_copied(void **state)
{
    struct fixture *f = *state;
    struct fixture copy = {0};
    snprintf(copy.folder, sizeof copy.folder, "%s/copy", f->root);
    assert_int_equal(store_lmdb.copy(f->store, copy.folder), KT_OK);
    assert_int_equal(open_sized(&copy, 64 * MIB), KT_OK);
    save(&copy, "first", "1");
    store_lmdb.close(copy.store);
}

/* Limits */

static enum kt_status fill_until_refused(struct store_txn *txn, const char *prefix, int most)
{
    static const char block[1000];
    enum kt_status status = KT_OK;
    for (int i = 0; status == KT_OK && i < most; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s %06d", prefix, i);
        status = store_put(txn, bytes(key), (struct store_slice){block, sizeof block});
    }
    return status;
}

static void a_full_store_refuses_the_transaction_and_keeps_the_data(void **state)
{
    struct fixture *f = *state;
    store_lmdb.close(f->store);
    assert_int_equal(open_sized(f, MIB), KT_OK);
    save(f, "kept", "1");

    struct store_txn *txn = begin(f, NULL, STORE_WRITE);
    assert_int_equal(fill_until_refused(txn, "bulk", 10000), KT_BUSY);
    /* From now on the transaction says the same, also at its end. */
    assert_int_equal(store_put(txn, bytes("small"), bytes("1")), KT_BUSY);
    assert_int_equal(store_commit(txn), KT_BUSY);

    assert_int_equal(store_take_fault(f->store), STORE_FAULT_LIMIT);
    assert_int_equal(store_take_fault(f->store), STORE_FAULT_NONE);

    save(f, "small", "1"); /* The next one has the space again. */
    store_lmdb.close(f->store);
    assert_int_equal(open_sized(f, MIB), KT_OK);
    struct store_txn *reader = begin(f, NULL, STORE_READ);
    assert_has(reader, "kept", "1");
    assert_has(reader, "small", "1");
    assert_lacks(reader, "bulk 000000");
    store_abort(reader);

    /* A larger limit is only an option away. */
    store_lmdb.close(f->store);
    assert_int_equal(open_sized(f, 64 * MIB), KT_OK);
    txn = begin(f, NULL, STORE_WRITE);
    assert_int_equal(fill_until_refused(txn, "bulk", 10000), KT_OK);
    assert_int_equal(store_commit(txn), KT_OK);
}

static void a_child_that_meets_the_full_map_does_not_take_its_parent_along(void **state)
{
    static const bool commit_it[] = {false, true};
    struct fixture *f = *state;
    store_lmdb.close(f->store);
    assert_int_equal(open_sized(f, MIB), KT_OK);
    for (size_t i = 0; i < KT_COUNT(commit_it); i++) {
        struct store_txn *parent = begin(f, NULL, STORE_WRITE);
        put(parent, "before", "1");
        struct store_txn *child = begin(f, parent, STORE_WRITE);
        struct store_txn *grandchild = NULL;
        assert_int_equal(fill_until_refused(child, "bulk", 10000), KT_BUSY);
        assert_int_equal(store_begin(f->store, child, STORE_WRITE, &grandchild), KT_BUSY);
        if (commit_it[i])
            assert_int_equal(store_commit(child), KT_BUSY);
        else
            store_abort(child);
        assert_lacks(parent, "bulk 000000");
        put(parent, "after", "1");
        assert_int_equal(store_commit(parent), KT_OK);
    }
    struct store_txn *reader = begin(f, NULL, STORE_READ);
    assert_has(reader, "before", "1");
    assert_has(reader, "after", "1");
    assert_lacks(reader, "bulk 000000");
    store_abort(reader);
}

/* A file size limit makes write(2) fail as a full disk does; in a child, because it cannot be
 * undone. */
static void a_commit_that_cannot_be_written_fails_and_the_data_stays(void **state)
{
    struct fixture *f = *state;
    save(f, "kept", "1");
    store_lmdb.close(f->store);
    f->store = NULL;
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit limit = {256 << 10, 256 << 10};
        struct store_txn *txn = NULL;
        signal(SIGXFSZ, SIG_IGN);
        if (open_sized(f, 64 * MIB) != KT_OK || setrlimit(RLIMIT_FSIZE, &limit) != 0 ||
            store_begin(f->store, NULL, STORE_WRITE, &txn) != KT_OK ||
            store_put(txn, bytes("kept"), bytes("2")) != KT_OK ||
            fill_until_refused(txn, "bulk", 2000) != KT_OK)
            _exit(99);
        _exit((int)store_commit(txn));
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), KT_BUSY);

    assert_int_equal(open_sized(f, 64 * MIB), KT_OK);
    struct store_txn *reader = begin(f, NULL, STORE_READ);
    assert_has(reader, "kept", "1");
    assert_lacks(reader, "bulk 000000");
    store_abort(reader);
}

static void the_statistics_tell_entries_space_and_the_last_transaction(void **state)
{
    struct fixture *f = *state;
    struct store_stat before;
    struct store_stat after;
    struct store_txn *reader = begin(f, NULL, STORE_READ);
    assert_int_equal(store_lmdb.stat(reader, &before), KT_OK);
    store_abort(reader);
    struct store_txn *txn = begin(f, NULL, STORE_WRITE);
    for (int i = 0; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof key, "%04d", i);
        put(txn, key, "0123456789012345678901234567890123456789");
    }
    assert_int_equal(store_commit(txn), KT_OK);
    reader = begin(f, NULL, STORE_READ);
    assert_int_equal(store_lmdb.stat(reader, &after), KT_OK);
    store_abort(reader);
    assert_int_equal(before.entries, 0);
    assert_int_equal(after.entries, 1000);
    assert_true(after.used_bytes > before.used_bytes + 44000); /* 1000 * (4 + 40) bytes */
    assert_true(after.used_bytes < MIB);
    assert_true(after.map_bytes == 64 * MIB);
    assert_true(after.last_txn == before.last_txn + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_second_open_in_the_same_process_is_refused),
        STORY(a_second_process_is_refused_at_once),
        STORY(the_folder_of_a_killed_server_opens_without_its_unfinished_write),
        STORY(an_impossible_folder_is_explained),
        STORY(the_folder_and_its_files_are_for_the_owner_only),
        STORY(a_copy_opens_with_the_committed_data),
        STORY(an_empty_store_can_be_copied),
        STORY(a_full_store_refuses_the_transaction_and_keeps_the_data),
        STORY(a_child_that_meets_the_full_map_does_not_take_its_parent_along),
        STORY(a_commit_that_cannot_be_written_fails_and_the_data_stays),
        STORY(the_statistics_tell_entries_space_and_the_last_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
