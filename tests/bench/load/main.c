/* How much a running server does, and how soon, next to what the machine could do without it.
 *
 *     kontor-load --data DIR [--seconds S] [--connections LIST] [--depth D] [--rate R]
 *                 [--writers N] [WORKLOAD...]
 *
 * DIR is the data folder of a server with parties, products, customers and sales in it (see
 * tests/bench/load/run). Each workload runs three times with each number of connections; the median
 * is printed, and its share of a ceiling measured between the runs: for what is read, an echo of
 * as many bytes with as many connections; for orders, LMDB storing the same keys and values in the
 * same tree, in batches as large as the server's were. For that, DIR has the files load-base.mdb
 * and load-trace: the database before some orders, and what they stored (spy/spy.c). */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"

#define RUNS             3
#define WRITERS_AHEAD_US 300000 /* Until they are at work. */

struct bench {
    const char *data;
    char socket[200];
    char echo_socket[220];
    char password[200];
    char token[1000]; /* Of the first login: checking a password costs a lot, on purpose. */
    struct load_options options;
    unsigned connections[16];
    size_t connection_count;
    unsigned writers; /* Connections that order while reads are measured. */
    struct load_requests orders;
};

/* --- Connections --- */

static struct client *dial(const char *path)
{
    struct client *client = client_new(&(struct client_options){.socket_path = path});
    if (client && client_connect(client) == CLIENT_OK)
        return client;
    fprintf(stderr, "load: %s: %s\n", path, client ? client_error(client)->message : "no memory");
    client_free(client);
    return NULL;
}

static struct client *logged_in(struct client *client, enum client_status status,
                                struct client_reply *reply)
{
    if (status != CLIENT_OK)
        fprintf(stderr, "load: cannot log in: %s\n",
                reply->error ? reply->error->message : client_error(client)->message);
    client_reply_free(reply);
    if (status == CLIENT_OK)
        return client;
    client_free(client);
    return NULL;
}

static struct client *dial_server(void *argument)
{
    const struct bench *bench = argument;
    struct client_reply reply;
    struct client *client = dial(bench->socket);
    return client ? logged_in(client, client_login_token(client, bench->token, &reply), &reply)
                  : NULL;
}

static struct client *dial_first(struct bench *bench)
{
    struct client_reply reply;
    struct client *client = dial(bench->socket);
    if (!client)
        return NULL;
    enum client_status status = client_login(client, "admin", bench->password, &reply);
    for (uint32_t i = 0; status == CLIENT_OK && i < reply.result.via.map.size; i++) {
        const msgpack_object_kv *pair = &reply.result.via.map.ptr[i];
        if (pair->key.via.str.size == 5 && memcmp(pair->key.via.str.ptr, "token", 5) == 0)
            snprintf(bench->token, sizeof(bench->token), "%.*s", (int)pair->val.via.str.size,
                     pair->val.via.str.ptr);
    }
    return logged_in(client, status, &reply);
}

static struct client *dial_echo(void *argument)
{
    const struct bench *bench = argument;
    return dial(bench->echo_socket);
}

/* --- The server's own figures --- */

static double figure(const msgpack_object *map, const char *name)
{
    for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
        const msgpack_object_kv *pair = &map->via.map.ptr[i];
        if (pair->key.via.str.size == strlen(name) &&
            memcmp(pair->key.via.str.ptr, name, strlen(name)) == 0)
            return pair->val.type == MSGPACK_OBJECT_POSITIVE_INTEGER ? (double)pair->val.via.u64
                                                                     : 0;
    }
    return 0;
}

static const char *const counted[] = {"writes", "commits", "store_puts", "store_put_key_bytes",
                                      "store_put_value_bytes"};
enum { WRITES, COMMITS, PUTS, KEY_BYTES, VALUE_BYTES, COUNTED };

static bool read_counts(struct client *client, double out[COUNTED])
{
    struct client_reply reply;
    bool good = client_call(client, "system.stats", NULL, &reply) == CLIENT_OK;
    for (size_t i = 0; good && i < COUNTED; i++)
        out[i] = figure(&reply.result, counted[i]);
    client_reply_free(&reply);
    return good;
}

static struct load_writes writes_between(const double before[COUNTED], const double after[COUNTED])
{
    double difference[COUNTED];
    for (size_t i = 0; i < COUNTED; i++)
        difference[i] = after[i] - before[i];
    if (difference[WRITES] < 1 || difference[COMMITS] < 1 || difference[PUTS] < 1)
        return (struct load_writes){.puts = 0};
    return (struct load_writes){.puts = difference[PUTS] / difference[WRITES],
                                .key_bytes = difference[KEY_BYTES] / difference[PUTS],
                                .value_bytes = difference[VALUE_BYTES] / difference[PUTS],
                                .batch = difference[WRITES] / difference[COMMITS]};
}

/* --- Ceilings --- */

static double echo_ceiling(struct bench *bench, const struct load_requests *requests, size_t bytes)
{
    struct load_result *result = calloc(1, sizeof(*result));
    pid_t process = load_echo_start(bench->echo_socket, bytes);
    struct load_options options = bench->options;
    options.rate = 0;
    bool good = result && process > 0 && load_run(&options, requests, dial_echo, bench, result);
    double each_second = good ? (double)result->answered / result->seconds : 0;
    load_echo_stop(process);
    unlink(bench->echo_socket);
    free(result);
    return each_second;
}

static bool copy_file(const char *from, const char *to)
{
    char command[1200];
    snprintf(command, sizeof(command), "cp -- '%s' '%s'", from, to);
    return system(command) == 0;
}

/* On a fresh copy of the database as it was before the trace. */
static double store_ceiling(const struct bench *bench, const struct load_writes *writes)
{
    char folder[256], base[300], trace[300], file[300];
    snprintf(folder, sizeof(folder), "%s/load-ceiling", bench->data);
    snprintf(base, sizeof(base), "%s/load-base.mdb", bench->data);
    snprintf(trace, sizeof(trace), "%s/load-trace", bench->data);
    snprintf(file, sizeof(file), "%s/data.mdb", folder);
    double each_second = 0;
    if (access(trace, R_OK) != 0)
        return 0; /* None is asked for. */
    if (mkdir(folder, 0700) == 0 && copy_file(base, file))
        each_second = load_store_ceiling(folder, trace, writes->batch);
    unlink(file);
    snprintf(file, sizeof(file), "%s/lock.mdb", folder);
    unlink(file);
    rmdir(folder);
    return each_second;
}

/* Bytes of one answer. */
static size_t reply_bytes(struct client *client, const struct load_request *request)
{
    struct client_reply reply;
    msgpack_sbuffer packed;
    msgpack_packer packer;
    msgpack_sbuffer_init(&packed);
    msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
    if (client_call(client, request->method, &request->params, &reply) == CLIENT_OK)
        msgpack_pack_object(&packer, reply.result);
    size_t size = packed.size;
    client_reply_free(&reply);
    msgpack_sbuffer_destroy(&packed);
    return size;
}

/* --- One line of the table --- */

struct run {
    double rate;
    double each_second, ceiling;
    double p50, p99, p999; /* Milliseconds. */
    struct load_writes writes;
    uint64_t refused;
    double orders; /* A second, beside it. */
};

/* By what was done; at a fixed rate, where that is always the same, by what it took. */
static int compare_runs(const void *a, const void *b)
{
    const struct run *left = a, *right = b;
    if (left->rate > 0)
        return (left->p99 < right->p99) - (left->p99 > right->p99);
    return (left->each_second > right->each_second) - (left->each_second < right->each_second);
}

static bool run_once(struct bench *bench, struct client *client, const char *workload,
                     const struct load_requests *requests, bool wants_ceiling, struct run *out)
{
    double before[COUNTED], after[COUNTED];
    struct load_result *result = calloc(1, sizeof(*result));
    bool writes = strcmp(workload, "order") == 0;
    bool good = result && read_counts(client, before) &&
                load_run(&bench->options, requests, dial_server, bench, result) &&
                read_counts(client, after);
    if (good) {
        *out = (struct run){.rate = bench->options.rate,
                            .each_second = (double)result->answered / result->seconds,
                            .p50 = (double)histogram_at(&result->latency, 0.5) / 1e6,
                            .p99 = (double)histogram_at(&result->latency, 0.99) / 1e6,
                            .p999 = (double)histogram_at(&result->latency, 0.999) / 1e6,
                            .writes = writes_between(before, after),
                            .refused = result->refused};
        if (result->refused)
            fprintf(stderr, "load: %llu refused: %s\n", (unsigned long long)result->refused,
                    result->why);
        if (wants_ceiling)
            out->ceiling = writes
                               ? store_ceiling(bench, &out->writes)
                               : echo_ceiling(bench, requests, reply_bytes(client, requests->at));
    }
    free(result);
    return good;
}

/* --- Reads while others write --- */

struct writers {
    pid_t process;
    int answer;
};

/* In a process of their own, so that they are in nobody's way here. */
static void order_all_the_time(struct bench *bench, int answer)
{
    struct load_result *result = calloc(1, sizeof(*result));
    struct load_options options = {.connections = bench->writers,
                                   .depth = 1,
                                   .seconds = bench->options.seconds + WRITERS_AHEAD_US / 1e6};
    double each_second = 0;
    if (result && load_run(&options, &bench->orders, dial_server, bench, result))
        each_second = (double)result->answered / result->seconds;
    _exit(write(answer, &each_second, sizeof(each_second)) == (ssize_t)sizeof(each_second) ? 0 : 1);
}

static bool start_writers(struct bench *bench, struct writers *out)
{
    int ends[2];
    if (pipe(ends) != 0)
        return false;
    out->process = fork();
    if (out->process == 0)
        order_all_the_time(bench, ends[1]);
    close(ends[1]);
    out->answer = ends[0];
    usleep(WRITERS_AHEAD_US);
    return out->process > 0;
}

static double stop_writers(struct writers *writers)
{
    double each_second = 0;
    if (read(writers->answer, &each_second, sizeof(each_second)) != (ssize_t)sizeof(each_second))
        fprintf(stderr, "load: the orders beside it failed\n");
    close(writers->answer);
    waitpid(writers->process, NULL, 0);
    return each_second;
}

static bool run_beside_writers(struct bench *bench, struct client *client, const char *workload,
                               const struct load_requests *requests, struct run *out)
{
    struct writers writers;
    if (!start_writers(bench, &writers))
        return false;
    bool good = run_once(bench, client, workload, requests, false, out);
    out->orders = stop_writers(&writers);
    return good;
}

static void print_beside(struct bench *bench, struct run *runs, const struct run *alone)
{
    qsort(runs, RUNS, sizeof(runs[0]), compare_runs);
    const struct run *median = &runs[RUNS / 2];
    printf(" beside %5u %4u %9.0f %8.2f %8.2f %8.2f  %.0f orders a second; p99 %.1f times that "
           "alone\n",
           bench->options.connections, bench->options.depth, median->each_second, median->p50,
           median->p99, median->p999, median->orders, median->p99 / alone->p99);
}

static bool measure(struct bench *bench, struct client *client, const char *workload)
{
    struct load_requests requests;
    struct run runs[RUNS], beside[RUNS];
    bool has_writers = bench->writers && strcmp(workload, "order") != 0;
    if (!load_prepare(workload, client, &requests))
        return false;
    for (size_t i = 0; i < RUNS; i++)
        if (!run_once(bench, client, workload, &requests, true, &runs[i]) ||
            (has_writers && !run_beside_writers(bench, client, workload, &requests, &beside[i])))
            return false;
    load_requests_free(&requests);
    qsort(runs, RUNS, sizeof(runs[0]), compare_runs);
    const struct run *median = &runs[RUNS / 2];
    printf("%-7s %5u %4u %9.0f %8.2f %8.2f %8.2f", workload, bench->options.connections,
           bench->options.depth, median->each_second, median->p50, median->p99, median->p999);
    if (median->rate == 0 && median->ceiling > 0)
        printf(" %9.0f %5.0f %%", median->ceiling, 100 * median->each_second / median->ceiling);
    if (strcmp(workload, "order") == 0)
        printf("  %.0f puts of %.0f + %.0f bytes, %.1f to a commit", median->writes.puts,
               median->writes.key_bytes, median->writes.value_bytes, median->writes.batch);
    printf("\n");
    if (has_writers)
        print_beside(bench, beside, median);
    fflush(stdout);
    return true;
}

/* --- Options --- */

static bool read_password(struct bench *bench)
{
    char path[220];
    snprintf(bench->socket, sizeof(bench->socket), "%s/kontor.sock", bench->data);
    snprintf(bench->echo_socket, sizeof(bench->echo_socket), "%s/load-echo.sock", bench->data);
    snprintf(path, sizeof(path), "%s/admin-password", bench->data);
    FILE *file = fopen(path, "r");
    bool good = file && fgets(bench->password, sizeof(bench->password), file);
    if (file)
        fclose(file);
    bench->password[strcspn(bench->password, "\r\n")] = '\0';
    if (!good)
        fprintf(stderr, "load: no password of the administrator in %s\n", bench->data);
    return good;
}

static void read_list(struct bench *bench, const char *text)
{
    bench->connection_count = 0;
    while (*text && bench->connection_count < 16) {
        char *end;
        unsigned long count = strtoul(text, &end, 10);
        if (end == text || count == 0 || count > 4000)
            break;
        bench->connections[bench->connection_count++] = (unsigned)count;
        text = *end == ',' ? end + 1 : end;
    }
}

static bool read_options(int argc, char **argv, struct bench *bench)
{
    static const struct option options[] = {{"data", required_argument, NULL, 'd'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"depth", required_argument, NULL, 'p'},
                                            {"connections", required_argument, NULL, 'c'},
                                            {"rate", required_argument, NULL, 'r'},
                                            {"writers", required_argument, NULL, 'w'},
                                            {NULL, 0, NULL, 0}};
    for (int word; (word = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (word == 'd')
            bench->data = optarg;
        else if (word == 's')
            bench->options.seconds = strtod(optarg, NULL);
        else if (word == 'p')
            bench->options.depth = (unsigned)strtoul(optarg, NULL, 10);
        else if (word == 'c')
            read_list(bench, optarg);
        else if (word == 'w')
            bench->writers = (unsigned)strtoul(optarg, NULL, 10);
        else if (word == 'r')
            bench->options.rate = strtod(optarg, NULL);
        else
            return false;
    }
    return bench->data && strlen(bench->data) < 100 && bench->options.seconds > 0 &&
           bench->options.depth > 0 && bench->options.depth <= 64 && bench->options.rate >= 0 &&
           bench->writers <= 4000 && bench->connection_count > 0;
}

static bool is_workload(const char *name)
{
    for (size_t i = 0; load_workloads[i]; i++)
        if (strcmp(load_workloads[i], name) == 0)
            return true;
    return false;
}

static bool measure_all(struct bench *bench, const char *const *workloads)
{
    struct client *client = dial_first(bench);
    bool good = client && (!bench->writers || load_prepare("order", client, &bench->orders));
    printf("what     conn. depth  a second   p50 ms   p99 ms p99.9 ms   ceiling  share\n");
    for (size_t w = 0; good && workloads[w]; w++)
        for (size_t c = 0; good && c < bench->connection_count; c++) {
            bench->options.connections = bench->connections[c];
            good = measure(bench, client, workloads[w]);
        }
    client_free(client);
    return good;
}

int main(int argc, char **argv)
{
    static struct bench bench = {.options = {.depth = 1, .seconds = 3},
                                 .connections = {1, 16, 64, 256},
                                 .connection_count = 4};
    bool good = read_options(argc, argv, &bench);
    for (int i = optind; i < argc; i++)
        good = good && is_workload(argv[i]);
    if (!good) {
        fprintf(
            stderr,
            "usage: kontor-load --data DIR [--seconds S] [--connections 1,16,64,256]\n"
            "                   [--depth D] [--rate R] [--writers N] [ping|get|search|order...]\n");
        return 2;
    }
    return read_password(&bench) &&
                   measure_all(&bench,
                               optind < argc ? (const char *const *)&argv[optind] : load_workloads)
               ? 0
               : 1;
}
