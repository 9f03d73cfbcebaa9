/* pump_test.c - samples on their way through the buffer: outages, refusals, restarts, a full disk. The receiver is a
 * list of what was offered; the tests answer. */
#include "modules/forward/pump.h"
#include <pthread.h>
#include <time.h>
#include "base/mem.h"
#include "base/test.h"
#include "io/sim_fs.h"

#define ID "01890000-0000-7000-8000-000000000001"
#define OFFERS 4000

struct bed {
    struct fs *fs;
    struct pump *pump;
    struct pump_line *line;
    pthread_mutex_t lock;
    struct pump_batch *offered[OFFERS];
    size_t n, taken;
    uint32_t turn[2];    /* by flow: given back with ERR_AGAIN */
    int64_t seen[20000]; /* times that were acknowledged, in order of coming */
    enum outlet_flow flows[20000];
    size_t nseen;
};

static void on_offer(void *ctx, struct pump_batch *b)
{
    struct bed *x = ctx;
    pthread_mutex_lock(&x->lock);
    x->offered[x->n++ % OFFERS] = b;
    pthread_mutex_unlock(&x->lock);
}

static bool line_open(struct bed *x, int64_t keep_us, uint64_t max)
{
    struct pump_line_config c = {.id = ID,
                                 .code = "T",
                                 .buffered = true,
                                 .keep_us = keep_us,
                                 .max_bytes = max,
                                 .gather_ms = 1,
                                 .batch_max = 8 * RECORD_MAX,
                                 .offer = on_offer,
                                 .ctx = x};
    struct error e;
    x->turn[0] = x->turn[1] = 0;
    return pump_line_open(x->pump, &c, &x->line, &e) == 0;
}

static bool bed_init(struct bed *x, struct fs *fs)
{
    struct error e;
    memset(x, 0, sizeof *x);
    x->fs = fs;
    pthread_mutex_init(&x->lock, NULL);
    struct pump_config c = {.clock = clock_real(), .fs = fs};
    return pump_start(&c, &x->pump, &e) == 0 && line_open(x, 3600000000ll, 64 << 20);
}

static struct pump_batch *take(struct bed *x)
{
    struct pump_batch *b = NULL;
    pthread_mutex_lock(&x->lock);
    if (x->taken < x->n) b = x->offered[x->taken++ % OFFERS];
    pthread_mutex_unlock(&x->lock);
    return b;
}

static void give_back(struct bed *x, struct pump_batch *b)
{
    x->turn[b->flow]++;
    pump_done(x->line, b, ERR_AGAIN);
}

/* Answers everything that is offered until `want` samples have been seen, or 5 s have passed. */
static bool serve(struct bed *x, size_t want, int rc)
{
    for (int i = 0; i < 5000 && x->nseen < want; i++) {
        struct pump_batch *b;
        while ((b = take(x))) {
            if (b->turn != x->turn[b->flow]) {
                give_back(x, b);
                pump_ready(x->line);
                continue;
            }
            for (size_t k = 0; k < b->b.n && !rc; k++) {
                x->flows[x->nseen] = b->flow;
                x->seen[x->nseen++] = b->b.items[k].s.time_us;
            }
            pump_done(x->line, b, rc);
        }
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    return x->nseen >= want;
}

static void refuse(struct bed *x, int rc)
{
    struct pump_batch *b;
    while ((b = take(x))) rc == ERR_AGAIN ? give_back(x, b) : pump_done(x->line, b, rc);
}

static void line_close(struct bed *x, bool forget)
{
    pump_line_stop(x->line);
    refuse(x, ERR_CANCELLED);
    pump_line_close(x->line, forget);
}

static void bed_fini(struct bed *x)
{
    line_close(x, false);
    pump_stop(x->pump);
    pthread_mutex_destroy(&x->lock);
}

static void put(struct bed *x, int64_t from, int64_t to)
{
    for (int64_t t = from; t < to; t++) {
        struct sample s = {.time_us = t, .point = 1, .type = SAMPLE_INT, .v.i = t};
        pump_put(x->line, &s, 1);
    }
}

static bool ascending(const struct bed *x, enum outlet_flow flow)
{
    int64_t last = 0;
    for (size_t i = 0; i < x->nseen; i++) {
        if (x->flows[i] != flow) continue;
        if (x->seen[i] <= last) return false;
        last = x->seen[i];
    }
    return true;
}

static bool all_seen(const struct bed *x, int64_t from, int64_t to)
{
    for (int64_t t = from; t < to; t++) {
        bool found = false;
        for (size_t i = 0; i < x->nseen && !found; i++) found = x->seen[i] == t;
        if (!found) return false;
    }
    return true;
}

static struct pump_stats stats_when_empty(struct bed *x)
{
    struct pump_stats s = {0};
    for (int i = 0; i < 3000; i++) {
        pump_stats(x->line, &s);
        if (!s.records) break;
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    return s;
}

/* Until the pump has written so many records. */
static void wait_records(struct bed *x, uint64_t n)
{
    struct pump_stats s = {0};
    for (int i = 0; i < 3000 && s.records < n; i++) {
        nanosleep(&(struct timespec){0, 1000000}, NULL);
        pump_stats(x->line, &s);
    }
}

TEST(in_order_while_it_is_up)
{
    struct bed *x = mem_alloc(sizeof *x);
    struct fs *fs;
    REQUIRE(!fs_real(test_tmpdir(), false, &fs, NULL));
    REQUIRE(bed_init(x, fs));
    pump_up(x->line, true);
    put(x, 1, 3001);
    CHECK(serve(x, 3000, 0));
    CHECK_INT(x->nseen, 3000);
    CHECK(ascending(x, OUTLET_LIVE));
    struct pump_stats s = stats_when_empty(x);
    CHECK_INT(s.records, 0);
    CHECK_INT(s.sent, 3000);
    CHECK_INT(s.lost + s.refused, 0);
    bed_fini(x);
    fs_destroy(fs);
    mem_free(x);
}

TEST(after_an_outage_the_newest_goes_first_and_nothing_is_missing)
{
    struct bed *x = mem_alloc(sizeof *x);
    struct fs *fs;
    REQUIRE(!fs_real(test_tmpdir(), false, &fs, NULL));
    REQUIRE(bed_init(x, fs));
    for (int i = 0; i < 50; i++) { /* more than waits in memory */
        put(x, 1 + i * 100, 101 + i * 100);
        wait_records(x, (uint64_t)i + 1);
        refuse(x, ERR_AGAIN);
    }
    pump_up(x->line, true);
    put(x, 5001, 5101);
    CHECK(serve(x, 5100, 0));
    CHECK_INT(x->nseen, 5100);
    CHECK(all_seen(x, 1, 5101));
    CHECK(ascending(x, OUTLET_BACKFILL));
    CHECK(ascending(x, OUTLET_LIVE));
    struct pump_stats s = stats_when_empty(x);
    CHECK_INT(s.records, 0);
    CHECK(s.backfilled >= 1000);
    bed_fini(x);
    fs_destroy(fs);
    mem_free(x);
}

TEST(what_fails_comes_again_and_what_is_refused_does_not)
{
    struct bed *x = mem_alloc(sizeof *x);
    struct fs *fs;
    REQUIRE(!fs_real(test_tmpdir(), false, &fs, NULL));
    REQUIRE(bed_init(x, fs));
    pump_up(x->line, true);
    put(x, 1, 11);
    for (int i = 0; i < 3000 && x->taken < 1; i++) {
        struct pump_batch *b = take(x);
        if (b) pump_done(x->line, b, ERR_UNAVAILABLE);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    CHECK(serve(x, 10, 0)); /* again, half a second later */
    CHECK(all_seen(x, 1, 11));
    put(x, 11, 21);
    struct pump_stats s = {0};
    for (int i = 0; i < 3000 && s.refused < 10; i++) {
        struct pump_batch *b = take(x);
        if (b) pump_done(x->line, b, ERR_INVALID);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
        pump_stats(x->line, &s);
    }
    s = stats_when_empty(x);
    CHECK_INT(s.refused, 10);
    CHECK_INT(s.records, 0);
    bed_fini(x);
    fs_destroy(fs);
    mem_free(x);
}

TEST(again_means_the_same_order)
{
    struct bed *x = mem_alloc(sizeof *x);
    struct fs *fs;
    REQUIRE(!fs_real(test_tmpdir(), false, &fs, NULL));
    REQUIRE(bed_init(x, fs));
    pump_up(x->line, true);
    put(x, 1, 2501);
    struct pump_batch *b = NULL;
    for (int i = 0; i < 3000 && !(b = take(x)); i++) nanosleep(&(struct timespec){0, 1000000}, NULL);
    REQUIRE(b != NULL);
    give_back(x, b);
    while ((b = take(x))) give_back(x, b);
    pump_ready(x->line);
    CHECK(serve(x, 2500, 0));
    CHECK_INT(x->nseen, 2500);
    CHECK(ascending(x, OUTLET_LIVE));
    bed_fini(x);
    fs_destroy(fs);
    mem_free(x);
}

/* A backlog of so many samples, in records of a hundred. */
static void backlog(struct bed *x, int64_t n)
{
    for (int64_t t = 1; t <= n; t += 100) {
        put(x, t, t + 100);
        wait_records(x, (uint64_t)(t + 99) / 100);
    }
    struct pump_stats s = {0};
    for (int i = 0; i < 3000 && s.backlog < s.records + !s.records; i++) {
        refuse(x, ERR_UNAVAILABLE);
        pump_up(x->line, false);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
        pump_stats(x->line, &s);
    }
}

TEST(a_backlog_comes_joined_and_smaller_when_it_is_too_large)
{
    enum { FITS = 2100 };
    struct bed *x = mem_alloc(sizeof *x);
    struct fs *fs;
    size_t too_large = 0, largest = 0;
    REQUIRE(!fs_real(test_tmpdir(), false, &fs, NULL));
    REQUIRE(bed_init(x, fs));
    backlog(x, 5000);
    pump_up(x->line, true);
    for (int i = 0; i < 5000 && x->nseen < 5000; i++) {
        struct pump_batch *b;
        while ((b = take(x))) {
            bool fits = b->b.n <= FITS;
            too_large += !fits;
            if (fits && b->b.n > largest) largest = b->b.n;
            for (size_t k = 0; k < b->b.n && fits; k++) x->seen[x->nseen++] = b->b.items[k].s.time_us;
            pump_done(x->line, b, fits ? 0 : ERR_TOO_LARGE);
        }
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    CHECK(too_large > 0);
    CHECK(largest > RECORD_MAX);
    CHECK_INT(x->nseen, 5000);
    CHECK(all_seen(x, 1, 5001));
    struct pump_stats s = stats_when_empty(x);
    CHECK_INT(s.refused, 0);
    CHECK_INT(s.lost, 0);
    bed_fini(x);
    fs_destroy(fs);
    mem_free(x);
}

TEST(a_backlog_that_must_wait_keeps_its_order)
{
    struct bed *x = mem_alloc(sizeof *x);
    struct fs *fs;
    struct pump_batch *b;
    REQUIRE(!fs_real(test_tmpdir(), false, &fs, NULL));
    REQUIRE(bed_init(x, fs));
    backlog(x, 3000);
    pump_up(x->line, true);
    size_t again = 0;
    for (int i = 0; i < 3000 && again < 5; i++) {
        while ((b = take(x))) give_back(x, b), again++;
        pump_ready(x->line);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    CHECK(serve(x, 3000, 0));
    CHECK_INT(x->nseen, 3000);
    CHECK(ascending(x, OUTLET_BACKFILL));
    CHECK(all_seen(x, 1, 3001));
    bed_fini(x);
    fs_destroy(fs);
    mem_free(x);
}

TEST(a_restart_gives_out_what_was_not_acknowledged)
{
    struct bed *x = mem_alloc(sizeof *x);
    struct fs *fs;
    REQUIRE(!fs_real(test_tmpdir(), false, &fs, NULL));
    REQUIRE(bed_init(x, fs));
    put(x, 1, 501);
    wait_records(x, 1);
    line_close(x, false);
    REQUIRE(line_open(x, 3600000000ll, 64 << 20));
    pump_up(x->line, true);
    CHECK(serve(x, 500, 0));
    CHECK(all_seen(x, 1, 501));
    CHECK_INT(stats_when_empty(x).records, 0);
    line_close(x, false);
    REQUIRE(line_open(x, 3600000000ll, 64 << 20));
    pump_up(x->line, true);
    size_t before = x->n;
    put(x, 501, 502);
    CHECK(serve(x, 501, 0));
    CHECK_INT(x->n, before + 1); /* the acknowledgement was kept */
    line_close(x, true);
    REQUIRE(line_open(x, 3600000000ll, 64 << 20));
    CHECK(stats_when_empty(x).bytes < 100); /* forgotten: a fresh journal */
    bed_fini(x);
    fs_destroy(fs);
    mem_free(x);
}

TEST(power_cut_loses_nothing_that_was_committed)
{
    struct bed *x = mem_alloc(sizeof *x);
    struct fs *fs = sim_fs_new();
    REQUIRE(fs && bed_init(x, fs));
    put(x, 1, 101);
    wait_records(x, 1);
    struct fs *after = sim_fs_power_cut(fs, 11);
    bed_fini(x);
    fs_destroy(fs);
    REQUIRE(after && bed_init(x, after));
    pump_up(x->line, true);
    CHECK(serve(x, 100, 0));
    CHECK(all_seen(x, 1, 101));
    bed_fini(x);
    fs_destroy(after);
    mem_free(x);
}

TEST(old_and_too_much_is_dropped_and_counted)
{
    struct bed *x = mem_alloc(sizeof *x);
    struct fs *fs;
    struct pump_stats s = {0};
    REQUIRE(!fs_real(test_tmpdir(), false, &fs, NULL));
    REQUIRE(bed_init(x, fs));
    put(x, 1, 101);
    wait_records(x, 1);
    line_close(x, false);
    REQUIRE(line_open(x, 1, 64 << 20)); /* a microsecond */
    for (int i = 0; i < 3000 && s.lost < 100; i++) {
        refuse(x, ERR_AGAIN);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
        pump_stats(x->line, &s);
    }
    CHECK_INT(s.lost, 100);
    CHECK_INT(stats_when_empty(x).records, 0);
    bed_fini(x);
    fs_destroy(fs);
    mem_free(x);
}

TEST(discard)
{
    struct bed *x = mem_alloc(sizeof *x);
    struct fs *fs;
    REQUIRE(!fs_real(test_tmpdir(), false, &fs, NULL));
    REQUIRE(bed_init(x, fs));
    put(x, 1, 101);
    wait_records(x, 1);
    struct pump_stats s = {0};
    for (int i = 0; i < 3000 && s.lost < 100; i++) {
        refuse(x, ERR_UNAVAILABLE); /* what is at the receiver is not dropped */
        pump_discard(x->line);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
        pump_stats(x->line, &s);
    }
    CHECK_INT(s.lost, 100);
    CHECK_INT(stats_when_empty(x).records, 0);
    bed_fini(x);
    fs_destroy(fs);
    mem_free(x);
}

TEST(a_full_disk_does_not_stop_what_is_live)
{
    struct bed *x = mem_alloc(sizeof *x);
    struct fs *fs = sim_fs_new();
    struct pump_stats s = {0};
    REQUIRE(fs && bed_init(x, fs));
    pump_up(x->line, true);
    put(x, 1, 11);
    CHECK(serve(x, 10, 0));
    sim_fs_fail(fs, SIM_FS_PWRITE, 1, ERR_DISK_FULL, true);
    put(x, 11, 21);
    CHECK(serve(x, 20, 0));
    pump_stats(x->line, &s);
    CHECK(s.disk_fault && s.fault[0]);
    sim_fs_fail(fs, SIM_FS_PWRITE, 0, 0, false);
    put(x, 21, 31);
    CHECK(serve(x, 30, 0));
    s = stats_when_empty(x);
    CHECK(!s.disk_fault);
    CHECK_INT(s.lost, 0);
    bed_fini(x);
    fs_destroy(fs);
    mem_free(x);
}
