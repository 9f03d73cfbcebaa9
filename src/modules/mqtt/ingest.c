/* ingest.c - publishes of devices become samples that are durable before they are acknowledged.
 *
 * Group commit: what the connections bring gathers in one batch (samples, changes for the store, acknowledgements that
 * wait). When the loop has finished a turn and no batch is on its way, the batch goes to the committer, which writes
 * the samples through the bus and the changes into the store, and posts back; then all its acknowledgements are sent.
 * So the window is as long as one write takes, and a single message waits for nobody; when many come, batches leave
 * GATHER_NS apart, as fewer and larger ones cost less.
 *
 * Most messages are read on the loop (push_fast). One that wants SQL (an unknown key, a text, another form) is copied
 * to a worker and its link is paused, so that its order and its acknowledgement's order stay. */
#include "modules/mqtt/mqtt.h"
#include "base/mem.h"
#include "base/metric.h"
#include "io/log.h"
#include "modules/mqtt/ingest_table.h"

#define GATHER_SAMPLES (1u << 18) /* then connections are held back */
#define GATHER_ACKS (1u << 18)
#define GATHER_BYTES (64u << 20)
#define GATHER_NS 2000000u
#define MANY 64   /* messages in a batch */
#define WORKERS 8 /* they wait for one fsync together */
#define WORK_QUEUE 20000
#define ARENA_MAX (64u << 20)

METRIC(m_batches, METRIC_COUNTER, "bornite_mqtt_commits_total", "Durable writes of messages that came together.");
METRIC(m_messages, METRIC_COUNTER, "bornite_mqtt_ingested_total", "Publishes that brought values of devices.");
METRIC(m_failed, METRIC_COUNTER, "bornite_mqtt_commit_failures_total", "Writes that failed; nothing was acknowledged.");
METRIC(m_rejected, METRIC_COUNTER, "bornite_mqtt_rejected_total", "Publishes of devices that were not understood.");

struct ack {
    struct mq_link *l;
    uint16_t id;
    uint8_t type, code;
};
struct batch {
    struct sample *s;
    size_t n, cap;
    struct ack *acks;
    size_t nacks, acks_cap;
    struct store_ops *ops;
    uint64_t messages;
};
struct ingest {
    struct mqtt *m;
    struct batch a, b, *gather, *flying; /* flying NULL: none is on its way */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct batch *handed;  /* under lock: the committer's next */
    bool stopping, result; /* under lock; result: of the batch that has come back */
    struct pool *pool;
    uint64_t left_ns; /* when the last batch left */
    size_t last;      /* how many acknowledgements it had */
    size_t working;   /* messages at workers; the loop's */
    struct mqtt_ingest_stats stats;
};

/* ---- the committer ---- */

static bool commit(struct ingest *in, struct batch *b)
{
    struct error e = {0};
    int rc = b->n ? bus_write(in->m->node->bus, b->s, b->n, &e) : 0;
    int kept = mqtt_store_ops_count(b->ops) ? mqtt_store_ops_run(in->m->store, b->ops, rc ? NULL : &e) : 0;
    if (!rc) rc = kept;
    metric_add(&m_batches, 1);
    if (!rc) return true;
    metric_add(&m_failed, 1);
    log_error("mqtt", "messages cannot be stored; their senders are disconnected and will send them again",
              "err=%s detail=\"%s\"", error_name(rc), e.text);
    return false;
}

static void come_back(void *arg)
{
    struct ingest *in = arg;
    struct batch *b = in->flying;
    mqtt_now(in->m);
    in->stats.batches++;
    in->stats.samples += b->n;
    in->stats.failed += !in->result;
    in->flying = NULL;
    for (size_t i = 0; i < b->nacks; i++) {
        struct ack a = b->acks[i];
        mq_acked(a.l, a.type, a.id, a.code, in->result);
        mqtt_net_settled(a.l);
    }
    b->n = b->nacks = 0;
    b->messages = 0;
    mqtt_net_release(in->m);
}

static void *committer(void *arg)
{
    struct ingest *in = arg;
    pthread_setname_np(pthread_self(), "mqtt-commit");
    pthread_mutex_lock(&in->lock);
    for (;;) {
        while (!in->handed && !in->stopping) pthread_cond_wait(&in->wake, &in->lock);
        struct batch *b = in->handed;
        if (!b) break;
        pthread_mutex_unlock(&in->lock);
        bool ok = commit(in, b);
        pthread_mutex_lock(&in->lock);
        in->handed = NULL;
        in->result = ok;
        (void)loop_post(in->m->loop, come_back, in);
    }
    pthread_mutex_unlock(&in->lock);
    return NULL;
}

bool mqtt_ingest_submit(struct ingest *in)
{
    struct batch *b = in->gather;
    if (in->flying || (!b->n && !b->nacks && !mqtt_store_ops_count(b->ops))) return false;
    uint64_t now = clock_mono_ns(in->m->node->clock);
    if (in->last >= MANY && now - in->left_ns < GATHER_NS && !mqtt_ingest_full(in)) return true;
    in->left_ns = now;
    in->last = b->nacks;
    in->flying = b;
    in->gather = b == &in->a ? &in->b : &in->a;
    pthread_mutex_lock(&in->lock);
    in->handed = b;
    pthread_cond_signal(&in->wake);
    pthread_mutex_unlock(&in->lock);
    return false;
}

bool mqtt_ingest_full(const struct ingest *in)
{
    const struct batch *b = in->gather;
    return b->n > GATHER_SAMPLES || b->nacks > GATHER_ACKS || mqtt_store_ops_bytes(b->ops) > GATHER_BYTES;
}

void mqtt_ingest_later(void *ctx, struct mq_link *l, uint8_t type, uint16_t id, uint8_t code)
{
    struct mqtt *m = ctx;
    struct batch *b = m->ingest->gather;
    if (!mem_grow((void **)&b->acks, &b->acks_cap, b->nacks + 1, sizeof *b->acks)) {
        mq_acked(l, type, id, code, false); /* no memory: the peer sends it again */
        return;
    }
    b->acks[b->nacks++] = (struct ack){l, id, type, code};
}

uint64_t mqtt_ingest_keep(void *ctx, const struct mq_keep *k)
{
    struct mqtt *m = ctx;
    m->ingest->stats.kept++;
    return mqtt_store_ops_add(m->ingest->gather->ops, m->broker, k, clock_now_us(m->node->clock));
}

/* ---- the long way ---- */

struct work {
    struct ingest *in;
    struct mq_link *l;
    const struct ingest_row *row;
    char device[37];
    uint16_t id;
    uint8_t qos, version, code;
    size_t stored; /* samples */
    bool retry;    /* it is not stored, and the sender is to come again */
    struct str topic, payload;
    struct buf answer; /* to an ask for attributes */
    char bytes[];
};

static void read_attributes(struct work *w, const struct json *body, struct error *e)
{
    struct str keys = json_str(json_get(body, "clientKeys"), STR(""));
    struct json_writer j = json_writer(&w->answer);
    jw_object(&j);
    if (json_get(body, "clientKeys") || !json_get(body, "sharedKeys")) {
        jw_key(&j, STR("client"));
        jw_object(&j);
        w->retry = push_read_attributes(w->in->m->push, w->device, keys, &j, e) != 0;
        jw_end(&j);
    }
    jw_end(&j);
}

static int take_values(struct work *w, struct arena *a, const struct json *body, struct error *e)
{
    struct pushed *values;
    struct push_outcome o = {0};
    size_t n;
    int rc = w->row->decode ? w->row->decode(a, w->topic, body, &values, &n, e)
                            : push_decode(a, w->row->form, body, &values, &n, e);
    if (!rc) rc = push_take_values(w->in->m->push, a, w->device, w->row->form, values, n, &o, e);
    w->stored = o.stored;
    return rc;
}

static int do_work(struct work *w, struct error *e)
{
    AUTO_ARENA a;
    struct json *body;
    arena_init(&a, ARENA_MAX);
    int rc = json_parse(&a, w->payload, &body, e);
    if (rc) return rc;
    switch (w->row->kind) {
    case INGEST_VALUES: return take_values(w, &a, body, e);
    case INGEST_ATTRIBUTES: return push_take_attributes(w->in->m->push, &a, w->device, body, e);
    case INGEST_ASK_ATTRIBUTES: read_attributes(w, body, e); return 0;
    }
    return ERR_INTERNAL;
}

static void answer(struct work *w)
{
    char topic[MQTT_LEVELS_MAX * 2], rest[200];
    struct str number = mqtt_topic_level(w->topic, 5);
    snprintf(rest, sizeof rest, "attributes/response/%.*s", STR_ARG(str_sub(number, 0, 100)));
    (void)mq_publish(w->in->m->broker, mq_me_topic(topic, w->device, rest), buf_view(&w->answer), w->qos, false);
}

static void work_done(void *arg)
{
    struct work *w = arg;
    struct mq_link *l = w->l;
    mqtt_now(w->in->m);
    w->in->working--;
    w->in->stats.samples += w->stored;
    l->pending--;
    if (w->answer.n && !w->retry) answer(w);
    if (w->retry) {
        l->paused = false;
        mq_end(l, MQTT_BUSY, "the message cannot be stored now", "消息暂时无法保存");
    } else {
        mq_resume(l, w->qos, w->id, w->code);
    }
    mqtt_net_go_on(l);
    mqtt_net_settled(l);
    buf_fini(&w->answer);
    mem_free(w);
}

/* What the sender did wrong is told and counted; what is our trouble is not acknowledged. */
static void work_run(void *arg)
{
    struct work *w = arg;
    struct error e = {0};
    int rc = do_work(w, &e);
    if (rc == ERR_LIMIT || rc == ERR_NOT_FOUND || rc == ERR_UNAUTHENTICATED) {
        w->code = rc == ERR_LIMIT ? MQTT_RATE : MQTT_NOT_AUTHORIZED;
        w->retry = rc == ERR_LIMIT && w->version != MQTT_5 && w->qos;
    } else if (rc && error_http(rc) < 500) {
        w->code = MQTT_PAYLOAD;
        e.code = rc;
        push_problem(w->in->m->push, w->device, &e);
        metric_add(&m_rejected, 1);
    } else if (rc) {
        w->retry = true;
    }
    if (loop_post(w->in->m->loop, work_done, w)) { /* the loop has ended: nothing is left that could be told */
        buf_fini(&w->answer);
        mem_free(w);
    }
}

static int long_way(struct ingest *in, struct mq_link *l, const struct ingest_row *row, const char *device,
                    const struct mqtt_packet *p)
{
    struct work *w = mem_alloc(sizeof *w + p->topic.n + p->payload.n);
    if (!w) return -MQTT_QUOTA;
    *w = (struct work){.in = in, .l = l, .row = row, .id = p->id, .qos = p->qos, .version = l->version};
    memcpy(w->device, device, sizeof w->device);
    memcpy(w->bytes, p->topic.p, p->topic.n);
    if (p->payload.n) memcpy(w->bytes + p->topic.n, p->payload.p, p->payload.n);
    w->topic = str_make(w->bytes, p->topic.n);
    w->payload = str_make(w->bytes + p->topic.n, p->payload.n);
    buf_init(&w->answer, 1u << 20);
    if (pool_submit(in->pool, work_run, w)) {
        mem_free(w);
        return -MQTT_QUOTA;
    }
    l->pending++;
    in->working++;
    in->stats.slow++;
    return MQ_PAUSED;
}

/* ---- a publish, on the loop ---- */

static struct push_device *device_of(struct ingest *in, struct mq_link *l)
{
    uint64_t now = push_locked_changes(in->m->push) + 1;
    if (l->cached != now) {
        l->cached_device = push_locked_device(in->m->push, l->who.id);
        l->cached = now;
    }
    return l->cached_device;
}

static int short_way(struct ingest *in, struct mq_link *l, const struct ingest_row *row, const struct mqtt_packet *p)
{
    struct batch *b = in->gather;
    struct mqtt *m = in->m;
    size_t n = 0;
    if (!mem_grow((void **)&b->s, &b->cap, b->n + PUSH_FAST_MAX, sizeof *b->s)) return ERR_NOMEM;
    push_lock(m->push);
    struct push_device *d = device_of(in, l);
    int rc = d ? push_fast(m->push, d, row->form, p->payload, clock_now_us(m->node->clock),
                           clock_mono_ns(m->node->clock), b->s + b->n, &n)
               : ERR_NOT_FOUND;
    push_unlock(m->push);
    if (!rc) b->n += n;
    return rc;
}

static int too_often(struct mq_link *l, const struct mqtt_packet *p)
{
    if (l->version != MQTT_5 && p->qos) mq_end(l, MQTT_RATE, "the device sends too often", "设备发送过于频繁");
    return -MQTT_RATE;
}

int mqtt_ingest_publish(void *ctx, struct mq_link *l, const struct mqtt_packet *p)
{
    struct mqtt *m = ctx;
    struct ingest *in = m->ingest;
    struct push_id other;
    const struct ingest_row *row = mqtt_ingest_row_of(p->topic);
    bool own = l->who.role == MQ_DEVICE;
    if (!row || (!own && row->level < 0)) return MQ_PASS;
    in->stats.messages++;
    metric_add(&m_messages, 1);
    if (row->fast && own) {
        int rc = short_way(in, l, row, p);
        if (rc == 0) return MQ_TAKEN;
        if (rc == ERR_LIMIT) return too_often(l, p);
        if (rc != ERR_AGAIN) return -MQTT_NOT_AUTHORIZED;
    }
    if (!own && !push_find_code(m->push, mqtt_topic_level(p->topic, row->level), &other)) return -MQTT_NOT_AUTHORIZED;
    int rc = long_way(in, l, row, own ? l->who.id : other.id, p);
    if (rc == -MQTT_QUOTA && l->version != MQTT_5 && p->qos)
        mq_end(l, MQTT_BUSY, "too many messages wait", "等待处理的消息过多");
    return rc;
}

/* ---- life ---- */

static int batch_init(struct batch *b)
{
    b->ops = mqtt_store_ops_new();
    return b->ops ? 0 : ERR_NOMEM;
}

static void batch_fini(struct batch *b)
{
    mqtt_store_ops_free(b->ops);
    mem_free(b->s);
    mem_free(b->acks);
}

static void ingest_free(struct ingest *in)
{
    batch_fini(&in->a);
    batch_fini(&in->b);
    pthread_mutex_destroy(&in->lock);
    pthread_cond_destroy(&in->wake);
    mem_free(in);
}

int mqtt_ingest_open(struct mqtt *m, struct ingest **ret, struct error *e)
{
    struct ingest *in = mem_calloc(1, sizeof *in);
    if (!in) return error_set(e, ERR_NOMEM, "mqtt", "out of memory", "内存不足");
    in->m = m;
    in->gather = &in->a;
    pthread_mutex_init(&in->lock, NULL);
    pthread_cond_init(&in->wake, NULL);
    int rc = batch_init(&in->a);
    if (!rc) rc = batch_init(&in->b);
    if (!rc) rc = pool_start("mqtt-work", WORKERS, WORK_QUEUE, &in->pool);
    if (!rc && pthread_create(&in->thread, NULL, committer, in)) {
        pool_stop(in->pool);
        rc = ERR_LIMIT;
    }
    if (rc) {
        ingest_free(in);
        return error_set(e, rc, "mqtt", "the writer of messages cannot be started", "无法启动消息写入线程");
    }
    *ret = in;
    return 0;
}

struct idle {
    struct ingest *in;
    bool yes;
};

static void look(void *arg)
{
    struct idle *i = arg;
    i->in->last = 0;
    (void)mqtt_ingest_submit(i->in);
    i->yes = !i->in->flying && !i->in->working;
}

void mqtt_ingest_close(struct ingest *in)
{
    if (!in) return;
    for (struct idle i = {in, false}; !i.yes;) {
        if (loop_call(in->m->loop, look, &i)) break;
        if (!i.yes) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    pool_stop(in->pool);
    pthread_mutex_lock(&in->lock);
    in->stopping = true;
    pthread_cond_signal(&in->wake);
    pthread_mutex_unlock(&in->lock);
    pthread_join(in->thread, NULL);
    ingest_free(in);
}

void mqtt_ingest_stats(struct ingest *in, struct mqtt_ingest_stats *ret)
{
    *ret = in->stats;
}
