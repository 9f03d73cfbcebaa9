/* object_s3.c - objects in an S3 store (AWS, MinIO, Ceph RGW, OBS, OSS): address, reading, listing.
 *
 * Where a host has a name the bucket is put in front of it (virtual host) unless path_style=1; where the host is an
 * address, or the bucket has dots (no certificate covers it), the bucket always stands in the path. */
#include <arpa/inet.h>
#include "base/mem.h"
#include "store/s3_int.h"

/* ------------------------------------------------------------------ reading */

static int s3_get(struct object_store *base, const char *key, uint64_t offset, void *buf, size_t cap, size_t *ret_n,
                  struct error *e)
{
    struct s3_store *s = (struct s3_store *)base;
    struct s3_reply r;
    const struct s3_call c = {.method = "GET", .key = key, .sink = buf, .from = offset, .nsink = cap};
    if (!cap) {
        *ret_n = 0;
        return 0;
    }
    int rc = s3_call_run(s, &c, &r, e);
    if (!rc && r.status != 206 && offset) rc = s3_bad_answer(s, e); /* it sent the beginning */
    buf_fini(&r.body);
    if (rc == 0 || rc == ERR_RANGE) *ret_n = rc ? 0 : r.nsink;
    return rc == ERR_RANGE ? 0 : rc;
}

int s3_stat(struct object_store *base, const char *key, struct object_info *ret, struct error *e)
{
    struct s3_reply r;
    const struct s3_call c = {.method = "HEAD", .key = key};
    int rc = s3_call_run((struct s3_store *)base, &c, &r, e);
    buf_fini(&r.body);
    if (!rc) *ret = (struct object_info){.size = r.length, .modified_us = r.modified_us};
    return rc;
}

int s3_remove(struct object_store *base, const char *key, struct error *e)
{
    struct s3_reply r;
    const struct s3_call c = {.method = "DELETE", .key = key};
    int rc = s3_call_run((struct s3_store *)base, &c, &r, e);
    buf_fini(&r.body);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* ------------------------------------------------------------------ listing */

struct listing {
    const struct s3_store *s;
    int (*fn)(void *ctx, const char *key, const struct object_info *i);
    void *ctx;
    size_t seen;
};

/* Keys that are not of our making are passed over. */
static int list_item(void *ctx, const struct s3_item *i)
{
    struct listing *l = ctx;
    char key[OBJECT_KEY_MAX + 1];
    struct str prefix = str_of(l->s->prefix);
    l->seen++;
    if (!str_starts(i->key, prefix)) return 0;
    struct str rest = str_sub(i->key, prefix.n, i->key.n);
    if (memchr(rest.p, 0, rest.n) || !str_to_cstr(rest, key, sizeof key) || !object_key_good(key)) return 0;
    return l->fn(l->ctx, key, &i->info);
}

static int list_page(struct s3_store *s, struct s3_call *c, struct listing *l, char next[1100], struct error *e)
{
    struct s3_reply r;
    struct s3_answer a;
    l->seen = 0;
    int rc = s3_call_run(s, c, &r, e);
    if (!rc) rc = s3_xml_read(buf_view(&r.body), &a, list_item, l);
    buf_fini(&r.body);
    if (rc == ERR_PROTOCOL) return s3_bad_answer(s, e);
    if (rc) return rc;
    if (strcmp(a.root, "ListBucketResult") != 0 || (a.truncated && (!a.next[0] || strcmp(a.next, next) == 0)))
        return s3_bad_answer(s, e);
    snprintf(next, 1100, "%s", a.truncated ? a.next : "");
    return 0;
}

static int s3_each(struct object_store *base, const char *prefix,
                   int (*fn)(void *ctx, const char *key, const struct object_info *i), void *ctx, struct error *e)
{
    struct s3_store *s = (struct s3_store *)base;
    char all[sizeof s->prefix + OBJECT_KEY_MAX + 1], next[1100] = "";
    struct listing l = {s, fn, ctx, 0};
    snprintf(all, sizeof all, "%s%s", s->prefix, prefix);
    struct s3_call c = {
        .method = "GET",
        .query = {{STR("list-type"), STR("2")}, {STR("encoding-type"), STR("url")}, {STR("prefix"), str_of(all)}},
        .nquery = 3};
    int rc;
    do {
        rc = list_page(s, &c, &l, next, e);
        c.query[3] = (struct s3_pair){STR("continuation-token"), str_of(next)};
        c.nquery = 4;
    } while (!rc && next[0]);
    return rc;
}

/* One request that tells address, key, signature, bucket and permission apart. */
static int s3_check(struct object_store *base, struct error *e)
{
    struct s3_store *s = (struct s3_store *)base;
    struct s3_answer a;
    struct s3_reply r;
    const struct s3_call c = {
        .method = "GET",
        .query = {{STR("list-type"), STR("2")}, {STR("max-keys"), STR("1")}, {STR("prefix"), str_of(s->prefix)}},
        .nquery = 3,
        .once = true};
    int rc = s3_call_run(s, &c, &r, e);
    if (!rc && (s3_xml_read(buf_view(&r.body), &a, NULL, NULL) || strcmp(a.root, "ListBucketResult") != 0))
        rc = s3_bad_answer(s, e);
    buf_fini(&r.body);
    return rc;
}

/* ------------------------------------------------------------------ address */

static void s3_close(struct object_store *base)
{
    struct s3_store *s = (struct s3_store *)base;
    while (s->nidle) curl_easy_cleanup(s->idle[--s->nidle]);
    pthread_mutex_destroy(&s->lock);
    explicit_bzero(s->secret, sizeof s->secret);
    mem_free(s);
}

static int bad_url(struct error *e, const char *en, const char *zh)
{
    return error_set(e, ERR_INVALID, "objects",
                     "%s%.0s; write s3+https://host[:port]/bucket[/prefix]?region=…[&path_style=1]",
                     "%.0s%s；请写 s3+https://主机[:端口]/存储桶[/前缀]?region=…[&path_style=1]", en, zh);
}

static int set_number(struct str v, uint64_t max, unsigned *ret)
{
    uint64_t n;
    if (str_to_u64(v, &n) || n > max) return ERR_INVALID;
    *ret = (unsigned)n;
    return 0;
}

static int set_option(struct s3_store *s, struct str name, struct str v)
{
    if (str_is(name, "region")) return v.n && str_to_cstr(v, s->region, sizeof s->region) ? 0 : ERR_INVALID;
    if (str_is(name, "ca_file")) return v.n && str_to_cstr(v, s->ca_file, sizeof s->ca_file) ? 0 : ERR_INVALID;
    if (str_is(name, "timeout_s")) return set_number(v, 600, &s->timeout_s) || !s->timeout_s ? ERR_INVALID : 0;
    if (str_is(name, "retry_ms")) return set_number(v, 10000, &s->retry_ms);
    if (!str_is(name, "path_style") || (!str_is(v, "0") && !str_is(v, "1"))) return ERR_INVALID;
    s->path_style = s->path_style || str_is(v, "1");
    return 0;
}

static bool only(struct str s, const char *also)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && !(c && strchr(also, c))) return false;
    }
    return s.n > 0;
}

static bool is_address(struct str host)
{
    char name[64];
    struct in_addr v4;
    struct str copy = host;
    if (host.n && host.p[0] == '[') return true;
    return str_to_cstr(str_cut(&copy, ':'), name, sizeof name) &&
           (inet_pton(AF_INET, name, &v4) == 1 || strcmp(name, "localhost") == 0);
}

/* The port that goes without saying is left away: the Host header is signed. */
static void set_origin(struct s3_store *s, struct str host, bool tls)
{
    if (str_ends(host, tls ? STR(":443") : STR(":80"))) host.n -= tls ? 4 : 3;
    if (is_address(host) || strchr(s->bucket, '.')) s->path_style = true;
    snprintf(s->host, sizeof s->host, "%s%s%.*s", s->path_style ? "" : s->bucket, s->path_style ? "" : ".",
             STR_ARG(host));
    snprintf(s->origin, sizeof s->origin, "http%s://%s", tls ? "s" : "", s->host);
}

static int read_url(struct s3_store *s, const char *rest, bool tls, struct error *e)
{
    struct str options = str_of(rest), path = str_cut(&options, '?'), host = str_cut(&path, '/');
    struct str bucket = str_cut(&path, '/');
    if (!only(host, ".-:[]") || host.n > 200) return bad_url(e, "the host is not right", "主机不正确");
    if (!only(bucket, ".-_") || bucket.n > 63) return bad_url(e, "the bucket is not right", "存储桶不正确");
    while (path.n && path.p[path.n - 1] == '/') path.n--;
    str_to_cstr(bucket, s->bucket, sizeof s->bucket);
    if (path.n > sizeof s->prefix - 2 || (path.n && !only(path, "._-/")))
        return bad_url(e, "the prefix is not right", "前缀不正确");
    snprintf(s->prefix, sizeof s->prefix, "%.*s%s", STR_ARG(path), path.n ? "/" : "");
    if (path.n && (str_has(path, STR("..")) || str_has(path, STR("//"))))
        return bad_url(e, "the prefix is not right", "前缀不正确");
    while (options.p) {
        struct str v = str_cut(&options, '&'), name = str_cut(&v, '=');
        if (!set_option(s, name, v)) continue;
        return error_set(e, ERR_INVALID, "objects",
                         "'%.*s' is no option of an S3 store or has a wrong value; there are region, path_style (0, "
                         "1), ca_file, timeout_s, retry_ms",
                         "“%.*s”不是 S3 存储的选项或取值不正确；可用 region、path_style（0、1）、ca_file、timeout_s、"
                         "retry_ms",
                         STR_ARG(str_sub(name, 0, 40)));
    }
    set_origin(s, host, tls);
    return 0;
}

static int read_secret(struct s3_store *s, const char *secret, struct error *e)
{
    struct str rest = str_of(secret ? secret : ""), access = str_cut(&rest, ':');
    bool good = access.n && rest.n && !memchr(access.p, ' ', access.n) &&
                str_to_cstr(access, s->access, sizeof s->access) && str_to_cstr(rest, s->secret, sizeof s->secret);
    return good ? 0
                : error_set(e, ERR_INVALID, "objects",
                            "an S3 store needs a secret of the form access key:secret key (each at most 128 bytes)",
                            "S3 存储需要“访问密钥:秘密密钥”形式的密钥（各不超过 128 字节）");
}

static int open_s3(const char *rest, bool tls, const char *secret, struct object_store **ret, struct error *e)
{
    static const struct object_ops ops = {.close = s3_close,
                                          .begin = s3_begin,
                                          .write = s3_write,
                                          .finish = s3_finish,
                                          .abort = s3_abort,
                                          .get = s3_get,
                                          .stat = s3_stat,
                                          .remove = s3_remove,
                                          .each = s3_each,
                                          .check = s3_check};
    struct s3_store *s = mem_calloc(1, sizeof *s);
    if (!s) return error_set(e, ERR_NOMEM, "objects", "out of memory", "内存不足");
    *s = (struct s3_store){.base = {&ops}, .clock = clock_real(), .timeout_s = 30, .retry_ms = 250};
    str_to_cstr(STR("us-east-1"), s->region, sizeof s->region);
    pthread_mutex_init(&s->lock, NULL);
    int rc = read_url(s, rest, tls, e);
    if (!rc) rc = read_secret(s, secret, e);
    if (rc)
        s3_close(&s->base);
    else
        *ret = &s->base;
    return rc;
}

int object_s3_open(const char *rest, const char *secret, struct object_store **ret, struct error *e)
{
    return open_s3(rest, true, secret, ret, e);
}
int object_s3_plain_open(const char *rest, const char *secret, struct object_store **ret, struct error *e)
{
    return open_s3(rest, false, secret, ret, e);
}
