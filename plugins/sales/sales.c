/* The sales module: opportunities, quotes, orders, deliveries. See README.md. */
#include "sales.h"

static const char *const requires[] = {"customers"};

static const struct kt_entity *const entities[] = {
    &sales_opportunity,
    &sales_order,
    &sales_delivery,
};

static const struct kt_method methods[] = {
    {.name = "sales.opportunity.quote",
     .flags = KT_WRITE,
     .params = {sales_quote_params, SALES_QUOTE_PARAMS},
     .run = sales_opportunity_quote,
     .label = {"Quote", "报价"}},
    {.name = "sales.order.deliver",
     .flags = KT_WRITE,
     .params = {sales_deliver_params, SALES_DELIVER_PARAMS},
     .run = sales_order_deliver,
     .label = {"Deliver", "发货"}},
};

static const struct kt_handler handlers[] = {
    {.topic = "sales.order.confirmed", .run = sales_on_order_confirmed},
    {.topic = "finance.invoice.paid", .run = sales_on_invoice_paid},
    {.topic = "finance.invoice.reopened", .run = sales_on_invoice_reopened},
    {.topic = "finance.invoice.cancelled", .run = sales_on_invoice_cancelled},
};

/* Everything of the daily flow except sales.order.approve: nobody approves their own discount. */
static const char *const user_grants[] = {
    "sales.opportunity.*",          "sales.order.read",           "sales.order.create",
    "sales.order.update",           "sales.order.quote",          "sales.order.revise",
    "sales.order.confirm",          "sales.order.deliver",        "sales.order.invoice",
    "sales.order.complete",         "sales.order.cancel",         "sales.delivery.read",
    "sales.by_customer.read",       "sales.by_product.read",      "sales.pipeline.read",
    "customers.customer.read",      "customers.customer.history", "customers.interaction.read",
    "customers.interaction.create", "parties.party.read",         "products.uom.read",
    "products.category.read",       "products.product.read",      "products.price.read",
    "products.price.find",
};
static const char *const manager_grants[] = {
    "sales.*",
    "customers.*",
    "parties.party.read",
    "products.uom.read",
    "products.category.read",
    "products.product.read",
    "products.price.read",
    "products.price.find",
};
static const struct kt_role roles[] = {
    {.name = "sales.user", .grants = KT_LIST(user_grants), .label = {"Salesperson", "销售员"}},
    {.name = "sales.manager",
     .grants = KT_LIST(manager_grants),
     .label = {"Sales manager", "销售经理"}},
};

KT_PLUGIN = {
    KT_PLUGIN_HEAD,
    .name = "sales",
    .version = "1.0.0",
    .schema = 1,
    .label = {"Sales", "销售"},
    .summary = {"Opportunities, quotes, orders and deliveries.", "商机、报价、订单与发货"},
    .requires = KT_LIST(requires),
    .entities = KT_LIST(entities),
    .totals = {sales_totals, SALES_TOTALS},
    .methods = KT_LIST(methods),
    .handlers = KT_LIST(handlers),
    .roles = KT_LIST(roles),
};
