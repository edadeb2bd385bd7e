/* Stock moves: the only way stock changes.
 *
 * Saving a move checks each line against what is on hand and not promised to others, and values
 * it. Lines count in their order, so a later line sees what an earlier one brought or took. All of
 * it is computed from the totals, which do not contain this move yet: doing it twice gives the same
 * answer. The kind of the document is for people; the kinds of the locations decide everything. */
#include "inventory.h"

#include <string.h>

static const struct kt_choice kinds[] = {
    {"receipt", {"Receipt", "收货"}},       {"delivery", {"Delivery", "发货"}},
    {"transfer", {"Transfer", "调拨"}},     {"adjustment", {"Adjustment", "盘点调整"}},
    {"opening", {"Opening stock", "期初"}}, {"production", {"Production", "生产"}},
    {"return", {"Return", "退货"}},
};

static const struct kt_field line_fields[] = {
    {.name = "product",
     .type = KT_REF,
     .to = "products.product",
     .flags = KT_REQUIRED | KT_INDEXED,
     .label = {"Product", "产品"}},
    {.name = "from",
     .type = KT_REF,
     .to = "inventory.location",
     .flags = KT_REQUIRED,
     .label = {"From", "从"}},
    {.name = "to",
     .type = KT_REF,
     .to = "inventory.location",
     .flags = KT_REQUIRED,
     .label = {"To", "到"}},
    {.name = "quantity",
     .type = KT_QUANTITY,
     .flags = KT_REQUIRED | KT_POSITIVE,
     .label = {"Quantity", "数量"}},
    {.name = "unit_cost",
     .type = KT_MONEY,
     .flags = KT_NONNEGATIVE,
     .digits = INVENTORY_COST_DIGITS,
     .label = {"Unit cost", "单位成本"},
     .help = {"For goods that come in: what one unit costs; else computed",
              "入库时为单位成本；其余由系统计算"}},
    {.name = "total_cost",
     .type = KT_MONEY,
     .flags = KT_NONNEGATIVE,
     .label = {"Total cost", "总成本"},
     .help = {"For goods that come in: what the whole line costs, instead of a unit cost",
              "入库时可填整行成本，代替单位成本"}},
    {.name = "value",
     .type = KT_MONEY,
     .flags = KT_READONLY,
     .label = {"Value", "价值"},
     .help = {"Cost value of the line", "该行的成本价值"}},
    {.name = "stock_quantity",
     .type = KT_QUANTITY,
     .flags = KT_READONLY,
     .label = {"Change of stock", "库存变动"},
     .help = {"Above 0 into our stock, below 0 out of it, 0 within or outside",
              "大于 0 为入库，小于 0 为出库，内部或外部之间为 0"}},
    {.name = "stock_value",
     .type = KT_MONEY,
     .flags = KT_READONLY,
     .label = {"Change of stock value", "库存价值变动"}},
};

static const struct kt_field move_fields[] = {
    {.name = "number",
     .type = KT_TEXT,
     .flags = KT_UNIQUE | KT_READONLY,
     .sequence = "MV{year}-{6}",
     .label = {"Number", "编号"}},
    {.name = "date",
     .type = KT_DATE,
     .flags = KT_REQUIRED | KT_INDEXED,
     .initial = "today",
     .label = {"Date", "日期"}},
    {.name = "kind",
     .type = KT_ENUM,
     .flags = KT_REQUIRED | KT_INDEXED,
     .choices = KT_LIST(kinds),
     .initial = "transfer",
     .label = {"Kind", "类型"}},
    {.name = "reference", .type = KT_TEXT, .flags = KT_INDEXED, .label = {"Reference", "参考号"}},
    {.name = "source_entity",
     .type = KT_TEXT,
     .flags = KT_READONLY,
     .label = {"Source document type", "来源单据类型"}},
    {.name = "source_id",
     .type = KT_INT,
     .flags = KT_READONLY,
     .label = {"Source document", "来源单据"}},
    {.name = "lines",
     .type = KT_LINES,
     .flags = KT_REQUIRED,
     .lines = KT_LIST(line_fields),
     .label = {"Lines", "明细"}},
};

static const char *const by_source[] = {"source_entity", "source_id"};
static const struct kt_index indexes[] = {{.name = "source", .fields = KT_LIST(by_source)}};

/* Running state of one document: what each product is worth and what each bin holds after the
 * lines so far. Looked up by walking; documents have few distinct products. */
struct product_state {
    uint64_t id;
    const msgpack_object *record;
    struct inventory_cost cost;
};
struct bin_state {
    uint64_t product, location;
    struct inventory_bin bin;
};
struct worksheet {
    struct kt_ctx *ctx;
    int digits; /**< Of the company currency. */
    struct inventory_places places;
    struct product_state *products;
    size_t product_count;
    struct bin_state *bins;
    size_t bin_count;
};

/* One line with everything looked up. */
struct step {
    const msgpack_object *line;
    size_t index;
    const struct inventory_place *from, *to;
    struct product_state *product;
    struct kt_decimal quantity;
};

static const char *path(struct kt_ctx *ctx, size_t index, const char *field)
{
    return kt_format(ctx, "lines[%zu].%s", index, field);
}

static enum kt_status product_state_of(struct worksheet *sheet, uint64_t id,
                                       struct product_state **out)
{
    for (size_t i = 0; i < sheet->product_count; i++) {
        if (sheet->products[i].id == id) {
            *out = &sheet->products[i];
            return KT_OK;
        }
    }
    struct product_state *state = &sheet->products[sheet->product_count++];
    state->id = id;
    KT_TRY(kt_record_get(sheet->ctx, "products.product", id, &state->record));
    KT_TRY(inventory_cost_load(sheet->ctx, id, &state->cost));
    *out = state;
    return KT_OK;
}

static enum kt_status bin_of(struct worksheet *sheet, uint64_t product, uint64_t location,
                             struct inventory_bin **out)
{
    for (size_t i = 0; i < sheet->bin_count; i++) {
        if (sheet->bins[i].product == product && sheet->bins[i].location == location) {
            *out = &sheet->bins[i].bin;
            return KT_OK;
        }
    }
    struct bin_state *state = &sheet->bins[sheet->bin_count++];
    state->product = product;
    state->location = location;
    KT_TRY(inventory_bin_load(sheet->ctx, product, location, &state->bin));
    *out = &state->bin;
    return KT_OK;
}

/* A difference found by counting may be anything: if the unit has fewer digits than it had, odd
 * fractions must be able to leave. */
static enum kt_status check_unit(struct kt_ctx *ctx, const struct step *step)
{
    if (strcmp(step->from->kind, "adjustment") == 0 || strcmp(step->to->kind, "adjustment") == 0)
        return KT_OK;
    return inventory_check_counted(ctx, step->product->record, step->quantity,
                                   path(ctx, step->index, "quantity"));
}

static enum kt_status look_up(struct worksheet *sheet, struct step *step)
{
    struct kt_ctx *ctx = sheet->ctx;
    uint64_t from = kt_get_id(step->line, "from");
    uint64_t to = kt_get_id(step->line, "to");
    KT_TRY(inventory_place_get(ctx, &sheet->places, from, &step->from));
    KT_TRY(inventory_place_get(ctx, &sheet->places, to, &step->to));
    if (from == to)
        return kt_fail(ctx, KT_INVALID, path(ctx, step->index, "to"),
                       "goods must move to another location than they come from",
                       "移入库位不能与移出库位相同");
    if (!step->to->active)
        return kt_fail(ctx, KT_INVALID, path(ctx, step->index, "to"),
                       "location %s is not active: nothing may come in", "库位 %s 已停用，不能入库",
                       step->to->code);
    KT_TRY(product_state_of(sheet, kt_get_id(step->line, "product"), &step->product));
    if (!inventory_is_stocked(step->product->record))
        return kt_fail(ctx, KT_INVALID, path(ctx, step->index, "product"),
                       "%s is a service and cannot be moved", "%s 是服务，不能移动",
                       kt_get_text(ctx, step->product->record, "code"));
    step->quantity = kt_get_decimal(step->line, "quantity");
    return check_unit(ctx, step);
}

/* Goods leave a bin only if they are there and not promised to somebody else. A document that owns
 * a reservation has given it up before its move is made. */
static enum kt_status check_stock(struct worksheet *sheet, const struct step *step)
{
    struct kt_ctx *ctx = sheet->ctx;
    struct inventory_bin *bin;
    KT_TRY(bin_of(sheet, step->product->id, step->from->id, &bin));
    if (kt_decimal_compare(step->quantity, inventory_bin_available(*bin)) > 0)
        return kt_fail(ctx, KT_CONFLICT, path(ctx, step->index, "quantity"),
                       "not enough stock of %s in %s: %s on hand, %s of it reserved, %s to take",
                       "%s 在 %s 库存不足：现有 %s，其中预留 %s，需取 %s",
                       kt_get_text(ctx, step->product->record, "code"), step->from->code,
                       inventory_text(ctx, bin->on_hand), inventory_text(ctx, bin->reserved),
                       inventory_text(ctx, step->quantity));
    bin->on_hand = kt_decimal_sub(bin->on_hand, step->quantity);
    return KT_OK;
}

/* What one incoming unit costs when the line does not say: goods that were ours before come back
 * at the present average, everything else at the product's own cost. */
static struct kt_decimal usual_cost(const struct step *step)
{
    bool came_back =
        strcmp(step->from->kind, "customer") == 0 || strcmp(step->from->kind, "adjustment") == 0;
    if (came_back && kt_decimal_sign(step->product->cost.quantity) > 0)
        return inventory_cost_average(step->product->cost);
    return kt_decimal_round(kt_get_decimal(step->product->record, "cost"), INVENTORY_COST_DIGITS);
}

/* Value a line that brings goods in (or never touches our stock) from its own cost. */
static struct kt_decimal value_by_cost(const struct worksheet *sheet, const struct step *step,
                                       struct kt_map *line)
{
    if (kt_has(step->line, "total_cost")) {
        struct kt_decimal total =
            kt_decimal_round(kt_get_decimal(step->line, "total_cost"), sheet->digits);
        kt_map_set_decimal(line, "unit_cost",
                           kt_decimal_div(total, step->quantity, INVENTORY_COST_DIGITS));
        return total;
    }
    struct kt_decimal unit = kt_has(step->line, "unit_cost")
                                 ? kt_get_decimal(step->line, "unit_cost")
                                 : usual_cost(step);
    kt_map_set_decimal(line, "unit_cost", unit);
    return kt_decimal_mul(step->quantity, unit, sheet->digits);
}

/* Value a line that takes goods from our stock: its share of what they are worth now. */
static struct kt_decimal value_by_share(const struct worksheet *sheet, const struct step *step,
                                        struct kt_map *line)
{
    struct kt_decimal value =
        inventory_cost_share(step->product->cost, step->quantity, sheet->digits);
    kt_map_set_decimal(line, "unit_cost",
                       kt_decimal_div(value, step->quantity, INVENTORY_COST_DIGITS));
    kt_map_remove(line, "total_cost");
    return value;
}

static enum kt_status work_out(struct worksheet *sheet, struct step *step, struct kt_map *line)
{
    struct kt_decimal value;
    struct kt_decimal stock_quantity = KT_DECIMAL_ZERO;
    struct kt_decimal stock_value = KT_DECIMAL_ZERO;
    KT_TRY(look_up(sheet, step));
    if (step->from->internal) {
        KT_TRY(check_stock(sheet, step));
        value = value_by_share(sheet, step, line);
    } else {
        value = value_by_cost(sheet, step, line);
    }
    if (!kt_decimal_is_valid(value))
        return kt_fail(sheet->ctx, KT_INVALID, path(sheet->ctx, step->index, "quantity"),
                       "quantity times cost is too large", "数量乘以成本过大");
    if (step->to->internal) {
        struct inventory_bin *bin;
        KT_TRY(bin_of(sheet, step->product->id, step->to->id, &bin));
        bin->on_hand = kt_decimal_add(bin->on_hand, step->quantity);
    }
    if (step->to->internal && !step->from->internal) {
        stock_quantity = step->quantity;
        stock_value = value;
        inventory_cost_enter(&step->product->cost, step->quantity, value);
    } else if (step->from->internal && !step->to->internal) {
        stock_quantity = kt_decimal_neg(step->quantity);
        stock_value = kt_decimal_neg(value);
        inventory_cost_leave(&step->product->cost, step->quantity, value);
    }
    kt_map_set_decimal(line, "value", value);
    kt_map_set_decimal(line, "stock_quantity", stock_quantity);
    kt_map_set_decimal(line, "stock_value", stock_value);
    return KT_OK;
}

/* The check of required fields comes after this and says better what is missing. */
static bool is_complete(const msgpack_object *line)
{
    return kt_has(line, "product") && kt_has(line, "from") && kt_has(line, "to") &&
           kt_has(line, "quantity");
}

static enum kt_status move_before_save(struct kt_ctx *ctx, const msgpack_object *old,
                                       struct kt_map *record)
{
    (void)old;
    size_t count = kt_count(&record->object, "lines");
    if (count == 0)
        return kt_fail(ctx, KT_INVALID, "lines", "a move needs at least one line",
                       "移动单至少需要一行");
    struct worksheet sheet = {
        .ctx = ctx,
        .digits = kt_currency_digits(ctx),
        .products = kt_alloc(ctx, count * sizeof *sheet.products),
        .bins = kt_alloc(ctx, 2 * count * sizeof *sheet.bins),
    };
    struct kt_list *lines = kt_list_new(ctx);
    for (size_t i = 0; i < count; i++) {
        struct step step = {.line = kt_at(&record->object, "lines", i), .index = i};
        struct kt_map *line = kt_map_copy(ctx, step.line);
        if (is_complete(step.line))
            KT_TRY(work_out(&sheet, &step, line));
        kt_list_add(lines, line->object);
    }
    kt_map_set(record, "lines", lines->object);
    return KT_OK;
}

/* ---- After the move: who waited, who is told ---- */

static enum kt_status serve_waiting(struct kt_ctx *ctx, const msgpack_object *move,
                                    struct inventory_places *places)
{
    size_t count = kt_count(move, "lines");
    uint64_t *served = kt_alloc(ctx, (count + 1) * sizeof *served);
    size_t served_count = 0;
    for (size_t i = 0; i < count; i++) {
        const msgpack_object *line = kt_at(move, "lines", i);
        const struct inventory_place *to;
        uint64_t product = kt_get_id(line, "product");
        size_t seen = 0;
        KT_TRY(inventory_place_get(ctx, places, kt_get_id(line, "to"), &to));
        while (seen < served_count && served[seen] != product)
            seen++;
        if (!to->internal || seen < served_count)
            continue;
        served[served_count++] = product;
        KT_TRY(inventory_reservations_fill(ctx, product));
    }
    return KT_OK;
}

/* Value that crossed between two kinds of location. */
struct amount {
    const char *from_kind, *to_kind;
    struct kt_decimal value;
};
/* One side is internal, the other one of the five outside kinds. */
#define MOST_AMOUNTS 10

static void add_amount(struct amount *amounts, size_t *count, const struct inventory_place *from,
                       const struct inventory_place *to, struct kt_decimal value)
{
    size_t i = 0;
    while (i < *count && (strcmp(amounts[i].from_kind, from->kind) != 0 ||
                          strcmp(amounts[i].to_kind, to->kind) != 0))
        i++;
    if (i == *count)
        amounts[(*count)++] = (struct amount){.from_kind = from->kind, .to_kind = to->kind};
    amounts[i].value = kt_decimal_add(amounts[i].value, value);
}

static enum kt_status announce(struct kt_ctx *ctx, const msgpack_object *move,
                               struct inventory_places *places)
{
    static const char *const copied[] = {"number", "date", "reference", "source_entity",
                                         "source_id"};
    struct amount amounts[MOST_AMOUNTS];
    size_t count = 0;
    for (size_t i = 0; i < kt_count(move, "lines"); i++) {
        const msgpack_object *line = kt_at(move, "lines", i);
        const struct inventory_place *from, *to;
        KT_TRY(inventory_place_get(ctx, places, kt_get_id(line, "from"), &from));
        KT_TRY(inventory_place_get(ctx, places, kt_get_id(line, "to"), &to));
        struct kt_decimal value = kt_get_decimal(line, "value");
        if (from->internal != to->internal && !kt_decimal_is_zero(value))
            add_amount(amounts, &count, from, to, value);
    }
    struct kt_list *list = kt_list_new(ctx);
    for (size_t i = 0; i < count; i++) {
        struct kt_map *amount = kt_map_new(ctx);
        kt_map_set_text(amount, "from_kind", amounts[i].from_kind);
        kt_map_set_text(amount, "to_kind", amounts[i].to_kind);
        kt_map_set_decimal(amount, "value", amounts[i].value);
        kt_list_add(list, amount->object);
    }
    struct kt_map *payload = kt_map_new(ctx);
    kt_map_set_id(payload, "move", kt_get_id(move, "id"));
    for (size_t i = 0; i < KT_COUNT(copied); i++) {
        const msgpack_object *value = kt_get(move, copied[i]);
        kt_map_set(payload, copied[i], value == NULL ? kt_nil() : *value);
    }
    kt_map_set(payload, "amounts", list->object);
    return kt_emit(ctx, "inventory.move.posted", "inventory.move", kt_get_id(move, "id"), payload);
}

static enum kt_status move_after_save(struct kt_ctx *ctx, const msgpack_object *old,
                                      const msgpack_object *record)
{
    (void)old;
    struct inventory_places places = {0};
    KT_TRY(serve_waiting(ctx, record, &places));
    return announce(ctx, record, &places);
}

const struct kt_entity inventory_move = {
    .name = "inventory.move",
    .label = {"Stock move", "库存移动"},
    .help = {"Never changed afterwards: correct it by a move back",
             "保存后不可更改：请用反向移动更正"},
    .flags = KT_APPEND_ONLY,
    .fields = KT_LIST(move_fields),
    .indexes = KT_LIST(indexes),
    .before_save = move_before_save,
    .after_save = move_after_save,
};
