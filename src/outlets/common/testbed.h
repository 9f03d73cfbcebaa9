/* testbed.h - what the tests of outlets share: a host that keeps everything it is told, with current values, history
 * and a clock that a test sets. For tests only; one thread; functions are static: each test program includes this once.
 *
 *   struct obed *b = obed_new(&my_outlet);
 *   obed_open(b, "{\"port\":0}");                  options as JSON, checked by the outlet's table
 *   obed_point(b, "LT.T1", "address", VALUE_AUTO)  returns the slot; fields may be changed before obed_set(b)
 *   obed_set(b);
 *   obed_value(b, slot, 1.5);                      current value, changed() when the outlet has it, a row of history
 *   obed_send(b, slot, 1.5, time_us, flow)         one item through send(); ticket or 0 (ERR_AGAIN)
 *   UNTIL(b, condition); obed_free(b);             closes the channel, then the loop
 *
 * Writes are answered by b->write_outcome at once, or kept (b->hold_writes) until obed_finish_write. Windows are
 * computed from the rows of history: time-weighted means are plain ones here. Results of history, windows, alarms and
 * logins come in the next turn of the loop, as those of a real host do. */
#pragma once
#include <signal.h>
#include "base/mem.h"
#include "base/time.h"
#include "bornite/outlet.h"
#include "drivers/common/testbed.h"

#define OBED_POINTS 64
#define OBED_ROWS 20000
#define OBED_ALARMS 16
#define OBED_TICKETS 4096
#define OBED_KEPT 32

struct obed_row {
    uint32_t slot;
    struct sample s;
    char text[64];
};
struct obed_write { /* a write that came in */
    uint32_t slot;
    struct sample value;
    char text[128], peer[64], user[64];
    driver_write_done *done;
    void *arg;
};
struct obed;
struct obed_later { /* an answer of the next turn */
    struct obed_later *next;
    struct obed *bed;
    enum { OBED_HISTORY, OBED_WINDOWS, OBED_ALARMS_LIST, OBED_DONE } kind;
    struct outlet_history h;
    struct outlet_windows w;
    outlet_alarms_done *alarms;
    outlet_done *done;
    void *arg;
    struct error e;
};
struct obed {
    uv_loop_t loop;
    struct arena arena;
    struct outlet_host host;
    const struct outlet *outlet;
    struct outlet_channel *ch;
    int64_t now_us;   /* 0: the real clock from a fixed start; else the clock stands here */
    uint64_t skip_ns; /* added to the monotonic clock */
    struct outlet_point points[OBED_POINTS];
    char texts[OBED_POINTS][3][96]; /* code, address, name */
    size_t npoints;
    bool has[OBED_POINTS];
    struct sample current[OBED_POINTS];
    char current_text[OBED_POINTS][256];
    struct obed_row *rows; /* history: in order of time for each point */
    size_t nrows;
    /* told by the outlet */
    uint64_t ticket;             /* the last one given */
    bool sent[OBED_TICKETS];     /* acknowledged */
    int sent_code[OBED_TICKETS]; /* 0 or why not */
    unsigned nsent, nrefused, ready, states, frames, bad_frames, warnings, errors, logs;
    char last_error[ERROR_TEXT_MAX], last_log[200];
    enum driver_state state;
    /* writing */
    enum driver_outcome write_outcome;
    bool hold_writes, readback;
    unsigned writes;
    struct obed_write write; /* the last */
    /* users, alarms, trust */
    const char *user, *password; /* NULL: everybody is let in */
    unsigned logins;
    struct outlet_alarm alarms[OBED_ALARMS];
    size_t nalarms;
    unsigned acks;
    char ack_id[64], ack_user[64], ack_comment[128];
    int trust_answer;
    const char *cert_pem, *key_pem;
    char kept[OBED_KEPT][2][1001]; /* name, value; survives obed_close */
    unsigned nkept, keeps;
    int keep_error;    /* the next ones fail with it */
    int history_error; /* the next queries fail with it */
    unsigned histories, windows;
    struct obed_later *later;
    uv_idle_t idle;
    bool closed, tested;
    int test_code;
    char test_detail[200];
};

/* ---- clocks and small things ---- */

BED int64_t obed_now(void *ctx)
{
    struct obed *b = ctx;
    return b->now_us ? b->now_us : 1700000000000000 + (int64_t)(uv_hrtime() / 1000);
}
BED uint64_t obed_mono(void *ctx)
{
    return uv_hrtime() + ((struct obed *)ctx)->skip_ns;
}
BED uint64_t obed_random(void *ctx)
{
    return 0;
}
BED void obed_log(void *ctx, enum driver_log level, const char *msg, const char *kv)
{
    struct obed *b = ctx;
    b->logs++;
    b->warnings += level == DRIVER_LOG_WARN;
    b->errors += level == DRIVER_LOG_ERROR;
    snprintf(b->last_log, sizeof b->last_log, "%s %s", msg, kv ? kv : "");
}
BED void obed_frame(void *ctx, const struct driver_frame *f)
{
    struct obed *b = ctx;
    char en[400] = "", zh[400] = "";
    b->frames++;
    if (b->outlet->describe) b->outlet->describe(f, en, zh, sizeof en);
    if (b->outlet->describe) CHECK(en[0] && zh[0]);
    if (f->error == NULL) return;
    b->bad_frames++;
    str_to_cstr(str_of(f->error->text), b->last_error, sizeof b->last_error);
}
BED void obed_state(void *ctx, enum driver_state s, const struct error *why)
{
    struct obed *b = ctx;
    b->states |= 1u << s;
    b->state = s;
    if (why) str_to_cstr(str_of(why->text), b->last_error, sizeof b->last_error);
}

/* ---- values out ---- */

BED bool obed_current(void *ctx, uint32_t slot, struct sample *ret, char *text, size_t cap, size_t *ret_n)
{
    struct obed *b = ctx;
    CHECK(slot < b->npoints);
    *ret = b->current[slot];
    if (!b->has[slot]) *ret = (struct sample){.quality = QUALITY_BAD, .flags = REASON_NO_DATA};
    size_t n = strlen(b->current_text[slot]);
    if (text && cap) str_to_cstr(str_make(b->current_text[slot], n), text, cap);
    if (ret_n) *ret_n = n < cap ? n : cap ? cap - 1 : 0;
    return b->has[slot];
}
BED void obed_sent(void *ctx, uint64_t ticket, const struct error *e)
{
    struct obed *b = ctx;
    CHECK(ticket >= 1 && ticket <= b->ticket && ticket < OBED_TICKETS);
    CHECK(!b->sent[ticket]); /* exactly once */
    b->sent[ticket] = true;
    b->sent_code[ticket] = e ? e->code : 0;
    b->nsent += e == NULL;
    b->nrefused += e != NULL;
    if (e) str_to_cstr(str_of(e->text), b->last_error, sizeof b->last_error);
}
BED void obed_ready(void *ctx)
{
    ((struct obed *)ctx)->ready++;
}

/* ---- writing ---- */

BED void obed_finish_write(struct obed *b, const struct obed_write *w, enum driver_outcome outcome)
{
    struct error e = {0};
    error_set(&e, ERR_DEVICE, "", "the bed says no", "测试台拒绝");
    w->done(w->arg, &(struct driver_write_result){.outcome = outcome,
                                                  .error = outcome == DRIVER_DONE ? NULL : &e,
                                                  .has_readback = b->readback,
                                                  .readback = w->value,
                                                  .text = w->text,
                                                  .text_len = strlen(w->text)});
}
BED void obed_write(void *ctx, const struct outlet_write *w)
{
    struct obed *b = ctx;
    CHECK(w->slot < b->npoints && b->points[w->slot].writable);
    b->writes++;
    b->write = (struct obed_write){.slot = w->slot, .value = w->value, .done = w->done, .arg = w->arg};
    str_to_cstr(str_make(w->text, w->text_len), b->write.text, sizeof b->write.text);
    str_to_cstr(str_of(w->peer ? w->peer : ""), b->write.peer, sizeof b->write.peer);
    str_to_cstr(str_of(w->user ? w->user : ""), b->write.user, sizeof b->write.user);
    struct obed_write copy = b->write;
    if (!b->hold_writes) obed_finish_write(b, &copy, b->write_outcome);
}

/* ---- history, alarms, users: answers of the next turn ---- */

BED void obed_answer_history(struct obed *b, const struct outlet_history *q)
{
    static struct outlet_item items[10000];
    size_t n = 0;
    bool back = q->from_us > q->to_us, more = false;
    int64_t lo = back ? q->to_us : q->from_us, hi = back ? q->from_us : q->to_us;
    for (size_t k = 0; k < b->nrows && !more; k++) {
        struct obed_row *r = &b->rows[back ? b->nrows - 1 - k : k];
        bool inside = r->s.time_us >= lo && (back ? r->s.time_us <= hi : r->s.time_us < hi);
        if (r->slot != q->slot || !inside) continue;
        more = n == q->max;
        if (!more)
            items[n++] =
                (struct outlet_item){.slot = q->slot, .sample = r->s, .text = r->text, .text_len = strlen(r->text)};
    }
    q->done(q->arg, NULL, items, n, more);
}

BED void obed_fill_window(const struct obed *b, uint32_t slot, struct outlet_window *w)
{
    uint64_t good = 0, all = 0;
    for (size_t k = 0; k < b->nrows; k++) {
        const struct sample *s = &b->rows[k].s;
        if (b->rows[k].slot != slot || s->time_us < w->from_us || s->time_us >= w->to_us) continue;
        double x = s->type == SAMPLE_DOUBLE ? s->v.d : (double)s->v.i;
        all++;
        good += s->quality == QUALITY_GOOD;
        if (s->quality == QUALITY_BAD || !(s->type == SAMPLE_DOUBLE || s->type == SAMPLE_INT || s->type == SAMPLE_BOOL))
            continue;
        if (w->count++ == 0) w->first = w->min = w->max = x, w->min_us = w->max_us = s->time_us, w->sum = 0;
        if (x < w->min) w->min = x, w->min_us = s->time_us;
        if (x > w->max) w->max = x, w->max_us = s->time_us;
        w->sum += x;
        w->last = x;
    }
    if (w->count) w->mean = w->sum / (double)w->count, w->integral = w->mean * (double)(w->to_us - w->from_us) / 1e6;
    w->percent_good = all ? 100.0 * (double)good / (double)all : 0;
}
BED void obed_answer_windows(struct obed *b, const struct outlet_windows *q)
{
    static struct outlet_window w[10000];
    size_t n = 0;
    for (int64_t at = q->from_us; at < q->to_us && n < 10000; at += q->step_us) {
        w[n] = (struct outlet_window){.from_us = at, .to_us = at + q->step_us < q->to_us ? at + q->step_us : q->to_us};
        w[n].min = w[n].max = w[n].mean = w[n].sum = w[n].first = w[n].last = w[n].integral = NAN;
        obed_fill_window(b, q->slot, &w[n++]);
    }
    q->done(q->arg, NULL, w, n);
}
BED void obed_answer(struct obed_later *l)
{
    struct obed *b = l->bed;
    const struct error *e = l->e.code ? &l->e : NULL;
    if (l->kind == OBED_HISTORY && e) l->h.done(l->h.arg, e, NULL, 0, false);
    if (l->kind == OBED_HISTORY && !e) obed_answer_history(b, &l->h);
    if (l->kind == OBED_WINDOWS && e) l->w.done(l->w.arg, e, NULL, 0);
    if (l->kind == OBED_WINDOWS && !e) obed_answer_windows(b, &l->w);
    if (l->kind == OBED_ALARMS_LIST) l->alarms(l->arg, e, b->alarms, e ? 0 : b->nalarms);
    if (l->kind == OBED_DONE) l->done(l->arg, e);
}
/* All that wait, in their order; those that come meanwhile wait for the next turn. */
BED void obed_on_idle(uv_idle_t *h)
{
    struct obed *b = h->data;
    struct obed_later *all = b->later;
    b->later = NULL;
    uv_idle_stop(h);
    while (all) {
        struct obed_later *l = all;
        all = l->next;
        obed_answer(l);
        mem_free(l);
    }
}
BED void obed_later(struct obed *b, struct obed_later v)
{
    struct obed_later *l = mem_alloc(sizeof *l), **at = &b->later;
    *l = v;
    l->bed = b;
    while (*at) at = &(*at)->next;
    *at = l;
    uv_idle_start(&b->idle, obed_on_idle);
}
BED void obed_history(void *ctx, const struct outlet_history *q)
{
    struct obed *b = ctx;
    struct obed_later l = {.kind = OBED_HISTORY, .h = *q};
    CHECK(q->slot < b->npoints && q->max >= 1 && q->max <= 10000);
    b->histories++;
    if (b->history_error) error_set(&l.e, b->history_error, "", "no history now", "暂无历史");
    obed_later(b, l);
}
BED void obed_windows(void *ctx, const struct outlet_windows *q)
{
    struct obed *b = ctx;
    struct obed_later l = {.kind = OBED_WINDOWS, .w = *q};
    CHECK(q->slot < b->npoints && q->step_us > 0 && (q->to_us - q->from_us) / q->step_us <= 10000);
    b->windows++;
    if (b->history_error) error_set(&l.e, b->history_error, "", "no history now", "暂无历史");
    obed_later(b, l);
}
BED void obed_alarms(void *ctx, outlet_alarms_done *done, void *arg)
{
    obed_later(ctx, (struct obed_later){.kind = OBED_ALARMS_LIST, .alarms = done, .arg = arg});
}
BED void obed_alarm_ack(void *ctx, const char *id, const char *user, const char *comment, outlet_done *done, void *arg)
{
    struct obed *b = ctx;
    struct obed_later l = {.kind = OBED_DONE, .done = done, .arg = arg};
    bool found = false;
    b->acks++;
    str_to_cstr(str_of(id), b->ack_id, sizeof b->ack_id);
    str_to_cstr(str_of(user ? user : ""), b->ack_user, sizeof b->ack_user);
    str_to_cstr(str_of(comment ? comment : ""), b->ack_comment, sizeof b->ack_comment);
    for (size_t i = 0; i < b->nalarms; i++)
        if (strcmp(b->alarms[i].id, id) == 0) found = b->alarms[i].acknowledged = true;
    if (!found) error_set(&l.e, ERR_NOT_FOUND, "", "no such alarm", "没有该报警");
    obed_later(b, l);
}
BED void obed_login(void *ctx, const char *user, const char *password, const char *peer, outlet_done *done, void *arg)
{
    struct obed *b = ctx;
    struct obed_later l = {.kind = OBED_DONE, .done = done, .arg = arg};
    bool ok = b->user == NULL || (strcmp(user, b->user) == 0 && strcmp(password, b->password) == 0);
    b->logins++;
    if (!ok) error_set(&l.e, ERR_UNAUTHENTICATED, "", "wrong user or password", "用户名或密码错误");
    obed_later(b, l);
}
BED int obed_identity(void *ctx, const char *purpose, const char **ret_cert_pem, const char **ret_key_pem)
{
    struct obed *b = ctx;
    if (!b->cert_pem) return ERR_UNAVAILABLE;
    *ret_cert_pem = b->cert_pem;
    *ret_key_pem = b->key_pem;
    return 0;
}
BED int obed_trust(void *ctx, const char *purpose, const void *der, size_t n)
{
    return ((struct obed *)ctx)->trust_answer;
}

/* ---- what is kept ---- */

BED const char *obed_get_kept(const struct obed *b, const char *name)
{
    for (unsigned i = 0; i < b->nkept; i++)
        if (strcmp(b->kept[i][0], name) == 0) return b->kept[i][1];
    return NULL;
}
BED void obed_keep(void *ctx, const char *name, const char *value, outlet_done *done, void *arg)
{
    struct obed *b = ctx;
    struct obed_later l = {.kind = OBED_DONE, .done = done, .arg = arg};
    unsigned i = 0;
    b->keeps++;
    if (b->keep_error) error_set(&l.e, b->keep_error, "", "nothing is kept now", "暂时无法保存");
    while (i < b->nkept && strcmp(b->kept[i][0], name) != 0) i++;
    CHECK(i < OBED_KEPT && strlen(name) >= 1 && strlen(name) <= 40 && (!value || strlen(value) <= 1000));
    if (i == b->nkept && value && !l.e.code) b->nkept++;
    if (value && !l.e.code) snprintf(b->kept[i][0], 1001, "%s", name), snprintf(b->kept[i][1], 1001, "%s", value);
    if (!value && i < b->nkept) memmove(b->kept + i, b->kept + i + 1, (--b->nkept - i) * sizeof *b->kept);
    if (done) obed_later(b, l);
}
BED bool obed_kept(void *ctx, const char *name, char *ret, size_t cap)
{
    const char *value = obed_get_kept(ctx, name);
    return value && str_to_cstr(str_of(value), ret, cap);
}

/* ---- life ---- */

BED struct obed *obed_new(const struct outlet *o)
{
    struct obed *b = mem_calloc(1, sizeof *b);
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    uv_loop_init(&b->loop);
    uv_idle_init(&b->loop, &b->idle);
    b->idle.data = b;
    arena_init(&b->arena, 64 << 20);
    b->rows = mem_calloc(OBED_ROWS, sizeof *b->rows);
    b->outlet = o;
    b->host = (struct outlet_host){.loop = &b->loop,
                                   .ctx = b,
                                   .name = "bed",
                                   .trace = true,
                                   .node_name = "bornite-test",
                                   .now_us = obed_now,
                                   .mono_ns = obed_mono,
                                   .random = obed_random,
                                   .log = obed_log,
                                   .frame = obed_frame,
                                   .state = obed_state,
                                   .current = obed_current,
                                   .sent = obed_sent,
                                   .ready = obed_ready,
                                   .write = obed_write,
                                   .history = obed_history,
                                   .windows = obed_windows,
                                   .alarms = obed_alarms,
                                   .alarm_ack = obed_alarm_ack,
                                   .login = obed_login,
                                   .identity = obed_identity,
                                   .trust = obed_trust,
                                   .keep = obed_keep,
                                   .kept = obed_kept};
    return b;
}
BED void obed_open(struct obed *b, const char *json)
{
    struct error e = {0};
    if (b->outlet->channel_open(&b->host, bed_options(b, b->outlet->channel_options, json), &b->ch, &e))
        test_fail(__FILE__, __LINE__, "%s: %s", json, e.text);
}
BED uint32_t obed_point(struct obed *b, const char *code, const char *address, enum value_type t)
{
    uint32_t k = (uint32_t)b->npoints++;
    const char *texts[3] = {code, address, code};
    CHECK(k < OBED_POINTS);
    for (int i = 0; i < 3; i++) str_to_cstr(str_of(texts[i]), b->texts[k][i], sizeof b->texts[k][i]);
    b->points[k] = (struct outlet_point){.num = k + 1,
                                         .code = b->texts[k][0],
                                         .address = b->texts[k][1],
                                         .name = b->texts[k][2],
                                         .type = t,
                                         .lo = NAN,
                                         .hi = NAN,
                                         .unit = "",
                                         .area = "",
                                         .device = ""};
    return k;
}
BED void obed_set(struct obed *b)
{
    struct error e = {0};
    CHECK_INT(b->outlet->channel_set(b->ch, b->points, b->npoints, &e), 0);
}
BED void obed_close(struct obed *b)
{
    if (b->ch == NULL) return;
    b->closed = false;
    b->outlet->close(b->ch, bed_closed, &b->closed);
    b->ch = NULL;
    CHECK(!b->closed); /* never inside the call */
    UNTIL(b, b->closed);
}
BED void obed_free(struct obed *b)
{
    obed_close(b);
    while (b->later) bed_step(b);
    uv_close((uv_handle_t *)&b->idle, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(&b->loop), 0);
    arena_fini(&b->arena);
    mem_free(b->rows);
    mem_free(b);
}
BED struct outlet_status obed_status(const struct obed *b)
{
    struct outlet_status st = {0};
    b->outlet->status(b->ch, &st);
    return st;
}
BED void obed_test_done(void *arg, const struct error *e, uint32_t ms, const char *en, const char *zh)
{
    struct obed *b = arg;
    b->tested = true;
    b->test_code = e ? e->code : 0;
    str_to_cstr(str_of(e ? e->text : en ? en : ""), b->test_detail, sizeof b->test_detail);
}
BED void obed_test(struct obed *b)
{
    b->tested = false;
    b->outlet->test(b->ch, obed_test_done, b);
    UNTIL(b, b->tested);
}

/* ---- values in ---- */

/* A row of history only. */
BED void obed_row(struct obed *b, uint32_t slot, const struct sample *s)
{
    if (b->nrows < OBED_ROWS) b->rows[b->nrows++] = (struct obed_row){.slot = slot, .s = *s};
}
/* The current value; told by changed() when the outlet has it, kept in history. */
BED void obed_sample(struct obed *b, uint32_t slot, struct sample s)
{
    s.point = b->points[slot].num;
    if (!s.time_us) s.time_us = obed_now(b);
    b->current[slot] = s;
    b->has[slot] = true;
    obed_row(b, slot, &s);
    struct outlet_item it = {.slot = slot, .sample = s, .text = ""};
    if (b->outlet->changed && b->ch) b->outlet->changed(b->ch, &it, 1);
}
BED void obed_value(struct obed *b, uint32_t slot, double x)
{
    obed_sample(b, slot, (struct sample){.type = SAMPLE_DOUBLE, .v.d = x});
}
BED void obed_text(struct obed *b, uint32_t slot, const char *z)
{
    struct sample s = {.type = SAMPLE_STRING, .point = b->points[slot].num, .time_us = obed_now(b), .v.u = 1};
    str_to_cstr(str_of(z), b->current_text[slot], sizeof b->current_text[slot]);
    b->current[slot] = s;
    b->has[slot] = true;
    struct outlet_item it = {.slot = slot, .sample = s, .text = b->current_text[slot], .text_len = strlen(z)};
    if (b->outlet->changed && b->ch) b->outlet->changed(b->ch, &it, 1);
}
/* Items through send: the ticket, or 0 with b->test_code unchanged when the outlet said ERR_AGAIN. */
BED uint64_t obed_send_items(struct obed *b, const struct outlet_item *items, size_t n, enum outlet_flow flow)
{
    uint64_t t = ++b->ticket;
    int rc = b->outlet->send(b->ch, items, n, flow, t);
    if (rc) CHECK_INT(rc, ERR_AGAIN);
    if (rc) b->ticket--;
    return rc ? 0 : t;
}
BED uint64_t obed_send(struct obed *b, uint32_t slot, double x, int64_t time_us, enum outlet_flow flow)
{
    struct outlet_item it = {
        .slot = slot,
        .sample = {.type = SAMPLE_DOUBLE, .v.d = x, .point = b->points[slot].num, .time_us = time_us},
        .text = ""};
    if (!it.sample.time_us) it.sample.time_us = obed_now(b);
    return obed_send_items(b, &it, 1, flow);
}
