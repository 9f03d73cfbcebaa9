/* session_test.c - the driver as a client of a WebSocket server of ours, and as the server of clients of ours, all on
 * one loop: messages, choice of messages, subscriptions, losses, silence, writing with confirmation, reading, browsing.
 */
#include <signal.h>
#include "drivers/common/testbed.h"
#include "drivers/websocket/ws_driver_int.h"

#define BED_POINTS 16

struct peer { /* the other end */
    struct bed *bed;
    struct ws *w;
    bool up, gone;
    unsigned messages;
    char last[300];
};
struct bed {
    uv_loop_t loop;
    struct arena arena;
    struct driver_host host;
    struct driver_channel *ch;
    struct driver_device devices[2];
    size_t nd;
    struct driver_point points[BED_POINTS];
    size_t n;
    struct sample last[BED_POINTS];
    unsigned count[BED_POINTS], bad[BED_POINTS], refuse, frames, outcome_n, warnings;
    char texts[8][64];
    unsigned ntexts;
    uint64_t skew_ns;
    bool closed, done, server_gone;
    enum driver_outcome outcome;
    struct error error;
    char told[400], next[24], port_text[40];
    struct ws_server *s;
    struct peer peers[4];
    unsigned npeers, port;
    char auth[100];
};

static int host_publish(void *ctx, const struct sample *s, size_t n)
{
    struct bed *b = ctx;
    if (b->refuse) {
        b->refuse--;
        return ERR_AGAIN;
    }
    for (size_t i = 0; i < n; i++) {
        b->last[s[i].point] = s[i];
        b->count[s[i].point] += s[i].quality != QUALITY_BAD;
        b->bad[s[i].point] += s[i].quality == QUALITY_BAD;
    }
    return 0;
}
static int host_intern(void *ctx, const char *p, size_t n, uint64_t *ret)
{
    struct bed *b = ctx;
    str_to_cstr(str_make(p, n), b->texts[b->ntexts], sizeof b->texts[0]);
    *ret = b->ntexts++;
    return 0;
}
static int64_t host_now(void *ctx)
{
    return 1767225600000000 + (int64_t)(((struct bed *)ctx)->skew_ns / 1000);
}
static uint64_t host_mono(void *ctx)
{
    return uv_hrtime() + ((struct bed *)ctx)->skew_ns;
}
static uint64_t host_random(void *ctx)
{
    return 0;
}
static void host_log(void *ctx, enum driver_log level, const char *msg, const char *kv)
{
    struct bed *b = ctx;
    b->warnings += level == DRIVER_LOG_WARN;
    if (strcmp(msg, "listening for WebSockets") == 0) snprintf(b->port_text, sizeof b->port_text, "%s", kv + 5);
}
static void host_frame(void *ctx, const struct driver_frame *f)
{
    char en[300], zh[300];
    websocket_driver.describe(f, en, zh, sizeof en);
    CHECK(en[0] && zh[0]);
    ((struct bed *)ctx)->frames++;
}

/* ---- the other end ---- */

static void peer_opened(void *ctx, struct ws *w)
{
    struct peer *p = ctx;
    p->w = w;
    p->up = true;
}
static void peer_message(void *ctx, bool text, struct str data)
{
    struct peer *p = ctx;
    p->messages++;
    str_to_cstr(data, p->last, sizeof p->last);
}
static void peer_lost(void *ctx, const struct error *why)
{
    struct peer *p = ctx;
    p->gone = true;
    if (p->w) ws_conn_close(TAKE(p->w), 1000, "", NULL, NULL);
}
static int peer_request(void *ctx, const struct ws_request *q, void **ret)
{
    struct bed *b = ctx;
    str_to_cstr(ws_request_header(q, "authorization"), b->auth, sizeof b->auth);
    struct peer *p = &b->peers[b->npeers++ % 4];
    *p = (struct peer){.bed = b};
    *ret = p;
    return 0;
}
static const struct ws_ops peer_ops = {peer_opened, peer_message, peer_lost};
static const struct ws_server_ops peer_server = {{peer_opened, peer_message, peer_lost}, peer_request};

static void bed_listen(struct bed *b)
{
    struct error e = {0};
    const struct ws_server_config c = {.address = "127.0.0.1", .port = (uint16_t)b->port};
    if (ws_server_open(&b->loop, &c, &peer_server, b, &b->s, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    b->port = ws_server_port(b->s);
}
static struct peer *bed_connect(struct bed *b, const char *path, const char *token)
{
    struct ws_url u;
    char url[200];
    struct peer *p = &b->peers[b->npeers++ % 4];
    *p = (struct peer){.bed = b};
    snprintf(url, sizeof url, "ws://127.0.0.1:%s%s?token=%s", b->port_text, path, token);
    if (ws_url_parse(url, &u, NULL)) test_fail(__FILE__, __LINE__, "%s", url);
    const struct ws_client_config c = {.url = &u};
    if (ws_client_open(&b->loop, &c, &peer_ops, p, &p->w, NULL)) test_fail(__FILE__, __LINE__, "%s", url);
    return p;
}
static void say(struct peer *p, const char *text)
{
    CHECK_INT(ws_send(p->w, true, text, strlen(text)), 0);
}
static void hang_up(struct peer *p)
{
    if (p->w) ws_conn_close(TAKE(p->w), 1000, "", NULL, NULL);
}

/* ---- the bed ---- */

static void bed_open(struct bed *b, const char *options)
{
    struct error e = {0};
    char o[600];
    signal(SIGPIPE, SIG_IGN);
    memset(b, 0, sizeof *b);
    uv_loop_init(&b->loop);
    arena_init(&b->arena, 8 << 20);
    b->host = (struct driver_host){.loop = &b->loop,
                                   .ctx = b,
                                   .name = "bed",
                                   .trace = true,
                                   .publish = host_publish,
                                   .intern = host_intern,
                                   .now_us = host_now,
                                   .mono_ns = host_mono,
                                   .random = host_random,
                                   .log = host_log,
                                   .frame = host_frame};
    if (!strstr(options, "server")) {
        bed_listen(b);
        snprintf(o, sizeof o,
                 "{\"url\":\"ws://127.0.0.1:%u/"
                 "stream\",\"reconnect_min\":\"10ms\",\"reconnect_max\":\"20ms\",\"confirm\":\"200ms\"%s%s}",
                 b->port, options[0] ? "," : "", options);
        options = o;
    }
    if (websocket_driver.channel_open(&b->host, bed_options(b, wd_channel_options, options), &b->ch, &e))
        test_fail(__FILE__, __LINE__, "%s: %s", options, e.text);
}
static void bed_device(struct bed *b, const char *options)
{
    b->devices[b->nd] = (struct driver_device){
        .num = (uint32_t)b->nd + 1, .code = "dev", .options = bed_options(b, wd_device_options, options)};
    b->nd++;
}
static uint32_t bed_point(struct bed *b, const char *address, enum value_type t, const char *options)
{
    uint32_t num = (uint32_t)b->n + 1;
    b->points[b->n++] = (struct driver_point){.num = num,
                                              .device = (uint32_t)b->nd - 1,
                                              .address = address,
                                              .type = t,
                                              .options = bed_options(b, wd_point_options, options),
                                              .period_ms = 1000,
                                              .scale = 1,
                                              .lo = NAN,
                                              .hi = NAN};
    return num;
}
static void bed_set(struct bed *b)
{
    CHECK_INT(websocket_driver.channel_set(b->ch, b->devices, b->nd, b->points, b->n, NULL), 0);
}
static void on_server_gone(void *arg)
{
    *(bool *)arg = true;
}
static void bed_close(struct bed *b)
{
    websocket_driver.close(b->ch, bed_closed, &b->closed);
    CHECK(!b->closed);
    UNTIL(b, b->closed);
    if (b->s) ws_server_close(b->s, on_server_gone, &b->server_gone);
    for (int i = 0; i < 4; i++) hang_up(&b->peers[i]);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(&b->loop), 0);
    arena_fini(&b->arena);
}
static struct driver_status status(struct bed *b)
{
    struct driver_status st;
    websocket_driver.status(b->ch, &st);
    return st;
}

TEST(messages_become_values)
{
    struct bed b;
    bed_open(&b, "\"token\":\"secret\",\"subscribe\":\"{\\\"op\\\":\\\"sub\\\"}\\n second\"");
    bed_device(&b, "{\"time\":\"ts\"}");
    uint32_t t = bed_point(&b, "t", VALUE_AUTO, "{}"), name = bed_point(&b, "name", VALUE_STRING, "{}"),
             wrong = bed_point(&b, "$[", VALUE_AUTO, "{}");
    CHECK_INT(status(&b).state, DRIVER_OFF);
    bed_set(&b);
    UNTIL(&b, b.peers[0].messages == 2);
    CHECK_Z(b.auth, "Bearer secret");
    CHECK_Z(b.peers[0].last, "second");
    say(&b.peers[0], "{\"t\":1.5,\"name\":\"x\",\"ts\":1767225600123}");
    UNTIL(&b, b.count[t] == 1 && b.count[name] == 1);
    CHECK_DBL(b.last[t].v.d, 1.5, 0);
    CHECK_INT(b.last[t].time_us, 1767225600123000);
    CHECK_INT(b.last[t].flags, SAMPLE_FLAG_SOURCE_TIME);
    CHECK_Z(b.texts[0], "x");
    CHECK(b.bad[wrong] == 1 && b.last[wrong].flags == REASON_CONFIG_ERROR);
    say(&b.peers[0], "{\"name\":\"y\",\"ts\":1767225601123}"); /* only what changed */
    UNTIL(&b, b.count[name] == 2);
    CHECK_INT(b.count[t], 1);
    say(&b.peers[0], "{broken");
    UNTIL(&b, status(&b).errors == 1);
    struct driver_device_status ds;
    CHECK_INT(websocket_driver.devices(b.ch, &ds, 1), 1);
    CHECK(ds.state == DRIVER_DEGRADED && ds.points == 3 && ds.bad == 1);
    CHECK_INT(b.bad[t], 0);
    CHECK_INT(ws_send(b.peers[0].w, false, "\xff\xfe", 2), 0);
    UNTIL(&b, status(&b).errors == 2);
    bed_close(&b);
}

TEST(each_device_has_its_messages)
{
    struct bed b;
    bed_open(&b, "");
    bed_device(&b, "{\"select\":\"$.id\",\"select_value\":\"7\"}");
    uint32_t a = bed_point(&b, "v", VALUE_AUTO, "{}");
    bed_device(&b, "{\"select\":\"$.pump\"}");
    uint32_t p = bed_point(&b, "pump.v", VALUE_AUTO, "{}");
    bed_set(&b);
    UNTIL(&b, status(&b).state == DRIVER_UP);
    say(&b.peers[0], "{\"id\":8,\"v\":1}");
    say(&b.peers[0], "{\"id\":7,\"v\":2}");
    say(&b.peers[0], "{\"id\":\"7\",\"v\":3}");
    say(&b.peers[0], "{\"pump\":{\"v\":4}}");
    UNTIL(&b, b.count[p] == 1);
    CHECK_INT(b.count[a], 2);
    CHECK_INT(b.last[a].v.i, 3);
    CHECK_INT(status(&b).errors, 0);
    bed_close(&b);
}

TEST(losses_are_told_once_and_end)
{
    struct bed b;
    bed_open(&b, "");
    bed_device(&b, "{\"silence\":\"60s\"}");
    uint32_t t = bed_point(&b, "t", VALUE_AUTO, "{}");
    bed_set(&b);
    UNTIL(&b, b.peers[0].up);
    say(&b.peers[0], "{\"t\":1}");
    UNTIL(&b, b.count[t] == 1);
    hang_up(&b.peers[0]);
    UNTIL(&b, b.bad[t] == 1 && b.peers[1].up); /* and it is there again */
    CHECK_INT(b.last[t].flags, REASON_NOT_CONNECTED);
    CHECK_INT(status(&b).reconnects, 1);
    say(&b.peers[1], "{\"t\":2}");
    UNTIL(&b, b.count[t] == 2);
    CHECK_INT(status(&b).state, DRIVER_UP);
    b.skew_ns = 61000000000u;
    bed_set(&b);
    UNTIL(&b, b.bad[t] == 2);
    CHECK_INT(b.last[t].flags, REASON_STALE);
    CHECK_INT(status(&b).state, DRIVER_DEGRADED);
    say(&b.peers[1], "{\"t\":3}");
    UNTIL(&b, b.count[t] == 3 && status(&b).state == DRIVER_UP);
    b.refuse = 3;
    say(&b.peers[1], "{\"t\":4}");
    UNTIL(&b, b.count[t] == 4);
    b.n = 0;
    bed_set(&b);
    UNTIL(&b, b.peers[1].gone); /* nobody wants anything: no connection */
    CHECK_INT(status(&b).state, DRIVER_OFF);
    bed_close(&b);
}

TEST(nobody_there)
{
    struct bed b;
    bed_open(&b, "");
    ws_server_close(b.s, on_server_gone, &b.server_gone);
    UNTIL(&b, b.server_gone);
    b.s = NULL;
    bed_device(&b, "{}");
    uint32_t t = bed_point(&b, "t", VALUE_AUTO, "{}");
    bed_set(&b);
    UNTIL(&b, b.bad[t] == 1 && status(&b).state == DRIVER_DOWN);
    CHECK(status(&b).reason[0] && status(&b).reason_zh[0]);
    bed_listen(&b);
    UNTIL(&b, status(&b).state == DRIVER_UP);
    CHECK_INT(b.bad[t], 1);
    bed_close(&b);
}

static void on_written(void *arg, const struct driver_write_result *r)
{
    struct bed *b = arg;
    b->outcome_n++;
    b->outcome = r->outcome;
    b->error = r->error ? *r->error : (struct error){0};
}
static void write_now(struct bed *b, uint32_t point, struct sample s, const char *text)
{
    const struct driver_write w = {
        .point = point, .value = s, .text = text, .text_len = text ? strlen(text) : 0, .done = on_written, .arg = b};
    websocket_driver.write(b->ch, &w);
}

TEST(writing)
{
    struct bed b;
    const struct sample two = {.type = SAMPLE_DOUBLE, .v.d = 2.5}, text = {.type = SAMPLE_STRING};
    bed_open(&b, "");
    bed_device(&b, "{}");
    uint32_t v = bed_point(&b, "v", VALUE_AUTO,
                           "{\"write_message\":\"{\\\"set\\\":\\\"v\\\",\\\"to\\\":${json:value}}\"}"),
             n = bed_point(&b, "n", VALUE_STRING, "{\"write_message\":\"n=${value}\"}"),
             ro = bed_point(&b, "v", VALUE_AUTO, "{}");
    b.points[v - 1].scale = 0.5;
    write_now(&b, v, two, NULL);
    CHECK(b.outcome == DRIVER_REFUSED && b.outcome_n == 1); /* not in the set */
    bed_set(&b);
    write_now(&b, v, two, NULL);
    CHECK(b.outcome == DRIVER_FAILED && b.outcome_n == 2); /* not connected yet */
    UNTIL(&b, status(&b).state == DRIVER_UP);
    write_now(&b, v, two, NULL);
    UNTIL(&b, b.peers[0].messages == 1);
    CHECK_Z(b.peers[0].last, "{\"set\":\"v\",\"to\":5}");
    say(&b.peers[0], "{\"v\":4}");
    say(&b.peers[0], "{\"v\":5}");
    UNTIL(&b, b.outcome_n == 3);
    CHECK_INT(b.outcome, DRIVER_DONE);
    write_now(&b, n, text, "ab");
    UNTIL(&b, b.peers[0].messages == 2);
    CHECK_Z(b.peers[0].last, "n=ab");
    UNTIL(&b, b.outcome_n == 4); /* nothing comes back */
    CHECK(b.outcome == DRIVER_UNKNOWN && b.error.text_zh[0]);
    write_now(&b, ro, two, NULL);
    CHECK(b.outcome == DRIVER_REFUSED && b.outcome_n == 5);
    const struct driver_write late = {.point = v, .value = two, .deadline_ns = 1, .done = on_written, .arg = &b};
    websocket_driver.write(b.ch, &late);
    CHECK(b.outcome == DRIVER_EXPIRED && b.outcome_n == 6);
    write_now(&b, v, two, NULL);
    bed_close(&b);
    CHECK(b.outcome == DRIVER_UNKNOWN && b.outcome_n == 7 && b.error.code == ERR_CANCELLED);
}

static void on_read(void *arg, const struct driver_reading *r, size_t n)
{
    struct bed *b = arg;
    b->done = true;
    b->told[0] = 0;
    for (size_t i = 0; i < n; i++)
        snprintf(b->told + strlen(b->told), sizeof b->told - strlen(b->told), "%.*s%s ", (int)r[i].raw_len,
                 (const char *)r[i].raw, r[i].error ? "!" : "");
}
static void on_items(void *arg, const struct error *e, const struct driver_browse_item *items, size_t n,
                     const char *next)
{
    struct bed *b = arg;
    b->done = true;
    b->error = e ? *e : (struct error){0};
    b->told[0] = 0;
    for (size_t i = 0; i < n; i++)
        snprintf(b->told + strlen(b->told), sizeof b->told - strlen(b->told), "%s=%s ", items[i].address,
                 items[i].value);
    snprintf(b->next, sizeof b->next, "%s", next ? next : "");
}
static void on_test(void *arg, const struct error *e, uint32_t ms, const char *en, const char *zh)
{
    struct bed *b = arg;
    b->done = true;
    b->error = e ? *e : (struct error){0};
    snprintf(b->told, sizeof b->told, "%s", en);
}

TEST(reading_browsing_testing)
{
    struct bed b;
    bed_open(&b, "");
    bed_device(&b, "{}");
    bed_point(&b, "t", VALUE_AUTO, "{}");
    bed_point(&b, "u", VALUE_AUTO, "{}");
    bed_point(&b, "$[", VALUE_AUTO, "{}");
    websocket_driver.read(b.ch, &b.devices[0], b.points, 3, on_read, &b);
    UNTIL(&b, b.peers[0].up); /* it connects for that */
    say(&b.peers[0], "{\"t\":1}");
    say(&b.peers[0], "{\"u\":2}");
    UNTIL(&b, b.done);
    CHECK_Z(b.told, "1 2 ! ");
    b.done = false;
    websocket_driver.browse(b.ch, &b.devices[0], "", NULL, 1, on_items, &b);
    CHECK(b.done);
    CHECK_Z(b.told, "$.u=2 ");
    CHECK_Z(b.next, "1");
    websocket_driver.browse(b.ch, &b.devices[0], "", "1", 9, on_items, &b);
    CHECK_Z(b.told, "$.t=1 ");
    CHECK_Z(b.next, "");
    b.done = false;
    websocket_driver.test(b.ch, on_test, &b);
    UNTIL(&b, b.done);
    CHECK(b.error.code == 0 && strstr(b.told, "connected to 127.0.0.1:") == b.told);
    b.done = false;
    websocket_driver.read(b.ch, &b.devices[0], (const struct driver_point[]){{.num = 9, .address = "none", .scale = 1}},
                          1, on_read, &b);
    b.skew_ns = 11000000000u; /* its time is up */
    bed_set(&b);
    UNTIL(&b, b.done);
    CHECK_Z(b.told, "! ");
    b.done = false;
    websocket_driver.read(b.ch, &b.devices[0], b.points + 2, 1, on_read, &b);
    CHECK(b.done); /* its address is wrong: nothing to wait for */
    b.done = false;
    websocket_driver.browse(
        b.ch, &(struct driver_device){.options = bed_options(&b, wd_device_options, "{\"select\":\"$.never\"}")}, "",
        NULL, 9, on_items, &b);
    bed_close(&b);
    CHECK(b.done && b.error.code == ERR_CANCELLED);
}

/* ---- devices connect to us ---- */

TEST(devices_connect_with_a_token)
{
    struct bed b;
    bed_open(&b, "{\"mode\":\"server\",\"address\":\"127.0.0.1\",\"port\":0,\"token\":\"long enough\"}");
    bed_device(&b, "{\"peer\":\"/plc1\"}");
    uint32_t one = bed_point(&b, "v", VALUE_AUTO, "{\"write_message\":\"set ${value}\"}");
    bed_device(&b, "{\"peer\":\"/plc2\"}");
    uint32_t two = bed_point(&b, "v", VALUE_AUTO, "{}");
    bed_set(&b);
    UNTIL(&b, b.port_text[0]);
    CHECK(b.bad[one] == 1 && b.bad[two] == 1);
    struct peer *thief = bed_connect(&b, "/plc1", "short"), *p1 = bed_connect(&b, "/plc1", "long%20enough"),
                *p2 = bed_connect(&b, "/plc2", "long%20enough");
    UNTIL(&b, p1->up && p2->up && thief->gone);
    CHECK(!thief->up && b.warnings == 1);
    UNTIL(&b, status(&b).state == DRIVER_UP && status(&b).connections == 2);
    say(p1, "{\"v\":1}");
    say(p2, "{\"v\":2}");
    UNTIL(&b, b.count[one] && b.count[two]);
    CHECK(b.last[one].v.i == 1 && b.last[two].v.i == 2);
    write_now(&b, one, (struct sample){.type = SAMPLE_INT, .v.i = 9}, NULL);
    UNTIL(&b, p1->messages == 1);
    CHECK_Z(p1->last, "set 9");
    CHECK_INT(p2->messages, 0);
    say(p1, "{\"v\":9}");
    UNTIL(&b, b.outcome_n == 1);
    CHECK_INT(b.outcome, DRIVER_DONE);
    hang_up(p1);
    UNTIL(&b, b.bad[one] == 2);
    CHECK_INT(b.bad[two], 1);
    CHECK_INT(status(&b).state, DRIVER_DEGRADED);
    websocket_driver.test(b.ch, on_test, &b);
    UNTIL(&b, b.done);
    CHECK(strstr(b.told, "1 connected") != NULL);
    bed_close(&b);
}

TEST(options_and_addresses_are_checked)
{
    static const char *const channels[][2] = {
        {"{\"url\":\"http://x/\"}", "url"},
        {"{\"url\":\"ws://x\",\"headers\":\"no\"}", "headers"},
        {"{\"mode\":\"server\",\"token\":\"short\"}", "token"},
        {"{\"mode\":\"server\",\"token\":\"long enough\",\"allow\":\"x\"}", "allow"},
        {"{\"url\":\"wss://x\",\"tls_ca\":\"rubbish\"}", "tls_ca"}};
    static const char *const points[][4] = {{"{\"select\":\"$[\"}", "v", "{}", "select"},
                                            {"{\"peer\":\"plc\"}", "v", "{}", "peer"},
                                            {"{}", "$[", "{}", "address"},
                                            {"{}", "v", "{\"write_message\":\"${x}\"}", "write_message"}};
    struct bed b = {0};
    arena_init(&b.arena, 8 << 20);
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
        struct error e = {0};
        struct driver_channel *ch = NULL;
        CHECK_INT(websocket_driver.channel_open(&b.host, bed_options(&b, wd_channel_options, channels[i][0]), &ch, &e),
                  ERR_INVALID);
        CHECK_Z(e.where, channels[i][1]);
    }
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        struct error e = {0};
        const struct driver_point p = {.address = points[i][1],
                                       .options = bed_options(&b, wd_point_options, points[i][2])};
        CHECK_INT(websocket_driver.address_check(&p, bed_options(&b, wd_device_options, points[i][0]), NULL, &e),
                  ERR_INVALID);
        CHECK_Z(e.where, points[i][3]);
    }
    arena_fini(&b.arena);
}
