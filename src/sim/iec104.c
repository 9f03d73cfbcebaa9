/* iec104.c - see iec104.h. A connection is one controlled station (proto/iec104_station.h) with a ring of events. */
#include "sim/iec104.h"
#include <math.h>
#include "base/mem.h"
#include "io/clock.h"
#include "proto/iec104_station.h"

#define CONNS_MAX 16
#define EVENTS 2048
#define IN_MAX 4096
#define OUT_MAX 16384
#define QUEUE_MAX (256 * 1024) /* bytes that a peer may leave unread before it is told nothing more */
#define PLANT_TIME_US (8 * 3600 * 1000000LL)
#define CAS 3
#define DEADBAND 0.002 /* of the range */

static const char *const sites[CAS] = {"LT", "HX", "JM"};
static const char *const classes[] = {"feeder", "rectifier", "hxpower", "jmpower"};
static const uint16_t cas[CAS] = {1, 2, 3};
enum { FIRST_STATE = 1, FIRST_VALUE = 16385, FIRST_COMMAND = 24577, FIRST_SETPOINT = 25089, FIRST_COUNTER = 25601 };

struct object {
    uint16_t ca;
    uint8_t type; /* without time */
    bool open;    /* a breaker */
    uint32_t ioa, command;
    int tag, equip; /* tag -1: the breaker of the equipment */
    double told;
};
struct conn {
    uv_tcp_t tcp;
    struct sim_iec104 *owner;
    struct conn *next;
    bool closing;
    size_t n;
    struct iec104_station station;
    struct iec104_item events[EVENTS];
    uint8_t in[IN_MAX];
};
struct pending {
    uv_write_t req;
    uint8_t data[];
};
struct sim_iec104 {
    uv_loop_t *loop;
    uv_tcp_t *listener; /* own allocation, freed by its close callback */
    const struct sim_plan *plan;
    struct sim_process *process;
    unsigned port, nconns;
    struct conn *conns;
    struct object *objects;
    size_t n;
};

/* ---- objects ---- */

struct counts {
    uint32_t state, value, command, setpoint, counter;
};

static int ca_of(const struct sim_plan *p, const struct sim_equip *q)
{
    for (int i = 0; i < CAS; i++)
        if (str_is(p->areas[q->area].site, sites[i])) return i;
    return -1;
}

static bool electrical(const struct sim_equip *q)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (str_is(q->cls, classes[i])) return true;
    return false;
}

static bool place(const struct sim_tag *t, struct counts *c, struct object *o)
{
    switch (t->type) {
    case SIM_DI: o->type = IEC104_M_SP_NA, o->ioa = FIRST_STATE + c->state++; break;
    case SIM_AI:
    case SIM_LAB: o->type = IEC104_M_ME_NC, o->ioa = FIRST_VALUE + c->value++; break;
    case SIM_ENUM: o->type = IEC104_M_ME_NB, o->ioa = FIRST_VALUE + c->value++; break;
    case SIM_TOT: o->type = IEC104_M_IT_NA, o->ioa = FIRST_COUNTER + c->counter++; break;
    default: return false;
    }
    if (t->writable && o->type == IEC104_M_ME_NC) o->command = FIRST_SETPOINT + c->setpoint++;
    return true;
}

/* Room for all tags and a breaker each; returns how many there are. */
static size_t lay_out(const struct sim_plan *p, struct object *out)
{
    struct counts counts[CAS] = {0};
    size_t n = 0;
    for (size_t i = 0; i < p->nequips; i++) {
        const struct sim_equip *q = &p->equips[i];
        int ca = ca_of(p, q);
        if (ca < 0) continue;
        struct counts *c = &counts[ca];
        if (str_is(q->cls, "feeder"))
            out[n++] = (struct object){.ca = cas[ca],
                                       .type = IEC104_M_DP_NA,
                                       .ioa = FIRST_STATE + c->state++,
                                       .command = FIRST_COMMAND + c->command++,
                                       .tag = -1,
                                       .equip = (int)i};
        for (int k = q->first; k < q->first + q->ntags; k++) {
            struct object o = {.ca = cas[ca], .tag = k, .equip = (int)i, .told = NAN};
            if ((electrical(q) || p->tags[k].writable) && place(&p->tags[k], c, &o)) out[n++] = o;
        }
    }
    return n;
}

static bool breaker_open(const struct sim_iec104 *s, int equip)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->objects[i].equip == equip && s->objects[i].tag < 0) return s->objects[i].open;
    return false;
}

static double value_of(const struct sim_iec104 *s, const struct object *o)
{
    if (o->tag < 0) return o->open ? 1 : 2;
    const struct sim_tag *t = &s->plan->tags[o->tag];
    double v = sim_process_value(s->process, (size_t)o->tag);
    if ((str_is(t->suffix, "P") || str_is(t->suffix, "Q")) && o->type == IEC104_M_ME_NC && breaker_open(s, o->equip))
        v = 0;
    return o->type == IEC104_M_IT_NA ? fmod(floor(v), 2147483648.0) : v;
}

static struct iec104_object element(const struct object *o, double v)
{
    return (struct iec104_object){.ioa = o->ioa, .i = (int64_t)v, .d = v};
}

/* ---- what is asked ---- */

static bool next(void *ctx, uint16_t ca, bool counters, unsigned group, uint64_t *cursor, struct iec104_item *ret)
{
    const struct sim_iec104 *s = ctx;
    while (group == 0 && *cursor < s->n) {
        const struct object *o = &s->objects[(*cursor)++];
        if (o->ca != ca || (o->type == IEC104_M_IT_NA) != counters) continue;
        *ret = (struct iec104_item){.type = o->type, .o = element(o, value_of(s, o))};
        return true;
    }
    return false;
}

static bool read_one(void *ctx, uint16_t ca, uint32_t ioa, struct iec104_item *ret)
{
    const struct sim_iec104 *s = ctx;
    for (size_t i = 0; i < s->n; i++) {
        const struct object *o = &s->objects[i];
        if (o->ca != ca || o->ioa != ioa) continue;
        *ret = (struct iec104_item){.type = o->type, .o = element(o, value_of(s, o))};
        return true;
    }
    return false;
}

static int command(void *ctx, uint16_t ca, const struct iec104_type *t, const struct iec104_object *c,
                   enum iec104_step how)
{
    struct sim_iec104 *s = ctx;
    for (size_t i = 0; i < s->n; i++) {
        struct object *o = &s->objects[i];
        if (o->ca != ca || o->command == 0 || o->command != c->ioa) continue;
        if (t->family != (o->tag < 0 ? IEC104_C_DC_NA : IEC104_C_SE_NC)) return ERR_UNSUPPORTED;
        if (o->tag < 0 && c->i != 1 && c->i != 2) return ERR_INVALID;
        if (how == IEC104_SELECT || how == IEC104_CANCEL) return 0;
        if (o->tag >= 0) return sim_process_write(s->process, (size_t)o->tag, c->d);
        o->open = c->i == 1;
        return 0;
    }
    return ERR_NOT_FOUND;
}

static int set_clock(void *ctx, uint16_t ca, const struct iec104_time *t)
{
    int64_t us;
    return iec104_time_local(t, 0, &us); /* ours is right already */
}

/* ---- connections ---- */

static void on_closed(uv_handle_t *h)
{
    mem_free(h->data);
}

static void conn_close(struct conn *c)
{
    struct sim_iec104 *s = c->owner;
    if (c->closing) return;
    c->closing = true;
    for (struct conn **at = &s->conns; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            break;
        }
    s->nconns--;
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_written(uv_write_t *req, int status)
{
    mem_free(req->data);
}

static void send_bytes(struct conn *c, const uint8_t *p, size_t n)
{
    uv_buf_t b = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
    int k = uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
    size_t sent = k > 0 ? (size_t)k : 0;
    if (k < 0 && k != UV_EAGAIN) {
        conn_close(c);
        return;
    }
    if (sent == n) return;
    struct pending *w = mem_alloc(sizeof *w + n - sent);
    if (!w) {
        conn_close(c);
        return;
    }
    memcpy(w->data, p + sent, n - sent);
    w->req.data = w;
    b = uv_buf_init((char *)w->data, (unsigned)(n - sent));
    if (uv_write(&w->req, (uv_stream_t *)&c->tcp, &b, 1, on_written) == 0) return;
    mem_free(w);
    conn_close(c);
}

static void flush(struct conn *c)
{
    uint8_t out[OUT_MAX];
    size_t n;
    while (!c->closing && uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp) < QUEUE_MAX &&
           (n = iec104_station_output(&c->station, uv_hrtime(), out, sizeof out)) > 0)
        send_bytes(c, out, n);
}

static void serve(struct conn *c)
{
    size_t at = 0;
    int used = 1;
    while (!c->closing && at < c->n && used > 0) {
        used = iec104_station_input(&c->station, uv_hrtime(), c->in + at, c->n - at, NULL);
        if (used > 0) at += (size_t)used;
        flush(c);
    }
    if (used < 0) conn_close(c);
    memmove(c->in, c->in + at, c->n - at);
    c->n -= at;
}

static void on_alloc(uv_handle_t *h, size_t want, uv_buf_t *b)
{
    struct conn *c = h->data;
    *b = uv_buf_init((char *)c->in + c->n, (unsigned)(IN_MAX - c->n));
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *b)
{
    struct conn *c = h->data;
    if (n < 0) { /* or a buffer that is full because the peer does not read */
        conn_close(c);
        return;
    }
    c->n += (size_t)n;
    serve(c);
}

static struct iec104_station_config config_of(struct conn *c)
{
    return (struct iec104_station_config){
        .link = {.k = 12, .w = 8, .t1_ms = 15000, .t2_ms = 10000, .t3_ms = 20000},
        .ops = {.ctx = c->owner, .next = next, .read = read_one, .command = command, .clock = set_clock},
        .cas = cas,
        .ncas = CAS,
        .select_ms = 30000,
        .announce = true,
        .events = c->events,
        .events_cap = EVENTS};
}

static void on_connect(uv_stream_t *h, int status)
{
    struct sim_iec104 *s = h->data;
    struct conn *c = status < 0 ? NULL : mem_calloc(1, sizeof *c);
    if (!c) return;
    c->owner = s;
    c->tcp.data = c;
    uv_tcp_init(s->loop, &c->tcp);
    c->next = s->conns, s->conns = c, s->nconns++;
    struct iec104_station_config cfg = config_of(c);
    iec104_station_init(&c->station, &cfg, uv_hrtime());
    if (uv_accept(h, (uv_stream_t *)&c->tcp) < 0 || s->nconns > CONNS_MAX) {
        conn_close(c);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) < 0) conn_close(c);
}

/* ---- time ---- */

static bool changed(const struct sim_iec104 *s, const struct object *o, double v)
{
    if (isnan(o->told)) return true;
    if (o->type != IEC104_M_ME_NC) return v != o->told;
    const struct sim_tag *t = &s->plan->tags[o->tag];
    return fabs(v - o->told) > DEADBAND * (t->hi - t->lo) || (v != o->told && (v == 0 || t->writable));
}

static void tell(struct sim_iec104 *s, struct object *o, double v, const struct iec104_time *now)
{
    bool first = isnan(o->told);
    o->told = v;
    if (first) return;
    struct iec104_item it = {.ca = o->ca, .cause = IEC104_SPONTANEOUS, .o = element(o, v)};
    it.type = iec104_type_stamped(iec104_type(o->type), IEC104_CP56)->id;
    it.o.time = *now;
    for (struct conn *c = s->conns; c; c = c->next) iec104_station_event(&c->station, &it);
}

void sim_iec104_beat(struct sim_iec104 *s)
{
    struct iec104_time now = iec104_time_of(clock_now_us(clock_real()) + PLANT_TIME_US);
    for (size_t i = 0; i < s->n; i++) {
        struct object *o = &s->objects[i];
        double v = o->type == IEC104_M_IT_NA ? 0 : value_of(s, o); /* counters are asked for */
        if (o->type != IEC104_M_IT_NA && changed(s, o, v)) tell(s, o, v, &now);
    }
    for (struct conn *c = s->conns, *after; c; c = after) {
        after = c->next;
        if (iec104_station_time(&c->station, uv_hrtime(), NULL))
            conn_close(c);
        else
            serve(c);
        if (!c->closing) flush(c);
    }
}

/* ---- start and end ---- */

static void free_handle(uv_handle_t *h)
{
    mem_free(h);
}

static int open_listener(struct sim_iec104 *s, const char *bind, struct error *e)
{
    struct sockaddr_storage at;
    int len = sizeof at, rc = uv_ip4_addr(bind, (int)s->port, (struct sockaddr_in *)&at);
    if (rc < 0) rc = uv_ip6_addr(bind, (int)s->port, (struct sockaddr_in6 *)&at);
    s->listener = mem_calloc(1, sizeof *s->listener);
    if (!s->listener) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    uv_tcp_init(s->loop, s->listener);
    s->listener->data = s;
    if (rc == 0) rc = uv_tcp_bind(s->listener, (struct sockaddr *)&at, 0);
    if (rc == 0) rc = uv_listen((uv_stream_t *)s->listener, 16, on_connect);
    if (rc == 0) rc = uv_tcp_getsockname(s->listener, (struct sockaddr *)&at, &len);
    if (rc < 0)
        return error_set(e, ERR_UNAVAILABLE, "", "cannot listen on %s port %u: %s", "无法监听 %s 端口 %u：%s", bind,
                         s->port, uv_strerror(rc));
    s->port = ntohs(((struct sockaddr_in *)&at)->sin_port); /* the same place in sockaddr_in6 */
    return 0;
}

int sim_iec104_new(uv_loop_t *loop, const struct sim_plan *plan, struct sim_process *process, const char *bind,
                   unsigned port, struct sim_iec104 **ret, struct error *e)
{
    struct sim_iec104 *s = mem_calloc(1, sizeof *s);
    if (!s) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    s->loop = loop, s->plan = plan, s->process = process, s->port = port;
    s->objects = mem_calloc(plan->ntags + plan->nequips + 1, sizeof *s->objects);
    *ret = s; /* the caller closes and frees it, whatever comes */
    if (!s->objects) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    s->n = lay_out(plan, s->objects);
    return open_listener(s, bind, e);
}

unsigned sim_iec104_port(const struct sim_iec104 *s)
{
    return s->port;
}

void sim_iec104_close(struct sim_iec104 *s)
{
    if (!s) return;
    while (s->conns) conn_close(s->conns);
    if (s->listener) uv_close((uv_handle_t *)s->listener, free_handle);
    s->listener = NULL;
}

void sim_iec104_free(struct sim_iec104 *s)
{
    if (!s) return;
    mem_free(s->objects);
    mem_free(s);
}

static void list_one(const struct sim_plan *p, const struct object *o, struct buf *out)
{
    const struct iec104_type *t = iec104_type(o->type);
    const struct sim_equip *q = &p->equips[o->equip];
    const char *command_type = o->tag < 0 ? "C_DC" : "C_SE_NC";
    buf_printf(out, "%u,%.*s:%u,", o->ca, o->type >= 9 && o->type <= 13 ? 7 : 4, t->name, o->ioa);
    if (o->command) buf_printf(out, "%s:%u", command_type, o->command);
    if (o->tag < 0)
        buf_printf(out, ",%.*s.CB,%.*s breaker,%.*s断路器,\n", STR_ARG(q->code), STR_ARG(q->name_en),
                   STR_ARG(q->name_zh));
    else
        buf_printf(out, ",%.*s,%.*s,%.*s,%.*s\n", STR_ARG(p->tags[o->tag].code), STR_ARG(p->tags[o->tag].name_en),
                   STR_ARG(p->tags[o->tag].name_zh), STR_ARG(p->tags[o->tag].unit));
}

int sim_iec104_list(const struct sim_plan *plan, struct buf *out)
{
    struct object *o = mem_calloc(plan->ntags + plan->nequips + 1, sizeof *o);
    if (!o) return ERR_NOMEM;
    size_t n = lay_out(plan, o);
    buf_z(out, "common_address,address,command,code,name_en,name_zh,unit\n");
    for (size_t i = 0; i < n; i++) list_one(plan, &o[i], out);
    mem_free(o);
    return out->err;
}
