/* iec104_zone.c - see iec104_zone.h. */
#include "proto/iec104_zone.h"

#define S_US 1000000LL

int64_t iec104_zone_local(const struct iec104_zone *z, int64_t utc_us)
{
    int64_t s = utc_us / S_US - (utc_us % S_US < 0);
    return utc_us + zone_span(&z->zone, s).offset * S_US;
}

struct iec104_time iec104_zone_time(const struct iec104_zone *z, int64_t utc_us)
{
    struct iec104_time t = iec104_time_of(iec104_zone_local(z, utc_us));
    const struct zone *zone = &z->zone;
    t.summer = zone->changes && zone->dst != zone->std && zone_span(zone, utc_us / S_US).offset == zone->dst;
    return t;
}

/* SU tells the two hours of autumn apart; with a fixed offset it means an hour more. */
static int64_t utc_of(const struct iec104_zone *z, int64_t local_us, bool summer)
{
    int64_t local = local_us / S_US, rest = local_us % S_US;
    int64_t utc = zone_utc(&z->zone, local);
    if (z->fixed) return (utc - (summer ? 3600 : 0)) * S_US + rest;
    int64_t later = utc + 3600;
    if (!summer && later + zone_span(&z->zone, later).offset == local) utc = later;
    return utc * S_US + rest;
}

int iec104_zone_utc(const struct iec104_zone *z, const struct iec104_time *t, int64_t near_us, int64_t *ret_us)
{
    int64_t local;
    if (!t->set || iec104_time_local(t, iec104_zone_local(z, near_us), &local)) return ERR_INVALID;
    *ret_us = utc_of(z, local, t->full && t->summer);
    return 0;
}
