/* merge.c - see merge.h. A handful of sources: the next one is found by looking at all of them. Where they alternate
 * every few samples, their samples are put together, so that what follows gets runs of some length. */
#include "tsdb/merge.h"
#include "base/mem.h"
#include <string.h>

#define MIX 128
#define MIX_CURSORS 16
#define SHORT_RUN 8

int sample_array_decode(struct source *s, const struct piece *p, struct sample *out, struct codec *c)
{
    memcpy(out, p->p, p->n * sizeof *out);
    return (int)p->n;
}

int merge_init(struct merge *m, struct source *sources, size_t n, int64_t from, int64_t to, struct codec *codec)
{
    *m = (struct merge){.from = from, .to = to, .codec = codec};
    m->c = mem_calloc(n + 1, sizeof *m->c);
    if (!m->c) return ERR_NOMEM;
    m->n = n;
    for (size_t i = 0; i < n; i++) m->c[i].s = &sources[i];
    return 0;
}

void merge_fini(struct merge *m)
{
    for (size_t i = 0; i < m->n; i++) mem_free(m->c[i].buf);
    mem_free(m->c);
    mem_free(m->mix.buf);
    *m = (struct merge){0};
}

static const struct piece *piece_of(const struct cursor *c)
{
    return &c->s->pieces[c->piece];
}

static int64_t floor_of(const struct merge *m, const struct cursor *c)
{
    return c->s->floor > m->from ? c->s->floor : m->from;
}

/* Step over what is used up or out of range; false at the end of the cursor. */
static bool settle(struct merge *m, struct cursor *c)
{
    while (c->piece < c->s->n) {
        if (c->loaded && c->i < c->n) return true;
        if (!c->loaded) {
            const struct piece *p = piece_of(c);
            if (p->t0 > m->to) break;
            if (p->t1 >= floor_of(m, c) && p->n > 0) return true;
        }
        c->loaded = false;
        c->piece++;
    }
    mem_free(c->buf);
    c->buf = NULL;
    c->cap = 0;
    return false;
}

/* Time of the next sample; a lower bound while the piece is not loaded. */
static int64_t time_of(const struct merge *m, const struct cursor *c)
{
    if (c->loaded) return c->buf[c->i].time_us;
    int64_t t = piece_of(c)->t0, low = floor_of(m, c);
    return t > low ? t : low;
}

static int load(struct merge *m, struct cursor *c)
{
    const struct piece *p = piece_of(c);
    if (c->cap < p->n) {
        struct sample *b = mem_realloc(c->buf, p->n * sizeof *b);
        if (!b) return ERR_NOMEM;
        c->buf = b;
        c->cap = p->n;
    }
    int rc = c->s->decode(c->s, p, c->buf, m->codec);
    if (rc == ERR_CORRUPT) {
        m->damaged = true;
        rc = 0;
    }
    if (rc < 0) return rc;
    c->loaded = true;
    c->n = (size_t)rc;
    int64_t low = floor_of(m, c);
    for (c->i = 0; c->i < c->n && c->buf[c->i].time_us < low;) c->i++;
    while (c->n > c->i && c->buf[c->n - 1].time_us > m->to) c->n--;
    return 0;
}

struct pick {
    struct cursor *c;
    int64_t next; /* least time of the others */
};

static struct pick pick(struct merge *m)
{
    struct pick p = {NULL, INT64_MAX};
    int64_t best = 0;
    for (size_t i = 0; i < m->n; i++) {
        struct cursor *c = &m->c[i];
        if (!settle(m, c)) continue;
        int64_t t = time_of(m, c);
        bool wins = !p.c || t < best || (t == best && c->s->prio > p.c->s->prio);
        int64_t other = wins ? best : t;
        if (p.c && other < p.next) p.next = other;
        if (wins) p.c = c, best = t;
    }
    return p;
}

static bool whole_block(const struct merge *m, const struct cursor *c, int64_t next, bool others)
{
    const struct piece *p = piece_of(c);
    if (c->loaded || !p->meta || !p->meta->has_stats || p->t0 < floor_of(m, c) || p->meta->last_us > m->to)
        return false;
    return !others || p->meta->last_us < next;
}

/* Another cursor stands at the same time: 1 when it had to be loaded first (look again), else 0 and the
 * older samples of that time are dropped. */
static int drop_same(struct merge *m, struct cursor *winner, int64_t t)
{
    bool loaded = false;
    for (size_t i = 0; i < m->n; i++) {
        struct cursor *c = &m->c[i];
        if (c == winner || !settle(m, c) || time_of(m, c) != t || c->loaded) continue;
        int rc = load(m, c);
        if (rc) return rc;
        loaded = true;
    }
    if (loaded) return 1;
    for (size_t i = 0; i < m->n; i++) {
        struct cursor *c = &m->c[i];
        if (c != winner && c->piece < c->s->n && c->loaded && c->i < c->n && c->buf[c->i].time_us == t)
            c->i++, m->dropped++;
    }
    return 0;
}

static size_t run_length(const struct cursor *c, int64_t next)
{
    size_t lo = c->i, hi = c->n;
    if (c->buf[hi - 1].time_us < next) return hi - lo;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (c->buf[mid].time_us < next)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo - c->i;
}

/* ---- sources that alternate ---- */
struct mixing {
    struct cursor *c[MIX_CURSORS];
    size_t n;
    int64_t limit; /* what is not loaded may begin here */
};

static bool begin_mix(struct merge *m, struct mixing *x)
{
    *x = (struct mixing){.limit = INT64_MAX};
    for (size_t i = 0; i < m->n; i++) {
        struct cursor *c = &m->c[i];
        if (!settle(m, c)) continue;
        if (!c->loaded && time_of(m, c) < x->limit) x->limit = time_of(m, c);
        if (c->loaded && x->n == MIX_CURSORS) return false;
        if (c->loaded) x->c[x->n++] = c;
    }
    if (!m->mix.buf) m->mix.buf = mem_alloc(MIX * sizeof *m->mix.buf);
    return m->mix.buf != NULL;
}

/* The next sample of those that are loaded; *ret_more: each has a further one. */
static const struct sample *mix_one(struct merge *m, struct mixing *x, bool *ret_more)
{
    struct cursor *best = x->c[0];
    for (size_t i = 1; i < x->n; i++) {
        struct cursor *c = x->c[i];
        int64_t t = c->buf[c->i].time_us, b = best->buf[best->i].time_us;
        if (t < b || (t == b && c->s->prio > best->s->prio)) best = c;
    }
    const struct sample *s = &best->buf[best->i];
    if (s->time_us >= x->limit) return NULL;
    for (size_t i = 0; i < x->n; i++) {
        struct cursor *c = x->c[i];
        if (c->buf[c->i].time_us != s->time_us) continue;
        m->dropped += c != best;
        if (++c->i == c->n) *ret_more = false;
    }
    return s;
}

/* Up to MIX samples put together; how many. */
static size_t mix(struct merge *m)
{
    struct mixing x;
    bool more = true;
    size_t n = 0;
    if (!begin_mix(m, &x)) return 0;
    while (more && n < MIX) {
        const struct sample *s = mix_one(m, &x, &more);
        if (!s) break;
        m->mix.buf[n++] = *s;
    }
    m->mix.i = 0;
    m->mix.n = n;
    return n;
}

static int give_mix(struct merge *m, struct run *ret)
{
    struct cursor *c = &m->mix;
    *ret = (struct run){.s = c->buf + c->i, .n = c->n - c->i, .cur = c};
    c->i = c->n;
    return 1;
}

int merge_next(struct merge *m, bool blocks, struct run *ret)
{
    if (m->mix.i < m->mix.n) return give_mix(m, ret); /* was taken back */
    for (;;) {
        struct pick p = pick(m);
        if (!p.c) return 0;
        bool others = p.next != INT64_MAX;
        if (!p.c->loaded && blocks && whole_block(m, p.c, p.next, others)) {
            *ret = (struct run){.block = piece_of(p.c)->meta, .cur = p.c};
            p.c->piece++;
            return 1;
        }
        if (!p.c->loaded) {
            int rc = load(m, p.c);
            if (rc) return rc;
            continue;
        }
        int64_t t = time_of(m, p.c);
        size_t n = 1;
        if (p.next == t) {
            int rc = drop_same(m, p.c, t);
            if (rc < 0) return rc;
            if (rc) continue;
        } else {
            n = run_length(p.c, p.next);
            if (n == 0) n = 1; /* the last representable time */
        }
        if (others && n < SHORT_RUN && mix(m) > 0) return give_mix(m, ret);
        *ret = (struct run){.s = p.c->buf + p.c->i, .n = n, .cur = p.c};
        p.c->i += n;
        return 1;
    }
}

void merge_unread(struct run *r, size_t taken)
{
    if (r->block)
        r->cur->piece--;
    else
        r->cur->i -= r->n - taken;
}

void merge_skip(struct merge *m, int64_t t)
{
    m->from = t;
    while (m->mix.i < m->mix.n && m->mix.buf[m->mix.i].time_us < t) m->mix.i++;
    for (size_t i = 0; i < m->n; i++) {
        struct cursor *c = &m->c[i];
        while (c->loaded && c->i < c->n && c->buf[c->i].time_us < t) c->i++;
    }
}

int merge_open(struct merge *m, const struct run *r)
{
    r->cur->piece--;
    r->cur->loaded = false;
    return load(m, r->cur);
}
