/** Private to the sales plugin: from the first hint of a deal to goods delivered and paid. */
#pragma once

#include "kontor/kontor.h"

/** opportunity.c */
extern const struct kt_entity sales_opportunity;
#define SALES_QUOTE_PARAMS 3
extern const struct kt_field sales_quote_params[SALES_QUOTE_PARAMS];
enum kt_status sales_opportunity_quote(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status sales_on_order_confirmed(struct kt_ctx *ctx, const struct kt_event *event);

/** order.c: the document. Its first SALES_ORDER_LINE_INPUTS line fields are what people enter. */
extern const struct kt_entity sales_order;
#define SALES_ORDER_LINE_INPUTS 7
#define SALES_ORDER_LINE_FIELDS 10
extern const struct kt_field sales_order_line_fields[SALES_ORDER_LINE_FIELDS];

/** order_flow.c: its life. */
#define SALES_ORDER_STATES      7
#define SALES_ORDER_TRANSITIONS 15
extern const struct kt_state sales_order_states[SALES_ORDER_STATES];
extern const struct kt_transition sales_order_transitions[SALES_ORDER_TRANSITIONS];
enum kt_status sales_on_invoice_paid(struct kt_ctx *ctx, const struct kt_event *event);
enum kt_status sales_on_invoice_reopened(struct kt_ctx *ctx, const struct kt_event *event);
enum kt_status sales_on_invoice_cancelled(struct kt_ctx *ctx, const struct kt_event *event);

/** pricing.c: the numbers of an order. */
struct sales_terms {
    const char *price_list; /**< The customer's; "" is the standard one. */
    struct kt_decimal quantity;
    kt_date date;
};
/** The price of a product on those terms, by the rule of plugins/products/README.md. *out is NULL
 *  when the product has none; else the price as entered, a decimal in text. */
enum kt_status sales_price_find(struct kt_ctx *ctx, const msgpack_object *product,
                                const struct sales_terms *terms, const msgpack_object **out);
/** Complete every line and add up: texts, prices, net, tax, totals, largest discount. */
enum kt_status sales_order_compute(struct kt_ctx *ctx, const msgpack_object *old,
                                   struct kt_map *order, const msgpack_object *customer);
/** Refuses a quantity with more digits after the point than the product's unit has. */
enum kt_status sales_check_counted(struct kt_ctx *ctx, const msgpack_object *product,
                                   struct kt_decimal quantity, const char *path);
/** Refuses a percentage above 100 in `field` of `map`. */
enum kt_status sales_check_percent(struct kt_ctx *ctx, const msgpack_object *map,
                                   const char *field);

/** delivery.c */
extern const struct kt_entity sales_delivery;
#define SALES_DELIVER_PARAMS 3
extern const struct kt_field sales_deliver_params[SALES_DELIVER_PARAMS];
enum kt_status sales_order_deliver(struct kt_ctx *ctx, const msgpack_object *params);

/** totals.c */
#define SALES_TOTALS 3
extern const struct kt_total sales_totals[SALES_TOTALS];
