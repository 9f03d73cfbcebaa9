/* run.c - running channels; see run.h. */
#include "modules/collect/run_int.h"
#include <assert.h>
#include "core/trust.h"
#include "io/log.h"

#define COMPONENT "collect"

const char *driver_state_name(enum driver_state s)
{
    static const char *const names[] = {"off", "connecting", "up", "degraded", "down"};
    return (size_t)s < sizeof names / sizeof *names ? names[s] : "off";
}

/* ---- the host that drivers see ---- */

static int host_publish(void *ctx, const struct sample *s, size_t n)
{
    struct chan *c = ctx;
    int rc = c->w->sink.publish(c->w->sink.ctx, s, n);
    if (!rc) source_clock_note(&c->clock, s, n, clock_now_us(c->w->run->node->clock));
    return rc;
}

static int host_intern(void *ctx, const char *p, size_t n, uint64_t *ret_id)
{
    struct chan *c = ctx;
    return c->w->sink.intern(c->w->sink.ctx, str_make(p, n), ret_id);
}

/* Waits for the disk, as intern does. */
static int host_blob(void *ctx, uint32_t point, int64_t time_us, const char *type, const void *p, size_t n,
                     uint64_t *ret_id)
{
    struct chan *c = ctx;
    struct error e = {0};
    struct ts_store *st = c->w->run->node->history;
    if (!st || !st->ops->blob_put) return ERR_UNSUPPORTED;
    int rc = st->ops->blob_put(st, point, time_us, type, str_make(p, n), ret_id, &e);
    if (rc)
        log_write(LOG_WARN, COMPONENT, "a blob was not kept", "channel=%s point=%u why=\"%s\"", c->code, point, e.text);
    return rc;
}

static uint64_t host_mark(void *ctx)
{
    return bus_source_mark(((struct chan *)ctx)->w->source);
}
static int host_kept(void *ctx, uint64_t ticket)
{
    return bus_source_kept(((struct chan *)ctx)->w->source, ticket);
}

static int64_t host_now(void *ctx)
{
    return clock_now_us(((struct chan *)ctx)->w->run->node->clock);
}
static uint64_t host_mono(void *ctx)
{
    return clock_mono_ns(((struct chan *)ctx)->w->run->node->clock);
}
static uint64_t host_random(void *ctx)
{
    return rng_u64(((struct chan *)ctx)->w->run->node->rng);
}

static void host_log(void *ctx, enum driver_log level, const char *msg, const char *kv)
{
    struct chan *c = ctx;
    log_write((enum log_level)level, COMPONENT, msg, "channel=%s %s", c->code, kv ? kv : "");
}

static void host_frame(void *ctx, const struct driver_frame *f)
{
    frame_log_add(&((struct chan *)ctx)->frames, f);
}

static void host_state(void *ctx, enum driver_state s, const struct error *why)
{
    struct chan *c = ctx;
    enum log_level level = s == DRIVER_DOWN || s == DRIVER_DEGRADED ? LOG_WARN : LOG_INFO;
    log_write(level, COMPONENT, "channel state", "channel=%s state=%s why=\"%s\"", c->code, driver_state_name(s),
              why ? why->text : "");
}

static int host_identity(void *ctx, const char *purpose, const char **ret_cert, const char **ret_key)
{
    const struct trust *t = ((struct chan *)ctx)->w->run->node->trust;
    return t ? t->identity(t->ctx, purpose, ret_cert, ret_key) : ERR_UNSUPPORTED;
}

static int host_trust(void *ctx, const char *purpose, const void *der, size_t n)
{
    const struct trust *t = ((struct chan *)ctx)->w->run->node->trust;
    return t ? t->trust(t->ctx, purpose, der, n) : 0;
}

void chan_host(struct chan *c, struct worker *w, const char *code)
{
    c->w = w;
    snprintf(c->code, sizeof c->code, "%s", code);
    c->host = (struct driver_host){.loop = loop_uv(w->loop),
                                   .ctx = c,
                                   .name = c->code,
                                   .publish = host_publish,
                                   .intern = host_intern,
                                   .blob = host_blob,
                                   .mark = host_mark,
                                   .kept = host_kept,
                                   .now_us = host_now,
                                   .mono_ns = host_mono,
                                   .random = host_random,
                                   .log = host_log,
                                   .frame = host_frame,
                                   .state = host_state,
                                   .identity = w->run->node->trust ? host_identity : NULL,
                                   .trust = w->run->node->trust ? host_trust : NULL};
}

struct chan *chan_find(struct worker *w, struct str id)
{
    for (size_t i = 0; i < w->n; i++)
        if (str_is(id, w->chans[i]->id)) return w->chans[i];
    return NULL;
}

/* ---- the tick: rates every 5 s, a state in the history every minute ---- */

static void chan_tick(struct chan *c, bool minute)
{
    struct driver_status s;
    c->driver->status(c->ch, &s);
    c->samples_per_s = (double)(s.samples - c->samples_before) / 5;
    c->samples_before = s.samples;
    c->host.trace = frame_log_tick(&c->frames);
    if (!minute && c->nhistory) return;
    if (c->nhistory == CHAN_HISTORY)
        memmove(c->history, c->history + 1, CHAN_HISTORY - 1);
    else
        c->nhistory++;
    c->history[c->nhistory - 1] = (uint8_t)s.state;
}

static void on_tick(uv_timer_t *t)
{
    struct worker *w = t->data;
    bool minute = ++w->ticks % 12 == 0;
    for (size_t i = 0; i < w->n; i++) chan_tick(w->chans[i], minute);
}

/* ---- applying a snapshot ---- */

struct apply {
    struct worker *w;
    const struct plant *p;
    const struct p_channel *c;
    struct chan *chan;
    sem_t closed;
    int err;
};

static void on_closed(void *arg)
{
    struct chan *c = arg;
    sem_t *closed = c->closed;
    frame_log_fini(&c->frames);
    source_clock_fini(&c->clock);
    mem_free(c);
    sem_post(closed);
}

static void do_close(void *arg)
{
    struct apply *a = arg;
    struct worker *w = a->w;
    for (size_t i = 0; i < w->n; i++)
        if (w->chans[i] == a->chan) w->chans[i] = w->chans[--w->n];
    a->chan->closed = &a->closed;
    a->chan->driver->close(a->chan->ch, on_closed, a->chan);
}

static void close_chan(struct worker *w, struct chan *c)
{
    struct apply a = {.w = w, .chan = c};
    sem_init(&a.closed, 0, 0);
    if (loop_call(w->loop, do_close, &a) == 0)
        while (sem_wait(&a.closed)) continue;
    sem_destroy(&a.closed);
}

static void do_open(void *arg)
{
    struct apply *a = arg;
    struct worker *w = a->w;
    struct error e = {0};
    struct chan *c = mem_calloc(1, sizeof *c);
    a->err = ERR_NOMEM;
    if (!c || !mem_grow((void **)&w->chans, &w->cap, w->n + 1, sizeof(struct chan *))) {
        mem_free(c);
        return;
    }
    chan_host(c, w, a->c->code.p);
    str_to_cstr(a->c->id, c->id, sizeof c->id);
    c->driver = a->c->driver;
    c->options_sig = a->c->options_sig;
    a->err = c->driver->channel_open(&c->host, &a->c->options, &c->ch, &e);
    if (a->err) {
        log_error(COMPONENT, "cannot open a channel", "channel=%s err=\"%s\"", c->code, e.text);
        mem_free(c);
        return;
    }
    w->chans[w->n++] = c;
    a->chan = c;
}

/* The enabled points of a channel, as arrays for the driver; run by the reconciler, freed by it. */
struct point_set {
    struct driver_device *devices;
    struct driver_point *points;
    size_t ndevices, npoints;
};

static bool point_set_make(const struct plant *p, const struct p_channel *c, struct point_set *s)
{
    size_t total = 0;
    *s = (struct point_set){.ndevices = c->ndevices};
    for (size_t i = 0; i < c->ndevices; i++) total += p->devices[c->device + i].npoints;
    s->devices = mem_calloc(c->ndevices ? c->ndevices : 1, sizeof *s->devices);
    s->points = mem_calloc(total ? total : 1, sizeof *s->points);
    if (!s->devices || !s->points) return false;
    for (size_t i = 0; i < c->ndevices; i++) {
        const struct p_device *d = &p->devices[c->device + i];
        s->devices[i] = (struct driver_device){d->num, d->code.p, &d->options};
        for (size_t k = 0; d->enabled && k < d->npoints; k++)
            s->points[s->npoints++] = plant_driver_point(p, &p->points[d->point + k]);
    }
    return true;
}

struct set_call {
    struct chan *chan;
    const struct point_set *s;
    int err;
};

static void do_set(void *arg)
{
    struct set_call *sc = arg;
    struct error e = {0};
    const struct point_set *s = sc->s;
    (void)source_clock_set(&sc->chan->clock, s->devices, s->ndevices, s->points, s->npoints);
    sc->err = sc->chan->driver->channel_set(sc->chan->ch, s->devices, s->ndevices, s->points, s->npoints, &e);
    if (sc->err)
        log_error(COMPONENT, "cannot set the points of a channel", "channel=%s err=\"%s\"", sc->chan->code, e.text);
}

static void set_points(struct worker *w, struct chan *chan, const struct plant *p, const struct p_channel *c)
{
    struct point_set s;
    struct set_call call = {.chan = chan, .s = &s, .err = ERR_NOMEM};
    if (chan->set_sig == c->set_sig && chan->set_sig) return;
    if (point_set_make(p, c, &s)) (void)!loop_call(w->loop, do_set, &call);
    if (!call.err) chan->set_sig = c->set_sig;
    mem_free(s.devices);
    mem_free(s.points);
}

static bool runnable(const struct p_channel *c)
{
    return c->enabled && c->driver && !c->problem.code;
}

/* The list of chans changes on the worker's thread only, and only while the reconciler waits for it in
 * loop_call: so the reconciler may read it. */
static struct chan *find_running(struct run *r, struct str id, struct worker **ret_w)
{
    for (unsigned i = 0; i < r->nworkers; i++) {
        struct chan *c = chan_find(&r->workers[i], id);
        if (c) {
            *ret_w = &r->workers[i];
            return c;
        }
    }
    return NULL;
}

static void apply_channel(struct run *r, const struct plant *p, const struct p_channel *c)
{
    struct worker *w = NULL;
    struct chan *chan = find_running(r, c->id, &w);
    if (chan && (!runnable(c) || chan->driver != c->driver || chan->options_sig != c->options_sig)) {
        close_chan(w, chan);
        chan = NULL;
    }
    if (!runnable(c)) return;
    if (!chan) {
        assert(r->nworkers > 0);
        w = &r->workers[r->next++ % r->nworkers];
        struct apply a = {.w = w, .p = p, .c = c};
        if (loop_call(w->loop, do_open, &a) || a.err) return;
        chan = a.chan;
    }
    chan->seen = true;
    set_points(w, chan, p, c);
}

void run_apply(struct run *r, const struct plant *p)
{
    for (unsigned i = 0; i < r->nworkers; i++)
        for (size_t k = 0; k < r->workers[i].n; k++) r->workers[i].chans[k]->seen = false;
    for (size_t i = 0; i < p->nchannels; i++) apply_channel(r, p, &p->channels[i]);
    for (unsigned i = 0; i < r->nworkers; i++) {
        struct worker *w = &r->workers[i];
        for (size_t k = w->n; k-- > 0;)
            if (!w->chans[k]->seen) close_chan(w, w->chans[k]);
    }
}

/* ---- views ---- */

struct view_call {
    struct worker *w;
    struct str id;
    struct chan_view *view;
    struct driver_device_status *devices;
    int64_t *clocks;
    struct frame_copy *frames;
    size_t max, n;
    bool found;
};

static void do_view(void *arg)
{
    struct view_call *v = arg;
    struct chan *c = chan_find(v->w, v->id);
    if (!c) return;
    v->found = true;
    if (v->view) {
        c->driver->status(c->ch, &v->view->status);
        memcpy(v->view->history, c->history, sizeof c->history);
        v->view->nhistory = c->nhistory;
        v->view->samples_per_s = c->samples_per_s;
        v->view->has_clock = source_clock_worst(&c->clock, host_now(c), &v->view->clock_us);
    }
    if (v->devices) {
        v->n = c->driver->devices(c->ch, v->devices, v->max);
        for (size_t i = 0; i < v->n; i++)
            if (!source_clock_offset(&c->clock, v->devices[i].num, host_now(c), &v->clocks[i]))
                v->clocks[i] = INT64_MIN;
    }
    if (v->frames) {
        c->host.trace = true;
        frame_log_watched(&c->frames);
        v->n = frame_log_copy(&c->frames, v->frames, v->max);
    }
}

static bool view(struct run *r, struct view_call *v)
{
    for (unsigned i = 0; i < r->nworkers && !v->found; i++) {
        v->w = &r->workers[i];
        (void)!loop_call(v->w->loop, do_view, v);
    }
    return v->found;
}

bool run_view(struct run *r, struct str id, struct chan_view *ret)
{
    struct view_call v = {.id = id, .view = ret};
    return view(r, &v);
}

size_t run_devices(struct run *r, struct str id, struct driver_device_status *ret, int64_t *clocks, size_t max)
{
    struct view_call v = {.id = id, .devices = ret, .clocks = clocks, .max = max};
    return view(r, &v) ? v.n : 0;
}

size_t run_frames(struct run *r, struct str id, struct frame_copy *ret, size_t max)
{
    struct view_call v = {.id = id, .frames = ret, .max = max};
    return view(r, &v) ? v.n : 0;
}

/* ---- life ---- */

static void do_tick_start(void *arg)
{
    struct worker *w = arg;
    uv_timer_init(loop_uv(w->loop), &w->tick);
    w->tick.data = w;
    uv_timer_start(&w->tick, on_tick, 5000, 5000);
}

static void do_tick_stop(void *arg)
{
    uv_close((uv_handle_t *)&((struct worker *)arg)->tick, NULL);
}

int run_start(struct node *n, unsigned workers, struct run **ret, struct error *e)
{
    struct run *r = mem_calloc(1, sizeof *r);
    if (!r) return error_set(e, ERR_NOMEM, "collect", "out of memory", "内存不足");
    r->node = n;
    r->workers = mem_calloc(workers, sizeof *r->workers);
    int err = r->workers ? 0 : ERR_NOMEM;
    for (unsigned i = 0; i < workers && !err; i++) {
        char name[24];
        struct worker *w = &r->workers[i];
        snprintf(name, sizeof name, "collect-%u", i);
        w->run = r;
        err = loop_start(name, &w->loop);
        if (err) break;
        err = bus_source_open(n->bus, name, &w->source);
        if (err) {
            loop_stop(w->loop);
            break;
        }
        w->sink = bus_source_sink(w->source);
        err = loop_call(w->loop, do_tick_start, w);
        r->nworkers++;
    }
    if (err) {
        run_stop(r);
        return error_set(e, err, "collect", "cannot start the collecting loops", "无法启动采集线程");
    }
    *ret = r;
    return 0;
}

void run_stop(struct run *r)
{
    if (!r) return;
    for (unsigned i = 0; i < r->nworkers; i++) {
        struct worker *w = &r->workers[i];
        while (w->n) close_chan(w, w->chans[w->n - 1]);
        (void)!loop_call(w->loop, do_tick_stop, w);
        loop_stop(w->loop);
        bus_source_close(w->source);
        mem_free(w->chans);
    }
    mem_free(r->workers);
    mem_free(r);
}
