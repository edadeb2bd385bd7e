/* The catalog gives names (entities, indexes, totals, sequences) stable numbers, so that keys are
 * short and a renamed table of the code never reads another's rows. */
#include <string.h>

#include "record/schema.h"
#include "record/space.h"

static enum kt_status next_number(struct store_txn *txn, uint32_t *out)
{
    struct key key;
    key_begin(&key, SPACE_CATALOG);
    key_add_nil(&key);
    struct store_slice found;
    uint32_t last = 0;
    enum kt_status status = store_get(txn, key_slice(&key), &found);
    if (status == KT_OK && found.size == sizeof(last))
        memcpy(&last, found.at, sizeof(last));
    else if (status != KT_NOT_FOUND)
        return status == KT_OK ? KT_INTERNAL : status;
    last++;
    *out = last;
    return store_put(txn, key_slice(&key), (struct store_slice){&last, sizeof(last)});
}

static enum kt_status find(struct store_txn *txn, const char *name, struct key *key, uint32_t *out)
{
    key_begin(key, SPACE_CATALOG);
    key_add_text(key, name, strlen(name));
    if (key->cut || key->overflow)
        return KT_INTERNAL;
    struct store_slice found;
    enum kt_status status = store_get(txn, key_slice(key), &found);
    if (status == KT_OK && found.size != sizeof(*out))
        return KT_INTERNAL;
    if (status == KT_OK)
        memcpy(out, found.at, sizeof(*out));
    return status;
}

enum kt_status catalog_find(struct store_txn *txn, const char *name, uint32_t *out)
{
    struct key key;
    return find(txn, name, &key, out);
}

enum kt_status catalog_number(struct store_txn *txn, const char *name, uint32_t *out)
{
    struct key key;
    enum kt_status status = find(txn, name, &key, out);
    if (status != KT_NOT_FOUND)
        return status;
    KT_TRY(next_number(txn, out));
    return store_put(txn, key_slice(&key), (struct store_slice){out, sizeof(*out)});
}
