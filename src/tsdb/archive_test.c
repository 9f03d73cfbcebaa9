/* The archive of logs, and restores to a point in time: a snapshot and the logs behind it give exactly the state of any
 * moment between. */
#include "base/mem.h"
#include "tsdb/restore.h"
#include "tsdb/test_model.h"

#define T0 (INT64_C(1700000000) * SEC)
#define MOMENTS 12

struct plant {
    struct fs *fs;
    struct sim_clock clock;
    struct ts_store *st;
    struct model m;
    int64_t now;
    struct error e;
};

static int open_store(struct plant *p)
{
    struct tsdb_config cfg = {.fs = p->fs, .clock = &p->clock.clock, .no_thread = true};
    return tsdb_open(&cfg, &p->st, &p->e);
}

static void begin(struct plant *p, uint64_t seed)
{
    *p = (struct plant){.fs = sim_fs_new(), .now = T0};
    sim_clock_init(&p->clock, T0);
    model_init(&p->m, seed);
    CHECK_INT(open_store(p), 0);
}

static void end(struct plant *p)
{
    p->st->ops->close(p->st);
    fs_destroy(p->fs);
    model_fini(&p->m);
}

static void feed(struct plant *p, int batches)
{
    static struct sample batch[4096];
    for (int i = 0; i < batches; i++) {
        size_t n = make_batch(&p->m, &p->now, batch);
        sim_clock_advance(&p->clock, 10 * SEC);
        CHECK_INT(p->st->ops->append(p->st, batch, n, &p->e), 0);
        for (size_t k = 0; k < n; k++) model_put(&p->m, batch[k]);
    }
}

struct logs {
    struct ts_log l[64];
    size_t n;
};

static int note(void *ctx, const struct ts_log *l)
{
    struct logs *t = ctx;
    if (t->n < 64) t->l[t->n++] = *l;
    return 0;
}

static struct logs logs_of(struct plant *p)
{
    struct logs t = {0};
    CHECK_INT(p->st->admin->logs(p->st, note, &t), 0);
    return t;
}

static void copy_log(struct plant *p, const struct ts_log *l, struct fs *to)
{
    static uint8_t buf[777];
    char path[96];
    struct fs_file *f = NULL;
    int64_t at = 0, got;
    snprintf(path, sizeof path, "ts/%s", strrchr(l->name, '/') + 1);
    CHECK_INT(fs_open(to, path, FS_WRITE | FS_CREATE, &f), 0);
    if (!f) return;
    while ((got = p->st->admin->log_read(p->st, l->name, buf, sizeof buf, at)) > 0) {
        CHECK_INT(fs_pwrite(f, buf, (size_t)got, at), 0);
        at += got;
    }
    CHECK_INT(got, 0);
    CHECK_INT(at, l->bytes);
    fs_close(f);
}

static void check_moment(struct fs *fs, struct model *m, int64_t until)
{
    struct tsdb_config cfg = {.fs = fs, .no_thread = true, .replay_until_us = until};
    struct ts_store *st = NULL;
    struct error e = {0};
    REQUIRE(tsdb_open(&cfg, &st, &e) == 0);
    for (uint32_t k = 1; k <= POINTS; k++) check_scan(st, m, k, INT64_MIN, INT64_MAX);
    st->ops->close(st);
    cfg.replay_until_us = 0; /* and it stays so */
    REQUIRE(tsdb_open(&cfg, &st, &e) == 0);
    for (uint32_t k = 1; k <= POINTS; k++) check_scan(st, m, k, INT64_MIN, INT64_MAX);
    st->ops->close(st);
}

TEST(any_moment_behind_a_snapshot_comes_back)
{
    struct plant p;
    struct ts_snapshot *s = NULL;
    static struct model at[MOMENTS];
    int64_t when[MOMENTS];
    begin(&p, 7);
    CHECK_INT(p.st->admin->archive_logs(p.st, 1 << 30, &p.e), 0);
    feed(&p, 30);
    REQUIRE(p.st->admin->snapshot(p.st, &s, &p.e) == 0);
    for (int i = 0; i < MOMENTS; i++) {
        feed(&p, 5);
        if (i % 3 == 1) {
            uint32_t point = 1 + (uint32_t)rnd(&p.m, POINTS);
            int64_t from = T0 + (int64_t)rnd(&p.m, (uint64_t)(p.now - T0));
            CHECK_INT(p.st->ops->remove(p.st, point, from, from + 50 * SEC, &p.e), 0);
            model_remove(&p.m, point, from, from + 50 * SEC);
        }
        model_copy(&at[i], &p.m);
        when[i] = clock_now_us(&p.clock.clock) + SEC; /* nothing was written for 10 s behind it */
        sim_clock_advance(&p.clock, 5 * SEC);
        if (i % 4 == 2) CHECK_INT(tsdb_seal(p.st, &p.e), 0);
        if (i == 6) CHECK_INT(tsdb_merge(p.st, &p.e), 0);
        if (i == 4) (void)logs_of(&p); /* ends a log without a seal */
        if (i == 8) {
            p.st->ops->close(p.st);
            CHECK_INT(open_store(&p), 0);
        }
    }
    struct logs t = logs_of(&p);
    CHECK(t.n >= 5);
    for (size_t i = 0; i < t.n; i++) {
        CHECK(t.l[i].number > s->log || i == 0);
        CHECK(i == 0 || (t.l[i].number > t.l[i - 1].number && t.l[i].first_us >= t.l[i - 1].last_us));
        CHECK(t.l[i].first_us > T0 && t.l[i].last_us >= t.l[i].first_us && t.l[i].bytes > 32);
    }
    for (int i = 0; i < MOMENTS; i++) {
        struct fs *to = sim_fs_new();
        restore_all(s, to);
        for (size_t k = 0; k < t.n; k++)
            if (t.l[k].number > s->log && t.l[k].first_us <= when[i]) copy_log(&p, &t.l[k], to);
        check_moment(to, &at[i], when[i]);
        fs_destroy(to);
        model_fini(&at[i]);
    }
    s->ops->end(s);
    end(&p);
}

/* Logs do not hold texts and blobs: those of after the snapshot are missing, and their ids mean nothing else later. */
TEST(ids_of_what_is_missing_are_not_given_out_again)
{
    struct plant p;
    struct ts_snapshot *s = NULL;
    uint64_t text[2], blob[2], id, ids[3];
    begin(&p, 9);
    CHECK_INT(p.st->admin->archive_logs(p.st, 1 << 30, &p.e), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(p.st->ops->string_put(p.st, i ? STR("after") : STR("before"), &text[i]), 0);
        CHECK_INT(p.st->ops->blob_put(p.st, 50, T0 + i, "a/b", i ? STR("AFTER") : STR("BEFORE"), &blob[i], &p.e), 0);
        struct sample x[2] = {{.time_us = T0 + i, .point = 51, .type = SAMPLE_STRING, .v.u = text[i]},
                              {.time_us = T0 + i, .point = 50, .type = SAMPLE_BLOB, .v.u = blob[i]}};
        CHECK_INT(p.st->ops->append(p.st, x, 2, &p.e), 0);
        if (i == 0) REQUIRE(p.st->admin->snapshot(p.st, &s, &p.e) == 0);
        sim_clock_advance(&p.clock, SEC);
    }
    struct logs t = logs_of(&p);
    struct fs *to = sim_fs_new();
    restore_all(s, to);
    for (size_t k = 0; k < t.n; k++)
        if (t.l[k].number > s->log) copy_log(&p, &t.l[k], to);
    struct tsdb_config cfg = {.fs = to, .no_thread = true, .replay_until_us = INT64_MAX - 1};
    for (int round = 0; round < 3; round++) {
        struct ts_store *st = NULL;
        struct sample got;
        struct ts_blob b;
        char out[16];
        size_t n;
        REQUIRE(tsdb_open(&cfg, &st, &p.e) == 0);
        cfg.replay_until_us = 0;
        CHECK(st->ops->before(st, 51, T0 + 9, &got) == 0 && got.time_us == T0 + 1 && got.v.u == text[1]);
        CHECK_INT(st->ops->string_get(st, text[0], out, sizeof out, &n), 0);
        CHECK_INT(st->ops->string_get(st, text[1], out, sizeof out, &n), ERR_NOT_FOUND);
        CHECK_INT(st->ops->blob_get(st, blob[0], &b, NULL, &p.e), 0);
        CHECK_INT(st->ops->blob_get(st, blob[1], &b, NULL, &p.e), ERR_NOT_FOUND);
        snprintf(out, sizeof out, "new %d", round);
        CHECK_INT(st->ops->string_put(st, str_of(out), &ids[round]), 0);
        CHECK_INT(st->ops->blob_put(st, 50, T0 + 9, "a/b", STR("NEW"), &id, &p.e), 0);
        CHECK(ids[round] > text[1] && id != blob[1]);
        struct ts_stats x;
        st->ops->stats(st, &x);
        CHECK_INT(x.damaged_blocks, 0);
        st->ops->close(st);
    }
    fs_destroy(to);
    s->ops->end(s);
    end(&p);
}

TEST(the_archive_is_bounded_and_survives)
{
    struct plant p;
    struct ts_stats x;
    begin(&p, 8);
    CHECK_INT(logs_of(&p).n, 0);
    CHECK_INT(p.st->admin->archive_logs(p.st, 1 << 30, &p.e), 0);
    for (int i = 0; i < 8; i++) {
        feed(&p, 6);
        CHECK_INT(tsdb_seal(p.st, &p.e), 0);
    }
    struct logs t = logs_of(&p), again;
    CHECK_INT(t.n, 8);
    p.st->ops->close(p.st);
    CHECK_INT(open_store(&p), 0);
    again = logs_of(&p);
    CHECK_INT(again.n, t.n);
    for (size_t i = 0; i < again.n; i++) CHECK(memcmp(&again.l[i], &t.l[i], sizeof t.l[i]) == 0);
    feed(&p, 6);
    CHECK_INT(tsdb_seal(p.st, &p.e), 0);
    CHECK_INT(logs_of(&p).n, 9); /* the wish to keep them survived too */
    CHECK_INT(p.st->admin->log_drop(p.st, t.l[2].number, &p.e), 0);
    CHECK_INT(logs_of(&p).n, 6);
    p.st->ops->stats(p.st, &x);
    CHECK_INT(x.logs_dropped, 0);
    int64_t half = (t.l[7].bytes + t.l[6].bytes) * 3 / 2;
    CHECK_INT(p.st->admin->archive_logs(p.st, (uint64_t)half, &p.e), 0);
    again = logs_of(&p);
    int64_t bytes = 0;
    for (size_t i = 0; i < again.n; i++) bytes += again.l[i].bytes;
    CHECK(bytes <= half && again.n < 6 && again.n > 0);
    p.st->ops->stats(p.st, &x);
    CHECK_INT(x.logs_dropped, 6 - again.n);
    char byte;
    CHECK_INT(p.st->admin->log_read(p.st, t.l[0].name, &byte, 1, 0), ERR_NOT_FOUND);
    CHECK_INT(p.st->admin->log_read(p.st, "ts/strings", &byte, 1, 0), ERR_NOT_FOUND);
    CHECK_INT(p.st->admin->archive_logs(p.st, 0, &p.e), 0);
    CHECK_INT(logs_of(&p).n, 0);
    feed(&p, 6);
    CHECK_INT(tsdb_seal(p.st, &p.e), 0);
    CHECK_INT(logs_of(&p).n, 0);
    end(&p);
}

/* What was told as archived is there after a cut, or its samples are in no segment yet. */
TEST(power_cut_at_every_call)
{
    for (uint64_t calls = 0, more = 1; more; calls++) {
        struct plant p;
        bool kept = false;
        int i = 0;
        p = (struct plant){.fs = sim_fs_new(), .now = T0};
        sim_clock_init(&p.clock, T0);
        model_init(&p.m, 9);
        sim_fs_power_off_after(p.fs, calls);
        if (open_store(&p) == 0) {
            kept = p.st->admin->archive_logs(p.st, 1 << 30, &p.e) == 0;
            for (; i < 8 && kept; i++) {
                struct sample x = {.time_us = T0 + i * SEC, .point = 1, .type = SAMPLE_INT, .v.i = i};
                if (p.st->ops->append(p.st, &x, 1, &p.e)) break;
                if (i % 2 && tsdb_seal(p.st, &p.e)) break;
                struct logs ignored = {0};
                if (i == 4 && p.st->admin->logs(p.st, note, &ignored)) break;
            }
            p.st->ops->close(p.st);
        }
        more = i < 8;
        for (uint64_t seed = 0; seed < 3; seed++) {
            struct fs *cut = sim_fs_power_cut(p.fs, seed + calls * 7);
            struct plant q = {.fs = cut};
            sim_clock_init(&q.clock, T0);
            REQUIRE(open_store(&q) == 0);
            if (kept) { /* from the archive alone: every acknowledged sample */
                CHECK_INT(tsdb_seal(q.st, &q.e), 0);
                struct logs t = logs_of(&q);
                struct fs *to = sim_fs_new();
                CHECK_INT(to->ops->mkdir(to, "ts"), 0);
                for (size_t k = 0; k < t.n; k++) copy_log(&q, &t.l[k], to);
                struct plant r = {.fs = to};
                sim_clock_init(&r.clock, T0);
                REQUIRE(open_store(&r) == 0);
                struct sample got;
                for (int k = 0; k < i; k++) CHECK(r.st->ops->after(r.st, 1, T0 + k * SEC, &got) == 0 && got.v.i == k);
                r.st->ops->close(r.st);
                fs_destroy(to);
            }
            q.st->ops->close(q.st);
            fs_destroy(cut);
        }
        fs_destroy(p.fs);
        model_fini(&p.m);
    }
}

TEST(every_call_may_fail)
{
    for (uint64_t n = 1; n < 120; n += 2) {
        struct plant p;
        begin(&p, n);
        CHECK_INT(p.st->admin->archive_logs(p.st, 1 << 30, &p.e), 0);
        feed(&p, 4);
        if (n % 4 == 1)
            sim_fs_fail(p.fs, SIM_FS_ANY, n / 2 + 1, ERR_IO, false);
        else
            mem_fail_at(n, false);
        struct logs t = {0};
        int rc = p.st->admin->logs(p.st, note, &t);
        if (!rc) rc = tsdb_seal(p.st, &p.e);
        sim_fs_fail(p.fs, SIM_FS_ANY, 0, 0, false);
        mem_fail_at(0, false);
        for (uint32_t k = 1; k <= POINTS; k++) check_scan(p.st, &p.m, k, INT64_MIN, INT64_MAX);
        CHECK_INT(tsdb_reopen_wal(p.st, &p.e), 0);
        feed(&p, 2);
        CHECK_INT(tsdb_seal(p.st, &p.e), 0);
        t = logs_of(&p);
        struct ts_stats x;
        p.st->ops->stats(p.st, &x);
        if (x.logs_dropped == 0) { /* one that cannot be moved is counted; else they hold everything */
            struct fs *to = sim_fs_new();
            CHECK_INT(to->ops->mkdir(to, "ts"), 0);
            for (size_t k = 0; k < t.n; k++) copy_log(&p, &t.l[k], to);
            check_moment(to, &p.m, INT64_MAX);
            fs_destroy(to);
        }
        for (uint32_t k = 1; k <= POINTS; k++) check_scan(p.st, &p.m, k, INT64_MIN, INT64_MAX);
        p.st->ops->close(p.st);
        CHECK_INT(open_store(&p), 0);
        for (uint32_t k = 1; k <= POINTS; k++) check_scan(p.st, &p.m, k, INT64_MIN, INT64_MAX);
        end(&p);
    }
}
