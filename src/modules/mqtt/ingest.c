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
#include "modules/push/mapping.h"

#define GATHER_SAMPLES (1u << 18) /* then connections are held back */
#define GATHER_ACKS (1u << 18)
#define GATHER_BYTES (64u << 20)
#define GATHER_NS 2000000u
#define NOTE_NS 1000000000u
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

/* ---- what is seen ---- */

static void note(struct ingest *in, const struct mq_link *l, struct str topic, struct str payload, enum seen_how how,
                 size_t samples, const char *mapping, const struct error *why)
{
    struct seen s = {.topic = topic,
                     .payload = payload,
                     .device = l->who.role == MQ_DEVICE ? l->who.id : "",
                     .who = l->who.name,
                     .how = how,
                     .counted = how != SEEN_STORED,
                     .samples = samples,
                     .mapping = mapping,
                     .why = why && why->text[0] ? why : NULL};
    recent_note(in->m->recent, &s, clock_now_us(in->m->node->clock));
}

/* Of the quick messages one a second and connection is enough. */
static void note_quick(struct ingest *in, struct mq_link *l, const struct mqtt_packet *p, size_t n)
{
    if (l->heard_ns - l->noted_ns < NOTE_NS && l->noted_ns) return;
    l->noted_ns = l->heard_ns;
    note(in, l, p->topic, p->payload, SEEN_STORED, n, "", NULL);
}

static int denied(struct ingest *in, struct mq_link *l, const struct mqtt_packet *p, const char *en, const char *zh)
{
    struct error e = {.code = ERR_FORBIDDEN};
    snprintf(e.text, sizeof e.text, "%s", en);
    snprintf(e.text_zh, sizeof e.text_zh, "%s", zh);
    note(in, l, p->topic, p->payload, SEEN_REFUSED, 0, "", &e);
    return -MQTT_NOT_AUTHORIZED;
}

void mqtt_ingest_denied(void *ctx, struct mq_link *l, const struct mqtt_packet *p)
{
    struct mqtt *m = ctx;
    (void)denied(m->ingest, l, p, "not permitted: the topic is not the client's, and no rule allows it",
                 "无权发布：该主题不属于此客户端，且没有规则允许");
}

/* ---- the long way ---- */

struct work {
    struct ingest *in;
    struct mq_link *l;
    const struct ingest_row *row; /* NULL: by the mapping */
    struct push_map *map;         /* counted; NULL: none, or not yet looked for */
    char device[37], code[129];   /* device: id, "" of a user; code: of who is connected */
    uint16_t id;
    uint8_t qos, version, reason;
    size_t stored; /* samples */
    bool retry;    /* it is not stored, and the sender is to come again */
    struct str topic, payload;
    char *answer_to;
    struct buf answer; /* to an ask for attributes */
    struct error why;
    char bytes[];
};

static int by_row(struct work *w, struct arena *a, struct error *e)
{
    struct json *body;
    struct ingest_message m = {
        .m = w->in->m, .a = a, .row = w->row, .topic = w->topic, .payload = w->payload, .device = w->device};
    int rc = json_parse(a, w->payload.n ? w->payload : STR("{}"), &body, e);
    if (rc) return rc;
    m.body = body;
    buf_init(&m.answer, 1u << 20);
    rc = w->row->take(&m, e);
    w->stored += m.stored;
    w->answer = m.answer;
    if (!rc && m.answer_to.p && !m.answer.err) w->answer_to = mem_strdup(arena_strdup(a, m.answer_to));
    return rc;
}

static int by_mapping(struct work *w, struct arena *a, struct error *e)
{
    struct push_outcome o;
    struct mapping_input in = {.topic = w->topic, .payload = w->payload, .client = str_of(w->code)};
    int rc = push_take_mapped(w->in->m->push, a, w->map, w->device, &in, &o, e);
    w->stored += o.stored;
    if (rc == ERR_NOT_FOUND && e && e->text[0]) e->code = rc = ERR_INVALID; /* of an unknown device: tell it */
    return rc;
}

/* The topic's own form first; then a mapping that reads the topic. */
static int do_work(struct work *w, struct error *e)
{
    AUTO_ARENA a;
    arena_init(&a, ARENA_MAX);
    if (!w->row) return by_mapping(w, &a, e);
    int rc = by_row(w, &a, e);
    if (rc != ERR_INVALID || !(w->map = push_map_topic(w->in->m->push, w->topic))) return rc;
    arena_reset(&a);
    *e = (struct error){0};
    return by_mapping(w, &a, e);
}

static void work_free(struct work *w)
{
    push_map_unref(w->map);
    buf_fini(&w->answer);
    mem_free(w->answer_to);
    mem_free(w);
}

static void work_done(void *arg)
{
    struct work *w = arg;
    struct mq_link *l = w->l;
    mqtt_now(w->in->m);
    w->in->working--;
    w->in->stats.samples += w->stored;
    l->pending--;
    if (!w->retry)
        note(w->in, l, w->topic, w->payload, w->reason ? SEEN_REFUSED : SEEN_STORED, w->stored,
             w->map ? push_map_name(w->map).p : "", &w->why);
    if (w->answer_to && !w->retry)
        (void)mq_publish(w->in->m->broker, str_of(w->answer_to), buf_view(&w->answer), w->qos, false);
    if (w->retry) {
        l->paused = false;
        mq_end(l, MQTT_BUSY, "the message cannot be stored now", "消息暂时无法保存");
    } else {
        mq_resume(l, w->qos, w->id, w->reason);
    }
    mqtt_net_go_on(l);
    mqtt_net_settled(l);
    work_free(w);
}

/* What the sender did wrong is told and counted; what is our trouble is not acknowledged. */
static void work_run(void *arg)
{
    struct work *w = arg;
    struct error *e = &w->why;
    int rc = do_work(w, e);
    if (rc == ERR_LIMIT || rc == ERR_NOT_FOUND || rc == ERR_UNAUTHENTICATED || rc == ERR_FORBIDDEN) {
        w->reason = rc == ERR_LIMIT ? MQTT_RATE : MQTT_NOT_AUTHORIZED;
        w->retry = rc == ERR_LIMIT && w->version != MQTT_5 && w->qos;
        if (rc == ERR_FORBIDDEN && w->device[0]) push_problem(w->in->m->push, w->device, e);
    } else if (rc && error_http(rc) < 500) {
        w->reason = MQTT_PAYLOAD;
        e->code = rc;
        if (w->device[0]) push_problem(w->in->m->push, w->device, e);
        metric_add(&m_rejected, 1);
    } else if (rc) {
        w->retry = true;
    }
    if (rc && !e->text[0]) error_set(e, rc, "", "%s", "%s", error_title(rc));
    if (loop_post(w->in->m->loop, work_done, w)) work_free(w); /* the loop has ended: nothing is left to be told */
}

static int long_way(struct ingest *in, struct mq_link *l, const struct ingest_row *row, struct push_map *map,
                    const char *device, const struct mqtt_packet *p)
{
    struct work *w = mem_alloc(sizeof *w + p->topic.n + p->payload.n);
    if (!w) {
        push_map_unref(map);
        return -MQTT_QUOTA;
    }
    *w = (struct work){.in = in, .l = l, .row = row, .map = map, .id = p->id, .qos = p->qos, .version = l->version};
    str_to_cstr(str_of(device), w->device, sizeof w->device);
    if (l->who.role == MQ_DEVICE) str_to_cstr(str_of(l->who.name), w->code, sizeof w->code);
    memcpy(w->bytes, p->topic.p, p->topic.n);
    if (p->payload.n) memcpy(w->bytes + p->topic.n, p->payload.p, p->payload.n);
    w->topic = str_make(w->bytes, p->topic.n);
    w->payload = str_make(w->bytes + p->topic.n, p->payload.n);
    buf_init(&w->answer, 16);
    if (pool_submit(in->pool, work_run, w)) {
        work_free(w);
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
    if (rc) return rc;
    b->n += n;
    note_quick(in, l, p, n);
    return 0;
}

static int too_often(struct mq_link *l, const struct mqtt_packet *p)
{
    if (l->version != MQTT_5 && p->qos) mq_end(l, MQTT_RATE, "the device sends too often", "设备发送过于频繁");
    return -MQTT_RATE;
}

static int too_many(struct mq_link *l, const struct mqtt_packet *p, int rc)
{
    if (rc == -MQTT_QUOTA && l->version != MQTT_5 && p->qos)
        mq_end(l, MQTT_BUSY, "too many messages wait", "等待处理的消息过多");
    return rc;
}

/* A topic without a form of its own: a mapping's, or just a message between clients. */
static int mapped_way(struct ingest *in, struct mq_link *l, const struct mqtt_packet *p)
{
    static const struct error nobody = {.text = "no mapping reads this topic; it was only handed on to subscribers",
                                        .text_zh = "没有报文映射解析该主题，仅转发给订阅者"};
    bool own = l->who.role == MQ_DEVICE;
    struct push_map *map = push_map_topic(in->m->push, p->topic);
    if (!map) {
        note(in, l, p->topic, p->payload, SEEN_PASSED, 0, "", &nobody);
        return MQ_PASS;
    }
    struct str named = push_map_topic_device(map, p->topic);
    if (own && named.p && !push_speaks(in->m->push, l->who.id, named)) {
        push_map_unref(map);
        return denied(in, l, p, "the topic names a device that is neither this one nor behind it",
                      "主题所指设备既不是该设备，也不在其下挂设备中");
    }
    in->stats.messages++;
    metric_add(&m_messages, 1);
    return too_many(l, p, long_way(in, l, NULL, map, own ? l->who.id : "", p));
}

int mqtt_ingest_publish(void *ctx, struct mq_link *l, const struct mqtt_packet *p)
{
    struct mqtt *m = ctx;
    struct ingest *in = m->ingest;
    struct push_id other;
    const struct ingest_row *row = mqtt_ingest_row_of(p->topic);
    bool own = l->who.role == MQ_DEVICE;
    if (!row || (!own && row->level < 0)) return mapped_way(in, l, p);
    in->stats.messages++;
    metric_add(&m_messages, 1);
    if (row->fast && own) {
        int rc = short_way(in, l, row, p);
        if (rc == 0) return MQ_TAKEN;
        if (rc == ERR_LIMIT) return too_often(l, p);
        if (rc != ERR_AGAIN) return -MQTT_NOT_AUTHORIZED;
    }
    if (!own && !push_find_code(m->push, mqtt_topic_level(p->topic, row->level), &other)) {
        bool values = row->take == mqtt_take_values || row->take == mqtt_jetlinks_report;
        if (values) return denied(in, l, p, "there is no such device", "没有该设备");
        return mapped_way(in, l, p); /* it only looks like JetLinks: a topic among users */
    }
    return too_many(l, p, long_way(in, l, row, NULL, own ? l->who.id : other.id, p));
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
