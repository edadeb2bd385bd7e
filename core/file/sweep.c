/* What nobody came to refer to, and whether everything else is as it was when it came. */
#include <string.h>

#include "file/file_rows.h"
#include "kontor/limits.h"

/* --- Sweep --- */

/* The first upload that nobody refers to and that is old enough; 0: none. */
static enum kt_status find_old(struct store_txn *txn, kt_instant_us before, uint64_t *out)
{
    struct store_cursor *cursor;
    struct key prefix;
    struct store_slice found, bytes;
    *out = 0;
    file_uploads_prefix(&prefix);
    KT_TRY(store_cursor_open(txn, &cursor));
    enum kt_status moved = store_seek(cursor, key_slice(&prefix), &found, &bytes);
    while (moved == KT_OK && key_has_prefix(found, key_slice(&prefix))) {
        struct file_upload state;
        struct key_reader reader = {(const uint8_t *)found.at + prefix.size,
                                    (const uint8_t *)found.at + found.size};
        uint64_t upload;
        if (bytes.size != sizeof(state) || !key_read_u64(&reader, &upload)) {
            moved = KT_INTERNAL;
            break;
        }
        memcpy(&state, bytes.at, sizeof(state));
        if (state.began < before) {
            *out = upload;
            break;
        }
        moved = store_next(cursor, &found, &bytes);
    }
    store_cursor_close(cursor);
    return moved == KT_NOT_FOUND ? KT_OK : moved;
}

/* Its name leads to it only if no earlier upload brought the same content. */
static enum kt_status forget_content(struct store_txn *txn, uint64_t upload,
                                     const struct file_upload *state)
{
    struct file_content content;
    struct key key;
    enum kt_status status = file_find(txn, state->name, strlen(state->name), &content);
    if (status == KT_NOT_FOUND || (status == KT_OK && content.upload != upload))
        return KT_OK;
    KT_TRY(status);
    file_content_key(&key, state->name, FILE_HASH_LENGTH);
    return store_del(txn, key_slice(&key));
}

/* Its newest chunks first; the upload itself when no chunk is left. */
static enum kt_status drop(struct store_txn *txn, uint64_t upload, unsigned *chunks)
{
    struct file_upload state;
    struct key key;
    KT_TRY(file_upload_load(txn, upload, &state));
    KT_TRY(forget_content(txn, upload, &state));
    uint64_t left = (state.size + KT_LIMIT_FILE_CHUNK - 1) / KT_LIMIT_FILE_CHUNK;
    for (; left > 0 && *chunks > 0; left--, --*chunks) {
        file_chunk_key(&key, upload, left - 1);
        enum kt_status status = store_del(txn, key_slice(&key));
        if (status != KT_NOT_FOUND)
            KT_TRY(status);
    }
    file_upload_key(&key, upload);
    if (left == 0)
        return store_del(txn, key_slice(&key));
    state.size = left * KT_LIMIT_FILE_CHUNK;
    state.owner = UINT64_MAX; /* Nobody goes on with it. */
    return store_put(txn, key_slice(&key), (struct store_slice){&state, sizeof(state)});
}

enum kt_status file_sweep(struct store_txn *txn, kt_instant_us before, unsigned chunks,
                          bool *out_done)
{
    uint64_t upload;
    *out_done = false;
    while (chunks > 0) {
        KT_TRY(find_old(txn, before, &upload));
        if (!upload) {
            *out_done = true;
            return KT_OK;
        }
        KT_TRY(drop(txn, upload, &chunks));
    }
    return KT_OK;
}

/* --- Check --- */

static void check_content(struct store_txn *txn, const char *hash,
                          const struct file_content *content, file_wrong wrong, void *argument)
{
    crypto_generichash_state state;
    unsigned char bytes[FILE_HASH_LENGTH / 2];
    file_hash is;
    struct store_slice chunk;
    crypto_generichash_init(&state, NULL, 0, sizeof(bytes));
    for (uint64_t at = 0; at < content->size; at += chunk.size) {
        if (file_read(txn, content, at, &chunk) != KT_OK) {
            wrong(argument, hash, &(struct kt_label){"lacks a chunk", "缺少一块"});
            return;
        }
        crypto_generichash_update(&state, chunk.at, chunk.size);
    }
    crypto_generichash_final(&state, bytes, sizeof(bytes));
    sodium_bin2hex(is, sizeof(is), bytes, sizeof(bytes));
    if (strcmp(is, hash) != 0)
        wrong(argument, hash, &(struct kt_label){"is not what it was", "已不是原内容"});
}

enum kt_status file_check(struct store_txn *txn, file_wrong wrong, void *argument,
                          uint64_t *out_count)
{
    struct store_cursor *cursor;
    struct key prefix;
    struct store_slice found;
    *out_count = 0;
    key_begin(&prefix, FILE_SPACE_CONTENT);
    KT_TRY(store_cursor_open(txn, &cursor));
    enum kt_status moved = store_seek(cursor, key_slice(&prefix), &found, NULL);
    for (; moved == KT_OK && key_has_prefix(found, key_slice(&prefix));
         moved = store_next(cursor, &found, NULL)) {
        struct key_reader reader = key_read(found);
        struct file_content content;
        char text[KEY_TEXT_MAX];
        file_hash hash = "";
        size_t length = 0;
        bool cut;
        if (key_peek(&reader) == KEY_NIL) /* An upload. */
            continue;
        ++*out_count;
        if (!key_read_text(&reader, text, &length, &cut) || length != FILE_HASH_LENGTH) {
            wrong(argument, hash, &(struct kt_label){"has no name", "没有名称"});
            continue;
        }
        memcpy(hash, text, FILE_HASH_LENGTH);
        if (file_find(txn, hash, FILE_HASH_LENGTH, &content) == KT_OK)
            check_content(txn, hash, &content, wrong, argument);
        else
            wrong(argument, hash, &(struct kt_label){"cannot be read", "无法读取"});
    }
    store_cursor_close(cursor);
    return moved == KT_NOT_FOUND ? KT_OK : moved;
}
