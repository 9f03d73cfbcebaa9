/* iec104_time.c - binary times (IEC 60870-5-101, 7.2.6.18 and 7.2.6.20).
 *
 *   CP56Time2a  ms low, ms high (0..59999 of the minute) | IV, GEN, minute | SU, hour | weekday, day | month | year
 *   CP24Time2a  the first three of these bytes */
#include "base/time.h"
#include "proto/iec104.h"

#define MINUTE_US 60000000LL
#define HOUR_US (60 * MINUTE_US)

struct iec104_time iec104_cp24_get(const uint8_t p[3])
{
    return (struct iec104_time){.set = true,
                                .ms = (uint16_t)(p[0] | p[1] << 8),
                                .minute = p[2] & 0x3f,
                                .substituted = p[2] >> 6 & 1,
                                .invalid = p[2] >> 7};
}

struct iec104_time iec104_cp56_get(const uint8_t p[7])
{
    struct iec104_time t = iec104_cp24_get(p);
    t.full = true;
    t.hour = p[3] & 0x1f;
    t.summer = p[3] >> 7;
    t.day = p[4] & 0x1f;
    t.weekday = p[4] >> 5;
    t.month = p[5] & 0x0f;
    t.year = p[6] & 0x7f;
    return t;
}

void iec104_cp24_put(const struct iec104_time *t, uint8_t p[3])
{
    p[0] = (uint8_t)t->ms;
    p[1] = (uint8_t)(t->ms >> 8);
    p[2] = (uint8_t)((t->minute & 0x3f) | (t->substituted ? 0x40 : 0) | (t->invalid ? 0x80 : 0));
}

void iec104_cp56_put(const struct iec104_time *t, uint8_t p[7])
{
    iec104_cp24_put(t, p);
    p[3] = (uint8_t)((t->hour & 0x1f) | (t->summer ? 0x80 : 0));
    p[4] = (uint8_t)((t->day & 0x1f) | t->weekday << 5);
    p[5] = t->month & 0x0f;
    p[6] = t->year & 0x7f;
}

struct iec104_time iec104_time_of(int64_t local_us)
{
    struct civil c = civil_from_us(local_us);
    int64_t days = (local_us - (local_us % (24 * HOUR_US) + 24 * HOUR_US) % (24 * HOUR_US)) / (24 * HOUR_US);
    return (struct iec104_time){.set = true,
                                .full = true,
                                .year = (uint8_t)(c.year % 100),
                                .month = (uint8_t)c.month,
                                .day = (uint8_t)c.day,
                                .weekday = (uint8_t)(((days + 3) % 7 + 7) % 7 + 1), /* 1970-01-01 was a Thursday */
                                .hour = (uint8_t)c.hour,
                                .minute = (uint8_t)c.minute,
                                .ms = (uint16_t)(c.second * 1000 + c.micro / 1000)};
}

static int days_in(int year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Years 0..69 are 2000..2069, 70..99 are 1970..1999. */
static int full_time(const struct iec104_time *t, int64_t *ret_us)
{
    int year = t->year + (t->year < 70 ? 2000 : 1900);
    if (t->year > 99 || t->month < 1 || t->month > 12 || t->day < 1 || t->day > days_in(year, t->month) || t->hour > 23)
        return ERR_INVALID;
    struct civil c = {.year = year, .month = t->month, .day = t->day, .hour = t->hour, .minute = t->minute};
    *ret_us = civil_to_us(&c) + t->ms * 1000LL;
    return 0;
}

int iec104_time_local(const struct iec104_time *t, int64_t near_us, int64_t *ret_us)
{
    if (!t->set || t->invalid || t->minute > 59 || t->ms > 59999) return ERR_INVALID;
    if (t->full) return full_time(t, ret_us);
    int64_t in_hour = (near_us % HOUR_US + HOUR_US) % HOUR_US, at = t->minute * MINUTE_US + t->ms * 1000LL;
    int64_t us = near_us - in_hour + at;
    if (at - in_hour > HOUR_US / 2) us -= HOUR_US;
    if (in_hour - at > HOUR_US / 2) us += HOUR_US;
    *ret_us = us;
    return 0;
}
