/* source_clock.h - how far the clocks of a channel's devices are from ours, from the samples that carry the device's time.
 *
 * The difference is time of the sample - time of its arrival. Samples wait on their way (buffers, slow polls), so each alone
 * says too little; the greatest of the last minutes is the one that waited least, and what is left in it is the way itself
 * (milliseconds on a plant's network). Back-filled samples do not count. A device whose values stand still for ten minutes
 * tells nothing. One thread. */
#pragma once
#include "bornite/driver.h"

#define SOURCE_CLOCK_WINDOW_US 300000000LL /* two windows are kept: five to ten minutes */

struct source_range { /* points first..last belong to devices[device] */
    uint32_t first, last, device;
};
struct source_lag {
    uint32_t num;            /* of the device */
    int64_t window;          /* number of the newest window, since the epoch */
    int64_t best[2];         /* greatest difference in the newest window and the one before; INT64_MIN: no sample */
};
struct source_clock {
    struct source_range *ranges;
    struct source_lag *lags;
    size_t nranges, nlags;
};

/* The set of a channel; what is known of devices that stay is kept. 0 or ERR_NOMEM (then nothing is known of any). */
int source_clock_set(struct source_clock *c, const struct driver_device *devices, size_t ndevices,
                     const struct driver_point *points, size_t npoints);
void source_clock_note(struct source_clock *c, const struct sample *s, size_t n, int64_t now_us);
/* Device's clock - ours, in microseconds; false: not known. */
bool source_clock_offset(const struct source_clock *c, uint32_t device_num, int64_t now_us, int64_t *ret_us);
/* The one that is farthest off. */
bool source_clock_worst(const struct source_clock *c, int64_t now_us, int64_t *ret_us);
void source_clock_fini(struct source_clock *c);
