/* waveform.c - see waveform.h. Pure; the spectrum takes memory of its own for as long as it computes.
 *
 * Which form is exact is tried, not reasoned: a scale is good when raw * scale gives back the very bits of every value.
 * Candidates are 1, decimal and binary fractions, the least value and the least step between neighbours (the counts of
 * a converter times its resolution). Values that are not finite are left out of figures and outlines; in a spectrum
 * they stand at the mean. */
#include "model/waveform.h"
#include <math.h>
#include "base/mem.h"

#define HEAD 40
#define UNIT_MAX 64
#define K_MAX 20

static const uint8_t widths[] = {[WAVEFORM_I16] = 2, [WAVEFORM_I32] = 4, [WAVEFORM_F32] = 4, [WAVEFORM_F64] = 8};

/* ---- packing ---- */
static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* Whether raw * scale gives every value with integers of at most `most`. */
static bool fits(const double *v, uint32_t n, double scale, double most)
{
    if (!(scale > 0) || !isfinite(scale)) return false;
    for (uint32_t i = 0; i < n; i++) {
        double raw = rint(v[i] / scale);
        if (!(fabs(raw) <= most) || !same_bits((double)(int32_t)raw * scale + 0.0, v[i])) return false;
    }
    return true;
}

/* Of neighbours; or the least value, when `value`: that is not rounded, where a step is. */
static double least(const double *v, uint32_t n, bool value)
{
    double step = INFINITY;
    for (uint32_t i = 0; i < n; i++) {
        double d = fabs(value || i == 0 ? v[i] : v[i] - v[i - 1]);
        if (d > 0 && d < step) step = d;
    }
    return step;
}

static bool integers(const double *v, uint32_t n, double most, double *ret_scale)
{
    static const double fixed[] = {1, 0.1, 0.01, 0.001, 1e-4, 1e-5, 1e-6, 0.5, 0.25, 0.125, 0.0625};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (fits(v, n, *ret_scale = fixed[i], most)) return true;
    return fits(v, n, *ret_scale = least(v, n, true), most) || fits(v, n, *ret_scale = least(v, n, false), most);
}

static bool floats(const double *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!(fabs(v[i]) <= 3.4028234663852886e38) || !same_bits((double)(float)v[i], v[i])) return false;
    return true;
}

static enum waveform_form choose(const double *v, uint32_t n, double *ret_scale)
{
    if (integers(v, n, INT16_MAX, ret_scale)) return WAVEFORM_I16;
    if (integers(v, n, INT32_MAX, ret_scale)) return WAVEFORM_I32;
    *ret_scale = 1;
    return floats(v, n) ? WAVEFORM_F32 : WAVEFORM_F64;
}

static void put_double(struct buf *b, double d)
{
    uint64_t u;
    memcpy(&u, &d, 8);
    buf_u64le(b, u);
}

static void put_value(struct buf *b, enum waveform_form form, double scale, double v)
{
    float f = (float)v;
    uint32_t u;
    if (form == WAVEFORM_F64) {
        put_double(b, v);
    } else if (form == WAVEFORM_F32) {
        memcpy(&u, &f, 4);
        buf_u32le(b, u);
    } else {
        int32_t raw = (int32_t)rint(v / scale);
        form == WAVEFORM_I16 ? buf_u16le(b, (uint16_t)raw) : buf_u32le(b, (uint32_t)raw);
    }
}

static int check_shape(double count, double dt_s, struct str unit, struct error *e)
{
    if (!(count >= 1 && count <= WAVEFORM_MAX))
        return error_set(e, ERR_INVALID, "v", "a waveform has 1 to %d values; there are %.0f",
                         "波形应有 1 至 %d 个值，现有 %.0f 个", WAVEFORM_MAX, count);
    if (!(dt_s > 0) || !isfinite(dt_s))
        return error_set(e, ERR_INVALID, "dt_s", "the interval of a waveform is %g s; it must be above 0",
                         "波形间隔为 %g 秒，应大于 0", dt_s);
    if (unit.n > UNIT_MAX)
        return error_set(e, ERR_INVALID, "unit", "the unit has %zu bytes; at most %d are possible",
                         "单位有 %zu 字节，最多 %d 字节", unit.n, UNIT_MAX);
    return 0;
}

int waveform_pack(const double *v, uint32_t n, double dt_s, struct str unit, struct buf *out, struct error *e)
{
    double scale;
    int rc = check_shape(n, dt_s, unit, e);
    if (rc) return rc;
    enum waveform_form form = choose(v, n, &scale);
    buf_add(out, "BNWF", 4);
    buf_u8(out, 1);
    buf_u8(out, (uint8_t)form);
    buf_u16le(out, 0);
    put_double(out, dt_s);
    put_double(out, scale);
    put_double(out, 0);
    buf_u32le(out, n);
    buf_u32le(out, (uint32_t)unit.n);
    buf_str(out, unit);
    for (uint32_t i = 0; i < n && !out->err; i++) put_value(out, form, scale, v[i]);
    return out->err ? error_set(e, out->err, "v", "the waveform does not fit into memory", "内存不足，无法保存波形")
                    : 0;
}

/* ---- reading ---- */
static double get_double(struct rd *r)
{
    uint64_t u = rd_u64le(r);
    double d;
    memcpy(&d, &u, 8);
    return d;
}

int waveform_open(struct str bytes, struct waveform *ret, struct error *e)
{
    struct rd r = rd_make(bytes.p, bytes.n);
    struct waveform w = {0};
    const uint8_t *magic = rd_bytes(&r, 4);
    uint8_t version = rd_u8(&r), form = rd_u8(&r);
    (void)rd_u16le(&r);
    w.dt_s = get_double(&r);
    w.scale = get_double(&r);
    w.offset = get_double(&r);
    w.count = rd_u32le(&r);
    uint32_t unit = rd_u32le(&r);
    if (r.err || memcmp(magic, "BNWF", 4) != 0 || version != 1 || form > WAVEFORM_F64)
        return error_set(e, ERR_INVALID, "", "these bytes are no waveform of version 1", "这些字节不是版本 1 的波形");
    w.form = (enum waveform_form)form;
    int rc = check_shape(w.count, w.dt_s, str_make(NULL, unit), e);
    if (rc) return rc;
    if (!isfinite(w.scale) || !isfinite(w.offset))
        return error_set(e, ERR_INVALID, "scale", "scale and offset of a waveform must be finite",
                         "波形的系数和偏移应为有限数");
    if (rd_left(&r) != unit + (uint64_t)w.count * widths[form])
        return error_set(e, ERR_INVALID, "v", "the waveform says %u values, its bytes do not hold that",
                         "波形标称 %u 个值，与其字节数不符", w.count);
    w.unit = str_make((const char *)rd_bytes(&r, unit), unit);
    w.raw = r.p;
    *ret = w;
    return 0;
}

double waveform_value(const struct waveform *w, uint32_t i)
{
    struct rd r = rd_make(w->raw + (size_t)i * widths[w->form], widths[w->form]);
    double raw;
    float f;
    uint32_t u;
    switch (w->form) {
    case WAVEFORM_I16: raw = (int16_t)rd_u16le(&r); break;
    case WAVEFORM_I32: raw = (int32_t)rd_u32le(&r); break;
    case WAVEFORM_F32:
        u = rd_u32le(&r);
        memcpy(&f, &u, 4);
        raw = f;
        break;
    default: raw = get_double(&r);
    }
    /* -0 stays what it is where nothing is to be scaled */
    return w->scale == 1 && w->offset == 0 ? raw : raw * w->scale + w->offset;
}

static double mean_of(const struct waveform *w, uint32_t n, uint32_t *ret_finite)
{
    double sum = 0, base = 0;
    *ret_finite = 0;
    for (uint32_t i = 0; i < n; i++) {
        double v = waveform_value(w, i);
        if (!isfinite(v)) continue;
        if (!(*ret_finite)++) base = v;
        sum += v - base;
    }
    return *ret_finite ? base + sum / *ret_finite : NAN;
}

void waveform_figures(const struct waveform *w, struct waveform_figures *ret)
{
    struct waveform_figures f = {.min = NAN, .max = NAN, .rms = NAN, .peak = NAN, .crest = NAN};
    uint32_t n;
    double squares = 0;
    f.mean = mean_of(w, w->count, &n);
    for (uint32_t i = 0; i < w->count; i++) {
        double v = waveform_value(w, i), d = v - f.mean;
        if (!isfinite(v)) continue;
        f.min = fmin(f.min, v);
        f.max = fmax(f.max, v);
        f.peak = fmax(f.peak, fabs(d));
        squares += d * d;
    }
    if (n) f.rms = sqrt(squares / n);
    if (f.rms > 0) f.crest = f.peak / f.rms;
    *ret = f;
}

/* ---- outline ---- */
struct extremes {
    uint32_t n, lo, hi;
    double vlo, vhi;
};

static struct extremes extremes_of(const struct waveform *w, uint32_t from, uint32_t to)
{
    struct extremes x = {0};
    for (uint32_t i = from; i < to; i++) {
        double v = waveform_value(w, i);
        if (!isfinite(v)) continue;
        if (!x.n || v < x.vlo) x.lo = i, x.vlo = v;
        if (!x.n || v > x.vhi) x.hi = i, x.vhi = v;
        x.n++;
    }
    return x;
}

uint32_t waveform_outline(const struct waveform *w, uint32_t from, uint32_t to, uint32_t buckets, uint32_t *ret_i,
                          double *ret_v)
{
    uint32_t n = 0;
    if (to > w->count) to = w->count;
    if (from >= to || buckets == 0) return 0;
    uint64_t span = to - from;
    if (buckets > span) buckets = (uint32_t)span;
    for (uint64_t b = 0; b < buckets; b++) {
        struct extremes x =
            extremes_of(w, from + (uint32_t)(span * b / buckets), from + (uint32_t)(span * (b + 1) / buckets));
        bool rising = x.lo < x.hi;
        if (x.n) ret_i[n] = rising ? x.lo : x.hi, ret_v[n++] = rising ? x.vlo : x.vhi;
        if (x.n && x.lo != x.hi) ret_i[n] = rising ? x.hi : x.lo, ret_v[n++] = rising ? x.vhi : x.vlo;
    }
    return n;
}

/* ---- spectrum ---- */
struct complex {
    double re, im;
};

static void bit_reverse(struct complex *x, uint32_t n)
{
    for (uint32_t i = 1, j = 0; i < n; i++) {
        uint32_t bit = n >> 1;
        for (; j & bit; bit >>= 1) j ^= bit;
        j ^= bit;
        if (i < j) {
            struct complex t = x[i];
            x[i] = x[j];
            x[j] = t;
        }
    }
}

/* Radix 2, decimation in time (Cooley, Tukey 1965); roots[k] = exp(-2 pi i k / n), k < n / 2. */
static void fft(struct complex *x, uint32_t n, const struct complex *roots)
{
    bit_reverse(x, n);
    for (uint32_t half = 1; half < n; half *= 2)
        for (uint32_t i = 0; i < n; i += 2 * half)
            for (uint32_t k = 0; k < half; k++) {
                struct complex w = roots[k * (n / (2 * half))], *a = &x[i + k], *b = a + half;
                double re = b->re * w.re - b->im * w.im, im = b->re * w.im + b->im * w.re;
                *b = (struct complex){a->re - re, a->im - im};
                *a = (struct complex){a->re + re, a->im + im};
            }
}

static void window(const struct waveform *w, struct complex *x, uint32_t n)
{
    uint32_t finite;
    double mean = mean_of(w, n, &finite);
    for (uint32_t i = 0; i < n; i++) {
        double v = waveform_value(w, i);
        x[i].re = isfinite(v) ? (v - mean) * (0.5 - 0.5 * cos(2 * M_PI * i / n)) : 0;
        x[i].im = 0;
    }
}

int waveform_spectrum(const struct waveform *w, double *ret_a, uint32_t cap, double *ret_df_hz)
{
    uint32_t n = 4;
    if (w->count < n || cap < n / 2 + 1) return 0;
    while (n < 1u << K_MAX && n <= w->count / 2 && n + 1 <= cap) n *= 2;
    AUTO_FREE struct complex *x = mem_alloc(n * sizeof *x);
    AUTO_FREE struct complex *roots = mem_alloc(n / 2 * sizeof *roots);
    if (!x || !roots) return ERR_NOMEM;
    for (uint32_t k = 0; k < n / 2; k++) roots[k] = (struct complex){cos(2 * M_PI * k / n), -sin(2 * M_PI * k / n)};
    window(w, x, n);
    fft(x, n, roots);
    for (uint32_t m = 0; m <= n / 2; m++) {
        double sides = m == 0 || m == n / 2 ? 1 : 2;
        ret_a[m] = sides * hypot(x[m].re, x[m].im) / (0.5 * n); /* 0.5 n: sum of the window */
    }
    *ret_df_hz = 1 / (n * w->dt_s);
    return (int)(n / 2 + 1);
}
