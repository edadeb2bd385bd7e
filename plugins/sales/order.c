/* The sales order: a quote first, then a promise. Its life is in order_flow.c, its numbers in
 * pricing.c. */
#include "sales.h"

const struct kt_field sales_order_line_fields[SALES_ORDER_LINE_FIELDS] = {
    {.name = "product",
     .type = KT_REF,
     .flags = KT_SOFT,
     .to = "products.product",
     .label = {"Product", "产品"},
     .help = {"Empty for a line of free text.", "自由文字行可留空"}},
    {.name = "text",
     .type = KT_TEXT,
     .flags = KT_MULTILINE | KT_SEARCHABLE,
     .max_length = 2000,
     .label = {"Text", "说明"},
     .help = {"The product's name when left empty.", "留空则为产品名称"}},
    {.name = "quantity",
     .type = KT_QUANTITY,
     .unit = "uom",
     .flags = KT_REQUIRED | KT_POSITIVE,
     .label = {"Quantity", "数量"}},
    {.name = "uom", .type = KT_TEXT, .max_length = 20, .label = {"Unit", "单位"}},
    {.name = "price",
     .type = KT_MONEY,
     .currency = "currency",
     .flags = KT_NONNEGATIVE,
     .digits = 4,
     .label = {"Price", "单价"},
     .help = {"Net, per unit; from the customer's price list or the product when left empty.",
              "不含税单价，留空则取客户价目表或产品价格"}},
    {.name = "discount",
     .type = KT_DECIMAL,
     .flags = KT_NONNEGATIVE,
     .digits = 4,
     .initial = "0",
     .label = {"Discount %", "折扣 %"}},
    {.name = "tax_rate",
     .type = KT_DECIMAL,
     .flags = KT_NONNEGATIVE,
     .digits = 4,
     .label = {"Tax rate %", "税率 %"},
     .help = {"The product's when left empty.", "留空则取产品税率"}},
    {.name = "net",
     .type = KT_MONEY,
     .currency = "currency",
     .flags = KT_READONLY,
     .label = {"Net", "不含税金额"}},
    {.name = "tax",
     .type = KT_MONEY,
     .currency = "currency",
     .flags = KT_READONLY,
     .label = {"Tax", "税额"}},
    {.name = "delivered",
     .type = KT_QUANTITY,
     .flags = KT_READONLY | KT_NONNEGATIVE,
     .label = {"Delivered", "已发数量"}},
};

static const struct kt_field order_fields[] = {
    {.name = "number",
     .type = KT_TEXT,
     .flags = KT_UNIQUE | KT_READONLY | KT_SEARCHABLE,
     .sequence = "SO{year}-{5}",
     .label = {"Number", "订单号"}},
    {.name = "state", .type = KT_STATE, .label = {"State", "状态"}},
    {.name = "customer",
     .type = KT_REF,
     .flags = KT_REQUIRED | KT_INDEXED,
     .to = "customers.customer",
     .label = {"Customer", "客户"}},
    {.name = "party",
     .type = KT_REF,
     .flags = KT_READONLY | KT_INDEXED,
     .to = "parties.party",
     .label = {"Party", "往来单位"}},
    {.name = "customer_name",
     .type = KT_TEXT,
     .flags = KT_READONLY | KT_SEARCHABLE,
     .label = {"Customer name", "客户名称"},
     .help = {"As it was when the customer was chosen.", "选定客户时的名称"}},
    {.name = "opportunity",
     .type = KT_REF,
     .flags = KT_INDEXED | KT_SET_NULL,
     .to = "sales.opportunity",
     .label = {"Opportunity", "商机"}},
    {.name = "date",
     .type = KT_DATE,
     .flags = KT_REQUIRED | KT_INDEXED,
     .initial = "today",
     .label = {"Date", "日期"}},
    {.name = "valid_until", .type = KT_DATE, .label = {"Quote valid until", "报价有效期至"}},
    {.name = "delivery_date", .type = KT_DATE, .label = {"Delivery promised", "承诺交货日期"}},
    {.name = "currency",
     .type = KT_TEXT,
     .flags = KT_READONLY,
     .max_length = 3,
     .label = {"Currency", "币种"}},
    {.name = "salesperson",
     .type = KT_REF,
     .flags = KT_INDEXED,
     .to = "system.user",
     .label = {"Salesperson", "销售员"},
     .help = {"The customer's when left empty.", "留空则取客户的销售员"}},
    {.name = "reference",
     .type = KT_TEXT,
     .flags = KT_INDEXED | KT_SEARCHABLE,
     .max_length = 100,
     .label = {"Customer's reference", "客户订单号"}},
    {.name = "payment_days",
     .type = KT_INT,
     .flags = KT_NONNEGATIVE,
     .label = {"Payment days", "付款天数"},
     .help = {"The customer's when left empty.", "留空则取客户的付款天数"}},
    {.name = "note",
     .type = KT_TEXT,
     .flags = KT_MULTILINE | KT_SEARCHABLE,
     .max_length = 10000,
     .label = {"Note", "备注"}},
    {.name = "lines",
     .type = KT_LINES,
     .lines = {sales_order_line_fields, SALES_ORDER_LINE_FIELDS},
     .label = {"Lines", "明细"}},
    {.name = "net",
     .type = KT_MONEY,
     .currency = "currency",
     .flags = KT_READONLY,
     .label = {"Net", "不含税金额"}},
    {.name = "tax",
     .type = KT_MONEY,
     .currency = "currency",
     .flags = KT_READONLY,
     .label = {"Tax", "税额"}},
    {.name = "total",
     .type = KT_MONEY,
     .currency = "currency",
     .flags = KT_READONLY,
     .label = {"Total", "价税合计"}},
    {.name = "discount_max",
     .type = KT_DECIMAL,
     .flags = KT_READONLY,
     .digits = 4,
     .label = {"Largest discount %", "最大折扣 %"},
     .help = {"Of all lines; rules on approval look at it.", "各行中最大的折扣，供审批规则使用"}},
    {.name = "approved_by",
     .type = KT_REF,
     .flags = KT_READONLY,
     .to = "system.user",
     .label = {"Approved by", "审批人"}},
    {.name = "approved_at",
     .type = KT_INSTANT,
     .flags = KT_READONLY,
     .label = {"Approved at", "审批时间"},
     .help = {"Emptied when the customer, the payment days or a line changes.",
              "客户、付款天数或明细变更后清空"}},
};

/* A field the customer gives: filled when empty, and renewed when another customer is chosen and
 * nobody chose the field with it. */
static void fill_from_customer(const msgpack_object *old, struct kt_map *order,
                               const msgpack_object *customer, const char *field)
{
    const msgpack_object *mine = kt_get(&order->object, field);
    bool another = old && kt_get_id(old, "customer") != kt_get_id(customer, "id");
    bool untouched = !mine || (another && kt_equal(mine, kt_get(old, field)));
    const msgpack_object *theirs = kt_get(customer, field);
    if (untouched && theirs)
        kt_map_set(order, field, *theirs);
    else if (untouched && another)
        kt_map_set(order, field, kt_nil());
}

/* What was agreed with the customer on one line: an approval is for exactly this. */
static bool same_line(const msgpack_object *a, const msgpack_object *b)
{
    static const char *const numbers[] = {"quantity", "price", "discount", "tax_rate"};
    for (size_t i = 0; i < KT_COUNT(numbers); i++)
        if (kt_decimal_compare(kt_get_decimal(a, numbers[i]), kt_get_decimal(b, numbers[i])) != 0)
            return false;
    return kt_get_id(a, "product") == kt_get_id(b, "product") &&
           kt_equal(kt_get(a, "text"), kt_get(b, "text")) &&
           kt_equal(kt_get(a, "uom"), kt_get(b, "uom"));
}

static bool same_terms(const msgpack_object *old, const msgpack_object *order)
{
    size_t count = kt_count(order, "lines");
    if (count != kt_count(old, "lines") ||
        kt_get_id(old, "customer") != kt_get_id(order, "customer") ||
        !kt_equal(kt_get(old, "payment_days"), kt_get(order, "payment_days")))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!same_line(kt_at(old, "lines", i), kt_at(order, "lines", i)))
            return false;
    return true;
}

static enum kt_status order_before_save(struct kt_ctx *ctx, const msgpack_object *old,
                                        struct kt_map *order)
{
    uint64_t customer_id = kt_get_id(&order->object, "customer");
    if (customer_id == 0)
        return KT_OK; /* The check of required fields says it better. */
    const msgpack_object *customer;
    KT_TRY(kt_record_get(ctx, "customers.customer", customer_id, &customer));
    if (!old || kt_get_id(old, "customer") != customer_id) {
        kt_map_set_id(order, "party", kt_get_id(customer, "party"));
        kt_map_set_text(order, "customer_name", kt_get_text(ctx, customer, "name"));
    }
    if (!kt_has(&order->object, "currency"))
        kt_map_set_text(order, "currency", kt_currency(ctx));
    fill_from_customer(old, order, customer, "payment_days");
    fill_from_customer(old, order, customer, "salesperson");

    kt_date date, valid_until;
    if (kt_get_date(&order->object, "date", &date) &&
        kt_get_date(&order->object, "valid_until", &valid_until) && valid_until < date)
        return kt_fail(ctx, KT_INVALID, "valid_until", "the quote would end before its own date",
                       "报价有效期早于报价日期");
    KT_TRY(sales_order_compute(ctx, old, order, customer));
    if (kt_has(old, "approved_at") && !same_terms(old, &order->object)) {
        kt_map_set(order, "approved_by", kt_nil());
        kt_map_set(order, "approved_at", kt_nil());
    }
    return KT_OK;
}

static const char *const customer_date_index[] = {"customer", "date"};
static const char *const state_date_index[] = {"state", "date"};
static const struct kt_index order_indexes[] = {
    {.name = "customer_date", .fields = KT_LIST(customer_date_index)},
    {.name = "state_date", .fields = KT_LIST(state_date_index)},
};

const struct kt_entity sales_order = {
    .name = "sales.order",
    .label = {"Sales order", "销售订单"},
    .help = {"A quote to a customer, and the order it becomes.", "给客户的报价及其转成的订单"},
    .title = "number",
    .fields = KT_LIST(order_fields),
    .states = {sales_order_states, SALES_ORDER_STATES},
    .transitions = {sales_order_transitions, SALES_ORDER_TRANSITIONS},
    .indexes = KT_LIST(order_indexes),
    .before_save = order_before_save,
};
