/* ua_trust.c - see ua_trust.h. An issuer counts, and is asked for, only when the chain that was sent leads to it by
 * signatures that hold: so a stranger cannot borrow the name of a trusted authority, nor fill lists with certificates
 * that have nothing to do with his. */
#include "base/time.h"
#include "proto/opcua/ua_security_int.h"
#include "proto/opcua/ua_status.h"
#include "proto/opcua/ua_trust.h"

/* What is only told of a certificate that people trust by itself. */
#define TOLD_ONLY \
    (UA_CERT_CHAIN | UA_CERT_HOST | UA_CERT_URI | UA_CERT_USE | UA_CERT_ISSUER_EXPIRED | UA_CERT_ISSUER_USE | \
     UA_CERT_NO_CRL)

static int ask(const struct ua_trust *t, const struct ua_cert *c)
{
    struct str der = ua_cert_info(c)->der;
    return t->ask ? t->ask(t->ctx, t->purpose, der.p, der.n) : 0;
}

static uint32_t verify(const struct ua_cert *c, const struct ua_trust *t, struct ua_cert *trusted, uint32_t *faults)
{
    struct ua_cert_check k = {
        .now_us = t->now_us, .uri = t->uri, .host = t->host, .policy = t->policy, .trusted = &trusted, .trusted_n = 1};
    return ua_cert_verify(c, &k, faults);
}

/* The certificate is trusted by itself. */
static uint32_t judge_pinned(const struct ua_cert *c, const struct ua_trust *t, uint32_t *faults)
{
    uint32_t status = verify(c, t, (struct ua_cert *)c, faults);
    if (!(*faults & ~(uint32_t)TOLD_ONLY)) return 0;
    if (*faults & UA_CERT_SIGNATURE) return UA_BAD_CERTIFICATE_INVALID;
    if (*faults & UA_CERT_KEY) return UA_BAD_CERTIFICATE_POLICY_CHECK_FAILED;
    return *faults & UA_CERT_EXPIRED ? UA_BAD_CERTIFICATE_TIME_INVALID : status;
}

/* 1: an issuer of it is trusted, *ret_status is the verdict; 0: none; negative: one is refused. */
static int judge_chain(const struct ua_cert *c, const struct ua_trust *t, uint32_t *ret_status, uint32_t *faults)
{
    int answer = 0;
    for (size_t i = 1; i < c->info.chain_n && answer == 0; i++) {
        uint8_t *der = NULL;
        int n = i2d_X509(c->chain[i], &der);
        struct ua_cert *issuer = NULL;
        if (n > 0 && ua_cert_parse(str_make((const char *)der, (size_t)n), &issuer, NULL) == 0) {
            uint32_t status = verify(c, t, issuer, faults);
            if (!(*faults & UA_CERT_UNTRUSTED)) answer = ask(t, issuer);
            if (answer == 1) *ret_status = status;
        }
        ua_cert_free(issuer);
        OPENSSL_free(der);
    }
    return answer;
}

static void say_time(const struct ua_cert_info *i, int64_t now_us, struct error *e)
{
    char day[TIME_TEXT_MAX];
    bool early = now_us < i->from_us;
    time_format(early ? i->from_us : i->until_us, day);
    error_set(e, ERR_FORBIDDEN, "",
              early ? "the peer's certificate is valid from %.10s on only: look at both clocks"
                    : "the peer's certificate has ended on %.10s: renew it at the peer, then trust the new one",
              early ? "对端证书自 %.10s 起才有效：请检查双方时钟"
                    : "对端证书已于 %.10s 过期：请在对端更新证书后重新信任",
              day);
}

static void say(const struct ua_cert_info *i, const struct ua_trust *t, uint32_t status, int answer, struct error *e)
{
    char print[41];
    for (size_t k = 0; k < sizeof i->thumbprint; k++) snprintf(print + 2 * k, 3, "%02x", i->thumbprint[k]);
    if (answer < 0)
        error_set(e, ERR_FORBIDDEN, "",
                  "the peer's certificate (SHA-1 %s) was rejected here: see 'Certificates of peers'",
                  "对端证书（SHA-1 %s）已被拒绝：见“对端证书”", print);
    else if (answer == 0)
        error_set(e, ERR_FORBIDDEN, "",
                  "the peer's certificate (SHA-1 %s) is not trusted yet: compare it at the peer, then trust it under "
                  "'Certificates of peers'",
                  "对端证书（SHA-1 %s）尚未受信任：请与对端核对后在“对端证书”中信任", print);
    else if (status == UA_BAD_CERTIFICATE_TIME_INVALID)
        say_time(i, t->now_us, e);
    else
        error_set(e, ERR_FORBIDDEN, "", "the peer's certificate (SHA-1 %s) has a fault: %s",
                  "对端证书（SHA-1 %s）有问题：%s", print, ua_status_name(status));
}

uint32_t ua_cert_trust(const struct ua_cert *c, const struct ua_trust *t, uint32_t *ret_faults, struct error *e)
{
    uint32_t faults = 0, status = UA_BAD_CERTIFICATE_UNTRUSTED;
    int answer = ask(t, c);
    if (answer == 1)
        status = judge_pinned(c, t, &faults);
    else if (answer == 0)
        answer = judge_chain(c, t, &status, &faults);
    if (ret_faults) *ret_faults = faults;
    if (status != 0) say(ua_cert_info(c), t, status, answer, e);
    return status;
}
