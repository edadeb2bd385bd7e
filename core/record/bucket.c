/* Dates and instants cut to the first day of a span: what totals and aggregates group by. */
#include <string.h>

#include "record/record_internal.h"

static kt_date same_day(kt_date date)
{
    return date;
}

static const struct {
    const char *word;
    enum schema_cut cut;
    kt_date (*start)(kt_date date);
} cuts[] = {
    {"day", SCHEMA_DAY, same_day},
    {"week", SCHEMA_WEEK, kt_date_week_start},
    {"month", SCHEMA_MONTH, kt_date_month_start},
    {"quarter", SCHEMA_QUARTER, kt_date_quarter_start},
    {"year", SCHEMA_YEAR, kt_date_year_start},
};

bool schema_cut(const char *word, enum schema_cut *out)
{
    for (size_t i = 0; i < KT_COUNT(cuts); i++)
        if (strcmp(word, cuts[i].word) == 0) {
            *out = cuts[i].cut;
            return true;
        }
    return false;
}

bool record_bucket(enum schema_cut cut, const msgpack_object *value, char out[KT_DATE_TEXT_SIZE])
{
    kt_date date;
    kt_instant_us at;
    if (cut == SCHEMA_WHOLE || !value)
        return false;
    if (context_instant_of(value, &at))
        date = kt_date_of_instant(at);
    else if (value->type != MSGPACK_OBJECT_STR ||
             !kt_date_parse(value->via.str.ptr, value->via.str.size, &date))
        return false;
    for (size_t i = 0; i < KT_COUNT(cuts); i++)
        if (cuts[i].cut == cut)
            kt_date_format(cuts[i].start(date), out);
    return true;
}
