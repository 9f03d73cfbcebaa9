/* control.c - commands as rows of a table. On the simulator's loop. */
#include "sim/control.h"
#include <math.h>

#define WORDS_MAX 4
#define ANSWER_MAX 12000

struct command {
    const char *name, *args, *help;
    size_t min_words;
    int (*run)(struct sim_field *f, const struct str *w, struct buf *out, struct error *e);
};

static int need_demo(const struct sim_field *f, struct error *e)
{
    return f->process ? 0 : error_set(e, ERR_UNSUPPORTED, "", "not with a big field", "大规模点场不支持此命令");
}

static struct sim_port *find_port(struct sim_field *f, struct str code)
{
    for (size_t i = 0; i < f->nports; i++)
        if (str_is(code, f->ports[i].code)) return &f->ports[i];
    return NULL;
}

static int cmd_faults(struct sim_field *f, const struct str *w, struct buf *out, struct error *e)
{
    int rc = need_demo(f, e);
    if (rc < 0) return rc;
    struct sim_faults *x = sim_process_faults(f->process);
    for (size_t i = 0; i < sim_fault_count(x); i++) {
        struct sim_fault_info n = sim_fault_info(x, i);
        buf_printf(out, "%.*s %.*s %s lasts=%.0fs %.*s\n", STR_ARG(n.id), STR_ARG(n.site), n.active ? "active" : "off",
                   n.lasts_s, STR_ARG(n.name_en));
    }
    return 0;
}

static int cmd_start(struct sim_field *f, const struct str *w, struct buf *out, struct error *e)
{
    int rc = need_demo(f, e);
    if (rc == 0) rc = sim_fault_start(sim_process_faults(f->process), w[1], sim_process_time(f->process));
    return rc == ERR_NOT_FOUND ? error_set(e, rc, "", "no fault '%.*s'; see faults", "没有故障“%.*s”", STR_ARG(w[1]))
                               : rc;
}

static int cmd_stop(struct sim_field *f, const struct str *w, struct buf *out, struct error *e)
{
    int rc = need_demo(f, e);
    if (rc == 0) rc = sim_fault_stop(sim_process_faults(f->process), w[1]);
    return rc == ERR_NOT_FOUND ? error_set(e, rc, "", "no fault '%.*s'; see faults", "没有故障“%.*s”", STR_ARG(w[1]))
                               : rc;
}

static int cmd_servers(struct sim_field *f, const struct str *w, struct buf *out, struct error *e)
{
    for (size_t i = 0; i < f->nports; i++) {
        const struct sim_port *p = &f->ports[i];
        buf_printf(out, "%s port=%u mode=%s connections=%u accepted=%llu requests=%llu registers=%llu writes=%llu\n",
                   p->code, p->net.port, net_mode_name(p->net.mode), p->net.nconns, (unsigned long long)p->net.accepted,
                   (unsigned long long)p->requests, (unsigned long long)p->registers, (unsigned long long)p->writes);
    }
    return 0;
}

static int set_mode(struct sim_field *f, struct str code, enum net_mode m, struct error *e)
{
    struct sim_port *p = find_port(f, code);
    bool all = str_is(code, "all");
    int rc = 0;
    if (!p && !all)
        return error_set(e, ERR_NOT_FOUND, "", "no server '%.*s'; see servers", "没有服务器“%.*s”", STR_ARG(code));
    for (size_t i = 0; rc == 0 && i < f->nports; i++)
        if (all || p == &f->ports[i]) rc = net_set_mode(&f->ports[i].net, m, e);
    return rc;
}

static int cmd_break(struct sim_field *f, const struct str *w, struct buf *out, struct error *e)
{
    char name[16];
    enum net_mode m;
    if (!str_to_cstr(w[2], name, sizeof name) || !net_mode_parse(name, &m))
        return error_set(e, ERR_INVALID, "", "modes are ok, refuse, freeze, slow, garbage",
                         "模式为 ok、refuse、freeze、slow、garbage");
    return set_mode(f, w[1], m, e);
}

static int cmd_restore(struct sim_field *f, const struct str *w, struct buf *out, struct error *e)
{
    return set_mode(f, w[1], NET_OK, e);
}

static int cmd_counters(struct sim_field *f, const struct str *w, struct buf *out, struct error *e)
{
    uint64_t requests = 0, registers = 0, writes = 0;
    for (size_t i = 0; i < f->nports; i++)
        requests += f->ports[i].requests, registers += f->ports[i].registers, writes += f->ports[i].writes;
    buf_printf(out, "requests=%llu registers=%llu writes=%llu", (unsigned long long)requests,
               (unsigned long long)registers, (unsigned long long)writes);
    if (f->big) {
        struct sim_big_count c = sim_big_count(f->big);
        buf_printf(out, " values=%llu distinct=%llu untouched=%zu", (unsigned long long)c.values,
                   (unsigned long long)c.distinct, c.untouched);
    }
    buf_z(out, "\n");
    return 0;
}

static int cmd_get(struct sim_field *f, const struct str *w, struct buf *out, struct error *e)
{
    int rc = need_demo(f, e), tag = rc < 0 ? -1 : sim_plan_tag(f->plan, w[1]);
    if (rc == 0 && tag < 0) rc = error_set(e, ERR_NOT_FOUND, "", "no tag '%.*s'", "没有测点“%.*s”", STR_ARG(w[1]));
    if (rc < 0) return rc;
    if (f->plan->tags[tag].type == SIM_STR)
        buf_printf(out, "%s\n", sim_process_text(f->process, (size_t)tag));
    else
        buf_printf(out, "%.12g\n", sim_process_value(f->process, (size_t)tag));
    return 0;
}

static int cmd_speed(struct sim_field *f, const struct str *w, struct buf *out, struct error *e)
{
    double x;
    if (str_to_double(w[1], &x) < 0 || !(x >= 0 && x <= 3600))
        return error_set(e, ERR_INVALID, "", "speed is a number from 0 to 3600", "速度为 0 到 3600 的数");
    f->speed = x;
    return 0;
}

static int cmd_time(struct sim_field *f, const struct str *w, struct buf *out, struct error *e)
{
    int rc = need_demo(f, e);
    if (rc == 0) buf_printf(out, "%.1f speed=%g\n", sim_process_time(f->process), f->speed);
    return rc;
}

static int cmd_help(struct sim_field *f, const struct str *w, struct buf *out, struct error *e);

static const struct command commands[] = {
    {"help", "", "this list", 1, cmd_help},
    {"faults", "", "all faults and which are active", 1, cmd_faults},
    {"start", "F03", "start a fault", 2, cmd_start},
    {"stop", "F03", "end a fault", 2, cmd_stop},
    {"servers", "", "servers, their modes and counters", 1, cmd_servers},
    {"break", "LT-GRD|all refuse|freeze|slow|garbage", "make a server fail", 3, cmd_break},
    {"restore", "LT-GRD|all", "make it work again", 2, cmd_restore},
    {"counters", "", "what was served in all", 1, cmd_counters},
    {"get", "LT-GRD-SAG01.JI", "value of a tag", 2, cmd_get},
    {"speed", "60", "simulated seconds a second", 2, cmd_speed},
    {"time", "", "simulated time", 1, cmd_time},
};
#define NCOMMANDS (sizeof commands / sizeof *commands)

static int cmd_help(struct sim_field *f, const struct str *w, struct buf *out, struct error *e)
{
    for (size_t i = 0; i < NCOMMANDS; i++)
        buf_printf(out, "%s %s - %s\n", commands[i].name, commands[i].args, commands[i].help);
    return 0;
}

static size_t split_words(struct str line, struct str *w)
{
    size_t n = 0;
    line = str_trim(line);
    while (line.p && n < WORDS_MAX) {
        struct str part = str_cut(&line, ' ');
        if (part.n) w[n++] = part;
    }
    return n;
}

void sim_control(struct sim_field *f, struct str line, struct buf *out)
{
    struct str w[WORDS_MAX] = {{0}};
    struct error e = {0};
    size_t n = split_words(line, w);
    int rc = error_set(&e, ERR_NOT_FOUND, "", "no such command; see help", "没有此命令；见 help");
    for (size_t i = 0; i < NCOMMANDS; i++) {
        if (!str_is(w[0], commands[i].name)) continue;
        e.text[0] = '\0';
        rc = n >= commands[i].min_words
                 ? commands[i].run(f, w, out, &e)
                 : error_set(&e, ERR_INVALID, "", "wanted: %s %s", "应为：%s %s", commands[i].name, commands[i].args);
    }
    if (rc < 0)
        buf_printf(out, "error: %s\n", e.text[0] ? e.text : error_title(rc));
    else
        buf_z(out, "ok\n");
}

int sim_control_answer(void *ctx, const uint8_t *in, size_t n, uint8_t *out, size_t cap, size_t *ret_n)
{
    const uint8_t *end = memchr(in, '\n', n);
    *ret_n = 0;
    if (!end) return 0;
    struct buf b;
    buf_init(&b, ANSWER_MAX);
    sim_control(ctx, str_make((const char *)in, (size_t)(end - in)), &b);
    if (!b.err && b.n <= cap) memcpy(out, b.p, *ret_n = b.n);
    buf_fini(&b);
    return (int)(end - in) + 1;
}
