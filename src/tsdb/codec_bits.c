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

AVX2 static size_t unpack_narrow(const uint8_t *p, const uint8_t *end, uint64_t *v, size_t n, unsigned width,
                                 uint64_t least)
{
    const __m256i shuffle = _mm256_loadu_si256((const __m256i *)shuffles[width]);
    const __m256i shift = _mm256_loadu_si256((const __m256i *)shifts[width]);
    const __m256i mask = _mm256_set1_epi32((1 << width) - 1), add = _mm256_set1_epi64x((long long)least);
    size_t i = 0;
    for (; i + 8 <= n && end - p >= 16; i += 8, p += width) {
        __m256i x = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
        x = _mm256_and_si256(_mm256_srlv_epi32(_mm256_shuffle_epi8(x, shuffle), shift), mask);
        __m256i lo = _mm256_cvtepu32_epi64(_mm256_castsi256_si128(x));
        __m256i hi = _mm256_cvtepu32_epi64(_mm256_extracti128_si256(x, 1));
        _mm256_storeu_si256((__m256i *)(v + i), _mm256_add_epi64(lo, add));
        _mm256_storeu_si256((__m256i *)(v + i + 4), _mm256_add_epi64(hi, add));
    }
    return i;
}

void bits_unpack(const uint8_t *p, const uint8_t *end, uint64_t *v, size_t n, unsigned width, uint64_t least)
{
    size_t done = has_avx2 && width && width <= NARROW ? unpack_narrow(p, end, v, n, width, least) : 0;
    bits_unpack_plain(p + done / 8 * width, end, v + done, n - done, width, least);
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
