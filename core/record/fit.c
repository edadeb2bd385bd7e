/* Digits that another field decides: an amount has those of its record's currency, a quantity at
 * most those of its unit.
 *
 * check.c looks at one value at a time and lets through what some currency allows; here values are
 * fitted, once the whole record is known. What is as it was stored stays as it is, even when the
 * unit allows fewer digits now. */
#include <string.h>

#include "record/record_internal.h"

struct fitting {
    struct kt_ctx *ctx;
    const msgpack_object *old;
    struct kt_map *record;
};

static bool same_value(const msgpack_object *a, const msgpack_object *b,
                       const struct schema_field *field)
{
    return a && kt_equal(kt_get(a, field->decl->name), kt_get(b, field->decl->name));
}

static enum kt_status currency_digits(struct kt_ctx *ctx, const struct schema_field *currency,
                                      const msgpack_object *record, int *out)
{
    const char *name = currency->decl->name;
    *out = ctx->schema->currency_digits;
    if (!kt_has(record, name))
        return KT_OK;
    const char *code = kt_get_text(ctx, record, name);
    *out = kt_currency_minor_units(code);
    if (*out < 0)
        return kt_fail(ctx, KT_INVALID, name, "%s: %s is no currency code of ISO 4217",
                       "%s：%s 不是 ISO 4217 货币代码", name, code);
    return KT_OK;
}

static enum kt_status fit_money(struct kt_ctx *ctx, const struct schema_field *field,
                                const char *path, const msgpack_object *record,
                                msgpack_object *value)
{
    struct kt_decimal number;
    int least;
    KT_TRY(currency_digits(ctx, field->currency, record, &least));
    if (!value || value->type != MSGPACK_OBJECT_STR ||
        !kt_decimal_parse(value->via.str.ptr, value->via.str.size, &number))
        return KT_OK;
    int most = field->decl->digits > least ? field->decl->digits : least;
    return record_fit_decimal(ctx, path, number, least, most, value);
}

static enum kt_status fit_quantity(struct kt_ctx *ctx, const struct schema_field *field,
                                   const char *path, const msgpack_object *holder,
                                   const msgpack_object *value)
{
    const struct schema_field *unit = field->unit;
    const msgpack_object *record;
    struct kt_decimal number;
    uint64_t id = kt_get_id(holder, unit->decl->name);
    if (!id || !value || value->type != MSGPACK_OBJECT_STR ||
        !kt_decimal_parse(value->via.str.ptr, value->via.str.size, &number) || number.scale == 0 ||
        !record_exists(ctx, unit->target, id))
        return KT_OK;
    KT_TRY(record_load(ctx, unit->target, id, &record));
    int64_t most = kt_get_int(record, field->unit_digits->decl->name);
    if (number.scale <= most)
        return KT_OK;
    return kt_fail(ctx, KT_INVALID, path,
                   "%s has more than %lld digits after the point, which its unit does not allow",
                   "%s 的小数位超过其单位允许的 %lld 位", path, (long long)most);
}

/* `holder` is the record or one of its lines, `before` what it was, `fitted` the value. */
static enum kt_status fit_value(const struct fitting *fitting, const struct schema_field *field,
                                const char *path, const msgpack_object *before,
                                const msgpack_object *holder, msgpack_object *fitted)
{
    const msgpack_object *value = kt_get(holder, field->decl->name);
    bool same = same_value(before, holder, field);
    *fitted = value ? *value : kt_nil();
    if (field->currency) {
        const msgpack_object *record = &fitting->record->object;
        if (same && same_value(fitting->old, record, field->currency))
            return KT_OK;
        return fit_money(fitting->ctx, field, path, record, fitted);
    }
    if (!field->unit_digits || (same && same_value(before, holder, field->unit)))
        return KT_OK;
    return fit_quantity(fitting->ctx, field, path, holder, fitted);
}

/* The name of the place is made only when something is wrong with it. */
static enum kt_status fit_part(const struct fitting *fitting, const struct schema_field *part,
                               const char *lines, size_t at, const msgpack_object *before,
                               const msgpack_object *line, msgpack_object *fitted)
{
    if (fit_value(fitting, part, "", before, line, fitted) == KT_OK)
        return KT_OK;
    context_forgive(fitting->ctx);
    const char *path = kt_format(fitting->ctx, "%s[%zu].%s", lines, at, part->decl->name);
    return fit_value(fitting, part, path, before, line, fitted);
}

static enum kt_status fit_line(const struct fitting *fitting, const struct schema_field *field,
                               size_t at, const msgpack_object *before, msgpack_object *line)
{
    struct kt_ctx *ctx = fitting->ctx;
    struct kt_map *copy = NULL;
    for (size_t f = 0; f < field->line_count; f++) {
        const struct schema_field *part = &field->lines[f];
        const char *name = part->decl->name;
        msgpack_object fitted;
        if (!part->currency && !part->unit_digits)
            continue;
        KT_TRY(fit_part(fitting, part, field->decl->name, at, before, line, &fitted));
        if (fitted.type == MSGPACK_OBJECT_NIL || kt_equal(&fitted, kt_get(line, name)))
            continue;
        if (!copy)
            copy = kt_map_copy(ctx, line);
        kt_map_set(copy, name, fitted);
        *line = copy->object;
    }
    return KT_OK;
}

/* The list is copied: it may be shared with the old record. */
static enum kt_status fit_lines(const struct fitting *fitting, const struct schema_field *field)
{
    struct kt_ctx *ctx = fitting->ctx;
    const char *name = field->decl->name;
    struct record_lines before;
    struct kt_list *lines = kt_list_new(ctx);
    size_t count = kt_count(&fitting->record->object, name);
    record_lines_sort(ctx, fitting->old, name, &before);
    for (size_t i = 0; i < count; i++) {
        msgpack_object line = *kt_at(&fitting->record->object, name, i);
        const struct record_line *there = record_lines_find(&before, kt_get_id(&line, "id"));
        KT_TRY(fit_line(fitting, field, i, there ? there->line : NULL, &line));
        kt_list_add(lines, line);
    }
    if (count)
        kt_map_set(fitting->record, name, lines->object);
    return KT_OK;
}

static bool lines_fit(const struct schema_field *field)
{
    for (size_t f = 0; f < field->line_count; f++)
        if (field->lines[f].currency || field->lines[f].unit_digits)
            return true;
    return false;
}

enum kt_status record_fit_one(struct kt_ctx *ctx, const struct schema_field *field,
                              const msgpack_object *record, msgpack_object *value)
{
    return field->currency ? fit_money(ctx, field, field->decl->name, record, value) : KT_OK;
}

enum kt_status record_fit(struct kt_ctx *ctx, const struct schema_entity *entity,
                          const msgpack_object *old, struct kt_map *record)
{
    struct fitting fitting = {.ctx = ctx, .old = old, .record = record};
    if (!entity->fits)
        return KT_OK;
    for (size_t i = 0; i < entity->field_count; i++) {
        const struct schema_field *field = &entity->fields[i];
        const char *name = field->decl->name;
        msgpack_object fitted;
        if (lines_fit(field))
            KT_TRY(fit_lines(&fitting, field));
        KT_TRY(fit_value(&fitting, field, name, old, &record->object, &fitted));
        if (fitted.type != MSGPACK_OBJECT_NIL)
            kt_map_set(record, name, fitted);
    }
    return KT_OK;
}
