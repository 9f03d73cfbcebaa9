/* frame.c - bytes of a link into frames, frames to their devices, devices' points into one batch.
 *
 * One frame is one batch with one time. When the sink is full the batch waits, and with it everything behind it: what
 * came already stays in the links' buffers, streams are not read, so that the devices feel it (TCP) or the system drops
 * (UDP). */
#include "drivers/socket/socket_int.h"
#include "base/utf8.h"
#include "base/time.h"
#include "drivers/common/payload_read.h"

struct field_frame frame_view(struct sk_channel *ch, const uint8_t *p, size_t n)
{
    struct field_frame fr = {.p = p, .n = n, .a = &ch->a};
    memcpy(fr.separator, ch->cfg.separator, sizeof fr.separator);
    arena_reset(&ch->a);
    return fr;
}

/* ---- times ---- */

/* Digits in their order: year month day hour minute second fraction, apart or together; a year of two digits where the
 * first group has two, or twelve stand together. */
static bool digits_time(struct str s, int64_t *ret_us)
{
    char d[24];
    size_t n = 0, group = 0;
    bool first = true;
    for (size_t i = 0; i < s.n && n < 20; i++) {
        bool digit = s.p[i] >= '0' && s.p[i] <= '9';
        if (digit) d[n++] = s.p[i];
        first = first && (digit || n == 0);
        group += first && digit;
    }
    bool shorty = group == 2 || group == 12;
    size_t at = shorty ? 2 : 4;
    if (n < 10 + at) return false;
    int v[6] = {0};
    for (size_t i = 0; i < at; i++) v[0] = v[0] * 10 + d[i] - '0';
    if (shorty) v[0] += 2000;
    for (int k = 1; k < 6; k++, at += 2) v[k] = (d[at] - '0') * 10 + d[at + 1] - '0';
    struct civil c = {v[0], v[1], v[2], v[3], v[4], v[5], 0};
    if (v[1] < 1 || v[1] > 12 || v[2] < 1 || v[2] > 31 || v[3] > 23 || v[4] > 59 || v[5] > 59) return false;
    for (int unit = 100000; at < n && unit; unit /= 10) c.micro += (d[at++] - '0') * unit;
    *ret_us = civil_to_us(&c);
    return true;
}

static bool unix_time(double x, int64_t *ret_us)
{
    double scale = fabs(x) >= 1e14 ? 1 : fabs(x) >= 1e11 ? 1e3 : 1e6;
    if (!isfinite(x) || fabs(x * scale) > 2e17) return false;
    *ret_us = (int64_t)(x * scale);
    return true;
}

static struct str time_text(const struct json *v, char *out, size_t cap)
{
    if (v->type == JSON_STRING) return v->s;
    int n = snprintf(out, cap, "%lld", (long long)json_i64(v, 0));
    return str_make(out, (size_t)n);
}

int frame_time(const struct sk_device *d, struct field_frame *fr, int64_t *ret_us, struct error *e)
{
    struct field_value v;
    char text[32];
    double x;
    size_t used;
    int rc = field_get(d->time, fr, &v, e);
    if (rc) return rc;
    struct str s = time_text(&v.v, text, sizeof text);
    bool ok = false;
    if (d->time_format == SK_TIME_UNIX)
        ok = v.v.type == JSON_STRING ? field_number(s, &x, &used) && unix_time(x, ret_us)
                                     : unix_time(json_double(&v.v, NAN), ret_us);
    else if (d->time_format == SK_TIME_ISO)
        ok = time_parse(s, ret_us, NULL) == 0;
    else
        ok = digits_time(s, ret_us);
    if (!ok)
        return error_set(e, ERR_INVALID, "", "'%.*s' is no time of this form", "“%.*s”不是该格式的时间",
                         STR_ARG(str_sub(s, 0, 40)));
    bool has_zone = d->time_format == SK_TIME_UNIX ||
                    (d->time_format == SK_TIME_ISO && s.n &&
                     (s.p[s.n - 1] == 'Z' || (s.n > 6 && s.p[s.n - 3] == ':' && strchr("+-", s.p[s.n - 6]))));
    if (!has_zone) *ret_us -= d->utc_offset_us;
    return 0;
}

/* ---- one point ---- */

/* Texts of numbers as instruments write them: the first number in it counts. */
static bool as_number(struct json *v, enum value_type t)
{
    double d;
    size_t used;
    if (v->type != JSON_STRING || t == VALUE_STRING || t == VALUE_BOOL) return true;
    if (!field_number(v->s, &d, &used)) return false;
    *v = (struct json){.type = JSON_DOUBLE, .d = d};
    return true;
}

static struct str safe_text(struct str s, struct arena *a)
{
    if (s.n > SK_TEXT_MAX) s.n = utf8_floor(s, SK_TEXT_MAX);
    if (utf8_valid(s)) return s;
    char *p = arena_strdup(a, s);
    for (size_t at = 0; p && at < s.n;) {
        at += utf8_check(str_make(p + at, s.n - at));
        if (at < s.n) p[at++] = '?';
    }
    return str_make(p ? p : "", p ? s.n : 0);
}

int frame_value(struct sk_point *k, struct field_frame *fr, struct arena *a, struct sample *s, struct str *ret_text,
                struct error *e)
{
    struct field_value v;
    *ret_text = STR("");
    if (k->select && !condition_holds(k->select, fr))
        return error_set(e, ERR_NOT_FOUND, "", "the condition of the point does not hold", "测点的条件不成立");
    int rc = field_get(k->field, fr, &v, e);
    if (rc == ERR_NOT_FOUND && !k->select) return rc;
    if (rc == 0 && !as_number(&v.v, k->type))
        rc = error_set(e, ERR_INVALID, "", "no number in '%.*s'", "“%.*s”中没有数字", STR_ARG(str_sub(v.v.s, 0, 40)));
    if (rc) {
        s->type = SAMPLE_NONE;
        s->quality = QUALITY_BAD;
        s->flags = rc == ERR_NOT_FOUND ? REASON_NO_DATA : REASON_NOT_A_NUMBER;
        return ERR_INVALID;
    }
    if (k->type == VALUE_STRING && v.v.type == JSON_STRING) v.v.s = safe_text(v.v.s, a);
    payload_sample(&v.v, k->type, &k->p, a, s, ret_text);
    return 0;
}

static void intern(struct sk_channel *ch, struct sk_point *k, struct sample *s, struct str text)
{
    bool same = k->text_known && str_eq(buf_view(&k->text), text);
    if (!same) {
        buf_clear(&k->text);
        buf_str(&k->text, text);
        k->text_known = ch->base.host->intern(ch->base.host->ctx, text.p, text.n, &k->text_id) == 0;
    }
    s->v.u = k->text_id;
    if (k->text_known) return;
    s->type = SAMPLE_NONE;
    s->quality = QUALITY_BAD;
    s->flags = REASON_NO_DATA;
}

/* ---- the batch ---- */

bool frame_publish(struct sk_channel *ch)
{
    const struct driver_host *h = ch->base.host;
    if (ch->batch_n == 0) return true;
    if (h->publish(h->ctx, ch->batch, ch->batch_n) == 0) {
        ch->st.samples += ch->batch_n;
        ch->batch_n = 0;
        if (ch->batch_held) link_reading(ch, true);
        ch->batch_held = false;
        return true;
    }
    if (!ch->batch_held) {
        ch->st.held++;
        link_reading(ch, false);
    }
    ch->batch_held = true;
    sk_wake_at(ch, sk_now(ch) + 5 * NS_MS);
    return false;
}

/* Adds the points of a device that this frame carries; how many. */
static size_t decode(struct sk_channel *ch, struct sk_device *d, struct field_frame *fr, int64_t now_us,
                     struct error *trouble)
{
    struct error e;
    size_t before = ch->batch_n;
    uint16_t flags = 0;
    int64_t time_us = now_us;
    if (d->time && frame_time(d, fr, &time_us, trouble) == 0) flags = SAMPLE_FLAG_SOURCE_TIME;
    for (size_t i = d->first; i < d->first + d->npoints; i++) {
        struct sk_point *k = &ch->points[i];
        struct str text;
        if (k->wrong) continue;
        struct sample s = k->last;
        int rc = frame_value(k, fr, &ch->a, &s, &text, &e);
        if (rc == ERR_NOT_FOUND) continue;
        if (rc && trouble->code == 0) *trouble = e;
        if (s.type == SAMPLE_STRING) intern(ch, k, &s, text);
        s.point = k->num;
        s.time_us = time_us;
        s.flags |= flags;
        k->last = s;
        ch->batch[ch->batch_n++] = s;
    }
    return ch->batch_n - before;
}

/* ---- whose it is ---- */

static bool id_matches(const struct sk_device *d, const struct json *v)
{
    double want;
    if (v->type == JSON_STRING) return str_is(v->s, d->id);
    return str_to_double(str_of(d->id), &want) == 0 && json_double(v, NAN) == want;
}

static bool field_is_its(struct sk_channel *ch, const struct sk_device *d, struct field_frame *fr)
{
    struct field_value v;
    return field_get(ch->cfg.identity, fr, &v, NULL) == 0 && id_matches(d, &v.v);
}

static bool first_is_its(struct sk_channel *ch, const struct sk_link *l, const struct sk_device *d,
                         struct field_frame *fr)
{
    if (l->device == NULL) return field_is_its(ch, d, fr);
    return d->job ? strcmp(d->id, l->device->id) == 0 : l->device == d;
}

bool frame_matches(struct sk_channel *ch, const struct sk_link *l, const struct sk_device *d, struct field_frame *fr)
{
    bool its = true;
    if (ch->cfg.identify == SK_ADDRESS) its = d->link == l;
    if (ch->cfg.identify == SK_FIRST) its = first_is_its(ch, l, d, fr);
    if (ch->cfg.identify == SK_FIELD) its = field_is_its(ch, d, fr);
    return its && (!d->select || condition_holds(d->select, fr));
}

static void heard(struct sk_channel *ch, struct sk_link *l, struct sk_device *d, uint64_t now)
{
    struct error e;
    if (d->link != l) {
        struct sk_link *old = d->link;
        d->link = l;
        d->logged_in = false;
        d->request_ns = now + (uint64_t)d->period_ms * NS_MS;
        error_set(&e, ERR_CLOSED, "", "%s has connected again", "%s 已重新连接", d->code);
        if (old && old->stream && ch->cfg.identify == SK_FIRST && !d->job) link_drop(old, &e);
    }
    if (ch->cfg.identify == SK_FIRST && !d->job) l->device = d;
    link_greet(l, d);
    if (d->answer_ns) {
        uint32_t us = (uint32_t)((now + (uint64_t)d->timeout_ms * NS_MS - d->answer_ns) / 1000);
        ch->st.rtt_us = ch->st.rtt_us ? ch->st.rtt_us - ch->st.rtt_us / 8 + us / 8 : us;
    }
    d->answer_ns = 0;
    d->heard_ns = now;
    d->lost = d->lost_due = false;
}

static void told(struct sk_channel *ch, struct sk_link *l, struct sk_device *d, const struct error *trouble,
                 int64_t now_us)
{
    struct error e;
    bool had = d->trouble.code != 0 || d->last_ok_us == 0;
    d->trouble = *trouble;
    d->last_ok_us = ch->st.last_ok_us = now_us;
    if (d->ack && l->up && link_send_template(l, d, d->ack, NULL, &e)) d->trouble = e;
    if (had || d->trouble.code) sk_refresh(ch);
}

static void take(struct sk_channel *ch, struct sk_link *l, const uint8_t *p, size_t n)
{
    struct field_frame fr = frame_view(ch, p, n);
    int64_t now_us = sk_utc(ch);
    uint64_t now = sk_now(ch);
    bool anybody = false;
    struct error worst = {0};
    for (struct sk_device *d = ch->devices, *next; d; d = next) {
        struct error trouble = {0};
        next = d->next; /* a test read may end here, and its device with it */
        if (!frame_matches(ch, l, d, &fr)) continue;
        anybody = true;
        heard(ch, l, d, now);
        if (!d->job) {
            ring_add(&d->seen, now_us, l, p, n);
            decode(ch, d, &fr, now_us, &trouble);
            told(ch, l, d, &trouble, now_us);
            if (trouble.code) worst = trouble;
        }
        job_frame(ch, d, &fr);
        if (l->closing) break;
    }
    if (!anybody) ring_add(&ch->strangers, now_us, l, p, n);
    ch->st.errors += worst.code != 0;
    if (worst.code || ch->base.host->trace) sk_trace(ch, l, DRIVER_RX, p, n, worst.code ? &worst : NULL);
    ch->proved = true;
    ch->st.polls++;
    backoff_reset(&ch->cfg.backoff);
    frame_publish(ch);
}

/* ---- frames out of bytes ---- */

static void check_and_take(struct sk_link *l, const uint8_t *p, size_t n)
{
    struct sk_channel *ch = l->ch;
    struct error e;
    if (n == 0) return;
    if (checksum_check(&ch->cfg.sum, p, n, &e) == 0) {
        take(ch, l, p, n);
        return;
    }
    ch->st.errors++;
    sk_trace(ch, l, DRIVER_RX, p, n, &e);
}

static void dropped(struct sk_link *l, const uint8_t *p, size_t n, const struct error *e)
{
    l->ch->st.errors++;
    sk_trace(l->ch, l, DRIVER_RX, p, n < 256 ? n : 256, e);
}

static void walk(struct sk_link *l)
{
    struct sk_channel *ch = l->ch;
    size_t at = 0;
    while (at < l->rx.n && !ch->batch_held && !l->closing && !ch->closing) {
        struct frame_found f;
        struct error e;
        const uint8_t *p = l->rx.p + at;
        int rc = frame_next(&ch->cfg.frame, &l->frame, p, l->rx.n - at, &f, &e);
        if (rc == 0) break;
        at += f.used;
        if (rc < 0)
            dropped(l, p, f.used, &e);
        else
            check_and_take(l, p + f.at, f.n);
    }
    if (at) buf_drop(&l->rx, at);
}

void frame_bytes(struct sk_link *l, const uint8_t *p, size_t n)
{
    struct sk_channel *ch = l->ch;
    struct error e;
    if (l->closing || ch->closing) return;
    ch->st.bytes_in += n;
    l->heard_ns = sk_now(ch);
    if (ch->cfg.frame.kind == FRAME_WHOLE && !ch->batch_held) {
        check_and_take(l, p, n < ch->cfg.frame.max ? n : ch->cfg.frame.max);
        return;
    }
    buf_add(&l->rx, p, n);
    if (l->rx.err) {
        error_set(&e, ERR_TOO_LARGE, "", "%s:%u sends more than can be taken", "%s:%u 发送过快，超出缓存", l->host,
                  l->port);
        link_drop(l, &e);
        return;
    }
    walk(l);
    if (ch->cfg.frame.kind != FRAME_IDLE || l->rx.n + l->frame.skipping == 0) return;
    l->idle_ns = l->heard_ns + ch->cfg.gap_ms * NS_MS;
    sk_wake_at(ch, l->idle_ns);
}

/* A datagram holds whole frames; the rest of one is no beginning of the next. */
void frame_datagram(struct sk_link *l, const uint8_t *p, size_t n)
{
    struct sk_channel *ch = l->ch;
    struct error e;
    ch->st.bytes_in += n;
    l->heard_ns = sk_now(ch);
    if (ch->batch_held) { /* the socket is not read, but some may be on the way */
        ch->st.errors++;
        return;
    }
    if (ch->cfg.frame.kind == FRAME_IDLE || ch->cfg.frame.kind == FRAME_WHOLE) {
        check_and_take(l, p, n < ch->cfg.frame.max ? n : ch->cfg.frame.max);
        return;
    }
    l->frame.skipping = false;
    buf_clear(&l->rx);
    buf_add(&l->rx, p, n);
    walk(l);
    if (l->rx.n == 0 || ch->batch_held || l->closing) return;
    if (ch->cfg.frame.kind == FRAME_DELIMITER) { /* many leave out the delimiter of the last one */
        check_and_take(l, l->rx.p, l->rx.n < ch->cfg.frame.max ? l->rx.n : ch->cfg.frame.max);
    } else {
        error_set(&e, ERR_PROTOCOL, "", "%zu bytes at the end of the datagram are no whole frame",
                  "数据报末尾 %zu 字节不构成完整帧", l->rx.n);
        dropped(l, l->rx.p, l->rx.n, &e);
    }
    if (!l->closing) buf_clear(&l->rx);
}

void frame_silence(struct sk_link *l)
{
    l->idle_ns = 0;
    if (l->frame.skipping) {
        l->frame.skipping = false;
        buf_clear(&l->rx);
        return;
    }
    if (l->ch->batch_held) {
        l->idle_ns = sk_now(l->ch) + 5 * NS_MS;
        return;
    }
    check_and_take(l, l->rx.p, l->rx.n);
    buf_clear(&l->rx);
}

void frame_go_on(struct sk_channel *ch)
{
    if (!frame_publish(ch)) return;
    for (struct sk_link *l = ch->links, *next; l && !ch->batch_held; l = next) {
        next = l->next;
        if (l->rx.n && !l->closing) walk(l);
    }
}
