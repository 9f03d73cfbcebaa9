/* The API behind the real server: sign-in over a socket, the change stream, its end on revocation. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "core/api/api_test.h"
#include "core/event.h"

static int dial(unsigned port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    CHECK_INT(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static void say(int fd, const char *method, const char *target, const char *cookie, const char *body)
{
    char text[2048];
    int n = snprintf(
        text, sizeof(text),
        "%s %s HTTP/1.1\r\nHost: x\r\nX-Bornite: 1\r\nCookie: bornite_session=%s\r\nContent-Type: application/json\r\n"
        "Content-Length: %zu\r\n\r\n%s",
        method, target, cookie, strlen(body), body);
    CHECK_INT(write(fd, text, (size_t)n), n);
}

/* Reads until `want` has come; false at the end of the stream or after the time limit. */
static bool read_until(int fd, char *text, size_t cap, const char *want)
{
    size_t n = 0;
    text[0] = 0;
    while (n + 1 < cap && !strstr(text, want)) {
        ssize_t got = read(fd, text + n, cap - 1 - n);
        if (got <= 0) return false;
        n += (size_t)got;
        text[n] = 0;
    }
    return strstr(text, want) != NULL;
}

static bool ends(int fd)
{
    char rest[4096];
    ssize_t got;
    while ((got = read(fd, rest, sizeof(rest))) > 0) {
    }
    return got == 0;
}

static struct http_server *serve(struct rig *r)
{
    struct error e = {0};
    struct http_server *srv = NULL;
    struct http_config cfg = {.route = api_route, .finished = api_finished, .ctx = r->api};
    CHECK_INT(http_server_start(&cfg, &srv, &e), 0);
    api_server_set(r->api, srv);
    return srv;
}

TEST(sign_in_over_a_socket)
{
    struct rig r;
    char text[8192];
    REQUIRE(rig_open(&r, NULL) == 0);
    rig_admin(&r);
    struct http_server *srv = serve(&r);
    int fd = dial(http_server_port(srv));
    say(fd, "GET", "/api/v1/session", "", "");
    CHECK(read_until(fd, text, sizeof(text), "not signed in"));
    CHECK(strncmp(text, "HTTP/1.1 401", 12) == 0);
    say(fd, "POST", "/api/v1/session", "", "{\"login\":\"admin\",\"password\":\"correct horse battery\"}");
    CHECK(read_until(fd, text, sizeof(text), "\"must_set_password\":false"));
    CHECK(strncmp(text, "HTTP/1.1 200", 12) == 0 && strstr(text, "Set-Cookie: bornite_session="));
    say(fd, "GET", "/api/v1/users", r.cookie, "");
    CHECK(read_until(fd, text, sizeof(text), "\"total\":1"));
    close(fd);
    api_server_stop(r.api);
    rig_close(&r);
}

TEST(changes_arrive_and_end_with_the_session)
{
    struct rig r;
    char text[8192], anna[64];
    REQUIRE(rig_open(&r, NULL) == 0);
    rig_admin(&r);
    CHECK_INT(rig_call(&r, "POST", "/api/v1/roles",
                       "{\"code\":\"clerk\",\"name\":\"Clerk\",\"spec\":{\"permissions\":[{\"kinds\":[\"role\"],"
                       "\"actions\":[\"read\"]}]}}"),
              201);
    rig_user(&r, "anna", "clerk", anna);
    struct http_server *srv = serve(&r);
    int fd = dial(http_server_port(srv));
    say(fd, "GET", "/api/v1/watch?from=0&kinds=role,user", anna, "");
    CHECK(read_until(fd, text, sizeof(text), "\"code\":\"clerk\""));
    CHECK(strstr(text, "text/event-stream") && strstr(text, "event: change") && strstr(text, "\"code\":\"viewer\""));
    CHECK(!strstr(text, "\"kind\":\"user\"")); /* she may not read users */
    CHECK_INT(rig_call(&r, "PATCH", "/api/v1/roles/clerk", "{\"name\":\"Clerk 2\"}"), 200);
    CHECK(read_until(fd, text, sizeof(text), "\"op\":\"update\""));
    CHECK_INT(rig_call(&r, "PATCH", "/api/v1/users/anna", "{\"spec\":{\"disabled\":true}}"), 200);
    CHECK(ends(fd));
    close(fd);
    api_server_stop(r.api);
    rig_close(&r);
}

TEST(pokes_reach_who_asked_for_their_topic)
{
    struct rig r;
    char text[8192];
    REQUIRE(rig_open(&r, NULL) == 0);
    rig_admin(&r);
    struct http_server *srv = serve(&r);
    int fd = dial(http_server_port(srv));
    say(fd, "GET", "/api/v1/watch?from=0&kinds=role&topics=alarms,notices", r.cookie, "");
    CHECK(read_until(fd, text, sizeof(text), "\"code\":\"viewer\"")); /* it listens */
    struct event ev = {.topic = "alarm.raised", .title_en = STR("secret text"), .title_zh = STR("")};
    kernel_event(r.kernel, &ev);
    CHECK(read_until(fd, text, sizeof(text), "{\"topic\":\"notices\"}"));
    CHECK(strstr(text, "event: poke") && strstr(text, "{\"topic\":\"alarms\"}") && !strstr(text, "secret text"));
    sim_clock_advance(&r.clock, 1000000);
    api_poke(r.api, "alarms");
    api_poke(r.api, "jobs"); /* not asked for */
    CHECK(read_until(fd, text, sizeof(text), "{\"topic\":\"alarms\"}"));
    CHECK(!strstr(text, "jobs"));
    close(fd);
    api_server_stop(r.api);
    rig_close(&r);
}
