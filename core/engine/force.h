/** The registry in force, and which data it belongs to. Private to engine/.
 *
 *  A registry and the data that it was built from change in one commit. As a commit may take long
 *  (an upgrade of much data), nobody waits for it: a number in the data, raised by each such
 * commit, tells a reader on which side of it his snapshot is. */
#pragma once

#include <pthread.h>
#include <stdint.h>

#include "plugin/registry.h"

struct engine;

struct force {
    pthread_mutex_t lock; /**< Of what follows; never held while the store works. */
    pthread_cond_t swapped;
    struct registry *registry;
    uint64_t number;  /**< In the data that it belongs to. */
    bool is_swapping; /**< A commit with the next one is under way. */
};

void force_init(struct force *force);
void force_deinit(struct force *force);
/** Before the first request: the number in the data. */
enum kt_status force_begin(struct force *force, struct store_txn *txn);
/** Do the data belong to another registry than the one in force? So it is after a commit that was
 *  reported as failed and was none the less stored. */
bool force_is_outdated(struct force *force, struct store_txn *txn);

/** The registry in force, with a reference for the caller. */
struct registry *engine_registry(struct engine *engine);
/** The registry in force, with a reference for the caller, and under it the data that it was built
 *  from: `txn` is renewed. The reference is given also when that fails. */
enum kt_status engine_begin_read(struct engine *engine, struct store_txn *txn,
                                 struct registry **out);
/** Commits data and puts in force the registry built from them: no reader takes migrated data for
 *  those of before. By the writer alone. */
enum kt_status engine_commit(struct engine *engine, struct store_txn *txn,
                             struct registry *registry);
