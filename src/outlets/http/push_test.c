/* push_test.c - batches against our own HTTP server on its threads: bodies, gzip, keys of repeats, what each answer
 * means for a batch, back-off, closing in the middle. */
#include <stdatomic.h>
#include "io/gunzip.h"
#include "io/http_server.h"
#include "outlets/common/testbed.h"
#include "outlets/http/outlet.h"

static struct http_server *srv;
static unsigned port;
static atomic_int status_now, batches;
static char last[4][600]; /* method and target, type, key, body */

static void receive(struct http_request *q, struct http_response *r)
{
    struct str body = q->body;
    struct buf plain;
    buf_init(&plain, 1 << 20);
    if (str_is(http_header(q, "content-encoding"), "gzip"))
        body = gunzip(q->body, &plain, NULL) ? STR("broken gzip") : buf_view(&plain);
    snprintf(last[0], sizeof last[0], "%.*s %.*s", STR_ARG(q->method), STR_ARG(q->target));
    snprintf(last[1], sizeof last[1], "%.*s", STR_ARG(http_header(q, "content-type")));
    snprintf(last[2], sizeof last[2], "%.*s", STR_ARG(http_header(q, "idempotency-key")));
    snprintf(last[3], sizeof last[3], "%.*s", STR_ARG(body));
    r->status = atomic_load(&status_now);
    if (r->status == 429) http_set_header(r, "Retry-After", STR("100"));
    atomic_fetch_add(&batches, 1);
    buf_fini(&plain);
}
static int route(void *ctx, struct http_request *q, struct http_route *ret, struct http_response *refuse)
{
    ret->body_max = 1 << 20;
    ret->handler = receive;
    return 0;
}
static struct obed *start(const char *more)
{
    char o[600];
    struct error e = {0};
    struct http_config cfg = {.route = route, .workers = 1};
    atomic_store(&status_now, 200);
    struct obed *b = obed_new(&http_push_outlet);
    if (http_server_start(&cfg, &srv, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    port = http_server_port(srv);
    snprintf(o, sizeof o, "{\"url\":\"http://127.0.0.1:%u/in\",\"path\":\"/v1?x=y\",\"parallel\":1%s%s}", port,
             more[0] ? "," : "", more);
    obed_open(b, o);
    obed_point(b, "LT.T1", "a/1", VALUE_AUTO);
    obed_set(b);
    return b;
}
static void stop(struct obed *b)
{
    obed_free(b);
    http_server_stop(srv);
}
static int outcome(struct obed *b, uint64_t t)
{
    if (!t) return 1;
    UNTIL(b, b->sent[t]);
    return b->sent_code[t];
}
#define T0 1767225600000000LL

TEST(a_batch_is_a_request)
{
    struct obed *b = start("");
    CHECK_INT(b->outlet->buffered && b->outlet->sender, 1);
    CHECK_INT(obed_status(b).state, DRIVER_CONNECTING);
    CHECK_INT(outcome(b, obed_send(b, 0, 1.5, T0, OUTLET_LIVE)), 0);
    CHECK_Z(last[0], "POST /in/v1?x=y");
    CHECK_Z(last[1], "application/json");
    CHECK_Z(last[3], "[{\"code\":\"LT.T1\",\"time\":\"2026-01-01T00:00:00.000Z\",\"ts\":1767225600000,\"value\":1.5,"
                     "\"quality\":\"good\"}]");
    CHECK_INT(strlen(last[2]), 32);
    CHECK_INT(obed_status(b).state, DRIVER_UP);
    CHECK_INT(obed_status(b).items, 1);
    stop(b);
}

TEST(gzip_forms_and_put)
{
    struct obed *b = start("\"method\":\"PUT\",\"gzip\":true,\"form\":\"lines\",\"idempotency_key\":false");
    CHECK_INT(outcome(b, obed_send(b, 0, 1.5, T0, OUTLET_LIVE)), 0);
    CHECK_Z(last[0], "PUT /in/v1?x=y");
    CHECK_Z(last[1], "text/plain; charset=utf-8");
    CHECK_Z(last[2], "");
    CHECK_Z(last[3], "points,point=LT.T1 value=1.5 1767225600000000000\n");
    stop(b);
    b = start(
        "\"form\":\"template\",\"template\":\"${address}=${value}\",\"template_head\":\"\",\"template_tail\":\"\"");
    CHECK_INT(outcome(b, obed_send(b, 0, 2, T0, OUTLET_BACKFILL)), 0);
    CHECK_Z(last[3], "a/1=2");
    stop(b);
}

TEST(what_an_answer_means)
{
    static const struct {
        int status, code;
        bool waits;
    } r[] = {{204, 0, false},
             {400, ERR_INVALID, false},
             {422, ERR_INVALID, false},
             {413, ERR_TOO_LARGE, false},
             {401, ERR_UNAUTHENTICATED, true},
             {403, ERR_PROTOCOL, true},
             {404, ERR_PROTOCOL, true},
             {408, ERR_PROTOCOL, true},
             {429, ERR_PROTOCOL, true},
             {500, ERR_UNAVAILABLE, true},
             {503, ERR_UNAVAILABLE, true},
             {302, ERR_PROTOCOL, true}};
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        struct obed *b = start("");
        atomic_store(&status_now, r[i].status);
        CHECK_INT(outcome(b, obed_send(b, 0, 1, T0, OUTLET_LIVE)), r[i].code);
        char key[40];
        snprintf(key, sizeof key, "%.39s", last[2]);
        CHECK_INT(obed_status(b).state, r[i].waits ? DRIVER_DOWN : r[i].code ? DRIVER_DEGRADED : DRIVER_UP);
        atomic_store(&status_now, 200);
        uint64_t again = obed_send(b, 0, 1, T0, OUTLET_LIVE);
        CHECK_INT(again == 0, r[i].waits);
        if (r[i].waits) {
            b->skip_ns = 101000000000u; /* back-off and Retry-After are over */
            CHECK_INT(outcome(b, obed_send(b, 0, 1, T0, OUTLET_LIVE)), 0);
            CHECK_Z(last[2], key);
            CHECK_INT(obed_status(b).state, DRIVER_UP);
        } else {
            CHECK_INT(outcome(b, again), 0);
            CHECK_Z(last[2], key); /* the same batch, the same key */
            CHECK_INT(obed_status(b).state, DRIVER_UP);
        }
        stop(b);
    }
}

TEST(ready_comes_when_there_is_room)
{
    struct obed *b = start("");
    uint64_t first = obed_send(b, 0, 1, T0, OUTLET_LIVE);
    CHECK_INT(obed_send(b, 0, 2, T0, OUTLET_LIVE), 0); /* one at a time */
    CHECK_INT(b->ready, 0);
    CHECK_INT(outcome(b, first), 0);
    UNTIL(b, b->ready == 1);
    CHECK_INT(outcome(b, obed_send(b, 0, 2, T0, OUTLET_LIVE)), 0);
    CHECK_INT(b->ready, 1); /* nobody waits */
    stop(b);
}

TEST(nobody_listens_then_somebody)
{
    struct obed *b = start("\"connect_timeout\":\"1s\"");
    http_server_stop(srv);
    CHECK_INT(outcome(b, obed_send(b, 0, 1, T0, OUTLET_LIVE)), ERR_UNAVAILABLE);
    CHECK_INT(obed_status(b).state, DRIVER_DOWN);
    CHECK_INT(obed_send(b, 0, 1, T0, OUTLET_LIVE), 0);
    struct http_config cfg = {.route = route, .workers = 1, .port = port};
    REQUIRE(http_server_start(&cfg, &srv, NULL) == 0);
    UNTIL(b, b->ready == 1); /* the first wait is a second */
    CHECK_INT(outcome(b, obed_send(b, 0, 1, T0, OUTLET_LIVE)), 0);
    stop(b);
}

TEST(closing_in_the_middle_ends_the_batch)
{
    struct obed *b = start("");
    uint64_t t = obed_send(b, 0, 1, T0, OUTLET_LIVE);
    obed_close(b);
    CHECK(b->sent[t]);
    CHECK_INT(b->sent_code[t], ERR_CANCELLED);
    stop(b);
}

TEST(testing)
{
    struct obed *b = start("");
    int before = atomic_load(&batches);
    atomic_store(&status_now, 405);
    obed_test(b);
    CHECK_INT(b->test_code, 0);
    CHECK(strstr(b->test_detail, "HTTP 405") != NULL && atomic_load(&batches) == before + 1);
    CHECK_Z(last[0], "HEAD /in/v1?x=y");
    atomic_store(&status_now, 401);
    obed_test(b);
    CHECK_INT(b->test_code, ERR_UNAUTHENTICATED);
    stop(b);
}

TEST(options_are_checked)
{
    static const char *const r[][2] = {
        {"{\"url\":\"ftp://example\"}", "url"},
        {"{\"url\":\"http://127.0.0.1:1\",\"form\":\"template\",\"template\":\"${x}\"}", "template"},
        {"{\"url\":\"http://127.0.0.1:1\",\"path\":\"a b\"}", "path"}};
    struct obed *b = obed_new(&http_push_outlet);
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        struct error e = {0};
        struct outlet_channel *ch = NULL;
        CHECK_INT(
            http_push_outlet.channel_open(&b->host, bed_options(b, http_push_outlet.channel_options, r[i][0]), &ch, &e),
            ERR_INVALID);
        CHECK_Z(e.where, r[i][1]);
    }
    obed_free(b);
}
