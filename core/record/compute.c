/* Fields that the module's code computes (`compute` in kontor/model.h): stored ones in each save,
 * others whenever a record is shown. Computing reads at most. */
#include "record/record_internal.h"

static enum kt_status compute(struct kt_ctx *ctx, const struct schema_field *field,
                              const msgpack_object *record, msgpack_object *out)
{
    bool outer = ctx->computing;
    *out = kt_nil();
    ctx->computing = true;
    enum kt_status status = field->decl->compute(ctx, record, out);
    ctx->computing = outer;
    return status;
}

/* The final check looks at the values, as at all others. */
enum kt_status record_compute(struct kt_ctx *ctx, const struct schema_entity *entity,
                              struct kt_map *record)
{
    for (size_t i = 0; entity->computes && i < entity->field_count; i++) {
        const struct schema_field *field = &entity->fields[i];
        msgpack_object value;
        if (!field->decl->compute || (field->decl->flags & KT_ON_READ))
            continue;
        KT_TRY(compute(ctx, field, &record->object, &value));
        kt_map_set(record, field->decl->name, value);
    }
    return context_check_memory(ctx);
}

enum kt_status record_compute_read(struct kt_ctx *ctx, const struct schema_field *field,
                                   const msgpack_object *record, msgpack_object *out)
{
    msgpack_object value;
    KT_TRY(compute(ctx, field, record, &value));
    KT_TRY(record_check_value(ctx, field, field->decl->name, &value, out));
    return record_fit_one(ctx, field, record, out);
}
