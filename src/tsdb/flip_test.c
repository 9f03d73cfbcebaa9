/* One bit flipped anywhere in any file of a small store, again and again: it opens, no sample and no summary that comes
 * out is wrong, and what is missing was counted (but for the end of the log, which looks like a crash, and texts, whose
 * reading says that they are damaged). A few hundred bits in an ordinary run, every one of so many with
 * BORNITE_FLIPS=1000000 in the environment. */
#include <stdlib.h>
#include "base/mem.h"
#include "base/test.h"
#include "io/sim_fs.h"
#include "tsdb/tsdb.h"

#define POINTS 5
#define SAMPLES 400
#define IN_FILE 330 /* of each point in the segment, the others in the log */
#define SEC INT64_C(1000000)
#define T0 (INT64_C(1700000000) * SEC)
#define FLIPS 400
#define FILES 8

static uint64_t state = 11;
static uint64_t rnd(uint64_t below)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (z ^ (z >> 31)) % below;
}

/* Tenths, whole mantissas, a switch, a counter with gaps, texts. */
static struct sample want(uint32_t p, int64_t i)
{
    struct sample s = {.time_us = T0 + i * SEC, .point = p, .type = SAMPLE_DOUBLE};
    if (p == 1) s.v.d = (double)(500 + i * i % 17) / 10;
    if (p == 2) s.v.d = sqrt((double)i + 2);
    if (p == 3) s.type = SAMPLE_BOOL, s.v.i = i / 50 & 1;
    if (p == 4) s.type = SAMPLE_INT, s.v.i = i * 3;
    if (p == 4 && i % 60 == 7)
        s = (struct sample){.time_us = s.time_us, .point = p, .quality = QUALITY_BAD, .flags = REASON_COMM_FAILURE};
    if (p == 5) s.type = SAMPLE_STRING, s.v.u = 1 + (uint64_t)(i & 1);
    return s;
}

static struct ts_store *open_store(struct fs *fs)
{
    struct ts_store *st = NULL;
    struct error e = {0};
    struct tsdb_config cfg = {.fs = fs, .no_thread = true};
    if (tsdb_open(&cfg, &st, &e)) test_fail(__FILE__, __LINE__, "open: %s", e.text);
    return st;
}

static struct fs *build(void)
{
    struct fs *fs = sim_fs_new();
    struct ts_store *st = open_store(fs);
    struct error e = {0};
    uint64_t id;
    CHECK_INT(st->ops->string_put(st, STR("off"), &id), 0);
    CHECK_INT(st->ops->string_put(st, STR("on"), &id), 0);
    for (int64_t i = 0; i < SAMPLES; i += 10) {
        struct sample s[POINTS * 10];
        for (int64_t k = 0; k < 10; k++)
            for (uint32_t p = 1; p <= POINTS; p++) s[k * POINTS + p - 1] = want(p, i + k);
        CHECK_INT(st->ops->append(st, s, POINTS * 10, &e), 0);
        if (i + 10 == IN_FILE) CHECK_INT(tsdb_seal(st, &e), 0);
    }
    st->ops->close(st);
    return fs;
}

struct seen {
    uint32_t point;
    int64_t at;
    size_t got, wrong;
};

static int see(void *ctx, const struct sample *s, size_t n)
{
    struct seen *c = ctx;
    for (size_t k = 0; k < n; k++, c->got++) {
        int64_t i = (s[k].time_us - T0) / SEC;
        bool known = i >= c->at && i < SAMPLES;
        struct sample w = want(c->point, known ? i : 0);
        c->wrong += !known || memcmp(&w, &s[k], sizeof w) != 0;
        c->at = i + 1;
    }
    return 0;
}

struct look {
    size_t got, wrong;
    uint64_t damage;
    struct ts_summary sum[POINTS];
};

static struct look look_at(struct fs *fs)
{
    struct look l = {0};
    struct ts_stats stats;
    struct error e;
    struct ts_store *st = open_store(fs);
    if (!st) return (struct look){.wrong = 1};
    for (uint32_t p = 1; p <= POINTS; p++) {
        struct seen c = {.point = p};
        if (st->ops->summary(st, p, T0, T0 + SAMPLES * SEC, true, &l.sum[p - 1], &e)) l.wrong++;
        if (st->ops->scan(st, p, INT64_MIN, INT64_MAX, see, &c, &e)) l.wrong++;
        l.got += c.got;
        l.wrong += c.wrong;
    }
    for (uint64_t id = 1; id <= 2; id++) {
        char text[8];
        size_t n;
        if (st->ops->string_get(st, id, text, sizeof text, &n) == 0)
            l.wrong += n != 4 - id || memcmp(text, id == 1 ? "off" : "on", n) != 0;
    }
    st->ops->stats(st, &stats);
    l.damage = stats.damaged_blocks;
    st->ops->close(st);
    return l;
}

struct files {
    char path[FILES][80];
    int64_t size[FILES], total;
    size_t n;
};

static void list_one(void *ctx, const char *name, bool dir, int64_t size)
{
    struct files *f = ctx;
    if (dir || size == 0 || f->n == FILES) return;
    snprintf(f->path[f->n], sizeof f->path[0], "ts/%s", name);
    f->size[f->n++] = size;
    f->total += size;
}

static void flip(struct fs *fs, const char *path, int64_t at, unsigned bit)
{
    struct fs_file *f = NULL;
    uint8_t byte = 0;
    REQUIRE(fs_open(fs, path, FS_READ, &f) == 0);
    CHECK_INT(fs_pread(f, &byte, 1, at), 1);
    fs_close(f);
    byte = (uint8_t)(byte ^ 1u << bit);
    CHECK_INT(sim_fs_poke(fs, path, at, &byte, 1), 0);
}

static bool same_summaries(const struct look *a, const struct look *b)
{
    for (int p = 0; p < POINTS; p++) {
        const struct ts_summary *x = &a->sum[p], *y = &b->sum[p];
        if (x->count != y->count || x->good != y->good || memcmp(&x->sum, &y->sum, sizeof x->sum) != 0) return false;
        if (memcmp(&x->min, &y->min, sizeof x->min) != 0 || memcmp(&x->max, &y->max, sizeof x->max) != 0) return false;
        if (x->integral != y->integral) return false;
    }
    return true;
}

TEST(no_flipped_bit_gives_a_wrong_value)
{
    const char *text = getenv("BORNITE_FLIPS");
    uint64_t flips = text ? strtoull(text, NULL, 10) : FLIPS, lost = 0;
    struct files f = {0};
    struct fs *fs = build();
    struct fs *first = sim_fs_clone(fs);
    struct look clean = look_at(first);
    fs_destroy(first);
    CHECK(clean.got == POINTS * SAMPLES && clean.wrong == 0 && clean.damage == 0);
    CHECK_INT(fs->ops->list(fs, "ts", list_one, &f), 0);
    REQUIRE(f.n >= 3);
    for (uint64_t i = 0; i < flips; i++) {
        size_t k = 0;
        int64_t at = (int64_t)rnd((uint64_t)f.total);
        while (at >= f.size[k]) at -= f.size[k++];
        unsigned bit = (unsigned)rnd(8);
        struct fs *copy = sim_fs_clone(fs);
        flip(copy, f.path[k], at, bit);
        struct look l = look_at(copy);
        bool log = strstr(f.path[k], "/wal-") != NULL, missing = l.got < POINTS * SAMPLES;
        if (l.wrong || l.got > POINTS * SAMPLES || (missing && !l.damage && !log) ||
            (!missing && !l.damage && !same_summaries(&l, &clean)))
            test_fail(__FILE__, __LINE__, "%s, byte %lld, bit %u: %zu wrong, %zu of %d", f.path[k], (long long)at, bit,
                      l.wrong, l.got, POINTS * SAMPLES);
        lost += missing;
        fs_destroy(copy);
    }
    CHECK(lost > flips / 4);
    if (text) printf("%llu flips, %llu lost samples\n", (unsigned long long)flips, (unsigned long long)lost);
    fs_destroy(fs);
}
