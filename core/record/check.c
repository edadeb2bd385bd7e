/* Checks of single values: what may be stored in a field, and in which form. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kontor/limits.h"
#include "record/record.h"
#include "record/record_internal.h"

/* 0001-01-01T00:00:00Z and the last microsecond of 9999, as dates have it. */
#define INSTANT_MIN (INT64_C(-62135596800) * 1000000)
#define INSTANT_MAX (INT64_C(253402300800) * 1000000 - 1)

static enum kt_status wrong(struct kt_ctx *ctx, const char *path, const char *expected_en,
                            const char *expected_zh)
{
    return kt_fail(ctx, KT_INVALID, path, "%s must be %s%.0s", "%s%.0s 必须是%s", path, expected_en,
                   expected_zh);
}

/* Characters in `text`, or -1 when it is not UTF-8 (RFC 3629) or holds control characters other
 * than tab and line feed. */
static int64_t utf8_length(const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + size;
    int64_t count = 0;
    while (at < end) {
        unsigned char lead = *at++;
        int more = lead < 0x80   ? 0
                   : lead < 0xC2 ? -1
                   : lead < 0xE0 ? 1
                   : lead < 0xF0 ? 2
                   : lead < 0xF5 ? 3
                                 : -1;
        if (more < 0 || end - at < more || lead == 0x7F ||
            (lead < 0x20 && !strchr("\t\n\r", lead)) || lead == 0)
            return -1;
        if ((lead == 0xE0 && at[0] < 0xA0) || (lead == 0xED && at[0] > 0x9F) ||
            (lead == 0xF0 && at[0] < 0x90) || (lead == 0xF4 && at[0] > 0x8F))
            return -1;
        while (more-- > 0)
            if ((*at++ & 0xC0) != 0x80)
                return -1;
        count++;
    }
    return count;
}

enum kt_status record_text_check(struct kt_ctx *ctx, uint32_t most, const char *path,
                                 const msgpack_object *value)
{
    if (value->type != MSGPACK_OBJECT_STR)
        return wrong(ctx, path, "text", "文本");
    int64_t length = utf8_length(value->via.str.ptr, value->via.str.size);
    if (length < 0)
        return wrong(ctx, path, "valid UTF-8 without control characters",
                     "不含控制字符的有效 UTF-8 文本");
    if (length > most)
        return kt_fail(ctx, KT_INVALID, path, "%s is longer than %u characters",
                       "%s 超过 %u 个字符", path, most);
    return KT_OK;
}

static enum kt_status check_one_line(struct kt_ctx *ctx, const char *path,
                                     const msgpack_object *value)
{
    if (value->type == MSGPACK_OBJECT_STR && value->via.str.size &&
        (memchr(value->via.str.ptr, '\n', value->via.str.size) ||
         memchr(value->via.str.ptr, '\r', value->via.str.size)))
        return kt_fail(ctx, KT_INVALID, path, "%s must be a single line of text",
                       "%s 必须是单行文本", path);
    return KT_OK;
}

static enum kt_status check_sign(struct kt_ctx *ctx, const struct schema_field *field,
                                 const char *path, int sign)
{
    if ((field->decl->flags & KT_POSITIVE) && sign <= 0)
        return kt_fail(ctx, KT_INVALID, path, "%s must be above 0", "%s 必须大于 0", path);
    if ((field->decl->flags & KT_NONNEGATIVE) && sign < 0)
        return kt_fail(ctx, KT_INVALID, path, "%s must not be below 0", "%s 不能小于 0", path);
    return KT_OK;
}

static int significant_digits(struct kt_decimal value)
{
    kt_int128 rest = value.coefficient;
    int digits = 0;
    for (; rest != 0; rest /= 10)
        digits++;
    return digits;
}

static enum kt_status read_decimal(struct kt_ctx *ctx, const char *path,
                                   const msgpack_object *value, struct kt_decimal *out)
{
    if (value->type == MSGPACK_OBJECT_FLOAT32 || value->type == MSGPACK_OBJECT_FLOAT64)
        return kt_fail(
            ctx, KT_INVALID, path,
            "%s must be a decimal as text such as \"12.50\", not a float, which is inexact",
            "%s 必须是文本形式的小数（例如 \"12.50\"），不能是不精确的浮点数", path);
    if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64 <= INT64_MAX)
        *out = kt_decimal_from_int((int64_t)value->via.u64);
    else if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        *out = kt_decimal_from_int(value->via.i64);
    else if (value->type != MSGPACK_OBJECT_STR ||
             !kt_decimal_parse(value->via.str.ptr, value->via.str.size, out))
        return wrong(ctx, path, "a decimal as text such as \"12.50\"",
                     "文本形式的小数，例如 \"12.50\"");
    return KT_OK;
}

enum kt_status record_fit_decimal(struct kt_ctx *ctx, const char *path, struct kt_decimal number,
                                  int least, int most, msgpack_object *value)
{
    number = kt_decimal_trim(number, least);
    if (number.scale < least)
        number = kt_decimal_round(number, least);
    if (number.scale > most)
        return kt_fail(ctx, KT_INVALID, path, "%s has more than %d digits after the point",
                       "%s 的小数位超过 %d 位", path, most);
    if (!kt_decimal_is_valid(number) || significant_digits(number) > KT_DECIMAL_STORED_DIGITS)
        return kt_fail(ctx, KT_INVALID, path, "%s has more than %d digits", "%s 超过 %d 位数字",
                       path, KT_DECIMAL_STORED_DIGITS);
    char text[KT_DECIMAL_TEXT_SIZE];
    size_t length = kt_decimal_format(number, text);
    if (value->type != MSGPACK_OBJECT_STR || value->via.str.size != length ||
        memcmp(value->via.str.ptr, text, length) != 0)
        *value = kt_text_of(context_copy(ctx, text, length), length);
    return KT_OK;
}

static enum kt_status check_decimal(struct kt_ctx *ctx, const struct schema_field *field,
                                    const char *path, const msgpack_object *value,
                                    msgpack_object *out)
{
    struct kt_decimal number;
    KT_TRY(read_decimal(ctx, path, value, &number));
    KT_TRY(check_sign(ctx, field, path, kt_decimal_sign(number)));
    int least = field->min_digits;
    if (field->currency) /* Its zeros are for fit.c, which knows the currency. */
        least = number.scale < field->digits ? number.scale : field->digits;
    *out = *value;
    return record_fit_decimal(ctx, path, number, least, field->digits, out);
}

static enum kt_status check_int(struct kt_ctx *ctx, const struct schema_field *field,
                                const char *path, const msgpack_object *value)
{
    int64_t number;
    if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64 <= INT64_MAX)
        number = (int64_t)value->via.u64;
    else if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        number = value->via.i64;
    else
        return wrong(ctx, path, "a whole number", "整数");
    return check_sign(ctx, field, path, number > 0 ? 1 : number < 0 ? -1 : 0);
}

static enum kt_status check_enum(struct kt_ctx *ctx, const struct schema_field *field,
                                 const char *path, const msgpack_object *value)
{
    const struct kt_choices *choices = &field->decl->choices;
    const char *allowed = "";
    for (size_t i = 0; i < choices->count; i++) {
        const char *name = choices->at[i].name;
        if (value->type == MSGPACK_OBJECT_STR && value->via.str.size == strlen(name) &&
            memcmp(value->via.str.ptr, name, value->via.str.size) == 0)
            return KT_OK;
        allowed = kt_format(ctx, "%s%s%s", allowed, i ? ", " : "", name);
    }
    return kt_fail(ctx, KT_INVALID, path, "%s must be one of: %s", "%s 必须是其中之一：%s", path,
                   allowed);
}

static enum kt_status check_ref(struct kt_ctx *ctx, const struct schema_field *field,
                                const char *path, const msgpack_object *value)
{
    if (value->type != MSGPACK_OBJECT_POSITIVE_INTEGER || value->via.u64 == 0)
        return kt_fail(ctx, KT_INVALID, path, "%s must be the id of a %s", "%s 必须是 %s 的编号",
                       path, field->decl->to);
    /* A sleeping module's records may be referred to by what was stored before it slept. */
    if (schema_field_sleeps(field))
        return KT_OK;
    if (field->target && record_exists(ctx, field->target, value->via.u64))
        return KT_OK;
    return kt_fail(ctx, KT_INVALID, path, "%s: there is no %s with id %llu",
                   "%s：%s 编号 %llu 不存在", path, field->decl->to,
                   (unsigned long long)value->via.u64);
}

/* Orders texts, or ids, anyhow: to find what is given twice. */
static int compare_elements(const void *a, const void *b)
{
    const msgpack_object *left = *(const msgpack_object *const *)a;
    const msgpack_object *right = *(const msgpack_object *const *)b;
    if (left->type != MSGPACK_OBJECT_STR)
        return (left->via.u64 > right->via.u64) - (left->via.u64 < right->via.u64);
    if (left->via.str.size != right->via.str.size)
        return left->via.str.size < right->via.str.size ? -1 : 1;
    return left->via.str.size ? memcmp(left->via.str.ptr, right->via.str.ptr, left->via.str.size)
                              : 0;
}

static enum kt_status check_distinct(struct kt_ctx *ctx, const char *path,
                                     const msgpack_object_array *list)
{
    const msgpack_object **sorted = kt_alloc(ctx, sizeof(*sorted) * (list->size + 1));
    for (uint32_t i = 0; i < list->size; i++)
        sorted[i] = &list->ptr[i];
    qsort(sorted, list->size, sizeof(*sorted), compare_elements);
    for (uint32_t i = 1; i < list->size; i++) {
        if (compare_elements(&sorted[i - 1], &sorted[i]) != 0)
            continue;
        const msgpack_object *later = sorted[i] > sorted[i - 1] ? sorted[i] : sorted[i - 1];
        const char *place = kt_format(ctx, "%s[%td]", path, later - list->ptr);
        return kt_fail(ctx, KT_INVALID, place, "%s is given twice", "%s 重复", place);
    }
    return KT_OK;
}

static enum kt_status check_list_size(struct kt_ctx *ctx, const struct schema_field *field,
                                      const char *path, const msgpack_object *value)
{
    if (value->via.array.size > field->max_length)
        return kt_fail(ctx, KT_INVALID, path, "%s has more than %u entries", "%s 超过 %u 项", path,
                       field->max_length);
    return KT_OK;
}

static enum kt_status check_tags(struct kt_ctx *ctx, const struct schema_field *field,
                                 const char *path, const msgpack_object *value)
{
    if (value->type != MSGPACK_OBJECT_ARRAY)
        return wrong(ctx, path, "a list of texts", "文本列表");
    KT_TRY(check_list_size(ctx, field, path, value));
    for (uint32_t i = 0; i < value->via.array.size; i++) {
        const msgpack_object *tag = &value->via.array.ptr[i];
        const char *place = kt_format(ctx, "%s[%u]", path, i);
        KT_TRY(record_text_check(ctx, 100, place, tag));
        KT_TRY(check_one_line(ctx, place, tag));
    }
    return check_distinct(ctx, path, &value->via.array);
}

static enum kt_status check_refs(struct kt_ctx *ctx, const struct schema_field *field,
                                 const char *path, const msgpack_object *value)
{
    if (value->type != MSGPACK_OBJECT_ARRAY)
        return wrong(ctx, path, "a list of ids", "编号列表");
    KT_TRY(check_list_size(ctx, field, path, value));
    for (uint32_t i = 0; i < value->via.array.size; i++)
        KT_TRY(check_ref(ctx, field, kt_format(ctx, "%s[%u]", path, i), &value->via.array.ptr[i]));
    return check_distinct(ctx, path, &value->via.array);
}

static bool json_fits(const msgpack_object *value, unsigned depth)
{
    if (depth > KT_LIMIT_JSON_DEPTH)
        return false;
    if (value->type == MSGPACK_OBJECT_ARRAY) {
        for (uint32_t i = 0; i < value->via.array.size; i++)
            if (!json_fits(&value->via.array.ptr[i], depth + 1))
                return false;
    } else if (value->type == MSGPACK_OBJECT_MAP) {
        for (uint32_t i = 0; i < value->via.map.size; i++)
            if (value->via.map.ptr[i].key.type != MSGPACK_OBJECT_STR ||
                !json_fits(&value->via.map.ptr[i].val, depth + 1))
                return false;
    } else if (value->type == MSGPACK_OBJECT_STR) {
        return utf8_length(value->via.str.ptr, value->via.str.size) >= 0;
    }
    return value->type != MSGPACK_OBJECT_EXT && value->type != MSGPACK_OBJECT_BIN;
}

/* Names of places are made only for errors, as most values have none: `path` is empty until one is
 * found, and then everything is looked at again. */
static const char *place_in(struct kt_ctx *ctx, const char *path, const char *name, size_t length)
{
    return *path ? kt_format(ctx, "%s.%.*s", path, (int)length, name) : "";
}

static enum kt_status check_line(struct kt_ctx *ctx, const struct schema_field *field,
                                 const char *path, const msgpack_object *value, msgpack_object *out)
{
    if (value->type != MSGPACK_OBJECT_MAP)
        return wrong(ctx, path, "a map of fields", "字段映射");
    struct kt_map *line = kt_map_new(ctx);
    for (uint32_t i = 0; i < value->via.map.size; i++) {
        const msgpack_object_kv *pair = &value->via.map.ptr[i];
        if (pair->key.type != MSGPACK_OBJECT_STR)
            return wrong(ctx, path, "a map with text keys", "键为文本的映射");
        const char *name = pair->key.via.str.ptr;
        size_t length = pair->key.via.str.size;
        if (length == 2 && memcmp(name, "id", 2) == 0) {
            if (pair->val.type == MSGPACK_OBJECT_NIL)
                continue;
            if (pair->val.type != MSGPACK_OBJECT_POSITIVE_INTEGER)
                return wrong(ctx, place_in(ctx, path, name, length), "a line id", "行编号");
            kt_map_set(line, "id", pair->val);
            continue;
        }
        const struct schema_field *part = schema_line_field(field, name, length);
        const char *place = place_in(ctx, path, name, length);
        const char *asleep = record_asleep(field->asleep, name, length);
        if (!part && asleep) {
            kt_map_set(line, asleep, pair->val);
            continue;
        }
        if (!part)
            return kt_fail(ctx, KT_INVALID, place, "there is no field %s", "没有字段 %s",
                           context_quote(ctx, place, strlen(place)));
        msgpack_object checked;
        KT_TRY(record_check_value(ctx, part, place, &pair->val, &checked));
        kt_map_set(line, part->decl->name, checked);
    }
    *out = line->object;
    return KT_OK;
}

static enum kt_status check_lines(struct kt_ctx *ctx, const struct schema_field *field,
                                  const char *path, const msgpack_object *value,
                                  msgpack_object *out)
{
    if (value->type != MSGPACK_OBJECT_ARRAY)
        return wrong(ctx, path, "a list of lines", "行列表");
    if (value->via.array.size > field->max_length)
        return kt_fail(ctx, KT_TOO_LARGE, path, "%s has more than %u lines", "%s 超过 %u 行", path,
                       field->max_length);
    struct kt_list *list = kt_list_new(ctx);
    for (uint32_t i = 0; i < value->via.array.size; i++) {
        msgpack_object line;
        if (check_line(ctx, field, "", &value->via.array.ptr[i], &line) != KT_OK) {
            context_forgive(ctx);
            return check_line(ctx, field, kt_format(ctx, "%s[%u]", path, i),
                              &value->via.array.ptr[i], &line);
        }
        kt_list_add(list, line);
    }
    *out = list->object;
    return context_check_memory(ctx);
}

enum kt_status record_check_value(struct kt_ctx *ctx, const struct schema_field *field,
                                  const char *path, const msgpack_object *value,
                                  msgpack_object *out)
{
    kt_date date;
    kt_instant_us at;
    *out = *value;
    if (value->type == MSGPACK_OBJECT_NIL)
        return KT_OK;
    switch (field->decl->type) {
    case KT_TEXT:
        if (value->type == MSGPACK_OBJECT_STR && value->via.str.size == 0) {
            *out = kt_nil(); /* Empty text and no text are the same thing to people. */
            return KT_OK;
        }
        KT_TRY(record_text_check(ctx, field->max_length, path, value));
        return field->decl->flags & KT_MULTILINE ? KT_OK : check_one_line(ctx, path, value);
    case KT_INT:
        return check_int(ctx, field, path, value);
    case KT_DECIMAL:
    case KT_MONEY:
    case KT_QUANTITY:
        return check_decimal(ctx, field, path, value, out);
    case KT_BOOL:
        return value->type == MSGPACK_OBJECT_BOOLEAN ? KT_OK
                                                     : wrong(ctx, path, "true or false", "真或假");
    case KT_DATE:
        if (value->type == MSGPACK_OBJECT_STR &&
            kt_date_parse(value->via.str.ptr, value->via.str.size, &date))
            return KT_OK;
        return wrong(ctx, path, "a date YYYY-MM-DD", "YYYY-MM-DD 格式的日期");
    case KT_INSTANT:
        if (!context_instant_of(value, &at))
            return wrong(ctx, path, "a msgpack timestamp", "msgpack 时间戳");
        if (at < INSTANT_MIN || at > INSTANT_MAX)
            return wrong(ctx, path, "an instant of the years 1 to 9999",
                         "公元 1 年至 9999 年的时刻");
        *out = kt_instant_value(ctx, at); /* The same moment can be written in several ways. */
        return KT_OK;
    case KT_ENUM:
        return check_enum(ctx, field, path, value);
    case KT_STATE:
        return value->type == MSGPACK_OBJECT_STR ? KT_OK : wrong(ctx, path, "a state", "状态");
    case KT_REF:
        return check_ref(ctx, field, path, value);
    case KT_LINES:
        return check_lines(ctx, field, path, value, out);
    case KT_TAGS:
        return check_tags(ctx, field, path, value);
    case KT_REFS:
        return check_refs(ctx, field, path, value);
    case KT_FILE:
        return record_file_check(ctx, path, value, out);
    case KT_JSON:
        return (field->decl->flags & KT_UNCHECKED) || json_fits(value, 0)
                   ? KT_OK
                   : wrong(ctx, path, "plain data of modest depth", "深度适中的普通数据");
    }
    return KT_INTERNAL;
}

/* --- Parameters of methods --- */

/* Parameters are declared like fields but belong to no entity, so they are linked here, on use;
 * they are few. */
static void link_param(struct kt_ctx *ctx, const struct kt_field *decl, struct schema_field *out)
{
    *out = (struct schema_field){.decl = decl, .digits = decl->digits ? decl->digits : 6};
    out->max_length = decl->max_length ? decl->max_length : KT_LIMIT_TEXT;
    if (decl->type == KT_MONEY) {
        /* Which currency it is, the record it goes into will tell. */
        int most = decl->currency ? SCHEMA_CURRENCY_DIGITS : ctx->schema->currency_digits;
        out->min_digits = decl->currency ? 0 : most;
        out->digits = decl->digits > most ? decl->digits : most;
    }
    if (decl->type == KT_LINES || decl->type == KT_TAGS)
        out->max_length = decl->max_length ? decl->max_length : KT_LIMIT_LINES;
    if (decl->type == KT_REFS)
        out->max_length = decl->max_length ? decl->max_length : KT_LIMIT_REFS;
    if (decl->type == KT_REF || decl->type == KT_REFS)
        out->target = schema_entity(ctx->schema, decl->to, strlen(decl->to));
    if (decl->type == KT_LINES) {
        out->line_count = decl->lines.count;
        out->lines = kt_alloc(ctx, sizeof(*out->lines) * decl->lines.count);
        for (size_t i = 0; i < decl->lines.count; i++)
            link_param(ctx, &decl->lines.at[i], &out->lines[i]);
    }
}

static bool named(const msgpack_object *key, const char *name)
{
    return key->type == MSGPACK_OBJECT_STR && key->via.str.size == strlen(name) &&
           memcmp(key->via.str.ptr, name, key->via.str.size) == 0;
}

static enum kt_status check_param(struct kt_ctx *ctx, struct kt_fields fields,
                                  const msgpack_object_kv *pair, struct kt_names extra,
                                  struct kt_map *out)
{
    for (size_t i = 0; i < extra.count; i++)
        if (named(&pair->key, extra.at[i])) {
            kt_map_set(out, extra.at[i], pair->val);
            return KT_OK;
        }
    for (size_t i = 0; i < fields.count; i++)
        if (named(&pair->key, fields.at[i].name)) {
            struct schema_field field;
            msgpack_object value;
            link_param(ctx, &fields.at[i], &field);
            KT_TRY(record_check_value(ctx, &field, fields.at[i].name, &pair->val, &value));
            KT_TRY(record_check_lines_complete(ctx, &field, fields.at[i].name, &value));
            kt_map_set(out, fields.at[i].name, value);
            return KT_OK;
        }
    if (pair->key.type != MSGPACK_OBJECT_STR)
        return kt_fail(ctx, KT_INVALID, "params", "parameter names must be text",
                       "参数名必须是文本");
    const char *name = kt_format(ctx, "%.*s", (int)pair->key.via.str.size, pair->key.via.str.ptr);
    return kt_fail(ctx, KT_INVALID, name, "there is no parameter %s", "没有参数 %s",
                   context_quote(ctx, name, strlen(name)));
}

enum kt_status record_check_params(struct kt_ctx *ctx, struct kt_fields fields,
                                   const msgpack_object *params, struct kt_names extra,
                                   const msgpack_object **out)
{
    struct kt_map *checked = kt_map_new(ctx);
    if (params->type != MSGPACK_OBJECT_MAP)
        return kt_fail(ctx, KT_INVALID, "params", "parameters must be a map", "参数必须是映射");
    for (uint32_t i = 0; i < params->via.map.size; i++)
        KT_TRY(check_param(ctx, fields, &params->via.map.ptr[i], extra, checked));
    for (size_t i = 0; i < fields.count; i++)
        if ((fields.at[i].flags & KT_REQUIRED) && !kt_has(&checked->object, fields.at[i].name))
            return kt_fail(ctx, KT_INVALID, fields.at[i].name, "%s is required", "%s 为必填项",
                           fields.at[i].name);
    *out = &checked->object;
    return context_check_memory(ctx);
}

enum kt_status record_check_lines_complete(struct kt_ctx *ctx, const struct schema_field *field,
                                           const char *path, const msgpack_object *value)
{
    if (field->decl->type != KT_LINES || value->type != MSGPACK_OBJECT_ARRAY)
        return KT_OK;
    for (uint32_t i = 0; i < value->via.array.size; i++)
        for (size_t j = 0; j < field->line_count; j++) {
            const struct kt_field *part = field->lines[j].decl;
            if ((part->flags & KT_REQUIRED) && !kt_has(&value->via.array.ptr[i], part->name)) {
                const char *place = kt_format(ctx, "%s[%u].%s", path, i, part->name);
                return kt_fail(ctx, KT_INVALID, place, "%s is required", "%s 为必填项", place);
            }
        }
    return KT_OK;
}
