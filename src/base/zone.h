/* zone.h - time zones: local time by the rules of the IANA database (TZif, RFC 8536) or of a POSIX TZ text.
 * Pure: the bytes of a zone's file are handed in (core/job/zones.c reads them). A zone is immutable once
 * parsed; any thread. Times here are seconds since 1970 (UTC), local times the same count of a local clock. */
#pragma once
#include "base/str.h"

struct zone_rule { /* of a POSIX TZ text: month.week.day, or a day of the year */
    char form;     /* 'M' month, week, day; 'J' 1..365 without 29 February; 'D' 0..365 */
    int month, week, day;
    int32_t at_s;  /* local time of the change, may be negative or above a day */
};
struct zone {
    int64_t *at;       /* transitions, ascending; owned */
    int32_t *offset;   /* seconds east of UTC from at[i] on; owned */
    size_t n;
    int32_t first;     /* before at[0] */
    bool has_rest;     /* after the last transition: */
    int32_t std, dst;  /* offsets */
    bool changes;      /* dst from `start` to `end` of every year */
    struct zone_rule start, end;
};

#define ZONE_FILE_MAX (64 << 10)
MUST_CHECK int zone_parse(const void *bytes, size_t n, struct zone *ret, struct error *e); /* a TZif file */
MUST_CHECK int zone_parse_posix(struct str text, struct zone *ret, struct error *e);       /* "CET-1CEST,M3.5.0,M10.5.0/3" */
/* "Z", "UTC", "+08:00", "-0330", "+9" */
MUST_CHECK int zone_parse_fixed(struct str text, struct zone *ret, struct error *e);
void zone_fini(struct zone *z);

/* The stretch of one offset that t stands in: [from, until), local time = t + offset. */
struct zone_span {
    int64_t from, until; /* INT64_MIN, INT64_MAX: without end */
    int32_t offset;
};
struct zone_span zone_span(const struct zone *z, int64_t t);
/* A local time as UTC: the first of two, or the end of the gap that it falls in. */
int64_t zone_utc(const struct zone *z, int64_t local);
