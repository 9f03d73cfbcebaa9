/* tsdb_open_bench.c - how long a store that was killed takes to its first accepted sample.
 *
 *   bench_tsdb_open [-g gigabytes] [-n points] [-w log megabytes] [-d directory] [-k]
 *
 * A child fills the store with values that do not compress (8 bytes a sample), seals and merges as usual,
 * leaves a full log behind and ends by SIGKILL. The parent then measures from tsdb_open to the return of the
 * first append, with the files in the page cache and without. -k keeps an existing store (only measures). */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "io/fs.h"
#include "tsdb/tsdb.h"

struct args {
    double gigabytes;
    uint32_t points;
    uint64_t log_bytes;
    const char *dir;
    bool keep;
};

static double wall_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_s(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void die(const char *what, const struct error *e)
{
    fprintf(stderr, "bench_tsdb_open: %s: %s\n", what, e ? e->text : "");
    exit(1);
}

static uint64_t rnd(uint64_t *s)
{
    uint64_t z = (*s += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

struct fill {
    struct ts_store *st;
    struct sample *batch;
    uint32_t points;
    int64_t time_us;
    uint64_t rng;
};

/* Ten seconds of all points; about 8 bytes a sample. */
static uint64_t fill_once(struct fill *f)
{
    struct error e = {0};
    size_t n = 0;
    for (int k = 0; k < 10; k++, f->time_us += 1000000)
        for (uint32_t p = 1; p <= f->points; p++) {
            struct sample s = {.time_us = f->time_us, .point = p, .type = SAMPLE_INT};
            s.v.u = rnd(&f->rng);
            f->batch[n++] = s;
        }
    if (f->st->ops->append(f->st, f->batch, n, &e)) die("append", &e);
    return n * 8;
}

static void fill(const struct args *a, struct fs *fs)
{
    struct tsdb_config cfg = {.fs = fs, .wal_max = a->log_bytes, .head_max = UINT64_MAX / 8};
    struct fill f = {.points = a->points, .time_us = INT64_C(1700000000000000), .rng = 1};
    struct ts_stats s;
    struct error e = {0};
    uint64_t bytes = 0;
    if (tsdb_open(&cfg, &f.st, &e)) die("open", &e);
    f.batch = malloc((size_t)a->points * 10 * sizeof *f.batch);
    if (!f.batch) die("out of memory", NULL);
    while ((double)bytes < a->gigabytes * 1e9) bytes += fill_once(&f);
    if (tsdb_seal(f.st, &e)) die("seal", &e);
    do { /* a log that is nearly full */
        (void)fill_once(&f);
        f.st->ops->stats(f.st, &s);
    } while (s.bytes_wal < a->log_bytes * 95 / 100);
    (void)kill(getpid(), SIGKILL);
}

static void evict(const char *dir)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/ts", dir);
    DIR *d = opendir(path);
    for (struct dirent *x; d && (x = readdir(d));) {
        char file[5000];
        snprintf(file, sizeof file, "%s/%s", path, x->d_name);
        int fd = open(file, O_RDONLY | O_CLOEXEC);
        if (fd < 0) continue;
        (void)fdatasync(fd);
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        (void)close(fd);
    }
    if (d) closedir(d);
}

/* In a child, so that nothing of the former run is warm in it and nothing is sealed at its end. */
static void measure(const struct args *a, struct fs *fs, const char *what)
{
    if (fork() == 0) {
        struct tsdb_config cfg = {.fs = fs, .wal_max = a->log_bytes * 4, .head_max = UINT64_MAX / 8};
        struct ts_store *st = NULL;
        struct error e = {0};
        struct ts_stats s;
        struct sample one = {.time_us = INT64_C(1900000000000000), .point = 1, .type = SAMPLE_INT};
        double t0 = wall_s(), c0 = cpu_s();
        if (tsdb_open(&cfg, &st, &e)) die("open", &e);
        double t1 = wall_s();
        if (st->ops->append(st, &one, 1, &e)) die("append", &e);
        double t2 = wall_s(), c2 = cpu_s();
        st->ops->stats(st, &s);
        printf("%-6s open %.0f ms, first sample after %.0f ms, CPU %.0f ms; %llu segments, %.2f GB, %llu blocks, log "
               "%.0f MB, %llu samples replayed\n",
               what, (t1 - t0) * 1e3, (t2 - t0) * 1e3, (c2 - c0) * 1e3, (unsigned long long)s.segments,
               (double)s.bytes_blocks / 1e9, (unsigned long long)s.blocks, (double)s.bytes_wal / 1e6,
               (unsigned long long)s.recovered_samples);
        fflush(stdout);
        (void)kill(getpid(), SIGKILL);
    }
    (void)wait(NULL);
}

int main(int argc, char **argv)
{
    struct args a = {.gigabytes = 3, .points = 5000, .log_bytes = 128u << 20, .dir = "/tmp/bench_tsdb_open"};
    struct fs *fs = NULL;
    struct error e = {0};
    for (int c; (c = getopt(argc, argv, "g:n:w:d:k")) != -1;) {
        if (c == 'g') a.gigabytes = strtod(optarg, NULL);
        if (c == 'n') a.points = (uint32_t)strtoul(optarg, NULL, 10);
        if (c == 'w') a.log_bytes = strtoull(optarg, NULL, 10) << 20;
        if (c == 'd') a.dir = optarg;
        if (c == 'k') a.keep = true;
        if (c == '?') return 2;
    }
    if (fs_real(a.dir, false, &fs, &e)) die(a.dir, &e);
    if (!a.keep && fork() == 0) {
        fill(&a, fs);
        _exit(1);
    }
    if (!a.keep) (void)wait(NULL);
    for (int i = 0; i < 3; i++) measure(&a, fs, "warm");
    evict(a.dir);
    measure(&a, fs, "cold");
    fs_destroy(fs);
    return 0;
}
