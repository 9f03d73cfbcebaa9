/* data.c - what the station tells: ASDUs to samples, one batch an ASDU; times; and what is told when nothing comes.
 *
 * Time  a valid CP56 or CP24 stamp of a spontaneous value is the sample's time. Values that were asked for hold at the
 *       moment in which they arrive, whatever stamp of their last change they carry. A stamp more than a year old or a
 *       day ahead comes from a clock that is not set: the arrival counts. Events older than the last value of their
 *       point come out of the station's buffer and are marked so; when it is only the clocks that differ, the arrival
 *       counts, so that the newest value stays the newest. */
#include <stdio.h>
#include "drivers/iec104/iec104_int.h"

#define DAY_US (86400 * 1000000LL)
#define BROKEN_MAX 8

/* ---- time ---- */

struct iec104_time st_time(const struct st_channel *ch)
{
    return iec104_zone_time(&ch->cfg.zone, ch->base.host->now_us(ch->base.host->ctx));
}

static bool source_time(const struct st_channel *ch, const struct iec104_object *o, int64_t now, int64_t *ret)
{
    if (iec104_zone_utc(&ch->cfg.zone, &o->time, now, ret)) return false;
    return *ret > now - 366 * DAY_US && *ret < now + DAY_US;
}

int64_t st_clock_behind(const struct st_station *s)
{
    int64_t least = INT64_MAX;
    unsigned n = s->nclock < ST_CLOCK_KEEP ? s->nclock : ST_CLOCK_KEEP;
    for (unsigned i = 0; i < n; i++)
        if (s->clock[i] < least) least = s->clock[i];
    return s->nclock < 4 ? 0 : least;
}

static void measure_clock(struct st_channel *ch, struct st_station *s, int64_t behind)
{
    char kv[80];
    s->clock[s->nclock++ % ST_CLOCK_KEEP] = behind;
    behind = st_clock_behind(s);
    bool large = behind > ST_CLOCK_WARN_US || behind < -ST_CLOCK_WARN_US;
    if (large == s->clock_warned) return;
    s->clock_warned = large;
    snprintf(kv, sizeof kv, "common_address=%u behind_ms=%lld", s->ca, (long long)(behind / 1000));
    ch->base.host->log(ch->base.host->ctx, large ? DRIVER_LOG_WARN : DRIVER_LOG_INFO,
                       large ? "the station's clock differs" : "the station's clock is right again", kv);
    st_refresh_state(ch);
}

/* ---- batches ---- */

void st_data_tell(struct st_channel *ch, const struct sample *s)
{
    void *items = ch->batch;
    if (!mem_grow(&items, &ch->batch_cap, ch->nbatch + 1, sizeof *s)) return;
    ch->batch = items;
    ch->batch[ch->nbatch++] = *s;
}

static void tell_bad(struct st_channel *ch, struct st_point *p, enum quality_reason why)
{
    p->last.time_us = ch->base.host->now_us(ch->base.host->ctx);
    p->last.point = p->num;
    p->last.quality = QUALITY_BAD;
    p->last.flags = (uint16_t)why;
    st_data_tell(ch, &p->last);
}

static bool is_bad(const struct st_point *p, enum quality_reason why)
{
    return p->last.time_us && p->last.quality == QUALITY_BAD && (p->last.flags & SAMPLE_REASON_MASK) == why;
}

static bool monitors(const struct st_point *p)
{
    return !p->config_error && p->at.klass == IEC104_IS_VALUE;
}

/* The next part of those that are told of the loss; false: none is left. */
static bool tell_some(struct st_channel *ch)
{
    while (ch->tell_lost && ch->tell_at < ch->npoints && ch->nbatch < ST_BATCH) {
        struct st_point *p = &ch->points[ch->tell_at++];
        if (monitors(p) && !is_bad(p, REASON_NOT_CONNECTED)) tell_bad(ch, p, REASON_NOT_CONNECTED);
    }
    if (ch->tell_at >= ch->npoints) ch->tell_lost = false;
    return ch->nbatch > 0;
}

static void hold(struct st_channel *ch)
{
    ch->st.held++;
    if (ch->held) return;
    ch->held = true;
    ch->held_ns = st_now(ch);
    if (ch->stream && ch->conn == CONN_UP) {
        tls_stream_read(ch->stream, false);
        iec104_link_pause(&ch->link);
    }
}

static void go_on(struct st_channel *ch)
{
    if (!ch->held) return;
    ch->held = false;
    st_job_delayed(ch, st_now(ch) - ch->held_ns);
    st_proc_delayed(ch, st_now(ch) - ch->held_ns);
    if (!ch->stream || ch->conn != CONN_UP) return;
    iec104_link_resume(&ch->link, st_now(ch));
    tls_stream_read(ch->stream, true);
}

bool st_data_flush(struct st_channel *ch)
{
    const struct driver_host *h = ch->base.host;
    while (ch->nbatch || tell_some(ch)) {
        if (h->publish(h->ctx, ch->batch, ch->nbatch)) {
            hold(ch);
            return false;
        }
        ch->st.samples += ch->nbatch;
        ch->nbatch = 0;
    }
    go_on(ch);
    return true;
}

void st_data_tell_lost(struct st_channel *ch)
{
    for (size_t i = 0; i < ch->npoints; i++) ch->points[i].fresh = ch->points[i].told_missing = false;
    for (size_t i = 0; i < ch->objects_size; i++) ch->objects[i].fresh = false;
    ch->tell_lost = true;
    ch->tell_at = 0;
    st_data_flush(ch);
}

/* After an interrogation: what did not come in it. */
void st_data_tell_missing(struct st_channel *ch, uint16_t ca)
{
    for (size_t i = 0; i < ch->npoints; i++) {
        struct st_point *p = &ch->points[i];
        if (!monitors(p) || p->at.ca != ca || p->fresh || p->at.counter || p->told_missing) continue;
        p->told_missing = true;
        tell_bad(ch, p, REASON_NO_DATA);
    }
    st_data_flush(ch);
}

/* ---- objects ---- */

static bool fits(const struct st_point *p, const struct iec104_type *t)
{
    return p->at.family == 0 || p->at.family == t->family;
}

static bool asked_for(unsigned cause)
{
    return cause == IEC104_REQUEST || (cause >= IEC104_INROGEN && cause <= 41);
}

/* The time of a value with a stamp; *flags are added to. */
static int64_t time_of(const struct st_point *p, const struct st_station *s, int64_t now, int64_t stamp,
                       uint16_t *flags)
{
    if (stamp > p->last.time_us) {
        *flags |= SAMPLE_FLAG_SOURCE_TIME;
        return stamp;
    }
    int64_t behind = s ? st_clock_behind(s) : 0;
    if (stamp + behind + ST_CLOCK_WARN_US >= p->last.time_us) return now;
    *flags |= SAMPLE_FLAG_SOURCE_TIME | SAMPLE_FLAG_BACKFILL;
    return stamp;
}

static void show(struct st_channel *ch, struct st_point *p, const struct iec104_type *t, const struct iec104_object *o,
                 int64_t now, const int64_t *stamp, const struct st_station *st)
{
    struct sample s = {.point = p->num};
    st_point_value(p, t, o, &s);
    s.time_us = now;
    if (stamp && ch->devices[p->device].source_time) s.time_us = time_of(p, st, now, *stamp, &s.flags);
    p->fresh = true;
    p->told_missing = false;
    if (!(s.flags & SAMPLE_FLAG_BACKFILL)) p->last = s;
    ch->devices[p->device].last_ok_us = now;
    st_data_tell(ch, &s);
}

static void remember(struct st_object *b, const struct iec104_asdu *a, const uint8_t *raw, int64_t now)
{
    b->type = a->type->id;
    b->cause = a->cause;
    b->n = (uint8_t)iec104_element_size(a->type);
    b->time_us = now;
    b->fresh = true;
    memcpy(b->raw, raw, b->n);
}

void st_object_get(const struct st_object *b, struct iec104_object *ret)
{
    iec104_element_get(iec104_type(b->type), b->raw, ret);
    ret->ioa = (uint32_t)((b->key - 1) & IEC104_IOA_MAX);
}

static const uint8_t *raw_of(const struct iec104_asdu *a, unsigned k)
{
    size_t size = iec104_element_size(a->type);
    return a->objects + 3 + (a->sequence ? k * size : k * (3 + size));
}

static void take_object(struct st_channel *ch, const struct iec104_asdu *a, unsigned k, struct st_station *s,
                        int64_t now)
{
    struct iec104_object o = iec104_object(a, k);
    struct st_object *b = st_object_add(ch, a->ca, o.ioa);
    int64_t stamp = 0;
    if (b == NULL) return;
    remember(b, a, raw_of(a, k), now);
    bool stamped = !asked_for(a->cause) && source_time(ch, &o, now, &stamp);
    if (stamped && s && a->cause == IEC104_SPONTANEOUS && o.time.full && s->proc[PROC_GENERAL].done)
        measure_clock(ch, s, now - stamp);
    for (uint32_t i = b->first; i;) {
        struct st_point *p = &ch->points[i - 1];
        i = p->next;
        if (fits(p, a->type)) show(ch, p, a->type, &o, now, stamped ? &stamp : NULL, s);
    }
    st_job_object(ch, a->ca, o.ioa);
}

static void take_values(struct st_channel *ch, const struct iec104_asdu *a)
{
    struct st_station *s = st_station_find(ch, a->ca);
    int64_t now = ch->base.host->now_us(ch->base.host->ctx);
    ch->st.last_ok_us = now;
    if (s) s->last_ok_us = now;
    if (a->test) return; /* a test changes nothing */
    for (unsigned k = 0; k < a->count; k++) take_object(ch, a, k, s, now);
    st_data_flush(ch);
}

/* The station began anew: what it told before may be wrong by now. */
static void take_restart(struct st_channel *ch, const struct iec104_asdu *a)
{
    struct st_station *s = st_station_find(ch, a->ca);
    if (s && s->wanted && s->proc[PROC_GENERAL].done) st_proc_want(ch, s, PROC_GENERAL);
}

void st_data_take(struct st_channel *ch, const uint8_t *asdu, size_t n, const uint8_t *frame, size_t frame_n)
{
    struct iec104_asdu a;
    struct error e = {0};
    int rc = iec104_asdu_decode(asdu, n, &a, &e);
    if (rc) {
        ch->st.errors++;
        st_trace(ch, DRIVER_RX, frame, frame_n, &e);
        if (rc == ERR_PROTOCOL && ++ch->broken > BROKEN_MAX) st_lose(ch, &e);
        return;
    }
    ch->broken = 0;
    struct iec104_object o = iec104_object(&a, 0);
    if (a.type->id == IEC104_M_EI_NA)
        take_restart(ch, &a);
    else if (a.type->direction == IEC104_MONITOR && a.cause < IEC104_UNKNOWN_TYPE)
        take_values(ch, &a);
    else if (!st_proc_answer(ch, &a, &o))
        st_job_answer(ch, &a, &o);
}

void st_data_show(struct st_channel *ch, size_t point)
{
    struct st_point *p = &ch->points[point];
    const struct st_object *b = p->object ? &ch->objects[p->object - 1] : NULL;
    struct iec104_object o;
    if (p->config_error) {
        tell_bad(ch, p, REASON_CONFIG_ERROR);
    } else if (b && b->fresh && fits(p, iec104_type(b->type))) {
        st_object_get(b, &o);
        show(ch, p, iec104_type(b->type), &o, b->time_us, NULL, NULL);
    } else if (monitors(p) && ch->conn != CONN_UP && ch->why.code) {
        tell_bad(ch, p, REASON_NOT_CONNECTED);
    } else if (monitors(p) && !p->at.counter && st_started(ch)) {
        const struct st_station *s = st_station_find(ch, p->at.ca);
        if (s == NULL || !s->proc[PROC_GENERAL].done || s->proc[PROC_GENERAL].step != STEP_IDLE)
            return; /* it will come */
        p->told_missing = true;
        tell_bad(ch, p, REASON_NO_DATA);
    }
}
