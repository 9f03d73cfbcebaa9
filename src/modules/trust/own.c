/* own.c - this node's own certificates. Made here: RSA 2048, SHA-256, five years, application URI "urn:<host>:bornite",
 * the host's name and its addresses, as OPC 10000-6, 6.2.2 wants it; TLS takes it too. Or installed, as a company's
 * authority has signed it. A renewal is a new key and a new certificate: peers must be told to trust it. */
#include <ifaddrs.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <unistd.h>
#include "base/mem.h"
#include "modules/trust/trust.h"

#define YEARS 5
#define HOSTS_MAX 12

struct names {
    char host[65], uri[128], text[HOSTS_MAX][INET6_ADDRSTRLEN + 65];
    struct str hosts[HOSTS_MAX];
    size_t n;
};

static void add_host(struct names *x, const char *z)
{
    for (size_t i = 0; i < x->n; i++)
        if (str_is(x->hosts[i], z)) return;
    if (x->n == HOSTS_MAX || !z[0]) return;
    snprintf(x->text[x->n], sizeof x->text[0], "%s", z);
    x->hosts[x->n] = str_of(x->text[x->n]);
    x->n++;
}

static void add_address(struct names *x, const struct ifaddrs *i)
{
    char text[INET6_ADDRSTRLEN] = "";
    const struct sockaddr *a = i->ifa_addr;
    if (!a || !(i->ifa_flags & IFF_UP) || (i->ifa_flags & IFF_LOOPBACK)) return;
    if (a->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a)->sin_addr, text, sizeof text);
    const struct in6_addr *six =
        a->sa_family == AF_INET6 ? &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr : NULL;
    if (six && !IN6_IS_ADDR_LINKLOCAL(six)) inet_ntop(AF_INET6, six, text, sizeof text);
    add_host(x, text);
}

static void find_names(struct names *x)
{
    struct ifaddrs *all = NULL;
    memset(x, 0, sizeof *x);
    if (gethostname(x->host, sizeof x->host - 1) || !x->host[0]) snprintf(x->host, sizeof x->host, "localhost");
    snprintf(x->uri, sizeof x->uri, "urn:%s:bornite", x->host);
    add_host(x, x->host);
    add_host(x, "localhost");
    if (getifaddrs(&all)) return;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) add_address(x, i);
    freeifaddrs(all);
}

/* DER of a new self-signed certificate for the key. */
static int make(struct trust_book *t, const struct ua_key *key, struct buf *der, struct error *e)
{
    struct names x;
    find_names(&x);
    char name[65];
    snprintf(name, sizeof name, "Bornite@%.50s", x.host);
    int64_t now = clock_now_us(t->node->clock);
    struct ua_cert_make m = {.name = str_of(name),
                             .organization = STR("Bornite"),
                             .uri = str_of(x.uri),
                             .hosts = x.hosts,
                             .hosts_n = x.n,
                             .from_us = now - TRUST_DAY_US, /* clocks of peers may be behind */
                             .until_us = now + YEARS * 365 * TRUST_DAY_US,
                             .serial = (rng_u64(t->node->rng) >> 1) | 1};
    return ua_cert_new(&m, key, NULL, NULL, der, e);
}

struct pair {
    struct ua_key *key;
    struct ua_cert *cert;
};

static int make_pair(struct trust_book *t, struct pair *p, struct error *e)
{
    struct buf der;
    buf_init(&der, TRUST_DER_MAX);
    int rc = ua_key_new(2048, &p->key, e);
    if (!rc) rc = make(t, p->key, &der, e);
    if (!rc) rc = ua_cert_parse(buf_view(&der), &p->cert, e);
    buf_fini(&der);
    return rc;
}

static int read_pair(struct str cert, struct str key, struct pair *p, struct error *e)
{
    int rc = ua_cert_parse(cert, &p->cert, e);
    if (rc && e) snprintf(e->where, sizeof e->where, "certificate");
    if (rc) return rc;
    rc = ua_key_parse(key, STR_NULL, &p->key, e);
    if (rc && e) snprintf(e->where, sizeof e->where, "key");
    if (rc || ua_cert_has_key(p->cert, p->key)) return rc;
    return error_set(e, ERR_INVALID, "key", "the private key does not belong to the certificate", "私钥与证书不匹配");
}

/* The whole chain: peers that know only the root need what is between. */
static bool chain_pem(const struct ua_cert *c, struct buf *out)
{
    struct str rest = ua_cert_info(c)->chain;
    while (rest.n) {
        struct ua_cert *one = NULL;
        if (ua_cert_parse(rest, &one, NULL)) return false;
        size_t n = ua_cert_info(one)->der.n;
        bool ok = trust_pem(ua_cert_info(one)->der, out);
        ua_cert_free(one);
        if (!ok || n == 0) return false;
        rest = str_sub(rest, n, rest.n);
    }
    return true;
}

static struct json *spec_of(struct arena *a, const char *purpose, const struct pair *p, bool made)
{
    struct json *spec = trust_facts(a, p->cert, false);
    struct buf key, chain;
    buf_init(&key, 16384);
    buf_init(&chain, 90000);
    bool ok = ua_key_pem(p->key, &key) == 0 && chain_pem(p->cert, &chain);
    json_set(spec, a, STR("purpose"), json_new_str(a, arena_str(a, str_of(purpose))));
    json_set(spec, a, STR("made_here"), json_new_bool(a, made));
    json_set(spec, a, STR("certificate"), json_new_str(a, arena_str(a, buf_view(&chain))));
    json_set(spec, a, STR("key"), json_new_str(a, arena_str(a, buf_view(&key))));
    if (key.p) ua_wipe(key.p, key.n);
    buf_fini(&key);
    buf_fini(&chain);
    return ok ? spec : NULL;
}

static int store(struct trust_book *t, struct arena *a, const struct actor *by, const char *purpose, struct json *spec,
                 struct resource *ret, struct error *e)
{
    struct kernel *k = t->node->kernel;
    struct str code = str_of(purpose);
    struct resource_input in = {.spec = spec};
    int rc = resource_patch(k, a, by, "own_certificate", code, -1, &in, ret, e);
    if (rc != ERR_NOT_FOUND) return rc;
    in.code = in.name = code;
    return resource_create(k, a, by, "own_certificate", &in, ret, e);
}

int trust_own_make(struct trust_book *t, struct arena *a, const struct actor *by, const char *purpose, struct str cert,
                   struct str key, struct resource *ret, struct error *e)
{
    struct pair p = {0};
    bool made = !cert.n && !key.n;
    if (!trust_purpose_ok(purpose))
        return error_set(e, ERR_INVALID, "purpose", "a purpose is a short word of small letters, such as opcua",
                         "用途应为小写短词，例如 opcua");
    int rc = made ? make_pair(t, &p, e) : read_pair(cert, key, &p, e);
    struct json *spec = rc ? NULL : spec_of(a, purpose, &p, made);
    if (!rc)
        rc = spec ? store(t, a, by, purpose, spec, ret, e) : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    ua_cert_free(p.cert);
    ua_key_free(p.key);
    return rc;
}
