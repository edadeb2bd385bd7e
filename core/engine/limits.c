#include "engine/limits.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kontor/limits.h"

#define KIB    ((size_t)1 << 10)
#define MIB    ((size_t)1 << 20)
#define GIB    ((size_t)1 << 30)
#define TIB    ((size_t)1 << 40)
#define HOUR_S 3600u

#define OF(member) offsetof(struct limits, member)

const struct limit_text limit_texts[] = {
    {"connections", "at one time", OF(connections), 16384, 1, 1000000, LIMIT_COUNT},
    {"connections-per-address", "of them from one address (IPv6: one /64)",
     OF(connections_per_address), 1000, 1, 1000000, LIMIT_COUNT},
    {"connections-local", "of them from one loopback address, or by the Unix socket",
     OF(connections_local), 16384, 1, 1000000, LIMIT_COUNT},
    {"in-flight", "requests of one connection that are worked on", OF(in_flight), 64, 1, 65536,
     LIMIT_COUNT},
    {"message-bytes", "of one request", OF(message_bytes), KT_LIMIT_MESSAGE_BYTES, 4 * KIB,
     64 * MIB, LIMIT_BYTES},
    {"message-seconds", "in which a request begun must be whole", OF(message_seconds), 30, 1,
     HOUR_S, LIMIT_SECONDS},
    {"unread-bytes", "of replies that one client leaves unread for unread-seconds",
     OF(unread_bytes), 64 * MIB, MIB, GIB, LIMIT_BYTES},
    {"unread-seconds", "in which a client must read some of its replies", OF(unread_seconds), 60, 1,
     HOUR_S, LIMIT_SECONDS},
    {"buffer-bytes", "that wait in all connections, received or to send", OF(buffer_bytes),
     512 * MIB, MIB, 1024 * GIB, LIMIT_BYTES},
    {"queue", "requests that wait: of reads, writes and logins each", OF(queue), 4096, 1, 1000000,
     LIMIT_COUNT},
    {"queue-bytes", "of all requests that wait or are worked on", OF(queue_bytes), 256 * MIB, MIB,
     1024 * GIB, LIMIT_BYTES},
    {"request-ms", "that one request may take", OF(request_ms), 30000, 10, 3600000, LIMIT_MS},
    {"reply-bytes", "of one answer", OF(reply_bytes), KT_LIMIT_REPLY_BYTES, 64 * KIB, GIB,
     LIMIT_BYTES},
    {"rule-steps", "of the rules of one request", OF(rule_steps), KT_LIMIT_RULE_STEPS, 100000,
     1000000000, LIMIT_COUNT},
    {"rule-bytes", "that all rules may hold", OF(rule_bytes), KT_LIMIT_RULE_BYTES, 4 * MIB, 4 * GIB,
     LIMIT_BYTES},
    {"login-attempts", "wrong passwords before each costs more time", OF(login_attempts), 5, 1,
     1000, LIMIT_COUNT},
    {"store-bytes", "of the database file: what would not fit is refused", OF(store_bytes), TIB,
     16 * MIB, 64 * TIB, LIMIT_BYTES},
};
const size_t limit_text_count = sizeof(limit_texts) / sizeof(limit_texts[0]);

static size_t *member(struct limits *limits, const struct limit_text *text)
{
    return (size_t *)(void *)((char *)limits + text->offset);
}

struct limits limits_usual(void)
{
    struct limits limits = {0};
    for (size_t i = 0; i < limit_text_count; i++)
        *member(&limits, &limit_texts[i]) = limit_texts[i].usual;
    return limits;
}

size_t limits_get(const struct limits *limits, const struct limit_text *text)
{
    size_t value;
    memcpy(&value, (const char *)limits + text->offset, sizeof value);
    return value;
}

static unsigned shift_of(char unit)
{
    return unit == 'K' ? 10 : unit == 'M' ? 20 : unit == 'G' ? 30 : unit == 'T' ? 40 : 0;
}

bool limits_set(struct limits *limits, const struct limit_text *text, const char *value)
{
    char *end;
    if (*value < '0' || *value > '9')
        return false;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    unsigned shift = text->unit == LIMIT_BYTES ? shift_of(*end) : 0;
    end += shift > 0;
    if (*end || errno || number > (SIZE_MAX >> shift))
        return false;
    number <<= shift;
    if (number < text->least || number > text->most)
        return false;
    *member(limits, text) = (size_t)number;
    return true;
}

void limits_print(const struct limit_text *text, size_t value, char *out, size_t out_size)
{
    static const char *const letters[] = {"", "K", "M", "G", "T"};
    size_t letter = 0;
    while (text->unit == LIMIT_BYTES && letter < 4 && value && value % KIB == 0) {
        value /= KIB;
        letter++;
    }
    snprintf(out, out_size, "%zu%s", value, letters[letter]);
}
