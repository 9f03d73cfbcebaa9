/* stats_wide.c - see stats_wide.h. With AVX2: four samples are twelve words, t0 m0 v0 t1 | m1 v1 t2 m2 | v2 t3 m3 v3,
 * which two blends and a permutation each turn into four times, metas and values. Differences of time become doubles
 * by the bits of 2^52, which is right below it. */
#include "tsdb/stats_wide.h"
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2")))
#define AVX2_INLINE static inline __attribute__((target("avx2"), always_inline))

static bool has_avx2;

__attribute__((constructor(101))) static void stats_start(void)
{
    __builtin_cpu_init();
    has_avx2 = __builtin_cpu_supports("avx2");
}

struct four {
    __m256i t, m, v;
};

AVX2_INLINE struct four load_four(const struct sample *s)
{
    const __m256i *p = (const __m256i *)(const void *)s;
    __m256i a = _mm256_loadu_si256(p), b = _mm256_loadu_si256(p + 1), c = _mm256_loadu_si256(p + 2);
    __m256i t = _mm256_blend_epi32(_mm256_blend_epi32(a, b, 0x30), c, 0x0c);
    __m256i m = _mm256_blend_epi32(_mm256_blend_epi32(b, a, 0x0c), c, 0x30);
    __m256i v = _mm256_blend_epi32(_mm256_blend_epi32(c, b, 0x0c), a, 0x30);
    return (struct four){_mm256_permute4x64_epi64(t, 0x6c), m, _mm256_permute4x64_epi64(v, 0xc6)};
}

/* The last of `before`, then the first three of x. */
AVX2_INLINE __m256i shifted(__m256i before, __m256i x)
{
    return _mm256_alignr_epi8(x, _mm256_permute2x128_si256(before, x, 0x21), 8);
}

struct wide {
    __m256d sum, step, line, squares, rest, min, max;
    __m256i least, greatest, other;
};

AVX2_INLINE void take_four(struct wide *w, struct four x, struct four before, __m256d first, __m256i index)
{
    const __m256i exponent = _mm256_set1_epi64x(0x7ff0000000000000LL);
    const __m256d magic = _mm256_set1_pd(0x1p52);
    __m256i gap = _mm256_sub_epi64(x.t, shifted(before.t, x.t));
    __m256d v = _mm256_castsi256_pd(x.v), p = _mm256_castsi256_pd(shifted(before.v, x.v));
    __m256d dt = _mm256_sub_pd(_mm256_castsi256_pd(_mm256_or_si256(gap, _mm256_castpd_si256(magic))), magic);
    __m256d d = _mm256_sub_pd(v, first);
    w->other = _mm256_or_si256(w->other, _mm256_srli_epi64(gap, 52));
    w->other = _mm256_or_si256(w->other, _mm256_cmpeq_epi64(_mm256_and_si256(x.v, exponent), exponent));
    w->other = _mm256_or_si256(w->other, _mm256_xor_si256(x.m, before.m));
    w->sum = _mm256_add_pd(w->sum, v);
    w->step = _mm256_add_pd(w->step, _mm256_mul_pd(p, dt));
    w->line = _mm256_add_pd(w->line, _mm256_mul_pd(_mm256_add_pd(p, v), dt));
    w->rest = _mm256_add_pd(w->rest, d);
    w->squares = _mm256_add_pd(w->squares, _mm256_mul_pd(d, d));
    __m256d less = _mm256_cmp_pd(v, w->min, _CMP_LT_OQ), more = _mm256_cmp_pd(v, w->max, _CMP_GT_OQ);
    w->min = _mm256_blendv_pd(w->min, v, less);
    w->max = _mm256_blendv_pd(w->max, v, more);
    w->least = _mm256_blendv_epi8(w->least, index, _mm256_castpd_si256(less));
    w->greatest = _mm256_blendv_epi8(w->greatest, index, _mm256_castpd_si256(more));
}

AVX2_INLINE double total(__m256d x)
{
    double v[4];
    _mm256_storeu_pd(v, x);
    return (v[0] + v[1]) + (v[2] + v[3]);
}

/* Where the first of those stands that equal `best`. */
AVX2_INLINE size_t first_of(__m256d x, double best, __m256i index)
{
    int64_t i[4];
    __m256d same = _mm256_cmp_pd(x, _mm256_set1_pd(best), _CMP_NEQ_UQ);
    _mm256_storeu_si256((__m256i *)i, _mm256_or_si256(index, _mm256_srli_epi64(_mm256_castpd_si256(same), 1)));
    int64_t a = i[0] < i[1] ? i[0] : i[1], b = i[2] < i[3] ? i[2] : i[3];
    return (size_t)(a < b ? a : b);
}

AVX2_INLINE double least_of(__m256d x)
{
    __m256d two = _mm256_min_pd(x, _mm256_permute2f128_pd(x, x, 1));
    return _mm256_cvtsd_f64(_mm256_min_pd(two, _mm256_permute_pd(two, 5)));
}

AVX2_INLINE double greatest_of(__m256d x)
{
    __m256d two = _mm256_max_pd(x, _mm256_permute2f128_pd(x, x, 1));
    return _mm256_cvtsd_f64(_mm256_max_pd(two, _mm256_permute_pd(two, 5)));
}

AVX2 static size_t walk(struct figures *f, const struct sample *s, size_t n)
{
    const __m256i zero = _mm256_setzero_si256(), four = _mm256_set1_epi64x(4);
    const __m256d none = _mm256_setzero_pd(), first = _mm256_set1_pd(s->v.d);
    struct wide w = {none, none, none, none, none, first, first, zero, zero, zero};
    struct four before = {_mm256_set1_epi64x(s->time_us), zero, _mm256_castpd_si256(first)};
    __m256i index = _mm256_setr_epi64x(0, 1, 2, 3);
    uint64_t meta;
    size_t i = 0;
    memcpy(&meta, &s->point, sizeof meta);
    before.m = _mm256_set1_epi64x((long long)meta);
    for (; i + 4 <= n; i += 4, index = _mm256_add_epi64(index, four)) {
        struct four x = load_four(s + i);
        take_four(&w, x, before, first, index);
        before = (struct four){x.t, before.m, x.v};
    }
    if (!_mm256_testz_si256(w.other, w.other)) return 0;
    f->sum = total(w.sum);
    f->step = total(w.step);
    f->line = total(w.line);
    f->squares = total(w.squares);
    f->rest = total(w.rest);
    f->min = least_of(w.min);
    f->max = greatest_of(w.max);
    f->least = first_of(w.min, f->min, w.least);
    f->greatest = first_of(w.max, f->max, w.greatest);
    return i;
}

size_t stats_wide(struct figures *f, const struct sample *s, size_t n)
{
    return has_avx2 && n >= 8 && s->type == SAMPLE_DOUBLE ? walk(f, s, n) : 0;
}
#else
size_t stats_wide(struct figures *f, const struct sample *s, size_t n)
{
    return 0;
}
#endif
