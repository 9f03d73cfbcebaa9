/* zone_load.h - a time zone by its name: of the machine's database (/usr/share/zoneinfo, or $TZDIR), of a few that
 * are built in for machines without it, or a fixed offset ("+08:00", "UTC"). It reads one small file. */
#pragma once
#include "base/zone.h"

/* ERR_INVALID names what would be right; where = "time_zone". zone_fini when done. */
MUST_CHECK int zone_load(struct str name, struct zone *ret, struct error *e);
