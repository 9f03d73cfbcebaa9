/* sparkplug_flow.c - see sparkplug_flow.h. */
#include "proto/sparkplug_flow.h"
#include "base/mem.h"

#define REBIRTH_DOUBLINGS 6

static uint8_t ahead(const struct spb_flow *f, uint64_t seq)
{
    return (uint8_t)(seq - f->expected);
}

static struct spb_held *pop(struct spb_flow *f)
{
    struct spb_held *h = f->held;
    f->held = h->next;
    f->nheld--;
    f->held_bytes -= h->device.n + h->payload.n;
    return h;
}

void spb_flow_fini(struct spb_flow *f)
{
    while (f->held) mem_free(pop(f));
}

void spb_flow_release(struct spb_flow *f)
{
    f->full = true;
}

void spb_flow_birth(struct spb_flow *f, bool has_seq, uint64_t seq, bool has_bdseq, uint64_t bdseq)
{
    f->alive = true;
    f->expected = (uint8_t)(has_seq ? seq + 1 : 1);
    f->has_bdseq = has_bdseq;
    f->bdseq = bdseq;
    f->rebirth = f->full = false;
    f->rebirths = 0;
    f->rebirth_at_ns = 0;
}

static void die(struct spb_flow *f)
{
    f->alive = false;
    f->rebirth = false;
    f->rebirths = 0;
    f->rebirth_at_ns = 0;
    spb_flow_fini(f);
}

bool spb_flow_death(struct spb_flow *f, bool has_bdseq, uint64_t bdseq)
{
    if (!f->alive || (has_bdseq && f->has_bdseq && bdseq != f->bdseq)) return false;
    die(f);
    return true;
}

void spb_flow_lost(struct spb_flow *f)
{
    die(f);
}

static bool is_held(const struct spb_flow *f, uint8_t seq)
{
    for (const struct spb_held *h = f->held; h; h = h->next)
        if (h->seq == seq) return true;
    return false;
}

enum spb_verdict spb_flow_message(struct spb_flow *f, bool has_seq, uint64_t seq)
{
    if (!f->alive) {
        spb_flow_want_rebirth(f);
        return SPB_DROP;
    }
    if (!has_seq) return SPB_TAKE;
    uint8_t distance = ahead(f, seq);
    if (distance == 0) {
        f->expected++;
        return SPB_TAKE;
    }
    if (distance > 255 - SPB_LATE) {
        f->late++;
        return SPB_TAKE;
    }
    return is_held(f, (uint8_t)seq) ? SPB_DROP : SPB_HOLD;
}

static struct spb_held *copy(const struct spb_topic *t, uint64_t seq, struct str payload, int64_t arrived_us)
{
    struct spb_held *h = mem_alloc(sizeof *h + t->device.n + payload.n);
    if (h == NULL) return NULL;
    char *p = (char *)(h + 1);
    *h = (struct spb_held){.seq = (uint8_t)seq, .type = (uint8_t)t->type, .arrived_us = arrived_us};
    if (t->device.n) memcpy(p, t->device.p, t->device.n);
    h->device = str_make(t->device.n ? p : NULL, t->device.n);
    if (payload.n) memcpy(p + t->device.n, payload.p, payload.n);
    h->payload = str_make(p + t->device.n, payload.n);
    return h;
}

void spb_flow_hold(struct spb_flow *f, const struct spb_topic *t, uint64_t seq, struct str payload, int64_t arrived_us,
                   uint64_t now_ns)
{
    bool room = f->nheld < SPB_HELD_MAX && f->held_bytes + payload.n + t->device.n <= SPB_HELD_BYTES;
    struct spb_held *h = room ? copy(t, seq, payload, arrived_us) : NULL, **at = &f->held;
    if (h == NULL) {
        f->full = true;
        return;
    }
    if (f->held == NULL) {
        f->gap_ns = now_ns;
        f->gaps++;
    }
    while (*at && ahead(f, (*at)->seq) < ahead(f, seq)) at = &(*at)->next;
    h->next = *at;
    *at = h;
    f->nheld++;
    f->held_bytes += h->device.n + h->payload.n;
}

struct spb_held *spb_flow_next(struct spb_flow *f, uint64_t now_ns)
{
    if (f->held == NULL) {
        f->full = false;
        return NULL;
    }
    if (ahead(f, f->held->seq) != 0) {
        if (!f->full && now_ns < f->gap_ns + f->reorder_ns) return NULL;
        spb_flow_want_rebirth(f);
    }
    struct spb_held *h = pop(f);
    f->expected = (uint8_t)(h->seq + 1);
    f->gap_ns = now_ns; /* of a further gap, if there is one */
    return h;
}

uint64_t spb_flow_deadline(const struct spb_flow *f)
{
    uint64_t at = f->held ? f->gap_ns + f->reorder_ns : UINT64_MAX;
    if (f->rebirth && f->rebirth_at_ns < at) at = f->rebirth_at_ns;
    return at;
}

void spb_flow_want_rebirth(struct spb_flow *f)
{
    f->rebirth = true;
}

bool spb_flow_rebirth_due(const struct spb_flow *f, uint64_t now_ns)
{
    return f->rebirth && now_ns >= f->rebirth_at_ns;
}

void spb_flow_rebirth_sent(struct spb_flow *f, uint64_t now_ns)
{
    unsigned doublings = f->rebirths < REBIRTH_DOUBLINGS ? f->rebirths : REBIRTH_DOUBLINGS;
    f->rebirth_at_ns = now_ns + (f->rebirth_ns << doublings);
    f->rebirths++;
}
