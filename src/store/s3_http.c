/* s3_http.c - one request to the store: signed, sent by libcurl, repeated when that may help.
 *
 * Every request may be sent again without harm: puts replace the whole object, a part replaces itself, and a second
 * completion of an upload is told apart by its caller. Repeated are lost connections, time-outs, 5xx, 429 and answers
 * that were cut off, three times with growing pauses. The body is signed with its hash, so that what arrives damaged
 * is refused also over http. No redirect is followed: the signature holds for one host. */
#include <unistd.h>
#include "base/mem.h"
#include "store/s3_int.h"

#define TRIES 4

struct exchange {
    CURL *h;
    const struct s3_call *c;
    struct s3_reply *r;
    bool overflow;
};

/* ------------------------------------------------------------------ connections */

static void curl_once(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static CURL *take_handle(struct s3_store *s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, curl_once);
    pthread_mutex_lock(&s->lock);
    CURL *h = s->nidle ? s->idle[--s->nidle] : NULL;
    pthread_mutex_unlock(&s->lock);
    return h ? h : curl_easy_init();
}

/* Its connection stays open for the next. */
static void give_handle(struct s3_store *s, CURL *h)
{
    curl_easy_reset(h);
    pthread_mutex_lock(&s->lock);
    bool keep = s->nidle < S3_IDLE_MAX;
    if (keep) s->idle[s->nidle++] = h;
    pthread_mutex_unlock(&s->lock);
    if (!keep) curl_easy_cleanup(h);
}

/* ------------------------------------------------------------------ what comes back */

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct exchange *x = ctx;
    long status = 0;
    n *= size;
    curl_easy_getinfo(x->h, CURLINFO_RESPONSE_CODE, &status);
    if (!x->c->sink || status < 200 || status > 299) {
        buf_add(&x->r->body, p, n);
        x->overflow = x->r->body.err != 0;
        return x->overflow ? 0 : n;
    }
    if (n > x->c->nsink - x->r->nsink) { /* a store that does not know ranges */
        x->overflow = true;
        return 0;
    }
    memcpy((char *)x->c->sink + x->r->nsink, p, n);
    x->r->nsink += n;
    return n;
}

static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
    struct exchange *x = ctx;
    struct str line = str_make(p, n * size), name = str_trim(str_cut(&line, ':'));
    if (line.p && str_ieq(name, STR("etag")))
        if (!str_to_cstr(str_trim(line), x->r->etag, sizeof x->r->etag)) x->r->etag[0] = 0;
    if (line.p && str_ieq(name, STR("date"))) str_to_cstr(str_trim(line), x->r->date, sizeof x->r->date);
    return n * size;
}

static void take_info(struct exchange *x)
{
    curl_off_t length = -1, modified = -1;
    curl_easy_getinfo(x->h, CURLINFO_RESPONSE_CODE, &x->r->status);
    curl_easy_getinfo(x->h, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    curl_easy_getinfo(x->h, CURLINFO_FILETIME_T, &modified);
    x->r->length = length < 0 ? 0 : (uint64_t)length;
    x->r->modified_us = modified < 0 ? 0 : modified * 1000000LL;
}

/* ------------------------------------------------------------------ what is sent */

static struct curl_slist *add_header(struct curl_slist *list, struct arena *a, const char *name, struct str value)
{
    char *line = arena_printf(a, "%s: %.*s", name, STR_ARG(value));
    struct curl_slist *longer = line ? curl_slist_append(list, line) : NULL;
    if (!longer) curl_slist_free_all(list);
    return longer;
}

static struct str path_of(const struct s3_store *s, const struct s3_call *c, struct arena *a)
{
    const char *bucket = s->path_style ? s->bucket : "", *slash = s->path_style ? "/" : "";
    if (!c->key) return str_of(arena_printf(a, "/%s", bucket));
    return str_of(arena_printf(a, "%s%s/%s%s", slash, bucket, s->prefix, c->key));
}

static const char *url_of(const struct s3_store *s, const struct s3_call *c, struct str path, struct arena *a)
{
    struct buf b;
    buf_init(&b, 65536);
    buf_z(&b, s->origin);
    s3_path(&b, path);
    if (c->nquery) buf_u8(&b, '?');
    int rc = s3_query(&b, c->query, c->nquery);
    const char *url = rc || b.err ? NULL : arena_strdup(a, buf_view(&b));
    buf_fini(&b);
    return url;
}

static struct curl_slist *headers(struct s3_store *s, const struct s3_call *c, struct str path, struct arena *a)
{
    char hash[S3_HASH_MAX], when[S3_TIME_MAX];
    struct s3_signed sig;
    const struct s3_identity who = {str_of(s->access), str_of(s->secret), str_of(s->region), STR("s3")};
    int64_t now = clock_now_us(s->clock);
    struct s3_pair h[4] = {{STR("host"), str_of(s->host)},
                           {STR("x-amz-content-sha256"), str_of(s3_hash(c->body, hash))},
                           {STR("x-amz-date"), str_of(s3_time(now, when))}};
    size_t n = 3;
    if (c->sink)
        h[n++] = (struct s3_pair){STR("range"), str_of(arena_printf(a, "bytes=%llu-%llu", (unsigned long long)c->from,
                                                                    (unsigned long long)(c->from + c->nsink - 1)))};
    struct s3_to_sign r = {.method = c->method,
                           .path = path,
                           .query = c->query,
                           .nquery = c->nquery,
                           .headers = h,
                           .nheaders = n,
                           .payload = h[1].value,
                           .time_us = now};
    if (!hash[0] || s3_sign(a, &who, &r, &sig)) return NULL;
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; list && i < n; i++) {
        char name[32];
        str_to_cstr(h[i].name, name, sizeof name);
        list = add_header(list, a, name, h[i].value);
    }
    if (list) list = add_header(list, a, "Content-Type", STR("application/octet-stream"));
    return list ? add_header(list, a, "Authorization", sig.header) : NULL;
}

static void set_options(struct s3_store *s, const struct s3_call *c, struct exchange *x, char *why)
{
    CURL *h = x->h;
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(h, CURLOPT_FILETIME, 1L);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, (long)(c->once && s->timeout_s > 5 ? 5 : s->timeout_s));
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (s->ca_file[0]) curl_easy_setopt(h, CURLOPT_CAINFO, s->ca_file);
    if (strcmp(c->method, "HEAD") == 0)
        curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, c->method);
    if (strcmp(c->method, "PUT") == 0 || strcmp(c->method, "POST") == 0) {
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, c->body.p ? c->body.p : "");
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body.n);
    }
}

/* ------------------------------------------------------------------ once */

static int fault(const struct s3_store *s, const struct exchange *x, CURLcode code, const char *why, struct error *e)
{
    if (x->overflow) return s3_bad_answer(s, e);
    int err = code == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT
              : code == CURLE_OUT_OF_MEMORY    ? ERR_NOMEM
                                               : ERR_UNAVAILABLE;
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) err = ERR_DEVICE;
    return error_set(e, err, "objects", "the store at %s cannot be reached: %s", "无法连接对象存储 %s：%s", s->host,
                     why[0] ? why : curl_easy_strerror(code));
}

static void reply_clear(struct s3_reply *r)
{
    struct buf body = r->body;
    buf_clear(&body);
    *r = (struct s3_reply){.body = body};
}

/* Signed anew each time: the clock goes on. */
static int send_once(struct s3_store *s, const struct s3_call *c, struct s3_reply *r, struct error *e)
{
    AUTO_ARENA a;
    char why[CURL_ERROR_SIZE] = "";
    struct exchange x = {.h = take_handle(s), .c = c, .r = r};
    arena_init(&a, 1 << 20);
    reply_clear(r);
    struct str path = path_of(s, c, &a);
    const char *url = path.p ? url_of(s, c, path, &a) : NULL;
    struct curl_slist *list = url && x.h ? headers(s, c, path, &a) : NULL;
    if (!list) {
        if (x.h) give_handle(s, x.h);
        return error_set(e, ERR_NOMEM, "objects", "out of memory", "内存不足");
    }
    set_options(s, c, &x, why);
    curl_easy_setopt(x.h, CURLOPT_URL, url);
    curl_easy_setopt(x.h, CURLOPT_HTTPHEADER, list);
    CURLcode code = curl_easy_perform(x.h);
    int rc = code == CURLE_OK ? 0 : fault(s, &x, code, why, e);
    if (!rc) take_info(&x);
    curl_slist_free_all(list);
    give_handle(s, x.h);
    if (rc || (r->status >= 200 && r->status <= 299)) return rc;
    return s3_refused(s, c, r, e);
}

/* ------------------------------------------------------------------ again */

/* A quarter more or less, so that not all come back at once. */
static void pause_before(const struct s3_store *s, int tried)
{
    uint64_t ns = (uint64_t)s->retry_ms * 1000000 << tried;
    ns = ns * 3 / 4 + (ns ? rng_u64(rng_real()) % (ns / 2 + 1) : 0);
    const struct timespec t = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    nanosleep(&t, NULL);
}

int s3_call_run(struct s3_store *s, const struct s3_call *c, struct s3_reply *ret, struct error *e)
{
    int rc = 0;
    *ret = (struct s3_reply){0};
    buf_init(&ret->body, S3_ANSWER_MAX);
    for (int tried = 0; tried < TRIES; tried++) {
        if (tried) pause_before(s, tried - 1);
        rc = send_once(s, c, ret, e);
        bool passing = rc == ERR_UNAVAILABLE || rc == ERR_TIMEOUT;
        if (!passing || c->once) break;
    }
    return rc;
}
