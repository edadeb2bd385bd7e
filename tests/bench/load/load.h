/** The load generator: one thread that keeps many connections busy and measures what comes back. */
#pragma once

#include <msgpack.h>
#include <stdbool.h>

#include "client/client.h"
#include "histogram.h"

/** A request that is sent again and again; made once, before the clock runs. */
struct load_request {
    const char *method;
    msgpack_object params;
};

struct load_requests {
    struct load_request *at;
    size_t count;
    msgpack_zone *memory;
};

struct load_options {
    unsigned connections;
    unsigned depth; /**< Requests in flight on each connection. */
    double seconds;
    double rate; /**< Requests a second, come what may; 0: the next when one is answered. */
};

struct load_result {
    struct histogram latency; /**< Nanoseconds from when a request was due to its answer. */
    uint64_t answered;
    uint64_t refused;
    char why[200]; /**< The first refusal. */
    double seconds;
};

/** --- workload.c --- */
/** Names of the workloads, ended by NULL. */
extern const char *const load_workloads[];
/** Looks up in the server what the requests need. False with a message on stderr. */
bool load_prepare(const char *workload, struct client *client, struct load_requests *out);
void load_requests_free(struct load_requests *requests);

/** --- loop.c --- */
/** Opens a connection and logs in; NULL with a message on stderr. */
typedef struct client *(*load_dial)(void *argument);
bool load_run(const struct load_options *options, const struct load_requests *requests,
              load_dial dial, void *argument, struct load_result *out);

/** --- ceilings.c: what the machine can do without Kontor --- */
/** A process that answers each request with `bytes` of payload; its socket is at `path`. */
pid_t load_echo_start(const char *path, size_t bytes);
void load_echo_stop(pid_t process);

/** What one request writes, as the server's statistics count it. */
struct load_writes {
    double puts;
    double key_bytes;   /**< Of one put. */
    double value_bytes; /**< Of one put. */
    double batch;       /**< Requests to a commit. */
};
/** Requests a second that LMDB alone stores when it does what the server did, as the file `trace`
 *  tells (trace.h), to the database in `folder`, which is as the server's was before; `batch`
 * requests to a commit. 0 on failure. */
double load_store_ceiling(const char *folder, const char *trace, double batch);
