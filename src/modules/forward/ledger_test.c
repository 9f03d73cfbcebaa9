/* ledger_test.c - live beside backlog; and against a plain model of one state a record. */
#include "modules/forward/ledger.h"
#include "base/test.h"

TEST(in_order)
{
    struct ledger l;
    uint64_t a, b;
    ledger_init(&l, 10, 10);
    CHECK_INT(ledger_take(&l, 11, 11), 0);
    CHECK_INT(ledger_take(&l, 12, 12), 0);
    CHECK(!ledger_backlog(&l, &a, &b));
    ledger_done(&l, 12, 12);
    CHECK_INT(l.acked, 10);
    ledger_done(&l, 11, 11);
    CHECK_INT(l.acked, 12);
    CHECK_INT(l.n, 0);
    ledger_fini(&l);
}

TEST(an_outage)
{
    struct ledger l;
    uint64_t a, b;
    ledger_init(&l, 0, 0);
    CHECK_INT(ledger_take(&l, 1, 1), 0);
    ledger_back(&l, 1, 1);
    for (uint64_t s = 2; s <= 50; s++) ledger_leave(&l, s);
    CHECK_INT(ledger_take(&l, 51, 51), 0); /* the newest goes first */
    CHECK(ledger_backlog(&l, &a, &b));
    CHECK_INT(a, 1);
    CHECK_INT(b, 50);
    CHECK_INT(ledger_take(&l, 1, 20), 0);
    CHECK(ledger_backlog(&l, &a, &b));
    CHECK_INT(a, 21);
    ledger_done(&l, 51, 51);
    ledger_done(&l, 1, 20);
    CHECK_INT(l.acked, 20);
    CHECK_INT(ledger_waiting(&l), 30);
    CHECK_INT(ledger_take(&l, 21, 50), 0);
    ledger_done(&l, 21, 50);
    CHECK_INT(l.acked, 51);
    CHECK_INT(ledger_waiting(&l), 0);
    ledger_fini(&l);
}

#define N 200
enum { BACKLOG, TAKEN, DONE };

static uint64_t acked_of(const int *state, uint64_t last)
{
    uint64_t a = 0;
    while (a < last && state[a + 1] == DONE) a++;
    return a;
}

/* Every record is always in one state; the ledger and the model agree after each step. */
TEST(model)
{
    uint32_t seed = 1;
    for (int round = 0; round < 200; round++) {
        struct ledger l;
        int state[N + 1] = {0};
        uint64_t last = 0, a, b;
        ledger_init(&l, 0, 0);
        for (int step = 0; step < 400; step++) {
            seed = seed * 1664525 + 1013904223;
            unsigned what = seed >> 24 & 3, pick = seed >> 8 & 0xffff;
            if (what == 0 && last < N) {
                if (pick & 1) {
                    REQUIRE(!ledger_take(&l, last + 1, last + 1));
                    state[last + 1] = TAKEN;
                } else {
                    ledger_leave(&l, last + 1);
                }
                last++;
            } else if (what == 1 && ledger_backlog(&l, &a, &b)) {
                uint64_t to = a + pick % (b - a + 1);
                REQUIRE(!ledger_take(&l, a, to));
                for (uint64_t s = a; s <= to; s++) {
                    CHECK_INT(state[s], BACKLOG);
                    state[s] = TAKEN;
                }
            } else if (l.n) {
                struct span s = l.spans[pick % l.n];
                if (s.done) continue;
                for (uint64_t i = s.from; i <= s.to; i++) state[i] = what == 2 ? DONE : BACKLOG;
                what == 2 ? ledger_done(&l, s.from, s.to) : ledger_back(&l, s.from, s.to);
            }
            uint64_t waiting = 0, first = 0;
            for (uint64_t s = last; s >= 1; s--) {
                waiting += state[s] != DONE;
                if (state[s] == BACKLOG) first = s;
            }
            CHECK_INT(l.acked, acked_of(state, last));
            CHECK_INT(ledger_waiting(&l), waiting);
            CHECK(ledger_backlog(&l, &a, &b) == (first != 0));
            if (first) CHECK_INT(a, first);
        }
        ledger_fini(&l);
    }
}
