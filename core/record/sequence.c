/* Document numbers: a pattern of literal text, {N} (the running number, zero-padded to N digits),
 * {year}, {month}, {day} and {field}, a field of the record. Numbers count anew for each text that
 * these make of the pattern: with {year} each year. Gapless: the number is taken in the request's
 * transaction and given back with it when it fails. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/record_internal.h"

/* Bytes around the number: they name the counter, and catalog names are short. */
#define SHOWN_MOST 40

static bool is_token(const char *at, const char *token)
{
    size_t length = strlen(token);
    return strncmp(at, token, length) == 0 && at[length] == '}';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool record_number_shows_fields(const struct kt_field *field)
{
    const char *at = field->sequence;
    while ((at = strchr(at, '{')) != NULL) {
        at++;
        if (!is_digit(*at) && !is_token(at, "year") && !is_token(at, "month") &&
            !is_token(at, "day"))
            return true;
    }
    return false;
}

static const char *field_text(struct kt_ctx *ctx, const msgpack_object *record, const char *name)
{
    const msgpack_object *value = kt_get(record, name);
    if (value && value->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        return kt_format(ctx, "%llu", (unsigned long long)value->via.u64);
    if (value && value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        return kt_format(ctx, "%lld", (long long)value->via.i64);
    return kt_get_text(ctx, record, name);
}

static const char *token_text(struct kt_ctx *ctx, const msgpack_object *record, const char *at)
{
    int year, month, day;
    kt_date_to_civil(kt_today(ctx), &year, &month, &day);
    if (is_token(at, "year"))
        return kt_format(ctx, "%04d", year);
    if (is_token(at, "month"))
        return kt_format(ctx, "%02d", month);
    if (is_token(at, "day"))
        return kt_format(ctx, "%02d", day);
    return field_text(ctx, record, kt_format(ctx, "%.*s", (int)strcspn(at, "}"), at));
}

struct shown {
    const char *before, *behind;
    int digits; /* Of the number between them. */
};

/* The pattern was checked when it was declared: it is well formed. */
static struct shown show(struct kt_ctx *ctx, const char *pattern, const msgpack_object *record)
{
    struct shown shown = {"", "", 0};
    for (const char *at = pattern; *at; at++) {
        const char **side = shown.digits ? &shown.behind : &shown.before;
        if (*at != '{') {
            *side = kt_format(ctx, "%s%c", *side, *at);
            continue;
        }
        if (is_digit(at[1]))
            shown.digits = (int)strtol(at + 1, NULL, 10);
        else
            *side = kt_format(ctx, "%s%s", *side, token_text(ctx, record, at + 1));
        at = strchr(at, '}');
    }
    return shown;
}

/* What makes up the year alone, or nothing, has always been counted under that. */
static const char *counter_name(struct kt_ctx *ctx, const struct schema_entity *entity,
                                const struct kt_field *field, const struct shown *shown)
{
    const char *name = kt_format(ctx, "sequence:%s.%s", entity->name, field->name);
    const char *pattern = field->sequence;
    bool plain = !record_number_shows_fields(field) && !strstr(pattern, "{month}") &&
                 !strstr(pattern, "{day}");
    if (!plain)
        return kt_format(ctx, "%s:%s{}%s", name, shown->before, shown->behind);
    return strstr(pattern, "{year}") ? kt_format(ctx, "%s.%s", name, token_text(ctx, NULL, "year}"))
                                     : name;
}

enum kt_status record_next_number(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const struct kt_field *field, const msgpack_object *record,
                                  msgpack_object *out)
{
    struct shown shown = show(ctx, field->sequence, record);
    uint64_t number;
    if (record_number_shows_fields(field) &&
        strlen(shown.before) + strlen(shown.behind) > SHOWN_MOST)
        return kt_fail(ctx, KT_INVALID, field->name,
                       "the number would show \"%s%s\", more than %d bytes beside its digits",
                       "编号中除数字外的内容“%s%s”超过 %d 字节", shown.before, shown.behind,
                       SHOWN_MOST);
    KT_TRY(record_count_up(ctx, counter_name(ctx, entity, field, &shown), &number));
    *out = kt_text(kt_format(ctx, "%s%0*llu%s", shown.before, shown.digits,
                             (unsigned long long)number, shown.behind));
    return KT_OK;
}
