/* iec104_zone.h - the time tags of a station whose clock shows the local time of a zone. Pure. */
#pragma once
#include "base/zone.h"
#include "proto/iec104.h"

struct iec104_zone {
    struct zone zone;
    bool fixed; /* an offset: SU is an hour on top of it */
};
static inline bool iec104_zone_is_fixed(const struct zone *z)
{
    return !z->changes && z->n == 0;
}
int64_t iec104_zone_local(const struct iec104_zone *z, int64_t utc_us);
/* UTC as a full time tag, SU in summer. */
struct iec104_time iec104_zone_time(const struct iec104_zone *z, int64_t utc_us);
/* A time tag as UTC; near_us: what a CP24 is nearest to. ERR_INVALID: not set, marked invalid, out of range. */
MUST_CHECK int iec104_zone_utc(const struct iec104_zone *z, const struct iec104_time *t, int64_t near_us,
                               int64_t *ret_us);
