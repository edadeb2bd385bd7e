/* What people ask of the stock: where is it, what is it worth, and "I counted, make it so". */
#include "inventory.h"

const char *inventory_text(struct kt_ctx *ctx, struct kt_decimal value)
{
    char text[KT_DECIMAL_TEXT_SIZE];
    kt_decimal_format(kt_decimal_trim(value, 0), text);
    return kt_format(ctx, "%s", text);
}

static void reply_rows(struct kt_map *answer, const struct kt_list *rows, bool more)
{
    kt_map_set(answer, "rows", rows->object);
    kt_map_set_bool(answer, "more", more);
}

static bool page_is_full(const struct kt_list *rows)
{
    return rows->object.via.array.size >= KT_LIMIT_PAGE;
}

/* ---- On hand ---- */

static enum kt_status add_bin_row(struct kt_ctx *ctx, uint64_t product_id,
                                  const struct inventory_place *place, struct kt_list *rows)
{
    struct inventory_bin bin;
    const msgpack_object *product;
    KT_TRY(inventory_bin_load(ctx, product_id, place->id, &bin));
    if (kt_decimal_is_zero(bin.on_hand) && kt_decimal_is_zero(bin.reserved))
        return KT_OK;
    KT_TRY(kt_record_get(ctx, "products.product", product_id, &product));
    struct kt_map *row = kt_map_new(ctx);
    kt_map_set_id(row, "product", product_id);
    kt_map_set_text(row, "code", kt_get_text(ctx, product, "code"));
    kt_map_set_text(row, "name", kt_get_text(ctx, product, "name"));
    kt_map_set_id(row, "location", place->id);
    kt_map_set_text(row, "location_code", place->code);
    kt_map_set_decimal(row, "on_hand", bin.on_hand);
    kt_map_set_decimal(row, "reserved", bin.reserved);
    kt_map_set_decimal(row, "available", kt_decimal_sub(bin.on_hand, bin.reserved));
    kt_list_add(rows, row->object);
    return KT_OK;
}

/* Outside locations are shown only when one is asked for: how much came from suppliers is a fact,
 * but it is not stock. */
enum kt_status inventory_stock_on_hand(struct kt_ctx *ctx, const msgpack_object *params)
{
    uint64_t product = kt_get_id(params, "product");
    uint64_t location = kt_get_id(params, "location");
    const msgpack_object prefix[] = {kt_id(product), kt_id(location)};
    size_t prefix_count = product == 0 ? 0 : location == 0 ? 1 : 2;
    struct inventory_places places = {0};
    struct kt_list *rows = kt_list_new(ctx);
    struct kt_map *answer = kt_map_new(ctx);
    struct kt_total_row *bins;
    size_t count, i;
    KT_TRY(kt_total_rows(ctx, "inventory.on_hand", prefix, prefix_count, &bins, &count));
    for (i = 0; i < count && !page_is_full(rows); i++) {
        const struct inventory_place *place;
        uint64_t at = bins[i].by[1].via.u64;
        if (location != 0 && at != location)
            continue;
        KT_TRY(inventory_place_get(ctx, &places, at, &place));
        if (place->internal || location != 0)
            KT_TRY(add_bin_row(ctx, bins[i].by[0].via.u64, place, rows));
    }
    reply_rows(answer, rows, i < count);
    kt_reply_map(ctx, answer);
    return KT_OK;
}

/* ---- Value ---- */

static enum kt_status add_value_row(struct kt_ctx *ctx, const struct kt_total_row *worth,
                                    struct kt_list *rows)
{
    struct inventory_cost cost = {.quantity = worth->measures[0], .value = worth->measures[1]};
    const msgpack_object *product;
    const int digits = kt_currency_digits(ctx);
    uint64_t id = worth->by[0].via.u64;
    if (kt_decimal_is_zero(cost.quantity) && kt_decimal_is_zero(cost.value))
        return KT_OK;
    KT_TRY(kt_record_get(ctx, "products.product", id, &product));
    struct kt_map *row = kt_map_new(ctx);
    kt_map_set_id(row, "product", id);
    kt_map_set_text(row, "code", kt_get_text(ctx, product, "code"));
    kt_map_set_text(row, "name", kt_get_text(ctx, product, "name"));
    kt_map_set_decimal(row, "quantity", cost.quantity);
    kt_map_set_decimal(row, "value", kt_decimal_round(cost.value, digits));
    kt_map_set_decimal(row, "unit_cost", kt_decimal_trim(inventory_cost_average(cost), digits));
    kt_list_add(rows, row->object);
    return KT_OK;
}

enum kt_status inventory_stock_value(struct kt_ctx *ctx, const msgpack_object *params)
{
    uint64_t product = kt_get_id(params, "product");
    const msgpack_object prefix[] = {kt_id(product)};
    size_t prefix_count = product == 0 ? 0 : 1;
    struct kt_decimal total = KT_DECIMAL_ZERO;
    struct kt_list *rows = kt_list_new(ctx);
    struct kt_map *answer = kt_map_new(ctx);
    struct kt_total_row *worth;
    size_t count;
    bool more = false;
    KT_TRY(kt_total_rows(ctx, "inventory.valuation", prefix, prefix_count, &worth, &count));
    for (size_t i = 0; i < count; i++) {
        total = kt_decimal_add(total, worth[i].measures[1]);
        more = more || page_is_full(rows);
        if (!more)
            KT_TRY(add_value_row(ctx, &worth[i], rows));
    }
    reply_rows(answer, rows, more);
    kt_map_set_decimal(answer, "total", kt_decimal_round(total, kt_currency_digits(ctx)));
    kt_reply_map(ctx, answer);
    return KT_OK;
}

/* ---- Count ---- */

static enum kt_status create_adjustment(struct kt_ctx *ctx, const msgpack_object *params,
                                        struct kt_decimal difference, uint64_t *out)
{
    bool found_more = kt_decimal_sign(difference) > 0;
    uint64_t location = kt_get_id(params, "location");
    uint64_t outside;
    KT_TRY(inventory_place_of_kind(ctx, "adjustment", &outside));
    struct kt_map *line = kt_map_new(ctx);
    kt_map_set_id(line, "product", kt_get_id(params, "product"));
    kt_map_set_id(line, "from", found_more ? outside : location);
    kt_map_set_id(line, "to", found_more ? location : outside);
    kt_map_set_decimal(line, "quantity", kt_decimal_abs(difference));
    struct kt_list *lines = kt_list_new(ctx);
    kt_list_add(lines, line->object);
    struct kt_map *move = kt_map_new(ctx);
    kt_map_set_text(move, "kind", "adjustment");
    if (kt_has(params, "reason"))
        kt_map_set_text(move, "reference", kt_get_text(ctx, params, "reason"));
    kt_map_set(move, "lines", lines->object);
    return kt_record_create(ctx, "inventory.move", move, out);
}

/* A count is a fact: when less is there than was promised, the newest promises go back to waiting
 * (and are served from elsewhere if possible) instead of the count being refused. */
enum kt_status inventory_stock_adjust(struct kt_ctx *ctx, const msgpack_object *params)
{
    uint64_t product = kt_get_id(params, "product");
    struct kt_decimal counted = kt_get_decimal(params, "counted");
    struct inventory_places places = {0};
    const struct inventory_place *place;
    const msgpack_object *record;
    struct inventory_bin bin;
    uint64_t move = 0;
    KT_TRY(inventory_place_get(ctx, &places, kt_get_id(params, "location"), &place));
    if (!place->internal)
        return kt_fail(ctx, KT_INVALID, "location", "only internal locations can be counted",
                       "只能盘点内部库位");
    KT_TRY(kt_record_get(ctx, "products.product", product, &record));
    if (!inventory_is_stocked(record))
        return kt_fail(ctx, KT_INVALID, "product", "%s is a service and is not kept in stock",
                       "%s 是服务，不计库存", kt_get_text(ctx, record, "code"));
    KT_TRY(inventory_check_counted(ctx, record, counted, "counted"));
    KT_TRY(inventory_bin_load(ctx, product, place->id, &bin));
    struct kt_decimal difference = kt_decimal_sub(counted, bin.on_hand);
    struct kt_decimal uncovered = kt_decimal_sub(bin.reserved, counted);
    if (kt_decimal_sign(uncovered) > 0)
        KT_TRY(inventory_reservations_release(ctx, product, place->id, uncovered));
    if (!kt_decimal_is_zero(difference))
        KT_TRY(create_adjustment(ctx, params, difference, &move));
    if (kt_decimal_sign(uncovered) > 0)
        KT_TRY(inventory_reservations_fill(ctx, product));

    struct kt_map *answer = kt_map_new(ctx);
    kt_map_set(answer, "move", move == 0 ? kt_nil() : kt_id(move));
    kt_map_set_decimal(answer, "difference", difference);
    kt_reply_map(ctx, answer);
    return KT_OK;
}
