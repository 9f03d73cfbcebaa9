/* Readers, a sealer and a retention keeper beside the writer and the engine's own thread. A value is a
 * function of point and time, so that each reader can judge alone what it gets; what was acknowledged
 * before a query began must be in its answer. Worth most under TSan. */
#include <pthread.h>
#include <stdatomic.h>
#include "base/test.h"
#include "io/sim_fs.h"
#include "tsdb/tsdb.h"

#define POINTS 30
#define STEP INT64_C(1000000)
#define T0 (INT64_C(1700000000) * STEP)

struct shared {
    struct ts_store *st;
    _Atomic int64_t acked; /* time of the last acknowledged poll; T0 - STEP: none */
    atomic_bool stop;
    atomic_int faults, queries;
};

static double value_at(uint32_t point, int64_t t)
{
    return (double)((t / STEP * 7 + point * 13) % 1000) / 10;
}

static struct sample sample_at(uint32_t point, int64_t t)
{
    return (struct sample){.time_us = t, .point = point, .type = SAMPLE_DOUBLE, .v.d = value_at(point, t)};
}

struct reading {
    int64_t next;
    int wrong;
};

static int judge(void *ctx, const struct sample *s, size_t n)
{
    struct reading *r = ctx;
    for (size_t i = 0; i < n; i++, r->next += STEP)
        r->wrong += s[i].time_us != r->next || s[i].v.d != value_at(s[i].point, s[i].time_us);
    return 0;
}

static int judge_plot(void *ctx, const struct sample *s, size_t n)
{
    struct reading *r = ctx;
    for (size_t i = 0; i < n; i++) r->wrong += s[i].v.d != value_at(s[i].point, s[i].time_us);
    return 0;
}

static void read_once(struct shared *sh, uint32_t point)
{
    struct reading r = {.next = T0};
    struct ts_summary sum;
    struct sample last;
    struct error e;
    int64_t acked = atomic_load(&sh->acked);
    if (sh->st->ops->scan(sh->st, point, T0, INT64_MAX, judge, &r, &e)) r.wrong++;
    if (r.next <= acked) r.wrong++; /* something acknowledged was missing */
    acked = atomic_load(&sh->acked);
    if (sh->st->ops->summary(sh->st, point, T0, acked + 1, true, &sum, &e)) r.wrong++;
    if ((int64_t)sum.count != (acked - T0) / STEP + 1) r.wrong++;
    if (acked >= T0 && (sh->st->ops->before(sh->st, point, acked, &last) || last.time_us != acked)) r.wrong++;
    if (sh->st->ops->plot(sh->st, point, T0, acked + 2, 50, judge_plot, &r, &e)) r.wrong++;
    atomic_fetch_add(&sh->faults, r.wrong);
    atomic_fetch_add(&sh->queries, 1);
}

/* Of many points, so that two threads work at it; those above POINTS have no samples. */
#define WIDE 4200
struct counting {
    uint64_t want;
    int wrong;
};

static int judge_count(void *ctx, size_t i, const struct ts_summary *s)
{
    struct counting *c = ctx;
    c->wrong += s->count != (i < POINTS ? c->want : 0);
    return 0;
}

static void read_all(struct shared *sh)
{
    uint32_t points[WIDE];
    bool step[WIDE] = {0};
    struct error e;
    int64_t acked = atomic_load(&sh->acked);
    struct counting c = {.want = (uint64_t)((acked - T0) / STEP + 1)};
    for (uint32_t i = 0; i < WIDE; i++) points[i] = i + 1;
    if (sh->st->ops->summaries(sh->st, points, step, WIDE, T0, acked + 1, judge_count, &c, &e)) c.wrong++;
    atomic_fetch_add(&sh->faults, c.wrong);
}

static void *reader(void *arg)
{
    struct shared *sh = arg;
    for (uint32_t i = 0; !atomic_load(&sh->stop); i++) {
        read_once(sh, 1 + i * 7 % POINTS);
        if (i % 8 == 3) read_all(sh);
    }
    return NULL;
}

static void *keeper(void *arg)
{
    struct shared *sh = arg;
    struct error e;
    struct ts_stats stats;
    struct tsdb_class_usage usage[TSDB_CLASSES];
    for (int i = 0; !atomic_load(&sh->stop); i++) {
        int rc = i % 3 == 0   ? tsdb_seal(sh->st, &e)
                 : i % 3 == 1 ? tsdb_merge(sh->st, &e)
                              : tsdb_enforce_retention(sh->st, &e);
        if (rc) atomic_fetch_add(&sh->faults, 1);
        sh->st->ops->stats(sh->st, &stats);
        tsdb_class_usage(sh->st, usage);
    }
    return NULL;
}

static int write_poll(struct shared *sh, int64_t t)
{
    struct sample s[POINTS];
    struct error e;
    for (uint32_t p = 1; p <= POINTS; p++) s[p - 1] = sample_at(p, t);
    int rc = sh->st->ops->append(sh->st, s, POINTS, &e);
    if (!rc) atomic_store(&sh->acked, t);
    return rc;
}

/* ---- late samples, while somebody looks ---- */
static int judge_order(void *ctx, const struct sample *s, size_t n)
{
    struct reading *r = ctx;
    for (size_t i = 0; i < n; r->next = s[i++].time_us + 1)
        r->wrong += s[i].time_us < r->next || s[i].v.d != value_at(s[i].point, s[i].time_us);
    return 0;
}

static void *late_reader(void *arg)
{
    struct shared *sh = arg;
    for (uint32_t i = 0; !atomic_load(&sh->stop); i++) {
        struct reading r = {.next = INT64_MIN};
        struct ts_summary sum;
        struct error e;
        int64_t from = T0 - (int64_t)(i % 3) * 3000 * STEP;
        if (sh->st->ops->scan(sh->st, 1 + i % 3, from, INT64_MAX, judge_order, &r, &e)) r.wrong++;
        if (sh->st->ops->summary(sh->st, 1 + i % 3, from, INT64_MAX, true, &sum, &e)) r.wrong++;
        atomic_fetch_add(&sh->faults, r.wrong);
        atomic_fetch_add(&sh->queries, 1);
    }
    return NULL;
}

/* A poll, one of a feeder that lags, and times all over the past: what is late is merged all the while. */
static size_t late_batch(uint32_t i, struct sample *s)
{
    size_t n = 0;
    for (uint32_t p = 1; p <= 3; p++) {
        s[n++] = sample_at(p, T0 + (int64_t)i * 2 * STEP);
        s[n++] = sample_at(p, T0 + ((int64_t)i * 2 - 21) * STEP);
        for (uint32_t k = 0; k < 4; k++) s[n++] = sample_at(p, T0 - (int64_t)((i * 4 + k) * 7919 % 6000) * STEP);
    }
    return n;
}

TEST(late_samples_while_somebody_reads)
{
    struct fs *fs = sim_fs_new();
    struct shared sh = {.acked = 0};
    struct error e = {0};
    struct tsdb_config cfg = {.fs = fs};
    struct sample s[32];
    pthread_t t[2];
    REQUIRE(tsdb_open(&cfg, &sh.st, &e) == 0);
    for (int i = 0; i < 2; i++) REQUIRE(pthread_create(&t[i], NULL, late_reader, &sh) == 0);
    for (uint32_t i = 0; i < 700 || (atomic_load(&sh.queries) < 20 && i < 20000); i++)
        CHECK_INT(sh.st->ops->append(sh.st, s, late_batch(i, s), &e), 0);
    atomic_store(&sh.stop, true);
    for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
    CHECK_INT(atomic_load(&sh.faults), 0);
    sh.st->ops->close(sh.st);
    fs_destroy(fs);
}

TEST(everybody_at_once)
{
    struct fs *fs = sim_fs_new();
    struct shared sh = {.acked = T0 - STEP};
    struct error e = {0};
    struct tsdb_config cfg = {.fs = fs, .wal_max = 8 << 10};
    pthread_t t[3];
    REQUIRE(tsdb_open(&cfg, &sh.st, &e) == 0);
    for (int i = 0; i < 2; i++) REQUIRE(pthread_create(&t[i], NULL, reader, &sh) == 0);
    REQUIRE(pthread_create(&t[2], NULL, keeper, &sh) == 0);
    int64_t time = T0;
    for (int i = 0; i < 400 || (atomic_load(&sh.queries) < 50 && i < 20000); i++, time += STEP)
        CHECK_INT(write_poll(&sh, time), 0);
    atomic_store(&sh.stop, true);
    for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
    CHECK_INT(atomic_load(&sh.faults), 0);
    CHECK(atomic_load(&sh.queries) > 0);
    struct ts_stats stats;
    CHECK_INT(tsdb_seal(sh.st, &e), 0);
    sh.st->ops->stats(sh.st, &stats);
    CHECK(stats.segments > 0);
    CHECK_INT(stats.damaged_blocks, 0);
    sh.st->ops->close(sh.st);
    fs_destroy(fs);
}
