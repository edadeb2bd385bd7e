/* Calls through the driver's table; nothing here knows a disk. */
#include "store/store.h"

static const struct store_driver *driver_of(const struct store_txn *txn)
{
    return txn->store->driver;
}

enum kt_status store_begin(struct store *store, struct store_txn *parent, enum store_mode mode,
                           struct store_txn **out)
{
    return store->driver->begin(store, parent, mode, out);
}

enum kt_status store_commit(struct store_txn *txn)
{
    return driver_of(txn)->commit(txn);
}

void store_abort(struct store_txn *txn)
{
    driver_of(txn)->abort(txn);
}

void store_reset(struct store_txn *txn)
{
    driver_of(txn)->reset(txn);
}

enum kt_status store_renew(struct store_txn *txn)
{
    return driver_of(txn)->renew(txn);
}

enum kt_status store_failure(const struct store_txn *txn)
{
    return driver_of(txn)->failure(txn);
}

enum store_fault store_take_fault(struct store *store)
{
    return store->driver->take_fault(store);
}

enum kt_status store_get(struct store_txn *txn, struct store_slice key, struct store_slice *value)
{
    return driver_of(txn)->get(txn, key, value);
}

enum kt_status store_put(struct store_txn *txn, struct store_slice key, struct store_slice value)
{
    return driver_of(txn)->put(txn, key, value);
}

enum kt_status store_del(struct store_txn *txn, struct store_slice key)
{
    return driver_of(txn)->del(txn, key);
}

enum kt_status store_cursor_open(struct store_txn *txn, struct store_cursor **out)
{
    return driver_of(txn)->cursor_open(txn, out);
}

void store_cursor_close(struct store_cursor *cursor)
{
    driver_of(cursor->txn)->cursor_close(cursor);
}

enum kt_status store_seek(struct store_cursor *cursor, struct store_slice key,
                          struct store_slice *found, struct store_slice *value)
{
    return driver_of(cursor->txn)->seek(cursor, key, found, value);
}

enum kt_status store_seek_before(struct store_cursor *cursor, struct store_slice key,
                                 struct store_slice *found, struct store_slice *value)
{
    return driver_of(cursor->txn)->seek_before(cursor, key, found, value);
}

enum kt_status store_next(struct store_cursor *cursor, struct store_slice *found,
                          struct store_slice *value)
{
    return driver_of(cursor->txn)->next(cursor, found, value);
}

enum kt_status store_prev(struct store_cursor *cursor, struct store_slice *found,
                          struct store_slice *value)
{
    return driver_of(cursor->txn)->prev(cursor, found, value);
}
