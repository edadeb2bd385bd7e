/* What sales reports read: kept by the server with every change, never recomputed. */
#include "sales.h"

/* An order counts as sold from its confirmation on, until it is cancelled. */
static const char *const sold_states[] = {"confirmed", "delivered", "invoiced", "done"};

static const char *const by_customer[] = {"customer", "date:month"};
static const struct kt_measure customer_measures[] = {
    {.name = "net", .field = "net"},
    {.name = "total", .field = "total"},
};
static const struct kt_leg customer_leg = {.by = KT_LIST(by_customer),
                                           .measures = customer_measures};

static const char *const by_product[] = {"lines.product", "date:month"};
static const struct kt_measure product_measures[] = {
    {.name = "quantity", .field = "lines.quantity"},
    {.name = "net", .field = "lines.net"},
};
static const struct kt_leg product_leg = {.by = KT_LIST(by_product), .measures = product_measures};

static const char *const by_state[] = {"state", "salesperson"};
static const struct kt_measure pipeline_measures[] = {
    {.name = "expected_value", .field = "expected_value"},
};
static const struct kt_leg pipeline_leg = {.by = KT_LIST(by_state), .measures = pipeline_measures};

const struct kt_total sales_totals[SALES_TOTALS] = {
    {.name = "sales.by_customer",
     .entity = "sales.order",
     .label = {"Sales by customer and month", "按客户和月份的销售额"},
     .when = "state",
     .is = KT_LIST(sold_states),
     .measure_count = KT_COUNT(customer_measures),
     .legs = &customer_leg,
     .leg_count = 1},
    {.name = "sales.by_product",
     .entity = "sales.order",
     .label = {"Sales by product and month", "按产品和月份的销售额"},
     .when = "state",
     .is = KT_LIST(sold_states),
     .measure_count = KT_COUNT(product_measures),
     .legs = &product_leg,
     .leg_count = 1},
    {.name = "sales.pipeline",
     .entity = "sales.opportunity",
     .label = {"Pipeline by stage and salesperson", "按阶段和销售员的商机金额"},
     .measure_count = KT_COUNT(pipeline_measures),
     .legs = &pipeline_leg,
     .leg_count = 1},
};
