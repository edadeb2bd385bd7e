/* Warehouses and locations: where goods can be.
 *
 * A location's kind says whether what lies there is ours. Stock value and the ledger depend on it,
 * so it never changes once the location exists. */
#include "inventory.h"

#include <string.h>

static const struct kt_field warehouse_fields[] = {
    {.name = "code",
     .type = KT_TEXT,
     .flags = KT_REQUIRED | KT_UNIQUE,
     .max_length = 32,
     .label = {"Code", "编码"}},
    {.name = "name", .type = KT_TEXT, .flags = KT_REQUIRED, .label = {"Name", "名称"}},
    {.name = "active", .type = KT_BOOL, .initial = "true", .label = {"Active", "启用"}},
};

const struct kt_entity inventory_warehouse = {
    .name = "inventory.warehouse",
    .label = {"Warehouse", "仓库"},
    .fields = KT_LIST(warehouse_fields),
};

static const struct kt_choice kinds[] = {
    {"internal", {"Internal", "内部"}},     {"supplier", {"Suppliers", "供应商"}},
    {"customer", {"Customers", "客户"}},    {"adjustment", {"Adjustment", "盘盈盘亏"}},
    {"production", {"Production", "生产"}}, {"opening", {"Opening stock", "期初"}},
};

static const struct kt_field location_fields[] = {
    {.name = "code",
     .type = KT_TEXT,
     .flags = KT_REQUIRED | KT_UNIQUE,
     .max_length = 64,
     .label = {"Code", "编码"}},
    {.name = "name", .type = KT_TEXT, .label = {"Name", "名称"}},
    {.name = "kind",
     .type = KT_ENUM,
     .flags = KT_REQUIRED | KT_INDEXED | KT_IMMUTABLE,
     .choices = KT_LIST(kinds),
     .label = {"Kind", "类型"},
     .help = {"Internal stock is ours and valued; all other kinds are outside",
              "内部库存归我方所有并计价；其他类型均在外部"}},
    {.name = "warehouse",
     .type = KT_REF,
     .to = "inventory.warehouse",
     .flags = KT_INDEXED,
     .label = {"Warehouse", "仓库"}},
    {.name = "active",
     .type = KT_BOOL,
     .initial = "true",
     .label = {"Active", "启用"},
     .help = {"Nothing comes into an inactive location and nothing is reserved there",
              "停用的库位不再入库，也不参与预留"}},
};

static enum kt_status location_before_save(struct kt_ctx *ctx, const msgpack_object *old,
                                           struct kt_map *record)
{
    const msgpack_object *location = &record->object;
    if (kt_is(location, "kind", "internal") && !kt_has(location, "warehouse"))
        return kt_fail(ctx, KT_INVALID, "warehouse", "an internal location belongs to a warehouse",
                       "内部库位必须属于一个仓库");
    if (old != NULL && !kt_equal(kt_get(old, "kind"), kt_get(location, "kind")))
        return kt_fail(ctx, KT_CONFLICT, "kind",
                       "the kind of a location is fixed, because its stock is valued by it; "
                       "make another location",
                       "库位类型不可更改（库存计价取决于它），请新建库位");
    return KT_OK;
}

const struct kt_entity inventory_location = {
    .name = "inventory.location",
    .label = {"Location", "库位"},
    .title = "code",
    .fields = KT_LIST(location_fields),
    .before_save = location_before_save,
};

enum kt_status inventory_place_get(struct kt_ctx *ctx, struct inventory_places *places, uint64_t id,
                                   const struct inventory_place **out)
{
    for (struct inventory_place *known = places->first; known != NULL; known = known->next) {
        if (known->id == id) {
            *out = known;
            return KT_OK;
        }
    }
    const msgpack_object *record;
    KT_TRY(kt_record_get(ctx, "inventory.location", id, &record));
    struct inventory_place *place = kt_alloc(ctx, sizeof *place);
    place->id = id;
    place->code = kt_get_text(ctx, record, "code");
    place->kind = kt_get_text(ctx, record, "kind");
    place->internal = strcmp(place->kind, "internal") == 0;
    place->active = kt_get_bool(record, "active");
    place->next = places->first;
    places->first = place;
    *out = place;
    return KT_OK;
}

enum kt_status inventory_place_of_kind(struct kt_ctx *ctx, const char *kind, uint64_t *out)
{
    const struct kt_condition where[] = {
        {.field = "kind", .op = "=", .value = kt_text(kind)},
        {.field = "active", .op = "=", .value = kt_bool(true)},
    };
    const struct kt_query query = {
        .entity = "inventory.location", .where = where, .where_count = KT_COUNT(where), .limit = 1};
    const msgpack_object **found;
    size_t count;
    KT_TRY(kt_record_search(ctx, &query, &found, &count));
    if (count == 0)
        return kt_fail(ctx, KT_CONFLICT, NULL,
                       "there is no active location of kind %s: create one first",
                       "没有类型为 %s 的启用库位：请先创建", kind);
    *out = kt_get_id(found[0], "id");
    return KT_OK;
}

static enum kt_status create_location(struct kt_ctx *ctx, const char *code, const char *name,
                                      const char *kind, uint64_t warehouse)
{
    struct kt_map *location = kt_map_new(ctx);
    kt_map_set_text(location, "code", code);
    kt_map_set_text(location, "name", name);
    kt_map_set_text(location, "kind", kind);
    if (warehouse != 0)
        kt_map_set_id(location, "warehouse", warehouse);
    return kt_record_create(ctx, "inventory.location", location, NULL);
}

enum kt_status inventory_install(struct kt_ctx *ctx)
{
    static const struct {
        const char *code, *name, *kind;
    } outside[] = {
        {"SUPPLIERS", "Suppliers", "supplier"},
        {"CUSTOMERS", "Customers", "customer"},
        {"ADJUSTMENT", "Count differences", "adjustment"},
        {"PRODUCTION", "Production", "production"},
        {"OPENING", "Opening stock", "opening"},
    };
    struct kt_map *warehouse = kt_map_new(ctx);
    uint64_t id;
    kt_map_set_text(warehouse, "code", "MAIN");
    kt_map_set_text(warehouse, "name", "Main warehouse");
    KT_TRY(kt_record_create(ctx, "inventory.warehouse", warehouse, &id));
    KT_TRY(create_location(ctx, "MAIN/STOCK", "Stock", "internal", id));
    for (size_t i = 0; i < KT_COUNT(outside); i++)
        KT_TRY(create_location(ctx, outside[i].code, outside[i].name, outside[i].kind, 0));
    return KT_OK;
}
