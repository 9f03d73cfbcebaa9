/* block.c - see block.h. */
#include "tsdb/block.h"
#include "base/mem.h"
#include "tsdb/meta.h"

void times_encode(struct buf *b, const int64_t *t, size_t n, struct codec *c)
{
    uint8_t *start = buf_space(b, VARINT_MAX + intcol_bound(n)), *o = start;
    if (!o) return;
    o = put_varint(o, n);
    o += intcol_encode(t, n, o, c);
    b->n += (size_t)(o - start);
}

static uint8_t *put_times(uint8_t *o, const struct sample *s, size_t n, const struct block_ref *ref, struct codec *c)
{
    *o++ = (uint8_t)ref->how;
    if (ref->how != TIMES_OWN) o = put_varint(o, ref->distance);
    if (ref->how == TIMES_DENSE) return put_varint(o, ref->row);
    if (ref->how == TIMES_ROWS) return o + intcol_encode(ref->rows, n, o, c);
    for (size_t i = 0; i < n; i++) c->ints[i] = s[i].time_us;
    return o + intcol_encode(c->ints, n, o, c);
}

static uint8_t *put_values(uint8_t *o, const struct sample *s, size_t n, struct codec *c)
{
    struct val_hint hint = {0, 0};
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
    o += metacol_encode(c->metas, n, o);
    return o + valcol_encode(c->words, n, doubles, &hint, c->ints, o, c);
}

void block_encode(struct buf *b, const struct sample *s, size_t n, const struct block_ref *ref, struct codec *c)
{
    size_t bound = 64 + intcol_bound(n) + metacol_bound(n) + valcol_bound(n);
    uint8_t *start = buf_space(b, bound), *o = start;
    if (!o) return;
    o = put_varint(o, s[0].point);
    o = put_varint(o, n);
    o = put_times(o, s, n, ref, c);
    o = put_values(o, s, n, c);
    b->n += (size_t)(o - start);
}

int block_head_decode(struct in *in, struct block_head *ret)
{
    struct block_head h = {0};
    h.point = (uint32_t)in_count(in, UINT32_MAX);
    h.count = (uint32_t)in_count(in, SEG_BLOCK_MAX);
    unsigned how = in_u8(in);
    if (how > TIMES_ROWS) in->bad = true;
    h.how = (enum block_times)how;
    if (how != TIMES_OWN) h.distance = in_varint(in);
    if (how == TIMES_DENSE) h.row = (uint32_t)in_count(in, TIMES_MAX);
    if (in->bad || !h.count || !h.point) return ERR_CORRUPT;
    *ret = h;
    return 0;
}

static bool get_times(struct in *in, const struct block_head *h, const int64_t *times, size_t nrows, struct sample *out,
                      struct codec *c)
{
    if (h->how == TIMES_DENSE) {
        if (h->row > nrows || h->count > nrows - h->row) return false;
        for (size_t i = 0; i < h->count; i++) out[i].time_us = times[h->row + i];
        return true;
    }
    intcol_decode(in, c->ints, h->count, c);
    if (in->bad) return false;
    for (size_t i = 0; i < h->count; i++) {
        int64_t x = c->ints[i];
        if (h->how == TIMES_ROWS && (x < 0 || (uint64_t)x >= nrows)) return false;
        out[i].time_us = h->how == TIMES_ROWS ? times[x] : x;
        if (i && out[i].time_us <= out[i - 1].time_us) return false;
    }
    return true;
}

int block_decode(struct in *in, const struct block_head *h, const int64_t *times, size_t nrows, struct sample *out,
                 struct codec *c)
{
    if (h->count > c->max || !get_times(in, h, times, nrows, out, c)) return ERR_CORRUPT;
    metacol_decode(in, c->metas, h->count);
    if (!in->bad) valcol_decode(in, c->words, h->count, c);
    if (in->bad || in_left(in)) return ERR_CORRUPT;
    for (size_t i = 0; i < h->count; i++) {
        out[i].point = h->point;
        meta_to(&out[i], c->metas[i]);
        out[i].v.u = out[i].type == SAMPLE_NONE ? 0 : c->words[i];
    }
    return 0;
}

int times_decode(struct in *in, struct codec_times *ret, struct codec *c)
{
    size_t n = in_count(in, TIMES_MAX);
    ret->at = 0;
    if (in->bad) return ERR_CORRUPT;
    if (!mem_grow((void **)&ret->t, &ret->cap, n + 1, sizeof *ret->t)) return ERR_NOMEM;
    intcol_decode(in, ret->t, n, c);
    if (in->bad || in_left(in)) return ERR_CORRUPT;
    for (size_t i = 1; i < n; i++)
        if (ret->t[i] <= ret->t[i - 1]) return ERR_CORRUPT;
    ret->n = n;
    return 0;
}
