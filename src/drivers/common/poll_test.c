/* The heap against a plain search, phases, skipped periods, back-off. */
#include "base/test.h"
#include "drivers/common/poll.h"

TEST(heap_gives_the_earliest)
{
    struct poll_queue q = {0};
    struct poll_slot s[200] = {0};
    uint64_t x = 1, seen = 0, last = 0;
    for (size_t i = 0; i < 200; i++) {
        x = x * 6364136223846793005u + 1;
        s[i] = (struct poll_slot){.due_ns = x >> 40, .period_ns = 1000};
        REQUIRE(poll_add(&q, &s[i]) == 0);
    }
    for (size_t i = 0; i < 200; i += 3) poll_remove(&q, &s[i]);
    for (size_t i = 1; i < 200; i += 3) poll_move(&q, &s[i], s[i].due_ns / 2);
    for (struct poll_slot *f; (f = poll_first(&q)) != NULL; seen++) {
        CHECK(f->due_ns >= last);
        last = f->due_ns;
        poll_remove(&q, f);
    }
    CHECK_INT(seen, 133);
    poll_queue_fini(&q);
}

TEST(a_late_poll_keeps_its_phase)
{
    struct poll_queue q = {0};
    struct poll_slot s = {.due_ns = 1000, .period_ns = 100};
    REQUIRE(poll_add(&q, &s) == 0);
    CHECK_INT(poll_advance(&q, &s, 1050), 0);
    CHECK_INT(s.due_ns, 1100);
    CHECK_INT(poll_advance(&q, &s, 1450), 3);
    CHECK_INT(s.due_ns, 1500);
    CHECK_INT(s.late, 3);
    poll_queue_fini(&q);
}

TEST(phases_are_spread)
{
    unsigned tenth[10] = {0};
    for (uint64_t k = 0; k < 1000; k++) tenth[poll_phase(0, 1000, k) / 100]++;
    for (int i = 0; i < 10; i++) CHECK(tenth[i] > 50 && tenth[i] < 200);
}

TEST(backoff_grows_to_its_limit)
{
    struct backoff b = {.min_ms = 1000, .max_ms = 60000};
    static const uint32_t want[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    for (int i = 0; i < 8; i++) {
        struct backoff lo = b, hi = b;
        CHECK_INT(backoff_next_ms(&lo, 0), want[i] - want[i] / 4);
        CHECK_INT(backoff_next_ms(&hi, want[i] / 2), want[i] + want[i] / 4);
        (void)backoff_next_ms(&b, 7);
    }
    backoff_reset(&b);
    CHECK(backoff_next_ms(&b, 0) == 750);
}
