/* Goal: no columns and rows bring record.import down or leave something half in.
 * Method: the bytes are its parameters. What it took is checked against the records. */
#include "shop.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct kt_ctx *ctx = shop();
    msgpack_object params;
    if (size < 2)
        return 0;
    if (shop_unpack(ctx, bytes + 1, size - 1, &params)) {
        shop_begin(ctx);
        enum kt_status status = record_import(ctx, shop_entity(ctx, bytes[0] & 1), &params);
        shop_require_error(ctx, status);
        if (status == KT_OK)
            shop_require_sound(ctx);
    }
    shop_end(ctx);
    return 0;
}
