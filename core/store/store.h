/** Ordered key-value transactions: the only way the server touches a disk.
 *
 *  A driver is a table of functions; the embedded one is in the files lmdb*, the only ones that
 *  call LMDB. Keys are byte strings of 1..STORE_KEY_MAX bytes ordered by memcmp, values of any.
 *  One transaction is used by one thread at a time. Write transactions nest; a driver may run many
 *  writers elsewhere, so nothing above may assume that this process is the only one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kontor/status.h"

#define STORE_KEY_MAX 511

struct store;
struct store_txn;
struct store_cursor;

/** Borrowed bytes. */
struct store_slice {
    const void *at;
    size_t size;
};

struct store_options {
    const char *folder;   /**< Created (0700) when missing. */
    uint64_t limit_bytes; /**< Upper bound of the file; 0 is 1 TiB. */
    uint64_t start_bytes; /**< What is mapped at first, at least; grows up to the limit. 0 is 1
                             GiB. */
    unsigned readers;     /**< Most simultaneous read transactions; 0 is 126. */
    bool unsafe_no_sync;  /**< Tests and benchmarks only: commits do not reach the disk. */
};

/** Why a write failed that nothing was wrong with. */
enum store_fault {
    STORE_FAULT_NONE,
    STORE_FAULT_ROOM,    /**< The file must grow, and will at the next begin: do all again. */
    STORE_FAULT_CROWDED, /**< Too much changed for one top transaction: do it in one of its own. */
    STORE_FAULT_LIMIT,   /**< `limit_bytes` is reached. */
    STORE_FAULT_GROWTH,  /**< The file must grow and cannot just now; the log says why. */
    STORE_FAULT_DISK_FULL,
    STORE_FAULT_DISK_FAILED,
    STORE_FAULT_UNCERTAIN, /**< The disk failed so that nobody knows whether it was committed. */
    STORE_FAULT_COUNT,
};

struct store_stat {
    uint64_t entries;
    uint64_t used_bytes; /**< By data; the rest of the file is free for them. */
    uint64_t file_bytes;
    uint64_t map_bytes; /**< How far the file can grow before the map must. */
    uint64_t limit_bytes;
    uint64_t disk_free_bytes; /**< 0 when the system does not tell. */
    uint64_t last_txn;
    /** Since the store was opened, also of what was aborted. */
    uint64_t puts, put_key_bytes, put_value_bytes;
};

enum store_mode { STORE_READ, STORE_WRITE };

/** What a driver provides. Errors: KT_NOT_FOUND where said, KT_TOO_LARGE for what no transaction
 * can take, KT_BUSY for what works again later (`take_fault` tells what is the matter) or when
 * another process holds the folder, KT_INTERNAL otherwise (logged with the cause). */
struct store_driver {
    const char *name;
    /** `why` (may not be NULL, >= 256 bytes) receives a sentence for people on failure. */
    enum kt_status (*open)(const struct store_options *options, struct store **out, char *why,
                           size_t why_size);
    void (*close)(struct store *store);
    /** parent NULL: a top transaction. Otherwise a nested write transaction; the parent must not
     *  be used until the child ends. */
    enum kt_status (*begin)(struct store *store, struct store_txn *parent, enum store_mode mode,
                            struct store_txn **out);
    /** Ends and frees the transaction whatever the result. Durable on KT_OK for a top one. */
    enum kt_status (*commit)(struct store_txn *txn);
    void (*abort)(struct store_txn *txn);
    /** Park a read transaction without its snapshot, and take a fresh snapshot later. */
    void (*reset)(struct store_txn *txn);
    enum kt_status (*renew)(struct store_txn *txn);
    /** KT_OK, or the first failure that the transaction met. A read ends in KT_BUSY when the store
     *  had to grow or be opened anew and could not wait for it: what it has found is not all. */
    enum kt_status (*failure)(const struct store_txn *txn);
    /** What begin, put, del or commit of the thread that writes failed with since this was asked
     *  last, also when the caller made nothing of it. */
    enum store_fault (*take_fault)(struct store *store);
    /** The slice is valid until the transaction ends or writes. KT_NOT_FOUND. */
    enum kt_status (*get)(struct store_txn *txn, struct store_slice key, struct store_slice *value);
    enum kt_status (*put)(struct store_txn *txn, struct store_slice key, struct store_slice value);
    /** KT_NOT_FOUND when there was nothing. */
    enum kt_status (*del)(struct store_txn *txn, struct store_slice key);
    /** A cursor belongs to its transaction and must be closed before it ends. Writes through the
     *  transaction leave it usable: after one, seek again. */
    enum kt_status (*cursor_open)(struct store_txn *txn, struct store_cursor **out);
    void (*cursor_close)(struct store_cursor *cursor);
    /** First key >= given. KT_NOT_FOUND past the end. key/value may be NULL. */
    enum kt_status (*seek)(struct store_cursor *cursor, struct store_slice key,
                           struct store_slice *found, struct store_slice *value);
    enum kt_status (*next)(struct store_cursor *cursor, struct store_slice *found,
                           struct store_slice *value);
    enum kt_status (*prev)(struct store_cursor *cursor, struct store_slice *found,
                           struct store_slice *value);
    /** Last key < given (used to walk a range backwards). KT_NOT_FOUND before the start. */
    enum kt_status (*seek_before)(struct store_cursor *cursor, struct store_slice key,
                                  struct store_slice *found, struct store_slice *value);
    enum kt_status (*stat)(struct store_txn *txn, struct store_stat *out);
    /** A consistent compact copy into an empty folder, while others read and write. */
    enum kt_status (*copy)(struct store *store, const char *folder);
};

/** First member of every driver's struct store and struct store_txn, so that the calls below can
 *  find the driver. Drivers only. */
struct store {
    const struct store_driver *driver;
};
struct store_txn {
    struct store *store;
};
struct store_cursor {
    struct store_txn *txn;
};

extern const struct store_driver store_lmdb;

/** Thin calls through the vtable. */
enum kt_status store_begin(struct store *store, struct store_txn *parent, enum store_mode mode,
                           struct store_txn **out) KT_NODISCARD;
enum kt_status store_commit(struct store_txn *txn) KT_NODISCARD;
void store_abort(struct store_txn *txn);
void store_reset(struct store_txn *txn);
enum kt_status store_renew(struct store_txn *txn) KT_NODISCARD;
enum kt_status store_failure(const struct store_txn *txn) KT_NODISCARD;
enum store_fault store_take_fault(struct store *store);
enum kt_status store_get(struct store_txn *txn, struct store_slice key,
                         struct store_slice *value) KT_NODISCARD;
enum kt_status store_put(struct store_txn *txn, struct store_slice key,
                         struct store_slice value) KT_NODISCARD;
enum kt_status store_del(struct store_txn *txn, struct store_slice key) KT_NODISCARD;
enum kt_status store_cursor_open(struct store_txn *txn, struct store_cursor **out) KT_NODISCARD;
void store_cursor_close(struct store_cursor *cursor);
enum kt_status store_seek(struct store_cursor *cursor, struct store_slice key,
                          struct store_slice *found, struct store_slice *value) KT_NODISCARD;
enum kt_status store_seek_before(struct store_cursor *cursor, struct store_slice key,
                                 struct store_slice *found, struct store_slice *value) KT_NODISCARD;
enum kt_status store_next(struct store_cursor *cursor, struct store_slice *found,
                          struct store_slice *value) KT_NODISCARD;
enum kt_status store_prev(struct store_cursor *cursor, struct store_slice *found,
                          struct store_slice *value) KT_NODISCARD;
