/* The customers module: profiles and history of those who buy from us. See README.md. */
#include "customers.h"

static const char *const requires[] = {"parties"};

static const struct kt_entity *const entities[] = {&customers_customer, &customers_interaction};

static const struct kt_method methods[] = {
    {.name = "customers.customer.history",
     .params = {customers_history_params, CUSTOMERS_HISTORY_PARAMS},
     .run = customers_history,
     .label = {"Customer history", "客户往来历史"}},
};

static const struct kt_handler handlers[] = {
    {.topic = "parties.party.updated", .run = customers_on_party_updated},
    {.topic = "sales.order.confirmed", .run = customers_on_milestone},
    {.topic = "sales.order.cancelled", .run = customers_on_milestone},
    {.topic = "sales.delivery.created", .run = customers_on_milestone},
    {.topic = "finance.invoice.posted", .run = customers_on_milestone},
    {.topic = "finance.invoice.paid", .run = customers_on_milestone},
    {.topic = "finance.invoice.reopened", .run = customers_on_milestone},
    {.topic = "finance.invoice.cancelled", .run = customers_on_milestone},
    {.topic = "finance.payment.posted", .run = customers_on_milestone},
    {.topic = "finance.payment.cancelled", .run = customers_on_milestone},
};

static const char *const reader_grants[] = {
    "customers.customer.read",
    "customers.interaction.read",
    "customers.customer.history",
    "parties.party.read",
};
static const char *const user_grants[] = {
    "customers.*",
    "parties.party.read",
    "parties.party.create",
    "parties.party.update",
};
static const struct kt_role roles[] = {
    {.name = "customers.reader",
     .grants = KT_LIST(reader_grants),
     .label = {"Reads customers", "客户查看"}},
    {.name = "customers.user",
     .grants = KT_LIST(user_grants),
     .label = {"Maintains customers", "客户维护"}},
};

KT_PLUGIN = {
    KT_PLUGIN_HEAD,
    .name = "customers",
    .version = "1.0.0",
    .schema = 1,
    .label = {"Customers", "客户"},
    .summary = {"Customer profiles, interactions and history.", "客户档案、往来记录与历史"},
    .requires = KT_LIST(requires),
    .entities = KT_LIST(entities),
    .methods = KT_LIST(methods),
    .handlers = KT_LIST(handlers),
    .roles = KT_LIST(roles),
};
