/* What a product says about being stock: whether it is, and how finely it is counted. */
#include "inventory.h"

bool inventory_is_stocked(const msgpack_object *product)
{
    return !kt_is(product, "kind", "service");
}

enum kt_status inventory_check_counted(struct kt_ctx *ctx, const msgpack_object *product,
                                       struct kt_decimal quantity, const char *path)
{
    const msgpack_object *unit;
    if (!kt_has(product, "uom"))
        return KT_OK;
    KT_TRY(kt_record_get(ctx, "products.uom", kt_get_id(product, "uom"), &unit));
    int64_t digits = kt_get_int(unit, "digits");
    if (kt_decimal_trim(quantity, 0).scale > digits)
        return kt_fail(ctx, KT_INVALID, path,
                       "%s is counted in %s, with at most %lld digits after the point",
                       "%s 以 %s 计量，最多 %lld 位小数", kt_get_text(ctx, product, "code"),
                       kt_get_text(ctx, unit, "code"), (long long)digits);
    return KT_OK;
}
