/* ua_trust_test.c - decisions of people and what certificates prove, together. */
#include "proto/opcua/ua_test.h"
#include "proto/opcua/ua_trust.h"

static struct {
    struct identity root, middle, leaf, other;
    const struct ua_cert *yes[4], *no[4]; /* what people have decided */
    unsigned asked;
} x;

static bool stands(const struct ua_cert *const *list, const void *der, size_t n)
{
    for (int i = 0; i < 4 && list[i]; i++)
        if (str_eq(ua_cert_info(list[i])->der, str_make(der, n))) return true;
    return false;
}
static int ask(void *ctx, const char *purpose, const void *der, size_t n)
{
    CHECK_Z(purpose, "opcua");
    x.asked++;
    return stands(x.yes, der, n) ? 1 : stands(x.no, der, n) ? ERR_FORBIDDEN : 0;
}

static void make_all(void)
{
    memset(x.yes, 0, sizeof x.yes);
    memset(x.no, 0, sizeof x.no);
    x.asked = 0;
    if (x.root.key) return;
    struct ua_key *keys[4];
    for (int i = 0; i < 4; i++)
        if (ua_key_new(2048, &keys[i], NULL)) return;
    struct ua_cert_make ca = {.authority = true, .from_us = NOW_US - 9 * DAY_US, .until_us = NOW_US + 9 * DAY_US};
    struct ua_cert_make leaf = {.uri = STR("urn:plc")};
    x.root = identity_of("root", keys[0], &ca, NULL);
    x.middle = identity_of("middle", keys[1], &ca, &x.root);
    x.leaf = identity_of("leaf", keys[2], &leaf, &x.middle);
    x.other = identity_of("root", keys[3], &ca, NULL); /* an authority that calls itself the same */
}

/* As a peer sends them. */
static struct ua_cert *chain(const struct identity *const *list, size_t n)
{
    struct ua_cert *c = NULL;
    struct buf b;
    buf_init(&b, 1 << 16);
    for (size_t i = 0; i < n; i++) buf_str(&b, ua_cert_info(list[i]->cert)->der);
    if (ua_cert_parse(buf_view(&b), &c, NULL)) test_fail(__FILE__, __LINE__, "chain");
    buf_fini(&b);
    return c;
}
static uint32_t judge(const struct ua_cert *c, struct ua_trust t, struct error *e)
{
    t.ask = ask;
    t.purpose = "opcua";
    if (!t.now_us) t.now_us = NOW_US;
    memset(e, 0, sizeof *e);
    return ua_cert_trust(c, &t, NULL, e);
}

TEST(a_certificate_that_nobody_decided_is_refused_and_named)
{
    struct error e;
    make_all();
    CHECK_INT(judge(x.leaf.cert, (struct ua_trust){0}, &e), UA_BAD_CERTIFICATE_UNTRUSTED);
    CHECK(strstr(e.text, "not trusted yet") && strstr(e.text_zh, "尚未受信任"));
    CHECK_INT(x.asked, 1);
    x.no[0] = x.leaf.cert;
    CHECK_INT(judge(x.leaf.cert, (struct ua_trust){0}, &e), UA_BAD_CERTIFICATE_UNTRUSTED);
    CHECK(strstr(e.text, "was rejected here"));
}

TEST(a_trusted_certificate_must_be_in_time_but_may_have_another_name)
{
    struct error e;
    make_all();
    x.yes[0] = x.leaf.cert;
    CHECK_INT(judge(x.leaf.cert, (struct ua_trust){.host = STR("else.where"), .uri = STR("urn:else")}, &e), 0);
    CHECK_INT(judge(x.leaf.cert, (struct ua_trust){.now_us = NOW_US + 2 * DAY_US}, &e),
              UA_BAD_CERTIFICATE_TIME_INVALID);
    CHECK(strstr(e.text, "has ended on"));
    CHECK_INT(judge(x.leaf.cert, (struct ua_trust){.now_us = NOW_US - 2 * DAY_US}, &e),
              UA_BAD_CERTIFICATE_TIME_INVALID);
    CHECK(strstr(e.text, "valid from"));
}

TEST(a_trusted_authority_lets_in_what_it_has_signed_and_nothing_else)
{
    struct error e;
    make_all();
    const struct identity *whole[] = {&x.leaf, &x.middle, &x.root}, *foreign[] = {&x.leaf, &x.middle, &x.other};
    struct ua_cert *good = chain(whole, 3), *bad = chain(foreign, 3);
    CHECK_INT(judge(good, (struct ua_trust){0}, &e), UA_BAD_CERTIFICATE_UNTRUSTED);
    CHECK_INT(x.asked, 3); /* all three are listed for people to decide */
    x.yes[0] = x.root.cert;
    CHECK_INT(judge(good, (struct ua_trust){0}, &e), 0);
    CHECK_INT(judge(good, (struct ua_trust){.host = STR("else.where")}, &e), UA_BAD_CERTIFICATE_HOST_NAME_INVALID);
    CHECK_INT(judge(good, (struct ua_trust){.now_us = NOW_US + 2 * DAY_US}, &e), UA_BAD_CERTIFICATE_TIME_INVALID);
    x.no[0] = x.middle.cert;
    CHECK_INT(judge(good, (struct ua_trust){0}, &e), UA_BAD_CERTIFICATE_UNTRUSTED);
    x.no[0] = NULL;
    x.yes[0] = x.other.cert; /* of the same name, but it has signed nothing here */
    x.asked = 0;
    CHECK_INT(judge(bad, (struct ua_trust){0}, &e), UA_BAD_CERTIFICATE_UNTRUSTED);
    CHECK_INT(x.asked, 2); /* the stranger's "root" is not even listed */
    ua_cert_free(good);
    ua_cert_free(bad);
}

/* Two authorities that have signed each other. */
TEST(a_ring_of_authorities_ends)
{
    struct error e;
    make_all();
    struct ua_cert_make ca = {.authority = true};
    struct identity a1 = identity_of("A", x.root.key, &ca, NULL), b1 = identity_of("B", x.middle.key, &ca, &a1),
                    a2 = identity_of("A", x.root.key, &ca, &b1), leaf = identity_of("L", x.leaf.key, NULL, &a2);
    const struct identity *ring[] = {&leaf, &a2, &b1, &a2, &b1};
    struct ua_cert *c = chain(ring, 5);
    CHECK_INT(judge(c, (struct ua_trust){0}, &e), UA_BAD_CERTIFICATE_UNTRUSTED);
    CHECK(x.asked <= 5);
    x.yes[0] = b1.cert;
    CHECK_INT(judge(c, (struct ua_trust){0}, &e), UA_BAD_CERTIFICATE_CHAIN_INCOMPLETE);
    ua_cert_free(c);
    identity_free(&a1);
    identity_free(&b1);
    identity_free(&a2);
    identity_free(&leaf);
}
