/* A fuzz target without a fuzzer: runs every file of the corpus folder, then mutations of them from
 * a fixed seed for a bounded time. Under libFuzzer (clang -fsanitize=fuzzer) leave this file out.
 *
 *     fuzz_frame CORPUS [SECONDS [SEED]]
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INPUT_MAX  65536u
#define CORPUS_MAX 256u
#define ROUNDS_MAX 200000u

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct input {
    uint8_t *bytes;
    size_t size;
};

static uint64_t state;

/* xorshift64* (Vigna, 2016). */
static uint32_t next_random(uint32_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 2685821657736338717ULL) >> 32) % below;
}

/* On the heap and of exact size, so that a sanitizer sees a read past its end. */
static void run(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    memcpy(copy, bytes, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static size_t load(const char *folder, struct input *corpus)
{
    size_t count = 0;
    DIR *open_folder = opendir(folder);
    if (!open_folder)
        return 0;
    for (struct dirent *entry; count < CORPUS_MAX && (entry = readdir(open_folder));) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (!file)
            continue;
        corpus[count].bytes = malloc(INPUT_MAX);
        if (!corpus[count].bytes)
            abort();
        corpus[count].size = fread(corpus[count].bytes, 1, INPUT_MAX, file);
        count++;
        fclose(file);
    }
    closedir(open_folder);
    return count;
}

/* Flip, overwrite, cut, repeat a stretch, or splice in a stretch of another input. */
static size_t mutate(uint8_t *bytes, size_t size, const struct input *other)
{
    uint32_t at = size ? next_random((uint32_t)size) : 0;
    size_t stretch = 1 + next_random(16);
    switch (size ? next_random(5) : 4) {
    case 0:
        bytes[at] ^= (uint8_t)(1u << next_random(8));
        return size;
    case 1:
        bytes[at] = (uint8_t)next_random(256);
        return size;
    case 2:
        return at;
    case 3:
        stretch = stretch > size - at ? size - at : stretch;
        if (size + stretch > INPUT_MAX)
            return size;
        memmove(bytes + at + stretch, bytes + at, size - at);
        return size + stretch;
    default:
        stretch = stretch > other->size ? other->size : stretch;
        if (at + stretch > INPUT_MAX)
            return size;
        if (stretch)
            memcpy(bytes + at, other->bytes + next_random((uint32_t)(other->size - stretch + 1)),
                   stretch);
        return at + stretch > size ? at + stretch : size;
    }
}

int main(int argc, char **argv)
{
    static struct input corpus[CORPUS_MAX];
    static uint8_t work[INPUT_MAX];
    size_t count = argc > 1 ? load(argv[1], corpus) : 0;
    long seconds = argc > 2 ? strtol(argv[2], NULL, 10) : 3;
    state = argc > 3 ? strtoull(argv[3], NULL, 10) | 1 : 20261123;
    if (count == 0) {
        fprintf(stderr, "no corpus: give a folder with inputs\n");
        return 2;
    }
    for (size_t i = 0; i < count; i++)
        run(corpus[i].bytes, corpus[i].size);
    time_t until = time(NULL) + seconds;
    unsigned rounds = 0;
    for (; rounds < ROUNDS_MAX && time(NULL) < until; rounds++) {
        const struct input *from = &corpus[next_random((uint32_t)count)];
        size_t size = from->size;
        memcpy(work, from->bytes, size);
        for (uint32_t i = 1 + next_random(8); i > 0; i--)
            size = mutate(work, size, &corpus[next_random((uint32_t)count)]);
        run(work, size);
    }
    printf("%zu inputs and %u mutations of them\n", count, rounds);
    for (size_t i = 0; i < count; i++)
        free(corpus[i].bytes);
    return 0;
}
