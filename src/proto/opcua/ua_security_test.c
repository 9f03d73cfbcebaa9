/* Primitives against published vectors, certificates and their chains, signatures of sessions, secrets. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include "base/encode.h"
#include "proto/opcua/ua_security_int.h"
#include "proto/opcua/ua_service.h"
#include "proto/opcua/ua_test.h"

static void hex(const char *text, struct buf *out)
{
    buf_init(out, 4096);
    if (hex_decode(out, str_of(text)) != 0) test_fail(__FILE__, __LINE__, "hex");
}

/* TLS 1.2 P_SHA256 test vector of the IETF TLS working group
 * (mailarchive.ietf.org/arch/msg/tls/fzVCzk-z3FShgGJ6DOXqM1ydxms): its label "test label" is a part of the seed. */
TEST(p_sha256)
{
    struct buf secret, seed, want;
    uint8_t got[100];
    hex("9bbe436ba940f017b17652849a71db35", &secret);
    hex("74657374206c6162656c"
        "a0ba9f936cda311827a6f796ffd5198c",
        &seed);
    hex("e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def"
        "17abfd3797"
        "c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66",
        &want);
    ua_p_sha256(buf_view(&secret), buf_view(&seed), got, sizeof got);
    CHECK(want.n == sizeof got && memcmp(got, want.p, sizeof got) == 0);
    uint8_t part[7]; /* any length is the front of a longer one */
    ua_p_sha256(buf_view(&secret), buf_view(&seed), part, sizeof part);
    CHECK(memcmp(part, want.p, sizeof part) == 0);
    buf_fini(&secret);
    buf_fini(&seed);
    buf_fini(&want);
}

/* RFC 4231, 4.2 and 4.3 (HMAC-SHA-256); NIST SP 800-38A, F.2.1 and F.2.5 (AES-CBC). */
TEST(hmac_and_aes)
{
    struct buf want, key, iv, text;
    uint8_t mac[32], twenty[20];
    memset(twenty, 0x0b, sizeof twenty);
    hex("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", &want);
    ua_hmac_sha256(twenty, sizeof twenty, STR("Hi There"), mac);
    CHECK(memcmp(mac, want.p, 32) == 0);
    buf_fini(&want);
    hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", &want);
    ua_hmac_sha256((const uint8_t *)"Jefe", 4, STR("what do ya want for nothing?"), mac);
    CHECK(memcmp(mac, want.p, 32) == 0);
    buf_fini(&want);
    static const char *const keys[] = {"2b7e151628aed2a6abf7158809cf4f3c",
                                       "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"};
    static const char *const ciphers[] = {"7649abac8119b246cee98e9b12e9197d", "f58c4c04d6e5f1ba779eabfb5f7bfbd6"};
    for (int i = 0; i < 2; i++) {
        hex(keys[i], &key);
        hex("000102030405060708090a0b0c0d0e0f", &iv);
        hex("6bc1bee22e409f96e93d7e117393172a", &text);
        hex(ciphers[i], &want);
        CHECK(ua_aes_cbc(true, key.p, key.n, iv.p, text.p, text.n) && memcmp(text.p, want.p, 16) == 0);
        CHECK(ua_aes_cbc(false, key.p, key.n, iv.p, text.p, text.n) && text.p[0] == 0x6b);
        CHECK(!ua_aes_cbc(true, key.p, key.n, iv.p, text.p, 15));
        buf_fini(&key);
        buf_fini(&iv);
        buf_fini(&text);
        buf_fini(&want);
    }
}

static struct identity a, b; /* two applications */
static void identities(void)
{
    if (a.key != NULL) return;
    a = identity_by("a", 2048);
    b = identity_by("b", 2048);
}

TEST(policies_by_uri_and_name)
{
    CHECK(ua_policy_find(STR("http://opcfoundation.org/UA/SecurityPolicy#None")) == ua_policy_at(UA_POLICY_NONE));
    CHECK(ua_policy_find(STR("Aes256_Sha256_RsaPss"))->pss);
    CHECK(ua_policy_find(STR("http://opcfoundation.org/UA/SecurityPolicy#Basic256")) == NULL);
    CHECK_Z(ua_mode_name(UA_MODE_SIGN_ENCRYPT), "SignAndEncrypt");
}

TEST(rsa_signs_and_encrypts_by_every_policy)
{
    identities();
    for (unsigned i = 1; i < UA_POLICY_COUNT; i++) {
        const struct ua_policy *p = ua_policy_at(i), *other = ua_policy_at(i == UA_POLICY_AES256_SHA256_RSAPSS ? 1 : 3);
        struct buf sig, cipher, plain;
        buf_init(&sig, 4096);
        buf_init(&cipher, 1 << 16);
        buf_init(&plain, 1 << 16);
        REQUIRE(ua_asym_sign(p, a.key, STR("text"), &sig) == 0);
        CHECK_INT(sig.n, 256);
        CHECK(ua_asym_verify(p, a.cert, STR("text"), buf_view(&sig)));
        CHECK(!ua_asym_verify(p, a.cert, STR("texT"), buf_view(&sig)));
        CHECK(!ua_asym_verify(p, b.cert, STR("text"), buf_view(&sig)));
        CHECK(!ua_asym_verify(other, a.cert, STR("text"), buf_view(&sig)));
        static char text[500]; /* three blocks */
        memset(text, 'x', sizeof text);
        REQUIRE(ua_asym_encrypt(p, a.cert, str_make(text, sizeof text), &cipher) == 0);
        CHECK_INT(cipher.n, 768);
        REQUIRE(ua_asym_decrypt(p, a.key, buf_view(&cipher), &plain) == 0);
        CHECK(str_eq(buf_view(&plain), str_make(text, sizeof text)));
        buf_clear(&plain);
        CHECK_INT(ua_asym_decrypt(p, b.key, buf_view(&cipher), &plain), ERR_INVALID);
        CHECK_INT(ua_asym_decrypt(p, a.key, str_sub(buf_view(&cipher), 0, 700), &plain), ERR_INVALID);
        CHECK_INT(ua_asym_decrypt(other, a.key, buf_view(&cipher), &plain), ERR_INVALID);
        buf_fini(&sig);
        buf_fini(&cipher);
        buf_fini(&plain);
    }
}

/* ---- certificates -------------------------------------------------------------------------------------------------
 */

TEST(what_stands_in_a_certificate)
{
    identities();
    struct str hosts[] = {STR("plc1.plant"), STR("10.0.0.5"), STR("::1")};
    struct ua_cert_make m = {
        .organization = STR("Works"), .uri = STR("urn:plant:plc1"), .hosts = hosts, .hosts_n = 3, .serial = 0xabc};
    struct identity i = identity_of("PLC 1, line \"a\"", a.key, &m, NULL);
    const struct ua_cert_info *info = ua_cert_info(i.cert);
    CHECK_Z(info->uri, "urn:plant:plc1");
    CHECK_Z(info->hosts, "plc1.plant 10.0.0.5 ::1");
    CHECK_Z(info->subject, "O=Works,CN=PLC 1\\, line \\\"a\\\"");
    CHECK_Z(info->serial, "0abc");
    CHECK_INT(info->from_us, NOW_US - DAY_US);
    CHECK(info->key_bits == 2048 && info->self_signed && !info->ca && info->chain_n == 1);
    CHECK(ua_cert_has_key(i.cert, i.key));
    struct buf pem;
    struct ua_key *k = NULL;
    struct ua_cert *c = NULL;
    struct error e = {0};
    buf_init(&pem, 1 << 16);
    REQUIRE(ua_key_pem(i.key, &pem) == 0 && ua_key_parse(buf_view(&pem), STR_NULL, &k, &e) == 0);
    CHECK(ua_cert_has_key(i.cert, k));
    ua_key_free(k);
    CHECK_INT(ua_key_parse(STR("-----BEGIN nothing"), STR_NULL, &k, &e), ERR_INVALID);
    CHECK_INT(ua_cert_parse(STR("rubbish"), &c, &e), ERR_INVALID);
    CHECK(e.text_zh[0] != 0);
    buf_clear(&pem); /* a chain of two, cut within the second */
    buf_str(&pem, info->der);
    buf_str(&pem, info->der);
    REQUIRE(ua_cert_parse(buf_view(&pem), &c, &e) == 0);
    CHECK(ua_cert_info(c)->chain_n == 2 && str_eq(ua_cert_info(c)->der, info->der));
    ua_cert_free(c);
    CHECK_INT(ua_cert_parse(str_sub(buf_view(&pem), 0, pem.n - 1), &c, &e), ERR_INVALID);
    for (int n = 0; n < 8; n++) buf_str(&pem, info->der);
    CHECK_INT(ua_cert_parse(buf_view(&pem), &c, &e), ERR_INVALID); /* over UA_CHAIN_MAX */
    buf_fini(&pem);
    identity_free(&i);
}

static uint32_t verdict(const struct ua_cert *c, struct ua_cert_check k, uint32_t *faults)
{
    if (k.now_us == 0) k.now_us = NOW_US;
    return ua_cert_verify(c, &k, faults);
}
TEST(a_self_signed_certificate_is_checked)
{
    identities();
    uint32_t faults = 0;
    struct ua_cert *trusted[] = {a.cert};
    struct ua_cert_check k = {.trusted = trusted, .trusted_n = 1};
    CHECK_INT(verdict(a.cert, k, &faults), 0);
    CHECK_INT(faults, 0);
    CHECK_INT(verdict(b.cert, k, &faults), UA_BAD_CERTIFICATE_UNTRUSTED);
    CHECK_INT(faults, UA_CERT_UNTRUSTED);
    k.now_us = NOW_US + 2 * DAY_US;
    CHECK_INT(verdict(a.cert, k, NULL), UA_BAD_CERTIFICATE_TIME_INVALID);
    CHECK_INT(verdict(b.cert, k, &faults), UA_BAD_CERTIFICATE_UNTRUSTED);
    CHECK_INT(faults, UA_CERT_UNTRUSTED | UA_CERT_EXPIRED);
    k.now_us = 0;
    k.uri = STR("urn:other");
    CHECK_INT(verdict(a.cert, k, NULL), UA_BAD_CERTIFICATE_URI_INVALID);
    k.uri = STR("urn:test");
    k.host = STR("127.0.0.1");
    CHECK_INT(verdict(a.cert, k, NULL), 0);
    k.host = STR("127.0.0.2");
    CHECK_INT(verdict(a.cert, k, NULL), UA_BAD_CERTIFICATE_HOST_NAME_INVALID);
    struct buf der; /* a signature that does not fit */
    struct ua_cert *bad = NULL;
    buf_init(&der, 1 << 16);
    buf_str(&der, ua_cert_info(a.cert)->der);
    der.p[der.n - 5] ^= 1;
    REQUIRE(ua_cert_parse(buf_view(&der), &bad, NULL) == 0);
    CHECK_INT(verdict(bad, (struct ua_cert_check){.trusted = &bad, .trusted_n = 1}, NULL), UA_BAD_CERTIFICATE_INVALID);
    ua_cert_free(bad);
    buf_fini(&der);
}

/* An empty or a revoking list of the authority `ca`. */
static void make_crl(const struct identity *ca, const struct ua_cert *revoke, int64_t days, struct buf *out)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *t = ASN1_TIME_new();
    uint8_t *der = NULL;
    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->cert->chain[0]));
    ASN1_TIME_set(t, NOW_US / 1000000 - 86400);
    X509_CRL_set1_lastUpdate(crl, t);
    ASN1_TIME_set(t, NOW_US / 1000000 + days * 86400);
    X509_CRL_set1_nextUpdate(crl, t);
    if (revoke != NULL) {
        X509_REVOKED *r = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(r, X509_get_serialNumber(revoke->chain[0]));
        X509_REVOKED_set_revocationDate(r, t);
        X509_CRL_add0_revoked(crl, r);
    }
    X509_CRL_sign(crl, ca->key->pkey, EVP_sha256());
    int n = i2d_X509_CRL(crl, &der);
    buf_init(out, 1 << 16);
    buf_add(out, der, (size_t)n);
    OPENSSL_free(der);
    ASN1_TIME_free(t);
    X509_CRL_free(crl);
}

TEST(chains_are_followed_to_an_authority_and_revocation_is_seen)
{
    identities();
    struct ua_cert_make ca_make = {.authority = true, .serial = 1}, leaf_make = {.serial = 2};
    struct identity root = identity_of("root", a.key, &ca_make, NULL);
    struct identity middle = identity_of("middle", b.key, &ca_make, &root);
    struct identity leaf = identity_of("leaf", a.key, &leaf_make, &middle);
    uint32_t faults;
    CHECK(ua_cert_info(root.cert)->ca && !ua_cert_info(leaf.cert)->self_signed);
    struct ua_cert_check k = {.trusted = &root.cert, .trusted_n = 1};
    CHECK_INT(verdict(leaf.cert, k, &faults), UA_BAD_CERTIFICATE_CHAIN_INCOMPLETE);
    CHECK_INT(faults, UA_CERT_CHAIN | UA_CERT_UNTRUSTED);
    k.issuers = &middle.cert, k.issuers_n = 1;
    CHECK_INT(verdict(leaf.cert, k, NULL), 0);
    struct ua_cert_check known = {.issuers = (struct ua_cert *[]){middle.cert, root.cert}, .issuers_n = 2};
    CHECK_INT(verdict(leaf.cert, known, NULL), UA_BAD_CERTIFICATE_UNTRUSTED); /* known is not trusted */
    CHECK_INT(verdict(leaf.cert, (struct ua_cert_check){.trusted = &leaf.cert, .trusted_n = 1}, NULL),
              0);    /* itself trusted */
    struct buf both; /* the chain sent along */
    struct ua_cert *sent = NULL;
    buf_init(&both, 1 << 16);
    buf_str(&both, ua_cert_info(leaf.cert)->der);
    buf_str(&both, ua_cert_info(middle.cert)->der);
    REQUIRE(ua_cert_parse(buf_view(&both), &sent, NULL) == 0);
    CHECK_INT(verdict(sent, (struct ua_cert_check){.trusted = &root.cert, .trusted_n = 1}, NULL), 0);
    ua_cert_free(sent);
    buf_fini(&both);

    struct buf lists[3];
    make_crl(&middle, NULL, 5, &lists[0]);
    make_crl(&root, NULL, 5, &lists[1]);
    make_crl(&middle, leaf.cert, 5, &lists[2]);
    struct str crls[3] = {buf_view(&lists[0]), buf_view(&lists[1]), buf_view(&lists[2])};
    k.need_crl = true;
    CHECK_INT(verdict(leaf.cert, k, NULL), UA_BAD_CERTIFICATE_REVOCATION_UNKNOWN);
    k.crls = crls, k.crls_n = 2;
    CHECK_INT(verdict(leaf.cert, k, NULL), 0);
    k.now_us = NOW_US + 6 * DAY_US; /* the lists have grown old, and so has everything */
    CHECK(verdict(leaf.cert, k, &faults) != 0 && faults & UA_CERT_NO_CRL && faults & UA_CERT_ISSUER_EXPIRED);
    k.now_us = 0;
    k.crls_n = 3;
    CHECK_INT(verdict(leaf.cert, k, NULL), UA_BAD_CERTIFICATE_REVOKED);
    for (int i = 0; i < 3; i++) buf_fini(&lists[i]);

    struct identity forged = identity_of("forged", b.key, &leaf_make, &leaf); /* signed by no authority */
    struct ua_cert_check f = {
        .trusted = &root.cert, .trusted_n = 1, .issuers = (struct ua_cert *[]){middle.cert, leaf.cert}, .issuers_n = 2};
    CHECK_INT(verdict(forged.cert, f, NULL), UA_BAD_CERTIFICATE_ISSUER_USE_NOT_ALLOWED);
    identity_free(&forged);
    identity_free(&root);
    identity_free(&middle);
    identity_free(&leaf);
}

/* CVE-2022-37013: authorities that sign one another in a ring. */
TEST(a_ring_of_authorities_ends)
{
    identities();
    struct ua_cert_make m = {.authority = true, .serial = 1}, end = {.serial = 3};
    struct identity x = identity_of("x", a.key, &m, NULL), y = identity_of("y", b.key, &m, &x);
    struct buf der;
    struct error e;
    buf_init(&der, 1 << 16);
    struct ua_cert *x_by_y = NULL;
    m.name = STR("x");
    m.from_us = NOW_US - DAY_US, m.until_us = NOW_US + DAY_US, m.uri = STR("urn:x");
    REQUIRE(ua_cert_new(&m, x.key, y.cert, y.key, &der, &e) == 0 && ua_cert_parse(buf_view(&der), &x_by_y, &e) == 0);
    struct identity leaf = identity_of("leaf", a.key, &end, &y);
    struct ua_cert *ring[] = {x_by_y, y.cert};
    CHECK_INT(verdict(leaf.cert, (struct ua_cert_check){.issuers = ring, .issuers_n = 2}, NULL),
              UA_BAD_CERTIFICATE_CHAIN_INCOMPLETE);
    ua_cert_free(x_by_y);
    buf_fini(&der);
    identity_free(&x);
    identity_free(&y);
    identity_free(&leaf);
}

/* ---- sessions and users ---------------------------------------------------------------------------------------------
 */

TEST(signatures_of_sessions)
{
    identities();
    struct arena m;
    arena_init(&m, 1 << 20);
    struct str chain = ua_cert_info(b.cert)->chain, nonce = STR("0123456789abcdef0123456789abcdef");
    for (unsigned i = 0; i < UA_POLICY_COUNT; i++) {
        const struct ua_policy *p = ua_policy_at(i);
        struct ua_signature_data s;
        REQUIRE(ua_session_sign(p, a.key, chain, nonce, &m, &s) == 0);
        CHECK_STR(s.algorithm, p->signature);
        CHECK_INT(ua_session_verify(p, a.cert, chain, nonce, &s), 0);
        if (i == UA_POLICY_NONE) continue;
        CHECK_INT(ua_session_verify(p, a.cert, chain, STR("another nonce"), &s), UA_BAD_APPLICATION_SIGNATURE_INVALID);
        CHECK_INT(ua_session_verify(p, b.cert, chain, nonce, &s), UA_BAD_APPLICATION_SIGNATURE_INVALID);
        s.algorithm = STR("http://www.w3.org/2000/09/xmldsig#rsa-sha1");
        CHECK_INT(ua_session_verify(p, a.cert, chain, nonce, &s), UA_BAD_APPLICATION_SIGNATURE_INVALID);
        s = (struct ua_signature_data){0};
        CHECK_INT(ua_session_verify(p, a.cert, chain, nonce, &s), UA_BAD_APPLICATION_SIGNATURE_INVALID);
    }
    arena_fini(&m);
}

TEST(passwords_travel_bound_to_the_nonce)
{
    identities();
    struct arena m;
    arena_init(&m, 1 << 20);
    struct str nonce = STR("0123456789abcdef0123456789abcdef"), bytes, algorithm, back;
    static char longest[300];
    memset(longest, 'p', sizeof longest);
    struct str words[] = {STR("p\xC3\xA4ss"), STR(""), {longest, sizeof longest}};
    for (unsigned i = 0; i < UA_POLICY_COUNT; i++)
        for (int w = 0; w < 3; w++) {
            const struct ua_policy *p = ua_policy_at(i);
            REQUIRE(ua_secret_encrypt(p, b.cert, nonce, words[w], &m, &bytes, &algorithm) == 0);
            CHECK_STR(algorithm, p->encryption);
            CHECK_INT(ua_secret_decrypt(p, b.key, nonce, bytes, algorithm, &m, &back), 0);
            CHECK(str_eq(back, words[w]));
            if (i == UA_POLICY_NONE) continue;
            CHECK(!str_has(bytes, words[0]));
            CHECK_INT(ua_secret_decrypt(p, b.key, STR("0123456789abcdef0123456789abcdeF"), bytes, algorithm, &m, &back),
                      UA_BAD_IDENTITY_TOKEN_INVALID);
            CHECK_INT(ua_secret_decrypt(p, a.key, nonce, bytes, algorithm, &m, &back), UA_BAD_IDENTITY_TOKEN_INVALID);
            CHECK_INT(ua_secret_decrypt(p, b.key, nonce, bytes, STR("x"), &m, &back), UA_BAD_IDENTITY_TOKEN_INVALID);
            CHECK_INT(ua_secret_decrypt(p, b.key, nonce, STR(""), algorithm, &m, &back), UA_BAD_IDENTITY_TOKEN_INVALID);
        }
    arena_fini(&m);
}
