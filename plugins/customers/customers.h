/** Private to the customers plugin: who buys from us, and all we had to do with them. */
#pragma once

#include "kontor/kontor.h"

extern const struct kt_entity customers_customer;
extern const struct kt_entity customers_interaction;

/** Parameters and body of `customers.customer.history`. */
#define CUSTOMERS_HISTORY_PARAMS 2
extern const struct kt_field customers_history_params[CUSTOMERS_HISTORY_PARAMS];
enum kt_status customers_history(struct kt_ctx *ctx, const msgpack_object *params);

/** Handlers: keep the name in step, and write the history of what other modules did. The second one
 *  serves every topic of the table in history.c. */
enum kt_status customers_on_party_updated(struct kt_ctx *ctx, const struct kt_event *event);
enum kt_status customers_on_milestone(struct kt_ctx *ctx, const struct kt_event *event);
