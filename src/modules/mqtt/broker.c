/* broker.c - the whole: life, routing, retained messages, wills, time. Packets: mq_link.c; the way out: mq_out.c. */
#include "modules/mqtt/broker_int.h"

#define SWEEP 16384 /* retained messages looked at each second */

const struct mq_limits mq_defaults = {.connections = 10000,
                                      .sessions = 100000,
                                      .subscriptions = 1000,
                                      .queue = 10000,
                                      .queue_bytes = 8u << 20,
                                      .retained = 100000,
                                      .retained_bytes = 64u << 20,
                                      .packet = 1u << 20,
                                      .client_id = 256,
                                      .receive_maximum = 1000,
                                      .aliases = 32,
                                      .inflight = 100,
                                      .session_expiry_s = 7 * 86400};

int mq_broker_new(const struct mq_limits *limits, const struct mq_ops *ops, void *ctx, struct mq_broker **ret)
{
    struct mq_broker *b = mem_calloc(1, sizeof *b);
    if (!b) return ERR_NOMEM;
    b->lim = limits ? *limits : mq_defaults;
    b->ops = ops;
    b->ctx = ctx;
    b->now_ns = 1;
    if (mq_trie_init(&b->trie)) {
        mq_trie_fini(&b->trie);
        mem_free(b);
        return ERR_NOMEM;
    }
    *ret = b;
    return 0;
}

void mq_broker_free(struct mq_broker *b)
{
    if (!b) return;
    for (size_t i = 0; i < b->nslots; i++)
        while (b->slots[i]) mq_session_free(b->slots[i]);
    mem_free(b->slots);
    mq_retained_fini(&b->retained);
    mq_trie_fini(&b->trie);
    mem_free(b->hits);
    mem_free(b);
}

void mq_time(struct mq_broker *b, uint64_t mono_ns, int64_t now_us)
{
    b->now_ns = mono_ns ? mono_ns : 1;
    b->now_us = now_us;
}

void mq_broker_keep(struct mq_broker *b, struct mq_keep *k, uint64_t *ret_handle)
{
    uint64_t handle = b->ops->keep(b->ctx, k);
    if (ret_handle) *ret_handle = handle;
    b->kept = true;
}

/* ---- topics of a device about itself ---- */

/* What each device has for itself: outside, and inside before its id. */
static const struct {
    const char *outside, *inside;
} own[] = {{"v1/devices/me/", "$me/"}, {"v1/gateway/", "$gateway/"}};
#define OWN (sizeof own / sizeof *own)

struct str mq_me_inside(const struct mq_who *w, struct str topic, char *out, size_t cap)
{
    for (size_t i = 0; i < OWN && w->role == MQ_DEVICE; i++) {
        struct str head = str_of(own[i].outside);
        if (!str_starts(topic, head)) continue;
        int n = snprintf(out, cap, "%s%s/%.*s", own[i].inside, w->id, STR_ARG(str_sub(topic, head.n, topic.n)));
        return n > 0 && (size_t)n < cap ? str_make(out, (size_t)n) : STR_NULL;
    }
    return topic;
}

bool mq_is_own(const struct mq_who *w, struct str topic)
{
    for (size_t i = 0; i < OWN && w->role == MQ_DEVICE; i++)
        if (str_starts(topic, str_of(own[i].outside))) return true;
    return false;
}

struct str mq_me_outside(const struct mq_who *w, struct str topic, char *out, size_t cap)
{
    for (size_t i = 0; i < OWN && topic.n && topic.p[0] == '$'; i++) {
        struct str head = str_of(own[i].inside);
        size_t skip = head.n + strlen(w->id) + 1;
        if (!str_starts(topic, head) || topic.n < skip) continue;
        int n = snprintf(out, cap, "%s%.*s", own[i].outside, STR_ARG(str_sub(topic, skip, topic.n)));
        return n > 0 && (size_t)n < cap ? str_make(out, (size_t)n) : topic;
    }
    return topic;
}

static struct str own_topic(char out[MQTT_LEVELS_MAX * 2], size_t which, const char *owner, const char *rest)
{
    int n = snprintf(out, MQTT_LEVELS_MAX * 2, "%s%s/%s", own[which].inside, owner, rest);
    return str_make(out, n < MQTT_LEVELS_MAX * 2 ? (size_t)n : MQTT_LEVELS_MAX * 2 - 1);
}

struct str mq_me_topic(char out[MQTT_LEVELS_MAX * 2], const char *owner, const char *rest)
{
    return own_topic(out, 0, owner, rest);
}

struct str mq_gateway_topic(char out[MQTT_LEVELS_MAX * 2], const char *owner, const char *rest)
{
    return own_topic(out, 1, owner, rest);
}

/* ---- routing ---- */

bool mq_may_get(struct mq_session *s, const struct mq_message *m)
{
    char outside[1024];
    struct mq_broker *b = s->b;
    if (!b->withholds || !b->ops->gives) return true;
    return b->ops->gives(b->ctx, &s->who, mq_me_outside(&s->who, mq_msg_topic(m), outside, sizeof outside));
}

void mq_withholds(struct mq_broker *b, bool on)
{
    b->withholds = on;
}

void mq_session_recheck(struct mq_session *s)
{
    struct mq_broker *b = s->b;
    for (struct mq_sub *sub = s->subs, *next; sub; sub = next) {
        char outside[1024];
        struct str group, filter = str_of(sub->filter);
        next = sub->next_in_session;
        (void)mqtt_share(filter, &group, &filter);
        filter = mq_me_outside(&s->who, filter, outside, sizeof outside);
        if (b->ops->may(b->ctx, &s->who, false, filter)) continue;
        b->stats.denied++;
        (void)mq_session_unsubscribe(s, str_of(sub->filter));
    }
}

void mq_recheck(struct mq_broker *b)
{
    for (struct mq_link *l = b->links; l; l = l->next)
        if (l->s) mq_session_recheck(l->s);
}

static void add_id(struct hit *h, uint32_t number)
{
    if (number && h->nids < SUB_IDS) h->ids[h->nids++] = number;
}

static void on_met(void *ctx, struct mq_sub *sub)
{
    struct mq_broker *b = ctx;
    struct mq_session *s = sub->s;
    if (sub->no_local && s->number == b->routed->from) return;
    if (b->withholds && !mq_may_get(s, b->routed)) return;
    if (s->hit_serial == b->serial && !sub->group) { /* one copy a session, with the highest QoS */
        struct hit *h = &b->hits[s->hit];
        if (sub->qos > h->qos) h->qos = sub->qos;
        h->as_published |= sub->as_published;
        add_id(h, sub->number);
        return;
    }
    if (!mem_grow((void **)&b->hits, &b->hits_cap, b->nhits + 1, sizeof *b->hits)) {
        s->dropped++;
        b->stats.dropped++;
        return;
    }
    if (!sub->group) {
        s->hit_serial = b->serial;
        s->hit = (uint32_t)b->nhits;
    }
    struct hit *h = &b->hits[b->nhits++];
    *h = (struct hit){.s = s, .qos = sub->qos, .as_published = sub->as_published};
    add_id(h, sub->number);
}

void mq_broker_route(struct mq_broker *b, struct mq_message *m)
{
    b->serial++;
    b->nhits = 0;
    b->routed = m;
    mq_trie_match(&b->trie, mq_msg_topic(m), on_met, b);
    for (size_t i = 0; i < b->nhits; i++)
        mq_out_put(b->hits[i].s, m, &b->hits[i], b->hits[i].as_published && m->retain);
    b->routed = NULL;
}

void mq_broker_retain(struct mq_broker *b, struct mq_message *m)
{
    struct retained *r = &b->retained;
    if (!m->payload_n) {
        struct mq_keep k = {.op = MQ_DROP_RETAINED, .filter = mq_msg_topic(m)};
        if (mq_retained_drop(r, mq_msg_topic(m))) mq_broker_keep(b, &k, NULL);
        return;
    }
    const struct mq_message *old = mq_retained_get(r, mq_msg_topic(m));
    bool full = (!old && r->n >= b->lim.retained) || r->bytes + m->payload_n > b->lim.retained_bytes;
    if (full || mq_retained_put(r, m)) {
        b->stats.dropped++;
        return;
    }
    mq_broker_keep(b, &(struct mq_keep){.op = MQ_KEEP_RETAINED, .message = m}, NULL);
}

/* Retained messages whose time is over make room, some of them each second. */
static void sweep_retained(struct mq_broker *b)
{
    struct retained *r = &b->retained;
    for (size_t k = 0; k < SWEEP && k < r->nslots; k++) {
        r->swept = (r->swept + 1) & (r->nslots - 1);
        const struct mq_message *m = r->slots[r->swept];
        if (!m || !mq_msg_expired(b, m)) continue;
        mq_broker_keep(b, &(struct mq_keep){.op = MQ_DROP_RETAINED, .filter = mq_msg_topic(m)}, NULL);
        mq_retained_drop(r, mq_msg_topic(m));
        b->stats.expired++;
        r->swept--; /* another may have moved here */
    }
}

int mq_publish(struct mq_broker *b, struct str topic, struct str payload, uint8_t qos, bool retain)
{
    struct mq_message *m = mq_msg_new(topic, STR(""), payload);
    if (!m) return ERR_NOMEM;
    m->qos = qos;
    m->retain = retain;
    mq_broker_route(b, m);
    if (retain) mq_broker_retain(b, m);
    mq_msg_unref(m);
    return 0;
}

/* Written to a connection of the owner that subscribes to it, now or not at all. */
static bool command_one(struct mq_session *s, struct mq_message *m)
{
    struct hit h = {.s = s};
    uint64_t before = s->dropped;
    for (const struct mq_sub *sub = s->subs; sub; sub = sub->next_in_session)
        if (!sub->group && mqtt_match(str_of(sub->filter), mq_msg_topic(m))) {
            mq_out_put(s, m, &h, false);
            return s->dropped == before;
        }
    return false;
}

size_t mq_send_now(struct mq_broker *b, const char *owner, struct str topic, struct str payload)
{
    struct mq_message *m = mq_msg_new(topic, STR(""), payload);
    size_t reached = 0;
    if (!m) return 0;
    for (struct mq_link *l = b->links; l; l = l->next)
        if (l->s && !l->ended && strcmp(l->who.id, owner) == 0) reached += command_one(l->s, m);
    mq_msg_unref(m);
    return reached;
}

/* ---- wills and time ---- */

static void keep_will(struct mq_session *s, int64_t due_us)
{
    const struct mq_message *m = s->will;
    mq_broker_keep(s->b,
                   &(struct mq_keep){.op = MQ_KEEP_WILL,
                                     .session = s,
                                     .qos = m->qos,
                                     .retain = m->retain,
                                     .options = (uint32_t)(m->expires_ns / 1000000000u),
                                     .number = s->will_delay_s,
                                     .due_us = due_us,
                                     .message = m},
                   NULL);
    s->will_kept = true;
}

/* The will of the session, which is then the caller's; nothing of it is left in the store. */
static struct mq_message *take_will(struct mq_session *s)
{
    struct mq_message *m = s->will;
    if (s->will_kept) mq_broker_keep(s->b, &(struct mq_keep){.op = MQ_DROP_WILL, .session = s}, NULL);
    s->will = NULL;
    s->will_kept = false;
    s->will_due_ns = 0;
    return m;
}

void mq_will_set(struct mq_session *s, struct mq_message *m, uint32_t delay_s)
{
    mq_msg_unref(take_will(s));
    s->will = m;
    s->will_delay_s = delay_s;
    if (m) keep_will(s, 0);
}

/* Rights may have gone since it was given. */
static bool may_will(struct mq_session *s, const struct mq_message *m)
{
    char outside[1024];
    struct str topic = mq_me_outside(&s->who, mq_msg_topic(m), outside, sizeof outside);
    return s->b->ops->may(s->b->ctx, &s->who, true, topic);
}

void mq_session_will(struct mq_session *s, bool at_once)
{
    if (!s->will) return;
    if (!at_once && s->will_delay_s) {
        s->will_due_ns = s->b->now_ns + (uint64_t)s->will_delay_s * 1000000000u;
        keep_will(s, s->b->now_us + (int64_t)s->will_delay_s * 1000000);
        return;
    }
    struct mq_message *m = take_will(s);
    if (m->expires_ns) m->expires_ns += s->b->now_ns; /* counted from now on */
    if (may_will(s, m)) {
        mq_broker_route(s->b, m);
        if (m->retain) mq_broker_retain(s->b, m);
    } else {
        s->b->stats.denied++;
    }
    mq_msg_unref(m);
}

static void check_link(struct mq_broker *b, struct mq_link *l)
{
    uint64_t silent = b->now_ns - l->heard_ns;
    if (l->ended || l->paused) return;
    if (!l->s && b->now_ns - l->opened_ns > 10000000000u) /* also one that sends it byte by byte */
        mq_end(l, MQTT_KEEP_ALIVE, "no CONNECT came within 10 s", "10 秒内未收到 CONNECT");
    else if (l->s && l->keep_alive && silent > (uint64_t)l->keep_alive * 1500000000u)
        mq_end(l, MQTT_KEEP_ALIVE, "nothing came for one and a half keep-alives", "超过保活时间的 1.5 倍未收到报文");
}

static void check_session(struct mq_session *s)
{
    struct mq_broker *b = s->b;
    if (s->link) return;
    if (s->will_due_ns && s->will_due_ns <= b->now_ns) mq_session_will(s, true);
    if (s->expiry_s != UINT32_MAX && b->now_ns - s->gone_ns >= (uint64_t)s->expiry_s * 1000000000u) mq_session_drop(s);
}

void mq_tick(struct mq_broker *b)
{
    sweep_retained(b);
    b->looks = 0;
    for (struct mq_link *l = b->links, *next; l; l = next) {
        next = l->next;
        l->resting = false;
        check_link(b, l);
    }
    for (size_t i = 0; i < b->nslots; i++)
        for (struct mq_session *s = b->slots[i], *next; s; s = next) {
            next = s->chain;
            check_session(s);
        }
}

/* ---- from the store ---- */

int mq_load_session(struct mq_broker *b, struct str client_id, const struct mq_who *who, uint32_t expiry_s,
                    int64_t gone_us)
{
    struct mq_session *s = mq_session_new(b, who, client_id);
    if (!s) return ERR_NOMEM;
    uint64_t ago = gone_us && gone_us < b->now_us ? (uint64_t)(b->now_us - gone_us) * 1000 : 0;
    s->expiry_s = expiry_s;
    s->gone_ns = b->now_ns > ago ? b->now_ns - ago : 1;
    return 0;
}

int mq_load_will(struct mq_broker *b, struct str client_id, const struct mq_who *who, const struct mq_loaded *in,
                 uint32_t expiry_s, uint32_t delay_s, int64_t due_us)
{
    char key[37 + 1 + 1024];
    int n = snprintf(key, sizeof key, "%s\n%.*s", who->id, STR_ARG(client_id));
    struct mq_session *s = mq_session_get(b, str_make(key, (size_t)n));
    if (!s) s = mq_session_new(b, who, client_id);
    struct mq_message *m = s ? mq_msg_new(in->topic, in->props, in->payload) : NULL;
    if (!m) return ERR_NOMEM;
    if (!s->gone_ns) s->gone_ns = b->now_ns;
    m->qos = in->qos;
    m->retain = in->retain;
    m->expires_ns = (uint64_t)expiry_s * 1000000000u;
    s->will = m;
    s->will_kept = true;
    s->will_delay_s = delay_s;
    s->who.may_publish = true; /* it was when the will was given */
    int64_t wait_us = due_us ? due_us - b->now_us : mq_session_persists(s) ? (int64_t)delay_s * 1000000 : 0;
    s->will_due_ns = b->now_ns + (wait_us > 0 ? (uint64_t)wait_us * 1000 : 0);
    return 0;
}

int mq_load_sub(struct mq_broker *b, struct str key, struct str filter, uint32_t options, uint32_t number)
{
    struct mq_session *s = mq_session_get(b, key);
    struct mqtt_item i = {.filter = filter,
                          .qos = options & 3,
                          .no_local = options >> 2 & 1,
                          .as_published = options >> 3 & 1,
                          .retain_handling = options >> 4 & 3};
    bool fresh;
    if (!s) return 0;
    uint32_t expiry = s->expiry_s;
    s->expiry_s = 0; /* the store has it already */
    int rc = mq_session_subscribe(s, &i, number, &fresh);
    s->expiry_s = expiry;
    return rc < 0 ? ERR_NOMEM : 0;
}

int mq_load_received(struct mq_broker *b, struct str key, uint16_t id)
{
    struct mq_session *s = mq_session_get(b, key);
    if (!s) return 0;
    return mq_got_has(s, id) || mq_got_add(s, id) ? 0 : ERR_NOMEM;
}

int mq_load_retained(struct mq_broker *b, const struct mq_loaded *in)
{
    struct mq_message *m = mq_msg_new(in->topic, in->props, in->payload);
    if (!m) return ERR_NOMEM;
    m->qos = in->qos;
    m->retain = true;
    if (in->expires_us)
        m->expires_ns = in->expires_us > b->now_us ? b->now_ns + (uint64_t)(in->expires_us - b->now_us) * 1000 : 1;
    int rc = mq_retained_put(&b->retained, m);
    mq_msg_unref(m);
    return rc;
}

/* ---- what is there ---- */

struct mq_message_view mq_message_view(struct mq_broker *b, const struct mq_message *m)
{
    int64_t left = (int64_t)(m->expires_ns - b->now_ns) / 1000;
    return (struct mq_message_view){mq_msg_topic(m), mq_msg_payload(m), mq_msg_props(m), m->qos,
                                    m->expires_ns ? b->now_us + left : 0};
}

void mq_session_view(const struct mq_session *s, struct mq_session_view *ret)
{
    *ret = (struct mq_session_view){.key = mq_session_key(s),
                                    .client_id = str_sub(mq_session_key(s), s->owner_n + 1u, s->key_n),
                                    .number = s->number,
                                    .who = &s->who,
                                    .link = s->link,
                                    .subscriptions = s->nsubs,
                                    .queued = s->nqueue,
                                    .queued_bytes = s->queue_bytes,
                                    .inflight = s->nflight,
                                    .dropped = s->dropped,
                                    .expiry_s = s->expiry_s};
    if (!s->link) ret->gone_us = s->b->now_us - (int64_t)((s->b->now_ns - s->gone_ns) / 1000);
}

int mq_sessions_each(struct mq_broker *b, int (*fn)(void *ctx, const struct mq_session_view *v), void *ctx)
{
    int rc = 0;
    for (size_t i = 0; i < b->nslots && !rc; i++)
        for (struct mq_session *s = b->slots[i]; s && !rc; s = s->chain) {
            struct mq_session_view v;
            mq_session_view(s, &v);
            rc = fn(ctx, &v);
        }
    return rc;
}

int mq_subs_each(const struct mq_session *s, int (*fn)(void *ctx, struct str filter, uint8_t qos), void *ctx)
{
    int rc = 0;
    for (const struct mq_sub *sub = s->subs; sub && !rc; sub = sub->next_in_session) {
        char outside[1024];
        rc = fn(ctx, mq_me_outside(&s->who, str_of(sub->filter), outside, sizeof outside), sub->qos);
    }
    return rc;
}

struct mq_session *mq_session_find(struct mq_broker *b, struct str key)
{
    return mq_session_get(b, key);
}

void mq_session_end(struct mq_session *s, uint8_t reason)
{
    struct mq_link *l = s->link;
    if (l)
        mq_end(l, reason, "ended by an administrator", "被管理员断开");
    else
        mq_session_drop(s);
}

void mq_stats(const struct mq_broker *b, struct mq_stats *ret)
{
    *ret = b->stats;
    ret->links = b->nlinks;
    ret->sessions = b->nsessions;
    ret->subscriptions = b->trie.subs;
    ret->retained = b->retained.n;
    ret->retained_bytes = b->retained.bytes;
}
