/* codec_value.c - values by the form that fits where they come from. Pure.
 *
 * Measured values are decimals: a transmitter gives 23.4, stored as the nearest double. Such a column is
 * the integers 234 ... and a scale; three ways of getting the double back are known, the first that
 * gives every bit again is taken (the idea of ALP, Afroozeh et al. 2023):
 *   1 DIV   (double)i / 10^k             decimal text, most software
 *   2 MUL   (double)i * 10^-k            raw count times a factor such as 0.1
 *   3 F32   (double)(float)(i / 10^k)    32-bit registers
 *
 *   u8 form, then
 *   0 INT   integer column (codec_int.c) of the 8 bytes
 *   1..3    u8 k (0..15), varint number of exceptions (<= n/8 + 1), each: varint (position - position
 *           before, or position at first), u64 LE value; then the integer column of i, where an
 *           exception repeats the integer before it
 *   4 XOR   first value u64 LE, then bits, least significant first, for each further value:
 *           0: same as before; 1, 6 bits trailing zeros t, 6 bits length - 1, length bits: the XOR with
 *           the value before, shifted right by t; padded to a whole byte
 *   5 PLANES varint length, one zstd frame: byte 0 of all values, then byte 1 ... byte 7
 *   6 DICT  varint number of distinct values d (1..n), integer column of these, rising (as integers), integer
 *           column of which one each value is (0..d-1)
 *   8 + mode (1..3) + 4 with exceptions + 16 * k
 *           decimals as in 1..3, shorter: with exceptions varint how many (1..n/8 + 1), integer column of their
 *           positions, integer column of their values; then the integer column of i
 * 1..3 and 4 are no longer written.
 *
 * Which form: what is no double, INT. Decimals when at most an eighth are exceptions and they take less than four
 * bytes a value. Else, with a codec, the least of DICT (when at most a quarter is distinct), INT, PLANES and the
 * decimals; without one INT. */
#include "tsdb/codec_value.h"
#include <math.h>
#include <stdlib.h>
#include "tsdb/codec_bits.h"

enum { VAL_INT, VAL_DIV, VAL_MUL, VAL_F32, VAL_XOR, VAL_PLANES, VAL_DICT, VAL_SHORT = 8, VAL_EXCEPTIONS = 4 };
#define SCALE_MAX DEC_DIGITS
#define F32_DIGITS 6
#define EXACT_MAX 2251799813685248.0 /* 2^51: the rounding below works under it */
#define ROUND_MAGIC 6755399441055744.0

static const double pow10_of[SCALE_MAX + 1] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                               1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
static const double inv10_of[SCALE_MAX + 1] = {1e-0, 1e-1, 1e-2,  1e-3,  1e-4,  1e-5,  1e-6,  1e-7,
                                               1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14, 1e-15};

static double to_double(uint64_t u)
{
    double d;
    memcpy(&d, &u, 8);
    return d;
}

static uint64_t from_double(double d)
{
    uint64_t u;
    memcpy(&u, &d, 8);
    return u;
}

uint64_t dec_value(int64_t i, unsigned mode, unsigned k)
{
    double x = (double)i;
    if (mode == VAL_DIV) return from_double(x / pow10_of[k]);
    if (mode == VAL_MUL) return from_double(x * inv10_of[k]);
    return from_double((double)(float)(x / pow10_of[k]));
}

/* The integer that gives v back, if there is one. */
bool dec_int(uint64_t v, unsigned mode, unsigned k, int64_t *ret)
{
    double x = to_double(v) * pow10_of[k];
    if (!(fabs(x) < EXACT_MAX)) return false;
    *ret = (int64_t)((x + ROUND_MAGIC) - ROUND_MAGIC); /* rounds to the nearest integer */
    return dec_value(*ret, mode, k) == v;
}

/* Least scale with which v comes back; SCALE_MAX + 1 when none. */
static unsigned least_scale(uint64_t v, unsigned mode, unsigned max)
{
    int64_t i;
    for (unsigned k = 0; k <= max; k++)
        if (dec_int(v, mode, k, &i)) return k;
    return SCALE_MAX + 1;
}

double dec_power(unsigned k)
{
    return pow10_of[k];
}

static bool fits(const uint64_t *v, size_t n, unsigned mode, unsigned k)
{
    int64_t x;
    for (size_t i = 0; i < n; i++)
        if (!dec_int(v[i], mode, k, &x)) return false;
    return true;
}

bool dec_fit(const uint64_t *v, size_t n, unsigned *ret_mode, unsigned *ret_k)
{
    for (unsigned mode = VAL_DIV; mode <= VAL_F32; mode++) {
        unsigned max = mode == VAL_F32 ? F32_DIGITS : SCALE_MAX, k = 0;
        for (size_t i = 0; i < n && k <= max; i++) {
            int64_t x;
            while (k <= max && !dec_int(v[i], mode, k, &x)) k++;
        }
        if (k > max || !fits(v, n, mode, k)) continue;
        *ret_mode = mode;
        *ret_k = k;
        return true;
    }
    return false;
}

#define SOME_EXCEPTIONS 64 /* at most, without a codec */
#define PROBES 32

/* Scale that suits a mode on a few values spread over the column: the least one that leaves at most one
 * value in eight out. Returns the values left out, PROBES + 1 when hopeless. */
static size_t probe(const uint64_t *v, size_t n, unsigned mode, unsigned *ret_k)
{
    size_t hist[SCALE_MAX + 2] = {0}, step = n / PROBES + 1, count = 0;
    unsigned max = mode == VAL_F32 ? F32_DIGITS : SCALE_MAX;
    for (size_t i = 0; i < n; i += step, count++) hist[least_scale(v[i], mode, max)]++;
    size_t covered = 0;
    for (unsigned k = 0; k <= max; k++) {
        covered += hist[k];
        if (count - covered > count / 8) continue;
        while (k < max && hist[k + 1] > 0 && covered < count && k < 4) covered += hist[++k];
        *ret_k = k;
        return count - covered;
    }
    return PROBES + 1;
}

/* Integers of the whole column, an exception repeating the one before it. Returns how many exceptions
 * there are (the writer finds them again by comparing), or SIZE_MAX when more than `limit`. */
static size_t dec_ints(const uint64_t *v, size_t n, unsigned mode, unsigned k, size_t limit, int64_t *ints)
{
    size_t exceptions = 0;
    int64_t last = 0;
    for (size_t i = 0; i < n;) {
        size_t whole = bits_decimals(v + i, n - i, (enum bits_way)(mode - VAL_DIV), pow10_of[k], inv10_of[k], ints + i);
        i += whole;
        if (whole) last = ints[i - 1];
        for (size_t end = n - i < 4 ? n : i + 4; i < end; i++) {
            int64_t x;
            if (dec_int(v[i], mode, k, &x))
                last = x;
            else if (dec_value(last, mode, k) != v[i] && ++exceptions > limit)
                return SIZE_MAX;
            ints[i] = last;
        }
    }
    return exceptions;
}

/* Positions and values of the exceptions. */
static uint8_t *put_exceptions(uint8_t *o, const uint64_t *v, unsigned mode, unsigned k, size_t exceptions,
                               const int64_t *ints, struct codec *c)
{
    int64_t place[SOME_EXCEPTIONS], value[SOME_EXCEPTIONS];
    int64_t *places = c ? c->places : place, *values = c ? c->places + c->max / 2 : value;
    size_t found = 0;
    for (size_t i = 0; found < exceptions; i++) {
        if (dec_value(ints[i], mode, k) == v[i]) continue;
        places[found] = (int64_t)i;
        values[found++] = (int64_t)v[i];
    }
    o = put_varint(o, exceptions);
    o += intcol_encode(places, exceptions, o, c);
    return o + intcol_encode(values, exceptions, o, c);
}

static size_t put_decimal(const uint64_t *v, size_t n, unsigned mode, unsigned k, size_t exceptions,
                          const int64_t *ints, uint8_t *out, struct codec *c)
{
    uint8_t *o = out;
    *o++ = (uint8_t)(VAL_SHORT | mode | (exceptions ? VAL_EXCEPTIONS : 0) | k << 4);
    if (exceptions) o = put_exceptions(o, v, mode, k, exceptions, ints, c);
    return (size_t)(o - out) + intcol_encode(ints, n, o, c);
}

static size_t try_planes(const uint64_t *v, size_t n, uint8_t *out, size_t limit, struct codec *c)
{
    if (n < 64 || limit < 64) return 0;
    for (size_t i = 0; i < n; i++)
        for (unsigned b = 0; b < 8; b++) c->tmp[b * n + i] = (uint8_t)(v[i] >> (8 * b));
    size_t got = ZSTD_compressCCtx(c->c, out + 4, limit - 4, c->tmp, n * 8, 3);
    if (ZSTD_isError(got) || got >= 1u << 21) return 0;
    out[0] = VAL_PLANES;
    out[1] = (uint8_t)(got | 0x80), out[2] = (uint8_t)(got >> 7 | 0x80), out[3] = (uint8_t)(got >> 14);
    return got + 4;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The distinct values, at most `most` of them, sorted; 0 when there are more. Scratch: c->tmp. */
static size_t distinct(const uint64_t *v, size_t n, size_t most, int64_t *ret, struct codec *c)
{
    uint64_t *table = (uint64_t *)(void *)c->tmp; /* open addressing, half full at most; 0 is free */
    size_t slots = 64, found = 0;
    bool zero = false;
    while (slots < most * 2) slots *= 2;
    memset(table, 0, slots * sizeof *table);
    for (size_t i = 0; i < n; i++) {
        size_t at = (v[i] * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & (slots - 1);
        while (table[at] && table[at] != v[i]) at = (at + 1) & (slots - 1);
        if (table[at] || (!v[i] && zero)) continue;
        if (found == most) return 0;
        zero |= !v[i];
        table[at] = v[i];
        ret[found++] = (int64_t)v[i];
    }
    qsort(ret, found, sizeof *ret, by_value);
    return found;
}

static size_t index_of(const int64_t *sorted, size_t n, int64_t v)
{
    size_t lo = 0, hi = n - 1;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (sorted[mid] < v)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static size_t try_dict(const uint64_t *v, size_t n, int64_t *ints, uint8_t *out, struct codec *c)
{
    size_t most = n / 4;
    if (n < 16 || c->max < 64) return 0;
    size_t d = distinct(v, n, most, c->places, c);
    if (d == 0) return 0;
    for (size_t i = 0; i < n; i++) ints[i] = (int64_t)index_of(c->places, d, (int64_t)v[i]);
    uint8_t *o = out;
    *o++ = VAL_DICT;
    o = put_varint(o, d);
    o += intcol_encode(c->places, d, o, c);
    return (size_t)(o - out) + intcol_encode(ints, n, o, c);
}

static size_t try_mode(const uint64_t *v, size_t n, struct val_hint h, int64_t *ints, uint8_t *out, struct codec *c)
{
    size_t most = c || n / 8 < SOME_EXCEPTIONS ? n / 8 : SOME_EXCEPTIONS;
    size_t exceptions = dec_ints(v, n, h.mode, h.scale, most, ints);
    return exceptions == SIZE_MAX ? 0 : put_decimal(v, n, h.mode, h.scale, exceptions, ints, out, c);
}

static size_t encode_decimal(const uint64_t *v, size_t n, struct val_hint *hint, int64_t *ints, uint8_t *out,
                             struct codec *c)
{
    if (hint->mode && !c) { /* quick: what fitted last time without a single exception fits again */
        size_t exceptions = dec_ints(v, n, hint->mode, hint->scale, 0, ints);
        if (exceptions == 0) return put_decimal(v, n, hint->mode, hint->scale, 0, ints, out, c);
    }
    size_t least = PROBES;
    struct val_hint best = {0, 0};
    for (unsigned mode = VAL_DIV; mode <= VAL_F32 && least > 0; mode++) {
        unsigned k = 0;
        size_t out_of = probe(v, n, mode, &k);
        if (out_of < least) least = out_of, best = (struct val_hint){(uint8_t)mode, (uint8_t)k};
    }
    if (!best.mode) return 0;
    size_t got = try_mode(v, n, best, ints, out, c);
    if (got) *hint = best;
    return got;
}

static size_t encode_bits(const uint64_t *v, size_t n, int64_t *ints, uint8_t *out, struct codec *c)
{
    for (size_t i = 0; i < n; i++) ints[i] = (int64_t)v[i];
    out[0] = VAL_INT;
    return 1 + intcol_encode(ints, n, out + 1, c);
}

/* What is no decimal, or a poor one of `got` bytes (0: none): the least of the other forms. */
static size_t encode_odd(const uint64_t *v, size_t n, struct val_hint *hint, int64_t *ints, uint8_t *out, size_t got,
                         struct codec *c)
{
    size_t least = got ? got : SIZE_MAX, dict = try_dict(v, n, ints, out, c);
    if (dict && dict < least) least = dict;
    size_t bits = encode_bits(v, n, ints, out, c);
    if (bits < least) least = bits;
    size_t planes = try_planes(v, n, out, least < n * 8 ? least : n * 8, c);
    if (planes) return planes;
    if (least == bits) return encode_bits(v, n, ints, out, c);
    return least == dict ? try_dict(v, n, ints, out, c) : try_mode(v, n, *hint, ints, out, c);
}

static size_t encode_doubles(const uint64_t *v, size_t n, struct val_hint *hint, int64_t *ints, uint8_t *out,
                             struct codec *c)
{
    size_t got = encode_decimal(v, n, hint, ints, out, c);
    if (got && got < n * 4) return got;
    if (c && n <= c->max) return encode_odd(v, n, hint, ints, out, got, c);
    if (got && got <= n * 8) return got; /* the last thing written */
    return encode_bits(v, n, ints, out, c);
}

size_t valcol_encode(const uint64_t *v, size_t n, bool doubles, struct val_hint *hint, int64_t *ints, uint8_t *out,
                     struct codec *c)
{
    bool same = true;
    for (size_t i = 1; i < n && same; i++) same = v[i] == v[0];
    return doubles && !same ? encode_doubles(v, n, hint, ints, out, c) : encode_bits(v, n, ints, out, c);
}

/* ---- decoding ---- */
static void scale_back(uint64_t *v, size_t n, unsigned mode, unsigned k)
{
    if (mode == VAL_DIV)
        bits_divide(v, n, pow10_of[k]);
    else if (mode == VAL_MUL)
        bits_multiply(v, n, inv10_of[k]);
    else
        for (size_t i = 0; i < n; i++) v[i] = dec_value((int64_t)v[i], VAL_F32, k);
}

static bool sorted_out(const int64_t *places, size_t n, size_t end)
{
    for (size_t i = 0; i < n; i++)
        if (places[i] < (i ? places[i - 1] + 1 : 0) || (uint64_t)places[i] >= end) return false;
    return true;
}

static void get_short(struct in *in, uint64_t *v, size_t n, unsigned form, struct codec *c)
{
    int64_t place[SOME_EXCEPTIONS], value[SOME_EXCEPTIONS];
    size_t exceptions = form & VAL_EXCEPTIONS ? in_count(in, n / 8 + 1) : 0, room = c ? c->max / 2 : SOME_EXCEPTIONS;
    int64_t *places = c ? c->places : place, *values = c ? c->places + c->max / 2 : value;
    if (exceptions > room || (form & 3) == 0) in->bad = true;
    if (exceptions && !in->bad) intcol_decode(in, places, exceptions, c);
    if (exceptions && !in->bad) intcol_decode(in, values, exceptions, c);
    if (!in->bad && !sorted_out(places, exceptions, n)) in->bad = true;
    if (!in->bad) intcol_decode(in, (int64_t *)v, n, c);
    if (in->bad) return;
    scale_back(v, n, form & 3, form >> 4);
    for (size_t i = 0; i < exceptions; i++) v[places[i]] = (uint64_t)values[i];
}

static void get_dict(struct in *in, uint64_t *v, size_t n, struct codec *c)
{
    size_t d = in_count(in, n);
    if (!c || d == 0 || d > c->max) in->bad = true;
    if (!in->bad) intcol_decode(in, c->places, d, c);
    if (!in->bad) intcol_decode(in, (int64_t *)v, n, c);
    for (size_t i = 0; i < n && !in->bad; i++) {
        if (v[i] >= d)
            in->bad = true;
        else
            v[i] = (uint64_t)c->places[v[i]];
    }
}

static void get_decimal(struct in *in, uint64_t *v, size_t n, unsigned mode, struct codec *c)
{
    unsigned k = in_u8(in);
    size_t exceptions = in_count(in, n / 8 + 1);
    struct in list = *in;
    for (size_t i = 0; i < exceptions; i++) (void)in_varint(in), (void)in_u64(in);
    if (k > SCALE_MAX || in->bad) {
        in->bad = true;
        return;
    }
    intcol_decode(in, (int64_t *)v, n, c);
    if (in->bad) return;
    scale_back(v, n, mode, k);
    uint64_t at = 0;
    for (size_t i = 0; i < exceptions; i++) {
        at += in_varint(&list);
        uint64_t x = in_u64(&list);
        if (at >= n) in->bad = true;
        if (in->bad) return;
        v[at] = x;
    }
}

static uint64_t bit_get(const uint8_t *p, const uint8_t *end, uint64_t *bit, unsigned n) /* n <= 32 */
{
    uint64_t x = 0;
    const uint8_t *q = p + (*bit >> 3);
    size_t have = q < end ? (size_t)(end - q) : 0;
    if (have >= 8)
        x = load_u64(q);
    else
        for (size_t i = 0; i < have; i++) x |= (uint64_t)q[i] << (8 * i);
    x >>= *bit & 7;
    *bit += n;
    return x & ((UINT64_C(1) << n) - 1);
}

static void get_xor(struct in *in, uint64_t *v, size_t n)
{
    uint64_t first = in_u64(in), bit = 0;
    if (in->bad || n == 0) return;
    v[0] = first;
    for (size_t i = 1; i < n; i++) {
        uint64_t x = 0;
        if (bit_get(in->p, in->end, &bit, 1)) {
            unsigned head = (unsigned)bit_get(in->p, in->end, &bit, 12), t = head & 63, len = (head >> 6) + 1;
            x = bit_get(in->p, in->end, &bit, len < 32 ? len : 32);
            if (len > 32) x |= bit_get(in->p, in->end, &bit, len - 32) << 32;
            x <<= t;
        }
        v[i] = v[i - 1] ^ x;
        if (bit > in_left(in) * 8) {
            in->bad = true;
            return;
        }
    }
    (void)in_take(in, (size_t)((bit + 7) / 8));
}

static void get_planes(struct in *in, uint64_t *v, size_t n, struct codec *c)
{
    size_t len = in_count(in, in_left(in));
    const uint8_t *p = in_take(in, len);
    if (!p || !c || n > c->max || ZSTD_decompressDCtx(c->d, c->tmp, n * 8, p, len) != n * 8) {
        in->bad = true;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        v[i] = 0;
        for (unsigned b = 0; b < 8; b++) v[i] |= (uint64_t)c->tmp[b * n + i] << (8 * b);
    }
}

void valcol_decode(struct in *in, uint64_t *v, size_t n, struct codec *c)
{
    unsigned form = in_u8(in);
    if (in->bad) return;
    if (form == VAL_INT)
        intcol_decode(in, (int64_t *)v, n, c);
    else if (form <= VAL_F32)
        get_decimal(in, v, n, form, c);
    else if (form == VAL_XOR)
        get_xor(in, v, n);
    else if (form == VAL_PLANES)
        get_planes(in, v, n, c);
    else if (form == VAL_DICT)
        get_dict(in, v, n, c);
    else if (form & VAL_SHORT)
        get_short(in, v, n, form, c);
    else
        in->bad = true;
}
