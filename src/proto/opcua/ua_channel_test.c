/* Client and server of the channel against each other: each policy and mode, renewal, tampering, floods, wraps. */
#include "base/mem.h"
#include "proto/opcua/ua_channel_int.h"
#include "proto/opcua/ua_test.h"

static struct identity ours, theirs; /* made once: keys take time */
static void identities(void)
{
    if (ours.key != NULL) return;
    ours = identity_by("client", 2048);
    theirs = identity_by("server", 3072); /* over 2048 bits: padding with a high byte */
}

static struct ua_channel_config client_config(enum ua_policy_id policy, enum ua_mode mode)
{
    identities();
    return (struct ua_channel_config){
        .policy = ua_policy_at(policy), .mode = mode, .cert = ours.cert, .key = ours.key, .peer = theirs.cert};
}
static struct ua_channel_config server_config(void)
{
    identities();
    struct ua_channel_config c = {.cert = theirs.cert, .key = theirs.key};
    c.modes[UA_POLICY_NONE] = 1 << UA_MODE_NONE;
    for (unsigned i = 1; i < UA_POLICY_COUNT; i++) c.modes[i] = 1 << UA_MODE_SIGN | 1 << UA_MODE_SIGN_ENCRYPT;
    return c;
}
static void pair_make(struct pair *p, enum ua_policy_id policy, enum ua_mode mode)
{
    struct ua_channel_config c = client_config(policy, mode), s = server_config();
    pair_init(p, &c, &s);
}

static struct ua_read_value_id some_nodes[] = {
    {.node_id = {.i = 2258}, .attribute_id = UA_ATTR_VALUE},
    {.node_id = {.ns = 2, .kind = UA_ID_STRING, .s = {"Tank.Level", 10}}, .attribute_id = UA_ATTR_VALUE},
};
static struct ua_read_request read_request(uint32_t n)
{
    return (struct ua_read_request){
        .header = {.request_handle = 77}, .max_age = 12.5, .nodes_to_read = some_nodes, .nodes_to_read_n = n};
}
/* A request there, an answer with `n` doubles back. */
static void exchange(struct pair *p, uint32_t n)
{
    struct ua_read_request q = read_request(2);
    uint32_t id = 0;
    REQUIRE(ua_channel_send(p->client, UA_T_read_request, &q, &id) == 0);
    struct ua_event ev = carry(p, p->client, p->server);
    REQUIRE(ev.kind == UA_EVENT_MESSAGE && ev.type == UA_T_read_request && ev.status == 0);
    struct ua_read_request *got = ev.value;
    CHECK_INT(ev.handle, 77);
    CHECK_INT(got->nodes_to_read_n, 2);
    CHECK_STR(got->nodes_to_read[1].node_id.s, "Tank.Level");
    double *d = arena_calloc(&p->a, n ? n : 1, sizeof *d);
    for (uint32_t i = 0; i < n; i++) d[i] = i * 0.5;
    struct ua_datavalue v = {.has = UA_HAS_VALUE, .value = ua_variant_array(UA_DOUBLE, d, n)};
    struct ua_read_response r = {.header = {.request_handle = 77}, .results = &v, .results_n = 1};
    REQUIRE(ua_channel_answer(p->server, ev.request_id, UA_T_read_response, &r) == 0);
    ev = carry(p, p->server, p->client);
    REQUIRE(ev.kind == UA_EVENT_MESSAGE && ev.type == UA_T_read_response);
    CHECK_INT(ev.request_id, id);
    struct ua_read_response *back = ev.value;
    REQUIRE(back->results_n == 1 && back->results[0].value.n == n);
    double last = -1;
    CHECK(n == 0 || ua_variant_double(&back->results[0].value, n - 1, &last));
    if (n > 0) CHECK_DBL(last, (n - 1) * 0.5, 0);
}

static const struct {
    enum ua_policy_id policy;
    enum ua_mode mode;
} ways[] = {
    {UA_POLICY_NONE, UA_MODE_NONE},
    {UA_POLICY_BASIC256SHA256, UA_MODE_SIGN},
    {UA_POLICY_BASIC256SHA256, UA_MODE_SIGN_ENCRYPT},
    {UA_POLICY_AES128_SHA256_RSAOAEP, UA_MODE_SIGN},
    {UA_POLICY_AES128_SHA256_RSAOAEP, UA_MODE_SIGN_ENCRYPT},
    {UA_POLICY_AES256_SHA256_RSAPSS, UA_MODE_SIGN},
    {UA_POLICY_AES256_SHA256_RSAPSS, UA_MODE_SIGN_ENCRYPT},
};
#define WAYS (sizeof ways / sizeof *ways)

TEST(every_policy_and_mode_carries_small_and_great_messages)
{
    for (size_t i = 0; i < WAYS; i++) {
        struct pair p;
        pair_make(&p, ways[i].policy, ways[i].mode);
        REQUIRE(pair_open(&p));
        for (uint32_t n = 0; n < 20; n++) exchange(&p, n); /* every length of padding */
        exchange(&p, 100000);                              /* 800 kB: 13 chunks */
        struct ua_channel_info s = ua_channel_info(p.server), c = ua_channel_info(p.client);
        CHECK(s.open && c.open && s.policy == c.policy && s.mode == c.mode && s.channel_id == 42 && c.channel_id == 42);
        CHECK(c.chunks_in > 33 && s.bytes_out == c.bytes_in - 28); /* the ACK is not counted */
        CHECK((s.peer != NULL) == (ways[i].policy != UA_POLICY_NONE));
        ua_channel_close(p.client);
        CHECK_INT(carry(&p, p.client, p.server).kind, UA_EVENT_CLOSED);
        CHECK(ua_channel_over(p.server) && ua_channel_over(p.client));
        pair_fini(&p);
    }
}

TEST(tokens_are_renewed_and_the_old_one_lives_on_for_a_while)
{
    struct pair p;
    pair_make(&p, UA_POLICY_BASIC256SHA256, UA_MODE_SIGN_ENCRYPT);
    REQUIRE(pair_open(&p));
    uint64_t at = ua_channel_tick(p.client, p.now);
    CHECK_INT((at - p.now) / SECOND_NS, 2700); /* 75 % of an hour */
    struct ua_read_request q = read_request(1);
    uint32_t id;
    for (int round = 0; round < 3; round++) {
        p.now = ua_channel_tick(p.client, p.now);
        ua_channel_tick(p.client, p.now);
        CHECK_INT(carry(&p, p.client, p.server).kind, UA_EVENT_RENEWED);
        CHECK_INT(ua_channel_info(p.server).token_id, round + 1); /* not used by the client yet */
        /* a request under the old token crosses the answer of the renewal */
        REQUIRE(ua_channel_send(p.client, UA_T_read_request, &q, &id) == 0);
        CHECK_INT(carry(&p, p.client, p.server).kind, UA_EVENT_MESSAGE);
        REQUIRE(ua_channel_fault(p.server, id, 77, UA_BAD_TIMEOUT, 0) == 0);
        CHECK_INT(carry(&p, p.server, p.client).kind, UA_EVENT_RENEWED);
        struct ua_event ev = {0};
        CHECK(ua_channel_next(p.client, p.now, &p.a, &ev) == 1 && ev.type == UA_T_service_fault);
        exchange(&p, 3);
        CHECK_INT(ua_channel_info(p.server).token_id, round + 2);
        CHECK_INT(ua_channel_info(p.client).token_id, round + 2);
    }
    CHECK_INT(ua_channel_info(p.client).renewals, 3);
    CHECK_INT(ua_channel_info(p.server).renewals, 3);
    pair_fini(&p);
}

TEST(an_idle_client_may_renew_again_and_again)
{
    struct pair p;
    struct ua_read_request q = read_request(1);
    uint32_t id;
    pair_make(&p, UA_POLICY_BASIC256SHA256, UA_MODE_SIGN);
    REQUIRE(pair_open(&p));
    for (int round = 0; round < 3; round++) {
        p.now = ua_channel_tick(p.client, p.now);
        ua_channel_tick(p.client, p.now);
        CHECK_INT(carry(&p, p.client, p.server).kind, UA_EVENT_RENEWED);
        /* before the answer is there the token of the last time is used */
        if (round == 2) REQUIRE(ua_channel_send(p.client, UA_T_read_request, &q, &id) == 0);
        if (round == 2) CHECK_INT(carry(&p, p.client, p.server).type, UA_T_read_request);
        CHECK_INT(carry(&p, p.server, p.client).kind, UA_EVENT_RENEWED);
    }
    exchange(&p, 2);
    CHECK_INT(ua_channel_info(p.server).token_id, 4);
    pair_fini(&p);
}

TEST(a_token_that_is_not_renewed_ends_the_channel)
{
    struct pair p;
    struct ua_event ev;
    pair_make(&p, UA_POLICY_NONE, UA_MODE_NONE);
    REQUIRE(pair_open(&p));
    ua_channel_tick(p.server, p.now + 4499 * SECOND_NS);
    CHECK(!ua_channel_over(p.server));
    ua_channel_tick(p.server, p.now + 4501 * SECOND_NS); /* 125 % of an hour */
    REQUIRE(ua_channel_next(p.server, p.now, &p.a, &ev) == 1);
    CHECK(ev.kind == UA_EVENT_ERROR && ev.status == UA_BAD_SECURE_CHANNEL_CLOSED && !ev.remote);
    CHECK_INT(ua_channel_next(p.server, p.now, &p.a, &ev), ERR_CLOSED);
    pair_fini(&p);

    pair_make(&p, UA_POLICY_NONE, UA_MODE_NONE); /* an expired token is not taken either */
    REQUIRE(pair_open(&p));
    struct ua_read_request q = read_request(1);
    uint32_t id;
    p.now += 4501 * SECOND_NS;
    REQUIRE(ua_channel_send(p.client, UA_T_read_request, &q, &id) == 0);
    ev = carry(&p, p.client, p.server);
    CHECK(ev.kind == UA_EVENT_ERROR && ev.status == UA_BAD_SECURE_CHANNEL_TOKEN_UNKNOWN);
    pair_fini(&p);
}

TEST(who_does_not_open_is_given_up)
{
    struct pair p;
    struct ua_event ev;
    pair_make(&p, UA_POLICY_NONE, UA_MODE_NONE);
    uint64_t at = ua_channel_tick(p.server, p.now);
    CHECK_INT((at - p.now) / SECOND_NS, 10);
    ua_channel_tick(p.server, at);
    REQUIRE(ua_channel_next(p.server, at, &p.a, &ev) == 1);
    CHECK(ev.kind == UA_EVENT_ERROR && ev.status == UA_BAD_TIMEOUT);
    CHECK(ua_channel_out(p.server)->n > 0); /* ERR */
    pair_fini(&p);
}

/* ---- tampering -------------------------------------------------------------------------------------------------- */

/* Flip a bit of each byte of a sealed chunk in turn: it must not open. */
TEST(every_changed_byte_of_a_message_is_noticed)
{
    for (size_t w = 1; w < WAYS; w++) {
        struct ua_suite suite = {ua_policy_at(ways[w].policy), ways[w].mode};
        struct ua_keys keys;
        struct buf chunk, copy;
        struct str plain;
        buf_init(&chunk, 1 << 16);
        buf_init(&copy, 1 << 16);
        ua_keys_derive(suite.policy, STR("secret"), STR("seed"), &keys);
        size_t begin = ua_chunk_begin(&chunk, UA_CHUNK_MSG, 'F');
        buf_add(&chunk, "channeltsequenrequest a body of some length", 43);
        REQUIRE(ua_sym_seal(&suite, &keys, &chunk, begin) == 0);
        buf_str(&copy, buf_view(&chunk));
        REQUIRE(ua_sym_open(&suite, &keys, copy.p, copy.n, &plain));
        CHECK_STR(str_sub(plain, 0, 35), "sequenrequest a body of some length");
        CHECK_INT(plain.n, 35);
        for (size_t at = 0; at < chunk.n; at++) {
            buf_clear(&copy);
            buf_str(&copy, buf_view(&chunk));
            copy.p[at] ^= (uint8_t)(1u << at % 8);
            if (ua_sym_open(&suite, &keys, copy.p, copy.n, &plain))
                test_fail(__FILE__, __LINE__, "%s, mode %d: byte %zu", suite.policy->name, ways[w].mode, at);
        }
        for (size_t n = 0; n < chunk.n; n++) { /* and cut short */
            buf_clear(&copy);
            buf_str(&copy, buf_view(&chunk));
            CHECK(!ua_sym_open(&suite, &keys, copy.p, n, &plain));
        }
        buf_fini(&chunk);
        buf_fini(&copy);
    }
}
TEST(a_changed_message_ends_the_channel)
{
    static const size_t at[] = {8, 12, 16, 20, 24, 60, 100};
    struct ua_read_request q = read_request(1);
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        struct pair p;
        uint32_t id;
        pair_make(&p, UA_POLICY_AES128_SHA256_RSAOAEP, i % 2 ? UA_MODE_SIGN : UA_MODE_SIGN_ENCRYPT);
        REQUIRE(pair_open(&p));
        REQUIRE(ua_channel_send(p.client, UA_T_read_request, &q, &id) == 0);
        ua_channel_out(p.client)->p[at[i]] ^= 1;
        CHECK_INT(carry(&p, p.client, p.server).kind, UA_EVENT_ERROR);
        pair_fini(&p);
    }
}

TEST(every_changed_byte_of_an_opening_is_noticed)
{
    struct pair p;
    struct buf opn;
    buf_init(&opn, 1 << 16);
    pair_make(&p, UA_POLICY_BASIC256SHA256, UA_MODE_SIGN_ENCRYPT);
    ua_channel_start(p.client, p.now);
    struct buf hello;
    buf_init(&hello, 1 << 16);
    buf_str(&hello, buf_view(ua_channel_out(p.client)));
    carry(&p, p.client, p.server);
    carry(&p, p.server, p.client);
    buf_str(&opn, buf_view(ua_channel_out(p.client)));
    for (size_t at = 0; at < opn.n; at += at < 80 ? 7 : 67) {
        struct ua_channel_config s = server_config();
        struct ua_channel *server;
        struct ua_event ev = {0};
        s.random.fill = test_random;
        s.server = true;
        s.channel_id = 1;
        s.check_peer = pair_check;
        s.ctx = &p;
        REQUIRE(ua_channel_new(&s, &server, NULL) == 0);
        REQUIRE(ua_channel_in(server, hello.p, hello.n) == 0 && ua_channel_next(server, 1, &p.a, &ev) == 1);
        opn.p[at] ^= 0x10;
        REQUIRE(ua_channel_in(server, opn.p, opn.n) == 0);
        int rc = ua_channel_next(server, 1, &p.a, &ev);
        opn.p[at] ^= 0x10;
        bool channel_or_size = at >= 4 && at < 12; /* size: waits; channel 0 of the first opening counts for nothing */
        if (!(rc == 1 && ev.kind == UA_EVENT_ERROR) && !channel_or_size)
            test_fail(__FILE__, __LINE__, "byte %zu of %zu", at, opn.n);
        ua_channel_free(server);
    }
    buf_fini(&opn);
    buf_fini(&hello);
    pair_fini(&p);
}

TEST(a_message_sent_twice_is_noticed)
{
    struct pair p;
    struct ua_event ev;
    struct ua_read_request q = read_request(1);
    uint32_t id;
    pair_make(&p, UA_POLICY_AES256_SHA256_RSAPSS, UA_MODE_SIGN);
    REQUIRE(pair_open(&p));
    REQUIRE(ua_channel_send(p.client, UA_T_read_request, &q, &id) == 0);
    struct buf *out = ua_channel_out(p.client);
    REQUIRE(ua_channel_in(p.server, out->p, out->n) == 0);
    REQUIRE(ua_channel_next(p.server, p.now, &p.a, &ev) == 1 && ev.kind == UA_EVENT_MESSAGE);
    ev = carry(&p, p.client, p.server);
    CHECK(ev.kind == UA_EVENT_ERROR && ev.status == UA_BAD_SEQUENCE_NUMBER_INVALID);
    ev = carry(&p, p.server, p.client); /* and the server says so */
    CHECK(ev.kind == UA_EVENT_ERROR && ev.remote && ev.status == UA_BAD_SEQUENCE_NUMBER_INVALID);
    pair_fini(&p);
}

TEST(an_untrusted_client_is_told_no_more_than_that_security_failed)
{
    struct pair p;
    pair_make(&p, UA_POLICY_BASIC256SHA256, UA_MODE_SIGN);
    p.peer_status = UA_BAD_CERTIFICATE_UNTRUSTED;
    ua_channel_start(p.client, p.now);
    carry(&p, p.client, p.server);
    carry(&p, p.server, p.client);
    struct ua_event ev = carry(&p, p.client, p.server);
    CHECK(ev.kind == UA_EVENT_ERROR && ev.status == UA_BAD_CERTIFICATE_UNTRUSTED);
    ev = carry(&p, p.server, p.client);
    CHECK(ev.kind == UA_EVENT_ERROR && ev.remote && ev.status == UA_BAD_SECURITY_CHECKS_FAILED && ev.text.n == 0);
    pair_fini(&p);
}

TEST(policies_and_modes_that_are_not_allowed_are_refused)
{
    struct pair p;
    struct ua_channel_config c = client_config(UA_POLICY_BASIC256SHA256, UA_MODE_SIGN), s = server_config();
    s.modes[UA_POLICY_BASIC256SHA256] = 1 << UA_MODE_SIGN_ENCRYPT;
    pair_init(&p, &c, &s);
    CHECK(!pair_open(&p));
    struct ua_event ev = carry(&p, p.server, p.client);
    CHECK(ev.kind == UA_EVENT_ERROR && ev.status == UA_BAD_SECURITY_MODE_REJECTED);
    pair_fini(&p);
    s.modes[UA_POLICY_BASIC256SHA256] = 0;
    pair_init(&p, &c, &s);
    CHECK(!pair_open(&p));
    ev = carry(&p, p.server, p.client);
    CHECK(ev.kind == UA_EVENT_ERROR && ev.status == UA_BAD_SECURITY_POLICY_REJECTED);
    pair_fini(&p);
    c.mode = UA_MODE_NONE;
    c.random.fill = test_random;
    c.endpoint_url = STR("opc.tcp://x");
    struct error e = {0};
    CHECK_INT(ua_channel_new(&c, &p.client, &e), ERR_INVALID);
    CHECK(strstr(e.text, "None") != NULL && e.text_zh[0] != 0);
}

TEST(a_server_with_another_certificate_is_refused)
{
    struct pair p;
    identities();
    struct identity other = identity_of("other", ours.key, NULL, NULL);
    struct ua_channel_config c = client_config(UA_POLICY_BASIC256SHA256, UA_MODE_SIGN), s = server_config();
    c.peer = other.cert;
    pair_init(&p, &c, &s);
    CHECK(!pair_open(&p)); /* its thumbprint is not the server's */
    CHECK_INT(carry(&p, p.server, p.client).status, UA_BAD_SECURITY_CHECKS_FAILED);
    pair_fini(&p);
    identity_free(&other);
}

/* ---- hello --------------------------------------------------------------------------------------------------------
 */

static void put_hello(struct buf *b, uint32_t receive, uint32_t send, uint32_t message, uint32_t chunks, struct str url)
{
    buf_add(b, "HELF", 4);
    buf_u32le(b, (uint32_t)(32 + url.n));
    buf_u32le(b, 0);
    buf_u32le(b, receive);
    buf_u32le(b, send);
    buf_u32le(b, message);
    buf_u32le(b, chunks);
    buf_u32le(b, (uint32_t)url.n);
    buf_str(b, url);
}
static uint32_t hello_status(uint32_t receive, uint32_t send, size_t url_n)
{
    struct pair p;
    struct ua_event ev = {0};
    struct buf b;
    static char url[5000];
    memset(url, 'u', sizeof url);
    buf_init(&b, 1 << 16);
    pair_make(&p, UA_POLICY_NONE, UA_MODE_NONE);
    put_hello(&b, receive, send, 0, 0, str_make(url, url_n));
    if (ua_channel_in(p.server, b.p, b.n) != 0 || ua_channel_next(p.server, 1, &p.a, &ev) != 1) ev.status = 1;
    if (ev.kind == UA_EVENT_ACK) CHECK_INT(ev.text.n, url_n);
    buf_fini(&b);
    pair_fini(&p);
    return ev.status;
}
TEST(hello_is_held_against_its_limits)
{
    CHECK_INT(hello_status(8192, 8192, 4096), 0);
    CHECK_INT(hello_status(8191, 8192, 10), UA_BAD_TCP_NOT_ENOUGH_RESOURCES);
    CHECK_INT(hello_status(8192, 100, 10), UA_BAD_TCP_NOT_ENOUGH_RESOURCES);
    CHECK_INT(hello_status(8192, 8192, 4097), UA_BAD_TCP_ENDPOINT_URL_INVALID);
}

TEST(small_buffers_and_limits_of_the_peer_are_kept)
{
    struct pair p;
    struct ua_channel_config c = client_config(UA_POLICY_BASIC256SHA256, UA_MODE_SIGN_ENCRYPT), s = server_config();
    c.receive_buffer = 8192;
    c.limits = ua_limits_default;
    c.limits.message = 20000;
    c.limits.chunks = 3;
    pair_init(&p, &c, &s);
    REQUIRE(pair_open(&p));
    CHECK_INT(ua_channel_info(p.server).peer_receive_buffer, 8192);
    exchange(&p, 2400); /* 19,200 bytes, 3 chunks */
    static double d[4000];
    struct ua_datavalue v = {.has = UA_HAS_VALUE, .value = ua_variant_array(UA_DOUBLE, d, 2600)};
    struct ua_read_response r = {.results = &v, .results_n = 1};
    CHECK_INT(ua_channel_answer(p.server, 1, UA_T_read_response, &r), ERR_TOO_LARGE);
    CHECK_INT(ua_channel_out(p.server)->n, 0);
    REQUIRE(ua_channel_fault(p.server, 1, 5, UA_BAD_RESPONSE_TOO_LARGE, 0) == 0);
    CHECK_INT(carry(&p, p.server, p.client).type, UA_T_service_fault);
    pair_fini(&p);
}

TEST(a_server_can_call_a_client)
{
    struct pair p;
    pair_make(&p, UA_POLICY_NONE, UA_MODE_NONE);
    ua_channel_call(p.server, STR("urn:server"), STR("opc.tcp://plant:4840"));
    struct ua_event ev = carry(&p, p.server, p.client);
    REQUIRE(ev.kind == UA_EVENT_REVERSE);
    CHECK_STR(ev.text, "urn:server");
    CHECK_STR(ev.text2, "opc.tcp://plant:4840");
    CHECK(pair_open(&p));
    exchange(&p, 1);
    pair_fini(&p);
}

/* ---- chunks that a hostile or clumsy peer sends
 * ---------------------------------------------------------------------- */

static uint32_t chunk_sequence;
static void put_msg(struct buf *b, char kind, uint32_t request, size_t n)
{
    static const uint8_t zeros[1 << 16];
    buf_add(b, "MSG", 3);
    buf_u8(b, (uint8_t)kind);
    buf_u32le(b, (uint32_t)(24 + n));
    buf_u32le(b, 42);
    buf_u32le(b, 1);
    buf_u32le(b, ++chunk_sequence);
    buf_u32le(b, request);
    buf_add(b, zeros, n);
}
/* Feed and give the last event before nothing more comes. */
static struct ua_event feed(struct pair *p, const struct buf *b)
{
    struct ua_event ev = {0}, last = {0};
    if (ua_channel_in(p->server, b->p, b->n) != 0) test_fail(__FILE__, __LINE__, "in");
    while (ua_channel_next(p->server, p->now, &p->a, &ev) == 1) last = ev;
    return last;
}
static void open_with(struct pair *p, struct ua_limits limits)
{
    struct ua_channel_config c = client_config(UA_POLICY_NONE, UA_MODE_NONE), s = server_config();
    s.limits = limits;
    pair_init(p, &c, &s);
    CHECK(pair_open(p));
    chunk_sequence = 1; /* the opening was the first */
}

TEST(chunk_floods_are_bounded)
{
    struct ua_limits l = ua_limits_default;
    struct pair p;
    struct buf b;
    buf_init(&b, 16 << 20);
    l.partial = 4, l.chunks = 10, l.message = 100000;
    open_with(&p, l); /* chunks of many requests, none ever finished */
    for (uint32_t i = 0; i < 100; i++) put_msg(&b, 'C', 100 + i, 100);
    struct ua_event ev = feed(&p, &b);
    CHECK(ev.kind == UA_EVENT_ERROR && ev.status == UA_BAD_TCP_NOT_ENOUGH_RESOURCES);
    CHECK(ua_channel_info(p.server).partial_n <= 4);
    pair_fini(&p);
    buf_clear(&b);
    open_with(&p, l); /* endless small ones */
    for (uint32_t i = 0; i < 20; i++) put_msg(&b, 'C', 1, 1);
    ev = feed(&p, &b);
    CHECK(ev.kind == UA_EVENT_ERROR && ev.status == UA_BAD_TCP_MESSAGE_TOO_LARGE);
    pair_fini(&p);
    buf_clear(&b);
    open_with(&p, l); /* great ones, spread over requests */
    for (uint32_t i = 0; i < 4; i++) put_msg(&b, 'C', i, 30000);
    ev = feed(&p, &b);
    CHECK(ev.kind == UA_EVENT_ERROR && ev.status == UA_BAD_TCP_MESSAGE_TOO_LARGE);
    CHECK(ua_channel_info(p.server).partial_bytes <= 100000);
    pair_fini(&p);
    buf_fini(&b);
}

TEST(interleaved_messages_are_put_together_and_abort_frees)
{
    struct pair p;
    struct buf b;
    buf_init(&b, 1 << 20);
    open_with(&p, ua_limits_default);
    put_msg(&b, 'C', 5, 1000);
    put_msg(&b, 'C', 6, 1000);
    put_msg(&b, 'C', 7, 500);
    feed(&p, &b);
    CHECK_INT(ua_channel_info(p.server).partial_n, 3);
    CHECK_INT(ua_channel_info(p.server).partial_bytes, 2500);
    buf_clear(&b);
    put_msg(&b, 'A', 6, 8); /* status 0 and an empty reason */
    struct ua_event ev = feed(&p, &b);
    CHECK(ev.kind == UA_EVENT_ABORTED && ev.request_id == 6 && ev.status == UA_BAD_COMMUNICATION_ERROR);
    buf_clear(&b);
    put_msg(&b, 'F', 7, 10);
    ev = feed(&p, &b);
    CHECK(ev.kind == UA_EVENT_MESSAGE && ev.request_id == 7 && ev.raw.n == 510);
    CHECK_INT(ev.status, UA_BAD_SERVICE_UNSUPPORTED); /* zeros are no service */
    CHECK_INT(ua_channel_info(p.server).partial_bytes, 1000);
    buf_fini(&b);
    pair_fini(&p);
}

static const struct {
    const char *bytes;
    size_t n;
    uint32_t status;
} wrong[] = {
    {"GET / HTTP/1.1\r\n\r\n", 18, UA_BAD_TCP_MESSAGE_TYPE_INVALID},
    {"HELC\x08\0\0\0", 8, UA_BAD_TCP_MESSAGE_TYPE_INVALID},
    {"HELF\x07\0\0\0", 8, UA_BAD_TCP_MESSAGE_TYPE_INVALID},
    {"MSGF\xff\xff\xff\xff", 8, UA_BAD_TCP_MESSAGE_TOO_LARGE},
    {"MSGF\x08\0\0\0", 8, UA_BAD_TCP_MESSAGE_TYPE_INVALID},
    {"ACKF\x08\0\0\0", 8, UA_BAD_TCP_MESSAGE_TYPE_INVALID},
    {"OPNF\x10\0\0\0\0\0\0\0\xff\xff\xff\x7f", 16, UA_BAD_SECURITY_POLICY_REJECTED},
    {"MSGF\x18\0\0\0\x63\0\0\0\1\0\0\0\2\0\0\0\1\0\0\0", 24, UA_BAD_TCP_SECURE_CHANNEL_UNKNOWN},
    {"MSGF\x18\0\0\0\x2a\0\0\0\x63\0\0\0\2\0\0\0\1\0\0\0", 24, UA_BAD_SECURE_CHANNEL_TOKEN_UNKNOWN},
    {"MSGF\x18\0\0\0\x2a\0\0\0\1\0\0\0\x09\0\0\0\1\0\0\0", 24, UA_BAD_SEQUENCE_NUMBER_INVALID},
};
TEST(what_is_wrong_on_an_open_channel_ends_it)
{
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct pair p;
        struct buf b;
        buf_init(&b, 100);
        open_with(&p, ua_limits_default);
        buf_add(&b, wrong[i].bytes, wrong[i].n);
        struct ua_event ev = feed(&p, &b);
        if (ev.kind != UA_EVENT_ERROR || ev.status != wrong[i].status)
            test_fail(__FILE__, __LINE__, "row %zu: event %d status %s", i, ev.kind, ua_status_name(ev.status));
        CHECK(ua_channel_over(p.server) && ua_channel_out(p.server)->n > 0);
        buf_fini(&b);
        pair_fini(&p);
    }
}

TEST(bytes_may_come_one_by_one)
{
    struct pair p;
    struct ua_event ev = {0};
    uint32_t id;
    struct ua_read_request q = read_request(2);
    pair_make(&p, UA_POLICY_BASIC256SHA256, UA_MODE_SIGN_ENCRYPT);
    REQUIRE(pair_open(&p));
    REQUIRE(ua_channel_send(p.client, UA_T_read_request, &q, &id) == 0);
    struct buf *out = ua_channel_out(p.client);
    int events = 0;
    for (size_t i = 0; i < out->n; i++) {
        REQUIRE(ua_channel_in(p.server, out->p + i, 1) == 0);
        int rc = ua_channel_next(p.server, p.now, &p.a, &ev);
        CHECK_INT(rc, i + 1 == out->n ? 1 : 0);
        events += rc;
    }
    CHECK_INT(events, 1);
    CHECK_INT(ev.type, UA_T_read_request);
    pair_fini(&p);
}

/* Starts of both directions shortly before the wrap: OPC 10000-6, 6.7.2.4. */
TEST(sequence_numbers_wrap)
{
    static const uint32_t starts[] = {UINT32_MAX - 1024 - 5, UINT32_MAX - 1024, (1u << 31) - 5, (1u << 16) - 5};
    for (size_t i = 0; i < 4; i++) {
        struct pair p;
        struct ua_channel_config c = client_config(UA_POLICY_BASIC256SHA256, UA_MODE_SIGN), s = server_config();
        c.first_sequence = s.first_sequence = starts[i];
        pair_init(&p, &c, &s);
        REQUIRE(pair_open(&p));
        for (int k = 0; k < 15; k++) exchange(&p, 1);
        CHECK(!ua_channel_over(p.server) && !ua_channel_over(p.client));
        pair_fini(&p);
    }
    struct pair p; /* a peer that counts to the very end, and on from 0 */
    struct buf b;
    struct ua_channel_config c = client_config(UA_POLICY_NONE, UA_MODE_NONE), s = server_config();
    buf_init(&b, 1 << 16);
    c.first_sequence = UINT32_MAX - 1025;
    pair_init(&p, &c, &s);
    REQUIRE(pair_open(&p));
    chunk_sequence = UINT32_MAX - 1025;
    for (uint32_t i = 0; i < 1030; i++) put_msg(&b, 'F', i + 2, 2);
    struct ua_event ev = feed(&p, &b);
    CHECK(ev.kind == UA_EVENT_MESSAGE && ev.request_id == 1031);
    buf_fini(&b);
    pair_fini(&p);
}

TEST(memory_that_runs_out_is_an_error_and_no_crash)
{
    for (uint64_t nth = 1; nth < 60; nth++) {
        struct pair p;
        pair_make(&p, UA_POLICY_NONE, UA_MODE_NONE);
        if (!pair_open(&p)) return;
        struct ua_read_request q = read_request(2);
        uint32_t id;
        mem_fail_at(nth, true);
        if (ua_channel_send(p.client, UA_T_read_request, &q, &id) == 0) {
            struct ua_event ev = {0};
            struct buf *out = ua_channel_out(p.client);
            if (ua_channel_in(p.server, out->p, out->n) == 0) {
                int rc = ua_channel_next(p.server, p.now, &p.a, &ev);
                if (rc == 1 && ev.kind == UA_EVENT_MESSAGE) CHECK(ev.status != 0 || ev.value != NULL);
            }
        }
        mem_fail_at(0, false);
        pair_fini(&p);
    }
}

TEST(chunks_in_words)
{
    struct pair p;
    struct buf en, zh;
    buf_init(&en, 4096);
    buf_init(&zh, 4096);
    pair_make(&p, UA_POLICY_NONE, UA_MODE_NONE);
    REQUIRE(pair_open(&p));
    struct ua_read_request q = read_request(1);
    uint32_t id;
    REQUIRE(ua_channel_send(p.client, UA_T_read_request, &q, &id) == 0);
    ua_chunk_describe(buf_view(ua_channel_out(p.client)), &en, &zh);
    CHECK_Z(buf_cstr(&en), "message (MSG), 91 bytes, channel 42, token 1, ReadRequest, sequence 2, request 2");
    CHECK_Z(buf_cstr(&zh), "报文（MSG），91 字节，通道 42，令牌 1，ReadRequest，序号 2，请求 2");
    buf_fini(&en);
    buf_fini(&zh);
    pair_fini(&p);
}
