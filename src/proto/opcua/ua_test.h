/* ua_test.h - what the tests of this folder share: random bytes that repeat, application identities, a pair of
 * channels that talk to each other. Included by tests alone. */
#pragma once
#include "base/test.h"
#include "proto/opcua/ua_channel.h"
#include "proto/opcua/ua_ids.h"
#include "proto/opcua/ua_status.h"

#define NOW_US 1795000000000000LL /* 2026-11-18 */
#define DAY_US 86400000000LL
#define SECOND_NS 1000000000ull

static inline int test_random(void *ctx, void *p, size_t n)
{
    static uint32_t state = 1;
    (void)ctx;
    for (size_t i = 0; i < n; i++) ((uint8_t *)p)[i] = (uint8_t)((state = state * 1103515245u + 12345u) >> 16);
    return 0;
}

struct identity {
    struct ua_key *key;
    struct ua_cert *cert;
    bool shared; /* the key is another identity's */
};
/* A certificate for a key that is there: making keys takes time. */
static inline struct identity identity_of(const char *name, struct ua_key *key, const struct ua_cert_make *m,
                                          const struct identity *ca)
{
    struct identity i = {.key = key, .shared = true};
    struct buf der;
    struct error e = {0};
    struct str host = STR("127.0.0.1");
    struct ua_cert_make make = m ? *m : (struct ua_cert_make){.hosts = &host, .hosts_n = 1};
    make.name = str_of(name);
    if (make.uri.p == NULL) make.uri = str_of("urn:test");
    if (make.serial == 0) make.serial = 7;
    if (make.from_us == 0) make.from_us = NOW_US - DAY_US, make.until_us = NOW_US + DAY_US;
    buf_init(&der, 1 << 16);
    if (ua_cert_new(&make, i.key, ca ? ca->cert : NULL, ca ? ca->key : NULL, &der, &e) != 0 ||
        ua_cert_parse(buf_view(&der), &i.cert, &e) != 0)
        test_fail(__FILE__, __LINE__, "identity %s: %s", name, e.text);
    buf_fini(&der);
    return i;
}
static inline struct identity identity_by(const char *name, unsigned bits)
{
    struct ua_key *key = NULL;
    if (ua_key_new(bits, &key, NULL) != 0) test_fail(__FILE__, __LINE__, "key");
    struct identity i = identity_of(name, key, NULL, NULL);
    i.shared = false;
    return i;
}
static inline void identity_free(struct identity *i)
{
    if (!i->shared) ua_key_free(i->key);
    ua_cert_free(i->cert);
}

struct pair {
    struct ua_channel *client, *server;
    struct arena a;
    uint64_t now;
    uint32_t peer_status; /* what the server thinks of the client's certificate */
};
static inline uint32_t pair_check(void *ctx, const struct ua_cert *c)
{
    (void)c;
    return ((struct pair *)ctx)->peer_status;
}
static inline void pair_init(struct pair *p, const struct ua_channel_config *client,
                             const struct ua_channel_config *server)
{
    struct error e = {0};
    memset(p, 0, sizeof *p);
    struct ua_channel_config c = *client, s = *server;
    c.random.fill = s.random.fill = test_random;
    s.server = true;
    s.ctx = p;
    s.check_peer = pair_check;
    if (s.channel_id == 0) s.channel_id = 42;
    if (c.endpoint_url.n == 0) c.endpoint_url = STR("opc.tcp://127.0.0.1:4840/");
    arena_init(&p->a, 256 << 20);
    p->now = SECOND_NS;
    if (ua_channel_new(&c, &p->client, &e) != 0 || ua_channel_new(&s, &p->server, &e) != 0)
        test_fail(__FILE__, __LINE__, "channel: %s", e.text);
}
static inline void pair_fini(struct pair *p)
{
    ua_channel_free(p->client);
    ua_channel_free(p->server);
    arena_fini(&p->a);
}
/* Carry what `from` has to say to `to` and give its next event; NONE when there is none. */
static inline struct ua_event carry(struct pair *p, struct ua_channel *from, struct ua_channel *to)
{
    struct ua_event ev = {0};
    struct buf *out = ua_channel_out(from);
    if (ua_channel_in(to, out->p, out->n) != 0) test_fail(__FILE__, __LINE__, "in");
    buf_clear(out);
    if (ua_channel_next(to, p->now, &p->a, &ev) < 0) return (struct ua_event){0};
    return ev;
}
static inline bool pair_open(struct pair *p)
{
    ua_channel_start(p->client, p->now);
    if (carry(p, p->client, p->server).kind != UA_EVENT_ACK) return false;
    if (carry(p, p->server, p->client).kind != UA_EVENT_ACK) return false;
    if (carry(p, p->client, p->server).kind != UA_EVENT_OPENED) return false;
    return carry(p, p->server, p->client).kind == UA_EVENT_OPENED;
}
