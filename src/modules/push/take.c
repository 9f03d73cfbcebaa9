/* take.c - a message of a device: token, rate, keys to points, samples, durable, then counted. SQL and the bus
 * are used without the lock; the device is looked up again after each of them, as it may be gone. */
#include <math.h>
#include "base/mem.h"
#include "base/metric.h"
#include "base/time.h"
#include "model/sample.h"
#include "modules/push/push.h"

#define TEXT_MAX 65536
#define ATTRIBUTES_MAX 200

METRIC(m_messages, METRIC_COUNTER, "bornite_push_messages_total", "Messages of pushing devices taken.");
METRIC(m_samples, METRIC_COUNTER, "bornite_push_samples_total", "Samples of pushing devices stored.");
METRIC(m_unknown, METRIC_COUNTER, "bornite_push_unknown_keys_total", "Values whose key has no point.");
METRIC(m_rejected, METRIC_COUNTER, "bornite_push_rejected_total", "Values that could not be stored.");
METRIC(m_limited, METRIC_COUNTER, "bornite_push_limited_total", "Messages refused because the device sends too often.");
METRIC(m_denied, METRIC_COUNTER, "bornite_push_denied_total", "Messages with a wrong token.");

struct taking {
    struct push *p;
    struct arena *a;
    struct push_device d; /* a copy: id, org, rules; no keys */
    struct pushed *in;
    struct place {
        uint32_t num;
        bool text, unknown;
        const char *problem, *problem_zh;
    } * at; /* of each value */
    size_t n;
    struct sample *out;
    size_t nout;
    int64_t now_us;
    enum push_form form;
};

/* ---- token and rate ---- */

bool push_rate_take(struct push_device *d, uint64_t now_ns, unsigned *wait_s)
{
    double per_ns = d->rate / 60e9;
    if (d->filled_ns) d->tokens = fmin(d->rate, d->tokens + (double)(now_ns - d->filled_ns) * per_ns);
    d->filled_ns = now_ns;
    if (d->tokens >= 1) {
        d->tokens--;
        return true;
    }
    *wait_s = (unsigned)ceil((1 - d->tokens) / per_ns / 1e9);
    return false;
}

void push_count_limited(void)
{
    metric_add(&m_limited, 1);
}

void push_count(size_t samples, size_t unknown)
{
    metric_add(&m_messages, 1);
    metric_add(&m_samples, (int64_t)samples);
    if (unknown) metric_add(&m_unknown, (int64_t)unknown);
}

/* id NULL: by the token. */
static int admit(struct push *p, struct arena *a, struct str token, const char *id, struct push_device *ret,
                 unsigned *wait_s, struct error *e)
{
    int rc = 0;
    pthread_mutex_lock(&p->lock);
    struct push_device *d = id ? push_locked_device(p, id) : push_by_token(p, token);
    if (!d) {
        rc = ERR_UNAUTHENTICATED;
    } else if (!push_rate_take(d, clock_mono_ns(p->node->clock), wait_s)) {
        rc = error_set(e, ERR_LIMIT, "", "device %s sends more than %g messages a minute",
                       "设备 %s 每分钟消息超过 %g 条", d->code, d->rate);
        push_count_limited();
    } else {
        *ret = *d;
        ret->keys = NULL;
        ret->nkeys = 0;
        ret->point_spec = d->point_spec ? arena_strdup(a, str_of(d->point_spec)) : NULL;
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

int push_refuse(struct push *p, const char *peer, unsigned *ret_wait_s, struct error *e)
{
    uint64_t now = clock_mono_ns(p->node->clock);
    metric_add(&m_denied, 1);
    *ret_wait_s = backoff_wait(&p->backoff, "push", str_of(peer), now);
    if (*ret_wait_s)
        return error_set(e, ERR_LIMIT, "", "too many wrong tokens from %s; wait %u s",
                         "来自 %s 的错误令牌过多，请等待 %u 秒", peer, *ret_wait_s);
    backoff_failed(&p->backoff, "push", str_of(peer), now);
    return error_set(e, ERR_UNAUTHENTICATED, "", "no device has this token", "没有设备使用此令牌");
}

/* ---- keys ---- */

static struct push_key *find_key(struct push_device *d, struct str key)
{
    for (size_t i = 0; i < d->nkeys; i++)
        if (str_is(key, d->keys[i].key)) return &d->keys[i];
    return NULL;
}

/* Under the lock. NULL: no more keys for this device. */
static struct push_key *make_key(struct push_device *d, struct str key)
{
    struct push_key *k = find_key(d, key);
    if (k || d->nkeys >= d->max_keys) return k;
    if (!mem_grow((void **)&d->keys, &d->keys_cap, d->nkeys + 1, sizeof *d->keys)) return NULL;
    char *copy = mem_alloc(key.n + 1);
    if (!copy) return NULL;
    memcpy(copy, key.p, key.n);
    copy[key.n] = '\0';
    d->keys[d->nkeys] = (struct push_key){.key = copy, .key_n = key.n};
    return &d->keys[d->nkeys++];
}

/* From memory; true: all keys have been looked for. */
static bool known_keys(struct taking *t)
{
    bool all = true;
    pthread_mutex_lock(&t->p->lock);
    struct push_device *d = push_by_id(t->p, str_of(t->d.id));
    for (size_t i = 0; i < t->n; i++) {
        struct push_key *k = d ? find_key(d, t->in[i].key) : NULL;
        bool known = k && k->epoch == t->p->epoch;
        if (known) {
            t->at[i] = (struct place){.num = k->num, .text = k->text, .unknown = k->num == 0};
        } else {
            t->at[i].unknown = true;
            all &= d && d->nkeys >= d->max_keys && !k; /* full: nothing to look for */
        }
    }
    pthread_mutex_unlock(&t->p->lock);
    return all;
}

struct found {
    uint32_t num;
    bool text;
    char code[129];
    struct error why;
};

static void found_point(struct found *f, const struct resource *r)
{
    f->num = r->num;
    f->text = str_is(json_str(json_get(r->spec, "type"), STR("")), "string");
    str_to_cstr(r->code, f->code, sizeof f->code);
}

/* A mapping of the device's own; false: the key has none. */
static bool mapped(struct taking *t, const struct resource *device, struct str key, struct found *f)
{
    struct resource r;
    for
        json_each (it, json_get(device->spec, "keys")) {
            if (!str_eq(json_str(json_get(it, "key"), STR("")), key)) continue;
            if (resource_get(t->p->node->kernel, t->a, "point", json_str(json_get(it, "point"), STR("")), &r,
                             &f->why) == 0)
                found_point(f, &r);
            return true;
        }
    return false;
}

static void put_clean(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        buf_u8(b, c <= ' ' || c == 0x7f || strchr(",;'\"/", c) ? '_' : c);
    }
}

struct str push_point_code(struct arena *a, struct str device, struct str rule, struct str key)
{
    struct buf b;
    struct str rest = rule;
    buf_init(&b, 128);
    while (rest.n) {
        if (str_starts(rest, STR("{device}"))) {
            put_clean(&b, device);
            rest = str_sub(rest, 8, rest.n);
        } else if (str_starts(rest, STR("{key}"))) {
            put_clean(&b, key);
            rest = str_sub(rest, 5, rest.n);
        } else {
            buf_add(&b, rest.p, 1);
            rest = str_sub(rest, 1, rest.n);
        }
    }
    struct str code = b.err ? STR_NULL : arena_str(a, buf_view(&b));
    buf_fini(&b);
    return code;
}

static struct json *point_spec(struct taking *t, const struct pushed *v)
{
    const struct json *value = v->v;
    struct json *spec = NULL;
    if (!t->d.point_spec || json_parse(t->a, str_of(t->d.point_spec), &spec, NULL)) spec = json_new_object(t->a);
    if (spec && v->unit.n && v->unit.n <= 40 && !json_get(spec, "unit"))
        json_set(spec, t->a, STR("unit"), json_new_str(t->a, v->unit));
    if (!spec || json_get(spec, "type")) return spec;
    if (value->type == JSON_STRING) json_set(spec, t->a, STR("type"), json_new_str(t->a, STR("string")));
    if (value->type == JSON_BOOL) json_set(spec, t->a, STR("type"), json_new_str(t->a, STR("bool")));
    return spec;
}

static int make_point(struct taking *t, struct str code, const struct pushed *v, struct resource *ret, struct error *e)
{
    struct actor by = actor_system;
    struct json *labels = json_new_object(t->a);
    json_set(labels, t->a, STR("push_device"), json_new_str(t->a, str_of(t->d.id)));
    if (v->key.n <= 60) json_set(labels, t->a, STR("push_key"), json_new_str(t->a, v->key));
    snprintf(by.login, sizeof by.login, "push:%.58s", t->d.code);
    struct resource_input in = {.code = code,
                                .name = str_sub(v->key, 0, 200),
                                .org = t->d.org[0] ? str_of(t->d.org) : STR_NULL,
                                .labels = labels,
                                .spec = point_spec(t, v)};
    return labels && in.spec ? resource_create(t->p->node->kernel, t->a, &by, "point", &in, ret, e) : ERR_NOMEM;
}

/* By the rule: the point of that code if this device made it once, else a new one. */
static void by_rule(struct taking *t, const struct pushed *v, struct found *f)
{
    struct resource r;
    struct str code = push_point_code(t->a, str_of(t->d.code), str_of(t->d.point_code), v->key);
    if (!code.p) {
        error_set(&f->why, ERR_INVALID, "", "the point's code would be too long", "测点编码过长");
        return;
    }
    int rc = resource_get(t->p->node->kernel, t->a, "point", code, &r, &f->why);
    if (rc == ERR_NOT_FOUND) rc = make_point(t, code, v, &r, &f->why);
    if (rc) return;
    if (str_is(json_str(json_get(r.labels, "push_device"), STR("")), t->d.id))
        found_point(f, &r);
    else
        error_set(&f->why, ERR_EXISTS, "", "point %.*s is not this device's; map the key to it by hand",
                  "测点 %.*s 不属于该设备，请手工映射该键", STR_ARG(code));
}

static void look_for(struct taking *t, const struct resource *device, const struct pushed *v, struct found *f)
{
    *f = (struct found){.num = 0};
    if (mapped(t, device, v->key, f)) return;
    if (t->d.create)
        by_rule(t, v, f);
    else
        error_set(&f->why, ERR_NOT_FOUND, "", "no point is mapped to this key", "该键没有映射测点");
}

static void keep_found(struct taking *t, struct str key, const struct found *f)
{
    pthread_mutex_lock(&t->p->lock);
    struct push_device *d = push_by_id(t->p, str_of(t->d.id));
    struct push_key *k = d ? make_key(d, key) : NULL;
    if (k) {
        k->num = f->num;
        k->text = f->text;
        k->epoch = t->p->epoch;
        memcpy(k->code, f->code, sizeof k->code);
        str_to_cstr(str_of(f->num ? "" : f->why.text), k->problem, sizeof k->problem);
        str_to_cstr(str_of(f->num ? "" : f->why.text_zh), k->problem_zh, sizeof k->problem_zh);
    }
    pthread_mutex_unlock(&t->p->lock);
}

static bool has_room(struct taking *t, struct str key)
{
    pthread_mutex_lock(&t->p->lock);
    struct push_device *d = push_by_id(t->p, str_of(t->d.id));
    struct push_key *k = d ? find_key(d, key) : NULL;
    bool room = d && (k ? k->epoch != t->p->epoch : d->nkeys < d->max_keys);
    pthread_mutex_unlock(&t->p->lock);
    return room;
}

static int find_points(struct taking *t, struct error *e)
{
    struct resource device;
    if (known_keys(t)) return 0;
    pthread_mutex_lock(&t->p->making);
    int rc = resource_get(t->p->node->kernel, t->a, "push_device", str_of(t->d.id), &device, e);
    for (size_t i = 0; i < t->n && !rc; i++) {
        struct found f;
        if (!t->at[i].unknown || !has_room(t, t->in[i].key)) continue;
        look_for(t, &device, &t->in[i], &f);
        if (f.why.code == ERR_AGAIN || f.why.code == ERR_DISK_FULL || f.why.code == ERR_IO || f.why.code == ERR_NOMEM) {
            rc = f.why.code; /* the store is in trouble: the device sends it again */
            if (e) *e = f.why;
        } else {
            keep_found(t, t->in[i].key, &f);
        }
    }
    pthread_mutex_unlock(&t->p->making);
    if (!rc) known_keys(t);
    return rc;
}

/* ---- values ---- */

static bool reject(struct place *at, const char *en, const char *zh)
{
    at->problem = en;
    at->problem_zh = zh;
    return false;
}

static bool set_text(struct taking *t, struct place *at, struct str text, struct sample *s)
{
    struct ts_store *h = t->p->node->history;
    s->type = SAMPLE_STRING;
    if (text.n > TEXT_MAX) return reject(at, "the text is longer than 64 KiB", "文本超过 64 KiB");
    return h->ops->string_put(h, text, &s->v.u) == 0 || reject(at, "the text cannot be stored", "文本无法保存");
}

static bool set_value(struct taking *t, struct place *at, const struct json *v, struct sample *s)
{
    double number;
    s->type = SAMPLE_DOUBLE;
    switch (v->type) {
    case JSON_INT: s->v.d = (double)v->i; return true;
    case JSON_DOUBLE: s->v.d = v->d; return true;
    case JSON_BOOL:
        s->type = SAMPLE_BOOL;
        s->v.i = v->b;
        return true;
    case JSON_STRING:
        /* ThingsBoard reads texts that are numbers as numbers. */
        if (t->form == PUSH_THINGSBOARD && !at->text && str_to_double(v->s, &number) == 0) {
            s->v.d = number;
            return true;
        }
        return set_text(t, at, v->s, s);
    case JSON_ARRAY:
    case JSON_OBJECT: {
        struct str text = json_text(t->a, v);
        return text.p ? set_text(t, at, text, s) : reject(at, "the value is too large", "值过大");
    }
    case JSON_NULL: break;
    }
    return reject(at, "there is no value (null)", "没有值（null）");
}

static bool set_time(struct taking *t, struct place *at, const struct pushed *v, struct sample *s)
{
    s->time_us = t->now_us;
    if (!v->has_time || t->d.server_clock) return true;
    if (v->time_us < PUSH_EARLIEST_US || v->time_us > t->now_us + PUSH_AHEAD_US)
        return reject(at, "the time is before 2000 or more than an hour ahead", "时间早于 2000 年或超前一小时以上");
    s->time_us = v->time_us;
    s->flags |= SAMPLE_FLAG_SOURCE_TIME;
    if (v->time_us < t->now_us - PUSH_BUFFERED_US) s->flags |= SAMPLE_FLAG_BACKFILL;
    return true;
}

static void make_samples(struct taking *t)
{
    for (size_t i = 0; i < t->n; i++) {
        struct place *at = &t->at[i];
        struct sample s = {.point = at->num, .quality = t->in[i].quality};
        if (at->unknown || !set_time(t, at, &t->in[i], &s) || !set_value(t, at, t->in[i].v, &s)) continue;
        if (s.quality != QUALITY_GOOD) s.flags |= REASON_DEVICE_FAILURE;
        t->out[t->nout++] = s;
    }
}

/* ---- counting ---- */

static void show_value(const struct json *v, char out[120])
{
    struct buf b;
    buf_init(&b, 1 << 20);
    json_write(&b, v);
    struct str text = str_sub(buf_view(&b), 0, 119);
    while (text.n && text.n == 119 && ((unsigned char)text.p[text.n - 1] & 0x80)) text.n--;
    str_to_cstr(text, out, 120);
    buf_fini(&b);
}

static void count_value(struct taking *t, size_t i, struct push_device *d, struct push_outcome *o)
{
    const struct place *at = &t->at[i];
    struct push_key *k = find_key(d, t->in[i].key);
    o->unknown += at->unknown;
    o->rejected += at->problem != NULL;
    if (!k) return;
    show_value(t->in[i].v, k->value);
    k->time_us = t->in[i].has_time && !t->d.server_clock ? t->in[i].time_us : t->now_us;
    k->count++;
    if (at->unknown) return; /* its problem stands there already */
    str_to_cstr(str_of(at->problem ? at->problem : ""), k->problem, sizeof k->problem);
    str_to_cstr(str_of(at->problem_zh ? at->problem_zh : ""), k->problem_zh, sizeof k->problem_zh);
}

static void count_all(struct taking *t, struct push_outcome *o)
{
    o->stored = t->nout;
    pthread_mutex_lock(&t->p->lock);
    struct push_device *d = push_by_id(t->p, str_of(t->d.id));
    for (size_t i = 0; i < t->n && d; i++) count_value(t, i, d, o);
    if (d) {
        d->seen_us = t->now_us;
        d->messages++;
        d->samples += o->stored;
        d->unknown += o->unknown;
        d->rejected += o->rejected;
    }
    pthread_mutex_unlock(&t->p->lock);
    push_count(o->stored, o->unknown);
    metric_add(&m_rejected, (int64_t)o->rejected);
}

static int take_values(struct taking *t, struct push_outcome *ret, struct error *e)
{
    t->at = arena_calloc(t->a, t->n + 1, sizeof *t->at);
    t->out = arena_calloc(t->a, t->n + 1, sizeof *t->out);
    if (!t->at || !t->out) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int rc = find_points(t, e);
    if (rc) return rc;
    make_samples(t);
    rc = t->nout ? bus_write(t->p->node->bus, t->out, t->nout, e) : 0;
    if (!rc) count_all(t, ret);
    return rc;
}

int push_take(struct push *p, struct arena *a, struct str token, enum push_form form, const struct json *body,
              struct push_outcome *ret, struct error *e)
{
    struct taking t = {.p = p, .a = a, .form = form, .now_us = clock_now_us(p->node->clock)};
    *ret = (struct push_outcome){0};
    int rc = admit(p, a, token, NULL, &t.d, &ret->wait_s, e);
    if (!rc) rc = push_decode(a, form, body, &t.in, &t.n, e);
    return rc ? rc : take_values(&t, ret, e);
}

int push_take_values(struct push *p, struct arena *a, const char *id, enum push_form form, struct pushed *values,
                     size_t n, struct push_outcome *ret, struct error *e)
{
    struct taking t = {.p = p, .a = a, .form = form, .in = values, .n = n, .now_us = clock_now_us(p->node->clock)};
    *ret = (struct push_outcome){0};
    int rc = admit(p, a, STR(""), id, &t.d, &ret->wait_s, e);
    return rc ? rc : take_values(&t, ret, e);
}

/* ---- attributes ---- */

static int store_attributes(struct taking *t, const struct json *body, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(kernel_sql(t->p->node->kernel), true, &tx, e);
    if (rc) return rc;
    for
        json_each (m, body) {
            struct str text = rc ? STR_NULL : json_text(t->a, m);
            if (rc || !text.p || text.n > 4096 || !m->key.n || m->key.n > 200) continue;
            rc = sql_exec(tx, e,
                          "insert into push_attribute(device_id, key, value, at_us) values($1,$2,$3,$4) on "
                          "conflict(device_id, key) do update set value = excluded.value, at_us = excluded.at_us",
                          "sssi", str_of(t->d.id), m->key, text, t->now_us);
        }
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

static int take_attributes(struct push *p, struct arena *a, struct str token, const char *id, const struct json *body,
                           struct push_outcome *ret, struct error *e)
{
    struct taking t = {.p = p, .a = a, .now_us = clock_now_us(p->node->clock)};
    *ret = (struct push_outcome){0};
    int rc = admit(p, a, token, id, &t.d, &ret->wait_s, e);
    if (rc) return rc;
    if (body->type != JSON_OBJECT || body->count > ATTRIBUTES_MAX)
        return error_set(e, ERR_INVALID, "", "attributes are an object of at most %d members",
                         "属性应为最多 %d 项的对象", ATTRIBUTES_MAX);
    rc = store_attributes(&t, body, e);
    if (!rc) count_all(&t, ret);
    return rc;
}

int push_attributes(struct push *p, struct arena *a, struct str token, const struct json *body,
                    struct push_outcome *ret, struct error *e)
{
    return take_attributes(p, a, token, NULL, body, ret, e);
}

int push_take_attributes(struct push *p, struct arena *a, const char *id, const struct json *body, struct error *e)
{
    struct push_outcome o;
    return take_attributes(p, a, STR(""), id, body, &o, e);
}

/* ---- what it sent last ---- */

static void write_key(struct json_writer *w, const struct push_key *k, bool zh)
{
    char at[TIME_TEXT_MAX];
    jw_object(w);
    jw_kz(w, "key", k->key);
    jw_kz(w, "point", k->num ? k->code : NULL);
    jw_kz(w, "value", k->value);
    jw_kz(w, "t", k->time_us ? time_format(k->time_us, at) : NULL);
    jw_ki64(w, "count", (int64_t)k->count);
    jw_kz(w, "problem", zh && k->problem_zh[0] ? k->problem_zh : k->problem);
    jw_end(w);
}

static void write_device(struct json_writer *w, const struct push_device *d, bool zh)
{
    char at[TIME_TEXT_MAX];
    jw_kbool(w, "has_token", d->has_token);
    jw_kz(w, "seen_at", d->seen_us ? time_format(d->seen_us, at) : NULL);
    jw_ki64(w, "messages", (int64_t)d->messages);
    jw_ki64(w, "samples", (int64_t)d->samples);
    jw_ki64(w, "unknown", (int64_t)d->unknown);
    jw_ki64(w, "rejected", (int64_t)d->rejected);
    jw_ki64(w, "refused", (int64_t)d->refused);
    jw_kz(w, "refused_at", d->refused_us ? time_format(d->refused_us, at) : NULL);
    jw_kz(w, "problem", zh && d->problem_zh[0] ? d->problem_zh : d->problem);
    jw_key(w, STR("items"));
    jw_array(w);
    for (size_t i = 0; i < d->nkeys; i++) write_key(w, &d->keys[i], zh);
    jw_end(w);
}

static int write_attributes(struct push *p, struct str id, struct json_writer *w, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s;
    int rc = sql_begin(kernel_sql(p->node->kernel), false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select key, value, at_us from push_attribute where device_id = $1 order by key", &s, e);
    jw_key(w, STR("attributes"));
    jw_array(w);
    if (!rc) {
        sql_bind_str(s, 1, id);
        while ((rc = sql_step(s, e)) == 1) {
            char at[TIME_TEXT_MAX];
            jw_object(w);
            jw_kstr(w, "key", sql_str(s, 0));
            jw_key(w, STR("value"));
            jw_raw(w, sql_str(s, 1));
            jw_kz(w, "at", time_format(sql_i64(s, 2), at));
            jw_end(w);
        }
        sql_done(s);
    }
    jw_end(w);
    sql_rollback(tx);
    return rc;
}

int push_write_latest(struct push *p, struct str id, bool zh, struct json_writer *w, struct error *e)
{
    static const struct push_device none;
    jw_object(w);
    pthread_mutex_lock(&p->lock);
    const struct push_device *d = push_by_id(p, id);
    write_device(w, d ? d : &none, zh);
    pthread_mutex_unlock(&p->lock);
    int rc = write_attributes(p, id, w, e);
    jw_end(w);
    return rc;
}
