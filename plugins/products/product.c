/* Products and their categories: the item master. */
#include "products.h"

#define CATEGORY_DEPTH_MAX 32

static const struct kt_choice product_kinds[] = {
    {.name = "goods", .label = {"Goods", "商品"}},
    {.name = "service", .label = {"Service", "服务"}},
};

static const struct kt_field category_fields[] = {
    {.name = "code",
     .type = KT_TEXT,
     .flags = KT_REQUIRED | KT_UNIQUE,
     .max_length = 50,
     .label = {"Code", "代码"}},
    {.name = "name", .type = KT_TEXT, .flags = KT_REQUIRED, .label = {"Name", "名称"}},
    {.name = "parent",
     .type = KT_REF,
     .to = "products.category",
     .label = {"Parent category", "上级类别"}},
};

static enum kt_status category_before_save(struct kt_ctx *ctx, const msgpack_object *old,
                                           struct kt_map *record)
{
    uint64_t id = kt_get_id(&record->object, "id");
    uint64_t parent = kt_get_id(&record->object, "parent");
    if (parent == kt_get_id(old, "parent"))
        return KT_OK;
    for (int depth = 0; parent != 0; depth++) {
        if (parent == id)
            return kt_fail(ctx, KT_INVALID, "parent", "a category cannot be its own ancestor",
                           "类别不能是自己的上级");
        if (depth == CATEGORY_DEPTH_MAX)
            return kt_fail(ctx, KT_INVALID, "parent", "more than %d levels of categories",
                           "类别超过 %d 层", CATEGORY_DEPTH_MAX);
        const msgpack_object *above;
        KT_TRY(kt_record_get(ctx, "products.category", parent, &above));
        parent = kt_get_id(above, "parent");
    }
    return KT_OK;
}

const struct kt_entity products_category = {
    .name = "products.category",
    .label = {"Product category", "产品类别"},
    .title = "name",
    .fields = KT_LIST(category_fields),
    .before_save = category_before_save,
};

static const struct kt_field product_fields[] = {
    {.name = "code",
     .type = KT_TEXT,
     .flags = KT_REQUIRED | KT_UNIQUE | KT_SEARCHABLE,
     .max_length = 50,
     .label = {"Code", "编码"}},
    {.name = "name",
     .type = KT_TEXT,
     .flags = KT_REQUIRED | KT_INDEXED | KT_SEARCHABLE,
     .label = {"Name", "名称"}},
    {.name = "kind",
     .type = KT_ENUM,
     .choices = KT_LIST(product_kinds),
     .initial = "goods",
     .label = {"Kind", "类型"},
     .help = {"Goods are kept in stock, services are not.", "商品计入库存，服务不计"}},
    {.name = "uom",
     .type = KT_REF,
     .to = "products.uom",
     .label = {"Unit", "单位"},
     .help = {"In which all its quantities are counted; pieces when left empty.",
              "其所有数量的计量单位，留空则为件"}},
    {.name = "category", .type = KT_REF, .to = "products.category", .label = {"Category", "类别"}},
    {.name = "price",
     .type = KT_MONEY,
     .flags = KT_NONNEGATIVE,
     .digits = 4,
     .label = {"Sales price", "销售价"},
     .help = {"Net, per unit; used when no price list has an entry that fits.",
              "不含税单价，无适用价目表时采用"}},
    {.name = "tax_rate",
     .type = KT_DECIMAL,
     .flags = KT_NONNEGATIVE,
     .digits = 4,
     .initial = "0",
     .label = {"Tax rate %", "税率 %"}},
    {.name = "barcode",
     .type = KT_TEXT,
     .flags = KT_UNIQUE | KT_SEARCHABLE,
     .max_length = 50,
     .label = {"Barcode", "条码"}},
    {.name = "cost",
     .type = KT_MONEY,
     .flags = KT_NONNEGATIVE,
     .digits = 4,
     .label = {"Standard cost", "标准成本"},
     .help = {"For information; what stock is worth is kept by the inventory module.",
              "仅供参考，库存价值由库存模块核算"}},
    {.name = "active", .type = KT_BOOL, .initial = "true", .label = {"Active", "启用"}},
    {.name = "sale_ok", .type = KT_BOOL, .initial = "true", .label = {"Can be sold", "可销售"}},
    {.name = "purchase_ok",
     .type = KT_BOOL,
     .initial = "true",
     .label = {"Can be purchased", "可采购"}},
    {.name = "datasheet",
     .type = KT_FILE,
     .label = {"Data sheet", "数据表"},
     .help = {"What the maker says of it, usually a PDF.", "制造商的技术资料，通常为 PDF"}},
    {.name = "description",
     .type = KT_TEXT,
     .flags = KT_MULTILINE | KT_SEARCHABLE,
     .max_length = 10000,
     .label = {"Description", "描述"}},
    {.name = "related",
     .type = KT_REFS,
     .to = "products.product",
     .max_length = 50,
     .label = {"Related products", "相关产品"},
     .help = {"What is often bought with it, or instead of it.", "常一起购买或可替代的产品"}},
};

enum kt_status products_check_percent(struct kt_ctx *ctx, const msgpack_object *record,
                                      const char *field)
{
    if (kt_decimal_compare(kt_get_decimal(record, field), kt_decimal_from_int(100)) > 0)
        return kt_fail(ctx, KT_INVALID, field, "a percentage is at most 100", "百分比不能超过 100");
    return KT_OK;
}

static enum kt_status product_before_save(struct kt_ctx *ctx, const msgpack_object *old,
                                          struct kt_map *record)
{
    if (old && kt_has(old, "uom") && kt_get_id(old, "uom") != kt_get_id(&record->object, "uom"))
        return kt_fail(ctx, KT_CONFLICT, "uom",
                       "the unit of a product is fixed, its quantities are counted in it: make "
                       "another product",
                       "产品的计量单位不可更改，其数量均以此计量，请另建产品");
    if (!kt_has(&record->object, "uom")) {
        const msgpack_object *pieces;
        KT_TRY(kt_record_find(ctx, "products.uom", "code", kt_text("pcs"), &pieces));
        if (pieces)
            kt_map_set_id(record, "uom", kt_get_id(pieces, "id"));
    }
    return products_check_percent(ctx, &record->object, "tax_rate");
}

const struct kt_entity products_product = {
    .name = "products.product",
    .label = {"Product", "产品"},
    .help = {"Goods or a service that we sell, buy or make.", "我们销售、采购或生产的商品或服务"},
    .title = "name",
    .fields = KT_LIST(product_fields),
    .before_save = product_before_save,
};
