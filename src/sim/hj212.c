/* hj212.c - see hj212.h. One loop, its thread; a second is the clock of everything here. The protocol (pairing of
 * answers, repeats) is proto/hj212_link, instrument's side. */
#include "sim/hj212.h"
#include "base/mem.h"
#include "io/clock.h"
#include "proto/hj212_link.h"
#include <stdio.h>

#define FIELDS_MAX 12
#define RECORDS 300 /* kept of each kind */
#define TZ 480
#define RETRY_S 5

/* Which tag is which code, and how the unit of the standard comes out of the tag's. */
static const struct {
    const char *cls, *suffix, *code;
    double scale;
    int decimals;
} codes[] = {
    {"wastewater", "w00000", "w00000", 1 / 3.6, 2},
    {"wastewater", "w01001", "w01001", 1, 2},
    {"wastewater", "w01018", "w01018", 1, 1},
    {"wastewater", "w20122", "w20122", 1, 3},
    {"wastewater", "w20119", "w20119", 1000, 1},
    {"wastewater", "w20120", "w20120", 1000, 1},
    {"wastewater", "w20115", "w20115", 1000, 2},
    {"stack", "a34013", "a34013", 1, 2},
    {"stack", "a21002", "a21002", 1, 1},
    {"stack", "TMP", "a01012", 1, 1},
    {"acidplant", "SO2_ST", "a21026", 1, 1},
    {"acidplant", "MIST_ST", "a34039", 1, 2},
    {"acidplant", "DST_ST", "a34013", 1, 2},
    {"acidplant", "NOX_ST", "a21002", 1, 1},
};

struct field {
    size_t tag, row; /* row: in codes */
};
struct sums {
    double sum[FIELDS_MAX], min[FIELDS_MAX], max[FIELDS_MAX];
    unsigned n;
    int64_t start_s; /* of the period; 0: none yet */
};
struct record {
    int64_t start_s;
    char *cp;
};
struct series { /* minute or hour data */
    unsigned cn;
    int64_t period_s;
    struct sums sums;
    struct record ring[RECORDS];
    unsigned at;
};

struct inst {
    struct sim_hj212 *h;
    uv_tcp_t *tcp; /* own allocation; NULL: not connected */
    uv_connect_t req;
    struct hj212_link link;
    char mn[HJ212_MN_MAX + 1], pw[HJ212_PW_MAX + 1];
    unsigned st, interval_s;
    struct field fields[FIELDS_MAX];
    size_t nfields;
    struct series series[2];
    int64_t next_rtd_s, retry_s;
    bool up, reports;
};

struct sim_hj212 {
    uv_loop_t *loop;
    uv_timer_t *timer;
    struct sockaddr_in to;
    const struct sim_process *process;
    struct inst *inst;
    size_t n;
    bool closing;
};

static int64_t now_us(void)
{
    return clock_now_us(clock_real());
}

/* ---- which instruments there are ---- */

static bool is_outlet(const struct sim_equip *e)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (str_is(e->cls, codes[i].cls)) return true;
    return false;
}

static void name_mn(size_t equip, char out[HJ212_MN_MAX + 1])
{
    snprintf(out, HJ212_MN_MAX + 1, "010000A8900016F0B0%06X", (unsigned)equip & 0xffffff);
}

int sim_hj212_list(const struct sim_plan *plan, struct buf *out)
{
    for (size_t i = 0; i < plan->nequips; i++) {
        const struct sim_equip *e = &plan->equips[i];
        char mn[HJ212_MN_MAX + 1];
        if (!is_outlet(e)) continue;
        name_mn(i, mn);
        buf_printf(out, "%s,%.*s,%.*s\n", mn, STR_ARG(e->code), STR_ARG(e->name_zh));
    }
    return out->err;
}

static void find_fields(const struct sim_plan *plan, size_t equip, struct inst *x)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes && x->nfields < FIELDS_MAX; i++) {
        int tag = str_is(plan->equips[equip].cls, codes[i].cls) ? sim_equip_tag(plan, equip, codes[i].suffix) : -1;
        if (tag >= 0) x->fields[x->nfields++] = (struct field){(size_t)tag, i};
    }
}

/* ---- values ---- */

static double value(const struct inst *x, size_t k)
{
    return sim_process_value(x->h->process, x->fields[k].tag) * codes[x->fields[k].row].scale;
}

static void real_time(const struct inst *x, struct buf *cp)
{
    char time[HJ212_TIME_TEXT];
    buf_printf(cp, "DataTime=%s", hj212_time_format(now_us(), TZ, false, time));
    for (size_t k = 0; k < x->nfields; k++) {
        const char *code = codes[x->fields[k].row].code;
        buf_printf(cp, ";%s-Rtd=%.*f,%s-Flag=N", code, codes[x->fields[k].row].decimals, value(x, k), code);
    }
}

static void add_sums(const struct inst *x, struct sums *s)
{
    for (size_t k = 0; k < x->nfields; k++) {
        double v = value(x, k);
        s->sum[k] += v;
        if (s->n == 0 || v < s->min[k]) s->min[k] = v;
        if (s->n == 0 || v > s->max[k]) s->max[k] = v;
    }
    s->n++;
}

static void write_record(const struct inst *x, const struct series *s, struct buf *cp)
{
    char time[HJ212_TIME_TEXT];
    buf_printf(cp, "DataTime=%s", hj212_time_format(s->sums.start_s * TIME_US_PER_S, TZ, false, time));
    for (size_t k = 0; k < x->nfields; k++) {
        const char *c = codes[x->fields[k].row].code;
        int d = codes[x->fields[k].row].decimals;
        double avg = s->sums.sum[k] / s->sums.n, total = avg * (double)s->period_s / 1000; /* L/s: m3 */
        buf_printf(cp, ";%s-Cou=%.*f,%s-Min=%.*f,%s-Avg=%.*f,%s-Max=%.*f,%s-Flag=N", c, d, total, c, d, s->sums.min[k],
                   c, d, avg, c, d, s->sums.max[k], c);
    }
}

/* ---- reporting ---- */

static struct hj212_call call_of(const struct inst *x, unsigned cn, struct str cp)
{
    return (struct hj212_call){.to = {str_of(x->mn), str_of(x->pw), x->st, HJ212_2017},
                               .cn = cn,
                               .cp = cp,
                               .timeout_ms = 10000,
                               .tries = 4,
                               .now_ns = clock_mono_ns(clock_real()),
                               .now_us = now_us()};
}

static void upload(struct inst *x, unsigned cn, struct str cp)
{
    struct hj212_call c = call_of(x, cn, cp);
    if (x->up) (void)!hj212_link_upload(&x->link, &c); /* with 32 unanswered the platform is away */
}

static void report(struct inst *x)
{
    struct buf cp;
    buf_init(&cp, 4096);
    real_time(x, &cp);
    upload(x, 2011, buf_view(&cp));
    buf_fini(&cp);
}

static void end_period(struct inst *x, struct series *s)
{
    struct buf cp;
    buf_init(&cp, 8192);
    write_record(x, s, &cp);
    struct record *r = &s->ring[s->at++ % RECORDS];
    mem_free(r->cp);
    *r = (struct record){s->sums.start_s, mem_strdup(buf_cstr(&cp))};
    upload(x, s->cn, buf_view(&cp));
    buf_fini(&cp);
}

static void tick_series(struct inst *x, struct series *s, int64_t now_s)
{
    int64_t start = now_s - (now_s + TZ * 60) % s->period_s;
    if (s->sums.start_s && s->sums.start_s != start) {
        if (s->sums.n) end_period(x, s);
        s->sums = (struct sums){0};
    }
    s->sums.start_s = start;
    add_sums(x, &s->sums);
}

/* ---- what a platform asks ---- */

static void send_data(struct inst *x, const struct hj212_message *m, struct str cp)
{
    struct hj212_call c = call_of(x, m->cn, cp);
    c.qn = m->qn;
    (void)!hj212_link_send(&x->link, &c);
}

static void tell(struct inst *x, const struct hj212_message *m, const char *name, long long n)
{
    char cp[64];
    snprintf(cp, sizeof cp, "%s=%lld", name, n);
    send_data(x, m, str_of(cp));
}

static int ask_number(const struct hj212_message *m, const char *name, int64_t lo, int64_t hi, int64_t *ret)
{
    return str_to_i64(hj212_cp_get(m->cp, name), ret) == 0 && *ret >= lo && *ret <= hi ? 1 : 3;
}

static int recall(struct inst *x, const struct hj212_message *m, const struct series *s)
{
    int64_t from, to;
    int n = 0;
    if (hj212_time_parse(hj212_cp_get(m->cp, "BeginTime"), TZ, &from) ||
        hj212_time_parse(hj212_cp_get(m->cp, "EndTime"), TZ, &to))
        return 3;
    for (unsigned k = 0; k < RECORDS; k++) {
        const struct record *r = &s->ring[(s->at + k) % RECORDS];
        if (r->cp == NULL || r->start_s * TIME_US_PER_S < from || r->start_s * TIME_US_PER_S > to) continue;
        send_data(x, m, str_of(r->cp));
        n++;
    }
    return n ? 1 : 100;
}

static int get_time(struct inst *x, const struct hj212_message *m)
{
    char time[HJ212_TIME_TEXT], cp[64];
    snprintf(cp, sizeof cp, "SystemTime=%s", hj212_time_format(now_us(), TZ, false, time));
    send_data(x, m, str_of(cp));
    return 1;
}
static int get_rtd(struct inst *x, const struct hj212_message *m)
{
    tell(x, m, "RtdInterval", x->interval_s);
    return 1;
}
static int set_rtd(struct inst *x, const struct hj212_message *m)
{
    int64_t n;
    int rc = ask_number(m, "RtdInterval", 1, 3600, &n);
    if (rc == 1) x->interval_s = (unsigned)n, x->next_rtd_s = 0;
    return rc;
}
static int get_minute(struct inst *x, const struct hj212_message *m)
{
    tell(x, m, "MinInterval", x->series[0].period_s / 60);
    return 1;
}
static int set_minute(struct inst *x, const struct hj212_message *m)
{
    int64_t n;
    int rc = ask_number(m, "MinInterval", 1, 60, &n);
    if (rc == 1) x->series[0].period_s = n * 60, x->series[0].sums = (struct sums){0};
    return rc;
}
static int set_password(struct inst *x, const struct hj212_message *m)
{
    struct str pw = hj212_cp_get(m->cp, "NewPW");
    return pw.n && str_to_cstr(pw, x->pw, sizeof x->pw) ? 1 : 3;
}
static int start_rtd(struct inst *x, const struct hj212_message *m)
{
    struct buf cp;
    x->reports = true;
    buf_init(&cp, 4096);
    real_time(x, &cp);
    send_data(x, m, buf_view(&cp));
    buf_fini(&cp);
    return 1;
}
static int stop_rtd(struct inst *x, const struct hj212_message *m)
{
    x->reports = false;
    return 1;
}
static int get_state(struct inst *x, const struct hj212_message *m)
{
    char time[HJ212_TIME_TEXT], cp[64];
    snprintf(cp, sizeof cp, "DataTime=%s;SB1-RS=1", hj212_time_format(now_us(), TZ, false, time));
    send_data(x, m, str_of(cp));
    return 1;
}
static int recall_minutes(struct inst *x, const struct hj212_message *m)
{
    return recall(x, m, &x->series[0]);
}
static int recall_hours(struct inst *x, const struct hj212_message *m)
{
    return recall(x, m, &x->series[1]);
}
static int accept_it(struct inst *x, const struct hj212_message *m)
{
    return 1; /* a calibration, a sample: done */
}

static const struct {
    unsigned cn;
    int (*run)(struct inst *x, const struct hj212_message *m); /* ExeRtn */
} handlers[] = {{1000, accept_it},  {1011, get_time},       {1012, accept_it},    {1061, get_rtd},   {1062, set_rtd},
                {1063, get_minute}, {1064, set_minute},     {1072, set_password}, {2011, start_rtd}, {2012, stop_rtd},
                {2021, get_state},  {2051, recall_minutes}, {2061, recall_hours}, {3011, accept_it}, {3012, accept_it},
                {3013, accept_it},  {3014, accept_it},      {3021, accept_it}};

static int on_message(void *ctx, const struct hj212_message *m, uint64_t token)
{
    struct inst *x = ctx;
    size_t i = 0;
    while (i < sizeof handlers / sizeof *handlers && handlers[i].cn != m->cn) i++;
    if (!str_is(m->mn, x->mn)) return 4;
    if (!str_is(m->pw, x->pw)) return 3;
    if (i == sizeof handlers / sizeof *handlers) return 8;
    if (token == HJ212_EXECUTE)
        hj212_link_result(&x->link, m, handlers[i].run(x, m));
    else if (m->cn == 2012) /* a notice comes once */
        handlers[i].run(x, m);
    return 1;
}

static void on_ended(void *ctx, const struct hj212_ended *e) {}

/* ---- the connection ---- */

static void free_handle(uv_handle_t *h)
{
    mem_free(h);
}

static void disconnect(struct inst *x)
{
    if (x->tcp) uv_close((uv_handle_t *)x->tcp, free_handle);
    x->tcp = NULL;
    x->up = false;
    x->retry_s = now_us() / TIME_US_PER_S + RETRY_S;
    hj212_link_reset(&x->link);
}

struct out {
    uv_write_t req;
    uint8_t bytes[];
};
static void on_written(uv_write_t *req, int status)
{
    mem_free(req->data);
}

static void on_send(void *ctx, const void *p, size_t n)
{
    struct inst *x = ctx;
    struct out *o = x->up ? mem_alloc(sizeof *o + n) : NULL;
    if (o == NULL) return;
    memcpy(o->bytes, p, n);
    o->req.data = o;
    uv_buf_t b = uv_buf_init((char *)o->bytes, (unsigned)n);
    if (uv_write(&o->req, (uv_stream_t *)x->tcp, &b, 1, on_written)) mem_free(o);
}

static const struct hj212_link_ops ops = {on_send, on_message, on_ended, NULL, NULL};

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    static _Thread_local char bytes[16384];
    *buf = uv_buf_init(bytes, sizeof bytes);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct inst *x = s->data;
    if (n < 0)
        disconnect(x);
    else
        hj212_link_receive(&x->link, buf->base, (size_t)n, clock_mono_ns(clock_real()));
}

static void on_connect(uv_connect_t *req, int status)
{
    struct inst *x = req->data;
    if (x->h->closing || status == UV_ECANCELED) return;
    if (status || uv_read_start((uv_stream_t *)x->tcp, on_alloc, on_read)) {
        disconnect(x);
        return;
    }
    x->up = true;
    x->next_rtd_s = now_us() / TIME_US_PER_S + x->interval_s; /* the next one an interval later, as of instruments */
    report(x);
}

static void try_connect(struct inst *x)
{
    x->tcp = mem_alloc(sizeof *x->tcp);
    if (x->tcp == NULL) return;
    uv_tcp_init(x->h->loop, x->tcp);
    x->tcp->data = x;
    x->req.data = x;
    if (uv_tcp_connect(&x->req, x->tcp, (const struct sockaddr *)&x->h->to, on_connect)) disconnect(x);
}

/* ---- time ---- */

static void tick(struct inst *x, int64_t now_s)
{
    if (x->tcp == NULL && now_s >= x->retry_s) try_connect(x);
    for (int i = 0; i < 2; i++) tick_series(x, &x->series[i], now_s);
    if (x->up && x->reports && now_s >= x->next_rtd_s) {
        x->next_rtd_s = now_s + x->interval_s;
        report(x);
    }
    hj212_link_tick(&x->link, clock_mono_ns(clock_real()));
}

static void on_second(uv_timer_t *t)
{
    struct sim_hj212 *h = t->data;
    for (size_t i = 0; i < h->n; i++) tick(&h->inst[i], now_us() / TIME_US_PER_S);
}

/* ---- life ---- */

static void make(struct sim_hj212 *h, const struct sim_plan *plan, size_t equip, unsigned interval_s)
{
    struct inst *x = &h->inst[h->n++];
    *x = (struct inst){.h = h, .pw = "123456", .interval_s = interval_s, .reports = true};
    x->st = str_is(plan->equips[equip].cls, "wastewater") ? 32 : 31;
    x->series[0].cn = 2051, x->series[0].period_s = 600;
    x->series[1].cn = 2061, x->series[1].period_s = 3600;
    name_mn(equip, x->mn);
    find_fields(plan, equip, x);
    hj212_link_init(&x->link, &ops, x, false, TZ);
}

int sim_hj212_new(uv_loop_t *loop, const struct sim_plan *plan, const struct sim_process *process,
                  const struct sim_hj212_config *c, struct sim_hj212 **ret, struct error *e)
{
    struct sim_hj212 *h = mem_calloc(1, sizeof *h);
    int rc = h ? 0 : ERR_NOMEM;
    if (h) h->inst = mem_calloc(plan->nequips, sizeof *h->inst);
    if (h) h->timer = mem_calloc(1, sizeof *h->timer);
    if (h && (!h->inst || !h->timer)) rc = ERR_NOMEM;
    if (rc == 0 && uv_ip4_addr(c->host, (int)c->port, &h->to))
        rc = error_set(e, ERR_INVALID, "hj212", "'%s' is no IP address", "“%s”不是 IP 地址", c->host);
    for (size_t i = 0; rc == 0 && i < plan->nequips; i++)
        if (is_outlet(&plan->equips[i])) make(h, plan, i, c->interval_s ? c->interval_s : 30);
    if (rc) {
        if (h) mem_free(TAKE(h->timer));
        sim_hj212_free(h);
        return rc;
    }
    h->loop = loop, h->process = process;
    uv_timer_init(loop, h->timer);
    h->timer->data = h;
    uv_timer_start(h->timer, on_second, 0, 1000);
    *ret = h;
    return 0;
}

void sim_hj212_close(struct sim_hj212 *h)
{
    if (h == NULL || h->timer == NULL) return;
    h->closing = true;
    for (size_t i = 0; i < h->n; i++) disconnect(&h->inst[i]);
    uv_close((uv_handle_t *)TAKE(h->timer), free_handle);
}

void sim_hj212_free(struct sim_hj212 *h)
{
    if (h == NULL) return;
    for (size_t i = 0; i < h->n; i++) {
        struct inst *x = &h->inst[i];
        for (int k = 0; k < 2; k++)
            for (unsigned r = 0; r < RECORDS; r++) mem_free(x->series[k].ring[r].cp);
        hj212_link_fini(&x->link);
    }
    mem_free(h->inst);
    mem_free(h);
}
