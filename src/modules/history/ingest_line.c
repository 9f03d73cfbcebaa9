/* ingest_line.c - POST /write and POST /api/v2/write: InfluxDB line protocol into history.
 *
 * As InfluxDB answers: 204 when all of it is stored (durable), 400 when some lines were not, with what was dropped and
 * why; the good lines are stored in both cases. A body is worked off in stretches of STRETCH samples, each durable
 * before the next, so that memory does not grow with it. Fields whose point the caller may not write are dropped and
 * named like all others. Quality: field `quality` of a line, for all its values. Handlers run on LANE_PUSH; what waits
 * for the disk waits together. */
#include <math.h>
#include "base/mem.h"
#include "base/metric.h"
#include "io/gunzip.h"
#include "modules/history/doors.h"
#include "modules/history/history.h"
#include "modules/history/line_map.h"

#define BODY_MAX (64u << 20)
#define STRETCH 131072
#define LISTED 100 /* faults and points that an answer names */

METRIC(m_lines, METRIC_COUNTER, "bornite_line_protocol_samples_total", "Samples stored that came as line protocol.");
METRIC(m_dropped, METRIC_COUNTER, "bornite_line_protocol_dropped_total",
       "Values and lines of line protocol that were not stored.");

struct fault {
    size_t line;
    char point[LIMIT_CODE + 1];
    struct error why;
};
struct ingest {
    struct api_call *c;
    struct node *node;
    struct line_cache *cache;
    struct lp *lp;
    struct sample *s;
    uint32_t *line; /* of each sample */
    size_t n;
    int64_t now_us;
    bool created; /* a point was made since the last stretch */
    uint32_t at;  /* in the cache */
    /* outcome */
    size_t stored, dropped, unknown, forbidden;
    struct fault *fault;
    size_t nfaults;
    uint32_t listed[LISTED]; /* entries of the cache that were named already */
};

/* ---- faults ---- */

static struct fault *fault_new(struct ingest *x, size_t line)
{
    if (x->nfaults == LISTED) return NULL;
    struct fault *f = &x->fault[x->nfaults++];
    *f = (struct fault){.line = line};
    x->listed[x->nfaults - 1] = LINE_UNSEEN;
    return f;
}

static void bad_line(struct ingest *x, const struct lp_line *l)
{
    struct fault *f = fault_new(x, l->number);
    if (f) line_fault(&f->why, l->fault);
    x->dropped++;
}

static void no_point(struct ingest *x, const struct lp_line *l, const struct line_seen *seen)
{
    struct fault *f = fault_new(x, l->number);
    if (!f) return;
    memcpy(f->point, seen->code, sizeof f->point);
    f->why = seen->why;
    x->listed[x->nfaults - 1] = x->at;
}

/* A series without a point, known as that: named once. Under the cache's lock. */
static void known_unknown(struct ingest *x, const struct lp_line *l)
{
    struct line_seen seen;
    x->unknown++;
    x->dropped++;
    if (x->nfaults == LISTED) return;
    for (size_t i = 0; i < x->nfaults; i++)
        if (x->listed[i] == x->at) return;
    if (line_cache_why(x->cache, x->at, &seen)) no_point(x, l, &seen);
}

/* ---- values ---- */

/* 0 good, 1 uncertain, 2 bad as everywhere here; from 3 on as OPC: below 64 bad, 64 to 127 uncertain, 192 on good. */
static bool set_quality(const struct lp_field *f, struct sample *s)
{
    double q = f->type == LP_FLOAT ? f->d : f->type == LP_INT ? (double)f->i : f->type == LP_UINT ? (double)f->u : -1;
    if (f->type == LP_STRING) {
        static const char *const names[] = {"good", "uncertain", "bad"};
        for (int i = 0; i < 3; i++)
            if (str_is(f->s, names[i])) q = i;
    }
    if (!(q >= 0 && q < 65536)) return false;
    s->quality = q == 0 || q >= 192 ? QUALITY_GOOD : q == 1 || (q >= 64 && q < 128) ? QUALITY_UNCERTAIN : QUALITY_BAD;
    if (s->quality != QUALITY_GOOD) s->flags |= REASON_DEVICE_FAILURE;
    return true;
}

/* A new text is synced to disk: not under the cache's lock. */
static int set_text(struct ingest *x, const struct lp_field *f, struct sample *s)
{
    struct ts_store *st = x->node->history;
    struct buf b;
    buf_init(&b, LP_TEXT_MAX);
    lp_unescape_text(&b, f->s);
    s->type = SAMPLE_STRING;
    line_cache_unlock(x->cache);
    int err = b.err ? b.err : st->ops->string_put(st, buf_view(&b), &s->v.u);
    line_cache_lock(x->cache);
    buf_fini(&b);
    return err;
}

static inline int set_value(struct ingest *x, const struct lp_field *f, struct sample *s)
{
    s->type = f->type == LP_INT || f->type == LP_UINT ? SAMPLE_INT : f->type == LP_BOOL ? SAMPLE_BOOL : SAMPLE_DOUBLE;
    if (f->type == LP_STRING) return set_text(x, f, s);
    if (f->type == LP_BOOL)
        s->v.i = f->b;
    else if (f->type == LP_UINT && f->u > INT64_MAX)
        s->type = SAMPLE_DOUBLE, s->v.d = (double)f->u;
    else
        memcpy(&s->v, &f->d, sizeof s->v);
    return 0;
}

/* ---- points ---- */

/* A series that the cache does not know; gives the cache's lock away meanwhile. */
static int unseen(struct ingest *x, const struct lp_line *l, const struct lp_field *f, uint32_t *ret_num,
                  struct error *e)
{
    struct line_seen seen;
    line_cache_unlock(x->cache);
    int err = line_resolve(x->cache, x->c, l, f, ret_num, &x->created, &seen, e);
    line_cache_lock(x->cache);
    if (err || *ret_num) return err;
    x->unknown++;
    x->dropped++;
    (void)line_cache_find(x->cache, l->series, f->key, &x->at);
    no_point(x, l, &seen);
    return 0;
}

static inline int add_value(struct ingest *x, const struct lp_line *l, const struct lp_field *f,
                            const struct sample *like, struct error *e)
{
    uint32_t num = line_cache_find(x->cache, l->series, f->key, &x->at);
    if (__builtin_expect(num == LINE_UNSEEN, 0)) {
        int err = unseen(x, l, f, &num, e);
        if (err || !num) return err;
    } else if (num == 0) {
        known_unknown(x, l);
        return 0;
    }
    struct sample *s = &x->s[x->n];
    *s = *like;
    s->point = num;
    x->line[x->n] = (uint32_t)l->number;
    int err = set_value(x, f, s);
    if (err) return error_set(e, err, "", "line %zu: the text cannot be stored", "第 %zu 行：文本无法保存", l->number);
    x->n++;
    return 0;
}

static int add_line(struct ingest *x, const struct lp_line *l, struct error *e)
{
    struct sample like = {.time_us = l->has_time ? l->time_us : x->now_us};
    const struct lp_field *quality = NULL;
    int err = 0;
    for (size_t i = 0; l->nfields > 1 && i < l->nfields; i++)
        if (str_eq(l->field[i].key, STR("quality"))) quality = &l->field[i];
    if (quality && !set_quality(quality, &like)) {
        struct fault *f = fault_new(x, l->number);
        if (f)
            error_set(&f->why, ERR_INVALID, "quality", "quality is 0 to 2, an OPC quality or good, uncertain, bad",
                      "quality 应为 0 至 2、OPC 质量码，或 good、uncertain、bad");
        x->dropped++;
        return 0;
    }
    for (size_t i = 0; i < l->nfields && !err; i++)
        if (&l->field[i] != quality) err = add_value(x, l, &l->field[i], &like, e);
    return err;
}

/* ---- stretches ---- */

static void drop_forbidden(struct ingest *x, size_t i)
{
    struct fault *f = x->forbidden++ < 10 ? fault_new(x, x->line[i]) : NULL;
    x->dropped++;
    if (f) error_set(&f->why, ERR_FORBIDDEN, "", "%s may not write this point", "%s 无权写入该测点", x->c->actor.login);
}

/* Points may be taken from their writer at any time: looked at for every stretch. */
static int keep_permitted(struct ingest *x, struct error *e)
{
    struct point_view v;
    size_t kept = 0;
    if (x->created) kernel_settle(x->node->kernel); /* the view hears of new points by a hook */
    x->created = false;
    if (point_view_open(api_points(x->c->api), x->c->actor.may, ACT_WRITE, &v))
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    for (size_t i = 0; i < x->n && !v.all; i++) {
        if (point_view_has(&v, x->s[i].point))
            x->s[kept++] = x->s[i];
        else
            drop_forbidden(x, i);
    }
    if (!v.all) x->n = kept;
    point_view_close(&v);
    return 0;
}

static int store(struct ingest *x, struct error *e)
{
    int err = x->n ? keep_permitted(x, e) : 0;
    if (!err && x->n) err = bus_write(x->node->bus, x->s, x->n, e);
    if (!err) x->stored += x->n;
    x->n = 0;
    return err;
}

/* Lines until a stretch is full. 1: there is more. */
static int gather(struct ingest *x, struct error *e)
{
    struct lp_line l;
    int got = 0, err = 0;
    line_cache_lock(x->cache);
    while (!err && x->n + LP_FIELDS_MAX <= STRETCH && (got = lp_next(x->lp, &l)) != 0) {
        if (got > 0)
            err = add_line(x, &l, e);
        else
            bad_line(x, &l);
    }
    line_cache_unlock(x->cache);
    return err ? err : got != 0;
}

/* ---- the answer ---- */

static void write_fault(struct json_writer *w, const struct fault *f, bool zh)
{
    jw_object(w);
    jw_ki64(w, "line", (int64_t)f->line);
    if (f->point[0]) jw_kz(w, "point", f->point);
    jw_kz(w, "detail", zh ? f->why.text_zh : f->why.text);
    jw_end(w);
}

/* A problem document like all others; `error` is where clients of version 1 look, `code` and `message` those of 2. */
static int answer_partial(struct ingest *x)
{
    struct api_call *c = x->c;
    char text[600];
    const struct fault *f = x->nfaults ? &x->fault[0] : NULL;
    bool none = x->stored == 0 && x->forbidden && x->forbidden == x->dropped;
    snprintf(text, sizeof text, "%s: line %zu: %s%s%s dropped=%zu", x->stored ? "partial write" : "nothing was written",
             f ? f->line : 0, f && f->point[0] ? f->point : "", f && f->point[0] ? ": " : "",
             f ? c->zh ? f->why.text_zh : f->why.text : "", x->dropped);
    struct json_writer w = api_answer(c);
    c->res->content_type = "application/problem+json";
    jw_object(&w);
    jw_kz(&w, "type", "about:blank");
    jw_kz(&w, "title",
          c->zh ? error_title_zh(none ? ERR_FORBIDDEN : ERR_INVALID) : error_title(none ? ERR_FORBIDDEN : ERR_INVALID));
    jw_ki64(&w, "status", none ? 403 : 400);
    jw_kz(&w, "code", none ? "forbidden" : "invalid");
    jw_kz(&w, "detail", text);
    jw_kz(&w, "message", text);
    jw_kz(&w, "error", text);
    jw_ki64(&w, "stored", (int64_t)x->stored);
    jw_ki64(&w, "dropped", (int64_t)x->dropped);
    jw_ki64(&w, "unknown", (int64_t)x->unknown);
    jw_ki64(&w, "forbidden", (int64_t)x->forbidden);
    jw_key(&w, STR("errors"));
    jw_array(&w);
    for (size_t i = 0; i < x->nfaults; i++) write_fault(&w, &x->fault[i], c->zh);
    jw_end(&w);
    jw_end(&w);
    http_set_header(c->res, "X-Influxdb-Error", str_of(none ? "forbidden" : "partial write"));
    c->res->status = none ? 403 : 400;
    return 0;
}

static int unpack(struct api_call *c, struct buf *room, struct str *ret, struct error *e)
{
    struct str coding = http_header(c->req, "content-encoding");
    *ret = c->req->body;
    if (!coding.n || str_ieq(coding, STR("identity"))) return 0;
    if (!str_ieq(coding, STR("gzip")))
        return error_set(e, ERR_MEDIA_TYPE, "", "bodies may be packed with gzip, not '%.*s'",
                         "内容只支持 gzip 压缩，不支持 '%.*s'", STR_ARG(str_sub(coding, 0, 40)));
    int err = gunzip(*ret, room, e);
    *ret = buf_view(room);
    return err;
}

static int take(struct ingest *x, struct str text, struct error *e)
{
    struct str precision = http_query(x->c->req, "precision");
    if (lp_init(x->lp, text, precision))
        return error_set(e, ERR_INVALID, "precision", "'%.*s' is not known; write ns, us, ms, s, m or h",
                         "'%.*s' 无效；请写 ns、us、ms、s、m 或 h", STR_ARG(precision));
    int more = 1;
    while (more > 0) {
        more = gather(x, e);
        int err = store(x, e); /* what has gathered before a fault is not lost */
        if (more >= 0 && err) more = err;
    }
    metric_add(&m_lines, (int64_t)x->stored);
    metric_add(&m_dropped, (int64_t)x->dropped);
    return more;
}

static int post_write(struct api_call *c, struct error *e)
{
    struct str database = http_query(c->req, "db"), text;
    struct ingest x = {.c = c, .node = history_node(c->module)};
    struct buf room;
    if (!database.n) database = http_query(c->req, "bucket");
    if (database.n > 200) return error_set(e, ERR_INVALID, "db", "the name is too long", "名称过长");
    buf_init(&room, BODY_MAX);
    x.now_us = clock_now_us(x.node->clock);
    x.cache = line_cache_get(doors_lines(history_doors(c->module)), c, database);
    x.lp = mem_alloc(sizeof *x.lp);
    x.s = mem_alloc(STRETCH * sizeof *x.s);
    x.line = mem_alloc(STRETCH * sizeof *x.line);
    x.fault = mem_alloc(LISTED * sizeof *x.fault);
    int err = x.cache && x.lp && x.s && x.line && x.fault ? unpack(c, &room, &text, e) : ERR_NOMEM;
    if (!err) err = take(&x, text, e);
    if (!err && x.dropped) err = answer_partial(&x);
    if (!err && !x.dropped) c->res->status = 204;
    line_cache_put(x.cache);
    mem_free(x.lp);
    mem_free(x.s);
    mem_free(x.line);
    mem_free(x.fault);
    buf_fini(&room);
    return err;
}

/* What clients ask before they write. */
static int get_ping(struct api_call *c, struct error *e)
{
    http_set_header(c->res, "X-Influxdb-Version", STR("1.8-bornite"));
    http_set_header(c->res, "X-Influxdb-Build", STR("bornite"));
    c->res->status = 204;
    return 0;
}

#define WRITE(path_, params_, en_, zh_) \
    API_DO("POST", path_, "point", ACT_WRITE, AUDIT_NONE, post_write, .body_max = BODY_MAX, .lane = LANE_PUSH, \
           .any_token = true, .summary_en = (en_), .summary_zh = (zh_), .params = (params_), .body_schema = "text")

static const struct api_route rows[] = {
    WRITE("/write", "db:string:Database;precision:string:ns, u, ms, s, m or h",
          "InfluxDB line protocol, version 1; 204 when durable", "InfluxDB 行协议（v1），落盘后应答 204"),
    WRITE("/api/v2/write", "bucket:string:Bucket;precision:string:ns, us, ms or s",
          "InfluxDB line protocol, version 2; 204 when durable", "InfluxDB 行协议（v2），落盘后应答 204"),
    API_DO("GET", "/ping", "point", ACT_LOGIN, AUDIT_NONE, get_ping, .rate = 600,
           .summary_en = "For clients of InfluxDB: is it there", .summary_zh = "供 InfluxDB 客户端探测"),
};
const struct door_routes ingest_line_routes = {rows, sizeof rows / sizeof *rows};
