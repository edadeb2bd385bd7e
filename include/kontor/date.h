/** Calendar dates (proleptic Gregorian, ISO 8601) and instants. Pure functions, any thread.
 *
 *  A date is the number of days since 1970-01-01; an instant is UTC microseconds since
 *  1970-01-01T00:00:00Z. On the wire a date is "YYYY-MM-DD" and an instant the msgpack timestamp.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kontor/export.h"

typedef int32_t kt_date;
typedef int64_t kt_instant_us;

#define KT_DATE_TEXT_SIZE    16
#define KT_INSTANT_TEXT_SIZE 40

/** Years 1 to 9999. False, `out` untouched, for anything but exactly "YYYY-MM-DD" of a real day. */
KT_EXPORT bool kt_date_parse(const char *text, size_t length, kt_date *out);
/** Writes "YYYY-MM-DD" and NUL; returns 10. */
KT_EXPORT size_t kt_date_format(kt_date date, char out[KT_DATE_TEXT_SIZE]);
KT_EXPORT bool kt_date_from_civil(int year, int month, int day, kt_date *out);
KT_EXPORT void kt_date_to_civil(kt_date date, int *year, int *month, int *day);
/** Same day `months` later (or earlier), the last day of the month when there is no such day.
 *  Stops at 0001-01-01 and 9999-12-31. */
KT_EXPORT kt_date kt_date_add_months(kt_date date, int months);
/** 1 = Monday .. 7 = Sunday (ISO 8601). */
KT_EXPORT int kt_date_weekday(kt_date date);
/** The Monday of its week (ISO 8601), the first day of its month, quarter or year. */
KT_EXPORT kt_date kt_date_week_start(kt_date date);
KT_EXPORT kt_date kt_date_month_start(kt_date date);
KT_EXPORT kt_date kt_date_quarter_start(kt_date date);
KT_EXPORT kt_date kt_date_year_start(kt_date date);
/** The UTC day of an instant. */
KT_EXPORT kt_date kt_date_of_instant(kt_instant_us at);
/** ISO 8601: a date, or "2026-11-23T17:20[:00[.123456]]" followed by nothing or "Z" (UTC) or an
 *  offset such as "+08:00"; a blank may stand for the T. False, `out` untouched, for else. */
KT_EXPORT bool kt_instant_parse(const char *text, size_t length, kt_instant_us *out);
/** "2026-11-23T17:20:00.123456Z" with NUL; returns the length. */
KT_EXPORT size_t kt_instant_format(kt_instant_us at, char out[KT_INSTANT_TEXT_SIZE]);
