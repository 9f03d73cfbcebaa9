/* hj212_link.c - see hj212_link.h. */
#include <stdio.h>
#include "base/mem.h"
#include "proto/hj212_link.h"

#define RX_MAX (2 * HJ212_FRAME_MAX)
#define NS_PER_MS 1000000ull
#define OUT_MAX (512u << 10)

void hj212_link_init(struct hj212_link *l, const struct hj212_link_ops *ops, void *ctx, bool platform, int tz_minutes)
{
    *l = (struct hj212_link){.ops = ops, .ctx = ctx, .platform = platform, .tz_minutes = tz_minutes};
    buf_init(&l->whole, HJ212_PARTS_BYTES + HJ212_PARTS_MAX);
}

static void free_open(struct hj212_open *o)
{
    buf_fini(&o->bytes);
    *o = (struct hj212_open){0};
}

void hj212_link_fini(struct hj212_link *l)
{
    for (int i = 0; i < HJ212_OPEN_MAX; i++)
        if (l->open[i].token) free_open(&l->open[i]);
    hj212_parts_drop(&l->parts);
    buf_fini(&l->whole);
    mem_free(l->rx);
    l->rx = NULL;
}

static void end(struct hj212_link *l, struct hj212_open *o, enum hj212_end how, int code)
{
    struct hj212_ended e = {.token = o->token,
                            .end = how,
                            .code = code,
                            .executing = o->executing,
                            .cn = o->cn,
                            .tries = o->tries,
                            .rtt_us = o->rtt_us};
    free_open(o);
    l->nopen--;
    l->ops->ended(l->ctx, &e);
}

void hj212_link_reset(struct hj212_link *l)
{
    uint64_t last = l->token; /* what callbacks open meanwhile stays */
    l->rx_n = 0;
    hj212_parts_drop(&l->parts);
    for (int i = 0; i < HJ212_OPEN_MAX; i++)
        if (l->open[i].token && l->open[i].token <= last) end(l, &l->open[i], HJ212_END_CLOSED, 0);
}

/* ---- sending ---- */

static void new_qn(struct hj212_link *l, int64_t now_us, char out[HJ212_TIME_TEXT])
{
    int64_t ms = now_us / 1000;
    if (ms <= l->last_qn_ms && l->last_qn_ms - ms < 60000) ms = l->last_qn_ms + 1; /* no two alike */
    l->last_qn_ms = ms;
    hj212_time_format(ms * 1000, l->tz_minutes, true, out);
}

static int encode(struct hj212_link *l, const struct hj212_call *c, bool answer, char qn[HJ212_TIME_TEXT],
                  struct buf *out)
{
    struct hj212_message m = {.st = c->to.st, .cn = c->cn, .pw = c->to.pw, .mn = c->to.mn, .cp = c->cp};
    m.flag = c->to.version | (answer ? HJ212_FLAG_ANSWER : 0);
    if (c->qn.n)
        str_to_cstr(c->qn, qn, HJ212_TIME_TEXT);
    else
        new_qn(l, c->now_us, qn);
    m.qn = str_of(qn);
    int n = hj212_message_put_split(out, &m, 0);
    return n > 0 ? 0 : n;
}

static void transmit(struct hj212_link *l, struct hj212_open *o, uint64_t now_ns)
{
    o->tries++;
    o->sent_ns = now_ns;
    o->deadline_ns = now_ns + o->timeout_ms * NS_PER_MS;
    l->repeats += o->tries > 1;
    l->ops->send(l->ctx, o->bytes.p, o->bytes.n);
}

static uint64_t start(struct hj212_link *l, const struct hj212_call *c, bool upload)
{
    const struct hj212_command *cmd = hj212_command(c->cn);
    char qn[HJ212_TIME_TEXT];
    struct hj212_open *o = NULL;
    for (int i = 0; i < HJ212_OPEN_MAX && !o; i++)
        if (l->open[i].token == 0) o = &l->open[i];
    if (o == NULL) return 0;
    buf_init(&o->bytes, OUT_MAX);
    if (encode(l, c, true, qn, &o->bytes)) {
        free_open(o);
        return 0;
    }
    o->token = ++l->token;
    l->nopen++;
    o->cn = c->cn;
    o->upload = upload;
    o->notice = cmd && cmd->kind == HJ212_NOTICE;
    o->timeout_ms = c->timeout_ms ? c->timeout_ms : 10000;
    o->result_ms = c->result_ms ? c->result_ms : o->timeout_ms;
    o->tries_left = c->tries > 1 ? c->tries - 1 : 0;
    str_to_cstr(str_of(qn), o->qn, sizeof o->qn);
    str_to_cstr(c->to.mn, o->mn, sizeof o->mn);
    uint64_t token = o->token;
    transmit(l, o, c->now_ns);
    return token;
}

uint64_t hj212_link_request(struct hj212_link *l, const struct hj212_call *c)
{
    return start(l, c, false);
}

uint64_t hj212_link_upload(struct hj212_link *l, const struct hj212_call *c)
{
    return start(l, c, true);
}

int hj212_link_send(struct hj212_link *l, const struct hj212_call *c)
{
    char qn[HJ212_TIME_TEXT];
    struct buf out;
    buf_init(&out, OUT_MAX);
    int rc = encode(l, c, false, qn, &out);
    if (rc == 0) l->ops->send(l->ctx, out.p, out.n);
    buf_fini(&out);
    return rc;
}

/* An answer to m: head of system 91, version as it came, `more` behind the QN where 2005 wants it in CP. */
static void answer(struct hj212_link *l, const struct hj212_message *m, unsigned cn, const char *more)
{
    char cp[128];
    struct buf out;
    bool old = hj212_version(m) == HJ212_2005;
    struct hj212_message a = {.st = 91, .cn = cn, .pw = m->pw, .mn = m->mn, .flag = hj212_version(m)};
    snprintf(cp, sizeof cp, "%s%.*s%s%s", old ? "QN=" : "", old ? (int)m->qn.n : 0, m->qn.n ? m->qn.p : "",
             old && more[0] ? ";" : "", more);
    a.qn = old ? STR_NULL : m->qn;
    a.cp = str_of(cp);
    buf_init(&out, HJ212_FRAME_MAX);
    hj212_message_put(&out, &a);
    if (!out.err) l->ops->send(l->ctx, out.p, out.n);
    buf_fini(&out);
}

void hj212_link_acknowledge(struct hj212_link *l, const struct hj212_message *m)
{
    char more[24] = "";
    if (hj212_version(m) == HJ212_2005) snprintf(more, sizeof more, "CN=%u", m->cn);
    answer(l, m, 9014, more);
}

void hj212_link_result(struct hj212_link *l, const struct hj212_message *request, int exertn)
{
    char more[24];
    snprintf(more, sizeof more, "ExeRtn=%d", exertn);
    answer(l, request, 9012, more);
}

/* ---- receiving ---- */

static struct hj212_open *find(struct hj212_link *l, struct str qn, struct str mn)
{
    for (int i = 0; i < HJ212_OPEN_MAX && qn.n && l->nopen; i++) {
        struct hj212_open *o = &l->open[i];
        if (o->token && str_is(qn, o->qn) && (mn.n == 0 || str_is(mn, o->mn))) return o;
    }
    return NULL;
}

static int rtn(struct str cp, const char *name, const char *other)
{
    struct str v = hj212_cp_get(cp, name);
    int64_t n;
    if (v.n == 0 && other) v = hj212_cp_get(cp, other);
    return str_to_i64(v, &n) == 0 && n >= 0 && n <= 100000 ? (int)n : 0;
}

static void first_answer(struct hj212_open *o, uint64_t now_ns)
{
    if (o->rtt_us == 0) o->rtt_us = (uint32_t)((now_ns - o->sent_ns) / 1000) + 1;
}

static void take_answer(struct hj212_link *l, const struct hj212_message *m, uint64_t now_ns)
{
    struct hj212_open *o = find(l, hj212_answered_qn(m), m->mn);
    if (o == NULL) return; /* late, or of another life */
    first_answer(o, now_ns);
    if (m->cn == 9011 && !o->upload && !o->notice) {
        int code = rtn(m->cp, "QnRtn", NULL);
        if (code != 1) {
            end(l, o, HJ212_END_REFUSED, code ? code : 100);
            return;
        }
        o->executing = true;
        o->deadline_ns = now_ns + o->result_ms * NS_PER_MS;
    } else if (m->cn == 9012 && !o->upload) {
        int code = rtn(m->cp, "ExeRtn", "ExtRtn");
        end(l, o, code == 1 ? HJ212_END_DONE : HJ212_END_REFUSED, code ? code : 2);
    } else if ((m->cn == 9013 && o->notice) || (m->cn == 9014 && o->upload)) {
        end(l, o, HJ212_END_DONE, 0);
    }
}

static bool is_request(const struct hj212_message *m)
{
    const struct hj212_command *c = hj212_command(m->cn);
    return c == NULL || c->kind == HJ212_REQUEST || c->kind == HJ212_DATA;
}

static int recent(const struct hj212_link *l, const struct hj212_message *m)
{
    for (int i = 0; i < HJ212_RECENT && m->qn.n; i++)
        if (l->recent[i].cn == m->cn && str_is(m->qn, l->recent[i].qn)) return l->recent[i].code;
    return 0;
}

static void remember(struct hj212_link *l, const struct hj212_message *m, int code)
{
    unsigned at = l->recent_at++ % HJ212_RECENT;
    l->recent[at].cn = m->cn;
    l->recent[at].code = code;
    str_to_cstr(m->qn, l->recent[at].qn, sizeof l->recent[at].qn);
}

/* Platform: data that a request brings keeps it alive. Instrument: it is a request or a notice. */
static void take_message(struct hj212_link *l, const struct hj212_message *m, uint64_t now_ns)
{
    struct hj212_open *o = find(l, m->qn, m->mn);
    char more[24];
    if (m->cn >= 9011 && m->cn <= 9014) {
        take_answer(l, m, now_ns);
        return;
    }
    if (l->platform) {
        if (o) {
            first_answer(o, now_ns);
            o->executing = true;
            o->deadline_ns = now_ns + o->result_ms * NS_PER_MS;
        }
        l->ops->message(l->ctx, m, o ? o->token : 0);
        if (hj212_wants_answer(m) && m->cn == 1013) answer(l, m, 9013, "");
        return;
    }
    if (!is_request(m)) {
        l->ops->message(l->ctx, m, 0);
        if (hj212_wants_answer(m)) answer(l, m, 9013, "");
        return;
    }
    int code = recent(l, m);
    bool again = code != 0;
    if (!again) code = l->ops->message(l->ctx, m, 0);
    if (!again) remember(l, m, code);
    snprintf(more, sizeof more, "QnRtn=%d", code);
    answer(l, m, 9011, more); /* before data and 9012 */
    if (code == 1 && !again) (void)!l->ops->message(l->ctx, m, HJ212_EXECUTE);
}

static void bad(struct hj212_link *l, const void *p, size_t n, const struct error *e)
{
    if (l->ops->bad) l->ops->bad(l->ctx, p, n, e);
}

static void take_segment(struct hj212_link *l, const uint8_t *frame, const struct hj212_frame *f, uint64_t now_ns)
{
    struct hj212_message m;
    struct error e = {0};
    int rc = hj212_message_parse(f->segment, &m, &e);
    if (rc == 0 && m.pnum > 1) {
        rc = hj212_parts_add(&l->parts, &m, &l->whole, &e);
        if (rc == 0) { /* more to come: a request that brings them is alive */
            struct hj212_open *o = find(l, m.qn, m.mn);
            if (o) o->deadline_ns = now_ns + o->result_ms * NS_PER_MS;
            if (l->ops->frame) l->ops->frame(l->ctx, frame, f->used);
            l->frames++;
            return;
        }
        m.cp = buf_view(&l->whole);
        m.pnum = m.pno = 0;
    }
    if (rc < 0) {
        l->broken++;
        bad(l, frame, f->used, &e);
        return;
    }
    l->frames++;
    if (l->ops->frame) l->ops->frame(l->ctx, frame, f->used);
    take_message(l, &m, now_ns);
}

/* An instrument tells who asked that the CRC was wrong; a platform says nothing, and gets it again. */
static void wrong_crc(struct hj212_link *l, const struct hj212_frame *f)
{
    struct hj212_message m;
    if (l->platform || f->segment.n == 0 || hj212_message_parse(f->segment, &m, NULL) || m.cn >= 9011) return;
    if (hj212_wants_answer(&m) && is_request(&m)) answer(l, &m, 9011, "QnRtn=9");
}

static size_t take_bytes(struct hj212_link *l, uint64_t now_ns)
{
    size_t at = 0;
    while (at < l->rx_n) {
        struct hj212_frame f;
        struct error e = {0};
        int rc = hj212_frame_next(l->rx + at, l->rx_n - at, &f, &e);
        if (rc == 0) break;
        if (rc == 1) {
            take_segment(l, l->rx + at, &f, now_ns);
        } else {
            if (e.where[0])
                l->broken++;
            else
                l->rubbish += f.used;
            bad(l, l->rx + at, f.used, &e);
            wrong_crc(l, &f);
        }
        at += f.used;
    }
    return at;
}

/* Room for more behind what is there; false: out of memory. A frame is never longer than RX_MAX. */
static bool make_room(struct hj212_link *l, size_t n)
{
    size_t want = l->rx_n + n < RX_MAX ? l->rx_n + n : RX_MAX;
    void *rx = l->rx;
    bool ok = mem_grow(&rx, &l->rx_cap, want, 1);
    l->rx = rx;
    return ok;
}

void hj212_link_receive(struct hj212_link *l, const void *p, size_t n, uint64_t now_ns)
{
    const uint8_t *from = p;
    while (n) {
        if (!make_room(l, n)) { /* what came is lost; it will come again */
            l->rx_n = 0;
            return;
        }
        size_t k = l->rx_cap - l->rx_n < n ? l->rx_cap - l->rx_n : n;
        memcpy(l->rx + l->rx_n, from, k);
        l->rx_n += k;
        from += k;
        n -= k;
        size_t used = take_bytes(l, now_ns);
        if (used > l->rx_n) used = l->rx_n; /* reset from within */
        memmove(l->rx, l->rx + used, l->rx_n - used);
        l->rx_n -= used;
    }
}

/* ---- time ---- */

static void late(struct hj212_link *l, struct hj212_open *o, uint64_t now_ns)
{
    if (o->executing) {
        end(l, o, HJ212_END_NO_RESULT, 0);
    } else if (o->tries_left) {
        o->tries_left--;
        transmit(l, o, now_ns);
    } else {
        l->silent++;
        end(l, o, HJ212_END_SILENT, 0);
    }
}

void hj212_link_tick(struct hj212_link *l, uint64_t now_ns)
{
    for (int i = 0; i < HJ212_OPEN_MAX && l->nopen; i++)
        if (l->open[i].token && l->open[i].deadline_ns <= now_ns) late(l, &l->open[i], now_ns);
}

uint64_t hj212_link_next(const struct hj212_link *l)
{
    uint64_t first = UINT64_MAX;
    for (int i = 0; i < HJ212_OPEN_MAX && l->nopen; i++)
        if (l->open[i].token && l->open[i].deadline_ns < first) first = l->open[i].deadline_ns;
    return first;
}
