/* Fuzz: bytes that say they are a waveform; what opens has figures, an outline and a spectrum, and packs again to the
 * same values. */
#include <math.h>
#include <stdlib.h>
#include "model/waveform.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct waveform w, back;
    struct waveform_figures f;
    struct error e;
    struct buf b;
    static double v[4096], a[4096];
    static uint32_t at[64];
    double df;
    if (n > 8192 || waveform_open(str_make((const char *)p, n), &w, &e)) return 0;
    waveform_figures(&w, &f);
    if (waveform_outline(&w, 0, w.count, 32, at, a) > 64) __builtin_trap();
    if (waveform_spectrum(&w, a, 4096, &df) > 4096) __builtin_trap();
    for (uint32_t i = 0; i < w.count; i++) v[i] = waveform_value(&w, i);
    buf_init(&b, 1 << 20);
    if (waveform_pack(v, w.count, w.dt_s, w.unit, &b, &e) || waveform_open(buf_view(&b), &back, &e)) __builtin_trap();
    for (uint32_t i = 0; i < w.count; i++) {
        double x = waveform_value(&back, i);
        if (memcmp(&x, &v[i], 8) != 0 && !(isnan(x) && isnan(v[i]))) __builtin_trap();
    }
    buf_fini(&b);
    return 0;
}
