/* Bytes on their way. The hash goes along with the chunks, so that finishing reads nothing again.
 */
#include <string.h>

#include "file/file_rows.h"
#include "kontor/limits.h"

#define HASH_BYTES (FILE_HASH_LENGTH / 2)

void file_uploads_prefix(struct key *key)
{
    key_begin(key, FILE_SPACE_CONTENT);
    key_add_nil(key);
}

void file_upload_key(struct key *key, uint64_t upload)
{
    file_uploads_prefix(key);
    key_add_u64(key, upload);
}

void file_chunk_key(struct key *key, uint64_t upload, uint64_t chunk)
{
    key_begin(key, FILE_SPACE_CHUNK);
    key_add_u64(key, upload);
    key_add_int(key, (int64_t)chunk);
}

enum kt_status file_upload_load(struct store_txn *txn, uint64_t upload, struct file_upload *out)
{
    struct key key;
    struct store_slice bytes;
    file_upload_key(&key, upload);
    KT_TRY(store_get(txn, key_slice(&key), &bytes));
    if (bytes.size != sizeof(*out))
        return KT_INTERNAL;
    memcpy(out, bytes.at, sizeof(*out));
    return KT_OK;
}

static enum kt_status save(struct store_txn *txn, uint64_t upload, const struct file_upload *state)
{
    struct key key;
    file_upload_key(&key, upload);
    return store_put(txn, key_slice(&key), (struct store_slice){state, sizeof(*state)});
}

/* The number in the last key with the prefix, 0 when there is none. */
static enum kt_status last_number(struct store_txn *txn, const struct key *prefix, uint64_t *out)
{
    struct key end = *prefix;
    struct store_cursor *cursor;
    struct store_slice found;
    *out = 0;
    if (!key_successor(&end))
        return KT_INTERNAL;
    KT_TRY(store_cursor_open(txn, &cursor));
    enum kt_status status = store_seek_before(cursor, key_slice(&end), &found, NULL);
    if (status == KT_OK && key_has_prefix(found, key_slice(prefix))) {
        struct key_reader reader = {(const uint8_t *)found.at + prefix->size,
                                    (const uint8_t *)found.at + found.size};
        status = key_read_u64(&reader, out) ? KT_OK : KT_INTERNAL;
    }
    store_cursor_close(cursor);
    return status == KT_NOT_FOUND ? KT_OK : status;
}

/* One above every upload that is open or has chunks. */
static enum kt_status next_number(struct store_txn *txn, uint64_t *out)
{
    struct key open, chunks;
    uint64_t last_open, last_kept;
    file_uploads_prefix(&open);
    key_begin(&chunks, FILE_SPACE_CHUNK);
    KT_TRY(last_number(txn, &open, &last_open));
    KT_TRY(last_number(txn, &chunks, &last_kept));
    *out = 1 + (last_open > last_kept ? last_open : last_kept);
    return KT_OK;
}

static enum kt_status count_open(struct store_txn *txn, uint64_t owner, unsigned *out)
{
    struct store_cursor *cursor;
    struct key prefix;
    struct store_slice found, bytes;
    *out = 0;
    file_uploads_prefix(&prefix);
    KT_TRY(store_cursor_open(txn, &cursor));
    enum kt_status moved = store_seek(cursor, key_slice(&prefix), &found, &bytes);
    for (; moved == KT_OK && key_has_prefix(found, key_slice(&prefix));
         moved = store_next(cursor, &found, &bytes)) {
        struct file_upload state = {.owner = 0};
        memcpy(&state, bytes.at, bytes.size < sizeof(state) ? bytes.size : sizeof(state));
        *out += state.owner == owner;
    }
    store_cursor_close(cursor);
    return moved == KT_NOT_FOUND ? KT_OK : moved;
}

enum kt_status file_begin(struct store_txn *txn, uint64_t owner, kt_instant_us now,
                          uint64_t *out_upload)
{
    struct file_upload state;
    unsigned open;
    KT_TRY(count_open(txn, owner, &open));
    if (open >= KT_LIMIT_UPLOADS)
        return KT_BUSY;
    memset(&state, 0, sizeof(state)); /* Padding, too: it goes to the disk. */
    state.owner = owner;
    state.began = now;
    crypto_generichash_init(&state.hash, NULL, 0, HASH_BYTES);
    KT_TRY(next_number(txn, out_upload));
    return save(txn, *out_upload, &state);
}

static enum kt_status load_own(struct store_txn *txn, uint64_t upload, uint64_t owner,
                               struct file_upload *out)
{
    KT_TRY(file_upload_load(txn, upload, out));
    return out->owner == owner ? KT_OK : KT_NOT_FOUND;
}

/* The chunk that a retry brings again. */
static bool is_there(struct store_txn *txn, uint64_t upload, uint64_t chunk,
                     struct store_slice bytes)
{
    struct key key;
    struct store_slice there;
    file_chunk_key(&key, upload, chunk);
    return store_get(txn, key_slice(&key), &there) == KT_OK && there.size == bytes.size &&
           memcmp(there.at, bytes.at, bytes.size) == 0;
}

enum kt_status file_append(struct store_txn *txn, uint64_t upload, uint64_t owner, uint64_t offset,
                           struct store_slice bytes, uint64_t *out_size)
{
    struct file_upload state;
    struct key key;
    *out_size = 0;
    KT_TRY(load_own(txn, upload, owner, &state));
    *out_size = state.size;
    if (bytes.size == 0 || bytes.size > KT_LIMIT_FILE_CHUNK)
        return KT_TOO_LARGE;
    if (state.name[0])
        return KT_CONFLICT;
    if (offset % KT_LIMIT_FILE_CHUNK == 0 && offset < state.size &&
        is_there(txn, upload, offset / KT_LIMIT_FILE_CHUNK, bytes))
        return KT_OK;
    if (offset != state.size || offset % KT_LIMIT_FILE_CHUNK != 0)
        return KT_CONFLICT;
    if (state.size + bytes.size > KT_LIMIT_FILE_BYTES)
        return KT_TOO_LARGE;
    file_chunk_key(&key, upload, offset / KT_LIMIT_FILE_CHUNK);
    KT_TRY(store_put(txn, key_slice(&key), bytes));
    crypto_generichash_update(&state.hash, bytes.at, bytes.size);
    state.size += bytes.size;
    *out_size = state.size;
    return save(txn, upload, &state);
}

/* Who brings again what is there already has the time anew. */
static enum kt_status renew(struct store_txn *txn, uint64_t upload, kt_instant_us began)
{
    struct file_upload state;
    enum kt_status status = file_upload_load(txn, upload, &state);
    if (status == KT_NOT_FOUND) /* A record keeps it. */
        return KT_OK;
    KT_TRY(status);
    state.began = state.began > began ? state.began : began;
    return save(txn, upload, &state);
}

/* Puts its name into the state; nothing changes the content from now on. */
static enum kt_status close_upload(struct store_txn *txn, uint64_t upload,
                                   struct file_upload *state)
{
    unsigned char hash[HASH_BYTES];
    crypto_generichash_state last = state->hash;
    crypto_generichash_final(&last, hash, sizeof(hash));
    sodium_bin2hex(state->name, sizeof(state->name), hash, sizeof(hash));
    return save(txn, upload, state);
}

enum kt_status file_finish(struct store_txn *txn, uint64_t upload, uint64_t owner, file_hash out,
                           struct file_content *out_content)
{
    struct file_upload state;
    struct key key;
    KT_TRY(load_own(txn, upload, owner, &state));
    if (state.size == 0)
        return KT_INVALID;
    if (!state.name[0])
        KT_TRY(close_upload(txn, upload, &state));
    memcpy(out, state.name, sizeof(file_hash));
    enum kt_status status = file_find(txn, out, FILE_HASH_LENGTH, out_content);
    if (status == KT_OK) /* Somebody brought it before: this upload will be swept away, */
        return renew(txn, out_content->upload, state.began); /* that one not so soon. */
    if (status != KT_NOT_FOUND)
        return status;
    *out_content = (struct file_content){.upload = upload, .size = state.size};
    const uint64_t row[2] = {upload, state.size};
    file_content_key(&key, out, FILE_HASH_LENGTH);
    return store_put(txn, key_slice(&key), (struct store_slice){row, sizeof(row)});
}
