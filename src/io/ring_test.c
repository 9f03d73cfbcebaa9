/* ring_test.c - the single-producer single-consumer ring, alone and between two threads. */
#include <pthread.h>
#include <sched.h>
#include "base/test.h"
#include "io/ring.h"

TEST(put_take_wrap)
{
    struct ring r;
    uint32_t out[8];
    REQUIRE(ring_init(&r, sizeof(uint32_t), 5) == 0); /* 8 */
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t in[3] = {i, i + 1000, i + 2000};
        REQUIRE(ring_put(&r, in, 3) == 0);
        CHECK_INT(ring_count(&r), 3);
        REQUIRE(ring_take(&r, out, 8) == 3);
        CHECK(out[0] == i && out[1] == i + 1000 && out[2] == i + 2000);
    }
    CHECK_INT(ring_take(&r, out, 8), 0);
    ring_fini(&r);
}

TEST(all_or_none_and_counted)
{
    struct ring r;
    uint16_t in[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, out[9] = {0};
    REQUIRE(ring_init(&r, sizeof *in, 8) == 0);
    CHECK_INT(ring_put(&r, in, 9), ERR_AGAIN);
    CHECK_INT(ring_put(&r, in, 6), 0);
    CHECK_INT(ring_put(&r, in, 3), ERR_AGAIN);
    CHECK_INT(atomic_load(&r.refused), 12);
    CHECK_INT(ring_put(&r, in + 6, 2), 0);
    CHECK_INT(ring_take(&r, out, 2), 2);
    CHECK_INT(ring_take(&r, out + 2, 9), 6);
    CHECK(memcmp(in, out, 8 * sizeof *in) == 0);
    ring_fini(&r);
}

TEST(counters_may_overflow)
{
    struct ring r;
    uint8_t in[4] = {1, 2, 3, 4}, out[4] = {0};
    REQUIRE(ring_init(&r, 1, 4) == 0);
    atomic_store(&r.head, UINT32_MAX - 1);
    atomic_store(&r.tail, UINT32_MAX - 1);
    CHECK_INT(ring_put(&r, in, 4), 0);
    CHECK_INT(ring_count(&r), 4);
    CHECK_INT(ring_put(&r, in, 1), ERR_AGAIN);
    CHECK_INT(ring_take(&r, out, 4), 4);
    CHECK(memcmp(in, out, 4) == 0);
    ring_fini(&r);
}

TEST(bad_sizes)
{
    struct ring r;
    CHECK_INT(ring_init(&r, 0, 4), ERR_INVALID);
    CHECK_INT(ring_init(&r, 4, 0), ERR_INVALID);
}

#define MANY 200000u

static void *produce(void *arg)
{
    struct ring *r = arg;
    uint64_t batch[7];
    for (uint64_t next = 0; next < MANY;) {
        size_t n = 0;
        while (n < 1 + next % 7 && next + n < MANY) {
            batch[n] = next + n;
            n++;
        }
        if (ring_put(r, batch, n) == 0)
            next += n;
        else
            sched_yield();
    }
    return NULL;
}

TEST(two_threads_keep_order)
{
    struct ring r;
    pthread_t t;
    uint64_t out[16], want = 0;
    REQUIRE(ring_init(&r, sizeof *out, 64) == 0);
    REQUIRE(pthread_create(&t, NULL, produce, &r) == 0);
    bool ordered = true;
    while (want < MANY) {
        size_t n = ring_take(&r, out, 16);
        if (n == 0) sched_yield();
        for (size_t i = 0; i < n; i++) ordered = ordered && out[i] == want++;
    }
    pthread_join(t, NULL);
    CHECK(ordered);
    CHECK_INT(ring_count(&r), 0);
    ring_fini(&r);
}
