/* prometheus.c - POST /api/v1/prometheus/read: Prometheus' remote read (SAMPLES, Snappy).
 *
 * Each point that the caller may read and that has numbers in the range is a series: __name__ is its code, `area` and
 * `unit` are labels where it has them. Matchers of all four kinds; expressions are POSIX extended ones that must match
 * the whole value (Prometheus' RE2 agrees but for \d and the like). Samples are those recorded, in milliseconds; one
 * of bad quality ends its line (the stale marker). An answer has at most SERIES_MAX series and SAMPLES_MAX samples. */
#include <regex.h>
#include "base/limits.h"
#include "base/mem.h"
#include "base/time.h"
#include "model/sample.h"
#include "model/ts_text.h"
#include "modules/history/doors.h"
#include "modules/history/history.h"
#include "proto/prom_read.h"
#include "proto/snappy.h"

#define REQUEST_MAX (1u << 20)
#define ANSWER_BYTES (128u << 20)
#define SERIES_MAX 10000
#define SAMPLES_MAX 5000000
#define MATCHERS_MAX 20
#define QUERIES_MAX 20
#define PATTERN_MAX 1000

struct matcher {
    struct prom_matcher m;
    regex_t regex; /* of =~ and !~ */
    bool compiled;
};
struct reading {
    struct api_call *c;
    struct node *node;
    struct matcher m[MATCHERS_MAX];
    size_t nm;
    int64_t from, to; /* [from, to) in microseconds */
    struct buf out;
    size_t series, samples;
    /* of the series in work */
    const struct resource *point;
    size_t mark;
    int64_t last_ms;
};

/* ---- matchers ---- */

static int compile(struct matcher *x, struct error *e)
{
    char text[PATTERN_MAX + 8];
    if (x->m.type != PROM_RE && x->m.type != PROM_NRE) return 0;
    if (x->m.value.n > PATTERN_MAX || memchr(x->m.value.p, '\0', x->m.value.n))
        return error_set(e, ERR_INVALID, "matchers", "an expression is longer than 1000 bytes",
                         "正则表达式超过 1000 字节");
    snprintf(text, sizeof text, "^(%.*s)$", STR_ARG(x->m.value));
    if (regcomp(&x->regex, text, REG_EXTENDED | REG_NOSUB) != 0)
        return error_set(e, ERR_INVALID, "matchers", "'%.*s' is no regular expression", "'%.*s' 不是有效的正则表达式",
                         STR_ARG(str_sub(x->m.value, 0, 100)));
    x->compiled = true;
    return 0;
}

static int read_matchers(struct reading *r, struct str body, struct error *e)
{
    int got, err = 0;
    struct prom_matcher m;
    while (!err && (got = prom_matcher_next(&body, &m)) != 0) {
        if (got < 0) return error_set(e, ERR_INVALID, "", "the body is no ReadRequest", "内容不是 ReadRequest");
        if (r->nm == MATCHERS_MAX)
            return error_set(e, ERR_LIMIT, "matchers", "at most %d matchers", "最多 %d 个匹配条件", MATCHERS_MAX);
        r->m[r->nm] = (struct matcher){.m = m};
        err = compile(&r->m[r->nm++], e);
    }
    return err;
}

static void drop_matchers(struct reading *r)
{
    for (size_t i = 0; i < r->nm; i++)
        if (r->m[i].compiled) regfree(&r->m[i].regex);
    r->nm = 0;
}

static struct str label_of(const struct resource *p, struct str name)
{
    if (str_is(name, "__name__")) return p->code;
    if (str_is(name, "area") || str_is(name, "unit")) return json_str(json_get_str(p->spec, name), STR(""));
    return STR("");
}

static bool matches(const struct matcher *x, const struct resource *p)
{
    char text[1024];
    struct str v = label_of(p, x->m.name);
    if (x->m.type == PROM_EQ) return str_eq(v, x->m.value);
    if (x->m.type == PROM_NE) return !str_eq(v, x->m.value);
    if (!str_to_cstr(v, text, sizeof text)) return false;
    return (regexec(&x->regex, text, 0, NULL, 0) == 0) == (x->m.type == PROM_RE);
}

static bool wanted(const struct reading *r, const struct resource *p)
{
    for (size_t i = 0; i < r->nm; i++)
        if (!matches(&r->m[i], p)) return false;
    return true;
}

/* ---- series ---- */

static void open_series(struct reading *r)
{
    struct str area = label_of(r->point, STR("area")), unit = label_of(r->point, STR("unit"));
    r->mark = prom_open(&r->out, 1);
    prom_label(&r->out, STR("__name__"), r->point->code);
    if (area.n) prom_label(&r->out, STR("area"), area);
    if (unit.n) prom_label(&r->out, STR("unit"), unit);
    r->series++;
}

static int add_samples(void *ctx, const struct sample *s, size_t n)
{
    static const union {
        uint64_t bits;
        double d;
    } stale = {.bits = PROM_STALE};
    struct reading *r = ctx;
    for (size_t i = 0; i < n; i++) {
        int64_t ms = s[i].time_us / 1000 - (s[i].time_us % 1000 < 0);
        bool bad = s[i].quality == QUALITY_BAD;
        if ((sample_is_text(&s[i]) && !bad) || (r->mark && ms <= r->last_ms)) continue;
        if (!r->mark) open_series(r);
        prom_sample(&r->out, bad ? stale.d : sample_number(&s[i]), ms);
        r->last_ms = ms;
        r->samples++;
    }
    return r->out.err ? r->out.err : r->samples > SAMPLES_MAX ? ERR_TOO_LARGE : 0;
}

static int too_much(struct error *e)
{
    return error_set(e, ERR_TOO_LARGE, "", "more than %d series or %d samples; ask for less",
                     "超过 %d 条序列或 %d 个样本，请缩小查询范围", SERIES_MAX, SAMPLES_MAX);
}

static int read_point(struct reading *r, const struct resource *p, struct error *e)
{
    struct ts_store *st = r->node->history;
    r->point = p;
    r->mark = 0;
    int err = st->ops->scan(st, p->num, r->from, r->to, add_samples, r, e);
    if (r->mark) prom_close(&r->out, r->mark);
    return err == ERR_TOO_LARGE || r->series > SERIES_MAX ? too_much(e) : err;
}

/* What lists can look for themselves: equal names, areas, units. */
static struct str filter_of(const struct reading *r, struct arena *a)
{
    struct buf b;
    buf_init(&b, 4096);
    for (size_t i = 0; i < r->nm; i++) {
        const struct prom_matcher *m = &r->m[i].m;
        bool name = str_is(m->name, "__name__");
        bool known = name || str_is(m->name, "area") || str_is(m->name, "unit");
        if (m->type != PROM_EQ || !known || !m->value.n || str_find(m->value, '\'') >= 0) continue;
        buf_printf(&b, "%s%.*s='%.*s'", b.n ? " and " : "", name ? 4 : (int)m->name.n, name ? "code" : m->name.p,
                   STR_ARG(m->value));
    }
    struct str s = b.err ? STR_NULL : arena_str(a, buf_view(&b));
    buf_fini(&b);
    return s;
}

static int read_points(struct reading *r, struct error *e)
{
    AUTO_ARENA a;
    struct list_page page = {.next = STR_NULL};
    char after[1024] = "";
    int err = 0;
    arena_init(&a, 64 << 20);
    struct str filter = filter_of(r, r->c->a);
    do {
        struct list_query q = {.kind = "point",
                               .filter = filter,
                               .limit = LIMIT_PAGE,
                               .after = str_of(after[0] ? after : NULL),
                               .by = &r->c->actor};
        arena_reset(&a);
        err = resource_list(r->node->kernel, &a, &q, &page, e);
        for (size_t i = 0; !err && i < page.n; i++)
            if (wanted(r, &page.items[i])) err = read_point(r, &page.items[i], e);
    } while (!err && page.next.n && str_to_cstr(page.next, after, sizeof after));
    return err;
}

static int read_query(struct reading *r, const struct prom_query *q, struct error *e)
{
    const int64_t lo = TIME_MIN_US / 1000, hi = TIME_MAX_US / 1000;
    int64_t start = q->start_ms < lo ? lo : q->start_ms, end = q->end_ms > hi ? hi : q->end_ms;
    int err = read_matchers(r, q->body, e);
    size_t result = prom_open(&r->out, 1);
    r->from = start * 1000;
    r->to = end * 1000 + 1000; /* the end is inclusive */
    if (!err && start <= end) err = read_points(r, e);
    prom_close(&r->out, result);
    drop_matchers(r);
    return err;
}

/* ---- the request ---- */

static int unpack(struct api_call *c, struct str *ret, struct error *e)
{
    size_t n;
    if (snappy_length(c->req->body, &n) || n > REQUEST_MAX)
        return error_set(e, ERR_INVALID, "", "the body is no Snappy block, or one of more than 1 MiB",
                         "内容不是 Snappy 块，或超过 1 MiB");
    uint8_t *to = arena_alloc(c->a, n + 1);
    if (!to) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    *ret = str_make((const char *)to, n);
    return snappy_unpack(c->req->body, to, n)
               ? error_set(e, ERR_INVALID, "", "the Snappy block is broken", "Snappy 块已损坏")
               : 0;
}

static int post_read(struct api_call *c, struct error *e)
{
    struct reading *r = mem_calloc(1, sizeof *r);
    struct str request;
    struct prom_query q;
    int got = 0, err = r ? unpack(c, &request, e) : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (err) {
        mem_free(r);
        return err;
    }
    r->c = c;
    r->node = history_node(c->module);
    buf_init(&r->out, ANSWER_BYTES);
    for (int i = 0; !err && (got = prom_query_next(&request, &q)) == 1; i++)
        err = i == QUERIES_MAX ? error_set(e, ERR_LIMIT, "queries", "at most %d queries", "最多 %d 个查询", QUERIES_MAX)
                               : read_query(r, &q, e);
    if (!err && got < 0) err = error_set(e, ERR_INVALID, "", "the body is no ReadRequest", "内容不是 ReadRequest");
    if (!err && r->out.err) err = too_much(e);
    if (!err) {
        c->res->content_type = "application/x-protobuf";
        http_set_header(c->res, "Content-Encoding", STR("snappy"));
        snappy_pack(buf_view(&r->out), &c->res->body);
    }
    buf_fini(&r->out);
    mem_free(r);
    return err;
}

static const struct api_route rows[] = {
    API_DO("POST", "/api/v1/prometheus/read", "point", ACT_READ, AUDIT_NONE, post_read, .any_token = true,
           .body_max = REQUEST_MAX, .summary_en = "Prometheus remote read", .summary_zh = "Prometheus 远程读取"),
};
const struct door_routes prometheus_routes = {rows, sizeof rows / sizeof *rows};
