/* iec104_link.c - see iec104_link.h. Numbers of I frames are compared modulo 32768: what lies between `va` and `vs`
 * may be acknowledged, anything else is a fault. */
#include "proto/iec104_link.h"

#define MS 1000000ull

static uint16_t next(uint16_t n)
{
    return (uint16_t)((n + 1) % IEC104_SEQ);
}
static unsigned distance(uint16_t from, uint16_t to)
{
    return (unsigned)(to - from + IEC104_SEQ) % IEC104_SEQ;
}

void iec104_link_init(struct iec104_link *l, const struct iec104_link_config *c, uint64_t now_ns)
{
    *l = (struct iec104_link){.cfg = *c, .last_rx_ns = now_ns};
    if (l->cfg.k > IEC104_K_MAX) l->cfg.k = IEC104_K_MAX;
    if (l->cfg.k < 1) l->cfg.k = 1;
    if (l->cfg.w < 1) l->cfg.w = 1;
}

static void ask(struct iec104_link *l, enum iec104_function act, enum iec104_function con, uint64_t now)
{
    l->due = (uint8_t)act;
    l->awaited = (uint8_t)con;
    l->function_ns = now;
}

void iec104_link_start(struct iec104_link *l, uint64_t now_ns)
{
    if (l->state != IEC104_STOPPED) return;
    l->state = IEC104_STARTING;
    ask(l, IEC104_STARTDT_ACT, IEC104_STARTDT_CON, now_ns);
}

void iec104_link_stop(struct iec104_link *l, uint64_t now_ns)
{
    if (l->state != IEC104_STARTED) return;
    l->state = IEC104_STOPPING;
    l->s_due = l->acked != l->vr;
    ask(l, IEC104_STOPDT_ACT, IEC104_STOPDT_CON, now_ns);
}

void iec104_link_park(struct iec104_link *l)
{
    if (l->cfg.controlling || l->state != IEC104_STARTED) return;
    l->state = IEC104_STOPPING;
    l->parked = true;
    l->s_due = l->acked != l->vr;
}

/* ---- what comes ---- */

static int take_ack(struct iec104_link *l, uint16_t nr, struct error *e)
{
    if (distance(l->va, nr) > distance(l->va, l->vs))
        return error_set(e, ERR_PROTOCOL, "", "the peer acknowledges frame %u; frames %u to %u are in flight",
                         "对端确认的序号为 %u，而在途的序号为 %u 至 %u", nr, l->va, l->vs);
    l->va = nr;
    return 0;
}

static int take_i(struct iec104_link *l, const struct iec104_apdu *a, uint64_t now, struct error *e)
{
    if (l->state != IEC104_STARTED && l->state != IEC104_STOPPING)
        return error_set(e, ERR_PROTOCOL, "", "data before STARTDT was confirmed",
                         "启动传输（STARTDT）确认之前收到数据");
    if (a->ns != l->vr)
        return error_set(e, ERR_PROTOCOL, "", "I frame number %u came, %u was awaited: frames are lost or repeated",
                         "收到的 I 帧序号为 %u，应为 %u：有帧丢失或重复", a->ns, l->vr);
    int rc = take_ack(l, a->nr, e);
    if (rc) return rc;
    if (l->acked == l->vr) l->first_unacked_ns = now;
    l->vr = next(l->vr);
    l->frames_in++;
    if (distance(l->acked, l->vr) >= l->cfg.w) l->s_due = true;
    return 0;
}

/* Controlled station: STOPDT is confirmed when the peer has acknowledged everything (clause 5.3, figure 17). */
static void stop_when_acknowledged(struct iec104_link *l, enum iec104_link_event *ev)
{
    if (l->cfg.controlling || l->state != IEC104_STOPPING || l->va != l->vs) return;
    if (!l->parked) l->due = IEC104_STOPDT_CON; /* nobody has asked to stop */
    l->state = IEC104_STOPPED;
    *ev = IEC104_EVENT_STOPPED;
}

/* The other side's wishes: only a controlled station takes STARTDT and STOPDT. */
static int take_act(struct iec104_link *l, uint8_t f, enum iec104_link_event *ev, struct error *e)
{
    if (f == IEC104_TESTFR_ACT) {
        l->due = IEC104_TESTFR_CON;
        return 0;
    }
    if (l->cfg.controlling)
        return error_set(e, ERR_PROTOCOL, "", "the controlled station sent a start or stop of its own",
                         "被控站自行发送了启动或停止命令");
    l->s_due = l->acked != l->vr;
    l->parked = false;
    if (f == IEC104_STOPDT_ACT) {
        l->state = IEC104_STOPPING;
        stop_when_acknowledged(l, ev);
        return 0;
    }
    l->due = IEC104_STARTDT_CON;
    l->state = IEC104_STARTED;
    *ev = IEC104_EVENT_STARTED;
    return 0;
}

static void take_con(struct iec104_link *l, uint8_t f, enum iec104_link_event *ev)
{
    if (f != l->awaited) return; /* late or not asked for: it changes nothing */
    l->awaited = 0;
    if (f == IEC104_STARTDT_CON) l->state = IEC104_STARTED, *ev = IEC104_EVENT_STARTED;
    if (f == IEC104_STOPDT_CON) l->state = IEC104_STOPPED, *ev = IEC104_EVENT_STOPPED;
}

static int take(struct iec104_link *l, const struct iec104_apdu *a, uint64_t now, enum iec104_link_event *ev,
                struct error *e)
{
    if (a->format == IEC104_S) {
        int rc = take_ack(l, a->nr, e);
        if (rc == 0) stop_when_acknowledged(l, ev);
        return rc;
    }
    if (a->format == IEC104_I) {
        *ev = IEC104_EVENT_ASDU;
        return take_i(l, a, now, e);
    }
    if (a->function == IEC104_STARTDT_ACT || a->function == IEC104_STOPDT_ACT || a->function == IEC104_TESTFR_ACT)
        return take_act(l, a->function, ev, e);
    take_con(l, a->function, ev);
    return 0;
}

int iec104_link_input(struct iec104_link *l, uint64_t now_ns, const uint8_t *p, size_t n, struct iec104_apdu *apdu,
                      enum iec104_link_event *ret_event, struct error *e)
{
    *ret_event = IEC104_EVENT_NONE;
    int rc = iec104_apdu_next(p, n, apdu, e);
    if (rc <= 0) return rc;
    l->last_rx_ns = now_ns;
    rc = take(l, apdu, now_ns, ret_event, e);
    return rc ? rc : 1;
}

/* ---- what goes ---- */

static void acknowledged(struct iec104_link *l)
{
    l->acked = l->vr;
    l->s_due = false;
}

size_t iec104_link_output(struct iec104_link *l, uint64_t now_ns, uint8_t out[IEC104_LINK_OUT])
{
    enum iec104_link_event ev;
    size_t n = 0;
    stop_when_acknowledged(l, &ev); /* by an I frame */
    if (l->s_due) {
        n += iec104_put_s(l->vr, out + n);
        acknowledged(l);
    }
    if (l->due) {
        n += iec104_put_u((enum iec104_function)l->due, out + n);
        l->due = 0;
    }
    return n;
}

unsigned iec104_link_in_flight(const struct iec104_link *l)
{
    return distance(l->va, l->vs);
}

bool iec104_link_free(const struct iec104_link *l)
{
    return l->state == IEC104_STARTED && iec104_link_in_flight(l) < l->cfg.k;
}

size_t iec104_link_send(struct iec104_link *l, uint64_t now_ns, const uint8_t *asdu, size_t n,
                        uint8_t out[IEC104_APDU_MAX])
{
    size_t size = iec104_put_i(l->vs, l->vr, asdu, n, out);
    l->sent_ns[l->vs % (IEC104_K_MAX + 1)] = now_ns;
    l->vs = next(l->vs);
    l->frames_out++;
    acknowledged(l);
    return size;
}

/* ---- time ---- */

static uint64_t t1_end(const struct iec104_link *l)
{
    uint64_t t1 = l->cfg.t1_ms * MS, end = UINT64_MAX;
    if (l->va != l->vs) end = l->sent_ns[l->va % (IEC104_K_MAX + 1)] + t1;
    if (l->awaited && l->function_ns + t1 < end) end = l->function_ns + t1;
    return end;
}

static uint64_t t2_end(const struct iec104_link *l)
{
    return l->acked != l->vr ? l->first_unacked_ns + l->cfg.t2_ms * MS : UINT64_MAX;
}

static uint64_t t3_end(const struct iec104_link *l)
{
    return l->cfg.t3_ms && !l->awaited ? l->last_rx_ns + l->cfg.t3_ms * MS : UINT64_MAX;
}

static int overdue(const struct iec104_link *l, struct error *e)
{
    const char *what = l->awaited == IEC104_STARTDT_CON  ? "STARTDT"
                       : l->awaited == IEC104_STOPDT_CON ? "STOPDT"
                       : l->awaited == IEC104_TESTFR_CON ? "TESTFR"
                                                         : "I";
    return error_set(e, ERR_TIMEOUT, "", "%s was not confirmed within t1 = %g s", "%s 在 t1 = %g 秒内未得到确认", what,
                     l->cfg.t1_ms / 1000.0);
}

int iec104_link_time(struct iec104_link *l, uint64_t now_ns, struct error *e)
{
    if (now_ns >= t1_end(l)) return overdue(l, e);
    if (now_ns >= t2_end(l)) l->s_due = true;
    if (now_ns >= t3_end(l)) ask(l, IEC104_TESTFR_ACT, IEC104_TESTFR_CON, now_ns);
    return 0;
}

uint64_t iec104_link_deadline(const struct iec104_link *l)
{
    uint64_t end = t1_end(l), t2 = t2_end(l), t3 = t3_end(l);
    if (t2 < end) end = t2;
    return t3 < end ? t3 : end;
}

void iec104_link_pause(struct iec104_link *l)
{
    l->s_due = l->acked != l->vr;
}

void iec104_link_resume(struct iec104_link *l, uint64_t now_ns)
{
    l->last_rx_ns = l->function_ns = now_ns;
    for (uint16_t n = l->va; n != l->vs; n = next(n)) l->sent_ns[n % (IEC104_K_MAX + 1)] = now_ns;
}
