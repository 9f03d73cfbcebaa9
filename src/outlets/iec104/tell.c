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
        if (ticket_find(c->ch, c->marks[i].ticket))
            c->marks[kept++] = c->marks[i];
        else
            mem_free(c->marks[i].keys);
    c->nmarks = kept;
}

static struct sv_mark first_mark(struct sv_conn *c)
{
    struct sv_mark m = c->marks[0];
    c->nmarks--;
    memmove(c->marks, c->marks + 1, c->nmarks * sizeof *c->marks);
    return m;
}

static uint64_t end_of(const struct sv_mark *m)
{
    return m->cut ? m->cut : m->until;
}

/* Marks from the first on whose events are acknowledged; of one that was cut the rest is for another connection. */
static void take_acknowledged(struct sv_conn *c)
{
    while (c->nmarks && end_of(&c->marks[0]) <= c->station.events_acked) {
        struct sv_mark m = first_mark(c);
        struct sv_ticket *t = ticket_find(c->ch, m.ticket);
        if (m.cut) sv_group_keep(c, &m, m.cut);
        mem_free(m.keys);
        if (t == NULL) continue;
        if (m.cut) {
            ticket_unref(c->ch, m.ticket, c->peer);
            continue;
        }
        c->items += t->items;
        ticket_done(c->ch, t);
    }
}

static void give_back_last(struct sv_conn *c)
{
    struct sv_mark m = c->marks[--c->nmarks];
    uint64_t acked = c->station.events_acked < end_of(&m) ? c->station.events_acked : end_of(&m);
    sv_group_keep(c, &m, acked);
    mem_free(m.keys);
    ticket_unref(c->ch, m.ticket, c->peer);
}

/* Those beyond `until` will not go out here. Of one that is in frames in part, a group waits for what becomes of those.
 */
static void give_back(struct sv_conn *c, uint64_t until)
{
    while (c->nmarks && c->marks[c->nmarks - 1].until > until) {
        struct sv_mark *last = &c->marks[c->nmarks - 1];
        if (last->cut) return;
        if (c->group && last->keys && last->from < until) {
            last->cut = until;
            return;
        }
        give_back_last(c);
    }
}

void sv_tell_lost(struct sv_conn *c)
{
    take_acknowledged(c);
    while (c->nmarks) give_back_last(c);
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
    struct sv_mark m = {.ticket = ticket, .from = c->station.events_in};
    if (c->group) m.keys = mem_alloc((n + 1) * sizeof *m.keys);
    for (size_t i = 0; i < n; i++) {
        uint64_t key = c->group ? sv_event_key(&items[i]) : 0;
        if (c->group && sv_group_told(c, key)) continue; /* acknowledged before its batch was given back */
        if (!item_of(c->ch, items[i].slot, &items[i].sample, stamped, &it)) continue;
        if (m.keys) m.keys[c->station.events_in - m.from] = key;
        iec104_station_event(&c->station, &it);
    }
    m.until = c->station.events_in;
    if (c->nmarks == SV_TICKETS) forget_old_marks(c);
    c->marks[c->nmarks++] = m;
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
