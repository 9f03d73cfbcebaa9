/* blobs.c - values that are no numbers: keeping them, listing them, giving their bytes. See blobs.h.
 *
 * The bytes go into the store first, then the sample that names them: what a sample names was there when it was
 * written. Bytes go out as a download of the type they came with, in a sandbox, so that nothing that somebody has
 * uploaded ever runs as a page of ours; a few plain images are shown in place. */
#include "modules/history/blobs.h"
#include "base/time.h"
#include "modules/history/deliver.h"
#include "modules/history/history.h"
#include "modules/history/query.h"
#include "modules/history/retention.h"

#define LIST_BYTES ((uint64_t)48 << 20) /* of waveforms that one page is read from */
#define LIST_MAX 1000

static struct ts_store *store_of(struct api_call *c)
{
    return history_node(c->module)->history;
}

/* ------------------------------------------------------------------ keeping */

int blob_time(struct api_call *c, struct str text, int64_t *ret, struct error *e)
{
    int64_t now = clock_now_us(history_node(c->module)->clock);
    *ret = now;
    return text.n ? time_parse_words(text, now, 0, ret, e) : 0;
}

static void put_time(struct json_writer *w, const char *key, int64_t time_us)
{
    char t[TIME_TEXT_MAX];
    jw_kz(w, key, time_format(time_us, t));
}

int blob_keep(struct api_call *c, const struct api_point *p, int64_t time_us, const char *type, struct str bytes,
              struct error *e)
{
    struct ts_store *st = store_of(c);
    struct sample s = {.time_us = time_us, .point = p->num, .type = SAMPLE_BLOB};
    if (!st->ops->blob_put)
        return error_set(e, ERR_UNSUPPORTED, "", "the engine behind history (%s) keeps no blobs",
                         "历史存储引擎（%s）不支持数据块", st->ops->name);
    int err = st->ops->blob_put(st, p->num, time_us, type, bytes, &s.v.u, e);
    if (!err) err = bus_write(history_node(c->module)->bus, &s, 1, e);
    if (err) return err;
    c->res->status = 201;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kstr(&w, "point", p->code);
    put_time(&w, "t", time_us);
    jw_kz(&w, "type", type);
    jw_ki64(&w, "size", (int64_t)bytes.n);
    jw_end(&w);
    return 0;
}

/* "Image/PNG; name=x" -> "image/png" */
static int type_of(struct api_call *c, char out[TS_BLOB_TYPE], struct error *e)
{
    struct str all = http_header(c->req, "content-type"), type = str_trim(str_cut(&all, ';'));
    if (!type.n) type = STR("application/octet-stream");
    bool ok = type.n < TS_BLOB_TYPE && str_has(type, STR("/"));
    for (size_t i = 0; i < type.n && ok; i++) {
        char x = type.p[i];
        out[i] = (char)(x >= 'A' && x <= 'Z' ? x + 32 : x);
        ok = (out[i] >= 'a' && out[i] <= 'z') || (x >= '0' && x <= '9') || strchr("/.+-_!#$&^", x);
    }
    if (!ok)
        return error_set(e, ERR_MEDIA_TYPE, "Content-Type", "'%.*s' is no media type of at most %d characters",
                         "“%.*s”不是媒体类型（最多 %d 个字符）", STR_ARG(str_sub(type, 0, 60)), TS_BLOB_TYPE - 1);
    out[type.n] = '\0';
    return 0;
}

static int post_blob(struct api_call *c, struct error *e)
{
    struct api_point p;
    struct waveform w;
    char type[TS_BLOB_TYPE];
    int64_t t;
    int err = api_find_point(c, c->param[0], ACT_WRITE, &p, e);
    if (!err) err = blob_time(c, http_query(c->req, "t"), &t, e);
    if (err && !e->where[0]) str_to_cstr(STR("t"), e->where, sizeof e->where);
    if (!err) err = type_of(c, type, e);
    if (!err && !c->req->body.n) err = error_set(e, ERR_INVALID, "", "there are no bytes in the body", "请求内容为空");
    if (!err && strcmp(type, WAVEFORM_TYPE) == 0) err = waveform_open(c->req->body, &w, e);
    return err ? err : blob_keep(c, &p, t, type, c->req->body, e);
}

/* ------------------------------------------------------------------ listing */

struct found {
    const struct answer_point *point;
    struct sample s;
};
struct listing {
    struct api_call *c;
    struct query q;
    const struct answer_point *at;
    struct found *f; /* limit + 1 */
    size_t n, limit;
};

static int take_blobs(void *ctx, const struct sample *s, size_t n)
{
    struct listing *l = ctx;
    for (size_t i = 0; i < n; i++) {
        if (s[i].type != SAMPLE_BLOB) continue;
        l->f[l->n++] = (struct found){l->at, s[i]};
        if (l->n > l->limit) return 1;
    }
    return 0;
}

static void item(struct json_writer *w, const struct found *f, const struct ts_blob *b, bool gone, struct str wave)
{
    jw_object(w);
    jw_ki64(w, "point", f->point->num);
    jw_kstr(w, "code", f->point->code);
    put_time(w, "t", f->s.time_us);
    jw_kz(w, "type", gone ? NULL : b->type);
    jw_key(w, STR("size"));
    gone ? jw_null(w) : jw_u64(w, b->size);
    jw_ki64(w, "q", f->s.quality);
    jw_kbool(w, "gone", gone);
    if (wave.n) waveform_note(w, wave);
    jw_end(w);
}

/* *budget: bytes that may still be read for figures; 0 when this one went beyond. What is damaged is gone, too. */
static int write_found(struct listing *l, struct json_writer *w, const struct found *f, uint64_t *budget,
                       struct error *e)
{
    struct ts_store *st = store_of(l->c);
    struct ts_blob b = {0};
    struct buf bytes;
    buf_init(&bytes, TS_BLOB_MAX);
    int err = ts_blob_of(st, &f->s, &b, NULL, e);
    bool gone = err == ERR_NOT_FOUND || err == ERR_CORRUPT;
    if (gone) err = 0;
    if (!err && !gone && strcmp(b.type, WAVEFORM_TYPE) == 0) {
        err = ts_blob_of(st, &f->s, &b, &bytes, e);
        *budget -= b.size < *budget ? b.size : *budget;
        if (err == ERR_NOT_FOUND || err == ERR_CORRUPT) gone = true, err = 0;
    }
    if (!err) item(w, f, &b, gone, gone ? STR_NULL : buf_view(&bytes));
    buf_fini(&bytes);
    return err;
}

/* page: "CODE time" of the first blob that is to come, as `next` gave it; points before that are passed over. */
static int start_at(struct listing *l, struct str page, size_t *ret_point, int64_t *ret_from, struct error *e)
{
    *ret_point = 0;
    *ret_from = l->q.from;
    if (!page.n) return 0;
    struct str rest = page, num = str_cut(&rest, '_');
    int64_t point = 0, from = 0;
    bool ok = str_to_i64(num, &point) == 0 && rest.p && str_to_i64(rest, &from) == 0;
    while (ok && *ret_point < l->q.npoints && l->q.point[*ret_point].num != point) ++*ret_point;
    if (!ok || *ret_point == l->q.npoints)
        return error_set(e, ERR_INVALID, "page", "this is no page of this list; leave it out to begin",
                         "页标记无效，请从头开始");
    if (from > *ret_from) *ret_from = from;
    return 0;
}

/* Blobs are never numbers: what has nothing but numbers need not be read. */
static bool may_have(struct listing *l, int64_t from)
{
    struct ts_store *st = store_of(l->c);
    struct ts_summary s;
    return st->ops->summary(st, l->at->num, from, l->q.to, true, &s, NULL) || s.usable < s.count;
}

static int find_blobs(struct listing *l, struct str page, struct error *e)
{
    size_t i;
    int64_t from;
    int err = start_at(l, page, &i, &from, e);
    for (; i < l->q.npoints && !err && l->n <= l->limit; i++) {
        struct ts_store *st = store_of(l->c);
        l->at = &l->q.point[i];
        if (may_have(l, from)) err = st->ops->scan(st, l->at->num, from, l->q.to, take_blobs, l, e);
        if (err == 1) err = 0;
        from = l->q.from;
    }
    return err;
}

static int get_list(struct api_call *c, struct error *e)
{
    struct params p = {.req = c->req, .a = c->a};
    struct run_caller by = deliver_caller(c);
    struct listing l = {.c = c};
    int64_t limit = 0;
    uint64_t budget = LIST_BYTES;
    int err = query_points(&by, c->a, &p, ACT_READ, &l.q, e);
    if (!err) err = query_range(&by, &p, &l.q, e);
    if (!err) err = params_i64(&p, "limit", 100, 1, LIST_MAX, &limit, e);
    l.limit = (size_t)limit;
    if (!err && !(l.f = arena_alloc(c->a, (l.limit + 1) * sizeof *l.f)))
        err = error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (!err) err = find_blobs(&l, http_query(c->req, "page"), e);
    if (err) return err;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    size_t i = 0;
    for (; i < l.n && i < l.limit && budget && !err; i++) err = write_found(&l, &w, &l.f[i], &budget, e);
    jw_end(&w);
    jw_key(&w, STR("next"));
    if (i < l.n)
        jw_str(&w, str_of(arena_printf(c->a, "%u_%lld", l.f[i].s.point, (long long)l.f[i].s.time_us)));
    else
        jw_null(&w);
    jw_end(&w);
    return err;
}

/* ------------------------------------------------------------------ bytes */

static int gone(struct api_call *c)
{
    c->res->status = 410;
    c->res->content_type = "application/problem+json; charset=utf-8";
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kz(&w, "type", "about:blank");
    jw_kz(&w, "title", "Gone");
    jw_ki64(&w, "status", 410);
    jw_kz(&w, "code", "gone");
    jw_kz(&w, "detail",
          c->zh ? "该值的数据已过保存期限" : "the bytes of this value are no longer kept: they have expired");
    jw_end(&w);
    return 1;
}

/* Whether nothing of this time is kept in the class of the point any more: its samples go with the bytes. */
static bool too_old(struct api_call *c, int64_t t)
{
    struct retention_class table[TS_CLASSES];
    struct resource p, cls;
    struct error ignored;
    if (api_find(c, "point", c->param[0], ACT_READ, &p, &ignored)) return false;
    struct str id = json_str(json_get(p.spec, "archive_class"), STR_NULL);
    if (!id.n || resource_get(c->kernel, c->a, "archive_class", id, &cls, &ignored)) return false;
    size_t n = retention_classes(c->module, table);
    int64_t age = clock_now_us(history_node(c->module)->clock) - t;
    for (size_t i = 0; i < n; i++)
        if (table[i].c.id == cls.num) return table[i].c.max_age_us && age > table[i].c.max_age_us;
    return false;
}

int blob_open(struct api_call *c, struct blob_value *ret, struct error *e)
{
    struct ts_store *st = store_of(c);
    int64_t t;
    *ret = (struct blob_value){0};
    buf_init(&ret->bytes, TS_BLOB_MAX);
    int err = api_find_point(c, c->param[0], ACT_READ, &ret->point, e);
    if (!err) err = blob_time(c, c->param[1], &t, e);
    if (err) return err;
    err = st->ops->before(st, ret->point.num, t, &ret->sample);
    bool there = !err && ret->sample.time_us == t && ret->sample.type == SAMPLE_BLOB;
    if ((err == ERR_NOT_FOUND || (!err && !there)) && too_old(c, t)) return gone(c);
    if (err == ERR_NOT_FOUND || (!err && !there))
        return error_set(e, ERR_NOT_FOUND, "t", "%.*s has no blob at %.*s", "%.*s 在 %.*s 没有数据块",
                         STR_ARG(ret->point.code), STR_ARG(str_sub(c->param[1], 0, 40)));
    if (!err)
        err = ts_blob_of(st, &ret->sample, &ret->what, &ret->bytes, e);
    else
        error_set(e, err, "", "history cannot be read: %s", "无法读取历史：%s", error_title(err));
    return err == ERR_NOT_FOUND ? gone(c) : err;
}

void blob_close(struct blob_value *v)
{
    buf_fini(&v->bytes);
}

static const struct {
    const char *type, *ending;
    bool shown; /* in place, not as a download */
} known[] = {{"image/png", "png", true},       {"image/jpeg", "jpg", true}, {"image/gif", "gif", true},
             {"image/webp", "webp", true},     {"image/bmp", "bmp", true},  {"application/pdf", "pdf", false},
             {"text/plain", "txt", false},     {"text/csv", "csv", false},  {"application/json", "json", false},
             {WAVEFORM_TYPE, "bnwf", false},   {"audio/wav", "wav", false}, {"video/mp4", "mp4", false},
             {"application/zip", "zip", false}};

static void disposition(struct api_call *c, const struct blob_value *v)
{
    const char *ending = "bin";
    bool shown = false;
    char name[160], t[TIME_TEXT_MAX];
    size_t n = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(v->what.type, known[i].type) == 0) ending = known[i].ending, shown = known[i].shown;
    struct str parts[2] = {str_sub(v->point.code, 0, 100), str_of(time_format(v->sample.time_us, t))};
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < parts[k].n; i++) {
            char x = parts[k].p[i];
            bool safe =
                (x >= '0' && x <= '9') || (x >= 'a' && x <= 'z') || (x >= 'A' && x <= 'Z') || x == '-' || x == '.';
            name[n++] = safe ? x : '_';
        }
        if (k == 0) name[n++] = '_';
    }
    http_set_header(
        c->res, "Content-Disposition",
        str_of(arena_printf(c->a, "%s; filename=\"%.*s.%s\"", shown ? "inline" : "attachment", (int)n, name, ending)));
}

static int give_bytes(struct api_call *c, const struct blob_value *v, struct error *e)
{
    char *type = arena_strdup(c->a, str_of(v->what.type));
    buf_str(&c->res->body, buf_view(&v->bytes));
    if (!type || c->res->body.err) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    c->res->content_type = type;
    http_set_header(c->res, "Content-Security-Policy", STR("default-src 'none'; sandbox"));
    disposition(c, v);
    return 0;
}

static int get_blob(struct api_call *c, struct error *e)
{
    struct blob_value v;
    int err = blob_open(c, &v, e);
    if (!err) {
        err = waveform_formats(c, &v, e);
        if (err == 1) err = give_bytes(c, &v, e);
    }
    blob_close(&v);
    return err == 1 ? 0 : err;
}

/* ------------------------------------------------------------------ routes */

#define KEPT "{point:string;t:time;type:string;size:integer}"
static const struct api_route routes[] = {
    API_DO("POST", "/api/v1/points/{id}/blobs", "point", ACT_WRITE, AUDIT_CHANGE, post_blob,
           .summary_en = "Keep a picture, a document, a waveform as a value; answered when durable",
           .summary_zh = "保存图片、文档或波形作为测点值（落盘后应答）", .params = "t:time:When, default now",
           .body_max = TS_BLOB_MAX, .lane = LANE_PUSH, .answer_schema = KEPT),
    API_DO("POST", "/api/v1/points/{id}/waveforms", "point", ACT_WRITE, AUDIT_CHANGE, waveform_post,
           .summary_en = "Keep values at a fixed interval as one waveform", .summary_zh = "保存等间隔波形",
           .body_max = 24 << 20, .lane = LANE_PUSH,
           .body_schema = "{t?:(time|number);dt_s:number;unit?:string;v:(number|null)[]}", .answer_schema = KEPT),
    API_GET("/api/v1/history/blobs", "point", AUDIT_NONE, get_list,
            .summary_en = "Values that are no numbers, oldest first, point by point",
            .summary_zh = "非数值的历史值（逐点、由旧到新）",
            .params = "points:string:Codes or ids, comma;from:time:Start, default *-1h;to:time:End, default *;"
                      "tz:string:Time zone, for t and y;limit:integer:1 to 1000, default 100;"
                      "page:string:What next said",
            .answer_schema =
                "{items:{point:integer;code:string;t:time;type:string|null;size:integer|null;q:integer;gone:boolean;"
                "waveform?:{count:integer;dt_s:number;unit:string;min:number|null;max:number|null;mean:number|null;"
                "rms:number|null;peak:number|null;crest:number|null}}[];next:string|null}"),
    API_GET("/api/v1/points/{id}/blobs/{t}", "point", AUDIT_NONE, get_blob,
            .summary_en = "The bytes of a value; a waveform also as JSON, CSV or outline",
            .summary_zh = "读取数据块内容；波形可取 JSON、CSV 或轮廓",
            .params = "format:string:json or csv, of a waveform;px:integer:Outline of this width, of a waveform;"
                      "from:number:Seconds into the waveform;to:number:Seconds into the waveform",
            .answer_schema = "bytes"),
    API_GET("/api/v1/points/{id}/blobs/{t}/spectrum", "point", AUDIT_NONE, waveform_spectrum_get,
            .summary_en = "Amplitude spectrum of a waveform", .summary_zh = "波形的幅值谱",
            .params = "full:boolean:All lines, not the peaks of 8192",
            .answer_schema = "{df_hz:number;unit:string;a:number[]}"),
};

int blob_routes(struct node *n, void *module, struct error *e)
{
    return api_routes_add(n->api, routes, sizeof routes / sizeof *routes, module, e);
}
