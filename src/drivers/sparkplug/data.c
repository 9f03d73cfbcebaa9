/* data.c - values to samples: one batch a message, times, and what is told when nothing comes.
 *
 * Time  that of the metric, else of its payload, is the sample's; historical values come late whatever their time. What
 * a birth tells holds at the moment of the birth: when its stamp is older than what the point has shown since (that it
 * was gone), the arrival counts. Two values in one millisecond stay two. Data older than the point's last value come
 * out of a buffer and are marked so, unless it is just the clocks that differ: then the arrival counts. A stamp more
 * than a day ahead, or a year back and not historical, is of a clock that is not set. */
#include "drivers/sparkplug/sparkplug_int.h"

#define DAY_US (86400 * 1000000LL)

/* ---- batches ---- */

static void add(struct sh_channel *ch, const struct sample *s)
{
    void *items = ch->batch;
    if (!mem_grow(&items, &ch->batch_cap, ch->nbatch + 1, sizeof *s)) return;
    ch->batch = items;
    ch->batch[ch->nbatch++] = *s;
}

bool sh_flush(struct sh_channel *ch)
{
    const struct driver_host *h = ch->base.host;
    while (ch->batch_at < ch->nbatch) {
        size_t left = ch->nbatch - ch->batch_at, n = left < SH_PUBLISH ? left : SH_PUBLISH;
        if (h->publish(h->ctx, ch->batch + ch->batch_at, n)) {
            ch->st.held++;
            if (!ch->held) mqtt_client_read(ch->client, false);
            ch->held = true;
            return false;
        }
        ch->st.samples += n;
        ch->batch_at += n;
    }
    ch->nbatch = ch->batch_at = 0;
    if (ch->held) mqtt_client_read(ch->client, true);
    ch->held = false;
    return true;
}

/* ---- what is not there ---- */

static void tell_bad(struct sh_channel *ch, struct sh_point *p, enum quality_reason why)
{
    if (p->last.time_us && p->last.quality == QUALITY_BAD && (p->last.flags & SAMPLE_REASON_MASK) == why) return;
    int64_t now = sh_utc(ch);
    p->last.time_us = now > p->last.time_us ? now : p->last.time_us + 1;
    p->last.point = p->num;
    p->last.quality = QUALITY_BAD;
    p->last.flags = (uint16_t)why;
    add(ch, &p->last);
}

void sh_tell_bad(struct sh_channel *ch, struct sh_metric *m, enum quality_reason why)
{
    for (uint32_t i = m->first; i; i = ch->points[i - 1].next)
        if (!ch->points[i - 1].online) tell_bad(ch, &ch->points[i - 1], why);
}

void sh_tell_device(struct sh_channel *ch, struct sh_device *d, enum quality_reason why)
{
    d->told = true;
    if (!d->wanted) return;
    for (struct sh_metric *m = d->metrics; m; m = m->next) sh_tell_bad(ch, m, why);
}

void sh_tell_lost(struct sh_channel *ch)
{
    for (size_t i = 0; i < ch->npoints; i++)
        if (ch->points[i].metric) tell_bad(ch, &ch->points[i], REASON_NOT_CONNECTED);
    sh_flush(ch);
}

/* ---- $online ---- */

static void tell_online(struct sh_channel *ch, struct sh_point *p, bool on)
{
    struct sample s = {.point = p->num, .type = SAMPLE_BOOL, .v.i = on, .time_us = sh_utc(ch)};
    if (p->last.type == SAMPLE_BOOL && p->last.quality == QUALITY_GOOD && p->last.v.i == on) return;
    if (s.time_us <= p->last.time_us) s.time_us = p->last.time_us + 1;
    p->last = s;
    add(ch, &s);
}

void sh_tell_online(struct sh_channel *ch, struct sh_device *d)
{
    struct sh_metric *m = d->wanted ? sh_metric_find(d, STR(SH_ONLINE)) : NULL;
    for (uint32_t i = m ? m->first : 0; i; i = ch->points[i - 1].next)
        if (ch->points[i - 1].online) tell_online(ch, &ch->points[i - 1], d->alive);
}

/* ---- values ---- */

static int64_t time_of(const struct sh_point *p, int64_t t, int64_t now, bool birth, bool historical, uint16_t *flags)
{
    int64_t last = p->last.time_us;
    bool set = t > 0 && t < now + DAY_US && (historical || t > now - 366 * DAY_US);
    if (!set) return now > last ? now : last + 1;
    *flags |= SAMPLE_FLAG_SOURCE_TIME;
    if (historical) *flags |= SAMPLE_FLAG_BACKFILL;
    if (historical || t > last) return t;
    if (t / 1000 == last / 1000) return last + 1;
    if (birth || t + SH_CLOCK_WARN_US >= last) {
        *flags &= (uint16_t)~SAMPLE_FLAG_SOURCE_TIME;
        return now > last ? now : last + 1;
    }
    *flags |= SAMPLE_FLAG_BACKFILL;
    return t;
}

static void keep_text(struct sh_channel *ch, struct sh_point *p, struct sh_value *v)
{
    const struct driver_host *h = ch->base.host;
    uint64_t hash = str_hash(v->text, 1) | 1;
    if (hash != p->text_hash && h->intern(h->ctx, v->text.p, v->text.n, &p->text_id) == 0) p->text_hash = hash;
    if (hash == p->text_hash)
        v->s.v.u = p->text_id;
    else
        v->s.type = SAMPLE_NONE, v->s.quality = QUALITY_BAD, v->s.flags = REASON_NO_DATA;
}

static void keep_blob(struct sh_channel *ch, struct sh_value *v)
{
    const struct driver_host *h = ch->base.host;
    uint64_t id = 0;
    if (h->blob && h->blob(h->ctx, v->s.point, v->s.time_us, v->media, v->blob.p, v->blob.n, &id) == 0)
        v->s.v.u = id;
    else
        v->s.type = SAMPLE_NONE, v->s.quality = QUALITY_BAD, v->s.flags = REASON_NO_DATA;
}

static void show(struct sh_channel *ch, struct sh_point *p, struct sh_metric *m, const struct spb_metric *v,
                 int64_t time_us, bool birth)
{
    struct sh_conf *c = &ch->confs[p->device];
    struct sh_value r;
    int64_t now = sh_utc(ch);
    if (ch->scratch.used) arena_reset(&ch->scratch); /* of the value before */
    sh_value_of(p, m->datatype, v, &ch->scratch, &r);
    r.s.time_us = time_of(p, c->source_time || v->historical ? time_us : 0, now, birth, v->historical, &r.s.flags);
    if (r.s.type == SAMPLE_STRING) keep_text(ch, p, &r);
    if (r.s.type == SAMPLE_BLOB) keep_blob(ch, &r);
    if (r.s.type == SAMPLE_NONE && !(r.s.flags & SAMPLE_FLAG_BACKFILL)) { /* the last value stays, bad */
        r.s.type = p->last.type;
        r.s.v = p->last.v;
    }
    if (!(r.s.flags & SAMPLE_FLAG_BACKFILL)) p->last = r.s;
    c->last_ok_us = now;
    add(ch, &r.s);
}

void sh_tell(struct sh_channel *ch, struct sh_metric *m, const struct spb_metric *v, int64_t time_us, bool birth)
{
    for (uint32_t i = m->first; i;) {
        struct sh_point *p = &ch->points[i - 1];
        i = p->next;
        if (!p->online) show(ch, p, m, v, time_us, birth);
    }
}

void sh_show(struct sh_channel *ch, size_t point)
{
    struct sh_point *p = &ch->points[point];
    struct sh_metric *m = p->metric;
    if (p->config_error) {
        tell_bad(ch, p, REASON_CONFIG_ERROR);
    } else if (ch->conn != SH_UP) {
        if (ch->why.code) tell_bad(ch, p, REASON_NOT_CONNECTED);
    } else if (p->online) {
        if (m->dev->alive || m->dev->told) tell_online(ch, p, m->dev->alive);
    } else if (m->dev->alive && m->raw_n && m->born) {
        struct spb_metric v = spb_metric_of(str_make((const char *)m->raw, m->raw_n));
        show(ch, p, m, &v, m->time_us, true);
    } else if (m->dev->alive) {
        tell_bad(ch, p, REASON_NO_DATA);
    } else if (m->dev->told) {
        tell_bad(ch, p, REASON_COMM_FAILURE);
    }
}
