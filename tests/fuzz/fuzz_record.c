/* Goal: whatever is given for a record is refused in words and changes nothing, or is stored in its
 * one form, with all that is kept in step.
 * Method: the first byte says who saves what, the rest are the values. What was stored is saved
 * again as it was read: only the version may change. */
#include <stdlib.h>
#include <string.h>

#include "shop.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct store_slice stored(struct kt_ctx *ctx, const struct schema_entity *entity,
                                 uint64_t id)
{
    struct store_slice bytes;
    require(record_bytes(ctx, entity, id, &bytes) == KT_OK);
    return (struct store_slice){context_copy(ctx, bytes.at, bytes.size), bytes.size};
}

static size_t differences(struct store_slice a, struct store_slice b)
{
    size_t count = 0;
    require(a.size == b.size);
    for (size_t i = 0; i < a.size; i++)
        count += ((const char *)a.at)[i] != ((const char *)b.at)[i];
    return count;
}

static void save_again(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id)
{
    const msgpack_object *record;
    struct store_slice before = stored(ctx, entity, id);
    require(record_load(ctx, entity, id, &record) == KT_OK);
    struct kt_map *values = kt_map_copy(ctx, record);
    kt_map_remove(values, "id");
    kt_map_remove(values, "version");
    kt_map_remove(values, "last_line");
    require(record_update(ctx, entity, id, 0, &values->object, RECORD_BY_SERVER) == KT_OK);
    require(differences(before, stored(ctx, entity, id)) == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const enum record_by by[] = {RECORD_BY_CLIENT, RECORD_BY_SERVER, RECORD_BY_IMPORT,
                                        RECORD_BY_CLIENT};
    struct kt_ctx *ctx = shop();
    msgpack_object values;
    if (size < 2)
        return 0;
    const struct schema_entity *entity = shop_entity(ctx, bytes[0] & 1);
    bool creating = bytes[0] & 2;
    enum record_by who = by[bytes[0] >> 2 & 3];
    uint64_t id = 1 + (bytes[0] >> 4 & 7);
    struct store_slice there = stored(ctx, entity, id);
    static char before[1024];
    size_t before_size = there.size;
    require(there.size <= sizeof before);
    memcpy(before, there.at, there.size);
    if (shop_unpack(ctx, bytes + 1, size - 1, &values)) {
        shop_begin(ctx);
        enum kt_status status = creating ? record_create(ctx, entity, &values, who, &id)
                                         : record_update(ctx, entity, id, 0, &values, who);
        shop_require_error(ctx, status);
        if (status == KT_OK) {
            save_again(ctx, entity, id);
            shop_require_sound(ctx);
        }
    }
    shop_end(ctx);
    if (!creating) {
        there = stored(ctx, entity, id);
        require(there.size == before_size && memcmp(there.at, before, there.size) == 0);
    }
    shop_end(ctx);
    return 0;
}
