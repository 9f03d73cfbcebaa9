/* template.c - a whole driver in one file: every function of struct driver, none of them empty.
 *
 * Role     makes test signals (signal.h) at each point's period. A real driver has a connection where
 *          this one computes: see drivers/modbus for that, and README.md here for the steps.
 * Design   points are sorted by period; each stretch of equal period is a group with a slot in the poll
 *          queue; one timer stands at the first slot. One group that is due = one time stamp = one batch.
 * Threads  all on the channel's loop, see bornite/driver.h. Nothing blocks; nothing is locked.
 * Memory   the channel owns its arrays; channel_set builds the new ones first and then swaps. */
#include <stdio.h>
#include <stdlib.h>
#include "base/mem.h"
#include "drivers/common/convert.h"
#include "drivers/common/poll.h"
#include "drivers/template/signal.h"
#include "drivers/template/template.h"

struct sig_point {
    uint32_t num, period_ms;
    bool wrong; /* its address cannot be read: published once as CONFIG_ERROR */
    struct signal signal;
    struct driver_point conf; /* scale, range; its texts are not ours and not used */
};

struct sig_group {
    struct poll_slot slot; /* first: the queue hands it back */
    size_t first, n;       /* stretch of points */
};

struct sig_channel {
    struct driver_channel base; /* first: the host only knows this */
    double speed;
    struct sig_point *points;
    struct sig_group *groups;
    struct sample *batch;          /* room for the largest group */
    size_t npoints, ngroups, held; /* held: samples in batch that the host would not take yet */
    struct driver_device *devices;
    size_t ndevices;
    struct poll_queue queue;
    struct driver_status st;
    uv_timer_t timer;
    driver_closed *closed;
    void *closed_arg;
};

/* ---- what the user sets: rows, not code ---- */

static const struct option channel_options[] = {
    {.name = "speed",
     .type = OPTION_NUMBER,
     .en = "Speed",
     .zh = "速度",
     .def = "1",
     .min = "0.001",
     .max = "1000",
     .help_en = "How much faster than the clock the signals run.",
     .help_zh = "信号相对时钟的倍速。"},
    {0},
};
static const char *const examples[] = {"sine:60:10:50", "square:10", "saw:300:50:50", "memory:12.5", NULL};

/* ---- pure: any thread ---- */

static int address_check(const struct driver_point *p, const struct options *device, struct driver_address *ret,
                         struct error *e)
{
    struct signal s;
    int rc = signal_parse(str_of(p->address), &s, e);
    if (rc == 0 && p->type == VALUE_STRING)
        rc = error_set(e, ERR_INVALID, "type", "a signal is a number; leave the type at 'auto'",
                       "信号为数值，类型请用 auto");
    if (rc || ret == NULL) return rc;
    snprintf(ret->canonical, sizeof ret->canonical, "%s", p->address);
    ret->type = p->type == VALUE_AUTO ? VALUE_DOUBLE : p->type;
    ret->writable = s.shape == SIGNAL_MEMORY;
    return 0;
}

static void describe(const struct driver_frame *f, char *en, char *zh, size_t cap)
{
    snprintf(en, cap, "%zu bytes (this driver has no frames)", f->n);
    snprintf(zh, cap, "%zu 字节（此驱动没有报文）", f->n);
}

/* ---- publishing ---- */

static struct sample sample_of(const struct sig_channel *ch, const struct sig_point *p, int64_t now)
{
    double x = signal_value(&p->signal, (int64_t)((double)now * ch->speed)) * p->conf.scale + p->conf.offset;
    struct sample s = {.time_us = now, .point = p->num, .type = SAMPLE_DOUBLE, .v.d = x};
    if (p->conf.type == VALUE_BOOL) s.type = SAMPLE_BOOL, s.v.i = x > 0;
    if (x < p->conf.lo || x > p->conf.hi) s.quality = QUALITY_UNCERTAIN, s.flags = REASON_OUT_OF_RANGE;
    if (p->wrong)
        s = (struct sample){.time_us = now, .point = p->num, .quality = QUALITY_BAD, .flags = REASON_CONFIG_ERROR};
    return s;
}

/* Offer the batch; true when it is gone. Back-pressure: what the host would not take stays in the batch,
 * and nothing new is made until it is gone. */
static bool offer(struct sig_channel *ch)
{
    const struct driver_host *h = ch->base.host;
    if (ch->held && h->publish(h->ctx, ch->batch, ch->held)) {
        ch->st.held++;
        return false;
    }
    ch->st.samples += ch->held;
    ch->held = 0;
    return true;
}

static void poll_group(struct sig_channel *ch, struct sig_group *g, uint64_t now)
{
    const struct driver_host *h = ch->base.host;
    int64_t time_us = h->now_us(h->ctx);
    bool wrong = ch->points[g->first].wrong;
    for (size_t i = 0; i < g->n; i++) ch->batch[i] = sample_of(ch, &ch->points[g->first + i], time_us);
    ch->held = g->n;
    ch->st.polls++;
    ch->st.last_ok_us = time_us;
    if (wrong)
        poll_remove(&ch->queue, &g->slot); /* told once */
    else
        ch->st.late += poll_advance(&ch->queue, &g->slot, now);
}

static void on_timer(uv_timer_t *t);

static void plan(struct sig_channel *ch)
{
    const struct poll_slot *first = poll_first(&ch->queue);
    uint64_t now = ch->base.host->mono_ns(ch->base.host->ctx), at = ch->held ? now + 5000000
                                                                    : first  ? first->due_ns
                                                                             : 0;
    if (at == 0)
        uv_timer_stop(&ch->timer);
    else
        uv_timer_start(&ch->timer, on_timer, at > now ? (at - now + 999999) / 1000000 : 0, 0);
}

static void on_timer(uv_timer_t *t)
{
    struct sig_channel *ch = t->data;
    uint64_t now = ch->base.host->mono_ns(ch->base.host->ctx);
    struct poll_slot *first;
    while (offer(ch) && (first = poll_first(&ch->queue)) != NULL && first->due_ns <= now)
        poll_group(ch, (struct sig_group *)first, now);
    plan(ch);
}

static void set_state(struct sig_channel *ch, enum driver_state s)
{
    const struct driver_host *h = ch->base.host;
    if (ch->st.state == s) return;
    ch->st.state = s;
    ch->st.since_us = h->now_us(h->ctx);
    if (h->state) h->state(h->ctx, s, NULL);
}

/* ---- the desired set ---- */

static int by_period(const void *pa, const void *pb)
{
    const struct sig_point *a = pa, *b = pb;
    if (a->wrong != b->wrong) return a->wrong - b->wrong;
    if (a->period_ms != b->period_ms) return a->period_ms < b->period_ms ? -1 : 1;
    return (a->num > b->num) - (a->num < b->num);
}

static const struct sig_point *find(const struct sig_channel *ch, uint32_t num)
{
    for (size_t i = 0; i < ch->npoints; i++)
        if (ch->points[i].num == num) return &ch->points[i];
    return NULL;
}

static void resolve(const struct sig_channel *ch, const struct driver_point *p, struct sig_point *ret)
{
    const struct sig_point *old = find(ch, p->num);
    struct driver_address a;
    *ret = (struct sig_point){.num = p->num, .period_ms = p->period_ms, .conf = *p};
    ret->wrong = address_check(p, NULL, &a, NULL) || signal_parse(str_of(p->address), &ret->signal, NULL);
    if (old && old->signal.shape == SIGNAL_MEMORY && ret->signal.shape == SIGNAL_MEMORY)
        ret->signal.centre = old->signal.centre;
}

static size_t make_groups(const struct sig_channel *ch, const struct sig_point *points, size_t n,
                          struct sig_group *groups)
{
    uint64_t now = ch->base.host->mono_ns(ch->base.host->ctx);
    size_t k = 0;
    for (size_t i = 0; i < n; groups[k - 1].n++, i++) {
        bool same = k && points[i].period_ms == points[i - 1].period_ms && points[i].wrong == points[i - 1].wrong;
        if (!same)
            groups[k++] =
                (struct sig_group){.slot = {.due_ns = now, .period_ns = points[i].period_ms * 1000000ull}, .first = i};
    }
    return k;
}

static int channel_set(struct driver_channel *base, const struct driver_device *devices, size_t nd,
                       const struct driver_point *points, size_t np, struct error *e)
{
    struct sig_channel *ch = (struct sig_channel *)base;
    AUTO_FREE struct sig_point *p = mem_calloc(np + 1, sizeof *p);
    AUTO_FREE struct sig_group *g = mem_calloc(np + 1, sizeof *g);
    AUTO_FREE struct sample *batch = mem_calloc(np + 1, sizeof *batch);
    AUTO_FREE struct driver_device *d = mem_calloc(nd + 1, sizeof *d);
    struct poll_queue q = {0};
    int rc = p && g && batch && d ? 0 : ERR_NOMEM;
    for (size_t i = 0; rc == 0 && i < np; i++) resolve(ch, &points[i], &p[i]);
    if (rc == 0) qsort(p, np, sizeof *p, by_period);
    size_t ng = rc == 0 ? make_groups(ch, p, np, g) : 0;
    for (size_t i = 0; rc == 0 && i < ng; i++) rc = poll_add(&q, &g[i].slot);
    if (rc) {
        poll_queue_fini(&q);
        return error_set(e, rc, "", "out of memory for %zu points", "内存不足，无法处理 %zu 个测点", np);
    }
    for (size_t i = 0; i < nd; i++) d[i] = (struct driver_device){.num = devices[i].num};
    mem_free(ch->points), mem_free(ch->groups), mem_free(ch->batch), mem_free(ch->devices), poll_queue_fini(&ch->queue);
    ch->points = TAKE(p), ch->groups = TAKE(g), ch->batch = TAKE(batch), ch->devices = TAKE(d);
    ch->npoints = np, ch->ngroups = ng, ch->ndevices = nd, ch->queue = q, ch->held = 0;
    ch->st.points = (uint32_t)np;
    set_state(ch, np ? DRIVER_UP : DRIVER_OFF);
    plan(ch);
    return 0;
}

/* ---- what somebody asks for; here each completes at once ---- */

static int write_value(struct sig_channel *ch, const struct driver_write *w, struct sample *ret, struct error *e)
{
    struct sig_point *p = (struct sig_point *)(uintptr_t)find(ch, w->point);
    double x = w->value.type == SAMPLE_DOUBLE ? w->value.v.d : (double)w->value.v.i;
    if (p == NULL)
        return error_set(e, ERR_NOT_FOUND, "", "point %u is not served by this channel", "测点 %u 不属于此通道",
                         w->point);
    if (p->wrong || p->signal.shape != SIGNAL_MEMORY)
        return error_set(e, ERR_INVALID, "", "only memory points can be written", "仅 memory 测点可写");
    if (w->value.type == SAMPLE_STRING || !isfinite(x) || p->conf.scale == 0)
        return error_set(e, ERR_INVALID, "value", "the value must be a number", "值应为数字");
    p->signal.centre = (x - p->conf.offset) / p->conf.scale;
    *ret = sample_of(ch, p, ch->base.host->now_us(ch->base.host->ctx));
    return 0;
}

static void signal_write(struct driver_channel *base, const struct driver_write *w)
{
    struct sig_channel *ch = (struct sig_channel *)base;
    struct error e;
    struct driver_write_result r = {.outcome = DRIVER_DONE};
    if (w->deadline_ns && w->deadline_ns <= base->host->mono_ns(base->host->ctx)) {
        error_set(&e, ERR_TIMEOUT, "", "the command expired before it could be sent", "命令在发送前已过期");
        r = (struct driver_write_result){.outcome = DRIVER_EXPIRED, .error = &e};
    } else if (write_value(ch, w, &r.readback, &e)) {
        r = (struct driver_write_result){.outcome = DRIVER_REFUSED, .error = &e};
    } else {
        r.has_readback = true;
        ch->st.writes++;
    }
    w->done(w->arg, &r);
}

static void signal_read(struct driver_channel *base, const struct driver_device *device,
                        const struct driver_point *points, size_t n, driver_read_done *done, void *arg)
{
    struct sig_channel *ch = (struct sig_channel *)base;
    AUTO_FREE struct driver_reading *r = mem_calloc(n + 1, sizeof *r);
    AUTO_FREE struct error *errors = mem_calloc(n + 1, sizeof *errors);
    for (size_t i = 0; r && errors && i < n; i++) {
        struct sig_point p;
        resolve(ch, &points[i], &p);
        if (address_check(&points[i], NULL, NULL, &errors[i])) r[i].error = &errors[i];
        r[i].sample = sample_of(ch, &p, base->host->now_us(base->host->ctx));
    }
    done(arg, r, r && errors ? n : 0);
}

static void signal_test(struct driver_channel *base, driver_test_done *done, void *arg)
{
    done(arg, NULL, 0, "signals need no connection", "信号无需连接");
}

/* ---- figures ---- */

static void status(const struct driver_channel *base, struct driver_status *ret)
{
    *ret = ((const struct sig_channel *)base)->st;
}

static size_t devices(const struct driver_channel *base, struct driver_device_status *ret, size_t max)
{
    const struct sig_channel *ch = (const struct sig_channel *)base;
    size_t n = ch->ndevices < max ? ch->ndevices : max;
    for (size_t i = 0; i < n; i++) {
        ret[i] = (struct driver_device_status){
            .num = ch->devices[i].num, .state = DRIVER_OFF, .last_ok_us = ch->st.last_ok_us};
        for (size_t k = 0; k < ch->npoints; k++) {
            if (ch->points[k].conf.device != i) continue;
            ret[i].points++;
            ret[i].bad += ch->points[k].wrong;
            ret[i].state = ret[i].bad ? DRIVER_DEGRADED : DRIVER_UP;
        }
    }
    return n;
}

/* ---- birth and death ---- */

static int channel_open(const struct driver_host *host, const struct options *o, struct driver_channel **ret,
                        struct error *e)
{
    struct sig_channel *ch = mem_calloc(1, sizeof *ch);
    if (ch == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ch->base = (struct driver_channel){&signal_driver, host};
    ch->speed = opt_double(o, "speed", 1);
    uv_timer_init(host->loop, &ch->timer);
    ch->timer.data = ch;
    *ret = &ch->base;
    return 0;
}

static void on_closed(uv_handle_t *h)
{
    struct sig_channel *ch = h->data;
    driver_closed *closed = ch->closed;
    void *arg = ch->closed_arg;
    mem_free(ch->points), mem_free(ch->groups), mem_free(ch->batch), mem_free(ch->devices);
    poll_queue_fini(&ch->queue);
    mem_free(ch);
    closed(arg);
}

static void channel_close(struct driver_channel *base, driver_closed *closed, void *arg)
{
    struct sig_channel *ch = (struct sig_channel *)base;
    ch->closed = closed;
    ch->closed_arg = arg;
    uv_close((uv_handle_t *)&ch->timer, on_closed); /* the callback comes from the loop, never from here */
}

const struct driver signal_driver = {
    .name = "signal",
    .en = "Signal generator",
    .zh = "信号发生器",
    .help_en = "Test signals without a device: sine, square, saw-tooth, and memory that can be written.",
    .help_zh = "无需设备的测试信号：正弦、方波、锯齿波，以及可写的存储值。",
    .channel_options = channel_options,
    .address_en = "shape[:period in seconds[:amplitude[:centre]]]; memory[:first value]",
    .address_zh = "波形[:周期（秒）[:幅值[:中心值]]]；memory[:初值]",
    .examples = examples,
    .address_check = address_check,
    .channel_open = channel_open,
    .channel_set = channel_set,
    .write = signal_write,
    .read = signal_read,
    .test = signal_test,
    .status = status,
    .devices = devices,
    .close = channel_close,
    .describe = describe,
};
