/* flow.c - the way of samples through the running forwardings: from the shards through the gates to the pump, and from
 * the pump to the outlet. */
#include "base/mem.h"
#include "io/log.h"
#include "modules/forward/run_int.h"

#define COMPONENT "forward"
#define RUN_OF_SAMPLES 256

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

void routes_free(struct routes *r)
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
void routes_renew(struct run *r)
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
void routes_cut(struct run *r, const struct fwd *f)
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
            ret[n].text = it->len ? (const char *)b->b.text.p + it->at : "";
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

static void not_now(struct fwd *f, struct pump_batch *b)
{
    f->turn[b->flow]++;
    pump_done(f->pump, b, ERR_AGAIN);
}

static void hand_over(struct fwd *f, struct pump_batch *b)
{
    if (b->turn != f->turn[b->flow]) {
        not_now(f, b);
        return;
    }
    struct flight *free_one = flight_of(f, 0);
    size_t n = items_of(f->line, b, f->run->items);
    if (f->closing || !f->line || (!free_one && f->outlet->buffered)) {
        not_now(f, b);
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
    if (rc == ERR_AGAIN)
        not_now(f, b);
    else
        pump_done(f->pump, b, rc);
}

static void do_hand_over(void *arg)
{
    struct handing *h = arg;
    hand_over(h->f, h->b);
    mem_free(h);
}

/* On the pump's thread. */
void flow_offer(void *ctx, struct pump_batch *b)
{
    struct fwd *f = ctx;
    struct handing *h = mem_alloc(sizeof *h);
    if (!h) {
        pump_done(f->pump, b, ERR_NOMEM);
        return;
    }
    *h = (struct handing){f, b};
    if (loop_post(f->run->loop, do_hand_over, h)) {
        mem_free(h);
        pump_done(f->pump, b, ERR_NOMEM);
    }
}

void flow_stop(struct run *r)
{
    if (r->subscribed) bus_unsubscribe(r->node->bus, on_samples, r);
    r->subscribed = false;
}
