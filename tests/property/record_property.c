/* core/record against a model: random schemas, random operations, everything
 * compared.
 *
 *     record_property [--seed N] [--operations N]
 *
 * Every few thousand operations a new world begins, whose seed is the next
 * number; so a failure in any of them is seen again at once by starting with
 * its seed. 0 operations are without end. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "property.h"

static void start(struct world *world, uint64_t seed)
{
    static const struct model nothing;
    kt_date day;
    *world = (struct world){.seed = seed, .random = seed * UINT64_C(0x2545F4914F6CDD1D) + 1};
    world->model = model_copy(&nothing);
    kt_date_from_civil(2026, 11, 23, &day);
    world->ctx.now = (kt_instant_us)day * 86400 * 1000000;
    draw_schema(world);
    snprintf(world->root, sizeof world->root, "/tmp/kontor_property_XXXXXX");
    if (!mkdtemp(world->root)) {
        perror(world->root);
        exit(2);
    }
    open_store(world);
}

static void stop(struct world *world)
{
    close_store(world);
    remove_store(world);
    forget_moments_after(world, 0);
    model_free(&world->model);
    give_back(world);
}

static void restart(struct world *world)
{
    close_store(world);
    kt_instant_us now = world->ctx.now;
    world->ctx = (struct kt_ctx){.now = now};
    open_store(world);
}

_Noreturn void fail(const struct world *world, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "\nthe last operations:\n");
    for (uint64_t i = 1; i <= LATEST; i++) {
        const struct operation *operation = world->latest[(world->operations + i) % LATEST];
        if (operation)
            describe(world, operation);
    }
    fprintf(stderr, "seed %llu, operation %llu: ", (unsigned long long)world->seed,
            (unsigned long long)world->operations);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nsee it again: record_property --seed %llu --operations %llu\n",
            (unsigned long long)world->seed, (unsigned long long)world->operations);
    remove_store((struct world *)(uintptr_t)world);
    exit(1);
}

struct tally {
    uint64_t worlds, operations, refused, given_up, hits;
};

/* One world, `most` operations long at most. */
static void run_world(uint64_t seed, uint64_t most, struct tally *tally)
{
    static struct world world;
    start(&world, seed);
    uint64_t length = 1500 + draw(&world, 3000);
    uint64_t until = most < length ? most : length;
    while (world.operations < until) {
        run_batch(&world, until);
        if (chance(&world, 4))
            restart(&world);
        if (chance(&world, 2)) {
            draw_growth(&world);
            build_schema(&world);
        }
    }
    restart(&world);
    begin(&world, STORE_READ);
    compare_all(&world);
    end(&world, false);
    tally->worlds++;
    tally->operations += world.operations;
    tally->refused += world.refused;
    tally->given_up += world.given_up;
    tally->hits += world.hits;
    stop(&world);
}

static bool read_number(const char *text, uint64_t *out)
{
    char *end;
    *out = strtoull(text, &end, 10);
    return *text && !*end;
}

int main(int argc, char **argv)
{
    uint64_t seed = (uint64_t)time(NULL), operations = 100000;
    struct tally tally = {.worlds = 0};
    for (int i = 1; i < argc; i += 2) {
        uint64_t *number = strcmp(argv[i], "--seed") == 0         ? &seed
                           : strcmp(argv[i], "--operations") == 0 ? &operations
                                                                  : NULL;
        if (!number || i + 1 == argc || !read_number(argv[i + 1], number)) {
            fprintf(stderr, "usage: record_property [--seed N] [--operations N]\n"
                            "       0 operations are without end\n");
            return 2;
        }
    }
    log_set_level(LOG_ERROR);
    printf("seed %llu, %llu operations\n", (unsigned long long)seed,
           (unsigned long long)operations);
    fflush(stdout);
    while (operations == 0 || tally.operations < operations)
        run_world(seed + tally.worlds, operations ? operations - tally.operations : UINT64_MAX,
                  &tally);
    printf("%llu operations in %llu worlds, %llu of them refused, %llu "
           "transactions given up, "
           "%llu records found: all as the model says\n",
           (unsigned long long)tally.operations, (unsigned long long)tally.worlds,
           (unsigned long long)tally.refused, (unsigned long long)tally.given_up,
           (unsigned long long)tally.hits);
    return 0;
}
