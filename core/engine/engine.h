/** The engine room: takes requests from rpc/, runs each in its own transaction, gives back the
 * reply.
 *
 *  One writer thread takes what is queued, runs each write in a nested transaction, commits them
 *  together once, and only then releases their replies. Reader threads serve reads from renewed
 *  read transactions and never wait for the writer. The set of modules, methods and rules in force
 *  is one immutable registry that is swapped after the commit that changed it. */
#pragma once

#include <msgpack.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/limits.h"
#include "kontor/status.h"

struct engine;

#define ENGINE_READERS_MAX 8

struct engine_options {
    const char *folder;          /**< Data folder. */
    const char *plugins;         /**< Folder of NAME/NAME.so. */
    unsigned readers;            /**< Reader threads; 0: one per processor, at most 8. */
    bool unsafe_no_sync;         /**< Tests only. */
    const struct limits *limits; /**< Copied. */
};

/** What rpc/ sees of its clients, for system.stats. One thread writes it, any reads. */
struct engine_traffic {
    atomic_ullong open;     /**< Connections now, also those that end. */
    atomic_ullong accepted; /**< All that were ever let in, */
    atomic_ullong refused;  /**< turned away at once, */
    atomic_ullong dropped;  /**< cut off by the server. */
    atomic_ullong unheard;  /**< Requests refused before the engine saw them. */
    atomic_ullong received_bytes, sent_bytes;
    atomic_ullong buffered_bytes; /**< Received and to be sent, as far as they wait now. */
    atomic_ullong working_bytes;  /**< Of the requests that the engine has now. */
};

#define ENGINE_ADDRESS_BYTES 16 /* IPv6, or whatever tells one origin from another. */

/** Who is at the other end of a connection. Written only by auth.* methods, which rpc/ runs alone
 *  on their connection: no request of a session is in flight while it changes. */
struct engine_session {
    uint64_t user_id; /**< 0: not logged in. */
    unsigned char address[ENGINE_ADDRESS_BYTES];
    bool is_local; /**< By loopback or the Unix socket: its address is that of many. */
};

struct stats_method;

/** Of one request, for system.stats; the engine's. Monotonic. */
struct engine_measure {
    struct stats_method *method;
    int64_t submitted_us;
    int64_t begun_us, ended_us; /**< Running; 0 when it never ran. */
    enum kt_status outcome;
};

/** One request on its way. Made by rpc/, which keeps it alive until `done`. */
struct engine_request {
    struct engine_request *next;   /**< Engine's. */
    struct engine_measure measure; /**< Engine's. */
    struct engine_session *session;
    uint32_t msgid;
    const char *method; /**< Not NUL-terminated; in the frame. */
    size_t method_length;
    const char *params; /**< The packed params value, in the frame. */
    size_t params_size;
    msgpack_sbuffer
        reply; /**< The whole response message [1, msgid, error, result]; initialised by rpc/. */
    /** Called once, on an engine thread (or inside engine_submit). */
    void (*done)(struct engine_request *request);
    void *owner; /**< rpc/'s. */
};

/** Opens the data folder (created when missing), loads plugins, builds the registry, makes the
 *  administrator on first start. `why` (>= 512 bytes) tells people what is wrong on failure. */
enum kt_status engine_open(const struct engine_options *options, struct engine **out, char *why,
                           size_t why_size);
/** Start threads. */
enum kt_status engine_start(struct engine *engine);
/** For the server in front of this engine to fill. */
struct engine_traffic *engine_traffic(struct engine *engine);
/** How the engine does, as text for Prometheus, added to `text`. Any thread, while it is open. */
enum kt_status engine_metrics(struct engine *engine, msgpack_sbuffer *text);
/** Queue requests, linked by `next`, in their order; each ends in done(), with error `busy` when
 *  the queue is full. Many at once cost less. */
void engine_submit(struct engine *engine, struct engine_request *requests);
/** Must this method run alone on its connection? (auth.*) */
bool engine_method_is_exclusive(const char *method, size_t length);
/** Finish everything queued, stop the threads. Later submissions end in `busy`. */
void engine_stop(struct engine *engine);
void engine_close(struct engine *engine);

/** Pack an error response that needs no engine, e.g. for a malformed frame. */
void engine_pack_error(msgpack_sbuffer *reply, uint32_t msgid, enum kt_status status,
                       const char *field, const char *message, const char *message_zh);
