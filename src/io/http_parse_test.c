/* http_parse_test.c - heads, smuggling forms, targets, chunked bodies. */
#include "base/test.h"
#include "io/http_parse.h"

static int parse(const char *text, struct http_head *h)
{
    static char copy[HTTP_HEAD_MAX * 2];
    size_t n = strlen(text);
    struct http_scan s = {0};
    memcpy(copy, text, n);
    int len = http_head_find(&s, copy, n);
    if (len <= 0) return len ? len : 1; /* 1: incomplete */
    return http_head_parse(copy, (size_t)len, h);
}

TEST(whole_head)
{
    struct http_head h;
    REQUIRE(parse("POST /a/b?c=d HTTP/1.1\r\nHost: x:8080\r\nContent-Length: 12\r\nX-Two:  a b \r\n\r\n", &h) == 0);
    CHECK_STR(h.method, "POST");
    CHECK_STR(h.target, "/a/b?c=d");
    CHECK_INT(h.minor, 1);
    CHECK_INT(h.nheaders, 3);
    CHECK_STR(h.headers[2].name, "x-two");
    CHECK_STR(h.headers[2].value, "a b");
    CHECK_INT(h.content_length, 12);
    CHECK(h.keep_alive && !h.chunked && !h.expect_continue);
}

TEST(keep_alive_rules)
{
    struct http_head h;
    REQUIRE(parse("GET / HTTP/1.0\r\n\r\n", &h) == 0);
    CHECK(!h.keep_alive);
    REQUIRE(parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", &h) == 0);
    CHECK(h.keep_alive);
    REQUIRE(parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", &h) == 0);
    CHECK(!h.keep_alive);
}

TEST(found_at_every_split)
{
    const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
    size_t len = strlen(text) - 4;
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        struct http_scan s = {0};
        int first = http_head_find(&s, text, cut);
        CHECK_INT(first, cut >= len ? (int)len : 0);
        if (first == 0) CHECK_INT(http_head_find(&s, text, strlen(text)), len);
    }
}

TEST(refused_heads)
{
    static const struct {
        int want;
        const char *text;
    } cases[] = {
        {-400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {-400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"},
        {-400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n"},
        {-400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n"},
        {-400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n"},
        {-400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"},
        {-400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"},
        {-400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n\r\n"},
        {-501, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
        {-501, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n"},
        {-501, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"},
        {-400, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {-400, "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {-400, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n"},
        {-400, "GET / HTTP/1.1\r\nHost: a\r\n Transfer-Encoding: chunked\r\n\r\n"},
        {-400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"},
        {-400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"},
        {-400, "GET / HTTP/1.1\nHost: a\n\n"},
        {-400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\n\r\n"},
        {-400, "GET / HTTP/1.1\r\n\r\n"},
        {-400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
        {-400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
        {-400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
        {-400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {-400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"},
        {-400, "GET / http/1.1\r\nHost: a\r\n\r\n"},
        {-400, "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"},
        {-400, "G(T / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {-400, "GET /\r\n\r\n"},
        {-400, "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n"},
        {-400, "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n"},
        {-400, "GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n"},
        {-505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
        {-417, "GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n"},
    };
    struct http_head h;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int got = parse(cases[i].text, &h);
        if (got != cases[i].want) test_fail(__FILE__, __LINE__, "case %zu: %d, want %d", i, got, cases[i].want);
    }
}

TEST(size_limits)
{
    static char big[HTTP_HEAD_MAX * 2];
    struct http_scan s = {0};
    struct http_head h;
    memset(big, 'a', sizeof big);
    CHECK_INT(http_head_find(&s, big, HTTP_HEAD_MAX + 1), -414); /* no line end yet: the target */
    int n = snprintf(big, sizeof big, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    memset(big + n, 'a', HTTP_HEAD_MAX);
    s = (struct http_scan){0};
    CHECK_INT(http_head_find(&s, big, HTTP_HEAD_MAX + 1), -431);
    n = snprintf(big, sizeof big, "GET /");
    memset(big + n, 'a', HTTP_TARGET_MAX);
    strncpy(big + n + HTTP_TARGET_MAX, " HTTP/1.1\r\nHost: a\r\n\r\n", 64);
    CHECK_INT(parse(big, &h), -414);
    n = snprintf(big, sizeof big, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < HTTP_HEADERS_MAX - 1; i++) n += snprintf(big + n, sizeof big - (size_t)n, "A: b\r\n");
    strncpy(big + n, "\r\n", 3);
    CHECK_INT(parse(big, &h), 0);
    strncpy(big + n, "A: b\r\n\r\n", 9);
    CHECK_INT(parse(big, &h), -431);
}

static const char *split(const char *target)
{
    static char out[512];
    struct str path, query;
    char room[256];
    int bad = http_target_split(str_of(target), room, &path, &query);
    if (bad)
        snprintf(out, sizeof out, "%d", bad);
    else
        snprintf(out, sizeof out, "%.*s|%.*s", STR_ARG(path), STR_ARG(query));
    return out;
}

TEST(targets)
{
    CHECK_Z(split("/a/b?x=1&y"), "/a/b|x=1&y");
    CHECK_Z(split("/"), "/|");
    CHECK_Z(split("//a///b/./c/."), "/a/b/c/|");
    CHECK_Z(split("/%E9%93%9C%20x"), "/铜 x|");
    CHECK_Z(split("/a/"), "/a/|");
    CHECK_Z(split("http://host:1/p?q"), "/p|q");
    CHECK_Z(split("/a/..b/...?x"), "/a/..b/...|x");
    CHECK_Z(split("/a%2fb"), "/a/b|");
    CHECK_Z(split("/a/../b"), "-400");
    CHECK_Z(split("/a/%2e%2E/b"), "-400");
    CHECK_Z(split("/a%2f..%2fb"), "-400");
    CHECK_Z(split("/a%00"), "-400");
    CHECK_Z(split("/a%0a"), "-400");
    CHECK_Z(split("/a%4"), "-400");
    CHECK_Z(split("/a%zz"), "-400");
    CHECK_Z(split("/%ff"), "-400");
    CHECK_Z(split("/a#b"), "-400");
    CHECK_Z(split("*"), "-400");
    CHECK_Z(split("a"), "-400");
    CHECK_Z(split("http:///a"), "-400");
}

/* Decode in pieces of `step` bytes; the body into out; the last answer. */
static int unchunk(const char *text, size_t n, size_t step, char *out, size_t *ret_out, size_t *ret_used)
{
    struct http_chunked c = {0};
    size_t at = 0, used, total = 0;
    int r = HTTP_CHUNK_MORE;
    struct str data;
    while (at < n) {
        size_t k = n - at < step ? n - at : step;
        r = http_chunked_next(&c, text + at, k, &used, &data);
        if (r < 0) return r;
        at += used;
        if (r == HTTP_CHUNK_DATA) {
            memcpy(out + total, data.p, data.n);
            total += data.n;
        }
        if (r == HTTP_CHUNK_END) break;
    }
    *ret_out = total;
    *ret_used = at;
    return r;
}

TEST(chunks_at_every_step)
{
    const char text[] = "5\r\nhello\r\n00A;name=\"v\"\r\n, world...\r\n0\r\nTrailer: x\r\nAnother: y\r\n\r\nNEXT";
    char out[64];
    size_t n, used;
    for (size_t step = 1; step < sizeof text; step++) {
        CHECK_INT(unchunk(text, sizeof text - 1, step, out, &n, &used), HTTP_CHUNK_END);
        CHECK_STR(str_make(out, n), "hello, world...");
        CHECK_INT(used, sizeof text - 1 - 4);
    }
}

TEST(bad_chunks)
{
    static const char *const cases[] = {
        "\r\n",
        "g\r\n",
        "-1\r\n",
        "0x5\r\nhello\r\n",
        " 5\r\nhello\r\n",
        "5 \r\nhello\r\n",
        "5\nhello",
        "5\r\nhello!!",
        "5\r\nhello\n0\r\n",
        "1234567890123456\r\n",
        "5\rhello",
        "0\r\nA\n",
        "0\r\n\rx",
        "5;\x01\r\n",
    };
    char out[64];
    size_t n, used;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int got = unchunk(cases[i], strlen(cases[i]), 1, out, &n, &used);
        if (got != -400) test_fail(__FILE__, __LINE__, "case %zu: %d", i, got);
    }
}

TEST(trailers_are_bounded)
{
    static char text[20000];
    char out[8];
    size_t n, used;
    int k = snprintf(text, sizeof text, "0\r\nX: ");
    memset(text + k, 'a', sizeof text - (size_t)k);
    CHECK_INT(unchunk(text, sizeof text, sizeof text, out, &n, &used), -400);
}

TEST(request_helpers)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 16);
    const struct http_header headers[] = {{STR("cookie"), STR("a=1; session=\"x y\"; b=")}, {STR("host"), STR("h")}};
    struct http_request q = {
        .arena = &a, .query = STR("a=b%20c&n%61me=v+w&empty=&flag"), .headers = headers, .nheaders = 2};
    CHECK_STR(http_query(&q, "a"), "b c");
    CHECK_STR(http_query(&q, "name"), "v w");
    CHECK(http_query(&q, "empty").p && http_query(&q, "empty").n == 0);
    CHECK(http_query(&q, "flag").p && http_query(&q, "flag").n == 0);
    CHECK(!http_query(&q, "none").p);
    CHECK_STR(http_cookie(&q, "session"), "x y");
    CHECK_STR(http_cookie(&q, "a"), "1");
    CHECK(!http_cookie(&q, "c").p);
    CHECK_STR(http_header(&q, "Host"), "h");
    CHECK(!http_header(&q, "x").p);
}
