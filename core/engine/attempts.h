/** Wrong passwords: whoever has given too many must wait, longer each time.
 *
 *  Three counts see each of them: of this user name from this address, of the address, and of the
 *  name from wherever. The first two wait up to a minute. Those who come from this machine share an
 *  address, perhaps behind a proxy: it is not counted by itself, or one who guesses would keep out
 *  all. The name alone has more free attempts and waits a few seconds at most, so that nobody locks
 *  out who is elsewhere; who shares the address with one who guesses her name waits as long as he.
 *  A minute forgives one attempt.
 *  The table has one size: what is forgotten first is what was not seen for longest. It holds no
 *  names, only keyed hashes of them. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"

struct attempts;

/** `free` wrong ones cost nothing, for a name from an address. NULL without memory. */
struct attempts *attempts_new(size_t free_count);
void attempts_free(struct attempts *attempts);

struct attempts_who {
    const char *user;
    const unsigned char *address; /**< ENGINE_ADDRESS_BYTES. */
    bool is_shared;               /**< The address, by many. */
};
/** Seconds until a password may be tried; 0: now. */
unsigned attempts_wait_s(const struct attempts *attempts, struct attempts_who who, int64_t now_us);
void attempts_failed(struct attempts *attempts, struct attempts_who who, int64_t now_us);
/** The right password: the name is forgiven, there and everywhere. The address is not: it may have
 *  an account of its own. */
void attempts_succeeded(struct attempts *attempts, struct attempts_who who);
