/* ask.c - what the platform asks. Each command is a row: its function gives QnRtn when it may be carried out, and
 * ExeRtn when it was, 0 when that comes later. What an instrument of this kind cannot do is refused (QnRtn 2), what the
 * standard does not know is a wrong CN (8). Our clock is never set: a platform that wants another time is told so. */
#include <stdio.h>
#include <stdlib.h>
#include "outlets/hj212/sender_int.h"

void hs_send_data(struct hs_channel *ch, unsigned cn, struct str qn, struct str cp)
{
    struct hj212_call c = hs_call(ch, cn, cp);
    c.qn = qn;
    (void)!hj212_link_send(&ch->link, &c);
}

static int tell(struct hs_channel *ch, const struct hj212_message *m, const char *name, long long n)
{
    char cp[64];
    snprintf(cp, sizeof cp, "%s=%lld", name, n);
    hs_send_data(ch, m->cn, m->qn, str_of(cp));
    return HS_DONE;
}

/* ---- settings and time ---- */

static int get_time(struct hs_channel *ch, const struct hj212_message *m)
{
    char time[HJ212_TIME_TEXT], cp[64];
    snprintf(cp, sizeof cp, "SystemTime=%s", hj212_time_format(hs_utc(ch), ch->cfg.tz_minutes, false, time));
    hs_send_data(ch, m->cn, m->qn, str_of(cp));
    return HS_DONE;
}
static int compare_time(struct hs_channel *ch, const struct hj212_message *m)
{
    int64_t at;
    char kv[60];
    if (hj212_time_parse(hj212_cp_get(m->cp, "SystemTime"), ch->cfg.tz_minutes, &at)) return HS_CONDITIONS;
    ch->clock_ahead_us = at - hs_utc(ch);
    ch->clock_warned = llabs((long long)ch->clock_ahead_us) > HS_CLOCK_WARN_US;
    snprintf(kv, sizeof kv, "ahead_ms=%lld", (long long)(ch->clock_ahead_us / 1000));
    hs_log(ch, ch->clock_warned ? DRIVER_LOG_WARN : DRIVER_LOG_INFO,
           ch->clock_warned ? "the platform wants another time; ours is not set" : "the platform has our time", kv);
    return ch->clock_warned ? HS_FAILED : HS_DONE;
}
static int get_rtd(struct hs_channel *ch, const struct hj212_message *m)
{
    return tell(ch, m, "RtdInterval", ch->cfg.rtd_us / TIME_US_PER_S);
}
static int get_minutes(struct hs_channel *ch, const struct hj212_message *m)
{
    return tell(ch, m, "MinInterval", ch->series[HS_MINUTE].period_us / (60 * TIME_US_PER_S));
}
static int stop_rtd(struct hs_channel *ch, const struct hj212_message *m)
{
    hs_set_reporting(ch, false);
    return HS_DONE;
}

/* ---- data of the past ---- */

static int64_t recall_period(const struct hs_channel *ch, unsigned cn)
{
    if (cn == 2011) return ch->cfg.rtd_us;
    for (int i = 0; i < HS_SERIES; i++)
        if (ch->series[i].cn == cn) return ch->series[i].period_us;
    return 0;
}

/* Periods that begin within [BeginTime, EndTime] and have ended. */
static int begin_recall(struct hs_channel *ch, const struct hj212_message *m)
{
    struct hs_recall *q = &ch->recall;
    int64_t from, to, period = recall_period(ch, m->cn), now = hs_utc(ch);
    if (hj212_time_parse(hj212_cp_get(m->cp, "BeginTime"), ch->cfg.tz_minutes, &from) ||
        hj212_time_parse(hj212_cp_get(m->cp, "EndTime"), ch->cfg.tz_minutes, &to) || to < from)
        return HS_CONDITIONS;
    if (q->active) return HS_BUSY;
    int64_t first = hs_floor(ch, from + period - 1, period);
    if (to > now - period) to = now - period;
    if (to >= first && (to - first) / period >= HS_RECALL_MAX) return HS_CONDITIONS;
    *q = (struct hs_recall){.active = true,
                            .flag = m->flag,
                            .cn = m->cn,
                            .conn = ch->conns,
                            .next_us = first,
                            .to_us = to,
                            .period_us = period};
    str_to_cstr(m->qn, q->qn, sizeof q->qn);
    str_to_cstr(m->mn, q->mn, sizeof q->mn);
    str_to_cstr(m->pw, q->pw, sizeof q->pw);
    hs_soon(ch);
    return HS_LATER;
}

static int real_time(struct hs_channel *ch, const struct hj212_message *m)
{
    struct buf cp;
    if (hj212_cp_get(m->cp, "BeginTime").n) return begin_recall(ch, m);
    if (!ch->reports) hs_set_reporting(ch, true);
    if (!hs_has_points(ch, m->cn)) return HS_NOTHING;
    buf_init(&cp, HJ212_PARTS_BYTES);
    hs_present_cp(ch, m->cn, hs_utc(ch), &cp);
    if (!cp.err) hs_send_data(ch, m->cn, m->qn, buf_view(&cp));
    buf_fini(&cp);
    return HS_DONE;
}

static void end_recall(struct hs_channel *ch, int exertn)
{
    struct hs_recall *q = &ch->recall;
    struct hj212_message m = {
        .qn = str_of(q->qn), .mn = str_of(q->mn), .pw = str_of(q->pw), .cn = q->cn, .st = ch->cfg.st, .flag = q->flag};
    if (q->active && ch->conn == HS_UP && q->conn == ch->conns) hj212_link_result(&ch->link, &m, exertn);
    q->active = false;
}

void hs_recall_built(struct hs_report *r, const struct error *e)
{
    struct hs_channel *ch = r->ch;
    struct hs_recall *q = &ch->recall;
    bool here = q->active && ch->conn == HS_UP && q->conn == ch->conns;
    for (unsigned k = 0; here && !e && k < r->n; k++) {
        struct buf cp;
        if (!hs_report_any(r, k)) continue;
        buf_init(&cp, HJ212_PARTS_BYTES);
        hs_report_cp(r, k, &cp);
        if (!cp.err) hs_send_data(ch, q->cn, str_of(q->qn), buf_view(&cp));
        q->sent += !cp.err;
        buf_fini(&cp);
    }
    q->next_us = r->from_us + r->n * r->period_us;
    if (e) {
        hs_log(ch, DRIVER_LOG_WARN, "history does not answer a recall", e->text);
        end_recall(ch, HS_FAULTY);
    }
    hs_report_end(r);
    hs_soon(ch);
}

/* The next part, when the socket has taken the one before. */
void hs_recall_pump(struct hs_channel *ch)
{
    struct hs_recall *q = &ch->recall;
    if (!q->active || ch->answer.busy) return;
    if (ch->conn != HS_UP || q->conn != ch->conns) {
        q->active = false;
        return;
    }
    if (tls_stream_waiting(ch->stream) > HS_QUEUE / 2) return;
    int64_t left = q->to_us >= q->next_us ? (q->to_us - q->next_us) / q->period_us + 1 : 0;
    if (left == 0) {
        end_recall(ch, q->sent ? HS_DONE : HS_NOTHING);
        return;
    }
    unsigned n = left < HS_CHUNK ? (unsigned)left : HS_CHUNK;
    if (hs_report_begin(&ch->answer, q->cn, q->next_us, q->period_us, n)) end_recall(ch, HS_FAULTY);
}

/* ---- the table ---- */

static const struct {
    unsigned cn;
    int (*run)(struct hs_channel *ch, const struct hj212_message *m); /* ExeRtn */
} commands[] = {
    {1000, hs_set_timeouts}, {1011, get_time},       {1012, compare_time},   {1061, get_rtd},
    {1062, hs_set_rtd},      {1063, get_minutes},    {1064, hs_set_minutes}, {1072, hs_set_password},
    {2011, real_time},       {2012, stop_rtd},       {2021, real_time},      {3011, hs_control_run},
    {3012, hs_control_run},  {3013, hs_control_run}, {3014, hs_control_run}, {3016, hs_control_run},
    {3017, hs_control_run},  {3018, hs_control_run}, {3019, hs_control_run}, {3020, hs_control_run},
    {3021, hs_control_run},  {2022, stop_rtd},       {2031, begin_recall},   {2041, begin_recall},
    {2051, begin_recall},    {2061, begin_recall},
};

static int find(unsigned cn)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (commands[i].cn == cn) return (int)i;
    return -1;
}

/* ---- requests that take time ---- */

struct hs_pending *hs_pending_new(struct hs_channel *ch, const struct hj212_message *m)
{
    struct hs_pending *p = mem_calloc(1, sizeof *p);
    if (!p) return NULL;
    *p = (struct hs_pending){.ch = ch, .conn = ch->conns, .flag = m->flag, .cn = m->cn};
    str_to_cstr(m->qn, p->qn, sizeof p->qn);
    str_to_cstr(m->mn, p->mn, sizeof p->mn);
    str_to_cstr(m->pw, p->pw, sizeof p->pw);
    return p;
}

void hs_pending_end(struct hs_pending *p, int exertn)
{
    struct hs_channel *ch = p->ch;
    struct hj212_message m = {
        .qn = str_of(p->qn), .mn = str_of(p->mn), .pw = str_of(p->pw), .cn = p->cn, .st = ch->cfg.st, .flag = p->flag};
    if (ch->conn == HS_UP && p->conn == ch->conns) hj212_link_result(&ch->link, &m, exertn);
    mem_free(p);
    hs_soon(ch);
}

/* see hj212_link.h: a request comes twice, a notice once */
int hs_ask(void *ctx, const struct hj212_message *m, uint64_t token)
{
    struct hs_channel *ch = ctx;
    const struct hj212_command *known = hj212_command(m->cn);
    int at = find(m->cn);
    if (!str_is(m->mn, ch->cfg.mn)) return HS_WRONG_MN;
    if (!str_is(m->pw, ch->cfg.pw)) return HS_WRONG_PW;
    if (at < 0) return known ? HS_REFUSED : HS_WRONG_CN;
    if (commands[at].run == hs_control_run && hs_control_ready(ch, m) != HS_READY) return HS_REFUSED;
    if (token == HJ212_EXECUTE) {
        int exertn = commands[at].run(ch, m);
        if (exertn != HS_LATER) hj212_link_result(&ch->link, m, exertn);
        hs_soon(ch);
    } else if (known && known->kind == HJ212_NOTICE) {
        (void)commands[at].run(ch, m);
    }
    return HS_READY;
}
