/* What inventory does for sales: reserve a confirmed order, ship a delivery, let go of a cancelled
 * order. Everything here runs inside the salesperson's request, so an order is never confirmed
 * half reserved and a delivery never exists without its goods having left. */
#include "inventory.h"

#define ORDER "sales.order"

/* The claim of a line on stock; `*stocked` is false for services and lines without a product. */
static enum kt_status claim_for(struct kt_ctx *ctx, const msgpack_object *line,
                                struct inventory_claim *claim, bool *stocked)
{
    const msgpack_object *product;
    claim->product = kt_get_id(line, "product");
    *stocked = false;
    if (claim->product == 0)
        return KT_OK;
    KT_TRY(kt_record_get(ctx, "products.product", claim->product, &product));
    *stocked = inventory_is_stocked(product);
    return KT_OK;
}

enum kt_status inventory_on_order_confirmed(struct kt_ctx *ctx, const struct kt_event *event)
{
    struct inventory_claim claim = {
        .entity = ORDER, .id = event->id, .reference = kt_get_text(ctx, event->record, "number")};
    for (size_t i = 0; i < kt_count(event->record, "lines"); i++) {
        const msgpack_object *line = kt_at(event->record, "lines", i);
        struct kt_decimal quantity = kt_get_decimal(line, "quantity");
        bool stocked;
        KT_TRY(claim_for(ctx, line, &claim, &stocked));
        if (!stocked || kt_decimal_sign(quantity) <= 0)
            continue;
        claim.line = kt_get_id(line, "id");
        KT_TRY(inventory_reserve(ctx, &claim, quantity));
    }
    return KT_OK;
}

enum kt_status inventory_on_order_cancelled(struct kt_ctx *ctx, const struct kt_event *event)
{
    const struct kt_condition where[] = {
        {.field = "source_entity", .op = "=", .value = kt_text(ORDER)},
        {.field = "source_id", .op = "=", .value = kt_id(event->id)},
    };
    const struct kt_query query = {
        .entity = "inventory.reservation", .where = where, .where_count = KT_COUNT(where)};
    const msgpack_object **found;
    size_t count;
    KT_TRY(kt_record_search(ctx, &query, &found, &count));
    for (size_t i = 0; i < count; i++) {
        struct kt_decimal delivered = kt_get_decimal(found[i], "delivered");
        struct kt_map *changes = kt_map_new(ctx);
        kt_map_set_decimal(changes, "wanted", delivered);
        kt_map_set_decimal(changes, "reserved", delivered);
        KT_TRY(kt_record_update(ctx, "inventory.reservation", kt_get_id(found[i], "id"), changes));
    }
    /* Only now, or the cancelled order's own waiting lines would be served first. */
    for (size_t i = 0; i < count; i++) {
        if (kt_decimal_sign(kt_get_decimal(found[i], "open")) > 0)
            KT_TRY(inventory_reservations_fill(ctx, kt_get_id(found[i], "product")));
    }
    return KT_OK;
}

/* A delivery may name one order line twice: the n-th naming needs the sum of the first n. */
static struct kt_decimal needed_up_to(const msgpack_object *delivery, size_t last)
{
    const msgpack_object *line = kt_at(delivery, "lines", last);
    struct kt_decimal sum = KT_DECIMAL_ZERO;
    for (size_t i = 0; i <= last; i++) {
        const msgpack_object *other = kt_at(delivery, "lines", i);
        if (kt_get_id(other, "order_line") == kt_get_id(line, "order_line") &&
            kt_get_id(other, "product") == kt_get_id(line, "product"))
            sum = kt_decimal_add(sum, kt_get_decimal(other, "quantity"));
    }
    return sum;
}

/* Turn the claim's reservations into lines of the move, oldest first. */
static enum kt_status ship_line(struct kt_ctx *ctx, const struct inventory_claim *claim,
                                struct kt_decimal quantity, uint64_t customers,
                                struct kt_list *lines)
{
    const msgpack_object **holding;
    size_t count;
    KT_TRY(inventory_reservations_of(ctx, claim, &holding, &count));
    for (size_t i = 0; i < count && kt_decimal_sign(quantity) > 0; i++) {
        struct kt_decimal part = kt_decimal_min(quantity, kt_get_decimal(holding[i], "open"));
        struct kt_map *line = kt_map_new(ctx);
        KT_TRY(inventory_reservation_deliver(ctx, holding[i], part));
        kt_map_set_id(line, "product", claim->product);
        kt_map_set_id(line, "from", kt_get_id(holding[i], "location"));
        kt_map_set_id(line, "to", customers);
        kt_map_set_decimal(line, "quantity", part);
        kt_list_add(lines, line->object);
        quantity = kt_decimal_sub(quantity, part);
    }
    if (kt_decimal_sign(quantity) > 0)
        return kt_fail(ctx, KT_INTERNAL, NULL, "reservations of %s do not cover its delivery",
                       "%s 的预留不足以交付", claim->reference);
    return KT_OK;
}

static enum kt_status create_move(struct kt_ctx *ctx, const struct kt_event *event,
                                  const char *order_number, const struct kt_list *lines)
{
    const char *delivery_number = kt_get_text(ctx, event->record, "number");
    kt_date date;
    struct kt_map *move = kt_map_new(ctx);
    kt_map_set_text(move, "kind", "delivery");
    if (kt_get_date(event->record, "date", &date))
        kt_map_set_date(move, "date", date);
    kt_map_set_text(move, "reference",
                    delivery_number[0] == '\0'
                        ? order_number
                        : kt_format(ctx, "%s / %s", order_number, delivery_number));
    kt_map_set_text(move, "source_entity", "sales.delivery");
    kt_map_set_id(move, "source_id", event->id);
    kt_map_set(move, "lines", lines->object);
    return kt_record_create(ctx, "inventory.move", move, NULL);
}

static enum kt_status reserve_lines(struct kt_ctx *ctx, const msgpack_object *delivery,
                                    struct inventory_claim claim)
{
    for (size_t i = 0; i < kt_count(delivery, "lines"); i++) {
        const msgpack_object *line = kt_at(delivery, "lines", i);
        bool stocked;
        KT_TRY(claim_for(ctx, line, &claim, &stocked));
        claim.line = kt_get_id(line, "order_line");
        if (stocked)
            KT_TRY(inventory_reserve_now(ctx, &claim, needed_up_to(delivery, i),
                                         kt_format(ctx, "lines[%zu].quantity", i)));
    }
    return KT_OK;
}

static enum kt_status ship_lines(struct kt_ctx *ctx, const msgpack_object *delivery,
                                 struct inventory_claim claim, struct kt_list *lines)
{
    uint64_t customers;
    KT_TRY(inventory_place_of_kind(ctx, "customer", &customers));
    for (size_t i = 0; i < kt_count(delivery, "lines"); i++) {
        const msgpack_object *line = kt_at(delivery, "lines", i);
        bool stocked;
        KT_TRY(claim_for(ctx, line, &claim, &stocked));
        claim.line = kt_get_id(line, "order_line");
        if (stocked)
            KT_TRY(ship_line(ctx, &claim, kt_get_decimal(line, "quantity"), customers, lines));
    }
    return KT_OK;
}

/* First everything to be shipped is reserved, for all lines, so that two lines cannot count the
 * same piece; then reservations become lines of the move and stop holding stock; only then is the
 * move made, whose check sees exactly the stock that others have reserved. */
enum kt_status inventory_on_delivery_created(struct kt_ctx *ctx, const struct kt_event *event)
{
    const msgpack_object *order;
    struct inventory_claim claim = {.entity = ORDER, .id = kt_get_id(event->record, "order")};
    struct kt_list *lines = kt_list_new(ctx);
    KT_TRY(kt_record_get(ctx, ORDER, claim.id, &order));
    claim.reference = kt_get_text(ctx, order, "number");
    KT_TRY(reserve_lines(ctx, event->record, claim));
    KT_TRY(ship_lines(ctx, event->record, claim, lines));
    if (lines->object.via.array.size == 0)
        return KT_OK;
    return create_move(ctx, event, claim.reference, lines);
}
