/* Blobs: what is acknowledged comes back byte for byte, whatever happens to power, calls, memory and bits; files go by
 * age and by size; snapshots, disk use, previews and scrubs know of them. */
#include <pthread.h>
#include <stdatomic.h>
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/test.h"
#include "io/sim_fs.h"
#include "model/waveform.h"
#include "tsdb/blobs.h"
#include "tsdb/restore.h"
#include "tsdb/tsdb.h"

#define SEC INT64_C(1000000)
#define HOUR (3600 * SEC)
#define DAY (24 * HOUR)
#define T0 (INT64_C(1700000000) * SEC)
#define BLOBS 24

struct plant {
    struct fs *fs;
    struct sim_clock clock;
    struct ts_store *st;
    struct ts_class classes[2];
    struct error e;
};

static int open_at(struct plant *p, struct fs *fs)
{
    static const uint32_t points[] = {2};
    static const uint8_t class_of[] = {1};
    struct tsdb_config cfg = {.fs = fs,
                              .clock = &p->clock.clock,
                              .no_thread = true,
                              .classes = p->classes,
                              .nclasses = 2,
                              .points = points,
                              .point_classes = class_of,
                              .npoints = 1};
    return tsdb_open(&cfg, &p->st, &p->e);
}

static void begin(struct plant *p)
{
    *p = (struct plant){.fs = sim_fs_new(), .classes = {{.id = 0}, {.id = 1}}};
    sim_clock_init(&p->clock, T0);
    CHECK_INT(open_at(p, p->fs), 0);
}

static void end(struct plant *p)
{
    if (p->st) p->st->ops->close(p->st);
    fs_destroy(p->fs);
}

static void reopen(struct plant *p)
{
    p->st->ops->close(p->st);
    CHECK_INT(open_at(p, p->fs), 0);
}

/* Bytes of a kind and a seed: noise, text that shrinks, or nothing. */
static struct str make(uint32_t seed, size_t n)
{
    static uint8_t bytes[TS_BLOB_MAX];
    uint64_t z = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (size_t i = 0; i < n; i++) {
        z ^= z << 13, z ^= z >> 7, z ^= z << 17;
        bytes[i] = (uint8_t)(seed % 2 ? z : 'a' + z % 3);
    }
    return str_make((char *)bytes, n);
}

static int put(struct plant *p, uint32_t point, int64_t t, uint32_t seed, size_t n, uint64_t *ret_id)
{
    struct str b = make(seed, n);
    return p->st->ops->blob_put(p->st, point, t, "application/pdf", b, ret_id, &p->e);
}

static int got(struct plant *p, uint64_t id, uint32_t point, int64_t t, uint32_t seed, size_t n)
{
    struct ts_blob b = {0};
    struct buf out;
    struct str want = make(seed, n);
    buf_init(&out, TS_BLOB_MAX);
    int rc = p->st->ops->blob_get(p->st, id, &b, &out, &p->e);
    if (rc == 0) {
        CHECK_Z(b.type, "application/pdf");
        CHECK(b.size == n && b.point == point && b.time_us == t);
        CHECK(str_eq(buf_view(&out), want));
    }
    buf_fini(&out);
    return rc;
}

static uint64_t damaged(struct plant *p)
{
    struct ts_stats s;
    p->st->ops->stats(p->st, &s);
    return s.damaged_blocks;
}

/* ---- what goes in comes out ---- */
TEST(every_size_comes_back)
{
    static const size_t sizes[] = {0, 1, 7, 8, 31, 32, 33, 1000, 65536, 1000003, TS_BLOB_MAX};
    enum { N = sizeof sizes / sizeof *sizes };
    uint64_t id[N];
    struct plant p;
    begin(&p);
    for (uint32_t i = 0; i < N; i++) CHECK_INT(put(&p, 1, T0 + i, i, sizes[i], &id[i]), 0);
    for (uint32_t i = 0; i < N; i++) CHECK_INT(got(&p, id[i], 1, T0 + i, i, sizes[i]), 0);
    reopen(&p);
    for (uint32_t i = 0; i < N; i++) CHECK_INT(got(&p, id[i], 1, T0 + i, i, sizes[i]), 0);
    uint64_t ignored;
    struct ts_blob b;
    CHECK_INT(put(&p, 1, T0, 0, 5, &ignored), 0);
    CHECK(ignored > id[N - 1]);
    CHECK_INT(p.st->ops->blob_get(p.st, id[3], &b, NULL, &p.e), 0);
    CHECK_INT(b.size, 8);
    CHECK_INT(damaged(&p), 0);
    end(&p);
}

TEST(what_is_not_possible_is_refused)
{
    static const char *const bad[] = {"", "has space", "tab\t", "umlaut/\xc3\xbc",
                                      "a/0123456789012345678901234567890123456789012345678901234567890123456789"};
    struct plant p;
    struct ts_blob b;
    uint64_t id;
    begin(&p);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_INT(p.st->ops->blob_put(p.st, 1, T0, bad[i], STR("x"), &id, &p.e), ERR_INVALID);
    CHECK_INT(p.st->ops->blob_put(p.st, 0, T0, "a/b", STR("x"), &id, &p.e), ERR_INVALID);
    struct str big = make(1, TS_BLOB_MAX);
    big.n++;
    CHECK_INT(p.st->ops->blob_put(p.st, 1, T0, "a/b", big, &id, &p.e), ERR_TOO_LARGE);
    CHECK_INT(p.st->ops->blob_get(p.st, UINT64_C(77) << 32 | 4, &b, NULL, &p.e), ERR_NOT_FOUND);
    CHECK_INT(damaged(&p), 0);
    end(&p);
}

static int64_t file_bytes(struct plant *p)
{
    struct ts_class_usage u;
    CHECK_INT(p->st->ops->class_usage(p->st, 0, &u), 0);
    return (int64_t)u.bytes;
}

TEST(waveforms_and_text_shrink)
{
    enum { N = 20000 };
    static double v[N];
    struct plant p;
    struct buf w, out;
    struct ts_blob b;
    uint64_t id, text;
    begin(&p);
    buf_init(&w, 1 << 20);
    buf_init(&out, 1 << 20);
    for (int i = 0; i < N; i++) v[i] = (double)(float)(sin(i * 0.001) + 0.001 * sin(i * 1.7));
    CHECK_INT(waveform_pack(v, N, 1e-4, STR("g"), &w, &p.e), 0);
    CHECK_INT(p.st->ops->blob_put(p.st, 1, T0, WAVEFORM_TYPE, buf_view(&w), &id, &p.e), 0);
    CHECK(file_bytes(&p) < (int64_t)w.n * 8 / 10); /* zstd alone: 93 % */
    CHECK_INT(p.st->ops->blob_get(p.st, id, &b, &out, &p.e), 0);
    CHECK(str_eq(buf_view(&out), buf_view(&w)));
    int64_t before = file_bytes(&p);
    CHECK_INT(put(&p, 1, T0, 2, 100000, &text), 0); /* three letters */
    CHECK(file_bytes(&p) - before < 30000);
    CHECK_INT(got(&p, text, 1, T0, 2, 100000), 0);
    buf_fini(&w);
    buf_fini(&out);
    end(&p);
}

static int count(void *ctx, const struct sample *s, size_t n)
{
    uint64_t *id = ctx;
    for (size_t i = 0; i < n; i++) CHECK(s[i].type == SAMPLE_BLOB && s[i].v.u == id[(s[i].time_us - T0) / SEC]);
    id[BLOBS] += n;
    return 0;
}

TEST(samples_of_blobs_are_kept_and_are_no_numbers)
{
    struct plant p;
    struct ts_summary sum;
    uint64_t id[BLOBS + 1];
    begin(&p);
    for (uint32_t i = 0; i < BLOBS; i++) {
        CHECK_INT(put(&p, 1, T0 + i * SEC, i, 100 + i, &id[i]), 0);
        struct sample s = {.time_us = T0 + i * SEC, .point = 1, .type = SAMPLE_BLOB, .v.u = id[i]};
        CHECK_INT(p.st->ops->append(p.st, &s, 1, &p.e), 0);
        if (i == 5 || i == 11) CHECK_INT(tsdb_seal(p.st, &p.e), 0);
        if (i == 15) reopen(&p);
    }
    for (int round = 0; round < 3; round++) { /* in memory, sealed, merged */
        id[BLOBS] = 0;
        CHECK_INT(p.st->ops->scan(p.st, 1, T0, T0 + DAY, count, id, &p.e), 0);
        CHECK_INT(id[BLOBS], BLOBS);
        CHECK_INT(p.st->ops->summary(p.st, 1, T0, T0 + DAY, true, &sum, &p.e), 0);
        CHECK(sum.count == BLOBS && sum.good == BLOBS && sum.usable == 0 && isnan(sum.max) && isnan(sum.twa));
        CHECK_INT(round ? tsdb_merge(p.st, &p.e) : tsdb_seal(p.st, &p.e), 0);
    }
    end(&p);
}

/* ---- power, calls, memory ---- */
struct script {
    struct {
        uint64_t id;
        bool done;
    } b[BLOBS];
};

static int run(struct plant *p, struct script *s)
{
    int failed = 0;
    for (uint32_t i = 0; i < BLOBS; i++) {
        int rc = put(p, 1 + i % 2, T0 + i * SEC, i, 40 * i, &s->b[i].id);
        s->b[i].done = rc == 0;
        failed += rc != 0;
        if (i % 6 == 5) blobs_end(tsdb_of(p->st), 0); /* four files a class */
    }
    return failed;
}

static void check_all(struct plant *p, const struct script *s)
{
    for (uint32_t i = 0; i < BLOBS; i++)
        if (s->b[i].done) CHECK_INT(got(p, s->b[i].id, 1 + i % 2, T0 + i * SEC, i, 40 * i), 0);
}

/* What fails now may fail, but no bytes are taken for lost that are not. */
static void check_while_failing(struct plant *p, const struct script *s)
{
    for (uint32_t i = 0; i < BLOBS; i++) {
        int rc = s->b[i].done ? got(p, s->b[i].id, 1 + i % 2, T0 + i * SEC, i, 40 * i) : 0;
        CHECK(rc != ERR_CORRUPT && rc != ERR_NOT_FOUND);
    }
}

static void check_after(struct plant *p, struct script *s, struct fs *fs)
{
    uint64_t id;
    p->st = NULL;
    REQUIRE(open_at(p, fs) == 0);
    check_all(p, s);
    CHECK_INT(damaged(p), 0);
    CHECK_INT(put(p, 2, T0, 3, 77, &id), 0);
    for (uint32_t i = 0; i < BLOBS; i++) CHECK(!s->b[i].done || s->b[i].id != id);
    CHECK_INT(got(p, id, 2, T0, 3, 77), 0);
    p->st->ops->close(p->st);
    REQUIRE(open_at(p, fs) == 0);
    check_all(p, s);
    CHECK_INT(got(p, id, 2, T0, 3, 77), 0);
    CHECK_INT(damaged(p), 0);
    p->st->ops->close(p->st);
    p->st = NULL;
}

TEST(power_cut_anywhere)
{
    uint64_t states = 0, calls = 0;
    for (bool more = true; more; calls++) {
        struct plant p = {.fs = sim_fs_new()};
        struct script s = {0};
        sim_clock_init(&p.clock, T0);
        sim_fs_power_off_after(p.fs, calls);
        more = open_at(&p, p.fs) != 0 || run(&p, &s) != 0;
        if (p.st) p.st->ops->close(p.st);
        for (uint64_t seed = 0; seed < 6; seed++, states++) {
            struct fs *cut = sim_fs_power_cut(p.fs, seed + calls * 100);
            check_after(&p, &s, cut);
            fs_destroy(cut);
        }
        fs_destroy(p.fs);
    }
    CHECK(states > 300);
}

TEST(power_cut_while_opening)
{
    for (uint64_t calls = 10; calls < 80; calls += 7) {
        struct plant p = {.fs = sim_fs_new()};
        struct script s = {0};
        sim_clock_init(&p.clock, T0);
        sim_fs_power_off_after(p.fs, calls);
        if (open_at(&p, p.fs) == 0) run(&p, &s);
        if (p.st) p.st->ops->close(p.st);
        for (uint64_t again = 0; again < 10; again++) {
            struct fs *first = sim_fs_power_cut(p.fs, again + calls);
            p.st = NULL;
            sim_fs_power_off_after(first, again);
            if (open_at(&p, first) == 0) p.st->ops->close(p.st);
            struct fs *second = sim_fs_power_cut(first, again);
            check_after(&p, &s, second);
            fs_destroy(second);
            fs_destroy(first);
        }
        fs_destroy(p.fs);
    }
}

static void heal(struct fs *fs)
{
    sim_fs_capacity(fs, 0);
    sim_fs_fail(fs, SIM_FS_ANY, 0, 0, false);
    mem_fail_at(0, false);
}

TEST(every_call_and_allocation_may_fail)
{
    static const int errors[] = {ERR_IO, ERR_DISK_FULL, ERR_NOMEM};
    size_t failures = 0;
    for (uint64_t n = 1; n < 260; n += 1 + n / 20)
        for (int k = 0; k < 3; k++) {
            struct plant p;
            struct script s = {0};
            begin(&p);
            if (errors[k] == ERR_NOMEM)
                mem_fail_at(n, n % 2);
            else
                sim_fs_fail(p.fs, SIM_FS_ANY, n, errors[k], n % 3 == 0);
            failures += run(&p, &s) != 0;
            check_while_failing(&p, &s);
            heal(p.fs);
            check_all(&p, &s);
            uint64_t id;
            CHECK_INT(put(&p, 1, T0, 1, 9, &id), 0);
            CHECK_INT(got(&p, id, 1, T0, 1, 9), 0);
            p.st->ops->close(p.st);
            check_after(&p, &s, p.fs);
            fs_destroy(p.fs);
        }
    CHECK(failures > 30);
}

TEST(full_disk)
{
    struct plant p;
    uint64_t id, more;
    begin(&p);
    CHECK_INT(put(&p, 1, T0, 1, 5000, &id), 0);
    sim_fs_capacity(p.fs, 9000);
    CHECK_INT(put(&p, 1, T0 + 1, 3, 5000, &more), ERR_DISK_FULL);
    CHECK(strstr(p.e.text, "disk full") != NULL);
    sim_fs_capacity(p.fs, 0);
    CHECK_INT(put(&p, 1, T0 + 1, 3, 5000, &more), 0);
    CHECK_INT(more >> 32, id >> 32); /* in the same file */
    CHECK_INT(got(&p, id, 1, T0, 1, 5000), 0);
    CHECK_INT(got(&p, more, 1, T0 + 1, 3, 5000), 0);
    end(&p);
}

/* ---- damage ---- */
struct name {
    char path[8][64];
    int64_t size[8];
    size_t n;
};

static void list_one(void *ctx, const char *name, bool dir, int64_t size)
{
    struct name *l = ctx;
    if (dir || l->n == 8) return;
    snprintf(l->path[l->n], sizeof l->path[0], "ts/blobs/%s", name);
    l->size[l->n++] = size;
}

static struct name files_of(struct fs *fs)
{
    struct name l = {0};
    CHECK_INT(fs->ops->list(fs, "ts/blobs", list_one, &l), 0);
    return l;
}

static int any(void *ctx, const struct ts_damage *d)
{
    struct ts_damage *last = ctx;
    *last = *d;
    return 1;
}

static void scrub_all(struct plant *p, struct ts_scrub *s, uint64_t slice)
{
    *s = (struct ts_scrub){0};
    for (int i = 0; i < 10000 && !s->done; i++) CHECK_INT(p->st->admin->scrub(p->st, s, slice, &p->e), 0);
    CHECK(s->done);
}

TEST(a_flipped_bit_is_never_given_back)
{
    struct plant p;
    struct script s = {0};
    size_t lost = 0;
    begin(&p);
    CHECK_INT(run(&p, &s), 0);
    p.st->ops->close(p.st);
    struct name l = files_of(p.fs);
    CHECK(l.n == 8); /* two classes, four files each */
    for (size_t k = 0; k < l.n; k++)
        for (int64_t at = 0; at < l.size[k]; at += 17) {
            struct fs *fs = sim_fs_clone(p.fs);
            struct ts_scrub scrub;
            uint8_t byte;
            struct fs_file *f = NULL;
            CHECK_INT(fs_open(fs, l.path[k], FS_READ, &f), 0);
            CHECK_INT(fs_pread(f, &byte, 1, at), 1);
            fs_close(f);
            byte ^= (uint8_t)(1 << at % 8);
            CHECK_INT(sim_fs_poke(fs, l.path[k], at, &byte, 1), 0);
            REQUIRE(open_at(&p, fs) == 0);
            size_t gone = 0;
            for (uint32_t i = 0; i < BLOBS; i++) {
                int rc = got(&p, s.b[i].id, 1 + i % 2, T0 + i * SEC, i, 40 * i);
                CHECK(rc == 0 || rc == ERR_CORRUPT);
                gone += rc != 0;
            }
            CHECK(gone <= 1);
            CHECK(!gone || damaged(&p) == 1);
            scrub_all(&p, &scrub, 300);
            CHECK(scrub.damaged == gone); /* what pads a record is not looked at */
            lost += gone;
            p.st->ops->close(p.st);
            fs_destroy(fs);
        }
    CHECK(lost > 150);
    fs_destroy(p.fs);
}

TEST(a_broken_body_is_listed_with_its_sample)
{
    struct plant p;
    struct ts_scrub s;
    struct ts_damage d = {0};
    struct ts_stats x;
    uint64_t id[3];
    begin(&p);
    for (uint32_t i = 0; i < 3; i++) CHECK_INT(put(&p, 1, T0 + i, 1, 1000, &id[i]), 0);
    struct name l = files_of(p.fs);
    scrub_all(&p, &s, 100);
    p.st->ops->stats(p.st, &x);
    CHECK(s.damaged == 0 && s.blocks == 3 && s.bytes == x.bytes_blobs);
    CHECK_INT(sim_fs_poke(p.fs, l.path[0], (int64_t)(id[1] & UINT32_MAX) * 8 + 200, "!", 1), 0);
    scrub_all(&p, &s, 100);
    CHECK_INT(s.damaged, 1);
    CHECK_INT(p.st->admin->damage(p.st, any, &d), 1);
    CHECK_Z(d.file, l.path[0]);
    CHECK(d.point == 1 && d.from_us == T0 + 1 && d.samples == 1 && d.bytes >= 1000);
    CHECK_INT(got(&p, id[1], 1, T0 + 1, 1, 1000), ERR_CORRUPT);
    CHECK_INT(got(&p, id[2], 1, T0 + 2, 1, 1000), 0);
    CHECK_INT(damaged(&p), 1); /* once */
    end(&p);
}

TEST(a_file_without_both_ends_is_set_aside)
{
    struct plant p;
    uint64_t id;
    begin(&p);
    CHECK_INT(put(&p, 1, T0, 1, 1000, &id), 0);
    p.st->ops->close(p.st);
    struct name l = files_of(p.fs);
    CHECK_INT(sim_fs_poke(p.fs, l.path[0], 20, "!!!", 3), 0);
    CHECK_INT(sim_fs_chop(p.fs, l.path[0], l.size[0] - 10), 0);
    CHECK_INT(open_at(&p, p.fs), 0);
    CHECK_INT(got(&p, id, 1, T0, 1, 1000), ERR_NOT_FOUND);
    CHECK_INT(damaged(&p), 1);
    l = files_of(p.fs);
    CHECK(l.n == 1 && strstr(l.path[0], "/bad-"));
    end(&p);
}

TEST(a_newer_version_is_refused)
{
    struct plant p;
    uint64_t id;
    begin(&p);
    CHECK_INT(put(&p, 1, T0, 1, 10, &id), 0);
    p.st->ops->close(p.st);
    struct name l = files_of(p.fs);
    uint8_t head[BLOB_FILE_HEAD];
    struct blob_info i = {.number = (uint32_t)(id >> 32)};
    blob_head_encode(&i, head);
    head[8] = 2;
    uint32_t crc = crc32c(0, head, 28);
    memcpy(head + 28, &crc, 4);
    CHECK_INT(sim_fs_poke(p.fs, l.path[0], 0, head, sizeof head), 0);
    p.st = NULL;
    CHECK_INT(open_at(&p, p.fs), ERR_UNSUPPORTED);
    CHECK(strstr(p.e.text, l.path[0]) != NULL);
    end(&p);
}

/* ---- retention ---- */
TEST(files_go_when_their_newest_sample_is_too_old)
{
    struct plant p;
    uint64_t id[6];
    struct ts_preview v[TS_CLASSES];
    begin(&p);
    for (uint32_t i = 0; i < 6; i++) { /* 2 MiB a day; the fourth is late by a year */
        CHECK_INT(put(&p, 1, i == 3 ? T0 - 365 * DAY : T0 + i * DAY, 1, 2 << 20, &id[i]), 0);
        sim_clock_advance(&p.clock, DAY);
    }
    struct ts_class c[2] = {{.id = 0, .max_age_us = 3 * DAY + HOUR}, {.id = 1}};
    CHECK_INT(p.st->admin->preview(p.st, c, 2, v, &p.e), 0);
    CHECK_INT(v[0].bytes >> 20, 8); /* four of six */
    CHECK(v[0].samples == 0 && v[1].bytes == 0);
    CHECK_INT(p.st->ops->classes(p.st, c, 2), 0);
    int64_t before = file_bytes(&p);
    CHECK_INT(p.st->ops->enforce(p.st, &p.e), 0);
    CHECK_INT(before - file_bytes(&p), (int64_t)v[0].bytes);
    for (uint32_t i = 0; i < 6; i++) CHECK_INT(got(&p, id[i], 1, T0 + i * DAY, 1, 2 << 20), i < 4 ? ERR_NOT_FOUND : 0);
    CHECK_INT(files_of(p.fs).n, 1); /* of the last two days */
    sim_clock_advance(&p.clock, 30 * DAY);
    CHECK_INT(p.st->ops->enforce(p.st, &p.e), 0); /* also the one that was being added to, once the clock is believed */
    sim_clock_advance(&p.clock, 2 * DAY);
    CHECK_INT(p.st->ops->enforce(p.st, &p.e), 0);
    CHECK_INT(files_of(p.fs).n, 0);
    CHECK_INT(put(&p, 1, clock_now_us(&p.clock.clock), 1, 9, &id[0]), 0);
    CHECK_INT(damaged(&p), 0);
    end(&p);
}

TEST(one_ancient_sample_holds_nothing_back)
{
    struct plant p;
    uint64_t old, young;
    begin(&p);
    struct ts_class c[2] = {{.id = 0, .max_age_us = 30 * DAY}, {.id = 1}};
    CHECK_INT(p.st->ops->classes(p.st, c, 2), 0);
    CHECK_INT(put(&p, 1, T0 - 29 * DAY, 1, 100, &old), 0);
    CHECK_INT(put(&p, 1, T0, 3, 100, &young), 0);
    CHECK_INT(old >> 32, young >> 32); /* small: one file */
    sim_clock_advance(&p.clock, 2 * DAY);
    CHECK_INT(p.st->ops->enforce(p.st, &p.e), 0);
    CHECK_INT(got(&p, old, 1, T0 - 29 * DAY, 1, 100), ERR_NOT_FOUND); /* its time has run out, the file stays */
    CHECK_INT(got(&p, young, 1, T0, 3, 100), 0);
    CHECK_INT(files_of(p.fs).n, 1);
    end(&p);
}

TEST(the_oldest_go_when_a_class_is_too_big)
{
    struct plant p;
    uint64_t id[8];
    struct ts_preview v[TS_CLASSES];
    struct ts_class_usage u;
    begin(&p);
    struct ts_class c[2] = {{.id = 0}, {.id = 1, .max_bytes = 5 << 20}};
    CHECK_INT(p.st->ops->classes(p.st, c, 2), 0);
    for (uint32_t i = 0; i < 8; i++) CHECK_INT(put(&p, 2, T0 + i * HOUR, 1, 1 << 20, &id[i]), 0);
    uint64_t other;
    CHECK_INT(put(&p, 1, T0, 1, 8 << 20, &other), 0);
    CHECK_INT(p.st->admin->preview(p.st, c, 2, v, &p.e), 0);
    CHECK(v[1].bytes >= 3 << 20 && v[1].bytes < (5 << 20) && v[0].bytes == 0);
    CHECK_INT(p.st->ops->enforce(p.st, &p.e), 0);
    CHECK_INT(p.st->ops->class_usage(p.st, 1, &u), 0);
    CHECK(u.bytes <= 5 << 20 && u.bytes >= 3 << 20);
    CHECK_INT(got(&p, id[0], 2, T0, 1, 1 << 20), ERR_NOT_FOUND);
    CHECK_INT(got(&p, id[7], 2, T0 + 7 * HOUR, 1, 1 << 20), 0);
    CHECK_INT(got(&p, other, 1, T0, 1, 8 << 20), 0);
    end(&p);
}

/* ---- disk use, snapshots ---- */
struct used {
    uint64_t bytes[4], blocks[4];
    int64_t newest_us;
};

static int use(void *ctx, const struct ts_usage *u)
{
    struct used *x = ctx;
    CHECK(u->point < 4 && u->place == TS_HOT);
    x->bytes[u->point] += u->bytes;
    x->blocks[u->point] += u->blocks;
    x->newest_us = u->newest_us;
    return 0;
}

TEST(disk_use_by_point_adds_up)
{
    struct plant p;
    struct used u = {0};
    uint64_t id;
    begin(&p);
    for (uint32_t i = 0; i < 10; i++) CHECK_INT(put(&p, i % 2 ? 3 : 1, T0 + i * SEC, 1, i % 2 ? 3000 : 1000, &id), 0);
    CHECK_INT(p.st->admin->usage(p.st, use, &u, &p.e), 0);
    CHECK(u.bytes[1] >= 5000 && u.bytes[1] < 5500 && u.bytes[3] >= 15000 && u.bytes[3] < 15500);
    CHECK(u.blocks[1] == 5 && u.blocks[3] == 5 && u.newest_us == T0 + 9 * SEC);
    CHECK_INT(u.bytes[1] + u.bytes[3], file_bytes(&p));
    reopen(&p);
    u = (struct used){0};
    CHECK_INT(p.st->admin->usage(p.st, use, &u, &p.e), 0);
    CHECK_INT(u.bytes[1] + u.bytes[3], file_bytes(&p));
    end(&p);
}

static const struct ts_snapshot_file *file_of(const struct ts_snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->nfiles; i++)
        if (strcmp(s->files[i].name, name) == 0) return &s->files[i];
    return NULL;
}

/* The file stands in both; what the first has of it is the beginning of what the second has. */
static void check_prefix(struct ts_snapshot *a, struct ts_snapshot *b, uint32_t number)
{
    static uint8_t x[2000], y[2000];
    char path[BLOB_PATH_MAX];
    blob_path(number, path);
    const struct ts_snapshot_file *f = file_of(a, path), *g = file_of(b, path);
    REQUIRE(f && g);
    CHECK(f->bytes < g->bytes && strcmp(f->id, g->id) != 0);
    CHECK_INT(a->ops->read(a, (size_t)(f - a->files), x, sizeof x, 0), f->bytes);
    CHECK(b->ops->read(b, (size_t)(g - b->files), y, sizeof y, 0) >= f->bytes);
    CHECK(memcmp(x, y, (size_t)f->bytes) == 0);
}

TEST(a_snapshot_has_the_bytes_of_its_moment)
{
    struct plant p, copy;
    struct ts_snapshot *a = NULL, *b = NULL, *c = NULL;
    struct script s = {0};
    uint64_t late, later;
    begin(&p);
    CHECK_INT(run(&p, &s), 0);
    REQUIRE(p.st->admin->snapshot(p.st, &a, &p.e) == 0);
    CHECK_INT(put(&p, 1, T0, 1, 500, &late), 0);
    REQUIRE(p.st->admin->snapshot(p.st, &b, &p.e) == 0);
    size_t blobs = 0;
    for (size_t i = 0; i < a->nfiles; i++) {
        if (strncmp(a->files[i].name, "ts/blobs/", 9) != 0) continue;
        const struct ts_snapshot_file *f = file_of(b, a->files[i].name);
        CHECK(f && strcmp(f->id, a->files[i].id) == 0 && f->bytes == a->files[i].bytes); /* finished for ever */
        blobs++;
    }
    CHECK_INT(blobs, 8);
    CHECK_INT(b->nfiles, a->nfiles + 1);
    CHECK_INT(put(&p, 1, T0, 1, 300, &later), 0);
    REQUIRE(p.st->admin->snapshot(p.st, &c, &p.e) == 0);
    CHECK_INT(c->nfiles, b->nfiles); /* a short file grows on, under another identity */
    CHECK_INT(later >> 32, late >> 32);
    check_prefix(b, c, (uint32_t)(late >> 32));
    c->ops->end(c);
    b->ops->end(b);
    struct ts_class table[2] = {{.id = 0, .max_age_us = DAY}, {.id = 1, .max_age_us = DAY}};
    sim_clock_advance(&p.clock, 2 * DAY); /* everything expires while it is read */
    CHECK_INT(p.st->ops->classes(p.st, table, 2), 0);
    CHECK_INT(p.st->ops->enforce(p.st, &p.e), 0);
    sim_clock_advance(&p.clock, 2 * DAY);
    CHECK_INT(p.st->ops->enforce(p.st, &p.e), 0);
    CHECK_INT(file_bytes(&p), 0);
    copy = p;
    copy.fs = sim_fs_new();
    restore_all(a, copy.fs);
    a->ops->end(a);
    CHECK_INT(open_at(&copy, copy.fs), 0);
    check_all(&copy, &s);
    CHECK_INT(got(&copy, late, 1, T0, 1, 500), ERR_NOT_FOUND);
    CHECK_INT(put(&copy, 1, T0, 1, 7, &late), 0);
    for (uint32_t i = 0; i < BLOBS; i++) CHECK(s.b[i].id != late);
    CHECK_INT(damaged(&copy), 0);
    end(&copy);
    CHECK_INT(files_of(p.fs).n, 0); /* the last reader is gone */
    end(&p);
}

/* ---- all at once ---- */
enum { PUTTERS = 3, PUTS = 40 };
struct putter {
    struct plant *p;
    pthread_t thread;
    uint32_t point;
    uint64_t id[PUTS];
    atomic_uint n;
    const uint8_t *bytes;
};

static size_t length_of(uint32_t point, uint32_t i)
{
    return 500 * point + i;
}

static void *put_many(void *arg)
{
    struct putter *x = arg;
    for (uint32_t i = 0; i < PUTS; i++) {
        struct error e;
        struct str b = str_make((const char *)x->bytes + x->point, length_of(x->point, i));
        CHECK_INT(x->p->st->ops->blob_put(x->p->st, x->point, T0 + i, "a/b", b, &x->id[i], &e), 0);
        atomic_store(&x->n, i + 1);
    }
    return NULL;
}

static void read_back(struct putter *x)
{
    uint32_t n = atomic_load(&x->n);
    for (uint32_t i = 0; i < n; i++) {
        struct ts_blob b = {0};
        struct buf out;
        struct error e;
        buf_init(&out, TS_BLOB_MAX);
        CHECK_INT(x->p->st->ops->blob_get(x->p->st, x->id[i], &b, &out, &e), 0);
        CHECK(b.point == x->point && b.time_us == T0 + i && out.n == length_of(x->point, i));
        CHECK(out.n == 0 || memcmp(out.p, x->bytes + x->point, out.n) == 0);
        buf_fini(&out);
    }
}

TEST(threads)
{
    struct plant p;
    static struct putter x[PUTTERS];
    begin(&p);
    const uint8_t *bytes = (const uint8_t *)make(1, 4000).p;
    for (uint32_t k = 0; k < PUTTERS; k++) {
        x[k] = (struct putter){.p = &p, .point = k + 1, .bytes = bytes};
        CHECK_INT(pthread_create(&x[k].thread, NULL, put_many, &x[k]), 0);
    }
    for (bool busy = true; busy;) {
        struct ts_snapshot *s = NULL;
        struct ts_scrub scrub = {0};
        struct used u = {0};
        struct ts_stats stats;
        busy = false;
        for (int k = 0; k < PUTTERS; k++) busy |= atomic_load(&x[k].n) < PUTS;
        for (int k = 0; k < PUTTERS; k++) read_back(&x[k]);
        CHECK_INT(p.st->admin->usage(p.st, use, &u, &p.e), 0);
        CHECK_INT(p.st->admin->scrub(p.st, &scrub, 1 << 20, &p.e), 0);
        CHECK_INT(p.st->ops->enforce(p.st, &p.e), 0);
        CHECK_INT(p.st->admin->snapshot(p.st, &s, &p.e), 0);
        if (s) s->ops->end(s);
        p.st->ops->stats(p.st, &stats);
        CHECK_INT(stats.damaged_blocks, 0);
    }
    for (int k = 0; k < PUTTERS; k++) pthread_join(x[k].thread, NULL);
    for (int k = 0; k < PUTTERS; k++) read_back(&x[k]);
    end(&p);
}
