/* Snapshots: the picture of one moment, read while the store goes on and merges its files away. */
#include "base/mem.h"
#include "tsdb/restore.h"
#include "tsdb/test_model.h"

struct plant {
    struct fs *fs;
    struct ts_store *st;
    struct model m;
    int64_t now;
    struct error e;
};

static struct ts_store *open_at(struct fs *fs)
{
    struct tsdb_config cfg = {.fs = fs, .no_thread = true, .roll_min = 8};
    struct ts_store *st = NULL;
    struct error e = {0};
    if (tsdb_open(&cfg, &st, &e)) test_fail(__FILE__, __LINE__, "open: %s", e.text);
    return st;
}

static void begin(struct plant *p)
{
    *p = (struct plant){.fs = sim_fs_new(), .now = INT64_C(1700000000) * SEC};
    model_init(&p->m, 77);
    p->st = open_at(p->fs);
}

static void feed(struct plant *p, int batches, bool seal)
{
    static struct sample batch[4096];
    for (int i = 0; i < batches; i++) {
        size_t n = make_batch(&p->m, &p->now, batch);
        CHECK_INT(p->st->ops->append(p->st, batch, n, &p->e), 0);
        for (size_t k = 0; k < n; k++) model_put(&p->m, batch[k]);
        if (seal && i % 10 == 9) CHECK_INT(tsdb_seal(p->st, &p->e), 0);
    }
}

static const struct ts_snapshot_file *file_of(const struct ts_snapshot *s, const char *name)
{
    for (size_t i = 0; i < s->nfiles; i++)
        if (strcmp(s->files[i].name, name) == 0) return &s->files[i];
    return NULL;
}

static bool has_rollups(const struct ts_snapshot *s)
{
    for (size_t i = 0; i < s->nfiles; i++)
        if (strncmp(s->files[i].name, "ts/roll-", 8) == 0) return true;
    return false;
}

TEST(a_snapshot_is_the_moment_it_was_taken)
{
    struct plant p;
    struct model then;
    struct ts_snapshot *s = NULL;
    uint64_t id = 0, late = 0;
    char text[16];
    size_t n = 0;
    begin(&p);
    feed(&p, 60, true);
    CHECK_INT(p.st->ops->string_put(p.st, STR("before"), &id), 0);
    CHECK_INT(tsdb_merge(p.st, &p.e), 0);
    feed(&p, 7, false); /* in memory only */
    model_copy(&then, &p.m);
    REQUIRE(p.st->admin->snapshot(p.st, &s, &p.e) == 0);
    CHECK_INT(p.st->ops->string_put(p.st, STR("after"), &late), 0);
    feed(&p, 60, true);
    CHECK(has_rollups(s));
    CHECK_INT(tsdb_merge(p.st, &p.e), 0); /* removes what the snapshot holds */
    struct fs *to = sim_fs_new();
    restore_all(s, to);
    s->ops->end(s);
    struct ts_store *st = open_at(to);
    REQUIRE(st != NULL);
    for (uint32_t k = 1; k <= POINTS; k++) check_scan(st, &then, k, INT64_MIN, INT64_MAX);
    check_some(st, &then, INT64_C(1700000000) * SEC, p.now);
    CHECK_INT(st->ops->string_get(st, id, text, sizeof text, &n), 0);
    CHECK(n == 6 && memcmp(text, "before", 6) == 0);
    CHECK_INT(st->ops->string_get(st, late, text, sizeof text, &n), ERR_NOT_FOUND);
    st->ops->close(st);
    for (uint32_t k = 1; k <= POINTS; k++) check_scan(p.st, &p.m, k, INT64_MIN, INT64_MAX);
    p.st->ops->close(p.st);
    fs_destroy(to);
    fs_destroy(p.fs);
    model_fini(&then);
    model_fini(&p.m);
}

TEST(the_same_file_keeps_its_identity)
{
    struct plant p;
    struct ts_snapshot *a = NULL, *b = NULL;
    uint64_t id;
    begin(&p);
    feed(&p, 20, true);
    CHECK_INT(p.st->ops->string_put(p.st, STR("one"), &id), 0);
    REQUIRE(p.st->admin->snapshot(p.st, &a, &p.e) == 0);
    feed(&p, 3, false);
    REQUIRE(p.st->admin->snapshot(p.st, &b, &p.e) == 0);
    CHECK_INT(b->nfiles, a->nfiles + 1);
    CHECK(b->log > a->log && b->samples > a->samples);
    for (size_t i = 0; i < a->nfiles; i++) {
        const struct ts_snapshot_file *f = file_of(b, a->files[i].name);
        CHECK(f && strcmp(f->id, a->files[i].id) == 0 && f->bytes == a->files[i].bytes);
    }
    b->ops->end(b);
    CHECK_INT(p.st->ops->string_put(p.st, STR("two"), &id), 0);
    REQUIRE(p.st->admin->snapshot(p.st, &b, &p.e) == 0);
    const struct ts_snapshot_file *x = file_of(a, "ts/strings"), *y = file_of(b, "ts/strings");
    CHECK(x && y && x->bytes > 0 && y->bytes > x->bytes && strcmp(x->id, y->id) != 0);
    a->ops->end(a);
    b->ops->end(b);
    p.st->ops->close(p.st);
    fs_destroy(p.fs);
    model_fini(&p.m);
}

TEST(every_call_of_a_snapshot_may_fail)
{
    size_t failed = 0;
    for (uint64_t n = 1; n < 100; n++) {
        struct plant p;
        struct ts_snapshot *s = NULL;
        begin(&p);
        feed(&p, 12, true);
        if (n % 2)
            sim_fs_fail(p.fs, SIM_FS_ANY, n / 2 + 1, ERR_IO, false);
        else
            mem_fail_at(n / 2, false);
        int rc = p.st->admin->snapshot(p.st, &s, &p.e);
        sim_fs_fail(p.fs, SIM_FS_ANY, 0, 0, false);
        mem_fail_at(0, false);
        failed += rc != 0;
        if (rc == 0) s->ops->end(s);
        for (uint32_t k = 1; k <= POINTS; k++) check_scan(p.st, &p.m, k, INT64_MIN, INT64_MAX);
        CHECK_INT(p.st->admin->snapshot(p.st, &s, &p.e), 0);
        s->ops->end(s);
        p.st->ops->close(p.st);
        fs_destroy(p.fs);
        model_fini(&p.m);
    }
    CHECK(failed > 10);
}
