/* data.c - answers into samples: what is newer than what came before, texts interned when they changed, one bad value
 * for each loss; the batch, handed over in pieces. */
#include <stdlib.h>
#include "base/utf8.h"
#include "drivers/http/http_int.h"

static bool push(struct hc_channel *ch, struct sample s)
{
    if (!mem_grow((void **)&ch->out, &ch->out_cap, ch->nout + 1, sizeof *ch->out)) return false;
    ch->out[ch->nout++] = s;
    return true;
}

bool hc_flush(struct hc_channel *ch)
{
    const struct driver_host *h = ch->base.host;
    while (ch->at < ch->nout) {
        size_t n = ch->nout - ch->at < HC_CHUNK ? ch->nout - ch->at : HC_CHUNK;
        if (h->publish(h->ctx, ch->out + ch->at, n)) {
            ch->st.held++;
            return false;
        }
        ch->st.samples += n;
        ch->at += n;
    }
    ch->at = ch->nout = 0;
    return true;
}

static void push_bad(struct hc_channel *ch, struct hc_point *p, enum quality_reason why)
{
    if (p->told_bad) return;
    p->told_bad = true;
    push(ch, (struct sample){.time_us = hc_utc(ch), .point = p->num, .quality = QUALITY_BAD, .flags = (uint16_t)why});
}

void hc_tell_bad(struct hc_device *d, enum quality_reason why)
{
    for (size_t i = 0; i < d->npoints; i++)
        if (d->points[i].place) push_bad(d->ch, &d->points[i], why);
}

void hc_tell_config(struct hc_device *d, struct hc_point *p)
{
    push_bad(d->ch, p, REASON_CONFIG_ERROR);
}

void hc_repeat(struct hc_device *d)
{
    for (size_t i = 0; i < d->npoints; i++) {
        struct sample s = d->points[i].last;
        if (!s.point || d->points[i].told_bad) continue;
        s.time_us = hc_utc(d->ch);
        push(d->ch, s);
    }
}

/* ---- one point ---- */

struct taking {
    struct hc_device *d;
    struct hc_point *p;
    struct arena *a;
    int64_t now_us;
    size_t pushed;
    bool has_old;
    struct sample old; /* the newest of those that are not new */
};

static void set_text(struct hc_channel *ch, struct hc_point *p, struct str text, struct sample *s)
{
    text.n = utf8_floor(text, text.n < HC_TEXT_MAX ? text.n : HC_TEXT_MAX);
    uint64_t hash = str_hash(text, hash_seed());
    if (!p->text_known || hash != p->text_hash)
        p->text_known = ch->base.host->intern(ch->base.host->ctx, text.p ? text.p : "", text.n, &p->text_id) == 0;
    p->text_hash = hash;
    s->v.u = p->text_id;
    if (p->text_known) return;
    s->type = SAMPLE_NONE;
    s->quality = QUALITY_BAD;
    s->flags = REASON_NO_DATA;
}

static void worsen(struct sample *s, enum quality q)
{
    if (q <= s->quality) return;
    s->quality = (uint8_t)q;
    s->flags = (uint16_t)((s->flags & ~SAMPLE_REASON_MASK) | (q == QUALITY_BAD ? REASON_DEVICE_FAILURE : REASON_NONE));
}

static struct sample sample_of(struct taking *t, const struct payload_value *v)
{
    struct str text;
    struct sample s = {.time_us = v->has_time ? v->time_us : t->now_us, .point = t->p->num};
    payload_sample(v->value, t->p->type, &t->p->spec, t->a, &s, &text);
    if (s.type == SAMPLE_STRING) set_text(t->d->ch, t->p, text, &s);
    worsen(&s, v->quality);
    if (v->has_time) s.flags |= SAMPLE_FLAG_SOURCE_TIME;
    return s;
}

static int on_value(void *ctx, const struct payload_value *v)
{
    struct taking *t = ctx;
    struct hc_point *p = t->p;
    p->seen = true;
    if (v->error) {
        if (!t->d->trouble.code) t->d->trouble = *v->error;
        push_bad(t->d->ch, p, REASON_CONFIG_ERROR);
        return 0;
    }
    struct sample s = sample_of(t, v);
    bool is_new = !v->has_time || v->time_us > p->newest_us;
    if (!is_new) {
        if (!t->has_old || s.time_us > t->old.time_us) t->old = s;
        t->has_old = true;
        return 0;
    }
    if (v->has_time && v->time_us > p->fresh_us) p->fresh_us = v->time_us;
    t->pushed += push(t->d->ch, s);
    p->told_bad = false;
    p->last = v->has_time ? (struct sample){0} : s;
    return 0;
}

static int by_time(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;
    return (x->time_us > y->time_us) - (x->time_us < y->time_us);
}

/* After a loss the same rows are there again: the value is known to be the last, from now on. */
static void last_known(struct taking *t)
{
    struct sample s = t->old;
    s.time_us = t->now_us;
    s.flags = (uint16_t)(s.flags & ~SAMPLE_FLAG_SOURCE_TIME);
    if (s.quality == QUALITY_GOOD) {
        s.quality = QUALITY_UNCERTAIN;
        s.flags = REASON_LAST_KNOWN;
    }
    push(t->d->ch, s);
    t->p->told_bad = false;
}

void hc_take(struct hc_device *d, const struct payload_doc *doc, struct arena *a)
{
    struct hc_channel *ch = d->ch;
    struct taking t = {.d = d, .a = a, .now_us = hc_utc(ch)};
    for (size_t i = 0; i < d->npoints; i++) {
        size_t first = ch->nout;
        t.p = &d->points[i];
        t.pushed = 0;
        t.has_old = false;
        if (!t.p->place) continue;
        (void)payload_doc_read(doc, t.p->place, on_value, &t);
        if (t.pushed > 1) qsort(ch->out + first, ch->nout - first, sizeof *ch->out, by_time);
        if (!t.pushed && t.has_old && t.p->told_bad) last_known(&t);
    }
}
