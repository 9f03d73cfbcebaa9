/* clock.c - the machine's clocks and random numbers, and their twins that tests hold.
 *
 * Real: CLOCK_REALTIME for data time, CLOCK_MONOTONIC for timers, getrandom(2) for randomness. The sim
 * forms are plain fields: the owner moves them, one thread at a time.
 * uuid7 keeps one process-wide word, so that identifiers grow strictly even when the clock stands still
 * or jumps back (RFC 9562, 6.2, method 3: the sub-millisecond fraction in rand_a, counted on). Any thread. */
#include "io/clock.h"
#include <errno.h>
#include <stdatomic.h>
#include <sys/random.h>

static int64_t real_now_us(void *ctx)
{
    (void)ctx;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static uint64_t real_mono_ns(void *ctx)
{
    (void)ctx;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

const struct clock *clock_real(void)
{
    static const struct clock real = {real_now_us, real_mono_ns, NULL};
    return &real;
}

static int64_t sim_now_us(void *ctx)
{
    return ((struct sim_clock *)ctx)->now_us;
}
static uint64_t sim_mono_ns(void *ctx)
{
    return ((struct sim_clock *)ctx)->mono_ns;
}

void sim_clock_init(struct sim_clock *s, int64_t now_us)
{
    s->clock = (struct clock){sim_now_us, sim_mono_ns, s};
    atomic_init(&s->now_us, now_us);
    atomic_init(&s->mono_ns, 1000000000u);
}

void sim_clock_advance(struct sim_clock *s, int64_t us)
{
    s->now_us += us;
    s->mono_ns += (uint64_t)us * 1000u;
}

void sim_clock_jump(struct sim_clock *s, int64_t us)
{
    s->now_us += us;
}

/* Keys and tokens are made of these bytes: when the kernel cannot give them there is nothing safe to go on with. */
static void real_bytes(void *ctx, void *out, size_t n)
{
    (void)ctx;
    unsigned char *p = out;
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) abort();
        p += got;
        n -= (size_t)got;
    }
}

const struct rng *rng_real(void)
{
    static const struct rng real = {real_bytes, NULL};
    return &real;
}

uint64_t rng_u64(const struct rng *r)
{
    uint64_t v;
    r->bytes(r->ctx, &v, sizeof v);
    return v;
}

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void sim_bytes(void *ctx, void *out, size_t n)
{
    struct sim_rng *s = ctx;
    unsigned char *p = out;
    while (n > 0) {
        uint64_t v = splitmix64(&s->state);
        size_t k = n < sizeof v ? n : sizeof v;
        memcpy(p, &v, k);
        p += k;
        n -= k;
    }
}

void sim_rng_init(struct sim_rng *s, uint64_t seed)
{
    s->rng = (struct rng){sim_bytes, s};
    s->state = seed;
}

/* 48 bits of milliseconds and 12 bits of their fraction, strictly greater than any value given before. */
static uint64_t uuid_stamp(const struct clock *c)
{
    static _Atomic uint64_t last;
    int64_t us = clock_now_us(c);
    if (us < 0) us = 0;
    uint64_t now = ((uint64_t)us / 1000) << 12 | ((uint64_t)us % 1000) * 4096 / 1000;
    uint64_t seen = atomic_load(&last), next;
    do {
        next = now > seen ? now : seen + 1;
    } while (!atomic_compare_exchange_weak(&last, &seen, next));
    return next;
}

void uuid7(const struct clock *c, const struct rng *r, char out[37])
{
    static const char hex[] = "0123456789abcdef";
    uint64_t stamp = uuid_stamp(c), low = rng_u64(r);
    uint64_t high = (stamp >> 12) << 16 | 0x7000 | (stamp & 0xfff);
    low = (low & 0x3fffffffffffffffu) | 0x8000000000000000u;
    char *p = out;
    for (int i = 0; i < 32; i++) {
        uint64_t word = i < 16 ? high : low;
        if (i == 8 || i == 12 || i == 16 || i == 20) *p++ = '-';
        *p++ = hex[word >> (60 - 4 * (i & 15)) & 15];
    }
    *p = '\0';
}
