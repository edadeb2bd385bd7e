#include "shop.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "rpc/frame.h"

#define PARTIES 12
#define ORDERS  24

static const struct kt_choice kinds[] = {{.name = "company"}, {.name = "person"}};
static const struct kt_field party_fields[] = {
    {.name = "code", .type = KT_TEXT, .flags = KT_REQUIRED | KT_UNIQUE, .max_length = 200},
    {.name = "name", .type = KT_TEXT, .flags = KT_INDEXED},
    {.name = "kind", .type = KT_ENUM, .choices = KT_LIST(kinds), .initial = "company"},
    {.name = "tags", .type = KT_TAGS, .flags = KT_INDEXED},
    {.name = "credit", .type = KT_MONEY, .flags = KT_NONNEGATIVE | KT_INDEXED},
    {.name = "rate", .type = KT_DECIMAL, .digits = 4, .flags = KT_INDEXED},
    {.name = "rating", .type = KT_INT, .flags = KT_INDEXED},
    {.name = "active", .type = KT_BOOL, .initial = "true"},
    {.name = "since", .type = KT_DATE, .flags = KT_INDEXED, .initial = "today"},
    {.name = "seen", .type = KT_INSTANT, .flags = KT_INDEXED},
    {.name = "parent", .type = KT_REF, .to = "shop.party"},
    {.name = "note", .type = KT_JSON},
};
static const char *const kind_and_name[] = {"kind", "name"};
static const char *const since_and_rating[] = {"since", "rating"};
static const struct kt_index party_indexes[] = {
    {.name = "kind", .fields = KT_LIST(kind_and_name)},
    {.name = "since", .fields = KT_LIST(since_and_rating), .unique = true},
};
static const struct kt_entity party = {
    .name = "shop.party", .fields = KT_LIST(party_fields), .indexes = KT_LIST(party_indexes)};

static const struct kt_field line_fields[] = {
    {.name = "product", .type = KT_TEXT, .flags = KT_REQUIRED | KT_INDEXED},
    {.name = "maker", .type = KT_REF, .to = "shop.party"},
    {.name = "quantity", .type = KT_QUANTITY, .flags = KT_REQUIRED | KT_POSITIVE},
    {.name = "price", .type = KT_MONEY, .digits = 4},
    {.name = "pieces", .type = KT_INT, .initial = "1"},
};
static const struct kt_field order_fields[] = {
    {.name = "number", .type = KT_TEXT, .flags = KT_UNIQUE | KT_READONLY, .sequence = "{year}-{5}"},
    {.name = "customer", .type = KT_REF, .to = "shop.party", .flags = KT_REQUIRED},
    {.name = "date", .type = KT_DATE, .flags = KT_REQUIRED | KT_INDEXED, .initial = "today"},
    {.name = "state", .type = KT_STATE},
    {.name = "lines", .type = KT_LINES, .lines = KT_LIST(line_fields)},
    {.name = "total", .type = KT_MONEY, .flags = KT_IMMUTABLE},
};
static const char *const customer_and_product[] = {"customer", "lines.product"};
static const struct kt_index order_indexes[] = {
    {.name = "bought", .fields = KT_LIST(customer_and_product)}};
static const struct kt_state order_states[] = {{.name = "draft"},
                                               {.name = "done", .flags = KT_LOCKED}};
static const struct kt_transition order_flow[] = {
    {.from = "draft", .to = "done", .verb = "finish", .event = "finished"}};
static const struct kt_entity order = {.name = "shop.order",
                                       .fields = KT_LIST(order_fields),
                                       .states = KT_LIST(order_states),
                                       .transitions = KT_LIST(order_flow),
                                       .indexes = KT_LIST(order_indexes)};
static const struct kt_entity *const entities[] = {&party, &order};

static const char *const by_product_month[] = {"lines.product", "date:month"};
static const struct kt_measure measures[] = {{.name = "quantity", .field = "lines.quantity"}};
static const struct kt_leg legs[] = {{.by = KT_LIST(by_product_month), .measures = measures}};
static const struct kt_total totals[] = {{.name = "shop.sold",
                                          .entity = "shop.order",
                                          .measure_count = 1,
                                          .legs = legs,
                                          .leg_count = 1}};
static const struct kt_plugin plugin = {KT_PLUGIN_HEAD,
                                        .name = "shop",
                                        .version = "1.0.0",
                                        .schema = 1,
                                        .entities = KT_LIST(entities),
                                        .totals = KT_LIST(totals)};

/* --- The layers above --- */

static enum kt_status before(struct kt_ctx *ctx, const struct record_step *step,
                             struct kt_map *record, bool *changed)
{
    (void)ctx;
    (void)step;
    (void)record;
    *changed = false;
    return KT_OK;
}

static enum kt_status after(struct kt_ctx *ctx, const struct record_step *step,
                            const msgpack_object *record)
{
    (void)ctx;
    (void)step;
    (void)record;
    return KT_OK;
}

static enum kt_status announce(struct kt_ctx *ctx, const struct kt_event *event)
{
    (void)ctx;
    (void)event;
    return KT_OK;
}

static bool yes(const struct kt_ctx *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    return true;
}

static const struct context_host host = {.rules_before = before,
                                         .rules_after = after,
                                         .announce = announce,
                                         .has_role = yes,
                                         .may = yes,
                                         .topic_declared = yes};

/* --- Opening --- */

void require(bool holds)
{
    if (!holds)
        abort();
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

/* The folder goes as soon as the store is open: the files stay while they are in use, and nothing
 * is left behind however the target ends. */
static struct store *open_store(void)
{
    char root[] = "/tmp/kontor_fuzz_XXXXXX", folder[64], why[512];
    struct store *store;
    require(mkdtemp(root) != NULL);
    snprintf(folder, sizeof folder, "%s/data", root);
    struct store_options options = {
        .folder = folder, .limit_bytes = 64u << 20, .unsafe_no_sync = true};
    require(store_lmdb.open(&options, &store, why, sizeof why) == KT_OK);
    nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return store;
}

static void add_party(struct kt_ctx *ctx, unsigned number)
{
    static const char *const names[] = {"Ann", "ann", "Bo", "\xE4\xBB\xB7", "Annex"};
    struct kt_map *values = kt_map_new(ctx);
    kt_map_set_text(values, "code", kt_format(ctx, "C%u", number));
    if (number % 4)
        kt_map_set_text(values, "name", names[number % 5]);
    kt_map_set_text(values, "kind", number % 3 ? "company" : "person");
    kt_map_set_text(values, "credit", kt_format(ctx, "%u.5", number * 7 % 5));
    kt_map_set_text(values, "rate", kt_format(ctx, "-0.%02u", number));
    kt_map_set_int(values, "rating", (int64_t)number - 3);
    kt_map_set_text(values, "since", kt_format(ctx, "2026-%02u-01", number % 12 + 1));
    kt_map_set(values, "seen", kt_instant_value(ctx, (kt_instant_us)number % 4 * 1000000));
    if (number > 2)
        kt_map_set_id(values, "parent", number / 2);
    struct kt_list *tags = kt_list_new(ctx);
    for (unsigned i = 0; i < number % 3; i++)
        kt_list_add(tags, kt_text(names[(number + i) % 5]));
    kt_map_set(values, "tags", tags->object);
    require(record_create(ctx, shop_entity(ctx, false), &values->object, RECORD_BY_SERVER, NULL) ==
            KT_OK);
}

static void add_order(struct kt_ctx *ctx, unsigned number)
{
    static const char *const products[] = {"bolt", "nut", "washer"};
    struct kt_map *values = kt_map_new(ctx);
    struct kt_list *lines = kt_list_new(ctx);
    kt_map_set_id(values, "customer", number % PARTIES + 1);
    kt_map_set_text(values, "date", kt_format(ctx, "2026-%02u-15", number % 6 + 1));
    for (unsigned i = 0; i < number % 4; i++) {
        struct kt_map *line = kt_map_new(ctx);
        kt_map_set_text(line, "product", products[(number + i) % 3]);
        kt_map_set_text(line, "quantity", kt_format(ctx, "%u", i + 1));
        if (i)
            kt_map_set_id(line, "maker", i);
        kt_list_add(lines, line->object);
    }
    kt_map_set(values, "lines", lines->object);
    require(record_create(ctx, shop_entity(ctx, true), &values->object, RECORD_BY_SERVER, NULL) ==
            KT_OK);
}

static struct store_txn *reading; /* What was committed at the start; nothing else ever is. */

static void open_shop(struct kt_ctx *ctx)
{
    static const struct schema_module module = {.plugin = &plugin, .enabled = true};
    struct schema *schema;
    char why[512];
    log_set_level(LOG_ERROR);
    context_init(ctx);
    struct store *store = open_store();
    require(store_begin(store, NULL, STORE_WRITE, &ctx->txn) == KT_OK);
    require(schema_build(&module, 1, "EUR", ctx->txn, &schema, why, sizeof why) == KT_OK);
    ctx->writable = true;
    ctx->schema = schema;
    ctx->host = &host;
    ctx->now = INT64_C(1795392000) * 1000000;
    require(record_refresh(ctx, false) == KT_OK);
    for (unsigned i = 0; i < PARTIES; i++)
        add_party(ctx, i);
    for (unsigned i = 0; i < ORDERS; i++)
        add_order(ctx, i);
    context_reset(ctx);
    require(store_commit(ctx->txn) == KT_OK);
    require(store_begin(store, NULL, STORE_READ, &reading) == KT_OK);
    ctx->txn = reading;
    ctx->writable = false;
    shop_require_sound(ctx);
    context_reset(ctx);
}

struct kt_ctx *shop(void)
{
    static struct kt_ctx ctx;
    if (!ctx.txn)
        open_shop(&ctx);
    return &ctx;
}

const struct schema_entity *shop_entity(struct kt_ctx *ctx, bool is_order)
{
    return schema_entity(ctx->schema, is_order ? "shop.order" : "shop.party", 10);
}

void shop_begin(struct kt_ctx *ctx)
{
    require(store_begin(reading->store, NULL, STORE_WRITE, &ctx->txn) == KT_OK);
    ctx->writable = true;
}

void shop_end(struct kt_ctx *ctx)
{
    if (ctx->txn != reading)
        store_abort(ctx->txn);
    ctx->txn = reading;
    ctx->writable = false;
    context_reset(ctx);
}

/* --- Inputs and outcomes --- */

bool shop_unpack(struct kt_ctx *ctx, const uint8_t *bytes, size_t size, msgpack_object *out)
{
    struct frame_scan scan = {0};
    return size && frame_scan(&scan, (const char *)bytes, size) == FRAME_WHOLE &&
           context_unpack(ctx, bytes, scan.size, true, out) == KT_OK;
}

void shop_require_error(const struct kt_ctx *ctx, enum kt_status status)
{
    require(status == ctx->error.status && status != KT_INTERNAL);
    require(status == KT_OK || (ctx->error.message && ctx->error.message_zh));
}

void shop_require_sound(struct kt_ctx *ctx)
{
    msgpack_object answer;
    require(record_check_all(ctx) == KT_OK);
    require(context_unpack(ctx, ctx->reply.data, ctx->reply.size, true, &answer) == KT_OK);
    if (kt_get_int(&answer, "count") == 0)
        return;
    msgpack_object_print(stderr, answer);
    abort();
}
