/* query.c - see query.h. */
#include "modules/history/query.h"
#include <stdio.h>
#include "base/time.h"

#define ZONE_DEFAULT "Asia/Shanghai"

int query_point(const struct run_caller *by, struct arena *a, struct str name, enum api_action act,
                struct answer_point *ret, struct error *e)
{
    struct node *n = by->node;
    struct api_call c = {.api = n->api, .kernel = n->kernel, .a = a, .actor = *by->actor}; /* what finding asks for */
    struct api_point p;
    struct bus_point cfg;
    int err = api_find_point(&c, name, act, &p, e);
    if (err == ERR_NOT_FOUND)
        return error_set(e, err, "points", "there is no point '%.*s'", "没有测点 '%.*s'",
                         STR_ARG(str_sub(name, 0, 130)));
    if (err && e && !e->where[0]) str_to_cstr(STR("points"), e->where, sizeof e->where);
    if (err) return err;
    *ret = (struct answer_point){.id = p.id, .code = p.code, .name = p.name, .unit = p.unit, .num = p.num};
    ret->step = bus_point_get(n->bus, p.num, &cfg) ? cfg.step : p.step;
    return 0;
}

static size_t count_names(struct str list)
{
    size_t n = 0;
    while (list.p) n += str_trim(str_cut(&list, ',')).n > 0;
    return n;
}

int query_points(const struct run_caller *by, struct arena *a, const struct params *p, enum api_action act,
                 struct query *ret, struct error *e)
{
    struct str list = params_text(p, "points");
    size_t n = count_names(list);
    ret->npoints = 0;
    if (n > by->max_points)
        return error_set(e, ERR_LIMIT, "points", "%zu points; at most %zu in one query (POST takes %d)",
                         "共 %zu 个测点；一次查询最多 %zu 个（POST 可达 %d 个）", n, by->max_points,
                         LIMIT_QUERY_POINTS_POST);
    if (n == 0)
        return error_set(e, ERR_INVALID, "points", "name at least one point, for example points=LT-GRD-SAG01.JI",
                         "请至少给出一个测点，例如 points=LT-GRD-SAG01.JI");
    ret->point = arena_calloc(a, n, sizeof *ret->point);
    if (!ret->point) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    while (list.p) {
        struct str name = str_trim(str_cut(&list, ','));
        int err = name.n ? query_point(by, a, name, act, &ret->point[ret->npoints], e) : 0;
        if (err) return err;
        ret->npoints += name.n > 0;
    }
    return 0;
}

/* ------------------------------------------------------------------ range */

static int zone_param(const struct run_caller *by, const struct params *p, struct query *q, struct error *e)
{
    struct str name = params_text(p, "tz");
    struct resource r;
    if (!name.n && resource_single(by->node->kernel, p->a, "history_settings", &r, NULL) == 0)
        name = json_str(json_get(r.spec, "time_zone"), STR_NULL);
    return zone_named(name.n ? name : STR(ZONE_DEFAULT), &q->zone, e);
}

/* Does a text need to know where days begin? */
static bool needs_zone(const struct params *p)
{
    struct str from = params_text(p, "from"), to = params_text(p, "to");
    struct str times = params_text(p, "times");
    char f = from.n ? from.p[0] : '*', t = to.n ? to.p[0] : '*';
    return str_has(times, STR("t")) || str_has(times, STR("y")) || f == 't' || f == 'y' || t == 't' || t == 'y' ||
           params_text(p, "calendar").n || params_text(p, "tz").n || str_has(from, STR("mo")) || str_has(to, STR("mo"));
}

static int time_param(const struct params *p, const char *name, const char *def, int64_t now, const struct zone *z,
                      int64_t *ret, struct error *e)
{
    static const struct zone utc;
    struct str text = params_text(p, name);
    int err = time_in_zone(text.n ? text : str_of(def), now, z ? z : &utc, ret, e);
    if (err) error_prefix(e, name);
    return err;
}

int query_range(const struct run_caller *by, const struct params *p, struct query *ret, struct error *e)
{
    int64_t now = clock_now_us(by->node->clock);
    int err = needs_zone(p) ? zone_param(by, p, ret, e) : 0;
    if (!err) err = time_param(p, "from", "*-1h", now, ret->zone, &ret->from, e);
    if (!err) err = time_param(p, "to", "*", now, ret->zone, &ret->to, e);
    if (err) return err;
    if (ret->to <= ret->from)
        return error_set(e, ERR_INVALID, "to", "the end of the range must lie after its beginning",
                         "时间范围的终点必须晚于起点");
    struct str interval = params_text(p, "interval");
    if (interval.n && (err = duration_parse(interval, &ret->interval, e))) {
        error_prefix(e, "interval");
        return err;
    }
    if (ret->interval > ret->to - ret->from) ret->interval = ret->to - ret->from; /* the same answer, and no overflow */
    return 0;
}

/* ------------------------------------------------------------------ filters */

static bool number_at(struct str s, double *ret)
{
    return str_to_double(str_trim(s), ret) == 0;
}

static bool read_where(struct str s, struct sample_filter *f)
{
    static const struct {
        const char *text;
        enum filter_op op;
    } ops[] = {{">=", FILTER_GE}, {"<=", FILTER_LE}, {"!=", FILTER_NE}, {"==", FILTER_EQ},
               {">", FILTER_GT},  {"<", FILTER_LT},  {"=", FILTER_EQ}};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        struct str op = str_of(ops[i].text);
        if (!str_starts(s, op)) continue;
        f->op = ops[i].op;
        return number_at(str_sub(s, op.n, s.n), &f->a);
    }
    for (size_t i = 1; i + 1 < s.n; i++) {
        if (s.p[i] != '.' || s.p[i + 1] != '.') continue;
        f->op = FILTER_BETWEEN;
        return number_at(str_sub(s, 0, i), &f->a) && number_at(str_sub(s, i + 2, s.n), &f->b);
    }
    return false;
}

int query_filter(const struct params *p, struct sample_filter *ret, struct error *e)
{
    static const char *const words[] = {"all", "usable", "good", NULL};
    static const uint8_t worst[] = {QUALITY_BAD, QUALITY_UNCERTAIN, QUALITY_GOOD};
    const char *name = params_text(p, "quality").n ? "quality" : "filter_quality";
    struct str where = str_trim(params_text(p, "where"));
    size_t i;
    int err = params_word(p, name, words, &i, e);
    if (err) return err;
    *ret = (struct sample_filter){.worst = worst[i]};
    if (where.n && !read_where(where, ret))
        return error_set(e, ERR_INVALID, "where", "'%.*s' is no comparison; write >10, <=3.5, =1, !=0 or 10..20",
                         "'%.*s' 不是比较式；请写 >10、<=3.5、=1、!=0 或 10..20", STR_ARG(str_sub(where, 0, 40)));
    return 0;
}

/* ------------------------------------------------------------------ windows */

/* "08:00", or seconds as a number of hours in `shift_hours`. */
static bool clock_text(struct str s, int *ret_s)
{
    struct str h = str_cut(&s, ':');
    uint64_t hour, minute = 0;
    if (str_to_u64(h, &hour) || (s.p && str_to_u64(s, &minute)) || hour > 23 || minute > 59) return false;
    *ret_s = (int)(hour * 3600 + minute * 60);
    return true;
}

static int read_shift(const struct params *p, struct window_rule *r, struct error *e)
{
    struct str start = params_text(p, "shift_start");
    int64_t hours;
    int err = params_i64(p, "shift_hours", 8, 1, 24, &hours, e);
    if (err) return err;
    if (24 % hours)
        return error_set(e, ERR_INVALID, "shift_hours",
                         "a day has no whole number of shifts of %lld h; use 4, 6, 8 or 12",
                         "一天不是 %lld 小时的整数倍；请用 4、6、8 或 12", (long long)hours);
    r->shift_s = (int)hours * 3600;
    r->shift_start_s = 8 * 3600;
    if (start.n && !clock_text(start, &r->shift_start_s))
        return error_set(e, ERR_INVALID, "shift_start", "'%.*s' is no time of day; write 08:00",
                         "'%.*s' 不是时刻；请写 08:00", STR_ARG(str_sub(start, 0, 20)));
    return 0;
}

int query_windows(const struct params *p, const struct query *q, struct window_rule *ret, struct error *e)
{
    size_t unit;
    *ret = (struct window_rule){.interval_us = q->interval ? q->interval : q->to - q->from};
    int err = params_text(p, "calendar").n ? params_word(p, "calendar", calendar_units + 1, &unit, e) : 1;
    if (err < 0) return err;
    if (err == 1) return 0;
    if (q->interval)
        return error_set(e, ERR_INVALID, "calendar", "give either interval or calendar, not both",
                         "interval 与 calendar 只能给出一个");
    ret->unit = (enum calendar_unit)(unit + 1);
    return ret->unit == CAL_SHIFT ? read_shift(p, ret, e) : 0;
}

/* ------------------------------------------------------------------ functions */

int query_functions(const struct params *p, struct arena *a, struct column_plan *ret,
                    const char *names[COLUMN_FUNCTIONS], struct error *e)
{
    struct str list = params_text(p, "fn");
    ret->nfn = 0;
    if (!list.n) list = STR("average");
    while (list.p) {
        struct str name = str_trim(str_cut(&list, ','));
        if (!name.n) continue;
        if (ret->nfn == COLUMN_FUNCTIONS)
            return error_set(e, ERR_LIMIT, "fn", "at most %d functions in one query", "一次查询最多 %d 个函数",
                             COLUMN_FUNCTIONS);
        ret->fn[ret->nfn] = agg_fn_find(name, &ret->p[ret->nfn]);
        if (!ret->fn[ret->nfn])
            return error_set(
                e, ERR_INVALID, "fn", "there is no function '%.*s'; GET /api/v1/history/functions lists them",
                "没有函数 '%.*s'；GET /api/v1/history/functions 可列出全部", STR_ARG(str_sub(name, 0, 40)));
        names[ret->nfn] = arena_strdup(a, name);
        if (!names[ret->nfn++]) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    }
    return ret->nfn ? 0 : error_set(e, ERR_INVALID, "fn", "name at least one function", "请至少给出一个函数");
}

int query_config(const struct params *p, struct column_plan *ret, struct error *e)
{
    struct agg_config *c = &ret->cfg;
    int64_t per = 1000000;
    struct str text = params_text(p, "per"), per_text = text;
    char one[24];
    ret->stepped_given = params_text(p, "stepped").n > 0;
    int err = params_bool(p, "stepped", false, &c->stepped, e);
    if (!err) err = params_bool(p, "treat_uncertain_as_bad", true, &c->treat_uncertain_as_bad, e);
    if (!err) err = params_bool(p, "sloped_extrapolation", false, &c->sloped_extrapolation, e);
    if (!err) err = params_double(p, "percent_good", 100, 0, 100, &c->percent_good, e);
    if (!err) err = params_double(p, "percent_bad", 100, 0, 100, &c->percent_bad, e);
    if (err) return err;
    if (c->percent_good < 100 - c->percent_bad)
        return error_set(e, ERR_INVALID, "percent_good", "must be at least 100 - percent_bad",
                         "不得小于 100 - percent_bad");
    if (text.n && text.n < 20 && (text.p[0] < '0' || text.p[0] > '9')) { /* "h" is "1h" */
        per_text = str_make(one, (size_t)snprintf(one, sizeof one, "1%.*s", STR_ARG(text)));
    }
    if (text.n && duration_parse(per_text, &per, e)) {
        error_prefix(e, "per");
        return ERR_INVALID;
    }
    c->per_s = (double)per / 1e6;
    return 0;
}
