/* peers.c - a peer's certificate as a resource. Its code is "<purpose>-<half of its SHA-256>", so that it is there
 * once. */
#include "base/mem.h"
#include <openssl/evp.h>
#include "base/encode.h"
#include "base/time.h"
#include "base/utf8.h"
#include "modules/trust/trust.h"

void trust_digest(const void *der, size_t n, uint8_t ret[TRUST_DIGEST])
{
    unsigned len = TRUST_DIGEST;
    if (EVP_Digest(der, n, ret, &len, EVP_sha256(), NULL) != 1) memset(ret, 0, TRUST_DIGEST);
}

bool trust_pem(struct str der, struct buf *out)
{
    struct buf b;
    buf_init(&b, 2 * TRUST_DER_MAX);
    base64_encode(&b, der.p, der.n, false);
    buf_z(out, "-----BEGIN CERTIFICATE-----\n");
    for (size_t i = 0; i < b.n; i += 64) buf_printf(out, "%.*s\n", (int)(b.n - i < 64 ? b.n - i : 64), (char *)b.p + i);
    buf_z(out, "-----END CERTIFICATE-----\n");
    bool ok = !b.err && !out->err;
    buf_fini(&b);
    return ok;
}

static struct json *hex(struct arena *a, const uint8_t *p, size_t n)
{
    char text[2 * TRUST_DIGEST + 1] = "";
    for (size_t i = 0; i < n; i++) snprintf(text + 2 * i, 3, "%02x", p[i]);
    return json_new_str(a, arena_str(a, str_of(text)));
}

static struct json *time_json(struct arena *a, int64_t us)
{
    char text[TIME_TEXT_MAX];
    if (us < TIME_MIN_US || us > TIME_MAX_US) return json_new_null(a);
    return json_new_str(a, arena_str(a, str_of(time_format(us, text))));
}

/* Texts of a stranger: what is no UTF-8 or a control character is shown as '?'. */
static struct json *text_json(struct arena *a, const char *z)
{
    char *copy = arena_strdup(a, str_of(z));
    for (char *p = copy; p && *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f) *p = '?';
    if (copy && !utf8_valid(str_of(copy)))
        for (char *p = copy; *p; p++)
            if ((unsigned char)*p >= 0x80) *p = '?';
    return copy ? json_new_str(a, str_of(copy)) : NULL;
}

struct json *trust_facts(struct arena *a, const struct ua_cert *c, bool peer)
{
    const struct ua_cert_info *i = ua_cert_info(c);
    struct json *o = json_new_object(a);
    uint8_t digest[TRUST_DIGEST];
    struct buf pem;
    buf_init(&pem, 100000);
    trust_digest(i->der.p, i->der.n, digest);
    trust_pem(i->der, &pem);
    json_set(o, a, STR("subject"), text_json(a, i->subject));
    json_set(o, a, STR("uri"), text_json(a, i->uri));
    json_set(o, a, STR("hosts"), text_json(a, i->hosts));
    json_set(o, a, STR("not_before"), time_json(a, i->from_us));
    json_set(o, a, STR("not_after"), time_json(a, i->until_us));
    json_set(o, a, STR("key_bits"), json_new_i64(a, i->key_bits));
    json_set(o, a, STR("thumbprint_sha1"), hex(a, i->thumbprint, sizeof i->thumbprint));
    json_set(o, a, STR("thumbprint_sha256"), hex(a, digest, sizeof digest));
    json_set(o, a, STR("certificate"), json_new_str(a, arena_str(a, buf_view(&pem))));
    buf_fini(&pem);
    if (!peer) return o;
    json_set(o, a, STR("issuer"), text_json(a, i->issuer));
    json_set(o, a, STR("serial"), text_json(a, i->serial));
    json_set(o, a, STR("authority"), json_new_bool(a, i->ca));
    return o;
}

/* "CN=press 3,O=…" -> "press 3" */
static struct str common_name(struct str subject)
{
    while (subject.n) {
        struct str part = str_cut(&subject, ',');
        if (str_starts(part, STR("CN="))) return str_sub(part, 3, part.n);
    }
    return STR_NULL;
}

int trust_peer_record(struct trust_book *t, struct arena *a, const struct actor *by, const char *purpose,
                      struct str der, struct resource *ret, struct error *e)
{
    struct ua_cert *c = NULL;
    struct kernel *k = t->node->kernel;
    int rc = ua_cert_parse(der, &c, e);
    if (rc) return rc;
    struct json *spec = trust_facts(a, c, true);
    struct str print = json_str(json_get(spec, "thumbprint_sha256"), STR(""));
    struct str subject = json_str(json_get(spec, "subject"), STR(""));
    ua_cert_free(c);
    char *code = arena_printf(a, "%s-%.32s", purpose, print.p ? print.p : "");
    struct json *now = time_json(a, clock_now_us(t->node->clock));
    json_set(spec, a, STR("purpose"), json_new_str(a, arena_str(a, str_of(purpose))));
    json_set(spec, a, STR("first_seen"), now);
    json_set(spec, a, STR("last_seen"), json_copy(a, now));
    if (!code || !spec) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    struct str name = common_name(subject);
    struct resource_input in = {
        .code = str_of(code), .name = str_sub(name.n ? name : str_of(code), 0, 100), .spec = spec};
    rc = resource_create(k, a, by, "peer_certificate", &in, ret, e);
    return rc == ERR_EXISTS ? resource_get(k, a, "peer_certificate", in.code, ret, e) : rc;
}

int trust_peer_seen(struct trust_book *t, const char *id, int64_t seen_us)
{
    AUTO_ARENA a;
    struct resource r;
    struct error e;
    arena_init(&a, 4 << 20);
    struct json *spec = json_new_object(&a);
    json_set(spec, &a, STR("last_seen"), time_json(&a, seen_us));
    struct resource_input in = {.spec = spec};
    return spec ? resource_patch(t->node->kernel, &a, &actor_system, "peer_certificate", str_of(id), -1, &in, &r, &e)
                : ERR_NOMEM;
}
