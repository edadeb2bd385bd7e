/* The products module: item master, units and price lists. See README.md. */
#include "products.h"

static const struct kt_entity *const entities[] = {
    &products_uom,
    &products_category,
    &products_product,
    &products_price,
};

static const struct kt_method methods[] = {
    {.name = "products.price.find",
     .params = {products_price_find_params, PRODUCTS_PRICE_FIND_PARAMS},
     .run = products_price_find,
     .label = {"Find the price", "查询价格"}},
};

static const char *const reader_grants[] = {
    "products.uom.read",   "products.category.read", "products.product.read",
    "products.price.read", "products.price.find",
};
static const char *const user_grants[] = {"products.*"};
static const struct kt_role roles[] = {
    {.name = "products.reader",
     .grants = KT_LIST(reader_grants),
     .label = {"Reads products", "产品查看"}},
    {.name = "products.user",
     .grants = KT_LIST(user_grants),
     .label = {"Maintains products", "产品维护"}},
};

KT_PLUGIN = {
    KT_PLUGIN_HEAD,
    .name = "products",
    .version = "1.0.0",
    .schema = 1,
    .label = {"Products", "产品"},
    .summary = {"Products, units of measure, categories and price lists.",
                "产品、计量单位、类别与价目表"},
    .entities = KT_LIST(entities),
    .methods = KT_LIST(methods),
    .roles = KT_LIST(roles),
    .install = products_install_units,
};
