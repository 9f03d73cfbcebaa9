/* chore.c - what the platform asks an instrument by itself, one thing at a time, when it has come (and the clock once a
 * day): its clock, the intervals that were configured, the minute and hour data of the time in which it was away.
 *
 * The gap begins at the newest data that came before; of the time before this channel ran nothing is known, so then the
 * last two hours of minute data and the last day of hour data are asked for. Never more than recall_max. */
#include <stdio.h>
#include "drivers/hj212/hj212_int.h"

#define CLOCK_TOLERANCE_US (2 * TIME_US_PER_S)
#define AGAIN_NS (60 * NS_S)

uint64_t hj_request(struct hj_channel *ch, struct hj_device *d, unsigned cn, const char *cp, unsigned tries)
{
    const char *pw = d->pw_next[0] ? d->pw_next : d->pw;
    struct hj212_call c = {.to = {.mn = str_of(d->mn),
                                  .pw = str_of(pw),
                                  .st = d->st ? d->st : d->heard_st,
                                  .version = d->version >= 0 ? d->version : d->heard_version},
                           .cn = cn,
                           .cp = str_of(cp),
                           .timeout_ms = d->timeout_ms,
                           .result_ms = d->timeout_ms * 2,
                           .tries = tries,
                           .now_ns = hj_now(ch),
                           .now_us = hj_utc(ch)};
    if (d->conn == NULL || d->conn->closing) return 0;
    uint64_t token = hj212_link_request(&d->conn->link, &c);
    hj_wake(ch, hj212_link_next(&d->conn->link));
    return token;
}

static const struct hj_stream *stream(const struct hj_device *d, unsigned cn)
{
    for (int i = 0; i < HJ_STREAMS; i++)
        if (d->streams[i].cn == cn) return &d->streams[i];
    return NULL;
}

static int64_t gap_begin(struct hj_channel *ch, const struct hj_device *d, unsigned cn)
{
    const struct hj_stream *s = stream(d, cn);
    int64_t now = hj_utc(ch), interval = hj_stream_interval(d, cn);
    int64_t from = s && s->last_us ? s->last_us + interval : now - (cn == 2051 ? 7200 : 86400) * TIME_US_PER_S;
    if (from < now - d->recall_max_us) from = now - d->recall_max_us;
    return now - from > interval ? from : 0; /* a period that is not over yet will come by itself */
}

void hj_chores_begin(struct hj_channel *ch, struct hj_device *d, bool takes_over)
{
    uint64_t now = hj_now(ch);
    bool again = takes_over && now - d->chores_ns < AGAIN_NS; /* connections that take turns are not asked each time */
    d->chores = again ? d->chores | d->chore : 0;
    d->chore = 0;
    d->chore_token = 0; /* of the connection before: it ends there, unseen */
    if (again) return;
    d->chores_ns = now;
    if (d->set_clock) d->chores |= CHORE_CLOCK;
    if (d->rtd_us) d->chores |= CHORE_RTD;
    if (d->minute_us) d->chores |= CHORE_MINUTE;
    if (d->recall && hj_has_points(ch, d, 2051)) d->chores |= CHORE_RECALL_MINUTE;
    if (d->recall && hj_has_points(ch, d, 2061)) d->chores |= CHORE_RECALL_HOUR;
    d->clock_due_ns = now + 86400 * NS_S;
}

static uint64_t ask_clock(struct hj_channel *ch, struct hj_device *d)
{
    char now[HJ212_TIME_TEXT], cp[48];
    if (d->clock_known && llabs((long long)d->clock_us) < CLOCK_TOLERANCE_US) return 0;
    snprintf(cp, sizeof cp, "SystemTime=%s", hj212_time_format(hj_utc(ch), ch->cfg.tz_minutes, false, now));
    return hj_request(ch, d, 1012, cp, d->retries + 1);
}

static uint64_t ask_interval(struct hj_channel *ch, struct hj_device *d, unsigned cn, const char *name, int64_t n)
{
    char cp[48];
    snprintf(cp, sizeof cp, "%s=%lld", name, (long long)n);
    return hj_request(ch, d, cn, cp, d->retries + 1);
}

static uint64_t ask_gap(struct hj_channel *ch, struct hj_device *d, unsigned cn)
{
    char a[HJ212_TIME_TEXT], b[HJ212_TIME_TEXT], cp[80];
    int64_t from = gap_begin(ch, d, cn);
    if (from == 0) return 0;
    snprintf(cp, sizeof cp, "BeginTime=%s,EndTime=%s", hj212_time_format(from, ch->cfg.tz_minutes, false, a),
             hj212_time_format(hj_utc(ch), ch->cfg.tz_minutes, false, b));
    return hj_request(ch, d, cn, cp, d->retries + 1);
}

static uint64_t ask(struct hj_channel *ch, struct hj_device *d, enum hj_chore what)
{
    switch (what) {
    case CHORE_CLOCK: return ask_clock(ch, d);
    case CHORE_RTD: return ask_interval(ch, d, 1062, "RtdInterval", d->rtd_us / TIME_US_PER_S);
    case CHORE_MINUTE: return ask_interval(ch, d, 1064, "MinInterval", d->minute_us / (60 * TIME_US_PER_S));
    case CHORE_RECALL_MINUTE: return ask_gap(ch, d, 2051);
    case CHORE_RECALL_HOUR: return ask_gap(ch, d, 2061);
    }
    return 0;
}

/* What there is to do, the lowest first; what turns out to be needless is skipped. */
void hj_chores_next(struct hj_channel *ch, struct hj_device *d)
{
    while (d->chores && d->conn && d->chore_token == 0) {
        enum hj_chore what = (enum hj_chore)(d->chores & -d->chores);
        d->chores &= ~(unsigned)what;
        d->chore = what;
        d->chore_token = ask(ch, d, what);
    }
}

bool hj_chore_ended(struct hj_channel *ch, struct hj_conn *c, const struct hj212_ended *e)
{
    for (size_t i = 0; i < ch->ndevices; i++) {
        struct hj_device *d = ch->devices[i];
        if (d->conn != c || d->chore_token == 0 || d->chore_token != e->token) continue;
        char kv[160];
        snprintf(kv, sizeof kv, "device=%.60s cn=%u end=%d code=%d", d->code, e->cn, (int)e->end, e->code);
        hj_log(ch, e->end == HJ212_END_DONE ? DRIVER_LOG_DEBUG : DRIVER_LOG_INFO, "asked by itself", kv);
        d->chore_token = 0;
        d->chore = 0;
        if (e->end != HJ212_END_CLOSED) hj_chores_next(ch, d);
        return true;
    }
    return false;
}
