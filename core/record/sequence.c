/* Document numbers: a pattern of literal text, {year} and {N} (the running number, zero-padded to N
 * digits). A pattern with {year} counts anew each year. Gapless: the number is taken in the
 * request's transaction and given back with it when it fails. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/record_internal.h"

static int sequence_year(const struct kt_ctx *ctx)
{
    int year, month, day;
    kt_date_to_civil(kt_today(ctx), &year, &month, &day);
    return year;
}

enum kt_status record_next_number(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const struct kt_field *field, msgpack_object *out)
{
    const char *pattern = field->sequence;
    int year = sequence_year(ctx);
    const char *counter = kt_format(ctx, "sequence:%s.%s", entity->name, field->name);
    if (strstr(pattern, "{year}"))
        counter = kt_format(ctx, "%s.%d", counter, year);
    uint64_t number;
    KT_TRY(record_count_up(ctx, counter, &number));
    const char *text = "";
    for (const char *at = pattern; *at; at++) {
        if (*at != '{')
            text = kt_format(ctx, "%s%c", text, *at);
        else if (strncmp(at, "{year}", 6) == 0)
            text = kt_format(ctx, "%s%04d", text, year);
        else
            text = kt_format(ctx, "%s%0*llu", text, (int)strtol(at + 1, NULL, 10),
                             (unsigned long long)number);
        if (*at == '{') /* It is closed: the pattern was checked when its plugin came. */
            at = strchr(at, '}');
    }
    *out = kt_text(text);
    return KT_OK;
}
