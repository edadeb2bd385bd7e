/* The files that are pushed, and the texts of all that ever were. */
#include <sodium.h>
#include <string.h>

#include "plugin/rules.h"
#include "record/record.h"
#include "record/space.h"

enum kt_status rules_store_failed(struct kt_ctx *ctx)
{
    return kt_fail(ctx, KT_INTERNAL, NULL, "the store failed", "存储失败");
}

enum kt_status rules_put_map(struct kt_ctx *ctx, const struct key *key, const struct kt_map *map)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_object(&packer, map->object);
    enum kt_status status =
        store_put(ctx->txn, key_slice(key), (struct store_slice){buffer.data, buffer.size});
    msgpack_sbuffer_destroy(&buffer);
    return status == KT_OK ? KT_OK : rules_store_failed(ctx);
}

static void file_key(struct key *key, const char *name)
{
    key_begin(key, SPACE_RULE);
    if (name)
        key_add_text(key, name, strlen(name));
}

/* Raw bytes, so that no hash is cut. */
static void text_key(struct key *key, const unsigned char hash[RULES_HASH_BYTES])
{
    key_begin(key, SPACE_RULE_TEXT);
    memcpy(key->bytes + key->size, hash, RULES_HASH_BYTES);
    key->size = (uint16_t)(key->size + RULES_HASH_BYTES);
}

/* --- Texts --- */

bool rules_hash_of(const msgpack_object *value, unsigned char out[RULES_HASH_BYTES])
{
    if (!value || value->type != MSGPACK_OBJECT_BIN || value->via.bin.size != RULES_HASH_BYTES)
        return false;
    memcpy(out, value->via.bin.ptr, RULES_HASH_BYTES);
    return true;
}

static enum kt_status keep_text(struct kt_ctx *ctx, const struct rules_file *file)
{
    struct key key;
    struct store_slice there;
    text_key(&key, file->hash);
    enum kt_status status = store_get(ctx->txn, key_slice(&key), &there);
    if (status == KT_NOT_FOUND)
        status = store_put(ctx->txn, key_slice(&key), file->text);
    return status == KT_OK ? KT_OK : rules_store_failed(ctx);
}

struct rules_file rules_file_of(const char *name, const char *text, size_t size)
{
    struct rules_file file = {.name = name, .text = {text, size}};
    crypto_generichash(file.hash, RULES_HASH_BYTES, (const unsigned char *)text, size, NULL, 0);
    return file;
}

enum kt_status rules_text_borrow(struct kt_ctx *ctx, const struct rules_file *file,
                                 struct store_slice *out)
{
    struct key key;
    *out = file->text;
    if (out->at)
        return KT_OK;
    text_key(&key, file->hash);
    return store_get(ctx->txn, key_slice(&key), out) == KT_OK ? KT_OK : rules_store_failed(ctx);
}

enum kt_status rules_text(struct kt_ctx *ctx, const struct rules_file *file,
                          struct store_slice *out)
{
    KT_TRY(rules_text_borrow(ctx, file, out));
    if (out->at != file->text.at)
        out->at = context_copy(ctx, out->at, out->size);
    return context_check_memory(ctx);
}

/* --- Files --- */

static enum kt_status read_file(struct kt_ctx *ctx, struct store_slice bytes,
                                struct rules_file *out)
{
    msgpack_object row;
    KT_TRY(context_unpack(ctx, bytes.at, bytes.size, true, &row));
    const msgpack_object *text = kt_get(&row, "text");
    const char *name = kt_get_text(ctx, &row, "name");
    if (text && text->type == MSGPACK_OBJECT_STR) {
        *out = rules_file_of(name, text->via.str.ptr, text->via.str.size);
        return KT_OK;
    }
    *out = (struct rules_file){.name = name};
    return rules_hash_of(kt_get(&row, "hash"), out->hash) ? KT_OK : rules_store_failed(ctx);
}

struct rules_tree *rules_tree_new(struct kt_ctx *ctx)
{
    return kt_alloc(ctx, sizeof(struct rules_tree));
}

enum kt_status rules_tree_present(struct kt_ctx *ctx, struct rules_tree *out)
{
    struct key prefix;
    struct store_cursor *cursor;
    struct store_slice found, bytes;
    file_key(&prefix, NULL);
    out->count = 0;
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return rules_store_failed(ctx);
    enum kt_status moved = store_seek(cursor, key_slice(&prefix), &found, &bytes);
    enum kt_status status = KT_OK;
    while (moved == KT_OK && status == KT_OK && key_has_prefix(found, key_slice(&prefix))) {
        struct rules_file file;
        status = read_file(ctx, bytes, &file);
        if (status == KT_OK)
            status = rules_tree_put(ctx, out, &file);
        moved = store_next(cursor, &found, &bytes);
    }
    store_cursor_close(cursor);
    return status;
}

enum kt_status rules_file_save(struct kt_ctx *ctx, const struct rules_file *file, uint64_t revision)
{
    struct key key;
    struct kt_map *row = kt_map_new(ctx);
    if (file->text.at)
        KT_TRY(keep_text(ctx, file));
    kt_map_set_text(row, "name", file->name);
    kt_map_set(row, "hash",
               (msgpack_object){.type = MSGPACK_OBJECT_BIN,
                                .via.bin = {RULES_HASH_BYTES, (const char *)file->hash}});
    kt_map_set_text(row, "user", kt_user_name(ctx));
    kt_map_set(row, "at", kt_instant_value(ctx, kt_now(ctx)));
    kt_map_set_id(row, "revision", revision);
    file_key(&key, file->name);
    return rules_put_map(ctx, &key, row);
}

enum kt_status rules_file_drop(struct kt_ctx *ctx, const char *name)
{
    struct key key;
    file_key(&key, name);
    return store_del(ctx->txn, key_slice(&key)) == KT_OK ? KT_OK : rules_store_failed(ctx);
}

enum kt_status rules_file_row(struct kt_ctx *ctx, const char *name, struct kt_map **out)
{
    struct key key;
    struct store_slice bytes;
    msgpack_object row;
    file_key(&key, name);
    enum kt_status status = store_get(ctx->txn, key_slice(&key), &bytes);
    if (status == KT_NOT_FOUND)
        return kt_fail(ctx, KT_NOT_FOUND, "name", "no rule file %s was pushed",
                       "没有已推送的规则文件 %s", context_quote(ctx, name, strlen(name)));
    if (status != KT_OK)
        return rules_store_failed(ctx);
    KT_TRY(context_unpack(ctx, bytes.at, bytes.size, true, &row));
    *out = kt_map_copy(ctx, &row);
    kt_map_remove(*out, "text");
    kt_map_remove(*out, "hash");
    return KT_OK;
}

/* --- Trees --- */

/* Where the name stands or would stand. */
static size_t place_of(const struct rules_tree *tree, const char *name, bool *there)
{
    size_t low = 0, high = tree->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(tree->at[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *there = low < tree->count && strcmp(tree->at[low].name, name) == 0;
    return low;
}

const struct rules_file *rules_tree_find(const struct rules_tree *tree, const char *name)
{
    bool there;
    size_t at = place_of(tree, name, &there);
    return there ? &tree->at[at] : NULL;
}

enum kt_status rules_tree_put(struct kt_ctx *ctx, struct rules_tree *tree,
                              const struct rules_file *file)
{
    bool there;
    size_t at = place_of(tree, file->name, &there);
    if (!there && tree->count == KT_LIMIT_RULE_FILES)
        return kt_fail(ctx, KT_TOO_LARGE, "files", "more than %u rule files", "规则文件超过 %u 个",
                       KT_LIMIT_RULE_FILES);
    if (!there) {
        memmove(&tree->at[at + 1], &tree->at[at], (tree->count - at) * sizeof(*tree->at));
        tree->count++;
    }
    tree->at[at] = *file;
    return KT_OK;
}

bool rules_tree_remove(struct rules_tree *tree, const char *name)
{
    bool there;
    size_t at = place_of(tree, name, &there);
    if (!there)
        return false;
    tree->count--;
    memmove(&tree->at[at], &tree->at[at + 1], (tree->count - at) * sizeof(*tree->at));
    return true;
}

void rules_compare(const struct rules_tree *before, const struct rules_tree *after,
                   struct rules_changes *out)
{
    size_t old = 0, new = 0;
    out->count = 0;
    while (old < before->count || new < after->count) {
        const struct rules_file *a = old < before->count ? &before->at[old] : NULL;
        const struct rules_file *b = new < after->count ? &after->at[new] : NULL;
        int order = !a ? 1 : !b ? -1 : strcmp(a->name, b->name);
        struct rules_change change = {order <= 0 ? a : NULL, order >= 0 ? b : NULL};
        old += order <= 0;
        new += order >= 0;
        if (order != 0 || memcmp(a->hash, b->hash, RULES_HASH_BYTES) != 0)
            out->at[out->count++] = change;
    }
}

const char *rules_change_name(const struct rules_change *change)
{
    return change->after ? change->after->name : change->before->name;
}

const char *rules_change_what(const struct rules_change *change)
{
    return !change->before ? "added" : !change->after ? "removed" : "changed";
}
