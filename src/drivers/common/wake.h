/* wake.h - the one timer of a session: it wakes the session at the earliest moment that anything asked for. */
#pragma once
#include <stdint.h>
#include <uv.h>

/* Let `t` call fn at `ns` (UINT64_MAX: never), unless it goes off earlier anyway. *at_ns: when it goes off, 0: not; fn sets
 * it to 0. All times on the host's monotonic clock, which uv's own may differ from. */
static inline void wake_at(uv_timer_t *t, uv_timer_cb fn, uint64_t *at_ns, uint64_t now, uint64_t ns)
{
    if (ns == UINT64_MAX || (*at_ns && *at_ns <= ns)) return;
    *at_ns = ns > now ? ns : now;
    uv_update_time(t->loop);
    uv_timer_start(t, fn, ns > now ? (ns - now + 999999) / 1000000 : 0, 0);
}

static inline void wake_earlier(uint64_t *at_ns, uint64_t other)
{
    if (other < *at_ns) *at_ns = other;
}
