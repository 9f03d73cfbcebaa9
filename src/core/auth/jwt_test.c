/* Signatures of RFC 7515 (appendices A.2, A.3) and what must be refused; filters of RFC 4515. */
#include "base/test.h"
#include "core/auth/auth_int.h"
#include "core/auth/jwt.h"

#define PAYLOAD "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
#define RS256 \
    "eyJhbGciOiJSUzI1NiJ9." PAYLOAD ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_" \
    "lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1" \
    "dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--" \
    "xi12jzDwu" \
    "sC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_" \
    "IoypGlUPQGe77Rw"
#define RSA_KEY \
    "{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-" \
    "4qPCJrcS2mJPMEzP1Pt0Bm" \
    "4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-" \
    "KXBdQOS-" \
    "UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_" \
    "h9iaGNj8q2ethFkMLs91kzk2" \
    "PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}"
#define ES256 \
    "eyJhbGciOiJFUzI1NiJ9." PAYLOAD \
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define EC_KEY \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_" \
    "tue659LNp" \
    "XW6pCyStikYjKIWI5a0\"}"

/* What is said about a token: the vectors pass their signatures and fail by their claims. */
static void refused(const char *token, const char *keys, const char *because)
{
    AUTO_ARENA a;
    struct json *set = NULL;
    const struct json *claims = NULL;
    struct error e = {0};
    struct jwt_want want = {STR("https://joe.example"), STR("us"), STR("n"), 1300819000LL * 1000000};
    char text[4096];
    snprintf(text, sizeof(text), "{\"keys\":[%s]}", keys);
    arena_init(&a, 1 << 20);
    REQUIRE(json_parse(&a, str_of(text), &set, NULL) == 0);
    CHECK_INT(jwt_verify(&a, str_of(token), set, &want, &claims, &e), ERR_UNAUTHENTICATED);
    if (!strstr(e.text, because) || !e.text_zh[0])
        test_fail(__FILE__, __LINE__, "\"%s\" instead of %s", e.text, because);
}

TEST(signatures_of_the_standard_are_right)
{
    refused(RS256, RSA_KEY, "another issuer");
    refused(ES256, EC_KEY, "another issuer");
    refused(ES256, RSA_KEY "," EC_KEY, "another issuer");
}

TEST(wrong_signatures_and_keys_are_refused)
{
    char changed[sizeof(RS256)];
    memcpy(changed, RS256, sizeof(RS256));
    changed[30] ^= 1;
    refused(changed, RSA_KEY, "does not fit any key");
    refused(RS256, EC_KEY, "does not fit any key");
    refused(ES256, RSA_KEY, "does not fit any key");
    refused(RS256, "", "does not fit any key");
    refused(ES256, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}", "does not fit any key");
    refused("eyJhbGciOiJub25lIn0." PAYLOAD ".", RSA_KEY, "not a signed token");
    refused("eyJhbGciOiJub25lIn0." PAYLOAD ".AAAA", RSA_KEY, "neither with RS256");
    refused("eyJhbGciOiJIUzI1NiJ9." PAYLOAD ".AAAA", RSA_KEY, "neither with RS256");
    refused("eyJhbGciOiJFUzI1NiJ9." PAYLOAD ".AAAA", EC_KEY, "malformed");
    refused("", RSA_KEY, "sensible size");
    refused("a.b", RSA_KEY, "not a signed token");
    refused("a.b.c.d", RSA_KEY, "not a signed token");
    refused("!.!.!", RSA_KEY, "not a signed token");
}

TEST(logins_cannot_widen_a_filter)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 16);
    struct str pattern = STR("(&(objectClass=person)(uid={login}))"), mark = STR("{login}");
    CHECK_Z(auth_ldap_filter(&a, pattern, mark, STR("anna")), "(&(objectClass=person)(uid=anna))");
    CHECK_Z(auth_ldap_filter(&a, pattern, mark, STR("*)(uid=*")), "(&(objectClass=person)(uid=\\2a\\29\\28uid=\\2a))");
    CHECK_Z(auth_ldap_filter(&a, STR("(uid={login})"), mark, STR("a\\2a\0b")), "(uid=a\\5c2a\\00b)");
    CHECK_Z(auth_ldap_filter(&a, STR("(uid={login})"), mark, STR("李")), "(uid=\\e6\\9d\\8e)");
    CHECK_Z(auth_ldap_filter(&a, STR("({login}={login})"), mark, STR("{login}")), "({login}={login})");
}
