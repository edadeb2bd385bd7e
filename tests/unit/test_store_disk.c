/* Goal: whatever the disk fails at, the data stay as they were, who writes is told what is the
 * matter, reads go on, and writes work again when the disk does.
 * Method: this program's own pwrite, writev and fdatasync fail on demand (../scenario/bad_disk.c
 * is linked to it), also for LMDB. */
#include "store_fixture.h"

static void set_disk(const char *how)
{
    FILE *control = fopen(getenv("KONTOR_BAD_DISK"), "we");
    assert_non_null(control);
    assert_true(fputs(how, control) >= 0);
    assert_int_equal(fclose(control), 0);
}

/* With syncs: here they are what it is about. */
static int set_up_synced(void **state)
{
    if (set_up(state) != 0)
        return -1;
    struct fixture *f = *state;
    char control[128];
    const struct store_options options = {.folder = f->folder, .limit_bytes = 64 * MIB};
    snprintf(control, sizeof control, "%s/disk", f->root);
    setenv("KONTOR_BAD_DISK", control, 1);
    store_lmdb.close(f->store);
    return store_lmdb.open(&options, &f->store, f->why, sizeof f->why) == KT_OK ? 0 : -1;
}

static enum kt_status try_to_save(struct fixture *f, const char *key, const char *value)
{
    struct store_txn *txn;
    KT_TRY(store_begin(f->store, NULL, STORE_WRITE, &txn));
    put(txn, key, value);
    return store_commit(txn);
}

static void save_when_it_works(struct fixture *f, const char *key, const char *value)
{
    enum kt_status status = KT_BUSY;
    for (int tries = 0; status == KT_BUSY && tries < 10000000; tries++)
        status = try_to_save(f, key, value); /* At once: the store itself does not ask the disk. */
    assert_int_equal(status, KT_OK);
    store_take_fault(f->store);
}

static void assert_found(struct fixture *f, const char *key, const char *value)
{
    struct store_txn *reader = begin(f, NULL, STORE_READ);
    assert_has(reader, key, value);
    store_abort(reader);
}

static void check_failing(struct fixture *f, const char *how, enum store_fault fault)
{
    save(f, "kept", "1");
    struct store_txn *parked = begin(f, NULL, STORE_READ);
    store_reset(parked);

    set_disk(how);
    assert_int_equal(try_to_save(f, "kept", "2"), KT_BUSY);
    assert_int_equal(store_take_fault(f->store), fault);
    assert_found(f, "kept", "1");
    assert_int_equal(try_to_save(f, "kept", "3"), KT_BUSY);
    assert_int_equal(store_take_fault(f->store), fault);
    assert_found(f, "kept", "1");

    set_disk("well");
    save_when_it_works(f, "new", "1");
    assert_int_equal(store_renew(parked), KT_OK);
    assert_has(parked, "kept", "1");
    assert_has(parked, "new", "1");
    store_abort(parked);
    reopen(f);
    assert_found(f, "kept", "1");
    assert_found(f, "new", "1");
}

static void a_full_disk_is_told_and_recovers(void **state)
{
    check_failing(*state, "full", STORE_FAULT_DISK_FULL);
}

static void a_failed_sync_is_told_and_nothing_of_it_counts_later(void **state)
{
    check_failing(*state, "sync", STORE_FAULT_DISK_FAILED);
}

static void a_failed_meta_page_is_told_and_made_sure_of(void **state)
{
    check_failing(*state, "meta", STORE_FAULT_DISK_FAILED);
}

/* The page that makes the commit count is on its way to the disk, and nobody can tell where. */
static void a_disk_that_dies_in_the_commit_leaves_it_open_and_the_store_closed(void **state)
{
    struct fixture *f = *state;
    struct store_txn *reader;
    save(f, "kept", "1");
    set_disk("dying");
    assert_int_equal(try_to_save(f, "kept", "2"), KT_BUSY);
    assert_int_equal(store_take_fault(f->store), STORE_FAULT_UNCERTAIN);
    assert_int_equal(store_begin(f->store, NULL, STORE_READ, &reader), KT_BUSY);
    assert_int_equal(try_to_save(f, "kept", "3"), KT_BUSY);
    assert_int_equal(store_take_fault(f->store), STORE_FAULT_DISK_FAILED);

    set_disk("well");
    save_when_it_works(f, "new", "1");
    assert_found(f, "kept", "2"); /* It was there after all. */
    assert_found(f, "new", "1");
}

static void a_child_that_meets_a_failing_disk_is_no_concern_of_a_reader(void **state)
{
    struct fixture *f = *state;
    save(f, "kept", "1");
    struct store_txn *reader = begin(f, NULL, STORE_READ);
    set_disk("full");
    assert_int_equal(try_to_save(f, "kept", "2"), KT_BUSY);
    assert_has(reader, "kept", "1");
    store_abort(reader);
    set_disk("well");
    save_when_it_works(f, "kept", "4");
    assert_found(f, "kept", "4");
}

#define SYNCED(function) cmocka_unit_test_setup_teardown(function, set_up_synced, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYNCED(a_full_disk_is_told_and_recovers),
        SYNCED(a_failed_sync_is_told_and_nothing_of_it_counts_later),
        SYNCED(a_failed_meta_page_is_told_and_made_sure_of),
        SYNCED(a_disk_that_dies_in_the_commit_leaves_it_open_and_the_store_closed),
        SYNCED(a_child_that_meets_a_failing_disk_is_no_concern_of_a_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
