/* trust_test.c - the module through its functions and routes, on a clock that stands still. The keeper's thread does
 * not run: the tests do its work by trust_work. */
#include "core/api/api_test.h"
#include "base/time.h"
#include "core/module.h"
#include "modules/trust/trust.h"

extern const struct module trust_module;

static struct {
    struct rig rig;
    struct node node;
    struct trust_book *t;
    void *ctx[1];
    unsigned unknown, expiring;
} x;
static const struct module *const table[] = {&trust_module};
/* Keys take time to make: one does for all peers of all tests. */
static struct ua_key *peer_key;

static void on_event(void *ctx, const struct event *ev)
{
    x.unknown += strcmp(ev->topic, "certificate.unknown") == 0;
    x.expiring += strcmp(ev->topic, "certificate.expiring") == 0;
}

static void begin(void)
{
    struct error e = {0};
    memset(&x, 0, sizeof x);
    REQUIRE(rig_open(&x.rig, NULL) == 0);
    x.node = (struct node){.clock = &x.rig.clock.clock,
                           .rng = &x.rig.rng.rng,
                           .kernel = x.rig.kernel,
                           .api = x.rig.api,
                           .listen = "127.0.0.1"};
    REQUIRE(modules_init(&x.node, table, 1, x.ctx, &e) == 0);
    x.t = x.ctx[0];
    REQUIRE(trust_load(x.t, &e) == 0);
    REQUIRE(kernel_event_subscribe(x.rig.kernel, on_event, NULL) == 0);
    rig_admin(&x.rig);
}
static void end(void)
{
    kernel_event_unsubscribe(x.rig.kernel, on_event, NULL);
    kernel_hooks_stop(x.rig.kernel);
    modules_fini(table, 1, x.ctx);
    rig_close(&x.rig);
}

static struct str peer(unsigned serial, struct buf *b)
{
    struct str host = STR("plc.plant");
    struct ua_cert_make m = {.name = STR("PLC, 1"),
                             .organization = STR("Works"),
                             .uri = STR("urn:plc"),
                             .hosts = &host,
                             .hosts_n = 1,
                             .serial = serial,
                             .from_us = x.rig.clock.now_us - TRUST_DAY_US,
                             .until_us = x.rig.clock.now_us + 40 * TRUST_DAY_US};
    if (!peer_key && ua_key_new(2048, &peer_key, NULL)) return STR_NULL;
    buf_clear(b);
    if (ua_cert_new(&m, peer_key, NULL, NULL, b, NULL)) test_fail(__FILE__, __LINE__, "certificate");
    return buf_view(b);
}
static int ask(struct str der)
{
    const struct trust *t = x.node.trust;
    return t->trust(t->ctx, "opcua", der.p, der.n);
}
static int transition(const char *id, const char *name)
{
    char path[120], body[60];
    snprintf(path, sizeof path, "/api/v1/peer-certificates/%s:transition", id);
    snprintf(body, sizeof body, "{\"transition\":\"%s\"}", name);
    int status = rig_call(&x.rig, "POST", path, body);
    kernel_settle(x.rig.kernel);
    return status;
}

TEST(a_stranger_is_listed_and_people_decide)
{
    struct buf b;
    char id[37];
    begin();
    buf_init(&b, 1 << 16);
    struct str der = peer(1, &b);
    CHECK_INT(ask(der), 0);
    CHECK_INT(ask(der), 0); /* listed once */
    trust_work(x.t);
    CHECK_INT(x.unknown, 1);
    CHECK_INT(rig_call(&x.rig, "GET", "/api/v1/peer-certificates", NULL), 200);
    CHECK_INT(json_count(json_get(x.rig.json, "items")), 1);
    CHECK(str_is(rig_str(&x.rig, "items.0.state"), "new"));
    CHECK(str_is(rig_str(&x.rig, "items.0.spec.uri"), "urn:plc"));
    CHECK(str_is(rig_str(&x.rig, "items.0.spec.hosts"), "plc.plant"));
    CHECK(str_is(rig_str(&x.rig, "items.0.spec.not_after"), "2026-07-07T20:26:40Z"));
    str_to_cstr(rig_str(&x.rig, "items.0.id"), id, sizeof id);
    CHECK_INT(transition(id, "trust"), 200);
    CHECK_INT(ask(der), 1);
    CHECK_INT(transition(id, "reject"), 200);
    CHECK_INT(ask(der), ERR_FORBIDDEN);
    char path[120];
    snprintf(path, sizeof path, "/api/v1/peer-certificates/%s/certificate?format=der", id);
    CHECK_INT(rig_call(&x.rig, "GET", path, NULL), 200);
    CHECK(str_eq(x.rig.body, der));
    snprintf(path, sizeof path, "/api/v1/peer-certificates/%s", id);
    CHECK_INT(rig_call(&x.rig, "DELETE", path, NULL), 204);
    kernel_settle(x.rig.kernel);
    CHECK_INT(ask(der), 0); /* forgotten: listed anew */
    trust_work(x.t);
    CHECK_INT(x.unknown, 2);
    buf_fini(&b);
    end();
}

TEST(a_flood_of_strangers_is_bounded)
{
    struct buf b;
    begin();
    buf_init(&b, 1 << 16);
    unsigned serial = 1;
    for (int minute = 0; minute < 3; minute++) {
        for (int k = 0; k < 100; k++) {
            CHECK_INT(ask(peer(serial++, &b)), 0);
            if (k % 8 == 0) trust_work(x.t);
        }
        sim_clock_advance(&x.rig.clock, 61 * TIME_US_PER_S);
    }
    trust_work(x.t);
    CHECK_INT(x.t->npeers, 3 * TRUST_PER_MINUTE);
    for (unsigned k = 0; k < TRUST_PENDING + 9; k++) CHECK_INT(ask(peer(serial++, &b)), 0);
    CHECK_INT(x.t->npending, TRUST_PENDING);
    CHECK_INT(ask(STR("no certificate at all")), 0);
    buf_fini(&b);
    end();
}

TEST(nobody_but_the_module_writes_certificates)
{
    begin();
    CHECK_INT(rig_call(&x.rig, "POST", "/api/v1/peer-certificates",
                       "{\"code\":\"opcua-00000000000000000000000000000000\",\"spec\":{}}"),
              400);
    CHECK(str_has(x.rig.body, STR("POST /peer-certificates:add")));
    CHECK_INT(rig_call(&x.rig, "POST", "/api/v1/own-certificates", "{\"code\":\"opcua\",\"spec\":{}}"), 400);
    CHECK_INT(
        rig_call(&x.rig, "POST", "/api/v1/peer-certificates:add", "{\"purpose\":\"opcua\",\"certificate\":\"x\"}"),
        400);
    CHECK(str_is(rig_str(&x.rig, "where"), "certificate"));
    CHECK_INT(rig_call(&x.rig, "POST", "/api/v1/peer-certificates:add", "{\"purpose\":\"OPC UA\"}"), 400);
    end();
}

/* One test for what needs keys of its own. */
TEST(our_own_certificate_is_made_kept_renewed_and_installed)
{
    const struct trust *f;
    const char *cert = NULL, *key = NULL, *cert2 = NULL, *key2 = NULL;
    begin();
    f = x.node.trust;
    CHECK_INT(f->identity(f->ctx, "Not a purpose", &cert, &key), ERR_INVALID);
    CHECK_INT(f->identity(f->ctx, "opcua", &cert, &key), ERR_AGAIN);
    trust_work(x.t);
    REQUIRE(f->identity(f->ctx, "opcua", &cert, &key) == 0);
    struct ua_cert *c = NULL;
    struct ua_key *k = NULL;
    REQUIRE(ua_cert_parse(str_of(cert), &c, NULL) == 0 && ua_key_parse(str_of(key), STR_NULL, &k, NULL) == 0);
    CHECK(ua_cert_has_key(c, k));
    CHECK(strncmp(ua_cert_info(c)->uri, "urn:", 4) == 0 && ua_cert_info(c)->hosts[0]);
    CHECK_INT(ua_cert_info(c)->until_us, x.rig.clock.now_us + 5 * 365 * TRUST_DAY_US);
    ua_cert_free(c);
    ua_key_free(k);
    CHECK_INT(rig_call(&x.rig, "GET", "/api/v1/own-certificates/opcua", NULL), 200);
    CHECK(json_path(x.rig.json, "spec.key")->type == JSON_NULL);
    CHECK(!str_has(x.rig.body, STR("PRIVATE KEY")));

    struct trust_book *again = x.t; /* another start: the same pair */
    struct trust_book fresh = {.node = &x.node};
    struct error e = {0};
    pthread_mutex_init(&fresh.lock, NULL);
    CHECK_INT(trust_load(&fresh, &e), 0);
    CHECK_INT(trust_identity(&fresh, "opcua", &cert2, &key2), 0);
    CHECK_Z(cert2, cert);
    CHECK_Z(key2, key);
    trust_book_free(&fresh);
    pthread_mutex_destroy(&fresh.lock);
    CHECK(again == x.t);

    CHECK_INT(x.expiring, 0);
    sim_clock_advance(&x.rig.clock, (5 * 365 - 20) * TRUST_DAY_US);
    trust_work(x.t);
    trust_work(x.t);
    CHECK_INT(x.expiring, 1);
    sim_clock_advance(&x.rig.clock, 10 * TRUST_DAY_US);
    trust_work(x.t);
    CHECK_INT(x.expiring, 2);
    rig_nobody(&x.rig); /* the session has ended long ago */
    CHECK_INT(
        rig_call(&x.rig, "POST", "/api/v1/session", "{\"login\":\"admin\",\"password\":\"correct horse battery\"}"),
        200);
    rig_take_cookie(&x.rig);
    CHECK_INT(rig_call(&x.rig, "POST", "/api/v1/own-certificates/opcua:renew", NULL), 200);
    kernel_settle(x.rig.kernel);
    trust_work(x.t);
    CHECK_INT(x.expiring, 2);
    REQUIRE(f->identity(f->ctx, "opcua", &cert2, &key2) == 0);
    CHECK(strcmp(cert, cert2) != 0 && strcmp(key, key2) != 0); /* the old one can still be read */

    char *body = NULL;
    struct buf b, pem;
    buf_init(&b, 1 << 16);
    buf_init(&pem, 1 << 16);
    struct str der = peer(77, &b);
    REQUIRE(trust_pem(der, &pem) && ua_key_pem(peer_key, &pem) == 0);
    struct json *o = json_new_object(&x.rig.arena);
    json_set(o, &x.rig.arena, STR("certificate"), json_new_str(&x.rig.arena, buf_view(&pem)));
    json_set(o, &x.rig.arena, STR("key"), json_new_str(&x.rig.arena, str_of(key2)));
    body = arena_strdup(&x.rig.arena, json_text(&x.rig.arena, o));
    CHECK_INT(rig_call(&x.rig, "POST", "/api/v1/own-certificates/opcua:install", body), 400);
    CHECK(str_is(rig_str(&x.rig, "where"), "key"));
    json_set(o, &x.rig.arena, STR("key"), json_new_str(&x.rig.arena, buf_view(&pem)));
    body = arena_strdup(&x.rig.arena, json_text(&x.rig.arena, o));
    CHECK_INT(rig_call(&x.rig, "POST", "/api/v1/own-certificates/opcua:install", body), 200);
    CHECK(str_is(rig_str(&x.rig, "spec.uri"), "urn:plc"));
    kernel_settle(x.rig.kernel);
    REQUIRE(f->identity(f->ctx, "opcua", &cert, &key) == 0);
    CHECK(strcmp(cert, cert2) != 0 && !strstr(cert, "PRIVATE"));
    buf_fini(&b);
    buf_fini(&pem);
    end();
}
