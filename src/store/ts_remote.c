/* ts_remote.c - see ts_remote.h: the store over a dialect. Nothing is kept in memory but idle connections and, for
 * engines that know no limit of rows, how long a range fits into one answer. Reading goes page by page: at most one
 * answer of TS_ANSWER_MAX and its rows are held. */
#include "store/ts_remote.h"
#include <math.h>
#include <time.h>
#include "base/encode.h"
#include "base/mem.h"
#include "base/time.h"
#include "model/sample.h"
#include "model/ts_scan.h"
#include "store/ts_remote_int.h"

#define RANGE_FIRST_US (24 * 3600 * TIME_US_PER_S)
#define RANGE_MAX_US (400LL * 366 * 24 * 3600 * TIME_US_PER_S)

static struct ts_remote *self(struct ts_store *st)
{
    return (struct ts_remote *)st;
}

/* ------------------------------------------------------------------ writing */

static int by_key(const void *a, const void *b)
{
    const struct ts_row *x = a, *y = b;
    if (x->s.point != y->s.point) return x->s.point < y->s.point ? -1 : 1;
    return x->s.time_us < y->s.time_us ? -1 : x->s.time_us > y->s.time_us;
}

/* Bottom-up merge: stable, so that the last of equal keys stays the last. */
static void sort_rows(struct ts_row *rows, struct ts_row *tmp, size_t n)
{
    bool sorted = true;
    for (size_t i = 1; i < n && sorted; i++) sorted = by_key(&rows[i - 1], &rows[i]) <= 0;
    for (size_t w = 1; !sorted && w < n; w *= 2) {
        for (size_t lo = 0; lo < n; lo += 2 * w) {
            size_t mid = lo + w < n ? lo + w : n, hi = lo + 2 * w < n ? lo + 2 * w : n, i = lo, j = mid;
            for (size_t k = lo; k < hi; k++)
                tmp[k] = i < mid && (j >= hi || by_key(&rows[i], &rows[j]) <= 0) ? rows[i++] : rows[j++];
        }
        memcpy(rows, tmp, n * sizeof *rows);
    }
}

static size_t last_of_each(struct ts_row *rows, size_t n)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (k && by_key(&rows[k - 1], &rows[i]) == 0) k--;
        rows[k++] = rows[i];
    }
    return k;
}

static int text_of(struct ts_remote *r, struct arena *a, struct ts_row *row, struct error *e)
{
    char tmp[65536];
    size_t n = 0;
    int err = r->strings->ops->string_get(r->strings, row->s.v.u, tmp, sizeof tmp, &n);
    if (err == ERR_NOT_FOUND) { /* its text was lost: the sample keeps time and quality */
        row->s.type = SAMPLE_NONE;
        row->s.v.u = 0;
        return 0;
    }
    if (!err) row->text = n ? arena_str(a, str_make(tmp, n)) : STR("");
    if (!err && !row->text.p) err = ERR_NOMEM;
    return err ? error_set(e, err, "engine", "a text cannot be read", "无法读取文本值") : 0;
}

static int send_rows(struct ts_remote *r, const struct ts_row *rows, size_t n, struct error *e)
{
    int err = 0;
    while (n && !err) {
        AUTO_ARENA a;
        struct ts_request q;
        struct str answer;
        size_t taken = 0;
        arena_init(&a, 2 * TS_ANSWER_MAX);
        ts_request_init(&q);
        err = r->d->write(&r->target, rows, n, atomic_fetch_add(&r->stamp, n), &q, &taken);
        if (err) error_set(e, err, "engine", "a sample is too large for a request", "样本过大，无法写入请求");
        if (!err) err = ts_call(r, &q, &a, &answer, e);
        ts_request_fini(&q);
        rows += taken;
        n -= taken;
    }
    return err;
}

/* The database may have been dropped meanwhile: make it again, once. */
static int send_again(struct ts_remote *r, const struct ts_row *rows, size_t n, struct error *e)
{
    int err = ts_ready(r, e);
    if (!err) err = send_rows(r, rows, n, e);
    if (err != ERR_NOT_FOUND) return err;
    r->ready = false;
    err = ts_ready(r, e);
    if (!err) err = send_rows(r, rows, n, e);
    return err == ERR_NOT_FOUND ? ERR_UNAVAILABLE : err;
}

static int append_some(struct ts_remote *r, const struct sample *s, size_t n, struct error *e)
{
    AUTO_ARENA a;
    AUTO_FREE struct ts_row *rows = mem_calloc(2 * n, sizeof *rows);
    int err = rows ? 0 : error_set(e, ERR_NOMEM, "engine", "out of memory", "内存不足");
    arena_init(&a, 1u << 30);
    for (size_t i = 0; i < n && !err; i++) {
        rows[i].s = s[i];
        rows[i].s.time_us = ts_floor(s[i].time_us, r->target.unit_us) * r->target.unit_us;
        if (s[i].type == SAMPLE_STRING && r->d->strings) err = text_of(r, &a, &rows[i], e);
    }
    if (err) return err;
    sort_rows(rows, rows + n, n);
    err = send_again(r, rows, last_of_each(rows, n), e);
    if (!err) atomic_fetch_add(&r->appended, n);
    return err;
}

/* Each request is whole; when a later one fails, the earlier ones stay, which a repetition writes over with the same.
 */
static int remote_append(struct ts_store *st, const struct sample *s, size_t n, struct error *e)
{
    struct ts_remote *r = self(st);
    int err = ts_ready(r, e); /* the unit of time */
    for (size_t i = 0; i < n && !err; i += r->batch)
        err = append_some(r, s + i, n - i < r->batch ? n - i : r->batch, e);
    return err;
}

/* ------------------------------------------------------------------ one page */

struct page {
    struct ts_remote *r;
    int64_t from, to; /* rows outside are not taken */
    struct sample *s;
    size_t n, cap;
    int err;
};

static int take_row(void *ctx, const struct ts_row *row)
{
    struct page *p = ctx;
    struct sample s = row->s;
    if (s.time_us < p->from || s.time_us >= p->to) return 0;
    if (s.type == SAMPLE_STRING) {
        p->err = p->r->strings->ops->string_put(p->r->strings, row->text, &s.v.u);
        if (p->err) return p->err;
    }
    if (p->n && p->s[p->n - 1].time_us == s.time_us) p->n--; /* of equal times the later */
    if (!mem_grow((void **)&p->s, &p->cap, p->n + 1, sizeof s)) return p->err = ERR_NOMEM;
    p->s[p->n++] = s;
    return 0;
}

static int fetch_with(struct page *p, struct ts_request *q, uint32_t point, bool *ret_partial, struct error *e)
{
    AUTO_ARENA a;
    struct str body;
    struct ts_remote *r = p->r;
    arena_init(&a, 2 * TS_ANSWER_MAX);
    p->n = 0;
    *ret_partial = false;
    int err = ts_call(r, q, &a, &body, e);
    if (err) return err == ERR_NOT_FOUND ? 0 : err; /* no such database or point: no rows */
    err = r->d->rows(&r->target, point, body, take_row, p);
    *ret_partial = err == 1;
    if (err >= 0) return 0;
    if (p->err) return error_set(e, p->err, "engine", "the answer cannot be taken in", "无法处理引擎的应答");
    return error_set(e, ERR_PROTOCOL, "engine",
                     "the answer of %s at %s is not what it should be; is the address right?",
                     "%s（%s）的应答格式不正确，请检查地址", r->d->title, r->host);
}

static int fetch(struct page *p, const struct ts_span *span, bool *ret_partial, struct error *e)
{
    struct ts_request q;
    int err = ts_ready(p->r, e);
    if (err) return err;
    p->from = span->from;
    p->to = span->to;
    ts_request_init(&q);
    err = p->r->d->read(&p->r->target, span, &q);
    if (!err) err = fetch_with(p, &q, span->point, ret_partial, e);
    ts_request_fini(&q);
    return err;
}

/* ------------------------------------------------------------------ ranges */

static int64_t clamp(int64_t us)
{
    return us < TIME_MIN_US ? TIME_MIN_US : us > TIME_MAX_US + 1 ? TIME_MAX_US + 1 : us;
}

/* The next range: all that is left where the engine counts rows, else as much as has fitted before. */
static struct ts_span next_span(struct ts_remote *r, uint32_t point, int64_t from, int64_t to, uint32_t limit)
{
    struct ts_span s = {.point = point, .from = from, .to = to, .limit = limit};
    if (!r->d->limits && from < 0 && to > 0) s.to = 1; /* nothing is there: one request for all of it */
    if (!r->d->limits && from >= 0 && to - from > r->guess_us) s.to = from + r->guess_us;
    return s;
}

static void learn(struct ts_remote *r, bool too_large, size_t rows)
{
    int64_t g = r->guess_us;
    if (too_large)
        r->guess_us = g / 4 > 1000000 ? g / 4 : 1000000;
    else if (rows < 4 * TS_PAGE)
        r->guess_us = g * 4 < RANGE_MAX_US ? g * 4 : RANGE_MAX_US;
}

static bool smaller(struct ts_remote *r, uint32_t *limit)
{
    if (r->d->limits) return (*limit /= 4) > 0;
    if (r->guess_us <= 1000000) return false;
    learn(r, true, 0);
    return true;
}

static int remote_scan(struct ts_store *st, uint32_t point, int64_t from, int64_t to, ts_scan_fn *fn, void *ctx,
                       struct error *e)
{
    struct ts_remote *r = self(st);
    struct page p = {.r = r};
    uint32_t limit = TS_PAGE;
    bool partial;
    int err = 0;
    from = clamp(from);
    to = clamp(to);
    while (from < to && !err) {
        struct ts_span span = next_span(r, point, from, to, limit);
        err = fetch(&p, &span, &partial, e);
        if (err == ERR_TOO_LARGE && smaller(r, &limit)) {
            err = 0;
            continue;
        }
        if (!err && p.n) err = fn(ctx, p.s, p.n);
        if (!r->d->limits && span.from >= 0) learn(r, false, p.n);
        bool more = p.n && (partial || (r->d->limits && p.n >= limit / 2));
        from = more ? p.s[p.n - 1].time_us + 1 : span.to;
    }
    mem_free(p.s);
    return err;
}

/* Ranges away from `at`, each eight times longer, for engines without limits. */
static int seek_far(struct page *p, uint32_t point, int64_t at, bool back, bool *ret_found, struct error *e)
{
    int64_t width = 60 * TIME_US_PER_S, end = back ? 0 : clamp(INT64_MAX);
    bool partial;
    int err = 0;
    while (!err && !*ret_found && (back ? at > end : at < end)) {
        int64_t other = back ? (at - end < width ? end : at - width) : (end - at < width ? end : at + width);
        struct ts_span s = {.point = point, .from = back ? other : at, .to = back ? at : other, .limit = TS_PAGE};
        err = fetch(p, &s, &partial, e);
        if (err == ERR_TOO_LARGE && width > 1000000) {
            width /= 8;
            err = 0;
            continue;
        }
        *ret_found = !err && p->n;
        at = other;
        width = width > RANGE_MAX_US / 8 ? RANGE_MAX_US : width * 8;
    }
    return err;
}

static int seek(struct ts_store *st, uint32_t point, int64_t at, bool back, struct sample *ret)
{
    struct ts_remote *r = self(st);
    struct page p = {.r = r};
    bool partial, found = false;
    int err;
    at = clamp(at);
    if (back) at++;
    if (r->d->limits) {
        struct ts_span s = {point, back ? TIME_MIN_US : at, back ? at : TIME_MAX_US, 1, back};
        err = fetch(&p, &s, &partial, NULL);
        found = !err && p.n;
    } else {
        err = seek_far(&p, point, at < 0 ? 0 : at, back, &found, NULL);
    }
    if (found) *ret = p.s[back && !r->d->limits ? p.n - 1 : 0];
    mem_free(p.s);
    return err ? err : found ? 0 : ERR_NOT_FOUND;
}

static int remote_before(struct ts_store *st, uint32_t point, int64_t at, struct sample *ret)
{
    return seek(st, point, at, true, ret);
}
static int remote_after(struct ts_store *st, uint32_t point, int64_t at, struct sample *ret)
{
    return seek(st, point, at, false, ret);
}

/* ------------------------------------------------------------------ aggregates */

static int remote_summary(struct ts_store *st, uint32_t point, int64_t from, int64_t to, bool step,
                          struct ts_summary *ret, struct error *e)
{
    return ts_summary_by_scan(st, point, from, to, step, ret, e);
}

static int remote_plot(struct ts_store *st, uint32_t point, int64_t from, int64_t to, uint32_t pixels, ts_scan_fn *fn,
                       void *ctx, struct error *e)
{
    struct ts_remote *r = self(st);
    from = clamp(from);
    to = clamp(to);
    if (!r->d->plot || from >= to || !pixels) return ts_plot_by_scan(st, point, from, to, pixels, fn, ctx, e);
    struct page p = {.r = r, .from = from, .to = to};
    struct ts_span span = {.point = point, .from = from, .to = to};
    struct ts_request q;
    bool partial;
    int err = ts_ready(r, e);
    ts_request_init(&q);
    if (!err) err = r->d->plot(&r->target, &span, pixels, &q);
    if (!err) err = fetch_with(&p, &q, point, &partial, e);
    if (!err && p.n) err = fn(ctx, p.s, p.n);
    ts_request_fini(&q);
    mem_free(p.s);
    return err;
}

static int remote_remove(struct ts_store *st, uint32_t point, int64_t from, int64_t to, struct error *e)
{
    AUTO_ARENA a;
    struct ts_remote *r = self(st);
    struct ts_request q;
    struct str answer;
    arena_init(&a, 2 * TS_ANSWER_MAX);
    from = clamp(from);
    to = clamp(to);
    if (!r->d->remove)
        return error_set(e, ERR_UNSUPPORTED, "engine", "%s cannot remove a range of samples", "%s 不支持删除时间段数据",
                         r->d->title);
    if (from >= to) return 0;
    ts_request_init(&q);
    int err = ts_ready(r, e);
    if (!err) err = r->d->remove(&r->target, point, from, to, atomic_fetch_add(&r->stamp, 1), &q);
    if (!err) err = ts_call(r, &q, &a, &answer, e);
    ts_request_fini(&q);
    return err == ERR_NOT_FOUND ? 0 : err;
}

/* ------------------------------------------------------------------ the rest */

static int remote_string_put(struct ts_store *st, struct str s, uint64_t *ret_id)
{
    struct ts_store *strings = self(st)->strings;
    return strings->ops->string_put(strings, s, ret_id);
}
static int remote_string_get(struct ts_store *st, uint64_t id, char *out, size_t cap, size_t *ret_n)
{
    struct ts_store *strings = self(st)->strings;
    return strings->ops->string_get(strings, id, out, cap, ret_n);
}

static void remote_stats(struct ts_store *st, struct ts_stats *ret)
{
    *ret = (struct ts_stats){.samples_appended = self(st)->appended};
}

static void remote_close(struct ts_store *st)
{
    struct ts_remote *r = self(st);
    http_keep_free(r->keep);
    pthread_mutex_destroy(&r->lock);
    explicit_bzero(r->auth, sizeof r->auth);
    explicit_bzero(r->secret, sizeof r->secret);
    mem_free(r);
}

static const struct ts_store_ops ops = {
    .name = "remote",
    .append = remote_append,
    .scan = remote_scan,
    .before = remote_before,
    .after = remote_after,
    .summary = remote_summary,
    .remove = remote_remove,
    .plot = remote_plot,
    .string_put = remote_string_put,
    .string_get = remote_string_get,
    .stats = remote_stats,
    .close = remote_close,
};

void ts_remote_cancel(struct ts_store *st)
{
    self(st)->cancelled = true;
}

void ts_remote_traits(const struct ts_store *st, struct ts_remote_traits *ret)
{
    const struct ts_remote *r = (const struct ts_remote *)st;
    *ret = (struct ts_remote_traits){r->d->name,    r->d->title, r->target.unit_us,   r->d->visible_us,
                                     r->d->strings, r->d->exact, r->d->remove != NULL};
}

struct sample ts_remote_fit(const struct ts_store *st, const struct sample *s)
{
    const struct ts_remote *r = (const struct ts_remote *)st;
    struct sample f = *s;
    f.time_us = ts_floor(s->time_us, r->target.unit_us) * r->target.unit_us;
    if (f.type == SAMPLE_STRING && !r->d->strings) f.type = SAMPLE_NONE;
    if (f.type == SAMPLE_NONE) f.v.u = 0;
    if (f.type == SAMPLE_BOOL) f.v.i = f.v.i != 0;
    return f;
}

static bool near(double a, double b)
{
    return a == b || fabs(a - b) <= 1e-11 * fmax(fabs(a), fabs(b));
}

bool ts_remote_same(const struct ts_store *st, const struct sample *want, const struct sample *got)
{
    const struct ts_remote *r = (const struct ts_remote *)st;
    struct sample w = ts_remote_fit(st, want);
    if (w.time_us != got->time_us || w.quality != got->quality || w.flags != got->flags || w.type != got->type)
        return false;
    if (r->d->exact || w.type == SAMPLE_STRING || w.type == SAMPLE_NONE) return sample_same_value(&w, got);
    double a = sample_number(&w), b = sample_number(got);
    return (isnan(a) && isnan(b)) || near(a, b);
}

/* ------------------------------------------------------------------ opening */

static bool name_good(const char *z)
{
    if (!z || !((*z >= 'a' && *z <= 'z') || (*z >= 'A' && *z <= 'Z'))) return false;
    for (size_t i = 0; z[i]; i++)
        if (i > 60 || !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", z[i])) return false;
    return true;
}

static int take_url(struct ts_remote *r, const char *url, struct error *e)
{
    struct str s = str_of(url), rest = s;
    while (s.n && s.p[s.n - 1] == '/') s.n--;
    bool known = str_starts(s, STR("http://")) || str_starts(s, STR("https://"));
    if (known) rest = str_sub(s, (size_t)str_find(s, ':') + 3, s.n);
    struct str path = rest, host = str_cut(&path, '/');
    if (!known || !host.n || str_find(s, '?') >= 0 || str_find(s, '#') >= 0 || str_find(s, ' ') >= 0)
        return error_set(e, ERR_INVALID, "url", "the address is not right; write http://host:port or https://host:port",
                         "地址不正确；请写 http://主机:端口 或 https://主机:端口");
    if (str_find(host, '@') >= 0)
        return error_set(e, ERR_INVALID, "url",
                         "user and password do not belong into the address but into their fields",
                         "用户名和密码请填写在各自字段中，不要写在地址里");
    if (!str_to_cstr(s, r->url, sizeof r->url) || !str_to_cstr(host, r->host, sizeof r->host))
        return error_set(e, ERR_INVALID, "url", "the address is longer than 500 bytes", "地址超过 500 字节");
    return 0;
}

static int take_secret(struct ts_remote *r, const char *user, const char *password, struct error *e)
{
    struct buf pair, out;
    const char *u = user ? user : "", *p = password ? password : "";
    int n = 0;
    if (strlen(u) > 200 || strlen(p) > 400 || strpbrk(p, "\r\n"))
        return error_set(e, ERR_INVALID, "password", "user or password is too long or has a line break",
                         "用户名或密码过长或含有换行");
    snprintf(r->secret, sizeof r->secret, "%s", p);
    if (!*u && !*p) return 0;
    buf_init(&pair, 1024);
    buf_init(&out, 2048);
    buf_printf(&pair, "%s:%s", u, p);
    base64_encode(&out, pair.p, pair.n, false);
    if (!*u)
        n = snprintf(r->auth, sizeof r->auth, "Authorization: %s %s", r->d->token, p);
    else
        n = snprintf(r->auth, sizeof r->auth, "Authorization: Basic %s", buf_cstr(&out));
    bool whole = !pair.err && !out.err && n < (int)sizeof r->auth;
    buf_fini(&pair);
    buf_fini(&out);
    return whole ? 0 : error_set(e, ERR_INVALID, "password", "user and password are too long", "用户名和密码过长");
}

static const struct ts_dialect *dialect_named(const char *name)
{
    for (size_t i = 0; name && ts_dialects[i]; i++)
        if (strcmp(ts_dialects[i]->name, name) == 0) return ts_dialects[i];
    return NULL;
}

static int take_config(struct ts_remote *r, const struct ts_remote_config *c, struct error *e)
{
    r->d = dialect_named(c->engine);
    if (!r->d)
        return error_set(e, ERR_INVALID, "engine",
                         "'%s' is no engine; known are influxdb, victoriametrics, tdengine, "
                         "iotdb and clickhouse",
                         "'%s' 不是已知引擎；可用 influxdb、victoriametrics、tdengine、iotdb、"
                         "clickhouse",
                         c->engine ? c->engine : "");
    if (!name_good(c->database))
        return error_set(e, ERR_INVALID, "database",
                         "the name of the database begins with a letter and has only letters, "
                         "digits and _, at most 60",
                         "数据库名以字母开头，只含字母、数字和下划线，最长 60");
    snprintf(r->database, sizeof r->database, "%s", c->database);
    if (c->ca && strlen(c->ca) >= sizeof r->ca)
        return error_set(e, ERR_INVALID, "ca", "the path of the CA file is too long", "CA 文件路径过长");
    if (c->ca) snprintf(r->ca, sizeof r->ca, "%s", c->ca);
    int err = take_url(r, c->url, e);
    return err ? err : take_secret(r, c->user, c->password, e);
}

int ts_remote_open(const struct ts_remote_config *c, struct ts_store **ret, struct error *e)
{
    struct ts_remote *r = mem_calloc(1, sizeof *r);
    struct timespec now;
    if (!r) return error_set(e, ERR_NOMEM, "engine", "out of memory", "内存不足");
    r->base.ops = &ops;
    pthread_mutex_init(&r->lock, NULL);
    clock_gettime(CLOCK_REALTIME, &now);
    r->stamp = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    r->guess_us = RANGE_FIRST_US;
    r->timeout_ms = c->timeout_ms ? c->timeout_ms : 10000;
    r->batch = c->batch ? c->batch : 10000;
    r->strings = c->strings;
    int err = take_config(r, c, e);
    if (!err && !(r->keep = http_keep_new())) err = error_set(e, ERR_NOMEM, "engine", "out of memory", "内存不足");
    if (err) {
        remote_close(&r->base);
        return err;
    }
    r->target = (struct ts_target){r->database, c->name, c->name_ctx, r->d->unit_us};
    *ret = &r->base;
    return 0;
}
