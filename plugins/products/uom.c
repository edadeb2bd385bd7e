/* Units of measure. Units of one category convert by their ratio to the category's base unit. */
#include "products.h"

/* Quantities everywhere have at most this many digits after the point (KT_QUANTITY's default). */
#define QUANTITY_DIGITS_MAX 6

static const struct kt_field uom_fields[] = {
    {.name = "code",
     .type = KT_TEXT,
     .flags = KT_REQUIRED | KT_UNIQUE,
     .max_length = 20,
     .label = {"Code", "代码"}},
    {.name = "name", .type = KT_TEXT, .flags = KT_REQUIRED, .label = {"Name", "名称"}},
    {.name = "category",
     .type = KT_TEXT,
     .flags = KT_INDEXED,
     .max_length = 50,
     .label = {"Category", "类别"},
     .help = {"Units of one category convert into each other: piece, weight, time, ...",
              "同一类别的单位可互相换算：件数、重量、时间等"}},
    {.name = "ratio",
     .type = KT_DECIMAL,
     .flags = KT_POSITIVE,
     .digits = 9,
     .initial = "1",
     .label = {"Ratio", "换算率"},
     .help = {"How many base units of the category one of these is, e.g. 0.001 for g when kg is "
              "the base.",
              "等于多少个该类别的基本单位，如以 kg 为基本单位时 g 为 0.001"}},
    {.name = "digits",
     .type = KT_INT,
     .flags = KT_NONNEGATIVE,
     .initial = "0",
     .label = {"Decimals", "小数位数"},
     .help = {"Digits after the point of quantities in this unit.", "该单位数量的小数位数"}},
};

static enum kt_status uom_before_save(struct kt_ctx *ctx, const msgpack_object *old,
                                      struct kt_map *record)
{
    (void)old;
    if (kt_get_int(&record->object, "digits") > QUANTITY_DIGITS_MAX)
        return kt_fail(ctx, KT_INVALID, "digits", "quantities have at most %d decimals",
                       "数量最多 %d 位小数", QUANTITY_DIGITS_MAX);
    return KT_OK;
}

const struct kt_entity products_uom = {
    .name = "products.uom",
    .label = {"Unit of measure", "计量单位"},
    .title = "code",
    .fields = KT_LIST(uom_fields),
    .before_save = uom_before_save,
};

struct unit {
    const char *code;
    const char *name;
    const char *category;
    const char *ratio;
    int digits;
};

/* The base of time is the minute: an hour's ratio must be a finite decimal either way round. */
static const struct unit first_units[] = {
    {"pcs", "Piece 件", "piece", "1", 0},
    {"pair", "Pair 双", "piece", "2", 0},
    {"doz", "Dozen 打", "piece", "12", 0},
    {"kg", "Kilogram 千克", "weight", "1", 3},
    {"g", "Gram 克", "weight", "0.001", 0},
    {"t", "Tonne 吨", "weight", "1000", 6},
    {"m", "Metre 米", "length", "1", 3},
    {"cm", "Centimetre 厘米", "length", "0.01", 1},
    {"mm", "Millimetre 毫米", "length", "0.001", 0},
    {"m2", "Square metre 平方米", "area", "1", 3},
    {"m3", "Cubic metre 立方米", "volume", "1000", 6},
    {"l", "Litre 升", "volume", "1", 3},
    {"ml", "Millilitre 毫升", "volume", "0.001", 0},
    {"min", "Minute 分钟", "time", "1", 0},
    {"h", "Hour 小时", "time", "60", 2},
    {"day", "Working day (8 h) 工作日", "time", "480", 2},
};

enum kt_status products_install_units(struct kt_ctx *ctx)
{
    for (size_t i = 0; i < KT_COUNT(first_units); i++) {
        const struct unit *unit = &first_units[i];
        struct kt_map *values = kt_map_new(ctx);
        kt_map_set_text(values, "code", unit->code);
        kt_map_set_text(values, "name", unit->name);
        kt_map_set_text(values, "category", unit->category);
        kt_map_set_text(values, "ratio", unit->ratio);
        kt_map_set_int(values, "digits", unit->digits);
        KT_TRY(kt_record_create(ctx, "products.uom", values, NULL));
    }
    return KT_OK;
}
