/* waveform.h - values at a fixed interval that belong together: a vibration, a current at start, a weighing, as the
 * bytes of a blob. Pure.
 *
 * Bytes, little-endian: "BNWF", u8 version 1, u8 form, u16 0, f64 dt_s, f64 scale, f64 offset, u32 count, u32 unit
 * length, unit (UCUM, UTF-8), then the values. Value i = raw * scale + offset, at the time of the sample + i * dt_s. */
#pragma once
#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

#define WAVEFORM_TYPE "application/vnd.bornite.waveform"
#define WAVEFORM_MAX 2000000 /* values */

enum waveform_form { WAVEFORM_I16, WAVEFORM_I32, WAVEFORM_F32, WAVEFORM_F64 };

struct waveform {
    double dt_s;          /* > 0 */
    double scale, offset; /* 1, 0 when the values are engineering units */
    enum waveform_form form;
    uint32_t count;       /* 1 .. WAVEFORM_MAX */
    struct str unit;
    const uint8_t *raw;   /* count values of the form, as in the bytes */
};
struct waveform_figures {
    double min, max, mean, rms; /* rms of what is left without the mean */
    double peak;                /* greatest distance from the mean */
    double crest;               /* peak / rms, NAN when rms is 0 */
};

/* Appends to out; chooses the smallest form that holds every value exactly. NaN and infinities are kept (F64). */
MUST_CHECK int waveform_pack(const double *v, uint32_t n, double dt_s, struct str unit, struct buf *out, struct error *e);
/* Points into `bytes`. ERR_INVALID names what is wrong. */
MUST_CHECK int waveform_open(struct str bytes, struct waveform *ret, struct error *e);
double waveform_value(const struct waveform *w, uint32_t i);
void waveform_figures(const struct waveform *w, struct waveform_figures *ret);
/* At most 2 x buckets values for drawing [from, to): lowest and highest of each bucket, in order; returns how many. */
uint32_t waveform_outline(const struct waveform *w, uint32_t from, uint32_t to, uint32_t buckets, uint32_t *ret_i, double *ret_v);
/* One-sided amplitude spectrum of the first 2^k values (Hann window, amplitudes corrected for it, mean removed):
 * ret_a[0 .. 2^(k-1)], *ret_df_hz between them; k: the largest possible, at most 20. Returns the number, 0: under 4 values,
 * or ERR_NOMEM. (Heinzel, Rüdiger, Schilling: Spectrum and spectral density estimation by the DFT, 2002, §9.) */
int waveform_spectrum(const struct waveform *w, double *ret_a, uint32_t cap, double *ret_df_hz);
