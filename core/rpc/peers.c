#include "rpc/peers.h"

#include <event2/util.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS      4096u
#define SUBNET_BYTES 8 /* Of an IPv6 address: /64. */

bool peers_init(struct peers *peers)
{
    peers->buckets = calloc(BUCKETS, sizeof(struct peer *));
    evutil_secure_rng_get_bytes(&peers->seed, sizeof peers->seed);
    return peers->buckets != NULL;
}

void peers_deinit(struct peers *peers)
{
    free(peers->buckets);
    *peers = (struct peers){0};
}

static void put_four(unsigned char *address, const void *four)
{
    address[10] = address[11] = 0xff; /* As IPv6 maps it. */
    memcpy(address + 12, four, 4);
}

static bool read_address(const struct sockaddr *from, unsigned char *address)
{
    const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr;
    memset(address, 0, ENGINE_ADDRESS_BYTES);
    if (from->sa_family == AF_INET)
        put_four(address, &((const struct sockaddr_in *)(const void *)from)->sin_addr);
    else if (from->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(six))
        put_four(address, six->s6_addr + 12);
    else if (from->sa_family != AF_INET6) {
        memset(address, 0xff, ENGINE_ADDRESS_BYTES); /* Nobody's. */
        return true;
    } else if (IN6_IS_ADDR_LOOPBACK(six)) {
        memcpy(address, six, sizeof *six);
        return true;
    } else {
        memcpy(address, six, SUBNET_BYTES);
        return false;
    }
    return address[12] == 127;
}

static struct peer **bucket_of(const struct peers *peers, const unsigned char *address)
{
    uint64_t halves[2];
    memcpy(halves, address, sizeof halves);
    uint64_t hash = peers->seed;
    for (int i = 0; i < 2; i++) {
        hash = (hash ^ halves[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return &peers->buckets[hash % BUCKETS];
}

struct peer *peers_enter(struct peers *peers, const struct sockaddr *from)
{
    unsigned char address[ENGINE_ADDRESS_BYTES];
    bool is_local = read_address(from, address);
    struct peer **bucket = bucket_of(peers, address);
    struct peer *peer = *bucket;
    while (peer && memcmp(peer->address, address, sizeof address) != 0)
        peer = peer->next;
    if (!peer) {
        peer = calloc(1, sizeof *peer);
        if (!peer)
            return NULL;
        memcpy(peer->address, address, sizeof address);
        peer->is_local = is_local;
        peer->next = *bucket;
        *bucket = peer;
    }
    peer->connections++;
    return peer;
}

void peers_leave(struct peers *peers, struct peer *peer)
{
    if (--peer->connections > 0)
        return;
    struct peer **place = bucket_of(peers, peer->address);
    while (*place != peer)
        place = &(*place)->next;
    *place = peer->next;
    free(peer);
}
