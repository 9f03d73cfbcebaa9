/* ts_scan.h - windows, summaries and plots of a store that can only scan: remote engines, and the reference in tests.
 * Same meaning as the operations of tsstore.h, computed from ops->scan, before and after. */
#pragma once
#include "model/tsstore.h"

MUST_CHECK int ts_summary_by_scan(struct ts_store *, uint32_t point, int64_t from, int64_t to, bool step,
                                  struct ts_summary *ret, struct error *);
MUST_CHECK int ts_windows_by_scan(struct ts_store *, uint32_t point, const int64_t *edges, size_t n, bool step,
                                  ts_window_fn *, void *ctx, struct error *);
MUST_CHECK int ts_plot_by_scan(struct ts_store *, uint32_t point, int64_t from, int64_t to, uint32_t pixels,
                               ts_scan_fn *, void *ctx, struct error *);
/* ops->summaries, or `summary` of each where the store has none. */
MUST_CHECK int ts_summaries(struct ts_store *, const uint32_t *points, const bool *step, size_t n, int64_t from,
                            int64_t to, ts_window_fn *, void *ctx, struct error *);
/* ops->windows, or by scan where the store has none. */
MUST_CHECK int ts_windows(struct ts_store *, uint32_t point, const int64_t *edges, size_t n, bool step, ts_window_fn *,
                          void *ctx, struct error *);
