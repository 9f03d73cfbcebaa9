/* fast.c - the short way of a message: one pass over the text, no tree, no memory. It knows objects of numbers and
 * booleans under plain keys, alone or as "values" beside a time; whatever else a message may be is left to the long way
 * (take.c), which also says what is wrong with it. So what is taken here is what would be taken there.
 * Everything under the module's lock. */
#include <math.h>
#include "base/time.h"
#include "modules/push/push.h"

struct scan {
    const char *p, *end;
    struct value {
        struct str key, raw;
        bool boolean;
    } v[PUSH_FAST_MAX];
    size_t n;
    struct str time; /* of "ts" or "t" */
    bool values;     /* a member "values" came */
    size_t outer;    /* values that stood beside it */
};

static void blanks(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t')) s->p++;
}

static bool take(struct scan *s, char c)
{
    blanks(s);
    if (s->p == s->end || *s->p != c) return false;
    s->p++;
    return true;
}

static bool plain_text(struct scan *s, struct str *ret)
{
    if (!take(s, '"')) return false;
    const char *from = s->p;
    for (; s->p < s->end && *s->p != '"'; s->p++)
        if (*s->p == '\\' || (unsigned char)*s->p < ' ') return false;
    if (s->p == s->end) return false;
    *ret = str_make(from, (size_t)(s->p++ - from));
    return true;
}

static const char *digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9') p++;
    return p;
}

static bool number(struct scan *s, struct str *ret)
{
    const char *p = s->p, *q;
    if (p < s->end && *p == '-') p++;
    if ((q = digits(p, s->end)) == p || (*p == '0' && q - p > 1)) return false;
    if (q < s->end && *q == '.') {
        p = q + 1;
        if ((q = digits(p, s->end)) == p) return false;
    }
    if (q < s->end && (*q == 'e' || *q == 'E')) {
        p = q + 1;
        if (p < s->end && (*p == '-' || *p == '+')) p++;
        if ((q = digits(p, s->end)) == p) return false;
    }
    *ret = str_make(s->p, (size_t)(q - s->p));
    s->p = q;
    return true;
}

static bool word(struct scan *s, struct str w, struct str *ret)
{
    if ((size_t)(s->end - s->p) < w.n || memcmp(s->p, w.p, w.n) != 0) return false;
    *ret = str_make(s->p, w.n);
    s->p += w.n;
    return true;
}

static bool scalar(struct scan *s, struct value *v)
{
    blanks(s);
    v->boolean = s->p < s->end && (*s->p == 't' || *s->p == 'f');
    if (v->boolean) return word(s, STR("true"), &v->raw) || word(s, STR("false"), &v->raw);
    return number(s, &v->raw);
}

static bool members(struct scan *s, const char *time_name);

static bool member(struct scan *s, const char *time_name)
{
    struct value *v = &s->v[s->n];
    if (s->n == PUSH_FAST_MAX || !plain_text(s, &v->key) || !take(s, ':')) return false;
    if (time_name && str_is(v->key, "values")) {
        if (s->values || !take(s, '{')) return false;
        s->values = true;
        s->outer = s->n;
        return members(s, NULL);
    }
    if (!v->key.n || v->key.n > 200 || !scalar(s, v)) return false;
    if (time_name && str_is(v->key, time_name)) {
        if (s->time.p || v->boolean) return false;
        s->time = v->raw;
        return true;
    }
    s->n++;
    return true;
}

/* Behind '{' up to and with '}'. time_name NULL: inside of "values". */
static bool members(struct scan *s, const char *time_name)
{
    if (take(s, '}')) return true;
    do
        if (!member(s, time_name)) return false;
    while (take(s, ','));
    return take(s, '}');
}

static bool scan(struct scan *s, enum push_form form, struct str text)
{
    s->p = text.p;
    s->end = text.p + text.n;
    s->n = s->outer = 0;
    s->time = STR_NULL;
    s->values = false;
    if (!take(s, '{') || !members(s, form == PUSH_OWN ? "t" : "ts")) return false;
    blanks(s);
    if (s->p != s->end || s->outer) return false;
    if (form == PUSH_OWN) return s->values;
    return s->values == (s->time.p != NULL); /* "ts" alone is a key like others */
}

static bool time_of(const struct push_device *d, struct str raw, int64_t now_us, struct sample *ret)
{
    int64_t ms;
    ret->time_us = now_us;
    ret->flags = 0;
    if (!raw.p || d->server_clock) return !raw.p || str_to_i64(raw, &ms) == 0;
    if (str_to_i64(raw, &ms) || ms < PUSH_EARLIEST_US / 1000 || ms > (now_us + PUSH_AHEAD_US) / 1000) return false;
    ret->time_us = ms * 1000;
    ret->flags = SAMPLE_FLAG_SOURCE_TIME;
    if (ret->time_us < now_us - PUSH_BUFFERED_US) ret->flags |= SAMPLE_FLAG_BACKFILL;
    return true;
}

/* Keys come in the same order again and again: the one behind the last is tried first. */
static struct push_key *key_of(struct push_device *d, struct str key)
{
    size_t next = d->hint < d->nkeys ? d->hint : 0;
    for (size_t i = 0; i < d->nkeys; i++) {
        struct push_key *k = &d->keys[next];
        if (++next == d->nkeys) next = 0;
        if (!str_eq(key, str_make(k->key, k->key_n))) continue;
        d->hint = next;
        return k;
    }
    return NULL;
}

static void count(struct push_key *k, const struct value *v, int64_t time_us)
{
    size_t n = v->raw.n < sizeof k->value - 1 ? v->raw.n : sizeof k->value - 1;
    memcpy(k->value, v->raw.p, n);
    k->value[n] = '\0';
    k->time_us = time_us;
    k->count++;
    if (k->num) k->problem[0] = k->problem_zh[0] = '\0';
}

int push_fast(struct push *p, struct push_device *d, enum push_form form, struct str text, int64_t now_us,
              uint64_t now_ns, struct sample *out, size_t *ret_n)
{
    struct scan s;
    struct push_key *keys[PUSH_FAST_MAX];
    struct sample first = {.time_us = 0};
    size_t n = 0;
    unsigned wait_s;
    if (!scan(&s, form, text) || !time_of(d, s.time, now_us, &first)) return ERR_AGAIN;
    p->serial++;
    for (size_t i = 0; i < s.n; i++) {
        struct push_key *k = keys[i] = key_of(d, s.v[i].key);
        if (!k || k->epoch != p->epoch || k->text || k->serial == p->serial) return ERR_AGAIN;
        k->serial = p->serial;
        if (!k->num) continue;
        out[n] = first;
        out[n].point = k->num;
        out[n].type = s.v[i].boolean ? SAMPLE_BOOL : SAMPLE_DOUBLE;
        if (s.v[i].boolean)
            out[n].v.i = s.v[i].raw.n == 4;
        else if (str_to_double(s.v[i].raw, &out[n].v.d) || !isfinite(out[n].v.d))
            return ERR_AGAIN;
        n++;
    }
    if (!push_rate_take(d, now_ns, &wait_s)) {
        push_count_limited();
        return ERR_LIMIT;
    }
    for (size_t i = 0; i < s.n; i++) count(keys[i], &s.v[i], first.time_us);
    d->seen_us = now_us;
    d->messages++;
    d->samples += n;
    d->unknown += s.n - n;
    push_count(n, s.n - n);
    *ret_n = n;
    return 0;
}
