#include "engine/force.h"

#include <string.h>

#include "engine/engine_internal.h"
#include "record/space.h"

void force_init(struct force *force)
{
    pthread_mutex_init(&force->lock, NULL);
    pthread_cond_init(&force->swapped, NULL);
}

void force_deinit(struct force *force)
{
    pthread_cond_destroy(&force->swapped);
    pthread_mutex_destroy(&force->lock);
}

/* --- The number in the data --- */

static struct key number_key(void)
{
    struct key key;
    key_begin(&key, SPACE_FORCE);
    return key;
}

static enum kt_status read_number(struct store_txn *txn, uint64_t *out)
{
    struct key key = number_key();
    struct store_slice bytes;
    *out = 0;
    enum kt_status status = store_get(txn, key_slice(&key), &bytes);
    if (status == KT_OK && bytes.size == sizeof(*out))
        memcpy(out, bytes.at, sizeof(*out));
    return status == KT_NOT_FOUND ? KT_OK : status;
}

enum kt_status force_begin(struct force *force, struct store_txn *txn)
{
    return read_number(txn, &force->number);
}

bool force_is_outdated(struct force *force, struct store_txn *txn)
{
    uint64_t number;
    return read_number(txn, &number) == KT_OK && number != force->number;
}

/* --- Readers --- */

struct registry *engine_registry(struct engine *engine)
{
    pthread_mutex_lock(&engine->force.lock);
    struct registry *registry = engine->force.registry;
    registry_hold(registry);
    pthread_mutex_unlock(&engine->force.lock);
    return registry;
}

/* Does the snapshot belong to the registry? A swap that began behind it, or is not stored yet, does
 * not matter. */
static bool belongs(struct force *force, struct store_txn *txn, const struct registry *registry)
{
    uint64_t there;
    pthread_mutex_lock(&force->lock);
    bool is_in_force = force->registry == registry, is_swapping = force->is_swapping;
    uint64_t number = force->number;
    pthread_mutex_unlock(&force->lock);
    return is_in_force && (!is_swapping || (read_number(txn, &there) == KT_OK && there == number));
}

/* For what is stored and about to come into force. */
static void wait_for_swap(struct force *force)
{
    pthread_mutex_lock(&force->lock);
    while (force->is_swapping)
        pthread_cond_wait(&force->swapped, &force->lock);
    pthread_mutex_unlock(&force->lock);
}

enum kt_status engine_begin_read(struct engine *engine, struct store_txn *txn,
                                 struct registry **out)
{
    for (;;) {
        *out = engine_registry(engine);
        enum kt_status status = store_renew(txn);
        if (status != KT_OK || belongs(&engine->force, txn, *out))
            return status;
        store_reset(txn);
        registry_release(*out);
        wait_for_swap(&engine->force);
    }
}

/* --- The writer --- */

static void set_swapping(struct force *force, bool is_swapping)
{
    pthread_mutex_lock(&force->lock);
    force->is_swapping = is_swapping;
    pthread_cond_broadcast(&force->swapped);
    pthread_mutex_unlock(&force->lock);
}

static void put_in_force(struct force *force, struct registry *registry, uint64_t number)
{
    registry_hold(registry);
    pthread_mutex_lock(&force->lock);
    struct registry *before = force->registry;
    force->registry = registry;
    force->number = number;
    pthread_mutex_unlock(&force->lock);
    registry_release(before);
}

enum kt_status engine_commit(struct engine *engine, struct store_txn *txn,
                             struct registry *registry)
{
    struct force *force = &engine->force;
    struct key key = number_key();
    uint64_t number = force->number + 1;
    /* When it fails, so does the commit. */
    (void)!store_put(txn, key_slice(&key), (struct store_slice){&number, sizeof(number)});
    set_swapping(force, true);
    enum kt_status status = store_commit(txn);
    if (status == KT_OK)
        put_in_force(force, registry, number);
    set_swapping(force, false);
    return status;
}
