/* A listening port that echoes, and clients of tls_stream.h on the same loop; who is let in, and who is not. */
#include "io/tls_server.h"
#include <signal.h>
#include "base/mem.h"
#include "base/str.h"
#include "io/testcert.h"

#define BIG (6u << 20)

struct bed;
struct served {
    struct tls_stream *s;
    struct bed *bed;
    struct served *next;
};
struct bed {
    uv_loop_t loop;
    struct tls_listener *l;
    struct served *all;
    unsigned opened, lost, refused, drained, listener_closed;
    bool refuse, burst; /* burst: the server sends it all at once */
    char name[64], host[64], why[ERROR_TEXT_MAX];
    /* the client */
    struct tls_stream *c;
    unsigned c_opened, c_lost, c_closed;
    struct error c_why;
    size_t sent, got, wrong;
};

/* ---- the server ---- */

static uint8_t pattern(size_t k)
{
    return (uint8_t)(k * 31 + k / 253);
}
static void send_all(struct tls_stream *s)
{
    uint8_t *all = mem_alloc(BIG);
    for (size_t i = 0; i < BIG; i++) all[i] = pattern(i);
    CHECK_INT(tls_stream_write(s, all, BIG), 0);
    CHECK(tls_stream_waiting(s) > 0);
    mem_free(all);
}
static void on_opened(void *ctx)
{
    struct served *v = ctx;
    v->bed->opened++;
    if (v->bed->burst) send_all(v->s);
    if (!tls_stream_name(v->s, v->bed->name, sizeof v->bed->name)) v->bed->name[0] = 0;
    str_to_cstr(str_of(tls_stream_host(v->s)), v->bed->host, sizeof v->bed->host);
    CHECK(tls_stream_port(v->s) > 0);
}
static void on_drained(void *ctx)
{
    ((struct served *)ctx)->bed->drained++;
}
static void on_data(void *ctx, const uint8_t *p, size_t n)
{
    struct served *v = ctx;
    CHECK_INT(tls_stream_write(v->s, p, n), 0);
}
static void drop(struct served *v)
{
    struct served **at = &v->bed->all;
    while (*at != v) at = &(*at)->next;
    *at = v->next;
    tls_stream_close(v->s, NULL, NULL);
    mem_free(v);
}
static void on_lost(void *ctx, const struct error *why)
{
    struct served *v = ctx;
    v->bed->lost++;
    str_to_cstr(str_of(why->text), v->bed->why, sizeof v->bed->why);
    drop(v);
}
static void *on_accept(void *ctx, struct tls_stream *s)
{
    struct bed *b = ctx;
    struct served *v = b->refuse ? NULL : mem_calloc(1, sizeof *v);
    if (v == NULL) return NULL;
    *v = (struct served){s, b, b->all};
    b->all = v;
    tls_stream_on_drained(s, on_drained);
    return v;
}
static void on_refused(void *ctx, const char *host)
{
    struct bed *b = ctx;
    CHECK_Z(host, "127.0.0.1");
    b->refused++;
}
static const struct tls_listener_ops ops = {{on_opened, on_data, on_lost}, on_accept, on_refused};

static void listener_closed(void *arg)
{
    ((struct bed *)arg)->listener_closed++;
}

/* ---- the client: sends BIG bytes, wants them back ---- */

static void c_fill(struct bed *b)
{
    uint8_t block[4096];
    while (b->c && !b->burst && b->sent < BIG && b->sent - b->got < 200000) {
        for (size_t i = 0; i < sizeof block; i++) block[i] = pattern(b->sent + i);
        int rc = tls_stream_write(b->c, block, sizeof block);
        if (rc) CHECK_INT(rc, ERR_CLOSED); /* it will be told */
        if (rc) break;
        b->sent += sizeof block;
    }
}
static void c_closed(void *arg)
{
    ((struct bed *)arg)->c_closed++;
}
static void finish(struct bed *b)
{
    if (b->c) tls_stream_close(TAKE(b->c), c_closed, b);
    if (b->l) tls_listener_close(TAKE(b->l), listener_closed, b);
    while (b->all) drop(b->all);
}
static void c_opened(void *ctx)
{
    struct bed *b = ctx;
    b->c_opened++;
    c_fill(b);
}
static void c_data(void *ctx, const uint8_t *p, size_t n)
{
    struct bed *b = ctx;
    for (size_t i = 0; i < n; i++) b->wrong += p[i] != pattern(b->got++);
    if (b->got == BIG)
        finish(b);
    else
        c_fill(b);
}
static void c_lost(void *ctx, const struct error *why)
{
    struct bed *b = ctx;
    b->c_lost++;
    b->c_why = *why;
    finish(b);
}
static const struct tls_stream_ops c_ops = {c_opened, c_data, c_lost};

static void run(struct bed *b, const struct tls_server *tls, const struct tls_client *client, const char *allow)
{
    struct ip_list list;
    struct error e = {0};
    signal(SIGPIPE, SIG_IGN);
    CHECK_INT(ip_list_parse(allow, &list, &e), 0);
    struct tls_listener_config c = {
        .address = "127.0.0.1", .tls = tls, .allow = &list, .handshake_ms = 2000, .out_max = BIG};
    uv_loop_init(&b->loop);
    if (tls_listener_open(&b->loop, &c, &ops, b, &b->l, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    struct tls_stream_config cc = {
        .host = "127.0.0.1", .port = (uint16_t)tls_listener_port(b->l), .tls = client, .connect_ms = 5000};
    if (tls_stream_open(&b->loop, &cc, &c_ops, b, &b->c, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    CHECK_INT(b->listener_closed, 1);
    CHECK_INT(b->c_closed, 1);
    CHECK_INT(uv_loop_close(&b->loop), 0);
}

TEST(plain_echo)
{
    struct bed b = {0};
    run(&b, NULL, NULL, "");
    CHECK_INT(b.opened, 1);
    CHECK_INT(b.got, BIG);
    CHECK_INT(b.wrong, 0);
    CHECK_Z(b.host, "127.0.0.1");
    CHECK_Z(b.name, "");
}

TEST(what_waited_has_gone)
{
    struct bed b = {.burst = true};
    run(&b, NULL, NULL, "");
    CHECK_INT(b.got, BIG);
    CHECK_INT(b.wrong, 0);
    CHECK_INT(b.drained, 1);
}

TEST(who_is_not_let_in)
{
    struct bed b = {0};
    run(&b, NULL, NULL, "10.0.0.0/8");
    CHECK_INT(b.refused, 1);
    CHECK_INT(b.opened, 0);
    CHECK_INT(b.c_lost, 1);
    struct bed c = {.refuse = true};
    run(&c, NULL, NULL, "127.0.0.0/8");
    CHECK_INT(c.refused, 0);
    CHECK_INT(c.opened, 0);
    CHECK_INT(c.c_lost, 1);
}

static struct testcert server_cert, client_cert, other_cert;

static struct tls_server *server(bool ask, bool optional)
{
    struct tls_server *t = NULL;
    struct error e = {0};
    struct tls_server_config c = {.cert_pem = server_cert.cert,
                                  .key_pem = server_cert.key,
                                  .client_ca_pem = ask ? client_cert.cert : "",
                                  .client_optional = optional,
                                  .alpn = "echo"};
    if (tls_server_new(&c, &t, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    return t;
}
static struct tls_client *client(const struct testcert *own)
{
    struct tls_client *t = NULL;
    struct error e = {0};
    struct tls_client_config c = {.ca_pem = server_cert.cert, .verify = true, .alpn = "echo"};
    if (own) c.cert_pem = own->cert, c.key_pem = own->key;
    if (tls_client_new(&c, &t, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    return t;
}

TEST(tls_with_and_without_certificates_of_clients)
{
    static const struct {
        bool ask, optional;
        const struct testcert *own;
        bool works;
        const char *name;
    } v[] = {{false, false, NULL, true, ""},        {true, false, &client_cert, true, "line 7"},
             {true, false, NULL, false, ""},        {true, true, NULL, true, ""},
             {true, false, &other_cert, false, ""}, {true, true, &other_cert, false, ""}};
    testcert_make(&server_cert, "station", "IP:127.0.0.1");
    testcert_make(&client_cert, "line 7", "DNS:a");
    testcert_make(&other_cert, "stranger", "DNS:b");
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct tls_server *s = server(v[i].ask, v[i].optional);
        struct tls_client *c = client(v[i].own);
        struct bed b = {0};
        run(&b, s, c, NULL);
        CHECK_INT(b.got, v[i].works ? BIG : 0);
        CHECK_INT(b.wrong, 0);
        CHECK_INT(b.opened, v[i].works);
        if (v[i].works) CHECK_Z(b.name, v[i].name);
        if (!v[i].works) CHECK(b.lost == 1 && strstr(b.why, v[i].own ? "not trusted" : "TLS failed"));
        tls_server_free(s);
        tls_client_free(c);
    }
}

TEST(strangers_on_a_tls_port)
{
    testcert_make(&server_cert, "station", "IP:127.0.0.1");
    struct tls_server *s = server(false, false);
    struct bed b = {0};
    run(&b, s, NULL, NULL); /* speaks plain */
    CHECK_INT(b.opened, 0);
    CHECK_INT(b.lost, 1);
    CHECK_INT(b.got, 0);
    tls_server_free(s);
}

TEST(what_cannot_be_listened_on)
{
    struct bed b = {0};
    struct error e = {0};
    struct tls_listener_config c = {.address = "127.0.0.1"};
    struct tls_listener *second = NULL;
    uv_loop_init(&b.loop);
    CHECK_INT(tls_listener_open(&b.loop, &c, &ops, &b, &b.l, &e), 0);
    c.port = (uint16_t)tls_listener_port(b.l);
    CHECK_INT(tls_listener_open(&b.loop, &c, &ops, &b, &second, &e), ERR_UNAVAILABLE);
    CHECK(strstr(e.text, "address already in use") && strstr(e.text_zh, "已被占用"));
    c.address = "rubbish";
    CHECK_INT(tls_listener_open(&b.loop, &c, &ops, &b, &second, &e), ERR_INVALID);
    finish(&b);
    uv_run(&b.loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(&b.loop), 0);
}

TEST(options_that_are_wrong_are_named)
{
    testcert_make(&server_cert, "station", "IP:127.0.0.1");
    testcert_make(&other_cert, "stranger", "DNS:b");
    const struct {
        struct tls_server_config c;
        const char *where;
    } v[] = {{{.cert_pem = ""}, "certificate"},
             {{.cert_pem = server_cert.cert}, "key"},
             {{.cert_pem = "rubbish", .key_pem = server_cert.key}, "certificate"},
             {{.cert_pem = server_cert.cert, .key_pem = other_cert.key}, "key"},
             {{.cert_pem = server_cert.cert, .key_pem = server_cert.key, .client_ca_pem = "x"}, "ca"}};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct tls_server *t = NULL;
        struct error e = {0};
        CHECK_INT(tls_server_new(&v[i].c, &t, &e), ERR_INVALID);
        CHECK_Z(e.where, v[i].where);
        CHECK(t == NULL && e.text[0] && e.text_zh[0]);
    }
}

static void add_address(char *out, int i)
{
    size_t n = strlen(out);
    snprintf(out + n, 24, "10.0.0.%d ", i);
}

TEST(lists_of_addresses)
{
    static const struct {
        const char *list, *address;
        bool in;
    } v[] = {{"10.0.0.7", "10.0.0.7", true},
             {"10.0.0.7", "10.0.0.8", false},
             {"10.1.0.0/16", "10.1.255.3", true},
             {"10.1.0.0/16", "10.2.0.1", false},
             {"10.1.0.0/9", "10.127.0.1", true},
             {"10.1.0.0/9", "10.128.0.1", false},
             {"1.1.1.1, fd00::/8", "fd12::1", true},
             {"1.1.1.1;fd00::/8", "fe80::1", false},
             {"0.0.0.0/0", "8.8.8.8", true},
             {"0.0.0.0/0", "fd00::1", false},
             {"10.0.0.7\n10.0.0.9", "::ffff:10.0.0.9", true},
             {"", "10.0.0.7", false},
             {"::/0", "10.0.0.7", true},
             {"10.0.0.7", "rubbish", false}};
    static const char *const wrong[] = {"10.0.0", "10.0.0.7/33", "fd00::/129", "host", "10.0.0.7/x", "10.0.0.7/", "/8"};
    struct ip_list l;
    struct error e = {0};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        CHECK_INT(ip_list_parse(v[i].list, &l, &e), 0);
        if (ip_list_has(&l, v[i].address) != v[i].in)
            test_fail(__FILE__, __LINE__, "%s in %s", v[i].address, v[i].list);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK_INT(ip_list_parse(wrong[i], &l, &e), ERR_INVALID);
        CHECK(strstr(e.text, wrong[i]) && strstr(e.text_zh, wrong[i]));
    }
    char many[2000] = "";
    for (int i = 0; i < IP_LIST_MAX + 1; i++) add_address(many, i);
    CHECK_INT(ip_list_parse(many, &l, &e), ERR_INVALID);
}
