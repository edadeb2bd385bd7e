/* Price lists: what a product costs for whom, from which quantity, and when.
 *
 * The rule of choice is public (README.md) because the sales module, which may not call us, applies
 * the same to the same records. */
#include "products.h"

#include <string.h>

#define STANDARD_LIST "standard"

static const struct kt_field price_fields[] = {
    {.name = "product",
     .type = KT_REF,
     .flags = KT_REQUIRED | KT_INDEXED | KT_CASCADE,
     .to = "products.product",
     .label = {"Product", "产品"}},
    {.name = "price_list",
     .type = KT_TEXT,
     .flags = KT_REQUIRED | KT_INDEXED,
     .max_length = 50,
     .initial = STANDARD_LIST,
     .label = {"Price list", "价目表"}},
    {.name = "min_quantity",
     .type = KT_QUANTITY,
     .flags = KT_NONNEGATIVE,
     .initial = "0",
     .label = {"From quantity", "起订量"}},
    {.name = "price",
     .type = KT_MONEY,
     .flags = KT_REQUIRED | KT_NONNEGATIVE,
     .digits = 4,
     .label = {"Price", "单价"},
     .help = {"Net, per unit.", "不含税单价"}},
    {.name = "from",
     .type = KT_DATE,
     .label = {"Valid from", "生效日期"},
     .help = {"First day; empty is since ever.", "首日；留空表示一直有效"}},
    {.name = "until",
     .type = KT_DATE,
     .label = {"Valid until", "失效日期"},
     .help = {"Last day; empty is for ever.", "末日；留空表示长期有效"}},
};

static const char *const product_list_index[] = {"product", "price_list"};
static const struct kt_index price_indexes[] = {
    {.name = "product_list", .fields = KT_LIST(product_list_index)},
};

static enum kt_status price_before_save(struct kt_ctx *ctx, const msgpack_object *old,
                                        struct kt_map *record)
{
    (void)old;
    kt_date from, until;
    if (kt_get_date(&record->object, "from", &from) &&
        kt_get_date(&record->object, "until", &until) && until < from)
        return kt_fail(ctx, KT_INVALID, "until", "the last day is before the first",
                       "失效日期早于生效日期");
    return KT_OK;
}

const struct kt_entity products_price = {
    .name = "products.price",
    .label = {"Price", "价格"},
    .help = {"An entry of a price list.", "价目表中的一条价格"},
    .title = "price_list",
    .fields = KT_LIST(price_fields),
    .indexes = KT_LIST(price_indexes),
    .before_save = price_before_save,
};

const struct kt_field products_price_find_params[PRODUCTS_PRICE_FIND_PARAMS] = {
    {.name = "product",
     .type = KT_REF,
     .flags = KT_REQUIRED,
     .to = "products.product",
     .label = {"Product", "产品"}},
    {.name = "quantity",
     .type = KT_QUANTITY,
     .flags = KT_REQUIRED | KT_NONNEGATIVE,
     .label = {"Quantity", "数量"}},
    {.name = "date",
     .type = KT_DATE,
     .label = {"Date", "日期"},
     .help = {"Today when empty.", "留空为今天"}},
    {.name = "price_list", .type = KT_TEXT, .label = {"Price list", "价目表"}},
};

static bool applies(const msgpack_object *entry, struct kt_decimal quantity, kt_date date)
{
    kt_date day;
    if (kt_get_date(entry, "from", &day) && date < day)
        return false;
    if (kt_get_date(entry, "until", &day) && date > day)
        return false;
    return kt_decimal_compare(kt_get_decimal(entry, "min_quantity"), quantity) <= 0;
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

static enum kt_status best_entry(struct kt_ctx *ctx, const msgpack_object *params,
                                 const char *price_list, const msgpack_object **out)
{
    const struct kt_condition where[] = {
        {.field = "product", .op = "=", .value = kt_id(kt_get_id(params, "product"))},
        {.field = "price_list", .op = "=", .value = kt_text(price_list)},
    };
    const struct kt_query query = {
        .entity = "products.price", .where = where, .where_count = KT_COUNT(where)};
    const msgpack_object **entries;
    size_t count;
    KT_TRY(kt_record_search(ctx, &query, &entries, &count));
    struct kt_decimal quantity = kt_get_decimal(params, "quantity");
    kt_date date = kt_today(ctx);
    kt_get_date(params, "date", &date);
    *out = NULL;
    for (size_t i = 0; i < count; i++)
        if (applies(entries[i], quantity, date) && better(entries[i], *out))
            *out = entries[i];
    return KT_OK;
}

enum kt_status products_price_find(struct kt_ctx *ctx, const msgpack_object *params)
{
    const char *price_list = kt_get_text(ctx, params, "price_list");
    const msgpack_object *found = NULL, *product;
    KT_TRY(kt_record_get(ctx, "products.product", kt_get_id(params, "product"), &product));
    if (*price_list && strcmp(price_list, STANDARD_LIST) != 0)
        KT_TRY(best_entry(ctx, params, price_list, &found));
    if (!found)
        KT_TRY(best_entry(ctx, params, STANDARD_LIST, &found));
    const char *source = found ? "products.price" : "products.product";
    if (!found)
        found = product;
    if (!kt_has(found, "price"))
        return kt_fail(ctx, KT_NOT_FOUND, "product", "%s has no price: enter one in the product",
                       "%s 没有价格，请在产品中填写", kt_get_text(ctx, product, "code"));
    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set(answer, "price", *kt_get(found, "price"));
    kt_map_set_text(answer, "source", source);
    kt_map_set_id(answer, "source_id", kt_get_id(found, "id"));
    kt_reply_map(ctx, answer);
    return KT_OK;
}
