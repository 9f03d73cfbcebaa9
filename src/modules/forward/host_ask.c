/* host_ask.c - what outlets read of history: samples and windows of one point, in units of the wire. */
#include "model/ts_scan.h"
#include "modules/forward/host_int.h"

#define HISTORY_MAX 10000
#define WINDOWS_MAX 10000
#define TEXT_MAX (64u << 10)

/* ---- history ---- */

static int add_sample(struct call *c, const struct sample *s)
{
    struct ts_store *st = c->f->run->node->history;
    struct item it = {.s = *s, .at = (uint32_t)c->texts.n};
    size_t n = 0;
    if (c->items.n >= c->q.history.max) {
        c->more = true;
        return 1;
    }
    if (s->type == SAMPLE_STRING) {
        uint8_t *room = buf_space(&c->texts, TEXT_MAX);
        if (!room) {
            c->more = true;
            return 1;
        }
        if (st->ops->string_get(st, s->v.u, (char *)room, TEXT_MAX, &n) == 0) c->texts.n += n;
        it.len = (uint32_t)n;
    }
    if (!mem_grow((void **)&c->items.items, &c->items.cap, c->items.n + 1, sizeof it)) return ERR_NOMEM;
    c->items.items[c->items.n++] = it;
    return 0;
}

static int on_scan(void *ctx, const struct sample *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int rc = add_sample(ctx, &s[i]);
        if (rc) return rc;
    }
    return 0;
}

/* Newest first: step by step back. */
static int scan_back(struct call *c, struct ts_store *st)
{
    int64_t at = c->q.history.from_us;
    for (;;) {
        struct sample s;
        int rc = st->ops->before(st, c->num, at, &s);
        if (rc == ERR_NOT_FOUND) return 0;
        if (rc) return rc;
        if (s.time_us < c->q.history.to_us) return c->q.history.bounds ? add_sample(c, &s) : 0;
        rc = add_sample(c, &s);
        if (rc) return rc;
        at = s.time_us - 1;
    }
}

static int scan_on(struct call *c, struct ts_store *st, struct error *e)
{
    const struct outlet_history *q = &c->q.history;
    struct sample s;
    int rc = 0;
    if (q->bounds && st->ops->before(st, c->num, q->from_us - 1, &s) == 0) {
        struct sample first;
        bool exact = st->ops->after(st, c->num, q->from_us, &first) == 0 && first.time_us == q->from_us;
        if (!exact) rc = add_sample(c, &s);
    }
    if (!rc) rc = st->ops->scan(st, c->num, q->from_us, q->to_us, on_scan, c, e);
    if (!rc && q->bounds && st->ops->after(st, c->num, q->to_us, &s) == 0) rc = add_sample(c, &s);
    return rc;
}

static void work_history(void *arg)
{
    struct call *c = arg;
    struct ts_store *st = c->f->run->node->history;
    int rc = ERR_UNSUPPORTED;
    if (st) rc = c->q.history.from_us > c->q.history.to_us ? scan_back(c, st) : scan_on(c, st, &c->error);
    if (rc < 0 && !c->error.code) error_set(&c->error, rc, "", "history cannot be read", "无法读取历史数据");
    fwd_call_home(c);
}

void host_history(void *ctx, const struct outlet_history *q)
{
    struct fwd *f = ctx;
    struct error e;
    struct call *c = fwd_call_new(f, CALL_HISTORY, q->slot);
    if (!c) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        q->done(q->arg, &e, NULL, 0, false);
        return;
    }
    c->q.history = *q;
    if (c->q.history.max < 1) c->q.history.max = 1;
    if (c->q.history.max > HISTORY_MAX) c->q.history.max = HISTORY_MAX;
    fwd_call_start(c, f->run->asking, work_history);
}

/* ---- windows ---- */

static int on_window(void *ctx, size_t i, const struct ts_summary *s)
{
    struct call *c = ctx;
    const struct outlet_windows *q = &c->q.windows;
    struct outlet_window *w = &c->w[i];
    double a = c->slot.scale, b = c->slot.offset;
    int64_t to = q->from_us + (int64_t)(i + 1) * q->step_us;
    bool swap = a < 0;
    *w = (struct outlet_window){.from_us = q->from_us + (int64_t)i * q->step_us,
                                .to_us = to < q->to_us ? to : q->to_us,
                                .min = a * (swap ? s->max : s->min) + b,
                                .max = a * (swap ? s->min : s->max) + b,
                                .min_us = swap ? s->max_us : s->min_us,
                                .max_us = swap ? s->min_us : s->max_us,
                                .mean = a * s->twa + b,
                                .sum = a * s->sum + b * (double)s->usable,
                                .integral = a * s->integral + b * s->usable_s,
                                .first = a * sample_number(&s->first) + b,
                                .last = a * sample_number(&s->last) + b,
                                .count = s->count,
                                .percent_good = s->percent_good};
    return 0;
}

static void work_windows(void *arg)
{
    struct call *c = arg;
    struct ts_store *st = c->f->run->node->history;
    const struct outlet_windows *q = &c->q.windows;
    AUTO_FREE int64_t *edges = mem_calloc(c->nw + 1, sizeof *edges);
    c->w = mem_calloc(c->nw + 1, sizeof *c->w);
    int rc = edges && c->w && st ? 0 : ERR_NOMEM;
    for (size_t i = 0; !rc && i <= c->nw; i++) {
        int64_t at = q->from_us + (int64_t)i * q->step_us;
        edges[i] = at < q->to_us ? at : q->to_us;
    }
    if (!rc) rc = ts_windows(st, c->num, edges, c->nw, c->step, on_window, c, &c->error);
    if (rc < 0 && !c->error.code) error_set(&c->error, rc, "", "history cannot be read", "无法读取历史数据");
    fwd_call_home(c);
}

void host_windows(void *ctx, const struct outlet_windows *q)
{
    struct fwd *f = ctx;
    struct error e = {0};
    int64_t n = q->step_us > 0 && q->to_us > q->from_us ? (q->to_us - q->from_us - 1) / q->step_us + 1 : 0;
    struct call *c = fwd_call_new(f, CALL_WINDOWS, q->slot);
    if (n < 1 || n > WINDOWS_MAX)
        error_set(&e, ERR_INVALID, "", "1 to %d windows at a time", "一次可查询 1 至 %d 个窗口", WINDOWS_MAX);
    else if (!c)
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (e.code) {
        if (c) fwd_call_free(c);
        q->done(q->arg, &e, NULL, 0);
        return;
    }
    c->q.windows = *q;
    c->nw = (size_t)n;
    fwd_call_start(c, f->run->asking, work_windows);
}
