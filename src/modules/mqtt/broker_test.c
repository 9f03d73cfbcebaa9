/* The broker without a network: two versions, QoS 0 to 2 both ways, sessions, takeover, retained, wills, shared
 * subscriptions, limits, acknowledgements that wait for the disk. Packets are made and read with the codec. */
#include "base/test.h"
#include "modules/mqtt/broker_int.h"

struct world {
    struct mq_broker *b;
    uint64_t ns;
    int64_t us;
    bool hold; /* acknowledgements wait */
    struct later {
        struct mq_link *l;
        uint8_t type, code;
        uint16_t id;
    } late[64];
    size_t nlate;
    struct mq_keep kept[64];
    char kept_topic[64][64];
    size_t nkept;
    int ingest; /* answer for topics that begin with "in/" */
};

struct client {
    struct mq_link l;
    uint8_t version;
    size_t read; /* of l.out */
};

static uint8_t login(void *ctx, struct mq_link *l, const struct mqtt_packet *p, struct mq_who *ret)
{
    if (str_is(p->user, "wrong")) return MQTT_CREDENTIALS;
    *ret = (struct mq_who){.role = str_starts(p->user, STR("dev")) ? MQ_DEVICE : MQ_USER};
    str_to_cstr(p->user, ret->id, sizeof ret->id);
    str_to_cstr(p->user, ret->name, sizeof ret->name);
    return 0;
}

static bool denied_all;

static bool may(void *ctx, const struct mq_who *who, bool publish, struct str topic)
{
    return !denied_all && !str_starts(topic, STR("secret"));
}

static bool gives(void *ctx, const struct mq_who *who, struct str topic)
{
    return !str_has(topic, STR("withheld"));
}

static int ingest(void *ctx, struct mq_link *l, const struct mqtt_packet *p)
{
    struct world *w = ctx;
    return str_starts(p->topic, STR("in/")) ? w->ingest : MQ_PASS;
}

static void later(void *ctx, struct mq_link *l, uint8_t type, uint16_t id, uint8_t code)
{
    struct world *w = ctx;
    if (w->nlate < 64) w->late[w->nlate++] = (struct later){l, type, code, id};
}

static uint64_t keep(void *ctx, const struct mq_keep *k)
{
    struct world *w = ctx;
    if (w->nkept == 64) return 1;
    w->kept[w->nkept] = *k;
    if (k->message) str_to_cstr(mq_msg_topic(k->message), w->kept_topic[w->nkept], 64);
    w->nkept++;
    return w->nkept;
}

static void wake(void *ctx, struct mq_link *l)
{
    l->woken = false;
}

static const struct mq_ops ops = {
    .login = login, .may = may, .ingest = ingest, .later = later, .keep = keep, .wake = wake, .gives = gives};

static struct world the_world[1];

static struct world *world(void)
{
    struct mq_limits lim = mq_defaults;
    struct world *w = the_world;
    memset(w, 0, sizeof *w);
    lim.queue = 5;
    lim.inflight = 2;
    lim.receive_maximum = 4;
    lim.aliases = 2;
    w->ns = 1000000000;
    w->us = 1700000000000000;
    w->ingest = MQ_TAKEN;
    if (mq_broker_new(&lim, &ops, w, &w->b)) return NULL;
    mq_time(w->b, w->ns, w->us);
    return w;
}

static void pass(struct world *w, double seconds)
{
    w->ns += (uint64_t)(seconds * 1e9);
    w->us += (int64_t)(seconds * 1e6);
    mq_time(w->b, w->ns, w->us);
    mq_tick(w->b);
}

static void release(struct world *w, bool good)
{
    size_t n = w->nlate;
    w->nlate = 0;
    for (size_t i = 0; i < n; i++) mq_acked(w->late[i].l, w->late[i].type, w->late[i].id, w->late[i].code, good);
}

static void put(struct client *c, const struct mqtt_packet *p)
{
    struct buf b;
    size_t used;
    buf_init(&b, 1 << 20);
    mqtt_write(&b, c->version, p);
    CHECK_INT(b.err, 0);
    mq_input(&c->l, b.p, b.n, &used);
    CHECK_INT(used, b.n);
    buf_fini(&b);
}

/* The next packet that came; its views live until more comes. */
static bool get(struct client *c, struct mqtt_packet *ret)
{
    struct mqtt_head h;
    struct mqtt_fault why;
    memset(ret, 0, sizeof *ret);
    if (mqtt_head(c->l.out.p + c->read, c->l.out.n - c->read, 1 << 20, &h, &why) != 1) return false;
    CHECK_INT(mqtt_parse(c->version, &h, c->l.out.p + c->read + h.size, ret, &why), 0);
    c->read += h.size + h.length;
    return true;
}

#define WANT(c, type_) \
    struct mqtt_packet got_; \
    CHECK(get(c, &got_)); \
    CHECK_INT(got_.type, type_)

static uint8_t got_type(struct client *c)
{
    struct mqtt_packet p;
    return get(c, &p) ? p.type : 0;
}

static void connect_as(struct world *w, struct client *c, struct mqtt_packet p)
{
    memset(&c->l, 0, sizeof c->l);
    c->read = 0;
    c->version = p.version;
    p.type = MQTT_CONNECT;
    if (!p.user.n) p.user = STR("u");
    p.has_user = true;
    mq_link_open(w->b, &c->l);
    put(c, &p);
}

/* Reads the CONNACK; true: the session was there. */
static bool join(struct world *w, struct client *c, uint8_t version, const char *id, bool clean, uint32_t expiry)
{
    struct mqtt_packet p = {.version = version, .client_id = str_of(id), .clean = clean, .keep_alive = 10};
    if (version == MQTT_5 && expiry) mqtt_num_set(&p.props, MQTT_N_SESSION_EXPIRY, expiry);
    connect_as(w, c, p);
    struct mqtt_packet a;
    CHECK(get(c, &a));
    CHECK_INT(a.type, MQTT_CONNACK);
    CHECK_INT(a.code, 0);
    return a.session_present;
}

static void subscribe_with(struct client *c, struct mqtt_item i, uint32_t number)
{
    struct buf b;
    buf_init(&b, 1000);
    mqtt_item_write(MQTT_SUBSCRIBE, &b, &i);
    struct mqtt_packet p = {.type = MQTT_SUBSCRIBE, .id = 77, .items = buf_view(&b)};
    if (number) mqtt_num_set(&p.props, MQTT_N_SUBSCRIPTION_ID, number);
    put(c, &p);
    buf_fini(&b);
}

static uint8_t subscribe(struct client *c, const char *filter, uint8_t qos)
{
    subscribe_with(c, (struct mqtt_item){.filter = str_of(filter), .qos = qos}, 0);
    struct mqtt_packet a;
    if (c->l.held) release(the_world, true); /* of a session that persists it waits for the disk */
    CHECK(get(c, &a));
    CHECK_INT(a.type, MQTT_SUBACK);
    return a.items.n ? (uint8_t)a.items.p[0] : 0xff;
}

static void publish(struct client *c, const char *topic, const char *text, uint8_t qos, uint16_t id, bool retain)
{
    put(c, &(struct mqtt_packet){.type = MQTT_PUBLISH,
                                 .topic = str_of(topic),
                                 .payload = str_of(text),
                                 .qos = qos,
                                 .id = id,
                                 .retain = retain});
}

static void ack(struct client *c, uint8_t type, uint16_t id)
{
    put(c, &(struct mqtt_packet){.type = type, .id = id});
}

static void lose(struct client *c)
{
    mq_link_lost(&c->l);
}

TEST(all_qos_to_a_subscriber)
{
    struct world *w = world();
    struct client a, s;
    join(w, &a, 4, "a", true, 0);
    join(w, &s, 5, "s", true, 0);
    CHECK_INT(subscribe(&s, "t/#", 2), 2);
    for (uint8_t q = 0; q < 3; q++) {
        publish(&a, "t/1", "hello", q, (uint16_t)(10 + q), false);
        if (q) CHECK_INT(got_type(&a), q == 1 ? MQTT_PUBACK : MQTT_PUBREC);
        WANT(&s, MQTT_PUBLISH);
        CHECK_STR(got_.topic, "t/1");
        CHECK_STR(got_.payload, "hello");
        CHECK_INT(got_.qos, q);
        if (q == 1) ack(&s, MQTT_PUBACK, got_.id);
        if (q != 2) continue;
        publish(&a, "t/1", "hello", 2, 12, false); /* again: not delivered again */
        CHECK_INT(got_type(&a), MQTT_PUBREC);
        ack(&a, MQTT_PUBREL, 12);
        CHECK_INT(got_type(&a), MQTT_PUBCOMP);
        ack(&s, MQTT_PUBREC, got_.id);
        CHECK_INT(got_type(&s), MQTT_PUBREL);
        ack(&s, MQTT_PUBCOMP, got_.id);
        CHECK_INT(got_type(&s), 0);
    }
    CHECK_INT(a.l.s->ngot, 0);
    CHECK_INT(s.l.s->nflight, 0);
    lose(&a);
    lose(&s);
    CHECK_INT(w->b->nsessions, 0);
    CHECK_INT(w->b->trie.nodes, 0);
    mq_broker_free(w->b);
}

TEST(acknowledgements_wait_for_the_disk_in_order)
{
    struct world *w = world();
    struct client a;
    join(w, &a, 5, "a", true, 0);
    publish(&a, "in/x", "1", 1, 1, false);
    publish(&a, "other", "2", 1, 2, false); /* nothing to store, and yet not before the first */
    publish(&a, "in/x", "3", 2, 3, false);
    CHECK_INT(got_type(&a), 0);
    CHECK_INT(w->nlate, 3);
    release(w, true);
    WANT(&a, MQTT_PUBACK);
    CHECK_INT(got_.id, 1);
    CHECK(get(&a, &got_) && got_.type == MQTT_PUBACK && got_.id == 2 && got_.code == MQTT_NO_SUBSCRIBERS);
    CHECK(get(&a, &got_) && got_.type == MQTT_PUBREC && got_.id == 3);
    w->ingest = -MQTT_PAYLOAD;
    publish(&a, "in/x", "nonsense", 1, 4, false);
    CHECK(get(&a, &got_) && got_.type == MQTT_PUBACK && got_.code == MQTT_PAYLOAD);
    w->ingest = MQ_TAKEN;
    publish(&a, "in/x", "5", 1, 5, false);
    release(w, false); /* the disk refuses: no acknowledgement, the client is to come again */
    CHECK(get(&a, &got_) && got_.type == MQTT_DISCONNECT && got_.code == MQTT_BUSY);
    CHECK(a.l.ended);
    lose(&a);
    join(w, &a, 5, "a", true, 0);
    publish(&a, "in/x", "6", 1, 6, false);
    lose(&a); /* gone before it is durable */
    CHECK_INT(a.l.pending, 1);
    release(w, true);
    CHECK_INT(a.l.pending, 0);
    mq_broker_free(w->b);
}

TEST(a_paused_link_takes_nothing_until_it_goes_on)
{
    struct world *w = world();
    struct client a;
    uint8_t two[] = {0x32, 8, 0, 4, 'i', 'n', '/', 'x', 0, 1, 0x32, 8, 0, 4, 'i', 'n', '/', 'x', 0, 2};
    size_t used;
    join(w, &a, 4, "a", true, 0);
    w->ingest = MQ_PAUSED;
    mq_input(&a.l, two, sizeof two, &used);
    CHECK_INT(used, 10);
    mq_input(&a.l, two + 10, 10, &used);
    CHECK_INT(used, 0);
    w->ingest = MQ_TAKEN;
    mq_resume(&a.l, 1, 1, 0);
    mq_input(&a.l, two + 10, 10, &used);
    CHECK_INT(used, 10);
    CHECK_INT(w->nlate, 2);
    release(w, true);
    CHECK_INT(got_type(&a), MQTT_PUBACK);
    CHECK_INT(got_type(&a), MQTT_PUBACK);
    lose(&a);
    mq_broker_free(w->b);
}

TEST(sessions_persist_and_are_resumed)
{
    struct world *w = world();
    struct client a, s;
    join(w, &a, 4, "a", true, 0);
    CHECK(!join(w, &s, 5, "s", false, 100));
    subscribe(&s, "t", 1);
    publish(&a, "t", "1", 1, 1, false);
    release(w, true);
    CHECK_INT(got_type(&a), MQTT_PUBACK);
    WANT(&s, MQTT_PUBLISH); /* not acknowledged */
    uint16_t id = got_.id;
    lose(&s);
    publish(&a, "t", "2", 1, 2, false);
    CHECK_INT(w->nlate, 1);             /* kept for the session: durable first */
    publish(&a, "t", "0", 0, 0, false); /* QoS 0 to one who is away: gone */
    release(w, true);
    CHECK(join(w, &s, 5, "s", false, 100));
    CHECK(get(&s, &got_) && got_.type == MQTT_PUBLISH && got_.dup && got_.id == id);
    CHECK_STR(got_.payload, "1");
    ack(&s, MQTT_PUBACK, got_.id);
    CHECK(get(&s, &got_) && got_.type == MQTT_PUBLISH && !got_.dup);
    CHECK_STR(got_.payload, "2");
    lose(&s);
    for (int i = 0; i < 9; i++) publish(&a, "t", "x", 1, (uint16_t)(10 + i), false);
    CHECK(w->b->stats.dropped >= 3); /* the queue holds five */
    a.l.keep_alive = 0;
    pass(w, 101);
    CHECK_INT(w->b->nsessions, 1);
    CHECK(!join(w, &s, 5, "s", false, 100));
    lose(&s);
    join(w, &s, 5, "s", true, 0); /* clean */
    lose(&s);
    lose(&a);
    CHECK_INT(w->b->nsessions, 0);
    CHECK_INT(w->kept[0].op, MQ_KEEP_SESSION);
    mq_broker_free(w->b);
}

TEST(takeover_and_owners)
{
    struct world *w = world();
    struct client a, b, other;
    join(w, &a, 5, "same", false, 50);
    CHECK(join(w, &b, 5, "same", false, 50));
    WANT(&a, MQTT_DISCONNECT);
    CHECK_INT(got_.code, MQTT_TAKEN_OVER);
    CHECK(a.l.ended && !a.l.s && b.l.s);
    connect_as(w, &other,
               (struct mqtt_packet){.version = 4, .client_id = STR("same"), .clean = true, .user = STR("v")});
    CHECK(!b.l.ended); /* of somebody else: another session */
    lose(&a);
    lose(&b);
    lose(&other);
    connect_as(w, &a, (struct mqtt_packet){.version = 4, .client_id = STR("x"), .clean = true, .user = STR("wrong")});
    CHECK(get(&a, &got_) && got_.type == MQTT_CONNACK && got_.code == 4 && a.l.ended);
    lose(&a);
    connect_as(w, &a, (struct mqtt_packet){.version = 4, .clean = false});
    CHECK(get(&a, &got_) && got_.code == 2);
    lose(&a);
    connect_as(w, &a, (struct mqtt_packet){.version = 5, .clean = true});
    CHECK(get(&a, &got_) && got_.code == 0 && got_.props.text[MQTT_T_ASSIGNED_ID].n > 5);
    lose(&a);
    mq_broker_free(w->b);
}

TEST(retained_messages)
{
    struct world *w = world();
    struct client a, s;
    join(w, &a, 5, "a", true, 0);
    join(w, &s, 5, "s", true, 0);
    publish(&a, "r/1", "one", 0, 0, true);
    publish(&a, "r/2", "two", 0, 0, true);
    subscribe(&s, "r/+", 1);
    struct mqtt_packet p;
    CHECK(get(&s, &p) && p.retain && get(&s, &p) && p.retain && !get(&s, &p));
    publish(&a, "r/1", "new", 0, 0, true);
    CHECK(get(&s, &p) && !p.retain);
    subscribe_with(&s, (struct mqtt_item){.filter = STR("r/1"), .retain_handling = 1, .as_published = true}, 9);
    CHECK(get(&s, &p) && p.type == MQTT_SUBACK && get(&s, &p) && p.retain);
    CHECK_STR(p.payload, "new");
    CHECK_INT(p.props.num[MQTT_N_SUBSCRIPTION_ID], 9);
    subscribe_with(&s, (struct mqtt_item){.filter = STR("r/1"), .retain_handling = 1, .as_published = true}, 9);
    CHECK(get(&s, &p) && p.type == MQTT_SUBACK && !get(&s, &p)); /* it was there */
    subscribe_with(&s, (struct mqtt_item){.filter = STR("r/#"), .retain_handling = 2}, 0);
    CHECK(get(&s, &p) && p.type == MQTT_SUBACK && !get(&s, &p));
    publish(&a, "r/1", "x", 0, 0, true);
    CHECK(get(&s, &p) && p.retain && !get(&s, &p)); /* one copy, as published for one of the three */
    publish(&a, "r/1", "", 0, 0, true);
    CHECK_INT(w->b->retained.n, 1);
    lose(&a);
    lose(&s);
    mq_broker_free(w->b);
}

TEST(wills)
{
    struct world *w = world();
    struct client a, s;
    struct mqtt_packet p, will = {.version = 5,
                                  .client_id = STR("a"),
                                  .clean = true,
                                  .has_will = true,
                                  .keep_alive = 10,
                                  .will_topic = STR("w"),
                                  .will_payload = STR("gone"),
                                  .will_qos = 1};
    join(w, &s, 5, "s", true, 0);
    subscribe(&s, "w", 1);
    connect_as(w, &a, will);
    lose(&a);
    CHECK(get(&s, &p) && p.type == MQTT_PUBLISH);
    CHECK_STR(p.payload, "gone");
    ack(&s, MQTT_PUBACK, p.id);
    connect_as(w, &a, will);
    put(&a, &(struct mqtt_packet){.type = MQTT_DISCONNECT});
    lose(&a);
    CHECK(!get(&s, &p)); /* a goodbye */
    connect_as(w, &a, will);
    put(&a, &(struct mqtt_packet){.type = MQTT_DISCONNECT, .code = MQTT_WITH_WILL});
    lose(&a);
    CHECK(get(&s, &p));
    ack(&s, MQTT_PUBACK, p.id);
    mqtt_num_set(&will.props, MQTT_N_SESSION_EXPIRY, 100);
    mqtt_num_set(&will.will_props, MQTT_N_WILL_DELAY, 5);
    connect_as(w, &a, will);
    lose(&a);
    pass(w, 3);
    CHECK(!get(&s, &p));
    will.clean = false;
    connect_as(w, &a, will); /* back in time */
    lose(&a);
    s.l.keep_alive = 0;
    pass(w, 6);
    CHECK(get(&s, &p) && p.type == MQTT_PUBLISH);
    ack(&s, MQTT_PUBACK, p.id);
    connect_as(w, &a, will);
    pass(w, 16); /* silent for one and a half keep-alives */
    CHECK(a.l.ended && a.l.why == MQTT_KEEP_ALIVE);
    lose(&a);
    lose(&s);
    mq_broker_free(w->b);
}

/* Without waiting for the answer. */
static void ask(struct client *c, const char *filter, uint8_t qos)
{
    struct buf b;
    buf_init(&b, 1000);
    mqtt_item_write(MQTT_SUBSCRIBE, &b, &(struct mqtt_item){.filter = str_of(filter), .qos = qos});
    put(c, &(struct mqtt_packet){.type = MQTT_SUBSCRIBE, .id = 77, .items = buf_view(&b)});
    buf_fini(&b);
}

static size_t kept_of(const struct world *w, enum mq_keep_op op)
{
    size_t n = 0;
    for (size_t i = 0; i < w->nkept; i++) n += w->kept[i].op == op;
    return n;
}

TEST(subscriptions_of_persistent_sessions_are_acknowledged_when_they_are_kept)
{
    struct world *w = world();
    struct client a, b, c;
    struct mqtt_packet p;
    REQUIRE(w);
    connect_as(w, &a, (struct mqtt_packet){.version = 5, .client_id = STR("a"), .user = STR("u"), .has_user = true});
    CHECK_INT(got_type(&a), MQTT_CONNACK);
    connect_as(
        w, &b,
        (struct mqtt_packet){.version = 5, .clean = true, .client_id = STR("b"), .user = STR("u"), .has_user = true});
    CHECK_INT(got_type(&b), MQTT_CONNACK);
    struct mqtt_packet again = {.version = 5, .client_id = STR("c"), .user = STR("u"), .has_user = true};
    mqtt_num_set(&again.props, MQTT_N_SESSION_EXPIRY, 100);
    connect_as(w, &c, again);
    CHECK_INT(got_type(&c), MQTT_CONNACK);
    mq_publish(w->b, STR("r/1"), STR("kept"), 1, true);
    w->nlate = 0;
    CHECK_INT(subscribe(&b, "x/#", 1), 1);
    ask(&c, "r/#", 1);
    CHECK(!get(&c, &p));
    ask(&c, "s/#", 0);
    CHECK(!get(&c, &p));
    CHECK_INT(w->nlate, 2);
    CHECK_INT(c.l.pending, 2);
    release(w, true);
    REQUIRE(get(&c, &p));
    CHECK_INT(p.type, MQTT_SUBACK);
    CHECK_INT((uint8_t)p.items.p[0], 1);
    REQUIRE(get(&c, &p));
    CHECK_INT(p.type, MQTT_PUBLISH);
    CHECK_STR(p.topic, "r/1");
    REQUIRE(get(&c, &p));
    CHECK_INT(p.type, MQTT_SUBACK);
    CHECK_INT((uint8_t)p.items.p[0], 0);
    w->nlate = 0;
    ask(&c, "t/#", 0);
    release(w, false);
    REQUIRE(get(&c, &p));
    CHECK_INT(p.type, MQTT_DISCONNECT);
    CHECK_INT(p.code, MQTT_BUSY);
    lose(&a);
    lose(&b);
    lose(&c);
    mq_broker_free(w->b);
}

TEST(wills_are_kept_and_come_back)
{
    struct world *w = world();
    struct client a, b;
    struct mqtt_packet p, will = {.version = 5,
                                  .client_id = STR("a"),
                                  .user = STR("u"),
                                  .has_user = true,
                                  .clean = true,
                                  .has_will = true,
                                  .will_topic = STR("w"),
                                  .will_payload = STR("gone"),
                                  .will_qos = 1};
    REQUIRE(w);
    connect_as(w, &a, will);
    CHECK_INT(got_type(&a), MQTT_CONNACK);
    CHECK_INT(kept_of(w, MQ_KEEP_WILL), 1);
    put(&a, &(struct mqtt_packet){.type = MQTT_DISCONNECT});
    CHECK_INT(kept_of(w, MQ_DROP_WILL), 1);
    lose(&a);
    mqtt_num_set(&will.props, MQTT_N_SESSION_EXPIRY, 100);
    mqtt_num_set(&will.will_props, MQTT_N_WILL_DELAY, 5);
    connect_as(w, &a, will);
    CHECK_INT(got_type(&a), MQTT_CONNACK);
    w->nkept = 0;
    lose(&a);
    CHECK_INT(kept_of(w, MQ_KEEP_WILL), 1);
    for (size_t i = 0; i < w->nkept; i++)
        if (w->kept[i].op == MQ_KEEP_WILL) CHECK_INT(w->kept[i].due_us, w->us + 5000000);
    mq_broker_free(w->b);

    /* another run: one was connected with a delay, one with none and no session, one was due in 2 s */
    w = world();
    REQUIRE(w);
    struct mq_who who = {.role = MQ_USER, .id = "u", .name = "u"};
    struct mq_loaded m = {.topic = STR("w"), .payload = STR("1"), .qos = 1, .props = STR("")};
    CHECK_INT(mq_load_session(w->b, STR("s1"), &who, 100, 0), 0);
    CHECK_INT(mq_load_session(w->b, STR("s3"), &who, 100, w->us), 0);
    CHECK_INT(mq_load_session(w->b, STR("reader"), &who, 100, 0), 0);
    CHECK_INT(mq_load_sub(w->b, STR("u\nreader"), STR("w"), 1, 0), 0);
    CHECK_INT(mq_load_will(w->b, STR("s1"), &who, &m, 0, 5, 0), 0);
    m.payload = STR("2");
    CHECK_INT(mq_load_will(w->b, STR("none"), &who, &m, 0, 5, 0), 0);
    m.payload = STR("3");
    CHECK_INT(mq_load_will(w->b, STR("s3"), &who, &m, 0, 60, w->us + 2000000), 0);
    pass(w, 0.01);
    struct mqtt_packet reader = {.version = 5, .client_id = STR("reader"), .user = STR("u"), .has_user = true};
    mqtt_num_set(&reader.props, MQTT_N_SESSION_EXPIRY, 100);
    connect_as(w, &b, reader);
    CHECK_INT(got_type(&b), MQTT_CONNACK);
    REQUIRE(get(&b, &p));
    CHECK_STR(p.payload, "2");
    CHECK(mq_session_find(w->b, STR("u\nnone")) == NULL);
    pass(w, 2.5);
    REQUIRE(get(&b, &p));
    CHECK_STR(p.payload, "3");
    CHECK(!get(&b, &p));
    pass(w, 3);
    CHECK(!get(&b, &p)); /* two are under way at most */
    lose(&b);
    mq_broker_free(w->b);
}

TEST(rules_that_change_end_subscriptions_and_withhold_messages)
{
    struct world *w = world();
    struct client a, d;
    struct mqtt_packet p;
    REQUIRE(w);
    connect_as(
        w, &a,
        (struct mqtt_packet){.version = 4, .clean = true, .client_id = STR("a"), .user = STR("u"), .has_user = true});
    CHECK_INT(got_type(&a), MQTT_CONNACK);
    CHECK_INT(subscribe(&a, "t/#", 0), 0);
    mq_publish(w->b, STR("t/withheld"), STR("1"), 0, false);
    REQUIRE(get(&a, &p));
    mq_withholds(w->b, true);
    mq_publish(w->b, STR("t/withheld"), STR("2"), 0, false);
    mq_publish(w->b, STR("t/x"), STR("3"), 0, false);
    REQUIRE(get(&a, &p));
    CHECK_STR(p.payload, "3");
    denied_all = true;
    mq_recheck(w->b);
    denied_all = false;
    mq_publish(w->b, STR("t/x"), STR("4"), 0, false);
    CHECK(!get(&a, &p));
    connect_as(w, &d,
               (struct mqtt_packet){
                   .version = 4, .clean = true, .client_id = STR("d"), .user = STR("dev1"), .has_user = true});
    CHECK_INT(got_type(&d), MQTT_CONNACK);
    CHECK_INT(mq_send_now(w->b, "dev1", STR("$me/dev1/rpc/request/1"), STR("x")), 0);
    CHECK_INT(subscribe(&d, "v1/devices/me/rpc/request/+", 1), 1);
    CHECK_INT(mq_send_now(w->b, "dev1", STR("$me/dev1/rpc/request/1"), STR("x")), 1);
    REQUIRE(get(&d, &p));
    CHECK_STR(p.topic, "v1/devices/me/rpc/request/1");
    CHECK_INT(p.qos, 0);
    lose(&a);
    lose(&d);
    mq_broker_free(w->b);
}

TEST(shared_subscriptions_and_no_local)
{
    struct world *w = world();
    struct client a, s[3];
    struct mqtt_packet p;
    char name[3][2] = {"1", "2", "3"};
    int count[3] = {0};
    join(w, &a, 5, "a", true, 0);
    for (int i = 0; i < 3; i++) {
        join(w, &s[i], 5, name[i], true, 0);
        CHECK_INT(subscribe(&s[i], "$share/g/t/+", 0), 0);
    }
    for (int i = 0; i < 30; i++) publish(&a, "t/x", "m", 0, 0, false);
    for (int i = 0; i < 3; i++)
        while (get(&s[i], &p)) count[i]++;
    CHECK(count[0] == 10 && count[1] == 10 && count[2] == 10);
    for (int i = 0; i < 3; i++) lose(&s[i]);
    subscribe_with(&a, (struct mqtt_item){.filter = STR("t/#"), .no_local = true}, 0);
    CHECK(get(&a, &p) && p.type == MQTT_SUBACK);
    publish(&a, "t/x", "m", 0, 0, false);
    CHECK(!get(&a, &p));
    lose(&a);
    CHECK_INT(w->b->trie.nodes, 0);
    mq_broker_free(w->b);
}

TEST(rights_limits_and_aliases)
{
    struct world *w = world();
    struct client a, s;
    struct mqtt_packet p;
    join(w, &a, 5, "a", true, 0);
    join(w, &s, 4, "s", true, 0);
    CHECK_INT(subscribe(&a, "secret/#", 1), MQTT_NOT_AUTHORIZED);
    CHECK_INT(subscribe(&s, "secret/#", 1), 0x80);
    CHECK_INT(subscribe(&a, "$SYS/#", 1), MQTT_NOT_AUTHORIZED);
    CHECK_INT(subscribe(&a, "a#", 1), MQTT_FILTER);
    publish(&a, "secret", "x", 1, 1, false);
    CHECK(get(&a, &p) && p.code == MQTT_NOT_AUTHORIZED);
    publish(&s, "secret", "x", 1, 1, false);
    CHECK(get(&s, &p) && p.type == MQTT_PUBACK); /* 3.1.1 has no code: acknowledged, counted */
    CHECK_INT(w->b->stats.denied, 4);
    CHECK_INT(subscribe(&s, "al", 0), 0);
    struct mqtt_packet q = {.type = MQTT_PUBLISH, .topic = STR("al"), .payload = STR("1")};
    mqtt_num_set(&q.props, MQTT_N_ALIAS, 2);
    put(&a, &q);
    q.topic = STR("");
    put(&a, &q);
    CHECK(get(&s, &p) && get(&s, &p));
    CHECK_STR(p.topic, "al");
    mqtt_num_set(&q.props, MQTT_N_ALIAS, 1);
    put(&a, &q);
    CHECK(get(&a, &p) && p.type == MQTT_DISCONNECT && p.code == MQTT_ALIAS);
    lose(&a);
    join(w, &a, 5, "a", true, 0);
    w->ingest = MQ_TAKEN;
    for (uint16_t i = 1; i <= 5; i++) publish(&a, "in/x", "x", 1, i, false);
    CHECK(get(&a, &p) && p.type == MQTT_DISCONNECT && p.code == MQTT_RECEIVE_MAXIMUM);
    release(w, true);
    lose(&a);
    lose(&s);
    mq_broker_free(w->b);
}

TEST(flow_control_and_expiry)
{
    struct world *w = world();
    struct client a, s;
    struct mqtt_packet p, c = {.version = 5, .client_id = STR("s"), .clean = true};
    mqtt_num_set(&c.props, MQTT_N_RECEIVE_MAXIMUM, 1);
    mqtt_num_set(&c.props, MQTT_N_MAXIMUM_PACKET, 40);
    connect_as(w, &s, c);
    CHECK(get(&s, &p));
    subscribe(&s, "t", 1);
    join(w, &a, 5, "a", true, 0);
    struct mqtt_packet q = {.type = MQTT_PUBLISH, .topic = STR("t"), .payload = STR("1"), .qos = 1, .id = 1};
    put(&a, &q);
    mqtt_num_set(&q.props, MQTT_N_EXPIRY, 5);
    put(&a, &q);
    put(&a, &q);
    CHECK(get(&s, &p) && !get(&s, &((struct mqtt_packet){0})));
    ack(&s, MQTT_PUBACK, p.id);
    CHECK(get(&s, &p) && p.props.num[MQTT_N_EXPIRY] == 6 - 0);
    w->ns += 6000000000u;
    mq_time(w->b, w->ns, w->us);
    ack(&s, MQTT_PUBACK, p.id);
    CHECK(!get(&s, &p));
    CHECK_INT(w->b->stats.expired, 1);
    publish(&a, "t", "0123456789012345678901234567890123456789", 1, 9, false); /* too large for this peer */
    CHECK(!get(&s, &p));
    CHECK_INT(s.l.s->dropped, 1);
    lose(&a);
    lose(&s);
    mq_broker_free(w->b);
}

TEST(me_is_ones_own)
{
    struct world *w = world();
    struct client a, b;
    struct mqtt_packet p;
    connect_as(w, &a, (struct mqtt_packet){.version = 4, .client_id = STR("x"), .clean = true, .user = STR("dev1")});
    connect_as(w, &b, (struct mqtt_packet){.version = 4, .client_id = STR("x"), .clean = true, .user = STR("dev2")});
    CHECK(get(&a, &p) && get(&b, &p));
    subscribe(&a, "v1/devices/me/attributes", 1);
    subscribe(&b, "v1/devices/me/attributes", 1);
    char topic[MQTT_LEVELS_MAX * 2];
    mq_publish(w->b, mq_me_topic(topic, "dev1", "attributes"), STR("{}"), 0, false);
    CHECK(get(&a, &p));
    CHECK_STR(p.topic, "v1/devices/me/attributes");
    CHECK(!get(&b, &p));
    lose(&a);
    lose(&b);
    mq_broker_free(w->b);
}

TEST(what_breaks_the_protocol_ends_the_link)
{
    struct world *w = world();
    struct client a;
    struct mqtt_packet p;
    size_t used;
    memset(&a, 0, sizeof a);
    a.version = 4;
    mq_link_open(w->b, &a.l);
    mq_input(&a.l, (const uint8_t *)"\xc0\x00", 2, &used);
    CHECK(a.l.ended && a.l.why == MQTT_PROTOCOL);
    lose(&a);
    memset(&a, 0, sizeof a);
    a.version = 4;
    mq_link_open(w->b, &a.l);
    mq_input(&a.l, (const uint8_t *)"\x10\x0d\x00\x04MQTT\x09\x02\x00\x0a\x00\x01x", 15, &used);
    CHECK(get(&a, &p) && p.type == MQTT_CONNACK && p.code == 1 && a.l.ended);
    lose(&a);
    memset(&a, 0, sizeof a);
    mq_link_open(w->b, &a.l);
    mq_input(&a.l, (const uint8_t *)"\x10\xff\xff\x7f", 4, &used); /* 2 MB before it is known */
    CHECK(a.l.ended && a.l.why == MQTT_TOO_LARGE);
    lose(&a);
    mq_broker_free(w->b);
}

TEST(a_connect_that_comes_byte_by_byte_is_not_awaited_for_ever)
{
    struct world *w = world();
    struct client a;
    size_t used;
    memset(&a.l, 0, sizeof a.l);
    mq_link_open(w->b, &a.l);
    for (int i = 0; i < 12 && !a.l.ended; i++) {
        mq_input(&a.l, (const uint8_t *)"\x10\x7f", 2, &used);
        CHECK_INT(used, 0);
        pass(w, 1);
    }
    CHECK(a.l.ended && a.l.why == MQTT_KEEP_ALIVE);
    lose(&a);
    mq_broker_free(w->b);
}

TEST(retained_messages_expire)
{
    struct world *w = world();
    struct client a, s;
    struct mqtt_packet p, q = {.type = MQTT_PUBLISH, .topic = STR("r"), .payload = STR("1"), .retain = true};
    join(w, &a, 5, "a", true, 0);
    join(w, &s, 5, "s", true, 0);
    a.l.keep_alive = s.l.keep_alive = 0;
    mqtt_num_set(&q.props, MQTT_N_EXPIRY, 5);
    put(&a, &q);
    CHECK_INT(subscribe(&s, "r", 0), 0);
    CHECK(get(&s, &p) && p.props.num[MQTT_N_EXPIRY] == 6);
    w->ns += 5000000000u;
    mq_time(w->b, w->ns, w->us);
    CHECK_INT(subscribe(&s, "r", 0), 0);
    CHECK(!get(&s, &p));
    pass(w, 1);
    CHECK_INT(w->b->retained.n, 0);
    CHECK_INT(w->b->retained.bytes, 0);
    CHECK_INT(w->kept[w->nkept - 1].op, MQ_DROP_RETAINED);
    lose(&a);
    lose(&s);
    mq_broker_free(w->b);
}

static uint8_t ended_by(struct world *w, const struct mqtt_packet *p)
{
    struct client c;
    struct mqtt_packet got;
    join(w, &c, 5, "c", true, 0);
    put(&c, p);
    uint8_t code = get(&c, &got) && got.type == MQTT_DISCONNECT ? got.code : 0;
    lose(&c);
    return code;
}

TEST(what_no_client_may_send_ends_its_connection)
{
    struct world *w = world();
    struct buf b;
    struct mqtt_packet pub = {.type = MQTT_PUBLISH, .topic = STR("t")}, sub = {.type = MQTT_SUBSCRIBE, .id = 1};
    mqtt_num_set(&pub.props, MQTT_N_SUBSCRIPTION_ID, 7);
    CHECK_INT(ended_by(w, &pub), MQTT_PROTOCOL);
    buf_init(&b, 1 << 20);
    mqtt_item_write(MQTT_SUBSCRIBE, &b, &(struct mqtt_item){.filter = STR("$share/g/t"), .no_local = true});
    sub.items = buf_view(&b);
    CHECK_INT(ended_by(w, &sub), MQTT_PROTOCOL);
    buf_clear(&b);
    for (unsigned i = 0; i <= mq_defaults.subscriptions; i++)
        mqtt_item_write(MQTT_SUBSCRIBE, &b, &(struct mqtt_item){.filter = STR("#")});
    sub.items = buf_view(&b);
    CHECK_INT(ended_by(w, &sub), MQTT_QUOTA);
    buf_fini(&b);
    mq_broker_free(w->b);
}

TEST(who_makes_us_look_at_too_much_that_is_retained_rests)
{
    struct world *w = world();
    struct client a, s;
    struct mqtt_packet p;
    char topic[16];
    join(w, &a, 5, "a", true, 0);
    join(w, &s, 5, "s", true, 0);
    a.l.keep_alive = s.l.keep_alive = 0;
    for (int i = 0; i < 3000; i++) {
        snprintf(topic, sizeof topic, "r/%d", i);
        publish(&a, topic, "x", 0, 0, true);
    }
    unsigned packets = 0;
    while (!s.l.resting && packets < 5000) {
        s.l.out.n = s.read = 0;
        subscribe(&s, "none/+", 0);
        packets++;
    }
    CHECK(packets > 500 && packets < 2000);
    size_t used;
    mq_input(&s.l, (const uint8_t *)"\xc0", 2, &used);
    CHECK_INT(used, 0);
    pass(w, 1);
    mq_input(&s.l, (const uint8_t *)"\xc0", 2, &used);
    CHECK_INT(used, 2);
    CHECK(get(&s, &p) && p.type == MQTT_PINGRESP);
    subscribe(&s, "r/+", 0);
    unsigned n = 0;
    while (get(&s, &p)) n++;
    CHECK_INT(n, 3000);
    lose(&a);
    lose(&s);
    mq_broker_free(w->b);
}

TEST(ids_of_qos_2_that_are_not_released_cost_nothing)
{
    struct world *w = world();
    struct client a;
    join(w, &a, 4, "a", true, 0);
    a.l.keep_alive = 0;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 1; i <= 2000; i++) publish(&a, "t", "x", 2, (uint16_t)i, false);
        for (unsigned i = 1; i <= 2000; i++) publish(&a, "t", "x", 2, (uint16_t)i, false); /* again */
        CHECK_INT(a.l.s->ngot, 2000);
        for (unsigned i = 2000; i > 0; i--) ack(&a, MQTT_PUBREL, (uint16_t)i);
        CHECK(a.l.s->ngot == 0 && !a.l.s->got_map);
        ack(&a, MQTT_PUBREL, 7);
    }
    CHECK(!a.l.ended);
    lose(&a);
    mq_broker_free(w->b);
}

TEST(sessions_of_who_is_away_make_room)
{
    struct world *w = world();
    struct client a, b, c, d;
    struct mqtt_packet p, again = {.version = 5, .client_id = STR("d"), .clean = true};
    w->b->lim.sessions = 3;
    join(w, &a, 5, "first", false, 1000);
    lose(&a);
    pass(w, 1);
    join(w, &a, 5, "second", false, 1000);
    lose(&a);
    join(w, &a, 5, "a", true, 0);
    join(w, &b, 5, "b", true, 0);
    CHECK_INT(w->b->nsessions, 3);
    CHECK(join(w, &c, 5, "second", false, 1000)); /* the first was away longer */
    connect_as(w, &d, again);                     /* all are here */
    CHECK(get(&d, &p) && p.type == MQTT_CONNACK && p.code == MQTT_QUOTA);
    lose(&d);
    lose(&a);
    lose(&b);
    lose(&c);
    mq_broker_free(w->b);
}
