/* The embedded driver: one folder, one LMDB environment, one unnamed B+tree. lmdb_env.c opens it
 * and keeps it usable; here are its transactions.
 *
 * Invariants:
 * - No MDB_WRITEMAP: nested transactions need private pages, and a stray pointer cannot hurt the
 *   file.
 * - MDB_NOTLS: a read transaction belongs to its object, not to a thread, so that one thread can
 *   keep several and a pool can hand them around. A write transaction stays on the thread that
 * began it.
 * - A transaction in which LMDB failed keeps the first failure in `failed`, answers it again and
 *   can no longer be committed; its parent is as it was before.
 * - Every transaction that is under way is inside the gate; a parked reader is not. */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "store/folder.h"
#include "store/lmdb_env.h"

#define META_PAGES 2
/* LMDB's own list of free pages is its database 0 (as tools/mdb_stat.c reads it). */
#define FREE_LIST_DBI 0

struct lmdb_cursor {
    struct store_cursor base;
    MDB_cursor *cursor;
    bool placed; /* LMDB's `next` of an unplaced cursor starts over; a loop would never end. */
};

static struct lmdb_store *store_of(struct lmdb_txn *txn)
{
    return (struct lmdb_store *)txn->base.store;
}

static struct lmdb_txn *txn_of(struct lmdb_cursor *cursor)
{
    return (struct lmdb_txn *)cursor->base.txn;
}

/* Failures */

/* What LMDB's answer means to the caller. The first failure sticks to the transaction. */
static enum kt_status settle(struct lmdb_txn *txn, const char *doing, int error)
{
    if (error == MDB_SUCCESS)
        return KT_OK;
    if (error == MDB_NOTFOUND)
        return KT_NOT_FOUND;
    if (txn->failed == KT_OK)
        txn->failed = txn->is_reader ? lmdb_env_report(doing, error)
                                     : lmdb_env_write_failed(store_of(txn), doing, error);
    return txn->failed;
}

/* Somebody waits for the reads to end. */
static enum kt_status check_hurry(struct lmdb_txn *txn)
{
    if (!txn->is_reader)
        return KT_OK;
    if (txn->failed == KT_OK &&
        atomic_load_explicit(&store_of(txn)->gate.hurry, memory_order_relaxed)) {
        log_warn("storage ended a long read: the file must be opened anew, to grow or after the "
                 "disk failed");
        txn->failed = KT_BUSY;
    }
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

static void lmdb_close(struct store *store)
{
    lmdb_env_close((struct lmdb_store *)store);
    free(store);
}

static enum kt_status lmdb_open(const struct store_options *options, struct store **out, char *why,
                                size_t why_size)
{
    struct lmdb_store *self = calloc(1, sizeof *self);
    if (!self)
        return folder_explain(KT_INTERNAL, why, why_size, "out of memory");
    self->base.driver = &store_lmdb;
    enum kt_status status = lmdb_env_open(self, options, why, why_size);
    if (status != KT_OK) {
        lmdb_close(&self->base);
        return status;
    }
    *out = &self->base;
    return KT_OK;
}

/* Readers */

static enum kt_status start_reader(struct lmdb_txn *txn)
{
    struct lmdb_store *self = store_of(txn);
    gate_enter(&self->gate);
    int error = !self->env ? MDB_PANIC
                : txn->txn ? mdb_txn_renew(txn->txn)
                           : mdb_txn_begin(self->env, NULL, MDB_RDONLY, &txn->txn);
    txn->is_parked = error != MDB_SUCCESS;
    txn->failed = KT_OK;
    if (error == MDB_SUCCESS)
        return KT_OK;
    gate_leave(&self->gate);
    return error == MDB_PANIC ? KT_BUSY : lmdb_env_report("begin to read", error);
}

static void lmdb_reset(struct store_txn *base)
{
    struct lmdb_txn *txn = (struct lmdb_txn *)base;
    if (txn->is_parked)
        return;
    mdb_txn_reset(txn->txn);
    txn->is_parked = true;
    gate_leave(&store_of(txn)->gate);
}

static enum kt_status lmdb_renew(struct store_txn *base)
{
    return start_reader((struct lmdb_txn *)base);
}

static enum kt_status begin_reader(struct lmdb_txn *txn)
{
    struct lmdb_store *self = store_of(txn);
    txn->is_reader = true;
    KT_TRY(start_reader(txn));
    pthread_mutex_lock(&self->readers_lock);
    txn->next = self->readers;
    txn->link = &self->readers;
    if (txn->next)
        txn->next->link = &txn->next;
    self->readers = txn;
    pthread_mutex_unlock(&self->readers_lock);
    return KT_OK;
}

static void end_reader(struct lmdb_txn *txn)
{
    struct lmdb_store *self = store_of(txn);
    if (txn->is_parked) /* Inside, its environment cannot be closed under it. */
        gate_enter(&self->gate);
    pthread_mutex_lock(&self->readers_lock);
    *txn->link = txn->next;
    if (txn->next)
        txn->next->link = txn->link;
    pthread_mutex_unlock(&self->readers_lock);
    if (txn->txn)
        mdb_txn_abort(txn->txn);
    gate_leave(&self->gate);
}

/* Writers */

static void leave_writing(struct lmdb_txn *txn)
{
    struct lmdb_store *self = store_of(txn);
    gate_leave(&self->gate);
    pthread_mutex_unlock(&self->write_lock);
}

static enum kt_status begin_top(struct lmdb_txn *txn)
{
    struct lmdb_store *self = store_of(txn);
    pthread_mutex_lock(&self->write_lock);
    enum kt_status status = lmdb_env_prepare_write(self);
    if (status != KT_OK) {
        pthread_mutex_unlock(&self->write_lock);
        return status;
    }
    gate_enter(&self->gate);
    status =
        settle(txn, "begin", self->env ? mdb_txn_begin(self->env, NULL, 0, &txn->txn) : MDB_PANIC);
    if (status != KT_OK)
        leave_writing(txn);
    return status;
}

static enum kt_status begin_nested(struct lmdb_txn *txn, enum store_mode mode)
{
    if (txn->parent->failed != KT_OK)
        return txn->parent->failed;
    if (mode != STORE_WRITE)
        return lmdb_env_report("begin", EINVAL);
    int error = mdb_txn_begin(store_of(txn)->env, txn->parent->txn, 0, &txn->txn);
    return error == MDB_SUCCESS ? KT_OK : lmdb_env_report("begin", error);
}

static enum kt_status lmdb_begin(struct store *store, struct store_txn *parent,
                                 enum store_mode mode, struct store_txn **out)
{
    struct lmdb_txn *txn = calloc(1, sizeof *txn);
    if (!txn)
        return lmdb_env_report("begin", ENOMEM);
    txn->base.store = store;
    txn->parent = (struct lmdb_txn *)parent;
    enum kt_status status = parent               ? begin_nested(txn, mode)
                            : mode == STORE_READ ? begin_reader(txn)
                                                 : begin_top(txn);
    if (status != KT_OK) {
        free(txn);
        return status;
    }
    *out = &txn->base;
    return KT_OK;
}

static void lmdb_abort(struct store_txn *base)
{
    struct lmdb_txn *txn = (struct lmdb_txn *)base;
    if (txn->is_reader) {
        end_reader(txn);
    } else {
        mdb_txn_abort(txn->txn);
        if (!txn->parent)
            leave_writing(txn);
    }
    free(txn);
}

static uint64_t used_bytes(struct lmdb_store *self, MDB_txn *txn)
{
    MDB_stat tree = {0};
    MDB_stat free_list = {0};
    mdb_stat(txn, self->dbi, &tree);
    mdb_stat(txn, FREE_LIST_DBI, &free_list);
    return (META_PAGES + tree.ms_branch_pages + tree.ms_leaf_pages + tree.ms_overflow_pages +
            free_list.ms_branch_pages + free_list.ms_leaf_pages + free_list.ms_overflow_pages) *
           (uint64_t)tree.ms_psize;
}

static enum kt_status commit_nested(struct lmdb_txn *txn)
{
    enum kt_status status = settle(txn, "commit", mdb_txn_commit(txn->txn));
    if (status != KT_OK) /* Half merged: the parent must not be kept either. */
        txn->parent->failed = status;
    free(txn);
    return status;
}

static enum kt_status commit_top(struct lmdb_txn *txn)
{
    struct lmdb_store *self = store_of(txn);
    MDB_envinfo environment;
    size_t id = mdb_txn_id(txn->txn);
    uint64_t used = used_bytes(self, txn->txn);
    int error = mdb_txn_commit(txn->txn);
    /* Without changes nothing is written, and nothing is known of the disk. */
    if (error == MDB_SUCCESS && mdb_env_info(self->env, &environment) == MDB_SUCCESS &&
        environment.me_last_txnid == id)
        lmdb_env_committed(self, used);
    gate_leave(&self->gate);
    enum kt_status status = error == MDB_SUCCESS ? KT_OK : lmdb_env_commit_failed(self, id, error);
    pthread_mutex_unlock(&self->write_lock);
    free(txn);
    return status;
}

static enum kt_status lmdb_commit(struct store_txn *base)
{
    struct lmdb_txn *txn = (struct lmdb_txn *)base;
    enum kt_status failed = txn->failed;
    if (failed != KT_OK || txn->is_reader) {
        /* Not mdb_txn_commit: that of a broken child would break the parent as well. */
        lmdb_abort(base);
        return failed;
    }
    return txn->parent ? commit_nested(txn) : commit_top(txn);
}

static enum kt_status lmdb_failure(const struct store_txn *base)
{
    return ((const struct lmdb_txn *)base)->failed;
}

static enum store_fault lmdb_take_fault(struct store *store)
{
    struct lmdb_store *self = (struct lmdb_store *)store;
    return (enum store_fault)atomic_exchange(&self->fault, (int)STORE_FAULT_NONE);
}

/* Single records */

static enum kt_status lmdb_get(struct store_txn *base, struct store_slice key,
                               struct store_slice *value)
{
    struct lmdb_txn *txn = (struct lmdb_txn *)base;
    KT_TRY(check_key(key));
    KT_TRY(check_hurry(txn));
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
        return lmdb_env_report("open a cursor", ENOMEM);
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
    KT_TRY(check_hurry(txn_of(cursor)));
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

static enum kt_status lmdb_stat(struct store_txn *base, struct store_stat *out)
{
    struct lmdb_txn *txn = (struct lmdb_txn *)base;
    struct lmdb_store *self = store_of(txn);
    MDB_stat tree;
    MDB_envinfo environment;
    KT_TRY(settle(txn, "stat", mdb_stat(txn->txn, self->dbi, &tree)));
    KT_TRY(settle(txn, "stat", mdb_env_info(self->env, &environment)));
    *out = (struct store_stat){
        .entries = tree.ms_entries,
        .used_bytes = used_bytes(self, txn->txn),
        .file_bytes = (environment.me_last_pgno + 1) * (uint64_t)tree.ms_psize,
        .map_bytes = environment.me_mapsize,
        .limit_bytes = self->limit_bytes,
        .disk_free_bytes = lmdb_env_disk_free(self),
        .last_txn = environment.me_last_txnid,
        .puts = atomic_load(&self->puts),
        .put_key_bytes = atomic_load(&self->put_key_bytes),
        .put_value_bytes = atomic_load(&self->put_value_bytes),
    };
    return KT_OK;
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
    .failure = lmdb_failure,
    .take_fault = lmdb_take_fault,
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
