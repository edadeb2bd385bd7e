/** The limits that whoever runs the server may set, by command line or settings file.
 *
 *  One struct, given to engine_open and rpc_server_new, and one table that says of each how it is
 *  called, what it means and what it may be. Limits that modules and clients can rely on, whoever
 *  runs the server, are in kontor/limits.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct limits {
    /* Of connections. */
    size_t connections;
    size_t connections_per_address;
    size_t connections_local; /**< The same for each loopback address, and the Unix socket. */
    size_t in_flight;
    size_t message_bytes;
    size_t message_seconds;
    size_t unread_bytes;
    size_t unread_seconds;
    size_t buffer_bytes; /**< Of all connections together. */
    /* Of requests. */
    size_t queue;
    size_t queue_bytes;
    size_t request_ms;
    size_t reply_bytes;
    size_t rule_steps;
    size_t rule_bytes;
    size_t login_attempts;
    /* Of the data. */
    size_t store_bytes;
};

enum limit_unit { LIMIT_COUNT, LIMIT_BYTES, LIMIT_SECONDS, LIMIT_MS };

struct limit_text {
    const char *name; /**< "message-bytes" */
    const char *help;
    size_t offset; /**< Of its member in struct limits. */
    size_t usual;
    size_t least;
    size_t most;
    enum limit_unit unit;
};

extern const struct limit_text limit_texts[];
extern const size_t limit_text_count;

/** All as usual. */
struct limits limits_usual(void);
size_t limits_get(const struct limits *limits, const struct limit_text *text);
/** "64", or "64M" (K, M, G, T: powers of 1024) for bytes. False, and nothing changed, for anything
 *  that is no number from `least` to `most`. */
bool limits_set(struct limits *limits, const struct limit_text *text, const char *value);
/** As limits_set reads it. */
void limits_print(const struct limit_text *text, size_t value, char *out, size_t out_size);
