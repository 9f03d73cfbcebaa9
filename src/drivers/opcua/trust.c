/* trust.c - who we are to the server, and whether it may be trusted. Ours: of the options, else this node's own, which
 * the host keeps (asked at every connection, so that a renewed one is taken). The server's: the thumbprint where one is
 * set, else what people have decided in the host's list. */
#include <openssl/evp.h>
#include <stdio.h>
#include "drivers/opcua/opcua_int.h"

#define PURPOSE "opcua"

static int take_identity(struct oc_channel *ch, const char *cert, const char *key, struct error *e)
{
    struct ua_cert *c = NULL;
    struct ua_key *k = NULL;
    int rc = ua_cert_parse(str_of(cert), &c, e);
    if (rc == 0) rc = ua_key_parse(str_of(key), STR_NULL, &k, e);
    if (rc) {
        ua_cert_free(c);
        return rc;
    }
    ua_cert_free(ch->cfg.cert);
    ua_key_free(ch->cfg.key);
    ch->cfg.cert = c;
    ch->cfg.key = k;
    ch->cfg.identity = cert;
    return 0;
}

int oc_identity(struct oc_channel *ch, struct error *e)
{
    const struct driver_host *h = ch->base.host;
    const char *cert = NULL, *key = NULL;
    if (ch->cfg.cert && !ch->cfg.identity) return 0;
    int rc = h->identity ? h->identity(h->ctx, PURPOSE, &cert, &key) : ERR_UNSUPPORTED;
    if (rc == ERR_AGAIN) return rc;
    if (rc)
        return error_set(e, rc, "options.certificate",
                         "this node has no certificate of its own: give the channel one, with its key",
                         "本节点没有自己的证书：请为通道提供证书和私钥");
    return cert == ch->cfg.identity ? 0 : take_identity(ch, cert, key, e);
}

static void thumbprint(const struct ua_cert *c, char out[65])
{
    uint8_t hash[32] = {0};
    struct str der = ua_cert_info(c)->der;
    if (EVP_Digest(der.p, der.n, hash, NULL, EVP_sha256(), NULL) != 1) memset(hash, 0, sizeof hash);
    for (int i = 0; i < 32; i++) snprintf(out + (ptrdiff_t)(i * 2), 3, "%02x", hash[i]);
}

static void tell(struct oc_channel *ch, const char *msg, uint32_t status, const char *how)
{
    char kv[120];
    snprintf(kv, sizeof kv, "status=%s trust=%s", status ? ua_status_name(status) : "Good", how);
    ch->base.host->log(ch->base.host->ctx, DRIVER_LOG_WARN, msg, kv);
}

/* A certificate known by itself; what else is wrong with it is told. */
static void warn(struct oc_channel *ch, const char *how)
{
    struct ua_cert *trusted[1] = {ch->server};
    struct ua_cert_check k = {.now_us = oc_utc(ch), .trusted = trusted, .trusted_n = 1, .policy = ch->policy};
    uint32_t status = ua_cert_verify(ch->server, &k, NULL);
    if (status) tell(ch, "the server's certificate has a fault", status, how);
}

static int by_thumbprint(struct oc_channel *ch, struct error *e)
{
    char print[65];
    thumbprint(ch->server, print);
    if (strcmp(print, ch->cfg.thumbprint) != 0)
        return error_set(e, ERR_FORBIDDEN, "options.thumbprint",
                         "the server's certificate is another one: thumbprint %s. Correct option 'thumbprint' if the "
                         "server's certificate was renewed",
                         "服务器证书与设定不符，指纹为 %s。若服务器更换了证书，请修改选项“thumbprint”", print);
    warn(ch, "pinned");
    return 0;
}

static int by_list(struct oc_channel *ch, struct error *e)
{
    const struct driver_host *h = ch->base.host;
    uint32_t faults = 0;
    struct str uri = ch->endpoint->server.application_uri;
    struct ua_trust t = {.ask = h->trust,
                         .ctx = h->ctx,
                         .purpose = PURPOSE,
                         .now_us = oc_utc(ch),
                         .uri = uri.n ? uri : STR_NULL,
                         .host = str_of(ch->cfg.at.host),
                         .policy = ch->policy->id == UA_POLICY_NONE ? NULL : ch->policy};
    if (ua_cert_trust(ch->server, &t, &faults, e)) return ERR_FORBIDDEN;
    if (faults) warn(ch, "list");
    return 0;
}

int oc_trust_server(struct oc_channel *ch, struct error *e)
{
    if (ch->cfg.trust == TRUST_ANY) {
        tell(ch, "any server certificate is accepted", 0, "any");
        return 0;
    }
    return ch->cfg.thumbprint[0] ? by_thumbprint(ch, e) : by_list(ch, e);
}
