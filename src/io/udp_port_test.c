/* Two ports on one loop: to a peer, to anybody, to a group; nobody there; a port that is taken; closing in a callback.
 */
#include "io/udp_port.h"
#include "base/str.h"
#include "base/test.h"

struct end {
    struct udp_port *u;
    unsigned opened, got, lost, refused;
    bool closed, close_on_data;
    char last[64], host[64];
    uint16_t port;
    struct error why;
};
static uv_loop_t loop;

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}
static void on_opened(void *ctx)
{
    ((struct end *)ctx)->opened++;
}
static void on_datagram(void *ctx, const uint8_t *p, size_t n, const char *host, uint16_t port)
{
    struct end *e = ctx;
    e->got++;
    e->port = port;
    str_to_cstr(str_make((const char *)p, n), e->last, sizeof e->last);
    str_to_cstr(str_of(host), e->host, sizeof e->host);
    if (e->close_on_data) udp_port_close(e->u, on_closed, &e->closed);
}
static void on_lost(void *ctx, const struct error *why)
{
    struct end *e = ctx;
    e->lost++;
    e->why = *why;
}
static void on_refused(void *ctx)
{
    ((struct end *)ctx)->refused++;
}
static const struct udp_port_ops ops = {on_opened, on_datagram, on_lost, on_refused};

#define UNTIL(expr) \
    do { \
        for (int k_ = 0; k_ < 100000 && !(expr); k_++) uv_run(&loop, UV_RUN_NOWAIT); \
        CHECK(expr); \
    } while (0)

static void end_open(struct end *e, struct udp_port_config c)
{
    *e = (struct end){0};
    CHECK_INT(udp_port_open(&loop, &c, &ops, e, &e->u, &e->why), 0);
    CHECK_INT(e->opened, 0); /* never from inside */
    UNTIL(e->opened == 1);
}
static void end_close(struct end *e)
{
    udp_port_close(e->u, on_closed, &e->closed);
    UNTIL(e->closed);
}

TEST(to_a_peer_and_back)
{
    struct end server, client;
    uv_loop_init(&loop);
    end_open(&server, (struct udp_port_config){.address = "127.0.0.1"});
    end_open(&client, (struct udp_port_config){.peer = "127.0.0.1", .peer_port = (uint16_t)udp_port_number(server.u)});
    CHECK_INT(udp_port_send(client.u, "hello", 5), 0);
    UNTIL(server.got == 1);
    CHECK_Z(server.last, "hello");
    CHECK_Z(server.host, "127.0.0.1");
    CHECK_INT(server.port, udp_port_number(client.u));
    CHECK_INT(udp_port_send_to(server.u, "back", 4, server.host, server.port), 0);
    UNTIL(client.got == 1);
    CHECK_Z(client.last, "back");
    udp_port_read(server.u, false);
    CHECK_INT(udp_port_send(client.u, "later", 5), 0);
    for (int i = 0; i < 100; i++) uv_run(&loop, UV_RUN_NOWAIT);
    CHECK_INT(server.got, 1);
    udp_port_read(server.u, true);
    UNTIL(server.got == 2); /* the system kept it */
    server.close_on_data = true;
    CHECK_INT(udp_port_send(client.u, "end", 3), 0);
    UNTIL(server.closed);
    for (int i = 0; i < 1000 && !client.refused; i++) {
        int rc = udp_port_send(client.u, "x", 1);
        CHECK(rc == 0 || rc == ERR_UNAVAILABLE);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    CHECK_INT(client.lost, 0); /* nobody there is no end */
    end_close(&client);
    CHECK_INT(uv_loop_close(&loop), 0);
}

TEST(names_groups_and_what_is_wrong)
{
    struct end a, b;
    struct error e;
    static uint8_t huge[70000];
    uv_loop_init(&loop);
    end_open(&a, (struct udp_port_config){.peer = "localhost", .peer_port = 9});
    CHECK_INT(udp_port_send(a.u, huge, sizeof huge), ERR_TOO_LARGE);
    end_close(&a);
    end_open(&a, (struct udp_port_config){.address = "127.0.0.1"});
    struct udp_port_config taken = {.address = "127.0.0.1", .port = (uint16_t)udp_port_number(a.u)};
    CHECK_INT(udp_port_open(&loop, &taken, &ops, &b, &b.u, &e), ERR_UNAVAILABLE);
    CHECK(strstr(e.text, "taken by another program"));
    CHECK_INT(udp_port_open(&loop, &(struct udp_port_config){.address = "here"}, &ops, &b, &b.u, &e), ERR_INVALID);
    CHECK_Z(e.where, "address");
    CHECK_INT(udp_port_open(&loop, &(struct udp_port_config){.group = "10.0.0.1"}, &ops, &b, &b.u, &e), ERR_INVALID);
    CHECK_Z(e.where, "group");
    CHECK_INT(udp_port_open(&loop, &(struct udp_port_config){.interface = "nowhere"}, &ops, &b, &b.u, &e), ERR_INVALID);
    CHECK_Z(e.where, "interface");
    end_close(&a);
    end_open(&a, (struct udp_port_config){.group = "239.192.7.7", .interface = "127.0.0.1"});
    end_open(&b, (struct udp_port_config){
                     .peer = "239.192.7.7", .peer_port = (uint16_t)udp_port_number(a.u), .interface = "127.0.0.1"});
    CHECK_INT(udp_port_send(b.u, "all", 3), 0);
    UNTIL(a.got == 1);
    CHECK_Z(a.last, "all");
    udp_port_close(a.u, on_closed, &a.closed);
    udp_port_close(b.u, on_closed, &b.closed);
    UNTIL(a.closed && b.closed);
    for (int i = 0; i < 10; i++) uv_run(&loop, UV_RUN_NOWAIT);
    CHECK_INT(uv_loop_close(&loop), 0);
}
