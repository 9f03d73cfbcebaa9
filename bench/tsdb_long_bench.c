/* tsdb_long_bench.c - years of one point in the time-series engine: plots, windows, what is written.
 *
 *   bench_tsdb_long [-y years] [-p other points] [-o days of them] [-b hours a batch] [-s seed] [-d directory] [-n]
 * [-r]
 *
 * One point at 1 Hz for the years, in batches of hours; beside it other points for the last days, at 1 Hz, too. -n
 * opens without rollups; -r asks a directory that was fed before. A value is a drifting process value with two
 * decimals. Times are the best of some calls on a warm machine; "cold" is the first call after the store was closed,
 * the files' pages dropped and the store opened again. Write amplification: bytes given to pwrite (logs included) by
 * bytes of the files in the end. Sums of windows are compared with the samples fed before anything is printed as done.
 */
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "tsdb/tsdb.h"

#define SEC INT64_C(1000000)
#define HOUR (3600 * SEC)
#define DAY (24 * HOUR)
#define T0 (INT64_C(1420070400) * SEC) /* 2015-01-01 */

struct args {
    double years;
    uint32_t others, days, hours;
    uint64_t seed;
    const char *dir;
    bool plain, again;
};

static double wall_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what, const struct error *e)
{
    fprintf(stderr, "bench_tsdb_long: %s: %s\n", what, e->text);
    exit(1);
}

/* ---- files, with what is written counted ---- */
struct counting {
    struct fs fs;
    struct fs_ops ops;
    struct fs *under;
};
enum what { LOGS, SEGMENTS, ROLLUPS, OTHERS, WHATS };
struct counting_file {
    struct fs_file f;
    struct fs_file *under;
    enum what what;
};
static _Atomic int64_t written[WHATS];

static struct fs *under(struct fs *fs)
{
    return ((struct counting *)fs)->under;
}
static struct fs_file *under_file(struct fs_file *f)
{
    return ((struct counting_file *)f)->under;
}

static struct fs_ops file_ops;
static int c_open(struct fs *fs, const char *path, int flags, struct fs_file **ret)
{
    struct counting_file *f = calloc(1, sizeof *f);
    if (!f) return ERR_NOMEM;
    int rc = fs_open(under(fs), path, flags, &f->under);
    f->f.ops = &file_ops;
    f->what = strncmp(path, "ts/wal-", 7) == 0    ? LOGS
              : strncmp(path, "ts/seg-", 7) == 0  ? SEGMENTS
              : strncmp(path, "ts/roll-", 8) == 0 ? ROLLUPS
                                                  : OTHERS;
    if (rc)
        free(f);
    else
        *ret = &f->f;
    return rc;
}
static void c_close(struct fs_file *f)
{
    fs_close(under_file(f));
    free(f);
}
static int64_t c_pread(struct fs_file *f, void *p, size_t n, int64_t at)
{
    return fs_pread(under_file(f), p, n, at);
}
static int c_pwrite(struct fs_file *f, const void *p, size_t n, int64_t at)
{
    written[((struct counting_file *)f)->what] += (int64_t)n;
    return fs_pwrite(under_file(f), p, n, at);
}
static int c_sync(struct fs_file *f)
{
    return fs_sync(under_file(f));
}
static int c_truncate(struct fs_file *f, int64_t size)
{
    return under_file(f)->ops->truncate(under_file(f), size);
}
static int64_t c_size(struct fs_file *f)
{
    return fs_size(under_file(f));
}
static int c_rename(struct fs *fs, const char *from, const char *to)
{
    return under(fs)->ops->rename(under(fs), from, to);
}
static int c_remove(struct fs *fs, const char *path)
{
    return under(fs)->ops->remove(under(fs), path);
}
static int c_mkdir(struct fs *fs, const char *path)
{
    return under(fs)->ops->mkdir(under(fs), path);
}
static int c_sync_dir(struct fs *fs, const char *path)
{
    return under(fs)->ops->sync_dir(under(fs), path);
}
static int c_list(struct fs *fs, const char *path, void (*each)(void *, const char *, bool, int64_t), void *ctx)
{
    return under(fs)->ops->list(under(fs), path, each, ctx);
}
static int c_space(struct fs *fs, int64_t *ret_free, int64_t *ret_total)
{
    return under(fs)->ops->space(under(fs), ret_free, ret_total);
}
static struct fs_ops file_ops = {.open = c_open,
                                 .close = c_close,
                                 .pread = c_pread,
                                 .pwrite = c_pwrite,
                                 .sync = c_sync,
                                 .truncate = c_truncate,
                                 .size = c_size,
                                 .rename = c_rename,
                                 .remove = c_remove,
                                 .mkdir = c_mkdir,
                                 .sync_dir = c_sync_dir,
                                 .list = c_list,
                                 .space = c_space};

/* ---- feeding ---- */
static uint64_t next_random(uint64_t *s)
{
    uint64_t z = (*s += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

struct signal {
    uint64_t rng;
    int64_t level; /* hundredths */
    double sum;
    uint64_t n;
};

/* Mostly still, small steps now and then. */
static double step(struct signal *g)
{
    uint64_t r = next_random(&g->rng);
    if ((r & 7) == 0) g->level += (int64_t)(r >> 8 & 15) - 7;
    if (g->level < 0) g->level = 0;
    double v = (double)g->level / 100;
    g->sum += v;
    g->n++;
    return v;
}

static void append(struct ts_store *st, const struct sample *s, size_t n)
{
    struct error e = {0};
    if (n && st->ops->append(st, s, n, &e)) die("append", &e);
}

static void feed(const struct args *a, struct ts_store *st, struct signal *g, int64_t end)
{
    size_t len = a->hours * 3600u, n = 0;
    struct signal *others = calloc(a->others + 1, sizeof *others);
    struct sample *s = malloc(len * sizeof *s);
    struct sample *o = malloc((size_t)a->others * 600 * sizeof *o + 1);
    int64_t from_others = end - (int64_t)a->days * DAY;
    if (!s || !o || !others) exit(1);
    for (uint32_t p = 0; p < a->others; p++) others[p] = (struct signal){.rng = a->seed + p, .level = 5000};
    for (int64_t t = T0; t < end; t += (int64_t)len * SEC) {
        n = 0;
        for (int64_t x = t; x < t + (int64_t)len * SEC && x < end; x += SEC)
            s[n++] = (struct sample){.time_us = x, .point = 1, .type = SAMPLE_DOUBLE, .v.d = step(g)};
        append(st, s, n);
        for (int64_t x = t; a->others && x < t + (int64_t)len * SEC; x += 600 * SEC) {
            if (x < from_others) continue;
            size_t k = 0;
            for (int64_t y = x; y < x + 600 * SEC; y += SEC)
                for (uint32_t p = 0; p < a->others; p++)
                    o[k++] =
                        (struct sample){.time_us = y, .point = 2 + p, .type = SAMPLE_DOUBLE, .v.d = step(&others[p])};
            append(st, o, k);
        }
    }
    free(others);
    free(s);
    free(o);
}

/* ---- asking ---- */
struct seen {
    size_t n;
    double sum;
    uint64_t count;
};

static int count_samples(void *ctx, const struct sample *s, size_t n)
{
    ((struct seen *)ctx)->n += n;
    return 0;
}

static int add_window(void *ctx, size_t i, const struct ts_summary *s)
{
    struct seen *x = ctx;
    x->n++;
    x->sum += s->sum;
    x->count += s->count;
    return 0;
}

static double time_plot(struct ts_store *st, int64_t from, int64_t to, int times, size_t *ret_n)
{
    double best = INFINITY;
    for (int i = 0; i < times; i++) {
        struct seen x = {0};
        struct error e = {0};
        double t0 = wall_s();
        if (st->ops->plot(st, 1, from, to, 1200, count_samples, &x, &e)) die("plot", &e);
        best = fmin(best, wall_s() - t0);
        *ret_n = x.n;
    }
    return best * 1e3;
}

static double time_windows(struct ts_store *st, uint32_t point, int64_t from, int64_t length, size_t n, int times,
                           struct seen *ret)
{
    double best = INFINITY;
    int64_t *edges = malloc((n + 1) * sizeof *edges);
    if (!edges) exit(1);
    for (size_t i = 0; i <= n; i++) edges[i] = from + (int64_t)i * length;
    for (int i = 0; i < times; i++) {
        struct error e = {0};
        *ret = (struct seen){0};
        double t0 = wall_s();
        if (st->ops->windows(st, point, edges, n, false, add_window, ret, &e)) die("windows", &e);
        best = fmin(best, wall_s() - t0);
    }
    free(edges);
    return best * 1e3;
}

struct sizes {
    int64_t raw, rolls, rest;
    size_t nraw, nrolls;
};

static void add_size(void *ctx, const char *name, bool dir, int64_t size)
{
    struct sizes *z = ctx;
    if (dir) return;
    if (strncmp(name, "seg-", 4) == 0)
        z->raw += size, z->nraw++;
    else if (strncmp(name, "roll-", 5) == 0)
        z->rolls += size, z->nrolls++;
    else
        z->rest += size;
}

static void drop_pages(const char *dir)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/ts", dir);
    DIR *d = opendir(path);
    for (struct dirent *x; d && (x = readdir(d));) {
        char file[2048];
        snprintf(file, sizeof file, "%s/%s", path, x->d_name);
        int fd = open(file, O_RDONLY);
        if (fd < 0) continue;
        (void)!fdatasync(fd);
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        close(fd);
    }
    if (d) closedir(d);
}

static struct ts_store *open_store(const struct args *a, struct fs *fs)
{
    struct error e = {0};
    struct ts_store *st = NULL;
    struct tsdb_config cfg = {.fs = fs, .no_rollups = a->plain};
    if (tsdb_open(&cfg, &st, &e)) die("open", &e);
    return st;
}

static void ask(const struct args *a, struct ts_store *st, const struct signal *g, int64_t end, const char *how,
                int times)
{
    size_t n = 0;
    struct seen x, y;
    double plot = time_plot(st, T0, end, times, &n);
    double days = time_windows(st, 1, T0, DAY, (size_t)((end - T0) / DAY), times, &x);
    printf("%s: plot of all, 1,200 px  %8.2f ms (%zu samples)\n", how, plot, n);
    printf("%s: days of all, UTC       %8.2f ms (%zu windows)\n", how, days, x.n);
    if (x.count != g->n || fabs(x.sum - g->sum) > 1e-9 * g->sum) {
        fprintf(stderr, "bench_tsdb_long: %llu samples, sum %.6f instead of %llu, %.6f\n", (unsigned long long)x.count,
                x.sum, (unsigned long long)g->n, g->sum);
        exit(1);
    }
    days = time_windows(st, 1, T0 - 8 * HOUR, DAY, (size_t)((end - T0) / DAY) + 1, times, &x);
    printf("%s: days of all, +08:00    %8.2f ms\n", how, days);
    days = time_windows(st, 1, T0 - 19800 * SEC, DAY, (size_t)((end - T0) / DAY) + 1, times, &y);
    printf("%s: days of all, +05:30    %8.2f ms\n", how, days);
    days = time_windows(st, 1, T0, HOUR, (size_t)((end - T0) / HOUR), times, &y);
    printf("%s: hours of all           %8.2f ms (%zu windows)\n", how, days, y.n);
    if (x.count != g->n || y.count != g->n) exit(1);
    printf("%s: minutes of an hour     %8.3f ms\n", how,
           time_windows(st, 1, end - 100 * DAY, 60 * SEC, 60, times * 20, &x));
    if (a->others)
        printf("%s: the same, other point  %8.3f ms\n", how,
               time_windows(st, 2, end - 20 * HOUR, 60 * SEC, 60, times * 20, &x));
    printf("%s: plot of a year         %8.2f ms\n", how, time_plot(st, end - 365 * DAY, end, times, &n));
    printf("%s: plot of 40 days        %8.2f ms\n", how, time_plot(st, end - 40 * DAY, end, times, &n));
    printf("%s: plot of a day          %8.2f ms\n", how, time_plot(st, end - DAY, end, times, &n));
    struct error e = {0};
    struct seen s = {0};
    double t0 = wall_s();
    if (st->ops->scan(st, 1, end - 30 * DAY, end, count_samples, &s, &e)) die("scan", &e);
    printf("%s: scan of 30 days        %8.2f ms (%zu samples)\n", how, (wall_s() - t0) * 1e3, s.n);
}

static void fill(const struct args *a, struct fs *fs, struct fs *real, struct signal *g, int64_t end)
{
    struct error e = {0};
    struct ts_store *st = open_store(a, fs);
    struct sizes z = {0};
    double t0 = wall_s();
    feed(a, st, g, end);
    printf("fed            %.1f M samples of one point, %u others for %u days, %.1f s\n", (double)g->n / 1e6, a->others,
           a->days, wall_s() - t0);
    t0 = wall_s();
    if (tsdb_seal(st, &e) || tsdb_merge(st, &e)) die("seal", &e);
    printf("sealed, merged %.1f s\n", wall_s() - t0);
    st->ops->close(st);
    (void)real->ops->list(real, "ts", add_size, &z);
    printf("files          %.1f MB of samples (%zu), %.2f MB of rollups (%zu): %.2f %%\n", (double)z.raw / 1e6, z.nraw,
           (double)z.rolls / 1e6, z.nrolls, 100 * (double)z.rolls / (double)z.raw);
    printf("written        %.1f MB of logs, %.1f MB of segments, %.2f MB of rollups: %.2f times what is stored\n",
           (double)written[LOGS] / 1e6, (double)written[SEGMENTS] / 1e6, (double)written[ROLLUPS] / 1e6,
           (double)(written[SEGMENTS] + written[ROLLUPS]) / (double)(z.raw + z.rolls));
}

static void run(const struct args *a)
{
    struct error e = {0};
    struct fs *real = NULL;
    struct signal g = {.rng = a->seed, .level = 5000};
    int64_t end = T0 + (int64_t)(a->years * 365.25) * DAY;
    if (fs_real(a->dir, true, &real, &e)) die("files", &e);
    struct counting c = {.ops = file_ops, .under = real};
    c.fs.ops = &c.ops;
    if (!a->again) fill(a, &c.fs, real, &g, end);
    drop_pages(a->dir);
    double t0 = wall_s();
    struct ts_store *st = open_store(a, &c.fs);
    printf("open           %.1f ms\n", (wall_s() - t0) * 1e3);
    size_t n = 0;
    printf("cold: plot of all          %8.2f ms\n", time_plot(st, T0, end, 1, &n));
    st->ops->close(st);
    drop_pages(a->dir);
    st = open_store(a, &c.fs);
    struct seen x;
    printf("cold: days of all, +08:00  %8.2f ms\n",
           time_windows(st, 1, T0 - 8 * HOUR, DAY, (size_t)((end - T0) / DAY) + 1, 1, &x));
    if (a->again) g = (struct signal){.n = x.count, .sum = x.sum};
    ask(a, st, &g, end, "warm", 10);
    st->ops->close(st);
    fs_destroy(real);
}

int main(int argc, char **argv)
{
    struct args a = {.years = 10, .others = 200, .days = 2, .hours = 24, .seed = 42};
    char dir[] = "/tmp/bench_tsdb_long.XXXXXX", cmd[64];
    int c;
    while ((c = getopt(argc, argv, "y:p:o:b:s:d:nr")) != -1) {
        if (c == 'y')
            a.years = strtod(optarg, NULL);
        else if (c == 'p')
            a.others = (uint32_t)strtoul(optarg, NULL, 0);
        else if (c == 'o')
            a.days = (uint32_t)strtoul(optarg, NULL, 0);
        else if (c == 'b')
            a.hours = (uint32_t)strtoul(optarg, NULL, 0);
        else if (c == 's')
            a.seed = strtoul(optarg, NULL, 0);
        else if (c == 'd')
            a.dir = optarg;
        else if (c == 'n')
            a.plain = true;
        else if (c == 'r')
            a.again = true;
        else
            return 2;
    }
    if (a.hours == 0 || (!a.dir && !(a.dir = mkdtemp(dir)))) return 2;
    run(&a);
    if (a.dir == dir) {
        snprintf(cmd, sizeof cmd, "rm -r %s", dir);
        return system(cmd) != 0;
    }
    return 0;
}
