/** Rows of files, shared by the files of this folder. */
#pragma once

#include <sodium.h>

#include "file/file.h"

/** Space bytes of keys; record/space.h lists them all. */
enum { FILE_SPACE_CONTENT = 'F', FILE_SPACE_CHUNK = 'P' };

/** What is known of an upload. Written by this process or one like it: a hash that an upgrade of
 *  libsodium in the middle of an upload spoilt is refused at the end, nothing worse. */
struct file_upload {
    crypto_generichash_state hash;
    uint64_t owner;
    kt_instant_us began;
    uint64_t size;
    file_hash name; /**< Once it is finished; then no chunk comes any more. */
};

/** All uploads that no record refers to yet. */
void file_uploads_prefix(struct key *key);
void file_upload_key(struct key *key, uint64_t upload);
void file_chunk_key(struct key *key, uint64_t upload, uint64_t chunk);
void file_content_key(struct key *key, const char *hash, size_t length);
/** KT_NOT_FOUND. */
enum kt_status file_upload_load(struct store_txn *txn, uint64_t upload,
                                struct file_upload *out) KT_NODISCARD;
