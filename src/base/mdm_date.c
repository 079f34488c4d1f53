
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Turns dates of JSON (RFC 3339) into those of a plist, and times into both.
 */


#include <stdio.h>

#include "mdm_date.h"


/* seconds to 1970 from the start of year 0, where mdm_date_days() begins */
#define MDM_DATE_UNIX         (mdm_date_days(1970, 1, 1) * 86400)


static mdm_int_t mdm_date_write(u_char *dst, int64_t seconds);
static mdm_int_t mdm_date_parse(const mdm_str_t *text, int64_t *seconds);
static mdm_int_t mdm_date_zone(const u_char *p, size_t len, int64_t *zone);
static mdm_int_t mdm_date_digits(const u_char *p, size_t n, int64_t *value);
static int64_t mdm_date_days(int64_t year, int64_t month, int64_t day);


mdm_int_t
mdm_date_utc(u_char *dst, const mdm_str_t *text)
{
    int64_t  seconds;

    if (mdm_date_parse(text, &seconds) != MDM_OK) {
        return MDM_DECLINED;
    }

    return mdm_date_write(dst, seconds);
}


mdm_int_t
mdm_date_unix(u_char *dst, int64_t seconds)
{
    /* beyond the years 1 to 9999; what follows must not overflow */

    if (seconds < -MDM_DATE_UNIX || seconds > 10000 * 366LL * 86400) {
        return MDM_DECLINED;
    }

    return mdm_date_write(dst, seconds + MDM_DATE_UNIX);
}


/* writes the date that is so many seconds behind the start of year 0 */

static mdm_int_t
mdm_date_write(u_char *dst, int64_t seconds)
{
    char     buf[64];
    int64_t  days, year, month;

    days = seconds / 86400;
    seconds -= days * 86400;

    year = days / 366;

    while (mdm_date_days(year + 1, 1, 1) <= days) {
        year++;
    }

    if (year < 1 || year > 9999) {
        return MDM_DECLINED;
    }

    month = 1;

    while (month < 12 && mdm_date_days(year, month + 1, 1) <= days) {
        month++;
    }

    snprintf(buf, sizeof(buf), "%04d-%02d-%02dT%02d:%02d:%02dZ", (int) year,
             (int) month, (int) (days - mdm_date_days(year, month, 1) + 1),
             (int) (seconds / 3600), (int) (seconds / 60 % 60),
             (int) (seconds % 60));

    memcpy(dst, buf, MDM_DATE_LEN);

    return MDM_OK;
}


/* reads a date, as seconds since the start of year 0 */

static mdm_int_t
mdm_date_parse(const mdm_str_t *text, int64_t *seconds)
{
    size_t         i;
    int64_t        year, month, day, hour, minute, second, zone;
    const u_char  *p;

    p = text->data;

    if (text->len < MDM_DATE_LEN
        || mdm_date_digits(p, 4, &year) != MDM_OK
        || p[4] != '-'
        || mdm_date_digits(p + 5, 2, &month) != MDM_OK
        || p[7] != '-'
        || mdm_date_digits(p + 8, 2, &day) != MDM_OK
        || (p[10] != 'T' && p[10] != 't')
        || mdm_date_digits(p + 11, 2, &hour) != MDM_OK
        || p[13] != ':'
        || mdm_date_digits(p + 14, 2, &minute) != MDM_OK
        || p[16] != ':'
        || mdm_date_digits(p + 17, 2, &second) != MDM_OK)
    {
        return MDM_DECLINED;
    }

    if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59
        || second > 59)
    {
        return MDM_DECLINED;
    }

    /* a day that the month does not have would be in the next month */

    if (mdm_date_days(year, month, day)
        >= mdm_date_days(year + month / 12, month % 12 + 1, 1))
    {
        return MDM_DECLINED;
    }

    i = 19;

    if (p[i] == '.') {
        i++;

        if (i == text->len || p[i] < '0' || p[i] > '9') {
            return MDM_DECLINED;
        }

        while (i < text->len && p[i] >= '0' && p[i] <= '9') {
            i++;
        }
    }

    if (mdm_date_zone(p + i, text->len - i, &zone) != MDM_OK) {
        return MDM_DECLINED;
    }

    *seconds = mdm_date_days(year, month, day) * 86400 + hour * 3600
               + minute * 60 + second - zone;

    return (*seconds < 0) ? MDM_DECLINED : MDM_OK;
}


static mdm_int_t
mdm_date_zone(const u_char *p, size_t len, int64_t *zone)
{
    int64_t  hours, minutes;

    if (len == 1 && (*p == 'Z' || *p == 'z')) {
        *zone = 0;
        return MDM_OK;
    }

    if (len != 6
        || (*p != '+' && *p != '-')
        || mdm_date_digits(p + 1, 2, &hours) != MDM_OK
        || p[3] != ':'
        || mdm_date_digits(p + 4, 2, &minutes) != MDM_OK
        || hours > 23 || minutes > 59)
    {
        return MDM_DECLINED;
    }

    *zone = hours * 3600 + minutes * 60;

    if (*p == '-') {
        *zone = -*zone;
    }

    return MDM_OK;
}


static mdm_int_t
mdm_date_digits(const u_char *p, size_t n, int64_t *value)
{
    *value = 0;

    while (n-- != 0) {
        if (*p < '0' || *p > '9') {
            return MDM_DECLINED;
        }

        *value = *value * 10 + (*p++ - '0');
    }

    return MDM_OK;
}


/* days since the first of January of year 0, Gregorian */

static int64_t
mdm_date_days(int64_t year, int64_t month, int64_t day)
{
    int64_t  leap, before;

    static const int  days[] = {
        0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334
    };

    leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    /* leap years before this one; year 0 is one of them */

    before = (year == 0) ? 0 : (year - 1) / 4 - (year - 1) / 100
                               + (year - 1) / 400 + 1;

    return year * 365 + before + days[month - 1] + (month > 2 ? leap : 0)
           + day - 1;
}
