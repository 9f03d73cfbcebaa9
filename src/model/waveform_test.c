/* Waveforms: what is packed comes back bit by bit in the smallest form; figures, outline and spectrum of signals whose
 * values are known beforehand. */
#include "model/waveform.h"
#include "base/mem.h"
#include "base/test.h"

#define N 4096
static double v[N];

static void check_back(enum waveform_form form, uint32_t n)
{
    struct buf b;
    struct waveform w = {0};
    struct error e = {0};
    buf_init(&b, 1 << 20);
    CHECK_INT(waveform_pack(v, n, 0.001, STR("mm/s"), &b, &e), 0);
    CHECK_INT(waveform_open(buf_view(&b), &w, &e), 0);
    CHECK_INT(w.form, form);
    CHECK_INT(w.count, n);
    CHECK_STR(w.unit, "mm/s");
    CHECK_DBL(w.dt_s, 0.001, 0);
    for (uint32_t i = 0; i < n && w.raw; i++) {
        double got = waveform_value(&w, i);
        CHECK(memcmp(&got, &v[i], 8) == 0);
    }
    buf_fini(&b);
}

TEST(the_smallest_form_that_is_exact)
{
    for (int i = 0; i < N; i++) v[i] = i - 2000;
    check_back(WAVEFORM_I16, N);
    for (int i = 0; i < N; i++) v[i] = (i * 7 % 4000 - 2000) * 0.01;
    check_back(WAVEFORM_I16, N);
    for (int i = 0; i < N; i++) v[i] = (i % 4000 - 2000) * (10.0 / 32767); /* counts of a converter */
    check_back(WAVEFORM_I16, N);
    for (int i = 0; i < N; i++) v[i] = i * 100001.0 + i % 2;
    check_back(WAVEFORM_I32, N);
    for (int i = 0; i < N; i++) v[i] = (double)(float)sin(i * 0.01);
    check_back(WAVEFORM_F32, N);
    for (int i = 0; i < N; i++) v[i] = sin(i * 0.01);
    check_back(WAVEFORM_F64, N);
}

TEST(odd_values_are_kept)
{
    v[0] = 1, v[1] = NAN, v[2] = INFINITY, v[3] = -INFINITY;
    check_back(WAVEFORM_F64, 4);
    v[0] = 0.0, v[1] = -0.0, v[2] = 1, v[3] = 2;
    check_back(WAVEFORM_F32, 4);
    v[0] = 0;
    check_back(WAVEFORM_I16, 1);
    v[0] = 1e300, v[1] = 5e-324;
    check_back(WAVEFORM_F64, 2);
}

TEST(what_is_wrong_is_named)
{
    struct buf b;
    struct waveform w;
    struct error e = {0};
    buf_init(&b, 1 << 20);
    CHECK_INT(waveform_pack(v, 0, 1, STR(""), &b, &e), ERR_INVALID);
    CHECK_Z(e.where, "v");
    CHECK_INT(waveform_pack(v, 1, 0, STR(""), &b, &e), ERR_INVALID);
    CHECK_Z(e.where, "dt_s");
    CHECK_INT(waveform_pack(v, 1, NAN, STR(""), &b, &e), ERR_INVALID);
    CHECK_INT(waveform_open(STR("BNWF and nothing that would be a waveform"), &w, &e), ERR_INVALID);
    v[0] = 1, v[1] = 2;
    CHECK_INT(waveform_pack(v, 2, 1, STR("V"), &b, &e), 0);
    for (size_t n = 0; n < b.n; n++) CHECK_INT(waveform_open(str_make((char *)b.p, n), &w, &e), ERR_INVALID);
    buf_u8(&b, 0);
    CHECK_INT(waveform_open(buf_view(&b), &w, &e), ERR_INVALID);
    buf_fini(&b);
}

static void packed(struct buf *b, struct waveform *w, uint32_t n, double dt)
{
    struct error e = {0};
    buf_init(b, 1 << 20);
    CHECK_INT(waveform_pack(v, n, dt, STR("g"), b, &e), 0);
    CHECK_INT(waveform_open(buf_view(b), w, &e), 0);
}

TEST(figures_of_a_sine)
{
    struct buf b;
    struct waveform w;
    struct waveform_figures f;
    for (int i = 0; i < N; i++) v[i] = 3 + 2 * sin(2 * M_PI * i / 64);
    packed(&b, &w, N, 1e-4);
    waveform_figures(&w, &f);
    CHECK_DBL(f.mean, 3, 1e-12);
    CHECK_DBL(f.rms, sqrt(2), 1e-12);
    CHECK_DBL(f.peak, 2, 1e-12);
    CHECK_DBL(f.crest, sqrt(2), 1e-12);
    CHECK_DBL(f.min, 1, 1e-12);
    CHECK_DBL(f.max, 5, 1e-12);
    buf_fini(&b);
    for (int i = 0; i < 8; i++) v[i] = 7;
    v[3] = NAN;
    packed(&b, &w, 8, 1);
    waveform_figures(&w, &f);
    CHECK(f.mean == 7 && f.rms == 0 && isnan(f.crest));
    buf_fini(&b);
}

/* Amplitude 2 at line 64 exactly, and 0.5 between lines 200 and 201: Hann loses 15.1 % there at most. */
TEST(spectrum_of_two_sines)
{
    static double a[N / 2 + 1];
    struct buf b;
    struct waveform w;
    double df = 0;
    for (int i = 0; i < N; i++) v[i] = 10 + 2 * cos(2 * M_PI * 64 * i / N + 0.3) + 0.5 * sin(2 * M_PI * 200.5 * i / N);
    packed(&b, &w, N, 1.0 / 12000);
    CHECK_INT(waveform_spectrum(&w, a, N / 2 + 1, &df), N / 2 + 1);
    CHECK_DBL(df, 12000.0 / N, 1e-9);
    CHECK_DBL(a[64], 2, 1e-4);
    CHECK_DBL(a[63], 1, 1e-4); /* the window's side: half */
    CHECK_DBL(a[200], 0.5 * 0.8488, 1e-3);
    CHECK_DBL(a[0], 0, 1e-2);
    CHECK_DBL(a[1000], 0, 1e-6);
    CHECK_INT(waveform_spectrum(&w, a, 600, &df), 513); /* less room: less of the signal */
    CHECK_DBL(df, 12000.0 / 1024, 1e-9);
    CHECK_DBL(a[16], 2, 1e-2);
    buf_fini(&b);
    packed(&b, &w, 3, 1);
    CHECK_INT(waveform_spectrum(&w, a, N, &df), 0);
    buf_fini(&b);
    packed(&b, &w, 4, 1);
    CHECK_INT(waveform_spectrum(&w, a, N, &df), 3);
    buf_fini(&b);
    packed(&b, &w, 1000, 1);
    mem_fail_at(1, false);
    CHECK_INT(waveform_spectrum(&w, a, N, &df), ERR_NOMEM);
    mem_fail_at(0, false);
    CHECK_INT(waveform_spectrum(&w, a, N, &df), 257); /* 512 of 1000 */
    buf_fini(&b);
}

/* The transform against the sum that defines it. */
TEST(spectrum_as_defined)
{
    static double a[N];
    struct buf b;
    struct waveform w;
    double df, mean = 0;
    uint32_t seed = 1;
    enum { M = 64 };
    for (int i = 0; i < M; i++) v[i] = (seed = seed * 1664525u + 1013904223u) / 4e9, mean += v[i] / M;
    packed(&b, &w, M, 1);
    CHECK_INT(waveform_spectrum(&w, a, N, &df), M / 2 + 1);
    for (int k = 0; k <= M / 2; k++) {
        double re = 0, im = 0;
        for (int i = 0; i < M; i++) {
            double x = (v[i] - mean) * (0.5 - 0.5 * cos(2 * M_PI * i / M));
            re += x * cos(2 * M_PI * k * i / M), im -= x * sin(2 * M_PI * k * i / M);
        }
        CHECK_DBL(a[k], hypot(re, im) * (k % (M / 2) ? 2 : 1) / (M / 2), 1e-12);
    }
    buf_fini(&b);
}

TEST(outline_keeps_extremes)
{
    static uint32_t at[N];
    static double o[N];
    struct buf b;
    struct waveform w;
    for (int i = 0; i < N; i++) v[i] = i % 10;
    v[1000] = 99, v[1001] = -99, v[5] = NAN;
    packed(&b, &w, N, 1);
    uint32_t n = waveform_outline(&w, 0, N, 40, at, o);
    CHECK_INT(n, 80);
    bool top = false, bottom = false;
    for (uint32_t i = 0; i < n; i++) {
        top |= o[i] == 99 && at[i] == 1000;
        bottom |= o[i] == -99 && at[i] == 1001;
        CHECK(i == 0 || at[i] > at[i - 1]);
    }
    CHECK(top && bottom);
    CHECK_INT(waveform_outline(&w, 4, 7, 40, at, o), 2); /* every value, without the one that is none */
    CHECK(at[0] == 4 && at[1] == 6 && o[0] == 4 && o[1] == 6);
    CHECK_INT(waveform_outline(&w, N, N + 5, 40, at, o), 0);
    CHECK_INT(waveform_outline(&w, 0, 10, 0, at, o), 0);
    buf_fini(&b);
}
