/* http_link_test.c - a link against our own HTTP server on its threads: each way to authenticate, tokens that run out
 * and are refused, Retry-After, rate, places, deadlines, other hosts, frames without secrets, closing in the middle. */
#include <signal.h>
#include <stdatomic.h>
#include "base/mem.h"
#include "drivers/common/http_link.h"
#include "drivers/common/testbed.h"

static struct http_server *srv;
static atomic_int tokens, refused; /* tokens given out; answers 401 */
static atomic_int valid;           /* number of the token that is valid */
static atomic_bool busy, token_fails;

static void token(struct http_request *q, struct http_response *r)
{
    bool header = str_is(http_header(q, "authorization"), "Basic aWQ6cyZjcmV0"); /* id:s&cret */
    bool form = str_is(q->body, "grant_type=client_credentials&scope=a%20b&client_id=id&client_secret=s%26cret");
    bool ok = (header && str_is(q->body, "grant_type=client_credentials")) || form;
    r->status = ok && !atomic_load(&token_fails) ? 200 : 400;
    int n = atomic_fetch_add(&tokens, 1) + 1;
    atomic_store(&valid, n);
    buf_printf(&r->body, "{\"access_token\":\"t%d\",\"token_type\":\"bearer\",\"expires_in\":100}", n);
}

static void data(struct http_request *q, struct http_response *r)
{
    char want[40];
    snprintf(want, sizeof want, "Bearer t%d", atomic_load(&valid));
    struct str auth = http_header(q, "authorization");
    if (str_is(q->path, "/oauth") && !str_is(auth, want)) {
        atomic_fetch_add(&refused, 1);
        r->status = 401;
        return;
    }
    if (str_is(q->path, "/busy") && atomic_exchange(&busy, false)) {
        r->status = 429;
        http_set_header(r, "Retry-After", STR("100"));
        return;
    }
    buf_printf(&r->body, "%.*s %.*s|%.*s|%.*s|%.*s", STR_ARG(q->method), STR_ARG(q->target), STR_ARG(auth),
               STR_ARG(http_header(q, "x-api-key")), STR_ARG(http_header(q, "accept")));
}

static int route(void *ctx, struct http_request *q, struct http_route *ret, struct http_response *refuse)
{
    ret->body_max = 1 << 16;
    ret->handler = str_is(q->path, "/token") ? token : data;
    return 0;
}

static const struct option table[] = {HTTP_OPTIONS, {0}};

struct bed {
    uv_loop_t loop;
    struct arena arena;
    struct http_link *l;
    uint64_t skew_ns;
    bool trace, closed;
    unsigned done, frames, bad_frames;
    int code, status;
    bool sent;
    char body[300], text[ERROR_TEXT_MAX], frame[600], words[300];
};

static int64_t now_us(void *ctx)
{
    return 1767225600000000;
}
static uint64_t mono(void *ctx)
{
    return uv_hrtime() + ((struct bed *)ctx)->skew_ns;
}
static void frame(void *ctx, const struct driver_frame *f)
{
    struct bed *b = ctx;
    char zh[300];
    b->frames++;
    b->bad_frames += f->error != NULL;
    if (f->dir == DRIVER_TX) str_to_cstr(str_make((const char *)f->bytes, f->n), b->frame, sizeof b->frame);
    http_link_describe(f, b->words, zh, sizeof zh);
    CHECK(zh[0] && b->words[0]);
}
static void done(void *arg, const struct http_end *end)
{
    struct bed *b = arg;
    b->done++;
    b->sent = end->sent;
    b->code = end->error ? end->error->code : 0;
    b->status = end->reply ? end->reply->status : 0;
    str_to_cstr(end->reply ? end->reply->body : STR(""), b->body, sizeof b->body);
    snprintf(b->text, sizeof b->text, "%s", end->error ? end->error->text : "");
}

static int bed_try(struct bed *b, const char *options, struct error *e)
{
    char full[2000];
    memset(b, 0, sizeof *b);
    uv_loop_init(&b->loop);
    arena_init(&b->arena, 1 << 20);
    b->trace = true;
    snprintf(full, sizeof full, "{\"url\":\"http://127.0.0.1:%u\"%s%s}", http_server_port(srv), options[0] ? "," : "",
             options);
    const struct http_link_host h = {&b->loop, b, now_us, mono, frame, &b->trace};
    return http_link_new(&h, bed_options(b, table, full), &b->l, e);
}
static void bed_open(struct bed *b, const char *options)
{
    struct error e = {0};
    if (bed_try(b, options, &e)) test_fail(__FILE__, __LINE__, "%s: %s", options, e.text);
}
static void bed_close(struct bed *b)
{
    http_link_close(b->l, bed_closed, &b->closed);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    CHECK(b->closed);
    CHECK_INT(uv_loop_close(&b->loop), 0);
    arena_fini(&b->arena);
}
static void start(void)
{
    struct error e = {0};
    struct http_config cfg = {.route = route, .workers = 2};
    signal(SIGPIPE, SIG_IGN);
    atomic_store(&tokens, 0);
    atomic_store(&refused, 0);
    atomic_store(&token_fails, false);
    if (http_server_start(&cfg, &srv, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
}
static struct http_ticket *ask(struct bed *b, struct http_link_call c)
{
    struct http_ticket *t = NULL;
    struct error e = {0};
    unsigned before = b->done;
    if (http_link_ask(b->l, &c, done, b, &t, &e)) test_fail(__FILE__, __LINE__, "%s: %s", c.target, e.text);
    CHECK_INT(b->done, before);
    return t;
}
static void get(struct bed *b, const char *target)
{
    unsigned want = b->done + 1;
    ask(b, (struct http_link_call){.target = target});
    UNTIL(b, b->done == want);
}

TEST(ways_to_authenticate)
{
    static const struct {
        const char *options, *target, *want, *frame;
    } r[] = {
        {"", "/a?x=1", "GET /a?x=1|||*/*", "GET /a?x=1 HTTP/1.1\r\nHost: 127.0.0.1:"},
        {"", "a", "GET /a|||*/*", "GET /a HTTP/1.1"},
        {"\"auth\":\"basic\",\"username\":\"u\",\"password\":\"p\"", "/a", "GET /a|Basic dTpw||*/*",
         "Authorization: ***\r\n"},
        {"\"auth\":\"bearer\",\"token\":\"secret1\",\"headers\":\"Accept: text/csv | X-Other: 1\"", "/a",
         "GET /a|Bearer secret1||text/csv", "Authorization: ***\r\n"},
        {"\"auth\":\"header\",\"key\":\"secret2\"", "/a", "GET /a||secret2|*/*", "X-API-Key: ***\r\n"},
        {"\"auth\":\"query\",\"key_name\":\"k\",\"key\":\"secret &\"", "/a", "GET /a?k=secret%20%26|||*/*",
         "GET /a?k=*** HTTP/1.1"},
        {"\"auth\":\"query\",\"key_name\":\"k\",\"key\":\"secret\"", "/a?b=c", "GET /a?b=c&k=secret|||*/*",
         "GET /a?b=c&k=*** HTTP/1.1"},
    };
    struct bed b;
    start();
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        bed_open(&b, r[i].options);
        get(&b, r[i].target);
        CHECK_Z(b.body, r[i].want);
        if (!strstr(b.frame, r[i].frame) || strstr(b.frame, "secret"))
            test_fail(__FILE__, __LINE__, "frame %s", b.frame);
        CHECK_INT(b.frames, 2);
        CHECK(strstr(b.words, "answer 200: GET /a") == b.words);
        bed_close(&b);
    }
    http_server_stop(srv);
}

TEST(tokens_are_fetched_renewed_and_replaced)
{
    struct bed b;
    char options[300];
    start();
    snprintf(options, sizeof options,
             "\"auth\":\"oauth2\",\"client_id\":\"id\",\"client_secret\":\"s&cret\",\"token_url\":\"http://"
             "127.0.0.1:%u/token\"",
             http_server_port(srv));
    bed_open(&b, options);
    for (int i = 0; i < 3; i++) ask(&b, (struct http_link_call){.target = "/oauth"});
    UNTIL(&b, b.done == 3);
    CHECK_INT(b.status, 200);
    CHECK_INT(atomic_load(&tokens), 1); /* one for all */
    b.skew_ns = 95000000000u;           /* 90 % of its life are over */
    get(&b, "/oauth");
    CHECK_INT(atomic_load(&tokens), 2);
    CHECK_INT(atomic_load(&refused), 0);
    atomic_store(&valid, 99); /* the server forgot it */
    get(&b, "/oauth");
    CHECK_INT(b.status, 200);
    CHECK_INT(atomic_load(&refused), 1);
    CHECK_INT(atomic_load(&tokens), 3);
    atomic_store(&token_fails, true);
    atomic_store(&valid, 99);
    get(&b, "/oauth");
    CHECK_INT(b.code, ERR_UNAUTHENTICATED);
    CHECK(strstr(b.text, "no access token: HTTP 400") && !strstr(b.text, "s&cret"));
    CHECK_INT(http_link_waiting(b.l), 0);
    bed_close(&b);
    atomic_store(&token_fails, false);
    strncat(options, ",\"token_style\":\"body\",\"scope\":\"a b\"", sizeof options - strlen(options) - 1);
    bed_open(&b, options);
    get(&b, "/oauth");
    CHECK_INT(b.status, 200);
    ask(&b, (struct http_link_call){.target = "/oauth"});
    bed_close(&b);
    CHECK_INT(b.code, ERR_CANCELLED);
    http_server_stop(srv);
}

TEST(retry_after_holds_all)
{
    struct bed b;
    start();
    bed_open(&b, "");
    atomic_store(&busy, true);
    get(&b, "/busy");
    CHECK_INT(b.status, 429);
    CHECK_INT(b.bad_frames, 1);
    CHECK(http_link_paused_ms(b.l) > 90000);
    ask(&b, (struct http_link_call){.target = "/busy"});
    for (int i = 0; i < 3; i++) bed_step(&b);
    CHECK_INT(b.done, 1);
    b.skew_ns = 101000000000u;
    CHECK_INT(http_link_paused_ms(b.l), 0);
    ask(&b, (struct http_link_call){.target = "/busy", .urgent = true});
    UNTIL(&b, b.done == 3);
    CHECK_INT(b.status, 200);
    bed_close(&b);
    http_server_stop(srv);
}

TEST(rate_deadlines_cancel)
{
    struct bed b;
    start();
    bed_open(&b, "\"rate\":50,\"parallel\":1");
    uint64_t began = uv_hrtime();
    for (int i = 0; i < 6; i++) ask(&b, (struct http_link_call){.target = "/a"});
    struct http_ticket *t = ask(&b, (struct http_link_call){.target = "/cancelled"});
    http_link_cancel(t);
    UNTIL(&b, b.done == 6);
    CHECK(uv_hrtime() - began >= 95000000); /* five gaps of 20 ms */
    b.skew_ns = 1;
    ask(&b, (struct http_link_call){.target = "/late", .deadline_ns = uv_hrtime() - 1});
    UNTIL(&b, b.done == 7);
    CHECK_INT(b.code, ERR_TIMEOUT);
    CHECK(!b.sent);
    for (int i = 0; i < 5; i++) ask(&b, (struct http_link_call){.target = "/a"});
    bed_close(&b);
    CHECK_INT(b.done, 12);
    CHECK_INT(b.code, ERR_CANCELLED);
    http_server_stop(srv);
}

static char order[20];
static void in_order(void *arg, const struct http_end *end)
{
    snprintf(order + strlen(order), sizeof order - strlen(order), "%s", (const char *)arg);
}

TEST(urgent_ones_go_first_in_their_order)
{
    static const char *const names[] = {"a", "b", "U", "c", "V", "W"};
    struct bed b;
    struct error e = {0};
    start();
    bed_open(&b, "\"parallel\":1");
    for (size_t i = 0; i < 6; i++) {
        const struct http_link_call c = {.target = "/a", .urgent = names[i][0] < 'a'};
        CHECK_INT(http_link_ask(b.l, &c, in_order, (void *)(uintptr_t)names[i], NULL, &e), 0);
    }
    UNTIL(&b, http_link_waiting(b.l) == 0);
    CHECK_Z(order, "UVWabc");
    bed_close(&b);
    http_server_stop(srv);
}

TEST(keys_stay_on_their_host)
{
    struct bed b;
    struct error e = {0};
    char same[100];
    start();
    bed_open(&b, "");
    static const char *const elsewhere[] = {"http://127.0.0.2/x", "https://127.0.0.1/", "http://127.0.0.1:1/"};
    for (size_t i = 0; i < 3; i++) {
        const struct http_link_call c = {.target = elsewhere[i]};
        CHECK_INT(http_link_ask(b.l, &c, done, &b, NULL, &e), ERR_FORBIDDEN);
    }
    snprintf(same, sizeof same, "http://127.0.0.1:%u/next?p=2", http_server_port(srv));
    get(&b, same);
    CHECK_Z(b.body, "GET /next?p=2|||*/*");
    bed_close(&b);
    http_server_stop(srv);
}

TEST(options_that_are_refused)
{
    static const struct {
        const char *json, *where;
    } r[] = {
        {"{\"url\":\"file:///etc/passwd\"}", "url"},
        {"{\"url\":\"http://u:p@host/\"}", "url"},
        {"{\"url\":\"http://host/?a=b\"}", "url"},
        {"{\"url\":\"http://host\",\"headers\":\"no colon\"}", "headers"},
        {"{\"url\":\"http://host\",\"headers\":\"Host: other\"}", "headers"},
        {"{\"url\":\"http://host\",\"headers\":\"A b: c\"}", "headers"},
        {"{\"url\":\"http://host\",\"auth\":\"header\",\"key_name\":\"a b\",\"key\":\"x\"}", "key_name"},
        {"{\"url\":\"http://host\",\"auth\":\"header\",\"key\":\"x\\r\\nEvil: 1\"}", "key"},
        {"{\"url\":\"http://host\",\"auth\":\"bearer\",\"token\":\"a\\nb\"}", "token"},
        {"{\"url\":\"http://"
         "host\",\"auth\":\"oauth2\",\"client_id\":\"a\",\"client_secret\":\"b\",\"token_url\":\"gopher://x\"}",
         "token_url"},
    };
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        struct error e = {0};
        CHECK_INT(http_options_check(bed_options_of(&a, table, r[i].json), &e), ERR_INVALID);
        CHECK_Z(e.where, r[i].where);
        CHECK(e.text[0] && e.text_zh[0]);
    }
    struct bed b;
    struct error e = {0};
    start();
    CHECK_INT(bed_try(&b, "\"tls_ca\":\"rubbish\"", &e), ERR_INVALID);
    CHECK_Z(e.where, "tls_ca");
    CHECK_INT(uv_loop_close(&b.loop), 0);
    arena_fini(&b.arena);
    http_server_stop(srv);
}

TEST(statuses_in_words)
{
    static const struct {
        int status, code;
    } r[] = {{200, 0},
             {204, 0},
             {304, ERR_PROTOCOL},
             {400, ERR_INVALID},
             {401, ERR_UNAUTHENTICATED},
             {403, ERR_FORBIDDEN},
             {404, ERR_NOT_FOUND},
             {408, ERR_LIMIT},
             {429, ERR_LIMIT},
             {500, ERR_UNAVAILABLE},
             {503, ERR_UNAVAILABLE},
             {100, ERR_PROTOCOL}};
    for (size_t i = 0; i < sizeof r / sizeof *r; i++) {
        struct error e = {0};
        const struct http_reply reply = {.status = r[i].status, .body = STR(" {\"why\":\"x\"} ")};
        CHECK_INT(http_reply_error(&reply, &e), r[i].code);
        if (r[i].code) CHECK(strstr(e.text, "{\"why\":\"x\"}") && strstr(e.text_zh, "HTTP"));
    }
}
