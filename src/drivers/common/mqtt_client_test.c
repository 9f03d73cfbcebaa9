/* An MQTT client against a broker on the same loop that does as the test wants. */
#include "drivers/common/mqtt_client.h"
#include "drivers/common/mqtt_testbed.h"

#define TOKENS 64
struct bed {
    uv_loop_t loop;
    struct arena arena;
    struct fake_broker *broker;
    struct mqtt_client *m;
    struct mqtt_client_config c;
    unsigned ups, losts, readies, nmessages, frames, bad_frames, subs;
    bool session, closed, auto_ack, pause;
    struct error why;
    struct fake_message got[256];
    uint32_t handles[256];
    unsigned done[TOKENS];
    int code[TOKENS], order[1024];
    unsigned ndone;
    uint8_t codes[16];
    size_t ncodes;
    int sub_error;
    int close_in; /* close the client in: 1 up, 2 message, 3 published, 4 lost */
};

static void maybe_close(struct bed *b, int where)
{
    if (b->close_in != where || b->m == NULL) return;
    struct mqtt_client *m = TAKE(b->m);
    mqtt_client_close(m, 0, bed_closed, &b->closed);
}
static void on_up(void *ctx, bool session, const struct mqtt_props *props)
{
    struct bed *b = ctx;
    b->ups++;
    b->session = session;
    maybe_close(b, 1);
}
static void on_lost(void *ctx, const struct error *why)
{
    struct bed *b = ctx;
    b->losts++;
    b->why = *why;
    maybe_close(b, 4);
}
static void on_message(void *ctx, const struct mqtt_client_message *m)
{
    struct bed *b = ctx;
    struct fake_message *g = &b->got[b->nmessages % 256];
    *g = (struct fake_message){.qos = m->qos, .retain = m->retain, .dup = m->dup, .n = m->payload.n};
    str_to_cstr(m->topic, g->topic, sizeof g->topic);
    str_to_cstr(m->payload, g->payload, sizeof g->payload);
    b->handles[b->nmessages++ % 256] = m->handle;
    if (b->auto_ack) mqtt_client_ack(b->m, m->handle, 0);
    if (b->pause) mqtt_client_read(b->m, false);
    maybe_close(b, 2);
}
static void on_published(void *ctx, uint64_t token, const struct error *e)
{
    struct bed *b = ctx;
    b->order[b->ndone++ % 1024] = (int)token;
    b->done[token % TOKENS]++;
    b->code[token % TOKENS] = e ? e->code : 0;
    if (e) b->why = *e;
    maybe_close(b, 3);
}
static void on_subscribed(void *ctx, uint64_t token, const uint8_t *codes, size_t n, const struct error *e)
{
    struct bed *b = ctx;
    b->subs++;
    b->ncodes = n;
    b->sub_error = e ? e->code : 0;
    if (n) memcpy(b->codes, codes, n < 16 ? n : 16);
}
static void on_ready(void *ctx)
{
    ((struct bed *)ctx)->readies++;
}
static void on_frame(void *ctx, bool sent, const uint8_t *p, size_t n, const struct error *e)
{
    ((struct bed *)ctx)->frames++;
    ((struct bed *)ctx)->bad_frames += e != NULL;
}

static const struct mqtt_client_ops ops = {on_up, on_lost, on_message, on_published, on_subscribed, on_ready, on_frame};

static struct bed *bed_new(uint8_t version)
{
    struct bed *b = mem_calloc(1, sizeof *b);
    uv_loop_init(&b->loop);
    b->broker = fake_new(&b->loop);
    b->auto_ack = true;
    b->c = (struct mqtt_client_config){.host = "127.0.0.1",
                                       .port = (uint16_t)b->broker->port,
                                       .version = version,
                                       .client_id = "test",
                                       .clean = true,
                                       .keep_alive_s = 60,
                                       .connect_ms = 1000};
    CHECK_INT(mqtt_client_new(&b->loop, &ops, b, &b->m), 0);
    return b;
}

static void dial(struct bed *b)
{
    struct error e = {0};
    if (mqtt_client_connect(b->m, &b->c, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
}
static void bed_up(struct bed *b)
{
    unsigned ups = b->ups;
    dial(b);
    UNTIL(b, b->ups == ups + 1);
}

static void bed_free(struct bed *b)
{
    if (b->m) mqtt_client_close(TAKE(b->m), 0, bed_closed, &b->closed);
    UNTIL(b, b->closed);
    fake_stop(b->broker);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(&b->loop), 0);
    mem_free(b->broker);
    mem_free(b);
}

static int publish(struct bed *b, const char *topic, const char *text, uint8_t qos, uint64_t token)
{
    struct error e = {0};
    struct mqtt_client_message m = {.topic = str_of(topic), .payload = str_of(text), .qos = qos};
    return mqtt_client_publish(b->m, &m, token, &e);
}

TEST(connects_with_what_is_configured)
{
    static const uint8_t versions[] = {MQTT_3_1_1, MQTT_5};
    for (size_t i = 0; i < 2; i++) {
        struct bed *b = bed_new(versions[i]);
        struct mqtt_client_message will = {.topic = STR("will/me"), .payload = STR("gone"), .qos = 1, .retain = true};
        b->c.user = "u", b->c.password = "p", b->c.will = &will, b->c.clean = false, b->c.session_expiry_s = 77;
        b->c.keep_alive_s = 33;
        bed_up(b);
        CHECK(mqtt_client_up(b->m) && !mqtt_client_idle(b->m));
        CHECK_STR(str_of(b->broker->last_id), "test");
        CHECK_STR(str_of(b->broker->last_user), "u");
        CHECK_STR(str_of(b->broker->last_password), "p");
        CHECK_STR(str_of(b->broker->will_topic), "will/me");
        CHECK_STR(str_of(b->broker->will_payload), "gone");
        CHECK(!b->broker->last_clean);
        CHECK_INT(b->broker->keep_alive, 33);
        CHECK_INT(b->broker->last_expiry, i ? 77 : 0);
        CHECK_INT(mqtt_client_connect(b->m, &b->c, NULL), ERR_EXISTS);
        mqtt_client_drop(b->m, 0, false);
        CHECK(mqtt_client_idle(b->m));
        UNTIL(b, b->broker->disconnects == 1 && b->broker->open == 0);
        CHECK_INT(b->losts, 0);
        bed_up(b); /* at once again */
        CHECK(!b->broker->garbage);
        bed_free(b);
    }
}

TEST(refusals_tell_their_reason)
{
    static const struct {
        uint8_t version, code;
        int want;
        const char *words;
    } v[] = {
        {MQTT_3_1_1, 4, ERR_UNAUTHENTICATED, "bad user name or password"},
        {MQTT_3_1_1, 5, ERR_FORBIDDEN, "not authorized"},
        {MQTT_3_1_1, 1, ERR_UNSUPPORTED, "another version"},
        {MQTT_3_1_1, 3, ERR_UNAVAILABLE, "server unavailable"},
        {MQTT_5, MQTT_CREDENTIALS, ERR_UNAUTHENTICATED, "bad user name or password"},
        {MQTT_5, MQTT_CLIENT_ID, ERR_INVALID, "client identifier"},
        {MQTT_5, MQTT_BUSY, ERR_UNAVAILABLE, "server busy"},
    };
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct bed *b = bed_new(v[i].version);
        b->broker->code = v[i].code;
        dial(b);
        UNTIL(b, b->losts == 1);
        CHECK_INT(b->why.code, v[i].want);
        CHECK(strstr(b->why.text, v[i].words));
        CHECK(strstr(b->why.text_zh, "拒绝连接"));
        CHECK(mqtt_client_idle(b->m));
        b->broker->code = 0;
        bed_up(b);
        bed_free(b);
    }
}

TEST(what_is_no_broker_is_told)
{
    struct bed *b = bed_new(MQTT_3_1_1);
    b->broker->mute = true;
    b->c.connect_ms = 60;
    dial(b);
    UNTIL(b, b->losts == 1);
    CHECK_INT(b->why.code, ERR_TIMEOUT);
    dial(b);
    UNTIL(b, b->broker->accepted == 2);
    bed_step(b);
    fake_drop_all(b->broker);
    UNTIL(b, b->losts == 2);
    CHECK(b->why.code == ERR_CLOSED ? strstr(b->why.text, "is it an MQTT broker") != NULL : b->why.code == ERR_TIMEOUT);
    dial(b);
    UNTIL(b, b->broker->accepted == 3);
    fake_raw(b->broker->conns, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    UNTIL(b, b->losts == 3);
    CHECK_INT(b->why.code, ERR_PROTOCOL);
    CHECK(b->bad_frames > 0);
    unsigned port = b->broker->port;
    fake_stop(b->broker);
    b->c.port = (uint16_t)port;
    dial(b);
    UNTIL(b, b->losts == 4);
    CHECK_INT(b->why.code, ERR_UNAVAILABLE);
    bed_free(b);
}

TEST(publishes_with_every_qos)
{
    static const uint8_t versions[] = {MQTT_3_1_1, MQTT_5};
    for (size_t i = 0; i < 2; i++) {
        struct bed *b = bed_new(versions[i]);
        CHECK_INT(publish(b, "a", "x", 1, 1), ERR_CLOSED);
        bed_up(b);
        CHECK_INT(publish(b, "a/+", "x", 1, 1), ERR_INVALID);
        for (uint8_t q = 0; q < 3; q++) CHECK_INT(publish(b, "a/b", q ? "zwei" : "null", q, q + 1u), 0);
        CHECK_INT(b->ndone, 0); /* never from inside */
        UNTIL(b, b->ndone == 3);
        for (int t = 1; t <= 3; t++) CHECK(b->done[t] == 1 && b->code[t] == 0);
        CHECK_INT(b->broker->nmessages, 3);
        CHECK_STR(str_of(b->broker->messages[0].payload), "null");
        CHECK_INT(b->broker->messages[2].qos, 2);
        CHECK_INT(b->broker->pubrels, 1);
        struct mqtt_client_stats st;
        mqtt_client_stats(b->m, &st);
        CHECK_INT(st.messages_out, 3);
        CHECK_INT(st.inflight, 0);
        CHECK(st.bytes_in && st.bytes_out && b->frames);
        bed_free(b);
    }
}

TEST(the_window_holds_and_opens)
{
    struct bed *b = bed_new(MQTT_5);
    b->broker->receive_maximum = 3;
    b->broker->mute_acks = true;
    bed_up(b);
    for (unsigned i = 0; i < 3; i++) CHECK_INT(publish(b, "t", "x", 1, i), 0);
    CHECK_INT(publish(b, "t", "x", 1, 9), ERR_AGAIN);
    CHECK_INT(publish(b, "t", "x", 0, 10), 0); /* needs no window */
    UNTIL(b, b->broker->nmessages == 4);
    CHECK_INT(b->readies, 0);
    fake_send(b->broker->conns, &(struct mqtt_packet){.type = MQTT_PUBACK, .id = b->broker->messages[1].id});
    UNTIL(b, b->readies == 1);
    CHECK(b->done[1] == 1 && b->done[0] == 0);
    CHECK_INT(publish(b, "t", "x", 1, 9), 0);
    fake_send(b->broker->conns, &(struct mqtt_packet){.type = MQTT_PUBACK, .id = 999}); /* nobody's */
    bed_step(b);
    fake_drop_all(b->broker);
    UNTIL(b, b->losts == 1);
    CHECK(b->done[0] == 1 && b->code[0] == ERR_CLOSED && b->done[9] == 1); /* clean start: given up */
    bed_free(b);
}

TEST(what_the_broker_does_not_offer_is_not_sent)
{
    struct bed *b = bed_new(MQTT_5);
    b->broker->maximum_packet = 100;
    b->broker->maximum_qos = 2; /* 1 */
    b->broker->retain_off = true;
    bed_up(b);
    char text[200];
    memset(text, 'x', sizeof text - 1);
    text[199] = 0;
    CHECK_INT(publish(b, "t", text, 0, 1), ERR_TOO_LARGE);
    CHECK_INT(publish(b, "t", "x", 2, 1), ERR_UNSUPPORTED);
    struct mqtt_client_message m = {.topic = STR("t"), .retain = true};
    CHECK_INT(mqtt_client_publish(b->m, &m, 1, NULL), ERR_UNSUPPORTED);
    CHECK_INT(publish(b, "t", "x", 1, 1), 0);
    UNTIL(b, b->done[1] == 1);
    b->broker->ack_code = MQTT_NOT_AUTHORIZED;
    CHECK_INT(publish(b, "t", "x", 1, 2), 0);
    UNTIL(b, b->done[2] == 1);
    CHECK_INT(b->code[2], ERR_FORBIDDEN);
    CHECK(strstr(b->why.text, "not authorized"));
    bed_free(b);
}

TEST(a_session_goes_on_after_a_loss)
{
    struct bed *b = bed_new(MQTT_3_1_1);
    b->c.clean = false;
    b->broker->mute_acks = true;
    bed_up(b);
    CHECK_INT(publish(b, "t", "one", 1, 1), 0);
    CHECK_INT(publish(b, "t", "two", 2, 2), 0);
    CHECK_INT(publish(b, "t", "three", 2, 3), 0);
    UNTIL(b, b->broker->nmessages == 3);
    fake_send(b->broker->conns, &(struct mqtt_packet){.type = MQTT_PUBREC, .id = b->broker->messages[1].id});
    UNTIL(b, b->broker->pubrels == 1);
    fake_drop_all(b->broker);
    UNTIL(b, b->losts == 1);
    CHECK_INT(b->ndone, 0); /* they go on */
    b->broker->session = true;
    b->broker->mute_acks = false;
    bed_up(b);
    CHECK(b->session);
    UNTIL(b, b->ndone == 3);
    CHECK_INT(b->broker->nmessages, 5); /* one and three again, of two only PUBREL */
    CHECK(b->broker->messages[3].dup && b->broker->messages[4].dup);
    CHECK_STR(str_of(b->broker->messages[3].payload), "one");
    CHECK_STR(str_of(b->broker->messages[4].payload), "three");
    CHECK_INT(b->broker->messages[3].id, b->broker->messages[0].id);
    CHECK_INT(b->broker->pubrels, 3);
    for (int t = 1; t <= 3; t++) CHECK(b->done[t] == 1 && b->code[t] == 0);
    b->broker->mute_acks = true;
    CHECK_INT(publish(b, "t", "four", 1, 4), 0);
    UNTIL(b, b->broker->nmessages == 6);
    fake_drop_all(b->broker);
    UNTIL(b, b->losts == 2);
    b->broker->session = false; /* forgotten: not known */
    bed_up(b);
    CHECK(b->done[4] == 1 && b->code[4] == ERR_CLOSED);
    bed_free(b);
}

TEST(what_is_forgotten_is_not_sent_again)
{
    struct bed *b = bed_new(MQTT_3_1_1);
    b->c.clean = false;
    b->broker->session = b->broker->mute_acks = true;
    bed_up(b);
    CHECK_INT(publish(b, "t", "one", 1, 1), 0);
    CHECK_INT(publish(b, "t", "two", 2, 2), 0);
    UNTIL(b, b->broker->nmessages == 2);
    mqtt_client_forget(b->m, 1);
    fake_drop_all(b->broker);
    UNTIL(b, b->losts == 1);
    mqtt_client_forget(b->m, 2);
    mqtt_client_forget(b->m, 2);
    for (int t = 1; t <= 2; t++) CHECK(b->done[t] == 1 && b->code[t] == ERR_CANCELLED);
    b->broker->mute_acks = false;
    bed_up(b);
    UNTIL(b, b->broker->pubrels == 1); /* frees the id at the broker */
    CHECK_INT(publish(b, "t", "three", 1, 3), 0);
    UNTIL(b, b->done[3] == 1);
    CHECK_INT(b->broker->nmessages, 3);
    CHECK_INT(b->ndone, 3);
    bed_free(b);
}

TEST(messages_are_acknowledged_in_order_when_they_are_safe)
{
    struct bed *b = bed_new(MQTT_5);
    b->auto_ack = false;
    bed_up(b);
    for (int i = 0; i < 4; i++) fake_publish(b->broker, "in", i == 2 ? "two" : "x", i == 1 ? 2 : 1, false);
    fake_publish(b->broker, "in", "zero", 0, true);
    UNTIL(b, b->nmessages == 5);
    CHECK(b->handles[4] == 0 && b->got[4].retain);
    mqtt_client_ack(b->m, b->handles[2], 0);
    mqtt_client_ack(b->m, b->handles[1], 0);
    bed_step(b);
    CHECK_INT(b->broker->nacks, 0); /* the first is not safe yet */
    mqtt_client_ack(b->m, b->handles[0], 0);
    mqtt_client_ack(b->m, b->handles[0], 0);
    UNTIL(b, b->broker->nacks == 3);
    for (uint16_t i = 0; i < 3; i++) CHECK_INT(b->broker->acks[i], i + 1);
    UNTIL(b, b->broker->pubcomps == 1);
    mqtt_client_ack(b->m, b->handles[3], MQTT_PAYLOAD);
    UNTIL(b, b->broker->nacks == 4);
    CHECK_INT(b->broker->ack_codes[3], MQTT_PAYLOAD);
    bed_free(b);
}

static void again(struct bed *b, uint16_t id)
{
    fake_send(b->broker->conns,
              &(struct mqtt_packet){
                  .type = MQTT_PUBLISH, .qos = 2, .id = id, .dup = true, .topic = STR("in"), .payload = STR("x")});
}

TEST(exactly_once_also_over_a_loss)
{
    struct bed *b = bed_new(MQTT_3_1_1);
    b->c.clean = false;
    b->broker->session = true;
    b->auto_ack = false;
    bed_up(b);
    uint16_t id = fake_publish(b->broker, "in", "x", 2, false);
    UNTIL(b, b->nmessages == 1);
    again(b, id); /* not safe yet: nothing */
    bed_step(b);
    fake_drop_all(b->broker);
    UNTIL(b, b->losts == 1);
    bed_up(b);
    again(b, id);
    bed_step(b);
    CHECK_INT(b->nmessages, 1);
    CHECK_INT(b->broker->nacks, 0);
    mqtt_client_ack(b->m, b->handles[0], 0); /* of the former connection */
    UNTIL(b, b->broker->pubcomps == 1);
    CHECK_INT(b->broker->nacks, 1);
    again(b, id); /* after PUBREL the id is new */
    UNTIL(b, b->nmessages == 2);
    fake_drop_all(b->broker);
    UNTIL(b, b->losts == 2);
    b->broker->session = false;
    bed_up(b);
    again(b, id);
    UNTIL(b, b->nmessages == 3); /* the session is gone */
    bed_free(b);
}

TEST(subscriptions_and_their_results)
{
    struct bed *b = bed_new(MQTT_3_1_1);
    struct error e = {0};
    struct mqtt_client_filter f[] = {{.filter = STR("a/#"), .qos = 1}, {.filter = STR("+/b"), .qos = 2}};
    CHECK_INT(mqtt_client_subscribe(b->m, f, 2, 1, &e), ERR_CLOSED);
    bed_up(b);
    CHECK_INT(mqtt_client_subscribe(b->m, f, 2, 1, &e), 0);
    UNTIL(b, b->subs == 1);
    CHECK(b->ncodes == 2 && b->codes[0] == 1 && b->codes[1] == 2);
    CHECK_STR(str_of(b->broker->filters), "a/#:1 +/b:2 ");
    struct str g = STR("a/#");
    CHECK_INT(mqtt_client_unsubscribe(b->m, &g, 1, 2, &e), 0);
    UNTIL(b, b->subs == 2);
    CHECK_STR(str_of(b->broker->unfiltered), "a/# ");
    b->broker->sub_code = 0x80;
    CHECK_INT(mqtt_client_subscribe(b->m, f, 1, 3, &e), 0);
    UNTIL(b, b->subs == 3);
    CHECK_INT(b->codes[0], 0x80);
    struct mqtt_client_filter bad = {.filter = STR("a/b#")};
    CHECK_INT(mqtt_client_subscribe(b->m, &bad, 1, 4, &e), ERR_INVALID);
    CHECK(strstr(e.text, "a/b#"));
    CHECK_INT(mqtt_client_subscribe(b->m, f, 1, 5, &e), 0);
    fake_drop_all(b->broker);
    UNTIL(b, b->subs == 4);
    CHECK_INT(b->sub_error, ERR_CLOSED);
    bed_free(b);
}

TEST(silence_is_noticed)
{
    struct bed *b = bed_new(MQTT_3_1_1);
    b->c.keep_alive_s = 1;
    b->c.answer_ms = 50;
    bed_up(b);
    UNTIL(b, b->broker->pings == 1);
    bed_step(b);
    CHECK_INT(b->losts, 0);
    b->broker->mute_acks = true;
    CHECK_INT(publish(b, "t", "x", 1, 1), 0);
    UNTIL(b, b->losts == 1);
    CHECK_INT(b->why.code, ERR_TIMEOUT);
    CHECK_INT(b->code[1], ERR_CLOSED);
    bed_free(b);
}

TEST(reading_stops_and_goes_on)
{
    struct bed *b = bed_new(MQTT_3_1_1);
    b->c.answer_ms = 40;
    b->pause = true;
    bed_up(b);
    for (int i = 0; i < 10; i++) fake_publish(b->broker, "in", "x", 1, false);
    UNTIL(b, b->nmessages == 1);
    CHECK_INT(publish(b, "t", "x", 1, 1), 0);
    for (int i = 0; i < 4; i++) bed_step(b); /* its PUBACK is not read: no time-out */
    CHECK(b->nmessages == 1 && b->losts == 0);
    for (unsigned i = 2; i <= 10; i++) {
        mqtt_client_read(b->m, true);
        UNTIL(b, b->nmessages == i);
    }
    b->pause = false;
    mqtt_client_read(b->m, true);
    UNTIL(b, b->done[1] == 1 && b->broker->nacks == 10);
    CHECK_INT(b->losts, 0);
    bed_free(b);
}

TEST(nonsense_ends_the_connection)
{
    static const struct {
        const char *p;
        size_t n;
    } v[] = {
        {"\x00\x00", 2},         /* no type */
        {"\x20\x02\x00\x00", 4}, /* CONNACK again */
        {"\x82\x06\x00\x01\x00\x01"
         "a\x00",
         8}, /* SUBSCRIBE of a broker */
        {"\x30\x05\x00\x03"
         "a+b",
         7},                         /* a wildcard in a topic */
        {"\x30\xff\xff\xff\x7f", 5}, /* longer than is taken */
        {"\x36\x05\x00\x01"
         "a\x00\x01",
         7}, /* QoS 3 */
        {"\x32\x05\x00\x01"
         "a\x00\x00",
         7},             /* id 0 */
        {"\xe0\x00", 2}, /* DISCONNECT in 3.1.1 */
    };
    struct bed *b = bed_new(MQTT_3_1_1);
    for (unsigned i = 0; i < sizeof v / sizeof *v; i++) {
        bed_up(b);
        fake_raw(b->broker->conns, v[i].p, v[i].n);
        UNTIL(b, b->losts == i + 1);
        CHECK_INT(b->why.code, ERR_PROTOCOL);
        CHECK_INT(b->nmessages, 0);
    }
    bed_free(b);
}

TEST(a_broker_of_5_says_why_it_ends)
{
    struct bed *b = bed_new(MQTT_5);
    bed_up(b);
    fake_send(b->broker->conns, &(struct mqtt_packet){.type = MQTT_DISCONNECT, .code = MQTT_TAKEN_OVER});
    UNTIL(b, b->losts == 1);
    CHECK_INT(b->why.code, ERR_CONFLICT);
    CHECK(strstr(b->why.text, "another client uses the same client identifier"));
    bed_free(b);
}

TEST(closing_in_every_callback)
{
    for (int where = 1; where <= 4; where++) {
        struct bed *b = bed_new(MQTT_3_1_1);
        b->close_in = where;
        b->auto_ack = false;
        dial(b);
        if (where != 1) UNTIL(b, b->ups == 1);
        if (where == 2)
            for (int i = 0; i < 3; i++) fake_publish(b->broker, "in", "x", 1, false);
        if (where == 3)
            for (unsigned i = 0; i < 3; i++) CHECK_INT(publish(b, "t", "x", (uint8_t)i, i), 0);
        if (where == 4) fake_drop_all(b->broker);
        UNTIL(b, b->closed);
        if (where == 3) CHECK(b->done[0] == 1 && b->done[1] == 1 && b->done[2] == 1);
        bed_free(b);
    }
}

TEST(closing_while_connecting)
{
    struct bed *b = bed_new(MQTT_3_1_1);
    dial(b);
    mqtt_client_close(TAKE(b->m), 0, bed_closed, &b->closed);
    UNTIL(b, b->closed);
    CHECK_INT(b->losts, 0);
    bed_free(b);
}

TEST(much_at_once)
{
    struct bed *b = bed_new(MQTT_3_1_1);
    b->c.window = 1000;
    bed_up(b);
    for (unsigned i = 0; i < 1000; i++) CHECK_INT(publish(b, "much", "0123456789", i % 3 ? 1 : 0, i), 0);
    UNTIL(b, b->ndone == 1000);
    CHECK_INT(b->broker->nmessages, 1000);
    for (int i = 0, last = -1; i < 1000; i++) { /* acknowledged in order, and sent in order */
        if (b->order[i] % 3 == 0) continue;
        CHECK(b->order[i] > last);
        last = b->order[i];
    }
    for (unsigned i = 1; i < 1000; i++)
        if (b->broker->messages[i].qos && b->broker->messages[i - 1].qos)
            CHECK(b->broker->messages[i].id == b->broker->messages[i - 1].id + 1);
    bed_free(b);
}

/* Memory that runs out anywhere: each publication that was taken still ends once, and the client lives on. */
TEST(out_of_memory_anywhere)
{
    for (unsigned nth = 1; nth < 36; nth++) {
        struct bed *b = bed_new(nth % 2 ? MQTT_5 : MQTT_3_1_1);
        struct error e = {0};
        unsigned taken = 0;
        mem_fail_at(nth, false);
        int rc = mqtt_client_connect(b->m, &b->c, &e);
        CHECK(rc == 0 || rc == ERR_NOMEM || rc == ERR_UNAVAILABLE);
        for (int i = 0; i < 3 && rc == 0 && !b->ups && !b->losts; i++) bed_step(b);
        for (unsigned i = 0; i < 6 && mqtt_client_up(b->m); i++)
            if (publish(b, "t", "x", (uint8_t)(i % 3), taken) == 0) taken++;
        struct mqtt_client_filter f = {.filter = STR("a/#"), .qos = 1};
        bool asked = mqtt_client_up(b->m) && mqtt_client_subscribe(b->m, &f, 1, 1, &e) == 0;
        for (int i = 0; i < 3 && b->ndone < taken; i++) bed_step(b);
        mem_fail_at(0, false);
        mqtt_client_drop(b->m, 0, true);
        CHECK_INT(b->ndone, taken);
        CHECK(!asked || b->subs == 1);
        for (unsigned i = 0; i < taken; i++) CHECK_INT(b->done[i], 1);
        b->losts = 0;
        bed_up(b);
        bed_free(b);
    }
}
