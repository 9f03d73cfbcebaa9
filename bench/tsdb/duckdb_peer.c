/* duckdb_peer.c - the workload of workload.h through DuckDB's appender, in process.
 *
 *   bench_duckdb LIBDUCKDB DB [points] [seconds] [jitter ms]
 *
 * Chunks of the standard vector size, committed every 100,000 rows; then a table sorted by (tag, ts), which its
 * queries need to be quick; then the mean of everything. Prints one JSON line. The library is opened at run time, so
 * that nothing of it is needed to build; the functions used are declared here after DuckDB's C API. */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include "bench/workload.h"

struct result { /* duckdb_result: opaque here, larger than it is */
    uint64_t words[16];
};
static struct {
    int (*open)(const char *, void **);
    int (*connect)(void *, void **);
    int (*query)(void *, const char *, struct result *);
    const char *(*result_error)(struct result *);
    void (*destroy_result)(struct result *);
    double (*value_double)(struct result *, uint64_t, uint64_t);
    void *(*create_logical_type)(int);
    void *(*create_data_chunk)(void **, uint64_t);
    void *(*chunk_vector)(void *, uint64_t);
    void *(*vector_data)(void *);
    void (*chunk_set_size)(void *, uint64_t);
    void (*chunk_reset)(void *);
    int (*appender_create)(void *, const char *, const char *, void **);
    int (*append_chunk)(void *, void *);
    int (*appender_flush)(void *);
    int (*appender_destroy)(void **);
    uint64_t (*vector_size)(void);
    void (*disconnect)(void **);
    void (*close)(void **);
    const char *(*version)(void);
} d;
static const struct {
    const char *name;
    void *slot;
} symbols[] = {
    {"duckdb_open", &d.open},
    {"duckdb_connect", &d.connect},
    {"duckdb_query", &d.query},
    {"duckdb_result_error", &d.result_error},
    {"duckdb_destroy_result", &d.destroy_result},
    {"duckdb_value_double", &d.value_double},
    {"duckdb_create_logical_type", &d.create_logical_type},
    {"duckdb_create_data_chunk", &d.create_data_chunk},
    {"duckdb_data_chunk_get_vector", &d.chunk_vector},
    {"duckdb_vector_get_data", &d.vector_data},
    {"duckdb_data_chunk_set_size", &d.chunk_set_size},
    {"duckdb_data_chunk_reset", &d.chunk_reset},
    {"duckdb_appender_create", &d.appender_create},
    {"duckdb_append_data_chunk", &d.append_chunk},
    {"duckdb_appender_flush", &d.appender_flush},
    {"duckdb_appender_destroy", &d.appender_destroy},
    {"duckdb_vector_size", &d.vector_size},
    {"duckdb_disconnect", &d.disconnect},
    {"duckdb_close", &d.close},
    {"duckdb_library_version", &d.version},
};
enum { BIGINT = 5, UTINYINT = 6, UINTEGER = 8, DOUBLE = 11 };
#define COMMIT_ROWS 100000

static void *con;

static double now(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu(void)
{
    return now(CLOCK_PROCESS_CPUTIME_ID);
}

static bool load(const char *path)
{
    void *lib = dlopen(path, RTLD_NOW);
    if (!lib) return fprintf(stderr, "bench_duckdb: %s\n", dlerror()), false;
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *p = dlsym(lib, symbols[i].name);
        if (!p) return fprintf(stderr, "bench_duckdb: %s lacks %s\n", path, symbols[i].name), false;
        memcpy(symbols[i].slot, &p, sizeof p);
    }
    return true;
}

static double ask(const char *sql)
{
    struct result r;
    if (d.query(con, sql, &r)) {
        fprintf(stderr, "bench_duckdb: %s: %s\n", sql, d.result_error(&r));
        exit(1);
    }
    double v = strncmp(sql, "SELECT", 6) == 0 ? d.value_double(&r, 0, 0) : 0;
    d.destroy_result(&r);
    return v;
}

struct chunk {
    void *chunk;
    uint32_t *tag;
    int64_t *ts;
    double *v;
    uint8_t *q;
    uint64_t n, cap;
};

static void columns(struct chunk *c)
{
    c->tag = d.vector_data(d.chunk_vector(c->chunk, 0));
    c->ts = d.vector_data(d.chunk_vector(c->chunk, 1));
    c->v = d.vector_data(d.chunk_vector(c->chunk, 2));
    c->q = d.vector_data(d.chunk_vector(c->chunk, 3));
}

static void give(void *appender, struct chunk *c)
{
    d.chunk_set_size(c->chunk, c->n);
    if (d.append_chunk(appender, c->chunk)) exit(1);
    d.chunk_reset(c->chunk);
    columns(c);
    c->n = 0;
}

/* CPU seconds of the generator, which are not DuckDB's. */
static double feed(uint32_t n, uint32_t seconds, uint32_t jitter)
{
    struct workload w;
    struct sample *s = malloc(n * sizeof *s);
    void *types[] = {d.create_logical_type(UINTEGER), d.create_logical_type(BIGINT), d.create_logical_type(DOUBLE),
                     d.create_logical_type(UTINYINT)};
    struct chunk c = {.chunk = d.create_data_chunk(types, 4), .cap = d.vector_size()};
    void *appender;
    double generator = 0;
    uint64_t since = 0;
    if (!s || !workload_init(&w, n, 42, jitter) || d.appender_create(con, NULL, "s", &appender)) exit(1);
    columns(&c);
    for (uint32_t t = 0; t < seconds; t++) {
        double before = now(CLOCK_THREAD_CPUTIME_ID);
        workload_step(&w, s);
        generator += now(CLOCK_THREAD_CPUTIME_ID) - before;
        for (uint32_t i = 0; i < n; i++) {
            c.tag[c.n] = i;
            c.ts[c.n] = s[i].time_us / 1000;
            c.v[c.n] = s[i].v.d;
            c.q[c.n] = s[i].quality == QUALITY_GOOD ? 0 : 64;
            if (++c.n == c.cap) give(appender, &c);
            if (++since < COMMIT_ROWS) continue;
            give(appender, &c);
            if (d.appender_flush(appender)) exit(1);
            since = 0;
        }
    }
    give(appender, &c);
    if (d.appender_destroy(&appender)) exit(1);
    workload_fini(&w);
    free(s);
    return generator;
}

static uint32_t number(int argc, char **argv, int i, uint32_t otherwise)
{
    return argc > i ? (uint32_t)strtoul(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    void *db;
    struct stat st = {0};
    struct rusage ru;
    if (argc < 3) return fprintf(stderr, "bench_duckdb LIBDUCKDB DB [points] [seconds] [jitter ms]\n"), 2;
    uint32_t n = number(argc, argv, 3, 10000), seconds = number(argc, argv, 4, 600), jitter = number(argc, argv, 5, 2);
    if (!load(argv[1]) || d.open(argv[2], &db) || d.connect(db, &con)) return 1;
    ask("SET threads=2");
    ask("SET memory_limit='4GB'");
    ask("CREATE TABLE s(tag UINTEGER, ts BIGINT, v DOUBLE, q UTINYINT)");
    double before = cpu(), generator = feed(n, seconds, jitter);
    double append = cpu() - before - generator, samples = (double)n * seconds;
    before = cpu();
    ask("CREATE TABLE o AS SELECT * FROM s ORDER BY tag, ts");
    ask("DROP TABLE s");
    ask("CHECKPOINT");
    double sort = cpu() - before;
    if (ask("SELECT count(*)::DOUBLE FROM o") != samples) return fprintf(stderr, "bench_duckdb: rows are missing\n"), 1;
    double mean = 1e9;
    for (int i = 0; i < 5; i++) {
        double t = now(CLOCK_MONOTONIC);
        ask("SELECT avg(v) FROM o");
        t = (now(CLOCK_MONOTONIC) - t) * 1e3;
        if (t < mean) mean = t;
    }
    const char *version = d.version();
    getrusage(RUSAGE_SELF, &ru);
    d.disconnect(&con);
    d.close(&db);
    stat(argv[2], &st);
    printf("{\"version\":\"%s\",\"append\":%.4g,\"sorted\":%.4g,\"bytes\":%.4g,\"rss_mb\":%ld,\"mean_all_ms\":%.4g}\n",
           version, samples / append, samples / (append + sort), (double)st.st_size / samples, ru.ru_maxrss / 1024,
           mean);
    return 0;
}
