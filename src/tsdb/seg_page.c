/* seg_page.c - index pages in columns.
 *
 *   varint n (1..256), u8 unit: differences of times are counted in 0: us, 1: ms, 2: s
 *   integer columns (codec_int.c) of n values:
 *     point; group; count; offset - (offset + length of the entry before; 0 at first); length of the frame;
 *     first time (us); (last - first time) / unit; summary follows (0, 1)
 *   and, if any has a summary, of those that have one:
 *     form      how values are integers: 0 the 8 bytes; mode << 4 | k decimals (mode, k as in codec_value.c)
 *     first; last, least, greatest, first bad value: less the first (0 where there is none)
 *     times of the least, the greatest, the first bad sample less the first time, / unit
 *     meta of first; of last, least, greatest, bad: exclusive-or with that of the first
 *     count - good; count - usable
 *     us of the span that are not usable; that are not good
 *     raw       bits: 1 the sum, 2 the step integral, 4 the line integral stands among the raw words
 *     sum       in units of 10^-k, less first x usable (less 0 where the first is not a number)
 *     step      in units of 10^-k x unit, less sum / usable x usable time
 *     line      in half such units, less twice `step` as it is now (the column and what was taken off)
 *     squares   m2: the 44 high bits of the double, rounded
 *   varint number of raw words, integer column of them: the double's bits of a sum; the 44 high bits, rounded, of an
 *   integral
 * A figure goes among the raw words when the scaled integer does not give it back to one part in 2^40. */
#include "tsdb/seg_page.h"
#include <math.h>
#include "base/mem.h"
#include "tsdb/codec_value.h"
#include "tsdb/meta.h"

#define CUT 20       /* low bits of a double that are dropped */
#define LARGE 4.0e18 /* scaled figures stay below */

enum { RAW_SUM = 1, RAW_STEP = 2, RAW_LINE = 4 };
static const int64_t units[] = {1, 1000, 1000000};

static uint64_t bits_of_double(double d)
{
    uint64_t u;
    memcpy(&u, &d, 8);
    return u;
}

static double double_of_bits(uint64_t u)
{
    double d;
    memcpy(&d, &u, 8);
    return d;
}

static int64_t cut_double(double d)
{
    uint64_t u = bits_of_double(d);
    if (isfinite(d)) u += UINT64_C(1) << (CUT - 1); /* may round up to infinity: as near as it gets */
    return (int64_t)(u >> CUT);
}

static double uncut_double(int64_t v)
{
    return double_of_bits((uint64_t)v << CUT);
}

static int64_t diff(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static int64_t plus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int64_t span_us(const struct block_meta *m)
{
    return diff(m->last_us, m->first_us);
}

/* ---- the table of columns ---- */
/* One entry while it is turned into columns or back. */
struct row {
    struct block_meta *m;
    uint32_t *group;
    uint64_t next; /* where the frame before ends */
    int64_t unit;
    unsigned mode, k;  /* of the values */
    int64_t first;     /* the first value as an integer */
    double scale;      /* 10^k x units a second */
    int64_t base, sum; /* scaled: what was taken off, and the whole */
    int64_t step;      /* scaled, whole */
    unsigned raw;
    uint64_t words[3];
};

static struct sample *five(struct block_meta *m, int which)
{
    struct sample *s[] = {&m->first, &m->last, &m->min, &m->max, &m->bad};
    return s[which];
}

static int64_t value_int(const struct row *r, const struct sample *s)
{
    int64_t i = 0;
    if (!s->point || s->type == SAMPLE_NONE) return r->first;
    if (!r->mode) return (int64_t)s->v.u;
    (void)dec_int(s->v.u, r->mode, r->k, &i);
    return i;
}

static void value_set(const struct row *r, struct sample *s, int64_t i)
{
    if (s->type == SAMPLE_NONE)
        s->v.u = 0;
    else
        s->v.u = r->mode ? dec_value(i, r->mode, r->k) : (uint64_t)i;
}

/* Decimals that give back all of the five samples, or none. */
static void choose_form(struct row *r)
{
    uint64_t v[5];
    size_t n = 0;
    bool doubles = true;
    for (int i = 0; i < 5; i++) {
        const struct sample *s = five(r->m, i);
        if (!s->point || s->type == SAMPLE_NONE) continue;
        v[n++] = s->v.u;
        doubles &= s->type == SAMPLE_DOUBLE;
    }
    r->mode = r->k = 0;
    if (n && doubles) (void)dec_fit(v, n, &r->mode, &r->k);
}

static bool number(const struct row *r)
{
    uint8_t t = r->m->first.type;
    return r->m->first.point && (r->mode ? t == SAMPLE_DOUBLE : t == SAMPLE_INT || t == SAMPLE_BOOL);
}

/* What the first value alone would make of the sum; 0 when that is too much. */
static int64_t sum_base(const struct row *r)
{
    double guess = (double)r->first * r->m->usable;
    return number(r) && fabs(guess) < LARGE ? r->first * (int64_t)r->m->usable : 0;
}

static int64_t step_base(const struct row *r)
{
    if (!r->m->usable) return 0;
    double guess = (double)r->sum / r->m->usable * (r->m->usable_s * (1e6 / (double)r->unit));
    return fabs(guess) < LARGE ? llround(guess) : 0;
}

static bool near_enough(double got, double want)
{
    return bits_of_double(got) == bits_of_double(want) || fabs(got - want) <= fabs(want) * 0x1p-40;
}

/* The figure as an integer of units of 1 / scale, if that gives it back. */
static bool scaled(double figure, double scale, int64_t *ret)
{
    double x = figure * scale;
    if (!(fabs(x) < LARGE)) return false;
    *ret = llround(x);
    return near_enough((double)*ret / scale, figure);
}

static void sums_to_ints(struct row *r, int64_t *sum, int64_t *step, int64_t *line)
{
    const struct block_meta *m = r->m;
    double ten = dec_power(r->k);
    int64_t whole = 0;
    r->raw = 0;
    r->base = sum_base(r);
    *sum = *step = *line = 0;
    if (scaled(m->sum, ten, &r->sum))
        *sum = diff(r->sum, r->base);
    else
        r->raw |= RAW_SUM, r->words[0] = bits_of_double(m->sum), r->sum = 0;
    r->scale = ten * (1e6 / (double)r->unit);
    r->base = step_base(r);
    if (scaled(m->step_integral, r->scale, &r->step))
        *step = diff(r->step, r->base);
    else
        r->raw |= RAW_STEP, r->words[1] = (uint64_t)cut_double(m->step_integral), r->step = 0;
    if (scaled(m->linear_integral, r->scale * 2, &whole))
        *line = diff(whole, plus(r->step, r->step));
    else
        r->raw |= RAW_LINE, r->words[2] = (uint64_t)cut_double(m->linear_integral);
}

static void sums_from_ints(struct row *r, int64_t sum, int64_t step, int64_t line)
{
    struct block_meta *m = r->m;
    double ten = dec_power(r->k);
    r->sum = r->raw & RAW_SUM ? 0 : plus(sum, sum_base(r));
    m->sum = r->raw & RAW_SUM ? double_of_bits(r->words[0]) : (double)r->sum / ten;
    r->scale = ten * (1e6 / (double)r->unit);
    r->step = r->raw & RAW_STEP ? 0 : plus(step, step_base(r));
    m->step_integral = r->raw & RAW_STEP ? uncut_double((int64_t)r->words[1]) : (double)r->step / r->scale;
    m->linear_integral = r->raw & RAW_LINE ? uncut_double((int64_t)r->words[2])
                                           : (double)plus(line, plus(r->step, r->step)) / (r->scale * 2);
}

enum { POINT, GROUP, COUNT, OFFSET, LEN, FIRST_US, SPAN, STATS, KEYS };
enum {
    FORM = 0,
    VALUE = 1,        /* of the five */
    TIME = VALUE + 5, /* of least, greatest, bad */
    META = TIME + 3,  /* of the five */
    NOT_GOOD = META + 5,
    NOT_USABLE,
    UNUSABLE_US,
    UNGOOD_US,
    RAW,
    SUM,
    STEP,
    LINE,
    SQUARES,
    FIGURES
};

/* ---- encoding ---- */
static void key_ints(const struct index_entry *e, uint64_t next, int64_t unit, int64_t *out)
{
    const struct block_meta *m = &e->meta;
    out[POINT] = m->point;
    out[GROUP] = e->group;
    out[COUNT] = m->count;
    out[OFFSET] = (int64_t)(m->offset - next);
    out[LEN] = m->len;
    out[FIRST_US] = m->first_us;
    out[SPAN] = span_us(m) / unit;
    out[STATS] = m->has_stats;
}

static void figure_ints(struct row *r, int64_t *out)
{
    struct block_meta *m = r->m;
    choose_form(r);
    r->first = 0;
    r->first = value_int(r, &m->first);
    out[FORM] = r->mode << 4 | r->k;
    for (int i = 0; i < 5; i++) {
        const struct sample *s = five(m, i);
        out[VALUE + i] = i ? diff(value_int(r, s), r->first) : r->first;
        if (i > 1) out[TIME + i - 2] = s->point ? diff(s->time_us, m->first_us) / r->unit : 0;
        out[META + i] = s->point ? (int64_t)(meta_of(s) ^ (i ? meta_of(&m->first) : 0)) : 0;
    }
    out[NOT_GOOD] = (int64_t)m->count - m->good;
    out[NOT_USABLE] = (int64_t)m->count - m->usable;
    out[UNUSABLE_US] = diff(span_us(m), llround(m->usable_s * 1e6));
    out[UNGOOD_US] = diff(span_us(m), llround(m->good_s * 1e6));
    sums_to_ints(r, &out[SUM], &out[STEP], &out[LINE]);
    out[RAW] = r->raw;
    out[SQUARES] = cut_double(m->m2);
}

static bool divides(const struct block_meta *m, int64_t unit)
{
    const int64_t t[] = {m->last_us, m->min.time_us, m->max.time_us, m->bad.time_us};
    const bool there[] = {true, m->min.point != 0, m->max.point != 0, m->bad.point != 0};
    for (int i = 0; i < (m->has_stats ? 4 : 1); i++)
        if (there[i] && diff(t[i], m->first_us) % unit) return false;
    return true;
}

static unsigned page_unit(const struct index_entry *e, size_t n)
{
    unsigned u = 2;
    for (size_t i = 0; i < n && u; i++)
        while (u && !divides(&e[i].meta, units[u])) u--;
    return u;
}

static void put_columns(struct buf *b, const int64_t *cells, size_t columns, size_t n, struct codec *c)
{
    int64_t col[PAGE_ENTRIES];
    for (size_t k = 0; k < columns; k++) {
        uint8_t *o = buf_space(b, intcol_bound(n));
        if (!o) return;
        for (size_t i = 0; i < n; i++) col[i] = cells[i * columns + k];
        b->n += intcol_encode(col, n, o, c);
    }
}

static void put_words(struct buf *b, const int64_t *words, size_t n, struct codec *c)
{
    uint8_t *o = buf_space(b, VARINT_MAX + intcol_bound(n));
    if (!o) return;
    uint8_t *p = put_varint(o, n);
    b->n += (size_t)(p - o) + (n ? intcol_encode(words, n, p, c) : 0);
}

static void put_figures(struct buf *b, const struct index_entry *e, size_t n, int64_t unit, int64_t *cells,
                        struct codec *c)
{
    int64_t words[PAGE_ENTRIES * 3];
    size_t nwords = 0, with = 0;
    for (size_t i = 0; i < n; i++) {
        if (!e[i].meta.has_stats) continue;
        struct block_meta m = e[i].meta;
        struct row r = {.m = &m, .unit = unit};
        figure_ints(&r, cells + with++ * FIGURES);
        for (unsigned k = 0; k < 3; k++)
            if (r.raw >> k & 1) words[nwords++] = (int64_t)r.words[k];
    }
    if (!with) return;
    put_columns(b, cells, FIGURES, with, c);
    put_words(b, words, nwords, c);
}

void seg_page_encode(struct buf *b, const struct index_entry *e, size_t n, struct codec *c)
{
    int64_t *cells = mem_alloc(n * FIGURES * sizeof *cells);
    uint8_t *o = cells ? buf_space(b, VARINT_MAX + 1) : NULL;
    unsigned u = page_unit(e, n);
    uint64_t next = 0;
    if (!o) {
        if (!cells && !b->err) b->err = ERR_NOMEM;
        mem_free(cells);
        return;
    }
    uint8_t *p = put_varint(o, n);
    *p++ = (uint8_t)u;
    b->n += (size_t)(p - o);
    for (size_t i = 0; i < n; i++) {
        key_ints(&e[i], next, units[u], cells + i * KEYS);
        next = e[i].meta.offset + e[i].meta.len;
    }
    put_columns(b, cells, KEYS, n, c);
    put_figures(b, e, n, units[u], cells, c);
    mem_free(cells);
}

/* ---- decoding ---- */
/* Column by column as they come; c is the first column at one's entry. */
static inline int64_t at(const int64_t *c, size_t column)
{
    return c[column * PAGE_ENTRIES];
}

static bool in_range(int64_t v, int64_t lo, int64_t hi)
{
    return v >= lo && v <= hi;
}

static bool key_from(const int64_t *c, uint64_t next, int64_t unit, struct index_entry *e)
{
    if (!in_range(at(c, POINT), 1, UINT32_MAX) || !in_range(at(c, GROUP), 0, UINT32_MAX) ||
        !in_range(at(c, COUNT), 1, at(c, LEN) ? SEG_BLOCK_MAX : UINT32_MAX) /* without a frame: a rollup cell */ ||
        !in_range(at(c, LEN), 0, FRAME_MAX + FRAME_HEAD) || !in_range(at(c, SPAN), 0, INT64_MAX / unit) ||
        !in_range(at(c, STATS), 0, 1))
        return false;
    *e = (struct index_entry){.group = (uint32_t)at(c, GROUP)};
    struct block_meta *m = &e->meta;
    m->point = (uint32_t)at(c, POINT);
    m->count = (uint32_t)at(c, COUNT);
    m->offset = next + (uint64_t)at(c, OFFSET);
    m->len = (uint32_t)at(c, LEN);
    m->first_us = at(c, FIRST_US);
    m->last_us = plus(m->first_us, at(c, SPAN) * unit);
    m->has_stats = at(c, STATS) != 0;
    return m->last_us >= m->first_us;
}

static bool samples_from(const int64_t *c, struct row *r)
{
    struct block_meta *m = r->m;
    const int64_t times[] = {0, span_us(m), at(c, TIME), at(c, TIME + 1), at(c, TIME + 2)};
    const bool there[] = {true, true, m->usable > 0, m->usable > 0, m->good < m->count};
    for (int i = 0; i < 5; i++) {
        struct sample *s = five(m, i);
        if (!there[i]) continue;
        if (i > 1 && !in_range(times[i], 0, span_us(m) / r->unit)) return false;
        uint64_t meta = (uint64_t)at(c, META + i) ^ (i ? meta_of(&m->first) : 0);
        if (meta > UINT32_MAX) return false;
        s->point = m->point;
        s->time_us = plus(m->first_us, i > 1 ? times[i] * r->unit : times[i]);
        meta_to(s, (uint32_t)meta);
        value_set(r, s, i ? plus(at(c, VALUE + i), r->first) : r->first);
    }
    return true;
}

static bool figures_from(const int64_t *c, struct row *r)
{
    struct block_meta *m = r->m;
    if (!in_range(at(c, FORM), 0, 0x3f) || !in_range(at(c, NOT_GOOD), 0, m->count) ||
        !in_range(at(c, NOT_USABLE), 0, m->count))
        return false;
    r->mode = (unsigned)at(c, FORM) >> 4;
    r->k = (unsigned)at(c, FORM) & 15;
    r->first = at(c, VALUE);
    m->good = m->count - (uint32_t)at(c, NOT_GOOD);
    m->usable = m->count - (uint32_t)at(c, NOT_USABLE);
    m->usable_s = (double)diff(span_us(m), at(c, UNUSABLE_US)) / 1e6;
    m->good_s = (double)diff(span_us(m), at(c, UNGOOD_US)) / 1e6;
    m->m2 = uncut_double(at(c, SQUARES));
    return samples_from(c, r);
}

static bool get_columns(struct in *in, int64_t *cells, size_t columns, size_t n, struct codec *c)
{
    for (size_t k = 0; k < columns && !in->bad; k++) intcol_decode(in, cells + k * PAGE_ENTRIES, n, c);
    return !in->bad;
}

static bool get_words(struct in *in, int64_t words[PAGE_ENTRIES * 3], size_t *ret_n, struct codec *c)
{
    size_t n = in_count(in, PAGE_ENTRIES * 3);
    if (n && !in->bad) intcol_decode(in, words, n, c);
    *ret_n = n;
    return !in->bad;
}

static bool get_figures(struct in *in, struct index_entry *e, size_t n, size_t with, int64_t unit, int64_t *cells,
                        struct codec *c)
{
    int64_t words[PAGE_ENTRIES * 3];
    size_t nwords = 0, taken = 0;
    if (!get_columns(in, cells, FIGURES, with, c) || !get_words(in, words, &nwords, c)) return false;
    const int64_t *cell = cells;
    for (size_t i = 0; i < n; i++) {
        if (!e[i].meta.has_stats) continue;
        struct row r = {.m = &e[i].meta, .unit = unit};
        if (!in_range(at(cell, RAW), 0, 7)) return false;
        r.raw = (unsigned)at(cell, RAW);
        for (unsigned k = 0; k < 3; k++) {
            if (!(r.raw >> k & 1)) continue;
            if (taken == nwords) return false;
            r.words[k] = (uint64_t)words[taken++];
        }
        if (!figures_from(cell, &r)) return false;
        sums_from_ints(&r, at(cell, SUM), at(cell, STEP), at(cell, LINE));
        cell++;
    }
    return taken == nwords;
}

static bool get_page(struct in *in, struct index_entry *e, size_t n, int64_t unit, int64_t *cells, struct codec *c)
{
    uint64_t next = 0;
    size_t with = 0;
    if (!get_columns(in, cells, KEYS, n, c)) return false;
    for (size_t i = 0; i < n; i++) {
        if (!key_from(cells + i, next, unit, &e[i])) return false;
        if (i && e[i].meta.point < e[i - 1].meta.point) return false;
        next = e[i].meta.offset + e[i].meta.len;
        with += e[i].meta.has_stats;
    }
    if (with && !get_figures(in, e, n, with, unit, cells, c)) return false;
    return !in->bad && in_left(in) == 0;
}

int seg_page_decode(struct in *in, struct codec *c, struct index_entry **ret, size_t *ret_n)
{
    size_t n = in_count(in, PAGE_ENTRIES);
    unsigned u = in_u8(in);
    if (in->bad || n == 0 || u > 2) return ERR_CORRUPT;
    struct index_entry *e = mem_alloc(n * sizeof *e);
    int64_t *cells = mem_alloc((size_t)PAGE_ENTRIES * FIGURES * sizeof *cells);
    int rc = e && cells ? 0 : ERR_NOMEM;
    if (!rc && !get_page(in, e, n, units[u], cells, c)) rc = ERR_CORRUPT;
    mem_free(cells);
    if (rc) {
        mem_free(e);
        return rc;
    }
    *ret = e;
    *ret_n = n;
    return 0;
}

/* ---- the first version ---- */
int seg_page_decode_rows(struct in *in, struct codec *c, struct index_entry **ret, size_t *ret_n)
{
    struct index_entry *e = NULL;
    uint8_t *raw = NULL;
    size_t n = 0, cap = 0, len = 0;
    int rc = unzip(in, FRAME_MAX, c->d, &raw, &len);
    if (rc) return rc;
    struct in rows = in_make(raw, len);
    while (!rc && in_left(&rows)) {
        if (!mem_grow((void **)&e, &cap, n + 1, sizeof *e))
            rc = ERR_NOMEM;
        else if (!index_entry_decode(&rows, &e[n++]))
            rc = ERR_CORRUPT;
    }
    mem_free(raw);
    if (rc) {
        mem_free(e);
        return rc;
    }
    *ret = e;
    *ret_n = n;
    return 0;
}
