/* time.c - instants as text and back.
 *
 * Days since 1970 and civil dates: the era algorithm (400 years of 146,097 days, years that begin in March) of
 * H. Hinnant, "chrono-Compatible Low-Level Date Algorithms". Pure; any thread. */
#include "base/time.h"

#define US_PER_DAY (86400 * TIME_US_PER_S)

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t days_from_civil(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = floor_div(y, 400), yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

struct civil civil_from_us(int64_t time_us)
{
    int64_t days = floor_div(time_us, US_PER_DAY), in_day = time_us - days * US_PER_DAY;
    int64_t z = days + 719468, era = floor_div(z, 146097), doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int month = (int)(mp < 10 ? mp + 3 : mp - 9), sec = (int)(in_day / TIME_US_PER_S);
    return (struct civil){
        .year = (int)(yoe + era * 400 + (month <= 2)),
        .month = month,
        .day = (int)(doy - (153 * mp + 2) / 5 + 1),
        .hour = sec / 3600,
        .minute = sec / 60 % 60,
        .second = sec % 60,
        .micro = (int)(in_day % TIME_US_PER_S),
    };
}

int64_t civil_to_us(const struct civil *c)
{
    int64_t sec = days_from_civil(c->year, c->month, c->day) * 86400 + c->hour * 3600 + c->minute * 60 + c->second;
    return sec * TIME_US_PER_S + c->micro;
}

static char *put_digits(char *p, unsigned v, int n)
{
    for (int i = n; i-- > 0; v /= 10) p[i] = (char)('0' + v % 10);
    return p + n;
}

static char *put_char(char *p, char c)
{
    *p = c;
    return p + 1;
}

const char *time_format(int64_t time_us, char out[TIME_TEXT_MAX])
{
    struct civil c = civil_from_us(time_us < TIME_MIN_US ? TIME_MIN_US : time_us > TIME_MAX_US ? TIME_MAX_US : time_us);
    char *p = put_digits(out, (unsigned)c.year, 4);
    p = put_digits(put_char(p, '-'), (unsigned)c.month, 2);
    p = put_digits(put_char(p, '-'), (unsigned)c.day, 2);
    p = put_digits(put_char(p, 'T'), (unsigned)c.hour, 2);
    p = put_digits(put_char(p, ':'), (unsigned)c.minute, 2);
    p = put_digits(put_char(p, ':'), (unsigned)c.second, 2);
    if (c.micro % 1000)
        p = put_digits(put_char(p, '.'), (unsigned)c.micro, 6);
    else if (c.micro)
        p = put_digits(put_char(p, '.'), (unsigned)c.micro / 1000, 3);
    *put_char(p, 'Z') = 0;
    return out;
}

/* ---- reading ---- */

static int bad_time(struct str s, struct error *e)
{
    return error_set(e, ERR_INVALID, NULL,
                     "'%.*s' is no time: expected \"2026-11-22T19:20:36Z\", \"2026-11-22\" or epoch milliseconds",
                     "“%.*s”不是时间：应为 \"2026-11-22T19:20:36Z\"、\"2026-11-22\" 或纪元毫秒",
                     (int)(s.n > 60 ? 60 : s.n), s.p ? s.p : "");
}

static bool take(struct str *s, char c)
{
    if (s->n == 0 || s->p[0] != c) return false;
    *s = str_sub(*s, 1, s->n);
    return true;
}

/* Exactly n digits, lo..hi. */
static bool take_number(struct str *s, size_t n, int lo, int hi, int *ret)
{
    if (s->n < n) return false;
    int v = 0;
    for (size_t i = 0; i < n; i++) {
        if (s->p[i] < '0' || s->p[i] > '9') return false;
        v = v * 10 + (s->p[i] - '0');
    }
    *s = str_sub(*s, n, s->n);
    *ret = v;
    return v >= lo && v <= hi;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static bool take_date(struct str *s, struct civil *c)
{
    return take_number(s, 4, 1, 9999, &c->year) && take(s, '-') && take_number(s, 2, 1, 12, &c->month) &&
           take(s, '-') && take_number(s, 2, 1, days_in_month(c->year, c->month), &c->day);
}

/* ".5" to ".123456789"; microseconds are kept. */
static bool take_fraction(struct str *s, int *ret_us)
{
    if (!take(s, '.') && !take(s, ',')) return true;
    size_t n = 0;
    int us = 0;
    for (; n < s->n && s->p[n] >= '0' && s->p[n] <= '9'; n++) us = n < 6 ? us * 10 + (s->p[n] - '0') : us;
    for (size_t i = n; i < 6; i++) us *= 10;
    *s = str_sub(*s, n, s->n);
    *ret_us = us;
    return n >= 1 && n <= 9;
}

static bool take_clock(struct str *s, struct civil *c)
{
    if (!take_number(s, 2, 0, 23, &c->hour) || !take(s, ':') || !take_number(s, 2, 0, 59, &c->minute)) return false;
    if (!take(s, ':')) return true;
    return take_number(s, 2, 0, c->minute == 59 ? 60 : 59, &c->second) && take_fraction(s, &c->micro);
}

static bool take_zone(struct str *s, int *ret_minutes)
{
    *ret_minutes = 0;
    if (s->n == 0 || take(s, 'Z') || take(s, 'z')) return true;
    bool minus = take(s, '-');
    int h, m = 0;
    if (!minus && !take(s, '+')) return false;
    if (!take_number(s, 2, 0, 23, &h)) return false;
    take(s, ':');
    if (s->n && !take_number(s, 2, 0, 59, &m)) return false;
    *ret_minutes = (minus ? -1 : 1) * (h * 60 + m);
    return true;
}

static bool in_range(int64_t us)
{
    return us >= TIME_MIN_US && us <= TIME_MAX_US;
}

static bool parse_rfc3339(struct str s, int64_t *ret_us)
{
    struct civil c = {0};
    int zone = 0;
    if (!take_date(&s, &c)) return false;
    if (s.n) {
        if (!take(&s, 'T') && !take(&s, 't') && !take(&s, ' ')) return false;
        if (!take_clock(&s, &c) || !take_zone(&s, &zone) || s.n) return false;
    }
    int64_t us = civil_to_us(&c) - zone * 60 * TIME_US_PER_S;
    if (in_range(us)) *ret_us = us;
    return in_range(us);
}

static bool parse_epoch(struct str s, int64_t *ret_us)
{
    int64_t n, us;
    if (str_to_i64(s, &n)) return false;
    bool ms = n >= 100000000000LL || n <= -100000000000LL;
    if (__builtin_mul_overflow(n, ms ? 1000 : TIME_US_PER_S, &us) || !in_range(us)) return false;
    *ret_us = us;
    return true;
}

int time_parse(struct str s, int64_t *ret_us, struct error *e)
{
    return parse_epoch(s, ret_us) || parse_rfc3339(s, ret_us) ? 0 : bad_time(s, e);
}

/* ---- words ---- */

enum anchor { AT_NOW, AT_TODAY, AT_YESTERDAY };
static const struct {
    const char *word;
    enum anchor at;
} words[] = {{"*", AT_NOW},      {"now", AT_NOW}, {"today", AT_TODAY}, {"t", AT_TODAY}, {"yesterday", AT_YESTERDAY},
             {"y", AT_YESTERDAY}};

/* Longer names first, so that "mo" is not "m". */
static const struct {
    const char *name;
    int64_t us;
    int months;
} steps[] = {{"mo", 0, 1},
             {"y", 0, 12},
             {"s", TIME_US_PER_S, 0},
             {"m", 60 * TIME_US_PER_S, 0},
             {"h", 3600 * TIME_US_PER_S, 0},
             {"d", US_PER_DAY, 0},
             {"w", 7 * US_PER_DAY, 0}};

static int64_t midnight(int64_t us, int tz_minutes)
{
    int64_t zone = tz_minutes * 60 * TIME_US_PER_S;
    return floor_div(us + zone, US_PER_DAY) * US_PER_DAY - zone;
}

/* The same day of another month, or its last day. */
static bool add_months(int64_t *us, int64_t months, int tz_minutes)
{
    int64_t zone = tz_minutes * 60 * TIME_US_PER_S;
    struct civil c = civil_from_us(*us + zone);
    int64_t total = (int64_t)c.year * 12 + c.month - 1 + months;
    if (total < 12 || total >= 10000 * 12) return false;
    c.year = (int)(total / 12);
    c.month = (int)(total % 12) + 1;
    int last = days_in_month(c.year, c.month);
    if (c.day > last) c.day = last;
    *us = civil_to_us(&c) - zone;
    return true;
}

/* "-8h" at the front of *s onto *us. */
static bool take_step(struct str *s, int64_t *us, int tz_minutes)
{
    bool minus = take(s, '-');
    if (!minus && !take(s, '+')) return false;
    size_t n = 0;
    while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9') n++;
    int64_t count, by;
    if (n > 12 || str_to_i64(str_sub(*s, 0, n), &count)) return false;
    *s = str_sub(*s, n, s->n);
    if (minus) count = -count;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (!str_starts(*s, str_of(steps[i].name))) continue;
        *s = str_sub(*s, strlen(steps[i].name), s->n);
        if (steps[i].months)
            return count > -200000 && count < 200000 && add_months(us, count * steps[i].months, tz_minutes);
        return !__builtin_mul_overflow(count, steps[i].us, &by) && !__builtin_add_overflow(*us, by, us) &&
               in_range(*us);
    }
    return false;
}

static bool take_anchor(struct str *s, int64_t now_us, int tz_minutes, int64_t *ret_us)
{
    int64_t today = midnight(now_us, tz_minutes);
    const int64_t at[] = {now_us, today, today - US_PER_DAY};
    *ret_us = now_us;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct str w = str_of(words[i].word);
        if (!str_starts(*s, w)) continue;
        *s = str_sub(*s, w.n, s->n);
        *ret_us = at[words[i].at];
        return true;
    }
    return s->n > 1 && (s->p[0] == '-' || s->p[0] == '+') &&
           (s->p[s->n - 1] < '0' || s->p[s->n - 1] > '9'); /* "-8h": from now */
}

int time_parse_words(struct str s, int64_t now_us, int tz_minutes, int64_t *ret_us, struct error *e)
{
    struct str rest = str_trim(s);
    int64_t us;
    if (!take_anchor(&rest, now_us, tz_minutes, &us)) return time_parse(str_trim(s), ret_us, e);
    while (rest.n) {
        if (take_step(&rest, &us, tz_minutes)) continue;
        return error_set(
            e, ERR_INVALID, NULL,
            "'%.*s' is no time: expected words like \"*\", \"*-8h\", \"t+6h\", \"y\" (units s m h d w mo y)",
            "“%.*s”不是时间：应为 \"*\"、\"*-8h\"、\"t+6h\"、\"y\" 等（单位 s m h d w mo y）",
            (int)(s.n > 60 ? 60 : s.n), s.p);
    }
    *ret_us = us;
    return 0;
}

static const struct {
    const char *name;
    double us;
} durations[] = {{"", 1e3},     {"us", 1},     {"ms", 1e3},    {"s", 1e6},     {"m", 60e6},
                 {"min", 60e6}, {"h", 3600e6}, {"d", 86400e6}, {"w", 604800e6}};

int duration_parse(struct str s, int64_t *ret_us, struct error *e)
{
    size_t n = 0;
    double count;
    while (n < s.n && ((s.p[n] >= '0' && s.p[n] <= '9') || s.p[n] == '.')) n++;
    struct str unit = str_sub(s, n, s.n);
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        if (!str_is(unit, durations[i].name) || str_to_double(str_sub(s, 0, n), &count)) continue;
        double us = count * durations[i].us + 0.5;
        if (us < 1 || us > 9e18) break;
        *ret_us = (int64_t)us;
        return 0;
    }
    return error_set(e, ERR_INVALID, NULL,
                     "'%.*s' is no duration: expected more than 0, like \"500ms\", \"10s\", \"5m\", \"1h\", \"1d\"",
                     "“%.*s”不是时长：应大于 0，如 \"500ms\"、\"10s\"、\"5m\"、\"1h\"、\"1d\"",
                     (int)(s.n > 60 ? 60 : s.n), s.p ? s.p : "");
}
