/* Inventory: where goods are, to whom they are promised, and what they are worth.
 *
 * Stock changes only by an inventory.move, which is never altered afterwards; what is on hand,
 * reserved and worth are totals kept with it. The move announces its value per pair of location
 * kinds, and finance books that without knowing any more about stock. */
#include "inventory.h"

/* ---- Totals: see README.md for what each answers. ---- */

static const char *const by_arrival[] = {"lines.product", "lines.to"};
static const char *const by_departure[] = {"lines.product", "lines.from"};
static const struct kt_measure arriving[] = {{.name = "quantity", .field = "lines.quantity"}};
static const struct kt_measure departing[] = {
    {.name = "quantity", .field = "lines.quantity", .minus = true}};
static const struct kt_leg on_hand_legs[] = {
    {.by = KT_LIST(by_arrival), .measures = arriving},
    {.by = KT_LIST(by_departure), .measures = departing},
};

static const char *const by_line_product[] = {"lines.product"};
static const struct kt_measure worth[] = {
    {.name = "quantity", .field = "lines.stock_quantity"},
    {.name = "value", .field = "lines.stock_value"},
};
static const struct kt_leg valuation_legs[] = {
    {.by = KT_LIST(by_line_product), .measures = worth},
};

static const char *const by_product_location[] = {"product", "location"};
static const struct kt_measure promised[] = {{.name = "quantity", .field = "open"}};
static const struct kt_leg reserved_legs[] = {
    {.by = KT_LIST(by_product_location), .measures = promised},
};

static const struct kt_total totals[] = {
    {.name = "inventory.on_hand",
     .entity = "inventory.move",
     .label = {"Stock on hand", "现有库存"},
     .measure_count = 1,
     .legs = on_hand_legs,
     .leg_count = KT_COUNT(on_hand_legs)},
    {.name = "inventory.valuation",
     .entity = "inventory.move",
     .label = {"Stock value", "库存价值"},
     .measure_count = 2,
     .legs = valuation_legs,
     .leg_count = KT_COUNT(valuation_legs)},
    {.name = "inventory.reserved",
     .entity = "inventory.reservation",
     .label = {"Reserved stock", "预留库存"},
     .measure_count = 1,
     .legs = reserved_legs,
     .leg_count = KT_COUNT(reserved_legs)},
};

/* ---- Methods ---- */

static const struct kt_field on_hand_params[] = {
    {.name = "product",
     .type = KT_REF,
     .to = "products.product",
     .label = {"Product", "产品"},
     .help = {"Only this product", "仅此产品"}},
    {.name = "location",
     .type = KT_REF,
     .to = "inventory.location",
     .label = {"Location", "库位"},
     .help = {"Only this location, of any kind", "仅此库位，类型不限"}},
};
static const struct kt_field value_params[] = {
    {.name = "product",
     .type = KT_REF,
     .to = "products.product",
     .label = {"Product", "产品"},
     .help = {"Only this product", "仅此产品"}},
};
static const struct kt_field adjust_params[] = {
    {.name = "product",
     .type = KT_REF,
     .to = "products.product",
     .flags = KT_REQUIRED,
     .label = {"Product", "产品"}},
    {.name = "location",
     .type = KT_REF,
     .to = "inventory.location",
     .flags = KT_REQUIRED,
     .label = {"Location", "库位"}},
    {.name = "counted",
     .type = KT_QUANTITY,
     .flags = KT_REQUIRED | KT_NONNEGATIVE,
     .label = {"Counted quantity", "盘点数量"},
     .help = {"What is really there", "实际存在的数量"}},
    {.name = "reason", .type = KT_TEXT, .label = {"Reason", "原因"}},
};

static const struct kt_method methods[] = {
    {.name = "inventory.stock.on_hand",
     .params = KT_LIST(on_hand_params),
     .run = inventory_stock_on_hand,
     .label = {"Stock on hand", "现有库存"}},
    {.name = "inventory.stock.value",
     .params = KT_LIST(value_params),
     .run = inventory_stock_value,
     .label = {"Stock value", "库存价值"}},
    {.name = "inventory.stock.adjust",
     .flags = KT_WRITE,
     .params = KT_LIST(adjust_params),
     .run = inventory_stock_adjust,
     .label = {"Adjust to count", "按盘点调整"}},
};

/* ---- Events in and out ---- */

static const struct kt_topic events[] = {
    {.name = "inventory.move.posted", .label = {"Stock moved", "库存已移动"}},
};
static const struct kt_handler handlers[] = {
    {.topic = "sales.order.confirmed", .run = inventory_on_order_confirmed},
    {.topic = "sales.order.cancelled", .run = inventory_on_order_cancelled},
    {.topic = "sales.delivery.created", .run = inventory_on_delivery_created},
};

/* ---- Roles ---- */

static const char *const user_grants[] = {
    "inventory.warehouse.read",   "inventory.location.read", "inventory.move.read",
    "inventory.reservation.read", "inventory.move.create",   "inventory.stock.*",
    "inventory.on_hand.read",     "inventory.reserved.read", "inventory.valuation.read",
    "products.product.read",
};
static const char *const manager_grants[] = {"inventory.*", "products.product.read"};
static const struct kt_role roles[] = {
    {.name = "inventory.user",
     .grants = KT_LIST(user_grants),
     .label = {"Warehouse clerk", "仓库员"}},
    {.name = "inventory.manager",
     .grants = KT_LIST(manager_grants),
     .label = {"Warehouse manager", "仓库经理"}},
};

static const struct kt_entity *const entities[] = {&inventory_warehouse, &inventory_location,
                                                   &inventory_move, &inventory_reservation};
static const char *const requires[] = {"products"};

KT_PLUGIN = {
    KT_PLUGIN_HEAD,
    .name = "inventory",
    .version = "1.0.0",
    .schema = 1,
    .label = {"Inventory", "库存"},
    .summary = {"Warehouses, stock moves, reservations, stock on hand and its value",
                "仓库、库存移动、预留、现有库存及其价值"},
    .requires = KT_LIST(requires),
    .entities = KT_LIST(entities),
    .totals = KT_LIST(totals),
    .methods = KT_LIST(methods),
    .events = KT_LIST(events),
    .handlers = KT_LIST(handlers),
    .roles = KT_LIST(roles),
    .install = inventory_install,
};
