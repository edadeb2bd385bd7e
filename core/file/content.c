/* Contents by their hash. */
#include <string.h>

#include "file/file_rows.h"
#include "kontor/limits.h"

void file_content_key(struct key *key, const char *hash, size_t length)
{
    key_begin(key, FILE_SPACE_CONTENT);
    key_add_text(key, hash, length);
}

enum kt_status file_find(struct store_txn *txn, const char *hash, size_t length,
                         struct file_content *out)
{
    struct key key;
    struct store_slice bytes;
    uint64_t row[2];
    if (length != FILE_HASH_LENGTH)
        return KT_NOT_FOUND;
    file_content_key(&key, hash, length);
    KT_TRY(store_get(txn, key_slice(&key), &bytes));
    if (bytes.size != sizeof(row))
        return KT_INTERNAL;
    memcpy(row, bytes.at, sizeof(row));
    *out = (struct file_content){.upload = row[0], .size = row[1]};
    return KT_OK;
}

enum kt_status file_read(struct store_txn *txn, const struct file_content *content, uint64_t offset,
                         struct store_slice *out)
{
    struct key key;
    size_t within = (size_t)(offset % KT_LIMIT_FILE_CHUNK);
    *out = (struct store_slice){"", 0};
    if (offset >= content->size)
        return KT_OK;
    file_chunk_key(&key, content->upload, offset / KT_LIMIT_FILE_CHUNK);
    if (store_get(txn, key_slice(&key), out) != KT_OK || out->size <= within)
        return KT_INTERNAL;
    *out = (struct store_slice){(const char *)out->at + within, out->size - within};
    return KT_OK;
}

enum kt_status file_keep(struct store_txn *txn, const struct file_content *content)
{
    struct key key;
    file_upload_key(&key, content->upload);
    enum kt_status status = store_del(txn, key_slice(&key));
    return status == KT_NOT_FOUND ? KT_OK : status; /* Kept already. */
}
