/* Document numbers: a pattern of literal text, {N} (the running number, zero-padded to N digits),
 * {year}, {month}, {day} and {field}, a field of the record. Numbers count anew for each of the
 * texts that these give: with {year} each year. Gapless: the number is taken in the request's
 * transaction and given back with it when it fails. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/record_internal.h"

static const char *field_text(struct kt_ctx *ctx, const msgpack_object *record, const char *name)
{
    const msgpack_object *value = kt_get(record, name);
    if (value && value->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        return kt_format(ctx, "%llu", (unsigned long long)value->via.u64);
    if (value && value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        return kt_format(ctx, "%lld", (long long)value->via.i64);
    return kt_get_text(ctx, record, name);
}

/* What stands for a token; NULL for the running number. */
static const char *token_text(struct kt_ctx *ctx, const msgpack_object *record, const char *token)
{
    int year, month, day;
    kt_date_to_civil(kt_today(ctx), &year, &month, &day);
    if (*token >= '0' && *token <= '9')
        return NULL;
    if (strcmp(token, "year") == 0)
        return kt_format(ctx, "%04d", year);
    if (strcmp(token, "month") == 0)
        return kt_format(ctx, "%02d", month);
    if (strcmp(token, "day") == 0)
        return kt_format(ctx, "%02d", day);
    return field_text(ctx, record, token);
}

enum kt_status record_next_number(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const struct kt_field *field, const msgpack_object *record,
                                  msgpack_object *out)
{
    const char *counter = kt_format(ctx, "sequence:%s.%s", entity->name, field->name);
    const char *before = "", *behind = "";
    int digits = 0;
    for (const char *at = field->sequence; *at; at++) {
        const char *text = kt_format(ctx, "%c", *at);
        if (*at == '{') {
            const char *end = strchr(at, '}'); /* It is there: the pattern was checked. */
            const char *token = kt_format(ctx, "%.*s", (int)(end - at - 1), at + 1);
            text = token_text(ctx, record, token);
            if (text)
                counter = kt_format(ctx, "%s.%s", counter, text);
            else
                digits = (int)strtol(token, NULL, 10);
            at = end;
        }
        if (text && digits == 0)
            before = kt_format(ctx, "%s%s", before, text);
        else if (text)
            behind = kt_format(ctx, "%s%s", behind, text);
    }
    uint64_t number;
    KT_TRY(record_count_up(ctx, counter, &number));
    *out =
        kt_text(kt_format(ctx, "%s%0*llu%s", before, digits, (unsigned long long)number, behind));
    return KT_OK;
}
