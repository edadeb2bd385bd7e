/* Harms the data of a server that does not run, for scenarios of the check:
 *
 *     damage DATA lose|spoil SPACE NAME
 *
 * The first row of the space (a letter of record/space.h) that belongs to the entity, index or
 * total of that name, or of all for the name `-`, is deleted, or gets bytes that mean nothing. */
#include <stdio.h>
#include <string.h>

#include "record/schema.h"
#include "record/space.h"

static bool find_row(struct store_txn *txn, char space, const char *name, struct key *row)
{
    struct store_cursor *cursor;
    struct store_slice found;
    uint32_t number = 0;
    bool any = strcmp(name, "-") == 0;
    if (!any && catalog_find(txn, name, &number) != KT_OK)
        return false;
    if (store_cursor_open(txn, &cursor) != KT_OK)
        return false;
    key_begin(row, space);
    if (!any)
        key_add_u32(row, number);
    bool there = store_seek(cursor, key_slice(row), &found, NULL) == KT_OK &&
                 key_has_prefix(found, key_slice(row));
    if (there) {
        memcpy(row->bytes, found.at, found.size);
        row->size = (uint16_t)found.size;
    }
    store_cursor_close(cursor);
    return there;
}

static bool harm(struct store_txn *txn, char *const *words)
{
    struct key row;
    if (!find_row(txn, *words[3], words[4], &row))
        return false;
    if (strcmp(words[2], "lose") == 0)
        return store_del(txn, key_slice(&row)) == KT_OK;
    return store_put(txn, key_slice(&row), (struct store_slice){"\xc1", 1}) == KT_OK;
}

int main(int count, char **words)
{
    char why[512];
    struct store *store;
    struct store_txn *txn;
    if (count != 5)
        return 2;
    const struct store_options options = {.folder = words[1]};
    if (store_lmdb.open(&options, &store, why, sizeof(why)) != KT_OK) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    bool done = store_begin(store, NULL, STORE_WRITE, &txn) == KT_OK;
    if (done && !harm(txn, words)) {
        store_abort(txn);
        done = false;
    } else if (done) {
        done = store_commit(txn) == KT_OK;
    }
    store_lmdb.close(store);
    return done ? 0 : 1;
}
