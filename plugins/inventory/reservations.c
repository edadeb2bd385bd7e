/* Reservations: stock promised to a document line, in one location, before it leaves.
 *
 * Per record: delivered <= reserved <= wanted. What is reserved and not delivered is `open` and
 * counts against everyone else; what is wanted and not reserved is `missing` and waits for goods,
 * oldest record first. One document line may own several records, one per location. */
#include "inventory.h"

static const struct kt_field reservation_fields[] = {
    {.name = "reference", .type = KT_TEXT, .flags = KT_INDEXED, .label = {"Reference", "参考号"}},
    {.name = "date", .type = KT_DATE, .initial = "today", .label = {"Date", "日期"}},
    {.name = "source_entity",
     .type = KT_TEXT,
     .flags = KT_REQUIRED,
     .label = {"Source document type", "来源单据类型"}},
    {.name = "source_id",
     .type = KT_INT,
     .flags = KT_REQUIRED,
     .label = {"Source document", "来源单据"}},
    {.name = "source_line", .type = KT_INT, .label = {"Source line", "来源行"}},
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
    {.name = "wanted",
     .type = KT_QUANTITY,
     .flags = KT_NONNEGATIVE,
     .label = {"Wanted", "需求数量"}},
    {.name = "reserved",
     .type = KT_QUANTITY,
     .flags = KT_NONNEGATIVE,
     .label = {"Reserved", "已预留"},
     .help = {"Set aside so far, including what was delivered since",
              "至今预留的数量，包含其后已交付部分"}},
    {.name = "delivered",
     .type = KT_QUANTITY,
     .flags = KT_NONNEGATIVE,
     .label = {"Delivered", "已交付"}},
    {.name = "open",
     .type = KT_QUANTITY,
     .flags = KT_READONLY,
     .label = {"Open", "未交付预留"},
     .help = {"Reserved and not delivered", "已预留而未交付"}},
    {.name = "missing",
     .type = KT_QUANTITY,
     .flags = KT_READONLY,
     .label = {"Missing", "缺货"},
     .help = {"Wanted and not reserved", "有需求而未预留"}},
    {.name = "waiting",
     .type = KT_BOOL,
     .flags = KT_READONLY,
     .label = {"Waiting for goods", "等待到货"}},
};

static const char *const by_source[] = {"source_entity", "source_id", "source_line"};
static const char *const by_waiting[] = {"product", "waiting"};
static const char *const by_bin[] = {"product", "location", "open"};
static const struct kt_index indexes[] = {
    {.name = "source", .fields = KT_LIST(by_source)},
    {.name = "waiting", .fields = KT_LIST(by_waiting), .sparse = true},
    {.name = "bin", .fields = KT_LIST(by_bin)},
};

static struct kt_decimal above_zero(struct kt_decimal value)
{
    return kt_decimal_sign(value) > 0 ? value : KT_DECIMAL_ZERO;
}

static enum kt_status reservation_before_save(struct kt_ctx *ctx, const msgpack_object *old,
                                              struct kt_map *record)
{
    (void)ctx;
    (void)old;
    struct kt_decimal wanted = kt_get_decimal(&record->object, "wanted");
    struct kt_decimal reserved = kt_get_decimal(&record->object, "reserved");
    struct kt_decimal delivered = kt_get_decimal(&record->object, "delivered");
    struct kt_decimal missing = above_zero(kt_decimal_sub(wanted, reserved));
    kt_map_set_decimal(record, "open", above_zero(kt_decimal_sub(reserved, delivered)));
    kt_map_set_decimal(record, "missing", missing);
    kt_map_set_bool(record, "waiting", !kt_decimal_is_zero(missing));
    return KT_OK;
}

const struct kt_entity inventory_reservation = {
    .name = "inventory.reservation",
    .label = {"Reservation", "预留"},
    .flags = KT_SERVER_ONLY,
    .title = "reference",
    .fields = KT_LIST(reservation_fields),
    .indexes = KT_LIST(indexes),
    .before_save = reservation_before_save,
};

/* ---- What is there ---- */

static enum kt_status reserved_in(struct kt_ctx *ctx, uint64_t product, uint64_t location,
                                  struct kt_decimal *out)
{
    const msgpack_object by[] = {kt_id(product), kt_id(location)};
    struct kt_total_row row;
    KT_TRY(kt_total_get(ctx, "inventory.reserved", by, KT_COUNT(by), &row));
    *out = row.measures[0];
    return KT_OK;
}

enum kt_status inventory_bin_load(struct kt_ctx *ctx, uint64_t product, uint64_t location,
                                  struct inventory_bin *out)
{
    const msgpack_object by[] = {kt_id(product), kt_id(location)};
    struct kt_total_row row;
    KT_TRY(kt_total_get(ctx, "inventory.on_hand", by, KT_COUNT(by), &row));
    out->on_hand = row.measures[0];
    return reserved_in(ctx, product, location, &out->reserved);
}

struct kt_decimal inventory_bin_available(struct inventory_bin bin)
{
    return above_zero(kt_decimal_sub(bin.on_hand, bin.reserved));
}

struct pick {
    uint64_t location;
    struct kt_decimal quantity;
};
struct picks {
    struct pick *at;
    size_t count;
    struct kt_decimal found;
};

static void take(struct picks *picks, uint64_t location, struct kt_decimal quantity)
{
    picks->at[picks->count++] = (struct pick){.location = location, .quantity = quantity};
    picks->found = kt_decimal_add(picks->found, quantity);
}

/* Where to take `wanted` from: the first location that covers all of it, because one walk is
 * cheaper than two; else location after location. May find less than wanted. */
static enum kt_status find_stock(struct kt_ctx *ctx, uint64_t product, struct kt_decimal wanted,
                                 struct picks *out)
{
    const msgpack_object prefix[] = {kt_id(product)};
    struct inventory_places places = {0};
    struct kt_total_row *rows;
    size_t row_count;
    KT_TRY(kt_total_rows(ctx, "inventory.on_hand", prefix, 1, &rows, &row_count));

    struct pick *available = kt_alloc(ctx, (row_count + 1) * sizeof *available);
    size_t count = 0;
    *out = (struct picks){.at = kt_alloc(ctx, (row_count + 1) * sizeof *out->at)};
    for (size_t i = 0; i < row_count; i++) {
        const struct inventory_place *place;
        struct inventory_bin bin = {.on_hand = rows[i].measures[0]};
        if (kt_decimal_sign(bin.on_hand) <= 0)
            continue;
        KT_TRY(inventory_place_get(ctx, &places, rows[i].by[1].via.u64, &place));
        if (!place->internal || !place->active)
            continue;
        KT_TRY(reserved_in(ctx, product, place->id, &bin.reserved));
        struct kt_decimal quantity = inventory_bin_available(bin);
        if (kt_decimal_compare(quantity, wanted) >= 0) {
            take(out, place->id, wanted);
            return KT_OK;
        }
        if (!kt_decimal_is_zero(quantity))
            available[count++] = (struct pick){.location = place->id, .quantity = quantity};
    }
    for (size_t i = 0; i < count && kt_decimal_compare(out->found, wanted) < 0; i++) {
        struct kt_decimal left = kt_decimal_sub(wanted, out->found);
        take(out, available[i].location, kt_decimal_min(available[i].quantity, left));
    }
    return KT_OK;
}

/* ---- Promise ---- */

static enum kt_status create(struct kt_ctx *ctx, const struct inventory_claim *claim,
                             uint64_t location, struct kt_decimal wanted,
                             struct kt_decimal reserved)
{
    struct kt_map *record = kt_map_new(ctx);
    kt_map_set_text(record, "source_entity", claim->entity);
    kt_map_set_id(record, "source_id", claim->id);
    kt_map_set_id(record, "source_line", claim->line);
    kt_map_set_id(record, "product", claim->product);
    kt_map_set_text(record, "reference", claim->reference);
    kt_map_set_id(record, "location", location);
    kt_map_set_decimal(record, "wanted", wanted);
    kt_map_set_decimal(record, "reserved", reserved);
    kt_map_set_decimal(record, "delivered", KT_DECIMAL_ZERO);
    return kt_record_create(ctx, "inventory.reservation", record, NULL);
}

enum kt_status inventory_reserve(struct kt_ctx *ctx, const struct inventory_claim *claim,
                                 struct kt_decimal quantity)
{
    struct picks picks;
    KT_TRY(find_stock(ctx, claim->product, quantity, &picks));
    for (size_t i = 0; i < picks.count; i++)
        KT_TRY(
            create(ctx, claim, picks.at[i].location, picks.at[i].quantity, picks.at[i].quantity));
    struct kt_decimal missing = kt_decimal_sub(quantity, picks.found);
    if (kt_decimal_sign(missing) <= 0)
        return KT_OK;
    uint64_t location;
    KT_TRY(inventory_place_of_kind(ctx, "internal", &location));
    return create(ctx, claim, location, missing, KT_DECIMAL_ZERO);
}

static struct inventory_claim claim_of(struct kt_ctx *ctx, const msgpack_object *reservation)
{
    return (struct inventory_claim){
        .entity = kt_get_text(ctx, reservation, "source_entity"),
        .id = kt_get_id(reservation, "source_id"),
        .line = kt_get_id(reservation, "source_line"),
        .product = kt_get_id(reservation, "product"),
        .reference = kt_get_text(ctx, reservation, "reference"),
    };
}

/* Give stock to a waiting reservation. A record names one location: goods from another one become
 * a record of their own, unless nothing was reserved yet and everything comes from there. */
static enum kt_status assign(struct kt_ctx *ctx, uint64_t id, const struct pick *pick)
{
    const msgpack_object *waiting;
    KT_TRY(kt_record_get(ctx, "inventory.reservation", id, &waiting));
    struct kt_decimal reserved = kt_get_decimal(waiting, "reserved");
    struct kt_decimal wanted = kt_get_decimal(waiting, "wanted");
    bool here = kt_get_id(waiting, "location") == pick->location;
    bool whole = kt_decimal_is_zero(reserved) && kt_decimal_compare(pick->quantity, wanted) == 0;

    struct kt_map *changes = kt_map_new(ctx);
    if (here || whole) {
        kt_map_set_id(changes, "location", pick->location);
        kt_map_set_decimal(changes, "reserved", kt_decimal_add(reserved, pick->quantity));
        return kt_record_update(ctx, "inventory.reservation", id, changes);
    }
    struct inventory_claim claim = claim_of(ctx, waiting);
    kt_map_set_decimal(changes, "wanted", kt_decimal_sub(wanted, pick->quantity));
    KT_TRY(kt_record_update(ctx, "inventory.reservation", id, changes));
    return create(ctx, &claim, pick->location, pick->quantity, pick->quantity);
}

enum kt_status inventory_reservations_fill(struct kt_ctx *ctx, uint64_t product)
{
    const struct kt_condition where[] = {
        {.field = "product", .op = "=", .value = kt_id(product)},
        {.field = "waiting", .op = "=", .value = kt_bool(true)},
    };
    const struct kt_query query = {.entity = "inventory.reservation",
                                   .where = where,
                                   .where_count = KT_COUNT(where),
                                   .limit = 100};
    for (;;) {
        const msgpack_object **waiting;
        size_t count;
        KT_TRY(kt_record_search(ctx, &query, &waiting, &count));
        for (size_t i = 0; i < count; i++) {
            struct kt_decimal missing = kt_get_decimal(waiting[i], "missing");
            struct picks picks;
            KT_TRY(find_stock(ctx, product, missing, &picks));
            for (size_t k = 0; k < picks.count; k++)
                KT_TRY(assign(ctx, kt_get_id(waiting[i], "id"), &picks.at[k]));
            if (kt_decimal_compare(picks.found, missing) < 0)
                return KT_OK;
        }
        /* A full page was served completely, so those records no longer wait: take the next. */
        if (count < query.limit)
            return KT_OK;
    }
}

/* ---- Deliver ---- */

static enum kt_status search_claim(struct kt_ctx *ctx, const struct inventory_claim *claim,
                                   const struct kt_condition *more, const msgpack_object ***out,
                                   size_t *count)
{
    const struct kt_condition where[] = {
        {.field = "source_entity", .op = "=", .value = kt_text(claim->entity)},
        {.field = "source_id", .op = "=", .value = kt_id(claim->id)},
        {.field = "source_line", .op = "=", .value = kt_id(claim->line)},
        {.field = "product", .op = "=", .value = kt_id(claim->product)},
        *more,
    };
    const struct kt_query query = {
        .entity = "inventory.reservation", .where = where, .where_count = KT_COUNT(where)};
    return kt_record_search(ctx, &query, out, count);
}

enum kt_status inventory_reservations_of(struct kt_ctx *ctx, const struct inventory_claim *claim,
                                         const msgpack_object ***out, size_t *count)
{
    const struct kt_condition holding = {
        .field = "open", .op = ">", .value = kt_decimal_value(ctx, KT_DECIMAL_ZERO)};
    return search_claim(ctx, claim, &holding, out, count);
}

/* Reserve one pick for the claim: first what the claim was waiting for, the rest on top of it. */
static enum kt_status add_to_claim(struct kt_ctx *ctx, const struct inventory_claim *claim,
                                   const struct pick *pick)
{
    const struct kt_condition is_waiting = {.field = "waiting", .op = "=", .value = kt_bool(true)};
    const msgpack_object **waiting;
    size_t count;
    struct kt_decimal left = pick->quantity;
    KT_TRY(search_claim(ctx, claim, &is_waiting, &waiting, &count));
    for (size_t i = 0; i < count && kt_decimal_sign(left) > 0; i++) {
        struct pick part = {.location = pick->location,
                            .quantity =
                                kt_decimal_min(left, kt_get_decimal(waiting[i], "missing"))};
        KT_TRY(assign(ctx, kt_get_id(waiting[i], "id"), &part));
        left = kt_decimal_sub(left, part.quantity);
    }
    if (kt_decimal_sign(left) <= 0)
        return KT_OK;
    return create(ctx, claim, pick->location, left, left);
}

enum kt_status inventory_reserve_now(struct kt_ctx *ctx, const struct inventory_claim *claim,
                                     struct kt_decimal quantity, const char *field)
{
    const msgpack_object **holding;
    size_t count;
    struct kt_decimal open = KT_DECIMAL_ZERO;
    struct picks picks;
    KT_TRY(inventory_reservations_of(ctx, claim, &holding, &count));
    for (size_t i = 0; i < count; i++)
        open = kt_decimal_add(open, kt_get_decimal(holding[i], "open"));
    struct kt_decimal needed = kt_decimal_sub(quantity, open);
    if (kt_decimal_sign(needed) <= 0)
        return KT_OK;
    KT_TRY(find_stock(ctx, claim->product, needed, &picks));
    if (kt_decimal_compare(picks.found, needed) < 0) {
        const msgpack_object *product;
        KT_TRY(kt_record_get(ctx, "products.product", claim->product, &product));
        return kt_fail(
            ctx, KT_CONFLICT, field, "not enough stock of %s: %s to deliver, %s available for it",
            "%s 库存不足：需交付 %s，可用 %s", kt_get_text(ctx, product, "code"),
            inventory_text(ctx, quantity), inventory_text(ctx, kt_decimal_add(open, picks.found)));
    }
    for (size_t i = 0; i < picks.count; i++)
        KT_TRY(add_to_claim(ctx, claim, &picks.at[i]));
    return KT_OK;
}

enum kt_status inventory_reservation_deliver(struct kt_ctx *ctx, const msgpack_object *reservation,
                                             struct kt_decimal quantity)
{
    struct kt_map *changes = kt_map_new(ctx);
    kt_map_set_decimal(changes, "delivered",
                       kt_decimal_add(kt_get_decimal(reservation, "delivered"), quantity));
    return kt_record_update(ctx, "inventory.reservation", kt_get_id(reservation, "id"), changes);
}

/* ---- Give back ---- */

enum kt_status inventory_reservations_release(struct kt_ctx *ctx, uint64_t product,
                                              uint64_t location, struct kt_decimal quantity)
{
    const struct kt_condition where[] = {
        {.field = "product", .op = "=", .value = kt_id(product)},
        {.field = "location", .op = "=", .value = kt_id(location)},
        {.field = "open", .op = ">", .value = kt_decimal_value(ctx, KT_DECIMAL_ZERO)},
    };
    const struct kt_query query = {.entity = "inventory.reservation",
                                   .where = where,
                                   .where_count = KT_COUNT(where),
                                   .order = "-id"};
    const msgpack_object **holding;
    size_t count;
    KT_TRY(kt_record_search(ctx, &query, &holding, &count));
    for (size_t i = 0; i < count && kt_decimal_sign(quantity) > 0; i++) {
        struct kt_decimal part = kt_decimal_min(quantity, kt_get_decimal(holding[i], "open"));
        struct kt_map *changes = kt_map_new(ctx);
        kt_map_set_decimal(changes, "reserved",
                           kt_decimal_sub(kt_get_decimal(holding[i], "reserved"), part));
        KT_TRY(
            kt_record_update(ctx, "inventory.reservation", kt_get_id(holding[i], "id"), changes));
        quantity = kt_decimal_sub(quantity, part);
    }
    return KT_OK;
}
