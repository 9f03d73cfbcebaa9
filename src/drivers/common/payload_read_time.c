/* payload_read_time.c - times as devices write them: numbers since 1970 in some unit, RFC 3339, patterns like those of
 * strptime (without a locale). */
#include "base/time.h"
#include "base/zone.h"
#include "drivers/common/payload_read_int.h"

const struct option_choice payload_time_formats[] = {
    {"auto", "Number or RFC 3339, by itself", "自动识别（数字或 RFC 3339）"},
    {"rfc3339", "RFC 3339 (ISO 8601)", "RFC 3339（ISO 8601）"},
    {"s", "Seconds since 1970", "自 1970 年的秒数"},
    {"ms", "Milliseconds since 1970", "自 1970 年的毫秒数"},
    {"us", "Microseconds since 1970", "自 1970 年的微秒数"},
    {"ns", "Nanoseconds since 1970", "自 1970 年的纳秒数"},
    {"pattern", "A pattern", "自定义样式"},
    {0},
};

static int bad_time(struct str s, const char *en, const char *zh, struct error *e)
{
    s = str_sub(s, 0, 60);
    return error_set(e, ERR_INVALID, "time", "'%.*s' is no time: %s%.0s", "“%.*s”不是时间：%.0s%s", STR_ARG(s), en, zh);
}

/* ---- numbers ---- */

static const double per_second[] = {[TIMES_S] = 1, [TIMES_MS] = 1e3, [TIMES_US] = 1e6, [TIMES_NS] = 1e9};

/* By its size: a time between 1973 and 5138 in any unit. */
static enum time_format_kind unit_of(double x)
{
    x = fabs(x);
    return x >= 1e17 ? TIMES_NS : x >= 1e14 ? TIMES_US : x >= 1e11 ? TIMES_MS : TIMES_S;
}

static int whole(int64_t v, enum time_format_kind unit, int64_t *ret)
{
    if (unit == TIMES_NS) *ret = v / 1000 - (v % 1000 < 0);
    if (unit == TIMES_US) *ret = v;
    bool over = unit == TIMES_MS ? __builtin_mul_overflow(v, 1000, ret)
                                 : unit == TIMES_S && __builtin_mul_overflow(v, 1000000, ret);
    return over || *ret < TIME_MIN_US || *ret > TIME_MAX_US ? ERR_INVALID : 0;
}

static int fractional(double v, enum time_format_kind unit, int64_t *ret)
{
    double us = v * (1e6 / per_second[unit]);
    if (!(us >= (double)TIME_MIN_US && us <= (double)TIME_MAX_US)) return ERR_INVALID;
    *ret = llround(us);
    return 0;
}

/* 1: the text is no number */
static int from_digits(struct str s, enum time_format_kind unit, int64_t *ret)
{
    int64_t i = 0, us = 0;
    double d = 0;
    bool auto_unit = unit == TIMES_AUTO;
    if (str_to_double(s, &d)) return 1;
    unit = auto_unit ? unit_of(d) : unit;
    int rc = str_to_i64(s, &i) ? fractional(d, unit, &us) : whole(i, unit, &us);
    if (!rc) *ret = us;
    return rc;
}

/* ---- RFC 3339 ---- */

/* Z, +hh:mm, +hhmm, +hh behind the time of day. */
static bool tells_offset(struct str s)
{
    if (s.n < 11) return false;
    s = str_sub(s, 10, s.n);
    char last = s.p[s.n - 1];
    return last == 'Z' || last == 'z' || str_find(s, '+') >= 0 || str_find(s, '-') >= 0;
}

static int from_rfc3339(const struct time_rule *t, struct str s, int64_t *ret, struct error *e)
{
    int64_t us = 0;
    if (s.n < 10 || s.p[4] != '-' || time_parse(s, &us, NULL))
        return bad_time(s, "2026-11-22T19:20:36Z or a number is expected", "应为 2026-11-22T19:20:36Z 或数字", e);
    if (!tells_offset(s)) {
        int64_t sec = us / 1000000 - (us % 1000000 < 0), rest = us - sec * 1000000;
        us = zone_utc(t->zone, sec) * 1000000 + rest;
    }
    *ret = us;
    return 0;
}

/* ---- patterns ---- */

struct fields {
    struct civil c;
    int yday, hour12, pm, offset_s;
    bool has_offset, has_pm, has_yday;
};

static bool digits(struct str *s, size_t min, size_t max, int lo, int hi, int *ret)
{
    size_t n = 0;
    int v = 0;
    while (n < s->n && n < max && s->p[n] >= '0' && s->p[n] <= '9') v = v * 10 + (s->p[n++] - '0');
    if (n < min || v < lo || v > hi) return false;
    *s = str_sub(*s, n, s->n);
    *ret = v;
    return true;
}

static bool take(struct str *s, char c)
{
    if (!s->n || s->p[0] != c) return false;
    *s = str_sub(*s, 1, s->n);
    return true;
}

static bool read_fraction(struct str *s, struct fields *f)
{
    int scale = 100000;
    size_t n = 0;
    for (f->c.micro = 0; n < s->n && s->p[n] >= '0' && s->p[n] <= '9'; n++, scale /= 10)
        f->c.micro += (s->p[n] - '0') * scale;
    *s = str_sub(*s, n, s->n);
    return n > 0;
}

static bool read_offset(struct str *s, struct fields *f)
{
    int h = 0, m = 0;
    f->has_offset = true;
    if (take(s, 'Z') || take(s, 'z')) return true;
    int sign = take(s, '+') ? 1 : take(s, '-') ? -1 : 0;
    if (!sign || !digits(s, 2, 2, 0, 23, &h)) return false;
    bool colon = take(s, ':');
    if (!digits(s, 2, 2, 0, 59, &m) && colon) return false;
    f->offset_s = sign * (h * 3600 + m * 60);
    return true;
}

static bool read_month(struct str *s, struct fields *f)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    for (int i = 0; i < 12; i++)
        if (s->n >= 3 && str_ieq(str_sub(*s, 0, 3), str_make(names + 3 * i, 3))) {
            f->c.month = i + 1;
            *s = str_sub(*s, 3, s->n);
            return true;
        }
    return false;
}

static bool read_pm(struct str *s, struct fields *f)
{
    struct str two = str_sub(*s, 0, 2);
    f->has_pm = true;
    f->pm = str_ieq(two, STR("pm"));
    *s = str_sub(*s, 2, s->n);
    return f->pm || str_ieq(two, STR("am"));
}

static bool read_year2(struct str *s, struct fields *f)
{
    if (!digits(s, 2, 2, 0, 99, &f->c.year)) return false;
    f->c.year += f->c.year < 69 ? 2000 : 1900; /* as POSIX */
    return true;
}

static bool read_field(char letter, struct str *s, struct fields *f)
{
    switch (letter) {
    case 'Y': return digits(s, 4, 4, 1, 9999, &f->c.year);
    case 'y': return read_year2(s, f);
    case 'm': return digits(s, 1, 2, 1, 12, &f->c.month);
    case 'd': return digits(s, 1, 2, 1, 31, &f->c.day);
    case 'b': return read_month(s, f);
    case 'H': return digits(s, 1, 2, 0, 24, &f->c.hour);
    case 'I': return digits(s, 1, 2, 1, 12, &f->c.hour);
    case 'p': return read_pm(s, f);
    case 'M': return digits(s, 1, 2, 0, 59, &f->c.minute);
    case 'S': return digits(s, 1, 2, 0, 60, &f->c.second);
    case 'f': return read_fraction(s, f);
    case 'z': return read_offset(s, f);
    case 'j': return (f->has_yday = digits(s, 1, 3, 1, 366, &f->yday));
    default: return take(s, '%');
    }
}

int time_pattern_check(struct str p, struct error *e)
{
    bool date = false;
    for (size_t i = 0; i < p.n; i++) {
        if (p.p[i] != '%') continue;
        char c = ++i < p.n ? p.p[i] : 0;
        if (!c || !strchr("YymdbHIpMSfzj%", c))
            return error_set(e, ERR_INVALID, "time_pattern",
                             "%%%.1s is unknown; there are %%Y %%y %%m %%d %%b %%H %%I %%p %%M %%S %%f %%z %%j %%%%",
                             "%%%.1s 未知；可用 %%Y %%y %%m %%d %%b %%H %%I %%p %%M %%S %%f %%z %%j %%%%",
                             c ? p.p + i : "");
        date |= c == 'Y' || c == 'y';
    }
    if (date) return 0;
    return error_set(e, ERR_INVALID, "time_pattern", "the pattern has no year (%%Y), e.g. %%Y-%%m-%%d %%H:%%M:%%S",
                     "样式缺少年份（%%Y），例如 %%Y-%%m-%%d %%H:%%M:%%S");
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && ((year % 4 == 0 && year % 100) || year % 400 == 0));
}

static bool read_pattern(struct str pattern, struct str *s, struct fields *f)
{
    for (size_t i = 0; i < pattern.n; i++) {
        bool ok = pattern.p[i] == '%' && i + 1 < pattern.n ? read_field(pattern.p[++i], s, f) : take(s, pattern.p[i]);
        if (!ok) return false;
    }
    return s->n == 0 && f->c.day <= days_in(f->c.year, f->c.month);
}

static int from_pattern(const struct time_rule *t, struct str text, int64_t *ret, struct error *e)
{
    struct fields f = {.c = {.year = 1970, .month = 1, .day = 1}};
    struct str s = text;
    if (!read_pattern(t->pattern, &s, &f)) {
        struct str p = str_sub(t->pattern, 0, 60);
        text = str_sub(text, 0, 60);
        return error_set(e, ERR_INVALID, "time", "'%.*s' is no time of the pattern '%.*s'",
                         "“%.*s”不符合时间样式“%.*s”", STR_ARG(text), STR_ARG(p));
    }
    if (f.has_pm) f.c.hour = f.c.hour % 12 + (f.pm ? 12 : 0);
    int64_t us = civil_to_us(&f.c) + (f.has_yday ? (f.yday - 1) * 86400LL * 1000000 : 0);
    int64_t sec = us / 1000000 - (us % 1000000 < 0), rest = us - sec * 1000000;
    *ret = (f.has_offset ? sec - f.offset_s : zone_utc(t->zone, sec)) * 1000000 + rest;
    return 0;
}

/* ---- all ---- */

static int from_text(const struct time_rule *t, struct str s, int64_t *ret, struct error *e)
{
    if (t->kind == TIMES_PATTERN) return from_pattern(t, s, ret, e);
    int rc = t->kind == TIMES_RFC3339 ? 1 : from_digits(s, t->kind, ret);
    if (rc == 0) return 0;
    if (rc == 1 && (t->kind == TIMES_AUTO || t->kind == TIMES_RFC3339)) return from_rfc3339(t, s, ret, e);
    return bad_time(s, "a number since 1970 is expected; is the unit right?", "应为自 1970 年起的数字；单位是否正确？",
                    e);
}

int time_rule_read(const struct time_rule *t, const struct json *v, int64_t *ret_us, struct error *e)
{
    char text[40];
    if (v && v->type == JSON_STRING) return from_text(t, str_trim(v->s), ret_us, e);
    if (v && v->type == JSON_INT)
        snprintf(text, sizeof text, "%lld", (long long)v->i);
    else if (v && v->type == JSON_DOUBLE)
        snprintf(text, sizeof text, "%.17g", v->d);
    else
        return error_set(e, ERR_INVALID, "time", "there is no time in the row", "该行没有时间");
    return from_text(t, str_of(text), ret_us, e);
}
