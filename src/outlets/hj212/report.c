/* report.c - the data of periods, built from the host's history: one query at a time, the windows of each point first,
 * then the samples of what was not good for the flag. A set that changes meanwhile begins it anew. */
#include "outlets/hj212/sender_int.h"

static void next(struct hs_report *r);

static bool of_states(unsigned cn)
{
    return cn == 2021 || cn == 2041;
}
static const struct hs_point *point_at(const struct hs_report *r, size_t at)
{
    return &r->ch->points[r->ch->order[at]];
}
static bool wanted(const struct hs_report *r, size_t at)
{
    return (point_at(r, at)->kind == HS_STATE) == of_states(r->cn);
}

/* ---- begin and end ---- */

/* Parts of a period: what means are taken over for totals. */
static unsigned parts_of(unsigned cn, int64_t period_us)
{
    if (cn == 2031 || cn == 2041) return 24;
    if (cn == 2061) return 6;
    if (cn != 2051) return 1;
    return period_us % (60 * TIME_US_PER_S) == 0 && period_us <= 3600 * TIME_US_PER_S
               ? (unsigned)(period_us / (60 * TIME_US_PER_S))
               : 1;
}

static int reset(struct hs_report *r)
{
    size_t n = (r->ch->norder + 1) * r->n;
    mem_free(TAKE(r->v));
    for (int i = 0; i < 2; i++) mem_free(TAKE(r->flow[i]));
    r->v = mem_calloc(n, sizeof *r->v);
    r->at = r->flag_at = 0;
    r->generation = r->ch->generation;
    return r->v ? 0 : ERR_NOMEM;
}

int hs_report_begin(struct hs_report *r, unsigned cn, int64_t from_us, int64_t period_us, unsigned n)
{
    r->cn = cn;
    r->from_us = from_us;
    r->period_us = period_us;
    r->n = n;
    r->parts = parts_of(cn, period_us);
    r->part_us = period_us / r->parts;
    if (reset(r)) return ERR_NOMEM;
    r->busy = true;
    next(r);
    return 0;
}

void hs_report_end(struct hs_report *r)
{
    mem_free(TAKE(r->v));
    for (int i = 0; i < 2; i++) mem_free(TAKE(r->flow[i]));
    r->busy = false;
}

/* An answer came: is it still wanted? */
static bool goes_on(struct hs_report *r, const struct error *e)
{
    r->asking = false;
    if (r->ch->closing) {
        hs_report_end(r);
        hs_maybe_free(r->ch);
        return false;
    }
    if (e == NULL && r->generation == r->ch->generation) return true;
    struct error nomem = {0};
    if (e == NULL && reset(r)) {
        error_set(&nomem, ERR_NOMEM, "", "out of memory", "内存不足");
        e = &nomem;
    }
    if (e)
        r->done(r, e);
    else
        next(r);
    return false;
}

/* ---- values ---- */

static double *flow_of(struct hs_report *r, const struct hs_point *p)
{
    return p->medium ? r->flow[p->medium == 'a'] : NULL;
}

static double seconds(const struct outlet_window *w)
{
    return (double)(w->to_us - w->from_us) / 1e6;
}

struct sums {
    double time, value, total, flow, weighted, covered;
    bool has_total;
};

static void add_part(struct sums *s, const struct hs_point *p, const struct outlet_window *w, const double *flow,
                     double flow_m3)
{
    double t = seconds(w);
    s->covered += isnan(w->percent_good) ? 0 : w->percent_good * t;
    if (isnan(w->mean)) return;
    s->time += t;
    s->value += w->mean * t;
    if (p->total == HS_TOTAL_VOLUME) {
        s->total += w->mean * t * p->factor;
        s->has_total = true;
    } else if (!p->flow && flow && !isnan(*flow)) {
        s->flow += *flow * t;
        s->weighted += w->mean * *flow * t;
        s->total += w->mean * *flow * t * flow_m3 * p->factor;
        s->has_total = p->total == HS_TOTAL_MASS;
    }
}

static void spread(struct hs_value *v, const struct outlet_window *w)
{
    if (isnan(w->mean)) return;
    if (isnan(v->min) || w->min < v->min) v->min = w->min;
    if (isnan(v->max) || w->max > v->max) v->max = w->max;
    v->last = w->last;
}

static double m3_of(char medium)
{
    return medium == 'w' ? 1e-3 : 1; /* of the unit of flow x seconds */
}

static void value_of(struct hs_report *r, const struct hs_point *p, unsigned period, const struct outlet_window *w,
                     size_t n, struct hs_value *v)
{
    struct sums s = {0};
    double *flow = flow_of(r, p);
    *v = (struct hs_value){NAN, NAN, NAN, NAN, NAN, 0, 0};
    for (unsigned i = 0; i < r->parts; i++) {
        size_t k = (size_t)period * r->parts + i;
        if (k >= n) break;
        add_part(&s, p, &w[k], flow ? &flow[k] : NULL, m3_of((char)p->medium));
        spread(v, &w[k]);
    }
    if (s.time > 0) v->avg = s.value / s.time;
    if (p->by_flow && s.flow > 0) v->avg = s.weighted / s.flow;
    if (s.has_total) v->total = s.total;
    if (isnan(v->last)) v->last = v->avg; /* no sample in it: what held on */
    v->good = s.covered / ((double)r->period_us / 1e6);
    if (v->good >= r->ch->cfg.valid_percent && !isnan(v->avg)) v->flag = 'N';
}

static void keep_flow(struct hs_report *r, const struct hs_point *p, const struct outlet_window *w, size_t n)
{
    size_t all = (size_t)r->n * r->parts;
    double **flow = &r->flow[p->medium == 'a'];
    if (*flow) return; /* the first one of the medium counts */
    *flow = mem_calloc(all, sizeof **flow);
    for (size_t k = 0; *flow && k < all; k++) (*flow)[k] = k < n ? w[k].mean : NAN;
}

static void on_windows(void *arg, const struct error *e, const struct outlet_window *w, size_t n)
{
    struct hs_report *r = arg;
    if (!goes_on(r, e)) return;
    const struct hs_point *p = point_at(r, r->at);
    if (p->flow && p->kind == HS_VALUE) keep_flow(r, p, w, n);
    for (unsigned k = 0; k < r->n; k++) value_of(r, p, k, w, n, &r->v[r->at * r->n + k]);
    r->at++;
    next(r);
}

/* ---- flags ---- */

/* The flag that stood longest apart from N. */
static char prevailing(const struct outlet_item *items, size_t n, int64_t from, int64_t to)
{
    int64_t held[128] = {0};
    char best = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t a = items[i].sample.time_us, b = i + 1 < n ? items[i + 1].sample.time_us : to;
        if (a < from) a = from;
        if (b > to) b = to;
        char c = hs_flag(&items[i].sample);
        if (b > a) held[c & 127] += b - a;
        if (c != 'N' && held[c & 127] > 0 && (best == 0 || held[c & 127] > held[best & 127])) best = c;
    }
    return best;
}

static void on_samples(void *arg, const struct error *e, const struct outlet_item *items, size_t n, bool more)
{
    struct hs_report *r = arg;
    if (!goes_on(r, e)) return;
    int64_t from = r->from_us + (int64_t)(r->flag_at % r->n) * r->period_us;
    struct hs_value *v = &r->v[r->flag_at++];
    char c = prevailing(items, n, from, from + r->period_us);
    v->flag = c ? c : isnan(v->avg) ? 'B' : 'D';
    next(r);
}

static void ask_samples(struct hs_report *r)
{
    const struct outlet_host *h = r->ch->base.host;
    int64_t from = r->from_us + (int64_t)(r->flag_at % r->n) * r->period_us;
    r->asking = true;
    h->history(h->ctx, &(struct outlet_history){.slot = point_at(r, r->flag_at / r->n)->slot,
                                                .from_us = from,
                                                .to_us = from + r->period_us,
                                                .max = HS_FLAG_ROWS,
                                                .bounds = true,
                                                .done = on_samples,
                                                .arg = r});
}

static void ask_windows(struct hs_report *r)
{
    const struct outlet_host *h = r->ch->base.host;
    r->asking = true;
    h->windows(h->ctx, &(struct outlet_windows){.slot = point_at(r, r->at)->slot,
                                                .from_us = r->from_us,
                                                .to_us = r->from_us + r->n * r->period_us,
                                                .step_us = r->part_us,
                                                .done = on_windows,
                                                .arg = r});
}

static void next(struct hs_report *r)
{
    size_t n = r->ch->norder;
    while (r->at < n && !wanted(r, r->at)) r->at++;
    if (r->at < n) {
        ask_windows(r);
        return;
    }
    while (r->flag_at < n * r->n && (!wanted(r, r->flag_at / r->n) || r->v[r->flag_at].flag)) r->flag_at++;
    if (r->flag_at < n * r->n)
        ask_samples(r);
    else
        r->done(r, NULL);
}

/* ---- as CP ---- */

static void field(struct buf *cp, const struct hs_point *p, const char *name, double x, const char **sep)
{
    if (isnan(x)) return;
    buf_printf(cp, "%s%s-%s=", *sep, p->code, name);
    hs_put_number(cp, x, p->decimals);
    *sep = ",";
}

static bool put_period(struct buf *cp, const struct hs_point *p, const struct hs_value *v, const char **sep)
{
    bool zs = p->kind == HS_CONVERTED;
    field(cp, p, "Cou", zs ? NAN : v->total, sep);
    field(cp, p, zs ? "ZsMin" : "Min", v->min, sep);
    field(cp, p, zs ? "ZsAvg" : "Avg", v->avg, sep);
    field(cp, p, zs ? "ZsMax" : "Max", v->max, sep);
    return !isnan(v->avg);
}

static bool put_value(const struct hs_report *r, struct buf *cp, const struct hs_point *p, const struct hs_value *v,
                      const char **sep)
{
    if (r->cn == 2041) {
        field(cp, p, "RT", v->avg * (double)r->period_us / 3600e6, sep);
        return !isnan(v->avg);
    }
    if (r->cn != 2011 && r->cn != 2021) return put_period(cp, p, v, sep);
    field(cp, p, r->cn == 2021 ? "RS" : p->kind == HS_CONVERTED ? "ZsRtd" : "Rtd", v->last, sep);
    return !isnan(v->last);
}

static void begin_cp(const struct hs_channel *ch, int64_t time_us, struct buf *cp)
{
    char time[HJ212_TIME_TEXT];
    buf_printf(cp, "DataTime=%s", hj212_time_format(time_us, ch->cfg.tz_minutes, false, time));
}

/* One item holds all fields of a code, its flag last: that of its first point. */
static bool same_item(const struct hs_channel *ch, size_t at)
{
    return at + 1 < ch->norder && strcmp(ch->points[ch->order[at]].code, ch->points[ch->order[at + 1]].code) == 0 &&
           ch->points[ch->order[at + 1]].kind == HS_CONVERTED;
}

unsigned hs_report_cp(const struct hs_report *r, unsigned period, struct buf *cp)
{
    unsigned n = 0;
    char flag = 0;
    begin_cp(r->ch, r->from_us + period * r->period_us, cp);
    const char *sep = ";";
    for (size_t at = 0; at < r->ch->norder; at++) {
        const struct hs_value *v = &r->v[at * r->n + period];
        if (!wanted(r, at)) continue;
        n += put_value(r, cp, point_at(r, at), v, &sep);
        if (flag == 0) flag = v->flag;
        if (same_item(r->ch, at)) continue;
        if (!of_states(r->cn)) buf_printf(cp, "%s%s-Flag=%c", sep, point_at(r, at)->code, flag ? flag : 'N');
        sep = ";";
        flag = 0;
    }
    return n;
}

bool hs_report_any(const struct hs_report *r, unsigned period)
{
    for (size_t at = 0; at < r->ch->norder; at++)
        if (wanted(r, at) && !isnan(r->v[at * r->n + period].avg)) return true;
    return false;
}

unsigned hs_present_cp(const struct hs_channel *ch, unsigned cn, int64_t time_us, struct buf *cp)
{
    const struct outlet_host *h = ch->base.host;
    const char *sep = ";";
    unsigned n = 0;
    char flag = 0, text[1];
    begin_cp(ch, time_us, cp);
    for (size_t at = 0; at < ch->norder; at++) {
        const struct hs_point *p = &ch->points[ch->order[at]];
        struct sample s = {0};
        double x = NAN;
        size_t len;
        if ((p->kind == HS_STATE) != of_states(cn)) continue;
        if (!h->current(h->ctx, p->slot, &s, text, sizeof text, &len))
            s.quality = QUALITY_BAD, s.flags = REASON_NO_DATA;
        bool has = hs_number(&s, &x);
        field(cp, p, p->kind == HS_STATE ? "RS" : p->kind == HS_CONVERTED ? "ZsRtd" : "Rtd", has ? x : NAN, &sep);
        n += has;
        if (flag == 0) flag = hs_flag(&s);
        if (same_item(ch, at)) continue;
        if (p->kind != HS_STATE) buf_printf(cp, "%s%s-Flag=%c", sep, p->code, flag);
        sep = ";";
        flag = 0;
    }
    return n;
}
