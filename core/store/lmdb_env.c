/* Opening, growing, mending.
 *
 * What LMDB 0.9 does when the disk fails, and what follows from it:
 * - Pages are written and synced before the meta page that makes them count. A failure before that
 *   leaves the data as they were. The next commit writes all its pages again; a failed sync is
 * never repeated and taken for success.
 * - The kernel tells a failed write-back once per open file. LMDB has two, so the second one would
 *   fail the next good commit: therefore a new opening before the next write.
 * - A failure of the meta page leaves LMDB unusable, and the page cache may say something else than
 *   the disk. The meta pages are written again as the cache has them, and synced, before anything
 *   else is: otherwise a later power cut could bring back a meta page whose pages are gone. */
#include "store/lmdb_env.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/folder.h"

#define DATA_NAME       "data.mdb"
#define DEFAULT_START   ((uint64_t)1 << 30)
#define DEFAULT_LIMIT   ((uint64_t)1 << 40)
#define DEFAULT_READERS 126
#define META_BYTES      65536 /* Two pages of at most 32 KiB. */

#define PATIENCE_US   1000000 /* For reads to end, and once more after they were told to. */
#define GROW_RETRY_US 1000000
#define DISK_RETRY_US 200000
#define CARE_US       1000000
#define LOG_AGAIN_US  60000000

#define DISK_IS_FULL_BYTES ((uint64_t)1 << 20)
#define DISK_LOW_BYTES     ((uint64_t)512 << 20)

_Static_assert(sizeof(size_t) >= sizeof(uint64_t), "the map needs a 64-bit address space");

/* Opening */

static uint64_t file_size(const struct lmdb_store *self)
{
    char path[FOLDER_PATH_SIZE];
    struct stat found;
    snprintf(path, sizeof path, "%s/" DATA_NAME, self->folder);
    return stat(path, &found) == 0 ? (uint64_t)found.st_size : 0;
}

/* See above. The same bytes in the same place: nothing changes but what the disk is sure to have.
 */
static enum kt_status settle_meta_pages(const struct lmdb_store *self, char *why, size_t why_size)
{
    static const char doing[] = "cannot make sure of the first pages of " DATA_NAME;
    char path[FOLDER_PATH_SIZE];
    char *pages = malloc(META_BYTES);
    snprintf(path, sizeof path, "%s/" DATA_NAME, self->folder);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        free(pages);
        return KT_OK;
    }
    ssize_t size = fd >= 0 && pages ? pread(fd, pages, META_BYTES, 0) : -1;
    bool is_settled = size >= 0 && pwrite(fd, pages, (size_t)size, 0) == size &&
                      ((self->flags & MDB_NOSYNC) || fdatasync(fd) == 0);
    int error = errno;
    if (fd >= 0)
        close(fd);
    free(pages);
    return is_settled ? KT_OK
                      : folder_explain(KT_BUSY, why, why_size, "%s: %s", doing, strerror(error));
}

static int open_tree(struct lmdb_store *self)
{
    MDB_txn *txn;
    int error = mdb_txn_begin(self->env, NULL, MDB_RDONLY, &txn);
    if (error != MDB_SUCCESS)
        return error;
    error = mdb_dbi_open(txn, NULL, 0, &self->dbi);
    if (error == MDB_SUCCESS)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return error;
}

static enum kt_status open_map(struct lmdb_store *self, uint64_t map_bytes, char *why,
                               size_t why_size)
{
    MDB_envinfo environment;
    int error = mdb_env_create(&self->env);
    if (error == MDB_SUCCESS)
        error = mdb_env_set_mapsize(self->env, map_bytes);
    if (error == MDB_SUCCESS)
        error = mdb_env_set_maxreaders(self->env, self->reader_slots);
    if (error == MDB_SUCCESS)
        error = mdb_env_open(self->env, self->folder, self->flags, 0600);
    if (error == MDB_SUCCESS)
        error = open_tree(self);
    if (error == MDB_SUCCESS)
        error = mdb_env_info(self->env, &environment);
    if (error == MDB_SUCCESS) {
        self->map_bytes = environment.me_mapsize;
        return KT_OK;
    }
    mdb_env_close(self->env);
    self->env = NULL;
    return folder_explain(KT_INTERNAL, why, why_size,
                          "cannot open the database in %s with a map of %" PRIu64 " bytes: %s",
                          self->folder, map_bytes, mdb_strerror(error));
}

static enum kt_status take_options(struct lmdb_store *self, const struct store_options *options)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t limit = options->limit_bytes ? options->limit_bytes : DEFAULT_LIMIT;
    self->limit_bytes = (limit + page - 1) / page * page;
    self->map_bytes = options->start_bytes ? options->start_bytes : DEFAULT_START;
    self->map_bytes = (self->map_bytes + page - 1) / page * page;
    self->reader_slots = options->readers ? options->readers : DEFAULT_READERS;
    self->flags = MDB_NOTLS | (options->unsafe_no_sync ? MDB_NOSYNC : 0);
    self->folder = strdup(options->folder);
    return self->folder ? KT_OK : KT_INTERNAL;
}

/* Twice what is there, so that a start is not followed by a growth. */
static uint64_t first_map(const struct lmdb_store *self)
{
    uint64_t map = self->map_bytes;
    while (map / 2 < file_size(self) && map < self->limit_bytes)
        map *= 2;
    return map < self->limit_bytes ? map : self->limit_bytes;
}

enum kt_status lmdb_env_open(struct lmdb_store *self, const struct store_options *options,
                             char *why, size_t why_size)
{
    bool created;
    gate_init(&self->gate);
    pthread_mutex_init(&self->readers_lock, NULL);
    pthread_mutex_init(&self->write_lock, NULL);
    self->lock_fd = -1;
    if (take_options(self, options) != KT_OK)
        return folder_explain(KT_INTERNAL, why, why_size, "out of memory");
    KT_TRY(folder_create(self->folder, &created, why, why_size));
    KT_TRY(folder_lock(self->folder, &self->lock_fd, why, why_size));
    KT_TRY(settle_meta_pages(self, why, why_size));
    KT_TRY(open_map(self, first_map(self), why, why_size));
    if (mdb_env_get_maxkeysize(self->env) < STORE_KEY_MAX)
        return folder_explain(KT_INTERNAL, why, why_size,
                              "this build of LMDB takes keys of %d bytes, %d are needed",
                              mdb_env_get_maxkeysize(self->env), STORE_KEY_MAX);
    if (self->map_bytes > self->limit_bytes)
        log_warn("storage is larger than its limit file_bytes=%" PRIu64 " limit_bytes=%" PRIu64,
                 self->map_bytes, self->limit_bytes);
    /* The files are new or were there; either way their names must outlive a power cut before the
     * first commit is called durable. */
    return options->unsafe_no_sync ? KT_OK : folder_sync(self->folder, why, why_size);
}

void lmdb_env_close(struct lmdb_store *self)
{
    if (self->env)
        mdb_env_close(self->env);
    if (self->lock_fd >= 0) /* Last: nobody else may open while the environment is still ours. */
        folder_unlock(self->lock_fd);
    pthread_mutex_destroy(&self->write_lock);
    pthread_mutex_destroy(&self->readers_lock);
    gate_deinit(&self->gate);
    free(self->folder);
}

/* Opening anew */

/* Nobody is inside the gate, so every reader in the list is parked. */
static void drop_parked(struct lmdb_store *self)
{
    pthread_mutex_lock(&self->readers_lock);
    for (struct lmdb_txn *reader = self->readers; reader; reader = reader->next) {
        if (reader->txn)
            mdb_txn_abort(reader->txn);
        reader->txn = NULL;
    }
    pthread_mutex_unlock(&self->readers_lock);
}

static enum kt_status exchange(struct lmdb_store *self, uint64_t map_bytes, char *why,
                               size_t why_size)
{
    char again[256];
    uint64_t before = self->map_bytes;
    /* First, so that the reads go on with the old environment if the disk refuses. */
    KT_TRY(settle_meta_pages(self, why, why_size));
    drop_parked(self);
    if (self->env)
        mdb_env_close(self->env);
    self->env = NULL;
    enum kt_status status = open_map(self, map_bytes, why, why_size);
    if (status != KT_OK && map_bytes != before &&
        open_map(self, before, again, sizeof again) != KT_OK)
        log_error("storage is closed: %s", again);
    self->is_suspect = !self->env;
    return status;
}

static enum kt_status open_anew(struct lmdb_store *self, uint64_t map_bytes, char *why,
                                size_t why_size)
{
    if (!gate_shut(&self->gate, PATIENCE_US))
        return folder_explain(KT_BUSY, why, why_size, "a read or a copy does not end");
    enum kt_status status = exchange(self, map_bytes, why, why_size);
    gate_open(&self->gate);
    return status;
}

/* Troubles */

uint64_t lmdb_env_disk_free(const struct lmdb_store *self)
{
    struct statvfs disk;
    return statvfs(self->folder, &disk) == 0 ? (uint64_t)disk.f_bavail * disk.f_frsize : 0;
}

enum kt_status lmdb_env_report(const char *doing, int error)
{
    log_error("storage failed doing=%s code=%d cause=\"%s\"", doing, error, mdb_strerror(error));
    return error == MDB_BAD_VALSIZE ? KT_TOO_LARGE : KT_INTERNAL;
}

/* Once per change, and once a minute while it lasts: not once per request. */
static void log_trouble(struct lmdb_store *self, enum store_fault fault, const char *cause)
{
    int64_t now = clock_monotonic_us();
    if (self->trouble == fault && now < self->trouble_logged_us + LOG_AGAIN_US)
        return;
    self->trouble = fault;
    self->trouble_logged_us = now;
    log_error("storage refuses writes cause=\"%s\" map_bytes=%" PRIu64 " limit_bytes=%" PRIu64
              " disk_free_bytes=%" PRIu64,
              cause, self->map_bytes, self->limit_bytes, lmdb_env_disk_free(self));
}

static bool is_disk_full(const struct lmdb_store *self)
{
    struct statvfs disk;
    return statvfs(self->folder, &disk) == 0 &&
           (uint64_t)disk.f_bavail * disk.f_frsize < DISK_IS_FULL_BYTES;
}

/* LMDB calls a write that the disk took only in part an I/O error. */
static enum store_fault disk_fault_of(const struct lmdb_store *self, int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return STORE_FAULT_DISK_FULL;
    case EIO:
        return is_disk_full(self) ? STORE_FAULT_DISK_FULL : STORE_FAULT_DISK_FAILED;
    case EROFS:
    case MDB_PANIC:
        return STORE_FAULT_DISK_FAILED;
    default:
        return STORE_FAULT_NONE;
    }
}

/* Slots of readers that died with another program keep old pages for ever. */
static bool free_dead_readers(struct lmdb_store *self)
{
    int dead = 0;
    if (mdb_reader_check(self->env, &dead) != MDB_SUCCESS || dead == 0)
        return false;
    log_warn("storage freed readers of a dead process count=%d", dead);
    return true;
}

static enum store_fault fault_of(struct lmdb_store *self, int error)
{
    if (error == MDB_TXN_FULL)
        return STORE_FAULT_CROWDED;
    if (error != MDB_MAP_FULL)
        return disk_fault_of(self, error);
    if (free_dead_readers(self))
        return STORE_FAULT_ROOM;
    if (self->map_bytes >= self->limit_bytes)
        return STORE_FAULT_LIMIT;
    if (self->cannot_grow)
        return STORE_FAULT_GROWTH;
    self->wants_room = true;
    return STORE_FAULT_ROOM;
}

static enum kt_status raise_fault(struct lmdb_store *self, enum store_fault fault,
                                  const char *cause)
{
    atomic_store(&self->fault, (int)fault);
    if (fault != STORE_FAULT_ROOM && fault != STORE_FAULT_CROWDED)
        log_trouble(self, fault, cause);
    return fault == STORE_FAULT_CROWDED ? KT_TOO_LARGE : KT_BUSY;
}

enum kt_status lmdb_env_write_failed(struct lmdb_store *self, const char *doing, int error)
{
    enum store_fault fault = fault_of(self, error);
    if (fault == STORE_FAULT_NONE)
        return lmdb_env_report(doing, error);
    return raise_fault(self, fault, mdb_strerror(error));
}

static void grow(struct lmdb_store *self)
{
    char why[512];
    uint64_t before = self->map_bytes;
    uint64_t wanted = before < self->limit_bytes / 2 ? before * 2 : self->limit_bytes;
    int64_t began = clock_monotonic_us();
    self->wants_room = false;
    if (open_anew(self, wanted, why, sizeof why) == KT_OK) {
        log_info("storage grew map_bytes=%" PRIu64 " before=%" PRIu64 " limit_bytes=%" PRIu64
                 " us=%" PRId64,
                 self->map_bytes, before, self->limit_bytes, clock_monotonic_us() - began);
        return;
    }
    self->grow_retry_us = clock_monotonic_us() + GROW_RETRY_US;
    if (!self->env)
        self->disk_fault = STORE_FAULT_GROWTH;
    log_trouble(self, STORE_FAULT_GROWTH, why);
}

/* LMDB refuses everything after it failed to write a meta page. */
static bool is_usable(struct lmdb_store *self)
{
    MDB_txn *txn;
    gate_enter(&self->gate);
    int error = self->env ? mdb_txn_begin(self->env, NULL, MDB_RDONLY, &txn) : MDB_PANIC;
    if (error == MDB_SUCCESS)
        mdb_txn_abort(txn);
    gate_leave(&self->gate);
    return error != MDB_PANIC;
}

/* While the disk is plainly full nothing is tried, so that no read has to end for it. */
static enum kt_status mend(struct lmdb_store *self)
{
    char why[512];
    int64_t now = clock_monotonic_us();
    if (now >= self->disk_retry_us) {
        self->disk_retry_us = now + DISK_RETRY_US;
        if (self->disk_fault != STORE_FAULT_DISK_FULL || !is_disk_full(self) || !is_usable(self)) {
            if (open_anew(self, self->map_bytes, why, sizeof why) == KT_OK)
                return KT_OK;
            log_trouble(self, self->disk_fault, why);
        }
    }
    atomic_store(&self->fault, (int)self->disk_fault);
    return KT_BUSY;
}

enum kt_status lmdb_env_prepare_write(struct lmdb_store *self)
{
    if (self->wants_room)
        grow(self);
    /* Said of the whole transaction: one that reached the end of the map only after GROW_RETRY_US
     * would be told to run again, and again. */
    self->cannot_grow = clock_monotonic_us() < self->grow_retry_us;
    return self->is_suspect ? mend(self) : KT_OK;
}

static bool is_committed(struct lmdb_store *self, size_t id)
{
    MDB_envinfo environment;
    gate_enter(&self->gate);
    bool is_there = self->env && mdb_env_info(self->env, &environment) == MDB_SUCCESS &&
                    environment.me_last_txnid >= id;
    gate_leave(&self->gate);
    return is_there;
}

enum kt_status lmdb_env_commit_failed(struct lmdb_store *self, size_t id, int error)
{
    if (error <= 0) /* LMDB's own reasons: nothing was written that counts. */
        return lmdb_env_write_failed(self, "commit", error);
    self->is_suspect = true;
    self->disk_fault = disk_fault_of(self, error);
    if (self->disk_fault == STORE_FAULT_NONE)
        self->disk_fault = STORE_FAULT_DISK_FAILED;
    self->disk_retry_us = 0;
    if (!is_usable(self)) {
        if (mend(self) != KT_OK)
            return raise_fault(self, STORE_FAULT_UNCERTAIN, strerror(error));
        if (is_committed(self, id)) {
            log_warn("storage has a commit that seemed to fail cause=\"%s\"", strerror(error));
            return KT_OK;
        }
    }
    self->disk_retry_us = clock_monotonic_us() + DISK_RETRY_US;
    return raise_fault(self, self->disk_fault, strerror(error));
}

/* Care */

/* Warned at 80 %, and again only after it was below 75 %. */
static void watch_limit(struct lmdb_store *self, uint64_t used_bytes)
{
    uint64_t percent = used_bytes / (self->limit_bytes / 100 + 1);
    if (percent >= 80 && !self->warned_of_limit)
        log_warn("storage has used %" PRIu64 " %% of its limit used_bytes=%" PRIu64
                 " limit_bytes=%" PRIu64 ": raise store-bytes",
                 percent, used_bytes, self->limit_bytes);
    if (percent >= 80 || percent < 75)
        self->warned_of_limit = percent >= 80;
}

static void watch_disk(struct lmdb_store *self)
{
    uint64_t free_bytes = lmdb_env_disk_free(self);
    if (free_bytes < DISK_LOW_BYTES && !self->warned_of_disk)
        log_warn("storage has little room on its disk disk_free_bytes=%" PRIu64, free_bytes);
    if (free_bytes < DISK_LOW_BYTES || free_bytes > DISK_LOW_BYTES * 2)
        self->warned_of_disk = free_bytes < DISK_LOW_BYTES;
}

void lmdb_env_committed(struct lmdb_store *self, uint64_t used_bytes)
{
    int64_t now = clock_monotonic_us();
    if (self->trouble == STORE_FAULT_DISK_FULL || self->trouble == STORE_FAULT_DISK_FAILED ||
        self->trouble == STORE_FAULT_UNCERTAIN) {
        self->trouble = STORE_FAULT_NONE;
        log_info("storage takes writes again");
    }
    watch_limit(self, used_bytes);
    if (now < self->care_us)
        return;
    self->care_us = now + CARE_US;
    watch_disk(self);
    free_dead_readers(self);
}
