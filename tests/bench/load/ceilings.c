/* What the machine can do without Kontor, measured in the same run: an echo over the same kind of
 * socket, and LMDB storing the same keys and values in the same tree. */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../bench.h"
#include "load.h"
#include "trace.h"

/* --- Echo --- */

#define ECHO_LINES 4096
#define ECHO_READ  65536

struct echo {
    int listener, poll;
    size_t bytes;
    msgpack_unpacker unpackers[ECHO_LINES]; /* By descriptor. */
};

static void answer(msgpack_sbuffer *out, const msgpack_object *request, size_t bytes)
{
    static char payload[1 << 20];
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 4);
    msgpack_pack_int(&packer, 1);
    msgpack_pack_object(&packer, request->via.array.ptr[1]);
    msgpack_pack_nil(&packer);
    msgpack_pack_bin_with_body(&packer, payload, bytes < sizeof(payload) ? bytes : sizeof(payload));
}

/* False when the other side has gone. */
static bool echo(struct echo *echo, int fd)
{
    msgpack_unpacker *unpacker = &echo->unpackers[fd];
    msgpack_unpacked message;
    msgpack_sbuffer out;
    if (!msgpack_unpacker_reserve_buffer(unpacker, ECHO_READ))
        abort();
    ssize_t got = read(fd, msgpack_unpacker_buffer(unpacker), ECHO_READ);
    if (got <= 0)
        return false;
    msgpack_unpacker_buffer_consumed(unpacker, (size_t)got);
    msgpack_unpacked_init(&message);
    msgpack_sbuffer_init(&out);
    while (msgpack_unpacker_next(unpacker, &message) == MSGPACK_UNPACK_SUCCESS)
        answer(&out, &message.data, echo->bytes);
    msgpack_unpacked_destroy(&message);
    bool sent = out.size == 0 || write(fd, out.data, out.size) == (ssize_t)out.size;
    msgpack_sbuffer_destroy(&out);
    return sent;
}

static void serve_echo(struct echo *state)
{
    struct epoll_event ready[256];
    for (;;) {
        int count = epoll_wait(state->poll, ready, 256, -1);
        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd;
            if (fd != state->listener) {
                if (!echo(state, fd)) {
                    msgpack_unpacker_destroy(&state->unpackers[fd]);
                    close(fd);
                }
                continue;
            }
            int line = accept(fd, NULL, NULL);
            struct epoll_event event = {.events = EPOLLIN, .data.fd = line};
            if (line < 0 || line >= ECHO_LINES ||
                !msgpack_unpacker_init(&state->unpackers[line], ECHO_READ) ||
                epoll_ctl(state->poll, EPOLL_CTL_ADD, line, &event) != 0)
                _exit(1);
        }
    }
}

pid_t load_echo_start(const char *path, size_t bytes)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (listener < 0 || bind(listener, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener, 1024) != 0)
        return -1;
    pid_t process = fork();
    if (process == 0) {
        struct echo *state = calloc(1, sizeof(*state));
        struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
        if (!state)
            _exit(1);
        *state = (struct echo){.listener = listener, .poll = epoll_create1(0), .bytes = bytes};
        epoll_ctl(state->poll, EPOLL_CTL_ADD, listener, &event);
        serve_echo(state);
    }
    close(listener);
    return process;
}

void load_echo_stop(pid_t process)
{
    if (process <= 0)
        return;
    kill(process, SIGTERM);
    waitpid(process, NULL, 0);
}

/* --- LMDB --- */

struct replay {
    const char *at, *end;
    MDB_env *env;
    MDB_dbi dbi;
};

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool store_change(struct replay *replay, MDB_txn *txn, struct trace_operation operation)
{
    /* LMDB takes pointers to what it only reads as `void *`. */
    union {
        const char *in;
        void *out;
    } key = {.in = replay->at}, value = {.in = replay->at + operation.key_size};
    MDB_val k = {operation.key_size, key.out}, v = {operation.value_size, value.out};
    replay->at += operation.key_size + operation.value_size;
    int error = operation.kind == TRACE_PUT ? mdb_put(txn, replay->dbi, &k, &v, 0)
                                            : mdb_del(txn, replay->dbi, &k, NULL);
    return error == 0 || error == MDB_NOTFOUND;
}

/* One request in a nested transaction, as the server does it. */
static bool store_request(struct replay *replay, MDB_txn *top)
{
    struct trace_operation operation;
    MDB_txn *nested;
    if (mdb_txn_begin(replay->env, top, 0, &nested) != 0)
        return false;
    while (replay->end - replay->at >= (ptrdiff_t)sizeof(operation)) {
        memcpy(&operation, replay->at, sizeof(operation));
        replay->at += sizeof(operation);
        if (operation.kind == TRACE_COMMIT)
            return mdb_txn_commit(nested) == 0;
        if (operation.kind == TRACE_ABORT)
            break;
        if (operation.kind != TRACE_BEGIN && !store_change(replay, nested, operation))
            break;
    }
    mdb_txn_abort(nested);
    return true;
}

/* All of the trace; the number of requests. */
static size_t store_all(struct replay *replay, size_t batch)
{
    size_t stored = 0;
    while (replay->at < replay->end) {
        MDB_txn *top;
        if (mdb_txn_begin(replay->env, NULL, 0, &top) != 0)
            return 0;
        for (size_t r = 0; r < batch && replay->at < replay->end; r++, stored++)
            if (!store_request(replay, top))
                return 0;
        if (mdb_txn_commit(top) != 0)
            return 0;
    }
    return stored;
}

static bool open_store(const char *folder, struct replay *replay)
{
    MDB_txn *txn;
    return mdb_env_create(&replay->env) == 0 &&
           mdb_env_set_mapsize(replay->env, (size_t)16 << 30) == 0 &&
           mdb_env_open(replay->env, folder, 0, 0600) == 0 &&
           mdb_txn_begin(replay->env, NULL, 0, &txn) == 0 &&
           mdb_dbi_open(txn, NULL, 0, &replay->dbi) == 0 && mdb_txn_commit(txn) == 0;
}

static bool map_trace(const char *path, struct replay *replay, size_t *size)
{
    struct stat found;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    *size = fstat(fd, &found) == 0 ? (size_t)found.st_size : 0;
    void *bytes =
        *size ? mmap(NULL, *size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0) : MAP_FAILED;
    close(fd);
    if (bytes == MAP_FAILED)
        return false;
    replay->at = bytes;
    replay->end = replay->at + *size;
    return true;
}

double load_store_ceiling(const char *folder, const char *trace, double batch)
{
    struct replay replay = {0};
    size_t size = 0;
    double each_second = 0;
    if (!map_trace(trace, &replay, &size))
        return 0;
    const char *bytes = replay.at;
    if (open_store(folder, &replay)) {
        double began = seconds_now();
        size_t stored = store_all(&replay, batch < 1 ? 1 : (size_t)(batch + 0.5));
        each_second = (double)stored / (seconds_now() - began);
    }
    if (replay.env)
        mdb_env_close(replay.env);
    union {
        const char *in;
        void *out;
    } mapped = {.in = bytes};
    munmap(mapped.out, size);
    return each_second;
}
