/* Application instance certificates (OPC 10000-6, 6.2): reading, making, and the checks of OPC 10000-4, 6.1.3.
 *
 * The chain is built here, not by libcrypto's store: at most UA_CHAIN_MAX certificates, none twice, so that
 * authorities that sign one another in a ring end as an incomplete chain. A certificate that stands itself among
 * the trusted ones is trusted without its chain, since it is compared byte by byte. */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include "base/encode.h"
#include "base/mem.h"
#include "base/time.h"
#include "proto/opcua/ua_security_int.h"
#include "proto/opcua/ua_status.h"

#define BYTES_MAX (64u << 10)

/* ---- keys --------------------------------------------------------------------------------------------------- */

static int give_password(char *out, int size, int rwflag, void *ctx)
{
    const struct str *p = ctx;
    int n = p->n > (size_t)size ? size : (int)p->n;
    if (n > 0) memcpy(out, p->p, (size_t)n);
    return n;
}
static int wrap_key(EVP_PKEY *pkey, struct ua_key **ret, struct error *e)
{
    ERR_clear_error();
    if (pkey == NULL)
        return error_set(e, ERR_INVALID, "", "the private key cannot be read: PEM or DER is expected, and its password",
                         "私钥无法读取：应为 PEM 或 DER 格式，加密时需提供密码");
    struct ua_key *k = EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA ? mem_alloc(sizeof *k) : NULL;
    if (k == NULL) {
        EVP_PKEY_free(pkey);
        return error_set(e, ERR_INVALID, "", "the private key is no RSA key", "私钥不是 RSA 密钥");
    }
    k->pkey = pkey;
    *ret = k;
    return 0;
}
int ua_key_parse(struct str s, struct str password, struct ua_key **ret, struct error *e)
{
    EVP_PKEY *pkey = NULL;
    if (s.n > 0 && s.n <= BYTES_MAX && str_has(s, STR("-----BEGIN"))) {
        BIO *b = BIO_new_mem_buf(s.p, (int)s.n);
        if (b != NULL) pkey = PEM_read_bio_PrivateKey(b, NULL, give_password, &password);
        BIO_free(b);
    } else if (s.n > 0 && s.n <= BYTES_MAX) {
        const uint8_t *p = (const uint8_t *)s.p;
        pkey = d2i_AutoPrivateKey(NULL, &p, (long)s.n);
    }
    return wrap_key(pkey, ret, e);
}
int ua_key_new(unsigned bits, struct ua_key **ret, struct error *e)
{
    if (bits < 2048 || bits > 4096)
        return error_set(e, ERR_INVALID, "", "a key has 2048 to 4096 bits, not %u",
                         "密钥长度应为 2048 到 4096 位，而不是 %u", bits);
    return wrap_key(EVP_RSA_gen(bits), ret, e);
}
int ua_key_pem(const struct ua_key *k, struct buf *out)
{
    BIO *b = BIO_new(BIO_s_mem());
    char *p = NULL;
    bool ok = b != NULL && PEM_write_bio_PKCS8PrivateKey(b, k->pkey, NULL, NULL, 0, NULL, NULL) == 1;
    long n = ok ? BIO_get_mem_data(b, &p) : 0;
    if (ok) buf_add(out, p, (size_t)n);
    ua_wipe(p, (size_t)n);
    BIO_free(b);
    return !ok ? ERR_NOMEM : out->err;
}
void ua_key_free(struct ua_key *k)
{
    if (k != NULL) EVP_PKEY_free(k->pkey);
    mem_free(k);
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

EVP_PKEY *ua_cert_public(const struct ua_cert *c)
{
    return X509_get0_pubkey(c->chain[0]);
}

static int64_t time_of(const ASN1_TIME *t)
{
    struct tm tm;
    if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1) return INT64_MIN;
    struct civil c = {tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, 0};
    return civil_to_us(&c);
}
static void name_text(const X509_NAME *name, char *out, size_t cap)
{
    BIO *b = BIO_new(BIO_s_mem());
    char *p = NULL;
    if (b == NULL) return;
    X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    long n = BIO_get_mem_data(b, &p);
    str_to_cstr(str_make(p, (size_t)(n < 0 ? 0 : n)), out, cap);
    BIO_free(b);
}
static void add_host(struct ua_cert_info *i, const char *p, size_t n)
{
    size_t at = strlen(i->hosts);
    if (n == 0 || at + n + 2 > sizeof i->hosts || memchr(p, 0, n) != NULL) return;
    if (at > 0) i->hosts[at++] = ' ';
    memcpy(i->hosts + at, p, n);
    i->hosts[at + n] = 0;
}
static void read_names(struct ua_cert_info *i, const X509 *x)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    for (int k = 0; names != NULL && k < sk_GENERAL_NAME_num(names); k++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, k);
        const ASN1_STRING *s = g->d.ia5;
        char ip[64] = "";
        if (g->type != GEN_URI && g->type != GEN_DNS && g->type != GEN_IPADD) continue;
        const char *p = (const char *)ASN1_STRING_get0_data(s);
        size_t n = (size_t)ASN1_STRING_length(s);
        if (g->type == GEN_URI && i->uri[0] == 0 && memchr(p, 0, n) == NULL)
            str_to_cstr(str_make(p, n), i->uri, sizeof i->uri);
        if (g->type == GEN_DNS) add_host(i, p, n);
        if (g->type == GEN_IPADD && (n == 4 || n == 16) && inet_ntop(n == 4 ? AF_INET : AF_INET6, p, ip, sizeof ip))
            add_host(i, ip, strlen(ip));
    }
    GENERAL_NAMES_free(names);
}
static void read_info(struct ua_cert *c)
{
    struct ua_cert_info *i = &c->info;
    X509 *x = c->chain[0];
    unsigned n = sizeof i->thumbprint;
    X509_digest(x, EVP_sha1(), i->thumbprint, &n);
    name_text(X509_get_subject_name(x), i->subject, sizeof i->subject);
    name_text(X509_get_issuer_name(x), i->issuer, sizeof i->issuer);
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
    for (int k = 0; k < serial->length && (size_t)k * 2 + 3 < sizeof i->serial; k++)
        snprintf(i->serial + 2 * k, 3, "%02x", serial->data[k]);
    read_names(i, x);
    i->from_us = time_of(X509_get0_notBefore(x));
    i->until_us = time_of(X509_get0_notAfter(x));
    i->key_bits = (unsigned)EVP_PKEY_get_bits(ua_cert_public(c));
    i->self_signed = X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0;
    i->ca = X509_check_ca(x) > 0;
}

/* All certificates of the bytes into the chain; the DER of all of them to `der`. */
static int read_der(struct ua_cert *c, struct str s)
{
    const uint8_t *p = (const uint8_t *)s.p, *end = p + s.n;
    while (p < end) {
        if (c->info.chain_n == UA_CHAIN_MAX) return ERR_INVALID;
        X509 *x = d2i_X509(NULL, &p, end - p);
        if (x == NULL) return ERR_INVALID;
        c->chain[c->info.chain_n++] = x;
        if (c->info.chain_n == 1) c->info.der.n = (size_t)((const char *)p - s.p);
    }
    return c->info.chain_n > 0 ? 0 : ERR_INVALID;
}
static void pem_to_der(struct str s, struct buf *out)
{
    BIO *b = BIO_new_mem_buf(s.p, (int)s.n);
    X509 *x = NULL;
    uint8_t *der = NULL;
    while (b != NULL && (x = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL) {
        int n = i2d_X509(x, &der);
        if (n > 0) buf_add(out, der, (size_t)n);
        OPENSSL_free(der);
        der = NULL;
        X509_free(x);
    }
    BIO_free(b);
}
static int fill_cert(struct ua_cert *c, struct str bytes)
{
    struct buf der;
    buf_init(&der, BYTES_MAX);
    if (str_has(bytes, STR("-----BEGIN")))
        pem_to_der(bytes, &der);
    else
        buf_str(&der, bytes);
    int rc = der.err;
    if (rc == 0 && der.n > 0) c->bytes = mem_dup(der.p, der.n);
    if (rc == 0 && c->bytes != NULL)
        rc = read_der(c, str_make(c->bytes, der.n));
    else
        rc = ERR_INVALID;
    c->info.chain = str_make(c->bytes, der.n);
    c->info.der.p = c->bytes;
    buf_fini(&der);
    if (rc == 0 && (ua_cert_public(c) == NULL || EVP_PKEY_get_base_id(ua_cert_public(c)) != EVP_PKEY_RSA))
        rc = ERR_UNSUPPORTED;
    if (rc == 0) read_info(c);
    ERR_clear_error();
    return rc;
}
int ua_cert_parse(struct str bytes, struct ua_cert **ret, struct error *e)
{
    struct ua_cert *c = bytes.n > 0 && bytes.n <= BYTES_MAX ? mem_calloc(1, sizeof *c) : NULL;
    int rc = c ? fill_cert(c, bytes) : ERR_INVALID;
    if (rc == 0) {
        *ret = c;
        return 0;
    }
    ua_cert_free(c);
    if (rc == ERR_UNSUPPORTED)
        return error_set(e, rc, "", "the certificate's key is no RSA key", "证书的密钥不是 RSA 密钥");
    return error_set(e, rc, "", "the certificate cannot be read: DER or PEM is expected, at most %d of a chain",
                     "证书无法读取：应为 DER 或 PEM 格式，证书链最多 %d 张", UA_CHAIN_MAX);
}
void ua_cert_free(struct ua_cert *c)
{
    if (c == NULL) return;
    for (size_t i = 0; i < UA_CHAIN_MAX; i++) X509_free(c->chain[i]);
    mem_free(c->bytes);
    mem_free(c);
}
const struct ua_cert_info *ua_cert_info(const struct ua_cert *c)
{
    return &c->info;
}
bool ua_cert_has_key(const struct ua_cert *c, const struct ua_key *k)
{
    return EVP_PKEY_eq(ua_cert_public(c), k->pkey) == 1;
}

/* ---- checking ----------------------------------------------------------------------------------------------- */

struct path {
    X509 *at[UA_CHAIN_MAX]; /* leaf first */
    size_t n;
    bool whole; /* ends in a self-signed one */
};
static bool in_path(const struct path *p, const X509 *x)
{
    for (size_t i = 0; i < p->n; i++)
        if (X509_cmp(p->at[i], x) == 0) return true;
    return false;
}
static bool same_issuer(const X509 *x)
{
    return X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0;
}
static bool issued(X509 *x, X509 *by)
{
    EVP_PKEY *key = X509_get0_pubkey(by);
    return X509_NAME_cmp(X509_get_subject_name(by), X509_get_issuer_name(x)) == 0 && key != NULL &&
           X509_verify(x, key) == 1;
}
static X509 *find_issuer(const struct path *p, const struct ua_cert *c, const struct ua_cert_check *k)
{
    X509 *x = p->at[p->n - 1];
    for (size_t i = 1; i < c->info.chain_n; i++)
        if (!in_path(p, c->chain[i]) && issued(x, c->chain[i])) return c->chain[i];
    for (size_t i = 0; i < k->trusted_n; i++)
        if (!in_path(p, k->trusted[i]->chain[0]) && issued(x, k->trusted[i]->chain[0])) return k->trusted[i]->chain[0];
    for (size_t i = 0; i < k->issuers_n; i++)
        if (!in_path(p, k->issuers[i]->chain[0]) && issued(x, k->issuers[i]->chain[0])) return k->issuers[i]->chain[0];
    return NULL;
}
static uint32_t build(struct path *p, const struct ua_cert *c, const struct ua_cert_check *k)
{
    p->at[p->n++] = c->chain[0];
    for (;;) {
        X509 *last = p->at[p->n - 1];
        if (same_issuer(last)) {
            p->whole = true;
            return X509_verify(last, X509_get0_pubkey(last)) == 1 ? 0 : UA_CERT_SIGNATURE;
        }
        X509 *up = p->n < UA_CHAIN_MAX ? find_issuer(p, c, k) : NULL;
        if (up == NULL) return UA_CERT_CHAIN;
        p->at[p->n++] = up;
    }
}

static bool trusts(const struct ua_cert_check *k, const X509 *x)
{
    for (size_t i = 0; i < k->trusted_n; i++)
        if (X509_cmp(k->trusted[i]->chain[0], x) == 0) return true;
    return false;
}
static uint32_t check_keys(const struct path *p, const struct ua_cert_check *k)
{
    int lo = k->policy && k->policy->key_bits_min ? k->policy->key_bits_min : 2048;
    int hi = k->policy && k->policy->key_bits_max ? k->policy->key_bits_max : 8192;
    int bits = EVP_PKEY_get_bits(X509_get0_pubkey(p->at[0])), strength = 0;
    if (bits < lo || bits > hi) return UA_CERT_KEY;
    for (size_t i = 0; i < p->n; i++)
        if (X509_get_signature_info(p->at[i], NULL, NULL, &strength, NULL) != 1 || strength < 60) return UA_CERT_KEY;
    return 0;
}
static bool in_time(const X509 *x, int64_t now_us)
{
    return time_of(X509_get0_notBefore(x)) <= now_us && now_us <= time_of(X509_get0_notAfter(x));
}
static uint32_t check_issuers(const struct path *p, const struct ua_cert_check *k)
{
    uint32_t faults = 0;
    for (size_t i = 1; i < p->n; i++) {
        long below = X509_get_pathlen(p->at[i]);
        if (!in_time(p->at[i], k->now_us)) faults |= UA_CERT_ISSUER_EXPIRED;
        if (X509_check_ca(p->at[i]) < 1 || !(X509_get_key_usage(p->at[i]) & KU_KEY_CERT_SIGN))
            faults |= UA_CERT_ISSUER_USE;
        if (below >= 0 && (size_t)below < i - 1) faults |= UA_CERT_ISSUER_USE;
    }
    return faults;
}
static uint32_t check_use(X509 *x)
{
    uint32_t extended = X509_get_extended_key_usage(x); /* all bits when the extension is absent */
    if (!(X509_get_key_usage(x) & KU_DIGITAL_SIGNATURE)) return UA_CERT_USE;
    return extended & (XKU_SSL_SERVER | XKU_SSL_CLIENT | XKU_ANYEKU) ? 0 : UA_CERT_USE;
}
static bool has_host(const struct ua_cert_info *i, struct str host)
{
    struct str all = str_of(i->hosts);
    while (all.p != NULL && all.n > 0)
        if (str_ieq(str_cut(&all, ' '), host)) return true;
    return false;
}

/* 0: not revoked, 1: revoked, -1: no list that can be used. */
static int revoked(X509 *x, X509 *issuer, const struct ua_cert_check *k)
{
    int verdict = -1;
    for (size_t i = 0; i < k->crls_n && verdict != 1; i++) {
        const uint8_t *p = (const uint8_t *)k->crls[i].p;
        X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)k->crls[i].n);
        X509_REVOKED *row = NULL;
        if (crl != NULL && X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_issuer_name(x)) == 0 &&
            X509_CRL_verify(crl, X509_get0_pubkey(issuer)) == 1) {
            bool fresh = X509_CRL_get0_nextUpdate(crl) == NULL || time_of(X509_CRL_get0_nextUpdate(crl)) >= k->now_us;
            if (X509_CRL_get0_by_cert(crl, &row, x) == 1)
                verdict = 1;
            else if (fresh)
                verdict = 0;
        }
        X509_CRL_free(crl);
    }
    return verdict;
}
static uint32_t check_revocation(const struct path *p, const struct ua_cert_check *k)
{
    uint32_t faults = 0;
    for (size_t i = 0; i + 1 < p->n; i++) {
        int verdict = revoked(p->at[i], p->at[i + 1], k);
        if (verdict == 1) faults |= i == 0 ? UA_CERT_REVOKED : UA_CERT_ISSUER_REVOKED;
        if (verdict == -1 && k->need_crl) faults |= UA_CERT_NO_CRL;
    }
    if (!p->whole && k->need_crl) faults |= UA_CERT_NO_CRL;
    return faults;
}

/* In the order of Table 100 of OPC 10000-4. */
static const struct {
    uint32_t fault, status;
} verdicts[] = {
    {UA_CERT_CHAIN, UA_BAD_CERTIFICATE_CHAIN_INCOMPLETE},
    {UA_CERT_SIGNATURE, UA_BAD_CERTIFICATE_INVALID},
    {UA_CERT_KEY, UA_BAD_CERTIFICATE_POLICY_CHECK_FAILED},
    {UA_CERT_UNTRUSTED, UA_BAD_CERTIFICATE_UNTRUSTED},
    {UA_CERT_EXPIRED, UA_BAD_CERTIFICATE_TIME_INVALID},
    {UA_CERT_ISSUER_EXPIRED, UA_BAD_CERTIFICATE_ISSUER_TIME_INVALID},
    {UA_CERT_HOST, UA_BAD_CERTIFICATE_HOST_NAME_INVALID},
    {UA_CERT_URI, UA_BAD_CERTIFICATE_URI_INVALID},
    {UA_CERT_USE, UA_BAD_CERTIFICATE_USE_NOT_ALLOWED},
    {UA_CERT_ISSUER_USE, UA_BAD_CERTIFICATE_ISSUER_USE_NOT_ALLOWED},
    {UA_CERT_NO_CRL, UA_BAD_CERTIFICATE_REVOCATION_UNKNOWN},
    {UA_CERT_REVOKED, UA_BAD_CERTIFICATE_REVOKED},
    {UA_CERT_ISSUER_REVOKED, UA_BAD_CERTIFICATE_ISSUER_REVOKED},
};
uint32_t ua_cert_verify(const struct ua_cert *c, const struct ua_cert_check *k, uint32_t *ret_faults)
{
    struct path p = {0};
    uint32_t faults = build(&p, c, k);
    bool pinned = trusts(k, c->chain[0]), trusted = pinned;
    for (size_t i = 1; i < p.n; i++) trusted |= trusts(k, p.at[i]);
    if (pinned && faults == UA_CERT_CHAIN) faults = 0;
    if (!trusted) faults |= UA_CERT_UNTRUSTED;
    faults |= check_keys(&p, k) | check_issuers(&p, k) | check_use(p.at[0]) | check_revocation(&p, k);
    if (!in_time(p.at[0], k->now_us)) faults |= UA_CERT_EXPIRED;
    if (k->host.p != NULL && !has_host(&c->info, k->host)) faults |= UA_CERT_HOST;
    if (k->uri.p != NULL && !str_is(k->uri, c->info.uri)) faults |= UA_CERT_URI;
    ERR_clear_error();
    if (ret_faults != NULL) *ret_faults = faults;
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++)
        if (faults & verdicts[i].fault) return verdicts[i].status;
    return 0;
}

/* ---- making ------------------------------------------------------------------------------------------------- */

static bool put_time(ASN1_TIME *t, int64_t us)
{
    struct civil c = civil_from_us(us);
    char text[32];
    snprintf(text, sizeof text, "%04d%02d%02d%02d%02d%02dZ", c.year, c.month, c.day, c.hour, c.minute, c.second);
    return ASN1_TIME_set_string_X509(t, text) == 1;
}
static bool put_name(X509_NAME *n, const char *field, struct str s)
{
    return s.n == 0 || X509_NAME_add_entry_by_txt(n, field, MBSTRING_UTF8, (const uint8_t *)s.p, (int)s.n, -1, 0) == 1;
}
static bool put_alt(GENERAL_NAMES *all, int type, struct str s)
{
    GENERAL_NAME *g = GENERAL_NAME_new();
    char text[512];
    ASN1_OCTET_STRING *ip = type == GEN_DNS && str_to_cstr(s, text, sizeof text) ? a2i_IPADDRESS(text) : NULL;
    ASN1_STRING *v = ip == NULL ? ASN1_IA5STRING_new() : ip;
    bool ok = g != NULL && v != NULL && (ip != NULL || ASN1_STRING_set(v, s.p, (int)s.n) == 1);
    if (!ok) {
        GENERAL_NAME_free(g);
        ASN1_STRING_free(v);
        return false;
    }
    GENERAL_NAME_set0_value(g, ip != NULL ? GEN_IPADD : type, v);
    return sk_GENERAL_NAME_push(all, g) > 0;
}
static bool put_alternatives(X509 *x, const struct ua_cert_make *m)
{
    GENERAL_NAMES *all = GENERAL_NAMES_new();
    bool ok = all != NULL && put_alt(all, GEN_URI, m->uri);
    for (size_t i = 0; ok && i < m->hosts_n; i++) ok = put_alt(all, GEN_DNS, m->hosts[i]);
    ok = ok && X509_add1_ext_i2d(x, NID_subject_alt_name, all, 0, 0) == 1;
    GENERAL_NAMES_free(all);
    return ok;
}
static bool put_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = ext != NULL && X509_add_ext(x, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok;
}
static bool put_extensions(X509 *x, X509 *issuer, const struct ua_cert_make *m)
{
    const char *use = m->authority ? "critical,keyCertSign,cRLSign,digitalSignature"
                                   : "critical,digitalSignature,nonRepudiation,keyEncipherment,dataEncipherment";
    return put_extension(x, issuer, NID_basic_constraints, m->authority ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
           put_extension(x, issuer, NID_subject_key_identifier, "hash") &&
           put_extension(x, issuer, NID_authority_key_identifier, "keyid,issuer") &&
           put_extension(x, issuer, NID_key_usage, use) &&
           (m->authority || put_extension(x, issuer, NID_ext_key_usage, "serverAuth,clientAuth")) &&
           (m->authority || put_alternatives(x, m));
}
int ua_cert_new(const struct ua_cert_make *m, const struct ua_key *key, const struct ua_cert *ca,
                const struct ua_key *ca_key, struct buf *out, struct error *e)
{
    X509 *x = X509_new(), *issuer = ca != NULL ? ca->chain[0] : x;
    uint8_t *der = NULL;
    X509_NAME *name = x != NULL ? X509_get_subject_name(x) : NULL;
    bool ok = x != NULL && X509_set_version(x, X509_VERSION_3) == 1 &&
              ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), m->serial) == 1 &&
              put_time(X509_getm_notBefore(x), m->from_us) && put_time(X509_getm_notAfter(x), m->until_us) &&
              X509_set_pubkey(x, key->pkey) == 1 && put_name(name, "CN", m->name) &&
              put_name(name, "O", m->organization) &&
              X509_set_issuer_name(x, ca != NULL ? X509_get_subject_name(issuer) : name) == 1 &&
              put_extensions(x, issuer, m) && X509_sign(x, ca != NULL ? ca_key->pkey : key->pkey, EVP_sha256()) > 0;
    int n = ok ? i2d_X509(x, &der) : 0;
    if (n > 0) buf_add(out, der, (size_t)n);
    OPENSSL_free(der);
    X509_free(x);
    ERR_clear_error();
    if (n > 0) return out->err;
    return error_set(e, ERR_INVALID, "",
                     "the certificate cannot be made: look at its name (1 to 64 characters) and its hosts",
                     "无法生成证书：请检查名称（1 到 64 个字符）与主机名");
}
