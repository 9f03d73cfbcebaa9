/* codec_bits.c - see codec_bits.h.
 *
 * Unpacking with AVX2, widths 1..16: eight values take `width` bytes, begin at a whole byte and lie in 16 bytes. A
 * shuffle brings the bytes of each into a lane of 32 bits, a shift by a table of shifts and a mask do the rest.
 * Integers become doubles by adding them to 1.5 x 2^52 as bits, which is right within 2^51; columns with more go the
 * plain way. */
#include "tsdb/codec_bits.h"
#include <stddef.h>

#define NARROW 16

static uint64_t load_tail(const uint8_t *p, const uint8_t *end)
{
    uint64_t v = 0;
    if (end - p >= 8) return load_u64(p);
    for (int i = 0; i < 8 && p + i < end; i++) v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static uint64_t mask_of(unsigned width)
{
    return width == 64 ? ~UINT64_C(0) : (UINT64_C(1) << width) - 1;
}

static uint64_t to_bits(double d)
{
    uint64_t u;
    memcpy(&u, &d, 8);
    return u;
}

void bits_unpack_plain(const uint8_t *p, const uint8_t *end, uint64_t *v, size_t n, unsigned width, uint64_t least)
{
    uint64_t mask = mask_of(width), bit = 0;
    size_t i = 0, room = (size_t)(end - p) >= 9 ? (size_t)(end - p) - 9 : 0;
    if (width == 0) {
        for (; i < n; i++) v[i] = least;
        return;
    }
    for (; width <= 57 && i < n && (bit >> 3) < room; i++, bit += width)
        v[i] = (load_u64(p + (bit >> 3)) >> (bit & 7) & mask) + least;
    for (; i < n; i++, bit += width) {
        const uint8_t *q = p + (bit >> 3);
        unsigned shift = bit & 7;
        uint64_t x = load_tail(q, end) >> shift;
        if (shift + width > 64) x |= (uint64_t)q[8] << (64 - shift);
        v[i] = (x & mask) + least;
    }
}

void bits_sum_plain(uint64_t *v, size_t n, uint64_t before)
{
    for (size_t i = 0; i < n; i++) v[i] = before += v[i];
}

void bits_divide_plain(uint64_t *v, size_t n, double by)
{
    for (size_t i = 0; i < n; i++) v[i] = to_bits((double)(int64_t)v[i] / by);
}

void bits_multiply_plain(uint64_t *v, size_t n, double by)
{
    for (size_t i = 0; i < n; i++) v[i] = to_bits((double)(int64_t)v[i] * by);
}

void bits_samples_plain(struct sample *out, size_t n, const struct sample *like, const int64_t *t, const uint64_t *v)
{
    struct sample s = *like;
    for (size_t i = 0; i < n; i++) {
        s.time_us = t[i];
        s.v.u = v[i];
        out[i] = s;
    }
}

static struct bits_range widen(struct bits_range r, int64_t x)
{
    return (struct bits_range){x < r.min ? x : r.min, x > r.max ? x : r.max};
}

static uint64_t delta(const int64_t *v)
{
    return (uint64_t)v[0] - (uint64_t)v[-1];
}

struct bits_range bits_range_plain(const int64_t *v, size_t n, unsigned order)
{
    struct bits_range r = {INT64_MAX, INT64_MIN};
    if (order == 0)
        for (size_t i = 0; i < n; i++) r = widen(r, v[i]);
    if (order == 1)
        for (size_t i = 0; i < n; i++) r = widen(r, (int64_t)delta(v + i));
    if (order == 2)
        for (size_t i = 0; i < n; i++) r = widen(r, (int64_t)(delta(v + i) - delta(v + i - 1)));
    return r;
}

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2")))

static uint8_t shuffles[NARROW + 1][32];
static uint32_t shifts[NARROW + 1][8];
static bool has_avx2;

__attribute__((constructor(101))) static void bits_start(void)
{
    for (unsigned w = 1; w <= NARROW; w++)
        for (unsigned j = 0; j < 8; j++) {
            shifts[w][j] = j * w & 7;
            for (unsigned b = 0; b < 4; b++) {
                unsigned byte = (j * w >> 3) + b;
                shuffles[w][j * 4 + b] = (uint8_t)(byte < 16 ? byte : 0x80);
            }
        }
    __builtin_cpu_init();
    has_avx2 = __builtin_cpu_supports("avx2");
}

struct narrow {
    __m256i shuffle, shift, mask, add;
};

AVX2 static inline void unpack_eight(const struct narrow *x, const uint8_t *p, uint64_t *v)
{
    __m256i w = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
    w = _mm256_and_si256(_mm256_srlv_epi32(_mm256_shuffle_epi8(w, x->shuffle), x->shift), x->mask);
    __m256i lo = _mm256_cvtepu32_epi64(_mm256_castsi256_si128(w));
    __m256i hi = _mm256_cvtepu32_epi64(_mm256_extracti128_si256(w, 1));
    _mm256_storeu_si256((__m256i *)v, _mm256_add_epi64(lo, x->add));
    _mm256_storeu_si256((__m256i *)(v + 4), _mm256_add_epi64(hi, x->add));
}

AVX2 static size_t unpack_narrow(const uint8_t *p, const uint8_t *end, uint64_t *v, size_t n, unsigned width,
                                 uint64_t least)
{
    const struct narrow x = {_mm256_loadu_si256((const __m256i *)shuffles[width]),
                             _mm256_loadu_si256((const __m256i *)shifts[width]), _mm256_set1_epi32((1 << width) - 1),
                             _mm256_set1_epi64x((long long)least)};
    size_t i = 0;
    for (; i + 8 <= n && end - p >= 16; i += 8, p += width) unpack_eight(&x, p, v + i);
    if (i == n || n - i > 8 || end - p < 16) return i;
    uint64_t last[8];
    unpack_eight(&x, p, last);
    memcpy(v + i, last, (n - i) * sizeof *v);
    return n;
}

void bits_unpack(const uint8_t *p, const uint8_t *end, uint64_t *v, size_t n, unsigned width, uint64_t least)
{
    size_t done = has_avx2 && width && width <= NARROW ? unpack_narrow(p, end, v, n, width, least) : 0;
    if (done < n) bits_unpack_plain(p + done / 8 * width, end, v + done, n - done, width, least);
}

/* Sums within a register first, so that from one to the next there is only one addition to wait for. */
AVX2 static size_t sum_up(uint64_t *v, size_t n, uint64_t before)
{
    __m256i sum = _mm256_set1_epi64x((long long)before);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        __m256i x = _mm256_loadu_si256((const __m256i *)(v + i));
        x = _mm256_add_epi64(x, _mm256_slli_si256(x, 8));
        x = _mm256_add_epi64(x, _mm256_blend_epi32(_mm256_permute4x64_epi64(x, 0x50), _mm256_setzero_si256(), 0x0f));
        _mm256_storeu_si256((__m256i *)(v + i), _mm256_add_epi64(x, sum));
        sum = _mm256_add_epi64(sum, _mm256_permute4x64_epi64(x, 0xff));
    }
    return i;
}

void bits_sum(uint64_t *v, size_t n, uint64_t before)
{
    size_t done = has_avx2 ? sum_up(v, n, before) : 0;
    bits_sum_plain(v + done, n - done, done ? v[done - 1] : before);
}

/* How many from the front can be turned by the trick: all, or none. */
AVX2 static bool all_small(const uint64_t *v, size_t n)
{
    const __m256i half = _mm256_set1_epi64x(1LL << 51);
    __m256i high = _mm256_setzero_si256();
    for (size_t i = 0; i + 4 <= n; i += 4)
        high = _mm256_or_si256(high, _mm256_add_epi64(_mm256_loadu_si256((const __m256i *)(v + i)), half));
    high = _mm256_srli_epi64(high, 52);
    return _mm256_testz_si256(high, high);
}

AVX2 static inline __m256d doubles_at(const uint64_t *v)
{
    const __m256d magic = _mm256_set1_pd(0x1.8p52);
    __m256i x = _mm256_loadu_si256((const __m256i *)v);
    return _mm256_sub_pd(_mm256_castsi256_pd(_mm256_add_epi64(x, _mm256_castpd_si256(magic))), magic);
}

AVX2 static size_t divide(uint64_t *v, size_t n, double by)
{
    const __m256d d = _mm256_set1_pd(by);
    size_t i = 0;
    if (!all_small(v, n)) return 0;
    for (; by == 1 && i + 4 <= n; i += 4) _mm256_storeu_pd((double *)(v + i), doubles_at(v + i));
    for (; i + 4 <= n; i += 4) _mm256_storeu_pd((double *)(v + i), _mm256_div_pd(doubles_at(v + i), d));
    return i;
}

AVX2 static size_t multiply(uint64_t *v, size_t n, double by)
{
    const __m256d d = _mm256_set1_pd(by);
    size_t i = 0;
    if (!all_small(v, n)) return 0;
    for (; i + 4 <= n; i += 4) _mm256_storeu_pd((double *)(v + i), _mm256_mul_pd(doubles_at(v + i), d));
    return i;
}

void bits_divide(uint64_t *v, size_t n, double by)
{
    size_t done = has_avx2 ? divide(v, n, by) : 0;
    bits_divide_plain(v + done, n - done, by);
}

void bits_multiply(uint64_t *v, size_t n, double by)
{
    size_t done = has_avx2 ? multiply(v, n, by) : 0;
    bits_multiply_plain(v + done, n - done, by);
}

static inline AVX2 __m256d come_back(__m256d r, enum bits_way way, __m256d ten, __m256d inverse)
{
    if (way == BITS_MULTIPLY) return _mm256_mul_pd(r, inverse);
    __m256d d = _mm256_div_pd(r, ten);
    return way == BITS_DIVIDE ? d : _mm256_cvtps_pd(_mm256_cvtpd_ps(d));
}

static inline AVX2 __attribute__((always_inline)) size_t decimals(const uint64_t *v, size_t n, enum bits_way way,
                                                                  double by, double inverse, int64_t *ints)
{
    const __m256d ten = _mm256_set1_pd(by), back = _mm256_set1_pd(inverse), magic = _mm256_set1_pd(0x1.8p52);
    const __m256d most = _mm256_set1_pd(0x1p51), sign = _mm256_set1_pd(-0.0);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        __m256d d = _mm256_loadu_pd((const double *)(v + i)), x = _mm256_mul_pd(d, ten), t = _mm256_add_pd(x, magic);
        __m256d small = _mm256_cmp_pd(_mm256_andnot_pd(sign, x), most, _CMP_LT_OQ);
        __m256d again = come_back(_mm256_sub_pd(t, magic), way, ten, back);
        __m256i same = _mm256_cmpeq_epi64(_mm256_castpd_si256(again), _mm256_castpd_si256(d));
        if (_mm256_movemask_pd(_mm256_and_pd(small, _mm256_castsi256_pd(same))) != 15) break;
        __m256i whole = _mm256_sub_epi64(_mm256_castpd_si256(t), _mm256_castpd_si256(magic));
        _mm256_storeu_si256((__m256i *)(ints + i), whole);
    }
    return i;
}

AVX2 static size_t decimals_of(const uint64_t *v, size_t n, enum bits_way way, double ten, double inverse,
                               int64_t *ints)
{
    if (way == BITS_DIVIDE) return decimals(v, n, BITS_DIVIDE, ten, inverse, ints);
    if (way == BITS_MULTIPLY) return decimals(v, n, BITS_MULTIPLY, ten, inverse, ints);
    return decimals(v, n, BITS_FLOAT, ten, inverse, ints);
}

size_t bits_decimals(const uint64_t *v, size_t n, enum bits_way way, double ten, double inverse, int64_t *ints)
{
    return has_avx2 ? decimals_of(v, n, way, ten, inverse, ints) : 0;
}

static inline AVX2 __m256i residuals_at(const int64_t *v, unsigned order)
{
    __m256i a = _mm256_loadu_si256((const __m256i *)v);
    if (order == 0) return a;
    __m256i b = _mm256_loadu_si256((const __m256i *)(v - 1)), d = _mm256_sub_epi64(a, b);
    if (order == 1) return d;
    return _mm256_sub_epi64(d, _mm256_sub_epi64(b, _mm256_loadu_si256((const __m256i *)(v - 2))));
}

static inline AVX2 __attribute__((always_inline)) struct bits_range wide_range(const int64_t *v, size_t n,
                                                                               unsigned order)
{
    __m256i lo = _mm256_set1_epi64x(INT64_MAX), hi = _mm256_set1_epi64x(INT64_MIN);
    int64_t l[4], h[4];
    for (size_t i = 0; i < n; i += 4) {
        __m256i x = residuals_at(v + i, order);
        lo = _mm256_blendv_epi8(lo, x, _mm256_cmpgt_epi64(lo, x));
        hi = _mm256_blendv_epi8(hi, x, _mm256_cmpgt_epi64(x, hi));
    }
    _mm256_storeu_si256((__m256i *)l, lo);
    _mm256_storeu_si256((__m256i *)h, hi);
    struct bits_range r = {l[0], h[0]};
    for (int i = 1; i < 4; i++) r = widen(widen(r, l[i]), h[i]);
    return r;
}

AVX2 static struct bits_range range_of(const int64_t *v, size_t n, unsigned order)
{
    return order == 0 ? wide_range(v, n, 0) : order == 1 ? wide_range(v, n, 1) : wide_range(v, n, 2);
}

struct bits_range bits_range(const int64_t *v, size_t n, unsigned order)
{
    size_t wide = has_avx2 ? n / 4 * 4 : 0;
    if (!wide) return bits_range_plain(v, n, order);
    struct bits_range r = range_of(v, wide, order), rest = bits_range_plain(v + wide, n - wide, order);
    return wide == n ? r : widen(widen(r, rest.min), rest.max);
}

/* Four samples are twelve words: t0 m v0 t1 | m v1 t2 m | v2 t3 m v3. */
AVX2 static size_t samples(struct sample *out, size_t n, uint64_t middle, const int64_t *t, const uint64_t *v)
{
    const __m256i m = _mm256_set1_epi64x((long long)middle);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        __m256i times = _mm256_loadu_si256((const __m256i *)(t + i));
        __m256i values = _mm256_loadu_si256((const __m256i *)(v + i));
        __m256i a =
            _mm256_blend_epi32(_mm256_permute4x64_epi64(times, 0x40), _mm256_permute4x64_epi64(values, 0), 0x30);
        __m256i b = _mm256_blend_epi32(_mm256_permute4x64_epi64(times, 0x20), values, 0x0c);
        __m256i c =
            _mm256_blend_epi32(_mm256_permute4x64_epi64(values, 0xc2), _mm256_permute4x64_epi64(times, 0x0c), 0x0c);
        __m256i *o = (__m256i *)(void *)&out[i];
        _mm256_storeu_si256(o, _mm256_blend_epi32(a, m, 0x0c));
        _mm256_storeu_si256(o + 1, _mm256_blend_epi32(b, m, 0xc3));
        _mm256_storeu_si256(o + 2, _mm256_blend_epi32(c, m, 0x30));
    }
    return i;
}

void bits_samples(struct sample *out, size_t n, const struct sample *like, const int64_t *t, const uint64_t *v)
{
    uint64_t middle;
    memcpy(&middle, (const char *)like + offsetof(struct sample, point), 8);
    size_t done = has_avx2 ? samples(out, n, middle, t, v) : 0;
    bits_samples_plain(out + done, n - done, like, t + done, v + done);
}
#else
void bits_sum(uint64_t *v, size_t n, uint64_t before)
{
    bits_sum_plain(v, n, before);
}
size_t bits_decimals(const uint64_t *v, size_t n, enum bits_way way, double ten, double inverse, int64_t *ints)
{
    return 0;
}
struct bits_range bits_range(const int64_t *v, size_t n, unsigned order)
{
    return bits_range_plain(v, n, order);
}
void bits_unpack(const uint8_t *p, const uint8_t *end, uint64_t *v, size_t n, unsigned width, uint64_t least)
{
    bits_unpack_plain(p, end, v, n, width, least);
}
void bits_divide(uint64_t *v, size_t n, double by)
{
    bits_divide_plain(v, n, by);
}
void bits_multiply(uint64_t *v, size_t n, double by)
{
    bits_multiply_plain(v, n, by);
}
void bits_samples(struct sample *out, size_t n, const struct sample *like, const int64_t *t, const uint64_t *v)
{
    bits_samples_plain(out, n, like, t, v);
}
#endif
