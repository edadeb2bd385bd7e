/** Private to the products plugin: what we sell, buy and count, and what it costs. */
#pragma once

#include "kontor/kontor.h"

extern const struct kt_entity products_uom;
extern const struct kt_entity products_category;
extern const struct kt_entity products_product;
extern const struct kt_entity products_price;

/** Parameters and body of `products.price.find`. */
#define PRODUCTS_PRICE_FIND_PARAMS 4
extern const struct kt_field products_price_find_params[PRODUCTS_PRICE_FIND_PARAMS];
enum kt_status products_price_find(struct kt_ctx *ctx, const msgpack_object *params);

/** The first units of measure, when the module is enabled for the first time. */
enum kt_status products_install_units(struct kt_ctx *ctx);
/** Refuses a percentage above 100; the field's flags refuse one below 0. */
enum kt_status products_check_percent(struct kt_ctx *ctx, const msgpack_object *record,
                                      const char *field);
