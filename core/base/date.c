/* Days and civil dates. Both ways count in years that begin on 1 March, so that the leap day is the
 * last of its year, and in cycles of 400 years = 146097 days, after which the calendar repeats
 * (H. Hinnant, "chrono-compatible low-level date algorithms", which derives the constants). */
#include "kontor/date.h"

#include <string.h>

#define YEAR_MIN 1
#define YEAR_MAX 9999

#define DAYS_PER_CYCLE INT64_C(146097)
/** From 0000-03-01, where a cycle begins, to 1970-01-01. */
#define DAYS_TO_EPOCH INT64_C(719468)
#define US_PER_SECOND INT64_C(1000000)
#define US_PER_DAY    (INT64_C(86400) * US_PER_SECOND)

struct civil {
    int64_t year;
    int month; /* 1 .. 12 */
    int day;   /* 1 .. 31 */
};

static int64_t divide_down(int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

static int64_t days_from_civil(int64_t year, int month, int day)
{
    if (month <= 2)
        year--;
    int64_t cycle = divide_down(year, 400);
    int64_t year_of_cycle = year - cycle * 400;
    int month_from_march = (month + 9) % 12;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int64_t day_of_cycle =
        year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
    return cycle * DAYS_PER_CYCLE + day_of_cycle - DAYS_TO_EPOCH;
}

static struct civil civil_from_days(int64_t days)
{
    days += DAYS_TO_EPOCH;
    int64_t cycle = divide_down(days, DAYS_PER_CYCLE);
    int64_t day_of_cycle = days - cycle * DAYS_PER_CYCLE;
    /* Take the leap days out, then a year has 365 days. */
    int64_t year_of_cycle = (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36524 -
                             day_of_cycle / (DAYS_PER_CYCLE - 1)) /
                            365;
    int64_t day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    int month_from_march = (int)((5 * day_of_year + 2) / 153);
    struct civil civil = {
        .year = cycle * 400 + year_of_cycle,
        .month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9,
        .day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
    };
    civil.year += civil.month <= 2;
    return civil;
}

static int days_in_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

bool kt_date_from_civil(int year, int month, int day, kt_date *out)
{
    if (year < YEAR_MIN || year > YEAR_MAX || month < 1 || month > 12 || day < 1 ||
        day > days_in_month(year, month))
        return false;
    *out = (kt_date)days_from_civil(year, month, day);
    return true;
}

void kt_date_to_civil(kt_date date, int *year, int *month, int *day)
{
    struct civil civil = civil_from_days(date);
    *year = (int)civil.year;
    *month = civil.month;
    *day = civil.day;
}

/** The number that `digits` characters make; -1 when one of them is no digit. */
static int parse_number(const char *text, int digits)
{
    int number = 0;
    for (int i = 0; i < digits; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        number = number * 10 + (text[i] - '0');
    }
    return number;
}

bool kt_date_parse(const char *text, size_t length, kt_date *out)
{
    if (length != strlen("YYYY-MM-DD") || text[4] != '-' || text[7] != '-')
        return false;
    return kt_date_from_civil(parse_number(text, 4), parse_number(text + 5, 2),
                              parse_number(text + 8, 2), out);
}

/** At least `digits` digits, zeros in front. Returns the end. */
static char *write_number(char *at, int64_t number, int digits)
{
    char reversed[20];
    int count = 0;
    for (; number != 0 || count < digits; number /= 10)
        reversed[count++] = (char)('0' + number % 10);
    while (count > 0)
        *at++ = reversed[--count];
    return at;
}

static char *write_day(char *at, struct civil civil)
{
    if (civil.year < 0)
        *at++ = '-';
    at = write_number(at, civil.year < 0 ? -civil.year : civil.year, 4);
    *at++ = '-';
    at = write_number(at, civil.month, 2);
    *at++ = '-';
    return write_number(at, civil.day, 2);
}

size_t kt_date_format(kt_date date, char out[KT_DATE_TEXT_SIZE])
{
    /* No date that was parsed is outside the years 1 to 9999. One that was computed may be; it is
     * written whole (the buffer holds "-5877641-06-23"), which no one will take for a good date. */
    char *end = write_day(out, civil_from_days(date));
    *end = '\0';
    return (size_t)(end - out);
}

kt_date kt_date_add_months(kt_date date, int months)
{
    struct civil civil = civil_from_days(date);
    int64_t month_count = civil.year * 12 + (civil.month - 1) + months;
    int64_t year = divide_down(month_count, 12);
    /* There is no invalid date: what leaves the calendar stops at its first or last day. */
    if (year < YEAR_MIN)
        return (kt_date)days_from_civil(YEAR_MIN, 1, 1);
    if (year > YEAR_MAX)
        return (kt_date)days_from_civil(YEAR_MAX, 12, 31);
    int month = (int)(month_count - year * 12) + 1;
    int last = days_in_month(year, month);
    return (kt_date)days_from_civil(year, month, civil.day < last ? civil.day : last);
}

int kt_date_weekday(kt_date date)
{
    /* 1970-01-01 was a Thursday. */
    int64_t from_monday = (int64_t)date + 3;
    return (int)(from_monday - divide_down(from_monday, 7) * 7) + 1;
}

kt_date kt_date_week_start(kt_date date)
{
    return date - (kt_date_weekday(date) - 1);
}

kt_date kt_date_month_start(kt_date date)
{
    struct civil civil = civil_from_days(date);
    return (kt_date)days_from_civil(civil.year, civil.month, 1);
}

kt_date kt_date_quarter_start(kt_date date)
{
    struct civil civil = civil_from_days(date);
    return (kt_date)days_from_civil(civil.year, (civil.month - 1) / 3 * 3 + 1, 1);
}

kt_date kt_date_year_start(kt_date date)
{
    return (kt_date)days_from_civil(civil_from_days(date).year, 1, 1);
}

kt_date kt_date_of_instant(kt_instant_us at)
{
    return (kt_date)divide_down(at, US_PER_DAY);
}

size_t kt_instant_format(kt_instant_us at, char out[KT_INSTANT_TEXT_SIZE])
{
    int64_t day = divide_down(at, US_PER_DAY);
    /* divide_down(INT64_MIN) * US_PER_DAY would leave int64: take the remainder instead. */
    int64_t us = at % US_PER_DAY;
    if (us < 0)
        us += US_PER_DAY;
    int64_t seconds = us / US_PER_SECOND;
    char *end = write_day(out, civil_from_days(day));
    *end++ = 'T';
    end = write_number(end, seconds / 3600, 2);
    *end++ = ':';
    end = write_number(end, seconds / 60 % 60, 2);
    *end++ = ':';
    end = write_number(end, seconds % 60, 2);
    *end++ = '.';
    end = write_number(end, us % US_PER_SECOND, 6);
    *end++ = 'Z';
    *end = '\0';
    return (size_t)(end - out);
}

/* "17:20", "17:20:05", "17:20:05.25": microseconds since midnight; `used` bytes of the text. */
static bool parse_clock(const char *text, size_t length, int64_t *out, size_t *used)
{
    if (length < 5 || text[2] != ':')
        return false;
    int hour = parse_number(text, 2);
    int minute = parse_number(text + 3, 2);
    int second = 0;
    int64_t us = 0;
    size_t at = 5;
    if (length > at && text[at] == ':') {
        if (length < 8)
            return false;
        second = parse_number(text + 6, 2);
        at = 8;
    }
    if (at == 8 && length > at && text[at] == '.') {
        size_t first = ++at;
        int64_t worth = US_PER_SECOND / 10;
        for (; at < length && text[at] >= '0' && text[at] <= '9' && worth > 0; at++, worth /= 10)
            us += (text[at] - '0') * worth;
        if (at == first)
            return false;
    }
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return false;
    *out = (hour * INT64_C(3600) + minute * INT64_C(60) + second) * US_PER_SECOND + us;
    *used = at;
    return true;
}

/* Minutes east of Greenwich. */
static bool parse_offset(const char *text, size_t length, int64_t *out)
{
    *out = 0;
    if (length == 0 || (length == 1 && text[0] == 'Z'))
        return true;
    if (length != strlen("+08:00") || (text[0] != '+' && text[0] != '-') || text[3] != ':')
        return false;
    int hours = parse_number(text + 1, 2);
    int minutes = parse_number(text + 4, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return false;
    *out = (text[0] == '-' ? -1 : 1) * (hours * INT64_C(60) + minutes);
    return true;
}

bool kt_instant_parse(const char *text, size_t length, kt_instant_us *out)
{
    const size_t day_length = strlen("YYYY-MM-DD");
    kt_date day;
    int64_t us = 0;
    int64_t minutes = 0;
    size_t used = 0;
    if (length < day_length || !kt_date_parse(text, day_length, &day))
        return false;
    if (length > day_length) {
        const char *clock = text + day_length + 1;
        size_t rest = length - day_length - 1;
        if ((text[day_length] != 'T' && text[day_length] != ' ') ||
            !parse_clock(clock, rest, &us, &used) ||
            !parse_offset(clock + used, rest - used, &minutes))
            return false;
    }
    *out = (kt_instant_us)day * US_PER_DAY + us - minutes * 60 * US_PER_SECOND;
    return true;
}
