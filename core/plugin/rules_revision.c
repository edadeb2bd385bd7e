/* Revisions of the rule files: what each changed, by whom, when and why. */
#include <string.h>

#include "plugin/rules.h"
#include "record/record.h"
#include "record/space.h"

static void revision_key(struct key *key, uint64_t number)
{
    key_begin(key, SPACE_RULE_REVISION);
    key_add_u64(key, number);
}

enum kt_status rules_revision_last(struct kt_ctx *ctx, uint64_t *out)
{
    struct key prefix, end;
    struct store_cursor *cursor;
    struct store_slice found;
    key_begin(&prefix, SPACE_RULE_REVISION);
    end = prefix;
    key_successor(&end);
    *out = 0;
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return rules_store_failed(ctx);
    enum kt_status status = store_seek_before(cursor, key_slice(&end), &found, NULL);
    if (status == KT_OK && key_has_prefix(found, key_slice(&prefix))) {
        struct key_reader reader = key_read(found);
        key_read_u64(&reader, out);
    }
    store_cursor_close(cursor);
    return status == KT_OK || status == KT_NOT_FOUND ? KT_OK : rules_store_failed(ctx);
}

static enum kt_status load(struct kt_ctx *ctx, uint64_t number, msgpack_object *out)
{
    struct key key;
    struct store_slice bytes;
    revision_key(&key, number);
    if (store_get(ctx->txn, key_slice(&key), &bytes) != KT_OK)
        return rules_store_failed(ctx);
    return context_unpack(ctx, bytes.at, bytes.size, true, out);
}

/* --- Writing --- */

static enum kt_status write_revision(struct kt_ctx *ctx, uint64_t number,
                                     const struct rules_note *note,
                                     const struct rules_changes *changes)
{
    struct key key;
    struct kt_map *row = kt_map_new(ctx);
    struct kt_list *files = kt_list_new(ctx);
    for (size_t i = 0; i < changes->count; i++) {
        const struct rules_file *after = changes->at[i].after;
        struct kt_map *file = kt_map_new(ctx);
        kt_map_set_text(file, "name", rules_change_name(&changes->at[i]));
        kt_map_set_text(file, "what", rules_change_what(&changes->at[i]));
        if (after)
            kt_map_set(file, "hash",
                       (msgpack_object){.type = MSGPACK_OBJECT_BIN,
                                        .via.bin = {RULES_HASH_BYTES, (const char *)after->hash}});
        kt_list_add(files, file->object);
    }
    kt_map_set_id(row, "revision", number);
    kt_map_set(row, "at", kt_instant_value(ctx, kt_now(ctx)));
    kt_map_set_text(row, "user", kt_user_name(ctx));
    if (note->text)
        kt_map_set_text(row, "note", note->text);
    if (note->is_rollback)
        kt_map_set_int(row, "rollback_to", (int64_t)note->to);
    if (note->tests_skipped)
        kt_map_set_bool(row, "skip_tests", true);
    kt_map_set(row, "files", files->object);
    revision_key(&key, number);
    return rules_put_map(ctx, &key, row);
}

static enum kt_status change_files(struct kt_ctx *ctx, uint64_t number,
                                   const struct rules_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++) {
        const struct rules_change *change = &changes->at[i];
        KT_TRY(change->after ? rules_file_save(ctx, change->after, number)
                             : rules_file_drop(ctx, change->before->name));
    }
    return KT_OK;
}

/* Data from before there were revisions: what is pushed then becomes the first one. */
static enum kt_status write_first(struct kt_ctx *ctx, const struct rules_tree *present)
{
    static const struct rules_note note = {.text = "pushed before revisions were kept"};
    struct rules_changes *changes = kt_alloc(ctx, sizeof(*changes));
    struct rules_tree *none = rules_tree_new(ctx);
    rules_compare(none, present, changes);
    KT_TRY(change_files(ctx, 1, changes));
    return write_revision(ctx, 1, &note, changes);
}

enum kt_status rules_apply(struct kt_ctx *ctx, const struct rules_tree *after,
                           const struct rules_note *note, struct rules_changes *changes)
{
    struct rules_tree *present = rules_tree_new(ctx);
    uint64_t last;
    KT_TRY(rules_tree_present(ctx, present));
    KT_TRY(rules_revision_last(ctx, &last));
    rules_compare(present, after, changes);
    if (changes->count == 0)
        return KT_OK;
    if (last == 0 && present->count > 0) {
        KT_TRY(write_first(ctx, present));
        last = 1;
    }
    KT_TRY(change_files(ctx, last + 1, changes));
    return write_revision(ctx, last + 1, note, changes);
}

/* --- Reading --- */

static enum kt_status replay(struct kt_ctx *ctx, uint64_t number, struct rules_tree *tree)
{
    msgpack_object row;
    KT_TRY(load(ctx, number, &row));
    for (size_t i = 0; i < kt_count(&row, "files"); i++) {
        const msgpack_object *change = kt_at(&row, "files", i);
        struct rules_file file = {.name = kt_get_text(ctx, change, "name")};
        if (!rules_hash_of(kt_get(change, "hash"), file.hash))
            (void)rules_tree_remove(tree, file.name);
        else
            KT_TRY(rules_tree_put(ctx, tree, &file));
    }
    KT_TRY(context_check_memory(ctx));
    return context_check_time(ctx);
}

enum kt_status rules_tree_at(struct kt_ctx *ctx, uint64_t revision, struct rules_tree *out)
{
    uint64_t last;
    out->count = 0;
    KT_TRY(rules_revision_last(ctx, &last));
    if (revision > last)
        return kt_fail(ctx, KT_NOT_FOUND, "revision", "there is no revision %llu: the last is %llu",
                       "没有版本 %llu：最新为 %llu", (unsigned long long)revision,
                       (unsigned long long)last);
    for (uint64_t number = 1; number <= revision; number++)
        KT_TRY(replay(ctx, number, out));
    return KT_OK;
}

/* --- rules.log --- */

static bool touches(const msgpack_object *row, const char *file)
{
    for (size_t i = 0; file && i < kt_count(row, "files"); i++)
        if (kt_is(kt_at(row, "files", i), "name", file))
            return true;
    return !file;
}

/* Hashes are the store's own. */
static msgpack_object shown(struct kt_ctx *ctx, const msgpack_object *row)
{
    struct kt_map *map = kt_map_copy(ctx, row);
    struct kt_list *files = kt_list_new(ctx);
    for (size_t i = 0; i < kt_count(row, "files"); i++) {
        struct kt_map *file = kt_map_copy(ctx, kt_at(row, "files", i));
        kt_map_remove(file, "hash");
        kt_list_add(files, file->object);
    }
    kt_map_set(map, "files", files->object);
    return map->object;
}

enum kt_status registry_reply_rules_log(struct kt_ctx *ctx, const struct rules_log *asked)
{
    struct kt_list *revisions = kt_list_new(ctx);
    struct kt_map *answer = kt_map_new(ctx);
    uint64_t number, count = 0;
    KT_TRY(rules_revision_last(ctx, &number));
    if (asked->after && asked->after <= number)
        number = asked->after - 1;
    for (; number > 0 && count < asked->limit; number--) {
        msgpack_object row;
        KT_TRY(load(ctx, number, &row));
        if (touches(&row, asked->file)) {
            kt_list_add(revisions, shown(ctx, &row));
            count++;
        }
        KT_TRY(context_check_memory(ctx));
        KT_TRY(context_check_time(ctx));
    }
    kt_map_set(answer, "revisions", revisions->object);
    kt_map_set(answer, "next", number > 0 ? kt_id(number + 1) : kt_nil());
    kt_reply_map(ctx, answer);
    return KT_OK;
}
