#include "engine/attempts.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SETS       2048u /* Of places that a key may be in. */
#define WAYS       4u
#define FORGIVE_US INT64_C(60000000)
#define SECOND_US  INT64_C(1000000)

enum count { COUNT_BOTH, COUNT_ADDRESS, COUNT_USER, COUNT_KINDS };

static const struct {
    unsigned free_times; /* More free attempts than a name from one address has. */
    unsigned longest_s;
} kinds[COUNT_KINDS] = {
    [COUNT_BOTH] = {1, 60},
    [COUNT_ADDRESS] = {10, 60},
    [COUNT_USER] = {10, 4},
};

struct place {
    uint64_t key; /* 0: free. */
    int64_t seen_us;
    int64_t until_us;
    size_t failures; /* At seen_us. */
};

struct attempts {
    size_t free_count;
    unsigned char secret[crypto_generichash_KEYBYTES];
    struct place places[SETS][WAYS];
};

struct attempts *attempts_new(size_t free_count)
{
    struct attempts *attempts = calloc(1, sizeof *attempts);
    if (!attempts)
        return NULL;
    attempts->free_count = free_count;
    randombytes_buf(attempts->secret, sizeof attempts->secret);
    return attempts;
}

void attempts_free(struct attempts *attempts)
{
    free(attempts);
}

static uint64_t key_of(const struct attempts *attempts, struct attempts_who who, enum count kind)
{
    crypto_generichash_state state;
    unsigned char hash[crypto_generichash_BYTES_MIN];
    unsigned char first = (unsigned char)kind;
    uint64_t key;
    crypto_generichash_init(&state, attempts->secret, sizeof attempts->secret, sizeof hash);
    crypto_generichash_update(&state, &first, 1);
    if (kind != COUNT_USER)
        crypto_generichash_update(&state, who.address, ENGINE_ADDRESS_BYTES);
    if (kind != COUNT_ADDRESS)
        crypto_generichash_update(&state, (const unsigned char *)who.user, strlen(who.user));
    crypto_generichash_final(&state, hash, sizeof hash);
    memcpy(&key, hash, sizeof key);
    return key ? key : 1;
}

static bool is_counted(struct attempts_who who, enum count kind)
{
    return kind != COUNT_ADDRESS || !who.is_shared;
}

static const struct place *find(const struct attempts *attempts, uint64_t key)
{
    const struct place *places = attempts->places[key % SETS];
    for (size_t i = 0; i < WAYS; i++) {
        if (places[i].key == key)
            return &places[i];
    }
    return NULL;
}

/* Its own, or the one seen longest ago, emptied; one that is free was never seen. */
static struct place *find_or_take(struct attempts *attempts, uint64_t key)
{
    struct place *places = attempts->places[key % SETS];
    struct place *oldest = &places[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (places[i].key == key)
            return &places[i];
        if (places[i].seen_us < oldest->seen_us)
            oldest = &places[i];
    }
    *oldest = (struct place){.key = key};
    return oldest;
}

unsigned attempts_wait_s(const struct attempts *attempts, struct attempts_who who, int64_t now_us)
{
    int64_t wait_us = 0;
    for (enum count kind = 0; kind < COUNT_KINDS; kind++) {
        if (!is_counted(who, kind))
            continue;
        const struct place *place = find(attempts, key_of(attempts, who, kind));
        if (place && place->until_us - now_us > wait_us)
            wait_us = place->until_us - now_us;
    }
    return (unsigned)((wait_us + SECOND_US - 1) / SECOND_US);
}

/* 1, 2, 4 ... seconds behind the free ones. */
static int64_t delay_us(size_t failures, size_t free_count, unsigned longest_s)
{
    if (failures <= free_count)
        return 0;
    size_t doublings = failures - free_count - 1;
    unsigned seconds = doublings < 16 ? 1u << doublings : longest_s;
    return (seconds < longest_s ? seconds : longest_s) * SECOND_US;
}

void attempts_failed(struct attempts *attempts, struct attempts_who who, int64_t now_us)
{
    for (enum count kind = 0; kind < COUNT_KINDS; kind++) {
        if (!is_counted(who, kind))
            continue;
        struct place *place = find_or_take(attempts, key_of(attempts, who, kind));
        size_t forgiven = (size_t)((now_us - place->seen_us) / FORGIVE_US);
        place->failures = place->failures > forgiven ? place->failures - forgiven + 1 : 1;
        place->seen_us = now_us;
        place->until_us =
            now_us + delay_us(place->failures, attempts->free_count * kinds[kind].free_times,
                              kinds[kind].longest_s);
    }
}

void attempts_succeeded(struct attempts *attempts, struct attempts_who who)
{
    static const enum count forgiven[] = {COUNT_BOTH, COUNT_USER};
    for (size_t i = 0; i < sizeof forgiven / sizeof forgiven[0]; i++) {
        uint64_t key = key_of(attempts, who, forgiven[i]);
        if (find(attempts, key))
            *find_or_take(attempts, key) = (struct place){0};
    }
}
