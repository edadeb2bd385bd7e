/** Private to plugins/inventory: what its files share.
 *
 *  goods.c knows products, locations.c places, costing.c what stock is worth, reservations.c what
 *  is promised; moves.c is the only one that changes stock, orders.c serves sales, reports.c what
 *  people ask. */
#pragma once

#include "kontor/kontor.h"

extern const struct kt_entity inventory_warehouse;
extern const struct kt_entity inventory_location;
extern const struct kt_entity inventory_move;
extern const struct kt_entity inventory_reservation;

/** Digits of a unit cost. Values are rounded to the currency instead. */
#define INVENTORY_COST_DIGITS 4

/** --- Places --- */

struct inventory_place {
    uint64_t id;
    const char *code;
    const char *kind;
    bool internal; /**< Ours and valued; every other kind is outside. */
    bool active;
    struct inventory_place *next;
};
/** The places one request has met, so that each is read once. Start with {0}. */
struct inventory_places {
    struct inventory_place *first;
};
KT_NODISCARD enum kt_status inventory_place_get(struct kt_ctx *ctx, struct inventory_places *places,
                                                uint64_t id, const struct inventory_place **out);
/** The first active location of a kind; KT_CONFLICT, naming the kind, when there is none. */
KT_NODISCARD enum kt_status inventory_place_of_kind(struct kt_ctx *ctx, const char *kind,
                                                    uint64_t *out);
/** First start: one warehouse with a stock location, and one location of every outside kind. */
KT_NODISCARD enum kt_status inventory_install(struct kt_ctx *ctx);

/** --- Value (costing.c): moving weighted average per product over the whole company --- */

struct inventory_cost {
    struct kt_decimal quantity;
    struct kt_decimal value;
};
KT_NODISCARD enum kt_status inventory_cost_load(struct kt_ctx *ctx, uint64_t product,
                                                struct inventory_cost *out);
/** What `quantity` of this stock is worth; all of the value for all of the quantity. */
struct kt_decimal inventory_cost_share(struct inventory_cost cost, struct kt_decimal quantity,
                                       int digits);
/** Cost of one unit to INVENTORY_COST_DIGITS; 0 when there is no stock. */
struct kt_decimal inventory_cost_average(struct inventory_cost cost);
void inventory_cost_enter(struct inventory_cost *cost, struct kt_decimal quantity,
                          struct kt_decimal value);
void inventory_cost_leave(struct inventory_cost *cost, struct kt_decimal quantity,
                          struct kt_decimal value);

/** --- Products as stock (goods.c) --- */

/** Goods, not a service: can be kept in stock. */
bool inventory_is_stocked(const msgpack_object *product);
/** Refuses, naming `path`, a quantity finer than the product's unit is counted: no half pieces. */
KT_NODISCARD enum kt_status inventory_check_counted(struct kt_ctx *ctx,
                                                    const msgpack_object *product,
                                                    struct kt_decimal quantity, const char *path);

/** --- What is there and what is promised (reservations.c) --- */

/** One product in one location. */
struct inventory_bin {
    struct kt_decimal on_hand;
    struct kt_decimal reserved;
};
KT_NODISCARD enum kt_status inventory_bin_load(struct kt_ctx *ctx, uint64_t product,
                                               uint64_t location, struct inventory_bin *out);
/** On hand and not promised to anyone; never below 0. */
struct kt_decimal inventory_bin_available(struct inventory_bin bin);

/** The document line stock is promised to. */
struct inventory_claim {
    const char *entity;
    uint64_t id;
    uint64_t line;
    uint64_t product;
    const char *reference;
};
/** Promise `quantity` to the claim from available stock; what is not there is kept as missing. */
KT_NODISCARD enum kt_status inventory_reserve(struct kt_ctx *ctx,
                                              const struct inventory_claim *claim,
                                              struct kt_decimal quantity);
/** See that at least `quantity` lies reserved for the claim, or fail with KT_CONFLICT. */
KT_NODISCARD enum kt_status inventory_reserve_now(struct kt_ctx *ctx,
                                                  const struct inventory_claim *claim,
                                                  struct kt_decimal quantity, const char *field);
/** The claim's reservations that still hold stock, oldest first. */
KT_NODISCARD enum kt_status inventory_reservations_of(struct kt_ctx *ctx,
                                                      const struct inventory_claim *claim,
                                                      const msgpack_object ***out, size_t *count);
/** Say that `quantity` of a reservation is leaving: it no longer holds that stock. */
KT_NODISCARD enum kt_status inventory_reservation_deliver(struct kt_ctx *ctx,
                                                          const msgpack_object *reservation,
                                                          struct kt_decimal quantity);
/** Give available stock of the product to waiting reservations, oldest first. */
KT_NODISCARD enum kt_status inventory_reservations_fill(struct kt_ctx *ctx, uint64_t product);
/** Take `quantity` away from the reservations of a bin, newest first; they wait again. */
KT_NODISCARD enum kt_status inventory_reservations_release(struct kt_ctx *ctx, uint64_t product,
                                                           uint64_t location,
                                                           struct kt_decimal quantity);

/** --- Handlers and methods of the descriptor --- */
enum kt_status inventory_on_order_confirmed(struct kt_ctx *ctx, const struct kt_event *event);
enum kt_status inventory_on_order_cancelled(struct kt_ctx *ctx, const struct kt_event *event);
enum kt_status inventory_on_delivery_created(struct kt_ctx *ctx, const struct kt_event *event);
enum kt_status inventory_stock_on_hand(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status inventory_stock_value(struct kt_ctx *ctx, const msgpack_object *params);
enum kt_status inventory_stock_adjust(struct kt_ctx *ctx, const msgpack_object *params);

/** A decimal for a message: trailing zeros dropped; lives as long as the request. */
const char *inventory_text(struct kt_ctx *ctx, struct kt_decimal value);
