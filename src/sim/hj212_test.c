/* hj212_test.c - the outlets report to a platform that the test plays. */
#include "sim/hj212.h"
#include "base/mem.h"
#include "base/test.h"
#include "proto/hj212_link.h"

#define SIDES 32
struct platform;
struct side {
    uv_tcp_t tcp;
    struct hj212_link link;
    struct platform *p;
    char mn[HJ212_MN_MAX + 1], cp[2048];
    unsigned cn, messages;
    struct hj212_ended last;
    unsigned ended;
};
struct platform {
    uv_loop_t loop;
    uv_tcp_t listener;
    struct side side[SIDES];
    unsigned n, acked, port;
};

static void on_send(void *ctx, const void *p, size_t n)
{
    uv_buf_t b = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
    CHECK_INT(uv_try_write((uv_stream_t *)&((struct side *)ctx)->tcp, &b, 1), (int)n);
}
static int on_message(void *ctx, const struct hj212_message *m, uint64_t token)
{
    struct side *s = ctx;
    str_to_cstr(m->mn, s->mn, sizeof s->mn);
    str_to_cstr(m->cp, s->cp, sizeof s->cp);
    s->cn = m->cn;
    s->messages++;
    if (hj212_wants_answer(m)) hj212_link_acknowledge(&s->link, m), s->p->acked++;
    return 0;
}
static void on_ended(void *ctx, const struct hj212_ended *e)
{
    struct side *s = ctx;
    s->last = *e;
    s->ended++;
}
static const struct hj212_link_ops ops = {on_send, on_message, on_ended, NULL, NULL};

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    static char bytes[16384];
    *buf = uv_buf_init(bytes, sizeof bytes);
}
static void on_read(uv_stream_t *st, ssize_t n, const uv_buf_t *buf)
{
    struct side *s = st->data;
    if (n > 0) hj212_link_receive(&s->link, buf->base, (size_t)n, uv_hrtime());
    if (n < 0) uv_read_stop(st);
}
static void on_connection(uv_stream_t *st, int status)
{
    struct platform *p = st->data;
    struct side *s = &p->side[p->n++];
    s->p = p;
    uv_tcp_init(&p->loop, &s->tcp);
    s->tcp.data = s;
    hj212_link_init(&s->link, &ops, s, true, 480);
    CHECK_INT(uv_accept(st, (uv_stream_t *)&s->tcp), 0);
    uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read);
}

static void listen_on(struct platform *p)
{
    struct sockaddr_in a;
    int len = sizeof a;
    uv_loop_init(&p->loop);
    uv_tcp_init(&p->loop, &p->listener);
    p->listener.data = p;
    uv_ip4_addr("127.0.0.1", 0, &a);
    CHECK_INT(uv_tcp_bind(&p->listener, (struct sockaddr *)&a, 0), 0);
    CHECK_INT(uv_listen((uv_stream_t *)&p->listener, 64, on_connection), 0);
    uv_tcp_getsockname(&p->listener, (struct sockaddr *)&a, &len);
    p->port = ntohs(a.sin_port);
}

#define TURN(p, expr) \
    for (int i_ = 0; i_ < 2000 && !(expr); i_++) uv_run(&(p)->loop, UV_RUN_ONCE); \
    CHECK(expr)

static void ask(struct side *s, unsigned cn, const char *cp, const char *pw)
{
    struct hj212_call c = {.to = {str_of(s->mn), str_of(pw), 32, HJ212_2017},
                           .cn = cn,
                           .cp = str_of(cp),
                           .timeout_ms = 5000,
                           .tries = 1,
                           .now_ns = uv_hrtime(),
                           .now_us = 1470013137000000 + (int64_t)uv_hrtime() / 1000};
    unsigned before = s->ended;
    CHECK(hj212_link_request(&s->link, &c));
    TURN(s->p, s->ended > before);
}

TEST(outlets_report_and_obey)
{
    static struct platform p;
    struct sim_plan *plan;
    struct sim_process *process;
    struct sim_hj212 *h;
    struct buf list;
    struct sim_options o = {.seed = 1, .start_s = 1767225600};
    REQUIRE(sim_plan_load(&plan, NULL) == 0);
    REQUIRE(sim_process_new(plan, &o, &process, NULL) == 0);
    listen_on(&p);
    struct sim_hj212_config c = {"127.0.0.1", p.port, 3600};
    REQUIRE(sim_hj212_new(&p.loop, plan, process, &c, &h, NULL) == 0);
    buf_init(&list, 65536);
    CHECK_INT(sim_hj212_list(plan, &list), 0);
    unsigned lines = 0;
    for (size_t i = 0; i < list.n; i++) lines += list.p[i] == '\n';
    CHECK(lines >= 8 && lines <= SIDES);
    TURN(&p, p.n == lines && p.acked >= lines); /* each has connected and reported */
    for (unsigned i = 0; i < p.n; i++) {
        CHECK_INT(p.side[i].cn, 2011);
        CHECK(strstr(p.side[i].cp, "-Rtd=") != NULL && strstr(p.side[i].cp, "-Flag=N") != NULL);
        CHECK(str_has(buf_view(&list), str_of(p.side[i].mn)));
    }
    struct side *s = &p.side[0];
    ask(s, 1062, "RtdInterval=60", "123456");
    CHECK_INT(s->last.end, HJ212_END_DONE);
    ask(s, 1061, "", "123456");
    CHECK_Z(s->cp, "RtdInterval=60");
    ask(s, 1062, "RtdInterval=0", "123456");
    CHECK_INT(s->last.end, HJ212_END_REFUSED);
    ask(s, 1062, "RtdInterval=60", "000000");
    CHECK_INT(s->last.code, 3);
    ask(s, 2051, "BeginTime=20160801000000,EndTime=20160802000000", "123456");
    CHECK_INT(s->last.code, 100); /* no data */
    ask(s, 3999, "", "123456");
    CHECK_INT(s->last.code, 8);
    ask(s, 2012, "", "123456"); /* a notice */
    CHECK_INT(s->last.end, HJ212_END_DONE);
    sim_hj212_close(h);
    uv_close((uv_handle_t *)&p.listener, NULL);
    for (unsigned i = 0; i < p.n; i++) uv_close((uv_handle_t *)&p.side[i].tcp, NULL);
    uv_run(&p.loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(&p.loop), 0);
    for (unsigned i = 0; i < p.n; i++) hj212_link_fini(&p.side[i].link);
    sim_hj212_free(h);
    sim_process_free(process);
    sim_plan_free(plan);
    buf_fini(&list);
}

TEST(a_host_that_is_no_address)
{
    struct sim_plan *plan;
    struct sim_hj212 *h;
    struct error e = {0};
    uv_loop_t loop;
    REQUIRE(sim_plan_load(&plan, NULL) == 0);
    uv_loop_init(&loop);
    struct sim_hj212_config c = {"nowhere", 9000, 30};
    CHECK_INT(sim_hj212_new(&loop, plan, NULL, &c, &h, &e), ERR_INVALID);
    CHECK(strstr(e.text, "nowhere") != NULL);
    uv_loop_close(&loop);
    sim_plan_free(plan);
}
