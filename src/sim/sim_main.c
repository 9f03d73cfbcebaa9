/* sim_main.c - the command line of `bornite sim`: options as rows of a table. */
#include "sim/iec104.h"
#include "sim/resources.h"
#include "sim/sim.h"
#include <stdio.h>

#define FAULTS_MAX 20

struct fault_wish {
    struct str id;
    double after_s;
    uv_timer_t timer;
    struct sim *sim;
};
struct args {
    struct sim_config cfg;
    bool list, list_iec104, list_hj212, help;
    char hj212[64], sparkplug[64];
    struct fault_wish fault[FAULTS_MAX];
    size_t nfaults;
};
struct option {
    const char *name, *arg, *en, *zh;
    int (*set)(struct args *a, struct str v);
};

static int number(struct str v, double lo, double hi, double *ret)
{
    double d;
    if (str_to_double(v, &d) < 0 || !(d >= lo && d <= hi)) return ERR_INVALID;
    *ret = d;
    return 0;
}

static int set_bind(struct args *a, struct str v)
{
    a->cfg.bind = v.p; /* a word of argv: terminated */
    return 0;
}
static int set_port(struct args *a, struct str v)
{
    double d = 0;
    int rc = number(v, 0, 65000, &d);
    a->cfg.port = (unsigned)d;
    return rc;
}
static int set_control(struct args *a, struct str v)
{
    double d = 0;
    int rc = number(v, 0, 65535, &d);
    a->cfg.control = (int)d;
    return rc;
}
static int set_iec104(struct args *a, struct str v)
{
    double d = 0;
    int rc = number(v, 0, 65535, &d);
    a->cfg.iec104_port = d > 0 ? (int)d : -1;
    return rc;
}
static int set_serial(struct args *a, struct str v)
{
    a->cfg.serial = v.p; /* a word of argv: terminated */
    return v.n ? 0 : ERR_INVALID;
}
static int set_serial_speed(struct args *a, struct str v)
{
    double d = 0;
    int rc = number(v, 50, 4000000, &d);
    a->cfg.serial_speed = (unsigned)d;
    return rc;
}
static int set_list_iec104(struct args *a, struct str v)
{
    a->list_iec104 = true;
    return 0;
}
/* 127.0.0.1:9000 */
static int set_hj212(struct args *a, struct str v)
{
    struct str port = v, host = str_cut(&port, ':');
    double d = 0;
    if (!str_to_cstr(host, a->hj212, sizeof a->hj212) || number(port, 1, 65535, &d) < 0) return ERR_INVALID;
    a->cfg.hj212.host = a->hj212;
    a->cfg.hj212.port = (unsigned)d;
    return 0;
}
static int set_sparkplug(struct args *a, struct str v)
{
    struct str port = v, host = str_cut(&port, ':');
    double d = 0;
    if (!str_to_cstr(host, a->sparkplug, sizeof a->sparkplug) || number(port, 1, 65535, &d) < 0) return ERR_INVALID;
    a->cfg.sparkplug.host = a->sparkplug;
    a->cfg.sparkplug.port = (unsigned)d;
    return 0;
}
static int set_hj212_interval(struct args *a, struct str v)
{
    double d = 0;
    int rc = number(v, 1, 3600, &d);
    a->cfg.hj212.interval_s = (unsigned)d;
    return rc;
}
static int set_list_hj212(struct args *a, struct str v)
{
    a->list_hj212 = true;
    return 0;
}
static int set_seed(struct args *a, struct str v)
{
    return str_to_u64(v, &a->cfg.seed);
}
static int set_speed(struct args *a, struct str v)
{
    return number(v, 0, 3600, &a->cfg.speed);
}
static int set_start(struct args *a, struct str v)
{
    return number(v, 1, 1e11, &a->cfg.start_s);
}
static int set_big(struct args *a, struct str v)
{
    double d = 0;
    int rc = number(v, 1, 2e6, &d);
    a->cfg.big = (size_t)d;
    return rc;
}
static int set_schedule(struct args *a, struct str v)
{
    a->cfg.schedule = true;
    return 0;
}
static int set_modbus_only(struct args *a, struct str v)
{
    a->cfg.whole = false;
    return 0;
}
static int set_list(struct args *a, struct str v)
{
    a->list = true;
    return 0;
}
static int set_help(struct args *a, struct str v)
{
    a->help = true;
    return 0;
}
/* F03, F03@+10s */
static int set_fault(struct args *a, struct str v)
{
    if (a->nfaults == FAULTS_MAX) return ERR_LIMIT;
    struct fault_wish *w = &a->fault[a->nfaults++];
    struct str when = v;
    w->id = str_cut(&when, '@');
    if (!when.p) return 0;
    if (when.n && when.p[0] == '+') when = str_sub(when, 1, when.n);
    if (when.n && when.p[when.n - 1] == 's') when.n--;
    return number(when, 0, 1e7, &w->after_s);
}

static const struct option options[] = {
    {"--bind", "ADDRESS", "address to listen on (127.0.0.1)", "监听地址", set_bind},
    {"--port", "N", "first TCP port (5020)", "起始端口", set_port},
    {"--modbus-only", NULL, "the Modbus servers and what other options name, nothing else",
     "仅 Modbus 服务器和其他选项指定的部分", set_modbus_only},
    {"--seed", "N", "seed of the plant (1)", "随机种子", set_seed},
    {"--speed", "X", "simulated seconds a second (1)", "仿真倍速", set_speed},
    {"--start", "S", "simulated start, seconds since 1970 (now)", "仿真起始时刻", set_start},
    {"--fault", "F03[@+10s]", "start a fault, after so many seconds", "启动故障", set_fault},
    {"--schedule", NULL, "one fault of each kind over 60 days", "按计划注入故障", set_schedule},
    {"--big", "N", "a field of N points for benchmarks instead of the demo", "性能测试点场", set_big},
    {"--control", "PORT", "line interface on 127.0.0.1 (0: any port)", "控制端口", set_control},
    {"--hj212", "HOST:PORT", "outlets report to this HJ 212 platform too", "各排口以 HJ 212 向该上位机上报", set_hj212},
    {"--sparkplug", "HOST:PORT", "servers are Sparkplug B edge nodes at this MQTT broker too",
     "各服务器同时作为该 MQTT 代理上的 Sparkplug B 边缘节点", set_sparkplug},
    {"--hj212-interval", "S", "seconds between real-time data (30)", "实时数据间隔（秒）", set_hj212_interval},
    {"--hj212-list", NULL, "print MN, equipment and name of the outlets and exit", "输出各排口的 MN", set_list_hj212},
    {"--serial", "PORT", "the first server's stations as Modbus RTU on a serial port too (pty: a pseudo terminal)",
     "第一台服务器的各站同时以 Modbus RTU 接在串口上（pty 为伪终端）", set_serial},
    {"--serial-speed", "N", "its speed, bits a second (9600)", "串口波特率", set_serial_speed},
    {"--iec104-port", "PORT", "electrical equipment as IEC 60870-5-104 stations (0: any port)", "IEC 104 被控站端口",
     set_iec104},
    {"--iec104-list", NULL, "print the objects of these stations as CSV and exit", "输出 IEC 104 点表",
     set_list_iec104},
    {"--list", NULL, "print the tags as CSV and exit", "输出测点清单", set_list},
    {"--help", NULL, "this text", "帮助", set_help},
};
#define NOPTIONS (sizeof options / sizeof *options)

static void usage(FILE *out)
{
    fputs("bornite sim: the demo copper group: 19 Modbus TCP servers and what else its plants speak / "
          "演示铜业集团：19 个 Modbus TCP 服务器及厂内其他协议\n",
          out);
    for (size_t i = 0; i < NOPTIONS; i++)
        fprintf(out, "  %-16s %-12s %s / %s\n", options[i].name, options[i].arg ? options[i].arg : "", options[i].en,
                options[i].zh);
}

/* One option at argv[*at]; moves *at past it. "--port 1" and "--port=1" are the same. */
static int parse_one(struct args *a, int argc, char **argv, int *at)
{
    struct str value = str_of(argv[*at]), name = str_cut(&value, '=');
    for (size_t i = 0; i < NOPTIONS; i++) {
        const struct option *o = &options[i];
        if (!str_is(name, o->name)) continue;
        if (o->arg && !value.p && *at + 1 < argc) value = str_of(argv[++*at]);
        (*at)++;
        if (o->arg && value.p && o->set(a, value) == 0) return 0;
        if (!o->arg) return o->set(a, value);
        fprintf(stderr, "sim: %s wants %s\n", o->name, o->arg);
        return ERR_INVALID;
    }
    fprintf(stderr, "sim: unknown option %.*s; see --help\n", STR_ARG(name));
    return ERR_INVALID;
}

static int list_tags(const struct args *a)
{
    struct sim_plan *plan;
    struct error e = {0};
    struct buf b;
    int rc = sim_plan_load(&plan, &e);
    if (rc < 0) return fprintf(stderr, "sim: %s\n", e.text), 1;
    buf_init(&b, 16 << 20);
    if (a->list_hj212)
        rc = sim_hj212_list(plan, &b);
    else
        rc = a->list_iec104 ? sim_iec104_list(plan, &b) : sim_write_tags_csv(plan, a->cfg.port, &b);
    if (rc == 0) fwrite(b.p, 1, b.n, stdout);
    buf_fini(&b);
    sim_plan_free(plan);
    return rc < 0;
}

static void on_fault(uv_timer_t *t)
{
    struct fault_wish *w = t->data;
    struct sim_process *p = sim_field(w->sim)->process;
    if (sim_fault_start(sim_process_faults(p), w->id, sim_process_time(p)) < 0)
        fprintf(stderr, "sim: no fault %.*s\n", STR_ARG(w->id));
}

static void plan_faults(struct args *a, uv_loop_t *loop, struct sim *s)
{
    for (size_t i = 0; i < a->nfaults; i++) {
        struct fault_wish *w = &a->fault[i];
        w->sim = s;
        w->timer.data = w;
        uv_timer_init(loop, &w->timer);
        uv_timer_start(&w->timer, on_fault, (uint64_t)(w->after_s * 1000), 0);
    }
}

static void on_signal(uv_signal_t *h, int number_)
{
    uv_stop(h->loop);
}

static void say_ready(struct sim *s)
{
    const struct sim_field *f = sim_field(s);
    fprintf(stderr, "sim: %zu Modbus TCP servers on ports %u to %u, %zu %s", f->nports, f->ports[0].net.port,
            f->ports[f->nports - 1].net.port, f->plan ? f->plan->ntags : sim_big_count(f->big).untouched,
            f->plan ? "tags" : "points");
    if (sim_control_port(s)) fprintf(stderr, ", control on 127.0.0.1:%u", sim_control_port(s));
    if (sim_serial_path(s)) fprintf(stderr, ", Modbus RTU on %s", sim_serial_path(s));
    if (sim_iec104_port_of(s)) fprintf(stderr, ", IEC 104 on port %u", sim_iec104_port_of(s));
    if (sim_feeds_of(s)) {
        fprintf(stderr, ", HTTP on %u, weighbridge on %u, board on %u", sim_feeds_port(sim_feeds_of(s), 0),
                sim_feeds_port(sim_feeds_of(s), 1), sim_feeds_port(sim_feeds_of(s), 2));
    }
    fputs("\n", stderr);
}

/* Runs until a signal, then closes everything and lets the loop run out. */
static void run(struct args *a, uv_loop_t *loop, struct sim *s)
{
    static const int numbers[2] = {SIGINT, SIGTERM};
    uv_signal_t signals[2];
    for (int i = 0; i < 2; i++) {
        uv_signal_init(loop, &signals[i]);
        uv_signal_start(&signals[i], on_signal, numbers[i]);
    }
    if (!a->cfg.big) plan_faults(a, loop, s);
    say_ready(s);
    uv_run(loop, UV_RUN_DEFAULT);
    for (int i = 0; i < 2; i++) uv_close((uv_handle_t *)&signals[i], NULL);
    for (size_t i = 0; !a->cfg.big && i < a->nfaults; i++) uv_close((uv_handle_t *)&a->fault[i].timer, NULL);
    sim_close(s);
    uv_run(loop, UV_RUN_DEFAULT);
}

int sim_main(int argc, char **argv)
{
    struct args a = {.cfg = {.bind = "127.0.0.1", .port = 5020, .control = -1, .seed = 1, .speed = 1, .whole = true}};
    struct error e = {0};
    struct sim *s;
    uv_loop_t loop;
    for (int at = 1; at < argc;)
        if (parse_one(&a, argc, argv, &at) < 0) return 2;
    if (a.help) return usage(stdout), 0;
    if (a.list || a.list_iec104 || a.list_hj212) return list_tags(&a);
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&loop);
    int rc = sim_new(&loop, &a.cfg, &s, &e);
    if (rc < 0) {
        fprintf(stderr, "sim: %s\n", e.text[0] ? e.text : error_title(rc));
    } else {
        run(&a, &loop, s);
        sim_free(s);
    }
    uv_loop_close(&loop);
    return rc < 0;
}
