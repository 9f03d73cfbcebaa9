/* iec104_station.c - see iec104_station.h. */
#include "proto/iec104_station.h"

#define MS 1000000ull
#define ROOM 3 /* replies that one APDU may cause: confirmation, data, termination */

void iec104_station_init(struct iec104_station *s, const struct iec104_station_config *c, uint64_t now_ns)
{
    *s = (struct iec104_station){.cfg = *c};
    s->cfg.link.controlling = false;
    iec104_link_init(&s->link, &s->cfg.link, now_ns);
}

/* ---- answers ---- */

static struct iec104_reply *new_reply(struct iec104_station *s)
{
    if (s->nreplies == IEC104_REPLIES) return NULL; /* input left room; a burst of done() may fill it */
    return &s->replies[(s->reply_at + s->nreplies++) % IEC104_REPLIES];
}

/* The ASDU as it came, with another cause. */
static void mirror(struct iec104_station *s, const uint8_t *asdu, size_t n, unsigned cause, bool negative)
{
    struct iec104_reply *r = n <= IEC104_ASDU_MAX ? new_reply(s) : NULL;
    if (r == NULL) return;
    memcpy(r->p, asdu, n);
    r->n = (uint8_t)n;
    r->p[2] = (uint8_t)((asdu[2] & 0x80) | (negative ? 0x40 : 0) | cause);
}

static void tell(struct iec104_station *s, const struct iec104_asdu *head, const struct iec104_object *o,
                 unsigned cause, bool negative)
{
    struct iec104_reply *r = new_reply(s);
    struct iec104_asdu a = *head;
    if (r == NULL) return;
    a.cause = (uint8_t)cause;
    a.negative = negative;
    r->n = (uint8_t)iec104_put_one(&a, o, r->p);
}

/* ---- interrogations ---- */

static bool serves(const struct iec104_station *s, uint16_t ca)
{
    for (size_t i = 0; i < s->cfg.ncas; i++)
        if (s->cfg.cas[i] == ca) return true;
    return ca == IEC104_BROADCAST;
}

static bool begin(struct iec104_station *s, const struct iec104_asdu *a, uint16_t ca, uint8_t qualifier)
{
    for (unsigned i = 0; i < IEC104_PENDING; i++) {
        if (s->asked[i].active) continue;
        s->asked[i] = (struct iec104_interrogation){.active = true,
                                                    .counters = a->type->id == IEC104_C_CI_NA,
                                                    .qualifier = qualifier,
                                                    .ca = ca,
                                                    .originator = a->originator};
        s->interrogations++;
        return true;
    }
    return false;
}

static unsigned slots_left(const struct iec104_station *s)
{
    unsigned n = 0;
    for (unsigned i = 0; i < IEC104_PENDING; i++) n += !s->asked[i].active;
    return n;
}

static unsigned group_of(const struct iec104_interrogation *q)
{
    if (q->counters) return (q->qualifier & 0x3f) == 5 ? 0 : q->qualifier & 0x3f;
    return q->qualifier - 20u;
}

static bool right_qualifier(const struct iec104_asdu *a, unsigned q)
{
    if (a->type->id == IEC104_C_IC_NA) return q >= 20 && q <= 36;
    return (q & 0x3f) >= 1 && (q & 0x3f) <= 5;
}

/* Freeze and reset are done at once, with a confirmation only. */
static bool take_freeze(struct iec104_station *s, const struct iec104_asdu *a, unsigned q, const uint8_t *p, size_t n)
{
    if (a->type->id != IEC104_C_CI_NA || (q >> 6) == 0) return false;
    unsigned group = (q & 0x3f) == 5 ? 0 : q & 0x3f;
    bool no = s->cfg.ops.freeze == NULL || s->cfg.ops.freeze(s->cfg.ops.ctx, a->ca, group, q >> 6) != 0;
    mirror(s, p, n, IEC104_ACTCON, no);
    return true;
}

static void interrogation(struct iec104_station *s, const struct iec104_asdu *a, const struct iec104_object *o,
                          const uint8_t *p, size_t n)
{
    uint8_t q = (uint8_t)o->i;
    size_t wanted = a->ca == IEC104_BROADCAST ? s->cfg.ncas : 1;
    if (a->cause == IEC104_DEACT) {
        for (unsigned i = 0; i < IEC104_PENDING; i++)
            if ((s->asked[i].ca == a->ca || a->ca == IEC104_BROADCAST) && s->asked[i].qualifier == q)
                s->asked[i].active = false;
        mirror(s, p, n, IEC104_DEACTCON, false);
        return;
    }
    if (!right_qualifier(a, q) || slots_left(s) < wanted) {
        mirror(s, p, n, IEC104_ACTCON, true);
        return;
    }
    if (take_freeze(s, a, q, p, n)) return;
    mirror(s, p, n, IEC104_ACTCON, false);
    for (size_t i = 0; i < wanted; i++) {
        uint16_t ca = a->ca == IEC104_BROADCAST ? s->cfg.cas[i] : a->ca;
        if (!begin(s, a, ca, q)) break;
    }
}

/* Put items of one type into an ASDU as long as they fit: with SQ=1 when their addresses follow one another. */
struct packer {
    uint8_t *out;
    size_t n;
    struct iec104_asdu head;
    uint32_t last_ioa;
};

static bool pack(struct packer *k, const struct iec104_item *it, uint8_t originator)
{
    const struct iec104_type *t = iec104_type(it->type);
    size_t size = iec104_element_size(t);
    if (k->head.count == 0) {
        k->head = (struct iec104_asdu){
            .type = t, .cause = it->cause, .ca = it->ca, .originator = originator, .sequence = false};
        k->n = 6;
    } else if (k->head.type != t || k->head.ca != it->ca || k->head.cause != it->cause || k->head.count == 127) {
        return false;
    }
    bool follows = it->o.ioa == k->last_ioa + 1;
    if (k->head.count == 1 && follows && it->cause >= IEC104_INROGEN) k->head.sequence = true;
    if (k->head.count && k->head.sequence && !follows) return false;
    if (k->n + size + 3 > IEC104_ASDU_MAX) return false;
    if (!k->head.sequence || k->head.count == 0) k->n += iec104_put_ioa(it->o.ioa, k->out + k->n);
    k->n += iec104_element_put(t, &it->o, k->out + k->n);
    k->last_ioa = it->o.ioa;
    k->head.count++;
    return true;
}

static bool next_item(struct iec104_station *s, struct iec104_interrogation *q)
{
    if (q->held) return true;
    unsigned group = group_of(q);
    q->held = s->cfg.ops.next(s->cfg.ops.ctx, q->ca, q->counters, group, &q->cursor, &q->item);
    q->item.ca = q->ca;
    q->item.cause = (uint8_t)((q->counters ? IEC104_REQCOGEN : IEC104_INROGEN) + group);
    return q->held;
}

static size_t terminate(struct iec104_interrogation *q, uint8_t *out)
{
    struct iec104_asdu a = {.type = iec104_type(q->counters ? IEC104_C_CI_NA : IEC104_C_IC_NA),
                            .cause = IEC104_ACTTERM,
                            .originator = q->originator,
                            .ca = q->ca};
    struct iec104_object o = {.i = q->qualifier};
    q->active = false;
    return iec104_put_one(&a, &o, out);
}

static size_t answer_interrogation(struct iec104_station *s, uint8_t *out)
{
    struct iec104_interrogation *q = NULL;
    struct packer k = {.out = out};
    for (unsigned i = 0; i < IEC104_PENDING && !q; i++)
        if (s->asked[(s->turn + i) % IEC104_PENDING].active) q = &s->asked[(s->turn + i) % IEC104_PENDING];
    if (q == NULL) return 0;
    while (next_item(s, q) && pack(&k, &q->item, q->originator)) q->held = false;
    s->turn = (s->turn + 1) % IEC104_PENDING;
    if (k.head.count == 0) return terminate(q, out);
    iec104_put_header(&k.head, out);
    return k.n;
}

/* ---- events ---- */

void iec104_station_event(struct iec104_station *s, const struct iec104_item *item)
{
    if (s->cfg.events_cap == 0) return;
    if (s->nevents == s->cfg.events_cap) {
        s->event_at = (s->event_at + 1) % s->cfg.events_cap;
        s->nevents--;
        s->dropped++;
        s->events_out++;
    }
    s->events_in++;
    s->cfg.events[(s->event_at + s->nevents++) % s->cfg.events_cap] = *item;
}

void iec104_station_forget_events(struct iec104_station *s)
{
    s->events_out += s->nevents;
    s->nevents = 0;
    if (s->link.va == s->link.vs) s->events_acked = s->events_out;
}

static size_t tell_events(struct iec104_station *s, uint8_t *out)
{
    struct packer k = {.out = out};
    while (s->nevents && pack(&k, &s->cfg.events[s->event_at], 0)) {
        s->event_at = (s->event_at + 1) % s->cfg.events_cap;
        s->nevents--;
        s->events_out++;
    }
    if (k.head.count == 0) return 0;
    iec104_put_header(&k.head, out);
    return k.n;
}

/* ---- commands ---- */

static bool is_selected(const struct iec104_station *s, const struct iec104_asdu *a, const struct iec104_object *o,
                        uint64_t now)
{
    return s->select_until_ns > now && s->select_ca == a->ca && s->select_ioa == o->ioa &&
           s->select_family == a->type->family && s->select_value == o->i &&
           memcmp(&s->select_number, &o->d, sizeof o->d) == 0;
}

static void select_it(struct iec104_station *s, const struct iec104_asdu *a, const struct iec104_object *o,
                      uint64_t now)
{
    s->select_until_ns = now + s->cfg.select_ms * MS;
    s->select_ca = a->ca;
    s->select_ioa = o->ioa;
    s->select_family = a->type->family;
    s->select_value = o->i;
    s->select_number = o->d;
}

static struct iec104_pending *free_pending(struct iec104_station *s)
{
    for (unsigned i = 0; i < IEC104_PENDING; i++)
        if (!s->pending[i].active) return &s->pending[i];
    return NULL;
}

static void command_ends(struct iec104_station *s, const struct iec104_asdu *a, const struct iec104_object *o, int rc)
{
    unsigned cause = rc == ERR_NOT_FOUND     ? IEC104_UNKNOWN_IOA
                     : rc == ERR_UNSUPPORTED ? IEC104_UNKNOWN_TYPE
                                             : IEC104_ACTCON;
    tell(s, a, o, cause, rc != 0);
    if (rc == 0 && !o->select) tell(s, a, o, IEC104_ACTTERM, false);
}

static void cancel(struct iec104_station *s, const struct iec104_asdu *a, const struct iec104_object *o)
{
    s->select_until_ns = 0;
    s->cfg.ops.command(s->cfg.ops.ctx, a->ca, a->type, o, IEC104_CANCEL);
    tell(s, a, o, IEC104_DEACTCON, false);
}

static void command(struct iec104_station *s, const struct iec104_asdu *a, const struct iec104_object *o, uint64_t now)
{
    struct iec104_pending *room = free_pending(s);
    bool selected = is_selected(s, a, o, now);
    s->commands++;
    if (a->cause == IEC104_DEACT) {
        cancel(s, a, o);
        return;
    }
    enum iec104_step how = o->select ? IEC104_SELECT : selected ? IEC104_EXECUTE_SELECTED : IEC104_EXECUTE;
    int rc = a->count != 1 || room == NULL ? ERR_LIMIT : s->cfg.ops.command(s->cfg.ops.ctx, a->ca, a->type, o, how);
    if (rc == 0 && how == IEC104_SELECT) select_it(s, a, o, now);
    if (selected && how != IEC104_SELECT) s->select_until_ns = 0;
    if (rc == ERR_AGAIN)
        *room = (struct iec104_pending){true, *a, *o};
    else
        command_ends(s, a, o, rc);
}

void iec104_station_done(struct iec104_station *s, uint16_t ca, uint32_t ioa, int rc)
{
    for (unsigned i = 0; i < IEC104_PENDING; i++) {
        struct iec104_pending *p = &s->pending[i];
        if (!p->active || p->head.ca != ca || p->o.ioa != ioa) continue;
        p->active = false;
        command_ends(s, &p->head, &p->o, rc == ERR_AGAIN ? ERR_UNAVAILABLE : rc);
        return;
    }
}

/* ---- the rest of what may be asked ---- */

static void read_one(struct iec104_station *s, const struct iec104_asdu *a, const struct iec104_object *o,
                     const uint8_t *p, size_t n)
{
    struct iec104_item it = {0};
    if (s->cfg.ops.read == NULL || !s->cfg.ops.read(s->cfg.ops.ctx, a->ca, o->ioa, &it)) {
        mirror(s, p, n, IEC104_UNKNOWN_IOA, true);
        return;
    }
    struct iec104_asdu head = {.type = iec104_type(it.type), .ca = a->ca, .originator = a->originator};
    tell(s, &head, &it.o, IEC104_REQUEST, false);
}

static bool cause_fits(const struct iec104_asdu *a)
{
    if (a->type->id == IEC104_C_RD_NA) return a->cause == IEC104_REQUEST;
    bool may_end = a->type->id <= IEC104_C_BO_TA || a->type->id == IEC104_C_IC_NA;
    return a->cause == IEC104_ACT || (may_end && a->cause == IEC104_DEACT);
}

static void asked(struct iec104_station *s, const struct iec104_asdu *a, const uint8_t *p, size_t n, uint64_t now)
{
    const struct iec104_station_ops *ops = &s->cfg.ops;
    struct iec104_object o = iec104_object(a, 0);
    bool no = false;
    switch (a->type->id) {
    case IEC104_C_IC_NA:
    case IEC104_C_CI_NA: interrogation(s, a, &o, p, n); return;
    case IEC104_C_RD_NA: read_one(s, a, &o, p, n); return;
    case IEC104_C_CS_NA: no = ops->clock == NULL || ops->clock(ops->ctx, a->ca, &o.time) != 0; break;
    case IEC104_C_RP_NA: no = ops->reset == NULL || ops->reset(ops->ctx, a->ca, (unsigned)o.i) != 0; break;
    case IEC104_C_TS_NA:
    case IEC104_C_TS_TA: break;
    case IEC104_C_CD_NA: mirror(s, p, n, IEC104_UNKNOWN_TYPE, true); return;
    default: command(s, a, &o, now); return;
    }
    mirror(s, p, n, IEC104_ACTCON, no);
}

static int take_asdu(struct iec104_station *s, const uint8_t *p, size_t n, uint64_t now, struct error *e)
{
    struct iec104_asdu a;
    int rc = iec104_asdu_decode(p, n, &a, e);
    if (rc == ERR_PROTOCOL) return rc;
    if (rc || !(a.type->direction & IEC104_CONTROL))
        mirror(s, p, n, IEC104_UNKNOWN_TYPE, true);
    else if (!cause_fits(&a))
        mirror(s, p, n, IEC104_UNKNOWN_CAUSE, true);
    else if (!serves(s, a.ca))
        mirror(s, p, n, IEC104_UNKNOWN_CA, true);
    else
        asked(s, &a, p, n, now);
    return 0;
}

/* ---- in and out ---- */

static void announce(struct iec104_station *s)
{
    if (s->announced || !s->cfg.announce) return;
    s->announced = true;
    for (size_t i = 0; i < s->cfg.ncas && s->nreplies < IEC104_REPLIES - ROOM; i++) {
        struct iec104_asdu a = {.type = iec104_type(IEC104_M_EI_NA), .ca = s->cfg.cas[i]};
        tell(s, &a, &(struct iec104_object){0}, IEC104_INITIALIZED, false);
    }
}

/* The peer has acknowledged I frames: which events were in them? */
static void count_acknowledged(struct iec104_station *s)
{
    for (; s->acked_to != s->link.va; s->acked_to = (uint16_t)((s->acked_to + 1) % IEC104_SEQ))
        s->events_acked = s->frame_events[s->acked_to % (IEC104_K_MAX + 1)];
}

int iec104_station_input(struct iec104_station *s, uint64_t now_ns, const uint8_t *p, size_t n, struct error *e)
{
    struct iec104_apdu a;
    enum iec104_link_event ev;
    if (s->nreplies + ROOM > IEC104_REPLIES) return 0;
    int rc = iec104_link_input(&s->link, now_ns, p, n, &a, &ev, e);
    if (rc <= 0) return rc;
    count_acknowledged(s);
    if (ev == IEC104_EVENT_STARTED) announce(s);
    if (ev == IEC104_EVENT_ASDU) rc = take_asdu(s, a.asdu, a.asdu_n, now_ns, e);
    return rc < 0 ? rc : (int)a.used;
}

static size_t next_asdu(struct iec104_station *s, uint8_t *out)
{
    if (s->nreplies) {
        const struct iec104_reply *r = &s->replies[s->reply_at];
        memcpy(out, r->p, r->n);
        s->reply_at = (s->reply_at + 1) % IEC104_REPLIES;
        s->nreplies--;
        return r->n;
    }
    size_t n = tell_events(s, out);
    return n ? n : answer_interrogation(s, out);
}

size_t iec104_station_output(struct iec104_station *s, uint64_t now_ns, uint8_t *out, size_t cap)
{
    uint8_t asdu[IEC104_ASDU_MAX + IEC104_ELEMENT_MAX];
    size_t n = 0, size;
    while (n + IEC104_APDU_MAX + IEC104_LINK_OUT <= cap) {
        n += iec104_link_output(&s->link, now_ns, out + n);
        size = iec104_link_free(&s->link) ? next_asdu(s, asdu) : 0;
        if (size == 0) break;
        s->frame_events[s->link.vs % (IEC104_K_MAX + 1)] = s->events_out;
        n += iec104_link_send(&s->link, now_ns, asdu, size, out + n);
    }
    return n;
}

int iec104_station_time(struct iec104_station *s, uint64_t now_ns, struct error *e)
{
    return iec104_link_time(&s->link, now_ns, e);
}

uint64_t iec104_station_deadline(const struct iec104_station *s)
{
    return iec104_link_deadline(&s->link);
}
