/* rpc.c - see rpc.h. Calls stand in a list under one lock, each with a condition of its own. */
#include "modules/mqtt/rpc.h"
#include "base/mem.h"
#include "base/metric.h"
#include "modules/mqtt/mqtt.h"
#include "modules/mqtt/rpc_log.h"
#include "modules/push/plan.h"

#define CALLS_MAX 1000
#define REPLY_MAX 65536

METRIC(m_calls, METRIC_COUNTER, "bornite_mqtt_commands_total", "Commands sent to devices.");
METRIC(m_unanswered, METRIC_COUNTER, "bornite_mqtt_commands_unanswered_total",
       "Commands to devices without an answer.");

struct call {
    uint64_t id;
    char device[37];
    pthread_cond_t came;
    bool done;
    struct str reply; /* owned */
    struct call *next;
};
struct rpc {
    struct mqtt *m;
    pthread_mutex_t lock;
    struct call *calls;
    size_t n;
    uint64_t ids;
    bool closed;
    struct rpc_log *log;
};

struct rpc *mqtt_rpc_new(struct mqtt *m)
{
    struct rpc *r = mem_calloc(1, sizeof *r);
    if (!r) return NULL;
    r->log = rpc_log_new();
    if (!r->log) {
        mem_free(r);
        return NULL;
    }
    r->m = m;
    pthread_mutex_init(&r->lock, NULL);
    return r;
}

void mqtt_rpc_close(struct rpc *r)
{
    if (!r) return;
    pthread_mutex_lock(&r->lock);
    r->closed = true;
    for (struct call *c = r->calls; c; c = c->next) pthread_cond_signal(&c->came);
    pthread_mutex_unlock(&r->lock);
}

void mqtt_rpc_free(struct rpc *r)
{
    if (!r) return;
    pthread_mutex_destroy(&r->lock);
    rpc_log_free(r->log);
    mem_free(r);
}

/* ---- the message ---- */

struct outgoing {
    struct mqtt *m;
    const char *owner; /* id of whose connection it goes to */
    const char *code;  /* of the owner: JetLinks */
    bool jetlinks;
    const char *tail; /* JetLinks: "properties/write"; with the child in front */
    struct str topic; /* else: as inside */
    struct str payload;
    size_t reached;
};

static const char *const jetlinks_topics[] = {
    [RPC_CALL] = "function/invoke", [RPC_WRITE] = "properties/write", [RPC_READ] = "properties/read"};

static void write_params(struct json_writer *w, const struct json *v)
{
    if (v)
        jw_json(w, v);
    else
        jw_null(w);
}

static void write_inputs(struct json_writer *w, const struct json *params)
{
    jw_array(w);
    for
        json_each (p, params && params->type == JSON_OBJECT ? params : NULL) {
            jw_object(w);
            jw_kstr(w, "name", p->key);
            jw_key(w, STR("value"));
            jw_json(w, p);
            jw_end(w);
        }
    jw_end(w);
}

static void write_jetlinks(struct json_writer *w, const struct rpc_request *q, uint64_t id, const char *device,
                           int64_t now_us)
{
    char number[24];
    snprintf(number, sizeof number, "%llu", (unsigned long long)id);
    jw_object(w);
    jw_kz(w, "messageId", number);
    jw_ki64(w, "timestamp", now_us / 1000);
    jw_kz(w, "deviceId", device);
    if (q->what == RPC_CALL) {
        jw_kstr(w, "functionId", q->method);
        jw_key(w, STR("inputs"));
        write_inputs(w, q->params);
    } else {
        jw_key(w, STR("properties"));
        write_params(w, q->params);
    }
    jw_end(w);
}

/* The device's own method of writes: params are {"key":value}, or the value when the method names the key. */
static struct str write_method(struct arena *a, const char *method, const struct json **params)
{
    const char *hole = strstr(method, "{key}");
    const struct json *first = *params ? (*params)->child : NULL;
    if (!hole || !first) return str_of(method);
    *params = first;
    return str_of(arena_printf(a, "%.*s%.*s%s", (int)(hole - method), method, STR_ARG(first->key), hole + 5));
}

static void write_thingsboard(struct json_writer *w, struct arena *a, const struct rpc_request *q, uint64_t id,
                              const struct push_about *d)
{
    const struct json *params = q->params;
    struct str method = q->what == RPC_WRITE  ? write_method(a, d->method[0] ? d->method : "write", &params)
                        : q->what == RPC_READ ? STR("read")
                                              : q->method;
    bool child = d->parent[0] != '\0';
    if (child) {
        jw_object(w);
        jw_kz(w, "device", d->alias[0] ? d->alias : d->who.code);
        jw_key(w, STR("data"));
    }
    jw_object(w);
    if (child) jw_ki64(w, "id", (int64_t)id);
    jw_kstr(w, "method", method);
    jw_key(w, STR("params"));
    write_params(w, params);
    jw_end(w);
    if (child) jw_end(w);
}

/* ---- on the loop ---- */

struct product {
    const char *code;
    struct str found;
    char text[100];
};

/* /product/CODE/… of a filter of the device: the product that it goes by. */
static int product_of(void *ctx, struct str filter, uint8_t qos)
{
    struct product *p = ctx;
    struct str rest = filter, empty = str_cut(&rest, '/'), product = str_cut(&rest, '/'), code = str_cut(&rest, '/');
    bool one = !empty.n && product.n && product.n < sizeof p->text && !memchr(product.p, '+', product.n) &&
               !memchr(product.p, '#', product.n) && str_is(code, p->code);
    if (!one) return 0;
    str_to_cstr(product, p->text, sizeof p->text);
    return 1;
}

static int look_for_product(void *ctx, const struct mq_session_view *v)
{
    struct outgoing *o = ((void **)ctx)[0];
    struct product *p = ((void **)ctx)[1];
    if (!v->link || strcmp(v->who->id, o->owner) != 0) return 0;
    struct mq_session *s = mq_session_find(o->m->broker, v->key);
    return s ? mq_subs_each(s, product_of, p) : 0;
}

static void send_on_loop(void *arg)
{
    struct outgoing *o = arg;
    struct product p = {.code = o->code, .text = "default"};
    void *both[2] = {o, &p};
    char topic[MQTT_LEVELS_MAX * 2];
    mqtt_now(o->m);
    if (o->jetlinks) {
        (void)mq_sessions_each(o->m->broker, look_for_product, both);
        snprintf(topic, sizeof topic, "/%s/%s/%s", p.text, o->code, o->tail);
        o->topic = str_of(topic);
    }
    o->reached = mq_send_now(o->m->broker, o->owner, o->topic, o->payload);
}

/* ---- a call ---- */

static struct call *enlist(struct rpc *r, const char *device, struct error *e)
{
    pthread_condattr_t attr;
    struct call *c = mem_calloc(1, sizeof *c);
    if (!c) {
        error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
        return NULL;
    }
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->came, &attr);
    pthread_condattr_destroy(&attr);
    str_to_cstr(str_of(device), c->device, sizeof c->device);
    pthread_mutex_lock(&r->lock);
    bool room = r->n < CALLS_MAX && !r->closed;
    if (room) {
        c->id = ++r->ids;
        c->next = r->calls;
        r->calls = c;
        r->n++;
    }
    pthread_mutex_unlock(&r->lock);
    if (room) return c;
    pthread_cond_destroy(&c->came);
    mem_free(c);
    error_set(e, ERR_LIMIT, "", "too many commands wait for their answers", "等待应答的命令过多");
    return NULL;
}

static void strike(struct rpc *r, struct call *c)
{
    pthread_mutex_lock(&r->lock);
    for (struct call **at = &r->calls; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            r->n--;
            break;
        }
    pthread_mutex_unlock(&r->lock);
    pthread_cond_destroy(&c->came);
    mem_free((void *)(uintptr_t)c->reply.p);
    mem_free(c);
}

static bool wait_for(struct rpc *r, struct call *c, uint64_t until_ns)
{
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000u), .tv_nsec = (long)(until_ns % 1000000000u)};
    pthread_mutex_lock(&r->lock);
    while (!c->done && !r->closed && pthread_cond_timedwait(&c->came, &r->lock, &until) == 0) continue;
    bool done = c->done;
    pthread_mutex_unlock(&r->lock);
    return done;
}

void mqtt_rpc_reply(struct rpc *r, uint64_t id, const char *device, const struct json *body, struct error *e)
{
    struct buf b;
    buf_init(&b, REPLY_MAX);
    json_write(&b, body);
    pthread_mutex_lock(&r->lock);
    for (struct call *c = r->calls; c; c = c->next) {
        if (c->id != id || strcmp(c->device, device) != 0 || c->done) continue;
        char *copy = b.err ? NULL : mem_alloc(b.n + 1);
        if (copy) memcpy(copy, b.p, b.n);
        c->reply = str_make(copy, copy ? b.n : 0);
        c->done = true;
        pthread_cond_signal(&c->came);
    }
    pthread_mutex_unlock(&r->lock);
    buf_fini(&b);
}

/* {"success":false,…}, {"error":…}, {"status":"error"}: the device says no. */
static bool says_no(const struct json *reply)
{
    const struct json *error = json_get(reply, "error"), *success = json_get(reply, "success");
    struct str status = json_str(json_get(reply, "status"), STR(""));
    bool quiet = !error || error->type == JSON_NULL || (error->type == JSON_BOOL && !error->b) ||
                 (error->type == JSON_INT && !error->i) || (error->type == JSON_STRING && !error->s.n);
    return !quiet || (success && !json_bool(success, true)) || str_ieq(status, STR("error")) ||
           str_ieq(status, STR("failed"));
}

static struct str reason_of(struct arena *a, const struct json *reply)
{
    static const char *const names[] = {"message", "error", "detail", "msg"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct json *v = json_get(reply, names[i]);
        if (v && v->type == JSON_STRING && v->s.n) return str_sub(v->s, 0, 200);
    }
    return str_sub(json_text(a, reply), 0, 200);
}

static void read_reply(struct arena *a, const struct call *c, struct rpc_answer *ret)
{
    struct json *reply;
    ret->outcome = DRIVER_DONE;
    struct str copy = c->reply.p ? arena_str(a, c->reply) : STR_NULL;
    if (!copy.p || json_parse(a, copy, &reply, NULL)) return; /* it has answered, that is what counts */
    ret->reply = reply;
    if (!says_no(reply)) return;
    ret->outcome = DRIVER_REFUSED;
    error_set(&ret->error, ERR_DEVICE, "", "the device has refused: %.*s", "设备拒绝：%.*s",
              STR_ARG(reason_of(a, reply)));
}

static void prepare(struct rpc *r, struct arena *a, const struct rpc_request *q, uint64_t id,
                    const struct push_about *d, const struct push_about *gw, struct outgoing *o)
{
    char topic[MQTT_LEVELS_MAX * 2], rest[64];
    struct buf b;
    const char *name = d->alias[0] ? d->alias : d->who.code;
    buf_init(&b, 1u << 20);
    struct json_writer w = json_writer(&b);
    o->m = r->m;
    o->jetlinks = d->commands == PUSH_COMMANDS_JETLINKS;
    o->owner = gw ? gw->who.id : d->who.id;
    o->code = gw ? gw->who.code : d->who.code;
    snprintf(rest, sizeof rest, "rpc/request/%llu", (unsigned long long)id);
    if (o->jetlinks) {
        write_jetlinks(&w, q, id, name, clock_now_us(r->m->node->clock));
        o->tail = gw ? arena_printf(a, "child/%s/%s", name, jetlinks_topics[q->what]) : jetlinks_topics[q->what];
    } else {
        write_thingsboard(&w, a, q, id, d);
        o->topic = arena_str(a, gw ? mq_gateway_topic(topic, o->owner, "rpc") : mq_me_topic(topic, o->owner, rest));
    }
    o->payload = b.err ? STR_NULL : arena_str(a, buf_view(&b));
    buf_fini(&b);
}

static void answer_of(struct rpc *r, struct arena *a, const struct rpc_request *q, struct call *c, struct outgoing *o,
                      uint64_t until_ns, struct rpc_answer *ret)
{
    if (!o->payload.p || loop_call(r->m->loop, send_on_loop, o)) {
        error_set(&ret->error, ERR_UNAVAILABLE, "", "MQTT is stopping", "MQTT 正在停止");
    } else if (!o->reached) {
        error_set(&ret->error, ERR_UNAVAILABLE, "",
                  "the device is not connected, or has not subscribed to its commands", "设备未连接，或未订阅命令主题");
    } else if (wait_for(r, c, until_ns)) {
        metric_add(&m_calls, 1);
        read_reply(a, c, ret);
    } else {
        metric_add(&m_calls, 1);
        metric_add(&m_unanswered, 1);
        ret->outcome = DRIVER_UNKNOWN;
        error_set(&ret->error, ERR_UNKNOWN, "", "sent, but the device has not answered within %u ms",
                  "已发送，但设备在 %u 毫秒内没有应答", q->timeout_ms);
    }
}

static bool whom(struct rpc *r, const struct rpc_request *q, struct push_about *d, struct push_about *gw, bool *behind,
                 struct error *e)
{
    bool there = push_about(r->m->push, q->device, d);
    *behind = there && d->parent[0];
    if (*behind) there = push_about(r->m->push, d->parent, gw);
    if (!there)
        error_set(e, ERR_NOT_FOUND, "", "the device, or its gateway, is gone or disabled",
                  "设备或其网关不存在或已停用");
    return there;
}

static void carry_out(struct rpc *r, struct arena *a, const struct rpc_request *q, struct rpc_answer *ret)
{
    struct push_about d, gw;
    struct outgoing o = {.reached = 0};
    uint64_t from = clock_mono_ns(r->m->node->clock);
    bool behind;
    *ret = (struct rpc_answer){.outcome = DRIVER_FAILED};
    if (!whom(r, q, &d, &gw, &behind, &ret->error)) return;
    struct call *c = enlist(r, q->device, &ret->error);
    if (!c) return;
    prepare(r, a, q, c->id, &d, behind ? &gw : NULL, &o);
    answer_of(r, a, q, c, &o, from + (uint64_t)q->timeout_ms * 1000000u, ret);
    strike(r, c);
    ret->ms = (uint32_t)((clock_mono_ns(r->m->node->clock) - from) / 1000000u);
}

void mqtt_rpc(struct rpc *r, struct arena *a, const struct rpc_request *q, struct rpc_answer *ret)
{
    static const char *const names[] = {[RPC_CALL] = "", [RPC_WRITE] = "write", [RPC_READ] = "read"};
    struct rpc_note n = {.device = q->device,
                         .by = q->by,
                         .method = q->what == RPC_CALL ? q->method : str_of(names[q->what]),
                         .params = q->params ? json_text(a, q->params) : STR_NULL,
                         .at_us = clock_now_us(r->m->node->clock)};
    carry_out(r, a, q, ret);
    n.reply = ret->reply ? json_text(a, ret->reply) : STR_NULL;
    n.outcome = ret->outcome;
    n.why = &ret->error;
    n.ms = ret->ms;
    rpc_log_add(r->log, &n);
}

void mqtt_rpc_history(struct rpc *r, const char *device, bool zh, struct json_writer *w)
{
    rpc_log_write(r->log, device, zh, w);
}

/* ---- points, for control ---- */

const char mqtt_control_name[] = "mqtt";

static int find(void *ctx, uint32_t point, struct error *e)
{
    struct rpc *r = ctx;
    struct push_owner o;
    AUTO_ARENA a;
    arena_init(&a, 4u << 20);
    int rc = push_owner_of(r->m->push, &a, point, &o, e);
    if (!rc && o.commands == PUSH_COMMANDS_NONE)
        rc = error_set(e, ERR_FORBIDDEN, "id", "device %s takes no commands; its field “Writing to it” is off",
                       "设备 %s 未启用下行写入", o.code);
    return rc;
}

static struct json *value_of(struct arena *a, const struct control_command *cmd)
{
    double d = cmd->value.v.d;
    switch (cmd->value.type) {
    case SAMPLE_BOOL: return json_new_bool(a, cmd->value.v.i != 0);
    case SAMPLE_INT: return json_new_i64(a, cmd->value.v.i);
    case SAMPLE_STRING: return json_new_str(a, cmd->text);
    default: break;
    }
    return d == (double)(int64_t)d && fabs(d) < 1e15 ? json_new_i64(a, (int64_t)d) : json_new_double(a, d);
}

/* The answer may tell the value: {"key":value}, {"properties":{"key":value}}. */
static void read_back(const struct json *reply, const char *key, const struct control_command *cmd,
                      struct control_result *ret)
{
    const struct json *p = json_get(reply, "properties"), *v = json_get(p ? p : reply, key);
    if (!v || v->type == JSON_ARRAY || v->type == JSON_OBJECT || v->type == JSON_NULL) return;
    ret->has_readback = true;
    ret->readback = (struct sample){.point = cmd->point, .type = SAMPLE_DOUBLE};
    if (v->type == JSON_STRING) {
        ret->readback.type = SAMPLE_STRING;
        str_to_cstr(v->s, ret->text, sizeof ret->text);
    } else if (v->type == JSON_BOOL) {
        ret->readback.type = SAMPLE_BOOL;
        ret->readback.v.i = v->b;
    } else {
        ret->readback.v.d = json_double(v, 0);
    }
}

static void write_point(void *ctx, const struct control_command *cmd, struct control_result *ret)
{
    struct rpc *r = ctx;
    struct push_owner o;
    struct rpc_answer answer;
    AUTO_ARENA a;
    arena_init(&a, 8u << 20);
    ret->outcome = DRIVER_FAILED;
    if (push_owner_of(r->m->push, &a, cmd->point, &o, &ret->error)) return;
    struct json *params = json_new_object(&a), *v = value_of(&a, cmd);
    if (!params || !v || !json_set(params, &a, str_of(o.key), v)) {
        error_set(&ret->error, ERR_NOMEM, "", "out of memory", "内存不足");
        return;
    }
    struct rpc_request q = {
        .device = o.device, .what = RPC_WRITE, .params = params, .timeout_ms = (unsigned)cmd->expires_ms};
    mqtt_rpc(r, &a, &q, &answer);
    ret->outcome = answer.outcome;
    ret->error = answer.error;
    ret->ms = answer.ms;
    if (answer.reply && answer.outcome == DRIVER_DONE) read_back(answer.reply, o.key, cmd, ret);
}

void mqtt_control_route(struct rpc *r, struct control_route *ret)
{
    *ret = (struct control_route){.name = mqtt_control_name, .find = find, .write = write_point, .ctx = r};
}
