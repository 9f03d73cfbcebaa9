/* Every data directory that was ever released opens: golden/v1 was written by the first version, golden/v2 by the
 * one with bundles and index pages in columns; they are opened here as copies. With BORNITE_GOLDEN=directory in the
 * environment the test writes a new one there instead (for the next version of the format; old ones stay). Runs in the
 * source directory. */
#include "base/mem.h"
#include "base/test.h"
#include "io/sim_fs.h"
#include "tsdb/tsdb.h"

#define POINTS 8
#define POLLS 600
#define SEC INT64_C(1000000)
#define T0 (INT64_C(1750000000) * SEC)

static struct sample golden_sample(uint32_t p, int i)
{
    struct sample s = {.time_us = T0 + i * SEC + 1000, .point = p, .type = SAMPLE_DOUBLE};
    if (p <= 3) s.v.d = (double)(2340 + i * (int)p % 37) / 10;
    if (p == 4) s.v.d = sqrt((double)i);
    if (p == 5) s.type = SAMPLE_BOOL, s.v.i = i / 100 & 1;
    if (p == 6) s.type = SAMPLE_INT, s.v.i = i * 3;
    if (p == 7) s.type = SAMPLE_STRING, s.v.u = 1 + (uint64_t)(i / 300);
    if (p == 8) s.time_us += i % 7;
    if (i % 90 == 8) s.quality = QUALITY_BAD, s.flags = REASON_SENSOR_FAILURE;
    if (i % 90 == 9)
        s = (struct sample){.time_us = s.time_us,
                            .point = p,
                            .type = SAMPLE_NONE,
                            .quality = QUALITY_BAD,
                            .flags = REASON_COMM_FAILURE};
    return s;
}

static bool left_out(uint32_t p, int i)
{
    return p == 2 && i % 3;
} /* behind an exception filter */

static void write_golden(const char *dir)
{
    static const uint32_t points[] = {6};
    static const uint8_t classes[] = {3};
    struct fs *fs = NULL;
    struct ts_store *st = NULL;
    struct error e = {0};
    uint64_t id;
    REQUIRE(fs_real(dir, false, &fs, &e) == 0);
    struct tsdb_config cfg = {
        .fs = fs, .no_thread = true, .no_rollups = true, .points = points, .point_classes = classes, .npoints = 1};
    REQUIRE(tsdb_open(&cfg, &st, &e) == 0);
    CHECK_INT(st->ops->string_put(st, STR("stopped"), &id), 0);
    CHECK_INT(st->ops->string_put(st, STR("运行"), &id), 0);
    for (int i = 0; i < POLLS; i++) {
        struct sample s[POINTS];
        size_t n = 0;
        for (uint32_t p = 1; p <= POINTS; p++)
            if (!left_out(p, i)) s[n++] = golden_sample(p, i);
        CHECK_INT(st->ops->append(st, s, n, &e), 0);
        if (i == 250 || i == 550) CHECK_INT(tsdb_seal(st, &e), 0);
    }
    st->ops->close(st);
    fs_destroy(fs);
}

struct copy {
    struct fs *from, *to;
    int files;
};

static void copy_one(void *ctx, const char *name, bool dir, int64_t size)
{
    struct copy *c = ctx;
    char path[128];
    void *p = NULL;
    size_t n = 0;
    snprintf(path, sizeof path, "ts/%s", name);
    if (fs_read_all(c->from, path, 1 << 20, &p, &n)) return;
    c->files += fs_replace(c->to, path, p, n) == 0;
    mem_free(p);
}

struct seen {
    uint32_t point;
    int i, wrong;
};

static int see(void *ctx, const struct sample *s, size_t n)
{
    struct seen *c = ctx;
    for (size_t k = 0; k < n; k++, c->i++) {
        while (left_out(c->point, c->i)) c->i++;
        struct sample want = golden_sample(c->point, c->i);
        c->wrong += memcmp(&want, &s[k], sizeof want) != 0;
    }
    return 0;
}

static void check_golden(struct fs *fs)
{
    struct ts_store *st = NULL;
    struct ts_stats stats;
    struct error e = {0};
    struct tsdb_config cfg = {.fs = fs, .no_thread = true};
    char text[16];
    size_t n = 0;
    REQUIRE(tsdb_open(&cfg, &st, &e) == 0);
    for (uint32_t p = 1; p <= POINTS; p++) {
        struct seen c = {.point = p};
        CHECK_INT(st->ops->scan(st, p, INT64_MIN, INT64_MAX, see, &c, &e), 0);
        CHECK_INT(c.wrong, 0);
        CHECK_INT(c.i, p == 2 ? POLLS - 2 : POLLS);
    }
    CHECK(st->ops->string_get(st, 2, text, sizeof text, &n) == 0 && n == 6 && memcmp(text, "运行", 6) == 0);
    st->ops->stats(st, &stats);
    CHECK_INT(stats.damaged_blocks, 0);
    CHECK_INT(stats.segments, 4);
    CHECK(stats.samples_head > 0);
    st->ops->close(st);
}

static void open_copy(const char *golden)
{
    struct copy c = {.to = sim_fs_new()};
    struct error e;
    REQUIRE(fs_real(golden, false, &c.from, &e) == 0);
    CHECK_INT(c.to->ops->mkdir(c.to, "ts"), 0);
    CHECK_INT(c.from->ops->list(c.from, "ts", copy_one, &c), 0);
    CHECK_INT(c.files, 6); /* strings, one log, two segments of each of two classes */
    check_golden(c.to);
    fs_destroy(c.from);
    fs_destroy(c.to);
}

TEST(first_version_opens)
{
    open_copy("src/tsdb/golden/v1");
}

TEST(second_version_opens)
{
    const char *dir = getenv("BORNITE_GOLDEN");
    if (dir)
        write_golden(dir);
    else
        open_copy("src/tsdb/golden/v2");
}
