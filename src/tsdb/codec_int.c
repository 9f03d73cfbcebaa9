/* codec_int.c - integers by the cheapest of a few simple forms. Pure.
 *
 *   u8 form, then
 *   0 CONST   zigzag value
 *   1 RUNS    varint number of runs (>= 1), then each: zigzag (value - value of the run before, 0 at
 *             first), varint length (>= 1); the lengths add up to n
 *   2 PLAIN   residual = value
 *   3 DELTA   zigzag first value; residual = value - value before
 *   4 DELTA2  zigzag first value, zigzag first delta; residual = delta - delta before
 *     The residuals (n, n-1, n-2 of them) follow in groups of 128 (the last one shorter):
 *     u8 width 0..64, zigzag least residual, then (residual - least) packed with `width` bits each,
 *     least significant bit first, filled up to a whole byte.
 *   5 ENTROPY varint length, then one zstd frame of that length with the zigzag varints of
 *             value - value before (0 at first)
 *   6 ANS, 7 ANS DELTA, 8 ANS DELTA2
 *             what stands before the residuals as in 2, 3, 4; zigzag centre; then zigzag (residual - centre) of
 *             n, n-1, n-2 residuals as amounts (codec_ans.c)
 *   9 SCALED  zigzag first value, varint unit (>= 2), then a column of (value - first value) / unit
 * n itself is not stored. Sums and differences wrap modulo 2^64. n = 0 is one byte (2 PLAIN).
 *
 * Which form: the least of CONST, RUNS and the packed ones by their exact size; with a codec (what is written once and
 * read often) SCALED when all differences have a common divisor, ANS when it takes less, and zstd when the beginning
 * of the column repeats itself and it saves a twentieth. */
#include "tsdb/codec_int.h"
#include <stdlib.h>
#include <zstd.h>
#include "tsdb/codec_ans.h"
#include "tsdb/codec_bits.h"

enum {
    FORM_CONST,
    FORM_RUNS,
    FORM_PLAIN,
    FORM_DELTA,
    FORM_DELTA2,
    FORM_ENTROPY,
    FORM_ANS,
    FORM_ANS_DELTA,
    FORM_ANS_DELTA2,
    FORM_SCALED
};
#define GROUP 128
#define ANS_MIN 24 /* values below which an entropy coder cannot win */
#define ZSTD_MIN 192
#define REPEAT_LOOK 256 /* values that are looked at for repetitions */

static unsigned bits_of(uint64_t v)
{
    return v ? 64 - (unsigned)__builtin_clzll(v) : 0;
}
static uint64_t minus(int64_t a, int64_t b)
{
    return (uint64_t)a - (uint64_t)b;
}

static int64_t residual(const int64_t *v, size_t i, unsigned order)
{
    if (order == 0) return v[i];
    uint64_t d = minus(v[i], v[i - 1]);
    return (int64_t)(order == 1 ? d : d - minus(v[i - 1], v[i - 2]));
}

static size_t packed_size(const int64_t *v, size_t n, unsigned order)
{
    size_t bytes = 0;
    for (size_t i = order; i < n; i += GROUP) {
        size_t k = n - i < GROUP ? n - i : GROUP;
        struct bits_range r = bits_range(v + i, k, order);
        bytes += 2 + bits_of(zigzag(r.min)) / 7 + (k * bits_of(minus(r.max, r.min)) + 7) / 8;
    }
    return bytes;
}

static uint8_t *pack(uint8_t *o, const int64_t *v, size_t from, size_t n, unsigned order, int64_t least, unsigned width)
{
    uint64_t acc = 0;
    unsigned have = 0;
    for (size_t i = from; width && i < from + n; i++) {
        uint64_t x = minus(residual(v, i, order), least);
        acc |= x << have;
        if (have + width >= 64) {
            o = put_u64(o, acc);
            acc = have ? x >> (64 - have) : 0;
            have = have + width - 64;
            if (have == 0) acc = 0;
        } else {
            have += width;
        }
    }
    for (; have > 0; have = have > 8 ? have - 8 : 0) *o++ = (uint8_t)acc, acc >>= 8;
    return o;
}

static uint8_t *put_packed(uint8_t *o, const int64_t *v, size_t n, unsigned order)
{
    *o++ = (uint8_t)(FORM_PLAIN + order);
    if (order > 0) o = put_zigzag(o, v[0]);
    if (order > 1) o = put_zigzag(o, (int64_t)minus(v[1], v[0]));
    for (size_t i = order; i < n; i += GROUP) {
        size_t k = n - i < GROUP ? n - i : GROUP;
        struct bits_range r = bits_range(v + i, k, order);
        unsigned width = bits_of(minus(r.max, r.min));
        *o++ = (uint8_t)width;
        o = put_zigzag(o, r.min);
        o = pack(o, v, i, k, order, r.min, width);
    }
    return o;
}

static size_t count_runs(const int64_t *v, size_t n)
{
    size_t runs = 1;
    for (size_t i = 1; i < n; i++) runs += v[i] != v[i - 1];
    return runs;
}

static uint8_t *put_runs(uint8_t *o, const int64_t *v, size_t n, size_t runs)
{
    *o++ = FORM_RUNS;
    o = put_varint(o, runs);
    int64_t before = 0;
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && v[j] == v[i];) j++;
        o = put_zigzag(o, (int64_t)minus(v[i], before));
        o = put_varint(o, j - i);
        before = v[i];
    }
    return o;
}

static size_t runs_size(const int64_t *v, size_t n)
{
    size_t bytes = 3;
    int64_t before = 0;
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && v[j] == v[i];) j++;
        bytes += 2 + bits_of(zigzag((int64_t)minus(v[i], before))) / 7 + bits_of(j - i) / 7;
        before = v[i];
    }
    return bytes;
}

/* The entropy form, or 0 when it does not come out below `limit` bytes. */
static size_t try_entropy(const int64_t *v, size_t n, uint8_t *out, size_t limit, struct codec *c)
{
    uint8_t *t = c->tmp;
    int64_t before = 0;
    for (size_t i = 0; i < n; before = v[i++]) t = put_zigzag(t, (int64_t)minus(v[i], before));
    size_t head = 4, raw = (size_t)(t - c->tmp);
    if (limit < head + 16) return 0;
    size_t got = ZSTD_compressCCtx(c->c, out + head, limit - head, c->tmp, raw, 3);
    if (ZSTD_isError(got)) return 0;
    uint8_t *o = out;
    *o++ = FORM_ENTROPY;
    *o++ = (uint8_t)(got | 0x80), *o++ = (uint8_t)(got >> 7 | 0x80), *o++ = (uint8_t)(got >> 14); /* 3-byte varint */
    return got < 1u << 21 ? head + got : 0;
}

/* ---- what a codec tries in addition ---- */
static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The residual in the middle: the median of some, then the mean of those near it. */
static int64_t centre_of(const int64_t *v, size_t n, unsigned order)
{
    int64_t some[31];
    size_t step = (n - order + 30) / 31, k = 0, near = 0;
    for (size_t i = order; i < n; i += step) some[k++] = residual(v, i, order);
    qsort(some, k, sizeof *some, by_value);
    int64_t middle = some[k / 2], sum = 0;
    uint64_t reach = minus(some[k - 1 - k / 4], some[k / 4]);
    if (reach >= (uint64_t)1 << 40) return middle;
    reach = reach * 2 + 1;
    for (size_t i = order; i < n; i++) {
        uint64_t d = minus(residual(v, i, order), middle);
        if (d + reach > 2 * reach) continue;
        sum += (int64_t)d;
        near++;
    }
    if (near == 0) return middle;
    int64_t half = (int64_t)(near / 2);
    return (int64_t)((uint64_t)middle + (uint64_t)((sum + (sum < 0 ? -half : half)) / (int64_t)near));
}

static size_t try_ans(const int64_t *v, size_t n, unsigned order, uint8_t *out, size_t limit, struct codec *c)
{
    uint64_t *u = (uint64_t *)(void *)c->tmp;
    struct ans_plan plan;
    size_t m = n - order;
    int64_t centre = centre_of(v, n, order);
    for (size_t i = 0; i < m; i++) u[i] = zigzag((int64_t)minus(residual(v, i + order, order), centre));
    uint8_t *o = out;
    *o++ = (uint8_t)(FORM_ANS + order);
    if (order > 0) o = put_zigzag(o, v[0]);
    if (order > 1) o = put_zigzag(o, (int64_t)minus(v[1], v[0]));
    o = put_zigzag(o, centre);
    if ((size_t)(o - out) + ans_choose(u, m, &plan) >= limit) return 0;
    size_t got = (size_t)(ans_encode(o, u, m, &plan, (uint16_t *)(void *)(u + m)) - out);
    return got < limit ? got : 0;
}

/* Does the beginning hold the same six differences again and again? */
static bool repeats(const int64_t *v, size_t n)
{
    uint32_t seen[REPEAT_LOOK] = {0};
    size_t hits = 0, end = n < REPEAT_LOOK ? n : REPEAT_LOOK;
    uint64_t h = 0;
    for (size_t i = 1; i < end; i++) {
        h = h << 10 ^ (minus(v[i], v[i - 1]) * UINT64_C(0x9e3779b97f4a7c15)) >> 40; /* six make 60 bits */
        uint32_t tag = (uint32_t)(h * UINT64_C(0xff51afd7ed558ccd) >> 32) | 1;
        uint32_t *at = &seen[tag >> 8 & (REPEAT_LOOK - 1)];
        hits += *at == tag;
        *at = tag;
    }
    return hits > end / 3;
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t t = a % b;
        a = b;
        b = t;
    }
    return a;
}

/* Greatest number that divides all differences; 1 also where they do not fit. */
static uint64_t common_unit(const int64_t *v, size_t n)
{
    uint64_t g = 0;
    for (size_t i = 1; i < n && g != 1; i++) {
        int64_t d;
        if (__builtin_sub_overflow(v[i], v[0], &d) || d == INT64_MIN) return 1;
        uint64_t x = d < 0 ? (uint64_t)-d : (uint64_t)d;
        if (g == 0 || x % g) g = gcd(x, g);
    }
    return g ? g : 1;
}

static size_t encode_plain_unit(const int64_t *v, size_t n, uint8_t *out, struct codec *c);

static size_t try_scaled(const int64_t *v, size_t n, uint8_t *out, struct codec *c)
{
    uint64_t unit = common_unit(v, n);
    if (unit < 2 || n > c->max) return 0;
    for (size_t i = 0; i < n; i++) c->scaled[i] = (v[i] - v[0]) / (int64_t)unit;
    uint8_t *o = out;
    *o++ = FORM_SCALED;
    o = put_zigzag(o, v[0]);
    o = put_varint(o, unit);
    return (size_t)(o - out) + encode_plain_unit(c->scaled, n, o, c);
}

struct quick { /* the best without a codec */
    unsigned order;
    bool by_runs;
    size_t runs, bytes;
};

static struct quick look(const int64_t *v, size_t n)
{
    size_t size[3] = {packed_size(v, n, 0), 0, 0};
    struct quick q = {.runs = count_runs(v, n)};
    for (unsigned order = 1; order <= 2 && n > order; order++) {
        size[order] = packed_size(v, n, order) + bits_of(zigzag(v[0])) / 7 + 1;
        if (size[order] < size[q.order]) q.order = order;
    }
    q.bytes = size[q.order] + 1;
    q.by_runs = q.runs < n / 2 && runs_size(v, n) < q.bytes;
    if (q.by_runs) q.bytes = runs_size(v, n);
    return q;
}

static size_t encode_plain_unit(const int64_t *v, size_t n, uint8_t *out, struct codec *c)
{
    struct quick q = look(v, n);
    size_t got = 0;
    if (c && n >= ZSTD_MIN && n <= c->max && repeats(v, n)) got = try_entropy(v, n, out, q.bytes - q.bytes / 20, c);
    if (!got && c && n >= ANS_MIN && n <= c->max) got = try_ans(v, n, q.order, out, q.bytes, c);
    if (got) return got;
    return (size_t)((q.by_runs ? put_runs(out, v, n, q.runs) : put_packed(out, v, n, q.order)) - out);
}

size_t intcol_encode(const int64_t *v, size_t n, uint8_t *out, struct codec *c)
{
    if (n == 0) {
        *out = FORM_PLAIN;
        return 1;
    }
    bool same = true;
    for (size_t i = 1; i < n && same; i++) same = v[i] == v[0];
    if (same) {
        *out = FORM_CONST;
        return (size_t)(put_zigzag(out + 1, v[0]) - out);
    }
    size_t got = c && n >= ANS_MIN ? try_scaled(v, n, out, c) : 0;
    return got && got <= look(v, n).bytes ? got : encode_plain_unit(v, n, out, c);
}

/* ---- decoding ---- */
static void get_runs(struct in *in, int64_t *v, size_t n)
{
    size_t runs = in_count(in, n), at = 0;
    uint64_t value = 0;
    for (size_t r = 0; r < runs && !in->bad; r++) {
        value += (uint64_t)in_zigzag(in);
        size_t len = in_count(in, n - at);
        if (len == 0) in->bad = true;
        for (size_t k = 0; k < len; k++) v[at++] = (int64_t)value;
    }
    if (at != n) in->bad = true;
}

static void get_residuals(struct in *in, int64_t *v, size_t n)
{
    for (size_t i = 0; i < n && !in->bad; i += GROUP) {
        size_t k = n - i < GROUP ? n - i : GROUP;
        unsigned width = in_u8(in);
        int64_t least = in_zigzag(in);
        if (width > 64) in->bad = true;
        const uint8_t *p = in_take(in, (k * width + 7) / 8);
        if (p) bits_unpack(p, in->end, (uint64_t *)v + i, k, width, (uint64_t)least);
    }
}

/* Residuals behind the first `order` values become values. */
static void sum_up(int64_t *v, size_t n, unsigned order, uint64_t delta)
{
    uint64_t last = order ? (uint64_t)v[order - 1] : 0, *rest = (uint64_t *)v + order;
    if (order == 2) bits_sum(rest, n - order, delta);
    if (order) bits_sum(rest, n - order, last);
}

/* The same of amounts (zigzag) about a centre. */
static void sum_amounts(int64_t *v, size_t n, unsigned order, uint64_t delta, uint64_t centre)
{
    uint64_t last = order ? (uint64_t)v[order - 1] : 0;
    if (order == 0)
        for (size_t i = 0; i < n; i++) v[i] = (int64_t)((uint64_t)unzigzag((uint64_t)v[i]) + centre);
    if (order == 1)
        for (size_t i = 1; i < n; i++) v[i] = (int64_t)(last += (uint64_t)unzigzag((uint64_t)v[i]) + centre);
    if (order == 2)
        for (size_t i = 2; i < n; i++) v[i] = (int64_t)(last += delta += (uint64_t)unzigzag((uint64_t)v[i]) + centre);
}

/* The values in front of the residuals, and the first delta. */
static uint64_t get_firsts(struct in *in, int64_t *v, size_t n, unsigned order)
{
    if (n < order || (order == 2 && n < 3)) in->bad = true;
    if (in->bad || order == 0) return 0;
    v[0] = in_zigzag(in);
    if (order == 1) return 0;
    uint64_t delta = (uint64_t)in_zigzag(in);
    v[1] = (int64_t)((uint64_t)v[0] + delta);
    return delta;
}

static void get_packed(struct in *in, int64_t *v, size_t n, unsigned order)
{
    uint64_t delta = get_firsts(in, v, n, order);
    if (in->bad) return;
    get_residuals(in, v + order, n - order);
    if (!in->bad) sum_up(v, n, order, delta);
}

static void get_ans(struct in *in, int64_t *v, size_t n, unsigned order)
{
    uint64_t delta = get_firsts(in, v, n, order), centre = (uint64_t)in_zigzag(in);
    if (in->bad) return;
    ans_decode(in, (uint64_t *)v + order, n - order);
    if (!in->bad) sum_amounts(v, n, order, delta, centre);
}

static void get_entropy(struct in *in, int64_t *v, size_t n, struct codec *c)
{
    size_t len = in_count(in, in_left(in));
    const uint8_t *p = in_take(in, len);
    if (!p || !c || n > c->max) {
        in->bad = true;
        return;
    }
    size_t got = ZSTD_decompressDCtx(c->d, c->tmp, intcol_bound(n), p, len);
    struct in w = in_make(c->tmp, ZSTD_isError(got) ? 0 : got);
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) v[i] = (int64_t)(value += (uint64_t)in_zigzag(&w));
    if (w.bad || in_left(&w)) in->bad = true;
}

static void get_form(struct in *in, unsigned form, int64_t *v, size_t n, struct codec *c)
{
    if (form == FORM_CONST) {
        int64_t x = in_zigzag(in);
        for (size_t i = 0; i < n; i++) v[i] = x;
    } else if (form == FORM_RUNS) {
        get_runs(in, v, n);
    } else if (form <= FORM_DELTA2) {
        get_packed(in, v, n, form - FORM_PLAIN);
    } else if (form == FORM_ENTROPY) {
        get_entropy(in, v, n, c);
    } else if (form <= FORM_ANS_DELTA2) {
        get_ans(in, v, n, form - FORM_ANS);
    } else {
        in->bad = true;
    }
}

void intcol_decode(struct in *in, int64_t *v, size_t n, struct codec *c)
{
    unsigned form = in_u8(in);
    if (in->bad) return;
    if (form != FORM_SCALED) {
        get_form(in, form, v, n, c);
        return;
    }
    uint64_t first = (uint64_t)in_zigzag(in), unit = in_varint(in);
    form = in_u8(in);
    if (!in->bad) get_form(in, form, v, n, c);
    for (size_t i = 0; i < n && !in->bad; i++) v[i] = (int64_t)(first + (uint64_t)v[i] * unit);
}
