/* sim_test.c - the servers over real sockets on free ports, the client in the same thread: it polls its
 * socket while it turns the simulator's loop. */
#include "sim/sim.h"
#include "base/test.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

struct rig {
    uv_loop_t loop;
    struct sim *sim;
};

static bool rig_open(struct rig *r, size_t big)
{
    struct error e = {0};
    struct sim_config c = {.bind = "127.0.0.1", .control = 0, .seed = 1, .speed = 1, .start_s = 1767225600, .big = big};
    uv_loop_init(&r->loop);
    if (sim_new(&r->loop, &c, &r->sim, &e) == 0) return true;
    test_fail(__FILE__, __LINE__, "%s", e.text);
    return false;
}

static void rig_close(struct rig *r)
{
    sim_close(r->sim);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    sim_free(r->sim);
    CHECK_INT(uv_loop_close(&r->loop), 0); /* nothing was left open */
}

static int dial(unsigned port)
{
    int s = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (s < 0 || connect(s, (struct sockaddr *)&at, sizeof at) < 0) {
        if (s >= 0) close(s);
        return -1;
    }
    fcntl(s, F_SETFL, O_NONBLOCK);
    return s;
}

/* Send, then turn the loop until something comes (or the peer closes, 0; or `turns` are over, -1). */
static ssize_t ask(struct rig *r, int s, const void *q, size_t n, void *out, size_t cap, int turns)
{
    if (send(s, q, n, MSG_NOSIGNAL) != (ssize_t)n) return -2;
    for (int i = 0; i < turns; i++) {
        uv_run(&r->loop, UV_RUN_ONCE);
        ssize_t got = recv(s, out, cap, 0);
        if (got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) return got < 0 ? 0 : got;
    }
    return -1;
}

static unsigned port_of(struct rig *r, const char *code)
{
    struct sim_field *f = sim_field(r->sim);
    for (size_t i = 0; i < f->nports; i++)
        if (strcmp(f->ports[i].code, code) == 0) return f->ports[i].net.port;
    return 0;
}

/* Read `count` registers by function 3 or 4; the number of bytes of data, or -exception. */
static int read_words(struct rig *r, int s, uint8_t unit, uint8_t fc, uint16_t address, uint16_t count, uint16_t *out)
{
    uint8_t a[260], q[12] = {0,
                             1,
                             0,
                             0,
                             0,
                             6,
                             unit,
                             fc,
                             (uint8_t)(address >> 8),
                             (uint8_t)address,
                             (uint8_t)(count >> 8),
                             (uint8_t)count};
    ssize_t n = ask(r, s, q, sizeof q, a, sizeof a, 1000);
    if (n < 9) return -1000;
    if (a[7] & 0x80) return -a[8];
    for (int i = 0; i < a[8] / 2; i++) out[i] = (uint16_t)(a[9 + 2 * i] << 8 | a[10 + 2 * i]);
    return a[8];
}

TEST(demo_values_over_the_wire)
{
    struct rig r;
    REQUIRE(rig_open(&r, 0));
    struct sim_field *f = sim_field(r.sim);
    int t = sim_plan_tag(f->plan, STR("LT-GRD-SAG01.JI")), s = dial(port_of(&r, "LT-GRD"));
    REQUIRE(t >= 0 && s >= 0);
    const struct sim_tag *tag = &f->plan->tags[t];
    uint16_t w[125];
    CHECK_INT(read_words(&r, s, f->plan->devices[tag->device].unit_id, 3, tag->address, 2, w), 4);
    CHECK_DBL(sim_decode(tag, w), sim_process_value(f->process, (size_t)t), 0.01);
    CHECK_INT(read_words(&r, s, f->plan->devices[tag->device].unit_id, 3, 9000, 2, w), -MODBUS_EX_ILLEGAL_ADDRESS);
    CHECK_INT(read_words(&r, s, 240, 3, 0, 2, w), -MODBUS_EX_GATEWAY_TARGET);
    CHECK_INT(f->ports[3].requests, 1);
    CHECK_INT(f->ports[3].registers, 2);
    close(s);
    rig_close(&r);
}

/* Function 16 with a float in the tag's own order. */
static int write_tag(struct rig *r, int s, uint8_t unit, const struct sim_tag *t, double v)
{
    uint16_t w[8];
    uint8_t a[260], q[13 + 16] = {0,
                                  1,
                                  0,
                                  0,
                                  0,
                                  (uint8_t)(7 + 2 * t->words),
                                  unit,
                                  16,
                                  (uint8_t)(t->address >> 8),
                                  (uint8_t)t->address,
                                  0,
                                  t->words,
                                  (uint8_t)(2 * t->words)};
    sim_encode(t, v, NULL, w);
    for (int i = 0; i < t->words; i++) q[13 + 2 * i] = (uint8_t)(w[i] >> 8), q[14 + 2 * i] = (uint8_t)w[i];
    ssize_t n = ask(r, s, q, 13u + 2u * t->words, a, sizeof a, 1000);
    return n < 8 ? -1000 : a[7] & 0x80 ? -a[8] : 0;
}

TEST(set_points_may_be_written_other_tags_not)
{
    struct rig r;
    REQUIRE(rig_open(&r, 0));
    struct sim_field *f = sim_field(r.sim);
    int sp = sim_plan_tag(f->plan, STR("LT-FLT-PAX1.SP")), fi = sim_plan_tag(f->plan, STR("LT-FLT-PAX1.FI"));
    int s = dial(port_of(&r, "LT-FLT"));
    REQUIRE(sp >= 0 && fi >= 0 && s >= 0);
    uint8_t unit = f->plan->devices[f->plan->tags[sp].device].unit_id;
    CHECK_INT(write_tag(&r, s, unit, &f->plan->tags[sp], 512), 0);
    CHECK_DBL(sim_process_value(f->process, (size_t)sp), 512, 0.01);
    CHECK_INT(write_tag(&r, s, unit, &f->plan->tags[sp], 1e7), -MODBUS_EX_ILLEGAL_VALUE);
    CHECK_INT(write_tag(&r, s, unit, &f->plan->tags[fi], 1), -MODBUS_EX_ILLEGAL_ADDRESS);
    close(s);
    rig_close(&r);
}

static bool control(struct rig *r, const char *line, char *out, size_t cap)
{
    int s = dial(sim_control_port(r->sim));
    ssize_t n = s < 0 ? -1 : ask(r, s, line, strlen(line), out, cap - 1, 1000);
    if (s >= 0) close(s);
    out[n > 0 ? n : 0] = '\0';
    return n > 0 && strstr(out, "ok\n") != NULL;
}

TEST(control_commands)
{
    struct rig r;
    char out[16384];
    REQUIRE(rig_open(&r, 0));
    CHECK(control(&r, "help\n", out, sizeof out));
    CHECK(strstr(out, "break") != NULL);
    CHECK(control(&r, "start F09\n", out, sizeof out));
    CHECK(control(&r, "faults\n", out, sizeof out));
    CHECK(strstr(out, "F09 LT active") != NULL);
    CHECK(control(&r, "stop F09\n", out, sizeof out));
    CHECK(!control(&r, "start F77\n", out, sizeof out));
    CHECK(strstr(out, "error: no fault 'F77'") != NULL);
    CHECK(!control(&r, "break nowhere slow\n", out, sizeof out));
    CHECK(!control(&r, "speed -1\n", out, sizeof out));
    CHECK(control(&r, "get JM-CRM-CR01.COIL\n", out, sizeof out));
    CHECK(strncmp(out, "CR01-", 5) == 0);
    rig_close(&r);
}

TEST(broken_servers_behave_as_broken)
{
    struct rig r;
    char out[256];
    uint8_t a[260], q[12] = {0, 9, 0, 0, 0, 6, 1, 3, 0, 0, 0, 2};
    REQUIRE(rig_open(&r, 0));
    unsigned port = port_of(&r, "LT-GRD");
    int s = dial(port);
    CHECK(ask(&r, s, q, sizeof q, a, sizeof a, 1000) == 13);
    CHECK(control(&r, "break LT-GRD freeze\n", out, sizeof out));
    CHECK_INT(ask(&r, s, q, sizeof q, a, sizeof a, 3), -1);
    CHECK(control(&r, "break LT-GRD garbage\n", out, sizeof out));
    CHECK_INT(ask(&r, s, q, sizeof q, a, sizeof a, 1000), 40);
    CHECK(control(&r, "break LT-GRD refuse\n", out, sizeof out));
    uv_run(&r.loop, UV_RUN_NOWAIT);
    CHECK(recv(s, a, sizeof a, 0) == 0);
    CHECK_INT(dial(port), -1);
    close(s);
    CHECK(control(&r, "restore LT-GRD\n", out, sizeof out));
    s = dial(port);
    CHECK(s >= 0 && ask(&r, s, q, sizeof q, a, sizeof a, 1000) == 13);
    close(s);
    rig_close(&r);
}

TEST(big_field_tells_point_and_second)
{
    struct rig r;
    uint16_t w[125] = {0};
    REQUIRE(rig_open(&r, 12500));
    struct sim_field *f = sim_field(r.sim);
    CHECK_INT(f->nports, 2);
    int s = dial(f->ports[1].net.port);
    REQUIRE(s >= 0);
    uv_run(&r.loop, UV_RUN_ONCE);
    CHECK_INT(read_words(&r, s, 3, 3, 100, 125, w), 250); /* points 10 000 + 2 000 + 100 … */
    uint32_t second = (uint16_t)(w[0] - sim_big_value(12100, 0));
    for (int i = 0; i < 125; i++) CHECK_INT(w[i], sim_big_value((size_t)12100 + (size_t)i, second));
    CHECK_INT(read_words(&r, s, 3, 3, 400, 101, w), -MODBUS_EX_ILLEGAL_ADDRESS); /* only 12,500 points */
    struct sim_big_count c = sim_big_count(f->big);
    CHECK_INT(c.values, 125);
    CHECK_INT(c.distinct, 125);
    CHECK_INT(c.untouched, 12375);
    close(s);
    rig_close(&r);
}

TEST(big_field_as_resources)
{
    static const struct {
        const char *kind;
        size_t rows;
    } kinds[] = {{"channel", 2}, {"device", 13}, {"point", 12500}};
    for (int k = 0; k < 3; k++) {
        struct buf b;
        size_t rows = 0;
        buf_init(&b, 4 << 20);
        CHECK_INT(sim_big_write_csv(12500, kinds[k].kind, "127.0.0.1", 7000, &b), 0);
        for (size_t i = 0; i < b.n; i++) rows += b.p[i] == '\n';
        CHECK_INT(rows, kinds[k].rows + 1);
        buf_fini(&b);
    }
    struct buf b;
    buf_init(&b, 1000);
    CHECK_INT(sim_big_write_csv(1, "role", "h", 1, &b), ERR_NOT_FOUND);
    CHECK_INT(sim_big_write_csv(1, "point", "h", 1, &b), 0);
    CHECK_STR(buf_view(&b), "code,name,device,address,type,period,area\r\n"
                            "BIG-000001,BIG-000001,BIG-01-1,400001,uint16,1s,BIG/01\r\n");
    buf_fini(&b);
}

TEST(a_taken_port_is_an_error_that_names_it)
{
    struct rig r;
    struct sim *second;
    struct error e = {0};
    REQUIRE(rig_open(&r, 1000));
    struct sim_config c = {
        .bind = "127.0.0.1", .port = sim_field(r.sim)->ports[0].net.port, .control = -1, .seed = 1, .big = 1000};
    char port[16];
    snprintf(port, sizeof port, "port %u", c.port);
    CHECK_INT(sim_new(&r.loop, &c, &second, &e), ERR_UNAVAILABLE);
    CHECK(strstr(e.text, port) != NULL);
    c.port = 0, c.bind = "no address";
    CHECK_INT(sim_new(&r.loop, &c, &second, &e), ERR_UNAVAILABLE);
    rig_close(&r);
}
