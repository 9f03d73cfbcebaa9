/* period.c - what is reported without being asked: real-time data at its interval, running states beside them, and the
 * periods that have ended. A period that ended is owed until it is acknowledged (9014); it is built from history when
 * its turn comes, the newest first. When too many are owed the oldest are given up, and told: the platform can still
 * recall them. Times are UTC; periods begin where the zone's clock shows a multiple of their length. */
#include <stdio.h>
#include "outlets/hj212/sender_int.h"

#define AGAIN_NS (60000 * NS_MS)        /* after the platform did not answer */
#define HISTORY_AGAIN_NS (5000 * NS_MS) /* after history did not */

int64_t hs_floor(const struct hs_channel *ch, int64_t us, int64_t period_us)
{
    int64_t local = us + ch->cfg.tz_minutes * 60 * TIME_US_PER_S;
    return us - (local % period_us + period_us) % period_us;
}

size_t hs_period_owed(const struct hs_channel *ch)
{
    size_t n = 0;
    for (int i = 0; i < HS_SERIES; i++) n += ch->series[i].nowed;
    return n;
}

/* ---- what is owed ---- */

static void owe(struct hs_channel *ch, struct hs_series *s, int64_t start, bool if_any)
{
    void *items = s->owed;
    char kv[80];
    if (s->nowed == HS_OWED_MAX) {
        if (ch->dropped++ % 100 == 0) {
            snprintf(kv, sizeof kv, "cn=%u given_up=%llu", s->cn, (unsigned long long)ch->dropped);
            hs_log(ch, DRIVER_LOG_WARN, "the platform is away for too long: the oldest periods are given up", kv);
        }
        memmove(s->owed, s->owed + 1, --s->nowed * sizeof *s->owed);
    }
    if (!mem_grow(&items, &s->cap, s->nowed + 1, sizeof *s->owed)) return;
    s->owed = items;
    s->owed[s->nowed++] = (struct hs_owed){.start_us = start, .period_us = s->period_us, .if_any = if_any};
}

static void settle(struct hs_owed *list, size_t *n, size_t at)
{
    memmove(list + at, list + at + 1, (*n - at - 1) * sizeof *list);
    (*n)--;
}

static struct hs_owed *owed_at(struct hs_series *s, int64_t start)
{
    for (size_t i = 0; i < s->nowed; i++)
        if (s->owed[i].start_us == start) return &s->owed[i];
    return NULL;
}

/* After a start: the period that ended last may not have been told. */
void hs_period_begin(struct hs_channel *ch)
{
    int64_t now = hs_utc(ch);
    for (int i = 0; i < HS_SERIES; i++) {
        struct hs_series *s = &ch->series[i];
        if (!s->on) continue;
        s->next_us = hs_floor(ch, now - ch->cfg.settle_us, s->period_us);
        owe(ch, s, s->next_us - s->period_us, true);
    }
    ch->rtd_next_us = now;
}

void hs_period_minutes(struct hs_channel *ch, int64_t period_us)
{
    struct hs_series *s = &ch->series[HS_MINUTE];
    s->period_us = period_us;
    s->next_us = hs_floor(ch, hs_utc(ch), period_us);
}

void hs_period_connected(struct hs_channel *ch)
{
    for (int i = 0; i < HS_SERIES; i++)
        for (size_t k = 0; k < ch->series[i].nowed; k++) ch->series[i].owed[k].retry_ns = 0;
}

void hs_period_free(struct hs_channel *ch)
{
    for (int i = 0; i < HS_SERIES; i++) mem_free(TAKE(ch->series[i].owed));
}

static void count_ended(struct hs_channel *ch, struct hs_series *s, int64_t now)
{
    if (!s->on || s->period_us <= 0) return;
    if (s->next_us > now + s->period_us) s->next_us = hs_floor(ch, now, s->period_us); /* the clock was set back */
    int64_t first = hs_floor(ch, now - HS_OWED_MAX * s->period_us, s->period_us);
    if (s->next_us < first) s->next_us = first; /* it was set far ahead */
    while (s->next_us + s->period_us + ch->cfg.settle_us <= now) {
        owe(ch, s, s->next_us, false);
        s->next_us += s->period_us;
    }
}

/* ---- uploads ---- */

static unsigned under_way(const struct hs_channel *ch)
{
    unsigned n = 0;
    for (int i = 0; i < HS_SERIES; i++)
        for (size_t k = 0; k < ch->series[i].nowed; k++) n += ch->series[i].owed[k].state == HS_SENT;
    return n;
}

/* The newest that waits; of two the shorter period. */
static struct hs_owed *choose(struct hs_channel *ch, uint64_t now_ns, struct hs_series **ret)
{
    struct hs_owed *best = NULL;
    for (int i = 0; i < HS_SERIES; i++)
        for (size_t k = ch->series[i].nowed; k-- > 0;) {
            struct hs_owed *o = &ch->series[i].owed[k];
            if (o->state != HS_WAITS || o->retry_ns > now_ns) continue;
            if (best && best->start_us + best->period_us >= o->start_us + o->period_us) continue;
            best = o;
            *ret = &ch->series[i];
        }
    return best;
}

static void count(struct hs_channel *ch, unsigned values)
{
    ch->st.items += values;
    ch->st.last_ok_us = hs_utc(ch);
}

/* How many values an upload brings, for when it is acknowledged. */
static uint64_t upload(struct hs_channel *ch, const struct hj212_call *c, unsigned values)
{
    uint64_t token = hj212_link_upload(&ch->link, c);
    if (token) ch->carried[token % HJ212_OPEN_MAX] = values;
    return token;
}

static void give(struct hs_channel *ch, struct hs_series *s, struct hs_owed *o, struct str cp, unsigned values)
{
    struct hj212_call c = hs_call(ch, s->cn, cp);
    ch->st.requests++;
    if (!ch->cfg.answer) {
        bool ok = hj212_link_send(&ch->link, &c) == 0;
        if (ok) count(ch, values);
        if (ok) settle(s->owed, &s->nowed, (size_t)(o - s->owed));
        if (!ok) o->state = HS_WAITS, o->retry_ns = hs_now(ch) + AGAIN_NS;
        return;
    }
    o->token = upload(ch, &c, values);
    o->state = o->token ? HS_SENT : HS_WAITS;
    if (o->token == 0) o->retry_ns = hs_now(ch) + HISTORY_AGAIN_NS;
}

void hs_period_built(struct hs_report *r, const struct error *e)
{
    struct hs_channel *ch = r->ch;
    struct hs_series *s = ch->building;
    struct hs_owed *o = owed_at(s, ch->building_us);
    struct buf cp;
    ch->building = NULL;
    if (o == NULL) { /* given up meanwhile */
        hs_report_end(r);
        hs_soon(ch);
        return;
    }
    o->state = HS_WAITS;
    if (e) {
        hs_log(ch, DRIVER_LOG_WARN, "history does not answer; the period is tried again", e->text);
        o->retry_ns = hs_now(ch) + HISTORY_AGAIN_NS;
    } else if (o->if_any && !hs_report_any(r, 0)) {
        settle(s->owed, &s->nowed, (size_t)(o - s->owed));
    } else if (ch->conn == HS_UP) {
        buf_init(&cp, HJ212_PARTS_BYTES);
        unsigned values = hs_report_cp(r, 0, &cp);
        if (!cp.err) give(ch, s, o, buf_view(&cp), values);
        buf_fini(&cp);
    }
    hs_report_end(r);
    hs_soon(ch);
}

bool hs_has_points(const struct hs_channel *ch, unsigned cn)
{
    return cn == 2041 || cn == 2021 ? ch->nstates > 0 : ch->norder > ch->nstates;
}

static void build(struct hs_channel *ch, uint64_t now_ns)
{
    struct hs_series *s = NULL;
    if (ch->upload.busy || ch->conn != HS_UP || under_way(ch) >= HS_UNDER_WAY) return;
    struct hs_owed *o = choose(ch, now_ns, &s);
    if (o == NULL) return;
    if (!hs_has_points(ch, s->cn)) {
        settle(s->owed, &s->nowed, (size_t)(o - s->owed));
        hs_soon(ch);
        return;
    }
    o->state = HS_BUILDING;
    ch->building = s;
    ch->building_us = o->start_us;
    if (hs_report_begin(&ch->upload, s->cn, o->start_us, o->period_us, 1) == 0) return;
    o->state = HS_WAITS;
    o->retry_ns = now_ns + HISTORY_AGAIN_NS;
    ch->building = NULL;
}

/* An upload ended; real-time data are not repeated: the next ones come soon. */
void hs_period_ended(struct hs_channel *ch, const struct hj212_ended *e)
{
    unsigned *carried = &ch->carried[e->token % HJ212_OPEN_MAX];
    if (e->end == HJ212_END_DONE) count(ch, *carried);
    *carried = 0;
    for (int i = 0; i < HS_SERIES; i++) {
        struct hs_series *s = &ch->series[i];
        for (size_t k = 0; k < s->nowed; k++) {
            struct hs_owed *o = &s->owed[k];
            if (o->state != HS_SENT || o->token != e->token) continue;
            o->state = HS_WAITS;
            o->token = 0;
            o->retry_ns = e->end == HJ212_END_CLOSED ? 0 : hs_now(ch) + AGAIN_NS;
            if (e->end == HJ212_END_DONE) settle(s->owed, &s->nowed, k);
            return;
        }
    }
}

/* ---- real-time data ---- */

void hs_report_now(struct hs_channel *ch, unsigned cn)
{
    struct buf cp;
    buf_init(&cp, HJ212_PARTS_BYTES);
    unsigned values = hs_present_cp(ch, cn, hs_utc(ch), &cp);
    struct hj212_call c = hs_call(ch, cn, buf_view(&cp));
    ch->st.requests++;
    if (cp.err)
        ch->st.errors++;
    else if (!ch->cfg.answer && hj212_link_send(&ch->link, &c) == 0)
        count(ch, values);
    else if (ch->cfg.answer)
        (void)!upload(ch, &c, values); /* with too many unanswered the next one will do */
    buf_fini(&cp);
}

static void real_time(struct hs_channel *ch, int64_t now)
{
    if (ch->rtd_next_us > now + ch->cfg.rtd_us) ch->rtd_next_us = now; /* the clock was set back */
    if (now < ch->rtd_next_us) return;
    ch->rtd_next_us = hs_floor(ch, now, ch->cfg.rtd_us) + ch->cfg.rtd_us;
    if (ch->conn != HS_UP || !ch->reports) return;
    if (hs_has_points(ch, 2011)) hs_report_now(ch, 2011);
    if (hs_has_points(ch, 2021)) hs_report_now(ch, 2021);
}

/* ---- time ---- */

void hs_period_pump(struct hs_channel *ch, uint64_t now_ns)
{
    int64_t now = hs_utc(ch);
    if (ch->norder == 0) return;
    for (int i = 0; i < HS_SERIES; i++) count_ended(ch, &ch->series[i], now);
    real_time(ch, now);
    build(ch, now_ns);
}

int64_t hs_period_next_us(const struct hs_channel *ch)
{
    int64_t at = ch->conn == HS_UP && ch->reports ? ch->rtd_next_us : INT64_MAX;
    for (int i = 0; i < HS_SERIES; i++) {
        const struct hs_series *s = &ch->series[i];
        int64_t end = s->next_us + s->period_us + ch->cfg.settle_us;
        if (s->on && end < at) at = end;
    }
    return at;
}

uint64_t hs_period_next_ns(const struct hs_channel *ch)
{
    uint64_t at = UINT64_MAX;
    if (ch->conn != HS_UP || ch->upload.busy || under_way(ch) >= HS_UNDER_WAY) return at;
    for (int i = 0; i < HS_SERIES; i++)
        for (size_t k = 0; k < ch->series[i].nowed; k++) {
            const struct hs_owed *o = &ch->series[i].owed[k];
            if (o->state == HS_WAITS && o->retry_ns < at) at = o->retry_ns;
        }
    return at;
}
