/* time.h - instants as text. Data time is int64 microseconds since 1970-01-01T00:00:00Z (no leap
 * seconds); pure functions of their arguments, any thread, no tz database here. */
#pragma once
#include "base/buf.h"

#define TIME_US_PER_S 1000000LL
#define TIME_MIN_US (-62135596800000000LL) /* year 1 */
#define TIME_MAX_US 253402300799999999LL   /* year 9999 */
struct civil { int year, month, day, hour, minute, second, micro; };
struct civil civil_from_us(int64_t time_us);          /* UTC, proleptic Gregorian */
int64_t civil_to_us(const struct civil *c);           /* fields must be in range */
/* RFC 3339 out: "2026-11-22T19:20:36.123456Z"; fraction only as long as needed (0, 3 or 6 digits). */
#define TIME_TEXT_MAX 32
const char *time_format(int64_t time_us, char out[TIME_TEXT_MAX]);
/* In: RFC 3339 (T or blank, fraction up to 9 digits, Z or offset; no offset = UTC), a date alone, or an
 * integer: epoch milliseconds (|n| >= 1e11) or seconds. ERR_INVALID names what was expected. */
MUST_CHECK int time_parse(struct str s, int64_t *ret_us, struct error *e);
/* The time words of PI on top of time_parse: "*" now, "t" today 00:00, "y" yesterday, "*-8h", "t+6h",
 * "now-15m"; units s m h d w mo y, sums allowed "*-1d-2h". tz_minutes: where "today" begins. */
MUST_CHECK int time_parse_words(struct str s, int64_t now_us, int tz_minutes, int64_t *ret_us, struct error *e);
/* "500ms" "10s" "5m" "1h" "1d" -> microseconds, > 0; a bare number is milliseconds. */
MUST_CHECK int duration_parse(struct str s, int64_t *ret_us, struct error *e);
