/* head_late.c - samples that come too late for the open chunk of their point.
 *
 * They gather in a lane of their own, in chunks that hold their times. As long as each chunk lies behind the ones
 * before (a second feeder that lags, an outage that is filled up) these make one run. Else a new run begins. Runs are
 * merged two by two, so that each is more than twice as large as the next newer one: few runs, and a sample is
 * compressed anew a handful of times. Newer wins: the open chunk over the newest run, that over the older ones.
 *
 * Chunks of runs do not live as long as the head: readers copy them (head_read.c). Merging works without the lock,
 * since only the writer changes anything, and holds it for the exchange of two pointers. */
#include "base/mem.h"
#include "tsdb/head_int.h"

void late_free(struct late *x)
{
    if (!x) return;
    for (uint32_t r = 0; r < x->nolder; r++) {
        for (uint32_t i = 0; i < x->older[r].n; i++) mem_free(x->older[r].closed[i]);
        mem_free(x->older[r].closed);
    }
    mem_free(x->older);
    lane_fini(&x->lane);
    mem_free(x);
}

/* ---- merging two runs ---- */
struct reader {
    const struct late_run *run;
    uint32_t chunk, i, n;
    struct columns c;
    bool bad;
};

static bool settle(struct reader *r)
{
    while (r->i == r->n && r->chunk < r->run->n) {
        const struct chunk *c = r->run->closed[r->chunk++];
        r->bad |= !chunk_decode(c, &r->c);
        r->n = c->n;
        r->i = 0;
    }
    return r->i < r->n;
}

static struct sample sample_at(const struct reader *r)
{
    struct sample s = {.time_us = r->c.t[r->i], .v.u = r->c.v[r->i]};
    meta_to(&s, r->c.one_meta ? r->c.meta : r->c.m[r->i]);
    return s;
}

static bool put(struct lane *out, const struct sample *s, size_t *bytes)
{
    bool replaced;
    if (out->n == CHUNK && !lane_close(out, CHUNK, out->times[CHUNK - 1], NULL, bytes)) return false;
    return lane_insert(out, s, bytes, &replaced);
}

/* a and the newer b into a lane whose open chunk is empty in the end. */
static bool merge_into(struct lane *out, const struct late_run *a, const struct late_run *b, size_t *bytes,
                       uint64_t *ret_dropped)
{
    struct reader x = {.run = a}, y = {.run = b};
    bool ok = true;
    for (bool more_x = settle(&x), more_y = settle(&y); ok && (more_x || more_y);
         more_x = settle(&x), more_y = settle(&y)) {
        bool newer = more_y && (!more_x || y.c.t[y.i] <= x.c.t[x.i]);
        struct sample s = sample_at(newer ? &y : &x);
        if (newer && more_x && s.time_us == x.c.t[x.i]) x.i++, ++*ret_dropped;
        ++*(newer ? &y.i : &x.i);
        ok = put(out, &s, bytes);
    }
    return ok && !x.bad && !y.bad && lane_close(out, out->n, out->n ? out->times[out->n - 1] : 0, NULL, bytes);
}

static size_t run_bytes(const struct late_run *r)
{
    size_t n = 0;
    for (uint32_t i = 0; i < r->n; i++) n += chunk_size(r->closed[i]) + 16 + sizeof *r->closed;
    return n;
}

static void run_free(struct head *h, struct late_run *r)
{
    h->counts.bytes -= run_bytes(r);
    for (uint32_t i = 0; i < r->n; i++) mem_free(r->closed[i]);
    mem_free(r->closed);
}

/* The two newest of the older runs become one; false: no memory, they stay. */
static bool merge_last(struct head *h, struct late *x)
{
    struct late_run *a = &x->older[x->nolder - 2], *b = a + 1, old_a = *a, old_b = *b;
    struct lane out;
    size_t bytes = 0;
    uint64_t dropped = 0;
    lane_init(&out);
    pthread_mutex_unlock(&h->lock);
    bool ok = lane_own(&out, &bytes) && merge_into(&out, a, b, &bytes, &dropped);
    pthread_mutex_lock(&h->lock);
    if (ok) {
        *a = (struct late_run){out.closed, out.nclosed, out.closed_last};
        x->nolder--;
        h->counts.bytes += run_bytes(a);
        h->counts.rewritten += dropped;
        run_free(h, &old_a);
        run_free(h, &old_b);
        out.closed = NULL;
        out.nclosed = 0;
    }
    lane_fini(&out);
    return ok;
}

/* ---- taking samples ---- */
static bool room_for_run(struct head *h, struct late *x)
{
    if (x->older) return x->nolder < LATE_RUNS || merge_last(h, x);
    x->older = mem_calloc(LATE_RUNS, sizeof *x->older);
    h->counts.bytes += x->older ? LATE_RUNS * sizeof *x->older : 0;
    return x->older != NULL;
}

/* What the lane has closed becomes an older run. */
static bool begin_run(struct head *h, struct late *x)
{
    struct lane *l = &x->lane;
    if (!room_for_run(h, x)) return false;
    x->older[x->nolder++] = (struct late_run){l->closed, l->nclosed, l->closed_last};
    h->counts.bytes -= (l->cap - l->nclosed) * sizeof *l->closed; /* no longer told apart */
    l->closed = NULL;
    l->nclosed = l->cap = 0;
    l->closed_last = INT64_MIN;
    while (x->nolder > 1 && x->older[x->nolder - 2].n <= 2 * x->older[x->nolder - 1].n && merge_last(h, x)) continue;
    return true;
}

static bool make_room(struct head *h, struct late *x, int64_t t)
{
    struct lane *l = &x->lane;
    uint8_t passes = (uint8_t)(l->n - lane_find(l, t));
    if (passes > l->moved) l->moved = passes;
    if (l->times[0] <= l->closed_last && !begin_run(h, x)) return false;
    uint8_t k = lane_ready(l);
    return lane_close(l, k, l->times[k - 1], NULL, &h->counts.bytes);
}

static struct late *late_new(struct head *h)
{
    struct late *x = mem_calloc(1, sizeof *x);
    if (!x) return NULL;
    lane_init(&x->lane);
    h->counts.bytes += sizeof *x;
    (void)lane_own(&x->lane, &h->counts.bytes); /* without room: nothing to allocate */
    return x;
}

bool late_put(struct head *h, struct slot *s, const struct sample *in)
{
    bool replaced;
    if (!s->late && !(s->late = late_new(h))) return false;
    struct lane *l = &s->late->lane;
    if (lane_full(l, head_scarce(h)) && !make_room(h, s->late, in->time_us)) return false;
    if (!lane_insert(l, in, &h->counts.bytes, &replaced)) return false;
    h->counts.rewritten += replaced;
    return true;
}
