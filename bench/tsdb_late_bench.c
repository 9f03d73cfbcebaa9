/* tsdb_late_bench.c - write amplification with late samples.
 *
 *   bench_tsdb_late [-n points] [-h hours] [-l percent late] [-w log kilobytes] [-r retention days] [-d directory]
 *
 * Every point has a sample a second, in batches of ten seconds; of all samples some are up to 30 days late.
 * Told: bytes written to segments (seals and merges) over the bytes that stand there in the end, after all
 * merges; the same with the log. A small log (many seals) is the hard case: each merge level rewrites. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "io/fs.h"
#include "tsdb/tsdb.h"

/* ---- files that count what is written ---- */
struct count_fs {
    struct fs fs;
    struct fs *real;
    uint64_t log, segments;
};
struct count_file {
    struct fs_file f;
    struct fs_file *real;
    uint64_t *bytes;
};

static struct count_fs *of(struct fs *fs)
{
    return (struct count_fs *)fs;
}

static struct fs_file *in(struct fs_file *f)
{
    return ((struct count_file *)f)->real;
}

static const struct fs_ops count_ops;

static int count_open(struct fs *fs, const char *path, int flags, struct fs_file **ret)
{
    struct count_file *f = calloc(1, sizeof *f);
    if (!f) return ERR_NOMEM;
    int rc = fs_open(of(fs)->real, path, flags, &f->real);
    f->f.ops = &count_ops;
    f->bytes = strncmp(path, "ts/seg-", 7) == 0 ? &of(fs)->segments : &of(fs)->log;
    if (rc)
        free(f);
    else
        *ret = &f->f;
    return rc;
}

static void count_close(struct fs_file *f)
{
    fs_close(in(f));
    free(f);
}

static int64_t count_pread(struct fs_file *f, void *p, size_t n, int64_t at)
{
    return fs_pread(in(f), p, n, at);
}

static int count_pwrite(struct fs_file *f, const void *p, size_t n, int64_t at)
{
    __atomic_fetch_add(((struct count_file *)f)->bytes, n, __ATOMIC_RELAXED);
    return fs_pwrite(in(f), p, n, at);
}

static int count_sync(struct fs_file *f)
{
    return fs_sync(in(f));
}

static int count_truncate(struct fs_file *f, int64_t size)
{
    return in(f)->ops->truncate(in(f), size);
}

static int64_t count_size(struct fs_file *f)
{
    return fs_size(in(f));
}

static int count_rename(struct fs *fs, const char *from, const char *to)
{
    return of(fs)->real->ops->rename(of(fs)->real, from, to);
}

static int count_remove(struct fs *fs, const char *path)
{
    return of(fs)->real->ops->remove(of(fs)->real, path);
}

static int count_mkdir(struct fs *fs, const char *path)
{
    return of(fs)->real->ops->mkdir(of(fs)->real, path);
}

static int count_sync_dir(struct fs *fs, const char *path)
{
    return of(fs)->real->ops->sync_dir(of(fs)->real, path);
}

static int count_list(struct fs *fs, const char *path, void (*each)(void *, const char *, bool, int64_t), void *ctx)
{
    return of(fs)->real->ops->list(of(fs)->real, path, each, ctx);
}

static const struct fs_ops count_ops = {
    .open = count_open,
    .close = count_close,
    .pread = count_pread,
    .pwrite = count_pwrite,
    .sync = count_sync,
    .truncate = count_truncate,
    .size = count_size,
    .rename = count_rename,
    .remove = count_remove,
    .mkdir = count_mkdir,
    .sync_dir = count_sync_dir,
    .list = count_list,
};

/* ---- the workload ---- */
struct args {
    uint32_t points, hours, late, log_kb, days;
    const char *dir;
};

static void die(const char *what, const struct error *e)
{
    fprintf(stderr, "bench_tsdb_late: %s: %s\n", what, e ? e->text : "");
    exit(1);
}

static uint64_t rnd(uint64_t *s, uint64_t n)
{
    uint64_t z = (*s += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (z ^ (z >> 31)) % n;
}

static size_t make(const struct args *a, int64_t from, double *value, uint64_t *rng, struct sample *out)
{
    size_t n = 0;
    for (int k = 0; k < 10; k++)
        for (uint32_t p = 0; p < a->points; p++) {
            struct sample s = {.time_us = from + k * INT64_C(1000000), .point = p + 1, .type = SAMPLE_DOUBLE};
            value[p] += (double)((int64_t)rnd(rng, 21) - 10) / 10;
            s.v.d = value[p];
            if (rnd(rng, 100) < a->late) s.time_us -= (int64_t)rnd(rng, UINT64_C(30) * 86400 * 1000000);
            out[n++] = s;
        }
    return n;
}

static void run(const struct args *a, struct ts_store *st)
{
    struct sample *batch = malloc((size_t)a->points * 10 * sizeof *batch);
    double *value = calloc(a->points, sizeof *value);
    struct error e = {0};
    uint64_t rng = 7;
    if (!batch || !value) die("out of memory", NULL);
    for (uint32_t i = 0; i < a->hours * 360; i++) {
        size_t n = make(a, INT64_C(1700000000000000) + (int64_t)i * 10000000, value, &rng, batch);
        if (st->ops->append(st, batch, n, &e)) die("append", &e);
    }
    if (tsdb_seal(st, &e) || tsdb_merge(st, &e)) die("merge", &e);
    free(batch);
    free(value);
}

int main(int argc, char **argv)
{
    struct args a = {.points = 1000, .hours = 10, .late = 5, .log_kb = 8192, .dir = "/tmp/bench_tsdb_late"};
    struct count_fs fs = {.fs.ops = &count_ops};
    struct ts_store *st = NULL;
    struct ts_stats s;
    struct error e = {0};
    for (int c; (c = getopt(argc, argv, "n:h:l:w:r:d:")) != -1;) {
        uint32_t v = optarg ? (uint32_t)strtoul(optarg, NULL, 10) : 0;
        if (c == 'n') a.points = v;
        if (c == 'h') a.hours = v;
        if (c == 'l') a.late = v;
        if (c == 'w') a.log_kb = v;
        if (c == 'r') a.days = v;
        if (c == 'd') a.dir = optarg;
        if (c == '?') return 2;
    }
    struct ts_class keep = {.max_age_us = (int64_t)a.days * INT64_C(86400000000)};
    if (fs_real(a.dir, false, &fs.real, &e)) die(a.dir, &e);
    struct tsdb_config cfg = {
        .fs = &fs.fs, .no_thread = true, .wal_max = (uint64_t)a.log_kb << 10, .classes = &keep, .nclasses = 1};
    if (tsdb_open(&cfg, &st, &e)) die("open", &e);
    run(&a, st);
    st->ops->stats(st, &s);
    printf("%u points, %u h, %u %% late, log %u KiB: %llu samples, %.1f MB in %llu segments, segments written %.1f MB, "
           "amplification %.2f, with the log %.2f\n",
           a.points, a.hours, a.late, a.log_kb, (unsigned long long)s.samples_appended, (double)s.bytes_blocks / 1e6,
           (unsigned long long)s.segments, (double)fs.segments / 1e6, (double)fs.segments / (double)s.bytes_blocks,
           (double)(fs.segments + fs.log) / (double)s.bytes_blocks);
    st->ops->close(st);
    fs_destroy(fs.real);
    return 0;
}
