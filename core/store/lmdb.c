/* The embedded driver: one folder, one LMDB environment, one unnamed B+tree.
 *
 * Invariants:
 * - No MDB_WRITEMAP: nested transactions need private pages, and a stray pointer cannot hurt the
 * file.
 * - MDB_NOTLS: a read transaction belongs to its object, not to a thread, so that one thread can
 * keep several and a pool can hand them around. A write transaction stays on the thread that began
 * it.
 * - A transaction in which LMDB failed keeps the first failure in `failed`, answers it again and
 * can no longer be committed; its parent is as it was before. */
#include "store/store.h"

#include "base/log.h"
#include "store/folder.h"

#include <errno.h>
#include <inttypes.h>
#include <lmdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_MAP_BYTES ((uint64_t)16 << 30)
#define DEFAULT_READERS   126
#define META_PAGES        2
/* LMDB's own list of free pages is its database 0 (as tools/mdb_stat.c reads it). */
#define FREE_LIST_DBI 0

_Static_assert(sizeof(size_t) >= sizeof(uint64_t), "the map needs a 64-bit address space");

struct lmdb_store {
    struct store base;
    MDB_env *env;
    MDB_dbi dbi;
    int lock_fd;
    atomic_ullong puts, put_key_bytes, put_value_bytes;
};

struct lmdb_txn {
    struct store_txn base;
    MDB_txn *txn;
    struct lmdb_txn *parent;
    enum kt_status failed; /* KT_OK until LMDB fails. */
};

struct lmdb_cursor {
    struct store_cursor base;
    MDB_cursor *cursor;
    bool placed; /* LMDB's `next` of an unplaced cursor starts over; a loop would never end. */
};

static enum kt_status open_environment(struct lmdb_store *self, const struct store_options *options,
                                       char *why, size_t why_size);
static enum kt_status open_tree(struct lmdb_store *self, char *why, size_t why_size);
static void lmdb_close(struct store *store);

static struct lmdb_store *store_of(struct lmdb_txn *txn)
{
    return (struct lmdb_store *)txn->base.store;
}

static struct lmdb_txn *txn_of(struct lmdb_cursor *cursor)
{
    return (struct lmdb_txn *)cursor->base.txn;
}

/* Failures */

static enum kt_status report(const char *doing, int error)
{
    log_error("storage failed doing=%s code=%d cause=\"%s\"", doing, error, mdb_strerror(error));
    bool full = error == MDB_MAP_FULL || error == MDB_TXN_FULL || error == MDB_BAD_VALSIZE;
    return full ? KT_TOO_LARGE : KT_INTERNAL;
}

/* What LMDB's answer means to the caller. The first failure sticks to the transaction. */
static enum kt_status settle(struct lmdb_txn *txn, const char *doing, int error)
{
    if (error == MDB_SUCCESS)
        return KT_OK;
    if (error == MDB_NOTFOUND)
        return KT_NOT_FOUND;
    if (txn->failed == KT_OK)
        txn->failed = report(doing, error);
    return txn->failed;
}

static enum kt_status check_key(struct store_slice key)
{
    return key.size >= 1 && key.size <= STORE_KEY_MAX ? KT_OK : KT_TOO_LARGE;
}

/* LMDB takes pointers to what it only reads as `void *`; the union keeps the compiler's eye on
 * every other place where a const would be lost. */
static MDB_val borrow(struct store_slice slice)
{
    union {
        const void *in;
        void *out;
    } at = {.in = slice.at};
    return (MDB_val){.mv_size = slice.size, .mv_data = at.out};
}

static void lend(struct store_slice *slice, MDB_val from)
{
    if (slice)
        *slice = (struct store_slice){from.mv_data, from.mv_size};
}

/* Open and close */

static enum kt_status lmdb_open(const struct store_options *options, struct store **out, char *why,
                                size_t why_size)
{
    struct lmdb_store *self = calloc(1, sizeof *self);
    if (!self)
        return folder_explain(KT_INTERNAL, why, why_size, "out of memory");
    self->base.driver = &store_lmdb;
    self->lock_fd = -1;

    bool created;
    enum kt_status status = folder_create(options->folder, &created, why, why_size);
    if (status == KT_OK)
        status = folder_lock(options->folder, &self->lock_fd, why, why_size);
    if (status == KT_OK)
        status = open_environment(self, options, why, why_size);
    if (status == KT_OK)
        status = open_tree(self, why, why_size);
    /* The files are new or were there; either way their names must outlive a power cut before the
     * first commit is called durable. */
    if (status == KT_OK && !options->unsafe_no_sync)
        status = folder_sync(options->folder, why, why_size);
    if (status != KT_OK) {
        lmdb_close(&self->base);
        return status;
    }
    *out = &self->base;
    return KT_OK;
}

static enum kt_status open_environment(struct lmdb_store *self, const struct store_options *options,
                                       char *why, size_t why_size)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t map = options->map_size_bytes ? options->map_size_bytes : DEFAULT_MAP_BYTES;
    map = (map + page - 1) / page * page;
    unsigned readers = options->readers ? options->readers : DEFAULT_READERS;
    unsigned flags = MDB_NOTLS | (options->unsafe_no_sync ? MDB_NOSYNC : 0);

    int error = mdb_env_create(&self->env);
    if (error == MDB_SUCCESS)
        error = mdb_env_set_mapsize(self->env, map);
    if (error == MDB_SUCCESS)
        error = mdb_env_set_maxreaders(self->env, readers);
    if (error == MDB_SUCCESS)
        error = mdb_env_open(self->env, options->folder, flags, 0600);
    if (error != MDB_SUCCESS)
        return folder_explain(KT_INTERNAL, why, why_size,
                              "cannot open the database in %s with a map of %" PRIu64 " bytes: %s",
                              options->folder, map, mdb_strerror(error));
    if (mdb_env_get_maxkeysize(self->env) < STORE_KEY_MAX)
        return folder_explain(KT_INTERNAL, why, why_size,
                              "this build of LMDB takes keys of %d bytes, %d are needed",
                              mdb_env_get_maxkeysize(self->env), STORE_KEY_MAX);
    return KT_OK;
}

static enum kt_status open_tree(struct lmdb_store *self, char *why, size_t why_size)
{
    /* Slots of readers that died with an earlier process would keep old pages for ever. */
    int dead = 0;
    int error = mdb_reader_check(self->env, &dead);
    if (dead > 0)
        log_warn("storage freed readers of a dead process count=%d", dead);

    MDB_txn *txn = NULL;
    if (error == MDB_SUCCESS)
        error = mdb_txn_begin(self->env, NULL, MDB_RDONLY, &txn);
    if (error == MDB_SUCCESS)
        error = mdb_dbi_open(txn, NULL, 0, &self->dbi);
    if (error == MDB_SUCCESS)
        error = mdb_txn_commit(txn);
    else
        mdb_txn_abort(txn);
    if (error != MDB_SUCCESS)
        return folder_explain(KT_INTERNAL, why, why_size, "cannot read the database: %s",
                              mdb_strerror(error));
    return KT_OK;
}

static void lmdb_close(struct store *store)
{
    struct lmdb_store *self = (struct lmdb_store *)store;
    if (!self)
        return;
    if (self->env)
        mdb_env_close(self->env);
    if (self->lock_fd >= 0) /* Last: nobody else may open while the environment is still ours. */
        folder_unlock(self->lock_fd);
    free(self);
}

/* Transactions */

static enum kt_status lmdb_begin(struct store *store, struct store_txn *parent,
                                 enum store_mode mode, struct store_txn **out)
{
    struct lmdb_store *self = (struct lmdb_store *)store;
    struct lmdb_txn *outer = (struct lmdb_txn *)parent;
    if (outer && outer->failed != KT_OK)
        return outer->failed;
    if (outer && mode != STORE_WRITE)
        return report("begin", EINVAL);

    struct lmdb_txn *txn = calloc(1, sizeof *txn);
    if (!txn)
        return report("begin", ENOMEM);
    *txn = (struct lmdb_txn){.base.store = store, .parent = outer};
    int error = mdb_txn_begin(self->env, outer ? outer->txn : NULL,
                              mode == STORE_READ ? MDB_RDONLY : 0, &txn->txn);
    if (error != MDB_SUCCESS) {
        free(txn);
        return report("begin", error);
    }
    *out = &txn->base;
    return KT_OK;
}

static enum kt_status lmdb_commit(struct store_txn *base)
{
    struct lmdb_txn *txn = (struct lmdb_txn *)base;
    enum kt_status status = txn->failed;
    if (status != KT_OK) {
        /* Not mdb_txn_commit: that of a broken child would break the parent as well. */
        mdb_txn_abort(txn->txn);
    } else {
        status = settle(txn, "commit", mdb_txn_commit(txn->txn));
        if (status != KT_OK && txn->parent) /* Half merged: the parent must not be kept either. */
            txn->parent->failed = status;
    }
    free(txn);
    return status;
}

static void lmdb_abort(struct store_txn *base)
{
    struct lmdb_txn *txn = (struct lmdb_txn *)base;
    mdb_txn_abort(txn->txn);
    free(txn);
}

static void lmdb_reset(struct store_txn *base)
{
    mdb_txn_reset(((struct lmdb_txn *)base)->txn);
}

static enum kt_status lmdb_renew(struct store_txn *base)
{
    int error = mdb_txn_renew(((struct lmdb_txn *)base)->txn);
    return error == MDB_SUCCESS ? KT_OK : report("renew", error);
}

/* Single records */

static enum kt_status lmdb_get(struct store_txn *base, struct store_slice key,
                               struct store_slice *value)
{
    KT_TRY(check_key(key));
    struct lmdb_txn *txn = (struct lmdb_txn *)base;
    MDB_val wanted = borrow(key);
    MDB_val got = {0};
    KT_TRY(settle(txn, "get", mdb_get(txn->txn, store_of(txn)->dbi, &wanted, &got)));
    lend(value, got);
    return KT_OK;
}

static enum kt_status lmdb_put(struct store_txn *base, struct store_slice key,
                               struct store_slice value)
{
    KT_TRY(check_key(key));
    struct lmdb_txn *txn = (struct lmdb_txn *)base;
    struct lmdb_store *self = store_of(txn);
    MDB_val at = borrow(key);
    MDB_val content = borrow(value);
    atomic_fetch_add_explicit(&self->puts, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&self->put_key_bytes, key.size, memory_order_relaxed);
    atomic_fetch_add_explicit(&self->put_value_bytes, value.size, memory_order_relaxed);
    return settle(txn, "put", mdb_put(txn->txn, self->dbi, &at, &content, 0));
}

static enum kt_status lmdb_del(struct store_txn *base, struct store_slice key)
{
    KT_TRY(check_key(key));
    struct lmdb_txn *txn = (struct lmdb_txn *)base;
    MDB_val at = borrow(key);
    return settle(txn, "delete", mdb_del(txn->txn, store_of(txn)->dbi, &at, NULL));
}

/* Cursors */

static enum kt_status lmdb_cursor_open(struct store_txn *base, struct store_cursor **out)
{
    struct lmdb_txn *txn = (struct lmdb_txn *)base;
    struct lmdb_cursor *cursor = calloc(1, sizeof *cursor);
    if (!cursor)
        return report("open a cursor", ENOMEM);
    cursor->base.txn = base;
    enum kt_status status = settle(txn, "open a cursor",
                                   mdb_cursor_open(txn->txn, store_of(txn)->dbi, &cursor->cursor));
    if (status != KT_OK) {
        free(cursor);
        return status;
    }
    *out = &cursor->base;
    return KT_OK;
}

static void lmdb_cursor_close(struct store_cursor *base)
{
    struct lmdb_cursor *cursor = (struct lmdb_cursor *)base;
    mdb_cursor_close(cursor->cursor);
    free(cursor);
}

static enum kt_status move(struct lmdb_cursor *cursor, MDB_cursor_op how, MDB_val key,
                           struct store_slice *found, struct store_slice *value)
{
    MDB_val content = {0};
    int error = mdb_cursor_get(cursor->cursor, &key, &content, how);
    cursor->placed = error == MDB_SUCCESS;
    KT_TRY(settle(txn_of(cursor), "move a cursor", error));
    lend(found, key);
    lend(value, content);
    return KT_OK;
}

static enum kt_status lmdb_seek(struct store_cursor *base, struct store_slice key,
                                struct store_slice *found, struct store_slice *value)
{
    KT_TRY(check_key(key));
    return move((struct lmdb_cursor *)base, MDB_SET_RANGE, borrow(key), found, value);
}

static enum kt_status step(struct store_cursor *base, MDB_cursor_op how, struct store_slice *found,
                           struct store_slice *value)
{
    struct lmdb_cursor *cursor = (struct lmdb_cursor *)base;
    if (!cursor->placed)
        return KT_NOT_FOUND;
    return move(cursor, how, (MDB_val){0}, found, value);
}

static enum kt_status lmdb_next(struct store_cursor *base, struct store_slice *found,
                                struct store_slice *value)
{
    return step(base, MDB_NEXT, found, value);
}

static enum kt_status lmdb_prev(struct store_cursor *base, struct store_slice *found,
                                struct store_slice *value)
{
    return step(base, MDB_PREV, found, value);
}

static enum kt_status lmdb_seek_before(struct store_cursor *base, struct store_slice key,
                                       struct store_slice *found, struct store_slice *value)
{
    KT_TRY(check_key(key));
    struct lmdb_cursor *cursor = (struct lmdb_cursor *)base;
    enum kt_status status = move(cursor, MDB_SET_RANGE, borrow(key), NULL, NULL);
    if (status == KT_OK)
        return move(cursor, MDB_PREV, (MDB_val){0}, found, value);
    if (status == KT_NOT_FOUND) /* All keys are below. */
        return move(cursor, MDB_LAST, (MDB_val){0}, found, value);
    return status;
}

/* Care */

static uint64_t pages_of(const MDB_stat *tree)
{
    return (uint64_t)tree->ms_branch_pages + tree->ms_leaf_pages + tree->ms_overflow_pages;
}

static enum kt_status lmdb_stat(struct store_txn *base, struct store_stat *out)
{
    struct lmdb_txn *txn = (struct lmdb_txn *)base;
    struct lmdb_store *self = store_of(txn);
    MDB_stat tree;
    MDB_stat free_list;
    MDB_envinfo environment;
    KT_TRY(settle(txn, "stat", mdb_stat(txn->txn, self->dbi, &tree)));
    KT_TRY(settle(txn, "stat", mdb_stat(txn->txn, FREE_LIST_DBI, &free_list)));
    KT_TRY(settle(txn, "stat", mdb_env_info(self->env, &environment)));
    *out = (struct store_stat){
        .entries = tree.ms_entries,
        .used_bytes = (META_PAGES + pages_of(&tree) + pages_of(&free_list)) * tree.ms_psize,
        .map_bytes = environment.me_mapsize,
        .last_txn = environment.me_last_txnid,
        .puts = atomic_load(&self->puts),
        .put_key_bytes = atomic_load(&self->put_key_bytes),
        .put_value_bytes = atomic_load(&self->put_value_bytes),
    };
    return KT_OK;
}

/* Copies and makes the copy durable. Compacting refuses a file with leaked pages; a backup with
 * them is better than none. */
static enum kt_status copy_into(MDB_env *env, const char *folder, const char *file, char *why,
                                size_t why_size)
{
    int error = mdb_env_copy2(env, folder, MDB_CP_COMPACT);
    if (error == MDB_INCOMPATIBLE) {
        log_warn("storage copies without compaction cause=\"%s\"", mdb_strerror(error));
        unlink(file);
        error = mdb_env_copy2(env, folder, 0);
    }
    if (error != MDB_SUCCESS)
        return folder_explain(KT_INTERNAL, why, why_size, "cannot copy to %s: %s", folder,
                              mdb_strerror(error));
    KT_TRY(folder_sync_file(folder, "data.mdb", why, why_size));
    return folder_sync(folder, why, why_size);
}

static enum kt_status lmdb_copy(struct store *store, const char *folder)
{
    struct lmdb_store *self = (struct lmdb_store *)store;
    char why[512];
    char file[FOLDER_PATH_SIZE];
    bool created = false;
    enum kt_status status = KT_OK;
    if ((size_t)snprintf(file, sizeof file, "%s/data.mdb", folder) >= sizeof file)
        status = folder_explain(KT_INTERNAL, why, sizeof why, "the path of the copy is too long");
    if (status == KT_OK)
        status = folder_create(folder, &created, why, sizeof why);
    if (status == KT_OK)
        status = folder_check_empty(folder, why, sizeof why);
    if (status == KT_OK) {
        status = copy_into(self->env, folder, file, why, sizeof why);
        if (status != KT_OK) /* Half a copy must not be taken for a backup. */
            unlink(file);
    }
    if (status == KT_OK)
        return KT_OK;
    if (created)
        rmdir(folder);
    log_error("storage copy failed cause=\"%s\"", why);
    return KT_INTERNAL;
}

const struct store_driver store_lmdb = {
    .name = "lmdb",
    .open = lmdb_open,
    .close = lmdb_close,
    .begin = lmdb_begin,
    .commit = lmdb_commit,
    .abort = lmdb_abort,
    .reset = lmdb_reset,
    .renew = lmdb_renew,
    .get = lmdb_get,
    .put = lmdb_put,
    .del = lmdb_del,
    .cursor_open = lmdb_cursor_open,
    .cursor_close = lmdb_cursor_close,
    .seek = lmdb_seek,
    .next = lmdb_next,
    .prev = lmdb_prev,
    .seek_before = lmdb_seek_before,
    .stat = lmdb_stat,
    .copy = lmdb_copy,
};
