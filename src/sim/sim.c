/* sim.c - puts plan, process, registers and listeners together on one loop, and lets time pass.
 *
 * Five times a second the process is moved on by the time that has passed (times the speed) and the
 * registers of the fast tags are refreshed; once a second those of all. A stop of more than ten seconds
 * (a suspended machine) is not made up for. */
#include "sim/sim.h"
#include <stdio.h>
#include "base/mem.h"
#include "io/clock.h"
#include "sim/iec104.h"
#include "sim/line.h"

#define BEAT_MS 200
#define BIG_BEAT_MS 20
#define GAP_MAX_S 10.0
#define PLANT_TIME_S (8 * 3600) /* the plants keep China Standard Time */

struct sim {
    uv_loop_t *loop;
    uv_timer_t *timer;
    struct sim_config cfg;
    struct sim_plan *plan;
    struct sim_field field;
    struct net_listener control;
    struct sim_iec104 *iec104;
    struct sim_hj212 *hj212;
    struct sim_sparkplug *sparkplug;
    struct sim_line *line;
    struct sim_feeds *feeds;
    uint64_t last_ms;
    unsigned beats;
    char (*names)[16]; /* of a big field's ports */
};

static int answer(void *ctx, const uint8_t *in, size_t n, uint8_t *out, size_t cap, size_t *ret_n)
{
    struct sim_port *p = ctx;
    return modbus_server_handle(MODBUS_TCP, in, n, &p->ops, out, cap, ret_n);
}

static void on_beat(uv_timer_t *t)
{
    struct sim *s = t->data;
    uint64_t now = uv_now(s->loop);
    double dt = (double)(now - s->last_ms) / 1000;
    s->last_ms = now;
    sim_process_step(s->field.process, (dt > GAP_MAX_S ? GAP_MAX_S : dt) * s->field.speed);
    sim_demo_refresh(s->field.demo, s->beats++ % (1000 / BEAT_MS) != 0);
    if (s->iec104) sim_iec104_beat(s->iec104);
}

static void on_big_beat(uv_timer_t *t)
{
    struct sim *s = t->data;
    sim_big_second(s->field.big, (uint32_t)(clock_now_us(clock_real()) / 1000000));
}

static int make_demo(struct sim *s, struct error *e)
{
    struct sim_field *f = &s->field;
    int64_t now_s = clock_now_us(clock_real()) / 1000000;
    double now = (double)now_s + PLANT_TIME_S;
    struct sim_options o = {
        .seed = s->cfg.seed, .start_s = s->cfg.start_s > 0 ? s->cfg.start_s : now, .schedule = s->cfg.schedule};
    int rc = sim_plan_load(&s->plan, e);
    if (rc == 0) rc = sim_process_new(s->plan, &o, &f->process, e);
    if (rc == 0) rc = sim_demo_new(s->plan, f->process, &f->demo);
    f->plan = s->plan;
    f->nports = rc == 0 ? s->plan->nservers : 0;
    return rc;
}

static int make_big(struct sim *s)
{
    int rc = sim_big_new(s->cfg.big, &s->field.big);
    if (rc < 0) return rc;
    s->field.nports = sim_big_ports(s->field.big);
    s->names = mem_calloc(s->field.nports, sizeof *s->names);
    return s->names ? 0 : ERR_NOMEM;
}

static int open_port(struct sim *s, size_t i, struct error *e)
{
    struct sim_port *p = &s->field.ports[i];
    if (s->cfg.big) {
        snprintf(s->names[i], sizeof s->names[i], "BIG-%02u", (unsigned)(i + 1) % 100000);
        p->code = s->names[i];
        p->ops = sim_big_ops(s->field.big, i, p);
    } else {
        p->code = s->plan->servers[i].code.p; /* terminated: the plan's texts are arena copies */
        p->ops = sim_demo_ops(s->field.demo, i, p);
    }
    unsigned port = s->cfg.port ? s->cfg.port + (unsigned)i : 0;
    return net_listen(&p->net, s->loop, s->cfg.bind, port, answer, p, e);
}

static void warn(const struct error *e)
{
    fprintf(stderr, "sim: %s; that part is left out / %s，略过该部分\n", e->text, e->text_zh);
}

/* The rest of the demo, where nothing else was asked for. */
static void open_rest(struct sim *s)
{
    const struct sim_config *c = &s->cfg;
    struct sim_hj212_config h = {"127.0.0.1", c->port + SIM_AT_HJ212, c->hj212.interval_s};
    struct error e = {0};
    if (!s->iec104 &&
        sim_iec104_new(s->loop, s->plan, s->field.process, c->bind, c->port + SIM_AT_IEC104, &s->iec104, &e)) {
        warn(&e);
        sim_iec104_close(s->iec104);
    }
    if (sim_feeds_new(s->loop, s->field.process, c->bind, c->port + SIM_AT_FEEDS, &s->feeds, &e)) warn(&e);
    if (!s->hj212 && sim_hj212_new(s->loop, s->plan, s->field.process, &h, &s->hj212, &e)) warn(&e);
}

static int open_all(struct sim *s, struct error *e)
{
    struct sim_field *f = &s->field;
    int rc = 0;
    f->ports = mem_calloc(f->nports, sizeof *f->ports);
    if (!f->ports) return ERR_NOMEM;
    for (size_t i = 0; rc == 0 && i < f->nports; i++) rc = open_port(s, i, e);
    if (rc == 0 && s->cfg.control >= 0)
        rc = net_listen(&s->control, s->loop, "127.0.0.1", (unsigned)s->cfg.control, sim_control_answer, f, e);
    if (rc == 0 && s->cfg.hj212.host && f->process)
        rc = sim_hj212_new(s->loop, s->plan, f->process, &s->cfg.hj212, &s->hj212, e);
    if (rc == 0 && s->cfg.sparkplug.host && f->process)
        rc = sim_sparkplug_new(s->loop, s->plan, f->process, &s->cfg.sparkplug, &s->sparkplug, e);
    if (rc == 0 && s->cfg.iec104_port && f->process)
        rc = sim_iec104_new(s->loop, s->plan, f->process, s->cfg.bind,
                            s->cfg.iec104_port < 0 ? 0 : (unsigned)s->cfg.iec104_port, &s->iec104, e);
    if (rc == 0 && s->cfg.serial)
        rc = sim_line_new(s->loop, s->cfg.serial, s->cfg.serial_speed, &f->ports[0].ops, &s->line, e);
    if (rc == 0 && s->cfg.whole && s->cfg.port && f->process) open_rest(s);
    return rc;
}

static int start_timer(struct sim *s)
{
    s->timer = mem_calloc(1, sizeof *s->timer);
    if (!s->timer) return ERR_NOMEM;
    uv_timer_init(s->loop, s->timer);
    s->timer->data = s;
    s->last_ms = uv_now(s->loop);
    unsigned beat = s->cfg.big ? BIG_BEAT_MS : BEAT_MS;
    uv_timer_start(s->timer, s->cfg.big ? on_big_beat : on_beat, 0, beat);
    return 0;
}

int sim_new(uv_loop_t *loop, const struct sim_config *c, struct sim **ret, struct error *e)
{
    struct sim *s = mem_calloc(1, sizeof *s);
    if (!s) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    s->loop = loop, s->cfg = *c, s->field.speed = c->speed;
    int rc = c->big ? make_big(s) : make_demo(s, e);
    if (rc == 0) rc = open_all(s, e);
    if (rc == 0) rc = start_timer(s);
    if (rc < 0) {
        sim_close(s);
        uv_run(loop, UV_RUN_NOWAIT);
        sim_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

struct sim_field *sim_field(struct sim *s)
{
    return &s->field;
}

unsigned sim_control_port(const struct sim *s)
{
    return s->control.port;
}

unsigned sim_iec104_port_of(const struct sim *s)
{
    return s->iec104 ? sim_iec104_port(s->iec104) : 0;
}

const struct sim_feeds *sim_feeds_of(const struct sim *s)
{
    return s->feeds;
}

const char *sim_serial_path(const struct sim *s)
{
    return s->line ? sim_line_path(s->line) : NULL;
}

static void free_timer(uv_handle_t *h)
{
    mem_free(h);
}

void sim_close(struct sim *s)
{
    sim_line_close(TAKE(s->line));
    for (size_t i = 0; s->field.ports && i < s->field.nports; i++)
        if (s->field.ports[i].net.loop) net_close(&s->field.ports[i].net);
    if (s->control.loop) net_close(&s->control);
    sim_iec104_close(s->iec104);
    sim_hj212_close(s->hj212);
    sim_feeds_close(s->feeds);
    sim_sparkplug_close(s->sparkplug);
    if (s->timer) uv_close((uv_handle_t *)s->timer, free_timer);
    s->timer = NULL;
}

void sim_free(struct sim *s)
{
    if (!s) return;
    sim_iec104_free(s->iec104);
    sim_hj212_free(s->hj212);
    sim_feeds_free(s->feeds);
    sim_sparkplug_free(s->sparkplug);
    sim_demo_free(s->field.demo);
    sim_process_free(s->field.process);
    sim_plan_free(s->plan);
    sim_big_free(s->field.big);
    mem_free(s->field.ports);
    mem_free(s->names);
    mem_free(s);
}
