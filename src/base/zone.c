/* zone.c - see zone.h. The file's second, 64-bit block and its closing POSIX text are read; the first block
 * only tells where the second begins. Between two transitions of one offset nothing changes, so that
 * neighbours with the same offset are joined. */
#include "base/zone.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/time.h"

#define DAY 86400
#define TRANSITIONS_MAX 4000
#define NEVER_BEFORE INT64_MIN
#define NEVER_AFTER INT64_MAX

static int bad(struct error *e, const char *en, const char *zh)
{
    return error_set(e, ERR_INVALID, "time_zone", "%s%.0s", "%.0s%s", en, zh);
}

/* ------------------------------------------------------------------ POSIX texts */

static bool number(struct str *s, int max, int *ret)
{
    size_t i = 0;
    int v = 0;
    while (i < s->n && i < 4 && s->p[i] >= '0' && s->p[i] <= '9') v = v * 10 + (s->p[i++] - '0');
    if (!i || v > max) return false;
    *ret = v;
    *s = str_sub(*s, i, s->n);
    return true;
}

static bool take(struct str *s, char c)
{
    if (!s->n || s->p[0] != c) return false;
    *s = str_sub(*s, 1, s->n);
    return true;
}

/* [+-]h[h[h]][:mm[:ss]] */
static bool clock_text(struct str *s, int32_t *ret)
{
    int h = 0, m = 0, sec = 0;
    bool minus = take(s, '-');
    if (!minus) take(s, '+');
    if (!number(s, 167, &h)) return false;
    if (take(s, ':') && !number(s, 59, &m)) return false;
    if (take(s, ':') && !number(s, 59, &sec)) return false;
    *ret = (minus ? -1 : 1) * (h * 3600 + m * 60 + sec);
    return true;
}

static bool name_text(struct str *s)
{
    size_t i = 0;
    if (take(s, '<')) {
        while (i < s->n && s->p[i] != '>') i++;
        if (i == s->n) return false;
        *s = str_sub(*s, i + 1, s->n);
        return i >= 3;
    }
    while (i < s->n && ((s->p[i] | 32) >= 'a' && (s->p[i] | 32) <= 'z')) i++;
    *s = str_sub(*s, i, s->n);
    return i >= 3;
}

static bool rule_day(struct str *s, struct zone_rule *r)
{
    if (take(s, 'M')) {
        r->form = 'M';
        return number(s, 12, &r->month) && r->month >= 1 && take(s, '.') && number(s, 5, &r->week) && r->week >= 1 &&
               take(s, '.') && number(s, 6, &r->day);
    }
    r->form = take(s, 'J') ? 'J' : 'D';
    return number(s, 365, &r->day) && !(r->form == 'J' && r->day == 0);
}

static bool rule_text(struct str *s, struct zone_rule *r)
{
    r->at_s = 2 * 3600;
    if (!take(s, ',') || !rule_day(s, r)) return false;
    return !take(s, '/') || clock_text(s, &r->at_s);
}

static bool posix_text(struct str s, struct zone *z)
{
    int32_t west = 0;
    if (!name_text(&s) || !clock_text(&s, &west) || west < -DAY || west > DAY) return false;
    z->std = z->dst = z->first = -west;
    z->has_rest = true;
    if (!s.n) return true;
    if (!name_text(&s)) return false;
    z->dst = z->std + 3600;
    if (s.n && s.p[0] != ',') {
        if (!clock_text(&s, &west) || west < -DAY || west > DAY) return false;
        z->dst = -west;
    }
    z->changes = true;
    return rule_text(&s, &z->start) && rule_text(&s, &z->end) && s.n == 0;
}

int zone_parse_posix(struct str text, struct zone *ret, struct error *e)
{
    struct zone z = {0};
    if (!posix_text(text, &z)) return bad(e, "not a POSIX time zone text", "不是有效的 POSIX 时区文本");
    *ret = z;
    return 0;
}

int zone_parse_fixed(struct str text, struct zone *ret, struct error *e)
{
    struct zone z = {.has_rest = true};
    int h = 0, m = 0;
    if (!str_ieq(text, STR("UTC")) && !str_ieq(text, STR("Z"))) {
        bool minus = take(&text, '-');
        if (!minus && !take(&text, '+')) return bad(e, "an offset begins with + or -", "偏移须以 + 或 - 开头");
        if (text.n == 4) { /* hhmm */
            struct str hh = str_sub(text, 0, 2);
            text = str_sub(text, 2, 2);
            if (!number(&hh, 18, &h) || hh.n || !number(&text, 59, &m))
                return bad(e, "an offset has the form +08:00", "偏移格式为 +08:00");
        } else if (!number(&text, 18, &h) || (take(&text, ':') && !number(&text, 59, &m))) {
            return bad(e, "an offset has the form +08:00", "偏移格式为 +08:00");
        }
        if (text.n) return bad(e, "an offset has the form +08:00", "偏移格式为 +08:00");
        z.std = (minus ? -1 : 1) * (h * 3600 + m * 60);
    }
    z.dst = z.first = z.std;
    *ret = z;
    return 0;
}

/* ------------------------------------------------------------------ TZif */

struct counts {
    uint32_t isut, isstd, leap, time, type, chars;
};

static bool head(struct rd *r, struct counts *c, int *version)
{
    if (rd_u32be(r) != 0x545a6966) return false; /* "TZif" */
    *version = rd_u8(r);
    for (int i = 0; i < 15; i++) rd_u8(r);
    c->isut = rd_u32be(r);
    c->isstd = rd_u32be(r);
    c->leap = rd_u32be(r);
    c->time = rd_u32be(r);
    c->type = rd_u32be(r);
    c->chars = rd_u32be(r);
    return !r->err && c->time <= TRANSITIONS_MAX && c->type >= 1 && c->type <= 256 && c->chars <= 4096 &&
           c->leap <= 1000 && c->isut <= 256 && c->isstd <= 256;
}

static void skip(struct rd *r, size_t n)
{
    if ((size_t)(r->end - r->p) < n)
        r->err = true;
    else
        r->p += n;
}

static size_t block_size(const struct counts *c, size_t width)
{
    return c->time * (width + 1) + c->type * 6 + c->chars + c->leap * (width + 4) + c->isstd + c->isut;
}

/* Keep only transitions that change the offset. */
static void join(struct zone *z)
{
    size_t n = 0;
    int32_t last = z->first;
    for (size_t i = 0; i < z->n; i++) {
        if (z->offset[i] == last) continue;
        z->at[n] = z->at[i];
        last = z->offset[n++] = z->offset[i];
    }
    z->n = n;
}

static bool block(struct rd *r, const struct counts *c, struct zone *z)
{
    uint8_t kind[TRANSITIONS_MAX];
    int32_t offsets[256];
    for (uint32_t i = 0; i < c->time; i++) {
        z->at[i] = (int64_t)rd_u64be(r);
        if (i && z->at[i] <= z->at[i - 1]) return false;
    }
    for (uint32_t i = 0; i < c->time; i++) kind[i] = rd_u8(r);
    for (uint32_t i = 0; i < c->type; i++) {
        offsets[i] = (int32_t)rd_u32be(r);
        rd_u8(r);
        rd_u8(r);
        if (offsets[i] < -DAY || offsets[i] > DAY) return false;
    }
    for (uint32_t i = 0; i < c->time; i++) {
        if (kind[i] >= c->type) return false;
        z->offset[i] = offsets[kind[i]];
    }
    z->first = offsets[0];
    z->n = c->time;
    skip(r, c->chars + c->leap * 12 + c->isstd + c->isut);
    return !r->err;
}

static bool footer(struct rd *r, struct zone *z)
{
    struct str rest = {(const char *)r->p, (size_t)(r->end - r->p)};
    struct zone tail = {0};
    if (!take(&rest, '\n')) return false;
    struct str text = str_cut(&rest, '\n');
    if (!rest.p) return false;
    if (!text.n) return true; /* no rule: the last offset goes on */
    if (!posix_text(text, &tail)) return false;
    z->has_rest = true;
    z->std = tail.std;
    z->dst = tail.dst;
    z->changes = tail.changes;
    z->start = tail.start;
    z->end = tail.end;
    return true;
}

int zone_parse(const void *bytes, size_t n, struct zone *ret, struct error *e)
{
    if (n < 44) return bad(e, "the time zone file is damaged", "时区文件已损坏"); /* a head */
    struct rd r = rd_make(bytes, n);
    struct counts c;
    struct zone z = {0};
    int version = 0;
    if (n > ZONE_FILE_MAX || !head(&r, &c, &version) || version < '2')
        return bad(e, "not a time zone file of version 2 or newer", "不是版本 2 及以上的时区文件");
    skip(&r, block_size(&c, 4));
    if (r.err || !head(&r, &c, &version)) return bad(e, "the time zone file is damaged", "时区文件已损坏");
    z.at = mem_calloc(c.time + 1, sizeof *z.at);
    z.offset = mem_calloc(c.time + 1, sizeof *z.offset);
    bool ok = z.at && z.offset && block(&r, &c, &z) && footer(&r, &z);
    if (!ok) {
        bool nomem = !z.at || !z.offset;
        zone_fini(&z);
        return nomem ? error_set(e, ERR_NOMEM, "", "out of memory", "内存不足")
                     : bad(e, "the time zone file is damaged", "时区文件已损坏");
    }
    join(&z);
    *ret = z;
    return 0;
}

void zone_fini(struct zone *z)
{
    mem_free(z->at);
    mem_free(z->offset);
    *z = (struct zone){0};
}

/* ------------------------------------------------------------------ asking */

static int64_t day_of(int year, int month, int day)
{
    struct civil c = {.year = year, .month = month, .day = day};
    return civil_to_us(&c) / 1000000 / DAY;
}

static bool leap_year(int y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* Local midnight of the rule's day, as a number of days since 1970. */
static int64_t rule_date(const struct zone_rule *r, int year)
{
    if (r->form != 'M') {
        int64_t first = day_of(year, 1, 1);
        if (r->form == 'D') return first + r->day;
        return first + r->day - 1 + (leap_year(year) && r->day >= 60);
    }
    int64_t first = day_of(year, r->month, 1);
    int64_t next = r->month == 12 ? day_of(year + 1, 1, 1) : day_of(year, r->month + 1, 1);
    int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
    int64_t day = first + (r->day - weekday + 7) % 7 + (r->week - 1) * 7;
    return day < next ? day : day - 7;
}

struct edge {
    int64_t at;
    int32_t offset;
};

/* Edges of three years around t, in order of time. */
static struct zone_span rule_span(const struct zone *z, int64_t t)
{
    struct zone_span s = {NEVER_BEFORE, NEVER_AFTER, z->std};
    if (!z->changes || t > TIME_MAX_US / 1000000 - 2 * 366 * DAY || t < TIME_MIN_US / 1000000 + 2 * 366 * DAY) return s;
    int year = civil_from_us(t * 1000000).year;
    struct edge edges[6];
    size_t n = 0;
    for (int y = year - 1; y <= year + 1; y++) {
        struct edge on = {rule_date(&z->start, y) * DAY + z->start.at_s - z->std, z->dst};
        struct edge off = {rule_date(&z->end, y) * DAY + z->end.at_s - z->dst, z->std};
        edges[n++] = on.at < off.at ? on : off;
        edges[n++] = on.at < off.at ? off : on;
    }
    for (size_t i = 0; i < n; i++) {
        if (edges[i].at <= t) {
            s.from = edges[i].at;
            s.offset = edges[i].offset;
        } else if (s.until == NEVER_AFTER) {
            s.until = edges[i].at;
        }
    }
    return s;
}

struct zone_span zone_span(const struct zone *z, int64_t t)
{
    size_t lo = 0, hi = z->n; /* number of transitions at or before t */
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (z->at[mid] <= t)
            lo = mid + 1;
        else
            hi = mid;
    }
    struct zone_span s = {lo ? z->at[lo - 1] : NEVER_BEFORE, lo < z->n ? z->at[lo] : NEVER_AFTER,
                          lo ? z->offset[lo - 1] : z->first};
    if (lo < z->n || !z->has_rest) return s;
    struct zone_span rest = rule_span(z, t);
    if (rest.from < s.from) rest.from = s.from;
    return rest;
}

int64_t zone_utc(const struct zone *z, int64_t local)
{
    int64_t t = local - 2 * DAY;
    for (struct zone_span s = zone_span(z, t);; s = zone_span(z, s.until)) {
        int64_t utc = local - s.offset;
        if (s.until == NEVER_AFTER || utc < s.until) return utc < s.from ? s.from : utc;
    }
}
