/* cron.c - see cron.h. Reading: one table of fields, one reader of items. Searching: by months, days, hours …
 * on the local clock, then through the stretches of one offset that a zone has. */
#include "base/cron.h"
#include "base/time.h"

#define DAY 86400
#define YEARS_AHEAD 60
#define NONE INT64_MAX

static const char *const months[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                     "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

static const struct field {
    const char *name, *zh;
    int lo, hi;
    const char *const *names;
    int nnames, first;
} fields[] = {
    {"second", "秒", 0, 59, NULL, 0, 0},   {"minute", "分", 0, 59, NULL, 0, 0},
    {"hour", "时", 0, 23, NULL, 0, 0},     {"day of month", "日", 1, 31, NULL, 0, 0},
    {"month", "月", 1, 12, months, 12, 1}, {"day of week", "星期", 0, 7, weekdays, 7, 0},
};
enum { SECOND, MINUTE, HOUR, DAY_OF_MONTH, MONTH, WEEKDAY, FIELDS };

struct reader {
    struct str item;
    const struct field *f;
    int index;
    struct cron *c;
    uint64_t bits;
    struct error *e;
};

static int fault(struct reader *r, const char *en, const char *zh)
{
    struct str item = str_sub(r->item, 0, 40);
    return error_set(r->e, ERR_INVALID, "cron", "%s%.0s: %s%.0s '%.*s'", "%.0s%s：%.0s%s“%.*s”", r->f->name, r->f->zh,
                     en, zh, STR_ARG(item));
}

static bool digits(struct str *s, int *ret)
{
    size_t i = 0;
    int v = 0;
    while (i < s->n && i < 3 && s->p[i] >= '0' && s->p[i] <= '9') v = v * 10 + (s->p[i++] - '0');
    if (!i) return false;
    *ret = v;
    *s = str_sub(*s, i, s->n);
    return true;
}

/* A number or a name of the field. */
static bool value(const struct reader *r, struct str *s, int *ret)
{
    if (digits(s, ret)) return *ret >= r->f->lo && *ret <= r->f->hi;
    for (int i = 0; i < r->f->nnames; i++) {
        if (s->n < 3 || !str_ieq(str_sub(*s, 0, 3), str_of(r->f->names[i]))) continue;
        *ret = i + r->f->first;
        *s = str_sub(*s, 3, s->n);
        return true;
    }
    return false;
}

static bool take(struct str *s, char c)
{
    if (!s->n || (s->p[0] != c && (s->p[0] & ~32) != c)) return false;
    *s = str_sub(*s, 1, s->n);
    return true;
}

/* L, L-3, LW, 15W */
static bool day_special(struct reader *r, struct str s)
{
    int v = 0;
    if (take(&s, 'L')) {
        if (take(&s, 'W')) return s.n == 0 && (r->c->near_last = true);
        if (take(&s, '-') && (!digits(&s, &v) || v > 30)) return false;
        r->c->last |= 1u << v;
        return s.n == 0;
    }
    if (!digits(&s, &v) || v < 1 || v > 31 || !take(&s, 'W') || s.n) return false;
    r->c->near |= 1u << v;
    return true;
}

/* 5L, fri#2; L alone is Saturday in some dialects: refused as unclear */
static bool weekday_special(struct reader *r, struct str s)
{
    int v = 0, n = 0;
    if (!value(r, &s, &v)) return false;
    if (take(&s, 'L')) {
        r->c->last_weekday |= (uint8_t)(1u << v % 7);
        return s.n == 0;
    }
    if (!take(&s, '#') || !digits(&s, &n) || n < 1 || n > 5 || s.n) return false;
    r->c->nth[v % 7] |= (uint8_t)(1u << n);
    return true;
}

static bool special(struct reader *r)
{
    if (r->index == DAY_OF_MONTH) return day_special(r, r->item);
    return r->index == WEEKDAY && weekday_special(r, r->item);
}

static void set_range(struct reader *r, int lo, int hi, int step)
{
    int top = r->index == WEEKDAY ? 6 : r->f->hi, bottom = r->f->lo, size = top - bottom + 1;
    if (r->index == WEEKDAY && lo == 7 && hi == 7) lo = hi = 0;
    if (r->index == WEEKDAY && lo == 7) lo = 0;
    if (hi < lo) hi += size; /* it wraps */
    for (int v = lo; v <= hi; v += step) r->bits |= 1ull << ((v - bottom) % size + bottom);
}

static int read_range(struct reader *r)
{
    struct str s = r->item;
    int lo = r->f->lo, hi = r->index == WEEKDAY ? 6 : r->f->hi, step = 1;
    bool star = take(&s, '*') || (s.n == 1 && (r->index == DAY_OF_MONTH || r->index == WEEKDAY) && take(&s, '?'));
    if (!star) {
        int top = hi;
        if (!value(r, &s, &lo)) return fault(r, "cannot read", "无法识别");
        hi = lo;
        if (take(&s, '-') && !value(r, &s, &hi)) return fault(r, "cannot read the range", "范围有误");
        if (s.n && s.p[0] == '/' && hi == lo) hi = top;
    }
    if (take(&s, '/') && (!digits(&s, &step) || step < 1))
        return fault(r, "the step is at least 1 in", "步长至少为 1：");
    if (s.n) return fault(r, "cannot read", "无法识别");
    set_range(r, lo, hi, step);
    return 0;
}

static int read_field(struct str text, int index, struct cron *c, uint64_t *ret, struct error *e)
{
    struct reader r = {.f = &fields[index], .index = index, .c = c, .e = e};
    for (struct str rest = text; rest.p;) {
        r.item = str_cut(&rest, ',');
        if (special(&r)) continue;
        int rc = read_range(&r);
        if (rc) return rc;
    }
    *ret = r.bits;
    return 0;
}

static bool is_any(struct str s)
{
    return str_is(s, "*") || str_is(s, "?");
}

static struct str macro(struct str s)
{
    static const struct {
        const char *name, *text;
    } all[] = {{"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
               {"@weekly", "0 0 * * 0"},  {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
               {"@annually", "0 0 1 1 *"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (str_ieq(s, str_of(all[i].name))) return str_of(all[i].text);
    return s;
}

static size_t split(struct str text, struct str out[FIELDS + 1])
{
    size_t n = 0;
    while (text.n) {
        size_t i = 0;
        while (i < text.n && text.p[i] != ' ' && text.p[i] != '\t') i++;
        if (i && n <= FIELDS) out[n++] = str_sub(text, 0, i);
        text = str_sub(text, i + 1, text.n);
    }
    return n;
}

int cron_parse(struct str text, struct cron *ret, struct error *e)
{
    struct str part[FIELDS + 1];
    struct cron c = {.second = 1};
    uint64_t bits[FIELDS] = {[SECOND] = 1};
    size_t n = split(macro(str_trim(text)), part);
    if (n != 5 && n != 6)
        return error_set(e, ERR_INVALID, "cron",
                         "five fields (minute hour day month weekday) or six with the second first; there are %zu",
                         "须为五个字段（分 时 日 月 星期），或以秒开头的六个字段；现有 %zu 个", n);
    int first = n == 5 ? MINUTE : SECOND;
    for (int i = first; i < FIELDS; i++) {
        int rc = read_field(part[i - first], i, &c, &bits[i], e);
        if (rc) return rc;
    }
    c.second = bits[SECOND];
    c.minute = bits[MINUTE];
    c.hour = (uint32_t)bits[HOUR];
    c.day = (uint32_t)bits[DAY_OF_MONTH];
    c.month = (uint16_t)bits[MONTH];
    c.weekday = (uint8_t)bits[WEEKDAY];
    c.every_hour = c.hour == 0xffffff;
    c.any_day = is_any(part[DAY_OF_MONTH - first]);
    c.any_weekday = is_any(part[WEEKDAY - first]);
    *ret = c;
    return 0;
}

/* ------------------------------------------------------------------ days */

static int month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* Weekday of day d when the first is `w1`; 0 Sunday. */
static int weekday_at(int w1, int d)
{
    return (w1 + d - 1) % 7;
}

/* The weekday (Monday to Friday) nearest to day d, within the month. */
static int nearest(int d, int w1, int days)
{
    if (d > days) return 0;
    int w = weekday_at(w1, d);
    if (w == 6) return d > 1 ? d - 1 : d + 2;
    if (w == 0) return d < days ? d + 1 : d - 2;
    return d;
}

static int last_working(int w1, int days)
{
    int w = weekday_at(w1, days);
    return w == 6 ? days - 1 : w == 0 ? days - 2 : days;
}

static bool fits_day(const struct cron *c, int d, int w1, int days)
{
    int back = days - d;
    if (c->day >> d & 1) return true;
    if (c->last >> back & 1) return true;
    if (c->near_last && d == last_working(w1, days)) return true;
    for (int n = 1; n <= 31; n++)
        if ((c->near >> n & 1) && nearest(n, w1, days) == d) return true;
    return false;
}

static bool fits_weekday(const struct cron *c, int d, int w1, int days)
{
    int w = weekday_at(w1, d);
    if (c->weekday >> w & 1) return true;
    if ((c->last_weekday >> w & 1) && d + 7 > days) return true;
    return c->nth[w] >> ((d + 6) / 7) & 1;
}

static bool fits(const struct cron *c, int d, int w1, int days)
{
    if (c->any_day) return c->any_weekday || fits_weekday(c, d, w1, days);
    if (c->any_weekday) return fits_day(c, d, w1, days);
    return fits_day(c, d, w1, days) || fits_weekday(c, d, w1, days);
}

/* ------------------------------------------------------------------ the time of day */

static int next_bit(uint64_t bits, int from, int end)
{
    for (int i = from; i < end; i++)
        if (bits >> i & 1) return i;
    return -1;
}

/* The first second of the day at or after `from`; -1: none. */
static int time_of_day(const struct cron *c, int from)
{
    int h0 = from / 3600, m0 = from / 60 % 60, s0 = from % 60;
    for (int h = next_bit(c->hour, h0, 24); h >= 0; h = next_bit(c->hour, h + 1, 24)) {
        int mfrom = h == h0 ? m0 : 0;
        for (int m = next_bit(c->minute, mfrom, 60); m >= 0; m = next_bit(c->minute, m + 1, 60)) {
            int s = next_bit(c->second, h == h0 && m == m0 ? s0 : 0, 60);
            if (s >= 0) return h * 3600 + m * 60 + s;
        }
    }
    return -1;
}

static int64_t floor_day(int64_t t)
{
    return t >= 0 ? t / DAY : -((-t + DAY - 1) / DAY);
}

int64_t cron_local(const struct cron *c, int64_t local, int64_t until)
{
    int64_t day = floor_day(local);
    int from = (int)(local - day * DAY);
    struct civil at = civil_from_us(day * DAY * 1000000);
    int64_t first = day - (at.day - 1); /* of the month */
    for (int d = at.day; first * DAY < until; d = 1) {
        int days = month_days(at.year, at.month), w1 = (int)(((first + 4) % 7 + 7) % 7);
        for (; (c->month >> at.month & 1) && d <= days; d++) {
            int s = fits(c, d, w1, days) ? time_of_day(c, first + d - 1 == day ? from : 0) : -1;
            int64_t t = (first + d - 1) * DAY + s;
            if (s >= 0) return t < until ? t : NONE;
        }
        first += days;
        if (++at.month > 12) at.month = 1, at.year++;
    }
    return NONE;
}

/* ------------------------------------------------------------------ through the zone */

/* Within one stretch of one offset, from t on; `gap`: local seconds that the change at its end leaves out. */
static int64_t in_span(const struct cron *c, const struct zone_span *s, int64_t t, int64_t again, int64_t gap,
                       int64_t until)
{
    int64_t local = t + s->offset;
    if (!c->every_hour && local < again) local = again; /* came before the change already */
    int64_t found = cron_local(c, local, until + s->offset);
    if (found == NONE) return NONE;
    if (s->until == NONE || found - s->offset < s->until) return found - s->offset;
    if (!c->every_hour && gap > 0 && found < s->until + s->offset + gap) return s->until;
    return NONE;
}

int64_t cron_next(const struct cron *c, const struct zone *z, int64_t after)
{
    int64_t limit = after + (int64_t)YEARS_AHEAD * 366 * DAY, t = after + 1;
    if (t < TIME_MIN_US / 1000000 + 400 * DAY || limit > TIME_MAX_US / 1000000 - 400 * DAY) return NONE;
    for (struct zone_span s = zone_span(z, t); t < limit;) {
        struct zone_span next = s.until == NONE ? s : zone_span(z, s.until);
        int64_t again = INT64_MIN;
        if (s.from != INT64_MIN) again = s.from + zone_span(z, s.from - 1).offset;
        int64_t end = s.until == NONE || s.until > limit ? limit : s.until + DAY;
        int64_t found = in_span(c, &s, t, again, (int64_t)next.offset - s.offset, end);
        if (found != NONE) return found;
        if (s.until == NONE) return NONE;
        t = s.until;
        s = next;
    }
    return NONE;
}
