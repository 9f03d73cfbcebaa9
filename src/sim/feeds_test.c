/* feeds_test.c - the services around the plants over real sockets, the client in the same thread; and whether what the
 * demo reads there, and from the other simulators, is what these offer. */
#include "sim/feeds.h"
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/csv.h"
#include "base/test.h"
#include "sim/hj212.h"
#include "sim/iec104.h"
#include "sim/resources.h"

struct rig {
    uv_loop_t loop;
    struct sim_plan *plan;
    struct sim_process *process;
    struct sim_feeds *feeds;
};

static bool rig_open(struct rig *r)
{
    struct sim_options o = {.seed = 1, .start_s = 1767225600};
    struct error e = {0};
    *r = (struct rig){0};
    uv_loop_init(&r->loop);
    return sim_plan_load(&r->plan, &e) == 0 && sim_process_new(r->plan, &o, &r->process, &e) == 0 &&
           sim_feeds_new(&r->loop, r->process, "127.0.0.1", 0, &r->feeds, &e) == 0;
}

static void rig_close(struct rig *r)
{
    sim_feeds_close(r->feeds);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    sim_feeds_free(r->feeds);
    sim_process_free(r->process);
    sim_plan_free(r->plan);
    CHECK_INT(uv_loop_close(&r->loop), 0);
}

/* Say something, turn the loop until `end` came or the peer closed. */
static void ask(struct rig *r, unsigned place, const char *text, const char *end, char *out, size_t cap)
{
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)sim_feeds_port(r->feeds, place)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    size_t n = 0;
    out[0] = '\0';
    CHECK_INT(connect(s, (struct sockaddr *)&at, sizeof at), 0);
    CHECK_INT(send(s, text, strlen(text), MSG_NOSIGNAL), (long long)strlen(text));
    for (int i = 0; i < 10000 && !strstr(out, end); i++) {
        uv_run(&r->loop, UV_RUN_NOWAIT);
        ssize_t got = recv(s, out + n, cap - 1 - n, MSG_DONTWAIT);
        if (got == 0) break;
        if (got > 0) out[n += (size_t)got] = '\0';
    }
    close(s);
    uv_run(&r->loop, UV_RUN_NOWAIT);
}

TEST(http)
{
    struct rig r;
    char out[4096];
    REQUIRE(rig_open(&r));
    ask(&r, 0, "GET /weather HTTP/1.1\r\nHost: x\r\n\r\n", "}", out, sizeof out);
    CHECK(strstr(out, "HTTP/1.1 200 OK\r\n") == out && strstr(out, "\"temperature\":"));
    ask(&r, 0, "GET /prices?x=1 HTTP/1.1\r\n\r\n", "]}", out, sizeof out);
    CHECK(strstr(out, "{\"symbol\":\"CU\",\"price\":7"));
    ask(&r, 0, "GET / HTTP/1.1\r\n\r\n", "}", out, sizeof out);
    CHECK(strstr(out, "HTTP/1.1 404 ") == out);
    ask(&r, 0, "POST /prices HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "}", out, sizeof out);
    CHECK(strstr(out, "HTTP/1.1 405 ") == out);
    ask(&r, 0, "nonsense\r\n\r\n", "}", out, sizeof out);
    CHECK_STR(str_of(out), "");
    rig_close(&r);
}

TEST(weighbridge)
{
    struct rig r;
    char out[256], was[256];
    REQUIRE(rig_open(&r));
    ask(&r, 1, "W\r\n", "\n", out, sizeof out);
    CHECK_STR(str_of(out), "ST,GS,+000000,kg\r\n"); /* nobody on it */
    sim_process_step(r.process, 100);
    ask(&r, 1, "W\r\n", "\n", was, sizeof was);
    CHECK(strlen(was) == strlen(out) && strcmp(was, out) > 0);
    ask(&r, 1, "?\r\n", "\n", out, sizeof out);
    CHECK_STR(str_of(out), "ER,unknown command\r\n");
    rig_close(&r);
}

TEST(board)
{
    struct rig r;
    char out[8];
    REQUIRE(rig_open(&r));
    ask(&r, 2, "one\ntwo\n", "never", out, sizeof out);
    CHECK_INT(sim_feeds_shown(r.feeds), 2);
    rig_close(&r);
}

static bool in_list(struct buf *list, struct str what)
{
    return str_has(buf_view(list), what);
}

static void fill(const char *kind, struct buf *out)
{
    struct sim_places at = {.host = "10.0.0.1", .secret = "hush", .port_base = 7000};
    buf_init(out, 4u << 20);
    CHECK_INT(sim_write_more_csv(kind, &at, out), 0);
}

TEST(places_are_filled_in)
{
    struct buf b;
    for (size_t i = 0; sim_more_kind(i); i++) {
        fill(sim_more_kind(i), &b);
        CHECK(!in_list(&b, STR("{port")) && !in_list(&b, STR("{host}")) && !in_list(&b, STR("{secret}")));
        buf_fini(&b);
    }
    fill("channel", &b);
    CHECK(in_list(&b, STR("\"\"host\"\":\"\"10.0.0.1\"\",\"\"port\"\":7020")));
    CHECK(in_list(&b, STR("\"\"password\"\":\"\"hush\"\"")));
    buf_fini(&b);
    buf_init(&b, 1024);
    struct sim_places at = {.host = "", .secret = ""};
    CHECK_INT(sim_write_more_csv("nothing", &at, &b), ERR_NOT_FOUND);
    buf_fini(&b);
}

/* The plan may grow: its objects' addresses and MNs then move, and the demo's tables with them. */
TEST(addresses_are_those_of_the_plan)
{
    struct rig r;
    struct buf objects, instruments, devices, points;
    struct arena a;
    struct csv c;
    struct str *w;
    size_t n, seen = 0;
    REQUIRE(rig_open(&r));
    arena_init(&a, 4u << 20);
    buf_init(&objects, 1u << 20), buf_init(&instruments, 1u << 20);
    CHECK_INT(sim_iec104_list(r.plan, &objects), 0);
    CHECK_INT(sim_hj212_list(r.plan, &instruments), 0);
    fill("device", &devices), fill("point", &points);
    CHECK(in_list(&objects, STR("1,M_ME_NC:16391,,LT-ELE-FDR01.P,")));
    csv_init(&c, buf_view(&points));
    while (csv_next(&c, &a, &w, &n, NULL) > 0) {
        char line[120];
        bool lt = str_is(w[2], "LT-SUB");
        if (!lt && !str_is(w[2], "HX-SUB")) continue;
        seen++;
        snprintf(line, sizeof line, "\n%d,%.*s,", lt ? 1 : 2, STR_ARG(w[3]));
        if (!in_list(&objects, str_of(line))) test_fail(__FILE__, __LINE__, "%.*s is at no %s", STR_ARG(w[0]), line);
    }
    CHECK_INT(seen, 84);
    csv_init(&c, buf_view(&instruments));
    while (csv_next(&c, &a, &w, &n, NULL) > 0) CHECK(in_list(&devices, w[0]));
    buf_fini(&objects), buf_fini(&instruments), buf_fini(&devices), buf_fini(&points);
    arena_fini(&a);
    rig_close(&r);
}
