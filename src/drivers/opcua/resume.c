/* resume.c - after a loss: the server may still hold our session and our subscriptions, with all that they have queued.
 * So they are not forgotten at once:
 *
 *   the session still lives at the server     a new channel, ActivateSession, and everything goes on (session.c)
 *   only the subscriptions do                 a new session, TransferSubscriptions
 *   neither, or the server has become another everything is made anew; what lies between is read from the server's
 *                                             history where it keeps one (backfill.c)
 *
 * What was sent but not received is asked for by Republish; points that tell nothing new are read once (refresh.c). */
#include <stdio.h>
#include "drivers/opcua/opcua_int.h"

#define FAILS_MAX 1 /* openings that fail before the endpoints are asked for anew */

/* What was under way is not known: those items are made again. */
static uint32_t keep_subs(struct oc_channel *ch)
{
    uint32_t lifetime = 0;
    for (unsigned c = 0; c < OC_CLASSES; c++) {
        struct oc_sub *s = &ch->subs[c];
        s->creating = s->items_busy = s->deleting = false;
        if (s->id && s->lifetime_ms > lifetime) lifetime = s->lifetime_ms;
    }
    for (size_t i = 0; i < ch->npoints; i++) {
        struct oc_point *p = &ch->points[i];
        if (p->item != ITEM_ASKED) continue;
        if (p->handle) ch->handles[p->handle] = 0;
        p->item = ITEM_NONE;
        p->handle = 0;
    }
    ch->unmade = true;
    ch->publishing = 0;
    ch->publish_after_ns = 0;
    ch->refreshing = false;
    return lifetime;
}

bool oc_resume_keep(struct oc_channel *ch, enum oc_conn was)
{
    uint64_t now = oc_now(ch);
    if (was == CONN_UP && ch->session_open) {
        uint32_t lifetime = keep_subs(ch);
        ch->resume = lifetime ? RESUME_SESSION : RESUME_NOTHING;
        ch->session_until_ns = now + ch->session_ms * NS_MS;
        ch->resume_until_ns = now + (lifetime > ch->session_ms ? lifetime : ch->session_ms) * NS_MS;
        ch->resume_fails = 0;
        return ch->resume != RESUME_NOTHING;
    }
    if (was == CONN_OPENING && ch->resume) ch->resume_fails++;
    if (now >= ch->resume_until_ns || ch->resume_fails > FAILS_MAX) ch->resume = RESUME_NOTHING;
    return ch->resume != RESUME_NOTHING;
}

/* The subscriptions live: their clocks begin anew, and what stands still is read. */
void oc_resume_done(struct oc_channel *ch, const char *how)
{
    char kv[80];
    unsigned subs = 0;
    for (unsigned c = 0; c < OC_CLASSES; c++) {
        if (!ch->subs[c].id) continue;
        ch->subs[c].last_ns = oc_now(ch);
        subs++;
    }
    for (size_t i = 0; i < ch->npoints; i++) {
        struct oc_point *p = &ch->points[i];
        p->refresh = p->item == ITEM_LIVE;
        p->first = p->event != NULL; /* what the queue kept of events is newer than our word of the loss */
        ch->refresh |= p->refresh;
    }
    ch->resume = RESUME_NOTHING;
    snprintf(kv, sizeof kv, "by=%s subscriptions=%u", how, subs);
    if (subs) ch->base.host->log(ch->base.host->ctx, DRIVER_LOG_INFO, "subscriptions go on", kv);
}

/* ---- TransferSubscriptions ---- */

static void take_available(struct oc_channel *ch, struct oc_sub *s, const struct ua_transfer_result *r)
{
    uint32_t first =
        r->available_sequence_numbers_n > OC_MISSING_MAX ? r->available_sequence_numbers_n - OC_MISSING_MAX : 0;
    for (uint32_t i = first; i < r->available_sequence_numbers_n; i++) { /* the newest; nobody keeps more */
        uint32_t n = r->available_sequence_numbers[i];
        if (n - s->next_sequence < UINT32_MAX / 2)
            oc_republish(ch, s, n);
        else
            oc_acknowledge(ch, s->id, n); /* it came, but not our word of it */
    }
    for (uint32_t i = 0; i < r->available_sequence_numbers_n; i++) {
        uint32_t n = r->available_sequence_numbers[i];
        if (n - s->next_sequence < UINT32_MAX / 2) s->next_sequence = n == UINT32_MAX ? 1 : n + 1;
    }
}

static void made_anew(struct oc_channel *ch, unsigned c, uint32_t status)
{
    char kv[80];
    snprintf(kv, sizeof kv, "status=%s", ua_status_name(status));
    ch->base.host->log(ch->base.host->ctx, DRIVER_LOG_INFO, "a subscription is made anew", kv);
    oc_sub_reset(ch, c);
}

static void on_transferred(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_transfer_subscriptions_response *r = value;
    uint32_t i = 0;
    (void)arg;
    if (r == NULL && !refused) {
        oc_lose(ch, e);
        return;
    }
    for (unsigned c = 0; c < OC_CLASSES; c++) {
        if (!ch->subs[c].id) continue;
        const struct ua_transfer_result *t = r && i < r->results_n ? &r->results[i] : NULL;
        i++;
        if (t && !ua_bad(t->status_code))
            take_available(ch, &ch->subs[c], t);
        else
            made_anew(ch, c, t ? t->status_code : ch->status);
    }
    oc_resume_done(ch, "transfer");
    oc_session_ready(ch);
}

void oc_resume_transfer(struct oc_channel *ch)
{
    uint32_t ids[OC_CLASSES], n = 0;
    for (unsigned c = 0; c < OC_CLASSES; c++)
        if (ch->subs[c].id) ids[n++] = ch->subs[c].id;
    struct ua_transfer_subscriptions_request q = {.subscription_ids = ids, .subscription_ids_n = n};
    oc_call(ch, UA_T_transfer_subscriptions_request, &q, ch->cfg.answer_ms, on_transferred, NULL);
}
