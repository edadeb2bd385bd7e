/** Who is at the other ends: how many connections come from each address.
 *
 *  An IPv6 address counts as its /64, which is what one customer of a provider is given. All who
 *  come by the Unix socket count as one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "engine/engine.h"

struct peer {
    struct peer *next; /**< Of its bucket. */
    unsigned char address[ENGINE_ADDRESS_BYTES];
    bool is_local; /**< This machine: a loopback address, or the Unix socket. */
    size_t connections;
};

struct peers {
    struct peer **buckets;
    uint64_t seed; /**< A stranger who chooses addresses must not choose buckets. */
};

bool peers_init(struct peers *peers);
/** Needs peers that have all left. */
void peers_deinit(struct peers *peers);
/** One connection more from there; NULL without memory. */
struct peer *peers_enter(struct peers *peers, const struct sockaddr *from);
void peers_leave(struct peers *peers, struct peer *peer);
