/* decode.c - see decode.h. */
#include "modules/push/decode.h"
#include "base/time.h"
#include "model/sample.h"

struct decoder {
    struct pushed *out;
    size_t n, cap;
    struct arena *a;
    struct error *e;
    char where[32], place[64];
};

static const char *place(struct decoder *d, const char *member)
{
    snprintf(d->place, sizeof d->place, "%s%s", d->where, member);
    return d->place;
}
#define fault(d, member, en, zh) error_set((d)->e, ERR_INVALID, place(d, member), en, zh)

static int add(struct decoder *d, struct str key, const struct json *v, const int64_t *time_us, uint8_t quality)
{
    if (!key.n || key.n > 200) return fault(d, "key", "a key has 1 to 200 bytes", "键长度为 1 至 200 字节");
    if (d->n == PUSH_VALUES_MAX)
        return error_set(d->e, ERR_TOO_LARGE, "", "a message holds at most %d values", "一条消息最多 %d 个值",
                         PUSH_VALUES_MAX);
    if (d->n == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 32;
        struct pushed *more = arena_alloc(d->a, cap * sizeof *more);
        if (!more) return error_set(d->e, ERR_NOMEM, "", "out of memory", "内存不足");
        if (d->n) memcpy(more, d->out, d->n * sizeof *more);
        d->out = more;
        d->cap = cap;
    }
    d->out[d->n++] = (struct pushed){
        .key = key, .v = v, .time_us = time_us ? *time_us : 0, .has_time = time_us != NULL, .quality = quality};
    return 0;
}

static int ms_to_us(const struct json *v, int64_t *ret)
{
    double ms = json_double(v, 0) * 1000;
    if ((v->type != JSON_INT && v->type != JSON_DOUBLE) || !(ms >= (double)TIME_MIN_US && ms <= (double)TIME_MAX_US))
        return ERR_INVALID;
    *ret = v->type == JSON_INT ? v->i * 1000 : (int64_t)ms;
    return 0;
}

static int time_of(const struct json *v, int64_t *ret)
{
    return v->type == JSON_STRING ? time_parse(v->s, ret, NULL) : ms_to_us(v, ret);
}

/* ---- ThingsBoard ---- */

static int flat(struct decoder *d, const struct json *o, const int64_t *t)
{
    int rc = 0;
    for
        json_each (m, o) {
            if (!rc) rc = add(d, m->key, m, t, QUALITY_GOOD);
        }
    return rc;
}

static int tb_object(struct decoder *d, const struct json *o)
{
    const struct json *ts = json_get(o, "ts"), *values = json_get(o, "values");
    int64_t t;
    if (!ts || !values || values->type != JSON_OBJECT) return flat(d, o, NULL);
    if (ms_to_us(ts, &t)) return fault(d, "ts", "must be milliseconds since 1970", "应为 1970 年以来的毫秒数");
    return flat(d, values, &t);
}

/* ---- our own ---- */

static int quality_of(const struct json *v, uint8_t *ret)
{
    for (int q = QUALITY_GOOD; q <= QUALITY_BAD; q++)
        if (str_is(json_str(v, STR("good")), quality_name((uint8_t)q))) {
            *ret = (uint8_t)q;
            return v && v->type != JSON_STRING ? ERR_INVALID : 0;
        }
    return ERR_INVALID;
}

static int own_value(struct decoder *d, const struct json *m, const int64_t *outer)
{
    int64_t t = outer ? *outer : 0;
    uint8_t q = QUALITY_GOOD;
    if (m->type != JSON_OBJECT) return add(d, m->key, m, outer, q);
    const struct json *v = json_get(m, "v"), *own = json_get(m, "t");
    if (!v) return fault(d, "values", "a value that is an object needs 'v'", "对象形式的值须包含 'v'");
    if (own && time_of(own, &t)) return fault(d, "values.t", "is no time", "不是有效时间");
    if (quality_of(json_get(m, "q"), &q))
        return fault(d, "values.q", "is none of good, uncertain, bad", "不是 good、uncertain、bad 之一");
    return add(d, m->key, v, own || outer ? &t : NULL, q);
}

static int own_object(struct decoder *d, const struct json *o)
{
    const struct json *t = json_get(o, "t"), *values = json_get(o, "values");
    int64_t at = 0;
    int rc = 0;
    if (!values || values->type != JSON_OBJECT)
        return fault(d, "values", "must be an object of keys and values", "应为键值对象");
    if (t && time_of(t, &at)) return fault(d, "t", "is no time", "不是有效时间");
    for
        json_each (m, values) {
            if (!rc) rc = own_value(d, m, t ? &at : NULL);
        }
    return rc;
}

int push_decode(struct arena *a, enum push_form form, const struct json *body, struct pushed **ret, size_t *ret_n,
                struct error *e)
{
    struct decoder d = {.a = a, .e = e};
    size_t i = 0;
    int rc = 0;
    bool list = body->type == JSON_ARRAY;
    const struct json *first = list ? body->child : body;
    for (const struct json *o = first; o && !rc; o = list ? o->next : NULL) {
        if (list) snprintf(d.where, sizeof d.where, "[%zu].", i++);
        if (o->type != JSON_OBJECT) return fault(&d, "", "must be an object of keys and values", "应为键值对象");
        rc = form == PUSH_OWN ? own_object(&d, o) : tb_object(&d, o);
    }
    *ret = d.out;
    *ret_n = d.n;
    return rc;
}
