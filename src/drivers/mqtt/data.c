/* data.c - a message -> samples -> host, and its acknowledgement once they are on disk; bad and stale values.
 *
 * Time      of the payload where it has one; else of arrival. What is older than five minutes by the device's clock is
 *           marked as back-fill. The clock of a device is judged by the least delayed of its last messages.
 * Retained  a message that the broker kept is a value as well. Without a time of its own it says only what was last
 * known: it is published (uncertain, LAST_KNOWN) when it differs from what is known, or when the point is bad; not
 * again after each connect. With its own time it is published under that, and once more as last known when the point is
 * bad by then. Bad       NOT_CONNECTED takes its place by the device's clock, so that what comes from the broker's
 * queue of the gap is newer than it. Samples of one message go to the host in runs of one time. What it does not take
 * is held, and the connection not read. */
#include <stdlib.h>
#include "base/time.h"
#include "drivers/mqtt/mqtt_int.h"

#define LATE_US (300 * TIME_US_PER_S)
#define RUN_MAX 500

bool mt_clock_of(const struct mt_device *d, int64_t *ret_us)
{
    size_t n = d->nclock < 16 ? d->nclock : 16;
    *ret_us = INT64_MIN;
    for (size_t i = 0; i < n; i++)
        if (d->clock_us[i] > *ret_us) *ret_us = d->clock_us[i];
    if (n == 0) *ret_us = 0;
    return n > 0;
}

static void measure_clock(struct mt_device *d, int64_t source_us, int64_t now_us)
{
    d->clock_us[d->nclock++ % 16] = source_us - now_us;
    if (d->nclock >= 1u << 30) d->nclock = 16;
}

/* ---- publishing ---- */

static size_t run_of(const struct sample *s, size_t n)
{
    size_t k = 1;
    while (k < n && k < RUN_MAX && s[k].time_us == s[0].time_us) k++;
    return k;
}

/* How many of them the host took. */
static size_t publish(struct mt_channel *ch, const struct sample *s, size_t n)
{
    const struct driver_host *h = ch->base.host;
    size_t at = 0;
    while (at < n) {
        size_t k = run_of(s + at, n - at);
        if (h->publish(h->ctx, s + at, k)) {
            ch->st.held++;
            break;
        }
        ch->st.samples += k;
        at += k;
    }
    return at;
}

static void ack_later(struct mt_channel *ch, uint32_t handle)
{
    const struct driver_host *h = ch->base.host;
    if (handle == 0) return;
    if (h->mark == NULL || h->kept == NULL ||
        !mem_grow((void **)&ch->acks, &ch->acks_cap, ch->nacks + 1, sizeof *ch->acks)) {
        mqtt_client_ack(ch->client, handle, 0);
        return;
    }
    ch->acks[ch->nacks++] = (struct mt_ack){handle, h->mark(h->ctx)};
}

/* What may be lost is not acknowledged. It comes again with a new connection, which is made at once. */
static void lost_samples(struct mt_channel *ch)
{
    ch->lost_acks++;
    ch->nacks = 0;
    if (ch->set->c.clean) return;
    mt_log(ch, DRIVER_LOG_WARN, "samples may be lost; connecting again for their messages", NULL);
    mqtt_client_drop(ch->client, 0, true); /* QoS 2 too is to come again */
    ch->retry_ns = mt_now(ch) + ch->set->backoff.min_ms * NS_MS;
    ch->dropped = true;
}

void mt_ack_due(struct mt_channel *ch)
{
    const struct driver_host *h = ch->base.host;
    size_t k = 0;
    while (k < ch->nacks) {
        int kept = h->kept(h->ctx, ch->acks[k].ticket);
        if (kept == 0) break;
        if (kept < 0) {
            lost_samples(ch);
            return;
        }
        mqtt_client_ack(ch->client, ch->acks[k++].handle, 0);
    }
    ch->nacks -= k;
    if (k && ch->nacks) memmove(ch->acks, ch->acks + k, ch->nacks * sizeof *ch->acks);
}

static void hold(struct mt_channel *ch, size_t at, uint32_t handle)
{
    size_t n = ch->nbatch - at;
    struct mt_held *b = mem_alloc(sizeof *b + n * sizeof *b->s);
    if (b == NULL) return; /* not acknowledged: with QoS 1 it comes again */
    *b = (struct mt_held){.handle = handle, .n = n};
    memcpy(b->s, ch->batch + at, n * sizeof *b->s);
    *ch->held_tail = b;
    ch->held_tail = &b->next;
}

/* The samples of a message. */
static void pass(struct mt_channel *ch, uint32_t handle)
{
    size_t done = ch->held ? 0 : publish(ch, ch->batch, ch->nbatch);
    if (done < ch->nbatch)
        hold(ch, done, handle);
    else
        ack_later(ch, handle);
}

static bool tell_run(struct mt_channel *ch);
static bool pay(struct mt_channel *ch);

bool mt_flush(struct mt_channel *ch)
{
    while (ch->held) {
        struct mt_held *b = ch->held;
        b->at += publish(ch, b->s + b->at, b->n - b->at);
        if (b->at < b->n) return false;
        ch->held = b->next;
        if (ch->held == NULL) ch->held_tail = &ch->held;
        ack_later(ch, b->handle);
        mem_free(b);
    }
    while (ch->tell_lost)
        if (!tell_run(ch)) return false;
    return !ch->owing || pay(ch);
}

void mt_data_free(struct mt_channel *ch)
{
    for (struct mt_held *b = ch->held, *next; b; b = next) {
        next = b->next;
        mem_free(b);
    }
    ch->held = NULL;
    ch->held_tail = &ch->held;
    mem_free(ch->acks);
    mem_free(ch->batch);
    arena_fini(&ch->scratch);
}

/* ---- a value of a point ---- */

static void keep_last(struct mt_point *p, const struct sample *s)
{
    if (s->time_us < p->last.time_us) return;
    p->last = *s;
    p->told = p->owe = 0;
}

static void add(struct mt_channel *ch, struct mt_point *p, const struct sample *s)
{
    if (!mem_grow((void **)&ch->batch, &ch->batch_cap, ch->nbatch + 1, sizeof *s)) {
        ch->failed = true;
        return;
    }
    ch->batch[ch->nbatch++] = *s;
    keep_last(p, s);
}

static bool intern(struct mt_channel *ch, struct mt_point *p, struct mt_value *v)
{
    const struct driver_host *h = ch->base.host;
    uint64_t hash = str_hash(v->text, hash_seed());
    if (p->text_id == 0 || p->text_hash != hash) {
        if (h->intern(h->ctx, v->text.p, v->text.n, &p->text_id)) {
            p->text_id = 0;
            ch->failed = true;
            return false;
        }
        p->text_hash = hash;
    }
    v->s.v.u = p->text_id;
    return true;
}

/* Kept with the time that the sample has by now. false: not taken, or a retained one that stands already. */
static bool keep_blob(struct mt_channel *ch, struct mt_point *p, struct mt_value *v, bool retained)
{
    const struct driver_host *h = ch->base.host;
    uint64_t hash = str_hash(v->blob, hash_seed());
    if (retained && !p->told && p->last.type == SAMPLE_BLOB && p->text_hash == hash) return false;
    if (h->blob == NULL) {
        v->s.type = SAMPLE_NONE;
        sample_bad(&v->s, v->s.time_us, REASON_CONFIG_ERROR);
        return true;
    }
    if (h->blob(h->ctx, p->num, v->s.time_us, v->media, v->blob.p, v->blob.n, &v->s.v.u)) {
        ch->failed = true;
        return false;
    }
    p->text_hash = hash;
    p->text_id = 0;
    return true;
}

static bool same_value(const struct sample *a, const struct sample *b)
{
    return a->type == b->type && a->v.u == b->v.u;
}

static void add_last_known(struct mt_channel *ch, struct mt_point *p, struct sample s, int64_t now_us, bool good)
{
    s.time_us = now_us;
    s.flags &= SAMPLE_REASON_MASK;
    if (!good && s.quality == QUALITY_GOOD) {
        s.quality = QUALITY_UNCERTAIN;
        s.flags = REASON_LAST_KNOWN;
    }
    add(ch, p, &s);
}

struct coming { /* of a message, for one device */
    struct mt_channel *ch;
    struct mt_device *d;
    struct mt_payload *payload;
    const struct mt_record *record;
    int64_t time_us;
    bool source;
};

static void add_retained(const struct coming *c, struct mt_point *p, const struct sample *s)
{
    bool good = c->d->format.retained == RETAINED_GOOD, known = p->last.time_us != 0;
    if (c->source && !(known && s->time_us <= p->last.time_us)) {
        add(c->ch, p, s);
        return;
    }
    if (known && !p->told && same_value(s, &p->last)) return;
    if (known && !p->told && c->source) return; /* older than what is known */
    add_last_known(c->ch, p, *s, c->payload->now_us, good);
}

static void add_value(const struct coming *c, struct mt_point *p)
{
    struct mt_value v;
    int64_t clock = 0;
    if (!mt_value_of(&c->d->format, p, c->record, c->payload->arena, &v)) return;
    mt_quality_of(&c->d->format, c->record, &v.s);
    v.s.time_us = c->time_us;
    mt_job_sample(c->ch, p, &v);
    if (v.s.type == SAMPLE_STRING && !intern(c->ch, p, &v)) return;
    bool now = c->payload->retained && !(c->source && c->time_us > p->last.time_us); /* see add_retained */
    if (now && v.s.type == SAMPLE_BLOB) v.s.time_us = c->payload->now_us;
    if (v.s.type == SAMPLE_BLOB && !keep_blob(c->ch, p, &v, c->payload->retained)) return;
    p->heard_ns = mt_now(c->ch);
    if (c->source) {
        mt_clock_of(c->d, &clock);
        v.s.flags |= SAMPLE_FLAG_SOURCE_TIME;
        if (c->time_us < c->payload->now_us + clock - LATE_US) v.s.flags |= SAMPLE_FLAG_BACKFILL;
    }
    if (c->payload->retained)
        add_retained(c, p, &v.s);
    else
        add(c->ch, p, &v.s);
}

/* ---- a message ---- */

static void trouble(struct mt_channel *ch, struct mt_device *d, const struct mqtt_client_message *m,
                    const struct error *e)
{
    bool first = d->trouble.code == 0;
    ch->judge = true;
    ch->st.errors++;
    d->trouble = *e;
    if (first) mt_log(ch, DRIVER_LOG_WARN, "a payload cannot be read", e->text);
}

/* "offline", "\"offline\"", {"state":"offline"} */
static struct str state_word(struct mt_payload *p)
{
    struct json *root = NULL;
    struct error e;
    if (json_parse(p->arena, p->bytes, &root, &e)) return str_trim(p->bytes);
    const struct json *v = root->type == JSON_OBJECT ? json_get(root, "state") : root;
    if (v == NULL) v = json_get(root, "status");
    return v && v->type == JSON_STRING ? v->s : str_trim(p->bytes);
}

static void tell_offline(struct mt_channel *ch, const struct mt_device *d)
{
    for (size_t i = 0; i < ch->npoints; i++)
        if (&ch->devices[ch->points[i].device] == d && !ch->points[i].wrong)
            mt_tell(ch, &ch->points[i], REASON_NOT_CONNECTED);
}

/* The device says, or its last will does, whether it is there. */
static void take_state(struct mt_channel *ch, struct mt_device *d, struct mt_payload *p)
{
    bool offline = mt_listed(d->offline_words, state_word(p));
    if (offline == d->offline) return;
    d->offline = d->touched = offline;
    ch->judge = true;
}

/* After the samples of the message, so that the bad value is the newer one. */
static void settle_offline(struct mt_channel *ch)
{
    for (size_t i = 0; i < ch->ndevices; i++) {
        struct mt_device *d = &ch->devices[i];
        if (d->offline && d->touched) tell_offline(ch, d);
        d->touched = false;
    }
}

/* false: the payload is not what the device should send. */
static bool take_source(struct mt_channel *ch, const struct mt_source *s, struct mt_payload *p,
                        const struct mqtt_client_message *m)
{
    struct coming c = {.ch = ch, .d = &ch->devices[s->device], .payload = p};
    struct mt_record *r;
    size_t n;
    struct error e;
    if (s->n == 0) {
        take_state(ch, c.d, p);
        return true;
    }
    if (ch->points[s->first].serial == ch->serial) return true; /* by another filter */
    ch->points[s->first].serial = ch->serial;
    if (p->retained && c.d->format.retained == RETAINED_IGNORE) return true;
    if (mt_records(&c.d->format, p, &r, &n, &e)) {
        trouble(ch, c.d, m, &e);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        c.record = &r[i];
        mt_time_of(&c.d->format, c.record, p->now_us, &c.time_us, &c.source);
        if (c.source && !p->retained) measure_clock(c.d, c.time_us, p->now_us);
        for (uint32_t k = 0; k < s->n; k++) add_value(&c, &ch->points[s->first + k]);
    }
    c.d->last_ok_us = p->now_us;
    if (c.d->offline && p->retained) c.d->touched = true;
    if (c.d->offline && !p->retained) c.d->offline = false, ch->judge = true; /* so it is there */
    ch->judge = ch->judge || c.d->trouble.code;
    c.d->trouble.code = 0;
    return true;
}

static unsigned take_all(struct mt_channel *ch, struct mt_payload *p, const struct mqtt_client_message *m, bool *ret_ok)
{
    unsigned met = 0;
    if (ch->ntable)
        for (const struct mt_source *s = ch->table[str_hash(m->topic, hash_seed()) & (ch->ntable - 1)]; s; s = s->next)
            if (str_eq(s->match, m->topic)) met++, *ret_ok = take_source(ch, s, p, m) || *ret_ok;
    for (const struct mt_source *s = ch->wild; s; s = s->next)
        if (mt_meets(s->match, m->topic)) met++, *ret_ok = take_source(ch, s, p, m) || *ret_ok;
    return met;
}

void mt_message(struct mt_channel *ch, const struct mqtt_client_message *m)
{
    struct mt_payload p = {
        .topic = m->topic, .bytes = m->payload, .retained = m->retain, .now_us = mt_utc(ch), .arena = &ch->scratch};
    bool ok = false;
    ch->st.polls++;
    ch->nbatch = 0;
    ch->failed = false;
    if (++ch->serial == 0) ch->serial = 1;
    arena_reset(&ch->scratch);
    bool new_topic = mt_seen_message(ch, m, p.now_us);
    unsigned met = take_all(ch, &p, m, &ok);
    mt_job_message(ch, &p, new_topic);
    if (ch->closing) return; /* whoever asked has what he wanted */
    if (met == 0) ch->unmatched++;
    if (ch->nbatch)
        pass(ch, ch->failed ? 0 : m->handle); /* what could not be taken is not acknowledged */
    else if (m->handle && !ch->failed)
        mqtt_client_ack(ch->client, m->handle, met && !ok ? MQTT_PAYLOAD : 0);
    if (ok) ch->st.last_ok_us = p.now_us;
    if (ch->judge || m->retain) settle_offline(ch);
}

/* ---- bad values ---- */

static struct sample bad_of(struct mt_channel *ch, const struct mt_point *p, enum quality_reason why)
{
    struct sample s = p->last;
    int64_t clock = 0, now = mt_utc(ch);
    if (p->device < ch->ndevices) mt_clock_of(&ch->devices[p->device], &clock);
    int64_t at = p->last.flags & SAMPLE_FLAG_SOURCE_TIME && clock < 0 ? now + clock : now;
    if (at <= p->last.time_us) at = p->last.time_us + 1;
    s.point = p->num;
    sample_bad(&s, at, why);
    return s;
}

void mt_tell(struct mt_channel *ch, struct mt_point *p, enum quality_reason why)
{
    struct sample s = bad_of(ch, p, why);
    if (p->told == why) return;
    p->owe = (uint8_t)why;
    ch->owing = true;
    if (ch->held || publish(ch, &s, 1) == 0) return; /* mt_flush goes on */
    p->last = s;
    p->told = (uint8_t)why;
    p->owe = 0;
}

static bool pay(struct mt_channel *ch)
{
    ch->owing = false;
    for (size_t i = 0; i < ch->npoints; i++) {
        struct mt_point *p = &ch->points[i];
        if (p->owe) mt_tell(ch, p, (enum quality_reason)p->owe);
        if (p->owe) return false;
    }
    ch->owing = false;
    return true;
}

/* The next ones with the same time; false: the host takes no more. */
static bool tell_run(struct mt_channel *ch)
{
    struct sample run[RUN_MAX];
    uint32_t at[RUN_MAX];
    size_t n = 0;
    while (ch->tell_at < ch->npoints && n < RUN_MAX) {
        const struct mt_point *p = &ch->points[ch->tell_at];
        if (!p->wrong && p->told != REASON_NOT_CONNECTED) {
            run[n] = bad_of(ch, p, REASON_NOT_CONNECTED);
            if (n && run[n].time_us < run[0].time_us + 1000000 && run[n].time_us >= run[0].time_us)
                run[n].time_us = run[0].time_us; /* one moment */
            if (n && run[n].time_us != run[0].time_us) break;
            at[n++] = (uint32_t)ch->tell_at;
        }
        ch->tell_at++;
    }
    if (n && publish(ch, run, n) < n) {
        ch->tell_at = at[0];
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        ch->points[at[i]].last = run[i];
        ch->points[at[i]].told = REASON_NOT_CONNECTED;
    }
    if (ch->tell_at >= ch->npoints) ch->tell_lost = false;
    return true;
}

void mt_tell_lost(struct mt_channel *ch)
{
    ch->tell_lost = true;
    ch->tell_at = 0;
}

void mt_tell_refused(struct mt_channel *ch, size_t filter)
{
    for (size_t i = 0; i < ch->nsources; i++)
        for (uint32_t k = 0; k < ch->sources[i].n && ch->sources[i].filter == filter; k++)
            mt_tell(ch, &ch->points[ch->sources[i].first + k], REASON_DEVICE_EXCEPTION);
}

void mt_stale(struct mt_channel *ch, uint64_t now)
{
    if (!ch->any_stale || now < ch->stale_ns || !mqtt_client_up(ch->client)) return;
    ch->stale_ns = now + NS_S / 4;
    for (size_t i = 0; i < ch->npoints; i++) {
        struct mt_point *p = &ch->points[i];
        uint64_t limit = ch->devices[p->device].stale_ns;
        if (limit && !p->wrong && !p->told && now > p->heard_ns + limit)
            mt_tell(ch, p, p->last.time_us ? REASON_STALE : REASON_NO_DATA);
    }
}
