/** The LMDB environment under the embedded driver: opened, grown, and opened anew after the disk
 *  failed. For lmdb.c only.
 *
 *  LMDB can neither grow its map nor recover from a failed sync while a transaction is open in the
 *  process. So everyone who begins one goes through a gate, and one procedure serves both: shut the
 *  gate, close the environment, open it with the map that is wanted, open the gate. Read
 *  transactions that were parked meanwhile begin anew when they are renewed. */
#pragma once

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "store/gate.h"
#include "store/store.h"

struct lmdb_txn {
    struct store_txn base;
    MDB_txn *txn; /**< NULL: of a parked reader whose environment was closed. */
    struct lmdb_txn *parent;
    enum kt_status failed; /**< KT_OK until LMDB fails. */
    bool is_reader;
    bool is_parked;
    struct lmdb_txn *next, **link; /**< Readers: in the store's list. */
};

struct lmdb_store {
    struct store base;
    char *folder;
    uint64_t map_bytes, limit_bytes;
    unsigned reader_slots, flags;
    int lock_fd;

    struct gate gate; /**< Inside it `env` and `dbi` do not change. */
    MDB_env *env;     /**< NULL: it could not be opened again, so far. */
    MDB_dbi dbi;
    pthread_mutex_t readers_lock;
    struct lmdb_txn *readers;

    pthread_mutex_t write_lock; /**< Held by the top write transaction; guards what follows. */
    bool wants_room;            /**< A transaction met the end of the map. */
    bool cannot_grow;           /**< As growth stood when the transaction began. */
    bool is_suspect;            /**< A commit failed on the disk: no write before a new opening. */
    enum store_fault disk_fault;
    int64_t disk_retry_us, grow_retry_us;
    enum store_fault trouble; /**< That the log knows of. */
    int64_t trouble_logged_us;
    int64_t care_us;
    bool warned_of_limit, warned_of_disk;

    atomic_int fault; /**< enum store_fault, until it is taken. */
    atomic_ullong puts, put_key_bytes, put_value_bytes;
};

/** Makes the folder, takes its lock and opens what is in it. */
enum kt_status lmdb_env_open(struct lmdb_store *self, const struct store_options *options,
                             char *why, size_t why_size);
void lmdb_env_close(struct lmdb_store *self);

/** Before a top write transaction, with the write lock: what was left to mend is mended. */
enum kt_status lmdb_env_prepare_write(struct lmdb_store *self);
/** What LMDB's failure means for who writes; kept until it is taken. */
enum kt_status lmdb_env_write_failed(struct lmdb_store *self, const char *doing, int error);
/** After the commit of transaction `id` failed, outside of the gate. KT_OK when it turns out that
 *  it is on disk after all. */
enum kt_status lmdb_env_commit_failed(struct lmdb_store *self, size_t id, int error);
/** After a commit that reached the disk, inside the gate. */
void lmdb_env_committed(struct lmdb_store *self, uint64_t used_bytes);
/** 0 when the system does not tell. */
uint64_t lmdb_env_disk_free(const struct lmdb_store *self);
/** Any other failure of LMDB, to the log. */
enum kt_status lmdb_env_report(const char *doing, int error);

/** lmdb_copy.c: the driver's `copy`. */
enum kt_status lmdb_copy(struct store *store, const char *folder);
