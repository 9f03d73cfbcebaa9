/* s3_sign_test.c - signatures against what AWS publishes: the Signature Version 4 test suite (service "service",
 * 2015-08-30) and the examples of the S3 API Reference, "Signature Calculations for the Authorization Header"
 * (2013-05-24, examplebucket). */
#include "store/s3_sign.h"
#include "base/test.h"
#include "base/time.h"

#define SUITE_TIME "20150830T123600Z"
#define S3_DAY "20130524T000000Z"
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define PAIR(n, v) \
    { \
        {n, sizeof n - 1}, \
        { \
            v, sizeof v - 1 \
        } \
    }

struct vector {
    const char *name, *method, *path;
    struct s3_pair query[4], headers[6];
    const char *body, *names, *signature;
};
#define SUITE_HOST PAIR("Host", "example.amazonaws.com"), PAIR("X-Amz-Date", SUITE_TIME)
#define SUITE_NAMES "host;x-amz-date"

static const struct vector suite[] = {
    {"get-vanilla",
     "GET",
     "/",
     {},
     {SUITE_HOST},
     "",
     SUITE_NAMES,
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-vanilla-query-order-key-case",
     "GET",
     "/",
     {PAIR("Param2", "value2"), PAIR("Param1", "value1")},
     {SUITE_HOST},
     "",
     SUITE_NAMES,
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"get-vanilla-query-order-value",
     "GET",
     "/",
     {PAIR("Param1", "value2"), PAIR("Param1", "value1")},
     {SUITE_HOST},
     "",
     SUITE_NAMES,
     "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"},
    {"get-vanilla-utf8-query",
     "GET",
     "/",
     {PAIR("ሴ", "bar")},
     {SUITE_HOST},
     "",
     SUITE_NAMES,
     "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
    {"get-unreserved",
     "GET",
     "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
     {},
     {SUITE_HOST},
     "",
     SUITE_NAMES,
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {"get-utf8",
     "GET",
     "/ሴ",
     {},
     {SUITE_HOST},
     "",
     SUITE_NAMES,
     "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {"get-header-key-duplicate",
     "GET",
     "/",
     {},
     {SUITE_HOST, PAIR("My-Header1", "value2"), PAIR("My-Header1", "value2"), PAIR("My-Header1", "value1")},
     "",
     "host;my-header1;x-amz-date",
     "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
    {"get-header-value-trim",
     "GET",
     "/",
     {},
     {SUITE_HOST, PAIR("My-Header1", " value1"), PAIR("My-Header2", " \"a   b   c\"")},
     "",
     "host;my-header1;my-header2;x-amz-date",
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {"post-vanilla",
     "POST",
     "/",
     {},
     {SUITE_HOST},
     "",
     SUITE_NAMES,
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {"post-x-www-form-urlencoded",
     "POST",
     "/",
     {},
     {SUITE_HOST, PAIR("Content-Type", "application/x-www-form-urlencoded")},
     "Param1=value1",
     "content-type;host;x-amz-date",
     "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
};

#define S3_HOST PAIR("Host", "examplebucket.s3.amazonaws.com"), PAIR("x-amz-date", S3_DAY)
#define S3_EMPTY PAIR("x-amz-content-sha256", EMPTY)
static const struct vector s3[] = {
    {"get object, range",
     "GET",
     "/test.txt",
     {},
     {S3_HOST, S3_EMPTY, PAIR("Range", "bytes=0-9")},
     "",
     "host;range;x-amz-content-sha256;x-amz-date",
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {"put object",
     "PUT",
     "/test$file.text",
     {},
     {S3_HOST, PAIR("Date", "Fri, 24 May 2013 00:00:00 GMT"), PAIR("x-amz-storage-class", "REDUCED_REDUNDANCY"),
      PAIR("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072")},
     "Welcome to Amazon S3.",
     "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {"get bucket lifecycle",
     "GET",
     "/",
     {PAIR("lifecycle", "")},
     {S3_HOST, S3_EMPTY},
     "",
     "host;x-amz-content-sha256;x-amz-date",
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {"list objects",
     "GET",
     "/",
     {PAIR("prefix", "J"), PAIR("max-keys", "2")},
     {S3_HOST, S3_EMPTY},
     "",
     "host;x-amz-content-sha256;x-amz-date",
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};

static size_t count(const struct s3_pair *p, size_t max)
{
    size_t n = 0;
    while (n < max && p[n].name.p) n++;
    return n;
}

static void try_one(const struct vector *v, const struct s3_identity *who, int64_t time_us)
{
    AUTO_ARENA a;
    char hash[S3_HASH_MAX];
    struct s3_signed got;
    arena_init(&a, 1 << 20);
    struct s3_to_sign r = {.method = v->method,
                           .path = str_of(v->path),
                           .query = v->query,
                           .nquery = count(v->query, 4),
                           .headers = v->headers,
                           .nheaders = count(v->headers, 6),
                           .payload = str_of(s3_hash(str_of(v->body), hash)),
                           .time_us = time_us};
    REQUIRE(s3_sign(&a, who, &r, &got) == 0);
    char *names = arena_printf(&a, "SignedHeaders=%s, ", v->names);
    if (!str_has(got.header, str_of(names)) || !str_ends(got.header, str_of(v->signature)))
        test_fail(__FILE__, __LINE__, "%s: %.*s\n%.*s", v->name, STR_ARG(got.header), STR_ARG(got.canonical));
}

TEST(suite_of_aws)
{
    static const struct s3_identity who = {
        {"AKIDEXAMPLE", 11}, {"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", 40}, {"us-east-1", 9}, {"service", 7}};
    int64_t t;
    REQUIRE(time_parse(STR("2015-08-30T12:36:00Z"), &t, NULL) == 0);
    for (size_t i = 0; i < sizeof suite / sizeof *suite; i++) try_one(&suite[i], &who, t);
}

TEST(examples_of_s3)
{
    static const struct s3_identity who = {
        {"AKIAIOSFODNN7EXAMPLE", 20}, {"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", 40}, {"us-east-1", 9}, {"s3", 2}};
    int64_t t;
    REQUIRE(time_parse(STR("2013-05-24"), &t, NULL) == 0);
    for (size_t i = 0; i < sizeof s3 / sizeof *s3; i++) try_one(&s3[i], &who, t);
}

TEST(the_whole_header_and_canonical_request)
{
    AUTO_ARENA a;
    struct s3_signed got;
    static const struct s3_identity who = {
        {"AKIAIOSFODNN7EXAMPLE", 20}, {"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", 40}, {"us-east-1", 9}, {"s3", 2}};
    struct s3_to_sign r = {.method = "GET",
                           .path = STR("/test.txt"),
                           .headers = s3[0].headers,
                           .nheaders = 4,
                           .payload = STR(EMPTY),
                           .time_us = 1369353600000000};
    arena_init(&a, 1 << 20);
    REQUIRE(s3_sign(&a, &who, &r, &got) == 0);
    CHECK_STR(got.canonical, "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\n"
                             "x-amz-content-sha256:" EMPTY "\nx-amz-date:" S3_DAY "\n\n"
                             "host;range;x-amz-content-sha256;x-amz-date\n" EMPTY);
    CHECK_STR(got.text, "AWS4-HMAC-SHA256\n" S3_DAY "\n20130524/us-east-1/s3/aws4_request\n"
                        "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972");
    CHECK_STR(got.header, "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
                          "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
                          "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(bounds)
{
    AUTO_ARENA a;
    struct buf b;
    struct s3_signed got = {0};
    struct s3_pair many[S3_PAIRS_MAX + 1];
    static const struct s3_identity who = {{"a", 1}, {"b", 1}, {"c", 1}, {"s3", 2}};
    for (size_t i = 0; i <= S3_PAIRS_MAX; i++) many[i] = (struct s3_pair){STR("n"), STR("v")};
    struct s3_to_sign r = {.method = "GET", .path = STR("/"), .headers = many, .nheaders = S3_PAIRS_MAX + 1};
    arena_init(&a, 1 << 20);
    CHECK_INT(s3_sign(&a, &who, &r, &got), ERR_INVALID);
    CHECK(!got.header.p);
    buf_init(&b, 1000);
    CHECK_INT(s3_query(&b, many, S3_PAIRS_MAX + 1), ERR_INVALID);
    s3_path(&b, STR("/a b/中/%/"));
    CHECK_STR(buf_view(&b), "/a%20b/%E4%B8%AD/%25/");
    buf_fini(&b);
}
