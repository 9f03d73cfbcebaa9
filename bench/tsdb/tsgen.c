/* tsgen.c - the workload of workload.h as the bodies that stores are fed with.
 *
 *   bench_tsgen -f form -o file [-n points] [-t seconds] [-b seconds a body] [-s seed] [-j jitter ms] [-p first number]
 *
 * Forms: line    `s,t=T000001 v=12.3,q=0 <ms>`            (InfluxDB, VictoriaMetrics)
 *        point   `s,point=T000001 value=12.3,quality=0 <ms>` (Bornite's doors of line protocol)
 *        rowbin  u32 tag, i64 ms, f64 value, u8 quality   (ClickHouse RowBinary)
 *        rows    Bornite's binary batch: header and rows of 24 bytes, points numbered from -p
 * Beside the file, <file>.idx has a line a body: offset, bytes, samples. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "bench/workload.h"

#define LINE_MAX_BYTES 80

struct args {
    uint32_t n, seconds, batch, jitter, first;
    uint64_t seed;
    const char *form, *out;
};

static size_t put_line(char *p, const struct workload_point *w, const struct sample *s, bool ours)
{
    char value[32];
    if (w->scale == 1)
        snprintf(value, sizeof value, "%" PRId64, w->count);
    else
        snprintf(value, sizeof value, "%.*f", w->scale == 10 ? 1 : 2, s->v.d);
    const char *tag = ours ? "point" : "t", *field = ours ? "value" : "v", *quality = ours ? "quality" : "q";
    return (size_t)snprintf(p, LINE_MAX_BYTES, "s,%s=T%06u %s=%s,%s=%d %" PRId64 "\n", tag, s->point - 1, field, value,
                            quality, s->quality == QUALITY_GOOD ? 0 : 64, s->time_us / 1000);
}

static size_t put_rowbin(char *p, const struct sample *s)
{
    uint32_t tag = s->point - 1;
    int64_t ms = s->time_us / 1000;
    uint8_t quality = s->quality == QUALITY_GOOD ? 0 : 64;
    memcpy(p, &tag, 4);
    memcpy(p + 4, &ms, 8);
    memcpy(p + 12, &s->v.d, 8);
    p[20] = (char)quality;
    return 21;
}

static size_t put_head(char *p, uint32_t count)
{
    uint32_t head[4] = {0x31534e42, count, 0, 0};
    memcpy(p, head, sizeof head);
    return sizeof head;
}

static size_t put_sample(const struct args *a, char *p, const struct workload *w, struct sample *s)
{
    if (strcmp(a->form, "rowbin") == 0) return put_rowbin(p, s);
    if (strcmp(a->form, "rows") != 0) return put_line(p, &w->p[s->point - 1], s, strcmp(a->form, "point") == 0);
    struct sample own = *s;
    own.point = a->first + s->point - 1;
    memcpy(p, &own, sizeof own);
    return sizeof own;
}

static int run(const struct args *a)
{
    struct workload w;
    char name[4096];
    snprintf(name, sizeof name, "%s.idx", a->out);
    FILE *f = fopen(a->out, "wb"), *idx = fopen(name, "w");
    struct sample *s = malloc(a->n * sizeof *s);
    char *body = malloc((size_t)a->n * a->batch * LINE_MAX_BYTES + 64);
    if (!f || !idx || !s || !body || !workload_init(&w, a->n, a->seed, a->jitter)) return perror(a->out), 1;
    size_t at = 0;
    for (uint32_t t = 0; t < a->seconds; t += a->batch) {
        uint32_t k = a->seconds - t < a->batch ? a->seconds - t : a->batch;
        size_t len = strcmp(a->form, "rows") == 0 ? put_head(body, k * a->n) : 0;
        for (uint32_t i = 0; i < k; i++) {
            workload_step(&w, s);
            for (uint32_t j = 0; j < a->n; j++) len += put_sample(a, body + len, &w, &s[j]);
        }
        if (fwrite(body, 1, len, f) != len) return perror(a->out), 1;
        fprintf(idx, "%zu %zu %u\n", at, len, k * a->n);
        at += len;
    }
    workload_fini(&w);
    free(s);
    free(body);
    return (fclose(f) | fclose(idx)) != 0;
}

int main(int argc, char **argv)
{
    struct args a = {.n = 10000, .seconds = 600, .batch = 1, .jitter = 2, .first = 1, .seed = 42};
    int c;
    while ((c = getopt(argc, argv, "f:o:n:t:b:s:j:p:")) != -1) {
        unsigned long v = strtoul(optarg, NULL, 0);
        switch (c) {
        case 'f': a.form = optarg; break;
        case 'o': a.out = optarg; break;
        case 'n': a.n = (uint32_t)v; break;
        case 't': a.seconds = (uint32_t)v; break;
        case 'b': a.batch = (uint32_t)v; break;
        case 's': a.seed = v; break;
        case 'j': a.jitter = (uint32_t)v; break;
        case 'p': a.first = (uint32_t)v; break;
        default: return 2;
        }
    }
    static const char *const forms[] = {"line", "point", "rowbin", "rows"};
    for (size_t i = 0; a.form && a.out && a.batch && i < sizeof forms / sizeof *forms; i++)
        if (strcmp(a.form, forms[i]) == 0) return run(&a);
    fprintf(stderr, "bench_tsgen -f line|point|rowbin|rows -o FILE [-n points] [-t seconds] [-b seconds] [-s seed]\n");
    return 2;
}
