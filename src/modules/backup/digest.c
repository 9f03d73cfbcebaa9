/* digest.c - see digest.h. */
#include "modules/backup/digest.h"
#include "base/mem.h"
#include "model/ts_text.h"

static int by_point(const void *a, const void *b)
{
    const struct digest_point *x = a, *y = b;
    return x->point < y->point ? -1 : x->point > y->point;
}

static int take_usage(void *ctx, const struct ts_usage *u)
{
    struct digest_points *p = ctx;
    if (!mem_grow((void **)&p->point, &p->cap, p->n + 1, sizeof *p->point)) return ERR_NOMEM;
    p->point[p->n++] = (struct digest_point){u->point, u->samples, u->oldest_us, u->newest_us};
    return 0;
}

/* One row a point: classes and places come separately. */
static void gather(struct digest_points *p)
{
    size_t out = 0;
    qsort(p->point, p->n, sizeof *p->point, by_point);
    for (size_t i = 0; i < p->n; i++) {
        const struct digest_point *r = &p->point[i];
        struct digest_point *last = out ? &p->point[out - 1] : NULL;
        if (!r->stored) continue;
        if (i == 0 || !p->stored || r->oldest_us < p->oldest_us) p->oldest_us = r->oldest_us;
        if (i == 0 || !p->stored || r->newest_us > p->newest_us) p->newest_us = r->newest_us;
        p->stored += r->stored;
        if (last && last->point == r->point) {
            last->stored += r->stored;
            if (r->oldest_us < last->oldest_us) last->oldest_us = r->oldest_us;
            if (r->newest_us > last->newest_us) last->newest_us = r->newest_us;
        } else {
            p->point[out++] = *r;
        }
    }
    p->n = out;
}

int digest_points_of(struct ts_store *st, struct digest_points *ret, struct error *e)
{
    *ret = (struct digest_points){0};
    if (!st->admin || !st->admin->usage)
        return error_set(e, ERR_UNSUPPORTED, "history", "this store cannot tell its points", "该存储无法列出点");
    int rc = st->admin->usage(st, take_usage, ret, e);
    if (rc == ERR_NOMEM) error_set(e, rc, "", "out of memory", "内存不足");
    if (rc)
        digest_points_fini(ret);
    else if (ret->n)
        gather(ret);
    return rc;
}

void digest_points_fini(struct digest_points *p)
{
    mem_free(p->point);
    *p = (struct digest_points){0};
}

bool digest_window(const struct digest_points *p, uint64_t cap, int64_t *from, int64_t *to)
{
    *from = p->oldest_us;
    *to = p->stored ? p->newest_us + 1 : p->oldest_us;
    if (p->stored <= cap) return true;
    double span = (double)(*to - *from);
    *from = *to - (int64_t)(span * (double)cap / (double)p->stored) - 1;
    return false;
}

struct scan {
    struct ts_store *st;
    struct hasher *h;
    uint64_t n;
    bool (*cancelled)(void *ctx);
    void *ctx;
    char *text;
    uint64_t blobs; /* bytes so far */
};
#define TEXT_MAX (1u << 20)

static int add_text(struct scan *s, uint64_t id)
{
    size_t n = 0;
    if (!s->text && !(s->text = mem_alloc(TEXT_MAX))) return ERR_NOMEM;
    int rc = s->st->ops->string_get ? s->st->ops->string_get(s->st, id, s->text, TEXT_MAX, &n) : ERR_NOT_FOUND;
    if (rc == ERR_NOT_FOUND || rc == ERR_TOO_LARGE) return 0; /* the id stands in the sample itself */
    if (!rc) hasher_add(s->h, s->text, n);
    return rc;
}

/* What is damaged here must not keep the rest from being saved: it hashes to what it is not. */
static int add_blob(struct scan *s, const struct sample *p)
{
    struct ts_blob b = {0};
    struct buf bytes;
    int rc = ts_blob_of(s->st, p, &b, NULL, NULL);
    buf_init(&bytes, TS_BLOB_MAX);
    hasher_add(s->h, b.type, sizeof b.type);
    s->blobs += b.size;
    if (!rc && s->blobs <= DIGEST_BLOBS) rc = ts_blob_of(s->st, p, &b, &bytes, NULL);
    if (bytes.n) hasher_add(s->h, bytes.p, bytes.n);
    buf_fini(&bytes);
    return rc == ERR_NOT_FOUND || rc == ERR_CORRUPT ? 0 : rc;
}

static int add(void *ctx, const struct sample *p, size_t n)
{
    struct scan *s = ctx;
    int rc = 0;
    s->n += n;
    for (size_t i = 0, from = 0; i < n && !rc; i++) {
        if (!sample_is_text(&p[i]) && i + 1 < n) continue;
        hasher_add(s->h, p + from, (i + 1 - from) * sizeof *p);
        from = i + 1;
        if (p[i].type == SAMPLE_STRING) rc = add_text(s, p[i].v.u);
        if (p[i].type == SAMPLE_BLOB) rc = add_blob(s, &p[i]);
    }
    return rc ? rc : s->cancelled && s->cancelled(s->ctx) ? ERR_CANCELLED : 0;
}

int digest_point(struct ts_store *st, uint32_t point, int64_t from, int64_t to, bool (*cancelled)(void *ctx), void *ctx,
                 struct digest *ret, struct error *e)
{
    struct scan s = {.st = st, .h = hasher_new(), .cancelled = cancelled, .ctx = ctx};
    int rc =
        s.h ? st->ops->scan(st, point, from, to, add, &s, e) : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (!rc) {
        ret->samples = s.n;
        hasher_end(s.h, ret->hash);
    }
    hasher_free(s.h);
    mem_free(s.text);
    return rc;
}
