/* s3_sign.c - see s3_sign.h.
 *
 *   canonical request = method \n path \n query \n name:value\n … \n names;… \n payload
 *   text              = "AWS4-HMAC-SHA256" \n time \n day/region/service/aws4_request \n hex(sha256(canonical))
 *   key               = HMAC(HMAC(HMAC(HMAC("AWS4" secret, day), region), service), "aws4_request")
 *   signature         = hex(HMAC(key, text))
 * Queries are sorted by encoded name, then encoded value; headers by lower-case name, those of one name are
 * joined by commas in their order, runs of blanks within values count as one. */
#include "store/s3_sign.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include "base/encode.h"
#include "base/time.h"

#define TEXT_MAX (64 * 1024)

const char *s3_time(int64_t time_us, char out[S3_TIME_MAX])
{
    struct civil c = civil_from_us(time_us);
    snprintf(out, S3_TIME_MAX, "%04u%02u%02uT%02u%02u%02uZ", (unsigned)c.year % 10000, (unsigned)c.month % 100,
             (unsigned)c.day % 100, (unsigned)c.hour % 100, (unsigned)c.minute % 100, (unsigned)c.second % 100);
    return out;
}

static void hex_of(const uint8_t digest[32], char out[S3_HASH_MAX])
{
    for (int i = 0; i < 32; i++) snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

const char *s3_hash(struct str bytes, char out[S3_HASH_MAX])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    out[0] = 0;
    if (EVP_Digest(bytes.p ? bytes.p : "", bytes.n, digest, NULL, EVP_sha256(), NULL)) hex_of(digest, out);
    return out;
}

void s3_path(struct buf *out, struct str path)
{
    while (path.p) {
        percent_encode(out, str_cut(&path, '/'));
        if (path.p) buf_u8(out, '/');
    }
}

/* ------------------------------------------------------------------ sorting */

static int by_name_and_value(const struct s3_pair *a, const struct s3_pair *b)
{
    int c = str_cmp(a->name, b->name);
    return c ? c : str_cmp(a->value, b->value);
}
static int by_name(const struct s3_pair *a, const struct s3_pair *b)
{
    return str_cmp(a->name, b->name);
}

/* Stable; there are a dozen at most. */
static void sort(struct s3_pair *p, size_t n, int (*compare)(const struct s3_pair *a, const struct s3_pair *b))
{
    for (size_t i = 1; i < n; i++) {
        struct s3_pair it = p[i];
        size_t k = i;
        for (; k && compare(&p[k - 1], &it) > 0; k--) p[k] = p[k - 1];
        p[k] = it;
    }
}

static struct str encoded(struct arena *a, struct str s)
{
    struct buf b;
    buf_init(&b, TEXT_MAX);
    percent_encode(&b, s);
    struct str r = b.err ? STR_NULL : arena_str(a, b.n ? buf_view(&b) : STR(""));
    buf_fini(&b);
    return r;
}

int s3_query(struct buf *out, const struct s3_pair *query, size_t n)
{
    AUTO_ARENA a;
    struct s3_pair p[S3_PAIRS_MAX];
    arena_init(&a, 4 * TEXT_MAX);
    if (n > S3_PAIRS_MAX) return ERR_INVALID;
    for (size_t i = 0; i < n; i++) {
        p[i] = (struct s3_pair){encoded(&a, query[i].name), encoded(&a, query[i].value)};
        if (!p[i].name.p || !p[i].value.p) return ERR_NOMEM;
    }
    sort(p, n, by_name_and_value);
    for (size_t i = 0; i < n; i++) {
        if (i) buf_u8(out, '&');
        buf_str(out, p[i].name);
        buf_u8(out, '=');
        buf_str(out, p[i].value);
    }
    return out->err;
}

/* ------------------------------------------------------------------ canonical request */

static struct str lower(struct arena *a, struct str s)
{
    struct str r = arena_str(a, s);
    char *p = (char *)r.p;
    for (size_t i = 0; i < r.n; i++)
        if (p[i] >= 'A' && p[i] <= 'Z') p[i] |= 32;
    return r;
}

static void add_value(struct buf *out, struct str v)
{
    v = str_trim(v);
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] != ' ' || v.p[i - 1] != ' ') buf_u8(out, (uint8_t)v.p[i]);
}

/* Sorted headers to `out`, their names to `names`. */
static int add_headers(struct arena *a, const struct s3_to_sign *r, struct buf *out, struct buf *names)
{
    struct s3_pair p[S3_PAIRS_MAX];
    if (r->nheaders > S3_PAIRS_MAX) return ERR_INVALID;
    for (size_t i = 0; i < r->nheaders; i++) {
        p[i] = (struct s3_pair){lower(a, r->headers[i].name), r->headers[i].value};
        if (!p[i].name.p) return ERR_NOMEM;
    }
    sort(p, r->nheaders, by_name);
    for (size_t i = 0; i < r->nheaders; i++) {
        bool again = i && str_eq(p[i].name, p[i - 1].name);
        if (i) buf_u8(out, again ? ',' : '\n');
        if (!again) {
            if (i) buf_u8(names, ';');
            buf_str(names, p[i].name);
            buf_str(out, p[i].name);
            buf_u8(out, ':');
        }
        add_value(out, p[i].value);
    }
    buf_u8(out, '\n');
    return 0;
}

static int canonical(struct arena *a, const struct s3_to_sign *r, struct buf *out, struct buf *names)
{
    buf_printf(out, "%s\n", r->method);
    s3_path(out, r->path);
    buf_u8(out, '\n');
    int rc = s3_query(out, r->query, r->nquery);
    buf_u8(out, '\n');
    if (!rc) rc = add_headers(a, r, out, names);
    buf_u8(out, '\n');
    buf_str(out, buf_view(names));
    buf_u8(out, '\n');
    buf_str(out, r->payload);
    return rc ? rc : out->err ? out->err : names->err;
}

/* ------------------------------------------------------------------ signature */

static bool hmac(const void *key, size_t nkey, struct str text, uint8_t out[32])
{
    return HMAC(EVP_sha256(), key, (int)nkey, (const uint8_t *)text.p, text.n, out, NULL) != NULL;
}

static bool signature(const struct s3_identity *who, struct str day, struct str text, char out[S3_HASH_MAX])
{
    char first[260];
    uint8_t k[32], next[32];
    int n = snprintf(first, sizeof first, "AWS4%.*s", STR_ARG(who->secret));
    const struct str steps[] = {who->region, who->service, STR("aws4_request"), text};
    bool good = n > 0 && (size_t)n < sizeof first && hmac(first, (size_t)n, day, k);
    for (size_t i = 0; i < sizeof steps / sizeof *steps && good; i++) {
        good = hmac(k, sizeof k, steps[i], next);
        memcpy(k, next, sizeof k);
    }
    if (good) hex_of(k, out);
    explicit_bzero(first, sizeof first);
    explicit_bzero(k, sizeof k);
    explicit_bzero(next, sizeof next);
    return good;
}

static int finish(struct arena *a, const struct s3_identity *who, const struct s3_to_sign *r, struct str names,
                  struct s3_signed *ret)
{
    char when[S3_TIME_MAX], hash[S3_HASH_MAX], sig[S3_HASH_MAX];
    s3_time(r->time_us, when);
    struct str day = str_make(when, 8);
    char *scope = arena_printf(a, "%.8s/%.*s/%.*s/aws4_request", when, STR_ARG(who->region), STR_ARG(who->service));
    if (!scope || !s3_hash(ret->canonical, hash)[0]) return ERR_NOMEM;
    ret->text = str_of(arena_printf(a, "AWS4-HMAC-SHA256\n%s\n%s\n%s", when, scope, hash));
    if (!ret->text.p || !signature(who, day, ret->text, sig)) return ERR_NOMEM;
    ret->header = str_of(arena_printf(a, "AWS4-HMAC-SHA256 Credential=%.*s/%s, SignedHeaders=%.*s, Signature=%s",
                                      STR_ARG(who->access), scope, STR_ARG(names), sig));
    return ret->header.p ? 0 : ERR_NOMEM;
}

int s3_sign(struct arena *a, const struct s3_identity *who, const struct s3_to_sign *r, struct s3_signed *ret)
{
    struct buf request, names;
    struct s3_signed done = {0};
    buf_init(&request, TEXT_MAX);
    buf_init(&names, TEXT_MAX);
    int rc = canonical(a, r, &request, &names);
    if (!rc) done.canonical = arena_str(a, buf_view(&request));
    if (!rc) rc = done.canonical.p ? finish(a, who, r, buf_view(&names), &done) : ERR_NOMEM;
    buf_fini(&request);
    buf_fini(&names);
    if (!rc) *ret = done;
    return rc;
}
