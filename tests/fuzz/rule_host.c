/* One small model, whose store is always empty: what rules write goes nowhere. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "kontor/kontor.h"
#include "record/record.h"
#include "rule_host.h"
#include "script/declared.h"
#include "shop.h"

/* --- A store that forgets --- */

static enum kt_status get_nothing(struct store_txn *txn, struct store_slice key,
                                  struct store_slice *value)
{
    (void)txn;
    (void)key;
    (void)value;
    return KT_NOT_FOUND;
}

static enum kt_status put_nowhere(struct store_txn *txn, struct store_slice key,
                                  struct store_slice value)
{
    (void)txn;
    (void)key;
    (void)value;
    return KT_OK;
}

static enum kt_status no_cursor(struct store_txn *txn, struct store_cursor **out)
{
    (void)txn;
    (void)out;
    return KT_INTERNAL;
}

static const struct store_driver empty_driver = {
    .name = "empty", .get = get_nothing, .put = put_nowhere, .cursor_open = no_cursor};
static struct store empty_store = {&empty_driver};
static struct store_txn empty_txn = {&empty_store};

/* --- A model --- */

static const struct kt_field line_fields[] = {
    {.name = "product", .type = KT_TEXT},
    {.name = "quantity", .type = KT_QUANTITY},
    {.name = "price", .type = KT_MONEY},
};
static const struct kt_field order_fields[] = {
    {.name = "number", .type = KT_TEXT, .flags = KT_UNIQUE},
    {.name = "customer", .type = KT_REF, .to = "sales.order"},
    {.name = "date", .type = KT_DATE},
    {.name = "total", .type = KT_MONEY, .flags = KT_READONLY},
    {.name = "discount_max", .type = KT_DECIMAL},
    {.name = "approved_by", .type = KT_TEXT},
    {.name = "urgent", .type = KT_BOOL},
    {.name = "copies", .type = KT_INT},
    {.name = "tags", .type = KT_TAGS},
    {.name = "extra", .type = KT_JSON},
    {.name = "state", .type = KT_STATE},
    {.name = "lines", .type = KT_LINES, .lines = KT_LIST(line_fields)},
};
static const struct kt_state order_states[] = {{.name = "draft"}, {.name = "confirmed"}};
static const struct kt_field confirm_params[] = {{.name = "reason", .type = KT_TEXT}};
static const struct kt_transition order_flow[] = {{.from = "draft",
                                                   .to = "confirmed",
                                                   .verb = "confirm",
                                                   .event = "confirmed",
                                                   .params = KT_LIST(confirm_params)}};
static const struct kt_entity order_entity = {.name = "sales.order",
                                              .fields = KT_LIST(order_fields),
                                              .states = KT_LIST(order_states),
                                              .transitions = KT_LIST(order_flow)};
static const struct kt_entity *const entities[] = {&order_entity};
static const struct kt_plugin plugin = {.name = "sales", .entities = KT_LIST(entities)};

/* --- The server around it --- */

struct world {
    struct kt_ctx ctx; /* First: host functions find the world by it. */
    struct script_set *rules;
};

static enum kt_status before(struct kt_ctx *ctx, const struct record_step *step,
                             struct kt_map *record, bool *changed)
{
    *changed = false;
    return script_run_before(((struct world *)ctx)->rules, ctx, step, record, changed);
}

static enum kt_status after(struct kt_ctx *ctx, const struct record_step *step,
                            const msgpack_object *record)
{
    return script_run_after(((struct world *)ctx)->rules, ctx, step, record);
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

static enum kt_status call(struct kt_ctx *ctx, const char *method, const msgpack_object *params,
                           const msgpack_object **answer)
{
    static const msgpack_object nothing = {.type = MSGPACK_OBJECT_NIL};
    (void)params;
    *answer = &nothing;
    return strcmp(method, "record.count") == 0
               ? KT_OK
               : kt_fail(ctx, KT_NOT_FOUND, "method", "there is no such method", "没有该方法");
}

static const struct context_host host = {before, after, announce, yes, yes, yes, yes, yes, call};

static struct world *world(void)
{
    static struct world only;
    static const struct schema_module modules[] = {{&plugin, true}};
    struct schema *schema;
    char why[256];
    if (only.ctx.schema)
        return &only;
    log_set_level(LOG_ERROR);
    context_init(&only.ctx);
    only.ctx.host = &host;
    only.ctx.txn = &empty_txn;
    only.ctx.writable = true;
    require(schema_build(modules, 1, "EUR", &empty_txn, &schema, why, sizeof why) == KT_OK);
    only.ctx.schema = schema;
    return &only;
}

static struct kt_map *order(struct kt_ctx *ctx)
{
    struct kt_map *record = kt_map_new(ctx), *line = kt_map_new(ctx);
    struct kt_list *lines = kt_list_new(ctx), *tags = kt_list_new(ctx);
    kt_map_set_text(line, "product", "bolt");
    kt_map_set_text(line, "quantity", "10");
    kt_map_set_text(line, "price", "1.25");
    kt_list_add(lines, line->object);
    kt_list_add(lines, line->object);
    kt_list_add(tags, kt_text("new"));
    kt_map_set_id(record, "id", 1);
    kt_map_set_id(record, "version", 3);
    kt_map_set_text(record, "number", "SO1");
    kt_map_set_text(record, "date", "2026-11-23");
    kt_map_set_text(record, "total", "25.00");
    kt_map_set_text(record, "discount_max", "12.5");
    kt_map_set_text(record, "state", "draft");
    kt_map_set(record, "tags", tags->object);
    kt_map_set(record, "extra", line->object);
    kt_map_set(record, "lines", lines->object);
    return record;
}

static void check_result(const struct kt_ctx *ctx, enum kt_status status)
{
    if (status == KT_OK)
        return;
    require(ctx->error.status == status);
    require(ctx->error.message && ctx->error.message_zh && ctx->error.rule);
}

static void run(struct world *w, enum record_moment moment)
{
    struct kt_ctx *ctx = &w->ctx;
    struct kt_map *record = order(ctx), *params = kt_map_new(ctx);
    struct record_step step = {.entity = &ctx->schema->entities[0], .moment = moment};
    bool changed = false;
    kt_map_set_text(params, "reason", "late");
    if (moment != RECORD_CREATE)
        step.old = &order(ctx)->object;
    if (moment == RECORD_TRANSITION) {
        step.verb = "confirm";
        step.params = &params->object;
    }
    enum kt_status status = before(ctx, &step, moment == RECORD_DELETE ? NULL : record, &changed);
    check_result(ctx, status);
    if (status == KT_OK)
        check_result(ctx, after(ctx, &step, &record->object));
    context_reset(ctx);
    script_set_rearm(w->rules);
}

bool rule_host_try(const char *text, size_t size, uint64_t steps)
{
    struct world *w = world();
    struct script_file file = {.name = "fuzz.lua", .source = "pushed", .text = text, .size = size};
    struct script_declared *declared = NULL;
    w->ctx.limits.rule_steps = steps;
    check_result(&w->ctx, script_declared_load(&w->ctx, &file, 1, &declared));
    script_declared_free(declared);
    context_reset(&w->ctx);
    enum kt_status status = script_set_build(&w->ctx, &file, 1, &w->rules);
    check_result(&w->ctx, status);
    context_reset(&w->ctx);
    if (status != KT_OK)
        return false;
    for (int again = 0; again < 2; again++) {
        run(w, RECORD_CREATE);
        run(w, RECORD_UPDATE);
        run(w, RECORD_TRANSITION);
        run(w, RECORD_DELETE);
        if (again == 0)
            script_set_renew(w->rules, &w->ctx, &file, 1);
    }
    script_set_free(w->rules);
    w->rules = NULL;
    return true;
}
