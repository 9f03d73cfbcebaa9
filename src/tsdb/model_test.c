/* The engine against a naive sorted table: random appends (polls, single points, out of order, rewrites),
 * seals, merges and reopenings, every query compared. Seeds are fixed. */
#include "tsdb/test_model.h"

static struct ts_store *open_store(struct fs *fs, bool thread)
{
    struct ts_store *st = NULL;
    struct error e = {0};
    struct tsdb_config cfg = {.fs = fs, .no_thread = !thread, .wal_max = 256 << 10};
    if (tsdb_open(&cfg, &st, &e)) test_fail(__FILE__, __LINE__, "open: %s", e.text);
    return st;
}

static void run_model(uint64_t seed, bool thread, int steps)
{
    static struct sample batch[4096];
    struct model m;
    struct error e = {0};
    struct fs *fs = sim_fs_new();
    struct ts_store *st = open_store(fs, thread);
    int64_t t0 = INT64_C(1700000000) * SEC, now = t0;
    model_init(&m, seed);
    for (int i = 0; i < steps && st; i++) {
        size_t n = make_batch(&m, &now, batch);
        CHECK_INT(st->ops->append(st, batch, n, &e), 0);
        for (size_t k = 0; k < n; k++) model_put(&m, batch[k]);
        uint64_t dice = rnd(&m, 60);
        if (dice == 0) CHECK_INT(tsdb_seal(st, &e), 0);
        if (dice == 1) CHECK_INT(tsdb_merge(st, &e), 0);
        if (dice == 2) {
            st->ops->close(st);
            st = open_store(fs, thread);
        }
        if (rnd(&m, 4) == 0 && st) check_some(st, &m, t0, now);
    }
    for (uint32_t p = 1; p <= POINTS && st; p++) check_scan(st, &m, p, INT64_MIN, INT64_MAX);
    struct ts_stats stats;
    if (st) {
        st->ops->stats(st, &stats);
        CHECK_INT(stats.damaged_blocks, 0);
        CHECK_INT(stats.newest_us, m.newest);
        CHECK(steps < 100 || (stats.segments > 0 && stats.segments < 40 && stats.blocks > 0));
        st->ops->close(st);
    }
    model_fini(&m);
    fs_destroy(fs);
}

TEST(model_short_runs)
{
    for (uint64_t seed = 1; seed <= 12; seed++) run_model(seed, false, 60);
}

TEST(model_long_run)
{
    run_model(99, false, 400);
}
TEST(model_with_thread)
{
    run_model(7, true, 150);
}
