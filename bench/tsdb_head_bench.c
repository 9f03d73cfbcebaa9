/* tsdb_head_bench.c - the time-series engine's memory: samples that are not sealed yet.
 *
 *   bench_tsdb_head [-n points] [-t seconds] [-f feeders] [-g lag s] [-p percent late] [-l late s]
 *                   [-q queried points] [-r rounds] [-o query]
 *
 * Every point has a sample a second (workload.h). With -f 2 two feeders bring the odd and the even seconds of all
 * points, the second one -g seconds behind; with -p some samples arrive up to -l seconds late. Nothing is sealed: the
 * limits are far away. Synced after every second. CPU times are those of the
 * thread, the least of some rounds, for an hour (or -t) of each of the queried points: windows of a minute, of an
 * hour, a plot of 1,200 pixels, all samples (-o 1..4: only that one). Figures are compared with those of the samples as
 * they were fed. */
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "bench/workload.h"
#include "io/fs.h"
#include "tsdb/tsdb.h"

#define WINDOW_US INT64_C(60000000)

struct args {
    uint32_t n, seconds, feeders, lag_s, late_s, late, asked, rounds, only;
};

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void die(const char *what, const struct error *e)
{
    fprintf(stderr, "bench_tsdb_head: %s: %s\n", what, e ? e->text : "");
    exit(1);
}

/* What is allocated, whatever the allocator has got from the system. */
static double memory_mb(void)
{
    struct mallinfo2 m = mallinfo2();
    return (double)(m.uordblks + m.hblkhd) / 1048576;
}

/* ---- feeding ---- */
struct delivery { /* what arrives in one second */
    struct sample *s;
    size_t n, cap;
};

static void deliver(struct delivery *d, const struct sample *s, size_t n)
{
    if (d->n + n > d->cap) {
        d->cap = (d->n + n) * 2;
        d->s = realloc(d->s, d->cap * sizeof *s);
        if (!d->s) die("out of memory", NULL);
    }
    memcpy(d->s + d->n, s, n * sizeof *s);
    d->n += n;
}

/* The samples of a second go to the seconds in which they arrive: `base` for those that are not held up. */
static void send(const struct args *a, struct workload *w, const struct sample *s, struct delivery *d, uint32_t slots,
                 uint32_t base)
{
    for (uint32_t i = 0; i < a->n; i++) {
        bool late = a->late && workload_random(w) % 100 < a->late;
        uint32_t after = late ? 1 + (uint32_t)(workload_random(w) % a->late_s) : 0;
        deliver(&d[(base + after) % slots], &s[i], 1);
    }
}

static double append(struct ts_store *st, struct delivery *d)
{
    struct error e = {0};
    double t0 = cpu_ms();
    if (d->n && st->ops->append(st, d->s, d->n, &e)) die("append", &e);
    d->n = 0;
    return cpu_ms() - t0;
}

/* Feeder k brings second t where t % feeders == k, k * lag behind. */
static double feed(const struct args *a, struct ts_store *st, double *sum)
{
    struct workload w;
    uint32_t slots = a->feeders * a->lag_s + a->late_s + 2;
    struct delivery *d = calloc(slots, sizeof *d);
    struct sample *s = malloc(a->n * sizeof *s);
    double ms = 0;
    if (!d || !s || !workload_init(&w, a->n, 42, 2)) die("out of memory", NULL);
    for (uint32_t t = 0; t < a->seconds + slots; t++) {
        if (t < a->seconds) {
            workload_step(&w, s);
            send(a, &w, s, d, slots, t + t % a->feeders * a->lag_s);
            for (uint32_t i = 0; i < a->n; i++)
                if (s[i].quality < QUALITY_BAD) sum[i + 1] += s[i].v.d;
        }
        ms += append(st, &d[t % slots]);
    }
    for (uint32_t i = 0; i < slots; i++) free(d[i].s);
    workload_fini(&w);
    free(d);
    free(s);
    return ms;
}

/* ---- asking ---- */
struct got {
    double sum;
    uint64_t n;
};

static int take_window(void *ctx, size_t i, const struct ts_summary *s)
{
    struct got *g = ctx;
    g->sum += s->sum;
    g->n += s->count;
    return 0;
}

static int take_samples(void *ctx, const struct sample *s, size_t n)
{
    struct got *g = ctx;
    for (size_t i = 0; i < n; i++)
        if (s[i].quality < QUALITY_BAD) g->sum += s[i].v.d;
    g->n += n;
    return 0;
}

enum query { MINUTES, HOURS, PLOT, RAW, QUERIES };
static const char *const query_names[QUERIES] = {"windows of a minute", "windows of an hour", "plot of 1200 pixels",
                                                 "all samples"};

static int ask(const struct args *a, struct ts_store *st, enum query q, uint32_t p, struct got *g)
{
    struct error e = {0};
    int64_t from = WORKLOAD_T0_US, to = from + (int64_t)a->seconds * 1000000;
    static int64_t edges[100000];
    int64_t length = q == MINUTES ? WINDOW_US : 60 * WINDOW_US;
    size_t n = 0;
    if (q == RAW) return st->ops->scan(st, p, INT64_MIN, INT64_MAX, take_samples, g, &e);
    if (q == PLOT) return st->ops->plot(st, p, from, to, 1200, take_samples, g, &e);
    for (int64_t t = from; t < to + length && n < 99999; t += length) edges[n++] = t;
    edges[n] = edges[n - 1] + length;
    return st->ops->windows(st, p, edges, n, false, take_window, g, &e);
}

static void report(const struct args *a, struct ts_store *st, enum query q, const double *sum)
{
    double least = INFINITY;
    uint64_t n = 0;
    uint32_t step = a->n / a->asked;
    for (uint32_t r = 0; r < a->rounds; r++) {
        n = 0;
        double t0 = cpu_ms();
        for (uint32_t i = 0; i < a->asked; i++) {
            struct got g = {0};
            uint32_t p = 1 + i * step;
            if (ask(a, st, q, p, &g)) die("query", NULL);
            n += g.n;
            if (q != PLOT && fabs(g.sum - sum[p]) > 1e-6 * (1 + fabs(sum[p]))) die("a sum is wrong", NULL);
        }
        double ms = cpu_ms() - t0;
        if (ms < least) least = ms;
    }
    printf("  %-20s %8.3f ms CPU for %u points, %llu samples (%.1f ns each)\n", query_names[q], least, a->asked,
           (unsigned long long)n, least * 1e6 / (double)a->asked / a->seconds);
}

int main(int argc, char **argv)
{
    struct args a = {.n = 1000, .seconds = 3600, .feeders = 1, .lag_s = 5, .late_s = 10, .asked = 100, .rounds = 5};
    struct ts_store *st = NULL;
    struct ts_stats s;
    struct error e = {0};
    for (int c; (c = getopt(argc, argv, "n:t:f:g:l:p:q:r:o:")) != -1;) {
        uint32_t v = optarg ? (uint32_t)strtoul(optarg, NULL, 10) : 0;
        if (c == 'n') a.n = v;
        if (c == 't') a.seconds = v;
        if (c == 'f') a.feeders = v;
        if (c == 'l') a.late_s = v;
        if (c == 'g') a.lag_s = v;
        if (c == 'p') a.late = v;
        if (c == 'q') a.asked = v;
        if (c == 'r') a.rounds = v;
        if (c == 'o') a.only = v;
        if (c == '?') return 2;
    }
    double *sum = calloc(a.n + 1, sizeof *sum);
    if (!sum || !a.feeders || !a.asked || a.asked > a.n) return 2;
    char dir[] = "/tmp/bench_tsdb_head.XXXXXX", cmd[64];
    struct fs *fs = NULL;
    if (!mkdtemp(dir) || fs_real(dir, false, &fs, &e)) die("files", &e);
    struct tsdb_config cfg = {.fs = fs, .no_thread = true, .wal_max = UINT64_C(1) << 40, .head_max = UINT64_C(1) << 40};
    if (tsdb_open(&cfg, &st, &e)) die("open", &e);
    double before = memory_mb();
    double ms = feed(&a, st, sum);
    st->ops->stats(st, &s);
    printf("%u points x %u s, %u feeders %u s apart, %u %% late by up to %u s: %llu samples, %llu out of order\n", a.n,
           a.seconds, a.feeders, a.lag_s, a.late, a.late_s, (unsigned long long)s.samples_appended,
           (unsigned long long)s.out_of_order);
    printf("  taken in %.0f ms CPU (log included, %.0f ns a sample), memory %.1f MB (%.2f bytes a sample)\n", ms,
           ms * 1e6 / (double)s.samples_appended, memory_mb() - before,
           (memory_mb() - before) * 1048576 / (double)s.samples_appended);
    for (enum query q = MINUTES; q < QUERIES; q++)
        if (!a.only || a.only == q + 1u) report(&a, st, q, sum);
    st->ops->close(st);
    fs_destroy(fs);
    free(sum);
    snprintf(cmd, sizeof cmd, "rm -r %s", dir);
    return system(cmd) != 0;
}
