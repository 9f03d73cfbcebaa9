/* mq_link.c - a connection: packets in, one handler a type. A link that is ended takes nothing more; its session is
 * let go at once, so that a client that comes back finds it free. */
#include "modules/mqtt/broker_int.h"

/* ---- life ---- */

struct mq_link *mq_links(const struct mq_broker *b)
{
    return b->links;
}

void mq_link_open(struct mq_broker *b, struct mq_link *l)
{
    l->b = b;
    l->heard_ns = l->opened_ns = b->now_ns;
    l->opened_us = b->now_us;
    l->max_packet = UINT32_MAX;
    l->receive_maximum = UINT16_MAX;
    buf_init(&l->out, 64u << 20);
    l->next = b->links;
    if (b->links) b->links->prev = l;
    b->links = l;
    b->nlinks++;
}

static void unlist(struct mq_link *l)
{
    if (l->prev) l->prev->next = l->next;
    if (l->next) l->next->prev = l->prev;
    if (l->b->links == l) l->b->links = l->next;
    l->next = l->prev = NULL;
    l->b->nlinks--;
}

/* The session without this connection: its will, its end if it does not persist. */
static void let_go(struct mq_link *l)
{
    struct mq_session *s = l->s;
    if (!s) return;
    l->s = NULL;
    s->link = NULL;
    s->gone_ns = l->b->now_ns;
    if (l->polite) mq_will_set(s, NULL, 0);
    mq_session_will(s, !mq_session_persists(s));
    if (mq_session_persists(s))
        mq_session_keep(s);
    else
        mq_session_drop(s);
}

static void say_end(struct mq_link *l, uint8_t reason, const char *en)
{
    struct mqtt_packet p = {.type = MQTT_DISCONNECT, .code = reason};
    if (l->version != MQTT_5 || !l->s || l->out.n > 1u << 20) return;
    if (l->problem_info) mqtt_text_set(&p.props, MQTT_T_REASON, str_of(en));
    if (mqtt_size(MQTT_5, &p) <= l->max_packet) mqtt_write(&l->out, MQTT_5, &p);
}

void mq_end(struct mq_link *l, uint8_t reason, const char *en, const char *zh)
{
    if (l->ended) return;
    say_end(l, reason, en);
    l->ended = true;
    l->why = reason;
    l->end_en = en;
    l->end_zh = zh;
    let_go(l);
    mq_link_wake(l);
}

struct mq_held { /* a SUBSCRIBE or UNSUBSCRIBE whose answer waits until it is on disk */
    struct mq_held *next;
    uint8_t type; /* of the answer */
    uint16_t id;
    uint32_t number;
    struct buf codes, fresh, items;
};

static void held_free(struct mq_held *h)
{
    buf_fini(&h->codes);
    buf_fini(&h->fresh);
    buf_fini(&h->items);
    mem_free(h);
}

static void drop_held(struct mq_link *l)
{
    while (l->held) {
        struct mq_held *h = l->held;
        l->held = h->next;
        held_free(h);
    }
}

void mq_link_lost(struct mq_link *l)
{
    let_go(l);
    l->ended = true;
    unlist(l);
    for (unsigned i = 0; l->aliases && i < l->b->lim.aliases; i++) mem_free(l->aliases[i]);
    mem_free(l->aliases);
    l->aliases = NULL;
    buf_fini(&l->out);
    drop_held(l);
}

/* ---- CONNECT ---- */

static void refuse_connect(struct mq_link *l, uint8_t reason, const char *en, const char *zh)
{
    struct mqtt_packet p = {.type = MQTT_CONNACK, .code = reason};
    l->b->stats.refused++;
    if (l->version == MQTT_5)
        mqtt_text_set(&p.props, MQTT_T_REASON, str_of(en));
    else
        p.code = mqtt_return_code(reason);
    if (l->version) mqtt_write(&l->out, l->version, &p);
    mq_end(l, reason, en, zh);
}

static uint32_t num_or(const struct mqtt_props *p, enum mqtt_num n, uint32_t def)
{
    (void)mqtt_num_get(p, n, &def);
    return def;
}

static void take_settings(struct mq_link *l, const struct mqtt_packet *p)
{
    l->version = p->version;
    l->bridge = p->bridge;
    l->keep_alive = p->keep_alive;
    l->problem_info = true;
    if (p->version != MQTT_5) return;
    l->max_packet = num_or(&p->props, MQTT_N_MAXIMUM_PACKET, UINT32_MAX);
    l->receive_maximum = (uint16_t)num_or(&p->props, MQTT_N_RECEIVE_MAXIMUM, UINT16_MAX);
    l->problem_info = num_or(&p->props, MQTT_N_PROBLEM_INFO, 1);
}

static uint32_t session_expiry(const struct mq_link *l, const struct mqtt_packet *p)
{
    uint32_t most = l->b->lim.session_expiry_s;
    uint32_t want = p->version != MQTT_5 ? (p->clean ? 0 : most) : num_or(&p->props, MQTT_N_SESSION_EXPIRY, 0);
    return want < most ? want : most;
}

static const char *client_id_fault(struct mq_link *l, const struct mqtt_packet *p, const char **zh)
{
    *zh = "客户端标识过长或含控制字符";
    if (p->client_id.n > l->b->lim.client_id) return "the client id is too long or holds control characters";
    for (size_t i = 0; i < p->client_id.n; i++)
        if ((unsigned char)p->client_id.p[i] < ' ') return "the client id is too long or holds control characters";
    *zh = "空客户端标识须使用新会话";
    return !p->client_id.n && p->version != MQTT_5 && !p->clean ? "an empty client id needs a clean session" : NULL;
}

/* Topics that begin with $ are the broker's own; bridges tell there that they are connected. */
static bool closed(const struct mq_who *who, struct str topic)
{
    if (!topic.n || topic.p[0] != '$') return false;
    return who->role != MQ_USER || !str_starts(topic, STR("$SYS/broker/connection/"));
}

static int make_will(struct mq_link *l, const struct mqtt_packet *p, struct mq_message **ret)
{
    char inside[1024];
    struct buf props;
    struct str topic = mq_me_inside(&l->who, p->will_topic, inside, sizeof inside);
    *ret = NULL;
    if (!p->has_will) return 0;
    if (!topic.p || closed(&l->who, p->will_topic) || !l->b->ops->may(l->b->ctx, &l->who, true, p->will_topic))
        return -MQTT_NOT_AUTHORIZED;
    buf_init(&props, 1u << 20);
    mqtt_props_forward(p->will_props.raw, &props);
    /* the delay is the broker's own business */
    struct str forward = buf_view(&props);
    struct buf kept;
    buf_init(&kept, 1u << 20);
    struct mqtt_prop v;
    for (const char *from = forward.p; mqtt_prop_next(&forward, &v) == 1; from = forward.p)
        if (v.id != 0x18) buf_add(&kept, from, (size_t)(forward.p - from));
    struct mq_message *m = kept.err || props.err ? NULL : mq_msg_new(topic, buf_view(&kept), p->will_payload);
    buf_fini(&kept);
    buf_fini(&props);
    if (!m) return -MQTT_UNSPECIFIED;
    m->qos = p->will_qos;
    m->retain = p->will_retain;
    m->expires_ns = (uint64_t)num_or(&p->will_props, MQTT_N_EXPIRY, 0) * 1000000000u;
    *ret = m;
    return 0;
}

static void made_id(struct mq_link *l, char out[32])
{
    snprintf(out, 32, "auto-%llx-%llx", (unsigned long long)l->b->now_us, (unsigned long long)l->b->numbers + 1);
}

/* The session that this client finds or gets; NULL: no room. */
static struct mq_session *find_session(struct mq_link *l, const struct mqtt_packet *p, struct str id, bool *present)
{
    struct mq_broker *b = l->b;
    char key[37 + 1 + 1024];
    int n = snprintf(key, sizeof key, "%s\n%.*s", l->who.id, STR_ARG(id));
    struct mq_session *s = mq_session_get(b, str_make(key, (size_t)n));
    if (s && s->link) mq_end(s->link, MQTT_TAKEN_OVER, "the client has connected again", "客户端已重新连接");
    s = mq_session_get(b, str_make(key, (size_t)n)); /* it may have ended with its connection */
    if (s && p->clean) {
        mq_session_drop(s);
        s = NULL;
    }
    *present = s != NULL;
    if (s) return s;
    if (b->nsessions >= b->lim.sessions) mq_session_make_room(b);
    return b->nsessions < b->lim.sessions ? mq_session_new(b, &l->who, id) : NULL;
}

static void answer_connect(struct mq_link *l, const struct mqtt_packet *p, const char *assigned, bool present)
{
    struct mqtt_packet a = {.type = MQTT_CONNACK, .session_present = present};
    const struct mq_limits *lim = &l->b->lim;
    if (l->version == MQTT_5) {
        mqtt_num_set(&a.props, MQTT_N_RECEIVE_MAXIMUM, lim->receive_maximum);
        mqtt_num_set(&a.props, MQTT_N_ALIAS_MAXIMUM, lim->aliases);
        mqtt_num_set(&a.props, MQTT_N_MAXIMUM_PACKET, (uint32_t)lim->packet);
        if (num_or(&p->props, MQTT_N_SESSION_EXPIRY, 0) != l->s->expiry_s)
            mqtt_num_set(&a.props, MQTT_N_SESSION_EXPIRY, l->s->expiry_s);
        if (assigned) mqtt_text_set(&a.props, MQTT_T_ASSIGNED_ID, str_of(assigned));
    }
    if (mqtt_size(l->version, &a) > l->max_packet)
        return mq_end(l, MQTT_TOO_LARGE, "the answer is larger than the client takes", "应答超过客户端的最大报文长度");
    mqtt_write(&l->out, l->version, &a);
    mq_link_wake(l);
}

static void on_connect(struct mq_link *l, const struct mqtt_packet *p)
{
    const char *zh, *fault;
    char made[32];
    struct mq_message *will;
    bool present;
    if (l->s) {
        mq_end(l, MQTT_PROTOCOL, "CONNECT came twice", "重复的 CONNECT");
        return;
    }
    take_settings(l, p);
    if ((fault = client_id_fault(l, p, &zh))) return refuse_connect(l, MQTT_CLIENT_ID, fault, zh);
    if ((p->props.texts >> MQTT_T_AUTH_DATA & 1) && !(p->props.texts >> MQTT_T_AUTH_METHOD & 1))
        return refuse_connect(l, MQTT_PROTOCOL, "authentication data without a method", "有认证数据但没有认证方法");
    if (p->props.texts >> MQTT_T_AUTH_METHOD & 1)
        return refuse_connect(l, MQTT_AUTH_METHOD, "enhanced authentication is not offered", "不支持增强认证");
    uint8_t code = l->b->ops->login(l->b->ctx, l, p, &l->who);
    if (code) return refuse_connect(l, code, mqtt_reason_words(code, false), mqtt_reason_words(code, true));
    int rc = make_will(l, p, &will);
    if (rc) return refuse_connect(l, (uint8_t)-rc, "the will's topic is not permitted", "无权发布遗嘱主题");
    if (!p->client_id.n) made_id(l, made);
    struct mq_session *s = find_session(l, p, p->client_id.n ? p->client_id : str_of(made), &present);
    if (!s) {
        mq_msg_unref(will);
        return refuse_connect(l, MQTT_QUOTA, "there are too many sessions", "会话过多");
    }
    s->link = l;
    l->s = s;
    s->who = l->who;
    mq_will_set(s, will, num_or(&p->will_props, MQTT_N_WILL_DELAY, 0));
    bool persisted = mq_session_persists(s);
    s->expiry_s = session_expiry(l, p);
    if (mq_session_persists(s))
        mq_session_keep(s);
    else if (persisted)
        mq_broker_keep(l->b, &(struct mq_keep){.op = MQ_DROP_SESSION, .session = s}, NULL);
    if (present) mq_session_recheck(s); /* what was permitted then may not be now */
    answer_connect(l, p, p->client_id.n ? NULL : made, present);
    if (!l->ended) mq_out_resend(s);
}

/* ---- PUBLISH ---- */

static bool take_alias(struct mq_link *l, struct mqtt_packet *p)
{
    uint32_t a;
    if (l->version != MQTT_5 || !mqtt_num_get(&p->props, MQTT_N_ALIAS, &a)) return true;
    bool known = a <= l->b->lim.aliases && (p->topic.n || (l->aliases && l->aliases[a - 1]));
    if (known && !l->aliases) l->aliases = mem_calloc(l->b->lim.aliases, sizeof *l->aliases);
    if (!known || !l->aliases) {
        mq_end(l, MQTT_ALIAS, "there is no such topic alias", "主题别名不存在");
        return false;
    }
    char **at = &l->aliases[a - 1];
    if (!p->topic.n) {
        p->topic = str_of(*at);
        return true;
    }
    char *copy = mem_alloc(p->topic.n + 1);
    if (!copy) return true; /* the next packet that uses it is refused */
    memcpy(copy, p->topic.p, p->topic.n);
    copy[p->topic.n] = '\0';
    mem_free(*at);
    *at = copy;
    return true;
}

static void keep_got(struct mq_session *s, uint16_t id, enum mq_keep_op op)
{
    if (mq_session_persists(s)) mq_broker_keep(s->b, &(struct mq_keep){.op = op, .session = s, .number = id}, NULL);
}

static bool add_got(struct mq_session *s, uint16_t id)
{
    bool added = mq_got_add(s, id);
    if (added) keep_got(s, id, MQ_KEEP_RECEIVED);
    return added;
}

static bool drop_got(struct mq_session *s, uint16_t id)
{
    bool known = mq_got_drop(s, id);
    if (known) keep_got(s, id, MQ_DROP_RECEIVED);
    return known;
}

/* To whom subscribes, and into the retained ones. */
static uint8_t spread(struct mq_link *l, const struct mqtt_packet *p)
{
    struct mq_broker *b = l->b;
    char inside[1024];
    struct buf props;
    uint32_t expiry;
    struct str topic = mq_me_inside(&l->who, p->topic, inside, sizeof inside);
    if (!topic.p) return MQTT_TOPIC;
    if (!b->trie.subs && !p->retain) return l->version == MQTT_5 && p->qos ? MQTT_NO_SUBSCRIBERS : 0;
    buf_init(&props, 1u << 20);
    if (l->version == MQTT_5) mqtt_props_forward(p->props.raw, &props);
    struct mq_message *m = props.err ? NULL : mq_msg_new(topic, buf_view(&props), p->payload);
    buf_fini(&props);
    if (!m) return MQTT_UNSPECIFIED;
    m->qos = p->qos;
    m->retain = p->retain;
    m->from = l->s->number;
    if (l->version == MQTT_5 && mqtt_num_get(&p->props, MQTT_N_EXPIRY, &expiry))
        m->expires_ns = b->now_ns + (uint64_t)expiry * 1000000000u;
    mq_broker_route(b, m);
    bool met = b->nhits > 0;
    if (p->retain) mq_broker_retain(b, m);
    mq_msg_unref(m);
    return met || l->version != MQTT_5 || !p->qos ? 0 : MQTT_NO_SUBSCRIBERS;
}

static void acknowledge(struct mq_link *l, uint8_t qos, uint16_t id, uint8_t code, bool durable)
{
    uint8_t type = qos == 1 ? MQTT_PUBACK : MQTT_PUBREC;
    if (!qos) return;
    if (l->version != MQTT_5) code = 0;
    if (durable && !l->pending) {
        mqtt_write_ack(&l->out, l->version, type, id, code);
        mq_link_wake(l);
    } else {
        l->pending++;
        l->b->ops->later(l->b->ctx, l, type, id, code);
    }
}

static void published(struct mq_link *l, const struct mqtt_packet *p, int rc)
{
    uint8_t code = rc < 0 ? (uint8_t)-rc : 0;
    if (code == MQTT_NOT_AUTHORIZED) l->b->stats.denied++;
    if (p->qos == 2 && code < 0x80 && !mq_got_has(l->s, p->id) && !add_got(l->s, p->id)) code = MQTT_UNSPECIFIED;
    acknowledge(l, p->qos, p->id, code, rc != MQ_TAKEN && !l->b->kept);
}

static int take_publish(struct mq_link *l, const struct mqtt_packet *p)
{
    struct mq_broker *b = l->b;
    if (closed(&l->who, p->topic) || !b->ops->may(b->ctx, &l->who, true, p->topic)) {
        if (b->ops->denied) b->ops->denied(b->ctx, l, p);
        return -MQTT_NOT_AUTHORIZED;
    }
    int rc = b->ops->ingest(b->ctx, l, p);
    if (rc < 0) return rc;
    if (rc != MQ_PASS && mq_is_own(&l->who, p->topic)) return rc; /* said to the platform, not to the device itself */
    uint8_t code = spread(l, p);
    return rc != MQ_PASS ? rc : code ? -code : MQ_PASS;
}

static void on_publish(struct mq_link *l, struct mqtt_packet *p)
{
    struct mq_broker *b = l->b;
    l->n_in++;
    b->stats.received++;
    b->kept = false;
    if (p->props.nums >> MQTT_N_SUBSCRIPTION_ID & 1)
        return mq_end(l, MQTT_PROTOCOL, "a client does not send a subscription id", "客户端发布不应带订阅标识");
    if (!take_alias(l, p)) return;
    if (p->qos && l->pending + l->s->ngot >= b->lim.receive_maximum && !(p->qos == 2 && mq_got_has(l->s, p->id))) {
        if (l->version == MQTT_5)
            return mq_end(l, MQTT_RECEIVE_MAXIMUM, "more messages than the receive maximum",
                          "未确认消息数超过接收最大值");
        if (l->s->ngot >= 65000)
            return mq_end(l, MQTT_RECEIVE_MAXIMUM, "too many messages are not released", "未释放消息过多");
    }
    if (p->qos == 2 && mq_got_has(l->s, p->id)) { /* again: the peer has not seen our PUBREC */
        acknowledge(l, 2, p->id, 0, true);
        return;
    }
    int rc = take_publish(l, p);
    if (l->ended) return;
    if (rc == MQ_PAUSED) {
        l->paused = true;
        return;
    }
    published(l, p, rc);
}

void mq_resume(struct mq_link *l, uint8_t qos, uint16_t id, uint8_t code)
{
    struct mqtt_packet p = {.qos = qos, .id = id};
    l->paused = false;
    l->heard_ns = l->b->now_ns;
    if (!l->s) return;
    l->b->kept = false;
    published(l, &p, code ? -code : MQ_TAKEN);
}

static void held_answer(struct mq_link *l);

void mq_acked(struct mq_link *l, uint8_t type, uint16_t id, uint8_t code, bool ok)
{
    l->pending--;
    if (!l->s) return;
    if (ok && (type == MQTT_SUBACK || type == MQTT_UNSUBACK)) {
        held_answer(l);
        return;
    }
    if (!ok) {
        if (type == MQTT_PUBREC) (void)drop_got(l->s, id);
        mq_end(l, MQTT_BUSY, "the message cannot be stored now", "消息暂时无法保存");
        return;
    }
    mqtt_write_ack(&l->out, l->version, type, id, code);
    mq_link_wake(l);
}

static void on_pubrel(struct mq_link *l, struct mqtt_packet *p)
{
    bool known = drop_got(l->s, p->id);
    mqtt_write_ack(&l->out, l->version, MQTT_PUBCOMP, p->id, known ? 0 : MQTT_ID_NOT_FOUND);
    mq_link_wake(l);
}

static void on_ack(struct mq_link *l, struct mqtt_packet *p)
{
    mq_out_ack(l, p);
}

/* ---- SUBSCRIBE ---- */

static uint8_t subscribe_one(struct mq_link *l, const struct mqtt_item *i, uint32_t number, bool *ret_new)
{
    char inside[1024];
    struct mqtt_item in = *i;
    struct str group, filter = i->filter;
    bool shared = mqtt_filter_ok(i->filter) && mqtt_share(i->filter, &group, &filter);
    *ret_new = false;
    if (!mqtt_filter_ok(i->filter)) return MQTT_FILTER;
    if (closed(&l->who, filter)) return MQTT_NOT_AUTHORIZED;
    if (!l->b->ops->may(l->b->ctx, &l->who, false, filter)) {
        l->b->stats.denied++;
        return MQTT_NOT_AUTHORIZED;
    }
    in.filter = mq_me_inside(&l->who, i->filter, inside, sizeof inside);
    if (!in.filter.p) return MQTT_FILTER;
    if (l->bridge && !shared) in.no_local = in.as_published = true;
    int rc = mq_session_subscribe(l->s, &in, number, ret_new);
    return (uint8_t)(rc < 0 ? -rc : rc);
}

static void write_codes(struct mq_link *l, uint8_t type, uint16_t id, struct buf *codes)
{
    struct mqtt_packet a = {.type = type, .id = id, .items = buf_view(codes)};
    if (mqtt_size(l->version, &a) > l->max_packet)
        return mq_end(l, MQTT_TOO_LARGE, "the answer is larger than the client takes", "应答超过客户端的最大报文长度");
    mqtt_write(&l->out, l->version, &a);
    mq_link_wake(l);
}

/* What was subscribed is on disk, or need not be: the answer, then what is retained. */
static void answer_held(struct mq_link *l, struct mq_held *h)
{
    struct str rest = buf_view(&h->items), group, filter;
    struct mqtt_item i;
    write_codes(l, h->type, h->id, &h->codes);
    if (h->type != MQTT_SUBACK || l->ended) return;
    size_t n = 0;
    struct mqtt_item *wanted = mem_alloc((h->codes.n + 1) * sizeof *wanted);
    for (size_t k = 0; mqtt_item_next(MQTT_SUBSCRIBE, &rest, &i) == 1; k++) {
        bool want = i.retain_handling == 0 || (i.retain_handling == 1 && h->fresh.p[k]);
        if (h->codes.p[k] >= 0x80 || mqtt_share(i.filter, &group, &filter)) continue;
        if (want && wanted) wanted[n++] = i;
        if (l->b->ops->subscribed) l->b->ops->subscribed(l->b->ctx, l, i.filter);
    }
    mq_catch(l, wanted, n, h->number);
    mem_free(wanted);
}

static void held_answer(struct mq_link *l)
{
    struct mq_held *h = l->held;
    if (!h) return;
    l->held = h->next;
    answer_held(l, h);
    held_free(h);
}

static struct mq_held *held_new(uint8_t type, const struct mqtt_packet *p, uint32_t number)
{
    struct mq_held *h = mem_calloc(1, sizeof *h);
    if (!h) return NULL;
    h->type = type;
    h->id = p->id;
    h->number = number;
    buf_init(&h->codes, 65536);
    buf_init(&h->fresh, 65536);
    buf_init(&h->items, p->items.n);
    buf_str(&h->items, p->items);
    return h;
}

/* Sent now, or once the changes are on disk. Takes h. */
static void settle(struct mq_link *l, struct mq_held *h)
{
    if (h->codes.err || h->fresh.err || h->items.err) {
        mq_end(l, MQTT_QUOTA, "too many filters in one packet", "单个报文的过滤器过多");
        held_free(h);
        return;
    }
    if (!l->b->kept && !l->held) {
        answer_held(l, h);
        held_free(h);
        return;
    }
    struct mq_held **at = &l->held;
    while (*at) at = &(*at)->next;
    *at = h;
    l->pending++;
    l->b->ops->later(l->b->ctx, l, h->type, h->id, 0);
}

/* Each filter costs a look at what is retained: as many in one packet as a session may have. */
static bool too_many(struct mq_link *l, const struct mqtt_packet *p)
{
    struct str rest = p->items;
    struct mqtt_item i;
    size_t n = 0;
    while (n <= l->b->lim.subscriptions && mqtt_item_next(p->type, &rest, &i) == 1) n++;
    if (n <= l->b->lim.subscriptions) return false;
    mq_end(l, MQTT_QUOTA, "too many filters in one packet", "单个报文的过滤器过多");
    return true;
}

static bool shared_no_local(const struct mqtt_packet *p)
{
    struct str rest = p->items, group, filter;
    struct mqtt_item i;
    while (mqtt_item_next(MQTT_SUBSCRIBE, &rest, &i) == 1)
        if (i.no_local && mqtt_filter_ok(i.filter) && mqtt_share(i.filter, &group, &filter)) return true;
    return false;
}

static void on_subscribe(struct mq_link *l, struct mqtt_packet *p)
{
    struct str rest = p->items;
    struct mqtt_item i;
    uint32_t number = l->version == MQTT_5 ? num_or(&p->props, MQTT_N_SUBSCRIPTION_ID, 0) : 0;
    if (too_many(l, p)) return;
    if (shared_no_local(p))
        return mq_end(l, MQTT_PROTOCOL, "a shared subscription cannot be without the own messages (no local)",
                      "共享订阅不能设置 No Local");
    struct mq_held *h = held_new(MQTT_SUBACK, p, number);
    if (!h) return mq_end(l, MQTT_QUOTA, "no memory for the subscriptions", "内存不足，无法订阅");
    l->b->kept = false;
    while (mqtt_item_next(MQTT_SUBSCRIBE, &rest, &i) == 1) {
        bool is_new;
        uint8_t code = subscribe_one(l, &i, number, &is_new);
        buf_u8(&h->codes, code >= 0x80 && l->version != MQTT_5 ? 0x80 : code);
        buf_u8(&h->fresh, is_new);
    }
    settle(l, h);
}

static void on_unsubscribe(struct mq_link *l, struct mqtt_packet *p)
{
    struct str rest = p->items;
    struct mqtt_item i;
    if (too_many(l, p)) return;
    struct mq_held *h = held_new(MQTT_UNSUBACK, p, 0);
    if (!h) return mq_end(l, MQTT_QUOTA, "no memory for the subscriptions", "内存不足，无法退订");
    l->b->kept = false;
    while (mqtt_item_next(MQTT_UNSUBSCRIBE, &rest, &i) == 1) {
        char inside[1024];
        struct str filter = mq_me_inside(&l->who, i.filter, inside, sizeof inside);
        bool ok = mqtt_filter_ok(i.filter) && filter.p;
        buf_u8(&h->codes, !ok ? MQTT_FILTER : mq_session_unsubscribe(l->s, filter) ? 0 : MQTT_NO_SUBSCRIPTION);
    }
    settle(l, h);
}

/* ---- the rest ---- */

static void on_ping(struct mq_link *l, struct mqtt_packet *p)
{
    mqtt_write(&l->out, l->version, &(struct mqtt_packet){.type = MQTT_PINGRESP});
    mq_link_wake(l);
}

static void on_disconnect(struct mq_link *l, struct mqtt_packet *p)
{
    uint32_t expiry;
    if (l->version == MQTT_5 && mqtt_num_get(&p->props, MQTT_N_SESSION_EXPIRY, &expiry)) {
        if (expiry && !l->s->expiry_s)
            return mq_end(l, MQTT_PROTOCOL, "a session without expiry cannot get one at its end",
                          "会话断开时不能改为持久");
        bool drop = !expiry && mq_session_persists(l->s);
        if (drop) mq_broker_keep(l->b, &(struct mq_keep){.op = MQ_DROP_SESSION, .session = l->s}, NULL);
        l->s->expiry_s = expiry < l->b->lim.session_expiry_s ? expiry : l->b->lim.session_expiry_s;
    }
    l->polite = p->code != MQTT_WITH_WILL;
    l->ended = true;
    l->why = p->code;
    l->end_en = "the client has said goodbye";
    l->end_zh = "客户端主动断开";
    let_go(l);
    mq_link_wake(l);
}

static void on_wrong(struct mq_link *l, struct mqtt_packet *p)
{
    mq_end(l, MQTT_PROTOCOL, "a client does not send such a packet", "客户端不应发送该报文");
}

static void (*const handlers[16])(struct mq_link *l, struct mqtt_packet *p) = {
    [MQTT_CONNACK] = on_wrong,
    [MQTT_PUBLISH] = on_publish,
    [MQTT_PUBACK] = on_ack,
    [MQTT_PUBREC] = on_ack,
    [MQTT_PUBREL] = on_pubrel,
    [MQTT_PUBCOMP] = on_ack,
    [MQTT_SUBSCRIBE] = on_subscribe,
    [MQTT_SUBACK] = on_wrong,
    [MQTT_UNSUBSCRIBE] = on_unsubscribe,
    [MQTT_UNSUBACK] = on_wrong,
    [MQTT_PINGREQ] = on_ping,
    [MQTT_PINGRESP] = on_wrong,
    [MQTT_DISCONNECT] = on_disconnect,
    [MQTT_AUTH] = on_wrong,
};

static void handle(struct mq_link *l, struct mqtt_packet *p)
{
    if (p->type == MQTT_CONNECT)
        on_connect(l, p);
    else if (!l->s)
        mq_end(l, MQTT_PROTOCOL, "the first packet is not CONNECT", "首个报文不是 CONNECT");
    else
        handlers[p->type](l, p);
}

static void refuse_packet(struct mq_link *l, const struct mqtt_fault *why, bool connect)
{
    l->b->stats.refused++;
    if (connect && !l->s && why->code == MQTT_VERSION) {
        static const uint8_t old[] = {0x20, 2, 0, 1}; /* in the words of 3.1.1, as the peer's are not known */
        buf_add(&l->out, old, sizeof old);
    }
    mq_end(l, why->code, why->en, why->zh);
}

void mq_input(struct mq_link *l, const uint8_t *p, size_t n, size_t *ret_used)
{
    size_t used = 0, before = 16384; /* what is taken before CONNECT */
    l->heard_ns = l->b->now_ns;
    while (!l->ended && !l->paused && !l->resting && used < n) {
        struct mqtt_packet k;
        struct mqtt_head h;
        struct mqtt_fault why;
        int rc = mqtt_head(p + used, n - used, l->s ? l->b->lim.packet : before, &h, &why);
        if (rc == 0 || (rc == 1 && n - used < (size_t)h.size + h.length)) break;
        if (rc == 1) {
            if (h.first >> 4 == MQTT_CONNECT) memset(&k, 0, sizeof k);
            rc = mqtt_parse(l->version, &h, p + used + h.size, &k, &why);
        }
        if (rc < 0) {
            refuse_packet(l, &why, p[used] >> 4 == MQTT_CONNECT);
            break;
        }
        handle(l, &k);
        used += h.size + h.length;
    }
    *ret_used = used;
}

void mq_drained(struct mq_link *l)
{
    if (l->s) mq_out_pump(l->s);
}
