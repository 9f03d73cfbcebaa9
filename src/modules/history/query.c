/* query.c - see query.h. */
#include "modules/history/query.h"
#include "base/time.h"

static int add_point(struct node *n, struct api_call *c, struct str name, struct query *q, struct error *e)
{
    struct resource r;
    struct bus_point cfg;
    if (q->npoints == LIMIT_QUERY_POINTS)
        return error_set(e, ERR_LIMIT, "points", "at most %d points in one query", "一次查询最多 %d 个测点",
                         LIMIT_QUERY_POINTS);
    int err = api_find(c, "point", name, ACT_READ, &r, e);
    if (err == ERR_NOT_FOUND)
        return error_set(e, err, "points", "there is no point '%.*s'", "没有测点 '%.*s'", STR_ARG(name));
    if (err) return err;
    struct query_point *p = &q->point[q->npoints++];
    *p = (struct query_point){.id = r.id, .code = r.code, .name = r.name, .num = r.num};
    p->unit = json_str(json_get(r.spec, "unit"), STR(""));
    p->step = bus_point_get(n->bus, r.num, &cfg) ? cfg.step : json_bool(json_get(r.spec, "step"), false);
    return 0;
}

int query_points(struct node *n, struct api_call *c, struct str list, struct query *ret, struct error *e)
{
    ret->npoints = 0;
    while (list.p) {
        struct str name = str_trim(str_cut(&list, ','));
        int err = name.n ? add_point(n, c, name, ret, e) : 0;
        if (err) return err;
    }
    if (ret->npoints == 0)
        return error_set(e, ERR_INVALID, "points", "name at least one point, for example points=LT-GRD-SAG01.JI",
                         "请至少给出一个测点，例如 points=LT-GRD-SAG01.JI");
    return 0;
}

static int time_param(struct api_call *c, const char *name, const char *def, int64_t now, int64_t *ret, struct error *e)
{
    struct str text = http_query(c->req, name);
    int err = time_parse_words(text.n ? text : str_of(def), now, 0, ret, e);
    if (err) error_prefix(e, name);
    return err;
}

int query_read(struct node *n, struct api_call *c, struct query *ret, struct error *e)
{
    *ret = (struct query){0};
    int64_t now = clock_now_us(n->clock);
    int err = query_points(n, c, http_query(c->req, "points"), ret, e);
    if (!err) err = time_param(c, "from", "*-1h", now, &ret->from, e);
    if (!err) err = time_param(c, "to", "*", now, &ret->to, e);
    if (err) return err;
    if (ret->to <= ret->from)
        return error_set(e, ERR_INVALID, "to", "the end of the range must lie after its beginning",
                         "时间范围的终点必须晚于起点");
    struct str interval = http_query(c->req, "interval");
    if (interval.n && (err = duration_parse(interval, &ret->interval, e))) {
        error_prefix(e, "interval");
        return err;
    }
    if (ret->interval > ret->to - ret->from) ret->interval = ret->to - ret->from; /* the same answer, and no overflow */
    struct str quality = http_query(c->req, "filter_quality");
    if (quality.n && !str_is(quality, "good"))
        return error_set(e, ERR_INVALID, "filter_quality", "'%.*s' is not known; write good or leave it out",
                         "'%.*s' 无效；请写 good 或省略", STR_ARG(quality));
    ret->good_only = quality.n > 0;
    return 0;
}
