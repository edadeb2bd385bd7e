/** An empty store in a folder of its own for every story, and short words for what stories do.
 *  Static functions: a test program is one file. */
#pragma once

#include "store/store.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((uint64_t)1 << 20)

struct fixture {
    char root[64];
    char folder[96];
    struct store *store;
    char why[256];
};

static inline struct store_slice bytes(const char *text)
{
    return (struct store_slice){text, strlen(text)};
}

static inline enum kt_status open_sized(struct fixture *f, uint64_t limit_bytes)
{
    struct store_options options = {
        .folder = f->folder, .limit_bytes = limit_bytes, .unsafe_no_sync = true};
    return store_lmdb.open(&options, &f->store, f->why, sizeof f->why);
}

static inline void reopen(struct fixture *f)
{
    store_lmdb.close(f->store);
    assert_int_equal(open_sized(f, 64 * MIB), KT_OK);
}

static inline int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->root, sizeof f->root, "/tmp/kontor_store_XXXXXX");
    if (!mkdtemp(f->root))
        return -1;
    snprintf(f->folder, sizeof f->folder, "%s/base", f->root);
    *state = f;
    return open_sized(f, 64 * MIB) == KT_OK ? 0 : -1;
}

static inline int remove_one(const char *path, const struct stat *status, int kind,
                             struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    if (f->store)
        store_lmdb.close(f->store);
    nftw(f->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

static inline struct store_txn *begin(struct fixture *f, struct store_txn *parent,
                                      enum store_mode mode)
{
    struct store_txn *txn = NULL;
    assert_int_equal(store_begin(f->store, parent, mode, &txn), KT_OK);
    return txn;
}

static inline void put(struct store_txn *txn, const char *key, const char *value)
{
    assert_int_equal(store_put(txn, bytes(key), bytes(value)), KT_OK);
}

static inline void assert_slice(struct store_slice slice, const char *text)
{
    assert_int_equal(slice.size, strlen(text));
    assert_memory_equal(slice.at, text, slice.size);
}

static inline void assert_has(struct store_txn *txn, const char *key, const char *value)
{
    struct store_slice found;
    assert_int_equal(store_get(txn, bytes(key), &found), KT_OK);
    assert_slice(found, value);
}

static inline void assert_lacks(struct store_txn *txn, const char *key)
{
    struct store_slice found;
    assert_int_equal(store_get(txn, bytes(key), &found), KT_NOT_FOUND);
}

static inline void save(struct fixture *f, const char *key, const char *value)
{
    struct store_txn *txn = begin(f, NULL, STORE_WRITE);
    put(txn, key, value);
    assert_int_equal(store_commit(txn), KT_OK);
}

#define STORY(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
