/* book.c - the snapshot that protocols ask. What is not in it is left for the thread (keeper.c). Changes of resources,
 * of this process or another, come in through the kernel's hooks. */
#include "base/mem.h"
#include "base/encode.h"
#include "base/metric.h"
#include "base/time.h"
#include "io/log.h"
#include "modules/trust/trust.h"

#define MINUTE_NS 60000000000ull

METRIC(refused, METRIC_COUNTER, "bornite_trust_unrecorded_total",
       "Unknown certificates of peers that were not listed because there are too many.");

struct pem {
    struct pem *next;
    char *cert, *key;
};

bool trust_purpose_ok(const char *p)
{
    size_t n = 0;
    for (; p[n]; n++)
        if (!((p[n] >= 'a' && p[n] <= 'z') || (n && ((p[n] >= '0' && p[n] <= '9') || p[n] == '_')))) return false;
    return n > 0 && n < TRUST_PURPOSE_MAX;
}

/* ---- asking ---- */

static struct trust_own *own_of(struct trust_book *t, const char *purpose, bool make)
{
    size_t n = 0;
    for (struct trust_own *o = t->own; o; o = o->next, n++)
        if (strcmp(o->purpose, purpose) == 0) return o;
    struct trust_own *o = make && n < TRUST_PURPOSES && trust_purpose_ok(purpose) ? mem_calloc(1, sizeof *o) : NULL;
    if (!o) return NULL;
    snprintf(o->purpose, sizeof o->purpose, "%s", purpose);
    o->next = t->own;
    t->own = o;
    return o;
}

int trust_identity(void *ctx, const char *purpose, const char **ret_cert, const char **ret_key)
{
    struct trust_book *t = ctx;
    pthread_mutex_lock(&t->lock);
    struct trust_own *o = own_of(t, purpose, true);
    int rc = !o ? ERR_INVALID : o->cert ? 0 : ERR_AGAIN;
    if (rc == 0) {
        *ret_cert = o->cert;
        *ret_key = o->key;
    } else if (o) {
        pthread_cond_signal(&t->wake);
    }
    pthread_mutex_unlock(&t->lock);
    return rc;
}

static struct trust_peer *peer_of(struct trust_book *t, const char *purpose, const uint8_t digest[TRUST_DIGEST])
{
    for (size_t i = 0; i < t->npeers; i++)
        if (memcmp(t->peers[i].digest, digest, TRUST_DIGEST) == 0 && strcmp(t->peers[i].purpose, purpose) == 0)
            return &t->peers[i];
    return NULL;
}

static bool is_pending(const struct trust_book *t, const char *purpose, const uint8_t digest[TRUST_DIGEST])
{
    for (size_t i = 0; i < t->npending; i++)
        if (memcmp(t->pending[i].digest, digest, TRUST_DIGEST) == 0 && strcmp(t->pending[i].purpose, purpose) == 0)
            return true;
    return false;
}

static bool may_record(struct trust_book *t)
{
    uint64_t now = clock_mono_ns(t->node->clock);
    size_t undecided = t->npending;
    for (size_t i = 0; i < t->npeers; i++) undecided += t->peers[i].state == TRUST_NEW;
    if (now - t->minute_ns >= MINUTE_NS) t->minute_n = 0, t->minute_ns = now;
    return t->npending < TRUST_PENDING && undecided < TRUST_NEW_MAX && t->minute_n < TRUST_PER_MINUTE;
}

static void record_later(struct trust_book *t, const char *purpose, const uint8_t digest[TRUST_DIGEST], const void *der,
                         size_t n)
{
    if (is_pending(t, purpose, digest)) return;
    uint8_t *copy = may_record(t) ? mem_dup(der, n) : NULL;
    if (!copy) {
        metric_add(&refused, 1);
        log_warn("trust", "an unknown certificate is not listed: there are too many", "purpose=%s", purpose);
        return;
    }
    struct trust_pending *p = &t->pending[t->npending++];
    *p = (struct trust_pending){.der = copy, .n = n};
    snprintf(p->purpose, sizeof p->purpose, "%s", purpose);
    memcpy(p->digest, digest, TRUST_DIGEST);
    t->minute_n++;
    pthread_cond_signal(&t->wake);
}

int trust_ask(void *ctx, const char *purpose, const void *der, size_t n)
{
    static const int answers[] = {[TRUST_NEW] = 0, [TRUST_TRUSTED] = 1, [TRUST_REJECTED] = ERR_FORBIDDEN};
    struct trust_book *t = ctx;
    uint8_t digest[TRUST_DIGEST];
    int rc = 0;
    if (n == 0 || n > TRUST_DER_MAX || !trust_purpose_ok(purpose)) return 0;
    trust_digest(der, n, digest);
    pthread_mutex_lock(&t->lock);
    struct trust_peer *p = peer_of(t, purpose, digest);
    if (p) {
        rc = answers[p->state];
        p->seen_us = clock_now_us(t->node->clock);
        if (p->seen_us - p->stored_us >= TRUST_DAY_US) pthread_cond_signal(&t->wake);
    } else {
        record_later(t, purpose, digest, der, n);
    }
    pthread_mutex_unlock(&t->lock);
    return rc;
}

/* ---- peers: resources -> memory ---- */

static int64_t time_field(const struct resource *r, const char *name)
{
    int64_t us;
    return time_parse(json_str(json_get(r->spec, name), STR("")), &us, NULL) ? 0 : us;
}

static bool read_digest(const struct resource *r, uint8_t ret[TRUST_DIGEST])
{
    struct buf b;
    buf_init(&b, TRUST_DIGEST);
    bool ok = hex_decode(&b, json_str(json_get(r->spec, "thumbprint_sha256"), STR(""))) == 0 && b.n == TRUST_DIGEST;
    if (ok) memcpy(ret, b.p, TRUST_DIGEST);
    buf_fini(&b);
    return ok;
}

static enum trust_state state_of(const struct resource *r)
{
    return str_is(r->state, "trusted") ? TRUST_TRUSTED : str_is(r->state, "rejected") ? TRUST_REJECTED : TRUST_NEW;
}

static struct trust_peer *peer_by_id(struct trust_book *t, struct str id)
{
    for (size_t i = 0; i < t->npeers; i++)
        if (str_is(id, t->peers[i].id)) return &t->peers[i];
    return NULL;
}

static int put_peer(struct trust_book *t, const struct resource *r)
{
    struct trust_peer *p = peer_by_id(t, r->id), fresh = {.told = -1};
    if (!read_digest(r, fresh.digest)) return 0;
    if (!p && !mem_grow((void **)&t->peers, &t->peers_cap, t->npeers + 1, sizeof *p)) return ERR_NOMEM;
    if (p)
        fresh = *p;
    else
        p = &t->peers[t->npeers++];
    fresh.state = state_of(r);
    fresh.stored_us = time_field(r, "last_seen");
    fresh.until_us = time_field(r, "not_after");
    str_to_cstr(r->id, fresh.id, sizeof fresh.id);
    str_to_cstr(json_str(json_get(r->spec, "purpose"), STR("")), fresh.purpose, sizeof fresh.purpose);
    *p = fresh;
    return 0;
}

static void drop_peer(struct trust_book *t, struct str id)
{
    struct trust_peer *p = peer_by_id(t, id);
    if (p) *p = t->peers[--t->npeers];
}

static int peer_changed(struct trust_book *t, struct kernel *k, const struct change *c)
{
    AUTO_ARENA a;
    struct resource r;
    arena_init(&a, 4 << 20);
    int rc = c->op == CHANGE_DELETE ? ERR_NOT_FOUND : resource_get(k, &a, "peer_certificate", c->id, &r, NULL);
    pthread_mutex_lock(&t->lock);
    if (rc == 0)
        rc = put_peer(t, &r);
    else /* what cannot be read is not trusted */
        drop_peer(t, c->id);
    pthread_mutex_unlock(&t->lock);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

void trust_peer_changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (peer_changed(ctx, k, &c[i]))
            log_error("trust", "a certificate cannot be read", "code=%.*s", STR_ARG(c[i].code));
}

/* ---- own: resources -> memory ---- */

static void retire(struct trust_own *o)
{
    struct pem *old = o->cert ? mem_alloc(sizeof *old) : NULL;
    if (old) *old = (struct pem){o->retired, o->cert, o->key};
    if (old) o->retired = old; /* without memory they are lost, never freed while somebody may read them */
    o->cert = o->key = NULL;
}

static int put_own(struct trust_book *t, const struct resource *r)
{
    char purpose[TRUST_PURPOSE_MAX];
    str_to_cstr(json_str(json_get(r->spec, "purpose"), STR("")), purpose, sizeof purpose);
    struct str cert = json_str(json_get(r->spec, "certificate"), STR("")),
               key = json_str(json_get(r->spec, "key"), STR(""));
    struct trust_own *o = own_of(t, purpose, true);
    if (!o || !cert.n || !key.n) return o ? 0 : ERR_INVALID;
    str_to_cstr(r->id, o->id, sizeof o->id);
    o->until_us = time_field(r, "not_after");
    if (o->cert && str_is(cert, o->cert) && str_is(key, o->key)) return 0;
    char *c = mem_alloc(cert.n + 1), *k = mem_alloc(key.n + 1);
    if (!c || !k || !str_to_cstr(cert, c, cert.n + 1) || !str_to_cstr(key, k, key.n + 1)) {
        mem_free(c);
        mem_free(k);
        return ERR_NOMEM;
    }
    retire(o);
    o->cert = c;
    o->key = k;
    o->told = -1;
    return 0;
}

static void drop_own(struct trust_book *t, struct str id)
{
    for (struct trust_own *o = t->own; o; o = o->next)
        if (str_is(id, o->id)) {
            retire(o);
            o->id[0] = 0;
        }
}

static int own_changed(struct trust_book *t, struct kernel *k, const struct change *c)
{
    AUTO_ARENA a;
    struct resource r;
    arena_init(&a, 4 << 20);
    int rc = c->op == CHANGE_DELETE ? ERR_NOT_FOUND : resource_get(k, &a, "own_certificate", c->id, &r, NULL);
    pthread_mutex_lock(&t->lock);
    if (rc == 0)
        rc = put_own(t, &r);
    else if (rc == ERR_NOT_FOUND)
        drop_own(t, c->id);
    pthread_mutex_unlock(&t->lock);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

void trust_own_changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (own_changed(ctx, k, &c[i]))
            log_error("trust", "our certificate cannot be read", "code=%.*s", STR_ARG(c[i].code));
}

/* ---- start and end ---- */

static int load_peer(void *ctx, const struct resource *r)
{
    return put_peer(ctx, r);
}
static int load_own(void *ctx, const struct resource *r)
{
    return put_own(ctx, r) == ERR_NOMEM ? ERR_NOMEM : 0;
}

int trust_load(struct trust_book *t, struct error *e)
{
    pthread_mutex_lock(&t->lock);
    int rc = resource_each(t->node->kernel, "peer_certificate", load_peer, t, e);
    if (!rc) rc = resource_each(t->node->kernel, "own_certificate", load_own, t, e);
    pthread_mutex_unlock(&t->lock);
    return rc;
}

static void free_pair(char *cert, char *key)
{
    if (key) ua_wipe(key, strlen(key));
    mem_free(cert);
    mem_free(key);
}

void trust_book_free(struct trust_book *t)
{
    for (struct trust_own *o = t->own, *next; o; o = next) {
        next = o->next;
        for (struct pem *p = o->retired, *after; p; p = after) {
            after = p->next;
            free_pair(p->cert, p->key);
            mem_free(p);
        }
        free_pair(o->cert, o->key);
        mem_free(o);
    }
    for (size_t i = 0; i < t->npending; i++) mem_free(t->pending[i].der);
    mem_free(t->peers);
}
