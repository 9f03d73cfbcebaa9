/* websocket_test.c - the server against clients of ours and the push against a server of ours, all on one loop. */
#include "io/ws_client.h"
#include "io/ws_server.h"
#include "outlets/common/testbed.h"
#include "outlets/websocket/outlet.h"

struct end { /* the other end */
    struct obed *b;
    struct ws *w;
    bool up, gone;
    unsigned messages;
    char last[2000], auth[100];
    int code;
};
static struct end ends[3];
static unsigned nends;
static bool answers; /* each message is answered {"ok":true} */

static void on_opened(void *ctx, struct ws *w)
{
    struct end *x = ctx;
    x->w = w;
    x->up = true;
}
static void on_message(void *ctx, bool text, struct str data)
{
    struct end *x = ctx;
    x->messages++;
    str_to_cstr(data, x->last, sizeof x->last);
    if (answers) CHECK_INT(ws_send(x->w, true, "{\"ok\":true}", 11), 0);
}
static void on_lost(void *ctx, const struct error *why)
{
    struct end *x = ctx;
    x->gone = true;
    x->code = why->code;
    if (x->w) ws_conn_close(TAKE(x->w), 1000, "", NULL, NULL);
}
static int on_request(void *ctx, const struct ws_request *q, void **ret)
{
    struct end *x = &ends[nends++ % 3];
    *x = (struct end){.b = ctx};
    str_to_cstr(ws_request_header(q, "authorization"), x->auth, sizeof x->auth);
    *ret = x;
    return 0;
}
static const struct ws_ops client_ops = {on_opened, on_message, on_lost};
static const struct ws_server_ops server_ops = {{on_opened, on_message, on_lost}, on_request};

static struct end *join(struct obed *b, const char *query)
{
    struct ws_url u;
    char url[200];
    struct end *x = &ends[nends++ % 3];
    *x = (struct end){.b = b};
    const char *port = strstr(b->last_log, "port=");
    snprintf(url, sizeof url, "ws://127.0.0.1:%s/%s", port ? port + 5 : "1", query);
    const struct ws_client_config c = {.url = &u};
    if (ws_url_parse(url, &u, NULL) || ws_client_open(&b->loop, &c, &client_ops, x, &x->w, NULL))
        test_fail(__FILE__, __LINE__, "%s", url);
    return x;
}
static void part(struct end *x)
{
    if (x->w) ws_conn_close(TAKE(x->w), 1000, "", NULL, NULL);
}
static void say(struct end *x, const char *text)
{
    CHECK_INT(ws_send(x->w, true, text, strlen(text)), 0);
}

static struct obed *open_server(const char *more)
{
    char o[400];
    struct obed *b = obed_new(&websocket_server_outlet);
    nends = 0;
    answers = false;
    memset(ends, 0, sizeof ends);
    snprintf(o, sizeof o,
             "{\"address\":\"127.0.0.1\",\"port\":0,\"token\":\"long "
             "enough\",\"form\":\"template\",\"template\":\"${code}=${value}\",\"template_head\":\"\","
             "\"template_tail\":\"\"%s%s}",
             more[0] ? "," : "", more);
    obed_open(b, o);
    obed_point(b, "LT.T1", "", VALUE_AUTO);
    obed_point(b, "LT.T2", "", VALUE_AUTO);
    obed_point(b, "FT", "", VALUE_AUTO);
    b->points[2].writable = true;
    b->now_us = 1767225600000000;
    obed_set(b);
    CHECK_INT(obed_status(b).state, DRIVER_UP);
    return b;
}
static void close_all(struct obed *b)
{
    obed_close(b);
    for (int i = 0; i < 3; i++) part(&ends[i]);
    obed_free(b);
}

TEST(changes_are_told_to_those_who_want_them)
{
    struct obed *b = open_server("");
    obed_value(b, 0, 1);
    obed_text(b, 2, "on");
    struct end *all = join(b, "?token=long%20enough"), *some = join(b, "?token=long%20enough&points=LT.*"),
               *thief = join(b, "?token=long%20enouph");
    UNTIL(b, all->messages == 1 && some->messages == 1 && thief->gone);
    CHECK_INT(thief->code, ERR_UNAUTHENTICATED);
    CHECK_Z(all->last, "LT.T1=1,FT=on"); /* the current values */
    CHECK_Z(some->last, "LT.T1=1");
    obed_value(b, 1, 2);
    UNTIL(b, all->messages == 2 && some->messages == 2);
    CHECK_Z(some->last, "LT.T2=2");
    obed_value(b, 2, 3);
    UNTIL(b, all->messages == 3);
    say(some, "{\"subscribe\":[\"F?\",\"X\"]}");
    UNTIL(b, some->messages == 3);
    CHECK_Z(some->last, "FT=3");
    obed_value(b, 0, 4);
    UNTIL(b, all->messages == 4);
    CHECK_INT(some->messages, 3);
    struct outlet_status st = obed_status(b);
    CHECK(st.connections == 2 && st.subscriptions == 4 && st.items == 8);
    struct outlet_peer peers[4];
    CHECK_INT(websocket_server_outlet.peers(b->ch, peers, 4), 2);
    CHECK(strncmp(peers[0].address, "127.0.0.1:", 10) == 0 && peers[0].items == 3 && peers[1].items == 5);
    b->npoints = 2; /* FT is gone */
    obed_set(b);
    CHECK_INT(obed_status(b).subscriptions, 2);
    obed_value(b, 1, 5);
    UNTIL(b, all->messages == 5);
    CHECK_INT(some->messages, 3);
    b->npoints = 0;
    obed_set(b);
    UNTIL(b, all->gone && some->gone);
    CHECK_INT(obed_status(b).state, DRIVER_OFF);
    close_all(b);
}

TEST(writes_go_to_the_host)
{
    struct obed *b = open_server("\"snapshot\":false");
    struct end *x = join(b, "?token=long%20enough");
    UNTIL(b, x->up);
    say(x, "{\"write\":{\"code\":\"FT\",\"value\":3.5},\"id\":\"a\"}");
    UNTIL(b, x->messages == 1);
    CHECK_Z(x->last, "{\"id\":\"a\",\"outcome\":\"done\"}");
    CHECK(b->write.slot == 2 && b->write.value.v.d == 3.5 && strncmp(b->write.peer, "127.0.0.1:", 10) == 0);
    b->write_outcome = DRIVER_REFUSED;
    say(x, "{\"write\":{\"code\":\"FT\",\"value\":\"text\"}}");
    UNTIL(b, x->messages == 2);
    CHECK(strstr(x->last, "{\"id\":null,\"outcome\":\"refused\",\"error\":") == x->last);
    CHECK_Z(b->write.text, "text");
    static const char *const wrong[][2] = {
        {"{\"write\":{\"code\":\"LT.T1\",\"value\":1},\"id\":1}", "cannot be written"},
        {"{\"write\":{\"code\":\"NO\",\"value\":1}}", "there is no point"},
        {"{\"write\":{\"code\":\"FT\",\"value\":null}}", "must be a number"},
        {"{\"write\":5}", "there is no point"},
        {"{\"subscribe\":5}", "is expected"},
        {"hello", "is expected"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        unsigned want = x->messages + 1;
        say(x, wrong[i][0]);
        UNTIL(b, x->messages == want);
        CHECK(strstr(x->last, wrong[i][1]) && strstr(x->last, "error_zh"));
    }
    CHECK_INT(b->writes, 2);
    b->hold_writes = true;
    say(x, "{\"write\":{\"code\":\"FT\",\"value\":1}}");
    UNTIL(b, b->writes == 3);
    part(x); /* it goes while its write runs */
    UNTIL(b, obed_status(b).connections == 0);
    struct obed_write w = b->write;
    obed_finish_write(b, &w, DRIVER_DONE);
    close_all(b);
}

TEST(a_peer_that_does_not_listen_is_let_go)
{
    struct obed *b = open_server("\"snapshot\":false");
    struct end *x = join(b, "?token=long%20enough");
    UNTIL(b, x->up);
    ws_read(x->w, false);
    static char big[60000];
    memset(big, 'x', sizeof big - 1);
    for (int i = 0; i < 400 && obed_status(b).connections; i++) {
        struct outlet_item it = {.slot = 0,
                                 .sample = {.type = SAMPLE_STRING, .time_us = 1, .point = 1},
                                 .text = big,
                                 .text_len = sizeof big - 1};
        websocket_server_outlet.changed(b->ch, &it, 1);
        uv_run(&b->loop, UV_RUN_NOWAIT);
    }
    CHECK_INT(obed_status(b).connections, 0);
    CHECK_INT(obed_status(b).errors, 1);
    close_all(b);
}

/* ---- push ---- */

static struct ws_server *srv;
static unsigned port;
static void stopped(void *arg)
{
    *(bool *)arg = true;
}
static void serve(struct obed *b)
{
    struct error e = {0};
    const struct ws_server_config c = {.address = "127.0.0.1", .port = (uint16_t)port};
    if (ws_server_open(&b->loop, &c, &server_ops, b, &srv, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    port = ws_server_port(srv);
}
static void unserve(struct obed *b)
{
    bool gone = false;
    ws_server_close(TAKE(srv), stopped, &gone);
    for (int i = 0; i < 3; i++) part(&ends[i]);
    UNTIL(b, gone);
}
static struct obed *open_push(const char *more)
{
    char o[500];
    struct obed *b = obed_new(&websocket_push_outlet);
    nends = port = 0;
    answers = false;
    memset(ends, 0, sizeof ends);
    serve(b);
    snprintf(o, sizeof o,
             "{\"url\":\"ws://127.0.0.1:%u/"
             "in\",\"token\":\"secret\",\"reconnect_min\":\"10ms\",\"reconnect_max\":\"20ms\"%s%s}",
             port, more[0] ? "," : "", more);
    obed_open(b, o);
    obed_point(b, "LT.T1", "", VALUE_AUTO);
    CHECK_INT(obed_send(b, 0, 1, 1767225600000000, OUTLET_LIVE), 0); /* not yet */
    obed_set(b);
    UNTIL(b, obed_status(b).state == DRIVER_UP && b->ready == 1);
    return b;
}
static void close_push(struct obed *b)
{
    obed_close(b);
    if (srv) unserve(b);
    obed_free(b);
}

TEST(batches_are_messages)
{
    struct obed *b = open_push("\"subscribe\":\"hello\"");
    UNTIL(b, ends[0].messages == 1);
    CHECK_Z(ends[0].auth, "Bearer secret");
    CHECK_Z(ends[0].last, "hello");
    uint64_t t = obed_send(b, 0, 1.5, 1767225600000000, OUTLET_LIVE);
    REQUIRE(t != 0);
    UNTIL(b, b->sent[t] && ends[0].messages == 2);
    CHECK_INT(b->sent_code[t], 0);
    CHECK_Z(ends[0].last, "[{\"code\":\"LT.T1\",\"time\":\"2026-01-01T00:00:00.000Z\",\"ts\":1767225600000,\"value\":1."
                          "5,\"quality\":\"good\"}]");
    CHECK_INT(obed_status(b).items, 1);
    obed_test(b);
    CHECK(b->test_code == 0 && strstr(b->test_detail, "connected to 127.0.0.1:") == b->test_detail);
    close_push(b);
}

TEST(acknowledged_in_order_and_in_time)
{
    struct obed *b = open_push("\"ack\":\"$.ok\",\"ack_timeout\":\"150ms\"");
    uint64_t t[9];
    for (int i = 0; i < 8; i++) CHECK((t[i] = obed_send(b, 0, i, 1767225600000000, OUTLET_LIVE)) != 0);
    CHECK_INT(obed_send(b, 0, 8, 1767225600000000, OUTLET_LIVE), 0); /* the window is full */
    UNTIL(b, ends[0].messages == 8);
    say(&ends[0], "{\"other\":1}");
    say(&ends[0], "{\"ok\":1}");
    UNTIL(b, b->nsent == 1 && b->ready == 2);
    CHECK(b->sent[t[0]] && !b->sent[t[1]]);
    UNTIL(b, b->nrefused == 7); /* the others are late */
    CHECK_INT(b->sent_code[t[1]], ERR_TIMEOUT);
    UNTIL(b, ends[1].up && obed_status(b).state == DRIVER_UP);
    CHECK_INT(obed_status(b).reconnects, 1);
    answers = true;
    uint64_t again = obed_send(b, 0, 1, 1767225600000000, OUTLET_BACKFILL);
    UNTIL(b, b->sent[again]);
    CHECK_INT(b->sent_code[again], 0);
    close_push(b);
}

TEST(the_server_goes_in_the_middle)
{
    struct obed *b = open_push("\"ack\":\"$.ok\"");
    uint64_t t = obed_send(b, 0, 1, 1767225600000000, OUTLET_LIVE);
    UNTIL(b, ends[0].messages == 1);
    unserve(b);
    UNTIL(b, b->sent[t]);
    CHECK_INT(b->sent_code[t], ERR_CLOSED);
    CHECK_INT(obed_send(b, 0, 1, 1767225600000000, OUTLET_LIVE), 0);
    UNTIL(b, obed_status(b).state == DRIVER_DOWN);
    obed_test(b);
    CHECK_INT(b->test_code, ERR_UNAVAILABLE);
    serve(b);
    UNTIL(b, obed_status(b).state == DRIVER_UP && b->ready >= 2);
    t = obed_send(b, 0, 1, 1767225600000000, OUTLET_LIVE);
    obed_close(b); /* in the middle */
    CHECK(b->sent[t] && b->sent_code[t] == ERR_CANCELLED);
    close_push(b);
}

TEST(options_are_checked)
{
    static const char *const r[][3] = {
        {"s", "{\"token\":\"short\"}", "token"},
        {"s", "{\"token\":\"long enough\",\"allow\":\"x\"}", "allow"},
        {"s", "{\"token\":\"long enough\",\"tls_certificate\":\"x\",\"tls_key\":\"y\"}", "tls_certificate"},
        {"p", "{\"url\":\"http://x.example\"}", "url"},
        {"p", "{\"url\":\"ws://x\",\"ack\":\"$[\"}", "ack"},
        {"p", "{\"url\":\"ws://x\",\"form\":\"template\",\"template\":\"${x}\"}", "template"}};
    struct obed *b = obed_new(&websocket_push_outlet);
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        struct error e = {0};
        struct outlet_channel *ch = NULL;
        const struct outlet *o = r[i][0][0] == 's' ? &websocket_server_outlet : &websocket_push_outlet;
        CHECK_INT(o->channel_open(&b->host, bed_options(b, o->channel_options, r[i][1]), &ch, &e), ERR_INVALID);
        CHECK_Z(e.where, r[i][2]);
    }
    obed_free(b);
}
