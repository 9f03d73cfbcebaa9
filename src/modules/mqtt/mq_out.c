/* mq_out.c - messages on their way to a session. QoS 0 goes at once or is dropped when the reader is slow or away.
 * QoS 1 and 2 stand in the session's queue until there is room in flight (the peer's receive maximum, and ours), then
 * in `flight` until they are acknowledged. When the queue is full the newest is dropped and counted. */
#include "modules/mqtt/broker_int.h"

#define OUT_HIGH (256u << 10) /* bytes that wait for a reader before more are held back */

void mq_link_wake(struct mq_link *l)
{
    if (!l->woken) {
        l->woken = true;
        l->b->ops->wake(l->b->ctx, l);
    }
}

static void dropped(struct mq_session *s)
{
    s->dropped++;
    s->b->stats.dropped++;
}

static void entry_done(struct mq_session *s, struct out_entry *e)
{
    if (e->handle)
        mq_broker_keep(s->b, &(struct mq_keep){.op = MQ_DROP_MESSAGE, .session = s, .row = e->row, .handle = e->handle},
                       NULL);
    mq_msg_unref(e->m);
}

/* ---- writing ---- */

/* false: it cannot be sent to this peer at all. */
static bool write_entry(struct mq_link *l, const struct out_entry *e)
{
    char outside[1024], more[SUB_IDS * 5];
    struct mqtt_packet p;
    struct buf extra;
    p.type = MQTT_PUBLISH;
    p.dup = e->dup;
    p.retain = e->retain;
    p.qos = e->qos;
    p.id = e->id;
    p.topic = mq_me_outside(&l->who, mq_msg_topic(e->m), outside, sizeof outside);
    p.payload = mq_msg_payload(e->m);
    p.props.nums = p.props.texts = 0;
    p.props.extra = mq_msg_props(e->m);
    buf_init(&extra, p.props.extra.n + sizeof more);
    if (l->version == MQTT_5) {
        if (e->m->expires_ns)
            mqtt_num_set(&p.props, MQTT_N_EXPIRY, (uint32_t)((e->m->expires_ns - l->b->now_ns) / 1000000000u) + 1);
        if (e->nids) mqtt_num_set(&p.props, MQTT_N_SUBSCRIPTION_ID, e->ids[0]);
        if (e->nids > 1) {
            buf_str(&extra, p.props.extra);
            for (unsigned i = 1; i < e->nids; i++) {
                buf_u8(&extra, 0x0b);
                for (uint32_t v = e->ids[i]; buf_u8(&extra, (uint8_t)(v > 127 ? v | 0x80 : v)), v > 127;) v >>= 7;
            }
            p.props.extra = buf_view(&extra);
        }
    }
    size_t n = mqtt_size(l->version, &p);
    bool fits = n && n <= l->max_packet;
    if (fits) mqtt_write(&l->out, l->version, &p);
    buf_fini(&extra);
    if (fits) {
        l->n_out++;
        l->b->stats.sent++;
        mq_link_wake(l);
    }
    return fits;
}

static void set_ids(struct out_entry *e, const struct hit *h)
{
    e->nids = h->nids;
    memcpy(e->ids, h->ids, h->nids * sizeof *h->ids);
}

/* ---- the queue ---- */

static bool queue_room(struct mq_session *s)
{
    if (s->nqueue < s->queue_cap) return true;
    size_t want = s->queue_cap ? s->queue_cap * 2 : 4;
    struct out_entry *fresh = mem_alloc(want * sizeof *fresh);
    if (!fresh) return false;
    for (size_t i = 0; i < s->nqueue; i++) fresh[i] = s->queue[(s->queue_at + i) & (s->queue_cap - 1)];
    mem_free(s->queue);
    s->queue = fresh;
    s->queue_cap = want;
    s->queue_at = 0;
    return true;
}

static bool enqueue(struct mq_session *s, const struct out_entry *e)
{
    const struct mq_limits *lim = &s->b->lim;
    if (s->nqueue >= lim->queue || s->queue_bytes + e->m->payload_n > lim->queue_bytes || !queue_room(s)) return false;
    s->queue[(s->queue_at + s->nqueue++) & (s->queue_cap - 1)] = *e;
    s->queue_bytes += e->m->payload_n;
    return true;
}

static struct out_entry dequeue(struct mq_session *s)
{
    struct out_entry e = s->queue[s->queue_at];
    s->queue_at = (s->queue_at + 1) & (s->queue_cap - 1);
    s->nqueue--;
    s->queue_bytes -= e.m->payload_n;
    if (!s->nqueue) { /* idle sessions keep no memory */
        mem_free(s->queue);
        s->queue = NULL;
        s->queue_cap = s->queue_at = 0;
    }
    return e;
}

static void keep_message(struct mq_session *s, struct out_entry *e)
{
    e->row = ++s->next_row;
    if (!mq_session_persists(s)) return;
    struct mq_keep k = {
        .op = MQ_KEEP_MESSAGE, .session = s, .row = e->row, .qos = e->qos, .retain = e->retain, .message = e->m};
    mq_broker_keep(s->b, &k, &e->handle);
}

void mq_out_put(struct mq_session *s, struct mq_message *m, const struct hit *h, bool retain)
{
    struct out_entry e = {.m = m, .qos = m->qos < h->qos ? m->qos : h->qos, .retain = retain};
    set_ids(&e, h);
    if (!e.qos) {
        if (s->link && !s->link->ended && (s->link->out.n > OUT_HIGH || !write_entry(s->link, &e))) dropped(s);
        return;
    }
    if (!s->link && !mq_session_persists(s)) return;
    if (!enqueue(s, &e)) {
        dropped(s);
        return;
    }
    mq_msg_ref(m);
    keep_message(s, &s->queue[(s->queue_at + s->nqueue - 1) & (s->queue_cap - 1)]);
    mq_out_pump(s);
}

/* ---- in flight ---- */

static struct out_entry *in_flight(struct mq_session *s, uint16_t id)
{
    for (unsigned i = 0; i < s->nflight; i++)
        if (s->flight[i].id == id) return &s->flight[i];
    return NULL;
}

static uint16_t free_id(struct mq_session *s)
{
    do s->next_id++;
    while (!s->next_id || in_flight(s, s->next_id));
    return s->next_id;
}

static bool fly(struct mq_session *s, struct out_entry *e)
{
    if (!mem_grow((void **)&s->flight, &s->flight_cap, s->nflight + 1u, sizeof *s->flight)) return false;
    s->flight[s->nflight++] = *e;
    return true;
}

static void land(struct mq_session *s, struct out_entry *e)
{
    size_t i = (size_t)(e - s->flight);
    entry_done(s, e);
    memmove(e, e + 1, (--s->nflight - i) * sizeof *e);
    if (s->nflight) return;
    mem_free(s->flight);
    s->flight = NULL;
    s->flight_cap = 0;
}

static void tell_sent(struct mq_session *s, const struct out_entry *e)
{
    if (e->handle && e->qos == 2)
        mq_broker_keep(s->b,
                       &(struct mq_keep){.op = MQ_SENT_MESSAGE,
                                         .session = s,
                                         .row = e->row,
                                         .number = e->id,
                                         .state = e->state,
                                         .handle = e->handle},
                       NULL);
}

void mq_out_pump(struct mq_session *s)
{
    struct mq_link *l = s->link;
    unsigned most = s->b->lim.inflight;
    if (!l || l->ended) return;
    if (l->receive_maximum < most) most = l->receive_maximum;
    while (s->nqueue && s->nflight < most && l->out.n < OUT_HIGH) {
        struct out_entry e = dequeue(s);
        e.id = free_id(s);
        bool old = mq_msg_expired(s->b, e.m);
        s->b->stats.expired += old;
        if (old || !write_entry(l, &e) || !fly(s, &e)) {
            if (!old) dropped(s);
            entry_done(s, &e);
            continue;
        }
        tell_sent(s, &s->flight[s->nflight - 1]);
    }
}

void mq_out_resend(struct mq_session *s)
{
    for (unsigned i = 0; i < s->nflight; i++) {
        struct out_entry *e = &s->flight[i];
        e->dup = true;
        if (e->state)
            mqtt_write_ack(&s->link->out, s->link->version, MQTT_PUBREL, e->id, 0);
        else
            (void)write_entry(s->link, e);
    }
    mq_link_wake(s->link);
    mq_out_pump(s);
}

/* PUBREC: the peer has it; the message itself is needed no more, its id until PUBCOMP. */
static void received(struct mq_link *l, struct out_entry *e, const struct mqtt_packet *p)
{
    if (!e || e->qos != 2) {
        mqtt_write_ack(&l->out, l->version, MQTT_PUBREL, p->id, MQTT_ID_NOT_FOUND);
    } else if (p->code >= 0x80) {
        land(l->s, e);
    } else {
        e->state = 1;
        tell_sent(l->s, e);
        mqtt_write_ack(&l->out, l->version, MQTT_PUBREL, p->id, 0);
    }
    mq_link_wake(l);
}

void mq_out_ack(struct mq_link *l, const struct mqtt_packet *p)
{
    struct out_entry *e = in_flight(l->s, p->id);
    if (p->type == MQTT_PUBREC)
        received(l, e, p);
    else if (e && (p->type == MQTT_PUBACK ? e->qos == 1 : e->qos == 2 && e->state))
        land(l->s, e);
    mq_out_pump(l->s);
}

void mq_out_free(struct mq_session *s)
{
    for (unsigned i = 0; i < s->nflight; i++) mq_msg_unref(s->flight[i].m);
    for (size_t i = 0; i < s->nqueue; i++) mq_msg_unref(s->queue[(s->queue_at + i) & (s->queue_cap - 1)].m);
    mem_free(s->flight);
    mem_free(s->queue);
}

/* ---- from the store ---- */

int mq_load_message(struct mq_broker *b, struct str key, const struct mq_loaded *in)
{
    struct mq_session *s = mq_session_get(b, key);
    struct mq_message *m = s ? mq_msg_new(in->topic, in->props, in->payload) : NULL;
    if (!s) return 0;
    if (!m) return ERR_NOMEM;
    m->qos = in->qos;
    if (in->expires_us) {
        int64_t left = in->expires_us - b->now_us;
        m->expires_ns = left > 0 ? b->now_ns + (uint64_t)left * 1000 : 1;
    }
    struct out_entry e = {.m = m,
                          .qos = in->qos,
                          .retain = in->retain,
                          .row = in->row,
                          .handle = UINT64_MAX,
                          .dup = in->packet_id != 0,
                          .id = in->packet_id,
                          .state = in->state};
    if (in->row > s->next_row) s->next_row = in->row;
    if (in->packet_id ? fly(s, &e) : enqueue(s, &e)) return 0;
    mq_msg_unref(m);
    dropped(s);
    return 0;
}
