/** A small company's records in an empty store, without any layer above core/record: what the
 *  engine, rules and bus would be asked is only noted. Values are written as JSON with ' for ".
 *  Static functions: a test program is one file. */
#pragma once

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/json.h"
#include "kontor/kontor.h"
#include "record/record_internal.h"

/* --- The module: parties, orders with lines, stock moves. --- */

static const struct kt_choice party_kinds[] = {{.name = "company"}, {.name = "person"}};
static const struct kt_field party_fields[] = {
    {.name = "code", .type = KT_TEXT, .flags = KT_REQUIRED | KT_UNIQUE, .max_length = 200},
    {.name = "name", .type = KT_TEXT, .flags = KT_INDEXED, .max_length = 300},
    {.name = "kind", .type = KT_ENUM, .choices = KT_LIST(party_kinds), .initial = "company"},
    {.name = "email", .type = KT_TEXT, .flags = KT_UNIQUE},
    {.name = "region", .type = KT_TEXT},
    {.name = "tax_number", .type = KT_TEXT},
    {.name = "tags", .type = KT_TAGS, .flags = KT_INDEXED},
    {.name = "credit", .type = KT_MONEY, .flags = KT_NONNEGATIVE | KT_INDEXED},
    {.name = "rate", .type = KT_DECIMAL, .digits = 4},
    {.name = "weight", .type = KT_QUANTITY, .flags = KT_POSITIVE},
    {.name = "rating", .type = KT_INT, .flags = KT_INDEXED},
    {.name = "active", .type = KT_BOOL, .initial = "true"},
    {.name = "since", .type = KT_DATE, .flags = KT_IMMUTABLE, .initial = "today"},
    {.name = "seen", .type = KT_INSTANT, .initial = "now"},
    {.name = "parent", .type = KT_REF, .to = "shop.party"},
    {.name = "note", .type = KT_JSON},
};
static const char *const region_and_tax[] = {"region", "tax_number"};
static const char *const kind_and_name[] = {"kind", "name"};
static const struct kt_index party_indexes[] = {
    {.name = "tax", .fields = KT_LIST(region_and_tax), .unique = true},
    {.name = "kind", .fields = KT_LIST(kind_and_name)},
};
static const struct kt_entity party_entity = {
    .name = "shop.party", .fields = KT_LIST(party_fields), .indexes = KT_LIST(party_indexes)};

static const struct kt_field order_line_fields[] = {
    {.name = "product", .type = KT_TEXT, .flags = KT_REQUIRED | KT_INDEXED},
    {.name = "maker", .type = KT_REF, .to = "shop.party"},
    {.name = "quantity", .type = KT_QUANTITY, .flags = KT_REQUIRED | KT_POSITIVE},
    {.name = "price", .type = KT_MONEY, .flags = KT_REQUIRED, .digits = 4},
    {.name = "pieces", .type = KT_INT, .initial = "1"},
    {.name = "amount", .type = KT_MONEY, .flags = KT_READONLY},
};
static const struct kt_field order_fields[] = {
    {.name = "number",
     .type = KT_TEXT,
     .flags = KT_UNIQUE | KT_READONLY,
     .sequence = "SO{year}-{5}"},
    {.name = "customer", .type = KT_REF, .to = "shop.party", .flags = KT_REQUIRED},
    {.name = "date", .type = KT_DATE, .flags = KT_REQUIRED | KT_INDEXED, .initial = "today"},
    {.name = "state", .type = KT_STATE},
    {.name = "reason", .type = KT_TEXT, .flags = KT_READONLY},
    {.name = "lines", .type = KT_LINES, .lines = KT_LIST(order_line_fields)},
    {.name = "total", .type = KT_MONEY, .flags = KT_READONLY},
};
static const char *const customer_and_product[] = {"customer", "lines.product"};
static const char *const product_and_maker[] = {"lines.product", "lines.maker"};
static const char *const reason_and_product[] = {"reason", "lines.product"};
static const struct kt_index order_indexes[] = {
    {.name = "excuse", .fields = KT_LIST(reason_and_product)},
    {.name = "bought", .fields = KT_LIST(customer_and_product)},
    {.name = "made", .fields = KT_LIST(product_and_maker)},
};
static const struct kt_state order_states[] = {
    {.name = "draft"},
    {.name = "confirmed", .flags = KT_LOCKED},
    {.name = "done", .flags = KT_LOCKED},
    {.name = "cancelled"},
};

static inline enum kt_status note_reason(struct kt_ctx *ctx, struct kt_map *record,
                                         const msgpack_object *params)
{
    if (kt_is(params, "reason", "forbidden"))
        return kt_fail(ctx, KT_CONFLICT, "reason", "not for that reason", "不得以此为由");
    if (kt_has(params, "reason"))
        kt_map_set(record, "reason", *kt_get(params, "reason"));
    return KT_OK;
}

static const struct kt_transition order_transitions[] = {
    {.from = "draft", .to = "confirmed", .verb = "confirm", .event = "confirmed"},
    {.from = "confirmed",
     .to = "done",
     .verb = "finish",
     .event = "finished",
     .flags = KT_BY_SERVER},
    {.from = "draft",
     .to = "cancelled",
     .verb = "cancel",
     .event = "cancelled",
     .run = note_reason},
    {.from = "confirmed",
     .to = "cancelled",
     .verb = "cancel",
     .event = "cancelled",
     .run = note_reason},
};

/* amount = quantity * price, rounded to cents; total = the sum of amounts. */
static inline enum kt_status order_before_save(struct kt_ctx *ctx, const msgpack_object *old,
                                               struct kt_map *record)
{
    (void)old;
    struct kt_decimal total = KT_DECIMAL_ZERO;
    struct kt_list *lines = kt_list_new(ctx);
    for (size_t i = 0; i < kt_count(&record->object, "lines"); i++) {
        struct kt_map *line = kt_map_copy(ctx, kt_at(&record->object, "lines", i));
        struct kt_decimal amount = kt_decimal_mul(kt_get_decimal(&line->object, "quantity"),
                                                  kt_get_decimal(&line->object, "price"), 2);
        kt_map_set_decimal(line, "amount", amount);
        total = kt_decimal_add(total, amount);
        kt_list_add(lines, line->object);
    }
    kt_map_set(record, "lines", lines->object);
    kt_map_set_decimal(record, "total", total);
    return KT_OK;
}

static const struct kt_entity order_entity = {.name = "shop.order",
                                              .fields = KT_LIST(order_fields),
                                              .states = KT_LIST(order_states),
                                              .transitions = KT_LIST(order_transitions),
                                              .indexes = KT_LIST(order_indexes),
                                              .before_save = order_before_save};

static const struct kt_field move_line_fields[] = {
    {.name = "product", .type = KT_TEXT, .flags = KT_REQUIRED},
    {.name = "from", .type = KT_TEXT},
    {.name = "to", .type = KT_TEXT},
    {.name = "quantity", .type = KT_QUANTITY, .flags = KT_REQUIRED},
};
static const struct kt_field move_fields[] = {
    {.name = "lines", .type = KT_LINES, .lines = KT_LIST(move_line_fields), .flags = KT_REQUIRED},
};
static const struct kt_entity move_entity = {
    .name = "shop.move", .fields = KT_LIST(move_fields), .flags = KT_APPEND_ONLY};

static const struct kt_field stamp_fields[] = {{.name = "text", .type = KT_TEXT}};
static const struct kt_entity stamp_entity = {
    .name = "shop.stamp", .fields = KT_LIST(stamp_fields), .flags = KT_SERVER_ONLY};

static const struct kt_entity cache_entity = {
    .name = "shop.cache", .fields = KT_LIST(stamp_fields), .flags = KT_NO_HISTORY};

static const struct kt_entity *const shop_entities[] = {&party_entity, &order_entity, &move_entity,
                                                        &stamp_entity, &cache_entity};

static const char *const sold_by[] = {"lines.product", "date:month"};
static const struct kt_measure sold_measures[] = {{.name = "quantity", .field = "lines.quantity"},
                                                  {.name = "amount", .field = "lines.amount"}};
static const struct kt_leg sold_legs[] = {{.by = KT_LIST(sold_by), .measures = sold_measures}};
static const char *const sold_states[] = {"confirmed", "done"};

static const char *const ordered_by[] = {"customer", "date:year"};
static const struct kt_measure ordered_measures[] = {{.name = "total", .field = "total"}};
static const struct kt_leg ordered_legs[] = {
    {.by = KT_LIST(ordered_by), .measures = ordered_measures}};

static const char *const stock_in[] = {"lines.product", "lines.to"};
static const char *const stock_out[] = {"lines.product", "lines.from"};
static const struct kt_measure stock_more[] = {{.name = "quantity", .field = "lines.quantity"}};
static const struct kt_measure stock_less[] = {
    {.name = "quantity", .field = "lines.quantity", .minus = true}};
static const struct kt_leg stock_legs[] = {{.by = KT_LIST(stock_in), .measures = stock_more},
                                           {.by = KT_LIST(stock_out), .measures = stock_less}};

static const struct kt_total shop_totals[] = {
    {.name = "shop.sold",
     .entity = "shop.order",
     .when = "state",
     .is = KT_LIST(sold_states),
     .measure_count = 2,
     .legs = sold_legs,
     .leg_count = 1},
    {.name = "shop.ordered",
     .entity = "shop.order",
     .measure_count = 1,
     .legs = ordered_legs,
     .leg_count = 1},
    {.name = "shop.stock",
     .entity = "shop.move",
     .measure_count = 1,
     .legs = stock_legs,
     .leg_count = 2},
};

static const struct kt_plugin shop_plugin = {KT_PLUGIN_HEAD,
                                             .name = "shop",
                                             .version = "1.0.0",
                                             .schema = 1,
                                             .entities = KT_LIST(shop_entities),
                                             .totals = KT_LIST(shop_totals)};

/* --- The layers above, as far as they are asked --- */

typedef enum kt_status (*fixture_rule)(struct kt_ctx *ctx, const struct record_step *step,
                                       struct kt_map *record, bool *changed);
typedef enum kt_status (*fixture_handler)(struct kt_ctx *ctx, const struct kt_event *event);

struct fixture {
    char root[64];
    struct store *store;
    struct store_txn *txn; /**< Everything a story does; never committed. */
    bool filling;          /**< Steps share that transaction, and none may fail. */
    struct schema *schema;
    struct kt_ctx ctx;
    char asked[2048]; /**< "before:shop.order.create announce:shop.order.created ..." */
    fixture_rule rule;
    fixture_handler handler;
    const char *denied;    /**< The one permission that the user lacks. */
    enum kt_status status; /**< How the last step ended, */
    char entity[64];       /**< and if badly, where, */
    char field[128];
    msgpack_object details;
    char message[512]; /**< why. */
};

static inline struct fixture *fixture_of(const struct kt_ctx *ctx)
{
    return (struct fixture *)((char *)(uintptr_t)ctx - offsetof(struct fixture, ctx));
}

static inline void ask(const struct kt_ctx *ctx, const char *what, const char *name,
                       const char *verb)
{
    struct fixture *f = fixture_of(ctx);
    size_t used = strlen(f->asked);
    snprintf(f->asked + used, sizeof(f->asked) - used, "%s%s:%s%s%s", used ? " " : "", what, name,
             verb ? "." : "", verb ? verb : "");
}

static inline const char *moment_word(const struct record_step *step)
{
    static const char *const words[] = {"create", "update", "delete", "archive", "restore"};
    return step->moment == RECORD_TRANSITION ? step->verb : words[step->moment];
}

static inline enum kt_status host_before(struct kt_ctx *ctx, const struct record_step *step,
                                         struct kt_map *record, bool *changed)
{
    ask(ctx, "before", step->entity->name, moment_word(step));
    return fixture_of(ctx)->rule ? fixture_of(ctx)->rule(ctx, step, record, changed) : KT_OK;
}

static inline enum kt_status host_after(struct kt_ctx *ctx, const struct record_step *step,
                                        const msgpack_object *record)
{
    (void)record;
    ask(ctx, "after", step->entity->name, moment_word(step));
    return KT_OK;
}

static inline enum kt_status host_announce(struct kt_ctx *ctx, const struct kt_event *event)
{
    ask(ctx, "announce", event->topic, NULL);
    return fixture_of(ctx)->handler ? fixture_of(ctx)->handler(ctx, event) : KT_OK;
}

static inline bool host_yes(const struct kt_ctx *ctx, const char *what)
{
    (void)ctx;
    (void)what;
    return true;
}

static inline bool host_may(const struct kt_ctx *ctx, const char *permission)
{
    const char *denied = fixture_of(ctx)->denied;
    return !denied || strcmp(denied, permission) != 0;
}

static const struct context_host fixture_host = {.rules_before = host_before,
                                                 .rules_after = host_after,
                                                 .announce = host_announce,
                                                 .has_role = host_yes,
                                                 .may = host_may,
                                                 .topic_declared = host_yes};

/* --- Opening and closing --- */

/** A module beside the shop, set before the stories run. */
static const struct kt_plugin *fixture_more;

static inline int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct schema_module modules[] = {{.plugin = &shop_plugin, .enabled = true},
                                      {.plugin = fixture_more, .enabled = true}};
    char why[512] = "";
    char folder[96];
    kt_date day;
    snprintf(f->root, sizeof(f->root), "/tmp/kontor_record_XXXXXX");
    if (!mkdtemp(f->root))
        return -1;
    snprintf(folder, sizeof(folder), "%s/data", f->root);
    struct store_options options = {
        .folder = folder, .limit_bytes = 256u << 20, .unsafe_no_sync = true};
    *state = f;
    if (store_lmdb.open(&options, &f->store, why, sizeof(why)) != KT_OK ||
        store_begin(f->store, NULL, STORE_WRITE, &f->txn) != KT_OK ||
        schema_build(modules, fixture_more ? 2 : 1, "EUR", f->txn, &f->schema, why, sizeof(why)) !=
            KT_OK) {
        print_error("%s\n", why);
        return -1;
    }
    context_init(&f->ctx);
    f->ctx.txn = f->txn;
    f->ctx.writable = true;
    f->ctx.schema = f->schema;
    f->ctx.host = &fixture_host;
    f->ctx.user_id = 7;
    f->ctx.user_name = "ann";
    kt_date_parse("2026-11-23", 10, &day);
    f->ctx.now = (kt_instant_us)day * 86400 * 1000000;
    return record_refresh(&f->ctx, false) == KT_OK ? 0 : -1;
}

static inline int remove_one(const char *path, const struct stat *status, int kind,
                             struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    context_deinit(&f->ctx);
    schema_free(f->schema);
    if (f->txn)
        store_abort(f->txn);
    store_lmdb.close(f->store);
    nftw(f->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

#define STORY(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

/* --- Words for stories --- */

/** A value from JSON written with ' for ". Lives until the story ends or forgets. */
static inline const msgpack_object *json(struct fixture *f, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline const msgpack_object *json(struct fixture *f, const char *format, ...)
{
    char *text = kt_alloc(&f->ctx, 8192);
    char why[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, 8192, format, arguments);
    va_end(arguments);
    for (char *at = text; *at; at++)
        *at = *at == '\'' ? '"' : *at;
    msgpack_object *value = kt_alloc(&f->ctx, sizeof(*value));
    if (!json_read(text, strlen(text), f->ctx.arena, value, why, sizeof(why)))
        fail_msg("%s: %s", why, text);
    return value;
}

static inline void assert_value(struct fixture *f, const msgpack_object *value,
                                const msgpack_object *expected)
{
    (void)f;
    if (kt_equal(value, expected))
        return;
    print_error("is:       ");
    if (value)
        msgpack_object_print(stderr, *value);
    print_error("\nexpected: ");
    msgpack_object_print(stderr, *expected);
    fail_msg("the values differ");
}

static inline const struct schema_entity *entity_of(struct fixture *f, const char *name)
{
    const struct schema_entity *entity = schema_entity(f->schema, name, strlen(name));
    assert_non_null(entity);
    return entity;
}

/* A step is what a request is to the engine: a transaction of its own inside the story's. To fill a
 * store with many records `filling` spares it: LMDB takes 2 MB for each, dear under sanitizers. */
static inline void begin_step(struct fixture *f)
{
    f->asked[0] = f->field[0] = f->message[0] = '\0';
    f->ctx.event_depth = f->ctx.event_count = 0;
    context_forgive(&f->ctx);
    if (!f->filling)
        assert_int_equal(store_begin(f->store, f->txn, STORE_WRITE, &f->ctx.txn), KT_OK);
}

static inline enum kt_status end_step(struct fixture *f, enum kt_status status)
{
    const struct context_error *error = &f->ctx.error;
    snprintf(f->entity, sizeof(f->entity), "%s", error->entity ? error->entity : "");
    snprintf(f->field, sizeof(f->field), "%s", error->field ? error->field : "");
    f->details = error->details;
    snprintf(f->message, sizeof(f->message), "%s", error->message ? error->message : "");
    f->status = status;
    if (f->filling)
        assert_int_equal(status, KT_OK);
    else if (status == KT_OK)
        assert_int_equal(store_commit(f->ctx.txn), KT_OK);
    else
        store_abort(f->ctx.txn);
    f->ctx.txn = f->txn;
    f->ctx.last_event = 0;
    assert_int_equal(error->status, status);
    assert_int_equal(f->ctx.save_depth, 0);
    context_forgive(&f->ctx);
    return status;
}

/** The new record's id, 0 when refused. */
static inline uint64_t create_by(struct fixture *f, enum record_by by, const char *entity,
                                 const msgpack_object *values)
{
    uint64_t id = 0;
    begin_step(f);
    return end_step(f, record_create(&f->ctx, entity_of(f, entity), values, by, &id)) == KT_OK ? id
                                                                                               : 0;
}

static inline uint64_t create(struct fixture *f, const char *entity, const msgpack_object *values)
{
    return create_by(f, RECORD_BY_CLIENT, entity, values);
}

static inline enum kt_status update_version(struct fixture *f, const char *entity, uint64_t id,
                                            uint64_t version, const msgpack_object *values)
{
    begin_step(f);
    return end_step(
        f, record_update(&f->ctx, entity_of(f, entity), id, version, values, RECORD_BY_CLIENT));
}

static inline enum kt_status update(struct fixture *f, const char *entity, uint64_t id,
                                    const msgpack_object *values)
{
    return update_version(f, entity, id, 0, values);
}

static inline enum kt_status erase(struct fixture *f, const char *entity, uint64_t id)
{
    begin_step(f);
    return end_step(f, record_delete(&f->ctx, entity_of(f, entity), id, 0, RECORD_BY_CLIENT));
}

static inline enum kt_status transition_by(struct fixture *f, enum record_by by, uint64_t order,
                                           const char *verb, const msgpack_object *params)
{
    begin_step(f);
    return end_step(
        f, record_transition(&f->ctx, entity_of(f, "shop.order"), order, 0, verb, params, by));
}

static inline enum kt_status transition(struct fixture *f, uint64_t order, const char *verb)
{
    return transition_by(f, RECORD_BY_CLIENT, order, verb, NULL);
}

static inline const msgpack_object *load(struct fixture *f, const char *entity, uint64_t id)
{
    const msgpack_object *record = NULL;
    assert_int_equal(record_load(&f->ctx, entity_of(f, entity), id, &record), KT_OK);
    return record;
}

static inline void assert_refused(struct fixture *f, enum kt_status status, const char *field)
{
    if (f->status != status)
        print_error("%s %s\n", kt_status_code(f->status), f->message);
    assert_int_equal(f->status, status);
    assert_string_equal(f->field, field);
    assert_true(*f->message);
}

/** The answer that the last kt_reply packed. */
static inline const msgpack_object *answer(struct fixture *f)
{
    msgpack_object *value = kt_alloc(&f->ctx, sizeof(*value));
    assert_int_equal(context_unpack(&f->ctx, f->ctx.reply.data, f->ctx.reply.size, true, value),
                     KT_OK);
    return value;
}

/** Indexes, totals and references are what a scan of all records gives. */
static inline void assert_check_finds_nothing(struct fixture *f)
{
    context_forgive(&f->ctx);
    assert_int_equal(record_check_all(&f->ctx), KT_OK);
    if (kt_get_int(answer(f), "count") != 0)
        msgpack_object_print(stderr, *answer(f));
    assert_int_equal(kt_get_int(answer(f), "count"), 0);
}

/** Long stories let go of what they built. */
static inline void forget(struct fixture *f)
{
    msgpack_zone_clear(f->ctx.arena);
    f->ctx.arena_used = 0;
}
