/* data.c - what a message of a device says, as samples; when it is acknowledged; values that are bad or stale.
 *
 * Time      DataTime (of statistics the START of the period) is the time of the sample, in the channel's zone. What is
 *           older than five minutes after the end of its period is marked as back-fill.
 * Repeats   The same DataTime gives the same key, and the last one wins: a message that comes twice changes nothing.
 * Order     A connection's batches go to the host in the order in which they came; while the host does not take one,
 *           the connection is not read.
 * Bad       NOT_CONNECTED or STALE takes the place just after the newest value, so that back-filled values of the gap
 *           come behind it and the next live value is newer, whatever the instrument's clock says. Values of a period
 *           (2051, 2061, 2031, 2041) outlive a lost connection until three periods are missing. */
#include <stdlib.h>
#include "drivers/hj212/hj212_int.h"

#define LATE_US (300 * TIME_US_PER_S)
#define FIELDS_MAX 20000

/* ---- streams: when data of a command came, and how often it comes ---- */

static const struct {
    unsigned cn;
    int64_t interval_s;
    bool fixed, period;
} rhythms[] = {
    {2011, 60, false, false},  {2051, 600, false, true},  {2061, 3600, true, true},
    {2031, 86400, true, true}, {2041, 86400, true, true},
};

static int rhythm(unsigned cn)
{
    for (int i = 0; i < (int)(sizeof rhythms / sizeof *rhythms); i++)
        if (rhythms[i].cn == cn) return i;
    return -1;
}

static bool is_period(unsigned cn)
{
    int r = rhythm(cn);
    return r >= 0 && rhythms[r].period;
}

static struct hj_stream *stream_of(struct hj_device *d, unsigned cn, bool make)
{
    for (int i = 0; i < HJ_STREAMS; i++) {
        struct hj_stream *s = &d->streams[i];
        if (s->cn == cn) return s;
        if (s->cn != 0) continue;
        if (make) *s = (struct hj_stream){.cn = cn};
        return make ? s : NULL;
    }
    return NULL;
}

int64_t hj_stream_interval(const struct hj_device *d, unsigned cn)
{
    const struct hj_stream *s = stream_of((struct hj_device *)(uintptr_t)d, cn, false);
    int r = rhythm(cn);
    if (r < 0) return 0;
    if (cn == 2011 && d->rtd_us) return d->rtd_us;
    if (cn == 2051 && d->minute_us) return d->minute_us;
    return s && s->learned && !rhythms[r].fixed ? s->interval_us : rhythms[r].interval_s * TIME_US_PER_S;
}

static void stream_seen(struct hj_channel *ch, struct hj_device *d, unsigned cn, int64_t time_us)
{
    struct hj_stream *s = stream_of(d, cn, true);
    if (s == NULL) return;
    int64_t step = time_us - s->last_us;
    s->seen_ns = hj_now(ch);
    if (step <= 0) return;
    if (s->last_us && step >= TIME_US_PER_S && step <= 3600 * TIME_US_PER_S) {
        s->interval_us = step > s->step_us ? step : s->step_us; /* one message between two is no faster rhythm */
        s->learned = s->step_us != 0;
        s->step_us = step;
    }
    s->last_us = time_us;
}

/* ---- acknowledgement ---- */

static struct hj_ack *ack_new(const struct hj212_message *m)
{
    struct hj_ack *a = mem_calloc(1, sizeof *a);
    if (a == NULL) return NULL;
    a->flag = m->flag;
    a->cn = m->cn;
    str_to_cstr(m->qn, a->qn, sizeof a->qn);
    str_to_cstr(m->mn, a->mn, sizeof a->mn);
    str_to_cstr(m->pw, a->pw, sizeof a->pw);
    return a;
}

static void ack_send(struct hj_conn *c, const struct hj_ack *a)
{
    struct hj212_message m = {
        .qn = str_of(a->qn), .mn = str_of(a->mn), .pw = str_of(a->pw), .flag = a->flag, .cn = a->cn};
    hj212_link_acknowledge(&c->link, &m);
}

static void ack_later(struct hj_conn *c, struct hj_ack *a)
{
    const struct driver_host *h = c->ch->base.host;
    a->next = NULL;
    a->ticket = h->mark ? h->mark(h->ctx) : 0;
    *c->acks_tail = a;
    c->acks_tail = &a->next;
    c->nacks++;
}

/* Those whose samples are on disk, in order. */
static void ack_due(struct hj_conn *c)
{
    const struct driver_host *h = c->ch->base.host;
    while (c->acks && !c->closing) {
        struct hj_ack *a = c->acks;
        int kept = h->kept ? h->kept(h->ctx, a->ticket) : 1;
        if (kept == 0) break;
        c->acks = a->next;
        if (c->acks == NULL) c->acks_tail = &c->acks;
        c->nacks--;
        if (kept > 0)
            ack_send(c, a);
        else
            c->ch->lost_acks++; /* may be lost: unanswered, it comes again */
        mem_free(a);
    }
}

void hj_conn_forget(struct hj_conn *c)
{
    for (struct hj_held *b = c->held, *next; b; b = next) {
        next = b->next;
        mem_free(b->ack);
        mem_free(b);
    }
    for (struct hj_ack *a = c->acks, *next; a; a = next) {
        next = a->next;
        mem_free(a);
    }
    c->held = NULL, c->acks = NULL;
    c->nacks = c->nheld = 0;
}

/* ---- publishing ---- */

static bool offer(struct hj_channel *ch, const struct sample *s, size_t n)
{
    const struct driver_host *h = ch->base.host;
    if (n && h->publish(h->ctx, s, n)) return false;
    ch->st.samples += n;
    return true;
}

static void hold(struct hj_conn *c, const struct sample *s, size_t n, struct hj_ack *a)
{
    struct hj_held *b = mem_alloc(sizeof *b + n * sizeof *s);
    c->ch->st.held++;
    if (b == NULL) { /* not taken, not acknowledged: it comes again */
        mem_free(a);
        return;
    }
    *b = (struct hj_held){.ack = a, .n = n};
    memcpy(b->s, s, n * sizeof *s);
    *c->held_tail = b;
    c->held_tail = &b->next;
    c->nheld++;
}

static void pass(struct hj_conn *c, const struct sample *s, size_t n, struct hj_ack *a)
{
    if (c->held || !offer(c->ch, s, n)) {
        hold(c, s, n, a);
        return;
    }
    if (a) ack_later(c, a);
}

void hj_offer(struct hj_conn *c)
{
    while (c->held && offer(c->ch, c->held->s, c->held->n)) {
        struct hj_held *b = c->held;
        c->held = b->next;
        if (c->held == NULL) c->held_tail = &c->held;
        c->nheld--;
        if (b->ack) ack_later(c, b->ack);
        mem_free(b);
    }
    ack_due(c);
}

/* ---- a message as samples ---- */

static bool take_fields(struct hj_channel *ch, struct str cp)
{
    struct hj212_cp it = hj212_cp_begin(cp);
    struct hj212_field f;
    ch->nfields = 0;
    while (hj212_cp_next(&it, &f) && ch->nfields < FIELDS_MAX) {
        if (!mem_grow((void **)&ch->fields, &ch->fields_cap, ch->nfields + 1, sizeof f)) return false;
        ch->fields[ch->nfields++] = f;
    }
    return true;
}

/* The data flag that stands with a field: of the same item, and of the same code; no farther than a real item is long.
 */
static struct str flag_of(const struct hj_channel *ch, size_t at)
{
    const struct hj212_field *f = ch->fields;
    size_t from = at, to = at;
    while (from && at - from < HJ_ITEM_MAX && f[from - 1].item == f[at].item) from--;
    while (to + 1 < ch->nfields && to - at < HJ_ITEM_MAX && f[to + 1].item == f[at].item) to++;
    for (size_t i = from; i <= to; i++)
        if (str_is(f[i].attr, "Flag") && str_eq(f[i].code, f[at].code)) return f[i].value;
    return STR_NULL;
}

static void keep_last(struct hj_point *p, const struct sample *s)
{
    if (s->time_us >= p->last.time_us) {
        p->last = *s;
        p->owe = p->told = 0;
    }
}

static bool add_sample(struct hj_channel *ch, size_t n, struct hj_point *p, struct str value, struct str flag,
                       int64_t time_us, uint16_t flags)
{
    struct sample s = {.time_us = time_us};
    if (!mem_grow((void **)&ch->batch, &ch->batch_cap, n + 1, sizeof s)) return false;
    hj_value(ch, p, value, flag, &s);
    s.flags |= flags;
    keep_last(p, &s);
    ch->batch[n] = s;
    return true;
}

/* Samples of all points that the fields name, into ch->batch; negative: out of memory. */
static ptrdiff_t make_batch(struct hj_conn *c, struct hj_device *d, unsigned cn, uint64_t token, int64_t time_us,
                            uint16_t flags)
{
    struct hj_channel *ch = c->ch;
    size_t n = 0;
    for (size_t i = 0; i < ch->nfields; i++) {
        const struct hj212_field *f = &ch->fields[i];
        size_t k = 0;
        struct hj_point *p = hj_points_of(ch, d, cn, f->name, &k);
        for (; k; k--, p++) {
            if (p->wrong) continue;
            struct str flag = str_is(f->attr, "Flag") ? STR_NULL : flag_of(ch, i);
            if (!add_sample(ch, n, p, f->value, flag, time_us, flags)) return ERR_NOMEM;
            hj_job_data(ch, c, token, &ch->batch[n], p);
            n++;
        }
    }
    return (ptrdiff_t)n;
}

static uint16_t flags_of(struct hj_channel *ch, struct hj_device *d, unsigned cn, int64_t time_us, bool source)
{
    int64_t end = time_us + (is_period(cn) ? hj_stream_interval(d, cn) : 0);
    if (!source) return 0;
    return SAMPLE_FLAG_SOURCE_TIME | (hj_utc(ch) - end > LATE_US ? SAMPLE_FLAG_BACKFILL : 0);
}

static void publish_clock(struct hj_channel *ch, struct hj_device *d)
{
    for (uint32_t i = 0; i < d->n; i++) {
        struct hj_point *p = &ch->points[d->first + i];
        struct sample s = {.time_us = hj_utc(ch), .point = p->num, .type = SAMPLE_DOUBLE};
        if (p->a.kind != HJ_CLOCK || p->wrong || s.time_us - p->last.time_us < 10 * TIME_US_PER_S) continue;
        s.v.d = (double)d->clock_us / 1e6 * p->scale + p->offset;
        if (offer(ch, &s, 1)) keep_last(p, &s);
    }
}

/* QN says when the instrument sent it, by its own clock: not when it answers us, or sends again what was not answered.
 */
static void measure_clock(struct hj_channel *ch, struct hj_device *d, const struct hj212_message *m, uint64_t token)
{
    int64_t qn;
    if (token || m->qn.n != 17 || hj212_time_parse(m->qn, ch->cfg.tz_minutes, &qn)) return;
    d->clock_us = qn - hj_utc(ch);
    d->clock_known = true;
    publish_clock(ch, d);
}

static bool time_of(struct hj_channel *ch, const struct hj212_message *m, int64_t *ret_us, bool *ret_source,
                    struct error *e)
{
    struct str text = hj212_cp_get(m->cp, "DataTime");
    *ret_us = hj_utc(ch);
    *ret_source = false;
    if (text.n == 0) return true;
    *ret_source = true;
    if (hj212_time_parse(text, ch->cfg.tz_minutes, ret_us) == 0 && *ret_us < hj_utc(ch) + 86400 * TIME_US_PER_S)
        return true;
    error_set(e, ERR_PROTOCOL, "DataTime", "DataTime '%.*s' is no time, or more than a day ahead",
              "DataTime“%.*s”不是有效时间，或超前一天以上", (int)(text.n < 30 ? text.n : 30), text.p);
    return false;
}

static void take_data(struct hj_conn *c, struct hj_device *d, const struct hj212_message *m, uint64_t token)
{
    struct hj_channel *ch = c->ch;
    int64_t time_us;
    bool source;
    struct hj_ack *a = NULL;
    if (!time_of(ch, m, &time_us, &source, &d->trouble)) {
        ch->st.errors++;
        return;
    }
    if (!take_fields(ch, m->cp)) return;
    hj_seen_message(ch, c, m, true, time_us);
    if (source) stream_seen(ch, d, m->cn, time_us);
    ptrdiff_t n = make_batch(c, d, m->cn, token, time_us, flags_of(ch, d, m->cn, time_us, source));
    bool wanted = hj212_wants_answer(m) && m->cn != 1013;
    if (n < 0 || (wanted && (a = ack_new(m)) == NULL)) return; /* unanswered, it comes again */
    pass(c, ch->batch, (size_t)n, a);
    ch->st.polls++;
    if (c->held || c->acks) hj_wake(ch, hj_now(ch) + 3 * NS_MS);
}

/* ---- whose message ---- */

static bool password_right(const struct hj_device *d, struct str pw)
{
    return d->pw[0] == 0 || str_is(pw, d->pw) || (d->pw_next[0] && str_is(pw, d->pw_next));
}

static void attach(struct hj_conn *c, struct hj_device *d)
{
    struct hj_channel *ch = c->ch;
    bool takes_over = d->conn != NULL;
    if (d->conn == c) return;
    if (d->ever) ch->st.reconnects++;
    d->conn = c;
    d->up_us = hj_utc(ch);
    d->ever = true;
    hj_log(ch, DRIVER_LOG_INFO, "instrument connected", d->code);
    hj_chores_begin(ch, d, takes_over);
}

static void refuse(struct hj_conn *c, struct hj_device *d, const char *en, const char *zh)
{
    struct hj_channel *ch = c->ch;
    ch->refused++;
    ch->st.errors++;
    if (d == NULL) return;
    d->trouble = (struct error){.code = ERR_FORBIDDEN};
    str_to_cstr(str_of(en), d->trouble.text, sizeof d->trouble.text);
    str_to_cstr(str_of(zh), d->trouble.text_zh, sizeof d->trouble.text_zh);
    hj_state(ch);
}

int hj_message(struct hj_conn *c, const struct hj212_message *m, uint64_t token)
{
    struct hj_channel *ch = c->ch;
    struct hj_device *d = hj_device_by_mn(ch, m->mn);
    if (c->closing) return 0;
    ch->st.requests++;
    if (d == NULL) {
        if (take_fields(ch, m->cp)) hj_seen_message(ch, c, m, false, hj_utc(ch));
        refuse(c, NULL, "", "");
        return 0;
    }
    if (!password_right(d, m->pw)) {
        refuse(c, d, "the instrument sends a wrong password (PW)", "仪器发送的密码（PW）错误");
        return 0;
    }
    d->trouble = (struct error){0};
    c->known = true;
    if (m->st && m->st != 91) d->heard_st = m->st;
    d->heard_version = hj212_version(m);
    measure_clock(ch, d, m, token);
    d->last_ok_us = ch->st.last_ok_us = hj_utc(ch);
    attach(c, d);
    take_data(c, d, m, token);
    if (m->cn == 1013 && d->set_clock) d->chores |= CHORE_CLOCK;
    hj_state(ch);
    hj_chores_next(ch, d);
    return 0;
}

/* ---- bad values ---- */

/* What is true only while it keeps coming; settings, texts and values of a period outlive a connection. */
static bool is_live(const struct hj_point *p)
{
    return p->a.kind == HJ_CLOCK || (p->a.kind == HJ_DATA && (p->a.cn == 2011 || p->a.cn == 2021));
}

void hj_owe(struct hj_channel *ch, struct hj_device *d, unsigned cn, enum quality_reason why)
{
    for (uint32_t i = 0; i < d->n; i++) {
        struct hj_point *p = &ch->points[d->first + i];
        if (p->wrong || p->told == why || p->a.kind == HJ_COMMAND || p->a.kind == HJ_RECALL) continue;
        if (cn ? p->a.cn != cn || p->a.kind != HJ_DATA : !is_live(p)) continue;
        p->owe = (uint8_t)why;
        ch->owing = true;
    }
}

/* Just behind the newest value; without one, far enough back that an instrument whose clock is slow is not behind it.
 */
static int64_t bad_time(struct hj_channel *ch, const struct hj_point *p)
{
    if (p->last.time_us) return p->last.time_us + 1000;
    int64_t back = p->wrong ? 0 : 600 * TIME_US_PER_S;
    if (!p->wrong && is_period(p->a.cn)) back = 2 * hj_stream_interval(ch->devices[p->device], p->a.cn);
    return hj_utc(ch) - back;
}

static bool pay(struct hj_channel *ch, struct hj_point *p)
{
    struct sample s = p->last;
    s.point = p->num;
    s.time_us = bad_time(ch, p);
    s.quality = QUALITY_BAD;
    s.flags = p->owe;
    if (!offer(ch, &s, 1)) return false;
    p->told = p->owe;
    p->owe = 0;
    if (p->last.time_us) p->last.time_us = s.time_us; /* the next reason comes behind this one */
    return true;
}

void hj_pay(struct hj_channel *ch)
{
    if (!ch->owing) return;
    for (size_t i = 0; i < ch->npoints; i++)
        if (ch->points[i].owe && !pay(ch, &ch->points[i])) return;
    ch->owing = false;
}

static void stale_stream(struct hj_channel *ch, struct hj_device *d, struct hj_stream *s, uint64_t now)
{
    int64_t interval = hj_stream_interval(d, s->cn);
    if (interval <= 0 || s->seen_ns == 0) return;
    if (now - s->seen_ns < (uint64_t)interval * 3 * 1000) return;
    hj_owe(ch, d, s->cn, d->conn ? REASON_STALE : REASON_NOT_CONNECTED);
}

void hj_stale(struct hj_channel *ch, uint64_t now)
{
    if (now < ch->stale_ns) return;
    ch->stale_ns = now + NS_S / 2;
    for (size_t i = 0; i < ch->ndevices; i++) {
        struct hj_device *d = ch->devices[i];
        for (int k = 0; k < HJ_STREAMS && d->streams[k].cn; k++) stale_stream(ch, d, &d->streams[k], now);
        if (d->clock_due_ns && now >= d->clock_due_ns && d->conn) {
            d->clock_due_ns = now + 86400 * NS_S;
            if (d->set_clock) d->chores |= CHORE_CLOCK;
        }
        hj_chores_next(ch, d);
        if (d->retell_ns == 0 || now < d->retell_ns) continue;
        d->retell_ns = 0; /* what was told at the start may stand before values of the life before */
        for (uint32_t k = 0; k < d->n; k++) {
            struct hj_point *p = &ch->points[d->first + k];
            if (p->last.time_us || !p->told || p->wrong) continue;
            p->owe = d->conn ? REASON_NO_DATA : REASON_NOT_CONNECTED;
            ch->owing = true;
        }
    }
}

void hj_device_lost(struct hj_channel *ch, struct hj_conn *c, const struct error *why)
{
    for (size_t i = 0; i < ch->ndevices; i++) {
        struct hj_device *d = ch->devices[i];
        if (d->conn != c) continue;
        d->conn = NULL;
        d->chore = 0;
        d->chore_token = 0;
        if (why) d->trouble = *why;
        if (!ch->closing) hj_owe(ch, d, 0, REASON_NOT_CONNECTED);
    }
    if (!ch->closing) hj_pay(ch);
    if (ch->owing) hj_wake(ch, hj_now(ch) + 5 * NS_MS);
}
