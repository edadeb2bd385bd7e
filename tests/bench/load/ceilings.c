/* What the machine can do without Kontor, measured in the same run: an echo over the same kind of
 * socket, and LMDB storing as many bytes in as many keys. */
#include <errno.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <time.h>

#include "../bench.h"
#include "load.h"

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

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Keys as a business makes them: most in the order of time within a few spaces, some anywhere. */
static bool put_one(MDB_txn *txn, MDB_dbi dbi, const struct load_writes *writes, uint64_t *random)
{
    static uint64_t counter;
    unsigned char key[512] = {0};
    static unsigned char value[65536];
    size_t key_size = (size_t)(writes->key_bytes + 0.5), value_size = (size_t)writes->value_bytes;
    key_size = key_size < 9 ? 9 : key_size > 511 ? 511 : key_size;
    value_size = value_size > sizeof(value) ? sizeof(value) : value_size;
    uint64_t number = ++counter, drawn = bench_random(random);
    key[0] = (unsigned char)(drawn % 8);
    if (key[0] == 0)
        number = drawn % 100000;
    for (size_t i = 0; i < 8; i++)
        key[1 + i] = (unsigned char)(number >> (56 - 8 * i));
    MDB_val k = {key_size, key}, v = {value_size, value};
    return mdb_put(txn, dbi, &k, &v, 0) == 0;
}

static bool store_batch(MDB_env *env, MDB_dbi dbi, const struct load_writes *writes,
                        uint64_t *random)
{
    MDB_txn *top, *nested;
    size_t requests = writes->batch < 1 ? 1 : (size_t)(writes->batch + 0.5);
    if (mdb_txn_begin(env, NULL, 0, &top) != 0)
        return false;
    for (size_t r = 0; r < requests; r++) {
        if (mdb_txn_begin(env, top, 0, &nested) != 0)
            return false;
        for (size_t i = 0; i < (size_t)(writes->puts + 0.5); i++)
            if (!put_one(nested, dbi, writes, random))
                return false;
        if (mdb_txn_commit(nested) != 0)
            return false;
    }
    return mdb_txn_commit(top) == 0;
}

double load_store_ceiling(const char *folder, const struct load_writes *writes, double seconds)
{
    MDB_env *env = NULL;
    MDB_txn *txn;
    MDB_dbi dbi;
    uint64_t random = 7, batches = 0;
    bool good = mkdir(folder, 0700) == 0 && mdb_env_create(&env) == 0 &&
                mdb_env_set_mapsize(env, (size_t)16 << 30) == 0 &&
                mdb_env_open(env, folder, 0, 0600) == 0 && mdb_txn_begin(env, NULL, 0, &txn) == 0 &&
                mdb_dbi_open(txn, NULL, 0, &dbi) == 0 && mdb_txn_commit(txn) == 0;
    double began = seconds_now();
    while (good && seconds_now() - began < seconds) {
        good = store_batch(env, dbi, writes, &random);
        batches++;
    }
    double took = seconds_now() - began;
    if (env)
        mdb_env_close(env);
    return good ? (double)batches * (writes->batch < 1 ? 1 : writes->batch) / took : 0;
}
