/* s3_xml_test.c - answers as the S3 API Reference shows them, and such that no store should send. */
#include "store/s3_xml.h"
#include "base/test.h"

static const char list[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>quotes</Name><Prefix>N</Prefix>"
    "<NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken><KeyCount>2</KeyCount>"
    "<MaxKeys>2</MaxKeys><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\n"
    "<Contents><Key>Nep%26tune</Key><LastModified>2011-02-26T01:56:20.000Z</LastModified>"
    "<ETag>&quot;828ef3fdfa96f00ad9f27c383fc9ac7f&quot;</ETag><Size>5</Size><Owner><ID>x</ID></Owner></Contents>"
    "<Contents><Key>Needs</Key><LastModified>2014-11-21T19:40:05.000Z</LastModified><Size>4294967296</Size>"
    "</Contents></ListBucketResult>";

struct seen {
    int n, end_at;
    char keys[64];
    struct object_info last;
};
static int item(void *ctx, const struct s3_item *i)
{
    struct seen *s = ctx;
    size_t n = strlen(s->keys);
    snprintf(s->keys + n, sizeof s->keys - n, "%.*s ", STR_ARG(i->key));
    s->last = i->info;
    return ++s->n == s->end_at ? ERR_CANCELLED : 0;
}

TEST(a_list)
{
    struct s3_answer a;
    struct seen s = {0};
    REQUIRE(s3_xml_read(str_of(list), &a, item, &s) == 0);
    CHECK_Z(a.root, "ListBucketResult");
    CHECK_Z(s.keys, "Nep&tune Needs ");
    CHECK_INT(s.last.size, 4294967296);
    CHECK_INT(s.last.modified_us, 1416598805000000);
    CHECK(a.truncated);
    CHECK_Z(a.next, "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=");
    s = (struct seen){.end_at = 1};
    CHECK_INT(s3_xml_read(str_of(list), &a, item, &s), ERR_CANCELLED);
    CHECK_INT(s.n, 1);
}

TEST(errors_and_uploads)
{
    struct s3_answer a;
    REQUIRE(s3_xml_read(STR("<Error><Code>RequestTimeTooSkewed</Code><Message>The difference &lt;x></Message>"
                            "<RequestTime>20200101T000000Z</RequestTime><ServerTime>2026-01-01T00:00:00Z</ServerTime>"
                            "<Region>eu-1</Region></Error>"),
                        &a, NULL, NULL) == 0);
    CHECK_Z(a.code, "RequestTimeTooSkewed");
    CHECK_Z(a.message, "The difference <x>");
    CHECK_Z(a.server_time, "2026-01-01T00:00:00Z");
    CHECK_Z(a.region, "eu-1");
    REQUIRE(s3_xml_read(STR("<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>VXBs\n</UploadId>"
                            "</InitiateMultipartUploadResult>"),
                        &a, NULL, NULL) == 0);
    CHECK_Z(a.upload_id, "VXBs\n");
    CHECK_Z(a.code, "");
}

TEST(what_is_refused)
{
    static const char *const bad[] = {
        "",
        "no xml",
        "<Error><Code>x</Code>",
        "<!DOCTYPE a [<!ENTITY b \"c\">]><Error><Code>&b;</Code></Error>",
        "<a><b><c><d><e><f><g><h><i/></h></g></f></e></d></c></b></a>",
        "<ListBucketResult><Contents><Key>k</Key><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>k</Key><LastModified>soon</LastModified></Contents></ListBucketResult>",
    };
    struct s3_answer a = {.code = "untouched"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (s3_xml_read(str_of(bad[i]), &a, NULL, NULL) != ERR_PROTOCOL)
            test_fail(__FILE__, __LINE__, "taken: %s", bad[i]);
    CHECK_Z(a.code, "untouched");
    static char longer[9000] = "<Error><Code>";
    memset(longer + 13, 'x', sizeof longer - 14);
    CHECK_INT(s3_xml_read(str_of(longer), &a, NULL, NULL), ERR_PROTOCOL);
}

TEST(escaping)
{
    struct buf b;
    buf_init(&b, 100);
    s3_xml_text(&b, STR("\"a<b>&c\""));
    CHECK_STR(buf_view(&b), "\"a&lt;b&gt;&amp;c\"");
    buf_fini(&b);
}
