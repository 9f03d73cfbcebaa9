/* run.c - see run.h. */
#include "modules/forward/run_int.h"
#include "base/mem.h"
#include "io/log.h"

#define COMPONENT "forward"
#define MISSED_US 5000000
#define MISSED_MAX ((size_t)500000)

struct fwd *fwd_find(struct run *r, struct str id)
{
    for (size_t i = 0; i < r->n; i++)
        if (str_is(id, r->fwds[i]->id)) return r->fwds[i];
    return NULL;
}

/* ---- one line's life: on the loop ---- */

static void fwd_free(struct fwd *f)
{
    f_line_unref(f->line);
    frame_log_fini(&f->frames);
    kept_fini(&f->kept);
    mem_free(f);
}

void fwd_unref(struct fwd *f)
{
    if (--f->refs == 0) fwd_free(f);
}

struct fwd *fwd_new(struct run *r, const struct f_line *l)
{
    struct fwd *f = mem_calloc(1, sizeof *f);
    if (!f) return NULL;
    kept_init(&f->kept);
    fwd_host(f, r, l->code.p);
    str_to_cstr(l->id, f->id, sizeof f->id);
    f->outlet = l->outlet;
    f->options_sig = l->options_sig;
    f->refs = 1;
    return f;
}

static void on_closed(void *arg)
{
    struct fwd *f = arg;
    f->gone(f->gone_arg);
    fwd_unref(f);
}

void fwd_close(struct fwd *f, void (*gone)(void *arg), void *arg)
{
    f->closing = true;
    f->gone = gone;
    f->gone_arg = arg;
    for (size_t i = 0; i < FLIGHTS; i++)
        if (f->flights[i].ticket) {
            struct pump_batch *b = f->flights[i].b;
            f->flights[i] = (struct flight){0};
            pump_done(f->pump, b, ERR_CANCELLED);
        }
    fwd_cancel_calls(f);
    f->outlet->close(f->ch, on_closed, f);
}

/* ---- applying a plan: the reconciler ---- */

struct apply {
    struct run *r;
    struct fwd *f;
    struct f_line *l;
    sem_t done;
    int err;
    struct error error;
};

static void post_done(void *arg)
{
    sem_post(&((struct apply *)arg)->done);
}

static void do_close(void *arg)
{
    struct apply *a = arg;
    struct run *r = a->r;
    for (size_t i = 0; i < r->n; i++)
        if (r->fwds[i] == a->f) r->fwds[i] = r->fwds[--r->n];
    fwd_close(a->f, post_done, a);
}

static void do_nothing(void *arg) {}

static void close_line(struct run *r, struct fwd *f, bool forget)
{
    struct apply a = {.r = r, .f = f};
    struct pump_line *pump = f->pump;
    sem_init(&a.done, 0, 0);
    routes_cut(r, f);
    pump_up(pump, false);
    pump_line_stop(pump);
    (void)!loop_call(r->loop, do_nothing, NULL); /* what had been offered comes back */
    if (loop_call(r->loop, do_close, &a) == 0)
        while (sem_wait(&a.done)) continue;
    pump_line_close(pump, forget);
    sem_destroy(&a.done);
}

static void do_open(void *arg)
{
    struct apply *a = arg;
    struct run *r = a->r;
    a->err = mem_grow((void **)&r->fwds, &r->cap, r->n + 1, sizeof(struct fwd *)) ? 0 : ERR_NOMEM;
    if (!a->err) a->err = a->f->outlet->channel_open(&a->f->host, &a->l->options, &a->f->ch, &a->error);
    if (!a->err) r->fwds[r->n++] = a->f;
}

static int open_pump(struct run *r, struct fwd *f, const struct f_line *l, struct error *e)
{
    struct pump_line_config c = {.buffered = f_line_buffered(l),
                                 .batch_max = l->outlet->batch_max,
                                 .keep_us = l->keep_us,
                                 .max_bytes = l->max_bytes,
                                 .gather_ms = l->gather_ms,
                                 .offer = flow_offer,
                                 .ctx = f};
    memcpy(c.id, f->id, sizeof c.id);
    memcpy(c.code, f->code, sizeof c.code);
    return pump_line_open(r->pump, &c, &f->pump, e);
}

static struct fwd *open_line(struct run *r, struct f_line *l)
{
    struct apply a = {.r = r, .l = l, .f = fwd_new(r, l)};
    int rc = a.f ? open_pump(r, a.f, l, &a.error) : ERR_NOMEM;
    if (!rc) rc = kept_load(r->node->kernel, a.f->id, &a.f->kept, &a.error);
    if (!rc && !(rc = loop_call(r->loop, do_open, &a)) && !(rc = a.err)) return a.f;
    log_error(COMPONENT, "cannot open a forwarding", "forward=%s err=\"%s\"", l->code.p, a.error.text);
    if (!a.f) return NULL;
    if (a.f->pump) {
        pump_line_stop(a.f->pump);
        pump_line_close(a.f->pump, false);
    }
    fwd_free(a.f);
    return NULL;
}

static void do_set(void *arg)
{
    struct apply *a = arg;
    struct fwd *f = a->f;
    struct f_line *old = f->line;
    f->line = f_line_ref(a->l);
    a->err = f->outlet->channel_set(f->ch, a->l->points, a->l->n, &a->error);
    if (a->err) {
        f_line_unref(f->line);
        f->line = old;
        log_error(COMPONENT, "cannot set the points of a forwarding", "forward=%s err=\"%s\"", f->code, a->error.text);
        return;
    }
    f->set_sig = a->l->set_sig;
    f_line_unref(old);
    if (!old) pump_ready(f->pump);
}

struct catching {
    struct pump_line *to;
    size_t left;
};

static int on_missed(void *ctx, const struct sample *s, size_t n)
{
    struct catching *c = ctx;
    if (n > c->left) return 1;
    c->left -= n;
    pump_put(c->to, s, n);
    return 0;
}

/* After a crash the last moments may be in history and not in the buffer: they go out again. Who stopped in order sends
 * a few twice. */
static void catch_up(struct run *r, const struct f_line *l, struct pump_line *to)
{
    struct ts_store *st = r->node->history;
    int64_t from = pump_line_newest(to) - MISSED_US;
    struct catching c = {to, MISSED_MAX};
    if (!st || !pump_line_newest(to)) return;
    for (size_t i = 0; i < l->n; i++)
        if (st->ops->scan(st, l->points[i].num, from, clock_now_us(r->node->clock), on_missed, &c, NULL)) break;
    if (c.left < MISSED_MAX)
        log_info(COMPONENT, "the last moments before the start go out again", "forward=%s samples=%zu", l->code.p,
                 MISSED_MAX - c.left);
}

static bool runnable(const struct f_line *l)
{
    return l->enabled && l->outlet && !l->problem.code;
}

static void apply_line(struct run *r, struct f_line *l)
{
    struct fwd *f = fwd_find(r, l->id);
    if (f && (!runnable(l) || f->outlet != l->outlet || f->options_sig != l->options_sig)) {
        close_line(r, f, false);
        f = NULL;
    }
    if (!runnable(l)) return;
    bool fresh = !f;
    if (fresh && !(f = open_line(r, l))) return;
    f->seen = true;
    if (!fresh) pump_line_set(f->pump, l->keep_us, l->max_bytes, l->gather_ms);
    struct apply a = {.r = r, .f = f, .l = l};
    if (!fresh && f->set_sig == l->set_sig) return;
    (void)!loop_call(r->loop, do_set, &a);
    if (fresh) catch_up(r, l, f->pump);
}

/* Journals of forwardings that are no more. */
static void forget_gone(struct run *r, const struct plan *p);

void fwd_run_apply(struct run *r, const struct plan *p)
{
    for (size_t i = 0; i < r->n; i++) r->fwds[i]->seen = false;
    for (size_t i = 0; i < p->n; i++) apply_line(r, p->lines[i]);
    for (size_t i = r->n; i-- > 0;)
        if (!r->fwds[i]->seen) {
            char id[37];
            memcpy(id, r->fwds[i]->id, sizeof id);
            close_line(r, r->fwds[i], false);
            kept_forget(r->node->kernel, id);
        }
    routes_renew(r);
    forget_gone(r, p);
}

struct forgetting {
    const struct plan *p;
    struct fs *fs;
    char gone[64][37];
    size_t n;
};

static void see_folder(void *ctx, const char *name, bool dir, int64_t size)
{
    struct forgetting *g = ctx;
    if (!dir || strlen(name) != 36 || g->n == 64) return;
    for (size_t i = 0; i < g->p->n; i++)
        if (str_is(g->p->lines[i]->id, name)) return;
    memcpy(g->gone[g->n++], name, 37);
}

static void forget_gone(struct run *r, const struct plan *p)
{
    struct forgetting g = {.p = p, .fs = r->node->data};
    (void)!g.fs->ops->list(g.fs, "forward", see_folder, &g);
    for (size_t i = 0; i < g.n; i++) pump_forget(g.fs, g.gone[i]);
}

/* ---- views ---- */

struct view_call {
    struct run *r;
    struct str id;
    struct fwd_view *view;
    struct outlet_peer *peers;
    struct frame_copy *frames;
    struct capture_view *captured;
    struct buf *file;
    size_t max, n;
    unsigned seconds;
    bool found, discard, record;
    int err;
};

static void do_view(void *arg)
{
    struct view_call *v = arg;
    struct fwd *f = fwd_find(v->r, v->id);
    if (!f) return;
    v->found = true;
    if (v->view) {
        f->outlet->status(f->ch, &v->view->status);
        pump_stats(f->pump, &v->view->pump);
        v->view->buffered = f->line ? f_line_buffered(f->line) : f->outlet->buffered;
        memcpy(v->view->history, f->history, sizeof f->history);
        v->view->nhistory = f->nhistory;
        v->view->items_per_s = f->items_per_s;
        v->view->backfill_per_s = f->backfill_per_s;
        v->view->bytes_per_s = f->bytes_per_s;
    }
    if (v->peers && f->outlet->peers) v->n = f->outlet->peers(f->ch, v->peers, v->max);
    if (v->frames) {
        f->host.trace = true;
        frame_log_watched(&f->frames);
        v->n = frame_log_copy(&f->frames, v->frames, v->max);
    }
    if (v->discard) pump_discard(f->pump);
    if (v->record) {
        v->err = frame_log_record(&f->frames, f->outlet->wire_port, f->outlet->wire_udp, f->outlet->server,
                                  f->host.now_us(f->host.ctx), v->seconds);
        if (v->seconds) f->host.trace = true;
    }
    if (v->captured) frame_log_view(&f->frames, v->captured);
    if (v->file)
        v->err = frame_log_file(&f->frames, f->outlet->wire_port, f->outlet->wire_udp, f->outlet->server, v->file);
}

static bool look(struct run *r, struct view_call *v)
{
    v->r = r;
    (void)!loop_call(r->loop, do_view, v);
    return v->found;
}

bool fwd_run_view(struct run *r, struct str id, struct fwd_view *ret)
{
    return look(r, &(struct view_call){.id = id, .view = ret});
}

size_t fwd_run_peers(struct run *r, struct str id, struct outlet_peer *ret, size_t max)
{
    struct view_call v = {.id = id, .peers = ret, .max = max};
    return look(r, &v) ? v.n : 0;
}

size_t fwd_run_frames(struct run *r, struct str id, struct frame_copy *ret, size_t max)
{
    struct view_call v = {.id = id, .frames = ret, .max = max};
    return look(r, &v) ? v.n : 0;
}

bool fwd_run_discard(struct run *r, struct str id)
{
    return look(r, &(struct view_call){.id = id, .discard = true});
}

static int recording(struct run *r, struct view_call *v, struct error *e)
{
    if (!look(r, v)) return error_set(e, ERR_UNAVAILABLE, "id", "the forwarding is not running", "转发未运行");
    return v->err ? error_set(e, v->err, "", "out of memory", "内存不足") : 0;
}

int fwd_run_record(struct run *r, struct str id, unsigned seconds, struct error *e)
{
    return recording(r, &(struct view_call){.id = id, .record = true, .seconds = seconds}, e);
}

int fwd_run_recorded(struct run *r, struct str id, struct capture_view *ret, struct buf *file, struct error *e)
{
    *ret = (struct capture_view){0};
    return recording(r, &(struct view_call){.id = id, .captured = ret, .file = file}, e);
}

/* ---- the tick: rates every 5 s, a state in the history every minute ---- */

static double rate(uint64_t now, uint64_t *before)
{
    double d = now > *before ? (double)(now - *before) / FRAME_TICK_S : 0;
    *before = now;
    return d;
}

static void fwd_tick(struct fwd *f, bool minute)
{
    struct outlet_status s;
    struct pump_stats p;
    f->outlet->status(f->ch, &s);
    pump_stats(f->pump, &p);
    f->items_per_s = rate(s.items, &f->items_before);
    f->backfill_per_s = rate(p.backfilled, &f->backfilled_before);
    f->bytes_per_s = rate(p.written, &f->bytes_before);
    f->host.trace = frame_log_tick(&f->frames);
    if (!minute && f->nhistory) return;
    if (f->nhistory == FWD_HISTORY)
        memmove(f->history, f->history + 1, FWD_HISTORY - 1);
    else
        f->nhistory++;
    f->history[f->nhistory - 1] = (uint8_t)s.state;
}

static void on_tick(uv_timer_t *t)
{
    struct run *r = t->data;
    bool minute = ++r->ticks % (60 / FRAME_TICK_S) == 0;
    for (size_t i = 0; i < r->n; i++) fwd_tick(r->fwds[i], minute);
}

/* ---- life ---- */

static void do_tick_start(void *arg)
{
    struct run *r = arg;
    uv_timer_init(loop_uv(r->loop), &r->tick);
    r->tick.data = r;
    uv_timer_start(&r->tick, on_tick, FRAME_TICK_S * 1000, FRAME_TICK_S * 1000);
}

static void do_tick_stop(void *arg)
{
    uv_close((uv_handle_t *)&((struct run *)arg)->tick, NULL);
}

int fwd_run_start(struct node *n, struct run **ret, struct error *e)
{
    struct run *r = mem_calloc(1, sizeof *r);
    if (!r) return error_set(e, ERR_NOMEM, COMPONENT, "out of memory", "内存不足");
    struct pump_config c = {.clock = n->clock, .fs = n->data, .texts = n->history};
    r->node = n;
    pthread_rwlock_init(&r->routes_lock, NULL);
    r->items = mem_calloc(OUTLET_BATCH_MAX, sizeof *r->items);
    int rc = r->items ? pump_start(&c, &r->pump, e) : ERR_NOMEM;
    if (!rc) rc = pool_start("forward-ask", 4, 1024, &r->asking);
    if (!rc) rc = pool_start("forward-write", 4, 256, &r->writing);
    if (!rc) rc = loop_start("forward", &r->loop);
    if (!rc) rc = loop_call(r->loop, do_tick_start, r);
    if (rc) {
        fwd_run_stop(r);
        return error_set(e, rc, COMPONENT, "cannot start forwarding: %s%.0s", "无法启动数据转发：%.0s%s",
                         error_title(rc), error_title_zh(rc));
    }
    *ret = r;
    return 0;
}

void fwd_run_stop(struct run *r)
{
    if (!r) return;
    flow_stop(r);
    while (r->n) close_line(r, r->fwds[r->n - 1], false);
    if (r->asking) pool_stop(r->asking);
    if (r->writing) pool_stop(r->writing);
    if (r->loop) {
        (void)!loop_call(r->loop, do_tick_stop, r);
        loop_stop(r->loop);
    }
    pump_stop(r->pump);
    routes_free(&r->routes);
    pthread_rwlock_destroy(&r->routes_lock);
    mem_free(r->fwds);
    mem_free(r->items);
    mem_free(r);
}
