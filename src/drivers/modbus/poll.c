/* poll.c - polling: what is due becomes active, its blocks become requests, their answers one batch.
 *
 * Failures, from small to large: a block that the device refuses makes its points bad, and is first split
 * in two where it holds more than one point (a hole in the device's table must not cost its neighbours);
 * a block without answer makes its points bad when the station answers otherwise; a station without any
 * answer is dead: all its points are bad once, and it is probed rarely with one request; when every
 * station is dead the connection itself is made anew. */
#include "drivers/modbus/modbus_int.h"

/* ---- publishing ---- */

static void hold(struct mb_channel *ch, struct mb_group *g)
{
    if (g->state != GROUP_HELD) {
        ch->held++;
        ch->st.held++;
    }
    g->state = GROUP_HELD;
    mb_wake_at(ch, mb_now(ch) + 5 * NS_MS);
}

void poll_publish(struct mb_channel *ch, struct mb_group *g)
{
    if (ch->base.host->publish(ch->base.host->ctx, g->samples, g->n)) {
        hold(ch, g);
        return;
    }
    if (g->state == GROUP_HELD) ch->held--;
    g->state = GROUP_IDLE;
    ch->st.samples += g->n;
}

static void publish_lost(struct mb_channel *ch, struct mb_group *g)
{
    int64_t now = ch->base.host->now_us(ch->base.host->ctx);
    if (g->lost || g->broadcast) return;
    if (g->state == GROUP_HELD) { /* the batch before it comes first */
        g->lost_next = true;
        return;
    }
    g->lost = true;
    for (size_t i = 0; i < g->n; i++) sample_bad(&g->samples[i], now, REASON_COMM_FAILURE);
    poll_publish(ch, g);
}

static void publish_config_errors(struct mb_channel *ch)
{
    int64_t now = ch->base.host->now_us(ch->base.host->ctx);
    for (size_t i = 0; i < ch->nbad; i++) ch->bad[i].time_us = now;
    ch->bad_held = ch->base.host->publish(ch->base.host->ctx, ch->bad, ch->nbad) != 0;
    if (ch->bad_held)
        mb_wake_at(ch, mb_now(ch) + 5 * NS_MS);
    else
        ch->st.samples += ch->nbad;
}

void poll_hold_retry(struct mb_channel *ch)
{
    if (ch->bad_held && ch->nbad) publish_config_errors(ch);
    for (size_t i = 0; ch->held && i < ch->ngroups; i++) {
        struct mb_group *g = ch->groups[i];
        if (g->state != GROUP_HELD) continue;
        poll_publish(ch, g);
        if (g->state == GROUP_HELD || !g->lost_next) continue;
        g->lost_next = false;
        publish_lost(ch, g);
    }
}

/* ---- the list of active groups ---- */

static void activate(struct mb_channel *ch, struct mb_group *g)
{
    g->state = GROUP_ACTIVE;
    g->next_block = 0;
    g->pending = 0;
    g->time_us = 0;
    g->trouble = false;
    g->next = NULL;
    *ch->active_tail = g;
    ch->active_tail = &g->next;
}

static void deactivate(struct mb_channel *ch, struct mb_group *g)
{
    if (g->state != GROUP_ACTIVE) return;
    for (struct mb_group **p = &ch->active; *p; p = &(*p)->next) {
        if (*p != g) continue;
        *p = g->next;
        if (ch->active_tail == &g->next) ch->active_tail = p;
        break;
    }
    g->next = NULL;
    g->state = GROUP_IDLE;
}

static void abort_poll(struct mb_channel *ch, struct mb_group *g)
{
    if (g->probing) g->station->probing = false;
    g->probing = false;
    if (g->state == GROUP_ACTIVE) call_forget(ch, g);
    deactivate(ch, g);
}

/* ---- stations ---- */

static bool all_dead(const struct mb_channel *ch)
{
    for (size_t i = 0; i < ch->ngroups; i++)
        if (!ch->groups[i]->station->dead && !ch->groups[i]->broadcast) return false;
    return true;
}

void station_ok(struct mb_channel *ch, struct mb_station *s, uint64_t now)
{
    s->last_ok_ns = now;
    ch->lost_told = false;
    backoff_reset(&ch->cfg.backoff);
    if (!s->dead) return;
    s->dead = s->probing = false;
    backoff_reset(&s->backoff);
    for (size_t i = 0; i < ch->ngroups; i++) {
        struct mb_group *g = ch->groups[i];
        if (g->station != s) continue;
        g->probing = false;
        if (g->state == GROUP_IDLE) poll_move(&ch->queue, &g->slot, now);
    }
    mb_refresh_state(ch);
}

void station_fail(struct mb_channel *ch, struct mb_station *s, const struct error *e)
{
    const struct driver_host *h = ch->base.host;
    uint64_t wait = backoff_next_ms(&s->backoff, h->random(h->ctx)) * (uint64_t)NS_MS;
    s->dead = true;
    s->probing = false;
    s->probe_ns = mb_now(ch) + wait;
    for (size_t i = 0; i < ch->ngroups; i++) {
        struct mb_group *g = ch->groups[i];
        if (g->station != s) continue;
        abort_poll(ch, g);
        poll_move(&ch->queue, &g->slot, s->probe_ns);
        ch->devices[g->device].trouble = *e;
        publish_lost(ch, g);
    }
    if (all_dead(ch))
        mb_lose(ch, e, false);
    else
        mb_refresh_state(ch);
}

/* ---- one poll ---- */

static void mark_bad(struct mb_channel *ch, struct mb_group *g, const struct mb_block *b, enum quality_reason why,
                     const struct error *e)
{
    for (uint32_t i = b->first; i < b->first + b->n; i++) sample_bad(&g->samples[i], g->time_us, why);
    g->trouble = true;
    ch->devices[g->device].trouble = *e;
}

static void decode_string(struct mb_channel *ch, struct mb_group *g, const struct mb_point *p, struct sample *s,
                          const char *text, size_t n)
{
    struct mb_text *t = &g->texts[p->text_slot];
    bool same = t->known && t->n == n && memcmp(t->p, text, n) == 0;
    if (!same) {
        t->known = ch->base.host->intern(ch->base.host->ctx, text, n, &t->id) == 0;
        t->n = (uint16_t)n;
        memcpy(t->p, text, n);
    }
    s->v.u = t->id;
    if (!t->known) {
        s->type = SAMPLE_NONE;
        s->quality = QUALITY_BAD;
        s->flags = REASON_NO_DATA;
    }
}

static void decode_block(struct mb_channel *ch, struct mb_group *g, const struct mb_block *b, const uint8_t *data)
{
    char text[MB_TEXT_MAX];
    size_t text_n = 0;
    for (uint32_t i = b->first; i < b->first + b->n; i++) {
        const struct mb_point *p = &g->points[i];
        struct sample *s = &g->samples[i];
        unsigned at = (unsigned)p->offset - b->offset;
        s->time_us = g->time_us;
        if (p->plain) {
            value_decode(&p->value, data + 2 * (size_t)at, s);
            continue;
        }
        mb_point_decode(p, data, at, s, text, &text_n);
        if (s->type == SAMPLE_STRING) decode_string(ch, g, p, s, text, text_n);
    }
}

static void drop_empty_blocks(struct mb_group *g)
{
    size_t n = 0;
    for (size_t i = 0; i < g->nblocks; i++)
        if (g->blocks[i].n) g->blocks[n++] = g->blocks[i];
    g->nblocks = n;
}

/* Trouble of a device lasts until all its groups are without. */
static void device_answered(struct mb_channel *ch, struct mb_group *g)
{
    struct mb_device *d = &ch->devices[g->device];
    d->last_ok_us = ch->st.last_ok_us = g->time_us;
    if (d->trouble.code == 0) return;
    for (size_t i = 0; i < ch->ngroups; i++)
        if (ch->groups[i]->device == g->device && (ch->groups[i]->trouble || ch->groups[i]->station->dead)) return;
    d->trouble = (struct error){0};
    mb_refresh_state(ch);
}

static void finish_poll(struct mb_channel *ch, struct mb_group *g)
{
    bool trouble = g->trouble;
    deactivate(ch, g);
    drop_empty_blocks(g);
    g->lost = false;
    ch->st.polls++;
    device_answered(ch, g);
    if (trouble && ch->st.state != DRIVER_DEGRADED) mb_refresh_state(ch);
    poll_publish(ch, g);
}

static enum quality_reason reason_of(unsigned exception)
{
    if (exception == MODBUS_EX_DEVICE_FAILURE || exception == MODBUS_EX_PARITY) return REASON_DEVICE_FAILURE;
    return REASON_DEVICE_EXCEPTION;
}

static bool gateway_says_silent(unsigned exception)
{
    return exception == MODBUS_EX_GATEWAY_PATH || exception == MODBUS_EX_GATEWAY_TARGET;
}

/* True when the block was replaced by two smaller ones. */
static bool split(struct mb_group *g, size_t block, unsigned exception)
{
    if (exception != MODBUS_EX_ILLEGAL_ADDRESS && exception != MODBUS_EX_ILLEGAL_VALUE) return false;
    return g->blocks[block].n > 1 && mb_block_split(g, block) == 0;
}

static void block_done(struct mb_channel *ch, struct mb_call *c, int rc, const struct modbus_response *r,
                       const struct error *e)
{
    struct mb_group *g = c->owner;
    struct mb_station *s = g->station;
    struct mb_block *b = &g->blocks[c->index];
    struct error why;
    uint64_t now = mb_now(ch);
    bool silent = rc == ERR_TIMEOUT || (rc == ERR_DEVICE && gateway_says_silent(r->exception));
    g->pending--;
    if (rc == ERR_CLOSED) return; /* the group begins again */
    if (silent && s->last_ok_ns < g->began_ns) {
        why = *e; /* e may be the trouble that station_fail sets */
        station_fail(ch, s, &why);
        return;
    }
    if (!silent) station_ok(ch, s, now);
    if (rc == 0)
        decode_block(ch, g, b, r->data);
    else if (rc != ERR_DEVICE || silent)
        mark_bad(ch, g, b, REASON_COMM_FAILURE, e);
    else if (!split(g, c->index, r->exception))
        mark_bad(ch, g, b, reason_of(r->exception), e);
    if (g->state == GROUP_ACTIVE && g->pending == 0 && g->next_block >= g->nblocks) finish_poll(ch, g);
}

static bool send_block(struct mb_channel *ch, struct mb_group *g, uint64_t now)
{
    while (g->next_block < g->nblocks && g->blocks[g->next_block].n == 0) g->next_block++;
    if (g->next_block >= g->nblocks || (g->probing && g->pending)) return false;
    const struct mb_block *b = &g->blocks[g->next_block];
    struct modbus_request q = mb_point_read(&g->points[b->first]);
    q.address = b->offset;
    q.count = b->count;
    if (g->time_us == 0) {
        g->time_us = ch->base.host->now_us(ch->base.host->ctx);
        g->began_ns = now;
    }
    g->pending++;
    struct mb_to to = {g->station->unit, g->probing ? 0 : (uint8_t)ch->cfg.retries, ch->devices[g->device].timeout_ms};
    call_start(ch, to, &q, block_done, g, (uint32_t)g->next_block++);
    return true;
}

bool poll_send(struct mb_channel *ch, uint64_t now)
{
    for (struct mb_group *g = ch->active; g; g = g->next)
        if (send_block(ch, g, now)) return true;
    return false;
}

/* ---- what is due ---- */

static void wait_for_probe(struct mb_channel *ch, struct mb_group *g, uint64_t now)
{
    uint64_t at = g->station->probe_ns > now ? g->station->probe_ns : now + g->slot.period_ns;
    poll_move(&ch->queue, &g->slot, at);
}

static void begin(struct mb_channel *ch, struct mb_group *g, uint64_t now)
{
    struct mb_station *s = g->station;
    if (s->dead && (s->probing || s->probe_ns > now)) {
        wait_for_probe(ch, g, now);
        return;
    }
    ch->st.late += poll_advance(&ch->queue, &g->slot, now);
    if (g->state != GROUP_IDLE) { /* still at the one before */
        ch->st.late++;
        return;
    }
    g->probing = s->probing = s->dead;
    activate(ch, g);
}

void poll_due(struct mb_channel *ch, uint64_t now)
{
    struct poll_slot *s;
    while (!ch->held && (s = poll_first(&ch->queue)) != NULL && s->due_ns <= now) begin(ch, (struct mb_group *)s, now);
}

/* ---- the connection ---- */

void poll_abort_all(struct mb_channel *ch)
{
    uint64_t now = mb_now(ch);
    for (size_t i = 0; i < ch->ngroups; i++) {
        struct mb_group *g = ch->groups[i];
        bool active = g->state == GROUP_ACTIVE;
        abort_poll(ch, g);
        if (active) poll_move(&ch->queue, &g->slot, now);
    }
}

void poll_lost(struct mb_channel *ch, const struct error *why)
{
    for (size_t i = 0; i < ch->ndevices; i++) ch->devices[i].trouble = *why;
    for (size_t i = 0; i < ch->ngroups; i++) publish_lost(ch, ch->groups[i]);
    ch->lost_told = true;
}
