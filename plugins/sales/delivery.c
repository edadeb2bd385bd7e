/* Deliveries: what left the house for an order, in one or several parts. A delivery is a fact, so
 * it is never changed; its created event is what makes the inventory module move the goods. */
#include "sales.h"

static const struct kt_field delivery_line_fields[] = {
    {.name = "order_line",
     .type = KT_INT,
     .flags = KT_REQUIRED | KT_POSITIVE,
     .label = {"Order line", "订单行"},
     .help = {"The id of the line in the order.", "订单中的行号"}},
    {.name = "product",
     .type = KT_REF,
     .flags = KT_SOFT,
     .to = "products.product",
     .label = {"Product", "产品"}},
    {.name = "text",
     .type = KT_TEXT,
     .flags = KT_MULTILINE,
     .max_length = 2000,
     .label = {"Text", "说明"}},
    {.name = "quantity",
     .type = KT_QUANTITY,
     .flags = KT_REQUIRED | KT_POSITIVE,
     .label = {"Quantity", "数量"}},
};

static const struct kt_field delivery_fields[] = {
    {.name = "number",
     .type = KT_TEXT,
     .flags = KT_UNIQUE | KT_READONLY,
     .sequence = "DN{year}-{5}",
     .label = {"Number", "发货单号"}},
    {.name = "order",
     .type = KT_REF,
     .flags = KT_REQUIRED | KT_INDEXED,
     .to = "sales.order",
     .label = {"Order", "订单"}},
    {.name = "customer",
     .type = KT_REF,
     .flags = KT_INDEXED,
     .to = "customers.customer",
     .label = {"Customer", "客户"}},
    {.name = "party", .type = KT_REF, .to = "parties.party", .label = {"Party", "往来单位"}},
    {.name = "date",
     .type = KT_DATE,
     .flags = KT_REQUIRED | KT_INDEXED,
     .initial = "today",
     .label = {"Date", "发货日期"}},
    {.name = "lines",
     .type = KT_LINES,
     .flags = KT_REQUIRED,
     .lines = KT_LIST(delivery_line_fields),
     .label = {"Lines", "明细"}},
};

const struct kt_entity sales_delivery = {
    .name = "sales.delivery",
    .label = {"Delivery", "发货单"},
    .help = {"What was sent for an order, made by delivering it.",
             "订单的实际发货，由发货操作生成"},
    .flags = KT_APPEND_ONLY | KT_SERVER_ONLY,
    .title = "number",
    .fields = KT_LIST(delivery_fields),
};

static const struct kt_field wanted_fields[] = {
    {.name = "line",
     .type = KT_INT,
     .flags = KT_REQUIRED | KT_POSITIVE,
     .label = {"Order line", "订单行"},
     .help = {"The id of the line in the order.", "订单中的行号"}},
    {.name = "quantity",
     .type = KT_QUANTITY,
     .flags = KT_POSITIVE,
     .label = {"Quantity", "数量"},
     .help = {"All that is open when left empty.", "留空表示全部未发数量"}},
};

const struct kt_field sales_deliver_params[SALES_DELIVER_PARAMS] = {
    {.name = "id", .type = KT_INT, .flags = KT_REQUIRED | KT_POSITIVE, .label = {"Order", "订单"}},
    {.name = "lines",
     .type = KT_LINES,
     .lines = KT_LIST(wanted_fields),
     .label = {"Lines", "明细"},
     .help = {"All that is open when left out.", "省略则发出全部未发数量"}},
    {.name = "date",
     .type = KT_DATE,
     .label = {"Date", "发货日期"},
     .help = {"Today when empty.", "留空为今天"}},
};

/* One line of the order while it is being delivered. */
struct load {
    const msgpack_object *line;
    uint64_t id;
    struct kt_decimal open; /* Ordered and not delivered before. */
    struct kt_decimal sent; /* Now. */
};

static struct load *open_loads(struct kt_ctx *ctx, const msgpack_object *order, size_t count)
{
    struct load *loads = kt_alloc(ctx, sizeof(*loads) * (count + 1));
    for (size_t i = 0; i < count; i++) {
        const msgpack_object *line = kt_at(order, "lines", i);
        loads[i].line = line;
        loads[i].id = kt_get_id(line, "id");
        loads[i].open =
            kt_decimal_sub(kt_get_decimal(line, "quantity"), kt_get_decimal(line, "delivered"));
    }
    return loads;
}

/* An order line has whole pieces, so what is left of it has too: only what was asked for is new. */
static enum kt_status check_asked(struct kt_ctx *ctx, const struct load *load,
                                  struct kt_decimal quantity, const char *path)
{
    uint64_t id = kt_get_id(load->line, "product");
    const msgpack_object *product;
    if (id == 0 || !kt_module_enabled(ctx, "products"))
        return KT_OK;
    KT_TRY(kt_record_get(ctx, "products.product", id, &product));
    return sales_check_counted(ctx, product, quantity, path);
}

/* The same line may be named twice: what is left counts. */
static enum kt_status take_wanted(struct kt_ctx *ctx, const msgpack_object *wanted, size_t index,
                                  struct load *loads, size_t count)
{
    uint64_t id = kt_get_id(wanted, "line");
    struct load *load = NULL;
    for (size_t i = 0; i < count && !load; i++)
        if (loads[i].id == id)
            load = &loads[i];
    if (!load)
        return kt_fail(ctx, KT_INVALID, kt_format(ctx, "lines[%zu].line", index),
                       "the order has no line %llu", "订单中没有第 %llu 行",
                       (unsigned long long)id);
    struct kt_decimal left = kt_decimal_sub(load->open, load->sent);
    bool asked = kt_has(wanted, "quantity");
    struct kt_decimal quantity = asked ? kt_get_decimal(wanted, "quantity") : left;
    const char *path = kt_format(ctx, "lines[%zu].quantity", index);
    if (kt_decimal_compare(quantity, left) > 0) {
        char left_text[KT_DECIMAL_TEXT_SIZE], quantity_text[KT_DECIMAL_TEXT_SIZE];
        kt_decimal_format(kt_decimal_trim(left, 0), left_text);
        kt_decimal_format(kt_decimal_trim(quantity, 0), quantity_text);
        return kt_fail(ctx, KT_INVALID, path, "cannot deliver %s: only %s of this line is open",
                       "不能发货 %s：该行仅剩 %s 未发", quantity_text, left_text);
    }
    if (asked)
        KT_TRY(check_asked(ctx, load, quantity, path));
    load->sent = kt_decimal_add(load->sent, quantity);
    return KT_OK;
}

static enum kt_status choose_quantities(struct kt_ctx *ctx, const msgpack_object *params,
                                        struct load *loads, size_t count)
{
    if (!kt_has(params, "lines"))
        for (size_t i = 0; i < count; i++)
            loads[i].sent = loads[i].open;
    for (size_t i = 0; i < kt_count(params, "lines"); i++)
        KT_TRY(take_wanted(ctx, kt_at(params, "lines", i), i, loads, count));
    for (size_t i = 0; i < count; i++)
        if (kt_decimal_sign(loads[i].sent) > 0)
            return KT_OK;
    return kt_fail(ctx, KT_INVALID, "lines", "there is nothing to deliver", "没有可发货的内容");
}

static enum kt_status create_delivery(struct kt_ctx *ctx, const msgpack_object *params,
                                      const msgpack_object *order, const struct load *loads,
                                      uint64_t *out_id)
{
    struct kt_list *lines = kt_list_new(ctx);
    for (size_t i = 0; i < kt_count(order, "lines"); i++) {
        if (kt_decimal_sign(loads[i].sent) <= 0)
            continue;
        struct kt_map *line = kt_map_new(ctx);
        kt_map_set_id(line, "order_line", loads[i].id);
        kt_map_set_id(line, "product", kt_get_id(loads[i].line, "product"));
        kt_map_set_text(line, "text", kt_get_text(ctx, loads[i].line, "text"));
        kt_map_set_decimal(line, "quantity", kt_decimal_trim(loads[i].sent, 0));
        kt_list_add(lines, line->object);
    }
    kt_date date = kt_today(ctx);
    kt_get_date(params, "date", &date);
    struct kt_map *delivery = kt_map_new(ctx);
    kt_map_set_id(delivery, "order", kt_get_id(order, "id"));
    kt_map_set_id(delivery, "customer", kt_get_id(order, "customer"));
    kt_map_set_id(delivery, "party", kt_get_id(order, "party"));
    kt_map_set_date(delivery, "date", date);
    kt_map_set(delivery, "lines", lines->object);
    return kt_record_create(ctx, "sales.delivery", delivery, out_id);
}

static enum kt_status book_on_order(struct kt_ctx *ctx, uint64_t order_id, const struct load *loads,
                                    size_t count)
{
    struct kt_list *lines = kt_list_new(ctx);
    bool complete = true;
    for (size_t i = 0; i < count; i++) {
        complete = complete && kt_decimal_compare(loads[i].sent, loads[i].open) >= 0;
        if (kt_decimal_is_zero(loads[i].sent)) {
            kt_list_add(lines, *loads[i].line);
            continue;
        }
        struct kt_map *line = kt_map_copy(ctx, loads[i].line);
        struct kt_decimal delivered =
            kt_decimal_add(kt_get_decimal(loads[i].line, "delivered"), loads[i].sent);
        kt_map_set_decimal(line, "delivered", kt_decimal_trim(delivered, 0));
        kt_list_add(lines, line->object);
    }
    struct kt_map *values = kt_map_new(ctx);
    kt_map_set(values, "lines", lines->object);
    KT_TRY(kt_record_update(ctx, "sales.order", order_id, values));
    return complete ? kt_record_transition(ctx, "sales.order", order_id, "complete_delivery", NULL)
                    : KT_OK;
}

enum kt_status sales_order_deliver(struct kt_ctx *ctx, const msgpack_object *params)
{
    uint64_t order_id = kt_get_id(params, "id"), delivery_id;
    const msgpack_object *order, *delivery;
    KT_TRY(kt_record_get(ctx, "sales.order", order_id, &order));
    if (!kt_is(order, "state", "confirmed"))
        return kt_fail(ctx, KT_CONFLICT, "state", "only a confirmed order can be delivered",
                       "只有已确认的订单才能发货");
    size_t count = kt_count(order, "lines");
    struct load *loads = open_loads(ctx, order, count);
    KT_TRY(choose_quantities(ctx, params, loads, count));
    KT_TRY(create_delivery(ctx, params, order, loads, &delivery_id));
    KT_TRY(book_on_order(ctx, order_id, loads, count));
    KT_TRY(kt_record_get(ctx, "sales.order", order_id, &order));
    KT_TRY(kt_record_get(ctx, "sales.delivery", delivery_id, &delivery));
    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set(answer, "order", *order);
    kt_map_set(answer, "delivery", *delivery);
    kt_reply_map(ctx, answer);
    return KT_OK;
}
