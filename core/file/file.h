/** Contents of files: uploaded in chunks, found by their hash, kept while anybody may need them.
 *
 *  Everything happens in the caller's transaction. Statuses not named here are KT_INTERNAL: the
 *  store failed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kontor/date.h"
#include "kontor/model.h"
#include "store/key.h"

/** Hexadecimal digits of a BLAKE2b-256 hash. */
#define FILE_HASH_LENGTH 64
/** A hash as text with its NUL. */
typedef char file_hash[FILE_HASH_LENGTH + 1];

struct file_content {
    uint64_t upload; /**< Its chunks lie under this number. */
    uint64_t size;   /**< Bytes. */
};

/** --- Upload. Of its owner alone: KT_NOT_FOUND for others. --- */
/** KT_BUSY when the owner has KT_LIMIT_UPLOADS open already. */
enum kt_status file_begin(struct store_txn *txn, uint64_t owner, kt_instant_us now,
                          uint64_t *out_upload) KT_NODISCARD;
/** At most KT_LIMIT_FILE_CHUNK bytes, at the end of what is there (*out_size, also on failure):
 *  KT_CONFLICT otherwise, after a shorter chunk, which is the last one, and after the finish.
 * KT_TOO_LARGE beyond KT_LIMIT_FILE_BYTES. The same chunk again is fine and changes nothing: a
 * client may retry. */
enum kt_status file_append(struct store_txn *txn, uint64_t upload, uint64_t owner, uint64_t offset,
                           struct store_slice bytes, uint64_t *out_size) KT_NODISCARD;
/** The content may be referred to from now on. KT_INVALID when it is empty. */
enum kt_status file_finish(struct store_txn *txn, uint64_t upload, uint64_t owner, file_hash out,
                           struct file_content *out_content) KT_NODISCARD;

/** --- Content. --- */
/** KT_NOT_FOUND; also for what is not a hash. */
enum kt_status file_find(struct store_txn *txn, const char *hash, size_t length,
                         struct file_content *out) KT_NODISCARD;
/** The bytes from `offset` to the end of their chunk, borrowed from the store until the
 *  transaction ends or writes; none at the end of the content. */
enum kt_status file_read(struct store_txn *txn, const struct file_content *content, uint64_t offset,
                         struct store_slice *out) KT_NODISCARD;
/** A record refers to the content: it stays. */
enum kt_status file_keep(struct store_txn *txn, const struct file_content *content) KT_NODISCARD;

/** --- Care. --- */
/** Forget uploads begun before `before` that no record refers to; at most `chunks` chunks in one
 *  call, so that it stays short: *out_done tells whether all are gone. */
enum kt_status file_sweep(struct store_txn *txn, kt_instant_us before, unsigned chunks,
                          bool *out_done) KT_NODISCARD;
/** Reads every content and compares it with its hash. Calls `wrong` for each that differs. */
typedef void (*file_wrong)(void *argument, const char *hash, const struct kt_label *what);
enum kt_status file_check(struct store_txn *txn, file_wrong wrong, void *argument,
                          uint64_t *out_count) KT_NODISCARD;
