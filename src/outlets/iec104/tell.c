/* tell.c - batches as events; when they are done; what a slow connection missed. See station_int.h. */
#include "outlets/iec104/station_int.h"

static size_t room_of(const struct sv_conn *c)
{
    return SV_EVENTS - c->station.nevents;
}

/* ---- items ---- */

static bool told(const struct sv_channel *ch, uint32_t slot)
{
    const struct sv_point *p = slot < ch->npoints ? &ch->points[slot] : NULL;
    return p && p->type && !p->clash && (p->type != IEC104_M_IT_NA || ch->cfg.counter_events);
}

static bool item_of(const struct sv_channel *ch, uint32_t slot, const struct sample *s, bool stamped,
                    struct iec104_item *ret)
{
    if (!told(ch, slot)) return false;
    const struct sv_point *p = &ch->points[slot];
    *ret = (struct iec104_item){.ca = p->ca, .type = p->type, .cause = IEC104_SPONTANEOUS};
    if (!sv_object(p, s, &ret->o)) return false;
    if (!stamped) return true;
    ret->type = iec104_type_stamped(iec104_type(p->type), IEC104_CP56)->id;
    ret->o.time = iec104_zone_time(&ch->cfg.zone, s->time_us);
    return true;
}

/* ---- tickets ---- */

static struct sv_ticket *ticket_find(struct sv_channel *ch, uint64_t ticket)
{
    for (unsigned i = 0; i < SV_TICKETS; i++)
        if (ch->tickets[i].used && ch->tickets[i].ticket == ticket) return &ch->tickets[i];
    return NULL;
}

static struct sv_ticket *ticket_free(struct sv_channel *ch)
{
    for (unsigned i = 0; i < SV_TICKETS; i++)
        if (!ch->tickets[i].used) return &ch->tickets[i];
    return NULL;
}

static void ticket_done(struct sv_channel *ch, struct sv_ticket *t)
{
    const struct outlet_host *h = ch->base.host;
    uint64_t ticket = t->ticket;
    ch->st.items += t->items;
    *t = (struct sv_ticket){0};
    h->sent(h->ctx, ticket, NULL);
}

/* One connection less carries it. */
static void ticket_unref(struct sv_channel *ch, uint64_t ticket, const char *peer)
{
    const struct outlet_host *h = ch->base.host;
    struct sv_ticket *t = ticket_find(ch, ticket);
    struct error e;
    if (t == NULL || --t->refs) return;
    *t = (struct sv_ticket){0};
    error_set(&e, ERR_CLOSED, "", "%s left before it acknowledged", "%s 在确认之前断开", peer);
    if (!ch->closing) h->sent(h->ctx, ticket, &e);
}

static void forget_old_marks(struct sv_conn *c)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < c->nmarks; i++)
        if (ticket_find(c->ch, c->marks[i].ticket)) c->marks[kept++] = c->marks[i];
    c->nmarks = kept;
}

/* Marks from the first on whose events are acknowledged. */
static void take_acknowledged(struct sv_conn *c)
{
    while (c->nmarks && c->marks[0].until <= c->station.events_acked) {
        struct sv_ticket *t = ticket_find(c->ch, c->marks[0].ticket);
        c->nmarks--;
        memmove(c->marks, c->marks + 1, c->nmarks * sizeof *c->marks);
        if (t == NULL) continue;
        c->items += t->items;
        ticket_done(c->ch, t);
    }
}

/* Those beyond `until` will not go out here. */
static void give_back(struct sv_conn *c, uint64_t until)
{
    while (c->nmarks && c->marks[c->nmarks - 1].until > until) {
        uint64_t ticket = c->marks[--c->nmarks].ticket;
        ticket_unref(c->ch, ticket, c->peer);
    }
}

void sv_tell_lost(struct sv_conn *c)
{
    take_acknowledged(c);
    while (c->nmarks) ticket_unref(c->ch, c->marks[--c->nmarks].ticket, c->peer);
}

/* What is in frames may still be acknowledged. */
void sv_tell_stopped(struct sv_conn *c)
{
    take_acknowledged(c);
    give_back(c, c->station.events_out);
    if (c->station.link.state == IEC104_STOPPED) sv_tell_lost(c);
    iec104_station_forget_events(&c->station);
    mem_free(TAKE(c->missed));
    c->nmissed = 0;
}

/* ---- a batch ---- */

static void miss(struct sv_conn *c, const struct outlet_item *items, size_t n)
{
    struct sv_channel *ch = c->ch;
    if (c->missed == NULL) {
        sv_log(ch, DRIVER_LOG_WARN, "a controlling station is too slow: it is told the present values later", c->peer);
        c->missed = mem_calloc(ch->npoints + 1, sizeof *c->missed);
    }
    if (c->missed == NULL) return;
    for (size_t i = 0; i < n; i++) {
        if (!told(ch, items[i].slot) || c->missed[items[i].slot]) continue;
        c->missed[items[i].slot] = true;
        c->nmissed++;
    }
}

/* One that missed something is told that first. */
static bool takes(const struct sv_conn *c, size_t n)
{
    return sv_conn_started(c) && c->nmissed == 0 && room_of(c) >= n;
}

static void give(struct sv_conn *c, const struct outlet_item *items, size_t n, bool stamped, uint64_t ticket)
{
    struct iec104_item it;
    for (size_t i = 0; i < n; i++)
        if (item_of(c->ch, items[i].slot, &items[i].sample, stamped, &it)) iec104_station_event(&c->station, &it);
    if (c->nmarks == SV_TICKETS) forget_old_marks(c);
    c->marks[c->nmarks++] = (struct sv_mark){ticket, c->station.events_in};
}

int sv_send(struct outlet_channel *base, const struct outlet_item *items, size_t n, enum outlet_flow flow,
            uint64_t ticket)
{
    struct sv_channel *ch = (struct sv_channel *)base;
    struct sv_ticket *t = ticket_free(ch);
    bool stamped = ch->cfg.stamped || flow == OUTLET_BACKFILL;
    unsigned takers = 0;
    for (const struct sv_conn *c = ch->conns; c; c = c->next) takers += takes(c, n);
    if (t == NULL || takers == 0 || ch->closing) {
        ch->want_ready = true;
        return ERR_AGAIN;
    }
    *t = (struct sv_ticket){.used = true, .ticket = ticket, .refs = takers, .items = (uint32_t)n};
    for (struct sv_conn *c = ch->conns; c; c = c->next) {
        if (takes(c, n))
            give(c, items, n, stamped, ticket);
        else if (sv_conn_started(c))
            miss(c, items, n);
    }
    sv_soon(ch);
    return 0;
}

/* ---- time ---- */

static void tell_missed(struct sv_conn *c)
{
    const struct outlet_host *h = c->ch->base.host;
    struct iec104_item it;
    char text[1];
    size_t n;
    if (!sv_conn_started(c) || room_of(c) < SV_EVENTS / 2) return;
    for (uint32_t i = 0; i < c->ch->npoints && c->nmissed && room_of(c) > SV_ROOM; i++) {
        struct sample s = {0};
        if (!c->missed[i]) continue;
        c->missed[i] = false;
        c->nmissed--;
        if (h->current(h->ctx, i, &s, text, sizeof text, &n) && item_of(c->ch, i, &s, c->ch->cfg.stamped, &it))
            iec104_station_event(&c->station, &it);
    }
    if (c->nmissed == 0) mem_free(TAKE(c->missed));
}

/* Cyclic values take what room events leave; those of a cycle that has no room follow when there is. */
static void tell_cycle(struct sv_conn *c, uint64_t now)
{
    const struct sv_channel *ch = c->ch;
    struct iec104_item it;
    if (!ch->cfg.cycle_ns || !sv_conn_started(c)) {
        c->cycle_due_ns = c->cycle_key = 0;
        return;
    }
    if (c->cycle_due_ns == 0) c->cycle_due_ns = now + ch->cfg.cycle_ns;
    if (c->cycle_key == 0 && now >= c->cycle_due_ns) {
        c->cycle_key = 1;
        c->cycle_due_ns = now + ch->cfg.cycle_ns;
    }
    while (c->cycle_key && room_of(c) > 2 * SV_ROOM) {
        if (sv_next_measured(ch, &c->cycle_key, &it)) {
            it.cause = IEC104_PERIODIC;
            iec104_station_event(&c->station, &it);
        } else {
            c->cycle_key = 0;
        }
    }
}

uint64_t sv_tell_deadline(const struct sv_conn *c)
{
    return c->cycle_due_ns && c->cycle_key == 0 ? c->cycle_due_ns : UINT64_MAX;
}

void sv_tell_pump(struct sv_channel *ch, uint64_t now)
{
    const struct outlet_host *h = ch->base.host;
    bool room = false;
    for (struct sv_conn *c = ch->conns; c; c = c->next) {
        if (c->closing) continue;
        take_acknowledged(c);
        if (c->missed) tell_missed(c);
        if (ch->cfg.cycle_ns) tell_cycle(c, now);
        sv_conn_flush(c, now);
        room = room || takes(c, SV_ROOM);
    }
    if (!ch->want_ready || !room || !ticket_free(ch)) return;
    ch->want_ready = false;
    h->ready(h->ctx);
}
