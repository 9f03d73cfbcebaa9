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
 * n itself is not stored. Sums and differences wrap modulo 2^64. n = 0 is one byte (2 PLAIN). */
#include "tsdb/codec_int.h"
#include <zstd.h>

enum { FORM_CONST, FORM_RUNS, FORM_PLAIN, FORM_DELTA, FORM_DELTA2, FORM_ENTROPY };
#define GROUP 128
#define DEEP_MIN 192 /* values below which an entropy coder cannot win */

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

struct range {
    int64_t min, max;
};

static struct range group_range(const int64_t *v, size_t from, size_t n, unsigned order)
{
    struct range r = {INT64_MAX, INT64_MIN};
    for (size_t i = from; i < from + n; i++) {
        int64_t x = residual(v, i, order);
        if (x < r.min) r.min = x;
        if (x > r.max) r.max = x;
    }
    return r;
}

static size_t packed_size(const int64_t *v, size_t n, unsigned order)
{
    size_t bytes = 0;
    for (size_t i = order; i < n; i += GROUP) {
        size_t k = n - i < GROUP ? n - i : GROUP;
        struct range r = group_range(v, i, k, order);
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
        struct range r = group_range(v, i, k, order);
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

size_t intcol_encode(const int64_t *v, size_t n, uint8_t *out, struct codec *c)
{
    if (n == 0) {
        *out = FORM_PLAIN;
        return 1;
    }
    size_t runs = count_runs(v, n);
    if (runs == 1) {
        *out = FORM_CONST;
        return (size_t)(put_zigzag(out + 1, v[0]) - out);
    }
    unsigned best = 0;
    size_t size[3] = {packed_size(v, n, 0), 0, 0};
    for (unsigned order = 1; order <= 2 && n > order; order++) {
        size[order] = packed_size(v, n, order) + bits_of(zigzag(v[0])) / 7 + 1;
        if (size[order] < size[best]) best = order;
    }
    size_t least = size[best] + 1;
    bool by_runs = runs < n / 2 && runs_size(v, n) < least;
    if (by_runs) least = runs_size(v, n);
    if (c && n >= DEEP_MIN && n <= c->max) {
        size_t got = try_entropy(v, n, out, least - least / 32, c);
        if (got) return got;
    }
    return (size_t)((by_runs ? put_runs(out, v, n, runs) : put_packed(out, v, n, best)) - out);
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

static uint64_t load_tail(const uint8_t *p, const uint8_t *end)
{
    uint64_t v = 0;
    size_t n = (size_t)(end - p);
    memcpy(&v, p, n < 8 ? n : 8);
    return le64(v);
}

static void unpack(const uint8_t *p, const uint8_t *end, int64_t *v, size_t n, int64_t least, unsigned width)
{
    uint64_t mask = width == 64 ? ~UINT64_C(0) : (UINT64_C(1) << width) - 1, bit = 0;
    for (size_t i = 0; i < n; i++, bit += width) {
        const uint8_t *q = p + (bit >> 3);
        unsigned shift = bit & 7;
        uint64_t x = (end - q >= 8 ? load_u64(q) : load_tail(q, end)) >> shift;
        if (shift + width > 64) x |= (uint64_t)q[8] << (64 - shift);
        v[i] = (int64_t)((x & mask) + (uint64_t)least);
    }
}

static void get_residuals(struct in *in, int64_t *v, size_t n)
{
    for (size_t i = 0; i < n && !in->bad; i += GROUP) {
        size_t k = n - i < GROUP ? n - i : GROUP;
        unsigned width = in_u8(in);
        int64_t least = in_zigzag(in);
        if (width > 64) in->bad = true;
        const uint8_t *p = in_take(in, (k * width + 7) / 8);
        if (p) unpack(p, in->p, v + i, k, least, width);
    }
}

static void get_packed(struct in *in, int64_t *v, size_t n, unsigned order)
{
    if (n < order || (order == 2 && n < 3)) {
        in->bad = true;
        return;
    }
    if (order > 0) v[0] = in_zigzag(in);
    uint64_t delta = order > 1 ? (uint64_t)in_zigzag(in) : 0;
    if (order > 1) v[1] = (int64_t)((uint64_t)v[0] + delta);
    get_residuals(in, v + order, n - order);
    if (in->bad || order == 0) return;
    uint64_t last = (uint64_t)v[order - 1];
    for (size_t i = order; i < n; i++) {
        delta = order == 1 ? (uint64_t)v[i] : delta + (uint64_t)v[i];
        last += delta;
        v[i] = (int64_t)last;
    }
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

void intcol_decode(struct in *in, int64_t *v, size_t n, struct codec *c)
{
    unsigned form = in_u8(in);
    if (in->bad) return;
    if (form == FORM_CONST) {
        int64_t x = in_zigzag(in);
        for (size_t i = 0; i < n; i++) v[i] = x;
    } else if (form == FORM_RUNS) {
        get_runs(in, v, n);
    } else if (form <= FORM_DELTA2) {
        get_packed(in, v, n, form - FORM_PLAIN);
    } else if (form == FORM_ENTROPY) {
        get_entropy(in, v, n, c);
    } else {
        in->bad = true;
    }
}
