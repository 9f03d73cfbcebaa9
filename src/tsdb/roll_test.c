/* Rollups: the engine against a naive table over days of data, with late samples, rewrites, deletions, seals, merges,
 * reopenings and power cuts in between; with and without rollups the same figures; damaged files; cells that outlive
 * their samples. roll_min is small so that few samples make cells. */
#include "base/crc32c.h"
#include "base/mem.h"
#include "tsdb/test_model.h"

#define HOUR (3600 * SEC)
/* BORNITE_LONG in the environment runs many times as much. */
static uint64_t times(uint64_t n)
{
    return getenv("BORNITE_LONG") ? n * 10 : n;
}

#define DAY (24 * HOUR)
#define T0 (INT64_C(1700006400) * SEC) /* a midnight */

struct rig {
    struct model m;
    struct fs *fs;
    struct ts_store *st, *plain; /* plain: without rollups */
    struct fs *plain_fs;
    int64_t now;
    bool thread;
    uint32_t roll_min;
};

static struct ts_store *open_store(struct fs *fs, bool thread, bool no_rollups, uint32_t roll_min)
{
    struct ts_store *st = NULL;
    struct error e = {0};
    struct tsdb_config cfg = {
        .fs = fs, .no_thread = !thread, .wal_max = 64 << 10, .no_rollups = no_rollups, .roll_min = roll_min};
    if (tsdb_open(&cfg, &st, &e)) test_fail(__FILE__, __LINE__, "open: %s", e.text);
    return st;
}

static void rig_init(struct rig *r, uint64_t seed, bool thread)
{
    *r = (struct rig){.fs = sim_fs_new(), .plain_fs = sim_fs_new(), .now = T0, .thread = thread, .roll_min = 5};
    model_init(&r->m, seed);
    r->st = open_store(r->fs, thread, false, r->roll_min);
    r->plain = open_store(r->plain_fs, false, true, 0);
}

static void rig_fini(struct rig *r)
{
    r->st->ops->close(r->st);
    r->plain->ops->close(r->plain);
    model_fini(&r->m);
    fs_destroy(r->fs);
    fs_destroy(r->plain_fs);
}

static void put(struct rig *r, const struct sample *s, size_t n)
{
    struct error e = {0};
    if (n == 0) return;
    CHECK_INT(r->st->ops->append(r->st, s, n, &e), 0);
    CHECK_INT(r->plain->ops->append(r->plain, s, n, &e), 0);
    for (size_t i = 0; i < n; i++) model_put(&r->m, s[i]);
}

/* Some hours of all points at a step that differs by point, or late ones, or a burst of one point. */
static void put_some(struct rig *r)
{
    static struct sample batch[8192];
    size_t n = 0;
    uint64_t kind = rnd(&r->m, 10);
    if (kind == 0) {
        for (size_t k = rnd(&r->m, 30) + 1; n < k; n++)
            batch[n] =
                make_sample(&r->m, 1 + (uint32_t)rnd(&r->m, POINTS), r->now - (int64_t)rnd(&r->m, 100 * 3600) * SEC);
    } else if (kind == 1) {
        uint32_t p = 1 + (uint32_t)rnd(&r->m, POINTS);
        int64_t t = r->now - (int64_t)rnd(&r->m, 50 * 3600) * SEC;
        for (size_t k = rnd(&r->m, 300); n < k; n++)
            batch[n] = make_sample(&r->m, p, t += (int64_t)rnd(&r->m, 3 * SEC));
    } else {
        int64_t end = r->now + (int64_t)rnd(&r->m, 5 * 3600) * SEC;
        for (uint32_t p = 1; p <= POINTS; p++) {
            int64_t step = (p % 5 == 0 ? 3000 : 200 + 97 * (int64_t)(p % 4)) * SEC;
            for (int64_t t = r->now + p * SEC; t < end && n < 8192; t += step) batch[n++] = make_sample(&r->m, p, t);
        }
        r->now = end;
    }
    put(r, batch, n);
}

static void delete_some(struct rig *r)
{
    struct error e = {0};
    uint32_t p = 1 + (uint32_t)rnd(&r->m, POINTS);
    int64_t from = r->now - (int64_t)rnd(&r->m, 200 * 3600) * SEC, to = from + (int64_t)rnd(&r->m, 30 * 3600) * SEC;
    CHECK_INT(r->st->ops->remove(r->st, p, from, to, &e), 0);
    CHECK_INT(r->plain->ops->remove(r->plain, p, from, to, &e), 0);
    model_remove(&r->m, p, from, to);
}

struct windows_of {
    struct ts_summary w[WINDOWS_MAX];
    size_t n;
};

/* Both stores and the plain computation agree. */
static void check_range(struct rig *r, uint32_t p, int64_t from, int64_t length, size_t n, bool step)
{
    int64_t edges[WINDOWS_MAX + 1];
    struct ts_summary a, b;
    struct error e = {0};
    if (n > WINDOWS_MAX) n = WINDOWS_MAX;
    for (size_t i = 0; i <= n; i++) edges[i] = from + (int64_t)i * length;
    check_windows(r->st, p, edges, n, step);
    int64_t to = edges[n];
    REQUIRE(r->st->ops->summary(r->st, p, from, to, step, &a, &e) == 0);
    REQUIRE(r->plain->ops->summary(r->plain, p, from, to, step, &b, &e) == 0);
    CHECK(same_figures(&a, &b, 1 + fabs(b.sum) + fabs(b.integral) + (isnan(b.max) ? 0 : fabs(b.max))));
    check_plot(r->st, &r->m, p, from, to, 1 + (uint32_t)rnd(&r->m, 400));
}

static void check_rig(struct rig *r, int n)
{
    static const int64_t lengths[] = {HOUR, DAY, 8 * HOUR, 7 * HOUR + 1, 60 * SEC, 30 * DAY, 600 * SEC};
    for (int i = 0; i < n; i++) {
        uint32_t p = 1 + (uint32_t)rnd(&r->m, POINTS);
        int64_t length = lengths[rnd(&r->m, 7)], from = T0 - DAY;
        if (rnd(&r->m, 2)) from = T0 + (int64_t)rnd(&r->m, (uint64_t)(r->now - T0) / SEC + 1) * SEC;
        if (rnd(&r->m, 3) == 0) from += (int64_t)rnd(&r->m, 3600) * SEC + 7;
        if (rnd(&r->m, 3) == 0) from = T0 + (int64_t)rnd(&r->m, 200) * HOUR - HOUR / 2; /* days of half-hour zones */
        check_range(r, p, from, length, 1 + rnd(&r->m, 100), rnd(&r->m, 2));
        check_scan(r->st, &r->m, p, from, from + length);
    }
}

static void run_rig(uint64_t seed, bool thread, int steps)
{
    static struct rig r;
    struct error e = {0};
    rig_init(&r, seed, thread);
    for (int i = 0; i < steps; i++) {
        put_some(&r);
        uint64_t dice = rnd(&r.m, 30);
        if (dice < 6) CHECK_INT(tsdb_seal(r.st, &e), 0);
        if (dice >= 4 && dice < 9) CHECK_INT(tsdb_merge(r.st, &e), 0);
        if (dice >= 9 && dice < 11) delete_some(&r);
        if (dice == 11) {
            r.st->ops->close(r.st);
            r.st = open_store(r.fs, thread, rnd(&r.m, 6) == 0, r.roll_min);
        }
        if (rnd(&r.m, 4) == 0) check_rig(&r, 1);
    }
    CHECK_INT(tsdb_seal(r.st, &e), 0);
    CHECK_INT(tsdb_merge(r.st, &e), 0);
    check_rig(&r, 15);
    rig_fini(&r);
}

TEST(rolled_equals_plain)
{
    for (uint64_t seed = 1; seed <= times(2); seed++) run_rig(seed, false, 40);
}
TEST(rolled_equals_plain_for_long)
{
    run_rig(77, false, (int)times(60));
}
TEST(rolled_equals_plain_with_thread)
{
    run_rig(78, true, (int)times(20));
}

/* ---- files ---- */
struct names {
    char path[64][96];
    int64_t size[64];
    size_t n;
};

static void note_roll(void *ctx, const char *name, bool dir, int64_t size)
{
    struct names *l = ctx;
    if (dir || strncmp(name, "roll-", 5) != 0 || l->n == 64) return;
    l->size[l->n] = size;
    snprintf(l->path[l->n++], sizeof l->path[0], "ts/%s", name);
}

static struct names roll_files(struct fs *fs)
{
    struct names l = {.n = 0};
    CHECK_INT(fs->ops->list(fs, "ts", note_roll, &l), 0);
    return l;
}

static void fill_days(struct rig *r, int days)
{
    static struct sample batch[8192];
    struct error e = {0};
    for (int d = 0; d < days; d++) {
        size_t n = 0;
        for (uint32_t p = 1; p <= POINTS; p++)
            for (int64_t t = r->now + p; t < r->now + DAY; t += 300 * SEC) batch[n++] = make_sample(&r->m, p, t);
        r->now += DAY;
        put(r, batch, n);
        CHECK_INT(tsdb_seal(r->st, &e), 0);
        CHECK_INT(tsdb_merge(r->st, &e), 0);
    }
}

TEST(files_are_there_and_few)
{
    static struct rig r;
    rig_init(&r, 5, false);
    fill_days(&r, 12);
    struct names l = roll_files(r.fs);
    CHECK(l.n > 0 && l.n < 12);
    check_rig(&r, 20);
    rig_fini(&r);
}

/* A byte set, the end cut off, or the file gone: the answers stay right, and the rollups come back. */
TEST(damaged_files_are_rebuilt)
{
    struct error e = {0};
    for (uint64_t seed = 0; seed < times(6); seed++) {
        static struct rig r;
        rig_init(&r, seed + 100, false);
        fill_days(&r, 5);
        r.st->ops->close(r.st);
        struct names l = roll_files(r.fs);
        REQUIRE(l.n > 0);
        size_t which = rnd(&r.m, l.n);
        uint8_t byte = (uint8_t)rnd(&r.m, 256);
        if (seed % 6 == 0)
            CHECK_INT(r.fs->ops->remove(r.fs, l.path[which]), 0);
        else if (seed % 6 == 1)
            CHECK_INT(sim_fs_chop(r.fs, l.path[which], (int64_t)rnd(&r.m, (uint64_t)l.size[which])), 0);
        else
            CHECK_INT(sim_fs_poke(r.fs, l.path[which], (int64_t)rnd(&r.m, (uint64_t)l.size[which]), &byte, 1), 0);
        r.st = open_store(r.fs, false, false, r.roll_min);
        check_rig(&r, 20);
        put_some(&r);
        check_rig(&r, 5);
        CHECK_INT(tsdb_seal(r.st, &e), 0);
        CHECK_INT(tsdb_merge(r.st, &e), 0);
        check_rig(&r, 20);
        CHECK(roll_files(r.fs).n > 0);
        rig_fini(&r);
    }
}

/* Say that a file is of some version. */
static void set_version(struct fs *fs, const char *path, int64_t size, uint8_t version)
{
    uint8_t foot[256];
    struct fs_file *f;
    REQUIRE(fs_open(fs, path, FS_READ, &f) == 0);
    CHECK_INT(fs_pread(f, foot, sizeof foot, size - 256), 256);
    fs_close(f);
    foot[8] = version;
    uint32_t crc = crc32c(0, foot, 252);
    for (int i = 0; i < 4; i++) foot[252 + i] = (uint8_t)(crc >> 8 * i);
    CHECK_INT(sim_fs_poke(fs, path, size - 256, foot, sizeof foot), 0);
}

TEST(the_first_version_is_read_and_a_later_one_refused)
{
    static struct rig r;
    struct error e = {0};
    rig_init(&r, 21, false);
    fill_days(&r, 3);
    r.st->ops->close(r.st);
    struct names l = roll_files(r.fs);
    REQUIRE(l.n > 0);
    for (size_t i = 0; i < l.n; i++) set_version(r.fs, l.path[i], l.size[i], 1);
    r.st = open_store(r.fs, false, false, r.roll_min);
    check_rig(&r, 10);
    r.st->ops->close(r.st);
    CHECK_INT(roll_files(r.fs).n, l.n);
    set_version(r.fs, l.path[0], l.size[0], 3);
    struct tsdb_config cfg = {.fs = r.fs, .no_thread = true};
    CHECK_INT(tsdb_open(&cfg, &r.st, &e), ERR_UNSUPPORTED);
    CHECK(e.text[0] && e.text_zh[0]);
    CHECK_INT(roll_files(r.fs).n, l.n);
    set_version(r.fs, l.path[0], l.size[0], 2);
    r.st = open_store(r.fs, false, false, r.roll_min);
    check_rig(&r, 3);
    rig_fini(&r);
}

static int note_damage(void *ctx, const struct ts_damage *d)
{
    struct names *l = ctx;
    snprintf(l->path[l->n % 64], sizeof l->path[0], "%s", d->file);
    l->n++;
    return 0;
}

static struct ts_scrub scrub(struct rig *r, uint64_t slice)
{
    struct ts_scrub s = {0};
    struct error e = {0};
    for (int i = 0; i < 100000 && !s.done; i++) CHECK_INT(r->st->admin->scrub(r->st, &s, slice, &e), 0);
    CHECK(s.done);
    return s;
}

/* A scrub reads rollups, too: a byte that is set anywhere in one is found, told once, and mended by the next merge. */
TEST(scrub_finds_what_is_broken)
{
    struct error e = {0};
    for (uint64_t seed = 0; seed < times(4); seed++) {
        static struct rig r;
        struct ts_stats before, after;
        rig_init(&r, seed + 300, false);
        fill_days(&r, 3);
        struct names l = roll_files(r.fs), told = {.n = 0};
        REQUIRE(l.n > 0);
        CHECK_INT(scrub(&r, 500).damaged, 0);
        CHECK_INT(scrub(&r, UINT64_MAX).bytes, scrub(&r, 500).bytes);
        size_t which = rnd(&r.m, l.n);
        int64_t at = seed ? (int64_t)rnd(&r.m, (uint64_t)l.size[which]) : l.size[which] - 10; /* in the footer, once */
        uint8_t byte[8];
        memset(byte, (int)rnd(&r.m, 256), sizeof byte);
        if (at > l.size[which] - 8) at = l.size[which] - 8;
        CHECK_INT(sim_fs_poke(r.fs, l.path[which], at, byte, sizeof byte), 0);
        r.st->ops->stats(r.st, &before);
        CHECK_INT(scrub(&r, 700).damaged, 1);
        r.st->ops->stats(r.st, &after);
        CHECK_INT(after.damaged_blocks, before.damaged_blocks + 1);
        CHECK_INT(r.st->admin->damage(r.st, note_damage, &told), 0);
        CHECK(told.n == 1 && strcmp(told.path[0], l.path[which]) == 0);
        check_rig(&r, 4); /* the samples tell */
        CHECK_INT(tsdb_merge(r.st, &e), 0);
        CHECK_INT(scrub(&r, UINT64_MAX).damaged, 0);
        check_rig(&r, 4);
        CHECK(roll_files(r.fs).n > 0);
        told.n = 0;
        CHECK_INT(r.st->admin->damage(r.st, note_damage, &told), 0);
        CHECK_INT(told.n, 1);
        r.st->ops->stats(r.st, &after);
        CHECK_INT(after.damaged_blocks, before.damaged_blocks + 1);
        rig_fini(&r);
    }
}

/* ---- power cuts ---- */
static void run_script(struct rig *r, uint64_t calls, int steps, bool *ret_cut)
{
    static struct sample batch[2048];
    struct error e = {0};
    *ret_cut = true;
    sim_fs_power_off_after(r->fs, calls);
    struct tsdb_config cfg = {.fs = r->fs, .no_thread = true, .roll_min = 5};
    if (tsdb_open(&cfg, &r->st, &e)) return;
    int rc = 0;
    for (int i = 0; i < steps && !rc; i++) {
        size_t n = 0;
        for (uint32_t p = 1; p <= POINTS; p++)
            for (int64_t t = r->now + p; t < r->now + 7 * HOUR; t += 500 * SEC) batch[n++] = make_sample(&r->m, p, t);
        if (i % 3 == 2)
            for (int k = 0; k < 20; k++)
                batch[n++] =
                    make_sample(&r->m, 1 + (uint32_t)rnd(&r->m, POINTS), r->now - (int64_t)rnd(&r->m, 90000) * SEC);
        r->now += 7 * HOUR;
        rc = r->st->ops->append(r->st, batch, n, &e);
        for (size_t k = 0; k < n && !rc; k++) model_put(&r->m, batch[k]);
        if (!rc && i % 4 == 3) {
            uint32_t p = 1 + (uint32_t)rnd(&r->m, POINTS);
            rc = r->st->ops->remove(r->st, p, r->now - 20 * HOUR, r->now - 9 * HOUR, &e);
            if (!rc) model_remove(&r->m, p, r->now - 20 * HOUR, r->now - 9 * HOUR);
        }
        if (!rc) rc = tsdb_seal(r->st, &e);
        if (!rc) rc = tsdb_merge(r->st, &e);
    }
    r->st->ops->close(r->st);
    *ret_cut = rc != 0;
}

/* What was under way when the power went may be there: only what the store itself gives is compared. */
static void check_after_cut(struct rig *r, struct fs *fs)
{
    struct ts_store *st = open_store(fs, false, false, 5);
    struct error e = {0};
    struct ts_stats stats;
    for (int merged = 0; merged < 2 && st; merged++) {
        for (int i = 0; i < 3; i++) {
            int64_t edges[40], length = i == 0 ? HOUR : 8 * HOUR;
            uint32_t p = 1 + (uint32_t)rnd(&r->m, POINTS);
            for (int k = 0; k < 40; k++) edges[k] = T0 + (i == 2) * 1800 * SEC + k * length;
            check_windows(st, p, edges, 39, i & 1);
        }
        CHECK_INT(tsdb_merge(st, &e), 0);
    }
    if (!st) return;
    st->ops->stats(st, &stats);
    CHECK_INT(stats.damaged_blocks, 0);
    st->ops->close(st);
}

TEST(power_cut_at_any_call)
{
    uint64_t step = getenv("BORNITE_LONG") ? 1 : 41;
    bool cut = true;
    for (uint64_t calls = 3; cut; calls += step) {
        static struct rig r;
        r = (struct rig){.fs = sim_fs_new(), .now = T0};
        model_init(&r.m, 31);
        run_script(&r, calls, 9, &cut);
        for (uint64_t seed = 0; seed < 3; seed++) {
            struct fs *after = sim_fs_power_cut(r.fs, seed + calls * 10);
            check_after_cut(&r, after);
            fs_destroy(after);
        }
        model_fini(&r.m);
        fs_destroy(r.fs);
    }
}

TEST(failing_calls_and_allocations_leave_right_figures)
{
    struct error e = {0};
    for (uint64_t n = 1; n < 400; n += 1 + (getenv("BORNITE_LONG") ? n / 8 : n))
        for (int kind = 0; kind < 3; kind++) {
            static struct rig r;
            rig_init(&r, 900 + n, false);
            put_some(&r);
            put_some(&r);
            CHECK_INT(tsdb_seal(r.st, &e), 0);
            if (kind == 2)
                mem_fail_at(n, false);
            else
                sim_fs_fail(r.fs, kind ? SIM_FS_PREAD : SIM_FS_ANY, n, ERR_IO, false);
            int rc = tsdb_merge(r.st, &e);
            mem_fail_at(0, false);
            sim_fs_fail(r.fs, kind ? SIM_FS_PREAD : SIM_FS_ANY, 0, 0, false);
            CHECK(rc <= 0);
            check_rig(&r, 4);
            CHECK_INT(tsdb_merge(r.st, &e), 0);
            check_rig(&r, 4);
            rig_fini(&r);
        }
}
