/* The numbers of an order.
 *
 *   net of a line   = round(quantity * price * (100 - discount) / 100)   one rounding, at the end
 *   tax of a line   = round(net * tax_rate / 100)
 *   net, tax, total = sums of the rounded lines
 *
 * round() is half away from zero at the currency's digits: a document adds up to what is printed.
 */
#include "sales.h"

#include <string.h>

#define STANDARD_LIST "standard"
/* quantity (6) and price (4) have at most this many digits after the point, multiplied exactly. */
#define GROSS_SCALE 10

static bool is_percent(const msgpack_object *map, const char *field)
{
    return kt_decimal_compare(kt_get_decimal(map, field), kt_decimal_from_int(100)) <= 0;
}

static enum kt_status refuse_percent(struct kt_ctx *ctx, const char *path)
{
    return kt_fail(ctx, KT_INVALID, path, "a percentage is at most 100", "百分比不能超过 100");
}

enum kt_status sales_check_percent(struct kt_ctx *ctx, const msgpack_object *map, const char *field)
{
    return is_percent(map, field) ? KT_OK : refuse_percent(ctx, field);
}

/* --- Price lists: the same rule as products.price.find, on the same records. A plugin may not call
 * another one, so the rule is kept in both places and named in both READMEs. --- */

static bool applies(const msgpack_object *entry, const struct sales_terms *terms)
{
    kt_date day;
    if (kt_get_date(entry, "from", &day) && terms->date < day)
        return false;
    if (kt_get_date(entry, "until", &day) && terms->date > day)
        return false;
    return kt_decimal_compare(kt_get_decimal(entry, "min_quantity"), terms->quantity) <= 0;
}

/* The highest quantity step wins, then the latest start, then the entry made last. */
static bool better(const msgpack_object *entry, const msgpack_object *best)
{
    if (!best)
        return true;
    int order = kt_decimal_compare(kt_get_decimal(entry, "min_quantity"),
                                   kt_get_decimal(best, "min_quantity"));
    if (order != 0)
        return order > 0;
    kt_date from = INT32_MIN, best_from = INT32_MIN;
    kt_get_date(entry, "from", &from);
    kt_get_date(best, "from", &best_from);
    return from != best_from ? from > best_from : kt_get_id(entry, "id") > kt_get_id(best, "id");
}

static enum kt_status best_entry(struct kt_ctx *ctx, uint64_t product, const char *price_list,
                                 const struct sales_terms *terms, const msgpack_object **out)
{
    const struct kt_condition where[] = {
        {.field = "product", .op = "=", .value = kt_id(product)},
        {.field = "price_list", .op = "=", .value = kt_text(price_list)},
    };
    const struct kt_query query = {
        .entity = "products.price", .where = where, .where_count = KT_COUNT(where)};
    const msgpack_object **entries;
    size_t count;
    KT_TRY(kt_record_search(ctx, &query, &entries, &count));
    *out = NULL;
    for (size_t i = 0; i < count; i++)
        if (applies(entries[i], terms) && better(entries[i], *out))
            *out = entries[i];
    return KT_OK;
}

enum kt_status sales_price_find(struct kt_ctx *ctx, const msgpack_object *product,
                                const struct sales_terms *terms, const msgpack_object **out)
{
    uint64_t id = kt_get_id(product, "id");
    const msgpack_object *entry = NULL;
    if (*terms->price_list && strcmp(terms->price_list, STANDARD_LIST) != 0)
        KT_TRY(best_entry(ctx, id, terms->price_list, terms, &entry));
    if (!entry)
        KT_TRY(best_entry(ctx, id, STANDARD_LIST, terms, &entry));
    *out = kt_get(entry ? entry : product, "price");
    return KT_OK;
}

/* --- Lines --- */

static const char *line_path(struct kt_ctx *ctx, size_t index, const char *field)
{
    return kt_format(ctx, "lines[%zu].%s", index, field);
}

/* The line as it was. Lines rarely move, so its old place is looked at first. */
static const msgpack_object *old_line(const msgpack_object *old, size_t hint, uint64_t id)
{
    const msgpack_object *lines = kt_get(old, "lines");
    if (id == 0 || !lines || lines->type != MSGPACK_OBJECT_ARRAY)
        return NULL;
    if (hint < lines->via.array.size && kt_get_id(&lines->via.array.ptr[hint], "id") == id)
        return &lines->via.array.ptr[hint];
    for (uint32_t i = 0; i < lines->via.array.size; i++)
        if (kt_get_id(&lines->via.array.ptr[i], "id") == id)
            return &lines->via.array.ptr[i];
    return NULL;
}

/* Another product brings its own words and numbers, except those that were chosen with it. */
static void forget_product(const msgpack_object *before, struct kt_map *line)
{
    static const char *const given[] = {"text", "uom", "price", "tax_rate"};
    for (size_t i = 0; i < KT_COUNT(given); i++)
        if (kt_has(before, given[i]) &&
            kt_equal(kt_get(before, given[i]), kt_get(&line->object, given[i])))
            kt_map_remove(line, given[i]);
}

/* *out is NULL when the product has no unit. */
static enum kt_status unit_of(struct kt_ctx *ctx, const msgpack_object *product,
                              const msgpack_object **out)
{
    *out = NULL;
    return kt_has(product, "uom")
               ? kt_record_get(ctx, "products.uom", kt_get_id(product, "uom"), out)
               : KT_OK;
}

enum kt_status sales_check_counted(struct kt_ctx *ctx, const msgpack_object *product,
                                   struct kt_decimal quantity, const char *path)
{
    const msgpack_object *unit;
    KT_TRY(unit_of(ctx, product, &unit));
    int64_t digits = kt_get_int(unit, "digits");
    if (unit && kt_decimal_trim(quantity, 0).scale > digits)
        return kt_fail(ctx, KT_INVALID, path,
                       "%s is counted in %s, with at most %lld digits after the point",
                       "%s 以 %s 计量，最多 %lld 位小数", kt_get_text(ctx, product, "code"),
                       kt_get_text(ctx, unit, "code"), (long long)digits);
    return KT_OK;
}

/* Stock counts a product in its own unit, so an order does too: another unit would deliver another
 * quantity, and half a piece could not be delivered at all. */
static enum kt_status check_unit(struct kt_ctx *ctx, struct kt_map *line, size_t index,
                                 const msgpack_object *product)
{
    const msgpack_object *unit;
    KT_TRY(unit_of(ctx, product, &unit));
    if (!unit)
        return KT_OK;
    const char *code = kt_get_text(ctx, unit, "code");
    if (!kt_has(&line->object, "uom"))
        kt_map_set_text(line, "uom", code);
    if (!kt_is(&line->object, "uom", code))
        return kt_fail(ctx, KT_INVALID, line_path(ctx, index, "uom"),
                       "%s is sold by the %s: give the quantity in that unit",
                       "%s 按 %s 销售，请以该单位填写数量", kt_get_text(ctx, product, "code"),
                       code);
    return sales_check_counted(ctx, product, kt_get_decimal(&line->object, "quantity"),
                               line_path(ctx, index, "quantity"));
}

/* What the product says where the line is silent. */
static enum kt_status fill_from_product(struct kt_ctx *ctx, struct kt_map *line, size_t index,
                                        const msgpack_object *product, struct sales_terms *terms)
{
    if (!kt_has(&line->object, "text"))
        kt_map_set_text(line, "text", kt_get_text(ctx, product, "name"));
    if (!kt_has(&line->object, "tax_rate") && kt_has(product, "tax_rate"))
        kt_map_set(line, "tax_rate", *kt_get(product, "tax_rate"));
    if (kt_has(&line->object, "price"))
        return KT_OK;
    const msgpack_object *price;
    terms->quantity = kt_get_decimal(&line->object, "quantity");
    KT_TRY(sales_price_find(ctx, product, terms, &price));
    if (!price)
        return kt_fail(ctx, KT_INVALID, line_path(ctx, index, "price"),
                       "%s has no price: enter one here or in the product",
                       "%s 没有价格，请在此处或产品中填写", kt_get_text(ctx, product, "code"));
    kt_map_set(line, "price", *price);
    return KT_OK;
}

/* A line that is as it was needs no second look: what was agreed stays, and an order of thousands
 * of lines is delivered without computing it anew each time. */
static bool is_settled(const msgpack_object *before, const msgpack_object *line)
{
    static const char *const agreed[] = {"product",  "text",     "quantity", "uom", "price",
                                         "discount", "tax_rate", "net",      "tax"};
    for (size_t i = 0; i < KT_COUNT(agreed); i++)
        if (!kt_equal(kt_get(before, agreed[i]), kt_get(line, agreed[i])))
            return false;
    return kt_has(before, "net") && kt_has(line, "delivered");
}

/* Must the product be looked at? Not when nothing of the line that hangs on it has changed, so that
 * a line stays as agreed when the product changes, goes or sleeps. */
static bool product_matters(const msgpack_object *before, const msgpack_object *line)
{
    static const char *const filled[] = {"text", "uom", "price", "tax_rate"};
    static const char *const checked[] = {"product", "quantity", "uom"};
    for (size_t i = 0; i < KT_COUNT(filled); i++)
        if (!kt_has(line, filled[i]))
            return true;
    for (size_t i = 0; i < KT_COUNT(checked); i++)
        if (!kt_equal(kt_get(before, checked[i]), kt_get(line, checked[i])))
            return true;
    return false;
}

static enum kt_status apply_product(struct kt_ctx *ctx, const msgpack_object *before,
                                    struct kt_map *line, size_t index, struct sales_terms *terms)
{
    uint64_t id = kt_get_id(&line->object, "product");
    bool chosen = id != kt_get_id(before, "product");
    const msgpack_object *product;
    if (id == 0)
        return KT_OK;
    if (!kt_module_enabled(ctx, "products"))
        return !chosen ? KT_OK
                       : kt_fail(ctx, KT_INVALID, line_path(ctx, index, "product"),
                                 "the module products is not enabled: describe the line in words",
                                 "产品模块未启用，请用文字描述该行");
    if (chosen)
        forget_product(before, line);
    if (!product_matters(before, &line->object))
        return KT_OK;
    KT_TRY(kt_record_get(ctx, "products.product", id, &product));
    if (chosen && !(kt_get_bool(product, "active") && kt_get_bool(product, "sale_ok")))
        return kt_fail(ctx, KT_INVALID, line_path(ctx, index, "product"),
                       "%s is not for sale: choose another product", "%s 不可销售，请选择其他产品",
                       kt_get_text(ctx, product, "code"));
    KT_TRY(check_unit(ctx, line, index, product));
    return fill_from_product(ctx, line, index, product, terms);
}

static enum kt_status fill_line(struct kt_ctx *ctx, const msgpack_object *before,
                                struct kt_map *line, size_t index, struct sales_terms *terms)
{
    static const char *const zero_when_empty[] = {"tax_rate", "discount", "delivered"};
    KT_TRY(apply_product(ctx, before, line, index, terms));
    if (!kt_has(&line->object, "text"))
        return kt_fail(ctx, KT_INVALID, line_path(ctx, index, "text"),
                       "a line needs a product or a text", "每行须有产品或文字说明");
    if (!kt_has(&line->object, "price"))
        return kt_fail(ctx, KT_INVALID, line_path(ctx, index, "price"),
                       "a line without a product needs a price", "没有产品的行须填写单价");
    for (size_t i = 0; i < KT_COUNT(zero_when_empty); i++)
        if (!kt_has(&line->object, zero_when_empty[i]))
            kt_map_set_text(line, zero_when_empty[i], "0");
    return KT_OK;
}

static enum kt_status check_line_percent(struct kt_ctx *ctx, const msgpack_object *line,
                                         const char *field, size_t index)
{
    return is_percent(line, field) ? KT_OK : refuse_percent(ctx, line_path(ctx, index, field));
}

static enum kt_status compute_line(struct kt_ctx *ctx, struct kt_map *line, size_t index)
{
    const struct kt_decimal hundred = kt_decimal_from_int(100);
    const int digits = kt_currency_digits(ctx);
    const msgpack_object *values = &line->object;
    KT_TRY(check_line_percent(ctx, values, "discount", index));
    KT_TRY(check_line_percent(ctx, values, "tax_rate", index));
    struct kt_decimal gross = kt_decimal_mul(kt_get_decimal(values, "quantity"),
                                             kt_get_decimal(values, "price"), GROSS_SCALE);
    struct kt_decimal kept = kt_decimal_sub(hundred, kt_get_decimal(values, "discount"));
    struct kt_decimal net = kt_decimal_mul_div(gross, kept, hundred, digits);
    struct kt_decimal tax =
        kt_decimal_mul_div(net, kt_get_decimal(values, "tax_rate"), hundred, digits);
    if (!kt_decimal_is_valid(net) || !kt_decimal_is_valid(tax))
        return kt_fail(ctx, KT_INVALID, line_path(ctx, index, "quantity"),
                       "quantity times price is too large a number", "数量乘以单价的结果过大");
    kt_map_set_decimal(line, "net", net);
    kt_map_set_decimal(line, "tax", tax);
    return KT_OK;
}

struct sums {
    struct kt_decimal net, tax, discount_max;
};

static void add_line(struct sums *sums, const msgpack_object *line)
{
    struct kt_decimal discount = kt_get_decimal(line, "discount");
    sums->net = kt_decimal_add(sums->net, kt_get_decimal(line, "net"));
    sums->tax = kt_decimal_add(sums->tax, kt_get_decimal(line, "tax"));
    if (kt_decimal_compare(discount, sums->discount_max) > 0)
        sums->discount_max = discount;
}

enum kt_status sales_order_compute(struct kt_ctx *ctx, const msgpack_object *old,
                                   struct kt_map *order, const msgpack_object *customer)
{
    struct kt_decimal zero = kt_decimal_round(KT_DECIMAL_ZERO, kt_currency_digits(ctx));
    struct sums sums = {.net = zero, .tax = zero, .discount_max = KT_DECIMAL_ZERO};
    struct sales_terms terms = {.price_list = kt_get_text(ctx, customer, "price_list"),
                                .date = kt_today(ctx)};
    kt_get_date(&order->object, "date", &terms.date);

    struct kt_list *lines = kt_list_new(ctx);
    for (size_t i = 0; i < kt_count(&order->object, "lines"); i++) {
        const msgpack_object *given = kt_at(&order->object, "lines", i);
        const msgpack_object *before = old_line(old, i, kt_get_id(given, "id"));
        msgpack_object line = *given;
        if (!is_settled(before, given)) {
            struct kt_map *changed = kt_map_copy(ctx, given);
            KT_TRY(fill_line(ctx, before, changed, i, &terms));
            KT_TRY(compute_line(ctx, changed, i));
            line = changed->object;
        }
        add_line(&sums, &line);
        kt_list_add(lines, line);
    }
    struct kt_decimal total = kt_decimal_add(sums.net, sums.tax);
    if (!kt_decimal_is_valid(total))
        return kt_fail(ctx, KT_INVALID, "lines", "the order's total is too large a number",
                       "订单总额过大");
    kt_map_set(order, "lines", lines->object);
    kt_map_set_decimal(order, "net", sums.net);
    kt_map_set_decimal(order, "tax", sums.tax);
    kt_map_set_decimal(order, "total", total);
    kt_map_set_decimal(order, "discount_max", sums.discount_max);
    return KT_OK;
}
