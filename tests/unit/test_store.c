/* Goal: records, nested transactions, cursors and snapshots are what store.h promises.
 * Method: stories on the LMDB driver, each in an empty folder. */
#include "store_fixture.h"

#include <pthread.h>

/* Records */

static void a_value_is_put_replaced_and_deleted(void **state)
{
    struct store_txn *txn = begin(*state, NULL, STORE_WRITE);
    assert_lacks(txn, "bolt");
    put(txn, "bolt", "M8");
    assert_has(txn, "bolt", "M8");
    put(txn, "bolt", "M10 galvanised");
    assert_has(txn, "bolt", "M10 galvanised");
    put(txn, "empty", "");
    assert_has(txn, "empty", "");
    assert_int_equal(store_del(txn, bytes("bolt")), KT_OK);
    assert_lacks(txn, "bolt");
    assert_int_equal(store_del(txn, bytes("bolt")), KT_NOT_FOUND);
    assert_int_equal(store_commit(txn), KT_OK); /* "Not found" is an answer, not a failure. */

    txn = begin(*state, NULL, STORE_READ);
    assert_has(txn, "empty", "");
    store_abort(txn);
}

static void keys_of_no_or_too_many_bytes_are_refused_and_harm_nothing(void **state)
{
    char longest[STORE_KEY_MAX + 1];
    memset(longest, 'k', sizeof longest);
    struct store_slice fits = {longest, STORE_KEY_MAX};
    struct store_slice too_long = {longest, STORE_KEY_MAX + 1};
    struct store_slice empty = {longest, 0};
    struct store_slice found;

    struct store_txn *txn = begin(*state, NULL, STORE_WRITE);
    assert_int_equal(store_put(txn, too_long, bytes("x")), KT_TOO_LARGE);
    assert_int_equal(store_put(txn, empty, bytes("x")), KT_TOO_LARGE);
    assert_int_equal(store_get(txn, empty, &found), KT_TOO_LARGE);
    assert_int_equal(store_del(txn, too_long), KT_TOO_LARGE);
    assert_int_equal(store_put(txn, fits, bytes("x")), KT_OK);
    assert_int_equal(store_commit(txn), KT_OK);
    txn = begin(*state, NULL, STORE_READ);
    assert_int_equal(store_get(txn, fits, &found), KT_OK);
    store_abort(txn);
}

static void a_large_value_comes_back_whole(void **state)
{
    enum { SIZE = 3000001 };
    char *picture = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        picture[i] = (char)(i * 31 >> 3);
    struct store_txn *txn = begin(*state, NULL, STORE_WRITE);
    assert_int_equal(store_put(txn, bytes("picture"), (struct store_slice){picture, SIZE}), KT_OK);
    assert_int_equal(store_commit(txn), KT_OK);

    struct store_slice found;
    txn = begin(*state, NULL, STORE_READ);
    assert_int_equal(store_get(txn, bytes("picture"), &found), KT_OK);
    assert_int_equal(found.size, SIZE);
    assert_memory_equal(found.at, picture, SIZE);
    store_abort(txn);
    free(picture);
}

static void committed_data_is_there_after_a_reopen_and_aborted_is_not(void **state)
{
    struct fixture *f = *state;
    save(f, "kept", "1");
    struct store_txn *txn = begin(f, NULL, STORE_WRITE);
    put(txn, "dropped", "2");
    store_abort(txn);
    reopen(f);
    txn = begin(f, NULL, STORE_READ);
    assert_has(txn, "kept", "1");
    assert_lacks(txn, "dropped");
    store_abort(txn);
}

static void a_reader_cannot_write(void **state)
{
    struct store_txn *txn = begin(*state, NULL, STORE_READ);
    assert_int_equal(store_put(txn, bytes("a"), bytes("1")), KT_INTERNAL);
    store_abort(txn);
}

/* Nested transactions */

static void an_aborted_child_leaves_its_parent_as_it_was(void **state)
{
    struct store_txn *parent = begin(*state, NULL, STORE_WRITE);
    put(parent, "order", "draft");
    put(parent, "line", "1");
    struct store_txn *child = begin(*state, parent, STORE_WRITE);
    assert_has(child, "order", "draft");
    put(child, "order", "confirmed");
    put(child, "delivery", "new");
    assert_int_equal(store_del(child, bytes("line")), KT_OK);
    store_abort(child);

    assert_has(parent, "order", "draft");
    assert_has(parent, "line", "1");
    assert_lacks(parent, "delivery");
    put(parent, "order", "draft 2");
    assert_int_equal(store_commit(parent), KT_OK);
    struct store_txn *reader = begin(*state, NULL, STORE_READ);
    assert_has(reader, "order", "draft 2");
    assert_lacks(reader, "delivery");
    store_abort(reader);
}

static void a_committed_child_falls_with_its_parent(void **state)
{
    struct fixture *f = *state;
    save(f, "stock", "10");
    struct store_txn *parent = begin(f, NULL, STORE_WRITE);
    struct store_txn *child = begin(f, parent, STORE_WRITE);
    struct store_txn *grandchild = begin(f, child, STORE_WRITE);
    put(grandchild, "stock", "7");
    assert_int_equal(store_commit(grandchild), KT_OK);
    assert_has(child, "stock", "7");
    assert_int_equal(store_commit(child), KT_OK);
    assert_has(parent, "stock", "7");
    store_abort(parent);

    struct store_txn *reader = begin(f, NULL, STORE_READ);
    assert_has(reader, "stock", "10");
    store_abort(reader);
}

static void a_committed_child_becomes_durable_with_its_parent(void **state)
{
    struct fixture *f = *state;
    struct store_txn *parent = begin(f, NULL, STORE_WRITE);
    for (int i = 0; i < 20; i++) {
        char key[24];
        snprintf(key, sizeof key, "step %02d", i);
        struct store_txn *child = begin(f, parent, STORE_WRITE);
        put(child, key, "done");
        if (i % 2)
            store_abort(child);
        else
            assert_int_equal(store_commit(child), KT_OK);
    }
    assert_int_equal(store_commit(parent), KT_OK);
    reopen(f);
    struct store_txn *reader = begin(f, NULL, STORE_READ);
    assert_has(reader, "step 18", "done");
    assert_lacks(reader, "step 19");
    struct store_stat stat;
    assert_int_equal(store_lmdb.stat(reader, &stat), KT_OK);
    assert_int_equal(stat.entries, 10);
    store_abort(reader);
}

static void a_child_of_a_reader_and_a_reading_child_are_refused(void **state)
{
    struct fixture *f = *state;
    struct store_txn *child = NULL;
    struct store_txn *parent = begin(f, NULL, STORE_READ);
    assert_int_equal(store_begin(f->store, parent, STORE_WRITE, &child), KT_INTERNAL);
    store_abort(parent);
    parent = begin(f, NULL, STORE_WRITE);
    assert_int_equal(store_begin(f->store, parent, STORE_READ, &child), KT_INTERNAL);
    store_abort(parent);
}

/* Cursors */

static void fill_letters(struct fixture *f)
{
    struct store_txn *txn = begin(f, NULL, STORE_WRITE);
    put(txn, "d", "4");
    put(txn, "b", "2");
    put(txn, "f", "6");
    assert_int_equal(store_commit(txn), KT_OK);
}

static void a_cursor_walks_up_and_down(void **state)
{
    fill_letters(*state);
    struct store_txn *txn = begin(*state, NULL, STORE_READ);
    struct store_cursor *cursor;
    struct store_slice key;
    struct store_slice value;
    assert_int_equal(store_cursor_open(txn, &cursor), KT_OK);
    assert_int_equal(store_next(cursor, &key, &value), KT_NOT_FOUND); /* Not placed yet. */

    assert_int_equal(store_seek(cursor, bytes("c"), &key, &value), KT_OK);
    assert_slice(key, "d");
    assert_slice(value, "4");
    assert_int_equal(store_next(cursor, &key, NULL), KT_OK);
    assert_slice(key, "f");
    assert_int_equal(store_next(cursor, &key, NULL), KT_NOT_FOUND);
    assert_int_equal(store_next(cursor, &key, NULL), KT_NOT_FOUND); /* Never starts over. */

    assert_int_equal(store_seek(cursor, bytes("f"), NULL, NULL), KT_OK);
    assert_int_equal(store_prev(cursor, &key, NULL), KT_OK);
    assert_slice(key, "d");
    assert_int_equal(store_prev(cursor, &key, &value), KT_OK);
    assert_slice(key, "b");
    assert_slice(value, "2");
    assert_int_equal(store_prev(cursor, &key, NULL), KT_NOT_FOUND);
    assert_int_equal(store_prev(cursor, &key, NULL), KT_NOT_FOUND);

    assert_int_equal(store_seek(cursor, bytes("g"), &key, NULL), KT_NOT_FOUND);
    assert_int_equal(store_next(cursor, &key, NULL), KT_NOT_FOUND);
    store_cursor_close(cursor);
    store_abort(txn);
}

static void seek_before_finds_the_last_key_below(void **state)
{
    static const struct {
        const char *given;
        const char *expected;
    } table[] = {{"a", NULL}, {"b", NULL}, {"c", "b"}, {"d", "b"},
                 {"dd", "d"}, {"f", "d"},  {"z", "f"}};
    fill_letters(*state);
    struct store_txn *txn = begin(*state, NULL, STORE_READ);
    struct store_cursor *cursor;
    struct store_slice key;
    assert_int_equal(store_cursor_open(txn, &cursor), KT_OK);
    for (size_t i = 0; i < KT_COUNT(table); i++) {
        enum kt_status status = store_seek_before(cursor, bytes(table[i].given), &key, NULL);
        assert_int_equal(status, table[i].expected ? KT_OK : KT_NOT_FOUND);
        if (table[i].expected)
            assert_slice(key, table[i].expected);
    }
    assert_slice(key, "f"); /* From there one can walk on. */
    assert_int_equal(store_prev(cursor, &key, NULL), KT_OK);
    assert_slice(key, "d");
    store_cursor_close(cursor);
    store_abort(txn);
}

static void an_empty_store_has_nothing_before_or_after(void **state)
{
    struct store_txn *txn = begin(*state, NULL, STORE_READ);
    struct store_cursor *cursor;
    assert_int_equal(store_cursor_open(txn, &cursor), KT_OK);
    assert_int_equal(store_seek(cursor, bytes("a"), NULL, NULL), KT_NOT_FOUND);
    assert_int_equal(store_seek_before(cursor, bytes("z"), NULL, NULL), KT_NOT_FOUND);
    store_cursor_close(cursor);
    store_abort(txn);
}

/* Deleting a range while walking it, over many pages so that pages merge under the cursor. */
static void a_cursor_survives_deletes_by_seeking_again(void **state)
{
    enum { ROWS = 5000 };
    struct store_txn *txn = begin(*state, NULL, STORE_WRITE);
    char key[32];
    for (int i = 0; i < ROWS; i++) {
        snprintf(key, sizeof key, "row %06d", i);
        put(txn, key, "some words to fill the page a little");
    }
    struct store_cursor *cursor;
    struct store_slice found;
    assert_int_equal(store_cursor_open(txn, &cursor), KT_OK);
    int deleted = 0;
    enum kt_status status = store_seek(cursor, bytes("row 001000"), &found, NULL);
    while (status == KT_OK && memcmp(found.at, "row 004000", 10) < 0) {
        memcpy(key, found.at, found.size); /* The slice dies with the delete. */
        key[found.size] = '\0';
        assert_int_equal(store_del(txn, bytes(key)), KT_OK);
        deleted++;
        status = store_seek(cursor, bytes(key), &found, NULL);
    }
    assert_int_equal(deleted, 3000);
    assert_slice(found, "row 004000");
    assert_int_equal(store_prev(cursor, &found, NULL), KT_OK);
    assert_slice(found, "row 000999");
    store_cursor_close(cursor);
    assert_int_equal(store_commit(txn), KT_OK);
}

static void a_cursor_of_the_parent_works_again_after_the_child(void **state)
{
    fill_letters(*state);
    struct store_txn *parent = begin(*state, NULL, STORE_WRITE);
    struct store_cursor *cursor;
    struct store_slice key;
    assert_int_equal(store_cursor_open(parent, &cursor), KT_OK);
    assert_int_equal(store_seek(cursor, bytes("b"), &key, NULL), KT_OK);
    struct store_txn *child = begin(*state, parent, STORE_WRITE);
    assert_int_equal(store_del(child, bytes("b")), KT_OK);
    put(child, "c", "3");
    assert_int_equal(store_commit(child), KT_OK);
    assert_int_equal(store_seek(cursor, bytes("a"), &key, NULL), KT_OK);
    assert_slice(key, "c");
    child = begin(*state, parent, STORE_WRITE);
    assert_int_equal(store_del(child, bytes("c")), KT_OK);
    store_abort(child);
    assert_int_equal(store_seek(cursor, bytes("a"), &key, NULL), KT_OK);
    assert_slice(key, "c");
    store_cursor_close(cursor);
    store_abort(parent);
}

/* Snapshots */

static void a_reader_sees_its_snapshot_until_it_is_renewed(void **state)
{
    struct fixture *f = *state;
    save(f, "price", "10.00");
    struct store_txn *reader = begin(f, NULL, STORE_READ);
    struct store_txn *writer = begin(f, NULL, STORE_WRITE);
    put(writer, "price", "12.00");
    put(writer, "new", "1");
    assert_has(reader, "price", "10.00");
    assert_int_equal(store_commit(writer), KT_OK);
    assert_has(reader, "price", "10.00");
    assert_lacks(reader, "new");

    store_reset(reader);
    assert_int_equal(store_renew(reader), KT_OK);
    assert_has(reader, "price", "12.00");
    assert_has(reader, "new", "1");
    store_abort(reader);
}

static void one_thread_may_hold_several_snapshots(void **state)
{
    struct fixture *f = *state;
    struct store_txn *before = begin(f, NULL, STORE_READ);
    save(f, "a", "1");
    struct store_txn *after = begin(f, NULL, STORE_READ);
    save(f, "a", "2");
    assert_lacks(before, "a");
    assert_has(after, "a", "1");
    store_reset(before); /* A parked reader may be dropped without renewing. */
    store_abort(before);
    store_abort(after);
}

static void *add_one_hundred_times(void *argument)
{
    struct fixture *f = argument;
    for (int i = 0; i < 100; i++) {
        struct store_txn *txn = NULL;
        struct store_slice found;
        char text[24] = "0";
        if (store_begin(f->store, NULL, STORE_WRITE, &txn) != KT_OK)
            return f;
        if (store_get(txn, bytes("counter"), &found) == KT_OK) {
            memcpy(text, found.at, found.size);
            text[found.size] = '\0';
        }
        snprintf(text, sizeof text, "%ld", strtol(text, NULL, 10) + 1);
        if (store_put(txn, bytes("counter"), bytes(text)) != KT_OK || store_commit(txn) != KT_OK)
            return f;
    }
    return NULL;
}

static void writers_of_several_threads_take_turns(void **state)
{
    pthread_t threads[3];
    for (size_t i = 0; i < KT_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_one_hundred_times, *state), 0);
    for (size_t i = 0; i < KT_COUNT(threads); i++) {
        void *trouble;
        assert_int_equal(pthread_join(threads[i], &trouble), 0);
        assert_null(trouble);
    }
    struct store_txn *reader = begin(*state, NULL, STORE_READ);
    assert_has(reader, "counter", "300");
    store_abort(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_value_is_put_replaced_and_deleted),
        STORY(keys_of_no_or_too_many_bytes_are_refused_and_harm_nothing),
        STORY(a_large_value_comes_back_whole),
        STORY(committed_data_is_there_after_a_reopen_and_aborted_is_not),
        STORY(a_reader_cannot_write),
        STORY(an_aborted_child_leaves_its_parent_as_it_was),
        STORY(a_committed_child_falls_with_its_parent),
        STORY(a_committed_child_becomes_durable_with_its_parent),
        STORY(a_child_of_a_reader_and_a_reading_child_are_refused),
        STORY(a_cursor_walks_up_and_down),
        STORY(seek_before_finds_the_last_key_below),
        STORY(an_empty_store_has_nothing_before_or_after),
        STORY(a_cursor_survives_deletes_by_seeking_again),
        STORY(a_cursor_of_the_parent_works_again_after_the_child),
        STORY(a_reader_sees_its_snapshot_until_it_is_renewed),
        STORY(one_thread_may_hold_several_snapshots),
        STORY(writers_of_several_threads_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
