/** A counter that one thread at a time adds to and any may look at: it takes no locked instruction.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

static inline void counter_add(atomic_ullong *counter, uint64_t more)
{
    unsigned long long held = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, held + more, memory_order_relaxed);
}

static inline uint64_t counter_look(const atomic_ullong *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}
