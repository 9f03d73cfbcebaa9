/* plan.c - see plan.h. Zones are read anew each time that a schedule is read, so that an update of the machine's
 * database takes effect without a restart. */
#include "core/job/plan.h"
#include "base/time.h"

#define DAY 86400
#define DAYS_AHEAD 8000

/* ------------------------------------------------------------------ calendars */

static int read_date(struct str text, int64_t *ret, struct error *e)
{
    int64_t us = 0;
    if (text.n != 10 || time_parse(text, &us, NULL))
        return error_set(e, ERR_INVALID, "from", "'%.*s' is no date such as 2026-10-01",
                         "“%.*s”不是形如 2026-10-01 的日期", STR_ARG(str_sub(text, 0, 40)));
    *ret = us / 1000000 / DAY;
    return 0;
}

static int read_ranges(const struct json *list, const char *name, struct arena *a, struct day_range **ret,
                       size_t *ret_n, struct error *e)
{
    size_t n = json_count(list), i = 0;
    struct day_range *r = arena_calloc(a, n + 1, sizeof *r);
    if (!r) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    for
        json_each (it, list) {
            struct str from = json_str(json_get(it, "from"), STR(""));
            int rc = read_date(from, &r[i].first, e);
            if (!rc) rc = read_date(json_str(json_get(it, "to"), from), &r[i].last, e);
            if (!rc && r[i].last < r[i].first)
                rc = error_set(e, ERR_INVALID, "to", "the last day is before the first", "结束日期早于开始日期");
            if (rc) {
                char where[64];
                snprintf(where, sizeof where, "spec.%s[%zu].", name, i);
                error_prefix(e, where);
                return rc;
            }
            i++;
        }
    *ret = r;
    *ret_n = n;
    return 0;
}

int calendar_read(const struct json *spec, struct arena *a, struct calendar *ret, struct error *e)
{
    static const char *const names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
    struct calendar c = {0};
    for
        json_each (it, json_get(spec, "working_days"))
            for (int d = 0; d < 7; d++)
                if (str_is(json_str(it, STR("")), names[d])) c.week |= (uint8_t)(1u << d);
    int rc = read_ranges(json_get(spec, "holidays"), "holidays", a, &c.off, &c.noff, e);
    if (!rc) rc = read_ranges(json_get(spec, "extra_working_days"), "extra_working_days", a, &c.on, &c.non, e);
    if (!rc) *ret = c;
    return rc;
}

static bool within(const struct day_range *r, size_t n, int64_t day)
{
    for (size_t i = 0; i < n; i++)
        if (day >= r[i].first && day <= r[i].last) return true;
    return false;
}

bool calendar_works(const struct calendar *c, int64_t day)
{
    if (within(c->on, c->non, day)) return true;
    if (within(c->off, c->noff, day)) return false;
    return c->week >> ((day + 4) % 7 + 7) % 7 & 1;
}

/* ------------------------------------------------------------------ plans */

int plan_read(const struct json *spec, const struct json *calendar_spec, struct arena *a, struct plan *ret,
              struct error *e)
{
    struct plan p = {.working_days = calendar_spec != NULL};
    p.next_working = str_is(json_str(json_get(spec, "day_off"), STR("skip")), "next");
    int rc = cron_parse(json_str(json_get(spec, "cron"), STR("")), &p.cron, e);
    if (!rc) rc = zone_load(json_str(json_get(spec, "time_zone"), STR("Asia/Shanghai")), &p.zone, e);
    if (rc) {
        error_prefix(e, "spec.");
        return rc;
    }
    if (calendar_spec) rc = calendar_read(calendar_spec, a, &p.calendar, e);
    if (rc)
        plan_fini(&p);
    else
        *ret = p;
    return rc;
}

void plan_fini(struct plan *p)
{
    zone_fini(&p->zone);
}

static int64_t floor_day(int64_t t)
{
    return t >= 0 ? t / DAY : -((-t + DAY - 1) / DAY);
}

static int64_t local_day(const struct plan *p, int64_t t)
{
    return floor_day(t + zone_span(&p->zone, t).offset);
}

/* Runs on days off are left out. */
static int64_t next_skipping(const struct plan *p, int64_t after)
{
    int64_t last = local_day(p, after) + DAYS_AHEAD;
    for (;;) {
        int64_t t = cron_next(&p->cron, &p->zone, after);
        if (t == INT64_MAX) return t;
        int64_t day = local_day(p, t);
        if (calendar_works(&p->calendar, day)) return t;
        while (day <= last && !calendar_works(&p->calendar, day)) day++;
        if (day > last) return INT64_MAX;
        after = zone_utc(&p->zone, day * DAY) - 1;
    }
}

/* The first run on working day `day` after `after` of the times that cron gives day `from`. */
static int64_t moved(const struct plan *p, int64_t from, int64_t day, int64_t after)
{
    int64_t local = from * DAY;
    while ((local = cron_local(&p->cron, local, (from + 1) * DAY)) != INT64_MAX) {
        int64_t t = zone_utc(&p->zone, local + (day - from) * DAY);
        if (t > after) return t;
        int64_t ahead = after - t; /* on the same day: no need to look at each second */
        local += ahead > 4 * 3600 ? ahead - 4 * 3600 : 1;
    }
    return INT64_MAX;
}

/* Runs on days off happen on the next working day at their time of day. */
static int64_t next_moving(const struct plan *p, int64_t after)
{
    int64_t day = local_day(p, after), last = day + DAYS_AHEAD;
    for (; day <= last; day++) {
        if (!calendar_works(&p->calendar, day)) continue;
        int64_t best = moved(p, day, day, after);
        for (int64_t off = day - 1; off > day - 60 && !calendar_works(&p->calendar, off); off--) {
            int64_t t = moved(p, off, day, after);
            if (t < best) best = t;
        }
        if (best != INT64_MAX) return best;
    }
    return INT64_MAX;
}

int64_t plan_next(const struct plan *p, int64_t after_us)
{
    int64_t after = after_us >= 0 ? after_us / 1000000 : -((-after_us + 999999) / 1000000), t;
    if (!p->working_days)
        t = cron_next(&p->cron, &p->zone, after);
    else
        t = p->next_working ? next_moving(p, after) : next_skipping(p, after);
    return t == INT64_MAX ? t : t * 1000000;
}
