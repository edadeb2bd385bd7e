/* The form in which values of a type are stored. The past may hold others, from before a field was
 * declared anew under its old name; whoever reads a field counts on the form. */
#include "record/record_internal.h"

static bool is_list_of(const msgpack_object *value, msgpack_object_type type)
{
    if (value->type != MSGPACK_OBJECT_ARRAY)
        return false;
    for (uint32_t i = 0; i < value->via.array.size; i++)
        if (value->via.array.ptr[i].type != type)
            return false;
    return true;
}

static bool is_date(const msgpack_object *value)
{
    kt_date date;
    return value->type == MSGPACK_OBJECT_STR &&
           kt_date_parse(value->via.str.ptr, value->via.str.size, &date);
}

static bool is_decimal(const msgpack_object *value)
{
    struct kt_decimal number;
    return value->type == MSGPACK_OBJECT_STR &&
           kt_decimal_parse(value->via.str.ptr, value->via.str.size, &number);
}

static bool has_form(enum kt_type type, const msgpack_object *value)
{
    kt_instant_us at;
    switch (type) {
    case KT_TEXT:
    case KT_ENUM:
    case KT_STATE:
        return value->type == MSGPACK_OBJECT_STR;
    case KT_INT:
        return value->type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
               value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER;
    case KT_DECIMAL:
    case KT_MONEY:
    case KT_QUANTITY:
        return is_decimal(value);
    case KT_BOOL:
        return value->type == MSGPACK_OBJECT_BOOLEAN;
    case KT_DATE:
        return is_date(value);
    case KT_INSTANT:
        return context_instant_of(value, &at);
    case KT_REF:
        return value->type == MSGPACK_OBJECT_POSITIVE_INTEGER;
    case KT_REFS:
        return is_list_of(value, MSGPACK_OBJECT_POSITIVE_INTEGER);
    case KT_TAGS:
        return is_list_of(value, MSGPACK_OBJECT_STR);
    case KT_LINES:
        return is_list_of(value, MSGPACK_OBJECT_MAP);
    case KT_FILE:
        return value->type == MSGPACK_OBJECT_MAP;
    case KT_JSON:
        return true;
    }
    return false;
}

static msgpack_object lines_in_form(struct kt_ctx *ctx, const struct schema_field *field,
                                    const msgpack_object *lines)
{
    struct kt_list *formed = kt_list_new(ctx);
    for (uint32_t i = 0; i < lines->via.array.size; i++) {
        const msgpack_object *line = &lines->via.array.ptr[i];
        struct kt_map *kept = kt_map_new(ctx);
        kt_map_set_id(kept, "id", kt_get_id(line, "id"));
        for (size_t p = 0; p < field->line_count; p++) {
            const struct kt_field *part = field->lines[p].decl;
            const msgpack_object *value = kt_get(line, part->name);
            if (value && has_form(part->type, value))
                kt_map_set(kept, part->name, *value);
        }
        kt_list_add(formed, kept->object);
    }
    return formed->object;
}

msgpack_object record_in_form(struct kt_ctx *ctx, const struct schema_field *field,
                              const msgpack_object *value)
{
    if (!has_form(field->decl->type, value))
        return kt_nil();
    return field->decl->type == KT_LINES ? lines_in_form(ctx, field, value) : *value;
}
