/* object_s3_test.c - the S3 store against a scripted one of our own server: what is sent, and what is made of each
 * answer. A store that we did not write is in tests/objects.test.mjs. */
#include "base/mem.h"
#include "base/test.h"
#include "io/http_server.h"
#include "store/s3_int.h"

#define MIB (1u << 20)
#define CUT (-1) /* status: the connection is lost before the answer */

struct step {
    const char *want; /* "GET /b/key?query"; NULL: the end */
    int status;
    const char *body;
    const char *name, *value; /* a header */
};
static const struct step *script;
static char amiss[600];
static unsigned at;
static uint64_t received;
static struct http_server *srv;
static struct object_store *s;
static struct error e;

static int cut(void *ctx, struct buf *out)
{
    return ERR_CLOSED;
}

static void play(struct http_request *q, struct http_response *r)
{
    char got[400];
    const struct step *now = script ? &script[at] : NULL;
    snprintf(got, sizeof got, "%.*s %.*s", STR_ARG(q->method), STR_ARG(q->target));
    received += q->body.n;
    if (!now || !now->want || strcmp(got, now->want) != 0) {
        if (!amiss[0])
            snprintf(amiss, sizeof amiss, "%.180s came, want %.180s", got, now && now->want ? now->want : "nothing");
        r->status = 400;
        return;
    }
    at++;
    r->status = now->status;
    r->content_type = "application/xml";
    if (now->name) http_set_header(r, now->name, str_of(now->value));
    if (now->body) buf_z(&r->body, now->body);
    if (now->status == CUT) r->pull = cut, r->status = 200;
}

static int route(void *ctx, struct http_request *q, struct http_route *ret, struct http_response *refuse)
{
    *ret = (struct http_route){.kind = HTTP_PLAIN, .handler = play, .body_max = 32 * MIB};
    return 0;
}

static bool opened(const char *path, const struct step *steps)
{
    char url[300];
    const struct http_config hc = {.route = route};
    script = steps;
    at = 0;
    amiss[0] = 0;
    received = 0;
    e = (struct error){0};
    if (http_server_start(&hc, &srv, &e)) return false;
    snprintf(url, sizeof url, "s3+http://127.0.0.1:%u%s", http_server_port(srv), path);
    if (object_store_open(url, "AKID:top-secret", &s, &e) == 0) return true;
    http_server_stop(srv);
    return false;
}

static void closed(void)
{
    object_store_close(s);
    http_server_stop(srv);
    CHECK_Z(amiss, "");
    CHECK(!script[at].want);
}

static int put(const char *key, size_t n, struct object_info *ret)
{
    static uint8_t piece[MIB];
    struct object_put *p;
    int rc = object_put_begin(s, key, &p, &e);
    if (rc) return rc;
    for (size_t done = 0; done < n && !rc; done += sizeof piece)
        rc = object_put_write(p, piece, n - done < sizeof piece ? n - done : sizeof piece, &e);
    if (!rc) return object_put_finish(p, ret, &e);
    CHECK_INT(object_put_write(p, "x", 1, NULL), rc);
    object_put_abort(p);
    return rc;
}

#define ERR_XML(code) "<?xml version=\"1.0\"?><Error><Code>" code "</Code><Message>m</Message></Error>"
#define BEGUN "<InitiateMultipartUploadResult><UploadId>u/1</UploadId></InitiateMultipartUploadResult>"
#define DONE "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>"

TEST(a_small_object)
{
    static const struct step steps[] = {
        {"PUT /b/p/k", 200, "", NULL, NULL},      {"HEAD /b/p/k", 200, "abc", NULL, NULL},
        {"GET /b/p/k", 206, "bc", NULL, NULL},    {"GET /b/p/k", 416, ERR_XML("InvalidRange"), NULL, NULL},
        {"DELETE /b/p/k", 204, NULL, NULL, NULL}, {"DELETE /b/p/k", 404, ERR_XML("NoSuchKey"), NULL, NULL},
        {"HEAD /b/p/k", 404, NULL, NULL, NULL},   {NULL, 0, NULL, NULL, NULL}};
    struct object_info i;
    char buf[8];
    size_t n = 9;
    REQUIRE(opened("/b/p/?retry_ms=0", steps));
    CHECK_INT(put("k", 3, &i), 0);
    CHECK_INT(i.size, 3);
    CHECK_Z(i.sha256, "709e80c88487a2411e1ee4dfb9f22a861492d20c4765150c0c794abd70f8147c");
    CHECK_INT(object_stat(s, "k", &i, &e), 0);
    CHECK_INT(i.size, 3);
    CHECK_INT(object_get(s, "k", 1, buf, sizeof buf, &n, &e), 0);
    CHECK_STR(str_make(buf, n), "bc");
    CHECK_INT(object_get(s, "k", 99, buf, sizeof buf, &n, &e), 0);
    CHECK_INT(n, 0);
    CHECK_INT(object_delete(s, "k", &e), 0);
    CHECK_INT(object_delete(s, "k", &e), 0);
    CHECK_INT(object_stat(s, "k", &i, &e), ERR_NOT_FOUND);
    closed();
}

TEST(passing_trouble_is_tried_four_times)
{
    static const struct step steps[] = {{"PUT /b/k", 503, ERR_XML("SlowDown"), NULL, NULL},
                                        {"PUT /b/k", 500, "not even XML", NULL, NULL},
                                        {"PUT /b/k", CUT, NULL, NULL, NULL},
                                        {"PUT /b/k", 200, NULL, NULL, NULL},
                                        {"HEAD /b/k", 503, NULL, NULL, NULL},
                                        {"HEAD /b/k", 503, NULL, NULL, NULL},
                                        {"HEAD /b/k", 503, NULL, NULL, NULL},
                                        {"HEAD /b/k", 503, NULL, NULL, NULL},
                                        {"GET /b?list-type=2&max-keys=1&prefix=", 503, NULL, NULL, NULL},
                                        {"DELETE /b/k", 403, ERR_XML("AccessDenied"), NULL, NULL},
                                        {NULL, 0, NULL, NULL, NULL}};
    struct object_info i;
    REQUIRE(opened("/b?retry_ms=0", steps));
    CHECK_INT(put("k", 3, &i), 0);
    CHECK_INT(object_stat(s, "k", &i, &e), ERR_UNAVAILABLE);
    CHECK_INT(object_store_check(s, &e), ERR_UNAVAILABLE);
    CHECK_INT(object_delete(s, "k", &e), ERR_DEVICE);
    closed();
}

TEST(a_large_object_goes_in_parts)
{
    static const struct step steps[] = {
        {"POST /b/k?uploads=", 200, BEGUN, NULL, NULL},
        {"PUT /b/k?partNumber=1&uploadId=u%2F1", 200, NULL, "ETag", "\"one\""},
        {"PUT /b/k?partNumber=2&uploadId=u%2F1", CUT, NULL, NULL, NULL},
        {"PUT /b/k?partNumber=2&uploadId=u%2F1", 200, NULL, "ETag", "\"two\""},
        {"POST /b/k?uploadId=u%2F1", 200, ERR_XML("InternalError"), NULL, NULL},
        {"POST /b/k?uploadId=u%2F1", 404, ERR_XML("NoSuchUpload"), NULL, NULL}, /* the first had worked after all */
        {"HEAD /b/k", 404, NULL, NULL, NULL},                                   /* or not */
        {"DELETE /b/k?uploadId=u%2F1", 204, NULL, NULL, NULL},
        {NULL, 0, NULL, NULL, NULL}};
    struct object_info i = {.size = 77};
    REQUIRE(opened("/b?retry_ms=0", steps));
    CHECK_INT(put("k", 17 * MIB, &i), ERR_NOT_FOUND);
    CHECK_INT(i.size, 77);
    CHECK(received > 17 * MIB);
    closed();
}

TEST(a_part_that_is_refused_ends_the_upload)
{
    static const struct step steps[] = {
        {"POST /b/k?uploads=", 200, BEGUN, NULL, NULL},
        {"PUT /b/k?partNumber=1&uploadId=u%2F1", 507, ERR_XML("XMinioStorageFull"), NULL, NULL},
        {"DELETE /b/k?uploadId=u%2F1", 204, NULL, NULL, NULL},
        {"POST /b/k?uploads=", 200, DONE, NULL, NULL}, /* no id in it */
        {NULL, 0, NULL, NULL, NULL}};
    struct object_info i;
    REQUIRE(opened("/b?retry_ms=0", steps));
    CHECK_INT(put("k", 40 * MIB, &i), ERR_DISK_FULL);
    CHECK_INT(put("k", 40 * MIB, &i), ERR_PROTOCOL);
    closed();
}

struct keys {
    char all[100];
};
static int note(void *ctx, const char *key, const struct object_info *i)
{
    struct keys *k = ctx;
    size_t n = strlen(k->all);
    snprintf(k->all + n, sizeof k->all - n, "%s=%llu ", key, (unsigned long long)i->size);
    return strcmp(key, "stop") == 0 ? ERR_CANCELLED : 0;
}
#define ITEM(key) "<Contents><Key>" key "</Key><Size>5</Size></Contents>"
#define LIST(next, items) \
    "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>" next "</NextContinuationToken>" items \
    "</ListBucketResult>"
#define LAST(items) "<ListBucketResult><IsTruncated>false</IsTruncated>" items "</ListBucketResult>"
#define FIRST "GET /b?encoding-type=url&list-type=2&prefix=p%2Ffiles%2F"
#define LATER "GET /b?continuation-token=t%2B1&encoding-type=url&list-type=2&prefix=p%2Ffiles%2F"

TEST(lists_go_over_pages)
{
    static const struct step steps[] = {
        {FIRST, 200, LIST("t+1", ITEM("p/files/a") ITEM("p/files/") ITEM("other")), NULL, NULL},
        {LATER, 200, LAST(ITEM("p/files/b c") ITEM("p/files/d")), NULL, NULL},
        {FIRST, 200, LIST("t+1", ITEM("p/stop")), NULL, NULL},
        {FIRST, 200, LIST("t+1", ""), NULL, NULL},
        {LATER, 200, LIST("t+1", ""), NULL, NULL}, /* round and round */
        {FIRST, 200, "<html><body>Welcome</body></html>", NULL, NULL},
        {NULL, 0, NULL, NULL, NULL}};
    struct keys k = {""};
    REQUIRE(opened("/b/p?retry_ms=0", steps));
    CHECK_INT(object_each(s, "files/", note, &k, &e), 0);
    CHECK_Z(k.all, "files/a=5 files/d=5 ");
    CHECK_INT(object_each(s, "files/", note, &k, &e), ERR_CANCELLED);
    CHECK_INT(object_each(s, "files/", note, &k, &e), ERR_PROTOCOL);
    CHECK_INT(object_each(s, "files/", note, &k, &e), ERR_PROTOCOL);
    closed();
}

TEST(texts_of_refusals)
{
#define CHECKED "GET /b?list-type=2&max-keys=1&prefix="
    static const struct step steps[] = {
        {CHECKED, 200, LAST(""), NULL, NULL},
        {CHECKED, 403, ERR_XML("SignatureDoesNotMatch"), NULL, NULL},
        {CHECKED, 403, "<Error><Code>RequestTimeTooSkewed</Code></Error>", NULL, NULL},
        {CHECKED, 400, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>", NULL,
         NULL},
        {CHECKED, 301, NULL, "Location", "http://127.0.0.1:1/"},
        {CHECKED, 418, ERR_XML("Teapot"), NULL, NULL},
        {CHECKED, 200, "hello", NULL, NULL},
        {NULL, 0, NULL, NULL, NULL}};
    static const char *const texts[][2] = {
        {"secret key of 'AKID' is wrong", "秘密密钥不正确"},   {"clocks differ too much", "时钟相差过大"},
        {"write ?region=eu-west-1", "请写 ?region=eu-west-1"}, {"correct host and region", "更正主机和区域"},
        {"answers 418 Teapot m", "应答 418 Teapot m"},         {"is the address right?", "地址是否正确"}};
    REQUIRE(opened("/b?region=local", steps));
    CHECK_INT(object_store_check(s, &e), 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        CHECK(object_store_check(s, &e) != 0);
        if (!strstr(e.text, texts[i][0]) || !strstr(e.text_zh, texts[i][1]) || strstr(e.text, "top-secret"))
            test_fail(__FILE__, __LINE__, "%s / %s", e.text, e.text_zh);
    }
    closed();
}

TEST(more_than_was_asked_for)
{
    static const struct step steps[] = {{"GET /b/k", 200, "0123456789", NULL, NULL},
                                        {"GET /b/k", 200, "0123", NULL, NULL},
                                        {"GET /b/k", 200, "0123", NULL, NULL},
                                        {NULL, 0, NULL, NULL, NULL}};
    char buf[4];
    size_t n = 0;
    REQUIRE(opened("/b?retry_ms=0", steps));
    CHECK_INT(object_get(s, "k", 0, buf, sizeof buf, &n, &e), ERR_PROTOCOL);
    CHECK_INT(object_get(s, "k", 0, buf, sizeof buf, &n, &e), 0);
    CHECK_STR(str_make(buf, n), "0123");
    CHECK_INT(object_get(s, "k", 2, buf, sizeof buf, &n, &e), ERR_PROTOCOL); /* the beginning instead */
    closed();
}

TEST(addresses)
{
    static const struct {
        const char *url, *origin, *host, *prefix;
    } good[] = {
        {"s3+https://s3.example.com/b?region=eu", "https://b.s3.example.com", "b.s3.example.com", ""},
        {"s3+https://s3.example.com:443/b/", "https://b.s3.example.com", "b.s3.example.com", ""},
        {"s3+http://minio:9000/b/p/q/?path_style=1", "http://minio:9000", "minio:9000", "p/q/"},
        {"s3+https://s3.example.com/b.c", "https://s3.example.com", "s3.example.com", ""},
        {"s3+http://10.0.0.1:80/b", "http://10.0.0.1", "10.0.0.1", ""},
        {"s3+http://[::1]:9000/b", "http://[::1]:9000", "[::1]:9000", ""},
    };
    static const char *const bad[] = {"s3+https://",
                                      "s3+https://h",
                                      "s3+https:///b",
                                      "s3+https://k:s@h/b",
                                      "s3+https://h/b?colour=1",
                                      "s3+https://h/b?timeout_s=0",
                                      "s3+https://h/b/../c",
                                      "s3+https://h/b/c d",
                                      "s3+https://h/b?path_style=2",
                                      "s3+https://h/b?region=",
                                      "s3+ftp://h/b"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        REQUIRE(object_store_open(good[i].url, "a:b:c", &s, &e) == 0);
        const struct s3_store *is = (const struct s3_store *)s;
        CHECK_Z(is->origin, good[i].origin);
        CHECK_Z(is->host, good[i].host);
        CHECK_Z(is->prefix, good[i].prefix);
        CHECK_Z(is->secret, "b:c");
        object_store_close(s);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (object_store_open(bad[i], "a:b", &s, &e) != ERR_INVALID) test_fail(__FILE__, __LINE__, "taken: %s", bad[i]);
    CHECK_INT(object_store_open(good[0].url, NULL, &s, &e), ERR_INVALID);
    CHECK_INT(object_store_open(good[0].url, "nocolon", &s, &e), ERR_INVALID);
}

TEST(memory_that_fails)
{
    static const struct step steps[] = {{"PUT /b/k", 200, NULL, NULL, NULL}, {NULL, 0, NULL, NULL, NULL}};
    for (uint64_t n = 1; n < 30; n++) {
        mem_fail_at(n, false);
        int rc = object_store_open("s3+http://127.0.0.1:1/b", "a:b", &s, &e);
        mem_fail_at(0, false);
        if (!rc) object_store_close(s);
        if (!rc) break;
        CHECK_INT(rc, ERR_NOMEM);
    }
    struct object_info i;
    REQUIRE(opened("/b?retry_ms=0", steps));
    CHECK_INT(put("k", 1, &i), 0);
    closed();
}
