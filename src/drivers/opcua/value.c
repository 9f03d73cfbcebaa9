/* value.c - what the server told becomes samples: batches on their way to the sink, and the words of our own when a
 * connection is lost.
 *
 * Our own word of a loss is newer than the value that the server still holds where nothing has changed meanwhile. So
 * the first value after it that is known to be valid now (of a new item, or read) is told twice then: with its own
 * time, and with the present one, so that the point is good again. */
#include "drivers/opcua/opcua_int.h"

/* ---- batches --------------------------------------------------------------------------------------------------- */

static void tell(struct oc_channel *ch, const struct sample *s)
{
    void *items = ch->batch;
    if (!mem_grow(&items, &ch->batch_cap, ch->nbatch + 1, sizeof *s)) return;
    ch->batch = items;
    ch->batch[ch->nbatch++] = *s;
}

static void tell_bad(struct oc_channel *ch, struct oc_point *p, enum quality_reason why)
{
    p->last.time_us = oc_utc(ch);
    p->last.point = p->num;
    p->last.quality = QUALITY_BAD;
    p->last.flags = (uint16_t)why;
    p->marked = true;
    tell(ch, &p->last);
}

static bool is_bad(const struct oc_point *p, enum quality_reason why)
{
    return p->last.time_us && p->last.quality == QUALITY_BAD && (p->last.flags & SAMPLE_REASON_MASK) == why;
}

bool oc_tell_config(struct oc_channel *ch, struct oc_point *p)
{
    if (is_bad(p, REASON_CONFIG_ERROR)) return false;
    tell_bad(ch, p, REASON_CONFIG_ERROR);
    return true;
}

/* The next part of those that are told of the loss; false: none is left. */
static bool tell_some(struct oc_channel *ch)
{
    while (ch->tell_lost && ch->tell_at < ch->npoints && ch->nbatch < OC_BATCH) {
        struct oc_point *p = &ch->points[ch->tell_at++];
        if (!p->config_error && !p->method && !is_bad(p, REASON_NOT_CONNECTED)) tell_bad(ch, p, REASON_NOT_CONNECTED);
    }
    if (ch->tell_at >= ch->npoints) ch->tell_lost = false;
    return ch->nbatch > 0;
}

/* What was told last is still all that is known: so, or perhaps no more. */
void oc_tell_last(struct oc_channel *ch, struct oc_point *p, bool uncertain)
{
    bool any = p->last.type != SAMPLE_NONE;
    int64_t now = oc_utc(ch);
    if (p->last.time_us == 0) return;
    p->last.time_us = now > p->last.time_us ? now : p->last.time_us + 1;
    p->last.quality = !any ? QUALITY_BAD : uncertain ? QUALITY_UNCERTAIN : QUALITY_GOOD;
    p->last.flags = any ? REASON_LAST_KNOWN : REASON_NO_DATA;
    p->marked = false;
    tell(ch, &p->last);
}

void oc_tell_lost(struct oc_channel *ch)
{
    ch->tell_lost = true;
    ch->tell_at = 0;
    oc_flush(ch);
}

static void hold(struct oc_channel *ch)
{
    ch->st.held++;
    if (ch->held) return;
    ch->held = true;
    ch->held_ns = oc_now(ch);
    if (ch->stream) tls_stream_read(ch->stream, false);
}

static void go_on(struct oc_channel *ch)
{
    if (!ch->held) return;
    uint64_t ns = oc_now(ch) - ch->held_ns;
    ch->held = false;
    for (struct oc_request *r = ch->requests; r; r = r->next)
        if (r->deadline_ns) r->deadline_ns += ns;
    for (int i = 0; i < OC_CLASSES; i++) ch->subs[i].last_ns += ns;
    if (ch->stream) tls_stream_read(ch->stream, true);
}

/* In pieces that the sink can take. */
static bool publish(struct oc_channel *ch)
{
    const struct driver_host *h = ch->base.host;
    size_t at = 0, n = 0;
    for (; at < ch->nbatch; at += n) {
        n = ch->nbatch - at < OC_PUBLISH_MAX ? ch->nbatch - at : OC_PUBLISH_MAX;
        if (h->publish(h->ctx, ch->batch + at, n)) break;
        ch->st.samples += n;
    }
    if (at && at < ch->nbatch) memmove(ch->batch, ch->batch + at, (ch->nbatch - at) * sizeof *ch->batch);
    ch->nbatch -= at;
    return ch->nbatch == 0;
}

bool oc_flush(struct oc_channel *ch)
{
    while (ch->nbatch || tell_some(ch)) {
        if (publish(ch)) continue;
        hold(ch);
        return false;
    }
    go_on(ch);
    return true;
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

static void keep_text(struct oc_channel *ch, struct oc_point *p, struct oc_value *v)
{
    const struct driver_host *h = ch->base.host;
    uint64_t hash = str_hash(v->text, 1) | 1;
    if (hash != p->text_hash && h->intern(h->ctx, v->text.p, v->text.n, &p->text_id) == 0) p->text_hash = hash;
    if (hash == p->text_hash)
        v->s.v.u = p->text_id;
    else
        v->s.type = SAMPLE_NONE, v->s.quality = QUALITY_BAD, v->s.flags = REASON_NO_DATA;
}

static void keep_blob(struct oc_channel *ch, struct oc_value *v)
{
    const struct driver_host *h = ch->base.host;
    uint64_t id = 0;
    if (h->blob && h->blob(h->ctx, v->s.point, v->s.time_us, v->media, v->blob.p, v->blob.n, &id) == 0)
        v->s.v.u = id;
    else
        v->s.type = SAMPLE_NONE, v->s.quality = QUALITY_BAD, v->s.flags = REASON_NO_DATA;
}

/* Between the last value before and this one there may be others: the item is a new one, or its queue ran over. */
static void note_gap(struct oc_channel *ch, struct oc_point *p, const struct sample *s, uint32_t status, bool first)
{
    if (p->event || !(s->flags & SAMPLE_FLAG_SOURCE_TIME)) return;
    if (ch->cfg.backfill && p->source_us && s->time_us > p->source_us && (first || ua_status_overflow(status))) {
        if (!p->gap_to || p->source_us < p->gap_from) p->gap_from = p->source_us;
        if (s->time_us > p->gap_to) p->gap_to = s->time_us;
        ch->gaps = true;
    }
    if (s->time_us > p->source_us) p->source_us = s->time_us;
}

/* It is the newest of its point, or says that an old one holds now: the first of a new item (perhaps at another
 * server), or one that was read after our word of a loss. */
static void take_newest(struct oc_channel *ch, struct oc_point *p, struct sample s, bool first, bool read)
{
    bool older = s.time_us < p->last.time_us, same = s.time_us == p->last.time_us;
    if ((older && first) || ((older || same) && p->marked && (first || read))) {
        int64_t us = oc_utc(ch);
        s.time_us = us > p->last.time_us ? us : p->last.time_us + 1;
        s.flags &= (uint16_t)~SAMPLE_FLAG_SOURCE_TIME;
        tell(ch, &s);
    } else if (older || (same && p->marked)) {
        return;
    }
    p->last = s;
    p->marked = false;
}

void oc_take(struct oc_channel *ch, struct oc_point *p, const struct ua_datavalue *dv, enum oc_how how)
{
    struct oc_value v;
    int64_t now = oc_utc(ch);
    bool first = p->first;
    oc_value_of(ch, p, dv, &ch->arena, &v);
    if (v.missed && how != VALUE_PAST) { /* it is read again when its type is known */
        p->refresh = ch->refresh = true;
        return;
    }
    if (v.s.type == SAMPLE_STRING) keep_text(ch, p, &v);
    if (v.s.type == SAMPLE_BLOB) keep_blob(ch, &v);
    if (how == VALUE_PAST) {
        v.s.flags |= SAMPLE_FLAG_BACKFILL;
        tell(ch, &v.s);
        return;
    }
    p->first = false;
    if (dv->value.type != UA_NULL) p->ua_type = dv->value.type, p->ua_array = dv->value.array;
    note_gap(ch, p, &v.s, dv->status, first);
    tell(ch, &v.s);
    take_newest(ch, p, v.s, first, how == VALUE_READ);
    if (v.s.quality != QUALITY_BAD && p->device < ch->ndevices) ch->devices[p->device].last_ok_us = now;
}
