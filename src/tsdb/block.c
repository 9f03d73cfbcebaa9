/* block.c - see block.h. */
#include "tsdb/block.h"
#include "base/mem.h"
#include "tsdb/codec_bits.h"
#include "tsdb/meta.h"

void times_encode(struct buf *b, const int64_t *t, size_t n, struct codec *c)
{
    uint8_t *start = buf_space(b, VARINT_MAX + intcol_bound(n)), *o = start;
    if (!o) return;
    o = put_varint(o, n);
    o += intcol_encode(t, n, o, c);
    b->n += (size_t)(o - start);
}

#define BLOCK_NEXT 1
#define BLOCK_SAME_COUNT 2
#define BLOCK_SAME_TIMES 4
#define BLOCK_ONE_META 8
#define BLOCK_GOOD 16
#define BLOCK_FLAGS 31
#define HEAD_BOUND (1 + 6 * VARINT_MAX)

/* ---- writing ---- */
static uint8_t *put_times(uint8_t *o, const struct sample *s, size_t n, const struct block_ref *ref, struct codec *c)
{
    if (ref->how == TIMES_DENSE) return o;
    if (ref->how == TIMES_ROWS) return o + intcol_encode(ref->rows, n, o, c);
    for (size_t i = 0; i < n; i++) c->ints[i] = s[i].time_us;
    return o + intcol_encode(c->ints, n, o, c);
}

/* Values into c->words, a gap repeating the one before; true: they are all doubles. */
static bool gather_values(const struct sample *s, size_t n, struct codec *c)
{
    bool doubles = true;
    uint64_t last = 0;
    for (size_t i = 0; i < n; i++)
        if (s[i].type != SAMPLE_NONE) {
            last = s[i].v.u; /* what a leading gap is filled with */
            break;
        }
    for (size_t i = 0; i < n; i++) {
        if (s[i].type != SAMPLE_NONE) last = s[i].v.u;
        if (s[i].type != SAMPLE_NONE && s[i].type != SAMPLE_DOUBLE) doubles = false;
        c->words[i] = last;
        c->metas[i] = meta_of(&s[i]);
    }
    return doubles;
}

static void put_head(struct bundle *x, const struct block_head *h, size_t body)
{
    const struct block_head *l = &x->last;
    bool first = x->n == 0, same = !first && h->how == TIMES_DENSE && l->how == TIMES_DENSE &&
                                   h->distance == l->distance && h->row == l->row;
    uint8_t *start = buf_space(&x->heads, HEAD_BOUND), *o = start;
    if (!o) return;
    unsigned flags = (!first && h->point == l->point + 1 ? BLOCK_NEXT : 0) |
                     (!first && h->count == l->count ? BLOCK_SAME_COUNT : 0) | (same ? BLOCK_SAME_TIMES : 0) |
                     (h->one_meta ? BLOCK_ONE_META : 0) | (h->one_meta && h->meta == SAMPLE_DOUBLE ? BLOCK_GOOD : 0);
    *o++ = (uint8_t)flags;
    if (!(flags & BLOCK_NEXT)) o = put_zigzag(o, (int64_t)h->point - l->point);
    if (!(flags & BLOCK_SAME_COUNT)) o = put_varint(o, h->count);
    if (!same) {
        *o++ = (uint8_t)h->how;
        if (h->how != TIMES_OWN) o = put_varint(o, h->distance);
        if (h->how == TIMES_DENSE) o = put_varint(o, h->row);
    }
    if (h->one_meta && !(flags & BLOCK_GOOD)) o = put_varint(o, h->meta);
    o = put_varint(o, body);
    x->heads.n += (size_t)(o - start);
}

void bundle_add(struct bundle *x, const struct sample *s, size_t n, const struct block_ref *ref, struct codec *c)
{
    struct val_hint hint = {0, 0};
    uint8_t *start = buf_space(&x->bodies, 64 + intcol_bound(n) + metacol_bound(n) + valcol_bound(n)), *o = start;
    if (!o) return;
    o = put_times(o, s, n, ref, c);
    bool doubles = gather_values(s, n, c);
    struct block_head h = {.point = s[0].point,
                           .count = (uint32_t)n,
                           .row = ref->row,
                           .meta = c->metas[0],
                           .how = ref->how,
                           .one_meta = true,
                           .distance = ref->distance};
    for (size_t i = 1; i < n && h.one_meta; i++) h.one_meta = c->metas[i] == c->metas[0];
    if (!h.one_meta) o += metacol_encode(c->metas, n, o);
    o += valcol_encode(c->words, n, doubles, &hint, c->ints, o, c);
    x->bodies.n += (size_t)(o - start);
    put_head(x, &h, (size_t)(o - start));
    x->last = h;
    x->n++;
}

size_t bundle_bytes(const struct bundle *x)
{
    return x->heads.n + x->bodies.n;
}

void bundle_end(struct bundle *x, struct buf *payload)
{
    uint8_t *start = buf_space(payload, 2 * VARINT_MAX);
    if (x->heads.err || x->bodies.err) payload->err = x->heads.err ? x->heads.err : x->bodies.err;
    if (start) {
        uint8_t *o = put_varint(start, x->n);
        payload->n += (size_t)(put_varint(o, x->heads.n) - start);
        buf_add(payload, x->heads.p, x->heads.n);
        buf_add(payload, x->bodies.p, x->bodies.n);
    }
    buf_clear(&x->heads);
    buf_clear(&x->bodies);
    x->n = 0;
    x->last = (struct block_head){0};
}

/* ---- reading ---- */
static void get_how(struct in *in, struct block_head *h)
{
    unsigned how = in_u8(in);
    if (how > TIMES_ROWS) in->bad = true;
    h->how = in->bad ? TIMES_OWN : (enum block_times)how;
    h->distance = how == TIMES_OWN ? 0 : in_varint(in);
    h->row = how == TIMES_DENSE ? (uint32_t)in_count(in, TIMES_MAX) : 0;
}

int block_head_decode(struct in *in, struct block_head *ret)
{
    struct block_head h = {0};
    h.point = (uint32_t)in_count(in, UINT32_MAX);
    h.count = (uint32_t)in_count(in, SEG_BLOCK_MAX);
    get_how(in, &h);
    if (in->bad || !h.count || !h.point) return ERR_CORRUPT;
    *ret = h;
    return 0;
}

int bundle_open(struct in *payload, struct bundle_in *ret)
{
    size_t n = in_count(payload, BUNDLE_BLOCKS), len = in_count(payload, in_left(payload));
    const uint8_t *heads = in_take(payload, len);
    if (!heads || n == 0) return ERR_CORRUPT;
    *ret = (struct bundle_in){.heads = in_make(heads, len), .bodies = *payload, .left = n};
    return 0;
}

static void get_meta(struct in *in, unsigned flags, struct block_head *h)
{
    h->one_meta = flags & BLOCK_ONE_META;
    h->meta = SAMPLE_DOUBLE;
    if (h->one_meta && !(flags & BLOCK_GOOD)) h->meta = (uint32_t)in_count(in, UINT32_MAX);
}

int bundle_next(struct bundle_in *x, struct block_head *ret, struct in *ret_body)
{
    struct in *in = &x->heads;
    struct block_head *h = &x->last;
    if (x->left == 0) return in_left(in) || in_left(&x->bodies) ? ERR_CORRUPT : 0;
    unsigned flags = in_u8(in);
    if (flags > BLOCK_FLAGS) in->bad = true;
    h->point += flags & BLOCK_NEXT ? 1 : (uint32_t)in_zigzag(in);
    if (!(flags & BLOCK_SAME_COUNT)) h->count = (uint32_t)in_count(in, SEG_BLOCK_MAX);
    if (!(flags & BLOCK_SAME_TIMES)) get_how(in, h);
    get_meta(in, flags, h);
    size_t len = in_count(in, in_left(&x->bodies));
    const uint8_t *body = in->bad ? NULL : in_take(&x->bodies, len);
    if (!body || !h->count || !h->point) return ERR_CORRUPT;
    x->left--;
    *ret = *h;
    *ret_body = in_make(body, len);
    return 1;
}

/* Where the times of the block stand: in the column itself, or in c->ints; NULL when they are not right. */
static const int64_t *get_times(struct in *in, const struct block_head *h, const int64_t *times, size_t nrows,
                                struct codec *c)
{
    if (h->how == TIMES_DENSE) return h->row > nrows || h->count > nrows - h->row ? NULL : times + h->row;
    intcol_decode(in, c->ints, h->count, c);
    if (in->bad) return NULL;
    for (size_t i = 0; i < h->count; i++) {
        int64_t x = c->ints[i];
        if (h->how == TIMES_ROWS && (x < 0 || (uint64_t)x >= nrows)) return NULL;
        if (h->how == TIMES_ROWS) c->ints[i] = times[x];
        if (i && c->ints[i] <= c->ints[i - 1]) return NULL;
    }
    return c->ints;
}

int block_decode(struct in *in, const struct block_head *h, const int64_t *times, size_t nrows, struct sample *out,
                 struct codec *c)
{
    const int64_t *t = h->count > c->max ? NULL : get_times(in, h, times, nrows, c);
    struct sample like = {.point = h->point};
    if (!t) return ERR_CORRUPT;
    if (!h->one_meta) metacol_decode(in, c->metas, h->count);
    if (!in->bad) valcol_decode(in, c->words, h->count, c);
    if (in->bad || in_left(in)) return ERR_CORRUPT;
    meta_to(&like, h->meta);
    bits_samples(out, h->count, &like, t, c->words);
    for (size_t i = 0; i < h->count && !h->one_meta; i++) meta_to(&out[i], c->metas[i]);
    for (size_t i = 0; i < h->count && !(h->one_meta && like.type != SAMPLE_NONE); i++)
        if (out[i].type == SAMPLE_NONE) out[i].v.u = 0;
    return 0;
}

int times_decode(struct in *in, struct codec_times *ret, struct codec *c)
{
    size_t n = in_count(in, TIMES_MAX);
    if (in->bad) return ERR_CORRUPT;
    if (!mem_grow((void **)&ret->t, &ret->cap, n + 1, sizeof *ret->t)) return ERR_NOMEM;
    intcol_decode(in, ret->t, n, c);
    if (in->bad || in_left(in)) return ERR_CORRUPT;
    for (size_t i = 1; i < n; i++)
        if (ret->t[i] <= ret->t[i - 1]) return ERR_CORRUPT;
    ret->n = n;
    return 0;
}
