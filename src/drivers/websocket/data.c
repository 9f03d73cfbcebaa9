/* data.c - messages into samples. A message that is nobody's, or that cannot be read, is counted; it makes no value
 * bad. */
#include "base/utf8.h"
#include "drivers/websocket/ws_driver_int.h"

static bool push(struct wd_channel *ch, struct sample s)
{
    if (!mem_grow((void **)&ch->out, &ch->out_cap, ch->nout + 1, sizeof *ch->out)) return false;
    ch->out[ch->nout++] = s;
    return true;
}

static void hold(struct wd_channel *ch, bool on)
{
    if (ch->held == on) return;
    ch->held = on;
    for (struct wd_conn *c = ch->conns; c; c = c->next) ws_read(c->w, !on);
}

bool wd_flush(struct wd_channel *ch)
{
    const struct driver_host *h = ch->base.host;
    while (ch->at < ch->nout) {
        size_t n = ch->nout - ch->at < WD_CHUNK ? ch->nout - ch->at : WD_CHUNK;
        if (h->publish(h->ctx, ch->out + ch->at, n)) {
            ch->st.held++;
            hold(ch, true);
            return false;
        }
        ch->st.samples += n;
        ch->at += n;
    }
    ch->at = ch->nout = 0;
    hold(ch, false);
    return true;
}

static void push_bad(struct wd_channel *ch, struct wd_point *p, enum quality_reason why)
{
    if (p->told_bad) return;
    p->told_bad = true;
    push(ch, (struct sample){.time_us = wd_utc(ch), .point = p->num, .quality = QUALITY_BAD, .flags = (uint16_t)why});
}

void wd_tell_bad(struct wd_channel *ch, struct wd_device *d, enum quality_reason why)
{
    d->lost = true;
    for (size_t i = 0; i < d->npoints; i++)
        if (d->points[i].place) push_bad(ch, &d->points[i], why);
}

void wd_tell_config(struct wd_channel *ch)
{
    for (size_t i = 0; i < ch->ndevices; i++)
        for (size_t k = 0; k < ch->devices[i].npoints; k++)
            if (!ch->devices[i].points[k].place) push_bad(ch, &ch->devices[i].points[k], REASON_CONFIG_ERROR);
}

/* ---- a value ---- */

struct taking {
    struct wd_channel *ch;
    struct wd_device *d;
    struct wd_point *p;
    struct arena *a;
    size_t values;
};

static void set_text(struct wd_channel *ch, struct wd_point *p, struct str text, struct sample *s)
{
    text.n = utf8_floor(text, text.n < WD_TEXT_MAX ? text.n : WD_TEXT_MAX);
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

static int on_value(void *ctx, const struct payload_value *v)
{
    struct taking *t = ctx;
    struct str text;
    if (v->error) {
        t->d->trouble = *v->error;
        push_bad(t->ch, t->p, REASON_CONFIG_ERROR);
        return 0;
    }
    struct sample s = {.time_us = v->has_time ? v->time_us : wd_utc(t->ch), .point = t->p->num};
    payload_sample(v->value, t->p->type, &t->p->spec, t->a, &s, &text);
    if (s.type == SAMPLE_STRING) set_text(t->ch, t->p, text, &s);
    if (v->quality > s.quality) {
        s.quality = (uint8_t)v->quality;
        s.flags = v->quality == QUALITY_BAD ? REASON_DEVICE_FAILURE : REASON_NONE;
    }
    if (v->has_time) s.flags |= SAMPLE_FLAG_SOURCE_TIME;
    push(t->ch, s);
    t->p->told_bad = s.quality == QUALITY_BAD;
    t->values++;
    wd_confirm(t->ch, t->p->num, &s, text);
    return 0;
}

/* ---- a message ---- */

static void take(struct wd_channel *ch, struct wd_device *d, const struct wd_message *m, struct arena *a)
{
    struct payload_doc *doc = NULL;
    struct error e = {0};
    struct taking t = {.ch = ch, .d = d, .a = a};
    if (payload_doc_parse(d->rules->reader, m->text, a, &doc, &e)) {
        error_set(&d->trouble, e.code, "", "a message cannot be read: %.200s%s%.60s%.0s",
                  "消息无法读取：%.0s%s%.60s%.200s", e.text, e.where[0] ? " at " : "", e.where, e.text_zh);
        ch->st.errors++;
        return;
    }
    d->trouble.code = 0;
    for (size_t i = 0; i < d->npoints; i++) {
        t.p = &d->points[i];
        if (t.p->place) (void)payload_doc_read(doc, t.p->place, on_value, &t);
    }
    d->heard_ns = wd_now(ch);
    d->lost = d->lost && !t.values;
    d->last_ok_us = ch->st.last_ok_us = wd_utc(ch);
}

static void remember(struct wd_channel *ch, const struct wd_message *m)
{
    struct wd_kept *k = &ch->kept[ch->kept_at % WD_KEPT];
    char *copy = m->text.n <= WD_KEPT_MAX ? mem_dup(m->text.p ? m->text.p : "", m->text.n + !m->text.n) : NULL;
    if (!copy) return;
    mem_free(k->p);
    k->p = copy;
    k->n = m->text.n;
    k->time_us = wd_utc(ch);
    str_to_cstr(m->path, k->path, sizeof k->path);
    ch->kept_at++;
}

static void trace(struct wd_conn *c, struct str data, const struct error *e)
{
    const struct driver_host *h = c->ch->base.host;
    const struct driver_frame f = {.time_us = wd_utc(c->ch),
                                   .dir = DRIVER_RX,
                                   .link = c->link,
                                   .bytes = (const uint8_t *)data.p,
                                   .n = data.n,
                                   .error = e};
    if (h->frame && (h->trace || e)) h->frame(h->ctx, &f);
}

static bool wants_json(const struct wd_channel *ch)
{
    for (size_t i = 0; i < ch->ndevices; i++)
        if (ch->devices[i].rules && ch->devices[i].rules->select) return true;
    return false;
}

void wd_message(struct wd_conn *c, bool text, struct str data)
{
    struct wd_channel *ch = c->ch;
    struct wd_message m = {.text = data, .path = str_of(c->path)};
    struct json *root = NULL;
    struct error e = {0};
    AUTO_ARENA a;
    arena_init(&a, WD_DOC_MAX);
    if (!text && !utf8_valid(data)) {
        error_set(&e, ERR_UNSUPPORTED, "", "a binary message that is no text", "二进制消息不是文本");
        ch->st.errors++;
        trace(c, data, &e);
        return;
    }
    trace(c, data, NULL);
    if (wants_json(ch) && json_parse(&a, data, &root, NULL) == 0) m.root = root;
    remember(ch, &m);
    for (size_t i = 0; i < ch->ndevices; i++)
        if (ch->devices[i].rules && wd_rules_match(ch->devices[i].rules, &m)) take(ch, &ch->devices[i], &m, &a);
    wd_pump(ch);
}
