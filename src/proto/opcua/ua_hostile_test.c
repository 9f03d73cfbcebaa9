/* Peers that break the rules of the connection on purpose: numbers that repeat, limits passed by one, nonces of wrong
 * lengths, floods to a client, chains of certificates without end. */
#include "base/mem.h"
#include "proto/opcua/ua_channel_int.h"
#include "proto/opcua/ua_test.h"

static struct identity ours, theirs;
static void identities(void)
{
    if (ours.key != NULL) return;
    ours = identity_by("client", 2048);
    theirs = identity_by("server", 2048);
}
static void open_pair(struct pair *p, enum ua_policy_id policy, enum ua_mode mode, struct ua_limits l)
{
    identities();
    struct ua_channel_config c = {.policy = ua_policy_at(policy),
                                  .mode = mode,
                                  .cert = ours.cert,
                                  .key = ours.key,
                                  .peer = theirs.cert,
                                  .limits = l},
                             s = {.cert = theirs.cert, .key = theirs.key, .limits = l};
    for (unsigned i = 0; i < UA_POLICY_COUNT; i++) s.modes[i] = i ? 1 << UA_MODE_SIGN : 1 << UA_MODE_NONE;
    pair_init(p, &c, &s);
    CHECK(pair_open(p));
}

/* A chunk of a message by hand, on a channel without security; to the server or to the client. */
static void chunk(struct buf *b, struct pair *p, char kind, uint32_t sequence, uint32_t request, size_t n)
{
    static const uint8_t zeros[1 << 16];
    size_t at = ua_chunk_begin(b, UA_CHUNK_MSG, kind);
    buf_u32le(b, p->client->channel_id);
    buf_u32le(b, p->client->tokens[p->client->sending].id);
    buf_u32le(b, sequence);
    buf_u32le(b, request);
    buf_add(b, zeros, n);
    ua_chunk_end(b, at);
}
static struct ua_event feed(struct pair *p, struct ua_channel *to, struct buf *b)
{
    struct ua_event ev = {0}, last = {0};
    CHECK_INT(ua_channel_in(to, b->p, b->n), 0);
    while (ua_channel_next(to, p->now, &p->a, &ev) == 1) last = ev;
    buf_clear(b);
    return last;
}

TEST(sequence_numbers_follow_one_another)
{
    /* the last one before, the next: does it follow? (OPC 10000-6, 6.7.2.4) */
    static const struct {
        uint32_t before, next;
        bool follows;
    } rows[] = {
        {100, 101, true},
        {100, 100, false}, /* once more */
        {100, 99, false},
        {100, 102, false},
        {100, 0, false},
        {UINT32_MAX - 1025, 1, false}, /* the wrap comes not before 4294966271 */
        {UINT32_MAX - 1025, UINT32_MAX - 1024, true},
        {UINT32_MAX - 1024, 0, true},
        {UINT32_MAX - 1023, 1, true},
        {UINT32_MAX - 1023, 1023, true},
        {UINT32_MAX - 1023, 1024, false},
        {UINT32_MAX, 0, true},
        {UINT32_MAX, UINT32_MAX, false},
        {1u << 31, (1u << 31) - 1, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair p;
        struct buf b;
        buf_init(&b, 1 << 16);
        open_pair(&p, UA_POLICY_NONE, UA_MODE_NONE, ua_limits_default);
        p.server->received = rows[i].before - 1;
        chunk(&b, &p, 'F', rows[i].before, 5, 2);
        CHECK_INT(feed(&p, p.server, &b).kind, UA_EVENT_MESSAGE);
        chunk(&b, &p, 'F', rows[i].next, 6, 2);
        struct ua_event ev = feed(&p, p.server, &b);
        bool right = rows[i].follows ? ev.kind == UA_EVENT_MESSAGE
                                     : ev.kind == UA_EVENT_ERROR && ev.status == UA_BAD_SEQUENCE_NUMBER_INVALID;
        if (!right)
            test_fail(__FILE__, __LINE__, "%u after %u: event %d status %s", rows[i].next, rows[i].before, ev.kind,
                      ua_status_name(ev.status));
        buf_fini(&b);
        pair_fini(&p);
    }
}

TEST(limits_hold_to_the_byte_and_the_chunk)
{
    struct ua_limits l = ua_limits_default;
    l.message = 30000, l.chunks = 4, l.partial = 2;
    for (int more = 0; more < 2; more++) {
        struct pair p;
        struct buf b;
        buf_init(&b, 1 << 20);
        open_pair(&p, UA_POLICY_NONE, UA_MODE_NONE, l);
        chunk(&b, &p, 'C', 2, 9, 20000);
        chunk(&b, &p, 'F', 3, 9, (size_t)(10000 + more)); /* as many bytes as agreed on, and one more */
        struct ua_event ev = feed(&p, p.server, &b);
        CHECK_INT(ev.kind, more ? UA_EVENT_ERROR : UA_EVENT_MESSAGE);
        if (more) CHECK_INT(ev.status, UA_BAD_TCP_MESSAGE_TOO_LARGE);
        pair_fini(&p);
        open_pair(&p, UA_POLICY_NONE, UA_MODE_NONE, l);
        for (uint32_t k = 0; k < 3u + (unsigned)more; k++) chunk(&b, &p, 'C', 2 + k, 9, 10);
        chunk(&b, &p, 'F', 5 + (unsigned)more, 9, 10); /* the fourth, and the fifth */
        ev = feed(&p, p.server, &b);
        CHECK_INT(ev.kind, more ? UA_EVENT_ERROR : UA_EVENT_MESSAGE);
        if (more) CHECK_INT(ev.status, UA_BAD_TCP_MESSAGE_TOO_LARGE);
        buf_fini(&b);
        pair_fini(&p);
    }
    struct pair p; /* our own requests keep to what the peer takes */
    struct ua_read_value_id node = {.node_id = ua_id_str(2, STR("a name of some length, to fill the message"))};
    struct ua_read_value_id nodes[1000];
    struct ua_read_request q = {.nodes_to_read = nodes, .nodes_to_read_n = 1000};
    for (int k = 0; k < 1000; k++) nodes[k] = node;
    uint32_t id;
    open_pair(&p, UA_POLICY_NONE, UA_MODE_NONE, l);
    CHECK_INT(ua_channel_send(p.client, UA_T_read_request, &q, &id), ERR_TOO_LARGE);
    q.nodes_to_read_n = 100;
    CHECK_INT(ua_channel_send(p.client, UA_T_read_request, &q, &id), 0);
    CHECK_INT(carry(&p, p.client, p.server).kind, UA_EVENT_MESSAGE);
    pair_fini(&p);
}

TEST(a_server_that_floods_its_client)
{
    struct ua_limits l = ua_limits_default;
    struct pair p;
    struct buf b;
    l.message = 100000, l.chunks = 10, l.partial = 4;
    buf_init(&b, 16 << 20);
    open_pair(&p, UA_POLICY_NONE, UA_MODE_NONE, l); /* one answer without end */
    for (uint32_t k = 0; k < 20; k++) chunk(&b, &p, 'C', 2 + k, 1, 60000);
    struct ua_event ev = feed(&p, p.client, &b);
    CHECK(ev.kind == UA_EVENT_ERROR && ev.status == UA_BAD_TCP_MESSAGE_TOO_LARGE);
    CHECK(ua_channel_info(p.client).partial_bytes <= 100000);
    pair_fini(&p);
    open_pair(&p, UA_POLICY_NONE, UA_MODE_NONE, l); /* many answers, none finished */
    for (uint32_t k = 0; k < 20; k++) chunk(&b, &p, 'C', 2 + k, 100 + k, 1);
    ev = feed(&p, p.client, &b);
    CHECK(ev.kind == UA_EVENT_ERROR && ev.status == UA_BAD_TCP_NOT_ENOUGH_RESOURCES);
    pair_fini(&p);
    open_pair(&p, UA_POLICY_NONE, UA_MODE_NONE, l); /* a chunk larger than was agreed on */
    static const uint8_t huge[] = {'M', 'S', 'G', 'F', 0, 0, 1, 0};
    buf_add(&b, huge, sizeof huge);
    ev = feed(&p, p.client, &b);
    CHECK(ev.kind == UA_EVENT_ERROR && ev.status == UA_BAD_TCP_MESSAGE_TOO_LARGE);
    pair_fini(&p);
    open_pair(&p, UA_POLICY_NONE, UA_MODE_NONE, l); /* 50,000 tiny messages at once: each is taken, none twice */
    for (uint32_t k = 0; k < 50000; k++) chunk(&b, &p, 'F', 2 + k, k + 1, 2);
    CHECK_INT(ua_channel_in(p.client, b.p, b.n), 0);
    for (uint32_t k = 0; k < 50000; k++) {
        arena_reset(&p.a);
        if (ua_channel_next(p.client, p.now, &p.a, &ev) != 1 || ev.request_id != k + 1) {
            test_fail(__FILE__, __LINE__, "message %u", k);
            break;
        }
    }
    buf_fini(&b);
    pair_fini(&p);
}

/* ---- openings by hand ---------------------------------------------------------------------------------------- */

static struct ua_event opening(struct pair *p, struct ua_open_secure_channel_request q)
{
    struct buf body, out;
    buf_init(&body, 1 << 16);
    buf_init(&out, 1 << 16);
    ua_message_encode(&body, UA_T_open_secure_channel_request, &q);
    CHECK_INT(ua_asym_seal(p->client->suite.policy, ours.cert, ours.key, theirs.cert, p->client->channel_id,
                           ua_ch_next_sequence(p->client), 9, buf_view(&body), &out),
              0);
    struct ua_event ev = feed(p, p->server, &out);
    buf_fini(&body);
    buf_fini(&out);
    return ev;
}
TEST(nonces_of_wrong_lengths)
{
    static const char bytes[65] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    static const size_t lengths[] = {0, 1, 16, 31, 33, 64, 32};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct pair p;
        open_pair(&p, UA_POLICY_BASIC256SHA256, UA_MODE_SIGN, ua_limits_default);
        struct ua_event ev = opening(&p, (struct ua_open_secure_channel_request){.request_type = 1,
                                                                                 .security_mode = UA_MODE_SIGN,
                                                                                 .client_nonce = {bytes, lengths[i]},
                                                                                 .requested_lifetime = 60000});
        CHECK_INT(ev.kind, lengths[i] == 32 ? UA_EVENT_RENEWED : UA_EVENT_ERROR);
        if (lengths[i] != 32) CHECK_INT(ev.status, UA_BAD_NONCE_INVALID);
        pair_fini(&p);
    }
}
TEST(openings_that_are_out_of_place)
{
    static const char nonce[33] = "0123456789abcdef0123456789abcdef";
    static const struct {
        uint32_t type;
        int32_t mode;
        uint32_t status;
    } rows[] = {{0, UA_MODE_SIGN, 0x80530000u},                           /* issued once more */
                {2, UA_MODE_SIGN, 0x80530000u},                           /* no such thing */
                {1, UA_MODE_SIGN_ENCRYPT, UA_BAD_SECURITY_MODE_REJECTED}, /* another mode than before */
                {1, UA_MODE_NONE, UA_BAD_SECURITY_MODE_REJECTED},
                {1, 77, UA_BAD_SECURITY_MODE_REJECTED}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair p;
        open_pair(&p, UA_POLICY_BASIC256SHA256, UA_MODE_SIGN, ua_limits_default);
        struct ua_event ev =
            opening(&p, (struct ua_open_secure_channel_request){
                            .request_type = rows[i].type, .security_mode = rows[i].mode, .client_nonce = {nonce, 32}});
        CHECK_INT(ev.kind, UA_EVENT_ERROR);
        CHECK_INT(ev.status, rows[i].status);
        pair_fini(&p);
    }
}
/* Renewed again and again without a message between: two tokens live, not more, and the newest works. */
TEST(renewals_without_end)
{
    static const char nonce[33] = "0123456789abcdef0123456789abcdef";
    struct pair p;
    open_pair(&p, UA_POLICY_BASIC256SHA256, UA_MODE_SIGN, ua_limits_default);
    for (int k = 0; k < 20; k++) {
        struct ua_event ev =
            opening(&p, (struct ua_open_secure_channel_request){
                            .request_type = 1, .security_mode = UA_MODE_SIGN, .client_nonce = {nonce, 32}});
        CHECK_INT(ev.kind, UA_EVENT_RENEWED);
        CHECK(ua_channel_out(p.server)->n < 1 << 20);
    }
    CHECK_INT(ua_channel_info(p.server).renewals, 20);
    CHECK(!ua_channel_over(p.server));
    pair_fini(&p);
}

/* ---- certificates -------------------------------------------------------------------------------------------- */

static uint32_t verdict(const struct ua_cert *c, struct ua_cert_check k)
{
    k.now_us = NOW_US;
    return ua_cert_verify(c, &k, NULL);
}
/* Authorities below one another, 100 deep: a chain that long is refused, and quickly. */
TEST(a_chain_of_a_hundred)
{
    identities();
    enum { DEEP = 100 };
    struct identity at[DEEP];
    struct ua_cert *all[DEEP];
    struct ua_cert_make m = {.authority = true}, leaf_make = {.serial = 999};
    struct buf sent;
    struct ua_cert *c = NULL;
    buf_init(&sent, 1 << 20);
    for (int k = 0; k < DEEP; k++) {
        char name[16];
        snprintf(name, sizeof name, "ca%d", k);
        m.serial = (uint64_t)k + 1;
        at[k] = identity_of(name, k % 2 ? ours.key : theirs.key, &m, k ? &at[k - 1] : NULL);
        all[k] = at[k].cert;
    }
    struct identity leaf = identity_of("leaf", ours.key, &leaf_make, &at[DEEP - 1]);
    CHECK_INT(
        verdict(leaf.cert, (struct ua_cert_check){.trusted = all, .trusted_n = 1, .issuers = all, .issuers_n = DEEP}),
        UA_BAD_CERTIFICATE_CHAIN_INCOMPLETE);
    CHECK_INT(
        verdict(leaf.cert,
                (struct ua_cert_check){.trusted = &all[DEEP - 1], .trusted_n = 1, .issuers = all, .issuers_n = DEEP}),
        UA_BAD_CERTIFICATE_CHAIN_INCOMPLETE);
    CHECK_INT(verdict(leaf.cert, (struct ua_cert_check){.trusted = &leaf.cert, .trusted_n = 1}), 0); /* itself */
    buf_str(&sent, ua_cert_info(leaf.cert)->der);
    for (int k = DEEP; k-- > 0;) buf_str(&sent, ua_cert_info(at[k].cert)->der);
    struct error e = {0};
    CHECK(ua_cert_parse(buf_view(&sent), &c, &e) != 0);
    CHECK(e.text[0] && e.text_zh[0]);
    buf_fini(&sent);
    identity_free(&leaf);
    for (int k = 0; k < DEEP; k++) identity_free(&at[k]);
}
/* An authority of the right name that has signed itself is not the one that is trusted. */
TEST(a_self_signed_authority_in_the_middle)
{
    identities();
    struct ua_cert_make m = {.authority = true, .serial = 1}, leaf_make = {.serial = 3};
    struct identity root = identity_of("root", theirs.key, &m, NULL);
    m.serial = 2;
    struct identity middle = identity_of("middle", ours.key, &m, &root);
    struct identity false_middle = identity_of("middle", ours.key, &m, NULL);
    struct identity leaf = identity_of("leaf", theirs.key, &leaf_make, &false_middle);
    struct ua_cert_check k = {.trusted = &root.cert, .trusted_n = 1, .issuers = &false_middle.cert, .issuers_n = 1};
    CHECK_INT(verdict(leaf.cert, k), UA_BAD_CERTIFICATE_UNTRUSTED);
    k.issuers = &middle.cert; /* the key is the same: this one leads to the root */
    CHECK_INT(verdict(leaf.cert, k), 0);
    struct buf both;
    struct ua_cert *sent = NULL;
    buf_init(&both, 1 << 16); /* the false one sent along does not hide the right one */
    buf_str(&both, ua_cert_info(leaf.cert)->der);
    buf_str(&both, ua_cert_info(false_middle.cert)->der);
    REQUIRE(ua_cert_parse(buf_view(&both), &sent, NULL) == 0);
    k.issuers_n = 0;
    CHECK(verdict(sent, k) != 0);
    ua_cert_free(sent);
    buf_fini(&both);
    identity_free(&leaf);
    identity_free(&false_middle);
    identity_free(&middle);
    identity_free(&root);
}
