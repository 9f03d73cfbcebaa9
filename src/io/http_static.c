/* http_static.c - files in memory: conditional GET, one Range, the gzip form (RFC 9110, 13 to 15).
 *
 * The gzip form has its own tag: "abc" becomes "abc-gz"; If-None-Match takes either. Ranges are of the
 * plain form; several ranges in one request are answered with the whole, as the RFC allows. */
#include "io/http_int.h"

static bool accepts_gzip(const struct http_request *q)
{
    struct str list = http_header(q, "accept-encoding");
    while (list.p) {
        struct str params = str_cut(&list, ','), coding = str_trim(str_cut(&params, ';'));
        if (!str_ieq(coding, STR("gzip"))) continue;
        struct str weight = str_trim(params);
        double v = 1;
        if (str_starts(weight, STR("q=")) && str_to_double(str_sub(weight, 2, weight.n), &v) != 0) return false;
        return v > 0;
    }
    return false;
}

static const char *gzip_tag(struct http_exchange *x, const char *etag)
{
    size_t n = strlen(etag);
    return n >= 2 ? arena_printf(&x->arena, "%.*s-gz\"", (int)n - 1, etag) : etag;
}

static bool tag_listed(struct str list, const char *a, const char *b)
{
    while (list.p) {
        struct str tag = str_trim(str_cut(&list, ','));
        if (str_starts(tag, STR("W/"))) tag = str_sub(tag, 2, tag.n);
        if (str_is(tag, "*") || str_is(tag, a) || (b && str_is(tag, b))) return true;
    }
    return false;
}

/* "bytes=a-b" of `size` bytes: 1: *from, *n; 0: no range that is understood; -1: not satisfiable. */
static int parse_range(struct str v, uint64_t size, uint64_t *from, uint64_t *n)
{
    if (!str_starts(v, STR("bytes=")) || str_find(v, ',') >= 0) return 0;
    struct str last = str_sub(v, 6, v.n), first = str_cut(&last, '-');
    uint64_t a = 0, b = 0;
    if (!last.p || (first.n && str_to_u64(first, &a) != 0) || (last.n && str_to_u64(last, &b) != 0)) return 0;
    if (first.n == 0) {
        if (last.n == 0) return 0;
        *n = b < size ? b : size;
        *from = size - *n;
        return *n ? 1 : -1;
    }
    if (last.n == 0 || b >= size)
        b = size - 1;
    else if (b < a)
        return 0;
    if (a >= size) return -1;
    *from = a;
    *n = b - a + 1;
    return 1;
}

static void range_answer(struct http_exchange *x, struct str range)
{
    const struct http_static *f = x->route.file;
    struct str only_if = http_header(&x->q, "if-range");
    uint64_t from, n;
    if (only_if.p && !str_is(only_if, f->etag ? f->etag : "")) return;
    int r = parse_range(range, f->data.n, &from, &n);
    if (r == 0) return;
    char text[96];
    if (r < 0) {
        snprintf(text, sizeof text, "bytes */%zu", f->data.n);
        x->is_static = false;
        response_problem(&x->r, 416, "the range lies outside of the file");
    } else {
        snprintf(text, sizeof text, "bytes %llu-%llu/%zu", (unsigned long long)from, (unsigned long long)(from + n - 1),
                 f->data.n);
        x->expose = str_sub(f->data, (size_t)from, (size_t)n);
        x->r.status = 206;
    }
    http_set_header(&x->r, "Content-Range", str_of(text));
}

static void describe(struct http_exchange *x, const char *etag, bool gzip)
{
    const struct http_static *f = x->route.file;
    if (etag) http_set_header(&x->r, "ETag", str_of(etag));
    if (f->cache_control) http_set_header(&x->r, "Cache-Control", str_of(f->cache_control));
    if (f->gz.n) http_set_header(&x->r, "Vary", STR("Accept-Encoding"));
    if (gzip) http_set_header(&x->r, "Content-Encoding", STR("gzip"));
}

void static_prepare(struct http_exchange *x)
{
    const struct http_static *f = x->route.file;
    struct str range = http_header(&x->q, "range"), known = http_header(&x->q, "if-none-match");
    if (!x->head_only && !str_eq(x->q.method, STR("GET"))) {
        http_set_header(&x->r, "Allow", STR("GET, HEAD"));
        response_problem(&x->r, 405, "a file takes only GET and HEAD");
        return;
    }
    const char *gz_tag = f->etag && f->gz.n ? gzip_tag(x, f->etag) : NULL;
    bool gzip = f->gz.n && !range.p && accepts_gzip(&x->q);
    x->is_static = true;
    x->expose = gzip ? f->gz : f->data;
    x->r.content_type = f->content_type;
    describe(x, gzip ? gz_tag : f->etag, gzip);
    if (known.p && f->etag && tag_listed(known, f->etag, gz_tag)) {
        x->r.status = 304;
        return;
    }
    http_set_header(&x->r, "Accept-Ranges", STR("bytes"));
    if (range.p && !x->head_only) range_answer(x, range);
}
