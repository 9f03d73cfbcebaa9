/* journal_test.c - order, acknowledgement, recovery, power cuts, failures, caps. */
#include "io/journal.h"
#include "base/mem.h"
#include "base/test.h"
#include "io/sim_fs.h"

static struct journal *open_at(struct fs *fs, uint64_t segment, uint64_t total)
{
    struct journal *j = NULL;
    struct error e = {0};
    struct journal_config c = {.fs = fs, .dir = "journal", .segment_max = segment, .total_max = total};
    if (journal_open(&c, &j, &e)) test_fail(__FILE__, __LINE__, "open: %s", e.text);
    return j;
}

static uint64_t put(struct journal *j, uint32_t v)
{
    uint64_t seq = 0;
    CHECK_INT(journal_append(j, &v, sizeof v, 1, &seq), 0);
    return seq;
}

/* Reads all after `from`; returns how many, checks that values ascend by one from `first`. */
static int drain(struct journal *j, uint64_t from, uint32_t first)
{
    struct buf b;
    uint32_t weight, v;
    int n = 0;
    buf_init(&b, 1 << 20);
    while (journal_next(j, &from, &b, &weight) == 1) {
        CHECK_INT(b.n, sizeof v);
        memcpy(&v, b.p, sizeof v);
        CHECK_INT(v, first + (uint32_t)n);
        n++;
    }
    buf_fini(&b);
    return n;
}

TEST(order_and_ack)
{
    struct fs *fs = sim_fs_new();
    struct journal *j = open_at(fs, 200, 1 << 20);
    for (uint32_t i = 0; i < 50; i++) {
        put(j, i);
        CHECK_INT(journal_commit(j), 0);
    }
    CHECK_INT(drain(j, 0, 0), 50);
    journal_ack(j, 20);
    put(j, 50);
    CHECK_INT(journal_commit(j), 0);
    journal_close(j);
    j = open_at(fs, 200, 1 << 20);
    CHECK_INT(journal_acked(j), 20);
    CHECK_INT(drain(j, journal_acked(j), 20), 31);
    CHECK_INT(journal_last(j), 51);
    journal_close(j);
    fs_destroy(fs);
}

TEST(uncommitted_is_not_there)
{
    struct fs *fs = sim_fs_new();
    struct journal *j = open_at(fs, 0, 0);
    put(j, 0);
    CHECK_INT(journal_commit(j), 0);
    put(j, 1);
    CHECK_INT(drain(j, 0, 0), 1);
    journal_close(j);
    j = open_at(fs, 0, 0);
    CHECK_INT(drain(j, 0, 0), 1);
    put(j, 1);
    CHECK_INT(journal_commit(j), 0);
    CHECK_INT(drain(j, 0, 0), 2);
    journal_close(j);
    fs_destroy(fs);
}

TEST(power_cut_keeps_what_was_committed)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct fs *fs = sim_fs_new();
        struct journal *j = open_at(fs, 300, 1 << 20);
        uint32_t committed = 0, next = 0;
        for (uint64_t k = 0; k < 3 + seed % 20; k++) {
            for (uint64_t m = 0; m <= (seed + k) % 4; m++) put(j, next++);
            if (k + 1 == 3 + seed % 20) break; /* the last batch is never committed */
            CHECK_INT(journal_commit(j), 0);
            committed = next;
        }
        struct fs *after = sim_fs_power_cut(fs, seed);
        journal_close(j);
        fs_destroy(fs);
        j = open_at(after, 300, 1 << 20);
        CHECK_INT(drain(j, 0, 0), committed);
        uint64_t seq = put(j, committed); /* goes on behind */
        CHECK_INT(journal_commit(j), 0);
        CHECK(seq > committed);
        CHECK_INT(drain(j, 0, 0), committed + 1);
        journal_close(j);
        fs_destroy(after);
    }
}

TEST(cap_drops_oldest_and_counts)
{
    struct fs *fs = sim_fs_new();
    struct journal *j = open_at(fs, 200, 1000);
    struct journal_stats s;
    for (uint32_t i = 0; i < 200; i++) {
        put(j, i);
        CHECK_INT(journal_commit(j), 0);
    }
    journal_stats(j, &s);
    CHECK(s.dropped_weight > 0);
    CHECK(s.bytes <= 1300);
    CHECK_INT(s.dropped_weight + (uint64_t)drain(j, journal_acked(j), (uint32_t)s.dropped_weight), 200);
    journal_close(j);
    fs_destroy(fs);
}

TEST(disk_full_then_space)
{
    struct fs *fs = sim_fs_new();
    sim_fs_capacity(fs, 400);
    struct journal *j = open_at(fs, 1 << 20, 1 << 20);
    uint32_t n = 0;
    int err = 0;
    while (!err && n < 1000) {
        put(j, n);
        err = journal_commit(j);
        if (!err) n++;
    }
    CHECK_INT(err, ERR_DISK_FULL);
    CHECK_INT(drain(j, 0, 0), n);
    sim_fs_capacity(fs, 1 << 20);
    put(j, n);
    CHECK_INT(journal_commit(j), 0);
    CHECK_INT(drain(j, 0, 0), n + 1);
    journal_close(j);
    fs_destroy(fs);
}

TEST(failed_sync_is_final_until_reopened)
{
    struct fs *fs = sim_fs_new();
    struct journal *j = open_at(fs, 1 << 20, 1 << 20);
    uint64_t seq;
    uint32_t v = 7;
    put(j, 0);
    CHECK_INT(journal_commit(j), 0);
    sim_fs_fail(fs, SIM_FS_SYNC, 1, ERR_IO, false);
    put(j, 1);
    CHECK_INT(journal_commit(j), ERR_IO);
    CHECK_INT(journal_append(j, &v, sizeof v, 1, &seq), ERR_IO);
    CHECK_INT(journal_reopen(j), 0);
    put(j, 1);
    CHECK_INT(journal_commit(j), 0);
    CHECK_INT(drain(j, 0, 0), 2);
    journal_close(j);
    fs_destroy(fs);
}

TEST(flipped_bits_are_never_read)
{
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct fs *fs = sim_fs_new();
        struct journal *j = open_at(fs, 1 << 20, 1 << 20);
        for (uint32_t i = 0; i < 10; i++) put(j, i);
        CHECK_INT(journal_commit(j), 0);
        journal_close(j);
        struct fs_file *f;
        uint8_t c;
        CHECK_INT(fs_open(fs, "journal/0000000000000001.jnl", FS_READ | FS_WRITE, &f), 0);
        int64_t at = (int64_t)(seed * 7919 % (uint64_t)fs_size(f));
        CHECK_INT(fs_pread(f, &c, 1, at), 1);
        c ^= (uint8_t)(1u << (seed % 8));
        CHECK_INT(fs_pwrite(f, &c, 1, at), 0);
        fs_close(f);
        j = open_at(fs, 1 << 20, 1 << 20);
        CHECK(drain(j, 0, 0) <= 10); /* drain checks the values: a prefix is left */
        journal_close(j);
        fs_destroy(fs);
    }
}

static int value_at(struct journal *j, uint64_t seq)
{
    struct buf b;
    uint32_t weight, v = 0;
    uint64_t at = seq - 1;
    buf_init(&b, 64);
    int got = journal_next(j, &at, &b, &weight);
    if (got == 1 && at == seq && b.n == sizeof v) memcpy(&v, b.p, sizeof v);
    buf_fini(&b);
    return got == 1 && at == seq ? (int)v : -1;
}

TEST(reading_from_anywhere)
{
    struct fs *fs = sim_fs_new();
    struct journal *j = open_at(fs, 400, 1 << 20); /* several segments */
    for (uint32_t i = 0; i < 200; i++) {
        put(j, i);
        if (i % 7 == 0) CHECK_INT(journal_commit(j), 0);
    }
    CHECK_INT(journal_commit(j), 0);
    for (uint64_t k = 0; k < 1000; k++) {
        uint64_t seq = k * 7919 % 200 + 1;
        CHECK_INT(value_at(j, seq), (int)seq - 1);
        if (k % 3) CHECK_INT(value_at(j, seq < 190 ? seq + k % 10 : seq), (int)(seq < 190 ? seq + k % 10 : seq) - 1);
    }
    journal_close(j);
    fs_destroy(fs);
}
