/* A main for fuzz targets where there is no libFuzzer: runs every file of a corpus folder as it is,
 * then mutations of them drawn from a fixed seed, for a few seconds.
 *
 *     fuzz_NAME FOLDER [SECONDS [SEED]]
 *
 * The input that is being run is written down when the target crashes, so that it can join the
 * corpus. */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define INPUT_MOST ((size_t)1 << 16)
#define FILES_MOST 500
/* Mutations of one file before the next has its turn, and of each at most. */
#define TURN        50
#define MOST_OF_ONE 4000

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct input {
    char name[256];
    uint8_t *bytes;
    size_t size;
};

struct corpus {
    struct input inputs[FILES_MOST];
    size_t count;
};

static struct corpus corpus;
static uint8_t running[INPUT_MOST];
static size_t running_size;
static uint64_t random_state;

/* xorshift64*: good enough to pick bytes, and the same everywhere. */
static uint64_t next_random(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(2685821657736338717);
}

static size_t below(size_t limit)
{
    return limit ? (size_t)(next_random() % limit) : 0;
}

static int64_t now_ms(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

/* --- What a crash leaves --- */

static void write_all(int file, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t done = write(file, at, size);
        if (done <= 0)
            return;
        at += done;
        size -= (size_t)done;
    }
}

static char crash_name[4096];

static void on_crash(int signal_number)
{
    int file = mkstemp(crash_name);
    if (file >= 0)
        write_all(file, running, running_size);
    static const char said[] = "\nthe input that crashed is in ";
    write_all(STDERR_FILENO, said, sizeof said - 1);
    write_all(STDERR_FILENO, crash_name, strlen(crash_name));
    write_all(STDERR_FILENO, "\n", 1);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* --- Inputs --- */

static int read_input(const char *folder, const char *name, struct input *input)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return -1;
    input->bytes = malloc(INPUT_MOST);
    if (!input->bytes)
        abort();
    input->size = fread(input->bytes, 1, INPUT_MOST, file);
    snprintf(input->name, sizeof input->name, "%s", name);
    int failed = ferror(file);
    fclose(file);
    return failed ? -1 : 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct input *)a)->name, ((const struct input *)b)->name);
}

static int read_corpus(const char *folder)
{
    DIR *there = opendir(folder);
    if (!there)
        return -1;
    for (struct dirent *entry; (entry = readdir(there)) != NULL && corpus.count < FILES_MOST;)
        if (entry->d_name[0] != '.' &&
            read_input(folder, entry->d_name, &corpus.inputs[corpus.count]) == 0)
            corpus.count++;
    closedir(there);
    qsort(corpus.inputs, corpus.count, sizeof *corpus.inputs, by_name);
    return 0;
}

static void run(const uint8_t *bytes, size_t size)
{
    if (bytes != running && size)
        memcpy(running, bytes, size);
    running_size = size;
    /* Exactly its size, so that a sanitizer sees the first byte read too far. */
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact)
        abort();
    if (size)
        memcpy(exact, running, size);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

/* --- Mutations of `running` --- */

static void set_byte(void)
{
    static const uint8_t telling[] = {0, 1, 0x7f, 0x80, 0xc0, 0xd9, 0xdd, 0xdf, 0xff, '(', '"', 10};
    if (running_size)
        running[below(running_size)] =
            below(2) ? telling[below(sizeof telling)] : (uint8_t)next_random();
}

static void flip_bit(void)
{
    if (running_size)
        running[below(running_size)] ^= (uint8_t)(1u << below(8));
}

static void cut_out(void)
{
    size_t at = below(running_size), length = below(running_size - at + 1);
    if (length > 32 && below(4))
        length = below(32);
    memmove(running + at, running + at + length, running_size - at - length);
    running_size -= length;
}

/* A piece of any input goes in at any place. */
static void splice(void)
{
    const struct input *from = &corpus.inputs[below(corpus.count)];
    size_t at = below(running_size + 1), start = below(from->size);
    size_t length = below(from->size - start + 1);
    if (length > 64 && below(4))
        length = below(64);
    if (running_size + length > INPUT_MOST)
        return;
    memmove(running + at + length, running + at, running_size - at);
    memcpy(running + at, from->bytes + start, length);
    running_size += length;
}

static void repeat(void)
{
    size_t at = below(running_size), length = below(running_size - at + 1);
    if (length > 64)
        length = below(64);
    if (running_size + length > INPUT_MOST)
        return;
    memmove(running + at + length, running + at, running_size - at);
    running_size += length;
}

static void shorten(void)
{
    running_size = below(running_size + 1);
}

static void mutate(const struct input *input)
{
    static void (*const ways[])(void) = {set_byte, set_byte, flip_bit, cut_out,
                                         splice,   splice,   repeat,   shorten};
    if (input->size)
        memcpy(running, input->bytes, input->size);
    running_size = input->size;
    for (size_t times = 1 + below(4); times > 0; times--)
        ways[below(sizeof ways / sizeof *ways)]();
}

static size_t run_mutations(int64_t until_ms)
{
    size_t count = 0;
    for (size_t round = 0; round < MOST_OF_ONE / TURN; round++)
        for (size_t i = 0; i < corpus.count; i++)
            for (size_t turn = 0; turn < TURN; turn++) {
                if (now_ms() >= until_ms)
                    return count;
                mutate(&corpus.inputs[i]);
                run(running, running_size);
                count++;
            }
    return count;
}

int main(int argc, char **argv)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: %s FOLDER [SECONDS [SEED]]\n", argv[0]);
        return 2;
    }
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 3;
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    random_state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    if (read_corpus(argv[1]) != 0 || corpus.count == 0) {
        fprintf(stderr, "%s: no inputs in %s\n", argv[0], argv[1]);
        return 1;
    }
    const char *folder = getenv("TMPDIR");
    snprintf(crash_name, sizeof crash_name, "%s/fuzz-crash-XXXXXX", folder ? folder : "/tmp");
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        signal(crashes[i], on_crash);
    int64_t from = now_ms();
    for (size_t i = 0; i < corpus.count; i++)
        run(corpus.inputs[i].bytes, corpus.inputs[i].size);
    size_t mutations = run_mutations(from + (int64_t)(seconds * 1000));
    printf("%zu files and %zu mutations of them, seed %llu, %.1f s: nothing broke\n", corpus.count,
           mutations, (unsigned long long)seed, (double)(now_ms() - from) / 1000);
    for (size_t i = 0; i < corpus.count; i++)
        free(corpus.inputs[i].bytes);
    return 0;
}
