/* time_form.c - see time_form.h. */
#include "io/time_form.h"
#include <math.h>
#include <stdio.h>
#include "base/time.h"
#include "io/zone_load.h"

static const struct {
    const char *name;
    int64_t num, den;
} units[] = {{"s", 1000000, 1}, {"ms", 1000, 1}, {"us", 1, 1}, {"ns", 1, 1000}};

int time_form_init(struct time_form *f, struct str format, struct str zone, struct error *e)
{
    *f = (struct time_form){0};
    int err = zone_load(zone.n ? zone : STR("UTC"), &f->zone, e);
    if (err) {
        error_prefix(e, "time_zone");
        return err;
    }
    if (!format.n || str_is(format, "auto")) return 0;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (!str_is(format, units[i].name)) continue;
        f->unit_us_num = units[i].num;
        f->unit_us_den = units[i].den;
        return 0;
    }
    if (str_has(format, STR("%")) && str_to_cstr(format, f->pattern, sizeof f->pattern)) return 0;
    time_form_fini(f);
    return error_set(e, ERR_INVALID, "time_format",
                     "'%.*s' is no form of a time: auto, s, ms, us, ns, or a pattern such as %%d.%%m.%%Y %%H:%%M:%%S",
                     "'%.*s' 不是有效的时间格式：auto、s、ms、us、ns，或形如 %%Y-%%m-%%d %%H:%%M:%%S 的模板",
                     STR_ARG(format));
}

void time_form_fini(struct time_form *f)
{
    zone_fini(&f->zone);
}

/* ---- numbers ---- */

static void unit_by_size(double v, int64_t *num, int64_t *den)
{
    double a = fabs(v);
    size_t i = a >= 1e17 ? 3 : a >= 1e14 ? 2 : a >= 1e11 ? 1 : 0;
    *num = units[i].num;
    *den = units[i].den;
}

static bool in_range(int64_t us)
{
    return us >= TIME_MIN_US && us <= TIME_MAX_US;
}

bool time_form_int(const struct time_form *f, int64_t v, int64_t *ret_us)
{
    int64_t num = f->unit_us_num, den = f->unit_us_den, us;
    if (!num) unit_by_size((double)v, &num, &den);
    if (__builtin_mul_overflow(v, num, &us)) return false;
    us = den == 1 ? us : us / den - (us % den < 0);
    *ret_us = us;
    return in_range(us);
}

bool time_form_double(const struct time_form *f, double v, int64_t *ret_us)
{
    int64_t num = f->unit_us_num, den = f->unit_us_den;
    if (!isfinite(v)) return false;
    if (!num) unit_by_size(v, &num, &den);
    double us = round(v * (double)num / (double)den);
    if (!(fabs(us) < 9e18)) return false;
    *ret_us = (int64_t)us;
    return in_range(*ret_us);
}

/* ---- texts ---- */

struct reader {
    const char *p, *end;
};
struct parts {
    struct civil c;
    bool has_offset, pm, am;
    int64_t offset_s;
};

static bool digits(struct reader *r, int least, int most, int *ret)
{
    int n = 0, v = 0;
    for (; n < most && r->p < r->end && *r->p >= '0' && *r->p <= '9'; n++) v = v * 10 + *r->p++ - '0';
    *ret = v;
    return n >= least;
}

static bool one_of(struct reader *r, const char *set)
{
    if (r->p == r->end || !*r->p || !strchr(set, *r->p)) return false;
    r->p++;
    return true;
}

static void fraction(struct reader *r, int *ret_micro)
{
    int micro = 0, scale = 100000;
    for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++, scale /= 10) micro += (*r->p - '0') * scale;
    *ret_micro = micro;
}

static bool offset(struct reader *r, struct parts *t)
{
    int h, m = 0;
    t->has_offset = true;
    if (one_of(r, "Zz")) return true;
    bool minus = r->p < r->end && *r->p == '-';
    if (!one_of(r, "+-") || !digits(r, 2, 2, &h)) return false;
    (void)one_of(r, ":");
    if (r->p < r->end && !digits(r, 2, 2, &m)) return false;
    t->offset_s = (minus ? -1 : 1) * (h * 3600 + m * 60);
    return h <= 24 && m < 60;
}

static bool finish(const struct time_form *f, const struct parts *t, int64_t *ret_us)
{
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const struct civil *c = &t->c;
    bool leap = c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0);
    if (c->year < 1 || c->month < 1 || c->month > 12 || c->day < 1 || c->day > days[c->month - 1]) return false;
    if ((c->month == 2 && c->day == 29 && !leap) || c->hour > 24 || c->minute > 59 || c->second > 60) return false;
    if (c->hour == 24 && (c->minute || c->second || c->micro)) return false;
    struct civil day = {c->year, c->month, c->day, 0, 0, 0, 0};
    int64_t s = civil_to_us(&day) / TIME_US_PER_S + c->hour * 3600 + c->minute * 60 + c->second;
    s = t->has_offset ? s - t->offset_s : zone_utc(&f->zone, s);
    *ret_us = s * TIME_US_PER_S + c->micro;
    return in_range(*ret_us);
}

/* 2026-01-02, 2026/1/2 3:04, 20260102T030405, 2026-01-02T03:04:05.678+08:00 */
static bool iso(struct reader *r, struct parts *t)
{
    struct civil *c = &t->c;
    if (!digits(r, 4, 4, &c->year)) return false;
    bool spaced = one_of(r, "-/.");
    if (!digits(r, spaced ? 1 : 2, 2, &c->month) || (spaced && !one_of(r, "-/."))) return false;
    if (!digits(r, spaced ? 1 : 2, 2, &c->day)) return false;
    if (r->p == r->end) return true;
    if (!one_of(r, "Tt ") || !digits(r, 1, 2, &c->hour)) return false;
    bool colon = one_of(r, ":");
    if (!digits(r, 2, 2, &c->minute)) return false;
    if (colon ? one_of(r, ":") : r->p < r->end && *r->p >= '0' && *r->p <= '9') {
        if (!digits(r, 2, 2, &c->second)) return false;
        if (one_of(r, ".,")) fraction(r, &c->micro);
    }
    while (one_of(r, " ")) continue;
    return (r->p == r->end || offset(r, t)) && r->p == r->end;
}

static bool am_pm(struct reader *r, struct parts *t)
{
    t->pm = r->p < r->end && (*r->p == 'P' || *r->p == 'p');
    t->am = !t->pm;
    return one_of(r, "AaPp") && one_of(r, "Mm");
}

static bool field(struct reader *r, char f, struct parts *t)
{
    struct civil *c = &t->c;
    bool ok;
    switch (f) {
    case 'Y': return digits(r, 4, 4, &c->year);
    case 'y': ok = digits(r, 2, 2, &c->year); return c->year += c->year < 69 ? 2000 : 1900, ok;
    case 'm': return digits(r, 1, 2, &c->month);
    case 'd': return digits(r, 1, 2, &c->day);
    case 'H':
    case 'I': return digits(r, 1, 2, &c->hour);
    case 'M': return digits(r, 1, 2, &c->minute);
    case 'S': return digits(r, 1, 2, &c->second);
    case 'f': return fraction(r, &c->micro), true;
    case 'p': return am_pm(r, t);
    case 'z': return offset(r, t);
    case '%': return one_of(r, "%");
    }
    return false;
}

static bool by_pattern(const char *pattern, struct reader *r, struct parts *t)
{
    for (const char *p = pattern; *p; p++) {
        char literal[2] = {*p, 0};
        if (*p == '%' && p[1] ? !field(r, *++p, t) : !one_of(r, literal)) return false;
    }
    if (t->pm && t->c.hour < 12) t->c.hour += 12;
    if (t->am && t->c.hour == 12) t->c.hour = 0;
    return r->p == r->end;
}

static bool is_number(struct str s)
{
    size_t digits_seen = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] >= '0' && s.p[i] <= '9')
            digits_seen++;
        else if (s.p[i] != '.' && !(i == 0 && s.p[i] == '-'))
            return false;
    }
    return digits_seen > 0;
}

bool time_form_text(const struct time_form *f, struct str s, int64_t *ret_us)
{
    struct reader r = {s.p, s.p + s.n};
    struct parts t = {.c = {.month = 1, .day = 1}};
    int64_t whole;
    double number;
    if (f->pattern[0]) return by_pattern(f->pattern, &r, &t) && finish(f, &t, ret_us);
    bool dated = s.n == 8 && !f->unit_us_num; /* 20260102 */
    if (!dated && is_number(s)) {
        if (str_to_i64(s, &whole) == 0) return time_form_int(f, whole, ret_us);
        return str_to_double(s, &number) == 0 && time_form_double(f, number, ret_us);
    }
    return !f->unit_us_num && iso(&r, &t) && finish(f, &t, ret_us);
}
