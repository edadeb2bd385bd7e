/* What stock is worth: perpetual moving weighted average (IAS 2.25-27, the weighted average cost
 * formula applied at each movement), one average per product over all internal locations.
 *
 * The pair (quantity, value) is the truth and the average only a quotient of it. An issue takes
 * its share of the value, rounded once; the last unit takes whatever value is left. So the sum of
 * all issues equals the sum of all receipts to the cent, which an average rounded and multiplied
 * back would not give. */
#include "inventory.h"

enum kt_status inventory_cost_load(struct kt_ctx *ctx, uint64_t product, struct inventory_cost *out)
{
    const msgpack_object by[] = {kt_id(product)};
    struct kt_total_row row;
    KT_TRY(kt_total_get(ctx, "inventory.valuation", by, KT_COUNT(by), &row));
    out->quantity = row.measures[0];
    out->value = row.measures[1];
    return KT_OK;
}

struct kt_decimal inventory_cost_share(struct inventory_cost cost, struct kt_decimal quantity,
                                       int digits)
{
    if (kt_decimal_compare(quantity, cost.quantity) == 0)
        return kt_decimal_round(cost.value, digits);
    return kt_decimal_mul_div(cost.value, quantity, cost.quantity, digits);
}

struct kt_decimal inventory_cost_average(struct inventory_cost cost)
{
    if (kt_decimal_sign(cost.quantity) <= 0)
        return KT_DECIMAL_ZERO;
    return kt_decimal_div(cost.value, cost.quantity, INVENTORY_COST_DIGITS);
}

void inventory_cost_enter(struct inventory_cost *cost, struct kt_decimal quantity,
                          struct kt_decimal value)
{
    cost->quantity = kt_decimal_add(cost->quantity, quantity);
    cost->value = kt_decimal_add(cost->value, value);
}

void inventory_cost_leave(struct inventory_cost *cost, struct kt_decimal quantity,
                          struct kt_decimal value)
{
    cost->quantity = kt_decimal_sub(cost->quantity, quantity);
    cost->value = kt_decimal_sub(cost->value, value);
}
