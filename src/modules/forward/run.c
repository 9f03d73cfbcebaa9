/* run.c - see run.h. */
#include "modules/forward/run_int.h"
#include "base/mem.h"
#include "io/log.h"

#define COMPONENT "forward"
#define RUN_OF_SAMPLES 256
#define MISSED_US 5000000
#define MISSED_MAX ((size_t)500000)

struct fwd *fwd_find(struct run *r, struct str id)
{
    for (size_t i = 0; i < r->n; i++)
        if (str_is(id, r->fwds[i]->id)) return r->fwds[i];
    return NULL;
}

/* ---- samples: the shards' threads ---- */

struct gathered {
    struct pump_line *to;
    struct sample s[RUN_OF_SAMPLES];
    size_t n;
};

static void hand_on(struct gathered *g, struct pump_line *to, const struct sample *s)
{
    if (g->n && (g->to != to || g->n == RUN_OF_SAMPLES)) {
        pump_put(g->to, g->s, g->n);
        g->n = 0;
    }
    g->to = to;
    if (s) g->s[g->n++] = *s;
}

static void on_samples(void *ctx, const struct sample *s, size_t n)
{
    struct run *r = ctx;
    struct gathered g = {.n = 0};
    pthread_rwlock_rdlock(&r->routes_lock);
    for (size_t i = 0; i < n; i++) {
        if (s[i].point > r->routes.max || !r->routes.first) continue;
        for (uint32_t k = r->routes.first[s[i].point]; k < r->routes.first[s[i].point + 1]; k++) {
            struct route *to = &r->routes.at[k];
            if (gate_pass(&to->gate, &to->rule, &s[i])) hand_on(&g, to->pump, &s[i]);
        }
    }
    hand_on(&g, NULL, NULL);
    pthread_rwlock_unlock(&r->routes_lock);
}

/* ---- routes: the reconciler ---- */

static void routes_free(struct routes *r)
{
    mem_free(r->at);
    mem_free(r->first);
    *r = (struct routes){0};
}

static int by_num(const void *a, const void *b)
{
    const struct route *x = a, *y = b;
    if (x->num != y->num) return x->num < y->num ? -1 : 1;
    return (x->fwd > y->fwd) - (x->fwd < y->fwd);
}

static int routes_make(struct run *r, struct routes *ret)
{
    *ret = (struct routes){0};
    for (size_t i = 0; i < r->n; i++) {
        struct fwd *f = r->fwds[i];
        const struct f_line *l = f->line;
        if (!l || !mem_grow((void **)&ret->at, &ret->cap, ret->n + l->n + 1, sizeof *ret->at)) {
            if (l) return ERR_NOMEM;
            continue;
        }
        for (size_t k = 0; k < l->n; k++) {
            ret->at[ret->n++] =
                (struct route){.num = l->points[k].num, .fwd = f, .pump = f->pump, .rule = l->slots[k].rule};
            if (l->points[k].num > ret->max) ret->max = l->points[k].num;
        }
    }
    if (ret->n) qsort(ret->at, ret->n, sizeof *ret->at, by_num);
    ret->first = mem_calloc((size_t)ret->max + 2, sizeof *ret->first);
    if (!ret->first) return ERR_NOMEM;
    for (size_t i = 0, num = 0; num <= (size_t)ret->max + 1; num++) {
        while (i < ret->n && ret->at[i].num < num) i++;
        ret->first[num] = (uint32_t)i;
    }
    return 0;
}

static struct route *route_of(struct routes *r, uint32_t num, const struct fwd *f)
{
    if (!r->first || num > r->max) return NULL;
    for (uint32_t k = r->first[num]; k < r->first[num + 1]; k++)
        if (r->at[k].fwd == f) return &r->at[k];
    return NULL;
}

static void subscribe(struct run *r)
{
    if (r->subscribed || !r->routes.n) return;
    r->subscribed = bus_subscribe_all(r->node->bus, on_samples, r) == 0;
    if (!r->subscribed) log_error(COMPONENT, "cannot listen to the samples", NULL);
}

/* What is new in a line starts with the value in force. */
static void first_values(struct run *r, const bool *fresh)
{
    for (size_t i = 0; i < r->routes.n; i++) {
        struct route *to = &r->routes.at[i];
        struct sample s;
        if (!fresh[i] || !bus_current(r->node->bus, to->num, &s)) continue;
        pthread_rwlock_wrlock(&r->routes_lock);
        if (!to->gate.last.time_us && gate_pass(&to->gate, &to->rule, &s)) pump_put(to->pump, &s, 1);
        pthread_rwlock_unlock(&r->routes_lock);
    }
}

/* The table made from the running lines; gates keep their state. */
static void routes_renew(struct run *r)
{
    struct routes fresh;
    if (routes_make(r, &fresh)) {
        log_error(COMPONENT, "out of memory: the former points are forwarded", NULL);
        routes_free(&fresh);
        return;
    }
    AUTO_FREE bool *is_new = mem_calloc(fresh.n + 1, 1);
    pthread_rwlock_wrlock(&r->routes_lock);
    for (size_t i = 0; i < fresh.n; i++) {
        struct route *old = route_of(&r->routes, fresh.at[i].num, fresh.at[i].fwd);
        if (old) fresh.at[i].gate = old->gate;
        if (is_new) is_new[i] = !old;
    }
    struct routes old = r->routes;
    r->routes = fresh;
    pthread_rwlock_unlock(&r->routes_lock);
    routes_free(&old);
    subscribe(r);
    if (is_new) first_values(r, is_new);
}

/* No sample goes into that line any more. */
static void routes_cut(struct run *r, const struct fwd *f)
{
    pthread_rwlock_wrlock(&r->routes_lock);
    size_t n = 0;
    for (size_t i = 0; i < r->routes.n; i++)
        if (r->routes.at[i].fwd != f) r->routes.at[n++] = r->routes.at[i];
    r->routes.n = n;
    for (size_t i = 0, num = 0; r->routes.first && num <= (size_t)r->routes.max + 1; num++) {
        while (i < n && r->routes.at[i].num < num) i++;
        r->routes.first[num] = (uint32_t)i;
    }
    pthread_rwlock_unlock(&r->routes_lock);
}

/* ---- batches: from the pump to the outlet ---- */

struct handing {
    struct fwd *f;
    struct pump_batch *b;
};

/* The items of the batch that the line still has, as they go on the wire; the texts stay where they are. */
static size_t items_of(const struct f_line *l, const struct pump_batch *b, struct outlet_item *ret)
{
    size_t n = 0;
    for (size_t i = 0; l && i < b->b.n; i++) {
        const struct item *it = &b->b.items[i];
        size_t slot = f_line_slot(l, it->s.point);
        if (slot == SIZE_MAX) continue;
        ret[n] = (struct outlet_item){.slot = (uint32_t)slot, .sample = it->s};
        if (it->s.type == SAMPLE_STRING) {
            ret[n].text = (const char *)b->b.text.p + it->at;
            ret[n].text_len = it->len;
        }
        fwd_scale(&l->slots[slot], &ret[n++].sample);
    }
    return n;
}

static struct flight *flight_of(struct fwd *f, uint64_t ticket)
{
    for (size_t i = 0; i < FLIGHTS; i++)
        if (f->flights[i].ticket == ticket) return &f->flights[i];
    return NULL;
}

static void hand_over(struct fwd *f, struct pump_batch *b)
{
    struct flight *free_one = flight_of(f, 0);
    size_t n = items_of(f->line, b, f->run->items);
    if (f->closing || !f->line || (!free_one && f->outlet->buffered)) {
        pump_done(f->pump, b, ERR_AGAIN);
        return;
    }
    if (!n || !f->outlet->buffered) {
        if (n && f->outlet->changed) f->outlet->changed(f->ch, f->run->items, n);
        pump_done(f->pump, b, 0);
        return;
    }
    *free_one = (struct flight){++f->ticket, b};
    uint64_t ticket = f->ticket;
    int rc = f->outlet->send(f->ch, f->run->items, n, b->flow, ticket);
    if (!rc) return;
    free_one = flight_of(f, ticket);
    if (!free_one) return; /* it has been told already */
    *free_one = (struct flight){0};
    pump_done(f->pump, b, rc);
}

static void do_hand_over(void *arg)
{
    struct handing *h = arg;
    hand_over(h->f, h->b);
    mem_free(h);
}

/* On the pump's thread. */
static void on_offer(void *ctx, struct pump_batch *b)
{
    struct fwd *f = ctx;
    struct handing *h = mem_alloc(sizeof *h);
    if (!h) {
        pump_done(f->pump, b, ERR_AGAIN);
        return;
    }
    *h = (struct handing){f, b};
    if (loop_post(f->run->loop, do_hand_over, h)) {
        mem_free(h);
        pump_done(f->pump, b, ERR_AGAIN);
    }
}

/* ---- one line's life: on the loop ---- */

static void fwd_free(struct fwd *f)
{
    f_line_unref(f->line);
    frame_log_fini(&f->frames);
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
    struct pump_line_config c = {.buffered = l->outlet->buffered,
                                 .keep_us = l->keep_us,
                                 .max_bytes = l->max_bytes,
                                 .gather_ms = l->gather_ms,
                                 .offer = on_offer,
                                 .ctx = f};
    memcpy(c.id, f->id, sizeof c.id);
    memcpy(c.code, f->code, sizeof c.code);
    return pump_line_open(r->pump, &c, &f->pump, e);
}

static struct fwd *open_line(struct run *r, struct f_line *l)
{
    struct apply a = {.r = r, .l = l, .f = fwd_new(r, l)};
    int rc = a.f ? open_pump(r, a.f, l, &a.error) : ERR_NOMEM;
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
        if (!r->fwds[i]->seen) close_line(r, r->fwds[i], false);
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
        v->view->buffered = f->outlet->buffered;
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
        v->err = frame_log_record(&f->frames, f->outlet->wire_port, f->outlet->wire_udp, f->host.now_us(f->host.ctx),
                                  v->seconds);
        if (v->seconds) f->host.trace = true;
    }
    if (v->captured) frame_log_view(&f->frames, v->captured);
    if (v->file) v->err = frame_log_file(&f->frames, f->outlet->wire_port, f->outlet->wire_udp, v->file);
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
    r->items = mem_calloc(RECORD_MAX, sizeof *r->items);
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
    if (r->subscribed) bus_unsubscribe(r->node->bus, on_samples, r);
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
