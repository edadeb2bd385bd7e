/* What the record engine costs, and how that grows with the number of records.
 *
 *     build/release/tests/bench_records [SIZE...]        default: 10000 100000 1000000
 *
 * One store grows from size to size. At each size: get, indexed searches of 20, create, update of a
 * record with three indexes and a total, a search for words, an aggregate over a customer's
 * records, and get, search and total as of a moment SINCE changes ago. Writes go as the engine
 * makes them: each in a nested transaction, BATCH to a commit; commits are not synced, so that the
 * figures are the engine's and not the disk's. The baseline is measured in the same run on the same
 * store: LMDB's own get of the same rows, and its own put of the same bytes. */
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench.h"
#include "kontor/kontor.h"
#include "record/record_internal.h"

#define BATCH     100
#define CUSTOMERS 500
#define SINCE     1000 /* Changes between now and then. */
#define SIZES_MAX 8

/* --- The model --- */

static const struct kt_field customer_fields[] = {
    {.name = "code", .type = KT_TEXT, .flags = KT_REQUIRED | KT_UNIQUE},
};
static const struct kt_field order_fields[] = {
    {.name = "number", .type = KT_TEXT, .flags = KT_UNIQUE, .sequence = "SO{8}"},
    {.name = "customer", .type = KT_REF, .to = "bench.customer", .flags = KT_REQUIRED},
    {.name = "date", .type = KT_DATE, .flags = KT_INDEXED},
    {.name = "amount", .type = KT_MONEY, .flags = KT_INDEXED},
    {.name = "note", .type = KT_TEXT, .flags = KT_SEARCHABLE},
    {.name = "priority", .type = KT_INT},
};
static const char *const customer_and_date[] = {"customer", "date"};
static const struct kt_index order_indexes[] = {
    {.name = "newest", .fields = KT_LIST(customer_and_date)},
};
static const struct kt_entity customer = {.name = "bench.customer",
                                          .fields = KT_LIST(customer_fields)};
static const struct kt_entity order = {
    .name = "bench.order", .fields = KT_LIST(order_fields), .indexes = KT_LIST(order_indexes)};
static const struct kt_entity *const entities[] = {&customer, &order};

static const char *const by_customer_month[] = {"customer", "date:month"};
static const struct kt_measure amounts[] = {{.name = "amount", .field = "amount"}};
static const struct kt_leg legs[] = {{.by = KT_LIST(by_customer_month), .measures = amounts}};
static const struct kt_total totals[] = {{.name = "bench.sold",
                                          .entity = "bench.order",
                                          .measure_count = 1,
                                          .legs = legs,
                                          .leg_count = 1}};
static const struct kt_plugin plugin = {KT_PLUGIN_HEAD,
                                        .name = "bench",
                                        .version = "1.0.0",
                                        .schema = 1,
                                        .entities = KT_LIST(entities),
                                        .totals = KT_LIST(totals)};

/* --- The layers above: nobody listens --- */

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

/* Events are numbered, as moments are told by their numbers. */
static enum kt_status announce_to_nobody(struct kt_ctx *ctx, const struct kt_event *event)
{
    struct key key;
    (void)event;
    if (!ctx->last_event)
        KT_TRY(record_last_event(ctx, &ctx->last_event));
    key_begin(&key, SPACE_EVENT);
    key_add_u64(&key, ++ctx->last_event);
    return store_put(ctx->txn, key_slice(&key), (struct store_slice){"\x80", 1});
}

static bool yes(const struct kt_ctx *ctx, const char *what)
{
    (void)ctx;
    (void)what;
    return true;
}

static const struct context_host host = {.rules_before = no_rules_before,
                                         .rules_after = no_rules_after,
                                         .announce = announce_to_nobody,
                                         .has_role = yes,
                                         .may = yes,
                                         .topic_declared = yes};

struct bench {
    char folder[64];
    struct store *store;
    struct schema *schema;
    const struct schema_entity *orders;
    struct kt_ctx ctx;
    struct store_txn *top; /**< Of the batch that is being written. */
    unsigned in_batch;
    uint64_t size; /**< Orders there are. */
    uint64_t random;
    uint64_t before; /**< The last event before the SINCE changes. */
    uint64_t then;   /**< Reads are as of this event; 0: of the present. */
    kt_date first_day;
};

static void must(bool holds, const struct bench *bench, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "bench: %s failed: %s\n", what,
            bench->ctx.error.message ? bench->ctx.error.message : "");
    exit(1);
}

/* --- Transactions, as the engine makes them --- */

static void begin_batch(struct bench *bench)
{
    bench->ctx.writable = true;
    must(store_begin(bench->store, NULL, STORE_WRITE, &bench->top) == KT_OK, bench, "begin");
    bench->ctx.txn = bench->top;
    bench->in_batch = 0;
}

static void end_batch(struct bench *bench)
{
    must(store_commit(bench->top) == KT_OK, bench, "commit");
    bench->ctx.txn = NULL;
    bench->ctx.writable = false;
}

static void begin_write(struct bench *bench)
{
    if (bench->in_batch++ == BATCH) {
        end_batch(bench);
        begin_batch(bench);
        bench->in_batch = 1;
    }
    context_reset(&bench->ctx);
    must(store_begin(bench->store, bench->top, STORE_WRITE, &bench->ctx.txn) == KT_OK, bench,
         "begin");
}

static void end_write(struct bench *bench, enum kt_status status)
{
    must(status == KT_OK, bench, "a write");
    must(store_commit(bench->ctx.txn) == KT_OK, bench, "commit");
    bench->ctx.txn = bench->top;
}

static void begin_reading(struct bench *bench)
{
    must(store_begin(bench->store, NULL, STORE_READ, &bench->ctx.txn) == KT_OK, bench, "begin");
}

static void end_reading(struct bench *bench)
{
    store_abort(bench->ctx.txn);
    bench->ctx.txn = NULL;
}

/* --- Operations --- */

static uint64_t any_order(struct bench *bench)
{
    return 1 + bench_random(&bench->random) % bench->size;
}

static uint64_t any_customer(struct bench *bench)
{
    return 1 + bench_random(&bench->random) % CUSTOMERS;
}

/* Three years of days; amounts of up to 9,999.99. */
static void set_values(struct bench *bench, struct kt_map *values)
{
    kt_map_set_date(values, "date",
                    bench->first_day + (kt_date)(bench_random(&bench->random) % 1096));
    kt_map_set_decimal(values, "amount",
                       (struct kt_decimal){(kt_int128)(bench_random(&bench->random) % 1000000), 2});
}

static void create_order(void *argument, uint64_t number)
{
    struct bench *bench = argument;
    (void)number;
    begin_write(bench);
    struct kt_map *values = kt_map_new(&bench->ctx);
    kt_map_set_id(values, "customer", any_customer(bench));
    set_values(bench, values);
    /* Twenty orders have the same lot. */
    kt_map_set_text(values, "note",
                    kt_format(&bench->ctx, "ring twice, lot L%06llu",
                              (unsigned long long)(bench->size + 1) / 20));
    kt_map_set_int(values, "priority", 3);
    end_write(bench, record_create(&bench->ctx, bench->orders, &values->object, RECORD_BY_CLIENT,
                                   &bench->size));
}

static void update_order(void *argument, uint64_t number)
{
    struct bench *bench = argument;
    (void)number;
    begin_write(bench);
    struct kt_map *values = kt_map_new(&bench->ctx);
    set_values(bench, values);
    end_write(bench, record_update(&bench->ctx, bench->orders, any_order(bench), 0, &values->object,
                                   RECORD_BY_CLIENT));
}

static void begin_read(struct bench *bench)
{
    context_reset(&bench->ctx);
    bench->ctx.as_of = bench->then;
}

static msgpack_object same_customer(struct bench *bench)
{
    struct kt_list *term = kt_list_new(&bench->ctx);
    kt_list_add(term, kt_text("customer"));
    kt_list_add(term, kt_text("="));
    kt_list_add(term, kt_id(any_customer(bench)));
    return term->object;
}

static void get_order(void *argument, uint64_t number)
{
    struct bench *bench = argument;
    (void)number;
    begin_read(bench);
    must(record_reply_get(&bench->ctx, bench->orders, any_order(bench), NULL) == KT_OK, bench,
         "get");
}

static void search_by(struct bench *bench, const char *by)
{
    struct kt_ctx *ctx = &bench->ctx;
    begin_read(bench);
    struct kt_list *where = kt_list_new(ctx);
    struct kt_map *params = kt_map_new(ctx);
    kt_list_add(where, same_customer(bench));
    kt_map_set(params, "where", where->object);
    kt_map_set_text(params, "order", by);
    kt_map_set_int(params, "limit", 20);
    must(record_reply_search(ctx, bench->orders, &params->object) == KT_OK, bench, "search");
}

/* The dates have nothing to do with when the orders came: the 20 lie anywhere in the store. */
static void search_orders(void *argument, uint64_t number)
{
    (void)number;
    search_by(argument, "-date");
}

/* As in a company: the newest are those that came last. */
static void search_latest(void *argument, uint64_t number)
{
    (void)number;
    search_by(argument, "-id");
}

static void find_words(void *argument, uint64_t number)
{
    struct bench *bench = argument;
    struct kt_ctx *ctx = &bench->ctx;
    (void)number;
    begin_read(bench);
    struct kt_map *params = kt_map_new(ctx);
    kt_map_set_text(params, "text",
                    kt_format(ctx, "L%06llu", (unsigned long long)any_order(bench) / 20));
    kt_map_set_int(params, "limit", 20);
    must(record_reply_search(ctx, bench->orders, &params->object) == KT_OK, bench, "words");
}

static void add_up_months(void *argument, uint64_t number)
{
    struct bench *bench = argument;
    struct kt_ctx *ctx = &bench->ctx;
    (void)number;
    begin_read(bench);
    struct kt_list *where = kt_list_new(ctx), *by = kt_list_new(ctx), *sum = kt_list_new(ctx);
    struct kt_map *params = kt_map_new(ctx);
    kt_list_add(where, same_customer(bench));
    kt_list_add(by, kt_text("date:month"));
    kt_list_add(sum, kt_text("amount"));
    kt_map_set(params, "where", where->object);
    kt_map_set(params, "by", by->object);
    kt_map_set(params, "sum", sum->object);
    must(record_reply_aggregate(ctx, bench->orders, &params->object) == KT_OK, bench, "aggregate");
}

static void read_totals(void *argument, uint64_t number)
{
    struct bench *bench = argument;
    struct kt_total_row row;
    const msgpack_object by = kt_id(any_customer(bench));
    (void)number;
    begin_read(bench);
    must(kt_total_sum(&bench->ctx, "bench.sold", &by, 1, &row) == KT_OK, bench, "total");
}

static void as_of(struct bench *bench, bench_each each)
{
    bench->then = bench->before;
    each(bench, 0);
    bench->then = 0;
}

static void get_then(void *argument, uint64_t number)
{
    (void)number;
    as_of(argument, get_order);
}

static void search_then(void *argument, uint64_t number)
{
    (void)number;
    as_of(argument, search_orders);
}

static void totals_then(void *argument, uint64_t number)
{
    (void)number;
    as_of(argument, read_totals);
}

/* --- The baseline: LMDB with the same rows --- */

static void raw_get(void *argument, uint64_t number)
{
    struct bench *bench = argument;
    struct key key;
    struct store_slice bytes;
    (void)number;
    record_key(&key, bench->orders, any_order(bench));
    must(store_get(bench->ctx.txn, key_slice(&key), &bytes) == KT_OK, bench, "raw get");
    msgpack_sbuffer_clear(&bench->ctx.reply);
    msgpack_sbuffer_write(&bench->ctx.reply, bytes.at, bytes.size);
}

/* The rows of an update: the record, three keys out, three in, a total twice, history. */
static void raw_update(void *argument, uint64_t number)
{
    static const char bytes[200];
    struct bench *bench = argument;
    begin_write(bench);
    for (unsigned row = 0; row < 10; row++) {
        struct key key;
        size_t size = row == 0 || row == 9 ? sizeof(bytes) : row < 7 ? 0 : 24;
        key_begin(&key, '~');
        key_add_u32(&key, row);
        key_add_u64(&key, row == 9 ? number : bench_random(&bench->random) % bench->size);
        must(store_put(bench->ctx.txn, key_slice(&key), (struct store_slice){bytes, size}) == KT_OK,
             bench, "raw put");
    }
    end_write(bench, KT_OK);
}

/* --- Life --- */

static void open_bench(struct bench *bench)
{
    struct schema_module module = {.plugin = &plugin, .enabled = true};
    char why[512] = "", data[96];
    snprintf(bench->folder, sizeof(bench->folder), "/tmp/kontor_bench_XXXXXX");
    must(mkdtemp(bench->folder) != NULL, bench, "mkdtemp");
    snprintf(data, sizeof(data), "%s/data", bench->folder);
    struct store_options options = {.folder = data, .unsafe_no_sync = true};
    must(store_lmdb.open(&options, &bench->store, why, sizeof(why)) == KT_OK, bench, "open");
    context_init(&bench->ctx);
    bench->ctx.host = &host;
    bench->ctx.now = clock_now();
    must(kt_date_from_civil(2024, 1, 1, &bench->first_day), bench, "a date");
    begin_batch(bench);
    must(schema_build(&module, 1, "EUR", bench->top, &bench->schema, why, sizeof(why)) == KT_OK,
         bench, "schema");
    bench->ctx.schema = bench->schema;
    must(record_refresh(&bench->ctx, false) == KT_OK, bench, "refresh");
    const struct schema_entity *customers =
        schema_entity(bench->schema, customer.name, strlen(customer.name));
    bench->orders = schema_entity(bench->schema, order.name, strlen(order.name));
    for (int i = 0; i < CUSTOMERS; i++) {
        begin_write(bench);
        struct kt_map *values = kt_map_new(&bench->ctx);
        kt_map_set_text(values, "code", kt_format(&bench->ctx, "C%04d", i));
        end_write(bench,
                  record_create(&bench->ctx, customers, &values->object, RECORD_BY_CLIENT, NULL));
    }
    end_batch(bench);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void close_bench(struct bench *bench)
{
    context_deinit(&bench->ctx);
    schema_free(bench->schema);
    store_lmdb.close(bench->store);
    nftw(bench->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* --- Figures --- */

enum figure {
    CREATE,
    GET,
    LATEST,
    SEARCH,
    SEARCH_COLD,
    WORDS,
    AGGREGATE,
    TOTALS,
    UPDATE,
    GET_THEN,
    SEARCH_THEN,
    TOTALS_THEN,
    RAW_GET,
    RAW_UPDATE,
    FIGURES
};

static double measure_writes(struct bench *bench, bench_each each, uint64_t count)
{
    begin_batch(bench);
    double ns = bench_measure(each, bench, count);
    end_batch(bench);
    return ns;
}

static double measure_reads(struct bench *bench, bench_each each, uint64_t count)
{
    begin_reading(bench);
    double ns = bench_measure(each, bench, count);
    end_reading(bench);
    return ns;
}

static void grow_to(struct bench *bench, uint64_t size)
{
    begin_batch(bench);
    while (bench->size < size)
        create_order(bench, 0);
    end_batch(bench);
}

/* Maps every page: a page's first touch costs more than what is measured here. */
static void warm_up(struct bench *bench)
{
    struct store_cursor *cursor;
    struct store_slice found, value;
    unsigned sum = 0;
    begin_reading(bench);
    must(store_cursor_open(bench->ctx.txn, &cursor) == KT_OK, bench, "cursor");
    enum kt_status moved = store_seek(cursor, (struct store_slice){"\1", 1}, &found, &value);
    for (; moved == KT_OK; moved = store_next(cursor, &found, &value))
        sum += value.size ? *(const unsigned char *)value.at : 0;
    store_cursor_close(cursor);
    end_reading(bench);
    must(sum > 0, bench, "warming up");
}

static void change_some(struct bench *bench)
{
    begin_batch(bench);
    bench->ctx.last_event = 0;
    must(record_last_event(&bench->ctx, &bench->before) == KT_OK, bench, "the last event");
    for (unsigned i = 0; i < SINCE; i++)
        update_order(bench, i);
    end_batch(bench);
}

static void measure(struct bench *bench, uint64_t size, double ns[FIGURES])
{
    uint64_t few = size < 20000 ? size / 100 + 1 : 200;
    grow_to(bench, size - few * BENCH_SLICES);
    ns[CREATE] = measure_writes(bench, create_order, few);
    warm_up(bench);
    ns[GET] = measure_reads(bench, get_order, few * 20);
    ns[RAW_GET] = measure_reads(bench, raw_get, few * 20);
    ns[LATEST] = measure_reads(bench, search_latest, few * 5);
    ns[SEARCH] = measure_reads(bench, search_orders, few * 5);
    begin_reading(bench);
    ns[SEARCH_COLD] = bench_measure_cold(search_orders, bench, few / 8 + 1);
    end_reading(bench);
    ns[WORDS] = measure_reads(bench, find_words, few * 5);
    ns[AGGREGATE] = measure_reads(bench, add_up_months, few / 4 + 1);
    ns[TOTALS] = measure_reads(bench, read_totals, few * 5);
    change_some(bench);
    ns[GET_THEN] = measure_reads(bench, get_then, few * 5);
    ns[SEARCH_THEN] = measure_reads(bench, search_then, few / 8 + 1);
    ns[TOTALS_THEN] = measure_reads(bench, totals_then, few / 8 + 1);
    ns[UPDATE] = measure_writes(bench, update_order, few);
    ns[RAW_UPDATE] = measure_writes(bench, raw_update, few);
}

static void print(const uint64_t sizes[], size_t count, double ns[][FIGURES])
{
    static const struct {
        enum figure figure;
        const char *name;
    } rows[] = {{GET, "get"},
                {LATEST, "indexed search of the latest 20"},
                {SEARCH, "search of 20 spread anywhere"},
                {SEARCH_COLD, "the same, processor caches cold"},
                {WORDS, "search for a word"},
                {AGGREGATE, "aggregate of a customer's"},
                {TOTALS, "total of a customer"},
                {CREATE, "create"},
                {UPDATE, "update, 3 indexes and a total"},
                {GET_THEN, "get, 1000 changes ago"},
                {SEARCH_THEN, "search of 20, 1000 changes ago"},
                {TOTALS_THEN, "total, 1000 changes ago"},
                {RAW_GET, "LMDB get of the same row"},
                {RAW_UPDATE, "LMDB put of the same rows"}};
    printf("%-32s", "records");
    for (size_t i = 0; i < count; i++)
        printf("%14llu", (unsigned long long)sizes[i]);
    printf("%14s\n", "growth");
    for (size_t r = 0; r < KT_COUNT(rows); r++) {
        printf("%-32s", rows[r].name);
        for (size_t i = 0; i < count; i++)
            printf("%11.2f us", ns[i][rows[r].figure] / 1000);
        printf("%13.2fx\n", ns[count - 1][rows[r].figure] / ns[0][rows[r].figure]);
    }
    const double *last = ns[count - 1];
    printf("of LMDB's own cost: get %.2fx, search %.2fx of 20 gets, update %.2fx\n",
           last[GET] / last[RAW_GET], last[SEARCH] / (20 * last[RAW_GET]),
           last[UPDATE] / last[RAW_UPDATE]);
}

int main(int argc, char **argv)
{
    uint64_t sizes[SIZES_MAX] = {10000, 100000, 1000000};
    size_t count = argc > 1 ? 0 : 3;
    double ns[SIZES_MAX][FIGURES];
    struct bench bench = {.random = 2026};
    for (int i = 1; i < argc && count < SIZES_MAX; i++) {
        sizes[count] = strtoull(argv[i], NULL, 10);
        if (sizes[count] < 100 || (count && sizes[count] < sizes[count - 1] * 2)) {
            fprintf(stderr, "usage: %s [SIZE...], from 100, each at least twice the one before\n",
                    argv[0]);
            return 2;
        }
        count++;
    }
    open_bench(&bench);
    for (size_t i = 0; i < count; i++)
        measure(&bench, sizes[i], ns[i]);
    print(sizes, count, ns);
    close_bench(&bench);
    return 0;
}
