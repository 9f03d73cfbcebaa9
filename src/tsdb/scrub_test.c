/* Scrubbing finds what is broken, the list tells what was lost and outlives restarts, and a damaged segment is written
 * again without the broken blocks, its original kept. */
#include "base/mem.h"
#include "tsdb/test_model.h"

#define T0 (INT64_C(1700000000) * SEC)

struct plant {
    struct fs *fs;
    struct ts_store *st;
    struct model m;
    int64_t now;
    struct error e;
};

static int open_store(struct plant *p)
{
    struct tsdb_config cfg = {.fs = p->fs, .no_thread = true};
    return tsdb_open(&cfg, &p->st, &p->e);
}

static void begin(struct plant *p, uint64_t seed)
{
    static struct sample batch[4096];
    *p = (struct plant){.fs = sim_fs_new(), .now = T0};
    model_init(&p->m, seed);
    CHECK_INT(open_store(p), 0);
    for (int i = 0; i < 90; i++) {
        size_t n = make_batch(&p->m, &p->now, batch);
        CHECK_INT(p->st->ops->append(p->st, batch, n, &p->e), 0);
        for (size_t k = 0; k < n; k++) model_put(&p->m, batch[k]);
        if (i % 30 == 29) CHECK_INT(tsdb_seal(p->st, &p->e), 0);
    }
}

static void end(struct plant *p)
{
    p->st->ops->close(p->st);
    fs_destroy(p->fs);
    model_fini(&p->m);
}

struct list {
    struct ts_damage d[200];
    size_t n;
};

static int note(void *ctx, const struct ts_damage *d)
{
    struct list *l = ctx;
    if (l->n < 200) l->d[l->n++] = *d;
    return 0;
}

static struct list damage_of(struct plant *p)
{
    struct list l = {0};
    CHECK_INT(p->st->admin->damage(p->st, note, &l), 0);
    return l;
}

static struct ts_scrub scrub(struct plant *p, uint64_t slice)
{
    struct ts_scrub s = {0};
    for (int i = 0; i < 100000 && !s.done; i++) CHECK_INT(p->st->admin->scrub(p->st, &s, slice, &p->e), 0);
    CHECK(s.done);
    return s;
}

struct names {
    char path[80];
    int64_t size;
    int segs, bad;
};

static void look(void *ctx, const char *name, bool dir, int64_t size)
{
    struct names *n = ctx;
    n->bad += strncmp(name, "bad-seg-", 8) == 0;
    if (strncmp(name, "seg-", 4) != 0) return;
    n->segs++;
    n->size = size;
    snprintf(n->path, sizeof n->path, "ts/%s", name);
}

static struct names files(struct plant *p)
{
    struct names n = {0};
    CHECK_INT(p->fs->ops->list(p->fs, "ts", look, &n), 0);
    return n;
}

TEST(a_sound_store_is_read_as_a_whole)
{
    struct plant p;
    struct ts_stats x;
    begin(&p, 1);
    p.st->ops->stats(p.st, &x);
    struct ts_scrub one = scrub(&p, UINT64_MAX), many = scrub(&p, 300);
    CHECK_INT(one.bytes, x.bytes_blocks);
    CHECK_INT(one.blocks, x.blocks);
    CHECK_INT(one.damaged, 0);
    CHECK_INT(many.bytes, one.bytes);
    CHECK_INT(many.blocks, one.blocks);
    CHECK_INT(damage_of(&p).n, 0);
    CHECK_INT(p.st->admin->scrub(p.st, &one, 1, &p.e), 0); /* done stays done */
    end(&p);
}

struct seen {
    struct series *want;
    size_t at, wrong, missing;
};

static int see(void *ctx, const struct sample *x, size_t n)
{
    struct seen *c = ctx;
    for (size_t i = 0; i < n; i++) {
        while (c->at < c->want->n && c->want->s[c->at].time_us < x[i].time_us) c->at++, c->missing++;
        if (c->at < c->want->n && same(&x[i], &c->want->s[c->at]))
            c->at++;
        else
            c->wrong++;
    }
    return 0;
}

static size_t missing(struct plant *p)
{
    size_t n = 0;
    for (uint32_t k = 1; k <= POINTS; k++) {
        struct seen c = {.want = &p->m.p[k]};
        CHECK_INT(p->st->ops->scan(p->st, k, INT64_MIN, INT64_MAX, see, &c, &p->e), 0);
        CHECK_INT(c.wrong, 0);
        n += c.missing + c.want->n - c.at;
    }
    return n;
}

TEST(what_is_broken_is_found_told_and_mended)
{
    size_t described = 0, lost = 0;
    for (uint64_t seed = 0; seed < (getenv("BORNITE_LONG") ? 400 : 14); seed++) {
        struct plant p;
        begin(&p, 2);
        p.m.rng = seed * 977;
        struct names n = files(&p);
        int64_t at = 64 + (int64_t)rnd(&p.m, (uint64_t)n.size - 64 - 128);
        uint8_t junk[3] = {0x55, 0xaa, (uint8_t)seed};
        CHECK_INT(sim_fs_poke(p.fs, n.path, at, junk, sizeof junk), 0);
        p.st->ops->close(p.st);
        CHECK_INT(open_store(&p), 0);
        struct ts_scrub s = scrub(&p, 1000);
        CHECK(s.damaged > 0);
        struct list l = damage_of(&p);
        CHECK(l.n > 0 && strcmp(l.d[0].file, n.path) == 0 && l.d[0].found_us > 0);
        uint64_t told = 0;
        for (size_t i = 0; i < l.n; i++) {
            described += l.d[i].point > 0;
            told += l.d[i].samples;
            if (l.d[i].point) CHECK(l.d[i].point <= POINTS && l.d[i].from_us <= l.d[i].to_us && l.d[i].bytes > 0);
        }
        size_t gone = missing(&p);
        CHECK(gone <= told); /* a rewritten sample may be told and not be missing */
        lost += gone;
        CHECK_INT(tsdb_merge(p.st, &p.e), 0);
        CHECK_INT(missing(&p), gone); /* nothing wrong, nothing more */
        n = files(&p);
        CHECK(n.bad == 1 && n.segs >= 2);
        CHECK_INT(scrub(&p, 4000).damaged, 0); /* the store is sound again */
        size_t rows = damage_of(&p).n;
        p.st->ops->close(p.st);
        CHECK_INT(open_store(&p), 0);
        struct list again = damage_of(&p);
        CHECK_INT(again.n, rows);
        CHECK(again.n && l.n && memcmp(&again.d[again.n - 1], &l.d[l.n - 1], sizeof l.d[0]) == 0);
        CHECK_INT(missing(&p), gone);
        end(&p);
    }
    CHECK(described > 3 && lost > 0);
}

TEST(a_reader_reports_what_it_meets)
{
    struct plant p;
    begin(&p, 3);
    struct names n = files(&p);
    uint8_t zeros[64] = {0};
    for (int64_t at = 200; at + 400 < n.size; at += 700) CHECK_INT(sim_fs_poke(p.fs, n.path, at, zeros, 64), 0);
    p.st->ops->close(p.st);
    CHECK_INT(open_store(&p), 0);
    size_t gone = missing(&p);
    CHECK(gone > 0);
    struct list l = damage_of(&p);
    struct ts_stats x;
    p.st->ops->stats(p.st, &x);
    CHECK(l.n > 0 && x.damaged_blocks > 0);
    CHECK_INT(tsdb_merge(p.st, &p.e), 0);
    CHECK_INT(missing(&p), gone);
    CHECK_INT(files(&p).bad, 1);
    end(&p);
}

TEST(faults_while_mending)
{
    for (uint64_t calls = 0; calls < 60; calls += getenv("BORNITE_LONG") ? 1 : 5) {
        struct plant p, q;
        begin(&p, 4);
        struct names n = files(&p);
        uint8_t junk = 0x77;
        CHECK_INT(sim_fs_poke(p.fs, n.path, n.size / 3, &junk, 1), 0);
        p.st->ops->close(p.st);
        CHECK_INT(open_store(&p), 0);
        size_t gone = missing(&p);
        sim_fs_power_off_after(p.fs, calls);
        struct ts_scrub s = {0};
        if (p.st->admin->scrub(p.st, &s, UINT64_MAX, &p.e) == 0 && tsdb_merge(p.st, &p.e)) s.done = false;
        for (uint64_t seed = 0; seed < 3; seed++) {
            q = p;
            q.fs = sim_fs_power_cut(p.fs, seed);
            REQUIRE(open_store(&q) == 0);
            CHECK_INT(missing(&q), gone);
            (void)scrub(&q, UINT64_MAX);
            CHECK_INT(tsdb_merge(q.st, &q.e), 0);
            CHECK_INT(missing(&q), gone);
            CHECK_INT(files(&q).bad, 1);
            q.st->ops->close(q.st);
            fs_destroy(q.fs);
        }
        end(&p);
    }
}
