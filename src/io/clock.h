/* clock.h - the two clocks, as a thing that tests can hold.
 * clock_real() is the machine's. A sim_clock only moves when told. */
#pragma once
#include <stddef.h>
#include <stdint.h>
struct clock {
    int64_t (*now_us)(void *ctx);    /* UTC, may jump */
    uint64_t (*mono_ns)(void *ctx);  /* never goes back */
    void *ctx;
};
const struct clock *clock_real(void);
static inline int64_t clock_now_us(const struct clock *c) { return c->now_us(c->ctx); }
static inline uint64_t clock_mono_ns(const struct clock *c) { return c->mono_ns(c->ctx); }

struct sim_clock {
    struct clock clock;              /* hand out &sim.clock */
    _Atomic int64_t now_us;          /* threads under test read while the test moves it */
    _Atomic uint64_t mono_ns;
};
void sim_clock_init(struct sim_clock *s, int64_t now_us);
void sim_clock_advance(struct sim_clock *s, int64_t us); /* both clocks */
void sim_clock_jump(struct sim_clock *s, int64_t us);    /* wall clock only */

/* Random bytes: from the kernel, or a seeded stream in tests. */
struct rng {
    void (*bytes)(void *ctx, void *out, size_t n);
    void *ctx;
};
const struct rng *rng_real(void);
uint64_t rng_u64(const struct rng *r);
struct sim_rng { struct rng rng; uint64_t state; };
void sim_rng_init(struct sim_rng *s, uint64_t seed);     /* splitmix64 */
/* UUIDv7 (RFC 9562): 36 characters and NUL; ordered by time within a process. */
void uuid7(const struct clock *c, const struct rng *r, char out[37]);
