/* series.h - gathering samples of a query and turning them into answers; pure but for the store that is
 * asked. One request's thread. */
#pragma once
#include "base/json.h"
#include "model/tsstore.h"

struct series {
    struct sample *s;       /* mem_alloc'd */
    size_t n, cap, max;
    bool truncated;         /* more were there than max */
};
void series_fini(struct series *s);
/* A ts_scan_fn; ctx is the struct series. Stops the scan (returns 1) at the maximum. */
int series_add(void *ctx, const struct sample *s, size_t n);

/* Values at from, from + interval … < to: linear between good neighbours, held for step points and
 * where the next value is not usable (then uncertain), bad with NO_DATA before the first value.
 * ERR_TOO_LARGE when that would be more than out->max. */
MUST_CHECK int series_interpolate(struct ts_store *store, uint32_t point, bool step, int64_t from, int64_t to, int64_t interval,
                                  struct series *out, struct error *e);
/* Recorded values of [from, to) with the boundary rule: TS_OUTSIDE adds the last before and the first
 * after, TS_INTERPOLATED the values in force at both ends. */
MUST_CHECK int series_recorded(struct ts_store *store, uint32_t point, bool step, int64_t from, int64_t to, enum ts_boundary b,
                               bool good_only, struct series *out, struct error *e);
/* The value in force at an instant by the same rules. */
struct sample value_at(struct ts_store *store, uint32_t point, bool step, int64_t at);

/* "t":[…],"v":[…],"q":[…],"r":[…],"truncated":… into the open object. Times: epoch milliseconds. */
void series_write(struct json_writer *w, const struct series *s, struct ts_store *strings);
void write_time_ms(struct buf *b, int64_t time_us);
void write_value(struct buf *b, const struct sample *s, struct ts_store *strings); /* a JSON value */
