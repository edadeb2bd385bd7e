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
    char text[128];
    size_t used = 0;
    for (const char *at = pattern; *at && used + 32 < sizeof(text); at++) {
        const char *close = *at == '{' ? strchr(at, '}') : NULL;
        if (!close) {
            text[used++] = *at;
            continue;
        }
        if (strncmp(at, "{year}", 6) == 0)
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%04d", year);
        else
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%0*llu",
                                     (int)strtol(at + 1, NULL, 10), (unsigned long long)number);
        at = close;
    }
    *out = kt_text_of(context_copy(ctx, text, used), used);
    return KT_OK;
}
