/* calendar.c - see calendar.h. Local times are handled as seconds of a clock that knows no zone, so that a border is a
 * civil time; zone.h makes instants of them (the end of a gap, the first of two). */
#include "modules/history/calendar.h"
#include <pthread.h>
#include "base/mem.h"
#include "base/time.h"
#include "core/job/plan.h"

#define DAY 86400
#define HOUR 3600

const char *const calendar_units[] = {"", "hour", "day", "week", "month", "quarter", "year", "shift", NULL};

static int64_t floor_to(int64_t t, int64_t unit)
{
    int64_t r = t % unit;
    return t - (r < 0 ? r + unit : r);
}

static int64_t second_of(int64_t us)
{
    return floor_to(us, TIME_US_PER_S) / TIME_US_PER_S;
}

/* Local midnight of the first of the month that lies `months` after the one of `local`, counted in steps of them. */
static int64_t month_after(int64_t local, int months)
{
    struct civil c = civil_from_us(local * TIME_US_PER_S);
    int64_t m = ((int64_t)c.year * 12 + c.month - 1) / months * months + months;
    struct civil n = {.year = (int)(m / 12), .month = (int)(m % 12) + 1, .day = 1};
    return civil_to_us(&n) / TIME_US_PER_S;
}

/* The first local border after `local`. */
static int64_t border_after(const struct window_rule *r, int64_t local)
{
    int64_t monday = 4 * DAY; /* 1970-01-05 */
    switch (r->unit) {
    case CAL_WEEK: return floor_to(local - monday, 7 * DAY) + monday + 7 * DAY;
    case CAL_MONTH: return month_after(local, 1);
    case CAL_QUARTER: return month_after(local, 3);
    case CAL_YEAR: return month_after(local, 12);
    case CAL_SHIFT: return floor_to(local - r->shift_start_s, r->shift_s) + r->shift_start_s + r->shift_s;
    default: return floor_to(local, DAY) + DAY;
    }
}

/* Hours go by the true time: where the clocks go back there are two of one name. */
static int64_t hour_after(const struct zone *z, int64_t t)
{
    struct zone_span span = zone_span(z, t);
    return t + HOUR - (t + span.offset - floor_to(t + span.offset, HOUR));
}

/* The first border after t_us. */
static int64_t window_after(const struct window_rule *r, const struct zone *z, int64_t t_us)
{
    int64_t t = second_of(t_us);
    if (r->unit == CAL_NONE) return t_us + r->interval_us;
    if (r->unit == CAL_HOUR) return hour_after(z, t) * TIME_US_PER_S;
    int64_t local = t + zone_span(z, t).offset, utc;
    do {
        local = border_after(r, local);
        utc = zone_utc(z, local);
    } while (utc <= t);
    return utc * TIME_US_PER_S;
}

static int too_many(const struct window_rule *r, size_t max, struct error *e)
{
    return error_set(e, ERR_TOO_LARGE, r->unit == CAL_NONE ? "interval" : "calendar",
                     "gives more than %zu windows; use a longer one or a shorter range",
                     "窗口数超过 %zu；请加大间隔或缩短范围", max);
}

int windows_make(const struct window_rule *r, const struct zone *z, int64_t from, int64_t to, size_t max,
                 int64_t **ret_edges, size_t *ret_n, struct error *e)
{
    int64_t *edges = NULL;
    size_t n = 0, cap = 0;
    if (r->unit == CAL_NONE && (to - from) / r->interval_us > (int64_t)max) return too_many(r, max, e);
    for (int64_t t = from;; t = window_after(r, z, t)) {
        if (t > to) t = to;
        if (n > max || !mem_grow((void **)&edges, &cap, n + 1, sizeof *edges)) {
            mem_free(edges);
            return n > max ? too_many(r, max, e) : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
        }
        edges[n++] = t;
        if (t == to) break;
    }
    *ret_edges = edges;
    *ret_n = n - 1;
    return 0;
}

/* ------------------------------------------------------------------ zones */

#define ZONES 64
static struct {
    pthread_mutex_t lock;
    size_t n;
    char name[ZONES][64];
    struct zone zone[ZONES];
} zones = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int zone_read(struct str name, const struct zone **ret, struct error *e)
{
    for (size_t i = 0; i < zones.n; i++) {
        if (!str_is(name, zones.name[i])) continue;
        *ret = &zones.zone[i];
        return 0;
    }
    if (zones.n == ZONES)
        return error_set(e, ERR_LIMIT, "tz", "more than %d time zones are in use; use an offset already used",
                         "使用的时区超过 %d 个", ZONES);
    int err = zone_load(name, &zones.zone[zones.n], e);
    if (err) return err;
    *ret = &zones.zone[zones.n];
    str_to_cstr(name, zones.name[zones.n++], sizeof zones.name[0]);
    return 0;
}

int zone_named(struct str name, const struct zone **ret, struct error *e)
{
    pthread_mutex_lock(&zones.lock);
    int err = zone_read(name, ret, e);
    pthread_mutex_unlock(&zones.lock);
    if (err && e) memcpy(e->where, "tz", 3);
    return err;
}

/* Does it begin with a word that means a midnight? */
static bool by_the_clock(struct str s)
{
    if (!s.n || (s.p[0] != 't' && s.p[0] != 'y')) return false;
    size_t n = 0;
    while (n < s.n && s.p[n] >= 'a' && s.p[n] <= 'z') n++;
    struct str word = str_sub(s, 0, n);
    return str_is(word, "t") || str_is(word, "y") || str_is(word, "today") || str_is(word, "yesterday");
}

int time_in_zone(struct str text, int64_t now_us, const struct zone *z, int64_t *ret_us, struct error *e)
{
    struct str s = str_trim(text);
    int64_t now = second_of(now_us);
    struct zone_span span = zone_span(z, now);
    if (!by_the_clock(s)) return time_parse_words(s, now_us, span.offset / 60, ret_us, e);
    int64_t local;
    int err = time_parse_words(s, (now + span.offset) * TIME_US_PER_S, 0, &local, e);
    if (err) return err;
    *ret_us = zone_utc(z, second_of(local)) * TIME_US_PER_S + (local - second_of(local) * TIME_US_PER_S);
    return 0;
}
