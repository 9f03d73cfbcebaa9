/* Bit rot: flipped bits, zeroed sectors, cut files, in every file of a store with segments, a log and
 * strings. After any of them the store opens; what it gives is right; and when something is missing the
 * damage was counted. Only the end of the last log may vanish unnoticed: it looks like a crash. */
#include "base/mem.h"
#include "tsdb/test_model.h"

#define FILES 40

struct file {
    char path[80];
    int64_t size;
};
struct files {
    struct file f[FILES];
    size_t n;
};

static void list_one(void *ctx, const char *name, bool dir, int64_t size)
{
    struct files *l = ctx;
    if (dir || size == 0 || l->n == FILES) return;
    snprintf(l->f[l->n].path, sizeof l->f[0].path, "ts/%s", name);
    l->f[l->n++].size = size;
}

static struct ts_store *open_damaged(struct fs *fs)
{
    struct ts_store *st = NULL;
    struct error e = {0};
    struct tsdb_config cfg = {.fs = fs, .no_thread = true, .wal_max = 40 << 10};
    if (tsdb_open(&cfg, &st, &e)) test_fail(__FILE__, __LINE__, "open: %s", e.text);
    return st;
}

static struct fs *build(struct model *m)
{
    static struct sample batch[4096];
    struct fs *fs = sim_fs_new();
    struct ts_store *st = open_damaged(fs);
    struct error e = {0};
    int64_t now = INT64_C(1700000000) * SEC;
    uint64_t id;
    for (int i = 0; i < 120; i++) {
        size_t n = make_batch(m, &now, batch);
        CHECK_INT(st->ops->append(st, batch, n, &e), 0);
        for (size_t k = 0; k < n; k++) model_put(m, batch[k]);
        if (i % 30 == 20) CHECK_INT(tsdb_seal(st, &e), 0);
        if (i == 20) CHECK_INT(st->ops->string_put(st, STR("first"), &id), 0);
        if (i == 60) CHECK_INT(st->ops->string_put(st, STR("second"), &id), 0);
    }
    st->ops->close(st);
    return fs;
}

struct seen {
    struct series *want;
    size_t at, missing, wrong;
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

struct result {
    size_t missing, wrong;
    uint64_t counted;
    bool string_lost;
};

static bool string_is(struct ts_store *st, uint64_t id, const char *want)
{
    char got[32];
    size_t n;
    int rc = st->ops->string_get(st, id, got, sizeof got, &n);
    if (rc) return false;
    CHECK(n == strlen(want) && memcmp(got, want, n) == 0); /* never another text */
    return true;
}

static struct result look(struct fs *fs, struct model *m)
{
    struct result r = {0};
    struct ts_store *st = open_damaged(fs);
    if (!st) return (struct result){.wrong = 1};
    for (uint32_t p = 1; p <= POINTS; p++) {
        struct seen c = {.want = &m->p[p]};
        struct error e;
        CHECK_INT(st->ops->scan(st, p, INT64_MIN, INT64_MAX, see, &c, &e), 0);
        r.missing += c.missing + c.want->n - c.at;
        r.wrong += c.wrong;
    }
    r.string_lost = (int)!string_is(st, 1, "first") | (int)!string_is(st, 2, "second");
    struct ts_stats stats;
    st->ops->stats(st, &stats);
    r.counted = stats.damaged_blocks;
    st->ops->close(st);
    return r;
}

enum damage { FLIP, ZERO, CUT, DAMAGES };

static bool hurt(struct fs *fs, struct model *rng, const struct file *f, enum damage kind, bool *ret_at_end)
{
    uint8_t zeros[512] = {0};
    int64_t at = (int64_t)rnd(rng, (uint64_t)f->size);
    int64_t len = f->size - at < 512 ? f->size - at : 512;
    *ret_at_end = kind == CUT || at + (kind == ZERO ? len : 1) > f->size - 60;
    if (kind == ZERO) return sim_fs_poke(fs, f->path, at, zeros, (size_t)len) == 0;
    if (kind == CUT) return sim_fs_chop(fs, f->path, at) == 0;
    void *p = NULL;
    size_t n = 0;
    if (fs_read_all(fs, f->path, 1 << 26, &p, &n)) return false;
    uint8_t byte = (uint8_t)(((uint8_t *)p)[at] ^ (1u << rnd(rng, 8)));
    mem_free(p);
    return sim_fs_poke(fs, f->path, at, &byte, 1) == 0;
}

TEST(damage_is_found_and_nothing_wrong_is_read)
{
    struct model m;
    struct files l = {0};
    size_t lost = 0, harmless = 0, rounds = getenv("BORNITE_LONG") ? 20000 : 400;
    model_init(&m, 2024);
    struct fs *fs = build(&m);
    CHECK_INT(fs->ops->list(fs, "ts", list_one, &l), 0);
    REQUIRE(l.n >= 4);
    struct result clean = look(fs, &m);
    CHECK(clean.missing == 0 && clean.wrong == 0 && clean.counted == 0 && !clean.string_lost);
    for (size_t i = 0; i < rounds; i++) {
        struct fs *copy = sim_fs_clone(fs);
        const struct file *f = &l.f[i % l.n];
        bool at_end = false, is_log = strstr(f->path, "/wal-"), is_strings = strstr(f->path, "/strings");
        if (hurt(copy, &m, f, (enum damage)(i / l.n % DAMAGES), &at_end)) {
            struct result r = look(copy, &m);
            if (r.wrong) test_fail(__FILE__, __LINE__, "round %zu: %s: %zu wrong values", i, f->path, r.wrong);
            bool gone = r.missing || r.string_lost;
            if (gone && !r.counted && !(at_end && (is_log || is_strings)) && !r.string_lost)
                test_fail(__FILE__, __LINE__, "round %zu: %s: %zu samples lost unnoticed", i, f->path, r.missing);
            lost += gone;
            harmless += !gone;
        }
        fs_destroy(copy);
    }
    CHECK(lost > rounds / 10 && harmless > 0);
    model_fini(&m);
    fs_destroy(fs);
}
