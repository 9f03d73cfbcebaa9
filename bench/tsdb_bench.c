/* tsdb_bench.c - the time-series engine in process, on real files.
 *
 *   bench_tsdb [-n points] [-t seconds] [-b seconds a batch] [-d directory] [-s seed] [-j jitter ms] [-x]
 *
 * -x passes on only what changed, as behind an exception filter.
 *
 * Every append is synced. CPU seconds are the process' (engine threads included) less what the generator
 * took; bytes a sample are those of the segment files after everything was sealed and merged. Values are
 * read back and compared before anything is printed as done. */
#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/crc32c.h"
#include "bench/workload.h"
#include "tsdb/tsdb.h"

struct args {
    uint32_t n, seconds, batch, jitter;
    uint64_t seed;
    const char *dir;
    bool changes;
};

static double cpu_s(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static double thread_cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double wall_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long rss_kb(const char *field)
{
    char line[256];
    long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, field, strlen(field)) == 0) kb = strtol(line + strlen(field) + 1, NULL, 10);
    if (f) fclose(f);
    return kb;
}

static void die(const char *what, const struct error *e)
{
    fprintf(stderr, "bench_tsdb: %s: %s\n", what, e->text);
    exit(1);
}

static struct ts_store *open_store(struct fs *fs)
{
    struct error e = {0};
    struct ts_store *st = NULL;
    struct tsdb_config cfg = {.fs = fs};
    if (tsdb_open(&cfg, &st, &e)) die("open", &e);
    return st;
}

struct sums {
    uint32_t *by_point; /* CRC of all samples of a point */
};

/* Keep the samples that differ from the last of their point. */
static size_t keep_changes(struct sample *s, size_t n, struct sample *last)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct sample *l = &last[s[i].point];
        if (l->point && l->v.u == s[i].v.u && l->quality == s[i].quality) continue;
        *l = s[i];
        s[kept++] = s[i];
    }
    return kept;
}

static uint64_t feed(const struct args *a, struct ts_store *st, struct sums *sums, double *ret_generator)
{
    struct workload w;
    struct error e = {0};
    struct sample *s = malloc((size_t)a->n * a->batch * sizeof *s);
    struct sample *last = calloc(a->n + 1, sizeof *last);
    uint64_t total = 0;
    if (!s || !last || !workload_init(&w, a->n, a->seed, a->jitter)) exit(1);
    *ret_generator = 0;
    for (uint32_t t = 0; t < a->seconds; t += a->batch) {
        double before = thread_cpu_s();
        uint32_t k = a->seconds - t < a->batch ? a->seconds - t : a->batch;
        for (uint32_t i = 0; i < k; i++) workload_step(&w, s + (size_t)i * a->n);
        size_t n = (size_t)k * a->n;
        if (a->changes) n = keep_changes(s, n, last);
        total += n;
        for (size_t i = 0; i < n; i++)
            sums->by_point[s[i].point] = crc32c(sums->by_point[s[i].point], &s[i], sizeof s[i]);
        *ret_generator += thread_cpu_s() - before;
        if (st->ops->append(st, s, n, &e)) die("append", &e);
    }
    workload_fini(&w);
    free(last);
    free(s);
    return total;
}

struct read_back {
    uint32_t crc;
    uint64_t n;
};

static int take(void *ctx, const struct sample *s, size_t n)
{
    struct read_back *r = ctx;
    for (size_t i = 0; i < n; i++) r->crc = crc32c(r->crc, &s[i], sizeof s[i]);
    r->n += n;
    return 0;
}

static void check_all(const struct args *a, struct ts_store *st, const struct sums *sums)
{
    struct error e = {0};
    uint64_t n = 0;
    double before = cpu_s();
    for (uint32_t p = 1; p <= a->n; p++) {
        struct read_back r = {0};
        if (st->ops->scan(st, p, INT64_MIN, INT64_MAX, take, &r, &e)) die("scan", &e);
        if (r.crc != sums->by_point[p]) {
            fprintf(stderr, "bench_tsdb: point %u: read back something else\n", p);
            exit(1);
        }
        n += r.n;
    }
    printf("read back      %llu samples, all equal, %.1f M samples/CPU-s\n", (unsigned long long)n,
           (double)n / 1e6 / (cpu_s() - before));
}

struct overall {
    double sum;
    uint64_t n;
};

static int add_point(void *ctx, size_t i, const struct ts_summary *s)
{
    struct overall *o = ctx;
    o->sum += s->sum;
    o->n += s->usable;
    return 0;
}

/* The best of five, as DuckDB's is measured. */
static void mean_of_all(const struct args *a, struct ts_store *st, int64_t from, int64_t to)
{
    struct error e = {0};
    struct overall o;
    uint32_t *points = malloc(a->n * sizeof *points);
    bool *step = calloc(a->n, sizeof *step);
    double best = INFINITY;
    if (!points || !step) exit(1);
    for (uint32_t i = 0; i < a->n; i++) points[i] = i + 1;
    for (int i = 0; i < 5; i++) {
        double t0 = wall_s();
        o = (struct overall){0};
        if (st->ops->summaries(st, points, step, a->n, from, to, add_point, &o, &e)) die("summaries", &e);
        if (wall_s() - t0 < best) best = wall_s() - t0;
    }
    printf("mean of all    %.2f ms (sum %.6g, %llu samples)\n", best * 1e3, o.sum, (unsigned long long)o.n);
    free(points);
    free(step);
}

static void report_queries(const struct args *a, struct ts_store *st)
{
    struct ts_summary sum;
    struct sample last;
    struct error e = {0};
    struct read_back r = {0};
    int64_t from = WORKLOAD_T0_US, to = from + (int64_t)a->seconds * 1000000;
    double t0 = wall_s();
    for (uint32_t p = 1; p <= 1000 && p <= a->n; p++) (void)st->ops->before(st, p, INT64_MAX - 1, &last);
    printf("latest of %u  %.2f ms\n", a->n < 1000 ? a->n : 1000, (wall_s() - t0) * 1e3);
    t0 = wall_s();
    if (st->ops->scan(st, 1, from, to, take, &r, &e)) die("scan", &e);
    printf("raw of one     %.3f ms (%llu samples)\n", (wall_s() - t0) * 1e3, (unsigned long long)r.n);
    t0 = wall_s();
    if (st->ops->plot(st, 1, from, to, 1200, take, &r, &e)) die("plot", &e);
    printf("plot of one    %.3f ms\n", (wall_s() - t0) * 1e3);
    t0 = wall_s();
    double total = 0;
    for (uint32_t p = 1; p <= a->n; p++) {
        if (st->ops->summary(st, p, from, to, false, &sum, &e)) die("summary", &e);
        total += sum.sum;
    }
    printf("mean of each   %.1f ms (sum %.6g)\n", (wall_s() - t0) * 1e3, total);
    mean_of_all(a, st, from, to);
}

static void run(const struct args *a)
{
    struct error e = {0};
    struct fs *fs = NULL;
    struct ts_stats s;
    double generator, before = cpu_s(), t0 = wall_s();
    struct sums sums = {calloc(a->n + 1, sizeof(uint32_t))};
    if (!sums.by_point || fs_real(a->dir, true, &fs, &e)) die("files", &e);
    struct ts_store *st = open_store(fs);
    double samples = (double)feed(a, st, &sums, &generator);
    printf("%u points x %u s%s, batches of %u s, every append synced: %.0f samples\n", a->n, a->seconds,
           a->changes ? ", changes only" : "", a->batch, samples);
    printf("ingest         %.2f M samples/CPU-s (generator excluded), wall %.1f s, RSS %ld MB, peak %ld MB\n",
           samples / 1e6 / (cpu_s() - before - generator), wall_s() - t0, rss_kb("VmRSS:") / 1024,
           rss_kb("VmHWM:") / 1024);
    check_all(a, st, &sums);
    st->ops->close(st);
    t0 = wall_s();
    before = cpu_s();
    st = open_store(fs);
    st->ops->stats(st, &s);
    printf("open           %.0f ms (%.0f ms CPU) with %.1f MB of log (%llu samples)\n", (wall_s() - t0) * 1e3,
           (cpu_s() - before) * 1e3, (double)s.bytes_wal / 1e6, (unsigned long long)s.samples_head);
    before = cpu_s();
    if (tsdb_seal(st, &e) || tsdb_merge(st, &e)) die("seal", &e);
    st->ops->stats(st, &s);
    printf("sealed         %.3f bytes/sample, %llu segments, %llu blocks, %.1f CPU-s\n",
           (double)s.bytes_blocks / samples, (unsigned long long)s.segments, (unsigned long long)s.blocks,
           cpu_s() - before);
    check_all(a, st, &sums);
    report_queries(a, st);
    st->ops->close(st);
    fs_destroy(fs);
    free(sums.by_point);
}

int main(int argc, char **argv)
{
    struct args a = {.n = 10000, .seconds = 600, .batch = 1, .jitter = 2, .seed = 42};
    char dir[] = "/tmp/bench_tsdb.XXXXXX", cmd[64];
    int c;
    while ((c = getopt(argc, argv, "n:t:b:d:s:j:x")) != -1) {
        unsigned long v = optarg ? strtoul(optarg, NULL, 0) : 0;
        if (c == 'n')
            a.n = (uint32_t)v;
        else if (c == 't')
            a.seconds = (uint32_t)v;
        else if (c == 'b')
            a.batch = (uint32_t)v;
        else if (c == 's')
            a.seed = v;
        else if (c == 'j')
            a.jitter = (uint32_t)v;
        else if (c == 'd')
            a.dir = optarg;
        else if (c == 'x')
            a.changes = true;
        else
            return 2;
    }
    if (a.n == 0 || a.batch == 0 || (!a.dir && !(a.dir = mkdtemp(dir)))) return 2;
    run(&a);
    if (a.dir == dir) {
        snprintf(cmd, sizeof cmd, "rm -r %s", dir);
        return system(cmd) != 0;
    }
    return 0;
}
