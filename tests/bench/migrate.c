/* What a migration costs: every record of an entity changed in one transaction.
 *
 *     build/release/tests/bench_migrate [SIZE...]        default: 10000 200000
 *
 * Members with a name, an indexed town and a fee in a total by town get two names instead of one
 * and another town; one of two indexes is new and built on the way. Reported are the time of one
 * record, processor time without the disk, and the memory of the process that the migration added:
 * changed pages of the store, up to some hundred MiB whatever the size. */
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench.h"
#include "kontor/kontor.h"
#include "record/migrate.h"
#include "record/record_internal.h"

#define BATCH 1000

/* --- The model, before and after --- */

static const struct kt_field old_fields[] = {
    {.name = "name", .type = KT_TEXT},
    {.name = "town", .type = KT_TEXT, .flags = KT_INDEXED},
    {.name = "fee", .type = KT_MONEY},
};
static const struct kt_field new_fields[] = {
    {.name = "first_name", .type = KT_TEXT},
    {.name = "last_name", .type = KT_TEXT, .flags = KT_REQUIRED | KT_INDEXED},
    {.name = "town", .type = KT_TEXT, .flags = KT_INDEXED},
    {.name = "fee", .type = KT_MONEY},
};
static const struct kt_entity old_member = {.name = "bench.member", .fields = KT_LIST(old_fields)};
static const struct kt_entity new_member = {.name = "bench.member", .fields = KT_LIST(new_fields)};
static const struct kt_entity *const old_entities[] = {&old_member};
static const struct kt_entity *const new_entities[] = {&new_member};
static const char *const by_town[] = {"town"};
static const struct kt_measure fees[] = {{.name = "fee", .field = "fee"}};
static const struct kt_leg legs[] = {{.by = KT_LIST(by_town), .measures = fees}};
static const struct kt_total totals[] = {{.name = "bench.fees",
                                          .entity = "bench.member",
                                          .measure_count = 1,
                                          .legs = legs,
                                          .leg_count = 1}};
static const struct kt_plugin old_plugin = {
    .name = "bench", .entities = KT_LIST(old_entities), .totals = KT_LIST(totals)};
static const struct kt_plugin new_plugin = {
    .name = "bench", .entities = KT_LIST(new_entities), .totals = KT_LIST(totals)};

/* --- The layers above, which are not measured --- */

static enum kt_status no_rules_before(struct kt_ctx *ctx, const struct record_step *step,
                                      struct kt_map *record, bool *changed)
{
    (void)ctx;
    (void)step;
    (void)record;
    *changed = false;
    return KT_OK;
}

static enum kt_status no_rules_after(struct kt_ctx *ctx, const struct record_step *step,
                                     const msgpack_object *record)
{
    (void)ctx;
    (void)step;
    (void)record;
    return KT_OK;
}

static enum kt_status nobody_hears(struct kt_ctx *ctx, const struct kt_event *event)
{
    (void)ctx;
    (void)event;
    return KT_OK;
}

static bool yes(const struct kt_ctx *ctx, const char *what)
{
    (void)ctx;
    (void)what;
    return true;
}

static const struct context_host host = {.rules_before = no_rules_before,
                                         .rules_after = no_rules_after,
                                         .announce = nobody_hears,
                                         .has_role = yes,
                                         .may = yes,
                                         .topic_declared = yes};

/* --- One size --- */

struct bench {
    char folder[64];
    struct store *store;
    struct schema *schema;
    struct kt_ctx ctx;
};

static void must(bool done, const struct bench *bench, const char *what)
{
    if (done)
        return;
    fprintf(stderr, "bench_migrate: %s failed: %s\n", what,
            bench->ctx.error.message ? bench->ctx.error.message : "");
    exit(1);
}

static void begin(struct bench *bench)
{
    context_reset(&bench->ctx);
    must(store_begin(bench->store, NULL, STORE_WRITE, &bench->ctx.txn) == KT_OK, bench, "begin");
}

static void put_in_force(struct bench *bench, const struct kt_plugin *plugin)
{
    struct schema_module module = {.plugin = plugin, .enabled = true};
    char why[512] = "";
    if (bench->schema)
        schema_free(bench->schema);
    must(schema_build(&module, 1, "EUR", bench->ctx.txn, &bench->schema, why, sizeof(why)) == KT_OK,
         bench, why);
    bench->ctx.schema = bench->schema;
    must(record_refresh(&bench->ctx, true) == KT_OK, bench, "refresh");
}

static void fill(struct bench *bench, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++) {
        if (i % BATCH == 0) {
            must(i == 0 || store_commit(bench->ctx.txn) == KT_OK, bench, "commit");
            begin(bench);
        }
        struct kt_map *values = kt_map_new(&bench->ctx);
        kt_map_set_text(values, "name",
                        kt_format(&bench->ctx, "Ann Smith%llu", (unsigned long long)i));
        kt_map_set_text(values, "town",
                        kt_format(&bench->ctx, "Town %llu", (unsigned long long)i % 500));
        kt_map_set_text(values, "fee", "10.00");
        must(kt_record_create(&bench->ctx, "bench.member", values, NULL) == KT_OK, bench, "create");
    }
    must(store_commit(bench->ctx.txn) == KT_OK, bench, "commit");
}

static enum kt_status change(struct kt_ctx *ctx, const msgpack_object *old, struct kt_map *record,
                             void *argument)
{
    const char *name = kt_get_text(ctx, old, "name");
    (void)argument;
    kt_map_set_text(record, "first_name", kt_format(ctx, "%.3s", name));
    kt_map_set_text(record, "last_name", name + 4);
    kt_map_set_text(record, "town", kt_format(ctx, "New %s", kt_get_text(ctx, old, "town")));
    return KT_OK;
}

static void migrate(struct bench *bench, uint64_t size)
{
    put_in_force(bench, &new_plugin);
    struct record_migration *migration = record_migration_begin(&bench->ctx, "bench");
    bench->ctx.migrating = migration;
    migration->last = true;
    must(kt_record_each(&bench->ctx, "bench.member", change, NULL) == KT_OK, bench, "each");
    must(record_migration_end(&bench->ctx) == KT_OK, bench, "end");
    bench->ctx.migrating = NULL;
    must(record_refresh(&bench->ctx, false) == KT_OK, bench, "refresh");
    must(migration->changed == size, bench, "changing every record");
}

static double peak_mib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void run(uint64_t size)
{
    struct bench bench = {.folder = "/tmp/kontor_bench_XXXXXX", .ctx = {.writable = true}};
    char why[512] = "", data[96];
    must(mkdtemp(bench.folder) != NULL, &bench, "mkdtemp");
    snprintf(data, sizeof(data), "%s/data", bench.folder);
    struct store_options options = {.folder = data, .unsafe_no_sync = true};
    must(store_lmdb.open(&options, &bench.store, why, sizeof(why)) == KT_OK, &bench, why);
    context_init(&bench.ctx);
    bench.ctx.host = &host;
    bench.ctx.now = clock_now();
    begin(&bench);
    put_in_force(&bench, &old_plugin);
    must(store_commit(bench.ctx.txn) == KT_OK, &bench, "commit");
    fill(&bench, size);
    double before = peak_mib(), began = bench_now_ns();
    begin(&bench);
    migrate(&bench, size);
    must(store_commit(bench.ctx.txn) == KT_OK, &bench, "commit");
    double ns = bench_now_ns() - began;
    printf("%10llu %12.2f %12.1f %12.0f\n", (unsigned long long)size, ns / 1e9,
           ns / 1e3 / (double)size, peak_mib() - before);
    context_deinit(&bench.ctx);
    schema_free(bench.schema);
    store_lmdb.close(bench.store);
    nftw(bench.folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(int count, char **words)
{
    static const uint64_t usual[] = {10000, 200000};
    printf("%10s %12s %12s %12s\n", "records", "seconds", "us/record", "MiB more");
    for (int i = 1; i < count; i++)
        run(strtoull(words[i], NULL, 10));
    for (size_t i = 0; count == 1 && i < sizeof usual / sizeof usual[0]; i++)
        run(usual[i]);
    return 0;
}
