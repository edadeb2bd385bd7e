/** A small shop with a real store and record engine, and rules written in the test: stories create
 *  and change records, and the rules run as they would in the server. Static functions: a test
 *  program is one file. */
#pragma once

#include "kontor/kontor.h"
#include "record/record.h"
#include "script/script.h"
#include "store_fixture.h"

/* 2026-11-23T00:00:00Z */
#define TODAY_US INT64_C(1795392000000000)

struct world {
    struct kt_ctx ctx; /* First: host functions find the world by it. */
    struct fixture *store;
    struct schema *schema;
    struct script_set *rules;
    const char *role;
};

/* --- The shop --- */

static const struct kt_choice regions[] = {{.name = "north"}, {.name = "south"}};
static const struct kt_field customer_fields[] = {
    {.name = "name", .type = KT_TEXT, .flags = KT_REQUIRED | KT_UNIQUE},
    {.name = "credit_limit", .type = KT_MONEY},
    {.name = "region", .type = KT_ENUM, .choices = KT_LIST(regions)},
};
static const struct kt_field line_fields[] = {
    {.name = "product", .type = KT_TEXT, .flags = KT_REQUIRED},
    {.name = "quantity", .type = KT_QUANTITY},
    {.name = "price", .type = KT_MONEY},
    {.name = "amount", .type = KT_MONEY, .flags = KT_READONLY},
};
static const struct kt_field order_fields[] = {
    {.name = "number", .type = KT_TEXT, .flags = KT_UNIQUE},
    {.name = "customer", .type = KT_REF, .to = "shop.customer"},
    {.name = "date", .type = KT_DATE, .initial = "today"},
    {.name = "placed", .type = KT_INSTANT, .initial = "now"},
    {.name = "total", .type = KT_MONEY, .flags = KT_READONLY},
    {.name = "discount", .type = KT_DECIMAL},
    {.name = "note", .type = KT_TEXT, .max_length = 2000},
    {.name = "copies", .type = KT_INT},
    {.name = "urgent", .type = KT_BOOL},
    {.name = "tags", .type = KT_TAGS},
    {.name = "extra", .type = KT_JSON},
    {.name = "ghost", .type = KT_REF, .to = "ghost.thing", .flags = KT_SOFT},
    {.name = "state", .type = KT_STATE},
    {.name = "lines", .type = KT_LINES, .lines = KT_LIST(line_fields)},
};
static const struct kt_state order_states[] = {{.name = "draft"}, {.name = "confirmed"}};
static const struct kt_field confirm_params[] = {
    {.name = "reason", .type = KT_TEXT},
    {.name = "limit", .type = KT_MONEY},
};
static const struct kt_transition order_flow[] = {
    {.from = "draft",
     .to = "confirmed",
     .verb = "confirm",
     .event = "confirmed",
     .params = KT_LIST(confirm_params)},
    {.from = "confirmed", .to = "draft", .verb = "reopen", .event = "reopened"},
};
static const struct kt_field entry_fields[] = {
    {.name = "text", .type = KT_TEXT, .max_length = 2000},
    {.name = "depth", .type = KT_INT},
};
static const struct kt_entity customer_entity = {.name = "shop.customer",
                                                 .fields = KT_LIST(customer_fields)};
static const struct kt_entity order_entity = {.name = "shop.order",
                                              .fields = KT_LIST(order_fields),
                                              .states = KT_LIST(order_states),
                                              .transitions = KT_LIST(order_flow)};
static const struct kt_entity entry_entity = {.name = "shop.entry",
                                              .fields = KT_LIST(entry_fields)};
static const struct kt_entity *const shop_entities[] = {&customer_entity, &order_entity,
                                                        &entry_entity};
static const struct kt_measure ordered_measures[] = {{.name = "discounts", .field = "discount"}};
static const char *const ordered_by[] = {"customer", "date:month"};
static const struct kt_leg ordered_legs[] = {
    {.by = KT_LIST(ordered_by), .measures = ordered_measures}};
static const struct kt_total shop_totals[] = {{.name = "shop.ordered",
                                               .entity = "shop.order",
                                               .measure_count = 1,
                                               .legs = ordered_legs,
                                               .leg_count = 1}};
static const struct kt_plugin shop_plugin = {
    .name = "shop", .entities = KT_LIST(shop_entities), .totals = KT_LIST(shop_totals)};

/* A module that is known but not enabled. */
static const struct kt_field thing_fields[] = {{.name = "name", .type = KT_TEXT}};
static const struct kt_entity thing_entity = {.name = "ghost.thing",
                                              .fields = KT_LIST(thing_fields)};
static const struct kt_entity *const ghost_entities[] = {&thing_entity};
static const struct kt_plugin ghost_plugin = {.name = "ghost", .entities = KT_LIST(ghost_entities)};

static const struct kt_field setting_fields[] = {
    {.name = "name", .type = KT_TEXT, .flags = KT_REQUIRED | KT_UNIQUE},
    {.name = "value", .type = KT_TEXT},
};
static const struct kt_entity setting_entity = {.name = "system.setting",
                                                .fields = KT_LIST(setting_fields)};
static const struct kt_entity *const system_entities[] = {&setting_entity};
static const struct kt_plugin system_plugin = {.name = "system",
                                               .entities = KT_LIST(system_entities)};

/* --- The services that the layers above lend --- */

static inline enum kt_status host_before(struct kt_ctx *ctx, const struct record_step *step,
                                         struct kt_map *record, bool *changed)
{
    *changed = false;
    return script_run_before(((struct world *)ctx)->rules, ctx, step, record, changed);
}

static inline enum kt_status host_after(struct kt_ctx *ctx, const struct record_step *step,
                                        const msgpack_object *record)
{
    return script_run_after(((struct world *)ctx)->rules, ctx, step, record);
}

static inline enum kt_status host_announce(struct kt_ctx *ctx, const struct kt_event *event)
{
    (void)ctx;
    (void)event;
    return KT_OK;
}

static inline bool host_has_role(const struct kt_ctx *ctx, const char *role)
{
    return strcmp(((const struct world *)ctx)->role, role) == 0;
}

static inline bool host_yes(const struct kt_ctx *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    return true;
}

static inline enum kt_status host_call(struct kt_ctx *ctx, const char *method,
                                       const msgpack_object *params, const msgpack_object **answer)
{
    (void)params;
    *answer = NULL;
    return kt_fail(ctx, KT_NOT_FOUND, "method", "there is no method %s", "没有方法 %s", method);
}

static const struct context_host world_host = {.rules_before = host_before,
                                               .rules_after = host_after,
                                               .announce = host_announce,
                                               .has_role = host_has_role,
                                               .may = host_yes,
                                               .topic_declared = host_yes,
                                               .topic_known = host_yes,
                                               .role_known = host_yes,
                                               .call = host_call};

/* --- Life of a story --- */

static inline int open_world(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    static const struct schema_module modules[] = {
        {&system_plugin, true}, {&shop_plugin, true}, {&ghost_plugin, false}};
    void *store;
    char why[256];
    if (set_up(&store) != 0)
        return -1;
    *state = w;
    w->store = store;
    w->role = "shop.clerk";
    context_init(&w->ctx);
    w->ctx.host = &world_host;
    w->ctx.txn = begin(w->store, NULL, STORE_WRITE);
    w->ctx.writable = true;
    w->ctx.now = TODAY_US;
    w->ctx.user_id = 7;
    w->ctx.user_name = "anna";
    if (schema_build(modules, KT_COUNT(modules), "EUR", w->ctx.txn, &w->schema, why, sizeof why) !=
        KT_OK) {
        fprintf(stderr, "%s\n", why);
        return -1;
    }
    w->ctx.schema = w->schema;
    return 0;
}

static inline int close_world(void **state)
{
    struct world *w = *state;
    void *store = w->store;
    script_set_free(w->rules);
    store_abort(w->ctx.txn);
    schema_free(w->schema);
    context_deinit(&w->ctx);
    free(w);
    return tear_down(&store);
}

#define SHOP_STORY(function) cmocka_unit_test_setup_teardown(function, open_world, close_world)

/* The next request: nothing of the last one is there any more. */
static inline void next_request(struct world *w)
{
    context_reset(&w->ctx);
    script_set_rearm(w->rules);
}

/* --- Rules --- */

static inline enum kt_status build(struct world *w, const char *text, struct script_set **out)
{
    struct script_file file = {
        .name = "test.lua", .source = "pushed", .text = text, .size = strlen(text)};
    return script_set_build(&w->ctx, &file, 1, out);
}

static inline void use_rules(struct world *w, const char *text)
{
    struct script_set *set = NULL;
    if (build(w, text, &set) != KT_OK)
        fail_msg("%s", w->ctx.error.message);
    script_set_free(w->rules);
    w->rules = set;
    next_request(w);
}

/* One rule named "t" whose check has this body. */
static inline void use_rule(struct world *w, const char *on, const char *body)
{
    const char *text = kt_format(
        &w->ctx, "rule{ on = \"%s\", name = \"t\", check = function(record, step)\n%s\nend }", on,
        body);
    use_rules(w, text);
}

static inline void assert_contains(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("'%s' does not contain '%s'", text ? text : "(nothing)", part);
}

static inline void assert_refused(struct world *w, const char *text, const char *why)
{
    struct script_set *set = NULL;
    enum kt_status status = build(w, text, &set);
    if (status == KT_OK)
        fail_msg("accepted: %s", text);
    assert_int_equal(status, KT_INVALID);
    assert_string_equal(w->ctx.error.rule, "test.lua");
    assert_contains(w->ctx.error.message, why);
    assert_contains(w->ctx.error.message, "test.lua");
    next_request(w);
}

/* --- Records --- */

static inline struct kt_map *values(struct world *w)
{
    return kt_map_new(&w->ctx);
}

static inline struct kt_map *order_values(struct world *w)
{
    struct kt_map *order = values(w);
    struct kt_list *lines = kt_list_new(&w->ctx);
    struct kt_map *bolt = values(w), *nut = values(w);
    kt_map_set_text(bolt, "product", "bolt");
    kt_map_set_text(bolt, "quantity", "10");
    kt_map_set_text(bolt, "price", "1.25");
    kt_map_set_text(nut, "product", "nut");
    kt_map_set_text(nut, "quantity", "4");
    kt_map_set_text(nut, "price", "0.50");
    kt_list_add(lines, bolt->object);
    kt_list_add(lines, nut->object);
    kt_map_set_text(order, "total", "14.50");
    kt_map_set_text(order, "discount", "2.5");
    kt_map_set(order, "lines", lines->object);
    return order;
}

static inline enum kt_status make(struct world *w, const char *entity, const struct kt_map *given,
                                  uint64_t *id)
{
    uint64_t unused;
    return kt_record_create(&w->ctx, entity, given, id ? id : &unused);
}

static inline void assert_ok(struct world *w, enum kt_status status)
{
    if (status != KT_OK)
        fail_msg("%s: %s", kt_status_code(status), w->ctx.error.message);
}

static inline uint64_t must_make(struct world *w, const char *entity, const struct kt_map *given)
{
    uint64_t id = 0;
    assert_ok(w, make(w, entity, given, &id));
    return id;
}

static inline const msgpack_object *load(struct world *w, const char *entity, uint64_t id)
{
    const msgpack_object *record = NULL;
    assert_ok(w, kt_record_get(&w->ctx, entity, id, &record));
    return record;
}

/* Creating an order with the rule in force fails like this; then the next request begins. */
static inline void assert_fails(struct world *w, enum kt_status expected, const char *why)
{
    enum kt_status status = make(w, "shop.order", order_values(w), NULL);
    if (status == KT_OK)
        fail_msg("no failure, expected: %s", why);
    assert_contains(w->ctx.error.message, why);
    assert_int_equal(status, expected);
    assert_int_equal(w->ctx.error.status, expected);
    assert_string_equal(w->ctx.error.rule, "t");
    next_request(w);
}

/* A rule with this body passes when an order is created. */
static inline void assert_passes(struct world *w, const char *body)
{
    use_rule(w, "shop.order.before_create", body);
    enum kt_status status = make(w, "shop.order", order_values(w), NULL);
    if (status != KT_OK)
        fail_msg("%s\n%s: %s", body, kt_status_code(status), w->ctx.error.message);
    next_request(w);
}

/* ... and this one breaks with a message that has `why` in it and names the place. */
static inline void assert_breaks(struct world *w, const char *body, const char *why)
{
    use_rule(w, "shop.order.before_create", body);
    enum kt_status status = make(w, "shop.order", order_values(w), NULL);
    if (status == KT_OK)
        fail_msg("passed: %s", body);
    if (!strstr(w->ctx.error.message, why))
        fail_msg("%s\ngave '%s', not '%s'", body, w->ctx.error.message, why);
    assert_int_equal(status, KT_RULE_FAILED);
    assert_string_equal(w->ctx.error.rule, "t");
    assert_contains(w->ctx.error.message, "test.lua:");
    next_request(w);
}
